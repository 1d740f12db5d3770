#!/usr/bin/env bash
# SUMMARY: InfluxDB: one infinite value turns the whole JSON answer into plain text with status 200 and type application/json
# Expected: ln(0) of one point is null in JSON, as sqrt(-1) is, or an error in the answer's "error" member with a status of 400 or
# 500; the same query as CSV is fine.
# Seen (InfluxDB 1.6.7): for `SELECT ln(v)` over the values 0, 1 and 2 the status is 200, Content-Type says application/json, and
# the body is
#   json: error calling MarshalJSON for type httpd.Response: json: error calling MarshalJSON for type *query.Result: json: unsupported value: -Inf
# while with `Accept: text/csv` the rows -Inf, 0 and 0.69... come. sqrt(v - 1), NaN at 0, is null in JSON: one of the two that JSON
# cannot say is handled, the other is not. Other statements of the request (`SELECT v`) are lost with it.
# The opposite case is silent: `v / 0` and `0 / 0` are neither infinite nor null, but 0, in both formats, so that the rate of errors
# of a time without requests is a perfect 0.
# Why it matters: log-transforms before a detector are common, and a counter at rest makes them -Inf. A client that trusts the status
# fails in its JSON parser with a message that does not name the server; one that reads line by line takes it for an empty answer.
# What to do: read the body as text where JSON fails and show it; ask for CSV, or `WHERE v > 0`; test a divisor with WHERE too.
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

def ask(sql, accept="application/json"):
    query = urllib.parse.urlencode({"db": "d", "epoch": "s", "q": sql})
    answer = urllib.request.urlopen(urllib.request.Request(url + "/query?" + query, headers={"Accept": accept}))
    text = answer.read().decode().strip()
    print(f"{sql} ({accept}): {answer.status} {answer.headers['Content-Type']}\n  " + text.replace("\n", "\n  "))
    return answer.status, text

post("/query", urllib.parse.urlencode({"q": "CREATE DATABASE d"}))
post("/write?db=d&precision=s", "m v=0,none=0 1700000000\nm v=1,none=0 1700000010\nm v=2,none=0 1700000020")
status, text = ask("SELECT ln(v) FROM m; SELECT v FROM m")
try:
    json.loads(text)
    parsed = True
except ValueError:
    parsed = False
csv = ask("SELECT ln(v) FROM m", "text/csv")[1]
root = json.loads(ask("SELECT sqrt(v - 1) FROM m")[1])["results"][0]["series"][0]["values"]
ratio = json.loads(ask("SELECT v / none FROM m")[1])["results"][0]["series"][0]["values"]
if parsed or status != 200 or "-Inf" not in csv or root[0][1] is not None or [row[1] for row in ratio] != [0, 0, 0]:
    sys.exit("no longer so")
P
echo "seen: plain text with status 200 for an infinite value, and 0 for a division by zero"
