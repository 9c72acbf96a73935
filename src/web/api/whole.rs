//! Whole numbers in JSON bodies.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Number;

/// A whole number, which 2.0 is as well (JSON Schema, Validation §6.1.1), and is sent by programs
/// that know but one kind of number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whole<T>(pub(super) T);

impl<'de, T: TryFrom<u64>> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Number::deserialize(deserializer)?;
        let value = whole(&number).and_then(|value| T::try_from(value).ok());
        value
            .map(Self)
            .ok_or_else(|| D::Error::custom(format!("{number} is no whole number that fits here")))
    }
}

fn whole(number: &Number) -> Option<u64> {
    /// Beyond it not every whole number has a float of its own.
    const FLOAT_MAX: f64 = 9_007_199_254_740_992.0;
    let from_float = || {
        let float = number.as_f64()?;
        let is_whole = float.fract() == 0.0 && (0.0..=FLOAT_MAX).contains(&float);
        // The one conversion of the standard library that neither rounds nor saturates.
        is_whole
            .then(|| format!("{:.0}", float.abs()).parse().ok())
            .flatten()
    };
    number.as_u64().or_else(from_float)
}

impl<T: JsonSchema> JsonSchema for Whole<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_whole() {
        fn check(text: &str, expect: Option<u8>) {
            let read = serde_json::from_str::<Whole<u8>>(text).ok();
            assert_eq!(read.map(|whole| whole.0), expect, "{text}");
        }
        check("0", Some(0));
        check("255", Some(255));
        check("2.0", Some(2));
        check("2e1", Some(20));
        check("-0.0", Some(0));
        check("256", None);
        check("256.0", None);
        check("2.5", None);
        check("-1", None);
        check("-1.0", None);
        check("1e300", None);
        check("\"2\"", None);
        check("null", None);
        let large = serde_json::from_str::<Whole<u64>>("18446744073709551615");
        assert_eq!(large.ok(), Some(Whole(u64::MAX)));
        assert!(serde_json::from_str::<Whole<u64>>("18446744073709551616").is_err());
    }
}
