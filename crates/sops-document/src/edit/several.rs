//! Many values at once: one text, one MAC, one check of what is written.

use std::collections::HashSet;

use super::{Edit, EditError, Place, find_in, home, insert, new_leaf, remove};
use crate::format::Format;
use crate::seal::{Fresh, SealError};
use crate::selector::Selected;
use crate::tree::{Path, Scalar, Style, Tree};
use crate::{Cleartext, DataKey, Document, splice};

impl Cleartext {
    /// Whether a value can stand at a path at all: its name and what the format can carry.
    ///
    /// # Errors
    /// [`EditError`].
    pub fn check_set(&self, path: &Path, scalar: &Scalar) -> Result<(), EditError> {
        self.check(path, scalar)
    }

    /// Sets several values at different paths; `None` when all of them are there already. What is new has to
    /// be an entry of a map or list that exists, and none of it may be left in clear.
    ///
    /// # Errors
    /// [`EditError`] of the first value that cannot be set.
    pub fn set_all(
        &self,
        values: &[(Path, Scalar)],
        key: &DataKey,
        fresh: &mut Fresh<'_>,
    ) -> Result<Option<String>, EditError> {
        let mut tree = self.tree().clone();
        let mut places = Vec::new();
        for (path, scalar) in values {
            self.check(path, scalar)?;
            let place = self.place(path)?;
            match &place {
                Place::Value(..) => {
                    let root = tree.documents.get_mut(home(self.tree(), path));
                    if let Some(entry) = root.and_then(|root| find_in(root, &path.0)) {
                        entry.node.value = new_leaf(scalar);
                    }
                }
                Place::Below { depth, .. } => {
                    if depth + 1 != path.0.len() || self.document().format() == Format::Ini {
                        return Err(EditError::Value(path.clone(), "is new, and so is what it stands in"));
                    }
                    insert::into_tree(&mut tree, path, *depth, scalar);
                }
            }
            places.push((path, scalar, place));
        }
        let selections = self.selections(&tree);
        let mut edits = Vec::new();
        for (path, scalar, place) in places {
            let selected = selections.contains(&(home(&tree, path), path.clone()));
            if scalar.token_type().is_some() && !selected {
                let (name, text) = self.document().metadata().selector.field();
                return Err(EditError::Clear(path.clone(), format!("{name}: {text}")));
            }
            edits.extend(self.edit_at(path, scalar, place, selected, key, fresh)?);
        }
        if edits.is_empty() {
            return Ok(None);
        }
        let text = splice(self.document().source(), edits);
        Ok(Some(self.finish(&text, &tree, key, fresh)?))
    }

    /// Removes several entries of maps; together where their texts do not touch, else half by half.
    ///
    /// # Errors
    /// As [`Self::unset`], for the first that cannot be removed.
    pub fn unset_all(
        &self,
        paths: &[Path],
        key: &DataKey,
        fresh: &mut Fresh<'_>,
    ) -> Result<String, EditError> {
        match paths {
            [] => return Ok(self.document().source().to_owned()),
            [path] => return self.unset(path, key, fresh),
            _ => {}
        }
        if let Ok(text) = self.unset_at_once(paths, key, fresh) {
            return Ok(text);
        }
        let (first, second) = paths.split_at(paths.len() / 2);
        let text = self.unset_all(first, key, fresh)?;
        let again = Document::parse(self.document().format(), &text)
            .map_err(|error| SealError::ReadBack(error.to_string()))?;
        let again = again.open(key).map_err(|fault| SealError::ReadBack(fault.to_string()))?;
        again.unset_all(second, key, fresh)
    }

    /// What is written is read back, so a text that does not come out right is an error here.
    fn unset_at_once(
        &self,
        paths: &[Path],
        key: &DataKey,
        fresh: &mut Fresh<'_>,
    ) -> Result<String, EditError> {
        const TOUCH: &str = "cannot be removed together with another one";
        let mut tree = self.tree().clone();
        let mut edits = Vec::new();
        for path in paths {
            self.check(path, &Scalar::Null)?;
            let edit = self.removal(path)?;
            remove::from_tree(&mut tree, &path.0, &edit.0);
            edits.push(edit);
        }
        edits.sort_by_key(|(range, _)| range.start);
        let touch = edits.windows(2).any(|pair| pair[0].0.end > pair[1].0.start);
        if touch || self.document().format() == Format::Ini {
            return Err(EditError::Value(paths[0].clone(), TOUCH));
        }
        let text = splice(self.document().source(), edits);
        Ok(self.finish(&text, &tree, key, fresh)?)
    }

    fn edit_at(
        &self,
        path: &Path,
        scalar: &Scalar,
        place: Place<'_>,
        selected: bool,
        key: &DataKey,
        fresh: &mut Fresh<'_>,
    ) -> Result<Option<Edit>, EditError> {
        match place {
            Place::Value(entry, leaf) => {
                let sealed = leaf.token.is_some() || !selected || leaf.scalar.is_empty_str();
                if leaf.scalar == *scalar && sealed {
                    return Ok(None);
                }
                let text = self.stored(path, scalar, leaf.style, selected, key, fresh);
                Ok(Some(self.replacement(&entry.node.span, leaf.style, &text)))
            }
            Place::Below { container, depth } => {
                let style: Style = self.style_below(container, path, depth);
                let text = self.stored(path, scalar, style, selected, key, fresh);
                self.insertion(container, path, depth, &text).map(Some)
            }
        }
    }

    /// Where the rule of the file encrypts, with the number of the document; comments considered.
    fn selections(&self, tree: &Tree) -> HashSet<(usize, Path)> {
        let mut found = HashSet::new();
        for (number, document) in tree.documents.iter().enumerate() {
            let mut one = Tree { documents: vec![document.clone()], ..Tree::default() };
            self.document().metadata().selector.walk(&mut one, &mut |path, met, selected| {
                if selected && matches!(met, Selected::Leaf(..)) {
                    found.insert((number, path.clone()));
                }
            });
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::age::{self, tests::identity};

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
        clear.set_all(values, key, &mut Fresh { now: "2026-01-02T03:04:05Z", random: &mut random })
    }

    #[test]
    fn old_and_new_values_change_together_in_every_flat_format() {
        for (format, text) in [
            (Format::Yaml, include_str!("../../../../fixtures/sops/y01-flat.enc.yaml")),
            (Format::Json, include_str!("../../../../fixtures/sops/j01-flat.enc.json")),
            (Format::Dotenv, include_str!("../../../../fixtures/sops/d01-flat.enc.env")),
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
                assert!(leaf.scalar == *scalar && leaf.token.is_some(), "{format:?} {path}");
            }
            assert_eq!(again.tree().leaves().len(), clear.tree().leaves().len() + 2);
            assert!(set_all(&again, &key, &values).unwrap().is_none(), "a second time nothing changes");
        }
    }

    #[test]
    fn any_choice_of_keys_is_removed_in_every_flat_format() {
        for (format, text) in [
            (Format::Yaml, include_str!("../../../../fixtures/sops/y01-flat.enc.yaml")),
            (Format::Json, include_str!("../../../../fixtures/sops/j01-flat.enc.json")),
            (Format::Dotenv, include_str!("../../../../fixtures/sops/d01-flat.enc.env")),
        ] {
            let (clear, key) = open(format, text);
            let all: Vec<Path> = clear.tree().leaves().into_iter().map(|(path, ..)| path).collect();
            assert!(all.len() > 2 && all.iter().all(|path| path.0.len() == 1), "{format:?}");
            for choice in 0..1_u32 << all.len().min(6) {
                let (gone, left): (Vec<_>, Vec<_>) = all
                    .iter()
                    .cloned()
                    .enumerate()
                    .partition(|(at, _)| choice >> (at % 32) & 1 == 1 && *at < 6);
                let paths: Vec<Path> = gone.into_iter().map(|(_, path)| path).collect();
                let mut random = |bytes: &mut [u8]| bytes.fill(7);
                let mut fresh = Fresh { now: "2026-01-02T03:04:05Z", random: &mut random };
                let text = clear.unset_all(&paths, &key, &mut fresh).unwrap();
                let (again, _) = open(format, &text);
                let found: Vec<Path> = again.tree().leaves().into_iter().map(|(path, ..)| path).collect();
                assert_eq!(found, left.into_iter().map(|(_, path)| path).collect::<Vec<_>>(), "{format:?}");
            }
        }
    }

    #[test]
    fn new_maps_are_not_made() {
        let (clear, key) = open(Format::Yaml, include_str!("../../../../fixtures/sops/y01-flat.enc.yaml"));
        let nested = Path(vec!["a", "b"].into_iter().map(|key| crate::Step::Key(key.into())).collect());
        assert!(matches!(set_all(&clear, &key, &[(nested, Scalar::str("x"))]), Err(EditError::Value(..))));
    }
}
