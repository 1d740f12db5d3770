#!/usr/bin/env python3
"""Times isolation forests on one series, Outrider's beside scikit-learn's and isotree's, and prints a table.

    python3 -m venv venv && venv/bin/pip install -r benches/peers/requirements.txt
    cargo build --release --example peer_bench
    venv/bin/python benches/peers/compare.py --points 1e3 1e4 1e6
    venv/bin/python benches/peers/compare.py --points 1e5 --dimension 8

100 trees of 256 points, fit and score of the same points, one process for each measurement. In more than one dimension
a row is a window of that many points, and there are two contests: axis-parallel splits and oblique ones, for which
isotree combines half the features (as is usual) or all of them (as Outrider does). Rounds are interleaved
(every engine once, the order rotated), so that a busy machine disturbs all alike. Imports and a small warm-up are not
timed, page faults of the output are. Outrider runs on one thread, the peers on one and on two.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

TREES, SAMPLE, PERIOD = 100, 256, 288
PEERS = ["scikit-learn, 1 thread", "scikit-learn, 2 threads", "isotree, 1 thread", "isotree, 2 threads"]
OBLIQUE_PEERS = ["isotree, half, 1 thread", "isotree, half, 2 threads", "isotree, all, 1 thread"]


def series(points):
    """A noisy sine, 1 % of it shifted up or down; values and labels."""
    random = np.random.default_rng([20261121, points])
    values = np.sin(2 * np.pi * np.arange(points) / PERIOD) + 0.1 * random.standard_normal(points)
    outliers = random.choice(points, max(1, points // 100), replace=False)
    values[outliers] += random.choice([-1.0, 1.0], outliers.size) * random.uniform(0.5, 3.0, outliers.size)
    labels = np.zeros(points, bool)
    labels[outliers] = True
    return values, labels


def contests(dimension):
    """For each contest the peers, and Outrider with its options."""
    if dimension == 1:
        return [(PEERS, {"Outrider": []})]
    oblique = ["--extension-level", str(dimension - 1)]
    return [
        (PEERS, {"Outrider": [], "Outrider, portable": ["--portable"]}),
        (OBLIQUE_PEERS, {"Outrider, oblique": oblique, "Outrider, oblique, portable": [*oblique, "--portable"]}),
    ]


def engine(name, dimension):
    """Fit and score of a peer; a higher score is more anomalous."""
    threads = 2 if "2 threads" in name else 1
    if name.startswith("scikit-learn"):
        import joblib
        from sklearn.ensemble import IsolationForest
        forest = IsolationForest(n_estimators=TREES, max_samples=SAMPLE, n_jobs=threads, random_state=1)

        def score(rows):  # n_jobs does not reach score_samples; the joblib context does
            with joblib.parallel_backend("threading", n_jobs=threads):
                return -forest.score_samples(rows)
        return forest.fit, score
    from isotree import IsolationForest
    features = max(2, dimension // 2) if "half" in name else dimension if "all" in name else 1
    forest = IsolationForest(sample_size=SAMPLE, ntrees=TREES, ndim=features, max_depth=8, missing_action="fail",
                             nthreads=threads, random_seed=1)
    return forest.fit, forest.predict


def status_kb(figure):
    """A figure of this process from Linux."""
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(figure))


def peer(name, file, dimension, scores):
    """One measurement of a peer, in a process of its own."""
    dimension = int(dimension)
    rows = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(np.fromfile(file), dimension))
    fit, score = engine(name, dimension)
    score((fit(rows[:300]), rows[:300])[1])
    fit, score = engine(name, dimension)
    base = status_kb("VmRSS")
    start, cpu = time.perf_counter(), time.process_time()
    fit(rows)
    fitted = time.perf_counter()
    result = score(rows)
    end, cpu = time.perf_counter(), time.process_time() - cpu
    peak = status_kb("VmHWM")
    np.asarray(result, float).tofile(scores)
    print(json.dumps({"total_ms": (end - start) * 1e3, "fit_ms": (fitted - start) * 1e3, "cpu_ms": cpu * 1e3,
                      "base_rss_kb": base, "peak_rss_kb": peak}))


def auc(scores, labels):
    """Share of (outlier, normal) pairs that are ranked right; ties count half."""
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    positive = labels.sum()
    return (ranks[labels].sum() - positive * (positive + 1) / 2) / (positive * (labels.size - positive))


def compare(points, dimension, rounds, program, folder):
    values, labels = series(points)
    labels = np.lib.stride_tricks.sliding_window_view(labels, dimension).any(1)
    file, scores = folder / "values.f64", folder / "scores.f64"
    values.astype("<f8").tofile(file)
    commands = {}
    for peers, ours in contests(dimension):
        for name in peers:
            commands[name] = [sys.executable, __file__, "--peer", name, str(file), str(dimension), str(scores)]
        for name, options in ours.items():
            commands[name] = [program, str(file), str(points), str(dimension), str(scores), *options]
    results, areas = {name: [] for name in commands}, {}
    for number in range(rounds):
        names = list(commands)[number % len(commands):] + list(commands)[:number % len(commands)]
        for name in names:
            done = subprocess.run(commands[name], capture_output=True, text=True, check=True)
            results[name].append(json.loads(done.stdout.splitlines()[-1]))
            areas[name] = auc(np.fromfile(scores), labels)

    def median(name, figure):
        return statistics.median(result[figure] for result in results[name])
    for peers, ours in contests(dimension):
        best = {figure: min(median(name, figure) for name in peers) for figure in ("total_ms", "cpu_ms")}
        for name in [*peers, *ours]:
            total, cpu = median(name, "total_ms"), median(name, "cpu_ms")
            memory = (median(name, "peak_rss_kb") - median(name, "base_rss_kb")) / 1024
            print(f"| {dimension} | {points:,} | {name} | {total:,.2f} | {cpu:,.2f} | {median(name, 'fit_ms'):,.2f} | "
                  f"{best['total_ms'] / total:,.2f} | {best['cpu_ms'] / cpu:,.2f} | {memory:,.1f} | {areas[name]:.3f} |",
                  flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", nargs="+", type=float, default=[1e3, 1e4, 1e6])
    parser.add_argument("--dimension", nargs="+", type=int, default=[1])
    parser.add_argument("--rounds", type=int, default=5)
    target = os.environ.get("CARGO_TARGET_DIR", "target")
    parser.add_argument("--program", default=f"{target}/release/examples/peer_bench")
    parser.add_argument("--peer", nargs=4, metavar=("NAME", "FILE", "DIMENSION", "SCORES"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        return peer(*arguments.peer)
    print("| d | points | engine | wall ms | CPU ms | fit ms | × best peer, wall | × best peer, CPU | memory MiB | AUC |")
    print("|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for dimension in arguments.dimension:
            for points in arguments.points:
                compare(int(points), dimension, arguments.rounds, arguments.program, Path(folder))


if __name__ == "__main__":
    main()
