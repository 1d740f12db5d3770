#!/usr/bin/env python3
"""Times isolation forests on one series, Outrider's beside scikit-learn's and isotree's, and prints a table.

    python3 -m venv venv && venv/bin/pip install -r benches/peers/requirements.txt
    cargo build --release --example peer_bench
    venv/bin/python benches/peers/compare.py --points 1e3 1e4 1e6

100 trees of 256 points, fit and score of the same points, one process for each measurement. Rounds are interleaved
(every engine once, the order rotated), so that a busy machine disturbs all alike. Imports and a small warm-up are not
timed, page faults of the output are. Outrider runs on one thread, the peers on one and on two.
"""
import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

TREES, SAMPLE, PERIOD = 100, 256, 288
PEERS = ["scikit-learn, 1 thread", "scikit-learn, 2 threads", "isotree, 1 thread", "isotree, 2 threads"]
OUTRIDER = "Outrider"


def series(points):
    """A noisy sine, 1 % of it shifted up or down; values and labels."""
    random = np.random.default_rng([20261121, points])
    values = np.sin(2 * np.pi * np.arange(points) / PERIOD) + 0.1 * random.standard_normal(points)
    outliers = random.choice(points, max(1, points // 100), replace=False)
    values[outliers] += random.choice([-1.0, 1.0], outliers.size) * random.uniform(0.5, 3.0, outliers.size)
    labels = np.zeros(points, bool)
    labels[outliers] = True
    return values, labels


def engine(name):
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
    forest = IsolationForest(sample_size=SAMPLE, ntrees=TREES, ndim=1, max_depth=8, missing_action="fail",
                             nthreads=threads, random_seed=1)
    return forest.fit, forest.predict


def peer(name, file, scores):
    """One measurement of a peer, in a process of its own."""
    rows = np.fromfile(file).reshape(-1, 1)
    fit, score = engine(name)
    score((fit(rows[:300]), rows[:300])[1])
    fit, score = engine(name)
    start, cpu = time.perf_counter(), time.process_time()
    fit(rows)
    fitted = time.perf_counter()
    result = score(rows)
    end, cpu = time.perf_counter(), time.process_time() - cpu
    np.asarray(result, float).tofile(scores)
    print(json.dumps({"total_ms": (end - start) * 1e3, "fit_ms": (fitted - start) * 1e3, "cpu_ms": cpu * 1e3}))


def auc(scores, labels):
    """Share of (outlier, normal) pairs that are ranked right; ties count half."""
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    positive = labels.sum()
    return (ranks[labels].sum() - positive * (positive + 1) / 2) / (positive * (labels.size - positive))


def compare(points, rounds, program, folder):
    values, labels = series(points)
    file, scores = folder / "values.f64", folder / "scores.f64"
    values.astype("<f8").tofile(file)
    commands = {name: [sys.executable, __file__, "--peer", name, str(file), str(scores)] for name in PEERS}
    commands[OUTRIDER] = [program, str(file), str(points), "1", str(scores)]
    results, areas = {name: [] for name in commands}, {}
    for number in range(rounds):
        names = list(commands)[number % len(commands):] + list(commands)[:number % len(commands)]
        for name in names:
            done = subprocess.run(commands[name], capture_output=True, text=True, check=True)
            results[name].append(json.loads(done.stdout.splitlines()[-1]))
            areas[name] = auc(np.fromfile(scores), labels)

    def median(name, figure):
        return statistics.median(result[figure] for result in results[name])
    best = {figure: min(median(name, figure) for name in PEERS) for figure in ("total_ms", "cpu_ms")}
    for name in commands:
        total, cpu = median(name, "total_ms"), median(name, "cpu_ms")
        print(f"| {points:,} | {name} | {total:,.2f} | {cpu:,.2f} | {median(name, 'fit_ms'):,.2f} | "
              f"{best['total_ms'] / total:,.2f} | {best['cpu_ms'] / cpu:,.2f} | {areas[name]:.3f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", nargs="+", type=float, default=[1e3, 1e4, 1e6])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--program", default="target/release/examples/peer_bench")
    parser.add_argument("--peer", nargs=3, metavar=("NAME", "FILE", "SCORES"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        return peer(*arguments.peer)
    print("| points | engine | wall ms | CPU ms | of it fit, ms | × best peer, wall | × best peer, CPU | AUC |")
    print("|---:|---|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for points in arguments.points:
            compare(int(points), arguments.rounds, arguments.program, Path(folder))


if __name__ == "__main__":
    main()
