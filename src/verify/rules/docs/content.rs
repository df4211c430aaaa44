//! The rules over what a file holds, and what only a key tells.

use super::RuleDoc;
use crate::policy::RuleId;
use crate::policy::Severity::{Error, Notice, Warning};

pub(super) const DOCS: &[RuleDoc] = &[
    RuleDoc {
        rule: RuleId::F04Z,
        bound: None,
        general: Some(Warning),
        why: "the file carries a `sops` block and looks sealed, and not one value of it is encrypted",
        example: "`encrypted_regex: ^(data|stringData)$` over a Talos or Helm file, which has no such field",
        mend: &[
            "correct the crypt rule in `.sops.yaml`, take the `sops` block out, then: `stax secrets encrypt -i FILE`",
        ],
    },
    RuleDoc {
        rule: RuleId::F05,
        bound: Some(Warning),
        general: None,
        why: "comments are not authenticated: anybody who can push can write one, and people believe them",
        example: "`# old password: hunter2` above a token",
        mend: &["seal it: `stax secrets encrypt -i FILE`"],
    },
    RuleDoc {
        rule: RuleId::F06,
        bound: Some(Error),
        general: Some(Error),
        why: "a merge left both sides of a value, and one of them would be lost unseen",
        example: "a line `# stax-conflict KEY` at the top of the file, or the markers of a text merge",
        mend: &[
            "choose the value: `stax secrets resolve FILE`, which also says what to do when the merge is over",
        ],
    },
    RuleDoc {
        rule: RuleId::F07,
        bound: None,
        general: Some(Error),
        why: "a value that looks like a credential stands in clear beside encrypted ones: the crypt rule does not reach it",
        example: "`apiToken: ghp_…` in a Helm file under `encrypted_regex: ^data$`",
        mend: &[
            "widen the crypt rule in `.sops.yaml`, seal the file anew, and replace the value: it is in history",
            "it is no secret: an exception with a reason in `.stax/vault.json`",
        ],
    },
    RuleDoc {
        rule: RuleId::V01,
        bound: Some(Error),
        general: Some(Error),
        why: "two different values under one iv tell their difference to everybody, and let tokens be forged",
        example: "two keys whose tokens have the same `iv:` and other data",
        mend: &["make new ivs: `stax secrets rotate FILE`; the writer that made them is broken"],
    },
    RuleDoc {
        rule: RuleId::K03,
        bound: Some(Error),
        general: Some(Error),
        why: "a stanza is made anew for every reader; two equal ones mean that one label lies",
        example: "one `enc` block under two `recipient` lines",
        mend: &["wrap the data key again, to everybody in the policy: `stax secrets rotate FILE`"],
    },
    RuleDoc {
        rule: RuleId::M04,
        bound: Some(Error),
        general: Some(Error),
        why: "the time belongs to the MAC: one that is no time was put there by hand, and sops does not open the file",
        example: "`lastmodified: yesterday`; a time more than a day ahead is a warning",
        mend: &[
            "see who changed it: `git log -p -- FILE`, and restore it: `git restore --source=COMMIT FILE`",
        ],
    },
    RuleDoc {
        rule: RuleId::M05,
        bound: None,
        general: Some(Notice),
        why: "sops never applies a changed crypt rule to a file that is there: it goes on as it was first sealed",
        example: "`encrypted_regex: ^data$` in the policy, `unencrypted_suffix: _unencrypted` in the file",
        mend: &["to follow the policy: `stax secrets decrypt -i FILE`, then `stax secrets encrypt -i FILE`"],
    },
    RuleDoc {
        rule: RuleId::C01,
        bound: Some(Error),
        general: Some(Error),
        why: "the label of a stanza is not authenticated: it may say Bob and open for somebody else",
        example: "a stanza labelled with your key that your key does not open; `get` and `export` say so too (exit code 4)",
        mend: &[
            "see who changed it: `git log -p -- FILE`",
            "wrap it again, by a reader whose own stanza opens: `stax secrets rotate FILE`",
        ],
    },
    RuleDoc {
        rule: RuleId::C04,
        bound: Some(Warning),
        general: None,
        why: "public keys are enough to write a whole new file with a valid MAC: who holds no key can put their own database address in, and call it a rotation",
        example: "a commit that says `rotate data keys`, and `DATABASE_URL` is another one; to remove somebody and set the values of the checklist in one commit looks the same; judged in ranges and by the hook, of files that a key at hand opens before and after; an error with `--strict`",
        mend: &[
            "look at the values: `git log -p -- FILE`, where the driver of stax is installed",
            "they are not yours: `git restore --source=COMMIT FILE`, then ask who made the commit",
        ],
    },
    RuleDoc {
        rule: RuleId::C06,
        bound: Some(Warning),
        general: None,
        why: "`export` would hand a name to programs that changes what they run, load or trust; it refuses the whole file then",
        example: "`LD_PRELOAD`, `NODE_OPTIONS` or `GIT_SSH_COMMAND` as a key",
        mend: &["rename it: `stax secrets edit`, or allow it in your clone: `stax allow env NAME`"],
    },
    RuleDoc {
        rule: RuleId::C07,
        bound: Some(Error),
        general: Some(Error),
        why: "a value that stands in a program, a fixture or a log is known to everybody who reads that file, however well the SOPS file is kept",
        example: "`data: c2tfbGl2ZV8…` in a manifest: the value of `STRIPE_SECRET_KEY` in base64; `verify --staged`, the hooks and `stax secrets scan` look for it",
        mend: &[
            "not committed yet: take it out of the file, and hand it to the program: `stax secrets exec -- CMD`",
            "committed or pushed: also replace it at its source and here: `stax secrets set KEY`; git keeps the old one",
            "it is no secret: keep it in clear, `stax secrets set KEY --clear`, or leave it out for yourself: `git config --global --add stax.scanSkip KEY`",
        ],
    },
];
