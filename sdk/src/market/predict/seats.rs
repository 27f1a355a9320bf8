//! When a provider can take a seat.

use alloy::primitives::{Address, B256};
use piecework_protocol::types::Phase;
use piecework_protocol::{Host as _, Store as _};

use super::acts;
use super::records::{Memory, Needs, Records};
use super::{Prediction, Predictor};
use crate::Error;
use crate::chain::IMarket::{self, IMarketCalls};
use crate::chain::Revert;
use crate::rules::Cost;
use crate::rules::draw::{self, Draw, Round};

/// Whether a provider can take a seat, and when. It says nothing of others, who may be drawn before and take them all.
#[derive(Debug, Clone, PartialEq)]
pub struct Eligibility {
    /// First second in which it can, from the time that was asked about on; `None`: not by the passing of time alone (`why`
    /// says what is missing).
    pub from: Option<u64>,
    /// Last second in which it can.
    pub until: Option<u64>,
    /// Why it cannot at the time that was asked about; `None` if it can.
    pub why: Option<Revert>,
    /// When it is drawn, whatever else the market asks of it (a free bond, a free seat); `None`: never, for its stake
    /// grew too late or is too small for this jury, or there is no draw yet.
    pub drawn_from: Option<u64>,
    /// After how many doublings of the draw that is.
    pub doublings: Option<u8>,
    /// The round whose seat it is.
    pub round: u16,
    /// 0 for a seat of the lease, 1 or 2 for a juror's.
    pub kind: u8,
    /// Stake that the seat locks, and what it brings if it ends well, where it can be taken at the time that was
    /// asked about; not of a jury's seat, whose pay is the job's `juryFee`.
    pub cost: Option<Cost>,
}

/// What a draw of a lease or of a jury is made of.
struct Drawing {
    round: u16,
    point: u64,
    /// The audited task.
    task: u32,
    /// When the lease opened, or was submitted.
    since: u64,
    posted_at: u64,
}

impl Predictor {
    /// Whether, and when, `provider` can take a seat of the redundant lease at task `first`.
    ///
    /// # Errors
    /// [`Error::Chain`].
    pub async fn seat(
        &self,
        job: &IMarket::Job,
        first: u32,
        provider: Address,
        at: u64,
    ) -> Result<Eligibility, Error> {
        let call = |round: u16| {
            IMarketCalls::join(IMarket::joinCall {
                job: job.clone(),
                first,
                round,
                provider,
            })
        };
        self.eligible(job, first, (draw::LEASE, provider), at, call)
            .await
    }

    /// Whether, and when, `provider` can take a seat of the jury `jury` (1 or 2) over the lease at task `first`.
    ///
    /// # Errors
    /// [`Error::Chain`].
    pub async fn juror(
        &self,
        job: &IMarket::Job,
        first: u32,
        jury: u8,
        provider: Address,
        at: u64,
    ) -> Result<Eligibility, Error> {
        let call = |round: u16| {
            IMarketCalls::joinJury(IMarket::joinJuryCall {
                job: job.clone(),
                first,
                round,
                jury,
                provider,
            })
        };
        self.eligible(job, first, (jury, provider), at, call).await
    }

    async fn eligible(
        &self,
        job: &IMarket::Job,
        first: u32,
        (kind, provider): (u8, Address),
        at: u64,
        call: impl Fn(u16) -> IMarketCalls,
    ) -> Result<Eligibility, Error> {
        let mut records = self.records.lock().await;
        let job_id = self.market.job_id(job);
        // Which round it is about is not known before the lease is read.
        let any = call(1);
        let view = |market: &Rules<'_>| drawing(market, &job_id.0, first, kind);
        let drawing = self.view(&mut records, &any, view).await?;
        let call = call(drawing.round);
        let prediction = self.predicted(&mut records, provider, &call, at).await?;
        let times = self.market.times().await?;
        let round = Round {
            chain_id: self.market.chain_id(),
            market: self.market.address(),
            job_id,
            first,
            round: drawing.round,
        };
        let view = |market: &Rules<'_>| {
            let draw = self::draw(market, job, times, &round, kind, &drawing)?;
            let provider_bytes = provider.into_array();
            let weight = market.weight_at(&provider_bytes, draw.counted_at);
            let total = market.total_weight_at(draw.counted_at);
            let doublings = draw.doublings(provider, weight, total)?;
            Some((doublings, draw.drawn_from(provider, weight, total)?))
        };
        let drawn = self.view(&mut records, &call, view).await?;
        let Prediction {
            window,
            outcome,
            cost,
            ..
        } = prediction;
        Ok(Eligibility {
            from: window.from,
            until: window.until,
            why: outcome.err(),
            drawn_from: drawn.map(|(_, from)| from),
            doublings: drawn.map(|(doublings, _)| doublings),
            round: drawing.round,
            kind,
            cost,
        })
    }

    /// Asks the specification something, and reads what it turns out to need for the answer.
    async fn view<T>(
        &self,
        records: &mut Records,
        call: &IMarketCalls,
        view: impl Fn(&Rules<'_>) -> T,
    ) -> Result<T, Error> {
        let needs = Needs::default();
        let (job_id, counted) = (self.id_of(call), acts::counted(call, self.block.time));
        for _ in 0..super::MOST_ROUNDS {
            let host = self.ahead(records, &needs, Address::ZERO, self.block.time);
            let store = Memory::new(records, &needs, job_id, counted);
            let answer = view(&piecework_protocol::Market { store, host });
            if needs.get().missing.is_empty() {
                return Ok(answer);
            }
            self.read(records, &needs).await?;
        }
        Err(self
            .block
            .inconsistent("it needs more than can be read".to_owned()))
    }
}

type Rules<'a> = piecework_protocol::Market<Memory<'a>, super::host::Ahead<'a>>;

/// What the next draw of the lease, or of its jury, is made of.
fn drawing(market: &Rules<'_>, job_id: &[u8; 32], first: u32, kind: u8) -> Drawing {
    let lease = market.store.lease(job_id, first);
    let record = market.store.job(job_id);
    let posted_at = record.posted_at;
    if kind == draw::LEASE {
        // The first lease is open from the posting on, and kept with its first seat.
        let (round, point, since) = match lease.phase {
            Phase::None => (1, record.point, posted_at),
            _ => (lease.round, lease.point, lease.origin),
        };
        return Drawing {
            round,
            point,
            task: 0,
            since,
            posted_at,
        };
    }
    let audit = market.store.audit(job_id, first);
    Drawing {
        round: lease.round,
        point: if audit.point == 0 {
            lease.point
        } else {
            audit.point
        },
        task: audit.task,
        since: lease.since,
        posted_at,
    }
}

/// The draw, if its seed is known, and chance has the lease audited.
fn draw(
    market: &Rules<'_>,
    job: &IMarket::Job,
    times: &IMarket::Times,
    round: &Round,
    kind: u8,
    drawing: &Drawing,
) -> Option<Draw> {
    let seed = market.host.beacon_seed(drawing.point, None).ok()?;
    let time = market.host.beacon_time_of(drawing.point, None).ok()?;
    let (seed, since) = (B256::from(seed), drawing.since);
    if drawing.point == 0 || seed.is_zero() {
        return None;
    }
    if kind == draw::LEASE {
        let draw = round.lease_draw(job, times, seed, drawing.posted_at, (time, since));
        return Some(draw);
    }
    let audit = market.store.audit(&round.job_id.0, round.first);
    let task = if audit.jury == 0 {
        let lease = market.store.lease(&round.job_id.0, round.first);
        if !round.is_audited(seed, job.assurance.auditBps) {
            return None;
        }
        round.audited_task(seed, lease.count)
    } else {
        drawing.task
    };
    Some(round.jury_draw(times, kind, task, seed, (since, time)))
}
