#!/usr/bin/env bash
# SUMMARY: MySQL's connector for Python: a negative TIME is positive when it comes from a prepared statement
# Expected: TIME '-01:00:00' is timedelta(hours=-1) from any cursor of a driver; the binary protocol has a byte for the sign.
# Seen (mysql-connector-python 26.10.0 in pure Python, MariaDB 10.11.19): cursor() gives -1 h, cursor(prepared=True) +1 h, for the
# same row and also for TIMEDIFF(a, b) of two times, the usual way to such values:
#   TIME '-01:00:00'                   plain -3600 s,  prepared 3600 s
#   TIMEDIFF('10:00:00', '10:00:30')   plain -30 s,    prepared 30 s
#   TIME '-00:00:01.500000'            plain -1.5 s,   prepared 1.5 s
#   TIME '30:00:00'                    plain 108000 s, prepared 108000 s
# No error, no warning.
# Why it matters: lags, clock skews and "minutes late" are differences of both signs; a job that is 30 s early is 30 s late once the query
# has a parameter, means move to one side, and a band around 0 has only an upper half.
# What to do: ask for TIME_TO_SEC(...) or TIMESTAMPDIFF(MICROSECOND, ...), which are numbers, or use plain cursors for TIME.
set -euo pipefail
work=$(mktemp -d); pid=
trap 'test -z "$pid" || { kill "$pid"; wait "$pid" 2>/dev/null || true; }; rm -rf "$work"' EXIT
chmod 755 "$work"; cd "$work"
version=1:10.11.19-0+deb12u1
apt-get download "mariadb-server-core=$version" "mariadb-client-core=$version" "mariadb-server=$version" "mariadb-common=$version" >/dev/null 2>&1 ||
    { echo "MariaDB $version is not to be had from Debian"; exit 1; }
for deb in *.deb; do dpkg -x "$deb" root; done
root/usr/bin/mariadb-install-db --no-defaults --basedir="$work/root/usr" --datadir="$work/data" --user="$(id -un)" \
    --auth-root-authentication-method=normal > install.log 2>&1 || { cat install.log; exit 1; }
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
nice -n 15 root/usr/sbin/mariadbd --no-defaults --basedir="$work/root/usr" --datadir="$work/data" --user="$(id -un)" \
    --socket="$work/socket" --bind-address=127.0.0.1 --port="$port" > log 2>&1 & pid=$!
sql() { root/usr/bin/mariadb --no-defaults -uroot -S "$work/socket" -N -e "$1"; }
for _ in $(seq 600); do sql "SELECT 1" >/dev/null 2>&1 && break; kill -0 "$pid"; sleep 0.1; done
sql "SELECT VERSION()"
sql "CREATE DATABASE d; DROP USER IF EXISTS ''@localhost; CREATE USER reader@localhost IDENTIFIED BY 'reader'; GRANT ALL ON d.* TO reader@localhost"
python3 -m venv venv
nice -n 15 venv/bin/pip install -q --disable-pip-version-check mysql-connector-python==26.10.0
venv/bin/python - "$port" <<'P'
import sys
import mysql.connector
at = {"host": "127.0.0.1", "port": int(sys.argv[1]), "user": "reader", "password": "reader", "database": "d"}
connection = mysql.connector.connect(use_pure=True, **at)
want = {"TIME '-01:00:00'": -3600, "TIMEDIFF('10:00:00', '10:00:30')": -30, "TIME '-00:00:01.500000'": -1.5, "TIME '30:00:00'": 108000}
so = True
for expression, seconds in want.items():
    answers = []
    for cursor in (connection.cursor(), connection.cursor(prepared=True)):
        cursor.execute(f"SELECT {expression}, TIME_TO_SEC({expression})")
        answers.append(cursor.fetchall()[0])
    plain, prepared = (a[0].total_seconds() for a in answers)
    print(f"{expression}: plain {plain} s, prepared {prepared} s, TIME_TO_SEC of both: {answers[0][1]}, {answers[1][1]}")
    so = so and plain == seconds and prepared == abs(seconds)
if not so:
    sys.exit("no longer so")
P
echo "seen: the sign is lost"
