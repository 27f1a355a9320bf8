//! Who is drawn for a seat, and when.

use alloy::primitives::Address;
use piecework_protocol::types::Phase;
use piecework_protocol::{Draw, Error as Refusal, Store as _};

use super::records::{Memory, Needs, Records};
use super::{Prediction, Predictor};
use crate::Error;
use crate::chain::IMarket::{self, IMarketCalls};
use crate::chain::Revert;
use crate::rules::{Cost, words};

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
    /// grew too late, is too small for this jury, or there is no draw yet.
    pub drawn_from: Option<u64>,
    /// After how many doublings of the draw that is.
    pub doublings: Option<u32>,
    /// The round whose seat it is: the one that runs, or the one that it would begin.
    pub round: u16,
    /// Number of the challenge whose jury it is; 0 for a seat of the lease.
    pub challenge: u8,
    /// Stake that the seat locks, and what it brings if it ends well, where it can be taken at the time that was
    /// asked about; not of a jury's seat, whose pay is the job's `juryFee`.
    pub cost: Option<Cost>,
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
        let call = |round: u16, _: u8| {
            IMarketCalls::join(IMarket::joinCall {
                job: job.clone(),
                first,
                round,
                provider,
            })
        };
        let draw = |market: &Rules<'_>| {
            market.draw_for_seat(&words::job(job), first, &provider.into_array())
        };
        self.eligible(job, first, provider, at, call, draw).await
    }

    /// Whether, and when, `provider` can take a seat of the jury over the lease at task `first`.
    ///
    /// # Errors
    /// [`Error::Chain`].
    pub async fn juror(
        &self,
        job: &IMarket::Job,
        first: u32,
        provider: Address,
        at: u64,
    ) -> Result<Eligibility, Error> {
        let call = |round: u16, number: u8| {
            IMarketCalls::joinJury(IMarket::joinJuryCall {
                job: job.clone(),
                first,
                round,
                number,
                provider,
            })
        };
        let draw = |market: &Rules<'_>| {
            market.draw_for_juror(&words::job(job), first, &provider.into_array())
        };
        self.eligible(job, first, provider, at, call, draw).await
    }

    async fn eligible(
        &self,
        job: &IMarket::Job,
        first: u32,
        provider: Address,
        at: u64,
        call: impl Fn(u16, u8) -> IMarketCalls,
        draw: impl Fn(&Rules<'_>) -> Result<Draw, Refusal>,
    ) -> Result<Eligibility, Error> {
        let mut records = self.records.lock().await;
        // Which round it is about is not known before the lease is read.
        let any = call(0, 0);
        let view = |market: &Rules<'_>| {
            let job_id = market.hash_job(&words::job(job));
            market.store.lease(&job_id, first)
        };
        let lease = self.view(&mut records, &any, view).await?;
        let round = match lease.phase {
            Phase::None | Phase::Free => lease.round.saturating_add(1),
            _ => lease.round,
        };
        let call = call(round, lease.challenges);
        let prediction = self.predicted(&mut records, provider, &call, at).await?;
        let draw = self.view(&mut records, &call, draw).await?.ok();
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
            drawn_from: draw.and_then(|draw| draw.doublings.map(|_| draw.from)),
            doublings: draw.and_then(|draw| draw.doublings),
            round,
            challenge: lease.challenges,
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
        for _ in 0..super::MOST_ROUNDS {
            let host = self.ahead(records, &needs, Address::ZERO, self.block.time);
            let store = Memory::new(records, &needs);
            let answer = view(&piecework_protocol::Market { store, host });
            if needs.get().missing.is_empty() {
                return Ok(answer);
            }
            self.read(records, &needs, call).await?;
        }
        Err(self
            .block
            .inconsistent("it needs more than can be read".to_owned()))
    }
}

type Rules<'a> = piecework_protocol::Market<Memory<'a>, super::host::Ahead<'a>>;
