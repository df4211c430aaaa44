//! A removal ends the reading everywhere, or says what is left and who can do it.

use crate::support::{CANARY, Output, PROD, Person, Sandbox};

const VAULT: &str = "ops/vault.sops.yaml";

fn remove(person: &Person, who: &str) -> Output {
    person.stax(["secrets", "remove-recipient", who])
}

/// Whether the real sops opens a file for somebody, whatever its name.
fn opens(person: &Person, path: &str, format: &str) -> bool {
    person
        .sops([
            "decrypt",
            "--input-type",
            format,
            "--output-type",
            format,
            path,
        ])
        .code
        == 0
}

/// Seals a text with the real sops.
fn seal(sandbox: &Sandbox, path: &str, format: &str, text: &str) {
    sandbox.write(path, text);
    sandbox
        .sops([
            "encrypt",
            "-i",
            "--input-type",
            format,
            "--output-type",
            format,
            path,
        ])
        .ok();
}

/// One rule for everything, read by Ana and Bob; nothing else yet.
fn for_two() -> (Sandbox, Person) {
    let sandbox = Sandbox::new();
    let bob = sandbox.person("bob");
    sandbox.write(
        ".sops.yaml",
        format!(
            "creation_rules:\n  - age: {},{}\n",
            sandbox.key(),
            bob.key()
        ),
    );
    (sandbox, bob)
}

/// A store with its hooks that Ana, Bob and Ravi share; the vault of ops is Bob's and Ravi's alone.
fn shared_store() -> (Sandbox, Person, Person) {
    let sandbox = Sandbox::with_store();
    let (bob, ravi) = (sandbox.person("bob"), sandbox.person("ravi"));
    sandbox
        .add_recipient(&bob, "Bob <bob@example.com>", "sre")
        .ok();
    sandbox
        .add_recipient(&ravi, "Ravi <ravi@example.com>", "sre")
        .ok();
    let rule = format!(
        "  - path_regex: ^ops/\n    age: {},{}\n",
        bob.key(),
        ravi.key()
    );
    sandbox.write(".sops.yaml", sandbox.read(".sops.yaml") + &rule);
    seal(
        &sandbox,
        VAULT,
        "yaml",
        "token: canary-ops\npin: canary-pin\n",
    );
    sandbox.commit_all("chore(secrets): share");
    (sandbox, bob, ravi)
}

#[test]
fn what_the_remover_cannot_open_is_left_to_a_colleague_who_finishes_it() {
    let (sandbox, bob, _) = shared_store();
    let output = remove(&sandbox, "bob").exits(1).hides("canary");
    let key = bob.key();
    insta::assert_snapshot!(sandbox.scrub(&output.stdout), @"
    - Bob <bob@example.com> age1[BOB]: could read production, ops/vault.sops.yaml since [DATE] [COMMIT]
    ~ .sops.yaml
    ~ infra/secrets/prod.enc.yaml: new data key, 3 values re-encrypted, wrapped to Ana Silva, Ravi
    checked: the old data key opens no value and no MAC of the new file
    ✗ ops/vault.sops.yaml: encrypted for Bob, Ravi; no key here opens it
        ask Ravi <ravi@example.com> to run: stax secrets remove-recipient bob
        .sops.yaml still names Bob for ops/vault.sops.yaml until then, so this commit passes
    Bob could read these values and encryption cannot take that back. Replace each at its source, then:
      [ ] DATABASE_URL, STRIPE_SECRET_KEY, PORT   since [DATE] [COMMIT]   stax secrets set KEY
    today Bob still reads: ops/vault.sops.yaml (2 values)
    ");
    assert!(
        output
            .stdout
            .ends_with(&format!("today Bob still reads: {VAULT} (2 values)\n")),
        "{output}"
    );
    assert!(
        sandbox.read(".sops.yaml").contains(&key),
        "the rule of the vault keeps him"
    );
    assert!(
        sandbox.read("infra/secrets/recipients.md").contains(&key),
        "so does the table"
    );
    assert!(!opens(&bob, PROD, "yaml"));
    // the printed commit passes the hooks, and the result can be used and pushed
    let commit = output
        .stderr
        .lines()
        .find(|line| line.trim().starts_with("git commit -m"));
    sandbox.sh(commit.expect("a command").trim()).ok();
    assert_eq!(sandbox.git(["status", "--porcelain"]).ok().stdout, "");
    sandbox.set("STRIPE_SECRET_KEY", "canary-after").ok();
    sandbox.commit_all("a new value");
    sandbox.stax(["secrets", "verify"]).ok();
    // Ravi does as he was asked
    let ravi = sandbox.clone_for("ravi");
    ravi.stax(["secrets", "install"]).ok();
    let output = remove(&ravi, "bob")
        .ok()
        .prints(&format!("~ {VAULT}: new data key, 2 values"));
    assert!(
        output.stdout.ends_with("today Bob reads nothing here\n"),
        "{output}"
    );
    ravi.commit_all("chore(secrets): remove Bob");
    ravi.git(["push", "--quiet", "origin", "HEAD:finished"])
        .ok();
    assert!(!ravi.read(".sops.yaml").contains(&key));
    assert!(!ravi.read("infra/secrets/recipients.md").contains(&key));
    assert!(!opens(&bob.at(&ravi.dir), VAULT, "yaml") && opens(&ravi, VAULT, "yaml"));
    ravi.stax(["secrets", "verify"]).ok();
}

#[test]
fn a_rule_that_also_governs_what_is_left_loses_the_person_for_the_rest() {
    let (sandbox, bob) = for_two();
    let ravi = sandbox.person("ravi");
    let (ana, key) = (sandbox.key(), bob.key());
    for name in ["a.yaml", "b.yaml"] {
        seal(&sandbox, name, "yaml", "k: canary-1\n");
    }
    // what Ana cannot open
    sandbox
        .sops([
            "rotate",
            "-i",
            "--rm-age",
            &ana,
            "--add-age",
            &ravi.key(),
            "b.yaml",
        ])
        .ok();
    sandbox.commit_all("two files");
    let output = remove(&sandbox, &key).exits(1);
    output
        .prints("✗ b.yaml: encrypted for")
        .prints(".sops.yaml still names")
        .prints("today");
    let policy = sandbox.read(".sops.yaml");
    let expected = format!(
        "creation_rules:\n  - path_regex: ^b\\.yaml$\n    age: {ana},{key}\n  - age: {ana}\n"
    );
    assert_eq!(policy, expected);
    assert!(!opens(&bob, "a.yaml", "yaml") && opens(&bob, "b.yaml", "yaml"));
    sandbox
        .stax_with(["secrets", "set", "-f", "a.yaml", "k"], "canary-2\n")
        .ok();
}

#[test]
fn a_removal_is_everywhere_by_name_and_by_content_with_and_without_a_rule() {
    let (sandbox, bob) = for_two();
    let (ana, key) = (sandbox.key(), bob.key());
    let files = [
        ("a.yaml", "yaml", "k: canary-1\n"),
        (".env.sops", "dotenv", "K=canary-1\n"),
        ("b.yaml.enc", "yaml", "k: canary-1\n"),
        ("UPPER.YML", "yaml", "k: canary-1\n"),
        ("no-suffix", "ini", "[s]\nk = canary-1\n"),
        ("conf/x.json.age", "json", "{\"k\": \"canary-1\"}\n"),
        ("nested/deep/c.yaml", "yaml", "k: canary-1\n"),
        ("loose/old.yaml", "yaml", "k: canary-1\n"),
    ];
    for (path, format, text) in files {
        seal(&sandbox, path, format, text);
    }
    // two policies, and a file that neither names
    let rules =
        |prefix: &str| format!("creation_rules:\n  - path_regex: {prefix}\n    age: {ana},{key}\n");
    sandbox.write(
        ".sops.yaml",
        rules("^[^/]*$|^conf/") + &format!("  - path_regex: ^more/\n    age: {ana},{key}\n"),
    );
    sandbox.write("nested/.sops.yaml", rules("^deep/"));
    sandbox.commit_all("all kinds");
    seal_untracked(&sandbox, &[&ana, &key]);
    let output = remove(&sandbox, &key).ok().hides("canary");
    assert!(
        output
            .stdout
            .ends_with(&format!("today {key} reads nothing here\n")),
        "{output}"
    );
    for (path, format, _) in files {
        assert!(
            !opens(&bob, path, format) && opens(&sandbox, path, format),
            "{path}\n{output}"
        );
        output
            .stdout
            .lines()
            .find(|line| line.starts_with(&format!("~ {path}: new data key")))
            .expect(path);
    }
    assert!(
        !opens(&bob, "new.yaml", "yaml") && opens(&sandbox, "new.yaml", "yaml"),
        "{output}"
    );
    let output = output.says("none for new.yaml: git does not have it");
    assert!(
        !output.stderr.contains("git add"),
        "what its owner keeps out of git stays out of it\n{output}"
    );
    for policy in [".sops.yaml", "nested/.sops.yaml"] {
        assert!(!sandbox.read(policy).contains(&key), "{policy}");
    }
    // once more there is nothing to do, and the ledger says so
    sandbox.commit_all("removed");
    let output = remove(&sandbox, &key).ok();
    assert!(
        output
            .stdout
            .ends_with(&format!("today {key} reads nothing here\n")),
        "{output}"
    );
}

/// A file that git does not know, as sops makes it without a policy.
fn seal_untracked(sandbox: &Sandbox, keys: &[&str]) {
    sandbox.write("new.yaml", "k: canary-new\n");
    let age = keys.join(",");
    sandbox
        .sops([
            "--config",
            "/dev/null",
            "encrypt",
            "--age",
            &age,
            "-i",
            "new.yaml",
        ])
        .ok();
}

#[test]
fn what_git_ignores_and_other_work_trees_and_branches_are_named_and_not_written() {
    let (sandbox, bob) = for_two();
    let key = bob.key();
    seal(&sandbox, "a.yaml", "yaml", "k: canary-1\n");
    sandbox.write(".gitignore", "local.yaml\n");
    sandbox.commit_all("a file");
    seal(&sandbox, "local.yaml", "yaml", "k: canary-1\n");
    sandbox.git(["branch", "payments"]).ok();
    let other = sandbox.place().join("other");
    sandbox
        .git([
            "worktree",
            "add",
            "--quiet",
            "--detach",
            &other.to_string_lossy(),
        ])
        .ok();
    let (local, there) = (
        sandbox.read("local.yaml"),
        std::fs::read(other.join("a.yaml")).expect("a file"),
    );
    // before the first commit after it the branch is HEAD itself
    sandbox.write("b.txt", "x\n");
    sandbox.commit_all("more");
    let output = remove(&sandbox, &key).ok();
    output
        .says("branch `payments` still has the old data key of a.yaml")
        .says(&format!("the work tree {} is not changed", other.display()))
        .says("git ignores local.yaml")
        .prints("reads nothing else here; ignored by git: local.yaml\n");
    assert_eq!(sandbox.read("local.yaml"), local);
    assert_eq!(std::fs::read(other.join("a.yaml")).expect("a file"), there);
    // who names it means it
    sandbox.commit_all("removed");
    sandbox
        .stax(["secrets", "remove-recipient", &key, "-f", "local.yaml"])
        .ok();
    assert!(!opens(&bob, "local.yaml", "yaml") && opens(&sandbox, "local.yaml", "yaml"));
}

#[test]
fn a_home_that_hides_what_git_does_not_know_is_not_searched() {
    let (sandbox, bob) = for_two();
    let key = bob.key();
    seal(&sandbox, "a.yaml", "yaml", "k: canary-1\n");
    sandbox.commit_all("a file");
    seal_untracked(&sandbox, &[&sandbox.key(), &key]);
    let before = sandbox.read("new.yaml");
    sandbox
        .git(["config", "status.showUntrackedFiles", "no"])
        .ok();
    remove(&sandbox, &key)
        .ok()
        .says("status.showUntrackedFiles");
    assert_eq!(sandbox.read("new.yaml"), before);
    sandbox
        .stax(["secrets", "remove-recipient", &key, "-f", "new.yaml"])
        .ok();
    assert!(!opens(&bob, "new.yaml", "yaml"));
}

#[test]
fn what_is_not_in_the_work_tree_or_in_a_merge_is_named_and_its_rule_keeps_the_person() {
    let (sandbox, bob) = for_two();
    let key = bob.key();
    seal(&sandbox, "a.yaml", "yaml", "k: canary-1\n");
    seal(&sandbox, "gone.yaml", "yaml", "k: canary-1\n");
    sandbox.commit_all("two files");
    std::fs::remove_file(sandbox.path("gone.yaml")).expect("the file");
    let output = remove(&sandbox, &key).exits(1);
    output
        .prints("✗ gone.yaml: is in the index and not in this work tree")
        .prints("git restore gone.yaml");
    assert!(!opens(&bob, "a.yaml", "yaml"));
    sandbox.git(["restore", "gone.yaml"]).ok();
    remove(&sandbox, &key).ok();
    assert!(!opens(&bob, "gone.yaml", "yaml") && !sandbox.read(".sops.yaml").contains(&key));
}

#[test]
fn keys_of_other_kinds_that_stay_are_left_with_the_steps_that_work() {
    let (sandbox, bob) = for_two();
    let (ana, key) = (sandbox.key(), bob.key());
    seal(&sandbox, "a.yaml", "yaml", "k: canary-1\n");
    sandbox.commit_all("a file");
    let pgp = "    pgp:\n        - created_at: \"2026-01-10T12:00:00Z\"\n          enc: |-\n            -----BEGIN PGP MESSAGE-----\n            x\n            -----END PGP MESSAGE-----\n          fp: FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4\n";
    sandbox.write(
        "a.yaml",
        sandbox
            .read("a.yaml")
            .replacen("sops:\n", &format!("sops:\n{pgp}"), 1),
    );
    let rule = format!(
        "creation_rules:\n  - pgp: FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4\n    age: {ana},{key}\n"
    );
    sandbox.write(".sops.yaml", &rule);
    sandbox.commit_all("a key of gpg");
    let output = remove(&sandbox, &key).exits(1);
    output
        .prints(&format!("    run: sops rotate -i --rm-age {key} a.yaml\n"))
        .prints(&format!("    then: stax secrets remove-recipient {key}\n"));
    assert_eq!(sandbox.read(".sops.yaml"), rule);
}

#[test]
fn a_rule_that_names_nobody_else_is_named_and_stays() {
    let (sandbox, bob) = for_two();
    let (ana, key) = (sandbox.key(), bob.key());
    let policy =
        format!("creation_rules:\n  - path_regex: ^bob/\n    age: {key}\n  - age: {ana},{key}\n");
    sandbox.write(".sops.yaml", &policy);
    seal(&sandbox, "a.yaml", "yaml", "k: canary-1\n");
    sandbox.commit_all("a file");
    let output = remove(&sandbox, &key).exits(1);
    output.prints("✗ .sops.yaml: the rule in line 2 names no other age key");
    assert_eq!(
        sandbox.read(".sops.yaml"),
        policy.replace(&format!("{ana},{key}"), &ana)
    );
    assert!(!opens(&bob, "a.yaml", "yaml"));
}

#[test]
fn a_file_outside_the_index_is_added_to_removed_from_and_rotated() {
    let (sandbox, bob) = for_two();
    let carol = sandbox.person("carol");
    sandbox.commit_all("a policy");
    seal(&sandbox, "u.yaml", "yaml", "k: canary-1\n");
    let before = sandbox.read("u.yaml");
    sandbox
        .stax(["secrets", "rotate", "u.yaml"])
        .ok()
        .prints("~ u.yaml: new data key");
    assert_ne!(before, sandbox.read("u.yaml"));
    let key = carol.key();
    sandbox
        .stax([
            "secrets",
            "add-recipient",
            &key,
            "--name",
            "Carol",
            "-f",
            "u.yaml",
        ])
        .ok();
    assert!(opens(&carol, "u.yaml", "yaml"));
    sandbox
        .stax(["secrets", "remove-recipient", &bob.key(), "-f", "u.yaml"])
        .ok();
    assert!(!opens(&bob, "u.yaml", "yaml") && opens(&carol, "u.yaml", "yaml"));
}

#[test]
fn rotation_reaches_nested_policies_and_files_of_no_rule() {
    let sandbox = Sandbox::new();
    let ana = sandbox.key();
    let rule = format!("creation_rules:\n  - path_regex: ^x/\n    age: {ana}\n");
    for path in ["x/a.yaml", "sub/x/b.yaml", "c.yaml"] {
        sandbox.write(path, "k: canary-1\n");
        sandbox
            .sops([
                "--config",
                "/dev/null",
                "encrypt",
                "--age",
                &ana,
                "-i",
                path,
            ])
            .ok();
    }
    sandbox.write(".sops.yaml", &rule);
    sandbox.write("sub/.sops.yaml", &rule);
    sandbox.commit_all("two policies");
    let output = sandbox.stax(["secrets", "rotate", "--all"]).ok();
    for path in ["x/a.yaml", "sub/x/b.yaml", "c.yaml"] {
        assert!(
            output.stdout.contains(&format!("~ {path}: new data key")),
            "{output}"
        );
        assert!(opens(&sandbox, path, "yaml"));
    }
    sandbox
        .stax(["secrets", "rotate", "sub/x/b.yaml"])
        .ok()
        .prints("~ sub/x/b.yaml: new data key");
    let carol = sandbox.person("carol").key();
    let output = sandbox
        .stax([
            "secrets",
            "add-recipient",
            &carol,
            "--name",
            "Carol",
            "--all",
        ])
        .ok();
    output.says("no rule governs c.yaml, so Carol cannot read it");
    assert!(
        sandbox.read("sub/.sops.yaml").contains(&carol)
            && sandbox.read("sub/x/b.yaml").contains(&carol)
    );
}

#[test]
fn encrypting_what_is_sealed_changes_nothing_and_never_a_reader() {
    let (sandbox, bob) = for_two();
    for (path, format, text) in [
        (".env.sops", "dotenv", "K=canary-1\n"),
        ("b.yaml.enc", "yaml", "k: canary-1\n"),
    ] {
        seal(&sandbox, path, format, text);
        let before = sandbox.read(path);
        // no key is needed to see that nothing is to do
        let output = sandbox
            .keyless()
            .stax(["secrets", "encrypt", "-i", path])
            .ok();
        output.says("nothing is plaintext that should be encrypted");
        assert_eq!(sandbox.read(path), before, "{path}");
        sandbox
            .stax(["secrets", "encrypt", path])
            .ok()
            .prints_exactly(&before);
    }
    // one more value, sealed under the readers of the file and not those of the rule
    let more = sandbox
        .read(".env.sops")
        .replacen("sops_", "NEW=canary-2\nsops_", 1);
    sandbox.write(".env.sops", more);
    sandbox.write(
        ".sops.yaml",
        format!("creation_rules:\n  - age: {}\n", sandbox.key()),
    );
    let output = sandbox
        .stax(["secrets", "encrypt", "-i", ".env.sops"])
        .ok()
        .says("sealed NEW");
    output
        .says("stax secrets updatekeys .env.sops")
        .hides(CANARY);
    assert!(!sandbox.read(".env.sops").contains("canary") && opens(&bob, ".env.sops", "dotenv"));
}

#[test]
fn a_sealed_copy_has_the_readers_of_where_it_is_kept() {
    let sandbox = Sandbox::new();
    let (ana, bob) = (sandbox.key(), sandbox.person("bob").key());
    let policy = format!(
        "creation_rules:\n  - path_regex: ^staging/\n    age: {ana},{bob}\n  - path_regex: ^prod/\n    age: {ana}\n"
    );
    sandbox.write(".sops.yaml", policy);
    sandbox.write("staging/b.env", "A=canary-1\n");
    sandbox.write("prod/keep", "");
    sandbox.write(".env", "A=canary-1\n");
    // straight from the place of other readers it is refused
    sandbox
        .stax(["secrets", "encrypt", "staging/b.env", "-o", "prod/b.env"])
        .exits(2)
        .one_error();
    for source in ["- -o prod/b.env < staging/b.env", ".env -o prod/b.env"] {
        sandbox.sh(&format!("stax secrets encrypt {source}")).ok();
        let sealed = sandbox.read("prod/b.env");
        assert!(sealed.contains(&ana) && !sealed.contains(&bob), "{sealed}");
    }
}

#[test]
fn what_is_too_large_or_in_a_merge_is_named_and_the_rest_is_done() {
    let (sandbox, bob) = for_two();
    let key = bob.key();
    for name in ["a.yaml", "both.yaml", "large.yaml"] {
        seal(&sandbox, name, "yaml", "k: canary-1\n");
    }
    let pad = format!("pad_unencrypted: {}\n", "x".repeat(33 << 20));
    sandbox.write("large.yaml", pad + &sandbox.read("large.yaml"));
    sandbox.commit_all("three files");
    let set = |value: &str| sandbox.sops(["set", "both.yaml", "[\"k\"]", value]).ok();
    sandbox.git(["checkout", "--quiet", "-b", "side"]).ok();
    set("\"canary-2\"");
    sandbox.commit_all("side");
    sandbox.git(["checkout", "--quiet", "main"]).ok();
    set("\"canary-3\"");
    sandbox.commit_all("main");
    sandbox.git(["merge", "side"]).exits(1);
    let output = remove(&sandbox, &key).exits(1).hides("canary");
    output
        .prints("✗ both.yaml: has an unfinished merge")
        .prints("✗ large.yaml: is larger than 32 MiB")
        .prints(&format!(
            "    run: sops rotate -i --rm-age {key} large.yaml\n"
        ))
        .prints("still reads: both.yaml, large.yaml\n");
    assert!(!opens(&bob, "a.yaml", "yaml") && sandbox.read(".sops.yaml").contains(&key));
}

#[test]
fn what_nobody_looked_at_is_said_and_a_promised_file_is_looked_at() {
    let (sandbox, bob) = for_two();
    let key = bob.key();
    seal(&sandbox, "a.yaml", "yaml", "k: canary-1\n");
    sandbox.commit_all("a file");
    let head = sandbox.git(["rev-parse", "HEAD"]).ok().stdout;
    let link = format!("160000,{},sub", head.trim());
    sandbox
        .git(["update-index", "--add", "--cacheinfo", &link])
        .ok();
    sandbox
        .sh(r"cp a.yaml $(printf 'odd\377.yaml') && git add odd*")
        .ok();
    seal(&sandbox, "promised.yaml", "yaml", "k: canary-1\n");
    sandbox.git(["add", "-N", "promised.yaml"]).ok();
    let output = remove(&sandbox, &key)
        .ok()
        .says("sub is a repository of its own and was not looked at");
    output.prints("reads nothing else here; not looked at, because the name is not UTF-8: odd");
    assert!(!opens(&bob, "promised.yaml", "yaml") && !opens(&bob, "a.yaml", "yaml"));
}
