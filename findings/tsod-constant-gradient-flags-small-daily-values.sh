#!/usr/bin/env bash
# SUMMARY: tsod's ConstantGradientDetector calls plain noise "constant" when the values are small or the sampling is slow: its tolerance is 1e-7 per second.
#
# Expected: the detector finds constant gradients, "typically caused by linear interpolation"; irregular noise
#   has none, whatever its unit and step. window_size is its only parameter.
# Really: gradients are taken per second and compared to a fixed, undocumented tolerance of 1e-7. A daily ratio between
#   0 and 0.004 (an error rate) moves less than that per second, so all its points are flagged;
#   the same numbers per second, or in per mille, give none.
# Versions: tsod 0.3.0, numpy 1.26.4, pandas 2.2.3.
# Seen: daily 60 of 60 flagged, the same x 1000: 0, the same per second: 0; ConstantValueDetector: 0.
# Why it matters: the verdict depends on the unit and on the sampling, not on the shape, and says so nowhere.
# What to do: scale the series so that one typical step per second is far above 1e-7, before detect().
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/v"
nice -n 15 "$dir/v/bin/pip" install -q --disable-pip-version-check tsod==0.3.0 numpy==1.26.4 pandas==2.2.3
cat >"$dir/t.py" <<'P'
import sys
import numpy as np
import pandas as pd
from tsod import ConstantGradientDetector, ConstantValueDetector
v = np.random.default_rng(1).uniform(0, 0.004, 60).round(4)
daily = pd.Series(v, index=pd.date_range("2024-01-01", periods=60, freq="D"))
secondly = pd.Series(v, index=pd.date_range("2024-01-01", periods=60, freq="s"))
d = ConstantGradientDetector(window_size=5)
n = [int(d.detect(s).sum()) for s in (daily, daily * 1000, secondly)]
c = int(ConstantValueDetector(window_size=5).detect(daily).sum())
print("first values:", v[:6].tolist())
print(f"constant gradient, daily: {n[0]} of 60; the same x 1000: {n[1]}; the same per second: {n[2]}; constant value, daily: {c}")
if n == [60, 0, 0] and c == 0:
    print("CONFIRMED: noise is a constant gradient in small units")
else:
    sys.exit("the behaviour is no longer that")
P
"$dir/v/bin/python" "$dir/t.py"
