//! Any other file: its bytes are one string named `data` in a JSON object of SOPS.
//!
//! A name tells nothing here: only an object that holds `data` and the metadata is such a document.

use std::ops::Range;

use zeroize::Zeroizing;

use super::json::{self, Json};
use super::{Body, EntryInContext, FormatTraits, Gap, Indent, Page, Syntax};
use crate::block::{MetadataBlock, NewBlock};
use crate::error::{DocumentError, SealError};
use crate::metadata::WrappedKey;
use crate::places::entry_mut;
use crate::splice::Edit;
use crate::tree::{Entry, Leaf, Node, Path, Scalar, Style, SyntaxError, Tree, Value};

/// The only name of a binary file.
const DATA: &str = "data";

pub(crate) struct Binary;

impl Syntax for Binary {
    fn traits(&self) -> &'static FormatTraits {
        &FormatTraits {
            title: "binary",
            word: "binary",
            suffixes: &[],
            new_suffix: "enc",
            comment_signs: &[],
            is_flat: false,
            has_types: false,
            only_value: Some(DATA),
            has_flat_metadata: false,
            is_always_flow: true,
            empty: "",
        }
    }

    fn parse(&self, source: &str) -> Result<Tree, SyntaxError> {
        Json.parse(source)
    }

    /// Its bytes need not be text.
    fn emit(&self, _: &Tree, _: Indent) -> Option<String> {
        None
    }

    /// The object that the bytes are put in.
    fn read(
        &self,
        clear: &[u8],
        indent: Option<usize>,
    ) -> Result<(Zeroizing<String>, Tree), SyntaxError> {
        let text = Zeroizing::new(format!("{{\n{}\"{DATA}\": \"\"\n}}\n", json::unit(indent)));
        let mut tree = self.parse(&text)?;
        let entry = tree
            .documents
            .first_mut()
            .and_then(|root| entry_mut(root, &Path::key(DATA).0));
        if let Some(Entry {
            node:
                Node {
                    value: Value::Leaf(Leaf { scalar, .. }),
                    ..
                },
            ..
        }) = entry
        {
            *scalar = Scalar::Str(Zeroizing::new(clear.to_vec()));
        }
        Ok((text, tree))
    }

    fn may_be(&self, source: &str) -> bool {
        let has = |word: &str| source.contains(word);
        source.trim_start().starts_with('{')
            && has("\"sops\"")
            && (has("\"mac\"") || has("\"lastmodified\""))
    }

    /// sops takes the first `data` and drops the rest.
    fn check_shape(&self, tree: &Tree) -> Result<(), DocumentError> {
        let fault = |what: &str| {
            Err(DocumentError::Metadata {
                line: 1,
                what: what.into(),
            })
        };
        let Some(root) = tree.documents.first() else {
            return Err(DocumentError::NotSops);
        };
        let Some(entry) = root.get(DATA) else {
            return Err(DocumentError::Misnamed);
        };
        match &entry.node.value {
            Value::Leaf(leaf) if leaf.scalar.as_text().is_none() => fault("`data` is not a string"),
            Value::Leaf(_) if root.entries().count() == 1 => Ok(()),
            Value::Leaf(_) => fault("a binary file holds `data` and nothing else"),
            _ => Err(DocumentError::Misnamed),
        }
    }

    fn inline(&self, scalar: &Scalar, style: Style) -> Zeroizing<String> {
        Json.inline(scalar, style)
    }

    fn token(&self, token: String, style: Style) -> String {
        Json.token(token, style)
    }

    fn take_block(
        &self,
        source: &str,
        tree: &mut Tree,
    ) -> Result<Option<(Node, MetadataBlock)>, usize> {
        Json.take_block(source, tree)
    }

    fn disguises_metadata(&self, key: &str, node: &Node) -> bool {
        Json.disguises_metadata(key, node)
    }

    fn block_text(&self, source: &str, tree: &Tree, block: &MetadataBlock) -> String {
        Json.block_text(source, tree, block)
    }

    fn with_block(&self, body: &Body, block: &str) -> Result<String, SealError> {
        Json.with_block(body, block)
    }

    fn with_new_block(&self, body: &Body, block: &NewBlock<'_>) -> Result<String, SealError> {
        Json.with_new_block(body, block)
    }

    fn replace_age(
        &self,
        source: &str,
        entry: &Entry,
        group: Option<usize>,
        age: &[WrappedKey],
    ) -> Vec<Edit> {
        Json.replace_age(source, entry, group, age)
    }

    fn first_of_others(&self, source: &str) -> Vec<Range<usize>> {
        Json.first_of_others(source)
    }

    fn insert(&self, _: &Page<'_>, _: &Gap<'_>, _: &str) -> Result<Edit, &'static str> {
        Err("does not exist: all that a binary file holds is `data`")
    }

    fn remove(&self, _: &Page<'_>, _: &EntryInContext<'_>) -> Result<Option<Edit>, &'static str> {
        Err("is all that a binary file holds")
    }
}

#[cfg(test)]
mod tests {
    use crate::{DataKey, Document, DocumentError, Format, SealContext, Terms, WrappedKey, seal};

    fn sealed(clear: &[u8]) -> (String, DataKey) {
        let (key, mut random) = (DataKey::new([3; 32]), |buffer: &mut [u8]| buffer.fill(9));
        let mut context = SealContext {
            key: &key,
            now: "2026-01-10T12:00:00Z",
            random: &mut random,
        };
        let wrapped = [WrappedKey {
            recipient: "age1x".into(),
            enc: "x".into(),
        }];
        (
            seal(
                Format::Binary,
                clear,
                &Terms::of(wrapped.as_slice()),
                &mut context,
            )
            .unwrap(),
            key,
        )
    }

    #[test]
    fn any_bytes_come_back_and_change_in_place() {
        for clear in [&b""[..], b"text\n", b"\0\xff\xfe", b"{\"sops\": 1}"] {
            let (text, key) = sealed(clear);
            let document = Document::parse(Format::Binary, &text).unwrap();
            let opened = document.open(&key).unwrap();
            assert_eq!(opened.payload().unwrap().as_slice(), clear);
            let mut random = |buffer: &mut [u8]| buffer.fill(8);
            let mut context = SealContext {
                key: &key,
                now: "2026-01-11T12:00:00Z",
                random: &mut random,
            };
            assert_eq!(opened.reseal_payload(clear, &mut context).unwrap(), None);
            let changed = opened
                .reseal_payload(b"other \xff", &mut context)
                .unwrap()
                .unwrap();
            let again = Document::parse(Format::Binary, &changed)
                .unwrap()
                .open(&key)
                .unwrap();
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
        for text in [
            "",
            "hello",
            "{}",
            "{\"sops\": {}}",
            "sops:\n  mac: ENC[AES256_GCM,\n",
            "{ broken",
        ] {
            assert_eq!(parse(text), Err(DocumentError::NotSops), "{text}");
        }
        assert_eq!(
            parse(&good.replace("\"data\"", "\"date\"")),
            Err(DocumentError::Misnamed)
        );
        for broken in [
            good.replacen("{\n", "{\n\"data\": \"\",\n", 1),
            good.replacen("{\n", "{\n\"x\": \"\",\n", 1),
            good.replacen("{\n", "{\n\"sops\": {},\n", 1),
            good[..good.len() - 3].to_owned(),
        ] {
            assert!(
                !matches!(parse(&broken), Ok(()) | Err(DocumentError::NotSops)),
                "{broken}"
            );
        }
    }
}
