//! Hooks of others: a block that comes out again without a trace, or not a byte.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::support::{PROD, Person, Sandbox};

pub const NAMES: [&str; 4] = ["pre-commit", "pre-merge-commit", "pre-push", "commit-msg"];
const LEAK: &str = "canary-in-clear";

/// A store without hooks and drivers, on a bare `origin`.
pub fn without_hooks() -> Sandbox {
    let sandbox = Sandbox::with_store();
    sandbox.stax(["secrets", "uninstall"]).ok();
    sandbox
        .git(["init", "--quiet", "--bare", "../origin.git"])
        .ok();
    sandbox
        .git(["remote", "add", "origin", "../origin.git"])
        .ok();
    sandbox
        .git(["push", "--quiet", "--set-upstream", "origin", "main"])
        .ok();
    sandbox
}

fn hook(name: &str) -> String {
    format!(".git/hooks/{name}")
}

#[track_caller]
fn write_hook(person: &Person, name: &str, text: impl AsRef<[u8]>, mode: u32) {
    person.write(&hook(name), text);
    fs::set_permissions(person.path(&hook(name)), fs::Permissions::from_mode(mode))
        .expect("its mode");
}

fn mode(person: &Person, name: &str) -> u32 {
    fs::metadata(person.path(&hook(name)))
        .expect("the hook")
        .permissions()
        .mode()
        & 0o777
}

pub fn state(person: &Person, name: &str) -> String {
    let status = person.stax(["secrets", "status", "--json"]).ok().json();
    status["git"]["hooks"][name]
        .as_str()
        .expect("a word")
        .to_owned()
}

#[test]
fn install_and_uninstall_leave_no_trace() {
    let sandbox = Sandbox::new();
    sandbox.key();
    let before = (
        sandbox.read(".git/config"),
        sandbox.sh("ls -A .git/hooks").ok().stdout,
    );
    let output = sandbox
        .stax(["secrets", "init", "--env", "production"])
        .ok();
    output.prints("hooks pre-commit, pre-merge-commit, pre-push, commit-msg   (this clone only)");
    for name in NAMES {
        assert_eq!(
            (mode(&sandbox, name), state(&sandbox, name).as_str()),
            (0o755, "installed")
        );
        assert!(sandbox.read(&hook(name)).lines().nth(1) == Some("# stax-hook v3"));
    }
    let installed = sandbox.sh("cat .git/config .git/hooks/*").ok().stdout;
    sandbox.stax(["secrets", "install"]).ok();
    assert_eq!(
        installed,
        sandbox.sh("cat .git/config .git/hooks/*").ok().stdout
    );

    let output = sandbox.stax(["secrets", "uninstall"]).ok();
    output
        .prints("removed    diff driver; merge driver; hooks")
        .prints("hooks pre-commit, pre-merge-commit, pre-push, commit-msg");
    assert_eq!(
        before,
        (
            sandbox.read(".git/config"),
            sandbox.sh("ls -A .git/hooks").ok().stdout
        )
    );
    sandbox
        .stax(["secrets", "uninstall"])
        .ok()
        .prints_exactly("nothing to do: nothing of stax is installed in this clone\n");
    let output = sandbox.stax(["secrets", "status"]).ok();
    output
        .prints("no hooks in this clone")
        .prints("`git push` is not checked")
        .shows("stax secrets install");
}

#[test]
fn a_hook_that_a_manager_moved_aside_is_taken_out_as_well() {
    let sandbox = Sandbox::with_store();
    sandbox
        .sh("cd .git/hooks && mv pre-push pre-push.legacy && mv pre-commit pre-commit.old")
        .ok();
    sandbox.write(".git/hooks/commit-msg.old", "#!/bin/sh\nmine\n");
    sandbox
        .stax(["secrets", "uninstall"])
        .ok()
        .prints("hooks pre-commit, pre-merge-commit, pre-push, commit-msg");
    let left = sandbox.sh("ls .git/hooks | grep -v sample").ok();
    left.prints_exactly("commit-msg.old\n");
}

#[test]
fn the_hook_of_an_older_stax_is_replaced() {
    let sandbox = without_hooks();
    let old = include_str!("../../hooks/v1/pre-commit").replace("@STAX@", "'/old/place/of/stax'");
    write_hook(&sandbox, "pre-commit", &old, 0o755);
    assert_eq!(state(&sandbox, "pre-commit"), "outdated");
    sandbox
        .stax(["secrets", "status"])
        .ok()
        .prints("of another stax: hooks pre-commit");
    sandbox.stax(["secrets", "install"]).ok();
    assert!(
        sandbox
            .read(&hook("pre-commit"))
            .contains("# stax-hook v3\n")
    );
    // what somebody added to it is theirs
    let own = format!("{old}npm test\n");
    write_hook(&sandbox, "pre-commit", &own, 0o755);
    sandbox
        .stax(["secrets", "install"])
        .ok()
        .prints("called by your hooks pre-commit");
    sandbox
        .stax(["secrets", "uninstall"])
        .ok()
        .shows("take its lines out by hand");
    assert_eq!(sandbox.read(&hook("pre-commit")), own);
}

/// A hook that says what it was given and that it ran.
fn telling(shebang: &str) -> String {
    format!(
        "{shebang}\nset -eu\nprintf '%s\\n' \"$0\" >> \"$HOME/ran\"\ncat > \"$HOME/stdin\"\nexec true\n"
    )
}

#[test]
fn a_shell_hook_gets_a_block_and_runs_on() {
    for shebang in [
        "#!/bin/sh",
        "#!/bin/sh -e",
        "#!/usr/bin/env bash",
        "#!/bin/dash",
        "#!/bin/bash -eu",
    ] {
        let sandbox = without_hooks();
        let script = telling(shebang);
        for (name, mode) in NAMES.into_iter().zip([0o755, 0o700, 0o775, 0o555]) {
            write_hook(&sandbox, name, &script, mode);
        }
        let list = NAMES.join(", ");
        sandbox
            .stax(["secrets", "install"])
            .ok()
            .prints(&format!("a block in your hooks {list}"));
        let once = sandbox.read(&hook("pre-push"));
        sandbox.stax(["secrets", "install"]).ok();
        assert_eq!(once, sandbox.read(&hook("pre-push")));
        NAMES
            .iter()
            .for_each(|name| assert_eq!(state(&sandbox, name), "inserted"));

        sandbox.put_in_clear(PROD, "STRIPE_SECRET_KEY", LEAK);
        sandbox
            .git(["commit", "-qam", "wip"])
            .exits(1)
            .shows("F04")
            .shows("commit refused");
        assert!(!sandbox.home.join("ran").exists());
        sandbox.git(["commit", "--no-verify", "-qam", "wip"]).ok();
        sandbox
            .git(["push", "-q"])
            .exits(1)
            .shows("F04")
            .shows("push refused");
        assert!(!sandbox.home.join("ran").exists());
        sandbox.git(["reset", "-q", "--hard", "HEAD~"]).ok();

        sandbox.set("PORT", "6543").ok();
        sandbox
            .git(["commit", "-qam", "honest"])
            .ok()
            .hides("stax:");
        let id = |name: &str| {
            sandbox
                .git(["rev-parse", name])
                .ok()
                .stdout
                .trim()
                .to_owned()
        };
        let (new, old) = (id("HEAD"), id("origin/main"));
        sandbox
            .git(["push", "-q", "origin", "main", "main:refs/heads/zwei"])
            .ok()
            .hides("stax:");
        let ran = fs::read_to_string(sandbox.home.join("ran")).expect("its log");
        assert_eq!(
            ran,
            ".git/hooks/pre-commit\n.git/hooks/commit-msg\n.git/hooks/pre-push\n"
        );
        let none = "0".repeat(40);
        let lines = format!(
            "refs/heads/main {new} refs/heads/main {old}\nrefs/heads/main {new} refs/heads/zwei {none}\n"
        );
        let stdin = || fs::read_to_string(sandbox.home.join("stdin")).expect("its input");
        assert_eq!(stdin(), lines);
        // nothing to push, and nothing handed on
        sandbox.git(["push", "-q"]).ok();
        assert_eq!(stdin(), "");

        let output = sandbox.stax(["secrets", "uninstall"]).ok();
        for (name, expected) in NAMES.into_iter().zip([0o755, 0o700, 0o775, 0o555]) {
            output
                .stdout
                .contains(&hook(name))
                .then_some(())
                .expect("the restored file");
            assert_eq!(sandbox.read(&hook(name)), script);
            assert_eq!(mode(&sandbox, name), expected);
        }
    }
}

#[test]
fn a_long_list_of_references_is_handed_on_whole() {
    for shebang in ["#!/bin/sh", "#!/bin/bash"] {
        let sandbox = without_hooks();
        write_hook(&sandbox, "pre-push", telling(shebang), 0o755);
        sandbox.stax(["secrets", "install"]).ok();
        let id = sandbox.git(["rev-parse", "HEAD"]).ok().stdout;
        let tags: String = (0..1500)
            .map(|number| format!("create refs/tags/t{number} {id}"))
            .collect::<Vec<_>>()
            .concat();
        sandbox
            .run("git", ["update-ref", "--stdin"], tags.as_bytes())
            .ok();
        sandbox.git(["push", "-q", "--tags"]).ok().hides("stax:");
        let lines = fs::read_to_string(sandbox.home.join("stdin")).expect("its input");
        assert_eq!(lines.lines().count(), 1500);
    }
}

#[test]
fn a_block_of_another_place_of_stax_is_renewed() {
    let sandbox = without_hooks();
    write_hook(&sandbox, "pre-push", telling("#!/bin/sh"), 0o755);
    sandbox.stax(["secrets", "install"]).ok();
    let current = sandbox.read(&hook("pre-push"));
    let moved = current.replace(env!("CARGO_BIN_EXE_stax"), "/nowhere/stax");
    write_hook(&sandbox, "pre-push", moved, 0o755);
    assert_eq!(state(&sandbox, "pre-push"), "outdated");
    sandbox.stax(["secrets", "install"]).ok();
    assert_eq!(sandbox.read(&hook("pre-push")), current);
}

#[test]
fn other_hooks_keep_every_byte_and_the_line_is_printed() {
    let table: [(&[u8], u32); 5] = [
        (b"#!/usr/bin/env python3\nprint('x')\n", 0o755),
        (b"#!/bin/sh\nexit 0\n", 0o644),
        (b"\x7fELF\0\xff", 0o755),
        (b"exit 0\n", 0o755),
        (b"#!/bin/sh\n# >>> stax >>>\nhalf a block\n", 0o755),
    ];
    for (text, mode_of) in table {
        let sandbox = without_hooks();
        NAMES
            .iter()
            .for_each(|name| write_hook(&sandbox, name, text, mode_of));
        let output = sandbox
            .stax(["secrets", "install"])
            .ok()
            .shows("stax secrets verify --staged");
        output
            .shows("stax git hook pre-push \"$@\"")
            .shows("stax git hook commit-msg \"$1\"")
            .shows("was left alone; `git push` is not checked");
        sandbox.stax(["secrets", "uninstall"]).ok();
        for name in NAMES {
            assert_eq!(state(&sandbox, name), "foreign");
            assert_eq!(
                (sandbox.bytes(&hook(name)).as_slice(), mode(&sandbox, name)),
                (text, mode_of)
            );
        }
    }
}

#[test]
fn a_link_is_not_followed() {
    let sandbox = without_hooks();
    sandbox.write("scripts/check", "#!/bin/sh\nexit 0\n");
    sandbox.sh("chmod +x scripts/check").ok();
    symlink("../../scripts/check", sandbox.path(&hook("pre-commit"))).expect("a link");
    sandbox
        .stax(["secrets", "install"])
        .ok()
        .shows("pre-commit is not stax's");
    sandbox.stax(["secrets", "uninstall"]).ok();
    assert_eq!(sandbox.read("scripts/check"), "#!/bin/sh\nexit 0\n");
    assert!(sandbox.path(&hook("pre-commit")).is_symlink());
    // a folder that is a link leads out of this clone
    sandbox
        .sh("rm -r .git/hooks && ln -s ../scripts .git/hooks")
        .ok();
    sandbox
        .stax(["secrets", "install"])
        .ok()
        .shows("`git commit` is not checked");
    assert_eq!(sandbox.sh("ls -A scripts").ok().stdout, "check\n");
}

/// The manager's files, and what `install` must print for it.
const MANAGERS: [(&str, &str, &str, &str); 6] = [
    (
        "",
        ".husky/pre-commit",
        "npm test\n",
        ".husky/pre-push: stax git hook pre-push \"$@\"",
    ),
    (
        ".husky/_",
        ".husky/pre-commit",
        "npm test\n",
        ".husky/commit-msg: stax git hook commit-msg \"$1\"",
    ),
    (
        "scripts",
        "scripts/pre-commit",
        "#!/bin/sh\n",
        "scripts/pre-push: stax git hook pre-push \"$@\"",
    ),
    (
        "",
        "lefthook.yml",
        "pre-commit: {}\n",
        "      use_stdin: true",
    ),
    (
        "",
        ".pre-commit-config.yaml",
        "repos: []\n",
        "      entry: stax secrets verify --keyless --range",
    ),
    (
        "",
        "prek.toml",
        "repos = []\n",
        "entry = \"stax git hook commit-msg\"",
    ),
];

#[test]
fn hooks_of_a_manager_are_left_alone_and_its_lines_are_printed() {
    for (path, file, text, line) in MANAGERS {
        let sandbox = without_hooks();
        sandbox.write(file, text);
        if !path.is_empty() {
            sandbox.git(["config", "core.hooksPath", path]).ok();
        }
        let files = || {
            sandbox
                .sh("find . -path ./.git/objects -prune -o -type f -print | sort")
                .ok()
                .stdout
        };
        let before = files();
        sandbox
            .stax(["secrets", "install"])
            .ok()
            .shows(line)
            .shows("`git push` is not checked");
        assert_eq!(
            (before, sandbox.read(file).as_str()),
            (files(), text),
            "{file}"
        );
        NAMES
            .iter()
            .for_each(|name| assert_eq!(state(&sandbox, name), "foreign", "{file}"));
        let folder = file.rsplit_once('/').map_or(file, |(folder, _)| folder);
        sandbox
            .stax(["secrets", "status"])
            .ok()
            .prints(folder)
            .prints("does not call stax");
    }
}

#[test]
fn hooks_of_all_repositories_are_left_alone() {
    let sandbox = without_hooks();
    sandbox
        .git(["config", "--global", "core.hooksPath", "~/hooks"])
        .ok();
    let output = sandbox.stax(["secrets", "install"]).ok();
    output
        .shows("outside this repository")
        .shows("hooks/pre-push: stax git hook pre-push \"$@\"");
    assert!(!sandbox.home.join("hooks").exists() && !sandbox.path(&hook("pre-push")).exists());
    // a folder of this very clone is as good as the default
    sandbox.git(["config", "core.hooksPath", ".git/mine"]).ok();
    sandbox
        .stax(["secrets", "install"])
        .ok()
        .prints("hooks pre-commit");
    sandbox.put_in_clear(PROD, "STRIPE_SECRET_KEY", LEAK);
    sandbox.git(["commit", "-qam", "wip"]).exits(1).shows("F04");
    sandbox.stax(["secrets", "uninstall"]).ok();
    assert_eq!(sandbox.sh("ls -A .git/mine").ok().stdout, "");
}

#[test]
fn a_manager_that_calls_stax_is_believed() {
    let sandbox = without_hooks();
    sandbox.git(["config", "core.hooksPath", "scripts"]).ok();
    sandbox.write(
        "scripts/pre-commit",
        "#!/bin/sh\nstax secrets verify --staged\n",
    );
    sandbox.write(
        "scripts/pre-push",
        "#!/bin/sh\nstax git hook pre-push \"$@\"\n",
    );
    sandbox.write(
        "scripts/commit-msg",
        "#!/bin/sh\n# stax git hook commit-msg \"$1\"\n",
    );
    sandbox.sh("chmod +x scripts/*").ok();
    let words = NAMES.map(|name| state(&sandbox, name));
    assert_eq!(words, ["chained", "foreign", "chained", "foreign"]);
    sandbox.put_in_clear(PROD, "STRIPE_SECRET_KEY", LEAK);
    sandbox
        .git(["commit", "-qam", "wip"])
        .exits(1)
        .shows("commit refused");
    sandbox.git(["commit", "--no-verify", "-qam", "wip"]).ok();
    sandbox.git(["push", "-q"]).exits(1).shows("push refused");
}
