//! What `verify` prints: for people, machines and code scanning, and why each rule is there.

use std::fs;

use serde_json::Value;

use crate::support::{PROD, Sandbox};

const LEAK: &str = "canary-in-clear";

fn with_plaintext() -> Sandbox {
    let sandbox = Sandbox::with_store();
    sandbox.put_in_clear(PROD, "STRIPE_SECRET_KEY", LEAK);
    sandbox
}

/// A path and a key that try to be a command of GitHub, a table, a link.
const HOSTILE: &str = "a|b<img>\n::error::x,line=1 [y](z).yaml";

fn with_hostile_file() -> Sandbox {
    let sandbox = with_plaintext();
    let text =
        sandbox
            .read(PROD)
            .replacen("STRIPE_SECRET_KEY", "\"K|<b>\\n::stop-commands::x\"", 1);
    sandbox.write(HOSTILE, text);
    sandbox.git(["add", "--all"]).ok();
    sandbox
}

/// Accepts the finding of one rule about the store, with a reason.
fn accept(sandbox: &Sandbox, rule: &str, why: &str) {
    let vault = sandbox.read(".stax/vault.json");
    let allow = format!(
        "  ],\n  \"allow\": [{{\"rule\": \"{rule}\", \"path\": \"{PROD}\", \"why\": \"{why}\"}}]\n}}"
    );
    sandbox.write(".stax/vault.json", vault.replacen("  ]\n}", &allow, 1));
}

fn sarif_schema() -> jsonschema::Validator {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/fixtures/sarif/sarif-schema-2.1.0.json"
    );
    let schema: Value = serde_json::from_slice(&fs::read(path).expect("the schema")).expect("JSON");
    jsonschema::validator_for(&schema).expect("a schema")
}

fn sarif(sandbox: &Sandbox, code: i32) -> Value {
    let output = sandbox
        .stax(["secrets", "verify", "--format", "sarif"])
        .exits(code)
        .hides(LEAK);
    let log: Value = serde_json::from_str(&output.stdout).expect("JSON");
    let errors: Vec<String> = sarif_schema()
        .iter_errors(&log)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new(), "{log:#}");
    log
}

#[test]
fn text_says_what_why_and_the_command() {
    let sandbox = with_plaintext();
    let output = sandbox
        .stax(["secrets", "verify", "--keyless"])
        .exits(1)
        .hides(LEAK);
    let expected = format!(
        "error[F04 plaintext]: `STRIPE_SECRET_KEY` is in clear\n  {PROD}:2\n  why: everybody who can read the \
         repository can read the value, also after a later commit seals it\n  fix: stax secrets encrypt -i {PROD}"
    );
    output
        .prints(&expected)
        .prints("1 file, 1 commit: 1 error; keyless: MACs and values not checked\n");
}

#[test]
fn a_finding_without_a_command_leads_to_its_explanation() {
    let sandbox = Sandbox::with_store();
    let text = sandbox.read(PROD).replacen(
        "    unencrypted_suffix: _unencrypted\n",
        "    unencrypted_suffix: _x\n",
        1,
    );
    sandbox.write(PROD, text);
    let output = sandbox
        .stax(["secrets", "verify"])
        .exits(1)
        .prints("error[M02 crypt-rule]");
    output.prints("fix: see stax secrets verify --explain M02");
}

#[test]
fn json_is_an_option_and_a_format() {
    let sandbox = with_plaintext();
    let long = sandbox
        .stax(["secrets", "verify", "--format", "json"])
        .exits(1)
        .hides(LEAK);
    let short = sandbox.stax(["secrets", "verify", "--json"]).exits(1);
    assert_eq!(long.stdout, short.stdout);
    let finding = &short.json()["findings"][0];
    assert_eq!(
        (&finding["rule"], &finding["name"], &finding["line"]),
        (&"F04".into(), &"plaintext".into(), &2.into())
    );
    sandbox
        .stax(["secrets", "verify", "--json", "--format", "json"])
        .exits(2);
}

#[test]
fn sarif_fits_the_official_schema() {
    let log = sarif(&Sandbox::with_store(), 0);
    assert_eq!(log["runs"][0]["results"], Value::Array(Vec::new()));
    let rules = log["runs"][0]["tool"]["driver"]["rules"]
        .as_array()
        .expect("rules")
        .len();
    assert!(rules >= 14, "{rules}");

    let log = sarif(&with_plaintext(), 1);
    let result = &log["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], "F04");
    assert_eq!(result["level"], "error");
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], PROD);
    assert_eq!(place["region"]["startLine"], 2);
    let index = usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("small");
    assert_eq!(
        log["runs"][0]["tool"]["driver"]["rules"][index]["id"],
        "F04"
    );
    assert!(result["partialFingerprints"]["stax/v1"].is_string());

    let log = sarif(&with_hostile_file(), 1);
    assert!(
        log.to_string().contains("a%7Cb%3Cimg%3E%0A%3A%3Aerror"),
        "{log:#}"
    );
}

#[test]
fn what_the_repository_accepts_is_shown_with_its_reason_everywhere() {
    let sandbox = with_plaintext();
    accept(&sandbox, "F04", "a <b>test</b> key");
    let unknown = sandbox.stax(["secrets", "verify", "--keyless"]).exits(1);
    unknown.says("1 exception in .stax/vault.json is not committed, so it does not count yet");
    sandbox
        .git([
            "commit",
            "--quiet",
            "-m",
            "accept a test key",
            ".stax/vault.json",
        ])
        .ok();
    sandbox
        .stax(["secrets", "verify", "--keyless"])
        .ok()
        .prints("1 accepted")
        .says("(a <b>test</b> key)");
    let json = sandbox
        .stax(["secrets", "verify", "--json", "--keyless"])
        .ok()
        .json();
    assert_eq!(json["accepted_findings"][0]["why"], "a <b>test</b> key");
    let output = sandbox
        .stax(["secrets", "verify", "--keyless", "--format", "sarif"])
        .ok();
    let log: Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert!(sarif_schema().is_valid(&log));
    assert_eq!(
        log["runs"][0]["results"][0]["suppressions"][0]["justification"],
        "a <b>test</b> key"
    );

    let summary = sandbox.place().join("summary.md");
    let job = sandbox.with("GITHUB_STEP_SUMMARY", &summary);
    job.stax(["secrets", "verify", "--keyless", "--format", "github"])
        .ok();
    let page = fs::read_to_string(&summary).expect("the summary");
    assert!(
        page.contains("Accepted in `.stax/vault.json`") && page.contains("a &#60;b&#62;test"),
        "{page}"
    );
}

#[test]
fn github_gets_commands_and_a_summary_that_nothing_escapes_from() {
    let sandbox = with_hostile_file();
    let summary = sandbox.place().join("summary.md");
    fs::write(&summary, "before\n").expect("a summary");
    let job = sandbox.with("GITHUB_STEP_SUMMARY", &summary);
    let output = job
        .stax(["secrets", "verify", "--format", "github"])
        .exits(1)
        .hides(LEAK);
    output.clone().prints(&format!(
        "::error file={PROD},line=2,title=F04 plaintext::`STRIPE_SECRET_KEY` is in clear%0Afix: stax secrets encrypt -i"
    ));
    output
        .clone()
        .prints("::error file=a|b<img>\\u{a}%3A%3Aerror%3A%3Ax%2Cline=1 [y](z).yaml,line=");
    let is_command = |line: &&str| {
        ["error", "notice"]
            .iter()
            .any(|level| line.starts_with(&format!("::{level} file=")))
    };
    let rest: Vec<&str> = output
        .stdout
        .lines()
        .filter(|line| !is_command(line))
        .collect();
    assert!(
        rest.len() == 1 && rest[0].starts_with("2 files, 1 commit: "),
        "{rest:?}"
    );

    let page = fs::read_to_string(&summary).expect("the summary");
    assert!(
        page.starts_with("before\n## stax secrets verify\n"),
        "{page}"
    );
    assert!(
        page.contains(
            "| ❌ | F04 plaintext | <code>infra/secrets/prod\\.enc\\.yaml&#58;2</code> |"
        ),
        "{page}"
    );
    assert!(
        !page.contains("<img") && !page.contains("<b>K") && !page.contains("[y]("),
        "{page}"
    );
    assert!(!page.contains(LEAK));
}

#[test]
fn github_learns_that_verify_could_not_run() {
    let sandbox = Sandbox::with_store();
    let range = ["secrets", "verify", "--range", "gone..HEAD", "--format"];
    let output = sandbox
        .stax(range.iter().chain(&["github"]))
        .exits(2)
        .says("error: ");
    output.prints("::error title=stax secrets verify could not run::git knows no revision `gone`");
    sandbox
        .stax(range.iter().chain(&["text"]))
        .exits(2)
        .prints_exactly("");
}

#[test]
fn who_is_gone_and_still_reads_is_told_in_every_form() {
    let sandbox = Sandbox::with_store();
    let bob = sandbox.person("bob");
    sandbox.add_recipient(&bob, "Bob", "sre").ok();
    sandbox.commit_all("add Bob");
    let policy = sandbox.read(".sops.yaml");
    let without: Vec<&str> = policy
        .lines()
        .filter(|line| !line.contains(&bob.key()))
        .collect();
    sandbox.write(".sops.yaml", without.join("\n") + "\n");
    sandbox.sops(["updatekeys", "-y", PROD]).ok();
    sandbox.git(["add", "--all"]).ok();
    sandbox
        .git(["commit", "--no-verify", "-qm", "Bob leaves"])
        .ok();
    let log = sarif(&sandbox, 1);
    let results = log["runs"][0]["results"].as_array().expect("results");
    let stale = results
        .iter()
        .find(|result| result["ruleId"] == "K05")
        .expect("K05");
    assert!(
        stale["message"]["text"]
            .as_str()
            .expect("a text")
            .contains("can still read 1 file"),
        "{stale:#}"
    );
    let output = sandbox
        .stax(["secrets", "verify", "--format", "github"])
        .exits(1);
    output
        .prints(",title=K05 stale-data-key::")
        .prints("%0Awhy: `sops updatekeys` keeps the data key");

    // a clone without history says that it cannot know
    let shallow = sandbox.place().join("shallow");
    let from = format!("file://{}", sandbox.dir.display());
    sandbox
        .git([
            "clone",
            "-q",
            "--depth",
            "1",
            &from,
            &shallow.to_string_lossy(),
        ])
        .ok();
    let there = sandbox.at(&shallow);
    let output = there
        .stax([
            "secrets",
            "verify",
            "--require-history",
            "--format",
            "github",
        ])
        .exits(1);
    output.prints("::warning title=stax::this clone holds not all history");
    let log = there.stax(["secrets", "verify", "--format", "sarif"]);
    assert!(
        log.stdout.contains("this clone holds not all history"),
        "{log}"
    );
}

#[test]
fn a_path_is_no_command_in_a_plain_log_either() {
    let sandbox = with_plaintext();
    sandbox.write("::stop-commands::x.yaml", sandbox.bytes(PROD));
    sandbox.git(["add", "--all"]).ok();
    let output = sandbox
        .stax(["secrets", "verify"])
        .exits(1)
        .prints("  ./::stop-commands::x.yaml:2\n");
    assert!(
        !output
            .stdout
            .lines()
            .any(|line| line.trim_start().starts_with("::")),
        "{output}"
    );
}

#[test]
fn every_rule_explains_itself_by_id_and_name() {
    let sandbox = Sandbox::without_git();
    let by_id = sandbox.stax(["secrets", "verify", "--explain", "k01"]).ok();
    let by_name = sandbox
        .stax(["secrets", "verify", "--explain", "recipients"])
        .ok();
    assert_eq!(by_id.stdout, by_name.stdout);
    let by_id = by_id
        .prints("K01 recipients: ")
        .prints("bound file: error; any other SOPS file: error\n");
    by_id
        .prints("\nwhy\n")
        .prints("\nexample\n")
        .prints("\nmend\n")
        .prints("stax secrets updatekeys FILE");
    let json = sandbox
        .stax(["secrets", "verify", "--explain", "F02", "--json"])
        .ok()
        .json();
    assert_eq!(
        (&json["bound"], &json["general"]),
        (&"error".into(), &Value::Null)
    );
    let unknown = sandbox
        .stax(["secrets", "verify", "--explain", "K99"])
        .exits(2);
    unknown
        .says("no rule has the id or name \"K99\"; there are: P01 policy")
        .hides("panicked");
}
