#!/usr/bin/env bash
# SUMMARY: outliers (npm): the filter made by outliers() keeps the outliers of the first array it saw and applies them to all later ones.
#
# Expected: outliers() returns a callback for Array.prototype.filter, which gets the array as third argument;
#   a callback kept in a constant and used for each series judges each series by itself.
# Really: the outlier values of the first array are computed once and remembered. In later arrays their own
#   outliers stay, and good values that happen to equal an old outlier are removed.
# Versions: outliers 0.0.3 (npm), Node 20.
# Seen: first [1,2,3,2,1,3,2,100] -> without 100; then [100,101,102,101,100,102,101,2] -> both 100s gone, the 2 kept.
# Why it matters: one shared filter over several metrics deletes good points and keeps the bad, silently.
# What to do: call outliers() anew for every array.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
cd "$dir"; npm init -y >/dev/null
nice -n 15 npm i --silent --no-audit --no-fund outliers@0.0.3
cat >t.cjs <<'P'
const outliers = require('outliers');
const first = [1, 2, 3, 2, 1, 3, 2, 100], second = [100, 101, 102, 101, 100, 102, 101, 2];
const keep = outliers();
const a = first.filter(keep), b = second.filter(keep), c = second.filter(outliers());
console.log('first array, shared filter :', a.join(' '));
console.log('second array, shared filter:', b.join(' '));
console.log('second array, new filter   :', c.join(' '));
if (!a.includes(100) && b.includes(2) && !b.includes(100) && !c.includes(2) && c.includes(100)) console.log('CONFIRMED: the filter remembers its first array');
else { console.error('the behaviour is no longer that'); process.exit(1); }
P
node t.cjs
