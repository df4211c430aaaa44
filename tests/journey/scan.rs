//! The values themselves, where they do not belong: `stax secrets scan` and the hooks.

use std::fs;

use crate::support::{CANARY, Output, PROD, Person, Sandbox};

/// The canary in base64, behind two bytes of a user name.
const BASIC: &str = "dTpjYW5hcnktaHVudGVyMg==";
const IN_CLEAR: &str =
    "error[C07 value-in-clear]: the value of STRIPE_SECRET_KEY (production) stands in ";

#[track_caller]
fn scan(person: &Person, args: &[&str]) -> Output {
    let output = person.stax([&["secrets", "scan"], args].concat());
    output.hides(CANARY).hides("panicked")
}

/// A store that is on a remote, and Ana's clone of it.
fn published() -> Sandbox {
    let sandbox = Sandbox::with_store();
    let remote = sandbox.place().join("remote.git");
    sandbox
        .git(["init", "--quiet", "--bare", &remote.to_string_lossy()])
        .ok();
    sandbox
        .git(["remote", "add", "origin", &remote.to_string_lossy()])
        .ok();
    sandbox.git(["push", "--quiet", "origin", "main"]).ok();
    sandbox
}

/// Past the hooks, as a rebase or another machine does.
fn commit_unseen(person: &Person, path: &str, text: &str) {
    person.write(path, text);
    person.git(["add", "--all"]).ok();
    person
        .git(["commit", "--quiet", "--no-verify", "-m", "wip"])
        .ok();
}

#[test]
fn a_clean_repository_says_what_was_looked_for() {
    let sandbox = published();
    let output = scan(&sandbox, &[])
        .ok()
        .prints("1 value of 1 file looked for in ")
        .prints(": nothing found\n");
    output.says("note: 2 of 3 values are too short or too ordinary to look for");
    scan(&sandbox, &["--history"])
        .ok()
        .prints("of 1 commit: nothing found\n");
    scan(&sandbox, &["-q"]).ok().says("");
}

#[test]
fn each_encoding_is_found_in_the_work_tree() {
    let sandbox = published();
    let table = [
        (
            "config.py",
            format!("a = 1\nkey = '{CANARY}'\n"),
            "config.py:2\n",
        ),
        (
            "k8s/secret.yaml",
            format!("data:\n  basic: {BASIC}\n"),
            "k8s/secret.yaml:2  base64\n",
        ),
        (
            "twice.txt",
            format!("{CANARY}\n{CANARY}\n"),
            "twice.txt:1  2 times\n",
        ),
        ("blob.bin", format!("\0\u{1}{CANARY}\0"), "blob.bin:1\n"),
    ];
    for (path, text, _) in &table {
        sandbox.write(path, text);
    }
    sandbox.git(["add", "config.py"]).ok();
    let mut output = scan(&sandbox, &[]).exits(1).prints(": 4 found\n");
    for (path, _, place) in table {
        output = output.prints(&format!("{IN_CLEAR}{path}\n  {place}"));
    }
    output.prints("  fix: take it out of the file");
}

#[test]
fn escaped_forms_are_found() {
    let sandbox = published();
    let value = "canary/a1 b2\"c3'd4$e5";
    sandbox.set("API_TOKEN", value).ok();
    let table = [
        (
            "url.txt",
            "https://x/?t=canary%2Fa1%20b2%22c3%27d4%24e5",
            "percent-encoded",
        ),
        (
            "form.txt",
            "t=canary%2fa1+b2%22c3%27d4%24e5",
            "percent-encoded",
        ),
        (
            "a.json",
            r#"{"t": "canary\/a1 b2\"c3'd4$e5"}"#,
            "JSON-escaped",
        ),
        ("run.sh", r#"T='canary/a1 b2"c3'\''d4$e5'"#, "shell-escaped"),
        ("env.sh", r#"T="canary/a1 b2\"c3'd4\$e5""#, "shell-escaped"),
    ];
    for (path, text, _) in table {
        sandbox.write(path, text);
    }
    let mut output = scan(&sandbox, &[]).exits(1).hides("canary/a1");
    for (path, _, form) in table {
        output = output.prints(&format!("{path}:1  {form}\n"));
    }
}

#[test]
fn what_is_ignored_is_passed_over_and_a_path_is_read_as_it_is() {
    let sandbox = published();
    sandbox.write(".gitignore", ".env\n");
    sandbox.write(".env", format!("STRIPE_SECRET_KEY={CANARY}\n"));
    scan(&sandbox, &[]).ok();
    scan(&sandbox, &[".env"])
        .exits(1)
        .prints(&format!("{IN_CLEAR}.env\n  .env:1\n"));
    scan(&sandbox, &["."]).exits(1).prints(".env:1\n");
    scan(&sandbox, &["nowhere"])
        .exits(2)
        .one_error()
        .says("nowhere");
}

#[test]
fn the_index_counts_also_where_the_work_tree_is_clean() {
    let sandbox = published();
    sandbox.write("app.py", format!("key = '{CANARY}'\n"));
    sandbox.git(["add", "app.py"]).ok();
    sandbox.write("app.py", "key = ''\n");
    for args in [&[][..], &["--staged"]] {
        scan(&sandbox, args)
            .exits(1)
            .prints(&format!("{IN_CLEAR}app.py\n  app.py:1 (staged)\n"));
    }
}

#[test]
fn commits_that_no_remote_has_are_looked_into() {
    let sandbox = published();
    commit_unseen(&sandbox, "app.py", &format!("\nkey = '{CANARY}'\n"));
    // the same place in the work tree is said once
    scan(&sandbox, &[])
        .exits(1)
        .prints(&format!("{IN_CLEAR}app.py\n  app.py:2\n  in commit "));
    commit_unseen(&sandbox, "app.py", "key = ''\n");
    let output = scan(&sandbox, &[])
        .exits(1)
        .prints(&format!("{IN_CLEAR}app.py\n  app.py:2\n  in commit "));
    output
        .prints(", Ana Silva: wip\n")
        .prints("fix: replace the value at its source");
    // the remote has it now, and only the whole history tells
    sandbox
        .git(["push", "--quiet", "--no-verify", "origin", "main"])
        .ok();
    scan(&sandbox, &[]).ok();
    scan(&sandbox, &["--history"])
        .exits(1)
        .prints(&format!("{IN_CLEAR}app.py\n"));
}

#[test]
fn other_branches_tags_and_the_stash_are_history_too() {
    let sandbox = published();
    sandbox.git(["switch", "--quiet", "-c", "side"]).ok();
    commit_unseen(&sandbox, "side.py", CANARY);
    sandbox.git(["switch", "--quiet", "main"]).ok();
    sandbox.git(["switch", "--quiet", "-c", "gone"]).ok();
    commit_unseen(&sandbox, "tagged.py", BASIC);
    sandbox.git(["tag", "v1"]).ok();
    sandbox.git(["switch", "--quiet", "main"]).ok();
    sandbox.git(["branch", "--quiet", "-D", "gone"]).ok();
    sandbox.write("src.txt", "x\n");
    sandbox.git(["add", "src.txt"]).ok();
    sandbox.write("src.txt", format!("x\n{CANARY}\n"));
    sandbox.git(["stash", "--quiet"]).ok();
    for args in [&[][..], &["--history"]] {
        let output = scan(&sandbox, args).exits(1).prints(": 3 found\n");
        output
            .prints("side.py:1\n")
            .prints("tagged.py:1  base64\n")
            .prints("src.txt:2\n");
    }
}

#[test]
fn a_value_that_was_replaced_is_looked_for_in_history() {
    let sandbox = published();
    commit_unseen(&sandbox, "old.py", CANARY);
    sandbox.set("STRIPE_SECRET_KEY", "canary-next9x8y7").ok();
    sandbox.git(["commit", "--quiet", "-am", "replace"]).ok();
    scan(&sandbox, &[]).ok();
    let output = scan(&sandbox, &["--history"]).exits(1);
    output.prints("an older value of STRIPE_SECRET_KEY (production) stands in old.py\n");
}

#[test]
fn the_hook_refuses_the_value_and_does_not_repeat_it() {
    let sandbox = Sandbox::with_store();
    let before = sandbox.git(["rev-parse", "HEAD"]).stdout;
    sandbox.write("app/config.py", format!("a = 1\nkey = '{CANARY}'\n"));
    sandbox.git(["add", "--all"]).ok();
    let holders = sandbox.holders_of(CANARY);
    let output = sandbox.git(["commit", "-m", "wip"]).exits(1).hides(CANARY);
    output
        .shows(&format!(
            "{IN_CLEAR}app/config.py\n  app/config.py:2 (staged)\n"
        ))
        .shows("stax: commit refused: 1 error in 1 file")
        .shows("git keeps the clear text as blob ");
    assert_eq!(before, sandbox.git(["rev-parse", "HEAD"]).stdout);
    assert_eq!(holders, sandbox.holders_of(CANARY));
    sandbox
        .stax(["secrets", "verify", "--staged", "--json"])
        .exits(1)
        .prints("\"C07\"")
        .hides(CANARY);
    sandbox
        .stax(["secrets", "verify", "--staged", "--keyless"])
        .ok();
    // as the pre-commit framework calls it
    sandbox
        .stax(["secrets", "verify", "--staged", "app/config.py"])
        .exits(1)
        .prints("C07");
    sandbox
        .stax(["secrets", "verify", "--staged", ".sops.yaml"])
        .ok();
}

#[test]
fn the_hook_looks_only_at_what_the_commit_changes() {
    let sandbox = Sandbox::with_store();
    commit_unseen(&sandbox, "old.py", CANARY);
    sandbox.write("new.py", "x\n");
    sandbox.git(["add", "--all"]).ok();
    sandbox
        .git(["commit", "--quiet", "-m", "unrelated"])
        .ok()
        .hides("C07");
}

#[test]
fn without_a_key_the_hook_is_silent_and_a_person_is_told() {
    let sandbox = Sandbox::with_store();
    let mallory = sandbox.person("mallory");
    sandbox.write("app.py", CANARY);
    sandbox.git(["add", "--all"]).ok();
    let keyless = sandbox.keyless();
    keyless
        .stax(["secrets", "verify", "--staged"])
        .ok()
        .hides("C07");
    let output = scan(&keyless, &[])
        .exits(3)
        .prints("keys of age looked for in ");
    output
        .says("error: no identity opens infra/secrets/prod.enc.yaml")
        .says("stax secrets scan --keyless");
    scan(&keyless, &["--keyless"])
        .ok()
        .says("note: no key used: only secret keys of age were looked for");
    // a key that opens nothing
    mallory.key();
    scan(&mallory, &[])
        .exits(3)
        .says("error: no identity opens");
    mallory
        .git(["commit", "--quiet", "-m", "wip"])
        .ok()
        .hides("C07");
}

#[test]
fn a_secret_key_of_a_reader_is_found_without_any_key() {
    let sandbox = Sandbox::with_store();
    sandbox.write(
        "notes/key.txt",
        fs::read(sandbox.key_file()).expect("the key file"),
    );
    let output = scan(&sandbox.keyless(), &["--keyless"]).exits(1);
    output
        .prints("error[G05 age-key]: notes/key.txt holds a secret key of age")
        .hides("AGE-SECRET-KEY-1Q");
    scan(&sandbox.keyless(), &[]).exits(1).prints("G05");
}

#[test]
fn a_push_is_looked_through() {
    let sandbox = published();
    commit_unseen(&sandbox, "app.py", CANARY);
    commit_unseen(&sandbox, "app.py", "");
    let output = sandbox
        .git(["push", "origin", "main"])
        .exits(1)
        .hides(CANARY);
    output
        .shows(&format!("{IN_CLEAR}app.py\n  app.py:1\n  in commit "))
        .shows("stax: push refused: 1 error");
    sandbox
        .keyless()
        .git(["push", "--quiet", "origin", "main"])
        .ok();
}

#[test]
fn the_user_can_leave_out_a_key_or_the_hook() {
    let sandbox = published();
    sandbox.write("app.py", CANARY);
    sandbox.git(["add", "--all"]).ok();
    // a setting of the repository can forbid and mask, and takes no check away
    sandbox.git(["config", "stax.scan", "false"]).ok();
    sandbox
        .git(["config", "--add", "stax.scanSkip", "STRIPE_SECRET_KEY"])
        .ok();
    sandbox
        .git(["commit", "--quiet", "-m", "wip"])
        .exits(1)
        .says("C07");
    sandbox
        .stax(["secrets", "status"])
        .ok()
        .prints("yours: git config --global stax.scan false");
    sandbox
        .git(["config", "--global", "stax.scan", "false"])
        .ok();
    sandbox
        .git(["commit", "--quiet", "-m", "wip"])
        .ok()
        .hides("C07");
    sandbox.git(["push", "--quiet", "origin", "main"]).ok();
    scan(&sandbox, &[]).exits(1);
    sandbox
        .git([
            "config",
            "--global",
            "--add",
            "stax.scanSkip",
            "STRIPE_SECRET_KEY",
        ])
        .ok();
    scan(&sandbox, &[])
        .ok()
        .says("note: 1 value left out by your stax.scanSkip");
}

#[test]
fn what_a_document_has_in_clear_is_no_secret() {
    let sandbox = Sandbox::new();
    sandbox.write(
        ".sops.yaml",
        format!("creation_rules:\n  - age: {}\n", sandbox.key()),
    );
    sandbox.write(
        "s.enc.yaml",
        "host_unencrypted: canary1a2b3c\nhost: canary1a2b3c\ntoken: canary9z8y7x\n",
    );
    sandbox.sops(["encrypt", "-i", "s.enc.yaml"]).ok();
    sandbox.write("a.txt", "canary1a2b3c\n");
    sandbox.git(["add", "--all"]).ok();
    scan(&sandbox, &[]).ok().says("note: 1 of 2 values are");
    sandbox.write("b.txt", "canary9z8y7x\n");
    scan(&sandbox, &[])
        .exits(1)
        .prints("the value of token (s.enc.yaml) stands in b.txt\n");
}

#[test]
fn a_value_that_lost_its_encryption_is_still_a_secret() {
    let sandbox = published();
    sandbox.put_in_clear(PROD, "STRIPE_SECRET_KEY", CANARY);
    sandbox.write("app.py", CANARY);
    let output = scan(&sandbox, &[])
        .exits(1)
        .prints(&format!("{IN_CLEAR}app.py\n"));
    output.prints(&format!("{IN_CLEAR}{PROD}\n"));
}

#[test]
fn every_format_gives_its_values() {
    let sandbox = Sandbox::new();
    sandbox.write(
        ".sops.yaml",
        format!("creation_rules:\n  - age: {}\n", sandbox.key()),
    );
    let files = [
        (
            "a.enc.json",
            "{\"deep\": {\"token\": \"canary1a2b3c1\"}}",
            "deep.token (a.enc.json)",
        ),
        ("a.enc.env", "TOKEN=canary1a2b3c2\n", "TOKEN (a.enc.env)"),
        (
            "a.enc.ini",
            "[s]\ntoken = canary1a2b3c3\n",
            "s.token (a.enc.ini)",
        ),
        ("a.enc", "canary1a2b3c4\n", "a.enc"),
    ];
    for (path, text, _) in files {
        sandbox.write(path, text);
        sandbox.sops(["encrypt", "-i", path]).ok();
    }
    sandbox.git(["add", "--all"]).ok();
    let lines: Vec<String> = (1..=4)
        .map(|number| format!("canary1a2b3c{number}\n"))
        .collect();
    sandbox.write("leak.txt", lines.concat());
    let mut output = scan(&sandbox, &[]).exits(1);
    for (_, _, name) in files {
        output = output.prints(&format!("the value of {name} stands in leak.txt\n"));
    }
}

#[test]
fn a_damaged_file_is_named_and_the_others_are_looked_for() {
    let sandbox = Sandbox::with_store();
    sandbox
        .stax(["secrets", "init", "--env", "development"])
        .ok();
    let dev = "infra/secrets/dev.enc.yaml";
    sandbox.write(dev, "a: [\nsops: ENC[AES256_GCM,data\n");
    sandbox.git(["add", "--all"]).ok();
    sandbox.write("app.py", CANARY);
    let output = scan(&sandbox, &[]).exits(1).prints(IN_CLEAR);
    output
        .says(&format!("warning: {dev}: line "))
        .says("what does not open is not looked for");
    // one value that does not authenticate
    let text = sandbox.read(PROD);
    let (start, end) = (
        text.find("DATABASE_URL: ENC[").expect("a token"),
        text.find("STRIPE").expect("the next"),
    );
    let token = &text[start..end];
    sandbox.write(
        PROD,
        text.replace(
            token,
            &token
                .replacen("STRIPE", "", 1)
                .replace("DATABASE_URL", "OTHER_URL"),
        ),
    );
    scan(&sandbox, &[])
        .exits(1)
        .says(&format!("warning: {PROD}: 1 value does not open"));
}

#[test]
fn json_names_places_and_no_value() {
    let sandbox = published();
    commit_unseen(&sandbox, "app.py", &format!("\n{BASIC}\n"));
    let json = scan(&sandbox, &["--json"]).exits(1).json();
    let finding = &json["findings"][0];
    assert_eq!(
        (&json["schema"], &json["values"]["weak"]),
        (&1.into(), &2.into())
    );
    assert_eq!(
        (&finding["rule"], &finding["key"]),
        (&"C07".into(), &"STRIPE_SECRET_KEY".into())
    );
    let places = &finding["places"];
    assert_eq!(
        (&places[0]["place"], &places[0]["form"]),
        (&"disk".into(), &"base64".into())
    );
    assert_eq!(
        (&places[1]["place"], &places[1]["line"]),
        (&"commit".into(), &2.into())
    );
    assert_eq!(places[1]["first_commit"]["author"], "Ana Silva");
}

#[test]
fn outside_a_repository_it_could_not_run() {
    let sandbox = Sandbox::without_git();
    scan(&sandbox, &[])
        .exits(2)
        .one_error()
        .says("is not in a git repository");
    let sandbox = Sandbox::new();
    scan(&sandbox, &[])
        .ok()
        .says("note: no SOPS file here: only secret keys of age were looked for");
}

#[test]
fn a_hostile_path_moves_no_cursor() {
    let sandbox = published();
    sandbox.write("a\u{1b}[2Jb.txt", CANARY);
    scan(&sandbox, &[])
        .exits(1)
        .prints("a\\u{1b}[2Jb.txt:1")
        .hides("\u{1b}[2J");
}

/// The most common name of a SOPS file ends as that of a policy does.
#[test]
fn the_hook_knows_the_values_of_a_file_whose_name_ends_as_a_policy() {
    for name in ["secret.sops.yaml", "k8s/app.sops.yaml"] {
        let sandbox = Sandbox::new();
        sandbox.write(
            ".sops.yaml",
            format!("creation_rules:\n  - age: {}\n", sandbox.key()),
        );
        sandbox.write(name, format!("DB_PASSWORD: {CANARY}\n"));
        sandbox.stax(["secrets", "encrypt", "-i", name]).ok();
        sandbox.commit_all("sealed");
        sandbox.stax(["secrets", "install"]).ok();
        sandbox.write("notes.txt", format!("the password is {CANARY}\n"));
        sandbox.git(["add", "--all"]).ok();
        sandbox
            .git(["commit", "--quiet", "-m", "notes"])
            .exits(1)
            .shows("C07")
            .hides(CANARY);
    }
}
