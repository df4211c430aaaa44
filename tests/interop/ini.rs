//! INI files on both sides.

use crate::support::{Sandbox, fixture};

const VECTORS: [&str; 2] = ["i01-basic", "i02-comments"];

/// Files as people write them; sops and stax seal them to the same meaning.
const FILES: [&str; 10] = [
    "top=1\n\n[sec]\na = 1\nb=two words\nempty=\n\n[sec2]\nk: v\nURL=http://x?a=b\n",
    "; top\ntop=1\n[s]\n; c1\n; c2\na=1\n# hash\n\n;; more\nb=2\n",
    "[s]\nk = `a#b;c`\nq = ' two '\nd = \" x\"\nm = \"\"\"l1\nl2\"\"\"\nt = \"\"\"a`b\"\"\"\nz=end\n",
    "# of the section\n[s.child]\nlong name here = %(x)s\nx = $HOME \"a\" \"b\"\n[empty]\n[last]\nz=1\n",
    "[DEFAULT]\na=1\n[s]\nb=2\n",
    "[s]\nplain_unencrypted = clear # no\n",
    "[s]\nplain_unencrypted = clear\nsecret = x\n",
    "\n\n  [s]\n\tindented = yes\n  other=  spaced out  \n",
    "; \té\n[s]\n;  x  \n# y\u{a0}\n\n;; z\t\nk=v\n#\nl=w\n",
    "[unicode é]\nschlüssel = wörld 🚀\n",
];

fn alice() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.take_key("alice");
    let alice = sandbox.key();
    sandbox.write(
        ".sops.yaml",
        format!("creation_rules:\n  - age:\n      - {alice}\n"),
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

#[test]
fn ini_is_decrypted_to_the_bytes_of_sops() {
    let sandbox = alice();
    for name in VECTORS {
        let path = fixture("sops").join(format!("{name}.enc.ini"));
        let expected = std::fs::read(fixture("sops").join(format!("{name}.dec.ini")))
            .expect("what sops printed");
        sandbox
            .stax(["secrets".as_ref(), "decrypt".as_ref(), path.as_os_str()])
            .ok()
            .prints_exactly(expected);
        let shown = sandbox
            .stax(["git".as_ref(), "textconv".as_ref(), path.as_os_str()])
            .ok();
        shown.prints("mac ok").hides("ENC[");
    }
}

#[test]
fn what_stax_seals_sops_prints_as_if_it_had_sealed_it() {
    let sandbox = alice();
    for text in FILES {
        sandbox.write("a.ini", text);
        if text.contains("# no") {
            sandbox
                .stax(["secrets", "encrypt", "a.ini"])
                .exits(2)
                .one_error()
                .says("starts a comment");
            continue;
        }
        sandbox.write("b.ini", text);
        sandbox
            .stax(["secrets", "encrypt", "-i", "a.ini"])
            .ok()
            .hides("spaced");
        sandbox.sops(["encrypt", "-i", "b.ini"]).ok();
        let (ours, theirs) = (both_print(&sandbox, "a.ini"), both_print(&sandbox, "b.ini"));
        assert_eq!(ours, theirs, "{text}");
        // the text that is edited seals to the same meaning again
        let before = sandbox.bytes("a.ini");
        sandbox
            .editing("touch \"$1\"")
            .stax(["secrets", "edit", "-f", "a.ini"])
            .ok();
        assert_eq!(before, sandbox.bytes("a.ini"), "{text}");
        sandbox
            .editing("printf '[added]\\nk=v\\n' >> \"$1\"")
            .stax(["secrets", "edit", "-f", "a.ini"])
            .ok();
        assert!(
            both_print(&sandbox, "a.ini").contains("[added]\nk = v\n"),
            "{text}"
        );
        sandbox
            .editing("printf '\\n[added]\\nk=v\\n' >> \"$1\"")
            .stax(["secrets", "edit", "-f", "b.ini"])
            .ok();
        assert!(
            both_print(&sandbox, "b.ini").contains("[added]\nk = v\n"),
            "{text}"
        );
    }
}

#[test]
fn one_changed_value_is_a_diff_of_three_lines_and_the_same_value_of_none() {
    let sandbox = alice();
    let name = "i01-basic.enc.ini";
    sandbox.write(
        name,
        std::fs::read(fixture("sops").join(name)).expect("the document"),
    );
    sandbox.commit_all("a file of sops");
    sandbox
        .stax_with(["secrets", "set", "-f", name, "sec.a"], "1\n")
        .ok();
    sandbox
        .git(["diff", "--no-textconv", "--numstat"])
        .ok()
        .prints_exactly("");
    sandbox
        .stax_with(["secrets", "set", "-f", name, "sec.a"], "changed\n")
        .ok();
    sandbox
        .git(["diff", "--no-textconv", "--numstat"])
        .ok()
        .prints_exactly(format!("3\t3\t{name}\n"));
    assert!(both_print(&sandbox, name).contains("a     = changed\n"));
}

#[test]
fn values_come_change_and_go_on_either_side() {
    let sandbox = alice();
    sandbox.write("a.ini", "top=1\n[s]\n; about\na=1\nempty=\n[t]\nb=2\n");
    sandbox.sops(["encrypt", "-i", "a.ini"]).ok();
    let set = |key: &str, value: &str| {
        sandbox.stax_with(["secrets", "set", "-f", "a.ini", key], format!("{value}\n"))
    };
    set("s.a", "changed").ok();
    set("s.empty", "filled # with; signs").ok();
    set("s.new", "l1\nl2").ok();
    set("fresh.k", " blank").ok();
    set("DEFAULT.second", "2").ok();
    for (key, what) in [
        ("plain", "SECTION.KEY"),
        ("s.a=b", "argv"),
        ("sops.mac", "reserved"),
        ("s", "not a value"),
    ] {
        set(key, "x").exits(2).one_error().says(what);
    }
    for value in ["'quoted'", "ends\\"] {
        set("s.a", value)
            .exits(2)
            .one_error()
            .says("INI cannot hold");
    }
    let expected = "top    = 1\nsecond = 2\n\n[s]\n; about\na     = changed\nempty = `filled # with; signs`\nnew   = \"\"\"l1\nl2\"\"\"\n\n[t]\nb = 2\n\n[fresh]\nk = \" blank\"\n";
    assert_eq!(both_print(&sandbox, "a.ini"), expected);
    sandbox
        .stax(["secrets", "get", "-f", "a.ini", "s.new"])
        .ok()
        .prints_exactly("l1\nl2\n");
    sandbox
        .stax(["secrets", "list", "-f", "a.ini"])
        .ok()
        .prints("fresh.k")
        .prints("DEFAULT.top");
    sandbox
        .sops(["set", "a.ini", r#"["t"]["c"]"#, r#""theirs""#])
        .ok();
    sandbox
        .stax(["secrets", "unset", "-f", "a.ini", "s.a"])
        .ok();
    let text = both_print(&sandbox, "a.ini");
    assert!(
        text.contains("c = theirs") && !text.contains("about") && !text.contains("changed"),
        "{text}"
    );
    sandbox.sops(["rotate", "-i", "a.ini"]).ok();
    both_print(&sandbox, "a.ini");
}

#[test]
fn recipients_and_data_keys_of_ini_files_turn() {
    let sandbox = alice();
    sandbox.write("a.ini", "age__list_0__map_enc=1\n[s]\na=1\n; c\nb=2\n");
    sandbox.write("b.ini", "[s]\na=1\n; c\nb=2\n");
    sandbox.stax(["secrets", "encrypt", "-i", "a.ini"]).ok();
    sandbox.sops(["encrypt", "-i", "b.ini"]).ok();
    sandbox.commit_all("a store");
    let bob = sandbox.person("bob");
    sandbox
        .stax([
            "secrets",
            "add-recipient",
            &bob.key(),
            "--name",
            "Bob <bob@example.com>",
        ])
        .ok();
    for file in ["a.ini", "b.ini"] {
        bob.stax(["secrets", "decrypt", file]).ok();
        bob.sops(["decrypt", file]).ok();
        both_print(&sandbox, file);
    }
    sandbox.commit_all("bob reads");
    sandbox.stax(["secrets", "rotate"]).ok();
    sandbox.commit_all("rotated");
    sandbox.stax(["secrets", "remove-recipient", "bob"]).ok();
    for file in ["a.ini", "b.ini"] {
        both_print(&sandbox, file);
        bob.stax(["secrets", "decrypt", file]).exits(3);
    }
    sandbox
        .stax(["secrets", "verify"])
        .ok()
        .prints("warning[R01")
        .hides("F0")
        .hides("K0")
        .hides("M0");
}

#[test]
fn what_sops_would_lose_is_refused() {
    let sandbox = alice();
    for (text, what) in [
        (
            "[s]\na=1\n; behind\n",
            "line 3: a comment behind the last key",
        ),
        ("a=1\na=2\n", "line 2: duplicate key `a`"),
        ("[s]\na=x \\\ny\n", "line 2: a backslash"),
        ("[s]\na=1\r2\n", "line 2: a carriage return"),
        (
            "[s]\n;\n; x\na=1\n",
            "line 2: a block of comments with an empty first line",
        ),
        ("[sops]\na=1\n", "sops"),
    ] {
        sandbox.write("a.ini", text);
        sandbox
            .stax(["secrets", "encrypt", "a.ini"])
            .exits(2)
            .one_error()
            .says(what);
    }
    sandbox.write("a.ini", "[s]\na=1\n");
    sandbox.sops(["encrypt", "-i", "a.ini"]).ok();
    let good = sandbox.read("a.ini");
    let line = good
        .lines()
        .find(|line| line.starts_with("a = "))
        .expect("the value");
    for (broken, code) in [
        (good.replacen(line, &format!("{line}\n{line}"), 1), 2),
        (good.replacen("[s]", "[s]\na2 =\n[s]", 1), 2),
        (good.replacen("[s]", "[t]", 1), 4),
        (good.replacen(line, "a = clear", 1), 4),
        (good.replacen("[sops]", "[sops]\nmac = x", 1), 2),
        (good.replacen("[s]", "[s]\nclear_unencrypted = 1", 1), 4),
    ] {
        sandbox.write("a.ini", &broken);
        sandbox
            .stax(["secrets", "decrypt", "a.ini"])
            .exits(code)
            .one_error();
    }
}
