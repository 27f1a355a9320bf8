//! What the events say each account gained and lost, and what they leave with the market.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};
use piecework::chain::IMarket::{self, Reason};
use piecework::chain::MarketEvent;

use super::record::Event;
use crate::fail::Failure;

/// A lease of a job.
type Place = (B256, u32);

/// Sums over events, in the token's smallest unit. An account's wallet, ledger and stake are one: what it
/// moves between them is neither gained nor lost.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    /// Gained and lost, of each account that did either.
    pub(crate) accounts: BTreeMap<Address, (u128, u128)>,
    /// Promised to jobs and not yet paid or refunded.
    pub(crate) escrow: u128,
    /// Put down for disputes and demands that are not decided yet.
    pub(crate) deposits: u128,
    /// Paid to providers for tasks.
    pub(crate) paid: u128,
    /// Paid to the protocol.
    pub(crate) fees: u128,
    /// Paid to jurors and challengers out of bonds and deposits.
    pub(crate) judged: u128,
    /// Taken from bonds and deposits, and nobody's for ever.
    pub(crate) burned: u128,
    /// What contradicts itself; empty if nothing does.
    pub(crate) wrong: Vec<String>,

    fee_recipient: Address,
    numbers: BTreeMap<u32, Address>,
    clients: BTreeMap<B256, Address>,
    holders: BTreeMap<Place, Address>,
    /// What seats of a lease's round were paid, until it is settled.
    seats: BTreeMap<Place, u128>,
    /// Who put down how much.
    held: BTreeMap<Place, (Address, u128)>,
    /// What a jury's seats were paid, and the bond that it took, until the verdict.
    juries: BTreeMap<Place, (u128, u128)>,
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

    /// None if it takes out more than there is.
    fn add(&mut self, event: &MarketEvent) -> Option<()> {
        match event {
            MarketEvent::Staked(e) => {
                self.numbers.insert(e.number, e.provider);
            }
            MarketEvent::Deposited(e) => self.pass(e.from, e.account, e.amount),
            MarketEvent::Withdrawn(e) => self.pass(e.account, e.to, e.amount),
            MarketEvent::Unstaked(e) => self.pass(e.provider, e.to, e.amount),
            MarketEvent::Posted(e) => {
                let terms = &e.job.terms;
                let whole =
                    u128::from(terms.tasks) * u128::from(terms.replicas) * e.job.price.maxPrice;
                self.clients.insert(e.jobId, terms.client);
                self.lose(terms.client, whole);
                self.escrow += whole;
            }
            MarketEvent::Claimed(e) => {
                self.holders.insert((e.jobId, e.first), e.provider);
            }
            MarketEvent::SeatClosed(e) => self.seat_closed(e),
            MarketEvent::Settled(e) => self.settled(e)?,
            MarketEvent::Refunded(e) => {
                self.escrow = self.escrow.checked_sub(e.refunded)?;
                self.gain(self.client(e.jobId), e.refunded);
            }
            MarketEvent::Freed(e) => self.freed(e)?,
            MarketEvent::Challenged(e) => {
                self.put_down((e.jobId, e.first), e.challenger, e.deposit)
            }
            MarketEvent::Judged(e) => self.judged(e)?,
            MarketEvent::DemandMade(e) => self.put_down((e.jobId, e.first), e.demander, e.deposit),
            MarketEvent::Responded(e) => {
                self.take_up((e.jobId, e.first))?;
                self.gain(e.provider, e.earned);
            }
            _ => {}
        }
        Some(())
    }

    fn seat_closed(&mut self, e: &IMarket::SeatClosed) {
        let place = (e.jobId, e.first);
        let who = self.numbers.get(&e.number).copied().unwrap_or_default();
        self.gain(who, e.paid);
        self.lose(who, e.burned);
        self.burned += e.burned;
        if e.challenge == 0 {
            *self.seats.entry(place).or_default() += e.paid;
        } else {
            self.juries.entry(place).or_default().0 += e.paid;
        }
    }

    fn settled(&mut self, e: &IMarket::Settled) -> Option<()> {
        let place = (e.jobId, e.first);
        self.escrow = self.escrow.checked_sub(e.paid + e.fee + e.refunded)?;
        self.paid += e.paid;
        self.fees += e.fee;
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

    fn freed(&mut self, e: &IMarket::Freed) -> Option<()> {
        let place = (e.jobId, e.first);
        self.seats.remove(&place);
        match e.reason {
            // What each seat lost, its own event told.
            Reason::TooFewCommits => return Some(()),
            Reason::LostJury => self.juries.entry(place).or_default().1 = e.burned,
            Reason::Withheld => {
                let (demander, deposit) = self.take_up(place)?;
                self.gain(demander, deposit);
                self.burned += e.burned;
            }
            _ => self.burned += e.burned,
        }
        self.lose(e.provider, e.burned);
        Some(())
    }

    /// A verdict shares out the deposit, and the bond if the provider lost it: nothing else, and all of it.
    fn judged(&mut self, e: &IMarket::Judged) -> Option<()> {
        let place = (e.jobId, e.first);
        let (challenger, deposit) = self.take_up(place)?;
        let (jurors, bond) = self.juries.remove(&place).unwrap_or_default();
        self.gain(challenger, e.reward + e.returned);
        self.burned += e.burned;
        self.judged += jurors + e.reward;
        let (have, given) = (bond + deposit, jurors + e.reward + e.returned + e.burned);
        if have != given {
            self.wrong.push(format!(
                "the verdict on the lease at task {}: bond and deposit {have} != {given} units shared out",
                e.first
            ));
        }
        Some(())
    }

    fn put_down(&mut self, place: Place, who: Address, deposit: u128) {
        self.lose(who, deposit);
        self.deposits += deposit;
        self.held.insert(place, (who, deposit));
    }

    fn take_up(&mut self, place: Place) -> Option<(Address, u128)> {
        let (who, deposit) = self.held.remove(&place)?;
        self.deposits = self.deposits.checked_sub(deposit)?;
        Some((who, deposit))
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
    use piecework::chain::IMarket::{How, Price, SeatEnd, Terms, Timing, Verdict};

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

    fn posted(job: u8, tasks: u32, replicas: u8) -> MarketEvent {
        let terms = Terms {
            client: CLIENT,
            nonce: 0,
            spec: B256::ZERO,
            tasks,
            maxLease: tasks,
            replicas,
            quorum: replicas / 2 + 1,
            providers: B256::ZERO,
            verifier: Address::ZERO,
        };
        let price = Price {
            minPrice: 10,
            maxPrice: 10,
            bond: 50,
            juryFee: 10,
        };
        let timing = Timing {
            opensAt: 0,
            ramp: 0,
            closesAt: 0,
            runWindow: 0,
            challengeWindow: 0,
        };
        MarketEvent::Posted(IMarket::Posted {
            jobId: B256::repeat_byte(job),
            client: CLIENT,
            job: IMarket::Job {
                terms,
                price,
                timing,
            },
            feeBps: 0,
            spec: Bytes::new(),
        })
    }

    fn closed(job: u8, number: u32, challenge: u8, paid: u128, burned: u128) -> MarketEvent {
        MarketEvent::SeatClosed(IMarket::SeatClosed {
            jobId: B256::repeat_byte(job),
            first: 0,
            number,
            challenge,
            end: if paid > 0 {
                SeatEnd::Paid
            } else {
                SeatEnd::Outvoted
            },
            paid,
            burned,
        })
    }

    fn settled(job: u8, paid: u128, fee: u128, refunded: u128) -> MarketEvent {
        MarketEvent::Settled(IMarket::Settled {
            jobId: B256::repeat_byte(job),
            first: 0,
            how: How::Quorum,
            paid,
            fee,
            refunded,
        })
    }

    fn claimed(provider: Address, round: u16) -> MarketEvent {
        MarketEvent::Claimed(IMarket::Claimed {
            jobId: B256::repeat_byte(2),
            first: 0,
            provider,
            count: 2,
            round,
            price: 10,
            bond: 100,
        })
    }

    /// The demo in small: a lease of two tasks with one seat outvoted, and one that a jury took from the cheat
    /// and an honest provider ran again.
    pub(crate) fn story() -> Vec<Event> {
        let job = B256::repeat_byte(2);
        let mut list = staked();
        list.extend([
            posted(1, 2, 3),
            closed(1, 1, 0, 19, 0),
            closed(1, 2, 0, 19, 0),
            closed(1, 4, 0, 0, 100),
            settled(1, 38, 2, 20),
            posted(2, 2, 1),
            claimed(CHEAT, 1),
            MarketEvent::Challenged(IMarket::Challenged {
                jobId: job,
                first: 0,
                challenger: CLIENT,
                challenge: 1,
                task: 1,
                digest: B256::ZERO,
                answer: B256::ZERO,
                deposit: 30,
            }),
            closed(2, 1, 1, 10, 0),
            closed(2, 2, 1, 10, 0),
            closed(2, 3, 1, 10, 0),
            MarketEvent::Freed(IMarket::Freed {
                jobId: job,
                first: 0,
                provider: CHEAT,
                reason: Reason::LostJury,
                burned: 100,
            }),
            MarketEvent::Judged(IMarket::Judged {
                jobId: job,
                first: 0,
                challenge: 1,
                verdict: Verdict::ProviderWrong,
                digest: B256::ZERO,
                reward: 30,
                returned: 30,
                burned: 40,
            }),
            claimed(HONEST[2], 2),
            settled(2, 19, 1, 0),
        ]);
        events(list)
    }

    #[test]
    fn seats_juries_and_deposits_are_followed() {
        let flows = Flows::of(&story(), FEES).unwrap();
        assert_eq!(flows.wrong, Vec::<String>::new());
        // Two seats and a juror's fee each; a lease and a juror's fee.
        assert_eq!(flows.account(HONEST[0]), (29, 0));
        assert_eq!(flows.account(HONEST[1]), (29, 0));
        assert_eq!(flows.account(HONEST[2]), (29, 0));
        assert_eq!(flows.account(CHEAT), (0, 200));
        // 60 + 20 of escrow and the deposit go; 20 come back, the deposit, and the reward.
        assert_eq!(flows.account(CLIENT), (20 + 60, 80 + 30));
        assert_eq!(flows.account(FEES), (3, 0));
        assert_eq!((flows.escrow, flows.deposits, flows.burned), (0, 0, 140));
        assert_eq!((flows.paid, flows.fees, flows.judged), (57, 3, 60));
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
                && (event.number, event.challenge) == (1, 0)
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
        let verdict = altered(|event| {
            if let MarketEvent::Judged(event) = event {
                event.burned += 1;
            }
        });
        let wrong = verdict.unwrap().wrong;
        assert!(
            wrong[0].contains("130 != 131 units shared out"),
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
