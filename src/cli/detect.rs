//! `outrider detect`: the verdict on every row of one file.
//!
//! Rows are the points of one query; a column besides `timestamp` and `value` tells series apart. Rows may be in any
//! order and repeat a time: each gets the verdict of its series at its time, where the last row of that time counts.

use std::collections::HashMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::blocks::{self, RowVerdict};
use super::parallel::{Threads, progress_bar};
use super::table::{Layout, Output, Row, Table, Width, number};
use super::wide::{self, Together};
use super::{DetectorArguments, parse_query};
use crate::error::{Category, Error, Result, list_names};
use crate::query::{Query, RULES};
use crate::series::{Labels, Series};
use crate::source::TimeFormat;

/// Judge every row of a CSV file.
///
/// Reads the columns timestamp (s, ms, µs or ns since the epoch, or ISO 8601; UTC where it names no zone) and value, or
/// those that are named or are like them, as in Grafana's own export; every other column is a label that tells series
/// apart, but for a column "label" of 0 and 1, which is never looked at (see --joint for files with a column a metric). Writes timestamp,value,score,flag,expected,lower,upper,reason: one row for every row read, in their order.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The file to read.
    file: PathBuf,
    #[command(flatten)]
    detector: DetectorArguments,
    /// History a point is judged by; ends where the point's block begins [default: what suits the detector].
    #[arg(long, value_name = "DURATION")]
    train: Option<String>,
    /// Length of a block, all points of which are judged by the same model [default: what suits the detector].
    #[arg(long, value_name = "DURATION")]
    refit: Option<String>,
    /// Learn from the window before each block, or from all the rows that are judged.
    #[arg(long, value_enum, default_value_t, conflicts_with_all = ["train", "refit"])]
    training: TrainingChoice,
    /// Which side of the expected value may be flagged.
    #[arg(long, value_enum, default_value_t)]
    direction: DirectionChoice,
    /// Rules as JSON, named as in a saved query: '{"minDeviation": {"absolute": 5}, "mute": ["Sun 02:00-04:00"]}'.
    #[arg(long, value_name = "JSON")]
    rules: Option<String>,
    /// How numbers in the column timestamp are meant; by their size if left out.
    #[arg(long, value_enum, default_value_t)]
    time_unit: TimeUnit,
    /// What separates cells: one character, or "tab" [default: what the file shows].
    #[arg(long, value_name = "CHARACTER", value_parser = separator)]
    separator: Option<u8>,
    /// Name of the column of times [default: timestamp, or time, datetime, date].
    #[arg(long, value_name = "NAME")]
    time_column: Option<String>,
    /// Name of the column of values [default: value, or the only other column].
    #[arg(long, value_name = "NAME")]
    value_column: Option<String>,
    /// Names of the columns that tell series apart, with commas between; "" for none [default: all that are left].
    #[arg(long, value_name = "NAMES")]
    label_columns: Option<String>,
    /// Also write the input's other columns, after the eight.
    #[arg(long)]
    keep_columns: bool,
    /// Judge the columns together, one verdict a row: every column but timestamp and label is a metric, and the detector is
    /// joint. Writes timestamp,score,flag,reason and for each metric what it contributes to the score.
    #[arg(long, conflicts_with_all = ["value_column", "label_columns", "keep_columns"])]
    joint: bool,
    #[command(flatten)]
    threads: Threads,
    /// The file to write; stdout if left out.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum TrainingChoice {
    #[default]
    Window,
    VisibleRange,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum DirectionChoice {
    #[default]
    Both,
    High,
    Low,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum TimeUnit {
    #[default]
    Auto,
    S,
    Ms,
    Us,
    Ns,
}

impl From<TimeUnit> for TimeFormat {
    fn from(unit: TimeUnit) -> Self {
        match unit {
            TimeUnit::Auto => Self::Auto,
            TimeUnit::S => Self::S,
            TimeUnit::Ms => Self::Ms,
            TimeUnit::Us => Self::Us,
            TimeUnit::Ns => Self::Ns,
        }
    }
}

fn separator(text: &str) -> std::result::Result<u8, String> {
    match text.as_bytes() {
        _ if text.eq_ignore_ascii_case("tab") => Ok(b'\t'),
        [one] if one.is_ascii() && !one.is_ascii_alphanumeric() && !matches!(one, b'"' | b'\n' | b'\r') => {
            Ok(*one)
        }
        _ => Err("give one character, such as ';', or the word tab".to_owned()),
    }
}

const COLUMNS: [&str; 8] = ["timestamp", "value", "score", "flag", "expected", "lower", "upper", "reason"];

/// Reads, judges and writes.
///
/// # Errors
/// Wrong arguments, a file that cannot be read, understood or written.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let query = query(arguments)?;
    let layout = Layout {
        times: arguments.time_unit.into(),
        separator: arguments.separator,
        time_column: arguments.time_column.clone(),
        value_column: arguments.value_column.clone(),
        width: if arguments.joint { Width::Wide } else { Width::Narrow },
    };
    let table = Table::read(&arguments.file, &layout)?;
    if arguments.joint {
        return run_joint(arguments, &query, &table);
    }
    let is_label = label_columns(&table, arguments)?;
    let (series_of_row, panel) = split(&table, &is_label, &arguments.file.display().to_string());
    let times: Vec<i64> = table.rows.iter().map(|row| row.time).collect();
    let verdicts = judge(&query, &times, &series_of_row, &panel, &arguments.threads)?;
    let points = panel.iter().map(Series::len).sum();
    for remark in remarks(table.rows.len(), points, &verdicts) {
        eprintln!("outrider: {remark}");
    }

    let mut header = COLUMNS.to_vec();
    if arguments.keep_columns {
        header.extend(table.other_columns.iter().map(String::as_str));
    }
    let mut output = Output::create(arguments.out.as_deref(), &header)?;
    for (row, verdict) in table.rows.iter().zip(verdicts) {
        let kept = if arguments.keep_columns { row.others.as_slice() } else { &[] };
        output.write(cells(row, verdict).iter().chain(kept))?;
    }
    output.finish()
}

/// Judges the columns of a wide file together, and writes one verdict a row.
fn run_joint(arguments: &Arguments, query: &Query, table: &Table) -> Result<()> {
    let metrics = wide::metrics(table, &arguments.file.display().to_string())?;
    let panel: Vec<Series> = metrics
        .iter()
        .map(|metric| {
            Series::from_points(metric.name.clone(), metric.labels.clone(), metric.points.clone()).0
        })
        .collect();
    // The verdicts on all rows of the first metric, then those of the next.
    let series_of_row: Vec<usize> =
        (0..table.rows.len() * panel.len()).map(|cell| cell / table.rows.len()).collect();
    let times: Vec<i64> = panel.iter().flat_map(|_| table.rows.iter().map(|row| row.time)).collect();
    let verdicts = judge(query, &times, &series_of_row, &panel, &arguments.threads)?;
    let remarks = remarks(table.rows.len(), panel.first().map_or(0, Series::len), &verdicts);
    for remark in remarks {
        eprintln!("outrider: {remark}");
    }
    let mut header: Vec<String> = ["timestamp", "score", "flag", "reason"].map(str::to_owned).into();
    header.extend(panel.iter().map(|metric| format!("contribution_{}", metric.name)));
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let mut output = Output::create(arguments.out.as_deref(), &header)?;
    for (index, row) in table.rows.iter().enumerate() {
        let of_row = || verdicts[index..].iter().step_by(table.rows.len());
        let Together { score, is_flagged, reason } = Together::of(of_row());
        let flag = u8::from(is_flagged).to_string();
        let cells = [row.timestamp.clone(), number(score), flag, reason.to_owned()];
        output.write(cells.into_iter().chain(of_row().map(|metric| number(metric.score))))?;
    }
    output.finish()
}

fn query(arguments: &Arguments) -> Result<Query> {
    let detector = arguments.detector.to_json()?;
    let is_other = detector.get("kind").is_some_and(|kind| kind != wide::KIND);
    if arguments.joint && is_other {
        let message = format!("--joint is for the detector {}, and another one is named", wide::KIND);
        return Err(Error::new(Category::Query, message).hint("leave --detector out"));
    }
    let mut query = json!({
        "detector": if arguments.joint { wide::detector(detector) } else { detector },
        "direction": match arguments.direction {
            DirectionChoice::Both => "both",
            DirectionChoice::High => "high",
            DirectionChoice::Low => "low",
        },
        "training": match arguments.training {
            TrainingChoice::Window => "window",
            TrainingChoice::VisibleRange => "visible-range",
        },
    });
    for (name, given) in [("trainingWindow", &arguments.train), ("refitInterval", &arguments.refit)] {
        if let Some(duration) = given {
            query[name] = Value::from(duration.as_str());
        }
    }
    for (name, rule) in rules(arguments.rules.as_deref().unwrap_or("{}"))? {
        query[name] = rule;
    }
    parse_query(&query)
}

/// The rules of a text, each of which exists.
fn rules(text: &str) -> Result<Map<String, Value>> {
    let rules: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
        Error::new(Category::Query, format!("--rules is no JSON object: {error}"))
            .hint("write it like '{\"minPoints\": 3}'")
    })?;
    match rules.keys().find(|name| !RULES.contains(&name.as_str())) {
        None => Ok(rules),
        Some(unknown) => Err(Error::new(Category::Query, format!("there is no rule {unknown}"))
            .hint(format!("the rules are {}", list_names(RULES)))),
    }
}

/// What people should know of so many `rows`, which have `points` different times in their series, beside the verdicts.
fn remarks(rows: usize, points: usize, verdicts: &[RowVerdict]) -> Vec<String> {
    let mut remarks = Vec::new();
    // A series has one point a time.
    let repeated = rows - points;
    if repeated > 0 {
        remarks.push(format!(
            "{repeated} of {rows} rows have the time of a later row of their series, which counts in their place; times are kept \
             in whole milliseconds"
        ));
    }
    if rows == 0 {
        remarks.push("nothing was judged: the file has no rows".to_owned());
    } else if verdicts.iter().all(|verdict| verdict.score.is_nan()) {
        remarks.push(
            "nothing was judged: no row has enough history before its block; give a shorter --train and --refit, or \
             --training visible-range"
                .to_owned(),
        );
    }
    remarks
}

/// Which of the other columns tell series apart.
///
/// # Errors
/// [`Category::Query`] if one that is named does not exist.
fn label_columns(table: &Table, arguments: &Arguments) -> Result<Vec<bool>> {
    let columns = 0..table.other_columns.len();
    let Some(names) = &arguments.label_columns else {
        return Ok(columns.map(|column| !table.is_truth(column)).collect());
    };
    let named: Vec<&str> = names.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if let Some(unknown) = named.iter().find(|name| !table.other_columns.iter().any(|column| column == *name))
    {
        let message = format!("--label-columns: there is no other column \"{unknown}\"");
        let there_are = list_names(table.other_columns.iter().map(String::as_str));
        return Err(Error::new(Category::Query, message).hint(format!("the other columns are: {there_are}")));
    }
    Ok(columns.map(|column| named.contains(&table.other_columns[column].as_str())).collect())
}

/// The series the rows belong to: which one each row is of, and the series themselves.
fn split(table: &Table, is_label: &[bool], file: &str) -> (Vec<usize>, Vec<Series>) {
    let mut known: HashMap<Vec<&str>, usize> = HashMap::new();
    let mut series_of_row = Vec::with_capacity(table.rows.len());
    let mut points: Vec<(Labels, Vec<(i64, f64)>)> = Vec::new();
    for row in &table.rows {
        let labelled = || table.other_columns.iter().zip(&row.others).zip(is_label).filter(|(_, is)| **is);
        let key = labelled().map(|((_, value), _)| value.as_str()).collect();
        let number = *known.entry(key).or_insert_with(|| {
            let labels = labelled().map(|((name, value), _)| (name.clone(), value.clone())).collect();
            points.push((labels, Vec::new()));
            points.len() - 1
        });
        series_of_row.push(number);
        points[number].1.push((row.time, row.value));
    }
    let series = points.into_iter().map(|(labels, points)| {
        let named: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let name = if named.is_empty() { file.to_owned() } else { named.join(", ") };
        Series::from_points(name, labels, points).0
    });
    let series = series.collect();
    (series_of_row, series)
}

fn judge(
    query: &Query,
    times: &[i64],
    series_of_row: &[usize],
    panel: &[Series],
    threads: &Threads,
) -> Result<Vec<RowVerdict>> {
    let settled = blocks::settle(query)?;
    let spans = settled.spans(times.iter().copied());
    let span_of = |time: i64| spans.partition_point(|span| span.to_ms < time);
    let bar = progress_bar(spans.len() as u64, "parts");
    let judged = threads.map(spans.clone(), &bar, |_| 1, |span| blocks::judge_span(&settled, panel, span));
    let judged = judged.into_iter().collect::<Result<Vec<_>, Error>>()?;
    if let Some(notice) = judged.iter().flat_map(|span| &span.notices).next() {
        eprintln!("outrider: {notice}");
    }
    let verdict = |(time, series): (&i64, &usize)| judged[span_of(*time)].at(*series, *time);
    Ok(times.iter().zip(series_of_row).map(verdict).collect())
}

fn cells(row: &Row, verdict: RowVerdict) -> [String; 8] {
    let RowVerdict { verdict, score, expected, lower, upper, reason } = verdict;
    let flag = u8::from(verdict.is_outlier()).to_string();
    let (timestamp, value) = (row.timestamp.clone(), row.value_text.clone());
    [timestamp, value, number(score), flag, number(expected), number(lower), number(upper), reason]
}
