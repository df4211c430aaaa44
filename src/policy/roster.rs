//! `recipients.md`: the people and machines behind the keys, as a Markdown table
//! `| Public key | Name | Role | Onboarded |`. Text around the table is the author's and stays.
//!
//! Names are escaped so that Markdown shows them as they are, `<ana@example.com>` included, and
//! read back the same; a row written by hand without the escapes reads the same too.

use super::who::{WhoError, resolve_who};

const HEADER: [&str; 4] = ["Public key", "Name", "Role", "Onboarded"];
const PREFACE: &str = "# Recipients

Who holds which public key. The names are claims of this repository: nothing proves them, and access is
decided by `.sops.yaml` and the keys inside each file alone. Edit with `stax secrets add-recipient`,
`remove-recipient` and `recipients --set-name`; `stax secrets verify` compares this table with the policy.
";

/// One row. `onboarded` is a date `YYYY-MM-DD` by custom; the commit log is the better witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterRow {
    pub recipient: String,
    pub name: String,
    pub role: String,
    pub onboarded: String,
}

/// The file with its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    /// Lines with their line breaks.
    lines: Vec<String>,
    /// Position of the delimiter row in `lines`.
    delimiter: usize,
    rows: Vec<(usize, RosterRow)>,
}

/// A table that cannot be read or a row that cannot be written. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    #[error("no table `| Public key | Name | Role | Onboarded |`")]
    NoTable,
    #[error("line {0}: a second table of recipients")]
    SecondTable(usize),
    #[error(
        "line {0}: a row has a key, a name, a role and a date; `|` inside a cell is written `\\|`"
    )]
    Cells(usize),
    #[error("the {0} must be one line of text without control characters")]
    Text(&'static str),
    #[error("`{0}` already has a row")]
    Exists(String),
    #[error("`{0}` has no row")]
    Missing(String),
}

impl Default for Roster {
    fn default() -> Self {
        Self::new()
    }
}

impl Roster {
    /// A preface and an empty table.
    #[must_use]
    pub fn new() -> Self {
        let text = format!("{PREFACE}\n| {} |\n|---|---|---|---|\n", HEADER.join(" | "));
        let lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        Self {
            delimiter: lines.len() - 1,
            lines,
            rows: Vec::new(),
        }
    }

    /// Reads the one table; tables inside of code fences do not count.
    ///
    /// # Errors
    /// [`RosterError`]: no table, two of them, or a row with more than four cells or no name.
    pub fn parse(text: &str) -> Result<Self, RosterError> {
        let lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        let mut delimiter = None;
        let mut rows = Vec::new();
        let mut fence: Option<&str> = None;
        let mut in_table = false;
        for (position, line) in lines.iter().enumerate() {
            let line = line.trim();
            let mark = ["```", "~~~"]
                .into_iter()
                .find(|mark| line.starts_with(mark));
            if mark.is_some() && (fence.is_none() || fence == mark) {
                fence = if fence.is_none() { mark } else { None };
                in_table = false;
            } else if fence.is_none()
                && is_header(line)
                && lines
                    .get(position + 1)
                    .is_some_and(|next| is_delimiter(next.trim()))
            {
                if delimiter.is_some() {
                    return Err(RosterError::SecondTable(position + 1));
                }
                delimiter = Some(position + 1);
                in_table = true;
            } else if in_table && delimiter != Some(position) {
                in_table = line.starts_with('|');
                if in_table {
                    rows.push((position, row(line).ok_or(RosterError::Cells(position + 1))?));
                }
            }
        }
        Ok(Self {
            lines,
            delimiter: delimiter.ok_or(RosterError::NoTable)?,
            rows,
        })
    }

    /// The whole file.
    #[must_use]
    pub fn render(&self) -> String {
        self.lines.concat()
    }

    /// Rows with their lines, in file order.
    pub fn rows(&self) -> impl Iterator<Item = (usize, &RosterRow)> {
        self.rows.iter().map(|(position, row)| (position + 1, row))
    }

    /// The row of exactly this key, with its line.
    #[must_use]
    pub fn get(&self, recipient: &str) -> Option<(usize, &RosterRow)> {
        self.rows().find(|(_, row)| row.recipient == recipient)
    }

    /// The row of a key, a unique prefix of one, a name or a mail.
    ///
    /// # Errors
    /// [`WhoError`]: nobody, or more than one.
    pub fn find(&self, who: &str) -> Result<&RosterRow, WhoError> {
        let known: Vec<(&str, &str)> = self
            .rows
            .iter()
            .map(|(_, row)| (row.recipient.as_str(), row.name.as_str()))
            .collect();
        let recipient = resolve_who(who, &known)?;
        let found = self
            .rows
            .iter()
            .map(|(_, row)| row)
            .find(|row| row.recipient == recipient);
        found.ok_or_else(|| WhoError::Nobody(who.to_owned()))
    }

    /// Adds a row behind the last one.
    ///
    /// # Errors
    /// [`RosterError`]: the key has a row, or a cell is not one line of text.
    pub fn add_row(&mut self, row: RosterRow) -> Result<(), RosterError> {
        let row = checked(row)?;
        if self.get(&row.recipient).is_some() {
            return Err(RosterError::Exists(row.recipient));
        }
        let last = self
            .rows
            .last()
            .map_or(self.delimiter, |(position, _)| *position);
        let newline = if self.lines[self.delimiter].ends_with("\r\n") {
            "\r\n"
        } else {
            "\n"
        };
        if !self.lines[last].ends_with('\n') {
            self.lines[last].push_str(newline);
        }
        self.lines.insert(last + 1, line(&row) + newline);
        self.rows.push((last + 1, row));
        Ok(())
    }

    /// Takes out every row of a key.
    ///
    /// # Errors
    /// [`RosterError::Missing`]
    pub fn remove_row(&mut self, recipient: &str) -> Result<(), RosterError> {
        let missing = || RosterError::Missing(recipient.to_owned());
        self.get(recipient).ok_or_else(missing)?;
        while let Some(index) = self
            .rows
            .iter()
            .position(|(_, row)| row.recipient == recipient)
        {
            let (position, _) = self.rows.remove(index);
            self.lines.remove(position);
            for (later, _) in self.rows.iter_mut().skip(index) {
                *later -= 1;
            }
        }
        Ok(())
    }

    /// Changes the name of a key; its other cells stay.
    ///
    /// # Errors
    /// [`RosterError`]: the key has no row, or the name is not one line of text.
    pub fn rename(&mut self, recipient: &str, name: &str) -> Result<(), RosterError> {
        self.change(recipient, name, None)
    }

    /// Changes the name of a key, and the role where one is given; its other cells stay.
    ///
    /// # Errors
    /// As [`Self::rename`].
    pub fn change(
        &mut self,
        recipient: &str,
        name: &str,
        role: Option<&str>,
    ) -> Result<(), RosterError> {
        let found = self
            .rows
            .iter_mut()
            .find(|(_, row)| row.recipient == recipient);
        let (position, row) = found.ok_or_else(|| RosterError::Missing(recipient.to_owned()))?;
        let role = role.unwrap_or(&row.role).to_owned();
        *row = checked(RosterRow {
            name: name.to_owned(),
            role,
            ..row.clone()
        })?;
        let old = &self.lines[*position];
        let ending = &old[old.trim_end_matches(['\r', '\n']).len()..];
        self.lines[*position] = line(row) + ending;
        Ok(())
    }
}

fn checked(row: RosterRow) -> Result<RosterRow, RosterError> {
    let check = |what: &'static str, text: &str, may_be_empty: bool| {
        let good = !text.chars().any(is_unprintable);
        let text = text.trim();
        let good = good && (may_be_empty || !text.is_empty());
        if good {
            Ok(text.to_owned())
        } else {
            Err(RosterError::Text(what))
        }
    };
    let key = check("key", &row.recipient, false)?;
    if key.contains('`') {
        return Err(RosterError::Text("key"));
    }
    Ok(RosterRow {
        recipient: key,
        name: check("name", &row.name, false)?,
        role: check("role", &row.role, true)?,
        onboarded: check("date", &row.onboarded, true)?,
    })
}

/// Controls, line separators, and the marks that turn the direction of a line.
pub(super) fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn line(row: &RosterRow) -> String {
    let cells = [&row.recipient, &row.name, &row.role, &row.onboarded].map(|text| escape(text));
    format!("| {} |", cells.join(" | "))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        // `_` between letters is no emphasis
        let inside =
            before.is_alphanumeric() && rest.peek().is_some_and(|next| next.is_alphanumeric());
        if "\\|`<*[]&~".contains(character) || (character == '_' && !inside) {
            escaped.push('\\');
        }
        escaped.push(character);
        before = character;
    }
    escaped
}

/// Cells of a line, with their escapes undone and the blanks around them gone.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut characters = line
        .trim()
        .strip_prefix('|')
        .unwrap_or(line)
        .chars()
        .peekable();
    while let Some(character) = characters.next() {
        let escaped = characters
            .peek()
            .copied()
            .filter(char::is_ascii_punctuation);
        match (character, escaped, cells.last_mut()) {
            ('\\', Some(next), Some(cell)) => {
                cell.push(next);
                characters.next();
            }
            ('|', _, _) => cells.push(String::new()),
            (_, _, Some(cell)) => cell.push(character),
            (_, _, None) => {}
        }
    }
    // the closing bar leaves an empty cell behind it
    if cells.len() > 1 && cells.last().is_some_and(|cell| cell.trim().is_empty()) {
        cells.pop();
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

fn row(line: &str) -> Option<RosterRow> {
    let mut cells = cells(line);
    if !(2..=HEADER.len()).contains(&cells.len()) {
        return None;
    }
    // Markdown shows missing cells as empty ones
    cells.resize(HEADER.len(), String::new());
    let [recipient, name, role, onboarded] = <[String; 4]>::try_from(cells).ok()?;
    let bare = recipient
        .strip_prefix('`')
        .and_then(|key| key.strip_suffix('`'))
        .map(str::to_owned);
    Some(RosterRow {
        recipient: bare.unwrap_or(recipient),
        name,
        role,
        onboarded,
    })
}

fn is_header(line: &str) -> bool {
    let cells = cells(line);
    cells.len() == HEADER.len()
        && cells
            .iter()
            .zip(HEADER)
            .all(|(cell, name)| cell.eq_ignore_ascii_case(name))
}

fn is_delimiter(line: &str) -> bool {
    let cells = cells(line);
    let dashes = |cell: &String| {
        let body = cell.strip_prefix(':').unwrap_or(cell);
        let body = body.strip_suffix(':').unwrap_or(body);
        !body.is_empty() && body.bytes().all(|byte| byte == b'-')
    };
    cells.len() == HEADER.len() && cells.iter().all(dashes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ana() -> RosterRow {
        RosterRow {
            recipient: "age1ana".into(),
            name: "Ana Silva <ana@example.com>".into(),
            role: "owner".into(),
            onboarded: "2026-01-10".into(),
        }
    }

    fn bob() -> RosterRow {
        RosterRow {
            recipient: "age1bob".into(),
            name: "Bob".into(),
            role: String::new(),
            onboarded: String::new(),
        }
    }

    #[test]
    fn a_new_roster_shows_names_as_they_are() {
        let mut roster = Roster::new();
        roster.add_row(ana()).unwrap();
        roster.add_row(bob()).unwrap();
        let text = roster.render();
        assert!(text.ends_with(
            "\n| Public key | Name | Role | Onboarded |\n|---|---|---|---|\n| age1ana | Ana Silva \\<ana@example.com> | owner | 2026-01-10 |\n| age1bob | Bob |  |  |\n"
        ), "{text}");
        assert_eq!(Roster::parse(&text).unwrap(), roster);
    }

    #[test]
    fn rows_by_hand_read_the_same_and_the_text_around_stays() {
        let text = "# Team\r\n\r\n```\n| Public key | Name | Role | Onboarded |\n|---|---|---|---|\n| age1no | no | | |\n```\n| public key | NAME | Role | Onboarded |\r\n|:--|:-:|--:|-|\r\n|`age1ana`|Ana Silva <ana@example.com>|owner|2026-01-10|\r\n| age1bob | Bob | | \r\n\r\nask **Ana** | for more\r\n";
        let mut roster = Roster::parse(text).unwrap();
        assert_eq!(
            roster.rows().collect::<Vec<_>>(),
            [(10, &ana()), (11, &bob())]
        );
        assert_eq!(roster.render(), text);
        roster.rename("age1bob", "Bob | B. <b@x>").unwrap();
        roster
            .add_row(RosterRow {
                recipient: "age1ci".into(),
                name: "CI".into(),
                ..bob()
            })
            .unwrap();
        let expected = text.replace(
            "| age1bob | Bob | | \r\n",
            "| age1bob | Bob \\| B. \\<b@x> |  |  |\r\n| age1ci | CI |  |  |\r\n",
        );
        assert_eq!(roster.render(), expected);
        roster.remove_row("age1bob").unwrap();
        assert_eq!(roster.get("age1ci").map(|(line, _)| line), Some(11));
        roster.remove_row("age1ci").unwrap();
        assert_eq!(
            roster.render(),
            text.replace("| age1bob | Bob | | \r\n", "")
        );
        assert_eq!(Roster::parse(&roster.render()).unwrap(), roster);
    }

    #[test]
    fn a_table_at_the_end_without_a_line_break_takes_a_row() {
        let mut roster =
            Roster::parse("| Public key | Name | Role | Onboarded |\n|---|---|---|---|").unwrap();
        roster.add_row(bob()).unwrap();
        assert_eq!(Roster::parse(&roster.render()).unwrap(), roster);
    }

    #[test]
    fn what_is_not_one_table_of_at_most_four_cells_is_refused() {
        let table = "| Public key | Name | Role | Onboarded |\n|---|---|---|---|\n";
        for (text, error) in [
            (String::new(), RosterError::NoTable),
            ("| Key | Name |\n|---|---|\n".into(), RosterError::NoTable),
            (format!("{table}\n{table}"), RosterError::SecondTable(4)),
            (format!("{table}| a |\n"), RosterError::Cells(3)),
            (
                format!("{table}| a | b | c | d |\n| a | b|b | c | d |\n"),
                RosterError::Cells(4),
            ),
        ] {
            assert_eq!(Roster::parse(&text).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn a_name_is_one_line() {
        for name in [
            "",
            "  ",
            "a\nb",
            "a\rb",
            "a\u{1b}[2J",
            "a\u{202e}b",
            "a\u{2028}b",
            "a\0",
        ] {
            let row = RosterRow {
                name: name.into(),
                ..bob()
            };
            assert_eq!(
                Roster::new().add_row(row),
                Err(RosterError::Text("name")),
                "{name:?}"
            );
        }
        let mut roster = Roster::new();
        roster.add_row(bob()).unwrap();
        assert_eq!(
            roster.add_row(bob()),
            Err(RosterError::Exists("age1bob".into()))
        );
        assert_eq!(
            roster.remove_row("age1x"),
            Err(RosterError::Missing("age1x".into()))
        );
        assert_eq!(
            roster.rename("age1bob", "a\nb"),
            Err(RosterError::Text("name"))
        );
        assert_eq!(roster.get("age1bob"), Some((9, &bob())));
    }

    #[test]
    fn a_person_is_found_by_key_prefix_name_or_mail() {
        let mut roster = Roster::new();
        roster.add_row(ana()).unwrap();
        roster.add_row(bob()).unwrap();
        for who in [
            "age1ana",
            "age1a",
            "ana silva",
            "ANA@example.com",
            "Ana Silva <ana@example.com>",
        ] {
            assert_eq!(roster.find(who), Ok(&ana()), "{who}");
        }
        assert!(matches!(
            roster.find("age1"),
            Err(WhoError::Ambiguous { .. })
        ));
        assert!(matches!(roster.find("carol"), Err(WhoError::Nobody(_))));
    }

    proptest! {
        #[test]
        fn any_name_reads_back(name in r"([^\p{C}]|[|\\`<>*_&~\[\] ]){1,30}", role in r"[^\p{C}]{0,12}") {
            let row = RosterRow { name, role, ..ana() };
            let Ok(expected) = checked(row.clone()) else { return Ok(()) };
            let mut roster = Roster::new();
            roster.add_row(bob()).unwrap();
            roster.add_row(row).unwrap();
            let read = Roster::parse(&roster.render()).unwrap();
            prop_assert_eq!(&read, &roster);
            prop_assert_eq!(read.get("age1ana").map(|(_, row)| row), Some(&expected));
        }

        #[test]
        fn no_text_panics(text in r"[|\\`~a\-:\n ]{0,80}") {
            let table = format!("| Public key | Name | Role | Onboarded |\n|---|---|---|---|\n{text}");
            if let Ok(roster) = Roster::parse(&table) {
                prop_assert_eq!(roster.render(), table);
            }
        }
    }
}
