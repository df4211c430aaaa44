//! What every rule of verify means, as data: `--explain`, SARIF and `docs/rules.md` are printed from it.
//!
//! A rule without an entry does not compile. The entries stand in `docs/`, one file a family of rules.

use std::fmt::Write as _;

use crate::policy::{RuleId, Severity};

mod around;
mod change;
mod content;
mod past;
mod tree;

/// The texts of one rule. Lower case, no full stop; backticks round what is typed.
#[derive(Debug)]
pub struct RuleDoc {
    pub rule: RuleId,
    /// In a file that `.stax/vault.json` binds; `None` where the rule is silent.
    pub bound: Option<Severity>,
    /// In any other SOPS file.
    pub general: Option<Severity>,
    /// What a finding would let happen.
    pub why: &'static str,
    /// What such a file, commit or line looks like.
    pub example: &'static str,
    /// What to do, step by step; commands in backticks.
    pub mend: &'static [&'static str],
}

/// Every family; a new one adds its list here.
const FAMILIES: &[&[RuleDoc]] = &[tree::DOCS, content::DOCS, around::DOCS, change::DOCS, past::DOCS];

const _: () = assert!(first_missing(RuleId::ALL) == RuleId::ALL.len(), "a rule has no entry in `rules/docs`");

const fn first_missing(rules: &[RuleId]) -> usize {
    let mut position = 0;
    while position < rules.len() && has_entry(rules[position]) {
        position += 1;
    }
    position
}

const fn has_entry(rule: RuleId) -> bool {
    let mut family = 0;
    while family < FAMILIES.len() {
        let mut entry = 0;
        while entry < FAMILIES[family].len() {
            if FAMILIES[family][entry].rule as usize == rule as usize {
                return true;
            }
            entry += 1;
        }
        family += 1;
    }
    false
}

impl RuleDoc {
    /// The texts of a rule.
    ///
    /// # Panics
    /// Never: a rule without an entry does not compile.
    #[must_use]
    pub fn of(rule: RuleId) -> &'static Self {
        let mut all = FAMILIES.iter().copied().flatten();
        all.find(|doc| doc.rule == rule).expect("checked when it was compiled")
    }

    /// The worst that the rule reports.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.bound.max(self.general).unwrap_or(Severity::Notice)
    }
}

/// `error`, or `-` where a rule is silent.
#[must_use]
pub fn level(severity: Option<Severity>) -> String {
    severity.map_or_else(|| "-".to_owned(), |severity| severity.to_string())
}

/// The whole of `docs/rules.md`.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    for rule in RuleId::ALL {
        let (doc, id, name) = (RuleDoc::of(*rule), rule.id(), rule.name());
        let (bound, general) = (level(doc.bound), level(doc.general));
        let anchor = format!("{id}-{name}").to_lowercase();
        let _ =
            writeln!(page, "| [{id}](#{anchor}) | {name} | {bound} | {general} | {} |", cell(rule.summary()));
    }
    for rule in RuleId::ALL {
        let doc = RuleDoc::of(*rule);
        let _ = write!(page, "\n## {rule}\n\n{}\n\n", rule.summary());
        let _ = write!(
            page,
            "Bound file: {}. Any other SOPS file: {}.\n\n",
            level(doc.bound),
            level(doc.general)
        );
        let _ = write!(page, "**Why.** {}\n\n**Example.** {}\n\n**Mend.**\n\n", doc.why, doc.example);
        for step in doc.mend {
            let _ = writeln!(page, "- {step}");
        }
    }
    page
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

const HEAD: &str = "# The rules of `stax secrets verify`

Written by stax from the texts that `stax secrets verify --explain RULE` prints; a test keeps it so.

A file is *bound* when `.stax/vault.json` names it. Any other SOPS file of the repository is held only to
what its own metadata promise. `-` means that the rule is silent there. Rules whose id begins with `C` need a
key; all others work without one. A finding can be accepted, with a reason that every summary shows, by
`\"allow\": [{\"rule\": \"F04E\", \"path\": \"…\", \"key\": \"…\", \"why\": \"…\"}]` in `.stax/vault.json`; never for F03,
K01, K02 and C rules. Such an entry counts from the base of a change on, and never for the change that brings it:
of `A..B` the base is A, of a push the default branch of the remote as last fetched (of that branch what the remote
has), of the next commit and of a tree it is HEAD; without a base none counts, and `--allow-from REV` names another.
What the base has already is an older finding and needs no entry.

| id | name | bound file | other SOPS file | what holds |
|---|---|---|---|---|
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_says_something_and_stands_once() {
        let all = || FAMILIES.iter().copied().flatten();
        assert_eq!(all().count(), RuleId::ALL.len());
        for doc in all() {
            assert!(!doc.why.is_empty() && !doc.example.is_empty() && !doc.mend.is_empty(), "{}", doc.rule);
            assert!(doc.bound.is_some() || doc.general.is_some(), "{} never speaks", doc.rule);
            let texts = [doc.why, doc.example].into_iter().chain(doc.mend.iter().copied());
            for text in texts {
                assert!(!text.ends_with('.') && !text.contains('\n'), "{}: {text}", doc.rule);
                assert_eq!(text.matches('`').count() % 2, 0, "{}: {text}", doc.rule);
            }
            assert!(doc.rule.summary().ends_with('.') && doc.rule.summary().len() > 20, "{}", doc.rule);
        }
    }

    /// `STAX_WRITE_DOCS=1 cargo test rules_page` writes it anew.
    #[test]
    fn the_rules_page_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rules.md");
        if std::env::var_os("STAX_WRITE_DOCS").is_some() {
            std::fs::write(path, markdown()).expect("docs/rules.md");
        }
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(page == markdown(), "docs/rules.md is old; run: STAX_WRITE_DOCS=1 cargo test rules_page");
    }
}
