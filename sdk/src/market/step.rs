//! The steps of a job's life, and their sentences.

use alloy::primitives::{Address, B256};

use super::run::Run;
use super::view::{JobView, LeaseView};
use crate::chain::IMarket::{Grade, Reason, SeatEnd, Verdict};
use crate::chain::{EventAt, MarketEvent};
use crate::rules::draw;

/// What can happen to a job. Amounts are units of the market's token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// It was posted, and this much went into escrow.
    Posted {
        /// Units in escrow.
        escrow: u128,
    },
    /// A provider took tasks `[first, first + count)`.
    Leased {
        /// The provider.
        provider: Address,
        /// First task.
        first: u32,
        /// How many.
        count: u32,
        /// Units that one of them is paid.
        price: u128,
        /// 1, or more if others gave the lease up before.
        round: u16,
    },
    /// A provider submitted a lease's result; from now on the client can fetch it.
    Submitted {
        /// The provider.
        provider: Address,
        /// First task.
        first: u32,
        /// How many.
        count: u32,
        /// The result root.
        root: B256,
        /// The point whose seed decides whether it is audited; 0 if it never is.
        point: u64,
    },
    /// The next draw of a lease has another point: of its next round, or of its second jury.
    PointSet {
        /// First task.
        first: u32,
        /// The point.
        point: u64,
    },
    /// A provider reserved a seat of a redundant lease.
    Joined {
        /// The provider.
        provider: Address,
        /// First task.
        first: u32,
        /// How many.
        count: u32,
        /// 1, or more if an earlier round ended without a result.
        round: u16,
    },
    /// A provider committed to its result of a redundant lease.
    Committed {
        /// The provider.
        provider: Address,
        /// First task.
        first: u32,
        /// How many.
        count: u32,
        /// Seats that committed so far.
        commits: usize,
        /// Seats of the lease.
        replicas: u8,
    },
    /// A provider left its seat of a redundant lease.
    SeatLeft {
        /// The provider.
        provider: Address,
        /// First task.
        first: u32,
        /// Units that it lost of its bond.
        burned: u128,
    },
    /// What a seat had committed to is known.
    Opened {
        /// The provider; zero if it is not known.
        provider: Address,
        /// First task of the lease.
        first: u32,
        /// 0 for a seat of the lease, 1 or 2 for a juror's.
        kind: u8,
        /// The result root, or the output digest; zero is an abstention.
        value: B256,
    },
    /// A seat of a redundant lease, or of a jury, ended.
    SeatClosed {
        /// The provider; zero if it is not known.
        provider: Address,
        /// First task of the lease.
        first: u32,
        /// 0 for a seat of the lease, 1 or 2 for a juror's.
        kind: u8,
        /// How.
        end: SeatEnd,
        /// Units that it earned.
        paid: u128,
        /// Units that it lost of its bond.
        burned: u128,
    },
    /// A lease's result is final and paid.
    Settled {
        /// The providers that are paid.
        providers: Vec<Address>,
        /// First task.
        first: u32,
        /// How many.
        count: u32,
        /// How sure the result is.
        grade: Grade,
        /// Units to the providers together.
        paid: u128,
        /// Units to the protocol.
        fee: u128,
        /// Units to nobody.
        burned: u128,
        /// Units back to the client.
        refunded: u128,
    },
    /// A lease has no result for good: its provider was convicted, or its providers did not agree.
    Voided {
        /// First task.
        first: u32,
        /// How many.
        count: u32,
        /// Units of the escrow to nobody.
        burned: u128,
        /// Units back to the client.
        refunded: u128,
        /// Units that the provider lost of its bond.
        slashed: u128,
    },
    /// A round ended without a result; another provider, or other ones, can take the lease.
    Freed {
        /// The provider that held it; zero if it is redundant.
        provider: Address,
        /// First task.
        first: u32,
        /// Why.
        reason: Reason,
        /// Units that were taken from its bond.
        burned: u128,
    },
    /// Tasks will not be run; their escrow went back to the client.
    Refunded {
        /// First task.
        first: u32,
        /// How many.
        count: u32,
        /// Units back to the client.
        units: u128,
    },
    /// Chance had decided on an audit, and the first drawn juror came: a jury runs one task again.
    AuditOpened {
        /// First task of the lease.
        first: u32,
        /// 1, or 2 for the second try.
        jury: u8,
        /// The task.
        task: u32,
        /// Last second of votes.
        commit_by: u64,
    },
    /// A juror took a seat, or committed to its vote.
    Juror {
        /// The provider.
        provider: Address,
        /// First task of the lease.
        first: u32,
        /// Whether it committed.
        committed: bool,
    },
    /// The jury agrees, and only what the accused committed to is missing.
    LeafMissed {
        /// First task of the lease.
        first: u32,
        /// Last second to bring it.
        leaf_by: u64,
    },
    /// A jury came to its verdict, or to none.
    Judged {
        /// First task of the lease.
        first: u32,
        /// 1, or 2 for the second try.
        jury: u8,
        /// The task.
        task: u32,
        /// What it found.
        verdict: Verdict,
    },
    /// The client cancelled: no new leases.
    Cancelled,
    /// The chain was reorganized and this step did not happen after all.
    Undone {
        /// The event's name.
        event: &'static str,
        /// First task, for a lease's event.
        first: Option<u32>,
    },
    /// The node does not answer; it is asked again.
    Stalled {
        /// What it said.
        reason: String,
    },
}

impl Step {
    /// The step that an event is, of a job that stands as `view` after it; none for what is no news.
    pub(super) fn of(run: &Run, at: &EventAt, view: &JobView) -> Option<Self> {
        let lease = at.event.first().and_then(|first| view.leases.get(&first));
        let count = lease.map_or(0, |lease| lease.count);
        Some(match &at.event {
            MarketEvent::Posted(_) => Self::Posted {
                escrow: run.escrow(),
            },
            MarketEvent::Claimed(event) => Self::Leased {
                provider: event.provider,
                first: event.first,
                count: event.count,
                price: event.price,
                round: event.round,
            },
            MarketEvent::Submitted(event) => Self::Submitted {
                provider: event.provider,
                first: event.first,
                count,
                root: event.root,
                point: event.point,
            },
            MarketEvent::Settled(event) => Self::Settled {
                providers: lease.map(LeaseView::paid_to).unwrap_or_default(),
                first: event.first,
                count,
                grade: event.grade,
                paid: event.paid,
                fee: event.fee,
                burned: event.burned,
                refunded: event.refunded,
            },
            MarketEvent::Voided(event) => Self::Voided {
                first: event.first,
                count,
                burned: event.burned,
                refunded: event.refunded,
                slashed: event.slashed,
            },
            MarketEvent::Freed(event) => Self::Freed {
                provider: event.provider,
                first: event.first,
                reason: event.reason,
                burned: event.burned,
            },
            MarketEvent::Refunded(event) => Self::Refunded {
                first: event.first,
                count: event.count,
                units: event.refunded,
            },
            MarketEvent::Cancelled(_) => Self::Cancelled,
            _ => return Self::seated(run, at, view, lease),
        })
    }

    /// The step that an event of a seat or an audit is.
    fn seated(run: &Run, at: &EventAt, view: &JobView, lease: Option<&LeaseView>) -> Option<Self> {
        let count = lease.map_or(0, |lease| lease.count);
        Some(match &at.event {
            MarketEvent::PointSet(event) => Self::PointSet {
                first: event.first,
                point: event.point,
            },
            MarketEvent::Joined(event) => Self::Joined {
                provider: event.provider,
                first: event.first,
                count,
                round: event.round,
            },
            MarketEvent::Committed(event) => Self::Committed {
                provider: event.provider,
                first: event.first,
                count,
                commits: lease.map_or(0, LeaseView::commits),
                replicas: run.job().assurance.replicas,
            },
            MarketEvent::SeatLeft(event) => Self::SeatLeft {
                provider: event.provider,
                first: event.first,
                burned: event.burned,
            },
            MarketEvent::Opened(event) => Self::Opened {
                provider: view.provider_at(event.number).unwrap_or_default(),
                first: event.first,
                kind: event.kind,
                value: event.value,
            },
            MarketEvent::SeatClosed(event) => Self::SeatClosed {
                provider: view.provider_at(event.number).unwrap_or_default(),
                first: event.first,
                kind: event.kind,
                end: event.end,
                paid: event.paid,
                burned: event.burned,
            },
            MarketEvent::AuditOpened(event) => Self::AuditOpened {
                first: event.first,
                jury: event.jury,
                task: event.task,
                commit_by: event.commitBy,
            },
            MarketEvent::JurorJoined(event) => Self::Juror {
                provider: event.provider,
                first: event.first,
                committed: false,
            },
            MarketEvent::VoteCommitted(event) => Self::Juror {
                provider: event.provider,
                first: event.first,
                committed: true,
            },
            MarketEvent::LeafMissed(event) => Self::LeafMissed {
                first: event.first,
                leaf_by: event.leafBy,
            },
            MarketEvent::Judged(event) => Self::Judged {
                first: event.first,
                jury: event.jury,
                task: event.task,
                verdict: event.verdict,
            },
            _ => return None,
        })
    }

    /// Its sentence, with the caller's ways to write an account and an amount.
    pub fn describe(
        &self,
        name: impl Fn(&Address) -> String,
        amount: impl Fn(u128) -> String,
    ) -> String {
        match self {
            Self::Posted { escrow } => format!("posted; {} in escrow", amount(*escrow)),
            Self::Leased {
                provider,
                first,
                count,
                price,
                round,
            } => format!(
                "{} took {} for {} each{}",
                name(provider),
                tasks(*first, *count),
                amount(*price),
                again(*round)
            ),
            Self::Submitted {
                provider,
                first,
                count,
                point,
                ..
            } => {
                let chance = match point {
                    0 => "",
                    _ => "; chance decides whether it is audited",
                };
                format!(
                    "{} submitted {}{chance}",
                    name(provider),
                    tasks(*first, *count)
                )
            }
            Self::Settled {
                providers,
                first,
                count,
                grade,
                paid,
                ..
            } => {
                let names: Vec<String> = providers.iter().map(&name).collect();
                format!(
                    "{} settled ({}): {} to {}",
                    tasks(*first, *count),
                    graded(*grade),
                    amount(*paid),
                    names.join(", ")
                )
            }
            Self::Voided {
                first,
                count,
                burned,
                refunded,
                slashed,
            } => {
                let place = tasks(*first, *count);
                let (burned, refunded) = (amount(*burned), amount(*refunded));
                match slashed {
                    0 => format!(
                        "{place} have no result, for no quorum agrees: {burned} burned, {refunded} back"
                    ),
                    slashed => format!(
                        "{place} have no result, for their provider was convicted and lost {}: {burned} burned, {refunded} back",
                        amount(*slashed)
                    ),
                }
            }
            Self::Freed {
                provider,
                first,
                reason,
                burned,
            } => {
                let lost = match burned {
                    0 => String::new(),
                    burned => format!(", losing {}", amount(*burned)),
                };
                let place = format!("the lease at task {first}");
                match reason {
                    Reason::Late => format!(
                        "{} was late with {place}{lost}; others can take it",
                        name(provider)
                    ),
                    Reason::Left => {
                        format!("{} left {place}{lost}; others can take it", name(provider))
                    }
                    Reason::TooFewCommits => {
                        format!("too few results for {place}; its seats are free again")
                    }
                    Reason::Outage => {
                        format!("nobody opened a result of {place}; its seats are free again")
                    }
                    _ => format!(
                        "too few opened the same result of {place}; its seats are free again"
                    ),
                }
            }
            Self::Refunded {
                first,
                count,
                units,
            } => format!(
                "{} will not be run: {} back",
                tasks(*first, *count),
                amount(*units)
            ),
            Self::Cancelled => "cancelled: no new leases".to_owned(),
            Self::Undone {
                event,
                first: Some(first),
            } => format!("reorg: {event} of the lease at task {first} did not happen"),
            Self::Undone { event, first: None } => format!("reorg: {event} did not happen"),
            Self::Stalled { reason } => {
                format!("the node does not answer, trying again: {reason}")
            }
            seated => seated.describe_seat(name, amount),
        }
    }

    /// The sentence of a step of a seat or an audit.
    fn describe_seat(
        &self,
        name: impl Fn(&Address) -> String,
        amount: impl Fn(u128) -> String,
    ) -> String {
        match self {
            Self::PointSet { first, .. } => {
                format!("the lease at task {first} is drawn from another point")
            }
            Self::Joined {
                provider,
                first,
                count,
                round,
            } => format!(
                "{} took a seat for {}{}",
                name(provider),
                tasks(*first, *count),
                again(*round)
            ),
            Self::Committed {
                provider,
                first,
                count,
                commits,
                replicas,
            } => format!(
                "{} committed to its result of {} ({commits} of {replicas})",
                name(provider),
                tasks(*first, *count)
            ),
            Self::SeatLeft {
                provider,
                first,
                burned,
            } => format!(
                "{} left its seat of the lease at task {first}, losing {}",
                name(provider),
                amount(*burned)
            ),
            Self::Opened {
                provider,
                first,
                kind,
                ..
            } => {
                let what = if *kind == draw::LEASE {
                    "result of"
                } else {
                    "vote on"
                };
                format!(
                    "the {what} the lease at task {first} by {} is open",
                    name(provider)
                )
            }
            Self::SeatClosed {
                provider,
                first,
                kind,
                end,
                paid,
                burned,
            } => {
                let money = match (*paid, *burned) {
                    (0, 0) => "keeps its bond".to_owned(),
                    (0, burned) => format!("lost {} of its bond", amount(burned)),
                    (paid, _) => format!("earned {}", amount(paid)),
                };
                let role = if *kind == draw::LEASE {
                    ""
                } else {
                    " as a juror"
                };
                let place = format!("the lease at task {first}");
                format!(
                    "{} {}{role} of {place}: {money}",
                    name(provider),
                    ended(*end)
                )
            }
            Self::AuditOpened {
                first, jury, task, ..
            } => {
                let which = if *jury == draw::FIRST_JURY {
                    "a"
                } else {
                    "a second"
                };
                format!("{which} jury audits the lease at task {first}: it runs task {task} again")
            }
            Self::Juror {
                provider,
                first,
                committed,
            } => {
                let did = if *committed {
                    "committed to its vote"
                } else {
                    "took a seat"
                };
                format!(
                    "{} {did} in the jury over the lease at task {first}",
                    name(provider)
                )
            }
            Self::LeafMissed { first, .. } => format!(
                "the jury over the lease at task {first} agrees; its provider must show what it committed to"
            ),
            Self::Judged {
                task,
                verdict,
                jury,
                ..
            } => match verdict {
                Verdict::Convicted => format!("the jury convicted the provider of task {task}"),
                Verdict::Acquitted => format!("the jury found nothing wrong with task {task}"),
                _ if *jury == draw::FIRST_JURY => {
                    format!(
                        "the jury came to no verdict about task {task}: a second one can be drawn"
                    )
                }
                _ => format!("the second jury came to no verdict about task {task}"),
            },
            _ => String::new(),
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.describe(Address::to_string, |units| format!("{units} units")))
    }
}

/// `task 3`, `tasks 3..8`.
pub(super) fn tasks(first: u32, count: u32) -> String {
    match count {
        1 => format!("task {first}"),
        _ => format!(
            "tasks {first}..{}",
            first.saturating_add(count).saturating_sub(1)
        ),
    }
}

fn again(round: u16) -> String {
    match round {
        1 => String::new(),
        _ => format!(" (round {round})"),
    }
}

/// How sure a result is, in a word or two.
pub(super) fn graded(grade: Grade) -> &'static str {
    match grade {
        Grade::Contested => "contested",
        Grade::Unaudited => "unaudited",
        Grade::Audited => "audited",
        Grade::Listed => "listed quorum",
        Grade::Quorum => "quorum",
        Grade::Proven => "proven",
        _ => "no grade",
    }
}

/// How a seat ended, in a word or two.
fn ended(end: SeatEnd) -> &'static str {
    match end {
        SeatEnd::Paid => "was of the majority",
        SeatEnd::Outvoted => "was outvoted",
        SeatEnd::Silent => "did not open what it had committed to",
        SeatEnd::Late => "took a seat and committed nothing",
        SeatEnd::Abstained => "abstained",
        SeatEnd::Undecided => "was opened, but nobody agreed,",
        _ => "was released",
    }
}
