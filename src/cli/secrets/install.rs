//! `stax secrets install`: what git needs in this clone to call stax. Nothing of it is committed.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::repo::Repo;

const HOOK: &str = include_str!("../../../hooks/pre-commit");
/// A hook with this line is ours to replace.
const MARKER: &str = "# stax-hook v1";
/// What a hook of somebody else must run.
const CHECK: &str = "stax secrets verify --staged";
const TEXTCONV: &str = "diff.stax.textconv";
const MERGE: &str = "merge.stax.driver";
/// The key at the top level, as the heading of a hunk: of YAML and dotenv, then of indented JSON.
const XFUNCNAME: &str = "^\"?([A-Za-z_][^:=\"]*)\"?[ \t]*[:=]\n^[ \t]{1,4}\"([^\"]+)\"[ \t]*:";

/// Install the diff and merge drivers and the hook into this clone
///
/// Repeat it after moving stax or the clone. Hooks of others are never touched.
#[derive(clap::Args)]
pub struct Args {}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let repo = Repo::discover(Path::new("."))?;
        install(&repo)?.report(ui);
        Ok(ExitCode::SUCCESS)
    }
}

/// What guards `git commit` in this clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Hook {
    /// Ours, as this stax writes it.
    Installed,
    /// Ours, of another version or for another place of stax, or not executable.
    Outdated,
    /// Somebody else's, and it runs our check.
    Chained,
    /// Somebody else's file, or the place where their hook manager reads one.
    Foreign(PathBuf),
    Absent,
}

/// The state after an installation.
pub(in crate::cli) struct Installed {
    pub(in crate::cli) hook: Hook,
}

impl Installed {
    /// One line, and what is left to do by hand.
    pub(in crate::cli) fn report(&self, ui: &Ui) {
        let Hook::Foreign(file) = &self.hook else {
            return ui.line("installed  diff and merge drivers; hook pre-commit   (this clone only)");
        };
        ui.line("installed  diff and merge drivers   (this clone only)");
        ui.warning(format!(
            "{} is not stax's and was left alone; `git commit` is not checked",
            file.display()
        ));
        ui.labelled("add this line to it", &[CHECK]);
    }
}

/// Writes the drivers into the repository's configuration and the pre-commit hook beside it.
pub(in crate::cli) fn install(repo: &Repo) -> Result<Installed, Failure> {
    let program = program()?;
    set(repo, TEXTCONV, &textconv(&program))?;
    // a cache would put plaintext into the object store
    set(repo, "diff.stax.cachetextconv", "false")?;
    set(repo, "diff.stax.xfuncname", XFUNCNAME)?;
    // the command first: a named driver without one makes git stop
    set(repo, MERGE, &merge_driver(&program))?;
    set(repo, "merge.stax.name", "stax: SOPS documents, key by key")?;
    let text = hook_text(&program);
    let file = hook_file(repo)?;
    let mut hook = inspect(&file, &text)?;
    if matches!(hook, Hook::Absent | Hook::Outdated) {
        write_hook(&file.path, &text)
            .map_err(|error| Failure::usage(format!("{}: {error}", file.path.display())))?;
        hook = Hook::Installed;
    }
    Ok(Installed { hook })
}

/// Whether git calls stax for diffs and for merges in this clone, and what guards its commits.
pub(in crate::cli) fn state(repo: &Repo) -> Result<(bool, bool, Hook), Failure> {
    let calls = |name: &str, command: &str| -> Result<bool, Failure> {
        Ok(repo.config_string(name)?.is_some_and(|text| text.contains(command)))
    };
    let hook = inspect(&hook_file(repo)?, &hook_text(&program()?))?;
    Ok((calls(TEXTCONV, "git textconv")?, calls(MERGE, "git merge ")?, hook))
}

fn set(repo: &Repo, name: &str, value: &str) -> Result<(), Failure> {
    if repo.config_multi(name)? != [value] {
        repo.unset_config(name)?;
        repo.set_config(name, value)?;
    }
    Ok(())
}

fn program() -> Result<String, Failure> {
    let path = std::env::current_exe()?;
    path.into_os_string().into_string().map_err(|path| {
        Failure::usage(format!("git cannot be told of `{}`: its path is not UTF-8", path.display()))
    })
}

/// Within double quotes of a shell.
fn quoted(program: &str) -> String {
    let mut quoted = String::with_capacity(program.len());
    for c in program.chars() {
        if matches!(c, '\\' | '"' | '$' | '`') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}

/// git stops in the middle of a diff when a textconv fails, so this one ends with `cat`.
fn textconv(program: &str) -> String {
    let quoted = quoted(program);
    format!(
        "f(){{ \"{quoted}\" git textconv \"$1\" 2>/dev/null || stax git textconv \"$1\" 2>/dev/null || cat \"$1\"; }}; f"
    )
}

/// Where no stax answers with 0 or 1, git's own text merge leaves its markers: without them the other
/// side would be lost with the next `git add`. git reads `%%` as `%`.
fn merge_driver(program: &str) -> String {
    let quoted = quoted(program).replace('%', "%%");
    format!(
        "f(){{ for s in \"{quoted}\" stax; do command -v \"$s\" >/dev/null 2>&1 || continue; \
         \"$s\" git merge \"$@\"; case $? in 0) return 0;; 1) return 1;; esac; done; \
         echo \"stax: not found, $5 is merged as text\" >&2; \
         git merge-file --diff3 --marker-size \"$4\" -L \"$7\" -L \"$6\" -L \"$8\" \"$2\" \"$1\" \"$3\" \
         && {{ echo '<<<<<<< merged as text'; echo '======='; echo '>>>>>>> its MAC is wrong'; }} >>\"$2\"; \
         return 1; }}; f %O %A %B %L %P %S %X %Y"
    )
}

fn hook_text(program: &str) -> String {
    HOOK.replacen("@STAX@", &format!("'{}'", program.replace('\'', r"'\''")), 1)
}

struct HookFile {
    path: PathBuf,
    /// `core.hooksPath` leads elsewhere: to a hook manager of this repository or to hooks of all.
    is_managed: bool,
}

fn hook_file(repo: &Repo) -> Result<HookFile, Failure> {
    let folder = repo.hooks_dir()?;
    let is_managed = folder != repo.common_dir().join("hooks");
    // husky owns `_`; people write beside it
    let folder = match folder.parent() {
        Some(parent) if is_managed && folder.ends_with("_") => parent.to_owned(),
        _ => folder,
    };
    Ok(HookFile { path: folder.join("pre-commit"), is_managed })
}

fn inspect(file: &HookFile, wanted: &str) -> Result<Hook, Failure> {
    let failed = |error: io::Error| Failure::usage(format!("{}: {error}", file.path.display()));
    let foreign = || Ok(Hook::Foreign(file.path.clone()));
    let meta = match fs::symlink_metadata(&file.path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !file.is_managed => return Ok(Hook::Absent),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return foreign(),
        Err(error) => return Err(failed(error)),
    };
    // a link to a folder or a device has no text, and is not ours
    if !file.path.is_file() {
        return foreign();
    }
    let bytes = fs::read(&file.path).map_err(failed)?;
    let text = String::from_utf8_lossy(&bytes);
    let is_ours = meta.is_file() && !file.is_managed && text.lines().any(|line| line == MARKER);
    if !is_ours {
        let chained = text.lines().any(|line| !line.trim_start().starts_with('#') && line.contains(CHECK));
        return if chained { Ok(Hook::Chained) } else { foreign() };
    }
    let current = text == wanted && meta.permissions().mode() & 0o111 == 0o111;
    Ok(if current { Hook::Installed } else { Hook::Outdated })
}

fn write_hook(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o755))?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_leave_its_quotes() {
        let hostile = r#"/a b/$(x)`y`"z\'/stax"#;
        let command = textconv(hostile);
        assert!(command.starts_with(r#"f(){ "/a b/\$(x)\`y\`\"z\\'/stax" git textconv "$1""#), "{command}");
        let driver = merge_driver("/a%Ob/$(x)/stax");
        assert!(driver.starts_with(r#"f(){ for s in "/a%%Ob/\$(x)/stax" stax; do "#), "{driver}");
        assert!(driver.ends_with("return 1; }; f %O %A %B %L %P %S %X %Y"), "{driver}");
        let hook = hook_text(hostile);
        assert!(hook.contains("stax_program='/a b/$(x)`y`\"z\\'\\''/stax'\n"), "{hook}");
        assert_eq!(hook.lines().last(), Some(CHECK));
        assert!(hook.lines().any(|line| line == MARKER));
    }
}
