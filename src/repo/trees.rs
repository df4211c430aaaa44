//! Raw trees, compared without an object or an allocation for each entry.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;

use git2::{Odb, OdbObject, Oid};

use super::recent::Recent;
use super::{RepoError, TreeEntry};

pub(super) const TREE: u32 = 0o040_000;
pub(super) const SUBMODULE: u32 = 0o160_000;

/// Half of the bytes of trees that are kept.
const KEPT: usize = 8 << 20;

/// One line of a raw tree.
#[derive(Clone, Copy)]
pub(super) struct RawEntry<'a> {
    pub mode: u32,
    pub name: &'a [u8],
    pub id: Oid,
}

impl RawEntry<'_> {
    pub(super) fn is_tree(&self) -> bool {
        self.mode == TREE
    }

    /// What is neither a folder nor a submodule.
    pub(super) fn file(&self) -> Option<TreeEntry> {
        file(self.entry())
    }

    pub(super) fn entry(&self) -> TreeEntry {
        TreeEntry {
            id: self.id.into(),
            mode: self.mode,
        }
    }

    /// git sorts folders as if their names ended in a slash. A file and a folder of one name are
    /// two.
    fn place(&self, other: &RawEntry<'_>) -> Ordering {
        let common = self.name.len().min(other.name.len());
        let next = |entry: &RawEntry<'_>| match entry.name.get(common) {
            Some(byte) => *byte,
            None if entry.is_tree() => b'/',
            None => 0,
        };
        self.name[..common]
            .cmp(&other.name[..common])
            .then_with(|| next(self).cmp(&next(other)))
    }
}

/// What is neither a folder nor a submodule.
pub(super) fn file(entry: TreeEntry) -> Option<TreeEntry> {
    (entry.mode != TREE && entry.mode != SUBMODULE).then_some(entry)
}

/// The entries of a raw tree: octal mode, blank, name, NUL, the bytes of an object's name. `None`
/// for a broken tree.
#[derive(Clone, Default)]
pub(super) struct TreeEntries<'a> {
    rest: &'a [u8],
    /// NUL and an object's name.
    tail: usize,
}

impl<'a> Iterator for TreeEntries<'a> {
    type Item = Option<RawEntry<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let entry = self.peek();
        self.rest = match self.len() {
            Some(len) if entry.is_some() => &self.rest[len..],
            _ => &[],
        };
        Some(entry)
    }
}

impl<'a> TreeEntries<'a> {
    pub(super) fn new(tree: &'a OdbObject<'_>) -> Self {
        Self {
            rest: tree.data(),
            tail: 1 + tree.id().as_bytes().len(),
        }
    }

    /// How many bytes the first entry has.
    fn len(&self) -> Option<usize> {
        let end = self.rest.iter().position(|byte| *byte == 0)? + self.tail;
        (end <= self.rest.len()).then_some(end)
    }

    fn peek(&self) -> Option<RawEntry<'a>> {
        let entry = &self.rest[..self.len()?];
        let (text, id) = entry.split_at(entry.len() - self.tail);
        let blank = text.iter().position(|byte| *byte == b' ')?;
        let mode = u32::from_str_radix(std::str::from_utf8(&text[..blank]).ok()?, 8).ok()?;
        Some(RawEntry {
            mode,
            name: &text[blank + 1..],
            id: Oid::from_bytes(&id[1..]).ok()?,
        })
    }

    /// The entries that are wanted by their names; the others are passed over unread.
    pub(super) fn pick<T>(
        mut self,
        wanted: impl Fn(&[u8]) -> Option<T>,
        mut take: impl FnMut(T, RawEntry<'a>) -> Result<(), RepoError>,
    ) -> Result<Option<()>, RepoError> {
        while !self.rest.is_empty() {
            let Some(len) = self.len() else {
                return Ok(None);
            };
            let text = &self.rest[..len - self.tail];
            // a mode has five or six digits
            let name = match text {
                [_, _, _, _, _, b' ', name @ ..] | [_, _, _, _, _, _, b' ', name @ ..] => name,
                _ => return Ok(None),
            };
            if let Some(found) = wanted(name) {
                let Some(entry) = self.peek() else {
                    return Ok(None);
                };
                take(found, entry)?;
            }
            self.rest = &self.rest[len..];
        }
        Ok(Some(()))
    }

    /// Passes over what both trees begin with.
    fn skip_equal(&mut self, other: &mut Self) {
        while let Some(len) = self.len() {
            if other.rest.get(..len) != Some(&self.rest[..len]) {
                return;
            }
            (self.rest, other.rest) = (&self.rest[len..], &other.rest[len..]);
        }
    }
}

type EntryPair<'a> = (Option<RawEntry<'a>>, Option<RawEntry<'a>>);

/// What two raw trees hold differently. `None` for a broken tree.
fn differing<'a>(mut new: TreeEntries<'a>, mut old: TreeEntries<'a>) -> Option<Vec<EntryPair<'a>>> {
    let mut pairs = Vec::new();
    loop {
        new.skip_equal(&mut old);
        let here = if new.rest.is_empty() {
            None
        } else {
            Some(new.peek()?)
        };
        let there = if old.rest.is_empty() {
            None
        } else {
            Some(old.peek()?)
        };
        let order = match (&here, &there) {
            (None, None) => return Some(pairs),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(here), Some(there)) => here.place(there),
        };
        let here = if order.is_le() {
            new.next().flatten()
        } else {
            None
        };
        let there = if order.is_ge() {
            old.next().flatten()
        } else {
            None
        };
        pairs.push((here, there));
    }
}

/// Trees of one repository, the last ones kept.
pub(super) struct Trees<'a> {
    odb: &'a Odb<'a>,
    recent: Recent<Oid, Rc<OdbObject<'a>>>,
    /// Names that are not UTF-8 are shown too, with what they lack replaced. No policy can name
    /// them.
    with_odd_names: bool,
}

/// What a path holds, and what it holds in each parent.
pub(super) type VisitPath<'v> = &'v mut dyn FnMut(&str, Option<TreeEntry>, &[Option<TreeEntry>]);

impl<'a> Trees<'a> {
    pub(super) fn new(odb: &'a Odb<'a>) -> Self {
        Self {
            odb,
            recent: Recent::new(KEPT),
            with_odd_names: false,
        }
    }

    pub(super) fn with_odd_names(odb: &'a Odb<'a>) -> Self {
        Self {
            with_odd_names: true,
            ..Self::new(odb)
        }
    }

    fn read(&mut self, tree: Oid) -> Result<Rc<OdbObject<'a>>, RepoError> {
        let odb = self.odb;
        let read = || {
            odb.read(tree)
                .map(Rc::new)
                .map_err(|error| RepoError::reading(&error, tree.into()))
        };
        self.recent.get(tree, |object| object.len(), read)
    }

    /// Shows each file that differs from what every parent holds. A folder equal to that of any
    /// parent holds no such file and is not entered.
    pub(super) fn compare(
        &mut self,
        new: Option<Oid>,
        old: &[Option<Oid>],
        visit: VisitPath<'_>,
    ) -> Result<(), RepoError> {
        self.compare_below(&mut String::new(), new, old, visit)
    }

    fn compare_below(
        &mut self,
        path: &mut String,
        new: Option<Oid>,
        old: &[Option<Oid>],
        visit: VisitPath<'_>,
    ) -> Result<(), RepoError> {
        if old.contains(&new) {
            return Ok(());
        }
        let mut read = |tree: &Option<Oid>| tree.map(|tree| self.read(tree)).transpose();
        let new_object = read(&new)?;
        let old_objects = old.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let sides: Vec<TreeEntries<'_>> = old_objects.iter().map(entries).collect();
        // what differs from every parent differs from the first
        let pairs = differing(
            entries(&new_object),
            sides.first().cloned().unwrap_or_default(),
        );
        let broken = || {
            RepoError::Corrupt(
                new.or(old.first().copied().flatten())
                    .unwrap_or(Oid::ZERO_SHA1)
                    .into(),
            )
        };
        for (here, first) in pairs.ok_or_else(broken)? {
            let Some(entry) = here.or(first) else {
                continue;
            };
            let name = String::from_utf8_lossy(entry.name);
            if matches!(name, Cow::Owned(_)) && !self.with_odd_names {
                continue;
            }
            let mut there = Vec::with_capacity(sides.len());
            there.extend((!sides.is_empty()).then_some(first));
            for side in sides.iter().skip(1) {
                there.push(find(side.clone(), &entry));
            }
            let length = path.len();
            path.push_str(if length == 0 { "" } else { "/" });
            path.push_str(&name);
            if entry.is_tree() {
                let id = |entry: &Option<RawEntry<'_>>| entry.map(|entry| entry.id);
                self.compare_below(
                    path,
                    id(&here),
                    &there.iter().map(id).collect::<Vec<_>>(),
                    visit,
                )?;
            } else {
                let file = |entry: &Option<RawEntry<'_>>| entry.and_then(|entry| entry.file());
                let (new, old) = (file(&here), there.iter().map(file).collect::<Vec<_>>());
                if (new.is_some() || old.iter().any(Option::is_some)) && !old.contains(&new) {
                    visit(path, new, &old);
                }
            }
            path.truncate(length);
        }
        Ok(())
    }
}

/// Nothing where there is no tree.
fn entries<'t>(tree: &'t Option<Rc<OdbObject<'_>>>) -> TreeEntries<'t> {
    tree.as_ref()
        .map(|tree| TreeEntries::new(tree))
        .unwrap_or_default()
}

/// The entry of the same name and kind.
fn find<'a>(tree: TreeEntries<'a>, wanted: &RawEntry<'_>) -> Option<RawEntry<'a>> {
    tree.flatten().find(|entry| entry.place(wanted).is_eq())
}
