//! One event as a line of text: when, how bad, where, what, and the details. In the same words as
//! the library has for it, but plain details are copied instead of formatted: with tens of
//! thousands of requests a second that shows. Whatever a detail contains, the line stays one line.

use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// What an event is about; it stands first and without its name.
const MESSAGE: &str = "message";
/// What the bridge from the older `log` tells of where an event comes from.
const BRIDGED: &str = "log.";
const BRIDGED_TARGET: &str = "log.target";

/// Lines of text.
#[derive(Debug)]
pub(super) struct TextLine;

impl<S, N> FormatEvent<S, N> for TextLine
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        SystemTime.format_time(&mut writer)?;
        write_event(event, &mut writer)
    }
}

fn write_event(event: &Event<'_>, out: &mut dyn Write) -> fmt::Result {
    out.write_str(match *event.metadata().level() {
        Level::ERROR => " ERROR ",
        Level::WARN => "  WARN ",
        Level::INFO => "  INFO ",
        Level::DEBUG => " DEBUG ",
        Level::TRACE => " TRACE ",
    })?;
    let mut bridged = Bridged(None);
    let mut target = event.metadata().target();
    if target == "log" {
        event.record(&mut bridged);
        target = bridged.0.as_deref().unwrap_or(target);
    }
    out.write_str(target)?;
    out.write_str(":")?;
    let mut details = Details {
        out: OneLine(out),
        written: Ok(()),
    };
    event.record(&mut details);
    details.written?;
    out.write_str("\n")
}

struct Details<'w> {
    out: OneLine<'w>,
    written: fmt::Result,
}

impl Details<'_> {
    fn write(&mut self, name: &str, write: impl FnOnce(&mut OneLine<'_>) -> fmt::Result) {
        let out = &mut self.out;
        let named = |out: &mut OneLine<'_>| {
            out.0.write_str(" ")?;
            if name != MESSAGE {
                out.0.write_str(name)?;
                out.0.write_str("=")?;
            }
            write(out)
        };
        if self.written.is_ok() && !name.starts_with(BRIDGED) {
            self.written = named(out);
        }
    }
}

impl Visit for Details<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.write(field.name(), |out| match field.name() {
            MESSAGE => out.write_str(value),
            _ if is_plain(value) => {
                out.0.write_str("\"")?;
                out.0.write_str(value)?;
                out.0.write_str("\"")
            }
            _ => write!(out, "{value:?}"),
        });
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field.name(), |out| write!(out.0, "{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.write(field.name(), |out| write!(out, "{value:?}"));
    }
}

/// Whether quotes around it are all that its `Debug` form has.
fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    text.bytes().all(plain)
}

/// Escapes what would end the line, or tell the terminal something.
struct OneLine<'w>(&'w mut dyn Write);

impl Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let breaks = |c: char| c.is_control() || c == '\u{2028}' || c == '\u{2029}';
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| breaks(*c)) {
            self.0.write_str(&rest[..at])?;
            write!(self.0, "{}", c.escape_default())?;
            rest = &rest[at + c.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

/// The target that an event of the older `log` had there.
struct Bridged(Option<String>);

impl Visit for Bridged {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == BRIDGED_TARGET {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::subscriber::with_default;
    use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

    use super::*;

    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<String>>);

    impl<S: Subscriber> Layer<S> for Told {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            write_event(event, &mut *self.0.lock().unwrap()).unwrap();
        }
    }

    fn check(log: impl FnOnce(), expect: &str) {
        let told = Told::default();
        with_default(tracing_subscriber::registry().with(told.clone()), log);
        assert_eq!(*told.0.lock().unwrap(), expect);
    }

    #[test]
    fn an_event_is_one_line() {
        check(
            || tracing::info!(target: "here", user = "ann", status = 207, "done"),
            "  INFO here: done user=\"ann\" status=207\n",
        );
        check(
            || tracing::warn!(target: "here", path = "a\"b\\c\nd", "at\x1b[0m"),
            "  WARN here: at\\u{1b}[0m path=\"a\\\"b\\\\c\\nd\"\n",
        );
        check(
            || tracing::info!(target: "here", program = "a\r\u{2028}\u{9b}ö"),
            "  INFO here: program=\"a\\r\\u{2028}\\u{9b}ö\"\n",
        );
        let error = std::io::Error::other("two\nlines");
        check(
            || tracing::error!(target: "here", %error, kind = ?Some(1)),
            " ERROR here: error=two\\nlines kind=Some(1)\n",
        );
    }
}
