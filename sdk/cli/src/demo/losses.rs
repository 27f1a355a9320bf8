//! What cheating came to, in expectation and in fact, in the words of `piecework explain`.

use piecework::market::{Cause, DEFAULT_AUDIT_BPS, Deterrence};
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
    /// Of its stake, in the token's smallest unit.
    #[serde(serialize_with = "units")]
    pub(crate) lost: u128,
    /// What it would have been paid for the same work done well; its clients' price was burned too.
    #[serde(serialize_with = "units")]
    pub(crate) forgone: u128,
    pub(crate) losses: Vec<Loss>,
    /// What it had to expect of the lease that a jury saw.
    pub(crate) expected: Expected,
}

/// What falsifying a whole lease loses on average, and what it saves at most. In tokens.
#[derive(Debug, Serialize)]
pub(crate) struct Expected {
    tasks: u32,
    /// Chance of an audit in the lease's job, in basis points.
    audit_bps: u16,
    /// With that chance, if a tenth, or a fifth, of all stake colludes.
    lost: [f64; 2],
    /// With the SDK's usual chance, which is [`DEFAULT_AUDIT_BPS`].
    lost_usually: [f64; 2],
    /// The price: no work costs more.
    saved_at_most: f64,
}

impl Expected {
    /// Of `count` tasks that were taken at `price`.
    fn of(run: &Run, (count, price): (u32, u128)) -> Self {
        let mut job = run.job().clone();
        // The draw would be the same for a job that offers this price from the beginning on.
        (job.price.minPrice, job.price.maxPrice) = (price, price);
        let audit_bps = job.assurance.auditBps;
        let tokens = |units: u128| float(units) / 10f64.powi(run.market().token().decimals.into());
        let saved = tokens(price) * f64::from(count);
        let mut lost = |chance| {
            job.assurance.auditBps = chance;
            let ratio = Deterrence::of(&job).map(|it| [it.at_10, it.at_20]);
            ratio.unwrap_or_default().map(|ratio| ratio * saved)
        };
        Self {
            tasks: count,
            audit_bps,
            lost: lost(audit_bps),
            lost_usually: lost(DEFAULT_AUDIT_BPS),
            saved_at_most: saved,
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "an amount has 96 bits, and three digits of it are shown"
)]
fn float(units: u128) -> f64 {
    units as f64
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
    /// Reads them from the chain. The account took `taken` tasks of the last of these jobs, each at that price.
    pub(crate) async fn read(
        party: Party,
        runs: &[&Run],
        taken: (u32, u128),
        forgone: u128,
        parties: &[Party],
    ) -> Result<Self, Failure> {
        let Some(last) = runs.last() else {
            return Err(Failure::internal("no jobs to read losses from"));
        };
        let expected = Expected::of(last, taken);
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
            convicted: times(Cause::Convicted),
            lost: losses.iter().map(|loss| loss.lost).sum(),
            forgone,
            losses,
            expected,
        })
    }

    /// A line for each, their sum, and what was to be expected.
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
            expected,
            ..
        } = self;
        let seats = match outvoted {
            // With five providers for three seats that can happen, and then it is told.
            0 => "was drawn for no seat that it could be outvoted in".to_owned(),
            n => format!("was outvoted in {n} of the leases that it was drawn for"),
        };
        let jury = match convicted {
            0 => "was convicted by no jury",
            _ => "was convicted by a jury",
        };
        let amount = |units| market.token().format(units);
        let symbol = &market.token().symbol;
        let [tenth, fifth] = expected.lost;
        let [usual_tenth, usual_fifth] = expected.lost_usually;
        text.push_str(&format!(
            "{} {seats}, and {jury}.\n\
             \nIn fact it lost {} of its stake, and was paid for none of the work ({} of price, burned with it).\n\
             In expectation, falsifying the {} tasks of the audited lease loses {tenth:.2} {symbol} if colluders hold a tenth of all stake and {fifth:.2} if a fifth\n\
             (with audits at the usual chance of {} %: {usual_tenth:.2} and {usual_fifth:.2}), to save {:.2} {symbol} of work at most.\n",
            party.name,
            amount(self.lost),
            amount(self.forgone),
            expected.tasks,
            DEFAULT_AUDIT_BPS / 100,
            expected.saved_at_most,
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
