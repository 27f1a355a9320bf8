// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IBlockBeacon, IDevToken} from "../helpers/Base.sol";
import {AuditActs} from "./AuditActs.sol";
import {Ballots} from "./Ballots.sol";
import {Book, Books, Lease, Posting, VM} from "./Book.sol";
import {Checks} from "./Checks.sol";
import {ClientActs} from "./ClientActs.sol";
import {Draws} from "./Draws.sol";
import {EndGame} from "./EndGame.sol";
import {Law} from "./Law.sol";
import {LeaseActs} from "./LeaseActs.sol";
import {Leases} from "./Leases.sol";
import {MoneyActs} from "./MoneyActs.sol";
import {SeatActs} from "./SeatActs.sol";
import {TimeActs} from "./TimeActs.sol";
import {Watch} from "./Watch.sol";
import {World, Worlds} from "./World.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Chooses what happens next. Mostly that is an act that somebody would do now, with honest, lazy, lying and colluding people.
/// Otherwise it is the same act by the wrong people, at the wrong time, or in a wrong form.
contract Handler {
    using AuditActs for World;
    using Ballots for World;
    using Checks for World;
    using Books for Book;
    using ClientActs for World;
    using Draws for World;
    using LeaseActs for World;
    using Leases for Book;
    using Leases for Posting;
    using MoneyActs for World;
    using TimeActs for World;
    using Worlds for World;

    World internal _w;

    constructor(IMarket market, IDevToken token, address governor, address[2] memory recipients) {
        (_w.market, _w.token, _w.beacon) = (market, token, IBlockBeacon(market.beacon()));
        (_w.governor, _w.recipients) = (governor, recipients);
        (_w.book.feeBps, _w.book.recipient) = market.fee();
        (_w.operator, _w.stranger) = (_named("operator"), _named("stranger"));
        for (uint256 i; i < 9; ++i) {
            _w.providers.push(_named(string.concat("provider ", VM.toString(i))));
            _w.everyone.push(_w.providers[i]);
            // The last but one has little, the last nothing.
            if (i == 8) continue;
            uint256 amount = i < Worlds.RICH ? 4e20 + i * 1e20 + i : 2e18;
            _w.mint(_w.providers[i], amount);
            VM.prank(_w.providers[i]);
            // forge-lint: disable-next-line(unsafe-typecast)
            market.stake(uint128(amount));
            _w.staked(_w.providers[i], amount);
        }
        for (uint256 i; i < 4; ++i) {
            // One is client and provider.
            _w.clients.push(i == 3 ? _w.providers[3] : _named(string.concat("client ", VM.toString(i))));
            if (i != 3) _w.everyone.push(_w.clients[i]);
            uint256 amount = i == 0 ? 9e18 : 1e24;
            _w.mint(_w.clients[i], amount);
            VM.prank(_w.clients[i]);
            // forge-lint: disable-next-line(unsafe-typecast)
            market.deposit(_w.clients[i], uint128(amount));
            _w.book.credit(_w.clients[i], amount);
            _w.book.people[_w.clients[i]].brought += amount;
            _w.book.broughtIn += amount;
        }
        _w.everyone.push(recipients[0]);
        _w.everyone.push(recipients[1]);
        _w.everyone.push(_w.operator);
        _w.everyone.push(_w.stranger);
        (_w.lists[0], _w.lists[1]) = (_w.listRoot(0), _w.listRoot(1));
        for (uint256 i; i < Worlds.RICH; i += 2) {
            VM.prank(_w.providers[i]);
            market.setOperator(_w.operator, true);
            _w.book.operators[_w.providers[i]][_w.operator] = true;
        }
        Worlds.pass(Law.STAKE_AGE + 1);
    }

    function _named(string memory name) private returns (address who) {
        who = address(uint160(uint256(keccak256(bytes(name)))));
        VM.label(who, name);
    }

    /// One act.
    function step(uint256 seed) external {
        _w.shake(seed);
        Worlds.pass(_w.below(4));
        _w.locker = address(0);
        _w.wild = _w.live.length != 0 && _w.once(7);
        if (_w.once(9)) _aboutMoney();
        else if (_w.live.length < 2 || (_w.live.length < 4 && _w.once(16))) _w.post();
        else if (_w.wild && _w.once(2)) _anything();
        else _goOn();
        _bury();
    }

    function _aboutMoney() private {
        uint256 which = _w.below(12);
        if (which < 2) _w.deposit();
        else if (which < 5) _w.withdraw();
        else if (which < 7) _w.stake();
        else if (which < 8) _w.unstake();
        else if (which < 9) _w.setOperator();
        else if (which < 10) _w.setFee();
        else if (which < 11) _w.donate();
        else _w.wait();
    }

    /// Jobs that have come to their end are laid aside.
    function _bury() private {
        for (uint256 n = _w.live.length; n != 0; --n) {
            if (!Checks.isOver(_w, _w.live[n - 1])) continue;
            Checks.cost(_w, _w.live[n - 1]);
            Watch.recall(_w.watched, _w.market, _w.book.jobs[_w.live[n - 1]]);
            Checks.pay(_w, _w.live[n - 1]);
            _w.live[n - 1] = _w.live[_w.live.length - 1];
            _w.live.pop();
        }
    }

    // ------------------------------------------------------------------ anything

    function _anything() private {
        uint256 j = _w.once(4) ? _w.below(_w.book.jobs.length) : _w.live[_w.below(_w.live.length)];
        uint256 leases = _w.book.jobs[j].leases.length;
        uint256 which = _w.below(leases == 0 ? 4 : 20);
        uint256 l = leases == 0 ? 0 : _w.below(leases);
        if (which == 0) _w.cancel(j);
        else if (which == 1) _w.close(j, l);
        else if (which == 2) _w.claim(j);
        else if (which == 3) _w.finalize(j, l);
        else if (which == 4) _w.takeover(j, l);
        else if (which == 5) _w.leave(j, l);
        else if (which == 6) _w.submit(j, l);
        else if (which == 7) _w.expire(j, l);
        else if (which < 10) SeatActs.join(_w, j, l, SeatActs.candidate(_w, j, l));
        else if (which < 12) SeatActs.commit(_w, j, l, SeatActs.candidate(_w, j, l));
        else if (which == 12) SeatActs.leave(_w, j, l, _w.someProvider());
        else if (which == 13) SeatActs.settle(_w, j, l);
        else if (which == 14 && _w.once(3)) SeatActs.renew(_w, j, l);
        else if (which < 17) _w.joinJury(j, l, _w.candidate(j, l));
        else if (which == 17) _w.commitVote(j, l, _w.candidate(j, l));
        else if (which == 18) _w.judge(j, l);
        else _w.admit(_w.below(2));
    }

    // ------------------------------------------------------------------ what somebody would do now

    /// Goes on with the job in hand, or takes up another.
    function _goOn() private {
        if (_w.once(24) || !_isLive(_w.job)) _w.job = _w.live[_w.below(_w.live.length)];
        uint256 j = _w.job;
        Posting storage job = _w.book.jobs[j];
        if (_w.once(200)) return _w.cancel(j);
        if (Books.time() < job.job.timing.opensAt) {
            Worlds.passTo(job.job.timing.opensAt - (_w.once(6) ? 1 : 0));
        }
        bytes32 list = job.job.terms.providers;
        if (list != 0 && _w.once(10)) return _w.admit(list == _w.lists[0] ? 0 : 1);
        bool untaken = job.next < job.job.terms.tasks;
        if (job.isOver() && (untaken || _hasFree(j))) return _w.close(j, _w.lease);
        if (untaken && !job.isRedundant() && (!_hasOpen(j) || _w.once(6))) return _w.claim(j);
        uint256 leases = job.leases.length;
        if (_w.lease >= leases || Checks.isEnded(_w, j, _w.lease) || _w.once(24)) {
            _w.lease = _w.below(leases);
        }
        for (uint256 n; n < leases && Checks.isEnded(_w, j, _w.lease); ++n) {
            _w.lease = (_w.lease + 1) % leases;
        }
        _goOnWith(j, _w.lease);
    }

    function _isLive(uint256 j) private view returns (bool) {
        for (uint256 n; n < _w.live.length; ++n) {
            if (_w.live[n] == j) return true;
        }
        return false;
    }

    function _hasFree(uint256 j) private returns (bool) {
        Posting storage job = _w.book.jobs[j];
        for (uint256 l; l < job.leases.length; ++l) {
            if (job.leases[l].phase != IMarket.Phase.Free) continue;
            _w.lease = l;
            return true;
        }
        return false;
    }

    function _hasOpen(uint256 j) private view returns (bool) {
        for (uint256 l; l < _w.book.jobs[j].leases.length; ++l) {
            if (!Checks.isEnded(_w, j, l)) return true;
        }
        return false;
    }

    function _goOnWith(uint256 j, uint256 l) private {
        IMarket.Phase phase = _w.book.jobs[j].leases[l].phase;
        if (_w.book.jobs[j].isRedundant()) _goOnWithSeats(j, l);
        else if (phase == IMarket.Phase.Free) _w.takeover(j, l);
        else if (phase == IMarket.Phase.Running) _goOnWithRunning(j, l);
        else if (phase == IMarket.Phase.Submitted) _goOnWithSubmitted(j, l);
        else if (phase == IMarket.Phase.Undecided) _goOnWithUndecided(j, l);
        else _goOnWithJury(j, l);
    }

    function _goOnWithRunning(uint256 j, uint256 l) private {
        Posting storage job = _w.book.jobs[j];
        uint256 lottery = _w.below(16);
        if (job.isLate(l) || lottery == 0) {
            _w.passOver(job.runsUntil(l));
            if (job.isOver() && !_w.once(3)) _w.close(j, l);
            else if (job.isOpen() && _w.once(2)) _w.takeover(j, l);
            else _w.expire(j, l);
        } else if (lottery < 3) {
            uint256 early = job.leases[l].since + job.job.timing.runWindow / 8;
            Worlds.passTo(lottery == 1 ? early + _w.below(2) : early + _w.below(job.job.timing.runWindow));
            _w.passWithin(job.runsUntil(l));
            _w.leave(j, l);
        } else {
            _w.passWithin(job.runsUntil(l));
            _w.submit(j, l);
        }
    }

    function _goOnWithSubmitted(uint256 j, uint256 l) private {
        Posting storage job = _w.book.jobs[j];
        Lease storage lease = job.leases[l];
        uint64 until = lease.since + job.job.timing.auditWindow;
        if (Books.time() > until) return _w.finalize(j, l);
        if (_w.book.seeds[lease.point] == 0) {
            if (!_w.once(10)) return _w.publish(lease.point, _w.seedFor(j, l, !_w.once(4)));
            if (_w.once(3)) TimeActs.letDie();
            Worlds.passTo(until + _w.below(3));
            return _w.finalize(j, l);
        }
        if (!_w.isAudited(j, l) || _w.once(12)) {
            if (_w.isAudited(j, l)) _w.passOver(until);
            return _w.finalize(j, l);
        }
        _w.passWithin(until);
        _newJuror(j, l, until);
    }

    function _goOnWithUndecided(uint256 j, uint256 l) private {
        Lease storage lease = _w.book.jobs[j].leases[l];
        if (Books.time() > lease.due || _w.once(8)) {
            _w.passOver(lease.due);
            return _w.finalize(j, l);
        }
        if (_w.book.seeds[lease.auditPoint] == 0) return _w.publish(lease.auditPoint, _w.anySeed());
        _w.passWithin(lease.due);
        _newJuror(j, l, lease.due);
    }

    /// A juror comes, if anybody can; otherwise the deadline passes.
    function _newJuror(uint256 j, uint256 l, uint64 deadline) private {
        address who = _w.candidate(j, l);
        if (who == address(0)) Worlds.passTo(deadline + 1);
        else if (_w.once(4)) _w.joinJury(j, l, who);
        else _w.commitVote(j, l, who);
    }

    function _goOnWithJury(uint256 j, uint256 l) private {
        Lease storage lease = _w.book.jobs[j].leases[l];
        Ballots.Round memory round = AuditActs.roundOf(_w, j, l);
        if (lease.due != 0) {
            uint64 until = lease.due + Law.RESPOND_WINDOW;
            if (_w.once(3)) _w.passOver(until);
            else _w.passWithin(until);
            return _w.judge(j, l);
        }
        if (round.full || Books.time() > round.commitBy) {
            _towardsTheEnd(round);
            return _w.judge(j, l);
        }
        if (_w.once(24)) return _w.passOver(round.commitBy);
        address joined = _w.idle(round.key);
        _w.passWithin(round.commitBy);
        if (joined != address(0) && !_w.once(12)) return _w.commitVote(j, l, joined);
        if (_w.book.seats[round.key].length == Law.JURY) return Worlds.passTo(round.commitBy + 1);
        // forge-lint: disable-next-line(unsafe-typecast)
        _newJuror(j, l, uint64(round.commitBy));
    }

    /// Where nobody opens what is left, the time for it passes.
    function _towardsTheEnd(Ballots.Round memory round) private {
        bool lapsed = Ballots.lapsed(_w, round);
        if (lapsed) _w.passOver(round.commitBy);
        else if (_w.willing(round.key) == 0) _w.passOver(round.revealBy);
        else _w.passWithin(round.revealBy);
    }

    function _goOnWithSeats(uint256 j, uint256 l) private {
        Posting storage job = _w.book.jobs[j];
        Lease storage lease = job.leases[l];
        Ballots.Round memory round = SeatActs.roundOf(_w, j, l);
        if (lease.phase == IMarket.Phase.Refunded) {
            return SeatActs.leave(_w, j, l, _w.book.seats[round.key][0].who);
        }
        bool isFree = lease.phase == IMarket.Phase.Free;
        if (round.full || (!isFree && Books.time() > round.commitBy)) {
            _towardsTheEnd(round);
            return SeatActs.settle(_w, j, l);
        }
        if (isFree && job.isDrawn() && _w.book.seeds[lease.point] == 0) {
            if (SeatActs.isDead(_w, lease.point)) return SeatActs.renew(_w, j, l);
            if (_w.once(5)) return TimeActs.letDie();
            return _w.publish(lease.point, _w.anySeed());
        }
        if (!isFree && _w.once(24)) return _w.passOver(round.commitBy);
        if (!isFree) _w.passWithin(round.commitBy);
        _seat(j, l, round);
    }

    function _seat(uint256 j, uint256 l, Ballots.Round memory round) private {
        uint256 taken = _w.book.seats[round.key].length;
        if (taken != 0 && _w.once(10)) {
            address one = _w.idle(round.key);
            bool runs = _w.book.jobs[j].leases[l].phase == IMarket.Phase.Running;
            if (one == address(0) && !runs) one = _w.book.seats[round.key][_w.below(taken)].who;
            if (one != address(0)) return SeatActs.leave(_w, j, l, one);
        }
        address joined = _w.idle(round.key);
        if (joined != address(0) && _w.once(2)) return SeatActs.commit(_w, j, l, joined);
        address who = SeatActs.candidate(_w, j, l);
        if (who == address(0) && joined == address(0)) Worlds.pass(60);
        else if (who == address(0)) SeatActs.commit(_w, j, l, joined);
        else if (_w.once(3)) SeatActs.join(_w, j, l, who);
        else SeatActs.commit(_w, j, l, who);
    }

    // ------------------------------------------------------------------ checks and the end

    function check(uint256 number) external view {
        if (number == 1) _w.solvency();
        else if (number == 2) _w.locked();
        else if (number == 3) _w.escrow();
        else if (number == 4) _w.pays();
        else if (number == 5) _w.stakes();
        else if (number == 6) _w.coalitions();
        else if (number == 7) _w.costs();
        else if (number == 8) _w.leases();
        else if (number == 11) _w.bystanders();
        else if (number == 12) _w.conservation();
        else if (number == 14) _w.seeds();
    }

    /// Strangers bring everything to its end, and everyone takes out what is theirs.
    function finish() external {
        _w.wild = false;
        EndGame.play(_w);
    }

    function report(uint256 i) external view returns (string memory, uint256, uint256) {
        return (_w.names[i], _w.done[_w.names[i]], _w.tried[_w.names[i]]);
    }

    function acts() external view returns (uint256) {
        return _w.names.length;
    }

    function totals() external view returns (uint256 successes, uint256 calls, uint256 jobs) {
        return (_w.successes, _w.calls, _w.book.jobs.length);
    }

    function outcomes() external view returns (uint256[12] memory) {
        return _w.outcomes;
    }
}
