//! Fit and score of the forests beside `extended-isolation-forest` on the same standardised data:
//! `cargo bench --bench forest`. Read the ratio of the two, not the times.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use extended_isolation_forest::{Forest as Reference, ForestOptions as ReferenceOptions};
use outrider::forest::{Forest, ForestOptions, Rows, StepForest};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

fn values(n: usize) -> Vec<f64> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    (0..n).map(|_| (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0).collect()
}

fn fit_and_score(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fit and score, 100 trees of 256");
    group.sample_size(10);
    for n in [1_000, 10_000, 100_000] {
        let values = values(n);
        group.bench_with_input(BenchmarkId::new("outrider", n), &values, |bencher, values| {
            let options = ForestOptions { n_trees: 100, sample_size: 256, seed: 1 };
            bencher.iter(|| {
                let forest = StepForest::fit(values, &options);
                forest.map(|forest| forest.scores(values))
            });
        });
        let rows: Vec<[f64; 1]> = values.iter().map(|value| [*value]).collect();
        group.bench_with_input(BenchmarkId::new("extended-isolation-forest", n), &rows, |bencher, rows| {
            let options =
                ReferenceOptions { n_trees: 100, sample_size: 256, max_tree_depth: None, extension_level: 0 };
            bencher.iter(|| {
                let forest = Reference::from_slice(rows, &options);
                forest.map(|forest| rows.iter().map(|row| forest.score(row)).collect::<Vec<f64>>())
            });
        });
    }
    group.finish();
}

/// Windows of 8 and 16 values: axis-parallel and fully oblique, with and without kernels, beside the reference where it
/// does the same.
fn windows(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fit and score 20,000 windows, 100 trees of 256");
    group.sample_size(10);
    let values = values(20_000);
    let options = ForestOptions { n_trees: 100, sample_size: 256, seed: 1 };
    for width in [8, 16] {
        for (name, extension_level) in [("axis-parallel", 0), ("oblique", width - 1)] {
            let rows = Rows::windows(&values, width);
            let fit = || Forest::fit(rows, extension_level, &options);
            group.bench_function(BenchmarkId::new(format!("outrider, {name}"), width), |bencher| {
                bencher.iter(|| fit().map(|forest| forest.scores(rows)));
            });
            group.bench_function(BenchmarkId::new(format!("outrider, {name}, portable"), width), |bencher| {
                bencher.iter(|| fit().map(|forest| forest.portable().scores(rows)));
            });
        }
    }
    let rows: Vec<[f64; 8]> = values.windows(8).filter_map(|window| window.try_into().ok()).collect();
    for (name, extension_level) in [("axis-parallel", 0), ("oblique", 7)] {
        group.bench_function(BenchmarkId::new(format!("extended-isolation-forest, {name}"), 8), |bencher| {
            let options =
                ReferenceOptions { n_trees: 100, sample_size: 256, max_tree_depth: None, extension_level };
            bencher.iter(|| {
                let forest = Reference::from_slice(&rows, &options);
                forest.map(|forest| rows.iter().map(|row| forest.score(row)).collect::<Vec<f64>>())
            });
        });
    }
    group.finish();
}

/// Scoring alone, per kind of search index: even data takes one level of buckets, skewed data two, and an exponential
/// over many magnitudes is left to binary search.
fn score(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("score 100,000 values");
    group.throughput(Throughput::Elements(100_000));
    let even = values(100_000);
    let skewed: Vec<f64> = even.iter().map(|value| value.exp()).collect();
    let stretched: Vec<f64> = even.iter().map(|value| (20.0 * value).exp()).collect();
    for (name, values) in [("even", even), ("skewed", skewed), ("stretched", stretched)] {
        let options = ForestOptions { n_trees: 100, sample_size: 256, seed: 1 };
        let Some(forest) = StepForest::fit(&values, &options) else { continue };
        let mut scores = vec![0.0; values.len()];
        group.bench_function(name, |bencher| bencher.iter(|| forest.score_into(&values, &mut scores)));
    }
    group.finish();
}

criterion_group!(benches, fit_and_score, windows, score);
criterion_main!(benches);
