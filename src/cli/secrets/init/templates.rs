//! The texts that `init` writes, and the lines it adds to texts that are there.

/// How `init` knows an `.envrc` of its own.
pub const ENVRC_MARK: &str = "# Written by `stax secrets init`.";

pub const README: &str = "# Secrets

The `*.enc.*` files in this folder are standard SOPS files, encrypted to the age keys in `recipients.md`.
Names, types and lengths of values are readable by everyone; the values are not.

- make a key, once a person: `stax secrets keygen`; send the `age1…` line to someone who can read
- in a fresh clone, so that `git diff` shows values and `git commit` checks: `stax secrets install`
- read: `stax secrets list`, `stax secrets get KEY`; without stax: `sops decrypt FILE`
- write: `stax secrets set KEY` (hidden prompt), `stax secrets edit`
- let someone in: `stax secrets add-recipient age1… --name \"Name <mail>\" --role ROLE`
- let someone go: `stax secrets remove-recipient WHO`, then replace what they could read at its source
- check, also without a key: `stax secrets verify`
";

/// The whole `.envrc` for a first environment; `path` is its file.
pub fn envrc(env: &str, path: &str) -> String {
    format!(
        r#"{ENVRC_MARK} Loads the decrypted environment; holds no secret itself.
{}
{}source_env_if_exists .envrc.local
"#,
        watch_line(&[".stax/vault.json", ".sops.yaml", path]),
        envrc_loader(env),
    )
}

/// What loads the values; direnv alone would hide a failure.
fn envrc_loader(env: &str) -> String {
    format!(
        r#"if has stax; then
  if stax_env="$(stax secrets export --env "${{STAX_ENV:-{env}}}" --format shell)"; then
    eval "$stax_env"
  else
    log_error "stax: secrets were not loaded; fix the problem above, then run: direnv reload"
  fi
  unset stax_env
else
  log_error "stax: not installed, so secrets were not loaded"
fi
"#
    )
}

/// The lines for an `.envrc` that somebody else wrote.
pub fn envrc_lines(env: &str, path: &str) -> Vec<String> {
    let text = format!("{}\n{}", watch_line(&[".stax/vault.json", ".sops.yaml", path]), envrc_loader(env));
    text.lines().map(str::to_owned).collect()
}

fn watch_line(paths: &[&str]) -> String {
    let quoted: Vec<_> = paths.iter().map(|path| shell_words::quote(path)).collect();
    format!("watch_file {}", quoted.join(" "))
}

/// Our `.envrc` with one more watched file, behind the others.
pub fn envrc_with(text: &str, path: &str) -> String {
    let quoted = shell_words::quote(path);
    let is_watch = |line: &str| line.trim_start().starts_with("watch_file ");
    if text.lines().any(|line| is_watch(line) && line.split_whitespace().any(|word| word == quoted)) {
        return text.to_owned();
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let after = lines.iter().rposition(|line| is_watch(line)).map_or(1, |position| position + 1);
    let (before, rest) = lines.split_at(after.min(lines.len()));
    let gap = if before.last().is_some_and(|line| !line.ends_with('\n')) { "\n" } else { "" };
    format!("{}{gap}{}\n{}", before.concat(), watch_line(&[path]), rest.concat())
}

/// `.gitattributes` with the line of one secret file, exact so that it never matches `.sops.yaml`.
pub fn attributes_with(text: &str, path: &str) -> String {
    let line = format!("{} -text diff=stax merge=stax", attributes_pattern(path));
    if text.lines().any(|known| known.trim_end() == line) {
        return text.to_owned();
    }
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{gap}{line}\n")
}

/// A pattern for this one file: without a slash it would match in every folder.
fn attributes_pattern(path: &str) -> String {
    let mut pattern = String::from(if path.contains('/') { "" } else { "/" });
    for c in path.chars() {
        if "*?[]\\".contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    if !pattern.contains([' ', '"', '\t']) && !pattern.starts_with(['#', '!']) {
        return pattern;
    }
    format!("\"{}\"", pattern.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A pattern of `.sops.yaml` for exactly this file.
pub fn path_regex(path: &str) -> String {
    let mut pattern = String::from("^");
    for c in path.chars() {
        if c.is_ascii_punctuation() && !"/_-".contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern + "$"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sops::pattern::Pattern;

    #[test]
    fn a_second_file_adds_one_watch_line_and_a_third_run_none() {
        let first = envrc("production", "infra/secrets/prod.enc.yaml");
        let second = envrc_with(&first, "infra/secrets/dev.enc.yaml");
        let added: Vec<&str> = second.lines().filter(|line| !first.contains(line)).collect();
        assert_eq!(added, ["watch_file infra/secrets/dev.enc.yaml"]);
        assert_eq!(envrc_with(&second, "infra/secrets/dev.enc.yaml"), second);
        assert_eq!(envrc_with(&second, "infra/secrets/prod.enc.yaml"), second);
    }

    #[test]
    fn an_attribute_names_one_file_and_keeps_other_lines() {
        let text = attributes_with("*.png binary", "infra/secrets/prod.enc.yaml");
        assert_eq!(text, "*.png binary\ninfra/secrets/prod.enc.yaml -text diff=stax merge=stax\n");
        assert_eq!(attributes_with(&text, "infra/secrets/prod.enc.yaml"), text);
        assert_eq!(attributes_pattern("a.enc.env"), "/a.enc.env");
        assert_eq!(attributes_pattern("my dir/a[1].yaml"), r#""my dir/a\\[1\\].yaml""#);
    }

    #[test]
    fn a_rule_matches_its_file_alone() {
        let pattern = Pattern::compile(&path_regex("infra/secrets/prod.enc.yaml")).expect("a pattern");
        assert!(pattern.is_match("infra/secrets/prod.enc.yaml"));
        assert!(!pattern.is_match("infra/secrets/prod-enc.yaml"));
        assert!(!pattern.is_match("x/infra/secrets/prod.enc.yaml"));
        assert_eq!(path_regex("infra/secrets/prod.enc.yaml"), r"^infra/secrets/prod\.enc\.yaml$");
    }
}
