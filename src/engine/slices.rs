//! One panel looked at in hundreds of ways: every point must be the same, bit for bit, in each of them.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::future::join_all;

use super::history::{self, recent_ms};
use super::tests::{DAY, HOUR};
use super::{Clock, Detection, Engine, Job, Outcome, Scope, Work, Workers, settle_unknown};
use crate::detector::{AnyDetector, DETECTORS, Detector, Forecast, Judgement, Member, Points, Verdict};
use crate::error::Result;
use crate::query::{Direction, Query};
use crate::series::{Labels, Series, TimeRange};
use crate::settings::Settings;
use crate::source::{AnySource, FetchRequest, Fetched, Reached, Reading, Source};

const MINUTE: i64 = 60_000;
const STEP: i64 = 15 * MINUTE;
/// A Sunday on which clocks change in Europe.
const T0: i64 = 19_812 * DAY;
const NOW: i64 = T0 + 5 * DAY + 7 * HOUR + 4 * MINUTE;
const QUERY: &str = r#""trainingWindow":"1d","refitInterval":"6h","step":"15m""#;

/// An upstream with some recorded series, which notes what it is asked and answers with what has arrived by now.
struct Recorded {
    series: Vec<Series>,
    /// When a point at a time arrives, if later than that time.
    late: Mutex<BTreeMap<i64, i64>>,
    now_ms: AtomicI64,
    asked: Mutex<Vec<FetchRequest>>,
    /// What it says of its points; with `whole`, each is the sum of all before it in the range asked for.
    reading: Mutex<Reading>,
}

impl Recorded {
    fn new(series: Vec<Series>) -> Arc<Self> {
        Arc::new(Self {
            series,
            late: Mutex::default(),
            now_ms: AtomicI64::new(NOW),
            asked: Mutex::default(),
            reading: Mutex::default(),
        })
    }

    fn clock(self: &Arc<Self>) -> Clock {
        let recorded = Arc::clone(self);
        Clock::new(move || recorded.now_ms.load(Ordering::SeqCst))
    }

    fn set_now(&self, ms: i64) {
        self.now_ms.store(ms, Ordering::SeqCst);
    }

    fn engine(self: &Arc<Self>, threads: usize, cache_bytes: usize) -> Engine {
        Engine::new(Workers::new(NonZeroUsize::new(threads).unwrap()), cache_bytes, self.clock())
    }

    fn take_asked(&self) -> Vec<FetchRequest> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

struct Upstream(Arc<Recorded>);

#[async_trait]
impl Source for Upstream {
    const KIND: &'static str = "recorded";
    const LABEL: &'static str = "Recorded";
    const DESCRIPTION: &'static str = "Series of a test";
    type Options = serde_json::Value;

    fn connect(_settings: &Settings) -> Result<Self> {
        Ok(Self(Recorded::new(Vec::new())))
    }

    async fn fetch(&self, _options: &Self::Options, request: &FetchRequest) -> Result<Fetched> {
        self.0.asked.lock().unwrap().push(*request);
        // Long enough for others to ask the same; each of them drives this on by one.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let now_ms = self.0.now_ms.load(Ordering::SeqCst);
        let late = self.0.late.lock().unwrap();
        let arrived = |time: i64| late.get(&time).copied().unwrap_or(time) <= now_ms;
        let mut series: Vec<Series> = Vec::new();
        for all in &self.0.series {
            let points = all.times.iter().copied().zip(all.values.iter().copied());
            let points = points.filter(|(time, _)| request.range.contains(*time) && arrived(*time));
            let (mut cut, _) = Series::from_points(all.name.clone(), all.labels.clone(), points.collect());
            cut.unit.clone_from(&all.unit);
            if self.0.reading.lock().unwrap().whole.is_some() {
                let mut sum = 0.0;
                cut.values.iter_mut().filter(|value| !value.is_nan()).for_each(|value| {
                    sum += *value;
                    *value = sum;
                });
            }
            if !cut.is_empty() {
                series.push(cut);
            }
        }
        Ok(Fetched { series, ..Fetched::default() })
    }

    async fn check(&self) -> Result<Reached> {
        Ok(Reached { message: String::new(), details: String::new() })
    }

    async fn reading(&self, _options: &Self::Options, _step_ms: i64) -> Result<Reading> {
        Ok(self.0.reading.lock().unwrap().clone())
    }
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, end: i64) -> i64 {
        (self.roll() * end as f64) as i64
    }
}

fn named(name: &str, points: Vec<(i64, f64)>) -> Series {
    let labels = Labels::from([("host".to_owned(), name.to_owned())]);
    Series::from_points("load".to_owned(), labels, points).0
}

/// Series of every kind that is hard to slice.
fn panel() -> Vec<Series> {
    let mut dice = Dice(1);
    let slots = || (0..=(6 * DAY / STEP)).map(|slot| T0 + slot * STEP);
    // Follows local time, which jumps by an hour; single points are missing, five hours, and more than a window.
    let wave = |dice: &mut Dice, time: i64| {
        let local = if time < T0 + 3 * DAY + HOUR { time } else { time + HOUR };
        let phase = local.rem_euclid(DAY) as f64 / DAY as f64;
        let spike = if dice.roll() < 0.02 { 8.0 } else { 0.0 };
        10.0 + 4.0 * (std::f64::consts::TAU * phase).sin() + dice.roll() + spike
    };
    let regular = slots().map(|time| (time, wave(&mut dice, time))).collect::<Vec<_>>();
    let hole = |time: i64| {
        (T0 + 2 * DAY + 5 * HOUR..T0 + 2 * DAY + 10 * HOUR).contains(&time)
            || (T0 + 3 * DAY + HOUR..T0 + 4 * DAY + 8 * HOUR).contains(&time)
    };
    let gappy = regular.iter().copied().filter(|(time, _)| dice.roll() > 0.03 && !hole(*time)).collect();
    let nulls = regular.iter().map(|(t, v)| (*t, if dice.roll() < 0.05 { f64::NAN } else { *v })).collect();
    let jittered = slots().map(|time| (time + 17_000 + dice.below(4 * MINUTE), dice.roll())).collect();
    let mut irregular = Vec::new();
    let mut time = T0;
    while time < T0 + 6 * DAY {
        irregular.push((time, dice.roll()));
        time += 1 + (dice.roll().powi(4) * (4 * HOUR) as f64) as i64;
    }
    let stops = regular.iter().copied().filter(|(time, _)| *time < T0 + 3 * DAY + 2 * HOUR).collect();
    let begins = regular.iter().copied().filter(|(time, _)| *time > T0 + 2 * DAY + 20 * HOUR).collect();
    // Further apart than asked for, and changing half-way.
    let coarse = regular
        .iter()
        .copied()
        .filter(|(time, _)| time % (if *time < T0 + 3 * DAY { HOUR } else { 3 * HOUR }) == 0)
        .filter(|_| dice.roll() > 0.1)
        .collect();
    vec![
        named("regular", regular),
        named("gappy", gappy),
        named("nulls", nulls),
        named("jittered", jittered),
        named("irregular", irregular),
        named("stops", stops),
        named("begins", begins),
        named("coarse", coarse),
    ]
}

/// Counters with resets and gaps.
fn counters() -> Vec<Series> {
    let mut dice = Dice(2);
    let mut count = |gaps: f64, nulls: f64| {
        let (mut total, mut points) = (0.0, Vec::new());
        for slot in 0..=(6 * DAY / STEP) {
            total = if dice.roll() < 0.01 { 0.0 } else { total + 100.0 * dice.roll() };
            if dice.roll() >= gaps {
                points.push((T0 + slot * STEP, if dice.roll() < nulls { f64::NAN } else { total }));
            }
        }
        points
    };
    let (steady, gappy) = (count(0.0, 0.0), count(0.1, 0.1));
    let late = steady.iter().copied().filter(|(time, _)| *time > T0 + 3 * DAY + 2 * HOUR).collect();
    vec![named("steady", steady), named("gappy", gappy), named("late", late)]
}

/// Series that are older than any detector looks back, and hard to slice where it does: clocks change, gaps longer and
/// shorter than anything carries a value through, steps that change, and points that are further apart, or nearer to
/// each other, than was asked for.
fn old_panel() -> Vec<Series> {
    let mut dice = Dice(7);
    let begin = T0 - 42 * DAY;
    let every = |step: i64| (0..=(T0 + 6 * DAY - begin) / step).map(move |slot| begin + slot * step);
    let mut wave = |time: i64| {
        // Clocks change twice in it, as in Lord Howe.
        let local = time + if (T0 - 20 * DAY..T0 + 3 * DAY).contains(&time) { HOUR / 2 } else { 0 };
        let busy = if (8..18).contains(&(local.rem_euclid(DAY) / HOUR)) { 6.0 } else { 0.0 };
        let spike = if dice.roll() < 0.01 { 12.0 } else { 0.0 };
        10.0 + busy + 2.0 * dice.roll() + spike
    };
    let regular: Vec<(i64, f64)> = every(STEP).map(|time| (time, wave(time))).collect();
    let finer: Vec<(i64, f64)> = every(STEP / 3).map(|time| (time, wave(time))).collect();
    let in_hole = |time: i64, first: i64, hours: i64| (first..first + hours * HOUR).contains(&time);
    // Where the runs of the slices begin, or what they are calibrated by, and in what is shown.
    let holes =
        [(-33 * DAY, 30), (-30 * DAY, 100), (-27 * DAY, 7), (-8 * DAY, 50), (2 * DAY, 5), (3 * DAY, 26)];
    let is_lost = |time: i64| holes.iter().any(|(first, hours)| in_hole(time, T0 + first, *hours));
    let mut dice = Dice(8);
    let gappy = regular.iter().copied().filter(|(time, _)| dice.roll() > 0.03 && !is_lost(*time)).collect();
    let null = |(time, value): &(i64, f64)| {
        let is_null = dice.roll() < 0.04 || is_lost(*time);
        (*time, if is_null { f64::NAN } else { *value })
    };
    let nulls = regular.iter().map(null).collect();
    let jittered =
        regular.iter().map(|(time, value)| (time + 9_000 + dice.below(5 * MINUTE), *value)).collect();
    let mut irregular = Vec::new();
    let mut time = begin;
    while time < T0 + 6 * DAY {
        irregular.push((time, dice.roll() + (time.rem_euclid(DAY) / HOUR) as f64));
        time += 1 + (dice.roll().powi(3) * (3 * HOUR) as f64) as i64;
    }
    let step_of = |time: i64| match (time - T0) / DAY {
        ..-31 => 1,
        -31..-6 => 12,
        -6..2 => 4,
        _ => 2,
    };
    let changing = regular.iter().copied().filter(|(time, _)| time % (step_of(*time) * STEP) == 0).collect();
    let late = regular.iter().copied().filter(|(time, _)| *time > T0 - 30 * HOUR).collect();
    let flat = regular
        .iter()
        .map(|(time, value)| (*time, if is_lost(*time) { 3.0 } else { value.round() }))
        .collect();
    // A counter with resets and gaps, and one that becomes a gauge.
    let mut total = 0.0;
    let mut count = |(time, value): &(i64, f64)| {
        total = if time.rem_euclid(9 * DAY) < STEP { *value } else { total + *value };
        (*time, total)
    };
    let counted: Vec<(i64, f64)> = regular.iter().map(&mut count).collect();
    let turned = counted
        .iter()
        .zip(&regular)
        .map(|(of_counter, of_gauge)| if of_counter.0 < T0 - DAY { *of_counter } else { *of_gauge });
    let turned = turned.collect();
    let counted = counted.into_iter().filter(|(time, _)| dice.roll() > 0.03 && !is_lost(*time)).collect();
    // White noise that dips every so often, at any time of the day.
    let mut normal = || (0..12).map(|_| dice.roll()).sum::<f64>() - 6.0;
    let dip = |time: i64| if (time - begin) / STEP % 190 < 40 { 8.0 } else { 0.0 };
    let dipping = regular.iter().map(|(time, _)| (*time, normal() - dip(*time))).collect();
    vec![
        named("dipping", dipping),
        named("counted", counted),
        named("turned", turned),
        named("gappy", gappy),
        named("nulls", nulls),
        named("jittered", jittered),
        named("irregular", irregular),
        named("changing", changing),
        named("late", late),
        named("flat", flat),
        named("finer", finer),
    ]
}

/// Scores a point by its place in its block: the same only if the block begins at the same point.
struct ByPlace;

impl Detector for ByPlace {
    const KIND: &'static str = "by-place";
    const LABEL: &'static str = "";
    const DESCRIPTION: &'static str = "";
    type Options = ();

    fn new((): (), _: Direction) -> crate::detector::Result<Self> {
        Ok(Self)
    }

    fn seed(&self) -> Option<u64> {
        None
    }

    fn judge(&self, training: Points<'_>, judged: Points<'_>) -> Judgement {
        let bits = training.values.iter().fold(0, |sum: u64, value| sum.wrapping_add(value.to_bits()));
        let scores: Vec<f64> = (0..judged.values.len()).map(|place| place as f64).collect();
        let reasons = (0..scores.len()).map(|row| (row, format!("{row} after {bits:x}"))).collect();
        let expected = vec![training.times.len() as f64; scores.len()];
        Judgement { scores, reasons, expected, ..Judgement::none(judged.values, String::new()) }
    }
}

/// Scores a point by its rank among the latest values of all members so far.
struct ByRank;

impl Detector for ByRank {
    const KIND: &'static str = "by-rank";
    const LABEL: &'static str = "";
    const DESCRIPTION: &'static str = "";
    type Options = ();
    const ACROSS_SERIES: bool = true;

    fn new((): (), _: Direction) -> crate::detector::Result<Self> {
        Ok(Self)
    }

    fn seed(&self) -> Option<u64> {
        None
    }

    fn judge(&self, _: Points<'_>, _: Points<'_>) -> Judgement {
        unreachable!("the engine asks for panels")
    }

    fn judge_panel(&self, members: &[Member<'_>]) -> Vec<Judgement> {
        let latest = |member: &Member<'_>, time: i64| {
            let upto = |points: Points<'_>| {
                points.times.partition_point(|at| *at <= time).checked_sub(1).map(|last| points.values[last])
            };
            upto(member.judged).or_else(|| upto(member.training))
        };
        members
            .iter()
            .map(|own| {
                let rank = |(time, value): (&i64, &f64)| {
                    let present = members.iter().filter_map(|member| latest(member, *time));
                    present.map(|other| if other < *value { 1.0 } else { 0.01 }).sum::<f64>()
                };
                let scores = own.judged.times.iter().zip(own.judged.values).map(rank).collect();
                Judgement { scores, ..Judgement::none(own.judged.values, String::new()) }
            })
            .collect()
    }
}

/// Everything said of one point.
type Said = (u64, Verdict, [u64; 5], Option<String>);
type All = BTreeMap<(String, i64), Said>;

fn said(outcome: &Outcome) -> All {
    let mut all = All::new();
    for detection in &outcome.detections {
        let series = &detection.series;
        assert!(!series.is_empty() && series.times.windows(2).all(|pair| pair[0] < pair[1]));
        for (row, time) in series.times.iter().enumerate() {
            let columns = [
                &detection.scores,
                &detection.expected,
                &detection.lower,
                &detection.upper,
                &detection.series_scores,
            ];
            // All NaNs are one.
            let bits = |value: f64| if value.is_nan() { u64::MAX } else { value.to_bits() };
            let said = (
                bits(series.values[row]),
                detection.verdicts[row],
                columns.map(|column| bits(column.get(row).copied().unwrap_or(f64::NAN))),
                detection.reasons.get(&row).cloned(),
            );
            all.insert((series.labels["host"].clone(), *time), said);
        }
    }
    all
}

/// A detector with the usual windows and blocks; where a test brings a detector of its own, they are what counts.
const FOREST: &str = r#","detector":{"kind":"isolation-forest"}"#;

struct Asker {
    recorded: Arc<Recorded>,
    source: Arc<dyn AnySource>,
    json: String,
    detector: Option<Arc<dyn AnyDetector>>,
}

impl Asker {
    fn new(recorded: &Arc<Recorded>, options: &str) -> Self {
        let source: Arc<dyn AnySource> = Arc::new(Upstream(Arc::clone(recorded)));
        let json = format!("{{{QUERY}{options}}}");
        Self { recorded: Arc::clone(recorded), source, json, detector: None }
    }

    fn judges_in_one_go(&self) -> bool {
        let query = Query::parse(self.json.as_bytes()).unwrap();
        self.detector.is_none() && settle_unknown(&query).unwrap().reach.is_beyond()
    }

    async fn ask(&self, engine: &Engine, (from_ms, to_ms): (i64, i64), max_data_points: usize) -> Outcome {
        let query = Query::parse(self.json.as_bytes()).unwrap();
        let job = Job { query, visible: TimeRange { from_ms, to_ms }, max_data_points };
        let Some(detector) = &self.detector else {
            return Arc::unwrap_or_clone(engine.run(job, &self.source, Scope::default()).await.unwrap());
        };
        let mut work = Work::new(&job, &self.source, Scope::default()).unwrap();
        work.detector = Arc::clone(detector);
        work.settings = Scope::of(detector.kind().as_bytes()).0;
        engine.carry_out(work).await.unwrap()
    }

    /// Asks in many ways and compares each with the whole, asked for once of an engine that knows nothing.
    async fn slice(&self, ways: usize) -> All {
        let kind = self.detector.as_ref().map_or(self.json.as_str(), |detector| detector.kind());
        let whole_range = (T0 + DAY + HOUR, NOW + HOUR);
        let whole = said(&self.ask(&self.recorded.engine(2, 0), whole_range, 1_000).await);
        assert!(whole.len() > 500, "{kind}");
        // One that remembers all, and one that must forget again and again.
        let warm = [self.recorded.engine(3, 64 << 20), self.recorded.engine(2, 150_000)];
        let mut dice = Dice(3);
        for way in 0..ways {
            let longest = [MINUTE, STEP, 3 * HOUR, DAY, 4 * DAY][way % 5];
            let from = whole_range.0 + dice.below(whole_range.1 - whole_range.0);
            // Ends on slots and blocks are the ones to get wrong.
            let from = if dice.roll() < 0.3 { from - from.rem_euclid(STEP) } else { from };
            let from = from.max(whole_range.0);
            let to = (from + dice.below(longest)).min(whole_range.1);
            let to = if dice.roll() < 0.3 { (to - to.rem_euclid(6 * HOUR)).max(from) } else { to };
            let width = 1 + dice.below(3_000) as usize;
            let outcome = match way % 4 {
                0 => self.ask(&self.recorded.engine(1 + way % 8, 0), (from, to), width).await,
                1 => self.ask(&warm[1], (from, to), width).await,
                _ => self.ask(&warm[0], (from, to), width).await,
            };
            let expected: All = whole
                .iter()
                .filter(|((_, time), _)| (from..=to).contains(time))
                .map(|(key, said)| (key.clone(), said.clone()))
                .collect();
            let found = said(&outcome);
            let wrong = expected.iter().find(|(key, said)| found.get(*key) != Some(said));
            assert_eq!(
                wrong,
                None,
                "way {way} of {kind}, {from} to {to}: {:?}",
                wrong.map(|w| found.get(w.0))
            );
            let extra = found.keys().find(|key| !expected.contains_key(*key));
            assert_eq!(extra, None, "way {way} of {kind}, {from} to {to}");
        }
        let stats = warm[0].cache_stats();
        // Where all blocks are judged in one go, another range is another piece of work, and seldom the same comes twice.
        let reused = if self.judges_in_one_go() {
            stats.verdict_hits > 0 || ways < 100
        } else {
            stats.verdict_hits > stats.verdict_misses
        };
        assert!(reused && stats.evictions == 0, "{stats:?}");
        let stats = warm[1].cache_stats();
        assert!(stats.bytes <= stats.max_bytes && stats.evictions > 0, "{stats:?}");
        whole
    }
}

#[tokio::test]
async fn every_detector_says_the_same_of_a_point_in_every_slice() {
    let recorded = Recorded::new(panel());
    for entry in DETECTORS {
        Asker::new(&recorded, &format!(r#","detector":{{"kind":"{}"}}"#, entry.kind)).slice(120).await;
    }
    for options in [
        r#""shingle":4,"extensionLevel":3,"nTrees":20"#,
        r#""features":["difference"],"nTrees":20"#,
        r#""features":["value","rolling-mean","rolling-std","time-of-day"],"timeZone":"Europe/Berlin","nTrees":20"#,
        r#""features":["value","difference"],"shingle":2,"contamination":0.02,"nTrees":20"#,
    ] {
        let detector = format!(r#","detector":{{"kind":"isolation-forest",{options}}}"#);
        Asker::new(&recorded, &detector).slice(120).await;
    }
}

/// What it names as its reach is enough, and what lies before it changes nothing.
#[tokio::test]
async fn auto_looks_back_no_further_than_it_says() {
    let recorded = Recorded::new(old_panel());
    for (training, options) in [
        (r#""trainingWindow":"4d","refitInterval":"6h","step":"15m""#, r#""refractory":0"#),
        (
            r#""trainingWindow":"4d","refitInterval":"90m","step":"15m""#,
            r#""timeZone":"Australia/Lord_Howe""#,
        ),
        (r#""trainingWindow":"3d","refitInterval":"1h","step":"5m""#, r#""refractory":40,"sensitivity":0.8"#),
        (
            r#""trainingWindow":"2d","refitInterval":"1d","step":"15m","transform":"rate""#,
            r#""refractory":20,"sensitivity":0.8"#,
        ),
    ] {
        let json = format!(r#"{{{training},"detector":{{"kind":"auto",{options}}}}}"#);
        let whole = Asker { json: json.clone(), ..Asker::new(&recorded, "") }.slice(60).await;
        let count = |verdict: Verdict| whole.values().filter(|said| said.1 == verdict).count();
        let judged = whole.values().filter(|said| said.1 != Verdict::NotJudged).count();
        assert!(judged > 2_000 && count(Verdict::Missing) > 50, "{judged} {}", count(Verdict::Missing));
        assert!(count(Verdict::High) + count(Verdict::Low) > 10, "{training}");
        let is_step = |why: &String| why.contains("further from that before than their noise explains");
        let steps = whole.values().filter_map(|said| said.3.as_ref()).filter(|why| is_step(why)).count();
        assert!(steps > 0 || json.contains("rate"), "{training}");
    }
}

/// Blocks before the visible range are judged for its sake; what they lack is nobody's concern.
#[tokio::test]
async fn what_is_lacking_before_the_visible_range_is_not_told() {
    let recorded =
        Recorded::new(panel().into_iter().filter(|series| series.labels["host"] == "regular").collect());
    let json = r#"{"trainingWindow":"3d","refitInterval":"1h","step":"15m"}"#;
    let asker = Asker { json: json.to_owned(), ..Asker::new(&recorded, "") };
    let notices = async |begin: i64| {
        asker.ask(&recorded.engine(1, 0), (begin, begin + 3 * HOUR), 100).await.notices.join("; ")
    };
    assert_eq!(notices(T0 + 38 * HOUR).await, "");
    let unflagged = notices(T0 + 37 * HOUR).await;
    assert!(unflagged.contains("\"load\" is scored but not yet flagged: 148 of the 150"), "{unflagged}");
    assert!(!unflagged.contains("not judged"), "{unflagged}");
    assert!(notices(T0 + 9 * HOUR).await.contains("not judged: 36 of the 40"));
}

#[tokio::test]
async fn a_detector_that_looks_back_sees_the_same_past_in_every_slice() {
    let recorded = Recorded::new(panel());
    for detector in [Arc::new(ByPlace) as Arc<dyn AnyDetector>, Arc::new(ByRank)] {
        let whole = Asker { detector: Some(detector), ..Asker::new(&recorded, FOREST) }.slice(600).await;
        let missing = |host: &str| {
            let of_host = whole.iter().filter(|((other, _), _)| other == host);
            of_host.filter(|(_, said)| said.1 == Verdict::Missing).count()
        };
        assert!(missing("gappy") > 20 && missing("coarse") > 3 && missing("nulls") > 10);
        assert_eq!((missing("regular"), missing("irregular")), (0, 0));
    }
}

/// What the query leaves open follows the distance between points, and that of some changes on the way.
#[tokio::test]
async fn what_the_points_settle_is_the_same_in_every_slice() {
    let mut dice = Dice(11);
    let mut changing = |steps: [i64; 3]| {
        let (mut time, mut points) = (T0, Vec::new());
        while time <= T0 + 6 * DAY {
            points.push((time, 50.0 + 9.0 * dice.roll() + if dice.roll() < 0.01 { 40.0 } else { 0.0 }));
            time += steps[((time - T0) / (2 * DAY)).min(2) as usize];
        }
        points
    };
    let finer = named("finer", changing([30 * MINUTE, 10 * MINUTE, 2 * MINUTE]));
    let coarser = named("coarser", changing([3 * MINUTE, 15 * MINUTE, HOUR]));
    let recorded = Recorded::new(panel().into_iter().chain([finer, coarser]).collect());
    for json in [
        r#"{"trainingWindow":"1d"}"#,
        r#"{"trainingWindow":"2d","step":"15m"}"#,
        r#"{"refitInterval":"3h","detector":{"kind":"mad"}}"#,
    ] {
        let whole = Asker { json: json.to_owned(), ..Asker::new(&recorded, "") }.slice(60).await;
        for host in ["finer", "coarser"] {
            let said = || whole.iter().filter(|((other, _), _)| other == host).map(|(_, said)| said.1);
            let judged = said().filter(|verdict| *verdict == Verdict::Normal || verdict.is_outlier()).count();
            assert!(judged * 2 > said().count(), "{json}: {judged} of {host}");
        }
        assert!(whole.values().any(|said| said.1.is_outlier()), "{json}");
    }
}

#[tokio::test]
async fn the_rate_of_a_counter_is_the_same_in_every_slice() {
    let recorded = Recorded::new(counters());
    let asker = Asker::new(&recorded, &format!(r#"{FOREST},"transform":"rate""#));
    let whole = Asker { detector: Some(Arc::new(ByPlace)), ..asker }.slice(400).await;
    let rates = whole.values().map(|said| f64::from_bits(said.0)).filter(|rate| !rate.is_nan());
    assert!(rates.fold(0.0, f64::max) <= 100.0 / 900.0);
}

/// What was said while time went on stands later, and nothing but the newest slot was left open.
#[tokio::test]
async fn the_time_of_asking_changes_no_verdict() {
    let recorded = Recorded::new(panel());
    let asker = Asker { detector: Some(Arc::new(ByPlace)), ..Asker::new(&recorded, FOREST) };
    let later = said(&asker.ask(&recorded.engine(2, 0), (T0 + 2 * DAY, NOW), 100).await);
    let warm = recorded.engine(2, 64 << 20);
    let mut now = T0 + 2 * DAY + 3 * HOUR;
    let mut dice = Dice(4);
    while now < NOW {
        recorded.set_now(now);
        let from = now - 6 * HOUR;
        let live = said(&asker.ask(&warm, (from.max(T0 + 2 * DAY), now + MINUTE), 100).await);
        for (key, said) in &live {
            assert_eq!(later.get(key), Some(said), "{key:?} at {now}");
        }
        // The widest step of the panel is three hours.
        let old = later.keys().filter(|(_, time)| (from.max(T0 + 2 * DAY)..now - 5 * HOUR).contains(time));
        assert_eq!(old.filter(|key| !live.contains_key(*key)).count(), 0, "at {now}");
        now += MINUTE + dice.below(3 * HOUR);
    }
}

#[tokio::test]
async fn a_series_that_stops_is_missing_up_to_now_and_not_beyond() {
    let recorded = Recorded::new(panel());
    let asker = Asker::new(&recorded, FOREST);
    let engine = recorded.engine(1, 0);
    let last = T0 + 3 * DAY + 2 * HOUR - STEP;
    let stopped = async |now: i64, (from, to): (i64, i64)| -> Vec<(i64, Verdict)> {
        recorded.set_now(now);
        let all = said(&asker.ask(&engine, (from, to), 100).await);
        all.into_iter()
            .filter(|((host, time), _)| host == "stops" && *time > last)
            .map(|((_, time), said)| (time, said.1))
            .collect()
    };
    let missing = |slots: std::ops::RangeInclusive<i64>| -> Vec<(i64, Verdict)> {
        slots.map(|slot| (last + slot * STEP, Verdict::Missing)).collect()
    };
    // Not missing before one and a half steps have passed without a point.
    assert_eq!(stopped(last + STEP + STEP / 2, (last, last + DAY)).await, []);
    assert_eq!(stopped(last + STEP + STEP / 2 + 1, (last, last + DAY)).await, missing(1..=1));
    assert_eq!(stopped(last + 10 * STEP, (last, last + DAY)).await, missing(1..=9));
    assert_eq!(stopped(NOW, (last + 3 * STEP, last + 5 * STEP)).await, missing(3..=5));
    // Of a whole training window nothing is left: the series is gone.
    assert_eq!(stopped(NOW, (last + 2 * DAY, NOW)).await, []);
}

/// A query of the seasonal detector; the panel ends half a day after [`NOW`] and knows days only.
fn seasonal(recorded: &Arc<Recorded>) -> Asker {
    let json = r#"{"detector":{"kind":"seasonal"},"trainingWindow":"4d","refitInterval":"6h","step":"15m"}"#;
    Asker { json: json.to_owned(), ..Asker::new(recorded, "") }
}

/// Time, expected value and band of what is forecast of a series.
fn forecast(outcome: &Outcome, host: &str) -> BTreeMap<i64, [u64; 3]> {
    let mut detections = outcome.detections.iter();
    let Some(Detection { forecast, series, .. }) = detections.find(|d| d.series.labels["host"] == host)
    else {
        return BTreeMap::new();
    };
    assert!(series.times.last() < forecast.times.first() || forecast.is_empty(), "{host}");
    let Forecast { times, expected, lower, upper } = forecast;
    let band = |row: usize| [expected[row], lower[row], upper[row]].map(f64::to_bits);
    times.iter().enumerate().map(|(row, time)| (*time, band(row))).collect()
}

#[tokio::test]
async fn the_forecast_is_the_band_that_the_points_to_come_are_judged_by() {
    let recorded = Recorded::new(panel());
    let asker = seasonal(&recorded);
    let engine = recorded.engine(2, 64 << 20);
    let last = NOW - NOW.rem_euclid(STEP);
    let block_end = T0 + 5 * DAY + 12 * HOUR;
    let wide = asker.ask(&engine, (NOW - 6 * HOUR, NOW + 6 * HOUR), 1_000).await;
    let regular = forecast(&wide, "regular");
    assert_eq!(
        Vec::from_iter(regular.keys().copied()),
        Vec::from_iter((1..=24).map(|slot| last + slot * STEP))
    );
    // Seen from a range that is all to come, it is the same.
    let narrow = asker.ask(&engine, (NOW + HOUR, NOW + 3 * HOUR), 1_000).await;
    let seen = regular.range(NOW + HOUR..=NOW + 3 * HOUR).map(|(time, band)| (*time, *band));
    assert_eq!(forecast(&narrow, "regular"), seen.collect());
    assert!(narrow.detections.iter().all(|detection| detection.series.is_empty()));

    recorded.set_now(NOW + 6 * HOUR);
    let later = asker.ask(&engine, (NOW, NOW + 6 * HOUR), 1_000).await;
    let judged = said(&later);
    let mut compared = 0;
    for (time, band) in regular.range(..block_end) {
        let (_, verdict, [_, judged_by @ .., _], _) = &judged[&("regular".to_owned(), *time)];
        assert_eq!(judged_by, band, "{time}");
        assert_ne!(*verdict, Verdict::NotJudged);
        compared += 1;
    }
    assert!(compared > 15, "{compared}");
}

#[tokio::test]
async fn what_is_yet_to_come_is_neither_missing_nor_judged() {
    let recorded = Recorded::new(panel());
    let asker = seasonal(&recorded);
    let past = asker.ask(&recorded.engine(2, 0), (NOW - DAY, NOW), 1_000).await;
    let ahead = asker.ask(&recorded.engine(2, 0), (NOW - DAY, NOW + DAY / 2), 1_000).await;
    assert_eq!(said(&past), said(&ahead));
    assert_eq!(past.notices, ahead.notices);
    for host in ["regular", "gappy", "nulls", "jittered"] {
        assert!(forecast(&past, host).is_empty(), "{host}");
        let forecast = forecast(&ahead, host);
        let finite = |band: &[u64; 3]| band.iter().all(|bits| f64::from_bits(*bits).is_finite());
        assert!(forecast.len() >= 4 && forecast.values().all(finite), "{host}: {}", forecast.len());
    }
    // Without a step there are no slots, and without three seasons nothing to forecast by.
    assert!(forecast(&ahead, "irregular").is_empty() && forecast(&ahead, "stops").is_empty());
}

#[tokio::test]
async fn a_silent_series_is_missing_up_to_now_and_forecast_from_there_on() {
    let recorded = Recorded::new(panel());
    let stopped = T0 + 3 * DAY + 2 * HOUR - STEP;
    for now in [stopped + STEP + 1, stopped + STEP + STEP / 2, stopped + 5 * HOUR] {
        recorded.set_now(now);
        let outcome =
            seasonal(&recorded).ask(&recorded.engine(1, 0), (now - DAY, now + 3 * HOUR), 1_000).await;
        let judged = said(&outcome);
        let (_, last) = judged.keys().rfind(|(host, _)| host == "stops").unwrap();
        let is_missing = judged[&("stops".to_owned(), *last)].1 == Verdict::Missing;
        assert_eq!(is_missing, *last > stopped);
        let to_come = Vec::from_iter(forecast(&outcome, "stops").keys().copied());
        let slots = (1..).map(|slot| last + slot * STEP).take_while(|time| *time <= now + 3 * HOUR);
        assert_eq!(to_come, Vec::from_iter(slots), "{}", now - stopped);
        assert!(to_come[0] >= now - STEP / 2 - 1);
    }
}

#[tokio::test]
async fn a_forecast_reaches_no_further_than_the_training_and_is_kept() {
    let recorded = Recorded::new(panel());
    let asker = seasonal(&recorded);
    let engine = recorded.engine(2, 64 << 20);
    let century = asker.ask(&engine, (NOW - HOUR, NOW + 900 * DAY), 100).await;
    let training = 4 * DAY / STEP;
    assert_eq!(forecast(&century, "regular").len() as i64, training);
    assert!(forecast(&century, "gappy").len() < training as usize);

    let fits = |minutes: i64| {
        let (asker, engine) = (&asker, &engine);
        async move {
            let range = (NOW - HOUR + minutes * MINUTE, NOW + HOUR + minutes * MINUTE);
            let outcome = asker.ask(engine, range, 100).await;
            (forecast(&outcome, "regular").len(), engine.cache_stats().verdict_misses)
        }
    };
    let (length, fitted) = fits(0).await;
    assert_eq!(length, 4);
    assert_eq!(fits(20).await, (5, fitted));
}

#[tokio::test]
async fn a_warm_query_fits_nothing_and_asks_for_the_newest_points_only() {
    let recorded = Recorded::new(panel());
    let asker = Asker::new(&recorded, FOREST);
    let engine = recorded.engine(2, 64 << 20);
    let range = (NOW - 2 * DAY, NOW);
    let cold = asker.ask(&engine, range, 100).await;
    let fitted = engine.cache_stats().verdict_misses;
    recorded.take_asked();
    let warm = asker.ask(&engine, range, 100).await;
    assert_eq!(said(&cold), said(&warm));
    assert_eq!(cold.fingerprint, warm.fingerprint);
    assert_eq!(engine.cache_stats().verdict_misses, fitted);
    assert!(
        cold.points_fetched > 1_000 && warm.points_fetched < 40,
        "{} {}",
        cold.points_fetched,
        warm.points_fetched
    );
    for request in recorded.take_asked() {
        assert!(request.range.from_ms >= NOW - recent_ms(STEP) - STEP, "{request:?}");
    }
    // A zoom into the past needs nothing.
    asker.ask(&engine, (NOW - 2 * DAY, NOW - DAY), 100).await;
    assert_eq!(recorded.take_asked(), []);
}

/// 30 panels, each with options of its own, refreshed every ten seconds for two hours.
#[tokio::test]
async fn a_dashboard_costs_the_upstream_only_the_newest_points() {
    let recorded = Recorded::new(panel());
    let engine = recorded.engine(2, 64 << 20);
    let askers: Vec<Asker> = (0..30)
        .map(|panel| {
            let options = format!(r#","detector":{{"kind":"isolation-forest","nTrees":1,"seed":{panel}}}"#);
            Asker::new(&recorded, &options)
        })
        .collect();
    // Two steps that may still change, and the one that began since.
    let newest = (recent_ms(STEP) + 2 * STEP) / STEP;
    let (mut whole_reads, mut requests) = (0, 0);
    let refreshes = 60;
    for refresh in 0..refreshes {
        let now = NOW + refresh * 2 * MINUTE;
        recorded.set_now(now);
        join_all(askers.iter().map(|asker| asker.ask(&engine, (now - 6 * HOUR, now), 300))).await;
        let asked = recorded.take_asked();
        requests += asked.len();
        let far = |request: &&FetchRequest| request.range.len_ms() / STEP > newest;
        whole_reads += asked.iter().filter(far).count();
    }
    // One read of everything in the beginning, and one of what is older than an hour after each hour.
    assert!(whole_reads <= 3, "{whole_reads}");
    // For each refresh one request for all panels, and where points are further apart than asked for one more.
    assert!(requests <= 2 * refreshes as usize + 3, "{requests}");
}

#[tokio::test]
async fn late_points_are_seen_at_once_if_recent_and_within_an_hour_if_not() {
    let recorded =
        Recorded::new(vec![named("a", (0..700).map(|i| (T0 + i * STEP, (i % 7) as f64)).collect())]);
    let asker = Asker::new(&recorded, FOREST);
    let engine = recorded.engine(1, 64 << 20);
    let now = T0 + 4 * DAY + MINUTE;
    let (recent, old) = (T0 + 4 * DAY - STEP, T0 + 4 * DAY - 8 * STEP);
    recorded.late.lock().unwrap().extend([(recent, now + 10_000), (old, now + 10_000)]);
    let verdicts = async |now: i64| -> (Verdict, Verdict) {
        recorded.set_now(now);
        let all = said(&asker.ask(&engine, (T0 + 3 * DAY, now), 100).await);
        (all[&("a".to_owned(), recent)].1, all[&("a".to_owned(), old)].1)
    };
    assert_eq!(verdicts(now).await, (Verdict::Missing, Verdict::Missing));
    assert_eq!(verdicts(now + 20_000).await, (Verdict::Normal, Verdict::Missing));
    assert_eq!(verdicts(now + HOUR).await, (Verdict::Normal, Verdict::Normal));
}

/// As a function over all points of a range makes them: what is kept of one range is wrong in another.
#[tokio::test]
async fn what_depends_on_the_range_is_asked_for_whole_and_is_the_same_refreshed_as_fresh() {
    let recorded = Recorded::new(panel());
    recorded.reading.lock().unwrap().whole = Some("running_sum()".to_owned());
    let asker = Asker::new(&recorded, FOREST);
    let warm = recorded.engine(2, 64 << 20);
    for minutes in [0, 7, 20, 90] {
        let now = NOW + minutes * MINUTE;
        recorded.set_now(now);
        let range = (now - 6 * HOUR, now);
        let refreshed = asker.ask(&warm, range, 100).await;
        recorded.take_asked();
        let fresh = asker.ask(&recorded.engine(1, 0), range, 100).await;
        assert_eq!(said(&refreshed), said(&fresh), "{minutes}");
        let told = "the query holds running_sum(): its points depend on the time range that is asked for";
        assert!(refreshed.notices.concat().contains(told), "{:?}", refreshed.notices);
        // More of the past may be needed once the points are known, and then all of it is asked for anew.
        let asked = recorded.take_asked();
        assert!(asked.iter().all(|request| request.range.from_ms < range.0 - DAY + STEP), "{asked:?}");
        assert_eq!(refreshed.points_fetched, fresh.points_fetched);
    }
}

#[tokio::test]
async fn what_may_still_change_is_to_come() {
    let recorded = Recorded::new(panel());
    let ask = async |settle: &str, now: i64| {
        recorded.set_now(now);
        let asker = Asker::new(&recorded, &format!("{FOREST},\"settle\":\"{settle}\""));
        let outcome = asker.ask(&recorded.engine(1, 0), (NOW - 6 * HOUR, now), 100).await;
        (said(&outcome), outcome.notices.join("; "))
    };
    let last =
        |said: &All, host: &str| said.keys().rfind(|(of, _)| of == host).map(|(_, time)| *time).unwrap();
    let (whole, _) = ask("0s", NOW).await;
    let (settled, notices) = ask("40m", NOW).await;
    assert_eq!(last(&settled, "regular"), history::floor(NOW - 40 * MINUTE, STEP));
    assert!(settled.iter().all(|(key, said)| whole.get(key) == Some(said)), "a verdict differs");
    assert!(!notices.contains("left out"), "{notices}");
    // Nothing is missing for it, and what is, is so until then.
    recorded.reading.lock().unwrap().settle_ms = 2 * HOUR;
    recorded.reading.lock().unwrap().settle_why = "they are copies";
    let stopped = T0 + 3 * DAY + 2 * HOUR - STEP;
    let (settled, notices) = ask("40m", stopped + 3 * HOUR).await;
    assert!(settled.is_empty() || last(&settled, "stops") <= stopped + HOUR, "{}", settled.len());
    assert!(notices.contains("the newest 2h are left out, because they are copies"), "{notices}");
}

#[tokio::test]
async fn the_series_most_unlike_its_group_is_named() {
    let mut dice = Dice(5);
    let slots = || (0..=(6 * DAY / STEP)).map(|slot| T0 + slot * STEP);
    let shape: Vec<f64> = slots().map(|_| 10.0 + 5.0 * dice.roll()).collect();
    let host = |name: &str, dice: &mut Dice, apart: f64| {
        let points = slots().zip(&shape).map(|(time, value)| {
            let apart = if time > NOW - 5 * HOUR { apart } else { 0.0 };
            (time, value + 0.1 * dice.roll() + apart)
        });
        let labels = Labels::from([("host".to_owned(), name.to_owned())]);
        Series::from_points(name.to_owned(), labels, points.collect()).0
    };
    let hosts = |apart: f64| {
        let mut dice = Dice(6);
        ["a", "b", "c", "d"].map(|name| host(name, &mut dice, if name == "c" { apart } else { 0.0 })).to_vec()
    };
    let ask = async |apart: f64| {
        let recorded = Recorded::new(hosts(apart));
        let asker = Asker::new(&recorded, r#","detector":{"kind":"peers"}"#);
        asker.ask(&recorded.engine(1, 0), (NOW - 3 * HOUR, NOW), 100).await
    };
    assert!(ask(0.0).await.notices.is_empty());
    let outcome = ask(5.0).await;
    let notice = outcome.notices.concat();
    assert!(notice.starts_with("series \"c\" is most unlike its group: its series score is 0."), "{notice}");
    let scores: Vec<f64> = outcome.detections.iter().filter_map(Detection::series_score).collect();
    assert!(scores.len() == 4 && [0, 1, 3].iter().all(|other| scores[*other] < scores[2]), "{scores:?}");
}

#[tokio::test]
async fn counters_are_told_of_until_they_are_rates() {
    let recorded = Recorded::new(counters());
    let engine = recorded.engine(1, 0);
    let notices = async |options: &str| {
        Asker::new(&recorded, options).ask(&engine, (NOW - DAY, NOW), 100).await.notices.join("; ")
    };
    assert!(notices("").await.contains("looks like a counter"), "{}", notices("").await);
    assert!(!notices(r#","transform":"rate""#).await.contains("looks like a counter"));
}
