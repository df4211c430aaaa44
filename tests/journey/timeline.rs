//! `stax secrets history`: who could read since when, held against an independent reading of the
//! log.

use std::fmt::Write as _;

use crate::ledger::commit as commit_of;
use crate::support::{PROD, Sandbox};

#[test]
fn a_history_reads_like_the_story_of_the_file() {
    let sandbox = Sandbox::with_store();
    let ravi = sandbox.person("ravi");
    sandbox
        .add_recipient(&ravi, "Ravi <ravi@example.com>", "engineer")
        .ok();
    sandbox.commit_all("add Ravi");
    sandbox.stax(["secrets", "remove-recipient", "ravi"]).ok();
    sandbox.commit_all("remove Ravi");
    let text = sandbox.stax(["secrets", "history"]).ok();
    insta::assert_snapshot!(sandbox.scrub(&text.stdout), @"
    production  infra/secrets/prod.enc.yaml
      [DATE] [COMMIT]  - Ravi  by Ana Silva; new data key, every value re-encrypted
      [DATE] [COMMIT]  + Ravi (engineer)  by Ana Silva; opens versions back to [COMMIT]
      [DATE] [COMMIT]  + Ana Silva (owner)  by Ana Silva
    today: Ana Silva; policy, recipients.md and file agreed in all 3 commits
    ");
    text.says("names and dates are what the commits claim; none of 3 is signed");
    sandbox
        .keyless()
        .stax(["secrets", "history"])
        .ok()
        .prints("probably under a new data key");
    // back again: both intervals
    let back = sandbox
        .stax(["secrets", "add-recipient", &ravi.key(), "--rotate"])
        .ok();
    back.says("is Ravi <ravi@example.com>, named in infra/secrets/recipients.md at ")
        .prints("Ravi <ravi@example.com>, engineer:");
    sandbox.commit_all("Ravi is back");
    let json = sandbox.stax(["secrets", "history", "--json"]).ok().json();
    let people = json["subjects"][0]["recipients"]
        .as_array()
        .expect("people");
    let person = people
        .iter()
        .find(|person| person["recipient"] == ravi.key())
        .expect("Ravi");
    assert_eq!(
        person["in_policy"].as_array().map(Vec::len),
        Some(2),
        "{json}"
    );
    assert_eq!(
        person["in_file"].as_array().map(Vec::len),
        Some(2),
        "{json}"
    );
    sandbox
        .stax(["secrets", "recipients"])
        .ok()
        .prints("away from ");
    let (left, returned) = (
        commit_of(&sandbox, "remove Ravi"),
        commit_of(&sandbox, "Ravi is back"),
    );
    sandbox
        .stax(["secrets", "exposure", "ravi"])
        .ok()
        .prints("and reads it today, not from ")
        .prints(&format!("not from {left} ("))
        .prints(&format!("until {returned} ("));
    sandbox
        .stax(["secrets", "history", "-n", "1"])
        .ok()
        .prints("+ Ravi")
        .prints("and 3 commits more");
}

#[test]
fn a_smuggled_recipient_and_a_lagging_file_are_told_apart() {
    let sandbox = Sandbox::with_store();
    let (ravi, mallory) = (sandbox.person("ravi"), sandbox.person("mallory"));
    sandbox.add_to_policy_only(&sandbox.key(), &ravi.key());
    sandbox
        .git(["commit", "--quiet", "--no-verify", "-am", "policy first"])
        .ok();
    let policy = sandbox.read(".sops.yaml");
    sandbox.add_to_policy_only(&sandbox.key(), &mallory.key());
    sandbox.sops(["updatekeys", "-y", PROD]).ok();
    sandbox.write(".sops.yaml", policy);
    sandbox
        .git([
            "commit",
            "--quiet",
            "--no-verify",
            "-am",
            "more than the policy says",
        ])
        .ok();
    let text = sandbox.keyless().stax(["secrets", "history"]).ok();
    text.prints("(policy only)")
        .prints("(file only)")
        .prints("(file follows)")
        .prints("disagreed after 2 of 3 commits: ");
}

#[test]
fn names_landings_and_signatures_are_shown_as_far_as_git_can_tell() {
    let sandbox = Sandbox::with_store();
    sandbox.git(["checkout", "--quiet", "-b", "side"]).ok();
    let ravi = sandbox.person("ravi");
    sandbox.add_recipient(&ravi, "Ravi", "").ok();
    sandbox.commit_all("add Ravi");
    sandbox.git(["checkout", "--quiet", "main"]).ok();
    sandbox.write("notes.txt", "x\n");
    sandbox.commit_all("notes");
    sandbox.git(["merge", "--quiet", "--no-edit", "side"]).ok();
    let merge = sandbox.git(["rev-parse", "--short=7", "HEAD"]).ok().stdout;
    sandbox
        .stax([
            "secrets",
            "recipients",
            "--set-name",
            &ravi.key(),
            "Ravi Patel",
        ])
        .ok();
    // ssh signatures need no agent
    sandbox.sh("ssh-keygen -q -t ed25519 -N '' -f ../sign && echo \"ana@example.com $(cat ../sign.pub)\" > ../allowed").ok();
    for (name, value) in [
        ("gpg.format", "ssh"),
        ("user.signingkey", "../sign.pub"),
        ("gpg.ssh.allowedSignersFile", "../allowed"),
    ] {
        let value = if value.starts_with("..") {
            sandbox.path(value).display().to_string()
        } else {
            value.into()
        };
        sandbox.git(["config", name, &value]).ok();
    }
    sandbox.stax(["secrets", "rotate"]).ok();
    sandbox
        .git(["commit", "--quiet", "-S", "-am", "signed rotation"])
        .ok();
    let text = sandbox.stax(["secrets", "history"]).ok();
    text.prints(&format!(
        "+ Ravi Patel  by Ana Silva, merged in {}",
        merge.trim()
    ))
    .prints("= rotated  by Ana Silva; new data key")
    .prints("names\n")
    .prints("Ravi -> Ravi Patel  by Ana Silva")
    .says("1 of 3 is signed and git verifies it");
    sandbox
        .git(["config", "gpg.ssh.allowedSignersFile", "/nowhere"])
        .ok();
    sandbox
        .stax(["secrets", "history"])
        .ok()
        .says("1 of 3 is signed and git cannot check it here");
}

#[test]
fn a_policy_that_moved_and_a_late_table_are_seen() {
    let sandbox = Sandbox::with_store();
    sandbox
        .sh("mkdir -p infra && git mv .sops.yaml infra/.sops.yaml")
        .ok();
    sandbox
        .git(["commit", "--quiet", "--no-verify", "-m", "a policy below"])
        .ok();
    sandbox.git(["mv", "infra/.sops.yaml", ".sops.yaml"]).ok();
    sandbox
        .git(["commit", "--quiet", "--no-verify", "-m", "and back"])
        .ok();
    let first = sandbox
        .git(["log", "--reverse", "--format=%h", "--abbrev=7"])
        .ok()
        .stdout;
    let json = sandbox
        .stax(["secrets", "recipients", "--json"])
        .ok()
        .json();
    assert_eq!(
        json["recipients"][0]["commit"],
        first.lines().next().expect("a commit"),
        "{json}"
    );
    let roster = sandbox.read("infra/secrets/recipients.md");
    let today = sandbox.sh("date -u +%Y-%m-%d").stdout;
    sandbox.write(
        "infra/secrets/recipients.md",
        roster.replace(today.trim(), "2099-01-01"),
    );
    let verify = sandbox.stax(["secrets", "verify"]).ok();
    verify
        .prints("warning[R02 onboarded]: Ana Silva <ana@example.com> is in the policy since ")
        .prints("not since 2099-01-01");
}

const KEYS: [&str; 4] = ["age1aaaa", "age1bbbb", "age1cccc", "age1dddd"];

/// A repository of some hundred commits with branches and merges, written by `git fast-import`: who
/// reads is changed in the policy, in the file, in both, and taken back by merges.
fn generated(commits: usize, seed: u64) -> String {
    let mut state = seed;
    let mut dice = move |sides: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % sides
    };
    // per branch: its newest commit, and the lists of policy and file as bits
    let mut branches: Vec<(usize, u64, u64)> = vec![(1, 1, 1)];
    let mut stream = commit(1, 1, 1, &[]);
    for mark in 2..=commits {
        let at = dice(branches.len() as u64) as usize;
        let (tip, mut policy, mut file) = branches[at];
        let mut parents = vec![tip];
        match dice(10) {
            0 if branches.len() < 4 => branches.push((tip, policy, file)),
            1 | 2 if branches.len() > 1 => {
                let other = branches.remove(if at == 0 { 1 } else { 0 });
                parents.push(other.0);
                match dice(3) {
                    0 => (policy, file) = (other.1, other.2),
                    1 => (policy, file) = (policy & other.1, file | other.2),
                    _ => {}
                }
            }
            3..=5 => policy ^= 1 << dice(4),
            6 | 7 => file ^= 1 << dice(4),
            8 => {
                let bit = 1 << dice(4);
                (policy, file) = (policy ^ bit, file ^ bit);
            }
            _ => {}
        }
        let list = branches
            .iter_mut()
            .find(|branch| branch.0 == tip)
            .expect("the branch");
        *list = (mark, policy, file);
        stream += &commit(mark, policy, file, &parents);
    }
    // everything ends in one merge
    let tips: Vec<usize> = branches.iter().map(|branch| branch.0).collect();
    let (_, policy, file) = branches[0];
    stream + &commit(commits + 1, policy, file, &tips)
}

fn commit(mark: usize, policy: u64, file: u64, parents: &[usize]) -> String {
    let list = |bits: u64| {
        (0..4)
            .filter(move |bit| bits & (1 << bit) != 0)
            .map(|bit| KEYS[bit])
    };
    let rules = format!(
        "creation_rules:\n  - path_regex: ^f\\.yaml$\n    age: '{}'\n",
        list(policy).collect::<Vec<_>>().join(",")
    );
    let iv = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let tag = "MDEyMzQ1Njc4OTAxMjM0NQ==";
    let mut text =
        format!("A: ENC[AES256_GCM,data:YQ==,iv:{iv},tag:{tag},type:str]\nsops:\n    age:\n");
    for key in list(file | 1 << 4).chain(["age1zzzz"]) {
        let _ = writeln!(text, "        - recipient: {key}\n          enc: of {key}");
    }
    text += "    lastmodified: \"2026-01-01T00:00:00Z\"\n    mac: x\n    version: 3.11.0\n";
    let time = 1_700_000_000 + mark * 60;
    // such commits exist
    let who = if mark.is_multiple_of(7) {
        "<>"
    } else {
        "Ana <a@x>"
    };
    let mut out =
        format!("commit refs/heads/main\nmark :{mark}\ncommitter {who} {time} +0000\ndata 1\nx\n");
    for (at, parent) in parents.iter().enumerate() {
        let _ = writeln!(out, "{} :{parent}", if at == 0 { "from" } else { "merge" });
    }
    for (path, text) in [(".sops.yaml", rules), ("f.yaml", text)] {
        let _ = write!(out, "M 100644 inline {path}\ndata {}\n{text}\n", text.len());
    }
    out
}

/// Another reading of the same log, over `git rev-list`, `git show` and `git merge-base` alone.
const ORACLE: &str = r#"
import re, subprocess
def git(*args):
    return subprocess.run(("git",) + args, capture_output=True, text=True).stdout
def lists(commit, memo={}):
    if commit not in memo:
        policy = re.search(r"age: '(.*)'", git("show", commit + ":.sops.yaml")).group(1)
        file = re.findall(r"recipient: (\S+)", git("show", commit + ":f.yaml"))
        memo[commit] = {"policy": set(filter(None, policy.split(","))), "file": set(file)}
    return memo[commit]
for line in git("rev-list", "--parents", "HEAD").splitlines():
    commit, *parents = line.split()
    for kind in ("policy", "file"):
        now = lists(commit)[kind]
        before = [lists(parent)[kind] for parent in parents]
        for who in sorted(set().union(now, *before)):
            is_in, were = who in now, [who in side for side in before]
            changed = all(was != is_in for was in were)
            if not changed and len(parents) == 2 and any(was != is_in for was in were):
                bases = git("merge-base", "--all", *parents).split()
                changed = all((who in lists(base)[kind]) == is_in for base in bases)
            if changed:
                print(commit, "+" if is_in else "-", kind, who)
"#;

#[test]
fn an_independent_reading_of_the_log_finds_the_same_events() {
    for seed in [7, 2026] {
        let sandbox = Sandbox::new();
        sandbox.git(["init", "--quiet"]).ok();
        let stream = generated(300, seed);
        sandbox
            .run("git", ["fast-import", "--quiet"], stream.as_bytes())
            .ok();
        sandbox.git(["checkout", "--quiet", "--force", "main"]).ok();
        let oracle = sandbox.run("python3", ["-c", ORACLE], b"").ok();
        let mut expected: Vec<String> = oracle.stdout.lines().map(str::to_owned).collect();
        let json = sandbox.stax(["secrets", "history", "--json"]).ok().json();
        let mut found = Vec::new();
        for row in json["subjects"][0]["rows"].as_array().expect("rows") {
            for step in row["moves"].as_array().expect("moves") {
                let sign = if step["came"] == true { "+" } else { "-" };
                for kind in ["policy", "file"] {
                    if step[format!("in_{kind}")] == true {
                        let (commit, who) = (row["commit"].as_str(), step["recipient"].as_str());
                        found.push(format!(
                            "{} {sign} {kind} {}",
                            commit.expect("a commit"),
                            who.expect("a key")
                        ));
                    }
                }
            }
        }
        expected.sort();
        found.sort();
        assert!(expected.len() > 200, "the history says too little");
        assert_eq!(found, expected, "seed {seed}");
    }
}

#[test]
fn without_a_policy_at_the_root_the_one_below_says_who_reads() {
    let sandbox = Sandbox::with_store();
    sandbox.git(["mv", ".sops.yaml", "infra/.sops.yaml"]).ok();
    sandbox
        .stax(["secrets", "recipients"])
        .ok()
        .prints("infra/.sops.yaml line ")
        .prints("Ana Silva");
}
