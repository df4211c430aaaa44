//! Regular expressions as sops understands them: Go's RE2 syntax, run by Rust's `regex`.
//!
//! sops drops the error of a crypt rule that does not compile and then writes plaintext, so a
//! pattern is accepted only when it surely selects the same text in both engines. Every pattern is
//! re-spelled: classes become explicit sets, literals become code points, and nothing of the
//! original text reaches the other engine unread. Source of the rules: Go `regexp/syntax` with the
//! flags of `regexp.Compile`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::{Arc, OnceLock};

use regex::{Regex, RegexBuilder};

mod class;

/// A rule that names every field of a cluster is some kilobytes long.
const MAX_BYTES: usize = 32 << 10;
const MAX_PROGRAM_BYTES: usize = 1 << 22;
const MAX_NESTING: u32 = 64;
/// Go's limit, for one count and for the product of nested counts.
const MAX_REPEAT: u32 = 1000;
/// What is shorter (bytes), has fewer groups in one another and repeats nothing by a number fits
/// the limits of the program for sure.
const SHORT: usize = 256;
const SHALLOW: usize = 8;
/// So many patterns are remembered, those of the largest policy, and so many bytes of them.
const KNOWN: usize = 1024;
const KNOWN_BYTES: usize = 1 << 20;

thread_local! {
    // every version of a policy and of a file says its patterns anew, and most say the same
    static READ: RefCell<HashMap<String, Arc<Program>>> = RefCell::default();
}

/// What the other engine reads, compiled when the first text is matched: a policy has hundreds of
/// patterns, and most commands match none of them.
struct Program {
    translated: String,
    compiled: OnceLock<Regex>,
}

impl Program {
    fn regex(&self) -> Result<&Regex, regex::Error> {
        if let Some(regex) = self.compiled.get() {
            return Ok(regex);
        }
        let mut builder = RegexBuilder::new(&self.translated);
        let regex = builder
            .size_limit(MAX_PROGRAM_BYTES)
            .nest_limit(MAX_NESTING)
            .build()?;
        Ok(self.compiled.get_or_init(|| regex))
    }
}

/// A pattern that was read, and remembers how it was written.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    program: Arc<Program>,
}

/// A pattern that sops refuses, or that might not mean the same here; never shows the matched text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pattern is not accepted at character {position}: {reason}")]
pub struct PatternError {
    /// Characters from the start of the pattern, from 1.
    pub position: usize,
    pub reason: String,
}

impl Pattern {
    /// Reads a pattern of Go's RE2 syntax.
    ///
    /// # Errors
    /// [`PatternError`] for what Go refuses, for what the two engines would read differently, and
    /// for patterns above 32 KiB, 64 levels or 4 MiB of compiled program.
    pub fn compile(text: &str) -> Result<Self, PatternError> {
        let at = |position: usize, reason: &str| PatternError {
            position,
            reason: reason.to_owned(),
        };
        if text.len() > MAX_BYTES {
            return Err(at(
                1,
                "longer than 32 KiB, which is the most that stax reads",
            ));
        }
        if let Some(program) = READ.with_borrow(|known| known.get(text).cloned()) {
            return Ok(Self {
                text: text.to_owned(),
                program,
            });
        }
        let mut translator = Translator::new(text);
        if let Err(Refused(reason)) = translator.pattern() {
            return Err(PatternError {
                position: translator.position.max(1),
                reason,
            });
        }
        let is_small = text.len() <= SHORT && translator.is_plain;
        let program = Arc::new(Program {
            translated: translator.out,
            compiled: OnceLock::new(),
        });
        if !is_small {
            program.regex().map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => at(1, "too big when compiled"),
                _ => at(1, "too deeply nested, or not a pattern"),
            })?;
        }
        READ.with_borrow_mut(|known| {
            let bytes: usize = known.keys().map(String::len).sum();
            if known.len() == KNOWN || bytes + text.len() > KNOWN_BYTES {
                known.clear();
            }
            known.insert(text.to_owned(), program.clone());
        });
        Ok(Self {
            text: text.to_owned(),
            program,
        })
    }

    /// The pattern that matches exactly this path: `^…$` with everything special escaped as Go's
    /// `QuoteMeta` does.
    #[must_use]
    pub fn exactly(path: &str) -> String {
        let mut text = String::from("^");
        for character in path.chars() {
            if r"\.+*?()|[]{}^$".contains(character) {
                text.push('\\');
            }
            text.push(character);
        }
        text + "$"
    }

    /// An unanchored search, as sops does.
    ///
    /// # Panics
    /// Never: what may not compile was compiled when it was read.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.program
            .regex()
            .expect("a small pattern compiles")
            .is_match(text)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.text).finish()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

type Parsed<T = ()> = Result<T, Refused>;

/// The reason why.
#[derive(Debug, PartialEq, Eq)]
struct Refused(String);

fn refuse<T>(reason: impl Into<String>) -> Parsed<T> {
    Err(Refused(reason.into()))
}

/// What a quantifier would apply to.
#[derive(Clone, Copy, PartialEq)]
enum Last {
    /// Start of a group or branch, or a flag group.
    Nothing,
    /// Something to repeat; the product of the counts inside it.
    Atom(u32),
    /// Already repeated: Go refuses a second quantifier.
    Repeated,
    /// `^ $ \A \z \b`
    Assertion,
}

/// An open group: the product of the counts seen inside so far.
struct Group {
    product: u32,
}

struct Translator {
    input: Vec<char>,
    /// Characters taken.
    position: usize,
    out: String,
    groups: Vec<Group>,
    names: Vec<String>,
    last: Last,
    /// Nothing that multiplies: no counts, no flags, no Unicode classes, no deep groups.
    is_plain: bool,
}

impl Translator {
    fn new(text: &str) -> Self {
        Self {
            input: text.chars().collect(),
            position: 0,
            out: String::new(),
            groups: vec![Group { product: 1 }],
            names: Vec::new(),
            last: Last::Nothing,
            is_plain: true,
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.input.get(self.position + ahead).copied()
    }

    fn take(&mut self) -> Option<char> {
        let character = self.peek(0)?;
        self.position += 1;
        Some(character)
    }

    fn take_if(&mut self, wanted: char) -> bool {
        let found = self.peek(0) == Some(wanted);
        self.position += usize::from(found);
        found
    }

    fn pattern(&mut self) -> Parsed {
        while let Some(character) = self.take() {
            match character {
                '(' => self.open_group()?,
                ')' => self.close_group()?,
                '|' => {
                    self.out.push('|');
                    self.last = Last::Nothing;
                }
                '[' => {
                    self.bracket_class()?;
                    self.atom(1);
                }
                '.' => {
                    self.out.push('.');
                    self.atom(1);
                }
                '^' | '$' => {
                    self.out.push(character);
                    self.last = Last::Assertion;
                }
                '*' | '+' | '?' => self.repeat(&character.to_string(), 1)?,
                '{' => self.brace()?,
                '\\' => self.escape()?,
                _ => self.literal(character),
            }
        }
        if self.groups.len() == 1 {
            Ok(())
        } else {
            refuse("a group that is not closed")
        }
    }

    fn literal(&mut self, character: char) {
        push_literal(&mut self.out, character);
        self.atom(1);
    }

    fn atom(&mut self, product: u32) {
        self.last = Last::Atom(product);
        if let Some(group) = self.groups.last_mut() {
            group.product = group.product.max(product);
        }
    }

    fn open_group(&mut self) -> Parsed {
        // captures are not needed to say whether a text matches
        if !self.take_if('?') {
            return self.enter("(?:");
        }
        match (self.peek(0), self.peek(1)) {
            (Some('P'), Some('<')) => {
                self.position += 2;
                self.group_name()?;
                self.enter("(?:")
            }
            (Some('<'), Some('=' | '!')) | (Some('=' | '!'), _) => refuse("look-around"),
            (Some('<'), _) => {
                self.position += 1;
                self.group_name()?;
                self.enter("(?:")
            }
            _ => self.flags(),
        }
    }

    fn enter(&mut self, text: &str) -> Parsed {
        self.out.push_str(text);
        self.groups.push(Group { product: 1 });
        self.is_plain &= self.groups.len() <= SHALLOW;
        self.last = Last::Nothing;
        Ok(())
    }

    fn close_group(&mut self) -> Parsed {
        if self.groups.len() == 1 {
            return refuse("`)` without `(`");
        }
        let product = self.groups.pop().map_or(1, |group| group.product);
        self.out.push(')');
        self.atom(product);
        Ok(())
    }

    fn group_name(&mut self) -> Parsed {
        let mut name = String::new();
        while let Some(character) = self.take() {
            if character == '>' {
                let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
                if !starts_well || self.names.contains(&name) {
                    return refuse("a group name that is empty, repeated or starts with a digit");
                }
                self.names.push(name);
                return Ok(());
            }
            if !character.is_ascii_alphanumeric() && character != '_' {
                break;
            }
            name.push(character);
        }
        refuse("a bad group name")
    }

    /// `(?i)`, `(?i:`, `(?s-m:`, `(?:`; only the flags that Go and Rust share.
    fn flags(&mut self) -> Parsed {
        self.is_plain &= self.peek(0) == Some(':');
        let mut text = String::from("(?");
        let mut off = false;
        loop {
            let Some(flag) = self.take() else {
                return refuse("a group that is not closed");
            };
            let missing = text == "(?" || text.ends_with('-');
            match flag {
                'i' | 'm' | 's' | 'U' if text.contains(flag) => {
                    return refuse("a flag given twice");
                }
                'i' | 'm' | 's' | 'U' => text.push(flag),
                '-' if !off => {
                    off = true;
                    text.push('-');
                }
                ':' if !text.ends_with('-') => return self.enter(&(text + ":")),
                ')' if !missing => {
                    self.out.push_str(&text);
                    self.out.push(')');
                    self.last = Last::Nothing;
                    return Ok(());
                }
                _ => return refuse("a group or flag that sops does not know (only i, m, s, U)"),
            }
        }
    }

    /// A quantifier, lazy mark included. `count` is what it multiplies a nested count by.
    fn repeat(&mut self, text: &str, count: u32) -> Parsed {
        let product = match self.last {
            Last::Nothing => return refuse("a quantifier with nothing to repeat"),
            Last::Repeated => return refuse("two quantifiers in a row"),
            Last::Assertion => return refuse("a quantifier on `^`, `$` or a word boundary"),
            Last::Atom(product) => product * count.max(1),
        };
        if product > MAX_REPEAT {
            return refuse("repeats more than 1000 times");
        }
        self.out.push_str(text);
        if self.take_if('?') {
            self.out.push('?');
        }
        self.atom(product);
        self.last = Last::Repeated;
        Ok(())
    }

    /// `{n}`, `{n,}`, `{n,m}`; any other brace is a literal in Go.
    fn brace(&mut self) -> Parsed {
        let rest: String = self.input[self.position..]
            .iter()
            .take_while(|c| **c != '}')
            .collect();
        let closed = self.peek(rest.chars().count()) == Some('}');
        let (least, most) = rest
            .split_once(',')
            .map_or((rest.as_str(), None), |(a, b)| (a, Some(b)));
        let most_is_count = most.is_none_or(|most| most.is_empty() || is_count(most));
        if !closed || !is_count(least) || !most_is_count {
            self.literal('{');
            return Ok(());
        }
        // more digits than a u32 holds are above the limit too
        let number = |digits: &str| digits.parse::<u32>().unwrap_or(u32::MAX);
        let least = number(least);
        let most = most.filter(|most| !most.is_empty()).map(number);
        if least > MAX_REPEAT || most.is_some_and(|most| most > MAX_REPEAT || most < least) {
            return refuse("a repeat count over 1000, or the wrong way round");
        }
        self.position += rest.chars().count() + 1;
        self.is_plain = false;
        self.repeat(&format!("{{{rest}}}"), most.unwrap_or(least))
    }

    fn escape(&mut self) -> Parsed {
        let Some(character) = self.take() else {
            return refuse("a backslash at the end");
        };
        match character {
            'A' | 'z' => {
                self.out.extend(['\\', character]);
                self.last = Last::Assertion;
            }
            'b' => {
                self.out.push_str(r"(?-u:\b)");
                self.last = Last::Assertion;
            }
            'B' => return refuse(r"`\B` may mean something else here"),
            'C' => return refuse(r"`\C` is not supported"),
            'Q' => self.quoted(),
            'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'p' | 'P' => {
                let set = self.escaped_class(character)?;
                self.out.push_str(&set);
                self.atom(1);
            }
            '0'..='9' => return refuse("a back-reference or octal escape"),
            _ => {
                let literal = self.escaped_literal(character)?;
                self.literal(literal);
            }
        }
        Ok(())
    }

    /// `\Q…\E`, or to the end of the pattern.
    fn quoted(&mut self) {
        // an empty quotation leaves nothing to repeat that both engines would agree on
        self.last = Last::Nothing;
        while let Some(character) = self.take() {
            if character == '\\' && self.take_if('E') {
                return;
            }
            self.literal(character);
        }
    }

    /// An escape that stands for one character, in or outside of a class; its letter is already
    /// taken.
    fn escaped_literal(&mut self, character: char) -> Parsed<char> {
        Ok(match character {
            'a' => '\u{7}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'x' => return self.hexadecimal(),
            _ if character.is_ascii() && !character.is_ascii_alphanumeric() => character,
            _ => return refuse("an escape that sops does not know"),
        })
    }

    /// `\x41` or `\x{263a}`
    fn hexadecimal(&mut self) -> Parsed<char> {
        let mut digits = String::new();
        if self.take_if('{') {
            loop {
                match self.take() {
                    Some('}') => break,
                    Some(digit) if digit.is_ascii_hexdigit() && digits.len() < 8 => {
                        digits.push(digit)
                    }
                    _ => return refuse(r"a bad `\x{…}`"),
                }
            }
        } else {
            digits.extend(self.take());
            digits.extend(self.take());
            if digits.len() != 2 || !digits.chars().all(|digit| digit.is_ascii_hexdigit()) {
                return refuse(r"`\x` without two hexadecimal digits");
            }
        }
        let character = u32::from_str_radix(&digits, 16)
            .ok()
            .and_then(char::from_u32);
        character.map_or_else(|| refuse(r"`\x` of what is not a character"), Ok)
    }
}

/// Go's counts have no leading zero and no sign.
fn is_count(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text.len() == 1 || !text.starts_with('0'))
}

/// One character that is special nowhere, neither in a pattern nor in a class.
fn push_literal(out: &mut String, character: char) {
    if character.is_ascii_alphanumeric() || !character.is_ascii() {
        out.push(character);
    } else {
        let _ = write!(out, "\\x{{{:x}}}", u32::from(character));
    }
}

#[cfg(test)]
mod tests;
