//! Many logs for little: for a while, a program in the market's place emits the logs that it is given.
//!
//! What a call of the market leaves in anvil takes about 100 KB for each log. So two lives of jobs are real. Then the market's
//! code is replaced, its events are told again with the ids of other jobs, and its code is put back. The logs that the node
//! serves are those that the market would have made: the second life is made from the first one too, and must be the same.

use std::time::Duration;

use alloy::{
    primitives::{B256, Bytes, IntoLogData as _, LogData, hex},
    providers::{Provider as _, ext::AnvilApi as _},
    rpc::types::Filter,
    sol_types::{Eip712Domain, SolStruct as _, eip712_domain},
};
use anyhow::Context as _;
use piecework::chain::{IMarket, MarketEvent, decode_event};

use crate::world::World;

/// A block is there sooner.
const PATIENCE: Duration = Duration::from_secs(60);

/// Emits the logs of its calldata, in their order. A log there is its head in four bytes (the length of its data times 256,
/// and the number of its topics, 3 or 4), its data, and its topics.
///
/// ```text
/// 00 PUSH0                                             [at]
/// 01 JUMPDEST CALLDATASIZE DUP2 LT PUSH1 09 JUMPI STOP [at]
/// 09 JUMPDEST DUP1 CALLDATALOAD PUSH1 e0 SHR           [at, head]
/// 0f SWAP1 PUSH1 04 ADD                                [head, data]
/// 13 DUP2 PUSH1 08 SHR                                 [head, data, length]
/// 17 DUP1 DUP3 PUSH0 CALLDATACOPY                      [head, data, length], and the data in memory
/// 1b DUP1 SWAP2 ADD SWAP2 PUSH1 ff AND                 [topics, length, number]
/// 22 DUP1 PUSH1 03 EQ PUSH1 31 JUMPI                   [topics, length, number]
/// 29 DUP1 PUSH1 04 EQ PUSH1 4b JUMPI INVALID           [topics, length, number]
/// 31 JUMPDEST POP SWAP1                                [length, topics]
/// 34 DUP1 PUSH1 40 ADD CALLDATALOAD                    [length, topics, 2nd]
/// 39 DUP2 PUSH1 20 ADD CALLDATALOAD                    [length, topics, 2nd, 1st]
/// 3e DUP3 CALLDATALOAD                                 [length, topics, 2nd, 1st, 0th]
/// 40 DUP5 PUSH0 LOG3                                   [length, topics]
/// 43 PUSH1 60 ADD SWAP1 POP PUSH1 01 JUMP              [at]
/// 4b JUMPDEST POP SWAP1                                [length, topics]
/// 4e DUP1 PUSH1 60 ADD CALLDATALOAD                    [length, topics, 3rd]
/// 53 DUP2 PUSH1 40 ADD CALLDATALOAD                    [length, topics, 3rd, 2nd]
/// 58 DUP3 PUSH1 20 ADD CALLDATALOAD                    [length, topics, 3rd, 2nd, 1st]
/// 5d DUP4 CALLDATALOAD                                 [length, topics, 3rd, 2nd, 1st, 0th]
/// 5f DUP6 PUSH0 LOG4                                   [length, topics]
/// 62 PUSH1 80 ADD SWAP1 POP PUSH1 01 JUMP              [at]
/// ```
const ECHO: &[u8] = &hex!(
    "5f" "5b36811060095700" "5b803560e01c" "90600401" "8160081c" "80825f37" "8091019160ff16"
    "80600314603157" "80600414604b57fe"
    "5b5090" "8060400135" "8160200135" "8235" "845fa3" "6060019050600156"
    "5b5090" "8060600135" "8160400135" "8260200135" "8335" "855fa4" "6080019050600156"
);

/// What the market says of a job from its post to its payment.
pub(crate) struct Life {
    events: Vec<MarketEvent>,
    domain: Eip712Domain,
}

impl Life {
    /// Takes what the market says of this job, and proves on `other`, of the same block, that what is
    /// made of it for another job is what the market would say.
    pub(crate) async fn of(
        world: &World,
        job: &IMarket::Job,
        other: &IMarket::Job,
    ) -> anyhow::Result<Self> {
        let mut life = Self {
            events: Vec::new(),
            domain: eip712_domain! {
                name: "Piecework",
                version: "2",
                chain_id: world.chain_id,
                verifying_contract: world.market,
            },
        };
        let events = world.wait_for(life.id(job), 0, "Settled", 1, PATIENCE);
        let events = events.await?;
        life.events = events.into_iter().map(|at| at.event).collect();
        let names: Vec<&str> = life.events.iter().map(MarketEvent::name).collect();
        anyhow::ensure!(
            names == ["Posted", "Claimed", "Submitted", "Settled"],
            "a life is {names:?}"
        );
        life.check(world, job).await?;
        life.check(world, other).await?;
        Ok(life)
    }

    /// The id of a job.
    pub(crate) fn id(&self, job: &IMarket::Job) -> B256 {
        job.eip712_signing_hash(&self.domain)
    }

    /// Fails unless the node serves for this job what is made for it here.
    pub(crate) async fn check(&self, world: &World, job: &IMarket::Job) -> anyhow::Result<()> {
        let filter = Filter::new().address(world.market).topic1(self.id(job));
        let served = world.rpc.get_logs(&filter.from_block(0)).await?;
        for log in &served {
            decode_event(log, world.market)?;
        }
        let served: Vec<LogData> = served.into_iter().map(|log| log.inner.data).collect();
        anyhow::ensure!(
            served == self.logs(job)?,
            "the node serves other logs of a job than the market would make: {served:?}"
        );
        Ok(())
    }

    /// What the market would say of another job that differs in its nonce.
    fn logs(&self, job: &IMarket::Job) -> anyhow::Result<Vec<LogData>> {
        let id = self.id(job);
        let logs = self.events.iter().cloned().map(|mut event| {
            match &mut event {
                MarketEvent::Posted(event) => (event.jobId, event.job) = (id, job.clone()),
                MarketEvent::Claimed(event) => event.jobId = id,
                MarketEvent::Submitted(event) => event.jobId = id,
                MarketEvent::Settled(event) => event.jobId = id,
                other => anyhow::bail!("{} is no part of a life", other.name()),
            }
            Ok(event.to_log_data())
        });
        logs.collect()
    }

    /// The lives of these jobs as calldata of the echo.
    pub(crate) fn calldata(&self, jobs: &[IMarket::Job]) -> anyhow::Result<Bytes> {
        let mut data = Vec::new();
        for job in jobs {
            for log in self.logs(job)? {
                let head = log.data.len() << 8 | log.topics().len();
                data.extend(u32::try_from(head)?.to_be_bytes());
                data.extend_from_slice(&log.data);
                for topic in log.topics() {
                    data.extend_from_slice(topic.as_slice());
                }
            }
        }
        Ok(data.into())
    }
}

/// Puts the echo in the market's place. Returns the market's code.
pub(crate) async fn begin(world: &World) -> anyhow::Result<Bytes> {
    let code = world.rpc.get_code_at(world.market).await?;
    anyhow::ensure!(!code.is_empty(), "the market has no code");
    let echo = Bytes::from_static(ECHO);
    let set = world.rpc.anvil_set_code(world.market, echo).await;
    set.context("the market's code cannot be replaced")?;
    Ok(code)
}

/// Puts the market's code back.
pub(crate) async fn end(world: &World, code: Bytes) -> anyhow::Result<()> {
    world.rpc.anvil_set_code(world.market, code.clone()).await?;
    let now = world.rpc.get_code_at(world.market).await?;
    anyhow::ensure!(now == code, "the market's code is not back");
    Ok(())
}
