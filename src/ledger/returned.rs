//! K08 reader-returned and D13 value-returned: who reads a file again after a removal, and what is
//! in use again after it was replaced.
//!
//! A merge is judged by its ancestors: it lets somebody read whom a parent does not let read,
//! although they were removed and nobody added them after that. In a commit with one parent only
//! the data key is a proof: one that the file had before. Under a newer data key a reader was added
//! by somebody who holds it.

use std::collections::{BTreeSet, HashMap};

use super::lineage::Lineage;
use super::snapshot::Mark;
use super::{Epoch, Epochs, Snapshot};

/// Something that a turn brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Return {
    /// The place of the turn among those that were judged.
    pub turn: usize,
    pub what: Back,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Back {
    /// A reader whom the turn `removal` had taken out.
    Reader { recipient: String, removal: usize },
    /// A data key that the rotation of a turn had ended.
    DataKey { rotation: usize },
    /// Values by key, each with the turn that had replaced it.
    Values(Vec<(String, usize)>),
}

/// What the turns of each file did.
struct Deeds<'a> {
    /// By file and recipient; newest first.
    added: HashMap<(usize, &'a str), Vec<usize>>,
    removed: HashMap<(usize, &'a str), Vec<usize>>,
    /// By file, key and token.
    replaced: HashMap<(usize, &'a str, Mark), Vec<usize>>,
    restored: HashMap<(usize, &'a str, Mark), Vec<usize>>,
}

/// The judge, over all turns of some files.
pub struct Returns<'a> {
    lineage: &'a Lineage<'a>,
    epochs: Epochs,
    /// Of what each turn made.
    by_turn: Vec<Option<Epoch>>,
    by_epoch: HashMap<Epoch, Vec<usize>>,
    /// The turns that ended a data key of a file; newest first.
    ends: HashMap<(usize, Epoch), Vec<usize>>,
    deeds: Deeds<'a>,
}

impl<'a> Deeds<'a> {
    fn of(lineage: &'a Lineage<'a>) -> Self {
        let mut deeds = Self {
            added: HashMap::new(),
            removed: HashMap::new(),
            replaced: HashMap::new(),
            restored: HashMap::new(),
        };
        for (at, turn) in lineage.turns.iter().enumerate() {
            let Some(now) = &turn.now else { continue };
            let (file, before) = (lineage.file(at), held(lineage, at));
            for recipient in now
                .recipients
                .iter()
                .filter(|key| !before.iter().any(|old| reads(old, key)))
            {
                deeds.added.entry((file, recipient)).or_default().push(at);
            }
            let Some((first, others)) = before.split_first() else {
                continue;
            };
            let is_gone =
                |key: &&String| !reads(now, key) && others.iter().all(|old| reads(old, key));
            for recipient in first.recipients.iter().filter(is_gone) {
                deeds.removed.entry((file, recipient)).or_default().push(at);
            }
            deeds.note_values(file, at, now, &before);
        }
        deeds
    }

    fn note_values(&mut self, file: usize, at: usize, now: &'a Snapshot, before: &[&'a Snapshot]) {
        for (key, sealed) in &now.sealed {
            let old: Vec<Option<Mark>> = before.iter().map(|old| token(old, key)).collect();
            if !old.contains(&Some(sealed.mark)) {
                self.restored
                    .entry((file, key, sealed.mark))
                    .or_default()
                    .push(at);
            }
            if let Some(Some(mark)) = old.first()
                && *mark != sealed.mark
                && old.iter().all(|other| *other == Some(*mark))
            {
                self.replaced
                    .entry((file, key, *mark))
                    .or_default()
                    .push(at);
            }
        }
    }
}

/// What the parents of a turn hold, as far as they hold the file.
fn held<'a>(lineage: &'a Lineage<'a>, turn: usize) -> Vec<&'a Snapshot> {
    lineage
        .before(turn)
        .iter()
        .flatten()
        .map(|old| &**old)
        .collect()
}

fn reads(snapshot: &Snapshot, recipient: &str) -> bool {
    snapshot.recipients.contains(recipient)
}

fn token(snapshot: &Snapshot, key: &str) -> Option<Mark> {
    snapshot.sealed.get(key).map(|sealed| sealed.mark)
}

impl<'a> Returns<'a> {
    #[must_use]
    pub fn new(lineage: &'a Lineage<'a>) -> Self {
        let all: Vec<&Snapshot> = lineage
            .turns
            .iter()
            .flat_map(|turn| {
                turn.now
                    .iter()
                    .chain(turn.sides.iter().filter_map(|side| side.held.as_ref()))
            })
            .map(|snapshot| &**snapshot)
            .collect();
        let epochs = Epochs::of(&[], &all, &super::Insight::default());
        let mut returns = Self {
            lineage,
            by_turn: Vec::new(),
            by_epoch: HashMap::new(),
            ends: HashMap::new(),
            epochs,
            deeds: Deeds::of(lineage),
        };
        returns.note_epochs();
        returns
    }

    fn note_epochs(&mut self) {
        for (at, turn) in self.lineage.turns.iter().enumerate() {
            let epoch = turn.now.as_ref().and_then(|now| self.epochs.at(now));
            self.by_turn.push(epoch);
            if let Some(epoch) = epoch {
                self.by_epoch.entry(epoch).or_default().push(at);
            }
            let before: BTreeSet<Option<Epoch>> = held(self.lineage, at)
                .into_iter()
                .map(|old| self.epochs.at(old))
                .collect();
            // a merge of an older side with a newer one ends nothing
            if let (1, Some(Some(ended))) = (before.len(), before.first())
                && turn.now.is_some()
                && Some(*ended) != epoch
            {
                self.ends
                    .entry((self.lineage.file(at), *ended))
                    .or_default()
                    .push(at);
            }
        }
    }

    /// What the turns that count brought back. One that only carries on what an earlier of them did
    /// is none.
    #[must_use]
    pub fn found(&self, counts: &dyn Fn(usize) -> bool) -> Vec<Return> {
        let turns = (0..self.lineage.turns.len()).filter(|at| counts(*at));
        let all: Vec<Return> = turns.flat_map(|at| self.of_turn(at)).collect();
        let is_echo = |one: &Return| all.iter().any(|other| self.is_echo(one, other));
        all.iter().filter(|one| !is_echo(one)).cloned().collect()
    }

    fn of_turn(&self, at: usize) -> Vec<Return> {
        let turn = &self.lineage.turns[at];
        let Some(now) = &turn.now else {
            return Vec::new();
        };
        let back = match turn.sides.len() {
            0 => Vec::new(),
            1 => self.of_commit(at, now),
            _ => self.of_merge(at, now),
        };
        back.into_iter()
            .map(|what| Return { turn: at, what })
            .collect()
    }

    fn of_merge(&self, at: usize, now: &'a Snapshot) -> Vec<Back> {
        let is_denied = |recipient: &&String| {
            (0..self.lineage.before(at).len()).any(|side| self.is_denied(at, side, recipient))
        };
        let readers = now.recipients.iter().filter(is_denied);
        let back: Vec<Back> = readers
            .filter_map(|recipient| {
                let removal = self.removal(self.lineage.file(at), recipient, at)?;
                Some(Back::Reader {
                    recipient: recipient.clone(),
                    removal,
                })
            })
            .collect();
        if !back.is_empty() {
            return back;
        }
        let values = self.values(at, now);
        if values.is_empty() {
            Vec::new()
        } else {
            vec![Back::Values(values)]
        }
    }

    /// A parent does not let somebody read. Where it does not have the file it has taken it away,
    /// or never had it: then it counts when they were removed there before.
    fn is_denied(&self, at: usize, side: usize, recipient: &str) -> bool {
        if let Some(old) = &self.lineage.before(at)[side] {
            return !reads(old, recipient);
        }
        let (file, commit) = (
            self.lineage.file(at),
            &self.lineage.turns[at].sides[side].commit,
        );
        let removals = self.deeds.removed.get(&(file, recipient));
        removals.is_some_and(|turns| turns.iter().any(|turn| self.lineage.is_in(*turn, commit)))
            && !self
                .lineage
                .versions_at(commit, file)
                .any(|version| reads(version, recipient))
    }

    fn behind(&self, at: usize, turns: Option<&Vec<usize>>) -> Vec<usize> {
        let turns = turns.into_iter().flatten().copied();
        turns
            .filter(|turn| self.lineage.is_behind(*turn, at))
            .collect()
    }

    /// The newest removal of somebody behind a turn after which nobody added them.
    fn removal(&self, file: usize, recipient: &'a str, at: usize) -> Option<usize> {
        let removed = self.behind(at, self.deeds.removed.get(&(file, recipient)));
        let added = self.behind(at, self.deeds.added.get(&(file, recipient)));
        let now = |turn: usize| self.lineage.turns[turn].now.as_ref();
        // a removal that was picked or squashed elsewhere is the same one: it made the same bytes
        let is_followed = |removal: usize| {
            let same = removed.iter().filter(|other| now(**other) == now(removal));
            same.into_iter()
                .any(|same| added.iter().any(|add| self.lineage.is_behind(*same, *add)))
        };
        removed
            .iter()
            .copied()
            .find(|removal| !is_followed(*removal))
    }

    /// Values of a merge that a parent has replaced, while nobody brought them back after that.
    fn values(&self, at: usize, now: &'a Snapshot) -> Vec<(String, usize)> {
        let (file, before) = (self.lineage.file(at), held(self.lineage, at));
        let differs = |key: &str, mark: Mark| {
            before
                .iter()
                .any(|old| token(old, key).is_some_and(|other| other != mark))
        };
        let mut found = Vec::new();
        for (key, sealed) in now
            .sealed
            .iter()
            .filter(|(key, sealed)| differs(key, sealed.mark))
        {
            let replaced = self.behind(at, self.deeds.replaced.get(&(file, key, sealed.mark)));
            let restored = self.behind(at, self.deeds.restored.get(&(file, key, sealed.mark)));
            let is_final = |turn: &usize| {
                !restored
                    .iter()
                    .any(|back| self.lineage.is_behind(*turn, *back))
            };
            found.extend(
                replaced
                    .into_iter()
                    .find(is_final)
                    .map(|turn| (key.clone(), turn)),
            );
        }
        found
    }

    fn of_commit(&self, at: usize, now: &'a Snapshot) -> Vec<Back> {
        let before = self.lineage.before(at).first().cloned().flatten();
        let Some(epoch) = self.by_turn[at] else {
            return Vec::new();
        };
        let in_epoch = |snapshot: &Snapshot| self.epochs.at(snapshot) == Some(epoch);
        if before.as_deref().is_some_and(in_epoch) {
            return Vec::new();
        }
        let older = self.behind(at, self.by_epoch.get(&epoch));
        if older.is_empty() {
            return Vec::new();
        }
        let files: BTreeSet<usize> = older
            .into_iter()
            .map(|turn| self.lineage.file(turn))
            .collect();
        let parent = &self.lineage.turns[at].sides[0].commit;
        let mut back = Vec::new();
        for recipient in &now.recipients {
            let is_let = match &before {
                Some(old) => reads(old, recipient),
                None => self
                    .lineage
                    .any_at(parent, |other| in_epoch(other) && reads(other, recipient)),
            };
            let mut removals = files
                .iter()
                .filter_map(|file| self.removal(*file, recipient, at));
            if let Some(removal) = removals.next().filter(|_| !is_let) {
                back.push(Back::Reader {
                    recipient: recipient.clone(),
                    removal,
                });
            }
        }
        if back.is_empty() && before.is_some() {
            back.extend(
                self.ended(epoch, at)
                    .map(|rotation| Back::DataKey { rotation }),
            );
        }
        back
    }

    /// The newest turn of the same file that made another data key after this one.
    fn ended(&self, epoch: Epoch, at: usize) -> Option<usize> {
        self.behind(at, self.ends.get(&(self.lineage.file(at), epoch)))
            .first()
            .copied()
    }

    /// A merge lets somebody read whom a parent does not, and nothing that this clone holds added
    /// them.
    #[must_use]
    pub fn has_open_question(&self, commit: &str) -> bool {
        let turns = self.lineage.turns;
        let is_asked = |at: &usize| turns[*at].origin.commit == commit && turns[*at].is_merge();
        (0..turns.len()).filter(is_asked).any(|at| {
            let now = turns[at].now.as_deref();
            let readers = now.into_iter().flat_map(|now| &now.recipients);
            let denied = |recipient: &&String| {
                held(self.lineage, at)
                    .iter()
                    .any(|old| !reads(old, recipient))
            };
            readers.filter(denied).any(|recipient| {
                let added = self.behind(
                    at,
                    self.deeds.added.get(&(self.lineage.file(at), recipient)),
                );
                // at the edge of a shallow clone everybody seems to be new
                added.iter().all(|add| turns[*add].sides.is_empty())
            })
        })
    }

    /// The removal made a new data key.
    #[must_use]
    pub fn is_rotated(&self, removal: usize) -> bool {
        let now = self.by_turn[removal];
        !held(self.lineage, removal)
            .into_iter()
            .any(|old| self.epochs.at(old) == now)
    }

    /// The same reader came back before, and nobody removed them in between.
    fn is_echo(&self, one: &Return, other: &Return) -> bool {
        let (
            Back::Reader { recipient, .. },
            Back::Reader {
                recipient: same, ..
            },
        ) = (&one.what, &other.what)
        else {
            return false;
        };
        let file = self.lineage.file(one.turn);
        recipient == same
            && file == self.lineage.file(other.turn)
            && self.lineage.is_behind(other.turn, one.turn)
            && !self.removed_since(
                file,
                recipient,
                other.turn,
                &self.lineage.turns[one.turn].origin.commit,
            )
    }

    fn removed_since(&self, file: usize, recipient: &str, from: usize, until: &str) -> bool {
        let removals = self
            .deeds
            .removed
            .get(&(file, recipient))
            .into_iter()
            .flatten();
        removals
            .into_iter()
            .any(|at| self.lineage.is_behind(from, *at) && self.lineage.is_in(*at, until))
    }

    /// What of a return still holds in a file as it is at, or on top of, a commit.
    #[must_use]
    pub fn open_at(&self, one: &Return, head: &str, path: &str, tip: &Snapshot) -> Option<Return> {
        let (file, turn) = (self.lineage.file(one.turn), &self.lineage.turns[one.turn]);
        let is_same = match self.lineage.state(head, path) {
            Some(state) => self.lineage.file(state) == file,
            None => turn.path == path,
        };
        let what = match &one.what {
            _ if !is_same => return None,
            Back::Reader { recipient, .. } => {
                let is_open =
                    reads(tip, recipient) && !self.removed_since(file, recipient, one.turn, head);
                is_open.then(|| one.what.clone())?
            }
            Back::DataKey { .. } => {
                let now = turn.now.as_ref().and_then(|now| self.epochs.at(now));
                (now.is_some() && self.epochs.at(tip) == now).then(|| one.what.clone())?
            }
            Back::Values(values) => {
                let mark = |key: &str| turn.now.as_ref().and_then(|now| token(now, key));
                let still = values
                    .iter()
                    .filter(|(key, _)| token(tip, key) == mark(key));
                let still: Vec<(String, usize)> = still.cloned().collect();
                if still.is_empty() {
                    return None;
                }
                Back::Values(still)
            }
        };
        Some(Return {
            turn: one.turn,
            what,
        })
    }
}

#[cfg(test)]
mod tests;
