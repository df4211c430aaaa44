//! How far a text is from repeating itself.

use std::collections::BTreeMap;

/// Shannon's, in bits a sign.
pub fn entropy<T: Ord>(signs: impl IntoIterator<Item = T>) -> f64 {
    let mut counts: BTreeMap<T, u32> = BTreeMap::new();
    for sign in signs {
        *counts.entry(sign).or_default() += 1;
    }
    let total = f64::from(counts.values().sum::<u32>());
    counts
        .values()
        .map(|count| f64::from(*count) / total)
        .map(|share| -share * share.log2())
        .sum()
}
