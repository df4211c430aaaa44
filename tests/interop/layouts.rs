//! Files as teams keep them: manifests of several documents, anchors, comments that select, braces.

use crate::support::Sandbox;

const MANIFESTS: &str = "# the api
apiVersion: v1
kind: Secret
metadata:
  name: api      # by hand
  labels: &labels {app: api, tier: back}
stringData:
  password: 'hunter2'   # rotate in May
  config.yaml: |
    key: one
    list: [a, b]

---
apiVersion: v1
kind: Secret
metadata:
  name: worker
  labels: {app: worker}
stringData:
    token: \"tok-1\"
";

fn store(rule: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.take_key("alice");
    sandbox.write(
        ".sops.yaml",
        format!("creation_rules:\n  - age: {}\n{rule}", sandbox.key()),
    );
    sandbox
}

fn both_print(sandbox: &Sandbox, file: &str) -> String {
    let theirs = sandbox.sops(["decrypt", file]).ok();
    sandbox
        .stax(["secrets", "decrypt", file])
        .ok()
        .prints_exactly(&theirs.bytes);
    theirs.stdout
}

/// Lines of the new text that the old one lacks, less MAC and time.
fn new_lines(before: &str, after: &str) -> Vec<String> {
    let known: Vec<&str> = before.lines().collect();
    let is_new = |line: &&str| {
        !known.contains(line) && !line.contains("lastmodified") && !line.contains("mac:")
    };
    after.lines().filter(is_new).map(str::to_owned).collect()
}

#[test]
fn manifests_are_sealed_changed_and_rotated_in_their_own_layout() {
    let sandbox = store("    encrypted_regex: ^(data|stringData)$\n");
    sandbox.write("api.yaml", MANIFESTS);
    sandbox.stax(["secrets", "encrypt", "-i", "api.yaml"]).ok();
    let sealed = sandbox.read("api.yaml");
    for kept in [
        "# the api\n",
        "  name: api      # by hand\n",
        "{app: worker}\n",
        "  password: 'ENC[",
        "    token: \"ENC[",
    ] {
        assert!(sealed.contains(kept), "{kept:?} is not in\n{sealed}");
    }
    assert_eq!(
        sealed.matches("\nsops:\n").count(),
        2,
        "every document has the metadata\n{sealed}"
    );
    assert!(both_print(&sandbox, "api.yaml").contains("password: hunter2"));

    sandbox
        .stax_with(
            ["secrets", "set", "-f", "api.yaml", "stringData.password"],
            "new-one\n",
        )
        .ok();
    let changed = sandbox.read("api.yaml");
    assert_eq!(new_lines(&sealed, &changed).len(), 1, "{changed}");
    sandbox
        .stax_with(
            ["secrets", "set", "-f", "api.yaml", "stringData.token"],
            "tok-2\n",
        )
        .ok();
    sandbox
        .stax_with(
            [
                "secrets",
                "set",
                "-f",
                "api.yaml",
                r#"["stringData"]["new"]"#,
            ],
            "n\n",
        )
        .ok();
    let shown = both_print(&sandbox, "api.yaml");
    for value in ["password: new-one", "token: tok-2", "new: \"n\""] {
        assert!(shown.contains(value), "{value:?} is not in\n{shown}");
    }
    sandbox
        .stax_with(["secrets", "set", "-f", "api.yaml", "metadata.name"], "x\n")
        .exits(2)
        .one_error();
    sandbox
        .stax_with(
            [
                "secrets",
                "set",
                "-f",
                "api.yaml",
                "metadata.name",
                "--clear",
            ],
            "x\n",
        )
        .ok();
    assert!(both_print(&sandbox, "api.yaml").contains("name: x"));

    sandbox.commit_all("manifests");
    sandbox.stax(["secrets", "rotate", "-y", "-f", "api.yaml"]);
    sandbox
        .sops(["set", "api.yaml", r#"["stringData"]["theirs"]"#, r#""t""#])
        .ok();
    assert!(both_print(&sandbox, "api.yaml").contains("theirs: t"));
    sandbox
        .stax(["secrets", "unset", "-f", "api.yaml", "stringData.theirs"])
        .ok();
    sandbox
        .stax(["secrets", "unset", "-f", "api.yaml", "stringData.theirs"])
        .exits(1)
        .one_error();
    sandbox
        .stax([
            "secrets",
            "unset",
            "-f",
            "api.yaml",
            "stringData.theirs",
            "--idempotent",
        ])
        .ok();
    assert!(!both_print(&sandbox, "api.yaml").contains("theirs"));
}

#[test]
fn aliases_are_written_out_and_every_copy_opens() {
    let sandbox = store("");
    let text = "base: &base\n  user: ana # who\n  ports: &p [1, 2]\nprod:\n  <<: *base\n  list:\n    - *base\n    - *p\nflow: {a: *p, b: &s text, c: *s}\n";
    sandbox.write("a.yaml", text);
    let theirs = sandbox.sops(["encrypt", "a.yaml"]).ok();
    sandbox.stax(["secrets", "encrypt", "-i", "a.yaml"]).ok();
    let ours = both_print(&sandbox, "a.yaml");
    sandbox.write("a.yaml", theirs.stdout);
    assert_eq!(ours, both_print(&sandbox, "a.yaml"));
}

#[test]
fn an_edit_keeps_the_layout_and_may_use_aliases() {
    let sandbox = store("");
    sandbox.write(
        "a.yaml",
        "# top\nlist:\n- one   # inline\n-   two\n\nmap:\n     deep: 'x'\n",
    );
    sandbox.stax(["secrets", "encrypt", "-i", "a.yaml"]).ok();
    let before = sandbox.read("a.yaml");
    let script = "sed -e \"s/'x'/\\&v 'x'/\" \"$1\" > \"$0.new\"; echo 'copy: *v' >> \"$0.new\"; cat \"$0.new\" > \"$1\"";
    sandbox
        .editing(script)
        .stax(["secrets", "edit", "-f", "a.yaml"])
        .ok();
    let after = sandbox.read("a.yaml");
    assert_eq!(new_lines(&before, &after).len(), 1, "{after}");
    assert!(both_print(&sandbox, "a.yaml").ends_with("map:\n    deep: x\ncopy: x\n"));
}

#[test]
fn comments_select_what_is_encrypted() {
    let text = "# secret\na: one\nb: two\nm:\n  # secret too\n  c: three\n  d: four\n";
    for (rule, sealed, clear) in [
        (
            "    encrypted_comment_regex: secret\n",
            ["a: ENC[", "c: ENC["],
            ["b: two", "d: four"],
        ),
        (
            "    unencrypted_comment_regex: secret\n",
            ["b: ENC[", "d: ENC["],
            ["a: one", "c: three"],
        ),
    ] {
        let sandbox = store(rule);
        sandbox.write("a.yaml", text);
        sandbox.stax(["secrets", "encrypt", "-i", "a.yaml"]).ok();
        let written = sandbox.read("a.yaml");
        for part in sealed.iter().chain(&clear) {
            assert!(written.contains(part), "{part} is not in\n{written}");
        }
        both_print(&sandbox, "a.yaml");
        let path = if sealed[0].starts_with('a') { "a" } else { "b" };
        sandbox
            .stax_with(["secrets", "set", "-f", "a.yaml", path], "other\n")
            .ok();
        assert!(both_print(&sandbox, "a.yaml").contains(&format!("{path}: other")));
    }
}

#[test]
fn a_rule_that_selects_nothing_seals_nothing() {
    let sandbox = store("    encrypted_regex: ^nothing$\n");
    sandbox.write("a.yaml", "password: hunter2\n");
    let refused = sandbox
        .stax(["secrets", "encrypt", "-i", "a.yaml"])
        .exits(2)
        .one_error();
    refused
        .says("selects no value")
        .says("encrypted_regex: ^nothing$")
        .hides("hunter2");
    assert_eq!(sandbox.read("a.yaml"), "password: hunter2\n");
}

#[test]
fn mac_only_encrypted_is_what_the_policy_says() {
    let sandbox = store("    mac_only_encrypted: true\n    encrypted_suffix: _secret\n");
    sandbox.write("a.yaml", "host: one\nkey_secret: two\n");
    sandbox.stax(["secrets", "encrypt", "-i", "a.yaml"]).ok();
    let text = sandbox.read("a.yaml").replace("host: one", "host: other");
    sandbox.write("a.yaml", text);
    assert!(both_print(&sandbox, "a.yaml").starts_with("host: other\n"));
}

#[test]
fn braces_and_end_markers_leave_room_for_the_metadata() {
    let sandbox = store("");
    for text in [
        "{a: one, b: [two]}\n",
        "{\n  \"a\": \"one\", # why\n}\n",
        "a: one\n...\n",
        "---\n{}\n---\na: one\n",
        "a: one",
    ] {
        sandbox.write("a.yaml", text);
        let theirs = sandbox.sops(["encrypt", "a.yaml"]).ok();
        sandbox.stax(["secrets", "encrypt", "-i", "a.yaml"]).ok();
        let ours = both_print(&sandbox, "a.yaml");
        sandbox
            .stax_with(["secrets", "set", "-f", "a.yaml", "z.y"], "x\n")
            .ok();
        assert!(both_print(&sandbox, "a.yaml").contains("x"), "{text:?}");
        sandbox.write("a.yaml", theirs.stdout);
        let sorted = |text: &str| {
            let mut lines: Vec<&str> = text.lines().filter(|line| !line.contains('#')).collect();
            lines.sort_unstable();
            lines.join("\n")
        };
        assert_eq!(
            sorted(&ours),
            sorted(&both_print(&sandbox, "a.yaml")),
            "{text:?}"
        );
    }
}

#[test]
fn a_result_goes_where_it_is_told_to() {
    let sandbox = store("");
    sandbox.write("clear.yaml", "a: one\n");
    sandbox
        .stax(["secrets", "encrypt", "-o", "sealed.yaml", "clear.yaml"])
        .ok()
        .prints_exactly("");
    assert_eq!(sandbox.read("clear.yaml"), "a: one\n");
    assert_eq!(both_print(&sandbox, "sealed.yaml"), "a: one\n");
    sandbox
        .stax(["secrets", "decrypt", "-o", "open.yaml", "sealed.yaml"])
        .ok()
        .prints_exactly("");
    assert_eq!(sandbox.read("open.yaml"), "a: one\n");
    sandbox
        .stax(["secrets", "encrypt", "-i", "-o", "x", "clear.yaml"])
        .exits(2);
    sandbox
        .stax(["secrets", "encrypt", "-o", "no/such/folder", "clear.yaml"])
        .exits(2)
        .one_error();
    sandbox
        .stax(["secrets", "decrypt", "-i", "sealed.yaml"])
        .ok()
        .says("encrypt -i sealed.yaml");
    assert_eq!(sandbox.read("sealed.yaml"), "a: one\n");
}

#[test]
fn a_file_outside_any_repository_is_read_and_changed() {
    let sandbox = store("");
    sandbox.write("a.yaml", "a: one\n");
    sandbox.stax(["secrets", "encrypt", "-i", "a.yaml"]).ok();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.yaml");
    std::fs::write(&file, sandbox.read("a.yaml")).expect("the copy");
    let file = file.to_str().expect("UTF-8");
    sandbox
        .stax_with(["secrets", "set", "-f", file, "a"], "two\n")
        .ok();
    sandbox
        .stax(["secrets", "get", "-f", file, "a"])
        .ok()
        .prints_exactly("two\n");
    sandbox
        .sops(["decrypt", file])
        .ok()
        .prints_exactly("a: two\n");
    assert_eq!(
        std::fs::read_dir(folder.path())
            .expect("the folder")
            .count(),
        1,
        "something is left beside it"
    );
}

#[test]
fn a_comment_behind_the_end_marker_is_sealed_too() {
    let sandbox = store("");
    sandbox.write("a.yaml", "a: 1\nb: !!str # of b\n  x\n... # PW=hunter2\n");
    sandbox.stax(["secrets", "encrypt", "-i", "a.yaml"]).ok();
    let sealed = sandbox.read("a.yaml");
    assert!(
        !sealed.contains("hunter2") && !sealed.contains("of b"),
        "{sealed}"
    );
    assert_eq!(both_print(&sandbox, "a.yaml"), "a: 1\n# of b\nb: x\n");
    sandbox
        .editing("cp \"$1\" \"$0.seen\"")
        .stax(["secrets", "edit", "-f", "a.yaml"])
        .ok();
}

#[test]
fn a_new_key_goes_where_its_neighbours_are() {
    let sandbox = store("");
    sandbox.write(
        "k.yaml",
        "kind: A\n---\nkind: B\nstringData:\n  pw: old\n  list: [a]\n",
    );
    sandbox.stax(["secrets", "encrypt", "-i", "k.yaml"]).ok();
    for (path, value) in [
        ("stringData.pw", "new"),
        ("stringData.user", "u"),
        ("stringData.list[1]", "b"),
        ("top", "t"),
    ] {
        sandbox
            .stax_with(["secrets", "set", "-f", "k.yaml", path], value)
            .ok();
    }
    let expected = "kind: A\ntop: t\n---\nkind: B\nstringData:\n    pw: new\n    list:\n        - a\n        - b\n    user: u\n";
    assert_eq!(both_print(&sandbox, "k.yaml"), expected);
    let refused = sandbox
        .stax_with(["secrets", "set", "-f", "k.yaml", "fresh[1]"], "x")
        .exits(2)
        .one_error();
    refused.says("the next one is [0]");
}

#[test]
fn what_is_removed_takes_its_own_comments_along() {
    let sandbox = store("");
    sandbox.write(
        "a.yaml",
        "a:\n  b: 1\n  # inside a\nl:\n  - x\n  # inside l\ne: 3\n",
    );
    sandbox.stax(["secrets", "encrypt", "-i", "a.yaml"]).ok();
    sandbox.stax(["secrets", "unset", "-f", "a.yaml", "a"]).ok();
    sandbox.stax(["secrets", "unset", "-f", "a.yaml", "l"]).ok();
    assert_eq!(both_print(&sandbox, "a.yaml"), "e: 3\n");
}

#[test]
fn a_result_is_named_like_its_source_and_a_dash_is_stdout() {
    let sandbox = store("");
    sandbox.write("a.yaml", "a: one\n");
    let refused = sandbox
        .stax(["secrets", "encrypt", "a.yaml", "-o", "a.json"])
        .exits(2)
        .one_error();
    refused.says("end it as a.yaml ends");
    sandbox
        .stax(["secrets", "encrypt", "a.yaml", "-o", "-"])
        .ok()
        .prints("ENC[AES256_GCM");
    sandbox.stax(["secrets", "encrypt", "-i", "a.yaml"]).ok();
    sandbox
        .stax(["secrets", "decrypt", "a.yaml", "-o", "-"])
        .ok()
        .prints_exactly("a: one\n");
    sandbox.write("tpl.txt", "{ \"sops\" \"mac\" template }\n");
    sandbox.stax(["secrets", "encrypt", "-i", "tpl.txt"]).ok();
    assert_eq!(
        both_print(&sandbox, "tpl.txt"),
        "{ \"sops\" \"mac\" template }\n"
    );
    sandbox.write(
        "m.yaml",
        sandbox
            .read("a.yaml")
            .replace("a: ENC", "m: &m\n  k: S\n  j: T\nn: *m\na: ENC"),
    );
    sandbox
        .stax(["secrets", "encrypt", "m.yaml"])
        .exits(2)
        .one_error()
        .says("aliases");
}

#[test]
fn a_damaged_comment_is_forgiven_behind_its_mark_and_not_as_an_item_of_a_list() {
    let sandbox = store("");
    sandbox.write(
        "a.yaml",
        "A: x\n# above\nL:\n    # inside\n    - one\n    - two\n",
    );
    sandbox.sops(["encrypt", "-i", "a.yaml"]).ok();
    let sealed = sandbox.read("a.yaml");
    both_print(&sandbox, "a.yaml");
    for (lead, opens) in [("#", true), ("    - ", false)] {
        let is_comment = |line: &&str| line.starts_with(lead) && line.contains("type:comment]");
        let line = sealed.lines().find(is_comment).expect("a sealed comment");
        let tag = line.find("tag:").expect("a token") + 4;
        let other = if line[tag..].starts_with('A') {
            "B"
        } else {
            "A"
        };
        let damaged = format!("{}{other}{}", &line[..tag], &line[tag + 1..]);
        sandbox.write("a.yaml", sealed.replace(line, &damaged));
        assert_eq!(
            sandbox.sops(["decrypt", "a.yaml"]).code == 0,
            opens,
            "sops, {lead}"
        );
        let output = sandbox.stax(["secrets", "decrypt", "a.yaml"]);
        assert_eq!(output.code, if opens { 0 } else { 4 }, "{output}");
        assert_eq!(
            output
                .stderr
                .contains("`L` holds a comment that does not authenticate"),
            !opens,
            "{output}"
        );
    }
}
