//! From alarms to incidents: one event is told once.
//!
//! A point opens an incident if its alarm is above the threshold and above every alarm of the refractory time before
//! it. The points that follow belong to the incident for as long as their alarm stays above the threshold, but not for
//! long. What comes after within the refractory time, and is no worse, is the same event and stays silent.

use std::collections::VecDeque;

/// Points after the onset that belong to an incident at most.
pub(super) const MAX_ONGOING: usize = 12;

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
    point: usize,
    /// Points and alarms of the refractory time that no later one exceeds; falling.
    peaks: VecDeque<(usize, f64)>,
    open_since: Option<usize>,
}

impl Incidents {
    /// `threshold` in the unit of the alarms, `refractory` in points.
    pub(super) fn new(threshold: f64, refractory: usize) -> Self {
        Self { threshold, refractory, point: 0, peaks: VecDeque::new(), open_since: None }
    }

    /// The part of the next point, and whether it is the highest alarm for the refractory time. `wanted` says whether it
    /// may be told, `lasts` whether it goes on what has begun, however low the alarm.
    pub(super) fn next(&mut self, alarm: f64, wanted: bool, lasts: bool) -> (Part, bool) {
        let point = self.point;
        self.point += 1;
        while self.peaks.front().is_some_and(|(at, _)| at + self.refractory < point) {
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
        } else if self.open_since.is_some_and(|onset| holds && point - onset <= MAX_ONGOING) {
            Part::Ongoing
        } else {
            self.open_since = None;
            Part::Quiet
        };
        (part, is_peak)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(alarms: &[f64], refractory: usize) -> String {
        let mut incidents = Incidents::new(2.0, refractory);
        let letter = |told| match told {
            (Part::Quiet, false) => '.',
            (Part::Quiet, true) => 'p',
            (Part::Onset, _) => 'O',
            (Part::Ongoing, _) => 'o',
        };
        alarms.iter().map(|alarm| letter(incidents.next(*alarm, true, false))).collect()
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
        let mut incidents = Incidents::new(2.0, 300);
        assert_eq!(incidents.next(1.0, true, true).0, Part::Quiet);
        assert_eq!(incidents.next(3.0, true, true).0, Part::Onset);
        assert_eq!(incidents.next(0.5, true, true).0, Part::Ongoing);
        assert_eq!(incidents.next(0.5, true, false).0, Part::Quiet);
        assert_eq!(incidents.next(0.5, true, true).0, Part::Quiet);
    }

    #[test]
    fn the_side_nobody_asked_for_opens_nothing() {
        let mut incidents = Incidents::new(2.0, 3);
        assert_eq!(incidents.next(3.0, false, false), (Part::Quiet, true));
        assert_eq!(incidents.next(2.5, true, false), (Part::Quiet, false));
    }
}
