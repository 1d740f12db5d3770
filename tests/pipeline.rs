//! From an upstream's points to frames, for points no upstream should send: nothing panics, and what must hold holds.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::sync::Arc;

use async_trait::async_trait;
use outrider::detector::Verdict;
use outrider::engine::{self, Job, Outcome, Workers};
use outrider::error::Result;
use outrider::frame::{self, Values, View};
use outrider::query::{Missing, Output, Query};
use outrider::series::{Labels, Series, TimeRange};
use outrider::settings::Settings;
use outrider::source::{AnySource, FetchRequest, Fetched, Reached, Source};
use proptest::prelude::*;

/// An upstream that always answers with the same points.
struct Fixed(Vec<(i64, f64)>);

#[async_trait]
impl Source for Fixed {
    const KIND: &'static str = "fixed";
    const LABEL: &'static str = "Fixed";
    const DESCRIPTION: &'static str = "The same points whatever is asked";
    type Options = serde_json::Value;

    fn connect(_settings: &Settings) -> Result<Self> {
        Ok(Self(Vec::new()))
    }

    async fn fetch(&self, _options: &Self::Options, _request: &FetchRequest) -> Result<Fetched> {
        let (series, _) = Series::from_points("fixed".to_owned(), Labels::new(), self.0.clone());
        Ok(Fetched { series: vec![series], ..Fetched::default() })
    }

    async fn check(&self) -> Result<Reached> {
        Ok(Reached { message: String::new(), details: String::new() })
    }
}

fn detect(points: Vec<(i64, f64)>, from_ms: i64, to_ms: i64, query: &str) -> Outcome {
    let source: Arc<dyn AnySource> = Arc::new(Fixed(points));
    let visible = TimeRange { from_ms, to_ms };
    let job = Job { query: Query::parse(query.as_bytes()).unwrap(), visible, max_data_points: 500 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(engine::run(job, &source, &Workers::default())).unwrap()
}

/// Renders every output and checks what every frame must keep.
fn check_frames(outcome: &Outcome) {
    for output in [Output::All, Output::State, Output::Events, Output::Score, Output::Alert] {
        let frames = frame::render(
            outcome,
            &View { output, for_expression: false, missing: Missing::default(), max_data_points: 500 },
        );
        assert!(!frames.is_empty());
        for frame in &frames {
            for field in &frame.fields {
                let len = field.values.rows();
                assert_eq!(len, frame.rows(), "{output:?} {}", field.name);
            }
            if let (Some(Values::Time(times)), true) =
                (frame.fields.first().map(|field| &field.values), frame.meta.contains_key("type"))
            {
                assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{output:?}");
            }
        }
    }
}

fn check(outcome: &Outcome) {
    for detection in &outcome.detections {
        let len = detection.series.len();
        assert_eq!(detection.verdicts.len(), len);
        assert_eq!(detection.scores.len(), len);
        assert_eq!(detection.expected.len(), len);
        assert_eq!(detection.lower.len(), len);
        assert_eq!(detection.upper.len(), len);
        for (row, verdict) in detection.verdicts.iter().enumerate() {
            let (value, score) = (detection.series.values[row], detection.scores[row]);
            assert_eq!(*verdict == Verdict::Missing, value.is_nan());
            assert_eq!(verdict.is_outlier(), detection.reasons.contains_key(&row));
            assert!(score.is_nan() || (0.0..=1.0).contains(&score));
            assert!(!verdict.is_outlier() || score.is_finite());
        }
    }
    check_frames(outcome);
}

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;

#[test]
fn nothing_one_point_and_a_constant() {
    for points in [
        vec![],
        vec![(10 * DAY, 1.0)],
        vec![(10 * DAY, f64::NAN)],
        (0..2_000).map(|i| (9 * DAY + i * MINUTE, 5.0)).collect(),
    ] {
        let outcome = detect(points, 9 * DAY, 11 * DAY, r#"{"trainingWindow":"1d"}"#);
        check(&outcome);
        assert!(outcome.detections.iter().all(|detection| detection.reasons.is_empty()));
    }
}

#[test]
fn a_million_points() {
    let points = (0..1_000_000)
        .map(|i| (i * 1_000, if i == 999_999 { 50.0 } else { (i % 97) as f64 / 97.0 }))
        .collect();
    // A second later the next point would be missing.
    let outcome =
        detect(points, 0, 999_999_999, r#"{"detector":{"kind":"isolation-forest"},"trainingWindow":"1d"}"#);
    check(&outcome);
    let detection = &outcome.detections[0];
    assert_eq!(detection.series.len(), 1_000_000);
    assert_eq!(detection.verdicts[999_999], Verdict::High);
}

#[test]
fn year_1_and_year_9999() {
    for middle in [-62_135_596_800_000, 253_402_300_799_000] {
        let points = (-3_000..3_000).map(|i| (middle + i * MINUTE, (i % 13) as f64)).collect();
        let outcome = detect(points, middle, middle + DAY, r#"{"trainingWindow":"1d"}"#);
        check(&outcome);
        assert!(outcome.detections[0].scores.iter().any(|score| score.is_finite()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_an_upstream_sends(
        points in proptest::collection::vec(
            (
                prop_oneof![8 => 0..3 * DAY, 1 => any::<i64>()],
                prop_oneof![6 => -1e3..1e3_f64, 1 => Just(7.0), 1 => Just(f64::NAN), 1 => Just(f64::INFINITY), 1 => any::<f64>()],
            ),
            0..400,
        ),
        visible_range: bool,
        detector in prop_oneof![Just("auto"), Just("isolation-forest")],
    ) {
        let training = if visible_range { "visible-range" } else { "window" };
        let query = format!(r#"{{"training":"{training}","trainingWindow":"1d","detector":{{"kind":"{detector}"}}}}"#);
        check(&detect(points, DAY, 3 * DAY, &query));
    }
}
