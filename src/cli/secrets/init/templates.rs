//! The texts that `init` writes, and the lines it adds to texts that are there.

/// How `init` knows an `.envrc` of its own.
pub const ENVRC_MARK: &str = "# Written by `stax secrets init`.";

/// What stands around the lines of `init` in somebody else's `.envrc`.
const BLOCK_START: &str = "# >>> stax secrets >>>";
const BLOCK_END: &str = "# <<< stax secrets <<<";

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

/// The `.envrc` that somebody else wrote, with a block of ours behind it; every other byte stays.
///
/// Where it loads the values by itself, only the file is watched. Line ends are LF also where the
/// rest has CRLF: bash takes the CR as part of a word.
pub fn envrc_adopted(text: &str, env: &str, path: &str) -> String {
    let start = text.find(BLOCK_START);
    let end = start.and_then(|start| text[start..].find(BLOCK_END).map(|end| start + end));
    if let (Some(start), Some(end)) = (start, end) {
        return format!(
            "{}{}{}",
            &text[..start],
            envrc_with(&text[start..end], path),
            &text[end..]
        );
    }
    let code = || {
        text.lines()
            .map(str::trim_start)
            .filter(|line| !line.starts_with('#'))
    };
    let loads = code().any(|line| line.contains("stax secrets export"));
    if loads && code().any(|line| line.contains(path)) {
        return text.to_owned();
    }
    let lines = if loads {
        watch_line(&[path]) + "\n"
    } else {
        format!(
            "{}\n{}",
            watch_line(&[".stax/vault.json", ".sops.yaml", path]),
            envrc_loader(env)
        )
    };
    let gap = match text {
        "" => "",
        _ if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    format!(
        "{text}{gap}{BLOCK_START} (by `stax secrets init`; the rest of this file is yours)\n{lines}{BLOCK_END}\n"
    )
}

fn watch_line(paths: &[&str]) -> String {
    let quoted: Vec<_> = paths.iter().map(|path| shell_words::quote(path)).collect();
    format!("watch_file {}", quoted.join(" "))
}

/// Our `.envrc` with one more watched file, behind the others.
pub fn envrc_with(text: &str, path: &str) -> String {
    let quoted = shell_words::quote(path);
    let is_watch = |line: &str| line.trim_start().starts_with("watch_file ");
    if text
        .lines()
        .any(|line| is_watch(line) && line.split_whitespace().any(|word| word == quoted))
    {
        return text.to_owned();
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let after = lines
        .iter()
        .rposition(|line| is_watch(line))
        .map_or(1, |position| position + 1);
    let (before, rest) = lines.split_at(after.min(lines.len()));
    let gap = if before.last().is_some_and(|line| !line.ends_with('\n')) {
        "\n"
    } else {
        ""
    };
    format!(
        "{}{gap}{}\n{}",
        before.concat(),
        watch_line(&[path]),
        rest.concat()
    )
}

/// `.gitattributes` with the line of one secret file, exact so that it never matches `.sops.yaml`.
pub fn attributes_with(text: &str, path: &str) -> String {
    let line = format!("{} -text diff=stax merge=stax", attributes_pattern(path));
    if text.lines().any(|known| known.trim_end() == line) {
        return text.to_owned();
    }
    let gap = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    format!("{text}{gap}{line}\n")
}

/// A pattern for this one file: without a slash it would match in every folder.
pub(in crate::cli::secrets) fn attributes_pattern(path: &str) -> String {
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
    use sops_document::pattern::Pattern;

    use super::*;

    #[test]
    fn a_second_file_adds_one_watch_line_and_a_third_run_none() {
        let first = envrc("production", "infra/secrets/prod.enc.yaml");
        let second = envrc_with(&first, "infra/secrets/dev.enc.yaml");
        let added: Vec<&str> = second
            .lines()
            .filter(|line| !first.contains(line))
            .collect();
        assert_eq!(added, ["watch_file infra/secrets/dev.enc.yaml"]);
        assert_eq!(envrc_with(&second, "infra/secrets/dev.enc.yaml"), second);
        assert_eq!(envrc_with(&second, "infra/secrets/prod.enc.yaml"), second);
    }

    #[test]
    fn an_envrc_of_somebody_else_gets_one_block_and_keeps_every_byte() {
        let (prod, dev) = ("infra/secrets/prod.enc.yaml", "infra/secrets/dev.enc.yaml");
        for text in [
            "use nix\n",
            "use nix",
            "use nix\r\nPATH_add bin\r\n",
            "",
            "# stax secrets export\n",
        ] {
            let first = envrc_adopted(text, "production", prod);
            let block = first.strip_prefix(text).expect("the text as it was");
            assert!(
                block.contains(BLOCK_START) && block.ends_with(&format!("\n{BLOCK_END}\n")),
                "{first}"
            );
            assert!(
                block.contains("STAX_ENV:-production") && !block.contains('\r'),
                "{first}"
            );
            assert_eq!(envrc_adopted(&first, "production", prod), first);
            let later = format!("{first}export A=1\r\n");
            let second = envrc_adopted(&later, "development", dev);
            assert_eq!(
                second.replace("watch_file infra/secrets/dev.enc.yaml\n", ""),
                later
            );
            assert!(second.find(dev) < second.find(BLOCK_END), "{second}");
            assert_eq!(envrc_adopted(&second, "development", dev), second);
        }
        let own = format!("watch_file {prod}\neval \"$(stax secrets export)\"\n");
        assert_eq!(envrc_adopted(&own, "production", prod), own);
        let watched = envrc_adopted(&own, "development", dev);
        assert!(
            watched.starts_with(&own) && watched.matches("stax secrets export").count() == 1,
            "{watched}"
        );
        assert_eq!(envrc_adopted(&watched, "development", dev), watched);
    }

    #[test]
    fn an_attribute_names_one_file_and_keeps_other_lines() {
        let text = attributes_with("*.png binary", "infra/secrets/prod.enc.yaml");
        assert_eq!(
            text,
            "*.png binary\ninfra/secrets/prod.enc.yaml -text diff=stax merge=stax\n"
        );
        assert_eq!(attributes_with(&text, "infra/secrets/prod.enc.yaml"), text);
        assert_eq!(attributes_pattern("a.enc.env"), "/a.enc.env");
        assert_eq!(
            attributes_pattern("my dir/a[1].yaml"),
            r#""my dir/a\\[1\\].yaml""#
        );
    }

    #[test]
    fn a_rule_matches_its_file_alone() {
        let pattern =
            Pattern::compile(&path_regex("infra/secrets/prod.enc.yaml")).expect("a pattern");
        assert!(pattern.is_match("infra/secrets/prod.enc.yaml"));
        assert!(!pattern.is_match("infra/secrets/prod-enc.yaml"));
        assert!(!pattern.is_match("x/infra/secrets/prod.enc.yaml"));
        assert_eq!(
            path_regex("infra/secrets/prod.enc.yaml"),
            r"^infra/secrets/prod\.enc\.yaml$"
        );
    }
}
