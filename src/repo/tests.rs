use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use tempfile::TempDir;

use super::*;

/// A repository of its own: no configuration, identity or clock of the machine.
struct Sandbox {
    home: TempDir,
    clock: std::cell::Cell<u64>,
}

impl Sandbox {
    fn new() -> Self {
        Self::of(&[])
    }

    /// With options of `git init`.
    fn of(options: &[&str]) -> Self {
        let sandbox = Self {
            home: TempDir::new().unwrap(),
            clock: std::cell::Cell::new(1_700_000_000),
        };
        fs::create_dir(sandbox.top()).unwrap();
        sandbox.git(&[&["init", "-q", "-b", "main"], options].concat());
        sandbox.git(&["config", "user.name", "Ana Silva"]);
        sandbox.git(&["config", "user.email", "ana@example.com"]);
        sandbox
    }

    fn top(&self) -> PathBuf {
        self.home.path().join("work")
    }

    fn git(&self, args: &[&str]) -> String {
        self.git_in(&self.top(), args)
    }

    fn git_in(&self, folder: &Path, args: &[&str]) -> String {
        let output = self.git_output(folder, args);
        assert!(
            output.status.success(),
            "git {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    }

    fn git_fails(&self, args: &[&str]) {
        assert!(
            !self.git_output(&self.top(), args).status.success(),
            "git {args:?}"
        );
    }

    fn git_output(&self, folder: &Path, args: &[&str]) -> std::process::Output {
        self.clock.set(self.clock.get() + 60);
        let date = format!("{} +0100", self.clock.get());
        Command::new("git")
            .args(args)
            .current_dir(folder)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", self.home.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date)
            .output()
            .unwrap()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.top().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn commit(&self, path: &str, text: &str) -> ObjectId {
        self.write(path, text);
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", &format!("set {path}")]);
        self.id("HEAD")
    }

    fn id(&self, name: &str) -> ObjectId {
        self.git(&["rev-parse", name]).parse().unwrap()
    }

    fn open(&self) -> Repo {
        Repo::discover(&self.top()).unwrap()
    }
}

fn history(repo: &Repo, paths: &[&str]) -> CommitWalk {
    repo.changes_of(&repo.head_span().unwrap(), paths).unwrap()
}

fn ids(walk: &CommitWalk, path: &str) -> Vec<ObjectId> {
    walk.versions(path).map(|(commit, _)| commit.id).collect()
}

#[test]
fn a_repository_is_found_from_below_and_its_folders_are_known() {
    let sandbox = Sandbox::new();
    sandbox.commit("a/b.txt", "1");
    let repo = Repo::discover(&sandbox.top().join("a")).unwrap();
    let top = sandbox.top().canonicalize().unwrap();
    assert_eq!(repo.root(), top);
    assert_eq!(repo.git_dir(), top.join(".git"));
    assert_eq!(repo.hooks_dir().unwrap(), top.join(".git/hooks"));
    sandbox.git(&["config", "core.hooksPath", "ci/hooks"]);
    assert_eq!(repo.hooks_dir().unwrap(), top.join("ci/hooks"));
}

#[test]
fn a_linked_work_tree_shares_hooks_and_exclude() {
    let sandbox = Sandbox::new();
    sandbox.commit("a", "1");
    let linked = sandbox.home.path().join("linked");
    sandbox.git(&["worktree", "add", "-q", linked.to_str().unwrap()]);
    let repo = Repo::discover(&linked).unwrap();
    let common = sandbox.top().canonicalize().unwrap().join(".git");
    assert_eq!(repo.common_dir(), common);
    assert_eq!(repo.hooks_dir().unwrap(), common.join("hooks"));
    assert_eq!(repo.git_dir(), common.join("worktrees/linked"));
    assert!(repo.add_exclude_line(".stax-*.tmp").unwrap());
    fs::write(linked.join(".stax-x.tmp"), "").unwrap();
    assert_eq!(sandbox.git_in(&linked, &["status", "--porcelain"]), "");
}

#[test]
fn what_cannot_be_opened_is_named() {
    let nowhere = TempDir::new().unwrap();
    assert!(matches!(
        Repo::discover(nowhere.path()),
        Err(RepoError::NotARepository(_))
    ));

    let sandbox = Sandbox::new();
    let bare = sandbox.home.path().join("bare");
    sandbox.git(&["init", "-q", "--bare", bare.to_str().unwrap()]);
    assert!(matches!(Repo::discover(&bare), Err(RepoError::Bare(_))));
}

#[test]
fn staged_changes_are_head_against_the_index() {
    let sandbox = Sandbox::new();
    sandbox.write("new", "1");
    sandbox.git(&["add", "new"]);
    let repo = sandbox.open();
    let changes = repo.staged_changes().unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].path.as_str(), changes[0].old), ("new", None));
    assert_eq!(repo.blob(changes[0].new.unwrap().id).unwrap(), b"1");

    sandbox.commit("gone", "2");
    sandbox.commit("changed", "3");
    sandbox.write("changed", "4");
    sandbox.git(&["add", "changed"]);
    sandbox.git(&["rm", "-q", "gone"]);
    sandbox.git(&["update-index", "--chmod=+x", "new"]);
    sandbox.write("promised", "5");
    sandbox.git(&["add", "-N", "promised"]);
    sandbox.write("changed", "in the work tree only");
    let repo = sandbox.open();
    let shown: Vec<_> = repo
        .staged_changes()
        .unwrap()
        .into_iter()
        .map(|change| {
            (
                change.path,
                change.old.map(|e| e.mode),
                change.new.map(|e| e.mode),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("changed".to_owned(), Some(0o100_644), Some(0o100_644)),
            ("gone".to_owned(), Some(0o100_644), None),
            ("new".to_owned(), Some(0o100_644), Some(0o100_755)),
        ]
    );
    assert_eq!(repo.index_blob("changed").unwrap().unwrap(), b"4");
    assert_eq!(repo.head_blob("changed").unwrap().unwrap(), b"3");
    assert_eq!(repo.index_blob("promised").unwrap(), None);
    assert_eq!(repo.head_entry("nothing/here").unwrap(), None);
    let paths: Vec<String> = repo
        .index_entries()
        .unwrap()
        .into_iter()
        .map(|entry| entry.path)
        .collect();
    assert_eq!(paths, ["changed", "new"]);
}

#[test]
fn a_conflict_shows_its_three_stages_and_an_odd_path_is_reported() {
    let sandbox = Sandbox::new();
    sandbox.commit("a", "0");
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    sandbox.commit("a", "1");
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.commit("a", "2");
    fs::write(sandbox.top().join(OsStr::from_bytes(b"\xff.env")), "x").unwrap();
    sandbox.git(&["add", "-A"]);
    let id = |name| sandbox.id(name);
    sandbox.write("index-info", "");
    let stages = [("main~1:a", 1), ("main:a", 2), ("side:a", 3)];
    sandbox.git(&["rm", "-q", "--cached", "a"]);
    for (name, stage) in stages {
        let line = format!("100644 {} {stage}\ta\n", id(name));
        let status = Command::new("sh")
            .args([
                "-c",
                "printf '%s' \"$1\" | git update-index --index-info",
                "sh",
                &line,
            ])
            .current_dir(sandbox.top())
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .status();
        assert!(status.unwrap().success());
    }
    let repo = sandbox.open();
    let found: Vec<_> = repo
        .index_entries()
        .unwrap()
        .into_iter()
        .map(|entry| (entry.path, entry.stage, entry.id))
        .collect();
    assert_eq!(
        found,
        stages.map(|(name, stage)| ("a".to_owned(), stage, id(name)))
    );
    assert_eq!(repo.index_blob("a").unwrap(), None);
    assert_eq!(repo.odd_paths().unwrap(), ["\\xff.env"]);
    assert_eq!(repo.staged_changes().unwrap(), []);
}

#[test]
fn attributes_and_ignore_rules_are_those_of_git() {
    let sandbox = Sandbox::new();
    let attributes = "[attr]stax diff=stax merge=stax\n*.sops.yaml stax\n.sops.yaml -stax !diff !merge\n*.bin -diff\n";
    sandbox.write(".gitattributes", attributes);
    sandbox.write(".gitignore", "*.log\n");
    let repo = sandbox.open();
    let value = |path, name| repo.attribute(path, name).unwrap();
    assert_eq!(
        value("app/x.sops.yaml", "diff"),
        Attribute::Value("stax".to_owned())
    );
    assert_eq!(value("app/x.sops.yaml", "stax"), Attribute::True);
    assert_eq!(value(".sops.yaml", "diff"), Attribute::Unspecified);
    assert_eq!(value(".sops.yaml", "stax"), Attribute::False);
    assert_eq!(value("x.bin", "diff"), Attribute::False);
    assert_eq!(value("other", "diff"), Attribute::Unspecified);
    assert!(repo.is_ignored("deep/a.log").unwrap());
    assert!(!repo.is_ignored("a.txt").unwrap());
}

#[test]
fn configuration_is_written_so_that_git_reads_the_same() {
    let sandbox = Sandbox::new();
    let repo = sandbox.open();
    let command =
        "f(){ \"/opt/a b/stax\" git textconv \"$1\" 2>/dev/null || cat \"$1\"; }; f # \\ ;";
    repo.set_config("diff.stax.textconv", command).unwrap();
    assert_eq!(sandbox.git(&["config", "diff.stax.textconv"]), command);
    assert_eq!(
        repo.config_string("diff.stax.textconv").unwrap().unwrap(),
        command
    );
    repo.set_config("diff.stax.cachetextconv", "false").unwrap();
    assert_eq!(
        repo.config_bool("diff.stax.cachetextconv").unwrap(),
        Some(false)
    );
    assert_eq!(repo.config_bool("stax.useCommand").unwrap(), None);
    repo.add_config("stax.allowEnv", "A").unwrap();
    repo.add_config("stax.allowEnv", "B").unwrap();
    assert_eq!(repo.config_multi("stax.allowEnv").unwrap(), ["A", "B"]);
    assert_eq!(
        sandbox.git(&["config", "--get-all", "stax.allowEnv"]),
        "A\nB"
    );
    assert!(repo.unset_config("stax.allowEnv").unwrap());
    assert!(!repo.unset_config("stax.allowEnv").unwrap());
    assert!(repo.config_multi("stax.allowEnv").unwrap().is_empty());
    assert_eq!(
        repo.user().unwrap(),
        Some(("Ana Silva".to_owned(), "ana@example.com".to_owned()))
    );
}

#[test]
fn history_keeps_side_branches_and_matches_git() {
    let sandbox = Sandbox::new();
    let first = sandbox.commit("d/s", "1");
    sandbox.commit("other", "x");
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    sandbox.commit("d/s", "2");
    sandbox.commit("d/s", "1");
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.commit("other", "y");
    sandbox.git(&["merge", "-q", "--no-ff", "-m", "merge", "side"]);
    sandbox.git(&["rm", "-q", "d/s"]);
    sandbox.git(&["commit", "-q", "-m", "remove\nand more\n\nbody"]);
    let last = sandbox.id("HEAD");
    let repo = sandbox.open();
    for path in ["d/s", "other", "d", "none", "d/s/x"] {
        // git also lists a merge that took one side; only what no parent holds is a change here
        let expected = sandbox.git(&[
            "log",
            "--full-history",
            "--no-merges",
            "--format=%H",
            "--",
            path,
        ]);
        let expected: Vec<ObjectId> = expected.lines().map(|line| line.parse().unwrap()).collect();
        let expected = if path == "d" { Vec::new() } else { expected };
        assert_eq!(ids(&history(&repo, &[path]), path), expected, "{path}");
    }
    let walk = history(&repo, &["other", "d/s", "d"]);
    assert_eq!(
        ["other", "d/s", "d"].map(|path| ids(&walk, path).len()),
        [2, 4, 0]
    );
    let versions: Vec<_> = walk.versions("d/s").collect();
    let ((removed, gone), (created, new)) = (versions[0], versions[3]);
    assert_eq!(
        (removed.id, gone.new, removed.summary.as_str()),
        (last, None, "remove and more")
    );
    assert_eq!(
        (gone.old.as_slice(), new.old.len()),
        ([new.new].as_slice(), 0)
    );
    assert_eq!(repo.entry_at(first, "d/s").unwrap(), new.new);
    assert_eq!(repo.entry_at(first, "d").unwrap(), None);
    assert_eq!(
        (created.id, repo.parents_of(first).unwrap().len()),
        (first, 0)
    );
    assert_eq!(
        (created.author_name.as_str(), created.author_email.as_str()),
        ("Ana Silva", "ana@example.com")
    );
    assert_eq!(created.author_time.offset_minutes, 60);
    assert_eq!(repo.blob_at(first, "d/s").unwrap().unwrap(), b"1");
}

#[test]
fn a_shallow_clone_says_so_and_ends_at_its_edge() {
    let sandbox = Sandbox::new();
    sandbox.commit("a", "1");
    sandbox.commit("a", "2");
    let edge = sandbox.commit("b", "1");
    let clone = sandbox.home.path().join("clone");
    let url = format!("file://{}", sandbox.top().display());
    sandbox.git(&["clone", "-q", "--depth=1", &url, clone.to_str().unwrap()]);
    let repo = Repo::discover(&clone).unwrap();
    assert!(repo.is_shallow() && !sandbox.open().is_shallow());
    let walk = history(&repo, &["a"]);
    assert_eq!(
        (ids(&walk, "a"), walk.changed[0].paths[0].old.len()),
        (vec![edge], 0)
    );
    let tips = repo.branch_tips().unwrap();
    assert_eq!(
        tips,
        [("main".to_owned(), edge), ("origin/main".to_owned(), edge)]
    );
}

#[test]
fn an_empty_repository_has_no_history_and_a_missing_object_is_named() {
    let sandbox = Sandbox::new();
    let repo = sandbox.open();
    assert_eq!(repo.head_commit().unwrap(), None);
    assert_eq!(history(&repo, &["a"]), CommitWalk::default());
    assert_eq!(repo.head_blob("a").unwrap(), None);
    let id: ObjectId = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
    assert!(matches!(repo.blob(id), Err(RepoError::Missing(missing)) if missing == id));
    assert_eq!(
        (id.to_string().as_str(), id.short().as_str()),
        ("0123456789abcdef0123456789abcdef01234567", "0123456")
    );
    assert!(
        "+123456789abcdef0123456789abcdef01234567"
            .parse::<ObjectId>()
            .is_err()
    );
    let commit = sandbox.commit("a", "1");
    assert!(matches!(repo.blob(commit), Err(RepoError::Corrupt(_))));
}

#[test]
fn an_exclude_line_is_added_once() {
    let sandbox = Sandbox::new();
    let repo = sandbox.open();
    sandbox.write(".git/info/exclude", "no newline");
    assert!(repo.add_exclude_line(".stax-*.tmp").unwrap());
    assert!(!repo.add_exclude_line(".stax-*.tmp").unwrap());
    let text = fs::read_to_string(sandbox.top().join(".git/info/exclude")).unwrap();
    assert_eq!(text, "no newline\n.stax-*.tmp\n");
}

mod histories;
mod limits;

#[test]
fn a_blob_that_is_stored_again_is_not_removed() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.top().join("x"), "a\n").unwrap();
    let id: ObjectId = sandbox.git(&["hash-object", "-w", "x"]).parse().unwrap();
    let repo = Repo::discover(&sandbox.top()).unwrap();
    let found = repo.unreachable_blobs().unwrap();
    assert_eq!(found.iter().map(|loose| loose.id).collect::<Vec<_>>(), [id]);
    // as if the first time were a while ago
    let name = id.to_string();
    let (folder, file) = name.split_at(2);
    let object =
        fs::File::open(sandbox.top().join(".git/objects").join(folder).join(file)).unwrap();
    object
        .set_modified(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    assert!(!repo.remove_loose(found[0]).unwrap());
    let found = repo.unreachable_blobs().unwrap();
    sandbox.git(&["hash-object", "-w", "x"]);
    assert!(!repo.remove_loose(found[0]).unwrap());
    let found = repo.unreachable_blobs().unwrap();
    assert!(repo.remove_loose(found[0]).unwrap());
    assert!(!repo.remove_loose(found[0]).unwrap());
    assert!(repo.unreachable_blobs().unwrap().is_empty());
}
