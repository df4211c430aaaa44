//! Clones of an older stax, as it left them (`fixtures/clone-0.1.0`): told, upgraded, taken out;
//! and what no stax wrote.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{CANARY, PROD, Person, Sandbox, fixture};

const NAMES: [&str; 4] = ["pre-commit", "pre-merge-commit", "pre-push", "commit-msg"];
const OLDER: &str = "are those of an older stax";
const NEXT: &str = "next: stax secrets install";

fn old(name: &str) -> String {
    fs::read_to_string(fixture(&format!("clone-0.1.0/{name}"))).expect("a fixture")
}

fn hook(name: &str) -> String {
    format!(".git/hooks/{name}")
}

fn write_hook(person: &Person, name: &str, text: &str) {
    person.write(&hook(name), text);
    fs::set_permissions(person.path(&hook(name)), fs::Permissions::from_mode(0o755))
        .expect("its mode");
}

/// All that `install` may change in a clone.
fn state(person: &Person) -> String {
    person.sh("cat .git/config .git/info/attributes; for f in .git/hooks/*; do case $f in *.sample) ;; *) echo $f; cat $f;; esac; done 2>&1").stdout
}

/// A store without drivers and hooks.
fn bare_store() -> Sandbox {
    let sandbox = Sandbox::with_store();
    sandbox.stax(["secrets", "uninstall"]).ok();
    sandbox
}

/// The same with what 0.1.0 wrote into a clone, and what was there before.
fn clone_of_old(kind: &str) -> (Sandbox, String) {
    let sandbox = bare_store();
    if kind == "blocks" {
        NAMES
            .iter()
            .for_each(|name| write_hook(&sandbox, name, "#!/bin/sh\necho mine\n"));
    }
    let before = state(&sandbox);
    let config = sandbox.read(".git/config") + &old("config");
    sandbox.write(".git/config", config);
    sandbox.write(".git/info/attributes", old("info-attributes"));
    NAMES
        .iter()
        .for_each(|name| write_hook(&sandbox, name, &old(&format!("{kind}/{name}"))));
    (sandbox, before)
}

#[test]
fn a_clone_of_an_older_stax_is_told_in_one_line_by_status_and_whatever_writes() {
    let (sandbox, _) = clone_of_old("hooks");
    let status = sandbox.stax(["secrets", "status"]).ok();
    status
        .prints(&format!("git: the drivers and hooks of this clone {OLDER}"))
        .says("stax secrets install");
    let json = sandbox.stax(["secrets", "status", "--json"]).ok().json();
    assert_eq!(
        json["git"]["older"],
        serde_json::json!(["drivers", "hooks"])
    );
    let commands: [(&[&str], &str); 6] = [
        (&["set", "A"], "b\n"),
        (&["unset", "A"], ""),
        (&["rotate"], ""),
        (&["import", "-", "-n"], "A=b\n"),
        (&["scrub"], ""),
        (&["resolve"], ""),
    ];
    for (args, stdin) in commands {
        let said = sandbox
            .stax_with(["secrets"].iter().chain(args), stdin)
            .ok();
        let lines: Vec<&str> = said
            .stderr
            .lines()
            .filter(|line| line.contains(OLDER))
            .collect();
        let [line] = lines[..] else {
            panic!("one line: {said}")
        };
        assert!(line.ends_with(NEXT), "{line}");
    }
    for args in [
        &["list"][..],
        &["get", "PORT"],
        &["verify", "--keyless"],
        &["init", "--env", "production"],
    ] {
        assert!(
            !sandbox
                .stax(["secrets"].iter().chain(args))
                .stderr
                .contains(NEXT),
            "{args:?}"
        );
    }
    // init has installed
    assert!(
        !sandbox
            .stax(["secrets", "status"])
            .ok()
            .stdout
            .contains(OLDER)
    );
}

#[test]
fn install_upgrades_what_an_older_stax_wrote_and_uninstall_knows_it_too() {
    for kind in ["hooks", "blocks"] {
        let (fresh, _) = clone_of_old(kind);
        fresh.stax(["secrets", "uninstall"]).ok();
        fresh.stax(["secrets", "install", "--guard"]).ok();
        let (sandbox, before) = clone_of_old(kind);
        assert!(state(&sandbox).contains("/opt/stax-0.1.0/bin/stax"));
        sandbox.stax(["secrets", "install"]).ok();
        assert_eq!(state(&sandbox), state(&fresh), "{kind}");
        sandbox
            .stax_with(["secrets", "set", "A"], "b\n")
            .ok()
            .hides(OLDER);
        assert_eq!(
            sandbox.stax(["secrets", "status", "--json"]).ok().json()["git"]["older"],
            serde_json::json!([])
        );

        let upgraded = sandbox.stax(["secrets", "uninstall"]).ok();
        upgraded.prints("removed    guard; diff driver; merge driver");
        assert_eq!(state(&sandbox), before, "{kind}");
        let (sandbox, before) = clone_of_old(kind);
        sandbox
            .stax(["secrets", "uninstall"])
            .ok()
            .prints("removed    guard; diff driver; merge driver");
        assert_eq!(state(&sandbox), before, "{kind}");
    }
}

#[test]
fn what_an_older_stax_wrote_for_the_user_is_upgraded_and_taken_out() {
    let sandbox = bare_store();
    let (config, attributes) = (
        sandbox.home.join(".gitconfig"),
        sandbox.home.join(".config/git/attributes"),
    );
    let before = fs::read_to_string(&config).expect("a configuration");
    fs::create_dir_all(attributes.parent().expect("a folder")).expect("the folder");
    for is_upgraded in [true, false] {
        fs::write(&config, format!("{before}{}", old("config-of-the-user")))
            .expect("the configuration");
        fs::write(&attributes, old("attributes-of-the-user")).expect("the attributes");
        sandbox
            .stax_with(["secrets", "set", "A"], "b\n")
            .ok()
            .shows(&format!("the drivers of this clone {OLDER}"));
        if is_upgraded {
            sandbox.stax(["secrets", "install", "--global"]).ok();
            let text = fs::read_to_string(&config).expect("the configuration");
            assert!(
                !text.contains("0.1.0") && text.contains(": stax-driver v3; f"),
                "{text}"
            );
            sandbox
                .stax_with(["secrets", "set", "A"], "c\n")
                .ok()
                .hides(OLDER);
        }
        sandbox.stax(["secrets", "uninstall", "--global"]).ok();
        assert!(!attributes.exists());
        assert!(
            !fs::read_to_string(&config)
                .expect("the configuration")
                .contains("stax")
        );
    }
}

#[test]
fn what_no_stax_wrote_stays_as_it_is() {
    let own = "stax git textconv";
    for level in ["--local", "--global"] {
        let sandbox = bare_store();
        sandbox
            .git(["config", level, "diff.stax.textconv", own])
            .ok();
        sandbox
            .git(["config", level, "diff.stax.wordRegex", "x"])
            .ok();
        let args = ["secrets", "install", "--global"];
        let args = if level == "--global" {
            &args[..]
        } else {
            &args[..2]
        };
        let said = sandbox.stax(args).ok().prints("installed  merge driver");
        said.says("diff.stax.textconv is no command that stax wrote and was left alone");
        assert_eq!(
            sandbox
                .git(["config", "diff.stax.textconv"])
                .ok()
                .stdout
                .trim(),
            own
        );
        let args: Vec<&str> = args
            .iter()
            .map(|word| {
                if *word == "install" {
                    "uninstall"
                } else {
                    word
                }
            })
            .collect();
        sandbox
            .stax(&args)
            .ok()
            .prints("removed    merge driver")
            .says("diff.stax.textconv");
        assert_eq!(
            sandbox
                .git(["config", "diff.stax.textconv"])
                .ok()
                .stdout
                .trim(),
            own
        );
        // a setting of theirs beside our command
        sandbox
            .git(["config", level, "--unset", "diff.stax.textconv"])
            .ok();
        let args: Vec<&str> = args
            .iter()
            .map(|word| {
                if *word == "uninstall" {
                    "install"
                } else {
                    word
                }
            })
            .collect();
        sandbox.stax(&args).ok().prints("diff and merge drivers");
        let args: Vec<&str> = args
            .iter()
            .map(|word| {
                if *word == "install" {
                    "uninstall"
                } else {
                    word
                }
            })
            .collect();
        sandbox
            .stax(&args)
            .ok()
            .says("diff.stax.wordregex was not written by stax and was left alone");
        assert_eq!(
            sandbox
                .git(["config", "diff.stax.wordRegex"])
                .ok()
                .stdout
                .trim(),
            "x"
        );
        sandbox.git(["config", "diff.stax.textconv"]).exits(1);
    }
}

#[test]
fn a_hook_that_somebody_changed_is_theirs_whoever_wrote_the_rest() {
    for kind in ["hooks", "blocks"] {
        let (sandbox, _) = clone_of_old(kind);
        let changed =
            old(&format!("{kind}/pre-commit")).replace("git commit --no-verify", "git commit -n");
        write_hook(&sandbox, "pre-commit", &changed);
        sandbox
            .stax(["secrets", "install"])
            .ok()
            .prints("called by your hooks pre-commit");
        assert_eq!(sandbox.read(&hook("pre-commit")), changed);
        sandbox
            .stax(["secrets", "uninstall"])
            .ok()
            .says("pre-commit calls stax in line");
        assert_eq!(sandbox.read(&hook("pre-commit")), changed);
    }
}

#[test]
fn what_a_newer_stax_wrote_is_left_to_it() {
    for kind in ["hooks", "blocks"] {
        let (sandbox, _) = clone_of_old(kind);
        sandbox.stax(["secrets", "install"]).ok();
        for name in NAMES {
            let newer = sandbox
                .read(&hook(name))
                .replace("# stax-hook v3", "# stax-hook v4");
            write_hook(
                &sandbox,
                name,
                &newer.replace("stax_program=", "stax_place="),
            );
        }
        let config = sandbox
            .read(".git/config")
            .replace("stax-driver v3", "stax-driver v4")
            .replace("2>/dev/null", "2>&-");
        sandbox.write(
            ".git/config",
            config
                .replace("for s in", "for t in")
                .replace("[ -x", "[ -f"),
        );
        let before = state(&sandbox);
        let said = sandbox.stax(["secrets", "install"]).ok();
        said.says("hooks of a newer stax were left alone: pre-commit")
            .says("that of a newer stax");
        sandbox
            .stax(["secrets", "install", "--guard"])
            .exits(2)
            .one_error();
        sandbox
            .stax_with(["secrets", "set", "A"], "b\n")
            .ok()
            .says("git calls a newer stax in this clone")
            .hides(NEXT);
        let status = sandbox.stax(["secrets", "status"]).ok();
        status
            .prints("of a newer stax: hooks pre-commit")
            .prints("git calls a newer stax")
            .hides(NEXT);
        sandbox
            .stax(["secrets", "uninstall"])
            .ok()
            .says("that of a newer stax");
        // the block of the guard, which `install` gave the line about new bindings
        let end = "# <<< stax <<<\n";
        let block =
            old("info-attributes").replace(end, &format!(".stax/vault.json filter=stax\n{end}"));
        let attributes = |text: &str| text.replace(&block, "");
        assert_eq!(attributes(&state(&sandbox)), attributes(&before), "{kind}");
    }
}

#[test]
fn what_an_older_stax_kept_is_asked_about_set_aside_or_made_anew() {
    let sandbox = bare_store();
    sandbox
        .sh("mkdir -p .git/stax/conflicts .git/stax/history")
        .ok();
    // of a merge that is over
    sandbox.write(
        ".git/stax/conflicts/48de19ba2cb10c891034906bd2ba5801.json",
        old("conflict.json"),
    );
    fs::copy(
        fixture("clone-0.1.0/history-2"),
        sandbox.path(".git/stax/history/546240d208cf691a6693113e5026e06c"),
    )
    .expect("a kept walk");
    sandbox
        .stax(["secrets", "resolve"])
        .ok()
        .says("no secret file is in conflict");
    sandbox.stax(["secrets", "history"]).ok().prints("Ana");

    // it fits the work tree, and its files are neither what they were nor what they should be
    let root = sandbox.dir.canonicalize().expect("the work tree");
    for (journal, is_of_here) in [("journal-1", true), ("journal-2", false)] {
        sandbox.write(
            ".git/stax/journal",
            old(journal).replace("@ROOT@", &root.to_string_lossy()),
        );
        let before = sandbox.read(PROD);
        sandbox
            .stax(["secrets", "status"])
            .ok()
            .prints("Interrupted: ");
        let said = sandbox
            .stax_with(["secrets", "set", "A"], format!("{journal}\n"))
            .ok();
        let said = said.says("stax does nothing that ");
        assert_eq!(
            said.stderr.contains("or another folder"),
            !is_of_here,
            "{said}"
        );
        assert_ne!(sandbox.read(PROD), before);
        assert!(!sandbox.path(".git/stax/journal").exists());
    }
    let aside = sandbox.sh("ls .git/stax").ok();
    aside
        .prints("journal.foreign-1")
        .prints("journal.foreign-2");
    sandbox.get("STRIPE_SECRET_KEY").ok().prints(CANARY);
}

#[test]
fn what_a_newer_stax_kept_is_left_to_it() {
    let sandbox = bare_store();
    let conflict = old("conflict.json").replace("\"schema\":1", "\"schema\":2,\"more\":[]");
    let (kept, journal) = (
        ".git/stax/conflicts/48de19ba2cb10c891034906bd2ba5801.json",
        ".git/stax/journal",
    );
    sandbox.write(kept, &conflict);
    sandbox
        .stax(["secrets", "resolve"])
        .ok()
        .says("no secret file is in conflict");
    assert_eq!(sandbox.read(kept), conflict);

    let text = old("journal-2").replace("stax journal 2 ", "stax journal 3 ");
    sandbox.write(journal, &text);
    let before = sandbox.read(PROD);
    sandbox
        .stax(["secrets", "status"])
        .ok()
        .prints("a command of a newer stax was cut off here");
    let status = sandbox.stax(["secrets", "status", "--json"]).ok().json();
    assert_eq!(status["interrupted"]["next_write"], "newer");
    sandbox
        .stax(["secrets", "verify"])
        .ok()
        .says("a command of a newer stax was cut off here");
    let refused = sandbox
        .stax_with(["secrets", "set", "A"], "b\n")
        .exits(2)
        .one_error();
    refused
        .says("this one writes nothing before")
        .says("with that stax: stax secrets resolve");
    assert_eq!((sandbox.read(PROD), sandbox.read(journal)), (before, text));
    sandbox.get("STRIPE_SECRET_KEY").ok().prints(CANARY);
}

#[test]
fn the_environment_of_an_older_stax_still_loads() {
    let sandbox = bare_store();
    // the same bytes in the place of its own
    assert_eq!(sandbox.read(".stax/vault.json"), old("vault.json"));
    assert_eq!(sandbox.read(".gitattributes"), old("gitattributes"));
    sandbox.write(".envrc", old("envrc"));
    let shell = "has() { command -v \"$1\" >/dev/null; }; watch_file() { :; }; log_error() { echo \"$@\"; }; \
                 source_env_if_exists() { :; }; . ./.envrc; echo \"$STRIPE_SECRET_KEY\"";
    sandbox.sh(shell).ok().prints(CANARY);
    sandbox.stax(["secrets", "init", "--env", "staging"]).ok();
    assert!(
        sandbox
            .read(".envrc")
            .contains("infra/secrets/staging.enc.yaml")
    );
}
