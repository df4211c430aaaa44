//! What `git merge` and its kin make of secret files; the real sops opens every result.

use std::fs;

use crate::support::{CANARY, Output, PROD, Person, Sandbox, contains, files_beneath};

/// Leaves the branch that is checked out, does something elsewhere, commits it and comes back.
pub(super) fn on_branch(person: &Person, name: &str, act: impl FnOnce(&Person)) {
    let home = person
        .git(["symbolic-ref", "--short", "HEAD"])
        .ok()
        .stdout
        .trim()
        .to_owned();
    person.git(["checkout", "--quiet", "-b", name]).ok();
    act(person);
    person.commit_all(name);
    person.git(["checkout", "--quiet", &home]).ok();
}

pub(super) fn set(person: &Person, key: &str, value: &str) {
    person.set(key, value).ok();
}

/// What the real sops makes of a file, away from a policy that may be in conflict itself.
pub(super) fn sops(person: &Person, file: &str) -> Output {
    let name = file.rsplit('/').next().expect("a name");
    fs::write(person.home.join(name), person.bytes(file)).expect("a copy");
    person.at(&person.home).sops(["decrypt", name])
}

pub(super) fn decrypted(person: &Person, file: &str) -> String {
    sops(person, file).ok().stdout
}

/// Seals a file that the policy of the repository does not know.
pub(super) fn seal(person: &Person, file: &str, clear: &str) {
    let policy = person.home.join("policy.yaml");
    fs::write(
        &policy,
        format!("creation_rules:\n  - age: {}\n", person.key()),
    )
    .expect("a policy");
    person.write(file, clear);
    person
        .sops([
            "--config",
            policy.to_str().expect("a path"),
            "encrypt",
            "-i",
            file,
        ])
        .ok();
}

/// `main` and `payments` change other keys.
pub(super) fn disjoint() -> Sandbox {
    let sandbox = Sandbox::with_store();
    on_branch(&sandbox, "payments", |ana| {
        set(ana, "STRIPE_WEBHOOK_SECRET", "whsec_77")
    });
    sandbox.set_typed("PORT", "5433", "int").ok();
    sandbox.commit_all("another port");
    sandbox
}

/// `main` and `payments` change the same key and one more each.
pub(super) fn conflicting() -> Sandbox {
    let sandbox = disjoint();
    set(&sandbox, "STRIPE_SECRET_KEY", "canary-ours");
    sandbox.commit_all("ours");
    sandbox.git(["checkout", "--quiet", "payments"]).ok();
    set(&sandbox, "STRIPE_SECRET_KEY", "canary-theirs");
    sandbox.commit_all("theirs");
    sandbox.git(["checkout", "--quiet", "main"]).ok();
    sandbox
}

pub(super) fn merge(person: &Person, branch: &str) -> Output {
    person.git(["merge", "--no-edit", branch])
}

#[test]
pub(super) fn disjoint_changes_merge_clean_and_only_their_lines_change() {
    let sandbox = disjoint();
    let before = sandbox.read(PROD);
    merge(&sandbox, "payments").ok().says(
        "stax: infra/secrets/prod.enc.yaml: merged PORT (main), STRIPE_WEBHOOK_SECRET (payments)\n",
    );
    let text = decrypted(&sandbox, PROD);
    assert!(
        text.contains("PORT: 5433\n") && text.contains("STRIPE_WEBHOOK_SECRET: whsec_77\n"),
        "{text}"
    );
    let after = sandbox.read(PROD);
    let new: Vec<&str> = after
        .lines()
        .filter(|line| !before.contains(line))
        .collect();
    assert!(new.len() <= 3, "the new key, its time and the MAC: {new:?}");
    sandbox.stax(["secrets", "verify"]).ok();
    sandbox
        .git(["status", "--porcelain"])
        .ok()
        .prints_exactly("");
}

#[test]
fn the_same_change_on_both_sides_is_none() {
    let sandbox = Sandbox::with_store();
    on_branch(&sandbox, "other", |ana| {
        set(ana, "STRIPE_SECRET_KEY", "canary-same")
    });
    set(&sandbox, "STRIPE_SECRET_KEY", "canary-same");
    sandbox.commit_all("the same");
    merge(&sandbox, "other").ok().hides("conflict");
    sandbox
        .get("STRIPE_SECRET_KEY")
        .ok()
        .prints_exactly("canary-same\n");
    assert!(crate::readers::opens(&sandbox));
}

#[test]
fn a_conflict_leaves_a_valid_file_that_nobody_can_commit_unseen() {
    let sandbox = conflicting();
    let merged = merge(&sandbox, "payments").exits(1).hides("canary-");
    merged
        .says("merged PORT (main), STRIPE_WEBHOOK_SECRET (payments); conflict: STRIPE_SECRET_KEY")
        .says("hint: stax secrets resolve infra/secrets/prod.enc.yaml\n");
    assert!(
        sandbox
            .read(PROD)
            .starts_with("# stax-conflict STRIPE_SECRET_KEY\n"),
        "{}",
        sandbox.read(PROD)
    );
    let text = decrypted(&sandbox, PROD);
    assert!(
        text.contains("canary-ours") && text.contains("whsec_77"),
        "{text}"
    );
    sandbox.git(["add", PROD]).ok();
    sandbox
        .stax(["secrets", "verify", "--staged"])
        .exits(1)
        .shows("F06");
    sandbox
        .git(["commit", "--no-edit"])
        .exits(1)
        .shows("stax secrets resolve");
    sandbox.git(["commit", "--no-edit", "--no-verify"]).ok();
    sandbox
        .stax(["secrets", "verify", "--range", "HEAD~1..HEAD"])
        .exits(1)
        .shows("F06");
    sandbox.stax(["secrets", "verify"]).exits(1).shows("F06");
}

#[test]
fn a_value_that_one_side_changed_and_the_other_removed_is_a_conflict() {
    for main_removes in [true, false] {
        let sandbox = Sandbox::with_store();
        let remove = |ana: &Person| drop(ana.stax(["secrets", "unset", "STRIPE_SECRET_KEY"]).ok());
        let change = |ana: &Person| set(ana, "STRIPE_SECRET_KEY", "canary-new");
        on_branch(&sandbox, "other", |ana| {
            if main_removes {
                change(ana)
            } else {
                remove(ana)
            }
        });
        if main_removes {
            remove(&sandbox)
        } else {
            change(&sandbox)
        }
        sandbox.commit_all("ours");
        merge(&sandbox, "other")
            .exits(1)
            .says("conflict: STRIPE_SECRET_KEY");
        assert_eq!(
            decrypted(&sandbox, PROD).contains("canary-new"),
            !main_removes
        );
        sandbox
            .stax(["secrets", "resolve", PROD])
            .exits(1)
            .prints("(removed)");
        sandbox.stax(["secrets", "resolve", PROD, "--theirs"]).ok();
        assert_eq!(
            decrypted(&sandbox, PROD).contains("canary-new"),
            main_removes
        );
        sandbox.git(["commit", "--no-edit"]).ok();
    }
}

#[test]
fn rebase_cherry_pick_revert_and_stash_merge_by_key_too() {
    let sandbox = disjoint();
    sandbox.git(["checkout", "--quiet", "payments"]).ok();
    sandbox.git(["rebase", "--quiet", "main"]).ok();
    let text = decrypted(&sandbox, PROD);
    assert!(
        text.contains("PORT: 5433") && text.contains("whsec_77"),
        "{text}"
    );

    let sandbox = disjoint();
    sandbox.git(["cherry-pick", "payments"]).ok();
    assert!(decrypted(&sandbox, PROD).contains("whsec_77"));
    set(&sandbox, "DATABASE_URL", "canary-later");
    sandbox.commit_all("later");
    sandbox.git(["revert", "--no-edit", "HEAD~1"]).ok();
    let text = decrypted(&sandbox, PROD);
    assert!(
        !text.contains("whsec_77") && text.contains("canary-later"),
        "{text}"
    );

    let sandbox = Sandbox::with_store();
    set(&sandbox, "ADDED", "canary-stashed");
    sandbox.git(["stash", "--quiet"]).ok();
    sandbox.set_typed("PORT", "5433", "int").ok();
    sandbox.commit_all("another port");
    sandbox.git(["stash", "pop"]).ok();
    let text = decrypted(&sandbox, PROD);
    assert!(
        text.contains("canary-stashed") && text.contains("PORT: 5433"),
        "{text}"
    );
}

#[test]
fn a_stash_in_conflict_is_settled_without_a_commit_under_way() {
    let sandbox = Sandbox::with_store();
    set(&sandbox, "PORT", "1");
    sandbox.git(["stash", "--quiet"]).ok();
    set(&sandbox, "PORT", "2");
    sandbox.commit_all("ours");
    sandbox.git(["stash", "pop"]).exits(1);
    sandbox.git(["add", PROD]).ok();
    sandbox
        .stax(["secrets", "resolve", PROD, "--theirs"])
        .ok()
        .prints("from stash")
        .prints("git stash drop");
    sandbox.get("PORT").ok().prints_exactly("1\n");
}

#[test]
fn the_other_side_of_a_rebase_is_not_lost_with_git_add() {
    let sandbox = conflicting();
    sandbox.git(["checkout", "--quiet", "payments"]).ok();
    sandbox
        .git(["rebase", "main"])
        .exits(1)
        .says("conflict: STRIPE_SECRET_KEY");
    sandbox.git(["add", PROD]).ok();
    sandbox
        .git(["-c", "core.editor=true", "rebase", "--continue"])
        .exits_with_one_of(&[0, 1]);
    sandbox
        .stax(["secrets", "verify", "--range", "main..HEAD"])
        .exits(1)
        .shows("F06");
}

#[test]
fn criss_cross_histories_merge_and_conflict_where_a_person_has_to_choose() {
    let sandbox = conflicting();
    sandbox.git(["branch", "their", "payments"]).ok();
    // both sides merge the other one and settle the same conflict, each for itself
    merge(&sandbox, "payments").exits(1);
    sandbox.stax(["secrets", "resolve", PROD, "--ours"]).ok();
    sandbox.git(["commit", "--quiet", "--no-edit"]).ok();
    sandbox.git(["checkout", "--quiet", "their"]).ok();
    merge(&sandbox, "main~1").exits(1);
    sandbox.stax(["secrets", "resolve", PROD, "--ours"]).ok();
    sandbox.git(["commit", "--quiet", "--no-edit"]).ok();
    set(&sandbox, "ADDED", "canary-their");
    sandbox.commit_all("more");
    let output = merge(&sandbox, "main")
        .exits(1)
        .says("conflict: STRIPE_SECRET_KEY");
    assert_eq!(output.stderr.matches("stax: ").count(), 1, "{output}");
    let text = decrypted(&sandbox, PROD);
    assert!(
        text.contains("canary-their") && text.contains("whsec_77") && text.contains("5433"),
        "{text}"
    );
    sandbox.stax(["secrets", "resolve", PROD, "--theirs"]).ok();
    assert!(decrypted(&sandbox, PROD).contains("canary-ours"));
}

#[test]
fn a_file_that_both_sides_added_merges_without_a_base() {
    let sandbox = Sandbox::with_store();
    let other = "infra/secrets/other.enc.yaml";
    sandbox.write(".gitattributes", "infra/secrets/*.yaml merge=stax\n");
    sandbox
        .git([
            "commit",
            "--quiet",
            "--all",
            "--no-verify",
            "-m",
            "attributes",
        ])
        .ok();
    on_branch(&sandbox, "other", |ana| seal(ana, other, "A: 1\nB: 2\n"));
    seal(&sandbox, other, "A: 1\nC: 3\n");
    sandbox.commit_all("ours");
    merge(&sandbox, "other").ok().says("new data key");
    let text = decrypted(&sandbox, other);
    assert!(
        ["A: 1", "B: 2", "C: 3"]
            .iter()
            .all(|line| text.contains(line)),
        "{text}"
    );
}

#[test]
fn other_formats_merge_with_their_comments_and_their_order() {
    let sandbox = Sandbox::with_store();
    sandbox.write(".gitattributes", "infra/secrets/* merge=stax\n");
    let table = [
        (
            "x.enc.json",
            "{\n\t\"a\": \"1\",\n\t\"m\": {\n\t\t\"x\": \"1\"\n\t}\n}\n",
            ("\"a\": \"1\"", "\"a\": \"2\""),
            ("\"x\": \"1\"", "\"x\": \"1\",\n\t\t\"y\": \"3\""),
        ),
        (
            "x.enc.env",
            "# about A\nA=1\nB=1\n",
            ("A=1", "A=2"),
            ("B=1", "# new\nC=3\nB=1"),
        ),
        (
            "x.enc.ini",
            "[s]\na = 1\nb = 1\n",
            ("a = 1", "a = 2"),
            ("b = 1", "b = 1\nc = 3"),
        ),
        (
            "x.enc.yaml",
            "# about a\na: 1\nm:\n    x: 1\n",
            ("a: 1", "a: 2"),
            ("    x: 1", "    # new\n    k: 3\n    x: 1"),
        ),
    ];
    let edit = |person: &Person, path: &str, (old, new): (&str, &str)| {
        let text = decrypted(person, path).replacen(old, new, 1);
        let editor = person.home.join("text");
        fs::write(&editor, &text).expect("the text");
        let person = person.editing(&format!("cp {} \"$1\"", editor.display()));
        person.stax(["secrets", "edit", "-f", path]).ok();
    };
    for (name, clear, ours, theirs) in table {
        let path = format!("infra/secrets/{name}");
        seal(&sandbox, &path, clear);
        sandbox.commit_all(name);
        on_branch(&sandbox, &format!("b-{name}"), |ana| {
            edit(ana, &path, theirs)
        });
        edit(&sandbox, &path, ours);
        sandbox.commit_all("ours");
        merge(&sandbox, &format!("b-{name}")).ok();
        let expected = clear
            .replacen(ours.0, ours.1, 1)
            .replacen(theirs.0, theirs.1, 1);
        assert_eq!(decrypted(&sandbox, &path), expected, "{name}");
    }
}

#[test]
fn without_a_key_there_are_markers_and_never_a_clean_exit() {
    let sandbox = disjoint();
    let stranger = sandbox.person("mallory");
    stranger.key();
    for person in [sandbox.keyless(), stranger] {
        let merged = merge(&person, "payments").exits(1);
        merged
            .says("merged as text, not by key: no identity at hand opens it")
            .hides("whsec_77");
        assert!(
            sandbox.read(PROD).contains("<<<<<<< "),
            "{}",
            sandbox.read(PROD)
        );
        sandbox.git(["merge", "--abort"]).ok();
    }
}

#[test]
fn a_side_that_was_tampered_with_is_never_given_a_valid_mac() {
    for ours_is_bad in [false, true] {
        let sandbox = Sandbox::with_store();
        let tamper = |person: &Person| {
            let text = person.read(PROD);
            let kept: String = text
                .lines()
                .filter(|line| !line.starts_with("PORT:"))
                .map(|line| format!("{line}\n"))
                .collect();
            person.write(PROD, kept);
            person
                .git([
                    "commit",
                    "--quiet",
                    "--all",
                    "--no-verify",
                    "-m",
                    "tampered",
                ])
                .ok();
        };
        let set = |person: &Person| {
            set(person, "ADDED", "canary-added");
            person.commit_all("added");
        };
        sandbox.git(["checkout", "--quiet", "-b", "other"]).ok();
        if ours_is_bad {
            set(&sandbox)
        } else {
            tamper(&sandbox)
        }
        sandbox.git(["checkout", "--quiet", "main"]).ok();
        if ours_is_bad {
            tamper(&sandbox)
        } else {
            set(&sandbox)
        }
        let bad = if ours_is_bad { "main" } else { "other" };
        merge(&sandbox, "other")
            .exits(1)
            .says(&format!("{bad} is not authentic: the MAC does not match"));
        assert!(sandbox.read(PROD).contains("<<<<<<< "));
        sandbox.stax(["secrets", "resolve", PROD]).exits(4);
    }
}

#[test]
fn without_the_binary_git_leaves_markers() {
    let sandbox = disjoint();
    let driver = sandbox.git(["config", "merge.stax.driver"]).ok().stdout;
    let gone = driver
        .trim_end()
        .replace(env!("CARGO_BIN_EXE_stax"), "/nowhere/stax");
    assert_ne!(gone, driver.trim_end());
    sandbox.git(["config", "merge.stax.driver", &gone]).ok();
    let bare = sandbox.with("PATH", "/usr/local/bin:/usr/bin:/bin");
    merge(&bare, "payments").exits(1).says("stax: not found");
    assert!(
        sandbox.read(PROD).contains("<<<<<<< "),
        "{}",
        sandbox.read(PROD)
    );
    sandbox.git(["merge", "--abort"]).ok();
    // an older stax that knows no driver is no better than none
    sandbox
        .git([
            "config",
            "merge.stax.driver",
            &gone.replace("git merge --", "git nothing --"),
        ])
        .ok();
    merge(&sandbox, "payments").exits(1);
    assert!(sandbox.read(PROD).contains("<<<<<<< "));
}

#[test]
fn merge_tree_merges_without_a_work_tree() {
    let sandbox = disjoint();
    let tree = sandbox
        .git(["merge-tree", "--write-tree", "main", "payments"])
        .ok()
        .stdout;
    let file = sandbox
        .git(["show", &format!("{}:{PROD}", tree.trim())])
        .ok()
        .stdout;
    sandbox.write("copy.yaml", file);
    let text = decrypted(&sandbox, "copy.yaml");
    assert!(
        text.contains("PORT: 5433") && text.contains("whsec_77"),
        "{text}"
    );
    sandbox
        .git(["merge-tree", "--write-tree", "main", "payments~1"])
        .ok();
}

/// Every object of the repository, inflated, and every file of the sandbox.
fn leaks(sandbox: &Sandbox, text: &str) -> bool {
    let objects = sandbox
        .git(["cat-file", "--batch-all-objects", "--batch"])
        .ok();
    let files = files_beneath(&sandbox.place());
    let holds = |path: &std::path::PathBuf| {
        fs::read(path).is_ok_and(|bytes| contains(&bytes, text.as_bytes()))
    };
    contains(&objects.bytes, text.as_bytes()) || files.iter().any(holds)
}

#[test]
fn no_merge_leaves_a_value_behind_not_even_one_that_is_killed() {
    let sandbox = conflicting();
    sandbox.git(["config", "rerere.enabled", "true"]).ok();
    merge(&sandbox, "payments").exits(1);
    sandbox.keyless().stax(["secrets", "resolve"]).exits(1);
    assert!(
        !leaks(&sandbox, "canary-"),
        "{:?}",
        sandbox.holders_of("canary-")
    );
    sandbox.stax(["secrets", "resolve", PROD, "--theirs"]).ok();
    sandbox.git(["commit", "--quiet", "--no-edit"]).ok();
    assert!(!leaks(&sandbox, "canary-") && !leaks(&sandbox, CANARY));
    sandbox.git(["reset", "--quiet", "--hard", "HEAD~1"]).ok();
    let binary = env!("CARGO_BIN_EXE_stax");
    for milliseconds in [1, 3, 6, 10, 15, 25] {
        let driver = format!(
            "timeout -s KILL 0.{milliseconds:03} \"{binary}\" git merge %O %A %B %L %P %S %X %Y"
        );
        sandbox.git(["config", "merge.stax.driver", &driver]).ok();
        merge(&sandbox, "payments").exits_with_one_of(&[1, 2, 128]);
        assert!(
            !leaks(&sandbox, "canary-"),
            "{:?}",
            sandbox.holders_of("canary-")
        );
        sandbox.git(["reset", "--quiet", "--hard"]).ok();
    }
}

/// The driver as a git calls it that does not know the labels.
fn drive(sandbox: &Sandbox, versions: [&str; 3], size: &str) -> Output {
    let bytes = |commit: &str| {
        sandbox
            .git(["show", &format!("{commit}:{PROD}")])
            .ok()
            .bytes
    };
    for (name, commit) in ["o", "a", "b"].into_iter().zip(versions) {
        sandbox.write(name, bytes(commit));
    }
    sandbox.stax(["git", "merge", "o", "a", "b", size, PROD, "%S", "%X", "%Y"])
}

#[test]
fn a_git_that_names_no_sides_is_served_as_well() {
    let sandbox = conflicting();
    drive(&sandbox, ["main~2", "main~1", "payments~1"], "7")
        .ok()
        .says("PORT (ours), STRIPE_WEBHOOK_SECRET (theirs)");
    sops(&sandbox, "a").fails();
    drive(&sandbox, ["main~2", "main", "payments"], "7")
        .exits(1)
        .says("conflict: STRIPE_SECRET_KEY");
    assert!(sandbox.read("a").starts_with("# stax-conflict "));
    // a merge of two merge bases, which git hands on as the base of another merge
    drive(&sandbox, ["main~2", "main", "payments"], "9")
        .exits(1)
        .hides("stax:");
    assert!(!sandbox.read("a").contains("stax-conflict") && !sandbox.read("a").contains("<<<<<<<"));
    // a revert shows by its age: the other side is older than the base
    let (sandbox, bob) = crate::readers::shared();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    sandbox
        .stax(["secrets", "remove-recipient", &bob.key()])
        .ok();
    sandbox.commit_all("bob leaves");
    drive(&sandbox, ["main", "main", "main~1"], "7")
        .exits(1)
        .says("give access back")
        .says("conflict: sops.age");
    assert!(!sandbox.read("a").contains(&bob.key()));
    sandbox.stax(["git", "merge", "o"]).exits(2);
    sandbox
        .stax(["git", "merge", "o", "a", "nothing", "7", PROD])
        .exits(1);
    assert!(sandbox.read("a").contains("<<<<<<<"));
}

#[test]
fn installing_again_changes_nothing_and_leaves_a_driver_of_somebody_else() {
    let sandbox = Sandbox::with_store();
    let config = || sandbox.read(".git/config");
    let installed = config();
    assert!(
        installed.find("\tdriver =") < installed.find("\tname ="),
        "a name without a driver stops git: {installed}"
    );
    sandbox.git(["config", "--unset", "merge.stax.name"]).ok();
    for _ in 0..2 {
        sandbox.stax(["secrets", "install"]).ok();
        assert_eq!(config(), installed);
    }
    sandbox
        .git(["config", "merge.stax.driver", "stax merge-driver %O %A %B"])
        .ok();
    let theirs = config();
    sandbox
        .stax(["secrets", "install"])
        .ok()
        .says("merge.stax.driver");
    assert_eq!(config(), theirs);
}
