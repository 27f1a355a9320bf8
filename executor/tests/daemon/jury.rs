use alloy::{primitives::B256, providers::ext::AnvilApi as _};
use piecework::{
    chain::{IMarket, MarketEvent, Sender},
    digest::{
        Digest, lease,
        manifest::{BlobRef, EntryPath, ResultManifest, Tree},
        tree,
    },
    spec::JobSpec,
};

use crate::{
    net::PURSE,
    scene::{Scene, eventually, naps},
};

/// The bond of a lease of two tasks.
pub(crate) const BOND: u128 = 400;
/// What a juror is paid.
pub(crate) const FEE: u128 = 10;

/// A lease of two tasks whose result was made by hand, of a job of the client's.
pub(crate) struct Submitted {
    pub(crate) job: IMarket::Job,
    pub(crate) id: B256,
    pub(crate) provider: Sender,
}

impl Scene {
    /// Posts a job whose every lease is audited.
    pub(crate) async fn post_audited_always(
        &self,
        spec: &JobSpec,
        change: impl FnOnce(&mut IMarket::Job),
    ) -> (IMarket::Job, B256) {
        let mut posted = None;
        let id = self
            .post_with(spec, |job| {
                (job.assurance.auditBps, job.price.juryFee) = (10_000, FEE);
                job.timing.auditWindow = 600;
                change(job);
                posted = Some(job.clone());
            })
            .await;
        (posted.unwrap(), id)
    }

    /// Account 5 takes both tasks of an audited job before anyone else can, and submits these outputs. The client's
    /// server serves their list, if it is to be served.
    pub(crate) async fn submitted_by_hand(
        &self,
        spec: &JobSpec,
        digests: [Digest; 2],
        served: bool,
        change: impl FnOnce(&mut IMarket::Job),
    ) -> Submitted {
        let provider = self.net.sender(5);
        let market = self.net.market;
        let profile = IMarket::setProfileCall {
            nodeId: B256::ZERO,
            capabilities: B256::ZERO,
            endpoint: self.source.to_string(),
        };
        provider.call(market, &profile).await.unwrap();
        let list = lease::encode(&digests);
        if served {
            self.blobs.put_bytes(&list).unwrap();
        }
        let (job, id) = self.post_audited_always(spec, change).await;
        let claim = IMarket::claimCall {
            job: job.clone(),
            provider: provider.address(),
            least: 2,
            most: 2,
        };
        provider.call(market, &claim).await.unwrap();
        let submit = IMarket::submitCall {
            job: job.clone(),
            first: 0,
            round: 1,
            provider: provider.address(),
            root: tree::root(0, &digests).unwrap(),
            digestList: Digest::of(&list).into(),
        };
        provider.call(market, &submit).await.unwrap();
        Submitted { job, id, provider }
    }

    pub(crate) async fn verdict(&self, job: B256, jury: u8) -> IMarket::Judged {
        let find = async || {
            let events = self.events(job).await.into_iter();
            let mut judged = events.filter_map(|at| match at.event {
                MarketEvent::Judged(event) if event.jury == jury => Some(event),
                _ => None,
            });
            judged.next()
        };
        eventually("a verdict", async || find().await.is_some()).await;
        find().await.unwrap()
    }

    pub(crate) async fn funds(&self, index: usize) -> u128 {
        let account = self.net.key(index).address();
        let market = self.net.contract();
        market
            .ask(IMarket::balanceOfCall { account })
            .call()
            .await
            .unwrap()
    }

    pub(crate) async fn phase(&self, job: B256) -> (IMarket::Phase, IMarket::Grade) {
        let market = self.net.contract();
        let state = market
            .ask(IMarket::leaseOfCall {
                jobId: job,
                first: 0,
            })
            .call()
            .await
            .unwrap();
        (state.phase, state.grade)
    }
}

/// The output digest of a task of `nap`: what an honest machine finds.
pub(crate) fn honest(task: u32) -> Digest {
    let mut tree = Tree::builder();
    let file = BlobRef::of(task.to_string().as_bytes());
    tree.file(EntryPath::new("task.txt").unwrap(), file, false)
        .unwrap();
    let stdout = BlobRef::of(b"");
    ResultManifest::exited(0, stdout, tree.finish().unwrap()).digest()
}

pub(crate) fn wrong() -> [Digest; 2] {
    [Digest::of(b"made up"), Digest::of(b"this too")]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drawn_jury_convicts_the_provider_of_a_wrong_output() {
    let scene = Scene::new().await;
    for index in [2, 3, 4, 5] {
        scene.net.stake(index).await;
    }
    let _mining = scene.keep_mining();
    let spec = scene.spec(&["nap", "10"], 2);
    let accused = scene.submitted_by_hand(&spec, wrong(), true, |_| {}).await;
    let executors = scene.executors([2, 3, 4]).await;
    let verdict = scene.verdict(accused.id, 1).await;
    assert_eq!(verdict.verdict, IMarket::Verdict::Convicted);
    assert_eq!(Digest::from(verdict.digest), honest(verdict.task));
    // They brought what the accused had committed to, from its list.
    let leaf = wrong()[verdict.task as usize];
    assert_eq!(Digest::from(verdict.leaf), leaf);
    let ends = scene.ends(accused.id).await;
    assert_eq!(ends, [(IMarket::SeatEnd::Paid, FEE, 0); 3]);
    // The provider's bond is gone, and nobody runs the lease again.
    let provider = accused.provider.address();
    assert_eq!(scene.free_stake(provider).await, PURSE - BOND);
    assert_eq!(scene.phase(accused.id).await.0, IMarket::Phase::Void);
    // The vote takes the seat, and the last opening decides.
    for (name, times) in [
        ("JurorJoined", 0),
        ("AuditOpened", 1),
        ("VoteCommitted", 3),
        ("Opened", 3),
        ("LeafMissed", 0),
    ] {
        assert_eq!(scene.count(accused.id, name).await, times, "{name}");
    }
    for executor in executors {
        executor.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drawn_jury_acquits_a_right_output_and_its_jurors_are_paid() {
    let scene = Scene::new().await;
    for index in [2, 3, 4, 5] {
        scene.net.stake(index).await;
    }
    let _mining = scene.keep_mining();
    let executors = scene.executors([2, 3, 4, 5]).await;
    let spec = scene.spec(&["nap", "10"], 2);
    let (_, id) = scene.post_audited_always(&spec, |_| {}).await;
    let verdict = scene.verdict(id, 1).await;
    assert_eq!(verdict.verdict, IMarket::Verdict::Acquitted);
    assert_eq!(Digest::from(verdict.leaf), honest(verdict.task));
    let audited = (IMarket::Phase::Settled, IMarket::Grade::Audited);
    assert_eq!(scene.phase(id).await, audited);
    assert_eq!(scene.outputs(id).await, naps(2));
    // Two tasks at 100 less the fee of 2 %, and three jurors.
    let mut earned = Vec::new();
    for index in [2, 3, 4, 5] {
        let account = scene.net.key(index).address();
        assert_eq!(scene.free_stake(account).await, PURSE);
        earned.push(scene.funds(index).await);
    }
    earned.sort_unstable();
    assert_eq!(earned, [FEE, FEE, FEE, 196]);
    for executor in executors {
        executor.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_never_shows_its_leaf_is_convicted_when_its_time_is_over() {
    let scene = Scene::new().await;
    for index in [2, 3, 4, 5] {
        scene.net.stake(index).await;
    }
    let _mining = scene.keep_mining();
    let spec = scene.spec(&["nap", "10"], 2);
    // Right outputs, of which nobody can have the list.
    let digests = [honest(0), honest(1)];
    let accused = scene.submitted_by_hand(&spec, digests, false, |_| {}).await;
    let executors = scene.executors([2, 3, 4]).await;
    eventually("the leaf is missed", || async {
        scene.count(accused.id, "LeafMissed").await == 1
    })
    .await;
    let anvil = &scene.net.provider;
    anvil.anvil_increase_time(21).await.unwrap();
    let verdict = scene.verdict(accused.id, 1).await;
    assert_eq!(verdict.verdict, IMarket::Verdict::Convicted);
    assert_eq!(verdict.leaf, B256::ZERO);
    let ends = scene.ends(accused.id).await;
    assert_eq!(ends, [(IMarket::SeatEnd::Paid, FEE, 0); 3]);
    for executor in executors {
        executor.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_out_is_a_vote_of_those_that_see_it_twice_the_second_time_alone() {
    let scene = Scene::new().await;
    for index in [2, 3, 4, 5] {
        scene.net.stake(index).await;
    }
    let _mining = scene.keep_mining();
    let executors = scene.executors([2, 3, 4, 5]).await;
    let mut spec = scene.spec(&["nap", "60000"], 1);
    spec.resources.timeout_seconds = 1;
    let (_, id) = scene.post_audited_always(&spec, |_| {}).await;
    let verdict = scene.verdict(id, 1).await;
    assert_eq!(verdict.verdict, IMarket::Verdict::Acquitted);
    let late = ResultManifest::timeout().digest();
    assert_eq!(Digest::from(verdict.digest), late);
    for executor in executors {
        executor.stop().await.unwrap();
    }
}
