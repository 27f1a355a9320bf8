// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Merkle} from "../helpers/Merkle.sol";
import {CommonBase} from "forge-std/Base.sol";
import {IMarket} from "piecework/IMarket.sol";

/// The book: what everyone has and where every job stands, kept apart from the market. It is written from
/// PROTOCOL.md and reads nothing from the market: no rule, no amount, no state.
abstract contract Book is CommonBase {
    struct Posting {
        IMarket.Job job;
        bytes32 id;
        uint16 feeBps;
        bool cancelled;
        uint32 next;
        uint64 postedAt;
        uint256 postedBlock;
        uint256 postedStake;
        uint256 escrow;
        Lease[] leases;
    }

    /// `lie` is 0 for the true result, else says which of many wrong ones was submitted.
    struct Lease {
        uint32 first;
        uint32 count;
        IMarket.Phase phase;
        IMarket.How how;
        uint16 round;
        address holder;
        uint64 startedAt;
        uint64 since;
        uint64 freedAt;
        uint64 drawStart;
        uint256 price;
        uint256 bond;
        uint256 lie;
        bytes32 root;
        uint8 commits;
        uint8 reveals;
        uint8 challenges;
        bool demanded;
        address demander;
    }

    /// A seat of a lease's round, or of a jury. A `void` commitment cannot be opened by who made it.
    struct Seat {
        address who;
        IMarket.Seat state;
        bytes32 vote;
        bytes32 keyed;
        bytes32 salt;
        bool isVoid;
    }

    struct Dispute {
        address challenger;
        uint32 task;
        bytes32 digest;
        bytes32 answer;
        bytes32 salt;
        bool isVoid;
        bool answered;
        uint256 deposit;
        uint64 openedAt;
        uint256 openedBlock;
        uint64 revealFrom;
        uint8 commits;
        uint8 reveals;
    }

    struct Draw {
        uint64 at;
        bytes32 seed;
        uint256 stakes;
    }

    struct Record {
        bool registered;
        uint32 number;
        uint256 stake;
        uint256 locked;
        uint64 stakedAt;
        uint32 completed;
        uint32 late;
        uint32 slashed;
    }

    uint256 internal constant JURY = 3;
    uint256 internal constant JURY_QUORUM = 2;
    /// Blocks from a `post` or a challenge to the first seal.
    uint256 internal constant SEAL_DELAY = 3;
    uint64 internal constant DRAW_TIME = 60;
    uint64 internal constant DRAW_STEP = 5;
    uint64 internal constant REVEAL_WINDOW = 120;
    uint64 internal constant RESPOND_WINDOW = 150;
    uint64 internal constant STAKE_AGE = 200;

    Posting[] internal jobs;
    mapping(bytes32 round => Seat[]) internal seats;
    mapping(bytes32 round => Dispute) internal disputes;
    mapping(bytes32 draw => Draw) internal draws;
    mapping(uint256 job => mapping(uint32 task => uint256)) internal timesPaid;
    mapping(bytes32 list => mapping(address => bool)) internal admitted;
    mapping(address => mapping(uint64 => bool)) internal revoked;
    mapping(address => mapping(address => bool)) internal operators;

    mapping(address => uint256) internal ledger;
    mapping(address => Record) internal records;
    uint32 internal registered;
    uint256 internal burned;
    uint256 internal deposits;
    uint256 internal broughtIn;
    uint256 internal takenOut;
    uint256 internal donated;
    uint256 internal fees;
    /// Fees without rounding, in 1/10,000 units; how often one was taken.
    uint256 internal exactFees;
    uint256 internal payments;
    uint16 internal feeBps;
    address internal recipient;

    error BookBroken(string what);

    function _sure(bool holds, string memory what) internal pure {
        if (!holds) revert BookBroken(what);
    }

    function _time() internal view returns (uint64) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint64(vm.getBlockTimestamp());
    }

    // ------------------------------------------------------------------ rules

    function _authorized(address who, address caller) internal view returns (bool) {
        return caller == who || operators[who][caller];
    }

    function _free(address who) internal view returns (uint256) {
        return records[who].stake - records[who].locked;
    }

    function _admits(uint256 j, address who) internal view returns (bool) {
        bytes32 list = jobs[j].job.terms.providers;
        return list == 0 || admitted[list][who];
    }

    /// New rounds may begin.
    function _isOpen(uint256 j) internal view returns (bool) {
        IMarket.Timing storage timing = jobs[j].job.timing;
        return !jobs[j].cancelled && _time() >= timing.opensAt && _time() <= timing.closesAt;
    }

    function _isRedundant(uint256 j) internal view returns (bool) {
        return jobs[j].job.terms.replicas > 1;
    }

    /// The price of a task and seat in a round that begins now.
    function _priceNow(uint256 j) internal view returns (uint256) {
        IMarket.Price storage price = jobs[j].job.price;
        IMarket.Timing storage timing = jobs[j].job.timing;
        uint256 passed = _time() - timing.opensAt;
        if (passed >= timing.ramp) return price.maxPrice;
        return price.minPrice + uint256(price.maxPrice - price.minPrice) * passed / timing.ramp;
    }

    /// B of an optimistic lease: at least what a jury and a challenger are paid of it.
    function _bondOf(uint256 j, uint256 count) internal view returns (uint256) {
        IMarket.Price storage price = jobs[j].job.price;
        uint256 least = 2 * JURY * uint256(price.juryFee);
        return price.bond * count > least ? price.bond * count : least;
    }

    function _jurorBondOf(uint256 j, uint256 l) internal view returns (uint256) {
        uint256 share = _bondOf(j, jobs[j].leases[l].count) / JURY;
        uint256 bond = jobs[j].job.price.bond;
        return bond > share ? bond : share;
    }

    /// K of a round's next challenge.
    function _depositOf(uint256 j, uint256 l) internal view returns (uint256) {
        return JURY * jobs[j].job.price.juryFee * 2 ** jobs[j].leases[l].challenges;
    }

    function _runsUntil(uint256 j, uint256 l) internal view returns (uint64) {
        return jobs[j].leases[l].startedAt + jobs[j].job.timing.runWindow;
    }

    function _windowUntil(uint256 j, uint256 l) internal view returns (uint64) {
        return jobs[j].leases[l].since + jobs[j].job.timing.challengeWindow;
    }

    /// Last second of seats and commitments of a redundant round.
    function _commitBy(uint256 j, uint256 l) internal view returns (uint64) {
        return _runsUntil(j, l) + DRAW_TIME;
    }

    function _revealBy(uint256 j, uint256 l) internal view returns (uint64) {
        Lease storage lease = jobs[j].leases[l];
        return (lease.phase == IMarket.Phase.Revealing ? lease.since : _commitBy(j, l)) + REVEAL_WINDOW;
    }

    function _juryCommitBy(uint256 j, uint256 l) internal view returns (uint64) {
        return _disputeOf(j, l).openedAt + DRAW_TIME + jobs[j].job.timing.runWindow;
    }

    function _juryRevealBy(uint256 j, uint256 l) internal view returns (uint64) {
        uint64 from = _disputeOf(j, l).revealFrom;
        return (from == 0 ? _juryCommitBy(j, l) : from) + REVEAL_WINDOW;
    }

    // ------------------------------------------------------------------ rounds, seats, draws

    function _roundKey(uint256 j, uint256 l, uint16 round, uint8 challenge) internal view returns (bytes32) {
        return keccak256(abi.encode(jobs[j].id, jobs[j].leases[l].first, round, challenge));
    }

    function _seatsKey(uint256 j, uint256 l) internal view returns (bytes32) {
        return _roundKey(j, l, jobs[j].leases[l].round, 0);
    }

    function _juryKey(uint256 j, uint256 l) internal view returns (bytes32) {
        return _roundKey(j, l, jobs[j].leases[l].round, jobs[j].leases[l].challenges);
    }

    function _disputeOf(uint256 j, uint256 l) internal view returns (Dispute storage) {
        return disputes[_juryKey(j, l)];
    }

    /// The seat of `who`, as an index from 1, else 0.
    function _seatOf(bytes32 key, address who) internal view returns (uint256) {
        for (uint256 i; i < seats[key].length; ++i) {
            if (seats[key][i].who == who) return i + 1;
        }
        return 0;
    }

    /// When `who` is drawn: from the first k on with `H / 2^64 < weight / stakes * places * 2^k`.
    function _drawnFrom(
        Draw memory draw,
        bytes32 key,
        address who,
        uint256 places,
        uint256 j,
        uint256 start,
        uint256 most
    ) internal view returns (uint256) {
        Record storage record = records[who];
        if (draw.at == 0 || record.stake == 0 || record.stakedAt + STAKE_AGE > jobs[j].postedAt) {
            return type(uint256).max;
        }
        uint256 lot = uint256(keccak256(abi.encode(draw.seed, key, who))) / 2 ** 192;
        for (uint256 k; k <= most; ++k) {
            if (lot * draw.stakes < record.stake * places * 2 ** (64 + k)) return start + k * DRAW_STEP;
        }
        return type(uint256).max;
    }

    /// When `who` can take a seat of the lease's round, or of the one that would begin now.
    function _drawnForLease(uint256 j, uint256 l, address who) internal view returns (uint256) {
        Lease storage lease = jobs[j].leases[l];
        bool isFree = lease.phase == IMarket.Phase.Free;
        uint256 start = isFree ? _drawStart(j, l) : lease.drawStart;
        bytes32 key = _roundKey(j, l, isFree ? lease.round + 1 : lease.round, 0);
        return _drawnFrom(draws[jobs[j].id], key, who, jobs[j].job.terms.replicas, j, start, 64);
    }

    function _drawStart(uint256 j, uint256 l) internal view returns (uint64 start) {
        start = jobs[j].job.timing.opensAt;
        if (draws[jobs[j].id].at > start) start = draws[jobs[j].id].at;
        if (jobs[j].leases[l].freedAt > start) start = jobs[j].leases[l].freedAt;
    }

    function _drawnForJury(uint256 j, uint256 l, address who) internal view returns (uint256) {
        bytes32 key = _juryKey(j, l);
        // The jury of a list grows on.
        uint256 steps = jobs[j].job.terms.providers == 0 ? 2 : 64;
        return _drawnFrom(draws[key], key, who, JURY, j, draws[key].at, steps);
    }

    /// Made of the hash of the block after `from`, or of every 256th later one, and of this block's randomness.
    function _seedAfter(uint256 from) internal view returns (bytes32) {
        uint256 at = from + 1;
        while (vm.getBlockNumber() - at > 256) at += 256;
        return keccak256(abi.encode(blockhash(at), block.prevrandao)) >> 176;
    }

    /// The vote that `quorum` seats revealed, as an index from 1, else 0.
    function _winnerOf(bytes32 key, uint256 quorum) internal view returns (uint256 winner) {
        Seat[] storage panel = seats[key];
        for (uint256 i; i < panel.length && winner == 0; ++i) {
            uint256 votes;
            for (uint256 n; n < panel.length; ++n) {
                if (_same(panel[i], panel[n])) ++votes;
            }
            if (votes >= quorum) winner = i + 1;
        }
    }

    function _same(Seat storage a, Seat storage b) internal view returns (bool) {
        return a.state == IMarket.Seat.Revealed && b.state == IMarket.Seat.Revealed && a.vote == b.vote
            && a.keyed == b.keyed;
    }

    // ------------------------------------------------------------------ outputs

    function _digest(uint256 j, uint256 task, uint256 lie) internal pure returns (bytes32) {
        return keccak256(abi.encode("output", j, task, lie));
    }

    /// The task that a lie is about.
    function _lieAt(uint256 j, uint256 l, uint256 lie) internal view returns (uint32) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return jobs[j].leases[l].first + uint32(lie % jobs[j].leases[l].count);
    }

    function _digests(uint256 j, uint256 l, uint256 lie) internal view returns (bytes32[] memory all) {
        Lease storage lease = jobs[j].leases[l];
        all = new bytes32[](lease.count);
        for (uint256 i; i < all.length; ++i) {
            all[i] = _digest(j, lease.first + i, 0);
        }
        if (lie != 0) all[lie % lease.count] = _digest(j, lease.first + lie % lease.count, lie);
    }

    function _rootOf(uint256 j, uint256 l, uint256 lie) internal view returns (bytes32) {
        return Merkle.root(jobs[j].leases[l].first, _digests(j, l, lie));
    }

    // ------------------------------------------------------------------ entries

    function _lock(address who, uint256 bond) internal {
        records[who].locked += bond;
        _sure(records[who].locked <= records[who].stake, "more locked than staked");
    }

    /// A bond returns less what is taken of it.
    function _unlock(address who, uint256 bond, uint256 taken) internal {
        records[who].locked -= bond;
        records[who].stake -= taken;
    }

    /// Pays `who` for a lease of `count` tasks: once for each task and seat.
    function _pay(uint256 j, uint256 l, address who) internal returns (uint256 gross) {
        Lease storage lease = jobs[j].leases[l];
        gross = lease.price * lease.count;
        uint256 fee = gross * jobs[j].feeBps / 10_000;
        exactFees += gross * jobs[j].feeBps;
        ++payments;
        ledger[who] += gross - fee;
        ledger[recipient] += fee;
        fees += fee;
        ++records[who].completed;
        for (uint32 i; i < lease.count; ++i) {
            ++timesPaid[j][lease.first + i];
        }
    }

    /// A lease ends: what was not paid goes back to the client.
    function _endLease(uint256 j, uint256 l, IMarket.Phase phase, uint256 gross) internal {
        IMarket.Job storage job = jobs[j].job;
        uint256 held = uint256(job.price.maxPrice) * job.terms.replicas * jobs[j].leases[l].count;
        jobs[j].leases[l].phase = phase;
        jobs[j].escrow -= held;
        ledger[job.terms.client] += held - gross;
    }

    /// The tasks that no lease holds are given up.
    function _refundUnclaimed(uint256 j) internal {
        IMarket.Job storage job = jobs[j].job;
        uint256 held = uint256(job.price.maxPrice) * (job.terms.tasks - jobs[j].next);
        jobs[j].next = job.terms.tasks;
        jobs[j].escrow -= held;
        ledger[job.terms.client] += held;
    }

    /// An optimistic round ends without a result; `taken` of its bond is the caller's to book.
    function _endRound(uint256 j, uint256 l, uint256 taken) internal {
        Lease storage lease = jobs[j].leases[l];
        _unlock(lease.holder, lease.bond, taken);
        lease.phase = IMarket.Phase.Free;
        lease.root = 0;
        lease.freedAt = _time();
    }

    function _expire(uint256 j, uint256 l) internal {
        Lease storage lease = jobs[j].leases[l];
        uint256 part = lease.bond / 10;
        ++records[lease.holder].late;
        burned += part;
        _endRound(j, l, part);
        lease.freedAt = 0; // who comes next need not wait
    }

    function _beginRound(uint256 j, uint256 l, address holder) internal {
        Lease storage lease = jobs[j].leases[l];
        lease.phase = IMarket.Phase.Running;
        ++lease.round;
        lease.holder = holder;
        lease.startedAt = _time();
        lease.since = 0;
        lease.price = _priceNow(j);
        (lease.commits, lease.reveals, lease.challenges, lease.demanded) = (0, 0, 0, false);
        _sure(lease.price >= jobs[j].job.price.minPrice, "price below the least");
        _sure(lease.price <= jobs[j].job.price.maxPrice, "price above the most");
    }
}
