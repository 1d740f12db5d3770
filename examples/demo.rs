//! `./build.sh demo`: launches the plugin as Grafana does, asks it for two weeks and for six hours of the generator, and
//! shows what it flagged: tables, sparklines and a picture.
#![expect(clippy::print_stdout, reason = "a program that prints its answer")]

#[path = "../src/cli/drawing.rs"]
mod drawing;
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
#[command(about = "Shows what the plugin makes of the generator's last two weeks and six hours")]
struct Arguments {
    /// The plugin's binary.
    #[arg(long, default_value = "dist/gpx_outrider_linux_amd64")]
    plugin: PathBuf,
    /// Where to write the picture.
    #[arg(long, default_value = "demo.svg")]
    svg: PathBuf,
    /// End of both ranges, ms since the epoch; now if left out.
    #[arg(long)]
    to: Option<i64>,
}

const HOUR_MS: i64 = 3_600_000;

/// What is asked, and how it is shown.
struct Look {
    title: &'static str,
    query: Value,
    length_ms: i64,
    /// How times are written.
    clock: &'static str,
}

impl Look {
    /// What a new panel asks, then the data of the isolation forest's first article.
    fn all() -> [Self; 2] {
        [
            Self {
                title: "the last two weeks of web traffic, detector auto",
                query: json!({"source": {"truth": true}}),
                length_ms: 14 * 24 * HOUR_MS,
                clock: "%d %b %H:%M",
            },
            Self {
                title: "the last six hours of the median series, detector isolation-forest",
                query: json!({"source": {"series": ["median"], "truth": true},
                              "detector": {"kind": "isolation-forest"}, "step": "1m"}),
                length_ms: 6 * HOUR_MS,
                clock: "%H:%M",
            },
        ]
    }

    fn clock(&self, ms: i64) -> String {
        DateTime::from_timestamp_millis(ms)
            .map(|time| time.format(self.clock).to_string())
            .unwrap_or_default()
    }
}

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
    println!("Launching {} as Grafana does ...", arguments.plugin.display());
    let plugin = host::Plugin::launch(&arguments.plugin, &[]).await?;
    println!("Handshake: {}", plugin.handshake);
    let mut panels = Vec::new();
    for look in Look::all() {
        panels.push(show(&plugin, &look, to).await?);
    }
    plugin.shut_down().await?;
    std::fs::write(&arguments.svg, picture::draw(&panels))
        .map_err(|error| format!("cannot write {}: {error}", arguments.svg.display()))?;
    let picture = std::path::absolute(&arguments.svg)?;
    println!("\nPicture written to {}", picture.display());
    print_install_lines(&std::path::absolute(&arguments.plugin)?);
    Ok(())
}

/// Asks for one of the looks, prints what came back, and says what to draw.
async fn show(plugin: &host::Plugin, look: &Look, to: i64) -> Result<picture::Panel, host::Error> {
    let from = to - look.length_ms;
    println!("\n=== Outliers of {} ===", look.title);
    println!("Query: {}, {} to {}", look.query, look.clock(from), look.clock(to));
    let answer = plugin.query(host::context(&json!({})), (from, to), &look.query).await?;
    if let Some(error) = &answer.error {
        return Err(error.clone().into());
    }
    let frame = answer.frames.first().ok_or("the answer holds no frame")?;
    let points = read_points(frame).ok_or("the answer lacks a column")?;

    // The events come last, and not at all if there are none.
    match answer.frames.last().filter(|frame| frame.name == "events") {
        Some(events) => print_table(look, events)?,
        None => println!("\nNothing is flagged."),
    }
    print_sparkline(&points);
    print_tally(&points, frame);
    let marks = (0..=6).map(|step| from + look.length_ms * step / 6);
    Ok(picture::Panel {
        title: format!("Outliers of {}", look.title),
        times: marks.map(|time| (time, look.clock(time))).collect(),
        points,
    })
}

/// The points of an answer; those that are missing are left out.
fn read_points(frame: &host::Frame) -> Option<Vec<Point>> {
    let column = |name: &str| frame.column(name);
    let cell = |column: Option<&[Value]>, row: usize| column.and_then(|column| column[row].as_f64());
    let (time, value, outlier) = (column("time")?, column("value")?, column("outlier")?);
    let (lower, upper, score, truth) = (column("lower"), column("upper"), column("score"), column("truth"));
    (0..time.len())
        .filter(|row| !value[*row].is_null())
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
fn print_table(look: &Look, events: &host::Frame) -> Result<(), host::Error> {
    let column = |name: &str| events.column(name).ok_or_else(|| format!("the events lack the column {name}"));
    let (time, score, side, text) =
        (column("time")?, column("score")?, column("direction")?, column("text")?);
    println!("\n{:<12} {:<5} {:>5}  reason", "time UTC", "side", "score");
    println!("{:-<12} {:-<5} {:->5}  {:-<60}", "", "", "", "");
    for row in 0..time.len() {
        println!(
            "{:<12} {:<5} {:>5}  {}",
            time[row].as_i64().map(|ms| look.clock(ms)).unwrap_or_default(),
            side[row].as_str().unwrap_or_default(),
            score[row].as_f64().map(|score| format!("{score:.2}")).unwrap_or_default(),
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

/// Stretches of successive points of which `is` holds.
fn runs(points: &[Point], is: fn(&Point) -> bool) -> Vec<&[Point]> {
    points.chunk_by(|a, b| is(a) == is(b)).filter(|run| is(&run[0])).collect()
}

/// How the verdicts compare with what the generator knows.
fn print_tally(points: &[Point], frame: &host::Frame) {
    let true_runs = runs(points, |point| point.truth);
    let found = true_runs.iter().filter(|run| run.iter().any(|point| point.flagged)).count();
    let flagged_runs = runs(points, |point| point.flagged);
    let false_alarms = flagged_runs.iter().filter(|run| run.iter().all(|point| !point.truth)).count();
    let top = points.iter().filter_map(|point| point.score).fold(0.0, f64::max);
    let meta = &frame.meta["custom"]["outrider"];
    println!(
        "\n{} points, {found} of {} true incidents found, {false_alarms} false alarms, top score {top:.2}; \
         detector {}, model {}, {:.1} ms",
        points.len(),
        true_runs.len(),
        meta["detector"].as_str().unwrap_or_default(),
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
