//! A history for programs.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::ledger::{LogWindow, PeopleNames, origin_json};
use super::signatures::Signatures;
use crate::ledger::{
    ChangedList, FileChange, HistoryRow, Interval, KeyChange, intervals, timeline,
};
use crate::workspace::stories::{Stories, Story, Subject};

pub(super) fn of(
    stories: &Stories,
    names: &PeopleNames,
    signed: &Signatures,
    window: LogWindow,
) -> Value {
    let labels = stories.labels.iter().map(|change| {
        let mut value = origin_json(&change.origin);
        value["recipient"] = change.recipient.clone().into();
        value["from"] = change.from.clone().into();
        value["to"] = change.to.clone().into();
        value
    });
    json!({
        "schema": 1,
        "subjects": stories.stories.iter().map(|story| subject(story, names, signed, window)).collect::<Vec<_>>(),
        "labels": labels.collect::<Vec<_>>(),
        "commits": stories.history.commits,
        "unreadable": stories.history.unreadable,
        "history_is_complete": !stories.history.is_partial,
    })
}

fn subject(story: &Story, names: &PeopleNames, signed: &Signatures, window: LogWindow) -> Value {
    let (path, env, policy, pattern) = match &story.subject {
        Subject::File { path, env } => (Some(path), env.as_ref(), None, None),
        Subject::Rule { policy, pattern } => (None, None, Some(policy), pattern.as_ref()),
    };
    let rows = timeline(&story.moments);
    let all: BTreeSet<&String> = rows
        .iter()
        .flat_map(|row| &row.moves)
        .map(|step| &step.recipient)
        .collect();
    let span = |interval: &Interval| json!({"from": interval.from.commit, "until": interval.until.as_ref().map(|it| it.commit.clone())});
    let people = all.iter().map(|key| {
        let spans = |policy| {
            intervals(&story.moments, key, policy)
                .iter()
                .map(span)
                .collect::<Vec<_>>()
        };
        let named = names.0.get(*key);
        json!({
            "recipient": key,
            "name": named.map(|named| named.name.clone()),
            "role": named.map(|named| named.role.clone()),
            "in_policy": spans(true),
            "in_file": spans(false),
        })
    });
    json!({
        "file": path, "env": env, "policy": policy, "pattern": pattern,
        "rows": window.of(&rows, |row| row.origin.seconds).into_iter().map(|row| row_json(row, story, signed)).collect::<Vec<_>>(),
        "recipients": people.collect::<Vec<_>>(),
    })
}

fn row_json(row: &HistoryRow, story: &Story, signed: &Signatures) -> Value {
    let moves = row.moves.iter().map(|step| {
        let place = match step.place {
            ChangedList::Both => "both",
            ChangedList::PolicyFollows => "policy-follows",
            ChangedList::FileFollows => "file-follows",
            ChangedList::PolicyOnly => "policy-only",
            ChangedList::FileOnly => "file-only",
        };
        json!({"recipient": step.recipient, "came": step.came, "in_policy": step.policy, "in_file": step.file, "place": place, "undone_by_merge": step.undone})
    });
    let mut value = origin_json(&row.origin);
    value["signature"] = signed.of(&row.origin.commit).into();
    value["moves"] = moves.collect::<Vec<_>>().into();
    value["data_key"] = row
        .data_key
        .map(|key| match key {
            KeyChange::First => "first",
            KeyChange::Kept => "kept",
            KeyChange::New => "new",
            KeyChange::ProbablyNew => "probably-new",
            KeyChange::Old => "old",
        })
        .into();
    value["opens_back_to"] = story
        .back_to
        .get(&row.origin.commit)
        .map(|origin| origin.commit.clone())
        .into();
    value["file_change"] = match row.file {
        FileChange::None => Value::Null,
        FileChange::Created => "created".into(),
        FileChange::Removed => "removed".into(),
    };
    value["lists_agree"] = row.agree.into();
    value
}
