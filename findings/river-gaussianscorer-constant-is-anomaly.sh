#!/usr/bin/env bash
# SUMMARY: river's GaussianScorer gives a constant metric the greatest score, 1.0, for the very value it has always had.
#
# Expected: the score is documented as 2 |CDF(y) - 0.5|, between 0 (at the mean) and 1 (far away); a metric
#   that has been 5.0 for ever should give 0 for 5.0 and 1 for anything else.
# Really: with a standard deviation of 0 the CDF falls back to 0 for every y, so the score is 1.0 for the
#   mean itself and the same 1.0 for a real jump: the two cannot be told apart until a first
#   other value has been learnt.
# Versions: river 0.21.2, numpy 1.26.4, pandas 2.2.3 (also seen in river 0.23.0).
# Seen: learnt 5.0 x 200: score(5.0) = 1.0, score(6.0) = 1.0; zeros with a window of 50: score(0.0) = 1.0;
#   in noise around 5 the score of 5.0 is 0.011.
# Why it matters: idle queues, error counts of 0, up = 1 are constant from the start of a process: all alerts.
# What to do: give 0 when y equals the mean and gaussian.sigma is 0, before asking the scorer.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/v"
nice -n 15 "$dir/v/bin/pip" install -q --disable-pip-version-check river==0.21.2 numpy==1.26.4 scipy==1.13.1 pandas==2.2.3
cat >"$dir/t.py" <<'P'
import random
import sys
from river import anomaly
const = anomaly.GaussianScorer(grace_period=100)
for _ in range(200):
    const.learn_one(None, 5.0)
a, b = const.score_one(None, 5.0), const.score_one(None, 6.0)
print("constant 5.0: score of 5.0 =", a, " score of 6.0 =", b)
rng = random.Random(1)
noise = anomaly.GaussianScorer(grace_period=100)
for _ in range(1000):
    noise.learn_one(None, rng.gauss(5, 1))
c, d = noise.score_one(None, 5.0), noise.score_one(None, 9.0)
print(f"noise around 5: score of 5.0 = {c:.3f}, of 9.0 = {d:.4f}")
zero = anomaly.GaussianScorer(window_size=50, grace_period=50)
for _ in range(200):
    zero.learn_one(None, 0.0)
z = zero.score_one(None, 0.0)
print("constant 0.0, window 50: score of 0.0 =", z)
if a == 1.0 and b == 1.0 and z == 1.0 and c < 0.1 and d > 0.99:
    print("CONFIRMED: the constant's own value has the greatest score")
else:
    sys.exit("the behaviour is no longer that")
P
"$dir/v/bin/python" "$dir/t.py"
