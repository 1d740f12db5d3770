//! Why a group is flagged, in words.

use super::evidence::What;
use crate::short::Short;

/// A flagged metric among its group.
#[derive(Debug)]
pub(super) struct Story<'a> {
    pub(super) name: &'a str,
    pub(super) value: f64,
    pub(super) expected: f64,
    pub(super) what: What,
    pub(super) is_high: bool,
    /// Name and value of the metric that says most of what is expected.
    pub(super) driver: Option<(&'a str, f64)>,
    /// The other metrics that are flagged, and those that are as usual.
    pub(super) others: Vec<&'a str>,
    pub(super) usual: Vec<&'a str>,
}

/// The most names of a list.
const NAMES: usize = 4;

impl Story<'_> {
    pub(super) fn tell(&self) -> String {
        let Self { name, value, expected, what, is_high, driver, others, usual } = self;
        let side = if *is_high { "high" } else { "low" };
        let state = match what {
            What::Point | What::Jump => format!("is {side}"),
            What::Lasting => format!("stays {side}"),
            What::Stillness => "is frozen".to_owned(),
        };
        let given = match driver {
            Some((driver, at)) => format!(" for {driver} {}", Short(*at)),
            None => " for this time and what was before".to_owned(),
        };
        let mut text = format!("{name} {} {state}{given}: expected {}", Short(*value), Short(*expected));
        for (names, are, is) in
            [(others, "are unusual as well", "is unusual as well"), (usual, "are as usual", "is as usual")]
        {
            if !names.is_empty() {
                text = format!("{text}; {} {}", listed(names), if names.len() == 1 { is } else { are });
            }
        }
        text
    }
}

fn listed(names: &[&str]) -> String {
    let (shown, more) = names.split_at(names.len().min(NAMES));
    if !more.is_empty() {
        return format!("{} and {} more", shown.join(", "), more.len());
    }
    match shown {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => shown.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_names_the_metric_what_drives_it_and_the_rest() {
        let story = |others: &[&'static str], usual: &[&'static str]| Story {
            name: "cpu",
            value: 81.0,
            expected: 31.04,
            what: What::Point,
            is_high: true,
            driver: Some(("requests", 92.0)),
            others: others.to_vec(),
            usual: usual.to_vec(),
        };
        assert_eq!(
            story(&[], &["requests", "memory", "errors"]).tell(),
            "cpu 81 is high for requests 92: expected 31.04; requests, memory and errors are as usual"
        );
        let many =
            Story { what: What::Stillness, driver: None, ..story(&["a"], &["b", "c", "d", "e", "f", "g"]) };
        assert_eq!(
            many.tell(),
            "cpu 81 is frozen for this time and what was before: expected 31.04; a is unusual as well; b, c, d, e and 2 more are as usual"
        );
    }
}
