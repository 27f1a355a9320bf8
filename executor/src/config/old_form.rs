//! Files of the time when an executor served one chain: recognized, and answered with what to change.

use toml::{Table, Value};

/// Sections that are about one chain, and stood beside `[chain]`.
const OF_THE_CHAIN: [&str; 2] = ["provider", "policy"];

/// The lines to change in such a file, each with what it becomes; `None` if it is of today's form, or no TOML.
pub(super) fn edits(text: &str) -> Option<String> {
    let table: Table = text.parse().ok()?;
    let one_chain = matches!(table.get("chain"), Some(Value::Table(_)));
    let beside = OF_THE_CHAIN
        .iter()
        .filter(|name| table.contains_key(**name));
    let mut edits: Vec<(String, String)> = Vec::new();
    if one_chain {
        let name = "[[chain]] and, below it, name = \"main\" (or any other short word)";
        edits.push(("[chain]".to_owned(), name.to_owned()));
    }
    edits.extend(beside.map(|name| (format!("[{name}]"), format!("[chain.{name}]"))));
    let line = |(from, to)| format!("    {from:<10}  becomes  {to}\n");
    let mut lines: Vec<String> = edits.into_iter().map(line).collect();
    if table.contains_key("watch") {
        lines.push("    [watch]     is removed with all its keys: watching is gone\n".to_owned());
    }
    (!lines.is_empty()).then(|| lines.concat())
}
