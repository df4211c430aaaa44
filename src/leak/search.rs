//! Many texts in one pass: each is known by eight of its bytes, and compared where those are met.
//!
//! An automaton over all bytes of all texts (Aho-Corasick) would be a copy of the values that
//! nobody overwrites, and grows with them. Every text is at least as long as a window, so a table
//! of windows does: its cost a byte does not depend on how many texts there are.

use zeroize::Zeroizing;

use super::Form;
use super::parts::ValuePart;

/// Bytes of a window: one machine word, and the least that a value has.
pub(super) const WINDOW: usize = 8;
/// Bits of the filter a text: of 64 windows of other texts one passes it.
const BITS: usize = 64;
const MIN_BITS: usize = 1 << 14;
/// Two MiB: more would not stay in the cache.
const MAX_BITS: usize = 1 << 24;
/// The golden ratio in 64 bits: a product whose upper bits depend on all lower ones (Knuth, 6.4).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// One form of a value.
pub(super) struct Needle {
    pub value: usize,
    pub form: Form,
    pub is_password: bool,
    pub is_piece: bool,
    pub text: Zeroizing<Vec<u8>>,
    /// Where its window begins.
    pub window: usize,
}

impl Needle {
    pub(super) fn new(
        value: usize,
        form: Form,
        part: &ValuePart,
        text: Zeroizing<Vec<u8>>,
    ) -> Self {
        let variety = |window: &[u8]| {
            let mut seen = [false; 256];
            let kinds = window
                .iter()
                .filter(|byte| !std::mem::replace(&mut seen[usize::from(**byte)], true));
            kinds.count()
                + window
                    .iter()
                    .filter(|byte| !byte.is_ascii_lowercase())
                    .count()
        };
        // the rarest one: `postgres` begins many texts
        let best = text
            .windows(WINDOW)
            .enumerate()
            .max_by_key(|(_, window)| variety(window));
        let window = best.map_or(0, |(at, _)| at);
        Self {
            value,
            form,
            is_password: part.is_password,
            is_piece: part.is_piece,
            text,
            window,
        }
    }
}

/// The windows of all needles.
pub(super) struct Windows {
    /// A bit for each hash that is there.
    filter: Vec<u64>,
    /// How far a product is shifted to be a bit of the filter.
    shift: u32,
    /// Windows in order.
    words: Zeroizing<Vec<u64>>,
    /// The needle of each.
    needles: Vec<usize>,
}

impl Windows {
    pub(super) fn new(needles: &[Needle]) -> Self {
        let bits = (needles.len() * BITS)
            .next_power_of_two()
            .clamp(MIN_BITS, MAX_BITS);
        let shift = u64::BITS - bits.trailing_zeros();
        let window = |needle: &Needle| {
            needle
                .text
                .get(needle.window..needle.window + WINDOW)
                .map(word)
        };
        let mut rows = Zeroizing::new(Vec::with_capacity(needles.len()));
        rows.extend(
            needles
                .iter()
                .enumerate()
                .filter_map(|(at, needle)| Some((window(needle)?, at))),
        );
        rows.sort_unstable();
        let mut filter = vec![0_u64; bits / 64];
        for (word, _) in rows.iter() {
            let bit = hash(*word, shift);
            filter[bit / 64] |= 1 << (bit % 64);
        }
        let words = Zeroizing::new(rows.iter().map(|(word, _)| *word).collect());
        let needles = rows.iter().map(|(_, at)| *at).collect();
        Self {
            filter,
            shift,
            words,
            needles,
        }
    }

    /// Every place at which a window of a needle stands.
    pub(super) fn scan(&self, bytes: &[u8], visit: &mut dyn FnMut(usize, usize)) {
        for (at, window) in bytes.windows(WINDOW).enumerate() {
            let word = word(window);
            let bit = hash(word, self.shift);
            if self.filter[bit / 64] >> (bit % 64) & 1 == 0 {
                continue;
            }
            let from = self.words.partition_point(|known| *known < word);
            let same = self.words[from..]
                .iter()
                .take_while(|known| **known == word)
                .count();
            for needle in &self.needles[from..from + same] {
                visit(at, *needle);
            }
        }
    }
}

fn word(window: &[u8]) -> u64 {
    let mut bytes = [0; WINDOW];
    bytes.copy_from_slice(&window[..WINDOW]);
    u64::from_le_bytes(bytes)
}

fn hash(word: u64, shift: u32) -> usize {
    (word.wrapping_mul(SPREAD) >> shift) as usize
}
