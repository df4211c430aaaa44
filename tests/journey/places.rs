//! Where verify runs beside its own hook: the pre-commit framework, and CI.

use std::fs;

use crate::support::{Output, PROD, Person, Sandbox};
use crate::tools;

const LEAK: &str = "canary-in-clear";
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Ana's repository without stax's own hooks, with the framework's and the hook of this crate.
struct Framework {
    sandbox: Sandbox,
    ana: Person,
}

impl Framework {
    fn new() -> Self {
        let home = tools::pre_commit();
        let sandbox = Sandbox::with_store();
        fs::remove_file(sandbox.path(".git/hooks/pre-commit")).expect("the hook of stax");
        let hooks = sandbox.place().join("hooks");
        fs::create_dir(&hooks).expect("a folder");
        fs::copy(
            format!("{ROOT}/.pre-commit-hooks.yaml"),
            hooks.join(".pre-commit-hooks.yaml"),
        )
        .expect("a copy");
        let there = sandbox.at(&hooks);
        there.git(["init", "--quiet"]).ok();
        there.commit_all("the hooks");
        let revision = there.git(["rev-parse", "HEAD"]).ok().stdout;
        sandbox.write(
            ".pre-commit-config.yaml",
            format!(
                "repos:\n  - repo: ../hooks\n    rev: {}    hooks:\n      - id: stax-verify\n",
                revision
            ),
        );
        let cache = sandbox.place().join("cache");
        let ana = sandbox
            .with("PYTHONPATH", &home)
            .with("PRE_COMMIT_HOME", cache);
        ana.run("python3", ["-m", "pre_commit", "install"], b"")
            .ok();
        ana.git(["add", "--all"]).ok();
        ana.git(["commit", "-qm", "chore: use pre-commit"])
            .ok()
            .shows("Passed");
        Self { sandbox, ana }
    }

    fn run(&self, args: &[&str]) -> Output {
        self.ana.run(
            "python3",
            ["-m", "pre_commit", "run"].iter().chain(args),
            b"",
        )
    }
}

#[test]
fn the_lines_that_install_prints_make_the_framework_judge_a_push() {
    let Framework { sandbox, ana } = Framework::new();
    ana.stax(["secrets", "uninstall"]).ok();
    ana.git(["init", "--quiet", "--bare", "../origin.git"]).ok();
    ana.git(["remote", "add", "origin", "../origin.git"]).ok();
    ana.git(["push", "--quiet", "-u", "origin", "main"]).ok();
    ana.write(".pre-commit-config.yaml", "repos: []\n");
    let output = ana.stax(["secrets", "install"]).ok();
    let lines = output
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("  "));
    ana.write(
        ".pre-commit-config.yaml",
        lines.map(|line| format!("{line}\n")).collect::<String>(),
    );
    let command = output
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("then, in each clone: pre-commit "));
    ana.sh(&format!(
        "python3 -m pre_commit {}",
        command.expect("a command")
    ))
    .ok();
    ana.git(["add", "--all"]).ok();
    ana.git(["commit", "-qm", "chore: judge pushes too"])
        .ok()
        .shows("stax-message");
    ana.git(["push", "--quiet"])
        .ok()
        .shows("stax-push")
        .shows("Passed");
    let hooks = ana.stax(["secrets", "status", "--json"]).ok().json()["git"]["hooks"].clone();
    assert!(
        hooks
            .as_object()
            .expect("hooks")
            .values()
            .all(|state| state == "chained"),
        "{hooks}"
    );

    sandbox.put_in_clear(PROD, "STRIPE_SECRET_KEY", LEAK);
    ana.git(["commit", "-qam", "wip"])
        .exits(1)
        .shows("F04 plaintext")
        .hides(LEAK);
    ana.git(["commit", "--no-verify", "-qam", "wip"]).ok();
    ana.git(["push", "--quiet"])
        .exits(1)
        .shows("F04 plaintext")
        .hides(LEAK);
    ana.git(["push", "--quiet", "origin", "main:new"])
        .exits(1)
        .shows("F04 plaintext")
        .hides(LEAK);
}

#[test]
fn the_framework_refuses_plaintext_and_lets_honest_commits_pass() {
    let Framework { sandbox, ana } = Framework::new();
    sandbox.set("PORT", "6543").ok();
    ana.git(["commit", "-qam", "an honest change"])
        .ok()
        .shows("Passed");
    sandbox.put_in_clear(PROD, "STRIPE_SECRET_KEY", LEAK);
    for args in [
        ["commit", "-am", "wip"].as_slice(),
        &["commit", "-m", "wip", PROD],
    ] {
        let output = ana
            .git(args)
            .exits(1)
            .shows("error[F04 plaintext]")
            .shows("commit refused")
            .hides(LEAK);
        output.shows("stax secrets encrypt -i").shows("Failed");
    }
    // another file goes through, and the secret is found with its own commit
    ana.git(["restore", "--staged", PROD]).ok();
    sandbox.write("notes.txt", "x\n");
    ana.git(["add", "notes.txt"]).ok();
    ana.git(["commit", "-qm", "notes"]).ok().shows("Passed");
    ana.git(["add", PROD]).ok();
    ana.git(["commit", "-qm", "wip"])
        .exits(1)
        .shows("F04")
        .hides(LEAK);
}

#[test]
fn the_framework_judges_the_whole_index_when_asked() {
    let framework = Framework::new();
    framework.run(&["--all-files"]).ok().shows("Passed");
    framework
        .sandbox
        .put_in_clear(PROD, "STRIPE_SECRET_KEY", LEAK);
    framework
        .ana
        .git(["commit", "--no-verify", "-qam", "past the guard"])
        .ok();
    framework.run(&[]).ok();
    framework
        .run(&["--all-files"])
        .exits(1)
        .shows("error[F04 plaintext]")
        .hides(LEAK);
    framework
        .run(&["--files", ".envrc"])
        .ok()
        .shows("Passed")
        .hides("F04");
}

#[test]
fn errors_of_a_staged_run_count_for_the_files_that_are_named() {
    let sandbox = Sandbox::with_store();
    sandbox.put_in_clear(PROD, "STRIPE_SECRET_KEY", LEAK);
    sandbox.write("notes.txt", "x\n");
    sandbox.git(["add", "--all"]).ok();
    let staged =
        |paths: &[&str]| sandbox.stax(["secrets", "verify", "--staged"].iter().chain(paths));
    staged(&[PROD]).exits(1).prints("F04").hides(LEAK);
    staged(&["infra"]).exits(1).prints("F04");
    staged(&["notes.txt", PROD]).exits(1).prints("F04");
    staged(&["notes.txt"]).ok().hides("F04");
    sandbox
        .at(sandbox.path("infra"))
        .stax(["secrets", "verify", "--staged", "secrets/prod.enc.yaml"])
        .exits(1);

    // the policy brings what it governs, and a deleted file is named by nobody
    let sandbox = Sandbox::with_store();
    let mallory = sandbox.person("mallory").key();
    sandbox.add_to_policy_only(&sandbox.key(), &mallory);
    sandbox.git(["add", "--all"]).ok();
    sandbox
        .stax(["secrets", "verify", "--staged", ".sops.yaml"])
        .exits(1)
        .prints("error[K01");
    let sandbox = Sandbox::with_store();
    sandbox.write("notes.txt", "x\n");
    sandbox.git(["add", "--all"]).ok();
    sandbox.git(["rm", "-q", PROD]).ok();
    sandbox
        .stax(["secrets", "verify", "--staged", "notes.txt"])
        .exits(1)
        .prints("error[F01");
}

#[test]
fn the_documented_workflow_has_no_finding_of_zizmor() {
    let home = tools::zizmor();
    let sandbox = Sandbox::without_git();
    let zizmor = |file: &str| {
        let args = [
            "--offline",
            "--no-config",
            "--no-progress",
            "--persona",
            "auditor",
            file,
        ];
        sandbox.run(home.join("bin/zizmor"), args, b"")
    };
    let workflow = format!("{ROOT}/docs/ci/stax-verify.yml");
    zizmor(&workflow).ok().shows("No findings");
    // it would say so: the same without the line that matters
    let text = fs::read_to_string(workflow).expect("the workflow");
    sandbox.write(
        "weak.yml",
        text.replace("          persist-credentials: false\n", ""),
    );
    let output = zizmor("weak.yml");
    assert_ne!(output.code, 0, "{output}");
    output.shows("artipacked");
}

#[test]
fn the_steps_of_the_documented_workflow_work() {
    let workflow =
        fs::read_to_string(format!("{ROOT}/docs/ci/stax-verify.yml")).expect("the workflow");
    let gitlab =
        fs::read_to_string(format!("{ROOT}/docs/ci/stax-verify.gitlab-ci.yml")).expect("the job");
    let step = workflow
        .lines()
        .find_map(|line| line.trim().strip_prefix("run: stax "))
        .expect("a step");
    let jobs = gitlab
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- stax "));
    let sandbox = Sandbox::with_store();
    let clone = sandbox.clone_for("ci");
    for step in std::iter::once(step).chain(jobs) {
        clone.sh(&format!("stax {step}")).ok();
    }
    serde_json::from_str::<serde_json::Value>(&clone.read("stax.sarif")).expect("SARIF");
}
