#!/bin/sh
# Checks the plugin's binary against its contract with Grafana.
#
#   tests/conformance/run.sh [BINARY] [argument of go test ...]
#
# BINARY defaults to $OUTRIDER_PLUGIN, and that to dist/gpx_outrider_linux_<architecture>. The last
# line says how many tests passed, each case of a table counted once; the exit status is non-zero
# if one did not.
set -eu

here=$(cd "$(dirname "$0")" && pwd)

case "${1:-}" in
'' | -*) binary=${OUTRIDER_PLUGIN:-$here/../../dist/gpx_outrider_linux_$(go env GOARCH)} ;;
*) binary=$1 && shift ;;
esac
case "$binary" in
/*) ;;
*) binary=$PWD/$binary ;;
esac
export OUTRIDER_PLUGIN="$binary"

cd "$here"
unformatted=$(gofmt -l .)
if [ -n "$unformatted" ]; then
	echo "not formatted with gofmt: $unformatted" >&2
	exit 1
fi
go vet ./...

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
go test -count=1 -v "$@" ./... >"$log" 2>&1 || status=$?

# A test that has others within it is not counted beside them.
awk '
	/^ *--- (PASS|FAIL|SKIP): / {
		outcome = $2; sub(":", "", outcome); result[$3] = outcome
		parent = $3
		while (sub("/[^/]*$", "", parent)) isParent[parent] = 1
	}
	/^=== / { next }
	/^ *--- PASS: / { next }
	{ print }
	END {
		for (name in result) if (!(name in isParent)) count[result[name]]++
		if (count["SKIP"]) printf "conformance tests: %d skipped\n", count["SKIP"]
		if (count["FAIL"]) printf "conformance tests: %d failed\n", count["FAIL"]
		printf "conformance tests: %d passed\n", count["PASS"]
	}
' "$log"
exit "$status"
