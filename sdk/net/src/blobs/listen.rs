//! A listener that strangers cannot use up.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// Connections at a time. Every one takes a file descriptor, and a process that has none left
/// cannot reach its chain.
const CONNECTIONS: usize = 256;
/// Longest time in which nothing is read from a connection or written to it.
const IDLE: Duration = Duration::from_secs(60);

/// A listener for [`axum::serve()`] that holds at most 256 connections, and closes one on which
/// nothing has moved for a minute: what serves strangers stands behind one of these.
#[derive(Debug)]
pub struct BoundedListener {
    listener: TcpListener,
    room: Arc<Semaphore>,
    idle: Duration,
}

impl BoundedListener {
    /// Bounds this listener.
    #[must_use]
    pub fn new(listener: TcpListener) -> Self {
        Self::with(listener, CONNECTIONS, IDLE)
    }

    fn with(listener: TcpListener, connections: usize, idle: Duration) -> Self {
        Self {
            listener,
            room: Arc::new(Semaphore::new(connections)),
            idle,
        }
    }
}

impl Listener for BoundedListener {
    type Io = BoundedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // Never closed, so there is always a permit in the end.
        let permit = self.room.clone().acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let stream = BoundedStream {
            stream,
            idle: self.idle,
            moved: Instant::now(),
            timer: Box::pin(sleep(self.idle)),
            _permit: permit,
        };
        (stream, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection of a [`BoundedListener`].
#[derive(Debug)]
pub struct BoundedStream {
    stream: TcpStream,
    idle: Duration,
    /// When something was last read or written.
    moved: Instant,
    timer: Pin<Box<Sleep>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl BoundedStream {
    /// Passes on what the connection says, and fails if it has said nothing for too long.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        moved: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if moved.is_ready() {
            self.moved = Instant::now();
            return moved;
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let end = self.moved + self.idle;
            if end <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.timer.as_mut().reset(end);
        }
    }
}

impl AsyncRead for BoundedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.watch(cx, read)
    }
}

impl AsyncWrite for BoundedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::Router;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::timeout;

    use super::*;

    async fn served(connections: usize, idle: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listener = BoundedListener::with(listener, connections, idle);
        let big = || async { vec![0_u8; 64 << 20] };
        let router = Router::new().route("/", axum::routing::get(big));
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    async fn ask(address: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        stream
    }

    #[tokio::test]
    async fn who_says_nothing_or_reads_nothing_makes_room_for_others() {
        let address = served(2, Duration::from_millis(300)).await;
        // One that never asks, one that asks and does not read: both places are taken.
        let _silent = TcpStream::connect(address).await.unwrap();
        let _stuck = ask(address).await;
        let mut third = ask(address).await;
        let mut first = [0];
        let early = timeout(Duration::from_millis(150), third.read_exact(&mut first)).await;
        assert!(early.is_err(), "there are only two places");
        let later = timeout(Duration::from_secs(5), third.read_exact(&mut first)).await;
        later.unwrap().unwrap();
    }

    #[tokio::test]
    async fn who_reads_slowly_but_reads_is_served() {
        let address = served(1, Duration::from_millis(300)).await;
        let mut stream = ask(address).await;
        let mut piece = vec![0; 8 << 20];
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            stream.read_exact(&mut piece).await.unwrap();
        }
    }
}
