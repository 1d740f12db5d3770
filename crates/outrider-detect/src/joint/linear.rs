//! Symmetric matrices: products of columns, inverses, and what is likely of unknown numbers given the known ones.
//!
//! Matrices are row by row in one vector. All sums are made in a fixed order.

use outrider_forest::cancel::checkpoint;

/// Rows taken together, so that each sum is read and written once for all of them.
const ROWS: usize = 8;

/// Adds the products of the columns of `rows`, each `width` long, to `products`, of which only the part on and above the
/// diagonal counts.
pub(super) fn add_products(products: &mut [f64], rows: &[f64], width: usize) {
    let mut blocks = rows.chunks_exact(ROWS * width);
    for (number, block) in blocks.by_ref().enumerate() {
        if number % 16 == 0 {
            checkpoint();
        }
        let row = |index: usize| &block[index * width..(index + 1) * width];
        let lines: [&[f64]; ROWS] = std::array::from_fn(row);
        for i in 0..width {
            let factors: [f64; ROWS] = std::array::from_fn(|index| lines[index][i]);
            let tails: [&[f64]; ROWS] = std::array::from_fn(|index| &lines[index][i..width]);
            let sums = &mut products[i * width + i..(i + 1) * width];
            for (j, sum) in sums.iter_mut().enumerate() {
                let mut more = 0.0;
                for index in 0..ROWS {
                    more += factors[index] * tails[index][j];
                }
                *sum += more;
            }
        }
    }
    for row in blocks.remainder().chunks_exact(width) {
        add_row(products, row, 1.0);
    }
}

/// Adds the products of the numbers of one row, `weight` times.
pub(super) fn add_row(products: &mut [f64], row: &[f64], weight: f64) {
    let width = row.len();
    for i in 0..width {
        let factor = weight * row[i];
        if factor != 0.0 {
            let sums = &mut products[i * width + i..(i + 1) * width];
            for (sum, other) in sums.iter_mut().zip(&row[i..]) {
                *sum += factor * other;
            }
        }
    }
}

/// The sum of the products of two equally long runs of numbers.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Four sums at a time, which is what the processor can do at once.
    let mut sums = [0.0; 4];
    let (fours_a, fours_b) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = fours_a.remainder().iter().zip(fours_b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in fours_a.zip(fours_b) {
        for lane in 0..4 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    (sums[0] + sums[2]) + (sums[1] + sums[3]) + rest
}

/// The lower factor of a positive definite matrix of which the part on and above the diagonal is given (Cholesky); `None`
/// if it is none.
fn factor(matrix: &[f64], width: usize) -> Option<Vec<f64>> {
    let mut lower = vec![0.0; width * width];
    for i in 0..width {
        for j in 0..=i {
            let (above, below) = lower.split_at(i * width);
            let of_i = &below[..j];
            let of_j = if i == j { of_i } else { &above[j * width..j * width + j] };
            let rest = matrix[j * width + i] - dot(of_i, of_j);
            lower[i * width + j] = if i != j {
                rest / lower[j * width + j]
            } else if rest > 0.0 && rest.is_finite() {
                rest.sqrt()
            } else {
                return None;
            };
        }
    }
    Some(lower)
}

/// The inverse of a positive definite matrix of which the part on and above the diagonal is given; `None` if it is none.
pub(super) fn inverse(matrix: &[f64], width: usize) -> Option<Vec<f64>> {
    let lower = factor(matrix, width)?;
    // Column by column of the inverse of the factor, kept as rows.
    let mut columns = vec![0.0; width * width];
    for column in 0..width {
        let solution = &mut columns[column * width..(column + 1) * width];
        solution[column] = 1.0 / lower[column * width + column];
        for i in column + 1..width {
            let known = dot(&lower[i * width + column..i * width + i], &solution[column..i]);
            solution[i] = -known / lower[i * width + i];
        }
    }
    let mut inverse = vec![0.0; width * width];
    for i in 0..width {
        for j in i..width {
            let product =
                dot(&columns[i * width + j..(i + 1) * width], &columns[j * width + j..(j + 1) * width]);
            (inverse[i * width + j], inverse[j * width + i]) = (product, product);
        }
    }
    Some(inverse)
}

/// A positive definite matrix that equations can be solved with.
pub(super) struct Solver {
    /// Nothing if it is none.
    lower: Option<Vec<f64>>,
}

impl Solver {
    /// Of a matrix of which the part on and above the diagonal is given.
    pub(super) fn of(matrix: &[f64], width: usize) -> Self {
        Self { lower: factor(matrix, width) }
    }

    /// Finds x in matrix · x = `right`, in place of the latter. Leaves zeros if the matrix is not positive definite.
    pub(super) fn solve(&self, right: &mut [f64]) {
        let width = right.len();
        let Some(lower) = &self.lower else {
            right.fill(0.0);
            return;
        };
        for i in 0..width {
            let (known, unknown) = right.split_at_mut(i);
            unknown[0] = (unknown[0] - dot(&lower[i * width..i * width + i], known)) / lower[i * width + i];
        }
        for i in (0..width).rev() {
            let mut sum = right[i];
            for j in i + 1..width {
                sum -= lower[j * width + i] * right[j];
            }
            right[i] = sum / lower[i * width + i];
        }
    }
}

/// The part of a symmetric `matrix` at the rows and columns of `places`.
pub(super) fn part(matrix: &[f64], width: usize, places: &[usize]) -> Vec<f64> {
    places.iter().flat_map(|i| places.iter().map(move |j| matrix[i * width + j])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns that depend on each other, the same in every run.
    fn rows(count: usize, width: usize) -> Vec<f64> {
        let mut state = 1_u64;
        let mut dice = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
        };
        (0..count)
            .flat_map(|_| {
                let common = dice();
                (0..width).map(|_| common + dice()).collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn an_inverse_times_its_matrix_is_one() {
        const WIDTH: usize = 13;
        let rows = rows(101, WIDTH);
        let mut products = vec![0.0; WIDTH * WIDTH];
        add_products(&mut products, &rows, WIDTH);
        let mut one_by_one = vec![0.0; WIDTH * WIDTH];
        rows.chunks(WIDTH).for_each(|row| add_row(&mut one_by_one, row, 1.0));
        let inverse = inverse(&products, WIDTH).unwrap();
        for i in 0..WIDTH {
            for j in 0..WIDTH {
                let full = |j: usize, k: usize| products[j.min(k) * WIDTH + j.max(k)];
                let sum: f64 = (0..WIDTH).map(|k| inverse[i * WIDTH + k] * full(k, j)).sum();
                assert!((sum - f64::from(u8::from(i == j))).abs() < 1e-9, "{i} {j} {sum}");
                assert!(j < i || (products[i * WIDTH + j] - one_by_one[i * WIDTH + j]).abs() < 1e-9);
            }
        }
        let mut right: Vec<f64> = (0..WIDTH).map(|k| products[k]).collect();
        Solver::of(&products, WIDTH).solve(&mut right);
        assert!((right[0] - 1.0).abs() < 1e-9 && right[1..].iter().all(|x| x.abs() < 1e-9), "{right:?}");
    }

    #[test]
    fn what_is_not_positive_definite_is_told() {
        assert_eq!(inverse(&[1.0, 2.0, 2.0, 1.0], 2), None);
        assert_eq!(inverse(&[f64::NAN], 1), None);
        let mut right = [1.0];
        Solver::of(&[0.0], 1).solve(&mut right);
        assert_eq!(right, [0.0]);
    }
}
