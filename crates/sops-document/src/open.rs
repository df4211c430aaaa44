//! Opening: every token decrypted under its path, then the MAC over what came out.

use crate::cipher::{DataKey, OpenError, Token, TokenError, TokenType};
use crate::document::{Cleartext, Document};
use crate::error::OpenFault;
use crate::mac::{Mac, MacState};
use crate::selector::Selected;
use crate::tree::{self, Comment, Item, Leaf, Node, Path, Scalar, Tree, Value, Visit};
use zeroize::Zeroizing;

impl Document {
    /// Decrypts every value and checks the MAC.
    ///
    /// # Errors
    /// [`OpenFault`] names the value that does not decrypt, or the MAC.
    pub fn open(&self, key: &DataKey) -> Result<Cleartext, OpenFault> {
        let clear = self.open_unverified(key)?;
        match clear.mac {
            MacState::Ok => Ok(clear),
            MacState::Bad => Err(OpenFault::Mac),
            MacState::Missing => Err(OpenFault::NoMac),
        }
    }

    /// Decrypts every value; [`Cleartext::mac`] tells what the MAC says. For display only.
    ///
    /// # Errors
    /// [`OpenFault::Value`] names the first value that does not decrypt.
    pub fn open_unverified(&self, key: &DataKey) -> Result<Cleartext, OpenFault> {
        // the values come in one by one: a copy of the tokens would be made to be thrown away
        let mut tree = self.tree.without_values();
        let mut sealed = self.tree.scalars().into_iter();
        let mut fault = None;
        if tree.documents.iter().any(Node::has_comment) {
            for document in &mut tree.documents {
                open_comments(document, &mut Path::default(), key);
            }
            fault = self.locked_item(&tree);
        }
        let mut mac = Mac::new(self.metadata.mac_only_encrypted);
        self.metadata
            .selector
            .walk(&mut tree, &mut |path, met, selected| {
                let Selected::Leaf(leaf, span) = met else {
                    return;
                };
                let Some(scalar) = sealed.next() else { return };
                let opened = if selected && fault.is_none() {
                    opened(scalar, path, key)
                } else {
                    Ok(None)
                };
                match opened {
                    Ok(Some((scalar, token))) => {
                        (leaf.scalar, leaf.token) = (scalar, Some(Box::new(token)))
                    }
                    Ok(None) => leaf.scalar = scalar.clone(),
                    Err(error) => {
                        let (line, path) = (self.line_of(span.start), path.to_string());
                        fault = Some(OpenFault::Value {
                            line,
                            path,
                            what: error.to_string(),
                        });
                    }
                }
                mac.feed(&leaf.scalar, selected);
            });
        match fault {
            Some(fault) => Err(fault),
            None => Ok(Cleartext {
                document: self.clone(),
                tree,
                mac: mac.check(key, &self.metadata),
            }),
        }
    }

    /// To sops a comment that is written as an item of a list is a value: where it does not
    /// authenticate, the document does not open.
    fn locked_item(&self, tree: &Tree) -> Option<OpenFault> {
        let mut fault = None;
        tree.walk(&mut |path, met| {
            if fault.is_none()
                && let Visit::Comment(comment) = met
                && comment.token.is_none()
                && !self.source[comment.span.start..].starts_with(['#', ';'])
            {
                let what = "holds a comment that does not authenticate".into();
                let line = self.line_of(comment.span.end);
                fault = Some(OpenFault::Value {
                    line,
                    path: path.to_string(),
                    what,
                });
            }
        });
        fault
    }
}

/// Why a value does not open.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(crate) enum ValueFault {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Locked(#[from] OpenError),
    #[error("does not hold a canonical {}", .0.name())]
    Type(TokenType),
}

/// What stands in an encrypted slot, and its token; `None` for null and the empty string, which are
/// never encrypted.
fn opened(
    scalar: &Scalar,
    path: &Path,
    key: &DataKey,
) -> Result<Option<(Scalar, Token)>, ValueFault> {
    if matches!(scalar, Scalar::Null) || scalar.is_empty_str() {
        return Ok(None);
    }
    let token = Token::parse(scalar.as_text().ok_or(TokenError::Clear)?)?;
    let plain = token.open(key, &path.aad())?;
    let scalar = Scalar::from_plaintext(token.kind, plain).ok_or(ValueFault::Type(token.kind))?;
    Ok(Some((scalar, token)))
}

/// The same in its place.
pub(crate) fn open_leaf(leaf: &mut Leaf, path: &Path, key: &DataKey) -> Result<(), ValueFault> {
    if let Some((scalar, token)) = opened(&leaf.scalar, path, key)? {
        (leaf.scalar, leaf.token) = (scalar, Some(Box::new(token)));
    }
    Ok(())
}

/// A comment behind a `#` that does not decrypt stays as it is: comments are not authenticated, and
/// sops only warns. Its container decides the additional data; where two readers may disagree on
/// the container, the ones around it are tried too.
pub(crate) fn open_comments(node: &mut Node, path: &mut Path, key: &DataKey) {
    let (Value::Map(items) | Value::List(items)) = &mut node.value else {
        return;
    };
    let mut index = 0;
    for item in items {
        match item {
            Item::Comment(comment) => open_comment(comment, path, key),
            Item::Entry(entry) => {
                path.0.push(tree::step(entry, index));
                index += 1;
                open_comments(&mut entry.node, path, key);
                path.0.pop();
            }
        }
    }
}

fn open_comment(comment: &mut Comment, path: &Path, key: &DataKey) {
    let Ok(token) = Token::parse(&comment.text) else {
        return;
    };
    let containers = (0..=path.0.len())
        .rev()
        .map(|depth| Path(path.0[..depth].to_vec()));
    for container in containers {
        if let Ok(plain) = token.open(key, &container.comment_aad())
            && let Ok(text) = std::str::from_utf8(&plain)
        {
            comment.text = Zeroizing::new(text.to_owned());
            comment.token = Some(Box::new(token));
            return;
        }
    }
}
