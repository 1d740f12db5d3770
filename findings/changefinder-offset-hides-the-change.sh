#!/usr/bin/env bash
# SUMMARY: changefinder (Python): an 8 sigma shift that is the peak score near zero is not to be seen when the same series lies around 100.
#
# Expected: the score is the surprise under an adaptive AR model with its own mean, so adding a constant to
#   the series does not change it but for the first few points; equal input gives equal scores.
# Really: mean and variance start from an unseeded random number in [0, 1), so a series around 100 begins with an error
#   of 100 whose square fills the variance; with r=0.02 it still hides the shift 200 points
#   later: the highest score from point 100 on is the tail of the start. No argument sets the start or a
#   seed, and two objects give different scores for the same series.
# Versions: changefinder 0.3, numpy 1.26.4, scipy 1.13.1, statsmodels 0.14.4.
# Seen: shift of 8 at 200. Around 0: peak at 203, 51 to 54 after and 17 to 19 before; around 100: peak of all at 11,
#   the greatest score after point 100 is at 100 itself (14), nothing at the shift.
# Why it matters: real metrics do not lie around 0; the change is missed and the start alarms instead.
# What to do: subtract the first value (or a running median) and divide by a scale before update().
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/v"
nice -n 15 "$dir/v/bin/pip" install -q --disable-pip-version-check changefinder==0.3 numpy==1.26.4 scipy==1.13.1 statsmodels==0.14.4 pandas==2.2.3
cat >"$dir/t.py" <<'P'
import sys
import numpy as np
import changefinder
rng = np.random.default_rng(1)
y = np.concatenate([rng.normal(0, 1, 200), rng.normal(8, 1, 200)])
def scores(series):
    cf = changefinder.ChangeFinder(r=0.02, order=1, smooth=7)
    return np.array([cf.update(v) for v in series])
ok = True
for offset in (0, 100):
    runs = [scores(y + offset) for _ in range(5)]
    peak = [int(s.argmax()) for s in runs]
    late = [100 + int(s[100:].argmax()) for s in runs]
    print(f"around {offset}: peak at {peak}; greatest from point 100 on at {late}, "
          f"before the shift {[round(float(s[100:195].max()), 2) for s in runs]}, after {[round(float(s[200:].max()), 2) for s in runs]}")
    if offset == 0:
        ok = ok and all(200 <= p <= 210 for p in late) and all(s[200:].max() > 2 * s[100:195].max() for s in runs)
        ok = ok and not np.array_equal(runs[0], runs[1])
    else:
        ok = ok and all(p < 20 for p in peak) and all(s[200:].max() < s[100:195].max() for s in runs)
if ok:
    print("CONFIRMED: the offset hides the change, and runs differ")
else:
    sys.exit("the behaviour is no longer that")
P
"$dir/v/bin/python" -W ignore "$dir/t.py"
