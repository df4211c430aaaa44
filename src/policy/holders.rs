//! Who holds which key: `recipients.md` first, then what the policy itself says in anchors and
//! comments.

use std::collections::{BTreeMap, BTreeSet};

use sops_document::age::person;

use super::config::Config;
use super::roster::Roster;
use super::who::{WhoError, resolve_person, resolve_who};

/// The names of all keys that have one. Claims of the repository: nothing proves them.
#[derive(Clone, Debug, Default)]
pub struct Holders {
    shown: BTreeMap<String, String>,
    /// Every name that somebody may type, as pairs of key and name.
    typed: Vec<(String, String)>,
}

impl Holders {
    #[must_use]
    pub fn new(roster: &Roster, policy: Option<&Config>) -> Self {
        Self::over(roster, policy)
    }

    /// The same of several policies; what an earlier one says wins.
    #[must_use]
    pub fn over<'p>(roster: &Roster, policies: impl IntoIterator<Item = &'p Config>) -> Self {
        let mut holders = Self::default();
        for (_, row) in roster.rows() {
            for key in spellings(&row.recipient) {
                holders
                    .shown
                    .entry(key.clone())
                    .or_insert_with(|| row.name.clone());
                holders.typed.push((key, row.name.clone()));
            }
        }
        for holder in policies.into_iter().flat_map(Config::holders) {
            let keys = spellings(&holder.recipient);
            if let Some(name) = holder.name() {
                for key in &keys {
                    holders
                        .shown
                        .entry(key.clone())
                        .or_insert_with(|| name.clone());
                }
            }
            // `admin_ana` is found as `admin_ana` and as `ana`
            let words = holder
                .anchors
                .iter()
                .map(|anchor| anchor.replace(['_', '-'], " "));
            let names: Vec<String> = holder
                .anchors
                .iter()
                .cloned()
                .chain(words)
                .chain(holder.remark)
                .collect();
            for key in keys {
                holders
                    .typed
                    .extend(names.iter().map(|name| (key.clone(), name.clone())));
            }
        }
        holders
    }

    #[must_use]
    pub fn name(&self, key: &str) -> Option<&str> {
        self.shown.get(key).map(String::as_str)
    }

    /// Every key that has a name.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.shown.keys().map(String::as_str)
    }

    /// `age1… (Ravi)`, or the key alone.
    #[must_use]
    pub fn labelled(&self, key: &str) -> String {
        self.name(key)
            .map_or_else(|| key.to_owned(), |name| format!("{key} ({name})"))
    }

    /// The one of these keys that WHO means, by key or by any of its names.
    ///
    /// # Errors
    /// [`WhoError`]: nobody, or more than one.
    pub fn resolve<'a>(
        &self,
        who: &str,
        keys: impl Iterator<Item = &'a str>,
    ) -> Result<String, WhoError> {
        let keys: Vec<&str> = keys.collect();
        resolve_who(who, &self.named(&keys))
    }

    /// The same where one person may have several keys: all of them.
    ///
    /// # Errors
    /// As [`Self::resolve`], of people.
    pub fn resolve_person<'a>(
        &self,
        who: &str,
        keys: impl Iterator<Item = &'a str>,
    ) -> Result<Vec<String>, WhoError> {
        let keys: Vec<&str> = keys.collect();
        resolve_person(who, &self.named(&keys))
    }

    /// Each key with every name that somebody may type for it.
    fn named<'k>(&'k self, keys: &[&'k str]) -> Vec<(&'k str, &'k str)> {
        let mut known: Vec<(&str, &str)> = Vec::new();
        for key in keys {
            let names = self
                .typed
                .iter()
                .filter(|(holder, _)| holder == key)
                .map(|(_, name)| name.as_str());
            let before = known.len();
            known.extend(names.map(|name| (*key, name)));
            if known.len() == before {
                known.push((key, ""));
            }
        }
        known
    }
}

/// As it is written, and the one name of the reader.
fn spellings(key: &str) -> BTreeSet<String> {
    BTreeSet::from([key.to_owned(), person(key)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "keys:\n  - &admin_ana age1ana\n  - &ravi age1bob # Ravi Patel\n  - &host-web age1web\ncreation_rules:\n  - age: [*admin_ana, *ravi, *host-web]\n";
    const ROSTER: &str = "| Public key | Name | Role | Onboarded |\n|---|---|---|---|\n| age1ana | Ana Silva |  |  |\n";

    #[test]
    fn the_table_comes_before_anchors_and_comments_and_all_of_them_can_be_typed() {
        let (config, roster) = (
            Config::parse(POLICY).unwrap().0,
            Roster::parse(ROSTER).unwrap(),
        );
        let holders = Holders::new(&roster, Some(&config));
        assert_eq!(holders.name("age1ana"), Some("Ana Silva"));
        assert_eq!(holders.labelled("age1bob"), "age1bob (ravi (Ravi Patel))");
        assert_eq!(holders.labelled("age1x"), "age1x");
        for (who, key) in [
            ("ana", "age1ana"),
            ("admin_ana", "age1ana"),
            ("silva", "age1ana"),
            ("ravi", "age1bob"),
            ("Ravi Patel", "age1bob"),
            ("patel", "age1bob"),
            ("host-web", "age1web"),
            ("age1x", "age1x"),
        ] {
            let keys = ["age1ana", "age1bob", "age1web", "age1x"];
            assert_eq!(
                holders.resolve(who, keys.into_iter()).as_deref(),
                Ok(key),
                "{who}"
            );
        }
        assert!(holders.resolve("ravi", ["age1ana"].into_iter()).is_err());
    }
}
