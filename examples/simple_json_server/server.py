#!/usr/bin/env python3
"""A SimpleJSON server on SQLite: sine and cosine waves, a table of them, and annotations.

    python3 examples/simple_json_server/server.py --listen 127.0.0.1:8003 --database waves.db

Only Python's standard library is needed. The first start fills the database with a point a minute for the 30 days
before now; every query adds what is missing since. Ten times a day the sine jumps: outliers, each with an annotation.

    GET  /             a line of text, for "Save & test"
    POST /search       names of the metrics
    POST /query        series, or a table, of the metrics asked for
    POST /annotations  when the sine jumped
    POST /tag-keys, POST /tag-values    the wave, as an ad-hoc filter of the table
"""
import argparse
import json
import math
import sqlite3
import sys
import time
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MINUTE_MS = 60_000
HISTORY_MS = 30 * 24 * 3600 * 1000
PERIOD_MS = 6 * 3600 * 1000
WAVES = {"sine": math.sin, "cosine": math.cos}
JUMP_EVERY = 144  # minutes
JUMP = 5.0


def value_of(wave, ms):
    """The same time always has the same value, as in a real database."""
    value = WAVES[wave](2 * math.pi * (ms % PERIOD_MS) / PERIOD_MS)
    return value + JUMP if wave == "sine" and ms // MINUTE_MS % JUMP_EVERY == 0 else value


def connect(path):
    database = sqlite3.connect(path, timeout=30, isolation_level=None)
    database.execute("CREATE TABLE IF NOT EXISTS points (wave TEXT, ms INTEGER, value REAL, PRIMARY KEY (wave, ms))")
    return database


def fill(database, now_ms):
    """Adds the points up to `now_ms` that are not there yet."""
    newest, = database.execute("SELECT max(ms) FROM points").fetchone()
    if newest is not None and newest + MINUTE_MS > now_ms:
        return
    # Others wait here, and find the points then.
    database.execute("BEGIN IMMEDIATE")
    for wave in WAVES:
        newest, = database.execute("SELECT max(ms) FROM points WHERE wave = ?", (wave,)).fetchone()
        first = newest + MINUTE_MS if newest is not None else (now_ms - HISTORY_MS) // MINUTE_MS * MINUTE_MS
        rows = [(wave, ms, value_of(wave, ms)) for ms in range(first, now_ms + 1, MINUTE_MS)]
        database.executemany("INSERT INTO points VALUES (?, ?, ?)", rows)
    database.execute("COMMIT")


def to_ms(iso):
    return int(datetime.fromisoformat(iso.replace("Z", "+00:00")).astimezone(timezone.utc).timestamp() * 1000)


def points(database, wave, begin, end, step_ms):
    """Mean values of every step, aligned to the epoch: [value, ms]."""
    return database.execute(
        "SELECT avg(value), ms / :step * :step AS begin FROM points WHERE wave = :wave AND ms BETWEEN :begin AND :end "
        "GROUP BY begin ORDER BY begin",
        {"wave": wave, "begin": begin, "end": end, "step": max(step_ms, MINUTE_MS)},
    ).fetchall()


def wanted(filters, wave):
    """Whether ad-hoc filters let a wave through."""
    tests = {"=": lambda a, b: a == b, "!=": lambda a, b: a != b}
    return all(tests[f["operator"]](wave, f["value"]) for f in filters if f["key"] == "wave" and f["operator"] in tests)


def query(database, body):
    begin, end = to_ms(body["range"]["from"]), to_ms(body["range"]["to"])
    step_ms = int(body.get("intervalMs", MINUTE_MS))
    answer = []
    for target in body["targets"]:
        name = target.get("target")
        if name in WAVES and target.get("type") != "table":
            answer.append({"target": name, "datapoints": points(database, name, begin, end, step_ms)})
        elif name in WAVES or name == "waves":
            waves = [wave for wave in WAVES if name in (wave, "waves") and wanted(body.get("adhocFilters", []), wave)]
            rows = [[ms, wave, value] for wave in waves for value, ms in points(database, wave, begin, end, step_ms)]
            columns = [("Time", "time"), ("wave", "string"), ("value", "number")]
            answer.append({"type": "table", "columns": [{"text": t, "type": k} for t, k in columns], "rows": rows})
    return answer


def annotations(database, body):
    begin, end = to_ms(body["range"]["from"]), to_ms(body["range"]["to"])
    jumps = database.execute(
        "SELECT ms FROM points WHERE wave = 'sine' AND ms / ? % ? = 0 AND ms BETWEEN ? AND ? ORDER BY ms",
        (MINUTE_MS, JUMP_EVERY, begin, end),
    )
    return [{"annotation": body.get("annotation"), "time": ms, "title": "Jump", "text": f"the sine is {JUMP:g} too high",
             "tags": "jump,sine"} for ms, in jumps]


ANSWERS = {
    "/search": lambda database, body: [name for name in [*WAVES, "waves"] if body.get("target", "") in name],
    "/query": query,
    "/annotations": annotations,
    "/tag-keys": lambda database, body: [{"type": "string", "text": "wave"}],
    "/tag-values": lambda database, body: [{"text": wave} for wave in WAVES] if body.get("key") == "wave" else [],
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200 if self.path == "/" else 404, "text/plain", b"a SimpleJSON server on SQLite\n")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path not in ANSWERS:
            return self.answer(404, "text/plain", b"no such address\n")
        database = connect(self.server.database)
        try:
            fill(database, self.server.now_ms())
            answer = ANSWERS[self.path](database, json.loads(body or b"{}"))
        except (KeyError, TypeError, ValueError) as error:
            return self.answer(400, "text/plain", f"cannot understand the request: {error!r}\n".encode())
        finally:
            database.close()
        self.answer(200, "application/json", json.dumps(answer).encode())

    def answer(self, status, content_type, body):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form, *values):
        if self.server.verbose:
            super().log_message(form, *values)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", default="127.0.0.1:8003", help="address and port; port 0 chooses a free one")
    parser.add_argument("--database", default="waves.db", help="file of the SQLite database, made if it is not there")
    parser.add_argument("--now", type=int, help="pretend that it is this time, in ms since the epoch: for tests")
    parser.add_argument("--verbose", action="store_true", help="print every request")
    arguments = parser.parse_args()
    host, port = arguments.listen.rsplit(":", 1)
    server = ThreadingHTTPServer((host, int(port)), Handler)
    server.database, server.verbose = arguments.database, arguments.verbose
    server.now_ms = lambda: arguments.now if arguments.now is not None else int(time.time() * 1000)
    print(f"listening on http://{host}:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
