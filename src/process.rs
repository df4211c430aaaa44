//! Child processes. None inherits the variables that lead to an identity: the caller names them.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

mod cores;

use cores::UsersLimit;
pub use cores::forbid_core_files;

use crate::trace;

/// The most that is read from a child's stdout or stderr.
pub const OUTPUT_LIMIT: usize = 64 << 10;

/// How long a child may take that a person waits for without seeing it.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// What a child sees of the environment: ours, less `remove`, plus `add`.
#[derive(Clone, Copy, Default)]
pub struct ChildEnvironment<'a> {
    pub add: &'a [(&'a str, &'a OsStr)],
    pub remove: &'a [&'a str],
}

impl ChildEnvironment<'_> {
    fn apply(&self, command: &mut Command) {
        for name in self.remove {
            command.env_remove(name);
        }
        command.envs(self.add.iter().copied());
    }
}

/// Why a child gave no result. It never holds what the child printed.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error("there is no command to run")]
    Empty,
    #[error("`{0}` is not found")]
    NotFound(String),
    #[error("`{0}` cannot be executed: {1}")]
    NotExecutable(String, #[source] io::Error),
    #[error("`{0}` took longer than {1:?} and was stopped")]
    TimedOut(String, Duration),
    #[error("`{0}` printed more than 64 KiB")]
    TooMuchOutput(String),
    #[error("`{0}`: {1}")]
    Io(String, #[source] io::Error),
}

impl ProcessError {
    fn starting(program: &OsStr, error: io::Error) -> Self {
        let program = program.to_string_lossy().into_owned();
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound(program),
            _ => Self::NotExecutable(program, error),
        }
    }

    /// The exit code of env(1) for a command that did not start: 127 when it is not there, else
    /// 126.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if matches!(self, Self::NotFound(_) | Self::Empty) {
            127
        } else {
            126
        }
    }
}

/// What a child printed, and how it ended.
pub struct Output {
    pub stdout: Zeroizing<Vec<u8>>,
    pub stderr: Zeroizing<Vec<u8>>,
    pub status: ExitStatus,
}

/// Runs a program without a shell, with no input, in `folder` (`/` fits a program that has no
/// business in the repository), and collects what it prints. After `timeout` it is killed.
///
/// # Errors
/// [`ProcessError`]; a failing status is not an error here.
pub fn run_command(
    argv: &[String],
    folder: &Path,
    environment: ChildEnvironment<'_>,
    timeout: Duration,
) -> Result<Output, ProcessError> {
    let (program, arguments) = argv.split_first().ok_or(ProcessError::Empty)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    environment.apply(&mut command);
    trace::step("process", || {
        format!("start {program}, {} arguments", arguments.len())
    });
    // not a process group of its own: a key command may ask for a PIN on the terminal
    let mut child = Running(
        command
            .spawn()
            .map_err(|error| ProcessError::starting(program.as_ref(), error))?,
    );
    let end = Instant::now() + timeout;
    let stdout = collect(child.0.stdout.take());
    let stderr = collect(child.0.stderr.take());
    let receive = |pipe: &mpsc::Receiver<Collected>| {
        let left = end.saturating_duration_since(Instant::now());
        let read = pipe
            .recv_timeout(left)
            .map_err(|_| ProcessError::TimedOut(program.clone(), timeout))?;
        let bytes = read.map_err(|error| ProcessError::Io(program.clone(), error))?;
        bytes.ok_or_else(|| ProcessError::TooMuchOutput(program.clone()))
    };
    let (stdout, stderr) = (receive(&stdout)?, receive(&stderr)?);
    loop {
        match child
            .0
            .try_wait()
            .map_err(|error| ProcessError::Io(program.clone(), error))?
        {
            Some(status) => {
                trace::step("process", || format!("{program} ended with {status}"));
                return Ok(Output {
                    stdout,
                    stderr,
                    status,
                });
            }
            None if Instant::now() < end => sleep(Duration::from_millis(2)),
            None => return Err(ProcessError::TimedOut(program.clone(), timeout)),
        }
    }
}

/// `None`: there was more than the limit.
type Collected = io::Result<Option<Zeroizing<Vec<u8>>>>;

/// Reads a pipe in a thread, so that a child that fills the other pipe does not block.
fn collect(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Collected> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        // reserved up front, because a buffer that grows leaves copies of a key behind
        let mut bytes = Zeroizing::new(Vec::with_capacity(OUTPUT_LIMIT + 2));
        let read = pipe.map_or(Ok(0), |pipe| {
            pipe.take(OUTPUT_LIMIT as u64 + 1).read_to_end(&mut bytes)
        });
        let is_whole = bytes.len() <= OUTPUT_LIMIT;
        // nobody listens any more after a timeout
        let _ = sender.send(read.map(|_| is_whole.then_some(bytes)));
    });
    receiver
}

/// A child that does not outlive the wait for it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // does nothing when it has ended and was waited for
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Becomes another program (exec(2)): no second process, its exit code is ours. It returns only
/// when that failed; [`ProcessError::exit_code`] is then what env(1) exits with.
#[must_use]
pub fn replace(argv: &[OsString], environment: ChildEnvironment<'_>) -> ProcessError {
    let Some((program, arguments)) = argv.split_first() else {
        return ProcessError::Empty;
    };
    trace::step("process", || {
        format!(
            "become {}, {} arguments",
            program.display(),
            arguments.len()
        )
    });
    let mut command = Command::new(program);
    command.args(arguments);
    environment.apply(&mut command);
    let _limit = UsersLimit::lend();
    ProcessError::starting(program, command.exec())
}

/// Opens an editor with the terminal of this process, and waits. `words` are its command line with
/// the file at the end; no shell reads them.
///
/// # Errors
/// [`ProcessError`] when it does not start; a failing status is not an error here.
pub fn run_editor(
    words: &[OsString],
    environment: ChildEnvironment<'_>,
) -> Result<ExitStatus, ProcessError> {
    let (program, arguments) = words.split_first().ok_or(ProcessError::Empty)?;
    let mut command = Command::new(program);
    command.args(arguments);
    environment.apply(&mut command);
    let limit = UsersLimit::lend();
    let child = command.spawn();
    drop(limit);
    child
        .and_then(|mut child| child.wait())
        .map_err(|error| ProcessError::starting(program, error))
}

/// Runs a program over `input`, with the output of this process, and waits for as long as it takes.
///
/// # Errors
/// [`ProcessError`] when it does not start; a failing status is not an error here.
pub fn run_over(
    words: &[OsString],
    folder: &Path,
    environment: ChildEnvironment<'_>,
    input: &[u8],
) -> Result<ExitStatus, ProcessError> {
    let (program, arguments) = words.split_first().ok_or(ProcessError::Empty)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped());
    environment.apply(&mut command);
    let failed = |error| ProcessError::starting(program, error);
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // a program that does not read its input has its reasons, and its status tells
        let _ = stdin.write_all(input);
    }
    child.wait().map_err(failed)
}

/// How a child ended, in the code that a shell would give: 128+n for signal n.
#[must_use]
pub fn shell_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(
        script: &str,
        environment: ChildEnvironment<'_>,
        timeout: Duration,
    ) -> Result<Output, ProcessError> {
        let argv = ["sh", "-c", script].map(str::to_owned);
        run_command(&argv, Path::new("/"), environment, timeout)
    }

    fn plain(script: &str) -> Result<Output, ProcessError> {
        run(script, ChildEnvironment::default(), TIMEOUT)
    }

    #[test]
    fn output_status_and_folder_come_back_apart() {
        let output = plain("pwd; echo problem >&2; exit 3").unwrap();
        assert_eq!(
            (output.stdout.as_slice(), output.stderr.as_slice()),
            (&b"/\n"[..], &b"problem\n"[..])
        );
        assert_eq!(
            (output.status.code(), shell_code(output.status)),
            (Some(3), 3)
        );
        assert_eq!(shell_code(plain("kill -TERM $$").unwrap().status), 143);
    }

    #[test]
    fn a_child_sees_what_is_added_and_not_what_is_removed() {
        let environment = ChildEnvironment {
            add: &[("ADDED", OsStr::new("yes"))],
            remove: &["PATH"],
        };
        let argv = ["/bin/sh", "-c", "echo $ADDED; env"].map(str::to_owned);
        let inherited =
            run_command(&argv, Path::new("/"), ChildEnvironment::default(), TIMEOUT).unwrap();
        assert!(inherited.stdout.windows(6).any(|text| text == b"\nPATH="));
        let argv = ["/bin/sh", "-c", "echo $ADDED; /usr/bin/env"].map(str::to_owned);
        let output = run_command(&argv, Path::new("/"), environment, TIMEOUT).unwrap();
        assert!(output.stdout.starts_with(b"yes\n"));
        assert!(!output.stdout.windows(6).any(|text| text == b"\nPATH="));
    }

    #[test]
    fn a_slow_child_is_stopped_and_not_waited_for() {
        let start = Instant::now();
        for script in [
            "exec sleep 20",
            "sleep 5 & exit",
            "exec >&- 2>&-; exec sleep 20",
        ] {
            let result = run(
                script,
                ChildEnvironment::default(),
                Duration::from_millis(200),
            );
            assert!(
                matches!(result, Err(ProcessError::TimedOut(..))),
                "{script}"
            );
        }
        assert!(start.elapsed() < Duration::from_secs(4));
    }

    #[test]
    fn output_has_a_limit_on_both_pipes() {
        let full = plain("head -c 65536 /dev/zero; head -c 65536 /dev/zero >&2").unwrap();
        assert_eq!(
            (full.stdout.len(), full.stderr.len()),
            (OUTPUT_LIMIT, OUTPUT_LIMIT)
        );
        assert!(matches!(
            plain("head -c 65537 /dev/zero"),
            Err(ProcessError::TooMuchOutput(_))
        ));
        assert!(matches!(
            plain("yes >&2"),
            Err(ProcessError::TooMuchOutput(_))
        ));
    }

    #[test]
    fn what_does_not_start_has_the_exit_code_of_env() {
        for (program, code) in STRANGERS {
            let argv = [program.to_owned()];
            let error = run_command(&argv, Path::new("/"), ChildEnvironment::default(), TIMEOUT)
                .err()
                .unwrap();
            assert_eq!(error.exit_code(), code, "{program}");
        }
    }

    const STRANGERS: [(&str, u8); 3] = [
        ("/nowhere/at/all", 127),
        ("no-such-program-here", 127),
        ("/", 126),
    ];

    #[test]
    fn an_editor_gets_its_words_and_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a b");
        let editor =
            ["sh", "-c", "printf '%s' \"$1\" > \"$2\"", "sh", "two words"].map(OsString::from);
        let words: Vec<OsString> = editor.into_iter().chain([file.clone().into()]).collect();
        let status = run_editor(&words, ChildEnvironment::default()).unwrap();
        assert!(status.success());
        assert_eq!(std::fs::read_to_string(file).unwrap(), "two words");
    }

    #[test]
    fn replacing_the_process_runs_the_program_without_the_removed_variables() {
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "process::tests::child_replaces_itself",
                "--ignored",
                "--nocapture",
            ])
            .env("STAX_TEST_SECRET", "x")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(7));
        assert!(String::from_utf8_lossy(&output.stdout).contains("secret=() added=(y)"));
    }

    #[test]
    #[ignore = "run by the test that looks at its output"]
    fn child_replaces_itself() {
        // here, because a failed exec leaves SIGPIPE deadly for every other test of the process
        for (program, code) in STRANGERS {
            assert_eq!(
                replace(&[program.into()], ChildEnvironment::default()).exit_code(),
                code,
                "{program}"
            );
        }
        assert_eq!(replace(&[], ChildEnvironment::default()).exit_code(), 127);
        let argv = [
            "sh",
            "-c",
            "echo \"secret=($STAX_TEST_SECRET) added=($ADDED)\"; exit 7",
        ]
        .map(OsString::from);
        let environment = ChildEnvironment {
            add: &[("ADDED", OsStr::new("y"))],
            remove: &["STAX_TEST_SECRET"],
        };
        panic!("{}", replace(&argv, environment));
    }
}
