//! Texts at the edge of what the two read alike: sealed so that sops reads the same, or refused in
//! words of the file.

use crate::support::Sandbox;

fn store(rule: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.take_key("alice");
    sandbox.write(
        ".sops.yaml",
        format!("creation_rules:\n  - age: {}\n{rule}", sandbox.key()),
    );
    sandbox
}

/// Sealed by stax, the text is printed by both, with the lines that sops prints of what it sealed
/// itself: it moves a comment now and then.
fn both_seal(sandbox: &Sandbox, name: &str, text: &str) {
    sandbox.write(name, text);
    let by_sops = sandbox.sops(["encrypt", name]).ok();
    sandbox.stax(["secrets", "encrypt", "-i", name]).ok();
    let ours = sandbox.sops(["decrypt", name]).ok();
    sandbox
        .stax(["secrets", "decrypt", name])
        .ok()
        .prints_exactly(&ours.bytes);
    sandbox.write(name, by_sops.stdout);
    let theirs = sandbox.sops(["decrypt", name]).ok();
    assert_eq!(sorted(&ours.stdout), sorted(&theirs.stdout));
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn sops_reads_what_was_sealed_at_the_end_of_a_text() {
    let sandbox = store("    encrypted_regex: ^data$\n");
    for text in [
        "data: x\nscript: |\n  echo hi",
        "data: x\nscript: |+\n  echo hi\n\n  ",
        "script: x\ndata: >\n  a\n  b",
        "data: bar\n---\n# end of file\n",
        "data: bar\n---\nlast: |\n    two\n    lines",
    ] {
        both_seal(&sandbox, "end.yaml", text);
    }
}

#[test]
fn what_sops_cannot_read_or_would_lose_is_not_sealed() {
    let sandbox = store("    unencrypted_suffix: _clear\n");
    for (name, text, line, what) in [
        ("a.yaml", "a: x\nb_clear: {link: http://g/?a=1}\n", 2, "`?`"),
        ("a.yaml", "a: 5\nb: !Sub x\n", 2, "a tag"),
        (
            "a.json",
            "{\"a\": \"x\",\n\"id_clear\": 781234567890123456}",
            2,
            "beyond 2^53",
        ),
        ("a.json", "\u{feff}{}", 1, "byte order mark"),
        ("a.json", "{\n// note\n\"a\": 1}", 2, "a comment"),
        (
            "a.env",
            "PORT=1\nNOTE=\"first line\nsecond line\"\n",
            2,
            "stax secrets import",
        ),
        (
            "a.env",
            "DB=\"host=db\npassword=x\"\n",
            1,
            "stax secrets import",
        ),
        ("a.env", "A=1\r\nB=2\r\n", 1, "CRLF"),
        (
            "a.ini",
            "a = 1\n[DEFAULT]\nb = 2\n",
            2,
            "keys without a section",
        ),
    ] {
        sandbox.write(name, text);
        let output = sandbox.stax(["secrets", "encrypt", name]).exits(2);
        output.says(&format!("line {line}: ")).says(what);
    }
    // a tag of YAML itself says no more than the type of the token; what stays in plaintext keeps
    // any
    for text in [
        "a: !!str 5\nb: !!int 5\nc: ! 5\n",
        "a: 1\nb_clear: !Sub x\n",
        "a: 1\nb_clear: 'x?'\n",
    ] {
        both_seal(&sandbox, "tags.yaml", text);
    }
}

#[test]
fn an_empty_comment_in_a_list_is_told_wherever_it_is_written() {
    let sandbox = store("");
    sandbox.write("list.yaml", "args:\n  - a\n  #\n  - b\n");
    sandbox
        .stax(["secrets", "encrypt", "-i", "list.yaml"])
        .ok()
        .says("line 3: an empty comment in an encrypted list");
    sandbox.git(["add", "--all"]).ok();
    sandbox
        .stax(["secrets", "verify"])
        .ok()
        .prints("warning[F08 sops-cannot-read]")
        .prints("list.yaml:3");
    let edited = sandbox
        .editing("sed -i 's/- b/- c/' \"$1\"")
        .stax(["secrets", "edit", "-f", "list.yaml"])
        .ok();
    edited.says("line 3: an empty comment in an encrypted list");
    // in a map sops leaves it where it is
    sandbox.write("map.yaml", "args:\n  a: 1\n  #\n  b: 2\n");
    sandbox
        .stax(["secrets", "encrypt", "-i", "map.yaml"])
        .ok()
        .hides("comment");
}

#[test]
fn a_file_in_braces_is_rotated_and_gets_other_readers() {
    let sandbox = store("");
    let bob = sandbox.person("bob");
    bob.stax(["secrets", "keygen"]).ok();
    let bob = bob.key();
    let by_hand = "a: 1\nlist: [x, y]\n";
    sandbox.write("braces.yaml", "{\"A\": \"one\", \"c\": {\"d\": 1}}\n");
    sandbox.write("block.yaml", by_hand);
    sandbox
        .stax(["secrets", "encrypt", "-i", "braces.yaml"])
        .ok();
    sandbox
        .stax(["secrets", "encrypt", "-i", "block.yaml"])
        .ok();
    let (values, metadata) = sandbox
        .read("block.yaml")
        .split_once("sops:\n")
        .map(own)
        .unwrap();
    let metadata: serde_yaml::Value = serde_yaml::from_str(&metadata).unwrap();
    let metadata = serde_json::to_string(&metadata).unwrap();
    sandbox.write("block.yaml", format!("{values}sops: {metadata}\n"));
    sandbox.commit_all("files");
    for name in ["braces.yaml", "block.yaml"] {
        let before = sandbox.sops(["decrypt", name]).ok().stdout;
        sandbox.stax(["secrets", "rotate", name]).ok();
        sandbox
            .sops(["decrypt", name])
            .ok()
            .prints_exactly(before.as_bytes());
    }
    sandbox
        .stax(["secrets", "add-recipient", &bob, "--name", "Bob"])
        .ok();
    sandbox.stax(["secrets", "remove-recipient", &bob]).ok();
    for name in ["braces.yaml", "block.yaml"] {
        sandbox
            .stax_with(["secrets", "set", "-f", name, "NEW"], "two")
            .ok();
        assert!(
            sandbox
                .sops(["decrypt", name])
                .ok()
                .stdout
                .contains("NEW: two"),
            "{name}"
        );
    }
}

#[test]
fn one_document_of_several_may_stand_in_braces() {
    for text in ["a: 1\n---\n{b: 2}\n", "{b: 2}\n---\na: 1\n"] {
        let sandbox = store("");
        both_seal(&sandbox, "mixed.yaml", text);
        sandbox.write("mixed.yaml", text);
        sandbox
            .stax(["secrets", "encrypt", "-i", "mixed.yaml"])
            .ok();
        sandbox
            .editing("sed -i 's/2/3/' \"$1\"")
            .stax(["secrets", "edit", "-f", "mixed.yaml"])
            .ok();
        sandbox.stax(["secrets", "rotate", "mixed.yaml"]).ok();
        assert!(
            sandbox
                .sops(["decrypt", "mixed.yaml"])
                .ok()
                .stdout
                .contains("b: 3")
        );
    }
}

fn own((values, metadata): (&str, &str)) -> (String, String) {
    (values.to_owned(), metadata.to_owned())
}

#[test]
fn an_ini_file_with_crlf_opens_and_changes() {
    let sandbox = store("");
    sandbox.write("s.ini", "[s]\nA = one\nB = two\n");
    sandbox.stax(["secrets", "encrypt", "-i", "s.ini"]).ok();
    let crlf = sandbox.read("s.ini").replace('\n', "\r\n");
    sandbox.write("s.ini", crlf);
    sandbox
        .stax(["secrets", "get", "-f", "s.ini", "s.A"])
        .ok()
        .prints_exactly(b"one\n");
    sandbox
        .stax_with(["secrets", "set", "-f", "s.ini", "s.C"], "three")
        .ok();
    sandbox.stax(["secrets", "rotate", "s.ini"]).ok();
    let text = sandbox.read("s.ini");
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    assert_eq!(
        sandbox.sops(["decrypt", "s.ini"]).ok().stdout,
        "[s]\nA = one\nB = two\nC = three\n"
    );
}

#[test]
fn a_path_that_two_documents_share_is_named_as_list_prints_it() {
    let sandbox = store("");
    sandbox.write(
        "d.yaml",
        "data:\n  p: one\n---\ndata:\n  p: two\n  q: three\n",
    );
    sandbox.stax(["secrets", "encrypt", "-i", "d.yaml"]).ok();
    let get = |name: &str| {
        sandbox
            .stax(["secrets", "get", "-f", "d.yaml", name])
            .ok()
            .stdout
    };
    assert_eq!(
        get("data.p") + &get("data.p [document 2]") + &get("data.q"),
        "one\ntwo\nthree\n"
    );
    sandbox
        .stax_with(
            ["secrets", "set", "-f", "d.yaml", "data.p [document 2]"],
            "new",
        )
        .ok();
    sandbox
        .stax_with(
            ["secrets", "set", "-f", "d.yaml", "data.r [document 2]"],
            "x",
        )
        .ok();
    sandbox
        .stax(["secrets", "unset", "-f", "d.yaml", "data.p"])
        .ok();
    let again = sandbox
        .stax(["secrets", "unset", "-f", "d.yaml", "data.p"])
        .exits(2);
    again
        .says("in the first document")
        .says("'data.p [document 2]'");
    sandbox
        .stax(["secrets", "unset", "-f", "d.yaml", "--idempotent", "data.p"])
        .exits(2);
    assert_eq!(
        sandbox.sops(["decrypt", "d.yaml"]).ok().stdout,
        "data: {}\n---\ndata:\n    p: new\n    q: three\n    r: x\n"
    );
    sandbox
        .stax(["secrets", "unset", "-f", "d.yaml", "data.p [document 2]"])
        .ok();
    sandbox
        .stax(["secrets", "get", "-f", "d.yaml", "data.q [document 3]"])
        .exits(2)
        .says("no document 3");
}
