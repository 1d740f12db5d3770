//! Asks the plugin one query as Grafana would and prints the answer: a line a frame, or all of it as JSON.
//!
//! ```text
//! cargo run --example ask -- --plugin dist/gpx_outrider_linux_amd64 --query '{"output": "events"}'
//! ```
#![expect(clippy::print_stdout, reason = "a program that prints its answer")]

#[expect(dead_code, reason = "shared with the process tests, which use other parts of it")]
#[path = "../tests/support/host.rs"]
mod host;

use std::path::PathBuf;

use clap::Parser;
use serde_json::{Value, json};

#[derive(Parser)]
#[command(about = "Asks the plugin one query as Grafana would and prints the answer")]
struct Arguments {
    /// The plugin's binary.
    #[arg(long, default_value = "dist/gpx_outrider_linux_amd64")]
    plugin: PathBuf,
    /// The query's JSON.
    #[arg(long, conflicts_with = "query_file")]
    query: Option<String>,
    /// A file with the query's JSON.
    #[arg(long)]
    query_file: Option<PathBuf>,
    /// A file with the data source's settings: url, basicAuth, basicAuthUser, jsonData, secureJsonData.
    #[arg(long)]
    settings_file: Option<PathBuf>,
    /// Begin of the range, ms since the epoch; six hours before its end if left out.
    #[arg(long)]
    from: Option<i64>,
    /// End of the range, ms since the epoch.
    #[arg(long, default_value_t = 1_750_000_000_000)]
    to: i64,
    /// Print every frame in full, as JSON, instead of a line each.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> Result<(), host::Error> {
    let arguments = Arguments::parse();
    let read = |path: &PathBuf| -> Result<Value, host::Error> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?)
    };
    let query = match (&arguments.query, &arguments.query_file) {
        (Some(text), _) => serde_json::from_str(text)?,
        (None, Some(path)) => read(path)?,
        (None, None) => json!({}),
    };
    let settings = arguments.settings_file.as_ref().map_or(Ok(json!({})), read)?;
    let from = arguments.from.unwrap_or(arguments.to - 21_600_000);

    let plugin = host::Plugin::launch(&arguments.plugin, &[]).await?;
    let answer = plugin.query(host::context(&settings), (from, arguments.to), &query).await?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&answer.to_json())?);
    } else {
        summarise(&answer);
    }
    plugin.shut_down().await?;
    if answer.error.is_some() {
        std::process::exit(1);
    }
    Ok(())
}

fn summarise(answer: &host::Answer) {
    if let Some(error) = &answer.error {
        println!("{} {error}", answer.status);
    }
    for frame in &answer.frames {
        let rows = frame.fields.first().map_or(0, |field| field.values.len());
        let columns: Vec<String> =
            frame.fields.iter().map(|field| format!("{}: {}", field.name, field.kind)).collect();
        println!("{} ({rows} rows): {}", frame.name, columns.join(", "));
    }
}
