//! A status in words, for a terminal.

use std::fmt::Write as _;

use alloy::primitives::B256;

use crate::status::kind;
use crate::{ChainStatus, LeaseStatus, ObligationStatus, Status};

/// Makes a short table of each chain. `now` is this machine's time, in Unix seconds.
#[must_use]
pub fn table(status: &Status, now: u64) -> String {
    let mut text = String::new();
    let doing = match (status.drained, status.stopping) {
        (true, _) => "it is drained, and ends now",
        (false, true) => "it is stopping, and takes nothing more",
        (false, false) => "it takes work",
    };
    let Status {
        version,
        running_tasks,
        capacity_tasks,
        ..
    } = status;
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "piecework-executor {version}: {running_tasks} of {capacity_tasks} tasks run; {doing}"
    );
    for chain in &status.chains {
        text.push_str(&chain_table(chain, chain_time(chain, now), now));
    }
    text
}

fn chain_table(chain: &ChainStatus, time: u64, now: u64) -> String {
    let ChainStatus {
        name,
        chain_id,
        market,
        head_block,
        head_time,
        stake,
        free_stake,
        settled,
        lost,
        lost_stake,
        ..
    } = chain;
    let head = match head_time {
        0 => "not read yet".to_owned(),
        _ => format!(
            "block {head_block}, {} ago",
            span(now.saturating_sub(*head_time))
        ),
    };
    let blocked = match chain.blocked.is_empty() {
        true => "by nothing".to_owned(),
        false => chain.blocked.join("\n           "),
    };
    let mut text = format!(
        "\n{name}, chain id {chain_id}, market {market}\n  head     {head}\n  stake    {stake}, of it free {free_stake}\n  \
         lost     {lost_stake} so far, by {lost} leases and seats; {settled} were paid\n  blocked  {blocked}\n"
    );
    section(
        &mut text,
        "duties",
        &DUTY,
        chain.leases.iter().map(|it| duty(it, time)),
    );
    section(
        &mut text,
        "owed",
        &OWED,
        chain.obligations.iter().map(|it| owed(it, time)),
    );
    text
}

pub(super) const DUTY: [&str; 8] = [
    "JOB",
    "FIRST",
    "COUNT",
    "ROUND",
    "KIND",
    "PHASE",
    "DONE",
    "TIME LEFT",
];
pub(super) const OWED: [&str; 6] = [
    "JOB",
    "FIRST",
    "ROUND",
    "KIND",
    "TIME LEFT",
    "OTHERWISE LOST",
];

pub(super) fn duty(lease: &LeaseStatus, now: u64) -> [String; 8] {
    [
        short(&lease.job),
        lease.first.to_string(),
        lease.count.to_string(),
        lease.round.to_string(),
        kind(lease.kind).to_owned(),
        lease.phase.to_string(),
        format!("{}/{}", lease.tasks_done, lease.count),
        match lease.deadline {
            0 => "-".to_owned(),
            deadline => time_left(deadline, now),
        },
    ]
}

pub(super) fn owed(owed: &ObligationStatus, now: u64) -> [String; 6] {
    [
        short(&owed.job),
        owed.first.to_string(),
        owed.round.to_string(),
        kind(owed.kind).to_owned(),
        time_left(owed.until, now),
        owed.at_stake.to_string(),
    ]
}

/// Adds a table with a heading, its columns as wide as they must be.
pub(super) fn section<const N: usize>(
    text: &mut String,
    what: &str,
    heads: &[&str; N],
    rows: impl Iterator<Item = [String; N]>,
) {
    let rows: Vec<[String; N]> = rows.collect();
    if rows.is_empty() {
        let _ = writeln!(text, "  {what:<8} nothing");
        return;
    }
    let _ = writeln!(text, "  {what}");
    let mut widths = heads.map(|head| head.chars().count());
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in std::iter::once(heads.map(str::to_owned)).chain(rows) {
        let mut line = "   ".to_owned();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, " {cell:<width$} ");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

/// The first bytes of a job's id.
pub(super) fn short(job: &B256) -> String {
    let hex = job.to_string();
    format!("{}…", hex.get(..10).unwrap_or(&hex))
}

/// The chain's time: that of its newest block, or this machine's if that is later.
pub(super) fn chain_time(chain: &ChainStatus, now: u64) -> u64 {
    chain.head_time.max(now)
}

/// The time until a deadline.
pub(super) fn time_left(until: u64, now: u64) -> String {
    match until.checked_sub(now) {
        Some(left) => span(left),
        None => format!("over since {}", span(now.saturating_sub(until))),
    }
}

/// A duration in its two largest units.
pub(super) fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Address;

    use super::*;

    #[test]
    fn a_status_becomes_a_table_with_the_time_that_is_left() {
        let job = B256::repeat_byte(0x12);
        let busy = ChainStatus {
            name: "l2".to_owned(),
            chain_id: 10,
            market: Address::repeat_byte(1),
            head_block: 7,
            head_time: 1_000,
            stake: 900,
            free_stake: 500,
            blocked: vec!["it stalls".to_owned(), "it is stopping".to_owned()],
            leases: vec![LeaseStatus {
                job,
                first: 4,
                count: 16,
                round: 2,
                kind: 0,
                phase: "running".into(),
                tasks_done: 3,
                deadline: 1_075,
            }],
            obligations: vec![ObligationStatus {
                job,
                first: 4,
                round: 2,
                kind: 1,
                until: 998,
                at_stake: 400,
            }],
            lost: 1,
            lost_stake: 40,
            settled: 9,
            ..ChainStatus::default()
        };
        let new = ChainStatus {
            name: "base".to_owned(),
            ..ChainStatus::default()
        };
        let status = Status {
            version: "1.2.3".into(),
            running_tasks: 2,
            capacity_tasks: 4,
            chains: vec![busy, new],
            ..Status::default()
        };
        let expected = "\
piecework-executor 1.2.3: 2 of 4 tasks run; it takes work

l2, chain id 10, market 0x0101010101010101010101010101010101010101
  head     block 7, 3 s ago
  stake    900, of it free 500
  lost     40 so far, by 1 leases and seats; 9 were paid
  blocked  it stalls
           it is stopping
  duties
    JOB          FIRST  COUNT  ROUND  KIND   PHASE    DONE  TIME LEFT
    0x12121212…  4      16     2      lease  running  3/16  1 min 12 s
  owed
    JOB          FIRST  ROUND  KIND  TIME LEFT       OTHERWISE LOST
    0x12121212…  4      2      jury  over since 5 s  400

base, chain id 0, market 0x0000000000000000000000000000000000000000
  head     not read yet
  stake    0, of it free 0
  lost     0 so far, by 0 leases and seats; 0 were paid
  blocked  by nothing
  duties   nothing
  owed     nothing
";
        assert_eq!(table(&status, 1_003), expected);
    }

    #[test]
    fn durations_have_their_two_largest_units() {
        let spans = [59, 61, 3_599, 3_600, 90_061].map(span);
        assert_eq!(
            spans,
            ["59 s", "1 min 1 s", "59 min 59 s", "1 h 0 min", "1 d 1 h"]
        );
    }
}
