//! From the JSON of Prometheus' HTTP API to series, read sample by sample.
//!
//! Input is the body of an answer to `query_range` (a matrix) or `query` (vector, scalar, string); output are series
//! and notices. Times are seconds with a fraction, values are text as Go writes numbers (`1e+06`, `NaN`, `+Inf`):
//! both come out as the nearest ms and the very `f64` that the server has. NaN, stale markers among them, and
//! infinities are gaps. Native histograms are no numbers: they are left out with a notice.
//!
//! Source: "HTTP API" of the Prometheus documentation, "Format overview" and "Expression query result formats".

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use super::legend::Legend;
use crate::error::{Category, Error, Result};
use crate::series::{Labels, Series};
use crate::settings::Limits;
use crate::source::collect::{Collector, SeriesId};
use crate::source::json::{Bounded, not_json, without_mark};
use crate::source::secrets::Secrets;

/// Label that holds the name of a metric.
pub(super) const METRIC_NAME: &str = "__name__";
/// How much of the server's words is quoted, and of how many notices.
const QUOTED_CHARS: usize = 300;
const MOST_NOTICES: usize = 5;
type Few = Bounded<String, MOST_NOTICES>;
/// The most names or series of an answer that is no query's.
const MAX_NAMES: usize = 100_000;

/// How the series of an answer are named.
#[derive(Debug, Clone)]
pub(super) struct Naming {
    /// Says the name; where it is empty, the name of the metric does.
    pub(super) legend: Legend,
    /// Name of a series that has none.
    pub(super) fallback: String,
    /// Grafana unit id, may be empty.
    pub(super) unit: String,
}

/// The series in an answer, and notices of what was left out and of what the server warns.
///
/// # Errors
/// [`Category::Protocol`] if the answer is not what the API answers, [`Category::Query`] if it is text,
/// [`Category::Limit`] if there are too many samples or series, or what the server says went wrong.
pub(super) fn decode(
    bytes: &[u8],
    naming: &Naming,
    limits: &Limits,
    secrets: &Secrets,
) -> Result<(Vec<Series>, Vec<String>)> {
    let bytes = without_mark(bytes);
    let mut reader = Reader {
        naming,
        collector: Collector::new(limits),
        failure: None,
        histograms: 0,
        is_text: false,
        result_seen: false,
    };
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = Answer { reader: &mut reader }.deserialize(&mut json);
    let read = read.and_then(|said| json.end().map(|()| said));
    if let Some(error) = reader.failure {
        return Err(error);
    }
    let said = read.map_err(|error| not_understood(bytes, &error, secrets))?;
    if said.status == "error" {
        return Err(of_error(&said.error_type, &said.error, None, secrets));
    }
    if reader.is_text {
        return Err(Error::new(Category::Query, "the PromQL gives a text, not numbers")
            .hint("ask for an expression that gives numbers"));
    }
    if !reader.result_seen {
        return Err(strange("it holds no data.result"));
    }
    let (series, mut notices) =
        reader.collector.finish("check that the URL is that of a Prometheus-compatible API")?;
    if reader.histograms > 0 {
        notices.push(format!(
            "Native histograms are left out, because they are no numbers (samples: {}): take histogram_quantile, \
             histogram_avg or another function that makes numbers of them",
            reader.histograms
        ));
    }
    if said.is_partial {
        notices.push(
            "Prometheus says: the answer is partial, because a part of the storage did not answer".to_owned(),
        );
    }
    let said = said.warnings.iter().chain(&said.infos);
    notices.extend(
        said.take(MOST_NOTICES).map(|text| format!("Prometheus says: {}", secrets.quote(text, QUOTED_CHARS))),
    );
    Ok((series, notices))
}

/// The list in an answer that is no query's, such as one of labels.
///
/// # Errors
/// As [`decode`].
pub(super) fn decode_list<T: DeserializeOwned>(bytes: &[u8], secrets: &Secrets) -> Result<Vec<T>> {
    let list: Option<Bounded<T, MAX_NAMES>> = decode_data(bytes, secrets)?;
    list.map_or(Ok(Vec::new()), |list| list.all("names or series"))
}

/// The `data` of an answer that is neither a query's nor a list.
///
/// # Errors
/// As [`decode`].
pub(super) fn decode_data<T: DeserializeOwned>(bytes: &[u8], secrets: &Secrets) -> Result<T> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", bound = "T: DeserializeOwned")]
    struct Envelope<T> {
        #[serde(default)]
        status: String,
        #[serde(default)]
        error_type: String,
        #[serde(default)]
        error: String,
        data: Option<T>,
    }
    let bytes = without_mark(bytes);
    let envelope: Envelope<T> =
        serde_json::from_slice(bytes).map_err(|error| not_understood(bytes, &error, secrets))?;
    if envelope.status == "error" {
        return Err(of_error(&envelope.error_type, &envelope.error, None, secrets));
    }
    envelope.data.ok_or_else(|| strange("it holds no data"))
}

/// The error in a body that came with a bad status from the server at `origin`; `None` if it is neither in the form of the API
/// nor known.
pub(super) fn explain(status: u16, body: &str, origin: &str, secrets: &Secrets) -> Option<Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Refusal {
        error_type: String,
        #[serde(default)]
        error: String,
    }
    if matches!(status, 401 | 403) {
        // Mimir and Cortex, in plain text.
        return body.to_lowercase().contains("no org id").then(|| {
            Error::new(Category::Auth, "the server wants to know the tenant (X-Scope-OrgID)")
                .hint("set the tenant in the data source settings")
        });
    }
    let Ok(refusal) = serde_json::from_str::<Refusal>(body) else {
        return of_plain_text(status, body, origin);
    };
    Some(of_error(&refusal.error_type, &refusal.error, Some(status), secrets))
}

/// What servers answer in plain words: where they are not ready yet, and where their API is at another path.
fn of_plain_text(status: u16, body: &str, origin: &str) -> Option<Error> {
    let begins = |words: &str| body.trim_start().starts_with(words);
    let is_of_victoria = body.contains("unsupported path requested");
    match status {
        503 if begins("Service Unavailable") => Some(not_ready("Prometheus", "")),
        404 if begins("404 page not found") => Some(no_api(origin, status)),
        400 | 404 if is_of_victoria => Some(no_api(origin, status)),
        _ => None,
    }
}

fn not_ready(server: &str, says: &str) -> Error {
    Error::new(Category::Connection, format!("{server} is not ready{says}")).hint(
        "wait: it is starting, and may be replaying its log; look into that of the server if it takes long",
    )
}

fn no_api(origin: &str, status: u16) -> Error {
    Error::new(Category::Protocol, format!("{origin} answered with status {status}: it has no API of Prometheus at this path"))
        .hint(
            "check the URL in the data source settings: it ends where /api/v1 begins, such as http://prometheus:9090, or with \
             a prefix that the server has (--web.external-url), http://mimir/prometheus",
        )
}

/// What an error of the API means. VictoriaMetrics writes the status as its type.
fn of_error(error_type: &str, error: &str, status: Option<u16>, secrets: &Secrets) -> Error {
    let says = secrets.quote(error, QUOTED_CHARS);
    let says = if says.is_empty() { String::new() } else { format!(": \"{says}\"") };
    let server = if error_type.parse::<u16>().is_ok() { "VictoriaMetrics" } else { "Prometheus" };
    // While it evaluates, Prometheus calls it a timeout; while it reads, an execution.
    let too_long = ["context deadline exceeded", "timeout exceeded", "query timed out"]
        .iter()
        .any(|part| error.contains(part));
    let too_much = [
        "too many samples",
        "exceeded maximum resolution",
        "exceeds the limit",
        "err-mimir-max",
        "-search.max",
    ]
    .iter()
    .any(|part| error.contains(part));
    match (error_type, status) {
        _ if error_type == "timeout" || too_long => Error::new(Category::Connection, format!("{server} gave the query up after its time-out{says}"))
            .hint("ask for fewer series, a longer step or a shorter training window, or raise the setting timeout and the server's own (--query.timeout)"),
        ("canceled", _) => Error::new(Category::Connection, format!("{server} cancelled the query{says}"))
            .hint("try again, and look into the log of the server if it happens often"),
        ("503", _) if too_much => Error::new(Category::Limit, format!("{server} refuses more queries for now{says}"))
            .hint("refresh less often, or raise the limit of the server that it names"),
        ("unavailable" | "503", _) => not_ready(server, &says),
        ("too_many_requests" | "429", _) | (_, Some(429)) => {
            Error::new(Category::Limit, format!("the server refuses more queries for now{says}"))
                .hint("refresh less often, or raise the limits of the server")
        }
        ("execution" | "bad_data" | "422" | "400", _) if too_much => {
            Error::new(Category::Limit, format!("the query is beyond a limit of the server{says}"))
                .hint("ask for fewer series or a longer step, or raise the limit of the server that it names")
        }
        ("bad_data" | "400", _) => Error::new(Category::Query, format!("{server} does not understand the query{says}"))
            .hint("correct the PromQL of the query"),
        ("execution" | "422", _) => Error::new(Category::Query, format!("{server} cannot carry out the query{says}"))
            .hint("correct the PromQL of the query"),
        ("not_found" | "404", _) => Error::new(Category::Protocol, format!("the server has no such endpoint{says}"))
            .hint("check the URL in the data source settings: it ends before /api/v1"),
        _ => Error::new(Category::Protocol, format!("{server} failed{says}")).hint("look into the log of the server"),
    }
}

fn strange(what: &str) -> Error {
    Error::new(Category::Protocol, format!("the answer is not that of a Prometheus-compatible API: {what}"))
        .hint("check the URL in the data source settings: it ends before /api/v1")
}

fn not_understood(bytes: &[u8], error: &serde_json::Error, secrets: &Secrets) -> Error {
    if error.is_data() {
        strange(&secrets.quote(&error.to_string(), QUOTED_CHARS))
    } else {
        not_json(bytes, error)
    }
}

/// What is gathered while an answer is read.
struct Reader<'n> {
    naming: &'n Naming,
    collector: Collector,
    /// Why reading stopped, where it was not for the JSON.
    failure: Option<Error>,
    histograms: usize,
    is_text: bool,
    result_seen: bool,
}

impl Reader<'_> {
    /// The value, or an error for serde, with the real one kept.
    fn keep<T, E: serde::de::Error>(&mut self, result: Result<T>) -> Result<T, E> {
        result.map_err(|error| {
            let told = E::custom("stopped");
            self.failure = Some(error);
            told
        })
    }

    fn series<E: serde::de::Error>(&mut self, mut labels: Labels) -> Result<SeriesId, E> {
        let metric = labels.get(METRIC_NAME).cloned();
        let name = match self.naming.legend.name(&labels) {
            // The label stays: without it, two metrics could become one series.
            Some(name) => name,
            None => {
                labels.remove(METRIC_NAME);
                metric.unwrap_or_else(|| self.naming.fallback.clone())
            }
        };
        let id = self.collector.series(&name, labels);
        let id = self.keep(id)?;
        self.collector.set_unit(id, &self.naming.unit);
        Ok(id)
    }

    fn push<E: serde::de::Error>(&mut self, id: SeriesId, Sample(time, value): Sample) -> Result<(), E> {
        let pushed = self.collector.push(id, time, value);
        self.keep(pushed)
    }
}

/// What an answer says besides its data.
#[derive(Debug, Default)]
struct Said {
    status: String,
    error_type: String,
    error: String,
    warnings: Vec<String>,
    infos: Vec<String>,
    is_partial: bool,
}

/// The whole answer.
struct Answer<'a, 'n> {
    reader: &'a mut Reader<'n>,
}

impl<'de> DeserializeSeed<'de> for Answer<'_, '_> {
    type Value = Said;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Said, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Answer<'_, '_> {
    type Value = Said;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a status")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Said, A::Error> {
        let mut said = Said::default();
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match &*key {
                "status" => said.status = map.next_value()?,
                "errorType" => said.error_type = map.next_value()?,
                "error" => said.error = map.next_value()?,
                "warnings" => {
                    said.warnings = map.next_value::<Option<Few>>()?.map_or_else(Vec::new, |few| few.0);
                }
                "infos" => said.infos = map.next_value::<Option<Few>>()?.map_or_else(Vec::new, |few| few.0),
                // Of VictoriaMetrics and Thanos' kin: some of the storage did not answer.
                "isPartial" => said.is_partial = map.next_value()?,
                "data" => map.next_value_seed(Data { reader: &mut *self.reader })?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(said)
    }
}

/// `data` of an answer; null in one that is an error.
struct Data<'a, 'n> {
    reader: &'a mut Reader<'n>,
}

impl<'de> DeserializeSeed<'de> for Data<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Data<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a result")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match &*key {
                "resultType" => self.reader.is_text |= map.next_value::<String>()? == "string",
                "result" if self.reader.result_seen => return Err(A::Error::duplicate_field("result")),
                "result" => {
                    self.reader.result_seen = true;
                    map.next_value_seed(Elements { reader: &mut *self.reader })?;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// `result`: series of a matrix or vector, or the two parts of a scalar.
struct Elements<'a, 'n> {
    reader: &'a mut Reader<'n>,
}

impl<'de> DeserializeSeed<'de> for Elements<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    /// Some servers write null for no series.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut time = None;
        while let Some(element) = seq.next_element_seed(Element { reader: &mut *self.reader })? {
            match (element, time) {
                (Scalar::None, _) => {}
                (Scalar::Number(seconds), None) => time = Some(seconds),
                (Scalar::Text(text), Some(seconds)) => {
                    // A text that is no number was announced as one, or is told by `is_text`.
                    let Some(value) = number(&text) else {
                        self.reader.is_text = true;
                        continue;
                    };
                    let id = self.reader.series(Labels::new())?;
                    let time = ms(seconds).ok_or_else(|| A::Error::custom("a time out of range"))?;
                    self.reader.push(id, Sample(time, value))?;
                }
                _ => return Err(A::Error::custom("a list of neither series nor [time, value]")),
            }
        }
        Ok(())
    }
}

/// One element of `result`, where it is no series.
enum Scalar {
    /// It was a series, and was taken.
    None,
    Number(f64),
    Text(String),
}

struct Element<'a, 'n> {
    reader: &'a mut Reader<'n>,
}

impl<'de> DeserializeSeed<'de> for Element<'_, '_> {
    type Value = Scalar;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Scalar, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Element<'_, '_> {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a series")
    }

    fn visit_f64<E>(self, number: f64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number as f64))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
        let mut id = None;
        let mut has_values = false;
        // Servers write the labels first; where one does not, its samples wait for them.
        let mut waiting = Vec::new();
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match &*key {
                "metric" if id.is_some() => return Err(A::Error::duplicate_field("metric")),
                "values" | "value" if std::mem::replace(&mut has_values, true) => {
                    return Err(A::Error::duplicate_field("values"));
                }
                "metric" => {
                    let labels: BTreeMap<String, String> = map.next_value()?;
                    id = Some(self.reader.series(labels)?);
                }
                "values" => match id {
                    Some(id) => map.next_value_seed(Samples { reader: &mut *self.reader, id })?,
                    None => waiting.extend(map.next_value::<Option<Vec<Sample>>>()?.into_iter().flatten()),
                },
                "value" => waiting.push(map.next_value::<Sample>()?),
                "histograms" => {
                    let histograms: Option<Vec<IgnoredAny>> = map.next_value()?;
                    self.reader.histograms += histograms.map_or(0, |all| all.len());
                }
                "histogram" => {
                    map.next_value::<IgnoredAny>()?;
                    self.reader.histograms += 1;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let id = id.ok_or_else(|| A::Error::missing_field("metric"))?;
        for sample in waiting {
            self.reader.push(id, sample)?;
        }
        Ok(Scalar::None)
    }
}

/// The samples of a series of a matrix.
struct Samples<'a, 'n> {
    reader: &'a mut Reader<'n>,
    id: SeriesId,
}

impl<'de> DeserializeSeed<'de> for Samples<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        // Servers in Go may write a list without elements as null.
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Samples<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of samples")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, list: D) -> Result<(), D::Error> {
        list.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(sample) = seq.next_element::<Sample>()? {
            self.reader.push(self.id, sample)?;
        }
        Ok(())
    }
}

/// A time in ms and a value.
struct Sample(i64, f64);

impl<'de> Deserialize<'de> for Sample {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pair;

        impl<'de> Visitor<'de> for Pair {
            type Value = Sample;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("[time, value]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Sample, A::Error> {
                let seconds: f64 = seq.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
                let time = ms(seconds).ok_or_else(|| A::Error::custom("a time out of range"))?;
                let Value(value) = seq.next_element()?.ok_or_else(|| A::Error::invalid_length(1, &self))?;
                if seq.next_element::<IgnoredAny>()?.is_some() {
                    return Err(A::Error::invalid_length(3, &self));
                }
                Ok(Sample(time, value))
            }
        }

        deserializer.deserialize_seq(Pair)
    }
}

/// A number written as text, or, by servers that are less strict, as a number or null.
struct Value(f64);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number as text")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
                number(text).map(Value).ok_or_else(|| E::custom("a value that is no number"))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
                Ok(Value(number))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
                Ok(Value(number as f64))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
                Ok(Value(number as f64))
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value(f64::NAN))
            }
        }

        deserializer.deserialize_any(Text)
    }
}

/// A number as Go writes it: `1e+06`, `NaN`, `+Inf`, `-Inf`.
fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// Seconds with a fraction in ms; rounded, because 1700000000.123 s is no whole number of ms in binary.
fn ms(seconds: f64) -> Option<i64> {
    let ms = (seconds * 1_000.0).round();
    (ms.abs() < 9.2e18).then_some(ms as i64)
}

#[cfg(test)]
mod tests;
