//! Numbers whose range is part of their type: what is checked when a query is read, what the schema says, and what an
//! error names are one and the same.

use std::ops::Bound;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which numbers an option takes.
pub trait Interval {
    /// The lower end.
    const LOW: Bound<f64>;
    /// The upper end.
    const HIGH: Bound<f64>;
}

/// A finite number in an [`Interval`].
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "f64", into = "f64")]
#[serde(bound(deserialize = "I: Interval", serialize = "I: Interval + Clone"))]
pub struct Real<I>(f64, std::marker::PhantomData<I>);

impl<I: Interval> Real<I> {
    /// `value`, which must lie in the interval: for constants, checked when they are compiled.
    #[must_use]
    pub const fn constant(value: f64) -> Self {
        assert!(is_above(I::LOW, value) && is_below(I::HIGH, value));
        Self(value, std::marker::PhantomData)
    }

    /// The number.
    #[must_use]
    pub const fn get(&self) -> f64 {
        self.0
    }
}

const fn is_above(low: Bound<f64>, value: f64) -> bool {
    match low {
        Bound::Included(low) => value >= low,
        Bound::Excluded(low) => value > low,
        Bound::Unbounded => value > f64::NEG_INFINITY,
    }
}

const fn is_below(high: Bound<f64>, value: f64) -> bool {
    match high {
        Bound::Included(high) => value <= high,
        Bound::Excluded(high) => value < high,
        Bound::Unbounded => value < f64::INFINITY,
    }
}

/// The numbers of an interval in words.
fn words(low: Bound<f64>, high: Bound<f64>) -> String {
    use Bound::{Excluded, Included, Unbounded};
    match (low, high) {
        (Unbounded, Unbounded) => "a number".to_owned(),
        (Unbounded, Included(high)) => format!("a number up to {high}"),
        (Unbounded, Excluded(high)) => format!("a number below {high}"),
        (Included(low), Unbounded) => format!("a number of at least {low}"),
        (Excluded(low), Unbounded) => format!("a number above {low}"),
        (Included(low), Included(high)) => format!("a number from {low} to {high}"),
        (Included(low), Excluded(high)) => format!("a number from {low} and below {high}"),
        (Excluded(low), Included(high)) => format!("a number above {low} and up to {high}"),
        (Excluded(low), Excluded(high)) => format!("a number above {low} and below {high}"),
    }
}

impl<I: Interval> TryFrom<f64> for Real<I> {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        if is_above(I::LOW, value) && is_below(I::HIGH, value) {
            Ok(Self(value, std::marker::PhantomData))
        } else {
            Err(format!("expected {}, got {value}", words(I::LOW, I::HIGH)))
        }
    }
}

impl<I> From<Real<I>> for f64 {
    fn from(real: Real<I>) -> Self {
        real.0
    }
}

impl<I: Interval> JsonSchema for Real<I> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Real".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = json_schema!({ "type": "number" });
        let mut set = |bound: Bound<f64>, included: &str, excluded: &str| match bound {
            Bound::Included(limit) => drop(schema.insert(included.to_owned(), Value::from(limit))),
            Bound::Excluded(limit) => drop(schema.insert(excluded.to_owned(), Value::from(limit))),
            Bound::Unbounded => {}
        };
        set(I::LOW, "minimum", "exclusiveMinimum");
        set(I::HIGH, "maximum", "exclusiveMaximum");
        schema
    }
}

/// Any finite number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Finite {}

impl Interval for Finite {
    const LOW: Bound<f64> = Bound::Unbounded;
    const HIGH: Bound<f64> = Bound::Unbounded;
}

/// 0 and above.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NotNegative {}

impl Interval for NotNegative {
    const LOW: Bound<f64> = Bound::Included(0.0);
    const HIGH: Bound<f64> = Bound::Unbounded;
}

/// Above 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Positive {}

impl Interval for Positive {
    const LOW: Bound<f64> = Bound::Excluded(0.0);
    const HIGH: Bound<f64> = Bound::Unbounded;
}

/// Above 0, up to `MOST`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum UpTo<const MOST: u32> {}

impl<const MOST: u32> Interval for UpTo<MOST> {
    const LOW: Bound<f64> = Bound::Excluded(0.0);
    const HIGH: Bound<f64> = Bound::Included(MOST as f64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Open {}

    impl Interval for Open {
        const LOW: Bound<f64> = Bound::Excluded(0.0);
        const HIGH: Bound<f64> = Bound::Excluded(1.0);
    }

    #[test]
    fn the_ends_are_in_or_out_as_the_interval_says() {
        let open = |value: f64| Real::<Open>::try_from(value);
        assert_eq!(open(0.5).unwrap().get(), 0.5);
        for value in [0.0, 1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(
                open(value).unwrap_err(),
                format!("expected a number above 0 and below 1, got {value}")
            );
        }
        assert!(Real::<UpTo<10>>::try_from(10.0).is_ok() && Real::<UpTo<10>>::try_from(10.1).is_err());
        assert!(Real::<NotNegative>::try_from(0.0).is_ok() && Real::<NotNegative>::try_from(-0.1).is_err());
        assert!(Real::<Finite>::try_from(f64::NAN).is_err());
    }

    #[test]
    fn the_schema_has_the_same_ends() {
        let schema = schemars::schema_for!(Real<Open>);
        assert_eq!(schema.get("exclusiveMinimum"), Some(&Value::from(0.0)));
        assert_eq!(schema.get("exclusiveMaximum"), Some(&Value::from(1.0)));
        assert_eq!(schema.get("minimum"), None);
    }
}
