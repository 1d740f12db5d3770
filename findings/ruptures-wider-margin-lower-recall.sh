#!/usr/bin/env bash
# SUMMARY: ruptures' precision_recall: a wider margin of error can halve both scores, and margin=1 accepts no error of 1.
#
# Expected: margin is documented as the "allowed error (in points)"; so an estimate that is 1 off is
#   right at margin=1, and allowing more error can only keep or raise precision and recall.
# Really: (a) the comparison is strict: margin=1 accepts exact hits only; (b) each true change takes
#   every estimate within its margin, not one, and what is taken cannot match another. With true
#   changes at 100 and 115 and estimates at 101 and 114, the scores are 1.0 up to margin 14 and 0.5 from 15 on.
# Versions: ruptures 1.1.10, numpy 1.26.4, scipy 1.13.1.
# Seen: margin 1 -> (0, 0); 2, 5, 10, 14 -> (1, 1); 15, 20, 30 -> (0.5, 0.5)
# Why it matters: comparing detectors at a lenient margin punishes the better one; tuning on it is misled.
# What to do: keep the margin at most half the least gap of true changes, add 1 to it, or match one to one yourself.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/v"
nice -n 15 "$dir/v/bin/pip" install -q --disable-pip-version-check ruptures==1.1.10 numpy==1.26.4 scipy==1.13.1
cat >"$dir/t.py" <<'P'
import sys
from ruptures.metrics import precision_recall
true, est = [100, 115, 200], [101, 114, 200]
got = {}
for m in (1, 2, 5, 10, 14, 15, 20, 30):
    got[m] = precision_recall(true, est, margin=m)
    print(f"margin {m:2}: precision {got[m][0]}, recall {got[m][1]}")
if got[1] == (0, 0) and got[2] == got[10] == got[14] == (1, 1) and got[15] == got[30] == (0.5, 0.5):
    print("CONFIRMED: more allowed error gives worse scores, and an error of 1 is not within a margin of 1")
else:
    sys.exit("the behaviour is no longer that")
P
"$dir/v/bin/python" "$dir/t.py"
