//! `outrider plot`: one file and the verdicts on it as a picture.
//!
//! Drawn are the values with the normal band, labelled outliers as a shade behind them, flagged rows as dots, and the
//! score below. Long files are thinned so that extremes and flags stay.

use std::collections::HashSet;
use std::path::PathBuf;

use chrono::DateTime;
use clap::Args;

use super::drawing::{self, Area, Scale, WIDTH};
use super::table::{Layout, Table};
use crate::error::{Category, Error, Result};
use crate::series::thin;

/// Draw a CSV file and the verdicts on it as SVG.
///
/// Takes what `outrider detect` wrote; or a file with timestamp, value and perhaps label, and with --scores what
/// `outrider quality` wrote for it.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The file to draw.
    file: PathBuf,
    /// File with the columns score and flag for each row of it; the file's own columns if left out.
    #[arg(long, value_name = "FILE")]
    scores: Option<PathBuf>,
    /// Line above the picture; the file's name if left out.
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// The picture to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

const HEIGHT: f64 = 300.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 40.0;
/// Lower edge of the values, and the ends of the score's strip below them.
const VALUES_BOTTOM: f64 = 212.0;
const SCORE_TOP: f64 = 228.0;
const SCORE_BOTTOM: f64 = 268.0;
/// How many points a line is drawn through, flags not counted.
const LINE_POINTS: usize = 900;

/// What is drawn; all vectors are as long as `times`.
struct Picture {
    title: String,
    times: Vec<i64>,
    values: Vec<f64>,
    lower: Vec<f64>,
    upper: Vec<f64>,
    scores: Vec<f64>,
    flags: Vec<bool>,
    labels: Vec<bool>,
}

/// Reads, draws and writes.
///
/// # Errors
/// Files that cannot be read, understood or written, or do not belong together.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let picture = read(arguments)?;
    std::fs::write(&arguments.out, draw(&picture)).map_err(|error| {
        Error::new(Category::Query, format!("{}: cannot be written: {error}", arguments.out.display()))
            .hint("check path, rights and space")
    })
}

fn read(arguments: &Arguments) -> Result<Picture> {
    let table = Table::read(&arguments.file, &Layout::default())?;
    let wrong = |what: String| Error::new(Category::Query, format!("{}: {what}", arguments.file.display()));
    let rows = table.rows.len();
    if rows == 0 {
        return Err(wrong("holds no rows".into()).hint("give a file with at least one row"));
    }
    let nothing = || vec![f64::NAN; rows];
    let column = |name: &str| table.numbers(name).unwrap_or_else(nothing);
    let (scores, flags) = match &arguments.scores {
        None => (column("score"), column("flag")),
        Some(path) => {
            let judged = Table::read(path, &Layout::of_value("score"))?;
            if judged.rows.len() != rows {
                return Err(wrong(format!(
                    "has {rows} rows, and {} has {}",
                    path.display(),
                    judged.rows.len()
                ))
                .hint("give the scores of this very file"));
            }
            let scores = judged.rows.iter().map(|row| row.value).collect();
            (scores, judged.numbers("flag").unwrap_or_else(nothing))
        }
    };
    let is_one = |numbers: Vec<f64>| numbers.into_iter().map(|number| number == 1.0).collect();
    Ok(Picture {
        title: arguments
            .title
            .clone()
            .unwrap_or_else(|| arguments.file.file_stem().unwrap_or_default().to_string_lossy().into_owned()),
        times: table.rows.iter().map(|row| row.time).collect(),
        values: table.rows.iter().map(|row| row.value).collect(),
        lower: column("lower"),
        upper: column("upper"),
        scores,
        flags: is_one(flags),
        labels: is_one(column("label")),
    })
}

fn score_y(score: f64) -> f64 {
    SCORE_BOTTOM - (SCORE_BOTTOM - SCORE_TOP) * score.clamp(0.0, 1.0)
}

fn draw(picture: &Picture) -> String {
    let area = Area { left: LEFT, right: WIDTH - RIGHT, top: TOP, bottom: VALUES_BOTTOM };
    let scale = Scale::new(area, picture.times.iter().copied(), picture.values.iter().copied());
    let mut svg = String::new();
    drawing::begin(&mut svg, HEIGHT, 11);
    drawing::draw_ground(&mut svg, HEIGHT, 13, &picture.title);
    shade_labels(&mut svg, &scale, picture);
    axes(&mut svg, &scale);
    band(&mut svg, &scale, picture);
    line(&mut svg, drawing::VALUES, &scale, &picture.times, &picture.values, |value| scale.y(value));
    line(&mut svg, "#b877d9", &scale, &picture.times, &picture.scores, score_y);
    let mut drawn = HashSet::new();
    for row in (0..picture.times.len()).filter(|row| picture.flags[*row]) {
        let (x, y) = (scale.x(picture.times[row]), scale.y(picture.values[row]));
        // A dot that hides another one is enough for both.
        if !y.is_nan() && drawn.insert((x.round() as i64, y.round() as i64)) {
            drawing::draw_dot(&mut svg, 3, x, y);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// A shade behind each run of rows that are labelled as outliers, at least one pixel wide.
fn shade_labels(svg: &mut String, scale: &Scale, picture: &Picture) {
    let mut row = 0;
    while row < picture.labels.len() {
        let length = picture.labels[row..].iter().take_while(|label| **label).count();
        if length > 0 {
            let (left, right) = (scale.x(picture.times[row]), scale.x(picture.times[row + length - 1]));
            let (left, width) = (left.min(right), (right - left).abs().max(1.0));
            let height = SCORE_BOTTOM - TOP;
            drawing::put(
                svg,
                &format!(
                    "<rect x=\"{left:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\" fill=\"#ff9830\" fill-opacity=\"0.3\"/>"
                ),
            );
        }
        row += length.max(1);
    }
}

fn axes(svg: &mut String, scale: &Scale) {
    scale.draw_levels(svg);
    scale.draw_level(svg, score_y(0.0), "0");
    scale.draw_level(svg, score_y(1.0), "score 1");
    let times = [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| {
        let time = scale.from.saturating_add((scale.to.saturating_sub(scale.from) as f64 * share) as i64);
        let text = DateTime::from_timestamp_millis(time).map(|time| time.format("%Y-%m-%d %H:%M"));
        (time, text.map(|text| text.to_string()).unwrap_or_default())
    });
    scale.draw_times(svg, HEIGHT - 12.0, &times);
}

/// The normal band, where rows have both ends of it.
fn band(svg: &mut String, scale: &Scale, picture: &Picture) {
    let drawn = thin(&picture.values, LINE_POINTS, |_| false);
    let has_band = |row: &usize| picture.lower[*row].is_finite() && picture.upper[*row].is_finite();
    for run in drawn.chunk_by(|a, b| has_band(a) == has_band(b)).filter(|run| has_band(&run[0])) {
        let ends = |row: &usize| (picture.times[*row], picture.lower[*row], picture.upper[*row]);
        scale.draw_band(svg, &run.iter().map(ends).collect::<Vec<_>>());
    }
}

/// A line through the values, broken at gaps.
fn line(
    svg: &mut String,
    colour: &str,
    scale: &Scale,
    times: &[i64],
    values: &[f64],
    y: impl Fn(f64) -> f64,
) {
    let drawn = thin(values, LINE_POINTS, |_| false);
    let is_gap = |row: &usize| !values[*row].is_finite();
    for run in drawn.chunk_by(|a, b| is_gap(a) == is_gap(b)).filter(|run| !is_gap(&run[0])) {
        drawing::draw_line(svg, colour, run.iter().map(|row| (scale.x(times[*row]), y(values[*row]))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(values: Vec<f64>) -> Picture {
        let rows = values.len();
        let flags = values.iter().map(|value| *value > 100.0).collect();
        Picture {
            title: "a < b & c".into(),
            times: (0..rows as i64).map(|row| row * 60_000).collect(),
            lower: vec![f64::NAN; rows],
            upper: vec![f64::NAN; rows],
            scores: vec![0.5; rows],
            labels: (0..rows).map(|row| (10..20).contains(&row)).collect(),
            flags,
            values,
        }
    }

    #[test]
    fn every_flag_is_a_dot_however_long_the_file() {
        let values = (0..50_000).map(|row| if row % 5_000 == 77 { 500.0 } else { f64::from(row % 10) });
        let svg = draw(&picture(values.collect()));
        assert_eq!(svg.matches("<circle").count(), 10);
        assert_eq!(svg.matches("fill=\"#ff9830\"").count(), 1);
        assert!(svg.contains("a &lt; b &amp; c"));
        assert!(svg.len() < 60_000, "{}", svg.len());
    }

    #[test]
    fn gaps_break_the_line_and_odd_files_can_be_drawn() {
        let gap = draw(&picture(vec![1.0, 2.0, f64::NAN, 3.0, 4.0]));
        assert_eq!(gap.matches("stroke=\"#73bf69\"").count(), 2);
        for values in [vec![f64::NAN; 3], vec![7.0], vec![1e300, -1e300], vec![0.0; 30]] {
            let svg = draw(&picture(values));
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }
}
