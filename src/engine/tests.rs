//! The engine as a whole, on the generator.

use super::*;
use crate::detector::Verdict;
use crate::query::{Direction, Transform};
use crate::series::Points;
use crate::settings::Settings;
use crate::source::{self, FetchRequest};

pub(super) const HOUR: i64 = 3_600_000;
pub(super) const DAY: i64 = 24 * HOUR;
const T0: i64 = 1_750_000_000_000;

pub(super) fn job(json: &str, from_ms: i64, to_ms: i64) -> Job {
    Job {
        query: Query::parse(json.as_bytes()).unwrap(),
        visible: TimeRange { from_ms, to_ms },
        max_data_points: 1_000,
    }
}

async fn detect(json: &str, from_ms: i64, to_ms: i64) -> Outcome {
    let source = source::connect(&Settings::default()).unwrap();
    run(job(json, from_ms, to_ms), &source, &Workers::default()).await.unwrap()
}

#[tokio::test]
async fn the_same_point_has_the_same_verdict_in_every_range() {
    let json = r#"{"source":{"kind":"generator","series":["median","web-traffic"]}}"#;
    let wide = detect(json, T0, T0 + 5 * DAY).await;
    for (from, to) in [(T0, T0 + HOUR), (T0 + 7 * HOUR, T0 + 31 * HOUR), (T0 + 4 * DAY, T0 + 5 * DAY)] {
        let narrow = detect(json, from, to).await;
        for (wide, narrow) in wide.detections.iter().zip(&narrow.detections) {
            let cut = wide.series.index_range(from, to + 1);
            assert!(!cut.is_empty());
            assert_eq!(wide.series.times[cut.clone()], narrow.series.times);
            assert_eq!(wide.verdicts[cut.clone()], narrow.verdicts);
            let bits = |scores: &[f64]| scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&wide.scores[cut]), bits(&narrow.scores));
        }
    }
}

#[tokio::test]
async fn a_judged_point_never_trains_its_own_model() {
    // A window that ends a whole block before: the values of the block itself must not matter.
    let json = r#"{"source":{"series":["median"]},"detector":{"kind":"isolation-forest"}}"#;
    let outcome = detect(json, T0, T0 + HOUR).await;
    let first = T0.div_euclid(DAY) * DAY;
    let request =
        FetchRequest { range: TimeRange { from_ms: first - 7 * DAY, to_ms: first - 1 }, step_ms: 900_000 };
    let source = source::connect(&Settings::default()).unwrap();
    let query = Query::parse(json.as_bytes()).unwrap();
    let prepared = source.prepare(&query.source).unwrap();
    let training = prepared.fetch(&request).await.unwrap().series.remove(0);
    let detector = detector::build(&query.detector, Direction::Both).unwrap().detector;
    let shown = &outcome.detections[0];
    let judgement = detector.judge(
        Points { times: &training.times, values: &training.values },
        Points { times: &shown.series.times, values: &shown.series.values },
    );
    assert_eq!(judgement.scores, shown.scores);
}

#[test]
fn a_default_left_out_and_one_written_out_are_the_same_query_to_every_cache() {
    let source = source::connect(&Settings::default()).unwrap();
    let work = |json: &str| Work::new(&job(json, T0, T0 + DAY), &source, Scope::default()).unwrap();
    let names = |work: &Work| (work.history, work.settings, work.key(), work.described.clone());
    for (left_out, written_out) in [
        (
            "{}",
            r#"{"source":{"kind":"generator","seed":42,"period":"24h"},"detector":{"kind":"auto","sensitivity":0.5}}"#,
        ),
        ("{}", r#"{"direction":"both","trainingWindow":"auto","transform":"none","version":1}"#),
        (
            r#"{"detector":{"kind":"mad"}}"#,
            r#"{"detector":{"threshold":"3.5","window":"training","kind":"mad"}}"#,
        ),
        (
            r#"{"detector":{"kind":"s-h-esd"}}"#,
            r#"{"detector":{"kind":"s-h-esd","direction":null,"threshold":"None"}}"#,
        ),
        (
            r#"{"detector":{"kind":"seasonal"}}"#,
            r#"{"detector":{"kind":"seasonal","periods":[],"coverage":0.9990}}"#,
        ),
    ] {
        assert_eq!(names(&work(left_out)), names(&work(written_out)), "{written_out}");
    }
    for (one, other) in [
        ("{}", r#"{"source":{"seed":43}}"#),
        ("{}", r#"{"detector":{"sensitivity":0.6}}"#),
        (r#"{"detector":{"kind":"mad"}}"#, r#"{"detector":{"kind":"z-score","threshold":3.5}}"#),
    ] {
        assert_ne!(work(one).key(), work(other).key(), "{other}");
    }
}

#[test]
fn an_unknown_option_is_named_in_its_own_answer_only() {
    let source = source::connect(&Settings::default()).unwrap();
    let work = |json: &str| Work::new(&job(json, T0, T0 + DAY), &source, Scope::default()).unwrap();
    let (known, misspelt) = (work("{}"), work(r#"{"source":{"sead":43}}"#));
    assert_ne!(known.key(), misspelt.key());
    // But what was fetched and judged is the same.
    assert_eq!((known.history, known.settings), (misspelt.history, misspelt.settings));
}

fn bounded(bytes: usize) -> Engine {
    Engine::new(Workers::default(), 0, Clock::system()).bounded(Memory::of(bytes), Duration::from_secs(60))
}

#[tokio::test]
async fn what_a_query_takes_is_given_back_with_its_answer() {
    let source = source::connect(&Settings::default()).unwrap();
    let engine = bounded(64 << 20);
    let outcome = engine.run(job("{}", T0, T0 + DAY), &source, Scope::default()).await.unwrap();
    let (held, most) = (engine.memory().used(), engine.memory().most_used());
    assert!(held > 0 && held < most, "{held} of {most} bytes are held with the answer");
    drop(outcome);
    assert_eq!(engine.memory().used(), 0);
}

#[tokio::test]
async fn what_never_fits_is_refused_with_what_to_change() {
    let source = source::connect(&Settings::default()).unwrap();
    let engine = bounded(1 << 20);
    let forest = r#"{"detector":{"kind":"isolation-forest","nTrees":1000}}"#;
    let error = engine.run(job(forest, T0, T0 + DAY), &source, Scope::default()).await.unwrap_err();
    assert_eq!(error.category(), Category::Limit);
    assert!(
        error.to_string().contains("the model of a block") && error.to_string().contains("memory_mib"),
        "{error}"
    );
}

#[tokio::test]
async fn what_others_take_is_waited_for() {
    let source = source::connect(&Settings::default()).unwrap();
    let engine = bounded(64 << 20);
    let other = engine.memory().account().take(63 << 20, "all there is").unwrap();
    let asked = engine.run(job("{}", T0, T0 + DAY), &source, Scope::default());
    tokio::pin!(asked);
    // Until it has found no room, and waits.
    for _ in 0..1_000 {
        assert!(futures_util::poll!(&mut asked).is_pending());
        tokio::task::yield_now().await;
    }
    drop(other);
    asked.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_is_ended() {
    let error = bounded(1 << 20).within_bounds::<()>(std::future::pending()).await.unwrap_err();
    assert_eq!(error.category(), Category::Limit);
    assert!(error.to_string().contains("60 s") && error.to_string().contains("query_secs"), "{error}");
}

#[tokio::test]
async fn training_on_the_visible_range_depends_on_it() {
    let json = r#"{"training":"visible-range"}"#;
    let (wide, narrow) = (detect(json, T0, T0 + 5 * DAY).await, detect(json, T0, T0 + DAY).await);
    let shared = narrow.detections[0].scores.len();
    assert_ne!(wide.detections[0].scores[..shared], narrow.detections[0].scores[..]);
    assert_ne!(wide.fingerprint, narrow.fingerprint);
}

#[tokio::test]
async fn the_fingerprint_names_settings_and_training_data() {
    let a = detect("{}", T0, T0 + HOUR).await.fingerprint;
    assert_eq!(a, detect("{}", T0, T0 + HOUR).await.fingerprint);
    assert_ne!(a, detect(r#"{"detector":{"sensitivity":0.6}}"#, T0, T0 + HOUR).await.fingerprint);
    assert_ne!(a, detect(r#"{"source":{"seed":1}}"#, T0, T0 + HOUR).await.fingerprint);
}

/// Nothing beyond is computed, of which nobody would ever see anything.
#[test]
fn what_is_forecast_ends_with_the_block_in_which_the_range_ends() {
    let source = source::connect(&Settings::default()).unwrap();
    let forecast_to = |json: &str, to_ms| {
        let work = Work::new(&job(json, T0 - DAY, to_ms), &source, Scope::default()).unwrap();
        let (series, _) =
            Series::from_points("s".into(), crate::series::Labels::new(), vec![(T0 - DAY, 1.0)]);
        let lines = [Line::new(series, Transform::None, None)];
        let parts = work.parts(&lines, work.visible).unwrap();
        work.forecast_to_ms(parts.last().unwrap(), T0)
    };
    let seasonal = r#"{"detector":{"kind":"seasonal"},"refitInterval":"6h"}"#;
    let begin = T0.div_euclid(6 * HOUR) * 6 * HOUR;
    for (to_ms, expected) in [
        (T0, None),
        (begin + 6 * HOUR - 1, Some(begin + 6 * HOUR)),
        (begin + 6 * HOUR, Some(begin + 12 * HOUR)),
        (begin + 31 * HOUR, Some(begin + 36 * HOUR)),
    ] {
        assert_eq!(forecast_to(seasonal, to_ms), expected, "{}", to_ms - T0);
    }
    let visible = r#"{"detector":{"kind":"seasonal"},"training":"visible-range"}"#;
    assert_eq!(forecast_to(visible, T0 + HOUR), Some(T0 + HOUR + 1));
    assert_eq!(forecast_to("{}", T0 + HOUR), None);
}

#[tokio::test]
async fn a_misspelt_option_is_told() {
    let outcome = detect(r#"{"source":{"seeed":1},"detector":{"treshold":0.9}}"#, T0, T0 + HOUR).await;
    assert!(
        outcome.notices[0].contains("\"source.seeed\" and \"detector.treshold\""),
        "{:?}",
        outcome.notices
    );
}

#[tokio::test]
async fn a_gap_is_missing_and_not_a_value() {
    let json = r#"{"source":{"kind":"generator","series":["web-traffic"]}}"#;
    let outcome = detect(json, T0, T0 + 60 * DAY).await;
    let detection = &outcome.detections[0];
    let missing = detection.verdicts.iter().filter(|verdict| **verdict == Verdict::Missing).count();
    assert!(missing > 0);
    for (verdict, value) in detection.verdicts.iter().zip(&detection.series.values) {
        assert_eq!(*verdict == Verdict::Missing, value.is_nan());
    }
}

#[tokio::test]
async fn too_short_a_window_gives_a_notice_and_no_flags() {
    let json = r#"{"trainingWindow":"2h","refitInterval":"1h"}"#;
    let outcome = detect(json, T0, T0 + DAY).await;
    assert!(outcome.notices[0].contains("24 of the 40 training points"), "{:?}", outcome.notices);
    assert!(outcome.detections[0].verdicts.iter().all(|verdict| !verdict.is_outlier()));
}

#[tokio::test]
async fn a_window_that_suffices_for_scores_but_not_for_flags_gives_a_notice() {
    let notices = async |window: &str| {
        let json = format!(r#"{{"trainingWindow":"{window}","refitInterval":"1h"}}"#);
        detect(&json, T0, T0 + DAY).await.notices.join("; ")
    };
    let (short, long) = (notices("6h").await, notices("13h").await);
    let told = "scored but not yet flagged: 72 of the 150 training points that flags need are available";
    assert!(short.contains(told) && short.contains("lengthen trainingWindow"), "{short}");
    assert_eq!(long, "");
}
