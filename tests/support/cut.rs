//! Ends stax at one of its calls to the disk, or lets that call fail: `cut.c`, built by the test
//! itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::Person;
use super::output::Output;

/// What `kill -9` gives a shell.
pub const KILLED: i32 = 137;

fn tool() -> &'static Path {
    static TOOL: OnceLock<PathBuf> = OnceLock::new();
    TOOL.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/cut.c");
        let program =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cut-{}", std::process::id()));
        let built = Command::new("cc")
            .args(["-O1", "-o"])
            .arg(&program)
            .arg(source)
            .status();
        assert!(
            built.is_ok_and(|status| status.success()),
            "cut.c needs a C compiler and the headers of Linux"
        );
        program
    })
}

/// One command of stax, with its stdin.
#[derive(Clone, Copy)]
pub struct Cut<'a> {
    pub who: &'a Person,
    pub args: &'a [&'a str],
    pub stdin: &'a str,
}

impl Cut<'_> {
    fn run(&self, how: &[&str]) -> (Output, Vec<String>) {
        let log = self.who.home.join("calls");
        let log_name = log.to_string_lossy().into_owned();
        let program = [log_name.as_str(), env!("CARGO_BIN_EXE_stax")];
        let args = how.iter().chain(&program).chain(self.args);
        let done = self.who.run(tool(), args, self.stdin.as_bytes());
        assert_ne!(
            done.code, 99,
            "ptrace is not allowed here, and these tests need it: {}",
            done.stderr
        );
        let calls = fs::read_to_string(&log).expect("the calls");
        (done, calls.lines().map(str::to_owned).collect())
    }

    /// The names of its calls that change something, in order. It runs to its end.
    pub fn calls(&self) -> Vec<String> {
        self.run(&["count"]).1
    }

    /// Killed before the `number`th of them whose name begins so.
    pub fn kill(&self, name: &str, number: usize) -> Output {
        self.run(&["kill", name, &number.to_string()]).0
    }

    /// The `number`th of its calls fails with this errno, reading ones from the lock on too; `None`
    /// when it makes no so many.
    pub fn fail(&self, number: usize, errno: i32) -> Option<Output> {
        let (done, calls) = self.run(&["fail", &number.to_string(), &errno.to_string()]);
        (calls.len() >= number).then_some(done)
    }
}
