//! What a version of a file is called in the history collection: `plan (version 3).docx`. The
//! extension stays at the end, because that is what programs go by. Pure.

use crate::protocol::path::{NAME_BYTES_MAX, Name};

/// Anything longer behind a dot is no extension but a part of a sentence.
const EXTENSION_BYTES_MAX: usize = 16;

/// The name of version `number` of the file called `file`. It always ends in an extension or in a
/// parenthesis, since Windows drops dots and spaces at the end of names.
pub(super) fn of(file: &str, number: u32) -> String {
    let (stem, extension) = split(file);
    let mut stem = stem;
    loop {
        let name = format!("{stem} (version {number}){extension}");
        // As spelled and in NFC, which may be longer, a name is limited.
        if Name::parse(&name).is_ok() {
            return name;
        }
        let over = name.len().saturating_sub(NAME_BYTES_MAX).max(1);
        let Some(shorter) = floor(stem, stem.len().saturating_sub(over)) else {
            return name;
        };
        stem = shorter;
    }
}

/// The number of the version of `file` that `name` means, if it is such a name. `file` may itself
/// look like one, so only what [`of`] makes of it counts. Compared as all names are, in NFC.
pub(super) fn number(name: &Name, file: &str) -> Option<u32> {
    let (_, behind) = name.as_str().rsplit_once(" (version ")?;
    let (digits, _) = behind.split_once(')')?;
    let number = digits.parse().ok()?;
    let same = Name::parse(&of(file, number)).is_ok_and(|made| made == *name);
    same.then_some(number)
}

/// Before the extension, and the extension with its dot. A dot in front makes a hidden file, and
/// not an extension.
fn split(file: &str) -> (&str, &str) {
    let extension = file.rfind('.').map(|dot| file.split_at(dot));
    let is_extension = |(stem, dotted): &(&str, &str)| {
        let inner = &dotted[1..];
        let plain = inner
            .chars()
            .all(|c| c.is_alphanumeric() || "-+_~".contains(c));
        let hidden = stem.trim_start_matches('.').is_empty();
        plain && !hidden && !inner.is_empty() && inner.len() <= EXTENSION_BYTES_MAX
    };
    extension.filter(is_extension).unwrap_or((file, ""))
}

/// The beginning of `text` of at most `bytes`; `None` when nothing shorter is left.
fn floor(text: &str, bytes: usize) -> Option<&str> {
    let end = (0..=bytes).rev().find(|end| text.is_char_boundary(*end))?;
    (end < text.len()).then(|| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(file: &str, expect: &str) {
        let name = of(file, 3);
        assert_eq!(name, expect, "{file}");
        let parsed = Name::parse(&name).expect("a name");
        assert_eq!(number(&parsed, file), Some(3), "{file}");
    }

    #[test]
    fn names_keep_their_extension() {
        check("plan.docx", "plan (version 3).docx");
        check("Makefile", "Makefile (version 3)");
        check("plan.docx~", "plan (version 3).docx~");
        check("größe.txt", "größe (version 3).txt");
        check("archive.tar.gz", "archive.tar (version 3).gz");
        check(".bashrc", ".bashrc (version 3)");
        check(".config.toml", ".config (version 3).toml");
        check("..x", "..x (version 3)");
        check("plan.", "plan. (version 3)");
        check("plan.docx.", "plan.docx. (version 3)");
        check("plan.docx ", "plan.docx  (version 3)");
        check("plan .docx", "plan  (version 3).docx");
        check("v1.2 of the plan", "v1.2 of the plan (version 3)");
        check("a.seventeen-letters", "a.seventeen-letters (version 3)");
        check("plan (version 3).docx", "plan (version 3) (version 3).docx");
        check("plan (version 9)", "plan (version 9) (version 3)");
        check("notes.(version 9)", "notes.(version 9) (version 3)");
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        check(
            &format!("{}.docx", "n".repeat(250)),
            &format!("{} (version 3).docx", "n".repeat(238)),
        );
        check(
            &"ü".repeat(127),
            &format!("{} (version 3)", "ü".repeat(121)),
        );
        // Longer in NFC than as spelled.
        let long = "\u{958}".repeat(42);
        let name = Name::parse(&of(&long, 1_000_000)).expect("a name");
        assert!(name.key().len() <= NAME_BYTES_MAX);
        assert_eq!(number(&name, &long), Some(1_000_000));
    }

    #[test]
    fn other_names_mean_no_version() {
        for (name, file) in [
            ("plan.docx", "plan.docx"),
            ("plan (version 3).docx", "other.docx"),
            ("plan (version 3).txt", "plan.docx"),
            ("plan (version 03).docx", "plan.docx"),
            ("plan (version +3).docx", "plan.docx"),
            ("plan (version 4294967296).docx", "plan.docx"),
            ("plan (version ).docx", "plan.docx"),
            ("plan (version 3)", "plan.docx"),
            ("plan (version 3).docx", "plan (version 3).docx"),
            ("PLAN (version 3).docx", "plan.docx"),
        ] {
            let parsed = Name::parse(name).expect("a name");
            assert_eq!(number(&parsed, file), None, "{name} of {file}");
        }
    }

    #[test]
    fn another_spelling_is_the_same_name() {
        let decomposed = Name::parse("gro\u{308}ße (version 12).txt").expect("a name");
        assert_eq!(number(&decomposed, "größe.txt"), Some(12));
        let composed = Name::parse("größe (version 12).txt").expect("a name");
        assert_eq!(number(&composed, "gro\u{308}ße.txt"), Some(12));
    }

    proptest! {
        #[test]
        fn every_file_has_names_that_lead_back(
            file in prop_oneof![
                "[a-z. ()0-9ü\u{308}\u{958}漢]{1,90}",
                "\\PC{1,100}",
                "(a \\(version [0-9]{1,3}\\)\\.?){1,5}",
            ],
            version in any::<u32>(),
        ) {
            prop_assume!(Name::parse(&file).is_ok());
            let name = of(&file, version);
            prop_assert!(!name.ends_with(['.', ' ']), "{name:?}");
            let parsed = Name::parse(&name);
            prop_assert!(parsed.is_ok(), "{name:?}: {parsed:?}");
            prop_assert_eq!(parsed.ok().and_then(|name| number(&name, &file)), Some(version));
        }
    }
}
