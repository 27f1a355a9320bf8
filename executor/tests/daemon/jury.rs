use alloy::primitives::B256;
use piecework::{
    chain::{IMarket, MarketEvent, Sender},
    digest::{
        Digest,
        manifest::{BlobRef, EntryPath, ResultManifest, Tree},
        tree,
    },
    spec::JobSpec,
};

use crate::{
    net::PURSE,
    scene::{Scene, eventually, status_says},
};

/// The bond of a lease of two tasks.
const BOND: u128 = 400;
/// What a juror is paid, and three times that.
const FEE: u128 = 10;
const DEPOSIT: u128 = 3 * FEE;
const SALT: B256 = B256::repeat_byte(7);

/// A lease of two tasks whose result was made by hand, of a job of the client's.
struct Contested {
    job: IMarket::Job,
    id: B256,
    digests: [Digest; 2],
    provider: Sender,
}

impl Scene {
    /// Account 5 takes both tasks of the job before anyone else can, and submits these outputs.
    async fn submitted_by_hand(
        &self,
        spec: &JobSpec,
        digests: [Digest; 2],
        run_window: u64,
    ) -> Contested {
        let provider = self.net.sender(5);
        let mut posted = None;
        let id = self
            .post_with(spec, |job| {
                job.timing.challengeWindow = 3_600;
                job.timing.runWindow = run_window;
                posted = Some(job.clone());
            })
            .await;
        let job = posted.unwrap();
        let claim = IMarket::claimCall {
            job: job.clone(),
            provider: provider.address(),
            count: 2,
        };
        provider.call(self.net.market, &claim).await.unwrap();
        let submit = IMarket::submitCall {
            job: job.clone(),
            first: 0,
            provider: provider.address(),
            root: tree::root(0, &digests).unwrap(),
            manifest: B256::repeat_byte(3),
        };
        provider.call(self.net.market, &submit).await.unwrap();
        Contested {
            job,
            id,
            digests,
            provider,
        }
    }

    /// The client contests the output of task 1, and holds `right` for right.
    async fn challenge(&self, contested: &Contested, right: Digest) {
        let (client, market) = (&self.client, self.net.contract());
        let answer =
            market.commitmentOf(contested.id, 0, 1, 1, client.address(), right.into(), SALT);
        let challenge = IMarket::challengeCall {
            job: contested.job.clone(),
            first: 0,
            round: 1,
            number: 1,
            task: 1,
            digest: contested.digests[1].into(),
            proof: tree::proof(0, &contested.digests, 1).unwrap(),
            answer: answer.call().await.unwrap(),
        };
        client.call(self.net.market, &challenge).await.unwrap();
        self.mine(3).await;
    }

    async fn answer(&self, contested: &Contested, right: Digest) {
        eventually("the jury has committed", || async {
            self.count(contested.id, "VoteCommitted").await == 3
        })
        .await;
        let reveal = IMarket::revealAnswerCall {
            job: contested.job.clone(),
            first: 0,
            digest: right.into(),
            salt: SALT,
        };
        self.client.call(self.net.market, &reveal).await.unwrap();
    }

    async fn verdict(&self, job: B256) -> IMarket::Judged {
        eventually("a verdict", || async {
            self.count(job, "Judged").await == 1
        })
        .await;
        let judged = |event| match event {
            MarketEvent::Judged(event) => Some(event),
            _ => None,
        };
        let events = self.events(job).await.into_iter();
        events.filter_map(|at| judged(at.event)).next().unwrap()
    }

    async fn funds(&self, index: usize) -> u128 {
        let account = self.net.key(index).address();
        let market = self.net.contract();
        market.balanceOf(account).call().await.unwrap()
    }
}

/// The output digest of a task of `nap`: what an honest machine finds.
fn honest(task: u32) -> Digest {
    let mut tree = Tree::builder();
    let file = BlobRef::of(task.to_string().as_bytes());
    tree.file(EntryPath::new("task.txt").unwrap(), file, false)
        .unwrap();
    let stdout = BlobRef::of(b"");
    ResultManifest::exited(0, stdout, tree.finish().unwrap()).digest()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jury_convicts_the_provider_of_a_wrong_output_and_the_lease_is_run_again() {
    let scene = Scene::new().await;
    for index in [2, 3, 4, 5] {
        scene.net.stake(index).await;
    }
    let spec = scene.spec(&["nap", "10"], 2);
    let wrong = [honest(0), Digest::of(b"made up")];
    let contested = scene.submitted_by_hand(&spec, wrong, 600).await;
    let executors = scene.executors([2, 3, 4]).await;
    let before = scene.funds(1).await;
    scene.challenge(&contested, honest(1)).await;
    scene.answer(&contested, honest(1)).await;
    let verdict = scene.verdict(contested.id).await;
    assert_eq!(verdict.verdict, IMarket::Verdict::ProviderWrong);
    assert_eq!(Digest::from(verdict.digest), honest(1));
    let ends = scene.ends(contested.id).await;
    assert_eq!(ends, [(IMarket::SeatEnd::Paid, FEE, 0); 3]);
    // The provider's bond is gone, the challenger has its deposit and a reward.
    let provider = contested.provider.address();
    assert_eq!(scene.free_stake(provider).await, PURSE - BOND);
    assert_eq!(scene.funds(1).await, before + DEPOSIT);
    for (name, times) in [("JurySealed", 1), ("JurorJoined", 3), ("VoteRevealed", 3)] {
        assert_eq!(scene.count(contested.id, name).await, times, "{name}");
    }
    // One of the executors takes the lease over and does it well.
    eventually("it is run again", || async {
        scene.count(contested.id, "Submitted").await == 2
    })
    .await;
    for executor in executors {
        executor.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_juror_does_not_judge_a_challenge_of_its_own_operator() {
    let scene = Scene::new().await;
    for index in [2, 3, 4, 5, 7] {
        scene.net.stake(index).await;
    }
    // The challenger signs for account 7. The market would draw account 7 all the same.
    let allow = IMarket::setOperatorCall {
        operator: scene.client.address(),
        allowed: true,
    };
    let own = scene.net.sender(7);
    own.call(scene.net.market, &allow).await.unwrap();
    let spec = scene.spec(&["nap", "10"], 2);
    let wrong = [honest(0), Digest::of(b"made up")];
    let contested = scene.submitted_by_hand(&spec, wrong, 600).await;
    let mut executors = scene.executors([7, 2, 3]).await;
    scene.challenge(&contested, honest(1)).await;
    eventually("two seats are taken", || async {
        scene.count(contested.id, "JurorJoined").await == 2
    })
    .await;
    // The third seat stays empty until somebody else comes.
    executors.extend(scene.executors([4]).await);
    scene.answer(&contested, honest(1)).await;
    let verdict = scene.verdict(contested.id).await;
    assert_eq!(verdict.verdict, IMarket::Verdict::ProviderWrong);
    for at in scene.events(contested.id).await {
        if let MarketEvent::JurorJoined(joined) = at.event {
            assert_ne!(
                joined.provider,
                own.address(),
                "it judged its own challenge"
            );
        }
    }
    for executor in executors {
        executor.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jury_acquits_a_right_output_and_its_window_begins_anew() {
    let scene = Scene::new().await;
    for index in [2, 3, 4, 5] {
        scene.net.stake(index).await;
    }
    let spec = scene.spec(&["nap", "10"], 2);
    let contested = scene
        .submitted_by_hand(&spec, [honest(0), honest(1)], 600)
        .await;
    let executors = scene.executors([2, 3, 4]).await;
    let before = scene.funds(1).await;
    let claimed = Digest::of(b"never seen");
    scene.challenge(&contested, claimed).await;
    scene.answer(&contested, claimed).await;
    let verdict = scene.verdict(contested.id).await;
    assert_eq!(verdict.verdict, IMarket::Verdict::ProviderRight);
    let ends = scene.ends(contested.id).await;
    assert_eq!(ends, [(IMarket::SeatEnd::Paid, FEE, 0); 3]);
    assert_eq!(scene.funds(1).await, before - DEPOSIT);
    for index in [2, 3, 4] {
        let juror = scene.net.key(index).address();
        assert_eq!(scene.free_stake(juror).await, PURSE);
        assert_eq!(scene.funds(index).await, FEE);
    }
    for executor in executors {
        executor.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jurors_say_that_an_input_cannot_be_had_and_the_result_stands() {
    let scene = Scene::new().await;
    for index in [2, 3, 4, 5] {
        scene.net.stake(index).await;
    }
    let mut spec = scene.spec(&["nap", "10"], 2);
    spec.resources.timeout_seconds = 5;
    // The client's server does not have it.
    spec.input = Some(Digest::of(b"withheld"));
    let contested = scene
        .submitted_by_hand(&spec, [honest(0), Digest::of(b"made up")], 20)
        .await;
    let executors = scene.executors([2, 3, 4]).await;
    scene.challenge(&contested, honest(1)).await;
    scene.answer(&contested, honest(1)).await;
    let verdict = scene.verdict(contested.id).await;
    assert_eq!(verdict.verdict, IMarket::Verdict::ProviderRight);
    assert_eq!(verdict.digest, B256::ZERO);
    let ends = scene.ends(contested.id).await;
    assert_eq!(ends, [(IMarket::SeatEnd::Paid, FEE, 0); 3]);
    for executor in executors {
        executor.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_can_sit_on_the_jury_the_provider_has_it_judged_and_its_result_stands() {
    let scene = Scene::new().await;
    let provider = scene.net.stake(2).await;
    let executors = scene.executors([2]).await;
    let mut spec = scene.spec(&["nap", "10"], 2);
    spec.resources.timeout_seconds = 5;
    let mut posted = None;
    let id = scene
        .post_with(&spec, |job| {
            job.timing.challengeWindow = 6;
            job.timing.runWindow = 16;
            posted = Some(job.clone());
        })
        .await;
    eventually("a result", || async {
        scene.count(id, "Submitted").await == 1
    })
    .await;
    let contested = Contested {
        job: posted.unwrap(),
        id,
        digests: [honest(0), honest(1)],
        provider: scene.net.sender(2),
    };
    scene.challenge(&contested, Digest::of(b"never seen")).await;
    status_says(&executors[0], "it waits", |status| {
        status
            .leases
            .iter()
            .any(|lease| lease.phase == "challenged")
    })
    .await;
    let verdict = scene.verdict(id).await;
    assert_eq!(verdict.verdict, IMarket::Verdict::Inconclusive);
    scene.settled(id, 1).await;
    assert_eq!(scene.free_stake(provider).await, PURSE);
    for executor in executors {
        executor.stop().await.unwrap();
    }
}
