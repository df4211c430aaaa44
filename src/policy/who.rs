//! WHO on the command line: a key, a unique prefix of one, a name or a mail.

use sops_document::age::{person, same_key};

/// Nobody, or more than one; the candidates as `key name`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhoError {
    #[error("`{0}` is no recipient here, by key, name or mail")]
    Nobody(String),
    #[error("`{query}` may be {}", candidates.join(" or "))]
    Ambiguous {
        query: String,
        candidates: Vec<String>,
    },
}

type WhoRule<'a> = &'a dyn Fn(&str, &str) -> bool;

/// Whether two names are those of one person: they share a mail, or where one has none the name
/// before it.
#[must_use]
pub fn is_same_person(one: &str, other: &str) -> bool {
    let lower = |text: &str| text.trim().to_lowercase();
    let mail = |name: &str| Some(lower(parts(name).1)).filter(|mail| mail.contains('@'));
    match (mail(one), mail(other)) {
        (Some(one), Some(other)) => one == other,
        _ => {
            let (one, other) = (lower(without_mail(one)), lower(without_mail(other)));
            !one.is_empty() && one == other
        }
    }
}

/// Finds the one recipient that a query means, among pairs of recipient and name.
///
/// The first of these that fits anyone decides, all without case: the whole key; the whole name,
/// the name before `<`, or the mail inside of it; one word of the name; a prefix of the key. Pairs
/// with the same key are one recipient.
///
/// # Errors
/// [`WhoError`]: nobody fits, or the deciding rule fits several keys.
pub fn resolve_who(query: &str, known: &[(&str, &str)]) -> Result<String, WhoError> {
    let found = fitting(query, known)?;
    match found.as_slice() {
        [(key, _)] => Ok((*key).to_owned()),
        _ => Err(ambiguous(query, &found)),
    }
}

/// The same where one person may have several keys: all of theirs that fit.
///
/// # Errors
/// [`WhoError`]: nobody fits, or the deciding rule fits several people.
pub fn resolve_person(query: &str, known: &[(&str, &str)]) -> Result<Vec<String>, WhoError> {
    let found = fitting(query, known)?;
    match found
        .iter()
        .all(|(_, name)| found.len() == 1 || is_same_person(name, found[0].1))
    {
        true => Ok(found.into_iter().map(|(key, _)| key.to_owned()).collect()),
        false => Err(ambiguous(query, &found)),
    }
}

fn ambiguous(query: &str, found: &[(&str, &str)]) -> WhoError {
    let candidates = found
        .iter()
        .map(|(key, name)| format!("{key} {name}").trim().to_owned());
    WhoError::Ambiguous {
        query: query.to_owned(),
        candidates: candidates.collect(),
    }
}

/// Those whom the first rule that fits anyone fits; never empty.
fn fitting<'k>(
    query: &str,
    known: &[(&'k str, &'k str)],
) -> Result<Vec<(&'k str, &'k str)>, WhoError> {
    let wanted = query.trim().to_lowercase();
    if wanted.is_empty() {
        return Err(WhoError::Nobody(query.to_owned()));
    }
    // a fingerprint, an ARN or an ssh key as it is written elsewhere
    let reader = person(query.trim()).to_lowercase();
    let rules: [WhoRule<'_>; 4] = [
        &|key, _| [&wanted, &reader].contains(&&key.to_lowercase()) || same_key(key, query.trim()),
        &|_, name| {
            let (person, mail) = parts(name);
            [name, person, mail]
                .into_iter()
                .any(|text| text.to_lowercase() == wanted)
        },
        &|_, name| {
            parts(name)
                .0
                .split_whitespace()
                .any(|word| word.to_lowercase() == wanted)
        },
        &|key, _| {
            let key = key.to_lowercase();
            // behind its kind
            key.starts_with(&wanted)
                || key
                    .split_once(' ')
                    .is_some_and(|(_, id)| id.starts_with(&wanted))
        },
    ];
    for rule in rules {
        let mut found: Vec<(&str, &str)> = Vec::new();
        for (key, name) in known.iter().filter(|(key, name)| rule(key, name)) {
            if !found.iter().any(|(earlier, _)| earlier == key) {
                found.push((key, name));
            }
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Err(WhoError::Nobody(query.to_owned()))
}

/// The name before a mail; all of it where nothing stands before.
#[must_use]
pub fn without_mail(name: &str) -> &str {
    let short = name.split(" <").next().unwrap_or_default().trim();
    if short.is_empty() { name } else { short }
}

/// `Ana Silva` and `ana@example.com` of `Ana Silva <ana@example.com>`; without a mail the name is
/// both.
fn parts(name: &str) -> (&str, &str) {
    let parts = name
        .trim()
        .strip_suffix('>')
        .and_then(|name| name.rsplit_once('<'));
    parts.map_or((name.trim(), name.trim()), |(person, mail)| {
        (person.trim(), mail.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[(&str, &str)] = &[
        ("age1anaq", "Ana Silva <ana@example.com>"),
        ("age1bobq", "Bob"),
        ("age1bobz", "Bob Stone <bob@example.com>"),
        ("age1cixx", ""),
        ("age1anaq", "Ana again"),
    ];

    #[test]
    fn one_recipient_is_meant_or_the_candidates_are_named() {
        for (query, expected) in [
            ("age1anaq", Ok("age1anaq")),
            ("AGE1ANAQ", Ok("age1anaq")),
            ("age1a", Ok("age1anaq")),
            ("age1c", Ok("age1cixx")),
            ("ana silva", Ok("age1anaq")),
            ("Silva", Ok("age1anaq")),
            (" ana@EXAMPLE.com ", Ok("age1anaq")),
            ("bob", Ok("age1bobq")),
            ("bob@example.com", Ok("age1bobz")),
            ("stone", Ok("age1bobz")),
            (
                "age1bob",
                Err("`age1bob` may be age1bobq Bob or age1bobz Bob Stone <bob@example.com>"),
            ),
            ("", Err("`` is no recipient here, by key, name or mail")),
            (
                "carol",
                Err("`carol` is no recipient here, by key, name or mail"),
            ),
            (
                "example.com",
                Err("`example.com` is no recipient here, by key, name or mail"),
            ),
        ] {
            let found = resolve_who(query, KNOWN).map_err(|error| error.to_string());
            assert_eq!(
                found.as_deref().map_err(String::as_str),
                expected,
                "{query}"
            );
        }
        assert!(resolve_who("age1", KNOWN).is_err());
    }

    #[test]
    fn keys_that_share_a_mail_or_a_name_are_those_of_one_person() {
        for (one, other, expected) in [
            ("Bob <bob@example.com>", "Robert <BOB@example.com>", true),
            ("Bob", "Bob <bob@example.com>", true),
            ("bob", "Bob", true),
            ("Bob <bob@example.com>", "Bob <bob@example.org>", false),
            ("Bob", "Bobby", false),
            ("", "", false),
        ] {
            assert_eq!(is_same_person(one, other), expected, "{one} {other}");
        }
        let known = [
            ("age1old", "Bob Stone <bob@example.com>"),
            ("age1new", "Robert Stone <bob@example.com>"),
            ("age1ann", "Ann Stone"),
        ];
        assert_eq!(
            resolve_person("bob@example.com", &known).unwrap(),
            ["age1old", "age1new"]
        );
        assert_eq!(resolve_person("age1old", &known).unwrap(), ["age1old"]);
        assert!(resolve_person("stone", &known).is_err());
    }
}
