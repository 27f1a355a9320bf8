//! Every pattern of a jury's votes, against the table of the protocol.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use piecework_protocol::types::{Seat, SeatEnd, Verdict};
use piecework_protocol::votes::{Voter, agree, decide, end_of, majority};

/// Three seats, then what follows if the accused's leaf is opened, then if it never is. A seat votes for the leaf's digest
/// (L) or for another one (D, E), abstains (A), commits and is not opened (S), joins only (J) or is empty (-). The verdict is
/// acquitted (A), convicted (C) or none (N). A seat ends as Paid, Outvoted, Silent, Late, Abstained, Undecided or Released.
const TABLE: &str = "
    LLL APPP CPPP | LLD APPO CPPO | LLE APPO CPPO | LLA APPA CPPA | LLS APPS CPPS | LLJ APPL CPPL
    LL- APP- CPP- | LDD NOUU COPP | LDE NUUU NUUU | LDA NUUA NUUA | LDS NUUS NUUS | LDJ NUUL NUUL
    LD- NUU- NUU- | LEE NOUU COPP | LEA NUUA NUUA | LES NUUS NUUS | LEJ NUUL NUUL | LE- NUU- NUU-
    LAA NUAA NUAA | LAS NUAS NUAS | LAJ NUAL NUAL | LA- NUA- NUA- | LSS NUSS NUSS | LSJ NUSL NUSL
    LS- NUS- NUS- | LJJ NRLL NRLL | LJ- NRL- NRL- | L-- NR-- NR-- | DDD CPPP CPPP | DDE CPPO CPPO
    DDA CPPA CPPA | DDS CPPS CPPS | DDJ CPPL CPPL | DD- CPP- CPP- | DEE COPP COPP | DEA NUUA NUUA
    DES NUUS NUUS | DEJ NUUL NUUL | DE- NUU- NUU- | DAA NUAA NUAA | DAS NUAS NUAS | DAJ NUAL NUAL
    DA- NUA- NUA- | DSS NUSS NUSS | DSJ NUSL NUSL | DS- NUS- NUS- | DJJ NRLL NRLL | DJ- NRL- NRL-
    D-- NR-- NR-- | EEE CPPP CPPP | EEA CPPA CPPA | EES CPPS CPPS | EEJ CPPL CPPL | EE- CPP- CPP-
    EAA NUAA NUAA | EAS NUAS NUAS | EAJ NUAL NUAL | EA- NUA- NUA- | ESS NUSS NUSS | ESJ NUSL NUSL
    ES- NUS- NUS- | EJJ NRLL NRLL | EJ- NRL- NRL- | E-- NR-- NR-- | AAA NAAA NAAA | AAS NAAS NAAS
    AAJ NAAL NAAL | AA- NAA- NAA- | ASS NASS NASS | ASJ NASL NASL | AS- NAS- NAS- | AJJ NRLL NRLL
    AJ- NRL- NRL- | A-- NR-- NR-- | SSS NRRR NRRR | SSJ NRRL NRRL | SS- NRR- NRR- | SJJ NRLL NRLL
    SJ- NRL- NRL- | S-- NR-- NR-- | JJJ NLLL NLLL | JJ- NLL- NLL- | J-- NL-- NL-- | --- N--- N---";

const JURY: u8 = 1;

fn voter((number, act): (usize, char), lapsed: bool) -> Option<Voter> {
    let (state, value) = match act {
        '-' => return None,
        'J' => (Seat::Joined, 0),
        'S' => (Seat::Committed, 0),
        // What cannot be opened stays a commitment.
        _ if lapsed => (Seat::Committed, 0),
        'A' => (Seat::Opened, 0),
        digest => (Seat::Opened, digest as u8),
    };
    let number = u32::try_from(number).unwrap() + 1;
    Some(Voter { number, state, value: [value; 32], proof: [value; 32], fresh: false })
}

/// The verdict and the seats' ends, in the table's letters.
fn outcome(seats: &str, leaf: u8) -> String {
    let lapsed = seats.chars().filter(|act| !"J-".contains(*act)).count() < 2;
    let voters: Vec<Voter> = seats.chars().enumerate().filter_map(|seat| voter(seat, lapsed)).collect();
    let opened = voters.iter().filter(|voter| voter.state == Seat::Opened).count();
    let decision = decide(JURY, &voters, &[leaf; 32]);
    let mut ends =
        voters.iter().map(|voter| match end_of(JURY, voter, &decision, u8::try_from(opened).unwrap()) {
            SeatEnd::Paid => 'P',
            SeatEnd::Outvoted => 'O',
            SeatEnd::Silent => 'S',
            SeatEnd::Late => 'L',
            SeatEnd::Abstained => 'A',
            SeatEnd::Undecided => 'U',
            SeatEnd::Released => 'R',
            SeatEnd::None => panic!("{seats}: no end"),
        });
    let verdict = match decision.verdict {
        Verdict::Acquitted => 'A',
        Verdict::Convicted => 'C',
        _ => 'N',
    };
    let seats = seats.chars().map(|act| if act == '-' { '-' } else { ends.next().unwrap() });
    [verdict].into_iter().chain(seats).collect()
}

#[test]
fn every_pattern_of_votes_has_its_outcome() {
    let mut rows = 0;
    for row in TABLE.split(['\n', '|']).filter(|row| !row.trim().is_empty()) {
        let mut cells = row.split_whitespace();
        let (seats, opened, never) = (cells.next().unwrap(), cells.next().unwrap(), cells.next().unwrap());
        // In every order of the seats' numbers the same verdict, and to each seat the same end.
        for [i, j, k] in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let order = |text: &str| -> String {
                [i, j, k].map(|place| text.as_bytes()[place] as char).into_iter().collect()
            };
            let expected = |text: &str| format!("{}{}", &text[..1], order(&text[1..]));
            assert_eq!(outcome(&order(seats), b'L'), expected(opened), "{seats}, leaf opened");
            assert_eq!(outcome(&order(seats), 0), expected(never), "{seats}, leaf never opened");
        }
        rows += 2;
    }
    assert_eq!(rows, 168);
}

#[test]
fn votes_agree_only_as_pairs_and_roots_alone() {
    let seat =
        |proof: u8| Voter { number: 1, state: Seat::Opened, value: [7; 32], proof: [proof; 32], fresh: true };
    let (one, other) = (seat(1), seat(2));
    assert!(agree(JURY, &one, &one) && !agree(JURY, &one, &other) && agree(0, &one, &other));
    // Two digests like the leaf with different keyed digests are no verdict.
    assert_eq!(decide(JURY, &[one, other], &[7; 32]).verdict, Verdict::NoVerdict);
    // A lone vote of the majority's digest does not undo its verdict.
    assert_eq!(decide(JURY, &[one, other, one], &[7; 32]).verdict, Verdict::Acquitted);
    assert_eq!(decide(JURY, &[one, other, one], &[8; 32]).verdict, Verdict::Convicted);
}

#[test]
fn a_majority_is_a_quorum_of_equal_roots() {
    let roots = |text: &str| -> Vec<Voter> {
        text.chars().enumerate().filter_map(|seat| voter(seat, false)).collect()
    };
    for (seats, quorum, votes) in
        [("DDE", 2, Some(2)), ("DES", 2, None), ("EDDED", 3, Some(3)), ("SSJDD", 3, None), ("AAA", 2, None)]
    {
        assert_eq!(majority(0, quorum, &roots(seats)).map(|(_, votes)| votes), votes, "{seats}");
    }
}
