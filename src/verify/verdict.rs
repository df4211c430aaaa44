//! What `verify` says here in one line, for the commands that show it among other things: `status`,
//! `init` and `vault link`. They ask the same judge, so none of them shows a mark that `verify`
//! contradicts.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::error::VerifyError;
use super::facts::{FileFacts, InClone, TreeFile};
use super::finding::Finding;
use super::options::Options;
use super::report::{count, found};
use super::rule::Severity;
use super::source::TreeSource;
use super::state::{OfHistory, TreeCheck};
use super::tree::{self, OpenedCount};
use crate::workspace::{Caller, Workspace};

/// Nobody waits longer for the history in a summary.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// What `verify` finds in the work tree and behind HEAD.
pub struct Verdict {
    /// The worst first.
    pub findings: Vec<Finding>,
    pub files: usize,
    pub opened: OpenedCount,
    /// Files that could not be read.
    unread: usize,
    pub history: Looked,
}

/// How much of the history was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    Whole,
    /// The clone is shallow or lacks versions.
    Partly,
    /// It takes longer than anybody waits for a summary.
    NotAtAll,
}

enum VerifyPart {
    Tree {
        findings: Vec<Finding>,
        files: usize,
        opened: OpenedCount,
        unread: usize,
    },
    History(OfHistory),
}

/// Judges the work tree, and the history as far as that takes no longer than `patience`. `bound` is
/// taken as bound in `.stax/vault.json`, which may not be written yet.
///
/// A thread of its own judges, and is left behind when the history takes longer: it writes nothing,
/// and ends with the process. While it runs this thread only waits.
pub fn verdict(patience: Duration, bound: Option<&str>) -> Result<Verdict, VerifyError> {
    let (sender, steps) = mpsc::channel();
    let bound = bound.map(str::to_owned);
    std::thread::spawn(move || {
        let send = |step| sender.send(step).is_ok();
        if let Err(failure) = judge_in_steps(bound.as_deref(), &|step| send(Ok(step))) {
            send(Err(failure));
        }
    });
    let VerifyPart::Tree {
        mut findings,
        files,
        opened,
        unread,
    } = steps.recv().map_err(|_| VerifyError::Ended)??
    else {
        return Err(VerifyError::Ended);
    };
    let history = match steps.recv_timeout(patience) {
        Ok(Ok(VerifyPart::History(of_history))) => {
            findings.extend(of_history.findings);
            if of_history.is_partial {
                Looked::Partly
            } else {
                Looked::Whole
            }
        }
        Ok(Err(failure)) => return Err(failure),
        Err(RecvTimeoutError::Timeout) => Looked::NotAtAll,
        Ok(Ok(VerifyPart::Tree { .. })) | Err(RecvTimeoutError::Disconnected) => {
            return Err(VerifyError::Ended);
        }
    };
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(Verdict {
        findings,
        files,
        opened,
        unread,
        history,
    })
}

/// Tells each step as soon as it is known, until nobody listens.
fn judge_in_steps(
    bound: Option<&str>,
    tell: &dyn Fn(VerifyPart) -> bool,
) -> Result<(), VerifyError> {
    // no question is asked for a summary
    let workspace = Workspace::open(None, Caller::Git)?;
    let mut state = TreeCheck::gather(&workspace, Options::default())?;
    if let Some(path) = bound {
        let facts = &mut state.gathered.facts;
        facts.has_vault = true;
        if !facts.files().any(|file| file.managed && file.path == path) {
            let was_there = facts
                .entries
                .iter()
                .position(|entry| entry.file.path == path);
            let mode = was_there.and_then(|at| facts.entries.remove(at).mode);
            let file = FileFacts::read(path, true, workspace.read(path)?.as_deref());
            let drivers = tree::drivers(&workspace, TreeSource::WorkTree, path)?;
            facts.entries.push(TreeFile {
                file,
                mode,
                drivers,
            });
        }
    }
    let opened = state.open()?;
    let (findings, _) = state.judge_tree(&InClone::NotAsked);
    let (files, unread) = (
        state.gathered.facts.entries.len(),
        state.gathered.unread.len(),
    );
    if tell(VerifyPart::Tree {
        findings,
        files,
        opened,
        unread,
    }) {
        tell(VerifyPart::History(state.judge_history()?));
    }
    Ok(())
}

impl Verdict {
    pub fn number(&self, severity: Severity) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    }

    /// The mark and the line. There is a ✓ only where everything was looked at and nothing is
    /// wrong.
    pub fn line(&self) -> (&'static str, String) {
        let (errors, warnings) = (self.number(Severity::Error), self.number(Severity::Warning));
        if self.files == 0 && self.findings.is_empty() {
            return (
                "?",
                "verify: no SOPS file here, so nothing was verified".to_owned(),
            );
        }
        let found = found(&self.findings);
        let unknown = match self.history {
            Looked::Whole => "",
            Looked::Partly => "; this clone lacks history, so who knew older data keys is unknown",
            Looked::NotAtAll => "; history not looked at: stax secrets verify",
        };
        let unread = match self.unread {
            0 => String::new(),
            unread => format!("; {} could not be read", count(unread, "file")),
        };
        let worst = match self.findings.as_slice() {
            [worst, ..] if errors == 1 => {
                format!("  {} {}: {}", worst.rule.id, worst.path, worst.message)
            }
            _ => String::new(),
        };
        let mark = match (errors, self.history, warnings) {
            (1.., ..) => "✗",
            (0, Looked::Partly | Looked::NotAtAll, _) => "?",
            _ if self.unread > 0 => "?",
            (0, Looked::Whole, 1..) => "!",
            (0, Looked::Whole, 0) => "✓",
        };
        (
            mark,
            format!("verify: {found} ({}){unknown}{unread}{worst}", self.depth()),
        )
    }

    /// `MAC and values checked in 2 of 3 files`
    fn depth(&self) -> String {
        match self.opened.checked {
            0 if self.opened.files == 0 => "keyless; MACs and values not checked".to_owned(),
            0 => "a key opens files here, and no MAC could be checked".to_owned(),
            checked if checked == self.files => {
                format!("MAC and values checked in {}", count(checked, "file"))
            }
            checked => format!(
                "MAC and values checked in {checked} of {}",
                count(self.files, "file")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::rule::RuleId;

    fn verdict(severities: &[Severity], history: Looked) -> Verdict {
        let finding = |severity: &Severity| {
            Finding::new(RuleId::K05, *severity, "f", "bob can still read 1 file")
        };
        let opened = OpenedCount {
            files: 1,
            checked: 1,
        };
        let findings = severities.iter().map(finding).collect();
        Verdict {
            findings,
            files: 2,
            opened,
            unread: 0,
            history,
        }
    }

    #[test]
    fn a_check_mark_says_that_everything_was_looked_at_and_nothing_is_wrong() {
        use Severity::{Error, Notice, Warning};
        let lacks = "; this clone lacks history, so who knew older data keys is unknown";
        let late = "; history not looked at: stax secrets verify";
        let of_bob = "  K05 f: bob can still read 1 file";
        for (severities, history, mark, start, end) in [
            (&[][..], Looked::Whole, "✓", "no finding", ""),
            (&[Notice], Looked::Whole, "✓", "1 notice", ""),
            (
                &[Warning, Notice],
                Looked::Whole,
                "!",
                "1 warning, 1 notice",
                "",
            ),
            (&[], Looked::Partly, "?", "no finding", lacks),
            (&[Warning], Looked::NotAtAll, "?", "1 warning", late),
            (
                &[Error, Warning],
                Looked::Whole,
                "✗",
                "1 error, 1 warning",
                of_bob,
            ),
            (&[Error, Error], Looked::NotAtAll, "✗", "2 errors", late),
        ] {
            let expected = format!("verify: {start} (MAC and values checked in 1 of 2 files){end}");
            assert_eq!(verdict(severities, history).line(), (mark, expected));
        }
        let unread = Verdict {
            unread: 1,
            ..verdict(&[], Looked::Whole)
        };
        let expected =
            "verify: no finding (MAC and values checked in 1 of 2 files); 1 file could not be read";
        assert_eq!(unread.line(), ("?", expected.to_owned()));
        let keyless = Verdict {
            opened: OpenedCount::default(),
            ..verdict(&[], Looked::Whole)
        };
        assert_eq!(
            keyless.line().1,
            "verify: no finding (keyless; MACs and values not checked)"
        );
        let empty = Verdict {
            files: 0,
            ..keyless
        };
        assert_eq!(
            empty.line(),
            (
                "?",
                "verify: no SOPS file here, so nothing was verified".to_owned()
            )
        );
    }
}
