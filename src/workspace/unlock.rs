//! The data key of a document: whole from one stanza, or put together from the parts of key groups.

use std::collections::BTreeMap;

use sops_document::age::{self, Identity, UnwrapError};
use sops_document::shamir::{KeyShare, combine};
use sops_document::{DataKey, Document, OpenFault, WrappedKey};

use crate::keyring::{Keyring, Tried};
use crate::trace;

use super::wrap::has_data_key;

/// Why there is no data key.
pub enum NoKey {
    /// No identity at hand opens enough; `parts` says how far the key groups came, and `own` whose
    /// label is that of an identity and why it does not open with it.
    Locked {
        tried: Vec<Tried>,
        parts: Option<String>,
        own: Option<(String, UnwrapError)>,
    },
    /// The parts that opened are not those of this document.
    Fault(OpenFault),
}

/// Tries the identities in order and stops at the first that gives the data key, alone or together
/// with the ones before it.
///
/// # Errors
/// [`NoKey`].
pub fn unlock(keyring: &Keyring, document: &Document) -> Result<DataKey, NoKey> {
    let mut parts: BTreeMap<usize, KeyShare> = BTreeMap::new();
    let mut own = None;
    let metadata = document.metadata();
    let found = keyring.open_with(&mut |identity, _| {
        if metadata.groups.is_empty() {
            let opened =
                likely_first(&metadata.age, identity).find_map(|it| age::unwrap(it, identity).ok());
            if opened.is_none() {
                own = own.take().or_else(|| fault_of_own(document, identity));
            }
            return opened.map(Ok);
        }
        collect(document, identity, &mut parts);
        own = own.take().or_else(|| fault_of_own(document, identity));
        (parts.len() >= metadata.threshold).then(|| join(document, &parts))
    });
    trace::step("workspace", || {
        let result = match &found {
            Ok(Ok(_)) => "opened",
            Ok(Err(_)) => "of another document",
            Err(_) => "no identity opens it",
        };
        format!(
            "data key behind {} stanzas: {result}",
            all_stanzas(document).count()
        )
    });
    match found {
        Ok(key) => key.map_err(NoKey::Fault),
        Err(locked) => Err(NoKey::Locked {
            tried: locked.tried,
            parts: progress(document, &parts),
            own,
        }),
    }
}

/// The first stanza that is labelled with this identity and does not open with it.
fn fault_of_own(document: &Document, identity: &Identity) -> Option<(String, UnwrapError)> {
    let own = identity.recipient().to_string();
    let mut labelled = all_stanzas(document).filter(|(_, stanza)| stanza.recipient == own);
    labelled
        .find_map(|(group, stanza)| Some((own.clone(), open_one(group, stanza, identity).err()?)))
}

/// What is labelled with the public key at hand, then the others: a label may be wrong, and each
/// try costs a multiplication on the curve.
fn likely_first<'s>(
    stanzas: &'s [WrappedKey],
    identity: &Identity,
) -> impl Iterator<Item = &'s WrappedKey> + use<'s> {
    // one is tried in any case
    let own = if stanzas.len() > 1 {
        identity.recipient().to_string()
    } else {
        String::new()
    };
    let (mine, others): (Vec<_>, Vec<_>) =
        stanzas.iter().partition(|stanza| stanza.recipient == own);
    mine.into_iter().chain(others)
}

fn collect(document: &Document, identity: &Identity, parts: &mut BTreeMap<usize, KeyShare>) {
    for (position, group) in document.metadata().groups.iter().enumerate() {
        if !parts.contains_key(&position)
            && let Some(part) = likely_first(&group.age, identity)
                .find_map(|it| age::unwrap_part(it, identity).ok())
        {
            parts.insert(position, part);
        }
    }
}

/// Any parts give some key; whether it is the one of this document only its MAC tells.
fn join(document: &Document, parts: &BTreeMap<usize, KeyShare>) -> Result<DataKey, OpenFault> {
    let fault = || OpenFault::Parts(parts.keys().map(|position| position + 1).collect());
    let key = combine(&parts.values().collect::<Vec<_>>()).map_err(|_| fault())?;
    let fits = document.metadata().mac.is_empty() || has_data_key(document, &key);
    if fits { Ok(key) } else { Err(fault()) }
}

/// A stanza that opens for another one than its label names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StanzaFault {
    /// The label is the public key at hand, whose secret key does not open it.
    Locked { label: String },
    /// The secret key of `by` opens it.
    Mislabelled { label: String, by: String },
    /// Two stanzas that open give different keys.
    Differs { label: String },
}

/// Rule C01: with the first identity that a label names or that opens a stanza, and of every other
/// one that was read whether the stanza under its name is its own.
pub fn stanza_faults(keyring: &Keyring, document: &Document) -> Vec<StanzaFault> {
    let mut found = Vec::new();
    let mut is_told = false;
    for identity in keyring.loaded() {
        let own = identity.recipient().to_string();
        let asked = all_stanzas(document).filter(|(_, stanza)| !is_told || stanza.recipient == own);
        let opened: Vec<(&str, Option<[u8; 32]>)> = asked
            .map(|(group, stanza)| {
                (
                    stanza.recipient.as_str(),
                    open_one(group, stanza, identity).ok(),
                )
            })
            .collect();
        if opened
            .iter()
            .any(|(label, key)| *label == own || key.is_some())
        {
            is_told = true;
            found.extend(faults(&own, &opened, document.metadata().groups.is_empty()));
        }
    }
    found
}

/// Each stanza with the key group it stands in.
fn all_stanzas(document: &Document) -> impl Iterator<Item = (Option<usize>, &WrappedKey)> {
    let metadata = document.metadata();
    let groups = metadata.groups.iter().enumerate();
    let parts = groups
        .flat_map(|(position, group)| group.age.iter().map(move |stanza| (Some(position), stanza)));
    let whole = metadata
        .age
        .iter()
        .filter(|_| metadata.groups.is_empty())
        .map(|stanza| (None, stanza));
    parts.chain(whole)
}

/// A digest of what a stanza holds; of a part of a key only that it opens.
fn open_one(
    group: Option<usize>,
    stanza: &WrappedKey,
    identity: &Identity,
) -> Result<[u8; 32], UnwrapError> {
    match group {
        None => age::unwrap(stanza, identity).map(|key| key.digest()),
        Some(_) => age::unwrap_part(stanza, identity).map(|_| [0; 32]),
    }
}

fn faults(own: &str, opened: &[(&str, Option<[u8; 32]>)], is_whole: bool) -> Vec<StanzaFault> {
    let first = opened.iter().find_map(|(_, key)| *key);
    let fault = |(label, key): &(&str, Option<[u8; 32]>)| {
        let label = (*label).to_owned();
        match key {
            None => (label == own).then_some(StanzaFault::Locked { label }),
            Some(_) if label != own => Some(StanzaFault::Mislabelled {
                label,
                by: own.to_owned(),
            }),
            Some(_) => (is_whole && *key != first).then_some(StanzaFault::Differs { label }),
        }
    };
    opened.iter().filter_map(fault).collect()
}

fn progress(document: &Document, parts: &BTreeMap<usize, KeyShare>) -> Option<String> {
    let metadata = document.metadata();
    if metadata.groups.is_empty() {
        return None;
    }
    let numbers: Vec<String> = parts
        .keys()
        .map(|position| (position + 1).to_string())
        .collect();
    let opened = if numbers.is_empty() {
        "no key group".into()
    } else {
        format!("key group {}", numbers.join(", "))
    };
    Some(format!(
        "{opened} of {} opened, and {} are needed",
        metadata.groups.len(),
        metadata.threshold
    ))
}
