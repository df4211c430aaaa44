//! From nothing to a committed store: keygen, init, set.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::support::{CANARY, PROD, Sandbox, files_beneath};

/// What `init --env production` writes.
const SCAFFOLD: [&str; 7] = [
    ".envrc",
    ".gitattributes",
    ".sops.yaml",
    ".stax/vault.json",
    "infra/secrets/README.md",
    "infra/secrets/prod.enc.yaml",
    "infra/secrets/recipients.md",
];

/// The files of the work tree with their bytes, `.git` left out.
fn work_tree(sandbox: &Sandbox) -> Vec<(String, Vec<u8>)> {
    let name = |path: &Path| {
        path.strip_prefix(&sandbox.dir)
            .expect("inside")
            .to_string_lossy()
            .into_owned()
    };
    let files = files_beneath(&sandbox.dir)
        .into_iter()
        .map(|path| (name(&path), fs::read(path).expect("it")));
    files
        .filter(|(name, _)| !name.starts_with(".git/"))
        .collect()
}

fn names(sandbox: &Sandbox) -> Vec<String> {
    work_tree(sandbox)
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("the file").permissions().mode() & 0o777
}

#[test]
fn keygen_writes_a_private_standard_key_file_and_prints_the_public_key() {
    let sandbox = Sandbox::new();
    let output = sandbox.stax(["secrets", "keygen"]).ok();
    let file = sandbox.key_file();
    let text = fs::read_to_string(&file).expect("the key file");
    let public = sandbox.key();
    assert!(
        text.lines()
            .last()
            .expect("a line")
            .starts_with("AGE-SECRET-KEY-1")
    );
    assert_eq!(
        (mode(&file), mode(file.parent().expect("a folder"))),
        (0o600, 0o700)
    );
    output.prints(&public).hides("AGE-SECRET-KEY");
    sandbox
        .stax(["secrets", "pubkey"])
        .ok()
        .prints_exactly(format!("{public}\n"));
}

#[test]
fn keygen_never_overwrites() {
    let sandbox = Sandbox::new();
    sandbox.key();
    let before = fs::read(sandbox.key_file()).expect("the key file");
    sandbox
        .stax(["secrets", "keygen"])
        .exits(2)
        .one_error()
        .says("keys.txt");
    assert_eq!(before, fs::read(sandbox.key_file()).expect("the key file"));
}

#[test]
fn from_an_empty_repository_to_a_committed_secret_that_sops_opens() {
    let sandbox = Sandbox::new();
    let key = sandbox.key();
    let output = sandbox
        .stax(["secrets", "init", "--env", "production"])
        .ok();
    output
        .shows(&key)
        .shows("git add ")
        .shows("git commit -m")
        .shows("only one recipient");
    assert_eq!(names(&sandbox), SCAFFOLD);
    sandbox.sops(["decrypt", PROD]).ok().prints_exactly("{}\n");

    sandbox.set("STRIPE_SECRET_KEY", CANARY).ok().hides(CANARY);
    sandbox
        .git([
            "add",
            ".sops.yaml",
            ".stax/vault.json",
            ".envrc",
            ".gitattributes",
            "infra/secrets/",
        ])
        .ok();
    sandbox
        .git(["commit", "-m", "chore(secrets): bootstrap encrypted store"])
        .ok()
        .hides(CANARY);
    sandbox
        .git(["status", "--porcelain"])
        .ok()
        .prints_exactly("");
    sandbox
        .sops(["decrypt", PROD])
        .ok()
        .prints_exactly(format!("STRIPE_SECRET_KEY: {CANARY}\n"));
    sandbox
        .get("STRIPE_SECRET_KEY")
        .ok()
        .prints_exactly(format!("{CANARY}\n"));
    assert_eq!(sandbox.holders_of(CANARY), Vec::<std::path::PathBuf>::new());
    assert_eq!(sandbox.holders_of("AGE-SECRET-KEY-1"), [sandbox.key_file()]);
}

#[test]
fn the_printed_git_commands_are_exact() {
    let sandbox = Sandbox::new();
    sandbox.key();
    let output = sandbox
        .stax(["secrets", "init", "--env", "production"])
        .ok();
    let talk = format!("{}\n{}", output.stdout, output.stderr);
    let typed = |start: &str| {
        let found = talk
            .lines()
            .find_map(|line| line.find(start).map(|at| &line[at..]));
        found
            .unwrap_or_else(|| panic!("no {start:?}\n{output}"))
            .to_string()
    };
    sandbox.sh(&typed("git add ")).ok();
    sandbox.sh(&typed("git commit -m")).ok();
    sandbox
        .git(["status", "--porcelain"])
        .ok()
        .prints_exactly("");
}

#[test]
fn a_second_init_changes_nothing() {
    let sandbox = Sandbox::with_store();
    let config = sandbox.read(".git/config");
    let before = work_tree(&sandbox);
    sandbox
        .stax(["secrets", "init", "--env", "production"])
        .ok();
    assert_eq!(before, work_tree(&sandbox));
    assert_eq!(config, sandbox.read(".git/config"));
}

#[test]
fn a_dry_run_writes_nothing_and_names_every_file() {
    let sandbox = Sandbox::new();
    sandbox.key();
    let config = sandbox.read(".git/config");
    let output = sandbox
        .stax(["secrets", "init", "--env", "production", "--dry-run"])
        .ok();
    SCAFFOLD.iter().fold(output, |output, file| {
        let name = file.rsplit('/').next().expect("a name");
        output.shows(name)
    });
    assert_eq!(names(&sandbox), Vec::<String>::new());
    assert_eq!(config, sandbox.read(".git/config"));
    assert!(!sandbox.path(".git/hooks/pre-commit").exists());
}

#[test]
fn a_second_environment_is_added_beside_the_first() {
    let sandbox = Sandbox::with_store();
    let (envrc, prod) = (sandbox.read(".envrc"), sandbox.bytes(PROD));
    sandbox
        .stax(["secrets", "init", "--env", "development"])
        .ok();
    sandbox.stax(["secrets", "init", "--env", "staging"]).ok();
    for file in [
        "infra/secrets/dev.enc.yaml",
        "infra/secrets/staging.enc.yaml",
    ] {
        sandbox.sops(["decrypt", file]).ok().prints_exactly("{}\n");
        for holder in [".envrc", ".stax/vault.json"] {
            assert!(
                sandbox.read(holder).contains(file),
                "{holder} does not name {file}"
            );
        }
    }
    let kept = envrc.lines().filter(|line| !line.contains("watch_file"));
    kept.for_each(|line| {
        assert!(
            sandbox.read(".envrc").contains(line),
            "lost from .envrc: {line}"
        )
    });
    assert_eq!(prod, sandbox.bytes(PROD));

    sandbox
        .stax_with(
            ["secrets", "set", "-e", "development", "TOKEN"],
            "dev-value\n",
        )
        .ok();
    sandbox
        .stax(["secrets", "get", "-e", "development", "TOKEN"])
        .ok()
        .prints_exactly("dev-value\n");
    sandbox
        .stax(["secrets", "get", "-e", "production", "TOKEN"])
        .fails()
        .one_error();
    // with several environments none is the default
    sandbox
        .get("TOKEN")
        .exits(2)
        .one_error()
        .says("development")
        .says("production");
}

#[test]
fn each_format_has_its_own_suffix() {
    for (format, file) in [
        ("yaml", "prod.enc.yaml"),
        ("json", "prod.enc.json"),
        ("dotenv", "prod.enc.env"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.key();
        sandbox
            .stax(["secrets", "init", "--env", "production", "--format", format])
            .ok();
        sandbox.set("TOKEN", CANARY).ok();
        sandbox.commit_all("a store");
        sandbox
            .sops(["decrypt", &format!("infra/secrets/{file}")])
            .ok()
            .prints(CANARY);
    }
}

#[test]
fn the_bound_files_are_declared_to_git() {
    let sandbox = Sandbox::initialised();
    let attributes = sandbox
        .git(["check-attr", "diff", "merge", "text", "--", PROD])
        .ok();
    attributes
        .prints("diff: stax")
        .prints("merge: stax")
        .prints("text: unset");
    sandbox
        .git(["check-attr", "diff", "--", ".sops.yaml"])
        .ok()
        .prints("unspecified");
    sandbox
        .git(["config", "--local", "diff.stax.cachetextconv"])
        .ok()
        .prints_exactly("false\n");
    let textconv = sandbox
        .git(["config", "--local", "diff.stax.textconv"])
        .ok();
    textconv.prints("git textconv --").prints("cat -- \"$1\"");
    assert_eq!(mode(&sandbox.path(".git/hooks/pre-commit")) & 0o111, 0o111);
    assert!(
        sandbox
            .read(".git/hooks/pre-commit")
            .trim_end()
            .ends_with("stax secrets verify --staged")
    );
}

#[test]
fn a_foreign_hook_is_left_alone_and_the_line_is_printed() {
    let sandbox = Sandbox::new();
    sandbox.key();
    sandbox.write(".git/hooks/pre-commit", "#!/bin/sh\nexit 0\n");
    let output = sandbox
        .stax(["secrets", "init", "--env", "production"])
        .ok();
    output.shows("stax secrets verify --staged");
    assert_eq!(sandbox.read(".git/hooks/pre-commit"), "#!/bin/sh\nexit 0\n");
}

#[test]
fn a_symlink_in_the_way_is_refused_and_nothing_is_written() {
    for link in [
        "infra",
        "infra/secrets",
        ".stax",
        ".sops.yaml",
        ".envrc",
        ".gitattributes",
    ] {
        let sandbox = Sandbox::new();
        sandbox.key();
        let outside = sandbox.place().join("outside");
        fs::create_dir(&outside).expect("a folder outside");
        let path = sandbox.path(link);
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
        symlink(&outside, &path).expect("a symlink");
        sandbox
            .stax(["secrets", "init", "--env", "production"])
            .exits(2)
            .one_error()
            .says("symlink");
        assert_eq!(
            files_beneath(&outside),
            Vec::<std::path::PathBuf>::new(),
            "{link}"
        );
        assert_eq!(names(&sandbox), Vec::<String>::new(), "{link}");
    }
}

#[test]
fn what_git_ignores_is_noticed() {
    let sandbox = Sandbox::new();
    sandbox.key();
    sandbox.write(".gitignore", "*.enc.yaml\n");
    let output = sandbox
        .stax(["secrets", "init", "--env", "production"])
        .exits(2);
    output.one_error().says("ignore").says(PROD);
}

#[test]
fn a_recipient_can_be_given_when_no_identity_is_at_hand() {
    let sandbox = Sandbox::new();
    let ravi = sandbox.person("ravi");
    let args = [
        "secrets",
        "init",
        "--env",
        "production",
        "--recipient",
        &ravi.key(),
        "--name",
        "Ravi",
    ];
    sandbox.stax(args).ok();
    ravi.sops(["decrypt", PROD]).ok().prints_exactly("{}\n");
    Sandbox::new()
        .stax(["secrets", "init", "--env", "production"])
        .exits(3)
        .one_error()
        .says("keygen");
}

#[test]
fn install_serves_a_fresh_clone_and_can_be_repeated() {
    let sandbox = Sandbox::with_store();
    let ana = sandbox.at(sandbox.clone_for("ravi").dir);
    ana.stax(["secrets", "status"])
        .ok()
        .shows("stax secrets install");
    ana.stax(["secrets", "install"]).ok();
    let config = ana.read(".git/config");
    ana.stax(["secrets", "install"]).ok();
    assert_eq!(config, ana.read(".git/config"));
    ana.git(["log", "-p", "--", PROD]).ok().prints(CANARY);
    ana.git(["status", "--porcelain"]).ok().prints_exactly("");
}

#[test]
fn status_begins_with_the_lines_of_the_product_page() {
    let sandbox = Sandbox::with_store();
    let key = sandbox.key();
    let output = sandbox.stax(["secrets", "status"]).ok().hides(CANARY);
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert!(
        lines[0].starts_with("✓ SOPS: built in (format 3.11)"),
        "{output}"
    );
    assert!(
        lines[1].starts_with("✓ Identity source: file ") && lines[1].ends_with("keys.txt"),
        "{output}"
    );
    assert_eq!(lines[2], format!("  • {key}"), "{output}");
    assert!(
        lines.contains(&"✓ Canonical source: git (.stax/vault.json)"),
        "{output}"
    );
    let bound = format!("  • {PROD} [env=production]");
    assert!(
        lines.iter().any(|line| line.starts_with(&bound)),
        "{output}"
    );
}

#[test]
fn demo_runs_through_without_a_terminal_and_leaves_nothing_behind() {
    let sandbox = Sandbox::without_git();
    let output = sandbox.stax(["demo"]).ok();
    output
        .prints("stax secrets init --env production")
        .prints("F04")
        .prints("remove-recipient");
    let output = sandbox.stax(["demo"]).ok();
    output
        .prints("error[K05 stale-data-key]: Bob <bob@example.com> can still read 1 file\n")
        .prints("Bob <bob@example.com> can still read 1 file, less than a day after removal")
        .prints("Bob's saved data key opens 0 of 3 values");
    let left: Vec<_> = files_beneath(&sandbox.place());
    assert_eq!(left, [sandbox.home.join(".gitconfig")]);
}
