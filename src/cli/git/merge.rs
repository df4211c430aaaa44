//! `stax git merge`: the merge driver. It ends with 0 only when the file is merged and valid, else
//! with 1.
//!
//! Everything happens in memory; what is written is encrypted, or the text merge that git itself
//! makes.

mod text;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sops_document::Format;
use sops_document::merge::marker;
use sops_document::tree;

use super::listed;
use crate::cli::escape::Escaped;
use crate::cli::failure::{Exit, Failure};
use crate::cli::ui::Ui;
use crate::inventory;
use crate::policy::content::mentions;
use crate::repo::Repo;
use crate::trace;
use crate::workspace::conflicts::{self, Blobs, Conflict, Other};
use crate::workspace::merge::{
    AsText, Circumstances, MergeOutcome, MergeSide, MergeVersions, approved, merge, readers_changed,
};
use crate::workspace::{Caller, MAX_FILE, keyring};

/// More keys than these are counted, not named.
const SHOWN: usize = 12;

/// Merge three versions of a secret file by key
#[derive(clap::Args)]
#[command(allow_hyphen_values = true)]
pub struct Args {
    /// %O: the version that both sides come from; empty when there is none
    base: PathBuf,
    /// %A: ours; the result is written here
    ours: PathBuf,
    /// %B
    theirs: PathBuf,
    /// %L: how long conflict markers are
    size: String,
    /// %P: where the file stands in the repository
    path: String,
    /// %S: what git calls the base
    #[arg(default_value = "%S")]
    base_label: String,
    /// %X
    #[arg(default_value = "%X")]
    ours_label: String,
    /// %Y
    #[arg(default_value = "%Y")]
    theirs_label: String,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        std::panic::set_hook(Box::new(|_| {}));
        trace::step("merge", || self.path.clone());
        let is_merged = self.contained(ui, || self.drive(ui));
        trace::step("merge", || {
            format!(
                "{}: {}",
                self.path,
                if is_merged { "merged" } else { "open" }
            )
        });
        Ok(if is_merged {
            ExitCode::SUCCESS
        } else {
            Exit::No.into()
        })
    }

    /// Whether it is merged; after a panic it is not, and markers say so.
    fn contained(&self, ui: &Ui, drive: impl FnOnce() -> bool) -> bool {
        catch_unwind(AssertUnwindSafe(drive)).unwrap_or_else(|_| {
            self.as_text(ui, "stax failed inside");
            false
        })
    }

    /// Whether the file is merged and nothing is open.
    fn drive(&self, ui: &Ui) -> bool {
        let repo = Repo::here().ok();
        // a partial clone may lack the policy of the other side, and `git merge` fetches as well
        repo.iter().for_each(Repo::let_git_fetch);
        let read = |path: &Path| {
            let is_small = fs::metadata(path).is_ok_and(|meta| meta.len() <= MAX_FILE as u64);
            fs::read(path)
                .ok()
                .filter(|_| is_small)
                .and_then(|bytes| String::from_utf8(bytes).ok())
        };
        let (Some(base), Some(ours), Some(theirs)) =
            (read(&self.base), read(&self.ours), read(&self.theirs))
        else {
            self.as_text(ui, "a version is no text, or too large");
            return false;
        };
        if ![&base, &ours, &theirs]
            .into_iter()
            .any(|text| is_sealed(text))
        {
            let conflicts = text::as_git(self, &[]);
            if conflicts.is_none() {
                text::merge(self);
            }
            return conflicts == Some(0);
        }
        let format = inventory::format_of(&self.path, ours.as_bytes());
        let versions = MergeVersions {
            format,
            base: (!base.is_empty()).then_some(&*base),
            ours: &ours,
            theirs: &theirs,
        };
        let keyring = keyring(repo.as_ref(), Caller::Git);
        let approved = repo
            .as_ref()
            .map(|repo| self.approved(repo))
            .unwrap_or_default();
        let outcome = match merge(&keyring, versions, self.circumstances(&approved)) {
            Ok(outcome) => outcome,
            Err(AsText::Tampered(side, what)) => {
                self.as_text(
                    ui,
                    &format!(
                        "{} is not authentic: {what}",
                        self.side(side, repo.as_ref())
                    ),
                );
                return self.keep(ui, repo.as_ref(), versions, Vec::new());
            }
            Err(AsText::NotSops(side, what)) => {
                self.as_text(ui, &format!("{}: {what}", self.side(side, repo.as_ref())));
                return self.keep(ui, repo.as_ref(), versions, Vec::new());
            }
            Err(error) => {
                self.as_text(ui, &error.to_string());
                return self.keep(ui, repo.as_ref(), versions, Vec::new());
            }
        };
        self.finish(ui, repo.as_ref(), versions, &outcome)
    }

    fn finish(
        &self,
        ui: &Ui,
        repo: Option<&Repo>,
        versions: MergeVersions<'_>,
        outcome: &MergeOutcome,
    ) -> bool {
        let open = outcome.open();
        let result = match open.is_empty() || self.is_virtual() {
            true => Some(outcome.text.clone()),
            false => marked(versions.format, &outcome.text, &open),
        };
        let Some(result) = result else {
            self.as_text(ui, &format!("conflict: {}", shown(&open)));
            return self.keep(ui, repo, versions, open);
        };
        if fs::write(&self.ours, &result).is_err() {
            self.as_text(ui, "the result cannot be written");
            return false;
        }
        if !self.is_virtual() {
            self.report(ui, repo, versions, outcome, &open);
        }
        if open.is_empty() {
            if let Some(repo) = repo.filter(|_| !self.is_virtual()) {
                conflicts::forget(repo, &self.path);
            }
            return true;
        }
        self.keep(ui, repo, versions, open)
    }

    /// Remembers what is open, and says with what it is settled.
    fn keep(
        &self,
        ui: &Ui,
        repo: Option<&Repo>,
        versions: MergeVersions<'_>,
        keys: Vec<String>,
    ) -> bool {
        let Some(repo) = repo.filter(|_| !self.is_virtual()) else {
            return false;
        };
        let path = shell_words::quote(&self.path);
        ui.hint(Escaped(&format!("stax secrets resolve {path}")).to_string());
        let name = |text: &str| repo.blob_name(text.as_bytes()).ok();
        if let (Some(ours), Some(theirs)) = (name(versions.ours), name(versions.theirs)) {
            let blobs = Blobs {
                base: versions.base.and_then(name),
                ours,
                theirs,
            };
            let conflict = Conflict {
                path: self.path.clone(),
                keys,
                blobs,
                settled: Vec::new(),
            };
            // without it the three versions are in the index until the next `git add`
            let _ = conflicts::keep(repo, &conflict, self.other());
        }
        false
    }

    fn report(
        &self,
        ui: &Ui,
        repo: Option<&Repo>,
        versions: MergeVersions<'_>,
        outcome: &MergeOutcome,
        open: &[String],
    ) {
        let changes = &outcome.changes;
        let mut parts = Vec::new();
        for (paths, side) in [
            (&changes.ours, MergeSide::Ours),
            (&changes.theirs, MergeSide::Theirs),
        ] {
            if !paths.is_empty() {
                let names: Vec<String> = paths.iter().map(ToString::to_string).collect();
                parts.push(format!("{} ({})", shown(&names), self.side(side, repo)));
            }
        }
        let merged = match outcome.whole {
            Some(side) => format!(
                "values of {} as they are, without a key",
                self.side(side, repo)
            ),
            None if parts.is_empty() => "no value changed".into(),
            None => format!("merged {}", parts.join(", ")),
        };
        let (joined, gone) = readers_changed(versions.format, versions.ours, &outcome.text);
        let readers = [("now also for ", joined), ("no more for ", gone)].into_iter();
        let readers: String = readers
            .filter(|(_, who)| !who.is_empty())
            .map(|(what, who)| format!("; {what}{}", shown(&who)))
            .collect();
        let fresh = if outcome.is_fresh {
            "; new data key, every value re-encrypted"
        } else {
            ""
        };
        let conflict = if open.is_empty() {
            String::new()
        } else {
            format!("; conflict: {}", shown(open))
        };
        self.say(ui, &format!("{merged}{readers}{fresh}{conflict}"));
        if !outcome.returned.is_empty() {
            let returned = shown(&outcome.returned);
            self.say(
                ui,
                &format!("the revert would give access back to {returned}; it did not"),
            );
        }
        if !outcome.unapproved.is_empty() {
            let (who, side) = (
                shown(&outcome.unapproved),
                self.side(MergeSide::Theirs, repo),
            );
            self.say(
                ui,
                &format!("{side} adds {who}, whom no .sops.yaml names; not wrapped to them"),
            );
        }
        if outcome.is_empty {
            self.say(
                ui,
                "together the sides remove every recipient; those of ours stay",
            );
        }
    }

    fn say(&self, ui: &Ui, text: &str) {
        let line = format!("stax: {}: {text}", self.path);
        ui.say(Escaped(&line).to_string());
    }

    fn as_text(&self, ui: &Ui, why: &str) {
        if !self.is_virtual() {
            self.say(ui, &format!("merged as text, not by key: {why}"));
        }
        text::merge(self);
    }

    /// Whom the policies of both sides name for the file.
    fn approved(&self, repo: &Repo) -> Vec<String> {
        let theirs = match self.other() {
            Other::Commit(name) => repo.commit_named(&name).ok(),
            Other::Stash => repo.commit_named("refs/stash").ok(),
            Other::Unknown => None,
        };
        let head = repo.head_commit().ok().flatten();
        approved(repo, &self.path, &[head, theirs])
    }

    fn circumstances<'a>(&self, approved: &'a [String]) -> Circumstances<'a> {
        let undoes = known(&self.theirs_label).map(|label| label.starts_with("parent of "));
        Circumstances {
            undoes,
            is_virtual: self.is_virtual(),
            approved,
        }
    }

    /// Whether git merges two merge bases into one.
    fn is_virtual(&self) -> bool {
        match known(&self.ours_label) {
            Some(label) => label.starts_with("Temporary merge branch"),
            // such markers are longer
            None => self.size.parse::<usize>().is_ok_and(|size| size > 7),
        }
    }

    /// A side as people call it.
    fn side(&self, side: MergeSide, repo: Option<&Repo>) -> String {
        let (label, otherwise) = match side {
            MergeSide::Base => (&self.base_label, "base"),
            MergeSide::Ours => (&self.ours_label, "ours"),
            MergeSide::Theirs => (&self.theirs_label, "theirs"),
        };
        match known(label) {
            Some("HEAD") => repo
                .and_then(Repo::head_branch)
                .unwrap_or_else(|| "HEAD".into()),
            Some(label) => label.to_owned(),
            None => otherwise.into(),
        }
    }

    /// What the open keys are bound to.
    fn other(&self) -> Other {
        let Some(label) = known(&self.theirs_label) else {
            return Other::Unknown;
        };
        if label == "Stashed changes" {
            return Other::Stash;
        }
        let label = label.strip_prefix("parent of ").unwrap_or(label);
        let word = label.split(' ').next().unwrap_or_default();
        let is_name = word.len() >= 7 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        // `git merge` tells which commit a branch is at
        let heads = std::env::vars().filter_map(|(name, value)| {
            let id = name.strip_prefix("GITHEAD_")?.to_owned();
            (value == label).then_some(id)
        });
        match heads.last() {
            Some(id) => Other::Commit(id),
            None if is_name => Other::Commit(word.to_owned()),
            None => Other::Unknown,
        }
    }
}

/// The document with its line of open keys; `None` where the format has no comments, or where the
/// line would change what is encrypted.
fn marked(format: Format, text: &str, open: &[String]) -> Option<String> {
    let marked = marker::mark(format, text, open)?;
    let parse = |text: &str| sops_document::Document::parse(format, text).ok();
    let (before, after) = (parse(text)?, parse(&marked)?);
    let meaning = |tree: &tree::Tree| -> Vec<(String, Vec<u8>)> {
        let leaves = tree.leaves().into_iter();
        leaves
            .map(|(path, _, leaf)| {
                (
                    path.to_string(),
                    leaf.scalar.plaintext().unwrap_or_default().to_vec(),
                )
            })
            .collect()
    };
    let by_comment = before
        .metadata()
        .selector
        .field()
        .0
        .ends_with("comment_regex");
    (meaning(before.tree()) == meaning(after.tree()) && !by_comment).then_some(marked)
}

/// Attributes of all repositories name files that are none of ours, and git merges those as ever.
/// What was once sealed has its metadata or tokens.
fn is_sealed(text: &str) -> bool {
    ["sops", "ENC["]
        .iter()
        .any(|word| mentions(text.as_bytes(), word.as_bytes()))
}

/// A label, where git knows them: before 2.44 it hands on the sign itself.
fn known(label: &str) -> Option<&str> {
    (!["%S", "%X", "%Y", ""].contains(&label)).then_some(label)
}

fn shown(names: &[String]) -> String {
    listed(names, SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_leaves_markers_around_both_sides() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("a version");
            path
        };
        let args = Args {
            base: file("o", "A: base\n"),
            ours: file("a", "A: ours\n"),
            theirs: file("b", "A: theirs\n"),
            size: "7".into(),
            path: "x.enc.yaml".into(),
            base_label: "%S".into(),
            ours_label: "HEAD".into(),
            theirs_label: "side".into(),
        };
        let ui = Ui::new(true, clap::ColorChoice::Never);
        assert!(args.contained(&ui, || true) && !args.contained(&ui, || false));
        assert_eq!(fs::read_to_string(&args.ours).expect("ours"), "A: ours\n");
        assert!(!args.contained(&ui, || panic!("inside")));
        let text = fs::read_to_string(&args.ours).expect("ours");
        for part in [
            "<<<<<<< HEAD\nA: ours\n",
            "A: base\n=======\nA: theirs\n",
            ">>>>>>> side\n",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
