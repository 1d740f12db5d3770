//! What is told of situations that operators meet, and how soon: `cargo bench --bench situations -- [OPTIONS] [NAME…]`.
//! Every situation whose name contains one of the NAMEs is made with many seeds, judged at the defaults, and held against
//! its bar; the table has one line for each, fit for `diff`.
//!
//! - `--seeds N`: so many seeds (20; less where a series is long)
//! - `--first N`: the first seed (1)
//! - `--detector JSON`: the detector and its options (`{}`)
//! - `--threads N`: instead of one a core
//! - `--verbose`: for each seed what was missed, and the false alarms, by index and time
//! - `--list`: the names and bars only
//! - `--dump NAME SEED FILE.csv`: writes the series of one seed, with labels and verdicts, and nothing else
//!
//! Columns: incidents told in time of all; the share of seeds in which the one told least often was told; the median
//! points from onset to alarm; the share of an incident's points flagged; alarms an incident; alarms a week outside of
//! incidents, and how many in all; incidents with a flag on the wrong side; points flagged where nothing may be; the
//! shares of points outside of the band unflagged, and further than half its width; the share of flags inside it; the
//! share of normal points inside it; points flagged low above what is expected or high below it.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

#[path = "../tests/support/situations/mod.rs"]
mod situations;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use situations::score::{Agreement, Scored, Summary, judge, run};
use situations::{Bar, Made, Situation};

struct Arguments {
    seeds: u64,
    first: u64,
    detector: String,
    threads: usize,
    verbose: bool,
    list: bool,
    dump: Option<(String, u64, String)>,
    names: Vec<String>,
}

impl Arguments {
    fn parse(mut given: impl Iterator<Item = String>) -> Result<Self, String> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut arguments = Self {
            seeds: 20,
            first: 1,
            detector: "{}".to_owned(),
            threads: cores,
            verbose: false,
            list: false,
            dump: None,
            names: Vec::new(),
        };
        while let Some(argument) = given.next() {
            let mut value = || given.next().ok_or(format!("{argument} needs a value"));
            let number = |text: String| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
            match argument.as_str() {
                "--seeds" => arguments.seeds = number(value()?)?,
                "--first" => arguments.first = number(value()?)?,
                "--detector" => arguments.detector = value()?,
                "--threads" => arguments.threads = number(value()?)?.max(1) as usize,
                "--verbose" => arguments.verbose = true,
                "--list" => arguments.list = true,
                "--dump" => arguments.dump = Some((value()?, number(value()?)?, value()?)),
                // Cargo adds it.
                "--bench" => {}
                option if option.starts_with('-') => return Err(format!("unknown option {option}")),
                name => arguments.names.push(name.to_owned()),
            }
        }
        Ok(arguments)
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let mut all = situations::all();
    if let Some((name, seed, file)) = &arguments.dump {
        let Some(situation) = all.iter().find(|situation| situation.name == *name) else {
            eprintln!("no situation is named {name}; --list names all");
            return ExitCode::FAILURE;
        };
        if let Err(error) = dump(&situation.make(*seed), &arguments.detector, file) {
            eprintln!("{file}: {error}");
            return ExitCode::FAILURE;
        }
        return ExitCode::SUCCESS;
    }
    let names = &arguments.names;
    all.retain(|situation| {
        names.is_empty() || names.iter().any(|name| situation.name.contains(name.as_str()))
    });
    if arguments.list {
        all.iter().for_each(|situation| println!("{:<30} {}", situation.name, describe(&situation.bar)));
        return ExitCode::SUCCESS;
    }
    table(&all, &arguments);
    ExitCode::SUCCESS
}

fn table(all: &[Situation], arguments: &Arguments) {
    let begun = Instant::now();
    println!(
        "{:<30} {:>9} {:>5} {:>5} {:>4} {:>5} {:>6} {:>4} {:>4} {:>5} {:>6} {:>6} {:>4} {:>5} {:>4}  {:<4} bar",
        "situation",
        "told",
        "worst",
        "delay",
        "pts%",
        "al/in",
        "f/week",
        "fals",
        "side",
        "after",
        "out%",
        "far%",
        "in%",
        "cov%",
        "cont",
        ""
    );
    let (mut total, mut missed, mut weeks, mut alarms) = (Agreement::default(), 0, 0.0, 0);
    for situation in all {
        let seeds = arguments.first..arguments.first + arguments.seeds;
        let scored = run(situation, seeds, &arguments.detector, arguments.threads);
        let summary = Summary::of(&scored, &situation.bar);
        total.add(&summary.agreement);
        weeks += scored.iter().map(|one| one.weeks).sum::<f64>();
        alarms += summary.false_total;
        let misses = summary.misses(&situation.bar);
        missed += usize::from(!misses.is_empty());
        print_line(situation, &summary, &misses);
        if arguments.verbose {
            print_seeds(situation, &scored);
        }
        // A closed pipe is the reader's wish.
        let _ = std::io::stdout().flush();
    }
    println!(
        "\n{missed} of {} miss their bar; {alarms} false alarms in {weeks:.0} weeks; points judged {}, flagged {}",
        all.len(),
        total.judged,
        total.flagged
    );
    println!(
        "unflagged outside the band {:.3} %, by more than half its width {:.3} %; flagged inside it {:.1} % of flags; \
         normal points inside {:.2} %; contradictions {}; flagged with a score below .5 {}, without a reason {}",
        percent(total.outside, total.judged),
        percent(total.far_outside, total.judged),
        percent(total.flagged_inside, total.flagged),
        percent(total.normal_inside, total.normal),
        total.contradictions,
        total.weak,
        total.unexplained
    );
    eprintln!("took {:.0} s", begun.elapsed().as_secs_f64());
}

fn percent(part: usize, of: usize) -> f64 {
    100.0 * part as f64 / of.max(1) as f64
}

fn print_line(situation: &Situation, summary: &Summary, misses: &[String]) {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let Summary { hits, agreement, .. } = summary;
    let verdict = if misses.is_empty() { "ok" } else { "MISS" };
    let widths =
        [2, 3, 4, 6].iter().filter_map(|day| summary.widths.get(*day)).map(|width| format!("{width:.1}"));
    let widths = widths.collect::<Vec<_>>().join(" ");
    println!(
        "{:<30} {:>9} {:>5} {:>5} {:>4} {:>5} {:>6.2} {:>4} {:>4} {:>5} {:>6.3} {:>6.3} {:>4.0} {:>5.1} {:>4}  {verdict:<4} {}{}{}",
        situation.name,
        if hits.1 == 0 { "-".to_owned() } else { format!("{}/{}", hits.0, hits.1) },
        or_dash(summary.worst.map(|worst| format!("{worst:.2}"))),
        or_dash(summary.delay.map(|delay| delay.to_string())),
        or_dash(summary.points.map(|points| format!("{:.0}", 100.0 * points))),
        or_dash(summary.told.map(|told| format!("{told:.2}"))),
        summary.false_week,
        summary.false_total,
        summary.contradicted,
        summary.hush_broken,
        percent(agreement.outside, agreement.judged),
        percent(agreement.far_outside, agreement.judged),
        percent(agreement.flagged_inside, agreement.flagged),
        percent(agreement.normal_inside, agreement.normal),
        agreement.contradictions,
        describe(&situation.bar),
        if widths.is_empty() { String::new() } else { format!("; σ on days 3, 4, 5, 7: {widths}") },
        if misses.is_empty() { String::new() } else { format!(" | {}", misses.join(", ")) },
    );
}

fn describe(bar: &Bar) -> String {
    let mut parts = Vec::new();
    let mut say = |part: Option<String>| parts.extend(part);
    let within = bar.within.map_or(String::new(), |within| format!(" within {within}"));
    say(bar.hits.map(|share| format!("told {share}{within}")));
    say(bar.delay.map(|delay| format!("delay {delay}")));
    say(bar.points.map(|points| format!("points {points}")));
    say(bar.told.map(|told| format!("alarms {told}")));
    say(bar.false_week.map(|rate| format!("false {rate}/week")));
    say(bar.false_total.map(|all| format!("false {all} in all")));
    say(bar.false_each.map(|each| format!("false {each} each")));
    say(bar.hush.then(|| "none after".to_owned()));
    say(bar.sides.then(|| "no wrong side".to_owned()));
    say(bar.width.map(|width| format!("width {width}")));
    parts.join(", ")
}

fn print_seeds(situation: &Situation, scored: &[Scored]) {
    for one in scored {
        let made = situation.make(one.seed);
        for (ordinal, (told, incident)) in one.told.iter().zip(&made.incidents).enumerate() {
            let is_late =
                told.delay.is_none_or(|delay| situation.bar.within.is_some_and(|most| delay > most));
            if is_late || told.points < 0.9 || told.alarms > 1 || told.is_contradicted {
                println!(
                    "    seed {} incident {} at {}..{} {:?}: delay {:?}, points {:.0} %, alarms {}{}",
                    one.seed,
                    ordinal + 1,
                    incident.points.start,
                    incident.points.end,
                    incident.side,
                    told.delay,
                    100.0 * told.points,
                    told.alarms,
                    if told.is_contradicted { ", wrong side" } else { "" }
                );
            }
        }
        for index in &one.false_alarms {
            let (day, hour) = made.grid.clock(*index);
            println!(
                "    seed {} false at {index}: day {day}, {hour:.2} h, value {}",
                one.seed, made.values[*index]
            );
        }
    }
}

fn dump(made: &Made, detector: &str, file: &str) -> std::io::Result<()> {
    let judged = judge(made, detector);
    let mut out = std::io::BufWriter::new(std::fs::File::create(file)?);
    writeln!(out, "timestamp,value,label,verdict,score,expected,lower,upper,reason")?;
    for index in 0..made.grid.len {
        let label = made.incidents.iter().any(|incident| incident.points.contains(&index));
        writeln!(
            out,
            "{},{},{},{:?},{},{},{},{},\"{}\"",
            made.grid.time(index),
            made.values[index],
            u8::from(label),
            judged.verdicts[index],
            judged.scores[index],
            judged.expected[index],
            judged.lower[index],
            judged.upper[index],
            judged.reasons[index].replace('"', "'")
        )?;
    }
    out.flush()
}
