//! Salts of commitments. They follow from one secret and from what they hide, so a machine that lost its database can still
//! open what it committed to.

use alloy_primitives::{Address, B256};
use hkdf::Hkdf;
use piecework_core::{
    chain::IMarket,
    rules::draw::Round,
    view::seat::{Key as SeatId, Vote},
};
use sha2::Sha256;

/// The secret that salts are derived from: 32 random bytes that are made at setup, and are independent of the signing key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(B256);

impl Secret {
    /// The secret of these bytes.
    #[must_use]
    pub fn new(bytes: B256) -> Self {
        Self(bytes)
    }

    /// The salt of a seat's commitment: HKDF-SHA256 (RFC 5869) with everything that the commitment binds as `info`.
    #[must_use]
    pub fn salt(&self, round: &Round, kind: u8, vote: Vote) -> B256 {
        let mut info = Vec::with_capacity(192);
        info.extend_from_slice(b"piecework salt 1");
        info.extend_from_slice(&round.chain_id.to_be_bytes());
        info.extend_from_slice(round.market.as_slice());
        info.extend_from_slice(round.job_id.as_slice());
        info.extend_from_slice(&round.first.to_be_bytes());
        info.extend_from_slice(&round.round.to_be_bytes());
        info.push(kind);
        info.extend_from_slice(vote.value.as_slice());
        info.extend_from_slice(vote.proof.as_slice());
        let mut salt = B256::ZERO;
        // 32 bytes are within what HKDF gives.
        let _ = Hkdf::<Sha256>::new(None, self.0.as_slice()).expand(&info, salt.as_mut_slice());
        salt
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A round, as draws and commitments name it.
#[must_use]
pub fn round(chain_id: u64, market: Address, seat: SeatId) -> Round {
    Round {
        chain_id,
        market,
        job_id: seat.lease.job,
        first: seat.lease.first,
        round: seat.lease.round,
    }
}

/// What opens a vote of the provider with this number.
#[must_use]
pub fn opening(number: u32, vote: Vote, salt: B256) -> IMarket::Opening {
    IMarket::Opening {
        number,
        value: vote.value,
        proof: vote.proof,
        salt,
    }
}

#[cfg(test)]
mod tests {
    use piecework_core::view::lease::Key as LeaseId;

    use super::*;

    #[test]
    fn a_salt_differs_with_everything_that_it_hides() {
        let secret = Secret::new(B256::repeat_byte(7));
        let seat = SeatId {
            lease: LeaseId {
                job: B256::repeat_byte(1),
                first: 2,
                round: 3,
            },
            kind: 1,
        };
        let vote = Vote {
            value: B256::repeat_byte(4),
            proof: B256::repeat_byte(5),
        };
        let here = round(1, Address::repeat_byte(6), seat);
        let salt = secret.salt(&here, 1, vote);
        assert_eq!(salt, secret.salt(&here, 1, vote));
        let mut others = vec![
            Secret::new(B256::repeat_byte(8)).salt(&here, 1, vote),
            secret.salt(&here, 2, vote),
            secret.salt(
                &Round {
                    chain_id: 2,
                    ..here
                },
                1,
                vote,
            ),
            secret.salt(&Round { round: 4, ..here }, 1, vote),
            secret.salt(&Round { first: 3, ..here }, 1, vote),
            secret.salt(&here, 1, Vote::default()),
        ];
        others.push(salt);
        others.sort_unstable();
        others.dedup();
        assert_eq!(others.len(), 7);
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }
}
