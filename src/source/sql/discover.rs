//! What an editor, a variable or an ad-hoc filter asks: databases, schemas, tables, columns, labels and their values.

use super::dialect::Dialect;
use super::pool::{Driver, Pool, Sink};
use super::rows::{Column, Value};
use super::statement::{Param, Statement, Writer, table};
use crate::error::Result;
use crate::source::{Choice, Question};

/// The questions, by name.
pub(super) const QUESTIONS: &[&str] =
    &["databases", "schemas", "tables", "columns", "tag-keys", "tag-values"];
/// How many tables are asked for the values of a label that no table is named for.
const MAX_TABLES: usize = 8;

/// Answers of text, NULL as an empty one.
#[derive(Debug, Default)]
pub(super) struct Texts(pub(super) Vec<Vec<String>>);

impl Sink for Texts {
    fn begin(&mut self, _columns: Vec<Column>) {}

    fn row(&mut self, row: &[Value<'_>]) -> Result<()> {
        let text = |value: &Value<'_>| match value {
            Value::Text(text) => text.clone().into_owned(),
            Value::Int(number) => number.to_string(),
            _ => String::new(),
        };
        self.0.push(row.iter().map(text).collect());
        Ok(())
    }
}

/// What a column is good for, by its declared type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Time,
    Number,
    Text,
    None,
}

impl Use {
    fn of(dialect: Dialect, type_name: &str) -> Self {
        let name = type_name.to_ascii_lowercase();
        let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
        if has(&["interval", "range", "[]", "array", "blob", "bytea", "binary", "geometry", "point"]) {
            Self::None
        } else if has(&["timestamp", "date"]) || (dialect == Dialect::Sqlite && has(&["time"])) {
            Self::Time
        } else if name.starts_with("time") || name == "year" {
            Self::None
        } else if has(&["int", "real", "floa", "doub", "num", "dec", "bool", "serial", "bit", "oid"]) {
            Self::Number
        } else if has(&["char", "clob", "text", "enum", "set", "uuid", "name", "json", "user-defined"])
            || (dialect == Dialect::Sqlite && name.is_empty())
        {
            Self::Text
        } else {
            Self::None
        }
    }
}

/// The answer; `None` if there is no such question.
pub(super) async fn discover<D: Driver>(pool: &Pool<D>, question: &Question) -> Result<Option<Vec<Choice>>> {
    let dialect = D::DIALECT;
    let schema = question.param("schema").unwrap_or_default();
    let named = question.param("table");
    let plain = |rows: Vec<Vec<String>>| rows.into_iter().filter_map(|row| row.into_iter().next());
    Ok(Some(match question.name() {
        "databases" | "schemas" => {
            let Some(sql) = databases(dialect, question.name()) else { return Ok(Some(Vec::new())) };
            let rows = ask(pool, Statement::plain(sql.to_owned())).await?;
            question.choose(plain(rows))
        }
        "tables" => {
            let rows = ask(pool, tables(dialect, schema, question)).await?;
            plain(rows).map(Choice::from).collect()
        }
        "columns" => {
            let Some(named) = named else { return Ok(Some(Vec::new())) };
            let rows = ask(pool, columns(dialect, schema, Some(named))).await?;
            question.choose(chosen_columns(dialect, &rows, question.param("kind").unwrap_or_default()))
        }
        "tag-keys" => {
            let rows = ask(pool, columns(dialect, schema, named)).await?;
            let mut names: Vec<String> = rows
                .into_iter()
                .filter(|row| Use::of(dialect, &row[1]) == Use::Text)
                .filter_map(|row| row.into_iter().next())
                .collect();
            names.sort_unstable();
            names.dedup();
            question.choose(names)
        }
        "tag-values" => {
            let Some(key) = question.param("key") else { return Ok(Some(Vec::new())) };
            let tables = match named {
                Some(named) => vec![named.to_owned()],
                None => tables_with(pool, schema, key).await?,
            };
            let mut all = Vec::new();
            for table in tables {
                let rows = ask(pool, values(dialect, schema, &table, key, question)?).await?;
                all.extend(plain(rows));
            }
            all.sort_unstable();
            all.dedup();
            all.truncate(question.limit());
            all.into_iter().map(Choice::from).collect()
        }
        _ => return Ok(None),
    }))
}

async fn ask<D: Driver>(pool: &Pool<D>, statement: Statement) -> Result<Vec<Vec<String>>> {
    Ok(pool.query(&statement, Texts::default).await?.0)
}

fn databases(dialect: Dialect, question: &str) -> Option<&'static str> {
    match (dialect, question) {
        (Dialect::Sqlite, _) => None,
        (Dialect::Postgresql, "databases") => {
            Some("SELECT datname::text FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1")
        }
        (Dialect::Postgresql, _) => Some(
            "SELECT nspname::text FROM pg_namespace WHERE has_schema_privilege(oid, 'USAGE') \
             AND nspname NOT LIKE 'pg!_%' ESCAPE '!' AND nspname <> 'information_schema' ORDER BY 1",
        ),
        (Dialect::Mysql, _) => Some("SELECT schema_name FROM information_schema.schemata ORDER BY 1"),
    }
}

/// The condition that a column of a catalogue is the schema asked for, or the one the database looks in by itself.
fn in_schema(writer: &mut Writer, dialect: Dialect, schema: &str) -> String {
    match (schema, dialect) {
        ("", Dialect::Postgresql) => "table_schema = ANY (current_schemas(false))".to_owned(),
        ("", _) => "table_schema = DATABASE()".to_owned(),
        (schema, _) => format!("table_schema = {}", writer.bind(Param::Text(schema.to_owned()))),
    }
}

/// The condition that `text` contains what is searched for, whatever the case.
fn searched(writer: &mut Writer, text: &str, search: &str) -> String {
    let mut pattern = String::from("%");
    for c in search.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    format!("LOWER({text}) LIKE {} ESCAPE '!'", writer.bind(Param::Text(pattern)))
}

fn tables(dialect: Dialect, schema: &str, question: &Question) -> Statement {
    let mut writer = Writer::new(dialect);
    let (name, from) = match dialect {
        Dialect::Sqlite => (
            "name",
            "sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
                .to_owned(),
        ),
        Dialect::Postgresql => (
            "table_name::text",
            format!("information_schema.tables WHERE {}", in_schema(&mut writer, dialect, schema)),
        ),
        Dialect::Mysql => (
            "table_name",
            format!("information_schema.tables WHERE {}", in_schema(&mut writer, dialect, schema)),
        ),
    };
    let searched = searched(&mut writer, name, question.search());
    let limit = question.limit();
    writer.finish(format!("SELECT {name} FROM {from} AND {searched} ORDER BY 1 LIMIT {limit}"))
}

/// Name and type of the columns of one table, or of all.
fn columns(dialect: Dialect, schema: &str, table: Option<&str>) -> Statement {
    let mut writer = Writer::new(dialect);
    let bound = |writer: &mut Writer| table.map(|table| writer.bind(Param::Text(table.to_owned())));
    let sql = match dialect {
        Dialect::Sqlite => {
            let table = bound(&mut writer).map(|place| format!("AND t.name = {place}")).unwrap_or_default();
            format!(
                "SELECT c.name, c.type FROM sqlite_schema AS t, pragma_table_xinfo(t.name) AS c \
                 WHERE t.type IN ('table', 'view') {table} ORDER BY t.name, c.cid"
            )
        }
        _ => {
            let schema = in_schema(&mut writer, dialect, schema);
            let table =
                bound(&mut writer).map(|place| format!("AND table_name = {place}")).unwrap_or_default();
            let text = if dialect == Dialect::Postgresql { "::text" } else { "" };
            format!(
                "SELECT column_name{text}, data_type{text} FROM information_schema.columns WHERE {schema} {table} \
                 ORDER BY table_name, ordinal_position"
            )
        }
    };
    writer.finish(sql)
}

/// Those that are good for `kind`; for times the most likely ones first, since numbers and text may hold times as well.
fn chosen_columns(dialect: Dialect, rows: &[Vec<String>], kind: &str) -> Vec<Choice> {
    let of = |wanted: &'static [Use]| {
        wanted.iter().flat_map(move |wanted| {
            rows.iter().filter(move |row| Use::of(dialect, &row[1]) == *wanted).map(|row| Choice {
                value: row[0].clone(),
                label: row[0].clone(),
                description: row[1].to_lowercase(),
            })
        })
    };
    match kind {
        "time" => of(&[Use::Time, Use::Number, Use::Text]).collect(),
        "number" => of(&[Use::Number]).collect(),
        "text" => of(&[Use::Text]).collect(),
        _ => of(&[Use::Time, Use::Number, Use::Text, Use::None]).collect(),
    }
}

/// The tables that have a column of this name.
async fn tables_with<D: Driver>(pool: &Pool<D>, schema: &str, key: &str) -> Result<Vec<String>> {
    let dialect = D::DIALECT;
    let mut writer = Writer::new(dialect);
    let sql = match dialect {
        Dialect::Sqlite => {
            let place = writer.bind(Param::Text(key.to_owned()));
            format!(
                "SELECT t.name FROM sqlite_schema AS t, pragma_table_xinfo(t.name) AS c \
                 WHERE t.type IN ('table', 'view') AND c.name = {place} ORDER BY 1 LIMIT {MAX_TABLES}"
            )
        }
        _ => {
            let schema = in_schema(&mut writer, dialect, schema);
            let place = writer.bind(Param::Text(key.to_owned()));
            let text = if dialect == Dialect::Postgresql { "::text" } else { "" };
            format!(
                "SELECT table_name{text} FROM information_schema.columns WHERE {schema} AND column_name = {place} \
                 ORDER BY 1 LIMIT {MAX_TABLES}"
            )
        }
    };
    let rows = ask(pool, writer.finish(sql)).await?;
    Ok(rows.into_iter().filter_map(|row| row.into_iter().next()).collect())
}

fn values(dialect: Dialect, schema: &str, name: &str, key: &str, question: &Question) -> Result<Statement> {
    let mut writer = Writer::new(dialect);
    let from = table(dialect, schema, name)?;
    let column = dialect.name(key);
    let text = match dialect {
        Dialect::Postgresql => format!("{column}::text"),
        Dialect::Sqlite => format!("CAST({column} AS TEXT)"),
        Dialect::Mysql => format!("CAST({column} AS CHAR)"),
    };
    let searched = searched(&mut writer, &text, question.search());
    let limit = question.limit();
    Ok(writer.finish(format!(
        "SELECT DISTINCT {text} FROM {from} WHERE {column} IS NOT NULL AND {searched} ORDER BY 1 LIMIT {limit}"
    )))
}
