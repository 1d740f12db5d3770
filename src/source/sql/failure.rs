//! What a database's errors mean, and who can mend them.

use std::time::Duration;

use sqlx::error::DatabaseError;

use super::dialect::Dialect;
use super::pool::Trouble;
use crate::error::{Category, Error};
use crate::source::secrets::Secrets;

/// How much of a server's words is quoted.
const QUOTED_CHARS: usize = 300;

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: Error,
    /// Whether the next attempt may succeed: the way was at fault and not the question.
    pub(super) may_pass: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, may_pass: false }
    }
}

/// The error of a query that took too long.
pub(super) fn timed_out(place: &str, timeout: Duration) -> Error {
    Error::new(Category::Connection, format!("{place} did not answer within {} s", timeout.as_secs_f64()))
        .hint("ask for a longer step or a shorter range, add an index on the time, or raise the setting timeout")
}

/// Sorts an error by who can mend it; `place` is where the database is.
pub(super) fn explain(trouble: Trouble, dialect: Dialect, place: &str, secrets: &Secrets) -> Failed {
    let error = match trouble {
        Trouble::Ours(error) => return error.into(),
        Trouble::Database(error) => error,
    };
    let quote = |error: &dyn std::fmt::Display| secrets.quote(&error.to_string(), QUOTED_CHARS);
    match &error {
        sqlx::Error::Database(error) => of_server(error.as_ref(), dialect, place, secrets),
        sqlx::Error::Io(io) => {
            let tls = io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            if let Some(tls) = tls {
                return of_tls(place, &quote(tls)).into();
            }
            let refused = matches!(
                io.kind(),
                std::io::ErrorKind::ConnectionRefused
                    | std::io::ErrorKind::HostUnreachable
                    | std::io::ErrorKind::NetworkUnreachable
            );
            let what = if refused { "cannot connect to" } else { "lost the connection to" };
            of_connection(&format!("{what} {place}: {}", quote(io)))
        }
        // What sqlx takes for the answer where the server closes the connection without one.
        other if dialect == Dialect::Postgresql && other.to_string().contains("SSLRequest: 0x00") => {
            of_connection(&format!("lost the connection to {place} before its first answer"))
        }
        sqlx::Error::Tls(tls) => of_tls(place, &quote(tls)).into(),
        sqlx::Error::Configuration(what) => {
            Error::new(Category::Config, format!("the settings cannot be used: {}", quote(what)))
                .hint("correct the data source settings")
                .into()
        }
        sqlx::Error::WorkerCrashed => Error::panicked("the thread of a SQLite session").into(),
        // What is left is about the conversation itself. A MySQL server that wants the password encrypted by RSA is
        // among it: that is done by TLS here.
        other if dialect == Dialect::Mysql && other.to_string().to_lowercase().contains("rsa") => {
            Error::new(Category::Tls, format!("{place} takes the password only over TLS"))
                .hint("set sslmode to verify-full, verify-ca or require")
                .into()
        }
        other => Error::new(Category::Protocol, format!("{place} was not understood: {}", quote(other)))
            .hint("check that it is a server of this kind, and its version")
            .into(),
    }
}

fn of_connection(message: &str) -> Failed {
    let error = Error::new(Category::Connection, message)
        .hint("check that the server runs, and host and port in the data source settings");
    Failed { error, may_pass: true }
}

fn of_tls(place: &str, cause: &str) -> Error {
    if cause.contains("CaUsedAsEndEntity") {
        // What `openssl req -x509` makes unless it is told otherwise.
        let message =
            format!("the server at {place} shows a certificate that is marked as one of an authority");
        return Error::new(Category::Tls, message).hint(
            "give the server a certificate of its own, signed by that authority or made with openssl's -addext \
             basicConstraints=critical,CA:FALSE, and paste the certificate of the one who signed it into tlsCACert",
        );
    }
    Error::new(Category::Tls, format!("the TLS connection to {place} failed: {cause}")).hint(
        "paste the server's CA certificate into tlsCACert, use the host name of its certificate, or choose another sslmode",
    )
}

/// What kind of trouble a code of the server is.
enum Meaning {
    Refused,
    NoDatabase,
    Slow,
    Busy,
    Gone,
    Writes,
    PoolsByStatement,
    NotAFile,
    Damaged,
    TooLarge,
    Query,
}

fn of_server(error: &dyn DatabaseError, dialect: Dialect, place: &str, secrets: &Secrets) -> Failed {
    let code = error.code().unwrap_or_default();
    let said = secrets.quote(error.message(), QUOTED_CHARS);
    let meaning = match dialect {
        Dialect::Postgresql if error.message().contains("statement pooling mode") => {
            Meaning::PoolsByStatement
        }
        Dialect::Postgresql => postgresql(&code),
        Dialect::Mysql => {
            let number = error
                .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
                .map(sqlx::mysql::MySqlDatabaseError::number);
            mysql(number.unwrap_or_default())
        }
        Dialect::Sqlite => sqlite(code.parse().unwrap_or_default()),
    };
    let make = |category, what: &str, hint: &str| Error::new(category, format!("{what}: {said}")).hint(hint);
    let mut may_pass = false;
    let error = match meaning {
        Meaning::Refused => make(
            Category::Auth,
            &format!("{place} refused access"),
            "check user and password in the data source settings, and what the user may read",
        ),
        Meaning::NoDatabase => make(
            Category::Config,
            &format!("{place} has no such database"),
            "correct database in the data source settings",
        ),
        Meaning::Slow => make(
            Category::Connection,
            &format!("{place} stopped the query"),
            "ask for a longer step or a shorter range, add an index on the time, or raise the setting timeout",
        ),
        Meaning::Busy => {
            may_pass = true;
            make(Category::Connection, &format!("{place} is busy"), "try again later")
        }
        // The server says so while it stops.
        Meaning::Gone => {
            may_pass = true;
            make(
                Category::Connection,
                &format!("lost the connection to {place}"),
                "check that the server runs, and host and port in the data source settings",
            )
        }
        Meaning::Writes => {
            make(Category::Query, "the query may only read", "write a SELECT that changes nothing")
        }
        Meaning::PoolsByStatement => make(
            Category::Config,
            &format!("the pooler at {place} allows no transactions, which keep a query from writing"),
            "set its pool_mode for this database to transaction or session, or connect past it",
        ),
        Meaning::NotAFile => make(
            Category::Config,
            &format!("{place} cannot be opened"),
            "check that it is a database that this process may read; one in WAL mode needs its -wal and -shm files or a \
             folder that may be written, or the setting immutable if nobody writes to it",
        ),
        Meaning::TooLarge => make(
            Category::Limit,
            "the query needs more memory than SQLite may take",
            "ask for a shorter range or fewer rows, or leave sorting and grouping to the steps of the builder",
        ),
        Meaning::Damaged => make(Category::Protocol, &format!("{place} is damaged"), "restore the file"),
        Meaning::Query => {
            make(Category::Query, &format!("{place} does not accept the query"), "correct the query")
        }
    };
    Failed { error, may_pass }
}

/// By SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn postgresql(code: &str) -> Meaning {
    match code {
        "57P01" | "57P02" => Meaning::Gone,
        "42501" => Meaning::Refused,
        "3D000" => Meaning::NoDatabase,
        "57014" => Meaning::Slow,
        "25006" => Meaning::Writes,
        _ if code.starts_with("28") => Meaning::Refused,
        _ if ["08", "53", "57"].iter().any(|class| code.starts_with(class)) => Meaning::Busy,
        _ => Meaning::Query,
    }
}

/// By number, of MySQL and of MariaDB.
fn mysql(number: u16) -> Meaning {
    match number {
        1044 | 1045 | 1142 | 1143 | 1227 | 1251 | 1370 | 1698 | 3118 | 3955 => Meaning::Refused,
        1046 | 1049 => Meaning::NoDatabase,
        1317 | 1969 | 3024 => Meaning::Slow,
        1040 | 1053 | 1203 | 1205 | 1226 => Meaning::Busy,
        1290 | 1792 | 1836 => Meaning::Writes,
        _ => Meaning::Query,
    }
}

/// By result code, of which the lowest byte is the class: <https://www.sqlite.org/rescode.html>.
fn sqlite(code: i32) -> Meaning {
    match code & 0xff {
        // With a reason in its upper bytes: the files beside the database cannot be made or mended.
        8 if code != 8 => Meaning::NotAFile,
        5 | 6 => Meaning::Busy,
        8 => Meaning::Writes,
        9 => Meaning::Slow,
        3 | 10 | 14 | 26 => Meaning::NotAFile,
        11 => Meaning::Damaged,
        7 | 18 => Meaning::TooLarge,
        _ => Meaning::Query,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sqlite_cannot_write_beside_a_file_is_no_query_that_writes() {
        // SQLITE_READONLY, and with it: recovery, can't lock, can't initialize, directory.
        assert!(matches!(sqlite(8), Meaning::Writes));
        for code in [264, 520, 1_288, 1_544] {
            assert!(matches!(sqlite(code), Meaning::NotAFile), "{code}");
        }
    }
}
