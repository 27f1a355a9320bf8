// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {ProviderActs} from "./ProviderActs.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Redundant leases: seal, join, commit, reveal, settle.
abstract contract SeatActs is ProviderActs {
    // ------------------------------------------------------------------ draws

    function _seal(uint256 j) internal {
        Posting storage posting = jobs[j];
        if (!wild && vm.getBlockNumber() < posting.postedBlock + SEAL_DELAY) {
            vm.roll(posting.postedBlock + _between(SEAL_DELAY - 1, SEAL_DELAY + 1));
        }
        if (_once(10)) vm.roll(vm.getBlockNumber() + 300); // nobody sealed for long
        bool may = _isRedundant(j) && draws[posting.id].at == 0
            && vm.getBlockNumber() >= posting.postedBlock + SEAL_DELAY;
        if (!_try("seal", _anyone(), abi.encodeCall(IMarket.seal, (posting.job)), may)) return;
        draws[posting.id] = Draw(_time(), _seedAfter(posting.postedBlock), _drawnStake(j));
    }

    /// A draw is of all stake, or of that of `post` if that was less: what came later is not drawn.
    function _drawnStake(uint256 j) internal view returns (uint256) {
        uint256 now_ = _totalStake();
        return now_ < jobs[j].postedStake ? now_ : jobs[j].postedStake;
    }

    /// Who takes a seat: somebody that is drawn by now; else the time is awaited.
    function _drawn(uint256 j, uint256 l, bool jury) internal returns (address who) {
        if (wild && _once(2)) return jury && _once(2) ? _disputeOf(j, l).challenger : _provider();
        bytes32 key = jury ? _juryKey(j, l) : _roundKey(j, l, _roundNow(j, l), 0);
        uint256 from = type(uint256).max;
        uint256 turn = _below(RICH);
        for (uint256 n; n < RICH; ++n) {
            address one = providers[(turn + n) % RICH];
            if (_seatOf(key, one) != 0 || !_admits(j, one)) continue;
            if (jury && (one == jobs[j].leases[l].holder || one == _disputeOf(j, l).challenger)) continue;
            uint256 at = jury ? _drawnForJury(j, l, one) : _drawnForLease(j, l, one);
            if (at < from && (from > _time() || at < _time())) (who, from) = (one, at);
            if (from <= _time()) break;
        }
        if (who == address(0)) return wild ? providers[turn] : who;
        // One second too early, now and then.
        if (from > _time()) _passTo(_once(10) ? from - 1 : from);
    }

    function _roundNow(uint256 j, uint256 l) private view returns (uint16) {
        Lease storage lease = jobs[j].leases[l];
        return lease.phase == IMarket.Phase.Free ? lease.round + 1 : lease.round;
    }

    // ------------------------------------------------------------------ seats

    /// Seats can be taken and commitments made: in the round that runs, or in one that begins now.
    function _takesSeats(uint256 j, uint256 l) private view returns (bool) {
        if (!_isRedundant(j)) return false;
        IMarket.Phase phase = jobs[j].leases[l].phase;
        if (phase == IMarket.Phase.Free) return _isOpen(j) && draws[jobs[j].id].at != 0;
        return phase == IMarket.Phase.Running && _time() <= _commitBy(j, l);
    }

    function _maySit(uint256 j, uint256 l, address who) private view returns (bool) {
        Lease storage lease = jobs[j].leases[l];
        bytes32 key = _roundKey(j, l, _roundNow(j, l), 0);
        return _takesSeats(j, l) && _seatOf(key, who) == 0 && seats[key].length < jobs[j].job.terms.replicas
            && _admits(j, who) && _drawnForLease(j, l, who) <= _time()
            && _free(who) >= uint256(jobs[j].job.price.bond) * lease.count;
    }

    /// Takes a seat, in a new round if none runs.
    function _sit(uint256 j, uint256 l, address who) private returns (Seat storage seat) {
        Lease storage lease = jobs[j].leases[l];
        if (lease.phase == IMarket.Phase.Free) {
            uint64 start = _drawStart(j, l);
            _beginRound(j, l, address(0));
            (lease.drawStart, lease.bond) = (start, uint256(jobs[j].job.price.bond) * lease.count);
        }
        _lock(who, lease.bond);
        seat = seats[_seatsKey(j, l)].push();
        (seat.who, seat.state) = (who, IMarket.Seat.Joined);
    }

    function _join(uint256 j, uint256 l, address who) internal {
        address caller = _for(who);
        (uint16 round, bool right) = _meant(_roundNow(j, l));
        bool may = right && _authorized(who, caller) && _maySit(j, l, who);
        bytes memory data = abi.encodeCall(IMarket.join, (jobs[j].job, jobs[j].leases[l].first, round, who));
        if (_try("join", caller, data, may)) _sit(j, l, who);
    }

    function _commit(uint256 j, uint256 l, address who) internal {
        address caller = _for(who);
        Seat memory draft = _draft(j, l, who);
        bytes32 commitment = _commitmentOf(j, l, _roundNow(j, l), 0, draft, draft.vote);
        (uint16 round, bool right) = _meant(_roundNow(j, l));
        bool may = right && _authorized(who, caller) && (_hasJoined(j, l, who) || _maySit(j, l, who));
        bytes memory data =
            abi.encodeCall(IMarket.commit, (jobs[j].job, jobs[j].leases[l].first, round, who, commitment));
        if (!_try("commit", caller, data, may)) return;
        if (!_hasJoined(j, l, who)) _sit(j, l, who);
        bytes32 key = _seatsKey(j, l);
        draft.state = IMarket.Seat.Committed;
        seats[key][_seatOf(key, who) - 1] = draft;
        Lease storage lease = jobs[j].leases[l];
        if (++lease.commits < jobs[j].job.terms.replicas) return;
        (lease.phase, lease.since) = (IMarket.Phase.Revealing, _time());
    }

    /// The round (or challenge) that a call names: now and then it was meant for the last one, or the next.
    function _meant(uint16 present) internal returns (uint16 named, bool right) {
        right = !(wild && _once(4));
        named = right ? present : present ^ 1;
    }

    function _hasJoined(uint256 j, uint256 l, address who) private view returns (bool) {
        bytes32 key = _seatsKey(j, l);
        uint256 seat = _seatOf(key, who);
        return _takesSeats(j, l) && jobs[j].leases[l].phase == IMarket.Phase.Running && seat != 0
            && seats[key][seat - 1].state == IMarket.Seat.Joined;
    }

    /// What `who` commits to: the truth, a lie that others tell too, or its own; now and then the commitment of
    /// somebody else, or of another round, which it cannot open.
    function _draft(uint256 j, uint256 l, address who) private returns (Seat memory draft) {
        uint256 lie = _once(2) ? _lie() : 0;
        if (lie % 4 != 0) lie = 7;
        (draft.who, draft.vote, draft.salt) = (who, _rootOf(j, l, lie), keccak256(abi.encode(_below(1e18))));
        draft.isVoid = _once(12);
    }

    /// A commitment as PROTOCOL's; of a void one for somebody else, or another lease, round or job.
    function _commitmentOf(
        uint256 j,
        uint256 l,
        uint16 round,
        uint8 challenge,
        Seat memory seat,
        bytes32 vote
    ) internal returns (bytes32) {
        uint256 flaw = seat.isVoid ? _between(1, 4) : 0;
        return keccak256(
            abi.encode(
                flaw == 4 ? keccak256("another job") : jobs[j].id,
                jobs[j].leases[l].first + (flaw == 2 ? 1 : 0),
                round + (flaw == 3 ? 1 : 0),
                challenge,
                flaw == 1 ? stranger : seat.who,
                vote,
                seat.salt
            )
        );
    }

    // ------------------------------------------------------------------ reveals

    function _reveals(uint256 j, uint256 l) internal view returns (bool) {
        Lease storage lease = jobs[j].leases[l];
        if (!_isRedundant(j)) return false;
        bool late = lease.phase == IMarket.Phase.Running && lease.commits >= jobs[j].job.terms.quorum
            && _time() > _commitBy(j, l);
        return lease.phase == IMarket.Phase.Revealing || late;
    }

    function _reveal(uint256 j, uint256 l) internal {
        Lease storage lease = jobs[j].leases[l];
        bytes32 key = _seatsKey(j, l);
        uint256 index = _seatToReveal(key);
        Seat memory seat;
        if (index != 0) seat = seats[key][index - 1];
        if (wild && _once(2)) seat.who = _anyone();
        bool right = !wild || _once(2);
        bytes32 root = right ? seat.vote : keccak256("not what was committed to");
        address caller = _for(seat.who);
        bool may = right && index != 0 && _authorized(seat.who, caller) && _reveals(j, l)
            && _time() <= _revealBy(j, l) && seats[key][index - 1].who == seat.who && !seat.isVoid
            && seats[key][index - 1].state == IMarket.Seat.Committed;
        // The last one may settle, if its root, or none, has the quorum.
        bool last = _once(2) && lease.reveals + 1 == lease.commits;
        uint32[] memory panel = last ? _panel(key) : new uint32[](0);
        if (!_try(
                last ? "reveal (and settle)" : "reveal",
                caller,
                abi.encodeCall(
                    IMarket.reveal, (jobs[j].job, lease.first, seat.who, root, 0, seat.salt, panel)
                ),
                may
            )) return;
        seats[key][index - 1].state = IMarket.Seat.Revealed;
        ++lease.reveals;
        uint256 winner = _winnerOf(key, jobs[j].job.terms.quorum);
        if (last && (winner == 0 || seats[key][winner - 1].vote == root)) _endSeats(j, l);
    }

    /// A seat whose commitment its holder would reveal, as an index from 1; in a wild act any.
    function _seatToReveal(bytes32 key) internal returns (uint256) {
        uint256 n = seats[key].length;
        if (n == 0) return 0;
        uint256 turn = _below(n);
        if (wild) return turn + 1;
        for (uint256 i; i < n; ++i) {
            Seat storage seat = seats[key][(turn + i) % n];
            if (seat.state == IMarket.Seat.Committed && _canBeOpened(seat)) return (turn + i) % n + 1;
        }
        return 0;
    }

    /// There is one vote for "the input cannot be obtained": two zeros.
    function _canBeOpened(Seat memory seat) internal pure returns (bool) {
        return !seat.isVoid && (seat.vote != 0 || seat.keyed == 0);
    }

    /// The numbers of a round's providers, ascending.
    function _panel(bytes32 key) internal view returns (uint32[] memory panel) {
        uint256 n = seats[key].length;
        panel = new uint32[](n);
        for (uint256 i; i < n; ++i) {
            uint32 number = records[seats[key][i].who].number;
            uint256 at = i;
            for (; at > 0 && panel[at - 1] > number; --at) {
                panel[at] = panel[at - 1];
            }
            panel[at] = number;
        }
    }

    // ------------------------------------------------------------------ the end of a round

    /// The round can be ended now.
    function _seatsAreDue(uint256 j, uint256 l) internal view returns (bool) {
        Lease storage lease = jobs[j].leases[l];
        if (!_isRedundant(j)) return false;
        if (_reveals(j, l)) return lease.reveals == lease.commits || _time() > _revealBy(j, l);
        return lease.phase == IMarket.Phase.Running && lease.commits < jobs[j].job.terms.quorum
            && _time() > _commitBy(j, l);
    }

    function _settleSeats(uint256 j, uint256 l) internal {
        bytes32 key = _seatsKey(j, l);
        uint256 winner = _winnerOf(key, jobs[j].job.terms.quorum);
        bytes32 root = winner == 0 ? bytes32(0) : seats[key][winner - 1].vote;
        uint32[] memory panel = _panel(key);
        bool may = _seatsAreDue(j, l);
        if (wild && _once(4)) {
            (root, may) = (keccak256("not the quorum's"), false);
        } else if (wild && panel.length != 0 && _once(2)) {
            may = _spoilPanel(panel);
        }
        bytes memory data =
            abi.encodeCall(IMarket.settle, (jobs[j].job, jobs[j].leases[l].first, root, panel));
        if (_try("settle", _anyone(), data, may)) _endSeats(j, l);
    }

    /// Makes a panel that leaves somebody out, counts one twice or names a stranger.
    function _spoilPanel(uint32[] memory panel) internal returns (bool) {
        uint256 n = panel.length;
        uint256 how = _below(3);
        if (how == 0) {
            assembly ("memory-safe") {
                mstore(panel, sub(n, 1))
            }
        } else if (how == 1 && n > 1) {
            panel[n - 1] = panel[0];
        } else {
            panel[n - 1] = 4_000_000_000;
        }
        return false;
    }

    /// The seats of a round end, each as it deserves: with a quorum those of the majority are paid, and all others
    /// that committed lose their bonds.
    function _endSeats(uint256 j, uint256 l) private {
        Lease storage lease = jobs[j].leases[l];
        bytes32 key = _seatsKey(j, l);
        bool lapsed = lease.commits < jobs[j].job.terms.quorum;
        uint256 winner = _winnerOf(key, jobs[j].job.terms.quorum);
        uint256 gross;
        for (uint256 i; i < seats[key].length; ++i) {
            Seat storage seat = seats[key][i];
            if (seat.state == IMarket.Seat.Joined) {
                _lose(seat.who, lease.bond, lease.bond / 10, false);
            } else if (lapsed) {
                _unlock(seat.who, lease.bond, 0);
            } else if (winner != 0 && _same(seat, seats[key][winner - 1])) {
                _unlock(seat.who, lease.bond, 0);
                gross += _pay(j, l, seat.who);
            } else if (winner == 0 && seat.state == IMarket.Seat.Revealed) {
                _lose(seat.who, lease.bond, lease.bond / 10, false);
            } else {
                _lose(seat.who, lease.bond, lease.bond, true);
            }
        }
        ++outcomes[lapsed ? 0 : winner == 0 ? 1 : 2];
        if (lapsed) {
            (lease.phase, lease.freedAt) = (IMarket.Phase.Free, _time());
        } else if (winner == 0) {
            _endLease(j, l, IMarket.Phase.Refunded, 0);
        } else {
            (lease.how, lease.root) = (IMarket.How.Quorum, seats[key][winner - 1].vote);
            _endLease(j, l, IMarket.Phase.Settled, gross);
        }
    }

    /// A seat loses a part of its bond, or all of it.
    function _lose(address who, uint256 bond, uint256 part, bool whole) internal {
        _unlock(who, bond, part);
        burned += part;
        if (whole) ++records[who].slashed;
        else ++records[who].late;
    }
}
