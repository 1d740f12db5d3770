#!/usr/bin/env bash
# SUMMARY: isolation-forest (npm): subsamplingSize is never used to sample, so scores shrink as the data grows and 0.5 loses its meaning.
#
# Expected: the README says trees are built from subsamples (256 by default), that scores are read as
#   in the paper (all about 0.5: no anomaly; well above: anomaly), so the same distribution gives
#   about the same scores whether 256 or 20000 rows are passed to fit().
# Really: the subsample is drawn and dropped, every tree is built of all rows; only the height limit and
#   the normaliser use the 256. The mean score of one and the same normal cloud falls from about 0.46
#   (256 rows) to 0.23 (20000), and the share of it above 0.5 goes to nearly nothing.
# Versions: isolation-forest 0.0.9 (npm), Node 20.
# Seen: mean 0.459 / 0.335 / 0.233 for 256 / 2000 / 20000 rows, above 0.5: 49 / 4 / 0 of 250; leaves of one tree hold all 20000 rows
# Why it matters: a fixed threshold means another thing for every size of the training set, and masking,
#   which subsampling is there to avoid, is back; training also costs as much as all rows cost.
# What to do: subsample yourself before fit(), or rank scores in place of a fixed threshold.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
cd "$dir"; npm init -y >/dev/null
nice -n 15 npm i --silent --no-audit --no-fund isolation-forest@0.0.9
cat >t.cjs <<'P'
const { IsolationForest } = require('isolation-forest');
let s = 7;
const rnd = () => ((s = (s * 48271) % 2147483647) / 2147483647);
const gauss = () => Math.sqrt(-2 * Math.log(rnd())) * Math.cos(2 * Math.PI * rnd());
const cloud = Array.from({ length: 20000 }, () => ({ x: gauss(), y: gauss() }));
const held = (t) => (t.isExternalNode() ? t.size() : held(t.leftChild) + held(t.rightChild));
const mean = {}, rows = {}, high = {};
for (const n of [256, 2000, 20000]) {
  const f = new IsolationForest(100, 256);
  f.fit(cloud.slice(0, n));
  const sc = f.predict(cloud.slice(0, 250));
  mean[n] = sc.reduce((a, b) => a + b) / sc.length;
  rows[n] = held(f.trees[0].getRootNode());
  high[n] = sc.filter((v) => v > 0.5).length;
  console.log(`rows ${n}: leaves of one tree hold ${rows[n]} rows, mean score ${mean[n].toFixed(3)}, above 0.5: ${high[n]} of 250`);
}
if (mean[256] > 0.4 && mean[2000] < 0.37 && mean[20000] < 0.27 && rows[20000] === 20000) console.log('CONFIRMED: no subsampling, scores depend on the number of rows');
else { console.error('the behaviour is no longer that'); process.exit(1); }
P
node t.cjs
