//! F01 to F04E and F08: the form of a file and of every value in it. C06: the names in a managed
//! file.

pub(super) mod clear;
pub(super) mod misread;

use std::collections::BTreeMap;

use shell_words::quote;
use sops_document::selector::Selected;
use sops_document::tree::{Entry, Leaf, Path};
use sops_document::{Document, Format, Scalar, Token, TokenType};

use crate::environment::names::{NameError, check_name};
use crate::policy::content::FileContent;
use crate::verify::finding::{Finding, FindingPart};
use crate::verify::rule::{Also, On, RuleId, Severity, rules};

use super::change::see;
use crate::verify::facts::{FileFacts, Gone};

rules! {
    F01 {
        name: "parse",
        title: "A file is not what its format says, or nobody could look into it",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "where two readers understand one file differently, a value can be shown to the reviewer and another one deployed",
        example: "a key that stands twice, text that is not UTF-8, a symlink in place of the file, more than 32 MiB, a name that is no text, or `SOPS` in JSON, which sops takes for `sops`; a name that makes sops take YAML for a binary file is a warning",
        mend: &[
            "see when it broke: `git log -p -- FILE`, and restore it: `git restore --source=COMMIT FILE`",
            "a name that lies: `git mv FILE FILE.yaml`, or tell sops every time: `--input-type yaml --output-type yaml`",
        ],
        on: &[On::Tree, On::Range],
        may_be_allowed: true,
        also: &[],
    }
    F02 {
        name: "shape",
        title: "A bound file is not flat, or one of its keys is no name",
        bound: Some(Severity::Error),
        general: None,
        why: "a bound file becomes environment variables: a nested value has no name there, and a name with a blank or `=` could become another variable or a command",
        example: "`database: {url: …}` in a bound file, or a key such as `MY-KEY` or `TOKEN_unencrypted`",
        mend: &[
            "rename or flatten it: `stax secrets edit`",
            "a nested file needs no binding: take its line out of `.stax/vault.json`; it is read, diffed and verified all the same",
        ],
        on: &[On::Tree],
        may_be_allowed: true,
        also: &[],
    }
    F03 {
        name: "token",
        title: "A token is not in the form that SOPS writes",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "sops writes tokens in exactly one form; another one was put there by hand, and lax readers may take it for something else",
        example: "`ENC[AES256_GCM,…,type:str]x`, or a token whose type is not one that SOPS knows",
        mend: &[
            "see who changed it: `git log -p -- FILE`",
            "restore the last good version: `git restore --source=HEAD FILE`, then set the value again: `stax secrets set KEY`",
        ],
        on: &[On::Tree, On::Range],
        may_be_allowed: false,
        also: &[Also::InEveryCommit],
    }
    F04 {
        name: "plaintext",
        title: "A value that must be encrypted is in plaintext",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "everybody who can read the repository can read the value, also after a later commit seals it",
        example: "`STRIPE_SECRET_KEY: sk_live_…` in a bound file, or a file that lost its `sops` block",
        mend: &[
            "not yet committed: `stax secrets encrypt -i FILE` seals only what is clear",
            "already committed or pushed: also replace the value at its source; git keeps the old one",
        ],
        on: &[On::Tree, On::Range],
        may_be_allowed: true,
        also: &[Also::InEveryCommit, Also::Plaintext],
    }
    F04E {
        name: "empty-value",
        title: "A value is empty, which SOPS cannot encrypt",
        bound: Some(Severity::Warning),
        general: None,
        why: "SOPS neither encrypts nor authenticates an empty value, so anybody who can write to the repository can put one there or take it away",
        example: "`PROXY: \"\"` or `PROXY:` in a bound file",
        mend: &[
            "nobody needs it: `stax secrets unset KEY`",
            "it is meant: accept it with a reason by an `allow` entry in `.stax/vault.json`",
        ],
        on: &[On::Tree],
        may_be_allowed: true,
        also: &[],
    }
    F04Z {
        name: "nothing-encrypted",
        title: "The crypt rule of a file selects none of its values",
        bound: None,
        general: Some(Severity::Warning),
        why: "the file carries a `sops` block and looks sealed, and not one value of it is encrypted",
        example: "`encrypted_regex: ^(data|stringData)$` over a Talos or Helm file, which has no such field",
        mend: &[
            "correct the crypt rule in `.sops.yaml`, take the `sops` block out, then: `stax secrets encrypt -i FILE`",
        ],
        on: &[On::Tree],
        may_be_allowed: true,
        also: &[],
    }
    F05 {
        name: "comment",
        title: "A comment of a bound file is in plaintext",
        bound: Some(Severity::Warning),
        general: None,
        why: "comments are not authenticated: anybody who can push can write one, and people believe them",
        example: "`# old password: hunter2` above a token",
        mend: &["seal it: `stax secrets encrypt -i FILE`"],
        on: &[On::Tree],
        may_be_allowed: true,
        also: &[],
    }
    F06 {
        name: "conflict",
        title: "A merge left a value unresolved",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "a merge left both sides of a value, and one of them would be lost unseen",
        example: "a line `# stax-conflict KEY` at the top of the file, or the markers of a text merge",
        mend: &[
            "choose the value: `stax secrets resolve FILE`, which also says what to do when the merge is over",
        ],
        on: &[On::Tree],
        may_be_allowed: true,
        also: &[],
    }
    F07 {
        name: "clear-secret",
        title: "A value that looks like a credential is in plaintext",
        bound: None,
        general: Some(Severity::Error),
        why: "a value that looks like a credential stands in clear beside encrypted ones: the crypt rule does not reach it",
        example: "`apiToken: ghp_…` in a Helm file under `encrypted_regex: ^data$`",
        mend: &[
            "widen the crypt rule in `.sops.yaml`, seal the file anew, and replace the value: it is in history",
            "it is no secret: an exception with a reason in `.stax/vault.json`",
        ],
        on: &[On::Tree, On::Range],
        may_be_allowed: true,
        also: &[Also::InEveryCommit],
    }
    F08 {
        name: "sops-cannot-read",
        title: "sops refuses the file, or reads something else in it",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "stax opens the file and sops does not, so every deployment that runs sops stops; or sops deploys another value than the one that was reviewed",
        example: "`shamir_threshold: \"2\"`, `mac_only_encrypted: yes` or `kms: {}` in the metadata; `{link: http://g/?a=1}` in plaintext; an empty `#` in an encrypted list, which is an item to sops; an unencrypted integer beyond 2^53 in JSON",
        mend: &[
            "of values: write it as the line says: `stax secrets edit -f FILE`",
            "of metadata: see who changed it: `git log -p -- FILE`, and restore it: `git restore --source=COMMIT FILE`",
        ],
        on: &[On::Tree],
        may_be_allowed: true,
        also: &[],
    }
}

/// The caps of a managed file: bytes, keys, bytes a value.
const MAX_SIZE: usize = 1 << 20;
const MAX_KEYS: usize = 4096;
const MAX_VALUE: usize = 64 << 10;
/// Values of one file that are named one by one: nobody reads more, and a hostile file has many.
pub(super) const MAX_NAMED: usize = 1000;

/// What makes a managed file unreadable or wrong in form; values last, so that a reader of the list
/// knows whether the document can be opened at all.
pub(super) fn check(file: &FileFacts, allowed_names: &[String]) -> Vec<Finding> {
    let error = |rule, message: &str| vec![Finding::error(rule, &file.path, message)];
    match &file.content {
        FileContent::Missing => vec![missing(file)],
        FileContent::NotRegular => error(RuleId::F01, "is a link, not a file of its own"),
        FileContent::NotText => error(RuleId::F01, "is not UTF-8 text"),
        FileContent::Unjudged(why) => error(RuleId::F01, why),
        FileContent::OtherFormat if file.managed => {
            error(RuleId::F01, "is neither .yaml, .yml, .json nor .env")
        }
        FileContent::OtherFormat => error(
            RuleId::F01,
            "is a SOPS document of another format than its name says",
        ),
        FileContent::Broken {
            line,
            is_unmerged: true,
            ..
        } => vec![conflict(file).at(*line)],
        FileContent::Broken { line, what, .. } => vec![broken(file, *line, what)],
        FileContent::Clear => vec![
            Finding::error(
                RuleId::F04,
                &file.path,
                "the whole file is in clear: it has no SOPS metadata",
            )
            .fix(format!("stax secrets encrypt -i {}", quote(&file.path))),
        ],
        FileContent::Document(document) if file.managed => caps(file, document)
            .into_iter()
            .chain(shape(file, document))
            .chain(twins(file, document))
            .chain(names(file, document, allowed_names))
            .chain(values(file, document))
            .collect(),
        FileContent::Document(document) => misnamed(file, document)
            .into_iter()
            .chain(values(file, document))
            .collect(),
    }
}

fn missing(file: &FileFacts) -> Finding {
    let path = quote(&file.path);
    let fix = match &file.gone {
        Some(Gone::Moved { env, to }) => {
            format!(
                "stax vault link --env {} {}   (the binding moves)",
                quote(env),
                quote(to)
            )
        }
        Some(Gone::Deleted) => format!("git restore --source=HEAD {path}"),
        None => format!("stax vault unlink {path}"),
    };
    Finding::error(
        RuleId::F01,
        &file.path,
        "is bound in .stax/vault.json but does not exist",
    )
    .fix(fix)
}

fn broken(file: &FileFacts, line: usize, what: &str) -> Finding {
    let finding = Finding::error(RuleId::F01, &file.path, what).at(line);
    let path = quote(&file.path);
    match file.has_crlf {
        true => finding
            .fix(format!("perl -pi -e 's/\\r$//' {path}"))
            .then(format!(
                "so that git leaves it so, in .gitattributes: {path} -text"
            )),
        false => finding.fix(see(&file.path)),
    }
}

/// A warning, because a repository may well name the format at every call of sops.
fn misnamed(file: &FileFacts, document: &Document) -> Option<Finding> {
    let (found, said) = (document.format(), Format::of_path(&file.path));
    if found == said {
        return None;
    }
    let (found, said) = (found.traits(), said.traits());
    let message = format!(
        "holds SOPS {}, but by its name sops reads it as {}",
        found.title, said.title
    );
    let word = found.word;
    let fix = format!(
        "give it a name that ends in .{}   (or tell sops every time: --input-type {word} --output-type {word})",
        found.new_suffix.trim_start_matches("enc."),
    );
    Some(Finding::warning(RuleId::F01, &file.path, message).fix(fix))
}

/// Some readers of an environment do not tell `token` from `TOKEN`.
fn twins(file: &FileFacts, document: &Document) -> Vec<Finding> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    let mut findings = Vec::new();
    for entry in document
        .tree()
        .documents
        .iter()
        .flat_map(|root| root.entries())
    {
        let key = entry.key.as_deref().unwrap_or_default();
        if let Some(other) = seen.insert(key.to_lowercase(), key) {
            let message = format!("`{key}` and `{other}` differ only in case");
            let line = document.line_of(entry.span.start);
            findings.push(
                Finding::warning(RuleId::F02, &file.path, message)
                    .at(line)
                    .key(key),
            );
        }
    }
    findings
}

/// A program obeys some names when they are merely there, and whoever can write to the repository
/// can add an empty value without a key. What has no form of a name is F02.
fn names(file: &FileFacts, document: &Document, allowed: &[String]) -> Vec<Finding> {
    let entries = document
        .tree()
        .documents
        .iter()
        .flat_map(|root| root.entries());
    entries
        .filter_map(|entry| {
            let key = entry.key.as_deref().unwrap_or_default();
            let error = check_name(key, allowed)
                .err()
                .filter(NameError::has_effect)?;
            let is_empty = entry.node.leaf().is_some_and(|leaf| is_empty(&leaf.scalar));
            let finding = if is_empty {
                Finding::error(
                    RuleId::F04E,
                    &file.path,
                    format!("`{key}` is empty, and its name alone has an effect"),
                )
            } else {
                Finding::warning(RuleId::C06, &file.path, error.to_string())
            };
            Some(finding.at(document.line_of(entry.span.start)).key(key))
        })
        .collect()
}

fn is_empty(scalar: &Scalar) -> bool {
    *scalar == Scalar::Null || scalar.is_empty_str()
}

fn caps(file: &FileFacts, document: &Document) -> Vec<Finding> {
    let tree = document.tree();
    let keys: usize = tree
        .documents
        .iter()
        .map(|root| root.entries().count())
        .sum();
    [
        (file.size > MAX_SIZE, "is larger than 1 MiB"),
        (keys > MAX_KEYS, "holds more than 4096 keys"),
        (
            tree.documents.len() > 1,
            "holds a second document, which no reader of the first expects",
        ),
        (
            tree.has_alias,
            "holds an alias, so one value stands in two places",
        ),
    ]
    .into_iter()
    .filter(|(is_broken, _)| *is_broken)
    .map(|(_, message)| Finding::error(RuleId::F01, &file.path, message))
    .collect()
}

fn shape(file: &FileFacts, document: &Document) -> Vec<Finding> {
    let entries = document
        .tree()
        .documents
        .iter()
        .flat_map(|root| root.entries());
    entries
        .filter_map(|entry| {
            let key = entry.key.as_deref().unwrap_or_default();
            let message = format!("`{key}` {}", shape_fault(key, entry)?);
            let line = document.line_of(entry.span.start);
            Some(
                Finding::error(RuleId::F02, &file.path, message)
                    .at(line)
                    .key(key),
            )
        })
        .collect()
}

fn shape_fault(key: &str, entry: &Entry) -> Option<&'static str> {
    let Some(leaf) = entry.node.leaf() else {
        return Some("is not a single value; this file is flat");
    };
    let is_name = key
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && key.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if !is_name {
        return Some("is no name: letters, digits and `_`, no digit first");
    }
    if key == "sops" || key.starts_with("sops_") {
        return Some("is a name that SOPS keeps for its metadata");
    }
    if key.ends_with("_unencrypted") {
        return Some("would never be encrypted, because its name ends in `_unencrypted`");
    }
    (value_size(leaf) > MAX_VALUE).then_some("holds more than 64 KiB")
}

fn value_size(leaf: &Leaf) -> usize {
    let Some(text) = leaf.scalar.as_text() else {
        return 0;
    };
    Token::parse(text).map_or(text.len(), |token| token.data.len())
}

/// F03, F04 and F04E of every value that must be encrypted: in a managed file all of them, in a
/// general one those that its own selector selects.
fn values(file: &FileFacts, document: &Document) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    let mut empty = Vec::new();
    let mut rest: Option<(RuleId, Vec<FindingPart>)> = None;
    let mut tree = document.tree().clone();
    document
        .metadata()
        .selector
        .walk(&mut tree, &mut |path, met, selected| {
            let Selected::Leaf(leaf, span) = met else {
                return;
            };
            if selected && !file.managed && is_empty(&leaf.scalar) {
                // an empty file of another format is an empty file
                empty.extend((!document.format().is_whole()).then(|| path.to_string()));
            } else if file.managed || selected {
                let Some(finding) = value(file, path, leaf) else {
                    return;
                };
                let line = document.line_of(span.start);
                if findings.len() < MAX_NAMED {
                    findings.push(finding.at(line).key(path.to_string()));
                } else if finding.severity == Severity::Error {
                    let (_, parts) = rest.get_or_insert((finding.rule, Vec::new()));
                    parts.push(FindingPart {
                        line: Some(line),
                        ..FindingPart::of_key(path.to_string(), finding.message)
                    });
                }
            }
        });
    let rest = rest.map(|(rule, parts)| {
        let message = format!(
            "and {} more values that are in clear or malformed",
            parts.len()
        );
        Finding::error(rule, &file.path, message).parts(parts)
    });
    findings.extend(rest);
    findings.extend(empties(file, &empty));
    findings
}

/// Honest files have them (`VAR=`), so one notice tells of all.
fn empties(file: &FileFacts, paths: &[String]) -> Option<Finding> {
    let message = match paths {
        [] => return None,
        [path] => format!("`{path}` is empty, which SOPS neither encrypts nor authenticates"),
        [path, ..] => format!(
            "{} values are empty, such as `{path}`: SOPS neither encrypts nor authenticates them",
            paths.len()
        ),
    };
    let each = |path: &String| {
        FindingPart::of_key(
            path,
            format!("`{path}` is empty, which SOPS neither encrypts nor authenticates"),
        )
    };
    Some(Finding::notice(RuleId::F04E, &file.path, message).parts(paths.iter().map(each)))
}

fn value(file: &FileFacts, path: &Path, leaf: &Leaf) -> Option<Finding> {
    if is_empty(&leaf.scalar) {
        // SOPS cannot encrypt it and the MAC does not cover it, so anyone may have put it there;
        // yet an author may mean it: a warning, unless the name alone has an effect
        let message = format!("`{path}` is empty, which SOPS neither encrypts nor authenticates");
        let is_name = path
            .keys()
            .last()
            .is_none_or(|key| !check_name(key, &[]).is_err_and(|error| error.has_effect()));
        return is_name.then(|| Finding::warning(RuleId::F04E, &file.path, message));
    }
    let text = leaf.scalar.as_text().unwrap_or_default();
    match Token::parse(text) {
        Ok(token) if token.kind != TokenType::Comment => None,
        Ok(_) => Some(malformed(file, path, "holds the token of a comment")),
        Err(_) if !text.starts_with("ENC[") => Some(in_clear(file, path)),
        Err(error) => Some(malformed(file, path, &error.to_string())),
    }
}

fn malformed(file: &FileFacts, path: &Path, what: &str) -> Finding {
    Finding::error(RuleId::F03, &file.path, format!("`{path}` {what}"))
        .fix(format!("git restore --source=HEAD {}", quote(&file.path)))
}

fn in_clear(file: &FileFacts, path: &Path) -> Finding {
    let (key, name) = (path.to_string(), &file.path);
    Finding::error(RuleId::F04, name, format!("`{key}` is in clear")).fix(format!(
        "stax secrets encrypt -i {}   (seals only what is clear)",
        quote(name)
    ))
}

const PUBLISHED: &str =
    "replace the value at its source: everybody who can fetch this commit can read it";

const LOOK: &str = "look at it in that commit: where every value is `ENC[…]` nothing is published, else replace the value at its source";

/// F06.
fn conflict(file: &FileFacts) -> Finding {
    let message =
        "a merge left values unresolved, and the other side of them is lost with a commit";
    Finding::error(RuleId::F06, &file.path, message)
        .fix(format!("stax secrets resolve {}", quote(&file.path)))
}

/// F01 of what cannot be read any more.
pub(in crate::verify) fn unreadable(path: &str) -> Finding {
    let message = "was a SOPS document before and cannot be read as one: values may be in clear";
    Finding::error(RuleId::F01, path, message).fix(LOOK)
}

/// The same between the markers of a merge.
pub(in crate::verify) fn left_by_merge(path: &str) -> Finding {
    let message =
        "holds the markers of a merge and cannot be read: a value may be in clear between them";
    Finding::error(RuleId::F01, path, message).fix(LOOK)
}

/// F01 of what nobody looks into any more.
pub(in crate::verify) fn grown(path: &str) -> Finding {
    let why =
        "was a SOPS document before and is now too large to look into: values may be in plaintext";
    Finding::error(RuleId::F01, path, why)
}

/// F01 of what nobody can look into, and of what nobody looked into.
pub(in crate::verify) fn unjudged(path: &str, why: &str) -> Finding {
    Finding::error(RuleId::F01, path, why)
}

/// F04 of a file that was a SOPS document and holds these values in clear where tokens were.
pub(in crate::verify) fn opened(path: &str, keys: &[&str]) -> Finding {
    let first = keys.first().copied().unwrap_or_default();
    let more = if keys.len() > 1 {
        format!(" and {} more", keys.len() - 1)
    } else {
        String::new()
    };
    let message = format!("`{first}`{more} is in clear: the file was a SOPS document before");
    let each = |key: &&str| {
        FindingPart::of_key(
            *key,
            format!("`{key}` is in clear: the file was a SOPS document before"),
        )
    };
    Finding::error(RuleId::F04, path, message)
        .key(first)
        .fix(PUBLISHED)
        .parts(keys.iter().map(each))
}
