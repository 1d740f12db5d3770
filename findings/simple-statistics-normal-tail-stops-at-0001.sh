#!/usr/bin/env bash
# SUMMARY: simple-statistics (npm): cumulativeStdNormalProbability is a table that stops at z = 3.09, so no value, however extreme, has a tail below 0.001.
#
# Expected: the cumulative probability of the standard normal: 0.99977 at 3.5, 0.9999997 at 5; the package's own
#   errorFunction gives just that by 0.5 (1 + erf(z / sqrt 2)).
# Really: z is rounded to two digits and looked up; past 3.09 the last entry, 0.999, is returned for every z.
# Versions: simple-statistics 7.12.1, Node 20.
# Seen: z = 3.09, 3.5, 5 and 10 all give 0.999; by errorFunction 0.9990, 0.99977, 0.9999997 and 1.
# Why it matters: a two-sided p-value of a z-score is never below 0.002. A rule such as "p < 0.001", or Bonferroni
#   over 100 points (0.05 / 100), flags nothing, not even a 10 sigma outlier.
# What to do: use errorFunction, or compare z itself; do not turn z into p with this function.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
cd "$dir"; npm init -y >/dev/null
nice -n 15 npm i --silent --no-audit --no-fund simple-statistics@7.12.1
cat >t.cjs <<'P'
const ss = require('simple-statistics');
const table = {}, erf = {};
for (const z of [1, 2, 3.09, 3.5, 5, 10]) {
  table[z] = ss.cumulativeStdNormalProbability(z);
  erf[z] = 0.5 * (1 + ss.errorFunction(z / Math.SQRT2));
  console.log(`z ${z}: cumulativeStdNormalProbability ${table[z]}, by errorFunction ${erf[z]}`);
}
const values = Array.from({ length: 99 }, (_, i) => Math.sin(i * 12.9898) * 2).concat([100]);
const m = ss.mean(values), s = ss.standardDeviation(values);
const p = (v) => 2 * (1 - ss.cumulativeStdNormalProbability(Math.abs(ss.zScore(v, m, s))));
const hits = values.filter((v) => p(v) < 0.05 / values.length).length;
console.log(`100 values, one of 100 among +-2: its z is ${ss.zScore(100, m, s).toFixed(1)}, its p ${p(100).toFixed(4)}; below 0.05/100: ${hits}`);
if ([3.09, 3.5, 5, 10].every((z) => table[z] === 0.999) && erf[3.5] > 0.9997 && erf[5] > 0.999999 && hits === 0) console.log('CONFIRMED: the tail stops at 0.001');
else { console.error('the behaviour is no longer that'); process.exit(1); }
P
node t.cjs
