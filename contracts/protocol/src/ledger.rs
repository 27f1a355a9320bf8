//! The ledger: every move of money inside the market. No token moves here ([`crate::vault`] has that border), and
//! nothing else writes an amount.
//!
//! `stake - free` of a provider is the sum of the bonds of its unfinished leases and seats: `lock`, `unlock`, `earn` and
//! `reward` move `free` alone; `slash` takes from locked stake alone.
//!
//! `debit` and `lock` can be refused: in every call they come after all other checks, and before the first write. The
//! others end in an overflow, if at all, only when the sums did not add up before.

use crate::Market;
use crate::error::Error;
use crate::host::Host;
use crate::rules::{amount_at, minus, plus};
use crate::slots::{Checkpoint, StakeSlot};
use crate::store::Store;
use crate::types::{Address, U256};

impl<S: Store, H: Host> Market<S, H> {
    // -------------------------------------------------------------- balances

    /// Adds `amount` to the account's balance.
    pub(crate) fn credit(&mut self, account: &Address, amount: u128) -> Result<(), Error> {
        if amount != 0 {
            self.store.set_balance(account, plus(self.store.balance(account), amount)?);
        }
        Ok(())
    }

    /// Takes `amount` out of the account's balance; if that does not suffice, its earnings as a provider and as the
    /// fee's recipient are moved to the balance first. Refused, it changes nothing.
    pub(crate) fn debit(&mut self, account: &Address, amount: u128) -> Result<(), Error> {
        let mut balance = self.store.balance(account);
        if balance < amount {
            let number = self.store.number(account);
            let (mut record, mut fee) = (self.store.provider(number), self.store.fee());
            if number != 0 {
                balance = plus(balance, core::mem::take(&mut record.earned))?;
            }
            if *account == fee.recipient {
                balance = plus(balance, core::mem::take(&mut fee.earned))?;
            }
            if balance < amount {
                return Err(Error::InsufficientBalance(*account, U256::from(balance), U256::from(amount)));
            }
            if number != 0 {
                self.store.set_provider(number, record);
            }
            self.store.set_fee(fee);
        }
        self.store.set_balance(account, minus(balance, amount)?);
        Ok(())
    }

    /// Pays the protocol's fee.
    pub(crate) fn credit_fee(&mut self, amount: u128) -> Result<(), Error> {
        let mut fee = self.store.fee();
        fee.earned = plus(fee.earned, amount)?;
        self.store.set_fee(fee);
        Ok(())
    }

    /// Makes `amount`, taken from a bond or an escrow, nobody's permanently.
    pub(crate) fn burn(&mut self, amount: u128) -> Result<(), Error> {
        let mut totals = self.store.totals();
        totals.burned = plus(totals.burned, amount)?;
        self.store.set_totals(totals);
        Ok(())
    }

    // -------------------------------------------------------------- stakes

    /// The number of `provider`, for which the caller may act; 0 if it has none.
    pub(crate) fn authorize(&self, provider: &Address) -> Result<u32, Error> {
        let caller = self.host.caller();
        if caller == *provider {
            return Ok(self.store.number(provider));
        }
        match self.store.operator(provider, &caller) {
            0 => Err(Error::NotOperator(*provider, caller)),
            number => Ok(number),
        }
    }

    /// Locks `bond` for a lease or a seat of one: a quarter of all the provider's stake stays free for juries. Refused, it
    /// changes nothing.
    pub(crate) fn lock_for_lease(
        &mut self,
        number: u32,
        provider: &Address,
        bond: u128,
    ) -> Result<(), Error> {
        let kept = self.store.stake(number).total.div_ceil(4);
        self.lock(number, provider, bond, kept)
    }

    /// Locks `bond` of the provider's free stake, of which `kept` stays free. Refused, it changes nothing.
    pub(crate) fn lock(
        &mut self,
        number: u32,
        provider: &Address,
        bond: u128,
        kept: u128,
    ) -> Result<(), Error> {
        let mut record = self.store.provider(number);
        let available = record.free.saturating_sub(kept);
        // Without a number it never staked, and a lease could not name it.
        if available < bond || number == 0 {
            return Err(Error::InsufficientStake(*provider, U256::from(available), U256::from(bond)));
        }
        record.free = minus(record.free, bond)?;
        self.store.set_provider(number, record);
        Ok(())
    }

    /// A bond returns whole.
    pub(crate) fn unlock(&mut self, number: u32, bond: u128) -> Result<(), Error> {
        self.pay(number, 0, bond, 0)
    }

    /// Pays a juror `amount` and unlocks its `bond`; juries do not count as completed leases.
    pub(crate) fn earn(&mut self, number: u32, amount: u128, bond: u128) -> Result<(), Error> {
        self.pay(number, amount, bond, 0)
    }

    /// A lease ended well: pays `amount`, unlocks `bond`, counts it.
    pub(crate) fn reward(&mut self, number: u32, amount: u128, bond: u128) -> Result<(), Error> {
        self.pay(number, amount, bond, 1)
    }

    fn pay(&mut self, number: u32, amount: u128, bond: u128, leases: u32) -> Result<(), Error> {
        let mut record = self.store.provider(number);
        record.earned = plus(record.earned, amount)?;
        record.free = plus(record.free, bond)?;
        record.completed = record.completed.saturating_add(leases);
        self.store.set_provider(number, record);
        Ok(())
    }

    /// Unlocks `bond` less `slash`, which is burned. Counts it as a whole bond lost or as a partial loss.
    pub(crate) fn slash(&mut self, number: u32, bond: u128, slash: u128, whole: bool) -> Result<(), Error> {
        self.unlock(number, minus(bond, slash)?)?;
        let mut stake = self.store.stake(number);
        let count = if whole { &mut stake.slashed } else { &mut stake.late };
        *count = count.saturating_add(1);
        if slash == 0 {
            self.store.set_stake(number, stake);
            return Ok(());
        }
        stake.total = minus(stake.total, slash)?;
        let all = minus(self.store.totals().stake, slash)?;
        self.keep_stake(number, stake, all)?;
        self.burn(slash)
    }

    // -------------------------------------------------------------- the stake of the past

    /// Keeps a provider's stake, and all stake, with their histories.
    pub(crate) fn keep_stake(&mut self, number: u32, stake: StakeSlot, all: u128) -> Result<(), Error> {
        self.store.set_stake(number, stake);
        let mut totals = self.store.totals();
        totals.stake = all;
        self.store.set_totals(totals);
        self.remember(number, stake.total)?;
        self.remember(ALL, all)
    }

    /// Adds `amount` to a history, as of now. Of one second only the last amount counts.
    fn remember(&mut self, number: u32, amount: u128) -> Result<(), Error> {
        let (length, time) = (self.store.history(number), self.host.now());
        let now = Checkpoint { time, amount };
        match length.checked_sub(1) {
            Some(last) if self.store.checkpoint(number, last).time == time => {
                self.store.set_checkpoint(number, last, now);
            }
            _ => {
                self.store.set_checkpoint(number, length, now);
                self.store.set_history(number, plus(length, 1)?);
            }
        }
        Ok(())
    }

    /// What a provider's stake weighs in a draw that counts the stake of `time`: the lesser of its stake at that time and
    /// now.
    pub(crate) fn weight(&self, number: u32, time: u64) -> u128 {
        self.stake_at(number, time).min(self.store.stake(number).total)
    }

    /// What all stake weighs in that draw.
    pub(crate) fn total_weight(&self, time: u64) -> u128 {
        self.stake_at(ALL, time).min(self.store.totals().stake)
    }

    fn stake_at(&self, number: u32, time: u64) -> u128 {
        amount_at(self.store.history(number), time, |place| self.store.checkpoint(number, place))
    }
}

/// The number under which the history of all stake is kept: no provider has it.
const ALL: u32 = 0;
