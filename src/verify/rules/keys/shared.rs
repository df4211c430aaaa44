//! K04: two files with one data key, as equal tokens or stanzas show. C05: the same, told by a key.
//!
//! Who reads one of the files can read, and forge, the values of the other. A copy of a file that
//! was edited afterwards is universal in public repositories; a copy that other people read is an
//! attack or a leak.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sops_document::age::without_comment;
use sops_document::tree::Visit;
use sops_document::{Document, Token};

use crate::policy::Holders;
use crate::verify::facts::FileFacts;
use crate::verify::finding::{Finding, FindingPart};
use crate::verify::rule::{RuleId, Severity};

/// So many files of a group are named.
const SHOWN: usize = 8;

/// What only a copy, or the same key, makes equal in two files.
#[derive(PartialEq, Eq, Hash)]
enum Evidence {
    /// A random iv and the tag under it.
    Token([u8; 32], [u8; 16]),
    Stanza(String),
}

pub(in crate::verify) fn check(files: &[&FileFacts], holders: &Holders) -> Vec<Finding> {
    let mut seen: HashMap<Evidence, usize> = HashMap::new();
    let mut sets = Sets::new(files.len());
    for (index, file) in files.iter().enumerate() {
        for evidence in file.document().map(evidence).unwrap_or_default() {
            let first = *seen.entry(evidence).or_insert(index);
            sets.join(first, index);
        }
    }
    let mut findings = sets.findings(files, holders, RuleId::K04);
    let keyless = sets.clone();
    let mut keys: HashMap<[u8; 32], usize> = HashMap::new();
    for (index, file) in files.iter().enumerate() {
        let Some(digest) = file.key_digest else {
            continue;
        };
        let first = *keys.entry(digest).or_insert(index);
        if keyless.root(first) != keyless.root(index) {
            sets.join(first, index);
        }
    }
    // what K04 says already is not said again
    let new = sets.findings(files, holders, RuleId::C05);
    findings.extend(new.into_iter().filter(|finding| {
        let index = files
            .iter()
            .position(|file| file.path == finding.path)
            .unwrap_or_default();
        let size = |sets: &Sets| {
            (0..files.len())
                .filter(|other| sets.root(*other) == sets.root(index))
                .count()
        };
        size(&sets) > size(&keyless)
    }));
    findings
}

fn evidence(document: &Document) -> Vec<Evidence> {
    let metadata = document.metadata();
    let mut found: Vec<Evidence> = metadata
        .age
        .iter()
        .map(|stanza| Evidence::Stanza(stanza.enc.clone()))
        .collect();
    let mut token = |text: &str| {
        found.extend(
            Token::parse(text)
                .ok()
                .map(|token| Evidence::Token(token.iv, token.tag)),
        );
    };
    token(&metadata.mac);
    document.tree().walk(&mut |_, visit| match visit {
        Visit::Leaf(_, leaf) => token(leaf.scalar.as_text().unwrap_or_default()),
        Visit::Comment(comment) => token(&comment.text),
        Visit::Empty(_) => {}
    });
    found
}

/// Disjoint sets of files.
#[derive(Clone)]
struct Sets {
    parents: Vec<usize>,
}

impl Sets {
    fn new(size: usize) -> Self {
        Self {
            parents: (0..size).collect(),
        }
    }

    fn root(&self, mut index: usize) -> usize {
        while self.parents[index] != index {
            index = self.parents[index];
        }
        index
    }

    fn join(&mut self, left: usize, right: usize) {
        let (left, right) = (self.root(left), self.root(right));
        let (first, second) = (left.min(right), left.max(right));
        self.parents[second] = first;
    }

    fn findings(&self, files: &[&FileFacts], holders: &Holders, rule: RuleId) -> Vec<Finding> {
        let mut groups: BTreeMap<usize, Vec<&FileFacts>> = BTreeMap::new();
        for (index, file) in files.iter().enumerate() {
            groups.entry(self.root(index)).or_default().push(file);
        }
        let several = groups.values().filter(|group| group.len() > 1);
        several
            .flat_map(|group| of_group(group, holders, rule))
            .collect()
    }
}

/// Of equal readers one notice a group; of different ones an error a file, because each is to be
/// rotated.
fn of_group(group: &[&FileFacts], holders: &Holders, rule: RuleId) -> Vec<Finding> {
    let readers: Vec<BTreeSet<String>> = group.iter().map(|file| readers(file)).collect();
    let others = |own: usize| {
        let mut paths: Vec<&str> = group
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != own)
            .map(|(_, file)| file.path.as_str())
            .collect();
        let more = paths.len().saturating_sub(SHOWN);
        paths.truncate(SHOWN);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        format!("{}{more}", paths.join(", "))
    };
    if readers.iter().all(|set| *set == readers[0]) {
        let message = format!("has the same data key as {}", others(0));
        let each = group.iter().enumerate().map(|(at, file)| {
            let other = &group[usize::from(at == 0)].path;
            FindingPart::of_file(&file.path, format!("has the same data key as {other}"))
        });
        return vec![
            Finding::notice(rule, &group[0].path, message)
                .cause(&group[0].path)
                .parts(each),
        ];
    }
    let error = |(at, file): (usize, &&FileFacts)| {
        let strangers: BTreeSet<&String> = readers
            .iter()
            .flatten()
            .filter(|key| !readers[at].contains(*key))
            .collect();
        let message = format!(
            "has the same data key as {}, which other people read",
            others(at)
        );
        let mut finding = Finding::new(rule, Severity::Error, &file.path, message);
        for key in strangers.into_iter().take(SHOWN) {
            finding = finding.detail(format!(
                "{} can read and forge its values",
                holders.labelled(key)
            ));
        }
        finding
            .fix(format!(
                "stax secrets rotate {}",
                shell_words::quote(&file.path)
            ))
            .cause(&group[0].path)
    };
    group.iter().enumerate().map(error).collect()
}

fn readers(file: &FileFacts) -> BTreeSet<String> {
    let stanzas = file
        .document()
        .map(|document| document.metadata().age.as_slice())
        .unwrap_or_default();
    stanzas
        .iter()
        .map(|stanza| without_comment(&stanza.recipient))
        .collect()
}
