//! Lines of a manifest, read strictly: one space between fields, numbers without leading zeros.

use super::{BlobRef, MAX_MANIFEST_BYTES, ManifestError};

/// The lines of a manifest with their numbers from 1.
pub(super) fn lines(bytes: &[u8]) -> Result<impl Iterator<Item = (usize, &str)>, ManifestError> {
    if bytes.len() > MAX_MANIFEST_BYTES {
        return Err(ManifestError::TooLong {
            length: bytes.len(),
        });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| ManifestError::NotText)?;
    if !text.is_empty() && !text.ends_with('\n') {
        return Err(ManifestError::NotText);
    }
    Ok(text
        .split_terminator('\n')
        .enumerate()
        .map(|(i, line)| (i + 1, line)))
}

/// A decimal number in its one form.
pub(super) fn number(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with(['0', '+']);
    canonical.then(|| text.parse().ok()).flatten()
}

/// `<size> <blake3>`.
pub(super) fn blob(size: &str, digest: &str) -> Option<BlobRef> {
    Some(BlobRef {
        size: number(size)?,
        digest: digest.parse().ok()?,
    })
}
