//! What the market would never say, at the market's address: other code is put there for a while.

use std::{fs::File, process::Stdio};

use alloy::{
    primitives::{B256, Bytes, IntoLogData as _, LogData, keccak256},
    providers::{Provider as _, ext::AnvilApi as _},
    rpc::types::TransactionRequest,
};
use piecework::chain::{IMarket, MarketEvent};

use crate::{
    crash::Daemon,
    scene::{Scene, eventually, naps},
};

/// Code that emits what it is called with: so many topics first, then the data.
fn emitter(topics: u8) -> Vec<u8> {
    let mut code = Vec::new();
    for topic in (0..topics).rev() {
        code.extend([0x60, 32 * topic, 0x35]); // push its offset, CALLDATALOAD
    }
    let head = 32 * topics;
    code.extend([0x60, head, 0x36, 0x03]); // CALLDATASIZE - head
    code.extend([0x80, 0x60, head, 0x60, 0x00, 0x37]); // CALLDATACOPY(0, head, that)
    code.extend([0x60, 0x00, 0xa0 + topics, 0x00]); // LOG(0, that, topics), STOP
    code
}

impl Scene {
    /// Has these logs emitted at the market's address, a block each. The block of the last one.
    async fn emit(&self, logs: &[LogData]) -> u64 {
        let (anvil, market) = (&self.net.provider, self.net.market);
        let code = anvil.get_code_at(market).await.unwrap();
        let mut last = 0;
        for log in logs {
            let topics = log.topics();
            let emitter = emitter(u8::try_from(topics.len()).unwrap());
            anvil.anvil_set_code(market, emitter.into()).await.unwrap();
            let head = topics.iter().flat_map(|topic| topic.0);
            let data: Vec<u8> = head.chain(log.data.iter().copied()).collect();
            let request = TransactionRequest::default()
                .from(self.net.key(1).address())
                .to(market)
                .gas_limit(5_000_000)
                .input(Bytes::from(data).into());
            let sent = anvil.send_transaction(request).await.unwrap();
            let receipt = sent.get_receipt().await.unwrap();
            assert_eq!(receipt.logs().len(), 1, "nothing was emitted");
            assert_eq!(receipt.logs()[0].data(), log);
            last = receipt.block_number.unwrap();
        }
        anvil.anvil_set_code(market, code).await.unwrap();
        last
    }

    /// Numbers as large, or as small, as they can be written.
    fn absurd(&self, replicas: u8) -> IMarket::Job {
        IMarket::Job {
            terms: IMarket::Terms {
                client: self.client.address(),
                nonce: u64::MAX,
                spec: B256::repeat_byte(replicas),
                tasks: if replicas == 1 { u32::MAX } else { 2 },
                minLease: 0,
                maxLease: 0,
                providers: B256::ZERO,
            },
            assurance: IMarket::Assurance {
                replicas,
                quorum: 0,
                auditBps: u16::MAX,
                refund: false,
                verifier: alloy::primitives::Address::ZERO,
            },
            price: IMarket::Price {
                minPrice: u128::MAX,
                maxPrice: u128::MAX,
                bond: u128::MAX,
                juryFee: u128::MAX,
            },
            timing: IMarket::Timing {
                opensAt: 0,
                ramp: u64::MAX,
                closesAt: u64::MAX,
                runWindow: u64::MAX,
                auditWindow: u64::MAX,
            },
        }
    }

    fn posted(&self, tag: u8, job: IMarket::Job, spec: Vec<u8>) -> MarketEvent {
        MarketEvent::Posted(IMarket::Posted {
            jobId: B256::repeat_byte(tag),
            client: job.terms.client,
            job,
            feeBps: u16::MAX,
            point: u64::MAX,
            spec: spec.into(),
        })
    }

    /// Logs that are no events, and events that make no sense.
    fn nonsense(&self) -> (Vec<LogData>, Vec<LogData>) {
        let claimed = |job: B256| IMarket::Claimed {
            jobId: job,
            first: u32::MAX,
            provider: self.net.key(2).address(),
            count: u32::MAX,
            round: u16::MAX,
            price: u128::MAX,
        };
        let good = MarketEvent::Claimed(claimed(B256::ZERO)).to_log_data();
        let with = |data: Vec<u8>| LogData::new_unchecked(good.topics().to_vec(), data.into());
        let posted = self.posted(9, self.absurd(1), b"{}".to_vec()).to_log_data();
        let mut torn = posted.data.to_vec();
        torn.truncate(torn.len() - 40);
        let unreadable = vec![
            LogData::new_unchecked(vec![], Bytes::from_static(b"no topic")),
            LogData::new_unchecked(vec![keccak256("Unknown(uint256)")], Bytes::new()),
            with(vec![0xff; 96]),
            with(good.data[..31].to_vec()),
            LogData::new_unchecked(good.topics()[..1].to_vec(), good.data.clone()),
            LogData::new_unchecked(posted.topics().to_vec(), torn.into()),
        ];
        let spec = self.spec(&["nap", "1"], 2).to_bytes().unwrap();
        let jobs = [1, 3, 255].map(|replicas| self.absurd(replicas));
        let [single, drawn, many] = jobs;
        let mut small = single.clone();
        small.terms.tasks = 2;
        let on = B256::repeat_byte(4);
        let senseless = [
            self.posted(1, single, b"{\"version\": 1e400, ".to_vec()),
            self.posted(2, drawn, spec.clone()),
            self.posted(3, many, vec![0xff; 2_000]),
            self.posted(4, small.clone(), spec.clone()),
            self.posted(5, small, spec),
            MarketEvent::Claimed(claimed(on)),
            MarketEvent::Claimed(claimed(B256::repeat_byte(77))),
            MarketEvent::SeatClosed(IMarket::SeatClosed {
                jobId: on,
                first: 7,
                number: u32::MAX,
                round: u16::MAX,
                kind: u8::MAX,
                end: IMarket::SeatEnd::Paid,
                paid: u128::MAX,
                burned: u128::MAX,
            }),
            MarketEvent::Joined(IMarket::Joined {
                jobId: B256::repeat_byte(2),
                first: u32::MAX,
                provider: self.net.key(2).address(),
                round: u16::MAX,
            }),
            MarketEvent::AuditOpened(IMarket::AuditOpened {
                jobId: on,
                first: u32::MAX,
                round: u16::MAX,
                jury: u8::MAX,
                task: u32::MAX,
                commitBy: u64::MAX,
            }),
            MarketEvent::PointSet(IMarket::PointSet {
                jobId: on,
                first: u32::MAX,
                point: u64::MAX,
            }),
            MarketEvent::Refunded(IMarket::Refunded {
                jobId: B256::repeat_byte(2),
                first: 1,
                count: u32::MAX,
                refunded: u128::MAX,
            }),
        ];
        let senseless = senseless.iter().map(MarketEvent::to_log_data).collect();
        (unreadable, senseless)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_market_would_never_say_is_logged_and_the_work_goes_on() {
    let scene = Scene::new().await;
    scene.net.stake(2).await;
    let log = scene.folder.path().join("log");
    let daemon = Daemon::start_with_log(&scene, 2, Stdio::from(File::create(&log).unwrap()));
    let before = scene.post(&scene.spec(&["nap", "10"], 2)).await;
    scene.settled(before, 1).await;
    let (unreadable, senseless) = scene.nonsense();
    let last = scene.emit(&unreadable).await;
    scene.emit(&senseless).await;
    let after = scene.post(&scene.spec(&["nap", "10"], 3)).await;
    scene.settled(after, 1).await;
    assert_eq!(scene.outputs(after).await, naps(3));
    let said = std::fs::read_to_string(&log).unwrap();
    for block in last + 1 - unreadable.len() as u64..=last {
        let told = format!("log 0 of block {block} ");
        assert!(said.contains(&told), "nothing of {told:?} in\n{said}");
    }
    assert!(!said.contains("a service failed"), "{said}");
    daemon.kill();

    // All of it is read again by one that starts from nothing, and by one that has it stored.
    std::fs::remove_dir_all(scene.state_dir(2)).unwrap();
    for _ in 0..2 {
        let daemon = Daemon::start(&scene, 2);
        let job = scene.post(&scene.spec(&["nap", "11"], 2)).await;
        eventually("the next job is settled", || async {
            scene.count(job, "Settled").await == 1
        })
        .await;
        daemon.kill();
    }
}
