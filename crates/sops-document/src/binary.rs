//! Any other file: its bytes are one string named `data` in a JSON object of SOPS.
//!
//! A name tells nothing here: only an object that holds `data` and the metadata is such a document.

use zeroize::Zeroizing;

use super::block::NewBlock;
use super::edit::EditError;
use super::facts::read_back;
use super::format::Format;
use super::join::json_member;
use super::layout::Layout;
use super::mac::Mac;
use super::seal::{Fresh, SealError};
use super::sealing::token_text;
use super::tree::{Path, Scalar, Style, Tree, Value};
use super::{Cleartext, DataKey, DocumentError, Token, TokenType, WrappedKey};

/// The only name of a binary file.
const DATA: &str = "data";

/// Whether it is worth reading the text as a document at all: most files of a repository are not.
pub(super) fn may_be(source: &str) -> bool {
    let has = |word: &str| source.contains(word);
    source.trim_start().starts_with('{') && has("\"sops\"") && (has("\"mac\"") || has("\"lastmodified\""))
}

/// Holds a tree without its metadata to the one shape. sops takes the first `data` and drops the rest.
pub(super) fn check(tree: &Tree) -> Result<(), DocumentError> {
    let fault = |what: &str| Err(DocumentError::Metadata { line: 1, what: what.into() });
    let Some(root) = tree.documents.first() else { return Err(DocumentError::NotSops) };
    let Some(entry) = root.get(DATA) else { return Err(DocumentError::Misnamed) };
    match &entry.node.value {
        Value::Leaf(leaf) if leaf.scalar.as_text().is_none() => fault("`data` is not a string"),
        Value::Leaf(_) if root.entries().count() == 1 => Ok(()),
        Value::Leaf(_) => fault("a binary file holds `data` and nothing else"),
        _ => Err(DocumentError::Misnamed),
    }
}

/// Seals the bytes of a file, indented by `unit`. No rule selects here: all of it is encrypted.
///
/// # Errors
/// [`SealError`] without a recipient, or when the result does not read back.
pub fn seal(
    clear: &[u8],
    unit: &str,
    wrapped: &[WrappedKey],
    key: &DataKey,
    fresh: &mut Fresh<'_>,
) -> Result<String, SealError> {
    if wrapped.is_empty() {
        return Err(SealError::Unsupported("without a recipient nobody could open the document"));
    }
    let scalar = Scalar::Str(Zeroizing::new(clear.to_vec()));
    let mut mac = Mac::new(false);
    mac.feed(&scalar, true);
    let value = if clear.is_empty() {
        Zeroizing::new("\"\"".to_owned())
    } else {
        let token = Token::seal(key, TokenType::Str, clear, &Path::key(DATA).aad(), fresh.random);
        token_text(Format::Binary, &token, Style::Double)
    };
    let mac = mac.seal(key, fresh.now, fresh.random).to_string();
    let block =
        NewBlock { age: wrapped, lastmodified: fresh.now, mac, selector: None, mac_only_encrypted: false };
    let body = format!("{{\n{unit}\"{DATA}\": {}\n}}\n", value.as_str());
    let text = json_member(&body, &block.json(unit))?;
    let expected = [(DATA.to_owned(), scalar.type_name(), Zeroizing::new(clear.to_vec()))];
    read_back(Format::Binary, &text, key, &expected)?;
    Ok(text)
}

impl Cleartext {
    /// The bytes of a binary file; `None` for any other format.
    #[must_use]
    pub fn payload(&self) -> Option<Zeroizing<Vec<u8>>> {
        if self.document().format() != Format::Binary {
            return None;
        }
        self.tree().documents.first()?.get(DATA)?.node.leaf()?.scalar.plaintext()
    }

    /// Puts other bytes in their place; `None` when they are the same.
    ///
    /// # Errors
    /// [`SealError`] when the result does not read back.
    pub fn reseal_payload(
        &self,
        clear: &[u8],
        key: &DataKey,
        fresh: &mut Fresh<'_>,
    ) -> Result<Option<String>, SealError> {
        let scalar = Scalar::Str(Zeroizing::new(clear.to_vec()));
        self.set(&Path::key(DATA), scalar, false, key, fresh).map_err(|error| match error {
            EditError::Seal(error) => error,
            error => SealError::ReadBack(error.to_string()),
        })
    }
}

/// What a diff shows: the text of the file, without its envelope.
pub(super) fn shown(tree: &Tree, show: &dyn Layout) -> Zeroizing<String> {
    let leaves = tree.leaves();
    let Some((path, _, leaf)) = leaves.first() else { return Zeroizing::default() };
    let text = show.value(path, leaf).map(Zeroizing::new);
    text.unwrap_or_else(|| {
        let plain = leaf.scalar.plaintext().unwrap_or_default();
        Zeroizing::new(String::from_utf8_lossy(&plain).into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Document;

    fn sealed(clear: &[u8]) -> (String, DataKey) {
        let (key, mut random) = (DataKey::new([3; 32]), |buffer: &mut [u8]| buffer.fill(9));
        let mut fresh = Fresh { now: "2026-01-10T12:00:00Z", random: &mut random };
        let wrapped = [WrappedKey { recipient: "age1x".into(), enc: "x".into() }];
        (seal(clear, "\t", &wrapped, &key, &mut fresh).unwrap(), key)
    }

    #[test]
    fn any_bytes_come_back_and_change_in_place() {
        for clear in [&b""[..], b"text\n", b"\0\xff\xfe", b"{\"sops\": 1}"] {
            let (text, key) = sealed(clear);
            let document = Document::parse(Format::Binary, &text).unwrap();
            let opened = document.open(&key).unwrap();
            assert_eq!(opened.payload().unwrap().as_slice(), clear);
            let mut random = |buffer: &mut [u8]| buffer.fill(8);
            let mut fresh = Fresh { now: "2026-01-11T12:00:00Z", random: &mut random };
            assert_eq!(opened.reseal_payload(clear, &key, &mut fresh).unwrap(), None);
            let changed = opened.reseal_payload(b"other \xff", &key, &mut fresh).unwrap().unwrap();
            let again = Document::parse(Format::Binary, &changed).unwrap().open(&key).unwrap();
            assert_eq!(again.payload().unwrap().as_slice(), b"other \xff");
            let lines = changed.lines().zip(text.lines());
            assert_eq!(lines.filter(|(new, old)| new != old).count(), 3);
        }
    }

    #[test]
    fn only_an_object_of_data_and_metadata_is_a_document() {
        let (good, _) = sealed(b"x");
        let parse = |text: &str| Document::parse(Format::Binary, text).map(|_| ());
        assert_eq!(parse(&good), Ok(()));
        for text in ["", "hello", "{}", "{\"sops\": {}}", "sops:\n  mac: ENC[AES256_GCM,\n", "{ broken"] {
            assert_eq!(parse(text), Err(DocumentError::NotSops), "{text}");
        }
        assert_eq!(parse(&good.replace("\"data\"", "\"date\"")), Err(DocumentError::Misnamed));
        for broken in [
            good.replacen("{\n", "{\n\"data\": \"\",\n", 1),
            good.replacen("{\n", "{\n\"x\": \"\",\n", 1),
            good.replacen("{\n", "{\n\"sops\": {},\n", 1),
            good[..good.len() - 3].to_owned(),
        ] {
            assert!(!matches!(parse(&broken), Ok(()) | Err(DocumentError::NotSops)), "{broken}");
        }
    }
}
