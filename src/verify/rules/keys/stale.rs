//! K05: somebody who was removed from a file still opens it, because the data key stayed.

use std::collections::BTreeMap;

use shell_words::quote;
use sops_document::age::is_service;

use crate::ledger::{Stale, short_key};
use crate::verify::finding::{Finding, FindingPart};
use crate::verify::rule::{RuleId, Severity};

/// Files of one person that are shown, and values of one file.
const SHOWN: usize = 8;
const KEYS: usize = 3;

/// How a recipient is called, and how that is known: `bob`, `named by the anchor … at 23cf99f`.
pub(in crate::verify) type NameLookup<'a> = &'a dyn Fn(&str) -> Option<(String, String)>;

/// One finding a recipient, all files in it. `now` in seconds since 1970.
pub(in crate::verify) fn findings(
    stale: &[Stale],
    names: NameLookup<'_>,
    now: i64,
) -> Vec<Finding> {
    let mut people: BTreeMap<&str, Vec<&Stale>> = BTreeMap::new();
    for one in stale {
        people.entry(&one.recipient).or_default().push(one);
    }
    people
        .into_iter()
        .map(|(recipient, files)| finding(recipient, &files, names(recipient), now))
        .collect()
}

fn finding(recipient: &str, files: &[&Stale], name: Option<(String, String)>, now: i64) -> Finding {
    let since = |one: &&Stale| one.removed.as_ref().map(|(_, _, seconds)| *seconds);
    let after = |since: Option<i64>| {
        since.map_or_else(String::new, |seconds| {
            format!(", {} after removal", span(now - seconds))
        })
    };
    let when = after(files.iter().filter_map(since).min());
    let who = name
        .as_ref()
        .map_or_else(|| short_key(recipient), |(name, _)| name.clone());
    let what = if files.len() == 1 {
        "1 file".to_owned()
    } else {
        format!("{} files", files.len())
    };
    // a key of a service opens for whoever may use it, which nobody here can know
    let (severity, opens) = match is_service(recipient) {
        true => {
            let who = who
                .split_once(' ')
                .filter(|_| name.is_none())
                .map_or(who.as_str(), |(_, id)| id);
            (
                Severity::Warning,
                format!("whoever may use {who} can still open "),
            )
        }
        false => (Severity::Error, format!("{who} can still read ")),
    };
    let message = format!("{opens}{what}{when}");
    // the first version of fingerprints ends at the first comma, which a name may hold as well
    let first_words = match opens.split_once(',') {
        Some((start, _)) => start.to_owned(),
        None => format!("{opens}{what}"),
    };
    let known = name.map_or_else(|| "name unknown".to_owned(), |(_, how)| how);
    let who = [format!("who: {recipient}, {known}"), WHY.to_owned()];
    let parts = files.iter().map(|one| FindingPart {
        fix: Some(rotate(&quote(&one.path))),
        detail: std::iter::once(line(one, usize::MAX))
            .chain(who.clone())
            .collect(),
        ..FindingPart::of_file(
            &one.path,
            format!("{opens}{}{}", one.path, after(since(one))),
        )
    });
    let parts: Vec<FindingPart> = parts.collect();
    let mut finding = Finding::new(RuleId::K05, severity, files[0].path.clone(), message);
    finding.first_words = Some(first_words);
    finding.detail = files
        .iter()
        .take(SHOWN)
        .map(|one| line(one, KEYS))
        .collect();
    if files.len() > SHOWN {
        finding
            .detail
            .push(format!("and {} more", files.len() - SHOWN));
    }
    finding.detail.extend(who);
    let paths: Vec<_> = files.iter().map(|one| quote(&one.path)).collect();
    let which = if files.len() > SHOWN {
        "--all".to_owned()
    } else {
        paths.join(" ")
    };
    finding
        .fix(rotate(&which))
        .about(recipient)
        .cause(recipient)
        .parts(parts)
}

const WHY: &str =
    "why: `sops updatekeys` keeps the data key, so a stanza from an old commit opens today's file";

fn rotate(which: &str) -> String {
    format!("stax secrets rotate {which}   (needs a key, changes no value)")
}

/// Names at most so many of the values that were set since.
fn line(one: &Stale, most: usize) -> String {
    let removed = match (&one.removed, &one.through) {
        (Some((commit, date, _)), _) => format!("removed {date} {commit}, data key kept"),
        (None, Some(other)) => format!("has the data key of {other}, which they could read"),
        (None, None) if one.committed => "removed in a merge, data key kept".to_owned(),
        (None, None) => "removed by a change that is not committed yet, data key kept".to_owned(),
    };
    let set = match one.since.as_slice() {
        [] => String::new(),
        keys if keys.len() <= most => format!("; set since: {}", keys.join(", ")),
        keys => format!(
            "; set since: {} and {} more",
            keys[..most].join(", "),
            keys.len() - most
        ),
    };
    // no path may start a line that a CI system takes for a command
    let guard = if one.path.starts_with(':') { "./" } else { "" };
    format!("{guard}{}  {removed}{set}", one.path)
}

fn span(seconds: i64) -> String {
    let plural =
        |count: i64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    match seconds.max(0) / 86_400 {
        0 => "less than a day".to_owned(),
        days @ 1..=59 => plural(days, "day"),
        days @ 60..=729 => plural(days / 30, "month"),
        days => plural(days / 365, "year"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_finding_a_person_with_every_file() {
        let stale = |path: &str| Stale {
            recipient: "age1bobbobbobbobbob".into(),
            path: path.into(),
            removed: Some(("c2".into(), "1970-01-01".into(), 0)),
            committed: true,
            through: None,
            since: Vec::new(),
        };
        let findings = findings(&[stale("f"), stale("g")], &|_| None, 200 * 86_400);
        let [finding] = findings.as_slice() else {
            panic!("{findings:?}")
        };
        assert_eq!(
            finding.message,
            "age1bobbobbo… can still read 2 files, 6 months after removal"
        );
        assert_eq!(finding.detail.len(), 4);
        assert!(
            finding
                .fix
                .as_deref()
                .is_some_and(|fix| fix.starts_with("stax secrets rotate f g"))
        );
    }
}
