#!/usr/bin/env bash
# SUMMARY: InfluxDB: mean() of an integer field overflows: the mean of six times in nanoseconds is negative, below min()
# Expected: mean() is a float between min() and max(), as it is for the same numbers in a float field, and as median() is.
# Seen (InfluxDB 1.6.7): the sum is kept as int64 and wraps before it is divided. Twenty values 1700000000000000000 + i of a field:
#   mean -144674407370955170, sum -2893488147419103042; min 1700000000000000000, median 1700000000000000000
#   the same as a float field: mean 1700000000000000000
# Five such values are right (sum 8.5e18), six are not; what is right at GROUP BY time(5s) is wrong at GROUP BY time(20s). No error. (Its issue 10406.)
# Ordinary sizes do it too, only later: a byte counter of 5e15 has a wrong mean over 1845 points, half an hour at a point a second.
# Why it matters: integer is what collectors write for counters, bytes and times in ns. A dashboard is right when zoomed in and shows a
# negative mean when zoomed out; a mean taken as the base line of a detector is off by any amount, of either sign.
# What to do: write such fields as floats; in a query cast before the mean: SELECT mean(f) FROM (SELECT v * 1.0 AS f FROM m).
set -euo pipefail
work=$(mktemp -d); pid=
trap 'test -z "$pid" || { kill "$pid"; wait "$pid" 2>/dev/null || true; }; rm -rf "$work"' EXIT
cd "$work"
apt-get download influxdb=1.6.7~rc0-1+b13 >/dev/null 2>&1 || { echo "influxdb 1.6.7~rc0-1+b13 is not to be had from Debian"; exit 1; }
dpkg -x influxdb_*.deb root
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
http=$(free_port); bind=$(free_port)
cat > influx.conf <<C
bind-address = "127.0.0.1:$bind"
reporting-disabled = true
[meta]
dir = "$work/meta"
[data]
dir = "$work/data"
wal-dir = "$work/wal"
[http]
bind-address = "127.0.0.1:$http"
log-enabled = false
C
nice -n 15 root/usr/bin/influxd -config influx.conf > log 2>&1 & pid=$!
for _ in $(seq 300); do curl -sf "http://127.0.0.1:$http/ping" && break; kill -0 "$pid"; sleep 0.1; done
python3 - "http://127.0.0.1:$http" <<'P'
import json, sys, urllib.parse, urllib.request
url = sys.argv[1]

def post(path, body):
    return urllib.request.urlopen(urllib.request.Request(url + path, body.encode())).read()

def ask(sql):
    query = urllib.parse.urlencode({"db": "d", "epoch": "s", "q": sql})
    series = json.loads(urllib.request.urlopen(url + "/query?" + query).read())["results"][0]["series"][0]
    rows = [row[1:] for row in series["values"]]
    print(sql, "->", rows if len(rows) > 1 else dict(zip(series["columns"][1:], rows[0])))
    return rows

post("/query", urllib.parse.urlencode({"q": "CREATE DATABASE d"}))
post("/write?db=d&precision=s", "\n".join(f"m v={1700000000000000000 + i}i,f={1700000000000000000 + i} {1700000000 + i}" for i in range(20)))
post("/write?db=d&precision=s", "\n".join(f"bytes v={5 * 10 ** 15 + i}i {1700000000 + i}" for i in range(1900)))
(mean, total, low, high, middle, as_float), = ask("SELECT mean(v), sum(v), min(v), max(v), median(v), mean(f) FROM m")
times = "time >= 1700000000s AND time < 1700000020s"
fives = ask(f"SELECT mean(v) FROM m WHERE {times} GROUP BY time(5s)")
twenty = ask(f"SELECT mean(v) FROM m WHERE {times} GROUP BY time(20s)")
six = ask("SELECT mean(v) FROM m WHERE time < 1700000006s")
cast = ask("SELECT mean(f) FROM (SELECT v * 1.0 AS f FROM m)")
count, = ask("SELECT count(v), mean(v), min(v) FROM bytes")
before, = ask("SELECT count(v), mean(v) FROM bytes WHERE time < 1700001844s")
after, = ask("SELECT count(v), mean(v) FROM bytes WHERE time < 1700001845s")
if not (mean < 0 < low <= middle and as_float > 1.6e18 and all(r[0] > 1.6e18 for r in fives) and twenty[0][0] < 0 and six[0][0] < 0
        and cast[0][0] > 1.6e18 and count[1] < 0 and before[1] > 0 > after[1]):
    sys.exit("no longer so: the mean is between min and max")
P
echo "seen: the mean is below the minimum"
