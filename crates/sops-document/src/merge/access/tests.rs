use std::collections::BTreeSet;

use super::*;

const PEOPLE: [&str; 3] = ["ana", "bob", "carol"];

fn version(who: &[&str], key: u8) -> AccessVersion {
    AccessVersion {
        recipients: who.iter().map(ToString::to_string).collect(),
        key: [key; 32],
    }
}

fn set(list: &[String]) -> BTreeSet<&str> {
    list.iter().map(String::as_str).collect()
}

/// Every set of people but the empty one, under every one of these data keys.
fn states(keys: &[u8]) -> Vec<AccessVersion> {
    let mut states = Vec::new();
    for mask in 1..8_usize {
        let who: Vec<&str> = PEOPLE
            .into_iter()
            .enumerate()
            .filter(|(i, _)| mask >> i & 1 == 1)
            .map(|p| p.1)
            .collect();
        states.extend(keys.iter().map(|key| version(&who, *key)));
    }
    states
}

/// The law: nobody outside of the result ever held its data key in one of the three versions.
fn check(base: Option<&AccessVersion>, ours: &AccessVersion, theirs: &AccessVersion, undoes: bool) {
    let result = access(base, ours, theirs, undoes);
    let case = format!("{base:?} | {ours:?} | {theirs:?} | undoes {undoes} -> {result:?}");
    let inside = set(&result.recipients);
    let chosen = match result.key {
        KeyFrom::Ours => Some(&ours.key),
        KeyFrom::Theirs => Some(&theirs.key),
        KeyFrom::Fresh => None,
    };
    for version in [base, Some(ours), Some(theirs)].into_iter().flatten() {
        if Some(&version.key) == chosen {
            assert!(set(&version.recipients).is_subset(&inside), "{case}");
        }
    }
    if undoes && theirs.key != ours.key {
        assert!(
            result.key != KeyFrom::Theirs,
            "a revert gave its data key: {case}"
        );
    }
    let (o, a, b) = (
        base.map(|base| set(&base.recipients)).unwrap_or_default(),
        set(&ours.recipients),
        set(&theirs.recipients),
    );
    let wanted: BTreeSet<&str> = PEOPLE
        .into_iter()
        .filter(
            |who| match (o.contains(who), a.contains(who), b.contains(who)) {
                (true, in_a, in_b) => in_a && in_b,
                (false, true, _) => true,
                (false, false, in_b) => in_b && !undoes,
            },
        )
        .collect();
    assert_eq!(result.is_empty, wanted.is_empty(), "{case}");
    assert_eq!(
        inside,
        if result.is_empty { a.clone() } else { wanted },
        "{case}"
    );
    let back: BTreeSet<&str> = b
        .iter()
        .copied()
        .filter(|who| undoes && !o.contains(who) && !a.contains(who))
        .collect();
    assert_eq!(set(&result.returned), back, "{case}");
    // no new key where nothing asks for one
    let is_quiet =
        o == a && a == b && base.is_some_and(|base| base.key == ours.key || base.key == theirs.key);
    if is_quiet && (ours.key == theirs.key || !undoes) {
        assert!(result.key != KeyFrom::Fresh, "{case}");
    }
}

#[test]
fn the_law_holds_for_three_people_in_every_state_of_all_three_versions() {
    let bases = states(&[0]);
    let sides = states(&[0, 1, 2]);
    for undoes in [false, true] {
        for (ours, theirs) in sides
            .iter()
            .flat_map(|ours| sides.iter().map(move |theirs| (ours, theirs)))
        {
            check(None, ours, theirs, undoes);
            for base in &bases {
                check(Some(base), ours, theirs, undoes);
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Nothing,
    Add(usize),
    /// New stanzas and a new data key.
    Remove(usize),
    /// What `sops updatekeys` does: the data key stays.
    UpdateKeys(usize),
    Rotate,
}

fn acts() -> Vec<Act> {
    let people = 0..PEOPLE.len();
    let each = people.flat_map(|who| [Act::Add(who), Act::Remove(who), Act::UpdateKeys(who)]);
    [Act::Nothing, Act::Rotate]
        .into_iter()
        .chain(each)
        .collect()
}

/// `None` where there is nothing to do, or nobody would be left.
fn done(act: Act, before: &AccessVersion, fresh: u8) -> Option<AccessVersion> {
    let mut after = before.clone();
    match act {
        Act::Nothing => {}
        Act::Rotate => after.key = [fresh; 32],
        Act::Add(who) if !before.recipients.contains(&PEOPLE[who].to_owned()) => {
            after.recipients.push(PEOPLE[who].to_owned());
        }
        Act::Add(_) => return None,
        Act::Remove(who) | Act::UpdateKeys(who) => {
            after.recipients.retain(|name| name != PEOPLE[who]);
            if after.recipients.len() == before.recipients.len() || after.recipients.is_empty() {
                return None;
            }
            if matches!(act, Act::Remove(_)) {
                after.key = [fresh; 32];
            }
        }
    }
    Some(after)
}

#[test]
fn the_law_holds_for_every_pair_of_acts_and_for_reverts_and_cherry_picks_of_them() {
    let mut cases = 0;
    for start in states(&[0]) {
        for (left, right) in acts()
            .into_iter()
            .flat_map(|left| acts().into_iter().map(move |right| (left, right)))
        {
            let (Some(ours), Some(theirs)) = (done(left, &start, 1), done(right, &start, 2)) else {
                continue;
            };
            // merge, rebase, stash pop
            check(Some(&start), &ours, &theirs, false);
            // a revert of the right act, on top of whatever the left one did since
            if let Some(later) = done(left, &theirs, 3) {
                check(Some(&theirs), &later, &start, true);
            }
            // a cherry-pick of the right act onto another history
            for elsewhere in states(&[0, 4]) {
                check(Some(&start), &elsewhere, &theirs, false);
                check(Some(&theirs), &elsewhere, &start, true);
            }
            cases += 1;
        }
    }
    assert!(cases > 250, "{cases}");
}

#[test]
fn what_people_do_most_ends_as_they_expect() {
    let (ana, both, all) = (
        &["ana"][..],
        &["ana", "bob"][..],
        &["ana", "bob", "carol"][..],
    );
    let table = [
        // nothing about access changed
        (both, 0, both, 0, both, 0, false, both, KeyFrom::Ours),
        // bob leaves with a rotation, carol joins on the other side: a key that carol may have, bob
        // not
        (
            both,
            0,
            ana,
            1,
            all,
            0,
            false,
            &["ana", "carol"][..],
            KeyFrom::Ours,
        ),
        (
            both,
            0,
            all,
            0,
            ana,
            1,
            false,
            &["ana", "carol"],
            KeyFrom::Theirs,
        ),
        // `updatekeys` removes bob, who holds the key of the other side
        (both, 0, ana, 0, both, 0, false, ana, KeyFrom::Fresh),
        (both, 0, both, 0, both, 1, false, both, KeyFrom::Theirs),
        (both, 0, both, 1, both, 2, false, both, KeyFrom::Fresh),
        // a revert of the removal of bob
        (ana, 1, ana, 1, both, 0, true, ana, KeyFrom::Ours),
        // a revert of the addition of bob
        (both, 0, both, 0, ana, 0, true, ana, KeyFrom::Fresh),
    ];
    for (o, ok, a, ak, b, bk, undoes, recipients, key) in table {
        let result = access(
            Some(&version(o, ok)),
            &version(a, ak),
            &version(b, bk),
            undoes,
        );
        assert_eq!(
            set(&result.recipients),
            recipients.iter().copied().collect(),
            "{o:?} {a:?} {b:?}"
        );
        assert_eq!(result.key, key, "{o:?}{ok} {a:?}{ak} {b:?}{bk}");
    }
}
