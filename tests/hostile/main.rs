//! Answers that nobody wants, to every parser of what comes over HTTP, through the public API of the library: the same
//! kinds of hostility for all, so that none is forgotten. What an answer means is tested with each source.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a test shall fail it")]

mod parsers;

#[path = "../support/upstream_server.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod upstream_server;

use std::convert::Infallible;
use std::future::Future;
use std::io::Write as _;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use futures_util::stream;
use outrider::error::{Category, Error, Result};
use outrider::query::Kind;
use outrider::settings::{Limits, Settings};
use outrider::source::{self, Question};
use parsers::{FROM_MS, MINUTE_MS, PARSERS, Parser, RANGE};
use tokio::sync::Mutex;
use upstream_server::{Upstream, soon};

/// What an answer brings: its points, of all series or of annotations one each, and the notices.
type Brought = Result<(Vec<Option<f64>>, Vec<String>)>;

/// Held by tests that measure time or memory.
static ALONE: Mutex<()> = Mutex::const_new(());

async fn ask(parser: &Parser, settings: &Settings) -> Brought {
    let options: Kind = serde_json::from_value((parser.options)()).unwrap();
    let query = source::connect(settings)?.prepare(&options)?;
    let gap = |value: f64| Some(value).filter(|value| !value.is_nan());
    if parser.annotations {
        let found = soon(query.annotations(RANGE.range)).await?.unwrap();
        return Ok((found.annotations.iter().map(|one| one.text.parse().ok()).collect(), found.notices));
    }
    let fetched = soon(query.fetch(&RANGE)).await?;
    let values = fetched.series.iter().flat_map(|series| series.values.iter().copied().map(gap));
    Ok((values.collect(), fetched.notices))
}

/// What `parser` makes of `answer`.
async fn read(parser: &Parser, answer: impl Into<Bytes>) -> Brought {
    let answer: Bytes = answer.into();
    let upstream = Upstream::answering(move |_| Body::from(answer.clone()).into_response()).await;
    ask(parser, &(parser.settings)(&upstream.url)).await
}

/// The error of an answer that has to be refused, which people can read.
fn refused(parser: &Parser, what: &str, brought: Brought) -> Error {
    let name = parser.name;
    let Err(error) = brought else { panic!("{name}: {what} was taken for {brought:?}") };
    let text = error.to_string();
    assert!(text.len() < 500 && !text.contains('\n'), "{name}: {what}: {text}");
    assert!(text.contains("; "), "{name}: {what}: says not what to do: {text}");
    error
}

fn is_protocol(parser: &Parser, what: &str, brought: Brought) -> String {
    let error = refused(parser, what, brought);
    assert_eq!(error.category(), Category::Protocol, "{}: {what}: {error}", parser.name);
    error.to_string()
}

/// That nothing of the answer counts: it is refused, or left out with a notice, or holds nothing but gaps.
fn is_nothing(parser: &Parser, what: &str, brought: Brought) {
    match brought {
        Err(_) => drop(is_protocol(parser, what, brought)),
        Ok((values, _)) => {
            assert!(values.iter().all(Option::is_none), "{}: {what} was taken for {values:?}", parser.name);
        }
    }
}

#[tokio::test]
async fn a_good_answer_is_good() {
    for parser in PARSERS {
        let (values, notices) = read(parser, parser.answer(&["10.5", "11.5"])).await.unwrap();
        assert_eq!(values, [Some(10.5), Some(11.5)], "{}", parser.name);
        assert!(notices.is_empty(), "{}: {notices:?}", parser.name);
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_refused_wherever_it_is() {
    for parser in PARSERS {
        let whole = parser.answer(&["10.5", "11.5", "12.5"]);
        // In the first value, in the last one, before what closes the answer, and before its last character.
        let first = whole.find("10.5").unwrap() + 2;
        let last = whole.rfind("12.5").unwrap() + 2;
        for at in [first, last, last + 2, whole.trim_end().len() - 1] {
            let what = format!("an answer cut off after {:?}", &whole[..at]);
            let text = is_protocol(parser, &what, read(parser, whole[..at].to_owned()).await);
            assert!(text.contains("cut off"), "{}: {what}: {text}", parser.name);
        }
    }
}

#[tokio::test]
async fn deep_nesting_overflows_nothing() {
    const DEPTH: usize = 200_000;
    for parser in PARSERS {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let (opened, closed) = (open.repeat(DEPTH), close.repeat(DEPTH));
            let value = format!("{opened}1{closed}");
            // Commas and quotes would be those of CSV.
            let value = if parser.is_csv { value.replace('"', "") } else { value };
            let answer = parser.answer(&["10.5", &value, "11.5"]);
            match read(parser, answer).await {
                Ok((values, _)) => {
                    assert!(values.iter().flatten().all(|value| [10.5, 11.5].contains(value)), "{values:?}");
                }
                brought => drop(is_protocol(parser, "deep nesting", brought)),
            }
            is_nothing(parser, "nothing but opening brackets", read(parser, opened.clone()).await);
            is_nothing(parser, "nothing but nesting", read(parser, format!("{opened}1{closed}")).await);
        }
    }
}

#[tokio::test]
async fn numbers_that_are_none_are_gaps_where_the_format_has_them_and_refused_elsewhere() {
    for parser in PARSERS {
        for token in ["NaN", "Infinity", "-Infinity", "nan", "+Inf", "1e999"] {
            let brought = read(parser, parser.answer_raw(&["10.5", token, "11.5"])).await;
            if parser.is_csv {
                assert_eq!(brought.unwrap().0, [Some(10.5), None, Some(11.5)], "{}: {token}", parser.name);
            } else {
                let text = is_protocol(parser, token, brought);
                assert!(!text.contains(token) || text.contains("NaN and Infinity"), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn wrong_types_are_refused_or_left_out_with_a_notice() {
    for parser in PARSERS {
        for value in ["{\"a\":5}", "[5]", "\"many\""] {
            if parser.is_csv && value != "\"many\"" {
                continue;
            }
            match read(parser, parser.answer_raw(&["10.5", value, "11.5"])).await {
                // A text is the text of an annotation.
                Ok((values, _)) if parser.annotations => assert_eq!(values[0], Some(10.5)),
                Ok((values, notices)) => {
                    assert_eq!(values, [Some(10.5), Some(11.5)], "{}: {value}", parser.name);
                    assert!(notices[0].starts_with("1 of 3 rows left out"), "{}: {notices:?}", parser.name);
                }
                brought => drop(is_protocol(parser, value, brought)),
            }
        }
        for answer in
            ["5", "\"text\"", "true", "{\"a\":{\"b\":[1]}}", "[1]", "[[]]", "[[[1,2]]]", "[{\"a\":1}]", "-"]
        {
            is_nothing(parser, answer, read(parser, answer).await);
        }
        for answer in ["<html><body>Log in</body></html>", "no such thing here"] {
            is_protocol(parser, answer, read(parser, answer).await);
        }
    }
}

#[tokio::test]
async fn repeated_keys_do_not_count_twice() {
    for parser in PARSERS {
        let Some((key, copies)) = parser.repeated else { continue };
        let answer = parser.answer(&["10.5", "11.5"]);
        assert!(answer.contains(key), "{}: {key}", parser.name);
        let answer = answer.replacen(key, copies, 1);
        match read(parser, answer).await {
            // Where the last one counts, as in most readers of JSON.
            Ok((values, _)) => assert_eq!(values, [Some(10.5), Some(11.5)], "{}", parser.name),
            brought => drop(is_protocol(parser, "a repeated key", brought)),
        }
    }
}

#[tokio::test]
async fn text_that_is_no_utf_8_is_refused() {
    for parser in PARSERS {
        for broken in [b"\xff\xfe".as_slice(), b"\xc3\x28", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"] {
            let whole = parser.answer_raw(&["10.5", "\"§\"", "11.5"]).into_bytes();
            let at = whole.windows(2).position(|two| two == "§".as_bytes()).unwrap();
            let answer = [&whole[..at], broken, &whole[at + 2..]].concat();
            is_protocol(parser, "a text that is no UTF-8", read(parser, answer).await);
        }
    }
}

/// An answer of ten million rows, made while it is sent.
fn ten_million_rows(parser: &'static Parser) -> impl Fn(&upstream_server::Seen) -> Response + Clone {
    const CHUNK_ROWS: usize = 10_000;
    const CHUNKS: usize = 1_000;
    move |_| {
        let [begin, end] = parser.ends.map(|text| Bytes::from_static(text.as_bytes()));
        let chunk = |text: String| Bytes::from(text.repeat(CHUNK_ROWS));
        let rows = |text: String| stream::repeat(chunk(text)).take(CHUNKS);
        let parts: Vec<Bytes> = vec![begin];
        let body = if parser.by_column {
            let between = Bytes::from_static(b"1],[");
            stream::iter(parts)
                .chain(rows("1,".to_owned()))
                .chain(stream::iter([between]))
                .chain(rows("1,".to_owned()))
                .chain(stream::iter([Bytes::from_static(b"1"), end]))
                .boxed()
        } else {
            let last = Bytes::from((parser.row)(1, "1"));
            let row = format!("{}{}", (parser.row)(1, "1"), parser.between);
            stream::iter(parts).chain(rows(row)).chain(stream::iter([last, end])).boxed()
        };
        Body::from_stream(body.map(Ok::<_, Infallible>)).into_response()
    }
}

#[tokio::test]
async fn ten_million_rows_are_refused_naming_the_setting() {
    let _alone = ALONE.lock().await;
    for parser in PARSERS {
        let upstream = Upstream::answering(ten_million_rows(parser)).await;
        let limits = Limits { max_rows: 100_000, ..Limits::default() };
        let settings = Settings { limits, ..(parser.settings)(&upstream.url) };
        let begun = Instant::now();
        let error = refused(parser, "ten million rows", ask(parser, &settings).await);
        println!("{}: {:?}: {error}", parser.name, begun.elapsed());
        assert_eq!(error.category(), Category::Limit, "{}: {error}", parser.name);
        let text = error.to_string();
        // Or what no setting raises.
        let names = ["maxRows", "maxResponseBytes", "MiB as a tree of JSON"];
        assert!(names.iter().any(|name| text.contains(name)), "{}: {text}", parser.name);
        assert!(begun.elapsed() < Duration::from_secs(20), "{}: {:?}", parser.name, begun.elapsed());
    }
}

#[tokio::test]
async fn a_gzip_bomb_is_stopped_at_the_limit_of_what_it_unpacks_to() {
    for parser in PARSERS {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        let mut packed = |text: &[u8]| {
            packer.write_all(text).unwrap();
            packer.flush().unwrap();
            Bytes::from(std::mem::take(packer.get_mut()))
        };
        let row = format!("{}{}", (parser.row)(FROM_MS, "1"), parser.between);
        let begin = packed(parser.ends[0].as_bytes());
        let (first, again) = (packed(row.repeat(20_000).as_bytes()), packed(row.repeat(20_000).as_bytes()));
        assert!(again.len() < 20_000, "{}", again.len());
        let upstream = Upstream::answering(move |_| {
            let chunks = stream::iter([begin.clone(), first.clone()]).chain(stream::repeat(again.clone()));
            let body = Body::from_stream(chunks.map(Ok::<_, Infallible>));
            ([("content-encoding", "gzip")], body).into_response()
        })
        .await;
        let limits = Limits { max_response_bytes: 4_000_000, ..Limits::default() };
        let settings = Settings { limits, ..(parser.settings)(&upstream.url) };
        let error = refused(parser, "a gzip bomb", ask(parser, &settings).await);
        assert_eq!(error.category(), Category::Limit, "{}: {error}", parser.name);
        assert!(error.to_string().contains("maxResponseBytes"), "{error}");
    }
}

/// The most memory this process ever had at once, in bytes; `None` where the system does not tell.
fn peak() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()? * 1_024)
}

/// Forgets the peak so far.
fn forget_peak() {
    // Where that cannot be, the peak is that of other tests, and this one may fail to notice something.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// What is made of `BYTES` bytes of what comes `again` and again, which must take little memory and time.
async fn short_and_small<T, F: Future<Output = Result<T>>>(
    what: &str,
    [begin, again, end]: [&str; 3],
    ask: impl FnOnce(Bytes) -> F,
) -> Result<T> {
    const BYTES: usize = 4_000_000;
    // Of the whole process, besides what allocators keep of earlier answers.
    const MOST_MEMORY: usize = 200_000_000;
    let answer = Bytes::from(format!("{begin}{}{end}", again.repeat(BYTES / again.len())));
    forget_peak();
    let before = peak().unwrap_or_default();
    let begun = Instant::now();
    let brought = ask(answer).await;
    let (took, needed) = (begun.elapsed(), peak().unwrap_or_default().saturating_sub(before));
    assert!(took < Duration::from_secs(20), "{what}: {again:?}: {took:?}");
    assert!(needed < MOST_MEMORY, "{what}: {again:?} needs {needed} bytes for {BYTES}");
    brought
}

/// What is short as text and large in memory: many elements with nothing in them, one row of many cells, many columns.
#[tokio::test]
async fn short_text_does_not_become_large_memory_nor_long_work() {
    let _alone = ALONE.lock().await;
    for parser in PARSERS {
        for bomb in parser.bombs {
            let brought = short_and_small(parser.name, *bomb, |answer| read(parser, answer)).await;
            is_nothing_or_limit(parser, bomb[1], brought);
        }
    }
}

#[tokio::test]
async fn nor_do_lists_of_names() {
    let _alone = ALONE.lock().await;
    let in_prometheus = |names: [&'static str; 2]| ["{\"status\":\"success\",\"data\":[", names[0], names[1]];
    for (source, question, bomb) in [
        ("simple-json", "search", ["[", "{\"\":0},", "{}]"]),
        ("simple-json", "search", ["[", "0,", "0]"]),
        ("simple-json", "metrics", ["[{\"payloads\":[", "{\"\":0},", "{}]}]"]),
        ("simple-json", "payloads?metric=a", ["[", "{\"value\":\"a\"},", "{}]"]),
        ("prometheus", "series?metric=up", in_prometheus(["{\"\":\"\"},", "{}]}"])),
        ("prometheus", "metrics", in_prometheus(["\"\",", "\"\"]}"])),
        (
            "influxdb",
            "measurements",
            ["{\"results\":[{\"series\":[{\"columns\":[\"name\"],\"values\":[", "[0],", "[0]]}]}]}"],
        ),
        ("influxdb", "measurements", ["{\"results\":[{\"series\":[", "{\"tags\":{\"\":0}},", "{}]}]}"]),
        ("grafana", "datasources", ["[", "{},", "{}]"]),
    ] {
        let parser = PARSERS.iter().find(|parser| parser.source == source).unwrap();
        let ask = async |answer: Bytes| {
            let upstream = Upstream::answering(move |_| Body::from(answer.clone()).into_response()).await;
            let connected = source::connect(&(parser.settings)(&upstream.url))?;
            soon(connected.discover(&Question::parse(question))).await
        };
        let error = short_and_small(source, bomb, ask).await.unwrap_err();
        assert!(
            matches!(error.category(), Category::Limit | Category::Protocol),
            "{source}: {question}: {error}"
        );
    }
}

fn is_nothing_or_limit(parser: &Parser, what: &str, brought: Brought) {
    match &brought {
        Err(error) if error.category() == Category::Limit => drop(refused(parser, what, brought)),
        _ => is_nothing(parser, what, brought),
    }
}

#[test]
fn every_http_source_is_here() {
    let named: Vec<&str> = PARSERS.iter().map(|parser| parser.source).collect();
    for entry in source::SOURCES {
        let settings = Settings { source: entry.kind.to_owned(), ..Settings::default() };
        // What wants a URL talks HTTP; databases want one, too, but are no parsers of ours.
        let wants_url = source::connect(&settings).is_err_and(|error| error.to_string().contains("URL"));
        let is_sql = ["sqlite", "postgresql", "mysql"].contains(&entry.kind);
        assert_eq!(named.contains(&entry.kind), wants_url && !is_sql, "{}", entry.kind);
    }
    assert_eq!(MINUTE_MS, RANGE.step_ms);
}
