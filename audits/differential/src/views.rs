//! Comparing what can be read.

use std::collections::BTreeMap;

use alloy_primitives::{Address as EthAddress, B256};
use piecework_protocol::types::Address;
use rand::Rng;

use crate::Fault;
use crate::bindings::Call;
use crate::bindings::IMarket::{self, IMarketCalls};
use crate::world::{CONTRACTS, Known, World};
impl World {
    // ---------------------------------------------------------------- reading

    /// Compares what the last step may have touched.
    pub(crate) fn look_around(&mut self) -> Result<(), Fault> {
        let block = self.block;
        let number = self.anyone();
        let who: EthAddress = self.people[number].address.into();
        let mut views: Vec<IMarketCalls> = vec![
            IMarket::balanceOfCall { account: who }.into(),
            IMarket::providerOfCall { provider: who }.into(),
        ];
        if let Some((place, first)) = self.focus {
            let job_id = B256::from(self.jobs[place].id);
            views.push(IMarket::jobOfCall { jobId: job_id }.into());
            views.push(
                IMarket::leaseOfCall {
                    jobId: job_id,
                    first,
                }
                .into(),
            );
            views.push(
                IMarket::auditOfCall {
                    jobId: job_id,
                    first,
                }
                .into(),
            );
            views.push(
                IMarket::resultRootCall {
                    jobId: job_id,
                    first,
                }
                .into(),
            );
        }
        for view in views {
            self.sides.look(&Call::One(view), &block)?;
        }
        Ok(())
    }

    /// Everything that can be read of a job.
    pub(crate) fn views_of(&mut self, known: &Known) -> Vec<IMarketCalls> {
        let job_id = B256::from(known.id);
        let time = known.core.timing.opens_at + self.rng.random_range(0..500);
        let mut job = known.job.clone();
        if self.chance(5) {
            job.price.minPrice += 300; // more than the greatest price, in no job that was posted
        }
        let mut views: Vec<IMarketCalls> = vec![
            IMarket::jobOfCall { jobId: job_id }.into(),
            IMarket::totalWeightAtCall {
                time: known.core.timing.opens_at,
            }
            .into(),
            IMarket::hashJobCall {
                job: known.job.clone(),
            }
            .into(),
            IMarket::priceAtCall { job, time }.into(),
        ];
        for (first, lease) in self.leases(known) {
            views.push(
                IMarket::leaseOfCall {
                    jobId: job_id,
                    first,
                }
                .into(),
            );
            views.push(
                IMarket::resultRootCall {
                    jobId: job_id,
                    first,
                }
                .into(),
            );
            views.push(
                IMarket::auditOfCall {
                    jobId: job_id,
                    first,
                }
                .into(),
            );
            for kind in 0..3 {
                let round = lease.round;
                for person in &self.people {
                    let provider = person.address.into();
                    views.push(
                        IMarket::seatOfCall {
                            jobId: job_id,
                            first,
                            round,
                            kind,
                            provider,
                        }
                        .into(),
                    );
                }
            }
        }
        views
    }

    /// Compares everything that can be read, and checks that the books add up.
    pub fn sweep(&mut self) -> Result<(), Fault> {
        let block = self.block;
        let mut views: Vec<IMarketCalls> = vec![
            IMarket::burnedCall {}.into(),
            IMarket::totalStakeCall {}.into(),
            IMarket::feeCall {}.into(),
            IMarket::timesCall {}.into(),
            IMarket::tokenCall {}.into(),
            IMarket::beaconCall {}.into(),
            IMarket::isDevnetCall {}.into(),
        ];
        let mut everyone: Vec<Address> = self.people.iter().map(|person| person.address).collect();
        everyone.extend(CONTRACTS);
        let list = self.list();
        for who in &everyone {
            let who = EthAddress::from(*who);
            views.push(IMarket::balanceOfCall { account: who }.into());
            views.push(IMarket::providerOfCall { provider: who }.into());
            views.push(IMarket::profileOfCall { provider: who }.into());
            for time in [
                block.time,
                block.time - 100,
                block.time - 1_000,
                0,
                u64::MAX,
            ] {
                views.push(
                    IMarket::weightAtCall {
                        provider: who,
                        time,
                    }
                    .into(),
                );
            }
            views.push(
                IMarket::isAdmittedCall {
                    list: list.into(),
                    provider: who,
                }
                .into(),
            );
            views.push(
                IMarket::isRevokedCall {
                    client: who,
                    nonce: 3,
                }
                .into(),
            );
            for other in &everyone {
                views.push(
                    IMarket::isOperatorCall {
                        provider: who,
                        operator: (*other).into(),
                    }
                    .into(),
                );
            }
        }
        for known in self.jobs.clone() {
            views.extend(self.views_of(&known));
        }
        for view in views {
            self.sides.look(&Call::One(view), &block)?;
        }
        everyone.push(self.sides.model.host.market);
        for account in everyone {
            self.sides.compare_tokens(account, &block)?;
        }
        self.add_up()
    }

    /// How many leases are in each phase.
    pub fn phases(&self) -> BTreeMap<String, u64> {
        let mut phases = BTreeMap::new();
        for known in &self.jobs {
            for (_, lease) in self.leases(known) {
                *phases
                    .entry(format!("{:?} {:?}", lease.phase, lease.grade))
                    .or_default() += 1;
            }
        }
        phases
    }
}
