//! The values of SOPS files in the bytes of any other file.
//!
//! A [`LeakGuard`] is made of values and looks for all of them, in each form in which programs
//! write them, in one pass. What it tells are names, forms and lines; the values leave it in no
//! way, and are overwritten when it goes.

mod forms;
mod parts;
mod search;
mod strength;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use zeroize::Zeroizing;

use crate::policy::sniff::sniff;

pub use forms::Form;
use search::{Needle, Windows};
pub use strength::is_worth;

/// Where a value belongs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ValueName {
    /// Its address in the document; empty where the whole file is one value.
    pub key: String,
    pub file: String,
    /// The environment that the file is bound to.
    pub env: Option<String>,
    /// Only an older version of the file holds it.
    pub is_old: bool,
}

/// `STRIPE_SECRET_KEY (production)`, `token (k8s/web.sops.yaml)`, `certs/web.p12`
impl fmt::Display for ValueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.key.as_str(), &self.env) {
            ("", _) => f.write_str(&self.file),
            (key, Some(env)) => write!(f, "{key} ({env})"),
            (key, None) => write!(f, "{key} ({})", self.file),
        }
    }
}

/// A value and its name. It has no `Debug`.
pub struct Secret {
    pub name: ValueName,
    pub value: Zeroizing<Vec<u8>>,
}

/// How many values are looked for, and why the others are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub looked_for: usize,
    /// Too short or too ordinary: a text that holds one tells nothing.
    pub weak: usize,
    /// Left out by the user.
    pub skipped: usize,
}

impl Tally {
    #[must_use]
    pub fn all(self) -> usize {
        self.looked_for + self.weak + self.skipped
    }
}

/// What is looked for.
pub struct LeakGuard {
    /// The names of each value; most have one.
    names: Vec<Vec<ValueName>>,
    needles: Vec<Needle>,
    windows: Windows,
    tally: Tally,
}

/// One value in one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// To ask [`LeakGuard::name`] for.
    pub value: usize,
    pub form: Form,
    /// Only the password of a URL that is the value.
    pub is_password: bool,
    /// Of the first place, from 1.
    pub line: usize,
    /// Places, as far as [`MAX_PLACES`] of all values of a text go.
    pub count: usize,
}

/// What one text holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matches {
    /// One a value, in the order of the lines.
    pub values: Vec<Match>,
    /// The line of the first secret key of a reader.
    pub age_key: Option<usize>,
}

/// What to do about a value in a file that nobody else has yet, and in one that others may have.
pub const HERE: &str =
    "take it out of the file; if others could read it there, replace the value at its source first";
pub const COMMITTED: &str = "replace the value at its source: whoever gets this commit can read it, also when a later one takes it out";

/// Further places in one text are not counted; a value is found all the same.
pub const MAX_PLACES: usize = 10_000;

impl LeakGuard {
    /// `ordinary` texts stand in clear on purpose: no value that equals one is looked for. `skip`
    /// are the keys that the user leaves out.
    #[must_use]
    pub fn new(secrets: &[Secret], ordinary: &BTreeSet<Vec<u8>>, skip: &[String]) -> Self {
        let mut tally = Tally::default();
        let mut names: Vec<Vec<ValueName>> = Vec::new();
        let mut known: BTreeMap<&[u8], usize> = BTreeMap::new();
        let mut needles = Vec::new();
        for secret in secrets {
            let value = secret.value.as_slice();
            if skip.contains(&secret.name.key) {
                tally.skipped += 1;
                continue;
            }
            let is_new = |part: &parts::ValuePart| !ordinary.contains(&**part.text);
            let parts: Vec<parts::ValuePart> = match known.contains_key(value) {
                true => Vec::new(),
                false => parts::of(&secret.name.key, value)
                    .into_iter()
                    .filter(is_new)
                    .collect(),
            };
            if ordinary.contains(value) || parts.is_empty() && !known.contains_key(value) {
                tally.weak += 1;
                continue;
            }
            tally.looked_for += 1;
            let number = *known.entry(value).or_insert(names.len());
            if number == names.len() {
                names.push(Vec::new());
                needles.extend(parts.iter().flat_map(|part| needles_of(number, part)));
            }
            names[number].push(secret.name.clone());
        }
        let windows = Windows::new(&needles);
        Self {
            names,
            needles,
            windows,
            tally,
        }
    }

    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// What a value is called; of several names the first.
    #[must_use]
    pub fn name(&self, value: usize) -> &ValueName {
        &self.names[value][0]
    }

    /// The same, and how many more there are.
    #[must_use]
    pub fn called(&self, value: usize) -> String {
        let names = &self.names[value];
        match names.len() - 1 {
            0 => names[0].to_string(),
            more => format!("{} and {more} more", names[0]),
        }
    }

    /// Looks for everything at once.
    #[must_use]
    pub fn search(&self, bytes: &[u8]) -> Matches {
        Matches {
            values: join(self.places(bytes), bytes),
            age_key: sniff(bytes).secret_key,
        }
    }

    /// A text that is about to be shown, such as a path or what a commit says, with `***` for each
    /// value in it.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        let mut places = self.places(text.as_bytes());
        places.sort_by_key(|place| place.start);
        let mut shown = Vec::with_capacity(text.len());
        let mut reach = 0;
        for Occurrence { needle, start } in places {
            if start >= reach {
                shown.extend_from_slice(&text.as_bytes()[reach..start]);
                shown.extend(b"***");
            }
            reach = reach.max(start + needle.text.len());
        }
        shown.extend_from_slice(&text.as_bytes()[reach..]);
        String::from_utf8_lossy(&shown).into_owned()
    }

    /// Where needles stand.
    fn places(&self, bytes: &[u8]) -> Vec<Occurrence<'_>> {
        let mut places = Vec::new();
        let mut met = BTreeSet::new();
        self.windows.scan(bytes, &mut |at, needle| {
            let needle = &self.needles[needle];
            let Some(start) = at.checked_sub(needle.window) else {
                return;
            };
            let text = bytes.get(start..start + needle.text.len());
            // many places of one value are no hiding place for another
            if text == Some(needle.text.as_slice())
                && (met.insert(needle.value) || places.len() < MAX_PLACES)
            {
                places.push(Occurrence { needle, start });
            }
        });
        places
    }

    /// `the value of STRIPE_SECRET_KEY (production)`
    #[must_use]
    pub fn told(&self, value: usize, is_password: bool) -> String {
        let part = if is_password { "the password in " } else { "" };
        let age = if self.names[value].iter().all(|name| name.is_old) {
            "an older value"
        } else {
            "the value"
        };
        format!("{part}{age} of {}", self.called(value))
    }
}

impl Match {
    /// `base64, 3 times`; nothing where it stands once and as it is.
    #[must_use]
    pub fn how(&self) -> Option<String> {
        let form = (self.form != Form::Plain).then(|| self.form.to_string());
        let times = (self.count > 1).then(|| format!("{} times", self.count));
        let parts: Vec<String> = form.into_iter().chain(times).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

fn needles_of(value: usize, part: &parts::ValuePart) -> Vec<Needle> {
    let forms = match part.is_piece {
        true => std::iter::once((Form::Plain, part.text.clone()))
            .chain(forms::base64(&part.text))
            .collect(),
        false => forms::all(&part.text),
    };
    forms
        .into_iter()
        .map(|(form, text)| Needle::new(value, form, part, text))
        .collect()
}

/// Where a needle stands.
struct Occurrence<'n> {
    needle: &'n Needle,
    start: usize,
}

/// The rows of a key have a line break and an indentation between them: what is not farther apart
/// is one.
const GAP: usize = 256;

/// Places of one value that overlap are one, and so are pieces that follow each other.
fn join(mut places: Vec<Occurrence<'_>>, bytes: &[u8]) -> Vec<Match> {
    // at one start the longest counts
    places.sort_by_key(|place| {
        let needle = place.needle;
        (
            needle.value,
            place.start,
            usize::MAX - needle.text.len(),
            needle.form,
        )
    });
    let mut found: Vec<(usize, Match)> = Vec::new();
    let mut reach = 0;
    for Occurrence { needle, start } in places {
        let end = start + needle.text.len();
        let far = if needle.is_piece { GAP } else { 0 };
        match found
            .last_mut()
            .filter(|(_, last)| last.value == needle.value)
        {
            Some(_) if start < reach + far => reach = reach.max(end),
            Some((_, last)) => {
                last.count += 1;
                last.is_password &= needle.is_password;
                reach = end;
            }
            None => {
                let (value, form, is_password) = (needle.value, needle.form, needle.is_password);
                found.push((
                    start,
                    Match {
                        value,
                        form,
                        is_password,
                        line: 0,
                        count: 1,
                    },
                ));
                reach = end;
            }
        }
    }
    found.sort_by_key(|(start, _)| *start);
    let (mut line, mut at) = (1, 0);
    for (start, found) in &mut found {
        line += bytes[at..*start]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        (found.line, at) = (line, *start);
    }
    found.into_iter().map(|(_, found)| found).collect()
}

#[cfg(test)]
mod tests;
