//! The leak guard at its edges: how much a hook looks into, and the files that other guards pass
//! over.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use crate::support::{CANARY, Output, PROD, Person, Sandbox};

const IN_CLEAR: &str =
    "error[C07 value-in-clear]: the value of STRIPE_SECRET_KEY (production) stands in ";

fn unseen(person: &Person, message: &str) {
    person.git(["add", "--all"]).ok();
    person
        .git(["commit", "--quiet", "--no-verify", "-m", message])
        .ok();
}

fn stage(person: &Person, path: &str, text: &str) {
    person.write(path, text);
    person.git(["add", "--force", path]).ok();
}

#[track_caller]
fn commit(person: &Person) -> Output {
    person.git(["commit", "--quiet", "-m", "wip"]).hides(CANARY)
}

/// A SOPS file for Ana, whatever the policy says.
fn seal(sandbox: &Sandbox, path: &str, clear: &str, more: &[&str]) {
    let outside = sandbox.at(sandbox.place());
    outside.write("sealed.yaml", clear);
    let key = sandbox.key();
    outside
        .sops([&["encrypt", "--age", &key], more, &["-i", "sealed.yaml"]].concat())
        .ok();
    sandbox.write(path, outside.bytes("sealed.yaml"));
}

fn published(sandbox: &Sandbox) {
    let remote = sandbox.place().join("remote.git");
    sandbox
        .git(["init", "--quiet", "--bare", &remote.to_string_lossy()])
        .ok();
    sandbox
        .git(["remote", "add", "origin", &remote.to_string_lossy()])
        .ok();
    sandbox
        .git(["push", "--quiet", "--no-verify", "origin", "HEAD"])
        .ok();
}

const FILES: &str = "note: values of 256 SOPS files were looked for, and no hook opens more; 45 files left that may \
                     hold others: stax secrets scan looks for all of them";

#[test]
fn a_hook_opens_bound_files_first_and_says_where_it_stopped() {
    let sandbox = Sandbox::with_store();
    seal(&sandbox, "apps/000.enc.yaml", "token: canary1a2b3c\n", &[]);
    seal(&sandbox, "apps/last.enc.yaml", "token: canary9z8y7x\n", &[]);
    let copy = sandbox.bytes("apps/000.enc.yaml");
    (1..299).for_each(|number| sandbox.write(&format!("apps/{number:03}.enc.yaml"), &copy));
    unseen(&sandbox, "300 files");
    published(&sandbox);
    // bound, and so opened although its path is the last one
    stage(&sandbox, "app.py", CANARY);
    commit(&sandbox)
        .exits(1)
        .shows(&format!("{IN_CLEAR}app.py\n"))
        .shows(FILES);
    stage(&sandbox, "app.py", "canary1a2b3c");
    commit(&sandbox)
        .exits(1)
        .shows("the value of token (apps/000.enc.yaml) and 254 more stands in app.py");
    // cut off, said, and found by who looks at everything
    stage(&sandbox, "app.py", "canary9z8y7x");
    let staged = sandbox
        .stax(["secrets", "verify", "--staged", "--json"])
        .ok()
        .says(FILES);
    assert_eq!(
        staged.json()["findings"].as_array().expect("a list").len(),
        0
    );
    commit(&sandbox).ok().shows(FILES);
    sandbox
        .git(["push", "--quiet", "origin", "HEAD"])
        .ok()
        .shows(FILES);
    let scan = sandbox
        .stax(["secrets", "scan", "--history"])
        .exits(1)
        .hides("canary9z8y7x");
    scan.prints("the value of token (apps/last.enc.yaml) stands in app.py\n")
        .hides("no hook");
    // what is sealed as a whole needs no look at other files
    stage(
        &sandbox,
        "apps/more.enc.yaml",
        &String::from_utf8(copy).expect("text"),
    );
    commit(&sandbox).ok().hides("256");
}

#[test]
fn a_hook_reads_so_many_files_to_find_sops_files_and_says_so() {
    let sandbox = Sandbox::new();
    sandbox.write(
        ".sops.yaml",
        format!("creation_rules:\n  - age: {}\n", sandbox.key()),
    );
    (0..2_100).for_each(|number| {
        sandbox.write(&format!("k8s/{number:04}.yaml"), format!("a: {number}\n"))
    });
    seal(&sandbox, "k8s/last.yaml", "token: canary9z8y7x\n", &[]);
    seal(&sandbox, "k8s/last.enc.yaml", "token: canary1a2b3c\n", &[]);
    unseen(&sandbox, "manifests");
    sandbox.stax(["secrets", "install"]).ok();
    let note = "note: 2048 files were read to find SOPS files, and no hook reads more; 54 files left that may hold \
                values: stax secrets scan looks for all of them";
    stage(&sandbox, "app.py", "canary1a2b3c");
    commit(&sandbox)
        .exits(1)
        .shows("the value of token (k8s/last.enc.yaml) stands in app.py")
        .shows(note);
    stage(&sandbox, "app.py", "canary9z8y7x");
    commit(&sandbox).ok().shows(note);
    let scan = sandbox.stax(["secrets", "scan"]).exits(1);
    scan.prints("the value of token (k8s/last.yaml) stands in app.py\n")
        .hides("2048");
}

#[test]
fn a_name_that_is_not_utf_8_is_looked_at_too() {
    let sandbox = Sandbox::with_store();
    published(&sandbox);
    fs::write(sandbox.dir.join(OsStr::from_bytes(b"caf\xe9.py")), CANARY).expect("a file");
    let output = sandbox
        .stax(["secrets", "scan"])
        .ok()
        .says("warning: not looked into: caf\\xe9.py");
    output.hides(CANARY);
    sandbox.git(["add", "--all"]).ok();
    sandbox
        .stax(["secrets", "scan", "--staged"])
        .exits(1)
        .prints(&format!("{IN_CLEAR}caf\u{fffd}.py\n"));
    commit(&sandbox)
        .exits(1)
        .shows(&format!("{IN_CLEAR}caf\u{fffd}.py\n"));
    unseen(&sandbox, "wip");
    for args in [&["scan"][..], &["scan", "--history"]] {
        let output = sandbox
            .stax([&["secrets"], args].concat())
            .exits(1)
            .hides(CANARY);
        output.prints(&format!("{IN_CLEAR}caf\u{fffd}.py\n"));
    }
    let push = sandbox
        .git(["push", "origin", "HEAD"])
        .exits(1)
        .hides(CANARY);
    push.shows(&format!("{IN_CLEAR}caf\u{fffd}.py\n"));
}

#[test]
fn what_a_sparse_checkout_leaves_out_is_looked_at_in_the_index() {
    let sandbox = Sandbox::with_store();
    sandbox.write("other/app.py", CANARY);
    sandbox.write("app/main.py", "x\n");
    unseen(&sandbox, "wip");
    published(&sandbox);
    sandbox
        .git(["sparse-checkout", "set", "app", "infra", ".stax"])
        .ok();
    assert!(!sandbox.path("other/app.py").exists());
    let output = sandbox.stax(["secrets", "scan"]).exits(1).hides(CANARY);
    output.prints(&format!(
        "{IN_CLEAR}other/app.py\n  other/app.py:1 (staged)\n"
    ));
}

#[test]
fn a_value_in_a_name_or_in_what_a_commit_says_is_not_repeated() {
    let sandbox = Sandbox::with_store();
    published(&sandbox);
    let path = format!("dump/{CANARY}.txt");
    stage(&sandbox, &path, CANARY);
    let name = "error[C07 value-in-clear]: the value of STRIPE_SECRET_KEY (production) is in the name of dump/***.txt\n";
    commit(&sandbox)
        .exits(1)
        .shows(name)
        .shows(&format!("{IN_CLEAR}dump/***.txt\n"));
    unseen(&sandbox, &format!("key {CANARY}"));
    let outputs = [
        sandbox.stax(["secrets", "scan"]),
        sandbox.stax(["secrets", "scan", "--history"]),
        sandbox.stax(["secrets", "scan", "dump"]),
        sandbox.git(["push", "origin", "HEAD"]),
    ];
    for output in outputs {
        output
            .exits(1)
            .hides(CANARY)
            .shows(name)
            .shows(&format!("{IN_CLEAR}dump/***.txt\n"));
    }
    let json = sandbox
        .stax(["secrets", "scan", "--json"])
        .exits(1)
        .hides(CANARY)
        .json();
    let finding = &json["findings"][1];
    assert_eq!(
        (&finding["path"], &finding["places"][0]["line"]),
        (&"dump/***.txt".into(), &().into())
    );
    assert_eq!(finding["places"][1]["first_commit"]["summary"], "key ***");
}

#[test]
fn links_policies_and_what_a_document_has_in_clear_are_looked_into() {
    let sandbox = Sandbox::with_store();
    std::os::unix::fs::symlink(CANARY, sandbox.path("link")).expect("a link");
    sandbox.git(["add", "link"]).ok();
    commit(&sandbox)
        .exits(1)
        .shows(&format!("{IN_CLEAR}link\n"));
    sandbox
        .stax(["secrets", "scan"])
        .exits(1)
        .prints(&format!("{IN_CLEAR}link\n  link:1\n"))
        .hides(CANARY);
    sandbox.git(["rm", "--quiet", "--force", "link"]).ok();
    let policy = sandbox.read(".sops.yaml");
    stage(&sandbox, ".sops.yaml", &format!("# {CANARY}\n{policy}"));
    commit(&sandbox)
        .exits(1)
        .shows(&format!("{IN_CLEAR}.sops.yaml\n"));
    sandbox
        .git(["checkout", "--quiet", "HEAD", ".sops.yaml"])
        .ok();
    // a manifest is sealed in part
    let clear =
        format!("kind: Secret\n# was {CANARY}\nmetadata: {{name: web}}\ndata:\n  a: x1y2z3w4v5\n");
    seal(
        &sandbox,
        "web.enc.yaml",
        &clear,
        &["--encrypted-regex", "^data$"],
    );
    sandbox.git(["add", "web.enc.yaml"]).ok();
    commit(&sandbox).exits(1).shows(&format!(
        "{IN_CLEAR}web.enc.yaml\n  web.enc.yaml:2 (staged)\n"
    ));
    sandbox.write("app.py", "\n\nx1y2z3w4v5\n");
    let output = sandbox
        .stax(["secrets", "scan"])
        .exits(1)
        .prints("the value of data.a (web.enc.yaml) stands in app.py");
    output.hides("x1y2z3w4v5");
}

#[test]
fn a_pipe_is_not_read_and_a_folder_of_links_has_an_end() {
    let sandbox = Sandbox::with_store();
    sandbox
        .sh("mkfifo pipe; ln -s . loop; ln -s / all; ln -s nowhere broken")
        .ok();
    sandbox
        .stax(["secrets", "scan"])
        .ok()
        .prints(": nothing found\n");
    sandbox
        .stax(["secrets", "scan", "."])
        .ok()
        .prints(": nothing found\n");
    sandbox
        .stax(["secrets", "scan", "pipe"])
        .exits(2)
        .one_error()
        .says("pipe: neither a file nor a folder");
    sandbox
        .stax(["secrets", "scan", "broken"])
        .exits(2)
        .one_error()
        .says("broken");
}

#[test]
fn what_is_too_large_to_look_into_is_named() {
    let sandbox = Sandbox::with_store();
    sandbox.write("big.bin", vec![b'x'; (32 << 20) + 1]);
    sandbox.git(["add", "big.bin"]).ok();
    commit(&sandbox)
        .ok()
        .shows("note: big.bin is larger than 32 MiB: no value was looked for in it");
}

#[test]
fn nobody_is_asked_for_a_passphrase() {
    let sandbox = Sandbox::with_store();
    let key = sandbox.key_file();
    let sealed = "age-encryption.org/v1\n-> scrypt bBjlhJVYZeE4aqUdmtRHfw 18\nZTFk\n--- ODFh\n";
    fs::write(&key, sealed).expect("the key file");
    stage(&sandbox, "app.py", CANARY);
    commit(&sandbox).ok().hides("passphrase");
    let output = sandbox.stax(["secrets", "scan"]).exits(3).hides(CANARY);
    output.says("is encrypted with a passphrase, which is not supported yet");
}

#[test]
fn a_clone_that_lacks_sops_files_says_so_and_a_hook_fetches_none() {
    let sandbox = Sandbox::with_store();
    seal(&sandbox, "apps/a.enc.yaml", "token: canary1a2b3c\n", &[]);
    sandbox.write("src/main.py", "x\n");
    unseen(&sandbox, "a file");
    sandbox
        .git(["config", "uploadpack.allowFilter", "true"])
        .ok();
    let dir = sandbox.place().join("part");
    let url = format!("file://{}", sandbox.dir.display());
    sandbox
        .git([
            "clone",
            "--quiet",
            "--filter=blob:none",
            "--sparse",
            &url,
            &dir.to_string_lossy(),
        ])
        .ok();
    let clone = sandbox.at(&dir);
    clone
        .git(["sparse-checkout", "set", "src", "infra", ".stax"])
        .ok();
    clone.stax(["secrets", "install"]).ok();
    let missing = || {
        clone
            .git(["rev-list", "--objects", "--all", "--missing=print"])
            .ok()
            .stdout
            .matches('?')
            .count()
    };
    let before = missing();
    stage(&clone, "src/main.py", "canary1a2b3c");
    commit(&clone)
        .ok()
        .shows("note: values of 1 file were not looked for: this clone lacks them");
    assert_eq!(missing(), before);
    stage(&clone, "src/main.py", CANARY);
    commit(&clone)
        .exits(1)
        .shows(&format!("{IN_CLEAR}src/main.py\n"));
    clone
        .stax(["secrets", "scan"])
        .exits(1)
        .says("warning: values of 1 file are not looked for: this clone lacks them");
}

#[test]
fn a_version_behind_a_replace_ref_and_one_of_a_linked_work_tree_are_found() {
    let sandbox = Sandbox::with_store();
    sandbox.write("a.py", CANARY);
    unseen(&sandbox, "with");
    sandbox.write("a.py", "x\n");
    unseen(&sandbox, "without");
    sandbox.git(["replace", "HEAD~1", "HEAD"]).ok();
    let output = sandbox
        .stax(["secrets", "scan", "--history"])
        .exits(1)
        .hides(CANARY);
    output.prints(&format!("{IN_CLEAR}a.py\n"));
    sandbox.git(["replace", "--delete", "HEAD~1"]).ok();
    let tree = sandbox.place().join("linked");
    sandbox
        .git([
            "worktree",
            "add",
            "--quiet",
            "--detach",
            &tree.to_string_lossy(),
        ])
        .ok();
    let linked = sandbox.at(&tree);
    stage(&linked, "b.py", CANARY);
    commit(&linked).exits(1).shows(&format!("{IN_CLEAR}b.py\n"));
    linked
        .stax(["secrets", "scan"])
        .exits(1)
        .prints(&format!("{IN_CLEAR}b.py\n"));
    assert!(sandbox.path(PROD).exists());
}

#[test]
fn a_bare_repository_and_a_shallow_clone_are_scanned_as_far_as_they_go() {
    let sandbox = Sandbox::with_store();
    sandbox.write("a.py", CANARY);
    unseen(&sandbox, "with");
    sandbox.write("a.py", "x\n");
    unseen(&sandbox, "without");
    let url = format!("file://{}", sandbox.dir.display());
    let (bare, shallow) = (
        sandbox.place().join("bare.git"),
        sandbox.place().join("shallow"),
    );
    sandbox
        .git(["clone", "--quiet", "--bare", &url, &bare.to_string_lossy()])
        .ok();
    sandbox
        .git([
            "clone",
            "--quiet",
            "--depth=1",
            &url,
            &shallow.to_string_lossy(),
        ])
        .ok();
    let shallow = sandbox.at(&shallow);
    shallow
        .stax(["secrets", "scan", "--history"])
        .ok()
        .says("warning: this clone holds not all history");
    let bare = sandbox.at(&bare);
    bare.stax(["secrets", "scan", "--history"])
        .exits(2)
        .one_error()
        .says("is a bare repository");
}
