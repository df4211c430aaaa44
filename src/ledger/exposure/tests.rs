use super::*;
use crate::ledger::hand_made::{HandMadeLog, log, origin, snapshot};

type Tips<'a> = &'a [(&'a str, &'a Rc<Snapshot>)];

/// A key holder reads tokens whose numbers differ by tens as one value.
fn insight(marks: &[u8]) -> Insight {
    Insight {
        keys: marks
            .iter()
            .map(|mark| ([*mark; 16], [mark / 10; 32]))
            .collect(),
        weak: HashSet::new(),
        values: marks
            .iter()
            .map(|mark| ([*mark; 16], [mark % 10; 16]))
            .collect(),
    }
}

fn told_of(
    versions: &[FileVersion],
    removals: &[Removal],
    tips: Tips<'_>,
    insight: &Insight,
    who: &str,
) -> Vec<String> {
    let tips: Vec<(String, Rc<Snapshot>)> = tips
        .iter()
        .map(|(path, tip)| ((*path).to_owned(), (*tip).clone()))
        .collect();
    let others: Vec<&Snapshot> = tips.iter().map(|(_, tip)| &**tip).collect();
    let epochs = Epochs::of(versions, &others, insight);
    let accepted = |_: &str, key: &str| (key == "PORT").then(|| "not a secret".to_owned());
    let ledger = Ledger {
        versions,
        removals,
        head: (versions, removals),
        tips: &tips,
        epochs: &epochs,
        insight,
        accepted: &accepted,
        standing: &|_, _| Standing::Unknown,
        memory: Memory::default(),
    };
    let commit =
        |origin: &Option<Rc<Origin>>| origin.as_ref().map_or("-".into(), |it| it.commit.clone());
    let state = |state: &ValueState| match state {
        ValueState::Present => "present".to_owned(),
        ValueState::Exposed(Why::Elsewhere { path, key }) => format!("exposed as {key} of {path}"),
        ValueState::Exposed(why) => format!("exposed {why:?}"),
        ValueState::Replaced(by) => format!("replaced {}", commit(by)),
        ValueState::Accepted(why) => format!("accepted {why}"),
        ValueState::Unknown(Doubt::Reencrypted { set_again }) => {
            format!("unknown, set {}", commit(set_again))
        }
        ValueState::Unknown(Doubt::Gone { removed }) => {
            format!("unknown, gone {}", commit(removed))
        }
    };
    let mut lines = Vec::new();
    for file in ledger.exposure(&[who.to_owned()]) {
        let away = file
            .away
            .iter()
            .map(|(from, to)| format!(" not {}..{}", from.commit, to.commit));
        let (path, away) = (&file.path, away.collect::<String>());
        lines.push(format!(
            "{path} {}..{}{away}",
            file.from.commit,
            commit(&file.until)
        ));
        for item in &file.items {
            let seen: Vec<String> = item
                .readable
                .iter()
                .map(|it| format!("{}@{}", it.token[0], it.origin.commit))
                .collect();
            lines.push(format!(
                "  {} [{}] {}",
                item.key,
                seen.join(" "),
                state(&item.state)
            ));
        }
    }
    lines
}

fn told(commits: HandMadeLog<'_>, tips: Tips<'_>, insight: &Insight) -> Vec<String> {
    told_of(&log(commits), &[], tips, insight, "bob")
}

const NO_KEY: fn() -> Insight = Insight::default;

#[test]
fn a_removal_without_a_new_data_key_exposes_what_came_later_too() {
    let both = snapshot(&["ana", "bob"], &[("A", 1), ("PORT", 2)]);
    let kept = snapshot(&["ana"], &[("A", 1), ("B", 3), ("PORT", 2)]);
    let found = told(
        &[("f", "c2", &kept), ("f", "c1", &both)],
        &[("f", &kept)],
        &NO_KEY(),
    );
    assert_eq!(
        found,
        [
            "f c1..-",
            "  A [1@c1] exposed KeepsDataKey",
            "  B [3@c2] exposed KeepsDataKey",
            "  PORT [2@c1] accepted not a secret"
        ]
    );
}

#[test]
fn a_rotation_leaves_the_values_exposed_until_each_is_replaced_and_without_a_key_unknown() {
    let both = snapshot(&["ana", "bob"], &[("A", 1), ("B", 2), ("C", 3)]);
    let rotated = snapshot(&["ana"], &[("A", 11), ("B", 12), ("C", 13)]);
    let set = snapshot(&["ana"], &[("A", 11), ("B", 15), ("C", 13)]);
    let gone = snapshot(&["ana"], &[("A", 11), ("B", 15)]);
    let commits: HandMadeLog<'_> = &[
        ("f", "c4", &gone),
        ("f", "c3", &set),
        ("f", "c2", &rotated),
        ("f", "c1", &both),
    ];
    let tips: Tips<'_> = &[("f", &gone)];
    assert_eq!(
        told(commits, tips, &NO_KEY()),
        [
            "f c1..c2",
            "  A [1@c1] unknown, set -",
            "  B [2@c1] unknown, set c3",
            "  C [3@c1] unknown, gone c4"
        ]
    );
    assert_eq!(
        told(commits, tips, &insight(&[1, 2, 3, 11, 12, 13, 15])),
        [
            "f c1..c2",
            "  A [1@c1] exposed SameValue",
            "  B [2@c1] replaced c3",
            "  C [3@c1] unknown, gone c4"
        ]
    );
    // set in the work tree and not committed yet
    let now = snapshot(&["ana"], &[("A", 16), ("B", 15)]);
    let found = told(
        commits,
        &[("f", &now)],
        &insight(&[1, 2, 3, 11, 12, 13, 15, 16]),
    );
    assert_eq!(found[1], "  A [1@c1] replaced -");
}

#[test]
fn who_is_back_reads_today_and_a_reverted_rotation_opens_again() {
    let both = snapshot(&["ana", "bob"], &[("A", 1)]);
    let rotated = snapshot(&["ana"], &[("A", 11)]);
    let back = snapshot(&["ana", "bob"], &[("A", 12)]);
    let commits: HandMadeLog<'_> = &[
        ("f", "c3", &back),
        ("f", "c2", &rotated),
        ("f", "c1", &both),
    ];
    assert_eq!(
        told(commits, &[("f", &back)], &NO_KEY()),
        [
            "f c1..- not c2..c3",
            "  A [1@c1 11@c2 12@c3] exposed ReadsToday"
        ]
        .map(|line| {
            // the second data key is another one than the third only for who has no key
            line.replace(" 11@c2", "")
        })
    );
    // gone, back, and gone: both intervals
    let last = snapshot(&["ana"], &[("A", 13)]);
    let commits: HandMadeLog<'_> = &[
        ("f", "c4", &last),
        ("f", "c3", &back),
        ("f", "c2", &rotated),
        ("f", "c1", &both),
    ];
    assert_eq!(
        told(commits, &[("f", &last)], &NO_KEY())[0],
        "f c1..c4 not c2..c3"
    );
    let kept = snapshot(&["ana"], &[("A", 1)]);
    let reverted: HandMadeLog<'_> = &[
        ("f", "c4", &kept),
        ("f", "c3", &rotated),
        ("f", "c2", &kept),
        ("f", "c1", &both),
    ];
    assert_eq!(
        told(reverted, &[("f", &kept)], &NO_KEY()),
        ["f c1..- not c3..c4", "  A [1@c1] exposed KeepsDataKey"]
    );
}

#[test]
fn a_copy_in_another_env_and_a_value_under_another_name_are_found() {
    let both = snapshot(&["ana", "bob"], &[("A", 1)]);
    let rotated = snapshot(&["ana"], &[("A", 12)]);
    let copy = snapshot(&["ana"], &[("A", 1)]);
    let commits: HandMadeLog<'_> = &[
        ("g", "c3", &copy),
        ("f", "c2", &rotated),
        ("f", "c1", &both),
    ];
    let found = told(
        commits,
        &[("f", &rotated), ("g", &copy)],
        &insight(&[1, 12]),
    );
    assert_eq!(
        found,
        [
            "f c1..c2",
            "  A [1@c1] exposed as A of g",
            "g c1..-",
            "  A [1@c1] exposed KeepsDataKey"
        ]
    );
    let other = snapshot(&["ana"], &[("OLD_A", 31)]);
    let none = snapshot(&["ana"], &[("X", 15)]);
    let commits: HandMadeLog<'_> = &[("h", "c3", &other), ("f", "c2", &none), ("f", "c1", &both)];
    let found = told(
        commits,
        &[("f", &none), ("h", &other)],
        &insight(&[1, 15, 31]),
    );
    assert_eq!(found, ["f c1..c2", "  A [1@c1] exposed as OLD_A of h"]);
}

#[test]
fn a_replaced_key_whose_old_value_stands_under_another_name_is_exposed() {
    let both = snapshot(&["ana", "bob"], &[("A", 1), ("B", 2)]);
    let now = snapshot(&["ana"], &[("A", 15), ("B", 16), ("C", 11)]);
    let commits: HandMadeLog<'_> = &[("f", "c2", &now), ("f", "c1", &both)];
    let mut known = insight(&[1, 2, 15, 16, 11]);
    let exposed = [
        "f c1..c2",
        "  A [1@c1] exposed as C of f",
        "  B [2@c1] replaced c2",
    ];
    assert_eq!(told(commits, &[("f", &now)], &known), exposed);
    // but not where the value is one that many keys have
    known.weak.insert([1; 16]);
    assert_eq!(
        told(commits, &[("f", &now)], &known)[1],
        "  A [1@c1] replaced c2"
    );
}

#[test]
fn what_a_file_was_copied_from_goes_its_own_way() {
    let both = snapshot(&["ana", "bob"], &[("A", 1)]);
    let more = snapshot(&["ana", "bob"], &[("A", 1), ("B", 2)]);
    // `g` is a copy of `f`, which got B and then another name
    let versions = log(&[
        ("h", "c4", &more),
        ("f", "c3", &more),
        ("g", "c2", &both),
        ("f", "c1", &both),
    ]);
    let gone = [Removal {
        path: "f".into(),
        origin: origin("c4", 0),
        before: vec![more.clone()],
        place: 0,
    }];
    let tips: Tips<'_> = &[("g", &both), ("h", &more)];
    let found = told_of(&versions, &gone, tips, &NO_KEY(), "bob");
    let of_g = ["g c1..-", "  A [1@c1] exposed ReadsToday"];
    assert_eq!(found[..2], of_g);
    let of_h = [
        "h c1..-",
        "  A [1@c1] exposed ReadsToday",
        "  B [2@c3] exposed ReadsToday",
    ];
    assert_eq!(found[2..], of_h);
}

#[test]
fn a_file_that_is_gone_is_not_forgotten() {
    let both = snapshot(&["ana", "bob"], &[("A", 1)]);
    let versions = log(&[("f", "c1", &both)]);
    let removals = [Removal {
        path: "f".into(),
        origin: origin("c2", 0),
        before: vec![both.clone()],
        place: 0,
    }];
    let found = told_of(&versions, &removals, &[], &NO_KEY(), "bob");
    assert_eq!(found, ["f c1..c2", "  A [1@c1] unknown, gone c2"]);
}

#[test]
fn former_is_who_lost_a_file_and_not_who_reads_another_deleted_one() {
    let both = snapshot(&["ana", "bob"], &[("A", 1)]);
    let ana = snapshot(&["ana"], &[("A", 11)]);
    let versions = log(&[("f", "c2", &ana), ("old", "c1", &both), ("f", "c0", &both)]);
    let tips = [("f".to_owned(), ana.clone())];
    let (epochs, insight) = (Epochs::of(&versions, &[], &NO_KEY()), NO_KEY());
    let ledger = Ledger {
        versions: &versions,
        removals: &[],
        tips: &tips,
        epochs: &epochs,
        insight: &insight,
        accepted: &|_, _| None,
        head: (&versions, &[]),
        standing: &|_, _| Standing::Unknown,
        memory: Memory::default(),
    };
    let former: Vec<_> = ledger
        .former(&|_, _| false)
        .into_iter()
        .map(|(keys, _)| keys)
        .collect();
    assert_eq!(former, [["bob"]]);
    assert!(ledger.exposure(&["carol".to_owned()]).is_empty());
}

#[test]
fn what_somebody_reads_with_another_key_is_no_exposure() {
    let old = snapshot(&["ana", "bob-old"], &[("A", 1)]);
    let new = snapshot(&["ana", "bob-new"], &[("A", 1)]);
    let versions = log(&[("f", "c2", &new), ("f", "c1", &old)]);
    let tips = [("f".to_owned(), new.clone())];
    let (epochs, insight) = (Epochs::of(&versions, &[], &NO_KEY()), NO_KEY());
    let ledger = Ledger {
        versions: &versions,
        removals: &[],
        tips: &tips,
        epochs: &epochs,
        insight: &insight,
        accepted: &|_, _| None,
        head: (&versions, &[]),
        standing: &|_, _| Standing::Named,
        memory: Memory::default(),
    };
    let is_bob = |one: &str, other: &str| one.starts_with("bob") && other.starts_with("bob");
    assert!(ledger.former(&is_bob).is_empty());
    assert_eq!(ledger.former(&|_, _| false).len(), 1);
    let both = ledger.exposure(&["bob-old".to_owned(), "bob-new".to_owned()]);
    assert_eq!(both[0].items[0].state, ValueState::Present);
}

#[test]
fn a_recipient_of_another_branch_counts() {
    // bob was in the file on a branch that was never merged
    let main = snapshot(&["ana"], &[("A", 1)]);
    let side = snapshot(&["ana", "bob"], &[("A", 1), ("B", 2)]);
    let commits: HandMadeLog<'_> = &[("f", "side", &side), ("f", "c1", &main)];
    assert_eq!(
        told(commits, &[("f", &main)], &NO_KEY()),
        [
            "f c1..-",
            "  A [1@c1] exposed KeepsDataKey",
            "  B [2@side] unknown, gone -"
        ]
    );
}
