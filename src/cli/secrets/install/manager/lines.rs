//! The lines that make a hook manager run stax: the same in the syntax of each configuration, and where in the
//! text they belong. Pure.

use super::super::script::Name;

/// The syntax of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    LefthookYaml,
    LefthookToml,
    LefthookJson,
    /// `.pre-commit-config.yaml`
    PreCommit,
    /// `prek.toml`
    Prek,
}

/// Where lines belong. Lines are counted from one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum At {
    End,
    Below(usize),
    InPlaceOf(usize),
    /// What is on that line has to be taken apart by hand.
    Into(usize),
}

/// For a `pre-push` that wants the references too: they come only once.
pub(super) const PRE_PUSH: &str = "\
refs=$(cat)
stax git hook pre-push \"$@\" <<refs || exit
$refs
refs
if [ -n \"$refs\" ]; then exec <<refs
$refs
refs
else exec </dev/null; fi
";

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Addition {
    pub(super) at: At,
    pub(super) text: String,
}

impl Addition {
    /// `add below line 3 of lefthook.yml`
    pub(super) fn label(&self, place: &str) -> String {
        match self.at {
            At::End => format!("add at the end of {place}"),
            At::Below(line) => format!("add below line {line} of {place}"),
            At::InPlaceOf(line) => format!("write in place of line {line} of {place}"),
            At::Into(line) => format!("add to what line {line} of {place} begins"),
        }
    }
}

/// What to add to the text, so that a later one moves no line of an earlier one.
pub(super) fn additions(syntax: Syntax, text: &str, names: &[Name]) -> Vec<Addition> {
    match syntax {
        Syntax::LefthookYaml => lefthook_yaml(text, names),
        Syntax::LefthookToml => {
            let table = |name: &Name| {
                let stdin = if *name == Name::PrePush { "use_stdin = true\n" } else { "" };
                format!("[{}.commands.stax]\nrun = \"{}\"\n{stdin}", name.text(), run(*name))
            };
            vec![Addition { at: At::End, text: names.iter().map(table).collect::<Vec<_>>().join("\n") }]
        }
        Syntax::LefthookJson => lefthook_json(text, names),
        Syntax::PreCommit => vec![pre_commit(text, names)],
        Syntax::Prek => vec![prek(text, names)],
    }
}

/// What lefthook runs; it fills in the arguments of the hook.
fn run(name: Name) -> &'static str {
    match name {
        Name::PreCommit | Name::PreMergeCommit => name.call(),
        Name::PrePush => "stax git hook pre-push {1} {2}",
        Name::CommitMsg => "stax git hook commit-msg {1}",
    }
}

fn lefthook_yaml(text: &str, names: &[Name]) -> Vec<Addition> {
    let lines: Vec<&str> = text.lines().collect();
    let mut new = String::new();
    let mut inside = Vec::new();
    for name in names {
        let stdin = |margin: &str| {
            if *name == Name::PrePush { format!("{margin}use_stdin: true\n") } else { String::new() }
        };
        let command = format!("    stax:\n      run: {}\n{}", run(*name), stdin("      "));
        let whole = format!("{}:\n  commands:\n{command}", name.text());
        let Some(at) = key(&lines, name.text()) else {
            new += &whole;
            continue;
        };
        let below = &lines[at + 1..];
        let below = &below[..below.iter().position(|line| is_top(line)).unwrap_or(below.len())];
        let list =
            below.iter().position(|line| ["jobs:", "commands:"].contains(&line.trim_end().trim_start()));
        let (at, text) = match list {
            Some(list) => {
                let is_jobs = below[list].trim_start().starts_with("jobs");
                let margin = margin_below(&below[list..], is_jobs);
                let pad = " ".repeat(margin.len());
                let text = if is_jobs {
                    format!(
                        "{margin}- name: stax\n{pad}  run: {}\n{}",
                        run(*name),
                        stdin(&format!("{pad}  "))
                    )
                } else {
                    format!("{margin}stax:\n{pad}  run: {}\n{}", run(*name), stdin(&format!("{pad}  ")))
                };
                (At::Below(at + list + 2), text)
            }
            // `pre-commit: {}`, or nothing
            None if is_empty_value(lines[at]) && below.iter().all(|line| line.trim().is_empty()) => {
                (At::InPlaceOf(at + 1), whole)
            }
            None if lines[at].trim_end().ends_with(':') => {
                let margin = margin_below(&lines[at..=at + below.len()], false);
                (
                    At::Below(at + 1),
                    indented(
                        &format!("commands:\n  stax:\n    run: {}\n{}", run(*name), stdin("    ")),
                        &margin,
                    ),
                )
            }
            None => (At::Into(at + 1), whole),
        };
        inside.push(Addition { at, text });
    }
    let mut all = Vec::new();
    if !new.is_empty() {
        all.push(Addition { at: At::End, text: new });
    }
    all.extend(from_below(inside));
    all
}

fn lefthook_json(text: &str, names: &[Name]) -> Vec<Addition> {
    let lines: Vec<&str> = text.lines().collect();
    let mut new = String::new();
    let mut inside = Vec::new();
    for name in names {
        let stdin = if *name == Name::PrePush { ", \"use_stdin\": true" } else { "" };
        let stax = format!("\"stax\": {{ \"run\": \"{}\"{stdin} }}", run(*name));
        let hook = format!("\"{}\":", name.text());
        match lines.iter().position(|line| line.contains(&hook)) {
            Some(at) => {
                let text = format!("\"commands\": {{ {stax} }}\n");
                inside.push(Addition { at: At::Into(at + 1), text });
            }
            None => new += &format!("  {hook} {{ \"commands\": {{ {stax} }} }},\n"),
        }
    }
    let mut all = from_below(inside);
    if !new.is_empty() {
        let at = lines.iter().position(|line| line.trim() == "{").map_or(At::Into(1), |at| At::Below(at + 1));
        all.push(Addition { at, text: new });
    }
    all
}

/// A hook of pre-commit or prek: id, command, stages, and whether it gets the names of files.
type Entry = (&'static str, &'static str, &'static [&'static str], bool);

fn entries(names: &[Name]) -> Vec<Entry> {
    let has = |name: Name| names.contains(&name);
    let mut entries: Vec<Entry> = Vec::new();
    if has(Name::PreCommit) || has(Name::PreMergeCommit) {
        let stages = &["pre-commit", "pre-merge-commit"];
        entries.push(("stax-verify", "stax secrets verify --staged", stages, false));
    }
    if has(Name::PrePush) {
        entries.push(("stax-push", "stax secrets verify --keyless --range", &["pre-push"], false));
    }
    if has(Name::CommitMsg) {
        entries.push(("stax-message", "stax git hook commit-msg", &["commit-msg"], true));
    }
    entries
}

fn pre_commit(text: &str, names: &[Name]) -> Addition {
    let mut item = "- repo: local\n  hooks:\n".to_owned();
    for (id, entry, stages, with_file) in entries(names) {
        item += &format!(
            "    - id: {id}\n      name: {id}\n      entry: {entry}\n      language: system\n      \
             always_run: true\n      pass_filenames: {with_file}\n      stages: [{}]\n",
            stages.join(", ")
        );
    }
    let lines: Vec<&str> = text.lines().collect();
    let Some(at) = key(&lines, "repos") else {
        return Addition { at: At::End, text: format!("repos:\n{}", indented(&item, "  ")) };
    };
    if is_empty_value(lines[at]) {
        return Addition { at: At::InPlaceOf(at + 1), text: format!("repos:\n{}", indented(&item, "  ")) };
    }
    if !lines[at].trim_end().ends_with(':') {
        return Addition { at: At::Into(at + 1), text: item };
    }
    Addition { at: At::Below(at + 1), text: indented(&item, &margin_below(&lines[at..], true)) }
}

fn prek(text: &str, names: &[Name]) -> Addition {
    let quoted = |stages: &[&str]| format!("[\"{}\"]", stages.join("\", \""));
    let mut table = "[[repos]]\nrepo = \"local\"\n".to_owned();
    let mut inline = "  { repo = \"local\", hooks = [\n".to_owned();
    for (id, entry, stages, with_file) in entries(names) {
        let fields = [
            format!("id = \"{id}\""),
            format!("name = \"{id}\""),
            format!("entry = \"{entry}\""),
            "language = \"system\"".to_owned(),
            "always_run = true".to_owned(),
            format!("pass_filenames = {with_file}"),
            format!("stages = {}", quoted(stages)),
        ];
        table += &format!("\n[[repos.hooks]]\n{}\n", fields.join("\n"));
        inline += &format!("    {{ {} }},\n", fields.join(", "));
    }
    inline += "  ] },\n";
    // an array that is written out takes no `[[repos]]`
    let array =
        |line: &str| line.strip_prefix("repos").is_some_and(|rest| rest.trim_start().starts_with('='));
    let Some((at, line)) = text.lines().enumerate().find(|(_, line)| array(line)) else {
        return Addition { at: At::End, text: table };
    };
    match line.split_once('=').map(|(_, value)| value.trim()) {
        Some("[]") => Addition { at: At::InPlaceOf(at + 1), text: table },
        Some("[") => Addition { at: At::Below(at + 1), text: inline },
        _ => Addition { at: At::Into(at + 1), text: inline },
    }
}

/// The line of a key at the top level.
fn key(lines: &[&str], name: &str) -> Option<usize> {
    lines.iter().position(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')))
}

/// Whether the line begins something at the top level.
fn is_top(line: &str) -> bool {
    line.starts_with(|c: char| !c.is_whitespace() && c != '#' && c != '-')
}

fn is_empty_value(line: &str) -> bool {
    let value = line.split_once(':').map(|(_, value)| value.trim());
    matches!(value, Some("[]" | "{}"))
}

/// The margin of what stands below the first line, or should.
fn margin_below(lines: &[&str], is_list: bool) -> String {
    let margin = |line: &str| line[..line.len() - line.trim_start().len()].to_owned();
    let own = lines.first().map(|line| margin(line)).unwrap_or_default();
    let next =
        lines.iter().skip(1).find(|line| !matches!(line.trim_start().chars().next(), None | Some('#')));
    match next {
        Some(next) if is_list && next.trim_start().starts_with('-') && margin(next).len() >= own.len() => {
            margin(next)
        }
        Some(next) if !is_list && margin(next).len() > own.len() => margin(next),
        _ => own + "  ",
    }
}

fn indented(text: &str, margin: &str) -> String {
    text.lines().map(|line| format!("{margin}{line}\n")).collect()
}

fn from_below(mut additions: Vec<Addition>) -> Vec<Addition> {
    let line = |at: &At| match at {
        At::End => usize::MAX,
        At::Below(line) | At::InPlaceOf(line) | At::Into(line) => *line,
    };
    additions.sort_by_key(|addition| std::cmp::Reverse(line(&addition.at)));
    additions
}
