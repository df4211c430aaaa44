//! What must not slip through a hook, a range, a push or a look at the tree: whose exceptions
//! count, and documents and keys in disguise.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use crate::support::{CANARY, Output, PROD, Person, Sandbox};

const VAULT: &str = ".stax/vault.json";

/// A store whose `main` is on a bare `origin`.
fn with_origin() -> Sandbox {
    let sandbox = Sandbox::with_store();
    sandbox
        .git(["init", "--quiet", "--bare", "../origin.git"])
        .ok();
    sandbox
        .git(["remote", "add", "origin", "../origin.git"])
        .ok();
    sandbox.git(["push", "--quiet", "origin", "main"]).ok();
    sandbox.git(["fetch", "--quiet", "origin"]).ok();
    sandbox
}

fn allow(person: &Person, rule: &str) {
    let vault = person.read(VAULT);
    let entry = format!(
        "],\n  \"allow\": [{{\"rule\": \"{rule}\", \"path\": \"{PROD}\", \"why\": \"agreed\"}}]\n}}"
    );
    let at = vault.rfind(']').expect("the list of files");
    person.write(VAULT, format!("{}{entry}\n", &vault[..at]));
}

/// What somebody without a key does: a value goes, and the MAC stays.
fn drop_a_value(person: &Person) {
    let text = person.read(PROD);
    let rest: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("PORT:"))
        .collect();
    person.write(PROD, rest.join("\n") + "\n");
}

fn commit_unseen(person: &Person, message: &str) {
    person.git(["add", "--all"]).ok();
    person
        .git(["commit", "--quiet", "--no-verify", "-m", message])
        .ok();
}

fn range(person: &Person, range: &str) -> Output {
    person.stax(["secrets", "verify", "--keyless", "--range", range])
}

fn keyless(person: &Person) -> Output {
    person.stax(["secrets", "verify", "--keyless"])
}

/// A policy that lets Ana read what it names.
fn repository(rules: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    let key = sandbox.key();
    let rules: String = rules
        .iter()
        .map(|rule| format!("  - path_regex: {rule}\n    age: {key}\n"))
        .collect();
    sandbox.write(".sops.yaml", format!("creation_rules:\n{rules}"));
    sandbox.write("README.md", "secrets live here\n");
    sandbox.commit_all("the policy");
    sandbox
}

/// A document that a stranger reads too, of which sops checks what is encrypted alone.
fn for_a_stranger(sandbox: &Sandbox, name: &str, text: &str) -> String {
    let (ana, mallory) = (sandbox.key(), sandbox.person("mallory").key());
    let policy = sandbox.read(".sops.yaml");
    let own = format!(
        "creation_rules:\n  - age: {ana},{mallory}\n    encrypted_regex: ^DB\n    mac_only_encrypted: true\n"
    );
    sandbox.write(".sops.yaml", own);
    sandbox.write(name, text);
    sandbox.sops(["encrypt", "-i", name]).ok();
    sandbox.write(".sops.yaml", policy);
    sandbox.read(name)
}

fn secret_key(person: &Person) -> String {
    let file = fs::read_to_string(person.key_file()).expect("the key file");
    file.lines()
        .find(|line| line.starts_with("AGE-SECRET-KEY-"))
        .expect("the key")
        .to_owned()
}

#[test]
fn an_exception_counts_after_the_commit_that_brings_it() {
    let sandbox = Sandbox::with_store();
    let thief = sandbox.keyless();
    drop_a_value(&thief);
    allow(&thief, "D11");
    thief.git(["add", "--all"]).ok();
    let refused = thief
        .git(["commit", "--quiet", "-m", "tidy"])
        .exits(1)
        .shows("error[D11 mac-unchanged]");
    refused
        .shows("a new exception: D11 mac-unchanged of infra/secrets/prod.enc.yaml (agreed)")
        .shows("CI accepts this once it is on main");
    commit_unseen(&thief, "tidy");
    range(&thief, "HEAD~1..HEAD")
        .exits(1)
        .prints("error[D11")
        .prints("notice[D12 guard-changed]: a new exception");
    range(&thief, "HEAD").exits(1);

    // agreed on first, it counts for what follows it, and not for a range that holds both
    thief.git(["reset", "--quiet", "--hard", "HEAD~1"]).ok();
    allow(&thief, "D11");
    thief.commit_all("agree");
    drop_a_value(&thief);
    thief.commit_all("tidy");
    range(&thief, "HEAD~1..HEAD").ok().prints("1 accepted");
    range(&thief, "HEAD~2..HEAD").exits(1).prints("error[D11");
    thief
        .stax([
            "secrets",
            "verify",
            "--keyless",
            "--range",
            "HEAD~2..HEAD",
            "--allow-from",
            "HEAD~1",
        ])
        .ok();
    thief
        .stax(["secrets", "verify", "--keyless", "--history"])
        .ok()
        .prints("1 accepted");
}

#[test]
fn two_pushes_excuse_no_more_than_one() {
    let sandbox = with_origin();
    let thief = sandbox.keyless();
    thief.git(["switch", "--quiet", "-c", "side"]).ok();
    allow(&thief, "D11");
    thief.commit_all("agree with myself");
    thief.git(["push", "--quiet", "origin", "side"]).ok();
    drop_a_value(&thief);
    thief.commit_all("tidy");
    thief
        .git(["push", "--quiet", "origin", "side"])
        .exits(1)
        .shows("error[D11 mac-unchanged]");
    // once everybody has the exception it counts
    thief.git(["push", "--quiet", "origin", "HEAD~1:main"]).ok();
    thief.git(["fetch", "--quiet", "origin"]).ok();
    thief.git(["push", "--quiet", "origin", "side"]).ok();
    // on the default branch itself, what the remote has there counts
    thief.git(["push", "--quiet", "origin", "side:main"]).ok();
}

#[test]
fn a_server_takes_no_exception_from_the_branch_that_is_pushed() {
    let sandbox = with_origin();
    let hook = "../origin.git/hooks/pre-receive";
    sandbox.write(hook, include_str!("../../docs/ci/pre-receive"));
    sandbox
        .sh(&format!(
            "chmod +x {hook}; git -C ../origin.git symbolic-ref HEAD refs/heads/main"
        ))
        .ok();
    let thief = sandbox.keyless();
    thief.git(["switch", "--quiet", "-c", "side"]).ok();
    allow(&thief, "D11");
    commit_unseen(&thief, "agree with myself");
    let push = ["push", "--quiet", "--no-verify", "origin", "side"];
    thief.git(push).ok();
    drop_a_value(&thief);
    commit_unseen(&thief, "tidy");
    thief
        .git(push)
        .exits(1)
        .shows("D11 mac-unchanged")
        .shows("pre-receive hook declined");
    thief
        .git(["push", "--quiet", "--no-verify", "origin", "side~1:main"])
        .ok();
    thief.git(push).ok();
}

#[test]
fn an_exception_hides_no_broken_proof() {
    for rules in [&["F04"][..], &["F01"]] {
        let sandbox = Sandbox::with_store();
        rules.iter().for_each(|rule| allow(&sandbox, rule));
        sandbox.commit_all("agree");
        match rules {
            ["F04"] => sandbox.put_in_clear(PROD, "STRIPE_SECRET_KEY", "canary-in-clear"),
            _ => sandbox.write(PROD, format!("{}: broken: [\n", sandbox.read(PROD))),
        }
        commit_unseen(&sandbox, "break it");
        sandbox.stax(["secrets", "export"]).fails();
        keyless(&sandbox).ok().prints("1 accepted");
        let told = sandbox.stax(["secrets", "verify", "--with-key"]).exits(1);
        match rules {
            ["F04"] => told
                .prints("error[C02 value]")
                .prints("a key opened 1, and no MAC could be checked"),
            _ => told.says("no MAC was checked"),
        };
    }
}

/// What is wrong already is no obstacle to binding the file, and what is new is.
#[test]
fn a_repository_with_old_findings_is_adopted() {
    let sandbox = repository(&["^s/"]);
    sandbox.write("s/prod.yaml", "A: one\nB: two\n");
    sandbox.sops(["encrypt", "-i", "s/prod.yaml"]).ok();
    let text = sandbox.read("s/prod.yaml");
    sandbox.write("s/prod.yaml", format!("PLAIN: old\n{text}"));
    commit_unseen(&sandbox, "somebody was in a hurry");
    keyless(&sandbox).exits(1).prints("error[F04 plaintext]");
    sandbox
        .stax([
            "secrets",
            "init",
            "--env",
            "production",
            "--file",
            "s/prod.yaml",
        ])
        .ok();
    sandbox.commit_all("adopt stax");
    range(&sandbox, "HEAD~1..HEAD").ok().says("older finding");
    // the same key with another value in plaintext is another leak
    sandbox.write(
        "s/prod.yaml",
        sandbox
            .read("s/prod.yaml")
            .replace("PLAIN: old", "PLAIN: new"),
    );
    sandbox
        .git(["commit", "--quiet", "-am", "another"])
        .exits(1)
        .shows("error[F04 plaintext]");
    commit_unseen(&sandbox, "another");
    range(&sandbox, "HEAD~1..HEAD")
        .exits(1)
        .prints("error[F04 plaintext]");
}

/// sops opens each of these, so a stranger in it reads it.
#[test]
fn a_document_in_disguise_is_judged_or_refused() {
    let sandbox = repository(&["^s/"]);
    let json = for_a_stranger(&sandbox, "s/a.json", "{\"DB\": \"hunter2\", \"x\": \"y\"}");
    let yaml = for_a_stranger(&sandbox, "s/a.yaml", "DB: hunter2\nx: y\n");
    let merged = yaml.replace("\nsops:\n", "\n<<:\n  sops:\n");
    let (head, block) = merged.split_once("  sops:\n").expect("the block");
    let merged = format!(
        "{head}  sops:\n{}\n",
        block
            .lines()
            .map(|line| format!("  {line}"))
            .collect::<Vec<_>>()
            .join("\n")
    );
    let utf16 = |text: &str| -> Vec<u8> {
        std::iter::once(0xfeff)
            .chain(text.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect()
    };
    let padding = format!("#{}\n", "p".repeat(1_000)).repeat(34_000);
    let base = sandbox.git(["rev-parse", "HEAD"]).ok().stdout;
    for (name, bytes, rule) in [
        (
            "s/a.json",
            json.replace("\"sops\":", "\"\\u0073ops\":").into_bytes(),
            "K01 recipients",
        ),
        (
            "s/a.json",
            json.replace("\"sops\":", "\"SOPS\":").into_bytes(),
            "F01 parse",
        ),
        (
            "s/a.json",
            json.replace("\"sops\":", "\"ſops\":").into_bytes(),
            "F01 parse",
        ),
        (
            "s/a.yaml",
            yaml.replace("\nsops:", "\n\"\\x73ops\":").into_bytes(),
            "K01 recipients",
        ),
        (
            "s/a.yaml",
            yaml.replace("\nsops:", "\n!!binary \"c29wcw==\":")
                .into_bytes(),
            "F01 parse",
        ),
        (
            "s/a.yaml",
            yaml.replace("\nsops:", "\n? \"so\\\n  ps\"\n:")
                .into_bytes(),
            "K01 recipients",
        ),
        ("s/a.yaml", merged.into_bytes(), "F01 parse"),
        ("s/a.yaml", utf16(&yaml), "F01 parse"),
        (
            "s/a.yaml",
            format!("{yaml}{padding}").into_bytes(),
            "F01 parse",
        ),
    ] {
        sandbox
            .git(["reset", "--quiet", "--hard", base.trim()])
            .ok();
        sandbox.write(name, &bytes);
        assert!(
            sandbox
                .sops(["decrypt", name])
                .ok()
                .stdout
                .contains("hunter2"),
            "sops opens it"
        );
        sandbox.git(["add", "--all"]).ok();
        let staged = sandbox.stax(["secrets", "verify", "--staged"]).exits(1);
        staged.shows(&format!("error[{rule}]"));
        commit_unseen(&sandbox, "in disguise");
        keyless(&sandbox).exits(1).prints(&format!("error[{rule}]"));
        range(&sandbox, "HEAD~1..HEAD")
            .exits(1)
            .prints(&format!("error[{rule}]"));
    }
}

#[test]
fn a_sealed_binary_of_any_size_is_judged_in_a_range() {
    let sandbox = repository(&["^tls.key$"]);
    let noise: String = (0..20_000_u32)
        .map(|at| char::from(b'a' + (at * at % 25) as u8))
        .collect();
    sandbox.write("tls.key", noise);
    sandbox.sops(["encrypt", "-i", "tls.key"]).ok();
    sandbox.commit_all("a key");
    let mallory = sandbox.person("mallory").key();
    sandbox
        .sops(["rotate", "-i", "--add-age", &mallory, "tls.key"])
        .ok();
    commit_unseen(&sandbox, "one more reader");
    range(&sandbox, "HEAD~1..HEAD")
        .exits(1)
        .prints("error[K01 recipients]");
}

#[test]
fn a_name_that_is_no_text_hides_neither_a_key_nor_a_document() {
    let sandbox = with_origin();
    let odd = std::ffi::OsStr::from_bytes(b"k\xff.yaml");
    let document = for_a_stranger(&sandbox, "odd.yaml", "DB: hunter2\n");
    sandbox.sh("rm odd.yaml").ok();
    for (text, rule) in [
        (secret_key(&sandbox), "G05 age-key"),
        (document, "F01 parse"),
    ] {
        fs::write(sandbox.dir.join(odd), text).expect("the file");
        sandbox.git(["add", "--all"]).ok();
        sandbox
            .git(["commit", "--quiet", "-m", "odd"])
            .exits(1)
            .shows(&format!("error[{rule}]"));
        commit_unseen(&sandbox, "odd");
        keyless(&sandbox).exits(1).prints(&format!("error[{rule}]"));
        range(&sandbox, "HEAD~1..HEAD")
            .exits(1)
            .prints(&format!("error[{rule}]"));
        sandbox
            .git(["push", "--quiet", "origin", "main"])
            .exits(1)
            .shows(&format!("error[{rule}]"));
        sandbox.git(["reset", "--quiet", "--hard", "HEAD~1"]).ok();
    }
}

#[test]
fn a_secret_key_is_found_in_whatever_it_stands() {
    let sandbox = with_origin();
    let key = secret_key(&sandbox);
    let utf16: Vec<u8> = key.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let large = [
        vec![b'a'; 1_100_000],
        b"\n".to_vec(),
        key.clone().into_bytes(),
    ]
    .concat();
    let huge = [vec![0; 34 << 20], key.clone().into_bytes()].concat();
    for (what, bytes) in [("UTF-16", utf16), ("large", large), ("huge", huge)] {
        sandbox.write("notes.bin", bytes);
        sandbox.git(["add", "--all"]).ok();
        let refused = sandbox.git(["commit", "--quiet", "-m", what]).exits(1);
        refused.shows("error[G05 age-key]").hides(&key);
        keyless(&sandbox).exits(1).prints("error[G05 age-key]");
        sandbox.git(["reset", "--quiet", "--hard"]).ok();
    }
    for script in [format!(": > {key}"), format!("ln -s {key} link")] {
        sandbox.sh(&script).ok();
        sandbox.git(["add", "--all"]).ok();
        sandbox
            .git(["commit", "--quiet", "-m", "x"])
            .exits(1)
            .shows("error[G05 age-key]")
            .hides(&key);
        commit_unseen(&sandbox, "x");
        range(&sandbox, "HEAD~1..HEAD")
            .exits(1)
            .prints("error[G05 age-key]")
            .hides(&key);
        sandbox
            .git(["push", "--quiet", "origin", "main"])
            .exits(1)
            .shows("error[G05 age-key]")
            .hides(&key);
        sandbox.git(["reset", "--quiet", "--hard", "HEAD~1"]).ok();
    }
    // what commits and tags say is published with them
    sandbox
        .git([
            "commit",
            "--quiet",
            "--allow-empty",
            "-m",
            &format!("notes\n\n{key}"),
        ])
        .ok();
    range(&sandbox, "HEAD~1..HEAD")
        .exits(1)
        .prints("the text of commit ")
        .hides(&key);
    sandbox
        .git(["push", "--quiet", "origin", "main"])
        .exits(1)
        .shows("error[G05 age-key]")
        .hides(&key);
    sandbox.git(["reset", "--quiet", "--hard", "HEAD~1"]).ok();
    sandbox.git(["tag", "-m", &key, "v1"]).ok();
    sandbox
        .git(["push", "--quiet", "origin", "v1"])
        .exits(1)
        .shows("the text of tag ")
        .hides(&key);
}

#[test]
fn a_value_in_the_text_of_a_commit_or_a_tag_is_not_pushed() {
    let sandbox = with_origin();
    sandbox
        .git([
            "commit",
            "--quiet",
            "--allow-empty",
            "-m",
            &format!("roll {CANARY}"),
        ])
        .ok();
    let refused = sandbox.git(["push", "--quiet", "origin", "main"]).exits(1);
    refused.shows(
        "error[C07 value-in-clear]: the value of STRIPE_SECRET_KEY (production) stands in the text of commit",
    );
    sandbox.git(["reset", "--quiet", "--hard", "HEAD~1"]).ok();
    sandbox.git(["tag", "-m", CANARY, "v1"]).ok();
    sandbox
        .git(["push", "--quiet", "origin", "v1"])
        .exits(1)
        .shows("stands in the text of tag")
        .hides(CANARY);
    sandbox.git(["tag", "-m", "the first one", "v2"]).ok();
    sandbox.git(["push", "--quiet", "origin", "v2"]).ok();
}

#[test]
fn a_tag_of_a_tree_or_a_file_is_judged_like_a_commit() {
    let sandbox = with_origin();
    sandbox.put_in_clear(PROD, "STRIPE_SECRET_KEY", "canary-in-clear");
    commit_unseen(&sandbox, "bad");
    sandbox.git(["tag", "a-tree", "HEAD^{tree}"]).ok();
    sandbox.git(["tag", "a-file", &format!("HEAD:{PROD}")]).ok();
    sandbox
        .git(["tag", "-m", "signed", "of-a-tree", "HEAD^{tree}"])
        .ok();
    sandbox.write("notes.txt", format!("use {CANARY}\n"));
    sandbox.git(["add", "--all"]).ok();
    let blob = sandbox.git(["rev-parse", ":notes.txt"]).ok().stdout;
    sandbox.git(["tag", "a-note", blob.trim()]).ok();
    sandbox.git(["reset", "--quiet", "--hard", "HEAD~1"]).ok();
    sandbox.git(["tag", "honest-tree", "HEAD^{tree}"]).ok();
    sandbox
        .git(["tag", "honest-file", &format!("HEAD:{PROD}")])
        .ok();
    for (tag, rule) in [
        ("a-tree", "F04"),
        ("a-file", "F04"),
        ("of-a-tree", "F04"),
        ("a-note", "C07"),
    ] {
        let refused = sandbox.git(["push", "--quiet", "origin", tag]).exits(1);
        refused
            .shows(&format!("error[{rule} "))
            .shows("push refused")
            .hides("canary");
    }
    sandbox
        .git(["push", "--quiet", "origin", "honest-tree", "honest-file"])
        .ok();
}

#[test]
fn attributes_in_a_folder_count_like_those_at_the_root() {
    let sandbox = Sandbox::with_store();
    sandbox.write(
        "infra/secrets/.gitattributes",
        "prod.enc.yaml -diff merge=union\n",
    );
    sandbox.write("docs/.gitattributes", "*.md text\n");
    sandbox.git(["add", "--all"]).ok();
    sandbox
        .git(["commit", "--quiet", "-m", "attributes"])
        .ok()
        .shows("warning[G01 drivers]")
        .shows("infra/secrets/.gitattributes");
    // a range is judged by what its commits hold, whatever is checked out
    sandbox
        .git(["checkout", "--quiet", "--detach", "HEAD~1"])
        .ok();
    let told = range(&sandbox, "main~1..main").ok();
    told.clone()
        .prints("warning[G01 drivers]")
        .prints("notice[D12 guard-changed]");
    told.prints("infra/secrets/.gitattributes")
        .hides("docs/.gitattributes");
    range(&sandbox, "main~1").ok().hides("G01");
    // the clone's own file is in no commit
    let sandbox = Sandbox::with_store();
    sandbox.write(".git/info/attributes", "*.yaml !diff\n");
    sandbox.set("PORT", "6543").ok();
    sandbox
        .git(["commit", "--quiet", "-am", "port"])
        .ok()
        .shows("warning[G01 drivers]")
        .shows("info/attributes");
}

#[test]
fn unbinding_a_file_is_no_way_around_what_binds_it() {
    let sandbox = Sandbox::with_store();
    let mallory = sandbox.person("mallory").key();
    sandbox.add_to_policy_only(&sandbox.key(), &mallory);
    sandbox.write(
        ".sops.yaml",
        sandbox
            .read(".sops.yaml")
            .replace("prod\\.enc\\.yaml", "prod\\.yaml"),
    );
    sandbox.git(["mv", PROD, "infra/secrets/prod.yaml"]).ok();
    sandbox.write(
        VAULT,
        "{\"version\": 1, \"backend\": \"sops-age\", \"files\": []}\n",
    );
    let text = sandbox.read("infra/secrets/prod.yaml");
    sandbox.write(
        "infra/secrets/prod.yaml",
        format!("GIT_SSL_NO_VERIFY: \"\"\n{text}"),
    );
    sandbox.git(["add", "--all"]).ok();
    sandbox
        .git(["commit", "--quiet", "-m", "move"])
        .exits(1)
        .shows("error[F04E empty-value]");
    commit_unseen(&sandbox, "move");
    range(&sandbox, "HEAD~1..HEAD")
        .exits(1)
        .prints("error[F04E empty-value]")
        .prints("error[K01 recipients]");

    let honest = Sandbox::with_store();
    honest.write(
        VAULT,
        "{\"version\": 1, \"backend\": \"sops-age\", \"files\": []}\n",
    );
    honest.git(["mv", PROD, "infra/secrets/prod.yaml"]).ok();
    honest.write(
        ".sops.yaml",
        honest
            .read(".sops.yaml")
            .replace("prod\\.enc\\.yaml", "prod\\.yaml"),
    );
    honest.commit_all("move");
    range(&honest, "HEAD~1..HEAD").ok();
}

#[test]
fn what_was_not_looked_into_is_said() {
    let sandbox = Sandbox::new();
    sandbox.write("notes.txt", "x\n");
    sandbox.commit_all("notes");
    let strict = ["secrets", "verify", "--require-files"];
    keyless(&sandbox)
        .ok()
        .prints("nothing to verify: no SOPS file here")
        .hides("keyless");
    sandbox
        .stax(strict)
        .exits(1)
        .prints("error[F01 parse]: nothing to verify");
    let json = sandbox.stax(["secrets", "verify", "--json"]).ok().json();
    assert_eq!(json["nothing_to_verify"], true);

    let outer = Sandbox::with_store();
    let inner = outer.place().join("inner");
    let person = outer.at(&inner);
    fs::create_dir(&inner).expect("a folder");
    person.git(["init", "--quiet"]).ok();
    person.write("README.md", "nothing here\n");
    person.commit_all("plain");
    let url = inner.to_str().expect("UTF-8");
    let add = |name: &str| {
        outer
            .git([
                "-c",
                "protocol.file.allow=always",
                "submodule",
                "--quiet",
                "add",
                url,
                name,
            ])
            .ok()
    };
    add("plain");
    person.write("s.yaml", outer.read(PROD));
    person.commit_all("a secret");
    add("secret");
    outer.commit_all("submodules");
    let told = outer.stax(["secrets", "verify"]).ok();
    told.says(
        "secret was not looked into: a submodule with SOPS files: stax -C secret secrets verify",
    )
    .hides("plain was not");
    outer
        .stax(strict)
        .exits(1)
        .prints("error[F01 parse]: was not looked into");
    outer
        .git(["submodule", "--quiet", "deinit", "--force", "--all"])
        .ok();
    outer
        .stax(["secrets", "verify"])
        .ok()
        .says("plain was not looked into: a submodule that is not checked out");

    // a link on the way leads out of the work tree: what it names is not what git has
    let sandbox = Sandbox::with_store();
    sandbox.write("notes/a.txt", "x\n");
    sandbox.commit_all("notes");
    sandbox.sh("mv notes elsewhere; ln -s elsewhere notes").ok();
    sandbox
        .stax(["secrets", "verify"])
        .ok()
        .says("notes/a.txt was not looked into");
    sandbox.stax(strict).exits(1).prints("notes/a.txt");
    sandbox
        .stax(["secrets", "status"])
        .shows("1 file could not be read");
}

/// Files of ordinary repositories that look like something on the way: none is a finding, and
/// nothing is said.
#[test]
fn ordinary_neighbours_raise_no_alarm() {
    let sandbox = with_origin();
    let token = "ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]";
    let utf16 = |text: &str| -> Vec<u8> {
        std::iter::once(0xfeff)
            .chain(text.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect()
    };
    let program = format!("\x7fELF\0\0sops\0{token}\0-----BEGIN AGE ENCRYPTED FILE-----\0");
    let huge = [program.clone().into_bytes(), vec![0; 33 << 20]].concat();
    sandbox.write("bin/sops", program);
    sandbox.write("bin/huge", huge);
    sandbox.write(
        "dist/app.js",
        format!("var a=\"\\u0073\\x6fps\",b=\"{token}\",c=!!d,e={{\"sops\":1}};"),
    );
    sandbox.write("data/rows.csv", "id,name\n1,sops\n".repeat(200_000));
    sandbox.write("data/large.csv", "1,sops,ENC[\n".repeat(3_000_000));
    sandbox.write(
        "win/strings.rc",
        utf16("IDS_SOPS \"Our SOPs\" ENC[AES256_GCM,"),
    );
    sandbox.write(
        "README.md",
        format!("# sops\n\nA value looks like `{token}`; AGE-SECRET-KEY-1… is a key.\n"),
    );
    sandbox.write(
        "package.json",
        "{\"SOPS\": \"ours\", \"scripts\": {\"sops\": \"sops -d\"}}\n",
    );
    sandbox.write(
        "chart/values.yaml",
        format!("base: &b {{a: 1}}\nx:\n  <<: *b\n  sops: {{on: true}}\n  doc: '{token}'\n"),
    );
    sandbox.write("icon.yaml", "logo: !!binary aGVsbG8=\n");
    fs::write(
        sandbox
            .dir
            .join(std::ffi::OsStr::from_bytes(b"caf\xe9.txt")),
        "sops\n",
    )
    .expect("the file");
    sandbox.git(["add", "--all"]).ok();
    let committed = sandbox
        .keyless()
        .git(["commit", "--quiet", "-m", "neighbours"])
        .ok();
    committed.hides("error").hides("warning").hides("note");
    keyless(&sandbox)
        .ok()
        .prints(": no finding")
        .hides("not looked into");
    range(&sandbox, "HEAD~1..HEAD").ok().prints(": no finding");
    sandbox
        .stax(["secrets", "verify", "--history", "--keyless"])
        .ok()
        .hides("error")
        .hides("warning");
    sandbox
        .keyless()
        .git(["push", "--quiet", "origin", "main"])
        .ok()
        .hides("stax");
}
