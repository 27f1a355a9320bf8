//! The command line: every command and every flag.

use std::path::PathBuf;
use std::str::FromStr;

use alloy::primitives::{Address, B256};
use clap::{Args, Parser, Subcommand, ValueEnum};
use url::Url;

use crate::amount::Amount;
use crate::assured::{Percent, Replicas};

/// Run container jobs on a Piecework market
///
/// stdout is the result and nothing else; progress and problems go to stderr.
#[derive(Debug, Parser)]
#[command(
    name = "piecework",
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    after_long_help = "\
Without --rpc-url and --market, commands talk to the devnet that runs on this machine.

Exit codes: 0 done; 1 error; 2 wrong usage; 3 the job ended, but tasks failed; 130 interrupted

Examples:
  piecework devnet
  piecework run alpine:3.20 -- echo hello
  piecework map render:v1 --tasks 48 --input ./scene --out ./out"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command accepts.
#[derive(Clone, Debug, Args)]
pub(crate) struct Globals {
    /// Print the result as JSON; errors too, to stderr
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,
    /// JSON-RPC endpoint of the chain
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "PIECEWORK_RPC_URL",
        help_heading = "Global options"
    )]
    pub(crate) rpc_url: Option<String>,
    /// Address of the market contract
    #[arg(
        long,
        global = true,
        value_name = "ADDRESS",
        env = "PIECEWORK_MARKET",
        help_heading = "Global options"
    )]
    pub(crate) market: Option<Address>,
    /// File that describes the market's deployment, as `piecework market deploy` writes it: its address, chain and first block
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "PIECEWORK_DEPLOYMENT",
        help_heading = "Global options"
    )]
    pub(crate) deployment: Option<PathBuf>,
    /// Refuse any other chain than this
    #[arg(
        long,
        global = true,
        value_name = "ID",
        env = "PIECEWORK_CHAIN_ID",
        help_heading = "Global options"
    )]
    pub(crate) chain_id: Option<u64>,
    /// Keystore file of the account that signs. A raw key is read from PIECEWORK_PRIVATE_KEY only:
    /// on a command line every user of the machine could read it
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "PIECEWORK_KEYSTORE",
        help_heading = "Global options"
    )]
    pub(crate) keystore: Option<PathBuf>,
    /// File whose first line is the keystore's password; asked for on a terminal otherwise
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "PIECEWORK_PASSWORD_FILE",
        help_heading = "Global options"
    )]
    pub(crate) password_file: Option<PathBuf>,
    /// Log more (-v, -vv); RUST_LOG wins
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a chain, a market and providers on this machine, until Ctrl-C
    Devnet(DevnetArgs),
    /// Run one container and print its output
    Run(RunArgs),
    /// Run an array of containers that differ by their index
    Map(MapArgs),
    /// Look at jobs, fetch their results, end them
    #[command(subcommand)]
    Job(JobCommand),
    /// Say why a lease ended as it did, whether it was audited, and who lost what by which rule, from chain data alone
    #[command(
        after_help = "Examples:\n  piecework explain 0x5f…\n  piecework explain 0x5f… --lease 12 --json"
    )]
    Explain {
        /// The job's id
        id: B256,
        /// First task of the lease; all leases otherwise
        #[arg(long, value_name = "TASK")]
        lease: Option<u32>,
    },
    /// Say whether the market would let a provider take a lease, a seat or a juror's seat, from when, and for how much. Sends nothing
    #[command(subcommand)]
    Predict(PredictCommand),
    /// Keys, and an account's balance in the market
    #[command(subcommand)]
    Wallet(WalletCommand),
    /// Stake and operators of a provider
    #[command(subcommand)]
    Provider(ProviderCommand),
    /// Deploy a market at addresses that follow from its terms, and compare a deployed one with its code
    #[command(subcommand)]
    Market(MarketCommand),
    /// Render a picture on a devnet where one provider cheats, and account for every unit
    Demo(DemoArgs),
    /// Measure a lease's overhead against a bare `docker run`
    Bench(BenchArgs),
    /// Print a shell's completion script
    #[command(
        after_help = "Example:\n  piecework completions bash > /etc/bash_completion.d/piecework"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  piecework devnet
  piecework devnet --executors 1 --port 8545
  piecework devnet --beacon drand
  piecework devnet --json | jq .market")]
pub(crate) struct DevnetArgs {
    /// Providers, each with its own executor and capacity. An audit needs three beside the one that is audited
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=6), value_name = "N")]
    pub(crate) executors: u32,
    /// Port of the chain's RPC on 127.0.0.1; 0 for a free one
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
    /// Where the seeds of draws come from: hashes of later blocks, or rounds of drand, which a signer plays on this machine
    #[arg(long, value_enum, default_value_t = BeaconArg::Block)]
    pub(crate) beacon: BeaconArg,
    #[command(flatten)]
    pub(crate) tools: ToolArgs,
}

/// Where a devnet's seeds come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BeaconArg {
    Block,
    Drand,
}

/// The programs that a devnet is made of.
#[derive(Clone, Debug, Args)]
pub(crate) struct ToolArgs {
    /// The anvil program; found in node_modules or on the PATH otherwise
    #[arg(long, value_name = "FILE", env = "PIECEWORK_ANVIL")]
    pub(crate) anvil: Option<PathBuf>,
    /// Deploy this code instead of the Solidity market, such as the ink! contract's blob where the chain is pallet-revive
    #[arg(long, value_name = "FILE", env = "PIECEWORK_MARKET_CODE")]
    pub(crate) market_code: Option<PathBuf>,
    /// The container engine's socket
    #[arg(
        long,
        value_name = "URL",
        env = "DOCKER_HOST",
        default_value = "unix:///var/run/docker.sock"
    )]
    pub(crate) docker: String,
}

/// What a job costs and needs.
#[derive(Clone, Debug, Args)]
pub(crate) struct JobArgs {
    /// Directory that each container sees read-only as /in
    #[arg(long, value_name = "DIR")]
    pub(crate) input: Option<PathBuf>,
    /// Where results are written: a directory for each task
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Most that is paid for one task, in tokens
    #[arg(long, value_name = "TOKENS", default_value = "1")]
    pub(crate) max_price: Amount,
    /// Environment variable of the containers; may be repeated
    #[arg(long, short, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// Processor, in thousandths of a core
    #[arg(long, value_name = "MILLIS")]
    pub(crate) cpu: Option<u32>,
    /// Memory, in MiB
    #[arg(long, value_name = "MIB")]
    pub(crate) memory: Option<u64>,
    /// Disk for outputs, in MiB
    #[arg(long, value_name = "MIB")]
    pub(crate) disk: Option<u64>,
    /// Seconds that one task may run
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<u64>,
    /// Fewest tasks in one lease; with audits half of the default --max-lease, 1 otherwise
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) min_lease: Option<u32>,
    /// Most tasks in one lease; with audits as many as 25 jury fees would buy, 3 with --redundant, 64 otherwise
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_lease: Option<u32>,
    #[command(flatten)]
    pub(crate) assurance: AssuranceArgs,
    /// Return as soon as the job is posted
    #[arg(long)]
    pub(crate) detach: bool,
    /// Say what posting the job would take, and what leases of it would cost; post nothing
    #[arg(long, conflicts_with = "detach")]
    pub(crate) dry_run: bool,
}

/// How results are checked: chance has each lease audited or not, unless these say otherwise.
#[derive(Clone, Debug, Args)]
pub(crate) struct AssuranceArgs {
    /// Chance that a submitted lease is audited: three drawn providers run one of its tasks again. 50 otherwise
    #[arg(long, value_name = "PERCENT", group = "assured")]
    pub(crate) audit_rate: Option<Percent>,
    /// Pay results as they are
    #[arg(long, group = "assured")]
    pub(crate) unaudited: bool,
    /// Have each lease run by N providers, which the chain draws, until Q agree, such as 3/2; costs N times as much
    #[arg(long, value_name = "N/Q", group = "assured")]
    pub(crate) redundant: Option<Replicas>,
    /// Contract that decides the proofs with which results come
    #[arg(long, value_name = "ADDRESS", group = "assured")]
    pub(crate) proven_by: Option<Address>,
    /// Get the price back, instead of having it burned, if three jurors agree that a provider cheated. Providers take
    /// such jobs only where a result cannot change with time or machine
    #[arg(long)]
    pub(crate) refund: bool,
    /// Post the job even if cheating would cost less than it saves
    #[arg(long)]
    pub(crate) allow_weak: bool,
    /// Admit only providers on the list with this Merkle root; juries are drawn from all stake all the same
    #[arg(long, value_name = "ROOT")]
    pub(crate) providers_root: Option<B256>,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  piecework run alpine:3.20 -- echo hello
  piecework run tool:v3 --input ./data --out ./result -- /bin/tool --fast
  piecework run tool:v3 --redundant 3/2 -- /bin/tool
  piecework run tool:v3 --audit-rate 100 -- /bin/tool
  piecework run tool:v3 --audit-rate 75 --max-price 2 --dry-run
  piecework run --spec job.json

Ctrl-C stops waiting, not the job: `piecework job fetch ID` gets its result later.")]
pub(crate) struct RunArgs {
    /// Image in the local container engine, or repository@sha256:digest
    #[arg(required_unless_present = "spec", conflicts_with = "spec")]
    pub(crate) image: Option<String>,
    /// A ready job spec (JSON) instead of an image and a command
    #[arg(long, value_name = "FILE")]
    pub(crate) spec: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) job: JobArgs,
    /// Program and arguments; the image's own without
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Each container finds its place in PIECEWORK_TASK_INDEX and PIECEWORK_TASK_COUNT.

Examples:
  piecework map render:v1 --tasks 48 --input ./scene --out ./out
  piecework map render:v1 --tasks 48 --redundant 3/2 --max-lease 8 --out ./out")]
pub(crate) struct MapArgs {
    /// Image in the local container engine, or repository@sha256:digest
    pub(crate) image: String,
    /// Size of the array
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) tasks: u32,
    #[command(flatten)]
    pub(crate) job: JobArgs,
    /// Program and arguments; the image's own without
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// Jobs of an account
    #[command(after_help = "Example:\n  piecework job list")]
    List {
        /// Whose jobs; your own otherwise
        #[arg(long, value_name = "ADDRESS")]
        client: Option<Address>,
    },
    /// Where a job and each of its leases stand
    #[command(after_help = "Example:\n  piecework job status 0x5f…")]
    Status {
        /// The job's id
        id: B256,
    },
    /// Wait for a job's end, check its results against the chain, write them
    #[command(after_help = "Example:\n  piecework job fetch 0x5f… --out ./out")]
    Fetch {
        /// The job's id
        id: B256,
        /// Where results are written: a directory for each task
        #[arg(long, value_name = "DIR", default_value = "out")]
        out: PathBuf,
    },
    /// Stop new leases and take back what no lease holds; running leases go to their end
    #[command(after_help = "Example:\n  piecework job cancel 0x5f…")]
    Cancel {
        /// The job's id
        id: B256,
    },
    /// Take back the money of leases that nobody holds, once the job is cancelled or closed
    #[command(after_help = "Example:\n  piecework job close 0x5f…")]
    Close {
        /// The job's id
        id: B256,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum PredictCommand {
    /// Whether an ordinary job's next tasks could be claimed, until when, and what that would lock and pay
    #[command(after_help = "\
Examples:
  piecework predict lease 0x5f… --tasks 4
  piecework predict lease 0x5f… --provider 0xAb… --after 600 --json")]
    Lease {
        /// The job's id
        id: B256,
        /// Tasks to ask for; as many as a lease may have otherwise
        #[arg(long, value_name = "N")]
        tasks: Option<u32>,
        /// Who would claim; yourself otherwise
        #[arg(long, value_name = "ADDRESS")]
        provider: Option<Address>,
        /// Seconds from now
        #[arg(long, value_name = "SECONDS", default_value_t = 0)]
        after: u64,
    },
    /// When a provider is drawn for a seat of a redundant lease or of a jury, and whether it could take it
    #[command(after_help = "\
Examples:
  piecework predict seat 0x5f… --lease 0
  piecework predict seat 0x5f… --lease 12 --jury 1 --provider 0xAb… --json")]
    Seat {
        /// The job's id
        id: B256,
        /// First task of the lease
        #[arg(long, value_name = "TASK")]
        lease: u32,
        /// A seat of the first or the second jury over the lease
        #[arg(long, value_name = "1|2", value_parser = clap::value_parser!(u8).range(1..=2))]
        jury: Option<u8>,
        /// Who would sit; yourself otherwise
        #[arg(long, value_name = "ADDRESS")]
        provider: Option<Address>,
        /// Seconds from now
        #[arg(long, value_name = "SECONDS", default_value_t = 0)]
        after: u64,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum WalletCommand {
    /// Make a key and write it to an encrypted keystore file
    #[command(after_help = "Example:\n  piecework wallet new ./client.json")]
    New {
        /// The file; it must not exist
        file: PathBuf,
    },
    /// Print the address of the account that signs
    #[command(after_help = "Example:\n  piecework wallet address --keystore ./client.json")]
    Address,
    /// What an account holds: tokens, balance in the market, stake, ether for gas
    #[command(after_help = "Example:\n  piecework wallet balance")]
    Balance {
        /// Whose; your own otherwise
        #[arg(long, value_name = "ADDRESS")]
        account: Option<Address>,
    },
    /// Move tokens into your balance in the market, from which jobs are paid
    #[command(after_help = "Example:\n  piecework wallet deposit 100")]
    Deposit {
        /// Tokens
        #[arg(value_name = "TOKENS")]
        amount: Amount,
    },
    /// Move tokens out of your balance in the market
    #[command(after_help = "Example:\n  piecework wallet withdraw 12.5 --to 0xAb…")]
    Withdraw {
        /// Tokens
        #[arg(value_name = "TOKENS")]
        amount: Amount,
        /// Who receives them; yourself otherwise
        #[arg(long, value_name = "ADDRESS")]
        to: Option<Address>,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ProviderCommand {
    /// Add tokens to your stake
    #[command(after_help = "Example:\n  piecework provider stake 1000")]
    Stake {
        /// Tokens
        #[arg(value_name = "TOKENS")]
        amount: Amount,
    },
    /// Take out stake that no lease locks, a day after it last grew at the earliest
    #[command(after_help = "Example:\n  piecework provider unstake 250")]
    Unstake {
        /// Tokens
        #[arg(value_name = "TOKENS")]
        amount: Amount,
        /// Who receives them; yourself otherwise
        #[arg(long, value_name = "ADDRESS")]
        to: Option<Address>,
    },
    /// A provider's stake, record and profile
    #[command(after_help = "Example:\n  piecework provider status --provider 0xAb…")]
    Status {
        /// Whose; your own otherwise
        #[arg(long, value_name = "ADDRESS")]
        provider: Option<Address>,
    },
    /// Allow (or stop) a machine's key to work for you; a stolen one can get your stake burned
    ///
    /// An operator key claims, leaves and submits leases, and sits on juries. It cannot withdraw, unstake, post jobs,
    /// allow other keys or change your profile. But whoever steals it can lock your stake and submit wrong results: a
    /// conviction burns the bond. Leases can cost three quarters of your stake in this way, and juries the rest. The
    /// thief receives none of it. Revoke a stolen key at once. What it has locked stays locked until those leases end.
    #[command(
        after_help = "Example:\n  piecework provider operator 0xAb…\n  piecework provider operator 0xAb… --revoke"
    )]
    Operator {
        /// The key of one machine's executor
        operator: Address,
        /// Stop it
        #[arg(long)]
        revoke: bool,
    },
    /// Publish the URL at which your machines serve results: clients and jurors ask the market for it
    #[command(after_help = "Example:\n  piecework provider profile https://provider.example.org/")]
    Profile {
        /// The executor's serve.url: http or https, at most 128 bytes
        url: Url,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum MarketCommand {
    /// Deploy a beacon and a market, check them, and write the file that describes them
    ///
    /// The addresses follow from the terms and the salt alone: they are the same on every chain. What is there already is
    /// used, so it is harmless to deploy again. None of the terms can be changed afterwards, except the fee by its governor.
    #[command(after_help = "\
Examples:
  piecework market deploy --token 0xA0b8… --rpc-url https://… --keystore ./deployer.json --dry-run
  piecework market deploy --token 0xA0b8… --governor 0x5f… --fee-recipient 0x5f… --fee-bps 100 --rpc-url https://… --keystore ./deployer.json
  piecework market deploy --token 0xA0b8… --beacon block --trust-block-builders --times times.toml --rpc-url https://…

times.toml names times in seconds, and those that it does not name keep their values:
  jury_time = 7200
  least_run_window = 900")]
    Deploy(DeployArgs),
    /// Compare a market with the file that describes it and with the code of this program; each difference is told
    ///
    /// Without a deployment file (--deployment), the market at --market is asked for its terms. With differences, the exit code is 1.
    #[command(after_help = "\
Examples:
  piecework market show --deployment deployment.json --rpc-url https://…
  piecework market show --market 0x5f… --rpc-url https://… --json")]
    Show {
        /// The salt that the market was deployed with, where no deployment file says it
        #[arg(long, value_name = "BYTES32", default_value_t = B256::ZERO, hide_default_value = true)]
        salt: B256,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DeployArgs {
    /// The ERC-20 token in which jobs are paid and providers stake
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) token: Address,
    /// Where seeds come from: `drand` (rounds of drand's chain quicknet), `block` (hashes of later blocks), or the address of a beacon
    #[arg(long, value_name = "drand|block|ADDRESS", default_value = "drand")]
    pub(crate) beacon: Seeds,
    /// Who may change the fee for later jobs; without one, the fee is fixed permanently
    #[arg(long, value_name = "ADDRESS", default_value_t = Address::ZERO, hide_default_value = true)]
    pub(crate) governor: Address,
    /// Who receives the fee
    #[arg(long, value_name = "ADDRESS", default_value_t = Address::ZERO, hide_default_value = true)]
    pub(crate) fee_recipient: Address,
    /// The fee on what providers earn, in basis points; at most 500
    #[arg(long, value_name = "BPS", default_value_t = 0)]
    pub(crate) fee_bps: u16,
    /// TOML file with times of the market in seconds; without it, those of a market on a chain with value
    #[arg(long, value_name = "FILE")]
    pub(crate) times: Option<PathBuf>,
    /// Allow times that are shorter than is sane; the market says so permanently
    #[arg(long)]
    pub(crate) devnet: bool,
    /// Take block hashes for seeds: the users of this market trust the chain's block builders not to choose them
    #[arg(long)]
    pub(crate) trust_block_builders: bool,
    /// Another salt gives other addresses
    #[arg(long, value_name = "BYTES32", default_value_t = B256::ZERO, hide_default_value = true)]
    pub(crate) salt: B256,
    /// Where the deployment is described; another deployment's file is not overwritten
    #[arg(long, value_name = "FILE", default_value = "deployment.json")]
    pub(crate) out: PathBuf,
    /// Check everything, and say what would be deployed at which cost; send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Where the seeds of a market come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seeds {
    Drand,
    Block,
    At(Address),
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "drand" => Ok(Self::Drand),
            "block" => Ok(Self::Block),
            text => match text.parse() {
                Ok(address) => Ok(Self::At(address)),
                Err(_) => Err("neither `drand`, nor `block`, nor an address".to_owned()),
            },
        }
    }
}

#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Example:\n  piecework demo --workload target/workload/release/piecework-render --out out"
)]
pub(crate) struct DemoArgs {
    /// The static program of sdk/examples/render
    #[arg(
        long,
        value_name = "FILE",
        env = "PIECEWORK_WORKLOAD",
        default_value = "target/workload/release/piecework-render"
    )]
    pub(crate) workload: PathBuf,
    /// Parameters of the picture; its own otherwise
    #[arg(long, value_name = "FILE")]
    pub(crate) scene: Option<PathBuf>,
    /// Tiles of the picture
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=2048), value_name = "N")]
    pub(crate) tasks: u32,
    /// Where demo.png is written
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) tools: ToolArgs,
}

#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Example:\n  piecework bench --workload target/workload/release/piecework-render --out out"
)]
pub(crate) struct BenchArgs {
    /// The static program of sdk/examples/render
    #[arg(
        long,
        value_name = "FILE",
        env = "PIECEWORK_WORKLOAD",
        default_value = "target/workload/release/piecework-render"
    )]
    pub(crate) workload: PathBuf,
    /// Measurements of each kind
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(3..=500), value_name = "N")]
    pub(crate) runs: u32,
    /// Where bench.json is written
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) tools: ToolArgs,
}
