//! Results that come with a proof. A job's verifier decides on its results alone; it can harm no other job.

use crate::Market;
use crate::abi::Question;
use crate::error::Error;
use crate::events::Event;
use crate::host::{Answer, Host};
use crate::store::Store;
use crate::types::{Address, Bytes32, How, Job, NOBODY, U256};

/// Gas that a verifier gets: enough for a STARK or the quote of a trusted machine.
pub const VERIFIER_GAS: u64 = 5_000_000;
/// What must be left before the call, of which 1/64 stays with the market (EIP-150); the call itself costs 2,600.
pub const GAS_BEFORE: u64 = VERIFIER_GAS * 64 / 63 + 5_000;

impl<S: Store, H: Host> Market<S, H> {
    /// `prove`: `submit` for a job with a verifier; settles the lease at once if that confirms the proof. A verifier
    /// that reads the market meanwhile finds no final root.
    ///
    /// # Errors
    /// `NotOperator`, `JobUnknown`, `WrongPhase`, `NotHolder`, `NoVerifier`, `ZeroRoot`, `TooLate`,
    /// `VerifierNeedsGas`, `ProofRejected`.
    pub fn prove(
        &mut self,
        job: &Job,
        first: u32,
        provider: &Address,
        root: &Bytes32,
        manifest: &Bytes32,
        proof: &[u8],
    ) -> Result<(), Error> {
        let job_id = self.id_of(job);
        let lease = self.store.lease(&job_id, first);
        self.only_holder(&job_id, first, &lease, provider)?;
        let verifier = job.terms.verifier;
        if verifier == NOBODY {
            return Err(Error::NoVerifier(job_id));
        }
        self.check_result(job, &lease, root)?;
        let (provider, root, manifest) = (*provider, *root, *manifest);
        let question = Question {
            job,
            job_id,
            first,
            count: lease.count,
            provider,
            root,
            manifest,
            proof,
        };
        match self.host.verify(&verifier, VERIFIER_GAS, &question) {
            Answer::Yes => {}
            Answer::No => return Err(Error::ProofRejected(job_id, first, verifier)),
            Answer::NotAsked => return Err(Error::VerifierNeedsGas(U256::from(GAS_BEFORE))),
        }
        self.store.set_root(&job_id, first, root);
        self.host.emit(&Event::Submitted {
            job_id,
            first,
            provider,
            root,
            manifest,
        });
        self.settle_lease(
            job,
            &job_id,
            first,
            lease.submitted(self.host.now()).settled(How::Proven),
        )
    }
}
