//! Drawing each tree's sample: without replacement, from the finite values, without copying them.

use super::random::Random;

/// The finite values of a slice, addressed as if the others were not there.
#[derive(Debug)]
pub(super) struct FiniteValues<'a> {
    values: &'a [f64],
    len: usize,
    /// How many finite values stand before each block of [`BLOCK`]; empty if all values are finite.
    before: Vec<usize>,
}

/// Values per block: one word of counting for 64 of input.
const BLOCK: usize = 64;

impl<'a> FiniteValues<'a> {
    pub(super) fn new(values: &'a [f64]) -> Self {
        let len = count_finite(values);
        let mut before = Vec::new();
        if len < values.len() {
            before.extend(values.chunks(BLOCK).scan(0, |total, block| {
                let start = *total;
                *total += count_finite(block);
                Some(start)
            }));
        }
        Self { values, len, before }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The finite values, in order; as [`Self::get`] has them.
    pub(super) fn iter(&self) -> impl Iterator<Item = f64> {
        self.values.iter().filter(|value| value.is_finite()).map(|value| value + 0.0)
    }

    /// The finite value with `rank` finite values before it; `rank` is less than [`Self::len`]. A negative zero
    /// becomes a positive one, so that equal values have equal bits.
    pub(super) fn get(&self, rank: usize) -> f64 {
        if self.before.is_empty() {
            return self.values[rank] + 0.0;
        }
        let block = self.before.partition_point(|before| *before <= rank) - 1;
        let finite = self.values[block * BLOCK..].iter().filter(|value| value.is_finite());
        finite.copied().nth(rank - self.before[block]).map_or(f64::NAN, |value| value + 0.0)
    }
}

fn count_finite(values: &[f64]) -> usize {
    values.iter().map(|value| usize::from(value.is_finite())).sum()
}

/// Draws samples of ranks, all of one size, reusing its memory.
#[derive(Debug)]
pub(super) struct Sampler {
    /// Number of ranks to draw from.
    population: usize,
    size: usize,
    /// Open-addressed hash set of the ranks drawn, at most an eighth full, so that few collide.
    drawn: Vec<usize>,
}

const FREE: usize = usize::MAX;

impl Sampler {
    /// `size` is at most `population`.
    pub(super) fn new(population: usize, size: usize) -> Self {
        let slots = if size < population { (8 * size).next_power_of_two() } else { 0 };
        Self { population, size, drawn: vec![FREE; slots] }
    }

    /// Calls `take` with `size` different ranks below `population`, every subset being equally likely. R. W. Floyd's
    /// algorithm (J. Bentley, *Programming Pearls: A Sample of Brilliance*, CACM 30(9), 1987): one random number for
    /// each rank, whatever the share drawn. If all are drawn, they come in order.
    pub(super) fn draw(&mut self, random: &mut Random, mut take: impl FnMut(usize)) {
        let n = self.population;
        if self.size == n {
            (0..n).for_each(take);
            return;
        }
        self.drawn.fill(FREE);
        for last in n - self.size..n {
            let candidate = random.below(last + 1);
            let rank = if self.insert(candidate) {
                candidate
            } else {
                self.insert(last);
                last
            };
            take(rank);
        }
    }

    /// False if `rank` was there. Ranks are random, so their low bits are hash enough.
    fn insert(&mut self, rank: usize) -> bool {
        let mask = self.drawn.len() - 1;
        let mut slot = rank & mask;
        while self.drawn[slot] != FREE {
            if self.drawn[slot] == rank {
                return false;
            }
            slot = (slot + 1) & mask;
        }
        self.drawn[slot] = rank;
        true
    }
}

/// Draws samples from values that are sorted, so that the samples are.
#[derive(Debug)]
pub(super) struct SortedSampler {
    sorted: Vec<f64>,
    size: usize,
    /// A bit for each value: whether it is drawn.
    drawn: Vec<u64>,
}

impl SortedSampler {
    /// `size` is at most the number of values.
    pub(super) fn new(sorted: Vec<f64>, size: usize) -> Self {
        let words = if size < sorted.len() { sorted.len().div_ceil(64) } else { 0 };
        Self { size, drawn: vec![0; words], sorted }
    }

    /// Replaces the content of `sample` with `size` values, ascending, every subset being equally likely: Floyd's
    /// algorithm, as in [`Sampler::draw`].
    pub(super) fn draw(&mut self, random: &mut Random, sample: &mut Vec<f64>) {
        sample.clear();
        let n = self.sorted.len();
        if self.size == n {
            sample.extend_from_slice(&self.sorted);
            return;
        }
        for last in n - self.size..n {
            let candidate = random.below(last + 1);
            let taken = self.drawn[candidate / 64] >> (candidate % 64) & 1 != 0;
            let rank = if taken { last } else { candidate };
            self.drawn[rank / 64] |= 1 << (rank % 64);
        }
        for (word, values) in self.drawn.iter_mut().zip(self.sorted.chunks(64)) {
            while *word != 0 {
                sample.push(values[word.trailing_zeros() as usize]);
                *word &= *word - 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(values: &[f64], size: usize, tree: usize) -> Vec<f64> {
        let finite = FiniteValues::new(values);
        let mut sample = Vec::new();
        Sampler::new(finite.len(), size)
            .draw(&mut Random::for_tree(1, tree), |rank| sample.push(finite.get(rank)));
        sample.sort_unstable_by(f64::total_cmp);
        sample
    }

    fn draw_sorted(values: &[f64], size: usize, tree: usize) -> Vec<f64> {
        let mut sample = Vec::new();
        SortedSampler::new(values.to_vec(), size).draw(&mut Random::for_tree(1, tree), &mut sample);
        sample
    }

    #[test]
    fn a_sample_holds_no_value_twice_and_every_value_equally_often() {
        let values: Vec<f64> = (0..140).map(f64::from).collect();
        for draw in [draw, draw_sorted] {
            let mut counts = [0; 140];
            for tree in 0..4_000 {
                let sample = draw(&values, 35, tree);
                assert!(sample.len() == 35 && sample.windows(2).all(|pair| pair[0] < pair[1]), "{sample:?}");
                sample.iter().for_each(|value| counts[*value as usize] += 1);
            }
            // 1,000 expected each, with a deviation of 27.
            assert!(counts.iter().all(|count| (860..1140).contains(count)), "{counts:?}");
            assert_eq!(draw(&values, 140, 0), values);
        }
    }

    #[test]
    fn both_samplers_draw_the_same_from_sorted_values() {
        let values: Vec<f64> = (0..1_000).map(f64::from).collect();
        for tree in 0..20 {
            assert_eq!(draw(&values, 256, tree), draw_sorted(&values, 256, tree));
        }
    }

    #[test]
    fn values_that_are_not_finite_are_as_if_absent() {
        let finite: Vec<f64> = (0..1_000).map(f64::from).collect();
        let mut gappy = vec![f64::NAN; 300];
        for value in &finite {
            gappy.extend([*value, f64::INFINITY].iter().take(1 + (*value as usize * 7) % 2));
        }
        gappy.extend([f64::NEG_INFINITY; 100]);
        for tree in 0..20 {
            assert_eq!(draw(&gappy, 256, tree), draw(&finite, 256, tree));
        }
        assert_eq!(draw(&gappy, 1_000, 0), finite);
    }
}
