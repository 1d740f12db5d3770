//! `./build.sh demo`: launches the plugin as Grafana does, asks it for six hours of the generator, and shows what it
//! flagged: a table, a sparkline and a picture.
#![expect(clippy::print_stdout, reason = "a program that prints its answer")]

#[expect(dead_code, reason = "shared with the process tests, which use other parts of it")]
#[path = "../tests/support/host.rs"]
mod host;
#[path = "demo/picture.rs"]
mod picture;

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use clap::Parser;
use serde_json::{Value, json};

#[derive(Parser)]
#[command(about = "Shows what the plugin makes of the generator's last six hours")]
struct Arguments {
    /// The plugin's binary.
    #[arg(long, default_value = "dist/gpx_outrider_linux_amd64")]
    plugin: PathBuf,
    /// Where to write the picture.
    #[arg(long, default_value = "demo.svg")]
    svg: PathBuf,
    /// End of the six hours, ms since the epoch; now if left out.
    #[arg(long)]
    to: Option<i64>,
}

const SIX_HOURS_MS: i64 = 6 * 3_600_000;

/// One point of the answer.
pub(crate) struct Point {
    time: i64,
    value: f64,
    lower: Option<f64>,
    upper: Option<f64>,
    score: Option<f64>,
    flagged: bool,
    truth: bool,
}

#[tokio::main]
async fn main() -> Result<(), host::Error> {
    let arguments = Arguments::parse();
    let to = arguments.to.unwrap_or_else(|| Utc::now().timestamp_millis());
    let range = (to - SIX_HOURS_MS, to);
    let query = json!({"source": {"kind": "generator", "series": ["median"], "truth": true}, "step": "1m"});
    println!("Launching {} as Grafana does ...", arguments.plugin.display());
    let plugin = host::Plugin::launch(&arguments.plugin, &[]).await?;
    println!("Handshake: {}", plugin.handshake);
    println!("Query:     {query}, {} to {}", clock(range.0), clock(range.1));
    let answer = plugin.query(host::context(&json!({})), range, &query).await?;
    plugin.shut_down().await?;
    if let Some(error) = &answer.error {
        return Err(error.clone().into());
    }
    let frame = answer.frames.first().ok_or("the answer holds no frame")?;
    let points = read_points(frame).ok_or("the answer lacks a column")?;

    // The events come last, and not at all if there are none.
    match answer.frames.last().filter(|frame| frame.name == "events") {
        Some(events) => print_table(events)?,
        None => println!("\nNothing is flagged."),
    }
    print_sparkline(&points);
    print_tally(&points, frame);
    std::fs::write(&arguments.svg, picture::draw(&points))
        .map_err(|error| format!("cannot write {}: {error}", arguments.svg.display()))?;
    let picture = std::path::absolute(&arguments.svg)?;
    println!("\nPicture written to {}", picture.display());
    print_install_lines(&std::path::absolute(&arguments.plugin)?);
    Ok(())
}

fn read_points(frame: &host::Frame) -> Option<Vec<Point>> {
    let column = |name: &str| frame.column(name);
    let cell = |column: Option<&[Value]>, row: usize| column.and_then(|column| column[row].as_f64());
    let (time, value, outlier) = (column("time")?, column("value")?, column("outlier")?);
    let (lower, upper, score, truth) = (column("lower"), column("upper"), column("score"), column("truth"));
    (0..time.len())
        .map(|row| {
            Some(Point {
                time: time[row].as_i64()?,
                value: value[row].as_f64()?,
                lower: cell(lower, row),
                upper: cell(upper, row),
                score: cell(score, row),
                flagged: outlier[row].as_f64() == Some(1.0),
                truth: cell(truth, row) == Some(1.0),
            })
        })
        .collect()
}

/// One line an event, with its reason in plain words.
fn print_table(events: &host::Frame) -> Result<(), host::Error> {
    let column = |name: &str| events.column(name).ok_or_else(|| format!("the events lack the column {name}"));
    let (time, score, side, text) =
        (column("time")?, column("score")?, column("direction")?, column("text")?);
    println!("\n{:<9} {:<5} {:>5}  reason", "time UTC", "side", "score");
    println!("{:-<9} {:-<5} {:->5}  {:-<60}", "", "", "", "");
    for row in 0..time.len() {
        println!(
            "{:<9} {:<5} {:>5.2}  {}",
            time[row].as_i64().map(clock).unwrap_or_default(),
            side[row].as_str().unwrap_or_default(),
            score[row].as_f64().unwrap_or(f64::NAN),
            text[row].as_str().unwrap_or_default()
        );
    }
    Ok(())
}

/// The values as a line of blocks, and below it a mark under each column that holds an outlier.
fn print_sparkline(points: &[Point]) {
    const COLUMNS: usize = 90;
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let low = points.iter().map(|point| point.value).fold(f64::INFINITY, f64::min);
    let high = points.iter().map(|point| point.value).fold(f64::NEG_INFINITY, f64::max);
    let (mut line, mut marks) = (String::new(), String::new());
    let columns = COLUMNS.min(points.len());
    for column in 0..columns {
        let bucket = &points[column * points.len() / columns..(column + 1) * points.len() / columns];
        let flagged = bucket.iter().find(|point| point.flagged);
        let mean = bucket.iter().map(|point| point.value).sum::<f64>() / bucket.len() as f64;
        let shown = flagged.map_or(mean, |point| point.value);
        let level = ((shown - low) / (high - low).max(f64::MIN_POSITIVE) * 7.0).round() as usize;
        line.push(BLOCKS[level.min(7)]);
        marks.push(match flagged {
            Some(point) if point.value >= mean => '▲',
            Some(_) => '▼',
            None => ' ',
        });
    }
    println!("\n{line}\n{marks}\n▲ high outlier  ▼ low outlier");
}

/// How the verdicts compare with what the generator knows.
fn print_tally(points: &[Point], frame: &host::Frame) {
    let count = |flagged, truth| points.iter().filter(|p| p.flagged == flagged && p.truth == truth).count();
    let (found, missed, false_alarms) = (count(true, true), count(false, true), count(true, false));
    let top = points.iter().filter_map(|point| point.score).fold(0.0, f64::max);
    let meta = &frame.meta["custom"]["outrider"];
    println!(
        "\n{} points, {found} of {} true outliers found, {false_alarms} false alarms, top score {top:.2}; \
         detector {} with seed {}, model {}, {:.1} ms",
        points.len(),
        found + missed,
        meta["detector"].as_str().unwrap_or_default(),
        meta["seed"],
        meta["fingerprint"].as_str().unwrap_or_default(),
        meta["timingsMs"]["detect"].as_f64().unwrap_or(f64::NAN),
    );
}

/// The exact lines that install the folder the plugin's binary lies in.
fn print_install_lines(binary: &Path) {
    let folder = binary.parent().unwrap_or(binary).display();
    println!(
        "\nInstall it into Grafana:\n\
         \n  sudo mkdir -p /var/lib/grafana/plugins/outrider-outliers-datasource\
         \n  sudo cp -r {folder}/. /var/lib/grafana/plugins/outrider-outliers-datasource/\
         \n  # in grafana.ini, section [plugins]:\
         \n  #   allow_loading_unsigned_plugins = outrider-outliers-datasource\
         \n  sudo systemctl restart grafana-server\
         \n\nThen: Connections > Add new connection > Outrider."
    );
}

fn clock(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).map(|time| time.format("%H:%M").to_string()).unwrap_or_default()
}
