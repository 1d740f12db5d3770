//! Scoring with AVX-512 where the processor has it: the only unsafe code of the forest.
//!
//! A kernel follows one tree with many rows at once and adds the path lengths, bit for bit as the plain Rust beside it
//! does. Tables by node are so small that they stay in registers; a look-up is a permutation of them.
#![expect(unsafe_code, reason = "intrinsics that load, and calls of what only some processors have")]

use super::axis;

/// Values that a kernel may read beyond the last.
pub(super) const PADDING: usize = 96;

/// What runs the trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kernel {
    /// Plain Rust.
    Portable,
    /// AVX-512 with the byte and word permutations: Intel since Ice Lake, AMD since Zen 4.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Kernel {
    /// The fastest that this processor runs.
    pub(super) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vbmi")
            && is_x86_feature_detected!("avx512vbmi2")
        {
            return Self::Avx512;
        }
        Self::Portable
    }

    /// How far apart the rows must be for [`Self::axis`], which takes trees of one height only; `None` if there is no
    /// kernel for them. `stride` is 1 for windows.
    pub(super) fn axis_row_stride(self, height: usize, width: usize, stride: usize) -> Option<usize> {
        match self {
            Self::Portable => None,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => match (height, width, stride) {
                (8, ..=33, 1) => Some(1),
                (8, ..=16, _) => Some(width.next_power_of_two()),
                _ => None,
            },
        }
    }

    /// Adds the path lengths of rows in one axis-parallel tree to `sums`. Feature f of row i is at
    /// `places[i * row_stride + f]`; behind the last are [`PADDING`] times `row_stride` more.
    pub(super) fn axis(self, tree: &axis::Tree<'_>, places: &[u16], row_stride: usize, sums: &mut [i64]) {
        match self {
            Self::Portable => {}
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `detect` found every feature that these functions enable.
            Self::Avx512 => unsafe {
                match row_stride {
                    1 | 2 => avx512::axis::<1>(tree, places, row_stride, sums),
                    4 => avx512::axis::<2>(tree, places, row_stride, sums),
                    8 => avx512::axis::<4>(tree, places, row_stride, sums),
                    _ => avx512::axis::<8>(tree, places, row_stride, sums),
                }
            },
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::*;

    use super::axis::Tree;

    #[target_feature(enable = "avx512f")]
    fn load_words(from: &[u16; 32]) -> __m512i {
        // SAFETY: the array has the 64 bytes that are read.
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx512f")]
    fn load_bytes(from: &[u8; 64]) -> __m512i {
        // SAFETY: the array has the 64 bytes that are read.
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }

    /// Adds `table[i]` to the sums for the eight `i`, of which only the low byte counts.
    #[target_feature(enable = "avx512f")]
    fn add_leaves(table: &[i64; 256], at: __m256i, sums: &mut [i64; 8]) {
        // SAFETY: the indices are at most 255, and the sums have the 64 bytes that are read and written.
        unsafe {
            let leaves = _mm512_i32gather_epi64::<8>(at, table.as_ptr());
            let before = _mm512_loadu_si512(sums.as_ptr().cast());
            _mm512_storeu_si512(sums.as_mut_ptr().cast(), _mm512_add_epi64(before, leaves));
        }
    }

    /// One tree of height 8, 32 rows at a time. `PAIRS` pairs of registers hold the places of the 32 rows: one for
    /// windows, which overlap, and `stride` / 2 for rows that do not.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi,avx512vbmi2")]
    pub(super) fn axis<const PAIRS: usize>(tree: &Tree<'_>, places: &[u16], stride: usize, sums: &mut [i64]) {
        let (Some(splits), Some(leaves)) =
            (tree.splits.first_chunk::<256>(), tree.leaves.first_chunk::<256>())
        else {
            return;
        };
        let mut features = [0_u8; 256];
        for (byte, feature) in features.iter_mut().zip(tree.features) {
            *byte = *feature as u8;
        }
        let (splits, _) = splits.as_chunks::<32>();
        let (features, _) = features.as_chunks::<64>();
        let mut s = [_mm512_setzero_si512(); 8];
        for (register, words) in s.iter_mut().zip(splits) {
            *register = load_words(words);
        }
        let mut f = [_mm512_setzero_si512(); 4];
        for (register, bytes) in f.iter_mut().zip(features) {
            *register = load_bytes(bytes);
        }
        // Rows that share a pair of registers, and where each of them begins in it.
        let rows_per_pair = 32 / PAIRS;
        let starts: [u16; 32] = std::array::from_fn(|lane| ((lane % rows_per_pair) * stride) as u16);
        let starts = load_words(&starts);
        // The low byte of each word: words index bytes by it.
        let low_bytes = 0x5555_5555_5555_5555;

        let mut chunk_sums = [0; 32];
        for (chunk, sums) in sums.chunks_mut(32).enumerate() {
            let places = &places[chunk * 32 * stride..];
            let (places, _) = places.as_chunks::<32>();
            let places = &places[..2 * PAIRS];
            // Whether each lane goes right, from the place at its feature: the sign of split − place, shifted into the
            // entry, which so becomes that of the child.
            let descend = |entry: __m512i, split: __m512i, feature: __m512i| {
                let at = _mm512_add_epi16(feature, starts);
                let mut place = _mm512_permutex2var_epi16(load_words(&places[0]), at, load_words(&places[1]));
                for pair in 1..PAIRS {
                    let lanes = ((1_u64 << rows_per_pair) - 1) << (pair * rows_per_pair);
                    let (low, high) = (load_words(&places[2 * pair]), load_words(&places[2 * pair + 1]));
                    place = _mm512_mask_blend_epi16(
                        lanes as u32,
                        place,
                        _mm512_permutex2var_epi16(low, at, high),
                    );
                }
                _mm512_shldi_epi16::<1>(entry, _mm512_sub_epi16(split, place))
            };
            let mut entry = _mm512_set1_epi16(1);
            // Entries 1 to 31, levels 0 to 4: one register of splits.
            for _ in 0..5 {
                let split = _mm512_permutexvar_epi16(entry, s[0]);
                let feature = _mm512_maskz_permutexvar_epi8(low_bytes, entry, f[0]);
                entry = descend(entry, split, feature);
            }
            // Entries 32 to 63; a permutation looks at the low bits only.
            let split = _mm512_permutexvar_epi16(entry, s[1]);
            let feature = _mm512_maskz_permutexvar_epi8(low_bytes, entry, f[0]);
            entry = descend(entry, split, feature);
            // Entries 64 to 127.
            let split = _mm512_permutex2var_epi16(s[2], entry, s[3]);
            let feature = _mm512_maskz_permutexvar_epi8(low_bytes, entry, f[1]);
            entry = descend(entry, split, feature);
            // Entries 128 to 255.
            let upper = _mm512_test_epi16_mask(entry, _mm512_set1_epi16(64));
            let split = _mm512_mask_blend_epi16(
                upper,
                _mm512_permutex2var_epi16(s[4], entry, s[5]),
                _mm512_permutex2var_epi16(s[6], entry, s[7]),
            );
            let feature = _mm512_maskz_permutex2var_epi8(low_bytes, f[2], entry, f[3]);
            entry = descend(entry, split, feature);

            let leaf = _mm512_and_si512(entry, _mm512_set1_epi16(255));
            let low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(leaf));
            let high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64::<1>(leaf));
            let eights = [
                _mm512_castsi512_si256(low),
                _mm512_extracti64x4_epi64::<1>(low),
                _mm512_castsi512_si256(high),
                _mm512_extracti64x4_epi64::<1>(high),
            ];
            if let Ok(sums) = <&mut [i64; 32]>::try_from(&mut *sums) {
                let (eight_sums, _) = sums.as_chunks_mut::<8>();
                for (sums, at) in eight_sums.iter_mut().zip(eights) {
                    add_leaves(leaves, at, sums);
                }
            } else {
                chunk_sums.fill(0);
                let (eight_sums, _) = chunk_sums.as_chunks_mut::<8>();
                for (sums, at) in eight_sums.iter_mut().zip(eights) {
                    add_leaves(leaves, at, sums);
                }
                for (sum, added) in sums.iter_mut().zip(&chunk_sums) {
                    *sum += added;
                }
            }
        }
    }
}
