//! What each role of the market can earn and lose: the tables of `audits/economics.md`. Gas is what `snapshots` say, money
//! is in dollars, and bonds, escrow and losses are what `piecework_protocol::rules` says.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow};
use piecework_protocol::Error;
use piecework_protocol::rules::{
    JURY, MAX_FEE_BPS, MAX_LEASE, bond_of, check_assurance, check_lease, check_price, escrow_of,
    fee_of, juror_bond_of, tenth_of,
};
use piecework_protocol::types::{Assurance, Job, Price, Terms, Timing};

use crate::audit::{Act, LIE, Means, TRUTH, ambiguous, bribe, outcome};
use crate::draw::{Draw, Market};
use crate::figures::{
    BOND, ENOUGH, LARGEST, Q, SMALLEST, deterrence, framed, least_bond, leaves, lie, quorum,
    seat_chance, usual_k,
};
use crate::text::{money, one, percent, row, table, two};

/// Dollars for one ether.
const ETHER: f64 = 3_000.0;
/// Chains: a name, and the price of gas in gwei.
const CHAINS: [(&str, f64); 2] = [("L2, 0.1 gwei", 0.1), ("L1, 5 gwei", 5.0)];
/// Prices of a task, in dollars.
const PRICES: [f64; 4] = [0.01, 0.10, 1.00, 10.00];
/// The price of a task in the table of roles.
const USUAL: f64 = 1.0;
/// A jury fee in percent of what a juror spends.
pub(crate) const JURY_FEE: u128 = 143;
/// Tasks of a redundant lease, by the SDK's default.
pub(crate) const REDUNDANT_LEASE: u32 = 3;
/// Units of the token in a dollar.
const UNITS: f64 = 1e6;
/// The largest part of an income that gas may be.
const SANE: f64 = 0.05;
/// Shares of stake in the tables.
const SHARES: [f64; 4] = [0.05, 0.10, 0.20, 0.33];

/// Gas of each act, in thousands.
pub(crate) struct Gas(BTreeMap<String, f64>);

impl Gas {
    /// What the snapshots say.
    pub(crate) fn read(root: &Path) -> anyhow::Result<Self> {
        let mut acts = BTreeMap::new();
        for file in ["Audits", "Batch", "Beacons", "Gas", "Redundant"] {
            let path = root.join(format!("snapshots/{file}.json"));
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            for line in text.lines() {
                // A line is `"act": "gas"`, and no act has a quotation mark in its name.
                let mut parts = line.split('"').skip(1).step_by(2);
                if let (Some(act), Some(gas)) = (parts.next(), parts.next()) {
                    let gas: f64 = gas.parse().with_context(|| act.to_owned())?;
                    acts.insert(format!("{file}: {act}"), (gas / 1000.0).round());
                }
            }
        }
        Ok(Self(acts))
    }

    /// Thousands of gas.
    fn of(&self, act: &str) -> anyhow::Result<f64> {
        let found = self.0.get(act).copied();
        found.with_context(|| format!("the snapshots know no {act}"))
    }

    /// A juror's third of the dearest audit that has a verdict, and of the publication of its seed.
    fn juror(&self) -> anyhow::Result<f64> {
        let audit = f64::max(
            self.of("Audits: acquitted, one outvoted: all four")?,
            self.of("Audits: convicted: all four")?,
        );
        let seed = self.of("Beacons: DrandBeacon: publish")?;
        Ok(((audit + seed) / f64::from(JURY)).round())
    }

    /// An ordinary lease with audits: claim, submit, finalize.
    fn lease(&self) -> anyhow::Result<f64> {
        self.of("Gas: audits, lease of 1,000: all")
    }

    /// A seat's third of a 3/2 lease.
    fn seat(&self) -> anyhow::Result<f64> {
        Ok((self.of("Redundant: lease of 1,000: all four")? / 3.0).round())
    }
}

/// Dollars for so many thousands of gas.
fn dollars(thousands: f64, gwei: f64) -> f64 {
    thousands * 1e3 * gwei * 1e-9 * ETHER
}

fn known<T>(result: Result<T, Error>) -> anyhow::Result<T> {
    result.map_err(|error| anyhow!("{error:?}"))
}

fn units(dollars: f64) -> u128 {
    (dollars * UNITS).round() as u128
}

fn from_units(units: u128) -> f64 {
    units as f64 / UNITS
}

/// A large audited job as the SDK makes it by default. The market's own checks of `post` accept it.
fn usual(price: f64, juror_gas: f64) -> anyhow::Result<Job> {
    let price = units(price);
    let jury_fee = ((price + units(juror_gas)) * JURY_FEE).div_ceil(100);
    let most = (jury_fee * LARGEST as u128 / price).clamp(1, MAX_LEASE.into());
    let max_lease = u32::try_from(most)?;
    let job = Job {
        terms: Terms {
            tasks: 1_000_000,
            min_lease: (max_lease / 2).max(1),
            max_lease,
            ..Terms::default()
        },
        assurance: Assurance {
            replicas: 1,
            quorum: 1,
            audit_bps: (Q * 10_000.0) as u16,
            ..Assurance::default()
        },
        price: Price {
            min_price: price,
            max_price: price,
            bond: price * BOND as u128,
            jury_fee,
        },
        timing: Timing {
            audit_window: 7_200,
            ..Timing::default()
        },
    };
    known(check_assurance(&job))?;
    known(check_lease(&job.terms, 1))?;
    known(check_price(&job))?;
    Ok(job)
}

/// The named tables of `economics.md`.
pub(crate) fn tables(gas: &Gas) -> anyhow::Result<Vec<(&'static str, String)>> {
    Ok(vec![
        ("GAS", gas_table(gas)?),
        ("ROLES", roles_table(gas)?),
        ("LEAST", least_table(gas)?),
        ("FLOORS", floors_table(gas)?),
        ("RISKS", risks_table()?),
        ("JURORS", jurors_table()?),
        ("BRIBES", bribes_table()?),
        ("GRIEFS", griefs_table(gas)?),
        ("LEAVING", leaving_table()?),
    ])
}

fn gas_table(gas: &Gas) -> anyhow::Result<String> {
    let acts = [
        (
            "client: `post`, spec of 400 bytes",
            "Gas: post with audits, spec of 400 bytes",
        ),
        ("client: `post` of 3/2", "Gas: post of 3/2, empty spec"),
        ("client: `cancel`", "Gas: cancel"),
        ("anyone: `close` of one lease", "Gas: close, one lease"),
        ("provider: first `stake`", "Gas: stake, first time"),
        (
            "provider: `claim`, `submit`, `finalize`",
            "Gas: audits, lease of 1,000: all",
        ),
        (
            "provider: the same in a batch of five, each",
            "Batch: pipeline of five: each",
        ),
        ("provider: `leave`, late", "Gas: leave, late"),
        ("anyone: `expire`", "Gas: expire"),
        (
            "seats of 3/2: three `commit` and a `settle`",
            "Redundant: lease of 1,000: all four",
        ),
        (
            "seats of 3/2: `settle`, no quorum",
            "Redundant: settle, void",
        ),
        (
            "jurors: three votes and a `judge`, acquitted",
            "Audits: acquitted: all four",
        ),
        (
            "jurors: the same, one outvoted",
            "Audits: acquitted, one outvoted: all four",
        ),
        ("jurors: the same, convicted", "Audits: convicted: all four"),
        (
            "jurors: `judge` without verdict",
            "Audits: judge, no verdict",
        ),
        (
            "anyone: `publish` of a drand round",
            "Beacons: DrandBeacon: publish",
        ),
        (
            "anyone: `keep` of a block's hash",
            "Beacons: BlockBeacon: keep",
        ),
        ("anyone: `withdraw`", "Gas: withdraw"),
    ];
    let line = |name: &str, thousands: f64| {
        let cells = CHAINS.map(|(_, gwei)| money(dollars(thousands, gwei)));
        row(
            name,
            std::iter::once(format!("{thousands:.0},000")).chain(cells),
        )
    };
    let mut body = Vec::new();
    for (name, act) in acts {
        body.push(line(name, gas.of(act)?));
    }
    let name = "g: a juror's third of the dearest audit and of its `publish`";
    body.push(line(name, gas.juror()?));
    Ok(table(&["act", "gas", CHAINS[0].0, CHAINS[1].0], body))
}

/// What a role earns, spends on gas, and can lose at most.
type Account = [f64; 3];

/// The accounts of all roles for the largest default lease.
fn accounts(gas: &Gas, gwei: f64) -> anyhow::Result<[Account; 7]> {
    let cost = |act: &str| Ok::<f64, anyhow::Error>(dollars(gas.of(act)?, gwei));
    let job = usual(USUAL, dollars(gas.juror()?, gwei))?;
    let count = job.terms.max_lease;
    let gross = job.price.max_price * u128::from(count);
    let bond = known(bond_of(&job.price, count))?;
    let fee = known(fee_of(gross, MAX_FEE_BPS))?;
    let jury = job.price.jury_fee * u128::from(JURY);
    let juror_bond = known(juror_bond_of(&job.price))?;
    let small = job.price.max_price * u128::from(REDUNDANT_LEASE);
    let small_bond = known(bond_of(&job.price, REDUNDANT_LEASE))?;
    let small_fee = known(fee_of(small, MAX_FEE_BPS))?;
    let post = cost("Gas: post with audits, spec of 400 bytes")?;
    let lease = dollars(gas.lease()?, gwei);
    let money = from_units;
    Ok([
        [0.0, post, money(gross + jury)],
        [money(gross - fee), lease, money(bond + gross)],
        [
            money(small - small_fee),
            dollars(gas.seat()?, gwei),
            money(small_bond + small),
        ],
        [
            money(job.price.jury_fee),
            dollars(gas.juror()?, gwei),
            money(juror_bond),
        ],
        [0.0, lease, 0.0],
        [money(fee), 0.0, 0.0],
        [0.0, cost("Beacons: DrandBeacon: publish")?, 0.0],
    ])
}

fn roles_table(gas: &Gas) -> anyhow::Result<String> {
    let names = [
        "client, of one lease: pays n p and at most 3 f",
        "provider 1/1: earns n p less the fee; at stake B + n p",
        "provider 3/2, 3 tasks: earns 3 p less the fee; at stake B + 3 p",
        "juror: earns f; at stake J = 8 f",
        "operator: pays the gas of its acts",
        "fee recipient: at most 5 % of what providers are paid",
        "bystander: pays for a `publish`",
    ];
    let [cheap, dear] = CHAINS.map(|(_, gwei)| accounts(gas, gwei));
    let (cheap, dear) = (cheap?, dear?);
    let body = names.into_iter().zip(cheap).zip(dear);
    let body =
        body.map(|((name, cheap), dear)| row(name, cheap.into_iter().chain(dear).map(money)));
    let head = [
        "role, of one largest default lease, p = 1.00",
        "L2: earns",
        "gas",
        "loses at most",
        "L1: earns",
        "gas",
        "loses at most",
    ];
    Ok(table(&head, body))
}

fn least_table(gas: &Gas) -> anyhow::Result<String> {
    let mut body = Vec::new();
    for (chain, gwei) in CHAINS {
        for price in PRICES {
            let juror_gas = dollars(gas.juror()?, gwei);
            let job = usual(price, juror_gas)?;
            let (least, most) = (job.terms.min_lease, job.terms.max_lease);
            let fee = from_units(job.price.jury_fee);
            let priced = |tasks: u32| f64::from(tasks) * price;
            let jury = Q * f64::from(JURY) * fee;
            let escrow = from_units(known(escrow_of(&job, most))?);
            let cells = [
                money(fee),
                money(8.0 * fee),
                money(BOND * price),
                format!("{least}–{most}"),
                money(priced(least)),
                percent(jury / priced(most)),
                percent(jury / priced(least)),
                percent(escrow / priced(most) - 1.0),
                percent(dollars(gas.lease()?, gwei) / priced(least)),
            ];
            body.push(row(format!("{chain}, p = {}", money(price)), cells));
        }
    }
    let head = [
        "chain and price of a task",
        "juryFee f",
        "J",
        "bond of a task",
        "minLease–maxLease",
        "price of the smallest lease",
        "audits: of the price, largest lease",
        "smallest lease",
        "escrow on top",
        "provider's gas, smallest lease",
    ];
    Ok(table(&head, body))
}

fn floors_table(gas: &Gas) -> anyhow::Result<String> {
    let factor = JURY_FEE as f64 / 100.0;
    let most = f64::from(MAX_LEASE);
    let floors = CHAINS.map(|(_, gwei)| {
        let g = dollars(gas.juror()?, gwei);
        let lease = dollars(gas.lease()?, gwei);
        let seat = dollars(gas.seat()?, gwei);
        // 25 f / p <= 2,048 with f = 1.43 (p + g).
        let price = LARGEST * factor * g / (most - LARGEST * factor);
        Ok::<[f64; 5], anyhow::Error>([
            factor * g,
            price,
            lease / SANE,
            SMALLEST * factor * g,
            seat / SANE,
        ])
    });
    let [cheap, dear] = floors;
    let names = [
        "least juryFee, whatever the task costs: 1.43 g",
        "least price of a task for which 25 f / p is within 2,048 tasks",
        "least price of an audited lease: gas is a twentieth of it",
        "price of the smallest default lease of very cheap tasks: 12.5 x 1.43 g",
        "least price of a seat of 3/2: gas is a twentieth of it",
    ];
    let body = names.into_iter().zip(cheap?).zip(dear?);
    let body = body.map(|((name, cheap), dear)| row(name, [money(cheap), money(dear)]));
    let mut body: Vec<_> = body.collect();
    for (share, times) in [(0.10, ENOUGH), (0.20, 1.0), (0.20, ENOUGH)] {
        let bond = one(least_bond(share, LARGEST, times)?) + " p";
        let name = format!(
            "least bond of a task, deterrence {times:.1}, {:.0} % collude",
            share * 100.0
        );
        body.push(row(name, [bond.clone(), bond]));
    }
    Ok(table(&["floor", CHAINS[0].0, CHAINS[1].0], body))
}

fn shares(first: &str) -> Vec<String> {
    row(
        first,
        SHARES.iter().map(|share| format!("{:.0} %", share * 100.0)),
    )
}

fn by_share(
    name: &str,
    figure: impl Fn(f64) -> anyhow::Result<String>,
) -> anyhow::Result<Vec<String>> {
    let cells: Vec<String> = SHARES.into_iter().map(figure).collect::<Result<_, _>>()?;
    Ok(row(name, cells))
}

fn risks_table() -> anyhow::Result<String> {
    let accused = |share| Draw::jury(Market::with(share), false);
    let liar = |share| Draw::jury(Market::with(share), true);
    let usual = |share| lie(&liar(share), Means::Any, (LARGEST, BOND));
    let lost = |share: f64, level: (u8, u8)| {
        quorum(&Draw::lease(Market::with(share), level.0, level.1), level.1)
    };
    Ok(table(
        &shares("share of stake that colludes"),
        [
            by_share(
                "provider 1/1: an honest result is convicted, of all leases",
                |share| Ok(percent(Q * framed(&accused(share))?.convicted)),
            )?,
            by_share("what that costs it on average, of its price", |share| {
                Ok(percent(
                    Q * framed(&accused(share))?.convicted * (1.0 + BOND),
                ))
            })?,
            by_share(
                "client: a lie is paid, of the coalition's leases (q = 1/2)",
                |share| Ok(percent(1.0 - Q * usual(share)?.convicted)),
            )?,
            by_share("client: a lie gets the grade Audited", |share| {
                Ok(percent(Q * usual(share)?.acquitted))
            })?,
            by_share("seat of 3/2: the coalition outvotes it", |share| {
                Ok(percent(lost(share, (3, 2))))
            })?,
            by_share("seat of 5/3: the coalition outvotes it", |share| {
                Ok(percent(lost(share, (5, 3))))
            })?,
        ],
    ))
}

/// What a seat of an honest juror gains on average, in jury fees, in the audit of a lie and in that of an honest result
/// that the coalition wants convicted.
fn seat_gains(share: f64) -> anyhow::Result<(f64, f64)> {
    let lied = lie(
        &Draw::jury(Market::with(share), true),
        Means::Any,
        (LARGEST, BOND),
    )?;
    let framed = framed(&Draw::jury(Market::with(share), false))?;
    let each = |honest: f64, seats: [f64; 3]| honest / seats.iter().sum::<f64>();
    Ok((
        each(lied.honest, lied.jurors),
        each(framed.honest, framed.jurors),
    ))
}

fn jurors_table() -> anyhow::Result<String> {
    let paid = 100.0 / JURY_FEE as f64;
    Ok(table(
        &shares("share of stake that colludes"),
        [
            by_share("a juror that runs before it sits finds a seat", |share| {
                Ok(percent(seat_chance(share)))
            })?,
            by_share("f over cost that this alone needs", |share| {
                Ok(two(1.0 / seat_chance(share)))
            })?,
            by_share(
                "a seat gains in the audit of a lie of the coalition, in f",
                |share| Ok(two(seat_gains(share)?.0)),
            )?,
            by_share(
                "a seat gains where the coalition attacks an honest result, in f",
                |share| Ok(two(seat_gains(share)?.1)),
            )?,
            by_share(
                "part of due audits that may be such lies, while f = 1.43 x cost pays",
                |share| {
                    Ok(percent(
                        ((1.0 - paid) / (1.0 - seat_gains(share)?.0)).min(1.0),
                    ))
                },
            )?,
        ],
    ))
}

fn bribes_table() -> anyhow::Result<String> {
    let mut body = Vec::new();
    for bribed in 1..=usize::from(JURY) {
        let block = bribe(bribed, false)?.context("a bribe always blocks")?;
        let acquit = bribe(bribed, true)?.map_or("impossible".to_owned(), |fees| one(fees) + " f");
        let both = 2.0 * block;
        let cells = [
            one(block) + " f",
            one(both) + " f",
            acquit,
            two(Q * both / LARGEST),
            two(Q * both / SMALLEST),
            one(Q * both) + " f",
            percent(f64::from(JURY) / both),
        ];
        body.push(row(format!("{bribed} of three"), cells));
    }
    let head = [
        "honest jurors bribed in each jury",
        "to block one jury",
        "both",
        "to acquit, if they trust the briber",
        "loss over saving, largest lease",
        "smallest lease",
        "largest lease for which it is 1",
        "audits then cost, of the price",
    ];
    Ok(table(&head, body))
}

fn griefs_table(gas: &Gas) -> anyhow::Result<String> {
    let tenths = ambiguous()?;
    let pot = f64::from(JURY);
    let both = 2.0 * tenths;
    let mugged = outcome(&[Act::Garbage, Act::Garbage, Act::Truth], 2, &TRUTH)?;
    let passed = outcome(&[Act::Lie, Act::Lie, Act::Truth], 2, &LIE)?;
    let fees = |f: f64| one(f) + " f";
    let ratio = |victims: f64, attacker: f64| {
        if attacker <= 0.0 {
            "no bound".to_owned()
        } else {
            two(victims / attacker)
        }
    };
    let line = |name: &str, attacker: f64, victims: f64| {
        row(
            name,
            [fees(attacker), fees(victims), ratio(victims, attacker)],
        )
    };
    let acts = [
        "Gas: post with audits, spec of 400 bytes",
        "Gas: audits, lease of 1,000: all",
        "Beacons: DrandBeacon: publish",
    ];
    let mut thousands = 0.0;
    for act in acts {
        thousands += gas.of(act)?;
    }
    let gas_cost = CHAINS.map(|(_, gwei)| money(dollars(thousands, gwei)));
    // What a seat loses without a quorum: a tenth of its price, for the bond is larger.
    let price = units(USUAL);
    let share = known(tenth_of(price.min(price * BOND as u128)))? as f64 / price as f64;
    let of_price = |p: f64| one(p) + " P";
    let round = |name: &str, attacker: f64, victims: f64| {
        row(
            name,
            [
                of_price(attacker),
                of_price(victims),
                ratio(victims, attacker),
            ],
        )
    };
    let body = [
        line(
            "(a) an ambiguous spec, a friend as provider: one jury comes",
            tenths.min(pot),
            tenths,
        ),
        line("(a) the same, both juries", tenths.min(pot), both),
        line("(a) if the reserve returned whole, as at first", 0.0, both),
        line(
            "(a) if it burned what both juries' votes lost",
            both.min(pot),
            both,
        ),
        round(
            "(c) 3/2, one seat empty, two that differ: today",
            0.0,
            2.0 * share,
        ),
        round(
            "(c) the lease is void and burns each open seat's tenth",
            2.0 * share,
            2.0 * share,
        ),
        line(
            "two colluding jurors beside an honest one, right result: one jury",
            -mugged.first,
            -mugged.rest,
        ),
        line(
            "two colluding jurors beside an honest one, a lie: one jury",
            -passed.first,
            -passed.rest,
        ),
    ];
    let text = table(
        &[
            "grief",
            "costs its makers",
            "burns of honest bonds",
            "burned for each unit spent",
        ],
        body,
    );
    let note = format!(
        "Gas of (a), `post`, a lease and a `publish`: {} on L2, {} on L1.\n",
        gas_cost[0], gas_cost[1]
    );
    Ok(format!("{text}\n{note}"))
}

fn leaving_table() -> anyhow::Result<String> {
    let stays = |share| Draw::jury(Market::with(share), true);
    let quorum_of = |share: f64, gone: f64| {
        let market = Market {
            gone,
            ..Market::with(share)
        };
        percent(quorum(&Draw::lease(market, 3, 2), 2))
    };
    let times = |draw: Draw| Ok(two(deterrence(&draw, Q, (LARGEST, BOND))?));
    Ok(table(
        &shares("share of stake that colludes"),
        [
            by_share("chances grow at once by a factor of", |share| {
                Ok(two(1.0 / (1.0 - share)))
            })?,
            by_share("k, all stay", |share| Ok(two(usual_k(share)?)))?,
            by_share("k, idle stake leaves", |share| {
                Ok(two(
                    lie(&leaves(share), Means::Any, (LARGEST, BOND))?.convicted
                ))
            })?,
            by_share("deterrence, all stay", |share| times(stays(share)))?,
            by_share("deterrence, idle stake leaves", |share| {
                times(leaves(share))
            })?,
            by_share("a quorum of 3/2, all stay", |share| {
                Ok(quorum_of(share, 0.0))
            })?,
            by_share("a quorum of 3/2, idle stake leaves", |share| {
                Ok(quorum_of(share, share))
            })?,
        ],
    ))
}
