//! Which values are worth looking for: `postgres` stands in every second file, and tells nothing
//! there.

use crate::policy::credential::WORDS;
use crate::policy::entropy::entropy;

/// Fewer bytes stand somewhere by chance.
const MIN_LENGTH: usize = 8;
/// Bits a byte, after Shannon: what repeats itself lies below.
const MIN_ENTROPY: f64 = 2.5;
/// Letters alone are words up to here.
const MAX_WORD: usize = 20;
/// Digits alone are dates, ports, numbers of accounts and of telephones up to here.
const MAX_NUMBER: usize = 15;

/// Whether a value would hardly stand in another file by chance: long enough, varied enough, and
/// neither a word, a name of a host or a file, a date, a sentence nor a URL without credentials.
/// The name of its key counts: `correct-horse-battery-staple` is a password where it is called one.
#[must_use]
pub fn is_worth(key: &str, value: &[u8]) -> bool {
    if value.len() < MIN_LENGTH || entropy(value) < MIN_ENTROPY {
        return false;
    }
    let Ok(text) = std::str::from_utf8(value) else {
        return true;
    };
    if is_public(text) {
        return false;
    }
    if is_uuid(text) {
        return names_credential(key)
            || UUID_WORDS
                .iter()
                .any(|word| key.to_ascii_lowercase().contains(word));
    }
    if let Some(flags) = flags(text) {
        return flags.into_iter().any(|flag| flag.is_worth());
    }
    let words: Vec<&str> = words(text).collect();
    if words.iter().any(|word| is_random(word))
        || words.iter().map(|word| turns(word)).sum::<usize>() >= 4
    {
        return true;
    }
    let is_line = !text.contains(char::is_whitespace);
    let is_url = text.contains("://");
    if is_line
        && !is_url
        && text
            .chars()
            .filter(|c| "!#$%^&*+=?~;|\\()".contains(*c))
            .count()
            >= 2
    {
        return true;
    }
    let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
    let has_letter = text.bytes().any(|byte| byte.is_ascii_alphabetic());
    !is_url && names_credential(key) && has_letter && (has_digit || words.len() >= 3)
}

/// What makes a UUID a credential; most are the id of a tenant, an application or a disk.
const UUID_WORDS: [&str; 4] = ["key", "token", "secret", "password"];

/// `550e8400-e29b-41d4-a716-446655440000`
fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let is_hex = |group: &&str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) && groups.iter().all(is_hex)
}

/// `-Xmx2048m`, `--token=…`, or `--token` with the word behind it.
struct Flag<'a> {
    name: &'a str,
    value: &'a str,
}

impl Flag<'_> {
    /// Letters alone are words in the name of a flag, however long it is:
    /// `HeapDumpOnOutOfMemoryError`.
    fn is_worth(&self) -> bool {
        let is_random =
            |word: &str| word.bytes().any(|byte| byte.is_ascii_digit()) && is_random(word);
        is_worth(self.name, self.value.as_bytes()) || words(self.name).any(is_random)
    }
}

/// The flags of a command line; `None` where a text is something else.
fn flags(text: &str) -> Option<Vec<Flag<'_>>> {
    let mut flags: Vec<Flag<'_>> = Vec::new();
    for word in text.split_whitespace() {
        let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-'));
        let (name, value) = match (name, flags.last()) {
            (Some(flag), _) => flag.split_once('=').unwrap_or((flag, "")),
            (None, Some(last)) => (last.name, word),
            (None, None) => return None,
        };
        let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:+".contains(&byte));
        if !is_name {
            return None;
        }
        flags.push(Flag { name, value });
    }
    Some(flags)
}

/// Certificates and public keys are shown to everybody.
fn is_public(text: &str) -> bool {
    let is_begin = |line: &&str| line.starts_with("-----BEGIN ");
    let mut blocks = text.lines().map(str::trim).filter(is_begin).peekable();
    let starts = [
        "ssh-ed25519 ",
        "ssh-rsa ",
        "ecdsa-sha2-",
        "sk-ssh-",
        "sk-ecdsa-",
        "age1",
    ];
    if starts.iter().any(|start| text.starts_with(start)) {
        return true;
    }
    blocks.peek().is_some() && blocks.all(is_public_block) && !has_secret_line(text)
}

/// Whether something stands beside the blocks of a text.
fn has_secret_line(text: &str) -> bool {
    let mut is_inside = false;
    text.lines().map(str::trim).any(|line| {
        let was_inside = is_inside || line.starts_with("-----BEGIN ");
        is_inside = was_inside && !line.starts_with("-----END ");
        !was_inside && is_worth("", line.as_bytes())
    })
}

/// `-----BEGIN CERTIFICATE-----`
pub(super) fn is_public_block(line: &str) -> bool {
    const ENDS: [&str; 7] = [
        "CERTIFICATE-----",
        "CERTIFICATE REQUEST-----",
        "CRL-----",
        "PARAMETERS-----",
        "PUBLIC KEY-----",
        // of PGP
        "PUBLIC KEY BLOCK-----",
        "SIGNATURE-----",
    ];
    ENDS.iter().any(|end| line.ends_with(end))
}

/// Whether a piece of a value says as much as the whole.
pub(super) fn is_dense(piece: &[u8]) -> bool {
    let is_mixed = || std::str::from_utf8(piece).is_ok_and(|text| words(text).any(is_random));
    entropy(piece) >= MIN_ENTROPY && (!piece.is_ascii() || is_mixed())
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
}

/// A row of letters and digits that no person would call a thing.
fn is_random(word: &str) -> bool {
    let length = word.len();
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        return length > MAX_NUMBER;
    }
    if !word.bytes().any(|byte| byte.is_ascii_digit()) {
        return length >= MAX_WORD || (length >= 10 && changes(word) * 3 >= length);
    }
    length >= 7 && (turns(word) >= 3 || changes(word) >= 4)
}

/// How often letters and digits take turns: `us-east-1` has none, `k8s` two, `hunter2hunter2`
/// three.
fn turns(word: &str) -> usize {
    let turn = |pair: &[u8]| pair[0].is_ascii_digit() != pair[1].is_ascii_digit();
    word.as_bytes().windows(2).filter(|pair| turn(pair)).count()
}

/// How often small letters, capitals and digits take turns behind the first letter: `MyApp2024` has
/// three.
fn changes(word: &str) -> usize {
    let class = |byte: u8| (byte.is_ascii_digit(), byte.is_ascii_uppercase());
    word.as_bytes()
        .windows(2)
        .skip(1)
        .filter(|pair| class(pair[0]) != class(pair[1]))
        .count()
}

/// What the key is called ends in a word for a credential.
fn names_credential(key: &str) -> bool {
    const ENDS: [&str; 4] = ["passphrase", "pass", "pwd", "key"];
    let key = key.to_ascii_lowercase();
    let is_named = |key: &str| WORDS.iter().chain(&ENDS).any(|end| key.ends_with(end));
    is_named(&key) || key.strip_suffix('s').is_some_and(is_named)
}
