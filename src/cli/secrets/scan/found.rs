//! What a search found, one finding for each value and path.

use std::collections::BTreeMap;

use crate::leak::{COMMITTED, HERE, LeakGuard, Match, Matches};
use crate::repo::Commit;
use crate::verify::Finding;
use crate::verify::rules::{leaked_key_in, leaked_name, leaked_value};
use crate::workspace::history::day;

/// Where bytes were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ReadFrom {
    Disk,
    Index,
    Commit,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum HitKind {
    Value(usize),
    /// A value in the path itself.
    Name(usize),
    AgeKey,
}

/// The first text of a place that holds it.
pub(super) struct FirstHit {
    /// `None` for what the path says.
    pub(super) line: Option<usize>,
    /// `None` for a key of age, and for what the path says.
    pub(super) found: Option<Match>,
    /// The oldest that holds it.
    pub(super) commit: Option<Commit>,
    /// Texts of this path that hold it.
    pub(super) texts: usize,
}

pub(super) type Hit<'h> = (&'h HitKind, &'h str, &'h BTreeMap<ReadFrom, FirstHit>);

pub(super) struct ScanHits<'g> {
    guard: &'g LeakGuard,
    hits: BTreeMap<(String, HitKind), BTreeMap<ReadFrom, FirstHit>>,
    /// Files on disk and blobs that were searched.
    pub(super) files: usize,
    pub(super) blobs: usize,
    pub(super) commits: usize,
    /// What was too large or could not be read.
    pub(super) unread: Vec<String>,
    /// The clone does not hold all of it.
    pub(super) is_partial: bool,
    /// Keys of age that `.stax/vault.json` accepts.
    pub(super) accepted: usize,
}

impl<'g> ScanHits<'g> {
    pub(super) fn new(guard: &'g LeakGuard) -> Self {
        let (hits, unread) = (BTreeMap::new(), Vec::new());
        Self {
            guard,
            hits,
            files: 0,
            blobs: 0,
            commits: 0,
            unread,
            is_partial: false,
            accepted: 0,
        }
    }

    /// Notes what one text holds; `commit` is asked for only where that is told.
    pub(super) fn note<E>(
        &mut self,
        place: ReadFrom,
        path: &str,
        matches: &Matches,
        commit: &dyn Fn() -> Result<Option<Commit>, E>,
    ) -> Result<(), E> {
        let values = matches
            .values
            .iter()
            .map(|found| (HitKind::Value(found.value), Some(found.line), Some(*found)));
        let keys = matches
            .age_key
            .map(|line| (HitKind::AgeKey, Some(line), None));
        let named = self.guard.search(path.as_bytes()).values;
        let names = named
            .iter()
            .map(|found| (HitKind::Name(found.value), None, None));
        for (what, line, found) in values.chain(keys).chain(names) {
            let places = self.hits.entry((path.to_owned(), what)).or_default();
            match places.get_mut(&place) {
                Some(first) => first.texts += 1,
                None => {
                    places.insert(
                        place,
                        FirstHit {
                            line,
                            found,
                            commit: commit()?,
                            texts: 1,
                        },
                    );
                }
            }
        }
        Ok(())
    }

    /// By path.
    pub(super) fn hits(&self) -> impl Iterator<Item = Hit<'_>> {
        self.hits
            .iter()
            .map(|((path, what), places)| (what, path.as_str(), places))
    }

    /// The finding of a hit, with a line for each place.
    pub(super) fn finding(&self, (what, path, places): Hit<'_>) -> Finding {
        let is_published = places.contains_key(&ReadFrom::Commit);
        let fix = if is_published { COMMITTED } else { HERE };
        let mut finding = match what {
            HitKind::AgeKey => leaked_key_in(&self.guard.hide(path)),
            HitKind::Value(value) => {
                let is_password = places
                    .values()
                    .all(|first| first.found.is_some_and(|it| it.is_password));
                leaked_value(self.guard, path, *value, is_password).fix(fix)
            }
            HitKind::Name(value) => leaked_name(self.guard, path, *value).fix(fix),
        };
        finding.line = places.values().next().and_then(|first| first.line);
        let lines = places
            .iter()
            .flat_map(|(place, first)| told(*place, path, first));
        finding.detail = lines.map(|line| self.guard.hide(&line)).collect();
        // as the work tree has it, so the commit does
        finding.detail.dedup();
        finding
    }
}

/// `app/config.py:12  base64`, then where.
fn told(place: ReadFrom, path: &str, first: &FirstHit) -> Vec<String> {
    let how = first
        .found
        .and_then(|found| found.how())
        .map(|how| format!("  {how}"))
        .unwrap_or_default();
    let staged = if place == ReadFrom::Index {
        " (staged)"
    } else {
        ""
    };
    // in a log of GitHub a line that begins with `::` would be a command
    let here = if path.starts_with("::") { "./" } else { "" };
    let line = first
        .line
        .map(|line| format!(":{line}"))
        .unwrap_or_default();
    let mut lines = vec![format!("{here}{path}{line}{staged}{how}")];
    lines.extend(first.commit.as_ref().map(|commit| {
        let more = if first.texts > 1 {
            format!(", and in {} later versions", first.texts - 1)
        } else {
            String::new()
        };
        let (short, day, who) = (
            commit.id.short(),
            day(commit.author_time),
            &commit.author_name,
        );
        format!(
            "in commit {short} of {day}, {who}: {}{more}",
            commit.summary
        )
    }));
    lines
}
