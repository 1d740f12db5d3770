#!/usr/bin/env bash
# SUMMARY: ClickHouse: with one NaN or infinite value studentTTest, welchTTest and meanZTest answer p = 0, "certainly different"
# Expected: a test whose statistic is NaN has p = NaN, as ClickHouse itself answers where the statistic is 0/0 because all
# values are equal.
# Seen (chdb 4.4.0, ClickHouse 26.9.2.1): two samples of ten values each (0..19, even and odd), once as they are, once with one NaN:
#   studentTTest as they are:  t = -0.369, p = 0.716
#   studentTTest with a NaN:   t = nan,    p = 0
#   welchTTest with a NaN:     t = nan,    p = 0
#   meanZTest with a NaN:      z = nan,    p = 0
#   studentTTest, all equal:   t = nan,    p = nan
# meanZTest answers p = 0 where one of the two samples has no rows at all, too. No error, no warning.
# Why it matters: "has this metric changed since yesterday?" is asked as `p_value < 0.01`; one NaN of a 0/0 rate, or a day that
# has no data yet, is then the most significant change there can be. The p of JSON alone does not tell it from a true one.
# What to do: filter with isFinite() and demand a count for each sample, and read p only where the statistic is finite.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
nice -n 15 "$work/venv/bin/pip" install -q --disable-pip-version-check chdb==4.4.0 chdb-core==26.9.0
nice -n 15 "$work/venv/bin/python" - <<'P'
import sys
import chdb

def test(function, value, group="number % 2"):
    sql = (f"SELECT r.1, r.2 FROM (SELECT {function}(v, g) AS r FROM "
           f"(SELECT toFloat64({value}) AS v, toUInt8({group}) AS g FROM numbers(20)))")
    return [float(x) for x in str(chdb.query(sql, "TSV")).split()]

print("ClickHouse", str(chdb.query("SELECT version()", "TSV")).strip())
so = True
for function in ("studentTTest", "welchTTest", "meanZTest(1., 1., 0.95)"):
    plain = test(function, "number")
    nan = test(function, "if(number = 3, nan, toFloat64(number))")
    inf = test(function, "if(number = 3, inf, toFloat64(number))")
    print(f"{function}: as they are {plain}; one NaN {nan}; one infinite {inf}")
    so = so and plain[1] > 0.01 and all(r[0] != r[0] and r[1] == 0 for r in (nan, inf))
equal = test("studentTTest", "5")
print("studentTTest, all equal:", equal)
empty = test("meanZTest(1., 1., 0.95)", "number", "0")
print("meanZTest, second sample empty:", empty)
if not (so and equal[1] != equal[1] and empty[1] == 0):
    sys.exit("no longer so: p is not 0 where the statistic is NaN")
P
echo "seen: p = 0 of a statistic that is NaN"
