//! The rules over policy, bindings and git, and those that compare files.

use super::RuleDoc;
use crate::policy::RuleId;
use crate::policy::Severity::{Error, Notice, Warning};

pub(super) const DOCS: &[RuleDoc] = &[
    RuleDoc {
        rule: RuleId::P02,
        bound: Some(Error),
        general: Some(Warning),
        why: "sops takes the nearest policy above the folder it is started in: a second one decides about readers and nobody reviews it",
        example: "`infra/.sops.yaml` above a bound file, or a `.sops.yaml` that is a symlink",
        mend: &["move its rules into the policy of the root, then: `git rm FILE`"],
    },
    RuleDoc {
        rule: RuleId::P03,
        bound: Some(Error),
        general: Some(Notice),
        why: "the first rule that matches wins, so a broad one in front decides about a file that another one was written for",
        example: "`path_regex: .*` before `path_regex: ^infra/secrets/prod`",
        mend: &[
            "put the special rule first: edit `.sops.yaml`",
            "see who reads now: `stax secrets recipients`",
        ],
    },
    RuleDoc {
        rule: RuleId::P04,
        bound: Some(Error),
        general: Some(Error),
        why: "sops takes a pattern that does not compile as one that matches nothing, and writes every value in clear",
        example: "`encrypted_regex: '^(?!PUBLIC_)'`; in the rule of a bound file also key groups, `mac_only_encrypted` or a crypt rule",
        mend: &[
            "write the pattern without look-around, as RE2 has it, or drop it: the default encrypts everything",
        ],
    },
    RuleDoc {
        rule: RuleId::P05,
        bound: Some(Warning),
        general: Some(Notice),
        why: "a rule that decides about no file is most often a mistyped path, and the file it was meant for falls to another one",
        example: "`path_regex: ^infra/secret/` for files in `infra/secrets/`",
        mend: &["correct the path or delete the rule in `.sops.yaml`"],
    },
    RuleDoc {
        rule: RuleId::B01,
        bound: Some(Error),
        general: None,
        why: "`.stax/vault.json` says which file feeds the environment: a path that leads out of the repository or a second file for one environment would feed another one",
        example: "`\"path\": \"../other/prod.enc.yaml\"`, a symlink on the way, or an unknown field",
        mend: &["correct the line that the finding names: `git diff .stax/vault.json`"],
    },
    RuleDoc {
        rule: RuleId::B02,
        bound: Some(Error),
        general: Some(Warning),
        why: "the policy or the name says that the file is secret, and it is in clear",
        example: "`db.sops.yaml` without a `sops` block",
        mend: &[
            "seal it: `stax secrets encrypt -i FILE`, and replace its values when they were committed",
            "it holds no secret: give it another name",
        ],
    },
    RuleDoc {
        rule: RuleId::K04,
        bound: Some(Error),
        general: Some(Error),
        why: "who reads one of the files has the data key of the other, whatever its policy says",
        example: "`cp prod.enc.yaml staging.enc.yaml`, then other readers for staging; with the same readers it is a notice",
        mend: &["give one of them a data key of its own: `stax secrets rotate FILE`"],
    },
    RuleDoc {
        rule: RuleId::C05,
        bound: Some(Error),
        general: Some(Error),
        why: "two files have one data key, which equal tokens did not show: who reads one of them reads the other",
        example: "a file re-encrypted by a script that keeps the data key of another",
        mend: &["give one of them a data key of its own: `stax secrets rotate FILE`"],
    },
    RuleDoc {
        rule: RuleId::G01,
        bound: Some(Warning),
        general: None,
        why: "without the drivers git diffs and merges ciphertext as text",
        example: "a `.gitattributes` without `infra/secrets/prod.enc.yaml diff=stax merge=stax`, or with a later line that switches it off",
        mend: &[
            "add the line that the finding names to `.gitattributes`, or mend the line that it names: later lines win, a file nearer to the secret wins over one above it, and `.git/info/attributes` over all",
        ],
    },
    RuleDoc {
        rule: RuleId::G02,
        bound: Some(Error),
        general: Some(Warning),
        why: "a link lets a file of another place pass for the one that was reviewed; a secret file is never a program",
        example: "`git add prod.enc.yaml` where it is a symlink, or after `chmod +x`",
        mend: &["`git update-index --chmod=-x FILE`, or put the file itself where the link is"],
    },
    RuleDoc {
        rule: RuleId::G03,
        bound: Some(Error),
        general: Some(Error),
        why: "git keeps what a diff decrypted under `refs/notes/textconv`, in clear, and a mirror clone takes it along",
        example: "`git config diff.sopsdiffer.cachetextconv true`",
        mend: &[
            "`git config --unset diff.DRIVER.cachetextconv`, then: `git update-ref -d refs/notes/textconv/DRIVER`",
        ],
    },
    RuleDoc {
        rule: RuleId::G05,
        bound: Some(Error),
        general: Some(Error),
        why: "a secret age key in the repository opens every file that is encrypted to it, for everybody who can clone",
        example: "a `keys.txt` with `AGE-SECRET-KEY-1…` and a valid checksum; also in UTF-16 or behind escapes, as the name of a file, the target of a link, or in what a commit or a tag says",
        mend: &[
            "make a new key: `stax secrets keygen`, and let it in: `stax secrets add-recipient`",
            "then `stax secrets remove-recipient` the old one, and replace what it could read",
        ],
    },
    RuleDoc {
        rule: RuleId::G06,
        bound: Some(Warning),
        general: Some(Warning),
        why: "what `.gitattributes` asks for and what a guard keeps out works only in a clone that is set up; git never runs what a repository brings",
        example: "a fresh clone, in which `git diff` shows ciphertext; drivers that an older stax wrote; a guarded one in which somebody added `certs/tls.json`; `/usr/games/stax` in front on `PATH`. Not judged in CI, in hooks, over a range, or as SARIF",
        mend: &[
            "drivers and hooks: `stax secrets install`",
            "where the guard is wanted: `stax secrets install --guard`",
            "another program: put the folder of this stax in front of it in `PATH`",
        ],
    },
];
