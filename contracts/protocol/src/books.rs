//! The books: every move of money inside the market. No token moves here ([`crate::ledger`] has that border), and
//! nothing else writes an amount.
//!
//! `stake - free` of a provider is the sum of the bonds of its unfinished leases and seats: `lock`, `unlock`, `earn` and
//! `reward` move `free` alone; `slash` takes from locked stake alone.
//!
//! `debit` and `lock` can be refused: in every call they come after all other checks, and before the first write. The
//! others end in an overflow, if at all, only when the books did not add up before.

use crate::Market;
use crate::error::Error;
use crate::host::Host;
use crate::rules::{minus, plus};
use crate::store::Store;
use crate::types::{Address, U256};

impl<S: Store, H: Host> Market<S, H> {
    // -------------------------------------------------------------- ledgers

    /// Adds `amount` to the account's ledger.
    pub(crate) fn credit(&mut self, account: &Address, amount: u128) -> Result<(), Error> {
        if amount != 0 {
            self.store
                .set_ledger(account, plus(self.store.ledger(account), amount)?);
        }
        Ok(())
    }

    /// Takes `amount` out of the account's ledger; if that does not suffice, its earnings as a provider and as the
    /// fee's recipient are moved to the ledger first. Refused, it changes nothing.
    pub(crate) fn debit(&mut self, account: &Address, amount: u128) -> Result<(), Error> {
        let mut balance = self.store.ledger(account);
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
                return Err(Error::InsufficientBalance(
                    *account,
                    U256::from(balance),
                    U256::from(amount),
                ));
            }
            if number != 0 {
                self.store.set_provider(number, record);
            }
            self.store.set_fee(fee);
        }
        self.store.set_ledger(account, minus(balance, amount)?);
        Ok(())
    }

    /// Pays the protocol's fee.
    pub(crate) fn credit_fee(&mut self, amount: u128) -> Result<(), Error> {
        let mut fee = self.store.fee();
        fee.earned = plus(fee.earned, amount)?;
        self.store.set_fee(fee);
        Ok(())
    }

    /// Makes `amount`, taken from a bond or a deposit, nobody's for ever.
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

    /// Refuses unless `bond` of the provider's stake is free, and it has a number.
    pub(crate) fn check_lock(
        &self,
        number: u32,
        provider: &Address,
        bond: u128,
    ) -> Result<(), Error> {
        let free = self.store.provider(number).free;
        if free < bond || number == 0 {
            return Err(Error::InsufficientStake(
                *provider,
                U256::from(free),
                U256::from(bond),
            ));
        }
        Ok(())
    }

    /// Locks `bond` of the provider's free stake. Refused, it changes nothing.
    pub(crate) fn lock(
        &mut self,
        number: u32,
        provider: &Address,
        bond: u128,
    ) -> Result<(), Error> {
        self.check_lock(number, provider, bond)?;
        let mut record = self.store.provider(number);
        record.free = minus(record.free, bond)?;
        self.store.set_provider(number, record);
        Ok(())
    }

    /// A bond returns whole.
    pub(crate) fn unlock(&mut self, number: u32, bond: u128) -> Result<(), Error> {
        self.pay(number, 0, bond, 0)
    }

    /// Pays `amount` and unlocks `bond`; does not count as a completed lease.
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

    /// Unlocks `bond` less `slash`, which is no longer stake: the caller says whose it is. Counts it as lost (to a
    /// jury or a quorum) or as late.
    pub(crate) fn slash(
        &mut self,
        number: u32,
        bond: u128,
        slash: u128,
        lost: bool,
    ) -> Result<(), Error> {
        self.unlock(number, minus(bond, slash)?)?;
        let mut stake = self.store.stake(number);
        stake.total = minus(stake.total, slash)?;
        let count = if lost {
            &mut stake.slashed
        } else {
            &mut stake.late
        };
        *count = count.saturating_add(1);
        self.store.set_stake(number, stake);
        let mut totals = self.store.totals();
        totals.stake = minus(totals.stake, slash)?;
        self.store.set_totals(totals);
        Ok(())
    }
}
