//! Layers: hashed and looked through while they are decompressed.
//!
//! An engine unpacks layers as root. What makes that harmless for the disk is checked here: the
//! bytes and entries are counted, and nothing may unpack to more than the stream holds, as sparse
//! files would. The engine's tar reader is another one than ours, so forms that the two might read
//! differently are refused: an entry hidden from one of them is how such checks are passed by.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use piecework_core::digest::OciDigest;
use sha2::{Digest as _, Sha256};

use super::ImageError;

/// Most bytes in a header that extends the next one (long names, attributes).
const MAX_EXTENSION_BYTES: u64 = 1 << 20;

/// Passes bytes on and hashes them; fails once there are more than `left`.
pub(super) struct Meter<R> {
    inner: R,
    hasher: Sha256,
    left: u64,
    pub(super) size: u64,
    pub(super) exceeded: bool,
}

impl<R: Read> Meter<R> {
    pub(super) fn new(inner: R, max: u64) -> Self {
        Self {
            inner,
            hasher: Sha256::new(),
            left: max,
            size: 0,
            exceeded: false,
        }
    }

    pub(super) fn digest(self) -> OciDigest {
        OciDigest(self.hasher.finalize().into())
    }
}

impl<R: Read> Read for Meter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.size += count as u64;
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => {
                self.exceeded = true;
                return Err(io::Error::other("more bytes than are accepted"));
            }
        }
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// What came out of a layer.
pub(super) struct Scanned {
    /// SHA-256 of the layer as it is stored.
    pub(super) stored: OciDigest,
    /// SHA-256 of its tar.
    pub(super) diff_id: OciDigest,
    /// Bytes of its tar.
    pub(super) bytes: u64,
    /// Files, directories and links in it.
    pub(super) entries: u64,
}

/// Reads a whole layer. `number` is for errors.
pub(super) fn scan(
    stored: impl Read,
    gzip: bool,
    number: usize,
    max_bytes: u64,
    max_entries: u64,
) -> Result<Scanned, ImageError> {
    let mut stored = Meter::new(stored, u64::MAX);
    let plain: Box<dyn Read + '_> = if gzip {
        Box::new(MultiGzDecoder::new(&mut stored))
    } else {
        Box::new(&mut stored)
    };
    let mut meter = Meter::new(plain, max_bytes);
    let walked = walk(&mut meter, number, max_entries);
    if meter.exceeded {
        return Err(ImageError::TooMany {
            what: "bytes in its layers",
            max: max_bytes,
        });
    }
    let entries = walked?;
    let bytes = meter.size;
    let diff_id = meter.digest();
    Ok(Scanned {
        diff_id,
        bytes,
        entries,
        stored: stored.digest(),
    })
}

/// Every header of the tar, to its end; returns how many entries there are.
fn walk(reader: &mut dyn Read, layer: usize, max_entries: u64) -> Result<u64, ImageError> {
    let refused = |problem: String| ImageError::Layer { layer, problem };
    let broken = |error: io::Error| refused(format!("it is not a tar: {error}"));
    let mut count = 0;
    let mut archive = tar::Archive::new(&mut *reader);
    for entry in archive.entries().map_err(broken)?.raw(true) {
        let mut entry = entry.map_err(broken)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let size = plain_size(entry.header())
            .ok_or_else(|| refused(format!("{name:?} has a size in a form that is not plain")))?;
        match entry.header().as_bytes()[156] {
            // The oldest kind of tar marks directories so.
            b'0' | b'\0' | b'7' if size > 0 && name.ends_with('/') => {
                return Err(refused(format!("{name:?} has content, but is no file")));
            }
            // Files.
            b'0' | b'\0' | b'7' => {}
            // Links, devices, directories and fifos have no content: where one says that it has,
            // one reader skips it and the other reads headers there.
            b'1'..=b'6' if size == 0 => {}
            b'1'..=b'6' => return Err(refused(format!("{name:?} has content, but is no file"))),
            // Headers that extend the next one or all.
            kind @ (b'x' | b'g' | b'L' | b'K') => {
                if size > MAX_EXTENSION_BYTES {
                    return Err(refused(format!("{name:?} extends a header by too much")));
                }
                let mut extension = Vec::new();
                entry.read_to_end(&mut extension).map_err(broken)?;
                if matches!(kind, b'x' | b'g') && changes_size(&extension) {
                    return Err(refused(format!(
                        "{name:?} is sparse or has its size elsewhere"
                    )));
                }
                continue;
            }
            kind => {
                let kind = char::from(kind);
                return Err(refused(format!("{name:?} is of the type {kind:?}")));
            }
        }
        count += 1;
        if count > max_entries {
            return Err(ImageError::TooMany {
                what: "entries in its layers",
                max: max_entries,
            });
        }
    }
    if !only_zeros(reader).map_err(broken)? {
        return Err(refused("something follows the end of its tar".to_owned()));
    }
    Ok(count)
}

/// The size in a header, if it is written as octal digits.
pub(super) fn plain_size(header: &tar::Header) -> Option<u64> {
    let field = header.as_old().size;
    let text = std::str::from_utf8(&field).ok()?;
    let digits = text.trim_end_matches(['\0', ' ']).trim_start_matches(' ');
    let octal = !digits.is_empty() && digits.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let size = octal
        .then(|| u64::from_str_radix(digits, 8).ok())
        .flatten()?;
    (header.entry_size().ok() == Some(size)).then_some(size)
}

/// Whether the records of an extension move the end of a file, or fill it with holes. Searched for
/// as text: what readers make of broken records differs.
fn changes_size(records: &[u8]) -> bool {
    let holds = |text: &[u8]| records.windows(text.len()).any(|window| window == text);
    holds(b"GNU.sparse") || holds(b" size=")
}

/// Whether all that is left to read is zeros.
pub(super) fn only_zeros(reader: &mut dyn Read) -> io::Result<bool> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            return Ok(true);
        }
        if buffer.iter().take(count).any(|byte| *byte != 0) {
            return Ok(false);
        }
    }
}
