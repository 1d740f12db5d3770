//! Names for data: two runs of points have the same digest if, and as good as only if, they are the same points.
//!
//! The digest of a run is the sum modulo 2^128 of a hash of each of its points, time included (an additive multiset
//! hash: Clarke et al., *Incremental Multiset Hash Functions and Their Application to Memory Integrity Checking*,
//! ASIACRYPT 2003, section 4, MSet-Add-Hash). Sums of prefixes give the digest of any run by one subtraction, so that
//! the overlapping windows of all blocks cost one pass over the points. It is no defence against who forges points on
//! purpose, and need not be: digests are compared within one query of one data source only.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::series::Points;

/// Digests of all runs of one series.
#[derive(Debug)]
pub(super) struct Digests(Vec<u128>);

impl Digests {
    pub(super) fn of(points: Points<'_>) -> Self {
        let mut sum: u128 = 0;
        let mut sums = Vec::with_capacity(points.times.len() + 1);
        sums.push(sum);
        for (time, value) in points.times.iter().zip(points.values) {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&time.to_le_bytes());
            bytes[8..].copy_from_slice(&value.to_bits().to_le_bytes());
            sum = sum.wrapping_add(digest(&bytes));
            sums.push(sum);
        }
        Self(sums)
    }

    /// The digest of the points at `range`, an index range.
    pub(super) fn run(&self, range: std::ops::Range<usize>) -> u128 {
        self.0[range.end].wrapping_sub(self.0[range.start])
    }
}

/// The digest of some bytes.
pub(super) fn digest(bytes: &[u8]) -> u128 {
    let mut hash = SipHasher13::new();
    hash.write(bytes);
    hash.finish128().as_u128()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_the_same_digest_wherever_it_stands_and_any_change_another() {
        let (times, values) = ([1, 2, 3, 4, 5], [1.0, 2.0, f64::NAN, 4.0, 5.0]);
        let whole = Digests::of(Points { times: &times, values: &values });
        let part = Digests::of(Points { times: &times[1..4], values: &values[1..4] });
        assert_eq!(whole.run(1..4), part.run(0..3));
        assert_ne!(whole.run(1..4), whole.run(1..3));
        for changed in [[2.0, 1.0, 4.0], [2.0, f64::NAN, 4.5], [2.0, f64::NAN, -4.0]] {
            let other = Digests::of(Points { times: &times[1..4], values: &changed });
            assert_ne!(whole.run(1..4), other.run(0..3));
        }
        let later = Digests::of(Points { times: &[2, 3, 5], values: &values[1..4] });
        assert_ne!(whole.run(1..4), later.run(0..3));
    }
}
