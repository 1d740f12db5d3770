//! From alarms to incidents: one event is told once.
//!
//! A point opens an incident if its alarm is above the threshold and above every alarm of the refractory time before
//! it. The points that follow belong to the incident for as long as their alarm stays near the threshold. What comes
//! after within the refractory time, and is no worse, is the same event and stays silent.

use std::collections::VecDeque;

/// Share of the threshold that keeps an incident open.
const HOLD: f64 = 0.8;

/// What an alarm is in the course of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Nothing, or more of what has been told.
    Quiet,
    /// The highest alarm for the refractory time, but below the threshold or on the wrong side.
    Peak,
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
    point: usize,
    /// Points and alarms of the refractory time that no later one exceeds; falling.
    peaks: VecDeque<(usize, f64)>,
    open_since: Option<usize>,
}

/// Alarms below this are ordinary and no peak.
pub(super) const ORDINARY: f64 = 1.85;

impl Incidents {
    /// `threshold` in the unit of the alarms, `refractory` in points.
    pub(super) fn new(threshold: f64, refractory: usize) -> Self {
        Self { threshold, refractory, point: 0, peaks: VecDeque::new(), open_since: None }
    }

    /// The part of the next point; `wanted` says whether its side may be told.
    pub(super) fn next(&mut self, alarm: f64, wanted: bool) -> Part {
        let point = self.point;
        self.point += 1;
        while self.peaks.front().is_some_and(|(at, _)| at + self.refractory < point) {
            self.peaks.pop_front();
        }
        let peak = self.peaks.front().map_or(0.0, |(_, peak)| *peak);
        while self.peaks.back().is_some_and(|(_, below)| *below <= alarm) {
            self.peaks.pop_back();
        }
        self.peaks.push_back((point, alarm));

        let is_peak = alarm > peak && alarm >= ORDINARY;
        if is_peak && alarm >= self.threshold && wanted {
            self.open_since = Some(point);
            return Part::Onset;
        }
        let holds = alarm >= HOLD * self.threshold && wanted;
        if self.open_since.is_some_and(|onset| holds && point - onset <= self.refractory) {
            return Part::Ongoing;
        }
        self.open_since = None;
        if is_peak { Part::Peak } else { Part::Quiet }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(alarms: &[f64], refractory: usize) -> String {
        let mut incidents = Incidents::new(2.0, refractory);
        let letter = |part| match part {
            Part::Quiet => '.',
            Part::Peak => 'p',
            Part::Onset => 'O',
            Part::Ongoing => 'o',
        };
        alarms.iter().map(|alarm| letter(incidents.next(*alarm, true))).collect()
    }

    #[test]
    fn one_event_is_told_once() {
        assert_eq!(parts(&[0.5, 2.5, 2.4, 1.7, 1.0, 2.4, 0.5], 5), ".Ooo...");
        // Worse than before is news; the same after the refractory time is news again.
        assert_eq!(parts(&[2.1, 1.0, 3.0, 1.0, 1.0, 2.5, 2.9], 3), "O.O...O");
        assert_eq!(parts(&[ORDINARY, ORDINARY + 0.1, 1.4], 3), "pp.");
    }

    #[test]
    fn an_incident_ends_with_the_refractory_time_at_the_latest() {
        assert_eq!(parts(&[2.5, 2.4, 2.4, 2.4, 2.4], 3), "Oooo.");
    }

    #[test]
    fn the_side_nobody_asked_for_opens_nothing() {
        let mut incidents = Incidents::new(2.0, 3);
        assert_eq!(incidents.next(3.0, false), Part::Peak);
        assert_eq!(incidents.next(2.5, true), Part::Quiet);
    }
}
