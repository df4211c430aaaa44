//! The versions of an open key, by the names that people have for the sides.

use sops_document::tree::{Node, Path, Tree, Value};

use super::state::OpenConflict;
use crate::cli::escape::Escaped;
use crate::cli::secrets::values::{plain_text, shape};
use crate::cli::show::{Show, Viewer};
use crate::cli::ui::Ui;
use crate::repo::{ObjectId, Repo};
use crate::workspace::Workspace;
use crate::workspace::merge::RECIPIENTS;

/// The widest value that pushes what stands behind it to the right.
const WIDE: usize = 48;

/// A side of the merge: `main`, and who changed the file there last.
pub(super) struct SideName {
    pub(super) short: String,
    commit: Option<(ObjectId, String)>,
}

/// Ours and theirs; the blob is that of theirs.
pub(super) fn names(repo: &Repo, path: &str, blob: ObjectId) -> (SideName, SideName) {
    let last =
        |tip: Option<ObjectId>| tip.and_then(|tip| repo.last_change(tip, path).ok().flatten());
    let head = repo.head_commit().ok().flatten();
    let ours = SideName {
        short: repo.head_branch().unwrap_or_else(|| "HEAD".into()),
        commit: last(head),
    };
    let Some(operation) = repo.operations().into_iter().next() else {
        let alone = |short: String| SideName {
            short,
            commit: None,
        };
        let theirs = match (repo.patch(), repo.is_stashed(path, blob), repo.squashed()) {
            (Some(number), ..) => alone(format!("patch {number}")),
            (_, true, _) => alone("stash".into()),
            (.., Some(commit)) => SideName {
                short: branch(repo, commit),
                commit: last(Some(commit)),
            },
            _ => alone("the other side".into()),
        };
        return (ours, theirs);
    };
    let commit = operation.commit;
    let short = match operation.head {
        "MERGE_HEAD" => branch(repo, commit),
        "REVERT_HEAD" => format!("before {}", commit.short()),
        _ => commit.short(),
    };
    let commit = if operation.head == "REVERT_HEAD" {
        None
    } else {
        last(Some(commit))
    };
    (ours, SideName { short, commit })
}

/// The branch at a commit, or the commit.
fn branch(repo: &Repo, commit: ObjectId) -> String {
    let tips = repo.branch_tips().unwrap_or_default();
    tips.into_iter()
        .find(|(_, tip)| *tip == commit)
        .map_or_else(|| commit.short(), |(name, _)| name)
}

pub(super) fn print(ui: &Ui, workspace: &Workspace, state: &OpenConflict, keys: &[String]) {
    let Ok(repo) = workspace.repo() else { return };
    let (ours, theirs) = names(repo, &state.path, state.blobs.theirs);
    let masks = Masks::new(workspace);
    let width = keys
        .iter()
        .map(|key| Escaped(key).to_string().chars().count())
        .max()
        .unwrap_or(0);
    for key in keys {
        let rows = rows(state, key, &masks, (&ours, &theirs));
        let wide = rows
            .iter()
            .map(|row| row.1.chars().count())
            .max()
            .unwrap_or(0)
            .min(WIDE);
        for (position, (side, value, who)) in rows.iter().enumerate() {
            let name = if position == 0 {
                Escaped(key).to_string()
            } else {
                String::new()
            };
            let line = format!("{name:width$}  {side:<6}  {value:wide$}  {}", Escaped(who));
            ui.line(line.trim_end());
        }
    }
}

/// Side, value and who made it.
fn rows(
    state: &OpenConflict,
    key: &str,
    masks: &Masks,
    (ours, theirs): (&SideName, &SideName),
) -> Vec<(&'static str, String, String)> {
    if key == RECIPIENTS {
        return vec![
            (
                "ours",
                "the recipients that the file has now".into(),
                ours.short.clone(),
            ),
            ("theirs", "other recipients".into(), theirs.short.clone()),
        ];
    }
    let path = state.address(key);
    let wide = ours.short.chars().count().max(theirs.short.chars().count());
    let value = |tree: Option<&Tree>| match (&path, tree) {
        (Some(path), Some(tree)) => masks.shown(path, tree),
        _ => "(none)".to_owned(),
    };
    let base = state
        .triple
        .base()
        .filter(|tree| path.as_ref().is_some_and(|path| tree.find(path).is_some()));
    let base = value(base);
    vec![
        ("base", base, String::new()),
        ("ours", value(Some(state.triple.ours())), ours.whole(wide)),
        (
            "theirs",
            value(Some(state.triple.theirs())),
            theirs.whole(wide),
        ),
    ]
}

impl SideName {
    fn whole(&self, wide: usize) -> String {
        match &self.commit {
            Some((id, author)) => format!("{:wide$}  {author} {}", self.short, id.short()),
            None => self.short.clone(),
        }
    }
}

/// Values for a person, or masks for a log.
pub(super) struct Masks(Viewer);

impl Masks {
    pub(super) fn new(workspace: &Workspace) -> Self {
        Self(Viewer::of_process(Some(workspace)))
    }

    /// What a version holds at a path, on one line.
    pub(super) fn shown(&self, path: &Path, tree: &Tree) -> String {
        tree.find(path)
            .map_or_else(|| "(removed)".into(), |entry| self.node(path, &entry.node))
    }

    fn node(&self, path: &Path, node: &Node) -> String {
        let leaf = match &node.value {
            Value::Map(_) => return format!("a map of {}", node.entries().count()),
            Value::List(_) => return format!("a list of {}", node.entries().count()),
            Value::Leaf(leaf) => leaf,
        };
        let show = self.0.show();
        if matches!(show, Show::Values) {
            let plain = plain_text(&leaf.scalar);
            let is_text = std::str::from_utf8(&plain).is_ok_and(|text| !text.contains('\0'));
            if !is_text {
                return format!("«binary {}B»", plain.len());
            }
            return Escaped(&String::from_utf8_lossy(&plain_text(&leaf.scalar))).to_string();
        }
        let plain = leaf.scalar.plaintext().unwrap_or_default();
        let mask = show.mask(path, leaf.scalar.type_name(), &plain);
        mask.unwrap_or_else(|| format!("«{}»", shape(&leaf.scalar)))
    }
}
