//! The hooks under real git: however a commit is made, a value in clear reaches no remote.

use crate::support::{CANARY, Output, PROD, Person, Sandbox};

pub const LEAK: &str = "canary-in-clear";

/// A store whose `main` is on a bare `origin`.
fn with_origin() -> Sandbox {
    let sandbox = Sandbox::with_store();
    sandbox
        .git(["init", "--quiet", "--bare", "../origin.git"])
        .ok();
    sandbox
        .git(["remote", "add", "origin", "../origin.git"])
        .ok();
    sandbox
        .git(["push", "--quiet", "--set-upstream", "origin", "main"])
        .ok()
        .hides("stax");
    sandbox
}

/// An honest change of a value, or one in clear.
pub fn change(person: &Person, is_good: bool) {
    if is_good {
        person.set("STRIPE_SECRET_KEY", "canary-next").ok();
    } else {
        person.put_in_clear(PROD, "STRIPE_SECRET_KEY", LEAK);
    }
}

/// The same in a commit that no hook has seen.
pub fn commit_unseen(person: &Person, is_good: bool) {
    change(person, is_good);
    person.git(["commit", "--no-verify", "-qam", "wip"]).ok();
}

pub fn commit_notes(person: &Person, text: &str) {
    person.write("notes.txt", text);
    person.git(["add", "notes.txt"]).ok();
    person.git(["commit", "-qm", "notes"]).ok();
}

fn revision(person: &Person, name: &str) -> String {
    person
        .git(["rev-parse", "--verify", "--quiet", name])
        .stdout
}

#[track_caller]
fn judged(output: Output, is_good: bool, refused: &str) {
    if is_good {
        output.ok().hides("error").hides(refused).hides("canary");
    } else {
        output
            .exits(1)
            .shows("error[F04 plaintext]")
            .shows(refused)
            .hides(LEAK)
            .hides("panicked");
    }
}

#[test]
fn every_commit_that_git_checks_is_checked() {
    let table: [&[&str]; 5] = [
        &["commit", "-qm", "wip"],
        &["commit", "-qam", "wip"],
        &["commit", "-qm", "wip", PROD],
        &["commit", "-qm", "wip", "--only", PROD],
        &["commit", "-qa", "--amend", "--no-edit"],
    ];
    for args in table {
        for is_good in [true, false] {
            let sandbox = Sandbox::with_store();
            change(&sandbox, is_good);
            if args == table[0] {
                sandbox.git(["add", PROD]).ok();
            }
            let before = revision(&sandbox, "HEAD");
            judged(sandbox.git(args), is_good, "commit refused");
            assert_eq!(revision(&sandbox, "HEAD") != before, is_good, "{args:?}");
        }
    }
}

#[test]
fn a_merge_is_checked_before_it_is_committed() {
    for is_good in [true, false] {
        let sandbox = Sandbox::with_store();
        sandbox.git(["switch", "-qc", "side"]).ok();
        commit_unseen(&sandbox, is_good);
        sandbox.git(["switch", "-q", "main"]).ok();
        commit_notes(&sandbox, "main\n");
        judged(
            sandbox.git(["merge", "-q", "--no-edit", "side"]),
            is_good,
            "commit refused",
        );
        assert_eq!(revision(&sandbox, "MERGE_HEAD").is_empty(), is_good);
    }
}

#[test]
fn a_merge_with_a_conflict_is_checked_at_its_commit() {
    for is_good in [true, false] {
        let sandbox = Sandbox::with_store();
        sandbox.git(["switch", "-qc", "side"]).ok();
        commit_unseen(&sandbox, is_good);
        commit_notes(&sandbox, "side\n");
        sandbox.git(["switch", "-q", "main"]).ok();
        commit_notes(&sandbox, "main\n");
        sandbox.git(["merge", "-q", "side"]).exits(1);
        sandbox.write("notes.txt", "both\n");
        sandbox.git(["add", "notes.txt"]).ok();
        judged(
            sandbox.git(["commit", "-q", "--no-edit"]),
            is_good,
            "commit refused",
        );
    }
}

/// Makes commits, honest or not.
type Way = fn(&Person, bool);

/// Ways in which git makes commits and asks no hook.
fn unseen_ways() -> [(&'static str, Way); 5] {
    [
        ("commit --no-verify", commit_unseen),
        ("cherry-pick", |ana, is_good| {
            ana.git(["switch", "-qc", "side"]).ok();
            commit_unseen(ana, is_good);
            ana.git(["switch", "-q", "main"]).ok();
            commit_notes(ana, "main\n");
            ana.git(["cherry-pick", "side"]).ok();
        }),
        ("rebase", |ana, is_good| {
            ana.git(["switch", "-qc", "side"]).ok();
            commit_unseen(ana, is_good);
            ana.git(["switch", "-q", "main"]).ok();
            commit_notes(ana, "main\n");
            ana.git(["rebase", "-q", "main", "side"]).ok();
            ana.git(["switch", "-qC", "main"]).ok();
        }),
        ("revert", |ana, is_good| {
            commit_unseen(ana, is_good);
            ana.git(["push", "--quiet", "--no-verify"]).ok();
            if !is_good {
                ana.stax(["secrets", "encrypt", "-i", PROD]).ok();
                ana.git(["commit", "-qam", "sealed"]).ok();
                ana.git(["push", "--quiet"]).ok();
            }
            ana.git(["revert", "--no-edit", "HEAD"]).ok();
        }),
        ("am", |ana, is_good| {
            commit_unseen(ana, is_good);
            ana.sh(
                "git format-patch -q -1 --no-textconv --stdout > ../p && git reset -q --hard HEAD~",
            )
            .ok();
            ana.git(["am", "-q", "../p"]).ok();
        }),
    ]
}

#[test]
fn a_push_judges_what_no_hook_has_seen() {
    for (way, make) in unseen_ways() {
        for is_good in [true, false] {
            let sandbox = with_origin();
            make(&sandbox, is_good);
            println!("{way}, good: {is_good}");
            let remote = sandbox.at(sandbox.place().join("origin.git"));
            let before = revision(&remote, "main");
            judged(sandbox.git(["push", "--quiet"]), is_good, "push refused");
            assert_eq!(revision(&remote, "main") != before, is_good, "{way}");
        }
    }
}

#[test]
fn a_push_judges_every_reference_and_only_what_is_new() {
    let table: [&[&str]; 8] = [
        &["push", "-q", "origin", "main"],
        &["push", "-q", "origin", "main:refs/heads/new"],
        &["push", "-q", "origin", "HEAD~0:refs/heads/new"],
        &["push", "-q", "origin", "light"],
        &["push", "-q", "origin", "annotated"],
        &["push", "-q", "--force", "--all", "origin"],
        &["push", "-q", "--mirror", "../origin.git"],
        &["push", "-q", "origin", ":gone", "main"],
    ];
    for args in table {
        for is_good in [true, false] {
            let sandbox = with_origin();
            sandbox.git(["push", "-q", "origin", "main:gone"]).ok();
            commit_unseen(&sandbox, is_good);
            sandbox.git(["tag", "light"]).ok();
            sandbox.git(["tag", "-am", "a tag", "annotated"]).ok();
            judged(sandbox.git(args), is_good, "push refused");
        }
    }
}

#[test]
fn what_a_later_commit_seals_was_published_all_the_same() {
    let sandbox = with_origin();
    commit_unseen(&sandbox, false);
    sandbox.stax(["secrets", "encrypt", "-i", PROD]).ok();
    sandbox.git(["commit", "-qam", "sealed"]).ok();
    let output = sandbox.git(["push", "--quiet"]);
    let output = output.shows("note: a later commit does not take back");
    judged(
        output,
        false,
        "push refused: 2 errors in 1 file, 2 commits looked at; nothing was sent",
    );
}

#[test]
fn what_the_remote_has_stops_no_push() {
    let sandbox = with_origin();
    commit_unseen(&sandbox, false);
    sandbox.git(["push", "--quiet", "--no-verify"]).ok();
    commit_notes(&sandbox, "unrelated\n");
    sandbox
        .git(["push", "--quiet"])
        .ok()
        .hides("error")
        .hides("stax");
    sandbox
        .git(["push", "--quiet", "origin", "main:refs/heads/other"])
        .ok()
        .hides("stax");
    // nothing that is new
    sandbox
        .git(["push", "--quiet", "origin", ":other"])
        .ok()
        .hides("stax");
    sandbox.git(["push"]).ok().hides("stax");
    // a tag of no commit, and one of what the remote has
    let blob = revision(&sandbox, "HEAD:notes.txt");
    sandbox.git(["tag", "blob", blob.trim()]).ok();
    sandbox.git(["tag", "seen"]).ok();
    sandbox
        .git(["push", "--quiet", "--tags"])
        .ok()
        .hides("stax");
    // another remote has none of it
    sandbox
        .git(["init", "--quiet", "--bare", "../public.git"])
        .ok();
    judged(
        sandbox.git(["push", "--quiet", "../public.git", "main"]),
        false,
        "push refused",
    );
}

#[test]
fn a_push_finds_a_private_key_and_a_file_that_lost_its_encryption() {
    let sandbox = with_origin();
    let key = std::fs::read_to_string(sandbox.key_file()).expect("the key file");
    sandbox.write("notes/key.txt", &key);
    sandbox.git(["add", "--all"]).ok();
    sandbox.git(["commit", "--no-verify", "-qm", "wip"]).ok();
    let refused = sandbox
        .git(["push", "--quiet"])
        .exits(1)
        .shows("G05")
        .shows("push refused");
    let secret = key
        .lines()
        .last()
        .and_then(|line| line.strip_prefix("AGE-SECRET-KEY-1"))
        .expect("a key");
    refused.hides(secret);

    let sandbox = with_origin();
    let plain = sandbox.sops(["decrypt", PROD]).ok().stdout;
    sandbox.write(PROD, plain);
    sandbox.git(["commit", "--no-verify", "-qam", "wip"]).ok();
    sandbox
        .git(["push", "--quiet"])
        .exits(1)
        .shows(PROD)
        .shows("push refused")
        .hides(CANARY);
}

#[test]
fn a_shallow_clone_pushes_what_it_can_judge() {
    for is_good in [true, false] {
        let sandbox = with_origin();
        commit_notes(&sandbox, "more history\n");
        sandbox.git(["push", "-q"]).ok();
        let url = format!("file://{}", sandbox.place().join("origin.git").display());
        sandbox
            .git(["clone", "-q", "--depth", "1", &url, "../shallow"])
            .ok();
        let shallow = sandbox.at(sandbox.place().join("shallow"));
        shallow.stax(["secrets", "install"]).ok();
        commit_notes(&shallow, "nothing secret\n");
        shallow.git(["push", "-q"]).ok().hides("stax");
        commit_unseen(&shallow, is_good);
        judged(shallow.git(["push", "-q"]), is_good, "push refused");
    }
}

#[test]
fn a_conflict_that_a_rebase_went_past_is_not_pushed() {
    let sandbox = with_origin();
    sandbox.git(["switch", "-qc", "side"]).ok();
    sandbox.set("PORT", "1111").ok();
    sandbox.git(["commit", "-qam", "side"]).ok();
    sandbox.git(["switch", "-q", "main"]).ok();
    sandbox.set("PORT", "2222").ok();
    sandbox.git(["commit", "-qam", "main"]).ok();
    sandbox.git(["rebase", "-q", "main", "side"]).exits(1);
    assert!(sandbox.read(PROD).contains("stax-conflict PORT"));
    sandbox.git(["add", PROD]).ok();
    sandbox
        .with("GIT_EDITOR", "true")
        .git(["rebase", "--continue"])
        .ok();
    sandbox
        .git(["push", "-q", "origin", "side"])
        .exits(1)
        .shows("F06 conflict")
        .shows("push refused")
        .hides("2222");
}

#[test]
fn a_push_needs_no_key_and_no_work_tree_in_order() {
    let sandbox = with_origin();
    commit_unseen(&sandbox, false);
    sandbox.git(["restore", "--source=HEAD~", PROD]).ok();
    judged(
        sandbox.keyless().git(["push", "--quiet"]),
        false,
        "push refused",
    );
    let below = sandbox.at(sandbox.path("infra"));
    judged(below.git(["push", "--quiet"]), false, "push refused");
}

/// An editor that keeps what git showed and writes a subject on top of it.
pub fn verbose(person: &Person) -> Person {
    let script = "cp \"$1\" \"$HOME/shown\"; { echo 'a subject'; cat \"$1\"; } > \"$0.new\"; cat \"$0.new\" > \"$1\"; rm \"$0.new\"";
    let editor = person.script(script);
    person.with("GIT_EDITOR", editor)
}

#[test]
fn a_verbose_commit_leaves_no_diff_behind() {
    let table = [
        ("core.commentChar", "#"),
        ("core.commentChar", ";"),
        ("core.commentChar", "auto"),
        // since git 2.45; before it is nothing
        ("core.commentString", "//"),
        ("x.y", "z"),
    ];
    for (name, value) in table {
        let sandbox = Sandbox::with_store();
        sandbox.git(["config", name, value]).ok();
        let ana = verbose(&sandbox);
        change(&sandbox, true);
        for args in [
            ["commit", "-qav"].as_slice(),
            &["commit", "-q", "--amend", "-v", "-v"],
        ] {
            ana.git(args).ok();
            let shown =
                std::fs::read_to_string(ana.home.join("shown")).expect("what the editor saw");
            assert!(shown.contains("diff --git "), "{shown}");
            let left = sandbox.read(".git/COMMIT_EDITMSG");
            assert!(left.starts_with("a subject\n"), "{left}");
            assert!(
                !left.contains("diff --git") && !left.contains("canary"),
                "{left}"
            );
            let told = sandbox
                .git(["log", "-1", "--format=%B"])
                .ok()
                .prints("a subject\n");
            told.hides("diff --git");
        }
    }
}

#[test]
fn a_message_keeps_what_its_author_wrote() {
    let sandbox = Sandbox::with_store();
    let scissors = "# ------------------------ >8 ------------------------";
    let message = format!("subject\n\n{scissors}\n# Everything below\nno patch\n");
    sandbox.write("../message", &message);
    commit_notes(&sandbox, "x\n");
    sandbox.write("notes.txt", "y\n");
    sandbox
        .git(["commit", "-qa", "--cleanup=verbatim", "-F", "../message"])
        .ok();
    sandbox
        .git(["log", "-1", "--format=%B"])
        .ok()
        .prints_exactly(format!("{message}\n"));
}

#[test]
fn a_bare_path_finds_stax_and_a_stranger_is_not_believed() {
    let sandbox = with_origin();
    let bare = sandbox.with("PATH", "/usr/local/bin:/usr/bin:/bin");
    change(&sandbox, false);
    judged(bare.git(["commit", "-qam", "wip"]), false, "commit refused");
    sandbox.git(["commit", "--no-verify", "-qam", "wip"]).ok();
    judged(bare.git(["push", "-q"]), false, "push refused");

    // stax moved
    for name in ["pre-commit", "pre-merge-commit", "pre-push", "commit-msg"] {
        let path = format!(".git/hooks/{name}");
        let text = sandbox
            .read(&path)
            .replace(env!("CARGO_BIN_EXE_stax"), "/nowhere/stax");
        sandbox.write(&path, text);
    }
    judged(sandbox.git(["push", "-q"]), false, "push refused");
    let stranger = sandbox.place().join("strange/stax");
    sandbox.write(
        "../strange/stax",
        "#!/bin/sh\necho \"$@\" >> \"$0.log\"\necho a stranger\n",
    );
    sandbox.sh("chmod +x ../strange/stax").ok();
    let path = format!(
        "{}:/usr/local/bin:/usr/bin:/bin",
        stranger.parent().expect("a folder").display()
    );
    for lost in [bare.clone(), sandbox.with("PATH", path)] {
        let refused = lost.git(["push", "-q"]).exits(1);
        let lines: Vec<&str> = refused.stderr.lines().collect();
        assert!(
            lines[0].starts_with("stax: not found, so this push is not checked and not made"),
            "{refused}"
        );
        assert!(lines[1].starts_with("error: failed to push"), "{refused}");
        lost.git(["commit", "-q", "--allow-empty", "-m", "x"])
            .exits(1)
            .shows("stax: not found");
        // the hook of the message stops nothing
        sandbox.sh("mv .git/hooks/pre-commit pre-commit").ok();
        lost.git(["commit", "-q", "--allow-empty", "-m", "x"])
            .ok()
            .hides("stax");
        sandbox.sh("mv pre-commit .git/hooks/pre-commit").ok();
    }
    let asked = std::fs::read_to_string(stranger.with_extension("log")).expect("its log");
    assert!(asked.lines().all(|line| line == "--version"), "{asked}");
}

#[test]
fn linked_work_trees_submodules_and_separate_git_folders_are_guarded() {
    let sandbox = with_origin();
    sandbox.git(["worktree", "add", "-q", "../linked"]).ok();
    let linked = sandbox.at(sandbox.place().join("linked"));
    linked.stax(["secrets", "install"]).ok();
    assert!(
        linked
            .git(["rev-parse", "--git-path", "hooks"])
            .ok()
            .stdout
            .contains("/repo/.git/hooks")
    );
    guarded(&linked);

    let outer = sandbox.at(sandbox.place().join("outer"));
    std::fs::create_dir(&outer.dir).expect("a folder");
    outer.git(["init", "-q"]).ok();
    outer
        .git([
            "-c",
            "protocol.file.allow=always",
            "submodule",
            "--quiet",
            "add",
            "../repo",
            "inner",
        ])
        .ok();
    let inner = outer.at(outer.path("inner"));
    inner
        .stax(["secrets", "install"])
        .ok()
        .prints("hooks pre-commit");
    assert!(outer.path(".git/modules/inner/hooks/pre-push").exists());
    assert!(!outer.path(".git/hooks/pre-push").exists());
    guarded(&inner);

    sandbox
        .git([
            "clone",
            "-q",
            "--separate-git-dir",
            "../apart.git",
            "../origin.git",
            "../apart",
        ])
        .ok();
    let apart = sandbox.at(sandbox.place().join("apart"));
    apart.stax(["secrets", "install"]).ok();
    assert!(sandbox.path("../apart.git/hooks/commit-msg").exists());
    guarded(&apart);
    // from elsewhere, as scripts do
    change(&apart, false);
    let there = ["--git-dir=../apart.git", "--work-tree=../apart"];
    judged(
        sandbox.git(there.iter().chain(&["commit", "-qam", "wip"])),
        false,
        "commit refused",
    );

    let bare = sandbox.at(sandbox.place().join("origin.git"));
    for command in ["install", "uninstall"] {
        bare.stax(["secrets", command])
            .exits(2)
            .one_error()
            .says("is a bare repository");
    }
}

/// Commit and push refuse a value in clear and let an honest change pass.
#[track_caller]
fn guarded(person: &Person) {
    change(person, false);
    judged(
        person.git(["commit", "-qam", "wip"]),
        false,
        "commit refused",
    );
    judged(
        person.git(["commit", "-qm", "wip", PROD]),
        false,
        "commit refused",
    );
    person.git(["commit", "--no-verify", "-qam", "wip"]).ok();
    judged(
        person.git(["push", "-q", "origin", "HEAD:refs/heads/new"]),
        false,
        "push refused",
    );
    person.git(["reset", "-q", "--hard", "HEAD~"]).ok();
    change(person, true);
    person.git(["commit", "-qam", "honest"]).ok().hides("stax");
    person
        .git(["push", "-q", "origin", "HEAD:refs/heads/new"])
        .ok()
        .hides("stax");
    person.git(["push", "-q", "origin", ":new"]).ok();
    person.git(["reset", "-q", "--hard", "HEAD~"]).ok();
}
