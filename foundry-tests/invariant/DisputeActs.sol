// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Merkle} from "../helpers/Merkle.sol";
import {SeatActs} from "./SeatActs.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Results are contested: challenges and their juries, demands and their answers.
abstract contract DisputeActs is SeatActs {
    // ------------------------------------------------------------------ challenges

    /// A submitted result whose window is open.
    function _isContestable(uint256 j, uint256 l) private view returns (bool) {
        return jobs[j].leases[l].phase == IMarket.Phase.Submitted && jobs[j].job.price.juryFee != 0
            && _time() <= _windowUntil(j, l);
    }

    function _challenge(uint256 j, uint256 l) internal {
        Lease storage lease = jobs[j].leases[l];
        address who = _once(2) ? _provider() : _client();
        bytes32 key = _roundKey(j, l, lease.round, lease.challenges + 1);
        Dispute memory dispute = _claimOf(j, l, who);
        uint256 deposit = _depositOf(j, l);
        bool may = _isContestable(j, l) && ledger[who] >= deposit;
        if (wild && _once(3)) (dispute.digest, may) = (keccak256("not in the result"), false);
        (uint16 round, bool right) = _meant(lease.round);
        if (!_try("challenge", who, _challengeData(j, l, dispute, round), may && right)) return;
        ++lease.challenges;
        lease.phase = IMarket.Phase.Challenged;
        dispute.deposit = deposit;
        (dispute.openedAt, dispute.openedBlock) = (_time(), vm.getBlockNumber());
        ledger[who] -= deposit;
        deposits += deposit;
        disputes[key] = dispute;
    }

    /// What a challenger says: of a lying result the task that is wrong, of a true one any; and the right digest, a
    /// wrong one, or a copied answer.
    function _claimOf(uint256 j, uint256 l, address who) private returns (Dispute memory dispute) {
        Lease storage lease = jobs[j].leases[l];
        dispute.challenger = who;
        // forge-lint: disable-next-line(unsafe-typecast)
        dispute.task = lease.lie != 0 ? _lieAt(j, l, lease.lie) : lease.first + uint32(_below(lease.count));
        dispute.digest = _digest(j, dispute.task, lease.lie);
        dispute.answer = _digest(j, dispute.task, _once(6) ? 5 : 0);
        dispute.salt = keccak256(abi.encode(_below(1e18)));
        dispute.isVoid = _once(8);
    }

    function _challengeData(uint256 j, uint256 l, Dispute memory dispute, uint16 round)
        private
        returns (bytes memory)
    {
        Lease storage lease = jobs[j].leases[l];
        Seat memory asSeat;
        (asSeat.who, asSeat.salt, asSeat.isVoid) = (dispute.challenger, dispute.salt, dispute.isVoid);
        uint8 number = lease.challenges + 1;
        bytes32 answer = _commitmentOf(j, l, lease.round, number, asSeat, dispute.answer);
        bytes32[] memory proof = Merkle.proof(lease.first, _digests(j, l, lease.lie), dispute.task);
        return abi.encodeCall(
            IMarket.challenge,
            (jobs[j].job, lease.first, round, number, dispute.task, dispute.digest, proof, answer)
        );
    }

    // ------------------------------------------------------------------ the jury sits

    function _sealJury(uint256 j, uint256 l) internal {
        Lease storage lease = jobs[j].leases[l];
        bytes32 key = _juryKey(j, l);
        uint256 opened = disputes[key].openedBlock;
        if (!wild && vm.getBlockNumber() < opened + SEAL_DELAY) {
            vm.roll(opened + _between(SEAL_DELAY - 1, SEAL_DELAY + 1));
        }
        bool may = lease.phase == IMarket.Phase.Challenged && _time() <= _juryCommitBy(j, l)
            && draws[key].at == 0 && vm.getBlockNumber() >= opened + SEAL_DELAY;
        bytes memory data = abi.encodeCall(IMarket.sealJury, (jobs[j].job, lease.first));
        if (!_try("sealJury", _anyone(), data, may)) return;
        draws[key] = Draw(_time(), _seedAfter(opened), _drawnStake(j));
    }

    function _takesJurors(uint256 j, uint256 l) private view returns (bool) {
        return jobs[j].leases[l].phase == IMarket.Phase.Challenged && _time() <= _juryCommitBy(j, l);
    }

    function _mayJudge(uint256 j, uint256 l, address who) private view returns (bool) {
        bytes32 key = _juryKey(j, l);
        return _takesJurors(j, l) && _seatOf(key, who) == 0 && seats[key].length < JURY && _admits(j, who)
            && who != jobs[j].leases[l].holder && who != disputes[key].challenger
            && _drawnForJury(j, l, who) <= _time() && _free(who) >= _jurorBondOf(j, l);
    }

    function _sitInJury(uint256 j, uint256 l, address who) private {
        _lock(who, _jurorBondOf(j, l));
        Seat storage seat = seats[_juryKey(j, l)].push();
        (seat.who, seat.state) = (who, IMarket.Seat.Joined);
    }

    function _joinJury(uint256 j, uint256 l, address who) internal {
        address caller = _for(who);
        Lease storage lease = jobs[j].leases[l];
        (uint16 round, bool right) = _meant(lease.round);
        bool may = right && _authorized(who, caller) && _mayJudge(j, l, who);
        bytes memory data =
            abi.encodeCall(IMarket.joinJury, (jobs[j].job, lease.first, round, lease.challenges, who));
        if (_try("joinJury", caller, data, may)) _sitInJury(j, l, who);
    }

    function _commitVote(uint256 j, uint256 l, address who) internal {
        address caller = _for(who);
        bytes32 key = _juryKey(j, l);
        uint256 index = _seatOf(key, who);
        bool joined = _takesJurors(j, l) && index != 0 && seats[key][index - 1].state == IMarket.Seat.Joined;
        (uint16 challenge, bool right) = _meant(jobs[j].leases[l].challenges);
        bool may = right && _authorized(who, caller) && (joined || _mayJudge(j, l, who));
        Seat memory vote = _vote(j, l, who);
        // forge-lint: disable-next-line(unsafe-typecast)
        if (!_try("commitVote", caller, _voteData(j, l, vote, uint8(challenge)), may)) return;
        if (!joined) _sitInJury(j, l, who);
        vote.state = IMarket.Seat.Committed;
        seats[key][_seatOf(key, who) - 1] = vote;
        if (++disputes[key].commits == JURY) disputes[key].revealFrom = _time();
    }

    function _voteData(uint256 j, uint256 l, Seat memory vote, uint8 challenge)
        private
        returns (bytes memory)
    {
        Lease storage lease = jobs[j].leases[l];
        bytes32 pair = keccak256(abi.encode(vote.vote, vote.keyed));
        bytes32 commitment = _commitmentOf(j, l, lease.round, lease.challenges, vote, pair);
        return abi.encodeCall(
            IMarket.commitVote, (jobs[j].job, lease.first, lease.round, challenge, vote.who, commitment)
        );
    }

    /// A vote: of who ran the task; of who colludes with the provider; of who has not got the input; of who copies
    /// the provider's digest without the output; of one with a result of its own. Each jury has its leaning.
    function _vote(uint256 j, uint256 l, address who) private returns (Seat memory vote) {
        bytes32 key = _juryKey(j, l);
        Dispute storage dispute = disputes[key];
        (vote.who, vote.salt, vote.isVoid) = (who, keccak256(abi.encode(_below(1e18))), _once(16));
        uint256 leaning = _once(8) ? _below(8) : uint256(keccak256(abi.encode(key))) % 8;
        if (leaning == 6) {
            if (_once(6)) vote.keyed = keccak256("not zero");
            return vote;
        }
        vote.vote = leaning == 7 ? _digest(j, dispute.task, uint160(who)) : _digest(j, dispute.task, 0);
        if (leaning == 5) vote.vote = dispute.digest;
        vote.keyed = keccak256(abi.encode("keyed", draws[key].seed, vote.vote));
        if (_once(12)) (vote.vote, vote.keyed) = (dispute.digest, keccak256(abi.encode("guessed", who)));
    }

    // ------------------------------------------------------------------ the jury speaks

    /// Votes and the answer can be revealed.
    function _juryReveals(uint256 j, uint256 l) internal view returns (bool) {
        Dispute storage dispute = _disputeOf(j, l);
        if (jobs[j].leases[l].phase != IMarket.Phase.Challenged || dispute.commits < JURY_QUORUM) {
            return false;
        }
        return (dispute.revealFrom != 0 || _time() > _juryCommitBy(j, l)) && _time() <= _juryRevealBy(j, l);
    }

    function _revealVote(uint256 j, uint256 l) internal {
        bytes32 key = _juryKey(j, l);
        uint256 index = _seatToReveal(key);
        Seat memory seat;
        if (index != 0) seat = seats[key][index - 1];
        if (wild && _once(2)) seat.who = _anyone();
        bool right = !wild || _once(2);
        bytes32 digest = right ? seat.vote : keccak256("not what was committed to");
        address caller = _for(seat.who);
        bool may = right && index != 0 && _authorized(seat.who, caller) && _juryReveals(j, l)
            && seats[key][index - 1].who == seat.who && _canBeOpened(seat)
            && seats[key][index - 1].state == IMarket.Seat.Committed;
        if (!_try(
                "revealVote",
                caller,
                abi.encodeCall(
                    IMarket.revealVote,
                    (jobs[j].job, jobs[j].leases[l].first, seat.who, digest, seat.keyed, seat.salt)
                ),
                may
            )) return;
        seats[key][index - 1].state = IMarket.Seat.Revealed;
        ++disputes[key].reveals;
    }

    function _revealAnswer(uint256 j, uint256 l) internal {
        Dispute storage dispute = _disputeOf(j, l);
        address caller = _as(dispute.challenger);
        bytes32 digest = wild && _once(2) ? keccak256("another") : dispute.answer;
        bool may = _juryReveals(j, l) && caller == dispute.challenger && !dispute.answered && !dispute.isVoid
            && digest == dispute.answer;
        bytes memory data = abi.encodeCall(
            IMarket.revealAnswer, (jobs[j].job, jobs[j].leases[l].first, digest, dispute.salt)
        );
        if (_try("revealAnswer", caller, data, may)) dispute.answered = true;
    }

    // ------------------------------------------------------------------ the verdict

    function _juryIsDue(uint256 j, uint256 l) internal view returns (bool) {
        Dispute storage dispute = _disputeOf(j, l);
        if (jobs[j].leases[l].phase != IMarket.Phase.Challenged) return false;
        if (dispute.commits < JURY_QUORUM) return _time() > _juryCommitBy(j, l);
        if (_time() > _juryRevealBy(j, l)) return true;
        return dispute.reveals == dispute.commits && dispute.answered;
    }

    function _judge(uint256 j, uint256 l) internal {
        bytes32 key = _juryKey(j, l);
        uint256 winner = _winnerOf(key, JURY_QUORUM);
        Seat memory vote;
        if (winner != 0) vote = seats[key][winner - 1];
        uint32[] memory panel = _panel(key);
        bool may = _juryIsDue(j, l);
        if (wild && _once(4)) {
            (vote.vote, may) = (keccak256("not the quorum's"), false);
        } else if (wild && panel.length != 0 && _once(2)) {
            may = _spoilPanel(panel);
        }
        bytes memory data = abi.encodeCall(
            IMarket.judge, (jobs[j].job, jobs[j].leases[l].first, vote.vote, vote.keyed, panel)
        );
        if (_try("judge", _anyone(), data, may)) _noteVerdict(j, l, winner, vote.vote);
    }

    function _noteVerdict(uint256 j, uint256 l, uint256 winner, bytes32 digest) private {
        Lease storage lease = jobs[j].leases[l];
        Dispute storage dispute = _disputeOf(j, l);
        uint256 paidOut = _closeJury(j, l, winner);
        deposits -= dispute.deposit;
        ++outcomes[winner == 0 ? 3 : digest == 0 || digest == dispute.digest ? 4 : 5];
        if (winner != 0 && digest != 0 && digest != dispute.digest) {
            // The provider was wrong: its bond pays the jury and who knew better.
            if (dispute.answered && dispute.answer == digest) {
                ledger[dispute.challenger] += dispute.deposit;
                if (jobs[j].job.terms.providers == 0) {
                    uint256 reward = JURY * jobs[j].job.price.juryFee;
                    ledger[dispute.challenger] += reward;
                    paidOut += reward;
                } else {
                    // On a private list the deposit pays the jury, and all of the bond is burned.
                    ledger[dispute.challenger] -= paidOut;
                    paidOut = 0;
                }
                ++outcomes[6];
            } else {
                burned += dispute.deposit;
            }
            _sure(paidOut <= 2 * JURY * jobs[j].job.price.juryFee, "more of a bond paid than granted");
            _sure(paidOut <= lease.bond, "a verdict costs more than the bond");
            burned += lease.bond - paidOut;
            ++records[lease.holder].slashed;
            _endRound(j, l, lease.bond);
            return;
        }
        // The result stands: the deposit pays the jury. The rest returns if nothing was found.
        _sure(paidOut <= dispute.deposit, "a verdict costs more than the deposit");
        if (winner == 0) ledger[dispute.challenger] += dispute.deposit - paidOut;
        else burned += dispute.deposit - paidOut;
        (lease.phase, lease.since) = (IMarket.Phase.Submitted, _time());
    }

    /// Who voted with the quorum, or spoke in a jury without one, is paid; who could not speak keeps its bond.
    function _closeJury(uint256 j, uint256 l, uint256 winner) private returns (uint256 paidOut) {
        bytes32 key = _juryKey(j, l);
        uint256 bond = _jurorBondOf(j, l);
        uint256 fee = jobs[j].job.price.juryFee;
        bool opened = disputes[key].commits >= JURY_QUORUM;
        for (uint256 i; i < seats[key].length; ++i) {
            Seat storage seat = seats[key][i];
            bool spoke = seat.state == IMarket.Seat.Revealed;
            if (spoke && (winner == 0 || _same(seat, seats[key][winner - 1]))) {
                _unlock(seat.who, bond, 0);
                ledger[seat.who] += fee;
                paidOut += fee;
            } else if (seat.state == IMarket.Seat.Committed && !opened) {
                _unlock(seat.who, bond, 0);
            } else {
                _lose(seat.who, bond, bond, true);
            }
        }
    }

    // ------------------------------------------------------------------ demands

    function _demand(uint256 j, uint256 l) internal {
        Lease storage lease = jobs[j].leases[l];
        address who = _anyone();
        if (!wild && ledger[who] < jobs[j].job.price.juryFee) who = clients[1];
        bool may = _isContestable(j, l) && !lease.demanded && ledger[who] >= jobs[j].job.price.juryFee;
        if (!_try("demand", who, abi.encodeCall(IMarket.demand, (jobs[j].job, lease.first)), may)) return;
        ledger[who] -= jobs[j].job.price.juryFee;
        deposits += jobs[j].job.price.juryFee;
        (lease.phase, lease.since) = (IMarket.Phase.Demanded, _time());
        (lease.demanded, lease.demander) = (true, who);
    }

    function _respond(uint256 j, uint256 l) internal {
        Lease storage lease = jobs[j].leases[l];
        address who = wild ? _anyone() : lease.holder;
        address caller = _for(who);
        bytes32[] memory digests = _digests(j, l, wild && _once(2) ? lease.lie + 1 : lease.lie);
        bool may = _authorized(who, caller) && lease.phase == IMarket.Phase.Demanded && who == lease.holder
            && _time() <= lease.since + RESPOND_WINDOW && Merkle.root(lease.first, digests) == lease.root;
        bytes memory data = abi.encodeCall(IMarket.respond, (jobs[j].job, lease.first, who, digests));
        if (!_try("respond", caller, data, may)) return;
        (lease.phase, lease.since) = (IMarket.Phase.Submitted, _time());
        ledger[who] += jobs[j].job.price.juryFee;
        deposits -= jobs[j].job.price.juryFee;
    }

    function _forfeit(uint256 j, uint256 l) internal {
        Lease storage lease = jobs[j].leases[l];
        bool may = lease.phase == IMarket.Phase.Demanded && _time() > lease.since + RESPOND_WINDOW;
        bytes memory data = abi.encodeCall(IMarket.forfeit, (jobs[j].job, lease.first));
        if (!_try("forfeit", _anyone(), data, may)) return;
        ledger[lease.demander] += jobs[j].job.price.juryFee;
        deposits -= jobs[j].job.price.juryFee;
        burned += lease.bond;
        ++records[lease.holder].slashed;
        _endRound(j, l, lease.bond);
    }
}
