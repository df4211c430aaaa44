//! `install --guard`: what is in clear does not even reach the object store.

use crate::support::{CANARY, PROD, Person, Sandbox};

const LEAK: &str = "canary-in-clear";

fn guarded() -> Sandbox {
    let sandbox = Sandbox::with_store();
    let output = sandbox.stax(["secrets", "install", "--guard"]).ok();
    output
        .prints("a guard: `git add` refuses secrets in clear")
        .shows("git needs stax for these files");
    sandbox
}

/// Every object of the repository, inflated.
fn objects(person: &Person) -> String {
    let script = "git cat-file --batch-all-objects --batch --unordered";
    person.sh(script).ok().stdout
}

#[test]
fn a_value_in_clear_is_refused_before_it_is_an_object() {
    let sandbox = guarded();
    sandbox.put_in_clear(PROD, "STRIPE_SECRET_KEY", LEAK);
    let table: [&[&str]; 5] = [
        &["add", PROD],
        &["add", "--all"],
        &["commit", "-qam", "wip"],
        &["commit", "-qm", "wip", PROD],
        &["stash"],
    ];
    for args in table {
        let output = sandbox
            .git(args)
            .shows("stax: ")
            .shows("`STRIPE_SECRET_KEY` is in clear")
            .hides(LEAK);
        assert_ne!(output.code, 0);
        output.shows("hint: stax secrets encrypt -i infra/secrets/prod.enc.yaml, or: git restore");
    }
    // what editors do to stage a part of a file
    let output = sandbox.sh(&format!(
        "git hash-object -w --stdin --path {PROD} < {PROD}"
    ));
    assert_ne!(output.shows("is in clear").code, 0);
    assert!(!objects(&sandbox).contains(LEAK));
    sandbox.git(["status", "--short"]).ok().prints(PROD);

    sandbox.stax(["secrets", "encrypt", "-i", PROD]).ok();
    sandbox.git(["add", PROD]).ok();
    sandbox.git(["commit", "-qm", "sealed"]).ok();
    assert!(!objects(&sandbox).contains(LEAK));
}

#[test]
fn a_whole_file_in_clear_is_refused_where_it_is_known_to_be_secret() {
    let sandbox = guarded();
    sandbox.write(PROD, format!("STRIPE_SECRET_KEY: {LEAK}\n"));
    sandbox
        .git(["add", PROD])
        .exits(128)
        .shows("the whole file is in clear")
        .hides(LEAK);
    sandbox.git(["restore", PROD]).ok();

    // one that was sealed before, and one that a rule of the policy names
    let key = sandbox.key();
    let policy = sandbox.read(".sops.yaml") + &format!("  - path_regex: ^k8s/\n    age: {key}\n");
    sandbox.write(".sops.yaml", policy);
    sandbox.write("k8s/db.sops.yaml", format!("password: {LEAK}\n"));
    sandbox
        .git(["add", "k8s"])
        .exits(128)
        .shows("k8s/db.sops.yaml: the whole file is in clear");
    sandbox
        .stax(["secrets", "encrypt", "-i", "k8s/db.sops.yaml"])
        .ok();
    sandbox.git(["add", "."]).ok();
    sandbox.write("k8s/db.sops.yaml", format!("password: {LEAK}\n"));
    sandbox
        .git(["add", "k8s"])
        .exits(128)
        .shows("the whole file is in clear");
    assert!(!objects(&sandbox).contains(LEAK));
    // nobody calls this one secret, and the policy itself is no secret
    sandbox.write("notes.enc.yaml", "a: 1\n");
    sandbox.git(["add", "notes.enc.yaml", ".sops.yaml"]).ok();
}

#[test]
fn a_file_that_a_nearer_policy_names_is_refused_as_one_that_the_root_names() {
    let sandbox = guarded();
    let rule = format!(
        "creation_rules:\n  - path_regex: \\.yaml$\n    age: {}\n",
        sandbox.key()
    );
    sandbox.write("team/.sops.yaml", rule);
    sandbox.write("team/db.sops.yaml", format!("password: {LEAK}\n"));
    sandbox
        .git(["add", "team"])
        .exits(128)
        .shows("team/db.sops.yaml: the whole file is in clear");
    // what cannot be read may name it
    sandbox.write("team/.sops.yaml", "creation_rules: [\n");
    sandbox
        .git(["add", "team/db.sops.yaml"])
        .exits(128)
        .shows("the whole file is in clear");
    assert!(!objects(&sandbox).contains(LEAK));
}

#[test]
fn everything_honest_goes_in_and_out_as_it_is() {
    let sandbox = guarded();
    let big = "x".repeat(300_000);
    sandbox.write("big.enc.yaml", format!("a: {big}\n"));
    sandbox.write("empty.enc.yaml", "");
    sandbox.write("bytes.enc.json", b"\xff\0\xfe\r\n");
    sandbox.commit_all("honest");
    sandbox.set("PORT", "6543").ok();
    sandbox.git(["diff"]).ok().prints("+PORT: 6543");
    sandbox.git(["stash"]).ok();
    sandbox.git(["stash", "pop"]).ok();
    sandbox.git(["commit", "-qam", "a change"]).ok();
    sandbox.git(["checkout", "-q", "HEAD~2"]).ok();
    sandbox.git(["checkout", "-q", "main"]).ok();
    assert_eq!(sandbox.read("big.enc.yaml"), format!("a: {big}\n"));
    assert_eq!(sandbox.bytes("bytes.enc.json"), b"\xff\0\xfe\r\n");
    sandbox.git(["status", "--short"]).ok().prints_exactly("");
    sandbox.get("STRIPE_SECRET_KEY").ok().prints(CANARY);
    sandbox
        .stax(["secrets", "status"])
        .ok()
        .prints("diff and merge drivers, guard, hooks");
    let status = sandbox.stax(["secrets", "status", "--json"]).ok().json();
    assert_eq!(status["git"]["guard"], true);
}

#[test]
fn it_comes_out_again_without_a_trace_and_leaves_other_filters_alone() {
    let sandbox = Sandbox::with_store();
    sandbox.write(
        ".gitattributes",
        sandbox.read(".gitattributes") + "lfs.enc.json filter=lfs\n",
    );
    sandbox.write("lfs.enc.json", "{}\n");
    sandbox.commit_all("another filter");
    sandbox.write(".git/info/attributes", "*.txt text");
    let before = sandbox.read(".git/config");
    let output = sandbox.stax(["secrets", "install", "--guard"]).ok();
    output.shows("lfs.enc.json has another filter and is not guarded");
    sandbox
        .git(["check-attr", "filter", "lfs.enc.json"])
        .ok()
        .prints(": filter: lfs");
    sandbox
        .git(["check-attr", "filter", PROD])
        .ok()
        .prints(": filter: stax");
    sandbox
        .git(["check-attr", "filter", ".sops.yaml"])
        .ok()
        .prints(": filter: unspecified");
    let once = (
        sandbox.read(".git/config"),
        sandbox.read(".git/info/attributes"),
    );
    sandbox.stax(["secrets", "install", "--guard"]).ok();
    assert_eq!(
        once,
        (
            sandbox.read(".git/config"),
            sandbox.read(".git/info/attributes")
        )
    );
    sandbox
        .stax(["secrets", "uninstall"])
        .ok()
        .prints("removed    guard; diff driver; merge driver");
    assert_eq!(sandbox.read(".git/info/attributes"), "*.txt text");
    sandbox.stax(["secrets", "install"]).ok();
    assert_eq!(sandbox.read(".git/config"), before);
}

#[test]
fn without_stax_git_says_so_and_loses_nothing() {
    let sandbox = guarded();
    sandbox.set("PORT", "6543").ok();
    let config = sandbox.read(".git/config").replace("/stax", "/gone");
    sandbox.write(".git/config", config);
    let nowhere = sandbox.with("PATH", "/usr/local/bin:/usr/bin:/bin");
    let output = nowhere.git(["add", PROD]);
    assert_ne!(
        output
            .shows("stax: not found, and this clone is guarded")
            .code,
        0
    );
    let without = [
        "-c",
        "filter.stax.process=",
        "-c",
        "filter.stax.required=false",
        "add",
        PROD,
    ];
    nowhere.git(without).ok();
    sandbox.stax(["secrets", "install", "--guard"]).ok();
    sandbox.git(["commit", "-qm", "honest"]).ok();
}

/// Old versions were often in clear; git compares them with the work tree, and stores nothing.
#[test]
fn an_old_version_in_clear_can_be_looked_at() {
    let sandbox = Sandbox::with_store();
    sandbox.put_in_clear(PROD, "STRIPE_SECRET_KEY", LEAK);
    sandbox
        .git(["commit", "--no-verify", "-qam", "long ago"])
        .ok();
    sandbox.stax(["secrets", "encrypt", "-i", PROD]).ok();
    sandbox.git(["commit", "-qam", "sealed"]).ok();
    sandbox.stax(["secrets", "install", "--guard"]).ok();
    sandbox.git(["checkout", "-q", "HEAD~"]).ok();
    for args in [
        &["status", "--short"][..],
        &["diff", "--stat"],
        &["stash"],
        &["add", "--all"],
    ] {
        // as old as the index or older, so that git has to read it
        sandbox.sh(&format!("touch {PROD}")).ok();
        sandbox.git(args).ok().hides("stax: ");
    }
    sandbox.git(["checkout", "-q", "main"]).ok();
    sandbox
        .git(["rebase", "-q", "--force-rebase", "--root"])
        .ok();
    sandbox.git(["status", "--short"]).ok().prints_exactly("");
    // and another one is as new as ever
    sandbox.put_in_clear(PROD, "DATABASE_URL", LEAK);
    sandbox.git(["add", PROD]).exits(128).shows("is in clear");
}

/// blame hands the text that it shows to the filter, as somebody who stages a part of it does.
#[test]
fn what_a_diff_shows_is_not_stored_and_blame_is_told_the_way() {
    let sandbox = guarded();
    let output = sandbox.git(["blame", PROD]).exits(128).hides(CANARY);
    let hint = format!("hint: git blame HEAD -- {PROD}");
    output
        .shows("this is what a diff shows, and not the file")
        .shows(&hint);
    sandbox
        .git(["blame", "HEAD", "--", PROD])
        .ok()
        .prints(CANARY);
    sandbox
        .git(["blame", "--no-textconv", PROD])
        .ok()
        .prints("ENC[");
    sandbox
        .keyless()
        .git(["blame", "HEAD", "--", PROD])
        .ok()
        .hides(CANARY);
    // what VS Code and lazygit do with a part of a diff
    let store =
        format!("git show --textconv HEAD:{PROD} | git hash-object -w --stdin --path {PROD}");
    assert_ne!(
        sandbox.sh(&store).shows("this is what a diff shows").code,
        0
    );
    assert!(!objects(&sandbox).contains(CANARY));
}

/// These know no filters; the hook judges a commit.
#[test]
fn a_patch_for_the_index_goes_by_and_the_hook_sees_it() {
    let sandbox = Sandbox::with_store();
    sandbox.put_in_clear(PROD, "STRIPE_SECRET_KEY", LEAK);
    sandbox.sh("git diff --no-textconv > leak.patch").ok();
    sandbox.git(["restore", PROD]).ok();
    sandbox.stax(["secrets", "install", "--guard"]).ok();
    for way in ["--index", "--cached"] {
        sandbox.git(["apply", way, "leak.patch"]).ok();
        sandbox
            .git(["commit", "-qm", "wip"])
            .exits(1)
            .shows("error[F04 plaintext]");
        sandbox.git(["reset", "-q", "--hard"]).ok();
        sandbox.stax(["secrets", "scrub"]).ok().prints("removed ");
        assert!(!objects(&sandbox).contains(LEAK));
    }
}

#[test]
fn in_doubt_it_refuses() {
    let sandbox = guarded();
    let sealed = sandbox.read(PROD);
    // which values are in clear cannot be told
    sandbox.write(PROD, format!("NEW: \"{LEAK}\n{sealed}"));
    sandbox
        .git(["add", PROD])
        .exits(128)
        .shows("so what is in clear is unknown")
        .hides(LEAK);
    // both sides of a merge are the business of the hook
    sandbox.write(
        PROD,
        format!("<<<<<<< ours\n=======\n>>>>>>> theirs\n{sealed}"),
    );
    sandbox.git(["add", PROD]).ok();
    sandbox.git(["reset", "-q", "--hard"]).ok();

    sandbox.write(".stax/vault.json", "{");
    sandbox.write("new.enc.yaml", format!("A: {LEAK}\n"));
    sandbox
        .git(["add", "new.enc.yaml"])
        .exits(128)
        .shows(".stax/vault.json cannot be read");
    sandbox.git(["add", PROD]).ok();
    sandbox.git(["restore", ".stax/vault.json"]).ok();
    sandbox.write(".sops.yaml", "creation_rules: [");
    sandbox.write("db.enc.yaml", format!("A: {LEAK}\n"));
    sandbox
        .git(["add", "db.enc.yaml"])
        .exits(128)
        .shows("the whole file is in clear");
    assert!(!objects(&sandbox).contains(LEAK));
}

/// What verify finds, without a key.
fn findings(sandbox: &Sandbox) -> Vec<String> {
    let found = sandbox
        .stax(["secrets", "verify", "--keyless", "--json"])
        .json();
    let found = found["findings"].as_array().expect("findings").clone();
    found
        .iter()
        .map(|one| {
            let word = |name: &str| one[name].as_str().expect("a text").to_owned();
            format!("{} {}", word("rule"), word("message"))
        })
        .collect()
}

#[test]
fn a_secret_that_a_command_of_stax_adds_is_guarded_at_once() {
    let sandbox = guarded();
    let key = sandbox.key();
    let policy = sandbox.read(".sops.yaml") + &format!("  - path_regex: ^certs/\n    age: {key}\n");
    sandbox.write(".sops.yaml", policy);
    for (name, text) in [
        ("certs/a.yaml", "A: one\n"),
        ("certs/b c.json", "{\"B\": \"two\"}\n"),
    ] {
        sandbox.write(name, text);
        let output = sandbox.stax(["secrets", "encrypt", "-i", name]).ok();
        output.shows(&format!(
            "the guard of this clone sees {name} as well from now on"
        ));
    }
    sandbox.write("certs/plain", "three\n");
    sandbox
        .stax(["secrets", "encrypt", "-o", "certs/c", "certs/plain"])
        .ok()
        .shows("sees certs/c as well");
    sandbox.commit_all("more secrets");
    for name in ["certs/a.yaml", "certs/b c.json", "certs/c"] {
        sandbox
            .git(["check-attr", "filter", name])
            .ok()
            .prints("filter: stax");
        sandbox.write(name, LEAK);
        sandbox
            .git(["add", name])
            .exits(128)
            .shows("the whole file is in clear");
        sandbox.git(["restore", name]).ok();
    }
    let output = sandbox
        .stax(["vault", "link", "--env", "staging", "certs/a.yaml"])
        .ok();
    output.hides("the guard of this clone");
    let init = ["secrets", "init", "--env", "ci", "--file", "ci/values.json"];
    sandbox
        .stax(init)
        .ok()
        .shows("the guard of this clone sees ci/values.json as well");
    let left: Vec<String> = findings(&sandbox)
        .into_iter()
        .filter(|one| one.starts_with("G06"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
    sandbox.stax(["secrets", "uninstall"]).ok();
    sandbox
        .stax(["secrets", "encrypt", "-o", "certs/d", "certs/plain"])
        .ok()
        .hides("guard");
    assert!(!sandbox.path(".git/info/attributes").exists());
}

#[test]
fn what_the_guard_does_not_see_is_told() {
    let sandbox = guarded();
    // no file that is committed switches it off
    sandbox.write(
        ".gitattributes",
        sandbox.read(".gitattributes") + "* -filter\n*.enc.yaml !filter\n",
    );
    sandbox.write("infra/.gitattributes", "* -filter\n");
    sandbox.put_in_clear(PROD, "STRIPE_SECRET_KEY", LEAK);
    sandbox.git(["add", PROD]).exits(128);
    sandbox.git(["restore", PROD]).ok();
    assert_eq!(findings(&sandbox), Vec::<String>::new());

    // what somebody else linked, and a line of one's own
    sandbox.write("certs/a.yaml", sandbox.read(PROD));
    sandbox.git(["add", "certs"]).ok();
    let unseen = |sandbox: &Sandbox| {
        findings(sandbox)
            .into_iter()
            .filter(|one| one.starts_with("G06"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        unseen(&sandbox),
        ["G06 the guard of this clone does not see certs/a.yaml: `git add` takes it in clear"]
    );
    sandbox
        .stax(["secrets", "verify"])
        .prints("fix: stax secrets install --guard");
    sandbox.stax(["secrets", "install", "--guard"]).ok();
    assert_eq!(unseen(&sandbox), Vec::<String>::new());
    let own = sandbox.read(".git/info/attributes") + "# mine\ninfra/** -filter\n";
    let line = own.lines().count();
    sandbox.write(".git/info/attributes", own);
    let output = sandbox.stax(["secrets", "verify"]);
    output.prints("infra/** -filter").prints(&format!(
        "take `filter` out of line {line} of .git/info/attributes"
    ));
    let status = sandbox.stax(["secrets", "status"]).ok();
    status.prints(&format!(
        "✗ guard: it does not see {PROD}: line {line} of .git/info/attributes decides"
    ));
    let status = sandbox.stax(["secrets", "status", "--json"]).ok().json();
    assert_eq!(status["git"]["unguarded"][0], PROD);
}
