#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use alloy_primitives::{B256, IntoLogData as _};
use piecework_core::{
    chain::MarketEvent,
    view::{Block, StoredEvent},
};
use serde_json::json;

use super::{
    seats::{Place, juror, seat},
    *,
};
use crate::policy::Costs;

struct Scene {
    job: IMarket::Job,
    spec: JobSpec,
    view: JobView,
    policy: Policy,
    timing: Timing,
    free: Amount,
    stake: u128,
    /// For juries.
    kept: u128,
    allowance: u128,
    admitted: bool,
    now: u64,
    asked: u32,
}

const ME: Address = Address::repeat_byte(7);
const PLATFORM: &str = "linux/amd64";
const TOTAL: Amount = Amount {
    cpu_millis: 2_000,
    memory_bytes: 2 << 30,
    disk_bytes: 4 << 30,
    tasks: 3,
};

impl Scene {
    fn new() -> Self {
        let spec = json!({
            "version": 1, "tasks": 40,
            "image": {
                "manifest": format!("sha256:{}", "ab".repeat(32)), "platform": PLATFORM, "archive": "cd".repeat(32),
            },
            "resources": { "cpu_millis": 500, "memory_bytes": 64 << 20, "disk_bytes": 1 << 20, "timeout_seconds": 100 },
        });
        let spec = JobSpec::parse(spec.to_string().as_bytes()).unwrap();
        let job = IMarket::Job {
            terms: IMarket::Terms {
                tasks: 40,
                minLease: 1,
                maxLease: 20,
                ..Default::default()
            },
            assurance: IMarket::Assurance {
                replicas: 1,
                quorum: 1,
                auditBps: 5_000,
                ..Default::default()
            },
            price: IMarket::Price {
                minPrice: 100,
                maxPrice: 200,
                bond: 50,
                juryFee: 10,
            },
            timing: IMarket::Timing {
                opensAt: 1_000,
                ramp: 100,
                closesAt: 9_000,
                runWindow: 1_000,
                auditWindow: 60,
            },
        };
        let policy = Policy {
            min_price: 0,
            max_exposure: None,
            strangers_percent: 100,
            max_leases: 16,
            lists: Vec::new(),
            trusted_clients: Vec::new(),
            min_jury_fee: 0,
            try_seconds: 600,
            costs: Costs::default(),
        };
        let timing = Timing {
            margin: 2,
            confirmations: 2,
            settle_within: 0,
        };
        let mut view = JobView::default();
        (view.posted, view.run_window) = (true, job.timing.runWindow);
        Self {
            job,
            spec,
            view,
            policy,
            timing,
            free: TOTAL,
            stake: 1_000_000,
            kept: 0,
            allowance: u128::MAX,
            admitted: false,
            now: 1_100,
            asked: 0,
        }
    }

    fn see(&mut self, time: u64, event: MarketEvent) {
        let block = Block {
            number: time,
            hash: B256::ZERO,
            time,
        };
        self.view.see(&StoredEvent {
            block,
            log_index: 0,
            tx: B256::ZERO,
            job: B256::ZERO,
            log: event.to_log_data(),
        });
    }

    /// Somebody claims the lease of task 32.
    fn claimed(&mut self, time: u64, provider: Address, round: u16, count: u32) {
        let event = IMarket::Claimed {
            first: 32,
            provider,
            count,
            round,
            ..Default::default()
        };
        self.see(time, MarketEvent::Claimed(event));
        // The others are all taken too.
        self.view.next = 40;
    }

    fn freed(&mut self, time: u64, provider: Address, reason: IMarket::Reason) {
        let event = IMarket::Freed {
            jobId: B256::ZERO,
            first: 32,
            provider,
            round: 2,
            reason,
            burned: 0,
        };
        self.see(time, MarketEvent::Freed(event));
    }

    fn decide(&self) -> Decision {
        evaluate(self.offer(), self.means())
    }

    fn offer(&self) -> Offer<'_> {
        Offer {
            job: &self.job,
            spec: Ok(&self.spec),
            fee_bps: 200,
            view: &self.view,
            asked: self.asked,
        }
    }

    fn means(&self) -> Means<'_> {
        Means {
            provider: ME,
            total: TOTAL,
            free: self.free,
            lease_tasks: 16,
            policy: &self.policy,
            timing: self.timing,
            platform: PLATFORM,
            free_stake: self.stake.saturating_sub(self.kept),
            jury_stake: self.stake,
            allowance: self.allowance,
            admitted: self.admitted,
            now: self.now,
        }
    }

    fn count(&self) -> u32 {
        match self.decide() {
            Decision::Claim(cost) => cost.count,
            other => panic!("{other:?}"),
        }
    }

    fn why(&self) -> String {
        match self.decide() {
            Decision::Skip(why) | Decision::Later { why, .. } => why.to_string(),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_lease_is_as_large_as_owner_market_time_stake_and_what_is_left_allow() {
    let mut scene = Scene::new();
    assert_eq!(
        scene.decide(),
        // 112 s for a task, six after another; 200 less a fee of 2 %.
        Decision::Claim(Cost {
            count: 16,
            parallel: 3,
            bond: 800,
            seconds: 672,
            pays: 3_136,
        })
    );
    scene.job.terms.maxLease = 9;
    assert_eq!(scene.count(), 9);
    // 112 s for a task: two after another in three quarters of 310 s, three at a time.
    scene.job.timing.runWindow = 310;
    assert_eq!(scene.count(), 6);
    // Of 230 s three quarters are time for one. All of it is used where the market has no smaller lease.
    scene.job.timing.runWindow = 230;
    assert_eq!(scene.count(), 3);
    scene.job.terms.minLease = 5;
    assert_eq!(scene.count(), 5);
    (scene.job.timing.runWindow, scene.job.terms.minLease) = (310, 1);
    scene.stake = 260;
    assert_eq!(scene.count(), 5);
    scene.view.next = 38;
    assert_eq!(scene.count(), 2);
    scene.asked = 1;
    assert_eq!(scene.count(), 1);
    scene.stake = 49;
    assert!(scene.why().contains("does not cover its bond"));
}

#[test]
fn a_price_that_climbs_is_waited_for() {
    let mut scene = Scene::new();
    scene.policy.min_price = 147;
    // 147 after a fee of 2 % is 150 before: half way up.
    scene.now = 1_010;
    assert!(matches!(
        scene.decide(),
        Decision::Later {
            at: Some(1_050),
            ..
        }
    ));
    scene.now = 1_050;
    assert_eq!(scene.count(), 16);
    scene.policy.min_price = 197;
    assert!(scene.why().contains("never pays policy.min_price"));
    scene.policy.min_price = 196;
    assert_eq!(worth_at(&scene.job, 200, 196), Some(1_100));
}

#[test]
fn what_cannot_be_done_here_is_skipped_and_says_why() {
    type Change = fn(&mut Scene);
    let cases: [(Change, &str); 10] = [
        (|s| s.job.assurance.verifier = ME, "need proofs"),
        (|s| s.job.assurance.refund = true, "pay its client"),
        (
            |s| s.job.terms.providers = B256::repeat_byte(1),
            "private list",
        ),
        (|s| s.job.terms.tasks = 41, "40 tasks"),
        (
            |s| s.spec.image.platform = "linux/riscv64".to_owned(),
            "riscv64",
        ),
        (|s| s.spec.resources.memory_bytes = 1 << 40, "whole machine"),
        (|s| s.job.timing.runWindow = 110, "run window"),
        (|s| s.view.cancelled = true, "cancelled"),
        (|s| s.now = 8_999, "closes too soon"),
        (|s| s.now = 900, "opens at 1000"),
    ];
    for (change, why) in cases {
        let mut scene = Scene::new();
        change(&mut scene);
        assert!(
            scene.why().contains(why),
            "{} does not say {why}",
            scene.why()
        );
    }
}

#[test]
fn one_client_cannot_lock_all_stake_and_reserved_capacity_is_not_given_twice() {
    let mut scene = Scene::new();
    scene.allowance = 500;
    assert_eq!(scene.count(), 10);
    scene.allowance = 40;
    assert!(scene.why().contains("max_exposure"));
    scene.allowance = u128::MAX;
    let each = scene.spec.resources;
    scene.free = TOTAL.minus(Amount::of(each, 2));
    assert!(matches!(
        scene.decide(),
        Decision::Claim(Cost { parallel: 1, .. })
    ));
    scene.free = TOTAL.minus(Amount::of(each, 3));
    assert!(scene.why().contains("no capacity"));
}

#[test]
fn what_pays_less_than_it_costs_its_owner_is_not_taken() {
    let mut scene = Scene::new();
    // 16 tasks pay 3,136. Three at a time they take one and a half cores for 672 seconds.
    scene.policy.costs.core_hour = 11_200;
    assert_eq!(scene.count(), 16);
    scene.policy.costs.lease = 1;
    assert!(scene.why().contains("costs 3137 by policy.costs"));
}

const OTHER: Address = Address::repeat_byte(9);

#[test]
fn a_free_lease_is_taken_over_by_anyone_but_who_left_it() {
    let taken = |holder, count| {
        let mut scene = Scene::new();
        scene.view.next = 40;
        scene.claimed(1_000, holder, 1, count);
        scene
    };
    let left = |holder, count| {
        let mut scene = taken(holder, count);
        scene.freed(1_050, holder, IMarket::Reason::Left);
        scene
    };
    assert!(taken(OTHER, 8).why().contains("taken"));
    // Its price begins to climb at 1,000, stands still while it is held, and has climbed half way by now.
    let cost = Cost {
        count: 8,
        parallel: 3,
        bond: 400,
        seconds: 336,
        pays: 8 * 147,
    };
    assert_eq!(
        left(OTHER, 8).decide(),
        Decision::Takeover {
            first: 32,
            round: 1,
            cost,
        }
    );
    assert!(left(ME, 8).why().contains("taken"));
    // Too large for what this machine takes in one lease.
    assert!(left(OTHER, 17).why().contains("taken"));
    let mut refunded = left(OTHER, 8);
    refunded.see(
        1_060,
        MarketEvent::Refunded(IMarket::Refunded {
            first: 32,
            count: 8,
            ..Default::default()
        }),
    );
    assert!(refunded.why().contains("taken"));
}

#[test]
fn a_late_lease_is_taken_over_after_its_holder_could_end_it() {
    let late = |holder| {
        let mut scene = Scene::new();
        scene.view.next = 40;
        scene.claimed(1_200, holder, 1, 8);
        scene.now = 1_200 + scene.job.timing.runWindow + scene.timing.margin;
        scene
    };
    let mut scene = late(OTHER);
    let at = Some(scene.now + 1);
    assert!(matches!(scene.decide(), Decision::Later { at: found, .. } if found == at));
    scene.now += 1;
    assert!(matches!(
        scene.decide(),
        Decision::Takeover {
            first: 32,
            round: 2,
            ..
        }
    ));
    // Not if we are late ourselves: that is not a matter of takeovers.
    let mut scene = late(ME);
    scene.now += 100;
    assert!(matches!(scene.decide(), Decision::Skip(_)));
}

#[test]
fn seats_of_a_redundant_job_are_evaluated_one_by_one() {
    let mut scene = Scene::new();
    scene.job.assurance.replicas = 3;
    scene.job.assurance.quorum = 2;
    scene.job.price.minPrice = 200;
    scene.job.timing.ramp = 0;
    scene.job.terms.maxLease = 16;
    assert_eq!(scene.decide(), Decision::Seats);
    scene.job.terms.maxLease = 17;
    assert!(scene.why().contains("lease_tasks"));
    scene.job.terms.maxLease = 4;
    scene.policy.min_price = 197;
    assert!(scene.why().contains("never pays"));
    scene.policy.min_price = 196;
    let place = Place {
        count: 4,
        commit_by: scene.now + 300,
    };
    let decide = |scene: &Scene, place| seat(scene.offer(), scene.means(), place);
    // Two after another in the time there is, three at a time.
    let cost = Cost {
        count: 4,
        parallel: 3,
        bond: 200,
        seconds: 224,
        pays: 784,
    };
    assert_eq!(decide(&scene, place), Ok(cost));
    let refused = |scene: &Scene, place, why: &str| {
        let found = decide(scene, place).unwrap_err().to_string();
        assert!(found.contains(why), "{found} does not say {why}");
    };
    let late = Place {
        commit_by: scene.now + 110,
        ..place
    };
    refused(&scene, late, "too short");
    let narrow = Place {
        commit_by: scene.now + 120,
        ..place
    };
    refused(&scene, narrow, "no capacity");
    // A quarter of the stake is for juries.
    (scene.stake, scene.kept) = (265, 66);
    refused(&scene, place, "does not cover its bond");
    scene.kept = 65;
    assert_eq!(decide(&scene, place), Ok(cost));
}

#[test]
fn a_jurors_seat_takes_one_task_and_a_fee_that_is_worth_it() {
    let mut scene = Scene::new();
    let place = Place {
        count: 16,
        commit_by: scene.now + 200,
    };
    let decide = |scene: &Scene| juror(scene.offer(), scene.means(), place);
    // Eight fees, whatever the lease's size, of stake that leases must leave.
    let cost = Cost {
        count: 1,
        parallel: 1,
        bond: 80,
        seconds: 112,
        pays: 10,
    };
    (scene.stake, scene.kept) = (80, 80);
    assert_eq!(decide(&scene), Ok(cost));
    scene.allowance = 79;
    assert_eq!(decide(&scene), Err(Why::NotCovered));
    scene.allowance = 80;
    // Neither a closed nor a cancelled job, a list nor a refund keeps juries from sitting.
    scene.view.cancelled = true;
    scene.job.terms.providers = B256::repeat_byte(1);
    scene.job.assurance.refund = true;
    scene.now = 9_100;
    let place = Place {
        commit_by: 9_300,
        ..place
    };
    assert_eq!(juror(scene.offer(), scene.means(), place), Ok(cost));
    scene.policy.min_jury_fee = 11;
    assert_eq!(decide(&scene), Err(Why::JuryFee));
}

#[test]
fn a_claim_leaves_no_rest_that_is_smaller_than_a_lease() {
    let mut scene = Scene::new();
    scene.job.terms.minLease = 10;
    assert_eq!(scene.count(), 16);
    // 24 are left: 16 would leave 8.
    scene.view.next = 16;
    assert_eq!(scene.count(), 14);
    scene.view.next = 22;
    assert!(scene.why().contains("larger than capacity.lease_tasks"));
    scene.job.terms.minLease = 17;
    scene.view.next = 0;
    assert!(scene.why().contains("larger than capacity.lease_tasks"));
    scene.job.terms.minLease = 5;
    scene.stake = 249;
    assert!(scene.why().contains("does not cover its bond"));
    scene.stake = 250;
    assert_eq!(scene.count(), 5);
}

#[test]
fn the_price_of_a_takeover_climbs_only_while_the_lease_is_free() {
    let mut scene = Scene::new();
    scene.policy.min_price = 147;
    scene.view.next = 40;
    // 147 after the fee is half way up, at 1,050. It was claimed at 1,020 and is free since 1,500.
    scene.claimed(1_020, OTHER, 1, 8);
    scene.freed(1_500, OTHER, IMarket::Reason::Left);
    scene.now = 1_529;
    let at = Some(1_530);
    assert!(matches!(scene.decide(), Decision::Later { at: found, .. } if found == at));
    scene.now = 1_530;
    assert!(matches!(scene.decide(), Decision::Takeover { .. }));
}

#[test]
fn a_private_list_needs_its_owners_word_and_the_markets() {
    let mut scene = Scene::new();
    let list = B256::repeat_byte(1);
    scene.job.terms.providers = list;
    assert!(matches!(scene.decide(), Decision::Skip(_)));
    scene.policy.lists = vec![list];
    assert!(matches!(scene.decide(), Decision::Later { .. }));
    assert!(scene.why().contains("admit()"));
    scene.admitted = true;
    assert_eq!(scene.count(), 16);
    // Of a redundant one nobody is drawn: only for clients that the owner names.
    scene.job.assurance.replicas = 3;
    assert!(scene.why().contains("policy.trusted_clients"));
    let client = scene.job.terms.client;
    scene.policy.trusted_clients = vec![client];
    scene.job.terms.maxLease = 4;
    assert_eq!(scene.decide(), Decision::Seats);
}
