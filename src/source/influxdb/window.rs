//! Which range is asked for, so that no step comes out half full.
//!
//! A step that is still running, or whose end is not asked for, would come out lower than it will be: a false drop. So
//! the range of a query that aggregates begins and ends where a step does, and ends before now.

use crate::query::{DurationMs, MacroValues};
use crate::source::FetchRequest;

/// The steps of a query that aggregates: `[origin_ms + n * length_ms, …)` for every n.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Steps {
    pub(super) length_ms: i64,
    pub(super) origin_ms: i64,
}

impl Steps {
    /// Steps of this length, aligned to the epoch.
    pub(super) fn of(length_ms: i64) -> Self {
        Self { length_ms, origin_ms: 0 }
    }

    fn floor(self, ms: i64) -> i64 {
        ms.saturating_sub(ms.saturating_sub(self.origin_ms).rem_euclid(self.length_ms.max(1)))
    }
}

/// A half-open range of time; empty if its end is not after its begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from_ms: i64,
    /// The instant after the last.
    pub(super) to_ms: i64,
}

impl Window {
    /// The range of `request`, and where steps are aggregated, only whole ones that are over at `now_ms`. Steps longer
    /// than that of the request, which only a text can ask for, are asked for if they begin in the range.
    pub(super) fn of(request: &FetchRequest, steps: Option<Steps>, now_ms: i64) -> Self {
        let (from_ms, to_ms) = (request.range.from_ms, request.range.to_ms.saturating_add(1));
        let Some(steps) = steps else { return Self { from_ms, to_ms } };
        let end = steps.floor(to_ms);
        let begun = steps.length_ms > request.step_ms && end < to_ms;
        let end = if begun { end.saturating_add(steps.length_ms) } else { end };
        Self { from_ms: steps.floor(from_ms), to_ms: end.min(steps.floor(now_ms)) }
    }

    pub(super) fn is_empty(self) -> bool {
        self.to_ms <= self.from_ms
    }

    /// What the macros of all languages stand for.
    pub(super) fn macros(self, request: &FetchRequest) -> MacroValues {
        MacroValues {
            from_ms: self.from_ms,
            to_ms: self.to_ms,
            step_ms: request.step_ms,
            max_data_points: request.max_points(),
        }
    }
}

/// The steps that an InfluxQL text groups by: of `group by …, time(10m, 2m)`, ten minutes and their offset.
pub(super) fn grouped_by_time(text: &str) -> Option<Steps> {
    let lower = text.to_ascii_lowercase();
    let after = ["group by", "group  by", "group\nby", "group\tby"]
        .iter()
        .filter_map(|words| lower.rfind(words).map(|at| at + words.len()))
        .max()?;
    let inner = lower[after..].split_once("time(").or_else(|| lower[after..].split_once("time ("))?.1;
    let (arguments, _) = inner.split_once(')')?;
    let mut durations = arguments.split(',').map(|argument| influx_duration_ms(argument.trim()));
    let length_ms = durations.next()??.max(1);
    Some(Steps { length_ms, origin_ms: durations.next().flatten().unwrap_or(0) })
}

/// A duration as InfluxQL writes it, rounded down to ms: besides Grafana's units, `u`, `µ` and `ns`.
fn influx_duration_ms(text: &str) -> Option<i64> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let small = [("ns", 1_000_000), ("u", 1_000), ("µ", 1_000)];
    let of_small = || {
        let (number, per_ms) = small.iter().find_map(|(unit, per)| Some((text.strip_suffix(unit)?, per)))?;
        Some(number.parse::<i64>().ok()? / per_ms)
    };
    let ms = text.parse::<DurationMs>().ok().map(DurationMs::as_millis).or_else(of_small)?;
    Some(if negative { -ms } else { ms })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::series::TimeRange;

    fn request(from_ms: i64, to_ms: i64, step_ms: i64) -> FetchRequest {
        FetchRequest { range: TimeRange { from_ms, to_ms }, step_ms }
    }

    fn window(from_ms: i64, to_ms: i64) -> Window {
        Window { from_ms, to_ms }
    }

    #[test]
    fn raw_values_are_asked_for_in_the_range_as_it_is() {
        assert_eq!(Window::of(&request(3, 27, 10), None, 5), window(3, 28));
    }

    #[test]
    fn a_step_that_is_running_is_left_out() {
        let steps = Some(Steps::of(10));
        for (to_ms, now_ms, end) in [(29, 100, 30), (28, 100, 20), (30, 100, 30), (29, 29, 20), (29, 30, 30)]
        {
            assert_eq!(Window::of(&request(0, to_ms, 10), steps, now_ms), window(0, end), "{to_ms} {now_ms}");
        }
        assert!(Window::of(&request(20, 25, 10), steps, 100).is_empty());
        assert_eq!(Window::of(&request(-15, -1, 10), steps, 100), window(-20, 0));
    }

    #[test]
    fn longer_steps_are_asked_for_whole_where_they_begin() {
        let steps = Some(Steps { length_ms: 60, origin_ms: 5 });
        assert_eq!(Window::of(&request(60, 69, 10), steps, 1_000), window(5, 125));
        assert_eq!(Window::of(&request(60, 69, 10), steps, 100), window(5, 65));
    }

    #[test]
    fn the_steps_of_a_text_are_found() {
        let steps = |length_ms, origin_ms| Some(Steps { length_ms, origin_ms });
        for (text, expected) in [
            ("SELECT mean(v) FROM m WHERE x GROUP BY time(5m), host fill(null)", steps(300_000, 0)),
            ("select mean(v) from m group by host,TIME(1h30m, -10m)", steps(5_400_000, -600_000)),
            ("select mean(v) from m group  by time(1500u)", steps(1, 0)),
            ("select mean(v) from m group by time(10ns)", steps(1, 0)),
            ("select time, v from m where time(5m) group by host", None),
            ("select v from m", None),
            ("group by time(", None),
            ("group by time(x)", None),
        ] {
            assert_eq!(grouped_by_time(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_step_is_asked_for_whole_or_not_at_all(
            from in -1_000_i64..1_000, length in 0_i64..500, step in 1_i64..50, now in -1_000_i64..2_000
        ) {
            let window = Window::of(&request(from, from + length, step), Some(Steps::of(step)), now);
            prop_assert_eq!(window.from_ms.rem_euclid(step), 0);
            prop_assert_eq!(window.to_ms.rem_euclid(step), 0);
            prop_assert!(window.from_ms <= from && window.to_ms <= now && window.to_ms <= from + length + 1);
            prop_assert!(window.to_ms + step > now.min(from + length + 1), "no whole step is left out");
        }

        #[test]
        fn no_text_panics(text in "\\PC*", times in any::<(i64, i64, i64)>()) {
            let steps = grouped_by_time(&format!("group by time({text})"));
            let _ = Window::of(&request(times.0, times.1, times.2), steps, i64::MAX);
        }
    }
}
