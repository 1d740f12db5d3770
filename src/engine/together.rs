//! The one verdict on a group of series that are judged together.
//!
//! Input is the detections of its series, whose scores are what each contributes; output is the group at each of their
//! times. The score of the group is the sum of the contributions, it is flagged where one of its series is, and for the
//! reason of the series that contributes most. So it is a function of the verdicts alone, and as independent of the range
//! asked for as they are.

use std::collections::BTreeMap;

use super::Detection;
use crate::detector::{AnyDetector, Forecast, Verdict};
use crate::series::{Labels, Series};

/// Series that share one verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The verdict on the group: its series has the score of the group for its value, and the labels that the query groups
    /// by. Nothing is expected of it; the band ends at the score from which on it is flagged.
    pub detection: Detection,
    /// Places of its series among the detections of the query, ascending.
    pub members: Vec<usize>,
}

/// What a group is called that no label names.
const ALL: &str = "all metrics";

/// The score from which on a group is flagged.
const FLAGGED_FROM: f64 = 0.5;

/// The groups that `detector` judges, by their labels; none if each series has a verdict of its own.
pub(super) fn groups(detections: &[Detection], detector: &dyn AnyDetector) -> Vec<Group> {
    let mut members: BTreeMap<Labels, Vec<usize>> = BTreeMap::new();
    for (place, detection) in detections.iter().enumerate() {
        if let Some(labels) = detector.group(&detection.series.labels) {
            members.entry(labels).or_default().push(place);
        }
    }
    let group = |(labels, members): (Labels, Vec<usize>)| {
        let of_group: Vec<&Detection> = members.iter().map(|place| &detections[*place]).collect();
        Group { detection: together(labels, &of_group), members }
    };
    members.into_iter().map(group).filter(|group| !group.detection.series.is_empty()).collect()
}

/// What is known of the group at one time.
#[derive(Default)]
struct Moment<'a> {
    score: Option<f64>,
    /// Contribution, verdict and reason of the flagged series that contributes most.
    worst: Option<(f64, Verdict, &'a str)>,
    /// Whether a series has a value.
    is_present: bool,
    /// Whether a rule says that nothing is told at this time.
    is_muted: bool,
}

fn together(labels: Labels, members: &[&Detection]) -> Detection {
    let mut moments: BTreeMap<i64, Moment<'_>> = BTreeMap::new();
    for member in members {
        for (row, time) in member.series.times.iter().enumerate() {
            let moment = moments.entry(*time).or_default();
            let (verdict, contribution) = (member.verdicts[row], member.scores[row]);
            moment.is_present |= verdict != Verdict::Missing;
            moment.is_muted |= verdict == Verdict::Muted;
            if contribution.is_finite() {
                moment.score = Some(moment.score.unwrap_or(0.0) + contribution);
            }
            if verdict.is_outlier() && moment.worst.is_none_or(|(most, ..)| contribution > most) {
                let reason = member.reasons.get(&row).map_or("", String::as_str);
                moment.worst = Some((contribution, verdict, reason));
            }
        }
    }
    let named: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let name = if named.is_empty() { ALL.to_owned() } else { named.join(", ") };
    let scores: Vec<f64> =
        moments.values().map(|moment| moment.score.map_or(f64::NAN, |score| score.min(1.0))).collect();
    let verdict = |moment: &Moment<'_>| match (moment.worst, moment.score) {
        _ if moment.is_muted => Verdict::Muted,
        (Some((_, verdict, _)), _) => verdict,
        (None, Some(_)) => Verdict::Normal,
        (None, None) if moment.is_present => Verdict::NotJudged,
        (None, None) => Verdict::Missing,
    };
    let reason = |(row, moment): (usize, &Moment<'_>)| Some((row, moment.worst?.2.to_owned()));
    Detection {
        verdicts: moments.values().map(verdict).collect(),
        expected: vec![f64::NAN; scores.len()],
        lower: vec![f64::NAN; scores.len()],
        upper: vec![FLAGGED_FROM; scores.len()],
        series_scores: Vec::new(),
        reasons: moments.values().enumerate().filter_map(reason).collect(),
        abouts: BTreeMap::new(),
        forecast: Forecast::default(),
        series: Series {
            name,
            labels,
            unit: None,
            times: moments.keys().copied().collect(),
            values: scores.clone(),
            truth: None,
        },
        scores,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(host: &str, values: &[(i64, f64, Verdict)], reason: &str) -> Detection {
        let nothing = vec![f64::NAN; values.len()];
        let flagged = values.iter().enumerate().filter(|(_, (.., verdict))| verdict.is_outlier());
        Detection {
            series: Series {
                name: reason.to_owned(),
                labels: Labels::from([("host".to_owned(), host.to_owned())]),
                unit: None,
                times: values.iter().map(|(time, ..)| *time).collect(),
                values: nothing.clone(),
                truth: None,
            },
            verdicts: values.iter().map(|(.., verdict)| *verdict).collect(),
            scores: values.iter().map(|(_, score, _)| *score).collect(),
            reasons: flagged.map(|(row, _)| (row, reason.to_owned())).collect(),
            expected: nothing.clone(),
            lower: nothing.clone(),
            upper: nothing,
            series_scores: Vec::new(),
            abouts: BTreeMap::new(),
            forecast: Forecast::default(),
        }
    }

    #[test]
    fn a_group_has_the_sum_of_the_scores_and_the_reason_of_the_worst() {
        use Verdict::{High, Low, Missing, Normal, NotJudged};
        let cpu = [(0, 0.1, Normal), (1, 0.3, High), (2, f64::NAN, Missing), (3, f64::NAN, Missing)];
        let traffic = [(0, 0.2, Normal), (1, 0.5, Low), (2, f64::NAN, NotJudged), (3, f64::NAN, Missing)];
        let group = together(Labels::new(), &[&member("a", &cpu, "cpu"), &member("a", &traffic, "traffic")]);
        assert_eq!(group.verdicts, [Normal, Low, NotJudged, Missing]);
        assert_eq!(group.scores[..2], [0.1 + 0.2, 0.3 + 0.5]);
        assert!(group.scores[2].is_nan() && group.scores[3].is_nan());
        assert_eq!(group.reasons, BTreeMap::from([(1, "traffic".to_owned())]));
        assert_eq!(group.series.times, [0, 1, 2, 3]);
    }

    #[test]
    fn rules_for_its_series_are_rules_for_the_group() {
        use Verdict::{High, Muted};
        let cpu = [(0, 1.0, High), (1, 0.9, Muted)];
        let traffic = [(0, 0.2, High), (1, f64::NAN, Muted)];
        let group = together(Labels::new(), &[&member("a", &cpu, "cpu"), &member("a", &traffic, "traffic")]);
        assert_eq!((group.verdicts, group.scores), (vec![High, Muted], vec![1.0, 0.9]));
        assert_eq!(group.reasons, BTreeMap::from([(0, "cpu".to_owned())]));
    }
}
