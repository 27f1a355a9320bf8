// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IDevToken} from "../helpers/Base.sol";
import {Audit} from "./Audit.sol";
import {OddVerifier} from "./OddVerifier.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Chooses what happens next. Four times in five an act that somebody would do now: the job in hand goes on, with
/// honest, lazy, lying and colluding people. Else the same by the wrong people, or anything at all.
contract Handler is Audit {
    uint256 private _job;
    uint256 private _lease;

    constructor(
        IMarket market_,
        IDevToken token_,
        address governor_,
        address[2] memory recipients_,
        uint16 fee
    ) {
        (market, token, governor, recipients) = (market_, token_, governor_, recipients_);
        (feeBps, recipient) = (fee, recipients_[0]);
        verifier = address(new OddVerifier(market_));
        _populate();
        (lists[0], lists[1]) = (_listRoot(0), _listRoot(1));
    }

    /// One act.
    function step(uint256 seed) external {
        _shake(seed);
        _pass(_below(6));
        wild = jobs.length != 0 && _once(5);
        if (wild && (live.length == 0 || _once(2))) _anything();
        else if (_once(10)) _aboutMoney();
        else if (live.length < (wild ? 1 : 2) || (live.length < 4 && _once(20))) _newPost();
        else _goOn();
        _bury();
    }

    function _newPost() private {
        uint256 before = jobs.length;
        _post();
        if (jobs.length != before) live.push(before);
    }

    function _aboutMoney() private {
        uint256 which = _below(10);
        if (which < 2) _deposit();
        else if (which == 2) _depositWithPermit();
        else if (which < 5) _withdraw();
        else if (which < 7) _once(3) ? _unstake() : _stake();
        else if (which == 7) _once(3) ? _setOperator() : _revoke();
        else if (which == 8) _setFee();
        else if (_once(2)) _donate();
        else _batch();
    }

    // ------------------------------------------------------------------ anything

    function _anything() private {
        uint256 j = live.length == 0 || _once(4) ? _below(jobs.length) : live[_below(live.length)];
        uint256 l = jobs[j].leases.length;
        uint256 which = _below(l == 0 ? 8 : 36);
        if (which < 2) _aboutMoney();
        else if (which == 2) _newPost();
        else if (which == 3) _cancel(j);
        else if (which == 4) _close(j);
        else if (which == 5) _claim(j);
        else if (which == 6) _seal(j);
        else if (which == 7) _admit(_below(2));
        else if (which < 11) _aboutNothing(j);
        else _anythingOf(j, _below(l), which);
    }

    function _anythingOf(uint256 j, uint256 l, uint256 which) private {
        if (which == 11) _takeover(j, l);
        else if (which == 12) _submit(j, l);
        else if (which == 13) _prove(j, l);
        else if (which == 14) _accept(j, l);
        else if (which == 15) _finalize(j, l);
        else if (which == 16) _expireNow(j, l);
        else if (which == 17) _release(j, l);
        else if (which == 18) _join(j, l, _drawn(j, l, false));
        else if (which == 19) _commit(j, l, _drawn(j, l, false));
        else if (which < 22) _reveal(j, l);
        else if (which < 24) _settleSeats(j, l);
        else if (which == 24) _challenge(j, l);
        else if (which == 25) _sealJury(j, l);
        else if (which == 26) _joinJury(j, l, _drawn(j, l, true));
        else if (which == 27) _commitVote(j, l, _drawn(j, l, true));
        else if (which < 30) _revealVote(j, l);
        else if (which == 30) _revealAnswer(j, l);
        else if (which < 33) _judge(j, l);
        else if (which == 33) _demand(j, l);
        else if (which == 34) _respond(j, l);
        else _forfeit(j, l);
    }

    // ------------------------------------------------------------------ what somebody would do now

    /// Goes on with the job in hand, or takes up another.
    function _goOn() private {
        if (_once(_isBusy() ? 64 : 12) || _isDone(_job)) _job = live[_below(live.length)];
        uint256 j = _job;
        if (_isOver(j) && _hasClosable(j)) return _close(j);
        if (_time() < jobs[j].job.timing.opensAt) _passTo(jobs[j].job.timing.opensAt - (_once(4) ? 1 : 0));
        bytes32 list = jobs[j].job.terms.providers;
        if (list != 0 && _once(4)) return _admit(list == lists[0] ? 0 : 1);
        if (_once(80)) return _cancel(j);
        if (_isRedundant(j) && draws[jobs[j].id].at == 0) return _seal(j);
        uint256 l = jobs[j].leases.length;
        if (jobs[j].next < jobs[j].job.terms.tasks && (!_hasLive(j) || _once(6))) return _claim(j);
        if (!_isLive(j, _lease) || _once(_isBusy() ? 64 : 12)) _lease = _below(l);
        for (uint256 n; n < l && !_isLive(j, _lease); ++n) {
            _lease = (_lease + 1) % l;
        }
        _goOnWith(j, _lease);
    }

    /// The lease in hand waits for seats or votes: rounds that everyone leaves say little.
    function _isBusy() private view returns (bool) {
        if (!_isLive(_job, _lease)) return false;
        IMarket.Phase phase = jobs[_job].leases[_lease].phase;
        return phase == IMarket.Phase.Challenged || phase == IMarket.Phase.Revealing || _isRedundant(_job);
    }

    function _hasClosable(uint256 j) private view returns (bool) {
        if (jobs[j].next < jobs[j].job.terms.tasks) return true;
        for (uint256 l; l < jobs[j].leases.length; ++l) {
            if (_closable(j, l)) return true;
        }
        return false;
    }

    function _isLive(uint256 j, uint256 l) private view returns (bool) {
        if (l >= jobs[j].leases.length) return false;
        IMarket.Phase phase = jobs[j].leases[l].phase;
        return phase != IMarket.Phase.Settled && phase != IMarket.Phase.Refunded;
    }

    function _hasLive(uint256 j) private view returns (bool) {
        for (uint256 l; l < jobs[j].leases.length; ++l) {
            if (_isLive(j, l)) return true;
        }
        return false;
    }

    function _goOnWith(uint256 j, uint256 l) private {
        IMarket.Phase phase = jobs[j].leases[l].phase;
        if (_isRedundant(j)) _goOnWithSeats(j, l);
        else if (phase == IMarket.Phase.Free) _goOnWithFree(j, l);
        else if (phase == IMarket.Phase.Running) _goOnWithRunning(j, l);
        else if (phase == IMarket.Phase.Submitted) _goOnWithSubmitted(j, l);
        else if (phase == IMarket.Phase.Challenged) _goOnWithJury(j, l);
        else _goOnWithDemand(j, l);
    }

    function _goOnWithFree(uint256 j, uint256 l) private {
        if (_time() == jobs[j].leases[l].freedAt && !_once(8)) _pass(1);
        _takeover(j, l);
    }

    function _goOnWithRunning(uint256 j, uint256 l) private {
        uint256 lottery = _below(16);
        if (_time() > _runsUntil(j, l) || lottery < 2) {
            _passOver(_runsUntil(j, l));
            if (_isOver(j)) _close(j);
            else if (_once(2)) _takeover(j, l);
            else _expireNow(j, l);
        } else if (lottery == 2) {
            _passTo(jobs[j].leases[l].startedAt + jobs[j].job.timing.runWindow / 8 + _below(2));
            _release(j, l);
        } else {
            _passWithin(_runsUntil(j, l));
            if (jobs[j].job.terms.verifier == address(0)) _submit(j, l);
            else _prove(j, l);
        }
    }

    function _goOnWithSubmitted(uint256 j, uint256 l) private {
        uint256 lottery = _below(16);
        bool contestable = jobs[j].job.price.juryFee != 0 && _time() <= _windowUntil(j, l);
        if (jobs[j].leases[l].lie != 0 && contestable && _once(2)) lottery = 11; // somebody noticed
        if (lottery < 4) {
            _accept(j, l);
        } else if (lottery < 7 && contestable && !jobs[j].leases[l].demanded) {
            _passWithin(_windowUntil(j, l));
            _demand(j, l);
        } else if (lottery < 12 && contestable && jobs[j].leases[l].challenges < 5) {
            _passWithin(_windowUntil(j, l));
            _challenge(j, l);
        } else {
            _passOver(_windowUntil(j, l));
            _finalize(j, l);
        }
    }

    function _goOnWithDemand(uint256 j, uint256 l) private {
        uint64 until = jobs[j].leases[l].since + RESPOND_WINDOW;
        if (_time() <= until && !_once(4)) {
            _passWithin(until);
            _respond(j, l);
        } else {
            _passOver(until);
            _forfeit(j, l);
        }
    }

    function _goOnWithSeats(uint256 j, uint256 l) private {
        bytes32 key = _seatsKey(j, l);
        if (_seatsAreDue(j, l) && !_once(8)) return _settleSeats(j, l);
        if (_reveals(j, l)) {
            if (_seatToReveal(key) != 0 && _time() <= _revealBy(j, l) && !_once(12)) {
                _passWithin(_revealBy(j, l));
                return _reveal(j, l);
            }
            _passOver(_revealBy(j, l));
            return _settleSeats(j, l);
        }
        bool runs = jobs[j].leases[l].phase == IMarket.Phase.Running;
        if (runs && (_time() > _commitBy(j, l) || _once(40))) {
            _passOver(_commitBy(j, l));
            return _settleSeats(j, l);
        }
        if (runs) _passWithin(_commitBy(j, l));
        address who = runs && _once(2) ? _joined(key) : address(0);
        bool full = runs && seats[key].length == jobs[j].job.terms.replicas;
        if (who == address(0)) who = full ? _joined(key) : _drawn(j, l, false);
        if (who == address(0)) return _wait(j, runs ? _commitBy(j, l) : jobs[j].job.timing.closesAt);
        if (!full && _once(3)) _join(j, l, who);
        else _commit(j, l, who);
    }

    function _goOnWithJury(uint256 j, uint256 l) private {
        bytes32 key = _juryKey(j, l);
        if (_juryIsDue(j, l) && !_once(8)) return _judge(j, l);
        if (draws[key].at == 0) return _sealJury(j, l);
        if (_juryReveals(j, l)) {
            bool answers = !disputes[key].answered && !disputes[key].isVoid;
            if (!_once(30)) {
                _passWithin(_juryRevealBy(j, l));
                if (answers && _once(3)) return _revealAnswer(j, l);
                if (_seatToReveal(key) != 0) return _revealVote(j, l);
                if (answers) return _revealAnswer(j, l);
            }
            _passOver(_juryRevealBy(j, l));
            return _judge(j, l);
        }
        if (_time() > _juryCommitBy(j, l) || _once(40)) {
            _passOver(_juryCommitBy(j, l));
            return _judge(j, l);
        }
        _passWithin(_juryCommitBy(j, l));
        address who = _once(2) ? _joined(key) : address(0);
        bool full = seats[key].length == JURY;
        if (who == address(0)) who = full ? _joined(key) : _drawn(j, l, true);
        if (who == address(0)) return _wait(j, _juryCommitBy(j, l));
        if (!full && _once(3)) _joinJury(j, l, who);
        else _commitVote(j, l, who);
    }

    /// Nobody can take a seat: until a deadline; of a list, until there are more on it.
    function _wait(uint256 j, uint64 deadline) private {
        bytes32 list = jobs[j].job.terms.providers;
        if (list != 0 && _once(2)) _admit(list == lists[0] ? 0 : 1);
        else _passTo(deadline + 1);
    }

    /// Who has joined and not committed.
    function _joined(bytes32 key) private view returns (address) {
        for (uint256 i; i < seats[key].length; ++i) {
            if (seats[key][i].state == IMarket.Seat.Joined) return seats[key][i].who;
        }
        return address(0);
    }
}
