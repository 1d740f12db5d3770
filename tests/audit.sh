#!/usr/bin/env bash
# Whether `./build.sh audit` tells a database that cannot be reached from an advisory that was found. Stand-ins for cargo
# and npm play every case; no network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir "$stage/bin"
cat >"$stage/bin/cargo" <<'SH'
#!/bin/sh
case "$*" in
  *"fetch db"*) echo "failed to fetch"; exit "$FETCH" ;;
  *check*)
    # The words of an advisory, which are those of a failed connection as well.
    echo "RUSTSEC-0000-0000: a peer that closes the connection early makes the network client time out"
    exit "$CHECK" ;;
  *) exit 9 ;;
esac
SH
cat >"$stage/bin/npm" <<'SH'
#!/bin/sh
case "$NPM" in
  ok) echo '{"metadata":{"vulnerabilities":{"total":0}}}' ;;
  found) echo '{"metadata":{"vulnerabilities":{"total":1}},"vulnerabilities":{"x":"connect ETIMEDOUT"}}'; exit 1 ;;
  unreachable) echo '{"message":"request failed: connect ECONNREFUSED","error":{"code":"ECONNREFUSED"}}'; exit 1 ;;
  silent) exit 1 ;;
esac
SH
chmod +x "$stage/bin/cargo" "$stage/bin/npm"
mkdir -p "$stage/none" "$stage/earlier/advisory-dbs/advisory-db-1/crates"

failed=0 passed=0
# what is tried, the status that must come, words that must be said, and what the stand-ins do
try() {
  local what=$1 wanted=$2 words=$3 said status=0
  shift 3
  said=$(env PATH="$stage/bin:$PATH" FETCH=0 CHECK=0 NPM=ok CARGO_HOME="$stage/none" "$@" ./build.sh audit 2>&1) || status=1
  if [ "$status" = "$wanted" ] && [[ "$said" == *"$words"* ]]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf 'audit: %s: status %s, wanted %s with "%s":\n%s\n' "$what" "$status" "$wanted" "$words" "$said" >&2
  fi
}
try "all is well" 0 "crates ok"
try "an advisory that speaks of connections" 1 "RUSTSEC-0000-0000" CHECK=1
try "no database" 0 "crates NOT checked" FETCH=1
try "no database, where one is demanded" 1 "were not checked" FETCH=1 OUTRIDER_REQUIRE_AUDIT=1
try "an earlier database, and nothing in it" 0 "fetched earlier" FETCH=1 CARGO_HOME="$stage/earlier"
try "an earlier database with an advisory" 1 "RUSTSEC-0000-0000" FETCH=1 CHECK=1 CARGO_HOME="$stage/earlier"
try "npm finds something" 1 "npm packages were found" NPM=found
try "npm cannot connect" 0 "npm packages NOT checked" NPM=unreachable
try "npm says nothing" 0 "npm packages NOT checked" NPM=silent
try "npm cannot connect, where it must" 1 "were not checked" NPM=unreachable OUTRIDER_REQUIRE_AUDIT=1
[ "$failed" -eq 0 ]
echo "cases of the audit: $passed as they must be"
