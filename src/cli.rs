//! The command line: clap, dispatch, and the exit code.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};

mod allow;
mod demo;
mod escape;
mod failure;
mod git;
mod secrets;
mod show;
mod ui;
mod vault;
mod words;

use crate::trace;
use failure::Failure;
use ui::Ui;

/// Secrets live in git as standard SOPS files; stax makes git understand them.
///
/// `git diff` shows which key changed and to what, `git commit` refuses plaintext and unapproved
/// recipients. Files are encrypted to age recipients and stay readable for sops.
///
/// Exit codes: 0 done, 1 findings or a negative answer, 2 usage or configuration, 3 no identity
/// opens the file, 4 a value or MAC does not authenticate; 126, 127 and 128+n only from `exec`.
///
/// `get`, `set`, `edit`, `list`, `exec`, `verify`, `diff`, `log` and `status` need no `secrets` in
/// front, and `stax run -- CMD` is `stax secrets exec -- CMD`.
///
/// STAX_TRACE=1 writes each step to stderr, STAX_TRACE=/path/to/file appends it to a file, also
/// where git starts stax; never a value.
#[derive(Parser)]
#[command(
    name = "stax",
    version,
    max_term_width = 100,
    propagate_version = false
)]
struct Cli {
    #[command(flatten)]
    global: GlobalOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Args)]
struct GlobalOptions {
    /// Run as if started in this folder
    #[arg(short = 'C', value_name = "DIR", global = true)]
    directory: Option<PathBuf>,
    /// Say less: no notes and no next steps
    #[arg(short, long, global = true)]
    quiet: bool,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    color: clap::ColorChoice,
}

#[derive(clap::Subcommand)]
enum Command {
    Demo(demo::Args),
    /// Secrets of this repository
    #[command(subcommand)]
    Secrets(secrets::Secrets),
    /// Which files hold the environments of this repository
    #[command(subcommand)]
    Vault(vault::VaultCommand),
    Allow(allow::Args),
    /// Print the completions of a shell
    Completions {
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
    #[command(subcommand, hide = true)]
    Git(git::Git),
}

/// The whole command line, for who wants to know whether something can be typed.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// What git calls
// git does it once a blob, so that of the command line only this part is built
#[derive(Parser)]
#[command(name = "stax", bin_name = "stax git")]
struct GitCli {
    #[command(flatten)]
    global: GlobalOptions,
    #[command(subcommand)]
    command: git::Git,
}

impl From<GitCli> for Cli {
    fn from(GitCli { global, command }: GitCli) -> Self {
        Self {
            global,
            command: Command::Git(command),
        }
    }
}

/// Runs the command that argv names.
pub fn main() -> ExitCode {
    crate::process::forbid_core_files();
    trace::begin();
    let mut words = std::env::args_os().skip(1).peekable();
    let cli = match words.peek() {
        Some(word) if word == "git" => parsed::<GitCli>(words.collect(), " git").into(),
        _ => parsed::<Cli>(words::written_out(std::env::args_os().collect()), ""),
    };
    let ui = Ui::new(cli.global.quiet, cli.global.color);
    // git reads the codes of these its own way
    let is_for_git = matches!(cli.command, Command::Git(_));
    let exit = cli.run(&ui).unwrap_or_else(|failure| ui.failure(&failure));
    trace::step("cli", || {
        // nothing else tells the number
        let code: String = format!("{exit:?}")
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        format!("ends with {code}")
    });
    if is_for_git { exit } else { ui.end(exit) }
}

/// Of the words only the names of commands are traced: an argument may be anything.
fn parsed<T: Parser>(words: Vec<OsString>, above: &str) -> T {
    let mut matches = T::command()
        .try_get_matches_from(&words)
        .unwrap_or_else(|mut error| {
            words::point_right(&mut error, &words);
            error.exit()
        });
    trace::step("cli", || {
        let (mut names, mut inner) = (format!("{}{above}", env!("CARGO_PKG_VERSION")), &matches);
        while let Some((name, below)) = inner.subcommand() {
            names = format!("{names} {name}");
            inner = below;
        }
        format!("stax {names}")
    });
    T::from_arg_matches_mut(&mut matches)
        .unwrap_or_else(|error| error.format(&mut T::command()).exit())
}

impl Cli {
    fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        if let Some(directory) = &self.global.directory {
            std::env::set_current_dir(directory)
                .map_err(|error| Failure::usage(format!("{}: {error}", directory.display())))?;
        }
        match self.command {
            Command::Demo(args) => args.run(ui),
            Command::Secrets(command) => command.run(ui),
            Command::Vault(command) => command.run(ui),
            Command::Allow(args) => args.run(ui),
            Command::Git(command) => command.run(ui),
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Self::command(), "stax", &mut script);
                ui.bytes(&script)?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Man => {
                let mut page = Vec::new();
                clap_mangen::Man::new(Self::command()).render(&mut page)?;
                ui.bytes(&page)?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}
