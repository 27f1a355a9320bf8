//! The border that tokens cross, and the fee. Tokens move only in `pull` and `push`; everything between is bookkeeping
//! ([`crate::ledger`]).

use crate::Market;
use crate::error::Error;
use crate::events::Event;
use crate::host::{Host, Permit, TokenError};
use crate::rules::{MAX_FEE_BPS, amount_of, minus, plus};
use crate::store::Store;
use crate::types::{Address, NOBODY, U256};

impl<S: Store, H: Host> Market<S, H> {
    /// `deposit`: takes `amount` tokens from the caller and credits them to `account`.
    ///
    /// # Errors
    /// `ZeroAddress`, `ZeroAmount`, `AmountTooLarge`, the token's, `DepositShort`.
    pub fn deposit(&mut self, account: &Address, amount: u128) -> Result<(), Error> {
        if *account == NOBODY {
            return Err(Error::ZeroAddress());
        }
        self.pull(amount)?;
        self.credit(account, amount)?;
        self.host.emit(&Event::Deposited { account: *account, from: self.host.caller(), amount });
        Ok(())
    }

    /// `depositWithPermit`: a `deposit` with a permit of the caller. Whoever sees the permit can use it first; then
    /// the allowance is there, which is enough.
    ///
    /// # Errors
    /// As `deposit`.
    pub fn deposit_with_permit(
        &mut self,
        account: &Address,
        amount: u128,
        permit: &Permit,
    ) -> Result<(), Error> {
        self.host.token_permit(amount, permit);
        self.deposit(account, amount)
    }

    /// `withdraw`: pays `amount` from the caller's balance (earnings included) to `to`.
    ///
    /// # Errors
    /// `ZeroAddress`, `ZeroAmount`, `InsufficientBalance`, the token's.
    pub fn withdraw(&mut self, to: &Address, amount: u128) -> Result<(), Error> {
        if *to == NOBODY {
            return Err(Error::ZeroAddress());
        }
        if amount == 0 {
            return Err(Error::ZeroAmount());
        }
        let account = self.host.caller();
        self.debit(&account, amount)?;
        self.host.emit(&Event::Withdrawn { account, to: *to, amount });
        self.push(to, amount)
    }

    /// Takes `amount` tokens from the caller; they must arrive whole.
    pub(crate) fn pull(&mut self, amount: u128) -> Result<(), Error> {
        if amount == 0 {
            return Err(Error::ZeroAmount());
        }
        amount_of(plus(U256::from(self.store.totals().held), U256::from(amount))?)?;

        let before = self.host.token_balance();
        self.host.token_pull(amount).map_err(|error| self.token_error(error))?;
        let afterwards = self.host.token_balance();
        let expected = U256::from(amount);
        if plus(before, expected)? != afterwards {
            return Err(Error::DepositShort(expected, afterwards.saturating_sub(before)));
        }
        let mut totals = self.store.totals();
        totals.held = plus(totals.held, amount)?;
        self.store.set_totals(totals);
        Ok(())
    }

    /// Sends `amount` tokens out: the last act of a call. Should the token refuse, the host undoes the call.
    pub(crate) fn push(&mut self, to: &Address, amount: u128) -> Result<(), Error> {
        let mut totals = self.store.totals();
        totals.held = minus(totals.held, amount)?;
        self.store.set_totals(totals);
        self.host.token_push(to, amount).map_err(|error| self.token_error(error))
    }

    fn token_error(&self, error: TokenError) -> Error {
        match error {
            TokenError::Reverted => Error::CalleeReverted,
            TokenError::Refused => Error::SafeERC20FailedOperation(self.store.config().token),
        }
    }

    // -------------------------------------------------------------- the fee

    /// `setFee`: changes the fee of jobs posted from now on.
    ///
    /// # Errors
    /// `NotGovernor`, `FeeTooHigh`, `ZeroAddress`.
    pub fn set_fee(&mut self, fee_bps: u16, recipient: &Address) -> Result<(), Error> {
        let (governor, caller) = (self.store.config().fee_governor, self.host.caller());
        if caller != governor {
            return Err(Error::NotGovernor(governor, caller));
        }
        Self::check_fee(fee_bps, recipient)?;
        self.fix_fee(fee_bps, recipient)
    }

    /// Refuses unless this can be the fee.
    pub(crate) fn check_fee(fee_bps: u16, recipient: &Address) -> Result<(), Error> {
        if fee_bps > MAX_FEE_BPS {
            return Err(Error::FeeTooHigh(U256::from(fee_bps), U256::from(MAX_FEE_BPS)));
        }
        if *recipient == NOBODY { Err(Error::ZeroAddress()) } else { Ok(()) }
    }

    /// What the fee earned so far stays with its old recipient.
    pub(crate) fn fix_fee(&mut self, fee_bps: u16, recipient: &Address) -> Result<(), Error> {
        let mut fee = self.store.fee();
        if *recipient != fee.recipient {
            self.credit(&fee.recipient, fee.earned)?;
            (fee.recipient, fee.earned) = (*recipient, 0);
            self.store.set_fee(fee);
        }
        let mut totals = self.store.totals();
        totals.fee_bps = fee_bps;
        self.store.set_totals(totals);
        self.host.emit(&Event::FeeSet { fee_bps, recipient: *recipient });
        Ok(())
    }
}
