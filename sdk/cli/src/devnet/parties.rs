//! Who takes part in a devnet.

use alloy::hex;
use alloy::primitives::Address;
use alloy::signers::local::PrivateKeySigner;
use piecework::devnet::Anvil;
use piecework_executor::Config;
use serde::Serialize;

use crate::fail::Failure;

/// An account and its key, which everybody knows: it is one of anvil's.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) address: Address,
    pub(crate) private_key: String,
}

impl Account {
    pub(crate) fn of(name: &str, key: &PrivateKeySigner) -> Self {
        Self {
            name: name.to_owned(),
            address: key.address(),
            private_key: hex::encode_prefixed(key.to_bytes()),
        }
    }
}

/// A provider whose executor runs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Provider {
    #[serde(flatten)]
    pub(crate) account: Account,
    pub(crate) operator: Address,
    /// Most tasks it takes in one lease.
    pub(crate) lease_tasks: u32,
    /// Where its results are served.
    pub(crate) endpoint: String,
    /// Where its executor says what it does.
    pub(crate) status_url: Option<String>,
}

/// How big a provider's machine plays to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    /// Most containers at the same time.
    pub(crate) tasks: u32,
    /// Most tasks in one lease.
    pub(crate) lease_tasks: u32,
    /// The least that it works for, for each task and after the fee, in the token's smallest unit.
    pub(crate) min_price: u128,
}

impl Shape {
    const fn new(name: &'static str, tasks: u32, lease_tasks: u32) -> Self {
        Self {
            name,
            tasks,
            lease_tasks,
            min_price: 0,
        }
    }

    /// The same machine, which works for no less than this, in hundredths of a token.
    pub(crate) fn working_for(self, cents: u128) -> Self {
        let min_price = cents * (super::TOKEN / 100);
        Self { min_price, ..self }
    }

    /// The same machine, which runs at least so many tasks at a time.
    pub(crate) fn with_room(self, tasks: u32) -> Self {
        let tasks = self.tasks.max(tasks);
        Self { tasks, ..self }
    }

    pub(crate) fn apply(self, config: &mut Config) {
        for chain in &mut config.chains {
            chain.policy.min_price = self.min_price;
        }
        config.capacity.tasks = self.tasks;
        config.capacity.lease_tasks = self.lease_tasks;
        config.capacity.cpu_millis = u64::from(self.tasks) * 1_000;
    }
}

/// The machines of a devnet, from a phone to a data centre. All take the leases of a usual audited job, which have 17 tasks or
/// more if the job has.
const SHAPES: [Shape; 6] = [
    Shape::new("ada", 1, 20),
    Shape::new("blaise", 1, 24),
    Shape::new("carl", 2, 48),
    Shape::new("dora", 1, 18),
    Shape::new("emmy", 2, 64),
    Shape::new("felix", 1, 20),
];

/// The first `count` machines.
pub(crate) fn shapes(count: u32) -> Vec<Shape> {
    SHAPES.into_iter().take(count as usize).collect()
}

/// The keys of all parties.
pub(super) struct Keys {
    pub(super) deployer: PrivateKeySigner,
    pub(super) client: PrivateKeySigner,
    pub(super) fee_recipient: Address,
    /// Each provider's own key, and its operator's.
    pub(super) providers: Vec<(PrivateKeySigner, PrivateKeySigner)>,
}

impl Keys {
    /// How many accounts anvil must fund: one more than have a part.
    pub(super) fn accounts(providers: usize) -> u16 {
        u16::try_from(4 + 2 * providers).unwrap_or(u16::MAX)
    }

    pub(super) fn of(anvil: &Anvil, providers: usize) -> Result<Self, Failure> {
        let key = |index| key(anvil, index);
        let pairs = (0..providers).map(|i| Ok((key(3 + 2 * i)?, key(4 + 2 * i)?)));
        Ok(Self {
            deployer: key(0)?,
            client: key(1)?,
            fee_recipient: key(2)?.address(),
            providers: pairs.collect::<Result<_, Failure>>()?,
        })
    }

    /// The one that has no part.
    pub(super) fn strangers(anvil: &Anvil, providers: usize) -> Result<PrivateKeySigner, Failure> {
        key(anvil, 3 + 2 * providers)
    }
}

fn key(anvil: &Anvil, index: usize) -> Result<PrivateKeySigner, Failure> {
    anvil
        .key(index)
        .ok_or_else(|| Failure::internal(format!("anvil has no account {index}")))
}
