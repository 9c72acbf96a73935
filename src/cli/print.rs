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
    let titles = titles.map(str::to_owned);
    let mut lines: Vec<[&str; N]> = vec![titles.each_ref().map(String::as_str)];
    lines.extend(rows.iter().map(|row| row.each_ref().map(String::as_str)));
    for cell in lines.iter_mut().flatten().filter(|cell| cell.is_empty()) {
        *cell = "-";
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

#[cfg(test)]
mod tests {
    use super::*;

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
