//! The cheat: a staked provider without an executor, driven through the SDK as any account could. It takes seats and leases
//! and commits to tiles that it retouched. It stands by them with all that an honest provider stands by its own with:
//! result manifests, digest list, root, bond. Nothing in the product can do this; the market does not ask what runs behind a
//! stake.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use alloy::primitives::{Address, B256};
use alloy::rpc::types::TransactionReceipt;
use alloy::sol_types::SolCall;
use futures::future::try_join_all;
use piecework::blobs::{Bounds, blob_router, serve};
use piecework::chain::IMarket::{self, IMarketErrors, Opening, Phase};
use piecework::chain::{ChainError, deploy::mint};
use piecework::digest::{Digest, lease, tree};
use piecework::market::{LeaseView, SeatView};
use piecework::rules::draw::LEASE;
use piecework::{Error, Market, MarketConfig, Run};
use piecework_render::Scene;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::tile::Tile;
use crate::devnet::Devnet;
use crate::fail::Failure;
use crate::output::say;

pub(crate) const NAME: &str = "mallory";
/// What it stakes, in the token's smallest unit: less than honest providers, which are to be drawn for most seats.
const STAKE: u128 = crate::devnet::STAKE / 2;
/// Seats that it takes of a redundant job: enough to lose by.
const SEATS: usize = 2;
/// The round that it takes part in.
const ROUND: u16 = 1;
/// How often it looks at what it waits for.
const PAUSE: Duration = Duration::from_millis(200);

/// A running cheat; it serves its blobs until it is dropped.
pub(crate) struct Cheat {
    market: Market,
    address: Address,
    server: JoinHandle<()>,
}

/// A seat of a redundant lease to whose result it has committed.
struct Seat {
    first: u32,
    opening: Opening,
}

/// Which tiles of a lease it retouches.
#[derive(Clone, Copy)]
enum Retouched {
    /// The middle one: in a quorum one is enough to lose.
    One,
    /// All: whichever the jury looks at.
    All,
}

/// What the market says to an act that may come too early.
enum Answer {
    Done,
    Later,
    Never,
}

impl Drop for Cheat {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Cheat {
    /// Stakes half as much as an honest provider, and publishes where it serves its results.
    pub(crate) async fn start(devnet: &Devnet) -> Result<Self, Failure> {
        let description = &devnet.description;
        let config = MarketConfig::new(&description.rpc_url, description.market)
            .signer(devnet.strangers_key()?);
        let market = Market::connect(config).await?;
        let address = market.account()?;
        mint(market.sender()?, description.token, address, STAKE).await?;
        market.stake(STAKE).await?;

        let failed = |e: std::io::Error| Failure::new("demo-cheat", format!("{NAME}'s blobs: {e}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(failed)?;
        let url = format!("http://{}", listener.local_addr().map_err(failed)?);
        let router = blob_router(market.store().clone());
        // It ends with the cheat.
        let never = CancellationToken::new();
        let server = tokio::spawn(serve(listener, router, Bounds::default(), never));
        let cheat = Self {
            market,
            address,
            server,
        };
        cheat.market.set_profile(&url).await?;
        say!("provider   {address} {NAME:<6} (no machine at all: it hands in negatives)");
        Ok(cheat)
    }

    pub(crate) fn address(&self) -> Address {
        self.address
    }

    /// Takes seats of a redundant job as soon as it is drawn for them, commits to wrong results and opens
    /// them; ends when it has no seat left, and none to hope for.
    pub(crate) async fn sit(&self, scene: &Scene, job: B256) -> Result<(), Failure> {
        let run = self.market.attach(job).await?;
        let terms = &run.job().terms;
        let size = usize::try_from(terms.maxLease).map_err(Failure::internal)?;
        let free = AtomicUsize::new(SEATS);
        let leases = (0..terms.tasks).step_by(size);
        try_join_all(leases.map(|first| Box::pin(self.seat(&run, scene, first, &free)))).await?;
        Ok(())
    }

    /// Takes a seat of one lease, if it is drawn for it while it still wants one of those that are `free`.
    async fn seat(
        &self,
        run: &Run,
        scene: &Scene,
        first: u32,
        free: &AtomicUsize,
    ) -> Result<(), Failure> {
        while free.load(Ordering::Relaxed) > 0 {
            match self.join(run, first).await? {
                Answer::Done => break,
                Answer::Later => tokio::time::sleep(PAUSE).await,
                Answer::Never => return Ok(()),
            }
        }
        let less = |free: usize| free.checked_sub(1);
        if free
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_err()
        {
            return Ok(());
        }
        let opening = self.opening(run, scene, first).await?;
        let commit = IMarket::commitCall {
            job: run.job().clone(),
            first,
            round: ROUND,
            provider: self.address,
            commitment: self.commitment(run, first, &opening).await?,
        };
        if let Err(error) = self.call(&commit).await {
            // It came too late: the lease is settled without it.
            answer(error)?;
            return Ok(());
        }
        let seat = Seat { first, opening };
        while !self.open(run, &seat).await? {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Takes a lease of `count` tasks of an ordinary job, and submits a result in which every tile is wrong.
    pub(crate) async fn take(&self, scene: &Scene, job: B256, count: u32) -> Result<(), Failure> {
        let run = self.market.attach(job).await?;
        let call = IMarket::claimCall {
            job: run.job().clone(),
            provider: self.address,
            least: count,
            most: count,
        };
        let claimed = loop {
            match self.call(&call).await {
                Ok(receipt) => break receipt.decoded_log::<IMarket::Claimed>(),
                Err(error) => match answer(error)? {
                    Answer::Later => tokio::time::sleep(PAUSE).await,
                    _ => return Err(Failure::new("demo-cheat", "the lease was gone at once")),
                },
            }
        };
        let claimed = claimed.ok_or_else(|| Failure::internal("a claim without its event"))?;
        let first = claimed.first;
        let made = self.make(&run, scene, (first, claimed.count), Retouched::All);
        let (root, list) = made.await?;
        let submit = IMarket::submitCall {
            job: run.job().clone(),
            first,
            round: claimed.round,
            provider: self.address,
            root,
            digestList: list.into(),
        };
        self.call(&submit).await?;
        Ok(())
    }

    async fn join(&self, run: &Run, first: u32) -> Result<Answer, Failure> {
        let join = IMarket::joinCall {
            job: run.job().clone(),
            first,
            round: ROUND,
            provider: self.address,
        };
        match self.call(&join).await {
            Ok(_) => Ok(Answer::Done),
            Err(error) => Ok(answer(error)?),
        }
    }

    /// A wrong result of a lease, and what will open the commitment to it.
    async fn opening(&self, run: &Run, scene: &Scene, first: u32) -> Result<Opening, Failure> {
        let terms = &run.job().terms;
        let count = terms.maxLease.min(terms.tasks.saturating_sub(first));
        let made = self.make(run, scene, (first, count), Retouched::One);
        let (root, list) = made.await?;
        Ok(Opening {
            number: self.market.provider_of(self.address).await?.number,
            value: root,
            proof: list.into(),
            salt: B256::from(rand::random::<[u8; 32]>()),
        })
    }

    async fn commitment(&self, run: &Run, first: u32, opening: &Opening) -> Result<B256, Failure> {
        let Opening {
            number,
            value,
            proof,
            salt,
        } = *opening;
        let contract = self.market.contract();
        let hash = contract.ask(IMarket::commitmentOfCall {
            jobId: run.id(),
            first,
            round: ROUND,
            kind: LEASE,
            number,
            value,
            proof,
            salt,
        });
        let hash = hash.call().await;
        Ok(hash.map_err(|e| ChainError::from_contract("commitmentOf", e))?)
    }

    /// Opens its commitment once that can be done; whether there is nothing left to wait for.
    async fn open(&self, run: &Run, seat: &Seat) -> Result<bool, Failure> {
        let view = run.status().await?;
        let Some(lease) = view.leases.get(&seat.first) else {
            return Ok(false);
        };
        let own = lease
            .seats
            .iter()
            .find(|one| one.provider == self.address && lease.round == ROUND);
        match (lease.phase, own.map(|own| own.state)) {
            (Phase::Revealing, Some(IMarket::Seat::Committed)) => {}
            // Its round has not begun, or others still work.
            (Phase::Free | Phase::Running, Some(IMarket::Seat::Committed)) => return Ok(false),
            _ => return Ok(true),
        }
        let openings = match lease.commits().saturating_sub(lease.opened()) {
            // The last opening ends the round, and brings those of all seats.
            1 => self.all(lease, &seat.opening).await?,
            _ => vec![seat.opening.clone()],
        };
        let settle = IMarket::settleCall {
            job: run.job().clone(),
            first: seat.first,
            round: ROUND,
            openings,
        };
        match self.call(&settle).await {
            Ok(_) => Ok(true),
            // It is too early, or another opening was quicker: what the view says next decides.
            Err(error) => answer(error).map(|_| false).map_err(Failure::from),
        }
    }

    /// The openings of all seats, ascending, its own among them.
    async fn all(&self, lease: &LeaseView, own: &Opening) -> Result<Vec<Opening>, Failure> {
        let mut openings = vec![own.clone()];
        let taken = |seat: &&SeatView| seat.is_taken() && seat.provider != self.address;
        for seat in lease.seats.iter().filter(taken) {
            openings.push(Opening {
                number: self.market.provider_of(seat.provider).await?.number,
                value: seat.value,
                proof: seat.proof,
                salt: B256::ZERO,
            });
        }
        openings.sort_unstable_by_key(|opening| opening.number);
        Ok(openings)
    }

    /// Makes a lease's result, with wrong tiles in it, and serves it; its root, and the address of its digest list.
    async fn make(
        &self,
        run: &Run,
        scene: &Scene,
        (first, count): (u32, u32),
        retouched: Retouched,
    ) -> Result<(B256, Digest), Failure> {
        let store = self.market.store();
        let failed = |e: piecework::blobs::BlobError| Failure::new(e.code(), e);
        let mut digests = Vec::new();
        for place in 0..count {
            let wrong = match retouched {
                Retouched::One => place == count / 2,
                Retouched::All => true,
            };
            let retouch = if wrong { negative } else { |_: &mut [u8]| {} };
            let tile = Tile::paint(scene, first + place, run.tasks(), retouch).await?;
            store.put_bytes(&tile.png).map_err(failed)?;
            store.put_bytes(b"").map_err(failed)?;
            digests.push(store.put_bytes(&tile.result.to_bytes()).map_err(failed)?);
        }
        let list = store.put_bytes(&lease::encode(&digests)).map_err(failed)?;
        let root = tree::root(first, &digests).map_err(|e| Failure::new(e.code(), e))?;
        Ok((root, list))
    }

    async fn call<C: SolCall>(&self, call: &C) -> Result<TransactionReceipt, Error> {
        let sender = self.market.sender()?;
        Ok(sender.call(self.market.address(), call).await?)
    }
}

/// What a refusal means: the time has not come, or never will. Errors that are no refusals stay errors.
fn answer(error: Error) -> Result<Answer, Error> {
    let revert = match &error {
        Error::Chain(error) => error.revert(),
        _ => None,
    };
    match revert.and_then(|revert| revert.market.as_deref()) {
        Some(IMarketErrors::NotDrawn(never)) if never.from == u64::MAX => Ok(Answer::Never),
        Some(
            IMarketErrors::SeedUnknown(_)
            | IMarketErrors::NotDrawn(_)
            | IMarketErrors::TooEarly(_)
            // Leases open one after another.
            | IMarketErrors::NoSuchLease(_),
        ) => Ok(Answer::Later),
        Some(_) => Ok(Answer::Never),
        None => match error {
            // Another one's act came first in its block: the call costs more gas then than was estimated.
            Error::Chain(ChainError::Reverted { tx: Some(_), .. }) => Ok(Answer::Later),
            error => Err(error),
        },
    }
}

/// The retouch: every colour becomes its opposite.
fn negative(pixels: &mut [u8]) {
    for byte in pixels {
        *byte = !*byte;
    }
}
