//! What honest people do with sops, stax and git, mixed: no rule calls it an error, neither at the
//! end nor in any commit.

use std::fmt::Write as _;

use crate::support::{Person, Sandbox, real_sops};

/// Two people, a flat file and a nested one, committed.
fn store() -> (Sandbox, Person) {
    let sandbox = Sandbox::new();
    sandbox.key();
    let bob = sandbox.person("bob");
    let (ana, two) = (sandbox.key(), bob.key());
    sandbox.write(
        ".sops.yaml",
        format!("creation_rules:\n  - path_regex: ^s/\n    age: {ana},{two}\n"),
    );
    sandbox.write("s/a.yaml", "# flat\nA: one\nB: 2\nC: three\n");
    sandbox.write(
        "s/k.yaml",
        "kind: Secret\nmetadata: {name: k}\nstringData:\n  p: x # why\n  q: [y, z]\n",
    );
    for file in ["s/a.yaml", "s/k.yaml"] {
        sandbox.sops(["encrypt", "-i", file]).ok();
    }
    sandbox.commit_all("the store");
    (sandbox, bob)
}

/// A name and the commands; `c` commits everything.
const HISTORIES: [(&str, &str); 34] = [
    ("nothing happens", "true"),
    (
        "sops sets a value",
        "sops set s/a.yaml '[\"A\"]' '\"new\"'; c",
    ),
    (
        "stax sets a value",
        "printf new | stax secrets set -f s/a.yaml A; c",
    ),
    (
        "both set values in turn",
        "sops set s/a.yaml '[\"A\"]' '\"n\"'; c; printf m | stax secrets set -f s/a.yaml B --type str; c; sops set s/k.yaml '[\"stringData\"][\"p\"]' '\"n\"'; c",
    ),
    (
        "sops sets the same value again",
        "sops set s/a.yaml '[\"A\"]' '\"one\"'; c_maybe",
    ),
    (
        "a type changes", // the MAC does not cover the type: within one second sops writes the same again
        "sleep 1.1; sops set s/a.yaml '[\"B\"]' '\"2\"'; c",
    ),
    (
        "a value is removed",
        "sops unset s/a.yaml '[\"C\"]'; c; stax secrets unset -f s/a.yaml B; c",
    ),
    (
        "a nested value is removed",
        "stax secrets unset -f s/k.yaml stringData.q[0]; c; sops unset s/k.yaml '[\"stringData\"][\"q\"]'; c",
    ),
    (
        "an edit by sops",
        "EDITOR=\"sed -i s/one/uno/\" sops s/a.yaml; c",
    ),
    (
        "an edit by stax",
        "EDITOR=\"sed -i s/one/uno/\" stax secrets edit -f s/a.yaml; c",
    ),
    (
        "only a comment changes",
        "EDITOR=\"sed -i s/flat/plain/\" stax secrets edit -f s/a.yaml; c",
    ),
    ("a rotation by sops", "sops rotate -i s/a.yaml; c"),
    (
        "a rotation by stax",
        "stax secrets rotate s/a.yaml s/k.yaml; c",
    ),
    (
        "updatekeys without a change",
        "sops updatekeys -y s/a.yaml; c_maybe",
    ),
    (
        "somebody joins by sops",
        "carol_joins; sops updatekeys -y s/a.yaml; sops updatekeys -y s/k.yaml; c",
    ),
    (
        "somebody joins, the files follow a commit later",
        "carol_joins; c; sops updatekeys -y s/a.yaml; sops updatekeys -y s/k.yaml; c",
    ),
    (
        "somebody leaves by rotation",
        "bob_leaves; for f in s/*.yaml; do sops updatekeys -y $f; sops rotate -i $f; done; c",
    ),
    (
        "somebody leaves by stax",
        "stax secrets remove-recipient \"$BOB\"; c",
    ),
    (
        "somebody leaves and comes back",
        "cp .sops.yaml old; bob_leaves; for f in s/*.yaml; do sops updatekeys -y $f; done; git add .sops.yaml s; git commit -qm out; mv old .sops.yaml; for f in s/*.yaml; do sops updatekeys -y $f; done; c",
    ),
    (
        "a merge of two files",
        "git checkout -qb side; sops set s/a.yaml '[\"A\"]' '\"n\"'; c; git checkout -q main; sops set s/k.yaml '[\"stringData\"][\"p\"]' '\"n\"'; c; git merge -q --no-edit side",
    ),
    (
        "a merge that takes theirs",
        "git checkout -qb side; sops set s/a.yaml '[\"A\"]' '\"n\"'; c; git checkout -q main; sops set s/a.yaml '[\"B\"]' '3'; c; git merge -q -X theirs --no-edit side >/dev/null || { git checkout -q --theirs s/a.yaml; c; }; git checkout -q side -- s/a.yaml; c_maybe",
    ),
    (
        "a squash",
        "git checkout -qb side; sops set s/a.yaml '[\"A\"]' '\"n\"'; c; sops set s/a.yaml '[\"B\"]' '3'; c; git checkout -q main; git merge -q --squash side; git commit -qm squash",
    ),
    (
        "a revert of a value",
        "sops set s/a.yaml '[\"A\"]' '\"n\"'; c; git revert --no-edit -q HEAD 2>/dev/null || git revert --no-edit HEAD",
    ),
    (
        "a revert of a rotation",
        "sops rotate -i s/a.yaml; c; git revert --no-edit HEAD",
    ),
    (
        "a cherry-pick",
        "git checkout -qb side; sops set s/a.yaml '[\"A\"]' '\"n\"'; c; git checkout -q main; echo x > notes; c; git cherry-pick side",
    ),
    (
        "a rename",
        "git mv s/a.yaml s/b.yaml; c; sops set s/b.yaml '[\"A\"]' '\"n\"'; c",
    ),
    (
        "another layout",
        "sed -i 's/^    /  /' s/k.yaml; c; sops set s/k.yaml '[\"stringData\"][\"p\"]' '\"n\"'; c",
    ),
    (
        "quotes around tokens",
        "sed -i \"s/^A: \\(.*\\)$/A: '\\1'/\" s/a.yaml; c; sops set s/a.yaml '[\"B\"]' '3'; c",
    ),
    ("CRLF line ends", "sed -i 's/$/\\r/' s/a.yaml; c"),
    (
        "a new file and its end",
        "printf 'N: 1\\n' > s/n.yaml; sops encrypt -i s/n.yaml; c; git rm -q s/n.yaml; c",
    ),
    (
        "other formats",
        "printf '{\"a\": 1}\\n' > s/j.json; printf 'A=1\\n' > s/e.env; printf 'raw\\n' > s/b.bin; printf '[s]\\nk = v\\n' > s/i.ini; for f in s/j.json s/e.env s/b.bin s/i.ini; do sops encrypt -i $f; done; c; sops set s/j.json '[\"a\"]' 2; c; printf 3 | stax secrets set -f s/e.env A; c",
    ),
    (
        "several documents",
        "printf 'a: 1\\n---\\nb: 2\\n' > s/m.yaml; sops encrypt -i s/m.yaml; c; printf 3 | stax secrets set -f s/m.yaml b; c",
    ),
    (
        "clear fields under mac_only_encrypted",
        "printf 'creation_rules:\\n  - path_regex: ^s/\\n    age: %s\\n    encrypted_regex: ^secret$\\n    mac_only_encrypted: true\\n' \"$ANA\" > .sops.yaml; rm s/a.yaml s/k.yaml; printf 'image: v1\\nsecret: x\\n' > s/r.yaml; sops encrypt -i s/r.yaml; c; sed -i /^image/s/v1/v2/ s/r.yaml; c; sed -i /^image/s/v2/v3/ s/r.yaml; c",
    ),
    (
        "a repair after a half-done change",
        "cp s/a.yaml good; sed -i '/^B: /d' s/a.yaml; stax secrets verify >/dev/null || true; cp good s/a.yaml; rm good; c_maybe; sops set s/a.yaml '[\"A\"]' '\"n\"'; c",
    ),
];

const PRELUDE: &str = "set -e
sops() { \"$SOPS\" \"$@\"; }
c() { git add -A; git commit -qm \"$(git rev-list --count HEAD)\"; }
c_maybe() { git add -A; git diff --cached --quiet || c; }
bob_leaves() { sed -i \"s/,$BOB//\" .sops.yaml; }
carol_joins() { sed -i \"s/age: /age: $CAROL,/\" .sops.yaml; }
";

#[test]
fn honest_histories_hold_no_error() {
    let mut wrong = String::new();
    for (name, script) in HISTORIES {
        let (sandbox, bob) = store();
        let carol = sandbox.person("carol");
        let ana = sandbox
            .with("SOPS", real_sops::path())
            .with("ANA", sandbox.key())
            .with("BOB", bob.key())
            .with("CAROL", carol.key());
        let output = ana.sh(&format!("{PRELUDE}{script}"));
        if output.code != 0 || !ana.git(["status", "--short"]).stdout.is_empty() {
            let _ = writeln!(wrong, "{name} does not end: {output}");
            continue;
        }
        for args in [
            &["secrets", "verify"][..],
            &["secrets", "verify", "--keyless"],
            &["secrets", "verify", "--history"],
        ] {
            let output = ana.stax(args);
            if output.code != 0 {
                let _ = writeln!(wrong, "{name}: {output}");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
