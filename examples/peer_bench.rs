//! Times fit and score for a benchmark that runs several engines in turn:
//! `cargo run --release --example peer_bench -- FILE N D SCORES [--extension-level LEVEL] [--portable]`.
//!
//! FILE holds N little-endian f64; the rows are the N − D + 1 overlapping windows of D of them. Their scores go to SCORES
//! in the same format, and the last line printed is a JSON object of times in ms and memory in KiB. Reading and writing
//! the files is not timed; the page faults of the output are.
#![expect(clippy::print_stdout, reason = "a program that prints its answer")]

use std::error::Error;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use outrider::forest::{Forest, ForestOptions, Rows};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

#[derive(Parser)]
#[command(about = "Fits an isolation forest of 100 trees of 256 to a file and scores it, once")]
struct Arguments {
    /// Little-endian f64 values.
    file: PathBuf,
    /// How many to read.
    n: usize,
    /// Values to a row: 1 or more.
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    d: u32,
    /// Where to write the scores.
    scores: PathBuf,
    /// Features that a split looks at beyond the first, up to D - 1.
    #[arg(long, default_value_t = 0)]
    extension_level: usize,
    /// Plain Rust, whatever the processor offers.
    #[arg(long)]
    portable: bool,
}

const OPTIONS: ForestOptions = ForestOptions { n_trees: 100, sample_size: 256, seed: 1 };

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let bytes = std::fs::read(&arguments.file)?;
    let values: Vec<f64> =
        bytes.as_chunks().0.iter().take(arguments.n).map(|word| f64::from_le_bytes(*word)).collect();
    drop(bytes);
    if values.len() < arguments.n {
        return Err(format!(
            "{} holds {} values, not {}",
            arguments.file.display(),
            values.len(),
            arguments.n
        )
        .into());
    }
    let width = arguments.d as usize;
    let fit = |rows| {
        let forest = Forest::fit(rows, arguments.extension_level, &OPTIONS)?;
        Some(if arguments.portable { forest.portable() } else { forest })
    };
    // The same small warm-up as the peers have: code pages and the allocator.
    let warm_up = Rows::windows(&values[..values.len().min(300)], width);
    black_box(fit(warm_up).map(|forest| forest.scores(warm_up)));

    let rows = Rows::windows(&values, width);
    let base_rss = status_kb("VmRSS:")?;
    let (start, cpu_start) = (Instant::now(), cpu_time());
    let forest = fit(rows).ok_or("fewer than two rows are finite")?;
    let fitted = start.elapsed();
    let mut scores = vec![0.0; rows.len()];
    forest.score_into(rows, &mut scores);
    let (total, cpu) = (start.elapsed(), cpu_time() - cpu_start);
    let peak_rss = status_kb("VmHWM:")?;

    let bytes: Vec<u8> = scores.iter().flat_map(|score| score.to_le_bytes()).collect();
    std::fs::write(&arguments.scores, bytes)?;
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    println!(
        "{}",
        json!({
            "total_ms": ms(total), "fit_ms": ms(fitted), "score_ms": ms(total.saturating_sub(fitted)), "cpu_ms": ms(cpu),
            "base_rss_kb": base_rss, "peak_rss_kb": peak_rss,
        })
    );
    Ok(())
}

/// CPU time of the process.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// A figure of this process from Linux's `/proc/self/status`.
fn status_kb(name: &str) -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let figure = status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    Ok(figure.ok_or_else(|| format!("no {name} in /proc/self/status"))?.parse()?)
}
