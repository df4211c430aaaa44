//! What `git push` is about to publish.

use git2::{ErrorCode, Oid};

use super::{ObjectId, Repo, RepoError, Span};

impl Repo {
    /// The commits behind `new` that a remote does not have, as far as this clone knows: neither behind its
    /// remote-tracking branches nor behind `old`, what the remote has at that name. Both are object names
    /// in hex. `None`: `new` is a tag of something that is no commit.
    ///
    /// # Errors
    /// [`RepoError::Missing`] when `new` is not in this clone.
    pub fn push_span(&self, remote: &str, new: &str, old: &str) -> Result<Option<Span>, RepoError> {
        let id = Oid::from_str(new).map_err(|_| RepoError::Revision(new.to_owned()))?;
        let object = self.git.find_object(id, None).map_err(|error| RepoError::reading(&error, id.into()))?;
        let tip: ObjectId = match object.peel_to_commit() {
            Ok(commit) => commit.id().into(),
            Err(error) if error.code() == ErrorCode::NotFound => {
                return Err(RepoError::reading(&error, id.into()));
            }
            Err(_) => return Ok(None),
        };
        let known = Oid::from_str(old).ok().and_then(|old| self.git.find_object(old, None).ok());
        let known = known.and_then(|object| object.peel_to_commit().ok());
        let mut hidden: Vec<ObjectId> = known.iter().map(|commit| commit.id().into()).collect();
        // never as a pattern: a remote may be a URL
        let start = format!("refs/remotes/{remote}/");
        for reference in self.git.references()?.flatten() {
            if reference.name_bytes().starts_with(start.as_bytes())
                && let Ok(commit) = reference.peel_to_commit()
            {
                hidden.push(commit.id().into());
            }
        }
        Ok(Some(Span { tips: vec![tip], hidden, hide_references: false }))
    }
}
