//! Gathers the points of an answer, row by row, into series.
//!
//! Every source decodes its own format and hands over what a row is: a series (name and labels), a time, a value. What
//! is the same for all is here: the limits on rows and series, sorting, repeated times, and the notices about rows that
//! were mended or left out.

use std::collections::HashMap;

use crate::budget::{self, Held};
use crate::error::{Category, Error, Result};
use crate::series::{Labels, Series, TimeRange, text_bytes};
use crate::settings::Limits;

/// Whether two texts, mostly labels, are the same. Comparing those of no length by `==` takes longer than decoding a row:
/// their addresses are none, which vectors trip over.
pub(super) fn same_text(one: &str, other: &str) -> bool {
    one.len() == other.len() && (one.is_empty() || one == other)
}

/// Names one series of a [`Collector`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SeriesId(usize);

/// What a row lacked, so that it could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lacking {
    /// A readable time.
    Time,
    /// A number, or something that stands for a gap.
    Value,
}

/// The points of the rows read so far.
#[derive(Debug)]
pub(super) struct Collector {
    max_rows: usize,
    max_series: usize,
    by_identity: HashMap<(String, Labels), SeriesId>,
    /// In the order of their [`SeriesId`].
    points: Vec<Vec<(i64, f64)>>,
    units: Vec<Option<String>>,
    rows: usize,
    without_time: usize,
    without_value: usize,
    first_trouble: Option<String>,
    reckoned: Reckoned,
}

/// What of an answer takes memory until it is series, and work.
#[derive(Debug, Default)]
struct Reckoned {
    held: Option<Held>,
    /// Bytes that are not yet put on the account, which is shared and not asked for every few of them.
    pending: usize,
    /// Bytes that were looked at since the last look whether anyone waits for it.
    looked_at: usize,
}

/// The most bytes that are kept without being on the account.
const PENDING_BYTES: usize = 1 << 16;
/// Bytes of text, as they are compared and copied, from one look whether anyone waits to the next.
const BYTES_A_LOOK: usize = 1 << 20;

impl Reckoned {
    fn keep(&mut self, bytes: usize, what: &str) -> Result<()> {
        self.pending = self.pending.saturating_add(bytes);
        if self.pending < PENDING_BYTES {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.pending);
        match &mut self.held {
            Some(held) => held.grow(bytes, what)?,
            None => self.held = Some(budget::account().take(bytes, what)?),
        }
        Ok(())
    }

    fn look_at(&mut self, bytes: usize) {
        self.looked_at = self.looked_at.saturating_add(bytes);
        if self.looked_at >= BYTES_A_LOOK {
            self.looked_at = 0;
            budget::checkpoint();
        }
    }
}

/// Rows from one look at the budget to the next.
const ROWS_A_LOOK: usize = 1 << 14;
/// What a row may take: a point in a list that has just doubled, and the series that is made of it.
const ROW_BYTES: usize = 64;
/// What a series takes besides its name, its labels and its rows: entries in tables and lists, which may just have doubled,
/// and its first few points.
const SERIES_BYTES: usize = 512;
/// How often the texts of a series are kept: here, and in the tables of whoever reads the rows.
const TEXT_COPIES: usize = 3;

impl Collector {
    /// For one answer within `limits`.
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            max_rows: limits.max_rows,
            max_series: limits.max_series,
            by_identity: HashMap::new(),
            points: Vec::new(),
            units: Vec::new(),
            rows: 0,
            without_time: 0,
            without_value: 0,
            first_trouble: None,
            reckoned: Reckoned::default(),
        }
    }

    /// Reckons with `bytes` that the reader is about to keep until the answer is read.
    ///
    /// # Errors
    /// [`Category::Limit`] if the memory does not suffice.
    pub(super) fn keep(&mut self, bytes: usize) -> Result<()> {
        self.reckoned.keep(bytes, "the texts of an answer")
    }

    /// Counts `bytes` of text that the reader compares or copies for a row, which may be many more than the row has in the
    /// answer, and ends here if nobody waits any more.
    pub(super) fn look_at(&mut self, bytes: usize) {
        self.reckoned.look_at(bytes);
    }

    /// Whether a series more were one too many.
    pub(super) fn is_full(&self) -> bool {
        self.points.len() >= self.max_series
    }

    /// The series of this name with these labels; a new one if there is none yet.
    ///
    /// # Errors
    /// [`Category::Limit`] if there are too many, or the memory does not suffice.
    pub(super) fn series(&mut self, name: &str, labels: Labels) -> Result<SeriesId> {
        let texts = text_bytes(name, &labels);
        self.look_at(texts);
        let identity = (name.to_owned(), labels);
        if let Some(id) = self.by_identity.get(&identity) {
            return Ok(*id);
        }
        if self.is_full() {
            return Err(Error::new(
                Category::Limit,
                format!("the answer has more than {} series", self.max_series),
            )
            .hint("split by a label with fewer values, filter, or raise the setting maxSeries"));
        }
        self.keep(texts.saturating_mul(TEXT_COPIES).saturating_add(SERIES_BYTES))?;
        let id = SeriesId(self.points.len());
        self.by_identity.insert(identity, id);
        self.points.push(Vec::new());
        self.units.push(None);
        Ok(id)
    }

    /// Says in which unit (Grafana's id of it) the values of a series are.
    pub(super) fn set_unit(&mut self, id: SeriesId, unit: &str) {
        self.units[id.0] = Some(unit.to_owned()).filter(|unit| !unit.is_empty());
    }

    /// Takes a point: `time` in ms since the epoch, NaN for a gap.
    ///
    /// # Errors
    /// [`Category::Limit`] if the answer has too many rows.
    pub(super) fn push(&mut self, id: SeriesId, time: i64, value: f64) -> Result<()> {
        self.count_row()?;
        self.points[id.0].push((time, value));
        Ok(())
    }

    /// Counts a row that cannot be used. `trouble` says what was found instead, never a value.
    ///
    /// # Errors
    /// [`Category::Limit`] if the answer has too many rows.
    pub(super) fn leave_out(&mut self, lacking: Lacking, trouble: impl FnOnce() -> String) -> Result<()> {
        self.count_row()?;
        match lacking {
            Lacking::Time => self.without_time += 1,
            Lacking::Value => self.without_value += 1,
        }
        if self.first_trouble.is_none() {
            self.first_trouble = Some(trouble());
        }
        Ok(())
    }

    fn count_row(&mut self) -> Result<()> {
        self.rows += 1;
        if self.rows.is_multiple_of(ROWS_A_LOOK) {
            budget::checkpoint();
            self.reckoned.keep(ROWS_A_LOOK * ROW_BYTES, "the rows of an answer")?;
        }
        if self.rows > self.max_rows {
            return Err(Error::new(
                Category::Limit,
                format!("the answer has more than {} rows", self.max_rows),
            )
            .hint("ask for a longer step, a shorter range or fewer series, or raise the setting maxRows"));
        }
        Ok(())
    }

    /// The series, ordered by labels, then name, and notices of what was left out or mended. `hint` says what to do if
    /// not one row could be used.
    ///
    /// # Errors
    /// [`Category::Protocol`] in that case.
    pub(super) fn finish(mut self, hint: &str) -> Result<(Vec<Series>, Vec<String>)> {
        let mut notices: Vec<String> = self.left_out(hint)?.into_iter().collect();
        let (mut unsorted, mut duplicates) = (0, 0);
        let mut all = Vec::with_capacity(self.points.len());
        for ((name, labels), id) in self.by_identity {
            let points = std::mem::take(&mut self.points[id.0]);
            let (mut series, mended) = Series::from_points(name, labels, points);
            series.unit = self.units[id.0].take();
            unsorted += mended.unsorted;
            duplicates += mended.duplicates;
            all.push(series);
        }
        all.sort_by(|a, b| (&a.labels, &a.name).cmp(&(&b.labels, &b.name)));
        if unsorted > 0 {
            notices.push(format!("Rows sorted by time, because they were not (steps back: {unsorted})"));
        }
        if duplicates > 0 {
            notices.push(format!(
                "Rows left out because a later one of the same series had the same time: {duplicates}"
            ));
        }
        Ok((all, notices))
    }

    /// What to say about rows that could not be used; an error if none could.
    fn left_out(&self, hint: &str) -> Result<Option<String>> {
        let Self { rows, without_time, without_value, first_trouble, .. } = self;
        let Some(trouble) = first_trouble else { return Ok(None) };
        if without_time + without_value == *rows {
            let message = format!("not one of the rows ({rows}) can be used: in the first, {trouble}");
            return Err(Error::new(Category::Protocol, message).hint(hint));
        }
        Ok(Some(format!(
            "{} of {rows} rows left out ({without_time} without a readable time, {without_value} without a number): \
             in the first of them, {trouble}",
            without_time + without_value
        )))
    }
}

/// What is odd about the times of an answer to a question about `range`, if it is odd for all of them: that they lie in
/// January 1970, as seconds do that are read as ms, or that the values are the times.
pub(super) fn odd_times(series: &[Series], range: TimeRange) -> Option<&'static str> {
    /// 2001 to 2286 in seconds and in ms.
    const RECENT: [std::ops::Range<f64>; 2] = [1e9..1e10, 1e12..1e13];
    const JANUARY_MS: i64 = 31 * 86_400_000;
    let times = || series.iter().flat_map(|series| &series.times);
    // A server that answers with other times than asked for is odd in another way.
    let is_recent = |ms: &i64| RECENT[1].contains(&(*ms as f64));
    if range.from_ms < JANUARY_MS || times().next().is_none() || times().any(is_recent) {
        return None;
    }
    let is_time = |value: &f64| RECENT.iter().any(|recent| recent.contains(value));
    if series.iter().flat_map(|series| &series.values).all(is_time) {
        return Some("the values look like times, and the times like values");
    }
    times()
        .all(|ms| (0..JANUARY_MS).contains(ms))
        .then_some("all times lie in January 1970, as seconds do where milliseconds are expected")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Memory;

    fn labels(host: &str) -> Labels {
        Labels::from([("host".to_owned(), host.to_owned())])
    }

    fn collector(max_rows: usize, max_series: usize) -> Collector {
        Collector::new(&Limits { max_rows, max_series, ..Limits::default() })
    }

    #[test]
    fn rows_become_sorted_series_with_notices() {
        let mut rows = collector(100, 10);
        let b = rows.series("v", labels("b")).unwrap();
        let a = rows.series("v", labels("a")).unwrap();
        assert_eq!(rows.series("v", labels("b")).unwrap(), b);
        rows.set_unit(a, "bytes");
        for (id, time, value) in [(b, 5, 1.0), (b, 3, 2.0), (b, 5, f64::INFINITY), (a, 1, f64::NAN)] {
            rows.push(id, time, value).unwrap();
        }
        rows.leave_out(Lacking::Time, || "it was text".to_owned()).unwrap();
        rows.leave_out(Lacking::Value, || unreachable!()).unwrap();
        let (series, notices) = rows.finish("").unwrap();
        assert_eq!(series.iter().map(|of| of.labels["host"].as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(series[0].unit.as_deref(), Some("bytes"));
        assert_eq!(series[1].times, [3, 5]);
        assert!(series[1].values[1].is_nan(), "the last of a time wins, and infinity is a gap");
        assert_eq!(notices.len(), 3, "{notices:?}");
        assert!(
            notices[0].starts_with("2 of 6 rows left out (1 without a readable time, 1 without"),
            "{notices:?}"
        );
    }

    #[test]
    fn times_that_cannot_be_those_asked_for_are_told() {
        let of = |points: &[(i64, f64)]| {
            vec![Series::from_points("v".to_owned(), Labels::new(), points.to_vec()).0]
        };
        let range = TimeRange { from_ms: 1_740_960_000_000, to_ms: 1_740_960_600_000 };
        let odd = |points: &[(i64, f64)], range| odd_times(&of(points), range);
        let seconds = [(1_740_960_000, 1.5), (1_740_960_300, 1.6)];
        assert!(odd(&seconds, range).unwrap().contains("January 1970"));
        assert!(odd(&[(2, 1.740_960e12), (3, 1.740_960_3e12)], range).unwrap().contains("look like times"));
        assert_eq!(odd(&seconds, TimeRange { from_ms: 0, to_ms: 1 }), None);
        for points in [
            &[(1_740_960_000_000, 1.5)][..],
            &[],
            &[(2, 1.0), (1_740_960_000_000, 1.0)],
            &[(1_640_960_000_000, 1.0)],
        ] {
            assert_eq!(odd(points, range), None, "{points:?}");
        }
    }

    /// Names and labels are reckoned before they are kept, not when all are there.
    #[tokio::test]
    async fn names_and_labels_are_on_the_account() {
        let memory = Memory::of(16 << 20);
        budget::for_query(memory.account(), async {
            let mut long = collector(100, 100_000);
            let label = "x".repeat(100_000);
            let error = (0..).find_map(|number| long.series(&number.to_string(), labels(&label)).err());
            assert_eq!(error.unwrap().category(), Category::Limit);
            assert!((30..80).contains(&long.points.len()), "{} long ones", long.points.len());
            drop(long);
            assert_eq!(memory.used(), 0);
            let mut small = collector(100, 100_000);
            let error = (0..).find_map(|number| small.series("v", labels(&number.to_string())).err());
            assert!(error.unwrap().to_string().contains("memory_mib"));
            assert!((2_000..16_000).contains(&small.points.len()), "{} small ones", small.points.len());
        })
        .await;
    }

    #[test]
    fn whether_anyone_waits_is_looked_at_by_bytes_too() {
        let (looks, _) = budget::counted(usize::MAX, || {
            let mut rows = collector(1_000_000, 10);
            let label = "x".repeat(BYTES_A_LOOK / 4);
            (0..40).for_each(|_| assert!(rows.series("v", labels(&label)).is_ok()));
        });
        assert_eq!(looks, 10);
    }

    #[test]
    fn limits_name_their_setting() {
        let mut rows = collector(1, 1);
        let id = rows.series("v", labels("a")).unwrap();
        let error = rows.series("v", labels("b")).unwrap_err();
        assert_eq!(error.category(), Category::Limit);
        assert!(error.to_string().contains("more than 1 series") && error.to_string().contains("maxSeries"));
        rows.push(id, 1, 1.0).unwrap();
        let error = rows.push(id, 2, 1.0).unwrap_err();
        assert!(error.to_string().contains("more than 1 rows") && error.to_string().contains("maxRows"));
    }

    #[test]
    fn nothing_usable_is_an_error_and_nothing_at_all_is_none() {
        let mut rows = collector(10, 10);
        rows.leave_out(Lacking::Time, || "it found null".to_owned()).unwrap();
        let error = rows.finish("do this").unwrap_err().to_string();
        assert!(
            error.contains("not one of the rows (1) can be used: in the first, it found null"),
            "{error}"
        );
        assert_eq!(collector(10, 10).finish("").unwrap(), (Vec::new(), Vec::new()));
    }
}
