//! What every rule of verify means, printed from its row: `docs/rules.md`, which `--explain` and
//! SARIF tell as well.

use std::fmt::Write as _;

use crate::verify::rule::{RuleId, Severity};

/// `error`, or `-` where a rule is silent.
#[must_use]
pub fn level(severity: Option<Severity>) -> String {
    severity.map_or_else(|| "-".to_owned(), |severity| severity.to_string())
}

/// The whole of `docs/rules.md`.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    for rule in RuleId::all() {
        let (id, name, title) = (rule.id, rule.name, cell(rule.title));
        let (bound, general) = (level(rule.bound), level(rule.general));
        let anchor = format!("{id}-{name}").to_lowercase();
        let _ = writeln!(
            page,
            "| [{id}](#{anchor}) | {name} | {bound} | {general} | {title} |"
        );
    }
    for rule in RuleId::all() {
        let (bound, general) = (level(rule.bound), level(rule.general));
        let (on, allowed) = (
            judged_on(rule),
            if rule.may_be_allowed { "yes" } else { "no" },
        );
        let _ = write!(page, "\n## {rule}\n\n{}.\n\n", rule.title);
        let _ = write!(
            page,
            "Bound file: {bound}. Any other SOPS file: {general}. "
        );
        let _ = write!(page, "Judged on: {on}. May be allowed: {allowed}.\n\n");
        let _ = write!(
            page,
            "**Why.** {}\n\n**Example.** {}\n\n**Mend.**\n\n",
            rule.why, rule.example
        );
        for step in rule.mend {
            let _ = writeln!(page, "- {step}");
        }
    }
    page
}

/// `tree, key`
#[must_use]
pub fn judged_on(rule: RuleId) -> String {
    rule.on
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

const HEAD: &str = "# The rules of `stax secrets verify`

Written by stax from the texts that `stax secrets verify --explain RULE` prints; a test keeps it so.

A file is *bound* when `.stax/vault.json` names it. Any other SOPS file of the repository is held only to
what its own metadata promise. `-` means that the rule is silent there. A rule is judged on the files of a *tree*, on a
*change* of a file against the version before, on the commits of a *range* or behind HEAD, on this *clone* alone; what
only a *key* tells needs one, all else works without. A finding can be accepted, with a reason that every summary shows, by
`\"allow\": [{\"rule\": \"F04E\", \"path\": \"…\", \"key\": \"…\", \"why\": \"…\"}]` in `.stax/vault.json`; never for a rule
that says so. Such an entry counts from the base of a change on, and never for the change that brings it:
of `A..B` the base is A, of a push the default branch of the remote as last fetched (of that branch what the remote
has), of the next commit and of a tree it is HEAD; without a base none counts, and `--allow-from REV` names another.
What the base has already is an older finding and needs no entry.

| id | name | bound file | other SOPS file | what is wrong |
|---|---|---|---|---|
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::rules::{FAMILIES, UnknownRule};

    #[test]
    fn every_row_says_something() {
        for rule in RuleId::all() {
            assert!(
                !rule.why.is_empty() && !rule.example.is_empty() && !rule.mend.is_empty(),
                "{rule}"
            );
            assert!(
                rule.bound.is_some() || rule.general.is_some(),
                "{rule} never speaks"
            );
            assert!(!rule.on.is_empty() && rule.title.len() > 20, "{rule}");
            let texts = [rule.title, rule.why, rule.example]
                .into_iter()
                .chain(rule.mend.iter().copied());
            for text in texts {
                assert!(
                    !text.ends_with('.') && !text.contains('\n'),
                    "{rule}: {text}"
                );
                assert_eq!(text.matches('`').count() % 2, 0, "{rule}: {text}");
            }
        }
    }

    #[test]
    fn the_letter_of_an_id_names_its_family() {
        for family in FAMILIES {
            let letters = family.iter().map(|rule| &rule.id[..1]);
            assert!(
                letters.eq(family.iter().map(|_| &family[0].id[..1])),
                "{family:?}"
            );
        }
    }

    #[test]
    fn a_rule_is_known_by_id_and_by_name() {
        for rule in RuleId::all() {
            assert_eq!(rule.id.parse(), Ok(rule));
            assert_eq!(rule.id.to_lowercase().parse(), Ok(rule));
            assert_eq!(rule.name.parse(), Ok(rule));
        }
        assert_eq!(RuleId::F04E.to_string(), "F04E empty-value");
        assert_eq!("F99".parse::<RuleId>(), Err(UnknownRule("F99".into())));
        let mut names: Vec<&str> = RuleId::all().map(|rule| rule.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), RuleId::all().count());
    }

    /// `STAX_WRITE_DOCS=1 cargo test rules_page` writes it anew.
    #[test]
    fn the_rules_page_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rules.md");
        if std::env::var_os("STAX_WRITE_DOCS").is_some() {
            std::fs::write(path, markdown()).expect("docs/rules.md");
        }
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            page == markdown(),
            "docs/rules.md is old; run: STAX_WRITE_DOCS=1 cargo test rules_page"
        );
    }
}
