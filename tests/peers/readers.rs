//! What `export` writes, read by the programs that it is for. `tests/peers/run` installs those of
//! npm and PyPI.

use std::path::{Path, PathBuf};

use crate::support::{Person, Sandbox};

const VALUES: [&str; 10] = [
    r"CORP\build-agent",
    r"^v\d+\.\d+$",
    "it's",
    "$(id) `id` #x",
    " a b ",
    r#"{"a": "b # c"}"#,
    "-----BEGIN KEY-----\nMIIE/1+x==\n-----END KEY-----\n",
    r"'; touch ran; '\'; touch ran; #",
    r"\\server\share",
    "$HOME ~x !x",
];

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/readers")
}

fn store() -> Sandbox {
    let sandbox = Sandbox::initialised();
    for (number, value) in VALUES.iter().enumerate() {
        sandbox
            .stax_with(
                ["secrets", "set", &format!("V{number}")],
                format!("{value}\n"),
            )
            .ok();
    }
    sandbox
}

/// The names whose values a program, given the file, prints as they are.
fn reads(person: &Person, program: &str, script: &str, numbers: &[usize]) {
    for number in numbers {
        let line = script.replace("NAME", &format!("V{number}"));
        let output = person.sh(&format!("{program} {line}")).ok();
        assert_eq!(output.stdout, VALUES[*number], "{program}: V{number}");
    }
}

#[test]
fn shells_read_every_value_and_run_none() {
    let sandbox = store();
    let all: Vec<usize> = (0..VALUES.len()).collect();
    for shell in ["bash -c", "dash -c", "zsh -c"] {
        reads(
            &sandbox,
            shell,
            r#"'eval "$(stax -q secrets export)"; printf %s "$NAME"'"#,
            &all,
        );
    }
    reads(
        &sandbox,
        "fish -c",
        r#"'stax -q secrets export | source; printf %s "$NAME"'"#,
        &all,
    );
    assert!(!sandbox.path("ran").exists());
}

#[test]
fn readers_of_dotenv_agree_on_what_is_written_or_it_is_refused() {
    let sandbox = store();
    let mut written = Vec::new();
    for number in 0..VALUES.len() {
        let one = Sandbox::initialised();
        one.stax_with(["secrets", "set", "A"], format!("{}\n", VALUES[number]))
            .ok();
        let output = one.stax(["secrets", "export", "--format", "dotenv"]);
        if output.code == 0 {
            written.push(number);
            sandbox.write(
                &format!("{number}.env"),
                output.stdout.replacen("A=", &format!("V{number}="), 1),
            );
        } else {
            output
                .exits(2)
                .says("the value of `A`")
                .says("stax secrets exec");
        }
    }
    assert!(written.len() >= 7, "{written:?}");
    let (python, modules) = (
        tools().join("python/bin/python"),
        tools().join("node_modules/dotenv"),
    );
    for number in written {
        let file = format!("{number}.env");
        let of = |script: &str| script.replace("FILE", &file);
        reads(
            &sandbox,
            "bash -c",
            &of(r#"'. ./FILE; printf %s "$NAME"'"#),
            &[number],
        );
        reads(
            &sandbox,
            "node",
            &of(r#"--env-file=FILE -e 'process.stdout.write(process.env.NAME)'"#),
            &[number],
        );
        let npm = format!("node -e 'const d = require(\"{}\");", modules.display());
        reads(
            &sandbox,
            &npm,
            &of(r#"process.stdout.write(d.parse(require("fs").readFileSync("FILE")).NAME)'"#),
            &[number],
        );
        let pip = format!("{} -c 'import sys, dotenv;", python.display());
        reads(
            &sandbox,
            &pip,
            &of(r#"sys.stdout.write(dotenv.dotenv_values("FILE")["NAME"])'"#),
            &[number],
        );
    }
}
