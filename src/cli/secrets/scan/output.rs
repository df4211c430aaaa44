//! How a search is told: findings and a summary for people, or JSON.

use serde_json::{Value, json};

use super::found::{Hit, HitKind, ReadFrom, ScanHits};
use crate::cli::escape::Escaped;
use crate::cli::failure::Failure;
use crate::cli::secrets::verify::count;
use crate::cli::ui::Ui;
use crate::leak::LeakGuard;
use crate::verify::Also;
use crate::workspace::history::day;
use crate::workspace::leaks::Values;

/// Names of files that a warning gives.
const SHOWN: usize = 5;

pub(super) struct ScanReport<'a> {
    pub(super) found: &'a ScanHits<'a>,
    pub(super) guard: &'a LeakGuard,
    pub(super) values: &'a Values,
    pub(super) is_keyless: bool,
}

impl ScanReport<'_> {
    pub(super) fn print(&self, as_json: bool, ui: &Ui) -> Result<(), Failure> {
        if as_json {
            ui.json(&self.json())?;
        } else {
            self.findings(ui);
            ui.line(self.summary());
        }
        self.warn(ui);
        Ok(())
    }

    fn findings(&self, ui: &Ui) {
        let mut told = false;
        for hit in self.found.hits() {
            let finding = self.found.finding(hit);
            let mut more = finding.detail.clone();
            if finding.rule.is(Also::Plaintext) && !std::mem::replace(&mut told, true) {
                more.push(format!("why: {}", finding.rule.why));
            }
            more.extend(finding.fix.iter().map(|fix| format!("fix: {fix}")));
            ui.finding(
                finding.severity,
                &finding.rule.to_string(),
                &finding.message,
                &more,
                false,
            );
        }
    }

    /// `28 values of 3 files looked for in 5,012 files, 40 versions of 12 commits: nothing found`
    fn summary(&self) -> String {
        let ScanHits {
            files,
            blobs,
            commits,
            ..
        } = self.found;
        let what = match self.guard.tally().looked_for {
            0 => "keys of age".to_owned(),
            values => format!(
                "{} of {}",
                count(values, "value"),
                count(self.values.opened.len(), "file")
            ),
        };
        let mut places = Vec::new();
        if *files > 0 {
            places.push(count(*files, "file"));
        }
        if *blobs > 0 || *files == 0 {
            let of = if *commits > 0 {
                format!(" of {}", count(*commits, "commit"))
            } else {
                String::new()
            };
            places.push(format!("{}{of}", count(*blobs, "version")));
        }
        let found = match self.found.hits().count() {
            0 => "nothing found".to_owned(),
            hits => format!("{hits} found"),
        };
        format!("{what} looked for in {}: {found}", places.join(" and "))
    }

    /// What was not looked for, and where nobody looked.
    fn warn(&self, ui: &Ui) {
        let (tally, values) = (self.guard.tally(), self.values);
        if tally.weak > 0 {
            let are = if tally.all() == 1 {
                "value is"
            } else {
                "values are"
            };
            ui.note(format!(
                "{} of {} {are} too short or too ordinary to look for",
                tally.weak,
                tally.all()
            ));
        }
        if tally.skipped > 0 {
            ui.note(format!(
                "{} left out by your stax.scanSkip",
                count(tally.skipped, "value")
            ));
        }
        if self.is_keyless {
            ui.note("no key used: only secret keys of age were looked for");
        } else if values.files() == 0 && values.damaged.is_empty() {
            ui.note("no SOPS file here: only secret keys of age were looked for");
        }
        if !values.locked.is_empty() && !values.opened.is_empty() {
            let (of, them) = (values.files(), list(self.shown(&values.locked).into_iter()));
            ui.warning(format!(
                "no key at hand opens {} of {of} files, so their values are not looked for: {them}",
                values.locked.len()
            ));
        }
        for (path, why) in values.damaged.iter().take(SHOWN) {
            let path = self.guard.hide(path);
            ui.warning(format!(
                "{}: {}; what does not open is not looked for",
                Escaped(&path),
                Escaped(why)
            ));
        }
        if !self.found.unread.is_empty() {
            ui.warning(format!(
                "not looked into: {}",
                list(self.shown(&self.found.unread).into_iter())
            ));
        }
        if values.missing > 0 {
            let files = count(values.missing, "file");
            ui.warning(format!(
                "values of {files} are not looked for: this clone lacks them; git fetch --refetch --no-filter"
            ));
        }
        if self.found.is_partial {
            ui.warning("this clone holds not all history: what it lacks was not looked into");
        }
        if self.found.accepted > 0 {
            ui.note(format!(
                "{} accepted in .stax/vault.json",
                count(self.found.accepted, "secret key")
            ));
        }
    }

    fn json(&self) -> Value {
        let (tally, values, found) = (self.guard.tally(), self.values, self.found);
        let damaged = values
            .damaged
            .iter()
            .map(|(path, why)| json!({"path": self.guard.hide(path), "why": why}));
        json!({
            "schema": 1,
            "findings": found.hits().map(|hit| self.hit(hit)).collect::<Vec<_>>(),
            "values": {"looked_for": tally.looked_for, "weak": tally.weak, "skipped": tally.skipped},
            "files": {"opened": self.shown(&values.opened), "locked": self.shown(&values.locked), "damaged": damaged.collect::<Vec<_>>()},
            "searched": {"files": found.files, "versions": found.blobs, "commits": found.commits, "not_looked_into": self.shown(&found.unread)},
            "keyless": self.is_keyless,
            "history_is_complete": !found.is_partial,
        })
    }

    /// A path may hold a value too.
    fn shown<'p>(&self, names: impl IntoIterator<Item = &'p String>) -> Vec<String> {
        names
            .into_iter()
            .map(|name| self.guard.hide(name))
            .collect()
    }

    fn hit(&self, hit: Hit<'_>) -> Value {
        let finding = self.found.finding(hit);
        let (what, _, places) = hit;
        let name = match what {
            HitKind::Value(value) | HitKind::Name(value) => Some(self.guard.name(*value)),
            HitKind::AgeKey => None,
        };
        let place = |place: &ReadFrom| match place {
            ReadFrom::Disk => "disk",
            ReadFrom::Index => "index",
            ReadFrom::Commit => "commit",
        };
        let places = places.iter().map(|(at, first)| {
            let commit = first.commit.as_ref().map(|commit| {
                json!({"id": commit.id.to_string(), "date": day(commit.author_time), "author": self.guard.hide(&commit.author_name), "summary": self.guard.hide(&commit.summary)})
            });
            let form = first.found.map(|found| found.form.id());
            json!({"place": place(at), "line": first.line, "form": form, "count": first.found.map(|it| it.count), "texts": first.texts, "first_commit": commit})
        });
        json!({
            "rule": finding.rule.id,
            "name": finding.rule.name,
            "severity": finding.severity.to_string(),
            "path": finding.path,
            "key": name.map(|name| &name.key),
            "file": name.map(|name| &name.file),
            "env": name.and_then(|name| name.env.as_ref()),
            "older_value": name.is_some_and(|name| name.is_old),
            "message": finding.message,
            "fix": finding.fix,
            "places": places.collect::<Vec<_>>(),
        })
    }
}

/// The first few, and how many more there are.
fn list(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(SHOWN);
    let mut shown: Vec<String> = names
        .take(SHOWN)
        .map(|name| Escaped(&name).to_string())
        .collect();
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    shown.join(", ")
}
