//! What libgit2 does not read by itself: the same answers as where it does.

use super::*;

/// All that the index says, and what is compared with it.
fn index_answers(repo: &Repo) -> String {
    let differing = |old, new| repo.differing(old, new).unwrap();
    format!(
        "{:#?}",
        (
            (
                repo.index_entries().unwrap(),
                repo.odd_paths().unwrap(),
                repo.staged_changes().unwrap()
            ),
            ["a/changed", "promised", "gone", "b/outside"]
                .map(|path| repo.index_blob(path).unwrap()),
            ["a/x.sops.yaml", "b/x.sops.yaml"].map(|path| repo.attribute(path, "diff").unwrap()),
            (
                differing(FilesAt::Head, FilesAt::Index),
                differing(FilesAt::Index, FilesAt::WorkTree)
            ),
            differing(FilesAt::Head, FilesAt::WorkTree),
        )
    )
}

/// An index with changes of each kind, beside a folder that stays as it is.
fn busy() -> Sandbox {
    let sandbox = Sandbox::new();
    for path in [
        "a/changed",
        "a/script",
        "gone",
        "b/outside",
        "b/deep/file",
        "odd",
    ] {
        sandbox.write(path, &format!("{path}\n"));
    }
    sandbox.write("b/.gitattributes", "*.sops.yaml diff=stax\n");
    sandbox.write(".gitattributes", "a/*.sops.yaml diff=stax\n");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-q", "-m", "first"]);
    sandbox
}

fn change(sandbox: &Sandbox) {
    sandbox.write("a/changed", "staged\n");
    sandbox.write("a/promised", "not yet\n");
    sandbox.write("a/new", "new\n");
    fs::write(sandbox.top().join(OsStr::from_bytes(b"a/\xff.env")), "x").unwrap();
    sandbox.git(&["add", "a/changed", "a/new", "a/*.env"]);
    sandbox.git(&["rm", "-q", "gone"]);
    sandbox.git(&["update-index", "--chmod=+x", "a/script"]);
    sandbox.git(&["add", "-N", "a/promised"]);
    sandbox.write("a/changed", "in the work tree\n");
}

#[track_caller]
fn assert_index_holds(sandbox: &Sandbox, extension: &str) {
    let bytes = fs::read(sandbox.top().join(".git/index")).unwrap();
    assert!(
        bytes.windows(4).any(|four| four == extension.as_bytes()),
        "the index has no `{extension}`"
    );
}

#[test]
fn a_split_index_is_read_as_a_whole_one() {
    let sandbox = busy();
    change(&sandbox);
    let expected = index_answers(&sandbox.open());
    sandbox.git(&["update-index", "--split-index"]);
    // without a change all entries stand in the shared part
    sandbox.write("a/later", "x");
    sandbox.git(&["add", "a/later"]);
    sandbox.git(&["rm", "-q", "--cached", "a/later"]);
    fs::remove_file(sandbox.top().join("a/later")).unwrap();
    assert_index_holds(&sandbox, "link");
    let before = fs::read(sandbox.top().join(".git/index")).unwrap();
    assert_eq!(index_answers(&sandbox.open()), expected);
    assert!(
        fs::read(sandbox.top().join(".git/index")).unwrap() == before,
        "the index was written"
    );
}

#[test]
fn a_sparse_index_is_read_as_a_whole_one() {
    let [expected, found] = ["--no-sparse-index", "--sparse-index"].map(|kind| {
        let sandbox = busy();
        sandbox.git(&["sparse-checkout", "set", "--cone", kind, "a"]);
        change(&sandbox);
        if kind == "--sparse-index" {
            assert_index_holds(&sandbox, "sdir");
        }
        index_answers(&sandbox.open())
    });
    assert!(expected.contains("b/deep/file"), "{expected}");
    assert!(found == expected, "{found}\n\n{expected}");
}

#[test]
fn what_changed_in_the_second_of_a_split_index_is_seen() {
    let sandbox = busy();
    sandbox.git(&["config", "core.splitIndex", "true"]);
    sandbox.write("a/changed", "first\n");
    sandbox.git(&["add", "a/changed"]);
    assert_index_holds(&sandbox, "link");
    // as long as before, and as old as the index: only a look at the file tells
    sandbox.write("a/changed", "other\n");
    let index = fs::metadata(sandbox.top().join(".git/index"))
        .unwrap()
        .modified()
        .unwrap();
    let file = fs::File::options()
        .write(true)
        .open(sandbox.top().join("a/changed"))
        .unwrap();
    file.set_modified(index).unwrap();
    let changes = sandbox
        .open()
        .differing(FilesAt::Index, FilesAt::WorkTree)
        .unwrap();
    assert_eq!(
        changes
            .iter()
            .map(|change| &*change.path)
            .collect::<Vec<_>>(),
        ["a/changed"]
    );
}

#[test]
fn an_index_that_git_does_not_read_either_is_told_in_its_words() {
    let sandbox = busy();
    let path = sandbox.top().join(".git/index");
    let mut bytes = fs::read(&path).unwrap();
    let checksum = bytes.len() - 20;
    bytes.splice(checksum.., *b"zzzz\0\0\0\0");
    // git looks at no checksum of zeros
    bytes.extend([0; 20]);
    fs::write(&path, bytes).unwrap();
    let error = sandbox.open().index_entries().unwrap_err();
    assert_eq!(
        error.to_string(),
        "git: index uses zzzz extension, which we do not understand"
    );
}

/// All that references say.
fn reference_answers(sandbox: &Sandbox) -> String {
    let repo = sandbox.open();
    let all: [&dyn Fn(&Repo) -> String; 7] = [
        &|repo| format!("{:?}", (repo.head_commit().unwrap(), repo.head_branch())),
        &|repo| format!("{:?}", repo.branch_tips().unwrap()),
        &|repo| format!("{:?}", repo.textconv_caches().unwrap()),
        &|repo| {
            format!(
                "{:?}",
                repo.ref_tips()
                    .unwrap()
                    .into_iter()
                    .collect::<std::collections::BTreeSet<_>>()
            )
        },
        &|repo| format!("{:?}", repo.operations()),
        &|repo| {
            let names = [
                "HEAD~1",
                "side",
                "v1",
                "origin/main",
                "stash@{0}",
                "none",
                "-q",
                "--all",
                "",
            ];
            format!("{:?}", names.map(|name| repo.commit_named(name).ok()))
        },
        &|repo| {
            let (new, old) = (sandbox.git(&["rev-parse", "side"]), "0".repeat(40));
            let mut span = repo.push_span("origin", &[(&new, &old)]).unwrap();
            span.hidden.sort();
            format!(
                "{span:?} {:?}",
                repo.beyond(&span.hidden, &span.tips).unwrap().len()
            )
        },
    ];
    all.map(|answer| answer(&repo)).join("\n")
}

fn with_references(storage: &str) -> Sandbox {
    let sandbox = Sandbox::of(&[&format!("--ref-format={storage}")]);
    sandbox.commit("a", "1");
    sandbox.commit("a", "2");
    sandbox.git(&["tag", "-a", "-m", "v1", "v1", "HEAD~1"]);
    sandbox.git(&["tag", "tree", "HEAD^{tree}"]);
    sandbox.git(&["update-ref", "refs/remotes/origin/main", "HEAD~1"]);
    sandbox.git(&[
        "symbolic-ref",
        "refs/remotes/origin/HEAD",
        "refs/remotes/origin/main",
    ]);
    sandbox.git(&["update-ref", "refs/notes/textconv/stax", "HEAD"]);
    for text in ["3", "4"] {
        sandbox.write("a", text);
        sandbox.git(&["stash", "-q"]);
    }
    let linked = sandbox.home.path().join("linked");
    sandbox.git(&[
        "worktree",
        "add",
        "-q",
        "--detach",
        linked.to_str().unwrap(),
    ]);
    fs::write(linked.join("a"), "5").unwrap();
    sandbox.git_in(&linked, &["commit", "-q", "-am", "on no branch"]);
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    sandbox.commit("a", "6");
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.commit("a", "7");
    sandbox
}

#[test]
fn references_in_a_reftable_are_those_that_git_sees() {
    let (files, table) = (with_references("files"), with_references("reftable"));
    assert!(table.top().join(".git/reftable").is_dir());
    assert_eq!(reference_answers(&table), reference_answers(&files));
    for command in ["merge", "cherry-pick", "rebase"] {
        for sandbox in [&files, &table] {
            sandbox.git_fails(&[command, "side"]);
        }
        let answers = reference_answers(&table);
        assert!(answers.contains("_HEAD"), "{answers}");
        assert_eq!(answers, reference_answers(&files), "{command}");
        for sandbox in [&files, &table] {
            sandbox.git(&[command, "--abort"]);
        }
    }
}

#[test]
fn a_reftable_without_a_commit_has_a_branch_and_no_head() {
    let sandbox = Sandbox::of(&["--ref-format=reftable"]);
    let repo = sandbox.open();
    assert_eq!(
        (repo.head_commit().unwrap(), repo.head_branch()),
        (None, Some("main".to_owned()))
    );
    assert_eq!(
        (repo.branch_tips().unwrap(), repo.ref_tips().unwrap()),
        (Vec::new(), Vec::new())
    );
}

#[test]
fn names_of_objects_are_as_long_as_the_repository_makes_them() {
    let sandbox = Sandbox::of(&["--object-format=sha256"]);
    let commit = sandbox.commit("d/a", "1");
    let repo = sandbox.open();
    assert_eq!(
        (commit.to_string().len(), repo.head_commit().unwrap()),
        (64, Some(commit))
    );
    let blob = sandbox.id("HEAD:d/a");
    assert_eq!(repo.blob_name(b"1").unwrap(), blob);
    assert_eq!(repo.entry_at(commit, "d/a").unwrap().unwrap().id, blob);
    assert_eq!(repo.blob_at(commit, "d/a").unwrap().unwrap(), b"1");
    // a name of the other length is of no object
    let short: ObjectId = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
    let other = Sandbox::new();
    other.commit("d/a", "1");
    for (repo, name) in [(&repo, short), (&other.open(), blob)] {
        assert!(matches!(repo.blob(name), Err(RepoError::Missing(_))));
        assert!(matches!(
            repo.blob_at(name, "d/a"),
            Err(RepoError::Missing(_))
        ));
        let head = repo.head_commit().unwrap().unwrap();
        assert!(repo.parents_of(name).is_err() && repo.merge_bases(name, head).is_err());
        assert!(
            repo.changes_of(
                &Span {
                    tips: vec![name],
                    ..Span::default()
                },
                &["d/a"]
            )
            .is_err()
        );
        assert!(repo.last_change(name, "d/a").is_err() && repo.author_time(name).is_err());
    }
    other.write(".git/MERGE_HEAD", &format!("{blob}\n"));
    other.write(".git/worktrees/x/HEAD", &format!("{blob}\n"));
    assert_eq!(other.open().ref_tips().unwrap(), [other.id("HEAD")]);
    assert!(blob.to_string()[..63].parse::<ObjectId>().is_err());
}

#[test]
fn extensions_that_change_nothing_here_open_and_others_are_named() {
    let sandbox = Sandbox::new();
    sandbox.commit("a", "1");
    let set = |name: &str, value: &str| sandbox.git(&["config", name, value]);
    // git ignores what it does not know in a repository of the first version
    set("extensions.unheardof", "true");
    assert!(sandbox.open().head_commit().unwrap().is_some());
    sandbox.git(&["config", "--unset", "extensions.unheardof"]);
    set("core.repositoryformatversion", "1");
    for (name, value) in [
        ("partialClone", "origin"),
        ("compatObjectFormat", "sha256"),
        ("worktreeConfig", "true"),
        ("preciousObjects", "true"),
        ("relativeWorktrees", "true"),
        ("refStorage", "files"),
        ("noop", "true"),
    ] {
        set(&format!("extensions.{name}"), value);
        assert!(sandbox.open().head_commit().unwrap().is_some(), "{name}");
        sandbox.write(
            ".git/config",
            &fs::read_to_string(sandbox.top().join(".git/config")).unwrap(),
        );
        fs::write(
            sandbox.top().join(".git/config"),
            "[core]\n\trepositoryformatversion = 1\n[user]\n\tname = Ana\n\temail = ana@example.com\n",
        )
        .unwrap();
    }
    set("extensions.unheardof", "true");
    let Err(error) = Repo::discover(&sandbox.top()) else {
        panic!("an unknown extension opens")
    };
    assert_eq!(
        error.to_string(),
        "the repository uses the git extension `extensions.unheardof`, which this git and this stax do not know; \
         it needs a newer version"
    );
}

#[test]
fn a_partial_clone_fetches_what_is_named_when_it_may() {
    let sandbox = Sandbox::new();
    let old = sandbox.commit("a", "1");
    let older = sandbox.commit("a", "2");
    sandbox.commit("a", "3");
    sandbox.git(&["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", sandbox.top().display());
    let clone = |name: &str, filter: &str| {
        let clone = sandbox.home.path().join(name);
        sandbox.git(&["clone", "-q", filter, &url, clone.to_str().unwrap()]);
        clone
    };
    let blobless = clone("blobless", "--filter=blob:none");
    let repo = Repo::discover(&blobless).unwrap();
    assert!(repo.is_partial() && !sandbox.open().is_partial());
    let Err(RepoError::Missing(id)) = repo.blob_at(old, "a") else {
        panic!("it was not missing")
    };
    let walk = history(&repo, &["a"]);
    assert!(matches!(repo.old_blob(id), Err(RepoError::Missing(_))));
    repo.let_git_fetch();
    assert_eq!(repo.blob_at(old, "a").unwrap().unwrap(), b"1");
    assert!(matches!(
        repo.old_blob(sandbox.id(&format!("{older}:a"))),
        Err(RepoError::Missing(_))
    ));
    // a walk brings what it names in one go
    assert!(history(&repo, &["a"]) == walk);
    assert_eq!(
        repo.old_blob(sandbox.id(&format!("{older}:a"))).unwrap(),
        b"2"
    );

    let treeless = clone("treeless", "--filter=tree:0");
    let repo = Repo::discover(&treeless).unwrap();
    let error = repo
        .changes_of(&repo.head_span().unwrap(), &["a"])
        .unwrap_err();
    assert!(matches!(error, RepoError::Treeless(_)), "{error}");
    sandbox.git_in(
        &treeless,
        &["fetch", "-q", "--refetch", "--filter=blob:none"],
    );
    assert!(history(&Repo::discover(&treeless).unwrap(), &["a"]) == walk);
}
