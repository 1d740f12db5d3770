//! Options as JSON, read with some patience: a number or a switch may be written as text, which is what a template
//! variable leaves behind, and what is wrong is said in words of the query and not of the code.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Error as _, IntoDeserializer, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};
use serde_json::{Error, Number, Value};

use crate::error::shortened;

/// The most of a wrong value that an error quotes.
const QUOTED_CHARS: usize = 200;

/// A value of an option.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lenient<'de>(pub(super) &'de Value);

impl Lenient<'_> {
    fn expected(self, what: &str) -> Error {
        let found = match self.0 {
            Value::Null => "nothing".to_owned(),
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "an object".to_owned(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                shortened(&self.0.to_string(), QUOTED_CHARS).to_string()
            }
        };
        Error::custom(format!("expected {what}, got {found}"))
    }

    /// The number that it is, or that its text says.
    fn number(self) -> Option<Number> {
        match self.0 {
            Value::Number(number) => Some(number.clone()),
            Value::String(text) => {
                let text = text.trim();
                // Whole numbers first: not all of them are floats.
                let whole = text.parse::<i64>().map(Number::from);
                let whole = whole.or_else(|_| text.parse::<u64>().map(Number::from));
                whole.ok().or_else(|| Number::from_f64(text.parse().ok()?))
            }
            _ => None,
        }
    }

    /// The whole number that it is, from `least` to `most`.
    fn whole(self, least: i64, most: u64) -> Result<Number, Error> {
        let number = self.number().and_then(|number| match number.as_f64() {
            Some(float) if number.is_f64() => {
                let is_whole = float.fract() == 0.0 && float.abs() <= 2_f64.powi(53);
                is_whole.then(|| Number::from(float as i64))
            }
            _ => Some(number),
        });
        let is_within = |number: &Number| match (number.as_i64(), number.as_u64()) {
            (Some(signed), _) if signed < 0 => signed >= least,
            (_, Some(unsigned)) => unsigned <= most,
            _ => false,
        };
        let wanted = || self.expected(&format!("a whole number from {least} to {most}"));
        number.filter(is_within).ok_or_else(wanted)
    }
}

impl<'de> IntoDeserializer<'de, Error> for Lenient<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Reads each of some kinds of whole numbers.
macro_rules! whole_numbers {
    ($($deserialize:ident $kind:ident,)*) => {
        $(fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.whole(i64::try_from($kind::MIN).unwrap_or(i64::MIN), u64::try_from($kind::MAX).unwrap_or(u64::MAX))?
                .$deserialize(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Lenient<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(values) => {
                let mut all = SeqDeserializer::new(values.iter().map(Lenient));
                let read = visitor.visit_seq(&mut all)?;
                all.end().map(|()| read)
            }
            Value::Object(fields) => {
                let mut all =
                    MapDeserializer::new(fields.iter().map(|(name, value)| (name.as_str(), Lenient(value))));
                let read = visitor.visit_map(&mut all)?;
                all.end().map(|()| read)
            }
            single => single.deserialize_any(visitor),
        }
    }

    whole_numbers! {
        deserialize_i8 i8, deserialize_i16 i16, deserialize_i32 i32, deserialize_i64 i64,
        deserialize_u8 u8, deserialize_u16 u16, deserialize_u32 u32, deserialize_u64 u64,
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let number = self.number().and_then(|number| number.as_f64());
        visitor.visit_f64(number.ok_or_else(|| self.expected("a number"))?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let yes = match self.0 {
            Value::Bool(yes) => Some(*yes),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        visitor.visit_bool(yes.ok_or_else(|| self.expected("true or false"))?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::String(text) => visitor.visit_borrowed_str(text),
            _ => Err(self.expected("text")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_array() { self.deserialize_any(visitor) } else { Err(self.expected("a list")) }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_object() {
            self.deserialize_any(visitor)
        } else {
            Err(self.expected("an object with options"))
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        // Some numbers are read as structures of their own, which `serde_json` knows by their name.
        if name.starts_with('$') {
            return self.0.deserialize_struct(name, fields, visitor);
        }
        self.deserialize_map(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let all = || format!("one of {}", variants.join(", "));
        match self.0 {
            Value::String(text) if variants.contains(&text.as_str()) => {
                visitor.visit_enum(text.as_str().into_deserializer())
            }
            Value::Object(_) => self.0.deserialize_enum(name, variants, visitor),
            _ => Err(self.expected(&all())),
        }
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Way {
        UpThere,
        Down,
    }

    #[derive(Debug, PartialEq, Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Options {
        factor: f64,
        seed: Option<u64>,
        shift: i32,
        on: bool,
        name: String,
        way: Option<Way>,
        list: Vec<f64>,
        inner: Option<Box<Options>>,
    }

    fn read(value: &Value) -> Result<Options, String> {
        Options::deserialize(Lenient(value)).map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_and_switches_may_be_text() {
        let typed = json!({"factor": 0.5, "seed": u64::MAX, "shift": -3, "on": true, "way": "upThere",
            "list": [1.0, 2.0], "inner": {"factor": 1e3}});
        let text = json!({"factor": " 0.5", "seed": "18446744073709551615", "shift": "-3", "on": "true",
            "way": "upThere", "list": ["1", "2.0"], "inner": {"factor": "1e3"}});
        assert_eq!(read(&typed), read(&text));
        assert_eq!(read(&typed).unwrap().seed, Some(u64::MAX));
        assert_eq!(read(&json!({"shift": 2.0, "seed": null})).unwrap().shift, 2);
    }

    #[test]
    fn what_is_wrong_is_said_in_plain_words() {
        for (value, message) in [
            (json!({"factor": "${sens}"}), "expected a number, got \"${sens}\""),
            (json!({"factor": "NaN"}), "expected a number, got \"NaN\""),
            (json!({"factor": null}), "expected a number, got nothing"),
            (json!({"seed": -1}), "expected a whole number from 0 to 18446744073709551615, got -1"),
            (json!({"shift": "1.5"}), "expected a whole number from -2147483648 to 2147483647, got \"1.5\""),
            (
                json!({"shift": 3e9}),
                "expected a whole number from -2147483648 to 2147483647, got 3000000000.0",
            ),
            (json!({"on": "yes"}), "expected true or false, got \"yes\""),
            (json!({"name": 5}), "expected text, got 5"),
            (json!({"way": "up"}), "expected one of upThere, down, got \"up\""),
            (json!({"way": 1}), "expected one of upThere, down, got 1"),
            (json!({"list": 1}), "expected a list, got 1"),
            (json!({"inner": [1]}), "expected an object with options, got a list"),
            (json!({"inner": {"list": [{}]}}), "expected a number, got an object"),
            (json!("x"), "expected an object with options, got \"x\""),
        ] {
            assert_eq!(read(&value).unwrap_err(), message, "{value}");
        }
    }
}
