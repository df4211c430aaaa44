//! Who could read a file since when: what each commit made of the policy's list and of the file's
//! own.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::{KeyChange, Origin};

/// Who reads a file, at one commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadersAtCommit {
    /// By the rule that governs it; `None`: no rule does.
    pub policy: Option<BTreeSet<String>>,
    /// By its own stanzas; `None`: the file is not there.
    pub file: Option<BTreeSet<String>>,
    /// Keys with a row in the table of people; `None`: there is no table.
    pub table: Option<BTreeSet<String>>,
}

impl ReadersAtCommit {
    /// Whether policy, file and table name the same, as far as they are there.
    #[must_use]
    pub fn agree(&self) -> bool {
        let Some(file) = &self.file else { return true };
        let has_row = |key: &String| self.table.as_ref().is_none_or(|table| table.contains(key));
        self.policy.as_ref().is_none_or(|policy| policy == file) && file.iter().all(has_row)
    }
}

/// A commit that may have changed who reads.
#[derive(Clone, Debug)]
pub struct Moment {
    pub origin: Rc<Origin>,
    pub now: ReadersAtCommit,
    /// In each parent.
    pub before: Vec<ReadersAtCommit>,
    /// Of a merge: where the sides come from.
    pub bases: Vec<ReadersAtCommit>,
    /// What it did to the data key; `None` when it left the file alone.
    pub data_key: Option<KeyChange>,
}

/// What a commit made of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    pub recipient: String,
    pub came: bool,
    /// The commit changed the policy's list.
    pub policy: bool,
    /// The commit changed the file's own list.
    pub file: bool,
    pub place: ChangedList,
    /// A merge that takes back what one of its sides had changed.
    pub undone: bool,
}

/// Where a commit changed a list, and whether the lists agree on the recipient after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangedList {
    Both,
    /// The file was so before, or has no rule.
    PolicyFollows,
    FileFollows,
    /// The file does not follow.
    PolicyOnly,
    /// The policy does not say so.
    FileOnly,
}

/// One line of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    pub origin: Rc<Origin>,
    pub moves: Vec<Move>,
    pub data_key: Option<KeyChange>,
    pub file: FileChange,
    pub agree: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileChange {
    None,
    Created,
    Removed,
}

/// From a commit to another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    pub from: Rc<Origin>,
    /// `None`: until today.
    pub until: Option<Rc<Origin>>,
}

/// The rows of a history, in the order of the moments. A commit that changed nothing of it has
/// none.
#[must_use]
pub fn timeline(moments: &[Moment]) -> Vec<HistoryRow> {
    moments.iter().filter_map(row).collect()
}

fn row(moment: &Moment) -> Option<HistoryRow> {
    let Moment { now, before, .. } = moment;
    let policy = side(moment, |readers| readers.policy.as_ref());
    let file = side(moment, |readers| readers.file.as_ref());
    let mut moves: Vec<Move> = Vec::new();
    let all: BTreeSet<(&String, bool)> = policy
        .iter()
        .chain(&file)
        .map(|step| (&step.0, step.1))
        .collect();
    for (recipient, came) in all {
        let of = |steps: &[ReaderMove]| {
            steps
                .iter()
                .find(|step| (&step.0, step.1) == (recipient, came))
                .cloned()
        };
        let (in_policy, in_file) = (of(&policy), of(&file));
        let undone = in_file
            .as_ref()
            .or(in_policy.as_ref())
            .is_some_and(|step| step.2);
        let (policy, file) = (in_policy.is_some(), in_file.is_some());
        let place = place(now, recipient, policy, file);
        moves.push(Move {
            recipient: recipient.clone(),
            came,
            policy,
            file,
            place,
            undone,
        });
    }
    moves.sort_by_key(|step| !step.came);
    let was_there = before.iter().any(|readers| readers.file.is_some());
    let file = match (&now.file, was_there) {
        (Some(_), false) => FileChange::Created,
        (None, true) if before.iter().all(|readers| readers.file.is_some()) => FileChange::Removed,
        _ => FileChange::None,
    };
    let is_rotation = matches!(
        moment.data_key,
        Some(KeyChange::New | KeyChange::ProbablyNew | KeyChange::Old)
    );
    let says = !moves.is_empty() || file != FileChange::None || is_rotation;
    says.then(|| HistoryRow {
        origin: moment.origin.clone(),
        moves,
        data_key: moment.data_key,
        file,
        agree: now.agree(),
    })
}

fn place(now: &ReadersAtCommit, recipient: &str, policy: bool, file: bool) -> ChangedList {
    let has = |list: &Option<BTreeSet<String>>| {
        list.as_ref().is_some_and(|list| list.contains(recipient))
    };
    let agrees = has(&now.policy) == has(&now.file) || now.policy.is_none() || now.file.is_none();
    match (policy, file, agrees) {
        (true, true, true) => ChangedList::Both,
        (_, true, false) => ChangedList::FileOnly,
        (_, false, false) => ChangedList::PolicyOnly,
        // without a rule or a file there is nothing to follow, and a rule that went takes no stanza
        // along
        (_, true, true) if now.policy.is_none() => ChangedList::Both,
        (_, _, true) if now.file.is_none() => ChangedList::Both,
        (_, false, true) if now.policy.is_none() => ChangedList::PolicyOnly,
        (false, _, true) => ChangedList::FileFollows,
        (true, false, true) => ChangedList::PolicyFollows,
    }
}

/// Recipient, whether they came, and whether a merge took a change back.
type ReaderMove = (String, bool, bool);

fn side(moment: &Moment, of: fn(&ReadersAtCommit) -> Option<&BTreeSet<String>>) -> Vec<ReaderMove> {
    let empty = BTreeSet::new();
    let set = |readers: &ReadersAtCommit| of(readers).cloned().unwrap_or_default();
    let now = of(&moment.now).unwrap_or(&empty);
    let before: Vec<BTreeSet<String>> = moment.before.iter().map(set).collect();
    let mut all: BTreeSet<&String> = now.iter().collect();
    all.extend(before.iter().flatten());
    let mut steps = Vec::new();
    for recipient in all {
        let is_in = now.contains(recipient);
        if before.iter().all(|side| side.contains(recipient) != is_in) {
            steps.push((recipient.clone(), is_in, false));
        } else if before.iter().any(|side| side.contains(recipient) != is_in) {
            // one side had changed it, and the merge has it as it was
            let was = |base: &ReadersAtCommit| {
                of(base).is_some_and(|list| list.contains(recipient)) == is_in
            };
            if !moment.bases.is_empty() && moment.bases.iter().all(was) {
                steps.push((recipient.clone(), is_in, true));
            }
        }
    }
    steps
}

/// When somebody was in the lists: from the commit that brought them to the one that took them
/// away. `policy` asks for the policy's list, otherwise for the file's.
#[must_use]
pub fn intervals(moments: &[Moment], recipient: &str, policy: bool) -> Vec<Interval> {
    let of: fn(&ReadersAtCommit) -> Option<&BTreeSet<String>> = if policy {
        |readers| readers.policy.as_ref()
    } else {
        |readers| readers.file.as_ref()
    };
    let mut found: Vec<Interval> = Vec::new();
    for moment in moments.iter().rev() {
        let Some((_, came, _)) = side(moment, of)
            .into_iter()
            .find(|step| step.0 == recipient)
        else {
            continue;
        };
        let open = found.last_mut().filter(|interval| interval.until.is_none());
        match (came, open) {
            (true, None) => found.push(Interval {
                from: moment.origin.clone(),
                until: None,
            }),
            (false, Some(interval)) => interval.until = Some(moment.origin.clone()),
            // two branches did the same
            (true, Some(_)) | (false, None) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::hand_made::origin;

    fn set(names: &str) -> Option<BTreeSet<String>> {
        (names != "-").then(|| names.split_whitespace().map(str::to_owned).collect())
    }

    /// Policy and file.
    fn readers((policy, file): (&str, &str)) -> ReadersAtCommit {
        ReadersAtCommit {
            policy: set(policy),
            file: set(file),
            table: None,
        }
    }

    type Sides<'a> = &'a [(&'a str, &'a str)];

    fn moment(commit: &str, now: (&str, &str), before: Sides<'_>, bases: Sides<'_>) -> Moment {
        Moment {
            origin: origin(commit, 0),
            now: readers(now),
            before: before.iter().copied().map(readers).collect(),
            bases: bases.iter().copied().map(readers).collect(),
            data_key: None,
        }
    }

    fn told(moments: &[Moment]) -> Vec<String> {
        let one = |row: &HistoryRow| {
            let step = |it: &Move| {
                let sign = if it.came { "+" } else { "-" };
                let place = if it.place == ChangedList::Both {
                    String::new()
                } else {
                    format!(" {:?}", it.place)
                };
                let undone = if it.undone { " undone" } else { "" };
                format!(" {sign}{}{place}{undone}", it.recipient)
            };
            let file = if row.file == FileChange::None {
                String::new()
            } else {
                format!(" {:?}", row.file)
            };
            let agree = if row.agree { "" } else { " !" };
            format!(
                "{}{file}{}{agree}",
                row.origin.commit,
                row.moves.iter().map(step).collect::<String>()
            )
        };
        timeline(moments).iter().map(one).collect()
    }

    #[test]
    fn policy_and_file_are_told_apart_where_they_disagree() {
        let moments = [
            moment("c6", ("a c", "a c"), &[("a c", "a")], &[]),
            moment("c5", ("a c", "a"), &[("a", "a")], &[]),
            moment("c4", ("a", "a"), &[("a", "a b")], &[]),
            moment("c3", ("a", "a b"), &[("a b", "a b")], &[]),
            moment("c2", ("a b", "a b"), &[("a", "a b")], &[]),
            moment("c1", ("a", "a b"), &[("a", "a")], &[]),
            moment("c0", ("a", "a"), &[], &[]),
        ];
        assert_eq!(
            told(&moments),
            [
                "c6 +c FileFollows",
                "c5 +c PolicyOnly !",
                "c4 -b FileFollows",
                "c3 -b PolicyOnly !",
                "c2 +b PolicyFollows",
                "c1 +b FileOnly !",
                "c0 Created +a",
            ]
        );
        let spans = |who: &str, policy| -> Vec<(String, Option<String>)> {
            let all = intervals(&moments, who, policy).into_iter();
            all.map(|it| {
                (
                    it.from.commit.clone(),
                    it.until.map(|until| until.commit.clone()),
                )
            })
            .collect()
        };
        assert_eq!(spans("b", true), [("c2".into(), Some("c3".into()))]);
        assert_eq!(spans("b", false), [("c1".into(), Some("c4".into()))]);
        assert_eq!(spans("a", true), [("c0".into(), None)]);
        assert_eq!(spans("x", true), []);
    }

    #[test]
    fn somebody_who_is_back_has_two_intervals() {
        let moments = [
            moment("c3", ("a b", "a b"), &[("a", "a")], &[]),
            moment("c2", ("a", "a"), &[("a b", "a b")], &[]),
            moment("c1", ("a b", "a b"), &[], &[]),
        ];
        assert_eq!(intervals(&moments, "b", true).len(), 2);
        assert_eq!(told(&moments), ["c3 +b", "c2 -b", "c1 Created +a +b"]);
    }

    #[test]
    fn a_merge_answers_for_what_no_side_wanted_and_for_what_it_takes_back() {
        // the side added c, main removed b: both are told where they happened
        let clean = moment(
            "m1",
            ("a c", "a c"),
            &[("a", "a"), ("a b c", "a b c")],
            &[("a b", "a b")],
        );
        assert_eq!(told(&[clean]), [""; 0]);
        let evil = moment(
            "m2",
            ("a x", "a x"),
            &[("a", "a"), ("a", "a")],
            &[("a", "a")],
        );
        assert_eq!(told(&[evil]), ["m2 +x"]);
        // main removed b, and the merge of a branch from before has him again
        let back = moment(
            "m3",
            ("a b", "a b"),
            &[("a", "a"), ("a b", "a b")],
            &[("a b", "a b")],
        );
        assert_eq!(told(std::slice::from_ref(&back)), ["m3 +b undone"]);
        assert_eq!(intervals(&[back], "b", false).len(), 1);
        // criss-cross: the bases do not agree on b, so that neither side is the old state
        let cross = moment(
            "m4",
            ("a b", "a b"),
            &[("a", "a"), ("a b", "a b")],
            &[("a b", "a b"), ("a", "a")],
        );
        assert_eq!(told(&[cross]), [""; 0]);
    }

    #[test]
    fn a_rule_that_went_takes_no_stanza_along() {
        let moment = moment("c1", ("-", "a b"), &[("a b", "a b")], &[]);
        assert_eq!(told(&[moment]), ["c1 -a PolicyOnly -b PolicyOnly"]);
    }

    #[test]
    fn lists_that_change_against_each_other_are_two_moves() {
        let moment = moment("c1", ("a b", "a"), &[("a", "a b")], &[]);
        assert_eq!(told(&[moment]), ["c1 +b PolicyOnly -b FileOnly !"]);
    }

    #[test]
    fn files_come_and_go_with_and_without_a_rule() {
        let moments = [
            moment("c3", ("a", "-"), &[("a", "a")], &[]),
            moment("c2", ("a", "a"), &[("a", "-")], &[]),
            moment("c1", ("a", "-"), &[], &[]),
        ];
        assert_eq!(
            told(&moments),
            ["c3 Removed -a", "c2 Created +a FileFollows", "c1 +a"]
        );
        let alone = [
            moment("c2", ("-", "a b"), &[("-", "a")], &[]),
            moment("c1", ("-", "a"), &[], &[]),
        ];
        assert_eq!(told(&alone), ["c2 +b", "c1 Created +a"]);
    }
}
