#!/usr/bin/env bash
# SUMMARY: ClickHouse: simpleLinearRegression over Unix times gives a slope that is wrong by up to 6 %, silently
# Expected: points that lie exactly on a line of slope 1 give slope 1 to about 1e-9, also when x is a Unix time, which is the x
# that a trend of a metric has. The engine's own corrStable(), and regr_slope() of DuckDB 2.0.1, do not
# suffer from it.
# Seen (chdb 4.4.0, ClickHouse 26.9.2.1): the sums of x and of x squared are subtracted as they are, so that the digits cancel:
#   60 points a minute apart, x in seconds:      k = 1.00023
#   60 points a minute apart, x in milliseconds: k = 1.00089
#   240 points 15 s apart, x in seconds:         k = 1.00103
#   30 points 10 s apart, x in seconds:          k = 0.98925
#   30 points 10 s apart, x in milliseconds:     k = 0.94343
#   the same with x counted from the first point: k = 1
# No error; the intercept is wrong by millions as well. corr() of the points that lie on a line is not 1 either (corrStable's is).
# Why it matters: slopes of an hour of a metric (disk fill, drift) are wrong by up to percents, and a prediction from k and b by more.
# What to do: subtract the first time, `simpleLinearRegression(t - min_t, v)`; never hand it Unix times, least of all in ms or ns.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
nice -n 15 "$work/venv/bin/pip" install -q --disable-pip-version-check chdb==4.4.0 chdb-core==26.9.0
nice -n 15 "$work/venv/bin/python" - <<'P'
import json, sys
import chdb

def ask(sql):
    return json.loads(str(chdb.query(sql, "JSONCompactEachRow")))

def slope(first, step, count):
    return ask(f"SELECT simpleLinearRegression(t, v).k FROM (SELECT toFloat64({first} + number * {step}) AS t, "
               f"toFloat64(number * {step}) AS v FROM numbers({count}))")[0]

print("ClickHouse", str(chdb.query("SELECT version()", "TSV")).strip())
cases = {"60 points a minute apart, seconds": (1700000000, 60, 60),
         "60 points a minute apart, milliseconds": (1700000000000, 60000, 60),
         "240 points 15 s apart, seconds": (1700000000, 15, 240),
         "30 points 10 s apart, seconds": (1700000000, 10, 30),
         "30 points 10 s apart, milliseconds": (1700000000000, 10000, 30),
         "1440 points a minute apart, seconds": (1700000000, 60, 1440)}
worst = 0.0
for name, (first, step, count) in cases.items():
    k = slope(first, step, count)
    centred = slope(0, step, count)
    print(f"{name}: k = {k}; with x from the first point: {centred}")
    if abs(centred - 1) > 1e-9:
        sys.exit("the centred slope is wrong too")
    worst = max(worst, abs(k - 1))
print("corr, corrStable:", ask("SELECT corr(t, v), corrStable(t, v) FROM (SELECT 1700000000. + number * 15 AS t, number * 15. AS v FROM numbers(240))"))
print("largest error of a slope that is 1:", worst)
if worst < 1e-4:
    sys.exit("no longer so: the slope is right")
P
echo "seen: the slope over Unix times is wrong"
