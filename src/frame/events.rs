//! Flagged points as events: neighbouring ones on the same side are one event, with its worst point's reason.
//!
//! The same rows serve tables and the annotation queries of dashboards, for which the frontend makes annotations of
//! them, and come beside a panel's series as inline annotations. Those a panel draws as they are, with no code of ours
//! or of the annotation queries in between: there `tags` is a list, as the tooltip of every version maps over it,
//! title and text are HTML, and a region says that it is one and has a colour.

use serde_json::{Map, json};
use sha2::{Digest, Sha256};

use super::{Field, Frame, Named, Values};
use crate::detector::Verdict;
use crate::detector::short::Short;
use crate::engine::Detection;

/// Inline annotations have the colour of the flagged points. Grafana 9.4 cannot draw a region that has none.
const COLOUR: &str = "red";

/// An event is drawn as a region if it covers one part in so many of the range that is shown, and as a mark at its
/// beginning otherwise: most versions since 10.3 draw a narrow region without a mark that a pointer could hit.
const REGION_SHARE: i64 = 100;

/// A run of neighbouring points flagged on the same side.
struct Event<'a> {
    named: &'a Named<'a>,
    side: Verdict,
    /// Rows of the first, the last and the most anomalous point.
    first: usize,
    last: usize,
    worst: usize,
}

/// All events of all series by time.
pub(super) fn table(named: &[Named<'_>]) -> Frame {
    let mut meta = Map::new();
    meta.insert("preferredVisualisationType".into(), "table".into());
    Frame { name: "events".to_owned(), meta, fields: fields(&all_events(named)) }
}

/// The events as annotations of the panel they come with, whose range is `shown_ms` long; none if there are none.
pub(super) fn inline_annotations(named: &[Named<'_>], shown_ms: i64) -> Option<Frame> {
    let events = all_events(named);
    if events.is_empty() {
        return None;
    }
    let mut meta = Map::new();
    meta.insert("dataTopic".into(), "annotations".into());
    let is_region = |event: &Event<'_>| {
        event.end() > event.begin() && event.end() - event.begin() >= shown_ms / REGION_SHARE
    };
    let mut fields = fields(&events);
    for field in &mut fields {
        match (field.name.as_str(), &mut field.values) {
            ("title" | "text", Values::Text(texts)) => {
                texts.iter_mut().for_each(|text| *text = escaped(text));
            }
            ("tags", tags) => *tags = Values::List(events.iter().map(Event::tags).collect()),
            _ => {}
        }
    }
    fields.push(Field::new("isRegion", Values::Flag(events.iter().map(is_region).collect())));
    fields.push(Field::new("color", texts(&events, |_| COLOUR.to_owned())));
    Some(Frame { name: "events".to_owned(), meta, fields })
}

/// Text as HTML that shows it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn all_events<'a>(named: &'a [Named<'a>]) -> Vec<Event<'a>> {
    let mut events: Vec<Event<'a>> = named.iter().flat_map(events_of).collect();
    events.sort_by_key(Event::begin);
    events
}

fn events_of<'a>(named: &'a Named<'a>) -> Vec<Event<'a>> {
    let Detection { verdicts, scores, .. } = named.detection;
    let mut events: Vec<Event<'a>> = Vec::new();
    for (row, side) in verdicts.iter().copied().enumerate() {
        if !side.is_outlier() {
            continue;
        }
        match events.last_mut() {
            Some(event) if event.last + 1 == row && event.side == side => {
                event.last = row;
                // As it stands a score that is no number would never be exceeded.
                if scores[row] > scores[event.worst] || scores[event.worst].is_nan() {
                    event.worst = row;
                }
            }
            _ => events.push(Event { named, side, first: row, last: row, worst: row }),
        }
    }
    events
}

impl Event<'_> {
    fn start(&self) -> i64 {
        self.named.detection.series.times[self.first]
    }

    /// When it began: with the first of the points that one of the reasons is about.
    fn begin(&self) -> i64 {
        let abouts = self.named.detection.abouts.range(self.first..=self.last);
        abouts.map(|(_, about)| about.since_ms).min().unwrap_or(i64::MAX).min(self.start())
    }

    fn title(&self) -> String {
        let what = self.named.detection.abouts.get(&self.worst);
        let what = what.map_or(String::new(), |about| format!(" ({})", about.what));
        format!("{}: {} outlier{what}", self.named.title, self.side())
    }

    fn end(&self) -> i64 {
        self.named.detection.series.times[self.last]
    }

    fn side(&self) -> &'static str {
        if self.side == Verdict::Low { "low" } else { "high" }
    }

    fn tags(&self) -> Vec<String> {
        vec!["outlier".to_owned(), self.side().to_owned()]
    }

    /// Stable name: the same event has the same id in every range that shows its beginning.
    fn id(&self) -> String {
        let digest = Sha256::digest(format!("{}\0{}\0{}", self.named.title, self.start(), self.side()));
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    fn text(&self) -> String {
        let reason = self.named.detection.reasons.get(&self.worst).cloned().unwrap_or_default();
        if self.first == self.last {
            return reason;
        }
        let points = self.last - self.first + 1;
        // The most anomalous point is often the first one, where values have not gone far yet.
        let values = &self.named.detection.series.values;
        let extreme = values[self.first..=self.last].iter().copied().fold(
            values[self.worst],
            match self.side {
                Verdict::Low => f64::min,
                _ => f64::max,
            },
        );
        let reached = if extreme == values[self.worst] || extreme.is_nan() {
            String::new()
        } else {
            let way = if self.side == Verdict::Low { "down" } else { "up" };
            format!(", {way} to {}", Short(extreme))
        };
        format!("{reason} ({points} points{reached})")
    }
}

fn times<'a>(events: &[Event<'a>], of: impl Fn(&Event<'a>) -> i64) -> Values {
    Values::Time(events.iter().map(of).collect())
}

fn texts<'a>(events: &[Event<'a>], of: impl Fn(&Event<'a>) -> String) -> Values {
    Values::Text(events.iter().map(of).collect())
}

/// What `of` holds for each event's worst point.
fn numbers(events: &[Event<'_>], of: impl Fn(&Detection) -> &[f64]) -> Values {
    Values::Number(events.iter().map(|event| of(event.named.detection)[event.worst]).collect())
}

fn fields(events: &[Event<'_>]) -> Vec<Field> {
    let shown = |name: &str, title: &str, values: Values| {
        Field::new(name, values).config(json!({"displayNameFromDS": title}))
    };
    let hidden = json!({"custom": {"hidden": true}});
    let unit = common_unit(events).map_or(json!({}), |unit| json!({"unit": unit}));
    let value = numbers(events, |detection| &detection.series.values);
    let expected = numbers(events, |detection| &detection.expected);
    let score = numbers(events, |detection| &detection.scores);
    vec![
        shown("time", "Begin", times(events, Event::begin)),
        shown("timeEnd", "End", times(events, Event::end)),
        shown("title", "Event", texts(events, Event::title)),
        shown("text", "Reason", texts(events, Event::text)).config(json!({"custom": {"width": 480}})),
        // For annotations, and for what tells events apart; tables of people have columns that say more.
        Field::new("tags", texts(events, |event| event.tags().join(","))).config(hidden.clone()),
        Field::new("id", texts(events, Event::id)).config(hidden),
        shown("series", "Series", texts(events, |event| event.named.title.clone())),
        shown("value", "Value", value).config(unit.clone()),
        shown("expected", "Expected", expected).config(unit),
        shown("score", "Score", score).config(json!({"min": 0, "max": 1, "decimals": 3})),
        shown("direction", "Side", texts(events, |event| event.side().to_owned())),
    ]
}

/// The unit of the values, if all events share one.
fn common_unit<'a>(events: &'a [Event<'_>]) -> Option<&'a str> {
    let mut units = events.iter().map(|event| event.named.detection.series.unit.as_deref());
    let first = units.next()??;
    units.all(|unit| unit == Some(first)).then_some(first)
}
