//! git's commit-graph file: the commits without their objects, and for each a Bloom filter of the
//! paths that it changes. libgit2 gains nothing from it.
//!
//! Format: `gitformat-commit-graph(5)`. Whatever is odd about a file means that there is none.
//! Offsets are checked where they are used, since checking the file as a whole would cost more than
//! it saves.

mod bloom;

use std::cmp::Ordering;
use std::fs;
use std::ops::Range;
use std::path::Path;

use git2::{ObjectFormat, Oid};

use super::{ObjectId, Repo};
use bloom::Bloom;
pub(super) use bloom::Filters;

/// Of a row of `CDAT`, behind the tree: two parents, and generation with time.
const NUMBERS: usize = 16;
const NO_PARENT: u32 = 0x7000_0000;
/// In a parent: more of them stand in `EDGE`; there: the last.
const HIGH: u32 = 0x8000_0000;

/// One file, or a chain of them; the positions of commits count through all.
pub(super) struct Graph {
    layers: Vec<Layer>,
    len: u32,
}

struct Layer {
    bytes: Vec<u8>,
    /// The bytes of an object's name: 20, or 32 of SHA-256.
    hash: usize,
    /// The position of its first commit.
    first: u32,
    len: u32,
    fanout: Range<usize>,
    ids: Range<usize>,
    rows: Range<usize>,
    edges: Range<usize>,
    bloom: Option<Bloom>,
}

/// What a graph tells of a commit.
pub(super) struct GraphCommit {
    pub tree: Oid,
    /// Committer's time.
    pub time: i64,
    parents: [u32; 2],
    more: Vec<u32>,
}

impl GraphCommit {
    /// Positions.
    pub(super) fn parents(&self) -> impl Iterator<Item = u32> {
        let more = self.more.iter().copied();
        self.parents
            .into_iter()
            .filter(|parent| *parent != NO_PARENT)
            .chain(more)
    }
}

impl Graph {
    /// The graph of a repository, unless git would not use it either.
    pub(super) fn open(repo: &Repo) -> Option<Self> {
        if repo.is_shallow() || repo.config_bool("core.commitGraph").ok().flatten() == Some(false) {
            return None;
        }
        let common = repo.common_dir();
        if common.join("info/grafts").exists() || !repo.references("refs/replace/").ok()?.is_empty()
        {
            return None;
        }
        let objects = common.join("objects");
        let graph = match fs::read(objects.join("info/commit-graph")) {
            Ok(bytes) => Self::of(vec![bytes], &[]),
            Err(_) => Self::chain(&objects.join("info/commit-graphs")),
        };
        // names of another length are of no object here, and libgit2 shall not look for them
        let hash = if repo.git.object_format() == ObjectFormat::Sha1 {
            20
        } else {
            32
        };
        graph.filter(|graph| graph.layers.iter().all(|layer| layer.hash == hash))
    }

    fn chain(folder: &Path) -> Option<Self> {
        let names = fs::read_to_string(folder.join("commit-graph-chain")).ok()?;
        let hashes = names
            .lines()
            .map(|line| line.parse().ok())
            .collect::<Option<Vec<_>>>()?;
        let read = |hash: &ObjectId| fs::read(folder.join(format!("graph-{hash}.graph"))).ok();
        Self::of(
            hashes.iter().map(read).collect::<Option<Vec<_>>>()?,
            &hashes,
        )
    }

    fn of(files: Vec<Vec<u8>>, hashes: &[ObjectId]) -> Option<Self> {
        let (mut layers, mut len) = (Vec::new(), 0_u32);
        for (at, bytes) in files.into_iter().enumerate() {
            let layer = Layer::read(bytes, len, hashes.get(..at)?)?;
            len = len.checked_add(layer.len).filter(|len| *len < NO_PARENT)?;
            layers.push(layer);
        }
        Some(Self { layers, len })
    }

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn find(&self, id: &Oid) -> Option<u32> {
        self.layers.iter().find_map(|layer| layer.find(id))
    }

    pub(super) fn id(&self, position: u32) -> Option<Oid> {
        let layer = self.layer(position)?;
        Oid::from_bytes(layer.id(position - layer.first)?).ok()
    }

    /// `None`: the file is damaged.
    pub(super) fn commit(&self, position: u32) -> Option<GraphCommit> {
        let layer = self.layer(position)?;
        layer.commit(position - layer.first)
    }

    /// What tells quickly that a commit leaves paths alone.
    pub(super) fn filters(&self, paths: &[&str]) -> Filters<'_> {
        Filters::new(
            self.layers
                .iter()
                .map(|layer| (&layer.bytes[..], layer.first, layer.bloom.as_ref())),
            paths,
        )
    }

    fn layer(&self, position: u32) -> Option<&Layer> {
        self.layers
            .iter()
            .rev()
            .find(|layer| layer.first <= position)
    }
}

impl Layer {
    fn read(bytes: Vec<u8>, first: u32, bases: &[ObjectId]) -> Option<Self> {
        let [b'C', b'G', b'P', b'H', 1, function, chunks, base_count] =
            *bytes.first_chunk::<8>()?
        else {
            return None;
        };
        let hash = match function {
            1 => 20,
            2 => 32,
            _ => return None,
        };
        let chunks = Chunks::read(&bytes, usize::from(chunks), hash)?;
        let (fanout, ids, rows) = (
            chunks.find(b"OIDF")?,
            chunks.find(b"OIDL")?,
            chunks.find(b"CDAT")?,
        );
        let len = ids.len() / hash;
        let named: Vec<u8> = bases
            .iter()
            .flat_map(|base| base.bytes().to_vec())
            .collect();
        let base = chunks
            .find(b"BASE")
            .and_then(|range| bytes.get(range))
            .unwrap_or_default();
        let is_sound = fanout.len() == 1024
            && ids.len() == len * hash
            && rows.len() == len * (hash + NUMBERS)
            && usize::from(base_count) == bases.len()
            && base == named;
        let bloom = chunks.find(b"BIDX").zip(chunks.find(b"BDAT"));
        let bloom = bloom.and_then(|(index, data)| Bloom::read(&bytes, index, data, len));
        let edges = chunks.find(b"EDGE").unwrap_or_default();
        let len = u32::try_from(len).ok()?;
        let layer = Self {
            bytes,
            hash,
            first,
            len,
            fanout,
            ids,
            rows,
            edges,
            bloom,
        };
        (is_sound && layer.is_sorted()).then_some(layer)
    }

    /// A commit that the search misses would be walked twice.
    fn is_sorted(&self) -> bool {
        let Some(ids) = self.bytes.get(self.ids.clone()) else {
            return false;
        };
        let mut counts = [0; 256];
        ids.chunks_exact(self.hash)
            .for_each(|id| counts[usize::from(id[0])] += 1);
        let mut end = 0;
        let mut is_at_end = |(byte, count): (u8, &u32)| {
            end += count;
            self.fanout(byte) == Some(end)
        };
        ids.chunks_exact(self.hash).is_sorted_by(|a, b| a < b)
            && (0..=255).zip(&counts).all(&mut is_at_end)
    }

    fn fanout(&self, byte: u8) -> Option<u32> {
        number(self.bytes.get(self.fanout.clone())?, usize::from(byte))
    }

    fn id(&self, at: u32) -> Option<&[u8]> {
        let start = self.ids.start + at as usize * self.hash;
        (at < self.len).then(|| self.bytes.get(start..start + self.hash))?
    }

    fn find(&self, id: &Oid) -> Option<u32> {
        let byte = id.as_bytes()[0];
        let start = if byte == 0 { 0 } else { self.fanout(byte - 1)? };
        let (mut start, mut end) = (start, self.fanout(byte)?);
        while start < end {
            let middle = start.midpoint(end);
            match self.id(middle)?.cmp(id.as_bytes()) {
                Ordering::Less => start = middle + 1,
                Ordering::Equal => return Some(self.first + middle),
                Ordering::Greater => end = middle,
            }
        }
        None
    }

    fn commit(&self, at: u32) -> Option<GraphCommit> {
        let length = self.hash + NUMBERS;
        let start = self.rows.start + at as usize * length;
        let row = self
            .bytes
            .get(start..start + length)
            .filter(|_| at < self.len)?;
        let (tree, numbers) = row.split_at(self.hash);
        let (first, second) = (number(numbers, 0)?, number(numbers, 1)?);
        // the generation is not used: a wrong one would end a walk early
        let time = (i64::from(number(numbers, 2)? & 3) << 32) | i64::from(number(numbers, 3)?);
        let is_octopus = second & HIGH != 0;
        let more = if is_octopus {
            self.more(second & !HIGH)?
        } else {
            Vec::new()
        };
        let parents = [first, if is_octopus { NO_PARENT } else { second }];
        Some(GraphCommit {
            tree: Oid::from_bytes(tree).ok()?,
            time,
            parents,
            more,
        })
    }

    /// The second and further parents of an octopus.
    fn more(&self, from: u32) -> Option<Vec<u32>> {
        let mut parents = Vec::new();
        let edges = self.bytes.get(self.edges.clone())?;
        for at in from as usize.. {
            let parent = number(edges, at)?;
            parents.push(parent & !HIGH);
            if parent & HIGH != 0 {
                break;
            }
        }
        Some(parents)
    }
}

/// The table of contents.
struct Chunks(Vec<([u8; 4], Range<usize>)>);

impl Chunks {
    /// At the end of the file stands a checksum of `hash` bytes.
    fn read(bytes: &[u8], count: usize, hash: usize) -> Option<Self> {
        let row = |at: usize| -> Option<([u8; 4], usize)> {
            let (name, offset) = bytes
                .get(8 + at * 12..20 + at * 12)?
                .split_first_chunk::<4>()?;
            Some((
                *name,
                usize::try_from(u64::from_be_bytes(offset.try_into().ok()?)).ok()?,
            ))
        };
        let mut chunks: Vec<([u8; 4], Range<usize>)> = Vec::new();
        for at in 0..count {
            let ((name, start), (_, end)) = (row(at)?, row(at + 1)?);
            let is_sound =
                8 + (count + 1) * 12 <= start && start <= end && end + hash <= bytes.len();
            if !is_sound || chunks.iter().any(|(other, _)| *other == name) {
                return None;
            }
            chunks.push((name, start..end));
        }
        let (last, end) = row(count)?;
        (last == [0; 4] && end + hash == bytes.len()).then_some(Self(chunks))
    }

    fn find(&self, name: &[u8; 4]) -> Option<Range<usize>> {
        self.0
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, range)| range.clone())
    }
}

/// The `at`th number of four bytes.
fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at.checked_mul(4)?..)?
        .first_chunk()
        .map(|bytes| u32::from_be_bytes(*bytes))
}
