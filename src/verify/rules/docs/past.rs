//! What is judged by the whole commit log: values that people took along, their age, and dates.

use super::RuleDoc;
use crate::policy::RuleId;
use crate::policy::Severity::{Error, Warning};

pub(super) const DOCS: &[RuleDoc] = &[
    RuleDoc {
        rule: RuleId::R02,
        bound: Some(Warning),
        general: Some(Warning),
        why: "the commit log proves that the key could read earlier than the table says: whoever asks since when gets a wrong answer",
        example: "`recipients.md` says 2026-05-01, and `.sops.yaml` named the key on 2026-01-10",
        mend: &[
            "write the date that `stax secrets recipients` prints, or see the whole story: `stax secrets history`",
        ],
    },
    RuleDoc {
        rule: RuleId::K06,
        bound: Some(Error),
        general: Some(Error),
        why: "encryption cannot take back what somebody has read: a value that a former recipient knows is theirs until it is replaced at its source; judged only with `--exposure`",
        example: "Bob was removed with a new data key, and the database password is still the one that he could read",
        mend: &[
            "see what is open: `stax secrets exposure WHO`",
            "replace the value at its source, then: `stax secrets set KEY`",
            "accept what is no secret, with the reason: `allow` with rule K06, path and key in `.stax/vault.json`",
        ],
    },
    RuleDoc {
        rule: RuleId::K07,
        bound: Some(Error),
        general: Some(Error),
        why: "the longer a value lives the more copies of it there are; judged only with `--max-age`",
        example: "`verify --max-age 90d`, and a value was set 200 days ago; without a key a re-encryption counts as unknown",
        mend: &[
            "replace the value at its source, then: `stax secrets set KEY`",
            "see the ages: `stax secrets list --age`",
        ],
    },
];
