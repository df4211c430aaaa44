//! A repository that came as an archive brings its own configuration: when stax starts git, that
//! file starts nothing.

use std::fs;
use std::path::PathBuf;

use crate::merge::{conflicting, merge};
use crate::support::{PROD, Person, Sandbox};

/// A program that tells of each of its runs.
struct Spy {
    program: String,
    ran: PathBuf,
}

impl Spy {
    fn of(person: &Person) -> Self {
        let ran = person.home.join("ran");
        let script = person.script(&format!("echo \"$0 $*\" >> {}; exit 1", ran.display()));
        Self {
            program: script.to_string_lossy().into_owned(),
            ran,
        }
    }

    /// Copied by a child, as `Person::script` does it.
    fn stand_in(&self, person: &Person, path: &str) {
        person
            .sh(&format!(
                "mkdir -p .git/hooks && cp {} {path}",
                self.program
            ))
            .ok();
    }

    /// What ran since the last look.
    fn runs(&self) -> String {
        let runs = fs::read_to_string(&self.ran).unwrap_or_default();
        let _ = fs::remove_file(&self.ran);
        runs
    }
}

const COMMANDS: [&[&str]; 12] = [
    &["secrets", "status"],
    &["secrets", "verify"],
    &["secrets", "verify", "--staged"],
    &["secrets", "verify", "--history"],
    &["secrets", "diff", "HEAD~1"],
    &["secrets", "log"],
    &["secrets", "history"],
    &["secrets", "exposure"],
    &["secrets", "scan"],
    &["secrets", "scrub", "--dry-run"],
    &["secrets", "export"],
    &["secrets", "install"],
];

/// A store with a past, of which the commit that gave somebody access is signed.
fn signed() -> Sandbox {
    let sandbox = Sandbox::with_store();
    let commit = sandbox.git(["cat-file", "commit", "HEAD"]).ok().stdout;
    let signature =
        "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iHUEABYKAB0=\n -----END PGP SIGNATURE-----\n\n";
    let (head, message) = commit.split_once("\n\n").expect("a commit");
    let text = format!("{head}\n{signature}{message}");
    let id = sandbox
        .run(
            "git",
            ["hash-object", "-t", "commit", "-w", "--stdin"],
            text.as_bytes(),
        )
        .ok()
        .stdout;
    sandbox
        .git(["update-ref", "refs/heads/main", id.trim()])
        .ok();
    sandbox.set("PORT", "6000").ok();
    sandbox.commit_all("a port");
    sandbox
}

fn walk(person: &Person) {
    for words in COMMANDS {
        person.stax(words);
    }
}

#[test]
fn nothing_runs_that_the_repository_names() {
    let sandbox = signed();
    let spy = Spy::of(&sandbox);
    for hook in [
        "post-index-change",
        "reference-transaction",
        "post-checkout",
    ] {
        spy.stand_in(&sandbox, &format!(".git/hooks/{hook}"));
    }
    fs::write(sandbox.path(".git/info/attributes"), "* filter=evil\n").expect("attributes");
    sandbox.git(["update-index", "--split-index"]).ok();
    for name in [
        "core.fsmonitor",
        "core.sshCommand",
        "core.askPass",
        "core.alternateRefsCommand",
        "core.editor",
        "core.pager",
        "gpg.program",
        "gpg.openpgp.program",
        "diff.external",
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "filter.e=vil.clean",
        "credential.helper",
        "alias.prune",
        "hook.evil.command",
    ] {
        sandbox.git(["config", "--local", name, &spy.program]).ok();
    }
    sandbox
        .git(["config", "--local", "hook.evil.event", "post-index-change"])
        .ok();
    spy.runs();
    walk(&sandbox);
    assert_eq!(spy.runs(), "");
}

#[test]
fn what_an_include_of_the_repository_names_runs_as_little() {
    let sandbox = signed();
    let spy = Spy::of(&sandbox);
    let included = format!(
        "[core]\n\tfsmonitor = {0}\n[gpg]\n\tprogram = {0}\n",
        spy.program
    );
    fs::write(sandbox.path(".git/more"), included).expect("a file of settings");
    sandbox
        .git(["remote", "add", "origin", "https://git.example.com/a.git"])
        .ok();
    let condition = "includeIf.hasconfig:remote.*.url:https://**.path";
    sandbox
        .git([
            "config",
            "--local",
            condition,
            &sandbox.path(".git/more").to_string_lossy(),
        ])
        .ok();
    sandbox.git(["update-index", "--split-index"]).ok();
    spy.runs();
    walk(&sandbox);
    assert_eq!(spy.runs(), "");
}

#[test]
fn what_the_user_names_still_runs() {
    let sandbox = signed();
    let spy = Spy::of(&sandbox);
    sandbox
        .git(["config", "--local", "gpg.program", "/nowhere/at/all"])
        .ok();
    sandbox
        .git(["config", "--global", "gpg.program", &spy.program])
        .ok();
    sandbox.stax(["secrets", "history"]).ok();
    assert!(spy.runs().contains("--verify"));
    // what the caller hands over wins over the repository as well
    sandbox
        .git(["config", "--global", "--unset", "gpg.program"])
        .ok();
    let parameters = format!("'gpg.program'='{}'", spy.program);
    sandbox
        .with("GIT_CONFIG_PARAMETERS", parameters)
        .stax(["secrets", "history"])
        .ok();
    assert!(spy.runs().contains("--verify"));
}

#[test]
fn a_conflict_is_staged_without_a_filter_or_a_hook() {
    let sandbox = conflicting();
    merge(&sandbox, "payments").exits(1);
    let spy = Spy::of(&sandbox);
    spy.stand_in(&sandbox, ".git/hooks/post-index-change");
    fs::write(sandbox.path(".git/info/attributes"), "*.yaml filter=evil\n").expect("attributes");
    sandbox
        .git(["config", "--local", "filter.evil.clean", &spy.program])
        .ok();
    sandbox
        .git(["config", "--local", "filter.evil.required", "true"])
        .ok();
    sandbox
        .git(["config", "--local", "core.fsmonitor", &spy.program])
        .ok();
    spy.runs();
    sandbox
        .stax(["secrets", "resolve", PROD, "STRIPE_SECRET_KEY", "--ours"])
        .ok()
        .prints("staged");
    assert_eq!(spy.runs(), "");
}

/// A clone without old blobs.
fn partial(sandbox: &Sandbox) -> Person {
    sandbox
        .git(["config", "uploadpack.allowFilter", "true"])
        .ok();
    let url = format!("file://{}", sandbox.dir.display());
    let there = sandbox.place().join("partial");
    sandbox
        .git([
            "clone",
            "--quiet",
            "--filter=blob:none",
            &url,
            &there.to_string_lossy(),
        ])
        .ok();
    sandbox.at(there)
}

#[test]
fn what_is_missing_is_fetched_by_no_program_of_the_repository() {
    let sandbox = Sandbox::with_store();
    for port in ["1", "2", "3"] {
        sandbox.set("PORT", port).ok();
        sandbox.commit_all(&format!("port {port}"));
    }
    let clone = partial(&sandbox);
    let spy = Spy::of(&clone);
    clone
        .git(["config", "remote.origin.uploadpack", &spy.program])
        .ok();
    spy.stand_in(&clone, ".git/hooks/reference-transaction");
    spy.runs();
    clone
        .stax(["secrets", "get", "PORT", "--at", "HEAD~2"])
        .ok()
        .prints("1\n");
    for (name, value) in [
        ("remote.origin.url", format!("ext::{} x", spy.program)),
        ("protocol.ext.allow", "always".to_owned()),
        ("protocol.allow", "always".to_owned()),
    ] {
        clone.git(["config", name, &value]).ok();
    }
    clone
        .stax(["secrets", "get", "PORT", "--at", "HEAD~1"])
        .fails();
    assert_eq!(spy.runs(), "");
    // the user may allow that transport
    clone
        .git(["config", "--global", "protocol.ext.allow", "always"])
        .ok();
    clone
        .stax(["secrets", "get", "PORT", "--at", "HEAD~1"])
        .fails();
    assert_ne!(spy.runs(), "");
}

#[test]
fn status_starts_no_program_of_the_path_unless_asked() {
    let sandbox = Sandbox::with_store();
    let folder = sandbox.place().join("bin");
    fs::create_dir(&folder).expect("a folder of programs");
    let ran = sandbox.home.join("ran");
    let script = sandbox.script(&format!("touch {}; echo sops 3.11.0", ran.display()));
    sandbox
        .sh(&format!(
            "cp {} {}",
            script.display(),
            folder.join("sops").display()
        ))
        .ok();
    let path =
        std::env::join_paths([folder.clone(), "/usr/bin".into(), "/bin".into()]).expect("a PATH");
    let program = env!("CARGO_BIN_EXE_stax");
    let status = |words: &[&str]| {
        sandbox
            .with("PATH", &path)
            .run(program, [&["secrets", "status"], words].concat(), b"")
            .ok()
    };
    let shown = format!(
        "SOPS: built in (format 3.11); {}",
        folder.join("sops").display()
    );
    status(&[]).prints(&format!("{shown} (not needed)\n"));
    assert!(!ran.exists());
    status(&["--versions"]).prints(&format!("{shown} 3.11.0 (not needed)\n"));
    assert!(ran.exists());
}
