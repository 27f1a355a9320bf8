//! What a task prints: standard output up to a cap, and the tail of standard error.
//!
//! The engine multiplexes both into frames of an 8-byte header and a payload. A length is only
//! counted down, never allocated.

use std::{collections::VecDeque, time::Duration};

use futures::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use super::engine::Attached;

/// Most bytes of standard output that a task may print.
pub const MAX_STDOUT: usize = 1 << 20;
/// Bytes of standard error that are kept: the last ones.
pub const MAX_STDERR: usize = 4 << 10;

/// Bytes that are read as fast as they come.
const FREE: usize = 8 << 20;
/// Bytes a second that are read beyond that. The engine carries them outside the job's share of the
/// processor; read slowly, they hold up the task that prints them and nobody else.
const RATE: u32 = 1 << 20;

/// What was captured so far.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Captured {
    /// Standard output; at most [`MAX_STDOUT`] bytes.
    pub stdout: Vec<u8>,
    /// The last bytes of standard error; at most [`MAX_STDERR`].
    pub stderr: VecDeque<u8>,
    /// Whether there was more standard output than [`MAX_STDOUT`].
    pub flooded: bool,
}

/// A stream that is not in the engine's framing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StdioError {
    /// A header that no engine writes.
    #[error("the engine's output stream has a bad frame header {0:02x?}")]
    Header([u8; 8]),
    /// It ended within a frame.
    #[error("the engine's output stream ended within a frame")]
    Truncated,
    /// It broke.
    #[error("the engine's output stream broke: {0}")]
    Broken(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Stdout,
    Stderr,
}

/// Takes the engine's frames apart.
#[derive(Debug, Default)]
pub struct Demux {
    captured: Captured,
    header: Vec<u8>,
    frame: Option<(Stream, usize)>,
}

impl Demux {
    /// Takes the next bytes, cut anywhere.
    ///
    /// # Errors
    /// [`StdioError::Header`].
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), StdioError> {
        while !bytes.is_empty() {
            let Some((stream, left)) = self.frame else {
                let take = bytes.len().min(8 - self.header.len());
                let (head, rest) = bytes.split_at(take);
                self.header.extend_from_slice(head);
                bytes = rest;
                if let Ok(header) = <[u8; 8]>::try_from(self.header.as_slice()) {
                    self.header.clear();
                    self.frame = frame(header)?;
                }
                continue;
            };
            let (payload, rest) = bytes.split_at(bytes.len().min(left));
            bytes = rest;
            let left = left - payload.len();
            self.frame = (left > 0).then_some((stream, left));
            match stream {
                Stream::Stdout => self.captured.stdout(payload),
                Stream::Stderr => self.captured.stderr(payload),
            }
        }
        Ok(())
    }

    /// Whether standard output is over its cap.
    #[must_use]
    pub const fn flooded(&self) -> bool {
        self.captured.flooded
    }

    /// What was captured.
    ///
    /// # Errors
    /// [`StdioError::Truncated`].
    pub fn finish(self) -> Result<Captured, StdioError> {
        if self.header.is_empty() && self.frame.is_none() {
            Ok(self.captured)
        } else {
            Err(StdioError::Truncated)
        }
    }
}

impl Captured {
    fn stdout(&mut self, payload: &[u8]) {
        let room = MAX_STDOUT.saturating_sub(self.stdout.len());
        let (kept, over) = payload.split_at(payload.len().min(room));
        self.stdout.extend_from_slice(kept);
        self.flooded |= !over.is_empty();
    }

    fn stderr(&mut self, payload: &[u8]) {
        let (_, kept) = payload.split_at(payload.len().saturating_sub(MAX_STDERR));
        let surplus = (self.stderr.len() + kept.len()).saturating_sub(MAX_STDERR);
        self.stderr.drain(..surplus);
        self.stderr.extend(kept);
    }
}

fn frame(header: [u8; 8]) -> Result<Option<(Stream, usize)>, StdioError> {
    let [kind, zeros @ .., a, b, c, d] = header;
    let stream = match (kind, zeros) {
        (1, [0, 0, 0]) => Stream::Stdout,
        (2, [0, 0, 0]) => Stream::Stderr,
        _ => return Err(StdioError::Header(header)),
    };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    Ok((length > 0).then_some((stream, length)))
}

/// Reads an attached container to the end of its output; `flood` is cancelled as soon as there is
/// more standard output than a task may print, and the rest is thrown away.
///
/// # Errors
/// [`StdioError`].
pub async fn capture(
    mut stream: Attached,
    flood: CancellationToken,
) -> Result<Captured, StdioError> {
    let mut demux = Demux::default();
    let mut buffer = vec![0; 1 << 16];
    let mut total = 0_usize;
    loop {
        let read = stream
            .read(&mut buffer)
            .await
            .map_err(|error| StdioError::Broken(error.to_string()))?;
        if read == 0 {
            return demux.finish();
        }
        demux.push(buffer.get(..read).unwrap_or_default())?;
        total = total.saturating_add(read);
        if demux.flooded() {
            flood.cancel();
        } else if total > FREE {
            let seconds = f64::from(u32::try_from(read).unwrap_or(RATE)) / f64::from(RATE);
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::*;

    fn framed(kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind, 0, 0, 0];
        bytes.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn caps_hold_and_the_tail_of_stderr_stays() {
        let mut demux = Demux::default();
        demux.push(&framed(1, &vec![b'o'; MAX_STDOUT])).unwrap();
        assert!(!demux.flooded());
        demux.push(&framed(2, &[b'a'; 5_000])).unwrap();
        demux.push(&framed(2, b"the end")).unwrap();
        demux.push(&framed(1, b"o")).unwrap();
        assert!(demux.flooded());
        let captured = demux.finish().unwrap();
        assert_eq!(captured.stdout.len(), MAX_STDOUT);
        assert_eq!(captured.stderr.len(), MAX_STDERR);
        assert!(Vec::from(captured.stderr).ends_with(b"aathe end"));
    }

    #[test]
    fn bad_streams_are_refused() {
        for header in [
            [0, 0, 0, 0, 0, 0, 0, 1],
            [3, 0, 0, 0, 0, 0, 0, 1],
            [1, 0, 1, 0, 0, 0, 0, 1],
        ] {
            let error = Demux::default().push(&header).unwrap_err();
            assert_eq!(error, StdioError::Header(header));
        }
        for cut in 1..8 + 3 {
            let mut demux = Demux::default();
            demux.push(&framed(1, b"abc")[..cut]).unwrap();
            assert_eq!(demux.finish().unwrap_err(), StdioError::Truncated, "{cut}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_complains_without_end_waits_for_it() {
        for (megabytes, least, most) in [(8, 0, 0), (24, 16, 17)] {
            let stream = framed(2, &vec![b'e'; megabytes << 20]);
            let clock = tokio::time::Instant::now();
            let stream = Box::pin(futures::io::Cursor::new(stream));
            let captured = capture(stream, CancellationToken::new()).await.unwrap();
            assert_eq!(captured.stderr.len(), MAX_STDERR);
            let seconds = clock.elapsed().as_secs();
            assert!(
                (least..=most).contains(&seconds),
                "{megabytes} MiB took {seconds} s"
            );
        }
    }

    proptest! {
        #[test]
        fn frames_survive_any_cut(
            frames in prop::collection::vec((1u8..=2, prop::collection::vec(any::<u8>(), 0..300)), 0..20),
            cut in 1usize..50,
        ) {
            let (mut stream, mut out, mut err) = (Vec::new(), Vec::new(), Vec::new());
            for (kind, payload) in &frames {
                stream.extend(framed(*kind, payload));
                if *kind == 1 { &mut out } else { &mut err }.extend_from_slice(payload);
            }
            let mut demux = Demux::default();
            for chunk in stream.chunks(cut) {
                demux.push(chunk).unwrap();
            }
            let captured = demux.finish().unwrap();
            prop_assert_eq!(captured.stdout, out);
            let from = err.len().saturating_sub(MAX_STDERR);
            prop_assert_eq!(Vec::from(captured.stderr), err.split_off(from));
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            let mut demux = Demux::default();
            if demux.push(&bytes).is_ok() {
                let _ = demux.finish();
            }
        }
    }
}
