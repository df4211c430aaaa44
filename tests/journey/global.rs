//! `install --global`: many repositories, no byte of any of them changed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::{CANARY, Output, Person, Sandbox, files_beneath};

/// A repository of somebody who never heard of stax: a policy, a SOPS file, a plain file with such
/// a name.
fn foreign() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.take_key("alice");
    let key = sandbox.key();
    sandbox.write(
        ".sops.yaml",
        format!("creation_rules:\n  - path_regex: \\.sops\\.yaml$\n    age: {key}\n"),
    );
    sandbox.write(
        "apps/db.sops.yaml",
        format!("PASSWORD: {CANARY}\nHOST: db\nPORT: 5432\n"),
    );
    sandbox.sops(["encrypt", "-i", "apps/db.sops.yaml"]).ok();
    sandbox.write("plain.enc.yaml", "a: 1\nb: 2\nc: 3\nd: 4\ne: 5\n");
    sandbox.commit_all("theirs");
    sandbox
}

fn state_of(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let state = files_beneath(folder).into_iter();
    state
        .map(|path| (path.display().to_string(), fs::read(&path).expect("a file")))
        .collect()
}

#[test]
fn every_repository_is_understood_and_none_is_changed() {
    let sandbox = foreign();
    let before = state_of(&sandbox.dir);
    let config = fs::read(sandbox.home.join(".gitconfig")).expect("the configuration");
    let outside = sandbox.at(&sandbox.home);
    let output = outside.stax(["secrets", "install", "--global"]).ok();
    let output = output.prints("installed  diff and merge drivers in your git configuration");
    output
        .prints("attributes of *.sops.*, *.enc.* in")
        .shows("`stax secrets install` in those that you commit to");
    let once = (
        fs::read(sandbox.home.join(".gitconfig")),
        fs::read(attributes(&sandbox)),
    );
    outside.stax(["secrets", "install", "--global"]).ok();
    assert_eq!(
        format!("{once:?}"),
        format!(
            "{:?}",
            (
                fs::read(sandbox.home.join(".gitconfig")),
                fs::read(attributes(&sandbox))
            )
        )
    );
    assert_eq!(before, state_of(&sandbox.dir));

    sandbox
        .sops(["set", "apps/db.sops.yaml", "[\"HOST\"]", "\"db2\""])
        .ok();
    sandbox
        .git(["diff"])
        .ok()
        .prints("+HOST: db2")
        .prints("PASSWORD: canary")
        .prints("#stax data key #");
    let aside = sandbox.home.join("aside");
    fs::rename(sandbox.key_file(), &aside).expect("no key");
    sandbox
        .git(["diff"])
        .ok()
        .prints("+HOST: «str 3B ~")
        .hides(CANARY);
    fs::rename(aside, sandbox.key_file()).expect("the key");
    sandbox.write(".sops.yaml", sandbox.read(".sops.yaml") + "# a note\n");
    sandbox
        .git(["diff", ".sops.yaml"])
        .ok()
        .prints("+# a note")
        .hides("#stax");
    assert_eq!(
        sandbox
            .git(["check-attr", "merge", ".sops.yaml"])
            .ok()
            .stdout,
        ".sops.yaml: merge: unspecified\n"
    );
    sandbox
        .stax(["secrets", "status"])
        .ok()
        .prints("diff and merge drivers, no hooks in this clone");

    let output = outside.stax(["secrets", "uninstall", "--global"]).ok();
    output
        .prints("removed    diff driver of your git configuration")
        .prints("removed    attributes in");
    assert_eq!(
        config,
        fs::read(sandbox.home.join(".gitconfig")).expect("the configuration")
    );
    assert!(!attributes(&sandbox).exists());
    outside
        .stax(["secrets", "uninstall", "--global"])
        .ok()
        .prints("nothing to do");
    sandbox
        .git(["diff"])
        .ok()
        .prints("+HOST: ENC[")
        .hides(CANARY);
}

fn attributes(person: &Person) -> std::path::PathBuf {
    person.home.join(".config/git/attributes")
}

/// Two branches that change one file each in its own line, or in the same one.
fn merged(sandbox: &Sandbox, path: &str, ours: (&str, &str), theirs: (&str, &str)) -> Output {
    sandbox.git(["switch", "-q", "-c", "side"]).ok();
    sandbox.write(path, sandbox.read(path).replace(theirs.0, theirs.1));
    sandbox.git(["commit", "-qam", "theirs"]).ok();
    sandbox.git(["switch", "-q", "main"]).ok();
    sandbox.write(path, sandbox.read(path).replace(ours.0, ours.1));
    sandbox.git(["commit", "-qam", "ours"]).ok();
    sandbox.git(["merge", "--no-edit", "side"])
}

#[test]
fn secret_files_merge_by_key_and_others_as_ever() {
    let sandbox = foreign();
    sandbox.stax(["secrets", "install", "--global"]).ok();
    sandbox.git(["switch", "-q", "-c", "side"]).ok();
    sandbox
        .sops(["set", "apps/db.sops.yaml", "[\"HOST\"]", "\"db2\""])
        .ok();
    sandbox.git(["commit", "-qam", "theirs"]).ok();
    sandbox.git(["switch", "-q", "main"]).ok();
    sandbox
        .sops(["set", "apps/db.sops.yaml", "[\"PORT\"]", "6543"])
        .ok();
    sandbox.git(["commit", "-qam", "ours"]).ok();
    sandbox.git(["merge", "--no-edit", "side"]).ok();
    let clear = sandbox.sops(["decrypt", "apps/db.sops.yaml"]).ok();
    clear.prints("HOST: db2").prints("PORT: 6543");

    let sandbox = foreign();
    sandbox.stax(["secrets", "install", "--global"]).ok();
    merged(
        &sandbox,
        "plain.enc.yaml",
        ("a: 1", "a: 7"),
        ("e: 5", "e: 9"),
    )
    .ok()
    .hides("stax");
    assert_eq!(
        sandbox.read("plain.enc.yaml"),
        "a: 7\nb: 2\nc: 3\nd: 4\ne: 9\n"
    );

    let sandbox = foreign();
    sandbox.stax(["secrets", "install", "--global"]).ok();
    merged(
        &sandbox,
        "plain.enc.yaml",
        ("c: 3", "c: 7"),
        ("c: 3", "c: 9"),
    )
    .exits(1)
    .prints("CONFLICT")
    .hides("stax");
    sandbox.git(["merge", "--abort"]).ok();
    let text = |sandbox: &Sandbox| {
        sandbox.git(["merge", "--no-edit", "side"]).exits(1);
        sandbox.read("plain.enc.yaml")
    };
    let ours = text(&sandbox);
    sandbox.git(["merge", "--abort"]).ok();
    sandbox.stax(["secrets", "uninstall", "--global"]).ok();
    assert_eq!(ours, text(&sandbox));
}

#[test]
fn lines_of_the_user_stay_and_win() {
    let sandbox = foreign();
    let own = "*.txt text\napps/db.sops.yaml diff=mine";
    let dotfiles = sandbox.home.join("dotfiles");
    fs::create_dir_all(&dotfiles).expect("a folder");
    fs::write(dotfiles.join("gitattributes"), own).expect("their attributes");
    symlink(
        dotfiles.join("gitattributes"),
        sandbox.home.join(".attributes"),
    )
    .expect("a link");
    sandbox
        .git(["config", "--global", "core.attributesFile", "~/.attributes"])
        .ok();
    let output = sandbox.stax(["secrets", "install", "--global"]).ok();
    output.prints(&format!(
        "attributes of *.sops.*, *.enc.* in {}",
        sandbox.home.join(".attributes").display()
    ));
    assert!(sandbox.home.join(".attributes").is_symlink() && !attributes(&sandbox).exists());
    let text = fs::read_to_string(dotfiles.join("gitattributes")).expect("their attributes");
    assert!(
        text.starts_with("# >>> stax >>>\n") && text.ends_with(&format!("# <<< stax <<<\n{own}")),
        "{text}"
    );
    sandbox
        .git(["check-attr", "diff", "apps/db.sops.yaml"])
        .ok()
        .prints(": diff: mine");
    sandbox
        .git(["check-attr", "diff", "db.sops.yaml"])
        .ok()
        .prints(": diff: stax");
    sandbox.stax(["secrets", "uninstall", "--global"]).ok();
    assert_eq!(
        fs::read_to_string(dotfiles.join("gitattributes")).expect("their attributes"),
        own
    );
}

#[test]
fn what_cannot_be_written_is_printed() {
    let sandbox = foreign();
    // no folder can be made below a file, whoever asks
    sandbox
        .git([
            "config",
            "--global",
            "core.attributesFile",
            "~/.gitconfig/attributes",
        ])
        .ok();
    let output = sandbox.stax(["secrets", "install", "--global"]).ok();
    output
        .shows("warning: ")
        .shows("*.sops.yaml diff=stax merge=stax")
        .shows(".sops.yaml !diff !merge");

    let sandbox = foreign();
    fs::create_dir(sandbox.home.join(".gitconfig.lock")).expect("a lock that stays");
    let output = sandbox.stax(["secrets", "install", "--global"]).exits(2);
    output
        .shows("error: your git configuration was not changed: ")
        .shows("hint: `stax secrets install` in a clone");
    assert!(!attributes(&sandbox).exists());
}

#[test]
fn a_stranger_called_stax_is_named_and_never_started() {
    let sandbox = Sandbox::with_store();
    let folder = sandbox.home.join("bin");
    fs::create_dir(&folder).expect("a folder");
    let script = sandbox.script("touch \"$HOME/started\"");
    fs::copy(script, folder.join("stax")).expect("a stranger");
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", folder.display());
    let person = sandbox.with("PATH", path);
    let output = person.stax(["secrets", "status"]).ok();
    output.prints(&format!(
        "PATH: {}/stax is another program",
        folder.display()
    ));
    assert!(!sandbox.home.join("started").exists());
    sandbox.stax(["secrets", "status"]).ok().hides("PATH: ");
}
