//! The table: what breaks each rule, and what becomes of it.

use crate::support::Sandbox;

use super::breaks::{
    another_threshold, groups_no_more, kept_stanza, one_data_key, one_iv, one_key_twice,
    one_stanza_twice, two_stanzas,
};

pub(super) enum Way {
    /// The command is run, and what it changed is committed; nothing of the rule is left but
    /// notices.
    Runs,
    /// What only a person can do; the line holds these words.
    Says(&'static str),
}

pub(super) struct Row {
    pub(super) rule: &'static str,
    pub(super) what: &'static str,
    /// Breaks the rule, in a store of Ana that is committed and tagged `base`.
    pub(super) breaks: Breaks,
    pub(super) verify: &'static [&'static str],
    pub(super) way: Way,
}

#[derive(Clone, Copy)]
pub(super) enum Breaks {
    Sh(&'static str),
    By(fn(&Sandbox, &str)),
}

pub(super) use Breaks::{By, Sh};
pub(super) use Way::{Runs, Says};

const fn row(
    rule: &'static str,
    what: &'static str,
    breaks: Breaks,
    verify: &'static [&'static str],
    way: Way,
) -> Row {
    Row {
        rule,
        what,
        breaks,
        verify,
        way,
    }
}

const STATE: &[&str] = &[];
const KEYLESS: &[&str] = &["--keyless"];
const RANGE: &[&str] = &["--keyless", "--range", "base..HEAD"];
const RANGE_WITH_KEY: &[&str] = &["--range", "base..HEAD"];
const STAGED: &[&str] = &["--staged"];

pub(super) const POLICY: &[Row] = &[
    row(
        "P01",
        "a misspelt field",
        Sh("sed -i s/path_regex/path_regexp/ .sops.yaml"),
        STATE,
        Says("--explain P01"),
    ),
    row(
        "P01",
        "no rule for a bound file",
        Sh("sed -i s/prod/other/ .sops.yaml"),
        STATE,
        Says("git log -p -- .sops.yaml"),
    ),
    row(
        "P02",
        "a nested policy",
        Sh("cp .sops.yaml infra/; git add infra"),
        STATE,
        Says("--explain P02"),
    ),
    row(
        "P03",
        "a broad rule first",
        Sh("rules \"  - path_regex: .*\n    age: $ANA\n$(own $ANA)\""),
        STATE,
        Says("--explain P03"),
    ),
    row(
        "P04",
        "look-ahead",
        Sh("echo \"    encrypted_regex: '^(?!x).*'\" >> .sops.yaml"),
        STATE,
        Says("--explain P04"),
    ),
    row(
        "P05",
        "an idle rule",
        Sh("printf '  - path_regex: ^idle/\\n    age: %s\\n' $ANA >> .sops.yaml"),
        STATE,
        Says("--explain P05"),
    ),
    row(
        "B01",
        "an unknown field",
        Sh("sed -i 's/\"version\": 1/\"version\": 1, \"x\": 1/' .stax/vault.json"),
        STATE,
        Runs,
    ),
    row(
        "B02",
        "a named file in plaintext",
        Sh(
            "printf '  - path_regex: \\\\.sops\\\\.\\n    age: %s\\n' $ANA >> .sops.yaml; echo 'token: hunter2hunter2' > x.sops.yaml; git add x.sops.yaml",
        ),
        STATE,
        Runs,
    ),
    row(
        "R01",
        "a reader without a row",
        Sh("sed -i \"/$ANA/d\" infra/secrets/recipients.md"),
        STATE,
        Runs,
    ),
    row(
        "R01",
        "a row of nobody",
        Sh("echo \"| $BOB | Bob | sre | 2026-01-01 |\" >> infra/secrets/recipients.md"),
        STATE,
        Runs,
    ),
    row(
        "R01",
        "a row without a name",
        Sh("sed -i \"s/^| $ANA .*/| $ANA |  | owner | |/\" infra/secrets/recipients.md"),
        STATE,
        Runs,
    ),
    row(
        "R01",
        "the table is deleted",
        Sh("rm infra/secrets/recipients.md"),
        STATE,
        Runs,
    ),
    row(
        "R01",
        "the table never was",
        Sh("git rm -q infra/secrets/recipients.md; commit"),
        STATE,
        Runs,
    ),
    row(
        "R02",
        "a late date",
        Sh(
            "sed -i \"s/^\\(| $ANA .* | \\)[0-9-]* |/\\12999-01-01 |/\" infra/secrets/recipients.md",
        ),
        STATE,
        Says("into the row of"),
    ),
];

pub(super) const FILES: &[Row] = &[
    row(
        "F01",
        "a bound file is renamed",
        Sh("git mv $F infra/secrets/production.enc.yaml; commit"),
        STATE,
        Runs,
    ),
    row(
        "F01",
        "a bound file is renamed, not committed",
        Sh("git mv $F infra/secrets/production.enc.yaml"),
        STATE,
        Runs,
    ),
    row("F01", "a bound file is deleted", Sh("rm $F"), STATE, Runs),
    row(
        "F01",
        "a bound file never was",
        Sh("sed -i 's/prod.enc/never.enc/' .stax/vault.json"),
        STATE,
        Runs,
    ),
    row(
        "F01",
        "CRLF in dotenv",
        Sh("echo A=b > e.env; alone e.env; commit; sed -i 's/$/\\r/' e.env"),
        STATE,
        Runs,
    ),
    row(
        "F01",
        "text that is no YAML",
        Sh("echo 'a: [' >> $F"),
        STATE,
        Says("git log -p -- infra/secrets/prod.enc.yaml"),
    ),
    row(
        "F02",
        "no name",
        Sh("sed -i '1i MY-KEY: \"\"' $F"),
        STATE,
        Says("--explain F02"),
    ),
    row(
        "F03",
        "text behind a token",
        Sh("sed -i 's/type:int]/type:int]x/' $F"),
        STATE,
        Runs,
    ),
    row(
        "F04",
        "a value in plaintext",
        Sh("sed -i 's/^PORT: .*/PORT: 1/' $F"),
        STATE,
        Runs,
    ),
    row(
        "F04",
        "a file in plaintext",
        Sh("echo 'PORT: 1' > $F"),
        STATE,
        Runs,
    ),
    row(
        "F04",
        "committed",
        Sh("sed -i 's/^PORT: .*/PORT: 1/' $F; commit"),
        RANGE,
        Says("stax secrets encrypt -i"),
    ),
    row(
        "F04E",
        "an empty value",
        Sh("sed -i '1i QUIET: \"\"' $F"),
        STATE,
        Says("--explain F04E"),
    ),
    row(
        "F04Z",
        "nothing is encrypted",
        Sh(
            "echo 'a: b' > z.yaml; sops --config /dev/null encrypt --age $ANA --encrypted-regex ^zz -i z.yaml; git add z.yaml",
        ),
        STATE,
        Says("--explain F04Z"),
    ),
    row(
        "F05",
        "a comment in plaintext",
        Sh("sed -i '1i # who knows' $F"),
        STATE,
        Says("--explain F05"),
    ),
    row(
        "F06",
        "a conflict",
        Sh("sed -i '1i # stax-conflict PORT' $F"),
        STATE,
        Says("stax secrets resolve infra/secrets/prod.enc.yaml"),
    ),
    row(
        "F07",
        "a credential in plaintext",
        Sh(
            "printf 'a: b\\napiToken: ghp_abcdefghijklmnopqrstuvwxyz0123456789\\n' > t.yaml; sops --config /dev/null encrypt --age $ANA --encrypted-regex ^a$ -i t.yaml; git add t.yaml",
        ),
        STATE,
        Says("widen the crypt rule"),
    ),
    row(
        "F08",
        "metadata that sops cannot read",
        Sh("metadata '    kms: {}'"),
        STATE,
        Says("--explain F08"),
    ),
    row("V01", "one iv for all", By(one_iv), STATE, Runs),
];

pub(super) const KEYS: &[Row] = &[
    row(
        "K01",
        "the policy names one more",
        Sh("rules \"$(own $ANA,$BOB)\""),
        STATE,
        Runs,
    ),
    row(
        "K01",
        "the file names one more",
        Sh("sops rotate -i --add-age $BOB $F"),
        STATE,
        Runs,
    ),
    row(
        "K01",
        "another threshold",
        By(another_threshold),
        STATE,
        Runs,
    ),
    row(
        "K01",
        "another number of groups",
        By(groups_no_more),
        STATE,
        Runs,
    ),
    row("K01", "a key twice", By(one_key_twice), STATE, Runs),
    row(
        "K02",
        "two stanzas behind a label",
        By(two_stanzas),
        STATE,
        Runs,
    ),
    row(
        "K03",
        "one stanza under two labels",
        By(one_stanza_twice),
        KEYLESS,
        Runs,
    ),
    row(
        "K04",
        "a copy with other readers",
        Sh(
            "rules \"$(own $ANA)\n  - path_regex: copy\n    age: $ANA,$BOB\n\"; cp $F copy.enc.yaml; sops updatekeys -y copy.enc.yaml; git add -A",
        ),
        STATE,
        Runs,
    ),
    row(
        "K05",
        "the data key stayed",
        Sh("bob_leaves_by_sops"),
        STATE,
        Runs,
    ),
    row(
        "K06",
        "what Bob knows",
        Sh(
            "rules \"$(own $ANA,$BOB)\"; stax secrets updatekeys >&2; commit; rules \"$(own $ANA)\"; stax secrets updatekeys >&2; commit",
        ),
        &["--exposure"],
        Says("stax secrets exposure"),
    ),
    row(
        "K07",
        "an old value",
        Sh("git commit -q --amend --no-edit --no-verify --date 2020-01-01T00:00:00Z"),
        &["--max-age", "90d"],
        Says("stax secrets list --age -f"),
    ),
    row(
        "K08",
        "a merge brings Bob back",
        Sh(
            "rules \"$(own $ANA,$BOB)\"; stax secrets updatekeys >&2; commit; git checkout -q -b side; echo x > x; commit; git checkout -q main; stax secrets remove-recipient $BOB >&2; commit; git checkout -q side; git merge -q --no-verify -s ours main; git checkout -q -B main side",
        ),
        STATE,
        Runs,
    ),
];

pub(super) const CHANGES: &[Row] = &[
    row(
        "D03",
        "a stanza from before a removal",
        By(kept_stanza),
        &["--keyless", "--range", "HEAD~1..HEAD"],
        Says("git log -p -- infra/secrets/prod.enc.yaml"),
    ),
    row(
        "D05",
        "another crypt rule",
        Sh("sed -i 's/unencrypted_suffix: _unencrypted/encrypted_regex: ^never$/' $F; commit"),
        RANGE,
        Says("git log -p -- infra/secrets/prod.enc.yaml"),
    ),
    row(
        "D06",
        "an old token",
        Sh("cp $F old; printf 1 | stax secrets set PORT >&2; commit; mv old $F; commit"),
        RANGE,
        Says("--explain D06"),
    ),
    row(
        "D08",
        "everything is new",
        Sh("stax secrets rotate >&2; commit"),
        RANGE,
        Says("somebody with a key"),
    ),
    row(
        "D09",
        "another type",
        Sh("sed -i 's/type:int/type:str/' $F; commit"),
        RANGE,
        Says("git log -p -- infra/secrets/prod.enc.yaml"),
    ),
    row(
        "D10",
        "an iv again",
        Sh(
            "sed -i 's/^PORT: ENC\\[AES256_GCM,data:[^,]*/PORT: ENC[AES256_GCM,data:AAAAAA==/' $F; commit",
        ),
        RANGE,
        Says("git log -p -- infra/secrets/prod.enc.yaml"),
    ),
    row(
        "D11",
        "an unencrypted value",
        Sh("manifest; git tag -f base >&2; sed -i 's/kind: old/kind: new/' m.yaml; commit"),
        RANGE,
        Runs,
    ),
    row(
        "D11",
        "another order",
        Sh("sed -i '1{h;d};2{G}' $F; commit"),
        RANGE,
        Runs,
    ),
    row(
        "D11",
        "a token is gone",
        Sh("sed -i '/^PORT: /d' $F; commit"),
        RANGE,
        Says("git log -p -- infra/secrets/prod.enc.yaml"),
    ),
    row(
        "D12",
        "what decides about readers",
        Sh("echo '# x' >> .sops.yaml; commit"),
        RANGE,
        Says("git log -p -- .sops.yaml"),
    ),
    row(
        "D13",
        "a replaced value is back",
        Sh(
            "git checkout -q -b side; echo x > x; commit; git checkout -q main; printf new | stax secrets set STRIPE_SECRET_KEY >&2; commit; git checkout -q side; git merge -q --no-verify -s ours main; git checkout -q -B main side",
        ),
        STATE,
        Runs,
    ),
    row(
        "M01",
        "an unknown field",
        Sh("metadata '    backup: x'"),
        STATE,
        Says("--explain M01"),
    ),
    row(
        "M02",
        "another selector",
        Sh("sed -i 's/unencrypted_suffix: _unencrypted/encrypted_regex: ^never$/' $F"),
        STATE,
        Says("--explain M02"),
    ),
    row(
        "M03",
        "no MAC",
        Sh("sed -i 's/^    mac: .*/    mac: \"\"/' $F"),
        STATE,
        Says("git log -p -- infra/secrets/prod.enc.yaml"),
    ),
    row(
        "M04",
        "no time",
        Sh("sed -i 's/^    lastmodified: .*/    lastmodified: yesterday/' $F"),
        STATE,
        Says("--explain M04"),
    ),
    row(
        "M05",
        "another rule than the policy's",
        Sh(
            "printf '  - path_regex: ^t\\n    encrypted_regex: ^data$\\n    age: %s\\n' $ANA >> .sops.yaml; echo 'data: b' > t.yaml; alone t.yaml; git add t.yaml",
        ),
        STATE,
        Says("--explain M05"),
    ),
];

pub(super) const REST: &[Row] = &[
    row(
        "G01",
        "no drivers",
        Sh(": > .gitattributes; git add .gitattributes"),
        STATE,
        Says("add to .gitattributes"),
    ),
    row(
        "G02",
        "executable",
        Sh("git update-index --chmod=+x $F"),
        STATE,
        Runs,
    ),
    row(
        "G03",
        "git keeps decrypted text",
        Sh("git config diff.stax.cachetextconv true"),
        STATE,
        Runs,
    ),
    row(
        "G05",
        "a secret key",
        Sh("cp $KEYFILE keys.txt; git add keys.txt"),
        STATE,
        Says("stax secrets "),
    ),
    row(
        "G06",
        "no drivers in the clone",
        Sh("git config --remove-section merge.stax"),
        STATE,
        Runs,
    ),
    row(
        "C01",
        "labels are swapped",
        Sh(
            "rules \"$(own $ANA,$BOB)\"; stax secrets updatekeys >&2; commit; sed -i \"s/$ANA/X/; s/$BOB/$ANA/; s/X/$BOB/\" $F",
        ),
        STATE,
        Says("another reader: stax secrets rotate"),
    ),
    row(
        "C02",
        "a token of another key",
        Sh(
            "t=$(sed -n 's/^STRIPE_SECRET_KEY: //p' $F); sed -i \"s|^DATABASE_URL: .*|DATABASE_URL: $t|\" $F",
        ),
        STATE,
        Says("git log -p -- infra/secrets/prod.enc.yaml"),
    ),
    row(
        "C03",
        "another order",
        Sh("sed -i '1{h;d};2{G}' $F"),
        STATE,
        Runs,
    ),
    row(
        "C04",
        "values of somebody else",
        Sh(
            "printf 'DATABASE_URL: x\\nSTRIPE_SECRET_KEY: y\\nPORT: 1\\n' > $F; sops encrypt -i $F; commit",
        ),
        RANGE_WITH_KEY,
        Says("git log -p -- infra/secrets/prod.enc.yaml"),
    ),
    row(
        "C05",
        "one data key for two files",
        By(one_data_key),
        STATE,
        Runs,
    ),
    row(
        "C06",
        "a name that programs obey",
        Sh("sops set $F '[\"NODE_OPTIONS\"]' '\"x\"'"),
        STATE,
        Says("--explain C06"),
    ),
    row(
        "C07",
        "a value in a program",
        Sh("echo \"k = '$CANARY'\" > app.py; git add app.py"),
        STAGED,
        Says("take it out of the file"),
    ),
];

/// What the scripts are written with.
pub(super) const PRELUDE: &str = r#"set -e
F=infra/secrets/prod.enc.yaml
sops() { "$SOPS" "$@" >&2; }
commit() { git add -A; git commit -q --no-verify -m "${1:-change}"; }
own() { printf '  - path_regex: ^infra/secrets/prod\\.enc\\.yaml$\n    age: %s\n' "$1"; }
rules() { printf 'creation_rules:\n%s\n' "$1" > .sops.yaml; }
alone() { sops --config /dev/null encrypt --age $ANA -i "$1"; }
metadata() { sed -i "s/^    lastmodified:/$1\n&/" $F; }
manifest() { printf 'kind: old\ndata: x\n' > m.yaml
  sops --config /dev/null encrypt --age $ANA --encrypted-regex '^data$' -i m.yaml; commit; }
bob_leaves_by_sops() { rules "$(own $ANA,$BOB)"; sops updatekeys -y $F; commit; rules "$(own $ANA)"; sops updatekeys -y $F
  commit; }
"#;
