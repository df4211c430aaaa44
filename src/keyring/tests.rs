use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::rc::Rc;

use super::*;

const ALICE: &str = include_str!("../../fixtures/sops/keys/alice.txt");
const BOB: &str = include_str!("../../fixtures/sops/keys/bob.txt");
const CI: &str = include_str!("../../fixtures/sops/keys/ci.txt");

type Calls = Rc<RefCell<Vec<(Vec<String>, Option<String>)>>>;

fn public(file: &str) -> Recipient {
    parse_identities(file).unwrap()[0].recipient()
}

fn keyring(
    pairs: &[(&str, &str)],
    command_source: CommandSource,
    output: &'static str,
) -> (Keyring, Calls) {
    let calls = Calls::default();
    let seen = calls.clone();
    let run = move |words: &[String], recipient: Option<&str>| {
        seen.borrow_mut()
            .push((words.to_vec(), recipient.map(str::to_owned)));
        if output.is_empty() {
            Err("exit status: 1".to_owned())
        } else {
            Ok(Zeroizing::new(output.to_owned()))
        }
    };
    (
        Keyring::new(
            &pairs.iter().copied().collect(),
            command_source,
            Box::new(run),
        ),
        calls,
    )
}

fn order(keyring: &Keyring) -> Vec<String> {
    let mut seen = Vec::new();
    let locked = keyring.open_with::<()>(&mut |identity, source| {
        seen.push(format!("{source} {}", identity.recipient()));
        None
    });
    assert!(locked.is_err());
    seen
}

#[test]
fn sources_are_tried_in_order_and_reading_stops_at_the_first_that_opens() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("age.txt");
    fs::write(&path, BOB).unwrap();
    let standard = home.path().join(".config/sops/age/keys.txt");
    fs::create_dir_all(standard.parent().unwrap()).unwrap();
    fs::write(&standard, ALICE).unwrap();
    let pairs = [
        ("HOME", home.path().to_str().unwrap()),
        ("SOPS_AGE_KEY", ALICE),
        ("SOPS_AGE_KEY_FILE", path.to_str().unwrap()),
        ("SOPS_AGE_KEY_CMD", "get 'my key'"),
    ];
    let (ring, calls) = keyring(&pairs, CommandSource::Allowed, CI);
    let bob = public(BOB);
    let found = ring
        .open_with(&mut |identity, source| {
            (identity.recipient() == bob).then(|| source.to_string())
        })
        .unwrap();
    assert_eq!(found, "SOPS_AGE_KEY_FILE=~/age.txt");
    assert!(calls.borrow().is_empty());
    if cfg!(not(target_os = "macos")) {
        let expected = [
            format!("SOPS_AGE_KEY {}", public(ALICE)),
            format!("SOPS_AGE_KEY_FILE=~/age.txt {bob}"),
            format!("SOPS_AGE_KEY_CMD {}", public(CI)),
            format!("~/.config/sops/age/keys.txt {}", public(ALICE)),
        ];
        assert_eq!(order(&ring), expected);
    }
    assert_eq!(
        ring.first_source(),
        Some((SourceName::Variable, vec![public(ALICE)]))
    );
}

#[test]
fn the_command_is_split_like_a_shell_would_and_runs_once() {
    let (ring, calls) = keyring(
        &[("SOPS_AGE_KEY_CMD", "get 'my key' a\\ b")],
        CommandSource::Allowed,
        CI,
    );
    ring.ask_for("age1x");
    order(&ring);
    order(&ring);
    let words = ["get", "my key", "a b"].map(str::to_owned).to_vec();
    assert_eq!(*calls.borrow(), [(words, Some("age1x".to_owned()))]);
}

#[test]
fn git_does_not_run_the_command_unseen() {
    let (ring, calls) = keyring(&[("SOPS_AGE_KEY_CMD", "get")], CommandSource::Forbidden, CI);
    assert_eq!(ring.survey()[0].outcome, Err(SourceError::NotSilent));
    assert!(calls.borrow().is_empty());
    assert_eq!(ring.first_source(), None);
}

#[test]
fn each_failing_source_is_named_and_the_next_one_still_serves() {
    let home = tempfile::tempdir().unwrap();
    let missing = home.path().join("gone.txt");
    let pairs = [
        ("HOME", home.path().to_str().unwrap()),
        ("SOPS_AGE_KEY", "AGE-SECRET-KEY-1NONSENSE"),
        ("SOPS_AGE_KEY_FILE", missing.to_str().unwrap()),
        ("SOPS_AGE_KEY_CMD", "get"),
    ];
    let (ring, _) = keyring(&pairs, CommandSource::Allowed, CI);
    let Err(locked) = ring.open_with::<()>(&mut |_, _| None) else {
        panic!("nothing opens")
    };
    let text: Vec<String> = locked
        .tried
        .iter()
        .map(|tried| match &tried.outcome {
            Ok(keys) => format!("{}: {} key", tried.source, keys.len()),
            Err(error) => format!("{} {error}", tried.source),
        })
        .collect();
    assert_eq!(
        text,
        [
            "SOPS_AGE_KEY line 1 is not an age identity, so sops and stax use none of its keys",
            "SOPS_AGE_KEY_FILE=~/gone.txt cannot be read: No such file or directory (os error 2)",
            "SOPS_AGE_KEY_CMD: 1 key",
        ]
    );
    assert!(!format!("{locked:?}").contains("NONSENSE"));
}

#[test]
fn an_empty_or_unreadable_command_is_an_error_of_that_source() {
    for (line, expected) in [
        ("", SourceError::Empty),
        ("  ", SourceError::Empty),
        ("''", SourceError::Empty),
        (
            "get 'open",
            SourceError::BadCommand("missing closing quote".to_owned()),
        ),
        ("get", SourceError::Command("exit status: 1".to_owned())),
    ] {
        let (ring, _) = keyring(&[("SOPS_AGE_KEY_CMD", line)], CommandSource::Allowed, "");
        assert_eq!(ring.survey()[0].outcome, Err(expected), "{line:?}");
    }
}

#[test]
#[cfg(not(target_os = "macos"))]
fn the_standard_file_follows_xdg_only_when_it_is_absolute() {
    for (pairs, expected) in [
        (vec![("HOME", "/h")], Some("/h/.config/sops/age/keys.txt")),
        (
            vec![("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")],
            Some("/x/sops/age/keys.txt"),
        ),
        (
            vec![("HOME", "/h"), ("XDG_CONFIG_HOME", "x")],
            Some("/h/.config/sops/age/keys.txt"),
        ),
        (
            vec![("HOME", "/h"), ("XDG_CONFIG_HOME", "")],
            Some("/h/.config/sops/age/keys.txt"),
        ),
        (vec![], None),
    ] {
        let (ring, _) = keyring(&pairs, CommandSource::Allowed, "");
        assert_eq!(ring.standard_file(), expected.map(Path::new), "{pairs:?}");
        assert!(ring.survey().is_empty());
    }
}

#[test]
fn a_new_key_file_is_private_complete_and_never_replaces_one() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a/b/keys.txt");
    let identity = parse_identities(ALICE).unwrap().remove(0);
    create_key_file(&path, &identity, "2026-11-24T00:00:00Z").unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(public(&text), identity.recipient());
    let head = format!(
        "# created: 2026-11-24T00:00:00Z\n# public key: {}\n",
        identity.recipient()
    );
    assert!(text.starts_with(&head));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));

    let again = create_key_file(&path, &Identity::generate(), "later");
    assert!(matches!(again, Err(KeyFileError::Exists(_))));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    let link = home.path().join("link");
    symlink(home.path().join("nowhere"), &link).unwrap();
    assert!(matches!(
        create_key_file(&link, &identity, "now"),
        Err(KeyFileError::Exists(_))
    ));
}
