#!/usr/bin/env bash
# SUMMARY: river's EWVar returns negative variances for large values: around 1.7e9 most answers are below 0, the median -1024 for a true 1.
#
# Expected: an exponentially weighted variance is never negative and does not change when a constant is added; the
#   sibling stats.Var is stable and gives about 1 for the same data.
# Really: it is computed as the weighted mean of squares less the square of the weighted mean, which cancels: from
#   1e8 on the result is a multiple of the rounding error, negative in most steps, without a warning.
# Versions: river 0.21.2, numpy 1.26.4 (also seen in river 0.23.0).
# Seen: 2000 values of variance 1: around 0 none negative, median 0.92; around 1e8 1208 negative; around 1.7e9 1489
#   negative, median -1024. stats.Var: 0.996 in all cases.
# Why it matters: the square root is NaN (or raises), and bounds of k standard deviations around memory
#   bytes or Unix times are nonsense in both directions.
# What to do: subtract the first value before update(), or weight squared deviations from EWMean yourself.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/v"
nice -n 15 "$dir/v/bin/pip" install -q --disable-pip-version-check river==0.21.2 numpy==1.26.4 scipy==1.13.1 pandas==2.2.3
cat >"$dir/t.py" <<'P'
import sys
import numpy as np
from river import stats
rng = np.random.default_rng(2)
noise = rng.normal(0, 1, 2000)
res = {}
for off in (0.0, 1e6, 1e8, 1.7e9):
    ew, var, seen = stats.EWVar(fading_factor=0.1), stats.Var(), []
    for v in noise + off:
        ew.update(float(v))
        var.update(float(v))
        seen.append(ew.get())
    res[off] = (sum(s < 0 for s in seen), float(np.median(seen)), var.get())
    print(f"around {off:g}: EWVar negative in {res[off][0]} of 2000 steps, median {res[off][1]:.3f}; stats.Var {res[off][2]:.3f}")
if res[0.0][0] == 0 and res[1e8][0] > 500 and res[1.7e9][0] > 500 and res[1.7e9][1] < 0 and all(0.9 < r[2] < 1.1 for r in res.values()):
    print("CONFIRMED: negative variances")
else:
    sys.exit("the behaviour is no longer that")
P
"$dir/v/bin/python" "$dir/t.py"
