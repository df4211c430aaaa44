//! A plain file that moves into the store: what is taken, what is refused, what is told.

use crate::support::{Output, PROD, Person, Sandbox};

const ENV: &str = "# plain\nexport STRIPE_SECRET_KEY='canary-imported'\nPORT=8080 # was 5432\nHASH=$2a$10$canary\nPEM=\"one\ncanary-two\"\n";

fn import(person: &Person, args: &[&str]) -> Output {
    person.stax(["secrets", "import"].iter().chain(args))
}

/// The real sops opens the file and says this of it.
#[track_caller]
fn sops_reads(person: &Person, path: &str, line: &str) {
    person.sops(["decrypt", path]).ok().prints(line);
}

#[test]
fn a_plain_env_file_is_taken_over_in_one_write() {
    let sandbox = Sandbox::with_store();
    sandbox.write(".env", ENV);
    let before = sandbox.read(PROD);
    let tell = |output: Output| {
        let output = output
            .ok()
            .hides("canary")
            .prints("~ STRIPE_SECRET_KEY  str 15B")
            .prints("~ PORT");
        output
            .prints("+ HASH")
            .prints("+ PEM")
            .hides("DATABASE_URL")
    };
    tell(import(&sandbox, &[".env", "-n"])).says("would import 4 keys: 2 new, 2 changed");
    assert_eq!(sandbox.read(PROD), before);
    tell(import(&sandbox, &[".env"]))
        .says("imported 4 keys: 2 new, 2 changed")
        .says(".env still lies there");
    for line in [
        "PORT: 8080\n",
        "HASH: $2a$10$canary\n",
        "STRIPE_SECRET_KEY: canary-imported\n",
        "DATABASE_URL: postgres",
    ] {
        sops_reads(&sandbox, PROD, line);
    }
    sandbox.get("PEM").ok().prints_exactly("one\ncanary-two\n");
    let after = sandbox.read(PROD);
    import(&sandbox, &[".env"])
        .ok()
        .says("4 keys: 4 same; nothing changed")
        .prints_exactly("");
    assert_eq!(sandbox.read(PROD), after);
    sandbox.stax(["secrets", "verify"]).ok();
}

#[test]
fn prune_removes_what_the_file_does_not_have() {
    let sandbox = Sandbox::with_store();
    let output = sandbox
        .stax_with(
            ["secrets", "import", "-", "--prune"],
            "PORT=5432\nNEW=canary-new\n",
        )
        .ok();
    output
        .prints("- DATABASE_URL")
        .prints("- STRIPE_SECRET_KEY")
        .prints("+ NEW")
        .hides("canary")
        .says("2 removed");
    let text = sandbox.sops(["decrypt", PROD]).ok();
    text.prints_exactly("PORT: 5432\nNEW: canary-new\n");
}

#[test]
fn an_empty_pipe_prunes_nothing() {
    let sandbox = Sandbox::with_store();
    let before = sandbox.read(PROD);
    sandbox
        .stax_with(["secrets", "import", "-", "--prune"], "# nothing\n")
        .exits(2)
        .one_error();
    sandbox
        .stax_with(["secrets", "import", "-"], "")
        .ok()
        .says("nothing changed");
    assert_eq!(sandbox.read(PROD), before);
}

#[test]
fn whatever_is_wrong_is_listed_at_once_and_nothing_is_written() {
    let sandbox = Sandbox::with_store();
    let before = sandbox.read(PROD);
    let run = |text: &str, format: &str| {
        sandbox
            .stax_with(["secrets", "import", "-", "--format", format], text)
            .exits(2)
            .one_error()
            .hides("canary")
    };
    let huge = format!(
        "GOOD=canary\nLD_PRELOAD=canary\nPATH=canary\nsops_mac=canary\nBIG={}\n",
        "x".repeat(70_000)
    );
    let output = run(&huge, "env")
        .says("4 values cannot be stored")
        .says("LD_PRELOAD")
        .says("PATH");
    output.says("`BIG` is larger than 64 KiB").says("reserved");
    let broken = "A=1\nno equals canary\nB=\"canary\" x\nA=2\nC='canary\n";
    run(broken, "env")
        .says("line 2: ")
        .says("line 3: ")
        .says("line 4: `A`")
        .hides("line 1:")
        .says("line 5: a quote");
    run(
        r#"{"A": {"B": "canary"}, "C": null, "D": ["canary"], "E": "canary"}"#,
        "json",
    )
    .says("3 values")
    .says("`A` is a map")
    .says("`C` is null");
    run("- canary\n", "yaml");
    run("{\"A\": \"canary\"", "json");
    assert_eq!(sandbox.read(PROD), before);
    let sealed = sandbox
        .stax(["secrets", "import", PROD])
        .exits(2)
        .one_error();
    sealed.says("is encrypted by SOPS");
    sandbox
        .keyless()
        .stax_with(["secrets", "import", "-"], "A=canary")
        .hides("canary")
        .exits(3)
        .one_error();
    sandbox
        .stax(["secrets", "import", "nowhere.env"])
        .exits(2)
        .one_error();
}

#[test]
fn json_and_yaml_keep_their_types_in_every_format() {
    let sandbox = Sandbox::with_store();
    sandbox.write(
        "in.json",
        r#"{"NUM": 7, "B": true, "F": 1.5, "S": "canary", "PORT": "text"}"#,
    );
    sandbox.write("in.yaml", "NUM: 8\nB: false\nS: 'canary'\n");
    import(&sandbox, &["in.json"])
        .ok()
        .hides("canary")
        .prints("~ PORT  str 4B  (was int)");
    for line in [
        "NUM: 7\n",
        "B: true\n",
        "F: 1.5\n",
        "S: canary\n",
        "PORT: text\n",
    ] {
        sops_reads(&sandbox, PROD, line);
    }
    import(&sandbox, &["in.yaml"])
        .ok()
        .says("3 keys: 2 changed, 1 same");
    sops_reads(&sandbox, PROD, "NUM: 8\n");
    for format in ["json", "dotenv"] {
        let sandbox = Sandbox::new();
        sandbox.key();
        sandbox
            .stax(["secrets", "init", "--env", "production", "--format", format])
            .ok();
        sandbox
            .stax_with(
                ["secrets", "import", "-", "--format", "json"],
                r#"{"NUM": 7, "S": "a b # canary"}"#,
            )
            .ok();
        let path = if format == "json" {
            "infra/secrets/prod.enc.json"
        } else {
            "infra/secrets/prod.enc.env"
        };
        let shown = sandbox.sops(["decrypt", path]).ok().prints("a b # canary");
        assert!(
            shown.stdout.contains(if format == "json" {
                "\"NUM\": 7"
            } else {
                "NUM=7"
            }),
            "{shown}"
        );
    }
}

#[test]
fn the_plain_file_is_warned_about_by_what_git_knows_of_it() {
    let sandbox = Sandbox::with_store();
    sandbox.write("plain.txt", "A=canary\n");
    import(&sandbox, &["plain.txt"])
        .ok()
        .says("warning: plain.txt still lies there");
    sandbox.write(".git/info/exclude", "plain.txt\n");
    import(&sandbox, &["plain.txt"]).ok().hides("warning");
    sandbox.git(["add", "-f", "plain.txt"]).ok();
    import(&sandbox, &["plain.txt"])
        .ok()
        .says("warning: plain.txt holds these values in clear and git tracks it");
}

#[test]
fn export_and_import_are_inverse() {
    let sandbox = Sandbox::with_store();
    for (key, value) in [
        ("A", "say \"$x\" `y` C:\\z #"),
        ("B", " two\nlines\t"),
        ("D", "it's"),
    ] {
        sandbox.stax_with(["secrets", "set", key], value).ok();
    }
    sandbox.stax(["secrets", "set", "C", "--empty"]).ok();
    let text = sandbox
        .stax(["secrets", "export", "--format", "dotenv"])
        .ok()
        .stdout;
    sandbox
        .stax_with(["secrets", "import", "-"], &text)
        .ok()
        .says("7 keys: 7 same");
    // pieces of quotes are for a shell alone
    let text = sandbox.stax(["secrets", "export"]).ok().stdout;
    sandbox
        .stax_with(["secrets", "import", "-"], &text)
        .exits(2)
        .says("closing quote");
    // no way to write it that all readers of .env files take for the same
    sandbox.stax_with(["secrets", "set", "E"], "it's $5").ok();
    let refused = sandbox
        .stax(["secrets", "export", "--format", "dotenv"])
        .exits(2)
        .one_error();
    refused
        .says("the value of `E`")
        .says("stax secrets exec")
        .hides("$5")
        .prints_exactly("");
}

#[test]
fn five_hundred_keys_take_no_time() {
    let sandbox = Sandbox::with_store();
    let text: String = (0..500)
        .map(|number| format!("KEY_{number}=value-{number}\n"))
        .collect();
    let start = std::time::Instant::now();
    sandbox
        .stax_with(["secrets", "import", "-"], &text)
        .ok()
        .says("500 keys: 500 new");
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    sandbox.get("KEY_499").ok().prints_exactly("value-499\n");
    sops_reads(&sandbox, PROD, "KEY_250: value-250\n");
    let start = std::time::Instant::now();
    sandbox
        .stax_with(["secrets", "import", "-", "--prune"], "PORT=5432\n")
        .ok()
        .says("1 same, 502 removed");
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    sandbox
        .sops(["decrypt", PROD])
        .ok()
        .prints_exactly("PORT: 5432\n");
}
