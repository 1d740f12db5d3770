#!/usr/bin/env bash
# SUMMARY: ClickHouse: kurtPop and skewPop of ordinary values are absurd: a kurtosis of -657 where none below 1 can be
# Expected: kurtosis (the fourth moment over the squared second, with no 3 taken off here: 0..9 give 1.776) is at least 1 for any data, and neither it nor the skewness changes when a constant is added to all values.
# Seen (chdb 4.4.0, ClickHouse 26.9.2.1): both are computed from sums of raw powers, whose digits cancel long before a double is full:
#   0..6 repeated, 1000 values:          kurtPop 1.75     60000 + the same:    kurtPop -657.0
#   0..9:                                kurtPop 1.776    1e6 + the same:      kurtPop -6310328.4, skewPop 8.64 (0)
#   1000 Unix times a minute apart:      kurtPop -201489  ten times 0.1:       kurtPop 2.8e15
# For the variance there is a stable sibling (varPopStable); for these two there is none. No error, no warning. DuckDB 2.0.1 is right
# for the same values.
# Why it matters: kurtosis and skewness are features of anomaly detectors and tests of normality (Jarque-Bera); a pressure in Pa, a
# temperature in milli-degrees or a queue of 60000 is enough, and a constant series of 0.1 looks like the heaviest tail there is.
# What to do: subtract the mean first, kurtPop(x - m) with m from a sub-query; drop results below 1 or where the variance is near 0.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
nice -n 15 "$work/venv/bin/pip" install -q --disable-pip-version-check chdb==4.4.0 chdb-core==26.9.0
nice -n 15 "$work/venv/bin/python" - <<'P'
import sys
import chdb

def moments(value, count):
    answer = str(chdb.query(f"SELECT kurtPop(x), skewPop(x), varPopStable(x) FROM (SELECT toFloat64({value}) AS x FROM numbers({count}))", "TSV"))
    kurtosis, skewness, variance = (float(x) for x in answer.split())
    print(f"{count} of {value}: kurtPop {kurtosis:g}, skewPop {skewness:g}, varPopStable {variance:g}")
    return kurtosis

print("ClickHouse", str(chdb.query("SELECT version()", "TSV")).strip())
small, large = moments("number % 7", 1000), moments("60000 + number % 7", 1000)
digits, million = moments("number", 10), moments("1e6 + number", 10)
times = moments("1700000000 + number * 60", 1000)
constant = moments("0.1", 10)
centred = moments("60000 + number % 7 - 60002.99", 1000)
if not (abs(small - 1.75) < 0.01 and abs(centred - 1.75) < 0.01 and large < 0 and million < 0 and times < 0 and constant > 1e6):
    sys.exit("no longer so: the kurtosis does not change with a constant")
P
echo "seen: a negative kurtosis"
