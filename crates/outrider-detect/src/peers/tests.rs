use serde_json::json;

use super::super::Verdict;
use super::*;
use crate::options::parse_options;
use crate::series::Labels;

const STEP: i64 = 300_000;
const DAY: i64 = 86_400_000;
const TRAINING: usize = 432;
const LENGTH: usize = 720;
const NONE: [usize; 0] = [];

/// A series of the tests, whose first [`TRAINING`] points are training.
#[derive(Clone)]
struct Host {
    name: String,
    labels: Labels,
    times: Vec<i64>,
    values: Vec<f64>,
}

/// Noise between -1 and 1 that is the same in every run (SplitMix64).
fn noise(seed: u64, index: usize) -> f64 {
    let mut bits =
        (seed << 32).wrapping_add(index as u64).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// What the group does together: days, and an event of its own.
fn together(index: usize) -> f64 {
    let day = (index as f64 * STEP as f64 / DAY as f64 * std::f64::consts::TAU).sin();
    50.0 + 20.0 * day + 3.0 * noise(99, index)
}

/// `count` hosts that move alike, each with an offset, a gain and noise of its own.
fn fleet(count: usize) -> Vec<Host> {
    (0..count)
        .map(|host| Host {
            name: format!("host {host}"),
            labels: Labels::new(),
            times: (0..LENGTH).map(|index| index as i64 * STEP).collect(),
            values: (0..LENGTH)
                .map(|index| {
                    let gain = 1.0 + 0.1 * host as f64;
                    gain * together(index) + 2.0 * noise(host as u64, index) + 4.0 * host as f64
                })
                .collect(),
        })
        .collect()
}

fn detector(options: &serde_json::Value, direction: Direction) -> Peers {
    Peers::new(parse_options("detector", options).unwrap(), direction).unwrap()
}

fn judge_from(peers: &Peers, hosts: &[Host], judged_from: i64) -> Vec<Judgement> {
    let members: Vec<Member<'_>> = hosts
        .iter()
        .map(|host| {
            let (times, values) = (&host.times, &host.values);
            let cut = times.partition_point(|time| *time < judged_from);
            Member {
                name: &host.name,
                labels: &host.labels,
                training: Points { times: &times[..cut], values: &values[..cut] },
                judged: Points { times: &times[cut..], values: &values[cut..] },
            }
        })
        .collect();
    peers.judge_panel(&members)
}

fn judge(options: &serde_json::Value, hosts: &[Host]) -> Vec<Judgement> {
    judge_from(&detector(options, Direction::Both), hosts, TRAINING as i64 * STEP)
}

/// Rows of the judged part that are flagged.
fn flagged(judgement: &Judgement) -> Vec<usize> {
    (0..judgement.verdicts.len()).filter(|row| judgement.verdicts[*row].is_outlier()).collect()
}

fn bits(judgement: &Judgement) -> Vec<(Verdict, [u64; 5])> {
    (0..judgement.verdicts.len())
        .map(|row| {
            let series_score = judgement.series_scores.get(row).copied().unwrap_or(f64::NAN);
            let columns = [&judgement.scores, &judgement.expected, &judgement.lower, &judgement.upper]
                .map(|column| column[row]);
            let [score, expected, lower, upper] = columns;
            (judgement.verdicts[row], [score, expected, lower, upper, series_score].map(f64::to_bits))
        })
        .collect()
}

const METHODS: [&str; 4] = ["auto", "mad", "dbscan", "forest"];

#[test]
fn a_quiet_group_has_no_outlier() {
    for judgement in judge(&json!({}), &fleet(8)) {
        assert_eq!(flagged(&judgement), NONE);
        assert!(judgement.verdicts.iter().all(|verdict| *verdict == Verdict::Normal));
        assert_eq!(judgement.shortage, None);
    }
}

#[test]
fn a_spike_on_one_host_is_flagged_there_alone_and_says_why() {
    let mut hosts = fleet(8);
    hosts[3].values[TRAINING + 100] += 25.0;
    for (host, judgement) in judge(&json!({}), &hosts).iter().enumerate() {
        assert_eq!(flagged(judgement), if host == 3 { vec![100] } else { vec![] }, "host {host}");
        if host == 3 {
            assert_eq!(judgement.verdicts[100], Verdict::High);
            assert!(judgement.scores[100] > 0.5 && judgement.upper[100] < hosts[3].values[TRAINING + 100]);
            let (row, reason) = &judgement.reasons[0];
            assert_eq!(*row, 100);
            assert!(reason.starts_with("host 3 is high: "), "{reason}");
            assert!(reason.contains(" group sigmas above the 7 other series; series score 0."), "{reason}");
        }
    }
}

#[test]
fn the_host_unlike_its_group_has_the_highest_series_score() {
    for method in METHODS {
        let mut hosts = fleet(8);
        for host in &mut hosts {
            // Side by side, as `mad` and `dbscan` need them.
            host.values =
                (0..LENGTH).map(|index| together(index) + noise(host.name.len() as u64, index)).collect();
        }
        for (number, host) in hosts.iter_mut().enumerate() {
            for (index, value) in host.values.iter_mut().enumerate() {
                *value += 2.0 * noise(number as u64, index);
            }
        }
        for value in &mut hosts[6].values[TRAINING + 20..] {
            *value += 60.0;
        }
        let judgements = judge(&json!({"method": method}), &hosts);
        let series_scores =
            |row: usize| judgements.iter().map(|judgement| judgement.series_scores[row]).collect::<Vec<_>>();
        let (before, after) = (series_scores(19), series_scores(LENGTH - TRAINING - 1));
        let others =
            |scores: &[f64]| (0..8).filter(|host| *host != 6).map(|host| scores[host]).fold(0.0, f64::max);
        assert!(before[6] <= 1.5 * others(&before), "{method}: {before:?}");
        assert!(after[6] > 1.3 * others(&after), "{method}: {after:?}");
        assert!(after.iter().chain(&before).all(|score| (0.0..=1.0).contains(score)), "{method}");
        let last = judgements[6].reasons.last().unwrap();
        assert!(last.1.ends_with(", the highest of its group"), "{method}: {last:?}");
    }
}

#[test]
fn a_series_score_is_the_mean_of_the_last_scores() {
    let judgement = &judge(&json!({}), &fleet(8))[0];
    for row in [LENGTH - TRAINING - 1, 95] {
        let last = &judgement.scores[row + 1 - 96..=row];
        let mean = last.iter().sum::<f64>() / 96.0;
        assert!((judgement.series_scores[row] - mean).abs() < 1e-9);
    }
}

#[test]
fn a_level_shift_on_one_host_is_flagged_while_it_lasts_and_not_after() {
    let mut hosts = fleet(8);
    for value in &mut hosts[2].values[TRAINING + 60..TRAINING + 160] {
        *value -= 15.0;
    }
    for (host, judgement) in judge(&json!({}), &hosts).iter().enumerate() {
        let rows = flagged(judgement);
        if host == 2 {
            assert_eq!(rows.first(), Some(&60));
            assert!(rows.len() > 90 && rows.iter().all(|row| (60..160).contains(row)), "{rows:?}");
            assert!(rows.iter().all(|row| judgement.verdicts[*row] == Verdict::Low));
        } else {
            assert_eq!(rows, NONE, "host {host}");
        }
    }
}

#[test]
fn a_small_shift_is_found_once_it_lasts() {
    let mut hosts = fleet(8);
    for value in &mut hosts[2].values[TRAINING + 60..TRAINING + 160] {
        *value += 4.0;
    }
    let judgements = judge(&json!({}), &hosts);
    let rows = flagged(&judgements[2]);
    assert!(rows.first().is_some_and(|row| (62..90).contains(row)), "{rows:?}");
    assert!(judgements[2].reasons[0].1.contains("stays high"), "{:?}", judgements[2].reasons[0]);
}

#[test]
fn what_moves_the_whole_group_is_no_outlier() {
    let mut hosts = fleet(8);
    for host in &mut hosts {
        for (index, value) in host.values.iter_mut().enumerate().skip(TRAINING) {
            *value *= match index - TRAINING {
                50 => 4.0,
                100..150 => 0.3,
                200.. => 1.5,
                _ => 1.0,
            };
        }
    }
    for (host, judgement) in judge(&json!({}), &hosts).iter().enumerate() {
        assert_eq!(flagged(judgement), NONE, "host {host}: {:?}", judgement.reasons);
    }
}

#[test]
fn a_host_that_is_stuck_while_the_group_moves_is_found() {
    let mut hosts = fleet(8);
    let stuck = hosts[5].values[TRAINING + 99];
    hosts[5].values[TRAINING + 100..TRAINING + 180].fill(stuck);
    let judgements = judge(&json!({}), &hosts);
    let rows = flagged(&judgements[5]);
    assert!(rows.first().is_some_and(|row| (101..115).contains(row)), "{rows:?}");
    assert!(rows.iter().all(|row| (100..180).contains(row)), "{rows:?}");
    assert!(judgements[5].reasons.iter().any(|(_, reason)| reason.contains("is stuck: the same value for ")));
}

#[test]
fn a_habit_of_one_host_at_a_time_of_day_is_learnt() {
    let mut hosts: Vec<Host> = fleet(8);
    let days = 8;
    for (number, host) in hosts.iter_mut().enumerate() {
        let length = days * (DAY / STEP) as usize;
        host.times = (0..length).map(|index| index as i64 * STEP).collect();
        host.values = (0..length)
            .map(|index| {
                let backup = number == 4 && (24..36).contains(&(index % (DAY / STEP) as usize));
                together(index) + 2.0 * noise(number as u64, index) + if backup { 30.0 } else { 0.0 }
            })
            .collect();
    }
    let judgements = judge_from(&detector(&json!({}), Direction::Both), &hosts, 7 * DAY);
    for (host, judgement) in judgements.iter().enumerate() {
        assert_eq!(flagged(judgement), NONE, "host {host}");
    }
    assert!((judgements[4].expected[30] - judgements[4].expected[50]).abs() > 15.0);
}

#[test]
fn a_lasting_departure_becomes_the_new_normal_in_the_end() {
    let mut hosts = fleet(8);
    for value in &mut hosts[2].values[100..] {
        *value += 40.0;
    }
    let judgement = &judge(&json!({}), &hosts)[2];
    assert_eq!(flagged(judgement), NONE, "shifted 332 points before");
    assert!(judgement.expected[0] > 90.0);
}

#[test]
fn without_training_it_learns_within_the_block() {
    let mut hosts = fleet(8);
    hosts[1].values[200] += 30.0;
    let judgements = judge_from(&detector(&json!({}), Direction::Both), &hosts, 0);
    for (host, judgement) in judgements.iter().enumerate() {
        assert_eq!(flagged(judgement), if host == 1 { vec![200] } else { vec![] }, "host {host}");
        assert_eq!(judgement.verdicts[..MIN_HISTORY - 1], [Verdict::NotJudged; MIN_HISTORY - 1]);
        assert!(judgement.shortage.as_ref().unwrap().contains("of the 24 points needed"));
    }
}

#[test]
fn group_by_compares_only_with_equal_labels() {
    let mut hosts = fleet(8);
    for (number, host) in hosts.iter_mut().enumerate() {
        let role = if number < 5 { "web" } else { "db" };
        host.labels.insert("role".into(), role.into());
        if role == "db" {
            // The databases move together, unlike the web servers.
            for value in &mut host.values[TRAINING + 100..] {
                *value += 50.0;
            }
        }
    }
    for judgement in judge(&json!({"groupBy": ["role"]}), &hosts) {
        assert_eq!(flagged(&judgement), NONE);
    }
    let apart = judge(&json!({}), &hosts);
    assert!(apart.iter().any(|judgement| !flagged(judgement).is_empty()));

    hosts[0].labels.insert("role".into(), "cache".into());
    hosts[1].labels.insert("role".into(), "queue".into());
    hosts[2].labels.insert("role".into(), "queue".into());
    let judgements = judge(&json!({"groupBy": ["role"]}), &hosts);
    for (judgement, shortage) in
        judgements.iter().zip(["1 of the 3 series", "2 of the 3 series", "2 of the 3 series"])
    {
        assert!(judgement.verdicts.iter().all(|verdict| *verdict == Verdict::NotJudged));
        assert!(judgement.shortage.as_ref().unwrap().starts_with(shortage));
    }
    assert_eq!(judgements[7].verdicts[0], Verdict::Normal);
}

#[test]
fn gaps_are_missing_and_too_few_peers_judge_nobody() {
    for method in METHODS {
        let mut hosts = fleet(4);
        hosts[0].values[TRAINING + 10..TRAINING + 20].fill(f64::NAN);
        hosts[1].values[TRAINING + 15..TRAINING + 18].fill(f64::NAN);
        let judgements = judge(&json!({"method": method, "eps": 1e6}), &hosts);
        for (judgement, host) in judgements.iter().zip(&hosts) {
            for (row, verdict) in judgement.verdicts.iter().enumerate() {
                let missing = host.values[TRAINING + row].is_nan();
                assert_eq!(*verdict == Verdict::Missing, missing, "{method} row {row}");
                if !missing {
                    let judged = !(15..18).contains(&row);
                    assert_eq!(*verdict != Verdict::NotJudged, judged, "{method} row {row}");
                }
            }
        }
        let shortage = judgements[2].shortage.as_ref().unwrap();
        assert!(shortage.starts_with("2 of the 3 series needed have a value"), "{shortage}");
    }
}

#[test]
fn a_host_that_stops_reporting_is_no_peer_any_more() {
    let mut hosts = fleet(3);
    hosts[0].times.truncate(TRAINING + 50);
    hosts[0].values.truncate(TRAINING + 50);
    let judgements = judge(&json!({}), &hosts);
    assert_eq!(judgements[1].verdicts[49], Verdict::Normal);
    assert_eq!(judgements[1].verdicts[52..], vec![Verdict::NotJudged; LENGTH - TRAINING - 52]);
}

#[test]
fn times_need_not_be_the_same() {
    let mut hosts = fleet(8);
    for (number, host) in hosts.iter_mut().enumerate() {
        for time in &mut host.times {
            *time += 1_000 * number as i64;
        }
    }
    // Smooth, so that a peer's value of almost a step before still serves.
    for (number, host) in hosts.iter_mut().enumerate() {
        for (index, value) in host.values.iter_mut().enumerate() {
            *value = 50.0
                + 20.0 * (index as f64 / 288.0 * std::f64::consts::TAU).sin()
                + 2.0 * noise(number as u64, index);
        }
    }
    hosts[3].values[TRAINING + 100] += 25.0;
    for (host, judgement) in judge(&json!({}), &hosts).iter().enumerate() {
        assert_eq!(flagged(judgement), if host == 3 { vec![100] } else { vec![] }, "host {host}");
    }
}

#[test]
fn the_order_of_series_does_not_matter() {
    for method in METHODS {
        let mut hosts = fleet(7);
        hosts[3].values[TRAINING + 100] += 25.0;
        hosts[5].values[TRAINING + 30..TRAINING + 40].fill(f64::NAN);
        let one = judge(&json!({"method": method}), &hosts);
        hosts.reverse();
        let mut other = judge(&json!({"method": method}), &hosts);
        other.reverse();
        for (one, other) in one.iter().zip(&other) {
            assert_eq!(bits(one), bits(other), "{method}");
            assert_eq!(one.reasons, other.reasons);
        }
    }
}

#[test]
fn later_points_change_no_earlier_verdict() {
    for method in METHODS {
        let mut hosts = fleet(5);
        for (number, host) in hosts.iter_mut().enumerate() {
            for time in &mut host.times {
                *time += 7_000 * (number as i64 % 2);
            }
        }
        for value in &mut hosts[3].values[TRAINING + 40..TRAINING + 90] {
            *value *= 1.7;
        }
        let peers = detector(&json!({"method": method, "sensitivity": 0.9}), Direction::Both);
        for from in [0, TRAINING as i64 * STEP] {
            let whole = judge_from(&peers, &hosts, from);
            for cut_row in [TRAINING + 1, TRAINING + 41, TRAINING + 77, TRAINING + 200] {
                let cut_time = cut_row as i64 * STEP + 3_000;
                let mut cut = hosts.clone();
                for host in &mut cut {
                    let length = host.times.partition_point(|time| *time <= cut_time);
                    host.times.truncate(length);
                    host.values.truncate(length);
                }
                for (whole, cut) in whole.iter().zip(judge_from(&peers, &cut, from)) {
                    let length = cut.verdicts.len();
                    assert_eq!(bits(whole)[..length], bits(&cut)[..], "{method} cut at {cut_row}");
                    assert_eq!(
                        whole.reasons[..cut.reasons.len()],
                        cut.reasons[..],
                        "{method} cut at {cut_row}"
                    );
                }
            }
        }
    }
}

#[test]
fn training_that_is_the_judged_range_itself_is_learnt_first() {
    let hosts = fleet(4);
    let members: Vec<Member<'_>> = hosts
        .iter()
        .map(|host| {
            let points = Points { times: &host.times, values: &host.values };
            Member { name: &host.name, labels: &host.labels, training: points, judged: points }
        })
        .collect();
    for judgement in detector(&json!({}), Direction::Both).judge_panel(&members) {
        assert!(judgement.verdicts.iter().all(|verdict| *verdict == Verdict::Normal));
    }
}

#[test]
fn direction_silences_the_other_side_and_its_band() {
    let mut hosts = fleet(8);
    hosts[3].values[TRAINING + 100] += 25.0;
    hosts[3].values[TRAINING + 200] -= 25.0;
    let from = TRAINING as i64 * STEP;
    let high = &judge_from(&detector(&json!({}), Direction::High), &hosts, from)[3];
    let low = &judge_from(&detector(&json!({}), Direction::Low), &hosts, from)[3];
    assert_eq!((flagged(high), flagged(low)), (vec![100], vec![200]));
    assert!(high.lower[0].is_nan() && high.upper[0].is_finite());
    assert!(low.upper[0].is_nan() && low.lower[0].is_finite());
    assert_eq!(high.scores, low.scores);
}

#[test]
fn sensitivity_moves_threshold_and_band() {
    let mut hosts = fleet(8);
    hosts[3].values[TRAINING + 100] += 12.0;
    let at = |sensitivity: f64| judge(&json!({"sensitivity": sensitivity}), &hosts).swap_remove(3);
    let (low, high) = (at(0.0), at(1.0));
    assert_eq!(flagged(&low), NONE);
    assert!(flagged(&high).contains(&100));
    assert!(low.upper[0] > high.upper[0]);
}

/// A group at one level, for the methods that compare raw values.
fn level_group(values: &[f64]) -> Vec<Host> {
    let mut hosts = fleet(values.len());
    for (number, host) in hosts.iter_mut().enumerate() {
        for (index, value) in host.values.iter_mut().enumerate() {
            *value = 10.0 + noise(number as u64, index);
        }
        host.values[TRAINING + 5] = values[number];
    }
    hosts
}

#[test]
fn mad_counts_deviations_from_the_median_of_the_time() {
    let hosts = level_group(&[10.0, 10.5, 9.5, 10.2, 14.0]);
    let judgements = judge(&json!({"method": "mad", "sensitivity": 0.25}), &hosts);
    assert_eq!(judgements[4].verdicts[5], Verdict::High);
    assert_eq!(judgements[4].expected[5], 10.2);
    for judgement in &judgements[..4] {
        assert_eq!(judgement.verdicts[5], Verdict::Normal);
    }
    // 2.92 deviations at 0.5, as in augurs.
    assert!((cross_section::mad_threshold(0.5) - 2.920_8).abs() < 1e-3);
}

#[test]
fn dbscan_flags_what_lies_in_no_normal_cluster() {
    let hosts = level_group(&[10.0, 11.0, 12.0, 20.0, 21.0]);
    let half = judge(&json!({"method": "dbscan", "eps": 2.0}), &hosts);
    let verdicts: Vec<Verdict> = half.iter().map(|judgement| judgement.verdicts[5]).collect();
    use Verdict::{High, Normal};
    assert_eq!(verdicts, [Normal, Normal, Normal, High, High]);
    assert_eq!((half[3].lower[5], half[3].upper[5], half[3].expected[5]), (8.0, 14.0, 11.0));
    assert_eq!(half[3].scores[5], 0.8);
    let reason = &half[3].reasons[0].1;
    let begin =
        "host 3 is high: 4.0 times eps above the nearest cluster of the 4 other series; series score 0.";
    assert!(reason.starts_with(begin), "{reason}");

    let two_clusters = judge(&json!({"method": "dbscan", "eps": 2.0, "minSamples": 2}), &hosts);
    assert!(two_clusters.iter().all(|judgement| judgement.verdicts[5] == Normal));

    let none = judge(&json!({"method": "dbscan", "eps": 0.5, "minSamples": 4}), &hosts);
    assert!(none.iter().all(|judgement| judgement.verdicts[5] == Verdict::NotJudged));
    assert!(none[0].shortage.as_ref().unwrap().contains("minSamples"));
}

#[test]
fn the_forest_names_the_feature() {
    let mut hosts = fleet(8);
    hosts[3].values[TRAINING + 100] += 60.0;
    let judgement = &judge(&json!({"method": "forest"}), &hosts)[3];
    assert_eq!(judgement.verdicts[100], Verdict::High);
    let reason = &judgement.reasons.iter().find(|(row, _)| *row == 100).unwrap().1;
    assert!(reason.starts_with("host 3 is high: its value stands apart"), "{reason}");
}

#[test]
fn constant_infinite_and_huge_values_do_no_harm() {
    for method in METHODS {
        let mut hosts = fleet(5);
        for host in &mut hosts {
            host.values.fill(3.0);
        }
        hosts[1].values[TRAINING + 3] = f64::INFINITY;
        hosts[2].values[TRAINING + 5] = f64::MAX;
        hosts[3].values[TRAINING + 7] = -f64::MAX;
        hosts[4].values[TRAINING + 50] = 4.0;
        let judgements = judge(&json!({"method": method}), &hosts);
        for judgement in &judgements {
            assert_eq!(judgement.verdicts.len(), LENGTH - TRAINING);
            assert!(
                judgement.scores.iter().all(|score| score.is_nan() || (0.0..=1.0).contains(score)),
                "{method}"
            );
        }
        if method == "auto" || method == "mad" {
            assert_eq!(flagged(&judgements[0]), NONE, "{method}");
            assert_eq!(flagged(&judgements[4]), [50], "{method}");
        }
    }
}

#[test]
fn one_series_has_no_peers() {
    let peers = detector(&json!({}), Direction::Both);
    let points = Points { times: &[0, 1], values: &[1.0, f64::NAN] };
    let judgement = peers.judge(points, points);
    assert_eq!(judgement.verdicts, [Verdict::NotJudged, Verdict::Missing]);
    assert_eq!(judgement.shortage.unwrap(), "1 of the 3 series needed for a comparison are available");
    assert_eq!(peers.judge_panel(&[]), []);
}

#[test]
fn options_out_of_range_are_refused_by_name() {
    for (options, name) in [
        (json!({"eps": 0.0}), "eps"),
        (json!({"eps": -1.0}), "eps"),
        (json!({"minSamples": 1}), "minSamples"),
        (json!({"sensitivity": 1.1}), "sensitivity"),
        (json!({"method": "guess"}), "method"),
        (json!({"groupBy": "role"}), "groupBy"),
    ] {
        let refused =
            parse_options("detector", &options).and_then(|options| Peers::new(options, Direction::Both));
        let error = refused.unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}
