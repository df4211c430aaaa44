//! The real sops as a function of bytes, and stax as the same.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use sops_document::age::{Identity, parse_identities, unwrap, wrap};
use sops_document::{
    Cleartext, DataKey, Document, Format, Indent, SealContext, Selector, Terms, seal,
};

use crate::dice::Dice;
use crate::real_sops;

pub const ALICE: &str = "age147zy7f5juz43arn96sadlx2ftg2ulshsvplc8l3q68570w9t69fsmy4d78";

fn key_file() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sops/keys/alice.txt")
}

/// How sops names the formats, and the suffix of their files.
pub fn names(format: Format) -> (&'static str, &'static str) {
    match format {
        Format::Yaml => ("yaml", "yaml"),
        Format::Json => ("json", "json"),
        Format::Dotenv => ("dotenv", "env"),
        Format::Ini => ("ini", "ini"),
        Format::Binary => ("binary", "bin"),
    }
}

/// Which values are encrypted, as `.sops.yaml` says it.
#[derive(Clone)]
pub struct Rule {
    pub field: &'static str,
    pub text: &'static str,
    pub mac_only_encrypted: bool,
}

impl Rule {
    pub fn random(dice: &mut Dice, format: Format) -> Self {
        const RULES: [(&str, &str); 7] = [
            ("unencrypted_suffix", "_unencrypted"),
            ("encrypted_suffix", "1"),
            ("unencrypted_regex", "^(data|ключ)\\d*[02468]$"),
            ("encrypted_regex", "(?i)^(KEY|pass\\s)"),
            ("unencrypted_comment_regex", "(^| )c1[0-4]"),
            ("encrypted_comment_regex", "(^| )c[1-5]"),
            ("unencrypted_regex", "[[:digit:]]7$"),
        ];
        let plain = dice.often(60);
        let (field, text) = if plain { RULES[0] } else { *dice.pick(&RULES) };
        // comments exist in YAML, and dotenv has no clear type to come back to
        let comment = field.contains("comment") && format != Format::Yaml;
        let (field, text) = if comment || format == Format::Binary {
            RULES[0]
        } else {
            (field, text)
        };
        Self {
            field,
            text,
            mac_only_encrypted: format != Format::Binary && dice.often(15),
        }
    }

    fn config(&self) -> String {
        format!(
            "creation_rules:\n  - age: {ALICE}\n    {}: '{}'\n    mac_only_encrypted: {}\n",
            self.field, self.text, self.mac_only_encrypted
        )
    }

    pub fn selector(&self) -> Selector {
        Selector::from_field(self.field, self.text)
            .unwrap()
            .unwrap_or_default()
    }
}

pub struct Sops {
    folder: tempfile::TempDir,
}

impl Sops {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// The standard output, or the standard error.
    fn run(&self, arguments: &[&str]) -> Result<Vec<u8>, String> {
        let mut child = Command::new(real_sops::path())
            .args(["--disable-version-check"])
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("SOPS_AGE_KEY_FILE", key_file())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdin.take());
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn file(&self, format: Format, text: &[u8]) -> String {
        let name = format!("doc.{}", names(format).1);
        let mut file = std::fs::File::create(self.folder.path().join(&name)).unwrap();
        file.write_all(text).unwrap();
        name
    }

    pub fn encrypt(&self, format: Format, clear: &[u8], rule: &Rule) -> Result<String, String> {
        std::fs::write(self.folder.path().join(".sops.yaml"), rule.config()).unwrap();
        let name = self.file(format, clear);
        self.run(&["encrypt", &name])
            .map(|bytes| String::from_utf8(bytes).unwrap())
    }

    pub fn decrypt(&self, format: Format, text: &str) -> Result<Vec<u8>, String> {
        let name = self.file(format, text.as_bytes());
        self.run(&["decrypt", &name])
    }

    /// `path` in the bracket form of sops, `value` as JSON.
    pub fn set(
        &self,
        format: Format,
        text: &str,
        path: &str,
        value: &str,
    ) -> Result<String, String> {
        let name = self.file(format, text.as_bytes());
        self.run(&["set", &name, path, value])?;
        Ok(std::fs::read_to_string(self.folder.path().join(&name)).unwrap())
    }
}

pub fn identities() -> Vec<Identity> {
    parse_identities(&std::fs::read_to_string(key_file()).unwrap()).unwrap()
}

pub fn data_key(document: &Document) -> DataKey {
    let identities = identities();
    let stanzas = &document.metadata().age;
    stanzas
        .iter()
        .find_map(|stanza| unwrap(stanza, &identities[0]).ok())
        .expect("alice opens it")
}

pub fn sealing<T>(
    dice: &mut Dice,
    key: &DataKey,
    call: impl FnOnce(&mut SealContext<'_>) -> T,
) -> T {
    let random = &mut |buffer: &mut [u8]| dice.fill(buffer);
    call(&mut SealContext {
        key,
        now: "2026-01-02T03:04:05Z",
        random,
    })
}

pub fn encrypt(
    dice: &mut Dice,
    format: Format,
    clear: &[u8],
    rule: &Rule,
) -> Result<String, String> {
    let key = DataKey::generate(&mut |buffer| dice.fill(buffer));
    let wrapped = wrap(&key, &[ALICE.parse().unwrap()]);
    let terms = Terms {
        selector: rule.selector(),
        mac_only_encrypted: rule.mac_only_encrypted,
        ..Terms::of(&wrapped)
    };
    sealing(dice, &key, |context| seal(format, clear, &terms, context))
        .map_err(|error| error.to_string())
}

/// What `stax secrets decrypt` prints.
pub fn decrypt(format: Format, text: &str) -> Result<Vec<u8>, String> {
    let document = Document::parse(format, text).map_err(|error| error.to_string())?;
    let clear = document
        .open(&data_key(&document))
        .map_err(|fault| fault.to_string())?;
    emitted(&clear).ok_or_else(|| "no form".to_owned())
}

pub fn emitted(clear: &Cleartext) -> Option<Vec<u8>> {
    clear
        .payload()
        .or_else(|| clear.emit(Indent::default()))
        .map(|bytes| bytes.to_vec())
}
