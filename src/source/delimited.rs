//! Tables in text: which character separates their cells, and numbers with a comma in the place of the point.

/// What separates cells, in the order in which it is believed: a comma may as well stand in numbers.
const SEPARATORS: [u8; 3] = [b'\t', b';', b','];
/// Lines that are looked at.
const LINES: usize = 20;

/// The character that separates the cells of `table`: one that stands in each of the first lines, as often in each.
/// A comma if there is none.
pub(crate) fn separator(table: &[u8]) -> u8 {
    let lines =
        || table.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).take(LINES);
    let is_even = |separator: &u8| {
        let mut counts = lines().map(|line| count_unquoted(line, *separator));
        counts.next().is_some_and(|first| first > 0 && counts.all(|count| count == first))
    };
    let stands_in_first =
        |separator: &u8| lines().next().is_some_and(|line| count_unquoted(line, *separator) > 0);
    let found = SEPARATORS.into_iter().find(is_even);
    found.or_else(|| SEPARATORS.into_iter().find(stands_in_first)).unwrap_or(b',')
}

fn count_unquoted(line: &[u8], wanted: u8) -> usize {
    let mut quoted = false;
    let mut count = 0;
    for byte in line {
        quoted ^= *byte == b'"';
        count += usize::from(*byte == wanted && !quoted);
    }
    count
}

/// `text` with a point where a number has a comma: one comma and no point, in a table whose cells a comma does not
/// separate. Otherwise as it is.
pub(crate) fn with_point(text: &str, separator: u8) -> Option<String> {
    let may_be = separator != b',' && text.matches(',').count() == 1 && !text.contains('.');
    may_be.then(|| text.replace(',', "."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_separator_is_what_stands_in_every_line() {
        for (table, expected) in [
            ("time,value\n1,2\n", b','),
            ("time;value\n1;2,5\n2;3,5\n", b';'),
            ("1,5;2,5\n2;3\n", b';'),
            ("time\tvalue\n1\t2,5\n", b'\t'),
            ("time,\"a;b\",c\n1,2,3\n", b','),
            ("time,note\n1,a;b\n2,c\n", b','),
            ("Zeit;Wert;\n1;2\n", b';'),
            ("time\n1\n", b','),
            ("", b','),
        ] {
            assert_eq!(char::from(separator(table.as_bytes())), char::from(expected), "{table:?}");
        }
    }

    #[test]
    fn one_comma_is_a_point_where_it_separates_nothing() {
        assert_eq!(with_point("1,5", b';').as_deref(), Some("1.5"));
        for (text, separator) in [("1,5", b','), ("1,500.5", b';'), ("1,500,000", b';'), ("15", b';')] {
            assert_eq!(with_point(text, separator), None, "{text}");
        }
    }
}
