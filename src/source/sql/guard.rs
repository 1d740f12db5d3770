//! Whether a text is one statement that only reads.
//!
//! The databases refuse to write by themselves (read-only sessions and files) and PostgreSQL and MySQL refuse several
//! statements in one; this is the first of two locks, the one that can say plainly what is wrong, and that also keeps out
//! what a read-only session allows: `ATTACH`, `SET`, `INTO OUTFILE`, locks. It reads quotes and comments as the database
//! does. Where two readings are possible (`/*! */`, a `$` outside of quotes), the text is refused. Each byte is looked at a
//! fixed number of times, whatever is nested or left open.

use super::dialect::Dialect;
use crate::error::{Category, Error, Result};

/// What may begin a statement.
const READS: [&str; 4] = ["select", "with", "values", "table"];
/// What may not be in one, outside of quotes. `INTO` makes tables, files and variables.
const NOT_IN_READS: [&str; 2] = ["into", "procedure"];
/// What the tables of SQLite begin with that are statements: `pragma_database_list` tells where files are.
const PRAGMA_TABLES: &str = "pragma_";

/// Checks that `sql` is one statement that only reads. `mark` is a character that stands for something yet to be put in,
/// and which so must not be in quotes or comments.
///
/// # Errors
/// [`Category::Query`] saying what is not allowed.
pub(super) fn check(dialect: Dialect, sql: &str, mark: char) -> Result<()> {
    check_counting(dialect, sql, mark, &mut 0)
}

/// Whether SQLite takes a name for one of the tables that are statements of its own.
///
/// # Errors
/// [`Category::Query`] if it does.
pub(super) fn check_table(dialect: Dialect, name: &str) -> Result<()> {
    let begins =
        name.get(..PRAGMA_TABLES.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(PRAGMA_TABLES));
    if dialect != Dialect::Sqlite || !begins {
        return Ok(());
    }
    Err(Error::new(Category::Query, "the query holds a name that begins with pragma_, but it may only read")
        .hint("ask tables of the database; SQLite has tables of its own by such names, which are not for queries"))
}

/// As [`check`]; `looked_at` grows by each byte that is looked at in search of an end.
fn check_counting(dialect: Dialect, sql: &str, mark: char, looked_at: &mut usize) -> Result<()> {
    let mut words: Vec<String> = Vec::new();
    let mut rest = sql;
    let mut ended = false;
    while let Some(c) = rest.chars().next() {
        match skip(dialect, rest, mark, looked_at)? {
            Skipped::Comment(length) => rest = &rest[length..],
            Skipped::Space => rest = &rest[c.len_utf8()..],
            _ if ended => {
                return Err(Error::new(Category::Query, "the query has more than one statement")
                    .hint("keep one SELECT, and remove what follows its semicolon"));
            }
            Skipped::Quoted(length) => {
                // Where a name is wanted, SQLite takes a text in any quotes for one.
                check_table(dialect, &rest[1..length])?;
                rest = &rest[length..];
            }
            Skipped::Word(length) => {
                check_table(dialect, &rest[..length])?;
                words.push(rest[..length].to_ascii_lowercase());
                rest = &rest[length..];
            }
            Skipped::Other => {
                // What comes in its place has words.
                if c == mark {
                    words.push("$__adhocFilters".to_owned());
                }
                ended = c == ';';
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    let Some(first) = words.first() else {
        return Err(Error::new(Category::Query, "the query is empty").hint("write a SELECT"));
    };
    if !READS.contains(&first.as_str()) {
        let first = if first.starts_with('$') { first.clone() } else { first.to_uppercase() };
        return Err(refused(&format!("begins with {first}")));
    }
    if let Some(word) = words.iter().find(|word| NOT_IN_READS.contains(&word.as_str())) {
        return Err(refused(&format!("holds {}", word.to_uppercase())));
    }
    let locks = words.windows(2).any(|pair| {
        (pair[0] == "for" && ["update", "share", "no", "key"].contains(&pair[1].as_str()))
            || (pair[0] == "lock" && pair[1] == "in")
    });
    if locks {
        return Err(refused("locks rows"));
    }
    Ok(())
}

fn refused(what: &str) -> Error {
    Error::new(Category::Query, format!("the query {what}, but it may only read"))
        .hint("write one SELECT; quote names that are words of SQL")
}

enum Skipped {
    Space,
    Comment(usize),
    Quoted(usize),
    Word(usize),
    Other,
}

/// What `text` begins with, and how long it is.
fn skip(dialect: Dialect, text: &str, mark: char, looked_at: &mut usize) -> Result<Skipped> {
    let mut chars = text.chars();
    let (Some(first), second) = (chars.next(), chars.next()) else { return Ok(Skipped::Other) };
    let unclosed = |what: &str| {
        Error::new(Category::Query, format!("{what} of the query is not closed"))
            .hint("close it in the query")
    };
    let holds_mark = |length: usize| {
        if text[..length].contains(mark) {
            Err(Error::new(Category::Query, "the macro $__adhocFilters stands in quotes or in a comment")
                .hint("put it where a condition can be, as in WHERE $__adhocFilters"))
        } else {
            Ok(length)
        }
    };
    match (first, second) {
        ('\0', _) => {
            Err(Error::new(Category::Query, "the query holds a character of value zero").hint("remove it"))
        }
        (c, _) if c.is_whitespace() => Ok(Skipped::Space),
        ('-', Some('-')) if dialect != Dialect::Mysql || begins_mysql_comment(text) => {
            holds_mark(line(dialect, text, looked_at)).map(Skipped::Comment)
        }
        ('#', _) if dialect == Dialect::Mysql => {
            holds_mark(line(dialect, text, looked_at)).map(Skipped::Comment)
        }
        ('/', Some('*')) => {
            if dialect == Dialect::Mysql && (text[2..].starts_with('!') || text[2..].starts_with("M!")) {
                return Err(refused("holds a comment that MySQL executes"));
            }
            let length = comment(dialect, text, looked_at).ok_or_else(|| unclosed("a comment"))?;
            holds_mark(length).map(Skipped::Comment)
        }
        ('[', _) if dialect == Dialect::Sqlite => {
            let length = find(text, |c| c == ']', looked_at).ok_or_else(|| unclosed("a name in brackets"))? + 1;
            holds_mark(length).map(Skipped::Quoted)
        }
        ('e' | 'E', Some('\'')) if dialect == Dialect::Postgresql => {
            let length = quoted(&text[1..], '\'', true, looked_at).ok_or_else(|| unclosed("a text"))? + 1;
            holds_mark(length).map(Skipped::Quoted)
        }
        ('\'' | '"' | '`', _) => {
            let escapes = dialect == Dialect::Mysql && first != '`';
            let length = quoted(text, first, escapes, looked_at).ok_or_else(|| unclosed("a text"))?;
            holds_mark(length).map(Skipped::Quoted)
        }
        ('$' | '?', _) if first == '$' || dialect != Dialect::Postgresql => Err(Error::new(
            Category::Query,
            format!("the query holds \"{first}\" outside of quotes"),
        )
        .hint(
            "check the spelling of macros and variables; parameters and text in dollar quotes are not supported",
        )),
        (':' | '@' | '#', _) if dialect == Dialect::Sqlite => {
            Err(Error::new(Category::Query, format!("the query holds \"{first}\" outside of quotes"))
                .hint("parameters are not supported: write the value itself"))
        }
        (c, _) if is_word(c) => {
            // `$` is part of a name once it has begun, for PostgreSQL and MySQL; SQLite takes it likewise.
            let end = find(text, |c| !(is_word(c) || c == '$'), looked_at);
            Ok(Skipped::Word(end.unwrap_or(text.len())))
        }
        _ => Ok(Skipped::Other),
    }
}

fn is_word(c: char) -> bool {
    // The mark is in the private use area, which is not alphanumeric.
    c.is_ascii_alphanumeric() || c == '_' || (!c.is_ascii() && c.is_alphanumeric())
}

/// MySQL takes `--` for a comment only before a space or control character, both of ASCII.
fn begins_mysql_comment(text: &str) -> bool {
    text[2..].chars().next().is_none_or(|c| c == ' ' || c.is_ascii_control())
}

/// Where the first character is that `wanted` says.
fn find(text: &str, wanted: impl Fn(char) -> bool, looked_at: &mut usize) -> Option<usize> {
    text.char_indices()
        .inspect(|(_, c)| *looked_at += c.len_utf8())
        .find(|(_, c)| wanted(*c))
        .map(|(at, _)| at)
}

/// The length of the rest of the line. Only PostgreSQL ends a comment at a carriage return.
fn line(dialect: Dialect, text: &str, looked_at: &mut usize) -> usize {
    let ends = |c| c == '\n' || (c == '\r' && dialect == Dialect::Postgresql);
    find(text, ends, looked_at).unwrap_or(text.len())
}

/// The length of the text in quotes that `text` begins with.
fn quoted(text: &str, quote: char, escapes: bool, looked_at: &mut usize) -> Option<usize> {
    let mut chars = text.char_indices().inspect(|(_, c)| *looked_at += c.len_utf8()).skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && escapes {
            chars.next();
        } else if c == quote {
            if chars.peek().is_some_and(|(_, next)| *next == quote) {
                chars.next();
            } else {
                return Some(at + 1);
            }
        }
    }
    None
}

/// The length of the comment that `text` begins with; those of PostgreSQL may hold others.
fn comment(dialect: Dialect, text: &str, looked_at: &mut usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while at + 1 < bytes.len() {
        *looked_at += 1;
        match (bytes[at], bytes[at + 1]) {
            (b'/', b'*') if depth == 0 || dialect == Dialect::Postgresql => {
                depth += 1;
                at += 2;
            }
            (b'*', b'/') => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use Dialect::{Mysql, Postgresql, Sqlite};

    const MARK: char = '\u{e000}';

    fn verdict(dialect: Dialect, sql: &str) -> Option<String> {
        check(dialect, sql, MARK).err().map(|error| error.to_string())
    }

    #[test]
    fn one_statement_that_reads_passes() {
        for sql in [
            "SELECT 1",
            " -- a comment; with a semicolon\n SELECT ';' /* ; */ ; ",
            "with a as (select 'it''s; into' as x) select * from a;\n\n",
            "VALUES (1, 'delete')",
            "select \"into\", \"a\"\"b;\" from t -- into",
        ] {
            for dialect in [Sqlite, Postgresql, Mysql] {
                assert_eq!(verdict(dialect, sql), None, "{dialect:?}: {sql}");
            }
        }
        assert_eq!(verdict(Postgresql, "select E'\\'; drop' , data ? 'k', a::int from t"), None);
        assert_eq!(verdict(Postgresql, "select 'a\\', 1 /* a /* nested ; */ ; */"), None);
        assert_eq!(verdict(Mysql, "select 'a\\'; drop' # ; \n, 5--1"), None);
        assert_eq!(verdict(Sqlite, "select [a;b] from t"), None);
    }

    #[test]
    fn anything_else_is_refused() {
        for (dialect, sql, says) in [
            (Sqlite, "ATTACH DATABASE '/etc/passwd' AS x", "begins with ATTACH"),
            (Sqlite, "SELECT 1; ATTACH DATABASE 'x' AS y", "more than one statement"),
            (Sqlite, "PRAGMA query_only = 0", "begins with PRAGMA"),
            // A variable of SQLite that swallows a quote.
            (Sqlite, "SELECT $a('), 1; ATTACH DATABASE '/etc/x' AS y; --'", "\"$\" outside"),
            // Only PostgreSQL ends a comment at a carriage return.
            (Sqlite, "SELECT 1 -- \r ' \n; ATTACH 'x' AS y --'", "more than one"),
            (Mysql, "SELECT 1 -- \r ' \n INTO OUTFILE '/tmp/x' -- '", "holds INTO"),
            (Mysql, "SELECT 1 --\u{a0} INTO OUTFILE '/tmp/x'", "holds INTO"),
            (Sqlite, "SELECT :a", "\":\" outside"),
            (Sqlite, "SELECT 'a\\'; DELETE FROM t; --'", "more than one"),
            (Postgresql, "SELECT $$a$$; DROP TABLE t", "\"$\" outside"),
            (Postgresql, "SELECT 'a\\'; DROP TABLE t; --'", "more than one"),
            (Postgresql, "SELECT * INTO x FROM t", "holds INTO"),
            (Postgresql, "SET transaction_read_only = off", "begins with SET"),
            (Postgresql, "SELECT 1 FOR NO KEY UPDATE", "locks rows"),
            (Postgresql, "/* /* */ SELECT 1", "not closed"),
            (Mysql, "SELECT 1 /*! INTO OUTFILE '/tmp/x' */", "MySQL executes"),
            (Mysql, "SELECT 1 /*M!100100 INTO OUTFILE '/tmp/x' */", "MySQL executes"),
            (Mysql, "SELECT 1 INTO OUTFILE '/tmp/x'", "holds INTO"),
            (Mysql, "SELECT * FROM t FOR UPDATE", "locks rows"),
            (Mysql, "SELECT * FROM t LOCK IN SHARE MODE", "locks rows"),
            (Mysql, "SELECT '\\'' ; DROP TABLE t", "more than one"),
            (Mysql, "SELECT 5--1; DROP TABLE t", "more than one"),
            (Mysql, "CALL p()", "begins with CALL"),
            (Mysql, "SELECT ?", "\"?\" outside"),
            (Sqlite, "-- nothing", "is empty"),
            (Sqlite, "SELECT 'a", "not closed"),
            (Sqlite, "SELECT '\u{e000}'", "$__adhocFilters stands in quotes"),
            (Sqlite, "SELECT 1 -- \u{e000}", "$__adhocFilters stands in quotes"),
            (Sqlite, "\u{e000} SELECT 1", "begins with $__adhocFilters"),
            (Sqlite, "SELECT 1\0", "value zero"),
        ] {
            let error = verdict(dialect, sql).unwrap_or_else(|| panic!("{sql} passes"));
            assert!(error.starts_with("[query]") && error.contains(says), "{sql}: {error}");
        }
    }

    #[test]
    fn tables_of_sqlite_that_are_statements_are_refused() {
        for name in [
            "pragma_table_list",
            "main.PRAGMA_table_list('t')",
            "\"pragma_table_list\"",
            "[Pragma_table_list]",
            "`pragma_table_list`",
            "'pragma_table_list'",
        ] {
            let sql = format!("SELECT * FROM t, {name}");
            let error = verdict(Sqlite, &sql).unwrap_or_else(|| panic!("{sql} passes"));
            assert!(error.contains("pragma_"), "{error}");
            assert!(check_table(Sqlite, "pragma_x").is_err());
        }
        assert_eq!(verdict(Sqlite, "SELECT \"a pragma_x\", pragmas, 'prägma_' FROM pragma"), None);
        assert_eq!(verdict(Postgresql, "SELECT pragma_x FROM t"), None);
    }

    #[test]
    fn work_is_in_proportion_to_the_text() {
        let texts = |times: usize| {
            let of = |unit: &str| unit.repeat(times);
            vec![
                format!("select 1 {}{}", of("/* "), of("*/ ")),
                format!("select 1 {}", of("/* ")),
                format!("select 1 {}", of("/* */ ")),
                format!("select 1 {}", of("/*/ ")),
                format!("select 1 {}", of("'a' ")),
                format!("select 1 {}", of("'")),
                format!("select 1 {}", of("[a] ")),
                format!("select 1 {}", of("[")),
                format!("select 1 {}", of("-- a\n")),
                format!("select 1 {}", of("-- ")),
                format!("select {}", of("a")),
                format!("select {}", of("a ")),
                format!("select {}", of("E'\\'")),
            ]
        };
        for dialect in [Sqlite, Postgresql, Mysql] {
            for (once, twice) in texts(2_000).into_iter().zip(texts(4_000)) {
                let looks = |text: &str| {
                    let mut looked_at = 0;
                    let _ = check_counting(dialect, text, MARK, &mut looked_at);
                    looked_at as f64
                };
                let (one, two) = (looks(&once), looks(&twice));
                assert!(
                    two <= 2.2 * one && one <= 3.0 * once.len() as f64,
                    "{dialect:?} {once:.20}: {one}, {two}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(sql in "\\PC*", odd in "[-'\"`\\\\/*!;#$ a\\[\\]\n]*") {
            for dialect in [Sqlite, Postgresql, Mysql] {
                let _ = check(dialect, &sql, MARK);
                let _ = check(dialect, &odd, MARK);
            }
        }
    }
}
