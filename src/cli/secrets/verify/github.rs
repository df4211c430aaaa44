//! Workflow commands of GitHub Actions, and a summary of the job.
//!
//! A path or key that holds a line break must not become a command of its own: every text is
//! escaped first, and then as
//! <https://docs.github.com/actions/reference/workflow-commands-for-github-actions> asks.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use super::output::{PARTIAL, note_older, summary as in_one_line};
use crate::cli::escape::Escaped;
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::verify::Report;
use crate::verify::{Finding, Severity};

/// GitHub refuses a summary above 1 MiB; a table of this many rows is far below.
const MAX_ROWS: usize = 500;

pub(super) fn print(report: &Report, ui: &Ui) -> Result<(), Failure> {
    let mut out = String::new();
    for finding in &report.findings {
        let _ = writeln!(out, "{}", command(finding));
    }
    if report.is_partial {
        let _ = writeln!(out, "::warning title=stax::{PARTIAL}");
    }
    let _ = writeln!(out, "{}", in_one_line(report));
    ui.bytes(out.as_bytes())?;
    note_older(report, ui);
    if let Some(file) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|file| !file.is_empty())
        && let Err(error) = append(Path::new(&file), &summary(report))
    {
        ui.warning(format!("the summary of the job was not written: {error}"));
    }
    Ok(())
}

fn append(file: &Path, text: &str) -> std::io::Result<()> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(file)?
        .write_all(text.as_bytes())
}

/// `::error file=…,line=…,title=F04 plaintext::…`
fn command(finding: &Finding) -> String {
    let level = finding.severity.to_string();
    let (file, title) = (property(&finding.path), property(&finding.rule.to_string()));
    let line = finding.line.unwrap_or(1);
    let fix = finding.fix.iter().map(|fix| format!("fix: {fix}"));
    let more = finding
        .detail
        .iter()
        .cloned()
        .chain(fix)
        .chain(finding.then.iter().cloned());
    let lines: Vec<String> = std::iter::once(finding.message.clone())
        .chain(more)
        .map(|line| data(&line))
        .collect();
    format!(
        "::{level} file={file},line={line},title={title}::{}",
        lines.join("%0A")
    )
}

/// `::error title=stax::…`
pub(super) fn failed(message: &str) -> String {
    format!(
        "::error title=stax secrets verify could not run::{}\n",
        data(message)
    )
}

fn data(text: &str) -> String {
    Escaped(text)
        .to_string()
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

fn summary(report: &Report) -> String {
    let mut page = format!(
        "## stax secrets verify\n\n{}\n",
        markdown(&in_one_line(report))
    );
    if report.is_partial {
        let _ = writeln!(
            page,
            "\n⚠️ {}; `fetch-depth: 0` brings it all",
            markdown(PARTIAL)
        );
    }
    if !report.findings.is_empty() {
        page.push_str("\n| | rule | where | what | fix |\n|---|---|---|---|---|\n");
        for finding in report.findings.iter().take(MAX_ROWS) {
            page.push_str(&row(finding));
        }
    }
    let hidden = report.findings.len().saturating_sub(MAX_ROWS);
    if hidden > 0 {
        let _ = writeln!(page, "\nand {hidden} more, in the log of the step");
    }
    if !report.accepted.is_empty() {
        page.push_str(
            "\n### Accepted in `.stax/vault.json`\n\n| rule | where | what | reason |\n|---|---|---|---|\n",
        );
        for accepted in report.accepted.iter().take(MAX_ROWS) {
            let (finding, why) = (&accepted.finding, markdown(&accepted.why));
            let message = markdown(&finding.message);
            let _ = writeln!(
                page,
                "| {} | {} | {message} | {why} |",
                finding.rule,
                place(finding)
            );
        }
    }
    page.push('\n');
    page
}

fn row(finding: &Finding) -> String {
    let mark = match finding.severity {
        Severity::Error => "❌",
        Severity::Warning => "⚠️",
        Severity::Notice => "ℹ️",
    };
    let what: Vec<String> = std::iter::once(&finding.message)
        .chain(&finding.detail)
        .map(|line| markdown(line))
        .collect();
    let fix = finding
        .fix
        .as_ref()
        .map(|fix| format!("<code>{}</code>", markdown(fix)))
        .unwrap_or_default();
    let (rule, place) = (finding.rule, place(finding));
    format!(
        "| {mark} | {rule} | {place} | {} | {fix} |\n",
        what.join("<br>")
    )
}

fn place(finding: &Finding) -> String {
    let line = finding
        .line
        .map(|line| format!(":{line}"))
        .unwrap_or_default();
    format!(
        "<code>{}</code>",
        markdown(&format!("{}{line}", finding.path))
    )
}

/// A text that Markdown shows as it is: every sign of ASCII that could mean something is escaped
/// (CommonMark 2.4), those of HTML and of tables as entities.
fn markdown(text: &str) -> String {
    let mut out = String::new();
    for c in Escaped(text).to_string().chars() {
        match c {
            '<' | '>' | '&' | '|' | '"' | '\'' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            // nobody is mentioned and no address becomes a link
            '@' | ':' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            '/' | '-' | ',' | ';' | ' ' => out.push(c),
            c if c.is_ascii_punctuation() => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::RuleId;

    #[test]
    fn a_hostile_path_stays_one_property_of_one_command() {
        let finding = Finding::error(
            RuleId::F04,
            "a,line=9::b\n::stop-commands::x%0A",
            "`K\r\n::error::y` 100%",
        )
        .at(4)
        .fix("stax secrets encrypt -i a");
        assert_eq!(
            command(&finding),
            "::error file=a%2Cline=9%3A%3Ab\\u{a}%3A%3Astop-commands%3A%3Ax%250A,line=4,title=F04 plaintext\
             ::`K\\u{d}\\u{a}::error::y` 100%25%0Afix: stax secrets encrypt -i a"
        );
    }

    #[test]
    fn a_hostile_key_is_text_in_the_summary() {
        assert_eq!(
            markdown("a|b <img src=x> [c](https://d) `e` @f *g*\n"),
            "a&#124;b &#60;img src\\=x&#62; \\[c\\]\\(https&#58;//d\\) \\`e\\` &#64;f \\*g\\*\\\\u\\{a\\}"
        );
    }
}
