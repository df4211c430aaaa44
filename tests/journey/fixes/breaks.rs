//! Repositories that a shell cannot break.

use std::fs;

use age::secrecy::ExposeSecret as _;
use sops_document::age::{Recipient, wrap};
use sops_document::{DataKey, Format, SealContext, Terms, seal};

use crate::support::{PROD, Sandbox};

/// Two values of one file under one iv, as a broken writer makes them.
pub(super) fn one_iv(sandbox: &Sandbox, _: &str) {
    let text = sealed(
        "A: one\nB: two\n",
        &[&sandbox.key()],
        &mut |bytes: &mut [u8]| bytes.fill(7),
    );
    sandbox.write("iv.enc.yaml", text);
    sandbox.git(["add", "iv.enc.yaml"]).ok();
}

pub(super) fn one_data_key(sandbox: &Sandbox, bob: &str) {
    let mut number = 0_u8;
    let own = sandbox.key();
    for (name, readers) in [
        ("one.enc.yaml", &[own.as_str()][..]),
        ("two.enc.yaml", &[&own, bob]),
    ] {
        let text = sealed(
            &format!("A: {name}\n"),
            readers,
            &mut |bytes: &mut [u8]| {
                number += 1;
                bytes.fill(number);
            },
        );
        sandbox.write(name, text);
    }
    sandbox.git(["add", "--all"]).ok();
}

fn sealed(clear: &str, readers: &[&str], random: &mut dyn FnMut(&mut [u8])) -> String {
    let key = DataKey::new([9; 32]);
    let readers: Vec<Recipient> = readers
        .iter()
        .map(|key| key.parse().expect("a key"))
        .collect();
    let wrapped = wrap(&key, &readers);
    let mut context = SealContext {
        key: &key,
        now: "2026-01-10T12:00:00Z",
        random,
    };
    seal(Format::Yaml, clear, &Terms::of(&wrapped), &mut context).expect("a document")
}

/// The entries of `sops.age` in a file that sops wrote.
fn stanzas(text: &str) -> Vec<String> {
    let (start, end) = block(text);
    let entries = text[start..end].split("        - recipient: ").skip(1);
    entries
        .map(|entry| format!("        - recipient: {entry}"))
        .collect()
}

fn with_stanzas(text: &str, stanzas: &[String]) -> String {
    let (start, end) = block(text);
    format!("{}{}{}", &text[..start], stanzas.concat(), &text[end..])
}

fn block(text: &str) -> (usize, usize) {
    let start = text.find("    age:\n").expect("the stanzas") + "    age:\n".len();
    (
        start,
        start + text[start..].find("    lastmodified:").expect("their end"),
    )
}

fn share(sandbox: &Sandbox, bob: &str) {
    sandbox.add_to_policy_only(&sandbox.key(), bob);
    sandbox.stax(["secrets", "updatekeys"]).ok();
    sandbox
        .stax(["secrets", "recipients", "--set", bob, "--name", "Bob"])
        .ok();
    sandbox.commit_all("bob reads too");
}

pub(super) fn one_key_twice(sandbox: &Sandbox, _: &str) {
    let text = sandbox.read(PROD);
    let one = stanzas(&text).remove(0);
    sandbox.write(PROD, with_stanzas(&text, &[one.clone(), one]));
}

pub(super) fn one_stanza_twice(sandbox: &Sandbox, bob: &str) {
    share(sandbox, bob);
    let text = sandbox.read(PROD);
    let own = stanzas(&text)
        .into_iter()
        .find(|it| it.contains(&sandbox.key()))
        .expect("her own");
    let copy = own.replace(&sandbox.key(), bob);
    sandbox.write(PROD, with_stanzas(&text, &[own, copy]));
}

/// Under the label of Ana the data key is wrapped to Bob as well.
pub(super) fn two_stanzas(sandbox: &Sandbox, bob: &str) {
    let text = sandbox.read(PROD);
    let start = text.find("-----BEGIN AGE").expect("an armor");
    let lines = text[start..]
        .lines()
        .take_while(|line| !line.contains("lastmodified"));
    let armor: String = lines.map(|line| format!("{}\n", line.trim())).collect();
    let secret = fs::read_to_string(sandbox.key_file()).expect("the key file");
    let secret = secret
        .lines()
        .find(|line| line.starts_with("AGE-SECRET-KEY-"))
        .expect("a key");
    let identity: age::x25519::Identity = secret.parse().expect("an identity");
    let data_key = age::decrypt(&identity, armor.as_bytes()).expect("the data key");
    let armor = crate::rules::wrapped_for(&[sandbox.key(), bob.to_owned()], &data_key);
    sandbox.write(PROD, crate::rules::with_armor(&text, &armor));
}

/// A file in three parts, each for another key of Ana.
fn in_three_parts(sandbox: &Sandbox) -> impl Fn(&str) + use<'_> {
    let file = fs::read_to_string(sandbox.key_file()).expect("the key file");
    let more: Vec<_> = (0..2).map(|_| age::x25519::Identity::generate()).collect();
    let secrets = more
        .iter()
        .map(|it| format!("{}\n", it.to_string().expose_secret()));
    fs::write(sandbox.key_file(), file + &secrets.collect::<String>()).expect("the key file");
    let keys = [
        sandbox.key(),
        more[0].to_public().to_string(),
        more[1].to_public().to_string(),
    ];
    let policy = sandbox.read(".sops.yaml");
    let set = move |threshold: &str| {
        let [one, two, three] = &keys;
        let groups =
            format!("    key_groups: [{{age: [{one}]}}, {{age: [{two}]}}, {{age: [{three}]}}]\n");
        let rule = match threshold {
            "" => format!("    age: {one}\n"),
            number => format!("    shamir_threshold: {number}\n{groups}"),
        };
        sandbox.write(
            ".sops.yaml",
            format!("{policy}  - path_regex: ^g\\.yaml$\n{rule}"),
        );
    };
    set("2");
    sandbox.write("g.yaml", "a: b\n");
    sandbox.sops(["encrypt", "-i", "g.yaml"]).ok();
    sandbox.git(["add", "--all"]).ok();
    sandbox
        .git(["commit", "--quiet", "--no-verify", "-m", "groups"])
        .ok();
    set
}

pub(super) fn another_threshold(sandbox: &Sandbox, _: &str) {
    in_three_parts(sandbox)("3");
}

pub(super) fn groups_no_more(sandbox: &Sandbox, _: &str) {
    in_three_parts(sandbox)("");
}

pub(super) fn kept_stanza(sandbox: &Sandbox, bob: &str) {
    share(sandbox, bob);
    let old = sandbox.read(PROD);
    sandbox.stax(["secrets", "remove-recipient", bob]).ok();
    let own = stanzas(&old)
        .into_iter()
        .find(|it| it.contains(&sandbox.key()))
        .expect("her own");
    sandbox.write(PROD, with_stanzas(&sandbox.read(PROD), &[own]));
    sandbox
        .git([
            "commit",
            "--quiet",
            "--no-verify",
            "--all",
            "-m",
            "bob leaves",
        ])
        .ok();
}
