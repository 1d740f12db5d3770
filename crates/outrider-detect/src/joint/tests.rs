//! Tests of the joint detector: what it flags, whom it blames, and what it makes of awkward shapes.

use super::super::Verdict;
use super::*;

const STEP: i64 = 300_000;
const DAY: usize = 288;
const TRAINED: usize = 5 * DAY;
/// A Monday.
const T0: i64 = 20_150 * 86_400_000;

struct Dice(u64);

impl Dice {
    /// About normal.
    fn normal(&mut self) -> f64 {
        let mut roll = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 11) as f64 / (1_u64 << 53) as f64
        };
        (0..12).map(|_| roll()).sum::<f64>() - 6.0
    }
}

/// Requests of a server with its CPU, its latency, which follows after two rows, and something that has to do with neither.
fn server(rows: usize) -> Vec<(&'static str, Vec<f64>)> {
    let mut dice = Dice(5);
    let mut wander = 0.0;
    let mut requests = Vec::new();
    for row in 0..rows {
        let turn = std::f64::consts::TAU * (row % DAY) as f64 / DAY as f64;
        wander = 0.95 * wander + 4.0 * dice.normal();
        requests.push(100.0 - 50.0 * turn.cos() + wander);
    }
    let cpu = requests.iter().map(|requests| 5.0 + 0.3 * requests + 0.5 * dice.normal()).collect();
    let before = |row: usize| requests[row.saturating_sub(2)];
    let latency = (0..rows).map(|row| 20.0 + 0.1 * before(row) + 0.3 * dice.normal()).collect();
    let noise = (0..rows).map(|_| 7.0 + dice.normal()).collect();
    vec![("requests", requests), ("cpu", cpu), ("latency", latency), ("noise", noise)]
}

fn judge_with(detector: &Joint, metrics: &[(&str, Vec<f64>)]) -> Vec<Judgement> {
    let rows = metrics.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
    let times: Vec<i64> = (0..rows as i64).map(|row| T0 + row * STEP).collect();
    let labels = Labels::new();
    let members: Vec<Member<'_>> = metrics
        .iter()
        .map(|(name, values)| {
            let all = Points { times: &times[..values.len()], values };
            let trained = TRAINED.min(values.len());
            Member {
                name,
                labels: &labels,
                training: all.range(0..trained),
                judged: all.range(trained..values.len()),
            }
        })
        .collect();
    let judgements = detector.judge_panel(&members);
    for (judgement, member) in judgements.iter().zip(&members) {
        assert!(judgement.fits(member.judged.values.len()));
        assert!(judgement.scores.iter().all(|score| score.is_nan() || (0.0..=1.0).contains(score)));
    }
    judgements
}

fn detector(direction: Direction) -> Joint {
    Joint::new(Options::default(), direction).unwrap()
}

fn judge(metrics: &[(&str, Vec<f64>)]) -> Vec<Judgement> {
    judge_with(&detector(Direction::Both), metrics)
}

fn flagged(judgements: &[Judgement]) -> Vec<(usize, usize)> {
    let of = |(metric, judgement): (usize, &Judgement)| {
        let verdicts = judgement.verdicts.iter().enumerate();
        verdicts.filter(|(_, verdict)| verdict.is_outlier()).map(|(row, _)| (metric, row)).collect::<Vec<_>>()
    };
    judgements.iter().enumerate().flat_map(of).collect()
}

/// CPU of a quiet hour under the load of a busy one.
fn break_cpu(metrics: &mut [(&str, Vec<f64>)], from: usize, to: usize) {
    let quiet = metrics[1].1[from - DAY / 2..to - DAY / 2].to_vec();
    metrics[1].1[from..to].copy_from_slice(&quiet);
}

#[test]
fn a_broken_relation_is_blamed_on_the_metric_that_breaks_it() {
    let mut metrics = server(TRAINED + DAY);
    assert_eq!(flagged(&judge(&metrics)), []);
    let (from, to) = (TRAINED + DAY / 2, TRAINED + DAY / 2 + 20);
    break_cpu(&mut metrics, from, to);
    let judgements = judge(&metrics);
    assert_eq!(flagged(&judgements), (DAY / 2..DAY / 2 + 20).map(|row| (1, row)).collect::<Vec<_>>());
    let row = DAY / 2 + 10;
    let cpu = &judgements[1];
    assert_eq!(cpu.verdicts[row], Verdict::Low);
    assert!(cpu.upper[row] > cpu.expected[row] && cpu.lower[row] > metrics[1].1[TRAINED + row]);
    assert!((cpu.expected[row] - 50.0).abs() < 5.0, "{}", cpu.expected[row]);
    // What each contributes adds up to the score, and the one to blame contributes nearly all.
    let contributions: Vec<f64> = judgements.iter().map(|judgement| judgement.scores[row]).collect();
    let score: f64 = contributions.iter().sum();
    assert!((0.5..1.0).contains(&score) && contributions[1] > 0.8 * score, "{contributions:?}");
    // The others are as usual, given that the CPU is not to be relied on.
    let requests = &judgements[0];
    assert!((requests.expected[row] - metrics[0].1[TRAINED + row]).abs() < 40.0);
    let reason = &cpu.reasons.iter().find(|(at, _)| *at == row).unwrap().1;
    assert!(reason.starts_with("cpu ") && reason.contains("low for requests"), "{reason}");
    assert!(reason.ends_with("requests, latency and noise are as usual"), "{reason}");
}

#[test]
fn an_incident_in_the_training_hides_no_other() {
    let mut metrics = server(TRAINED + DAY);
    break_cpu(&mut metrics, TRAINED - 2 * DAY + DAY / 2, TRAINED - 2 * DAY + DAY / 2 + 40);
    break_cpu(&mut metrics, TRAINED - DAY + DAY / 2, TRAINED - DAY + DAY / 2 + 40);
    break_cpu(&mut metrics, TRAINED + DAY / 2, TRAINED + DAY / 2 + 20);
    let found = flagged(&judge(&metrics));
    assert!(found.contains(&(1, DAY / 2)), "at its onset: {found:?}");
    let of_cpu = found.iter().filter(|(metric, _)| *metric == 1).count();
    assert!(of_cpu >= 10 && found.len() - of_cpu < of_cpu / 2, "{found:?}");
}

#[test]
fn one_side_can_be_silenced() {
    let mut metrics = server(TRAINED + DAY);
    break_cpu(&mut metrics, TRAINED + DAY / 2, TRAINED + DAY / 2 + 20);
    assert_eq!(flagged(&judge_with(&detector(Direction::High), &metrics)), []);
    let low = judge_with(&detector(Direction::Low), &metrics);
    assert_eq!(flagged(&low).len(), 20);
    assert!(low[1].upper.iter().all(|upper| upper.is_nan()));
}

#[test]
fn a_value_that_stops_moving_is_frozen() {
    let mut metrics = server(TRAINED + DAY);
    let at = TRAINED + 100;
    let value = metrics[2].1[at];
    metrics[2].1[at..at + 60].fill(value);
    let judgements = judge(&metrics);
    let told = judgements[2]
        .reasons
        .iter()
        .any(|(_, reason)| reason.contains("latency") && reason.contains("frozen"));
    assert!(told, "{:?}", judgements[2].reasons);
    assert!(judgements[2].abouts.iter().any(|(_, about)| about.what == "frozen"));
}

#[test]
fn what_is_missing_is_left_out_and_the_rest_judged() {
    let mut metrics = server(TRAINED + DAY);
    // Requests, which tell most of the CPU, were missing for a day of the training and are for the whole block.
    metrics[0].1[DAY..2 * DAY].fill(f64::NAN);
    metrics[0].1[TRAINED..].fill(f64::NAN);
    let quiet = judge(&metrics);
    assert_eq!(flagged(&quiet), []);
    assert!(quiet[0].scores.iter().all(|score| score.is_nan()));
    assert!(quiet[0].verdicts.iter().all(|verdict| *verdict == Verdict::Missing));
    assert!(quiet[1].scores.iter().all(|score| score.is_finite()));
    break_cpu(&mut metrics, TRAINED + DAY / 2, TRAINED + DAY / 2 + 20);
    let found = flagged(&judge(&metrics));
    assert!(found.contains(&(1, DAY / 2 + 5)), "latency still tells: {found:?}");
}

#[test]
fn later_points_change_no_verdict() {
    let mut metrics = server(TRAINED + DAY);
    break_cpu(&mut metrics, TRAINED + 60, TRAINED + 80);
    metrics[3].1[TRAINED + 40..TRAINED + 50].fill(f64::NAN);
    let whole = judge(&metrics);
    for end in [1, 45, 61, 70, 90] {
        let cut: Vec<(&str, Vec<f64>)> =
            metrics.iter().map(|(name, values)| (*name, values[..TRAINED + end].to_vec())).collect();
        for (cut, whole) in judge(&cut).iter().zip(&whole) {
            let bits = |values: &[f64]| values[..end].iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&cut.scores), bits(&whole.scores), "{end}");
            assert_eq!(bits(&cut.lower), bits(&whole.lower), "{end}");
            assert_eq!(cut.verdicts, whole.verdicts[..end]);
        }
    }
}

#[test]
fn groups_have_models_of_their_own() {
    let options: Options = serde_json::from_str(r#"{"groupBy":["host"]}"#).unwrap();
    let joint = Joint::new(options, Direction::Both).unwrap();
    let mut metrics = server(TRAINED + DAY);
    let quiet = metrics.clone();
    break_cpu(&mut metrics, TRAINED + DAY / 2, TRAINED + DAY / 2 + 20);
    let times: Vec<i64> = (0..(TRAINED + DAY) as i64).map(|row| T0 + row * STEP).collect();
    let hosts = ["a", "b"].map(|host| Labels::from([("host".to_owned(), host.to_owned())]));
    let members: Vec<Member<'_>> = [(&quiet, 0), (&metrics, 1)]
        .into_iter()
        .flat_map(|(metrics, host)| metrics.iter().map(move |(name, values)| (name, values, host)))
        .map(|(name, values, host)| {
            let all = Points { times: &times, values };
            let labels = &hosts[host];
            Member {
                name,
                labels,
                training: all.range(0..TRAINED),
                judged: all.range(TRAINED..TRAINED + DAY),
            }
        })
        .collect();
    let judgements = joint.judge_panel(&members);
    assert_eq!(flagged(&judgements[..4]), []);
    assert_eq!(judgements[4..], judge(&metrics));
    assert_eq!(joint.group(&hosts[0]), Some(hosts[0].clone()));
    assert_eq!(detector(Direction::Both).group(&hosts[0]), Some(Labels::new()));
}

#[test]
fn awkward_shapes_are_judged_or_told_of() {
    let rows = TRAINED + 20;
    let server = server(rows);
    let shortage = |judgement: &Judgement| judgement.shortage.clone().unwrap_or_default();
    assert_eq!(detector(Direction::Both).judge_panel(&[]), []);
    // One metric only, and one row only.
    let alone = judge(&server[..1]);
    assert!(shortage(&alone[0]).contains("1 of the 2 metrics"), "{}", shortage(&alone[0]));
    let one_row: Vec<(&str, Vec<f64>)> =
        server.iter().map(|(name, values)| (*name, values[..1].to_vec())).collect();
    assert_eq!(flagged(&judge(&one_row)), []);
    // Constant, and with nothing but gaps: left out, and the rest judged.
    let some =
        [server[0].clone(), server[1].clone(), ("flat", vec![3.3; rows]), ("gone", vec![f64::NAN; rows])];
    let judged = judge(&some);
    assert!(judged[..2].iter().all(|judgement| judgement.scores.iter().all(|score| score.is_finite())));
    assert!(judged[2..].iter().all(|judgement| shortage(judgement).contains("left out")));
    assert!(judge(&some[2..]).iter().all(|judgement| !shortage(judgement).is_empty()));
    // The same metric twice, once in another unit: neither hides the other's break, nor is flagged without one.
    let twice = |factor: f64| ("twice", server[1].1.iter().map(|value| factor * value).collect::<Vec<_>>());
    let mut same = vec![server[0].clone(), server[1].clone(), server[1].clone(), twice(1e12), twice(1e-12)];
    assert_eq!(flagged(&judge(&same)), []);
    same[1].1[TRAINED + 5] += 30.0;
    assert_eq!(flagged(&judge(&same)), [(1, 5)]);
    // Huge and tiny numbers.
    let scaled = |factor: f64| -> Vec<(&str, Vec<f64>)> {
        server
            .iter()
            .map(|(name, values)| (*name, values.iter().map(|value| factor * value).collect()))
            .collect()
    };
    for factor in [1e300, 1e-300] {
        assert_eq!(flagged(&judge(&scaled(factor))), []);
    }
}

#[test]
fn options_are_checked() {
    let wrong: Options = serde_json::from_str(r#"{"timeZone":"Nowhere"}"#).unwrap();
    let error = Joint::new(wrong, Direction::Both).unwrap_err().to_string();
    assert!(error.contains("timeZone") && error.contains("Nowhere"), "{error}");
    let error = serde_json::from_str::<Options>(r#"{"sensitivity":2}"#).unwrap_err().to_string();
    assert!(error.contains("from 0 to 1"), "{error}");
}
