#!/usr/bin/env bash
# SUMMARY: MariaDB: a FLOAT column answers with six digits in a plain query and with all of them in a prepared one
# Expected: `SELECT v` gives the stored float (24 bits, up to 9 digits are needed to say it), and the same value whether the driver sends
# the statement as text or prepares it first.
# Seen (MariaDB 10.11.19, mysql-connector-python 26.10.0 and PyMySQL 1.2.4):
#   stored 16777216:   plain 16777200, prepared 16777216     stored 1234567.75: plain 1234570, prepared 1234567.75
#   stored 0.1:        plain 0.1,      prepared 0.10000000149011612
# `v + 0`, AVG(v) and CAST(v AS DOUBLE) have all digits in both; CONCAT(v) has six in both. WHERE v = 16777200 finds no row.
# Why it matters: many drivers send a query without parameters as text and prepare one with parameters, so that a query answers
# otherwise once a variable is bound. A slowly rising counter or a Unix time in FLOAT is a staircase in the plain answer: long runs of
# equal values (a spread of 0), then steps of 10 or 100 that are no steps.
# What to do: select `v + 0e0` or CAST(v AS DOUBLE) of FLOAT columns, or make the column DOUBLE.
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
sql "CREATE DATABASE d; DROP USER IF EXISTS ''@localhost; CREATE USER reader@localhost IDENTIFIED BY 'reader'; GRANT ALL ON d.* TO reader@localhost;
     CREATE TABLE d.f (id INT PRIMARY KEY, v FLOAT); INSERT INTO d.f VALUES (1,16777216),(2,1234567.75),(3,0.1),(4,123456.5),(5,123457.25)"
python3 -m venv venv
nice -n 15 venv/bin/pip install -q --disable-pip-version-check mysql-connector-python==26.10.0 PyMySQL==1.2.4
venv/bin/python - "$port" <<'P'
import sys
import mysql.connector, pymysql
at = {"host": "127.0.0.1", "port": int(sys.argv[1]), "user": "reader", "password": "reader", "database": "d"}
query = "SELECT v, v + 0 FROM f ORDER BY id"

def rows(cursor, sql):
    cursor.execute(sql)
    return [tuple(row) for row in cursor.fetchall()]

connection = mysql.connector.connect(use_pure=True, **at)
py = rows(pymysql.connect(**at).cursor(), query)
plain = rows(connection.cursor(), query)
prepared = rows(connection.cursor(prepared=True), query)
for name, answer in (("PyMySQL, plain", py), ("connector, plain", plain), ("connector, prepared", prepared)):
    print(f"{name}: v {[r[0] for r in answer]}, v + 0 {[r[1] for r in answer]}")
found = rows(connection.cursor(), "SELECT id FROM f WHERE v = 16777200")
print("WHERE v = 16777200:", found)
if not (plain[0][0] == 16777200 and prepared[0][0] == 16777216 and plain[1][0] == 1234570 and prepared[1][0] == 1234567.75
        and not found and [r[0] for r in prepared] == [r[1] for r in plain] and py == plain):
    sys.exit("no longer so")
P
echo "seen: six digits of a plain query"
