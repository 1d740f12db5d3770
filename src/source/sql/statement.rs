//! The statement a query means: made of options, or the user's own with its macros.
//!
//! Input is the query's options and a [`FetchRequest`]; output a [`Statement`]: SQL and the parameters bound to it. The
//! values of filters are parameters; the only values written into the SQL are numbers and times that are made here.

use std::cell::RefCell;

use chrono_tz::Tz;

use super::arrays;
use super::dialect::{Dialect, TimeColumn, epoch_from};
use super::guard;
use super::options::{MAX_COLUMNS, Options};
use crate::error::{Category, Error, Result};
use crate::query::{AdhocFilter, DurationMs, FilterOperator, MacroValues, expand_with};
use crate::source::FetchRequest;
use crate::source::aggregate::Aggregate;

/// SQL with what is bound to it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) params: Vec<Param>,
    /// Whether it answers with one row, which holds an array a column.
    pub(super) is_packed: bool,
    /// Whether it is a user's own text, which may do more than read rows.
    pub(super) is_users: bool,
}

/// A value bound to a statement.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Param {
    Text(String),
    Float(f64),
}

impl Statement {
    /// SQL that nothing is bound to.
    pub(super) fn plain(sql: String) -> Self {
        Self { sql, params: Vec::new(), is_packed: false, is_users: false }
    }

    /// What is asked, for people.
    pub(super) fn shown(&self) -> String {
        if self.params.is_empty() {
            return self.sql.clone();
        }
        let params: Vec<String> = self
            .params
            .iter()
            .map(|param| match param {
                Param::Text(text) => format!("{text:?}"),
                Param::Float(number) => number.to_string(),
            })
            .collect();
        format!("{} -- parameters: {}", self.sql, params.join(", "))
    }
}

/// A statement that is being written.
pub(super) struct Writer {
    dialect: Dialect,
    params: Vec<Param>,
}

impl Writer {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, params: Vec::new() }
    }

    /// Binds a value and returns its place in the SQL.
    pub(super) fn bind(&mut self, param: Param) -> String {
        self.params.push(param);
        self.dialect.parameter(self.params.len())
    }

    pub(super) fn finish(self, sql: String) -> Statement {
        Statement { params: self.params, ..Statement::plain(sql) }
    }

    /// The condition that all filters make, in parentheses.
    fn conditions(&mut self, filters: &[AdhocFilter]) -> Result<Option<String>> {
        let mut all = Vec::new();
        for filter in filters {
            if filter.key.is_empty() {
                return Err(Error::new(Category::Query, "a filter names no column").hint("choose its column"));
            }
            let ordered = matches!(filter.operator, FilterOperator::Less | FilterOperator::Greater);
            let number: Option<f64> =
                filter.value.trim().parse().ok().filter(|number: &f64| number.is_finite());
            let param = match number {
                Some(number) if ordered => Param::Float(number),
                _ => Param::Text(filter.value.clone()),
            };
            let numeric = matches!(param, Param::Float(_));
            self.params.push(param);
            let column = self.dialect.name(&filter.key);
            all.push(self.dialect.condition(&column, filter.operator, self.params.len(), numeric));
        }
        Ok((!all.is_empty()).then(|| format!("({})", all.join(" AND "))))
    }
}

/// The whole steps of a request, as a half-open range: a step that is still running, or that the range cuts off, would
/// look like a drop. `None` if there is none.
pub(super) fn whole_steps(request: &FetchRequest, step_ms: i64, now_ms: i64) -> Option<(i64, i64)> {
    let step_ms = step_ms.max(1);
    let floor = |ms: i64| ms.saturating_sub(ms.rem_euclid(step_ms));
    let end_ms = request.range.to_ms.saturating_add(1).min(now_ms);
    let (from_ms, to_ms) = (floor(request.range.from_ms.saturating_add(step_ms - 1)), floor(end_ms));
    (from_ms < to_ms).then_some((from_ms, to_ms))
}

/// All of a request as a half-open range.
pub(super) fn whole_range(request: &FetchRequest) -> (i64, i64) {
    (request.range.from_ms, request.range.to_ms.saturating_add(1))
}

/// The table a query names, quoted.
pub(super) fn table(dialect: Dialect, schema: &str, table: &str) -> Result<String> {
    if table.is_empty() {
        return Err(
            Error::new(Category::Query, "the query names no table").hint("choose a table in the query")
        );
    }
    guard::check_table(dialect, table)?;
    if schema.is_empty() {
        return Ok(dialect.name(table));
    }
    if dialect == Dialect::Sqlite {
        return Err(Error::new(Category::Query, "SQLite has no schemas").hint("leave schema empty"));
    }
    Ok(format!("{}.{}", dialect.name(schema), dialect.name(table)))
}

/// A statement that tells how a column stores times: one of its values, and with it those of the columns of values where
/// the database aggregates what is no number without a word.
pub(super) fn sample(dialect: Dialect, options: &Options) -> Result<Statement> {
    let table = table(dialect, &options.schema, &options.table)?;
    if options.time_column.is_empty() {
        return Err(Error::new(Category::Query, "timeColumn is empty").hint("choose the column of the time"));
    }
    let time = dialect.name(&options.time_column);
    let mut columns = vec![time.clone()];
    let aggregates = !matches!(options.aggregate, Aggregate::None | Aggregate::Count);
    if aggregates && dialect == Dialect::Mysql {
        columns.extend(options.value_columns.iter().map(|name| dialect.name(name)));
    }
    let columns = columns.join(", ");
    let sql = format!("SELECT {columns} FROM {table} WHERE {time} IS NOT NULL LIMIT 1");
    Ok(Statement::plain(sql))
}

/// Whether the builder's statement asks for whole ms instead of times as they are stored.
pub(super) fn makes_ms(dialect: Dialect, options: &Options, time_column: TimeColumn, zone: Tz) -> bool {
    // A clock on the wall shows an hour twice where a zone changes: the database itself says which of them is meant.
    let is_ambiguous = dialect != Dialect::Sqlite && zone != Tz::UTC && time_column == TimeColumn::Timestamp;
    options.aggregate != Aggregate::None || is_ambiguous
}

/// Whether the last column of the builder's statement counts the values that are no number and were left out.
pub(super) fn counts_left_out(dialect: Dialect, options: &Options) -> bool {
    dialect.left_out("").is_some()
        && matches!(options.aggregate, Aggregate::Mean | Aggregate::Sum | Aggregate::Max | Aggregate::Min)
}

/// The statement of the builder: the time, the labels, the values, in this order.
///
/// # Errors
/// [`Category::Query`] naming the option.
pub(super) fn build(
    dialect: Dialect,
    options: &Options,
    (from_ms, to_ms): (i64, i64),
    step_ms: i64,
    time_column: TimeColumn,
    zone: Tz,
    max_rows: usize,
) -> Result<Statement> {
    let table = table(dialect, &options.schema, &options.table)?;
    check_columns(options)?;
    let mut writer = Writer::new(dialect);
    let time = dialect.name(&options.time_column);
    let label_names: Vec<String> = options.label_columns.iter().map(|name| dialect.name(name)).collect();
    let label_keys: Vec<String> = label_names.iter().map(|name| dialect.label_key(name)).collect();
    let values: Vec<String> = options.value_columns.iter().map(|name| dialect.name(name)).collect();
    let mut conditions = vec![dialect.within(&time, time_column, from_ms, to_ms, zone)];
    for filters in [&options.filters, &options.adhoc_filters] {
        conditions.extend(writer.conditions(filters)?);
    }
    let conditions = conditions.join(" AND ");
    // One row more than may come, so that the limit is noticed.
    let limit = max_rows.saturating_add(1);
    let ms = dialect.epoch_ms(&time, time_column, zone);
    let step = dialect.step(&ms, step_ms);
    let named = |of: String, name: &str| format!("{of} AS {name}");
    let labels: Vec<String> = label_names
        .iter()
        .map(|name| match dialect.label(name) {
            label if label == *name => label,
            label => named(label, name),
        })
        .collect();
    let columns =
        |time: String, values: Vec<String>| [vec![time], labels.clone(), values].concat().join(", ");
    let aggregate = |of: &str| match options.aggregate {
        Aggregate::Mean => dialect.mean(of),
        Aggregate::Max => format!("max({})", dialect.number(of)),
        Aggregate::Min => format!("min({})", dialect.number(of)),
        Aggregate::Sum => format!("sum({})", dialect.number(of)),
        Aggregate::Count => format!("count({of})"),
        Aggregate::P95 => format!("percentile_cont(0.95) WITHIN GROUP (ORDER BY {of})"),
        Aggregate::Last | Aggregate::None => of.to_owned(),
    };
    let sql = match options.aggregate {
        Aggregate::None => {
            let of_row =
                if makes_ms(dialect, options, time_column, zone) { named(ms, &time) } else { time.clone() };
            let columns = columns(of_row, values);
            format!("SELECT {columns} FROM {table} WHERE {conditions} ORDER BY {time} LIMIT {limit}")
        }
        Aggregate::Last => {
            let [step_name, rank] = ["outrider_step", "outrider_rank"].map(|name| dialect.name(name));
            let partition = [vec![step.clone()], label_keys].concat().join(", ");
            let inner = columns(named(step, &step_name), values.clone());
            let outer = [vec![step_name.clone()], label_names, values].concat().join(", ");
            format!(
                "SELECT {outer} FROM (SELECT {inner}, ROW_NUMBER() OVER (PARTITION BY {partition} ORDER BY {time} DESC) \
                 AS {rank} FROM {table} WHERE {conditions}) AS {} WHERE {rank} = 1 ORDER BY {step_name} LIMIT {limit}",
                dialect.name("outrider_rows")
            )
        }
        Aggregate::P95 if dialect != Dialect::Postgresql => {
            return Err(Error::new(Category::Query, "this database knows no percentiles")
                .hint("choose another aggregate than p95"));
        }
        _ => {
            let mut columns_of_values: Vec<String> =
                values.iter().map(|name| named(aggregate(name), name)).collect();
            if counts_left_out(dialect, options) {
                let left_out: Vec<String> = values.iter().filter_map(|name| dialect.left_out(name)).collect();
                let name = dialect.name("outrider_left_out");
                columns_of_values.push(named(format!("sum({})", left_out.join(" + ")), &name));
            }
            let values = columns_of_values;
            let columns = columns(named(step, &dialect.name("time")), values);
            let groups = [vec!["1".to_owned()], label_keys].concat();
            format!(
                "SELECT {columns} FROM {table} WHERE {conditions} GROUP BY {} ORDER BY 1 LIMIT {limit}",
                groups.join(", ")
            )
        }
    };
    // Rows with labels, and times that are text, may be of any size.
    let is_packed = dialect == Dialect::Postgresql
        && options.aggregate == Aggregate::None
        && options.label_columns.is_empty()
        && time_column != TimeColumn::Text;
    if is_packed {
        let names = [std::slice::from_ref(&options.time_column), &options.value_columns].concat();
        return Ok(Statement { is_packed, ..writer.finish(arrays::packed(&sql, &names)) });
    }
    Ok(writer.finish(sql))
}

fn check_columns(options: &Options) -> Result<()> {
    if options.value_columns.is_empty() {
        return Err(Error::new(Category::Query, "the query names no value column")
            .hint("choose one or more columns of numbers in valueColumns"));
    }
    for (name, columns) in
        [("valueColumns", &options.value_columns), ("labelColumns", &options.label_columns)]
    {
        if columns.len() > MAX_COLUMNS {
            return Err(Error::new(Category::Query, format!("{name} has more than {MAX_COLUMNS} columns"))
                .hint("ask for fewer columns, or make several queries"));
        }
        if let Some(empty) = columns.iter().position(String::is_empty) {
            return Err(Error::new(Category::Query, format!("column {} of {name} has no name", empty + 1))
                .hint("remove it, or choose a column"));
        }
    }
    Ok(())
}

/// Stands where the filters of the dashboard go until the text around it is checked. Private use: in no real query.
const FILTERS: char = '\u{e000}';

/// The user's own statement with its macros replaced. `None` if it aggregates and no step of the range is whole.
///
/// # Errors
/// [`Category::Query`] if a macro is used wrongly, or the text is not one statement that reads.
pub(super) fn expand_text(
    dialect: Dialect,
    options: &Options,
    request: &FetchRequest,
    zone: Tz,
    now_ms: i64,
) -> Result<Option<Statement>> {
    let text = options.sql.as_str();
    if text.contains(FILTERS) {
        return Err(Error::new(Category::Query, "the query holds a character of Unicode's private use area")
            .hint("remove U+E000 from the query"));
    }
    let (expanded, step_ms) = expand_range(dialect, text, whole_range(request), request, zone)?;
    // A statement that groups by steps gets whole steps only; which steps is known once it is read.
    let expanded = match step_ms {
        None => expanded,
        Some(step_ms) => match whole_steps(request, step_ms, now_ms) {
            None => return Ok(None),
            Some(range) => expand_range(dialect, text, range, request, zone)?.0,
        },
    };
    guard::check(dialect, &expanded, FILTERS)?;
    if !options.adhoc_filters.is_empty() && !expanded.contains(FILTERS) {
        return Err(Error::new(
            Category::Query,
            "the dashboard filters, but the query says not where the filters go",
        )
        .hint("write $__adhocFilters into its WHERE, as in WHERE $__timeFilter(time) AND $__adhocFilters"));
    }
    let mut writer = Writer::new(dialect);
    let mut sql = String::with_capacity(expanded.len());
    let mut parts = expanded.split(FILTERS);
    sql.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let conditions = writer.conditions(&options.adhoc_filters)?;
        sql.push_str(conditions.as_deref().unwrap_or("(1 = 1)"));
        sql.push_str(part);
    }
    Ok(Some(Statement { is_users: true, ..writer.finish(sql) }))
}

/// Whether the text asks for different rows in different ranges.
pub(super) fn depends_on_range(text: &str) -> bool {
    ["$__time", "$__unixEpoch", "$__from", "$__to", "${__from", "${__to"]
        .iter()
        .any(|name| text.contains(name))
}

/// `text` with its macros replaced, and the longest step that it groups by, if it does.
fn expand_range(
    dialect: Dialect,
    text: &str,
    (from_ms, to_ms): (i64, i64),
    request: &FetchRequest,
    zone: Tz,
) -> Result<(String, Option<i64>)> {
    // `$__to` is the last instant of the range, as in the other sources.
    let values = MacroValues {
        from_ms,
        to_ms: to_ms.saturating_sub(1),
        step_ms: request.step_ms,
        max_data_points: request.max_points(),
    };
    let longest: RefCell<Option<i64>> = RefCell::new(None);
    let group = |name: &str, ms: String, rest: &[&str], alias: bool| -> Result<Option<String>> {
        let step = rest.first();
        if let Some(fill) = rest.get(1).filter(|fill| !fill.eq_ignore_ascii_case("null")) {
            return Err(filled(name, fill));
        }
        let step_ms = step.map_or(Ok(request.step_ms), |text| step_of(name, text, request.step_ms))?;
        let longer = longest.borrow().map_or(step_ms, |longest| longest.max(step_ms));
        *longest.borrow_mut() = Some(longer);
        let group = dialect.seconds(&dialect.step(&ms, step_ms));
        Ok(Some(if alias { format!("{group} AS {}", dialect.name("time")) } else { group }))
    };
    let own = |name: &str, arguments: Option<&[&str]>| -> Result<Option<String>> {
        Ok(Some(match (name, arguments) {
            ("__timeFilter", Some([column])) if !column.is_empty() => match dialect {
                Dialect::Sqlite => {
                    let ms = dialect.any_epoch_ms(column, zone);
                    format!("({ms} >= {from_ms} AND {ms} < {to_ms})")
                }
                // The column may be text, for all that is known of it.
                _ => dialect.within(column, TimeColumn::Text, from_ms, to_ms, zone),
            },
            ("__timeFrom", None | Some([])) => dialect.time(from_ms, zone),
            ("__timeTo", None | Some([])) => dialect.time(to_ms, zone),
            ("__time", Some([column])) if !column.is_empty() => {
                format!("{column} AS {}", dialect.name("time"))
            }
            ("__timeEpoch", Some([column])) if !column.is_empty() => {
                let ms = dialect.any_epoch_ms(column, zone);
                format!("{} AS {}", dialect.seconds(&ms), dialect.name("time"))
            }
            ("__timeGroup" | "__timeGroupAlias", Some([column, rest @ ..]))
                if rest.len() <= 2 && !column.is_empty() =>
            {
                return group(name, dialect.any_epoch_ms(column, zone), rest, name.ends_with("Alias"));
            }
            ("__unixEpochGroup" | "__unixEpochGroupAlias", Some([column, rest @ ..]))
                if rest.len() <= 2 && !column.is_empty() =>
            {
                let ms = dialect.epoch_ms(column, TimeColumn::Epoch { per_second: 1 }, zone);
                return group(name, ms, rest, name.ends_with("Alias"));
            }
            ("__unixEpochFilter", Some([column])) if !column.is_empty() => {
                dialect.within(column, TimeColumn::Epoch { per_second: 1 }, from_ms, to_ms, zone)
            }
            ("__unixEpochNanoFilter", Some([column])) if !column.is_empty() => {
                dialect.within(column, TimeColumn::Epoch { per_second: 1_000_000_000 }, from_ms, to_ms, zone)
            }
            ("__unixEpochFrom", None | Some([])) => epoch_from(from_ms, 1).to_string(),
            ("__unixEpochTo", None | Some([])) => epoch_from(to_ms, 1).to_string(),
            ("__unixEpochNanoFrom", None | Some([])) => epoch_from(from_ms, 1_000_000_000).to_string(),
            ("__unixEpochNanoTo", None | Some([])) => epoch_from(to_ms, 1_000_000_000).to_string(),
            ("__adhocFilters", None | Some([])) => FILTERS.to_string(),
            _ if name.starts_with("__") => return Err(misused(name)),
            _ => return Ok(None),
        }))
    };
    let expanded = expand_with(text, &values, str::to_owned, own)?;
    Ok((expanded, longest.into_inner()))
}

fn misused(name: &str) -> Error {
    let form = match name {
        "__timeFilter" | "__timeEpoch" | "__time" | "__unixEpochFilter" | "__unixEpochNanoFilter" => {
            "(column)"
        }
        "__timeGroup" | "__timeGroupAlias" | "__unixEpochGroup" | "__unixEpochGroupAlias" => {
            "(column, '5m'), or (column) for the step of the query"
        }
        _ => {
            return Error::new(Category::Query, format!("the macro ${name} is unknown"))
                .hint("the documentation of the source lists its macros");
        }
    };
    Error::new(Category::Query, format!("the macro ${name} is not used as it has to be"))
        .hint(format!("write ${name}{form}"))
}

/// Grafana's macros fill gaps with what their third argument says. NULL is what a gap is here anyway.
fn filled(name: &str, fill: &str) -> Error {
    let why = if fill.eq_ignore_ascii_case("previous") {
        "the value before a gap may lie before the range asked for, and so differ from query to query"
    } else {
        "a series without rows in a range is not known there, and so would not be filled"
    };
    let shown: String = fill.chars().take(20).collect();
    Error::new(Category::Query, format!("the macro ${name} cannot fill gaps with {shown}: {why}")).hint(
        "write NULL or leave it out, so that detectors see gaps as gaps, or make the rows yourself, as with COALESCE on a \
         join with the times",
    )
}

/// The step that a macro's argument names: a duration, in quotes or not, or a macro for the query's own step.
fn step_of(name: &str, text: &str, step_ms: i64) -> Result<i64> {
    let text = text.trim_matches(['\'', '"']);
    if ["$__interval", "${__interval}"].contains(&text) {
        return Ok(step_ms);
    }
    let duration: std::result::Result<DurationMs, _> = text.parse();
    duration.ok().map(DurationMs::as_millis).filter(|ms| *ms > 0).ok_or_else(|| {
        Error::new(Category::Query, format!("the step of the macro ${name} is no duration"))
            .hint("write it like '5m', or leave it out for the step of the query")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::series::TimeRange;
    use Dialect::{Mysql, Postgresql, Sqlite};

    const STEP_MS: i64 = 300_000;
    const FROM_MS: i64 = 1_699_999_800_000;
    const NOW_MS: i64 = FROM_MS + 10 * STEP_MS;
    const REQUEST: FetchRequest = FetchRequest {
        range: TimeRange { from_ms: FROM_MS, to_ms: FROM_MS + 2 * STEP_MS - 1 },
        step_ms: STEP_MS,
    };

    fn options(json: serde_json::Value) -> Options {
        serde_json::from_value(json).unwrap()
    }

    fn built(dialect: Dialect, json: serde_json::Value, time: TimeColumn) -> String {
        let range = (FROM_MS, FROM_MS + 2 * STEP_MS);
        build(dialect, &options(json), range, STEP_MS, time, Tz::UTC, 9).unwrap().shown()
    }

    fn expanded(dialect: Dialect, sql: &str) -> Result<String> {
        let options = options(json!({"sql": sql, "adhocFilters": [{"key": "a", "value": "x'"}]}));
        expand_text(dialect, &options, &REQUEST, Tz::UTC, NOW_MS).map(|statement| statement.unwrap().shown())
    }

    #[test]
    fn the_builder_aggregates_in_the_database() {
        let json = json!({
            "schema": "s", "table": "t", "timeColumn": "at", "valueColumns": ["v"], "labelColumns": ["host"],
            "filters": [{"key": "dc", "operator": "!=", "value": "x"}]
        });
        assert_eq!(
            built(Postgresql, json, TimeColumn::Timestamp),
            "SELECT ((floor(extract(epoch FROM (\"at\")::timestamptz) * 1000)::bigint) - \
             (((floor(extract(epoch FROM (\"at\")::timestamptz) * 1000)::bigint) % 300000) + 300000) % 300000) \
             AS \"time\", (\"host\")::text AS \"host\", avg(\"v\") AS \"v\" FROM \"s\".\"t\" WHERE \
             (\"at\" >= '2023-11-14 22:10:00.000+00:00'::timestamptz AND \"at\" < '2023-11-14 22:20:00.000+00:00'::timestamptz) \
             AND (COALESCE((\"dc\")::text, '') <> $1) GROUP BY 1, (\"host\")::text ORDER BY 1 LIMIT 10 -- parameters: \"x\""
        );
        let json = json!({"table": "t", "valueColumns": ["v"], "aggregate": "none"});
        assert_eq!(
            built(Sqlite, json, TimeColumn::Epoch { per_second: 1 }),
            "SELECT `time`, `v` FROM `t` WHERE (`time` >= 1699999800 AND `time` < 1700000400) ORDER BY `time` LIMIT 10"
        );
        let json = json!({"table": "t", "valueColumns": ["v"], "aggregate": "last"});
        assert_eq!(
            built(Mysql, json, TimeColumn::Epoch { per_second: 1_000 }),
            "SELECT `outrider_step`, `v` FROM (SELECT ((FLOOR(`time`)) - (((FLOOR(`time`)) % 300000) + 300000) % 300000) \
             AS `outrider_step`, `v`, ROW_NUMBER() OVER (PARTITION BY ((FLOOR(`time`)) - (((FLOOR(`time`)) % 300000) \
             + 300000) % 300000) ORDER BY `time` DESC) AS `outrider_rank` FROM `t` WHERE (`time` >= 1699999800000 AND \
             `time` < 1700000400000)) AS `outrider_rows` WHERE `outrider_rank` = 1 ORDER BY `outrider_step` LIMIT 10"
        );
    }

    #[test]
    fn raw_rows_without_labels_come_from_postgresql_as_arrays() {
        let json = json!({"table": "t", "timeColumn": "at", "valueColumns": ["v"], "aggregate": "none"});
        let packed = "SELECT array_agg(outrider_1) AS \"at\", array_agg(outrider_2) AS \"v\" FROM (SELECT";
        for (time, more, is_packed) in [
            (TimeColumn::Timestamp, json!({}), true),
            (TimeColumn::Text, json!({}), false),
            (TimeColumn::Timestamp, json!({"labelColumns": ["host"]}), false),
            (TimeColumn::Timestamp, json!({"aggregate": "mean"}), false),
        ] {
            let mut json = json.clone();
            json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            assert_eq!(built(Postgresql, json.clone(), time).starts_with(packed), is_packed, "{json}");
            assert!(!built(Mysql, json, time).contains("array_agg"));
        }
    }

    #[test]
    fn values_of_filters_become_parameters() {
        assert_eq!(
            expanded(Postgresql, "SELECT time, v FROM t WHERE $__adhocFilters OR $__adhocFilters").unwrap(),
            "SELECT time, v FROM t WHERE (COALESCE((\"a\")::text, '') = $1) OR (COALESCE((\"a\")::text, '') = $2) \
             -- parameters: \"x'\", \"x'\""
        );
        for sql in ["SELECT '$__adhocFilters'", "SELECT 1 -- $__adhocFilters", "SELECT `$__adhocFilters`"] {
            let error = expanded(Sqlite, sql).unwrap_err().to_string();
            assert!(error.contains("quotes or in a comment"), "{error}");
        }
        assert!(expanded(Sqlite, "SELECT 1").unwrap_err().to_string().contains("where the filters go"));
    }

    #[test]
    fn macros_cannot_hide_a_second_statement() {
        for sql in [
            "SELECT $__timeFilter(a) FROM t WHERE $__adhocFilters; DELETE FROM t",
            "SELECT $__timeFilter(a); DELETE FROM t; --) FROM t WHERE $__adhocFilters",
            "SELECT $__timeFilter(a'; DELETE FROM t; --') FROM t WHERE $__adhocFilters; DELETE FROM t",
        ] {
            for dialect in [Sqlite, Postgresql, Mysql] {
                let error = expanded(dialect, sql).unwrap_err();
                assert_eq!(error.category(), Category::Query, "{dialect:?} {sql}");
            }
        }
    }

    #[test]
    fn steps_that_are_cut_off_or_not_over_are_left_out() {
        let request = |from_ms, to_ms| FetchRequest { range: TimeRange { from_ms, to_ms }, step_ms: 10 };
        assert_eq!(whole_steps(&request(0, 29), 10, 1_000), Some((0, 30)));
        assert_eq!(whole_steps(&request(1, 28), 10, 1_000), Some((10, 20)));
        assert_eq!(whole_steps(&request(0, 29), 10, 25), Some((0, 20)));
        assert_eq!(whole_steps(&request(0, 8), 10, 1_000), None);
        assert_eq!(whole_steps(&request(0, 29), 10, -5), None);
        assert_eq!(whole_steps(&request(-25, -1), 10, 1_000), Some((-20, 0)));
    }

    #[test]
    fn a_group_of_its_own_step_gets_whole_steps_of_it() {
        let of = |sql: &str| {
            let options = options(json!({"sql": sql}));
            expand_text(Sqlite, &options, &REQUEST, Tz::UTC, NOW_MS).unwrap().map(|statement| statement.sql)
        };
        let hourly = "SELECT $__unixEpochGroup(s, '1h') FROM t WHERE $__unixEpochFilter(s)";
        assert_eq!(of(hourly), None);
        let minutes = of("SELECT $__unixEpochGroup(s, 1m) FROM t WHERE $__unixEpochFilter(s)").unwrap();
        assert!(minutes.ends_with("WHERE (s >= 1699999800 AND s < 1700000400)"), "{minutes}");
    }
}
