//! `piecework market`: deploying one, and comparing a deployed one with its code.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use alloy::primitives::{Address, B256, U256, utils::format_ether};
use alloy::rpc::types::TransactionReceipt;
use piecework::chain::deploy::{BlockDeployment, DEV_BLOCKS, DEV_MARGIN, DrandDeployment};
use piecework::chain::deployment::{
    BeaconChoice, BeaconRecord, Deployment, Examination, Fee, Plan, Step, Terms, Times, examine,
    read_market,
};
use serde::Serialize;

use crate::cli::{DeployArgs, Globals, MarketCommand, Seeds};
use crate::connect::{account, node};
use crate::fail::Failure;
use crate::output::{Output, say, table};

/// With block hashes for seeds: blocks from a point to the block whose hash is its seed.
const BLOCKS: u16 = 2;
/// Seconds from a point to its nominal time: two blocks of six seconds.
const MARGIN: u64 = 12;

pub(crate) async fn run(
    globals: &Globals,
    output: Output,
    command: MarketCommand,
) -> Result<(), Failure> {
    match command {
        MarketCommand::Deploy(args) => deploy(globals, output, args).await,
        MarketCommand::Show { salt } => show(globals, output, salt).await,
    }
}

/// What `deploy` prints as JSON.
#[derive(Serialize)]
struct Deployed {
    deployment: Deployment,
    /// Where it is described; nowhere after a dry run.
    file: Option<PathBuf>,
    contracts: Vec<Contract>,
    /// What is on chain; nothing after a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    examination: Option<Examination>,
}

/// One contract of a deployment.
#[derive(Serialize)]
struct Contract {
    name: &'static str,
    address: Address,
    init_code_hash: B256,
    /// Whether it was there before.
    existed: bool,
    /// The most gas that its deployment may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    gas_limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gas_used: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<B256>,
}

async fn deploy(globals: &Globals, output: Output, args: DeployArgs) -> Result<(), Failure> {
    let terms = terms(&args)?;
    let node = node(globals, None).await?;
    let sender = match args.dry_run {
        true => None,
        false => Some(node.sender(globals).await?),
    };
    let from = match &sender {
        Some(sender) => sender.address(),
        // Any account will do: the addresses do not depend on it.
        None => account(globals).unwrap_or_default(),
    };
    let plan = Plan::make(&node.rpc, node.chain_id, from, &terms).await?;
    announce(&plan);
    plan.deployment.check_file(&args.out)?;
    let mut contracts: Vec<Contract> = contracts(&plan);
    let (deployment, examination) = match sender {
        None => {
            say!("Dry run: nothing was sent, and no file was written.");
            (plan.deployment, None)
        }
        Some(sender) => {
            let (deployment, found) = plan
                .execute(&sender, |step, receipt| {
                    mined(&mut contracts, step.address, receipt)
                })
                .await?;
            deployment.write(&args.out)?;
            say!("Checked, and described in {}.", args.out.display());
            (deployment, Some(found))
        }
    };
    let text = describe(&deployment, examination.as_ref());
    let file = examination.is_some().then_some(args.out);
    let value = Deployed {
        deployment,
        file,
        contracts,
        examination,
    };
    output.result(&value, || text)
}

/// The terms that the arguments describe.
fn terms(args: &DeployArgs) -> Result<Terms, Failure> {
    let beacon = match args.beacon {
        Seeds::At(address) => BeaconChoice::At(address),
        Seeds::Drand => {
            BeaconChoice::Drand(DrandDeployment::quicknet().map_err(Failure::internal)?)
        }
        Seeds::Block => BeaconChoice::Block(BlockDeployment {
            blocks: if args.devnet { DEV_BLOCKS } else { BLOCKS },
            margin: if args.devnet { DEV_MARGIN } else { MARGIN },
        }),
    };
    let times = match &args.times {
        Some(file) => times(file)?,
        None => Times::default(),
    };
    Ok(Terms {
        token: args.token,
        beacon,
        fee: Fee {
            governor: args.governor,
            recipient: args.fee_recipient,
            bps: args.fee_bps,
        },
        times,
        devnet: args.devnet,
        trust_block_builders: args.trust_block_builders,
        salt: args.salt,
    })
}

/// The times of a file; those that it does not name keep their values.
fn times(file: &Path) -> Result<Times, Failure> {
    let failed = |problem: String| {
        Failure::new("cli-times-file", format!("{}: {problem}", file.display()))
            .money("Nothing was sent.")
            .next("The file names times in seconds, such as `jury_time = 7200`.")
    };
    let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    let named: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| failed(error.to_string()))?;
    let mut all = toml::Table::try_from(Times::default()).map_err(Failure::internal)?;
    all.extend(named);
    all.try_into()
        .map_err(|error: toml::de::Error| failed(error.to_string()))
}

/// Says what is about to be sent, and what it may cost.
fn announce(plan: &Plan) {
    let chain_id = plan.deployment.chain_id;
    for step in &plan.steps {
        let hash = step.init_code_hash();
        match step.gas {
            None => say!(
                "{} is at {} already (init code {hash}).",
                step.name,
                step.address
            ),
            Some(gas) => say!(
                "{} goes to {} on chain {chain_id}: {} bytes of init code ({hash}), at most {gas} gas.",
                step.name,
                step.address,
                step.init_code.len(),
            ),
        }
    }
    if let BeaconRecord::Other { address } = plan.deployment.beacon {
        say!(
            "The beacon at {address} answers like one, but has none of the codes that this program knows: whoever wrote it decides who is drawn and audited. Read it first."
        );
    }
    if plan.gas() > 0 {
        say!(
            "All together at most {} of the chain's coin, at {} gwei a unit of gas.",
            format_ether(plan.cost()),
            gwei(plan.gas_price)
        );
    }
}

fn gwei(wei: u128) -> String {
    alloy::primitives::utils::format_units(wei, "gwei").unwrap_or_else(|_| wei.to_string())
}

fn contracts(plan: &Plan) -> Vec<Contract> {
    let contract = |step: &Step| Contract {
        name: step.name,
        address: step.address,
        init_code_hash: step.init_code_hash(),
        existed: step.gas.is_none(),
        gas_limit: step.gas,
        gas_used: None,
        transaction: None,
    };
    plan.steps.iter().map(contract).collect()
}

/// Notes and says that a contract was made.
fn mined(contracts: &mut [Contract], address: Address, receipt: &TransactionReceipt) {
    let made = contracts.iter_mut().find(|one| one.address == address);
    if let Some(contract) = made {
        contract.gas_used = Some(receipt.gas_used);
        contract.transaction = Some(receipt.transaction_hash);
        let cost = U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price);
        say!(
            "{} is deployed: transaction {}, {} gas, {} of the chain's coin.",
            contract.name,
            receipt.transaction_hash,
            receipt.gas_used,
            format_ether(cost)
        );
    }
}

/// What `show` prints as JSON.
#[derive(Serialize)]
struct Shown {
    deployment: Deployment,
    #[serde(flatten)]
    examination: Examination,
}

async fn show(globals: &Globals, output: Output, salt: B256) -> Result<(), Failure> {
    // The form is checked, and the rest is compared below: what contradicts itself is to be told, too.
    let file = globals.deployment.as_deref();
    let recorded = file.map(Deployment::parse).transpose()?;
    if let Some(recorded) = &recorded {
        agree("--market", globals.market, recorded.market)?;
        agree("--chain-id", globals.chain_id, recorded.chain_id)?;
    }
    let node = node(globals, recorded.as_ref().map(|recorded| recorded.chain_id)).await?;
    let deployment = match recorded {
        Some(recorded) => recorded,
        None => {
            let market = globals.market.or(node.market());
            let market = market.ok_or_else(|| {
                Failure::new("cli-no-market", "no market is named")
                    .next("Give --deployment FILE, or --market ADDRESS.")
            })?;
            read_market(&node.rpc, node.chain_id, market, salt).await?
        }
    };
    let examination = examine(&node.rpc, &deployment).await?;
    let differences = examination.differences.clone();
    let text = describe(&deployment, Some(&examination));
    let value = Shown {
        deployment,
        examination,
    };
    output.result(&value, || text)?;
    if differences.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
    Err(Failure::new("deployment-differs", lines.join("\n"))
        .money("Nothing was sent.")
        .next("Put no money into a market that is not what its file says. If only hashes of the market's code differ, another version of piecework deployed it: look with that version."))
}

/// Refuses an option that says something else than the deployment file.
fn agree<T: PartialEq + Display>(
    option: &str,
    given: Option<T>,
    described: T,
) -> Result<(), Failure> {
    match given.filter(|given| *given != described) {
        None => Ok(()),
        Some(given) => Err(Failure::new(
            "cli-other-deployment",
            format!("{option} is {given}, but the deployment file says {described}"),
        )
        .next("Give one of them.")),
    }
}

/// A deployment as rows.
fn describe(deployment: &Deployment, found: Option<&Examination>) -> String {
    let beacon = &deployment.beacon;
    let mut rows = vec![
        ("chain", deployment.chain_id.to_string()),
        ("market", deployment.market.to_string()),
        ("drawn", deployment.drawn.to_string()),
        ("token", deployment.token.to_string()),
        (
            "beacon",
            format!("{} ({})", beacon.address(), beacon.kind()),
        ),
    ];
    rows.extend(match beacon {
        BeaconRecord::Drand { parameters, .. } => Some((
            "",
            format!(
                "genesis {}, a round each {} s, a point each {} s, at least {} s ahead",
                parameters.genesis, parameters.period, parameters.point_period, parameters.margin
            ),
        )),
        BeaconRecord::Block { parameters, .. } => Some((
            "",
            format!(
                "{} blocks, {} s ahead",
                parameters.blocks, parameters.margin
            ),
        )),
        BeaconRecord::Other { .. } => None,
    });
    let fee = &deployment.fee;
    let governor = match fee.governor.is_zero() {
        true => "fixed permanently".to_owned(),
        false => format!("governor {}", fee.governor),
    };
    rows.push((
        "fee",
        format!("{} bps to {}, {governor}", fee.bps, fee.recipient),
    ));
    if let Some(now) = found.map(|found| &found.fee).filter(|now| *now != fee) {
        rows.push(("fee now", format!("{} bps to {}", now.bps, now.recipient)));
    }
    let Times {
        stake_age,
        lease_step,
        jury_step,
        jury_time,
        reveal_window,
        respond_window,
        retry_window,
        least_audit_window,
        least_run_window,
    } = deployment.times;
    rows.push(("times", format!("stake_age {stake_age}, lease_step {lease_step}, jury_step {jury_step}, jury_time {jury_time}, reveal_window {reveal_window},")));
    rows.push(("", format!("respond_window {respond_window}, retry_window {retry_window}, least_audit_window {least_audit_window}, least_run_window {least_run_window} (seconds)")));
    rows.push((
        "devnet",
        if deployment.devnet { "yes" } else { "no" }.to_owned(),
    ));
    rows.push(("salt", deployment.salt.to_string()));
    rows.push((
        "init code of the market",
        deployment.code.init_code_hash.to_string(),
    ));
    if let Some(hash) = beacon.init_code_hash() {
        rows.push(("init code of the beacon", hash.to_string()));
    }
    if let Some(found) = found {
        rows.push(("code of the market", found.runtime.market.to_string()));
        rows.push(("code of drawn", found.runtime.drawn.to_string()));
        rows.push(("code of the beacon", found.runtime.beacon.to_string()));
        rows.push((
            "differences",
            match found.differences.len() {
                0 => "none".to_owned(),
                count => count.to_string(),
            },
        ));
    }
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(name, text)| vec![name.to_owned(), text])
        .collect();
    table(&rows, &[])
}
