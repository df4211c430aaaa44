//! A reader whose own stanza was stolen, damaged or stuffed is told so, by every command.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sops_document::age::{parse_identities, unwrap, wrap};
use sops_document::{Document, Format, WrappedKey};

use crate::support::{CANARY, PROD, Person, Sandbox};

/// A store that Ana and Bob read, committed.
fn shared() -> (Sandbox, Person) {
    let sandbox = Sandbox::with_store();
    let bob = sandbox.person("bob");
    sandbox.add_recipient(&bob, "Bob Stone", "developer").ok();
    sandbox.commit_all("bob joins");
    (sandbox, bob)
}

fn stanzas(person: &Person) -> Vec<WrappedKey> {
    Document::parse(Format::Yaml, &person.read(PROD))
        .expect("a document")
        .metadata()
        .age
        .clone()
}

fn of(person: &Person, who: &Person) -> WrappedKey {
    let key = who.key();
    stanzas(person)
        .into_iter()
        .find(|stanza| stanza.recipient == key)
        .expect("a stanza")
}

/// The text of the file with another armor under the label of somebody.
fn replaced(person: &Person, who: &Person, armor: &str) -> String {
    let indented = |armor: &str| {
        armor
            .lines()
            .map(|line| format!("            {line}\n"))
            .collect::<String>()
    };
    let text = person.read(PROD);
    let old = indented(&of(person, who).enc);
    assert!(text.contains(&old), "{text}");
    text.replace(&old, &indented(armor))
}

/// The data key of the file, wrapped for somebody else.
fn stolen_for(person: &Person, thief: &Person) -> String {
    let identities = parse_identities(&std::fs::read_to_string(person.key_file()).expect("a key"))
        .expect("a key");
    let key = unwrap(&of(person, person), &identities[0]).expect("the data key");
    let thief = thief.key().parse().expect("a recipient");
    wrap(&key, &[thief]).remove(0).enc
}

fn armored(file: &[u8]) -> String {
    let text = STANDARD.encode(file);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).expect("ASCII"))
        .collect();
    format!(
        "-----BEGIN AGE ENCRYPTED FILE-----\n{}\n-----END AGE ENCRYPTED FILE-----\n",
        lines.join("\n")
    )
}

fn bytes_of(armor: &str) -> Vec<u8> {
    STANDARD
        .decode(
            armor
                .lines()
                .filter(|line| !line.starts_with('-'))
                .collect::<String>(),
        )
        .expect("armor")
}

/// With the body of its last stanza changed, so that it opens for nobody.
fn damaged(armor: &str) -> String {
    let mut file = bytes_of(armor);
    let mark = b"-> X25519 ";
    let at = file
        .windows(mark.len())
        .rposition(|window| window == mark)
        .expect("a stanza");
    let body = at
        + file[at..]
            .iter()
            .position(|byte| *byte == b'\n')
            .expect("a line")
        + 1;
    file[body] = if file[body] == b'A' { b'B' } else { b'A' };
    armored(&file)
}

/// With this many more stanzas before its own.
fn stuffed(armor: &str, times: usize) -> String {
    let mut file = bytes_of(armor);
    let start = file.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
    let stanza = "-> X25519 TEiF0ypqr+bpvcqXNyCVJpL7OuwPdVwPL7KQEbFDOCc\n\
                  EmECAEcKN+n/Vs9SbWiV+Hu0r+E8R77DdWYyd83nw7U\n";
    file.splice(start..start, stanza.repeat(times).into_bytes());
    armored(&file)
}

#[test]
fn who_holds_the_key_of_a_label_hears_that_it_does_not_open() {
    let (sandbox, bob) = shared();
    let mal = sandbox.person("mal");
    let good = of(&sandbox, &bob).enc;
    for (what, armor, rule, says) in [
        (
            "stolen",
            stolen_for(&sandbox, &mal),
            "C01",
            "does not open with that key",
        ),
        (
            "damaged",
            damaged(&good),
            "C01",
            "does not open with that key",
        ),
        ("stuffed", stuffed(&good, 4_000), "K02", "has 400"),
        (
            "broken",
            good.replace('A', "?"),
            "K02",
            "is not a valid age file",
        ),
    ] {
        let before = sandbox.read(PROD);
        sandbox.write(PROD, replaced(&sandbox, &bob, &armor));
        let key = bob.key();
        for args in [
            ["secrets", "get", "PORT"].as_slice(),
            &["secrets", "export"],
            &["secrets", "edit"],
        ] {
            let said = bob.with("EDITOR", "true").stax(args).exits(4).one_error();
            let said = said
                .says(&format!("the data key for {key} (Bob Stone) {says}"))
                .says(PROD);
            said.says(&format!("stax secrets verify --explain {rule}"))
                .says(&format!(
                    "hint: ask Ana Silva to run: stax secrets rotate {PROD}"
                ))
                .hides("ask Bob");
        }
        bob.stax(["secrets", "verify"])
            .exits(1)
            .prints(&format!("error[{rule} "));
        bob.stax(["secrets", "verify", "--with-key"])
            .exits(1)
            .prints("error[C01 ")
            .prints("Bob Stone");
        // Ana still opens it, and what she is told to type mends it
        sandbox.get("STRIPE_SECRET_KEY").ok().prints(CANARY);
        sandbox.stax(["secrets", "rotate", PROD]).ok();
        bob.get("STRIPE_SECRET_KEY").ok().prints(CANARY);
        sandbox.write(PROD, before);
        assert!(bob.get("PORT").ok().stdout.contains("5432"), "{what}");
    }
}

#[test]
fn a_second_key_that_opens_the_file_does_not_hide_what_happened_to_the_first() {
    let (sandbox, bob) = shared();
    let mal = sandbox.person("mal");
    sandbox.write(PROD, replaced(&sandbox, &bob, &stolen_for(&sandbox, &mal)));
    let keys: String = [&*sandbox, &bob]
        .iter()
        .map(|person| std::fs::read_to_string(person.key_file()).expect("a key file"))
        .collect();
    let both = bob.with("SOPS_AGE_KEY", keys);
    both.get("PORT").ok();
    both.stax(["secrets", "verify"])
        .exits(1)
        .prints("error[C01 ")
        .prints("Bob Stone");
}

#[test]
fn nobody_is_told_to_ask_themselves() {
    let (sandbox, _) = shared();
    let carol = sandbox.person("carol");
    carol.key();
    carol
        .get("PORT")
        .exits(3)
        .says("hint: ask Ana Silva to run: stax secrets add-recipient")
        .says("Bob Stone");
}

#[test]
fn a_type_that_somebody_changed_is_told_whichever_commit_did_it() {
    let sandbox = Sandbox::with_store();
    sandbox.set("PIN", "1234").ok();
    sandbox.commit_all("a pin");
    let text = sandbox.read(PROD);
    let line = text
        .lines()
        .find(|line| line.starts_with("PIN:"))
        .expect("the pin");
    let other = line.replace("type:str]", "type:int]");
    sandbox.write(PROD, text.replace(line, &other));
    sandbox
        .stax(["secrets", "verify"])
        .exits(1)
        .prints("error[D09 ");
    sandbox
        .git(["commit", "--quiet", "--no-verify", "-am", "unseen"])
        .ok();
    for args in [["--keyless"].as_slice(), &[], &["--with-key"]] {
        let found = sandbox
            .stax(["secrets", "verify"].iter().chain(args))
            .exits(1);
        found
            .prints("error[D09 ")
            .prints("`PIN` has another type and the same token");
    }
    // what no longer fits its type fails at the value itself
    let stripe = text
        .lines()
        .find(|line| line.starts_with("STRIPE"))
        .expect("a text");
    sandbox.write(
        PROD,
        text.replace(stripe, &stripe.replace("type:str]", "type:int]")),
    );
    sandbox
        .stax(["secrets", "verify"])
        .exits(1)
        .prints("error[C02 ")
        .prints("does not hold a canonical int");
    sandbox
        .stax(["secrets", "export"])
        .exits(4)
        .says("does not hold a canonical int")
        .hides(CANARY);
    // repaired
    sandbox.write(PROD, text);
    sandbox
        .git(["commit", "--quiet", "--no-verify", "-am", "as it was"])
        .ok();
    sandbox.stax(["secrets", "verify"]).ok();
}
