//! Every parser of answers over HTTP: how it is asked, and how its answers are written.

use std::collections::HashMap;

use chrono::DateTime;
use outrider::series::TimeRange;
use outrider::settings::{OwnSettings, Settings};
use outrider::source::FetchRequest;
use serde_json::{Map, Value, json};

pub(crate) const MINUTE_MS: i64 = 60_000;
/// A multiple of a minute.
pub(crate) const FROM_MS: i64 = 1_700_000_040_000;
pub(crate) const RANGE: FetchRequest = FetchRequest {
    range: TimeRange { from_ms: FROM_MS, to_ms: FROM_MS + 60 * MINUTE_MS },
    step_ms: MINUTE_MS,
};

pub(crate) struct Parser {
    pub(crate) name: &'static str,
    pub(crate) source: &'static str,
    pub(crate) settings: fn(&str) -> Settings,
    pub(crate) options: fn() -> Value,
    /// Whether it is asked for annotations.
    pub(crate) annotations: bool,
    /// What begins and what ends an answer.
    pub(crate) ends: [&'static str; 2],
    /// A row, of a time in ms and a value as the format writes it.
    pub(crate) row: fn(i64, &str) -> String,
    pub(crate) between: &'static str,
    /// Whether answers hold columns in the place of rows.
    pub(crate) by_column: bool,
    /// Whether answers are no JSON, in which texts may be numbers.
    pub(crate) is_csv: bool,
    /// A part of an answer, and the same with a key repeated.
    pub(crate) repeated: Option<(&'static str, &'static str)>,
    /// What is short as text: what begins the answer, what comes again and again, and what ends it.
    pub(crate) bombs: &'static [[&'static str; 3]],
}

impl Parser {
    /// An answer of these values, a minute apart, each as this format writes numbers.
    pub(crate) fn answer(&self, values: &[&str]) -> String {
        if self.source == "prometheus" {
            // Values are numbers in quotes here.
            let quoted: Vec<String> =
                values
                    .iter()
                    .map(|value| {
                        if value.parse::<f64>().is_ok() {
                            format!("\"{value}\"")
                        } else {
                            (*value).to_owned()
                        }
                    })
                    .collect();
            return self.answer_raw(&quoted.iter().map(String::as_str).collect::<Vec<_>>());
        }
        self.answer_raw(values)
    }

    /// As `answer`, with values just as they are.
    pub(crate) fn answer_raw(&self, values: &[&str]) -> String {
        let times = || (0..).map(|minute| FROM_MS + minute * MINUTE_MS);
        let body = if self.by_column {
            let times: Vec<String> = times().take(values.len()).map(|time| time.to_string()).collect();
            format!("{}],[{}", times.join(","), values.join(","))
        } else {
            let rows: Vec<String> =
                times().zip(values).map(|(time, value)| (self.row)(time, value)).collect();
            rows.join(self.between)
        };
        format!("{}{body}{}", self.ends[0], self.ends[1])
    }
}

fn settings(source: &str, url: &str) -> Settings {
    Settings {
        source: source.to_owned(),
        url: url.to_owned(),
        database: "db".to_owned(),
        ..Settings::default()
    }
}

fn with_token(source: &str, url: &str) -> Settings {
    let token = HashMap::from([("serviceAccountToken".to_owned(), "token".into())]);
    Settings { own: OwnSettings::new(Map::new(), token), ..settings(source, url) }
}

fn iso(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).unwrap().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What all of JSON have in common.
const JSON: Parser = Parser {
    name: "",
    source: "",
    settings: |url| settings("", url),
    options: || json!({}),
    annotations: false,
    ends: ["[", "]"],
    row: |time, value| format!("[{time},{value}]"),
    between: ",",
    by_column: false,
    is_csv: false,
    repeated: None,
    bombs: &[],
};

pub(crate) const PARSERS: &[Parser] = &[
    Parser {
        name: "http-json",
        source: "http-json",
        settings: |url| settings("http-json", url),
        ends: ["{\"query_response\":[", "]}"],
        repeated: Some((
            "{\"query_response\":",
            "{\"query_response\":[[1700000040000,7]],\"query_response\":",
        )),
        bombs: &[
            ["{\"query_response\":[", "{},", "{}]}"],
            ["{\"query_response\":[[\"x\",", "0,", "0]]}"],
            ["{\"query_response\":[{", "\"a\":0,", "\"b\":0}]}"],
            ["{", "\"\":0,", "\"b\":0}"],
        ],
        ..JSON
    },
    Parser {
        name: "http-json by a path",
        source: "http-json",
        settings: |url| settings("http-json", url),
        options: || json!({"rows": "$.*"}),
        ends: ["{\"query_response\":[", "]}"],
        bombs: &[
            ["{\"query_response\":[", "{},", "{}]}"],
            ["{\"query_response\":[[\"x\",", "0,", "0]]}"],
            ["{\"query_response\":[{", "\"a\":0,", "\"b\":0}]}"],
            ["[", "{\"a\":0},", "{}]"],
            ["{", "\"\":0,", "\"b\":0}"],
        ],
        ..JSON
    },
    Parser {
        name: "http-json by a path through everything",
        source: "http-json",
        settings: |url| settings("http-json", url),
        options: || json!({"rows": "$..query_response[?@['0'] > 0 && length(@) == 2 && !(@ == 'x')]", "time": "/0"}),
        ends: ["{\"a\":{\"query_response\":[", "]}}"],
        row: |time, value| format!("{{\"0\":{time},\"1\":{value}}}"),
        bombs: &[["[", "[],", "[]]"], ["[", "{\"a\":0},", "{}]"], ["[", "0,", "0]"]],
        ..JSON
    },
    Parser {
        name: "http-json in columns",
        source: "http-json",
        settings: |url| settings("http-json", url),
        options: || json!({"rows": "", "form": "columns"}),
        ends: ["[[", "]]"],
        by_column: true,
        bombs: &[["[[", "0,", "0],[]]"], ["[[],[", "{},", "0]]"]],
        ..JSON
    },
    Parser {
        name: "http-json keyed by time",
        source: "http-json",
        settings: |url| settings("http-json", url),
        options: || json!({"rows": "", "form": "keyed", "value": ""}),
        ends: ["{", "}"],
        row: |time, value| format!("\"{time}\":{value}"),
        bombs: &[["{", "\"\":0,", "\"b\":0}"], ["{\"a\":[", "[],", "[]]}"]],
        ..JSON
    },
    Parser {
        name: "http-json in lines",
        source: "http-json",
        settings: |url| settings("http-json", url),
        options: || json!({"format": "ndjson", "rows": ""}),
        ends: ["", ""],
        between: "\n",
        bombs: &[["", "{}\n", ""], ["", "0\n", ""]],
        ..JSON
    },
    Parser {
        name: "simple-json series",
        source: "simple-json",
        settings: |url| settings("simple-json", url),
        options: || json!({"target": "a"}),
        ends: ["[{\"target\":\"a\",\"datapoints\":[", "]}]"],
        row: |time, value| format!("[{value},{time}]"),
        repeated: Some(("\"target\":\"a\",", "\"target\":\"a\",\"target\":\"b\",")),
        bombs: &[
            ["[", "{},", "{}]"],
            ["[", "{\"datapoints\":[]},", "{}]"],
            ["[{\"datapoints\":[", "[],", "[]]}]"],
            ["[{\"datapoints\":[[\"x\",", "0,", "0]]}]"],
        ],
        ..JSON
    },
    Parser {
        name: "simple-json tables",
        source: "simple-json",
        settings: |url| settings("simple-json", url),
        options: || json!({"target": "a", "type": "table"}),
        ends: [
            "[{\"columns\":[{\"text\":\"Time\",\"type\":\"time\"},{\"text\":\"v\",\"type\":\"number\"}],\"rows\":[",
            "]}]",
        ],
        repeated: Some(("\"rows\":", "\"rows\":[[1700000040000,7]],\"rows\":")),
        bombs: &[
            ["[{\"rows\":[],\"columns\":[", "{},", "{}]}]"],
            ["[{\"columns\":[{\"type\":\"time\"},{\"type\":\"number\"}],\"rows\":[[\"x\",", "0,", "0]]}]"],
        ],
        ..JSON
    },
    Parser {
        name: "simple-json annotations",
        source: "simple-json",
        settings: |url| settings("simple-json", url),
        options: || json!({"target": "a"}),
        annotations: true,
        row: |time, value| format!("{{\"time\":{time},\"text\":{value}}}"),
        repeated: Some(("\"text\":", "\"text\":7,\"text\":")),
        bombs: &[
            ["[", "{},", "{}]"],
            ["[{\"time\":\"x\",\"tags\":[", "{\"\":0},", "{}]}]"],
            ["[{\"time\":\"x\",\"tags\":[", "\"a\",", "\"a\"]}]"],
        ],
        ..JSON
    },
    Parser {
        name: "influxdb JSON",
        source: "influxdb",
        settings: |url| settings("influxdb", url),
        options: || json!({"text": "select v from m where $timeFilter"}),
        ends: [
            "{\"results\":[{\"series\":[{\"name\":\"m\",\"columns\":[\"time\",\"v\"],\"values\":[",
            "]}]}]}",
        ],
        repeated: Some(("{\"results\":", "{\"results\":[],\"results\":")),
        bombs: &[
            ["", "{\"results\":[]}", "{}"],
            ["{\"results\":[", "{},", "{}]}"],
            ["{\"results\":[{\"series\":[", "{},", "{}]}]}"],
            ["{\"results\":[{\"messages\":[", "{},", "{}]}]}"],
            ["{\"results\":[{\"series\":[{\"values\":[[]],\"columns\":[", "\"\",", "\"\"]}]}]}"],
            [
                "{\"results\":[{\"series\":[{\"columns\":[\"time\",\"v\"],\"values\":[[\"x\",",
                "0,",
                "0]]}]}]}",
            ],
        ],
        ..JSON
    },
    Parser {
        name: "influxdb CSV",
        source: "influxdb",
        settings: |url| settings("influxdb", url),
        options: || json!({"text": "select v from m where $timeFilter", "format": "csv"}),
        ends: ["name,tags,time,v\n", ""],
        row: |time, value| format!("m,,{time},{value}\n"),
        between: "",
        is_csv: true,
        bombs: &[
            ["name,tags,time,v\nm,,x", ",0", "\n"],
            ["name,tags,time", ",v", "\n"],
            ["name,tags,time,v\n", "m,,x,\nn,,x,\n", "m,,x,\n"],
        ],
        ..JSON
    },
    Parser {
        name: "influxdb Flux",
        source: "influxdb",
        settings: |url| settings("influxdb", url),
        options: || json!({"language": "flux", "text": "from(bucket: v.bucket)"}),
        ends: [
            "#datatype,string,long,dateTime:RFC3339,double\n#group,false,false,false,false\n#default,_result,,,\n\
             ,result,table,_time,_value\n",
            "",
        ],
        row: |time, value| format!(",,0,{},{value}\n", iso(time)),
        between: "",
        is_csv: true,
        bombs: &[
            ["#datatype,string,dateTime:RFC3339\n,a,_time", ",v", "\n,,\n"],
            ["#datatype,string,dateTime:RFC3339\n,a,_time\n", ",,x\n,b,x\n", ",,\n"],
            ["", "#group\n", "\n"],
        ],
        ..JSON
    },
    Parser {
        name: "influxdb SQL lines",
        source: "influxdb",
        settings: |url| settings("influxdb", url),
        options: || json!({"language": "sql", "text": "SELECT time, v FROM m WHERE $__timeFilter(time)"}),
        ends: ["", ""],
        row: |time, value| format!("{{\"time\":{time},\"v\":{value}}}\n"),
        between: "",
        repeated: Some(("\"v\":10.5", "\"v\":7,\"v\":10.5")),
        bombs: &[["", "{}\n", "{}\n"], ["{", "\"a\":0,", "\"b\":0}\n"], ["", "[", "\n"]],
        ..JSON
    },
    Parser {
        name: "prometheus",
        source: "prometheus",
        settings: |url| settings("prometheus", url),
        options: || json!({"expr": "up"}),
        ends: [
            "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{},\"values\":[",
            "]}]}}",
        ],
        row: |time, value| format!("[{},{value}]", time / 1_000),
        repeated: Some((
            "{\"resultType\":\"matrix\",\"result\":",
            "{\"resultType\":\"matrix\",\"result\":[],\"result\":",
        )),
        bombs: &[
            ["{\"status\":\"success\",\"warnings\":[", "\"\",", "\"\"],\"data\":{\"result\":[]}}"],
            ["{\"status\":\"success\",\"data\":{\"result\":[", "{\"metric\":{}},", "{\"metric\":{}}]}}"],
            [
                "{\"status\":\"success\",\"data\":{\"result\":[{\"values\":[",
                "[0,null],",
                "[0,null]],\"metric\":{}}]}}",
            ],
            ["{\"status\":\"success\",\"data\":{\"result\":[{\"histograms\":[", "0,", "0],\"metric\":{}}]}}"],
        ],
        ..JSON
    },
    Parser {
        name: "grafana frames",
        source: "grafana",
        settings: |url| with_token("grafana", url),
        options: || json!({"datasourceUid": "other"}),
        ends: [
            "{\"results\":{\"A\":{\"frames\":[{\"schema\":{\"fields\":[{\"name\":\"t\",\"type\":\"time\"},\
             {\"name\":\"v\",\"type\":\"number\"}]},\"data\":{\"values\":[[",
            "]]}}]}}}",
        ],
        by_column: true,
        repeated: Some(("{\"values\":", "{\"values\":[[1700000040000],[7]],\"values\":")),
        bombs: &[
            ["{\"results\":{\"A\":{\"frames\":[", "{},", "{}]}}}"],
            [
                "{\"results\":{\"A\":{\"frames\":[{\"schema\":{\"fields\":[",
                "{},",
                "{}]},\"data\":{\"values\":[[]]}}]}}}",
            ],
            ["{\"results\":{\"A\":{\"frames\":[{\"data\":{\"values\":[", "0,", "0]}}]}}}"],
            ["{\"results\":{\"A\":{\"frames\":[{\"schema\":{\"meta\":{\"notices\":[", "{},", "{}]}}}]}}}"],
            ["{\"results\":{", "\"B\":{},", "\"A\":{}}}"],
        ],
        ..JSON
    },
];
