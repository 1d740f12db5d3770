#!/usr/bin/env bash
# SUMMARY: VictoriaMetrics: one huge sample rounds its neighbours in storage: hours of ordinary values beside a 2^63 are stored as 0
# Expected: values are 64-bit floats; the documentation speaks of lost digits past the 12th to 15th of a value, each for itself.
# Seen (VictoriaMetrics 1.79.5, Debian's, and v1.151.0): the samples of a series that are stored together share one decimal exponent, so
# that one outlier takes the digits of all others near it. 240 samples of 0.123456789 to 0.129456789, 15 s apart, one of them changed:
#   spike 1e14: the others are 0.1234 to 0.1294     spike 1e16: all others are 0.12
#   spike 1e17: all others are 0.1                  spike 1e18, 1e20 or 2^63: all others are 0
# also half an hour after the spike. The count is kept, and queries and /api/v1/export give the same. The spike itself is right.
# The project knows of it (its issue 9448); nothing in an answer shows that it happened.
# Why it matters: -1 as uint64, a wrapped counter or a "no value" of 9.2e18 is an ordinary fault of an exporter. A detector then sees one
# outlier amid a series that is exactly constant: a spread of 0, so z-scores of NaN or infinity; before and after it all was ordinary.
# What to do: drop or clamp impossible values before they are stored (metric relabelling, streaming aggregation, at the exporter);
# take a spread of exactly 0 around a spike of more than 1e14 times the level for lost data, not for calm.
set -euo pipefail
work=$(mktemp -d); pid=
trap 'test -z "$pid" || { kill "$pid"; wait "$pid" 2>/dev/null || true; }; rm -rf "$work"' EXIT
cd "$work"
apt-get download victoria-metrics=1.79.5+ds1-2+b5 >/dev/null 2>&1 || { echo "victoria-metrics 1.79.5+ds1-2+b5 is not to be had from Debian"; exit 1; }
dpkg -x victoria-metrics_*.deb root
# Another binary may be named: VICTORIA=/path/to/victoria-metrics
VICTORIA=${VICTORIA:-root/usr/bin/victoria-metrics}
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
nice -n 15 "$VICTORIA" -storageDataPath=data -httpListenAddr="127.0.0.1:$port" -retentionPeriod=100y > log 2>&1 & pid=$!
for _ in $(seq 300); do curl -sf "http://127.0.0.1:$port/health" >/dev/null && break; kill -0 "$pid"; sleep 0.1; done
python3 - "http://127.0.0.1:$port" <<'P'
import json, sys, time, urllib.parse, urllib.request
url = sys.argv[1]
spikes = {"none": None, "1e14": 1e14, "1e16": 1e16, "1e17": 1e17, "1e18": 1e18, "1e20": 1e20, "2^63": 2.0 ** 63}
start = 1700000100
lines = [f'load{{spike="{name}"}} {spike if spike and i == 100 else 0.123456789 + 0.001 * (i % 7)} {(start + i * 15) * 1000}'
         for name, spike in spikes.items() for i in range(240)]
urllib.request.urlopen(urllib.request.Request(url + "/api/v1/import/prometheus", "\n".join(lines).encode())).read()
urllib.request.urlopen(url + "/internal/force_flush").read()
series = {}
for _ in range(100):
    answer = urllib.request.urlopen(url + "/api/v1/export?" + urllib.parse.urlencode({"match[]": "load"})).read().decode()
    series = {}
    for line in answer.splitlines():
        one = json.loads(line)
        series.setdefault(one["metric"]["spike"], []).extend(one["values"])
    if len(series) == len(spikes) and all(len(v) == 240 for v in series.values()):
        break
    time.sleep(0.1)
others = {}
for name in spikes:
    rest = [v for v in series[name] if v < 1000]
    others[name] = sorted(set(rest))
    print(f"spike {name}: {len(series[name])} samples; the {len(rest)} ordinary ones are {min(rest)} to {max(rest)}, {len(set(rest))} different; the largest is {max(series[name]):g}")
if others["none"][0] != 0.123456789 or len(others["none"]) != 7 or any(others[n] != [0] for n in ("1e18", "1e20", "2^63")):
    sys.exit("no longer so: the neighbours are kept")
P
echo "seen: the neighbours of a spike are stored as 0"
