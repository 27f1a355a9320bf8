// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Book, Books, Lease, Person, Posting, Seat} from "./Book.sol";
import {Law} from "./Law.sol";
import {Leases} from "./Leases.sol";
import {World, Worlds} from "./World.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Compares the market with the book, and with what was seen from outside. Each function reverts where they differ.
library Checks {
    using Leases for Book;
    using Leases for Posting;
    using Worlds for World;

    error Differs(string what, uint256 market, uint256 book);

    function _equal(uint256 inMarket, uint256 inBook, string memory what) private pure {
        if (inMarket != inBook) revert Differs(what, inMarket, inBook);
    }

    // ------------------------------------------------------------------ what has ended

    /// Whether nothing of the lease is left, seats included.
    function isEnded(World storage w, uint256 j, uint256 l) internal view returns (bool) {
        Posting storage job = w.book.jobs[j];
        return job.leases[l].phase >= IMarket.Phase.Settled && w.book.seats[job.key(l, 0)].length == 0;
    }

    function isOver(World storage w, uint256 j) internal view returns (bool) {
        Posting storage job = w.book.jobs[j];
        for (uint256 l; l < job.leases.length; ++l) {
            if (!isEnded(w, j, l)) return false;
        }
        return job.next == job.job.terms.tasks;
    }

    // ------------------------------------------------------------------ money

    function sums(World storage w) private view returns (uint256 allBalances, uint256 allStakes) {
        for (uint256 i; i < w.everyone.length; ++i) {
            allBalances += w.market.balanceOf(w.everyone[i]);
            allStakes += w.market.providerOf(w.everyone[i]).stake;
        }
    }

    /// The worst case of a job's unfinished and unclaimed tasks, as its states in the market have them.
    function escrowIn(World storage w, uint256 j) private view returns (uint256) {
        Posting storage job = w.book.jobs[j];
        uint256 tasks = job.job.terms.tasks - w.market.jobOf(job.id).next;
        for (uint256 l; l < job.leases.length; ++l) {
            if (phaseIn(w, j, l) < IMarket.Phase.Settled) tasks += job.leases[l].count;
        }
        return Law.escrow(job.job, tasks);
    }

    /// The first lease of a redundant job is not stored before it is touched.
    function phaseIn(World storage w, uint256 j, uint256 l) private view returns (IMarket.Phase) {
        Posting storage job = w.book.jobs[j];
        IMarket.Phase phase = w.market.leaseOf(job.id, job.leases[l].first).phase;
        bool untouched = phase == IMarket.Phase.None && job.isRedundant() && job.leases[l].first == 0;
        return untouched ? IMarket.Phase.Free : phase;
    }

    function escrows(World storage w) private view returns (uint256 sum) {
        for (uint256 n; n < w.live.length; ++n) {
            sum += escrowIn(w, w.live[n]);
        }
    }

    function solvency(World storage w) internal view {
        (uint256 allBalances, uint256 allStakes) = sums(w);
        uint256 owed = allBalances + allStakes + escrows(w) + w.market.burned();
        _equal(w.token.balanceOf(address(w.market)), owed + w.book.donated, "solvency");
    }

    /// What came in is what went out and what is held.
    function conservation(World storage w) internal view {
        uint256 held = w.token.balanceOf(address(w.market)) - w.book.donated;
        _equal(w.book.takenOut + held, w.book.broughtIn, "conservation");
        _equal(w.market.totalStake(), w.book.totalStake, "total stake");
        _balances(w);
    }

    function escrow(World storage w) internal view {
        for (uint256 n; n < w.live.length; ++n) {
            _equal(escrowIn(w, w.live[n]), w.book.jobs[w.live[n]].escrow, "escrow");
        }
    }

    function _balances(World storage w) private view {
        for (uint256 i; i < w.everyone.length; ++i) {
            address who = w.everyone[i];
            _equal(w.market.balanceOf(who), w.book.people[who].balance, "balance");
            _equal(w.market.providerOf(who).completed, w.book.people[who].completed, "completed");
        }
    }

    // ------------------------------------------------------------------ stake

    function locked(World storage w) internal view {
        for (uint256 i; i < w.everyone.length; ++i) {
            address who = w.everyone[i];
            IMarket.ProviderState memory state = w.market.providerOf(who);
            uint256 bonds;
            for (uint256 n; n < w.live.length && state.stake != state.free; ++n) {
                bonds += _bondsIn(w, w.live[n], who);
            }
            _equal(state.stake - state.free, bonds, "locked");
            _equal(bonds, w.book.people[who].locked, "locked in the book");
        }
        if (w.locker == address(0)) return;
        IMarket.ProviderState memory last = w.market.providerOf(w.locker);
        if (4 * last.free < last.stake) revert Differs("the last quarter", last.free, last.stake);
    }

    /// What a provider has at stake in a job, as the market's views say.
    function _bondsIn(World storage w, uint256 j, address who) private view returns (uint256 sum) {
        Posting storage job = w.book.jobs[j];
        for (uint256 l; l < job.leases.length; ++l) {
            if (isEnded(w, j, l)) continue;
            IMarket.LeaseState memory lease = w.market.leaseOf(job.id, job.leases[l].first);
            uint256 bond = uint256(job.job.price.bond) * job.leases[l].count;
            if (job.isRedundant()) {
                if (_sits(w, j, l, 0, who)) sum += bond;
                continue;
            }
            bool open = lease.phase >= IMarket.Phase.Running && lease.phase <= IMarket.Phase.Undecided;
            if (open && lease.provider == who) sum += bond;
            if (lease.phase != IMarket.Phase.Audited) continue;
            uint8 jury = w.market.auditOf(job.id, job.leases[l].first).jury;
            if (_sits(w, j, l, jury, who)) sum += 8 * uint256(job.job.price.juryFee);
        }
    }

    function _sits(World storage w, uint256 j, uint256 l, uint8 kind, address who)
        private
        view
        returns (bool)
    {
        Posting storage job = w.book.jobs[j];
        uint16 round = job.leases[l].round;
        IMarket.Seat seat = w.market.seatOf(job.id, job.leases[l].first, round, kind, who);
        return seat != IMarket.Seat.None && seat != IMarket.Seat.Left;
    }

    /// Every loss of stake has a cause that the book knows.
    function stakes(World storage w) internal view {
        for (uint256 i; i < w.everyone.length; ++i) {
            Person storage person = w.book.people[w.everyone[i]];
            IMarket.ProviderState memory state = w.market.providerOf(w.everyone[i]);
            _equal(state.stake, person.stake, "stake");
            _equal(state.stakedAt, person.stakedAt, "stakedAt");
            _equal(state.number, person.number, "number");
            _equal(state.late, person.late, "late");
            _equal(state.slashed, person.slashed, "slashed");
            uint64 aged = Books.time() - Law.STAKE_AGE;
            _equal(
                w.market.weightAt(w.everyone[i], aged), Books.weight(w.book, w.everyone[i], aged), "weight"
            );
        }
        uint256 burned = w.book.burnedPrice;
        for (uint256 cause; cause < w.book.burnedStake.length; ++cause) {
            burned += w.book.burnedStake[cause];
        }
        _equal(w.market.burned(), burned, "burned");
    }

    // ------------------------------------------------------------------ coalitions

    /// Nobody, and so no coalition, has more money and results than it brought, except what it was paid for work, for juries and
    /// as the fee's recipient. Whoever never staked was paid for nothing. A deposit for somebody counts as brought by it, and so do
    /// withdrawals: gifts do not blur this.
    function coalitions(World storage w) internal view {
        for (uint256 i; i < w.everyone.length; ++i) {
            address who = w.everyone[i];
            Person storage person = w.book.people[who];
            uint256 has = w.market.balanceOf(who) + w.market.providerOf(who).stake + person.takenOut
                + w.watched.received[who];
            for (uint256 n; n < w.live.length; ++n) {
                if (w.client(w.live[n]) == who) has += w.book.jobs[w.live[n]].escrow;
            }
            if (person.number == 0) _equal(person.done, 0, "pay without stake");
            uint256 fair = person.brought + person.done + person.fees;
            if (has > fair) revert Differs("a coalition gains", has, fair);
        }
    }

    function costs(World storage w) internal view {
        for (uint256 n; n < w.live.length; ++n) {
            cost(w, w.live[n]);
        }
    }

    /// What a job took from its client: the price of what was submitted, what is in escrow, and at most one jury for each lease.
    function cost(World storage w, uint256 j) internal view {
        bytes32 id = w.book.jobs[j].id;
        if (w.watched.isMixed[id]) return;
        int256 spent = w.watched.spent[id];
        if (spent < 0) revert Differs("a job pays its client", 0, 0);
        // forge-lint: disable-next-line(unsafe-typecast)
        uint256 net = uint256(spent) - w.book.jobs[j].escrow;
        uint256 price = w.watched.price[id];
        if (net < price) revert Differs("a job costs less than its price", net, price);
        uint256 most = price + w.watched.mostForJuries[id];
        if (net > most) revert Differs("a job costs more than its price", net, most);
    }

    // ------------------------------------------------------------------ leases

    function leases(World storage w) internal view {
        for (uint256 n; n < w.live.length; ++n) {
            Posting storage job = w.book.jobs[w.live[n]];
            IMarket.JobState memory state = w.market.jobOf(job.id);
            _equal(state.next, job.next, "next");
            _equal(state.point, job.point, "point of a job");
            _equal(state.feeBps, job.feeBps, "fee of a job");
            _equal(state.postedAt, job.postedAt, "postedAt");
            for (uint256 l; l < job.leases.length; ++l) {
                _lease(w, w.live[n], l);
            }
        }
    }

    function _lease(World storage w, uint256 j, uint256 l) private view {
        Posting storage job = w.book.jobs[j];
        Lease storage lease = job.leases[l];
        IMarket.LeaseState memory state = w.market.leaseOf(job.id, lease.first);
        _equal(uint8(phaseIn(w, j, l)), uint8(lease.phase), "phase");
        if (state.phase == IMarket.Phase.None) return;
        _equal(uint8(state.grade), uint8(lease.grade), "grade");
        _equal(state.round, lease.round, "round");
        _equal(state.count, lease.count, "count");
        _equal(state.origin, lease.origin, "origin");
        _equal(uint256(state.root), uint256(lease.root), "root");
        _equal(uint160(state.provider), uint160(lease.holder), "holder");
        if (lease.phase >= IMarket.Phase.Settled) return;
        _equal(state.since, lease.since, "since");
        _equal(state.point, lease.point, "point");
        if (job.isRedundant()) _seats(w, job.key(l, 0), state.seats, state.commits, state.opened);
        if (lease.phase == IMarket.Phase.Audited || lease.phase == IMarket.Phase.Undecided) _audit(w, j, l);
    }

    function _audit(World storage w, uint256 j, uint256 l) private view {
        Posting storage job = w.book.jobs[j];
        Lease storage lease = job.leases[l];
        IMarket.AuditState memory state = w.market.auditOf(job.id, lease.first);
        _equal(state.jury, lease.jury, "jury");
        _equal(state.task, lease.task, "task");
        _equal(state.since, lease.auditSince, "since of an audit");
        _equal(state.due, lease.due, "due");
        _equal(state.point, lease.auditPoint, "point of an audit");
        _equal(state.undecided, lease.undecided, "votes without a verdict");
        _seats(w, job.key(l, lease.jury), state.seats, state.commits, state.opened);
    }

    function _seats(World storage w, bytes32 key, uint256 seats, uint256 commits, uint256 opened)
        private
        view
    {
        _equal(seats, w.book.countOf(key, IMarket.Seat.Joined), "seats");
        _equal(commits, w.book.countOf(key, IMarket.Seat.Committed), "commits");
        _equal(opened, w.book.countOf(key, IMarket.Seat.Opened), "opened");
    }

    /// No task is paid to more seats than it has, and an ordinary one to one.
    function pays(World storage w) internal view {
        for (uint256 n; n < w.live.length; ++n) {
            pay(w, w.live[n]);
        }
    }

    function pay(World storage w, uint256 j) internal view {
        Posting storage job = w.book.jobs[j];
        for (uint32 task; task < job.job.terms.tasks; ++task) {
            uint256 times = job.timesPaid[task];
            if (times > job.job.assurance.replicas) revert Differs("paid twice", times, task);
        }
    }

    /// Seeds stay what they were when they were published.
    function seeds(World storage w) internal view {
        for (uint256 n; n < w.live.length; ++n) {
            Posting storage job = w.book.jobs[w.live[n]];
            for (uint256 l; l < job.leases.length; ++l) {
                Lease storage lease = job.leases[l];
                _equal(uint256(w.beacon.seed(lease.point)), uint256(w.book.seeds[lease.point]), "seed");
                _equal(
                    uint256(w.beacon.seed(lease.auditPoint)),
                    uint256(w.book.seeds[lease.auditPoint]),
                    "seed of a jury"
                );
            }
        }
    }

    /// An operator and a stranger have what others gave them.
    function bystanders(World storage w) internal view {
        address[2] memory both = [w.operator, w.stranger];
        for (uint256 i; i < 2; ++i) {
            Person storage person = w.book.people[both[i]];
            uint256 has = w.market.balanceOf(both[i]) + person.takenOut;
            _equal(has, person.brought, "an operator's money");
        }
    }
}
