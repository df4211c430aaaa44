//! By what a finding is known again: while lines move and time passes, and, from the second version
//! on, while its words change.

use sha2::{Digest as _, Sha256};

use super::finding::Finding;

/// Rule, file, key and the words of the message, less digits.
#[must_use]
pub fn first(finding: &Finding) -> String {
    digest(&[
        finding.rule.id,
        &finding.path,
        key(finding),
        &words(finding),
    ])
}

/// Rule, file, key and what it is about; the words only where nothing else tells two findings
/// apart.
#[must_use]
pub fn second(finding: &Finding) -> String {
    let about = finding.about.clone().unwrap_or_else(|| words(finding));
    digest(&["2", finding.rule.id, &finding.path, key(finding), &about])
}

/// Equal in findings of one cause.
#[must_use]
pub fn cause(finding: &Finding) -> String {
    match &finding.cause {
        Some(cause) => digest(&["cause", finding.rule.id, cause]),
        None => second(finding),
    }
}

fn key(finding: &Finding) -> &str {
    finding.key.as_deref().unwrap_or_default()
}

fn words(finding: &Finding) -> String {
    let text = finding.first_words.as_ref().unwrap_or(&finding.message);
    text.chars().filter(|c| !c.is_ascii_digit()).collect()
}

fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    base16ct::lower::encode_string(&hash.finalize()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::rule::RuleId;

    fn finding(line: usize, message: &str) -> Finding {
        Finding::error(RuleId::F04, "a.yaml", message)
            .at(line)
            .key("A")
    }

    #[test]
    fn a_fingerprint_survives_moved_lines_and_time() {
        for print in [first, second, cause] {
            assert_eq!(
                print(&finding(1, "for 8 months")),
                print(&finding(4, "for 9 months"))
            );
            assert_ne!(print(&finding(1, "x")), print(&finding(1, "y")));
        }
    }

    /// Made by stax 0.1.0.
    #[test]
    fn the_first_version_is_what_it_was() {
        assert_eq!(
            first(&finding(1, "`A` is in clear")),
            "4975302b16c8adb91f670a0b493bd43a"
        );
    }

    #[test]
    fn the_second_version_survives_other_words() {
        let about = |message: &str| finding(1, message).about("age1bob");
        assert_eq!(second(&about("x")), second(&about("y")));
        assert_ne!(
            second(&about("x")),
            second(&finding(1, "x").about("age1ana"))
        );
    }
}
