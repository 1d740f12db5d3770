#!/usr/bin/env bash
# SUMMARY: ClickHouse: one NaN makes seriesOutliersDetectTukey miss the outlier, or flag ordinary values, depending on where it is
# Expected: a NaN in the array either makes every score NaN, or is left out, and where it stands does not matter: Tukey's fences
# are made of quantiles, which do not know an order. (quantile() and max() of the same engine leave NaN out.)
# Seen (chdb 4.4.0, ClickHouse 26.9.2.1): the fences move as if the array were not truly sorted once a NaN is in it.
# Eleven values of 1 to 3 and 500, with one NaN moved through all places: the score of 500 is NaN (so `score != 0` flags all,
# `score > 0` nothing) at some places, 495.25 at others, and at others again the ordinary 1s and 3s get scores that are not 0:
#   NaN at 0: 500 scores 495.25, ordinary values flagged: 0
#   NaN at 2: 500 scores nan, ordinary values flagged: none has a score
#   NaN at 4: 500 scores 498.75, ordinary values flagged: 10
# No error and no warning. An infinite value as the last makes its own score NaN as well.
# Why it matters: a gap that is NaN (0/0 of a rate, Float64 columns from Parquet or CSV) silences the detector or raises false
# alarms, and the same data in another order answers otherwise.
# What to do: filter first, `arrayFilter(x -> isFinite(x), a)`, and keep the positions to put the scores back.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
nice -n 15 "$work/venv/bin/pip" install -q --disable-pip-version-check chdb==4.4.0 chdb-core==26.9.0
nice -n 15 "$work/venv/bin/python" - <<'P'
import json, math, sys
import chdb

def scores(values):
    text = "[" + ",".join(repr(v) for v in values) + "]"
    answer = str(chdb.query(f"SELECT seriesOutliersDetectTukey({text})", "JSONCompactEachRow"))
    return [math.nan if s is None else s for s in json.loads(answer)[0]]

print("ClickHouse", str(chdb.query("SELECT version()", "TSV")).strip())
plain = [1.0, 2.0, 1.0, 3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0, 500.0]
print("without a NaN:", scores(plain))
missed, false_alarms, right = [], [], []
for place in range(len(plain) + 1):
    with_nan = plain[:place] + [math.nan] + plain[place:]
    got = scores(with_nan)
    spike = got[with_nan.index(500.0)]
    flagged = sum(1 for v, s in zip(with_nan, got) if v < 500 and s == s and s != 0)
    none = all(math.isnan(s) for s in got)
    print(f"NaN at {place}: 500 scores {spike}, ordinary values flagged: {'none has a score' if none else flagged}")
    (missed if none else false_alarms if flagged else right).append(place)
print("with infinity:", scores([1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, math.inf]).pop())
print("missed at", missed, "false alarms at", false_alarms, "right at", right)
if not (missed and false_alarms and right):
    sys.exit("no longer so: the place of the NaN makes no difference")
P
echo "seen: the place of one NaN decides what is an outlier"
