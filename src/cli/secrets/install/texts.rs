//! Every command that some version of stax wrote into a git configuration. What is exactly one of
//! these, for whatever place of stax, is ours to replace and to take out; any other text is
//! somebody else's.

/// The version of what this stax writes into a clone: in the second line of a hook, in front of the
/// last word of a command. 2 is stax 0.1.0, 1 what came before. A new number for whatever changes
/// one of the texts.
pub(super) const VERSION: u32 = 3;
/// The place of stax in a text, quoted as the text needs it.
pub(super) const PLACE: &str = "@STAX@";
/// The key at the top level, as the heading of a hunk: of YAML and dotenv, then of indented JSON.
const XFUNCNAME: &str = "^\"?([A-Za-z_][^:=\"]*)\"?[ \t]*[:=]\n^[ \t]{1,4}\"([^\"]+)\"[ \t]*:";

/// Who wrote a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::secrets) enum Author {
    /// A stax that writes texts of this version, at most our own.
    Stax(u32),
    /// A stax to come. Its text is left to it.
    Newer,
    Other,
}

impl Author {
    pub(super) fn is_older(self) -> bool {
        matches!(self, Self::Stax(version) if version < VERSION)
    }
}

/// A command by which git starts stax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::secrets) enum Driver {
    Textconv,
    Merge,
    Filter,
}

/// A setting that goes with a command.
pub(super) struct Companion {
    pub(super) name: &'static str,
    pub(super) value: &'static str,
    /// Whether nothing else will do: a cache would put plaintext into the object store, and a guard
    /// that git does not require guards nothing.
    pub(super) is_forced: bool,
}

impl Driver {
    pub(super) const ALL: [Self; 3] = [Self::Textconv, Self::Merge, Self::Filter];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Textconv => "diff.stax.textconv",
            Self::Merge => "merge.stax.driver",
            Self::Filter => "filter.stax.process",
        }
    }

    pub(super) fn section(self) -> &'static str {
        match self {
            Self::Textconv => "diff.stax",
            Self::Merge => "merge.stax",
            Self::Filter => "filter.stax",
        }
    }

    /// What it is called where it was installed or removed.
    pub(in crate::cli::secrets) fn word(self) -> &'static str {
        match self {
            Self::Textconv => "diff driver",
            Self::Merge => "merge driver",
            Self::Filter => "guard",
        }
    }

    pub(super) fn companions(self) -> &'static [Companion] {
        const CACHE: Companion = Companion {
            name: "diff.stax.cachetextconv",
            value: "false",
            is_forced: true,
        };
        const HEADING: Companion = Companion {
            name: "diff.stax.xfuncname",
            value: XFUNCNAME,
            is_forced: false,
        };
        const NAME: Companion = Companion {
            name: "merge.stax.name",
            value: "stax: SOPS documents, key by key",
            is_forced: false,
        };
        const REQUIRED: Companion = Companion {
            name: "filter.stax.required",
            value: "true",
            is_forced: true,
        };
        match self {
            Self::Textconv => &[CACHE, HEADING],
            Self::Merge => &[NAME],
            Self::Filter => &[REQUIRED],
        }
    }

    /// Each text with its version; the last one is what this stax writes.
    fn texts(self) -> &'static [(u32, &'static str)] {
        match self {
            Self::Textconv => TEXTCONV,
            Self::Merge => MERGE,
            Self::Filter => FILTER,
        }
    }

    /// As this stax writes it.
    pub(super) fn text(self, program: &str) -> String {
        let (_, text) = self.texts()[self.texts().len() - 1];
        text.replace(PLACE, &self.quoted(program))
    }

    /// Within double quotes of a shell. git reads `%%` of a merge driver as `%`.
    fn quoted(self, program: &str) -> String {
        let quoted = quoted(program);
        if self == Self::Merge {
            quoted.replace('%', "%%")
        } else {
            quoted
        }
    }

    pub(super) fn author(self, text: &str) -> Author {
        let is = |template: &str| {
            let head = template.split(PLACE).next().unwrap_or_default();
            let place = text.strip_prefix(head).map(until_quote);
            place.is_some_and(|place| !place.is_empty() && template.replace(PLACE, place) == text)
        };
        let known = self.texts().iter().find(|(_, template)| is(template));
        match known {
            Some((version, _)) => Author::Stax(*version),
            None if version_after(text, "}; : stax-driver v")
                .is_some_and(|version| version > VERSION) =>
            {
                Author::Newer
            }
            None => Author::Other,
        }
    }
}

/// The number behind a mark.
pub(super) fn version_after(text: &str, mark: &str) -> Option<u32> {
    let (_, rest) = text.rsplit_once(mark)?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

fn quoted(program: &str) -> String {
    let mut quoted = String::with_capacity(program.len());
    for c in program.chars() {
        if matches!(c, '\\' | '"' | '$' | '`') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}

/// The inside of a double quoted word, up to the quote that ends it.
fn until_quote(text: &str) -> &str {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !is_escaped => return &text[..at],
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    ""
}

/// What several versions of a text share.
macro_rules! textconv {
    ($end:literal) => {
        concat!(
            r#"f(){ "@STAX@" git textconv -- "$1" 2>/dev/null || "#,
            r#"case $(stax --version 2>/dev/null </dev/null) in "stax "*) "#,
            r#"stax git textconv -- "$1" 2>/dev/null;; *) false;; esac || cat -- "$1"; }; "#,
            $end
        )
    };
}

macro_rules! only_stax {
    () => {
        r#"case $("$s" --version 2>/dev/null </dev/null) in "stax "*) ;; *) continue;; esac; "#
    };
}

macro_rules! merge {
    ($check:expr, $call:literal, $end:literal) => {
        concat!(
            r#"f(){ for s in "@STAX@" stax; do command -v "$s" >/dev/null 2>&1 || continue; "#,
            $check,
            $call,
            "; case $? in 0) return 0;; 1) return 1;; esac; done; ",
            r#"echo "stax: not found, $5 is merged as text" >&2; "#,
            r#"git merge-file --diff3 --marker-size "$4" -L "$7" -L "$6" -L "$8" "$2" "$1" "$3" "#,
            r#"&& { echo '<<<<<<< merged as text'; echo '======='; echo '>>>>>>> its MAC is wrong'; } >>"$2"; "#,
            "return 1; }; ",
            $end,
            " %O %A %B %L %P %S %X %Y"
        )
    };
}

macro_rules! exec_stax {
    () => {
        r#"case $(stax --version 2>/dev/null </dev/null) in "stax "*) exec stax git filter;; esac; "#
    };
}

macro_rules! filter {
    ($other:expr, $end:literal) => {
        concat!(
            r#"f(){ [ -x "@STAX@" ] && exec "@STAX@" git filter; "#,
            $other,
            r#"echo "stax: not found, and this clone is guarded; once without it: "#,
            r#"git -c filter.stax.process= -c filter.stax.required=false ..." >&2; return 1; }; "#,
            $end
        )
    };
}

/// git stops in the middle of a diff when a textconv fails, so this one ends with `cat`. A file may
/// be named like an option. Another program of the name stax would hide a change by printing
/// nothing: only one that says who it is gets asked.
const TEXTCONV: &[(u32, &str)] = &[
    (
        1,
        r#"f(){ "@STAX@" git textconv "$1" 2>/dev/null || stax git textconv "$1" 2>/dev/null || cat "$1"; }; f"#,
    ),
    (
        1,
        concat!(
            r#"f(){ "@STAX@" git textconv -- "$1" 2>/dev/null || "#,
            r#"stax git textconv -- "$1" 2>/dev/null || cat -- "$1"; }; f"#
        ),
    ),
    (2, textconv!("f")),
    (3, textconv!(": stax-driver v3; f")),
];

/// Where no stax answers with 0 or 1, git's own text merge leaves its markers: without them the
/// other side would be lost with the next `git add`. git reads `%%` as `%`. `--`: help for a file
/// of that name ends with 0, and then the other side would be lost too; so it would where another
/// program of that name ends with 0.
const MERGE: &[(u32, &str)] = &[
    (1, merge!("", r#""$s" git merge "$@""#, "f")),
    (1, merge!("", r#""$s" git merge -- "$@""#, "f")),
    (2, merge!(only_stax!(), r#""$s" git merge -- "$@""#, "f")),
    (
        3,
        merge!(
            only_stax!(),
            r#""$s" git merge -- "$@""#,
            ": stax-driver v3; f"
        ),
    ),
];

/// git keeps it running for all files of a command. Another stax than the installed one will do;
/// without any, git stops, and its own words would not say why.
const FILTER: &[(u32, &str)] = &[
    (
        1,
        r#"f(){ [ -x "@STAX@" ] && exec "@STAX@" git filter; exec stax git filter; }; f"#,
    ),
    (
        1,
        filter!(
            "command -v stax >/dev/null 2>&1 && exec stax git filter; ",
            "f"
        ),
    ),
    (2, filter!(exec_stax!(), "f")),
    (3, filter!(exec_stax!(), ": stax-driver v3; f")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_leave_its_quotes() {
        let hostile = r#"/a b/$(x)`y`"z\'/stax"#;
        let command = Driver::Textconv.text(hostile);
        assert!(
            command.starts_with(r#"f(){ "/a b/\$(x)\`y\`\"z\\'/stax" git textconv -- "$1""#),
            "{command}"
        );
        let driver = Driver::Merge.text("/a%Ob/$(x)/stax");
        assert!(
            driver.starts_with(r#"f(){ for s in "/a%%Ob/\$(x)/stax" stax; do "#),
            "{driver}"
        );
        assert!(
            driver.ends_with("return 1; }; : stax-driver v3; f %O %A %B %L %P %S %X %Y"),
            "{driver}"
        );
    }

    #[test]
    fn each_text_is_known_with_its_version_wherever_stax_was() {
        for driver in Driver::ALL {
            for program in [
                "/usr/bin/stax",
                r#"/a b/$(x)`y`"z\'/stax"#,
                r"/ends with \",
                "/100%/stax",
            ] {
                for (version, template) in driver.texts() {
                    let text = template.replace(PLACE, &driver.quoted(program));
                    assert_eq!(driver.author(&text), Author::Stax(*version), "{text}");
                    for changed in [format!("{text} "), text.replacen(" git ", " gut ", 1)] {
                        assert_eq!(driver.author(&changed), Author::Other, "{changed}");
                    }
                }
                let text = driver.text(program);
                assert_eq!(driver.author(&text), Author::Stax(VERSION));
                let newer = text.replace(": stax-driver v3; f", "x; }; : stax-driver v12; f");
                assert_eq!(driver.author(&newer), Author::Newer, "{newer}");
            }
        }
    }

    #[test]
    fn what_no_stax_wrote_is_somebody_elses() {
        for text in [
            "",
            "stax git textconv",
            r#"f(){ "/opt/stax" git textconv "$1" 2>/dev/null || cat "$1"; }; f"#,
            r#"f(){ "" git textconv "$1" 2>/dev/null || stax git textconv "$1" 2>/dev/null || cat "$1"; }; f"#,
            r#"f(){ "/a" git textconv "$1" 2>/dev/null || stax git textconv "$1" 2>/dev/null || cat "$1"; }; g"#,
        ] {
            assert_eq!(Driver::Textconv.author(text), Author::Other, "{text}");
        }
    }
}
