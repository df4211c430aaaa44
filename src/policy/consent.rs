//! What a user allows a clone to do: which names enter the environment, which command and which
//! plugins run. It is kept in the user's configuration folder, never in a repository, and found by
//! the path of the git folder.

use serde::{Deserialize, Serialize};

const VERSION: u64 = 1;

/// The file of all clones.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Consents {
    version: u64,
    clones: Vec<Consent>,
}

/// What one clone may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// The real path of the git folder that all work trees of the clone share.
    pub git: String,
    /// The first commit of its history, once it was there in full: another repository at the same
    /// path has none of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plugin: Vec<String>,
    /// Names that point at a proxy, certificates or configuration, as the first `export` found
    /// them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Vec<String>>,
}

/// What a consent is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentKind {
    /// A name that enters the environment.
    Env,
    /// A program that `SOPS_AGE_KEY_CMD` names, also when git asks.
    Command,
    /// `age-plugin-NAME`.
    Plugin,
}

/// A clone as it is now.
pub struct CurrentClone<'a> {
    pub git: &'a str,
    /// Whether a commit begins its history; not asked where history is cut off.
    pub begins_with: &'a dyn Fn(&str) -> bool,
}

/// Why the file is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsentError {
    #[error("line {line}: {what}")]
    Json { line: usize, what: String },
    #[error("version {0}; this stax knows version 1")]
    Version(u64),
}

impl Default for Consents {
    fn default() -> Self {
        Self {
            version: VERSION,
            clones: Vec::new(),
        }
    }
}

impl ConsentKind {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::Command => "command",
            Self::Plugin => "plugin",
        }
    }
}

impl Consent {
    #[must_use]
    pub fn names(&self, kind: ConsentKind) -> &[String] {
        match kind {
            ConsentKind::Env => &self.env,
            ConsentKind::Command => &self.command,
            ConsentKind::Plugin => &self.plugin,
        }
    }

    /// Adds a name; says whether it is new.
    pub fn allow(&mut self, kind: ConsentKind, name: &str) -> bool {
        let names = self.names_mut(kind);
        let is_new = !names.iter().any(|known| known == name);
        if is_new {
            names.push(name.to_owned());
            names.sort_unstable();
        }
        is_new
    }

    /// Takes a name back; says whether it was there.
    pub fn take_back(&mut self, kind: ConsentKind, name: &str) -> bool {
        let names = self.names_mut(kind);
        let before = names.len();
        names.retain(|known| known != name);
        names.len() < before
    }

    fn names_mut(&mut self, kind: ConsentKind) -> &mut Vec<String> {
        match kind {
            ConsentKind::Env => &mut self.env,
            ConsentKind::Command => &mut self.command,
            ConsentKind::Plugin => &mut self.plugin,
        }
    }

    fn is_of(&self, place: &CurrentClone<'_>) -> bool {
        self.git == place.git
            && self
                .root
                .as_deref()
                .is_none_or(|root| (place.begins_with)(root))
    }
}

impl Consents {
    /// Reads and checks the whole file.
    ///
    /// # Errors
    /// [`ConsentError`]
    pub fn parse(text: &str) -> Result<Self, ConsentError> {
        let known: serde_json::Value =
            serde_json::from_str(text).map_err(|error| json_error(&error))?;
        if let Some(version) = known.get("version").and_then(serde_json::Value::as_u64)
            && version != VERSION
        {
            return Err(ConsentError::Version(version));
        }
        serde_json::from_str(text).map_err(|error| json_error(&error))
    }

    #[must_use]
    pub fn render(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// What the clone may do; `None` when nothing was said of it.
    #[must_use]
    pub fn of(&self, place: &CurrentClone<'_>) -> Option<&Consent> {
        self.clones.iter().find(|consent| consent.is_of(place))
    }

    /// Names that another repository at the path had leave for, each with its first commit.
    #[must_use]
    pub fn of_others(&self, place: &CurrentClone<'_>, kind: ConsentKind) -> Vec<(String, String)> {
        let others = self
            .clones
            .iter()
            .filter(|consent| consent.git == place.git && !consent.is_of(place));
        let pairs = |consent: &'_ Consent| {
            let root = consent.root.clone().unwrap_or_default();
            let names = consent.names(kind).to_owned();
            names.into_iter().map(move |name| (name, root.clone()))
        };
        others.flat_map(pairs).collect()
    }

    /// The entry of the clone, made when missing. `root` is the first commit, once it is known.
    pub fn entry(&mut self, place: &CurrentClone<'_>, root: Option<&str>) -> &mut Consent {
        let at = self
            .clones
            .iter()
            .position(|consent| consent.is_of(place))
            .unwrap_or_else(|| {
                self.clones.push(Consent {
                    git: place.git.to_owned(),
                    ..Consent::default()
                });
                self.clones.len() - 1
            });
        let entry = &mut self.clones[at];
        if entry.root.is_none() {
            entry.root = root.map(str::to_owned);
        }
        entry
    }

    /// Drops what was said of other repositories that were at the path.
    pub fn forget_others(&mut self, place: &CurrentClone<'_>) {
        self.clones
            .retain(|consent| consent.git != place.git || consent.is_of(place));
    }

    /// Drops everything that was said of the path; says whether there was something.
    pub fn forget(&mut self, git: &str) -> bool {
        let before = self.clones.len();
        self.clones.retain(|consent| consent.git != git);
        self.clones.len() < before
    }
}

fn json_error(error: &serde_json::Error) -> ConsentError {
    let text = error.to_string();
    let what = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(what, _)| what)
        .to_owned();
    ConsentError::Json {
        line: error.line(),
        what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIT: &str = "/home/ana/shop/.git";

    fn place<'a>(git: &'a str, begins_with: &'a dyn Fn(&str) -> bool) -> CurrentClone<'a> {
        CurrentClone { git, begins_with }
    }

    #[test]
    fn a_consent_is_for_one_clone_and_one_kind() {
        let here = place(GIT, &|_| true);
        let mut all = Consents::default();
        assert!(all.of(&here).is_none());
        assert!(all.entry(&here, None).allow(ConsentKind::Env, "LD_PRELOAD"));
        assert!(!all.entry(&here, None).allow(ConsentKind::Env, "LD_PRELOAD"));
        let all = Consents::parse(&all.render()).unwrap();
        assert_eq!(
            all.of(&here).unwrap().names(ConsentKind::Env),
            ["LD_PRELOAD"]
        );
        assert!(all.of(&here).unwrap().names(ConsentKind::Plugin).is_empty());
        assert!(all.of(&place("/home/ana/other/.git", &|_| true)).is_none());
    }

    #[test]
    fn another_repository_at_the_path_is_another_clone() {
        let mut all = Consents::default();
        let before = place(GIT, &|root| root == "aa");
        all.entry(&before, None).allow(ConsentKind::Env, "CC");
        // without a commit the path alone counts, and the first commit is added when it is there
        assert!(all.of(&place(GIT, &|_| false)).is_some());
        all.entry(&before, Some("aa"));
        let after = place(GIT, &|root| root == "bb");
        assert!(all.of(&after).is_none());
        assert_eq!(
            all.of_others(&after, ConsentKind::Env),
            [("CC".to_owned(), "aa".to_owned())]
        );
        assert!(all.of_others(&after, ConsentKind::Plugin).is_empty());
        assert!(all.of_others(&before, ConsentKind::Env).is_empty());
        all.entry(&after, Some("bb")).allow(ConsentKind::Env, "CC");
        assert_eq!(all.clones.len(), 2);
        all.forget_others(&after);
        assert!(all.of(&before).is_none() && all.of(&after).is_some());
        assert!(all.forget(GIT) && !all.forget(GIT));
    }

    #[test]
    fn a_consent_can_be_taken_back() {
        let mut consent = Consent::default();
        consent.allow(ConsentKind::Plugin, "yubikey");
        assert!(consent.take_back(ConsentKind::Plugin, "yubikey"));
        assert!(!consent.take_back(ConsentKind::Plugin, "yubikey"));
    }

    #[test]
    fn a_file_with_anything_unknown_is_not_believed() {
        for (text, why) in [
            (
                r#"{"version": 2, "clones": [], "more": 1}"#,
                "version 2; this stax knows version 1",
            ),
            (
                r#"{"version": 1, "clones": [{"git": "/a", "shell": ["x"]}]}"#,
                "line 1: unknown field `shell`",
            ),
            (r#"{"version": 1}"#, "line 1: missing field `clones`"),
            ("", "line 1: EOF while parsing a value"),
        ] {
            let error = Consents::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(why), "{error}");
        }
    }
}
