//! Names under which sops finds its metadata, and no reader that compares names as they stand does. Each was tried
//! with sops 3.11: Go compares the fields of a JSON object without case, and yaml.v3 follows merge keys.

use super::Format;
use super::tree::{Node, Tree, Value};

/// Where the name stands, and what it is.
pub(super) fn find(format: Format, tree: &Tree) -> Option<(usize, String)> {
    // sops reads the metadata of the first document
    let root = tree.documents.first()?;
    let is_disguised = |key: &str, node: &Node| match format {
        // of the long s the large letter is S
        Format::Json | Format::Binary => key.to_uppercase() == "SOPS",
        Format::Yaml => key == "<<" && brings_metadata(node, 0),
        Format::Dotenv | Format::Ini => false,
    };
    root.entries().find_map(|entry| {
        let key = entry.key.as_deref()?;
        is_disguised(key, &entry.node).then(|| (entry.key_span.start, key.to_owned()))
    })
}

/// What is merged may itself merge.
const MAX_DEPTH: usize = 8;

fn brings_metadata(node: &Node, depth: usize) -> bool {
    let is_list = matches!(node.value, Value::List(_));
    depth < MAX_DEPTH
        && node.entries().any(|entry| match entry.key.as_deref() {
            Some("sops") => true,
            Some("<<") => brings_metadata(&entry.node, depth + 1),
            _ => is_list && brings_metadata(&entry.node, depth + 1),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Document, DocumentError};

    #[test]
    fn another_spelling_of_the_metadata_is_an_error() {
        let merged = "A: x\n<<:\n  sops:\n    version: 3.11.0\n";
        for (format, text, line) in [
            (Format::Json, "{\"A\": \"x\",\n \"SoPs\": {}}", 2),
            (Format::Json, "{\"A\": \"x\", \"ſops\": {}}", 1),
            (Format::Json, "{\"\\u017fOPS\": {}}", 1),
            (Format::Yaml, merged, 2),
            (Format::Yaml, "A: x\n<<: [{B: 1}, {<<: {sops: {}}}]\n", 2),
        ] {
            let error = Document::parse(format, text).unwrap_err();
            let DocumentError::Metadata { line: found, what } = error else { panic!("{text}: {error:?}") };
            assert!(found == line && what.contains("sops reads"), "{text}: {found}: {what}");
        }
        let base64 = Document::parse(Format::Yaml, "A: x\n!!binary \"c29wcw==\": {}\n").unwrap_err();
        assert!(matches!(base64, DocumentError::Syntax(_)), "{base64:?}");
    }

    #[test]
    fn a_name_that_only_looks_like_it_is_none() {
        for (format, text) in [
            (Format::Json, "{\"A\": {\"SOPS\": {}}}"),
            (Format::Json, "{\"SOPS_VERSION\": 1}"),
            (Format::Yaml, "SOPS: {}\n"),
            (Format::Yaml, "base: &b {a: 1}\nx:\n  <<: *b\n  sops: {}\n"),
            (Format::Dotenv, "SOPS=1\n"),
        ] {
            assert_eq!(Document::parse(format, text).unwrap_err(), DocumentError::NotSops, "{text}");
        }
    }
}
