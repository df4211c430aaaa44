//! The words that people type for a command: shorthands that work, and where a wrong one leads.

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Commands of `stax secrets` that work without `secrets`. No other word joins them.
const SHORTHANDS: [&str; 9] = [
    "get", "set", "edit", "list", "exec", "verify", "diff", "log", "status",
];

/// The same command line with each word that a shorthand leaves out.
pub(super) fn written_out(mut words: Vec<OsString>) -> Vec<OsString> {
    let Some(at) = command_at(&words) else {
        return words;
    };
    if SHORTHANDS.iter().any(|name| words[at] == *name) {
        words.insert(at, "secrets".into());
    } else if words[at] == "run" && runs_a_program(&words[at + 1..]) {
        words.splice(at..=at, ["secrets".into(), "exec".into()]);
    }
    words
}

/// Where the command stands, behind the options that all commands have.
fn command_at(words: &[OsString]) -> Option<usize> {
    let mut at = 1;
    while let Some(word) = words.get(at) {
        match word.to_str() {
            Some("-C" | "--color") => at += 2,
            Some("--") => return None,
            Some(option) if option.starts_with('-') => at += 1,
            _ => return Some(at),
        }
    }
    None
}

/// `stax run -- CMD`, with options in front: no workflow is named.
fn runs_a_program(rest: &[OsString]) -> bool {
    let is_option = |word: &OsString| word.as_encoded_bytes().starts_with(b"-");
    rest.first().is_some_and(is_option) && rest.iter().any(|word| word == "--")
}

/// Replaces clap's guess, which goes by letters, by what people mean with a word.
pub(super) fn point_right(error: &mut clap::Error, words: &[OsString]) {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return;
    }
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else {
        return;
    };
    let Some(at) = words.iter().position(|typed| typed == OsStr::new(word)) else {
        return;
    };
    let above = words[..at]
        .last()
        .and_then(|above| above.to_str())
        .unwrap_or_default();
    let tip = tip(above, word);
    // the commands that git calls are hidden from everything else
    if tip.is_some() || names_git(error.get(ContextKind::SuggestedSubcommand)) {
        error.remove(ContextKind::SuggestedSubcommand);
    }
    if let Some(tip) = tip {
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![tip.into()]),
        );
    }
}

fn names_git(suggested: Option<&ContextValue>) -> bool {
    matches!(suggested, Some(ContextValue::Strings(names)) if names.iter().any(|name| name == "git"))
}

/// What to type instead, as a sentence.
fn tip(above: &str, word: &str) -> Option<String> {
    let command = match above {
        "secrets" => among_secrets(word),
        "vault" => return later("vault", word).map(str::to_owned),
        _ => match later("", word) {
            Some(text) => return Some(text.to_owned()),
            None => among_secrets(word).or_else(|| is_of_secrets(word).then_some(word)),
        },
    };
    command.map(|command| format!("did you mean `stax secrets {command}`?"))
}

/// What people call commands of `stax secrets`.
fn among_secrets(word: &str) -> Option<&'static str> {
    Some(match word {
        "rm" | "delete" | "remove" | "del" => "unset",
        "ls" | "keys" => "list",
        "cat" => "decrypt",
        "show" | "read" => "get",
        "add" | "put" | "write" | "create" => "set",
        "env" => "export",
        "check" | "lint" | "audit" => "verify",
        "merge" | "mergetool" => "resolve",
        "share" | "grant" | "invite" => "add-recipient",
        "revoke" | "kick" => "remove-recipient",
        "people" | "users" | "members" | "who" | "access" => "recipients",
        "key" | "whoami" => "pubkey",
        "setup" | "hooks" => "install",
        "rekey" => "rotate",
        _ => return None,
    })
}

fn is_of_secrets(word: &str) -> bool {
    use clap::Subcommand as _;
    let secrets = super::secrets::Secrets::augment_subcommands(clap::Command::new("secrets"));
    secrets.find_subcommand(word).is_some()
}

/// What other tools, and the plans of this one, have under a word that does nothing here yet.
fn later(above: &str, word: &str) -> Option<&'static str> {
    Some(match (above, word) {
        ("", "run") => {
            "workflows are not run yet; `stax run -- CMD` runs a program with the values of an environment"
        }
        ("", "secret") => {
            "there are no values of one machine alone yet; `stax secrets set KEY` keeps one in git"
        }
        ("", "dashboard") => {
            "there is no dashboard yet; `stax secrets status` and `stax secrets recipients` say it as text"
        }
        ("vault", "login" | "sync") => {
            "no other backend is there yet; `stax secrets export` hands values to the tool of one"
        }
        ("vault", "age") => {
            "keys are not kept in a keychain yet: `stax secrets keygen`, `stax secrets pubkey`"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_shorthand_is_the_command_of_secrets() {
        let table = [
            ("stax get KEY", "stax secrets get KEY"),
            (
                "stax -q -C dir --color never set KEY",
                "stax -q -C dir --color never secrets set KEY",
            ),
            (
                "stax run -- make deploy",
                "stax secrets exec -- make deploy",
            ),
            (
                "stax run -e dev -- make",
                "stax secrets exec -e dev -- make",
            ),
            ("stax run deploy.yml -- x", "stax run deploy.yml -- x"),
            ("stax run", "stax run"),
            ("stax secrets get KEY", "stax secrets get KEY"),
            ("stax rotate", "stax rotate"),
            ("stax", "stax"),
            ("stax -- get", "stax -- get"),
        ];
        for (typed, whole) in table {
            assert_eq!(written_out(words(typed)), words(whole), "{typed}");
        }
    }

    #[test]
    fn a_wrong_word_leads_to_a_command_that_exists() {
        for word in [
            "rm", "ls", "cat", "show", "add", "env", "lint", "merge", "grant", "revoke", "who",
            "key",
        ] {
            let command = among_secrets(word).expect("a command");
            assert!(is_of_secrets(command), "{word} leads to {command}");
        }
        assert_eq!(
            tip("stax", "init").as_deref(),
            Some("did you mean `stax secrets init`?")
        );
        assert_eq!(tip("stax", "git"), None);
        assert!(tip("stax", "run").is_some_and(|tip| tip.contains("stax run -- CMD")));
        assert!(tip("vault", "sync").is_some());
    }
}
