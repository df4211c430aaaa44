//! What a file holds, told by its name and its bytes: a SOPS document, plaintext, or why nobody can
//! tell.

use sops_document::merge::marker;
use sops_document::{Document, DocumentError, Format};

use super::sniff::sniff;

/// What Git LFS leaves in the place of a file that it did not fetch.
#[must_use]
pub fn is_lfs_pointer(bytes: &[u8]) -> bool {
    bytes.starts_with(b"version https://git-lfs.github.com/spec/")
}

/// What a file holds.
#[derive(Debug)]
pub enum FileContent {
    Missing,
    /// A link, a submodule, or a path that leads through one.
    NotRegular,
    NotText,
    /// A name that says another format than the content, or that no environment can have.
    OtherFormat,
    /// A readable text without SOPS metadata.
    Clear,
    Broken {
        line: usize,
        what: String,
        /// git, or stax, left both sides of a merge in it.
        is_unmerged: bool,
    },
    Document(Box<Document>),
    /// It may well be a document, and why nobody can tell: too large, or a name that is no text.
    Unjudged(&'static str),
}

/// Why a file is not parsed.
pub const TOO_LARGE: &str =
    "is larger than 32 MiB, so nobody looked into it: sops may read it all the same";
pub const ODD_NAME: &str =
    "its name is not UTF-8, so no rule can name it and nobody looked into it";

impl FileContent {
    /// Reads the bytes of a file, which is bound or not; `None` when it is not there.
    #[must_use]
    pub fn read(path: &str, managed: bool, bytes: Option<&[u8]>) -> Self {
        match bytes {
            None => Self::Missing,
            Some(bytes) if managed && is_lfs_pointer(bytes) => Self::Broken {
                line: 1,
                what: "is a pointer of Git LFS in the place of the file".into(),
                is_unmerged: false,
            },
            Some(_) if managed && !Format::of_path(path).is_flat() => Self::OtherFormat,
            Some(bytes) => match Self::named(path, bytes) {
                sound @ Self::Document(_) => sound,
                // a bound file has to be what its name says
                other if managed => other,
                other => Self::sniffed(path, bytes).unwrap_or(other),
            },
        }
    }

    #[must_use]
    pub fn document(&self) -> Option<&Document> {
        match self {
            Self::Document(document) => Some(document),
            _ => None,
        }
    }

    /// A document under a name that says another format, such as YAML in `secrets.yaml.enc`: its
    /// owner names the format at every call of sops.
    fn sniffed(path: &str, bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes)
            .ok()
            .filter(|_| looks_sealed(bytes))?;
        let mut others = Format::ALL
            .into_iter()
            .filter(|format| *format != Format::of_path(path));
        others
            .find_map(|format| Document::parse(format, text).ok())
            .map(|found| Self::Document(found.into()))
    }

    /// What the name says that it is.
    fn named(path: &str, bytes: &[u8]) -> Self {
        let format = Format::of_path(path);
        let Ok(text) = std::str::from_utf8(bytes) else {
            let is_clear = format.is_whole() && !is_sealed_in_utf16(bytes);
            return if is_clear { Self::Clear } else { Self::NotText };
        };
        let broken = |line, what| match marker::text_markers(text) {
            Some(line) => Self::Broken {
                line,
                what: "holds the markers of a merge".into(),
                is_unmerged: true,
            },
            None => Self::Broken {
                line,
                what,
                is_unmerged: false,
            },
        };
        match Document::parse(format, text) {
            Ok(document) => Self::Document(Box::new(document)),
            Err(DocumentError::NotSops) => Self::Clear,
            Err(DocumentError::Misnamed) => Self::OtherFormat,
            Err(DocumentError::Syntax(error)) => broken(error.line, error.what),
            Err(DocumentError::Metadata { line, what }) => broken(line, what),
        }
    }
}

/// sops reads YAML in UTF-16, under any name that its caller likes.
fn is_sealed_in_utf16(bytes: &[u8]) -> bool {
    let Some((mark, text)) = bytes.split_at_checked(2) else {
        return false;
    };
    let unit: fn([u8; 2]) -> u16 = match mark {
        [0xff, 0xfe] => u16::from_le_bytes,
        [0xfe, 0xff] => u16::from_be_bytes,
        _ => return false,
    };
    let units = text.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    looks_sealed(bytes)
        && char::decode_utf16(units)
            .collect::<Result<String, _>>()
            .is_ok_and(|text| Document::parse(Format::Yaml, &text).is_ok())
}

/// Whether bytes that are not a sound document were one, or are meant to be: a chart or a manual
/// may well speak of `sops` and not be readable as YAML.
#[must_use]
pub fn looks_sealed(bytes: &[u8]) -> bool {
    sniff(bytes).is_sealed()
}

/// Whether the bytes hold a word.
#[must_use]
pub fn mentions(bytes: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(bytes, word).is_some()
}
