//! Commands that die, and disks that fail: nothing is lost, and the next command that writes
//! repairs first.
//!
//! Each writing command at each of its calls, and each call failing with each errno, takes the
//! better part of an hour: `STAX_TEST_CRASH=all cargo test --test journey crash::sweep --
//! --nocapture` (or names: `set,rotate`). By default three commands are killed at what they do to
//! names of files.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::PathBuf;

use crate::support::cut::{Cut, KILLED};
use crate::support::{CANARY, PROD, Person, Sandbox, files_beneath};

const OTHER: &str = "ops/deep/other.enc.yaml";
const REMOVE: &[&str] = &["secrets", "remove-recipient", "ravi", "--all"];
const VALUES: [(&str, &str); 3] = [
    ("DATABASE_URL", "postgres://db.example.com/app"),
    ("STRIPE_SECRET_KEY", CANARY),
    ("PORT", "5432"),
];

/// Two environments in two folders that Ana and Ravi read, committed.
fn store() -> (Sandbox, Person) {
    let sandbox = Sandbox::with_store();
    sandbox
        .stax(["secrets", "init", "--env", "ops", "--file", OTHER])
        .ok();
    sandbox
        .stax_with(["secrets", "set", "OPS", "-e", "ops"], "ops-1\n")
        .ok();
    let ravi = sandbox.person("ravi");
    let key = ravi.key();
    let name = "Ravi <ravi@example.com>";
    sandbox
        .stax([
            "secrets",
            "add-recipient",
            &key,
            "--name",
            name,
            "--role",
            "sre",
            "--all",
        ])
        .ok();
    let rule = format!(
        "  - path_regex: ^plain\\.enc\\.yaml$\n    age: {}\n",
        sandbox.key()
    );
    sandbox.write(".sops.yaml", sandbox.read(".sops.yaml") + &rule);
    sandbox.commit_all("chore(secrets): a store");
    sandbox
        .stax_with(["secrets", "set", "PORT2", "-e", "production"], "1\n")
        .ok();
    sandbox.commit_all("chore(secrets): one more value");
    (sandbox, ravi)
}

fn reads(who: &Person, path: &str) -> bool {
    who.sops(["decrypt", path]).code == 0
}

fn leftovers(who: &Person) -> Vec<PathBuf> {
    let is_left = |path: &PathBuf| {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        (name.starts_with(".stax-") && name.ends_with(".tmp"))
            || (path.starts_with(who.path(".git/stax"))
                && (name.starts_with("journal") || name == "drafts"))
    };
    files_beneath(&who.dir)
        .into_iter()
        .filter(is_left)
        .collect()
}

fn count(calls: &[String], name: &str) -> usize {
    calls.iter().filter(|call| call.starts_with(name)).count()
}

/// Kills the removal of Ravi after two of its four files were replaced.
fn half_removed(sandbox: &Sandbox) {
    let cut = Cut {
        who: sandbox,
        args: REMOVE,
        stdin: "",
    };
    // the journal comes first
    cut.kill("rename", 4).exits(KILLED);
    assert!(sandbox.path(".git/stax/journal").exists());
    let status = sandbox
        .git(["status", "--porcelain", "--untracked-files=no"])
        .ok()
        .stdout;
    assert_eq!(status.lines().count(), 2, "{status}");
}

#[test]
fn a_change_that_was_cut_off_is_told_by_what_reads_and_touched_by_nothing_that_reads() {
    let (sandbox, _) = store();
    half_removed(&sandbox);
    let before = files_beneath(&sandbox.dir);
    let status = sandbox.stax(["secrets", "status"]).ok();
    status
        .prints("Interrupted: a command was cut off: changed are ")
        .prints("not yet ")
        .says("stax secrets resolve");
    let json: serde_json::Value =
        serde_json::from_str(&sandbox.stax(["secrets", "status", "--json"]).ok().stdout)
            .expect("JSON");
    assert_eq!(json["interrupted"]["next_write"], "finished");
    assert_eq!(
        json["interrupted"]["files"].as_array().map(Vec::len),
        Some(4)
    );
    for args in [
        &["verify"][..],
        &["verify", "--keyless"],
        &["recipients"],
        &["exposure"],
        &["rotate", "-n", "--all"],
    ] {
        let said = sandbox.stax(["secrets"].iter().chain(args));
        assert!(said.stderr.contains("a command was cut off"), "{said}");
    }
    for args in [
        &["get", "STRIPE_SECRET_KEY", "-e", "production"][..],
        &["export", "-e", "ops"],
        &["list"],
        &["history"],
    ] {
        sandbox.stax(["secrets"].iter().chain(args));
    }
    assert_eq!(files_beneath(&sandbox.dir), before);
}

#[test]
fn every_command_that_writes_finishes_it_before_it_judges_anything() {
    let (sandbox, ravi) = store();
    sandbox.write("plain.enc.yaml", "A: b\n");
    let newcomer = sandbox.person("mal").key();
    let on_prod = ["-e", "production"];
    let commands: [(&[&str], &str); 17] = [
        (&["set", "FOLLOW", on_prod[0], on_prod[1]], "x\n"),
        (&["unset", "PORT2", on_prod[0], on_prod[1]], ""),
        (&["import", "-", on_prod[0], on_prod[1]], "FOLLOW=x\n"),
        (&["edit", on_prod[0], on_prod[1]], ""),
        (
            &["revert", "PORT", "--to", "HEAD", on_prod[0], on_prod[1]],
            "",
        ),
        (&["encrypt", "-i", "plain.enc.yaml"], ""),
        (&["decrypt", PROD, "-o", "out.txt"], ""),
        (&["rotate", "--all"], ""),
        (
            &[
                "add-recipient",
                &newcomer,
                "--name",
                "Mal",
                "--role",
                "x",
                "--all",
            ],
            "",
        ),
        (&["remove-recipient", "ravi", "--all"], ""),
        (
            &["recipients", "--set-name", "ana", "Ana S <ana@example.com>"],
            "",
        ),
        (&["init", "--env", "staging"], ""),
        (&["install"], ""),
        (&["uninstall"], ""),
        (&["scrub"], ""),
        (&["resolve"], ""),
        (&["resolve", PROD], ""),
    ];
    let editor =
        sandbox.editing("sed 's/5432/5433/' \"$1\" > \"$0.new\" && cat \"$0.new\" > \"$1\"");
    for (args, stdin) in commands {
        sandbox.git(["reset", "--quiet", "--hard"]).ok();
        half_removed(&sandbox);
        let done = editor.stax_with(["secrets"].iter().chain(args), stdin);
        // `remove-recipient` may say that nobody is left to remove, and there is no conflict to
        // resolve
        let may_refuse = ["remove-recipient", "resolve"].contains(&args[0]);
        assert!(done.code == 0 || may_refuse, "{done}");
        assert!(done.stderr.contains("finished its change of"), "{done}");
        assert!(!sandbox.read(".sops.yaml").contains(&ravi.key()), "{done}");
        assert!(!reads(&ravi, PROD) && !reads(&ravi, OTHER), "{done}");
        assert_eq!(leftovers(&sandbox), Vec::<PathBuf>::new(), "{done}");
        let _ = fs::remove_file(sandbox.path("out.txt"));
        sandbox.stax(["secrets", "verify", "--keyless"]).ok();
        sandbox.stax(["secrets", "install"]).ok();
        sandbox
            .git(["clean", "--quiet", "-fd", "infra", "ops"])
            .ok();
    }
    let link = sandbox.stax(["vault", "link", "--env", "plain", "plain.enc.yaml"]);
    assert!(link.code == 0, "{link}");
}

#[test]
fn what_was_changed_since_is_not_overwritten_and_is_named() {
    let (sandbox, _) = store();
    half_removed(&sandbox);
    // by hand, or by another tool
    for path in [PROD, OTHER, ".sops.yaml"] {
        let text = sandbox.read(path);
        sandbox.write(path, format!("{text}# mine\n"));
    }
    sandbox
        .stax(["secrets", "status"])
        .ok()
        .prints("it cannot be finished");
    let done = sandbox.stax(["secrets", "resolve"]).ok();
    assert!(
        done.stderr
            .contains("it cannot be finished, since files were changed in between"),
        "{done}"
    );
    for path in [PROD, OTHER, ".sops.yaml"] {
        assert!(sandbox.read(path).ends_with("# mine\n"), "{path}");
    }
    assert_eq!(leftovers(&sandbox), Vec::<PathBuf>::new());
}

#[test]
fn a_journal_of_an_older_stax_waits_for_a_yes_at_a_terminal() {
    let (sandbox, ravi) = store();
    half_removed(&sandbox);
    let path = sandbox.path(".git/stax/journal");
    let text = fs::read_to_string(&path).expect("a journal");
    let files = text
        .split_once("\"files\":")
        .and_then(|(_, rest)| rest.strip_suffix('}'))
        .expect("the files");
    let old = format!(
        "{{\"version\":1,\"root\":{:?},\"files\":{files}}}",
        sandbox.dir.to_str().expect("a path")
    );
    fs::write(&path, &old).expect("the journal of before");
    sandbox
        .stax(["secrets", "status"])
        .ok()
        .prints("nothing proves who wrote");
    let before = sandbox.bytes(OTHER);
    let refused = sandbox
        .stax_with(["secrets", "set", "X", "-e", "production"], "x\n")
        .exits(2);
    for said in [
        OTHER,
        "answer yes at a terminal: stax secrets resolve",
        ".git/stax/journal",
    ] {
        assert!(refused.stderr.contains(said), "no {said}: {refused}");
    }
    assert_eq!(
        (
            fs::read_to_string(&path).expect("it stays"),
            sandbox.bytes(OTHER)
        ),
        (old, before)
    );
    // as the hint says
    fs::remove_file(&path).expect("rm");
    sandbox.stax(["secrets", "resolve"]).ok();
    assert!(reads(&ravi, OTHER), "the files stayed as they were");
    assert_eq!(leftovers(&sandbox), Vec::<PathBuf>::new());
}

#[test]
fn a_journal_that_came_with_a_folder_is_set_aside_and_does_nothing() {
    let (sandbox, ravi) = store();
    half_removed(&sandbox);
    // the same user, another folder: what an archive of the folder brings along
    let copy = sandbox.at(sandbox.place().join("copy"));
    sandbox
        .run(
            "cp",
            ["-a".as_ref(), sandbox.dir.as_os_str(), copy.dir.as_os_str()],
            b"",
        )
        .ok();
    let (here, there) = (sandbox.bytes(OTHER), copy.bytes(OTHER));
    let done = copy.stax(["secrets", "resolve"]).ok();
    assert!(done.stderr.contains("journal.foreign-1"), "{done}");
    assert!(copy.path(".git/stax/journal.foreign-1").exists());
    assert_eq!((sandbox.bytes(OTHER), copy.bytes(OTHER)), (here, there));
    // another user, the same folder
    let mallory = ravi.with("XDG_CONFIG_HOME", ravi.home.join("elsewhere"));
    mallory.stax(["secrets", "resolve"]).ok();
    assert!(sandbox.path(".git/stax/journal.foreign-1").exists());
    assert!(reads(&ravi, OTHER));
    // and one that names a file elsewhere
    let elsewhere = sandbox.place().join("elsewhere");
    fs::create_dir(&elsewhere).expect("a folder");
    fs::write(elsewhere.join("a"), "old").expect("a file");
    let journal = format!("{{\"version\":1,\"root\":{elsewhere:?},\"files\":[]}}");
    fs::write(sandbox.path(".git/stax/journal"), journal).expect("a journal");
    sandbox.stax(["secrets", "resolve"]).ok();
    assert!(sandbox.path(".git/stax/journal.foreign-2").exists());
    assert_eq!(
        fs::read_to_string(elsewhere.join("a")).expect("a file"),
        "old"
    );
}

#[test]
fn a_linked_work_tree_repairs_its_own_change_and_no_other() {
    let (sandbox, ravi) = store();
    let linked = sandbox.at(sandbox.place().join("linked"));
    sandbox
        .git([
            "worktree",
            "add",
            "--quiet",
            "--detach",
            &linked.dir.to_string_lossy(),
        ])
        .ok();
    half_removed(&sandbox);
    let done = linked
        .stax_with(["secrets", "set", "X", "-e", "ops"], "x\n")
        .ok();
    assert!(!done.stderr.contains("cut off"), "{done}");
    assert!(reads(&ravi.at(&linked.dir), OTHER) && sandbox.path(".git/stax/journal").exists());
    sandbox.stax(["secrets", "resolve"]).ok();
    assert!(!reads(&ravi, OTHER));
    let cut = Cut {
        who: &linked,
        args: REMOVE,
        stdin: "",
    };
    linked.git(["reset", "--quiet", "--hard"]).ok();
    cut.kill("rename", 4).exits(KILLED);
    assert!(sandbox.path(".git/worktrees/linked/stax/journal").exists());
    linked.stax(["secrets", "resolve"]).ok();
    assert!(!reads(&ravi.at(&linked.dir), OTHER));
    assert_eq!(leftovers(&linked), Vec::<PathBuf>::new());
}

#[test]
fn temporary_files_are_swept_wherever_a_killed_command_left_them() {
    let (sandbox, _) = store();
    let cut = Cut {
        who: &sandbox,
        args: REMOVE,
        stdin: "",
    };
    let calls = cut.calls();
    let mut met = 0;
    for number in 1..=count(&calls, "fsync").min(4) {
        sandbox.git(["reset", "--quiet", "--hard"]).ok();
        cut.kill("fsync", number).exits(KILLED);
        met += usize::from(
            leftovers(&sandbox)
                .iter()
                .any(|path| path.extension().is_some()),
        );
        // none of the folders of the removal but its own
        sandbox.stax(["secrets", "resolve"]).ok();
        assert_eq!(
            leftovers(&sandbox),
            Vec::<PathBuf>::new(),
            "killed at flush {number}"
        );
    }
    assert!(met > 2, "{met}");
}

#[test]
fn the_lock_of_a_killed_git_is_named_with_what_to_do() {
    let sandbox = Sandbox::with_store();
    let lock = sandbox.path(".git/config.lock");
    for args in [&["uninstall"][..], &["install"], &["install", "--guard"]] {
        fs::write(&lock, "").expect("a lock");
        let refused = sandbox.stax(["secrets"].iter().chain(args)).exits(2);
        assert!(
            refused.stderr.contains(&format!("rm {}", lock.display())),
            "{refused}"
        );
        fs::remove_file(&lock).expect("rm");
        sandbox.stax(["secrets"].iter().chain(args)).ok();
    }
    let home = sandbox.home.join(".gitconfig.lock");
    fs::write(&home, "").expect("a lock");
    let refused = sandbox.stax(["secrets", "install", "--global"]).exits(2);
    assert!(
        refused.stderr.contains(&format!("rm {}", home.display())),
        "{refused}"
    );
}

/// One writing command of the sweep.
struct Command {
    args: Vec<&'static str>,
    stdin: &'static str,
    /// Whether the work tree is as the command leaves it.
    is_done: fn(&Person) -> bool,
}

fn commands() -> Vec<Command> {
    let command = |line: &'static str, stdin, is_done| Command {
        args: std::iter::once("secrets").chain(line.split(' ')).collect(),
        stdin,
        is_done,
    };
    vec![
        command("remove-recipient ravi --all", "", |who| {
            !who.read(".sops.yaml").contains(&ravi(who))
        }),
        command("set NEW -e production", "n1\n", |who| {
            value(who, "NEW") == "n1\n"
        }),
        command("unset PORT2 -e production", "", |who| {
            value(who, "PORT2").is_empty()
        }),
        command("import - -e production", "NEW=n1\nNEWER=n2\n", |who| {
            value(who, "NEWER") == "n2\n"
        }),
        command("edit -e production", "", |who| value(who, "PORT2") == "2\n"),
        command("revert PORT2 --to HEAD -e production", "", |who| {
            value(who, "PORT2") == "1\n"
        }),
        command("encrypt -i plain.enc.yaml", "", |who| {
            who.read("plain.enc.yaml").contains("ENC[")
        }),
        command("rotate --all", "", |who| {
            !who.git(["diff", "--name-only"]).stdout.is_empty()
        }),
        command(
            "add-recipient age147zy7f5juz43arn96sadlx2ftg2ulshsvplc8l3q68570w9t69fsmy4d78 --name M --role x --all",
            "",
            |who| {
                who.read(OTHER)
                    .contains("age147zy7f5juz43arn96sadlx2ftg2ulshsvplc8l3q68570w9t69fsmy4d78")
            },
        ),
        command("recipients --set-name ana Anna", "", |who| {
            who.read("infra/secrets/recipients.md").contains("Anna")
        }),
        command("init --env staging", "", |who| {
            who.read(".stax/vault.json").contains("staging")
        }),
        command("install --guard", "", |who| {
            who.read(".git/config").contains("filter")
        }),
        command("uninstall", "", |who| {
            !who.read(".git/config").contains("textconv")
        }),
        command("scrub", "", |_| true),
    ]
}

fn value(who: &Person, key: &str) -> String {
    who.stax(["secrets", "get", key, "-e", "production"]).stdout
}

fn ravi(who: &Person) -> String {
    let file = who
        .home
        .parent()
        .expect("the people")
        .join("ravi/.config/sops/age/keys.txt");
    let text = fs::read_to_string(file).expect("the key of Ravi");
    text.lines()
        .find_map(|line| line.strip_prefix("# public key: "))
        .expect("a key")
        .to_owned()
}

struct Sweep {
    sandbox: Sandbox,
    who: Person,
    base: PathBuf,
    met: usize,
    wrong: Vec<String>,
}

impl Sweep {
    fn new() -> Self {
        let (sandbox, _) = store();
        sandbox.write("plain.enc.yaml", "A: b\n");
        let base = sandbox.place().join("base");
        sandbox
            .run(
                "cp",
                ["-a".as_ref(), sandbox.dir.as_os_str(), base.as_os_str()],
                b"",
            )
            .ok();
        let who = sandbox.editing(
            "sed 's/^PORT2: .*/PORT2: \"2\"/' \"$1\" > \"$0.new\" && cat \"$0.new\" > \"$1\"",
        );
        Self {
            sandbox,
            who,
            base,
            met: 0,
            wrong: Vec::new(),
        }
    }

    fn renew(&self) {
        fs::remove_dir_all(&self.sandbox.dir).expect("rm");
        self.who
            .at(self.sandbox.place())
            .run(
                "cp",
                [
                    "-a".as_ref(),
                    self.base.as_os_str(),
                    self.sandbox.dir.as_os_str(),
                ],
                b"",
            )
            .ok();
    }

    /// What the next writing command leaves, whatever came before it.
    fn judge(&mut self, command: &Command, what: &str, code: i32) {
        self.met += 1;
        let who = &self.who;
        // a config.lock is git's, and its message says what to do
        let _ = fs::remove_file(who.path(".git/config.lock"));
        if code == 0 && !(command.is_done)(who) {
            self.wrong
                .push(format!("{what}: exit code 0, and nothing was done"));
        }
        let follow = who.stax_with(["secrets", "set", "FOLLOW", "-e", "production"], "f\n");
        let verify = who.stax(["secrets", "verify", "--keyless"]);
        let left = leftovers(who);
        if follow.code != 0 || verify.code != 0 || !left.is_empty() {
            self.wrong
                .push(format!("{what}: {left:?}\n{follow}\n{verify}"));
        }
        for (key, value) in VALUES {
            if who.stax(["secrets", "get", key, "-e", "production"]).stdout != format!("{value}\n")
            {
                self.wrong.push(format!("{what}: {key} is lost"));
            }
        }
        if who.stax(["secrets", "get", "OPS", "-e", "ops"]).stdout != "ops-1\n" {
            self.wrong.push(format!("{what}: OPS is lost"));
        }
    }

    fn kills(&mut self, command: &Command, names: &[&str]) {
        self.renew();
        let who = self.who.clone();
        let cut = Cut {
            who: &who,
            args: &command.args,
            stdin: command.stdin,
        };
        let calls = cut.calls();
        for name in names {
            for number in 1..=count(&calls, name) {
                self.renew();
                let code = cut.kill(name, number).code;
                self.judge(
                    command,
                    &format!("{} killed at {name} {number}", command.args[1]),
                    code,
                );
            }
        }
    }

    fn failures(&mut self, command: &Command, errnos: &[(&str, i32)]) {
        for (name, errno) in errnos {
            for number in 1.. {
                self.renew();
                let who = self.who.clone();
                let cut = Cut {
                    who: &who,
                    args: &command.args,
                    stdin: command.stdin,
                };
                let Some(done) = cut.fail(number, *errno) else {
                    break;
                };
                self.judge(
                    command,
                    &format!("{} with {name} at call {number}", command.args[1]),
                    done.code,
                );
            }
        }
    }

    #[expect(clippy::print_stdout, reason = "a long run says what it met")]
    fn end(self) {
        println!(
            "{} crashes and failures, {} not repaired",
            self.met,
            self.wrong.len()
        );
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
    }
}

#[test]
fn sweep_of_writing_commands_loses_nothing_and_leaves_nothing_half_done() {
    let asked = std::env::var("STAX_TEST_CRASH").unwrap_or_default();
    let few = ["remove-recipient", "set", "init"];
    let wants = |name: &str| match asked.as_str() {
        "" => few.contains(&name),
        "all" => true,
        names => names.split(',').any(|asked| asked == name),
    };
    let mut sweep = Sweep::new();
    for command in commands().iter().filter(|command| wants(command.args[1])) {
        let before = (sweep.met, sweep.wrong.len());
        if !asked.is_empty() {
            sweep.kills(command, &[""]);
            sweep.failures(
                command,
                &[("ENOSPC", 28), ("EIO", 5), ("EROFS", 30), ("EACCES", 13)],
            );
        } else {
            sweep.kills(command, &["rename", "unlink"]);
        }
        println!(
            "{}: {} met, {} wrong",
            command.args[1],
            sweep.met - before.0,
            sweep.wrong.len() - before.1
        );
    }
    assert!(sweep.met > 15, "{} with {asked:?}", sweep.met);
    sweep.end();
}

#[test]
fn commands_about_people_land_beside_other_writers() {
    let (sandbox, ravi) = store();
    let people: Vec<Person> = ["mia", "noa", "oli"]
        .map(|name| sandbox.person(name))
        .into();
    let keys: Vec<String> = people.iter().map(Person::key).collect();
    let adds = keys.iter().map(|key| {
        vec![
            "add-recipient",
            key,
            "--name",
            key,
            "--role",
            "dev",
            "--all",
        ]
    });
    let sets = ["ONE", "TWO"].map(|key| vec!["set", key, "-e", "ops"]);
    let others = [vec!["remove-recipient", "ravi"], vec!["rotate", "--all"]];
    let all: Vec<Vec<&str>> = adds.chain(sets).chain(others).collect();
    std::thread::scope(|scope| {
        let run =
            |args: Vec<&str>| sandbox.stax_with(["secrets"].iter().copied().chain(args), "v\n");
        let running: Vec<_> = all
            .into_iter()
            .map(|args| scope.spawn(move || run(args)))
            .collect();
        running
            .into_iter()
            .for_each(|one| drop(one.join().expect("a thread").ok()));
    });
    let policy = sandbox.read(".sops.yaml");
    assert!(
        keys.iter().all(|key| policy.contains(key)) && !policy.contains(&ravi.key()),
        "{policy}"
    );
    let roster = sandbox.read("infra/secrets/recipients.md");
    assert!(keys.iter().all(|key| roster.contains(key)), "{roster}");
    assert!(
        people
            .iter()
            .all(|who| reads(who, PROD) && reads(who, OTHER))
            && !reads(&ravi, PROD)
    );
    for key in ["ONE", "TWO"] {
        sandbox
            .stax(["secrets", "get", key, "-e", "ops"])
            .ok()
            .prints_exactly("v\n");
    }
    sandbox.stax(["secrets", "verify", "--keyless"]).ok();
    assert_eq!(leftovers(&sandbox), Vec::<PathBuf>::new());
}
