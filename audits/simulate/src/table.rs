//! The figures as text: all of them as CSV, the important ones as Markdown.

use std::fmt::Write;

use crate::lease::{Level, Watched, blocked, cost, round, stands};
use crate::study::{
    FAILING, KEY_SHARES, Kind, LADDER, LAZY, Row, SAMPLED, Seating, Setting, THREE_OF_FIVE, TRIALS,
    TWO_OF_THREE, WEAK_SHARE,
};

/// Seeds that whoever makes the block may choose from.
const REROLLS: [(u32, &str); 5] = [
    (1, "1"),
    (2, "2"),
    (4, "4"),
    (1_000, "1,000"),
    (1_000_000, "1,000,000"),
];

/// Every row; shares and probabilities are fractions of 1.
pub(crate) fn csv(rows: &[Row]) -> String {
    let mut text = "level,wrong_tasks,seating,stake_share,honest_present,first_seat_after_s,draws,\
                    closed_form,monte_carlo,ci95_low,ci95_high,trials\n"
        .to_owned();
    for Row {
        setting,
        exact,
        counted,
    } in rows
    {
        let (level, wrong) = match setting.kind {
            Kind::Optimistic { wrong } => ("1/1".to_owned(), wrong.to_string()),
            Kind::Redundant(level) => (name(level), String::new()),
            Kind::Jury => ("jury".to_owned(), String::new()),
        };
        let seating = match setting.seating {
            Seating::ColludersFirst => "drawn; colluders first",
            Seating::ByTicket => "drawn; lowest ticket first",
            Seating::NotDrawn => "not drawn",
        };
        let counted = counted.map_or(",,,".to_owned(), |counted| {
            let (low, high) = counted.interval(1.96);
            format!(
                "{:.5},{low:.5},{high:.5},{}",
                counted.mean(),
                counted.trials
            )
        });
        let Setting { share, draws, .. } = setting;
        let (present, after) = (f64::from(setting.present) / 100.0, setting.seconds());
        let line = format!(
            "{level},{wrong},{seating},{share:.3},{present:.2},{after},{draws},{exact:.6},{counted}\n"
        );
        text.push_str(&line);
    }
    text
}

/// The tables of the README.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let tables = [
        by_share(rows),
        seat_outcomes(),
        rerolls(rows),
        weaknesses(rows),
        costs(),
        bonds(),
    ];
    tables.join("\n")
}

fn name(level: Level) -> String {
    format!("{}/{}", level.seats, level.quorum)
}

/// A probability in percent.
fn percent(p: f64) -> String {
    match p * 100.0 {
        all if all > 99.95 => "100 %".to_owned(),
        much if much >= 10.0 => format!("{much:.1} %"),
        some if some >= 0.1 => format!("{some:.2} %"),
        few if few >= 0.0001 => format!("{few:.4} %"),
        _ => "< 0.0001 %".to_owned(),
    }
}

fn line(text: &mut String, cells: impl IntoIterator<Item = String>) {
    text.push('|');
    for cell in cells {
        // Writing to a string cannot fail.
        let _ = write!(text, " {cell} |");
    }
    text.push('\n');
}

/// A table; its first column is text, the others are figures.
fn table(
    head: impl IntoIterator<Item = String>,
    body: impl IntoIterator<Item = Vec<String>>,
) -> String {
    let mut text = String::new();
    let head: Vec<String> = head.into_iter().collect();
    let rule = (0..head.len()).map(|column| if column == 0 { "---" } else { "---:" }.to_owned());
    line(&mut text, head.clone());
    line(&mut text, rule);
    for cells in body {
        line(&mut text, cells);
    }
    text
}

fn share_columns(first: &str) -> Vec<String> {
    std::iter::once(first.to_owned())
        .chain(
            KEY_SHARES
                .iter()
                .map(|share| format!("{:.0} %", share * 100.0)),
        )
        .collect()
}

fn find(rows: &[Row], wanted: Setting) -> Option<&Row> {
    rows.iter().find(|row| row.setting == wanted)
}

/// A figure, and in brackets the interval that was counted.
fn cell(row: Option<&Row>) -> String {
    let Some(row) = row else {
        return "–".to_owned();
    };
    match row.counted {
        Some(counted) if counted.hits < counted.trials => {
            let (low, high) = counted.interval(1.96);
            format!(
                "{} ({:.2}–{:.2})",
                percent(row.exact),
                low * 100.0,
                high * 100.0
            )
        }
        _ => percent(row.exact),
    }
}

fn by_share(rows: &[Row]) -> String {
    use Seating::{ByTicket, ColludersFirst, NotDrawn};
    let (three, five) = (
        Kind::Redundant(TWO_OF_THREE),
        Kind::Redundant(THREE_OF_FIVE),
    );
    let lines = [
        (
            "1/1, 3/2, 5/3, seats (or jury) not drawn".to_owned(),
            three,
            NotDrawn,
            100,
        ),
        (
            format!("1/1, {} re-run, one wrong task", whole(SAMPLED)),
            Kind::Optimistic { wrong: 1 },
            ColludersFirst,
            100,
        ),
        (
            format!("1/1, the same, {LAZY} wrong tasks"),
            Kind::Optimistic { wrong: LAZY },
            ColludersFirst,
            100,
        ),
        ("3/2".to_owned(), three, ColludersFirst, 100),
        ("5/3".to_owned(), five, ColludersFirst, 100),
        (
            "3/2, half of the honest stake absent".to_owned(),
            three,
            ColludersFirst,
            50,
        ),
        (
            "5/3, half of the honest stake absent".to_owned(),
            five,
            ColludersFirst,
            50,
        ),
        ("3/2, nobody quicker".to_owned(), three, ByTicket, 100),
        ("5/3, nobody quicker".to_owned(), five, ByTicket, 100),
    ];
    let body = lines.into_iter().map(|(text, kind, seating, present)| {
        let figures = KEY_SHARES.map(|share| {
            let wanted = Setting {
                kind,
                seating,
                share,
                present,
                delay: 0,
                draws: 1,
            };
            cell(find(rows, wanted))
        });
        std::iter::once(text).chain(figures).collect()
    });
    let counted: Vec<_> = rows
        .iter()
        .filter_map(|row| Some((row.exact, row.counted?.interval(1.96))))
        .collect();
    let inside = counted
        .iter()
        .filter(|(p, (low, high))| low - 1e-9 <= *p && *p <= high + 1e-9)
        .count();
    format!(
        "### A wrong result is accepted, by share of stake that colludes\n\nClosed form, and in brackets the 95 % interval \
         of {TRIALS} Monte Carlo trials. Of all {} counted figures, {inside} intervals hold the closed form.\n\n{}",
        counted.len(),
        table(share_columns("level"), body)
    )
}

fn whole(p: f64) -> String {
    format!("{:.0} %", p * 100.0)
}

fn setting(level: Level, share: f64) -> Setting {
    let kind = Kind::Redundant(level);
    Setting {
        kind,
        seating: Seating::ColludersFirst,
        share,
        present: 100,
        delay: 0,
        draws: 1,
    }
}

fn seat_outcomes() -> String {
    let mut body = Vec::new();
    for level in [TWO_OF_THREE, THREE_OF_FIVE] {
        let rounds = KEY_SHARES.map(|share| {
            let seating = setting(level, share).draw().seating();
            (
                round(level, &seating, FAILING),
                blocked(level, &seating, FAILING),
            )
        });
        let mut add = |text: &str, figures: [String; 5]| {
            body.push(
                std::iter::once(format!("{}: {text}", name(level)))
                    .chain(figures)
                    .collect(),
            );
        };
        add("wrong result", rounds.map(|(odds, _)| percent(odds.wrong)));
        add("right result", rounds.map(|(odds, _)| percent(odds.right)));
        add(
            "no quorum, refunded",
            rounds.map(|(odds, _)| percent(odds.refunded)),
        );
        add(
            "too few commits, new round",
            rounds.map(|(odds, _)| percent(odds.again)),
        );
        add(
            "seat bonds the group loses",
            rounds.map(|(odds, _)| format!("{:.2}", odds.bonds_lost)),
        );
        add(
            "new round, if the group blocks",
            rounds.map(|(_, blocked)| percent(blocked)),
        );
        add(
            "wrong in the end",
            rounds.map(|(odds, again)| percent(odds.wrong / (1.0 - again))),
        );
        add(
            "wrong in the end, had growth not begun anew",
            rounds.map(|(odds, again)| percent(odds.wrong + again)),
        );
    }
    format!(
        "### How a round ends, when {} of honest seats do not commit in time\n\nThe first five lines of each: every drawn \
         colluder commits the wrong root. The last three: a group short of a quorum reserves its seats and stays silent, \
         to draw again.\n\n{}",
        whole(FAILING),
        table(share_columns("of one lease"), body)
    )
}

fn rerolls(rows: &[Row]) -> String {
    let mut body = Vec::new();
    for (text, kind) in [
        ("3/2", Kind::Redundant(TWO_OF_THREE)),
        ("5/3", Kind::Redundant(THREE_OF_FIVE)),
        ("jury of 3 fails", Kind::Jury),
    ] {
        for draws in [1, 2, 4] {
            let figures = KEY_SHARES.map(|share| {
                cell(find(
                    rows,
                    Setting {
                        kind,
                        draws,
                        ..setting(TWO_OF_THREE, share)
                    },
                ))
            });
            body.push(
                std::iter::once(format!("{text}, best of {draws}"))
                    .chain(figures)
                    .collect(),
            );
        }
    }
    let half = [("3/2", TWO_OF_THREE), ("5/3", THREE_OF_FIVE)].map(|(text, level)| {
        let shares = REROLLS.map(|(draws, _)| percent(half_at(level, draws)));
        std::iter::once(text.to_owned()).chain(shares).collect()
    });
    let head = std::iter::once("share that wins every second lease".to_owned());
    let draws = REROLLS.map(|(_, draws)| format!("best of {draws}"));
    format!(
        "### Who makes the seed may try again\n\n{}\n{}",
        table(share_columns("level, draws"), body),
        table(head.chain(draws), half)
    )
}

/// The share of stake with which the best of `draws` draws is won with probability 1/2, by bisection.
fn half_at(level: Level, draws: u32) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..20 {
        let share = (low + high) / 2.0;
        let wins = Setting {
            draws,
            ..setting(level, share)
        }
        .exact()
            >= 0.5;
        (low, high) = if wins { (low, share) } else { (share, high) };
    }
    high
}

fn weaknesses(rows: &[Row]) -> String {
    let kinds = [
        Kind::Redundant(TWO_OF_THREE),
        Kind::Redundant(THREE_OF_FIVE),
        Kind::Jury,
    ];
    let base = setting(TWO_OF_THREE, WEAK_SHARE);
    let mut body = Vec::new();
    for present in [100, 50, 20, 10, 5] {
        let text = format!("{present} of 100 honest providers take part");
        let figures = kinds.map(|kind| {
            cell(find(
                rows,
                Setting {
                    kind,
                    present,
                    ..base
                },
            ))
        });
        body.push(std::iter::once(text).chain(figures).collect());
    }
    for delay in 1..=4 {
        let figures = kinds.map(|kind| {
            cell(find(
                rows,
                Setting {
                    kind,
                    delay,
                    ..base
                },
            ))
        });
        let text = format!(
            "first seat taken {} s after the draw began",
            Setting { delay, ..base }.seconds()
        );
        body.push(std::iter::once(text).chain(figures).collect());
    }
    let head = ["market", "3/2", "5/3", "jury of 3 fails"].map(str::to_owned);
    format!(
        "### Thin and late markets, {} of stake colluding\n\n{}",
        whole(WEAK_SHARE),
        table(head, body)
    )
}

fn costs() -> String {
    let mut body = vec![vec![
        "1/1".to_owned(),
        "1.00".to_owned(),
        percent(FAILING),
        format!("{:.2}", 1.0 / (1.0 - FAILING)),
        format!("{SAMPLED:.2}"),
    ]];
    body.extend(LADDER.map(|level| {
        let cost = cost(level, FAILING);
        let runs = format!("{:.2}", cost.runs);
        vec![
            name(level),
            format!("{:.2}", cost.paid),
            percent(cost.failed),
            runs,
            "0".to_owned(),
        ]
    }));
    let head = [
        "level",
        "paid per task",
        "rounds that fail",
        "runs per task, retries included",
        "re-runs by watchers",
    ];
    format!(
        "### What it costs, all honest, {} of seats failing\n\n{}",
        whole(FAILING),
        table(head.map(str::to_owned), body)
    )
}

fn bonds() -> String {
    let jury = |share| {
        Setting {
            kind: Kind::Jury,
            ..setting(TWO_OF_THREE, share)
        }
        .draw()
        .seating()
    };
    let body = [1, 5, LAZY].map(|wrong| {
        let figures = KEY_SHARES.map(|share| {
            let stands = stands(
                Watched {
                    wrong,
                    sampled: SAMPLED,
                },
                &jury(share),
            );
            format!("{:.2} B; {:.1} x", 1.0 - stands, stands / (1.0 - stands))
        });
        std::iter::once(format!("{wrong} wrong"))
            .chain(figures)
            .collect()
    });
    format!(
        "### What an optimistic cheat loses\n\nExpected loss in units of the lease's bond B; then how many times its gain from the \
         cheat B must be, lest it pay ({} of tasks re-run).\n\n{}",
        whole(SAMPLED),
        table(share_columns("tasks of the lease"), body)
    )
}
