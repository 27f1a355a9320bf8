//! stdout: the result and nothing else.

use std::io::{self, Write as _};

use serde::Serialize;

use crate::fail::Failure;

/// How a command's result is printed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// As JSON.
    pub(crate) json: bool,
}

impl Output {
    /// Prints a result: `value` as JSON if asked for, else `text`.
    pub(crate) fn result<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        let mut printed = if self.json {
            serde_json::to_string_pretty(value).map_err(Failure::internal)?
        } else {
            text()
        };
        if !printed.is_empty() && !printed.ends_with('\n') {
            printed.push('\n');
        }
        self.bytes(printed.as_bytes())
    }

    /// Prints bytes as they are.
    pub(crate) fn bytes(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            // Whoever reads has read enough: `piecework … | head` is no error.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other
                .map_err(|e| Failure::new("cli-stdout", format!("cannot write the result: {e}"))),
        }
    }
}

/// Amounts in JSON are strings: many readers of JSON lose the digits of large numbers.
pub(crate) fn units<S: serde::Serializer>(amount: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

/// A line for whoever watches, to stderr.
macro_rules! say {
    ($($arg:tt)*) => { eprintln!($($arg)*) };
}
pub(crate) use say;

/// Rows in columns, the columns as wide as they need to be; those in `right` are aligned right.
pub(crate) fn table(rows: &[Vec<String>], right: &[usize]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| {
        rows.iter()
            .filter_map(|r| r.get(c))
            .map(|s| s.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (c, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let gap = if c == 0 { "" } else { "  " };
            if right.contains(&c) {
                line.push_str(&format!("{gap}{cell:>width$}"));
            } else {
                line.push_str(&format!("{gap}{cell:<width$}"));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
