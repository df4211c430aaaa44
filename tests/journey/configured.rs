//! git's configuration is git's: stax takes settings, the repository and the author from where git
//! takes them.

use std::fs;

use crate::support::{CANARY, PROD, Sandbox};

#[test]
fn the_author_comes_from_the_environment_as_for_git() {
    let sandbox = Sandbox::new();
    sandbox.key();
    let nobody = sandbox.with("GIT_CONFIG_GLOBAL", "/dev/null");
    nobody
        .stax(["secrets", "init", "--env", "production"])
        .exits(2)
        .shows("user.name");
    let named = nobody
        .with("GIT_AUTHOR_NAME", "Ana Env")
        .with("EMAIL", "env@example.com");
    named.stax(["secrets", "init", "--env", "production"]).ok();
    assert!(
        sandbox
            .read("infra/secrets/recipients.md")
            .contains("Ana Env \\<env@example.com>")
    );
}

#[test]
fn git_dir_and_git_work_tree_name_the_repository() {
    let sandbox = Sandbox::with_store();
    let elsewhere = sandbox
        .at(&sandbox.home)
        .with("GIT_DIR", sandbox.path(".git"));
    let named = elsewhere.with("GIT_WORK_TREE", sandbox.dir.clone());
    named
        .stax(["secrets", "get", "STRIPE_SECRET_KEY"])
        .ok()
        .prints(CANARY);
    named.stax(["secrets", "verify"]).ok();
    // without a work tree git takes the current folder for it
    elsewhere.stax(["secrets", "list"]).exits(2);
    let inside = sandbox.with("GIT_DIR", ".git");
    inside.stax(["secrets", "set", "NEW", "--generate"]).ok();
    inside.stax(["secrets", "list"]).ok().prints("NEW");
    // a file that lies elsewhere has a repository of its own, or none
    let other = Sandbox::with_store();
    let file = other.path(PROD);
    let key = sandbox
        .with("SOPS_AGE_KEY_FILE", other.key_file())
        .with("GIT_DIR", sandbox.path(".git"));
    key.stax([
        "secrets".as_ref(),
        "list".as_ref(),
        "-f".as_ref(),
        file.as_os_str(),
    ])
    .ok()
    .hides("NEW");
}

#[test]
fn hooks_that_another_configuration_moves_are_not_claimed() {
    let sandbox = Sandbox::with_store();
    sandbox
        .stax(["secrets", "status"])
        .ok()
        .prints("hooks pre-commit");
    let moved = sandbox.home.join("hooks");
    fs::create_dir(&moved).unwrap();
    let file = sandbox.home.join("other.conf");
    fs::write(
        &file,
        format!("[core]\n\thooksPath = {}\n", moved.display()),
    )
    .unwrap();
    for person in [
        sandbox.with("GIT_CONFIG_GLOBAL", file.clone()),
        sandbox
            .with("GIT_CONFIG_SYSTEM", file.clone())
            .with("GIT_CONFIG_NOSYSTEM", "0"),
        sandbox
            .with("GIT_CONFIG_COUNT", "1")
            .with("GIT_CONFIG_KEY_0", "Core.HooksPath")
            .with("GIT_CONFIG_VALUE_0", moved.clone()),
        sandbox.with(
            "GIT_CONFIG_PARAMETERS",
            format!("'core.hookspath={}'", moved.display()),
        ),
    ] {
        let output = person.stax(["secrets", "status"]).ok();
        let line = output
            .stdout
            .lines()
            .find(|line| line.contains("git: "))
            .expect("a line about git");
        assert!(line.starts_with('✗'), "{line}");
    }
}

#[test]
fn a_home_with_a_colon_is_read_as_git_reads_it() {
    let sandbox = Sandbox::with_store();
    let home = sandbox.home.join("a:b");
    fs::create_dir(&home).unwrap();
    fs::write(home.join(".gitconfig"), "[stax]\n\tdiff = masked\n").unwrap();
    sandbox
        .set("STRIPE_SECRET_KEY", "another-canary-value")
        .ok();
    sandbox
        .with("HOME", home)
        .git(["diff"])
        .ok()
        .hides("another-canary-value")
        .shows("«str");
}

#[test]
fn a_program_that_takes_the_place_of_the_driver_is_named() {
    let sandbox = Sandbox::with_store();
    sandbox
        .stax(["secrets", "status"])
        .ok()
        .hides("--no-ext-diff");
    let named = sandbox.with("GIT_EXTERNAL_DIFF", "difft");
    named
        .stax(["secrets", "status"])
        .ok()
        .prints("✗ diff: difft is shown instead of the driver");
    sandbox
        .git(["config", "--global", "diff.external", "delta-of-files"])
        .ok();
    sandbox
        .stax(["secrets", "status"])
        .ok()
        .prints("git diff --no-ext-diff");
}

#[test]
fn a_guard_sees_what_a_pull_binds() {
    let sandbox = Sandbox::with_store();
    let ravi = sandbox.clone_for("ravi");
    ravi.stax(["secrets", "install", "--guard"]).ok();
    sandbox
        .stax(["secrets", "init", "--env", "dev", "--file", "dev.env"])
        .ok();
    sandbox
        .stax_with(["secrets", "set", "TOKEN", "-e", "dev"], "dev-value-1")
        .ok();
    sandbox.commit_all("feat(secrets): a second environment");
    ravi.git(["pull", "--quiet"])
        .ok()
        .shows("the guard of this clone sees dev.env as well");
    fs::write(ravi.path("dev.env"), "TOKEN=pulled-canary\n").unwrap();
    ravi.git(["add", "dev.env"])
        .exits(128)
        .shows("the whole file is in clear");
}

#[test]
fn colours_are_forced_by_any_value_but_0() {
    let sandbox = Sandbox::with_store();
    for (value, is_coloured) in [("1", true), ("0", false), ("", false)] {
        let output = sandbox
            .with("CLICOLOR_FORCE", value)
            .stax(["secrets", "status"])
            .ok();
        assert_eq!(output.stdout.contains('\u{1b}'), is_coloured, "{value:?}");
    }
}

#[test]
fn large_files_of_a_repository_that_sets_up_git_lfs_itself_stop_the_push() {
    let sandbox = Sandbox::with_store();
    let remote = sandbox.place().join("remote.git");
    sandbox
        .git(["init", "--quiet", "--bare", remote.to_str().unwrap()])
        .ok();
    sandbox
        .git(["remote", "add", "origin", remote.to_str().unwrap()])
        .ok();
    fs::create_dir(sandbox.path(".git/lfs")).unwrap();
    sandbox
        .git(["config", "filter.lfs.clean", "git-lfs clean -- %f"])
        .ok();
    let output = sandbox.git(["push", "origin", "main"]).exits(1);
    output
        .shows("Git LFS is set up in this repository's own configuration alone")
        .shows("git lfs push origin --all");
    // the hook of Git LFS itself does it where both share one file
    let hook = sandbox.path(".git/hooks/pre-push");
    let text = fs::read_to_string(&hook).unwrap() + "\ntrue git lfs pre-push \"$@\"\n";
    fs::write(&hook, text).unwrap();
    sandbox.git(["push", "origin", "main"]).ok();
}
