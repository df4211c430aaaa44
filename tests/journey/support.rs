//! A sandbox: people with their own home, one repository, nothing of the machine but `PATH`.

// every test binary uses its own part of this
#![allow(dead_code, unreachable_pub)]

#[path = "../support/real_sops.rs"]
pub mod real_sops;

#[path = "../support/output.rs"]
pub mod output;

#[cfg(target_os = "linux")]
#[path = "../support/cut.rs"]
pub mod cut;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

pub use output::Output;
use regex::Regex;
use tempfile::TempDir;

/// Where `init --env production` puts its secrets.
pub const PROD: &str = "infra/secrets/prod.enc.yaml";
/// A value that must never be seen where it does not belong.
pub const CANARY: &str = "canary-hunter2";
/// A command that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A temporary folder with one git repository; dereferences to Ana, who stands in it.
pub struct Sandbox {
    root: TempDir,
    ana: Person,
}

impl Deref for Sandbox {
    type Target = Person;

    fn deref(&self) -> &Person {
        &self.ana
    }
}

impl Sandbox {
    /// An empty git repository on `main`, and Ana without a key.
    pub fn new() -> Self {
        let sandbox = Self::without_git();
        sandbox.git(["init", "--quiet"]).ok();
        sandbox
    }

    /// A plain folder, not a git repository.
    pub fn without_git() -> Self {
        let root = tempfile::Builder::new()
            .prefix("stax-test-")
            .tempdir()
            .expect("a temporary folder");
        let place = root.path().canonicalize().expect("the temporary folder");
        let repo = place.join("repo");
        fs::create_dir(&repo).expect("the work tree");
        let ana = Person::settle(&place, "ana", "Ana Silva", repo);
        Self { root, ana }
    }

    /// Ana has a key and an initialised store for production, not yet committed.
    pub fn initialised() -> Self {
        let sandbox = Self::new();
        sandbox.key();
        sandbox
            .stax(["secrets", "init", "--env", "production"])
            .ok();
        sandbox
    }

    /// A committed store with `DATABASE_URL`, `STRIPE_SECRET_KEY` (the canary) and `PORT`.
    pub fn with_store() -> Self {
        let sandbox = Self::initialised();
        sandbox
            .set("DATABASE_URL", "postgres://db.example.com/app")
            .ok();
        sandbox.set("STRIPE_SECRET_KEY", CANARY).ok();
        sandbox.set_typed("PORT", "5432", "int").ok();
        sandbox.commit_all("chore(secrets): bootstrap encrypted store");
        sandbox
    }

    /// Somebody else with another home, standing in the same work tree.
    pub fn person(&self, name: &str) -> Person {
        let mut shown = name.to_string();
        shown[..1].make_ascii_uppercase();
        Person::settle(&self.place(), name, &shown, self.dir.clone())
    }

    /// Somebody else with a fresh clone of the repository.
    pub fn clone_for(&self, name: &str) -> Person {
        let person = self.person(name);
        let dir = self.place().join(format!("clone-of-{name}"));
        person
            .git([
                OsStr::new("clone"),
                "--quiet".as_ref(),
                self.dir.as_os_str(),
                dir.as_os_str(),
            ])
            .ok();
        person.at(dir)
    }

    pub fn place(&self) -> PathBuf {
        self.root
            .path()
            .canonicalize()
            .expect("the temporary folder")
    }

    /// Every file of the sandbox, `.git` and homes included, that holds `text` as bytes.
    pub fn holders_of(&self, text: &str) -> Vec<PathBuf> {
        let mut found = files_beneath(&self.place());
        found.retain(|path| fs::read(path).is_ok_and(|bytes| contains(&bytes, text.as_bytes())));
        found
    }

    /// The text with all that changes from run to run replaced, ready for a snapshot.
    pub fn scrub(&self, text: &str) -> String {
        let mut text = text.replace(&*self.place().to_string_lossy(), "[SANDBOX]");
        for (name, key) in self.known_keys() {
            text = text.replace(&key, &format!("age1[{}]", name.to_uppercase()));
        }
        scrub_patterns(&text)
    }

    fn known_keys(&self) -> Vec<(String, String)> {
        let Ok(people) = fs::read_dir(self.place().join("people")) else {
            return Vec::new();
        };
        let names = people
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned());
        names
            .filter_map(|name| {
                let file = self
                    .place()
                    .join("people")
                    .join(&name)
                    .join(".config/sops/age/keys.txt");
                let text = fs::read_to_string(file).ok()?;
                Some((name, public_key(&text)?.to_string()))
            })
            .collect()
    }
}

/// The comment that `age-keygen` and `stax secrets keygen` leave above a key.
fn public_key(key_file: &str) -> Option<&str> {
    key_file
        .lines()
        .find_map(|line| line.strip_prefix("# public key: "))
        .map(str::trim)
}

fn scrub_patterns(text: &str) -> String {
    let table = [
        (r"AGE-SECRET-KEY-1[A-Z0-9]+", "AGE-SECRET-KEY-1[SECRET]"),
        (r"ENC\[AES256_GCM,[^\]]*\]", "ENC[…]"),
        (r"\bage1[a-z0-9]{50,}\b", "age1[OTHER]"),
        (r"\b\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?", "[DATE]"),
        (r"([~#])[0-9a-f]{6,8}\b", "$1[PRINT]"),
        (r"\b[0-9a-f]{7,40}\b", "[COMMIT]"),
    ];
    table
        .iter()
        .fold(text.to_string(), |text, (pattern, with)| {
            Regex::new(pattern)
                .expect("a pattern")
                .replace_all(&text, *with)
                .into_owned()
        })
}

/// One person: a home, an environment, a folder to stand in.
#[derive(Clone)]
pub struct Person {
    pub home: PathBuf,
    pub dir: PathBuf,
    env: Vec<(OsString, OsString)>,
}

impl Person {
    fn settle(place: &Path, name: &str, shown: &str, dir: PathBuf) -> Self {
        let home = place.join("people").join(name);
        let (config, runtime, tmp) = (home.join(".config"), home.join("run"), home.join("tmp"));
        for folder in [&config, &runtime, &tmp] {
            fs::create_dir_all(folder).expect("a folder of the home");
        }
        fs::set_permissions(&runtime, fs::Permissions::from_mode(0o700)).expect("a private folder");
        fs::write(
            home.join(".gitconfig"),
            format!(
                "[user]\n\tname = {shown}\n\temail = {name}@example.com\n[init]\n\tdefaultBranch = main\n\
                 [core]\n\teditor = false\n[advice]\n\tdetachedHead = false\n"
            ),
        )
        .expect("the git configuration");
        let folder = Path::new(env!("CARGO_BIN_EXE_stax"))
            .parent()
            .expect("the folder of stax");
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let places = std::iter::once(folder.to_path_buf()).chain(std::env::split_paths(&inherited));
        let env = [
            ("PATH", std::env::join_paths(places).expect("a PATH")),
            ("HOME", home.clone().into()),
            ("XDG_CONFIG_HOME", config.into()),
            ("XDG_RUNTIME_DIR", runtime.into()),
            ("TMPDIR", tmp.into()),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
            ("GIT_TERMINAL_PROMPT", "0".into()),
            ("LANG", "C.UTF-8".into()),
            ("TERM", "dumb".into()),
        ];
        let env = env
            .into_iter()
            .map(|(name, value)| (name.into(), value))
            .collect();
        Self { home, dir, env }
    }

    /// The same person with one more environment variable.
    pub fn with(&self, name: &str, value: impl Into<OsString>) -> Self {
        let mut person = self.clone();
        person.env.retain(|(known, _)| known != name);
        person.env.push((name.into(), value.into()));
        person
    }

    /// The same person, standing elsewhere.
    pub fn at(&self, dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            ..self.clone()
        }
    }

    /// The same person without the key file: nothing opens.
    pub fn keyless(&self) -> Self {
        self.with("XDG_CONFIG_HOME", self.home.join("nowhere"))
    }

    /// The same person with an editor that is this `sh` script; `$1` is the file to edit.
    pub fn editing(&self, script: &str) -> Self {
        self.with("EDITOR", self.script(script))
    }

    /// An executable `sh` script in the home; may use `$0.new` as scratch.
    pub fn script(&self, text: &str) -> PathBuf {
        let number = fs::read_dir(&self.home).map_or(0, Iterator::count);
        let path = self.home.join(format!("script-{number}"));
        // by a child: a file that this process has open for writing is inherited by what another
        // test starts meanwhile, and then the script is busy
        let write = "cat > \"$0\" && chmod 755 \"$0\"";
        let script = format!("#!/bin/sh\n{text}\n");
        self.run(
            "sh",
            [OsStr::new("-c"), OsStr::new(write), path.as_os_str()],
            script.as_bytes(),
        )
        .ok();
        path
    }

    /// A command in this person's environment, not yet started.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(self.env.iter().cloned())
            .current_dir(&self.dir);
        command
    }

    pub fn stax<I: IntoIterator<Item: AsRef<OsStr>>>(&self, args: I) -> Output {
        self.run(env!("CARGO_BIN_EXE_stax"), args, b"")
    }

    pub fn stax_with<I: IntoIterator<Item: AsRef<OsStr>>>(
        &self,
        args: I,
        stdin: impl AsRef<[u8]>,
    ) -> Output {
        self.run(env!("CARGO_BIN_EXE_stax"), args, stdin.as_ref())
    }

    pub fn git<I: IntoIterator<Item: AsRef<OsStr>>>(&self, args: I) -> Output {
        self.run("git", args, b"")
    }

    pub fn sops<I: IntoIterator<Item: AsRef<OsStr>>>(&self, args: I) -> Output {
        self.run(real_sops::path(), args, b"")
    }

    pub fn sh(&self, script: &str) -> Output {
        self.run("sh", ["-c", script], b"")
    }

    pub fn run<I: IntoIterator<Item: AsRef<OsStr>>>(
        &self,
        program: impl AsRef<OsStr>,
        args: I,
        stdin: &[u8],
    ) -> Output {
        let mut command = self.command(&program);
        command.args(args);
        let call = format!("{command:?} in {}", self.dir.display());
        let mut command = assert_cmd::Command::from_std(command);
        let result = command.write_stdin(stdin).timeout(PATIENCE).output();
        Output::new(
            call,
            result.unwrap_or_else(|e| panic!("{}: {e}", program.as_ref().display())),
        )
    }

    /// The public key; makes the key first when there is none.
    pub fn key(&self) -> String {
        if !self.key_file().exists() {
            self.stax(["secrets", "keygen"]).ok();
        }
        let text = fs::read_to_string(self.key_file()).expect("the key file");
        public_key(&text)
            .expect("the key file names its public key")
            .to_string()
    }

    pub fn key_file(&self) -> PathBuf {
        self.home.join(".config/sops/age/keys.txt")
    }

    /// Puts a key of `fixtures/sops/keys` where sops and stax look for it.
    pub fn take_key(&self, of: &str) {
        let file = self.key_file();
        fs::create_dir_all(file.parent().expect("a folder")).expect("the key folder");
        fs::copy(fixture(&format!("sops/keys/{of}.txt")), &file).expect("the key file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a private key file");
    }

    pub fn set(&self, key: &str, value: &str) -> Output {
        self.stax_with(["secrets", "set", key], format!("{value}\n"))
    }

    pub fn set_typed(&self, key: &str, value: &str, kind: &str) -> Output {
        self.stax_with(
            ["secrets", "set", key, "--type", kind],
            format!("{value}\n"),
        )
    }

    pub fn get(&self, key: &str) -> Output {
        self.stax(["secrets", "get", key])
    }

    pub fn add_recipient(&self, who: &Self, name: &str, role: &str) -> Output {
        self.stax([
            "secrets",
            "add-recipient",
            &who.key(),
            "--name",
            name,
            "--role",
            role,
        ])
    }

    /// Commits the work tree through the hooks.
    #[track_caller]
    pub fn commit_all(&self, message: &str) {
        self.git(["add", "--all"]).ok();
        self.git(["commit", "--quiet", "-m", message]).ok();
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.join(path)
    }

    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        String::from_utf8(self.bytes(path)).expect("UTF-8")
    }

    #[track_caller]
    pub fn bytes(&self, path: &str) -> Vec<u8> {
        let path = self.path(path);
        fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    #[track_caller]
    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
        fs::write(&path, bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }

    /// Replaces the token of a flat YAML key by a value in clear, as a hasty hand does.
    #[track_caller]
    pub fn put_in_clear(&self, path: &str, key: &str, value: &str) {
        let pattern = Regex::new(&format!(r"(?m)^{key}: ENC\[.*\]$")).expect("a pattern");
        let text = self.read(path);
        assert!(
            pattern.is_match(&text),
            "{key} is no token in {path}:\n{text}"
        );
        self.write(
            path,
            pattern
                .replace(&text, format!("{key}: {value}").as_str())
                .as_bytes(),
        );
    }

    /// Writes one more recipient beside `known` in `.sops.yaml`, and does nothing else.
    #[track_caller]
    pub fn add_to_policy_only(&self, known: &str, newcomer: &str) {
        let text = self.read(".sops.yaml");
        assert!(
            text.contains(known),
            ".sops.yaml does not name {known}:\n{text}"
        );
        let item = Regex::new(&format!(r#"(?m)^( *)- ["']?{known}["']?.*$"#)).expect("a pattern");
        let longer = match item.captures(&text) {
            Some(line) => text.replacen(
                &line[0],
                &format!("{}\n{}- {newcomer}", &line[0], &line[1]),
                1,
            ),
            None => text.replacen(known, &format!("{known},{newcomer}"), 1),
        };
        self.write(".sops.yaml", longer);
    }
}

/// A file of `fixtures/`.
pub fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(path)
}

/// The new YAML document under the stanzas of an old one: what somebody forges who saved a data
/// key.
pub fn graft(new: &str, old: &str) -> String {
    let stanzas = |text: &str| {
        let start = text.find("\n    age:\n").expect("the stanzas");
        (
            start,
            start
                + text[start..]
                    .find("\n    lastmodified:")
                    .expect("their end"),
        )
    };
    let ((a, b), (c, d)) = (stanzas(new), stanzas(old));
    format!("{}{}{}", &new[..a], &old[c..d], &new[b..])
}

pub fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

pub fn files_beneath(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return found;
    };
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files_beneath(&entry.path())),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found.sort();
    found
}

/// Waits until the condition holds; fails after ten seconds.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "waited too long until {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn scrubbing_leaves_nothing_that_changes_from_run_to_run() {
    let sandbox = Sandbox::new();
    sandbox.take_key("alice");
    let bob = fs::read_to_string(fixture("sops/keys/bob.txt")).expect("bob's key file");
    let text = format!(
        "{} {} in {}/x at 14ffd49 2026-03-09, ~c7f987 #78db48 ENC[AES256_GCM,data:x,type:str]",
        sandbox.key(),
        public_key(&bob).expect("bob's key"),
        sandbox.dir.display()
    );
    let expected =
        "age1[ANA] age1[OTHER] in [SANDBOX]/repo/x at [COMMIT] [DATE], ~[PRINT] #[PRINT] ENC[…]";
    assert_eq!(sandbox.scrub(&text), expected);
}

#[test]
fn a_policy_grows_by_one_line_whatever_its_shape() {
    let sandbox = Sandbox::new();
    let table = [
        ("  - age: age1ana\n", "  - age: age1ana,age1bob\n"),
        (
            "    age:\n      - age1ana # Ana\n",
            "    age:\n      - age1ana # Ana\n      - age1bob\n",
        ),
        (
            "    age: >-\n      age1ana\n",
            "    age: >-\n      age1ana,age1bob\n",
        ),
    ];
    for (before, after) in table {
        sandbox.write(".sops.yaml", before);
        sandbox.add_to_policy_only("age1ana", "age1bob");
        assert_eq!(sandbox.read(".sops.yaml"), after);
    }
}
