//! Entity tags (RFC 9110 §8.8.3): how they are spelled and when two of them match.

use std::fmt;

/// The name of one version of a resource's content.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntityTag {
    strength: Strength,
    opaque: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Strength {
    Strong,
    Weak,
}

impl EntityTag {
    /// The strong entity tag of a version that has this number for itself alone.
    pub fn of_version(version: u64) -> Self {
        Self::strong(format!("{version:016x}"))
    }

    /// A strong tag. `opaque` stands between the quotes and contains none itself.
    pub fn strong(opaque: String) -> Self {
        Self {
            strength: Strength::Strong,
            opaque,
        }
    }

    /// Reads one tag; `None` if `text` is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        match Self::split_from(text)? {
            (tag, "") => Some(tag),
            _ => None,
        }
    }

    /// Reads a list with commas (RFC 9110 §5.6.1: empty elements do not count); `None` if anything
    /// in it is not a tag, or if there is none.
    pub fn parse_list(text: &str) -> Option<Vec<Self>> {
        let mut tags = Vec::new();
        let mut rest = skip_commas(text);
        while !rest.is_empty() {
            let (tag, behind) = Self::split_from(rest)?;
            tags.push(tag);
            let behind = behind.trim_start();
            if !behind.is_empty() && !behind.starts_with(',') {
                return None;
            }
            rest = skip_commas(behind);
        }
        (!tags.is_empty()).then_some(tags)
    }

    /// The tag at the start of `text`, and what stands behind it.
    pub(in crate::protocol) fn split_from(text: &str) -> Option<(Self, &str)> {
        let (strength, quoted) = match text.strip_prefix("W/") {
            Some(quoted) => (Strength::Weak, quoted),
            None => (Strength::Strong, text),
        };
        let (opaque, rest) = quoted.strip_prefix('"')?.split_once('"')?;
        Some((
            Self {
                strength,
                opaque: opaque.to_owned(),
            },
            rest,
        ))
    }

    /// Whether both are strong and the same: the contents are equal byte for byte.
    pub fn strong_eq(&self, other: &Self) -> bool {
        self.strength == Strength::Strong && self == other
    }

    /// Whether they are the same, strong or not.
    pub fn weak_eq(&self, other: &Self) -> bool {
        self.opaque == other.opaque
    }
}

fn skip_commas(text: &str) -> &str {
    text.trim_start_matches([',', ' ', '\t'])
}

impl fmt::Display for EntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.strength {
            Strength::Strong => "",
            Strength::Weak => "W/",
        };
        write!(f, "{prefix}\"{}\"", self.opaque)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_written() {
        #[track_caller]
        fn check(text: &str, expect: Option<&str>) {
            let tags = EntityTag::parse_list(text);
            let written = tags.map(|tags| {
                tags.iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(" ")
            });
            assert_eq!(written.as_deref(), expect, "{text}");
        }
        check(r#""6-660d423039e97""#, Some(r#""6-660d423039e97""#));
        check(r#""a","b" , W/"c""#, Some(r#""a" "b" W/"c""#));
        check(r#" ,, "a,b" ,"#, Some(r#""a,b""#));
        check(r#""""#, Some(r#""""#));
        check("", None);
        check(" , ", None);
        check("abc", None);
        check(r#""a" "b""#, None);
        check(r#""a"#, None);
        check(r#"w/"a""#, None);
        check("W/a", None);
        check(r#""a", *"#, None);
    }

    #[test]
    fn comparison_follows_the_table_of_rfc_9110_section_8_8_3_2() {
        #[track_caller]
        fn check(one: &str, two: &str, strong: bool, weak: bool) {
            let (one, two) = (
                EntityTag::parse(one).unwrap(),
                EntityTag::parse(two).unwrap(),
            );
            assert_eq!(
                (one.strong_eq(&two), one.weak_eq(&two)),
                (strong, weak),
                "{one} {two}"
            );
            assert_eq!(
                (two.strong_eq(&one), two.weak_eq(&one)),
                (strong, weak),
                "{two} {one}"
            );
        }
        check(r#"W/"1""#, r#"W/"1""#, false, true);
        check(r#"W/"1""#, r#"W/"2""#, false, false);
        check(r#"W/"1""#, r#""1""#, false, true);
        check(r#""1""#, r#""1""#, true, true);
        assert_eq!(
            EntityTag::strong("x".to_owned()),
            EntityTag::parse(r#""x""#).unwrap()
        );
        assert_eq!(EntityTag::parse(r#""x" "#), None);
    }
}
