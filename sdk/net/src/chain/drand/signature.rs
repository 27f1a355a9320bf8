//! The scheme `bls-unchained-g1-rfc9380`: signatures are points of G1, the group's key is a point of G2.

use alloy::primitives::{B256, Bytes};
use blst::min_sig::{PublicKey, Signature};
use blst::{BLST_ERROR, BLST_ERROR::BLST_SUCCESS};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The domain separation tag of the scheme.
pub const DST: &[u8] = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";
/// The public key of drand's chain quicknet, compressed.
const QUICKNET_KEY: [u8; 96] = alloy::primitives::hex!(
    "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451"
    "0d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
);
/// Bytes of a compressed point of G1.
const COMPRESSED: usize = 48;
/// Bytes of a coordinate.
const COORDINATE: usize = 48;
/// Bytes that EIP-2537 puts before a coordinate: zeros.
const PADDING: usize = 16;
/// Bytes of a point of G2 in EIP-2537.
const G2: usize = 4 * (PADDING + COORDINATE);

/// The bytes that a group signs for a round.
pub fn message(round: u64) -> B256 {
    B256::new(Sha256::digest(round.to_be_bytes()).into())
}

/// The bytes are not a group's public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the public key is not a point of G2 in the 96 bytes of drand or the 256 bytes of EIP-2537, or it is infinity"
)]
pub struct BadKey;

/// Why bytes are not the group's signature on a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadSignature {
    /// Another scheme's signatures have other lengths: 96 bytes are a point of G2.
    #[error(
        "the signature has {length} bytes instead of 48, so it is of another drand chain; put the hash of the right chain into the URL"
    )]
    Length {
        /// Bytes of the signature.
        length: usize,
    },
    /// The bytes are not a compressed point of the curve.
    #[error("the signature is not a compressed point of the curve")]
    NotAPoint,
    /// The signature is the point at infinity, which signs nothing.
    #[error("the signature is the point at infinity")]
    Infinity,
    /// The point lies on the curve, but not in G1.
    #[error("the signature is a point of the curve outside G1")]
    OutsideGroup,
    /// The group did not sign this round with this signature.
    #[error("it is not the group's signature on round {round}")]
    Wrong {
        /// The round.
        round: u64,
    },
}

/// The public key of a drand group.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(into = "Bytes", try_from = "Bytes")]
pub struct GroupKey(PublicKey);

impl std::fmt::Debug for GroupKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("GroupKey")
            .field(&Bytes::from(*self))
            .finish()
    }
}

impl PartialEq for GroupKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.serialize() == other.0.serialize()
    }
}

impl Eq for GroupKey {}

impl GroupKey {
    /// Reads a key as `DrandBeacon.publicKey` returns it: a point of G2 in EIP-2537's 256 bytes.
    ///
    /// # Errors
    /// [`BadKey`].
    pub fn from_eip2537(bytes: &[u8]) -> Result<Self, BadKey> {
        if bytes.len() != G2 {
            return Err(BadKey);
        }
        let mut serialized = Vec::with_capacity(4 * COORDINATE);
        // EIP-2537 writes the real part of a coordinate first, everyone else the imaginary one.
        for pair in bytes.chunks_exact(G2 / 2) {
            let (real, imaginary) = pair.split_at(PADDING + COORDINATE);
            for part in [imaginary, real] {
                let (padding, part) = part.split_at(PADDING);
                if padding.iter().any(|byte| *byte != 0) {
                    return Err(BadKey);
                }
                serialized.extend_from_slice(part);
            }
        }
        Self::checked(PublicKey::deserialize(&serialized))
    }

    /// Reads a key as drand serves it: 96 bytes, compressed.
    ///
    /// # Errors
    /// [`BadKey`].
    pub fn from_compressed(bytes: &[u8]) -> Result<Self, BadKey> {
        Self::checked(PublicKey::uncompress(bytes))
    }

    /// The key of drand's chain quicknet.
    ///
    /// # Errors
    /// Never: what is compiled in is a key.
    pub fn quicknet() -> Result<Self, BadKey> {
        Self::from_compressed(&QUICKNET_KEY)
    }

    fn checked(key: Result<PublicKey, BLST_ERROR>) -> Result<Self, BadKey> {
        let key = key.map_err(|_| BadKey)?;
        key.validate().map_err(|_| BadKey)?;
        Ok(Self(key))
    }

    /// The key as the constructor of `DrandBeacon` takes it: EIP-2537's 256 bytes.
    pub fn to_eip2537(&self) -> Bytes {
        let serialized = self.0.serialize();
        let pairs = serialized.chunks_exact(2 * COORDINATE);
        let coordinates = pairs.flat_map(|pair| {
            let (imaginary, real) = pair.split_at(COORDINATE);
            [real, imaginary]
        });
        padded(coordinates).into()
    }

    /// Checks a compressed signature on a round.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(&self, round: u64, signature: &[u8]) -> Result<RoundSignature, BadSignature> {
        if signature.len() != COMPRESSED {
            let length = signature.len();
            return Err(BadSignature::Length { length });
        }
        let point = Signature::uncompress(signature).map_err(|_| BadSignature::NotAPoint)?;
        point.validate(true).map_err(|error| match error {
            BLST_ERROR::BLST_PK_IS_INFINITY => BadSignature::Infinity,
            _ => BadSignature::OutsideGroup,
        })?;
        // Signature and key were checked to be in their groups above and in `checked`.
        match point.verify(false, message(round).as_slice(), DST, &[], &self.0, false) {
            BLST_SUCCESS => Ok(RoundSignature(point)),
            _ => Err(BadSignature::Wrong { round }),
        }
    }
}

impl From<GroupKey> for Bytes {
    fn from(key: GroupKey) -> Self {
        key.0.compress().into()
    }
}

impl TryFrom<Bytes> for GroupKey {
    type Error = BadKey;

    fn try_from(compressed: Bytes) -> Result<Self, BadKey> {
        Self::from_compressed(&compressed)
    }
}

impl From<PublicKey> for GroupKey {
    fn from(key: PublicKey) -> Self {
        Self(key)
    }
}

/// A group's signature on a round. It was checked.
#[derive(Debug, Clone, Copy)]
pub struct RoundSignature(Signature);

impl RoundSignature {
    /// The signature as `DrandBeacon.publish` takes it: x and y in EIP-2537's 128 bytes.
    pub fn to_eip2537(&self) -> Bytes {
        padded(self.0.serialize().chunks_exact(COORDINATE)).into()
    }

    /// drand's randomness of the round: the SHA-256 of the compressed signature.
    pub fn randomness(&self) -> B256 {
        B256::new(Sha256::digest(self.0.compress()).into())
    }
}

/// Coordinates in 64 bytes each.
fn padded<'a>(coordinates: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let zeros = [0; PADDING];
    coordinates
        .flat_map(|coordinate| zeros.into_iter().chain(coordinate.iter().copied()))
        .collect()
}
