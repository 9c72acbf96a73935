//! What the server hands out and gets back: places in the record, pages of locks, tokens, ids.

use std::str::FromStr;

use lockkeeper::lock::LockToken;
use lockkeeper::ops::target::Target;
use lockkeeper::ops::{events, lock_list};
use lockkeeper::resource::ResourceId;

const PATH_BYTES_MAX: usize = 4096;

/// What is understood at all is understood in the one spelling that we hand out.
pub fn target(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    one_spelling::<events::Cursor>(text);
    one_spelling::<lock_list::Cursor>(text);
    if let Ok(cursor) = text.parse::<events::Cursor>() {
        assert_eq!(cursor.to_string().len(), 22);
    }

    if let Some(token) = LockToken::parse(text) {
        let told = token.to_string();
        assert!(
            told.eq_ignore_ascii_case(text),
            "{text} was taken for {told}"
        );
        assert_eq!(LockToken::parse(&told), Some(token));
        assert!(
            !format!("{token:?}").contains(&told[9..]),
            "tokens stay out of logs"
        );
    }

    if let Ok(id) = text.parse::<ResourceId>() {
        let told = id.to_string();
        assert!(told.len() == 32 && text.len() == 32);
        // What is too large for an id is nobody's.
        assert!(told.eq_ignore_ascii_case(text) || id == ResourceId::ABOVE_ROOT);
        assert_eq!(told.parse(), Ok(id));
    }

    match Target::parse(text, PATH_BYTES_MAX) {
        Ok(Target::Path(path)) => assert!(text.starts_with('/') && path.to_plain().len() < 4097),
        Ok(Target::Id(id)) => assert_eq!(text.parse(), Ok(id)),
        Ok(Target::Member(..) | Target::Within { .. }) => panic!("{text:?} names no member"),
        Err(error) => assert!((400..500).contains(&error.status()), "{error}"),
    }
}

fn one_spelling<T: FromStr + ToString>(text: &str) {
    if let Ok(cursor) = text.parse::<T>() {
        assert_eq!(cursor.to_string(), text);
    }
}
