use super::*;
use crate::age::{self, tests::identity};
use crate::{DataKey, Document, Format, Step};

const ALICE: &str = include_str!("../../../../fixtures/sops/keys/alice.txt");

fn open(format: Format, text: &str) -> (Cleartext, DataKey) {
    let document = Document::parse(format, text).unwrap();
    let key = age::unwrap(&document.metadata().age[0], &identity(ALICE)).unwrap();
    (document.open(&key).unwrap(), key)
}

fn set_all(
    clear: &Cleartext,
    key: &DataKey,
    values: &[(Path, Scalar)],
) -> Result<Option<String>, EditError> {
    let mut random = |bytes: &mut [u8]| bytes.fill(7);
    clear.set_all(
        values,
        &mut SealContext {
            key,
            now: "2026-01-02T03:04:05Z",
            random: &mut random,
        },
    )
}

#[test]
fn old_and_new_values_change_together_in_every_flat_format() {
    for (format, text) in [
        (
            Format::Yaml,
            include_str!("../../../../fixtures/sops/y01-flat.enc.yaml"),
        ),
        (
            Format::Json,
            include_str!("../../../../fixtures/sops/j01-flat.enc.json"),
        ),
        (
            Format::Dotenv,
            include_str!("../../../../fixtures/sops/d01-flat.enc.env"),
        ),
    ] {
        let (clear, key) = open(format, text);
        let known = clear.tree().leaves()[0].0.clone();
        let values: Vec<(Path, Scalar)> = [known, Path::key("NEW_A"), Path::key("NEW_B")]
            .into_iter()
            .map(|path| (path, Scalar::str("fresh value")))
            .collect();
        let written = set_all(&clear, &key, &values).unwrap().unwrap();
        let (again, key) = open(format, &written);
        for (path, scalar) in &values {
            let leaf = again.tree().find(path).unwrap().node.leaf().unwrap();
            assert!(
                leaf.scalar == *scalar && leaf.token.is_some(),
                "{format:?} {path}"
            );
        }
        assert_eq!(again.tree().leaves().len(), clear.tree().leaves().len() + 2);
        assert!(
            set_all(&again, &key, &values).unwrap().is_none(),
            "a second time nothing changes"
        );
    }
}

#[test]
fn any_choice_of_keys_is_removed_in_every_flat_format() {
    for (format, text) in [
        (
            Format::Yaml,
            include_str!("../../../../fixtures/sops/y01-flat.enc.yaml"),
        ),
        (
            Format::Json,
            include_str!("../../../../fixtures/sops/j01-flat.enc.json"),
        ),
        (
            Format::Dotenv,
            include_str!("../../../../fixtures/sops/d01-flat.enc.env"),
        ),
    ] {
        let (clear, key) = open(format, text);
        let all: Vec<Path> = clear
            .tree()
            .leaves()
            .into_iter()
            .map(|(path, ..)| path)
            .collect();
        assert!(
            all.len() > 2 && all.iter().all(|path| path.0.len() == 1),
            "{format:?}"
        );
        for choice in 0..1_u32 << all.len().min(6) {
            let (gone, left): (Vec<_>, Vec<_>) = all
                .iter()
                .cloned()
                .enumerate()
                .partition(|(at, _)| choice >> (at % 32) & 1 == 1 && *at < 6);
            let paths: Vec<Path> = gone.into_iter().map(|(_, path)| path).collect();
            let mut random = |bytes: &mut [u8]| bytes.fill(7);
            let mut context = SealContext {
                key: &key,
                now: "2026-01-02T03:04:05Z",
                random: &mut random,
            };
            let text = clear.unset_all(&paths, &mut context).unwrap();
            let (again, _) = open(format, &text);
            let found: Vec<Path> = again
                .tree()
                .leaves()
                .into_iter()
                .map(|(path, ..)| path)
                .collect();
            assert_eq!(
                found,
                left.into_iter().map(|(_, path)| path).collect::<Vec<_>>(),
                "{format:?}"
            );
        }
    }
}

#[test]
fn new_maps_are_made_for_one_value_alone() {
    let (clear, key) = open(
        Format::Yaml,
        include_str!("../../../../fixtures/sops/y01-flat.enc.yaml"),
    );
    let below = |name: &str| Path(["a", name].map(|key| Step::Key(key.into())).to_vec());
    let two = [
        (below("b"), Scalar::str("x")),
        (below("c"), Scalar::str("y")),
    ];
    assert!(matches!(
        set_all(&clear, &key, &two),
        Err(EditError::Value(..))
    ));
    let text = set_all(&clear, &key, &two[..1]).unwrap().unwrap();
    let (again, _) = open(Format::Yaml, &text);
    assert!(
        again
            .tree()
            .find(&two[0].0)
            .is_some_and(|entry| entry.node.text() == Some("x"))
    );
}
