//! Results that come with a proof. A job's verifier decides on its results alone; it can harm no other job.

use crate::Market;
use crate::abi::Question;
use crate::error::Error;
use crate::events::Event;
use crate::host::{Answer, Host};
use crate::records::not_enough_gas;
use crate::store::Store;
use crate::types::{Address, Bytes32, Grade, Job, NOBODY};

/// Gas that a verifier gets: enough for a STARK or the quote of a trusted machine.
pub const VERIFIER_GAS: u64 = 5_000_000;

impl<S: Store, H: Host> Market<S, H> {
    /// `prove`: `submit` for a job with a verifier; settles the lease at once if that confirms the proof. A verifier
    /// that reads the market meanwhile finds no final root.
    ///
    /// # Errors
    /// `NotOperator`, `WrongMode`, `JobUnknown`, `WrongPhase`, `WrongRound`, `NotHolder`, `NoVerifier`, `ZeroRoot`,
    /// `TooLate`, `NotEnoughGas`, `ProofRejected`.
    #[allow(clippy::too_many_arguments)] // the ABI's
    pub fn prove(
        &mut self,
        job: &Job,
        first: u32,
        round: u16,
        provider: &Address,
        root: &Bytes32,
        digest_list: &Bytes32,
        proof: &[u8],
    ) -> Result<(), Error> {
        let (at, lease) = self.held(job, first, round, provider)?;
        let (job_id, verifier) = (at.job_id, job.assurance.verifier);
        if verifier == NOBODY {
            return Err(Error::NoVerifier(job_id));
        }
        self.check_result(job, &lease, root)?;
        let (provider, root, digest_list) = (*provider, *root, *digest_list);
        let question =
            Question { job, job_id, first, count: lease.count, provider, root, digest_list, proof };
        match self.host.verify(&verifier, VERIFIER_GAS, &question) {
            Answer::Yes => {}
            Answer::No => return Err(Error::ProofRejected(job_id, first, verifier)),
            Answer::NotAsked => return Err(not_enough_gas(VERIFIER_GAS)),
        }
        self.store.set_root(&job_id, first, root);
        self.host.emit(&Event::Submitted { job_id, first, provider, round, root, digest_list, point: 0 });
        self.settle_lease(&at, lease, Grade::Proven, 0, 0)
    }
}
