//! The command line as a process: what it reads, writes and says.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const T0_SECS: i64 = 1_700_006_400;

fn outrider(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_outrider")).args(arguments).output().unwrap()
}

/// What a run that must succeed wrote to stdout.
fn succeed(arguments: &[&str]) -> String {
    let output = outrider(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What a run that must fail wrote to stderr.
fn fail(arguments: &[&str]) -> String {
    let output = outrider(arguments);
    assert!(!output.status.success(), "{arguments:?}");
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(Path::new(&path).parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }
}

/// A value without rhythm between 6 and 14, and 90 at each row of `outliers`. Rows 50 and 60 lie outside as well, one on
/// each side, so that a forest knows of both from its first training on.
fn value(row: i64, outliers: &[i64]) -> f64 {
    match row {
        50 => 90.0,
        60 => -70.0,
        row if outliers.contains(&row) => 90.0,
        row => 6.0 + 8.0 * ((row * 193) % 500) as f64 / 500.0,
    }
}

/// Rows of `days` days, one each 10 minutes.
fn rows(days: i64, outliers: &[i64]) -> Vec<(i64, f64)> {
    (0..days * 144).map(|row| (T0_SECS + row * 600, value(row, outliers))).collect()
}

fn csv(rows: &[(i64, f64)]) -> String {
    rows.iter().fold("timestamp,value\n".to_owned(), |mut text, (time, value)| {
        writeln!(text, "{time},{value}").unwrap();
        text
    })
}

/// The cells of each row by the name of their column; no cell of these tests holds a comma but the reasons, the last.
fn table(text: &str) -> Vec<HashMap<String, String>> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let cells = |line: &str| {
        let cells = line.splitn(header.len(), ',').map(str::to_owned);
        header.iter().map(|name| (*name).to_owned()).zip(cells).collect()
    };
    lines.map(cells).collect()
}

fn flagged(text: &str) -> Vec<usize> {
    let is_flagged = |(row, cells): (usize, HashMap<String, String>)| (cells["flag"] == "1").then_some(row);
    table(text).into_iter().enumerate().filter_map(is_flagged).collect()
}

const PLAIN: [&str; 4] = ["--detector", "isolation-forest", "--options", r#"{"threshold": 0.7}"#];

fn detect(file: &str, more: &[&str]) -> String {
    succeed(&[&["detect", file], &PLAIN[..], more].concat())
}

#[test]
fn detect_writes_one_row_for_each_row_read() {
    let folder = Folder::new();
    let file = folder.write("data.csv", &csv(&rows(3, &[200, 400])));
    let out = folder.path("out.csv");
    assert_eq!(detect(&file, &["--out", &out]), "");
    let text = folder.read("out.csv");
    assert!(
        text.starts_with("timestamp,value,score,flag,expected,lower,upper,reason\n1700006400,6,,0,,,,\n")
    );
    assert_eq!(flagged(&text), [200, 400]);
    let table = table(&text);
    assert_eq!(table.len(), 3 * 144);
    let outlier = &table[400];
    assert_eq!((outlier["timestamp"].as_str(), outlier["value"].as_str()), ("1700246400", "90"));
    assert!(outlier["reason"].contains("90 is high"), "{outlier:?}");
    let number = |name: &str| outlier[name].parse::<f64>().unwrap();
    assert!(
        number("score") > 0.7 && number("lower") < number("expected") && number("expected") < number("upper")
    );
    // The first day has no training before it.
    assert!(table[..144].iter().all(|row| row["score"].is_empty()));
    assert!(table[144..].iter().all(|row| !row["score"].is_empty()));
}

#[test]
fn rows_in_any_order_get_the_verdict_of_their_time() {
    let folder = Folder::new();
    let sorted = rows(3, &[200, 400]);
    let mut shuffled: Vec<(i64, f64)> =
        (0..sorted.len()).map(|row| sorted[row * 101 % sorted.len()]).collect();
    // An earlier row of the time of row 300: it is outvoted by the later one, and shares its verdict.
    shuffled.insert(0, (sorted[300].0, 5_000.0));
    let sorted_text = detect(&folder.write("sorted.csv", &csv(&sorted)), &[]);
    let shuffled_text = detect(&folder.write("shuffled.csv", &csv(&shuffled)), &[]);
    let expected: HashMap<String, String> =
        table(&sorted_text).into_iter().map(|row| (row["timestamp"].clone(), row["score"].clone())).collect();
    let table = table(&shuffled_text);
    assert_eq!(table.len(), shuffled.len());
    for (row, (time, _)) in table.iter().zip(&shuffled) {
        assert_eq!(row["timestamp"], time.to_string());
        assert_eq!(row["score"], expected[&row["timestamp"]]);
    }
    assert_eq!((table[0]["value"].as_str(), table[0]["flag"].as_str()), ("5000", "0"));
}

#[test]
fn gaps_are_marked_for_the_detector_and_get_no_row() {
    let folder = Folder::new();
    let mut with_gap = rows(3, &[400]);
    with_gap.drain(210..230);
    with_gap[300].1 = f64::NAN;
    let text = detect(&folder.write("gap.csv", &csv(&with_gap)), &[]);
    let table = table(&text);
    assert_eq!(table.len(), with_gap.len());
    assert_eq!((table[300]["value"].as_str(), table[300]["score"].as_str()), ("NaN", ""));
    assert_eq!(flagged(&text), [380]);
}

#[test]
fn other_columns_tell_series_apart_and_truth_is_not_looked_at() {
    let folder = Folder::new();
    let (low, high) = (rows(3, &[400]), rows(3, &[]));
    let header = "host,timestamp,label,value\n".to_owned();
    let with_truth = |truth: &str| {
        low.iter().zip(&high).fold(header.clone(), |mut text, ((time, a), (_, b))| {
            writeln!(text, "a,{time},{truth},{a}\nb,{time},0,{}", b + 1_000.0).unwrap();
            text
        })
    };
    let all_true = detect(&folder.write("1.csv", &with_truth("1")), &[]);
    let all_false = detect(&folder.write("0.csv", &with_truth("0")), &[]);
    assert_eq!(flagged(&all_true), [800]);
    assert_eq!(all_true, all_false);
    // What is in the column is a label like any other if it is no truth: the verdicts on "a" stay, as it still is
    // one series.
    let named = detect(&folder.write("x.csv", &with_truth("x")), &[]);
    assert_eq!(named, all_true);
    let kept = detect(&folder.path("1.csv"), &["--keep-columns"]);
    assert!(
        kept.starts_with("timestamp,value,score,flag,expected,lower,upper,reason,host,label\n1700006400,6,")
    );
    assert!(kept.lines().nth(1).unwrap().ends_with(",a,1"));
}

#[test]
fn options_of_the_query_are_heeded() {
    let folder = Folder::new();
    let file = folder.write("data.csv", &csv(&rows(3, &[200, 400])));
    let scored = |text: &str| table(text).iter().filter(|row| !row["score"].is_empty()).count();
    assert_eq!(flagged(&detect(&file, &["--direction", "low"])), Vec::<usize>::new());
    assert_eq!(flagged(&detect(&file, &["--rules", r#"{"minPoints": 2}"#])), Vec::<usize>::new());
    let unknown = fail(&["detect", &file, "--rules", r#"{"minPoint": 2}"#]);
    assert!(unknown.contains("there is no rule minPoint") && unknown.contains("minPoints"), "{unknown}");
    assert_eq!(scored(&detect(&file, &["--training", "visible-range"])), 3 * 144);
    assert_eq!(scored(&detect(&file, &["--refit", "12h"])), 5 * 72);
    // Blocks of an hour, with the 3 points of the half hour before each: too little to judge by.
    assert_eq!(scored(&detect(&file, &["--train", "30m", "--refit", "1h"])), 0);
    // 600 ms apart is no 10 minutes: all rows lie in one block of 1970.
    assert_eq!(scored(&detect(&file, &["--time-unit", "ms"])), 0);
    let other_seed = succeed(&[
        "detect",
        &file,
        "--detector",
        "isolation-forest",
        "--options",
        r#"{"threshold": 0.7, "seed": 7}"#,
    ]);
    assert_eq!(flagged(&other_seed), [200, 400]);
    assert_ne!(other_seed, detect(&file, &[]));
}

#[test]
fn nothing_is_said_where_nobody_watches() {
    let folder = Folder::new();
    let file = folder.write("data.csv", &csv(&rows(3, &[400])));
    // No progress bar, as stderr is no terminal; and no notice, as every row is judged.
    let quiet = outrider(&[&["detect", &file, "--training", "visible-range"], &PLAIN[..]].concat());
    assert_eq!(String::from_utf8(quiet.stderr).unwrap(), "");
    let notice = outrider(&[&["detect", &file], &PLAIN[..]].concat());
    let notice = String::from_utf8(notice.stderr).unwrap();
    assert!(notice.contains("is not judged") && notice.lines().count() == 1, "{notice}");
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let folder = Folder::new();
    let file = folder.write("data.csv", &csv(&rows(8, &[200, 400])));
    let default_detector = |threads: &str| succeed(&["detect", &file, "--threads", threads]);
    let one = default_detector("1");
    for threads in ["2", "3", "8"] {
        assert_eq!(default_detector(threads), one, "{threads} threads");
    }
}

/// The same rows as other programs write them.
#[test]
fn files_of_other_programs_get_the_same_verdicts() {
    let folder = Folder::new();
    let rows = rows(3, &[200, 400]);
    let plain = detect(&folder.write("data.csv", &csv(&rows)), &[]);
    let verdicts = |text: &str| -> Vec<Vec<String>> {
        let columns = ["score", "flag", "expected", "lower", "upper"];
        table(text).iter().map(|row| columns.map(|name| row[name].clone()).to_vec()).collect()
    };
    let grafana = |row: &(i64, f64)| {
        let time = chrono::DateTime::from_timestamp(row.0, 0).unwrap();
        format!("{},{}\n", time.format("%Y-%m-%d %H:%M:%S"), row.1)
    };
    let joined = |each: &dyn Fn(&(i64, f64)) -> String| rows.iter().map(each).collect::<String>();
    for (name, text, more) in [
        ("grafana.csv", format!("\"Time\",\"requests\"\n{}", joined(&grafana)), &[][..]),
        (
            "excel.csv",
            format!(
                "sep=;\ntime;value\n{}",
                joined(&|row| format!("{};{}\n", row.0, row.1.to_string().replace('.', ",")))
            ),
            &[],
        ),
        ("tab.csv", format!("timestamp\tvalue\n{}", joined(&|row| format!("{}\t{}\n", row.0, row.1))), &[]),
        (
            "wide.csv",
            format!("at|a|b\n{}", joined(&|row| format!("{}|{}|{}\n", row.0, row.0 % 977, row.1))),
            &["--separator", "|", "--time-column", "at", "--value-column", "b", "--label-columns", ""],
        ),
    ] {
        let judged = detect(&folder.write(name, &text), more);
        assert_eq!(verdicts(&judged), verdicts(&plain), "{name}");
    }
}

#[test]
fn what_was_not_judged_and_what_was_left_out_is_told() {
    let folder = Folder::new();
    let said = |text: &str, more: &[&str]| {
        let file = folder.write("data.csv", text);
        let output = outrider(&[&["detect", &file], &PLAIN[..], more].concat());
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(said("timestamp,value\n", &[]).contains("nothing was judged: the file has no rows"));
    let short = csv(&rows(1, &[])[..20]);
    assert!(
        said(&short, &[]).contains("nothing was judged: no row has enough history"),
        "{}",
        said(&short, &[])
    );
    let judged = csv(&rows(3, &[]));
    assert!(!said(&judged, &[]).contains("nothing was judged"));
    // Microseconds, of which a millisecond has many.
    let fine: String = (0..900).map(|row| format!("1694532425.{:06},{}\n", row * 400, row % 7)).collect();
    let told = said(&format!("timestamp,value\n{fine}"), &["--training", "visible-range"]);
    assert!(told.contains("539 of 900 rows have the time of a later row"), "{told}");
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let folder = Folder::new();
    let file = folder.write("data.csv", &csv(&rows(1, &[])));
    let broken = folder.write("broken.csv", "timestamp,value\n1,2\n2,two\n");
    let missing = folder.path("missing.csv");
    let out = folder.path("no/such/folder/out.csv");
    for (arguments, needles) in [
        (&["detect", &missing][..], &["missing.csv: cannot be read", "check the path"][..]),
        (&["detect", &broken], &["broken.csv: line 3: \"two\" is no value"]),
        (&["detect", &file, "--detector", "tea-leaves"], &["tea-leaves", "\"isolation-forest\""]),
        (&["detect", &file, "--options", "{"], &["--options is no JSON object"]),
        (
            &["detect", &file, "--detector", "isolation-forest", "--options", r#"{"nTrees": 0}"#],
            &["detector.nTrees", "1 to 10000"],
        ),
        (
            &["detect", &file, "--detector", "isolation-forest", "--options", r#"{"trees": 9}"#],
            &["has no option", "trees"],
        ),
        (&["detect", &file, "--train", "5 bananas"], &["trainingWindow", "7d"]),
        (&["detect", &file, "--refit", "1d", "--training", "visible-range"], &["--training", "--refit"]),
        (&["detect", &file, "--separator", "ab"], &["one character", "tab"]),
        (&["detect", &file, "--value-column", "x"], &["no column \"x\"", "\"timestamp\" and \"value\""]),
        (&["detect", &file, "--label-columns", "host"], &["no other column \"host\"", "are: none"]),
        (&["detect", &file, "--out", &out], &["out.csv: cannot be written"]),
        (&["quality", "--data", &missing, "--out", &out], &["missing.csv: cannot be read"]),
        (
            &["plot", &file, "--scores", &broken, "--out", &out],
            &["broken.csv: line 1: there is no column \"score\""],
        ),
    ] {
        let said = fail(arguments);
        for needle in needles {
            assert!(said.contains(needle), "{arguments:?} said {said:?}, which lacks {needle:?}");
        }
        assert!(!said.contains("panicked"));
    }
}

/// A folder of files as a benchmark has them; one repeats times and jumps back.
fn benchmark() -> Folder {
    let folder = Folder::new();
    folder.write("data/ops/plain.csv", &csv(&rows(4, &[300])));
    let mut jumps = rows(4, &[500]);
    jumps[350..].iter_mut().for_each(|(time, _)| *time -= 3_600);
    jumps[400].0 = jumps[399].0;
    folder.write("data/ops/deep/jumps.csv", &csv(&jumps));
    for member in 0..4 {
        folder.write(&format!("data/xgroup_1/s{member}.csv"), &csv(&rows(2, &[200 + member * 10])));
    }
    folder.write("data/README.md", "not a series");
    folder
}

fn quality(folder: &Folder, out: &str, more: &[&str]) -> HashMap<PathBuf, String> {
    let (data, out) = (folder.path("data"), folder.path(out));
    assert_eq!(succeed(&[&["quality", "--data", &data, "--out", &out], more].concat()), "");
    let mut found = HashMap::new();
    collect(Path::new(&out), Path::new(&out), &mut found);
    found
}

fn collect(root: &Path, folder: &Path, found: &mut HashMap<PathBuf, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, found);
        } else {
            found
                .insert(path.strip_prefix(root).unwrap().to_owned(), std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn quality_scores_every_file_row_by_row() {
    let folder = benchmark();
    let scores = quality(&folder, "scores", &PLAIN);
    assert_eq!(scores.len(), 6);
    for (file, text) in &scores {
        assert!(text.starts_with("timestamp,score,flag\n"));
        let data = folder.read(&format!("data/{}", file.display()));
        assert_eq!(text.lines().count(), data.lines().count(), "{}", file.display());
        for row in table(text) {
            assert!((0.0..=1.0).contains(&row["score"].parse::<f64>().unwrap()));
        }
    }
    assert_eq!(flagged(&scores[Path::new("ops/plain.csv")]), [300]);
    assert_eq!(flagged(&scores[Path::new("ops/deep/jumps.csv")]), [500]);
    assert!(table(&scores[Path::new("ops/plain.csv")])[..144].iter().all(|row| row["score"] == "0"));
}

#[test]
fn quality_at_its_defaults_is_causal_and_the_same_on_any_number_of_threads() {
    let folder = benchmark();
    let whole = quality(&folder, "one", &["--threads", "1"]);
    assert_eq!(quality(&folder, "three", &["--threads", "3"]), whole);
    for file in
        ["data/ops/plain.csv", "data/ops/deep/jumps.csv", "data/xgroup_1/s0.csv", "data/xgroup_1/s1.csv"]
    {
        let text = folder.read(file);
        let kept: Vec<&str> = text.lines().collect();
        let kept = &kept[..kept.len().min(402)];
        folder.write(file, &format!("{}\n", kept.join("\n")));
    }
    for (file, cut) in quality(&folder, "cut", &[]) {
        assert!(whole[&file].starts_with(&cut), "{} differs", file.display());
    }
}

/// Seven days of two metrics that go together, but for the rows of `broken`; a column of labels that is none of them.
fn metrics(broken: std::ops::Range<i64>) -> String {
    let mut text = "timestamp,requests,cpu,label\n".to_owned();
    for row in 0..7 * 144 {
        let requests = value(row, &[]);
        let load = if broken.contains(&row) { 20.0 - requests } else { requests };
        let noise = ((row * 71) % 50) as f64 / 100.0;
        let (time, label) = (T0_SECS + row * 600, u8::from(broken.contains(&row)));
        writeln!(text, "{time},{requests},{:.3},{label}", 3.0 * load + noise).unwrap();
    }
    text
}

#[test]
fn the_metrics_of_a_wide_file_are_judged_together() {
    let folder = Folder::new();
    let broken = 950..956;
    let file = folder.write("data/wide.csv", &metrics(broken.clone()));
    let text = succeed(&["detect", &file, "--joint"]);
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("timestamp,score,flag,reason,contribution_requests,contribution_cpu"));
    let mut rows = 0;
    for (row, line) in lines.enumerate() {
        rows += 1;
        let cells = csv::StringRecord::from(csv_cells(line));
        let number = |cell: usize| cells[cell].parse::<f64>().unwrap_or(0.0);
        assert!((number(4) + number(5) - number(1)).abs() < 1e-12, "{line}");
        assert_eq!(cells[2] == *"1", !cells[3].is_empty(), "{line}");
        assert!(cells[2] == *"0" || broken.contains(&(row as i64)), "{line}");
    }
    assert_eq!(rows, 7 * 144);
    assert!(text.contains("as usual"), "{text}");
    // The same rows are flagged by the benchmark.
    let (data, out) = (folder.path("data"), folder.path("out"));
    assert_eq!(succeed(&["quality", "--data", &data, "--out", &out]), "");
    let flags = |text: &str, column: usize| -> Vec<String> {
        text.lines().skip(1).map(|line| csv_cells(line)[column].clone()).collect()
    };
    assert_eq!(flags(&folder.read("out/wide.csv"), 2), flags(&text, 2));
    assert!(flags(&text, 2).contains(&"1".to_owned()));
}

/// The cells of a line, of which some are quoted.
fn csv_cells(line: &str) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
    let record = reader.records().next().unwrap().unwrap();
    record.iter().map(str::to_owned).collect()
}

#[test]
fn a_wide_file_that_cannot_be_judged_says_why() {
    let folder = Folder::new();
    let text = folder.write("text.csv", "timestamp,a,b\n1700006400,1,x\n");
    let said = fail(&["detect", &text, "--joint"]);
    assert!(said.contains("row 1: \"x\" in column \"b\" is no value"), "{said}");
    let none = folder.write("none.csv", "timestamp\n1700006400\n");
    assert!(fail(&["detect", &none, "--joint"]).contains("no column beside the times"));
    let said = fail(&["detect", &text, "--joint", "--detector", "mad"]);
    assert!(said.contains("--joint is for the detector joint"), "{said}");
}

#[test]
fn a_folder_that_is_no_panel_is_a_query_a_file() {
    let folder = benchmark();
    let panel = quality(&folder, "panel", &["--panel-detector", "isolation-forest"]);
    let alone = quality(&folder, "alone", &["--panel", "none", "--detector", "isolation-forest"]);
    // The forest looks at one series at a time, so that both are the same.
    let fleet = |scores: &HashMap<PathBuf, String>| -> Vec<String> {
        (0..4).map(|member| scores[Path::new(&format!("xgroup_1/s{member}.csv"))].clone()).collect()
    };
    assert_eq!(fleet(&panel), fleet(&alone));
}

#[test]
fn one_broken_file_leaves_the_others_scored() {
    let folder = benchmark();
    folder.write("data/ops/broken.csv", "timestamp,value\n1,one\n");
    let (data, out) = (folder.path("data"), folder.path("scores"));
    let said = fail(&["quality", "--data", &data, "--out", &out]);
    assert!(said.contains("broken.csv: line 2"), "{said}");
    assert_eq!(folder.read("scores/ops/plain.csv").lines().count(), 4 * 144 + 1);
    let empty = Folder::new();
    let said = fail(&["quality", "--data", &empty.path(""), "--out", &out]);
    assert!(said.contains("no CSV file"), "{said}");
}

#[test]
fn what_detect_writes_can_be_drawn() {
    let folder = Folder::new();
    let file = folder.write("data.csv", &csv(&rows(3, &[200, 400])));
    let (judged, picture) = (folder.path("judged.csv"), folder.path("picture.svg"));
    detect(&file, &["--out", &judged]);
    succeed(&["plot", &judged, "--out", &picture]);
    let svg = folder.read("picture.svg");
    assert_eq!(svg.matches("<circle").count(), 2);
    assert!(svg.contains("<polygon"), "the band is drawn");
    succeed(&["plot", &file, "--scores", &judged, "--title", "two of them", "--out", &picture]);
    let svg = folder.read("picture.svg");
    assert_eq!(svg.matches("<circle").count(), 2);
    assert!(svg.contains("two of them"));
}
