//! Repositories that libgit2 cannot read by itself: every journey in each kind of them.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::merge::{decrypted, merge, on_branch, set};
use crate::support::{Output, PROD, Person, Sandbox, contains};

const LEAK: &str = "canary-in-clear";

/// A store in a repository that `git init` made with these options.
fn store(options: &[&str]) -> Sandbox {
    let sandbox = Sandbox::without_git();
    sandbox.git([&["init", "--quiet"], options].concat()).ok();
    sandbox.write("app/main.txt", "a folder beside the secrets\n");
    fill(&sandbox);
    sandbox
}

fn fill(ana: &Person) {
    ana.key();
    ana.stax(["secrets", "init", "--env", "production"]).ok();
    ana.set("DATABASE_URL", "postgres://db.example.com/app")
        .ok();
    ana.set("STRIPE_SECRET_KEY", "sk_live_first").ok();
    ana.set_typed("PORT", "5432", "int").ok();
    ana.commit_all("chore(secrets): bootstrap encrypted store");
}

/// What a person does in a week; `bob` is somebody with a key.
fn walk_through(ana: &Person, bob: &Person) {
    values(ana);
    commits(ana);
    past(ana, bob);
    merges(ana);
    verifies(ana);
}

fn values(ana: &Person) {
    ana.stax(["secrets", "install"]).ok();
    ana.stax(["secrets", "list"])
        .ok()
        .prints("STRIPE_SECRET_KEY");
    ana.get("PORT").ok().prints("5432\n");
    ana.set("STRIPE_SECRET_KEY", "sk_live_second").ok();
    ana.git(["diff"])
        .ok()
        .prints("-STRIPE_SECRET_KEY: sk_live_first")
        .prints("+STRIPE_SECRET_KEY: sk_live_second");
    ana.stax(["secrets", "diff"])
        .ok()
        .prints("STRIPE_SECRET_KEY");
    ana.stax(["secrets", "status"])
        .ok()
        .prints("Canonical source: git");
    ana.git(["commit", "-qam", "another key"]).ok();
    ana.get("STRIPE_SECRET_KEY").ok().prints("sk_live_second");
    ana.stax(["secrets", "get", "STRIPE_SECRET_KEY", "--at", "HEAD~1"])
        .ok()
        .prints("sk_live_first");
}

fn commits(ana: &Person) {
    let head = || ana.git(["rev-parse", "HEAD"]).ok().stdout;
    let before = head();
    let sealed = ana.read(PROD);
    ana.put_in_clear(PROD, "STRIPE_SECRET_KEY", LEAK);
    ana.write("app/notes.txt", "x\n");
    for args in [
        ["commit", "-qam", "wip"].as_slice(),
        &["commit", "-qm", "wip", PROD],
    ] {
        ana.git(args)
            .exits(1)
            .shows("error[F04 plaintext]")
            .shows("commit refused")
            .hides(LEAK);
    }
    ana.git(["add", PROD]).ok();
    ana.git(["commit", "-qm", "wip"])
        .exits(1)
        .shows("error[F04 plaintext]")
        .hides(LEAK);
    ana.stax(["secrets", "verify", "--staged"])
        .exits(1)
        .prints("F04 plaintext");
    // beside it an honest file alone goes through, and the other stays where it is
    ana.git(["add", "--sparse", "app/notes.txt"]).ok();
    ana.git(["commit", "-qm", "notes", "app/notes.txt"]).ok();
    assert_ne!(head(), before);
    ana.write(PROD, sealed);
    ana.git(["add", PROD]).ok();
    ana.set("PORT", "6543").ok();
    ana.git(["commit", "-qm", "the port alone", PROD]).ok();
    ana.set("PORT", "5432").ok();
    ana.git(["commit", "-qam", "back"]).ok();
    assert_eq!(ana.git(["status", "--porcelain"]).ok().stdout, "");
}

fn past(ana: &Person, bob: &Person) {
    ana.add_recipient(bob, "Bob Stone", "developer").ok();
    ana.commit_all("bob joins");
    ana.stax(["secrets", "recipients"]).ok().prints("Bob Stone");
    ana.stax(["secrets", "log", "STRIPE_SECRET_KEY"])
        .ok()
        .prints("~ changed");
    ana.stax(["secrets", "blame"])
        .ok()
        .prints("STRIPE_SECRET_KEY");
    ana.stax(["secrets", "history"])
        .ok()
        .prints("+ Bob Stone (developer)")
        .hides("not all history");
    ana.stax(["secrets", "remove-recipient", "Bob Stone"]).ok();
    ana.commit_all("bob leaves");
    ana.stax(["secrets", "exposure", "Bob Stone"])
        .exits_with_one_of(&[0, 1])
        .prints("STRIPE_SECRET_KEY");
    ana.stax(["secrets", "diff", "HEAD~1"])
        .ok()
        .prints("- recipient age1");
    ana.git(["show", "HEAD"])
        .ok()
        .prints("STRIPE_SECRET_KEY: sk_live_second");
}

fn merges(ana: &Person) {
    on_branch(ana, "payments", |ana| {
        set(ana, "WEBHOOK_SECRET", "whsec_77")
    });
    set(ana, "PORT", "7000");
    ana.commit_all("ours");
    merge(ana, "payments").ok();
    let text = decrypted(ana, PROD);
    assert!(text.contains("whsec_77") && text.contains("7000"), "{text}");

    for (command, branch) in [
        ("merge", "rates"),
        ("cherry-pick", "picks"),
        ("rebase", "base"),
    ] {
        on_branch(ana, branch, |ana| {
            set(ana, "PORT", &format!("8{}", command.len()))
        });
        set(ana, "PORT", &format!("9{}", command.len()));
        ana.commit_all(&format!("before {command}"));
        ana.git([command, branch]).exits(1).says("conflict: PORT");
        ana.git(["add", PROD]).ok();
        ana.git(["commit", "--no-edit"])
            .exits(1)
            .shows("stax secrets resolve");
        ana.stax(["secrets", "resolve", PROD, "--theirs"]).ok();
        ana.git(["-c", "core.editor=true", command, "--continue"])
            .ok();
        ana.stax(["secrets", "verify"]).ok();
    }
}

fn verifies(ana: &Person) {
    for args in [
        ["--staged"].as_slice(),
        &["--range", "HEAD~2..HEAD"],
        &["--history"],
        &[],
    ] {
        let output = ana
            .stax(
                ["secrets", "verify", "--require-history"]
                    .iter()
                    .chain(args),
            )
            .ok();
        output.hides("not all history");
    }
}

#[track_caller]
fn assert_index_holds(ana: &Person, extension: &str) {
    assert!(
        contains(&ana.bytes(".git/index"), extension.as_bytes()),
        "the index has no `{extension}`"
    );
}

#[test]
fn a_split_index_changes_no_journey() {
    let sandbox = store(&[]);
    sandbox.git(["config", "core.splitIndex", "true"]).ok();
    sandbox
        .git(["config", "splitIndex.maxPercentChange", "100"])
        .ok();
    sandbox.git(["update-index", "--split-index"]).ok();
    walk_through(&sandbox, &sandbox.person("bob"));
    assert_index_holds(&sandbox, "link");
}

#[test]
fn a_sparse_index_changes_no_journey() {
    let sandbox = store(&[]);
    for path in ["app/deep/a.txt", "docs/b.txt"] {
        sandbox.write(path, "outside\n");
    }
    sandbox.commit_all("folders that nobody checks out");
    sandbox
        .git([
            "sparse-checkout",
            "set",
            "--cone",
            "--sparse-index",
            "infra",
            ".stax",
        ])
        .ok();
    assert_index_holds(&sandbox, "sdir");
    walk_through(&sandbox, &sandbox.person("bob"));
    sandbox.git(["sparse-checkout", "reapply"]).ok();
    assert_index_holds(&sandbox, "sdir");
}

#[test]
fn references_in_a_reftable_change_no_journey() {
    let sandbox = store(&["--ref-format=reftable"]);
    assert!(sandbox.path(".git/reftable").is_dir());
    walk_through(&sandbox, &sandbox.person("bob"));
}

#[test]
fn names_of_sha_256_change_no_journey() {
    let sandbox = store(&["--object-format=sha256"]);
    assert_eq!(
        sandbox.git(["rev-parse", "HEAD"]).ok().stdout.trim().len(),
        64
    );
    walk_through(&sandbox, &sandbox.person("bob"));
    sandbox
        .git(["commit-graph", "write", "--reachable", "--changed-paths"])
        .ok();
    sandbox.git(["gc", "--quiet"]).ok();
    verifies(&sandbox);
}

#[test]
fn all_of_them_at_once_change_no_journey() {
    let sandbox = store(&["--object-format=sha256", "--ref-format=reftable"]);
    sandbox
        .git([
            "sparse-checkout",
            "set",
            "--cone",
            "--sparse-index",
            "infra",
            ".stax",
        ])
        .ok();
    assert_index_holds(&sandbox, "sdir");
    let linked = sandbox.place().join("linked");
    sandbox
        .git(["config", "extensions.worktreeConfig", "true"])
        .ok();
    sandbox
        .git([
            "worktree",
            "add",
            "--quiet",
            "-b",
            "elsewhere",
            linked.to_str().expect("UTF-8"),
        ])
        .ok();
    walk_through(&sandbox.at(&linked), &sandbox.person("bob"));
}

#[test]
fn extensions_that_say_nothing_to_stax_change_no_journey() {
    let sandbox = store(&[]);
    sandbox
        .git(["config", "core.repositoryformatversion", "1"])
        .ok();
    for (name, value) in [
        ("partialClone", "origin"),
        ("compatObjectFormat", "sha256"),
        ("worktreeConfig", "true"),
        ("preciousObjects", "true"),
        ("relativeWorktrees", "true"),
    ] {
        // git has to know it too
        let name = format!("extensions.{name}");
        sandbox.git(["config", &name, value]).ok();
        if sandbox.git(["status"]).code != 0 {
            sandbox
                .git(["config", "--file", ".git/config", "--unset", &name])
                .ok();
        }
        sandbox.stax(["secrets", "verify"]).ok();
        sandbox.get("PORT").ok();
        sandbox.stax(["secrets", "history"]).ok();
    }
}

#[test]
fn a_server_of_either_kind_judges_what_is_pushed() {
    for options in [
        ["--object-format=sha256"].as_slice(),
        &["--ref-format=reftable"],
    ] {
        let sandbox = store(options);
        let server = sandbox
            .place()
            .join("server.git")
            .to_str()
            .expect("UTF-8")
            .to_owned();
        sandbox
            .git([&["init", "--quiet", "--bare"], options, &[&server]].concat())
            .ok();
        sandbox.git(["remote", "add", "origin", &server]).ok();
        let hook = "../server.git/hooks/pre-receive";
        sandbox.write(hook, include_str!("../../docs/ci/pre-receive"));
        sandbox.sh(&format!("chmod +x {hook}")).ok();
        sandbox
            .git(["push", "--quiet", "-u", "origin", "main"])
            .ok();
        sandbox.put_in_clear(PROD, "STRIPE_SECRET_KEY", LEAK);
        sandbox.git(["commit", "--no-verify", "-qam", "wip"]).ok();
        // the own hook, then that of the server, for a branch that it has and for a new one
        sandbox
            .git(["push", "--quiet"])
            .exits(1)
            .shows("F04 plaintext")
            .hides(LEAK);
        for target in ["HEAD:main", "HEAD:refs/heads/new"] {
            let pushed = sandbox
                .git(["push", "--quiet", "--no-verify", "origin", target])
                .exits(1);
            pushed
                .shows("F04 plaintext")
                .shows("pre-receive hook declined")
                .hides(LEAK);
        }
        sandbox.git(["reset", "--quiet", "--hard", "HEAD~1"]).ok();
        sandbox.set("PORT", "6543").ok();
        sandbox.git(["commit", "-qam", "honest"]).ok();
        sandbox.git(["push", "--quiet"]).ok();
    }
}

/// A clone that leaves objects with a remote, and the log of what it fetches.
fn partial(sandbox: &Sandbox, options: &[&str]) -> Person {
    sandbox
        .git(["config", "uploadpack.allowFilter", "true"])
        .ok();
    let url = format!("file://{}", sandbox.dir.display());
    let there = sandbox.place().join("partial");
    sandbox
        .git(
            [
                &["clone", "--quiet"],
                options,
                &[&url, there.to_str().expect("UTF-8")],
            ]
            .concat(),
        )
        .ok();
    let clone = sandbox.at(there);
    clone.stax(["secrets", "install"]).ok();
    clone
}

fn missing(clone: &Person) -> usize {
    let list = clone
        .git(["rev-list", "--objects", "--all", "--missing=print"])
        .ok()
        .stdout;
    list.lines().filter(|line| line.starts_with('?')).count()
}

/// A history of a few versions.
fn with_past() -> Sandbox {
    let sandbox = store(&[]);
    for port in ["1", "2", "3", "4"] {
        sandbox.set("PORT", port).ok();
        sandbox.commit_all(&format!("port {port}"));
    }
    sandbox.set("PORT", "5432").ok();
    sandbox.commit_all("the port of today");
    sandbox
}

#[test]
fn a_clone_without_old_blobs_fetches_what_a_journey_names() {
    let sandbox = with_past();
    let clone = partial(&sandbox, &["--filter=blob:none"]);
    let before = missing(&clone);
    assert!(before > 4, "{before}");
    // a diff asks no git, and so no remote
    clone
        .with("PATH", "/nowhere")
        .stax(["git", "textconv", PROD])
        .ok()
        .prints("PORT: 5432");
    assert_eq!(missing(&clone), before);
    clone
        .stax(["secrets", "get", "PORT", "--at", "HEAD~3"])
        .ok()
        .prints("2\n");
    assert_eq!(missing(&clone), before - 1);
    walk_through(&clone, &sandbox.person("bob"));
}

#[test]
fn what_nobody_checked_out_stops_no_commit_and_no_merge() {
    let sandbox = with_past();
    sandbox.write("docs/a.txt", "1\n");
    sandbox.commit_all("a document");
    let clone = partial(&sandbox, &["--filter=blob:none", "--sparse"]);
    clone
        .git(["sparse-checkout", "set", "--cone", "--sparse-index", "app"])
        .ok();
    let before = missing(&clone);
    clone.write("app/main.txt", "changed\n");
    clone.git(["diff"]).ok().prints("+changed");
    clone.git(["commit", "-qam", "a change"]).ok();
    sandbox.write("docs/a.txt", "2\n");
    sandbox.set("PORT", "6000").ok();
    sandbox.commit_all("meanwhile");
    clone
        .git(["pull", "--quiet", "--no-rebase", "--no-edit"])
        .ok();
    assert_index_holds(&clone, "sdir");
    clone.stax(["secrets", "verify", "--staged"]).ok();
    clone
        .stax(["secrets", "verify", "--range", "HEAD~1..HEAD"])
        .ok()
        .hides("not all history");
    assert!(missing(&clone) < before);
    clone.git(["sparse-checkout", "add", "infra", ".stax"]).ok();
    clone.stax(["secrets", "install"]).ok();
    clone.get("PORT").ok().prints("6000");
}

#[test]
fn a_merge_in_a_clone_without_blobs_knows_the_policy_of_the_other_side() {
    let sandbox = with_past();
    let clone = partial(&sandbox, &["--filter=blob:none"]);
    let bob = sandbox.person("bob");
    sandbox.add_recipient(&bob, "Bob Stone", "developer").ok();
    sandbox.set("DATABASE_URL", "postgres://new").ok();
    sandbox.commit_all("bob joins");
    // under a new data key a reader needs a stanza that a policy allows
    clone.set("PORT", "6000").ok();
    clone.stax(["secrets", "rotate"]).ok();
    clone
        .git(["commit", "-qam", "another port and data key"])
        .ok();
    clone
        .git(["pull", "--quiet", "--no-rebase", "--no-edit"])
        .ok();
    let bob = bob.at(&clone.dir);
    bob.get("PORT").ok().prints("6000");
    bob.get("DATABASE_URL").ok().prints("postgres://new");
    clone.stax(["secrets", "verify"]).ok();
}

#[test]
fn what_is_out_of_reach_is_unknown_and_said() {
    let sandbox = with_past();
    let clone = partial(&sandbox, &["--filter=blob:none"]);
    let alone = clone.with("GIT_NO_LAZY_FETCH", "1");
    alone
        .stax(["secrets", "get", "PORT", "--at", "HEAD~3"])
        .exits(2)
        .one_error()
        .says("is not in this clone");
    let output = alone
        .stax(["secrets", "history"])
        .ok()
        .says("not all history");
    let advice = output.says("git fetch --refetch --no-filter").stderr;
    let output = alone
        .stax(["secrets", "verify", "--require-history"])
        .exits(1);
    output
        .shows("not all history")
        .says("git fetch --refetch --no-filter");
    let before = missing(&clone);
    fs::rename(&sandbox.dir, sandbox.place().join("moved")).expect("a remote that is gone");
    clone
        .stax(["secrets", "history"])
        .ok()
        .says("not all history");
    clone.git(["diff"]).ok();
    fs::rename(sandbox.place().join("moved"), &sandbox.dir).expect("the remote");
    assert_eq!(missing(&clone), before);
    // what it says to type
    assert!(advice.contains("git fetch --refetch --no-filter"));
    clone
        .git(["fetch", "--quiet", "--refetch", "--no-filter"])
        .ok();
    assert_eq!(missing(&clone), 0);
    alone
        .stax(["secrets", "history"])
        .ok()
        .hides("not all history");
}

#[test]
fn a_clone_without_old_trees_says_what_brings_them() {
    let sandbox = with_past();
    let clone = partial(&sandbox, &["--filter=tree:0"]);
    let line = "error: this clone has no trees of older commits; \
                `git fetch --refetch --filter=blob:none` brings them\n";
    clone.get("PORT").ok();
    clone.set("STRIPE_SECRET_KEY", "sk_live_second").ok();
    clone
        .git(["diff"])
        .ok()
        .prints("+STRIPE_SECRET_KEY: sk_live_second");
    clone.stax(["secrets", "verify", "--staged"]).ok();
    for command in [
        ["history"].as_slice(),
        &["log"],
        &["exposure", "Bob"],
        &["verify", "--history"],
    ] {
        let output = clone.stax(["secrets"].iter().chain(command)).exits(2);
        assert_eq!(output.stderr, line, "{output}");
    }
    clone.git(["restore", PROD]).ok();
    clone
        .git(["fetch", "--quiet", "--refetch", "--filter=blob:none"])
        .ok();
    walk_through(&clone, &sandbox.person("bob"));
}

#[test]
fn an_extension_that_git_does_not_know_is_named_in_one_line() {
    let sandbox = store(&[]);
    sandbox
        .git(["config", "core.repositoryformatversion", "1"])
        .ok();
    sandbox.git(["config", "extensions.unheardof", "true"]).ok();
    sandbox.git(["status"]).exits(128);
    for command in [
        ["list"].as_slice(),
        &["verify"],
        &["verify", "--staged"],
        &["status"],
        &["install"],
        &["history"],
    ] {
        let output = sandbox.stax(["secrets"].iter().chain(command)).exits(2);
        let line = "error: the repository uses the git extension `extensions.unheardof`, which this git and this \
                    stax do not know; it needs a newer version\n";
        assert_eq!(output.stderr, line, "{output}");
    }
}

/// Gives a folder to another user, as root does.
fn give_away(sandbox: &Sandbox, folder: &Path) {
    let is_root = fs::metadata(sandbox.place()).expect("the sandbox").uid() == 0;
    let folder = folder.to_str().expect("UTF-8");
    let done = match is_root {
        true => sandbox.run("chown", ["-R", "12345", folder], b""),
        false => sandbox.run("sudo", ["-n", "chown", "-R", "12345", folder], b""),
    };
    assert!(
        done.code == 0,
        "this test gives a folder to another user; run it as root or with a sudo that asks nothing\n{done}"
    );
}

#[test]
fn a_folder_of_somebody_else_opens_when_git_trusts_it_and_only_then() {
    let sandbox = store(&[]);
    give_away(&sandbox, &sandbox.dir);
    let place = sandbox.place();
    let trust = |value: &str| {
        sandbox
            .git([
                "config",
                "--global",
                "--replace-all",
                "safe.directory",
                value,
            ])
            .ok();
    };
    let refused = |output: Output| {
        output
            .exits(2)
            .one_error()
            .says("owned by someone else")
            .says("git config --global --add safe.directory");
    };
    refused(sandbox.stax(["secrets", "list"]));
    sandbox.git(["status"]).exits(128);
    trust("/somewhere/else/*");
    refused(sandbox.stax(["secrets", "verify", "--staged"]));
    for value in [
        "*".to_owned(),
        sandbox.dir.display().to_string(),
        format!("{}/*", place.display()),
    ] {
        trust(&value);
        sandbox.git(["status"]).ok();
        sandbox.stax(["secrets", "list"]).ok().prints("PORT");
        sandbox.stax(["secrets", "verify"]).ok();
        sandbox.stax(["secrets", "verify", "--staged"]).ok();
    }
    walk_through(&sandbox, &sandbox.person("bob"));
    // an answer for one folder is none for another
    let other = place.join("other");
    sandbox
        .git([
            "clone",
            "--quiet",
            sandbox.dir.to_str().expect("UTF-8"),
            other.to_str().expect("UTF-8"),
        ])
        .ok();
    give_away(&sandbox, &other);
    trust(&format!("{}/repo/*", place.display()));
    refused(sandbox.at(&other).stax(["secrets", "list"]));
    // as `git -c safe.directory=*` hands it to what it calls
    trust("/somewhere/else");
    let once = [
        ("COUNT", "1"),
        ("KEY_0", "safe.directory"),
        ("VALUE_0", "*"),
    ];
    let told = once
        .iter()
        .fold(sandbox.at(&sandbox.dir), |ana, (name, value)| {
            ana.with(&format!("GIT_CONFIG_{name}"), *value)
        });
    told.stax(["secrets", "list"]).ok().prints("PORT");
    refused(sandbox.stax(["secrets", "list"]));
}

#[test]
fn what_a_sparse_checkout_leaves_out_is_judged_as_well() {
    for index in ["--no-sparse-index", "--sparse-index"] {
        let sandbox = Sandbox::with_store();
        sandbox.write("app/main.txt", "x\n");
        sandbox.put_in_clear(PROD, "STRIPE_SECRET_KEY", "canary-in-clear");
        sandbox.git(["add", "--all"]).ok();
        sandbox
            .git(["commit", "--quiet", "--no-verify", "-m", "a leak"])
            .ok();
        sandbox
            .git(["sparse-checkout", "set", "--cone", index, "app"])
            .ok();
        assert!(!sandbox.path(PROD).exists() && !sandbox.path(".stax").exists());
        let found = sandbox
            .stax(["secrets", "verify", "--keyless"])
            .exits(1)
            .prints("F04");
        found.prints(PROD).hides("canary-in-clear");
    }
}
