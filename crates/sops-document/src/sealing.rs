//! Values and comments in, tokens out.

use std::collections::HashMap;
use std::ops::Range;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::cipher::{Token, TokenType};
use crate::context::SealContext;
use crate::document::Document;
use crate::error::SealError;
use crate::mac::Mac;
use crate::marker::is_marker;
use crate::selector::{Selected, Selector};
use crate::splice::{Edit, splice};
use crate::syntax::format::Format;
use crate::syntax::{Body, Syntax};
use crate::tree::{Comment, Path, Scalar, Style, Tree, Visit, line_of};

/// A digest of additional data, type and plain bytes.
pub(crate) type Key = [u8; 32];

pub(crate) fn value_key(aad: &str, kind: &str, plain: &[u8]) -> Key {
    let mut hash = Sha256::new();
    for part in [aad.as_bytes(), kind.as_bytes(), plain] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Encrypts values and comments; what is known already keeps its token.
pub(crate) struct Cipher<'a, 'c> {
    known: HashMap<Key, Vec<(Token, Scalar)>>,
    pub(crate) context: &'a mut SealContext<'c>,
}

/// A text whose values are encrypted, while its comments are not yet.
pub(crate) struct SealedText {
    pub(crate) body: Body,
    pub(crate) mac: Mac,
    pub(crate) expected: Tree,
    /// Values that were encrypted.
    pub(crate) count: usize,
}

/// One document of entries on lines of their own, up to the end of the text.
fn is_one_block(source: &str, tree: &Tree) -> bool {
    let [root] = tree.documents.as_slice() else {
        return false;
    };
    let is_flow = source[root.span.start..].starts_with('{');
    !is_flow && root.entries().next().is_some() && tree.ends == [source.len()]
}

impl<'a, 'c> Cipher<'a, 'c> {
    pub(crate) fn new(
        known: HashMap<Key, Vec<(Token, Scalar)>>,
        context: &'a mut SealContext<'c>,
    ) -> Self {
        Self { known, context }
    }

    /// Encrypts what the selector selects.
    pub(crate) fn values(
        &mut self,
        format: Format,
        source: &str,
        tree: &Tree,
        selector: &Selector,
        only_encrypted: bool,
    ) -> Result<SealedText, SealError> {
        let mut edits: Vec<Edit> = Vec::new();
        let mut mac = Mac::new(only_encrypted);
        let mut expected = tree.clone();
        let mut fault = None;
        selector.walk(&mut expected, &mut |path, met, selected| match met {
            Selected::Leaf(leaf, span) => {
                if let Some(kind) = leaf.scalar.token_type().filter(|_| selected) {
                    let check = format.check_value(&leaf.scalar).and(check_tag(tree, &span));
                    fault = fault.or(check.err().map(|what| (span.start, what)));
                    let (token, known) = self.token(path, kind, &leaf.scalar);
                    leaf.scalar =
                        known.unwrap_or_else(|| std::mem::replace(&mut leaf.scalar, Scalar::Null));
                    edits.push(token_edit(
                        format.syntax(),
                        source,
                        &span,
                        leaf.style,
                        &token,
                    ));
                }
                mac.feed(&leaf.scalar, selected);
            }
            Selected::Comment(_) => {}
        });
        if let Some((offset, what)) = fault {
            let line = line_of(source, offset);
            return Err(SealError::Value {
                line,
                what: what.into(),
            });
        }
        let count = edits.len();
        let body = Body {
            text: splice(source, edits),
            is_one_block: is_one_block(source, tree),
        };
        Ok(SealedText {
            body,
            mac,
            expected,
            count,
        })
    }

    /// Encrypts the comments of a document that is complete otherwise. Only there it is certain in
    /// which container sops will see each of them.
    /// `body` is the text without its metadata: where no comment can be in it, nothing is parsed.
    pub(crate) fn comments(
        &mut self,
        format: Format,
        body: &str,
        text: String,
    ) -> Result<String, SealError> {
        if !format
            .traits()
            .comment_signs
            .iter()
            .any(|sign| body.contains(*sign))
        {
            return Ok(text);
        }
        let text = text.as_str();
        let document = Document::parse(format, text)?;
        let mut tree = Tree::clone(&document.tree);
        let mut edits: Vec<Edit> = Vec::new();
        let mut is_hidden = false;
        document
            .metadata
            .selector
            .walk(&mut tree, &mut |path, met, selected| {
                if let Selected::Comment(comment) = met
                && selected
                && !comment.text.is_empty()
                // encrypted, nobody would see that a merge is open
                && !is_marker(&comment.text)
                {
                    let token = self.comment(path, &comment.text);
                    is_hidden |= document.metadata.selector.takes_for_clear(&token);
                    edits.push((comment.span.clone(), comment_token(format.syntax(), &token)));
                }
            });
        if is_hidden {
            return Err(SealError::Unsupported(
                "`unencrypted_comment_regex` also matches encrypted comments: choose a longer pattern",
            ));
        }
        Ok(splice(text, edits).to_string())
    }

    /// A token, and where it is known already the value that it holds: showing it may have lost
    /// something.
    fn token(&mut self, path: &Path, kind: TokenType, scalar: &Scalar) -> (Token, Option<Scalar>) {
        let aad = path.aad();
        let plain = scalar.plaintext().unwrap_or_default();
        // a new document knows none, and the digests cost more than the tokens
        if !self.known.is_empty() {
            let key = value_key(&aad, scalar.type_name(), &plain);
            if let Some((token, scalar)) = self.known.get_mut(&key).and_then(Vec::pop) {
                return (token, Some(scalar));
            }
        }
        (self.context.token(kind, &plain, &aad), None)
    }

    fn comment(&mut self, path: &Path, text: &str) -> Token {
        let aad = path.comment_aad();
        let key = value_key(&aad, "comment", text.as_bytes());
        if let Some((token, _)) = self.known.get_mut(&key).and_then(Vec::pop) {
            return token;
        }
        self.context
            .token(TokenType::Comment, text.as_bytes(), &aad)
    }
}

/// SOPS drops every tag; that of an application says what its value means.
fn check_tag(tree: &Tree, span: &Range<usize>) -> Result<(), &'static str> {
    match tree.tagged.binary_search(&span.start) {
        Ok(_) => Err(
            "a tag that would be lost, because an encrypted value has none: take the tag away, or let the rule leave this value unencrypted",
        ),
        Err(_) => Ok(()),
    }
}

/// Seals again the comments that an edit moved into another container, of which sops takes the
/// path. `opened` is the tree before the edit, its comments in clear.
pub(crate) fn rehome(
    format: Format,
    text: &str,
    opened: &Tree,
    context: &mut SealContext<'_>,
) -> Result<String, SealError> {
    let mut known: HashMap<Token, Zeroizing<String>> = HashMap::new();
    opened.walk(&mut |_, visit| {
        if let Visit::Comment(Comment {
            text,
            token: Some(token),
            ..
        }) = visit
        {
            known.insert(Token::clone(token), text.clone());
        }
    });
    if known.is_empty() {
        return Ok(text.to_owned());
    }
    let document = Document::parse(format, text)?;
    let mut edits: Vec<Edit> = Vec::new();
    document.tree.walk(&mut |path, visit| {
        let Visit::Comment(comment) = visit else {
            return;
        };
        let Ok(token) = Token::parse(&comment.text) else {
            return;
        };
        let aad = path.comment_aad();
        if let Some(plain) = known
            .get(&token)
            .filter(|_| token.open(context.key, &aad).is_err())
        {
            let token = context.token(TokenType::Comment, plain.as_bytes(), &aad);
            edits.push(comment_edit(format.syntax(), text, &comment.span, &token));
        }
    });
    Ok(splice(text, edits).to_string())
}

/// A token where a value stood.
pub(crate) fn token_text(syntax: &dyn Syntax, token: &Token, style: Style) -> Zeroizing<String> {
    Zeroizing::new(syntax.token(token.text(), style))
}

/// The edit that puts a token where a value stood. The comment of a block scalar's header stays.
pub(crate) fn token_edit(
    syntax: &dyn Syntax,
    source: &str,
    span: &Range<usize>,
    style: Style,
    token: &Token,
) -> Edit {
    let mut text = token_text(syntax, token, style);
    text.push_str(header_comment(source, span, style));
    (token_range(source, span, style), text)
}

/// The edit that puts a token where a comment stood; in a list of YAML it is an item.
pub(crate) fn comment_edit(
    syntax: &dyn Syntax,
    source: &str,
    span: &Range<usize>,
    token: &Token,
) -> Edit {
    let is_item = source[span.clone()].starts_with('-');
    let text = if is_item {
        Zeroizing::new(format!("- {token}"))
    } else {
        comment_token(syntax, token)
    };
    (span.clone(), text)
}

fn comment_token(syntax: &dyn Syntax, token: &Token) -> Zeroizing<String> {
    syntax.comment(&token.to_string()).unwrap_or_default()
}

/// ` # comment` behind the `|` or `>` of a block scalar, or behind the tag or the anchor of a
/// scalar that starts on a later line.
pub(crate) fn header_comment<'a>(source: &'a str, span: &Range<usize>, style: Style) -> &'a str {
    let text = &source[span.clone()];
    let header = text.lines().next().unwrap_or_default();
    let starts = match style {
        Style::Block => header.find('#'),
        _ if text.starts_with(['!', '&']) && header.len() < text.len() => {
            let mut rest = header;
            while rest.starts_with(['!', '&']) {
                let word = rest.find([' ', '\t']).unwrap_or(rest.len());
                rest = rest[word..].trim_start_matches([' ', '\t']);
            }
            rest.starts_with('#').then(|| header.len() - rest.len())
        }
        _ => None,
    };
    starts.map_or("", |at| &header[header[..at].trim_end().len()..])
}

/// The bytes that a token replaces. A block scalar ends before the blank lines that follow it,
/// unless its header keeps them (`+`).
pub(crate) fn token_range(source: &str, span: &Range<usize>, style: Style) -> Range<usize> {
    if style != Style::Block {
        return span.clone();
    }
    let text = &source[span.clone()];
    let header = text.lines().next().unwrap_or_default();
    let length = if header.contains('+') {
        text.strip_suffix('\n')
            .map_or(text, |text| text.strip_suffix('\r').unwrap_or(text))
            .len()
    } else {
        let written = text.trim_end_matches(['\n', '\r', ' ']).len();
        text[written..]
            .find(['\n', '\r'])
            .map_or(text.len(), |at| written + at)
    };
    span.start..span.start + length
}
