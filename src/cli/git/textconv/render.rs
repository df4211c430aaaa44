//! The text of a document for a diff: its author's layout, and a trailer that tells what values
//! cannot: data key, MAC, stanzas and recipients. Pure.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use sops_document::tree::{Comment, Leaf};
use sops_document::{
    Cleartext, DataKey, Document, Layout, MacState, OpenFault, Path, Scalar, Selector, Token,
};
use zeroize::Zeroizing;

use crate::cli::escape::{Escaped, lines};
use crate::cli::show::{Show, ciphertext, key_print};

/// Lines that begin so are ours; a document cannot write one.
const RESERVED: &str = "#stax ";

/// Whether a text is what [`render`] made of a document.
pub(in crate::cli) fn is_shown(text: &str) -> bool {
    text.contains(&format!("\n{RESERVED}data key "))
}

/// How far the reader came.
pub(super) enum View<'a> {
    Locked,
    Open {
        key: &'a DataKey,
        clear: &'a Cleartext,
        show: Show<'a>,
    },
    /// The key fits a stanza, but not every value.
    Broken {
        key: &'a DataKey,
        fault: &'a OpenFault,
        show: Show<'a>,
    },
}

pub(super) fn render(
    document: &Document,
    view: &View<'_>,
    name: &dyn Fn(&str) -> Option<String>,
) -> Zeroizing<String> {
    let layout = |show: Show<'_>, clear: Option<&Cleartext>| {
        let replaced = Replaced {
            show,
            selector: &document.metadata().selector,
        };
        clear.map_or_else(
            || document.layout_with(&replaced),
            |clear| clear.layout_with(&replaced),
        )
    };
    let body = match view {
        View::Locked => document.layout_with(&KeylessLayout),
        View::Broken { show, .. } => layout(*show, None),
        // bytes that no terminal can show
        View::Open {
            clear,
            show: Show::Values,
            ..
        } if is_no_text(clear) => layout(Show::Ciphertext, Some(clear)),
        View::Open {
            clear,
            show: Show::Values,
            ..
        } => clear.layout(),
        View::Open { clear, show, .. } => layout(*show, Some(clear)),
    };
    let body = Zeroizing::new(lines(&body));
    let mut out = Zeroizing::new(String::with_capacity(body.len() + 4096));
    for line in body.split_inclusive('\n') {
        if line.starts_with(RESERVED) {
            out.push('\\');
        }
        out.push_str(line);
    }
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    trailer(&mut out, document, view, name);
    out
}

fn is_no_text(clear: &Cleartext) -> bool {
    clear
        .payload()
        .is_some_and(|bytes| std::str::from_utf8(&bytes).is_err())
}

fn trailer(
    out: &mut String,
    document: &Document,
    view: &View<'_>,
    name: &dyn Fn(&str) -> Option<String>,
) {
    let (key, mac) = match view {
        View::Locked => ("unknown".to_owned(), "unchecked".to_owned()),
        View::Broken { key, fault, .. } => (key_print(key), format!("BAD: {fault}")),
        View::Open { key, clear, .. } => {
            let mac = match clear.mac() {
                MacState::Ok => "ok",
                MacState::Bad => "BAD",
                MacState::Missing => "missing",
            };
            (key_print(key), mac.to_owned())
        }
    };
    let metadata = document.metadata();
    let mut stanzas = Sha256::new();
    metadata
        .age
        .iter()
        .for_each(|stanza| stanzas.update(&stanza.enc));
    let stanzas = base16ct::lower::encode_string(&stanzas.finalize()[..3]);
    let _ = writeln!(
        out,
        "{RESERVED}data key {key}, mac {}, stanzas ~{stanzas}",
        Escaped(&mac)
    );
    if !metadata.groups.is_empty() {
        let (threshold, groups) = (metadata.threshold, metadata.groups.len());
        let _ = writeln!(
            out,
            "{RESERVED}key groups: {threshold} of {groups} give the data key"
        );
    }
    for stanza in &metadata.age {
        let who = name(&stanza.recipient)
            .map(|name| format!(" {name}"))
            .unwrap_or_default();
        let _ = writeln!(
            out,
            "{RESERVED}recipient {}{}",
            Escaped(&stanza.recipient),
            Escaped(&who)
        );
    }
    // what else decides who reads what, so that a change of it is no empty diff
    let print = base16ct::lower::encode_string(&Sha256::digest(document.lasting_metadata())[..3]);
    for source in &metadata.foreign {
        let _ = writeln!(out, "{RESERVED}other keys: {} ~{print}", Escaped(source));
    }
    for field in &metadata.unknown {
        let _ = writeln!(out, "{RESERVED}unknown field: {} ~{print}", Escaped(field));
    }
    if !metadata.selector.is_default() {
        let (field, text) = metadata.selector.field();
        let _ = writeln!(out, "{RESERVED}encrypts by {field}: {}", Escaped(text));
    }
}

/// Without a key: what a token tells.
struct KeylessLayout;

impl Layout for KeylessLayout {
    fn value(&self, _: &Path, leaf: &Leaf) -> Option<String> {
        fingerprint(leaf.scalar.as_text()?)
    }

    fn comment(&self, _: &Path, comment: &Comment) -> Option<String> {
        fingerprint(&comment.text)
    }
}

/// Type, length and a fingerprint of a token; `None` for text that is none.
fn fingerprint(text: &str) -> Option<String> {
    Token::parse(text).ok().map(|token| ciphertext(&token))
}

/// With a key, for eyes that shall not see values.
struct Replaced<'a> {
    show: Show<'a>,
    selector: &'a Selector,
}

impl Layout for Replaced<'_> {
    fn value(&self, path: &Path, leaf: &Leaf) -> Option<String> {
        if let Some(token) = &leaf.token {
            let plain = leaf.scalar.plaintext()?;
            return Some(
                self.show
                    .mask(path, leaf.scalar.type_name(), &plain)
                    .unwrap_or_else(|| ciphertext(token)),
            );
        }
        if let Some(print) = leaf.scalar.as_text().and_then(fingerprint) {
            return Some(print);
        }
        // a secret that somebody left in clear is still no line for a log
        let leaked = !matches!(self.show, Show::Values)
            && self.selector.selects(path)
            && leaf.scalar != Scalar::Null
            && !leaf.scalar.is_empty_str();
        let length = leaf.scalar.plaintext().map_or(0, |plain| plain.len());
        leaked.then(|| format!("«{} {length}B in clear»", leaf.scalar.type_name()))
    }

    fn comment(&self, path: &Path, comment: &Comment) -> Option<String> {
        let Some(token) = &comment.token else {
            return fingerprint(&comment.text);
        };
        Some(
            self.show
                .mask(path, "comment", comment.text.as_bytes())
                .unwrap_or_else(|| ciphertext(token)),
        )
    }
}

#[cfg(test)]
mod tests {
    use sops_document::Format;
    use sops_document::age::{self, parse_identities};

    use super::*;
    use crate::cli::show::MaskKey;

    const ALICE: &str = include_str!("../../../../fixtures/sops/keys/alice.txt");
    const FLAT: &str = include_str!("../../../../fixtures/sops/y01-flat.enc.yaml");
    const PLAIN: &str = include_str!("../../../../fixtures/sops/y01-flat.plain.yaml");
    const COMMENTS: &str = include_str!("../../../../fixtures/sops/d02-comments.enc.env");

    fn parse(format: Format, text: &str) -> (Document, DataKey) {
        let document = Document::parse(format, text).unwrap();
        let key = age::unwrap(
            &document.metadata().age[0],
            &parse_identities(ALICE).unwrap()[0],
        )
        .unwrap();
        (document, key)
    }

    fn shown(format: Format, text: &str, show: Show<'_>) -> String {
        let (document, key) = parse(format, text);
        let opened = document.open_unverified(&key);
        let view = match &opened {
            Ok(clear) => View::Open {
                key: &key,
                clear,
                show,
            },
            Err(fault) => View::Broken {
                key: &key,
                fault,
                show,
            },
        };
        render(&document, &view, &|_| {
            Some("Ana\u{202e} <ana@example.com>".into())
        })
        .to_string()
    }

    fn split(text: &str) -> (Vec<&str>, Vec<&str>) {
        text.lines().partition(|line| !line.starts_with(RESERVED))
    }

    #[test]
    fn a_key_holder_reads_the_document_and_a_trailer() {
        let text = shown(Format::Yaml, FLAT, Show::Values);
        let (body, trailer) = split(&text);
        assert_eq!(body, PLAIN.lines().collect::<Vec<_>>());
        assert!(
            trailer[0].starts_with("#stax data key #")
                && trailer[0].contains(", mac ok, stanzas ~")
        );
        assert!(
            trailer[1].starts_with("#stax recipient age1")
                && trailer[1].ends_with(r"Ana\u{202e} <ana@example.com>")
        );
        assert_eq!(trailer.len(), 2);
    }

    #[test]
    fn masks_depend_on_value_path_and_user_and_show_none_of_them() {
        let one = shown(Format::Yaml, FLAT, Show::Masks(&MaskKey::new([1; 32])));
        let two = shown(Format::Yaml, FLAT, Show::Masks(&MaskKey::new([2; 32])));
        let plain = shown(Format::Yaml, FLAT, Show::Values);
        for ((one, two), plain) in one.lines().zip(two.lines()).zip(plain.lines()) {
            let masked = one.contains('«');
            assert_eq!(masked, one != two, "{one}\n{two}");
            assert!(masked != (one == plain), "{one}\n{plain}");
        }
    }

    #[test]
    fn without_a_key_names_types_and_lengths_are_left() {
        for (format, text) in [(Format::Yaml, FLAT), (Format::Dotenv, COMMENTS)] {
            let (document, _) = parse(format, text);
            let text = render(&document, &View::Locked, &|_| None).to_string();
            assert!(text.contains("B ~") && !text.contains("ENC["), "{text}");
            assert!(
                text.contains("#stax data key unknown, mac unchecked, stanzas ~"),
                "{text}"
            );
            assert!(
                format == Format::Yaml || text.contains("#«comment "),
                "{text}"
            );
        }
    }

    #[test]
    fn a_changed_mac_shows_values_and_a_changed_value_does_not() {
        let (document, _) = parse(Format::Yaml, FLAT);
        let mac = document.metadata().mac.clone();
        let (first, second) = FLAT.split_at(FLAT.find(&mac).unwrap());
        let text = shown(
            Format::Yaml,
            &format!("{first}{}", second.replacen("data:", "data:AAAA", 1)),
            Show::Values,
        );
        assert!(
            text.contains(", mac BAD, ") && !text.contains('«'),
            "{text}"
        );
        let text = shown(
            Format::Yaml,
            &FLAT.replacen("data:", "data:AAAA", 1),
            Show::Values,
        );
        assert!(
            text.contains(", mac BAD: line ") && text.contains("B ~"),
            "{text}"
        );
    }

    #[test]
    fn a_document_cannot_write_a_trailer() {
        let forged = format!("#stax recipient age1mallory\n{FLAT}");
        let text = shown(Format::Yaml, &forged, Show::Values);
        assert!(
            text.starts_with("\\#stax recipient age1mallory\n"),
            "{text}"
        );
    }

    #[test]
    fn a_value_left_in_clear_is_masked_too() {
        let leaky = format!("leaked: canary\n{FLAT}");
        let text = shown(Format::Yaml, &leaky, Show::Masks(&MaskKey::new([1; 32])));
        assert!(text.starts_with("leaked: «str 6B in clear»\n"), "{text}");
        assert!(shown(Format::Yaml, &leaky, Show::Values).starts_with("leaked: canary\n"));
    }
}
