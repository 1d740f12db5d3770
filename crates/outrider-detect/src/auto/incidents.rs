//! From alarms to incidents: one event is told once.
//!
//! A point opens an incident if its alarm is above the threshold and above every alarm of the refractory time before
//! it. The points that follow belong to the incident for as long as their alarm stays above the threshold, but not for
//! long. What comes after within the refractory time, and is no worse, is the same event and stays silent.
//!
//! Points count for no longer than they take at the step that the query asks for: where they are further apart, fewer of
//! them are the same event. So what is told depends on [`REMEMBERED_POINTS`] and the refractory time alone.
//!
//! The end of an event is no event of its own, although a change back surprises as much as the one before: see [`Told`].

use std::collections::VecDeque;

/// Points after the onset that belong to an incident at most.
pub(super) const MAX_ONGOING: usize = 12;

/// Points after one that was told in which the way back from it is no news.
const WAY_BACK_POINTS: usize = 24;

/// Points before the refractory time of a point on which it may depend whether it is told: on its part, and on the parts
/// of those that it may lead back from.
pub(super) const REMEMBERED_POINTS: usize = MAX_ONGOING + WAY_BACK_POINTS;

/// What leaves no more than this share of the distance from what is expected leads back.
pub(super) const BACK_SHARE: f64 = 0.5;

/// What an alarm is in the course of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Nothing, or more of what has been told.
    Quiet,
    /// The begin of an incident, or its worsening.
    Onset,
    /// Within an incident.
    Ongoing,
}

/// Follows the alarms of one series, point by point.
#[derive(Debug)]
pub(super) struct Incidents {
    threshold: f64,
    refractory: usize,
    /// Points after the onset that belong to an incident at most.
    max_ongoing: usize,
    /// Time that a point takes at most, if it does.
    step_ms: Option<i64>,
    point: usize,
    /// Points and alarms of the refractory time that no later one exceeds; falling.
    peaks: VecDeque<(Instant, f64)>,
    open_since: Option<Instant>,
}

/// The number and the time of a point.
pub(super) type Instant = (usize, i64);

impl Incidents {
    /// `threshold` in the unit of the alarms, `refractory` in points, each of which takes no more than `step_ms`.
    pub(super) fn new(threshold: f64, refractory: usize, step_ms: Option<i64>) -> Self {
        let (peaks, max_ongoing) = (VecDeque::new(), MAX_ONGOING);
        Self { threshold, refractory, max_ongoing, step_ms, point: 0, peaks, open_since: None }
    }

    /// The same for alarms that come so many points after what they tell began.
    pub(super) fn late(self, points: usize) -> Self {
        Self { max_ongoing: self.max_ongoing.saturating_sub(points), ..self }
    }

    /// The part of the next point, which is at `time`, and whether it is the highest alarm for the refractory time.
    /// `wanted` says whether it may be told, `lasts` whether it goes on what has begun, however low the alarm.
    pub(super) fn next(&mut self, time: i64, alarm: f64, wanted: bool, lasts: bool) -> (Part, bool) {
        let point = (self.point, time);
        self.point += 1;
        while self.peaks.front().is_some_and(|(at, _)| !is_within(self.refractory, *at, point, self.step_ms))
        {
            self.peaks.pop_front();
        }
        let is_peak = alarm > self.peaks.front().map_or(0.0, |(_, peak)| *peak);
        while self.peaks.back().is_some_and(|(_, below)| *below <= alarm) {
            self.peaks.pop_back();
        }
        self.peaks.push_back((point, alarm));

        let is_loud = alarm >= self.threshold;
        let holds = wanted && (is_loud || lasts);
        let part = if is_peak && is_loud && wanted {
            self.open_since = Some(point);
            Part::Onset
        } else if self
            .open_since
            .is_some_and(|onset| holds && is_within(self.max_ongoing, onset, point, self.step_ms))
        {
            Part::Ongoing
        } else {
            self.open_since = None;
            Part::Quiet
        };
        (part, is_peak)
    }
}

/// The points of a series that were told of late, and how far each was from what was expected.
#[derive(Debug)]
pub(super) struct Told {
    step_ms: Option<i64>,
    recent: VecDeque<(Instant, f64)>,
}

impl Told {
    /// Each point takes no more than `step_ms`.
    pub(super) fn new(step_ms: Option<i64>) -> Self {
        Self { step_ms, recent: VecDeque::new() }
    }

    /// The point `at` was told, `off` from what was expected.
    pub(super) fn note(&mut self, at: Instant, off: f64) {
        // None of those that are nearer decides anything for as long as this one is remembered.
        while self.recent.back().is_some_and(|(_, nearer)| *nearer <= off) {
            self.recent.pop_back();
        }
        self.recent.push_back((at, off));
    }

    /// Whether the point `at`, `off` from what is expected, is no more than half as far from it as one told just before.
    pub(super) fn is_way_back(&mut self, at: Instant, off: f64) -> bool {
        while self
            .recent
            .front()
            .is_some_and(|(told, _)| !is_within(WAY_BACK_POINTS, *told, at, self.step_ms))
        {
            self.recent.pop_front();
        }
        self.recent.front().is_some_and(|(_, furthest)| off <= BACK_SHARE * furthest)
    }
}

/// Points for which an incident that once was beyond the limit goes on outside the band, and points within the band that
/// end it.
pub(super) const HELD_POINTS: usize = 288;
const BROKEN_POINTS: usize = 6;

/// Follows what is far outside the band: it is an incident until it is back within.
#[derive(Debug)]
pub(super) struct Beyond {
    step_ms: Option<i64>,
    /// The last point beyond the limit, and the last one of the incident.
    beyond: Option<Instant>,
    last: Option<Instant>,
}

impl Beyond {
    /// Each point takes no more than `step_ms`.
    pub(super) fn new(step_ms: Option<i64>) -> Self {
        Self { step_ms, beyond: None, last: None }
    }

    /// Whether an incident would begin at the point `at`.
    pub(super) fn is_over(&self, at: Instant) -> bool {
        self.last.is_none_or(|last| !is_within(BROKEN_POINTS, last, at, self.step_ms))
    }

    /// Whether the point `at` belongs to an incident, which is beyond the limit or just outside the band.
    pub(super) fn next(&mut self, at: Instant, is_beyond: bool, is_outside: bool) -> bool {
        let is_held = self
            .beyond
            .is_some_and(|beyond| is_within(HELD_POINTS - BROKEN_POINTS, beyond, at, self.step_ms));
        let goes_on = is_outside && is_held && !self.is_over(at);
        if !(is_beyond || goes_on) {
            return false;
        }
        if is_beyond {
            self.beyond = Some(at);
        }
        self.last = Some(at);
        true
    }
}

/// Whether no more than so many points, each of which takes no more than `step_ms`, lie between two.
fn is_within(points: usize, earlier: Instant, later: Instant, step_ms: Option<i64>) -> bool {
    let most_ms = |step_ms: i64| step_ms.saturating_mul(i64::try_from(points).unwrap_or(i64::MAX));
    later.0 - earlier.0 <= points
        && step_ms.is_none_or(|step_ms| later.1.saturating_sub(earlier.1) <= most_ms(step_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_leads_from_the_furthest_of_those_told_just_before() {
        let mut told = Told::new(Some(60));
        assert!(!told.is_way_back((0, 0), 0.0));
        told.note((0, 0), 10.0);
        told.note((1, 60), 4.0);
        let last = (WAY_BACK_POINTS, 60 * WAY_BACK_POINTS as i64);
        assert!(told.is_way_back(last, 5.0));
        assert!(!told.is_way_back(last, 5.1));
        let next = (last.0 + 1, last.1 + 60);
        assert!(!told.is_way_back(next, 5.0) && told.is_way_back(next, 2.0));
        told.note(next, 6.0);
        // So many points later, or as late as that.
        let late = (next.0 + 1, next.1 + 60 * (WAY_BACK_POINTS as i64 + 1));
        assert!(!told.is_way_back(late, 0.0));
    }

    #[test]
    fn an_incident_goes_on_outside_the_band_until_it_is_back_within() {
        let mut beyond = Beyond::new(Some(60));
        let at = |point: usize| (point, 60 * point as i64);
        assert!(!beyond.next(at(0), false, true));
        assert!(beyond.is_over(at(1)) && beyond.next(at(1), true, true));
        assert!(!beyond.next(at(2), false, false));
        assert!(!beyond.is_over(at(7)) && beyond.next(at(7), false, true));
        assert!(beyond.is_over(at(14)) && !beyond.next(at(14), false, true));
        // For so long at most, so that nothing before it matters.
        assert!(beyond.next(at(100), true, true));
        let held = (101..600).take_while(|point| beyond.next(at(*point), false, true)).count();
        assert_eq!(held, HELD_POINTS - BROKEN_POINTS);
    }

    fn parts(alarms: &[f64], refractory: usize) -> String {
        told(alarms, refractory, None, 1)
    }

    /// The points are `distance_ms` apart.
    fn told(alarms: &[f64], refractory: usize, step_ms: Option<i64>, distance_ms: i64) -> String {
        let mut incidents = Incidents::new(2.0, refractory, step_ms);
        let letter = |told| match told {
            (Part::Quiet, false) => '.',
            (Part::Quiet, true) => 'p',
            (Part::Onset, _) => 'O',
            (Part::Ongoing, _) => 'o',
        };
        let alarms = (0..).zip(alarms);
        alarms.map(|(at, alarm)| letter(incidents.next(at * distance_ms, *alarm, true, false))).collect()
    }

    #[test]
    fn one_event_is_told_once() {
        assert_eq!(parts(&[0.5, 2.5, 2.4, 1.9, 1.0, 2.4, 0.5], 5), "pOo....");
        // Worse than before is news; the same after the refractory time is news again.
        assert_eq!(parts(&[2.1, 1.0, 3.0, 1.0, 1.0, 2.5, 2.9], 3), "O.O...O");
        assert_eq!(parts(&[1.8, 1.9, 1.4], 3), "pp.");
    }

    #[test]
    fn an_incident_is_told_for_an_hour_at_most() {
        let mut alarms = vec![2.4; 20];
        alarms[0] = 2.5;
        assert_eq!(parts(&alarms, 300), format!("O{}{}", "o".repeat(MAX_ONGOING), ".".repeat(7)));
    }

    #[test]
    fn what_lasts_goes_on_but_does_not_begin() {
        let mut incidents = Incidents::new(2.0, 300, None);
        assert_eq!(incidents.next(0, 1.0, true, true).0, Part::Quiet);
        assert_eq!(incidents.next(1, 3.0, true, true).0, Part::Onset);
        assert_eq!(incidents.next(2, 0.5, true, true).0, Part::Ongoing);
        assert_eq!(incidents.next(3, 0.5, true, false).0, Part::Quiet);
        assert_eq!(incidents.next(4, 0.5, true, true).0, Part::Quiet);
    }

    #[test]
    fn the_side_nobody_asked_for_opens_nothing() {
        let mut incidents = Incidents::new(2.0, 3, None);
        assert_eq!(incidents.next(0, 3.0, false, false), (Part::Quiet, true));
        assert_eq!(incidents.next(1, 2.5, true, false), (Part::Quiet, false));
    }

    #[test]
    fn points_far_apart_are_fewer() {
        let alarms = [2.1, 1.0, 2.0, 1.0, 1.0, 2.05, 2.0];
        assert_eq!(told(&alarms, 9, Some(60), 60), "O......");
        assert_eq!(told(&alarms, 9, Some(60), 180), "O....Oo");
    }

    #[test]
    fn nothing_is_remembered_for_longer_than_the_points_named() {
        let mut dice = 1_u64;
        let mut roll = || {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            3.0 * (dice >> 40) as f64 / f64::from(1_u32 << 24)
        };
        let alarms: Vec<f64> = (0..2_000).map(|_| if roll() < 1.5 { roll() } else { 2.0 }).collect();
        for refractory in [0, 1, 7, 50] {
            let whole = parts(&alarms, refractory);
            let run_in = refractory + REMEMBERED_POINTS;
            for begin in 0..1_500 {
                let late = parts(&alarms[begin..begin + run_in + 30], refractory);
                assert_eq!(
                    late[run_in..],
                    whole[begin + run_in..begin + run_in + 30],
                    "{refractory} {begin}"
                );
            }
        }
    }
}
