//! Scoring with AVX-512 where the processor has it: the only unsafe code of the forest.
//!
//! A kernel follows one tree with many rows at once and adds the path lengths, bit for bit as the plain Rust beside it
//! does. Tables by node are so small that they stay in registers; a look-up is a permutation of them.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "intrinsics that load, and calls of what only some processors have")
)]

use super::{axis, oblique};

/// Values that a kernel may read beyond the last.
pub(super) const PADDING: usize = 160;

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
        match (height, width, stride) {
            _ if self == Self::Portable => None,
            (8, ..=33, 1) => Some(1),
            (8, ..=16, _) => Some(width.next_power_of_two()),
            _ => None,
        }
    }

    /// Adds the path lengths of rows in one axis-parallel tree to `sums`. Feature f of row i is at
    /// `places[i * row_stride + f]`; behind the last are [`PADDING`] times `row_stride` more.
    pub(super) fn axis(self, tree: &axis::Tree<'_>, places: &[u16], row_stride: usize, sums: &mut [i64]) {
        #[cfg(target_arch = "x86_64")]
        if self == Self::Avx512 {
            // SAFETY: `detect` found every feature that these functions enable.
            unsafe {
                match row_stride {
                    1 | 2 => avx512::axis::<1>(tree, places, row_stride, sums),
                    4 => avx512::axis::<2>(tree, places, row_stride, sums),
                    8 => avx512::axis::<4>(tree, places, row_stride, sums),
                    _ => avx512::axis::<8>(tree, places, row_stride, sums),
                }
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (tree, places, row_stride, sums);
    }

    /// Whether [`Self::oblique`] takes trees of this height.
    pub(super) fn takes_oblique(self, height: usize) -> bool {
        self != Self::Portable && height == 8
    }

    /// Adds the path lengths of rows in one oblique tree to `sums`.
    pub(super) fn oblique(
        self,
        tree: &oblique::Tree<'_>,
        leaves: &[i64],
        block: &oblique::Block<'_>,
        sums: &mut [i64],
    ) {
        #[cfg(target_arch = "x86_64")]
        if self == Self::Avx512 {
            // SAFETY: `detect` found every feature that this function enables.
            unsafe { avx512::oblique(tree, leaves, block, sums) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (tree, leaves, block, sums);
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::*;

    use super::axis::Tree;
    use super::oblique;
    use super::oblique::TOGETHER;

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

    #[target_feature(enable = "avx512f")]
    fn load_singles(from: &[f32; 16]) -> __m512 {
        // SAFETY: the array has the 64 bytes that are read.
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }

    /// One number for each of a tree's 256 entries.
    type Table = [[f32; 16]; 16];

    /// Entry `at` of two registers, of which a permutation looks at the low five bits.
    #[target_feature(enable = "avx512f")]
    fn look_up(low: &[f32; 16], at: __m512i, high: &[f32; 16]) -> __m512 {
        _mm512_permutex2var_ps(load_singles(low), at, load_singles(high))
    }

    /// Entries 64 to 127, level 6.
    #[target_feature(enable = "avx512f")]
    fn look_up_64(table: &Table, entry: __m512i) -> __m512 {
        let upper = _mm512_test_epi32_mask(entry, _mm512_set1_epi32(32));
        let (left, right) = (look_up(&table[4], entry, &table[5]), look_up(&table[6], entry, &table[7]));
        _mm512_mask_blend_ps(upper, left, right)
    }

    /// Entries 128 to 255, level 7.
    #[target_feature(enable = "avx512f")]
    fn look_up_128(table: &Table, entry: __m512i) -> __m512 {
        let [quarter, half] = [32, 64].map(|bit| _mm512_test_epi32_mask(entry, _mm512_set1_epi32(bit)));
        let pair = |at: usize| look_up(&table[at], entry, &table[at + 1]);
        let left = _mm512_mask_blend_ps(quarter, pair(8), pair(10));
        let right = _mm512_mask_blend_ps(quarter, pair(12), pair(14));
        _mm512_mask_blend_ps(half, left, right)
    }

    /// The hyperplanes of a level if they are 32 at most, which fit two registers. Oblique trees have few on their lowest
    /// levels: the planes of a box pass by most points inside it.
    struct Packed {
        /// For each feature, and then for `at`; the third register is room to write beyond the second.
        tables: Vec<[[f32; 16]; 3]>,
        /// The place of each entry, by the low seven bits of the entry.
        places: [u8; 128],
    }

    impl Packed {
        /// Packs the level that begins at entry `first`, if it is not too full. `planes` has a bit for each entry.
        #[target_feature(enable = "avx512f")]
        fn new(first: usize, weights: &[Table], at: &Table, planes: &[u16; 16]) -> Option<Self> {
            let level = first / 16..first / 8;
            if planes[level.clone()].iter().map(|mask| mask.count_ones()).sum::<u32>() > 32 {
                return None;
            }
            let mut places = [0; 128];
            let mut count = 0;
            for register in level.clone() {
                let mut mask = planes[register];
                while mask != 0 {
                    places[(register * 16 + mask.trailing_zeros() as usize) & 127] = count;
                    count += 1;
                    mask &= mask - 1;
                }
            }
            let pack = |table: &Table| {
                let mut to = [[0.0; 16]; 3];
                let mut end = 0;
                for register in level.clone() {
                    let together = _mm512_maskz_compress_ps(planes[register], load_singles(&table[register]));
                    if let Some(to) = to.as_flattened_mut()[end..].first_chunk_mut::<16>() {
                        store_singles(to, together);
                    }
                    end += planes[register].count_ones() as usize;
                }
                to
            };
            let mut tables = Vec::with_capacity(weights.len() + 1);
            tables.extend(weights.iter().chain([at]).map(pack));
            Some(Self { tables, places })
        }

        /// The place of each entry.
        #[target_feature(enable = "avx512f,avx512vbmi")]
        fn places(&self, lanes: &[Lanes; VECTORS]) -> [__m512i; VECTORS] {
            let (places, _) = self.places.as_chunks::<64>();
            let (low, high) = (load_bytes(&places[0]), load_bytes(&places[1]));
            lanes.map(|lanes| _mm512_maskz_permutex2var_epi8(0x1111_1111_1111_1111, low, lanes.entry, high))
        }
    }

    #[target_feature(enable = "avx512f")]
    fn store_singles(to: &mut [f32; 16], from: __m512) {
        // SAFETY: the array has the 64 bytes that are written.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), from) }
    }

    /// The 16 rows of one register on their way down.
    #[derive(Clone, Copy)]
    struct Lanes {
        entry: __m512i,
        /// Rows of which a rounded sum was too close to call.
        unsure: __mmask16,
    }

    /// Rows on their way down together, and their features: that of number f is at f · `stride`.
    struct Descent<'a> {
        y: &'a [f32],
        stride: usize,
        margins: [f32; VECTORS],
        lanes: [Lanes; VECTORS],
    }

    impl Descent<'_> {
        /// Goes one level down. `look_up` finds the number of a table for each row of a register.
        #[target_feature(enable = "avx512f,avx512dq")]
        fn descend<T>(&mut self, weights: &[T], at: &T, look_up: impl Fn(&T, usize, __m512i) -> __m512) {
            let mut sums = [_mm512_setzero_ps(); VECTORS];
            for (feature, table) in weights.iter().enumerate() {
                let Some(y) = self.y[feature * self.stride..].first_chunk::<ROWS>() else { return };
                let (y, _) = y.as_chunks::<16>();
                for vector in 0..VECTORS {
                    let weight = look_up(table, vector, self.lanes[vector].entry);
                    sums[vector] = _mm512_fmadd_ps(weight, load_singles(&y[vector]), sums[vector]);
                }
            }
            for (vector, (sum, lanes)) in sums.iter().zip(&mut self.lanes).enumerate() {
                let beyond = _mm512_sub_ps(*sum, look_up(at, vector, lanes.entry));
                let right = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(beyond, _mm512_setzero_ps());
                let margin = _mm512_set1_ps(self.margins[vector]);
                lanes.unsure |= _mm512_cmp_ps_mask::<_CMP_NGT_UQ>(_mm512_abs_ps(beyond), margin);
                let double = _mm512_add_epi32(lanes.entry, lanes.entry);
                lanes.entry = _mm512_mask_add_epi32(double, right, double, _mm512_set1_epi32(1));
            }
        }

        /// Goes one level down by packed tables.
        #[target_feature(enable = "avx512f,avx512dq,avx512vbmi")]
        fn descend_packed(&mut self, packed: &Packed) {
            let places = packed.places(&self.lanes);
            if let Some((at, weights)) = packed.tables.split_last() {
                self.descend(weights, at, |table, vector, _| look_up(&table[0], places[vector], &table[1]));
            }
        }
    }

    /// Registers of rows that go down together, so that one waits while the other works.
    const VECTORS: usize = 4;
    const ROWS: usize = VECTORS * TOGETHER;

    /// One tree of height 8.
    #[target_feature(enable = "avx512f,avx512dq,avx512vbmi")]
    pub(super) fn oblique(
        tree: &oblique::Tree<'_>,
        leaves: &[i64],
        block: &oblique::Block<'_>,
        sums: &mut [i64],
    ) {
        let Some(leaves) = leaves.first_chunk::<256>() else { return };
        let mut at: Table = [[0.0; 16]; 16];
        for (single, at) in at.as_flattened_mut().iter_mut().zip(tree.at) {
            *single = *at as f32;
        }
        let no_plane = _mm512_set1_ps(oblique::NO_PLANE as f32);
        let planes = at.map(|at| _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(load_singles(&at), no_plane));
        let (weights, _) = tree.weights.as_chunks::<16>();
        let (weights, _) = weights.as_chunks::<16>();
        let [packed_64, packed_128] = [64, 128].map(|first| Packed::new(first, weights, &at, &planes));
        for (chunk, sums) in sums.chunks_mut(ROWS).enumerate() {
            let mut descent = Descent {
                y: &block.single[chunk * ROWS..],
                stride: block.stride,
                margins: [0.0; VECTORS],
                lanes: [Lanes { entry: _mm512_set1_epi32(1), unsure: 0 }; VECTORS],
            };
            for (margin, unsure) in descent.margins.iter_mut().zip(&block.unsure[chunk * VECTORS..]) {
                *margin = *unsure;
            }
            // Entries 1 to 31, levels 0 to 4, and 32 to 63.
            for _ in 0..5 {
                descent.descend(weights, &at, |table, _, entry| look_up(&table[0], entry, &table[1]));
            }
            descent.descend(weights, &at, |table, _, entry| look_up(&table[2], entry, &table[3]));
            match &packed_64 {
                Some(packed) => descent.descend_packed(packed),
                None => descent.descend(weights, &at, |table, _, entry| look_up_64(table, entry)),
            }
            match &packed_128 {
                Some(packed) => descent.descend_packed(packed),
                None => descent.descend(weights, &at, |table, _, entry| look_up_128(table, entry)),
            }
            for (vector, (lanes, sums)) in descent.lanes.iter().zip(sums.chunks_mut(TOGETHER)).enumerate() {
                let first_row = chunk * ROWS + vector * TOGETHER;
                let leaf = _mm512_and_si512(lanes.entry, _mm512_set1_epi32(255));
                let eights = [_mm512_castsi512_si256(leaf), _mm512_extracti64x4_epi64::<1>(leaf)];
                let mut added = [0; TOGETHER];
                let (eight_sums, _) = added.as_chunks_mut::<8>();
                for (sums, at) in eight_sums.iter_mut().zip(eights) {
                    add_leaves(leaves, at, sums);
                }
                let mut unsure = u32::from(lanes.unsure) & ((1 << sums.len()) - 1);
                while unsure != 0 {
                    let lane = unsure.trailing_zeros() as usize;
                    added[lane] = leaves[tree.leaf(block, first_row + lane)];
                    unsure &= unsure - 1;
                }
                for (sum, added) in sums.iter_mut().zip(&added) {
                    *sum += added;
                }
            }
        }
    }
}
