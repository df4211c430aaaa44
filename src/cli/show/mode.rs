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

/// Coding agents: what their commands print goes to a model. Each is set by the agent for a command
/// that it runs, and says where that is written down; what only says that an editor has such a
/// feature (`CURSOR_TRACE_ID`), or configures one (`AIDER_MODEL`, `CLAUDE_CODE_USE_BEDROCK`), is
/// not here, since people type in those terminals too. A `*` stands for any rest.
const AGENTS: &[(&str, &str)] = &[
    (
        "AGENT",
        "Amp, Crush, Goose, opencode: github.com/agentsmd/agents.md/issues/136",
    ),
    (
        "AI_AGENT",
        "Claude Code, Crush, VS Code: github.com/vercel/detect-agent, README, the AI_AGENT standard",
    ),
    (
        "ANTIGRAVITY_AGENT",
        "Antigravity: github.com/vercel/detect-agent",
    ),
    (
        "AUGMENT_AGENT",
        "Augment: docs.augmentcode.com/cli/reference#shell-environment",
    ),
    (
        "CLAUDECODE",
        "Claude Code: code.claude.com/docs/en/env-vars",
    ),
    (
        "CLAUDE_CODE",
        "Claude Code, by the table in github.com/microsoft/vscode/pull/316267",
    ),
    ("CLAUDE_CODE_ENTRYPOINT", "Claude Code: as CLAUDECODE"),
    ("CLAUDE_CODE_SESSION_ID", "Claude Code: as CLAUDECODE"),
    (
        "CLINE_ACTIVE",
        "Cline: github.com/cline/cline, VscodeTerminalRegistry.ts",
    ),
    ("CODEX_CI", "Codex: github.com/openai/codex, unified_exec"),
    (
        "CODEX_SANDBOX*",
        "Codex: github.com/openai/codex, core/src/spawn.rs",
    ),
    (
        "CODEX_THREAD_ID",
        "Codex: developers.openai.com/codex/environment-variables",
    ),
    (
        "COPILOT_AGENT*",
        "VS Code: github.com/microsoft/vscode/pull/316267; the agent of GitHub with more letters",
    ),
    (
        "COPILOT_CLI",
        "GitHub Copilot CLI: github.com/github/copilot-cli, changelog.md",
    ),
    ("CRUSH", "Crush: github.com/charmbracelet/crush/pull/2484"),
    ("CURSOR_AGENT", "Cursor: github.com/vercel/detect-agent"),
    (
        "GEMINI_CLI",
        "Gemini CLI: google-gemini.github.io/gemini-cli/docs/tools/shell.html",
    ),
    (
        "GOOSE_TERMINAL",
        "Goose: github.com/block/goose, guides/environment-variables.md",
    ),
    (
        "KIRO_SESSION_ID",
        "Kiro: github.com/dynatrace-oss/dtctl/issues/282, by trial",
    ),
    (
        "OPENCODE",
        "opencode: github.com/anomalyco/opencode, packages/opencode/src/index.ts",
    ),
    (
        "OPENCODE_CLIENT",
        "opencode: github.com/vercel/detect-agent",
    ),
    (
        "QWEN_CODE",
        "Qwen Code: github.com/QwenLM/qwen-code, shellExecutionService.ts",
    ),
    (
        "REPL_ID",
        "Replit: docs.replit.com; it marks its agent by nothing finer",
    ),
    (
        "ROO_ACTIVE",
        "Roo Code: github.com/RooCodeInc/Roo-Code/pull/11862",
    ),
];

/// Whether values are masked: `environment` is that of the process, `setting` is `stax.diff`.
pub(in crate::cli) fn is_masked(
    environment: impl Iterator<Item = (OsString, OsString)>,
    setting: Option<&str>,
) -> bool {
    let mut automated = false;
    let mut wish = None;
    for (name, value) in environment {
        let (Some(name), value) = (name.to_str(), value.to_string_lossy()) else {
            continue;
        };
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
    let agents = AGENTS.iter().map(|(agent, _)| agent);
    CI.iter()
        .chain(agents)
        .any(|known| match known.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == *known,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_known_by_what_it_sets_and_not_by_what_configures_one() {
        for (name, _) in AGENTS {
            assert!(is_automation(&name.replace('*', "_X")), "{name}");
        }
        for person in [
            "AIDER_MODEL",
            "CLAUDE_CODE_USE_BEDROCK",
            "CODEX_HOME",
            "CURSOR_TRACE_ID",
            "AGENT_NAME",
        ] {
            assert!(!is_automation(person), "{person}");
        }
    }

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
            (
                &[("CODEX_SANDBOX_NETWORK_DISABLED", "1")],
                Some("values"),
                true,
            ),
            (&[("STAX_DIFF", "masked")], None, true),
            (&[("STAX_DIFF", "maksed")], None, true),
            (
                &[("STAX_DIFF", "values"), ("CI", "1")],
                Some("masked"),
                false,
            ),
            (
                &[("STAX_DIFF", "values"), ("GIT_AUTHOR_DATE", "@1 +0000")],
                None,
                true,
            ),
        ] {
            let variables = environment
                .iter()
                .map(|(name, value)| (name.into(), value.into()));
            assert_eq!(
                is_masked(variables, setting),
                masked,
                "{environment:?} {setting:?}"
            );
        }
    }
}
