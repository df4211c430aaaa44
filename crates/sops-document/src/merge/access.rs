//! Who may read a merged document, and under which data key.

/// What one version says of access: the labels of its stanzas, and a digest of its data key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessVersion {
    pub recipients: Vec<String>,
    pub key: [u8; 32],
}

/// Where the data key of the result comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFrom {
    Ours,
    Theirs,
    /// A new one: every value is encrypted again.
    Fresh,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedAccess {
    /// In the order of ours, then what theirs adds.
    pub recipients: Vec<String>,
    pub key: KeyFrom,
    /// Whom a revert would bring back: not among the recipients, for a person to decide.
    pub returned: Vec<String>,
    /// Together the sides remove everybody; the recipients are those of ours.
    pub is_empty: bool,
}

/// Merges the recipients as sets, `(A∩B) ∪ (A−O) ∪ (B−O)`, and chooses a data key that nobody
/// outside of them ever held in the three versions. Without a base everything was added. `undoes`
/// says that theirs is a version from the past (`git revert`): its data key may be known to whoever
/// left since.
#[must_use]
pub fn access(
    base: Option<&AccessVersion>,
    ours: &AccessVersion,
    theirs: &AccessVersion,
    undoes: bool,
) -> MergedAccess {
    let in_base = |who: &String| base.is_some_and(|base| base.recipients.contains(who));
    let stays = |who: &&String| theirs.recipients.contains(who) || !in_base(who);
    let comes = |who: &&String| !ours.recipients.contains(who) && !in_base(who);
    let mut recipients: Vec<String> = ours.recipients.iter().filter(stays).cloned().collect();
    let added: Vec<String> = theirs.recipients.iter().filter(comes).cloned().collect();
    let mut returned = Vec::new();
    (if undoes {
        &mut returned
    } else {
        &mut recipients
    })
    .extend(added);
    let is_empty = recipients.is_empty();
    if is_empty {
        recipients.clone_from(&ours.recipients);
    }
    let versions = [base, Some(ours), Some(theirs)];
    let is_known_outside = |key: &[u8; 32]| {
        let holders = versions
            .iter()
            .flatten()
            .filter(|version| version.key == *key);
        holders
            .flat_map(|version| &version.recipients)
            .any(|who| !recipients.contains(who))
    };
    let (key, bytes) = candidate(base, ours, theirs, undoes);
    let key = if is_known_outside(bytes) {
        KeyFrom::Fresh
    } else {
        key
    };
    MergedAccess {
        recipients,
        key,
        returned,
        is_empty,
    }
}

/// The data key by what each side did to it, before it is asked who knows it.
fn candidate<'a>(
    base: Option<&AccessVersion>,
    ours: &'a AccessVersion,
    theirs: &'a AccessVersion,
    undoes: bool,
) -> (KeyFrom, &'a [u8; 32]) {
    let is_base = |version: &AccessVersion| base.is_some_and(|base| base.key == version.key);
    if ours.key == theirs.key || is_base(theirs) {
        return (KeyFrom::Ours, &ours.key);
    }
    match (is_base(ours), undoes) {
        (true, true) => (KeyFrom::Ours, &ours.key),
        (true, false) => (KeyFrom::Theirs, &theirs.key),
        (false, _) => (KeyFrom::Fresh, &ours.key),
    }
}

#[cfg(test)]
mod tests;
