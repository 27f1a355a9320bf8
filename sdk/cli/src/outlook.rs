//! What becomes of a submitted lease, for people and programs.

use piecework::market::Outlook;
use serde_json::{Value, json};

/// A sentence; none of a lease with nothing ahead. Times are Unix seconds, as everywhere in predictions.
pub(crate) fn sentence(outlook: &Outlook) -> Option<String> {
    Some(match outlook {
        Outlook::None => return None,
        Outlook::SeedUnknown { from, open_by, .. } => format!(
            "undecided: the seed of about {from} says whether the lease is audited; without one it is settled after {open_by}, unaudited"
        ),
        Outlook::Spared => "none: chance spared the lease, and it can be settled".to_owned(),
        Outlook::Due {
            jury,
            task,
            open_by,
        } => format!(
            "drawn: jury {jury} over task {task} waits for its first juror until {open_by}; without one the lease is settled as contested"
        ),
        Outlook::Sitting {
            jury,
            task,
            jurors,
            until,
        } => format!(
            "jury {jury} over task {task} has {} of 3 jurors; it is judged after {until} at the latest",
            jurors.len()
        ),
        Outlook::LeafMissing { task, leaf_by } => format!(
            "the jury over task {task} agrees, and the provider has until {leaf_by} to show what it committed to"
        ),
    })
}

/// The same for programs; null of a lease with nothing ahead.
pub(crate) fn value(outlook: &Outlook) -> Value {
    match outlook {
        Outlook::None => Value::Null,
        Outlook::SeedUnknown {
            point,
            from,
            open_by,
        } => json!({ "next": "seed", "point": point, "from": from, "open_by": open_by }),
        Outlook::Spared => json!({ "next": "finalize" }),
        Outlook::Due {
            jury,
            task,
            open_by,
        } => json!({ "next": "audit", "jury": jury, "task": task, "open_by": open_by }),
        Outlook::Sitting {
            jury,
            task,
            jurors,
            until,
        } => {
            let jurors: Vec<Value> = jurors
                .iter()
                .map(|(provider, seat)| {
                    json!({ "provider": provider, "state": format!("{seat:?}").to_lowercase() })
                })
                .collect();
            json!({ "next": "verdict", "jury": jury, "task": task, "jurors": jurors, "until": until })
        }
        Outlook::LeafMissing { task, leaf_by } => {
            json!({ "next": "leaf", "task": task, "leaf_by": leaf_by })
        }
    }
}
