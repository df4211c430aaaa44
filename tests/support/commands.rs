//! The commands of stax that a text names, and what its own command line says of them.

use clap::error::ErrorKind;

/// What ends a command in a sentence.
const ENDS: [&str; 17] = [
    "`", "\"", "   ", " #", "; ", ", ", " (", ")", " | ", " < ", " && ", " 2>", " -> ", " >>>",
    " <<<", "\\n", "{margin}",
];

/// Commands that cannot be typed as they are named, with what is wrong.
pub fn refused(text: &str) -> Vec<String> {
    let starts = text.match_indices("stax ").map(|(at, _)| at);
    let is_word =
        |at: usize| !text[..at].ends_with(|c: char| c.is_alphanumeric() || "/.-_".contains(c));
    starts
        .filter(|at| is_word(*at))
        .filter_map(|at| fault(command_at(&text[at..])))
        .collect()
}

fn command_at(text: &str) -> &str {
    let end = ENDS
        .iter()
        .filter_map(|end| text.find(end))
        .min()
        .unwrap_or(text.len());
    text[..end].trim_end_matches(['.', ':', ' '])
}

fn fault(command: &str) -> Option<String> {
    let mut words = shell_words::split(command).ok()?;
    // a name in a sentence is no command
    if !["secrets", "vault", "allow"].contains(&words.get(1)?.as_str())
        || words.iter().any(|it| it == "{")
    {
        return None;
    }
    if words.get(2).is_some_and(|word| word.starts_with('{')) {
        return None;
    }
    words
        .iter_mut()
        .for_each(|word| *word = word.replace('…', "x"));
    let error = stax::cli::command().try_get_matches_from(&words).err()?;
    let is_only_named = words.len() < 4;
    match error.kind() {
        // a placeholder stands for the right value
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => None,
        ErrorKind::MissingRequiredArgument if is_only_named => None,
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => None,
        kind => Some(format!("`{}`: {kind}", words.join(" "))),
    }
}
