//! What to commit after a change of many files, and how to take it back.

use std::path::PathBuf;

use super::People;
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::disk::Write;
use crate::workspace::Workspace;

/// More files are named in a list that git reads.
const NAMED: usize = 20;

/// Pathspecs of changed files.
#[derive(Default)]
struct Changed {
    /// Those to commit.
    paths: Vec<String>,
    /// Those of them that git does not know yet.
    new: Vec<String>,
    /// Those that git has as they were.
    back: Vec<String>,
    /// What has no exact way back, and why.
    no_way: Vec<String>,
}

impl People {
    /// What to commit and how to take it back. Where there is no exact way back, that is said.
    pub(in crate::cli::secrets) fn finish(
        &self,
        ui: &Ui,
        writes: &[Write],
        message: &str,
    ) -> Result<Vec<String>, Failure> {
        self.finish_beside(ui, writes, &[], message)
    }

    /// The same where files that somebody changed before belong into the same commit.
    pub(in crate::cli::secrets) fn finish_beside(
        &self,
        ui: &Ui,
        writes: &[Write],
        beside: &[&str],
        message: &str,
    ) -> Result<Vec<String>, Failure> {
        let changed = self.changed(writes, beside)?;
        let workspace = &self.workspace;
        let specs = |paths: &[String]| specs(workspace, paths);
        let mut next = vec!["git diff".to_owned()];
        if !changed.new.is_empty() {
            next.push(format!("git add {}", specs(&changed.new)));
        }
        if !changed.paths.is_empty() {
            next.push(format!(
                "git commit -m {} {}",
                quoted(message),
                specs(&changed.paths)
            ));
        }
        let mut undo = Vec::new();
        if !changed.back.is_empty() {
            undo.push(format!("git restore {}", specs(&changed.back)));
        }
        let left = changed.no_way.len().saturating_sub(NAMED);
        undo.extend(
            changed
                .no_way
                .into_iter()
                .take(NAMED)
                .map(|what| format!("none for {what}")),
        );
        undo.extend((left > 0).then(|| format!("none for {left} more")));
        ui.labelled("undo", &undo);
        Ok(next)
    }

    fn changed(&self, writes: &[Write], beside: &[&str]) -> Result<Changed, Failure> {
        let repo = self.workspace.repo()?;
        let is_first = repo.head_commit()?.is_none();
        let mut changed = Changed::default();
        for path in beside {
            if !repo.is_tracked(path)? {
                changed.new.push((*path).to_owned());
            }
            changed.paths.push((*path).to_owned());
        }
        for write in writes
            .iter()
            .filter(|write| write.before.as_ref() != Some(&write.after))
        {
            let path = write.path.to_string_lossy().into_owned();
            if !repo.is_tracked(&path)? {
                changed.no_way.push(format!("{path}: git does not have it"));
                // what its owner keeps out of git stays out of it
                let is_bound = || {
                    self.inventory
                        .file(&path)
                        .is_none_or(|file| file.target.env.is_some())
                };
                if is_first || is_bound() {
                    changed.new.push(path.clone());
                    changed.paths.push(path);
                }
                continue;
            }
            if repo.index_blob(&path)? == write.before {
                changed.back.push(path.clone());
            } else {
                changed
                    .no_way
                    .push(format!("{path}: it had changes that git does not have"));
            }
            changed.paths.push(path);
        }
        Ok(changed)
    }
}

/// Paths as arguments of git: by name, or in a list where they are many.
fn specs(workspace: &Workspace, paths: &[String]) -> String {
    let at_root = std::env::current_dir()
        .ok()
        .and_then(|here| here.canonicalize().ok())
        == workspace.root().canonicalize().ok();
    let quote = |text: &str| shell_words::quote(text).into_owned();
    if let Some(list) = list(workspace, paths) {
        let inside = list.strip_prefix(workspace.root()).ok().filter(|_| at_root);
        let list = inside.unwrap_or(&list).to_string_lossy().into_owned();
        return format!("--pathspec-from-file={}", quote(&list));
    }
    let spec = |path: &String| {
        if at_root {
            quote(path)
        } else {
            quote(&format!(":/{path}"))
        }
    };
    paths.iter().map(spec).collect::<Vec<_>>().join(" ")
}

/// `None` where a few names do, and where git would not read the list as it is meant.
fn list(workspace: &Workspace, paths: &[String]) -> Option<PathBuf> {
    if paths.len() <= NAMED || paths.iter().any(|path| path.contains(['\n', '\r'])) {
        return None;
    }
    let lines: String = paths
        .iter()
        .map(|path| format!(":(top,literal){path}\n"))
        .collect();
    workspace.keep_list(&lines).ok()
}

fn quoted(message: &str) -> String {
    if message.contains(['"', '$', '`', '\\', '!']) {
        shell_words::quote(message).into_owned()
    } else {
        format!("\"{message}\"")
    }
}
