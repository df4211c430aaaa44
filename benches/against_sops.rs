//! stax beside the real sops in one run: whole processes, alternating, medians and ratios.
//!
//! `cargo bench`. Start-up counts: git starts stax once per blob.

#![allow(clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

#[path = "support/clock.rs"]
mod clock;
#[path = "../tests/support/real_sops.rs"]
mod real_sops;

use clock::{median, time};

const ROUNDS: usize = 41;

fn main() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sops");
    let stax = Path::new(env!("CARGO_BIN_EXE_stax"));
    println!(
        "{:34} {:>10} {:>10} {:>8}   medians of {ROUNDS} alternating runs",
        "", "stax", "sops", "ratio"
    );
    for (name, file) in [
        ("6 values", "y01-flat.enc.yaml"),
        ("200 values", "y35-flat-200.enc.yaml"),
    ] {
        let file = fixtures.join(file);
        for (verb, arguments) in [
            ("git textconv", ["git", "textconv"]),
            ("secrets decrypt", ["secrets", "decrypt"]),
        ] {
            let ours = command(stax, &arguments, &file, &fixtures);
            let theirs = command(real_sops::path(), &["decrypt"], &file, &fixtures);
            let (ours, theirs) = alternate(ours, theirs);
            let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
            println!(
                "{:34} {ours:>10.1?} {theirs:>10.1?} {ratio:>7.1}x",
                format!("{verb}, {name}")
            );
        }
    }
}

fn alternate(mut ours: Command, mut theirs: Command) -> (Duration, Duration) {
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        times.0.push(time(&mut ours));
        times.1.push(time(&mut theirs));
    }
    (median(times.0), median(times.1))
}

fn command(program: &Path, arguments: &[&str], file: &Path, fixtures: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .arg(file)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.env_clear().env(
        "SOPS_AGE_KEY_FILE",
        PathBuf::from(fixtures).join("keys/alice.txt"),
    );
    command.env("HOME", fixtures).current_dir(fixtures);
    command
}
