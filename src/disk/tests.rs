use std::cell::Cell;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use tempfile::TempDir;

use super::*;

mod owners;

struct Sandbox {
    home: TempDir,
}

impl Sandbox {
    fn new(files: &[(&str, &str)]) -> Self {
        let sandbox = Self {
            home: TempDir::new().unwrap(),
        };
        fs::create_dir(sandbox.root()).unwrap();
        for (path, text) in files {
            sandbox.put(path, text);
        }
        sandbox
    }

    fn root(&self) -> PathBuf {
        self.home.path().join("root")
    }

    fn site(&self) -> Site {
        let git = self.home.path().join("git");
        Site::of_clone(&self.root(), &git, &git).with_key(|| Some(DerivedKey::new([7; 32])))
    }

    fn records(&self) -> PathBuf {
        self.home.path().join("git/stax")
    }

    fn journal(&self) -> PathBuf {
        self.records().join("journal")
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap()
    }

    fn commit(&self, writes: &[Write]) -> Result<(), DiskError> {
        commit(&self.root(), &self.site(), writes, &|_| Ok(()))
    }

    /// Every name below the root, to see that nothing is left behind.
    fn names(&self) -> Vec<String> {
        fn walk(folder: &Path, names: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                match entry.file_type().unwrap().is_dir() {
                    true => walk(&entry.path(), names),
                    false => names.push(entry.file_name().into_string().unwrap()),
                }
            }
        }
        let mut names = Vec::new();
        walk(&self.root(), &mut names);
        names.sort();
        names
    }
}

fn write(path: &str, before: Option<&str>, after: &str) -> Write {
    let before = before.map(|text| text.as_bytes().to_vec());
    Write {
        path: path.into(),
        before,
        after: after.as_bytes().to_vec(),
        mode: None,
    }
}

fn mode(path: PathBuf) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn files_are_replaced_created_and_keep_their_mode() {
    let sandbox = Sandbox::new(&[("a", "old"), ("same", "x")]);
    fs::set_permissions(sandbox.root().join("a"), fs::Permissions::from_mode(0o640)).unwrap();
    let script = Write {
        mode: Some(0o755),
        ..write("run", None, "#!")
    };
    let writes = [
        write("a", Some("old"), "new"),
        write("d/e/b", None, "b"),
        write("same", Some("x"), "x"),
        script,
    ];
    sandbox.commit(&writes).unwrap();
    assert_eq!(
        (sandbox.text("a"), sandbox.text("d/e/b")),
        ("new".to_owned(), "b".to_owned())
    );
    let modes = ["a", "d/e/b", "run"].map(|path| mode(sandbox.root().join(path)));
    assert_eq!(modes, [0o640, 0o644, 0o755]);
    assert_eq!(sandbox.names(), ["a", "b", "run", "same"]);
    assert!(!sandbox.journal().exists());
    assert_eq!(mode(sandbox.records()), 0o700);
}

#[test]
fn what_changed_meanwhile_is_never_overwritten() {
    for (now, planned) in [
        ("other", Some("old")),
        ("older", Some("old")),
        ("", Some("old")),
        ("x", None),
    ] {
        let sandbox = Sandbox::new(&[("a", "1"), ("b", now)]);
        let result = sandbox.commit(&[write("a", Some("1"), "2"), write("b", planned, "new")]);
        assert!(
            matches!(result, Err(DiskError::Changed(_) | DiskError::Exists(_))),
            "{now}"
        );
        assert_eq!(
            (sandbox.text("a"), sandbox.text("b")),
            ("1".to_owned(), now.to_owned())
        );
        assert_eq!(sandbox.names(), ["a", "b"]);
    }
    let sandbox = Sandbox::new(&[]);
    assert!(matches!(
        sandbox.commit(&[write("gone", Some("x"), "y")]),
        Err(DiskError::Changed(_))
    ));
}

#[test]
fn a_change_between_check_and_rename_is_seen() {
    let sandbox = Sandbox::new(&[("a", "1"), ("b", "1")]);
    let calls = Cell::new(0);
    let meddle = |_: &Write| {
        calls.set(calls.get() + 1);
        if calls.get() == 2 {
            sandbox.put("a", "theirs");
        }
        Ok(())
    };
    let writes = [write("a", Some("1"), "2"), write("b", Some("1"), "2")];
    let result = commit(&sandbox.root(), &sandbox.site(), &writes, &meddle);
    assert!(matches!(result, Err(DiskError::Changed(path)) if path == Path::new("a")));
    assert_eq!(
        (sandbox.text("a"), sandbox.text("b")),
        ("theirs".to_owned(), "1".to_owned())
    );
    assert_eq!(sandbox.names(), ["a", "b"]);
}

#[test]
fn a_refused_check_and_a_late_failure_leave_the_old_files() {
    let sandbox = Sandbox::new(&[("a", "1"), ("b", "1")]);
    let writes = [write("a", Some("1"), "2"), write("b", Some("1"), "2")];
    let refuse = |write: &Write| {
        if write.path == Path::new("b") {
            Err("`KEY` would be in clear".to_owned())
        } else {
            Ok(())
        }
    };
    let result = commit(&sandbox.root(), &sandbox.site(), &writes, &refuse);
    assert_eq!(
        result.unwrap_err().to_string(),
        "b was not written: `KEY` would be in clear"
    );
    // the same file twice: the second rename finds the bytes of the first
    let twice = [
        write("a", Some("1"), "2"),
        write("b", Some("1"), "2"),
        write("a", Some("1"), "3"),
    ];
    assert!(matches!(sandbox.commit(&twice), Err(DiskError::Changed(_))));
    let created = [write("new", None, "2"), write("new", None, "3")];
    assert!(matches!(
        sandbox.commit(&created),
        Err(DiskError::Exists(_))
    ));
    assert_eq!(
        (sandbox.text("a"), sandbox.text("b")),
        ("1".to_owned(), "1".to_owned())
    );
    assert_eq!(sandbox.names(), ["a", "b"]);
    assert!(!sandbox.journal().exists());
}

#[test]
fn no_path_leads_out_of_the_root_or_through_a_symlink() {
    let sandbox = Sandbox::new(&[("real/a", "1")]);
    let outside = sandbox.home.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("a"), "1").unwrap();
    symlink(&outside, sandbox.root().join("link")).unwrap();
    symlink(sandbox.root().join("real/a"), sandbox.root().join("file")).unwrap();
    symlink(outside.join("nothing"), sandbox.root().join("dangling")).unwrap();
    fs::create_dir(sandbox.root().join("folder")).unwrap();
    for path in [
        "link/a",
        "file",
        "dangling",
        "../outside/a",
        "/etc/passwd",
        "folder",
        "real/a/b",
        "",
    ] {
        for before in [Some("1"), None] {
            let result = sandbox.commit(&[write(path, before, "2")]);
            let text = result.unwrap_err().to_string();
            let expected = match path {
                "link/a" | "file" | "dangling" => "is a symlink",
                "folder" => "not a regular file",
                "real/a/b" => "cannot",
                _ => "leads out",
            };
            assert!(text.contains(expected), "{path}: {text}");
        }
        assert!(
            read_beneath(&sandbox.root(), Path::new(path), 100).is_err(),
            "{path}"
        );
    }
    assert_eq!(fs::read_to_string(outside.join("a")).unwrap(), "1");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(
        read_beneath(&sandbox.root(), Path::new("real/a"), 1).unwrap(),
        b"1"
    );
    let missing = read_beneath(&sandbox.root(), Path::new("real/b"), 1);
    assert!(matches!(missing, Err(DiskError::NotFound(_))));
    let small = read_beneath(&sandbox.root(), Path::new("real/a"), 0);
    assert!(matches!(small, Err(DiskError::TooLarge { .. })));
}

#[test]
fn a_read_only_folder_is_named_and_left_alone() {
    // root may write anywhere
    if rustix::process::geteuid().is_root() {
        return;
    }
    let sandbox = Sandbox::new(&[("d/a", "1"), ("b", "1")]);
    let folder = sandbox.root().join("d");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).unwrap();
    let result = sandbox.commit(&[write("b", Some("1"), "2"), write("d/a", Some("1"), "2")]);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    assert!(matches!(result, Err(DiskError::ReadOnly { path, .. }) if path == Path::new("d/a")));
    assert_eq!(
        (sandbox.text("d/a"), sandbox.text("b")),
        ("1".to_owned(), "1".to_owned())
    );
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    // every write to this device fails with ENOSPC; macOS has none
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else {
        return;
    };
    let error = std::io::Write::write_all(&mut &full, b"x").unwrap_err();
    let error = DiskError::new(Path::new("a"), "write", error);
    assert_eq!(error.to_string(), "cannot write a: no space left");
}

#[test]
fn writers_take_turns_and_none_is_lost() {
    let sandbox = Sandbox::new(&[("count", "0")]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    loop {
                        let now = sandbox.text("count");
                        let next = (now.parse::<u32>().unwrap() + 1).to_string();
                        match sandbox.commit(&[write("count", Some(&now), &next)]) {
                            Ok(()) => break,
                            Err(DiskError::Changed(_)) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
            });
        }
    });
    assert_eq!(sandbox.text("count"), "40");
}

#[test]
fn a_held_lock_is_named() {
    let sandbox = Sandbox::new(&[]);
    let _held = Lock::acquire(&sandbox.site(), Duration::ZERO).unwrap();
    let second = Lock::acquire(&sandbox.site(), Duration::from_millis(50));
    let path = sandbox.records().join("lock");
    assert!(matches!(second.map(drop), Err(DiskError::Locked(lock)) if lock == path));
}

/// Leaves the disk as a writer that died: `renamed` of the two files are new already.
fn crash_at(site: &Site, root: &Path, renamed: usize) {
    let writes = [write("a", Some("1"), "2"), write("d/b", None, "2")];
    fs::create_dir_all(root.join("d")).unwrap();
    drop(Lock::acquire(site, Duration::ZERO).unwrap());
    let mut staged: Vec<Staged<'_>> = writes
        .iter()
        .map(|write| Staged::new(root, write, staged::temp_name()).unwrap())
        .collect();
    journal::record(site, &staged).unwrap();
    staged[..renamed]
        .iter_mut()
        .for_each(|one| one.replace().unwrap());
    staged.into_iter().for_each(std::mem::forget);
}

fn crash(sandbox: &Sandbox, renamed: usize) {
    crash_at(&sandbox.site(), &sandbox.root(), renamed);
}

fn fate(site: &Site, is_approved: bool) -> Option<Fate> {
    let seen = interrupted(site).unwrap().map(|found| found.fate);
    let done = repair(site, is_approved).unwrap().map(|found| found.fate);
    assert!(
        done == seen || is_approved,
        "foretold {seen:?}, done {done:?}"
    );
    done
}

#[test]
fn the_next_writer_finishes_what_a_dead_one_began() {
    for (renamed, by_commit) in [
        (0, true),
        (1, true),
        (2, true),
        (0, false),
        (1, false),
        (2, false),
    ] {
        let sandbox = Sandbox::new(&[("a", "1")]);
        crash(&sandbox, renamed);
        match by_commit {
            true => sandbox.commit(&[]).unwrap(),
            false => assert_eq!(fate(&sandbox.site(), false), Some(Fate::Finished)),
        }
        assert_eq!(
            (sandbox.text("a"), sandbox.text("d/b")),
            ("2".to_owned(), "2".to_owned()),
            "{renamed}"
        );
        assert_eq!(sandbox.names(), ["a", "b"]);
        assert!(!sandbox.journal().exists());
        assert_eq!(fate(&sandbox.site(), false), None);
    }
}

#[test]
fn a_change_that_was_cut_off_is_told_and_nothing_is_written() {
    let sandbox = Sandbox::new(&[("a", "1")]);
    crash(&sandbox, 1);
    let names = sandbox.names();
    for _ in 0..2 {
        let found = interrupted(&sandbox.site()).unwrap().unwrap();
        assert_eq!(found.files, [("a".into(), true), ("d/b".into(), false)]);
        assert_eq!(
            (found.journal, found.fate),
            (sandbox.journal().canonicalize().unwrap(), Fate::Finished)
        );
    }
    assert_eq!(
        (sandbox.names(), sandbox.text("a")),
        (names, "2".to_owned())
    );
    // a writer at work has a journal too
    let _held = Lock::acquire(&sandbox.site(), Duration::ZERO).unwrap();
    assert_eq!(interrupted(&sandbox.site()).unwrap(), None);
}

#[test]
fn a_journal_is_dropped_when_a_file_is_neither_old_nor_new() {
    let sandbox = Sandbox::new(&[("a", "1")]);
    crash(&sandbox, 0);
    sandbox.put("a", "theirs");
    assert_eq!(fate(&sandbox.site(), false), Some(Fate::Dropped));
    assert_eq!(sandbox.text("a"), "theirs");
    assert_eq!(sandbox.names(), ["a"]);

    let sandbox = Sandbox::new(&[("a", "1")]);
    crash(&sandbox, 0);
    let temp = sandbox
        .names()
        .into_iter()
        .find(|name| name.starts_with(".stax-"))
        .unwrap();
    let place = [
        sandbox.root().join(&temp),
        sandbox.root().join("d").join(&temp),
    ];
    place
        .iter()
        .filter(|path| path.exists())
        .for_each(|path| fs::remove_file(path).unwrap());
    sandbox.commit(&[write("a", Some("1"), "3")]).unwrap();
    assert_eq!(
        (sandbox.text("a"), sandbox.names()),
        ("3".to_owned(), vec!["a".to_owned()])
    );
}

#[test]
fn a_journal_of_another_key_or_another_folder_is_set_aside() {
    type Move = fn(&Sandbox) -> Site;
    let moves: [(&str, Move); 4] = [
        ("another user", |sandbox| {
            sandbox.site().with_key(|| Some(DerivedKey::new([8; 32])))
        }),
        ("another text", |sandbox| {
            let text = fs::read_to_string(sandbox.journal()).unwrap();
            fs::write(
                sandbox.journal(),
                text.replace("\"path\":\"a\"", "\"path\":\"d/c\""),
            )
            .unwrap();
            sandbox.site()
        }),
        ("another git folder", |sandbox| {
            let (git, moved) = (
                sandbox.home.path().join("git"),
                sandbox.home.path().join("moved"),
            );
            fs::rename(&git, &moved).unwrap();
            symlink(&moved, &git).unwrap();
            sandbox.site()
        }),
        ("another work tree", |sandbox| {
            let git = sandbox.home.path().join("git");
            fs::create_dir(sandbox.home.path().join("other")).unwrap();
            let site = Site::of_clone(&sandbox.home.path().join("other"), &git, &git);
            site.with_key(|| Some(DerivedKey::new([7; 32])))
        }),
    ];
    for (what, moved) in moves {
        let sandbox = Sandbox::new(&[("a", "1")]);
        crash(&sandbox, 1);
        let site = moved(&sandbox);
        assert!(
            matches!(
                commit(&sandbox.root(), &site, &[], &|_| Ok(())),
                Err(DiskError::Journal(_))
            ),
            "{what}"
        );
        assert_eq!(fate(&site, false), Some(Fate::SetAside), "{what}");
        assert_eq!(sandbox.text("a"), "2", "{what}");
        assert!(!sandbox.root().join("d/b").exists(), "{what}");
        assert!(
            sandbox.records().join("journal.foreign-1").exists(),
            "{what}"
        );
        assert_eq!(fate(&site, false), None, "{what}");
    }
}

/// Another disk number or inode proves nothing: some file systems are numbered anew at each boot.
#[test]
fn without_proof_a_person_is_asked() {
    let first = |sandbox: &Sandbox| {
        let text = fs::read_to_string(sandbox.journal()).unwrap();
        let files = text
            .split_once("\"files\":")
            .unwrap()
            .1
            .strip_suffix('}')
            .unwrap()
            .to_owned();
        let root = sandbox.root().canonicalize().unwrap();
        let text = format!(
            "{{\"version\":1,\"root\":{:?},\"files\":{files}}}",
            root.to_str().unwrap()
        );
        fs::write(sandbox.journal(), text).unwrap();
    };
    let other_inode = |sandbox: &Sandbox| {
        let (git, moved) = (
            sandbox.home.path().join("git"),
            sandbox.home.path().join("moved"),
        );
        fs::rename(&git, &moved).unwrap();
        fs::create_dir(&git).unwrap();
        fs::rename(moved.join("stax"), git.join("stax")).unwrap();
    };
    let nothing = |_: &Sandbox| {};
    let without_key = |sandbox: &Sandbox| sandbox.site().with_key(|| None);
    type Prepare<'p> = (&'p dyn Fn(&Sandbox) -> Site, &'p dyn Fn(&Sandbox));
    let cases: [Prepare<'_>; 4] = [
        (&Sandbox::site, &first),
        (&Sandbox::site, &other_inode),
        (&without_key, &nothing),
        (&without_key, &first),
    ];
    for (number, (site, prepare)) in cases.iter().enumerate() {
        for (is_approved, text, expected) in
            [(true, "2", Fate::Finished), (false, "1", Fate::Asked)]
        {
            let sandbox = Sandbox::new(&[("a", "1")]);
            crash_at(&site(&sandbox), &sandbox.root(), 0);
            prepare(&sandbox);
            assert_eq!(
                fate(&site(&sandbox), is_approved),
                Some(expected),
                "{number}"
            );
            assert_eq!(sandbox.text("a"), text, "{number}");
            assert_eq!(sandbox.journal().exists(), !is_approved, "{number}");
        }
    }
}

#[test]
fn a_forged_journal_removes_nothing_and_stops_the_command() {
    let sandbox = Sandbox::new(&[("a", "1"), ("keep", "1"), (".git/config", "1")]);
    fs::create_dir_all(sandbox.records()).unwrap();
    let root = sandbox.root().canonicalize().unwrap();
    let forged = |path: &str, temp: &str| {
        let root = root.to_str().unwrap();
        format!(
            r#"{{"version":1,"root":{root:?},"files":[{{"path":{path:?},"temp":{temp:?},"old":null,"new":"x"}}]}}"#
        )
    };
    let temp = ".stax-0123456789abcdef.tmp";
    sandbox.put(".git/.stax-0123456789abcdef.tmp", "2");
    for text in [
        &*forged("a", "keep"),
        &*forged(".git/config", temp),
        &*forged("sub/.GIT/hooks/pre-commit", temp),
        &*forged("../a", temp),
        &*forged("a", "../.stax-0123456789abcdef.tmp"),
        "{",
        "stax journal 2 unsigned\n{}",
        "stax journal 2 00\n{}",
        "{\"version\":2,\"root\":\"/\",\"files\":[]}",
    ] {
        fs::write(sandbox.journal(), text).unwrap();
        let result = sandbox.commit(&[write("a", Some("1"), "2")]);
        assert!(matches!(result, Err(DiskError::Journal(_))), "{text}");
        assert_eq!(fate(&sandbox.site(), true), Some(Fate::SetAside), "{text}");
    }
    let texts = [
        "a",
        "keep",
        ".git/config",
        ".git/.stax-0123456789abcdef.tmp",
    ]
    .map(|path| sandbox.text(path));
    assert_eq!(texts, ["1", "1", "1", "2"]);
    assert!(matches!(
        sandbox.commit(&[write(".git/config", Some("1"), "2")]),
        Err(DiskError::GitFolder(_))
    ));
}

#[test]
fn nothing_is_written_through_a_link_in_the_git_folder() {
    for name in ["journal", "journal.tmp", "drafts", "lock"] {
        let sandbox = Sandbox::new(&[("a", "1"), ("b", "1"), ("precious", "1")]);
        fs::create_dir_all(sandbox.records()).unwrap();
        symlink(
            sandbox.root().join("precious"),
            sandbox.records().join(name),
        )
        .unwrap();
        let _ = sandbox.commit(&[write("a", Some("1"), "2"), write("b", Some("1"), "2")]);
        assert_eq!(sandbox.text("precious"), "1", "{name}");
    }
    let sandbox = Sandbox::new(&[("a", "1")]);
    let elsewhere = sandbox.home.path().join("elsewhere");
    fs::create_dir_all(sandbox.home.path().join("git")).unwrap();
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, sandbox.records()).unwrap();
    assert!(matches!(
        sandbox.commit(&[write("a", Some("1"), "2")]),
        Err(DiskError::Symlink(_))
    ));
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn temporary_files_of_a_killed_writer_are_swept_in_every_folder() {
    let sandbox = Sandbox::new(&[("a", "1"), ("d/.stax-mine.tmp", "x")]);
    let outside = sandbox.home.path().join(".stax-0123456789abcdef.tmp");
    fs::write(&outside, "x").unwrap();
    let writes = [write("d/e/b", None, "2"), write("f/c", None, "2")];
    let drafts: Vec<_> = writes
        .iter()
        .map(|write| (write, staged::temp_name()))
        .collect();
    drop(Lock::acquire(&sandbox.site(), Duration::ZERO).unwrap());
    sandbox
        .site()
        .note_drafts(&sandbox.root(), &drafts)
        .unwrap();
    let staged = Staged::new(&sandbox.root(), &writes[0], drafts[0].1.clone()).unwrap();
    std::mem::forget(staged);
    // what a list names that no stax made stays
    let mut list = fs::read(sandbox.records().join("drafts")).unwrap();
    list.extend_from_slice(b"../.stax-0123456789abcdef.tmp\0d/.stax-mine.tmp\0a\0");
    fs::write(sandbox.records().join("drafts"), list).unwrap();
    sandbox.commit(&[write("a", Some("1"), "2")]).unwrap();
    assert_eq!(sandbox.names(), [".stax-mine.tmp", "a"]);
    assert!(outside.exists() && !sandbox.records().join("drafts").exists());
}

#[test]
fn what_could_not_be_put_back_is_finished_by_the_next_writer() {
    let sandbox = Sandbox::new(&[("a", "1"), ("b", "1")]);
    let writes = [write("a", Some("1"), "2"), write("b", Some("1"), "2")];
    drop(Lock::acquire(&sandbox.site(), Duration::ZERO).unwrap());
    let mut staged: Vec<Staged<'_>> = writes
        .iter()
        .map(|write| Staged::new(&sandbox.root(), write, staged::temp_name()).unwrap())
        .collect();
    journal::record(&sandbox.site(), &staged).unwrap();
    staged[0].replace().unwrap();
    // a folder in the place of the temporary file: the old bytes find no room
    fs::create_dir(sandbox.root().join(&staged[0].temp)).unwrap();
    assert!(!staged[0].restore());
    staged.iter_mut().for_each(Staged::keep);
    fs::remove_dir(sandbox.root().join(&staged[0].temp)).unwrap();
    drop(staged);
    sandbox.commit(&[]).unwrap();
    assert_eq!(
        (sandbox.text("a"), sandbox.text("b")),
        ("2".to_owned(), "2".to_owned())
    );
    assert_eq!(sandbox.names(), ["a", "b"]);
}

#[test]
fn leftovers_of_a_killed_writer_are_swept() {
    let sandbox = Sandbox::new(&[
        ("a", "1"),
        (".stax-0123456789abcdef.tmp", "half"),
        (".stax-mine.tmp", "x"),
    ]);
    sandbox.commit(&[write("a", Some("1"), "2")]).unwrap();
    assert_eq!(sandbox.names(), [".stax-mine.tmp", "a"]);
}
