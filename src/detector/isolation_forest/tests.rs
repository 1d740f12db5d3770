use serde_json::json;

use super::*;
use crate::query::parse_options;

fn detector(options: &serde_json::Value, direction: Direction) -> IsolationForest {
    IsolationForest::new(parse_options("detector", options).unwrap(), direction).unwrap()
}

fn judge(detector: &IsolationForest, training: &[f64], judged: &[f64]) -> Judgement {
    let times: Vec<i64> = (0..training.len().max(judged.len()) as i64).collect();
    let points = |values| Points { times: &times[..], values };
    detector.judge(points(training), points(judged))
}

/// Values spread evenly over 10 ± 4.
fn training() -> Vec<f64> {
    (0..500).map(|i| 6.0 + 8.0 * f64::from((i * 193) % 500) / 500.0).collect()
}

#[test]
fn far_values_are_flagged_with_side_and_reason() {
    let judgement =
        judge(&detector(&json!({}), Direction::Both), &training(), &[10.0, 27.0, 0.0, f64::NAN]);
    assert_eq!(judgement.verdicts, [Verdict::Normal, Verdict::High, Verdict::Low, Verdict::Missing]);
    assert_eq!(judgement.reasons.len(), 2);
    let (index, reason) = &judgement.reasons[0];
    assert_eq!(*index, 1);
    assert!(reason.starts_with("27 is high: "), "{reason}");
    assert!(reason.contains("robust sigmas from the expected 9.99"), "{reason}");
    assert!(judgement.scores[3].is_nan());
    assert!(judgement.lower[0] < 7.0 && judgement.upper[0] > 13.0);
}

#[test]
fn direction_silences_the_other_side_only() {
    let judged = [27.0, 0.0];
    let high = judge(&detector(&json!({}), Direction::High), &training(), &judged);
    assert_eq!(high.verdicts, [Verdict::High, Verdict::Normal]);
    assert!(high.lower[0].is_nan() && high.upper[0].is_finite());
    let low = judge(&detector(&json!({}), Direction::Low), &training(), &judged);
    assert_eq!(low.verdicts, [Verdict::Normal, Verdict::Low]);
    assert_eq!(high.scores, low.scores);
}

#[test]
fn contamination_flags_no_more_than_its_share_of_the_training() {
    let training: Vec<f64> = (0..1_000).map(|i| f64::from(i).powi(3)).collect();
    let judgement =
        judge(&detector(&json!({"contamination": 0.02}), Direction::Both), &training, &training);
    let flagged = judgement.verdicts.iter().filter(|verdict| verdict.is_outlier()).count();
    assert!((1..=20).contains(&flagged), "{flagged}");
}

#[test]
fn too_little_training_says_so_and_flags_nothing() {
    let judgement = judge(&detector(&json!({}), Direction::Both), &[1.0; 15], &[1e9, f64::NAN]);
    assert_eq!(judgement.verdicts, [Verdict::NotJudged, Verdict::Missing]);
    assert_eq!(judgement.shortage.unwrap(), "15 of the 16 training points needed are available");
}

#[test]
fn contamination_out_of_range_is_refused() {
    for share in [0.0, -0.1, 0.51] {
        let options = parse_options("detector", &json!({"contamination": share})).unwrap();
        let error = IsolationForest::new(options, Direction::Both).unwrap_err().to_string();
        assert!(error.contains("contamination"), "{error}");
    }
}
