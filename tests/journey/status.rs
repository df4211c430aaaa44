//! What is so in this clone alone, told by `status` and by `verify`.

use std::fs;

use crate::support::{PROD, Person, Sandbox, fixture};

/// Rule, message, first detail and what to type, of a warning without a key.
fn warnings(person: &Person, rule: &str) -> Vec<[String; 3]> {
    let found = person
        .stax(["secrets", "verify", "--keyless", "--json"])
        .ok()
        .json();
    let findings = found["findings"].as_array().expect("findings").iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let of_rule = findings.filter(|one| one["rule"] == rule);
    of_rule
        .map(|one| {
            [
                text(&one["message"]),
                text(&one["detail"][0]),
                text(&one["fix"]),
            ]
        })
        .collect()
}

#[test]
fn a_fresh_clone_is_told_what_it_lacks_and_a_build_is_not() {
    let sandbox = Sandbox::with_store();
    assert!(warnings(&sandbox, "G06").is_empty());
    let ravi = sandbox.clone_for("ravi");
    let output = ravi.stax(["secrets", "verify"]).ok();
    output
        .prints("warning[G06 clone]: .gitattributes asks for diff=stax and merge=stax, and this clone has no such driver")
        .prints("fix: stax secrets install\n");
    ravi.git(["config", "diff.stax.textconv", "stax git textconv --"])
        .ok();
    let [found] = &warnings(&ravi, "G06")[..] else {
        panic!("one warning")
    };
    assert!(
        found[0].starts_with(".gitattributes asks for merge=stax, and"),
        "{found:?}"
    );

    for name in ["CI", "GITHUB_ACTIONS", "GITLAB_CI"] {
        assert!(warnings(&ravi.with(name, "true"), "G06").is_empty());
        assert!(!warnings(&ravi.with(name, "false"), "G06").is_empty());
    }
    for args in [
        &["--history"][..],
        &["--staged"],
        &["--format", "sarif"],
        &["--format", "github"],
    ] {
        ravi.stax([&["secrets", "verify"], args].concat())
            .ok()
            .hides("no such driver");
    }
    ravi.stax(["secrets", "install"]).ok();
    assert!(warnings(&ravi, "G06").is_empty());
    ravi.stax(["secrets", "status"])
        .ok()
        .prints("verify: no finding");
    // nobody asks for a driver here
    let other = Sandbox::new();
    other.write("README.md", "hello\n");
    other.commit_all("nothing secret");
    other.stax(["secrets", "verify"]).ok().hides("G06");
}

#[test]
fn drivers_of_another_version_are_told_until_they_are_installed_again() {
    let sandbox = Sandbox::with_store();
    let merge = [
        "config",
        "--file",
        &fixture("clone-0.1.0/config").to_string_lossy(),
        "merge.stax.driver",
    ]
    .map(str::to_owned);
    let older = sandbox.git(merge).ok().stdout;
    for (name, text) in [
        (
            "diff.stax.textconv",
            r#"f(){ "/opt/stax" git textconv "$1" 2>/dev/null || stax git textconv "$1" 2>/dev/null || cat "$1"; }; f"#,
        ),
        ("merge.stax.driver", older.trim()),
    ] {
        sandbox.git(["config", name, text]).ok();
        let [found] = &warnings(&sandbox, "G06")[..] else {
            panic!("one warning for {name}")
        };
        assert_eq!(
            found[0],
            "the drivers of this clone are those of another version of stax"
        );
        let status = sandbox.stax(["secrets", "status"]).exits(0);
        status
            .prints("✗ git: the drivers of this clone are those of an older stax")
            .says("stax secrets install");
        sandbox.stax(["secrets", "install"]).ok();
        assert!(warnings(&sandbox, "G06").is_empty());
    }
    // of another place, it is the same driver
    let now = sandbox.git(["config", "diff.stax.textconv"]).ok().stdout;
    let elsewhere = now
        .trim()
        .replacen(env!("CARGO_BIN_EXE_stax"), "/opt/bin/stax", 1);
    assert_ne!(elsewhere, now.trim());
    sandbox
        .git(["config", "diff.stax.textconv", &elsewhere])
        .ok();
    assert!(warnings(&sandbox, "G06").is_empty());
}

#[test]
fn the_drivers_of_a_user_serve_every_clone() {
    let sandbox = Sandbox::with_store();
    let ravi = sandbox.clone_for("ravi");
    ravi.stax(["secrets", "install", "--global"]).ok();
    assert!(warnings(&ravi, "G06").is_empty());
}

#[test]
fn another_program_called_stax_is_named_and_gets_no_file() {
    let sandbox = Sandbox::with_store();
    let folder = sandbox.home.join("games");
    fs::create_dir(&folder).expect("a folder");
    let script = sandbox.script("touch \"$HOME/started\"");
    fs::rename(script, folder.join("stax")).expect("a program");
    let path = std::env::var("PATH").unwrap_or_default();
    let ana = sandbox.with("PATH", format!("{}:{path}", folder.display()));
    let [found] = &warnings(&ana, "G06")[..] else {
        panic!("one warning")
    };
    assert_eq!(
        found[0],
        format!(
            "the `stax` on PATH is another program: {}/stax",
            folder.display()
        )
    );
    assert!(!sandbox.home.join("started").exists());
    // the guard runs on by the whole path; where that is gone the stranger gets no file
    ana.stax(["secrets", "install", "--guard"]).ok();
    let config = ana
        .read(".git/config")
        .replace(env!("CARGO_BIN_EXE_stax"), "/gone/stax");
    ana.write(".git/config", config);
    ana.sh(&format!("touch {PROD}")).ok();
    let output = ana.git(["add", "--renormalize", PROD]);
    assert_ne!(
        output
            .shows("stax: not found, and this clone is guarded")
            .code,
        0
    );
}

#[test]
fn another_program_called_stax_hides_no_change_and_loses_no_side() {
    let sandbox = crate::merge::conflicting();
    let folder = sandbox.home.join("games");
    fs::create_dir(&folder).expect("a folder");
    let script = sandbox.script("case $1 in git) touch \"$HOME/started\";; esac");
    fs::rename(script, folder.join("stax")).expect("a program");
    let path = std::env::var("PATH").unwrap_or_default();
    let ana = sandbox.with("PATH", format!("{}:{path}", folder.display()));
    let config = ana
        .read(".git/config")
        .replace(env!("CARGO_BIN_EXE_stax"), "/gone/stax");
    ana.write(".git/config", config);
    ana.git(["show"])
        .ok()
        .prints("+STRIPE_SECRET_KEY: ENC[AES256_GCM,");
    let merged = crate::merge::merge(&ana, "payments").exits(1);
    merged.says("stax: not found, infra/secrets/prod.enc.yaml is merged as text");
    assert!(ana.read(PROD).contains("<<<<<<< "));
    assert!(!sandbox.home.join("started").exists());
    // a stax of that name does serve
    sandbox.git(["merge", "--abort"]).ok();
    sandbox
        .git(["show"])
        .ok()
        .prints("+STRIPE_SECRET_KEY: canary-ours");
    crate::merge::merge(&sandbox, "payments")
        .exits(1)
        .says("conflict: STRIPE_SECRET_KEY");
}

/// The line of attributes that decides is git's own answer, so git is asked again without it.
#[test]
fn the_line_that_takes_a_driver_away_is_named() {
    let sandbox = Sandbox::with_store();
    let root = sandbox.read(".gitattributes");
    sandbox.write("global", "* -merge\n");
    sandbox
        .git([
            "config",
            "core.attributesFile",
            &sandbox.path("global").to_string_lossy(),
        ])
        .ok();
    let behind = root.lines().count();
    let here = |line: usize| format!("line {line} of .gitattributes");
    let table: [(&str, &str, String); 8] = [
        (".gitattributes", "*.yaml -diff\n", here(behind + 1)),
        (
            ".gitattributes",
            "# -diff\n\n*.yaml\ttext -diff\n*.yml -diff\n",
            here(behind + 3),
        ),
        (
            ".gitattributes",
            "[attr]plain -text !diff\n[attr]also plain\ninfra/** also\n",
            here(behind + 3),
        ),
        (
            ".gitattributes",
            "/infra/*/*.yaml diff=other\n",
            here(behind + 1),
        ),
        (
            "infra/.gitattributes",
            "*.yaml !merge\n*.json -diff\n",
            "line 1 of infra/.gitattributes".into(),
        ),
        (
            "infra/.gitattributes",
            "secrets/*.enc.* -diff\nprod.enc.yaml -diff\n",
            "line 2 of infra/.gitattributes".into(),
        ),
        (
            "infra/secrets/.gitattributes",
            "/prod.* -diff\n",
            "line 1 of infra/secrets/.gitattributes".into(),
        ),
        (
            ".git/info/attributes",
            "x -diff\n*.enc.yaml diff=other\n",
            "line 2 of .git/info/attributes".into(),
        ),
    ];
    for (file, lines, place) in table {
        let old = if file == ".gitattributes" {
            root.clone()
        } else {
            String::new()
        };
        sandbox.write(file, old + lines);
        let [found] = &warnings(&sandbox, "G01")[..] else {
            panic!("{file}: {lines}")
        };
        assert!(
            found[0].ends_with(&format!(": {place} decides")),
            "{lines}: {found:?}"
        );
        assert!(
            !found[1].is_empty() && lines.contains(&found[1]),
            "{found:?}"
        );
        assert!(found[2].contains(&place), "{found:?}");
        // without that line nothing is wrong
        let number: usize = place
            .split(' ')
            .nth(1)
            .and_then(|word| word.parse().ok())
            .expect("a number");
        let text = sandbox.read(file);
        let kept = text.lines().enumerate().filter(|(at, _)| at + 1 != number);
        let kept: String = kept.map(|(_, line)| format!("{line}\n")).collect();
        sandbox.write(file, kept);
        let left = warnings(&sandbox, "G01");
        assert!(left.is_empty() || !left[0][0].contains(&place), "{left:?}");
        fs::remove_file(sandbox.path(file)).expect("the file");
        sandbox.write(".gitattributes", &root);
    }
    // nobody takes it away: nobody gave it
    sandbox.write(".gitattributes", "* -diff\n");
    sandbox.git(["add", ".gitattributes"]).ok();
    sandbox.write("global", "*.enc.yaml -diff\n");
    let [found] = &warnings(&sandbox, "G01")[..] else {
        panic!("one warning")
    };
    assert!(
        found[0].ends_with("line 1 of .gitattributes decides"),
        "{found:?}"
    );
    sandbox.write(".gitattributes", "# nothing\n");
    sandbox.git(["add", ".gitattributes"]).ok();
    let [found] = &warnings(&sandbox, "G01")[..] else {
        panic!("one warning")
    };
    assert!(found[0].ends_with("line 1 of global decides"), "{found:?}");
    sandbox
        .git(["config", "--unset", "core.attributesFile"])
        .ok();
    let [found] = &warnings(&sandbox, "G01")[..] else {
        panic!("one warning")
    };
    assert_eq!(
        found[0],
        ".gitattributes does not give it diff=stax and merge=stax"
    );
    let line = found[2]
        .strip_prefix("add to .gitattributes: ")
        .expect("a line");
    sandbox.write(".gitattributes", format!("{line}\n"));
    assert!(warnings(&sandbox, "G01").is_empty());
    sandbox.set("PORT", "6543").ok();
    sandbox
        .git(["diff"])
        .ok()
        .prints("+PORT: 6543")
        .hides("ENC[");
}

#[test]
fn secret_files_that_no_attribute_names_are_told_with_the_lines_to_add() {
    let sandbox = Sandbox::new();
    sandbox.write(
        ".sops.yaml",
        format!("creation_rules:\n  - age: {}\n", sandbox.key()),
    );
    for path in ["a.enc.yaml", "deploy/b c.enc.yaml"] {
        sandbox.write(path, "a: canary-a\n");
        sandbox.sops(["encrypt", "--in-place", path]).ok();
    }
    sandbox.commit_all("without attributes");
    let installed = sandbox.stax(["secrets", "install"]).ok();
    let installed = installed.says("2 of 2 secret files have no diff=stax merge=stax");
    let lines: String = installed
        .stderr
        .lines()
        .filter(|line| line.contains(" -text "))
        .map(|line| format!("{}\n", line.trim()))
        .collect();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    let status = sandbox.stax(["secrets", "status"]).ok();
    status
        .prints("✗ .gitattributes: 2 of 2 secret files have no")
        .says("stax secrets install     # prints the lines");
    sandbox.git(["show"]).ok().hides("canary-a");
    // as printed they work
    sandbox.write(".gitattributes", lines);
    sandbox
        .stax(["secrets", "install"])
        .ok()
        .hides("secret files have no");
    sandbox
        .stax(["secrets", "status"])
        .ok()
        .hides("secret files have no")
        .hides("# prints the lines");
    assert_eq!(
        sandbox
            .git(["show"])
            .ok()
            .stdout
            .matches("+a: canary-a\n")
            .count(),
        2
    );
    // a repository without secrets is told nothing, and `--global` serves names that say it
    Sandbox::new()
        .stax(["secrets", "install"])
        .ok()
        .hides("secret file");
    fs::remove_file(sandbox.path(".gitattributes")).expect("the attributes");
    sandbox.stax(["secrets", "install", "--global"]).ok();
    sandbox
        .stax(["secrets", "install"])
        .ok()
        .hides("secret files have no");
}
