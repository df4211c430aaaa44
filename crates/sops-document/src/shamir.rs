//! Shamir's secret sharing as sops splits a data key over key groups (the layout of HashiCorp
//! Vault).
//!
//! Each byte of the key is the value at 0 of a polynomial over GF(2^8) with AES's modulus. A part
//! is the 32 values at one `x`, then `x` itself. No table and no branch depends on a secret byte.

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::cipher::{DataKey, Random};

/// What one key group holds of a data key.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct KeyShare([u8; DataKey::LEN + 1]);

impl KeyShare {
    pub const LEN: usize = DataKey::LEN + 1;

    #[must_use]
    pub fn new(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    fn x(&self) -> u8 {
        self.0[DataKey::LEN]
    }
}

/// Parts that cannot come from one split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartsError {
    #[error("are fewer than two")]
    TooFew,
    #[error("are the same part twice")]
    Twice,
    /// The value at 0 is the key itself, so no honest part stands there.
    #[error("hold a part that no split makes")]
    Origin,
}

/// Splits a data key into `count` parts, any `threshold` of which give it back.
///
/// # Panics
/// Unless `2 <= threshold <= count <= 255`.
pub fn split(key: &DataKey, count: usize, threshold: usize, random: Random<'_>) -> Vec<KeyShare> {
    assert!(
        2 <= threshold && threshold <= count && count <= 255,
        "no such split"
    );
    let mut parts: Vec<KeyShare> = (0..count).map(|_| KeyShare([0; KeyShare::LEN])).collect();
    let mut higher = Zeroizing::new(vec![0; threshold - 1]);
    for (position, byte) in key.bytes().iter().enumerate() {
        random(&mut higher);
        for (x, part) in (1..=u8::MAX).zip(&mut parts) {
            let sum = higher
                .iter()
                .rev()
                .fold(0, |sum, factor| times(sum, x) ^ factor);
            part.0[position] = times(sum, x) ^ byte;
            part.0[DataKey::LEN] = x;
        }
    }
    parts
}

/// The data key of parts; with too few or foreign ones it is another key, which only the MAC tells.
///
/// # Errors
/// [`PartsError`] for parts that are no points of one polynomial.
pub fn combine(parts: &[&KeyShare]) -> Result<DataKey, PartsError> {
    if parts.len() < 2 {
        return Err(PartsError::TooFew);
    }
    let twice = |(position, part): (usize, &&KeyShare)| {
        parts[..position].iter().any(|other| other.x() == part.x())
    };
    if parts.iter().enumerate().any(twice) {
        return Err(PartsError::Twice);
    }
    if parts.iter().any(|part| part.x() == 0) {
        return Err(PartsError::Origin);
    }
    let mut key = Zeroizing::new([0; DataKey::LEN]);
    for part in parts {
        // Lagrange's basis at 0, the same for every byte
        let others = parts
            .iter()
            .map(|other| other.x())
            .filter(|x| *x != part.x());
        let basis = others.fold(1, |basis, x| times(basis, times(x, inverse(x ^ part.x()))));
        for (sum, y) in key.iter_mut().zip(&part.0) {
            *sum ^= times(*y, basis);
        }
    }
    Ok(DataKey::new(*key))
}

/// Multiplication modulo x^8 + x^4 + x^3 + x + 1.
fn times(a: u8, b: u8) -> u8 {
    (0..8).rev().fold(0_u8, |sum, bit| {
        let doubled = (sum << 1) ^ ((sum >> 7).wrapping_neg() & 0x1b);
        doubled ^ (((b >> bit) & 1).wrapping_neg() & a)
    })
}

/// `a` to the power of 254: the inverse of everything but 0.
fn inverse(a: u8) -> u8 {
    (0..7)
        .fold((1, a), |(product, power), _| {
            let square = times(power, power);
            (times(product, square), square)
        })
        .0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_field_is_that_of_aes() {
        assert_eq!(
            (times(0x53, 0xca), times(0x57, 0x83), times(0x80, 2)),
            (1, 0xc1, 0x1b)
        );
        for a in 1..=u8::MAX {
            assert_eq!(times(a, inverse(a)), 1, "{a}");
        }
    }

    #[test]
    fn parts_that_no_split_makes_are_refused() {
        let part = |x: u8| KeyShare::new([x; KeyShare::LEN]);
        assert_eq!(combine(&[]).err(), Some(PartsError::TooFew));
        assert_eq!(combine(&[&part(1)]).err(), Some(PartsError::TooFew));
        assert_eq!(
            combine(&[&part(1), &part(2), &part(1)]).err(),
            Some(PartsError::Twice)
        );
        assert_eq!(
            combine(&[&part(1), &part(0)]).err(),
            Some(PartsError::Origin)
        );
    }

    proptest! {
        #[test]
        fn any_threshold_of_the_parts_gives_the_key_and_one_fewer_does_not(
            bytes: [u8; 32],
            seed: u64,
            (count, threshold) in (2_usize..9).prop_flat_map(|count| (Just(count), 2..=count)),
            order in Just((0..8).collect::<Vec<usize>>()).prop_shuffle(),
        ) {
            let mut state = seed;
            let mut random = |buffer: &mut [u8]| for byte in buffer {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = (state >> 56) as u8;
            };
            let key = DataKey::new(bytes);
            let parts = split(&key, count, threshold, &mut random);
            let shuffled: Vec<&KeyShare> = order.iter().filter_map(|index| parts.get(*index)).collect();
            for taken in threshold..=count {
                prop_assert!(combine(&shuffled[..taken]).unwrap() == key);
            }
            if threshold > 2 {
                prop_assert!(combine(&shuffled[..threshold - 1]).unwrap() != key);
            }
        }
    }
}
