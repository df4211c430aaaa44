//! Values on their way to processes: `export` and `exec`.

use crate::support::{CANARY, PROD, Person, Sandbox};

const HOSTILE: [&str; 16] = [
    "",
    " both ends ",
    "it's",
    "''\\''",
    "\"double\" $HOME ${HOME} $(touch pwned) `touch pwned`",
    "; touch pwned; #",
    "\n",
    "one\ntwo\n\n",
    "tab\tand\rreturn",
    "back\\slash\\n \\0 \\x41",
    "!! !$ ^a^b",
    "* ? [a-z] ~ {a,b}",
    "-n -e %s %d",
    "héllo 日本語 🚀 \u{202e}",
    "\u{1b}[31mred\u{7}",
    "&& || | > < & = : ~/x",
];

/// A bound store whose keys `K0…` hold the hostile values.
fn hostile() -> Sandbox {
    let sandbox = Sandbox::initialised();
    for (number, value) in HOSTILE.iter().enumerate() {
        let key = format!("K{number}");
        match value.is_empty() {
            true => sandbox.stax(["secrets", "set", &key, "--empty"]).ok(),
            false => sandbox.set(&key, value).ok(),
        };
    }
    sandbox
}

fn installed(person: &Person, shell: &str) -> bool {
    person.sh(&format!("command -v {shell}")).code == 0
}

#[test]
fn every_value_survives_eval_in_every_shell() {
    let sandbox = hostile();
    let names: String = (0..HOSTILE.len())
        .map(|number| format!(" \"$K{number}\""))
        .collect();
    let script = format!("eval \"$(stax secrets export)\" && printf '%s\\0'{names}");
    let expected: Vec<u8> = HOSTILE
        .iter()
        .flat_map(|value| [value.as_bytes(), b"\0"].concat())
        .collect();
    assert!(installed(&sandbox, "bash"), "install bash to run the tests");
    for shell in ["sh", "bash", "dash", "zsh", "ksh"] {
        if installed(&sandbox, shell) {
            sandbox
                .run(shell, ["-c", &script], b"")
                .ok()
                .prints_exactly(&expected);
        }
    }
    assert!(!sandbox.path("pwned").exists());
}

#[test]
fn exported_values_reach_child_processes() {
    let sandbox = hostile();
    let output = sandbox.sh("eval \"$(stax secrets export)\" && env -0").ok();
    let entry = format!("\0K2={}\0", HOSTILE[2]);
    assert!(format!("\0{}", output.stdout).contains(&entry), "{output}");
}

#[test]
fn numbers_and_booleans_are_written_plainly() {
    let sandbox = Sandbox::initialised();
    for (key, value, kind) in [
        ("N", "1000000", "int"),
        ("F", "1500000.5", "float"),
        ("T", "true", "bool"),
        ("S", "yes", "string"),
    ] {
        let output = match kind {
            "string" => sandbox.set(key, value),
            kind => sandbox.set_typed(key, value, kind),
        };
        output.ok();
    }
    let script = "eval \"$(stax secrets export)\"; echo \"$N $F $T $S\"";
    sandbox
        .sh(script)
        .ok()
        .prints_exactly("1000000 1500000.5 true yes\n");
}

#[test]
fn dotenv_export_gives_one_line_a_key() {
    let sandbox = Sandbox::with_store();
    let output = sandbox
        .stax(["secrets", "export", "--format", "dotenv"])
        .ok();
    assert_eq!(output.stdout.lines().count(), 3, "{output}");
    output.prints("STRIPE_SECRET_KEY=").prints(CANARY);
}

const LOADER_NAMES: [&str; 14] = [
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "DYLD_INSERT_LIBRARIES",
    "BASH_ENV",
    "PATH",
    "PROMPT_COMMAND",
    "NODE_OPTIONS",
    "PYTHONPATH",
    "PERL5OPT",
    "RUBYOPT",
    "JAVA_TOOL_OPTIONS",
    "GIT_SSH_COMMAND",
    "GIT_EXEC_PATH",
    "GIT_EXTERNAL_DIFF",
];

#[test]
fn names_that_load_code_are_refused_when_set() {
    let sandbox = Sandbox::with_store();
    let before = sandbox.bytes(PROD);
    for name in LOADER_NAMES {
        for value in ["canary-evil.so", ""] {
            let output = sandbox
                .set(name, value)
                .exits(2)
                .one_error()
                .hides("canary");
            output.says(&format!("if you mean it: stax allow env {name}"));
        }
    }
    assert_eq!(before, sandbox.bytes(PROD));
}

#[test]
fn names_of_credentials_pass() {
    let sandbox = Sandbox::with_store();
    let names = [
        "GITHUB_CLIENT_SECRET",
        "SSH_PRIVATE_KEY",
        "KUBECONFIG",
        "HTTPS_PROXY",
        "GITHUB_TOKEN",
    ];
    for name in names {
        sandbox.set(name, "x").ok();
    }
    let output = sandbox.stax(["secrets", "export"]).ok();
    names
        .iter()
        .fold(output, |output, name| output.prints(name));
}

#[test]
fn a_loader_name_written_by_another_tool_stops_the_whole_export() {
    let sandbox = Sandbox::with_store();
    sandbox
        .sops(["set", PROD, r#"["LD_PRELOAD"]"#, r#""canary-evil.so""#])
        .ok();
    for format in ["shell", "dotenv"] {
        let output = sandbox
            .stax(["secrets", "export", "--format", format])
            .fails()
            .one_error();
        output.says("stax allow env LD_PRELOAD").hides(CANARY);
    }
    sandbox
        .stax(["secrets", "exec", "--", "true"])
        .fails()
        .one_error()
        .says("LD_PRELOAD");
    sandbox.stax(["allow", "env", "LD_PRELOAD"]).ok();
    sandbox
        .stax(["secrets", "export"])
        .ok()
        .prints("LD_PRELOAD")
        .prints(CANARY);
}

#[test]
fn a_name_that_is_no_variable_stops_the_whole_export() {
    for name in ["A-B", "1A", "A B", "A;touch pwned", "A=$(touch pwned)", "é"] {
        let sandbox = Sandbox::with_store();
        sandbox
            .sops(["set", PROD, &format!(r#"["{name}"]"#), r#""x""#])
            .ok();
        sandbox
            .stax(["secrets", "export"])
            .fails()
            .one_error()
            .hides(CANARY);
        sandbox.sh("eval \"$(stax secrets export)\"");
        assert!(!sandbox.path("pwned").exists(), "{name}");
    }
}

#[test]
fn a_damaged_file_exports_nothing() {
    let sandbox = Sandbox::with_store();
    let text = sandbox.read(PROD);
    let without: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("PORT:"))
        .collect();
    sandbox.write(PROD, without.join("\n") + "\n");
    sandbox
        .stax(["secrets", "export"])
        .exits(4)
        .one_error()
        .hides(CANARY);
    sandbox
        .stax(["secrets", "exec", "--", "sh", "-c", "echo ran"])
        .exits(4)
        .hides("ran\n")
        .hides(CANARY);
}

#[test]
fn exec_gives_the_values_to_the_command_and_ends_as_it_ends() {
    let sandbox = Sandbox::with_store();
    let exec = |command: &[&str]| sandbox.stax([&["secrets", "exec", "--"], command].concat());
    exec(&["printenv", "STRIPE_SECRET_KEY"])
        .ok()
        .prints_exactly(format!("{CANARY}\n"));
    exec(&["sh", "-c", "exit 7"]).exits(7);
    exec(&["sh", "-c", "kill -TERM $$"]).exits(128 + 15);
    exec(&["sh", "-c", "kill -KILL $$"]).exits(128 + 9);
    exec(&["no-such-command-anywhere"])
        .exits(127)
        .one_error()
        .hides(CANARY);
    sandbox.write("not-executable", "text");
    exec(&["./not-executable"])
        .exits(126)
        .one_error()
        .hides(CANARY);
    exec(&["/"]).exits(126).one_error();
    exec(&["printf", "%s|", "a b", "", "$X", "--help"])
        .ok()
        .prints_exactly("a b||$X|--help|");
}

#[test]
fn exec_replaces_the_process_and_hands_stdin_through() {
    let sandbox = Sandbox::with_store();
    let output = sandbox.stax_with(["secrets", "exec", "--", "cat"], "through\n");
    output.ok().prints_exactly("through\n");
    // `exec` in the shell keeps the pid, and stax keeps it again
    let script = "sh -c 'echo $$; exec stax secrets exec -- sh -c \"echo \\$\\$\"'";
    let output = sandbox.sh(script).ok();
    let pids: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(pids.len(), 2, "{output}");
    assert_eq!(pids[0], pids[1], "{output}");
}

#[test]
fn children_do_not_see_the_identity() {
    let sandbox = Sandbox::with_store();
    let key = std::fs::read_to_string(sandbox.key_file()).expect("the key file");
    let secret = key
        .lines()
        .find(|line| line.starts_with("AGE-SECRET-KEY-1"))
        .expect("a key")
        .to_string();
    let file = sandbox.key_file();
    let people = [
        sandbox.keyless().with("SOPS_AGE_KEY", &secret),
        sandbox.keyless().with("SOPS_AGE_KEY_FILE", &file),
        sandbox
            .keyless()
            .with("SOPS_AGE_KEY_CMD", format!("cat {}", file.display())),
    ];
    for person in people {
        let output = person
            .stax(["secrets", "exec", "--", "env"])
            .ok()
            .prints(CANARY);
        output.hides("SOPS_AGE_KEY").hides(&secret);
        let marker = person.home.join("seen");
        let editor = person.editing(&format!("env > {}", marker.display()));
        editor.stax(["secrets", "edit"]).ok();
        let seen = std::fs::read_to_string(&marker).expect("the editor ran");
        assert!(!seen.contains("SOPS_AGE_KEY"), "{seen}");
    }
}

#[test]
fn an_identity_command_runs_once_and_without_a_shell() {
    let sandbox = Sandbox::with_store();
    let log = sandbox.home.join("calls");
    let script = sandbox.script(&format!(
        "echo \"$SOPS_AGE_RECIPIENT\" >> {}; cat \"$1\"",
        log.display()
    ));
    let command = format!("{} '{}'", script.display(), sandbox.key_file().display());
    let person = sandbox.keyless().with("SOPS_AGE_KEY_CMD", command);
    person.get("STRIPE_SECRET_KEY").ok().prints(CANARY);
    let calls = std::fs::read_to_string(&log).expect("it ran");
    assert_eq!(calls, format!("{}\n", sandbox.key()));
    // under git the command runs only when its user allows it
    sandbox
        .git(["config", "--local", "stax.useCommand", "true"])
        .ok();
    person.git(["show"]).ok().hides(CANARY);
    assert_eq!(std::fs::read_to_string(&log).expect("it ran"), calls);
    person.stax(["allow", "command"]).ok();
    person.git(["show"]).ok().prints(CANARY);
    let shell = format!("cat {}; touch pwned", sandbox.key_file().display());
    sandbox
        .keyless()
        .with("SOPS_AGE_KEY_CMD", shell)
        .get("PORT")
        .exits(3);
    assert!(!sandbox.path("pwned").exists());
}
