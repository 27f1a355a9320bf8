//! Digests: what identifies a blob, a task's output, a lease's result.
//!
//! - [`Digest`]: BLAKE3 of some bytes; the address of every blob and of every task's output.
//! - [`OciDigest`]: SHA-256 in the form container images use.
//! - [`manifest`]: the text that lists a task's outcome and files ([`manifest::ResultManifest`]) or
//!   an input ([`manifest::Tree`]). The output digest is the BLAKE3 of a result manifest.
//! - [`lease`]: the digest list of a lease.
//! - [`tree`]: the positional Merkle tree over them, whose root goes on chain.

pub mod lease;
pub mod manifest;
pub mod tree;

mod hex32;

use alloy_primitives::B256;

/// BLAKE3 digest of some bytes. Written as 64 lowercase hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The digest of `bytes`, keyed: only whoever has the bytes can tell it, however public [`Digest::of`] them is.
    pub fn keyed(key: B256, bytes: &[u8]) -> Self {
        Self(*blake3::keyed_hash(&key.0, bytes).as_bytes())
    }

    /// As [`Digest::keyed`], of what a reader gives.
    ///
    /// # Errors
    /// What the reader fails with.
    pub fn keyed_of(key: B256, reader: impl std::io::Read) -> std::io::Result<Self> {
        let mut hasher = blake3::Hasher::new_keyed(&key.0);
        hasher.update_reader(reader)?;
        Ok(hasher.finalize().into())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// True for 32 zero bytes, which on chain mean "none".
    pub fn is_zero(&self) -> bool {
        self.0 == [0; 32]
    }
}

impl From<blake3::Hash> for Digest {
    fn from(hash: blake3::Hash) -> Self {
        Self(*hash.as_bytes())
    }
}

impl From<B256> for Digest {
    fn from(value: B256) -> Self {
        Self(value.0)
    }
}

impl From<Digest> for B256 {
    fn from(value: Digest) -> Self {
        Self(value.0)
    }
}

/// SHA-256 digest as container images write it: `sha256:` and 64 lowercase hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct OciDigest(pub [u8; 32]);

impl OciDigest {
    /// The SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The hex digits without the `sha256:` in front.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }
}

/// A digest that is not written in its one valid form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Neither 64 lowercase hex digits (BLAKE3) nor `sha256:` before them (images).
    #[error("{expected}, but this has {length} bytes or other characters")]
    Form {
        /// The form that was expected.
        expected: &'static str,
        /// How long the text was, in bytes.
        length: usize,
    },
}

impl DigestError {
    /// Stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Form { .. } => "digest-form",
        }
    }
}

hex32::text_form!(Digest, "", "a digest is 64 lowercase hex digits");
hex32::text_form!(
    OciDigest,
    "sha256:",
    "an image digest is `sha256:` and 64 lowercase hex digits"
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn one_form_only() {
        let digest = Digest::of(b"");
        let text = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.parse::<Digest>().unwrap(), digest);
        assert_eq!(Digest::from(B256::from(digest)), digest);
        for bad in [
            text.to_uppercase(),
            format!("0x{text}"),
            text[1..].into(),
            format!("{text}0"),
            format!(" {}", &text[1..]),
        ] {
            assert_eq!(
                bad.parse::<Digest>().unwrap_err().code(),
                "digest-form",
                "{bad}"
            );
        }
        assert_eq!(
            serde_json::to_string(&digest).unwrap(),
            format!("\"{text}\"")
        );
        assert_eq!(
            serde_json::from_str::<Digest>(&format!("\"{text}\"")).unwrap(),
            digest
        );
    }

    #[test]
    fn keyed_digests_are_those_of_the_algorithms_test_vectors() {
        let key = B256::from(*b"whats the Elvish word for friend");
        for (bytes, digest) in [
            (
                &[][..],
                "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26",
            ),
            (
                &[0],
                "6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b",
            ),
        ] {
            assert_eq!(Digest::keyed(key, bytes).to_string(), digest);
        }
        assert_ne!(Digest::keyed(B256::ZERO, b"a"), Digest::of(b"a"));
    }

    #[test]
    fn image_digests_carry_their_algorithm() {
        let digest = OciDigest::of(b"");
        let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.parse::<OciDigest>().unwrap(), digest);
        assert!(text[7..].parse::<OciDigest>().is_err());
        assert!(
            text.replace("sha256", "sha512")
                .parse::<OciDigest>()
                .is_err()
        );
    }
}
