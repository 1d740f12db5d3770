//! A host as small as can be: launches the plugin as Grafana does, speaks its gRPC, reads its frames.
//!
//! Shared by the process tests and the examples; the full conformance host, built on Grafana's own Go code, is in
//! `tests/conformance`.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampNanosecondType};
use arrow_ipc::reader::FileReader;
use arrow_schema::DataType;
use grafana_plugin_sdk::pluginv2::check_health_response::HealthStatus;
use grafana_plugin_sdk::pluginv2::data_client::DataClient;
use grafana_plugin_sdk::pluginv2::diagnostics_client::DiagnosticsClient;
use grafana_plugin_sdk::pluginv2::{
    self, CheckHealthRequest, DataQuery, PluginContext, QueryDataRequest, TimeRange,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStderr, Command};
use tonic::codec::ProstCodec;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};

/// Any error; a test or an example only prints it.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

/// Lets the plugin read SQLite databases wherever a test makes one.
pub(crate) const ALL_FILES: (&str, &str) = ("GF_PLUGIN_SQLITE_DIRECTORIES", "/");

/// A running plugin and the connection to it.
pub(crate) struct Plugin {
    /// The process; killed when dropped.
    pub(crate) child: Child,
    /// The connection, for clients of any service.
    pub(crate) channel: Channel,
    /// The line the plugin introduced itself with.
    pub(crate) handshake: String,
    /// What follows on standard output: nothing, if all is well.
    pub(crate) stdout: Lines<BufReader<tokio::process::ChildStdout>>,
    /// The plugin's log.
    pub(crate) stderr: Option<ChildStderr>,
}

impl Plugin {
    /// Launches `binary` with Grafana's environment and connects to it.
    pub(crate) async fn launch(binary: &Path, env: &[(&str, &str)]) -> Result<Self, Error> {
        let mut child = Command::new(binary)
            .env_clear()
            .env("grafana_plugin_type", "datasource")
            .env("PLUGIN_PROTOCOL_VERSIONS", "2")
            .env("PLUGIN_MIN_PORT", "10000")
            .env("PLUGIN_MAX_PORT", "25000")
            .env("GF_VERSION", "11.6.0")
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot launch {}: {error}", binary.display()))?;
        let stderr = child.stderr.take();
        let mut stdout = BufReader::new(child.stdout.take().ok_or("no standard output")?).lines();
        let handshake = tokio::time::timeout(Duration::from_secs(30), stdout.next_line())
            .await
            .map_err(|_| "no handshake within 30 s")??
            .ok_or("the plugin ended without a handshake")?;
        let parts: Vec<&str> = handshake.split('|').collect();
        let channel = match parts[..] {
            [_, _, "unix", path, _] => connect(path.to_owned()).await?,
            [_, _, "tcp", address, _] => {
                Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true).connect().await?
            }
            _ => return Err(format!("no address in {handshake:?}").into()),
        };
        Ok(Self { child, channel, handshake, stdout, stderr })
    }

    /// Asks one query and reads its frames.
    pub(crate) async fn query(
        &self,
        context: PluginContext,
        range: (i64, i64),
        json: &Value,
    ) -> Result<Answer, Error> {
        self.query_with(context, range, json, &[]).await
    }

    /// As `query`, with headers as Grafana sends them along.
    pub(crate) async fn query_with(
        &self,
        context: PluginContext,
        range: (i64, i64),
        json: &Value,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Error> {
        let mut answers = self.query_all(context, range, &[("A", json)], headers).await?;
        Ok(answers.remove("A").ok_or("no answer for refId A")?)
    }

    /// Asks several queries in one request, each under its refId.
    pub(crate) async fn query_all(
        &self,
        context: PluginContext,
        range: (i64, i64),
        queries: &[(&str, &Value)],
        headers: &[(&str, &str)],
    ) -> Result<HashMap<String, Answer>, Error> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let query = |(ref_id, json): &(&str, &Value)| DataQuery {
            ref_id: (*ref_id).to_owned(),
            max_data_points: 1_000,
            interval_ms: 60_000,
            time_range: Some(TimeRange { from_epoch_ms: range.0, to_epoch_ms: range.1 }),
            json: json.to_string().into_bytes(),
            query_type: String::new(),
        };
        let queries = queries.iter().map(query).collect();
        let request = QueryDataRequest { plugin_context: Some(context), headers, queries };
        let mut client = DataClient::new(self.channel.clone()).max_decoding_message_size(usize::MAX);
        let responses = client.query_data(request).await?.into_inner().responses;
        let mut answers = HashMap::with_capacity(responses.len());
        for (ref_id, response) in responses {
            let frames = response.frames.into_iter().map(read_frame).collect::<Result<_, _>>()?;
            let error = (!response.error.is_empty()).then_some(response.error);
            answers.insert(ref_id, Answer { frames, error, status: response.status });
        }
        Ok(answers)
    }

    /// Asks all at once, each of which must be answered or refused for the memory it would take; how many are answered.
    pub(crate) async fn ask_at_once(
        &self,
        settings: &Value,
        range: (i64, i64),
        queries: &[Value],
    ) -> Result<usize, Error> {
        let names: Vec<String> = (0..queries.len()).map(|number| number.to_string()).collect();
        let named: Vec<(&str, &Value)> = names.iter().map(String::as_str).zip(queries).collect();
        let answers = self.query_all(context(settings), range, &named, &[]).await?;
        let errors = answers.iter().filter_map(|(name, answer)| Some((name, answer.error.as_ref()?)));
        for (name, error) in errors {
            if !error.starts_with("[limit]") {
                return Err(format!("query {name}: {error}").into());
            }
        }
        Ok(answers.values().filter(|answer| answer.error.is_none()).count())
    }

    /// What the process had in memory at most, in MiB.
    pub(crate) fn most_resident_mib(&self) -> Result<usize, Error> {
        let id = self.child.id().ok_or("the plugin has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<usize>()? / 1_024)
    }

    /// "Save & test" of a data source.
    pub(crate) async fn check_health(&self, context: PluginContext) -> Result<Health, Error> {
        let request = CheckHealthRequest { plugin_context: Some(context), headers: HashMap::new() };
        let health = DiagnosticsClient::new(self.channel.clone()).check_health(request).await?.into_inner();
        Ok(Health {
            is_ok: health.status() == HealthStatus::Ok,
            details: serde_json::from_slice(&health.json_details)?,
            message: health.message,
        })
    }

    /// Asks for a clean shutdown, as the host does, and waits for the process to end.
    pub(crate) async fn shut_down(mut self) -> Result<std::process::ExitStatus, Error> {
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        client.ready().await?;
        let path = PathAndQuery::from_static("/plugin.GRPCController/Shutdown");
        client.unary::<(), (), _>(tonic::Request::new(()), path, ProstCodec::default()).await?;
        Ok(tokio::time::timeout(Duration::from_secs(2), self.child.wait())
            .await
            .map_err(|_| "the plugin still runs two seconds after shutdown")??)
    }
}

/// A connection to a unix socket. The endpoint's own address is never asked.
pub(crate) async fn connect(path: String) -> Result<Channel, Error> {
    let connector = tower::service_fn(move |_| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    Ok(Endpoint::from_static("http://plugin").connect_with_connector(connector).await?)
}

/// What "Save & test" was answered with.
pub(crate) struct Health {
    /// Whether all is well.
    pub(crate) is_ok: bool,
    /// The line Grafana shows.
    pub(crate) message: String,
    /// What it shows to those who unfold it.
    pub(crate) details: Value,
}

/// What a query was answered with.
pub(crate) struct Answer {
    /// The frames, decoded.
    pub(crate) frames: Vec<Frame>,
    /// The error, if it failed.
    pub(crate) error: Option<String>,
    /// HTTP status of the query.
    pub(crate) status: i32,
}

/// A decoded frame.
pub(crate) struct Frame {
    /// Its name.
    pub(crate) name: String,
    /// Its `meta`, null if it has none.
    pub(crate) meta: Value,
    /// Its columns.
    pub(crate) fields: Vec<Field>,
}

/// A decoded column.
pub(crate) struct Field {
    /// Its name.
    pub(crate) name: String,
    /// `time`, `number` or `string`, as Grafana's frontend calls them.
    pub(crate) kind: &'static str,
    /// Its labels, null if it has none.
    pub(crate) labels: Value,
    /// Its config, null if it has none.
    pub(crate) config: Value,
    /// Its cells: ms since the epoch, numbers, texts or null.
    pub(crate) values: Vec<Value>,
}

impl Frame {
    /// The cells of a column, if there is one of that name.
    pub(crate) fn column(&self, name: &str) -> Option<&[Value]> {
        self.fields.iter().find(|field| field.name == name).map(|field| &field.values[..])
    }

    /// Times and values of its series, with gaps as `None`; empty if there is no series.
    pub(crate) fn points(&self) -> Vec<(i64, Option<f64>)> {
        let Some(values) = self.fields.iter().find(|field| field.kind == "number") else { return Vec::new() };
        let times = self.column("time").into_iter().flatten();
        times.zip(&values.values).filter_map(|(time, value)| Some((time.as_i64()?, value.as_f64()))).collect()
    }
}

impl Answer {
    /// The answer as JSON, for programs in other languages.
    pub(crate) fn to_json(&self) -> Value {
        let field = |field: &Field| {
            json!({"name": field.name, "type": field.kind, "labels": field.labels, "config": field.config,
                   "values": field.values})
        };
        let frame = |frame: &Frame| {
            let fields: Vec<Value> = frame.fields.iter().map(field).collect();
            json!({"name": frame.name, "meta": frame.meta, "fields": fields})
        };
        let frames: Vec<Value> = self.frames.iter().map(frame).collect();
        json!({"frames": frames, "error": self.error, "status": self.status})
    }
}

fn read_frame(bytes: Vec<u8>) -> Result<Frame, Error> {
    let mut reader = FileReader::try_new(io::Cursor::new(bytes), None)?;
    let schema = reader.schema();
    let batch = reader.next().transpose()?;
    let parse = |text: Option<&String>| text.map_or(Ok(Value::Null), |text| serde_json::from_str(text));
    let mut fields = Vec::new();
    for (index, field) in schema.fields().iter().enumerate() {
        let metadata = field.metadata();
        let (kind, values) = match &batch {
            Some(batch) => read_column(batch.column(index))?,
            None => ("none", Vec::new()),
        };
        fields.push(Field {
            name: field.name().clone(),
            kind,
            labels: parse(metadata.get("labels"))?,
            config: parse(metadata.get("config"))?,
            values,
        });
    }
    let name = schema.metadata().get("name").cloned().unwrap_or_default();
    Ok(Frame { name, meta: parse(schema.metadata().get("meta"))?, fields })
}

fn read_column(column: &dyn Array) -> Result<(&'static str, Vec<Value>), Error> {
    Ok(match column.data_type() {
        DataType::Timestamp(_, _) => (
            "time",
            column
                .as_primitive::<TimestampNanosecondType>()
                .iter()
                .map(|ns| json!(ns.map(|ns| ns / 1_000_000)))
                .collect(),
        ),
        DataType::Float64 => {
            ("number", column.as_primitive::<Float64Type>().iter().map(|value| json!(value)).collect())
        }
        DataType::Utf8 => ("string", column.as_string::<i32>().iter().map(|text| json!(text)).collect()),
        DataType::Boolean => ("boolean", column.as_boolean().iter().map(|flag| json!(flag)).collect()),
        // JSON, as the type of the browser's frames that says nothing else.
        DataType::Binary => {
            let json =
                column.as_binary::<i32>().iter().map(|json| serde_json::from_slice(json.unwrap_or(b"null")));
            ("other", json.collect::<Result<_, _>>()?)
        }
        other => return Err(format!("unexpected column type {other}").into()),
    })
}

/// A plugin context of a data source with these settings: `{"url", "basicAuth", "basicAuthUser", "jsonData",
/// "secureJsonData"}`, as Grafana's API and provisioning files have them.
pub(crate) fn context(settings: &Value) -> PluginContext {
    let text = |name: &str| settings[name].as_str().unwrap_or_default().to_owned();
    let secrets = settings["secureJsonData"].as_object().into_iter().flatten();
    PluginContext {
        org_id: 1,
        plugin_id: "outrider-outliers-datasource".to_owned(),
        user: None,
        app_instance_settings: None,
        data_source_instance_settings: Some(pluginv2::DataSourceInstanceSettings {
            id: 1,
            uid: "outrider".to_owned(),
            name: "Outrider".to_owned(),
            url: text("url"),
            user: text("user"),
            database: text("database"),
            basic_auth_enabled: settings["basicAuth"].as_bool().unwrap_or(false),
            basic_auth_user: text("basicAuthUser"),
            json_data: if settings["jsonData"].is_null() {
                Vec::new()
            } else {
                settings["jsonData"].to_string().into()
            },
            decrypted_secure_json_data: secrets
                .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
                .collect(),
            last_updated_ms: 0,
        }),
    }
}
