//! What an owner whose database is gone can get back: read from the chain, with the key alone. Nothing is sent, and
//! nothing in the state directory is changed.

use std::{
    collections::HashMap,
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use alloy::{
    primitives::{Address, B256},
    providers::DynProvider,
    signers::local::PrivateKeySigner,
    sol_types::SolEventInterface as _,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use piecework_core::{
    chain::{IMarket, MarketEvent},
    view::{
        StoredEvent,
        lease::Key as LeaseId,
        seat::{Key as SeatId, Vote},
    },
};
use piecework_executor_core::{
    Command, Input, Machine, Now,
    input::{Answer, Question, Topic},
    secret::{self, Secret},
};
use piecework_net::chain::{ChainError, Contract};
use tokio::sync::{Mutex as AsyncMutex, mpsc};

use super::{
    OwnerError,
    table::{DUTY, OWED, duty, owed, section, span},
};
use crate::{
    ChainConfig, Config, Error, LeaseStatus, ObligationStatus,
    chain::{Reached, operator_key, reach},
    clock::{ChainClock, local_now},
    follow::{Feed, Follow, Link},
    shell::{Loading, is_sent_by_us},
    start::settings,
    state::{CHAINS, SECRET, read_secret},
    store::{Lock, Store, copy},
};

/// Questions to the node at the same time.
const AT_ONCE: usize = 8;
/// The machine has heard all that it asks for long before so many rounds of answers.
const MOST_ROUNDS: usize = 64;
/// Attempts to read a chain. The second one reads from the first block if a reorganization made the backup useless.
const ATTEMPTS: usize = 3;

/// Whether the file `salt-secret` can open what was committed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretFit {
    /// It is not there, or damaged.
    Absent,
    /// It is there. No vote that this key committed to was opened yet, so nothing tells whose it is.
    Untested,
    /// So many votes that it hid were opened.
    Fits(u32),
    /// It hid none of so many votes that were opened: it is another one.
    Differs(u32),
}

impl SecretFit {
    /// Whether commitments cannot be opened with it.
    #[must_use]
    pub fn is_lost(self) -> bool {
        matches!(self, Self::Absent | Self::Differs(_))
    }
}

/// Whether a duty can still gain or lose something. What is over waits here only to be final, or for its outputs to be served.
fn is_unfinished(duty: &LeaseStatus) -> bool {
    !matches!(&*duty.phase, "settled" | "lost" | "released" | "absent")
}

/// What the chain says of the duties of one key.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// The chain's name.
    pub name: String,
    /// Chain id.
    pub chain_id: u64,
    /// The market contract.
    pub market: Address,
    /// Height of the newest block.
    pub head: u64,
    /// The chain's time.
    pub time: u64,
    /// Whether a database was there to begin with. It was copied, and the chain was read from where it ends.
    pub has_database: bool,
    /// Where the secret of salts should be.
    pub secret_file: PathBuf,
    /// Whether it fits.
    pub secret: SecretFit,
    /// Leases and seats that are not over.
    pub duties: Vec<LeaseStatus>,
    /// What is owed for them, the soonest first.
    pub owed: Vec<ObligationStatus>,
}

impl Recovered {
    /// The seats whose vote is committed to, and not opened.
    fn sealed(&self) -> impl Iterator<Item = &LeaseStatus> {
        let is_sealed = |duty: &&LeaseStatus| matches!(&*duty.phase, "committed" | "opening");
        self.duties.iter().filter(is_sealed)
    }

    /// Stake that no restart gets back: votes that cannot be opened, and deadlines that are over.
    #[must_use]
    pub fn lost(&self) -> u128 {
        let cannot_open = |owed: &&ObligationStatus| {
            let of = |duty: &LeaseStatus| {
                (duty.job, duty.first, duty.round, duty.kind)
                    == (owed.job, owed.first, owed.round, owed.kind)
            };
            self.secret.is_lost() && self.sealed().any(of)
        };
        let lost = self
            .owed
            .iter()
            .filter(|owed| owed.until < self.time || cannot_open(owed));
        lost.fold(0, |sum, owed| sum.saturating_add(owed.at_stake))
    }

    /// What an owner reads.
    fn text(&self, state_dir: &Path) -> String {
        let Self {
            name,
            chain_id,
            market,
            head,
            time,
            ..
        } = self;
        let dir = state_dir.join(CHAINS).join(name);
        let database = match self.has_database {
            true => format!("{} was copied, and read on from its end", dir.display()),
            false => format!(
                "none in {}: the chain was read from its first block",
                dir.display()
            ),
        };
        let file = self.secret_file.display();
        let secret = match self.secret {
            SecretFit::Absent => format!("{file} is not there, or damaged"),
            SecretFit::Untested => {
                format!(
                    "{file} is there; no vote of this key was opened yet that would prove it right"
                )
            }
            SecretFit::Fits(votes) => format!("{file} fits: it hid {votes} votes that were opened"),
            SecretFit::Differs(votes) => {
                format!("{file} is another one: it hid none of {votes} votes that were opened")
            }
        };
        // Writing to a string does not fail.
        let mut text = format!(
            "\n{name}, chain id {chain_id}, market {market}\n  head     block {head}\n  database {database}\n  secret   {secret}\n"
        );
        let duties = self.duties.iter().map(|it| duty(it, *time));
        section(&mut text, "duties", &DUTY, duties);
        let obligations = self.owed.iter().map(|it| owed(it, *time));
        section(&mut text, "owed", &OWED, obligations);
        let _ = writeln!(text, "  next     {}", self.next().join("\n           "));
        text
    }

    fn next(&self) -> Vec<String> {
        if self.duties.is_empty() {
            return vec![
                "nothing is unfinished: start with `piecework-executor run`, also on an empty state_dir".to_owned(),
            ];
        }
        let mut next = Vec::new();
        let sealed = self.sealed().count();
        if self.secret.is_lost() && sealed > 0 {
            next.push(format!(
                "{sealed} votes were committed to and cannot be opened without the right salt-secret: find it (a backup has \
                 it), and put it at {} before you run: otherwise a new one is made there",
                self.secret_file.display()
            ));
        }
        let in_time = |owed: &&ObligationStatus| owed.until >= self.time;
        if let Some(first) = self.owed.iter().find(in_time) {
            next.push(format!(
                "start `piecework-executor run` within {}, with this key and state_dir: it finds these duties by the chain, \
                 runs their tasks again, and finishes them",
                span(first.until.saturating_sub(self.time))
            ));
        } else {
            next.push(
                "start `piecework-executor run`, with this key and state_dir: it sees these duties to their end".to_owned(),
            );
        }
        let lost = self.lost();
        if lost > 0 {
            next.push(format!("lost as it is now: {lost}"));
        }
        next
    }
}

/// What of all chains can be got back, for a terminal.
pub(super) fn report(recovered: &[Recovered], state_dir: &Path) -> String {
    let mut text = "What the chains say of this key. Nothing was sent, and no file was changed. Leases and seats that other \
                    keys took for the provider are not here.\n"
        .to_owned();
    for chain in recovered {
        text.push_str(&chain.text(state_dir));
    }
    text
}

/// Reads every chain of a configuration, as an executor would that starts without its state, and says what it finds.
/// The state directory need not exist. A database that is there is copied, and may be in use.
///
/// # Errors
/// [`Error::Key`], [`Error::NotOperator`], [`Error::Chain`], [`Error::Store`], and [`OwnerError::NotRead`].
pub async fn recover(config: &Config) -> Result<Vec<Recovered>, Error> {
    let mut recovered = Vec::new();
    for chain in &config.chains {
        let found = Box::pin(recover_chain(config, chain)).await;
        recovered.push(found.map_err(|error| error.of_chain(&chain.name))?);
    }
    Ok(recovered)
}

async fn recover_chain(config: &Config, chain: &ChainConfig) -> Result<Recovered, Error> {
    let signer = operator_key(chain).await?;
    let Reached { rpc, times, .. } = reach(chain, &signer).await?;
    let io = |source| Error::Io {
        path: std::env::temp_dir(),
        source,
    };
    let scratch = tempfile::tempdir().map_err(io)?;
    let lock = Lock::take(scratch.path())?;
    let home = scratch.path().join("chain");
    std::fs::create_dir(&home).map_err(io)?;
    let has_database = copy(&config.state_dir.join(CHAINS).join(&chain.name), &home)?;
    let store = Store::open(&lock, &home, chain.chain_id, chain.market)?;
    store.put_times(&times).await?;

    let secret_file = config.state_dir.join(SECRET);
    let secret = read_secret(&secret_file).unwrap_or_else(|error| {
        tracing::warn!(%error, "the secret of salts cannot be read");
        None
    });
    let reader = Reader {
        config: chain,
        signer,
        rpc,
        store,
        clock: ChainClock::default(),
    };
    reader.read_chain().await?;
    let loading = Loading {
        store: &reader.store,
        provider: chain.provider,
        market: chain.market,
        chain_id: chain.chain_id,
        // What it would hide with any other one is never sent.
        secret: secret.unwrap_or_else(|| Secret::new(rand::random::<[u8; 32]>().into())),
        settings: &settings(chain, config),
        times,
    };
    let machine = reader.machine(loading).await?;
    let fit = reader.fit(secret).await?;
    Ok(Recovered {
        name: chain.name.clone(),
        chain_id: chain.chain_id,
        market: chain.market,
        head: machine.head().map_or(0, |head| head.number),
        time: reader.time(&machine),
        has_database,
        secret_file,
        secret: fit,
        duties: machine
            .duties()
            .into_iter()
            .map(LeaseStatus::from)
            .filter(is_unfinished)
            .collect(),
        owed: machine
            .obligations()
            .into_iter()
            .map(ObligationStatus::from)
            .collect(),
    })
}

/// Reads one chain.
struct Reader<'a> {
    config: &'a ChainConfig,
    signer: PrivateKeySigner,
    rpc: DynProvider,
    store: Store,
    clock: ChainClock,
}

impl Reader<'_> {
    /// Follows the chain to its end, into the store.
    async fn read_chain(&self) -> Result<(), Error> {
        let mut why = String::new();
        for _ in 0..ATTEMPTS {
            let (inbox, mut inputs) = mpsc::unbounded_channel();
            let (feed, receipts) = Feed::new(inbox);
            let follow = Follow {
                rpc: self.rpc.clone(),
                chain_id: self.config.chain_id,
                market: self.config.market,
                timing: self.config.timing.clone(),
                on_demand: self.config.is_devnet(),
                store: self.store.clone(),
                clock: self.clock.clone(),
                link: Link::default(),
                feed,
                receipts: Arc::new(AsyncMutex::new(receipts)),
            };
            let at_its_end = async {
                while let Some(input) = inputs.recv().await {
                    match input {
                        Input::Synced => break,
                        Input::Block { head, .. } => {
                            tracing::debug!(block = head.number, "read");
                        }
                        _ => {}
                    }
                }
            };
            tokio::select! {
                ended = follow.run() => match ended {
                    Ok(never) => match never {},
                    Err(error) => why = error.to_string(),
                },
                () = at_its_end => return Ok(()),
            }
        }
        Err(OwnerError::NotRead { why }.into())
    }

    fn time(&self, machine: &Machine) -> u64 {
        let head = machine.head().map_or(0, |head| head.time);
        let local = match self.config.is_devnet() {
            true => 0,
            false => local_now(),
        };
        self.clock.now().max(head).max(local)
    }

    /// Loads a machine, and answers what it asks about its own until it knows. Nothing else that it wants is done.
    async fn machine(&self, loading: Loading<'_>) -> Result<Machine, Error> {
        let mut machine = loading.machine();
        let memory = loading.memory().await?;
        let now = Now {
            time: self.clock.now().max(memory.time),
            local: 0,
        };
        let mut inputs = memory.inputs;
        // Seats end by number. A machine that takes no work would not ask for its own.
        let me = self.state_of(self.config.provider).await?;
        inputs.push(Input::Answer(Answer::Stake {
            total: me.stake,
            free: me.free,
            number: me.number,
        }));
        for _ in 0..MOST_ROUNDS {
            // All capacity counts as taken, so the machine looks for no new work.
            let commands = machine.step(now, loading.settings.total, std::mem::take(&mut inputs));
            let questions = commands.into_iter().filter_map(|command| match command {
                Command::Ask {
                    question: Question::Plain(topic @ (Topic::Owner(_) | Topic::Number(_))),
                    ..
                } => Some(topic),
                _ => None,
            });
            let answers: Vec<Answer> = stream::iter(questions)
                .map(|topic| self.answer(topic))
                .buffered(AT_ONCE)
                .try_collect()
                .await?;
            if answers.is_empty() {
                break;
            }
            inputs = answers.into_iter().map(Input::Answer).collect();
        }
        Ok(machine)
    }

    async fn answer(&self, topic: Topic) -> Result<Answer, Error> {
        match topic {
            Topic::Owner(tx) => Ok(Answer::Owner {
                tx,
                ours: self.is_ours(tx).await?,
            }),
            Topic::Number(provider) => Ok(Answer::Number {
                provider,
                number: self.state_of(provider).await?.number,
            }),
            other => Ok(Answer::Silence(other)),
        }
    }

    /// Whether this key sent a transaction, or one that the database knows.
    async fn is_ours(&self, tx: B256) -> Result<bool, Error> {
        if self.store.intent_of_tx(tx).await?.is_some() {
            return Ok(true);
        }
        let sent = is_sent_by_us(&self.store, &self.rpc, self.signer.address(), tx).await?;
        let unknown = || OwnerError::NotRead {
            why: format!(
                "the node does not know transaction {tx} any longer, so it cannot tell whose work that is: ask a node that \
                 keeps all transactions"
            ),
        };
        Ok(sent.ok_or_else(unknown)?)
    }

    async fn state_of(&self, provider: Address) -> Result<IMarket::ProviderState, Error> {
        let market = Contract::new(self.config.market, &self.rpc);
        let state = market
            .ask(IMarket::providerOfCall { provider })
            .call()
            .await;
        Ok(state.map_err(|error| ChainError::from_contract("providerOf", error))?)
    }

    /// Compares a secret with the votes of this key that were opened: commitment and vote tell what hid it.
    async fn fit(&self, secret: Option<Secret>) -> Result<SecretFit, Error> {
        let Some(secret) = secret else {
            return Ok(SecretFit::Absent);
        };
        let number = self.state_of(self.config.provider).await?.number;
        let opened = opened(&self.store.events().await?, self.config.provider, number);
        let (mut fits, mut others) = (0u32, 0u32);
        for Opened {
            seat,
            vote,
            commitment,
            tx,
        } in opened
        {
            let round = secret::round(self.config.chain_id, self.config.market, seat);
            let salt = secret.salt(&round, seat.kind, vote);
            let opening = secret::opening(number, vote, salt);
            if round.commitment(seat.kind, &opening) == commitment {
                fits = fits.saturating_add(1);
            } else if self.is_ours(tx).await? {
                // Another machine of the provider has another secret, and another key.
                others = others.saturating_add(1);
            }
        }
        Ok(match (fits, others) {
            (0, 0) => SecretFit::Untested,
            (0, votes) => SecretFit::Differs(votes),
            (votes, _) => SecretFit::Fits(votes),
        })
    }
}

/// A vote that a provider committed to and opened.
struct Opened {
    seat: SeatId,
    vote: Vote,
    commitment: B256,
    /// The transaction that committed to it.
    tx: B256,
}

fn opened(events: &[StoredEvent], provider: Address, number: u32) -> Vec<Opened> {
    let seat = |job, first, round, kind| SeatId {
        lease: LeaseId { job, first, round },
        kind,
    };
    let mut committed: HashMap<SeatId, (B256, B256)> = HashMap::new();
    let mut opened = Vec::new();
    for at in events {
        match MarketEvent::decode_raw_log(at.log.topics(), &at.log.data) {
            Ok(MarketEvent::Committed(it)) if it.provider == provider => {
                let seat = seat(it.jobId, it.first, it.round, 0);
                committed.insert(seat, (it.commitment, at.tx));
            }
            Ok(MarketEvent::VoteCommitted(it)) if it.provider == provider => {
                let seat = seat(it.jobId, it.first, it.round, it.jury);
                committed.insert(seat, (it.commitment, at.tx));
            }
            Ok(MarketEvent::Opened(it)) if it.number == number => {
                let seat = seat(it.jobId, it.first, it.round, it.kind);
                if let Some((commitment, tx)) = committed.get(&seat) {
                    opened.push(Opened {
                        seat,
                        vote: Vote {
                            value: it.value,
                            proof: it.proof,
                        },
                        commitment: *commitment,
                        tx: *tx,
                    });
                }
            }
            _ => {}
        }
    }
    opened
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn what_cannot_be_got_back_is_named_with_what_to_do() {
        let job = B256::repeat_byte(0x12);
        let duty = |first, phase: &'static str| LeaseStatus {
            job,
            first,
            count: 4,
            round: 1,
            kind: 0,
            phase: phase.into(),
            tasks_done: 0,
            deadline: 1_060,
        };
        let owed = |first, until, at_stake| ObligationStatus {
            job,
            first,
            round: 1,
            kind: 0,
            until,
            at_stake,
        };
        let mut it = Recovered {
            name: "l2".to_owned(),
            chain_id: 10,
            market: Address::repeat_byte(1),
            head: 7,
            time: 1_000,
            has_database: false,
            secret_file: "/state/salt-secret".into(),
            secret: SecretFit::Absent,
            duties: vec![duty(0, "running"), duty(4, "committed"), duty(8, "running")],
            owed: vec![owed(8, 999, 1), owed(0, 1_060, 20), owed(4, 1_090, 300)],
        };
        assert_eq!(it.lost(), 301);
        let text = it.text(Path::new("/state"));
        let expected = "
l2, chain id 10, market 0x0101010101010101010101010101010101010101
  head     block 7
  database none in /state/chains/l2: the chain was read from its first block
  secret   /state/salt-secret is not there, or damaged
  duties
    JOB          FIRST  COUNT  ROUND  KIND   PHASE      DONE  TIME LEFT
    0x12121212…  0      4      1      lease  running    0/4   1 min 0 s
    0x12121212…  4      4      1      lease  committed  0/4   1 min 0 s
    0x12121212…  8      4      1      lease  running    0/4   1 min 0 s
  owed
    JOB          FIRST  ROUND  KIND   TIME LEFT       OTHERWISE LOST
    0x12121212…  8      1      lease  over since 1 s  1
    0x12121212…  0      1      lease  1 min 0 s       20
    0x12121212…  4      1      lease  1 min 30 s      300
  next     1 votes were committed to and cannot be opened without the right salt-secret: find it (a backup has it), and put it \
                        at /state/salt-secret before you run: otherwise a new one is made there
           start `piecework-executor run` within 1 min 0 s, with this key and state_dir: it finds these duties by the chain, \
                        runs their tasks again, and finishes them
           lost as it is now: 301
";
        assert_eq!(text, expected);
        it.secret = SecretFit::Differs(2);
        assert_eq!(it.lost(), 301);
        it.secret = SecretFit::Fits(2);
        assert_eq!(it.lost(), 1);
        assert_eq!(it.next().len(), 2);
        it.duties.clear();
        it.owed.clear();
        assert!(it.next()[0].starts_with("nothing is unfinished"));
    }
}
