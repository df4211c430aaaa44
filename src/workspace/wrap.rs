//! Re-wrapping and rotating every file that a rule governs: all are checked before one is planned.

use std::collections::BTreeMap;

use super::groups::Stanzas;
use super::{MAX_FILE, Result, Target, Workspace, WorkspaceError, fresh, random};
use crate::age::Recipient;
use crate::disk::Write;
use crate::keyring::Tried;
use crate::policy::config::Config;
use crate::policy::rules::{looks_sealed, mentions};
use crate::repo::{IndexEntry, Repo};
use crate::sops::tree::Visit;
use crate::sops::{DataKey, Document, DocumentError, Format, Path, Token};

/// Plain and executable files; links and submodules are no SOPS files.
const FILE_MODES: [u32; 2] = [0o100_644, 0o100_755];

/// A SOPS file and the rule that governs it: the first one that matches, by its place in the policy.
pub struct Governed {
    pub rule: usize,
    pub target: Target,
    pub document: Document,
}

/// What a policy governs.
pub struct Survey {
    /// By path.
    pub files: Vec<Governed>,
    /// Files that cannot follow a change, with their rule.
    pub obstacles: Vec<(usize, Obstacle)>,
}

/// A file that cannot be changed, and why.
#[derive(Debug)]
pub struct Obstacle {
    pub path: String,
    pub cause: Cause,
}

#[derive(Debug)]
pub enum Cause {
    /// No identity at hand opens it.
    Locked {
        tried: Vec<Tried>,
        readers: Vec<String>,
    },
    /// A value or the MAC does not authenticate.
    Integrity(String),
    Other(String),
}

/// What becomes of the data key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Stays: whoever is added can open older versions too.
    Keep,
    /// New: whoever held the old one opens nothing of the new version.
    New,
}

/// A planned change of one file.
pub struct Rewrapped {
    pub target: Target,
    pub write: Write,
    /// Those of every key group.
    pub readers: Vec<Recipient>,
    /// How many values are encrypted.
    pub values: usize,
}

enum Found {
    Document(Box<Document>),
    Obstacle(String),
    NotSops,
}

impl Governed {
    /// The labels of the stanzas, in file order.
    #[must_use]
    pub fn labels(&self) -> Vec<&str> {
        self.document.metadata().age.iter().map(|stanza| stanza.recipient.as_str()).collect()
    }

    /// Whether a recipient is among the labels.
    #[must_use]
    pub fn names(&self, recipient: &str) -> bool {
        self.labels().contains(&recipient)
    }
}

impl Workspace {
    /// Every SOPS file of the index that the policy governs, and every bound one in the work tree.
    ///
    /// # Errors
    /// When the index or `.stax/vault.json` cannot be read.
    pub fn governed(&self, config: &Config) -> Result<Survey> {
        let (repo, vault) = (self.repo()?, self.vault()?);
        let mut paths: BTreeMap<String, Vec<IndexEntry>> = BTreeMap::new();
        for entry in repo.index_entries()?.into_iter().filter(|entry| FILE_MODES.contains(&entry.mode)) {
            paths.entry(entry.path.clone()).or_default().push(entry);
        }
        for bound in vault.iter().flat_map(|vault| &vault.files) {
            paths.entry(bound.path.clone()).or_default();
        }
        let mut survey = Survey { files: Vec::new(), obstacles: Vec::new() };
        for (path, entries) in paths {
            let Some((rule, _)) = config.rule_for(&path) else { continue };
            match self.inspect(repo, &path, &entries) {
                Found::Document(document) => {
                    let env = vault.as_ref().and_then(|vault| vault.env_for_path(&path)).map(str::to_owned);
                    survey.files.push(Governed { rule, target: Target { path, env }, document: *document });
                }
                Found::Obstacle(what) => {
                    survey.obstacles.push((rule, Obstacle { path, cause: Cause::Other(what) }));
                }
                Found::NotSops if vault.as_ref().is_some_and(|vault| vault.env_for_path(&path).is_some()) => {
                    let cause = Cause::Other("is bound in .stax/vault.json and is no SOPS document".into());
                    survey.obstacles.push((rule, Obstacle { path, cause }));
                }
                Found::NotSops => {}
            }
        }
        Ok(survey)
    }

    fn inspect(&self, repo: &Repo, path: &str, entries: &[IndexEntry]) -> Found {
        let is_sops =
            |entry: &IndexEntry| repo.blob(entry.id).is_ok_and(|bytes| parse(path, &bytes).is_some());
        // a file that the index knows as SOPS must not be passed over because its copy here is not
        let or_obstacle = |what: String| {
            if entries.iter().any(is_sops) { Found::Obstacle(what) } else { Found::NotSops }
        };
        if entries.iter().any(|entry| entry.stage != 0) {
            return or_obstacle("has an unfinished merge; see `git status`".into());
        }
        let bytes = match self.read(path) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return or_obstacle(format!("is not in the work tree; `git restore {path}`")),
            Err(error) => return or_obstacle(format!("cannot be read: {error}")),
        };
        match parse(path, &bytes) {
            Some(Ok(document)) => Found::Document(Box::new(document)),
            Some(Err(what)) => Found::Obstacle(what),
            None => or_obstacle("is no longer a SOPS file in the work tree".into()),
        }
    }

    /// Plans new stanzas for exactly these readers, in this order; with [`Keys::New`] also a new data
    /// key, and proves that the old one opens nothing of the result.
    ///
    /// # Errors
    /// [`Obstacle`] when the file does not open, does not authenticate, or has keys of other kinds.
    pub fn rewrap(
        &self,
        file: &Governed,
        readers: &[Vec<Recipient>],
        keys: Keys,
    ) -> std::result::Result<Rewrapped, Obstacle> {
        let fail = |cause: Cause| Obstacle { path: file.target.path.clone(), cause };
        let other = |what: String| fail(Cause::Other(what));
        let foreign = &file.document.metadata().foreign;
        let is_split = !file.document.metadata().groups.is_empty();
        if !foreign.is_empty() && (keys == Keys::New || is_split) {
            let path = &file.target.path;
            let kinds = foreign.join(", ");
            // new parts of an old key concern the foreign keys of key groups as well
            let command = if keys == Keys::New { "rotate -i" } else { "updatekeys -y" };
            return Err(other(format!("has keys of other kinds ({kinds}); use sops: sops {command} {path}")));
        }
        let old = self.unlock(&file.target, &file.document).map_err(|error| match error {
            WorkspaceError::Locked { tried, readers, .. } => fail(Cause::Locked { tried, readers }),
            WorkspaceError::Integrity { fault, .. } => fail(Cause::Integrity(fault.to_string())),
            error => other(error.to_string()),
        })?;
        let clear = file.document.open(&old).map_err(|fault| fail(Cause::Integrity(fault.to_string())))?;
        let metadata = file.document.metadata();
        let after = match keys {
            Keys::Keep => file.document.rewrap(&Stanzas::new(&old, readers, metadata)),
            Keys::New => {
                let new = DataKey::generate(&mut random);
                let text = fresh(|fresh| clear.rotate(&new, &Stanzas::new(&new, readers, metadata), fresh));
                let text = text.map_err(|error| other(error.to_string()))?;
                prove(file.document.format(), &text, &old, &new).map_err(other)?;
                Ok(text)
            }
        };
        let after = after.map_err(|error| other(error.to_string()))?;
        let before = file.document.source().as_bytes().to_vec();
        let write = Write {
            path: file.target.path.clone().into(),
            before: Some(before),
            after: after.into(),
            mode: None,
        };
        let values = secret_paths(&file.document).len();
        Ok(Rewrapped { target: file.target.clone(), write, readers: readers.concat(), values })
    }
}

/// `None`: not a SOPS file. An error: one, but not of a kind that can be changed here.
fn parse(path: &str, bytes: &[u8]) -> Option<std::result::Result<Document, String>> {
    if bytes.len() > MAX_FILE || !mentions(bytes, b"sops") {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    match Document::parse(Format::of_path(path), text) {
        Ok(document) => Some(Ok(document)),
        Err(DocumentError::NotSops) => None,
        Err(error @ DocumentError::Misnamed) => Some(Err(format!("is {error}; use sops"))),
        // what stax cannot read sops may: it must not be passed over
        Err(error) if looks_sealed(bytes) => Some(Err(format!("cannot be read: {error}"))),
        Err(_) => None,
    }
}

/// The paths of the encrypted values, in file order; no key is needed.
#[must_use]
pub fn secret_paths(document: &Document) -> Vec<Path> {
    let is_token = |text: Option<&str>| text.is_some_and(|text| Token::parse(text).is_ok());
    let leaves = document.tree().leaves().into_iter();
    leaves.filter(|(_, _, leaf)| is_token(leaf.scalar.as_text())).map(|(path, ..)| path).collect()
}

/// Whether the MAC of a document was made with this data key: the cheapest way to compare data keys
/// without unwrapping another one.
#[must_use]
pub fn has_data_key(document: &Document, key: &DataKey) -> bool {
    let metadata = document.metadata();
    Token::parse(&metadata.mac).is_ok_and(|mac| mac.open(key, &metadata.lastmodified).is_ok())
}

/// How many tokens there are, and how many of them a key opens: values, comments and the MAC.
fn opened_by(document: &Document, key: &DataKey) -> (usize, usize) {
    let (mut total, mut opened) = (1, usize::from(has_data_key(document, key)));
    let mut count = |text: &str, places: &[String]| {
        let Ok(token) = Token::parse(text) else { return };
        total += 1;
        opened += usize::from(places.iter().any(|place| token.open(key, place).is_ok()));
    };
    document.tree().walk(&mut |path, visit| match visit {
        Visit::Leaf(_, leaf) => {
            if let Some(text) = leaf.scalar.as_text() {
                count(text, &[path.aad()]);
            }
        }
        Visit::Comment(comment) => {
            let containers = (0..=path.0.len()).map(|depth| Path(path.0[..depth].to_vec()).comment_aad());
            count(&comment.text, &containers.collect::<Vec<_>>());
        }
        Visit::Empty(_) => {}
    });
    (total, opened)
}

/// The old data key opens nothing of the new text. That the new one opens all of it is the control:
/// without it a mistake in the check itself would pass for a proof.
pub(super) fn prove(
    format: Format,
    text: &str,
    old: &DataKey,
    new: &DataKey,
) -> std::result::Result<(), String> {
    let document = Document::parse(format, text).map_err(|error| error.to_string())?;
    let (total, opened) = opened_by(&document, new);
    let (_, leaked) = opened_by(&document, old);
    if opened == total && leaked == 0 && total > 0 {
        return Ok(());
    }
    Err(format!(
        "the new data key opens {opened} and the old one {leaked} of {total} tokens; nothing was written"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::age;
    use crate::sops::{Fresh, Terms, seal};

    fn recipient() -> Recipient {
        "age147zy7f5juz43arn96sadlx2ftg2ulshsvplc8l3q68570w9t69fsmy4d78".parse().unwrap()
    }

    fn sealed(clear: &str, key: &DataKey) -> String {
        let mut fresh = Fresh { now: "2026-01-10T12:00:00Z", random: &mut random };
        let wrapped = age::wrap(key, &[recipient()]);
        seal(Format::Yaml, clear, &Terms::of(&wrapped), key, &mut fresh).unwrap()
    }

    #[test]
    fn the_old_data_key_opens_no_value_no_comment_and_no_mac_after_a_rotation() {
        let (old, new) = (DataKey::new([1; 32]), DataKey::new([2; 32]));
        let text = sealed("# about\na: x\nm:\n    # inner\n    k: 1\n    l:\n        - y\n", &old);
        let document = Document::parse(Format::Yaml, &text).unwrap();
        assert_eq!(opened_by(&document, &old), (6, 6));
        assert_eq!(opened_by(&document, &new), (6, 0));
        let wrapped = age::wrap(&new, &[recipient()]);
        let rotated = fresh(|fresh| document.open(&old).unwrap().rotate(&new, &wrapped, fresh)).unwrap();
        assert_eq!(prove(Format::Yaml, &rotated, &old, &new), Ok(()));
        // one token that was left behind is seen
        let kept = text.lines().find(|line| line.starts_with("a: ")).unwrap();
        let fresh_line = rotated.lines().find(|line| line.starts_with("a: ")).unwrap();
        assert!(prove(Format::Yaml, &rotated.replace(fresh_line, kept), &old, &new).is_err());
        assert!(prove(Format::Yaml, &text, &old, &new).is_err());
    }

    #[test]
    fn what_is_sops_is_seen_by_its_metadata_and_not_by_its_name() {
        let text = sealed("a: x\n", &DataKey::new([1; 32]));
        assert!(matches!(parse("a.yaml", text.as_bytes()), Some(Ok(_))));
        assert!(parse("a.yaml", b"sops: is a word\n").is_none());
        assert!(parse("README.md", text.as_bytes()).is_none());
        assert!(parse("a.ini", b"[sops]\nx = 1\n").is_none());
        let ini = "[sops]\nversion = 3.11.0\nmac = ENC[AES256_GCM,\n";
        assert!(matches!(parse("a.ini", ini.as_bytes()), Some(Ok(_))));
        assert!(matches!(parse("a.ini", format!("{ini}{ini}").as_bytes()), Some(Err(_))));
    }

    #[test]
    fn only_encrypted_values_are_secret() {
        let text = sealed("a: x\nb_unencrypted: y\nc: ''\n", &DataKey::new([1; 32]));
        let document = Document::parse(Format::Yaml, &text).unwrap();
        assert_eq!(secret_paths(&document), [Path::key("a")]);
    }
}
