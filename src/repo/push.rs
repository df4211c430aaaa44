//! What `git push` is about to publish.

use git2::ErrorCode;

use super::{ObjectId, Repo, RepoError, Span};

impl Repo {
    /// The commits that a push brings and that the remote does not have, as far as this clone knows: neither
    /// behind its remote-tracking branches nor behind what it said it has. `updates` are pairs of object names
    /// in hex, the new one and the one that the remote has. A tag of something that is no commit brings none.
    ///
    /// # Errors
    /// [`RepoError::Missing`] when a new object is not in this clone.
    pub fn push_span(&self, remote: &str, updates: &[(&str, &str)]) -> Result<Span, RepoError> {
        let mut span = Span::default();
        for (new, old) in updates {
            if let Some(tip) = self.pushed(new)?
                && !span.tips.contains(&tip)
            {
                span.tips.push(tip);
            }
            let known = old.parse().ok().and_then(|old| self.git.find_object(self.oid(old), None).ok());
            let known = known.and_then(|object| object.peel_to_commit().ok());
            span.hidden.extend(known.map(|commit| ObjectId::from(commit.id())));
        }
        // never as a pattern: a remote may be a URL
        let start = format!("refs/remotes/{remote}/");
        for (name, commit) in self.named_commits()? {
            if name.starts_with(start.as_bytes()) {
                span.hidden.push(commit.into());
            }
        }
        span.tips.retain(|tip| !span.hidden.contains(tip));
        Ok(span)
    }

    fn pushed(&self, new: &str) -> Result<Option<ObjectId>, RepoError> {
        let id = self.oid(new.parse().map_err(|_| RepoError::Revision(new.to_owned()))?);
        let missing = |error| RepoError::reading(&error, id.into());
        match self.git.find_object(id, None).map_err(missing)?.peel_to_commit() {
            Ok(commit) => Ok(Some(commit.id().into())),
            Err(error) if error.code() == ErrorCode::NotFound => Err(missing(error)),
            Err(_) => Ok(None),
        }
    }
}
