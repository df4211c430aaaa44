//! Bloom filters of the paths that a commit changes against its first parent.

use std::ops::Range;

use super::number;

/// What git writes unless its own tests tell it otherwise.
const HASHES: u32 = 7;
const BITS: u32 = 10;
const SEEDS: (u32, u32) = (0x293a_e76f, 0x7e64_6e2c);

/// The filters of one file.
pub(super) struct Bloom {
    /// Where the filter of each commit ends.
    index: Range<usize>,
    data: Range<usize>,
    /// 1 reads bytes above 127 as negative numbers.
    version: u32,
}

impl Bloom {
    pub(super) fn read(
        bytes: &[u8],
        index: Range<usize>,
        data: Range<usize>,
        commits: usize,
    ) -> Option<Self> {
        let header = bytes.get(data.clone())?;
        let (version, hashes, bits) = (number(header, 0)?, number(header, 1)?, number(header, 2)?);
        let ends = bytes.get(index.clone())?;
        let end = if commits == 0 {
            0
        } else {
            number(ends, commits - 1)?
        };
        let is_sound = matches!(version, 1 | 2)
            && (hashes, bits) == (HASHES, BITS)
            && index.len() == commits * 4
            && end as usize == header.len() - 12;
        is_sound.then(|| Self {
            index,
            data: data.start + 12..data.end,
            version,
        })
    }

    fn filter<'a>(&self, bytes: &'a [u8], at: usize) -> Option<&'a [u8]> {
        let ends = bytes.get(self.index.clone())?;
        let start = if at == 0 { 0 } else { number(ends, at - 1)? };
        bytes
            .get(self.data.clone())?
            .get(start as usize..number(ends, at)? as usize)
    }
}

/// The filters of a graph, asked for some paths.
pub(in crate::repo) struct Filters<'g> {
    layers: Vec<(&'g [u8], u32, Option<&'g Bloom>)>,
    /// For each path its own key and those of the folders above it, which a change of it changes as
    /// well.
    keys: Vec<Vec<(u32, u32)>>,
}

impl<'g> Filters<'g> {
    pub(super) fn new(
        layers: impl Iterator<Item = (&'g [u8], u32, Option<&'g Bloom>)>,
        paths: &[&str],
    ) -> Self {
        let is_plain = paths.iter().all(|path| path.is_ascii());
        let usable = |bloom: &&Bloom| bloom.version == 2 || is_plain;
        let layers = layers
            .map(|(bytes, first, bloom)| (bytes, first, bloom.filter(usable)))
            .collect();
        let key = |path: &str| {
            (
                murmur3(SEEDS.0, path.as_bytes()),
                murmur3(SEEDS.1, path.as_bytes()),
            )
        };
        let keys = |path: &&str| {
            let folders = path.match_indices('/').map(|(end, _)| key(&path[..end]));
            [key(path)].into_iter().chain(folders).collect()
        };
        Self {
            layers,
            keys: paths.iter().map(keys).collect(),
        }
    }

    /// Whether a commit certainly holds at all the paths what its first parent holds there.
    pub(in crate::repo) fn rule_out(&self, position: u32) -> bool {
        let layer = self
            .layers
            .iter()
            .rev()
            .find(|(_, first, _)| *first <= position);
        let Some((bytes, first, Some(bloom))) = layer else {
            return false;
        };
        match bloom.filter(bytes, (position - first) as usize) {
            // no filter was made
            None | Some([]) => false,
            Some(filter) => !self
                .keys
                .iter()
                .any(|keys| keys.iter().all(|key| may_hold(filter, *key))),
        }
    }
}

fn may_hold(filter: &[u8], key: (u32, u32)) -> bool {
    let bits = u32::try_from(filter.len() * 8).unwrap_or(u32::MAX);
    (0..HASHES).all(|at| {
        let bit = key.0.wrapping_add(at.wrapping_mul(key.1)) % bits;
        filter[bit as usize / 8] & (1 << (bit % 8)) != 0
    })
}

fn murmur3(seed: u32, data: &[u8]) -> u32 {
    let mix = |word: u32| {
        word.wrapping_mul(0xcc9e_2d51)
            .rotate_left(15)
            .wrapping_mul(0x1b87_3593)
    };
    let (words, tail) = data.as_chunks();
    let mut hash = seed;
    for word in words {
        hash = (hash ^ mix(u32::from_le_bytes(*word))).rotate_left(13);
        hash = hash.wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let mut rest = [0; 4];
    rest[..tail.len()].copy_from_slice(tail);
    hash ^= mix(u32::from_le_bytes(rest)) ^ u32::try_from(data.len()).unwrap_or(u32::MAX);
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_format() {
        // t/helper/test-bloom.c of git
        let hash = |text: &str| murmur3(0, text.as_bytes());
        assert_eq!(hash(""), 0);
        assert_eq!(hash("Hello world!"), 0x627b_0c2c);
        assert_eq!(
            hash("The quick brown fox jumps over the lazy dog"),
            0x2e4f_f723
        );
    }
}
