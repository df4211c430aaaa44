//! The rows of `docs/git.md`.

use std::ops::BitOr;

use super::State;

pub const HEAD: &str = "\
# What git shows

`stax secrets install` (and `init`) tells git to run `stax git textconv` wherever it shows a file that
`.gitattributes` marks `diff=stax`. It always ends well: a file that is no SOPS document, is damaged or too large is
printed as it is, and where stax is gone git prints the ciphertext. It never prints nothing for something, so that no
change is hidden; it asks for no passphrase and no network.

Every row is run by the tests, with the real git (`tests/journey/matrix.rs`), and this page is written from them.
`FILE` is the secret file.

| it shows | that is |
|---|---|
| **values** | the decrypted document in its own layout, then lines that begin with `#stax `: data key, MAC, stanzas, recipients. Also of versions from before you joined, where the data key is the same |
| masks | `«str 12B #7c1e9a04»`: type, length and a keyed fingerprint, which only you can make. Instead of values in CI, under coding agents, with `git config stax.diff masked` or `STAX_DIFF=masked`, and in what `git commit -v` writes |
| lengths | `«str 12B ~e8d377»`: type, length and a fingerprint of the ciphertext |
| ciphertext | the bytes of the file |
| - | nothing of a value |

*Damaged* is a file that was cut off in the work tree and was committed with the markers of a merge: what can be opened
is shown, what cannot is printed as it is, and every other file stays in the diff. An exit code is 0 where none stands.
What a command shows goes to your terminal; none of them leaves a value in a file below `.git` or in an object.
`git commit -v` is the one that keeps what it shows, in `.git/COMMIT_EDITMSG`; there values are masked, also when
the commit is given up or the hooks are skipped, and the `commit-msg` hook drops the rest.

| command | shows values? | without a key | damaged | stax missing | note |
|---|---|---|---|---|---|
";

/// What stands in an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shows(u8);

impl Shows {
    pub const NOTHING: Self = Self(0);
    pub const VALUES: Self = Self(1);
    pub const MASKS: Self = Self(2);
    pub const LENGTHS: Self = Self(4);
    pub const CIPHERTEXT: Self = Self(8);
}

impl BitOr for Shows {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[derive(Clone, Copy)]
pub struct Cell {
    pub shows: Shows,
    pub code: i32,
}

impl Cell {
    const fn new(shows: Shows) -> Self {
        Self { shows, code: 0 }
    }

    const fn and(self, other: Self) -> Self {
        Self {
            shows: Shows(self.shows.0 | other.shows.0),
            code: self.code,
        }
    }

    /// git's own exit code.
    const fn exits(self, code: i32) -> Self {
        Self { code, ..self }
    }

    pub fn text(self) -> String {
        let words = [
            (Shows::VALUES, "**values**"),
            (Shows::MASKS, "masks"),
            (Shows::LENGTHS, "lengths"),
            (Shows::CIPHERTEXT, "ciphertext"),
        ];
        let words = words
            .iter()
            .filter(|(one, _)| self.shows.0 & one.0 != 0)
            .map(|(_, word)| *word);
        let mut text = words.collect::<Vec<_>>().join(", ");
        if text.is_empty() {
            "-".clone_into(&mut text);
        }
        if self.code != 0 {
            text += &format!(" (exit {})", self.code);
        }
        text
    }
}

const V: Cell = Cell::new(Shows::VALUES);
const M: Cell = Cell::new(Shows::MASKS);
const L: Cell = Cell::new(Shows::LENGTHS);
const C: Cell = Cell::new(Shows::CIPHERTEXT);
const O: Cell = Cell::new(Shows::NOTHING);
const VC: Cell = V.and(C);
const LC: Cell = L.and(C);
const MC: Cell = M.and(C);
const M1: Cell = M.exits(1);
const L1: Cell = L.exits(1);
const C1: Cell = C.exits(1);
const O1: Cell = O.exits(1);

const CONFLICT: &str = "git checkout -qf . && ! git merge -q other";
const CONFLICT_ADDED: &str = "git checkout -qf . && ! git merge -q other; git add -A";
const MERGED: &str =
    "git checkout -qf . && ! git merge -q other && git checkout -q --ours FILE zz.txt &&
    echo 'after all' >> zz.txt && echo '# after' >> FILE && git commit -q --no-verify -am merge";
const AS_TEXT: &str = "without a key, or of a damaged side, the merge itself is one of text";

/// A command, `FILE` being the secret file, and what it shows in each state.
pub struct Row {
    pub command: &'static str,
    /// The circumstances, in words.
    pub when: &'static str,
    /// What makes them.
    pub before: &'static str,
    /// The variable that names the editor.
    pub editor: &'static str,
    cells: [Cell; 4],
    pub note: &'static str,
}

const fn row(command: &'static str, cells: [Cell; 4]) -> Row {
    Row {
        command,
        when: "",
        before: "",
        editor: "",
        cells,
        note: "",
    }
}

impl Row {
    const fn when(self, when: &'static str, before: &'static str) -> Self {
        Self {
            when,
            before,
            ..self
        }
    }

    const fn staged(self) -> Self {
        Self {
            before: "git add -A",
            ..self
        }
    }

    /// The message is written and the commit made.
    const fn done(self) -> Self {
        Self {
            editor: "EDITOR_DONE",
            ..self
        }
    }

    /// git's own answer, in every state.
    const fn exits(self, code: i32) -> Self {
        let [a, b, c, d] = self.cells;
        Self {
            cells: [a.exits(code), b.exits(code), c.exits(code), d.exits(code)],
            ..self
        }
    }

    const fn editor(self, editor: &'static str, when: &'static str) -> Self {
        let when = if when.is_empty() { self.when } else { when };
        Self {
            editor,
            when,
            ..self
        }
    }

    const fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }

    pub fn cell(&self, state: State) -> &Cell {
        &self.cells[state as usize]
    }

    /// Whether it leaves the repository as it was.
    pub fn only_reads(&self) -> bool {
        self.before.is_empty() && self.editor.is_empty()
    }

    /// Whether it is about every file.
    pub fn is_whole(&self) -> bool {
        !self.command.contains("FILE") && !self.command.contains("grep")
    }
}

pub const ALL: &[(&str, &[Row])] = &[
    ("Diffs", DIFFS),
    ("History", HISTORY),
    ("Plumbing", PLUMBING),
    ("Commit messages", MESSAGES),
];

const DIFFS: &[Row] = &[
    row("git diff", [V, L, C, C]),
    row("git diff --cached", [V, L, C, C]).staged(),
    row("git diff HEAD", [V, L, C, C]),
    row("git diff other main", [V, L, VC, C]),
    row("git diff --word-diff", [V, L, C, C]),
    row("git diff --binary", [V, L, C, C])
        .note("text to read; a patch that applies is made with `--no-textconv`"),
    row("git diff --no-textconv", [C, C, C, C]),
    row("git diff --stat", [O, O, O, O]).note("counts lines of ciphertext"),
    row("git diff --raw --name-only", [O, O, O, O]),
    row("git diff --check", [O, O, O, O]),
    row("git diff --quiet", [O, O, O, O])
        .exits(1)
        .note("1 is git's answer: something changed"),
    row("git diff --no-index zz.txt FILE", [V, L, C, C])
        .exits(1)
        .note("the same"),
    row("git status -v", [V, L, C, C]).staged(),
    row("git diff", [V, LC, VC, C])
        .when("in a merge conflict", CONFLICT)
        .note(AS_TEXT),
    row("git diff --cc", [V, LC, VC, C]).when("in a merge conflict", CONFLICT),
    row("git stash show -p", [C, C, C, C]).when("", "git stash -q"),
    row("git stash show -p --textconv", [V, L, C, C]).when("", "git stash -q"),
    row("git add -p", [C, C, C, C])
        .note("what is staged by hunks has a wrong MAC, and the hook refuses it"),
    row("git add -e", [C, C, C, C]).editor("EDITOR_IDLE", ""),
    row("git stash -p", [C, C, C, C])
        .exits(1)
        .note("1 because no hunk was taken"),
    row("git checkout -p", [C, C, C, C]),
    row("git difftool -y -x 'diff -u'", [C, C, C, C]),
];

const HISTORY: &[Row] = &[
    row("git log -p", [V, L, VC, C]),
    row("git log --stat", [O, O, O, O]),
    row("git log -p -S canary-hunter2 -- FILE", [V, O, VC, O]).note("searches what you would see"),
    row("git log -p -G canary-hunter2 -- FILE", [V, O, VC, O]).note("the same"),
    row("git log -L 1,4:FILE", [C, C, C, C]),
    row("git show", [V, L, VC, C]),
    row("git show", [V, L, VC, C]).when("of a merge with changes of its own", MERGED),
    row("git show --remerge-diff", [V, LC, C, C]).when("of the same merge", MERGED).note(AS_TEXT),
    row("git show HEAD:FILE", [C, C, C, C]),
    row("git show --textconv HEAD:FILE", [V, L, C, C]),
    row("git blame FILE", [V, L, C, C]),
    row("git annotate FILE", [V, L, C, C]),
    row("git grep canary", [O, O, O, O]).exits(1).note("searches ciphertext; 1 because nothing matches"),
    row("git grep --textconv canary", [V, O1, O1, O1]).note("searches what you would see"),
    row("git grep --textconv canary HEAD", [V, O1, O1, O1]),
    row("git range-diff --creation-factor=100 main~1..main main~1..other", [V, L, VC, C]),
    row("git format-patch --stdout -1", [C, C, C, C]).note("`git am` needs it so"),
    row("git format-patch --stdout --textconv -1", [V, L, VC, C]),
    row("git fast-export HEAD", [C, C, C, C]),
    row("git archive HEAD", [C, C, C, C]),
    row("git -C ../bare.git show", [C, C, C, C])
        .when("a bare repository", "rm -rf ../bare.git; git clone -q --bare . ../bare.git"),
    row("git -C ../bare.git show", [V, L, VC, C])
        .when(
            "a bare repository with the driver",
            "rm -rf ../bare.git; git clone -q --bare . ../bare.git && echo 'FILE diff=stax' > ../bare.git/info/attributes &&
             git -C ../bare.git config diff.stax.textconv \"$(git config diff.stax.textconv)\"",
        )
        .note("written into its `config` and `info/attributes`"),
];

const PLUMBING: &[Row] = &[
    row("git cat-file -p HEAD:FILE", [C, C, C, C]),
    row("git cat-file --textconv HEAD:FILE", [V, L, C, C]),
    row("git diff-tree -p HEAD", [C, C, C, C]),
    row("git diff-tree -p --textconv HEAD", [V, L, VC, C]),
    row("git diff-index -p HEAD", [C, C, C, C]),
    row("git diff-index -p --textconv HEAD", [V, L, C, C]),
    row("git diff-files -p", [C, C, C, C]),
    row("git diff-files -p --textconv", [V, L, C, C]),
];

const MESSAGES: &[Row] = &[
    row("git commit -v", [M, L, O1, O1]).staged().done(),
    row("git commit -v", [M1, L1, O1, O1])
        .staged()
        .editor("EDITOR_IDLE", "the message left empty"),
    row("git commit -v", [M1, L1, O1, O1])
        .staged()
        .editor("EDITOR_FAILS", "the editor fails"),
    row("git commit -v --no-verify", [M, L, C, C])
        .staged()
        .done(),
    row("git commit -v --no-verify", [M1, L1, C1, C1])
        .staged()
        .editor("EDITOR_IDLE", "the message left empty"),
    row("git commit -v --no-verify", [M1, L1, C1, C1])
        .staged()
        .editor("EDITOR_FAILS", "the editor fails"),
    row("git commit -v -v -a", [M, L, O1, O1]).done(),
    row("git commit -v FILE", [M, L, O1, O1]).done(),
    row("git commit -v --amend --no-verify", [M, L, MC, C])
        .staged()
        .done(),
    row(
        "git -c commit.verbose=true commit --no-verify",
        [M, L, C, C],
    )
    .staged()
    .done(),
    row(
        "git -c commit.verbose=true commit --no-verify",
        [M, LC, C, C],
    )
    .when("ends a merge", CONFLICT_ADDED)
    .done(),
    row(
        "git -c commit.verbose=true rebase -q -i HEAD~1",
        [M, L, MC, O1],
    )
    .when(
        "with a reword",
        "git checkout -qf . && git config sequence.editor 'sed -i.bak s/^pick/reword/'",
    )
    .done(),
    row("git -c commit.verbose=true revert -e HEAD", [M, L, MC, C])
        .when("", "git checkout -qf .")
        .done(),
    row(
        "git -c commit.verbose=true cherry-pick -e main",
        [M, L, MC, C],
    )
    .when("", "git checkout -qf . && git checkout -q main~1")
    .done(),
    row("git commit -v --dry-run", [V, L, C, C])
        .staged()
        .note("goes to the terminal only"),
    row("git commit -v -m text", [O, O, O1, O1])
        .staged()
        .note("no editor, no diff"),
];
