//! `piecework explain`: why a lease ended as it did.

use alloy::primitives::B256;
use serde_json::json;

use crate::cli::Globals;
use crate::connect::{Key, market};
use crate::fail::Failure;
use crate::output::Output;
use crate::progress::tasks;

pub(crate) async fn run(
    globals: &Globals,
    output: Output,
    id: B256,
    lease: Option<u32>,
) -> Result<(), Failure> {
    let market = market(globals, Key::Unneeded).await?;
    let run = market.attach(id).await?;
    let leases = run.explain(lease).await?;
    if let (Some(first), true) = (lease, leases.is_empty()) {
        return Err(Failure::new(
            "job-no-lease",
            format!("no lease of job {id} that was ever held begins at task {first}"),
        )
        .next(format!(
            "`piecework job status {id}` lists the leases and their first tasks."
        )));
    }
    let value = json!({ "job": id, "assurance": run.assurance().to_string(), "leases": leases });
    output.result(&value, || {
        let mut text = String::new();
        for lease in &leases {
            text.push_str(&format!(
                "{}: {}\n",
                tasks(lease.first, lease.count),
                lease.outcome
            ));
            if let Some(chance) = &lease.chance {
                text.push_str(&format!("  {chance}\n"));
            }
            for entry in &lease.entries {
                text.push_str(&format!("  block {}: {}\n", entry.block, entry.text));
            }
        }
        text
    })
}
