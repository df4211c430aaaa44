//! Other recipients for the same values: around the same data key, or with every value under a new
//! one.

use crate::cipher::TokenType;
use crate::context::SealContext;
use crate::document::{Cleartext, Document};
use crate::error::SealError;
use crate::facts::{facts, read_back};
use crate::seal::check_places;
use crate::sealing::{comment_edit, token_text};
use crate::splice::{Edit, splice};
use crate::tree::{Leaf, Visit};
use crate::wrapped::{Wrapped, age_edits};

impl Cleartext {
    /// Encrypts everything under the data key of `context`, wrapped to new recipients.
    ///
    /// # Errors
    /// [`SealError`] when the result does not read back.
    pub fn rotate<'w>(
        &self,
        wrapped: impl Into<Wrapped<'w>>,
        context: &mut SealContext<'_>,
    ) -> Result<String, SealError> {
        check_places(self.tree())?;
        let document = self.document();
        let format = document.format();
        let syntax = format.syntax();
        let mut edits: Vec<Edit> = Vec::new();
        self.tree().walk(&mut |path, visit| match visit {
            Visit::Leaf(
                node,
                Leaf {
                    scalar,
                    style,
                    token: Some(_),
                },
            ) => {
                if let (Some(kind), Some(plain)) = (scalar.token_type(), scalar.plaintext()) {
                    let token = context.token(kind, &plain, &path.aad());
                    edits.push((node.span.clone(), token_text(syntax, &token, *style)));
                }
            }
            Visit::Comment(comment) if comment.token.is_some() => {
                let (aad, plain) = (path.comment_aad(), comment.text.as_bytes());
                let token = context.token(TokenType::Comment, plain, &aad);
                edits.push(comment_edit(
                    syntax,
                    document.source(),
                    &comment.span,
                    &token,
                ));
            }
            _ => {}
        });
        edits.extend(age_edits(document, wrapped.into())?);
        edits.extend(document.stamp(self.mac_of(self.tree()), context)?);
        let text = splice(document.source(), edits).to_string();
        read_back(format, &text, context.key, self.tree())?;
        Ok(text)
    }
}

impl Document {
    /// The same document with other stanzas around the same data key; no other byte changes.
    ///
    /// # Errors
    /// [`SealError`] when the result does not read back.
    pub fn rewrap<'w>(&self, wrapped: impl Into<Wrapped<'w>>) -> Result<String, SealError> {
        let wrapped = wrapped.into();
        let text = splice(self.source(), age_edits(self, wrapped)?);
        let again = Self::parse(self.format(), &text)?;
        let same = again.metadata().age == wrapped.stanzas()
            && again.metadata().groups.len() == self.metadata().groups.len()
            && again.metadata().mac == self.metadata().mac
            && facts(again.tree()) == facts(self.tree());
        if same {
            Ok(text.to_string())
        } else {
            Err(SealError::ReadBack("recipients".into()))
        }
    }
}
