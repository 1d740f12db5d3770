//! What is known of a type of options without any options: its schema, and its names in the order they are declared in.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::Error;
use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::{Deserializer, Serialize, forward_to_deserialize_any};
use serde_json::json;

use super::options::Kind;
use crate::error::Result;

/// A type of options as the table of its kinds lists it.
#[derive(Debug, Clone, Copy)]
pub struct OptionsEntry {
    schema: fn(&mut SchemaGenerator) -> Schema,
    names: fn() -> &'static [&'static str],
    read: fn(&str, &Kind) -> Result<Vec<String>>,
}

impl OptionsEntry {
    /// That of `T`, a struct with named fields.
    #[must_use]
    pub const fn of<T: JsonSchema + DeserializeOwned + Serialize>() -> Self {
        Self {
            schema: T::json_schema,
            names: names::<T>,
            read: |place, kind| kind.parse::<T>(place).map(|parsed| parsed.unknown),
        }
    }

    /// Reads options that stand at `place` of a query; gives the names of those that there are not.
    ///
    /// # Errors
    /// Those of [`Kind::parse`].
    pub fn read(&self, place: &str, kind: &Kind) -> Result<Vec<String>> {
        (self.read)(place, kind)
    }

    /// Schema of the options as one object, with the names in their order as `x-order`.
    #[must_use]
    pub fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        let mut schema = (self.schema)(generator);
        schema.insert("x-order".to_owned(), json!((self.names)()));
        schema
    }
}

/// Names of the fields of a struct on the wire; none of what is no struct.
fn names<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // It never gets a value: only what it asks for is looked at.
    let _ = T::deserialize(Asked(&mut names));
    names
}

/// Notes which fields a struct asks for.
struct Asked<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(Error::custom("only names are wanted"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[test]
    fn names_keep_the_order_of_the_declaration() {
        #[derive(Deserialize, Serialize, JsonSchema)]
        #[serde(rename_all = "camelCase", default)]
        #[derive(Default)]
        struct Options {
            zebra_stripes: u8,
            ant: bool,
        }
        assert_eq!(names::<Options>(), ["zebraStripes", "ant"]);
        let schema = OptionsEntry::of::<Options>().schema(&mut SchemaGenerator::default());
        assert_eq!(schema.get("x-order"), Some(&json!(["zebraStripes", "ant"])));
        let options = Options::default();
        assert!(options.zebra_stripes == 0 && !options.ant);
        assert!(names::<Vec<u8>>().is_empty());
    }
}
