//! The rules over history: a version of a file against those before it.

use super::RuleDoc;
use crate::policy::RuleId;
use crate::policy::Severity::{Error, Notice, Warning};

pub(super) const DOCS: &[RuleDoc] = &[
    RuleDoc {
        rule: RuleId::K05,
        bound: Some(Error),
        general: Some(Error),
        why: "`sops updatekeys` keeps the data key: who was removed opens an old commit with their own key, takes the data key from there, and reads today's file with it",
        example: "Bob is taken out of `.sops.yaml`, somebody runs `sops updatekeys`, and a value that is set months later is still readable for Bob",
        mend: &[
            "make a new data key, which changes no value: `stax secrets rotate FILE`",
            "replace at its source what they could read; after a removal by `stax secrets remove-recipient WHO` the list is printed",
            "keys of gpg, of ssh and of plugins count like those of age; a key of a service (AWS, GCP, Azure, Vault) is a warning, because only the service knows who may use it, and `--strict` makes that an error",
        ],
    },
    RuleDoc {
        rule: RuleId::K08,
        bound: Some(Error),
        general: Some(Error),
        why: "git takes the version of one side as it is, and a version from before a removal still has the stanza of whom it removed: they read the file again, and nobody decided that",
        example: "Bob is removed on `main`, a branch that never heard of it runs `git merge -s ours main`, and the file is the one that Bob reads; a revert of the removal does the same; a plain rotation that is undone is a warning, because its old data key is in use again",
        mend: &[
            "the merge is not committed: `git merge --abort`, then merge again with the drivers of stax, which keep a removal",
            "it is committed: `stax secrets remove-recipient WHO`, which makes a new data key",
            "they are to return: add them in a commit after the merge, `stax secrets add-recipient WHO`; or accept the return where it is, with `allow` (rule K08, path, why) in `.stax/vault.json`",
            "where a removal may lie beyond the edge of a shallow clone nobody can tell: `--require-history` makes that fail",
        ],
    },
    RuleDoc {
        rule: RuleId::D13,
        bound: Some(Warning),
        general: Some(Warning),
        why: "a password that was replaced because it leaked is in use again, and the commit that did it speaks of something else",
        example: "`DB_PASS` is replaced on `main`, and a merge keeps the file of a branch that has the old one: the token is that from before",
        mend: &[
            "take the newer value over: `stax secrets revert KEY --to COMMIT`, with the commit that had replaced it",
            "or replace it at its source, then: `stax secrets set KEY`",
        ],
    },
    RuleDoc {
        rule: RuleId::D03,
        bound: Some(Error),
        general: Some(Error),
        why: "a stanza that survives a removal was not made by the one who removed: it may be wrapped to a key that its label does not name",
        example: "a recipient is gone and every value is new, but one `enc` block is byte for byte that of the commit before",
        mend: &[
            "see who changed it: `git log -p -- FILE`",
            "make key and stanzas anew: `stax secrets rotate FILE`",
        ],
    },
    RuleDoc {
        rule: RuleId::D05,
        bound: Some(Error),
        general: Some(Error),
        why: "the selector decides what the next edit encrypts: one that is changed by hand lets an honest edit write plaintext",
        example: "`encrypted_regex: ^(data|stringData)$` becomes `^data$`, and no value changes in that commit",
        mend: &[
            "see who changed it, and restore the line: `git log -p -- FILE`",
            "the change is meant: decrypt the file and encrypt it again under the new rule",
        ],
    },
    RuleDoc {
        rule: RuleId::D06,
        bound: Some(Notice),
        general: Some(Notice),
        why: "a revert brings an old value back, and so does somebody who wants a withdrawn password to work again",
        example: "the token of `DATABASE_URL` is that of three commits ago",
        mend: &["a revert was meant: nothing to do", "else set the value again: `stax secrets set KEY`"],
    },
    RuleDoc {
        rule: RuleId::D08,
        bound: Some(Notice),
        general: None,
        why: "public keys are enough to write a whole new file with a valid MAC; without a key nobody can tell that from a rotation",
        example: "a commit that says `chore: rotate` and brings a database address of somebody else",
        mend: &["compare the values with a key: `git show COMMIT`, where the driver of stax is installed"],
    },
    RuleDoc {
        rule: RuleId::D09,
        bound: Some(Error),
        general: Some(Error),
        why: "the type of a token is not authenticated: `type:str` made `type:int` changes what a program reads, without a key",
        example: "`ENC[AES256_GCM,data:x,…,type:str]` and in a later commit the same with `type:bool`",
        mend: &[
            "see who changed it: `git log -p -- FILE`, and restore the line",
            "the other type is meant: `stax secrets set KEY --type int`",
        ],
    },
    RuleDoc {
        rule: RuleId::D10,
        bound: Some(Error),
        general: Some(Error),
        why: "two values under one iv and one key tell an attacker how they differ, and let tokens be forged; a damaged token looks the same",
        example: "the data of a token changed and its `iv:` did not",
        mend: &[
            "restore the token: `git log -p -- FILE`, or set the value again: `stax secrets set KEY`",
            "a tool wrote it: make a new data key with `stax secrets rotate FILE`, and stop using that tool",
        ],
    },
    RuleDoc {
        rule: RuleId::D11,
        bound: Some(Error),
        general: Some(Error),
        why: "every writer of SOPS makes a new MAC for a new value: values that changed under the old one were changed without the data key",
        example: "a line is taken from another branch by hand; a clear field that a GitOps tool edits in an unbound file is a warning",
        mend: &[
            "see who changed it: `git log -p -- FILE`, and restore it: `git restore --source=COMMIT FILE`",
            "the change is meant: make it with `stax secrets edit -f FILE`, which makes a new MAC",
        ],
    },
    RuleDoc {
        rule: RuleId::D12,
        bound: Some(Notice),
        general: Some(Notice),
        why: "these files decide who reads, what git runs and what a shell loads; a change of them deserves its own look",
        example: "a commit of a range that touches `.sops.yaml`, `.stax/vault.json`, `.gitattributes` or `.envrc`, or one of the first and third in a folder above a secret; each new exception",
        mend: &["read it: `git show COMMIT -- FILE`"],
    },
];
