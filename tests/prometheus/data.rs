//! The series that the server is given, in the form its own tool imports.

use std::fmt::Write as _;

/// A whole number of hours, and so of every step here.
pub(crate) const BEGIN_MS: i64 = 1_700_000_400_000 / 3_600_000 * 3_600_000;
/// Two hours with a sample every 15 s.
pub(crate) const HOURS: (i64, i64) = (BEGIN_MS, BEGIN_MS + 2 * 3_600_000);
pub(crate) const SCRAPE_MS: i64 = 15_000;
/// Samples lie this long after a multiple of the scrape interval, so that none is on the boundary of a step.
pub(crate) const OFFSET_MS: i64 = 7_123;
/// Twenty days with a sample every minute: more evaluations than Prometheus gives in one answer.
pub(crate) const DAYS: (i64, i64) = (BEGIN_MS - 20 * 86_400_000, BEGIN_MS);
pub(crate) const MINUTE_MS: i64 = 60_000;

/// A value of a label with everything that quoting could get wrong.
pub(crate) const NASTY: &str = "a\"}b\\c'd`e\nf{g|h.*ü";

/// The samples of `load{host="web-1"}`: not one of them is a short number in binary.
pub(crate) fn load(index: i64) -> f64 {
    (index as f64 * 0.1).sin() * 1e3 + 1.0 / 3.0
}

/// The samples of `weeks`.
pub(crate) fn weeks(index: i64) -> f64 {
    (index as f64 * std::f64::consts::TAU / 1_440.0).cos() * 100.0 + (index % 7) as f64 / 7.0
}

/// Times and values of `load`, in the hours.
pub(crate) fn load_samples() -> impl Iterator<Item = (i64, f64)> {
    let count = (HOURS.1 - HOURS.0) / SCRAPE_MS;
    (0..count).map(|index| (HOURS.0 + index * SCRAPE_MS + OFFSET_MS, load(index)))
}

/// The newest ten minutes and the ten to come, a sample every 15 s, all of value 1.
fn fresh(now_ms: i64) -> impl Iterator<Item = i64> {
    let begin_ms = now_ms / 60_000 * 60_000 - 600_000;
    (0..80).map(move |index| begin_ms + index * SCRAPE_MS + OFFSET_MS)
}

pub(crate) fn openmetrics() -> String {
    let mut text = String::from("# TYPE load gauge\n");
    let seconds = |ms: i64| format!("{}.{:03}", ms / 1_000, ms % 1_000);
    let nasty = NASTY.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    for (ms, value) in load_samples() {
        writeln!(text, "load{{host=\"web-1\",job=\"api\"}} {value} {}", seconds(ms)).unwrap();
    }
    for (ms, value) in load_samples() {
        writeln!(text, "load{{host=\"{nasty}\",job=\"api\"}} {} {}", value + 1.0, seconds(ms)).unwrap();
    }
    text += "# TYPE requests counter\n";
    for host in ["web-1", "web-2"] {
        for (index, (ms, _)) in load_samples().enumerate() {
            writeln!(text, "requests_total{{host=\"{host}\",job=\"api\"}} {} {}", index * 30, seconds(ms))
                .unwrap();
        }
    }
    text += "# TYPE odd gauge\n";
    for (ms, value) in [(0, "1"), (60_000, "NaN"), (120_000, "+Inf"), (180_000, "-Inf"), (240_000, "2")] {
        writeln!(text, "odd {value} {}", seconds(BEGIN_MS + ms)).unwrap();
    }
    text += "# TYPE weeks gauge\n";
    for index in 0..(DAYS.1 - DAYS.0) / MINUTE_MS {
        writeln!(text, "weeks {} {}", weeks(index), seconds(DAYS.0 + index * MINUTE_MS)).unwrap();
    }
    text += "# TYPE fresh gauge\n";
    for ms in fresh(chrono::Utc::now().timestamp_millis()) {
        writeln!(text, "fresh 1 {}", seconds(ms)).unwrap();
    }
    text + "# EOF\n"
}
