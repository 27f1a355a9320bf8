//! Who holds how much, and whether it adds up to the last unit.

use alloy::primitives::{Address, U256};
use alloy::providers::DynProvider;
use piecework::chain::{Contract, IERC20, IMarket};
use serde::Serialize;

use super::flows::Flows;
use crate::amount::tokens;
use crate::fail::Failure;
use crate::output::{table, units};

/// An account with a part in the story.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Party {
    pub(crate) name: String,
    pub(crate) address: Address,
}

/// What an account holds, in the token's smallest unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Holding {
    /// Tokens of its own.
    #[serde(serialize_with = "units")]
    pub(crate) wallet: u128,
    /// Its balance in the market.
    #[serde(serialize_with = "units")]
    pub(crate) balance: u128,
    /// At stake, locked or free.
    #[serde(serialize_with = "units")]
    pub(crate) stake: u128,
}

impl Holding {
    fn total(self) -> u128 {
        self.wallet + self.balance + self.stake
    }
}

/// Everything at one moment, in the token's smallest unit.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Books {
    pub(crate) holdings: Vec<Holding>,
    /// Tokens that the market contract has.
    #[serde(serialize_with = "units")]
    pub(crate) market: u128,
    /// Promised to jobs and not yet paid, burned or refunded, computed from the events alone.
    #[serde(serialize_with = "units")]
    pub(crate) escrow: u128,
    /// Nobody's permanently.
    #[serde(serialize_with = "units")]
    pub(crate) burned: u128,
}

impl Books {
    /// Reads them from the chain at a block; what is promised, from the events up to it.
    pub(crate) async fn read(
        provider: &DynProvider,
        market: Address,
        parties: &[Party],
        head: u64,
        flows: &Flows,
    ) -> Result<Self, Failure> {
        let failed =
            |e: alloy::contract::Error| Failure::new("chain-rpc", format!("reading balances: {e}"));
        let block = head.into();
        let contract = Contract::new(market, provider);
        let token = Contract::new(
            contract
                .ask(IMarket::tokenCall {})
                .block(block)
                .call()
                .await
                .map_err(failed)?,
            provider,
        );
        let units = |amount: U256| u128::try_from(amount).map_err(Failure::internal);
        let mut holdings = Vec::with_capacity(parties.len());
        for party in parties {
            let who = party.address;
            holdings.push(Holding {
                wallet: units(
                    token
                        .ask(IERC20::balanceOfCall { account: who })
                        .block(block)
                        .call()
                        .await
                        .map_err(failed)?,
                )?,
                balance: contract
                    .ask(IMarket::balanceOfCall { account: who })
                    .block(block)
                    .call()
                    .await
                    .map_err(failed)?,
                stake: contract
                    .ask(IMarket::providerOfCall { provider: who })
                    .block(block)
                    .call()
                    .await
                    .map_err(failed)?
                    .stake,
            });
        }
        Ok(Self {
            holdings,
            market: units(
                token
                    .ask(IERC20::balanceOfCall { account: market })
                    .block(block)
                    .call()
                    .await
                    .map_err(failed)?,
            )?,
            escrow: flows.escrow,
            burned: contract
                .ask(IMarket::burnedCall {})
                .block(block)
                .call()
                .await
                .map_err(failed)?,
        })
    }

    /// What the market owes: it must have exactly that.
    fn owed(&self) -> u128 {
        self.holdings
            .iter()
            .map(|h| h.balance + h.stake)
            .sum::<u128>()
            + self.escrow
            + self.burned
    }

    /// Everything there is.
    fn all(&self) -> u128 {
        let held: u128 = self.holdings.iter().map(|h| h.total()).sum();
        held + self.escrow + self.burned
    }
}

/// The two balances, and everything that must hold between them.
#[derive(Debug, Serialize)]
pub(crate) struct Audit {
    pub(crate) parties: Vec<Party>,
    pub(crate) before: Books,
    pub(crate) after: Books,
    /// To providers, for tasks.
    #[serde(serialize_with = "units")]
    pub(crate) paid: u128,
    #[serde(serialize_with = "units")]
    pub(crate) fees: u128,
    /// To jurors, for audits.
    #[serde(serialize_with = "units")]
    pub(crate) jurors: u128,
    /// Taken from bonds and burned: paid to nobody.
    #[serde(serialize_with = "units")]
    pub(crate) slashed: u128,
    /// The price of what was not accepted, burned as well: the client gains nothing by it.
    #[serde(serialize_with = "units")]
    pub(crate) forfeited: u128,
    /// What does not add up; empty if all does.
    pub(crate) wrong: Vec<String>,
}

/// Holds the balances against each other, and each account against what the events say it gained and lost.
/// `old` and `new` are the events up to the two balances.
pub(crate) fn audit(
    parties: Vec<Party>,
    before: Books,
    after: Books,
    old: &Flows,
    new: &Flows,
) -> Audit {
    let mut wrong = new.wrong.clone();
    let mut must = |what: String, left: u128, right: u128| {
        if left != right {
            wrong.push(format!("{what}: {left} != {right} units"));
        }
    };
    for (when, books) in [("before", &before), ("after", &after)] {
        must(
            format!("{when}: what the market has = what it owes"),
            books.market,
            books.owed(),
        );
    }
    must(
        "all money before = all money after".into(),
        before.all(),
        after.all(),
    );
    for ((party, was), is) in parties.iter().zip(&before.holdings).zip(&after.holdings) {
        let (gained, lost) = new.account(party.address);
        let (gained_before, lost_before) = old.account(party.address);
        must(
            format!("{}: before + gained = after + lost", party.name),
            was.total() + gained + lost_before,
            is.total() + lost + gained_before,
        );
    }
    must(
        "burned before + slashed + forfeited = burned after".into(),
        before.burned + new.burned(),
        after.burned + old.burned(),
    );
    must("escrow is empty after the jobs".into(), after.escrow, 0);
    let strangers = new.accounts.keys();
    for account in strangers.filter(|who| !parties.iter().any(|party| party.address == **who)) {
        wrong.push(format!("{account} gained or lost, and has no part"));
    }
    Audit {
        parties,
        before,
        after,
        paid: new.paid - old.paid,
        fees: new.fees - old.fees,
        jurors: new.jurors - old.jurors,
        slashed: new.slashed - old.slashed,
        forfeited: new.forfeited - old.forfeited,
        wrong,
    }
}

impl Audit {
    /// The balance sheet as text.
    pub(crate) fn text(&self, decimals: u8) -> String {
        let head = [
            "",
            "wallet",
            "balance",
            "stake",
            "sum before",
            "sum after",
            "change",
        ];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        let both = |a: u128, b: u128| match a == b {
            true => tokens(a, decimals),
            false => format!("{} → {}", tokens(a, decimals), tokens(b, decimals)),
        };
        for ((party, old), new) in self
            .parties
            .iter()
            .zip(&self.before.holdings)
            .zip(&self.after.holdings)
        {
            rows.push(vec![
                party.name.clone(),
                both(old.wallet, new.wallet),
                both(old.balance, new.balance),
                both(old.stake, new.stake),
                tokens(old.total(), decimals),
                tokens(new.total(), decimals),
                change(old.total(), new.total(), decimals),
            ]);
        }
        let (b, a) = (&self.before, &self.after);
        let mut line = |name: &str, old: u128, new: u128| {
            let (x, y, z) = (
                tokens(old, decimals),
                tokens(new, decimals),
                change(old, new, decimals),
            );
            rows.push(vec![
                name.to_owned(),
                String::new(),
                String::new(),
                String::new(),
                x,
                y,
                z,
            ]);
        };
        line("escrow", b.escrow, a.escrow);
        line("burned", b.burned, a.burned);
        line("all", b.all(), a.all());
        line("the market contract has", b.market, a.market);
        table(&rows, &[1, 2, 3, 4, 5, 6])
    }
}

fn change(old: u128, new: u128, decimals: u8) -> String {
    match new.cmp(&old) {
        std::cmp::Ordering::Equal => "0".to_owned(),
        std::cmp::Ordering::Greater => format!("+{}", tokens(new - old, decimals)),
        std::cmp::Ordering::Less => format!("-{}", tokens(old - new, decimals)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::super::flows::tests::{CHEAT, CLIENT, FEES, HONEST, story};
    use super::*;

    fn parties() -> Vec<Party> {
        [CLIENT, HONEST[0], HONEST[1], HONEST[2], CHEAT, FEES]
            .map(|address| Party {
                name: address.to_string(),
                address,
            })
            .to_vec()
    }

    /// Books in which each party has this balance, and so much is burned.
    fn books(balances: [u128; 6], burned: u128) -> Books {
        Books {
            holdings: balances
                .map(|balance| Holding {
                    wallet: 1,
                    balance,
                    stake: 5,
                })
                .to_vec(),
            market: balances.iter().sum::<u128>() + 6 * 5 + burned,
            escrow: 0,
            burned,
        }
    }

    /// What the audit finds after the story if the accounts end with this.
    fn found(balances: [u128; 6], burned: u128) -> Vec<String> {
        let before = books([1_000; 6], 0);
        let flows = Flows::of(&story(), FEES).unwrap();
        let after = books(balances, burned);
        audit(parties(), before, after, &Flows::default(), &flows).wrong
    }

    #[test]
    fn one_unit_in_the_wrong_place_is_seen() {
        let right = [840, 1_039, 1_039, 1_039, 800, 1_003];
        assert_eq!(found(right, 240), Vec::<String>::new());
        // From one account to another: each is wrong, and only they.
        for (from, to) in [(0, 1), (4, 0), (1, 2), (5, 4)] {
            let mut moved = right;
            moved[from] -= 1;
            moved[to] += 1;
            assert_eq!(found(moved, 240).len(), 2, "{from} to {to}");
        }
        // The cheat keeps a unit that should be burned.
        let mut kept = right;
        kept[4] += 1;
        let wrong = found(kept, 239);
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(wrong[1].starts_with("burned before + slashed + forfeited"));
    }

    #[test]
    fn what_the_market_lacks_is_seen() {
        let flows = Flows::default();
        let mut after = books([1_000; 6], 0);
        after.market -= 1;
        let wrong = audit(parties(), books([1_000; 6], 0), after, &flows, &flows).wrong;
        assert_eq!(
            wrong,
            ["after: what the market has = what it owes: 6029 != 6030 units"]
        );
        let mut after = books([1_000; 6], 0);
        after.holdings[0].balance -= 1;
        after.escrow = 1;
        let wrong = audit(parties(), books([1_000; 6], 0), after, &flows, &flows).wrong;
        assert_eq!(wrong.len(), 2, "{wrong:?}");
    }
}
