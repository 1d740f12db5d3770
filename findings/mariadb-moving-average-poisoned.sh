#!/usr/bin/env bash
# SUMMARY: MariaDB: after one large value has left the frame of AVG() or SUM() OVER, all later moving averages are wrong, for good
# Expected: AVG(b) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) is the mean of the two values of the frame, whatever came
# long before: the frame is defined by its rows. STDDEV_POP over the same frame in the same query is right.
# Seen (MariaDB 10.11.19): sums of a moving frame are kept by adding what enters and subtracting what leaves, also of DOUBLE, and
# the digits that 1e17 took are never given back. Values 0.25 0.5 1e17 0.25 0.5 0.75 0.75 0.75 ...:
#   row 5, frame {0.25, 0.5}:  avg 0     (0.375)     row 6, frame {0.5, 0.75}: avg 0.25 (0.625)
#   row 8, frame {0.75, 0.75}: avg 0.375 (0.75)      row 1000, the same: still 0.375
# A spike of 1e10 among values near 0.1 leaves 3.8e-7 at row 1000. No error, no warning. A sub-query over the same rows is right.
# Why it matters: moving means are the base line of outlier queries (b - AVG(b) OVER ...). One outlier moves the base line of everything
# after it, to the end of the result; the deviations are then of the same size as the values, and which depends on where the query began.
# What to do: cast to DECIMAL in the frame (AVG(CAST(b AS DECIMAL(65,20))) is exact), clamp what enters, or compute the frame outside.
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
nice -n 15 root/usr/sbin/mariadbd --no-defaults --basedir="$work/root/usr" --datadir="$work/data" --user="$(id -un)" \
    --socket="$work/socket" --skip-networking > log 2>&1 & pid=$!
sql() { root/usr/bin/mariadb --no-defaults -uroot -S "$work/socket" -N -e "$1"; }
for _ in $(seq 600); do sql "SELECT 1" >/dev/null 2>&1 && break; kill -0 "$pid"; sleep 0.1; done
sql "SELECT VERSION()"
sql "CREATE DATABASE d; CREATE TABLE d.t (x INT PRIMARY KEY, b DOUBLE NOT NULL);
     INSERT INTO d.t VALUES (1,0.25),(2,0.5),(3,1e17),(4,0.25),(5,0.5);
     INSERT INTO d.t SELECT seq, 0.75 FROM d.seq_6_to_1000;"
frame="OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)"
echo "row, value, moving average, the same of DECIMAL, its standard deviation, average of a join:"
sql "SELECT m.x, m.b, m.a, m.exact + 0e0, m.s, (SELECT AVG(b) FROM d.t WHERE t.x BETWEEN m.x - 1 AND m.x)
     FROM (SELECT x, b, AVG(b) $frame a, AVG(CAST(b AS DECIMAL(65,20))) $frame exact, STDDEV_POP(b) $frame s FROM d.t) m
     WHERE x <= 8 OR x = 1000" | tee rows
got=$(awk '$1 == 5 || $1 == 8 || $1 == 1000 { printf "%s:%s:%s:%s ", $3, $4, $5, $6 }' rows)
sql "UPDATE d.t SET b = IF(x = 3, 1e10, 0.1)"
echo "spike of 1e10 among 0.1, row 1000: $(sql "SELECT a FROM (SELECT x, AVG(b) $frame a FROM d.t) m WHERE x = 1000")"
[ "$got" = "0:0.375:0.125:0.375 0.375:0.75:0:0.75 0.375:0.75:0:0.75 " ] || { echo "no longer so: $got"; exit 1; }
echo "seen: the moving average is wrong to the end"
