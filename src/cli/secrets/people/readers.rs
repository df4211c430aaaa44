//! Who shall read a file after a change of its rule.

use sops_document::age::{Recipient, RecipientError, same_key};

use super::People;
use crate::inventory::{Cause, Obstacle, SecretFile};
use crate::policy::config::CreationRule;
use crate::workspace::groups::{self, ReaderGroups};

type Refusable<T> = Result<T, Box<Obstacle>>;

impl People {
    /// The strings of a rule in its order, less those whom the file does not know yet: nobody gets
    /// access by the way. A file of no rule keeps those that it has. `joins` is the one who shall
    /// get access, `leaves` the one who loses it.
    pub(in crate::cli::secrets) fn readers(
        &self,
        rule: Option<&CreationRule>,
        file: &SecretFile,
        joins: Option<&str>,
        leaves: Option<&str>,
    ) -> Refusable<ReaderGroups> {
        let metadata = file.document.metadata();
        let is_split = !metadata.groups.is_empty();
        // who leaves leaves the file as it is: only who stays or joins must find it as the policy
        // says
        if let Some(rule) = rule.filter(|_| leaves.is_none()) {
            refuse_misfit(rule, file)?;
        }
        let own = own_lists(file);
        let wanted = rule
            .filter(|rule| fits(rule, file))
            .map_or_else(|| own.clone(), |rule| lists(rule, is_split));
        let mut readers = ReaderGroups::new();
        for (position, (wanted, own)) in wanted.into_iter().zip(own).enumerate() {
            let is_there = |key: &str| own.iter().any(|known| same_key(known, key));
            let stays = |key: &&str| {
                (is_there(key) || joins == Some(*key))
                    && !leaves.is_some_and(|leaver| same_key(leaver, key))
            };
            let mut kept: Vec<&str> = wanted.into_iter().filter(stays).collect();
            if kept.is_empty() && leaves.is_some() {
                // of readers whom the rule does not name, nobody but the one who leaves shall lose
                // the file
                kept = own.iter().copied().filter(stays).collect();
            }
            let has_others = metadata
                .groups
                .get(position)
                .map_or(&metadata.foreign, |group| &group.foreign);
            if kept.is_empty() && (has_others.is_empty() || is_split) {
                let group = if is_split {
                    format!(" of key group {}", position + 1)
                } else {
                    String::new()
                };
                let what = match leaves {
                    Some(_) => format!("nobody else{group} can read it"),
                    None => format!("the policy names none of its readers{group}"),
                };
                return Err(file.obstacle(Cause::Other(what)));
            }
            let list = kept
                .into_iter()
                .map(str::parse)
                .collect::<Result<Vec<Recipient>, _>>();
            readers
                .push(list.map_err(|error| file.obstacle(unsupported(&error, leaves.is_some())))?);
        }
        Ok(readers)
    }
}

/// Whether a document has the key groups of its rule.
pub(in crate::cli::secrets) fn fits(rule: &CreationRule, file: &SecretFile) -> bool {
    let is_plain = file.document.metadata().groups.is_empty() && rule.groups.len() < 2;
    is_plain || groups::same_split(rule, &file.document)
}

fn refuse_misfit(rule: &CreationRule, file: &SecretFile) -> Refusable<()> {
    let what = if !rule.other_keys.is_empty() && file.document.metadata().foreign.is_empty() {
        format!(
            "the rule in line {} has keys of other kinds, and this file has none",
            rule.line
        )
    } else if fits(rule, file) {
        return Ok(());
    } else {
        "has other key groups than .sops.yaml".to_owned()
    };
    let path = shell_words::quote(&file.target.path);
    Err(file
        .obstacle(Cause::Other(what))
        .step(format!("sops updatekeys -y {}{path}", file.sops_types())))
}

/// The labels of a file, for each key group.
pub(in crate::cli::secrets) fn own_lists(file: &SecretFile) -> Vec<Vec<&str>> {
    match file.document.metadata().groups.as_slice() {
        [] => vec![file.labels()],
        groups => {
            let labels = groups
                .iter()
                .map(|group| group.age.iter().map(|it| it.recipient.as_str()).collect());
            labels.collect()
        }
    }
}

/// The recipients of a rule, for each key group.
pub(in crate::cli::secrets) fn lists(rule: &CreationRule, is_split: bool) -> Vec<Vec<&str>> {
    if !is_split {
        return vec![rule.recipients()];
    }
    rule.groups
        .iter()
        .map(|group| group.iter().map(|(key, _)| key.as_str()).collect())
        .collect()
}

/// Keys that stay and that stax cannot write are of another kind, like those of pgp.
fn unsupported(error: &RecipientError, stays: bool) -> Cause {
    match error {
        RecipientError::Ssh if stays => Cause::Foreign(vec!["ssh".into()]),
        RecipientError::PostQuantum if stays => Cause::Foreign(vec!["age1pq".into()]),
        RecipientError::Plugin(name) if stays => Cause::Foreign(vec![format!("age-plugin-{name}")]),
        error => Cause::Other(format!("a recipient of the policy: {error}")),
    }
}
