//! What a command said and how it ended; every failed expectation shows all of it.

#[path = "commands.rs"]
mod commands;

pub use commands::refused;

use std::fmt;
use std::os::unix::process::ExitStatusExt;

#[derive(Clone)]
pub struct Output {
    call: String,
    /// The exit code; 128 + n after signal n.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub bytes: Vec<u8>,
}

const OFFERS: [&str; 4] = ["fix: ", "hint: ", "next: ", "undo: "];

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            call,
            code,
            stdout,
            stderr,
            ..
        } = self;
        write!(
            f,
            "{call}\n--- exit code {code}\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n---"
        )
    }
}

impl Output {
    pub fn new(call: String, output: std::process::Output) -> Self {
        let status = output.status;
        let output = Self {
            call,
            code: status
                .code()
                .unwrap_or_else(|| 128 + status.signal().unwrap_or(127)),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            bytes: output.stdout,
        };
        output.offers_what_can_be_typed();
        output
    }

    /// Each command behind `fix:`, `hint:`, `next:` and `undo:` is one of this stax, whatever test
    /// made it print that.
    fn offers_what_can_be_typed(&self) {
        let mut is_offer = false;
        for line in self.stdout.lines().chain(self.stderr.lines()) {
            let text = line.trim_start();
            is_offer = OFFERS.iter().any(|label| text.starts_with(label))
                || is_offer && line.starts_with("   ");
            let refused = if is_offer { refused(text) } else { Vec::new() };
            assert!(
                refused.is_empty(),
                "cannot be typed: {}\n{self}",
                refused.join(", ")
            );
        }
    }

    /// It ended well.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "expected exit code {code}\n{self}");
        self
    }

    #[track_caller]
    pub fn exits_with_one_of(self, codes: &[i32]) -> Self {
        assert!(
            codes.contains(&self.code),
            "expected one of the exit codes {codes:?}\n{self}"
        );
        self
    }

    /// It failed in an ordinary way: a code, not a panic and not a signal.
    #[track_caller]
    pub fn fails(self) -> Self {
        assert!(
            (1..=4).contains(&self.code),
            "expected an ordinary failure\n{self}"
        );
        self
    }

    /// stdout holds the text.
    #[track_caller]
    pub fn prints(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text),
            "expected {text:?} on stdout\n{self}"
        );
        self
    }

    /// stderr holds the text.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "expected {text:?} on stderr\n{self}"
        );
        self
    }

    /// stdout or stderr holds the text; git gives a hook's stdout to stderr.
    #[track_caller]
    pub fn shows(self, text: &str) -> Self {
        let found = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(found, "expected {text:?}\n{self}");
        self
    }

    /// Neither stdout nor stderr holds the text.
    #[track_caller]
    pub fn hides(self, text: &str) -> Self {
        let found = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(!found, "did not expect {text:?}\n{self}");
        self
    }

    /// stdout is exactly these bytes.
    #[track_caller]
    pub fn prints_exactly(self, bytes: impl AsRef<[u8]>) -> Self {
        let expected = bytes.as_ref();
        let shown = String::from_utf8_lossy(expected);
        assert!(
            self.bytes == expected,
            "expected exactly {shown:?} on stdout\n{self}"
        );
        self
    }

    /// Exactly one line of stderr begins with `error:`, and stdout is empty.
    #[track_caller]
    pub fn one_error(self) -> Self {
        let errors = self
            .stderr
            .lines()
            .filter(|line| line.starts_with("error:"))
            .count();
        assert_eq!(errors, 1, "expected one `error:` line\n{self}");
        assert!(!self.stderr.contains("panicked"), "it panicked\n{self}");
        assert!(self.bytes.is_empty(), "expected nothing on stdout\n{self}");
        self
    }

    /// stdout is one JSON document of schema 1.
    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        let value: serde_json::Value =
            serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("not JSON: {e}\n{self}"));
        assert_eq!(value["schema"], 1, "expected schema 1\n{self}");
        value
    }

    /// The lines of a diff that were added or removed, without the file headers.
    pub fn changed_lines(&self) -> Vec<&str> {
        let changed = |line: &&str| line.starts_with(['+', '-']) && !is_header(line);
        self.stdout.lines().filter(changed).collect()
    }
}

fn is_header(line: &str) -> bool {
    line.starts_with("+++ ") || line.starts_with("--- ")
}
