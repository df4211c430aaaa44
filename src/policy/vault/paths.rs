//! Names and paths that mean the same on every system and in git.

use super::VaultError;

const MAX_PATH_BYTES: usize = 1024;
const MAX_ENV_BYTES: usize = 64;

/// A name of an environment: `[a-z0-9][a-z0-9_-]{0,63}`.
///
/// # Errors
/// [`VaultError::Env`]
pub fn check_env(env: &str) -> Result<(), VaultError> {
    let good = env.len() <= MAX_ENV_BYTES
        && env.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && env
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
    if good {
        Ok(())
    } else {
        Err(VaultError::Env(env.chars().take(MAX_ENV_BYTES).collect()))
    }
}

/// A path that means one file beneath the root of the repository, on every system and in git.
///
/// # Errors
/// [`VaultError::Path`] with the reason.
pub fn check_path(path: &str) -> Result<(), VaultError> {
    let shown = path.chars().take(MAX_PATH_BYTES).collect();
    path_fault(path).map_or(Ok(()), |why| Err(VaultError::Path { path: shown, why }))
}

fn path_fault(path: &str) -> Option<&'static str> {
    if path.is_empty() || path.len() > MAX_PATH_BYTES {
        return Some("is empty or longer than 1024 bytes");
    }
    if path.chars().any(is_invisible) {
        return Some("holds a control or invisible character");
    }
    if path.starts_with('/') || path.starts_with('~') {
        return Some("is not relative to the repository");
    }
    if path.contains(['\\', ':']) {
        return Some("holds a backslash or a colon");
    }
    if path.starts_with('-') {
        return Some("begins with `-`, which programs read as an option");
    }
    path.split('/').find_map(component_fault)
}

fn component_fault(component: &str) -> Option<&'static str> {
    match component {
        "" | "." | ".." => Some("is not normalised: an empty part, `.` or `..`"),
        _ if component.ends_with(['.', ' ']) || component.starts_with(' ') => {
            Some("has a part with a blank at an end or a dot at the end, which some systems drop")
        }
        // `git~1` is what Windows may call `.git`
        _ if matches!(component.to_lowercase().as_str(), ".git" | "git~1") => {
            Some("lies in git's own folder")
        }
        _ => None,
    }
}

/// Controls, and what a file system or a screen may drop or reorder.
pub(super) fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(character, '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}
