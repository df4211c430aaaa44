//! The real hook managers: what `install` prints is pasted as it stands, and then every commit and
//! push is judged.

use std::fs;

use crate::hooks::{LEAK, change, commit_notes, commit_unseen, verbose};
use crate::neighbours::{NAMES, state, without_hooks};
use crate::support::{Output, PROD, Person, Sandbox};
use crate::tools::with_manager;

/// A manager, the configuration that people have, and how they start and stop it.
struct Manager {
    name: &'static str,
    file: &'static str,
    text: &'static str,
    start: &'static str,
    stop: &'static str,
}

const LEFTHOOK: Manager = Manager {
    name: "lefthook",
    file: "lefthook.yml",
    text: "# ours\nprepare-commit-msg:\n  parallel: true\n  jobs:\n    - name: own\n      run: echo own-hook-ran\n",
    start: "lefthook install",
    stop: "lefthook uninstall",
};
const PRE_COMMIT: Manager = Manager {
    name: "pre-commit",
    file: ".pre-commit-config.yaml",
    text: "fail_fast: false\nrepos:\n  - repo: local\n    hooks:\n      - id: own\n        name: own-hook-ran\n        entry: 'true'\n        language: system\n        always_run: true\n",
    start: "pre-commit install",
    stop: "pre-commit uninstall -t pre-commit -t pre-merge-commit -t pre-push -t commit-msg",
};
const PREK: Manager = Manager {
    name: "prek",
    file: "prek.toml",
    text: "fail_fast = false\n\n[[repos]]\nrepo = \"local\"\n\n[[repos.hooks]]\nid = \"own\"\nname = \"own-hook-ran\"\nentry = \"true\"\nlanguage = \"system\"\nalways_run = true\n\n",
    start: "prek install",
    stop: "prek uninstall -t pre-commit -t pre-merge-commit -t pre-push -t commit-msg",
};
const HUSKY: Manager = Manager {
    name: "husky",
    file: ".husky/pre-commit",
    text: "echo own-hook-ran\n",
    start: "husky",
    stop: "git config --unset core.hooksPath",
};

/// The manager at work, without stax.
fn managed(manager: &Manager) -> (Sandbox, Person) {
    let sandbox = without_hooks();
    let ana = with_manager(&sandbox, manager.name);
    ana.write(manager.file, manager.text);
    ana.sh(manager.start).ok();
    ana.commit_all("chore: hooks");
    (sandbox, ana)
}

/// Does what `install` prints, to the letter.
#[track_caller]
fn obey(ana: &Person, said: &Output) {
    let mut lines = said.stderr.lines().peekable();
    let mut done = 0;
    while let Some(line) = lines.next() {
        if let Some(command) = line.strip_prefix("then, in each clone: ") {
            ana.sh(command).ok();
            continue;
        }
        let Some((order, place, text)) = order(line) else {
            continue;
        };
        let mut text = text.map(|text| text.to_owned() + "\n").unwrap_or_default();
        let is_script = lines.peek().is_some_and(|line| *line == "refs=$(cat)");
        if text.is_empty() && is_script {
            text = lines
                .by_ref()
                .take(8)
                .map(|line| line.to_owned() + "\n")
                .collect();
        }
        while let Some(line) = lines.next_if(|line| line.starts_with("  ") || line.is_empty()) {
            text += &format!("{}\n", line.strip_prefix("  ").unwrap_or_default());
        }
        paste(ana, order, place, &text);
        done += 1;
    }
    assert!(done > 0, "nothing to do\n{said}");
}

/// `add to PLACE, beside what it has:`, or `write PLACE: TEXT`.
fn order(line: &str) -> Option<(&str, &str, Option<&str>)> {
    let (head, text) = match line.split_once(": ") {
        Some((head, text)) => (head, Some(text)),
        None => (line.strip_suffix(':')?, None),
    };
    let (order, place) = match head.split_once(" of /") {
        Some((order, place)) => (order, place),
        None => head.split_once(" /")?,
    };
    (order.starts_with("add ") || order.starts_with("write")).then_some(())?;
    let place = &head[head.len() - place.len() - 1..];
    let place = [", which", ", beside"]
        .iter()
        .fold(place, |place, end| place.split(end).next().unwrap_or(place));
    Some((order, place, text))
}

fn paste(ana: &Person, order: &str, place: &str, text: &str) {
    let old = fs::read_to_string(place).unwrap_or_default();
    let first = old.split_inclusive('\n').next().unwrap_or_default();
    let new = match order {
        "add to" => beside(&old, text),
        "add at the top" | "write" => text.to_owned() + &old,
        "add behind the first line" => first.to_owned() + text + &old[first.len()..],
        "write, executable and behind #!/bin/sh," => {
            ana.write(place, format!("#!/bin/sh\n{text}"));
            ana.sh(&format!("chmod +x '{place}'")).ok();
            return;
        }
        _ => panic!("what is {order:?}?"),
    };
    ana.write(place, new);
}

/// As people join two configurations: a key that both have stands once.
fn beside(old: &str, snippet: &str) -> String {
    let snippet = match snippet.strip_prefix("repos:\n") {
        Some(items) if old.contains("repos:\n") => items,
        _ => snippet,
    };
    format!("{old}{snippet}")
}

#[track_caller]
fn refused(output: Output) {
    output
        .exits(1)
        .shows("error[F04 plaintext]")
        .hides(LEAK)
        .hides("panicked");
}

/// Everything that git lets a hook see.
#[track_caller]
fn is_guarded(ana: &Person) {
    let head = |name: &str| ana.git(["rev-parse", "--verify", "--quiet", name]).stdout;
    let before = head("HEAD");
    change(ana, false);
    refused(ana.git(["commit", "-qam", "wip"]));
    refused(ana.git(["commit", "-qm", "wip", PROD]));
    refused(ana.git(["commit", "-qa", "--amend", "--no-edit"]));
    ana.git(["add", PROD]).ok();
    refused(ana.git(["commit", "-qm", "wip"]));
    assert!(before == head("HEAD") && ana.read(PROD).contains(LEAK));
    ana.git(["commit", "--no-verify", "-qm", "wip"]).ok();
    refused(ana.git(["push", "-q"]));
    refused(ana.git(["push", "-q", "origin", "HEAD:refs/heads/new"]));
    // all of it, to a remote that has nothing
    ana.git(["init", "-q", "--bare", "../empty.git"]).ok();
    refused(ana.git(["push", "-q", "../empty.git", "main"]));
    ana.git(["push", "-q", "../empty.git", "HEAD~:refs/heads/main"])
        .ok();
    ana.git(["reset", "-q", "--hard", "HEAD~"]).ok();

    ana.git(["switch", "-qc", "side"]).ok();
    commit_unseen(ana, false);
    ana.git(["switch", "-q", "main"]).ok();
    commit_notes(ana, "main\n");
    refused(ana.git(["merge", "-q", "--no-edit", "side"]));
    assert!(!head("MERGE_HEAD").is_empty());
    ana.git(["merge", "--abort"]).ok();

    change(ana, true);
    ana.git(["commit", "-qam", "honest"])
        .ok()
        .shows("own-hook-ran")
        .hides("canary");
    ana.set("PORT", "7777").ok();
    verbose(ana).git(["commit", "-qav"]).ok();
    let left = ana.read(".git/COMMIT_EDITMSG");
    assert!(
        left.starts_with("a subject\n") && !left.contains("diff --git"),
        "{left}"
    );
    ana.git(["push", "-q"]).ok().hides("canary");
    ana.git(["switch", "-qc", "fine"]).ok();
    ana.set("PORT", "8888").ok();
    ana.git(["commit", "-qam", "fine"]).ok();
    ana.git(["switch", "-q", "main"]).ok();
    commit_notes(ana, "more\n");
    ana.git(["merge", "-q", "--no-edit", "fine"]).ok();
}

/// Installs, obeys, tries everything, and takes it out again.
#[track_caller]
fn lives_with(manager: &Manager) {
    let (_sandbox, ana) = managed(manager);
    NAMES
        .iter()
        .for_each(|name| assert_eq!(state(&ana, name), "foreign"));
    let said = ana
        .stax(["secrets", "install"])
        .ok()
        .shows(manager.name)
        .shows("`git push` is not checked");
    assert_eq!(ana.read(manager.file), manager.text);
    obey(&ana, &said);
    NAMES
        .iter()
        .for_each(|name| assert_eq!(state(&ana, name), "chained", "{}", ana.read(manager.file)));
    ana.commit_all("chore: stax checks");
    ana.git(["push", "-q"]).ok();
    // said once, it is not said again
    ana.stax(["secrets", "install"])
        .ok()
        .hides("add ")
        .hides("not checked")
        .prints("called by your hooks");
    is_guarded(&ana);

    let files = ana.read(manager.file);
    let number = files
        .lines()
        .position(|line| line.contains("stax secrets verify --staged"))
        .expect("a line")
        + 1;
    let said = ana
        .stax(["secrets", "uninstall"])
        .ok()
        .prints("removed    diff driver; merge driver\n");
    said.shows(&format!(
        "{} calls stax in line {number}",
        ana.path(manager.file).display()
    ));
    assert_eq!(ana.read(manager.file), files);
    ana.sh(manager.stop).ok();
    ana.sh(
        "git rm -rqf lefthook.yml .pre-commit-config.yaml prek.toml .husky --ignore-unmatch; rm -rf .husky",
    )
    .ok();
    ana.stax(["secrets", "install"])
        .ok()
        .prints("hooks pre-commit, pre-merge-commit, pre-push, commit-msg");
    ana.git(["commit", "-qm", "chore: without a manager"]).ok();
    change(&ana, false);
    refused(ana.git(["commit", "-qam", "wip"]));
}

#[test]
fn lefthook_runs_the_lines_that_install_prints() {
    lives_with(&LEFTHOOK);
}

#[test]
fn pre_commit_runs_the_lines_that_install_prints() {
    lives_with(&PRE_COMMIT);
}

#[test]
fn prek_runs_the_lines_that_install_prints() {
    lives_with(&PREK);
}

#[test]
fn husky_runs_the_lines_that_install_prints() {
    lives_with(&HUSKY);
}

/// What `install` prints for a configuration is a whole one.
const EMPTY: [(&str, &str); 6] = [
    ("lefthook", ".config/lefthook.yml"),
    ("lefthook", "lefthook.toml"),
    ("lefthook", "lefthook.json"),
    ("lefthook", ".lefthook.jsonc"),
    ("prek", "prek.toml"),
    ("prek", ".pre-commit-config.yml"),
];

#[test]
fn what_install_prints_is_a_whole_configuration() {
    for (name, file) in EMPTY {
        let sandbox = without_hooks();
        let ana = with_manager(&sandbox, name);
        if name == "prek" {
            // what pre-commit reads prek reads as well: the hooks tell whose they are
            ana.write(
                file,
                if file.ends_with("toml") {
                    "repos = []"
                } else {
                    "repos: []"
                },
            );
            ana.sh("prek install").ok();
        }
        ana.write(file, "");
        let said = ana.stax(["secrets", "install"]).ok();
        obey(&ana, &said);
        let config = ana.read(file);
        println!("{file}\n{config}");
        NAMES
            .iter()
            .for_each(|name| assert_eq!(state(&ana, name), "chained", "{config}"));
        ana.commit_all("chore: stax checks");
        ana.git(["push", "-q"]).ok();
        change(&ana, false);
        refused(ana.git(["commit", "-qam", "wip"]));
        ana.git(["commit", "--no-verify", "-qam", "wip"]).ok();
        refused(ana.git(["push", "-q"]));
    }
}

#[test]
fn of_two_managers_the_one_that_git_runs_is_told_and_the_other_named() {
    let both = [
        ("lefthook", &LEFTHOOK, &PRE_COMMIT),
        ("pre-commit", &PRE_COMMIT, &LEFTHOOK),
        ("prek", &PREK, &LEFTHOOK),
    ];
    for (name, runs, idle) in both {
        let (_sandbox, ana) = managed(runs);
        ana.write(idle.file, idle.text);
        let said = ana.stax(["secrets", "install"]).ok();
        said.shows(&format!("{name} runs the hooks of"))
            .shows(&format!("{} is there too", idle.file));
    }
    let (_sandbox, ana) = managed(&HUSKY);
    ana.write("lefthook.yml", LEFTHOOK.text);
    let said = ana
        .stax(["secrets", "install"])
        .ok()
        .shows("husky runs the hooks of");
    said.shows("lefthook.yml is there too")
        .hides("lefthook install");
}

#[test]
fn of_a_push_of_several_branches_pre_commit_tells_of_one_and_install_says_so() {
    for (manager, name) in [(&PRE_COMMIT, "pre-commit"), (&PREK, "prek")] {
        let (_sandbox, ana) = managed(manager);
        let said = ana.stax(["secrets", "install"]).ok();
        obey(
            &ana,
            &said.shows(&format!(
                "of a push of several branches {name} hands on the first"
            )),
        );
        ana.commit_all("chore: stax checks");
        ana.git(["push", "-q"]).ok();
        ana.git(["branch", "other"]).ok();
        commit_notes(&ana, "honest\n");
        ana.git(["switch", "-q", "other"]).ok();
        commit_unseen(&ana, false);
        ana.git(["push", "-q", "origin", "main", "other"]).ok();
    }
}

/// What `git lfs install` writes as `pre-push`.
const LFS: &str = "#!/bin/sh
command -v git-lfs >/dev/null 2>&1 || { printf >&2 \"\\n%s\\n\\n\" \"This repository is configured for Git LFS but 'git-lfs' was not found on your path. If you no longer wish to use Git LFS, remove this hook by deleting the 'pre-push' file in the hooks directory (set by 'core.hookspath'; usually '.git/hooks').\"; exit 2; }
git lfs pre-push \"$@\"
";

/// A `git lfs` that notes what it is given.
fn with_lfs(sandbox: &Sandbox) -> Person {
    let script = sandbox.script("echo \"$@\" > \"$HOME/lfs-args\"; cat > \"$HOME/lfs-stdin\"");
    let folder = sandbox.home.join("lfs");
    fs::create_dir(&folder).expect("a folder");
    fs::rename(script, folder.join("git-lfs")).expect("a program");
    let path = std::env::var("PATH").unwrap_or_default();
    let stax = std::path::Path::new(env!("CARGO_BIN_EXE_stax"))
        .parent()
        .expect("its folder")
        .display();
    sandbox.with("PATH", format!("{}:{stax}:{path}", folder.display()))
}

#[track_caller]
fn lfs_gets_its_list(ana: &Person) {
    change(ana, false);
    ana.git(["commit", "--no-verify", "-qam", "wip"]).ok();
    refused(ana.git(["push", "-q"]));
    assert!(
        !ana.home.join("lfs-args").exists(),
        "git lfs uploads what is not pushed"
    );
    ana.git(["reset", "-q", "--hard", "HEAD~"]).ok();
    ana.set("PORT", "6543").ok();
    ana.git(["commit", "-qam", "honest"]).ok();
    let id = |name: &str| ana.git(["rev-parse", name]).ok().stdout.trim().to_owned();
    let (new, old) = (id("HEAD"), id("origin/main"));
    ana.git(["push", "-q"]).ok();
    let told =
        |name: &str| fs::read_to_string(ana.home.join(name)).expect("what git lfs was given");
    assert_eq!(told("lfs-args"), "pre-push origin ../origin.git\n");
    assert_eq!(
        told("lfs-stdin"),
        format!("refs/heads/main {new} refs/heads/main {old}\n")
    );
    // nothing to push
    ana.git(["push", "-q"]).ok();
    assert_eq!(told("lfs-stdin"), "");
}

#[test]
fn the_hook_of_git_lfs_gets_its_list_behind_our_block() {
    let sandbox = without_hooks();
    let ana = with_lfs(&sandbox);
    ana.write(".git/hooks/pre-push", LFS);
    ana.sh("chmod +x .git/hooks/pre-push").ok();
    ana.stax(["secrets", "install"])
        .ok()
        .prints("a block in your hooks pre-push");
    lfs_gets_its_list(&ana);
    ana.stax(["secrets", "uninstall"]).ok();
    assert_eq!(ana.read(".git/hooks/pre-push"), LFS);
}

#[test]
fn the_hook_of_git_lfs_gets_its_list_in_a_folder_of_scripts_too() {
    for shell in ["#!/bin/sh", "#!/bin/bash"] {
        let sandbox = without_hooks();
        let ana = with_lfs(&sandbox);
        ana.git(["config", "core.hooksPath", "scripts"]).ok();
        ana.write("scripts/pre-push", LFS.replace("#!/bin/sh", shell));
        ana.write(
            "scripts/pre-commit",
            format!("{shell}\necho own-hook-ran\n"),
        );
        ana.sh("chmod +x scripts/*").ok();
        let said = ana
            .stax(["secrets", "install"])
            .ok()
            .shows("which reads the references as well");
        obey(&ana, &said);
        ana.git(["add", "--all"]).ok();
        ana.git(["commit", "-qm", "chore: hooks"])
            .ok()
            .shows("own-hook-ran");
        ana.git(["push", "-q"]).ok();
        fs::remove_file(ana.home.join("lfs-args")).expect("what the first push noted");
        lfs_gets_its_list(&ana);
        is_guarded(&ana);
    }
}

/// pre-commit moves what it finds to `.legacy` and goes on to run it.
#[test]
fn our_hook_counts_where_a_manager_moved_it_aside_and_runs_it() {
    for manager in [&PRE_COMMIT, &PREK] {
        let sandbox = without_hooks();
        let ana = with_manager(&sandbox, manager.name);
        ana.stax(["secrets", "install"]).ok();
        ana.write(manager.file, manager.text);
        ana.sh(manager.start).ok();
        ana.commit_all("chore: hooks");
        assert!(
            ana.path(".git/hooks/pre-commit.legacy").exists(),
            "{} moved nothing",
            manager.name
        );
        assert_eq!(state(&ana, "pre-commit"), "chained");
        let status = ana.stax(["secrets", "status"]).ok();
        status
            .prints("called by your hooks pre-commit")
            .hides("does not call stax")
            .hides("`git commit` is not checked");
        change(&ana, false);
        refused(ana.git(["commit", "-qam", "wip"]));
        let before = ana.read(".git/hooks/pre-commit");
        ana.stax(["secrets", "install"]).ok().hides("add ");
        assert_eq!(before, ana.read(".git/hooks/pre-commit"));
        // what git cannot run does not count
        ana.sh("chmod -x .git/hooks/pre-commit.legacy").ok();
        assert_eq!(state(&ana, "pre-commit"), "foreign");
    }
}

#[test]
fn the_advised_line_stops_a_script_that_gets_no_block() {
    for first in ["#!/bin/sh -f\n", ""] {
        let sandbox = without_hooks();
        for name in NAMES {
            sandbox.write(
                &format!(".git/hooks/{name}"),
                format!("{first}echo own-hook-ran >&2\nexit 0\n"),
            );
        }
        sandbox.sh("chmod +x .git/hooks/*").ok();
        let said = sandbox
            .stax(["secrets", "install"])
            .ok()
            .shows("is not stax's and was left alone");
        obey(&sandbox, &said);
        NAMES
            .iter()
            .for_each(|name| assert_eq!(state(&sandbox, name), "chained"));
        is_guarded(&sandbox);
    }
    let sandbox = without_hooks();
    sandbox.write(".git/hooks/pre-commit", "#!/usr/bin/python3\n");
    sandbox.sh("chmod +x .git/hooks/pre-commit").ok();
    let said = sandbox.stax(["secrets", "install"]).ok();
    said.shows("no shell script; make it run this, and fail where it fails: ")
        .shows("stax secrets verify --staged");
}
