//! Providers: stake, operators, profiles, lists.

use crate::Market;
use crate::error::Error;
use crate::events::Event;
use crate::hash;
use crate::host::Host;
use crate::rules::{MAX_ENDPOINT, minus, plus};
use crate::slots::Profile;
use crate::store::Store;
use crate::types::{Address, Bytes32, NOBODY, U256};

impl<S: Store, H: Host> Market<S, H> {
    /// `stake`: adds `amount` of the caller's tokens to its stake.
    ///
    /// # Errors
    /// As `deposit`.
    pub fn stake(&mut self, amount: u128) -> Result<(), Error> {
        self.pull(amount)?;
        let provider = self.host.caller();
        let number = self.register(&provider)?;
        self.unlock(number, amount)?;
        let mut stake = self.store.stake(number);
        stake.total = plus(stake.total, amount)?;
        stake.staked_at = self.host.now();
        let all = plus(self.store.totals().stake, amount)?;
        self.keep_stake(number, stake, all)?;
        self.host.emit(&Event::Staked { provider, number, amount });
        Ok(())
    }

    /// `unstake`: takes free stake of the caller out, not before it stood for the market's stake age since it last grew:
    /// a loan of a moment would make the others' shares of a draw small.
    ///
    /// # Errors
    /// `ZeroAddress`, `ZeroAmount`, `InsufficientStake`, `TooEarly`, the token's.
    pub fn unstake(&mut self, to: &Address, amount: u128) -> Result<(), Error> {
        if *to == NOBODY {
            return Err(Error::ZeroAddress());
        }
        if amount == 0 {
            return Err(Error::ZeroAmount());
        }
        let provider = self.host.caller();
        let number = self.store.number(&provider);
        let free = self.store.provider(number).free;
        if free < amount {
            return Err(Error::InsufficientStake(provider, U256::from(free), U256::from(amount)));
        }
        let mut stake = self.store.stake(number);
        self.require_from(plus(stake.staked_at, self.store.config().times.stake_age)?)?;
        self.lock(number, &provider, amount, 0)?; // it leaves the free stake, and then the whole
        stake.total = minus(stake.total, amount)?;
        let all = minus(self.store.totals().stake, amount)?;
        self.keep_stake(number, stake, all)?;
        self.host.emit(&Event::Unstaked { provider, to: *to, amount });
        self.push(to, amount)
    }

    /// `setOperator`: allows `operator` to act for the caller, or stops it. It never takes stake out, but it can lose it.
    ///
    /// # Errors
    /// `ZeroAddress`.
    pub fn set_operator(&mut self, operator: &Address, allowed: bool) -> Result<(), Error> {
        if *operator == NOBODY {
            return Err(Error::ZeroAddress());
        }
        let provider = self.host.caller();
        let number = if allowed { self.register(&provider)? } else { 0 };
        self.store.set_operator(&provider, operator, number);
        self.host.emit(&Event::OperatorSet { provider, operator: *operator, allowed });
        Ok(())
    }

    /// `setProfile`: publishes how to reach the caller.
    ///
    /// # Errors
    /// `EndpointTooLong`.
    pub fn set_profile(
        &mut self,
        node_id: &Bytes32,
        capabilities: &Bytes32,
        endpoint: &[u8],
    ) -> Result<(), Error> {
        let mut profile = Profile { node_id: *node_id, capabilities: *capabilities, ..Profile::default() };
        let (Some(place), Ok(length)) =
            (profile.endpoint.get_mut(..endpoint.len()), u8::try_from(endpoint.len()))
        else {
            return Err(Error::EndpointTooLong(U256::from(endpoint.len()), U256::from(MAX_ENDPOINT)));
        };
        place.copy_from_slice(endpoint);
        profile.length = length;
        let provider = self.host.caller();
        self.store.set_profile(&provider, profile);
        self.host.emit(&Event::ProfileSet {
            provider,
            node_id: *node_id,
            capabilities: *capabilities,
            endpoint,
        });
        Ok(())
    }

    /// `admit`: puts on record that `provider` is on a list, so that it may work for jobs that name it. Pairs of the
    /// list's tree are sorted: order does not matter in a set, unlike in a result.
    ///
    /// # Errors
    /// `NotOnList`.
    pub fn admit(&mut self, list: &Bytes32, provider: &Address, proof: &[Bytes32]) -> Result<(), Error> {
        let number = self.store.number(provider);
        let root = proof.iter().fold(hash::listed(&self.host, provider), |node, other| {
            hash::pair(&self.host, &node.min(*other), &node.max(*other))
        });
        if number == 0 || root != *list {
            return Err(Error::NotOnList(*list, *provider));
        }
        self.store.set_admitted(list, number, true);
        self.host.emit(&Event::Admitted { list: *list, provider: *provider });
        Ok(())
    }

    /// The provider's number; a new one for a new provider.
    fn register(&mut self, provider: &Address) -> Result<u32, Error> {
        match self.store.number(provider) {
            0 => {
                let mut totals = self.store.totals();
                totals.providers = plus(totals.providers, 1)?;
                self.store.set_totals(totals);
                self.store.set_number(provider, totals.providers);
                self.store.set_provider_at(totals.providers, *provider);
                Ok(totals.providers)
            }
            number => Ok(number),
        }
    }
}
