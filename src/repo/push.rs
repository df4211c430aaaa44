//! What `git push` is about to publish.

use super::{ObjectId, ObjectKind, Repo, RepoError, Span};

/// The branch of a remote that everybody builds on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultBranch {
    /// `main`
    pub name: String,
    /// As last fetched.
    pub tip: ObjectId,
}

impl Repo {
    /// The commits that a push brings and that the remote does not have, as far as this clone
    /// knows: neither behind its remote-tracking branches nor behind what it said it has. `updates`
    /// are pairs of object names in hex, the new one and the one that the remote has. A tag of
    /// something that is no commit brings none.
    ///
    /// # Errors
    /// [`RepoError::Missing`] when a new object is not in this clone.
    pub fn push_span(&self, remote: &str, updates: &[(&str, &str)]) -> Result<Span, RepoError> {
        let mut span = Span::default();
        for (new, old) in updates {
            if let Some(tip) = self.pushed_commit(new)?
                && !span.tips.contains(&tip)
            {
                span.tips.push(tip);
            }
            span.hidden.extend(self.known_commit(old));
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

    /// What `refs/remotes/REMOTE/HEAD` names, else the branch `main` of the remote, else `master`,
    /// as last fetched.
    ///
    /// # Errors
    /// [`RepoError::Git`] when the references cannot be read.
    pub fn default_branch(&self, remote: &str) -> Result<Option<DefaultBranch>, RepoError> {
        let start = format!("refs/remotes/{remote}/");
        let named = self.symbolic_target(&format!("{start}HEAD"));
        let named = named.and_then(|target| target.strip_prefix(&start).map(str::to_owned));
        let commits = self.named_commits()?;
        let known = |name: &str| {
            let full = format!("{start}{name}");
            commits
                .iter()
                .find(|(other, _)| *other == full.as_bytes())
                .map(|(_, commit)| *commit)
        };
        let names = named
            .into_iter()
            .chain(["main".to_owned(), "master".to_owned()]);
        let mut found = names.filter_map(|name| {
            Some(DefaultBranch {
                tip: known(&name)?.into(),
                name,
            })
        });
        Ok(found.next())
    }

    /// The commit behind a name in hex, where this clone has it.
    #[must_use]
    pub fn known_commit(&self, hex: &str) -> Option<ObjectId> {
        let object = self
            .git
            .find_object(self.oid(hex.parse().ok()?), None)
            .ok()?;
        Some(object.peel_to_commit().ok()?.id().into())
    }

    fn pushed_commit(&self, new: &str) -> Result<Option<ObjectId>, RepoError> {
        let id = new
            .parse()
            .map_err(|_| RepoError::Revision(new.to_owned()))?;
        let end = self.pushed(id)?.end;
        Ok(end
            .filter(|(kind, _)| *kind == ObjectKind::Commit)
            .map(|(_, commit)| commit))
    }
}
