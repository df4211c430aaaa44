//! The policy: what the repository says about who may read what, and the findings of verify.

use std::fmt;
use std::str::FromStr;

pub mod config;
pub mod consent;
pub mod content;
pub mod credential;
pub mod entropy;
pub mod holders;
pub mod policies;
pub mod roster;
pub mod sniff;
pub mod vault;
pub mod who;

pub use holders::Holders;
pub use sops_document::pattern;
pub use who::{WhoError, resolve_who, without_mail};

/// Something that verify found. Data only: floor 3 prints it, escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub rule: RuleId,
    pub severity: Severity,
    /// From the root of the repository, with `/`.
    pub path: String,
    /// From 1, where the rule speaks of a line.
    pub line: Option<usize>,
    /// The key of the document, where the rule speaks of one.
    pub key: Option<String>,
    /// Lower case, no full stop, never a value.
    pub message: String,
    /// The command that mends it.
    pub fix: Option<String>,
    /// What to do after that, or instead.
    pub then: Vec<String>,
    /// Further lines: who, why, since when.
    pub detail: Vec<String>,
}

/// From the least to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Notice,
    Warning,
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

impl Finding {
    #[must_use]
    pub fn new(
        rule: RuleId,
        severity: Severity,
        path: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        let (path, message) = (path.into(), message.into());
        let (then, detail) = (Vec::new(), Vec::new());
        Self { rule, severity, path, line: None, key: None, message, fix: None, then, detail }
    }

    #[must_use]
    pub fn error(rule: RuleId, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(rule, Severity::Error, path, message)
    }

    #[must_use]
    pub fn warning(rule: RuleId, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(rule, Severity::Warning, path, message)
    }

    #[must_use]
    pub fn notice(rule: RuleId, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(rule, Severity::Notice, path, message)
    }

    /// A commit that is looked at holds it, not only the files at the end.
    #[must_use]
    pub fn is_of_commit(&self) -> bool {
        self.detail.iter().any(|line| line.starts_with("in commit "))
    }

    #[must_use]
    pub fn at(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }

    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    #[must_use]
    pub fn fix(mut self, command: impl Into<String>) -> Self {
        self.fix = Some(command.into());
        self
    }

    #[must_use]
    pub fn then(mut self, line: impl Into<String>) -> Self {
        self.then.push(line.into());
        self
    }

    #[must_use]
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.detail.push(line.into());
        self
    }
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])* $id:ident = $name:literal,)*) => {
        /// The rules of verify. Each has an id and a name; both select it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum RuleId { $($(#[doc = $doc])* $id,)* }

        impl RuleId {
            pub const ALL: &[Self] = &[$(Self::$id,)*];

            #[must_use]
            pub fn id(self) -> &'static str {
                match self { $(Self::$id => stringify!($id),)* }
            }

            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$id => $name,)* }
            }

            /// What holds where the rule finds nothing: the comment above its line in this list.
            #[must_use]
            pub fn summary(self) -> &'static str {
                match self { $(Self::$id => concat!($($doc),*).trim_ascii(),)* }
            }
        }
    };
}

// a new rule: one line here, one entry in `rules/docs`, and docs/rules.md written anew
rules! {
    /// `.sops.yaml` is read strictly and governs the file.
    P01 = "policy",
    /// No other `.sops.yaml` stands nearer to a bound file, and none is a link.
    P02 = "other-policy",
    /// A file falls to the rule that is meant for it.
    P03 = "rule-order",
    /// Every pattern compiles as Go's RE2, and the rule of a bound file encrypts everything to age keys.
    P04 = "policy-rule",
    /// A rule decides about some file.
    P05 = "idle-rule",
    /// `.stax/vault.json` is read strictly.
    B01 = "binding",
    /// A file that the policy names is encrypted.
    B02 = "unsealed",
    /// `recipients.md` and the policy name the same keys.
    R01 = "roster",
    /// `recipients.md` gives nobody a later date than the commit log proves.
    R02 = "onboarded",
    /// The file is what its format says: UTF-8, one document, no duplicate keys, within the caps.
    F01 = "parse",
    /// A managed file is flat and its keys are names.
    F02 = "shape",
    /// Every token is in the one form that SOPS writes.
    F03 = "token",
    /// A value that must be encrypted is in clear.
    F04 = "plaintext",
    /// An empty value or null, which SOPS cannot encrypt.
    F04E = "empty-value",
    /// The crypt rule of a file selects none of its values.
    F04Z = "nothing-encrypted",
    /// A comment of a managed file is in clear.
    F05 = "comment",
    /// A merge left a value unresolved.
    F06 = "conflict",
    /// A value that the crypt rule leaves in clear looks like a credential.
    F07 = "clear-secret",
    /// Two values of a file never share an iv.
    V01 = "nonce",
    /// The file is encrypted to exactly the recipients of the policy.
    K01 = "recipients",
    /// Every wrapped key is one stanza that fits its label.
    K02 = "stanza",
    /// No two wrapped keys of a file are copies of one.
    K03 = "copied-stanza",
    /// No other file has the same data key, as equal tokens or stanzas show.
    K04 = "shared-data-key",
    /// Nobody who was removed can still open the file: a removal made a new data key.
    K05 = "stale-data-key",
    /// With `--exposure`: no former recipient could read a value that is still in use.
    K06 = "exposed-value",
    /// With `--max-age`: every value was set within that span.
    K07 = "old-value",
    /// Nobody who was removed reads the file again unless somebody added them.
    K08 = "reader-returned",
    /// After a removal no stanza of the older version is left.
    D03 = "kept-stanza",
    /// The file's own rule changed while its tokens stayed.
    D05 = "crypt-rule-changed",
    /// The token of an older version is back.
    D06 = "old-token",
    /// Everything in a bound file is new: a rotation, or a replacement by anybody who can push.
    D08 = "all-replaced",
    /// A token changed its type and nothing else.
    D09 = "type-changed",
    /// A value changed under the iv that it had.
    D10 = "iv-reused",
    /// Values changed under the MAC of the version before.
    D11 = "mac-unchanged",
    /// What decides about readers, drivers and environments changed: look at it.
    D12 = "guard-changed",
    /// A value that was replaced stays replaced through every merge.
    D13 = "value-returned",
    /// The metadata has only known fields and no other kinds of keys.
    M01 = "metadata",
    /// The file selects what is encrypted as the policy does.
    M02 = "crypt-rule",
    /// The MAC is there and has the form of one.
    M03 = "mac",
    /// The time of the last change is a time, and not in the future.
    M04 = "lastmodified",
    /// The crypt rule of a file is still that of the policy.
    M05 = "crypt-drift",
    /// `.gitattributes` gives a bound file the diff and the merge of stax.
    G01 = "drivers",
    /// A SOPS file is a plain file, not executable and not a link.
    G02 = "mode",
    /// git keeps no decrypted text in `refs/notes/textconv`.
    G03 = "textconv-cache",
    /// No tracked file holds the secret key of a reader.
    G05 = "age-key",
    /// This clone has the drivers that the attributes ask for, its guard sees every secret, and `stax` is stax.
    G06 = "clone",
    /// With a key: every stanza opens for the one that its label names.
    C01 = "label",
    /// With a key: every value opens under its own path and has its type's canonical text.
    C02 = "value",
    /// With a key: the MAC is that of the values.
    C03 = "mac-value",
    /// With a key: where everything in a bound file is encrypted anew no value is another one.
    C04 = "replaced-values",
    /// With a key: no other file has the same data key.
    C05 = "same-data-key",
    /// A managed file names nothing that programs obey.
    C06 = "env-name",
    /// With a key: no value of a SOPS file stands in clear in another file.
    C07 = "value-in-clear",
}

/// `F04 plaintext`
impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id(), self.name())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no rule has the id or name {0:?}")]
pub struct UnknownRule(pub String);

/// From the id, in any case, or the name.
impl FromStr for RuleId {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Self, UnknownRule> {
        let fits = |rule: &&Self| rule.id().eq_ignore_ascii_case(text) || rule.name() == text;
        Self::ALL.iter().find(fits).copied().ok_or_else(|| UnknownRule(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_known_by_id_and_by_name() {
        for rule in RuleId::ALL {
            assert_eq!(rule.id().parse(), Ok(*rule));
            assert_eq!(rule.id().to_lowercase().parse(), Ok(*rule));
            assert_eq!(rule.name().parse(), Ok(*rule));
        }
        assert_eq!(RuleId::F04E.to_string(), "F04E empty-value");
        assert_eq!("F99".parse::<RuleId>(), Err(UnknownRule("F99".into())));
        let mut names: Vec<&str> = RuleId::ALL.iter().map(|rule| rule.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), RuleId::ALL.len());
    }

    #[test]
    fn a_finding_is_built_step_by_step() {
        let finding = Finding::error(RuleId::F04, "a.enc.yaml", "`PORT` is in clear")
            .at(4)
            .fix("stax secrets encrypt -i a.enc.yaml")
            .detail("why");
        assert_eq!((finding.severity, finding.line, finding.detail.len()), (Severity::Error, Some(4), 1));
        assert!(Severity::Error > Severity::Warning && Severity::Warning > Severity::Notice);
    }
}
