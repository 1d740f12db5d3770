#!/usr/bin/env bash
# SUMMARY: influxdb (Python) with pandas 3: DataFrameClient writes today's points into January 1970, and merges them, without an error
# Expected: DataFrameClient.write_points(df, "m") stores each row at the time of its index, and time_precision="s" stores the same
# times to the second. Its own JSON path (protocol="json") does, with the same frame.
# Seen (influxdb 5.3.2, pandas 3.1.1, InfluxDB 1.6.7): the line protocol path takes the index' integers for nanoseconds, but since pandas 3
# an index parsed from text is datetime64[us]. write_points answers True, and of three rows of 2023-11-14T22:13:20Z and the next seconds
#   default:              3 points, 1970-01-20T16:13:20.000Z, .001Z and .002Z: a thousandth of the time and of the steps
#   time_precision="s":   1 point, 1970-01-20T16:13:20Z: the three fall on one time, the last one stays
#   protocol="json", or df.index.as_unit("ns"):   3 points where they belong
# With an index of datetime64[s] it is a billionth (1.7 s after 1970).
# Why it matters: a write that is acknowledged is not looked at again. The series stops for every dashboard and detector ("no data"), the
# retention policy drops the old points, and what is merged cannot be put right afterwards by a multiplication.
# What to do: df.index = df.index.as_unit("ns") before a write, or protocol="json"; look at the newest stored time after an upgrade
# of pandas. (influxdb-client 1.50.0 for InfluxDB 2 writes frames of all units rightly.)
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
python3 -m venv venv
nice -n 15 venv/bin/pip install -q --disable-pip-version-check influxdb==5.3.2 pandas==3.1.1
venv/bin/python -W ignore - "$http" <<'P'
import sys
import pandas
from influxdb import DataFrameClient, InfluxDBClient
port = int(sys.argv[1])
frames = DataFrameClient("127.0.0.1", port, database="d")
reader = InfluxDBClient("127.0.0.1", port, database="d")
reader.create_database("d")
index = pandas.to_datetime(["2023-11-14T22:13:20Z", "2023-11-14T22:13:21Z", "2023-11-14T22:13:22Z"])
print("pandas", pandas.__version__, "index", index.dtype)
frame = pandas.DataFrame({"v": [1.0, 2.0, 3.0]}, index=index)

def write(name, frame, **options):
    answer = frames.write_points(frame, name, **options)
    stored = [(p["time"], p["v"]) for p in reader.query(f'SELECT v FROM "{name}"').get_points()]
    print(f"{name}: write_points {answer}, stored {stored}")
    return [t for t, _ in stored]

default = write("default", frame)
seconds = write("seconds", frame, time_precision="s")
as_json = write("json", frame, protocol="json")
nanos = write("nanoseconds", frame.set_axis(index.as_unit("ns")))
right = [f"2023-11-14T22:13:{s}Z" for s in (20, 21, 22)]
if not (len(default) == 3 and default[0] == "1970-01-20T16:13:20Z" and seconds == ["1970-01-20T16:13:20Z"] and as_json == nanos == right):
    sys.exit("no longer so")
P
echo "seen: points of 2023 are in 1970"
