//! What commands print: tables for people, JSON for scripts.

use clap::Args;
use serde::Serialize;

use super::{CliError, say};

/// How to print.
#[derive(Debug, Args)]
pub(super) struct Format {
    /// Print JSON for scripts; the names in it do not change
    #[arg(long)]
    json: bool,
}

impl Format {
    /// Prints `value`: as JSON, or what `text` makes of it.
    pub(super) fn print<T: Serialize>(
        &self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), CliError> {
        if !self.json {
            return say(&text(value));
        }
        let mut json = serde_json::to_string_pretty(value).map_err(CliError::failed)?;
        json.push('\n');
        say(&json)
    }
}

/// Columns as wide as their widest cell; a dash stands for an empty one, so that columns can be
/// counted.
pub(super) fn table<const N: usize>(titles: [&str; N], rows: &[[String; N]]) -> String {
    let mut lines = vec![titles.map(str::to_owned)];
    lines.extend(
        rows.iter()
            .map(|row| row.each_ref().map(|cell| shown(cell))),
    );
    for cell in lines.iter_mut().flatten().filter(|cell| cell.is_empty()) {
        "-".clone_into(cell);
    }
    let width = |column: usize| {
        let cells = lines.iter().map(|line| line[column].chars().count());
        cells.max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text += cells.join("  ").trim_end();
        text += "\n";
    }
    text
}

/// Somebody else chose the names of files: they neither begin lines of their own nor steer the
/// terminal of whoever lists them.
pub(super) fn shown(cell: &str) -> String {
    let mut text = String::with_capacity(cell.len());
    for c in cell.chars() {
        if c.is_control() || is_direction(c) {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text
}

/// What turns the direction of writing around, by which a name can look like another one
/// (Unicode TR 36, 2.11).
fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_steer_the_terminal() {
        fn check(cell: &str, expect: &str) {
            assert_eq!(shown(cell), expect, "{cell:?}");
        }
        check("/Jörg's plan (1).odt", "/Jörg's plan (1).odt");
        check("/a\n/b  check-out\r", "/a\\n/b  check-out\\r");
        check("\u{1b}[2J\u{9b}31m\u{7f}", "\\u{1b}[2J\\u{9b}31m\\u{7f}");
        check("\u{202e}gpj.exe", "\\u{202e}gpj.exe");
        let row = [["a\nb".to_owned()]];
        assert_eq!(table(["PATH"], &row), "PATH\na\\nb\n");
    }

    #[test]
    fn the_table_lines_up() {
        let row = |name: &str, role: &str, mail: &str| [name, role, mail].map(str::to_owned);
        let titles = ["NAME", "ROLE", "E-MAIL"];
        assert_eq!(
            table(
                titles,
                &[
                    row("Jörg Müller", "admin", ""),
                    row("al", "user", "al@example.org")
                ]
            ),
            "NAME         ROLE   E-MAIL\n\
             Jörg Müller  admin  -\n\
             al           user   al@example.org\n"
        );
        assert_eq!(table(titles, &[]), "NAME  ROLE  E-MAIL\n");
    }
}
