//! `outrider quality`: scores for a folder of labelled series, as a scorer of detectors reads them.
//!
//! Every file is a query of its own with the plugin's default options; a folder that matches `--panel` is one query
//! with a series a file, and a file with several columns and none called `value` is one of metrics that are judged together
//! (see [`super::wide`]). Rows are judged in the order they stand in the file (see [`super::arrival`]), and nothing but
//! `timestamp` and the values is read.

use std::path::{Path, PathBuf};

use clap::Args;
use glob::Pattern;
use serde_json::json;

use super::arrival::{self, Arrivals};
use super::parallel::{Threads, progress_bar};
use super::table::{Layout, Output, Table, Width, number};
use super::wide::{self, Together};
use super::{DetectorArguments, parse_query};
use crate::detector::{self, DETECTORS};
use crate::error::{Category, Error, Result};
use crate::query::{Direction, Kind, Query};
use crate::series::Labels;

/// Score every CSV file of a folder for a benchmark.
///
/// For each file below --data a file of the same name is written below --out, with timestamp,score,flag for each of
/// its rows: score 0 to 1, 0 where there was too little to judge by. The score of a row depends on the rows before it
/// and itself only.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder with the files to score: columns timestamp and value, all others are ignored; or timestamp and several others,
    /// but for "label", which are metrics and judged together by the detector joint.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Folder to write to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    detector: DetectorArguments,
    /// Folders whose files are series of one query, each with the file's name as label "series".
    #[arg(long, value_name = "PATTERN", default_value = "xgroup_*")]
    panel: String,
    /// Kind of detector for such folders; the first that compares series if left out.
    #[arg(long, value_name = "KIND")]
    panel_detector: Option<String>,
    #[command(flatten)]
    threads: Threads,
}

/// The files of one query.
struct Task {
    /// Relative to the folder of the data.
    files: Vec<PathBuf>,
    is_panel: bool,
    bytes: u64,
}

/// Scores all files.
///
/// # Errors
/// Wrong arguments, no files, and the first file that cannot be read, understood or written; the others are written
/// all the same.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let alone = parse_query(&json!({"detector": arguments.detector.to_json()?}))?;
    let panel_kind = arguments.panel_detector.clone().unwrap_or_else(|| panel_detector().to_owned());
    let panel = parse_query(&json!({"detector": {"kind": panel_kind}}))?;
    let pattern = Pattern::new(&arguments.panel).map_err(|error| {
        Error::new(Category::Query, format!("--panel: {error}")).hint("use * and ? as in file names")
    })?;
    let mut tasks = Vec::new();
    find_tasks(&arguments.data, Path::new(""), &pattern, &mut tasks)?;
    if tasks.is_empty() {
        return Err(Error::new(
            Category::Query,
            format!("there is no CSV file in {}", arguments.data.display()),
        )
        .hint("give the folder with --data"));
    }
    // The longest first, so that no thread is left alone with it in the end.
    tasks.sort_by_key(|task| std::cmp::Reverse(task.bytes));
    let bar = progress_bar(tasks.iter().map(|task| task.bytes).sum(), "bytes");
    let joint = parse_query(&json!({"detector": wide::detector(json!({}))}))?;
    let done = arguments.threads.map(
        tasks,
        &bar,
        |task| task.bytes,
        |task| {
            if task.is_panel {
                return score(arguments, &panel, &task.files);
            }
            // One file; which kind it is of shows in its first line.
            task.files.iter().try_for_each(|file| score_file(arguments, &alone, &joint, file))
        },
    );
    done.into_iter().collect()
}

/// The kind that judges panels by default: the first that compares series with each other.
pub(super) fn panel_detector() -> &'static str {
    let compares = |kind: &str| {
        let wanted = serde_json::from_value::<Kind>(json!({ "kind": kind }));
        wanted.is_ok_and(|wanted| {
            detector::build(&wanted, Direction::Both).is_ok_and(|built| built.detector.across_series())
        })
    };
    let kinds = || DETECTORS.iter().map(|entry| entry.kind);
    kinds().find(|kind| compares(kind)).unwrap_or(DETECTORS[0].kind)
}

/// Looks for CSV files in the folder `below` of `data` and in those below it, in the order of their names.
fn find_tasks(data: &Path, below: &Path, panel: &Pattern, tasks: &mut Vec<Task>) -> Result<()> {
    let folder: PathBuf = data.components().chain(below.components()).collect();
    let unreadable = |error: std::io::Error| {
        Error::new(Category::Query, format!("{}: cannot be read: {error}", folder.display()))
            .hint("give a folder you may read with --data")
    };
    let mut entries = std::fs::read_dir(&folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>())
        .map_err(unreadable)?;
    entries.sort();
    let relative = |path: &Path| below.join(path.file_name().unwrap_or_default());
    let is_csv = |path: &PathBuf| path.is_file() && path.extension().is_some_and(|end| end == "csv");
    let bytes = |path: &PathBuf| path.metadata().map_or(0, |metadata| metadata.len());
    let files: Vec<&PathBuf> = entries.iter().filter(|path| is_csv(path)).collect();
    let name = below.file_name().unwrap_or_default().to_string_lossy();
    if panel.matches(&name) {
        tasks.extend((!files.is_empty()).then(|| Task {
            files: files.iter().map(|path| relative(path)).collect(),
            is_panel: true,
            bytes: files.iter().map(|path| bytes(path)).sum(),
        }));
    } else {
        tasks.extend(files.iter().map(|path| Task {
            files: vec![relative(path)],
            is_panel: false,
            bytes: bytes(path),
        }));
    }
    for folder in entries.iter().filter(|path| path.is_dir()) {
        find_tasks(data, &relative(folder), panel, tasks)?;
    }
    Ok(())
}

/// Scores a file that stands alone, by the query `joint` if it has a column a metric.
fn score_file(arguments: &Arguments, alone: &Query, joint: &Query, file: &PathBuf) -> Result<()> {
    let path = arguments.data.join(file);
    let table = Table::read(&path, &Layout { width: Width::Either, ..Layout::default() })?;
    if !table.is_wide {
        return score_tables(arguments, alone, std::slice::from_ref(file), &[table]);
    }
    let metrics = wide::metrics(&table, &path.display().to_string())?;
    let verdicts = arrival::judge(joint, &metrics)?;
    let of_row = |row: usize| Together::of(verdicts.iter().map(move |metric| &metric[row]));
    write(arguments, file, &table, (0..table.rows.len()).map(of_row).map(|row| (row.score, row.is_flagged)))
}

/// Scores the files of one query.
fn score(arguments: &Arguments, query: &Query, files: &[PathBuf]) -> Result<()> {
    let read = |file: &PathBuf| Table::read(&arguments.data.join(file), &Layout::default());
    let tables = files.iter().map(read).collect::<Result<Vec<_>>>()?;
    score_tables(arguments, query, files, &tables)
}

fn score_tables(arguments: &Arguments, query: &Query, files: &[PathBuf], tables: &[Table]) -> Result<()> {
    let panel: Vec<Arrivals> = files
        .iter()
        .zip(tables)
        .map(|(file, table)| {
            let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            Arrivals {
                labels: Labels::from([("series".to_owned(), name.clone())]),
                name,
                points: table.rows.iter().map(|row| (row.time, row.value)).collect(),
            }
        })
        .collect();
    let verdicts = arrival::judge(query, &panel)?;
    for ((file, table), verdicts) in files.iter().zip(tables).zip(verdicts) {
        write(arguments, file, table, verdicts.iter().map(|row| (row.score, row.verdict.is_outlier())))?;
    }
    Ok(())
}

/// Writes what was made of the rows of a file: score, NaN where there is none, and whether the row is flagged.
fn write(
    arguments: &Arguments,
    file: &PathBuf,
    table: &Table,
    rows: impl Iterator<Item = (f64, bool)>,
) -> Result<()> {
    let path = arguments.out.join(file);
    let folder = path.parent().unwrap_or(&path);
    std::fs::create_dir_all(folder).map_err(|error| {
        Error::new(Category::Query, format!("{}: cannot be made: {error}", folder.display()))
            .hint("give a folder you may write to with --out")
    })?;
    let mut output = Output::create(Some(&path), &["timestamp", "score", "flag"])?;
    for (row, (score, is_flagged)) in table.rows.iter().zip(rows) {
        let score = if score.is_nan() { 0.0 } else { score };
        output.write([&row.timestamp, &number(score), &u8::from(is_flagged).to_string()])?;
    }
    output.finish()
}
