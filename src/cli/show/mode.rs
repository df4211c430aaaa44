//! Who looks: a person, or a log that others read.

use std::ffi::OsString;

/// Build servers. Set to nothing, `0` or `false` means unset.
const CI: &[&str] = &[
    "CI",
    "BUILDKITE",
    "CIRCLECI",
    "CODEBUILD_BUILD_ID",
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "JENKINS_URL",
    "TEAMCITY_VERSION",
    "TF_BUILD",
];

/// Coding agents: what they print goes to a model. A `*` stands for any rest.
const AGENTS: &[&str] = &[
    "AGENT",
    "AI_AGENT",
    "AIDER_*",
    "CLAUDECODE",
    "CLAUDE_CODE*",
    "CODEX_SANDBOX*",
    "CODEX_THREAD_ID",
    "COPILOT_AGENT*",
    "CURSOR_AGENT",
    "CURSOR_TRACE_ID",
    "GEMINI_CLI",
    "OPENCODE",
    "REPL_ID",
];

/// Whether values are masked: `environment` is that of the process, `setting` is `stax.diff`.
pub(in crate::cli) fn is_masked(
    environment: impl Iterator<Item = (OsString, OsString)>,
    setting: Option<&str>,
) -> bool {
    let mut automated = false;
    let mut wish = None;
    for (name, value) in environment {
        let (Some(name), value) = (name.to_str(), value.to_string_lossy()) else { continue };
        match name {
            // git exports it to textconv under `commit -v`, and then keeps the diff in a file
            "GIT_AUTHOR_DATE" => return true,
            "STAX_DIFF" if !value.is_empty() => wish = Some(value != "values"),
            _ => automated |= is_automation(name) && is_set(&value),
        }
    }
    // a misspelt wish hides rather than shows
    wish.unwrap_or(automated || setting.is_some_and(|setting| setting != "values"))
}

fn is_set(value: &str) -> bool {
    !matches!(value, "" | "0" | "false")
}

/// Whether this is a build server, whose clone nobody works in.
pub(in crate::cli) fn is_ci(environment: impl Iterator<Item = (OsString, OsString)>) -> bool {
    let is = |(name, value): (OsString, OsString)| {
        name.to_str().is_some_and(|name| CI.contains(&name)) && is_set(&value.to_string_lossy())
    };
    environment.into_iter().any(is)
}

fn is_automation(name: &str) -> bool {
    CI.iter().chain(AGENTS).any(|known| match known.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *known,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_for_people_at_a_terminal() {
        for (environment, setting, masked) in [
            (&[][..], None, false),
            (&[("HOME", "/home/ana")], Some("values"), false),
            (&[], Some("masked"), true),
            (&[("CI", "true")], None, true),
            (&[("CI", "false")], None, false),
            (&[("CI", "0")], None, false),
            (&[("CI", "")], None, false),
            (&[("CLAUDE_CODE_ENTRYPOINT", "cli")], None, true),
            (&[("CODEX_SANDBOX_NETWORK_DISABLED", "1")], Some("values"), true),
            (&[("STAX_DIFF", "masked")], None, true),
            (&[("STAX_DIFF", "maksed")], None, true),
            (&[("STAX_DIFF", "values"), ("CI", "1")], Some("masked"), false),
            (&[("STAX_DIFF", "values"), ("GIT_AUTHOR_DATE", "@1 +0000")], None, true),
        ] {
            let variables = environment.iter().map(|(name, value)| (name.into(), value.into()));
            assert_eq!(is_masked(variables, setting), masked, "{environment:?} {setting:?}");
        }
    }
}
