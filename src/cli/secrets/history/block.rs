//! One part of a history: a file, or the files of one rule, and what each commit made of their
//! readers.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::super::ledger::{LogWindow, PeopleNames};
use super::super::verify::count as counted;
use super::commits;
use crate::cli::ui::Ui;
use crate::ledger::{
    ChangedList, FileChange, HistoryRow, KeyChange, Move, Origin, short_key, timeline,
};
use crate::workspace::stories::{Story, Subject};

/// A row, and in how many files of the block it happened.
pub(super) struct BlockLine {
    row: HistoryRow,
    /// For each move.
    files: Vec<usize>,
    rotated: usize,
    back_to: Option<Rc<Origin>>,
    /// History is cut off right before it, or starts there.
    is_first: bool,
}

pub(super) struct HistoryBlock<'a> {
    title: String,
    /// Every row of every file.
    pub(super) rows: Vec<HistoryRow>,
    lines: Vec<BlockLine>,
    stories: Vec<&'a Story>,
}

impl<'a> HistoryBlock<'a> {
    /// A block for each bound file and each rule without a file, and one for the general files that
    /// have the same readers in the same commits, the time of their coming aside.
    pub(super) fn all(stories: &'a [Story]) -> Vec<Self> {
        let mut groups: Vec<(BlockShape, Vec<&Story>)> = Vec::new();
        for story in stories {
            let is_shared = matches!(&story.subject, Subject::File { env: None, .. });
            let key = shape(story);
            let known = groups.iter_mut().find(|(other, list)| {
                is_shared
                    && *other == key
                    && matches!(&list[0].subject, Subject::File { env: None, .. })
            });
            match known {
                Some((_, list)) => list.push(story),
                None => groups.push((key, vec![story])),
            }
        }
        groups
            .into_iter()
            .map(|(_, stories)| Self::of(stories))
            .collect()
    }

    fn of(stories: Vec<&'a Story>) -> Self {
        let title = match (&stories[0].subject, stories.len()) {
            (
                Subject::File {
                    path,
                    env: Some(env),
                },
                _,
            ) => format!("{env}  {path}"),
            (Subject::File { path, .. }, 1) => path.clone(),
            (Subject::File { path, .. }, count) => {
                format!("{path} and {}", counted(count - 1, "more file"))
            }
            (
                Subject::Rule {
                    policy,
                    pattern: Some(pattern),
                },
                _,
            ) => {
                format!("{policy}  {pattern}  (governs no file)")
            }
            (
                Subject::Rule {
                    policy,
                    pattern: None,
                },
                _,
            ) => format!("{policy}  (governs no file)"),
        };
        let of_each: Vec<Vec<HistoryRow>> = stories
            .iter()
            .map(|story| timeline(&story.moments))
            .collect();
        let mut lines: Vec<BlockLine> = Vec::new();
        let is_single = stories.len() == 1;
        for (story, rows) in stories.iter().zip(&of_each) {
            for row in rows.iter().filter(|row| is_single || !is_quiet_start(row)) {
                add(&mut lines, story, row);
            }
        }
        // the files were walked one after the other
        lines.sort_by(|a, b| {
            b.row
                .origin
                .seconds
                .cmp(&a.row.origin.seconds)
                .then_with(|| a.row.origin.commit.cmp(&b.row.origin.commit))
        });
        if is_single {
            let order: Vec<&str> = of_each[0]
                .iter()
                .map(|row| row.origin.commit.as_str())
                .collect();
            lines.sort_by_key(|line| {
                order
                    .iter()
                    .position(|commit| *commit == line.row.origin.commit)
            });
        }
        Self {
            title,
            rows: of_each.into_iter().flatten().collect(),
            lines,
            stories,
        }
    }

    pub(super) fn print(&self, ui: &Ui, names: &PeopleNames, window: LogWindow) {
        ui.one_line(&self.title);
        if self.stories.len() > 1 {
            for story in &self.stories {
                if let Subject::File { path, .. } = &story.subject {
                    ui.one_line(format!("  {path}"));
                }
            }
        }
        let all = self.stories.len();
        let lines = window.of(&self.lines, |line| line.row.origin.seconds);
        for line in &lines {
            ui.one_line(format!("  {}", told(line, names, all)));
        }
        if lines.len() < self.lines.len() {
            ui.one_line(format!(
                "  and {} more",
                commits(self.lines.len() - lines.len())
            ));
        }
        let quiet = self
            .rows
            .iter()
            .filter(|row| all > 1 && is_quiet_start(row));
        let dates: BTreeSet<&str> = quiet.map(|row| row.origin.date.as_str()).collect();
        if let (Some(first), Some(last)) = (dates.first(), dates.last()) {
            ui.one_line(format!(
                "  {first} to {last}  {all} files came with the readers that the policy had"
            ));
        }
        ui.one_line(self.today(names));
    }

    /// `today: Ana, Ravi; policy and file agreed in all 3 commits`
    fn today(&self, names: &PeopleNames) -> String {
        let Some(now) = self.stories[0].moments.first().map(|moment| &moment.now) else {
            return "not committed yet".to_owned();
        };
        let readers = now.file.as_ref().or(now.policy.as_ref());
        let people = readers
            .map(|readers| names.shorts(readers))
            .filter(|people| !people.is_empty());
        let people = people.unwrap_or_else(|| "nobody".to_owned());
        if now.file.is_none() {
            return format!("today: {people}");
        }
        let lists = match (&now.policy, &now.table) {
            (None, _) => return format!("today: {people}; no rule of a policy governs it"),
            (Some(_), None) => "policy and file",
            (Some(_), Some(_)) => "policy, recipients.md and file",
        };
        let (mut all, mut differing) = (BTreeSet::new(), BTreeMap::new());
        for row in &self.rows {
            all.insert(row.origin.commit.as_str());
            if !row.agree {
                differing.insert(row.origin.commit.as_str(), row.origin.short());
            }
        }
        if differing.is_empty() {
            let every = if all.len() == 1 {
                "in the only commit".into()
            } else {
                format!("in all {}", commits(all.len()))
            };
            return format!("today: {people}; {lists} agreed {every}");
        }
        let shown: Vec<&str> = differing.values().take(5).copied().collect();
        let more = if differing.len() > 5 { ", …" } else { "" };
        format!(
            "today: {people}; {lists} disagreed after {} of {}: {}{more}",
            differing.len(),
            commits(all.len()),
            shown.join(", ")
        )
    }
}

/// A new file with exactly the readers of its rule.
fn is_quiet_start(row: &HistoryRow) -> bool {
    row.file == FileChange::Created
        && row.agree
        && row
            .moves
            .iter()
            .all(|step| step.place == ChangedList::FileFollows)
}

/// What makes files stand in one block: who came and left in which commits, and who reads now.
#[derive(PartialEq)]
struct BlockShape {
    commits: Vec<(String, Vec<BlockMove>)>,
    now: Option<Lists>,
}

/// Whether somebody came, who, and where it was done.
type BlockMove = (bool, String, ChangedList);

/// The lists of the policy and of the file.
type Lists = (Option<BTreeSet<String>>, Option<BTreeSet<String>>);

fn shape(story: &Story) -> BlockShape {
    let rows = timeline(&story.moments);
    let told = rows.iter().filter(|row| !is_quiet_start(row));
    let one = |row: &HistoryRow| {
        let steps = row
            .moves
            .iter()
            .map(|step| (step.came, step.recipient.clone(), step.place));
        (row.origin.commit.clone(), steps.collect())
    };
    let now = story
        .moments
        .first()
        .map(|moment| (moment.now.policy.clone(), moment.now.file.clone()));
    BlockShape {
        commits: told.map(one).collect(),
        now,
    }
}

fn add(lines: &mut Vec<BlockLine>, story: &Story, row: &HistoryRow) {
    let rotated = usize::from(matches!(
        row.data_key,
        Some(KeyChange::New | KeyChange::ProbablyNew)
    ));
    if let Some(line) = lines.iter_mut().find(|line| line.row.origin == row.origin) {
        line.rotated += rotated;
        for step in &row.moves {
            match line.row.moves.iter().position(|known| known == step) {
                Some(at) => line.files[at] += 1,
                None => {
                    line.row.moves.push(step.clone());
                    line.files.push(1);
                }
            }
        }
        return;
    }
    let moment = story
        .moments
        .iter()
        .find(|moment| moment.origin == row.origin);
    lines.push(BlockLine {
        row: row.clone(),
        files: vec![1; row.moves.len()],
        rotated,
        back_to: story.back_to.get(&row.origin.commit).cloned(),
        is_first: moment.is_some_and(|moment| moment.before.is_empty()),
    });
}

/// `2026-03-02 ae7349b  - Bob  by Ana Silva; new data key, every value re-encrypted`
fn told(line: &BlockLine, names: &PeopleNames, all: usize) -> String {
    let BlockLine { row, files, .. } = line;
    let is_new_file = row.file == FileChange::Created;
    let step = |(step, files): (&Move, &usize)| {
        let role = names
            .0
            .get(&step.recipient)
            .map(|named| named.role.as_str())
            .filter(|role| step.came && !role.is_empty());
        let role = role.map_or_else(String::new, |role| format!(" ({role})"));
        let sign = if step.came { "+" } else { "-" };
        let place = match step.place {
            ChangedList::PolicyOnly => " (policy only)",
            ChangedList::FileOnly => " (file only)",
            ChangedList::PolicyFollows => " (policy follows)",
            ChangedList::FileFollows if !is_new_file => " (file follows)",
            ChangedList::FileFollows | ChangedList::Both => "",
        };
        let undone = if step.undone {
            " (the merge took the change of a side back)"
        } else {
            ""
        };
        let many = if *files < all {
            format!(" in {files} of {all} files")
        } else {
            String::new()
        };
        // whoever swaps a key goes and comes at once
        let has_another = row
            .moves
            .iter()
            .any(|other| other != step && names.is_one(&other.recipient, &step.recipient));
        let key = if has_another {
            format!(" [{}]", short_key(&step.recipient))
        } else {
            String::new()
        };
        format!(
            "{sign} {}{key}{role}{place}{undone}{many}",
            names.short(&step.recipient)
        )
    };
    let mut what: Vec<String> = row.moves.iter().zip(files).map(step).collect();
    if row.file == FileChange::Removed {
        what = vec!["the file was removed".to_owned()];
    } else if what.is_empty() {
        what.push(match row.data_key {
            _ if is_new_file => "the file came".to_owned(),
            Some(KeyChange::Old) => "= an older version".to_owned(),
            _ => "= rotated".to_owned(),
        });
    }
    let merged = row.origin.landed.as_ref();
    let merged = merged.map_or_else(String::new, |it| {
        format!(", merged in {}", crate::ledger::short(it))
    });
    let date = format!("{} {}", row.origin.date, row.origin.short());
    let notes = notes(line, all);
    format!(
        "{date}  {}  by {}{merged}{notes}",
        what.join(", "),
        row.origin.author
    )
}

fn notes(line: &BlockLine, all: usize) -> String {
    let row = &line.row;
    let in_file = |step: &&Move| {
        !matches!(
            step.place,
            ChangedList::PolicyOnly | ChangedList::PolicyFollows
        )
    };
    let left =
        row.moves.iter().filter(in_file).any(|step| !step.came) && row.file != FileChange::Removed;
    let came =
        row.moves.iter().filter(in_file).any(|step| step.came) && row.file == FileChange::None;
    let many = if line.rotated < all && line.rotated > 0 {
        format!(" in {} of {all} files", line.rotated)
    } else {
        String::new()
    };
    let mut notes = Vec::new();
    match row.data_key {
        Some(KeyChange::New) => notes.push(format!("new data key, every value re-encrypted{many}")),
        Some(KeyChange::ProbablyNew) => {
            notes.push(format!(
                "every value re-encrypted, probably under a new data key{many}"
            ));
        }
        Some(KeyChange::Old) => {
            let back = line
                .back_to
                .as_ref()
                .map_or_else(String::new, |back| format!(" of {}", back.short()));
            notes.push(format!(
                "the data key{back} is back: whoever could read then can read this"
            ));
        }
        Some(KeyChange::Kept) if left => {
            notes.push("data key kept: who left still opens it".to_owned())
        }
        Some(KeyChange::Kept) if came => {
            let back = line
                .back_to
                .as_ref()
                .filter(|back| back.commit != row.origin.commit);
            notes.extend(back.map(|back| format!("opens versions back to {}", back.short())));
        }
        _ => {}
    }
    if line.is_first && row.file != FileChange::Created && row.moves.is_empty() {
        notes.push("the oldest commit here".to_owned());
    }
    notes
        .iter()
        .fold(String::new(), |text, note| format!("{text}; {note}"))
}
