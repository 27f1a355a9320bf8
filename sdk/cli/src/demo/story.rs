//! What the demo came to, for people and programs.

use std::path::PathBuf;

use piecework::Market;
use serde_json::json;

use super::books::Audit;
use super::losses::Losses;
use super::{gas, timeline};
use crate::fail::Failure;

pub(crate) struct Story {
    pub(crate) picture: PathBuf,
    /// From the devnet's start to the first picture, and to the end of the last scene.
    pub(crate) seconds: [f64; 2],
    /// Tasks of all jobs.
    pub(crate) tasks: u32,
    pub(crate) leases: Vec<timeline::Lease>,
    pub(crate) gas: Vec<gas::Gas>,
    pub(crate) audit: Audit,
    pub(crate) cheat: Losses,
    /// When the devnet was asked for, in Unix seconds.
    pub(crate) started_at: u64,
    pub(crate) market: Market,
}

impl Story {
    pub(crate) fn text(&self) -> String {
        let (parties, token) = (&self.audit.parties, self.market.token());
        let timeline = timeline::text(&self.leases, parties, self.started_at, token.decimals);
        let juries = timeline::audits(&self.leases, parties, self.started_at);
        let amount = |units| token.format(units);
        let verdict = match self.audit.wrong.len() {
            0 => "Every balance adds up to the last unit.".to_owned(),
            n => format!("{n} sums do NOT add up."),
        };
        let [picture, end] = self.seconds;
        format!(
            "\nTimeline: seconds since the devnet was asked for; # runs, . waits to be final, | is paid, x is not\n\n{timeline}\
             \nAudits: chance drew task and jurors from one seed that nobody knew when the result was handed in\n\n{juries}\
             \nGas of every transaction since the devnet's first block\n\n{}\
             \nBalances in {}, before the jobs → after them\n\n{}\
             \n{verdict}\n\
             {} were burned: {} of bonds and {} of escrow. Providers were paid {}, jurors {}, the protocol {}: all of it from escrow. No unit of a bond reached anybody.\n\
             \nWhat cheating cost {}, and why\n\n{}\
             \n{} tasks in {} leases; from the devnet's start {picture:.1} s to the verified picture, {end:.1} s to the end: {}\n",
            gas::text(&self.gas),
            token.symbol,
            self.audit.text(token.decimals),
            amount(self.audit.slashed + self.audit.forfeited),
            amount(self.audit.slashed),
            amount(self.audit.forfeited),
            amount(self.audit.paid),
            amount(self.audit.jurors),
            amount(self.audit.fees),
            self.cheat.party.name,
            self.cheat.text(&self.market),
            self.tasks,
            self.leases.len(),
            self.picture.display()
        )
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        let [picture, end] = self.seconds;
        json!({
            "picture": self.picture,
            "seconds": { "picture": picture, "end": end },
            "tasks": self.tasks,
            "leases": self.leases,
            "gas": self.gas,
            "balances": self.audit,
            "adds_up": self.audit.wrong.is_empty(),
            "cheat": self.cheat,
        })
    }

    /// Whether the books balance.
    pub(crate) fn verdict(&self) -> Result<(), Failure> {
        if self.audit.wrong.is_empty() {
            return Ok(());
        }
        let what = self.audit.wrong.join("\n");
        Err(
            Failure::new("demo-books", format!("the balances do not add up:\n{what}")).money(
                "Money was made or lost: this is a bug of the contract or of this account of it.",
            ),
        )
    }
}
