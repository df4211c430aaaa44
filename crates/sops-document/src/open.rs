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
        let mut tree = Tree::clone(&self.tree);
        for document in &mut tree.documents {
            open_comments(document, &mut Path::default(), key);
        }
        let mut fault = self.locked_item(&tree);
        let mut mac = Mac::new(self.metadata.mac_only_encrypted);
        self.metadata.selector.walk(&mut tree, &mut |path, met, selected| {
            let Selected::Leaf(leaf, span) = met else { return };
            if fault.is_none() && selected {
                fault = open_leaf(leaf, path, key).err().map(|fault| OpenFault::Value {
                    line: self.line_of(span.start),
                    path: path.to_string(),
                    what: fault.to_string(),
                });
            }
            mac.feed(&leaf.scalar, selected);
        });
        match fault {
            Some(fault) => Err(fault),
            None => Ok(Cleartext { document: self.clone(), tree, mac: mac.check(key, &self.metadata) }),
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
                fault = Some(OpenFault::Value { line, path: path.to_string(), what });
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

/// An empty string is never encrypted; everything else in an encrypted slot is a token.
pub(crate) fn open_leaf(leaf: &mut Leaf, path: &Path, key: &DataKey) -> Result<(), ValueFault> {
    if leaf.scalar == Scalar::Null || leaf.scalar.is_empty_str() {
        return Ok(());
    }
    let token = Token::parse(leaf.scalar.as_text().ok_or(TokenError::Clear)?)?;
    let plain = token.open(key, &path.aad())?;
    leaf.scalar = Scalar::from_plaintext(token.kind, &plain).ok_or(ValueFault::Type(token.kind))?;
    leaf.token = Some(Box::new(token));
    Ok(())
}

/// A comment behind a `#` that does not decrypt stays as it is: comments are not authenticated, and
/// sops only warns. Its container decides the additional data; where two readers may disagree on the
/// container, the ones around it are tried too.
pub(crate) fn open_comments(node: &mut Node, path: &mut Path, key: &DataKey) {
    let (Value::Map(items) | Value::List(items)) = &mut node.value else { return };
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
    let Ok(token) = Token::parse(&comment.text) else { return };
    let containers = (0..=path.0.len()).rev().map(|depth| Path(path.0[..depth].to_vec()));
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
