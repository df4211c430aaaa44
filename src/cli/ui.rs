//! The only place that prints and prompts: data on stdout, talk on stderr.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::process::ExitCode;
use std::sync::OnceLock;

use anstyle::{AnsiColor, Style};
use zeroize::Zeroizing;

mod hidden;

use super::escape::{Escaped, is_hidden, lines};
use super::failure::Failure;
use crate::verify::Severity;

const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const CYAN: Style = AnsiColor::Cyan.on_default();
const GREEN: Style = AnsiColor::Green.on_default();

/// A value on stdin or in a file may be this large; documents hold less.
const MAX_INPUT: u64 = 32 << 20;

pub struct Ui {
    quiet: bool,
}

/// Why a line could not be written.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// A reader that went away is no error; a full disk is.
fn keep(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = LOST.set(error);
    }
}

/// anstream takes any `CLICOLOR_FORCE` for a yes; 0 and nothing say no (bixense.com/clicolors).
fn automatic() -> anstream::ColorChoice {
    let is_no = |forced: OsString| forced.is_empty() || forced == "0";
    if !std::env::var_os("CLICOLOR_FORCE").is_some_and(is_no) {
        return anstream::ColorChoice::Auto;
    }
    let is_off = std::env::var_os("NO_COLOR").is_some_and(|text| !text.is_empty())
        || std::env::var_os("CLICOLOR").is_some_and(|text| text == "0")
        || std::env::var_os("TERM").is_none_or(|name| name == "dumb");
    // one choice for both streams
    let are_terminals = io::stdout().is_terminal() && io::stderr().is_terminal();
    if are_terminals && !is_off {
        anstream::ColorChoice::Always
    } else {
        anstream::ColorChoice::Never
    }
}

impl Ui {
    #[must_use]
    pub fn new(quiet: bool, color: clap::ColorChoice) -> Self {
        let choice = match color {
            clap::ColorChoice::Always => anstream::ColorChoice::Always,
            clap::ColorChoice::Never => anstream::ColorChoice::Never,
            clap::ColorChoice::Auto => automatic(),
        };
        choice.write_global();
        Self { quiet }
    }

    /// What the command ends with, and with an error instead where lines of it were lost.
    pub fn end(&self, exit: ExitCode) -> ExitCode {
        match LOST.get() {
            Some(error) => self.failure(&Failure::usage(error.to_string())),
            None => exit,
        }
    }

    /// A line of data for people; what is untrusted in it is escaped.
    pub fn line(&self, text: impl AsRef<str>) {
        keep(writeln!(anstream::stdout(), "{}", lines(text.as_ref())));
    }

    /// A line of data that begins with `+`, `-`, `✓`, `✗`, `!` or `?` in its colour.
    pub fn mark(&self, mark: &str, text: impl AsRef<str>) {
        let style = match mark {
            "✓" | "+" => GREEN,
            "✗" | "-" => RED,
            "!" | "?" => YELLOW,
            _ => CYAN,
        };
        keep(writeln!(
            anstream::stdout(),
            "{style}{mark}{style:#} {}",
            lines(text.as_ref())
        ));
    }

    /// A line of data that stays one line, whatever keys and paths hold.
    pub fn one_line(&self, text: impl AsRef<str>) {
        keep(writeln!(anstream::stdout(), "{}", Escaped(text.as_ref())));
    }

    /// As [`Self::mark`], for text that stays on its line.
    pub fn mark_line(&self, mark: &str, text: impl AsRef<str>) {
        self.mark(mark, Escaped(text.as_ref()).to_string());
    }

    /// A line behind `+` or `-` in its colour; the parts that are `true` stand out at a terminal.
    pub fn parts(&self, mark: &str, parts: &[(String, bool)]) {
        let style = if mark == "+" { GREEN } else { RED };
        let mut line = format!("{style}{mark} ");
        for (text, stands_out) in parts {
            let text = Escaped(text);
            let out = style.invert();
            line += &if *stands_out {
                format!("{out}{text}{out:#}{style}")
            } else {
                text.to_string()
            };
        }
        keep(writeln!(anstream::stdout(), "{line}{style:#}"));
    }

    /// Bytes of data, exactly.
    ///
    /// # Errors
    /// When stdout cannot be written; a reader that went away is no error.
    pub fn bytes(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }

    /// One JSON document.
    ///
    /// # Errors
    /// As [`Self::bytes`].
    pub fn json(&self, value: &serde_json::Value) -> io::Result<()> {
        let text = serde_json::to_string_pretty(value).unwrap_or_default();
        self.bytes((escape_json(&text) + "\n").as_bytes())
    }

    /// A finding of verify: `error[F04 plaintext]: …`, then indented lines. Keys and paths come
    /// from the repository, so each stays on its line.
    pub fn finding(
        &self,
        severity: Severity,
        rule: &str,
        message: &str,
        more: &[String],
        on_stderr: bool,
    ) {
        let style = match severity {
            Severity::Error => RED,
            Severity::Warning => YELLOW,
            Severity::Notice => CYAN,
        };
        let mut out: Box<dyn io::Write> = if on_stderr {
            Box::new(anstream::stderr())
        } else {
            Box::new(anstream::stdout())
        };
        keep(writeln!(
            out,
            "{style}{severity}[{rule}]{style:#}: {}",
            Escaped(message)
        ));
        for line in more {
            keep(writeln!(out, "  {}", Escaped(line)));
        }
    }

    /// A line of talk without a label, also when quiet.
    pub fn say(&self, text: impl AsRef<str>) {
        let _ = writeln!(anstream::stderr(), "{}", lines(text.as_ref()));
    }

    pub fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            self.talk(CYAN, "note", text.as_ref());
        }
    }

    pub fn warning(&self, text: impl AsRef<str>) {
        self.talk(YELLOW, "warning", text.as_ref());
    }

    /// What to type next, one command a line.
    pub fn next(&self, commands: &[impl AsRef<str>]) {
        self.labelled("next", commands);
    }

    pub fn labelled(&self, label: &str, commands: &[impl AsRef<str>]) {
        if self.quiet {
            return;
        }
        for (position, command) in commands.iter().enumerate() {
            if position == 0 {
                self.talk(CYAN, label, command.as_ref());
            } else {
                let margin = " ".repeat(label.len() + 2);
                let _ = writeln!(anstream::stderr(), "{margin}{}", lines(command.as_ref()));
            }
        }
    }

    pub fn hint(&self, text: impl AsRef<str>) {
        if !self.quiet {
            self.talk(CYAN, "hint", text.as_ref());
        }
    }

    pub fn failure(&self, failure: &Failure) -> ExitCode {
        self.talk(RED, "error", &failure.message);
        for detail in &failure.details {
            let _ = writeln!(anstream::stderr(), "  {}", lines(detail));
        }
        for hint in &failure.hints {
            self.talk(CYAN, "hint", hint);
        }
        failure.exit.into()
    }

    fn talk(&self, style: Style, label: &str, text: &str) {
        let _ = writeln!(
            anstream::stderr(),
            "{style}{label}{style:#}: {}",
            lines(text)
        );
    }

    /// Whether both ends of a dialogue are a terminal.
    #[must_use]
    pub fn is_interactive(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// A value: from a hidden prompt at a terminal, else all of stdin less one final newline.
    ///
    /// # Errors
    /// When stdin cannot be read or holds more than 32 MiB; when several lines come to the prompt.
    pub fn read_value(&self, prompt: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
        if io::stdin().is_terminal() {
            return hidden::read(prompt);
        }
        let mut value = Zeroizing::new(Vec::with_capacity(1 << 16));
        io::stdin()
            .lock()
            .take(MAX_INPUT + 1)
            .read_to_end(&mut value)?;
        if value.len() as u64 > MAX_INPUT {
            return Err(Failure::usage("stdin holds more than 32 MiB"));
        }
        if value.last() == Some(&b'\n') {
            value.pop();
        }
        Ok(value)
    }

    /// Whether a person at a terminal says yes.
    pub fn confirm(&self, question: &str) -> bool {
        if !self.is_interactive() {
            return false;
        }
        let _ = write!(io::stderr(), "{} [y/N] ", lines(question));
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
    }

    /// Waits for Enter; `false` for `q` or `n`, and without a terminal. Asks again at any other
    /// answer.
    pub fn enter(&self, prompt: &str) -> bool {
        if !self.is_interactive() {
            return false;
        }
        loop {
            let _ = write!(io::stderr(), "{}", lines(prompt));
            let mut answer = String::new();
            let is_end = !io::stdin()
                .read_line(&mut answer)
                .is_ok_and(|read| read > 0);
            match answer.trim().to_lowercase().as_str() {
                _ if is_end => return false,
                "" | "y" | "yes" => return true,
                "q" | "quit" | "n" | "no" => return false,
                _ => {}
            }
        }
    }
}

/// JSON allows every sign above the controls in clear; a terminal that shows it does not.
fn escape_json(text: &str) -> String {
    use std::fmt::Write as _;
    text.chars()
        .fold(String::with_capacity(text.len()), |mut out, c| {
            if c != '\n' && is_hidden(c) {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            } else {
                out.push(c);
            }
            out
        })
}
