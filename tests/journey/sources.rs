//! Where a file comes from: a word alone, a pipe, a link, and what stands in the place of one.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::{PROD, Sandbox};

/// A SOPS file that no environment is bound to.
fn loose() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(
        ".sops.yaml",
        format!("creation_rules:\n  - age: {}\n", sandbox.key()),
    );
    sandbox.write("s.yaml", "A: one\nm:\n    x: 1\n");
    sandbox.stax(["secrets", "encrypt", "-i", "s.yaml"]).ok();
    sandbox.commit_all("a file");
    sandbox
}

#[test]
fn a_file_stands_alone_where_a_command_takes_no_key() {
    let sandbox = loose();
    sandbox
        .stax(["secrets", "list", "s.yaml"])
        .ok()
        .prints("A ");
    sandbox
        .stax(["secrets", "blame", "s.yaml"])
        .ok()
        .prints("m.x");
    sandbox
        .stax(["secrets", "decrypt", "-f", "s.yaml"])
        .ok()
        .prints("A: one\n");
    let editor = sandbox.editing("sed 's/one/two/' \"$1\" > \"$0.new\"; cat \"$0.new\" > \"$1\"");
    editor.stax(["secrets", "edit", "s.yaml"]).ok();
    sandbox
        .stax(["secrets", "get", "A", "-f", "s.yaml"])
        .ok()
        .prints_exactly("two\n");
    sandbox
        .stax(["secrets", "list", "s.yaml", "-f", "s.yaml"])
        .exits(2);
    let store = Sandbox::with_store();
    store
        .stax(["secrets", "export", PROD])
        .ok()
        .prints("export PORT='5432'");
    store
        .stax(["secrets", "decrypt", "-e", "production"])
        .ok()
        .prints("PORT: 5432\n");
}

#[test]
fn what_comes_by_a_pipe_is_read_and_never_written() {
    let sandbox = loose();
    let text = sandbox.read("s.yaml");
    for args in [
        &["decrypt", "-"][..],
        &["decrypt", "/dev/stdin"],
        &["get", "A", "-f", "-"],
        &["list", "-"],
    ] {
        let expected = if args[0] == "list" { "A " } else { "one" };
        sandbox
            .stax_with([&["secrets"], args].concat(), &text)
            .ok()
            .prints(expected);
    }
    let refused = "no place to be written to";
    sandbox
        .stax_with(["secrets", "unset", "A", "-f", "-"], &text)
        .exits(2)
        .one_error()
        .says(refused);
    sandbox
        .stax_with(["secrets", "edit", "-"], &text)
        .exits(2)
        .one_error()
        .says(refused);
    sandbox
        .stax_with(["secrets", "decrypt", "-i", "-"], &text)
        .exits(2)
        .one_error()
        .says(refused);
    sandbox
        .stax_with(["secrets", "decrypt", "-"], "junk")
        .exits(2)
        .one_error()
        .says("stdin: ");
    sandbox
        .stax_with(["secrets", "decrypt", "-", "-o", "clear.yaml"], &text)
        .ok();
    assert!(sandbox.read("clear.yaml").starts_with("A: one\n"));
    sandbox
        .keyless()
        .stax_with(["secrets", "decrypt", "-"], &text)
        .exits(3)
        .one_error();
}

#[test]
fn a_text_by_a_pipe_is_encrypted_as_the_file_that_is_written() {
    let sandbox = loose();
    sandbox
        .stax_with(["secrets", "encrypt", "-"], "Q: z\n")
        .exits(2)
        .one_error()
        .says("-o FILE");
    sandbox
        .stax_with(["secrets", "encrypt", "-", "-o", "q.yaml"], "Q: z\n")
        .ok();
    sandbox
        .sops(["decrypt", "q.yaml"])
        .ok()
        .prints_exactly("Q: z\n");
}

#[test]
fn types_are_said_where_a_name_says_another_one() {
    let sandbox = loose();
    fs::copy(sandbox.path("s.yaml"), sandbox.path("s.json")).expect("a copy");
    sandbox
        .stax(["secrets", "decrypt", "s.json", "--input-type", "yaml"])
        .ok()
        .prints("A: one\n");
    sandbox
        .stax(["secrets", "decrypt", "s.yaml", "--input-type", "json"])
        .exits(2)
        .one_error();
    for kind in ["json", "yaml"] {
        let theirs = sandbox
            .sops(["decrypt", "--output-type", kind, "s.yaml"])
            .ok();
        let ours = sandbox.stax(["secrets", "decrypt", "--output-type", kind, "s.yaml"]);
        ours.ok().prints_exactly(&theirs.bytes);
    }
    // a map is no line of a dotenv file
    sandbox
        .stax(["secrets", "decrypt", "--output-type", "dotenv", "s.yaml"])
        .exits(2)
        .one_error();
}

#[test]
fn outside_any_repository_a_link_is_followed_to_read_and_not_to_write() {
    let sandbox = loose();
    let mount = sandbox.place().join("mount");
    fs::create_dir_all(mount.join("..2026")).expect("a folder");
    fs::copy(sandbox.path("s.yaml"), mount.join("..2026/s.yaml")).expect("a copy");
    symlink("..2026", mount.join("..data")).expect("a link");
    symlink("..data/s.yaml", mount.join("s.yaml")).expect("a link");
    let there = sandbox.at(&mount);
    there
        .stax(["secrets", "decrypt", "s.yaml"])
        .ok()
        .prints("A: one\n");
    there
        .stax(["secrets", "get", "A", "-f", "s.yaml"])
        .ok()
        .prints_exactly("one\n");
    let before = fs::read(mount.join("s.yaml")).expect("the file");
    there
        .stax_with(["secrets", "set", "A", "-f", "s.yaml"], "two")
        .exits(2)
        .one_error()
        .says("symlink");
    assert_eq!(fs::read(mount.join("s.yaml")).expect("the file"), before);
    // inside of one, a link may lead anywhere
    symlink("s.yaml", sandbox.path("link.yaml")).expect("a link");
    sandbox
        .stax(["secrets", "decrypt", "link.yaml"])
        .exits(2)
        .one_error()
        .says("symlink");
}

#[test]
fn a_pointer_of_git_lfs_is_called_one() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 3\n";
    let sandbox = loose();
    sandbox.write("l.yaml", pointer);
    for command in ["decrypt", "encrypt", "list"] {
        let refused = sandbox
            .stax(["secrets", command, "l.yaml"])
            .exits(2)
            .one_error();
        refused
            .says("l.yaml is a pointer of Git LFS")
            .says("git lfs pull --include=l.yaml");
    }
    let store = Sandbox::with_store();
    store.write(PROD, pointer);
    store
        .stax(["secrets", "verify"])
        .exits(1)
        .prints("pointer of Git LFS");
}

#[test]
fn a_policy_under_another_name_or_above_a_plain_folder_is_named() {
    let sandbox = loose();
    sandbox.git(["mv", ".sops.yaml", ".sops.yml"]).ok();
    sandbox.write("new.yaml", "A: one\n");
    let refused = sandbox
        .stax(["secrets", "encrypt", "new.yaml"])
        .exits(2)
        .one_error();
    refused
        .says("the policy is called .sops.yml")
        .says("mv .sops.yml .sops.yaml");
    let found = sandbox.stax(["secrets", "verify"]);
    found
        .prints("warning[P01 policy]: sops reads `.sops.yaml` only")
        .prints("git mv .sops.yml .sops.yaml");
    let plain = Sandbox::without_git();
    plain.write(
        ".sops.yaml",
        format!("creation_rules:\n  - age: {}\n", plain.key()),
    );
    plain.write("below/a.yaml", "A: one\n");
    let refused = plain
        .stax(["secrets", "encrypt", "below/a.yaml"])
        .exits(2)
        .one_error();
    refused.says("outside of git").says("git init ");
}

#[test]
fn what_moves_to_other_readers_is_refused() {
    let sandbox = Sandbox::new();
    let (ana, bob) = (sandbox.key(), sandbox.person("bob").key());
    sandbox.write(
        ".sops.yaml",
        format!(
            "creation_rules:\n  - path_regex: ^staging/\n    age: {ana},{bob}\n  - path_regex: ^prod/\n    age: {ana}\n"
        ),
    );
    sandbox.write("staging/a.env", "A=1\n");
    sandbox.write("prod/other.env", "A=1\n");
    let refused = sandbox
        .stax(["secrets", "encrypt", "staging/a.env", "-o", "prod/a.env"])
        .exits(2)
        .one_error();
    refused
        .says("different readers")
        .says("stax secrets encrypt - -o prod/a.env < staging/a.env");
    assert!(!sandbox.path("prod/a.env").exists());
    sandbox
        .sh("stax secrets encrypt - -o prod/a.env < staging/a.env")
        .ok();
    assert!(
        sandbox.read("prod/a.env").contains(&ana) && !sandbox.read("prod/a.env").contains(&bob)
    );
    // what is sealed already would keep the readers of staging
    sandbox
        .stax(["secrets", "encrypt", "-i", "staging/a.env"])
        .ok();
    sandbox
        .stax(["secrets", "encrypt", "staging/a.env", "-o", "prod/b.env"])
        .exits(2)
        .one_error();
    sandbox
        .stax(["secrets", "encrypt", "prod/other.env", "-o", "prod/c.env"])
        .ok();
    sandbox.write("free.env", "A=1\n");
    sandbox
        .stax(["secrets", "encrypt", "free.env", "-o", "prod/d.env"])
        .ok();
}

#[test]
fn maps_and_lists_are_set_and_printed_as_sops_reads_and_prints_them() {
    let sandbox = loose();
    sandbox.write("s.json", "{\n  \"a\": {\"b\": 1}\n}\n");
    sandbox.stax(["secrets", "encrypt", "-i", "s.json"]).ok();
    let set = |file: &str, key: &str, json: &str| {
        sandbox.stax_with(["secrets", "set", key, "--type", "json", "-f", file], json)
    };
    set(
        "s.yaml",
        "l",
        "[\"first\", {\"k\": \"v, w: x\", \"t\": true}]\n",
    )
    .ok()
    .says("list of 2");
    set(
        "s.yaml",
        "m",
        "{\"x\": 1, \"deep\": {\"y\": [\"two\\nlines\"]}}",
    )
    .ok()
    .says("map of 2");
    set("s.json", "a.b", "[1, [2, null]]").ok();
    set("s.json", "a.b", "[1, [2, null]]")
        .ok()
        .says("nothing changed");
    for (file, key, at) in [
        ("s.yaml", "l", "[\"l\"]"),
        ("s.yaml", "m", "[\"m\"]"),
        ("s.yaml", "m.deep", "[\"m\"][\"deep\"]"),
    ] {
        let theirs = sandbox.sops(["decrypt", "--extract", at, file]).ok();
        sandbox
            .stax(["secrets", "get", key, "-f", file])
            .ok()
            .prints_exactly(&theirs.bytes);
    }
    sandbox
        .sops(["decrypt", "--extract", "[\"a\"][\"b\"][1][0]", "s.json"])
        .ok()
        .prints_exactly("2");
    sandbox.commit_all("maps and lists");
    sandbox.sops(["unset", "s.yaml", "[\"l\"]"]).ok();
    sandbox
        .stax(["secrets", "get", "l", "-f", "s.yaml", "--at", "HEAD"])
        .ok()
        .prints("- first\n- k: 'v, w: x'\n");
    let before = sandbox.bytes("s.yaml");
    for wrong in ["{\"canary-1\": ", "1, \"canary-1\": 2", "[1.0]"] {
        set("s.yaml", "A", wrong)
            .exits(2)
            .one_error()
            .hides("canary");
    }
    assert_eq!(sandbox.bytes("s.yaml"), before);
    let store = Sandbox::with_store();
    let refused = store
        .stax_with(["secrets", "set", "NEW", "--type", "json"], "[1]")
        .exits(2);
    refused.one_error().says("a bound file is flat");
    store
        .stax_with(["secrets", "set", "NEW", "--type", "json"], "7")
        .ok();
    store.get("NEW").ok().prints_exactly("7\n");
}

/// A container mounts one file; nothing can be renamed onto it.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_a_mount_of_its_own_is_named_and_stays_whole() {
    let sandbox = loose();
    if sandbox.sh("unshare -rm mount --bind s.yaml s.yaml").code != 0 {
        return;
    }
    let outside = sandbox.place().join("outside.yaml");
    fs::copy(sandbox.path("s.yaml"), &outside).expect("a copy");
    let mount = format!("mount --bind {} s.yaml", outside.display());
    let before = sandbox.bytes("s.yaml");
    for command in [
        "printf two | stax secrets set A -f s.yaml",
        "stax secrets rotate s.yaml",
    ] {
        let refused = sandbox
            .sh(&format!("unshare -rm sh -c '{mount} && {command}'"))
            .exits(2);
        refused
            .says("s.yaml is a mount of its own")
            .says("mount its folder instead")
            .hides("meanwhile");
    }
    assert_eq!(
        (
            sandbox.bytes("s.yaml"),
            fs::read(&outside).expect("the file")
        ),
        (before.clone(), before)
    );
    sandbox
        .sh("ls -a | grep -c '[.]stax-.*tmp'")
        .prints_exactly("0\n");
}
