//! The way out: the three versions merged as text, by git, with markers that nobody can overlook.

use std::fs;
use std::path::Path;

use super::Args;
use crate::process::TIMEOUT;
use crate::workspace::git;

/// Leaves conflict markers in ours, whatever happens.
pub(super) fn merge(args: &Args) {
    let before = fs::read(&args.ours).unwrap_or_default();
    // where git's merge is clean the MAC of the result cannot be right
    if matches!(as_git(args, &["--diff3"]), None | Some(0)) {
        let part = |path: &Path| fs::read(path).unwrap_or_default();
        let whole = whole(args, &before, &part(&args.base), &part(&args.theirs));
        let _ = fs::write(&args.ours, whole);
    }
}

/// Merges as git does where no driver is; says how many conflicts it marked. `None` when it could
/// not.
pub(super) fn as_git(args: &Args, style: &[&str]) -> Option<i32> {
    let file = |path: &Path| {
        path.to_str()
            .map(|path| Path::new(".").join(path).display().to_string())
    };
    let files = [&args.ours, &args.base, &args.theirs].map(|path| file(path));
    let [Some(ours), Some(base), Some(theirs)] = files else {
        return None;
    };
    let size = format!(
        "--marker-size={}",
        args.size.parse::<u8>().unwrap_or(7).max(7)
    );
    let labels = [&args.ours_label, &args.base_label, &args.theirs_label];
    let labels = labels.map(|label| label.replace(['\n', '\r'], " "));
    let mut words = [&["merge-file", "--quiet", &size], style].concat();
    labels.iter().for_each(|label| words.extend(["-L", label]));
    words.extend([&*ours, &base, &theirs]);
    // it reads the style of conflicts from the configuration, and starts nothing
    let ended = git::run(None, Path::new("."), &words, TIMEOUT);
    ended
        .ok()?
        .status
        .code()
        .filter(|conflicts| (0..=127).contains(conflicts))
}

fn whole(args: &Args, ours: &[u8], base: &[u8], theirs: &[u8]) -> Vec<u8> {
    let size = args.size.parse::<u8>().unwrap_or(7).max(7).into();
    let mut out = Vec::new();
    let parts = [
        ('<', &args.ours_label, ours),
        ('|', &args.base_label, base),
        ('=', &args.base_label, theirs),
    ];
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
