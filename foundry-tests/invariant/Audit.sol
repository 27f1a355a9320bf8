// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {StrangerActs} from "./StrangerActs.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Compares the market with the book. Each function reverts where they differ.
abstract contract Audit is StrangerActs {
    /// Jobs that are not at their end.
    uint256[] internal live;
    /// What the leases of a job looked like when it came to its end.
    mapping(uint256 job => bytes32) internal endings;

    error Differs(string what, uint256 market, uint256 book);

    function _equal(uint256 inMarket, uint256 inBook, string memory what) internal pure {
        if (inMarket != inBook) revert Differs(what, inMarket, inBook);
    }

    // ------------------------------------------------------------------ money

    function _sums() private view returns (uint256 ledgers, uint256 stakes) {
        for (uint256 i; i < everyone.length; ++i) {
            ledgers += market.balanceOf(everyone[i]);
            stakes += market.providerOf(everyone[i]).stake;
        }
    }

    function _escrows() private view returns (uint256 sum) {
        for (uint256 n; n < live.length; ++n) {
            sum += _escrowIn(live[n]);
        }
    }

    /// A job's escrow as its states in the market have it.
    function _escrowIn(uint256 j) private view returns (uint256) {
        Posting storage posting = jobs[j];
        uint256 tasks = posting.job.terms.tasks - market.jobOf(posting.id).next;
        for (uint256 l; l < posting.leases.length; ++l) {
            IMarket.Phase phase = market.leaseOf(posting.id, posting.leases[l].first).phase;
            if (phase == IMarket.Phase.Settled || phase == IMarket.Phase.Refunded) continue;
            tasks += posting.leases[l].count;
        }
        return tasks * posting.job.terms.replicas * posting.job.price.maxPrice;
    }

    /// The market's tokens are what it owes, and the donations.
    function auditSolvency() external view {
        (uint256 ledgers, uint256 stakes) = _sums();
        uint256 owed = ledgers + stakes + _escrows() + deposits + market.burned();
        _equal(token.balanceOf(address(market)), owed + donated, "solvency");
    }

    /// What came in is what went out and what is held.
    function auditConservation() external view {
        (uint256 ledgers, uint256 stakes) = _sums();
        _equal(takenOut + ledgers + stakes + _escrows() + deposits + burned, broughtIn, "conservation");
    }

    /// Everyone's ledger, and what was burned.
    function auditLedgers() external view {
        for (uint256 i; i < everyone.length; ++i) {
            _equal(market.balanceOf(everyone[i]), ledger[everyone[i]], "ledger");
        }
        _equal(market.burned(), burned, "burned");
        _sure(exactFees - fees * 10_000 <= payments * 9999, "rounding costs a unit or more");
    }

    /// Every provider's stake, free stake, number and counts; the total.
    function auditStakes() external view {
        for (uint256 i; i < everyone.length; ++i) {
            IMarket.ProviderState memory state = market.providerOf(everyone[i]);
            Record storage record = records[everyone[i]];
            _equal(state.stake, record.stake, "stake");
            _equal(state.free, record.stake - record.locked, "free stake");
            _equal(state.stakedAt, record.stakedAt, "stakedAt");
            _equal(state.number, record.number, "number");
            _equal(state.completed, record.completed, "completed");
            _equal(state.late, record.late, "late");
            _equal(state.slashed, record.slashed, "slashed");
        }
        _equal(market.totalStake(), _totalStake(), "total stake");
    }

    /// Locked stake, of all providers together and of each, is the bonds of what is not finished.
    function auditLocked() external view {
        uint256[] memory bonds = new uint256[](everyone.length);
        for (uint256 n; n < live.length; ++n) {
            for (uint256 l; l < jobs[live[n]].leases.length; ++l) {
                _addBonds(live[n], l, bonds);
            }
        }
        for (uint256 i; i < everyone.length; ++i) {
            IMarket.ProviderState memory state = market.providerOf(everyone[i]);
            _equal(state.stake - state.free, bonds[i], "locked");
        }
    }

    function _addBonds(uint256 j, uint256 l, uint256[] memory bonds) private view {
        Lease storage lease = jobs[j].leases[l];
        IMarket.Phase phase = lease.phase;
        if (phase == IMarket.Phase.Free || phase == IMarket.Phase.Settled || phase == IMarket.Phase.Refunded) return;
        if (_isRedundant(j)) {
            _addSeats(_seatsKey(j, l), uint256(jobs[j].job.price.bond) * lease.count, bonds);
            return;
        }
        _addBond(lease.holder, _bondOf(j, lease.count), bonds);
        if (phase == IMarket.Phase.Challenged) _addSeats(_juryKey(j, l), _jurorBondOf(j, l), bonds);
    }

    function _addSeats(bytes32 key, uint256 bond, uint256[] memory bonds) private view {
        for (uint256 i; i < seats[key].length; ++i) {
            _addBond(seats[key][i].who, bond, bonds);
        }
    }

    function _addBond(address who, uint256 bond, uint256[] memory bonds) private view {
        for (uint256 i; i < everyone.length; ++i) {
            if (everyone[i] == who) bonds[i] += bond;
        }
    }

    // ------------------------------------------------------------------ jobs and leases

    function auditEscrow() external view {
        for (uint256 n; n < live.length; ++n) {
            _equal(_escrowIn(live[n]), jobs[live[n]].escrow, "escrow");
        }
    }

    function auditNoDoublePay() external view {
        for (uint256 n; n < live.length; ++n) {
            for (uint32 i; i < jobs[live[n]].job.terms.tasks; ++i) {
                _sure(timesPaid[live[n]][i] <= jobs[live[n]].job.terms.replicas, "paid too often");
            }
        }
    }

    function auditJobs() external view {
        for (uint256 n; n < live.length; ++n) {
            Posting storage posting = jobs[live[n]];
            IMarket.JobState memory state = market.jobOf(posting.id);
            _equal(uint8(state.status), posting.cancelled ? 2 : 1, "status");
            _equal(state.feeBps, posting.feeBps, "fee");
            _equal(state.next, posting.next, "next");
            _equal(state.postedAt, posting.postedAt, "postedAt");
            _equal(state.postedBlock, posting.postedBlock, "postedBlock");
            if (_time() >= posting.job.timing.opensAt) {
                _equal(market.priceAt(posting.job, _time()), _priceNow(live[n]), "price");
            }
        }
    }

    /// Where every lease stands, who holds it, what it says, and how it ended.
    function auditLeases() external view {
        for (uint256 n; n < live.length; ++n) {
            for (uint256 l; l < jobs[live[n]].leases.length; ++l) {
                _auditLease(live[n], l);
            }
        }
    }

    function _auditLease(uint256 j, uint256 l) private view {
        Lease storage lease = jobs[j].leases[l];
        IMarket.LeaseState memory state = market.leaseOf(jobs[j].id, lease.first);
        if (lease.round == 0 && lease.phase == IMarket.Phase.Free) {
            _equal(uint8(state.phase), 0, "untouched");
            return;
        }
        _equal(uint8(state.phase), uint8(lease.phase), "phase");
        _sure(_isHolder(j, l, state.provider), "holder");
        _equal(state.count, lease.count, "count");
        _equal(state.round, lease.round, "round");
        _equal(uint256(state.root), uint256(lease.root), "root");
        _equal(uint8(state.how), uint8(lease.how), "how");
        (bytes32 root, uint32 count, IMarket.How how) = market.resultRoot(jobs[j].id, lease.first);
        bool settled = lease.phase == IMarket.Phase.Settled;
        _equal(uint256(root), settled ? uint256(lease.root) : 0, "result");
        _equal(count, settled ? lease.count : 0, "tasks of the result");
        _equal(uint8(how), uint8(lease.how), "how of the result");
        if (lease.phase == IMarket.Phase.Free || lease.phase == IMarket.Phase.Refunded) return;
        _equal(state.startedAt, lease.startedAt, "startedAt");
        _equal(state.submittedAt, lease.since, "since");
        _equal(state.challenges, lease.challenges, "challenges");
        if (_isRedundant(j)) {
            _equal(state.seats, seats[_seatsKey(j, l)].length, "seats");
            _equal(state.commits, lease.commits, "commits");
            _equal(state.reveals, lease.reveals, "reveals");
        }
    }

    /// Of a settled redundant lease one of the majority is named.
    function _isHolder(uint256 j, uint256 l, address who) private view returns (bool) {
        Lease storage lease = jobs[j].leases[l];
        if (!_isRedundant(j) || lease.phase != IMarket.Phase.Settled) return who == lease.holder;
        bytes32 key = _seatsKey(j, l);
        uint256 seat = _seatOf(key, who);
        return seat != 0 && seats[key][seat - 1].state == IMarket.Seat.Revealed
            && seats[key][seat - 1].vote == lease.root;
    }

    // ------------------------------------------------------------------ draws, seats, disputes

    function auditSeats() external view {
        for (uint256 n; n < live.length; ++n) {
            uint256 j = live[n];
            _auditDraw(jobs[j].id);
            for (uint256 l; l < jobs[j].leases.length; ++l) {
                if (_isRedundant(j)) _auditSeats(j, l, 0, jobs[j].job.terms.replicas);
                if (jobs[j].leases[l].phase == IMarket.Phase.Challenged) {
                    _auditDraw(_juryKey(j, l));
                    _auditSeats(j, l, jobs[j].leases[l].challenges, JURY);
                    _auditDispute(j, l);
                }
            }
        }
    }

    function _auditDraw(bytes32 key) private view {
        (bytes32 seed, uint256 stakes, uint256 at) = market.sealOf(key);
        _equal(uint256(seed), uint256(draws[key].seed), "seed");
        _equal(stakes, draws[key].stakes, "sealed stakes");
        _equal(at, draws[key].at, "sealedAt");
    }

    function _auditSeats(uint256 j, uint256 l, uint8 challenge, uint256 most) private view {
        Lease storage lease = jobs[j].leases[l];
        bytes32 key = _roundKey(j, l, lease.round, challenge);
        // Nothing is left of the seats of a lease's round that ended.
        bool ended =
            challenge == 0 && lease.phase != IMarket.Phase.Running && lease.phase != IMarket.Phase.Revealing;
        uint256 taken;
        for (uint256 i; i < everyone.length; ++i) {
            IMarket.Seat seat = market.seatOf(jobs[j].id, lease.first, lease.round, challenge, everyone[i]);
            uint256 index = _seatOf(key, everyone[i]);
            if (seat != IMarket.Seat.None) ++taken;
            _equal(uint8(seat), index == 0 || ended ? 0 : uint8(seats[key][index - 1].state), "seat");
        }
        _equal(taken, ended ? 0 : seats[key].length, "seats taken");
        _sure(taken <= most, "too many seats");
    }

    function _auditDispute(uint256 j, uint256 l) private view {
        IMarket.DisputeState memory state = market.disputeOf(jobs[j].id, jobs[j].leases[l].first);
        Dispute storage dispute = _disputeOf(j, l);
        _equal(uint160(state.challenger), uint160(dispute.challenger), "challenger");
        _equal(state.task, dispute.task, "contested task");
        _equal(uint256(state.digest), uint256(dispute.digest), "contested digest");
        _equal(state.deposit, dispute.deposit, "deposit");
        _equal(state.commits, dispute.commits, "votes");
        _equal(state.reveals, dispute.reveals, "votes revealed");
        _equal(state.answered ? 1 : 0, dispute.answered ? 1 : 0, "answered");
    }

    // ------------------------------------------------------------------ ends

    function _isDone(uint256 j) internal view returns (bool) {
        if (jobs[j].next < jobs[j].job.terms.tasks) return false;
        for (uint256 l; l < jobs[j].leases.length; ++l) {
            IMarket.Phase phase = jobs[j].leases[l].phase;
            if (phase != IMarket.Phase.Settled && phase != IMarket.Phase.Refunded) return false;
        }
        return true;
    }

    /// Moves jobs that came to their end from the living to the dead.
    function _bury() internal {
        for (uint256 n; n < live.length;) {
            if (!_isDone(live[n])) {
                ++n;
                continue;
            }
            endings[live[n]] = _ending(live[n]);
            _equal(jobs[live[n]].escrow, 0, "escrow at the end");
            live[n] = live[live.length - 1];
            live.pop();
        }
    }

    function _ending(uint256 j) private view returns (bytes32 hash) {
        for (uint256 l; l < jobs[j].leases.length; ++l) {
            hash = keccak256(abi.encode(hash, market.leaseOf(jobs[j].id, jobs[j].leases[l].first)));
        }
    }

    /// A job at its end stays as it was: of the dead, one in turn.
    function auditEnds() external view {
        if (jobs.length != 0) _auditEnd(calls % jobs.length);
    }

    function _auditEnd(uint256 j) private view {
        if (endings[j] != 0) _equal(uint256(_ending(j)), uint256(endings[j]), "an end that changed");
    }

    /// A stranger ends every job; then nothing is locked or held for anyone, and all can take out what is theirs.
    function finish() external {
        address[] memory people = everyone;
        _endAll();
        everyone = people;
        _bury();
        _equal(live.length, 0, "jobs without an end");
        _equal(deposits, 0, "deposits without an end");
        for (uint256 j; j < jobs.length; ++j) {
            _auditEnd(j);
        }
        vm.warp(_time() + STAKE_AGE);
        for (uint256 i; i < everyone.length; ++i) {
            _leave(everyone[i]);
        }
        _equal(token.balanceOf(address(market)), burned + donated, "what is left");
    }

    function _leave(address who) private {
        _equal(records[who].locked, 0, "locked at the end");
        _equal(market.balanceOf(who), ledger[who], "ledger at the end");
        vm.startPrank(who);
        // forge-lint: disable-start(unsafe-typecast)
        if (ledger[who] != 0) market.withdraw(who, uint128(ledger[who]));
        if (records[who].stake != 0) market.unstake(who, uint128(records[who].stake));
        // forge-lint: disable-end(unsafe-typecast)
        vm.stopPrank();
    }
}
