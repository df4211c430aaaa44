//! Repository, policy and keyring opened together: read, unlock, save.

pub mod conflicts;
pub mod consent;
mod error;
pub mod git;
pub mod groups;
pub mod history;
pub mod intact;
pub mod leaks;
mod left_out;
pub mod merge;
pub mod past;
mod paths;
pub mod reading;
pub mod register;
pub mod returns;
mod saving;
mod secret_files;
pub mod settings;
mod sources;
pub mod stories;
pub mod unlock;
pub mod wrap;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use crate::disk::{self, DiskError, Purpose, UserKey};
use crate::inventory;
use crate::keyring::{CommandSource, Environment, IDENTITY_VARIABLES, Keyring};
use crate::policy::Holders;
use crate::policy::config::Config;
use crate::policy::content::is_lfs_pointer;
use crate::policy::roster::Roster;
use crate::policy::vault::Vault;
use crate::process;
use crate::repo::{Repo, RepoError};
use crate::trace;

/// What people call a policy by mistake.
pub const MISNAMED_POLICY: &str = ".sops.yml";

pub use crate::inventory::{MAX_FILE, POLICY, ROSTER, Target, VAULT};
pub use error::WorkspaceError;
use paths::existing;
pub use secret_files::Governing;
use sops_document::{Cleartext, DataKey, Document, DocumentError, Format, SealContext};
pub use sources::is_stream;
use unlock::NoKey;
pub use unlock::StanzaFault;

type Result<T> = std::result::Result<T, WorkspaceError>;

pub struct Workspace {
    repo: Option<Repo>,
    root: PathBuf,
    pub keyring: Keyring,
    /// What a crash left half done was looked at, so that files may be judged and written.
    is_settled: Cell<bool>,
    /// What the texts were when they were read first: a plan made of them must not replace others.
    seen: RefCell<BTreeMap<String, Option<Vec<u8>>>>,
    /// What does not come from a file of the work tree, by the name that it goes by.
    given: RefCell<BTreeMap<String, Vec<u8>>>,
    /// What a document is read as, whatever its name and its content say.
    input_type: Cell<Option<Format>>,
    /// The writes of this work tree, up to the last look at it.
    generation: Cell<Option<SystemTime>>,
}

/// A document with its key and its values.
pub struct Opened {
    pub target: Target,
    pub key: DataKey,
    pub clear: Cleartext,
}

/// Who asks: a person at a command, or git for a diff or a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    Person,
    Git,
}

/// The repository of the current folder, or of a file: that which the environment names counts for
/// files beneath it.
fn repository(file: Option<&Path>, folder: &Path) -> std::result::Result<Repo, RepoError> {
    if file.is_none() {
        return Repo::here();
    }
    if Repo::is_named_by_environment()
        && let Ok(named) = Repo::here()
        && folder
            .canonicalize()
            .is_ok_and(|folder| folder.starts_with(named.root()))
    {
        return Ok(named);
    }
    Repo::discover(folder)
}

impl Workspace {
    /// Opens the repository that holds the current folder, or the one that holds `file`. A file
    /// outside any repository stands alone.
    ///
    /// # Errors
    /// When git refuses the repository; when there is none and no file is named.
    pub fn open(file: Option<&Path>, caller: Caller) -> Result<Self> {
        let folder = match file.and_then(Path::parent) {
            Some(parent) if parent != Path::new("") => existing(parent),
            _ => PathBuf::from("."),
        };
        let repo = match repository(file, &folder) {
            Ok(repo) => Some(repo),
            Err(RepoError::NotARepository(_)) if file.is_some() => None,
            Err(RepoError::NotARepository(_)) => {
                let here = std::env::current_dir().unwrap_or(folder);
                return Err(RepoError::NotARepository(here).into());
            }
            Err(error) => return Err(error.into()),
        };
        // textconv comes over a repository that it opened itself, and waits for no network
        repo.iter().for_each(Repo::let_git_fetch);
        repo.iter()
            .for_each(|repo| repo.keep_walks(|| UserKey::derived(Purpose::History)));
        let root = repo.as_ref().map_or(folder, |repo| repo.root().to_owned());
        Ok(Self::new(keyring(repo.as_ref(), caller), repo, root))
    }

    /// The same over a repository that is already open (hooks). No walk that was kept counts there.
    #[must_use]
    pub fn over(repo: Repo, caller: Caller) -> Self {
        let (keyring, root) = (keyring(Some(&repo), caller), repo.root().to_owned());
        Self::new(keyring, Some(repo), root)
    }

    fn new(keyring: Keyring, repo: Option<Repo>, root: PathBuf) -> Self {
        let workspace = Self {
            repo,
            root,
            keyring,
            is_settled: Cell::default(),
            seen: RefCell::default(),
            given: RefCell::default(),
            input_type: Cell::default(),
            generation: Cell::default(),
        };
        workspace
            .generation
            .set(workspace.site().ok().and_then(|site| site.generation()));
        trace::step("workspace", || format!("over {}", workspace.root.display()));
        workspace
    }

    /// For a judge: every walk over the log is made from the objects of git alone.
    #[must_use]
    pub fn without_kept_walks(self) -> Self {
        self.repo.iter().for_each(Repo::keep_no_walks);
        self
    }

    /// For a judge whom somebody waits for: the same, and the walks are kept for a summary that may
    /// read them.
    #[must_use]
    pub fn with_walks_renewed(self) -> Self {
        self.repo
            .iter()
            .for_each(|repo| repo.renew_walks(|| UserKey::derived(Purpose::History)));
        self
    }

    /// # Errors
    /// When the file stands alone, outside any repository.
    pub fn repo(&self) -> Result<&Repo> {
        self.repo
            .as_ref()
            .ok_or_else(|| RepoError::NotARepository(self.root.clone()).into())
    }

    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The bytes of a file below the root; `None` when it does not exist.
    ///
    /// # Errors
    /// A symlink on the way, or a file that cannot be read.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        if let Some(bytes) = self.given.borrow().get(path) {
            return Ok(Some(bytes.clone()));
        }
        match disk::read_beneath(&self.root, Path::new(path), MAX_FILE) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(DiskError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A text file below the root; those of stax itself also where a sparse checkout leaves them
    /// out.
    ///
    /// # Errors
    /// As [`Self::read`]; text that is not UTF-8.
    pub fn read_text(&self, path: &str) -> Result<Option<String>> {
        let found = self.read(path)?;
        trace::step("workspace", || {
            let size = found.as_ref().map_or("not there".to_owned(), |bytes| {
                format!("{} bytes", bytes.len())
            });
            format!("read {path}: {size}")
        });
        self.remember(path, found.as_deref());
        let bytes = match found {
            None if [VAULT, POLICY, ROSTER].contains(&path) => self.left_out(path)?,
            found => found,
        };
        let Some(bytes) = bytes else { return Ok(None) };
        String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| WorkspaceError::NotText(path.to_owned()))
    }

    /// # Errors
    /// A `.stax/vault.json` that breaks its rules.
    pub fn vault(&self) -> Result<Option<Vault>> {
        let Some(text) = self.read_text(VAULT)? else {
            return Ok(None);
        };
        Vault::parse(&text)
            .map(Some)
            .map_err(|error| WorkspaceError::Vault(error.to_string()))
    }

    /// The same for a judge, of a newer version too, as far as this stax knows it.
    ///
    /// # Errors
    /// As [`Self::vault`].
    pub fn bindings(&self) -> Result<Option<Vault>> {
        let Some(text) = self.read_text(VAULT)? else {
            return Ok(None);
        };
        Vault::known(&text)
            .map(Some)
            .map_err(|error| WorkspaceError::Vault(error.to_string()))
    }

    /// # Errors
    /// A `.sops.yaml` that sops or stax would misread.
    pub fn policy(&self) -> Result<Option<Config>> {
        let Some(text) = self.read_text(POLICY)? else {
            return Ok(None);
        };
        let (config, _) = Config::parse(&text).map_err(|error| WorkspaceError::Policy {
            path: POLICY.to_owned(),
            what: error.to_string(),
        })?;
        Ok(Some(config))
    }

    /// # Errors
    /// A `recipients.md` whose table cannot be read.
    pub fn roster(&self) -> Result<Roster> {
        let Some(text) = self.read_text(ROSTER)? else {
            return Ok(Roster::new());
        };
        Roster::parse(&text).map_err(|error| WorkspaceError::Roster(error.to_string()))
    }

    /// The file that `-e` or `-f` means; without either the only environment, and where none is
    /// bound the only file.
    ///
    /// # Errors
    /// No such environment, or several and none is named.
    pub fn target(&self, env: Option<&str>, file: Option<&Path>) -> Result<Target> {
        let vault = self.vault()?;
        if let Some(file) = file {
            let path = self.relative(file)?;
            if self.read(&path)?.is_none() {
                return Err(match self.missing(&path) {
                    WorkspaceError::Missing(_) => {
                        WorkspaceError::Missing(file.display().to_string())
                    }
                    error => error,
                });
            }
            let env = vault.and_then(|vault| vault.env_for_path(&path).map(str::to_owned));
            return Ok(Target { path, env });
        }
        let Some(vault) = vault.filter(|vault| !vault.files.is_empty()) else {
            return self.only_file(env);
        };
        let known: Vec<String> = vault.files.iter().map(|file| file.env.clone()).collect();
        let bound = match env {
            Some(env) => vault.file_for_env(env),
            None if vault.files.len() == 1 => vault.files.first(),
            None => return Err(WorkspaceError::WhichEnv(known)),
        };
        let Some(bound) = bound else {
            return Err(WorkspaceError::UnknownEnv {
                env: env.unwrap_or_default().to_owned(),
                known,
            });
        };
        Ok(Target {
            path: bound.path.clone(),
            env: Some(bound.env.clone()),
        })
    }

    /// Documents are read as this format from now on.
    pub fn read_as(&self, format: Format) {
        self.input_type.set(Some(format));
    }

    /// Reads and parses a document, without a key.
    ///
    /// # Errors
    /// A missing file, an unknown format, a text that is not a SOPS document.
    pub fn document(&self, target: &Target) -> Result<Document> {
        let path = &target.path;
        let asked = self.input_type.get();
        let format = asked.unwrap_or_else(|| Format::of_path(path));
        let bytes = self.read(path)?.ok_or_else(|| self.missing(path))?;
        if is_lfs_pointer(&bytes) {
            return Err(WorkspaceError::LfsPointer(path.clone()));
        }
        let parsed = match std::str::from_utf8(&bytes) {
            Ok(text) => Document::parse(format, text),
            Err(_) if format.is_whole() => Err(DocumentError::NotSops),
            Err(_) => return Err(WorkspaceError::NotText(path.clone())),
        };
        // what sops reads by its name, rightly or not, is not read otherwise here
        let by_content = || {
            inventory::document(path, &bytes).filter(|_| target.env.is_none() && asked.is_none())
        };
        if let Err(DocumentError::NotSops | DocumentError::Syntax(_)) = parsed
            && let Some(document) = by_content()
        {
            return Ok(document);
        }
        parsed.map_err(|error| WorkspaceError::Document {
            path: path.clone(),
            error: Box::new(error),
        })
    }

    /// The data key of a document, by the first identity that opens one of its stanzas, or by the
    /// first ones that open enough of its key groups.
    ///
    /// # Errors
    /// [`WorkspaceError::Locked`] with what was tried and who can open it.
    pub fn unlock(&self, target: &Target, document: &Document) -> Result<DataKey> {
        if let Some(first) = document.metadata().age.first() {
            self.keyring.ask_for(&first.recipient);
        }
        unlock::unlock(&self.keyring, document).map_err(|error| match error {
            NoKey::Fault(fault) => WorkspaceError::Integrity {
                path: target.path.clone(),
                fault,
                has_plaintext: false,
            },
            NoKey::Locked {
                own: Some((recipient, why)),
                ..
            } => WorkspaceError::OwnStanza {
                path: target.path.clone(),
                who: self.holders().labelled(&recipient),
                why,
                others: self.names_of_others(document),
            },
            NoKey::Locked {
                tried,
                parts,
                own: None,
            } => WorkspaceError::Locked {
                path: target.path.clone(),
                env: target.env.clone(),
                tried,
                readers: self.names_of_others(document),
                parts,
            },
        })
    }

    /// Stanzas that open for another one than their label names, as far as the first identity tells
    /// that has to do with the document.
    #[must_use]
    pub fn stanza_faults(&self, document: &Document) -> Vec<StanzaFault> {
        unlock::stanza_faults(&self.keyring, document)
    }

    /// The bytes of a file below the root, where it is a plain file of at most `limit` bytes.
    #[must_use]
    pub fn read_small(&self, path: &str, limit: usize) -> Option<Vec<u8>> {
        disk::read_beneath(&self.root, Path::new(path), limit).ok()
    }

    /// What table and policy call the holders of keys; nothing where neither can be read.
    #[must_use]
    pub fn holders(&self) -> Holders {
        let roster = self.roster().unwrap_or_default();
        Holders::new(&roster, self.policy().ok().flatten().as_ref())
    }

    /// The people who can open a document, by name where they have one.
    #[must_use]
    pub fn names(&self, document: &Document) -> Vec<String> {
        let holders = self.holders();
        let name = |recipient: &str| holders.name(recipient).unwrap_or(recipient).to_owned();
        let others = document
            .metadata()
            .others
            .iter()
            .map(|other| name(&other.reader()));
        document
            .metadata()
            .age
            .iter()
            .map(|stanza| name(&stanza.recipient))
            .chain(others)
            .collect()
    }

    /// The same less those whose key is at hand: nobody is told to ask themselves.
    fn names_of_others(&self, document: &Document) -> Vec<String> {
        let holders = self.holders();
        let labels = document
            .metadata()
            .age
            .iter()
            .map(|stanza| stanza.recipient.as_str());
        let others = labels.filter(|label| !self.keyring.holds(label));
        others
            .map(|label| holders.name(label).unwrap_or(label).to_owned())
            .collect()
    }

    /// Reads, unlocks, decrypts and checks a document.
    ///
    /// # Errors
    /// As [`Self::document`] and [`Self::unlock`]; [`WorkspaceError::Integrity`].
    pub fn opened(&self, target: &Target) -> Result<Opened> {
        let document = self.document(target)?;
        let key = self.unlock(target, &document)?;
        let clear = document.open(&key);
        trace::step("workspace", || {
            let how = if clear.is_ok() {
                "authentic"
            } else {
                "not authentic"
            };
            format!("values of {}: {how}", target.path)
        });
        let clear = clear.map_err(|fault| WorkspaceError::Integrity {
            path: target.path.clone(),
            fault,
            has_plaintext: document.has_plaintext(),
        })?;
        Ok(Opened {
            target: target.clone(),
            key,
            clear,
        })
    }

    /// Refuses to write into a file whose stanzas are not the policy's: the new value would be read
    /// by the wrong people.
    ///
    /// # Errors
    /// [`WorkspaceError::Recipients`] names who is too many and who is missing.
    pub fn check_recipients(&self, target: &Target, document: &Document) -> Result<()> {
        let Some(governing) = self.governing(&target.path, target.env.is_some())? else {
            return Ok(());
        };
        let (policy, rule) = (governing.policy.clone(), governing.rule());
        if rule.groups.len() > 1 || !document.metadata().groups.is_empty() {
            let fits = groups::fits(rule, document);
            return if fits {
                Ok(())
            } else {
                Err(WorkspaceError::Groups {
                    path: target.path.clone(),
                    policy,
                })
            };
        }
        if !rule.groups.is_empty() {
            return Ok(());
        }
        let wanted: BTreeSet<&str> = rule.recipients().into_iter().collect();
        let stanzas = &document.metadata().age;
        let found: BTreeSet<&str> = stanzas
            .iter()
            .map(|stanza| stanza.recipient.as_str())
            .collect();
        let owned = |difference: Vec<&&str>| {
            difference
                .into_iter()
                .map(|key| (*key).to_owned())
                .collect()
        };
        if wanted == found {
            return Ok(());
        }
        Err(WorkspaceError::Recipients {
            path: target.path.clone(),
            policy,
            extra: owned(found.difference(&wanted).collect()),
            missing: owned(wanted.difference(&found).collect()),
        })
    }
}

/// The identities of this process. Under git the command source needs the consent of the user.
#[must_use]
pub fn keyring(repo: Option<&Repo>, caller: Caller) -> Keyring {
    let environment = Environment::capture();
    let is_allowed = || {
        repo.zip(environment.key_command())
            .is_some_and(|(repo, line)| consent::git_may_run(repo, &line))
    };
    let source = match caller {
        Caller::Person => CommandSource::Allowed,
        Caller::Git if is_allowed() => CommandSource::Allowed,
        Caller::Git => CommandSource::Forbidden,
    };
    Keyring::new(&environment, source, Box::new(run_key_command))
}

/// Runs `SOPS_AGE_KEY_CMD`: no shell, no identity variables, 30 seconds.
fn run_key_command(
    argv: &[String],
    recipient: Option<&str>,
) -> std::result::Result<Zeroizing<String>, String> {
    let add: Vec<(&str, &OsStr)> = recipient
        .map(|key| ("SOPS_AGE_RECIPIENT", OsStr::new(key)))
        .into_iter()
        .collect();
    let environment = process::ChildEnvironment {
        add: &add,
        remove: IDENTITY_VARIABLES,
    };
    let output = process::run_command(argv, Path::new("/"), environment, Duration::from_secs(30))
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("the command ended with {}", output.status));
    }
    String::from_utf8(output.stdout.to_vec())
        .map(Zeroizing::new)
        .map_err(|_| "the output is not text".into())
}

/// Random bytes of the operating system.
///
/// # Panics
/// When the system has no randomness: then nothing may be encrypted.
pub fn random(buffer: &mut [u8]) {
    getrandom::fill(buffer).expect("the operating system gives random bytes");
}

/// The current time as `lastmodified` has it.
#[must_use]
pub fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

/// Calls `with` with a data key, and the time and the randomness of this machine.
pub fn sealing<T>(key: &DataKey, with: impl FnOnce(&mut SealContext<'_>) -> T) -> T {
    let now = now();
    with(&mut SealContext {
        key,
        now: &now,
        random: &mut random,
    })
}
