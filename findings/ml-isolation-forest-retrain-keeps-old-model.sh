#!/usr/bin/env bash
# SUMMARY: ml-isolation-forest (npm): calling train() again changes nothing; scores still come from the first training set.
#
# Expected: train(trainingSet) trains the forest on the set it is given, as fit() of scikit-learn does;
#   a second call with newer data replaces the model (or raises).
# Really: new trees are appended behind the old ones and predict() reads only the first nEstimators, all
#   of them of the first set. Only the normaliser is taken from the new set, so scores even shift a little.
# Versions: ml-isolation-forest 0.1.0, Node 20.
# Seen: after training around 0 and again around 100, the point 100 scores 0.78 and 0 scores 0.40;
#   a new object trained around 100 alone gives 0.41 and 0.71.
# Why it matters: a periodic retrain on a moved metric silently keeps flagging the new normal and
#   passes what is now an outlier; memory grows with each call.
# What to do: make a new IsolationForest for every training.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
cd "$dir"; npm init -y >/dev/null
nice -n 15 npm i --silent --no-audit --no-fund ml-isolation-forest@0.1.0
cat >t.cjs <<'P'
const { IsolationForest } = require('ml-isolation-forest');
let s = 1;
const rnd = () => ((s = (s * 48271) % 2147483647) / 2147483647);
const gauss = () => Math.sqrt(-2 * Math.log(rnd())) * Math.cos(2 * Math.PI * rnd());
const old = Array.from({ length: 200 }, () => [gauss(), gauss()]);
const now = old.map(([a, b]) => [a + 100, b + 100]);
const points = [[100, 100], [0, 0]];
const again = new IsolationForest(); again.train(old); again.train(now);
const fresh = new IsolationForest(); fresh.train(now);
const a = again.predict(points), f = fresh.predict(points);
console.log('trained around 0, then around 100: score of 100 =', a[0].toFixed(3), ' score of 0 =', a[1].toFixed(3));
console.log('a new object trained around 100:   score of 100 =', f[0].toFixed(3), ' score of 0 =', f[1].toFixed(3));
console.log('trees held after two trainings:', again.forest.length);
if (a[0] > 0.6 && a[1] < 0.5 && f[0] < 0.5 && f[1] > 0.6) console.log('CONFIRMED: the second train() does not change the model');
else { console.error('the behaviour is no longer that'); process.exit(1); }
P
node t.cjs
