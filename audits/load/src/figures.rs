//! The table and the file of all figures.

use std::{io::Write as _, path::Path};

use serde_json::{Map, Value, json};

/// One figure.
struct Figure {
    what: String,
    value: String,
    goal: &'static str,
}

/// All figures so far.
#[derive(Default)]
pub(crate) struct Figures {
    rows: Vec<Figure>,
    values: Map<String, Value>,
}

impl Figures {
    /// Adds a figure: its key in the file and its value there, what it is, and how the table shows it.
    pub(crate) fn add(
        &mut self,
        key: &str,
        number: impl Into<Value>,
        what: impl Into<String>,
        value: String,
        goal: &'static str,
    ) {
        let what = what.into();
        let _ = writeln!(std::io::stderr(), "  {what}: {value}");
        self.values.insert(key.to_owned(), number.into());
        self.rows.push(Figure { what, value, goal });
    }

    /// Adds what only the file has.
    pub(crate) fn note(&mut self, key: &str, value: impl Into<Value>) {
        self.values.insert(key.to_owned(), value.into());
    }

    /// Writes the file, and prints the table.
    pub(crate) fn finish(self, out: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(out)?;
        let file = out.join("load.json");
        std::fs::write(&file, format!("{:#}\n", json!(self.values)))?;
        let width = |of: fn(&Figure) -> usize| self.rows.iter().map(of).max().unwrap_or(0);
        let what = width(|row| row.what.chars().count()).max(6);
        let value = width(|row| row.value.chars().count()).max(5);
        let mut to = std::io::stdout().lock();
        writeln!(to, "{:<what$}  {:>value$}  goal", "figure", "value")?;
        for row in &self.rows {
            writeln!(
                to,
                "{:<what$}  {:>value$}  {}",
                row.what, row.value, row.goal
            )?;
        }
        writeln!(to, "{}", file.display())?;
        Ok(())
    }
}

/// Mebibytes, as the table shows them.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

/// Seconds, as the table shows them.
pub(crate) fn seconds(time: std::time::Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
