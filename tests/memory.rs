//! What detectors say they take is no less than what they take, counted byte by byte by the allocator of this program.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a test shall fail it")]
#![expect(unsafe_code, reason = "an allocator that counts is one")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use outrider::detector::{self, AnyDetector, Block, DETECTORS, Member, Timing};
use outrider::query::{Direction, Kind};
use outrider::series::{Labels, Points};
use serde_json::json;

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn grown(bytes: usize) {
    let held = HELD.fetch_add(bytes, Ordering::Relaxed) + bytes;
    MOST.fetch_max(held, Ordering::Relaxed);
}

// SAFETY: all work is done by the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller says.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The most bytes that were held while `work` was done, besides those from before.
fn most_bytes<T>(work: impl FnOnce() -> T) -> usize {
    let before = HELD.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    drop(work());
    MOST.load(Ordering::Relaxed) - before
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

const MINUTE: i64 = 60_000;
const DAY: i64 = 1_440 * MINUTE;

fn series(points: usize, seed: u64) -> (Vec<i64>, Vec<f64>) {
    let mut dice = Dice(seed);
    let times: Vec<i64> = (0..points as i64).map(|slot| slot * 5 * MINUTE).collect();
    let value = |time: &i64| (*time as f64 * std::f64::consts::TAU / DAY as f64).sin() + dice.roll();
    let values = times.iter().map(value).collect();
    (times, values)
}

fn build(options: serde_json::Value) -> Box<dyn AnyDetector> {
    let kind: Kind = serde_json::from_value(options).unwrap();
    detector::build(&kind, Direction::Both).unwrap().detector
}

#[test]
fn no_detector_takes_more_than_it_says() {
    const POINTS: usize = 12_000;
    // A quarter is judged, as when the blocks are long.
    const TRAINED: usize = 9_000;
    let worst = [
        json!({"kind": "isolation-forest", "nTrees": 400, "sampleSize": 8_192}),
        json!({"kind": "isolation-forest", "nTrees": 10, "sampleSize": 65_536}),
        json!({"kind": "isolation-forest", "features": ["value", "difference", "rolling-mean", "rolling-std"]}),
        json!({"kind": "isolation-forest", "shingle": 64, "extensionLevel": 0, "nTrees": 50, "sampleSize": 4_096}),
        json!({"kind": "isolation-forest", "shingle": 64, "nTrees": 20, "sampleSize": 4_096}),
        json!({"kind": "isolation-forest", "shingle": 64, "nTrees": 8, "sampleSize": 4_096, "contamination": 0.5,
               "features": ["value", "difference", "rolling-mean", "rolling-std", "time-of-day"]}),
        json!({"kind": "mad", "window": "7d", "threshold": 0.1}),
        json!({"kind": "z-score", "window": "7d", "threshold": 0.1}),
        json!({"kind": "iqr", "window": "7d", "factor": 0.1}),
    ];
    let usual = DETECTORS.iter().map(|entry| json!({"kind": entry.kind}));
    let mut all: Vec<serde_json::Value> = usual.collect();
    all.extend(worst);
    let mut wrong = Vec::new();
    for options in all {
        let detector = build(options.clone());
        let members = if detector.across_series() { 12 } else { 1 };
        let of_each = POINTS / members;
        let many: Vec<_> = (0..members).map(|member| series(of_each, member as u64)).collect();
        let labels = Labels::new();
        let trained = of_each * TRAINED / POINTS;
        let all: Vec<Member<'_>> = many
            .iter()
            .map(|(times, values)| {
                let points = Points { times, values };
                let (training, judged) = (points.range(0..trained), points.range(trained..of_each));
                Member { name: "a", labels: &labels, training, judged }
            })
            .collect();
        let taken = if detector.reach(5 * MINUTE).is_beyond() {
            let (times, values) = &many[0];
            let block =
                |from: usize| Block { training: from - TRAINED / 2..from, judged: from..from + TRAINED / 50 };
            let blocks: Vec<Block> = (TRAINED / 2..trained).step_by(TRAINED / 50).map(block).collect();
            let timing = Timing { step_ms: Some(5 * MINUTE), ..Timing::default() };
            most_bytes(|| detector.judge_blocks(Points { times, values }, &blocks, timing))
        } else {
            most_bytes(|| detector.judge_panel(&all))
        };
        let said = detector.bytes(POINTS, members);
        let line = format!("{options}: {taken} taken, {said} said, {} a point", taken / POINTS);
        println!("{line}");
        if taken > said {
            wrong.push(line);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
