//! The bytes of a kept walk: names of objects, paths and modes, and an HMAC-SHA-256 of all that at
//! the end.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::repo::changes::OrderedWalk;
use crate::repo::{Commit, ObjectId, PathChange, TreeEntry};

/// With the number of the format: a new one for whatever changes the meaning of a walk.
const HEAD: &[u8] = b"stax history 2\n";
/// The same with longer names.
const HEAD_SHA256: &[u8] = b"stax history 2 sha256\n";
const TAG: usize = 32;
/// In the place of a mode.
const NOTHING: usize = u32::MAX as usize;

/// What a kept walk is bound to: a key of the user, the repository, and the question in its name.
/// The tips are in the walk itself.
pub(super) struct Seal {
    pub(super) key: Zeroizing<[u8; 32]>,
    /// The real path of the common folder.
    pub(super) repository: Vec<u8>,
    pub(super) question: String,
}

impl Seal {
    fn mac(&self, content: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.key).ok()?;
        for part in [&self.repository, self.question.as_bytes(), content] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Some(mac)
    }
}

fn head(name: usize) -> &'static [u8] {
    if name > 20 { HEAD_SHA256 } else { HEAD }
}

pub(super) fn bytes(seal: &Seal, tips: &[ObjectId], found: &OrderedWalk) -> Option<Vec<u8>> {
    let mut out = Out(head(tips.first().map_or(0, |tip| tip.bytes().len())).to_vec());
    out.count(tips.len());
    tips.iter().for_each(|tip| out.id(*tip));
    out.count(found.walk.commits);
    out.long(found.skew);
    out.count(found.walk.dates.len());
    for (date, commit) in found.walk.dates.iter().zip(&found.walk.changed) {
        out.long(*date);
        out.id(commit.id);
        out.count(usize::from(commit.landed.is_some()));
        commit.landed.iter().for_each(|id| out.id(*id));
        for list in [&commit.paths, &commit.choices, &commit.gone] {
            out.count(list.len());
            list.iter().for_each(|change| out.change(change));
        }
    }
    let tag = seal.mac(&out.0)?.finalize().into_bytes();
    out.0.extend_from_slice(&tag);
    Some(out.0)
}

/// `None` for anything but what [`bytes`] wrote under this seal for names of so many bytes. The
/// commits have no names, dates and messages yet.
pub(super) fn parse(
    seal: &Seal,
    bytes: &[u8],
    name: usize,
) -> Option<(Vec<ObjectId>, OrderedWalk)> {
    let (content, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG)?)?;
    seal.mac(content)?.verify_slice(tag).ok()?;
    let mut input = In {
        rest: content.strip_prefix(head(name))?,
        name,
    };
    let tips = (0..input.count()?)
        .map(|_| input.id())
        .collect::<Option<Vec<_>>>()?;
    let mut found = OrderedWalk::default();
    found.walk.commits = input.count()?;
    found.skew = input.long()?;
    for _ in 0..input.count()? {
        found.walk.dates.push(input.long()?);
        let mut commit = Commit::unread(input.id()?);
        if input.count()? > 0 {
            commit.landed = Some(input.id()?);
        }
        for list in [&mut commit.paths, &mut commit.choices, &mut commit.gone] {
            for _ in 0..input.count()? {
                list.push(input.change()?);
            }
        }
        found.walk.changed.push(commit);
    }
    (input.rest.is_empty() && !tips.is_empty()).then_some((tips, found))
}

struct Out(Vec<u8>);

impl Out {
    fn count(&mut self, count: usize) {
        self.0
            .extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
    }

    fn long(&mut self, number: i64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    fn id(&mut self, id: ObjectId) {
        self.0.extend_from_slice(id.bytes());
    }

    fn entry(&mut self, entry: Option<TreeEntry>) {
        self.count(entry.map_or(NOTHING, |entry| entry.mode as usize));
        if let Some(entry) = entry {
            self.id(entry.id);
        }
    }

    fn change(&mut self, change: &PathChange) {
        self.count(change.path.len());
        self.0.extend_from_slice(change.path.as_bytes());
        self.entry(change.new);
        self.count(change.old.len());
        change.old.iter().for_each(|entry| self.entry(*entry));
    }
}

struct In<'a> {
    rest: &'a [u8],
    /// The bytes of an object's name.
    name: usize,
}

impl In<'_> {
    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }

    fn count(&mut self) -> Option<usize> {
        usize::try_from(u32::from_be_bytes(self.take(4)?.try_into().ok()?)).ok()
    }

    fn long(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    fn id(&mut self) -> Option<ObjectId> {
        ObjectId::new(self.take(self.name)?)
    }

    fn entry(&mut self) -> Option<Option<TreeEntry>> {
        let mode = u32::try_from(self.count()?).ok()?;
        if mode as usize == NOTHING {
            return Some(None);
        }
        Some(Some(TreeEntry {
            id: self.id()?,
            mode,
        }))
    }

    fn change(&mut self) -> Option<PathChange> {
        let length = self.count()?;
        let path = String::from_utf8(self.take(length)?.to_vec()).ok()?;
        let new = self.entry()?;
        let old = (0..self.count()?)
            .map(|_| self.entry())
            .collect::<Option<Vec<_>>>()?;
        Some(PathChange { path, new, old })
    }
}
