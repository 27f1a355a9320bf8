//! What the cheat lost, and why, in the words of `piecework explain`.

use piecework::market::Cause;
use piecework::{Market, Run};
use serde::Serialize;

use super::books::Party;
use crate::fail::Failure;
use crate::output::units;
use crate::progress::tasks;

/// All that one account lost.
#[derive(Debug, Serialize)]
pub(crate) struct Losses {
    #[serde(flatten)]
    pub(crate) party: Party,
    /// Seats that it lost to a quorum.
    pub(crate) outvoted: usize,
    /// Leases that it lost to a jury.
    pub(crate) convicted: usize,
    /// In the token's smallest unit.
    #[serde(serialize_with = "units")]
    pub(crate) lost: u128,
    pub(crate) losses: Vec<Loss>,
}

/// One of them.
#[derive(Debug, Serialize)]
pub(crate) struct Loss {
    /// The job's number, from 1.
    job: usize,
    first: u32,
    count: u32,
    #[serde(serialize_with = "units")]
    lost: u128,
    cause: Cause,
    /// A sentence.
    text: String,
}

impl Losses {
    /// Reads them from the chain.
    pub(crate) async fn read(
        party: Party,
        runs: &[&Run],
        parties: &[Party],
    ) -> Result<Self, Failure> {
        let mut losses = Vec::new();
        for (number, run) in (1..).zip(runs) {
            for lease in run.explain(None).await? {
                let (first, count) = (lease.first, lease.count);
                let of = |entry: &piecework::market::Entry| entry.account == Some(party.address);
                for entry in lease.entries.into_iter().filter(of) {
                    let Some(cause) = entry.cause else { continue };
                    losses.push(Loss {
                        job: number,
                        first,
                        count,
                        lost: entry.lost,
                        cause,
                        text: named(entry.text, parties),
                    });
                }
            }
        }
        let times = |cause| losses.iter().filter(|loss| loss.cause == cause).count();
        Ok(Self {
            party,
            outvoted: times(Cause::LostQuorum),
            convicted: times(Cause::LostJury),
            lost: losses.iter().map(|loss| loss.lost).sum(),
            losses,
        })
    }

    /// A line for each, and their sum.
    pub(crate) fn text(&self, market: &Market) -> String {
        let mut text = String::new();
        for loss in &self.losses {
            let lease = tasks(loss.first, loss.count);
            text.push_str(&format!("job {}, {lease}: {}\n", loss.job, loss.text));
        }
        let Self {
            party,
            outvoted,
            convicted,
            lost,
            ..
        } = self;
        let seats = match outvoted {
            // With four providers for three seats that can happen, and then it is told.
            0 => "was drawn for no seat that it could be outvoted in".to_owned(),
            n => format!("was outvoted in {n} of the leases that it was drawn for"),
        };
        let jury = match convicted {
            0 => "was convicted by no jury",
            _ => "was convicted by a jury",
        };
        let lost = market.token().format(*lost);
        text.push_str(&format!(
            "{} {seats}, and {jury}: {lost} of its stake are gone.\n",
            party.name
        ));
        text
    }
}

/// Names instead of addresses.
fn named(text: String, parties: &[Party]) -> String {
    parties.iter().fold(text, |text, party| {
        text.replace(&party.address.to_string(), &party.name)
    })
}
