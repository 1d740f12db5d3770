//! `./build.sh soak [SECONDS]`: two hundred clients with right, random, hostile and cancelled queries, on upstreams that stall,
//! cut off, hang up and lie. Fails if an answer is wrong, something panics, the memory is exceeded or "Save & test" takes longer
//! than a second.

#[path = "../tests/support/host.rs"]
#[expect(dead_code, reason = "shared with tests, which use other parts")]
mod host;
#[path = "../tests/support/soak.rs"]
mod soak;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use soak::Soak;

/// Shakes the plugin.
#[derive(Debug, Parser)]
struct Arguments {
    /// The plugin's binary.
    #[arg(long)]
    plugin: PathBuf,
    /// How long.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// How many ask at the same time.
    #[arg(long, default_value_t = 200)]
    clients: usize,
    /// What is drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What the plugin may take, in MiB.
    #[arg(long, default_value_t = 512)]
    memory_mib: usize,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "what it is for")]
async fn main() -> Result<ExitCode, host::Error> {
    let Arguments { plugin, seconds, clients, seed, memory_mib } = Arguments::parse();
    let soak = Soak { seed, clients, time: Duration::from_secs(seconds), memory_mib };
    let report = soak::run(&plugin, soak).await?;
    println!("{report:#?}");
    let is_good = report.wrong.is_empty()
        && report.most_mib <= memory_mib
        && report.slowest_check <= Duration::from_secs(1);
    println!("{}", if is_good { "all is well" } else { "something is wrong" });
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
