// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AuditActs} from "./AuditActs.sol";
import {Ballots} from "./Ballots.sol";
import {Books, Lease, Person, Posting, VM} from "./Book.sol";
import {Checks} from "./Checks.sol";
import {ClientActs} from "./ClientActs.sol";
import {Law} from "./Law.sol";
import {LeaseActs} from "./LeaseActs.sol";
import {Leases} from "./Leases.sol";
import {SeatActs} from "./SeatActs.sol";
import {World, Worlds} from "./World.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Time passes, nobody does anything more for a lease of their own, and any account brings everything to its end. Then everyone takes
/// out what is theirs.
library EndGame {
    using Leases for Posting;
    using Worlds for World;

    error Stuck(uint256 job, uint256 lease, IMarket.Phase phase);
    error Left(string what, uint256 amount);

    function play(World storage w) internal {
        for (uint256 n; n < w.live.length; ++n) {
            _endJob(w, w.live[n]);
            Checks.cost(w, w.live[n]);
            Checks.pay(w, w.live[n]);
        }
        delete w.live;
        Checks.solvency(w);
        Checks.conservation(w);
        Checks.locked(w);
        Checks.stakes(w);
        Checks.coalitions(w);
        _takeAll(w);
    }

    function _endJob(World storage w, uint256 j) private {
        Posting storage job = w.book.jobs[j];
        Worlds.passTo(job.job.timing.closesAt + 1);
        for (uint256 l; l < job.leases.length; ++l) {
            for (uint256 n; !Checks.isEnded(w, j, l); ++n) {
                if (n == 40) revert Stuck(j, l, job.leases[l].phase);
                _push(w, j, l);
            }
        }
        if (job.next != job.job.terms.tasks) ClientActs.close(w, j, job.leases.length);
        for (uint256 l; l < job.leases.length; ++l) {
            IMarket.Phase phase = w.market.leaseOf(job.id, job.leases[l].first).phase;
            if (phase < IMarket.Phase.Settled) revert Stuck(j, l, phase);
        }
        if (job.escrow != 0) revert Left("escrow", job.escrow);
    }

    /// One act of a stranger.
    function _push(World storage w, uint256 j, uint256 l) private {
        Posting storage job = w.book.jobs[j];
        Lease storage lease = job.leases[l];
        IMarket.Phase phase = lease.phase;
        if (phase == IMarket.Phase.Refunded) {
            SeatActs.leave(w, j, l, w.book.seats[job.key(l, 0)][0].who);
        } else if (phase == IMarket.Phase.Free) {
            ClientActs.close(w, j, l);
        } else if (job.isRedundant()) {
            Worlds.passTo(SeatActs.roundOf(w, j, l).revealBy + 1);
            SeatActs.settle(w, j, l);
        } else if (phase == IMarket.Phase.Running) {
            Worlds.passTo(job.runsUntil(l) + 1);
            ClientActs.close(w, j, l);
        } else if (phase == IMarket.Phase.Audited) {
            Ballots.Round memory round = AuditActs.roundOf(w, j, l);
            Worlds.passTo(round.revealBy + 1);
            if (lease.due != 0) Worlds.passTo(lease.due + Law.RESPOND_WINDOW + 1);
            AuditActs.judge(w, j, l);
        } else {
            bool undecided = phase == IMarket.Phase.Undecided;
            Worlds.passTo((undecided ? lease.due : lease.since + job.job.timing.auditWindow) + 1);
            LeaseActs.finalize(w, j, l);
        }
    }

    /// All balances and all stakes can be taken out; what stays was burned or given.
    function _takeAll(World storage w) private {
        Worlds.pass(Law.STAKE_AGE + 1);
        for (uint256 i; i < w.everyone.length; ++i) {
            address who = w.everyone[i];
            Person storage person = w.book.people[who];
            if (person.locked != 0) revert Left("locked", person.locked);
            // forge-lint: disable-start(unsafe-typecast)
            uint128 balance = uint128(person.balance);
            uint128 stake = uint128(person.stake);
            // forge-lint: disable-end(unsafe-typecast)
            VM.startPrank(who);
            if (balance != 0) w.market.withdraw(who, balance);
            if (stake != 0) w.market.unstake(who, stake);
            VM.stopPrank();
        }
        uint256 left = w.token.balanceOf(address(w.market)) - w.market.burned() - w.book.donated;
        if (left != 0) revert Left("tokens", left);
    }
}
