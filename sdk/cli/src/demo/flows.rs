//! What the events say each account gained and lost, and what they leave with the market.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};
use piecework::chain::{IMarket, MarketEvent};
use piecework::rules::draw::LEASE;
use piecework::rules::escrow_of;

use super::record::Event;
use crate::fail::Failure;

/// A lease of a job.
type Place = (B256, u32);

/// Sums over events, in the token's smallest unit. An account's wallet, balance and stake are one: what it
/// moves between them is neither gained nor lost.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    /// Gained and lost, of each account that did either.
    pub(crate) accounts: BTreeMap<Address, (u128, u128)>,
    /// Promised to jobs and not yet paid, burned or refunded.
    pub(crate) escrow: u128,
    /// Paid to providers for tasks.
    pub(crate) paid: u128,
    /// Paid to the protocol.
    pub(crate) fees: u128,
    /// Paid to jurors.
    pub(crate) jurors: u128,
    /// Taken from bonds: nobody's permanently.
    pub(crate) slashed: u128,
    /// Taken from escrow: nobody's permanently.
    pub(crate) forfeited: u128,
    /// What contradicts itself; empty if nothing does.
    pub(crate) wrong: Vec<String>,

    fee_recipient: Address,
    numbers: BTreeMap<u32, Address>,
    clients: BTreeMap<B256, Address>,
    holders: BTreeMap<Place, Address>,
    /// What seats of a lease's round were paid, until it is settled.
    seats: BTreeMap<Place, u128>,
}

impl Flows {
    /// Sums up events from the chain's first on. Who is paid the fees, they do not say in every chain.
    pub(crate) fn of(events: &[Event], fee_recipient: Address) -> Result<Self, Failure> {
        let mut flows = Self {
            fee_recipient,
            ..Self::default()
        };
        for event in events {
            flows.add(&event.at.event).ok_or_else(|| {
                let name = event.at.event.name();
                let what = format!(
                    "more left the market than was in it, with {name} in block {}",
                    event.at.block
                );
                Failure::new("demo-books", what).money("the market paid out more than was promised")
            })?;
        }
        Ok(flows)
    }

    /// Gained and lost by an account.
    pub(crate) fn account(&self, who: Address) -> (u128, u128) {
        self.accounts.get(&who).copied().unwrap_or_default()
    }

    /// All that is nobody's permanently.
    pub(crate) fn burned(&self) -> u128 {
        self.slashed + self.forfeited
    }

    /// None if it takes out more than there is, or if the job is none.
    fn add(&mut self, event: &MarketEvent) -> Option<()> {
        match event {
            MarketEvent::Staked(e) => {
                self.numbers.insert(e.number, e.provider);
            }
            MarketEvent::Deposited(e) => self.pass(e.from, e.account, e.amount),
            MarketEvent::Withdrawn(e) => self.pass(e.account, e.to, e.amount),
            MarketEvent::Unstaked(e) => self.pass(e.provider, e.to, e.amount),
            MarketEvent::Posted(e) => {
                let client = e.job.terms.client;
                let whole = escrow_of(&e.job, e.job.terms.tasks).ok()?;
                self.clients.insert(e.jobId, client);
                self.lose(client, whole);
                self.escrow += whole;
            }
            MarketEvent::Claimed(e) => {
                self.holders.insert((e.jobId, e.first), e.provider);
            }
            MarketEvent::SeatLeft(e) => self.slash(e.provider, e.burned),
            MarketEvent::SeatClosed(e) => self.seat_closed(e)?,
            MarketEvent::Settled(e) => self.settled(e)?,
            MarketEvent::Voided(e) => {
                self.escrow = self.escrow.checked_sub(e.burned + e.refunded)?;
                self.forfeited += e.burned;
                self.gain(self.client(e.jobId), e.refunded);
                self.seats.remove(&(e.jobId, e.first));
                let holder = self.holders.get(&(e.jobId, e.first)).copied();
                self.slash(holder.unwrap_or_default(), e.slashed);
            }
            MarketEvent::Refunded(e) => {
                self.escrow = self.escrow.checked_sub(e.refunded)?;
                self.gain(self.client(e.jobId), e.refunded);
            }
            MarketEvent::Freed(e) => {
                self.seats.remove(&(e.jobId, e.first));
                self.slash(e.provider, e.burned);
            }
            _ => {}
        }
        Some(())
    }

    /// A juror is paid out of the lease's escrow at once, a seat when its lease is settled.
    fn seat_closed(&mut self, e: &IMarket::SeatClosed) -> Option<()> {
        let who = self.numbers.get(&e.number).copied().unwrap_or_default();
        self.gain(who, e.paid);
        self.slash(who, e.burned);
        if e.kind == LEASE {
            *self.seats.entry((e.jobId, e.first)).or_default() += e.paid;
        } else {
            self.escrow = self.escrow.checked_sub(e.paid)?;
            self.jurors += e.paid;
        }
        Some(())
    }

    fn settled(&mut self, e: &IMarket::Settled) -> Option<()> {
        let place = (e.jobId, e.first);
        let whole = e.paid + e.fee + e.burned + e.refunded;
        self.escrow = self.escrow.checked_sub(whole)?;
        self.paid += e.paid;
        self.fees += e.fee;
        self.forfeited += e.burned;
        self.gain(self.client(e.jobId), e.refunded);
        self.gain(self.fee_recipient, e.fee);
        match (self.seats.remove(&place), self.holders.get(&place).copied()) {
            (Some(seats), _) if seats == e.paid => {}
            (None, Some(holder)) => self.gain(holder, e.paid),
            (seats, _) => self.wrong.push(format!(
                "the lease at task {}: {} paid, but {seats:?} to its seats",
                e.first, e.paid
            )),
        }
        Some(())
    }

    fn slash(&mut self, who: Address, amount: u128) {
        self.lose(who, amount);
        self.slashed += amount;
    }

    fn client(&self, job: B256) -> Address {
        self.clients.get(&job).copied().unwrap_or_default()
    }

    fn pass(&mut self, from: Address, to: Address, amount: u128) {
        if from != to {
            self.lose(from, amount);
            self.gain(to, amount);
        }
    }

    fn gain(&mut self, who: Address, amount: u128) {
        if amount > 0 {
            self.accounts.entry(who).or_default().0 += amount;
        }
    }

    fn lose(&mut self, who: Address, amount: u128) {
        if amount > 0 {
            self.accounts.entry(who).or_default().1 += amount;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use alloy::primitives::Bytes;
    use piecework::chain::EventAt;
    use piecework::chain::IMarket::{Assurance, Grade, Price, SeatEnd, Terms, Timing};

    use super::*;

    pub(crate) const CLIENT: Address = Address::repeat_byte(1);
    pub(crate) const FEES: Address = Address::repeat_byte(2);
    pub(crate) const HONEST: [Address; 3] = [
        Address::repeat_byte(3),
        Address::repeat_byte(4),
        Address::repeat_byte(5),
    ];
    pub(crate) const CHEAT: Address = Address::repeat_byte(6);

    fn events(list: Vec<MarketEvent>) -> Vec<Event> {
        let at = |event| EventAt {
            block: 7,
            block_hash: B256::ZERO,
            log_index: 0,
            tx_hash: B256::ZERO,
            event,
        };
        let event = |event| Event {
            time: 0,
            at: at(event),
        };
        list.into_iter().map(event).collect()
    }

    fn staked() -> Vec<MarketEvent> {
        let all = HONEST.into_iter().chain([CHEAT]);
        let staked = |(number, provider)| IMarket::Staked {
            provider,
            number,
            amount: 1_000,
        };
        (1..)
            .zip(all)
            .map(|one| MarketEvent::Staked(staked(one)))
            .collect()
    }

    /// A job of two tasks at 10 units each. Audited, it holds 15 more for each.
    fn posted(job: u8, replicas: u8) -> MarketEvent {
        let audited = replicas == 1;
        let job_id = B256::repeat_byte(job);
        let job = IMarket::Job {
            terms: Terms {
                client: CLIENT,
                tasks: 2,
                minLease: 2,
                maxLease: 2,
                ..Terms::default()
            },
            assurance: Assurance {
                replicas,
                quorum: replicas / 2 + 1,
                auditBps: if audited { 10_000 } else { 0 },
                ..Assurance::default()
            },
            price: Price {
                minPrice: 10,
                maxPrice: 10,
                bond: 50,
                juryFee: if audited { 10 } else { 0 },
            },
            timing: Timing::default(),
        };
        MarketEvent::Posted(IMarket::Posted {
            jobId: job_id,
            client: CLIENT,
            job,
            feeBps: 0,
            point: 0,
            spec: Bytes::new(),
        })
    }

    fn closed(job: u8, number: u32, kind: u8, paid: u128, burned: u128) -> MarketEvent {
        MarketEvent::SeatClosed(IMarket::SeatClosed {
            jobId: B256::repeat_byte(job),
            first: 0,
            number,
            round: 1,
            kind,
            end: if paid > 0 {
                SeatEnd::Paid
            } else {
                SeatEnd::Outvoted
            },
            paid,
            burned,
        })
    }

    fn settled(job: u8, paid: u128, fee: u128, burned: u128, refunded: u128) -> MarketEvent {
        MarketEvent::Settled(IMarket::Settled {
            jobId: B256::repeat_byte(job),
            first: 0,
            grade: Grade::Quorum,
            paid,
            fee,
            burned,
            refunded,
        })
    }

    fn claimed(job: u8, provider: Address) -> MarketEvent {
        MarketEvent::Claimed(IMarket::Claimed {
            jobId: B256::repeat_byte(job),
            first: 0,
            provider,
            count: 2,
            round: 1,
            price: 10,
        })
    }

    /// The demo in small: a lease of two tasks with one seat outvoted, one whose provider a jury convicts, and one that a
    /// jury acquits.
    pub(crate) fn story() -> Vec<Event> {
        let mut list = staked();
        let jury = |job| (1..=3).map(move |number| closed(job, number, 1, 10, 0));
        list.extend([
            posted(1, 3),
            closed(1, 1, 0, 19, 0),
            closed(1, 2, 0, 19, 0),
            closed(1, 4, 0, 0, 100),
            settled(1, 38, 2, 20, 0),
            posted(2, 1),
            claimed(2, CHEAT),
        ]);
        list.extend(jury(2));
        list.extend([
            MarketEvent::Voided(IMarket::Voided {
                jobId: B256::repeat_byte(2),
                first: 0,
                burned: 20,
                refunded: 0,
                slashed: 100,
            }),
            posted(3, 1),
            claimed(3, HONEST[2]),
        ]);
        list.extend(jury(3));
        list.push(settled(3, 19, 1, 0, 0));
        events(list)
    }

    #[test]
    fn seats_juries_and_convictions_are_followed() {
        let flows = Flows::of(&story(), FEES).unwrap();
        assert_eq!(flows.wrong, Vec::<String>::new());
        // A seat, a lease, and two juries.
        assert_eq!(flows.account(HONEST[0]), (39, 0));
        assert_eq!(flows.account(HONEST[1]), (39, 0));
        assert_eq!(flows.account(HONEST[2]), (39, 0));
        assert_eq!(flows.account(CHEAT), (0, 200));
        // 60 + 50 + 50 of escrow, and nothing comes back.
        assert_eq!(flows.account(CLIENT), (0, 160));
        assert_eq!(flows.account(FEES), (3, 0));
        assert_eq!((flows.escrow, flows.slashed, flows.forfeited), (0, 200, 40));
        assert_eq!((flows.paid, flows.fees, flows.jurors), (57, 3, 60));
    }

    #[test]
    fn a_contradiction_is_named() {
        let altered = |change: fn(&mut MarketEvent)| {
            let mut events = story();
            for event in &mut events {
                change(&mut event.at.event);
            }
            Flows::of(&events, FEES)
        };
        let seat = altered(|event| {
            if let MarketEvent::SeatClosed(event) = event
                && (event.number, event.kind) == (1, 0)
            {
                event.paid += 1;
            }
        });
        let wrong = seat.unwrap().wrong;
        assert_eq!(wrong.len(), 1);
        assert!(
            wrong[0].contains("38 paid, but Some(39) to its seats"),
            "{wrong:?}"
        );
        let stolen = altered(|event| {
            if let MarketEvent::Settled(event) = event {
                event.refunded += 1_000;
            }
        });
        let said = stolen.unwrap_err().to_string();
        assert!(
            said.contains("more left the market than was in it, with Settled"),
            "{said}"
        );
    }
}
