#!/usr/bin/env bash
# SUMMARY: hampel (Python) works in float32: a clean series of counters comes back changed, and a spike on a large offset is missed.
#
# Expected: filtered_data is "a copy of the input data with outliers replaced", so a float64 series
#   without outliers comes back unchanged, and adding a constant to a series does not change which
#   points are outliers (median and MAD move with the data).
# Really: the data is cast to float32 first. 123456789 and its neighbours come back as multiples of 8,
#   although outlier_indices is empty; and a spike of 20 sigma is found near zero but not when
#   the same series lies at 1.7e9 (a common size for byte counters and Unix seconds), where float32 steps are 128.
# Versions: hampel 1.0.2, numpy 1.26.4, pandas 2.2.3.
# Seen: no outliers, yet 17 of 20 values altered (by up to 4); spike found without the offset, [] with it.
# Why it matters: bytes, epoch times and counters lose digits silently and outliers vanish.
# What to do: subtract a rough centre first and add it again in float64, or replace only at outlier_indices.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/v"
nice -n 15 "$dir/v/bin/pip" install -q --disable-pip-version-check hampel==1.0.2 numpy==1.26.4 pandas==2.2.3
cat >"$dir/t.py" <<'P'
import sys
import numpy as np
from hampel import hampel
clean = 123456789.0 + np.arange(20)
r = hampel(clean, window_size=5, n_sigma=3.0)
altered = int((np.asarray(r.filtered_data, dtype=np.float64) != clean).sum())
print("clean counters: dtype", r.filtered_data.dtype, "outliers", list(r.outlier_indices), "values altered", altered, "of 20")
print("  in :", clean[:4].tolist(), "\n  out:", r.filtered_data[:4].tolist())
rng = np.random.default_rng(1)
y = np.round(rng.normal(0, 1, 60), 2)
y[30] = 20.0
near = [int(i) for i in hampel(y, 5, 3.0).outlier_indices]
far = [int(i) for i in hampel(y + 1.7e9, 5, 3.0).outlier_indices]
print("outliers near 0:", near, " same series at 1.7e9:", far)
if len(r.outlier_indices) == 0 and altered > 10 and 30 in near and 30 not in far:
    print("CONFIRMED: float32 inside")
else:
    sys.exit("the behaviour is no longer that")
P
"$dir/v/bin/python" "$dir/t.py"
