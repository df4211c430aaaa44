//! Change rules: a version of a file against the one before it.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use sops_document::TokenType;

use super::snapshot::{Mark, SealedValue};
use super::{EditsUnderMac, FileVersion, Snapshot};

/// A changed file.
pub struct FileChanged<'a> {
    pub path: &'a str,
    /// Bound in `.stax/vault.json`.
    pub managed: bool,
    pub before: &'a Snapshot,
    pub after: &'a Snapshot,
    /// What all parents of a merge hold.
    pub beside: &'a [Rc<Snapshot>],
    pub past: OlderVersions<'a>,
}

/// All versions of one file, newest first.
#[derive(Debug, Default)]
pub struct Track {
    versions: Vec<Rc<Snapshot>>,
    /// The place of the oldest version that holds a token, or has a MAC.
    oldest: HashMap<Mark, usize>,
}

impl Track {
    #[must_use]
    pub fn new(versions: Vec<Rc<Snapshot>>) -> Self {
        let mut oldest = HashMap::new();
        for (at, version) in versions.iter().enumerate() {
            oldest.extend(version.sealed.values().map(|sealed| (sealed.mark, at)));
            oldest.extend(version.mac.map(|mac| (mac, at)));
        }
        Self { versions, oldest }
    }

    /// The versions from a place on.
    #[must_use]
    pub fn from(&self, place: usize) -> OlderVersions<'_> {
        OlderVersions {
            track: Some(self),
            from: place,
        }
    }
}

/// Versions older than the one before a change; none where nobody looked.
#[derive(Clone, Copy, Debug, Default)]
pub struct OlderVersions<'a> {
    track: Option<&'a Track>,
    from: usize,
}

impl<'a> OlderVersions<'a> {
    fn holds(&self, mark: &Mark) -> bool {
        self.track
            .and_then(|track| track.oldest.get(mark))
            .is_some_and(|oldest| *oldest >= self.from)
    }

    /// The oldest version with a MAC: the one that it was made for.
    fn made_for(&self, mac: Mark) -> Option<&'a Snapshot> {
        let track = self.track?;
        let place = *track.oldest.get(&mac)?;
        (place >= self.from).then(|| &*track.versions[place])
    }

    fn versions(&self) -> impl Iterator<Item = &'a Rc<Snapshot>> + use<'a> {
        self.track
            .into_iter()
            .flat_map(|track| &track.versions)
            .skip(self.from)
    }
}

impl FileChanged<'_> {
    /// What differs between a later version, or this one, and the version that the MAC of this one
    /// was made for.
    #[must_use]
    pub fn edits_up_to(&self, later: &Snapshot) -> EditsUnderMac {
        let made_for = self.after.mac.and_then(|mac| self.past.made_for(mac));
        EditsUnderMac::between(made_for.unwrap_or(self.before), later)
    }
}

/// What no honest writer of SOPS does, and what a reviewer should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// What changed under the MAC of the version before.
    StaleMac(EditsUnderMac),
    /// A value has another type and the same token.
    OtherType { key: String },
    /// A value changed under the iv that it had.
    ReusedIv { key: String },
    /// What the file encrypts is another rule, and its tokens stayed.
    OtherSelector { before: String, after: String },
    /// Somebody was removed, and a stanza from before is still there.
    KeptStanza { removed: String },
    /// Tokens of an older version are back.
    OldToken { keys: Vec<String> },
    /// Every value and stanza of a bound file is new, for the same readers.
    Replaced,
}

/// What is odd about a change.
#[must_use]
pub fn oddities(change: &FileChanged<'_>) -> Vec<Oddity> {
    let looks: [fn(&FileChanged<'_>) -> Option<Oddity>; 7] = [
        stale_mac,
        other_type,
        reused_iv,
        other_selector,
        kept_stanza,
        old_token,
        replaced,
    ];
    looks.iter().filter_map(|look| look(change)).collect()
}

/// Every writer of SOPS makes a new MAC for a new value.
fn stale_mac(change: &FileChanged<'_>) -> Option<Oddity> {
    let FileChanged { before, after, .. } = change;
    let mac = after
        .mac
        .filter(|mac| before.mac == Some(*mac) || change.past.holds(mac))?;
    // a whole version that comes back brings the MAC of its own
    if *before == *after || change.past.versions().any(|older| **older == **after) {
        return None;
    }
    let before = match before.mac == Some(mac) {
        true => *before,
        false => change.past.made_for(mac)?,
    };
    Some(EditsUnderMac::between(before, after))
        .filter(|edits| !edits.is_empty())
        .map(Oddity::StaleMac)
}

/// A value at the tip whose token once had another type: the oldest version has the type that its
/// writer gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retyped {
    pub path: String,
    pub key: String,
}

/// Those of a state, whichever commit did it. `versions` are newest first.
#[must_use]
pub fn retyped(versions: &[FileVersion], tips: &[(String, Rc<Snapshot>)]) -> Vec<Retyped> {
    let tokens = |tip: &'_ Rc<Snapshot>| {
        tip.sealed
            .values()
            .map(|sealed| sealed.mark)
            .collect::<Vec<_>>()
    };
    let asked: BTreeSet<Mark> = tips.iter().flat_map(|(_, tip)| tokens(tip)).collect();
    let mut first: HashMap<Mark, TokenType> = HashMap::new();
    for sealed in versions
        .iter()
        .flat_map(|version| version.snapshot.sealed.values())
    {
        if asked.contains(&sealed.mark) {
            first.insert(sealed.mark, sealed.kind);
        }
    }
    let mut found = Vec::new();
    for (path, tip) in tips {
        let other = tip
            .sealed
            .iter()
            .filter(|(_, now)| first.get(&now.mark).is_some_and(|kind| *kind != now.kind));
        found.extend(other.map(|(key, _)| Retyped {
            path: path.clone(),
            key: key.clone(),
        }));
    }
    found
}

/// The type of a token is not authenticated.
fn other_type(change: &FileChanged<'_>) -> Option<Oddity> {
    let direct = pairs(change).find(|(_, old, new)| old.mark == new.mark && old.kind != new.kind);
    // also when the token was away for a while
    let is_other = |key: &str, new: &SealedValue| {
        change
            .before
            .sealed
            .get(key)
            .is_none_or(|old| old.mark != new.mark)
            && change.past.holds(&new.mark)
            && change
                .past
                .versions()
                .filter_map(|older| older.sealed.get(key))
                .any(|old| old.mark == new.mark && old.kind != new.kind)
    };
    let key = match direct {
        Some((key, ..)) => key,
        None => {
            change
                .after
                .sealed
                .iter()
                .find(|(key, new)| is_other(key, new))?
                .0
        }
    };
    Some(Oddity::OtherType { key: key.clone() })
}

/// A new value gets a new iv.
fn reused_iv(change: &FileChanged<'_>) -> Option<Oddity> {
    if !change.before.shares_key_with(change.after) {
        return None;
    }
    let (key, ..) = pairs(change).find(|(_, old, new)| old.iv == new.iv && old.mark != new.mark)?;
    Some(Oddity::ReusedIv { key: key.clone() })
}

/// A rule changed by hand makes the next honest edit write plaintext.
fn other_selector(change: &FileChanged<'_>) -> Option<Oddity> {
    let FileChanged { before, after, .. } = change;
    let survives =
        before.shares_key_with(after) || (before.mac.is_some() && before.mac == after.mac);
    let (old, new) = (&before.selector, &after.selector);
    (old != new && survives).then(|| Oddity::OtherSelector {
        before: old.clone(),
        after: new.clone(),
    })
}

/// After a removal every stanza is made anew.
fn kept_stanza(change: &FileChanged<'_>) -> Option<Oddity> {
    let FileChanged { before, after, .. } = change;
    let removed = before.recipients.difference(&after.recipients).next()?;
    let tokens = |snapshot: &Snapshot| -> BTreeSet<Mark> {
        snapshot.sealed.values().map(|sealed| sealed.mark).collect()
    };
    let rotated = tokens(before).is_disjoint(&tokens(after)) && !after.sealed.is_empty();
    let is_kept = rotated && !before.stanzas.is_disjoint(&after.stanzas);
    is_kept.then(|| Oddity::KeptStanza {
        removed: removed.clone(),
    })
}

/// An old value is back; a revert does that too. Which side of a merge a value comes from is no
/// step back: where it takes one that the other side had replaced, `returned` tells.
fn old_token(change: &FileChanged<'_>) -> Option<Oddity> {
    let parents = change
        .beside
        .iter()
        .map(|parent| &**parent)
        .chain([change.before]);
    let before: BTreeSet<Mark> = parents
        .flat_map(|parent| parent.sealed.values())
        .map(|sealed| sealed.mark)
        .collect();
    let keys: Vec<String> = change
        .after
        .sealed
        .iter()
        .filter(|(_, sealed)| !before.contains(&sealed.mark) && change.past.holds(&sealed.mark))
        .map(|(key, _)| key.clone())
        .collect();
    (!keys.is_empty()).then_some(Oddity::OldToken { keys })
}

/// Every value and stanza of a bound file is new.
#[must_use]
pub fn is_replaced(
    FileChanged {
        before,
        after,
        managed,
        ..
    }: &FileChanged<'_>,
) -> bool {
    *managed
        && !after.sealed.is_empty()
        && !before.sealed.is_empty()
        && !before.shares_key_with(after)
}

/// Public keys are enough to write a whole new file, and nothing inside tells it from a rotation.
/// Of general files home-labs make hundreds, which decrypt in place, edit and encrypt.
fn replaced(change: &FileChanged<'_>) -> Option<Oddity> {
    let FileChanged { before, after, .. } = change;
    (is_replaced(change) && before.recipients == after.recipients).then_some(Oddity::Replaced)
}

fn pairs<'a>(
    change: &FileChanged<'a>,
) -> impl Iterator<Item = (&'a String, &'a SealedValue, &'a SealedValue)> {
    let (before, after) = (change.before, change.after);
    after
        .sealed
        .iter()
        .filter_map(|(key, new)| Some((key, before.sealed.get(key)?, new)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::hand_made::log;
    use crate::ledger::snapshot::Unencrypted;

    fn sealed(mark: u8, iv: u8, kind: TokenType) -> SealedValue {
        SealedValue {
            mark: [mark; 16],
            iv: [iv; 32],
            kind,
            place: usize::from(mark),
        }
    }

    /// A file with the key A, of one recipient.
    fn snapshot(value: u8, mac: u8) -> Snapshot {
        Snapshot {
            recipients: ["age1ana".to_owned()].into(),
            sealed: [
                ("A".to_owned(), sealed(value, value, TokenType::Str)),
                ("B".to_owned(), sealed(99, 99, TokenType::Str)),
            ]
            .into(),
            stanzas: [[1; 16]].into(),
            mac: Some([mac; 16]),
            selector: "unencrypted_suffix: _unencrypted".into(),
            ..Snapshot::default()
        }
    }

    /// The rule that tells of it.
    fn rule(oddity: &Oddity) -> &'static str {
        match oddity {
            Oddity::StaleMac(_) => "D11",
            Oddity::OtherType { .. } => "D09",
            Oddity::ReusedIv { .. } => "D10",
            Oddity::OtherSelector { .. } => "D05",
            Oddity::KeptStanza { .. } => "D03",
            Oddity::OldToken { .. } => "D06",
            Oddity::Replaced => "D08",
        }
    }

    fn rules(before: &Snapshot, after: &Snapshot, older: &[Rc<Snapshot>]) -> Vec<&'static str> {
        let track = Track::new(older.to_vec());
        let (path, past) = ("a.yaml", track.from(0));
        let change = FileChanged {
            path,
            managed: false,
            before,
            after,
            beside: &[],
            past,
        };
        oddities(&change).iter().map(rule).collect()
    }

    #[test]
    fn each_rule_fires_on_its_change_and_not_on_an_honest_one() {
        let before = snapshot(1, 1);
        let with = |change: &dyn Fn(&mut Snapshot)| {
            let mut after = snapshot(2, 2);
            change(&mut after);
            after
        };
        assert_eq!(rules(&before, &snapshot(2, 2), &[]), [""; 0]);
        assert_eq!(rules(&before, &before, &[]), [""; 0]);
        assert_eq!(rules(&before, &snapshot(2, 1), &[]), ["D11"]);
        let clear = with(&|after| {
            *after = snapshot(1, 1);
            after.clear.insert(
                "host".into(),
                Unencrypted {
                    mark: [5; 16],
                    ..Unencrypted::default()
                },
            );
        });
        assert_eq!(rules(&before, &clear, &[]), ["D11"]);
        let retyped = with(&|after| {
            after
                .sealed
                .insert("B".into(), sealed(99, 99, TokenType::Int));
        });
        assert_eq!(rules(&before, &retyped, &[]), ["D09"]);
        let reused = with(&|after| {
            after
                .sealed
                .insert("A".into(), sealed(7, 1, TokenType::Str));
        });
        assert_eq!(rules(&before, &reused, &[]), ["D10"]);
        let selector = with(&|after| after.selector = "encrypted_regex: ^x$".into());
        assert_eq!(rules(&before, &selector, &[]), ["D05"]);
    }

    #[test]
    fn what_is_made_anew_is_free_to_differ() {
        let before = snapshot(1, 1);
        let mut rotated = snapshot(2, 2);
        rotated
            .sealed
            .insert("B".into(), sealed(98, 99, TokenType::Int));
        rotated.stanzas = [[2; 16]].into();
        rotated.selector = "encrypted_regex: ^x$".into();
        assert_eq!(rules(&before, &rotated, &[]), [""; 0]);
        // somebody left, everything is new but one stanza
        rotated.stanzas = [[1; 16]].into();
        rotated.selector = before.selector.clone();
        rotated
            .sealed
            .insert("B".into(), sealed(98, 98, TokenType::Str));
        let mut two = before.clone();
        two.recipients.insert("age1bob".into());
        assert_eq!(rules(&two, &rotated, &[]), ["D03"]);
    }

    #[test]
    fn a_version_that_comes_back_is_told_and_not_refused() {
        let old = Rc::new(snapshot(1, 1));
        assert_eq!(
            rules(&snapshot(2, 2), &old, std::slice::from_ref(&old)),
            ["D06"]
        );
        // the repair of a file that was changed under its MAC
        assert_eq!(
            rules(&snapshot(3, 1), &old, std::slice::from_ref(&old)),
            ["D06"]
        );
        assert_eq!(rules(&snapshot(3, 1), &old, &[]), ["D11"]);
    }

    #[test]
    fn what_the_other_side_of_a_merge_holds_is_no_step_back() {
        let (ours, theirs) = (snapshot(2, 2), Rc::new(snapshot(3, 3)));
        let older = Track::new(vec![theirs.clone(), Rc::new(snapshot(1, 1))]);
        let told = |after: &Snapshot, beside: &[Rc<Snapshot>]| {
            let past = older.from(0);
            let change = FileChanged {
                path: "a.yaml",
                managed: false,
                before: &ours,
                after,
                beside,
                past,
            };
            oddities(&change).iter().map(rule).collect::<Vec<_>>()
        };
        assert_eq!(told(&theirs, &[]), ["D06"]);
        assert_eq!(told(&theirs, std::slice::from_ref(&theirs)), [""; 0]);
        assert_eq!(
            told(&snapshot(1, 1), std::slice::from_ref(&theirs)),
            ["D06"]
        );
    }

    #[test]
    fn a_type_counts_as_it_was_first_written() {
        let with = |kind| {
            let mut snapshot = snapshot(1, 1);
            snapshot.sealed.insert("A".into(), sealed(1, 1, kind));
            Rc::new(snapshot)
        };
        let (text, number) = (with(TokenType::Str), with(TokenType::Int));
        let told = |tip: &Rc<Snapshot>, versions: &[(&str, &str, &Rc<Snapshot>)]| {
            retyped(&log(versions), &[("f".to_owned(), tip.clone())]).len()
        };
        assert_eq!(told(&text, &[("f", "c1", &text)]), 0);
        assert_eq!(
            told(&number, &[("f", "c2", &number), ("f", "c1", &text)]),
            1
        );
        // not committed yet, and under an older name of the file
        assert_eq!(told(&number, &[("g", "c1", &text)]), 1);
        // repaired
        assert_eq!(
            told(
                &text,
                &[("f", "c3", &text), ("f", "c2", &number), ("f", "c1", &text)]
            ),
            0
        );
        assert_eq!(told(&number, &[]), 0);
    }

    #[test]
    fn a_detour_over_a_broken_version_launders_nothing() {
        let old = Rc::new(snapshot(1, 1));
        let mut retyped = (*old).clone();
        retyped
            .sealed
            .insert("A".into(), sealed(1, 1, TokenType::Int));
        let found = rules(&snapshot(3, 3), &retyped, std::slice::from_ref(&old));
        assert_eq!(found, ["D09", "D06"]);
    }
}
