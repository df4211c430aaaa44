//! Values over time and between environments: get --at, diff, revert, compare.

use std::fs;

use crate::support::{CANARY, Output, PROD, Person, Sandbox, fixture};

const OLD: &str = "canary-old-4242";
const NEW: &str = "canary-new-4242";
const DEV: &str = "infra/secrets/dev.enc.yaml";

/// Three commits of `STRIPE_SECRET_KEY`: the canary, `OLD`, `NEW`.
fn three_versions() -> Sandbox {
    let sandbox = Sandbox::with_store();
    for value in [OLD, NEW] {
        sandbox.set("STRIPE_SECRET_KEY", value).ok();
        sandbox.commit_all("another value");
    }
    sandbox
}

fn at(person: &Person, key: &str, revision: &str) -> Output {
    person.stax(["secrets", "get", key, "--at", revision])
}

fn diff(person: &Person, args: &[&str]) -> Output {
    person.stax(["secrets", "diff"].iter().chain(args))
}

/// The real sops opens the file and says this of it.
#[track_caller]
fn sops_reads(person: &Person, path: &str, line: &str) {
    person.sops(["decrypt", path]).ok().prints(line);
}

/// No error and no note of a failed command shows what it must not.
#[track_caller]
fn quiet(output: Output) -> Output {
    output
        .hides(CANARY)
        .hides(OLD)
        .hides(NEW)
        .hides("AGE-SECRET-KEY-1")
}

// get --at

#[test]
fn a_value_is_printed_as_it_was() {
    let sandbox = three_versions();
    sandbox.git(["tag", "first", "HEAD~2"]).ok();
    for (revision, value) in [
        ("HEAD", NEW),
        ("HEAD~1", OLD),
        ("first", CANARY),
        ("main@{0}", NEW),
    ] {
        at(&sandbox, "STRIPE_SECRET_KEY", revision)
            .ok()
            .prints_exactly(format!("{value}\n"));
    }
    sandbox
        .stax(["secrets", "get", "PORT", "--at", "HEAD~2", "--no-newline"])
        .ok()
        .prints_exactly("5432");
}

#[test]
fn what_was_not_there_is_a_negative_answer() {
    let sandbox = three_versions();
    sandbox.set("LATER", "canary-later").ok();
    sandbox.commit_all("later");
    at(&sandbox, "LATER", "HEAD~1")
        .exits(1)
        .one_error()
        .says("`LATER` does not exist")
        .hides("canary");
    quiet(at(&sandbox, "PORT", "no-such-branch"))
        .exits(2)
        .one_error()
        .says("git knows no revision");
    sandbox.git(["checkout", "-q", "--orphan", "other"]).ok();
    sandbox.git(["rm", "-rq", "--cached", "."]).ok();
    sandbox.write("README", "x");
    sandbox.git(["add", "README"]).ok();
    sandbox.git(["commit", "-qnm", "nothing"]).ok();
    at(&sandbox, "PORT", "HEAD")
        .exits(1)
        .one_error()
        .says(&format!("git log --follow -- {PROD}"));
}

#[test]
fn a_file_that_is_gone_is_read_by_its_name() {
    let sandbox = three_versions();
    fs::remove_file(sandbox.path(PROD)).unwrap();
    sandbox
        .stax(["secrets", "get", "PORT", "-f", PROD, "--at", "HEAD"])
        .ok()
        .prints_exactly("5432\n");
}

#[test]
fn a_newcomer_reads_older_versions_under_the_same_data_key_and_no_others() {
    let sandbox = three_versions();
    let ravi = sandbox.person("ravi");
    sandbox
        .add_recipient(&ravi, "Ravi <ravi@example.com>", "engineer")
        .ok();
    sandbox.commit_all("add Ravi");
    at(&ravi, "STRIPE_SECRET_KEY", "HEAD~3")
        .ok()
        .prints_exactly(format!("{CANARY}\n"));
    sandbox.stax(["secrets", "rotate"]).ok();
    sandbox.commit_all("rotate");
    quiet(at(&ravi, "STRIPE_SECRET_KEY", "HEAD~4"))
        .exits(3)
        .one_error()
        .says("no identity opens")
        .says("HEAD~4");
    at(&ravi, "STRIPE_SECRET_KEY", "HEAD~1")
        .ok()
        .prints_exactly(format!("{NEW}\n"));
    quiet(at(&sandbox.keyless(), "STRIPE_SECRET_KEY", "HEAD"))
        .exits(3)
        .one_error();
}

#[test]
fn an_older_version_with_a_bad_mac_is_not_printed() {
    let sandbox = three_versions();
    let text = sandbox.read(PROD);
    let dropped: String = text
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("PORT:"))
        .collect();
    sandbox.write(PROD, dropped);
    sandbox
        .git(["commit", "-qanm", "a hand that has no key"])
        .ok();
    sandbox.write(PROD, text);
    quiet(at(&sandbox, "STRIPE_SECRET_KEY", "HEAD"))
        .exits(4)
        .one_error()
        .says("MAC");
    quiet(sandbox.stax(["secrets", "revert", "STRIPE_SECRET_KEY", "--to", "HEAD"]))
        .exits(4)
        .one_error();
}

#[test]
fn outside_a_repository_there_is_no_past() {
    let sandbox = Sandbox::without_git();
    sandbox.take_key("alice");
    fs::copy(
        fixture("sops/y01-flat.enc.yaml"),
        sandbox.path("a.enc.yaml"),
    )
    .unwrap();
    let args = ["secrets", "get", "x", "-f", "a.enc.yaml", "--at", "HEAD"];
    sandbox
        .stax(args)
        .exits(2)
        .one_error()
        .says("not in a git repository");
    sandbox.stax(["secrets", "diff"]).exits(2).one_error();
}

// revert

#[test]
fn a_value_goes_back_with_its_type_and_one_line_changes() {
    let sandbox = three_versions();
    sandbox.set_typed("PORT", "nothing", "str").ok();
    sandbox.commit_all("a port that is none");
    let before = sandbox.read(PROD);
    let revert = |key: &str, more: &[&str]| {
        let args = ["secrets", "revert", key, "--to", "HEAD~2"];
        sandbox.stax(args.iter().chain(more))
    };
    quiet(revert("PORT", &["-n"]))
        .ok()
        .says("would set PORT as in ");
    assert_eq!(sandbox.read(PROD), before);
    let date = sandbox
        .git(["log", "-1", "--format=%h of %as", "HEAD~2"])
        .ok()
        .stdout
        .trim()
        .to_owned();
    quiet(revert("PORT", &[]))
        .ok()
        .says(&format!("PORT as in {date}"));
    let after = sandbox.read(PROD);
    let differ = before
        .lines()
        .zip(after.lines())
        .filter(|(old, new)| old != new)
        .count();
    assert!(
        before.lines().count() == after.lines().count() && differ <= 3,
        "{before}\n{after}"
    );
    sops_reads(&sandbox, PROD, "PORT: 5432\n");
    quiet(revert("PORT", &[])).ok().says("nothing changed");
    assert_eq!(sandbox.read(PROD), after);
    revert("STRIPE_SECRET_KEY", &[]).ok();
    sops_reads(&sandbox, PROD, &format!("STRIPE_SECRET_KEY: {OLD}\n"));
    assert_eq!(
        sandbox.git(["diff", "--cached", "--name-only"]).ok().stdout,
        ""
    );
}

#[test]
fn a_revert_under_a_new_data_key_and_of_a_removed_key() {
    let sandbox = three_versions();
    sandbox.stax(["secrets", "rotate"]).ok();
    sandbox.stax(["secrets", "unset", "PORT"]).ok();
    sandbox.commit_all("rotate and remove");
    sandbox
        .stax(["secrets", "revert", "PORT", "--to", "HEAD~1"])
        .ok();
    sandbox
        .stax(["secrets", "revert", "STRIPE_SECRET_KEY", "--to", "HEAD~3"])
        .ok();
    sops_reads(&sandbox, PROD, "PORT: 5432\n");
    sops_reads(&sandbox, PROD, &format!("STRIPE_SECRET_KEY: {CANARY}\n"));
}

#[test]
fn a_key_that_did_not_exist_is_not_reverted() {
    let sandbox = three_versions();
    sandbox.set("LATER", "canary-later").ok();
    let before = sandbox.read(PROD);
    let revert = |key: &str| sandbox.stax(["secrets", "revert", key, "--to", "HEAD"]);
    revert("LATER")
        .exits(1)
        .one_error()
        .says("stax secrets unset LATER")
        .hides("canary");
    revert("NEVER").exits(1).one_error().hides("unset");
    assert_eq!(sandbox.read(PROD), before);
    quiet(
        sandbox
            .keyless()
            .stax(["secrets", "revert", "PORT", "--to", "HEAD"]),
    )
    .exits(3)
    .one_error();
}

// diff

#[test]
fn a_diff_names_new_gone_and_changed_keys_in_every_form_of_revisions() {
    let sandbox = three_versions();
    let both = [
        format!("- STRIPE_SECRET_KEY: {OLD}\n"),
        format!("+ STRIPE_SECRET_KEY: {NEW}\n"),
    ];
    for args in [
        &["HEAD~1", "HEAD"][..],
        &["HEAD~1..HEAD"],
        &["HEAD~1.."],
        &["HEAD~1"],
        &["HEAD~1...HEAD"],
    ] {
        diff(&sandbox, args)
            .ok()
            .prints(&both[0])
            .prints(&both[1])
            .prints(&format!("{PROD}: 1 changed\n"));
    }
    diff(&sandbox, &[]).ok().prints_exactly("");
    sandbox.set("ADDED", "canary-added").ok();
    sandbox.stax(["secrets", "unset", "PORT"]).ok();
    let changes = [
        "1 added, 1 removed",
        "+ ADDED: canary-added\n",
        "- PORT: 5432\n",
    ];
    let shows = |output: Output| {
        changes
            .iter()
            .fold(output.ok(), |output, text| output.prints(text))
    };
    shows(diff(&sandbox, &[]));
    diff(&sandbox, &["--staged"]).ok().prints_exactly("");
    sandbox.git(["add", PROD]).ok();
    diff(&sandbox, &[]).ok().prints_exactly("");
    for args in [
        &["--staged"][..],
        &["--cached"],
        &["HEAD"],
        &["--staged", "HEAD"],
    ] {
        shows(diff(&sandbox, args));
    }
    quiet(diff(&sandbox, &["nowhere"])).exits(2).one_error();
    quiet(diff(&sandbox, &["--staged", "HEAD~1..HEAD"]))
        .exits(2)
        .one_error();
    quiet(diff(&sandbox, &["HEAD", "HEAD", "HEAD"]))
        .exits(2)
        .one_error();
}

#[test]
fn three_dots_start_where_the_branches_parted() {
    let sandbox = three_versions();
    sandbox.git(["checkout", "-qb", "payments"]).ok();
    sandbox.set("PAYMENTS", "canary-payments").ok();
    sandbox.commit_all("payments");
    sandbox.git(["checkout", "-q", "main"]).ok();
    sandbox.set("MAIN", "canary-main").ok();
    sandbox.commit_all("main");
    diff(&sandbox, &["main...payments"])
        .ok()
        .prints("+ PAYMENTS")
        .hides("MAIN");
    diff(&sandbox, &["main..payments"])
        .ok()
        .prints("+ PAYMENTS")
        .prints("- MAIN");
}

#[test]
fn paths_and_the_exit_code_work_as_in_git() {
    let sandbox = three_versions();
    sandbox.write("docs/x.txt", "x");
    for (path, shown) in [("infra", true), (PROD, true), (".", true), ("docs", false)] {
        let output = diff(&sandbox, &["--exit-code", "HEAD~1", "HEAD", "--", path]);
        assert_eq!(output.code, i32::from(shown), "{path}\n{output}");
        assert_eq!(!output.stdout.is_empty(), shown, "{path}\n{output}");
    }
    diff(&sandbox, &["HEAD~1", "infra"]).ok().prints("STRIPE");
    let below = sandbox.at(sandbox.path("infra"));
    diff(&below, &["HEAD~1", "--", "secrets"]).ok().prints(PROD);
    diff(&sandbox, &["--exit-code"]).exits(0).prints_exactly("");
}

#[test]
fn the_order_of_keys_is_no_change() {
    let sandbox = three_versions();
    let script =
        "awk 'NR==1{first=$0;next} NR==2{print;print first;next} {print}' F > G; cat G > F; rm G";
    sandbox
        .sh(&script.replace('F', PROD).replace('G', "scratch"))
        .ok();
    diff(&sandbox, &[])
        .ok()
        .hides("DATABASE_URL:")
        .prints("keys and values same");
}

#[test]
fn a_new_recipient_and_a_rotation_are_shown_without_a_changed_value() {
    let sandbox = three_versions();
    let ravi = sandbox.person("ravi");
    sandbox
        .add_recipient(&ravi, "Ravi <ravi@example.com>", "engineer")
        .ok();
    let key = ravi.key();
    diff(&sandbox, &[])
        .ok()
        .prints(&format!("+ recipient {key} Ravi <ravi@example.com>\n"))
        .hides("canary");
    sandbox.commit_all("add Ravi");
    sandbox.stax(["secrets", "rotate"]).ok();
    diff(&sandbox, &[])
        .ok()
        .prints("~ data key #")
        .prints("; no value changed")
        .hides("canary");
    let stranger = diff(&sandbox.keyless(), &[]).ok();
    let line = "3 of 3 values, MAC and 2 of 2 stanzas re-encrypted; keys, types, lengths, recipients same\n";
    stranger
        .prints_exactly(format!("{PROD}: {line}"))
        .says("note: probably a new data key; only a key can tell");
    diff(&sandbox, &["--keyless"]).ok().prints(line);
    sandbox
        .set("STRIPE_SECRET_KEY", "canary-longer-than-before")
        .ok();
    let stranger = diff(&sandbox.keyless(), &[]).ok().hides("canary");
    stranger
        .prints("keys, types, recipients same")
        .prints("- STRIPE_SECRET_KEY: «str 15B ~");
}

#[test]
fn without_a_key_names_types_and_lengths_are_told() {
    let sandbox = three_versions();
    sandbox.set("STRIPE_SECRET_KEY", CANARY).ok();
    let other = sandbox.person("eve");
    other.key();
    for person in [sandbox.keyless(), other] {
        let output = quiet(diff(&person, &[])).ok();
        output
            .prints("- STRIPE_SECRET_KEY: «str 15B ~")
            .prints("+ STRIPE_SECRET_KEY: «str 14B ~");
    }
}

#[test]
fn values_are_masked_for_ci_and_by_choice() {
    let sandbox = three_versions();
    sandbox.git(["config", "stax.diff", "masked"]).ok();
    let ci = sandbox.with("CI", "1");
    for person in [
        ci.clone(),
        sandbox.with("STAX_DIFF", "masked"),
        sandbox.at(sandbox.dir.clone()),
    ] {
        let output = quiet(diff(&person, &["HEAD~1"])).ok();
        output
            .prints("- STRIPE_SECRET_KEY: «str 15B #")
            .prints("+ STRIPE_SECRET_KEY: «str 15B #");
        let json = quiet(diff(&person, &["HEAD~1", "--json"])).ok().json();
        let value = &json["files"][0]["keys"][0]["new"];
        assert!(
            value["value"].is_null() && value["print"].is_string(),
            "{json:#}"
        );
    }
    let leaked = sandbox
        .read(PROD)
        .replacen("PORT: ENC", "LEAKED: canary-leaked\nPORT: ENC", 1);
    sandbox.write(PROD, leaked);
    diff(&ci, &[])
        .ok()
        .prints("LEAKED: «str 13B in clear»")
        .hides("canary-leaked");
}

#[test]
fn json_says_what_the_text_says() {
    let sandbox = three_versions();
    let json = diff(&sandbox, &["HEAD~1", "HEAD", "--json"]).ok().json();
    let file = &json["files"][0];
    assert_eq!(
        (file["path"].as_str(), file["status"].as_str()),
        (Some(PROD), Some("modified"))
    );
    assert_eq!(file["keys"][0]["old"]["value"], OLD);
    assert_eq!(file["keys"][0]["change"], "changed");
    assert_eq!(file["old"]["data_key"], file["new"]["data_key"]);
    assert_eq!(file["new"]["mac"], "ok");
    let json = diff(&sandbox, &["--keyless", "HEAD~1", "--json"])
        .ok()
        .json();
    assert!(
        json["files"][0]["keys"][0]["old"]["value"].is_null(),
        "{json:#}"
    );
    assert_eq!(
        diff(&sandbox, &["--json"]).ok().json()["files"],
        serde_json::json!([])
    );
}

#[test]
fn a_renamed_file_is_one_file() {
    let sandbox = three_versions();
    sandbox
        .git(["mv", PROD, "infra/secrets/moved.enc.yaml"])
        .ok();
    let arrow = format!("{PROD} => infra/secrets/moved.enc.yaml");
    let renamed = diff(&sandbox, &["--staged"]).ok();
    renamed
        .prints(&format!("{arrow}: renamed; keys and values same"))
        .hides("canary");
    diff(&sandbox.keyless(), &["--staged"]).ok().prints(&arrow);
}

#[test]
fn new_and_deleted_files_are_told_key_by_key() {
    let sandbox = three_versions();
    let first = sandbox
        .git(["rev-list", "--max-parents=0", "HEAD"])
        .ok()
        .stdout
        .trim()
        .to_owned();
    fs::remove_file(sandbox.path(PROD)).unwrap();
    let gone = diff(&sandbox, &[]).ok();
    gone.prints(&format!("{PROD}: deleted, 3 keys"))
        .prints("- PORT: 5432")
        .prints("- recipient age1");
    sandbox.git(["checkout", "-q", PROD]).ok();
    sandbox.git(["checkout", "-q", "--orphan", "fresh"]).ok();
    let new = diff(&sandbox, &["--staged"]).ok();
    new.prints(&format!("{PROD}: new file, 3 keys"))
        .prints("+ recipient age1")
        .prints("+ data key #");
    diff(&sandbox, &[&first]).ok().prints(NEW);
}

#[test]
fn a_file_that_lost_its_encryption_is_named_and_not_shown() {
    let sandbox = three_versions();
    let clear = sandbox.sops(["decrypt", PROD]).ok().stdout;
    sandbox.write(PROD, clear);
    let output = quiet(diff(&sandbox, &["--exit-code"])).exits(1);
    output
        .prints(&format!(
            "{PROD}: ENCRYPTED in the index, NO SOPS file in the work tree"
        ))
        .hides("5432");
    sandbox.git(["commit", "-qanm", "oops"]).ok();
    quiet(diff(&sandbox, &["HEAD", "HEAD~1"]))
        .ok()
        .prints("no SOPS file in HEAD, ENCRYPTED in HEAD~1");
}

#[test]
fn damage_is_named_and_stops_nothing() {
    let sandbox = three_versions();
    sandbox
        .stax(["secrets", "init", "--env", "development"])
        .ok();
    sandbox.commit_all("development");
    sandbox
        .stax_with(["secrets", "set", "X", "-e", "development"], "dev-value")
        .ok();
    let text = sandbox.read(PROD);
    let marked = format!("<<<<<<< ours\n{text}=======\n{text}>>>>>>> theirs\n");
    for (damaged, reason) in [
        (marked, "holds the marks of a merge conflict (line 1)"),
        (text[..text.len() / 2].to_owned(), "cannot be read: line "),
        (
            text.replacen("data:", "data:AAAA", 1),
            "MAC in the work tree: BAD: line 1",
        ),
        (text.replace("PORT: ENC", "TROP: ENC"), "BAD"),
    ] {
        sandbox.write(PROD, damaged);
        for person in [sandbox.at(sandbox.dir.clone()), sandbox.keyless()] {
            diff(&person, &[])
                .ok()
                .prints(PROD)
                .prints(&format!("{DEV}: 1 added"));
        }
        diff(&sandbox, &[]).ok().prints(reason);
        diff(&sandbox, &["--json"]).ok().json();
    }
}

#[test]
fn an_unmerged_file_is_named() {
    let sandbox = three_versions();
    sandbox.git(["checkout", "-qb", "other", "HEAD~1"]).ok();
    sandbox.set("STRIPE_SECRET_KEY", CANARY).ok();
    sandbox.commit_all("another way");
    sandbox.git(["merge", "-q", "main"]).exits(1);
    for args in [&[][..], &["--staged"], &["HEAD"]] {
        let output = quiet(diff(&sandbox, args)).ok().prints(PROD);
        assert!(
            args == ["HEAD"] || output.stdout.contains("is unmerged"),
            "{output}"
        );
    }
}

#[test]
fn long_values_are_compared_by_line_and_cannot_forge_one() {
    let sandbox = Sandbox::with_store();
    let long = |middle: &str| format!("first\n{middle}\nlast\n+ FORGED: x\n");
    sandbox
        .stax_with(["secrets", "set", "PEM"], long("canary-one"))
        .ok();
    sandbox.commit_all("a long value");
    sandbox
        .stax_with(["secrets", "set", "PEM"], long("canary-\u{1b}[31mtwo"))
        .ok();
    let output = diff(&sandbox, &[]).ok();
    output
        .prints("~ PEM:\n      first\n-     canary-one\n+     canary-\\u{1b}[31mtwo\n      last\n")
        .hides("\n+ FORGED");
}

#[test]
fn at_a_terminal_the_part_that_changed_stands_out() {
    let sandbox = three_versions();
    let output = sandbox
        .stax(["--color", "always", "secrets", "diff", "HEAD~1"])
        .ok();
    output
        .prints("\u{1b}[7m")
        .prints("STRIPE_SECRET_KEY: canary-");
    diff(&sandbox, &["HEAD~1"]).ok().hides("\u{1b}");
}

// compare

/// Production and development with one key each of their own, one shared value, one of another
/// type.
fn two_environments() -> Sandbox {
    let sandbox = Sandbox::with_store();
    sandbox
        .stax(["secrets", "init", "--env", "development"])
        .ok();
    for (key, value) in [
        ("STRIPE_SECRET_KEY", CANARY),
        ("PORT", "1"),
        ("DEBUG", "canary-debug"),
    ] {
        sandbox
            .stax_with(["secrets", "set", key, "-e", "development"], value)
            .ok();
    }
    sandbox
}

#[test]
fn environments_are_compared_by_name_type_and_value() {
    let sandbox = two_environments();
    let compare = |args: &[&str]| sandbox.stax(["secrets", "compare"].iter().chain(args));
    for args in [
        &["production", "development"][..],
        &["-f", PROD, "-f", DEV],
        &[PROD, DEV],
        &["production", DEV],
    ] {
        let output = quiet(compare(args))
            .exits(1)
            .prints("- DATABASE_URL ")
            .prints("only in production");
        let output = output
            .prints("+ DEBUG ")
            .prints("only in development")
            .prints("= STRIPE_SECRET_KEY");
        output
            .prints("int in production, str in development")
            .hides("canary");
    }
    let json = quiet(compare(&["production", "development", "--json"]))
        .exits(1)
        .json();
    assert_eq!(json["same_value"], serde_json::json!(["STRIPE_SECRET_KEY"]));
    assert_eq!(
        json["left"]["only_here"],
        serde_json::json!(["DATABASE_URL"])
    );
    let keyless =
        quiet(
            sandbox
                .keyless()
                .stax(["secrets", "compare", "production", "development"]),
        );
    keyless
        .exits(1)
        .prints("- DATABASE_URL")
        .hides("= STRIPE")
        .says("nobody can tell");
    for args in [
        &["production"][..],
        &["production", "production"],
        &["production", "staging"],
    ] {
        quiet(compare(args)).exits(2).one_error();
    }
    sandbox
        .stax(["secrets", "unset", "DATABASE_URL", "-e", "production"])
        .ok();
    sandbox
        .stax(["secrets", "unset", "DEBUG", "-e", "development"])
        .ok();
    compare(&["production", "development"]).exits(0);
    sandbox.write(DEV, sandbox.read(DEV).replacen("data:", "data:AAAA", 1));
    quiet(compare(&["production", "development"]))
        .exits(4)
        .one_error();
}
