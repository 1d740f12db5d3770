"""Fills docs/quality.md from the scorer's results: figures, pictures of telling files, and what is missed.

Called by run.sh. Text between `<!-- NAME -->` and `<!-- /NAME -->` is replaced; everything else is left as it is.
"""
import argparse
import datetime
import json
import re
import subprocess
import sys
from pathlib import Path

# Goal and stretch of each axis, and what others reach (published, or measured with the same scorer).
AXES = [
    ("NAB score, standard profile", "nab_standard", 65, 75,
     "ARTime 75.0, CAD OSE 69.5, HTM 69.5, HTM Java 65.5, Skyline (earthgecko) 55.8, Relative Entropy 55.1, "
     "KNN-CAD 52.7, Random Cut Forest 48.2, Twitter 45.6, Windowed Gaussian 33.0, raw isolation forest 30"),
    ("Event F1, nab, one threshold", "f1_nab", 0.62, 0.70,
     "HTM .65, CAD OSE .65, ARTime .61, Random Cut Forest .40"),
    ("Event F1, ops, one threshold", "f1_ops", 0.62, 0.72, "a causal ensemble .49"),
    ("VUS-PR, mean of nab, nasa, kpi, merlion, ops", "vus", 0.62, 0.68,
     "raw isolation forest .33, a pipeline of features .58"),
    ("Event F1 across series, xgroup, one threshold", "f1_xgroup", 0.85, 0.95, "MAD across series .76"),
    ("False alarms per 1,000 points, flags at defaults", "false_alarms", 0.2, 0.1, "a causal ensemble .2 to .3"),
    ("Recall of events, flags at defaults", "recall", 0.6, None, ""),
]
LOWER_IS_BETTER = {"false_alarms"}
SINGLE = ["nab", "nasa", "kpi", "merlion", "ops"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "scorer", "work", "binary", "docs"):
        parser.add_argument(f"--{name}", required=True, type=Path)
    arguments = parser.parse_args()
    sys.path.insert(0, str(arguments.scorer))
    global adscore
    import adscore

    results = {path.stem: json.loads(path.read_text()) for path in (arguments.work / "results").glob("*.json")}
    missing = [file for result in results.values() for file in result["missing_score_files"]]
    if missing:
        sys.exit(f"quality: no scores for {', '.join(missing)}")
    files = [File(arguments, key, found) for result in results.values() for key, found in result["files"].items()]

    page = arguments.docs / "quality.md"
    text = page.read_text()
    text = replaced(text, "figures", figures(results, files, arguments.work))
    text = replaced(text, "datasets", datasets(results, files))
    text = replaced(text, "cases", cases(arguments, files))
    text = replaced(text, "misses", misses(files))
    page.write_text(text)
    print(f"{page} is up to date\n")
    print(figures(results, files, arguments.work))


class File:
    """What became of one file: `key` is its path without the end, windows are half-open ranges of rows."""

    def __init__(self, arguments, key, found):
        self.key, self.group = key, key.split("/")[0]
        self.data, self.scores = arguments.data / key, arguments.work / "scores" / key
        self.times, _, labels = adscore.read_data(self.data)
        _, flags = adscore.read_scores(self.scores)
        skip = adscore.probation(len(labels))
        counted = [window for window in adscore.runs(labels) if window[1] >= skip]
        seen = lambda window: flags[max(window[0], skip):window[1] + 1].any()
        self.missed = [window for window in counted if not seen(window)]
        self.rows, self.events = len(labels), len(counted)
        self.false_alarms, self.hits = found["flag_fp_episodes"], found["flag_tp_events"]
        assert self.hits == self.events - len(self.missed), key

    def per_1000(self):
        return 1000 * self.false_alarms / self.rows

    def tally(self):
        events = f"{self.hits} of {self.events} events found" if self.events else "no events"
        return f"{events}, {self.false_alarms} false alarm{'s' * (self.false_alarms != 1)} in {self.rows:,} rows"


def replaced(text, name, by):
    pattern = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
    if len(pattern.findall(text)) != 1:
        sys.exit(f"quality: docs/quality.md needs exactly one pair of markers <!-- {name} --> and <!-- /{name} -->")
    return pattern.sub(lambda match: match[1] + by + match[2], text)


def flags(files):
    """(false alarms per 1,000 points, recall) of the flags of all `files` together."""
    events = sum(file.events for file in files)
    alarms = 1000 * sum(file.false_alarms for file in files) / sum(file.rows for file in files)
    return alarms, sum(file.hits for file in files) / events if events else float("nan")


def figures(results, files, work):
    vus = [results[name]["datasets"][name]["mean_vus_pr"] for name in SINGLE]
    one_threshold = lambda name: results[name]["event_f1_one_threshold"]["best"]
    alarms, recall = flags(files)
    values = {
        "nab_standard": results["nab"]["datasets"]["nab"]["nab"]["standard"]["score"],
        "f1_nab": one_threshold("nab"),
        "f1_ops": one_threshold("ops"),
        "f1_xgroup": one_threshold("xgroup"),
        "vus": sum(vus) / len(vus),
        "false_alarms": alarms,
        "recall": recall,
    }
    lines = ["| axis | here | goal | stretch | others |", "|---|---:|---:|---:|---|"]
    for title, name, goal, stretch, others in AXES:
        value, digits = values[name], 1 if name == "nab_standard" else 2
        reached = lambda bar: value <= bar if name in LOWER_IS_BETTER else value >= bar
        amiss = "over" if name in LOWER_IS_BETTER else "short"
        short = "" if reached(goal) else f", **{abs(goal - value):.{digits}f} {amiss}**"
        limit = "≤ " if name in LOWER_IS_BETTER else "≥ "
        stretch = "" if stretch is None else f"{limit}{stretch}{' ✓' if reached(stretch) else ''}"
        mark = " ✓" if reached(goal) else ""
        lines.append(f"| {title} | {value:.{digits}f}{short} | {limit}{goal}{mark} | {stretch} | {others} |")
    lines.append("| S-H-ESD, same indices as the original | a matter of `cargo test`, not of this script | all 63 calls "
                 "| with expected values | |")
    rows, seconds = sum(file.rows for file in files), float((work / "seconds").read_text())
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    lines.append(f"\n{today}: {len(files)} files, {rows:,} rows, scored in {seconds:,.0f} s.\n")
    return "\n".join(lines)


def datasets(results, files):
    lines = [
        "| data | files | VUS-PR | AUC-PR | event F1, one threshold | flags: event F1 | recall | false alarms per 1,000 |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name in [*SINGLE, "xgroup"]:
        own = [file for file in files if file.group.startswith(name)]
        alarms, recall = flags(own)
        hits, events, false = (sum(getattr(file, what) for file in own) for what in ("hits", "events", "false_alarms"))
        f1 = 2 * hits / (hits + events + false) if hits else 0.0
        mean = lambda what: f"{results[name]['datasets'][name][what]:.2f}" if name in SINGLE else "–"
        best = results[name]["event_f1_one_threshold"]["best"]
        lines.append(f"| {name} | {len(own)} | {mean('mean_vus_pr')} | {mean('mean_auc_pr')} | {best:.2f} | {f1:.2f} "
                     f"| {recall:.2f} | {alarms:.2f} |")
    profiles = results["nab"]["datasets"]["nab"]["nab"]
    named = {"standard": "standard", "reward_low_FP": "reward low FP", "reward_low_FN": "reward low FN"}
    scores = ", ".join(f"{label} {profiles[name]['score']:.1f}" for name, label in named.items())
    return "\n".join(lines) + f"\n\nNAB profiles: {scores}.\n"


def cases(arguments, files):
    """A dozen pictures: the best six, the three with most misses, the three with most false alarms; of each data set
    at most two, so that no data set is the whole story."""
    with_events = [file for file in files if file.events]
    order = lambda *keys: lambda file: (*(key(file) for key in keys), file.key)
    missed, alarms = (lambda file: len(file.missed)), (lambda file: file.per_1000())
    taken = []
    good = picked(with_events, order(lambda file: missed(file) / file.events, alarms, lambda file: -file.events), 6, taken)
    late = picked(with_events, order(lambda file: -missed(file) / file.events, lambda file: -missed(file)), 3, taken)
    noisy = picked(files, order(lambda file: -alarms(file)), 3, taken)
    folder = arguments.docs / "quality"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    lines = []
    for title, chosen in [("Most found, fewest false alarms", good), ("Most missed", late), ("Most false alarms", noisy)]:
        lines.append(f"### {title}\n")
        for file in chosen:
            name = re.sub(r"[^A-Za-z0-9]+", "-", file.key.removesuffix(".csv")).strip("-").lower() + ".svg"
            subprocess.run([arguments.binary, "plot", file.data, "--scores", file.scores, "--out", folder / name,
                            "--title", f"{file.key.removesuffix('.csv')}: {file.tally()}"], check=True)
            lines.append(f"![{file.key}: {file.tally()}](quality/{name})\n")
    return "\n".join(lines) + "\n"


def picked(files, key, count, taken):
    chosen, per_group = [], {}
    for file in sorted(files, key=key):
        group = "xgroup" if file.group.startswith("xgroup") else file.group
        if len(chosen) < count and file not in taken and per_group.get(group, 0) < 2:
            per_group[group] = per_group.get(group, 0) + 1
            chosen.append(file)
    taken.extend(chosen)
    return chosen


def misses(files):
    """Every file with events that no flag hit, and files whose false alarms are many."""
    lines = ["| file | missed events | the first two of them |", "|---|---:|---|"]
    missing = sorted((file for file in files if file.missed), key=lambda file: (-len(file.missed), file.key))
    for file in missing:
        spans = [file.times[a] if a == b else f"{file.times[a]} to {file.times[b]}" for a, b in file.missed[:2]]
        lines.append(f"| {file.key} | {len(file.missed)} of {file.events} | {'; '.join(spans)} |")
    total, events = sum(len(file.missed) for file in missing), sum(file.events for file in files)
    noisy = sorted((file for file in files if file.per_1000() > 1), key=lambda file: (-file.per_1000(), file.key))
    lines += ["", f"{total} of {events} events are missed, in {len(missing)} of {len(files)} files.", ""]
    if noisy:
        lines += ["More than one false alarm per 1,000 points:", "", "| file | false alarms | per 1,000 points |", "|---|---:|---:|"]
        lines += [f"| {file.key} | {file.false_alarms} | {file.per_1000():.1f} |" for file in noisy]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
