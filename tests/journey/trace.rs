//! `STAX_TRACE`: every step, also where stax is silent, and never a value.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::support::{CANARY, PROD, Person, Sandbox};

const VALUES: [&str; 7] = [
    CANARY,
    "postgres://db.example.com/app",
    "5432",
    "canary-next",
    "canary-in-clear",
    "canary-typed-by-hand",
    "AGE-SECRET-KEY-1",
];

/// Ana with a trace in her home.
fn traced(person: &Person) -> (Person, PathBuf) {
    let file = person.home.join("trace");
    (person.with("STAX_TRACE", &file), file)
}

fn read(file: &PathBuf) -> String {
    fs::read_to_string(file).expect("a trace")
}

/// No line holds a value, and each is one line of a process, a time and a module.
#[track_caller]
fn sound(trace: &str) {
    for value in VALUES {
        assert!(!trace.contains(value), "{value} in\n{trace}");
    }
    let shape = regex::Regex::new(r"^stax\[\d+\] +\d+\.\d{3} ms [a-z]+: .+$").expect("a pattern");
    let (head, lines) = trace.split_once('\n').expect("a head");
    assert_eq!(head, "# stax trace");
    lines
        .lines()
        .for_each(|line| assert!(shape.is_match(line), "{line}"));
}

#[test]
fn a_file_gets_one_line_a_step_and_never_a_value() {
    let sandbox = Sandbox::with_store();
    let (ana, file) = traced(&sandbox);
    let before = sandbox.get("STRIPE_SECRET_KEY").ok().stdout;
    assert_eq!(ana.get("STRIPE_SECRET_KEY").ok().stdout, before);
    ana.set("STRIPE_SECRET_KEY", "canary-next").ok();
    ana.stax(["secrets", "set", "X", "canary-typed-by-hand"])
        .exits(2);
    ana.stax(["canary-typed-by-hand"]).exits(2);
    ana.stax(["secrets", "exec", "--", "printf", "canary-typed-by-hand"])
        .ok();
    for args in [
        &["verify"][..],
        &["history"],
        &["log"],
        &["scan"],
        &["export"],
        &["rotate"],
        &["status"],
    ] {
        ana.stax(["secrets"].iter().chain(args)).ok();
    }
    let command = "printf %s canary-typed-by-hand";
    ana.keyless()
        .with("SOPS_AGE_KEY_CMD", command)
        .get("PORT")
        .exits(3);
    let trace = read(&file);
    sound(&trace);
    for step in [
        "cli: stax 0.2.0 secrets set\n",
        "cli: ends with ",
        "repo: opened /",
        "workspace: read .stax/vault.json: ",
        "workspace: read .sops.yaml: ",
        "keyring: source ~/.config/sops/age/keys.txt: 1 identities",
        "keyring: source SOPS_AGE_KEY_CMD: of no use",
        "process: start printf, 2 arguments",
        "process: become printf, 1 arguments",
        "workspace: data key behind 1 stanzas: opened",
        &format!("workspace: values of {PROD}: authentic"),
        "disk: locked /",
        &format!("disk: replace {PROD}: done"),
        "verify: rules: ",
    ] {
        assert!(trace.contains(step), "{step} is not in\n{trace}");
    }
    assert_eq!(
        fs::metadata(&file).expect("a trace").permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn what_git_starts_writes_to_the_file_and_shows_what_it_always_shows() {
    let sandbox = Sandbox::with_store();
    sandbox.stax(["secrets", "install", "--guard"]).ok();
    sandbox
        .git(["commit", "-q", "--allow-empty", "-m", "x"])
        .ok();
    let (ana, file) = traced(&sandbox);
    sandbox.set("STRIPE_SECRET_KEY", "canary-next").ok();
    assert_eq!(
        ana.git(["diff"]).ok().stdout,
        sandbox.git(["diff"]).ok().stdout
    );
    ana.git(["switch", "-qc", "side"]).ok();
    ana.git(["commit", "-qam", "side"]).ok();
    ana.git(["switch", "-q", "main"]).ok();
    sandbox.set("PORT", "6543").ok();
    ana.git(["commit", "-qam", "main"]).ok();
    ana.git(["merge", "-q", "--no-edit", "side"]).ok();
    sandbox.put_in_clear(PROD, "STRIPE_SECRET_KEY", "canary-in-clear");
    ana.git(["add", PROD]).exits(128);
    let trace = read(&file);
    sound(&trace);
    for step in [
        "cli: stax 0.2.0 git textconv\n",
        "textconv: ",
        "cli: stax 0.2.0 git filter\n",
        &format!("filter: in {PROD}, "),
        &format!("filter: refused {PROD}"),
        "cli: stax 0.2.0 secrets verify\n",
        "verify: index: 1 changes",
        "cli: stax 0.2.0 git hook\n",
        &format!("merge: {PROD}: merged"),
    ] {
        assert!(trace.contains(step), "{step} is not in\n{trace}");
    }
}

#[test]
fn one_means_stderr_and_nothing_means_nothing() {
    let sandbox = Sandbox::with_store();
    let said = sandbox.with("STAX_TRACE", "1").get("PORT").ok();
    said.prints_exactly("5432\n")
        .says("cli: stax 0.2.0 secrets get");
    for off in ["", "0"] {
        sandbox
            .with("STAX_TRACE", off)
            .get("PORT")
            .ok()
            .hides("stax[");
    }
    // a name of somebody else's choice stays one line
    let evil = "evil\n\u{1b}]0;x\u{7}.enc.yaml";
    sandbox.write(evil, sandbox.read(PROD));
    let said = sandbox
        .with("STAX_TRACE", "1")
        .stax(["secrets", "get", "PORT", "-f", evil])
        .ok();
    assert!(said.stderr.contains("evil\\n\\u{1b}"), "{said}");
    assert!(!said.stderr.contains('\u{1b}'), "{said}");
}

#[test]
fn a_trace_that_is_refused_is_named_and_stops_nothing() {
    let sandbox = Sandbox::with_store();
    let profile = sandbox.home.join(".profile");
    fs::write(&profile, "umask 077\n").expect("a file");
    let table = [
        (sandbox.path("trace"), "it lies in a work tree"),
        (sandbox.path(".git/trace"), "it lies in a work tree"),
        (profile.clone(), "it holds something else than a trace"),
        (PathBuf::from("trace"), "STAX_TRACE is 1, or a whole path"),
        (sandbox.home.join("no/trace"), "its folder is not there"),
    ];
    for (path, why) in table {
        let said = sandbox
            .with("STAX_TRACE", &path)
            .get("PORT")
            .ok()
            .prints_exactly("5432\n");
        said.says("stax: no trace: ").says(why);
    }
    assert!(!sandbox.path("trace").exists());
    assert_eq!(
        fs::read_to_string(&profile).expect("the file"),
        "umask 077\n"
    );
    sandbox.stax(["secrets", "set", "STAX_TRACE"]).exits(2);
}
