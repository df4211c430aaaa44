//! Random YAML in the hand of many authors: indentation, quotes, comments, blank lines, block and
//! flow style, anchors and aliases, several documents.

use crate::dice::Dice;
use crate::scalars::{PLAIN, yaml_text};

pub struct Author<'a> {
    dice: &'a mut Dice,
    out: String,
    keys: usize,
    anchors: Vec<String>,
    budget: usize,
    newline: &'static str,
}

/// A YAML text with about `values` values.
pub fn document(dice: &mut Dice, values: usize) -> String {
    let newline = if dice.often(8) { "\r\n" } else { "\n" };
    let mut author = Author {
        dice,
        out: String::new(),
        keys: 0,
        anchors: Vec::new(),
        budget: values,
        newline,
    };
    author.whole();
    let out = author.out;
    if newline == "\n" {
        out
    } else {
        out.replace('\n', newline)
    }
}

impl Author<'_> {
    fn whole(&mut self) {
        let documents = if self.dice.often(25) {
            2 + self.dice.below(3)
        } else {
            1
        };
        let share = self.budget / documents;
        for index in 0..documents {
            self.budget = share;
            self.anchors.clear();
            // the same paths as in the document before
            if self.dice.often(30) {
                self.keys = 0;
            }
            if index > 0 || self.dice.often(15) {
                self.comments(0);
                self.out.push_str("---\n");
            }
            if index > 0 && self.dice.often(15) {
                // a document of comments, or of nothing
            } else if self.dice.often(4) {
                self.flow_root();
            } else {
                while self.budget > 0 {
                    self.entries(0, 0);
                }
            }
            self.comments(0);
        }
        if self.dice.often(10) && self.newline == "\n" {
            let kept = self.out.trim_end_matches('\n').len();
            self.out.truncate(kept);
        }
    }

    fn flow_root(&mut self) {
        let text = self.flow(0, true);
        self.out.push_str(&text);
        self.out.push('\n');
        self.budget = 0;
    }

    fn key(&mut self) -> String {
        self.keys += 1;
        let name = *self.dice.pick(&[
            "key",
            "data",
            "pass word",
            "a.b",
            "k-x",
            "ключ",
            "x_unencrypted",
        ]);
        let name = format!("{name}{}", self.keys);
        match self.dice.below(12) {
            0 => format!("\"{name}\""),
            1 => format!("'{name}'"),
            2 => format!("\"{name}: #\""),
            _ => name,
        }
    }

    /// Some entries of a block map at a column.
    fn entries(&mut self, column: usize, depth: usize) {
        let count = 1 + self.dice.below(5);
        for index in 0..count {
            if index > 0 {
                self.blank_lines();
                self.comments(column);
            }
            self.indent(column);
            self.entry(column, depth);
        }
    }

    fn entry(&mut self, column: usize, depth: usize) {
        let key = self.key();
        self.out.push_str(&key);
        self.out.push(':');
        self.value(column, depth, true);
    }

    fn indent(&mut self, column: usize) {
        self.out.push_str(&" ".repeat(column));
    }

    fn blank_lines(&mut self) {
        if self.dice.often(15) {
            let lines = 1 + self.dice.below(2);
            self.out.push_str(&"\n".repeat(lines));
        }
    }

    /// Comment lines, mostly at the column, with blank lines around and between.
    fn comments(&mut self, column: usize) {
        if !self.dice.often(25) {
            return;
        }
        for _ in 0..1 + self.dice.below(3) {
            let shift = match self.dice.below(8) {
                0 => column + 2,
                1 => column.saturating_sub(2),
                2 => 0,
                _ => column,
            };
            self.indent(shift);
            let text = self.comment_text();
            self.out.push_str(&text);
            self.out.push('\n');
            self.blank_lines();
        }
    }

    fn comment_text(&mut self) -> String {
        let number = self.dice.below(1000);
        match self.dice.below(8) {
            // sops turns an empty comment in an encrypted list into an empty value
            0 if self.dice.often(20) => "#".into(),
            0 => "#-".into(),
            1 => format!("#c{number}"),
            2 => format!("## c{number} # x"),
            3 => format!("# é \"c{number}\" "),
            _ => format!("# c{number}"),
        }
    }

    /// The rest of a line, with a comment now and then.
    fn end_line(&mut self) {
        if self.dice.often(12) {
            let text = self.comment_text();
            self.out.push(' ');
            self.out.push_str(&text);
        }
        self.out.push('\n');
    }

    /// What stands behind `key:` or `-`.
    fn value(&mut self, column: usize, depth: usize, in_map: bool) {
        self.budget = self.budget.saturating_sub(1);
        let nested = depth < 5 && self.budget > 2;
        match self.dice.below(20) {
            0..=2 if nested && in_map => {
                self.anchor();
                self.end_line();
                let step = *self.dice.pick(&[1, 2, 2, 4, 4, 3]);
                self.comments(column + step);
                self.entries(column + step, depth + 1);
            }
            0..=2 if nested => {
                let lead = 1 + self.dice.below(2);
                self.out.push_str(&" ".repeat(lead));
                self.entry(column + 1 + lead, depth + 1);
                for _ in 0..self.dice.below(3) {
                    self.comments(column + 1 + lead);
                    self.indent(column + 1 + lead);
                    self.entry(column + 1 + lead, depth + 1);
                }
            }
            3..=4 if nested => {
                self.end_line();
                let step = if in_map {
                    *self.dice.pick(&[0, 0, 2, 4])
                } else {
                    2
                };
                self.comments(column + step);
                self.list(column + step, depth + 1);
            }
            5 if nested => {
                let text = self.flow(column + 2, false);
                self.out.push(' ');
                self.out.push_str(&text);
                // sops loses the comments of an empty map
                if text == "{}" {
                    self.out.push('\n')
                } else {
                    self.end_line()
                }
            }
            6 => self.block_scalar(column),
            7 if !self.anchors.is_empty() => {
                let name = self.dice.pick(&self.anchors).clone();
                self.out.push_str(&format!(" *{name}"));
                self.end_line();
            }
            _ => {
                let text = self.scalar(false);
                if !text.is_empty() {
                    self.out.push(' ');
                    self.out.push_str(&text);
                }
                self.end_line();
            }
        }
    }

    fn anchor(&mut self) {
        if self.dice.often(10) {
            let name = format!("m{}", self.keys);
            self.out.push_str(&format!(" &{name}"));
            // usable only behind its end; the alias picks are random, so those inside are refused
            if self.dice.often(50) {
                self.out.truncate(self.out.len() - name.len() - 2);
            }
        }
    }

    fn list(&mut self, column: usize, depth: usize) {
        for index in 0..1 + self.dice.below(4) {
            if index > 0 {
                self.blank_lines();
                self.comments(column);
            }
            self.indent(column);
            self.out.push('-');
            self.value(column, depth, false);
        }
    }

    fn block_scalar(&mut self, column: usize) {
        let chomp = *self.dice.pick(&["", "", "-", "+"]);
        let sign = *self.dice.pick(&["|", "|", ">"]);
        self.out.push_str(&format!(" {sign}{chomp}"));
        self.end_line();
        let step = 1 + self.dice.below(4);
        for _ in 0..1 + self.dice.below(4) {
            let line = *self.dice.pick(&[
                "line one",
                "# not a comment",
                "key: value",
                "  deeper",
                "- x",
                "end ",
            ]);
            let line = if self.out.ends_with([':', '\n']) && line.starts_with(' ') && step < 2 {
                "x"
            } else {
                line
            };
            self.indent(column + step);
            let first = self
                .out
                .trim_end_matches(' ')
                .ends_with(&format!("{sign}{chomp}\n"));
            self.out
                .push_str(if first { line.trim_start() } else { line });
            self.out.push('\n');
            if self.dice.often(15) {
                self.out.push('\n');
            }
        }
    }

    fn flow(&mut self, column: usize, map: bool) -> String {
        let is_map = map || self.dice.often(50);
        let many = self.dice.often(30);
        let count = self.dice.below(4) + usize::from(map);
        let (open, close) = if is_map { ('{', '}') } else { ('[', ']') };
        let mut out = String::from(open);
        for index in 0..count {
            if index > 0 {
                out.push(',');
                if many && self.dice.often(20) {
                    out.push(' ');
                    out.push_str(&self.comment_text());
                }
                out.push_str(if many { "\n" } else { " " });
            } else if many {
                out.push('\n');
            }
            if many {
                out.push_str(&" ".repeat(column));
                if self.dice.often(15) {
                    out.push_str(&self.comment_text());
                    out.push('\n');
                    out.push_str(&" ".repeat(column));
                }
            }
            if is_map {
                out.push_str(&self.key());
                out.push_str(": ");
            }
            let nested = self.dice.often(15);
            out.push_str(&if nested {
                self.flow(column + 2, false)
            } else {
                self.scalar(true)
            });
            self.budget = self.budget.saturating_sub(1);
        }
        if many && count > 0 {
            out.push('\n');
            out.push_str(&" ".repeat(column.saturating_sub(2)));
        }
        out.push(close);
        out
    }

    fn scalar(&mut self, flow: bool) -> String {
        let anchor = if !flow && self.dice.often(4) {
            let name = format!("a{}x{}", self.keys, self.out.len());
            self.anchors.push(name.clone());
            format!("&{name} ")
        } else {
            String::new()
        };
        let text = match self.dice.below(12) {
            0 if !flow && anchor.is_empty() => return String::new(),
            1..=4 => {
                let plain = *self.dice.pick(&PLAIN);
                let risky = flow && plain.contains([':', '?', '#', ',']) && !self.dice.often(20);
                if risky {
                    "plain".into()
                } else {
                    plain.to_owned()
                }
            }
            5 => "word".into(),
            6 => {
                let text = yaml_text(self.dice);
                let simple = !text.contains(|c: char| c.is_control() || !(' '..='~').contains(&c));
                if simple {
                    format!("'{}'", text.replace('\'', "''"))
                } else {
                    double(&text)
                }
            }
            7 => {
                let application = if self.dice.often(3) {
                    "!custom x"
                } else {
                    "!!str yes"
                };
                let tags = [
                    "!!str 5",
                    "!!float 3",
                    "!!binary aGVsbG8=",
                    "! 5",
                    "! 'x'",
                    application,
                ];
                (*self.dice.pick(&tags)).to_owned()
            }
            _ => double(&yaml_text(self.dice)),
        };
        anchor + &text
    }
}

/// Double quotes with everything special escaped.
pub fn double(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            '\n' => "\\n".into(),
            '\t' => "\\t".into(),
            ' '..='~' | 'é' | 'я' | '中' => c.to_string(),
            c => format!("\\U{:08X}", u32::from(c)),
        })
        .collect();
    format!("\"{escaped}\"")
}
