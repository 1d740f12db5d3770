#!/usr/bin/env bash
# SUMMARY: InfluxDB: holt_winters() of a perfectly periodic series with the right season forecasts a flat line, or another shape
# Expected: the second argument is the length of the season; 32 whole seasons of exactly 10, 20, 30 forecast 10, 20, 30 again, and
# 8 whole periods of a sine forecast the sine: a fit without residuals exists for both.
# Seen (InfluxDB 1.6.7): for 96 points of 10, 20, 30, `holt_winters(first(p3), 6, 3)` answers
#   20.4 20.4 20.4 20.4 20.5 20.5
# (holt_winters_with_fit shows the same flat line over the data), and for 96 points of 100 + 50 sin of period 12,
# `holt_winters(first(p12), 12, 12)` answers 106.5 114.2 142.3 119.9 91.2 97.4 117.7 90.9 82.6 87.1 104.5 108.1 where
# 100 125 143.3 150 143.3 125 100 75 56.7 50 56.7 75 come next. Season 0 of a straight line is right (196.0, 197.0, ...).
# No error, no warning.
# Why it matters: forecasts of this function are used as the band of alerts; here the forecast of a series without any noise is off
# by half of the amplitude and more, so that every single ordinary point lies outside a band of a few percent.
# What to do: always draw holt_winters_with_fit over the data before an alert is made of it, or forecast outside the database;
# a naive forecast (the value of one season ago) is better on such data.
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
import json, math, sys, urllib.parse, urllib.request
url = sys.argv[1]

def post(path, body):
    return urllib.request.urlopen(urllib.request.Request(url + path, body.encode())).read()

def ask(sql):
    text = urllib.request.urlopen(url + "/query?" + urllib.parse.urlencode({"db": "d", "epoch": "s", "q": sql})).read()
    return [row[1] for row in json.loads(text)["results"][0]["series"][0]["values"]]

sine = lambda i: 100 + 50 * math.sin(2 * math.pi * i / 12)
post("/query", urllib.parse.urlencode({"q": "CREATE DATABASE d"}))
post("/write?db=d&precision=s", "\n".join(
    f"m p3={[10, 20, 30][i % 3]},p12={sine(i)},line={100 + i} {1700000000 + i * 10}" for i in range(96)))
where = "FROM m WHERE time >= 1700000000s AND time < 1700000960s GROUP BY time(10s)"
p3 = ask(f"SELECT holt_winters(first(p3), 6, 3) {where}")
p12 = ask(f"SELECT holt_winters(first(p12), 12, 12) {where}")
line = ask(f"SELECT holt_winters(first(line), 4, 0) {where}")
show = lambda values: " ".join(f"{v:.1f}" for v in values)
print("10, 20, 30 repeated, forecast:", show(p3))
print("sine, forecast:               ", show(p12))
print("sine, what comes next:        ", show(sine(i) for i in range(96, 108)))
print("line, forecast:               ", show(line))
error = max(abs(f - sine(96 + i)) for i, f in enumerate(p12))
print(f"largest error of the sine's forecast: {error:.1f} of an amplitude of 50")
if not (max(p3) - min(p3) < 1 and error > 25 and abs(line[0] - 196) < 0.5):
    sys.exit("no longer so: the season is forecast")
P
echo "seen: the season is lost"
