//! The command line: files at both ends of the engine, and no Grafana.
//!
//! [`main`] reads the arguments and runs one command; each command is one file. `docs/cli.md` is for users.

mod arrival;
mod blocks;
mod detect;
mod drawing;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod parallel;
mod plot;
mod quality;
mod schema;
mod table;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use serde_json::{Map, Value};

use crate::detector;
use crate::error::{Category, Error, Result, list_names};
use crate::query::{Kind, Query};

/// Finds outliers in time series kept in CSV files, with the engine of the Grafana plugin.
#[derive(Debug, Parser)]
#[command(name = "outrider", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Detect(detect::Arguments),
    Quality(quality::Arguments),
    Plot(plot::Arguments),
    Schema(schema::Arguments),
}

/// Which detector judges.
#[derive(Debug, Clone, Default, Args)]
struct DetectorArguments {
    /// Kind of detector; the plugin's default one if left out.
    #[arg(long, value_name = "KIND")]
    detector: Option<String>,
    /// Options of the detector as JSON, named as in a saved query: '{"nTrees": 200}'.
    #[arg(long, value_name = "JSON")]
    options: Option<String>,
}

impl DetectorArguments {
    /// The detector as a query names it.
    ///
    /// # Errors
    /// [`Category::Query`] if the options are no JSON object, or the kind does not exist or know one of them.
    fn to_json(&self) -> Result<Value> {
        let mut object: Map<String, Value> = match &self.options {
            None => Map::new(),
            Some(options) => serde_json::from_str(options).map_err(|error| {
                Error::new(Category::Query, format!("--options is no JSON object: {error}"))
                    .hint("write it like '{\"nTrees\": 200}'")
            })?,
        };
        if let Some(kind) = &self.detector {
            object.insert("kind".into(), Value::from(kind.as_str()));
        }
        Ok(Value::Object(object))
    }
}

/// Reads a query from its JSON, and tries its detector, so that a mistake shows before any work is done.
///
/// # Errors
/// [`Category::Query`], naming the option; an option that the detector does not know is one, too.
fn parse_query(json: &Value) -> Result<Query> {
    // The same mistake is made in the editor of a panel or here: what to do about it differs.
    let here = |error: Error| Error::new(error.category(), error.message()).hint("see `outrider help`");
    let query = Query::parse(json.to_string().as_bytes()).map_err(here)?;
    check_detector(&query.detector, &query).map_err(|error| match detector::find(&query.detector) {
        Ok(_) => here(error),
        Err(unknown_kind) => unknown_kind.into(),
    })?;
    Ok(query)
}

fn check_detector(wanted: &Kind, query: &Query) -> Result<()> {
    let built = detector::build(wanted, query.direction)?;
    if built.unknown_options.is_empty() {
        return Ok(());
    }
    let names = list_names(built.unknown_options.iter().map(String::as_str));
    Err(Error::new(Category::Query, format!("the detector {} has no option {names}", built.detector.kind())))
}

/// Writes `text` to stdout.
fn print(text: &str) -> Result<()> {
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| {
        Error::new(Category::Config, format!("stdout cannot be written: {error}"))
            .hint("check where the output goes")
    })
}

/// Runs the command line of this process. What it says to people goes to stderr.
#[must_use]
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Detect(arguments) => detect::run(&arguments),
        Command::Quality(arguments) => quality::run(&arguments),
        Command::Plot(arguments) => plot::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = error.to_string();
            let prefix = format!("[{}] ", error.category());
            eprintln!("outrider: {}", text.strip_prefix(&prefix).unwrap_or(&text));
            ExitCode::FAILURE
        }
    }
}
