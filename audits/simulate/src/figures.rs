//! What the simulation of collusion computes: pictures, and tables for `audits/simulation/README.md`.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::audit::{Aim, Audit, Fate, Means};
use crate::draw::{Draw, Market, Order};
use crate::odds::interval;
use crate::plot::{Chart, Line};
use crate::text::{one, percent, row, table, two};

/// The chance of an audit by default: `auditBps` 5,000.
pub(crate) const Q: f64 = 0.5;
/// The bond by default, in prices.
pub(crate) const BOND: f64 = 3.0;
/// The price of the largest lease by default, in jury fees: `maxLease` is 25 f / p.
pub(crate) const LARGEST: f64 = 25.0;
/// The price of the smallest: `minLease` is half of that.
pub(crate) const SMALLEST: f64 = LARGEST / 2.0;
/// What the SDK takes for k at 10 % and at 20 % (`sdk/src/market/deterrence.rs`).
pub(crate) const SDK_K: [(f64, f64); 2] = [(0.10, 0.85), (0.20, 0.58)];
/// The least deterrence of which the SDK does not warn.
pub(crate) const ENOUGH: f64 = 1.5;

/// The seed of all random play.
const SEED: u64 = 0x5049_4543;

/// Shares of stake in the tables.
const SHARES: [f64; 8] = [0.05, 0.10, 0.15, 0.20, 0.25, 0.33, 0.40, 0.50];
/// Levels of redundancy.
const LEVELS: [(u8, u8); 7] = [(3, 2), (5, 3), (7, 4), (9, 5), (11, 6), (13, 7), (15, 8)];

/// Shares of stake on the pictures' axes: 0 to 50 %.
fn axis() -> impl Iterator<Item = f64> {
    (0..=20).map(|i| f64::from(i) / 40.0)
}

/// A lie of the coalition: `price` of the lease in jury fees, `bond` in prices.
pub(crate) fn lie(draw: &Draw, means: Means, (price, bond): (f64, f64)) -> anyhow::Result<Fate> {
    let at_stake = price * (1.0 + bond);
    Ok(Audit::new(Aim::Escape { at_stake }, means)?.fate(draw))
}

/// Expected loss of a cheat over what it saves, if that is the whole price: the coalition's jurors' money counts.
pub(crate) fn deterrence(draw: &Draw, q: f64, (price, bond): (f64, f64)) -> anyhow::Result<f64> {
    let fate = lie(draw, Means::Any, (price, bond))?;
    let loss = price * (1.0 + bond) * fate.convicted - fate.coalition;
    Ok(q * loss / price)
}

/// k: how often a jury convicts, of the times that it would if the coalition stayed away.
fn k(draw: &Draw, means: Means, price: f64) -> anyhow::Result<f64> {
    let held = lie(draw, Means::Absent, (price, BOND))?.convicted;
    Ok(lie(draw, means, (price, BOND))?.convicted / held.max(f64::MIN_POSITIVE))
}

/// k of the default job's largest lease.
pub(crate) fn usual_k(share: f64) -> anyhow::Result<f64> {
    k(&Draw::jury(Market::with(share), true), Means::Any, LARGEST)
}

/// The k with which the SDK's formula gives the deterrence of the default job: what blockers burn is part of a cheat's
/// loss.
fn effective_k(draw: &Draw, price: f64) -> anyhow::Result<f64> {
    Ok(deterrence(draw, Q, (price, BOND))? / (Q * (1.0 + BOND)))
}

/// The same for the largest lease, if the coalition is first at every step, and if nobody is quicker.
#[cfg(test)]
pub(crate) fn effective_ks(share: f64) -> anyhow::Result<(f64, f64)> {
    let even = liar(share).in_order(Order::Anyone);
    Ok((
        effective_k(&liar(share), LARGEST)?,
        effective_k(&even, LARGEST)?,
    ))
}

/// The least bond, in prices, at which a cheat loses so many `times` what it saves.
pub(crate) fn least_bond(share: f64, price: f64, times: f64) -> anyhow::Result<f64> {
    let draw = Draw::jury(Market::with(share), true);
    let (mut low, mut high) = (0.0, 1_000.0);
    for _ in 0..30 {
        let bond = (low + high) / 2.0;
        if deterrence(&draw, Q, (price, bond))? < times {
            low = bond;
        } else {
            high = bond;
        }
    }
    Ok(high)
}

/// The largest share of stake at which a cheat loses so many `times` what it saves.
fn largest_share(price: f64, times: f64) -> anyhow::Result<f64> {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..20 {
        let share = (low + high) / 2.0;
        if deterrence(&liar(share), Q, (price, BOND))? < times {
            high = share;
        } else {
            low = share;
        }
    }
    Ok(low)
}

/// The chance that the coalition gets a quorum of a redundant lease.
pub(crate) fn quorum(draw: &Draw, quorum: u8) -> f64 {
    let seating = draw.seating();
    let won = seating
        .iter()
        .filter(|(seats, _)| seats.coalition >= u32::from(quorum));
    won.map(|(_, p)| p).sum()
}

fn honest_only(awake: u32, honest: u32) -> Market {
    Market {
        share: 0.0,
        honest,
        awake,
        gone: 0.0,
    }
}

fn line(
    name: impl Into<String>,
    dashed: bool,
    xs: impl Iterator<Item = f64>,
    y: impl Fn(f64) -> anyhow::Result<f64>,
) -> anyhow::Result<Line> {
    let points = xs.map(|x| Ok((x * 100.0, y(x)?)));
    Ok(Line {
        name: name.into(),
        dashed,
        points: points.collect::<anyhow::Result<_>>()?,
    })
}

const SHARE: &str = "share of all stake that colludes (%)";

/// All pictures.
pub(crate) fn charts() -> anyhow::Result<Vec<Chart>> {
    Ok(vec![
        deterrence_chart()?,
        verdicts_chart()?,
        rates_chart()?,
        awake_chart()?,
        redundant_chart()?,
    ])
}

fn liar(share: f64) -> Draw {
    Draw::jury(Market::with(share), true)
}

fn deterrence_chart() -> anyhow::Result<Chart> {
    let usual = |price| move |share| deterrence(&liar(share), Q, (price, BOND));
    let other = |alter: fn(f64) -> Draw| move |share| deterrence(&alter(share), Q, (LARGEST, BOND));
    Ok(Chart {
        file: "deterrence",
        title: "What a cheat expects to lose, over what it saves",
        under: "Defaults: audits 50 %, bond 3 x price, running a task costs the whole price. Below 1 cheating pays.".into(),
        x: SHARE,
        y: "times",
        top: 2.2,
        lines: vec![
            line("largest lease (25 f)", false, axis(), usual(LARGEST))?,
            line("smallest lease (12.5 f)", false, axis(), usual(SMALLEST))?,
            line("nobody is quicker", true, axis(), other(|share| liar(share).in_order(Order::Anyone)))?,
            line("honest jurors run for 10 minutes, then sit", true, axis(), other(|share| liar(share).delayed(1)))?,
            line("the coalition's idle stake leaves", true, axis(), other(leaves))?,
            line("SDK warns", true, axis(), |_| Ok(ENOUGH))?,
            line("SDK refuses", true, axis(), |_| Ok(1.0))?,
        ],
    })
}

/// A liar's jury, if all of the coalition's stake that was not drawn leaves once the seed is known.
pub(crate) fn leaves(share: f64) -> Draw {
    let market = Market {
        gone: share,
        ..Market::with(share)
    };
    Draw::jury(market, true)
}

fn honest_accused(share: f64) -> Draw {
    Draw::jury(Market::with(share), false)
}

/// How often an honest provider is convicted if its audit is due.
pub(crate) fn framed(draw: &Draw) -> anyhow::Result<Fate> {
    Ok(Audit::new(Aim::Convict, Means::Any)?.fate(draw))
}

fn verdicts_chart() -> anyhow::Result<Chart> {
    let usual = |share| lie(&liar(share), Means::Any, (LARGEST, BOND));
    Ok(Chart {
        file: "verdicts",
        title: "What becomes of an audit that is due",
        under: "100 honest providers, all awake; the coalition is first at every step and spends what pays.".into(),
        x: SHARE,
        y: "probability",
        top: 1.0,
        lines: vec![
            line("a lie is convicted", false, axis(), |share| Ok(usual(share)?.convicted))?,
            line("a lie is acquitted: two colluding jurors", false, axis(), |share| Ok(usual(share)?.acquitted))?,
            line("a lie is contested: both juries blocked", false, axis(), |share| Ok(usual(share)?.contested))?,
            line("an honest provider is convicted", true, axis(), |share| {
                Ok(framed(&honest_accused(share))?.convicted)
            })?,
        ],
    })
}

fn rates_chart() -> anyhow::Result<Chart> {
    let rates = || (0..=20).map(|i| f64::from(i) / 20.0);
    let mut lines = Vec::new();
    for share in [0.10, 0.20] {
        for bond in [1.0, 3.0, 10.0] {
            let name = format!("bond {bond:.0} x price, {:.0} % collude", share * 100.0);
            // The best acts do not depend on the chance of the audit.
            let once = deterrence(&liar(share), 1.0, (LARGEST, bond))?;
            lines.push(line(name, share > 0.15, rates(), |q| Ok(q * once))?);
        }
    }
    lines.push(line("SDK warns", true, rates(), |_| Ok(ENOUGH))?);
    Ok(Chart {
        file: "rates",
        title: "Deterrence by the chance of an audit and the bond",
        under: "Largest lease. Lines end where they leave the picture.".into(),
        x: "chance of an audit (%)",
        y: "times",
        top: 5.0,
        lines,
    })
}

fn awake_chart() -> anyhow::Result<Chart> {
    let awake = || (0..=20).map(|i| f64::from(i) / 20.0);
    let market = |honest: u32, share| {
        move |part: f64| Market {
            share,
            honest,
            awake: (f64::from(honest) * part).round() as u32,
            gone: 0.0,
        }
    };
    let mut lines = Vec::new();
    for (honest, share) in [(100, 0.0), (100, 0.10), (100, 0.20), (20, 0.10), (5, 0.0)] {
        let name = format!("{honest} honest providers, {:.0} % collude", share * 100.0);
        let market = market(honest, share);
        lines.push(line(name, honest != 100, awake(), |part| {
            deterrence(&Draw::jury(market(part), true), Q, (LARGEST, BOND))
        })?);
    }
    lines.push(line("SDK refuses", true, awake(), |_| Ok(1.0))?);
    Ok(Chart {
        file: "awake",
        title: "Deterrence where honest providers are asleep",
        under: "Defaults, largest lease. Stake that sleeps, or cannot run the job, counts in the draw all the same.".into(),
        x: "honest providers that are awake and able (%)",
        y: "times",
        top: 2.2,
        lines,
    })
}

fn redundant_chart() -> anyhow::Result<Chart> {
    let wins = |(replicas, agree): (u8, u8), awake| {
        move |share| {
            let market = Market {
                awake,
                ..Market::with(share)
            };
            Ok(quorum(&Draw::lease(market, replicas, agree), agree))
        }
    };
    let mut lines = Vec::new();
    for (level, awake) in [((3, 2), 100), ((5, 3), 100), ((9, 5), 100), ((15, 8), 100)] {
        let name = format!("{}/{}", level.0, level.1);
        lines.push(line(name, false, axis(), wins(level, awake))?);
    }
    for level in [(3, 2), (5, 3), (15, 8)] {
        let name = format!("{}/{}, half of the honest stake asleep", level.0, level.1);
        lines.push(line(name, true, axis(), wins(level, 50))?);
    }
    Ok(Chart {
        file: "redundant",
        title: "How often a coalition gets a quorum of a redundant lease",
        under: "The coalition is first at every step; honest providers need half of the run window for the work.".into(),
        x: SHARE,
        y: "probability",
        top: 1.0,
        lines,
    })
}

fn shares(first: &str) -> Vec<String> {
    row(
        first,
        SHARES.iter().map(|share| format!("{:.0} %", share * 100.0)),
    )
}

/// One row: a figure for each share.
fn by_share(
    name: impl Into<String>,
    figure: impl Fn(f64) -> anyhow::Result<String>,
) -> anyhow::Result<Vec<String>> {
    let cells: Vec<String> = SHARES.into_iter().map(figure).collect::<Result<_, _>>()?;
    Ok(row(name, cells))
}

/// The named tables of the README.
pub(crate) fn tables() -> anyhow::Result<Vec<(&'static str, String)>> {
    Ok(vec![
        ("K", k_table()?),
        ("DETERRENCE", deterrence_table()?),
        ("VERDICTS", verdicts_table()?),
        ("RATES", rates_table()?),
        ("MARKETS", markets_table()?),
        ("QUORUM", quorum_table()?),
        ("PLAY", play_table()),
    ])
}

fn k_table() -> anyhow::Result<String> {
    let k_of = |alter: fn(f64) -> Draw, means, price| {
        move |share: f64| Ok(two(k(&alter(share), means, price)?))
    };
    let sdk = |share: f64| {
        let found = SDK_K.iter().find(|(of, _)| (of - share).abs() < 1e-9);
        Ok(found.map_or("–".to_owned(), |(_, k)| two(*k)))
    };
    let effect =
        |alter: fn(f64) -> Draw, price| move |share| Ok(two(effective_k(&alter(share), price)?));
    let even: fn(f64) -> Draw = |share| liar(share).in_order(Order::Anyone);
    let late: fn(f64) -> Draw = |share| liar(share).delayed(1);
    Ok(table(
        &shares("k, in a market that is awake"),
        [
            by_share("the SDK's constant", sdk)?,
            by_share("effective k, nobody is quicker", effect(even, LARGEST))?,
            by_share("effective k, largest lease", effect(liar, LARGEST))?,
            by_share("effective k, smallest lease", effect(liar, SMALLEST))?,
            by_share(
                "jurors of the coalition burn nothing",
                k_of(liar, Means::Free, LARGEST),
            )?,
            by_share(
                "they burn what pays, smallest lease",
                k_of(liar, Means::Any, SMALLEST),
            )?,
            by_share(
                "they burn what pays, largest lease",
                k_of(liar, Means::Any, LARGEST),
            )?,
            by_share(
                "the same, nobody is quicker",
                k_of(even, Means::Any, LARGEST),
            )?,
            by_share(
                "the same, honest jurors run first, for 10 to 20 minutes",
                k_of(late, Means::Any, LARGEST),
            )?,
            by_share(
                "the same, idle stake leaves once the seed is known",
                k_of(leaves, Means::Any, LARGEST),
            )?,
        ],
    ))
}

fn deterrence_table() -> anyhow::Result<String> {
    let of = |price| move |share| Ok(two(deterrence(&liar(share), Q, (price, BOND))?));
    let plain = |share| Ok(two(Q * (1.0 + BOND) * usual_k(share)?));
    let bond = |price| {
        move |share| {
            let bond = least_bond(share, price, ENOUGH)?;
            Ok(if bond > 100.0 {
                "> 100".to_owned()
            } else {
                one(bond)
            })
        }
    };
    let chance = |price| {
        move |share| {
            let q = ENOUGH / deterrence(&liar(share), 1.0, (price, BOND))?;
            Ok(if q > 1.0 {
                "–".to_owned()
            } else {
                percent(q)
            })
        }
    };
    let text = table(
        &shares("expected loss over saving"),
        [
            by_share("k q (p + b) / c alone, largest lease", plain)?,
            by_share("with what blocking costs, largest lease", of(LARGEST))?,
            by_share("with what blocking costs, smallest lease", of(SMALLEST))?,
            by_share("the same, nobody is quicker, largest lease", |share| {
                let draw = liar(share).in_order(Order::Anyone);
                Ok(two(deterrence(&draw, Q, (LARGEST, BOND))?))
            })?,
            by_share("bond in prices for 1.5, largest lease", bond(LARGEST))?,
            by_share("bond in prices for 1.5, smallest lease", bond(SMALLEST))?,
            by_share("chance of an audit for 1.5, largest lease", chance(LARGEST))?,
        ],
    );
    Ok(format!(
        "{text}\nWith the defaults a cheat loses 1.5 times what it saves up to a share of {} (largest lease) or {} \
         (smallest), and as much as it saves up to {} or {}.\n",
        percent(largest_share(LARGEST, ENOUGH)?),
        percent(largest_share(SMALLEST, ENOUGH)?),
        percent(largest_share(LARGEST, 1.0)?),
        percent(largest_share(SMALLEST, 1.0)?),
    ))
}

fn verdicts_table() -> anyhow::Result<String> {
    let usual = |share| lie(&liar(share), Means::Any, (LARGEST, BOND));
    let of = |pick: fn(&Fate) -> f64| move |share| Ok(percent(pick(&usual(share)?)));
    let frame = |pick: fn(&Fate) -> String| move |share| Ok(pick(&framed(&honest_accused(share))?));
    Ok(table(
        &shares("of audits that are due"),
        [
            by_share("a lie: convicted", of(|fate| fate.convicted))?,
            by_share("a lie: acquitted", of(|fate| fate.acquitted))?,
            by_share("a lie: contested", of(|fate| fate.contested))?,
            by_share("what its jurors gain, in jury fees", |share| {
                Ok(one(usual(share)?.coalition))
            })?,
            by_share(
                "an honest result: convicted",
                frame(|fate| percent(fate.convicted)),
            )?,
            by_share(
                "an honest result: contested",
                frame(|fate| percent(fate.contested)),
            )?,
            by_share(
                "what its enemies gain, in jury fees",
                frame(|fate| one(fate.coalition)),
            )?,
            by_share(
                "what honest jurors gain then, in jury fees",
                frame(|fate| one(fate.honest)),
            )?,
        ],
    ))
}

fn rates_table() -> anyhow::Result<String> {
    let mut body = Vec::new();
    for share in [0.10, 0.20] {
        for bond in [1.0, 2.0, 3.0, 4.0, 5.0, 10.0] {
            let name = format!("{:.0} % collude, bond {bond:.0} x price", share * 100.0);
            let once = deterrence(&liar(share), 1.0, (LARGEST, bond))?;
            body.push(row(
                name,
                [0.1, 0.25, 0.5, 0.75, 1.0].map(|q| two(q * once)),
            ));
        }
    }
    let head = [
        "expected loss over saving",
        "q 10 %",
        "25 %",
        "50 %",
        "75 %",
        "100 %",
    ];
    Ok(table(&head, body))
}

/// a, k and deterrence of the default job.
fn market_row(name: String, market: Market) -> anyhow::Result<Vec<String>> {
    let draw = Draw::jury(market, true);
    let held = lie(&draw, Means::Absent, (LARGEST, BOND))?.convicted;
    let convicted = lie(&draw, Means::Any, (LARGEST, BOND))?.convicted;
    let times = deterrence(&draw, Q, (LARGEST, BOND))?;
    Ok(row(name, [percent(held), percent(convicted), two(times)]))
}

fn markets_table() -> anyhow::Result<String> {
    let mut body = Vec::new();
    for (honest, awake) in [
        (2, 2),
        (3, 3),
        (4, 4),
        (8, 8),
        (20, 20),
        (100, 100),
        (1_000, 1_000),
    ] {
        let accused = honest_only(awake - 1, honest); // the liar is one of them
        body.push(market_row(
            format!("{honest} providers, all awake, nobody colludes"),
            accused,
        )?);
    }
    for awake in [50, 40, 30, 20, 10, 5] {
        let name = format!("{awake} of 100 awake, nobody colludes");
        body.push(market_row(name, honest_only(awake, 100))?);
    }
    for (honest, awake, share) in [
        (8, 8, 0.10),
        (8, 4, 0.10),
        (100, 50, 0.10),
        (100, 30, 0.10),
        (100, 20, 0.10),
        (100, 50, 0.20),
    ] {
        let market = Market {
            share,
            honest,
            awake,
            gone: 0.0,
        };
        let name = format!("{awake} of {honest} awake, {:.0} % collude", share * 100.0);
        body.push(market_row(name, market)?);
    }
    Ok(table(
        &[
            "market",
            "a: an audit is held",
            "a k: it convicts",
            "deterrence",
        ],
        body,
    ))
}

fn quorum_table() -> anyhow::Result<String> {
    let mut body = Vec::new();
    let wins = |(replicas, agree): (u8, u8), awake, order| {
        move |share| {
            let market = Market {
                awake,
                ..Market::with(share)
            };
            let draw = Draw::lease(market, replicas, agree).in_order(order);
            Ok(percent(quorum(&draw, agree)))
        }
    };
    for level in LEVELS {
        let name = format!("{}/{}", level.0, level.1);
        body.push(by_share(name, wins(level, 100, Order::CoalitionFirst))?);
    }
    for (awake, name) in [(50, "half"), (20, "four fifths")] {
        for level in [(3, 2), (5, 3)] {
            let name = format!("{}/{}, {name} of the honest stake asleep", level.0, level.1);
            body.push(by_share(name, wins(level, awake, Order::CoalitionFirst))?);
        }
    }
    for level in [(3, 2), (5, 3)] {
        let name = format!("{}/{}, nobody is quicker", level.0, level.1);
        body.push(by_share(name, wins(level, 100, Order::Anyone))?);
    }
    Ok(table(&shares("a quorum is the coalition's"), body))
}

/// The chance that an honest juror that was drawn at the first step finds a seat, if all of them run the task before they
/// sit and the coalition sits at once.
pub(crate) fn seat_chance(share: f64) -> f64 {
    liar(share).seat_chance()
}

/// Draws that are counted for each line of the table.
const DRAWS: u32 = 10_000;

/// Draws with random tickets, beside the exact sums.
fn play_table() -> String {
    let thin = Market {
        awake: 20,
        ..Market::with(0.10)
    };
    let draws = [
        ("jury, 10 % collude: two colluders", liar(0.10), 2),
        ("jury, 20 % collude: two colluders", liar(0.20), 2),
        (
            "the same, nobody is quicker",
            liar(0.20).in_order(Order::Anyone),
            2,
        ),
        (
            "the same, honest jurors run first",
            liar(0.20).delayed(1),
            2,
        ),
        ("the same, idle stake leaves", leaves(0.20), 2),
        (
            "jury, 10 % collude, 20 of 100 awake: two colluders",
            Draw::jury(thin, true),
            2,
        ),
        (
            "3/2, 20 % collude: a quorum",
            Draw::lease(Market::with(0.20), 3, 2),
            2,
        ),
        (
            "5/3, 10 % collude, 20 of 100 awake: a quorum",
            Draw::lease(thin, 5, 3),
            3,
        ),
    ];
    let mut body = Vec::new();
    for (stream, (name, draw, least)) in (0..).zip(draws) {
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        rng.set_stream(stream);
        let hits = (0..DRAWS).filter(|_| draw.play(&mut rng).coalition >= u32::from(least));
        let (low, high) = interval(u32::try_from(hits.count()).unwrap_or(DRAWS), DRAWS, 1.96);
        let counted = format!("{}–{}", percent(low), percent(high));
        body.push(row(name, [percent(quorum(&draw, least)), counted]));
    }
    table(&["draw", "exact", "10,000 draws, 95 %"], body)
}
