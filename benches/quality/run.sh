#!/usr/bin/env bash
# Measures detection quality: scores the labelled series, runs the scorer, and writes figures, pictures and misses into
# docs/quality.md. Arguments are passed to `outrider quality` (--detector, --options, …).
#
#   OUTRIDER_SHARED  folder with quality/public and quality/scorer   (default: ../shared)
#   QUALITY_PYTHON   a Python 3 with numpy                           (default: a venv is made)
#   QUALITY_WORK     where scores and results go                     (default: <target>/quality)
#   QUALITY_BINARY   an `outrider` that is built already             (default: a release build)
#   QUALITY_JOBS     scorers at once                                 (default: number of cores)
#   QUALITY_DOCS     what is filled in: DIR/quality.md and DIR/quality/ (default: docs)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

SHARED=${OUTRIDER_SHARED:-../shared}
TARGET=${CARGO_TARGET_DIR:-target}
WORK=${QUALITY_WORK:-$TARGET/quality}
DATA=$SHARED/quality/public/data
SCORER=$SHARED/quality/scorer/adscore.py
die() { printf 'quality: %s\n' "$*" >&2; exit 1; }

[ -d "$DATA" ] || die "there is no $DATA: set OUTRIDER_SHARED to the folder that holds quality/"
[ -f "$SCORER" ] || die "there is no $SCORER: set OUTRIDER_SHARED to the folder that holds quality/"

PYTHON=${QUALITY_PYTHON:-$WORK/venv/bin/python}
mkdir -p "$WORK"
if [ -z "${QUALITY_PYTHON:-}" ] && [ ! -x "$PYTHON" ]; then
  python3 -m venv "$WORK/venv"
  "$WORK/venv/bin/pip" install --quiet -r benches/quality/requirements.txt
fi
"$PYTHON" -c 'import numpy' 2>/dev/null || die "$PYTHON has no numpy: install it, or unset QUALITY_PYTHON to get a venv"

BINARY=${QUALITY_BINARY:-}
if [ -z "$BINARY" ]; then
  cargo build --release --locked --bin outrider
  BINARY=$TARGET/release/outrider
fi

# Scores of an earlier run must not stand in for those of a file that fails now.
rm -rf "$WORK/scores" "$WORK/results"
mkdir -p "$WORK/results"
began=$(date +%s.%N)
"$BINARY" quality --data "$DATA" --out "$WORK/scores" "$@"
awk -v began="$began" -v ended="$(date +%s.%N)" 'BEGIN { printf "%.1f\n", ended - began }' >"$WORK/seconds"

# One scorer a group of folders: VUS takes minutes, and so all cores work. The folders of panels are one group.
groups=$(cd "$DATA" && ls -d -- */ | tr -d / | grep -v '^xgroup_')
panels=$(cd "$DATA" && ls -d -- xgroup_*/ | tr -d / | paste -sd, -)
{
  # The longest first.
  for group in kpi $(grep -vx kpi <<<"$groups"); do echo "$group $group"; done
  echo "xgroup $panels --no-vus"
} | xargs -P "${QUALITY_JOBS:-$(nproc)}" -L 1 bash -c '
  nice "$0" "$1" --data "$2" --scores "$3/scores" --datasets "$5" ${6:-} --out "$3/results/$4.json"
' "$PYTHON" "$SCORER" "$DATA" "$WORK"

"$PYTHON" benches/quality/report.py --data "$DATA" --scorer "$(dirname "$SCORER")" --work "$WORK" --binary "$BINARY" \
  --docs "${QUALITY_DOCS:-docs}"
