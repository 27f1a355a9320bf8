//! A server for untrusted peers. Slow or numerous peers delay others only briefly.
//!
//! - A peer must send a request's head within a time, and the next request on the same connection too.
//! - A peer must read the answer, at a least rate.
//! - One address has a share of the connections only.

use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    net::{IpAddr, Ipv6Addr},
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{Router, serve::Listener};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{Instant, Sleep, sleep},
};
use tokio_util::sync::CancellationToken;

/// Connections that are open get so long to end once the server is cancelled.
const FAREWELL: Duration = Duration::from_secs(2);

/// What a server allows its peers.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at a time. Each takes a file descriptor, and a process that has none left cannot reach its chain.
    pub connections: usize,
    /// Connections of one address at a time. Those of this machine, where a proxy may stand, are not counted.
    pub each: usize,
    /// Time for a request's head, from the connection or from the answer before it.
    pub head: Duration,
    /// How long an answer may wait for its reader, beyond the time that the least rate gives it.
    pub patience: Duration,
    /// The least rate at which an answer is read, in bytes a second.
    pub rate: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 256,
            each: 16,
            head: Duration::from_secs(15),
            patience: Duration::from_secs(30),
            rate: 16 << 10,
        }
    }
}

/// Serves until it is cancelled.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    cancel: CancellationToken,
) {
    // Those that are open are dropped with this.
    let mut open = JoinSet::new();
    tokio::select! {
        () = cancel.cancelled() => {}
        never = accept(listener, router, bounds, &cancel, &mut open) => match never {},
    }
    let ended = async { while open.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(FAREWELL, ended).await;
}

async fn accept(
    mut listener: TcpListener,
    router: Router,
    bounds: Bounds,
    cancel: &CancellationToken,
    open: &mut JoinSet<()>,
) -> Infallible {
    let room = Arc::new(Semaphore::new(bounds.connections));
    let peers = Peers::default();
    loop {
        // Never closed, so there is always a place in the end.
        let place = room.clone().acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut listener).await;
        while open.try_join_next().is_some() {}
        let Some(share) = peers.share(address.ip(), bounds.each) else {
            tracing::debug!(%address, "it has too many connections: closed");
            continue;
        };
        let router = router.clone();
        let cancel = cancel.clone();
        open.spawn(async move {
            let _held: (Option<OwnedSemaphorePermit>, Share) = (place, share);
            if let Err(error) = connection(stream, router, bounds, cancel).await {
                tracing::debug!(%address, %error, "a connection failed");
            }
        });
    }
}

async fn connection(
    stream: TcpStream,
    router: Router,
    bounds: Bounds,
    cancel: CancellationToken,
) -> hyper::Result<()> {
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head);
    let io = TokioIo::new(Paced::new(stream, bounds));
    let mut connection = pin!(server.serve_connection(io, TowerToHyperService::new(router)));
    tokio::select! {
        result = connection.as_mut() => return result,
        () = cancel.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// How many connections each address has; clones share it.
#[derive(Clone, Debug, Default)]
struct Peers(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection of an address, until it is dropped.
#[derive(Debug)]
struct Share {
    peers: Peers,
    address: Option<IpAddr>,
}

impl Peers {
    /// Counts one more connection, if the address has fewer than `most`.
    fn share(&self, address: IpAddr, most: usize) -> Option<Share> {
        let address = counted(address);
        if let Some(address) = address {
            let mut peers = self.lock();
            let count = peers.entry(address).or_default();
            if *count >= most {
                return None;
            }
            *count += 1;
        }
        Some(Share {
            peers: self.clone(),
            address,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some(address) = self.address else {
            return;
        };
        let mut peers = self.peers.lock();
        if let Some(count) = peers.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                peers.remove(&address);
            }
        }
    }
}

/// What an address is counted under: one owner has a whole IPv6 network of 64 bits. `None` for this machine's own.
fn counted(address: IpAddr) -> Option<IpAddr> {
    let address = address.to_canonical();
    if address.is_loopback() {
        return None;
    }
    Some(match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(long) => {
            let network = long.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(network).into()
        }
    })
}

/// A connection whose peer must read. Waiting for it uses credit up, and what it reads brings credit back.
#[derive(Debug)]
struct Paced {
    stream: TcpStream,
    bounds: Bounds,
    credit: Duration,
    /// When the peer stopped to read.
    since: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl Paced {
    fn new(stream: TcpStream, bounds: Bounds) -> Self {
        Self {
            stream,
            bounds,
            credit: bounds.patience,
            since: None,
            timer: Box::pin(sleep(Duration::ZERO)),
        }
    }

    /// Passes on what a write came to, and fails if the credit is used up.
    fn watch(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(bytes)) => {
                let waited = self.since.take().map(|since| since.elapsed());
                let left = self.credit.saturating_sub(waited.unwrap_or_default());
                let rate = u64::from(self.bounds.rate.max(1));
                let millis = (*bytes as u64).saturating_mul(1_000) / rate;
                let credit = left.saturating_add(Duration::from_millis(millis));
                self.credit = credit.min(self.bounds.patience);
                written
            }
            Poll::Ready(Err(_)) => written,
            Poll::Pending => {
                if self.since.is_none() {
                    let now = Instant::now();
                    self.since = Some(now);
                    self.timer.as_mut().reset(now + self.credit);
                }
                ready!(self.timer.as_mut().poll(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Paced {
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

    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        time::timeout,
    };

    use super::*;

    const BIG: usize = 64 << 20;

    async fn served(bounds: Bounds) -> (SocketAddr, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/", get(|| async { "hello" }))
            .route("/big", get(|| async { vec![0_u8; BIG] }));
        let cancel = CancellationToken::new();
        tokio::spawn(serve(listener, router, bounds, cancel.clone()));
        (address, cancel)
    }

    fn short() -> Bounds {
        Bounds {
            connections: 60,
            each: 16,
            head: Duration::from_millis(500),
            patience: Duration::from_millis(500),
            rate: 1 << 20,
        }
    }

    async fn ask(address: SocketAddr, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// Holds a connection as long as it can, and makes another one when it is closed.
    async fn slow(address: SocketAddr, number: usize) {
        let mut byte = [0];
        loop {
            let pause = || tokio::time::sleep(Duration::from_millis(100));
            match number % 3 {
                // One that says nothing.
                0 => {
                    let mut stream = TcpStream::connect(address).await.unwrap();
                    let _ = stream.read(&mut byte).await;
                }
                // One whose request never ends.
                1 => {
                    let mut stream = TcpStream::connect(address).await.unwrap();
                    let _ = stream.write_all(b"GET / HTTP/1.1\r\nx: ").await;
                    while stream.write_all(b"x").await.is_ok() {
                        pause().await;
                    }
                }
                // One that asks, and reads a byte now and then.
                _ => {
                    let mut stream = ask(address, "/big").await;
                    while matches!(stream.read(&mut byte).await, Ok(1)) {
                        pause().await;
                    }
                }
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_honest_client_is_served_while_slow_sockets_want_every_place() {
        let (address, _cancel) = served(short()).await;
        let mut attack = JoinSet::new();
        for number in 0..180 {
            attack.spawn(slow(address, number));
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        for _ in 0..3 {
            let fetch = async {
                let url = format!("http://{address}/");
                let answer = reqwest::get(url).await.unwrap();
                answer.text().await.unwrap()
            };
            let text = timeout(Duration::from_secs(10), fetch).await;
            assert_eq!(text.unwrap(), "hello");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_client_that_reads_at_the_least_rate_is_served_to_the_end() {
        let bounds = Bounds {
            rate: 4 << 20,
            patience: Duration::from_secs(2),
            ..short()
        };
        let (address, _cancel) = served(bounds).await;
        let mut stream = ask(address, "/big").await;
        let mut piece = vec![0; 2 << 20];
        let mut read = 0;
        while read < BIG {
            tokio::time::sleep(Duration::from_millis(100)).await;
            stream.read_exact(&mut piece).await.unwrap();
            read += piece.len();
        }
    }

    #[test]
    fn an_address_has_a_share_of_the_connections_and_this_machine_has_no_such_limit() {
        let peers = Peers::default();
        let share = |address: &str| peers.share(address.parse().unwrap(), 2);
        let first = share("192.0.2.1");
        let _second = share("::ffff:192.0.2.1");
        assert!(share("192.0.2.1").is_none());
        assert!(share("192.0.2.2").is_some());
        drop(first);
        assert!(share("192.0.2.1").is_some());
        // A network of 64 bits has one owner.
        let _both = (share("2001:db8::1"), share("2001:db8::2"));
        assert!(share("2001:db8::ffff:3").is_none());
        assert!(share("2001:db8:0:1::1").is_some());
        let _own: Vec<_> = (0..9).map(|_| share("127.0.0.1").unwrap()).collect();
        drop((_second, _both));
        assert_eq!(peers.lock().len(), 0);
    }

    #[tokio::test]
    async fn a_cancelled_server_ends_with_its_connections() {
        let (address, cancel) = served(Bounds::default()).await;
        let mut stream = ask(address, "/").await;
        let mut answer = [0; 64];
        assert!(stream.read(&mut answer).await.unwrap() > 0);
        cancel.cancel();
        let rest = timeout(FAREWELL * 2, stream.read_to_end(&mut Vec::new())).await;
        rest.unwrap().unwrap();
        let again = timeout(Duration::from_secs(5), TcpStream::connect(address)).await;
        assert!(again.unwrap().is_err());
    }
}
