#!/usr/bin/env bash
# SUMMARY: Graphite's whisper: points older than the finest archive are not aggregated: each bucket keeps the last one, whatever the method
# Expected: a file with 1-minute points for an hour and 1-hour points for ten days, aggregationMethod sum and xFilesFactor 0, holds the
# sum (60) of 60 points of 1 in an hour, no matter whether they came as they were measured or a day later: the coarse archive is defined as the aggregate of the fine.
# Seen (whisper 1.1.10): update_many() of yesterday's minutes writes each point as it is into the slot of its hour, the last wins:
#   sum of 60 ones an hour:      written late 1.0, written in time 60.0
#   average of 0..59 an hour:    written late 59.0, written in time 29.5
#   max of 59, 58, ... 0:        written late 0.0, written in time 59.0
# and xFilesFactor is not looked at: a single late point is a whole hour. No error; the same file then has hours of both kinds.
# update() does the same.
# Why it matters: a relay's queue that is drained after an outage, a backfill or a migration of metrics leaves hours that are 1/60 of the
# truth for counts and lower for maxima: a step down that a detector reports, or peaks that it can no longer find.
# What to do: aggregate to the archive's step before writing what is older than the finest archive (or keep the finest archive as long as
# data may be late), and tell an analysis where a backfill was.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
nice -n 15 "$work/venv/bin/pip" install -q --disable-pip-version-check whisper==1.1.10
nice -n 15 "$work/venv/bin/python" - "$work" <<'P'
import sys, time
import whisper
work = sys.argv[1]
now = int(time.time())
late_hour = (now - 86400) // 3600 * 3600


def bucket(path, start, coarse):
    """The value of the coarse archive's slot that begins at start: asked with a range that only that archive covers."""
    (first, _, step), values = whisper.fetch(path, now - 5 * 86400, now)
    assert step == coarse
    return values[(start - first) // step]


def write(method, value, start, step, archives, late):
    path = f"{work}/{method}-{late}.wsp"
    whisper.create(path, archives, xFilesFactor=0.0, aggregationMethod=method)
    whisper.update_many(path, [(start + i * step, float(value(i))) for i in range(60)])
    return bucket(path, start, step * 60)


failed = False
for name, method, value, whole in (("60 ones", "sum", lambda i: 1, 60.0), ("0..59", "average", lambda i: i, 29.5),
                                   ("59, 58, ... 0", "max", lambda i: 59 - i, 59.0)):
    late = write(method, value, late_hour, 60, [(60, 60), (3600, 240)], "late")
    # In time: the finest archive is long enough for all of them.
    in_time = write(method, value, late_hour, 60, [(60, 2880), (3600, 240)], "in-time")
    print(f"{method} of {name}: late {late}, in time {in_time}")
    failed = failed or in_time != whole or late != value(59)
single = f"{work}/single.wsp"
whisper.create(single, [(60, 60), (3600, 240)], xFilesFactor=1.0, aggregationMethod="average")
whisper.update(single, 7.0, late_hour + 60)
print("one late point of an hour with xFilesFactor 1:", bucket(single, late_hour, 3600))
if failed or bucket(single, late_hour, 3600) != 7.0:
    sys.exit("no longer so: late points are aggregated")
P
echo "seen: the last late point is the bucket"
