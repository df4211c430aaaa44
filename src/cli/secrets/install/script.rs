//! The text of the hooks: whole scripts, and the block that goes into a script of somebody else.

use super::block::{self, BEGIN, END};
use super::texts::{Author, PLACE, VERSION, version_after};

/// In the second line of a hook, with the version.
const MARK: &str = "# stax-hook v";
/// Stax 0.1.0 was the first to write into scripts of others.
const FIRST_BLOCK: u32 = 2;

/// A hook that stax has something to say in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum HookName {
    PreCommit,
    PreMergeCommit,
    PrePush,
    CommitMsg,
}

impl HookName {
    pub(in crate::cli) const ALL: [Self; 4] = [
        Self::PreCommit,
        Self::PreMergeCommit,
        Self::PrePush,
        Self::CommitMsg,
    ];

    pub(in crate::cli) fn text(self) -> &'static str {
        match self {
            Self::PreCommit => "pre-commit",
            Self::PreMergeCommit => "pre-merge-commit",
            Self::PrePush => "pre-push",
            Self::CommitMsg => "commit-msg",
        }
    }

    /// What a hook of somebody else must run.
    pub(in crate::cli) fn call(self) -> &'static str {
        match self {
            Self::PreCommit | Self::PreMergeCommit => "stax secrets verify --staged",
            Self::PrePush => "stax git hook pre-push \"$@\"",
            Self::CommitMsg => "stax git hook commit-msg \"$1\"",
        }
    }

    /// What happens without it.
    pub(in crate::cli) fn gap(self) -> &'static str {
        match self {
            Self::PreCommit => "`git commit` is not checked",
            Self::PreMergeCommit => "`git merge` is not checked",
            Self::PrePush => "`git push` is not checked",
            Self::CommitMsg => "`git commit -v` leaves its diff in COMMIT_EDITMSG",
        }
    }

    /// The hook as this stax writes it.
    pub(super) fn script(self, program: &str) -> String {
        let texts = self.texts();
        texts[texts.len() - 1]
            .1
            .replacen(PLACE, &quoted(program), 1)
    }

    /// The hook of each version that had one; the last one is what this stax writes.
    fn texts(self) -> &'static [(u32, &'static str)] {
        match self {
            Self::PreCommit => &[
                (1, include_str!("../../../../hooks/v1/pre-commit")),
                (2, include_str!("../../../../hooks/v2/pre-commit")),
                (3, include_str!("../../../../hooks/v3/pre-commit")),
            ],
            Self::PreMergeCommit => &[
                (2, include_str!("../../../../hooks/v2/pre-merge-commit")),
                (3, include_str!("../../../../hooks/v3/pre-merge-commit")),
            ],
            Self::PrePush => &[
                (2, include_str!("../../../../hooks/v2/pre-push")),
                (3, include_str!("../../../../hooks/v3/pre-push")),
            ],
            Self::CommitMsg => &[
                (2, include_str!("../../../../hooks/v2/commit-msg")),
                (3, include_str!("../../../../hooks/v3/commit-msg")),
            ],
        }
    }

    /// Who wrote a whole script: a stax to the last byte, for any place of stax. What somebody
    /// changed is theirs.
    pub(super) fn author(self, bytes: &[u8]) -> Author {
        author(
            self.texts()
                .iter()
                .map(|(version, text)| (*version, (*text).to_owned())),
            bytes,
        )
    }

    /// The same of a block in somebody else's script, without its surroundings.
    pub(super) fn block_author(self, bytes: &[u8]) -> Author {
        let texts = self
            .texts()
            .iter()
            .filter(|(version, _)| *version >= FIRST_BLOCK);
        author(
            texts.map(|(version, text)| (*version, self.block_of(*version, text))),
            bytes,
        )
    }

    /// The same for the inside of another script. It runs in a subshell, so that it changes nothing
    /// there.
    pub(super) fn block(self, program: &str) -> String {
        self.block_of(VERSION, &self.script(program))
    }

    fn block_of(self, version: u32, script: &str) -> String {
        let body = script.split_once("\n\n").map_or("", |(_, body)| body);
        let about = format!("{MARK}{version}: `stax secrets uninstall` takes this block out again");
        match self {
            Self::PreCommit | Self::PreMergeCommit => {
                format!("{BEGIN}\n{about}\n(\n{body}) || exit $?\n{END}\n")
            }
            Self::CommitMsg => format!("{BEGIN}\n{about}\n(\n{body}) || :\n{END}\n"),
            // the lines that git sends are for the rest of the script as well
            Self::PrePush => format!(
                "{BEGIN}\n{about}\nstax_refs=$(cat)\n(\n{body}) <<stax_refs || exit $?\n$stax_refs\nstax_refs\n\
                 if [ -n \"$stax_refs\" ]; then\nexec <<stax_refs\n$stax_refs\nstax_refs\n\
                 else\nexec </dev/null\nfi\nunset stax_refs\n{END}\n"
            ),
        }
    }

    /// Whether a script of somebody else runs what it must; a comment does not.
    pub(super) fn is_called_in(self, text: &[u8]) -> bool {
        let call = self.call().split(" \"").next().unwrap_or_default();
        let text = String::from_utf8_lossy(text);
        text.lines()
            .any(|line| !line.trim_start().starts_with('#') && line.contains(call))
    }
}

/// A word of the shell, whatever it holds.
fn quoted(program: &str) -> String {
    format!("'{}'", program.replace('\'', r"'\''"))
}

/// Which of these templates a text is.
fn author(templates: impl Iterator<Item = (u32, String)>, bytes: &[u8]) -> Author {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Author::Other;
    };
    let is = |template: &str| {
        let Some((head, tail)) = template.split_once(PLACE) else {
            return false;
        };
        text.strip_prefix(head)
            .and_then(|text| text.strip_suffix(tail))
            .is_some_and(|word| word.len() > 2 && word.starts_with('\'') && word.ends_with('\''))
    };
    for (version, template) in templates {
        if is(&template) {
            return Author::Stax(version);
        }
    }
    let second = text.lines().nth(1).filter(|line| line.starts_with(MARK));
    let version = second.and_then(|line| version_after(line, MARK));
    if version.is_some_and(|version| version > VERSION) {
        Author::Newer
    } else {
        Author::Other
    }
}

/// The script with our block right behind its first line, before anything can end it. `None` where
/// it may not work: another interpreter, no line to stand behind, or half a block.
pub(super) fn with_block(bytes: &[u8], name: HookName, program: &str) -> Option<Vec<u8>> {
    let place = match block::block_in(bytes) {
        // what somebody changed in it is theirs
        Some(range) if !matches!(name.block_author(&bytes[range.clone()]), Author::Stax(_)) => {
            return None;
        }
        Some(range) => range.start,
        None => shebang_end(bytes)?,
    };
    block::with_block(bytes, &name.block(program), place)
}

/// The end of the first line of a script for sh, bash or dash, with options that leave the block
/// working.
fn shebang_end(bytes: &[u8]) -> Option<usize> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let line = std::str::from_utf8(&bytes[..end])
        .ok()?
        .strip_prefix("#!")?;
    if bytes.contains(&0) {
        return None;
    }
    let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    let last = |word: &str| word.rsplit('/').next().unwrap_or_default().to_owned();
    let mut program = last(words.next()?);
    if program == "env" {
        program = last(words.find(|word| *word != "-S")?);
    }
    let is_shell = ["sh", "bash", "dash"].contains(&program.as_str());
    let is_plain = |word: &str| {
        word.strip_prefix('-')
            .is_some_and(|flags| flags.chars().all(|flag| "eux".contains(flag)))
    };
    (is_shell && words.all(is_plain)).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::secrets::install::block::without_block;

    const PROGRAM: &str = "/usr/local/bin/stax";

    #[test]
    fn a_path_cannot_leave_its_quotes() {
        let hostile = r#"/a b/$(x)`y`"z\'/stax"#;
        for name in HookName::ALL {
            let hook = name.script(hostile);
            assert!(
                hook.contains("stax_program='/a b/$(x)`y`\"z\\'\\''/stax'\n"),
                "{hook}"
            );
            assert!(hook.contains("\n# stax-hook v3\n"), "{hook}");
            assert!(
                hook.lines()
                    .last()
                    .is_some_and(|line| line.starts_with(name.call())),
                "{hook}"
            );
            assert_eq!(
                name.author(hook.as_bytes()),
                Author::Stax(VERSION),
                "{hook}"
            );
            assert_eq!(
                name.author(format!("{hook}npm test\n").as_bytes()),
                Author::Other
            );
            let newer = hook.replace("# stax-hook v3", "# stax-hook v4");
            assert_eq!(name.author(newer.as_bytes()), Author::Newer);
            assert!(name.is_called_in(hook.as_bytes()));
        }
    }

    #[test]
    fn a_block_goes_in_once_and_comes_out_without_a_trace() {
        for script in [
            "#!/bin/sh\n",
            "#!/usr/bin/env bash\nexit 0",
            "#!/bin/dash -eu\nü\n",
            "#! /bin/bash\nx\n",
        ]
        .map(|text| text.as_bytes().to_vec())
        {
            for name in HookName::ALL {
                let once = with_block(&script, name, PROGRAM).unwrap();
                assert_eq!(with_block(&once, name, PROGRAM).unwrap(), once);
                let moved = with_block(&once, name, "/elsewhere/stax").unwrap();
                assert_eq!(without_block(&moved).unwrap(), script);
                assert_eq!(without_block(&script), None);
            }
        }
    }

    #[test]
    fn what_is_no_plain_shell_script_gets_no_block() {
        let table = [
            "#!/usr/bin/python3\n",
            "#!/bin/sh",
            "#!/bin/sh\r\n",
            "#!/bin/zsh\n",
            "#!/bin/sh -c\n",
            "#!/usr/bin/env -S node --x\n",
            "#!/bin/sh\n\0",
            "exit 0\n",
            "\u{7f}ELF\n",
            "",
            "#!/bin/sh\n# >>> stax >>>\n",
            "#!/bin/sh\n# <<< stax <<<\n# >>> stax >>>\n",
        ];
        for text in table {
            assert_eq!(
                with_block(text.as_bytes(), HookName::PrePush, PROGRAM),
                None,
                "{text:?}"
            );
        }
    }
}
