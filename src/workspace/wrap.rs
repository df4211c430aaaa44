//! Re-wrapping and rotating one file: what shall be written is checked before it is planned.

use sops_document::age::Recipient;
use sops_document::tree::Visit;
use sops_document::{Cleartext, DataKey, Document, Format, Path, Terms, Token, seal};

use super::groups::Stanzas;
use super::{Target, Workspace, WorkspaceError, random, sealing};
use crate::disk::Write;
pub use crate::inventory::DataKeyChange;
use crate::inventory::{Cause, Obstacle, SecretFile};

/// A planned change of one file.
pub struct Rewrapped {
    pub target: Target,
    pub write: Write,
    /// Those of every key group.
    pub readers: Vec<Recipient>,
    /// How many values are encrypted.
    pub values: usize,
}

impl Workspace {
    /// Plans new stanzas for exactly these readers, in this order; with [`DataKeyChange::New`] also
    /// a new data key, and proves that the old one opens nothing of the result. Keys of other kinds
    /// stay where a data key may stay, or go with [`DataKeyChange::NewForAgeAlone`].
    ///
    /// # Errors
    /// [`Obstacle`] when the file does not open, does not authenticate, or has keys of other kinds.
    pub fn rewrap(
        &self,
        file: &SecretFile,
        readers: &[Vec<Recipient>],
        keys: DataKeyChange,
    ) -> std::result::Result<Rewrapped, Box<Obstacle>> {
        let other = |what: String| file.obstacle(Cause::Other(what));
        let document = match keys {
            DataKeyChange::NewForAgeAlone => file
                .document
                .without_others()
                .map_err(|error| other(error.to_string()))?,
            DataKeyChange::Keep | DataKeyChange::New => file.document.clone(),
        };
        file.admits(keys)?;
        let (old, clear) = self.open_to_rewrap(file, &document)?;
        let threshold = document.metadata().threshold;
        let after = match keys {
            DataKeyChange::Keep => document.rewrap(&Stanzas::new(&old, readers, threshold)),
            DataKeyChange::New | DataKeyChange::NewForAgeAlone => {
                let new = DataKey::generate(&mut random);
                let text = sealing(&new, |context| {
                    clear.rotate(&Stanzas::new(&new, readers, threshold), context)
                });
                let text = text.map_err(|error| other(error.to_string()))?;
                prove(file.document.format(), &text, &old, &new).map_err(other)?;
                Ok(text)
            }
        };
        let after = after.map_err(|error| other(error.to_string()))?;
        Ok(rewrapped(file, readers, after))
    }

    /// Plans another split of the data key: the values are sealed anew under the key groups of a
    /// rule.
    ///
    /// # Errors
    /// As [`Self::rewrap`].
    pub fn resplit(
        &self,
        file: &SecretFile,
        readers: &[Vec<Recipient>],
        threshold: usize,
        keys: DataKeyChange,
    ) -> std::result::Result<Rewrapped, Box<Obstacle>> {
        let other = |what: String| file.obstacle(Cause::Other(what));
        let (old, clear) = self.open_to_rewrap(file, &file.document)?;
        let is_new = keys != DataKeyChange::Keep;
        let fresh = is_new.then(|| DataKey::generate(&mut random));
        let key = fresh.as_ref().unwrap_or(&old);
        let stanzas = Stanzas::new(key, readers, threshold);
        let metadata = file.document.metadata();
        let terms = Terms {
            selector: metadata.selector.clone(),
            mac_only_encrypted: metadata.mac_only_encrypted,
            threshold,
            ..Terms::of(&stanzas)
        };
        let format = file.document.format();
        let text = match clear.payload() {
            Some(bytes) => sealing(key, |context| seal(format, &*bytes, &terms, context)),
            None => sealing(key, |context| {
                seal(format, clear.layout().as_bytes(), &terms, context)
            }),
        };
        let text = text.map_err(|error| other(error.to_string()))?;
        if is_new {
            prove(format, &text, &old, key).map_err(other)?;
        }
        Ok(rewrapped(file, readers, text))
    }

    fn open_to_rewrap(
        &self,
        file: &SecretFile,
        document: &Document,
    ) -> std::result::Result<(DataKey, Cleartext), Box<Obstacle>> {
        let fail = |cause: Cause| file.obstacle(cause);
        let key = self
            .unlock(&file.target, &file.document)
            .map_err(|error| match error {
                WorkspaceError::Locked { readers, .. } => fail(Cause::Locked { readers }),
                error @ WorkspaceError::OwnStanza { .. } => {
                    fail(Cause::Integrity(error.to_string()))
                }
                WorkspaceError::Integrity { fault, .. } => {
                    fail(Cause::Integrity(fault.to_string()))
                }
                error => fail(Cause::Other(error.to_string())),
            })?;
        let clear = document
            .open(&key)
            .map_err(|fault| fail(Cause::Integrity(fault.to_string())))?;
        Ok((key, clear))
    }
}

fn rewrapped(file: &SecretFile, readers: &[Vec<Recipient>], after: String) -> Rewrapped {
    let before = Some(file.document.source().as_bytes().to_vec());
    let write = Write {
        path: file.target.path.clone().into(),
        before,
        after: after.into(),
        mode: None,
    };
    let values = secret_paths(&file.document).len();
    Rewrapped {
        target: file.target.clone(),
        write,
        readers: readers.concat(),
        values,
    }
}

/// The paths of the encrypted values, in file order; no key is needed.
#[must_use]
pub fn secret_paths(document: &Document) -> Vec<Path> {
    let is_token = |text: Option<&str>| text.is_some_and(|text| Token::parse(text).is_ok());
    let leaves = document.tree().leaves().into_iter();
    leaves
        .filter(|(_, _, leaf)| is_token(leaf.scalar.as_text()))
        .map(|(path, ..)| path)
        .collect()
}

/// Whether the MAC of a document was made with this data key: the cheapest way to compare data keys
/// without unwrapping another one.
#[must_use]
pub fn has_data_key(document: &Document, key: &DataKey) -> bool {
    let metadata = document.metadata();
    Token::parse(&metadata.mac).is_ok_and(|mac| mac.open(key, &metadata.lastmodified).is_ok())
}

/// How many tokens there are, and how many of them a key opens: values, comments and the MAC.
fn opened_by(document: &Document, key: &DataKey) -> (usize, usize) {
    let (mut total, mut opened) = (1, usize::from(has_data_key(document, key)));
    let mut count = |text: &str, places: &[String]| {
        let Ok(token) = Token::parse(text) else {
            return;
        };
        total += 1;
        opened += usize::from(places.iter().any(|place| token.open(key, place).is_ok()));
    };
    document.tree().walk(&mut |path, visit| match visit {
        Visit::Leaf(_, leaf) => {
            if let Some(text) = leaf.scalar.as_text() {
                count(text, &[path.aad()]);
            }
        }
        Visit::Comment(comment) => {
            let containers =
                (0..=path.0.len()).map(|depth| Path(path.0[..depth].to_vec()).comment_aad());
            count(&comment.text, &containers.collect::<Vec<_>>());
        }
        Visit::Empty(_) => {}
    });
    (total, opened)
}

/// The old data key opens nothing of the new text. That the new one opens all of it is the control:
/// without it a mistake in the check itself would pass for a proof.
pub(super) fn prove(
    format: Format,
    text: &str,
    old: &DataKey,
    new: &DataKey,
) -> std::result::Result<(), String> {
    let document = Document::parse(format, text).map_err(|error| error.to_string())?;
    let (total, opened) = opened_by(&document, new);
    let (_, leaked) = opened_by(&document, old);
    if opened == total && leaked == 0 && total > 0 {
        return Ok(());
    }
    Err(format!(
        "the new data key opens {opened} and the old one {leaked} of {total} tokens; nothing was written"
    ))
}

#[cfg(test)]
mod tests {
    use sops_document::SealContext;
    use sops_document::age;

    use super::*;

    fn recipient() -> Recipient {
        "age147zy7f5juz43arn96sadlx2ftg2ulshsvplc8l3q68570w9t69fsmy4d78"
            .parse()
            .unwrap()
    }

    fn sealed(clear: &str, key: &DataKey) -> String {
        let mut context = SealContext {
            key,
            now: "2026-01-10T12:00:00Z",
            random: &mut random,
        };
        let wrapped = age::wrap(key, &[recipient()]);
        seal(Format::Yaml, clear, &Terms::of(&wrapped), &mut context).unwrap()
    }

    #[test]
    fn the_old_data_key_opens_no_value_no_comment_and_no_mac_after_a_rotation() {
        let (old, new) = (DataKey::new([1; 32]), DataKey::new([2; 32]));
        let text = sealed(
            "# about\na: x\nm:\n    # inner\n    k: 1\n    l:\n        - y\n",
            &old,
        );
        let document = Document::parse(Format::Yaml, &text).unwrap();
        assert_eq!(opened_by(&document, &old), (6, 6));
        assert_eq!(opened_by(&document, &new), (6, 0));
        let wrapped = age::wrap(&new, &[recipient()]);
        let rotated = sealing(&new, |context| {
            document.open(&old).unwrap().rotate(&wrapped, context)
        })
        .unwrap();
        assert_eq!(prove(Format::Yaml, &rotated, &old, &new), Ok(()));
        // one token that was left behind is seen
        let kept = text.lines().find(|line| line.starts_with("a: ")).unwrap();
        let fresh_line = rotated
            .lines()
            .find(|line| line.starts_with("a: "))
            .unwrap();
        assert!(prove(Format::Yaml, &rotated.replace(fresh_line, kept), &old, &new).is_err());
        assert!(prove(Format::Yaml, &text, &old, &new).is_err());
    }

    #[test]
    fn only_encrypted_values_are_secret() {
        let text = sealed("a: x\nb_unencrypted: y\nc: ''\n", &DataKey::new([1; 32]));
        let document = Document::parse(Format::Yaml, &text).unwrap();
        assert_eq!(secret_paths(&document), [Path::key("a")]);
    }
}
