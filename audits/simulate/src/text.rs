//! Tables and numbers as Markdown, and files in which a program writes the text between markers.

use std::fmt::Write;

use anyhow::Context;

/// The mark before a block that the program writes.
fn begin(name: &str) -> String {
    format!("<!-- {name}: written by `make simulate`. -->\n")
}

/// The mark after it.
const END: &str = "<!-- Up to here. -->\n";

/// `text` with each named block replaced.
pub(crate) fn fill(text: &str, blocks: &[(&str, String)]) -> anyhow::Result<String> {
    let mut text = text.to_owned();
    for (name, block) in blocks {
        let begin = begin(name);
        let (before, rest) = text
            .split_once(&begin)
            .with_context(|| format!("there is no place for {name}"))?;
        let (_, after) = rest
            .split_once(END)
            .with_context(|| format!("{name} has no end"))?;
        text = format!("{before}{begin}\n{block}\n{END}{after}");
    }
    Ok(text)
}

/// A table. Its first column is text, the others are figures.
pub(crate) fn table<S: AsRef<str>>(
    head: &[S],
    body: impl IntoIterator<Item = Vec<String>>,
) -> String {
    let mut text = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        text.push('|');
        for cell in cells {
            // Writing to a string cannot fail.
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    };
    line(&mut head.iter().map(AsRef::as_ref));
    line(&mut (0..head.len()).map(|column| if column == 0 { "---" } else { "---:" }));
    for cells in body {
        line(&mut cells.iter().map(String::as_str));
    }
    text
}

/// A row of a table.
pub(crate) fn row(name: impl Into<String>, cells: impl IntoIterator<Item = String>) -> Vec<String> {
    std::iter::once(name.into()).chain(cells).collect()
}

/// A probability in percent.
pub(crate) fn percent(p: f64) -> String {
    match p * 100.0 {
        all if all > 99.95 => "100 %".to_owned(),
        much if much >= 10.0 => format!("{much:.1} %"),
        some if some >= 0.095 => format!("{some:.2} %"),
        few if few >= 0.001 => format!("{few:.3} %"),
        _ => "0".to_owned(),
    }
}

/// A number with two digits after the point.
pub(crate) fn two(number: f64) -> String {
    format!("{number:.2}")
}

/// A number with one digit after the point.
pub(crate) fn one(number: f64) -> String {
    format!("{number:.1}")
}

/// An amount of money in three significant digits.
pub(crate) fn money(amount: f64) -> String {
    match amount.abs() {
        much if much >= 100.0 => format!("{amount:.0}"),
        some if some >= 10.0 => format!("{amount:.1}"),
        few if few >= 0.995 => format!("{amount:.2}"),
        least if least >= 0.0995 => format!("{amount:.3}"),
        nothing if nothing < 0.000_000_5 => "0".to_owned(),
        _ => format!("{amount:.4}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{fill, money, percent, row, table};

    #[test]
    fn blocks_are_replaced_and_the_rest_stays() {
        let old = "a\n<!-- X: written by `make simulate`. -->\nold\n<!-- Up to here. -->\nb\n";
        let new = fill(old, &[("X", "new".to_owned())]).unwrap();
        assert!(
            new.starts_with("a\n") && new.ends_with("b\n") && new.contains("\nnew\n"),
            "{new}"
        );
        assert!(!new.contains("old") && fill(old, &[("Y", String::new())]).is_err());
        assert_eq!(fill(&new, &[("X", "new".to_owned())]).unwrap(), new);
    }

    #[test]
    fn tables_and_figures_read_well() {
        let text = table(&["a", "b"], [row("x", [percent(0.1234)])]);
        assert_eq!(text, "| a | b |\n| --- | ---: |\n| x | 12.3 % |\n");
        assert_eq!(
            [0.0, 0.0123, 0.5, 3.126, 31.26, 312.6].map(money),
            ["0", "0.0123", "0.500", "3.13", "31.3", "313"]
        );
    }
}
