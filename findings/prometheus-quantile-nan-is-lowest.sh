#!/usr/bin/env bash
# SUMMARY: Prometheus: quantile and quantile_over_time count NaN as the lowest value: the median of a half-NaN range is its minimum
# Expected: NaN among the samples is either left out, as max, min, max_over_time and min_over_time do, or makes the result NaN,
# as avg, stddev and avg_over_time do. Nothing else is between the two.
# Seen (Prometheus 2.42.0, Debian's): NaN is sorted before all numbers and counted, so that every quantile is shifted, silently:
#   30 samples in the range, 15 of them NaN, the others 1..15:
#   min_over_time 1, max_over_time 15, avg_over_time NaN, quantile_over_time(0.5) NaN, quantile_over_time(0.55) 1.95
#   (the 0.55 quantile of the fifteen numbers is 8.7), quantile_over_time(0.9) 12.1 (13.6)
# and over series: quantile(0.5) of 0, 1, NaN, 3, 4 is 1, not 2. Where few are NaN, no result is NaN: all are only too low.
# Why it matters: 0/0 of a rate in a subquery, and the quantiles of a summary that saw nothing, are NaN and are ordinary in stored
# series. Bands made of quantiles (median +- k * IQR, p95 baselines) sink with the share of NaN, and rise as traffic comes back.
# What to do: drop NaN before the quantile, in a subquery with `x >= -Inf` (a comparison that NaN never meets):
# quantile_over_time(0.5, (x >= -Inf)[10m:15s]); over series quantile(0.5, x >= -Inf).
set -euo pipefail
work=$(mktemp -d); pid=
trap 'test -z "$pid" || { kill "$pid"; wait "$pid" 2>/dev/null || true; }; rm -rf "$work"' EXIT
cd "$work"
apt-get download prometheus=2.42.0+ds-5+deb12u1 >/dev/null 2>&1 || { echo "prometheus 2.42.0+ds-5+deb12u1 is not to be had from Debian"; exit 1; }
dpkg -x prometheus_*.deb root
PROMETHEUS=${PROMETHEUS:-root/usr/bin/prometheus}
python3 - > samples <<'P'
print("# TYPE x gauge")
for i in range(30):
    print("x", "NaN" if i % 2 else i // 2 + 1, 1700000000 + i * 15)
print("# TYPE g gauge")
for i in range(5):
    print(f'g{{s="{i}"}}', "NaN" if i == 2 else i, 1700000400)
print("# EOF")
P
root/usr/bin/promtool tsdb create-blocks-from openmetrics samples data > blocks.log
echo 'global: {}' > prometheus.yml
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
nice -n 15 "$PROMETHEUS" --config.file=prometheus.yml --storage.tsdb.path=data --storage.tsdb.retention.time=100y \
    --web.listen-address="127.0.0.1:$port" > log 2>&1 & pid=$!
for _ in $(seq 300); do curl -sf "http://127.0.0.1:$port/-/ready" >/dev/null && break; kill -0 "$pid"; sleep 0.1; done
python3 - "http://127.0.0.1:$port" <<'P'
import json, math, sys, urllib.parse, urllib.request

def ask(query):
    text = urllib.parse.urlencode({"query": query, "time": 1700000440})
    value = float(json.load(urllib.request.urlopen(sys.argv[1] + "/api/v1/query?" + text))["data"]["result"][0]["value"][1])
    print(f"{query}: {value:g}")
    return value

print("fifteen NaN and 1..15:")
count, low, high, mean = (ask(f"{f}_over_time(x[450s])") for f in ("count", "min", "max", "avg"))
quantiles = [ask(f"quantile_over_time({p}, x[450s])") for p in (0.5, 0.55, 0.9)]
right = [ask(f"quantile_over_time({p}, (x >= -Inf)[450s:15s])") for p in (0.5, 0.55, 0.9)]
print("0, 1, NaN, 3, 4:")
across = [ask(q) for q in ("min(g)", "max(g)", "quantile(0.5, g)", "quantile(0.5, g >= -Inf)")]
close = lambda a, b: abs(a - b) < 1e-9
if not (count == 30 and low == 1 and high == 15 and math.isnan(mean) and math.isnan(quantiles[0]) and close(quantiles[1], 1.95)
        and close(quantiles[2], 12.1) and close(right[1], 8.7) and across == [0, 4, 1, 2]):
    sys.exit("no longer so")
P
echo "seen: NaN is the lowest value of a quantile"
