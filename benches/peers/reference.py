#!/usr/bin/env python3
"""Writes what scikit-learn's isolation forest of 5,000 trees makes of made-up rows, for tests/forest_reference.rs.

    venv/bin/python benches/peers/reference.py tests/scikit_learn_scores.csv

Three features (normal, one that follows it, heavy-tailed), 2 % of the rows moved away, and so many trees that the scores
hardly depend on the seed. A higher score is more anomalous, as in the paper.
"""
import sys

import numpy as np
from sklearn.ensemble import IsolationForest

ROWS, TREES, SAMPLE = 800, 5_000, 256


def main(path):
    random = np.random.default_rng(20261121)
    normal = random.standard_normal(ROWS)
    follower = 0.8 * normal + 0.6 * random.standard_normal(ROWS)
    heavy = random.exponential(size=ROWS) ** 2
    rows = np.round(np.column_stack([normal, follower, heavy]), 6)
    outliers = random.choice(ROWS, ROWS // 50, replace=False)
    rows[outliers, :2] += np.round(random.choice([-1, 1], (outliers.size, 2)) * random.uniform(2, 6, (outliers.size, 2)), 6)

    def scores(columns):
        forest = IsolationForest(n_estimators=TREES, max_samples=SAMPLE, random_state=1)
        return -forest.fit(columns).score_samples(columns)

    is_outlier = np.isin(np.arange(ROWS), outliers).astype(int)
    table = np.column_stack([rows, is_outlier, scores(rows[:, :1]), scores(rows)])
    np.savetxt(path, table, fmt=["%.6f"] * 3 + ["%d"] + ["%.6f"] * 2, delimiter=",", comments="",
               header="normal,follower,heavy,outlier,score_of_normal,score_of_all")


if __name__ == "__main__":
    main(sys.argv[1])
