//! The rules over one tree.

use super::RuleDoc;
use crate::policy::RuleId;
use crate::policy::Severity::{Error, Warning};

pub(super) const DOCS: &[RuleDoc] = &[
    RuleDoc {
        rule: RuleId::P01,
        bound: Some(Error),
        general: Some(Error),
        why: "sops skips what it does not understand: behind a mistyped field or a pattern that does not compile it encrypts to other people, or writes plaintext and exits 0",
        example: "`path_regexp:` for `path_regex:`, a recipient with one letter wrong, or a pattern with a look-ahead; a rule that matches no file and an unknown field are warnings",
        mend: &[
            "correct the line that the finding names, and read what changed: `git diff .sops.yaml`",
            "a rule that is gone: `git log -p -- .sops.yaml` says who took it away",
        ],
    },
    RuleDoc {
        rule: RuleId::R01,
        bound: Some(Error),
        general: Some(Error),
        why: "a key is a row of letters; only recipients.md tells whose it is, so a key without a row is a reader whom nobody has approved by name",
        example: "`.sops.yaml` lists a key that `infra/secrets/recipients.md` does not, or the table still names somebody who has left; without `.stax/vault.json` a name in an anchor or comment is enough",
        mend: &[
            "you know whose key it is: `stax secrets add-recipient KEY --name \"Name <mail>\" --role ROLE`",
            "they are not to read any more: `stax secrets remove-recipient KEY`",
        ],
    },
    RuleDoc {
        rule: RuleId::F01,
        bound: Some(Error),
        general: Some(Error),
        why: "where two readers understand one file differently, a value can be shown to the reviewer and another one deployed",
        example: "a key that stands twice, text that is not UTF-8, a symlink in place of the file, more than 32 MiB, a name that is no text, or `SOPS` in JSON, which sops takes for `sops`; a name that makes sops take YAML for a binary file is a warning",
        mend: &[
            "see when it broke: `git log -p -- FILE`, and restore it: `git restore --source=COMMIT FILE`",
            "a name that lies: `git mv FILE FILE.yaml`, or tell sops every time: `--input-type yaml --output-type yaml`",
        ],
    },
    RuleDoc {
        rule: RuleId::F02,
        bound: Some(Error),
        general: None,
        why: "a bound file becomes environment variables: a nested value has no name there, and a name with a blank or `=` could become another variable or a command",
        example: "`database: {url: …}` in a bound file, or a key such as `MY-KEY` or `TOKEN_unencrypted`",
        mend: &[
            "rename or flatten it: `stax secrets edit`",
            "a nested file needs no binding: take its line out of `.stax/vault.json`; it is read, diffed and verified all the same",
        ],
    },
    RuleDoc {
        rule: RuleId::F03,
        bound: Some(Error),
        general: Some(Error),
        why: "sops writes tokens in exactly one form; another one was put there by hand, and lax readers may take it for something else",
        example: "`ENC[AES256_GCM,…,type:str]x`, or a token whose type is not one that SOPS knows",
        mend: &[
            "see who changed it: `git log -p -- FILE`",
            "restore the last good version: `git restore --source=HEAD FILE`, then set the value again: `stax secrets set KEY`",
        ],
    },
    RuleDoc {
        rule: RuleId::F04,
        bound: Some(Error),
        general: Some(Error),
        why: "everybody who can read the repository can read the value, also after a later commit seals it",
        example: "`STRIPE_SECRET_KEY: sk_live_…` in a bound file, or a file that lost its `sops` block",
        mend: &[
            "not yet committed: `stax secrets encrypt -i FILE` seals only what is clear",
            "already committed or pushed: also replace the value at its source; git keeps the old one",
        ],
    },
    RuleDoc {
        rule: RuleId::F04E,
        bound: Some(Warning),
        general: None,
        why: "SOPS neither encrypts nor authenticates an empty value, so anybody who can write to the repository can put one there or take it away",
        example: "`PROXY: \"\"` or `PROXY:` in a bound file",
        mend: &[
            "nobody needs it: `stax secrets unset KEY`",
            "it is meant: accept it with a reason by an `allow` entry in `.stax/vault.json`",
        ],
    },
    RuleDoc {
        rule: RuleId::K01,
        bound: Some(Error),
        general: Some(Error),
        why: "the policy is what people review, the file is what decides who reads: an extra recipient reads without approval, a missing one is locked out at the next deployment",
        example: "somebody ran `sops rotate --add-age`, or edited `.sops.yaml` and no file followed; in a range also a reader who comes in one commit and is gone at its end, which is a warning",
        mend: &[
            "the policy is right: `stax secrets remove-recipient KEY` for an extra one, `stax secrets add-recipient KEY` for a missing one",
            "the policy is wrong: restore its line, and ask who changed it: `git log -p -- .sops.yaml`",
        ],
    },
    RuleDoc {
        rule: RuleId::K02,
        bound: Some(Error),
        general: Some(Error),
        why: "sops tries every stanza behind a label and believes the label: a second stanza smuggles in a reader whom no list shows",
        example: "an entry for Ana whose armor holds two stanzas, or a passphrase stanza behind an `age1…` label; more than 16 stanzas are not even tried",
        mend: &[
            "see who changed it: `git log -p -- FILE`",
            "wrap a new data key to the policy alone: `stax secrets rotate`, then replace the values at their source",
        ],
    },
    RuleDoc {
        rule: RuleId::M01,
        bound: Some(Error),
        general: None,
        why: "a key of another kind (kms, pgp, vault) opens the file beside the age keys, and nothing in the list of recipients says whose it is",
        example: "`sops.kms` holds an ARN in a file that the policy encrypts to age keys only",
        mend: &[
            "make the file anew: `stax secrets decrypt FILE`, take the `sops` block out, `stax secrets encrypt -i FILE`",
            "the other key is meant: take the file's line out of `.stax/vault.json`; it then counts as any SOPS file",
        ],
    },
    RuleDoc {
        rule: RuleId::M02,
        bound: Some(Error),
        general: None,
        why: "a selector in the metadata decides which values are encrypted from the next write on, and no list of values shows that it changed",
        example: "`sops.unencrypted_regex: .*`, or `mac_only_encrypted: true`, in a bound file",
        mend: &[
            "see who changed it: `git log -p -- FILE`, and restore it: `git restore --source=COMMIT FILE`",
            "the selector is meant: take the file's line out of `.stax/vault.json`",
        ],
    },
    RuleDoc {
        rule: RuleId::M03,
        bound: Some(Error),
        general: Some(Error),
        why: "the MAC is what binds the values together: without one, values can be dropped, swapped or brought back from an older version",
        example: "`mac: \"\"`, or a `mac` that is the token of a value",
        mend: &[
            "see who changed it: `git log -p -- FILE`, and restore it: `git restore --source=COMMIT FILE`",
        ],
    },
    RuleDoc {
        rule: RuleId::C02,
        bound: Some(Error),
        general: Some(Error),
        why: "every token is sealed under its own path: one that does not open there was moved, forged or left over from another data key; and its text has to be one that its type can have",
        example: "the token of `STAGING_URL` copied to `DATABASE_URL`; `type:str` made `type:int` over a text that is no number",
        mend: &[
            "see who changed it: `git log -p -- FILE`, and restore it: `git restore --source=COMMIT FILE`",
            "or give the value again: `stax secrets set KEY`",
        ],
    },
    RuleDoc {
        rule: RuleId::C03,
        bound: Some(Error),
        general: Some(Error),
        why: "somebody changed, added or removed a value without the data key, such as by a hand edit or a textual merge",
        example: "two branches change different keys, and git merges the lines but not the MAC",
        mend: &[
            "see who changed it: `git log -p -- FILE`, and restore the last good version: `git restore --source=COMMIT FILE`",
            "a merge did it: take one side whole, then set the values of the other again: `stax secrets set KEY`",
        ],
    },
];
