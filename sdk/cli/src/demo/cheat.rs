//! The cheat: a staked provider without an executor, driven through the SDK as any stranger could. It paints
//! its tiles well but for one of each lease, which it retouches, and stands by that with all that an honest
//! provider stands by its own with: manifest, digest, root, bond. Nothing in the product can do this; the
//! market does not ask what runs behind a stake.

use std::net::Ipv4Addr;
use std::time::Duration;

use alloy::primitives::{Address, B256};
use alloy::rpc::types::TransactionReceipt;
use alloy::sol_types::SolCall;
use piecework::blobs::{BoundedListener, blob_router};
use piecework::chain::IMarket::{self, IMarketErrors, Phase};
use piecework::chain::{ChainError, deploy::mint};
use piecework::digest::{Digest, lease, tree};
use piecework::{Error, Market, MarketConfig, Run};
use piecework_render::Scene;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::tile::Tile;
use crate::devnet::{Devnet, STAKE};
use crate::fail::Failure;
use crate::output::say;

pub(crate) const NAME: &str = "mallory";
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
    root: B256,
    manifest: Digest,
    salt: B256,
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
    /// Stakes as much as each honest provider, and publishes where it serves its results.
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
        let server = tokio::spawn(async move {
            // Ends with the cheat.
            let _ = axum::serve(BoundedListener::new(listener), router).await;
        });
        let cheat = Self {
            market,
            address,
            server,
        };
        cheat.market.set_profile(&url).await?;
        say!(
            "provider   {address} {NAME:<6} (no machine at all: it paints one tile of a lease wrong)"
        );
        Ok(cheat)
    }

    pub(crate) fn address(&self) -> Address {
        self.address
    }

    /// Takes seats of a redundant job as soon as it is drawn for them, commits to wrong results and reveals
    /// them; ends when it has no seat left, and none to hope for.
    pub(crate) async fn sit(&self, scene: &Scene, job: B256) -> Result<(), Failure> {
        let run = self.market.attach(job).await?;
        let terms = &run.job().terms;
        let size = usize::try_from(terms.maxLease).map_err(Failure::internal)?;
        let mut open: Vec<u32> = (0..terms.tasks).step_by(size).collect();
        let (mut held, mut taken): (Vec<Seat>, usize) = (Vec::new(), 0);
        while !(open.is_empty() && held.is_empty()) {
            let mut waiting = Vec::new();
            for first in open {
                if taken == SEATS {
                    break;
                }
                match self.join(&run, first).await? {
                    Answer::Done => {
                        held.push(self.commit(&run, scene, first).await?);
                        taken += 1;
                    }
                    Answer::Later => waiting.push(first),
                    Answer::Never => {}
                }
            }
            open = waiting;
            let mut unrevealed = Vec::new();
            for seat in held {
                if !self.reveal(&run, &seat).await? {
                    unrevealed.push(seat);
                }
            }
            held = unrevealed;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Takes a lease of `count` tasks of an optimistic job, and submits a wrong result.
    pub(crate) async fn take(&self, scene: &Scene, job: B256, count: u32) -> Result<(), Failure> {
        let run = self.market.attach(job).await?;
        let call = IMarket::claimCall {
            job: run.job().clone(),
            provider: self.address,
            count,
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
        let (root, manifest) = self.make(&run, scene, first, claimed.count).await?;
        let submit = IMarket::submitCall {
            job: run.job().clone(),
            first,
            provider: self.address,
            root,
            manifest: manifest.into(),
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

    async fn commit(&self, run: &Run, scene: &Scene, first: u32) -> Result<Seat, Failure> {
        let terms = &run.job().terms;
        let count = terms.maxLease.min(terms.tasks.saturating_sub(first));
        let (root, manifest) = self.make(run, scene, first, count).await?;
        let salt = B256::from(rand::random::<[u8; 32]>());
        let contract = self.market.contract();
        let commitment = contract
            .commitmentOf(run.id(), first, ROUND, 0, self.address, root, salt)
            .call()
            .await
            .map_err(|e| ChainError::from_contract("commitmentOf", e))?;
        let commit = IMarket::commitCall {
            job: run.job().clone(),
            first,
            round: ROUND,
            provider: self.address,
            commitment,
        };
        self.call(&commit).await?;
        Ok(Seat {
            first,
            root,
            manifest,
            salt,
        })
    }

    /// Reveals once that can be done; whether there is nothing to wait for any more.
    async fn reveal(&self, run: &Run, seat: &Seat) -> Result<bool, Failure> {
        let contract = self.market.contract();
        let lease = contract.leaseOf(run.id(), seat.first).call().await;
        let lease = lease.map_err(|e| ChainError::from_contract("leaseOf", e))?;
        match lease.phase {
            Phase::Running => return Ok(false),
            Phase::Revealing => {}
            _ => return Ok(true),
        }
        let reveal = IMarket::revealCall {
            job: run.job().clone(),
            first: seat.first,
            provider: self.address,
            root: seat.root,
            manifest: seat.manifest.into(),
            salt: seat.salt,
            panel: Vec::new(),
        };
        self.call(&reveal).await?;
        Ok(true)
    }

    /// Makes a lease's result, the middle tile wrong, and serves it; its root, and its manifest's address.
    async fn make(
        &self,
        run: &Run,
        scene: &Scene,
        first: u32,
        count: u32,
    ) -> Result<(B256, Digest), Failure> {
        let store = self.market.store();
        let failed = |e: piecework::blobs::BlobError| Failure::new(e.code(), e);
        let mut digests = Vec::new();
        for place in 0..count {
            let wrong = place == count / 2;
            let retouch = if wrong { negative } else { |_: &mut [u8]| {} };
            let tile = Tile::paint(scene, first + place, run.tasks(), retouch).await?;
            store.put_bytes(&tile.png).map_err(failed)?;
            store.put_bytes(b"").map_err(failed)?;
            digests.push(store.put_bytes(&tile.result.to_bytes()).map_err(failed)?);
        }
        let manifest = store.put_bytes(&lease::encode(&digests)).map_err(failed)?;
        let root = tree::root(first, &digests).map_err(|e| Failure::new(e.code(), e))?;
        Ok((root, manifest))
    }

    async fn call<C: SolCall>(&self, call: &C) -> Result<TransactionReceipt, Error> {
        let sender = self.market.sender()?;
        Ok(sender.call(self.market.address(), call).await?)
    }
}

/// What a refusal means: the time has not come, or never will. Other errors stay errors.
fn answer(error: Error) -> Result<Answer, Error> {
    let revert = match &error {
        Error::Chain(error) => error.revert(),
        _ => None,
    };
    match revert.and_then(|revert| revert.market.as_deref()) {
        Some(IMarketErrors::NotDrawn(never)) if never.from == u64::MAX => Ok(Answer::Never),
        Some(
            IMarketErrors::NotSealed(_) | IMarketErrors::NotDrawn(_) | IMarketErrors::TooEarly(_),
        ) => Ok(Answer::Later),
        Some(_) => Ok(Answer::Never),
        None => Err(error),
    }
}

/// The retouch: every colour becomes its opposite.
fn negative(pixels: &mut [u8]) {
    for byte in pixels {
        *byte = !*byte;
    }
}
