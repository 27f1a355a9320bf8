//! What others do for a client that signed it: EIP-712 types in the market's domain, with a key (65 bytes, low s) or,
//! if the client has code, through ERC-1271. No signature can be used twice: a job is posted, cancelled and each of
//! its leases accepted once.

use crate::Market;
use crate::error::Error;
use crate::events::Event;
use crate::hash;
use crate::host::Host;
use crate::store::Store;
use crate::types::{Address, Bytes32, Job, U256};

/// The highest `s` of a signature (EIP-2): half of the group's order. Of the two that fit a message the lower one counts.
const MAX_S: Bytes32 = crate::abi::hex32("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");

impl<S: Store, H: Host> Market<S, H> {
    /// `postFor`: `post` for a client that signed the job, whose id is what is signed. Anyone may call.
    ///
    /// # Errors
    /// `NonceIsRevoked`, `WrongChain`, `BadSignature`, then as `post`.
    pub fn post_for(&mut self, job: &Job, spec: &[u8], signature: &[u8]) -> Result<Bytes32, Error> {
        let (client, nonce) = (job.terms.client, job.terms.nonce);
        if self.store.revoked(&client, nonce) {
            return Err(Error::NonceIsRevoked(client, nonce));
        }
        self.require_signed(&client, &self.id_of(job), signature)?;
        self.post_checked(job, spec)
    }

    /// `cancelFor`: `cancel` for a client that signed `Cancel(bytes32 jobId)`. Anyone may call.
    ///
    /// # Errors
    /// `WrongChain`, `BadSignature`, then as `cancel`.
    pub fn cancel_for(&mut self, job: &Job, signature: &[u8]) -> Result<(), Error> {
        let job_id = self.id_of(job);
        self.require_signed(&job.terms.client, &self.typed(&hash::cancel(&self.host, &job_id)), signature)?;
        self.cancel_checked(job, &job_id)
    }

    /// `revoke`: the caller's signatures under jobs with this nonce can no longer be posted.
    ///
    /// # Errors
    /// None.
    pub fn revoke(&mut self, nonce: u64) -> Result<(), Error> {
        let client = self.host.caller();
        self.store.set_revoked(&client, nonce, true);
        self.host.emit(&Event::Revoked { client, nonce });
        Ok(())
    }

    /// What is signed of a struct with this hash.
    fn typed(&self, struct_hash: &Bytes32) -> Bytes32 {
        hash::typed(&self.host, &self.store.config().domain, struct_hash)
    }

    /// Refuses unless the client signed `digest`, on the chain of the domain: a fork that changes its id keeps its
    /// jobs, but a signature would hold on both sides.
    fn require_signed(&self, client: &Address, digest: &Bytes32, signature: &[u8]) -> Result<(), Error> {
        let (chain_id, expected): (U256, U256) = (self.host.chain_id(), self.store.config().chain_id);
        if chain_id != expected {
            return Err(Error::WrongChain(chain_id, expected));
        }
        let signed = if self.host.has_code(client) {
            self.host.erc1271(client, digest, signature)
        } else {
            self.signer(digest, signature) == Some(*client)
        };
        if signed { Ok(()) } else { Err(Error::BadSignature(*client)) }
    }

    /// The account whose key made the signature: `r`, `s`, `v`, 65 bytes.
    fn signer(&self, digest: &Bytes32, signature: &[u8]) -> Option<Address> {
        let (r, rest) = signature.split_first_chunk::<32>()?;
        let (s, rest) = rest.split_first_chunk::<32>()?;
        match rest {
            [v @ (27 | 28)] if *s <= MAX_S => self.host.recover(digest, *v, r, s),
            _ => None,
        }
    }
}
