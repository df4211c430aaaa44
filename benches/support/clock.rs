//! What the benches share: commands that print nothing, their wall time, and the middle of it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// In a folder that is also the home; its output goes nowhere.
#[allow(dead_code, reason = "not every bench starts commands of its own")]
pub fn command(top: &Path, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(top)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.env("HOME", top).env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["GIT_AUTHOR", "GIT_COMMITTER"] {
        command
            .env(format!("{who}_NAME"), "Ana")
            .env(format!("{who}_EMAIL"), "ana@example.com");
    }
    command
}

#[allow(dead_code, reason = "not every bench starts commands of its own")]
pub fn git(top: &Path, arguments: &[&str]) {
    time(&mut command(top, "git", arguments));
}

pub fn time(command: &mut Command) -> Duration {
    let start = Instant::now();
    let status = command.status().expect("the command starts");
    assert!(status.success(), "{command:?}: {status}");
    start.elapsed()
}

pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
