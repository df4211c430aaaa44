//! Tools that manage the hooks of a repository. stax does not touch their files, it prints what to add.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::script::Name;
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::repo::Repo;

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// Scripts in a folder that `core.hooksPath` names, in the work tree.
    Folder,
    /// The same for all repositories of this person.
    Outside,
    Husky,
    Lefthook,
    /// `.pre-commit-config.yaml`, also of prek.
    PreCommit,
    /// `prek.toml`
    Prek,
}

#[derive(Debug)]
pub(super) struct Manager {
    kind: Kind,
    /// Where people write: a folder of scripts, or a configuration.
    place: PathBuf,
    /// git looks for hooks somewhere that is not of this clone.
    owns_folder: bool,
}

const FILES: [(&str, Kind); 10] = [
    ("lefthook.yml", Kind::Lefthook),
    ("lefthook.yaml", Kind::Lefthook),
    (".lefthook.yml", Kind::Lefthook),
    (".lefthook.yaml", Kind::Lefthook),
    ("lefthook.toml", Kind::Lefthook),
    ("lefthook.json", Kind::Lefthook),
    (".pre-commit-config.yaml", Kind::PreCommit),
    (".pre-commit-config.yml", Kind::PreCommit),
    ("prek.toml", Kind::Prek),
    (".husky", Kind::Husky),
];

impl Manager {
    pub(super) fn of(repo: &Repo) -> Result<Option<Self>, Failure> {
        let folder = repo.hooks_dir()?;
        let real = real(&folder);
        if !real.starts_with(self::real(&repo.common_dir())) {
            let is_husky = folder.components().any(|part| part.as_os_str() == ".husky");
            // husky owns `_`; people write beside it
            let place = match folder.parent() {
                Some(parent) if folder.ends_with("_") => parent.to_owned(),
                _ => folder,
            };
            let inside = real.starts_with(self::real(repo.root()));
            let kind = match (is_husky, inside) {
                (true, true) => Kind::Husky,
                (false, true) => Kind::Folder,
                (_, false) => Kind::Outside,
            };
            return Ok(Some(Self { kind, place, owns_folder: true }));
        }
        let there = FILES.into_iter().map(|(name, kind)| (repo.root().join(name), kind));
        let found = there.into_iter().find(|(path, _)| path.exists());
        Ok(found.map(|(place, kind)| Self { kind, place, owns_folder: false }))
    }

    pub(super) fn owns_folder(&self) -> bool {
        self.owns_folder
    }

    fn has_scripts(&self) -> bool {
        matches!(self.kind, Kind::Folder | Kind::Outside | Kind::Husky)
    }

    /// Where people make it run one hook.
    pub(super) fn place(&self, name: Name) -> PathBuf {
        if self.has_scripts() { self.place.join(name.text()) } else { self.place.clone() }
    }

    /// Whether it runs stax, as far as its text tells.
    pub(super) fn calls(&self, name: Name) -> bool {
        let place = self.place(name);
        let Ok(bytes) = fs::read(&place) else { return false };
        if self.has_scripts() {
            // husky starts a shell itself; git ignores what is not executable
            let runs = fs::metadata(&place).is_ok_and(|meta| meta.permissions().mode() & 0o111 != 0);
            return name.is_called_in(&bytes) && (runs || self.kind == Kind::Husky);
        }
        let text = String::from_utf8_lossy(&bytes);
        let says =
            |word: &str| text.lines().any(|line| !line.trim_start().starts_with('#') && line.contains(word));
        match (name, &self.kind) {
            (Name::PreMergeCommit, Kind::Lefthook) => says(name.text()) && name.is_called_in(&bytes),
            (_, Kind::Lefthook) => name.is_called_in(&bytes),
            (Name::PreCommit | Name::PreMergeCommit, _) => says("stax-verify") || name.is_called_in(&bytes),
            (Name::PrePush, _) => says("stax secrets verify --keyless --range") || name.is_called_in(&bytes),
            (Name::CommitMsg, _) => name.is_called_in(&bytes),
        }
    }

    /// Its files that call stax.
    pub(super) fn calling(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> =
            Name::ALL.iter().filter(|name| self.calls(**name)).map(|name| self.place(*name)).collect();
        paths.dedup();
        paths
    }

    /// The first half of a sentence that says whose the hooks are.
    pub(super) fn claim(&self) -> String {
        let place = self.place.display();
        match self.kind {
            Kind::Folder => format!("core.hooksPath leads to {place},"),
            Kind::Outside => format!("core.hooksPath leads to {place}, outside this repository,"),
            Kind::Husky => format!("husky runs the hooks of {place},"),
            Kind::Lefthook => format!("lefthook runs the hooks of {place},"),
            Kind::PreCommit => format!("pre-commit runs the hooks of {place},"),
            Kind::Prek => format!("prek runs the hooks of {place},"),
        }
    }

    /// The exact lines for these hooks.
    pub(super) fn advise(&self, ui: &Ui, names: &[Name]) {
        let (idle, new): (Vec<Name>, Vec<Name>) =
            names.iter().partition(|name| !self.owns_folder && self.calls(**name));
        if self.has_scripts() {
            for name in &new {
                let path = self.place(*name);
                let way = match (path.exists(), &self.kind) {
                    (true, _) => "add to",
                    (false, Kind::Husky) => "write",
                    (false, _) => "write, executable and behind #!/bin/sh,",
                };
                ui.labelled(&format!("{way} {}", path.display()), &[name.call()]);
            }
        } else if !new.is_empty() {
            ui.say(format!("add to {}:", self.place.display()));
            self.snippet(&new).lines().for_each(|line| ui.say(format!("  {line}")));
        }
        if !idle.is_empty() || !self.owns_folder {
            ui.labelled("then, in each clone", &[self.start()]);
        }
    }

    /// How its hooks come into a clone.
    fn start(&self) -> String {
        let types = Name::ALL.map(|name| format!("-t {}", name.text())).join(" ");
        match self.kind {
            Kind::Lefthook => "lefthook install".to_owned(),
            Kind::PreCommit => format!("pre-commit install {types}"),
            Kind::Prek => format!("prek install {types}"),
            Kind::Husky | Kind::Folder | Kind::Outside => "npx husky".to_owned(),
        }
    }

    fn snippet(&self, names: &[Name]) -> String {
        if self.kind == Kind::Lefthook {
            return names.iter().map(|name| lefthook(*name)).collect();
        }
        let has = |name: Name| names.contains(&name);
        let mut hooks = Vec::new();
        if has(Name::PreCommit) || has(Name::PreMergeCommit) {
            let stages = "pre-commit, pre-merge-commit";
            hooks.push(("stax-verify", "stax secrets verify --staged", stages, false));
        }
        if has(Name::PrePush) {
            hooks.push(("stax-push", "stax secrets verify --keyless --range", "pre-push", false));
        }
        if has(Name::CommitMsg) {
            hooks.push(("stax-message", "stax git hook commit-msg", "commit-msg", true));
        }
        let toml = self.kind == Kind::Prek;
        let head =
            if toml { "[[repos]]\nrepo = \"local\"\n" } else { "repos:\n  - repo: local\n    hooks:\n" };
        hooks.iter().fold(head.to_owned(), |text, (id, entry, stages, with_file)| {
            text + &if toml {
                let stages = stages.replace(", ", "\", \"");
                format!(
                    "\n[[repos.hooks]]\nid = \"{id}\"\nname = \"{id}\"\nentry = \"{entry}\"\nlanguage = \"system\"\n\
                     always_run = true\npass_filenames = {with_file}\nstages = [\"{stages}\"]\n"
                )
            } else {
                format!(
                    "      - id: {id}\n        name: {id}\n        entry: {entry}\n        language: system\n        \
                     always_run: true\n        pass_filenames: {with_file}\n        stages: [{stages}]\n"
                )
            }
        })
    }
}

/// A hook of `lefthook.yml`.
fn lefthook(name: Name) -> String {
    let (run, more) = match name {
        Name::PreCommit | Name::PreMergeCommit => (name.call(), ""),
        Name::PrePush => ("stax git hook pre-push {1} {2}", "      use_stdin: true\n"),
        Name::CommitMsg => ("stax git hook commit-msg {1}", ""),
    };
    format!("{}:\n  commands:\n    stax:\n      run: {run}\n{more}", name.text())
}

/// With all links followed, also where the end of the path is not there yet.
fn real(path: &Path) -> PathBuf {
    let mut rest = Vec::new();
    for folder in path.ancestors() {
        if let Ok(real) = folder.canonicalize() {
            return rest.iter().rev().fold(real, |path, name| path.join(name));
        }
        rest.extend(folder.file_name());
    }
    path.to_owned()
}
