//! What commits and tags say, and what a pushed name leads to.

use git2::{ObjectType, Oid};

use super::changes::FastReads;
use super::{ObjectId, Repo, RepoError, Span};

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    Commit,
    Tag,
    Tree,
    Blob,
}

/// Where a pushed name leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// The tag objects on the way, whose text is published too.
    pub tags: Vec<ObjectId>,
    /// What stands at the end.
    pub end: Option<(ObjectKind, ObjectId)>,
}

/// Is shown the text of each commit.
pub type VisitText<'v, E> = &'v mut dyn FnMut(ObjectId, &[u8]) -> Result<(), E>;

impl Repo {
    /// # Errors
    /// [`RepoError::Missing`] when it is not in this clone.
    pub fn kind_of(&self, id: ObjectId) -> Result<ObjectKind, RepoError> {
        let (_, kind) = self
            .git
            .odb()?
            .read_header(self.oid(id))
            .map_err(|error| RepoError::reading(&error, id))?;
        match kind {
            ObjectType::Commit => Ok(ObjectKind::Commit),
            ObjectType::Tag => Ok(ObjectKind::Tag),
            ObjectType::Tree => Ok(ObjectKind::Tree),
            ObjectType::Blob => Ok(ObjectKind::Blob),
            _ => Err(RepoError::Corrupt(id)),
        }
    }

    /// Follows the tags of a name that is being pushed.
    ///
    /// # Errors
    /// [`RepoError::Missing`] when an object is not in this clone.
    pub fn pushed(&self, id: ObjectId) -> Result<Pushed, RepoError> {
        let mut found = Pushed::default();
        let mut at = id;
        loop {
            let kind = self.kind_of(at)?;
            if kind != ObjectKind::Tag {
                found.end = Some((kind, at));
                return Ok(found);
            }
            found.tags.push(at);
            let tag = self
                .git
                .find_tag(self.oid(at))
                .map_err(|error| RepoError::reading(&error, at))?;
            at = tag.target_id().into();
        }
    }

    /// The whole text of a commit or a tag: names, message, signature.
    ///
    /// # Errors
    /// [`RepoError::Missing`] when it is not in this clone.
    pub fn text_of(&self, id: ObjectId) -> Result<Vec<u8>, RepoError> {
        let odb = self.git.odb()?;
        let object = odb
            .read(self.oid(id))
            .map_err(|error| RepoError::reading(&error, id))?;
        Ok(object.data().to_vec())
    }

    /// Shows the text of every commit of a span, the oldest first.
    ///
    /// # Errors
    /// [`RepoError::Missing`] when a commit is not in this clone; what `visit` fails with.
    pub fn each_commit_text<E: From<RepoError>>(
        &self,
        span: &Span,
        visit: VisitText<'_, E>,
    ) -> Result<(), E> {
        let _fast = FastReads::begin();
        let odb = self.git.odb().map_err(RepoError::from)?;
        let commits = self.commits(&odb, span, None)?;
        for row in commits.order().iter().rev() {
            let id: Oid = commits.id(*row);
            let object = odb
                .read(id)
                .map_err(|error| RepoError::reading(&error, id.into()))?;
            visit(id.into(), object.data())?;
        }
        Ok(())
    }
}
