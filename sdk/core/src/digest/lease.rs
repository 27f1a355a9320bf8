//! The digest list of a lease: the output digests of its tasks, 32 bytes each, in order of the tasks.
//! Its BLAKE3 is the `digestList` that goes on chain beside the root.

use super::Digest;

/// The bytes of a lease's digest list.
pub fn encode(digests: &[Digest]) -> Vec<u8> {
    digests.iter().flat_map(|digest| digest.0).collect()
}

/// The output digests in the digest list of a lease of `count` tasks.
///
/// # Errors
/// [`DigestListError`] if there are not exactly `32 * count` bytes.
pub fn decode(bytes: &[u8], count: u32) -> Result<Vec<Digest>, DigestListError> {
    let (digests, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() || u32::try_from(digests.len()) != Ok(count) {
        return Err(DigestListError {
            count,
            length: bytes.len(),
        });
    }
    Ok(digests.iter().copied().map(Digest).collect())
}

/// A digest list that does not have 32 bytes for each of its tasks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the digest list of a lease of {count} tasks has {length} bytes, not 32 for each task")]
pub struct DigestListError {
    /// Tasks in the lease.
    pub count: u32,
    /// Bytes that were given.
    pub length: usize,
}

impl DigestListError {
    /// Stable code of the error.
    pub fn code(&self) -> &'static str {
        "digest-list-length"
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn exactly_one_digest_for_each_task() {
        let digests = [Digest::of(b"0"), Digest::of(b"1"), Digest::of(b"2")];
        let bytes = encode(&digests);
        assert_eq!(decode(&bytes, 3).unwrap(), digests);
        assert_eq!(decode(&[], 0).unwrap(), []);
        for (bytes, count) in [
            (&bytes[..95], 3),
            (&bytes[..], 2),
            (&bytes[..], 4),
            (&bytes[..64], 3),
        ] {
            assert_eq!(
                decode(bytes, count).unwrap_err().code(),
                "digest-list-length"
            );
        }
    }
}
