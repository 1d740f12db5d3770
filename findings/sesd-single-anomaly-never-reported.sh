#!/usr/bin/env bash
# SUMMARY: sesd (seasonal ESD in Python) finds two outliers but never a single one: a lone spike of 50 sigma yields an empty list.
#
# Expected: generalized ESD tests for 1, 2, … max_anomalies outliers and returns as many as the last
#   test that rejects; a series with exactly one gross spike must give that one index.
# Really: the count of the last rejecting test is kept from zero, and zero also stands for "nothing
#   rejected", so a series whose only outlier is found by the first test comes back as []. With a
#   second spike both are returned. seasonal_esd() inherits it.
# Versions: sesd 0.2, statsmodels 0.14.4, numpy 1.26.4, scipy 1.13.1.
# Seen: one spike at 30 -> [] from both functions; spikes at 30 and 150 -> [30, 150]
# Why it matters: the lone spike is the commonest anomaly in a metric, and no message says it was dropped.
# What to do: test the first statistic yourself (Grubbs), or use another implementation of S-H-ESD.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/v"
nice -n 15 "$dir/v/bin/pip" install -q --disable-pip-version-check sesd==0.2 statsmodels==0.14.4 numpy==1.26.4 scipy==1.13.1 pandas==2.2.3
cat >"$dir/t.py" <<'P'
import sys
import numpy as np
import sesd
rng = np.random.default_rng(1)
noise = rng.normal(0, 1, 240)
season = 10 * np.sin(2 * np.pi * np.arange(240) / 24)
got = {}
for name, at in (("none", []), ("one", [30]), ("two", [30, 150])):
    y = noise.copy()
    y[at] += 50
    plain = sorted(int(i) for i in sesd.generalized_esd(y.copy(), max_anomalies=5))
    seasonal = sorted(int(i) for i in sesd.seasonal_esd(season + y, periodicity=24, max_anomalies=5, alpha=0.01))
    got[name] = (plain, seasonal)
    print(f"spikes of 50 sigma at {at}: generalized_esd -> {plain}, seasonal_esd -> {seasonal}")
if got["one"] == ([], []) and got["two"][0] == [30, 150] and {30, 150} <= set(got["two"][1]):
    print("CONFIRMED: a single anomaly is never reported")
else:
    sys.exit("the behaviour is no longer that")
P
"$dir/v/bin/python" -W ignore "$dir/t.py"
