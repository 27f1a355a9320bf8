// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Demands} from "./Demands.sol";
import {IMarket} from "./IMarket.sol";
import {JobResult} from "./JobResult.sol";
import {JobRules} from "./JobRules.sol";
import {Jury} from "./Jury.sol";
import {LeaseSlot, SeatSlot, SeatSlots} from "./Slots.sol";

/// @title Disputes: what happens when a result is contested
/// @notice Submitted -challenge-> Challenged -judge-> Free if the provider was wrong, else Submitted with its
/// window anew. One task is run again, whatever the lease holds.
/// @dev What a verdict pays is held: `2 * JURY * juryFee <= B` (`JobRules.bondOf`) for a jury and a reward out of the
/// provider's bond, `JURY * juryFee <= K` (`JobRules.depositOf`) for a jury out of the challenger's deposit.
abstract contract Disputes is Demands, Jury {
    /// @dev What a verdict decides on.
    struct Case {
        bytes32 jobId;
        uint32 first;
        LeaseSlot lease;
        IMarket.Verdict verdict;
        /// The quorum's vote, as a seat that revealed it; none if there is no quorum.
        SeatSlot winner;
        /// Whether votes could be revealed at all.
        bool opened;
    }

    /// @dev See `IMarket.challenge`.
    function challenge(
        IMarket.Job calldata job,
        uint32 first,
        uint16 round,
        uint8 number,
        uint32 task,
        bytes32 digest,
        bytes32[] calldata proof,
        bytes32 answer
    ) external {
        bytes32 jobId = _idOf(job);
        LeaseSlot lease = _contestable(job, jobId, first);
        if (!JobResult.verify(_roots[jobId][first], first, lease.count(), task, digest, proof)) {
            revert IMarket.NotInResult(task, digest);
        }
        // The deposit outgrows all amounts long before the count saturates: each challenge has its own number.
        uint96 deposit = JobRules.depositOf(job.price, lease.challenges());
        lease = lease.challenged();
        // The answer is committed to for this challenge, and the deposit is meant for it.
        _requireRound(jobId, first, lease, round, number);
        _leases[jobId][first] = lease;
        _disputes[jobId][first] = Dispute({
            challenger: msg.sender,
            task: task,
            openedAt: _now(),
            deposit: deposit,
            // forge-lint: disable-next-line(unsafe-typecast)
            openedBlock: uint40(block.number),
            revealFrom: 0,
            seats: 0,
            commits: 0,
            reveals: 0,
            answered: false,
            digest: digest,
            answer: answer
        });
        _debit(msg.sender, deposit);
        emit IMarket.Challenged(jobId, first, msg.sender, number, task, digest, answer, deposit);
    }

    /// @dev See `IMarket.judge`.
    function judge(
        IMarket.Job calldata job,
        uint32 first,
        bytes32 digest,
        bytes32 keyed,
        uint32[] calldata panel
    ) external {
        Case memory c;
        c.jobId = _idOf(job);
        c.first = first;
        Dispute storage dispute;
        (c.lease, dispute) = _openDispute(c.jobId, first);
        c.opened = _requireDue(job, dispute);
        SeatSlot[] memory seats;
        (seats, c.winner) = _count(_juryKey(c.jobId, first, c.lease), panel, dispute.seats, JURY_QUORUM);
        c.verdict = _verdict(c.winner, digest, keyed, dispute.digest);
        uint96 fees = _closeSeats(job, c, panel, seats);
        if (c.verdict == IMarket.Verdict.ProviderWrong) {
            _convict(job, c, digest, fees);
        } else {
            _acquit(c, digest, fees);
        }
    }

    // ------------------------------------------------------------------ the verdict

    /// @dev Reverts unless a dispute can be judged now: everything was revealed, or the time for that is over, or so
    /// is that to commit and too few did.
    /// @return opened whether votes could be revealed
    function _requireDue(IMarket.Job calldata job, Dispute storage dispute)
        private
        view
        returns (bool opened)
    {
        uint256 commits = dispute.commits;
        if (commits < JURY_QUORUM) {
            _requireOver(_commitBy(job, dispute));
            return false;
        }
        uint64 revealBy = _revealBy(job, dispute);
        if (block.timestamp <= revealBy && (dispute.reveals != commits || !dispute.answered)) {
            revert IMarket.RevealsMissing(revealBy, _now());
        }
        return true;
    }

    /// @dev What the quorum's vote means. Reverts unless that is the vote given, two zeros if there is no quorum.
    /// @param contested the digest that the provider committed to
    function _verdict(SeatSlot winner, bytes32 digest, bytes32 keyed, bytes32 contested)
        private
        pure
        returns (IMarket.Verdict)
    {
        if (winner.state() == IMarket.Seat.None) {
            if (digest != 0 || keyed != 0) revert IMarket.WrongVerdict(digest);
            return IMarket.Verdict.Inconclusive;
        }
        if (!winner.equals(SeatSlots.revealed(_voteOf(digest, keyed)))) revert IMarket.WrongVerdict(digest);
        // Without the input nobody can say that the provider was wrong.
        return
            digest == 0 || digest == contested ? IMarket.Verdict.ProviderRight : IMarket.Verdict.ProviderWrong;
    }

    /// @dev Pays, releases or slashes each juror.
    /// @return fees what they were paid
    function _closeSeats(
        IMarket.Job calldata job,
        Case memory c,
        uint32[] calldata panel,
        SeatSlot[] memory seats
    ) private returns (uint96 fees) {
        uint96 fee = JobRules.amountOf(job.price.juryFee);
        uint96 bond = JobRules.jurorBondOf(job.price, c.lease.count());
        for (uint256 i = 0; i < seats.length; ++i) {
            IMarket.SeatEnd end = _endOf(c, seats[i]);
            uint96 paid = 0;
            uint96 lost = 0;
            if (end == IMarket.SeatEnd.Paid) {
                paid = fee;
                fees += fee;
                _earn(panel[i], fee, bond);
            } else if (end == IMarket.SeatEnd.Released) {
                _unlock(panel[i], bond);
            } else {
                lost = bond;
                _slash(panel[i], bond, bond, true);
                _burn(bond);
            }
            emit IMarket.SeatClosed(c.jobId, c.first, panel[i], c.lease.challenges(), end, paid, lost);
        }
    }

    /// @dev How a juror's seat ends.
    function _endOf(Case memory c, SeatSlot seat) private pure returns (IMarket.SeatEnd) {
        if (seat.state() == IMarket.Seat.Revealed) {
            bool heard = c.verdict == IMarket.Verdict.Inconclusive || seat.equals(c.winner);
            return heard ? IMarket.SeatEnd.Paid : IMarket.SeatEnd.Outvoted;
        }
        // A vote that could not be revealed is nobody's fault.
        bool kept = seat.state() == IMarket.Seat.Committed && !c.opened;
        return kept ? IMarket.SeatEnd.Released : IMarket.SeatEnd.Silent;
    }

    /// @dev The provider was wrong: its bond pays the jury and a challenger that knew the right answer; the rest is
    /// burned, and so is the deposit of a challenger that did not know it.
    function _convict(IMarket.Job calldata job, Case memory c, bytes32 digest, uint96 fees) private {
        Dispute storage dispute = _disputes[c.jobId][c.first];
        address challenger = dispute.challenger;
        uint96 deposit = dispute.deposit;
        bool answered = dispute.answered && dispute.answer == digest;
        uint96 bond = _lose(job, c.jobId, c.first, c.lease, IMarket.Reason.LostJury);

        uint96 reward = 0;
        uint96 returned = 0;
        if (answered && job.terms.providers == 0) {
            reward = JobRules.amountOf(JobRules.JURY * job.price.juryFee);
            returned = deposit;
        } else if (answered) {
            // On a private list the challenger may be all three jurors as well: they are paid from the deposit, and
            // all of the bond is burned.
            returned = deposit - fees;
        }
        uint96 burned = bond + deposit - fees - reward - returned;
        _close(c, challenger, digest, reward, returned, burned);
    }

    /// @dev The result stands: the deposit pays the jury; the rest is burned if it was found right, and returns
    /// if nothing was found. The window begins anew.
    function _acquit(Case memory c, bytes32 digest, uint96 fees) private {
        Dispute storage dispute = _disputes[c.jobId][c.first];
        uint96 left = dispute.deposit - fees;
        _leases[c.jobId][c.first] = c.lease.to(IMarket.Phase.Submitted).windowFrom(block.timestamp);
        if (c.verdict == IMarket.Verdict.Inconclusive) {
            _close(c, dispute.challenger, digest, 0, left, 0);
        } else {
            _close(c, dispute.challenger, digest, 0, 0, left);
        }
    }

    /// @dev Pays the challenger, burns the rest.
    function _close(
        Case memory c,
        address challenger,
        bytes32 digest,
        uint96 reward,
        uint96 returned,
        uint96 burned
    ) private {
        _credit(challenger, uint256(reward) + returned);
        _burn(burned);
        emit IMarket.Judged(
            c.jobId, c.first, c.lease.challenges(), c.verdict, digest, reward, returned, burned
        );
    }
}
