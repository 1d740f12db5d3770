//! What a forest reads: rows of numbers, borrowed, in whichever layout they already have.

use std::ops::Range;

/// Rows that are scored together: their sums and values stay in the first cache.
pub(super) const BLOCK: usize = 1024;

/// A borrowed table of n rows and d features, f64.
///
/// Windows are read in place: n − d + 1 rows of a series cost no more memory than the series. A row in which any feature
/// is NaN or infinite never trains a forest and gets no score.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    layout: Layout<'a>,
    width: usize,
    len: usize,
}

#[derive(Debug, Clone, Copy)]
enum Layout<'a> {
    Windows(&'a [f64]),
    RowMajor(&'a [f64]),
    Columns(&'a [&'a [f64]]),
}

impl<'a> Rows<'a> {
    /// The overlapping windows (shingles) of `width` consecutive values: row i is `series[i..i + width]`, oldest value
    /// first. A series shorter than `width` has none.
    ///
    /// ```
    /// use outrider_forest::Rows;
    ///
    /// let rows = Rows::windows(&[1.0, 2.0, 3.0, 4.0], 3);
    /// assert_eq!((rows.len(), rows.row(1)), (2, vec![2.0, 3.0, 4.0]));
    /// ```
    ///
    /// # Panics
    ///
    /// If `width` is 0.
    #[must_use]
    pub fn windows(series: &'a [f64], width: usize) -> Self {
        assert!(width > 0, "a window holds at least one value");
        Self { layout: Layout::Windows(series), width, len: (series.len() + 1).saturating_sub(width) }
    }

    /// A matrix stored row after row, `width` features each.
    ///
    /// # Panics
    ///
    /// If `width` is 0 or does not divide the number of values.
    #[must_use]
    pub fn row_major(values: &'a [f64], width: usize) -> Self {
        assert!(width > 0 && values.len().is_multiple_of(width), "every row holds {width} values");
        Self { layout: Layout::RowMajor(values), width, len: values.len() / width }
    }

    /// A matrix given as one slice for each feature.
    ///
    /// # Panics
    ///
    /// If there is no column, or they differ in length.
    #[must_use]
    pub fn columns(columns: &'a [&'a [f64]]) -> Self {
        let len = columns.first().map(|column| column.len());
        let same = columns.iter().all(|column| Some(column.len()) == len);
        assert!(len.is_some() && same, "at least one column, and all of one length");
        Self { layout: Layout::Columns(columns), width: columns.len(), len: len.unwrap_or_default() }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of features.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// A copy of row `row`.
    ///
    /// # Panics
    ///
    /// If `row` is not below [`Self::len`].
    #[must_use]
    pub fn row(&self, row: usize) -> Vec<f64> {
        let mut features = Vec::with_capacity(self.width);
        self.append_row(row, &mut features);
        features
    }

    /// Appends row `row` to `to`.
    pub(super) fn append_row(&self, row: usize, to: &mut Vec<f64>) {
        match self.layout {
            Layout::Windows(series) => to.extend_from_slice(&series[row..row + self.width]),
            Layout::RowMajor(values) => to.extend_from_slice(&values[row * self.width..][..self.width]),
            Layout::Columns(columns) => to.extend(columns.iter().map(|column| column[row])),
        }
    }

    /// Whether rows overlap, so that one table and one centre serve every feature.
    pub(super) fn are_windows(&self) -> bool {
        matches!(self.layout, Layout::Windows(_))
    }

    /// The values of all `rows` as one run, window i starting i values in; `None` unless these are windows.
    pub(super) fn window_run(&self, rows: Range<usize>) -> Option<&'a [f64]> {
        match self.layout {
            Layout::Windows(series) => Some(&series[rows.start..rows.end + self.width - 1]),
            _ => None,
        }
    }

    /// One feature of `rows`, in place where it stands in one piece, else copied to `scratch`.
    pub(super) fn feature<'s>(
        &self,
        feature: usize,
        rows: Range<usize>,
        scratch: &'s mut Vec<f64>,
    ) -> &'s [f64]
    where
        'a: 's,
    {
        match self.layout {
            Layout::Windows(series) => &series[rows.start + feature..rows.end + feature],
            Layout::Columns(columns) => &columns[feature][rows],
            Layout::RowMajor(values) => {
                let values = &values[rows.start * self.width..rows.end * self.width];
                scratch.clear();
                scratch.extend(values.chunks_exact(self.width).map(|row| row[feature]));
                scratch
            }
        }
    }

    /// Whether every feature of row `row` is finite.
    pub(super) fn is_finite(&self, row: usize) -> bool {
        match self.layout {
            Layout::Windows(series) => all_finite(&series[row..row + self.width]),
            Layout::RowMajor(values) => all_finite(&values[row * self.width..][..self.width]),
            Layout::Columns(columns) => columns.iter().all(|column| column[row].is_finite()),
        }
    }

    /// Whether every feature of all `rows` is finite.
    pub(super) fn are_finite(&self, rows: Range<usize>) -> bool {
        match self.layout {
            _ if rows.is_empty() => true,
            Layout::Windows(series) => all_finite(&series[rows.start..rows.end + self.width - 1]),
            Layout::RowMajor(values) => all_finite(&values[rows.start * self.width..rows.end * self.width]),
            Layout::Columns(columns) => columns.iter().all(|column| all_finite(&column[rows.clone()])),
        }
    }

    /// The values themselves, if a row is a single one and they stand in one piece.
    pub(super) fn as_values(&self) -> Option<&'a [f64]> {
        match self.layout {
            Layout::Windows(values) | Layout::RowMajor(values) if self.width == 1 => Some(values),
            Layout::Columns([column]) => Some(column),
            _ => None,
        }
    }
}

fn all_finite(values: &[f64]) -> bool {
    // Counted rather than searched: without an early exit the loop vectorises.
    values.iter().map(|value| usize::from(value.is_finite())).sum::<usize>() == values.len()
}

/// The finite rows, addressed as if the others were not there.
#[derive(Debug)]
pub(super) struct FiniteRows {
    len: usize,
    /// One bit for each row, and how many finite rows stand before each word; empty if all rows are finite.
    words: Vec<u64>,
    before: Vec<usize>,
}

impl FiniteRows {
    pub(super) fn new(rows: &Rows<'_>) -> Self {
        if rows.are_finite(0..rows.len) {
            return Self { len: rows.len, words: Vec::new(), before: Vec::new() };
        }
        let mut finite = Self { len: 0, words: Vec::new(), before: Vec::new() };
        for start in (0..rows.len).step_by(64) {
            let bits = (start..rows.len.min(start + 64))
                .map(|row| u64::from(rows.is_finite(row)) << (row - start))
                .fold(0, |word, bit| word | bit);
            finite.before.push(finite.len);
            finite.words.push(bits);
            finite.len += bits.count_ones() as usize;
        }
        finite
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The finite row with `rank` finite rows before it; `rank` is less than [`Self::len`].
    pub(super) fn row(&self, rank: usize) -> usize {
        if self.before.is_empty() {
            return rank;
        }
        let block = self.before.partition_point(|before| *before <= rank) - 1;
        let mut word = self.words[block];
        for _ in self.before[block]..rank {
            word &= word - 1;
        }
        block * 64 + word.trailing_zeros() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: f64 = f64::NAN;

    #[test]
    fn every_layout_gives_the_same_rows() {
        let series = [1.0, 2.0, 3.0, 4.0, 5.0];
        let windows = Rows::windows(&series, 3);
        let values = [1.0, 2.0, 3.0, 2.0, 3.0, 4.0, 3.0, 4.0, 5.0];
        let columns: [&[f64]; 3] = [&series[..3], &series[1..4], &series[2..]];
        for rows in [windows, Rows::row_major(&values, 3), Rows::columns(&columns)] {
            assert_eq!((rows.len(), rows.width(), rows.is_empty()), (3, 3, false));
            for (row, expected) in values.chunks(3).enumerate() {
                assert_eq!(rows.row(row), expected);
            }
            for (feature, column) in columns.iter().enumerate() {
                assert_eq!(rows.feature(feature, 1..3, &mut Vec::new()), &column[1..]);
            }
        }
        assert!(Rows::windows(&series, 6).is_empty() && Rows::windows(&[], 1).is_empty());
    }

    #[test]
    fn a_gap_takes_out_every_window_that_holds_it() {
        let mut series = vec![1.0; 300];
        series[100] = N;
        series[299] = f64::INFINITY;
        let rows = Rows::windows(&series, 4);
        let finite = FiniteRows::new(&rows);
        let found: Vec<usize> = (0..finite.len()).map(|rank| finite.row(rank)).collect();
        let expected: Vec<usize> = (0..296).filter(|row| !(97..=100).contains(row)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_gap_in_a_matrix_takes_out_its_row() {
        let values = [1.0, 2.0, N, 3.0, 4.0, 5.0];
        let columns: [&[f64]; 2] = [&[1.0, N, 4.0], &[2.0, 3.0, 5.0]];
        for rows in [Rows::row_major(&values, 2), Rows::columns(&columns)] {
            let finite = FiniteRows::new(&rows);
            assert_eq!((finite.len(), finite.row(0), finite.row(1)), (2, 0, 2));
        }
    }
}
