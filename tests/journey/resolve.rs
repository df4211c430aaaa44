//! `stax secrets resolve`: what is open, from where, and how it is settled.

use std::fs;

use crate::merge::{conflicting, decrypted, merge, on_branch, seal, set, sops};
use crate::support::{PROD, Person, Sandbox};

const JSON: &str = "infra/secrets/x.enc.json";

/// Two keys in conflict.
fn two(sandbox: &Sandbox) {
    on_branch(sandbox, "other", |ana| {
        set(ana, "STRIPE_SECRET_KEY", "canary-theirs");
        set(ana, "DATABASE_URL", "canary-theirs-url");
    });
    set(sandbox, "STRIPE_SECRET_KEY", "canary-ours");
    set(sandbox, "DATABASE_URL", "canary-ours-url");
    sandbox.commit_all("ours");
}

#[test]
fn the_sides_are_named_by_branch_commit_and_author_and_masked_for_a_log() {
    let sandbox = conflicting();
    sandbox
        .stax(["secrets", "resolve"])
        .ok()
        .says("no secret file is in conflict");
    sandbox
        .stax(["secrets", "resolve", PROD])
        .exits(1)
        .says("is not in conflict");
    merge(&sandbox, "payments").exits(1);
    sandbox
        .stax(["secrets", "resolve"])
        .exits(1)
        .prints(&format!("{PROD}: STRIPE_SECRET_KEY\n"));
    let shown = sandbox
        .stax(["secrets", "resolve", PROD])
        .exits(1)
        .says("hint: name keys and add --ours");
    let expected = "STRIPE_SECRET_KEY  base    canary-hunter2
                   ours    canary-ours     main      Ana Silva [COMMIT]
                   theirs  canary-theirs   payments  Ana Silva [COMMIT]\n";
    assert_eq!(sandbox.scrub(&shown.stdout), expected);
    let masked = sandbox
        .with("CI", "1")
        .stax(["secrets", "resolve", PROD])
        .exits(1);
    masked.hides("canary-").prints("«str 13B #");
    sandbox
        .keyless()
        .stax(["secrets", "resolve", PROD])
        .exits(3)
        .hides("canary-");
    let done = sandbox
        .stax(["secrets", "resolve", PROD, "STRIPE_SECRET_KEY", "--theirs"])
        .ok();
    done.prints_exactly(format!(
        "{PROD}: STRIPE_SECRET_KEY from payments; MAC valid, no conflict left, staged; next: git commit\n"
    ));
    assert_eq!(sandbox.git(["ls-files", "--unmerged"]).ok().stdout, "");
    sandbox.git(["commit", "--no-edit"]).ok();
    let text = decrypted(&sandbox, PROD);
    assert!(
        text.contains("canary-theirs") && text.contains("whsec_77") && text.contains("5433"),
        "{text}"
    );
    sandbox
        .stax(["secrets", "verify", "--range", "HEAD~1..HEAD"])
        .ok();
    sandbox
        .stax(["secrets", "resolve", PROD, "--ours"])
        .exits(1)
        .says("is not in conflict");
    assert_eq!(
        fs::read_dir(sandbox.path(".git/stax/conflicts")).map_or(0, Iterator::count),
        0
    );
}

#[test]
fn keys_are_settled_one_by_one_also_after_git_add() {
    let sandbox = Sandbox::with_store();
    two(&sandbox);
    merge(&sandbox, "other")
        .exits(1)
        .says("conflict: DATABASE_URL, STRIPE_SECRET_KEY");
    sandbox
        .stax(["secrets", "resolve", PROD, "NOPE", "--ours"])
        .exits(1)
        .says("open: DATABASE_URL");
    let first = sandbox
        .stax(["secrets", "resolve", PROD, "DATABASE_URL", "--theirs"])
        .ok();
    first.prints("still open: STRIPE_SECRET_KEY");
    assert!(
        sandbox
            .read(PROD)
            .starts_with("# stax-conflict STRIPE_SECRET_KEY\n")
    );
    sandbox.git(["add", PROD]).ok();
    sandbox.git(["commit", "--no-edit"]).exits(1).shows("F06");
    sandbox
        .stax(["secrets", "resolve", PROD])
        .exits(1)
        .prints("canary-theirs")
        .hides("DATABASE_URL");
    sandbox.stax(["secrets", "resolve", PROD, "--ours"]).ok();
    sandbox.git(["commit", "--no-edit"]).ok();
    let text = decrypted(&sandbox, PROD);
    assert!(
        text.contains("canary-theirs-url") && text.contains("canary-ours\n"),
        "{text}"
    );
}

#[test]
fn an_editor_settles_what_neither_side_has() {
    let sandbox = conflicting();
    merge(&sandbox, "payments").exits(1);
    let script = "grep '^# stax: ' \"$1\" > \"$HOME/talk\"; sed 's/canary-ours$/canary-third/' \"$1\" > \"$0.new\"; cat \"$0.new\" > \"$1\"; rm \"$0.new\"";
    sandbox
        .editing(script)
        .stax(["secrets", "resolve", PROD, "--edit"])
        .ok()
        .prints("STRIPE_SECRET_KEY edited");
    let talk = fs::read_to_string(sandbox.home.join("talk")).expect("the lines on top");
    assert!(
        talk.contains("STRIPE_SECRET_KEY (main): canary-ours\n"),
        "{talk}"
    );
    assert!(
        talk.contains("STRIPE_SECRET_KEY (payments): canary-theirs\n"),
        "{talk}"
    );
    let text = decrypted(&sandbox, PROD);
    assert!(
        text.contains("STRIPE_SECRET_KEY: canary-third\n") && !text.contains("stax:"),
        "{text}"
    );
}

fn without_driver(person: &Person) {
    person.git(["config", "--unset", "merge.stax.driver"]).ok();
    person.git(["config", "--unset", "merge.stax.name"]).ok();
}

#[test]
fn a_text_merge_by_a_clone_without_the_driver_is_merged_again_by_key() {
    let sandbox = conflicting();
    without_driver(&sandbox);
    merge(&sandbox, "payments").exits(1);
    assert!(sandbox.read(PROD).contains("<<<<<<< "));
    sandbox
        .stax(["secrets", "resolve"])
        .exits(1)
        .prints(&format!("{PROD}: merged as text"));
    sandbox.git(["add", PROD]).ok();
    sandbox.git(["commit", "--no-edit"]).exits(1);
    sandbox.git(["checkout", "-m", "--", PROD]).ok();
    sandbox
        .stax(["secrets", "resolve", PROD])
        .exits(1)
        .prints("canary-ours")
        .prints("canary-theirs");
    sandbox.stax(["secrets", "resolve", PROD, "--theirs"]).ok();
    let text = decrypted(&sandbox, PROD);
    assert!(
        text.contains("canary-theirs") && text.contains("whsec_77") && text.contains("5433"),
        "{text}"
    );
    sandbox.git(["commit", "--no-edit"]).ok();
}

#[test]
fn disjoint_changes_that_git_merged_as_text_need_no_choice() {
    let sandbox = Sandbox::with_store();
    on_branch(&sandbox, "other", |ana| set(ana, "ADDED", "canary-added"));
    sandbox.set_typed("PORT", "5433", "int").ok();
    sandbox.commit_all("ours");
    without_driver(&sandbox);
    merge(&sandbox, "other").exits(1);
    let done = sandbox.stax(["secrets", "resolve", PROD]).ok();
    done.prints("no conflict left, staged; next: git commit");
    let text = decrypted(&sandbox, PROD);
    assert!(
        text.contains("canary-added") && text.contains("5433"),
        "{text}"
    );
    sandbox.git(["commit", "--no-edit"]).ok();
}

#[test]
fn json_keeps_its_markers_until_all_is_settled() {
    let sandbox = Sandbox::with_store();
    sandbox.write(".gitattributes", "infra/secrets/* merge=stax\n");
    seal(
        &sandbox,
        JSON,
        "{\"a\": \"1\", \"b\": \"1\", \"c\": \"1\"}\n",
    );
    sandbox.commit_all("json");
    let change = |person: &Person, values: [(&str, &str); 3]| {
        for (key, value) in values {
            person
                .stax_with(["secrets", "set", key, "-f", JSON], format!("{value}\n"))
                .ok();
        }
    };
    on_branch(&sandbox, "other", |ana| {
        change(ana, [("a", "canary-a2"), ("b", "canary-b2"), ("d", "4")])
    });
    change(
        &sandbox,
        [("a", "canary-a1"), ("b", "canary-b1"), ("c", "3")],
    );
    sandbox.commit_all("ours");
    merge(&sandbox, "other").exits(1).says("conflict: a, b");
    assert!(sandbox.read(JSON).contains("<<<<<<< ") && sandbox.read(JSON).contains("||||||| "));
    sandbox.git(["add", JSON]).ok();
    sandbox.git(["commit", "--no-edit"]).exits(1);
    sandbox
        .stax(["secrets", "resolve"])
        .exits(1)
        .prints(&format!("{JSON}: a, b\n"));
    sandbox
        .stax(["secrets", "resolve", JSON, "a", "--theirs"])
        .ok()
        .prints("still open: b");
    assert!(sandbox.read(JSON).contains("<<<<<<< "));
    sandbox
        .stax(["secrets", "resolve"])
        .exits(1)
        .prints(&format!("{JSON}: b\n"));
    sandbox
        .stax(["secrets", "resolve", JSON, "--ours"])
        .ok()
        .prints("staged");
    let text = decrypted(&sandbox, JSON);
    assert!(
        ["canary-a2", "canary-b1", "\"3\"", "\"4\""]
            .iter()
            .all(|value| text.contains(value)),
        "{text}"
    );
    sandbox.git(["commit", "--no-edit"]).ok();
}

#[test]
fn a_file_with_the_line_opens_in_sops_in_every_format_that_has_comments() {
    let sandbox = Sandbox::with_store();
    sandbox.write(".gitattributes", "infra/secrets/* merge=stax\n");
    for (name, clear) in [
        ("x.enc.yaml", "# head\na: 1\nm:\n    x y: 1\n"),
        ("x.enc.env", "# head\na=1\nx=1\n"),
        ("x.enc.ini", "; head\n[s]\na = 1\nx = 1\n"),
    ] {
        let path = format!("infra/secrets/{name}");
        seal(&sandbox, &path, clear);
        sandbox.commit_all(name);
        let (edit, branch) = (
            |old: &str, new: &str| clear.replace(old, new),
            format!("b-{name}"),
        );
        let rewrite = |person: &Person, text: &str| {
            let file = person.home.join("text");
            fs::write(&file, text).expect("the text");
            let editor = format!("cp {} \"$1\"", file.display());
            person
                .editing(&editor)
                .stax(["secrets", "edit", "-f", &path])
                .ok();
        };
        on_branch(&sandbox, &branch, |ana| {
            rewrite(ana, &edit("1", "canary-2"))
        });
        rewrite(&sandbox, &edit("1", "canary-3"));
        sandbox.commit_all("ours");
        merge(&sandbox, &branch).exits(1).hides("as text");
        assert!(
            sandbox
                .read(&path)
                .lines()
                .next()
                .is_some_and(|line| line[1..].starts_with(" stax-conflict "))
        );
        sops(&sandbox, &path).ok().prints("canary-3");
        sandbox.git(["add", &path]).ok();
        sandbox
            .stax(["secrets", "verify", "--staged"])
            .exits(1)
            .shows("F06");
        // a value that is set meanwhile keeps the line
        sandbox.stax(["secrets", "resolve", &path, "--theirs"]).ok();
        assert_eq!(decrypted(&sandbox, &path), edit("1", "canary-2"), "{name}");
        sandbox.git(["commit", "--no-edit"]).ok();
    }
}

#[test]
fn the_line_stays_in_clear_when_the_file_is_changed_meanwhile() {
    let sandbox = conflicting();
    merge(&sandbox, "payments").exits(1);
    set(&sandbox, "ADDED", "canary-added");
    sandbox
        .editing("sed -i 's/canary-added/canary-more/' \"$1\"")
        .stax(["secrets", "edit"])
        .ok();
    sandbox.stax(["secrets", "rotate"]).fails();
    assert!(
        sandbox
            .read(PROD)
            .starts_with("# stax-conflict STRIPE_SECRET_KEY\n"),
        "{}",
        sandbox.read(PROD)
    );
    sandbox.stax(["secrets", "resolve", PROD, "--theirs"]).ok();
    let text = decrypted(&sandbox, PROD);
    assert!(
        text.contains("canary-more") && text.contains("canary-theirs"),
        "{text}"
    );
}

#[test]
fn what_was_kept_of_another_merge_is_forgotten() {
    let sandbox = conflicting();
    merge(&sandbox, "payments").exits(1);
    let kept = || fs::read_dir(sandbox.path(".git/stax/conflicts")).map_or(0, Iterator::count);
    assert_eq!(kept(), 1);
    let record = fs::read_dir(sandbox.path(".git/stax/conflicts"))
        .expect("a folder")
        .flatten()
        .next();
    let record = fs::read_to_string(record.expect("a record").path()).expect("text");
    assert!(
        record.contains("STRIPE_SECRET_KEY") && !record.contains("ENC["),
        "{record}"
    );
    sandbox.git(["merge", "--abort"]).ok();
    sandbox
        .stax(["secrets", "resolve", PROD, "--theirs"])
        .exits(1)
        .says("is not in conflict");
    assert_eq!(kept(), 0);
}

#[test]
fn a_file_that_one_side_deleted_is_left_to_git() {
    let sandbox = Sandbox::with_store();
    on_branch(&sandbox, "other", |ana| set(ana, "ADDED", "canary-added"));
    sandbox.git(["rm", "--quiet", PROD]).ok();
    sandbox
        .git(["commit", "--quiet", "--no-verify", "-m", "gone"])
        .ok();
    merge(&sandbox, "other").exits(1);
    sandbox
        .stax(["secrets", "resolve", PROD, "--ours"])
        .exits(1)
        .says("git rm");
}

#[test]
fn a_side_that_git_took_whole_is_staged_as_it_is() {
    let sandbox = conflicting();
    merge(&sandbox, "payments").exits(1);
    sandbox.git(["checkout", "--quiet", "--theirs", PROD]).ok();
    sandbox
        .stax(["secrets", "resolve", PROD])
        .ok()
        .prints("as it is in the work tree; MAC valid");
    let text = decrypted(&sandbox, PROD);
    assert!(
        text.contains("canary-theirs") && !text.contains("5433"),
        "{text}"
    );
}

#[test]
fn a_linked_work_tree_has_conflicts_of_its_own() {
    let sandbox = conflicting();
    let folder = sandbox.place().join("linked");
    sandbox
        .git([
            "worktree",
            "add",
            "--quiet",
            folder.to_str().expect("a path"),
            "payments",
        ])
        .ok();
    let linked = sandbox.at(&folder);
    merge(&linked, "main")
        .exits(1)
        .says("conflict: STRIPE_SECRET_KEY");
    sandbox.stax(["secrets", "resolve"]).ok();
    linked.git(["add", PROD]).ok();
    linked
        .stax(["secrets", "resolve", PROD, "--theirs"])
        .ok()
        .prints("STRIPE_SECRET_KEY from main");
    linked.git(["commit", "--quiet", "--no-edit"]).ok();
    assert!(decrypted(&linked, PROD).contains("canary-ours"));
}
