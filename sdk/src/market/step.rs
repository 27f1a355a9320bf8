//! The steps of a job's life, and their sentences.

use alloy::primitives::{Address, B256};

use super::run::Run;
use super::view::{JobView, LeaseView};
use crate::chain::IMarket::{How, Reason, SeatEnd, Verdict};
use crate::chain::{EventAt, MarketEvent};

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
        /// Who.
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
    /// A provider submitted a lease's result; from now on it can be fetched.
    Submitted {
        /// Who.
        provider: Address,
        /// First task.
        first: u32,
        /// How many.
        count: u32,
        /// The result root.
        root: B256,
    },
    /// The draw of a redundant job's seats has its seed: providers can take them.
    Sealed,
    /// A provider reserved a seat of a redundant lease.
    Joined {
        /// Who.
        provider: Address,
        /// First task.
        first: u32,
        /// How many.
        count: u32,
        /// 1, or more if a round had too few commitments.
        round: u16,
    },
    /// A provider committed to its result of a redundant lease.
    Committed {
        /// Who.
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
    /// A provider revealed the result that it had committed to.
    Revealed {
        /// Who.
        provider: Address,
        /// First task.
        first: u32,
        /// How many.
        count: u32,
        /// The result root.
        root: B256,
    },
    /// A seat of a redundant lease, or of a jury, ended.
    SeatClosed {
        /// Whose; zero if that is not known.
        provider: Address,
        /// First task of the lease.
        first: u32,
        /// 0 for a seat of the lease, else the number of the challenge.
        challenge: u8,
        /// How.
        end: SeatEnd,
        /// Units that it earned.
        paid: u128,
        /// Units that it lost of its bond.
        burned: u128,
    },
    /// A lease's result is final and paid.
    Settled {
        /// Who is paid.
        providers: Vec<Address>,
        /// First task.
        first: u32,
        /// How many.
        count: u32,
        /// How it became final.
        how: How,
        /// Units to the providers together.
        paid: u128,
        /// Units to the protocol.
        fee: u128,
        /// Units back to the client.
        refunded: u128,
    },
    /// A round ended without a result; another provider, or other ones, can take the lease.
    Freed {
        /// Who held it; zero if redundant.
        provider: Address,
        /// First task.
        first: u32,
        /// Why.
        reason: Reason,
        /// Units that were taken from bonds.
        burned: u128,
    },
    /// Tasks will not be run, or had no quorum; their escrow went back to the client.
    Refunded {
        /// First task.
        first: u32,
        /// How many.
        count: u32,
        /// Units back to the client.
        units: u128,
    },
    /// The output of a task is contested: a jury will run it again.
    Challenged {
        /// By whom.
        challenger: Address,
        /// First task of the lease.
        first: u32,
        /// The task.
        task: u32,
        /// Units that were put down.
        deposit: u128,
    },
    /// A juror took a seat, committed, or revealed.
    Juror {
        /// Who.
        provider: Address,
        /// First task of the lease.
        first: u32,
        /// What it did.
        did: &'static str,
    },
    /// The challenger revealed the digest that it holds for right.
    Answered {
        /// First task of the lease.
        first: u32,
        /// The digest.
        digest: B256,
    },
    /// A jury came to its verdict, or to none.
    Judged {
        /// First task of the lease.
        first: u32,
        /// The contested task.
        task: u32,
        /// What it found.
        verdict: Verdict,
        /// Units that the challenger won.
        reward: u128,
        /// Units that were burned.
        burned: u128,
    },
    /// Somebody demands all output digests of a lease.
    Demanded {
        /// Who.
        demander: Address,
        /// First task of the lease.
        first: u32,
    },
    /// The provider answered a demand.
    Responded {
        /// Who.
        provider: Address,
        /// First task of the lease.
        first: u32,
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
            },
            MarketEvent::Sealed(_) => Self::Sealed,
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
                replicas: run.job().terms.replicas,
            },
            MarketEvent::Revealed(event) => Self::Revealed {
                provider: event.provider,
                first: event.first,
                count,
                root: event.root,
            },
            MarketEvent::SeatClosed(event) => Self::SeatClosed {
                provider: view.provider_at(event.number).unwrap_or_default(),
                first: event.first,
                challenge: event.challenge,
                end: event.end,
                paid: event.paid,
                burned: event.burned,
            },
            MarketEvent::Settled(event) => Self::Settled {
                providers: lease.map(LeaseView::paid_to).unwrap_or_default(),
                first: event.first,
                count,
                how: event.how,
                paid: event.paid,
                fee: event.fee,
                refunded: event.refunded,
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
            _ => return Self::contested(at, lease),
        })
    }

    /// The step that an event of a dispute or a demand is.
    fn contested(at: &EventAt, lease: Option<&LeaseView>) -> Option<Self> {
        let juror = |provider, first, did| Self::Juror {
            provider,
            first,
            did,
        };
        Some(match &at.event {
            MarketEvent::Challenged(event) => Self::Challenged {
                challenger: event.challenger,
                first: event.first,
                task: event.task,
                deposit: event.deposit,
            },
            MarketEvent::JurorJoined(e) => juror(e.provider, e.first, "took a seat"),
            MarketEvent::VoteCommitted(e) => juror(e.provider, e.first, "committed to its vote"),
            MarketEvent::VoteRevealed(e) => juror(e.provider, e.first, "revealed its vote"),
            MarketEvent::AnswerRevealed(event) => Self::Answered {
                first: event.first,
                digest: event.digest,
            },
            MarketEvent::Judged(event) => Self::Judged {
                first: event.first,
                task: lease
                    .and_then(|lease| lease.dispute.as_ref())
                    .map_or(event.first, |dispute| dispute.task),
                verdict: event.verdict,
                reward: event.reward,
                burned: event.burned,
            },
            MarketEvent::DemandMade(event) => Self::Demanded {
                demander: event.demander,
                first: event.first,
            },
            MarketEvent::Responded(event) => Self::Responded {
                provider: event.provider,
                first: event.first,
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
                ..
            } => format!("{} submitted {}", name(provider), tasks(*first, *count)),
            Self::Sealed => "seats are being drawn".to_owned(),
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
            Self::Revealed {
                provider,
                first,
                count,
                ..
            } => format!(
                "{} revealed its result of {}",
                name(provider),
                tasks(*first, *count)
            ),
            Self::SeatClosed {
                provider,
                first,
                challenge,
                end,
                paid,
                burned,
            } => {
                let money = match (*paid, *burned) {
                    (0, 0) => "keeps its bond".to_owned(),
                    (0, burned) => format!("lost {} of its bond", amount(burned)),
                    (paid, _) => format!("earned {}", amount(paid)),
                };
                let role = if *challenge == 0 { "" } else { " as a juror" };
                let place = format!("the lease at task {first}");
                format!(
                    "{} {}{role} of {place}: {money}",
                    name(provider),
                    ended(*end)
                )
            }
            Self::Settled {
                providers,
                first,
                count,
                paid,
                ..
            } => {
                let names: Vec<String> = providers.iter().map(&name).collect();
                format!(
                    "{} settled: {} to {}",
                    tasks(*first, *count),
                    amount(*paid),
                    names.join(", ")
                )
            }
            Self::Freed {
                provider,
                first,
                reason,
                burned,
            } => {
                let lost = if *burned > 0 {
                    format!(", losing {}", amount(*burned))
                } else {
                    String::new()
                };
                match reason {
                    Reason::TooFewCommits => format!(
                        "too few results for the lease at task {first}{lost}; its seats are drawn again"
                    ),
                    reason => format!(
                        "{} {} the lease at task {first}{lost}; others can take it",
                        name(provider),
                        left(*reason)
                    ),
                }
            }
            Self::Refunded {
                first,
                count,
                units,
            } => format!(
                "{} will have no result: {} back",
                tasks(*first, *count),
                amount(*units)
            ),
            Self::Challenged {
                challenger,
                task,
                deposit,
                ..
            } => format!(
                "{} contests the output of task {task} with {}: a jury will run it again",
                name(challenger),
                amount(*deposit)
            ),
            Self::Juror {
                provider,
                first,
                did,
            } => format!(
                "{} {did} in the jury over the lease at task {first}",
                name(provider)
            ),
            Self::Answered { first, .. } => {
                format!("the challenger of the lease at task {first} revealed its answer")
            }
            Self::Judged {
                task,
                verdict,
                reward,
                burned,
                ..
            } => format!(
                "the jury {} task {task}: {} to the challenger, {} burned",
                match verdict {
                    Verdict::ProviderWrong => "found the provider wrong about",
                    Verdict::ProviderRight => "found nothing wrong with",
                    _ => "came to no verdict about",
                },
                amount(*reward),
                amount(*burned)
            ),
            Self::Demanded { demander, first } => format!(
                "{} demands all output digests of the lease at task {first}",
                name(demander)
            ),
            Self::Responded { provider, first } => format!(
                "{} showed all output digests of the lease at task {first}",
                name(provider)
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

fn left(reason: Reason) -> &'static str {
    match reason {
        Reason::Expired => "was late with",
        Reason::LostJury => "was found wrong about",
        Reason::Withheld => "withheld the digests of",
        _ => "left",
    }
}

/// How a seat ended, in a word or two.
fn ended(end: SeatEnd) -> &'static str {
    match end {
        SeatEnd::Paid => "was of the majority",
        SeatEnd::Outvoted => "was outvoted",
        SeatEnd::Silent => "withheld what it had to reveal",
        SeatEnd::Late => "was late with its result",
        SeatEnd::Undecided => "revealed, but no quorum agreed,",
        _ => "was released",
    }
}
