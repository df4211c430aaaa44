//! The way out: the three versions merged as text, by git, with markers that nobody can overlook.

use std::fs;
use std::path::Path;

use super::Args;
use crate::keyring::IDENTITY_VARIABLES;
use crate::process;

/// Leaves conflict markers in ours, whatever happens.
pub(super) fn merge(args: &Args) {
    let before = fs::read(&args.ours).unwrap_or_default();
    if !by_git(args) {
        let part = |path: &Path| fs::read(path).unwrap_or_default();
        let whole = whole(args, &before, &part(&args.base), &part(&args.theirs));
        let _ = fs::write(&args.ours, whole);
    }
}

/// Whether git left markers. Where its merge is clean the MAC of the result cannot be right.
fn by_git(args: &Args) -> bool {
    let file = |path: &Path| path.to_str().map(|path| Path::new(".").join(path).display().to_string());
    let files = [&args.ours, &args.base, &args.theirs].map(|path| file(path));
    let [Some(ours), Some(base), Some(theirs)] = files else { return false };
    let size = format!("--marker-size={}", args.size.parse::<u8>().unwrap_or(7).max(7));
    let mut argv = ["git", "merge-file", "--quiet", "--diff3", &size].map(str::to_owned).to_vec();
    for label in [&args.ours_label, &args.base_label, &args.theirs_label] {
        argv.extend(["-L".to_owned(), label.replace(['\n', '\r'], " ")]);
    }
    argv.extend([ours, base, theirs]);
    let environment = process::Environment { add: &[], remove: IDENTITY_VARIABLES };
    let ended = process::run_command(&argv, Path::new("."), environment, process::TIMEOUT);
    // the number of conflicts
    ended.is_ok_and(|output| matches!(output.status.code(), Some(1..=127)))
}

fn whole(args: &Args, ours: &[u8], base: &[u8], theirs: &[u8]) -> Vec<u8> {
    let size = args.size.parse::<u8>().unwrap_or(7).max(7).into();
    let mut out = Vec::new();
    let parts =
        [('<', &args.ours_label, ours), ('|', &args.base_label, base), ('=', &args.base_label, theirs)];
    let line = |out: &mut Vec<u8>, sign: char, label: &str| {
        if !out.is_empty() && !out.ends_with(b"\n") {
            out.push(b'\n');
        }
        out.extend(sign.to_string().repeat(size).bytes());
        if sign != '=' {
            out.extend(format!(" {}", label.replace(['\n', '\r'], " ")).bytes());
        }
        out.push(b'\n');
    };
    for (sign, label, bytes) in parts {
        line(&mut out, sign, label);
        out.extend(bytes);
    }
    line(&mut out, '>', &args.theirs_label);
    out
}
