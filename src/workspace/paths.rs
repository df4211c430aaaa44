//! Paths as people type them.

use std::path::{Component, Path, PathBuf};

use super::{Result, Workspace, WorkspaceError};

/// A file of the past may have stood in a folder that is gone: the nearest one that is there.
pub(super) fn existing(folder: &Path) -> PathBuf {
    folder
        .ancestors()
        .find(|folder| folder.exists())
        .unwrap_or(Path::new("."))
        .to_owned()
}

/// A folder that is gone, by the nearest one above it.
fn gone(folder: &Path) -> Option<PathBuf> {
    let there = existing(folder);
    let there = if there == Path::new("") {
        PathBuf::from(".")
    } else {
        there
    };
    let rest = folder.strip_prefix(&there).unwrap_or(folder);
    let is_plain = rest
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    is_plain.then(|| Some(there.canonicalize().ok()?.join(rest)))?
}

impl Workspace {
    /// The path of a file that need not be there yet, as the user typed it, relative to the root:
    /// from the current folder, whatever is there.
    ///
    /// # Errors
    /// A path outside the repository.
    pub fn relative_new(&self, file: &Path) -> Result<String> {
        self.beneath(file, &|parent| parent.canonicalize().ok())
    }

    /// A path as the user typed it, relative to the root. As stax prints it, it works in every
    /// folder.
    ///
    /// # Errors
    /// A path outside the repository.
    pub fn relative(&self, file: &Path) -> Result<String> {
        // as it is typed here, or as stax prints it
        self.beneath(file, &|parent| {
            parent
                .canonicalize()
                .or_else(|_| self.root.join(parent).canonicalize())
                .ok()
        })
    }

    /// `find` gives the folder of the file, where it is there.
    fn beneath(&self, file: &Path, find: &dyn Fn(&Path) -> Option<PathBuf>) -> Result<String> {
        let outside = || WorkspaceError::Outside(file.to_owned());
        let name = file.file_name().ok_or_else(outside)?;
        let parent = file
            .parent()
            .filter(|parent| *parent != Path::new(""))
            .unwrap_or(Path::new("."));
        let parent = find(parent).or_else(|| gone(parent)).ok_or_else(outside)?;
        let root = self.root.canonicalize().map_err(|_| outside())?;
        let path = parent
            .strip_prefix(&root)
            .map_err(|_| outside())?
            .join(name);
        path.to_str()
            .map(str::to_owned)
            .ok_or_else(|| WorkspaceError::NotText(path.display().to_string()))
    }
}
