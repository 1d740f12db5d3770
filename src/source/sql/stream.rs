//! From a statement to its rows, as all three databases do it; what differs is how the values of a column are read.

use std::time::Instant;

use futures_util::TryStreamExt as _;
use futures_util::stream::BoxStream;
use sqlx::database::HasStatementCache;
use sqlx::query::Query;
use sqlx::{
    AssertSqlSafe, Column as _, ColumnIndex, Database, Encode, Row as _, Type, TypeInfo as _, ValueRef as _,
};

use super::pool::{Sink, Trouble};
use super::rows::{Column, ColumnKind, Value};
use super::statement::{Param, Statement};

/// Rows after which others get a turn on the thread.
pub(super) const YIELD_ROWS: usize = 1_024;

/// One row in so many is timed, and stands for all.
const TIMED_ROWS: usize = 16;

/// How the values of a column are read.
pub(super) trait Reader<DB: Database>: Copy + Send + Sync {
    /// By the type of the column.
    fn of(column: &DB::TypeInfo) -> Self;

    /// What the values are.
    fn kind(self) -> ColumnKind;

    /// A value that is not NULL; `None` if it cannot be read, such as MySQL's date 0000-00-00.
    fn read(self, row: &DB::Row, at: usize) -> Option<Value<'_>>;
}

/// The statement with its values bound.
pub(super) fn bound<'q, DB>(statement: &'q Statement) -> Query<'q, DB, DB::Arguments>
where
    DB: Database + HasStatementCache,
    &'q str: Encode<'q, DB> + Type<DB>,
    f64: Encode<'q, DB> + Type<DB>,
{
    let query = sqlx::query(AssertSqlSafe(statement.sql.as_str())).persistent(false);
    statement.params.iter().fold(query, |query, param| match param {
        Param::Text(text) => query.bind(text.as_str()),
        Param::Float(number) => query.bind(*number),
    })
}

/// Hands rows to a sink.
///
/// # Errors
/// Those of the database, and those of the sink.
pub(super) async fn hand_over<DB, R>(
    mut rows: BoxStream<'_, Result<DB::Row, sqlx::Error>>,
    sink: &mut (dyn Sink + Send),
) -> Result<(), Trouble>
where
    DB: Database,
    R: Reader<DB>,
    usize: ColumnIndex<DB::Row>,
{
    let mut count = 0_usize;
    let mut readers: Vec<R> = Vec::new();
    while let Some(row) = rows.try_next().await? {
        if count == 0 {
            readers = row.columns().iter().map(|column| R::of(column.type_info())).collect();
            sink.begin(columns::<DB, R>(&row, &readers));
        }
        count += 1;
        // Reading the clock takes almost as long as a row.
        let begun = count.is_multiple_of(TIMED_ROWS).then(Instant::now);
        let mut values = Vec::with_capacity(readers.len());
        for (at, reader) in readers.iter().enumerate() {
            values.push(if row.try_get_raw(at)?.is_null() {
                Value::Null
            } else {
                reader.read(&row, at).unwrap_or(Value::Unreadable)
            });
        }
        sink.row(&values)?;
        drop(values);
        if let Some(begun) = begun {
            sink.took(begun.elapsed() * TIMED_ROWS as u32);
        }
        if count.is_multiple_of(YIELD_ROWS) {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

fn columns<DB: Database, R: Reader<DB>>(row: &DB::Row, readers: &[R]) -> Vec<Column> {
    let columns = row.columns().iter().zip(readers).map(|(column, reader)| Column {
        name: column.name().to_owned(),
        kind: reader.kind(),
        type_name: column.type_info().name().to_owned(),
    });
    columns.collect()
}
