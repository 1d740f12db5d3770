//! What the user should know besides the verdicts, in words.

use std::collections::BTreeSet;

use super::Detection;
use super::grid::Line;
use super::judge::Verdicts;
use super::settle::Part;
use super::work::Work;
use crate::error::list_names;
use crate::query::{DurationMs, Transform};
use crate::series::looks_like_counter;

/// What the way in which the upstream is asked means for the user.
pub(super) fn reading_notices(work: &Work) -> Vec<String> {
    let whole = work.reading.whole.as_ref().map(|why| {
        format!(
            "the query holds {why}: its points depend on the time range that is asked for. All of it is asked for at \
             every refresh, training included, and in another time range the same point may have another value and \
             another verdict"
        )
    });
    let of_source = (work.reading.settle_ms > work.own_settle_ms).then(|| {
        format!(
            "the newest {} are left out, because {}",
            DurationMs::from_millis(work.reading.settle_ms),
            work.reading.settle_why
        )
    });
    whole.into_iter().chain(of_source).collect()
}

/// One notice for all series that were probably meant as rates.
pub(super) fn counter_notice(work: &Work, parts: &[Part], lines: &[Line]) -> Option<String> {
    if work.transform != Transform::None {
        return None;
    }
    let of_part = |part: &'_ Part| -> Vec<usize> {
        let Some(last) = part.blocks.last() else { return Vec::new() };
        let is_counter = |line: &Line| {
            let training = line.series.index_range(last.train_from, last.train_to);
            looks_like_counter(&line.series.values[training])
        };
        (0..lines.len()).filter(|line| !part.shown[*line].is_empty() && is_counter(&lines[*line])).collect()
    };
    let newest = parts.iter().filter(|part| part.range.to_ms == work.visible.to_ms);
    let counters: BTreeSet<usize> = newest.flat_map(of_part).collect();
    let first = &lines[*counters.first()?];
    let (name, others) = (&first.series.name, and_more(counters.len() - 1));
    Some(format!(
        "series \"{name}\"{others} looks like a counter, which only rises: set transform to rate to see how fast, and to judge that \
         with detectors other than auto"
    ))
}

fn and_more(others: usize) -> String {
    match others {
        0 => String::new(),
        more => format!(" (and {more} more series)"),
    }
}

pub(super) fn unknown_options_notice<'a>(unknown: impl Iterator<Item = &'a String>) -> Option<String> {
    let names: Vec<&str> = unknown.map(String::as_str).collect();
    (!names.is_empty()).then(|| {
        format!("unknown options are ignored: {}; correct their spelling or remove them", list_names(names))
    })
}

/// What to say of no series at all, which upstreams answer to names that do not exist as well as to quiet times.
pub(super) fn nothing_notice(lines: &[Line]) -> Option<String> {
    lines.is_empty().then(|| {
        "the upstream has no points for this query in this time; if there should be some, check the names and filters in it"
            .to_owned()
    })
}

/// One notice for all series that could not be judged throughout, and one for those in which nothing could be flagged.
pub(super) fn shortage_notices(judged: &[Verdicts]) -> impl Iterator<Item = String> {
    let notice = |why: fn(&Verdicts) -> Option<&String>, what: &str| {
        let mut short = judged.iter().filter_map(|verdicts| Some((verdicts, why(verdicts)?)));
        let (first, why) = short.next()?;
        let (name, others) = (&first.detection.series.name, and_more(short.count()));
        Some(format!(
            "part of series \"{name}\"{others} is {what}: {why}; lengthen trainingWindow or wait for more data"
        ))
    };
    let unjudged = notice(|verdicts| verdicts.shortage.as_ref(), "not judged");
    let unflagged = notice(|verdicts| verdicts.unflagged.as_ref(), "scored but not yet flagged");
    unjudged.into_iter().chain(unflagged)
}

/// How much higher than the usual series score that of a series is that is named for it.
const NAMED_ABOVE: f64 = 1.5;

/// Names the series with the highest series score, if it is well above the middle one and points of it are flagged.
pub(super) fn unlike_notice(judged: &[Verdicts]) -> Option<String> {
    let mut scored: Vec<(f64, &Detection)> = judged
        .iter()
        .filter_map(|verdicts| Some((verdicts.detection.series_score()?, &verdicts.detection)))
        .collect();
    scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let ((score, most), others) = scored.split_first()?;
    let (next, _) = others.first()?;
    let (middle, _) = scored[scored.len() / 2];
    (*score >= NAMED_ABOVE * middle && !most.reasons.is_empty()).then(|| {
        format!(
            "series \"{}\" is most unlike its group: its series score is {score:.2}, the next {next:.2}; set output to \
             series for a table of all",
            most.series.name
        )
    })
}
