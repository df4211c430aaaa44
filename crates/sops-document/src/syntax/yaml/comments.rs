//! Comments, first half: libyaml drops them, so they are found in the gaps between tokens, and each
//! block of them is judged as the scanner of go-yaml v3 judges it: a head of what follows, a foot
//! of what went before, or a line comment of the token it stands behind.
//!
//! Why so exactly: sops encrypts a comment with the path of its container as additional data, so
//! the container must be the one that sops sees. `placing` then puts them into the tree.

use std::ops::Range;

use super::events::{TokenKind, YamlToken};
use crate::tree::{Style, SyntaxError};

/// Comments cost memory like values and are bounded like them.
const MAX_COMMENTS: usize = 200_000;
/// go-yaml looks this many bytes ahead of a comment for the next one.
const LOOKAHEAD: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Head,
    Line,
    Foot,
}

/// Comment lines that belong together.
#[derive(Debug)]
pub(super) struct Remark {
    pub(super) role: Role,
    /// They are handed to the first token that starts here or later.
    pub(super) token: usize,
    /// From the `#` to the end of each line.
    pub(super) lines: Vec<Range<usize>>,
    /// The column (from 1) of the first.
    column: usize,
    /// Where the first starts, where the search for them began, and where it ended.
    start: usize,
    scan: usize,
    end: usize,
}

/// All remarks of the text in the order in which go-yaml meets them. The ends of blocks move: a
/// block ends before the comments that follow it in its own column.
///
/// # Errors
/// When there are more than any author writes.
pub(super) fn find(source: &str, tokens: &mut [YamlToken]) -> Result<Vec<Remark>, SyntaxError> {
    let mut finder = Finder {
        source,
        bytes: source.as_bytes(),
        first_break: source.find(is_break_char).unwrap_or(source.len()),
        remarks: Vec::new(),
        indents: Vec::new(),
        flow: 0,
        at: 0,
        scanned: 0,
    };
    let mut gap = 0;
    for index in 0..tokens.len() {
        // ends and starts of blocks have no width: the scanner makes them up when it meets the next
        // real token, after the comments before that token
        let made_up = match tokens[index].kind {
            TokenKind::BlockEnd | TokenKind::BlockListStart | TokenKind::BlockMapStart => true,
            TokenKind::Key => tokens[index].start == tokens[index].end,
            _ => false,
        };
        if !made_up {
            finder.token(tokens, gap, index);
            gap = index + 1;
        }
        if finder.scanned > MAX_COMMENTS {
            let what = format!("more than {MAX_COMMENTS} comments");
            return Err(SyntaxError::at(source, tokens[index].start, what));
        }
    }
    Ok(finder.remarks)
}

struct Finder<'a> {
    source: &'a str,
    bytes: &'a [u8],
    first_break: usize,
    remarks: Vec<Remark>,
    /// Columns of the open blocks.
    indents: Vec<usize>,
    flow: usize,
    /// How far the scanner has read.
    at: usize,
    scanned: usize,
}

impl Finder<'_> {
    /// Reads the real token at `index`; those from `gap` to it are made up with it.
    fn token(&mut self, tokens: &mut [YamlToken], gap: usize, index: usize) {
        let scan = self.at;
        self.gap(scan, tokens, gap, tokens[index].start);
        self.close(tokens, gap, index, scan);
        for token in &tokens[gap..index] {
            match token.kind {
                TokenKind::BlockListStart | TokenKind::BlockMapStart => {
                    self.indents.push(token.column)
                }
                _ => {}
            }
        }
        let token = &tokens[index];
        self.at = self.behind(token);
        match token.kind {
            TokenKind::FlowListStart | TokenKind::FlowMapStart => self.flow += 1,
            TokenKind::FlowListEnd | TokenKind::FlowMapEnd => {
                self.flow = self.flow.saturating_sub(1)
            }
            TokenKind::Stream
            | TokenKind::Directive
            | TokenKind::DocumentStart
            | TokenKind::DocumentEnd
            | TokenKind::BlockEntry => return,
            _ => {}
        }
        let of_prior = match token.kind {
            TokenKind::Value => self.flow == 0,
            TokenKind::FlowEntry => true,
            _ => false,
        };
        let owner = if of_prior {
            last(tokens, index)
        } else {
            token.start
        };
        if let TokenKind::Scalar(Style::Block) = token.kind {
            let header = self.bytes[token.start..]
                .iter()
                .position(|byte| matches!(byte, b'#' | b'\n' | b'\r'))
                .map(|at| token.start + at);
            if let Some(at) = header.filter(|at| self.bytes[*at] == b'#') {
                self.line_comment(at, token.start);
            }
        }
        if self.breaks_before(self.at) == 0 {
            let blanks = self.bytes[self.at..].iter().take(LOOKAHEAD);
            let at = self.at + blanks.take_while(|byte| is_blank(**byte)).count();
            if self.bytes.get(at) == Some(&b'#') {
                self.at = self.line_comment(at, owner);
            }
        }
    }

    fn line_comment(&mut self, at: usize, owner: usize) -> usize {
        let end = self.line_end(at);
        self.scanned += 1;
        self.remarks.push(Remark {
            role: Role::Line,
            token: owner,
            lines: std::iter::once(at..end).collect(),
            column: self.column(at) + 1,
            start: at,
            scan: 0,
            end: 0,
        });
        end
    }

    /// Where the scanner stands after a token: a plain scalar has eaten the blank lines behind it,
    /// and a block scalar the indentation of the next line.
    fn behind(&self, token: &YamlToken) -> usize {
        let rest = &self.source[token.end..];
        let blank = match token.kind {
            TokenKind::Scalar(Style::Plain) => rest
                .find(|c| !matches!(c, ' ' | '\t') && !is_break_char(c))
                .unwrap_or(rest.len()),
            TokenKind::Scalar(Style::Block) => rest.len() - rest.trim_start_matches(' ').len(),
            _ => 0,
        };
        token.end + blank
    }

    /// The comments up to the next token.
    fn gap(&mut self, scan: usize, tokens: &[YamlToken], gap: usize, end: usize) {
        let mut at = self.at;
        while at < end {
            match self.bytes[at] {
                b'#' => at = self.comments(scan, at, tokens, gap),
                _ => at += 1,
            }
        }
        self.at = end.max(self.at);
    }

    /// A run of comment lines; answers where its last line ends.
    fn comments(&mut self, scan: usize, from: usize, tokens: &[YamlToken], gap: usize) -> usize {
        let owner = gap.checked_sub(1);
        let breaks = self.breaks_before(from);
        let own_line = if breaks == 0 && self.column(from) > 1 {
            2
        } else {
            1
        };
        let mut run = Run {
            scan,
            token: owner.map_or(0, |owner| match tokens[owner].kind {
                TokenKind::FlowEntry => last(tokens, owner),
                _ => tokens[owner].start,
            }),
            after_value: owner.is_some_and(|owner| tokens[owner].kind == TokenKind::Value),
            indent: self.indents.last().copied().unwrap_or(0),
            foot_line: (scan > self.first_break).then(|| own_line - to_signed(breaks)),
            first_empty: breaks <= 1,
            recent_empty: false,
            line: 0,
            true_line: 0,
            column: self.column(from),
            lines: Vec::new(),
            start: 0,
            start_line: 0,
            start_column: 0,
        };
        let (mark, end) = self.gather(&mut run, from);
        if !run.lines.is_empty() {
            let token = run.start;
            self.push(&mut run, Role::Head, token, end.saturating_sub(1));
        }
        mark.max(from + 1)
    }

    /// Reads comment lines, and hands out as feet those that end before the run does. Answers where
    /// the last line ends and where the scanner stopped to look.
    fn gather(&mut self, run: &mut Run, from: usize) -> (usize, usize) {
        let (mut mark, mut peek) = (from, 0);
        while peek < LOOKAHEAD {
            let at = mark + peek;
            let byte = self.bytes.get(at).copied().unwrap_or(0);
            // go-yaml looks at bytes here, so that CR LF counts as two breaks
            let breaks = self.break_length(at) > 0;
            let closes = self.flow > 0 && matches!(byte, b']' | b'}');
            run.column += 1;
            peek += 1;
            if is_blank(byte) {
                continue;
            }
            if closes || breaks || byte == 0 {
                if (closes || !run.recent_empty) && run.ends_as_foot(closes) {
                    self.foot(run, at, true);
                }
                if !breaks {
                    peek -= 1;
                    break;
                }
                run.next_line();
                continue;
            }
            if !run.lines.is_empty()
                && run.column - 1 < run.indent
                && run.column != run.start_column
            {
                self.foot(run, at, false);
            }
            if byte != b'#' {
                peek -= 1;
                break;
            }
            if run.lines.is_empty() {
                (run.start, run.start_line, run.start_column) = (at, run.line, run.column);
            }
            let end = self.line_end(at);
            run.lines.push(at..end);
            self.scanned += 1;
            run.recent_empty = false;
            run.true_line += to_signed(count_breaks(&self.source[mark..at]));
            run.line = run.true_line;
            run.column = 0;
            // from the end of the text on; its line break is not looked at
            (mark, peek) = (end, 1);
        }
        (mark, mark + peek)
    }

    fn foot(&mut self, run: &mut Run, at: usize, split: bool) {
        if run.lines.is_empty() {
            return;
        }
        // further out than the block it follows, it has nothing to do with the token before it
        let dedented = split && run.start_column <= run.indent;
        let token = if dedented { run.start } else { run.token };
        self.push(run, Role::Foot, token, at);
        (run.scan, run.token) = (at, at);
    }

    fn push(&mut self, run: &mut Run, role: Role, token: usize, end: usize) {
        self.remarks.push(Remark {
            role,
            token,
            lines: std::mem::take(&mut run.lines),
            column: run.start_column,
            start: run.start,
            scan: run.scan,
            end,
        });
    }

    /// Gives the ends of blocks before the token at `index` their places.
    fn close(&mut self, tokens: &mut [YamlToken], gap: usize, index: usize, scan: usize) {
        // the end of the text counts as a new line, but not for the blocks that are still open
        // there
        let target = match tokens[index].kind {
            TokenKind::Stream => self.column(tokens[index].start),
            _ => tokens[index].column,
        };
        let outermost = matches!(
            tokens[index].kind,
            TokenKind::Stream
                | TokenKind::DocumentStart
                | TokenKind::DocumentEnd
                | TokenKind::Directive
        );
        let mut place = to_signed(scan) - 1;
        let mut at_token = false;
        let token_place = to_signed(tokens[index].start) - 1;
        for token in &mut tokens[gap..index] {
            if token.kind != TokenKind::BlockEnd {
                continue;
            }
            let Some(indent) = self.indents.pop() else {
                continue;
            };
            if outermost && !at_token && indent <= target {
                (place, at_token) = (token_place, true);
            }
            let mut stop = place;
            for remark in self.remarks.iter().rev() {
                if to_signed(remark.end) < stop {
                    break;
                }
                if remark.column == indent + 1 {
                    place = to_signed(remark.start);
                }
                stop = to_signed(remark.scan);
            }
            token.start = usize::try_from(place).unwrap_or(0);
        }
    }

    fn line_end(&self, at: usize) -> usize {
        self.source[at..]
            .find(is_break_char)
            .map_or(self.source.len(), |length| at + length)
    }

    /// Bytes of the line break at `at`, 0 when there is none.
    fn break_length(&self, at: usize) -> usize {
        match self.bytes.get(at..).unwrap_or_default() {
            [b'\r', b'\n', ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            [0xc2, 0x85, ..] => 2,
            [0xe2, 0x80, 0xa8 | 0xa9, ..] => 3,
            _ => 0,
        }
    }

    /// Line breaks since the last character that is not blank.
    fn breaks_before(&self, at: usize) -> usize {
        let before = &self.source[..at];
        let blank = |c: char| matches!(c, ' ' | '\t') || is_break_char(c);
        let gap = &before[before.trim_end_matches(blank).len()..];
        count_breaks(gap)
    }

    fn column(&self, at: usize) -> usize {
        self.source[..at]
            .chars()
            .rev()
            .take_while(|c| !is_break_char(*c))
            .count()
    }
}

/// Comment lines that are being gathered.
struct Run {
    scan: usize,
    token: usize,
    after_value: bool,
    indent: usize,
    /// The line on which a comment is still right below what went before; lines count from the
    /// first comment.
    foot_line: Option<isize>,
    first_empty: bool,
    recent_empty: bool,
    line: isize,
    true_line: isize,
    column: usize,
    lines: Vec<Range<usize>>,
    start: usize,
    start_line: isize,
    start_column: usize,
}

impl Run {
    /// At the first empty line: what was gathered right below the last content belongs to that.
    fn ends_as_foot(&self, closes: bool) -> bool {
        let below = self.foot_line == Some(self.start_line) && !self.after_value;
        closes || self.first_empty && (below || self.start_column <= self.indent)
    }

    fn next_line(&mut self) {
        self.first_empty = false;
        self.recent_empty = true;
        self.column = 0;
        self.line += 1;
    }
}

fn count_breaks(text: &str) -> usize {
    text.chars().filter(|c| is_break_char(*c)).count() - text.matches("\r\n").count()
}

/// The start of the last token before `index` that the scanner reads itself.
fn last(tokens: &[YamlToken], index: usize) -> usize {
    index
        .checked_sub(1)
        .map_or(0, |before| tokens[before].start)
}

fn to_signed(value: usize) -> isize {
    isize::try_from(value).unwrap_or(isize::MAX)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

pub(super) fn is_break_char(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}
