// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IBeacon} from "./IBeacon.sol";
import {IMarket} from "./IMarket.sol";
import {JobHash} from "./JobHash.sol";
import {JobRules} from "./JobRules.sol";
import {Ledger} from "./Ledger.sol";
import {AuditSlot, JobSlot, LeaseSlot, LeaseSlots} from "./Slots.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

/// @title Jobs and leases on record: their ids, the checks that acts on them share, and how the beacon is asked
/// @notice A job is its EIP-712 hash; callers bring the job itself as calldata. So no field of it can change
/// after `post`, and a job that was not posted, every field as it is, is unknown.
abstract contract Records is Ledger {
    /// @dev Gas that the beacon gets where a call must go on without it: ten times what an answer takes.
    uint256 internal constant BEACON_GAS = 200_000;

    /// @dev The EIP-712 domain separator of the market, as it was deployed: a chain that changes its id still
    /// knows the jobs posted before. Signatures do check the id (`Signatures`).
    bytes32 internal immutable _DOMAIN;
    uint256 internal immutable _CHAIN_ID;

    /// @dev Where seeds come from (`IBeacon`).
    address internal immutable _BEACON;

    /// @dev The market's times (`IMarket.Times`), in seconds, and whether they may be shorter than is sane.
    uint64 internal immutable _STAKE_AGE;
    uint64 internal immutable _LEASE_STEP;
    uint64 internal immutable _JURY_STEP;
    uint64 internal immutable _JURY_TIME;
    uint64 internal immutable _REVEAL_WINDOW;
    uint64 internal immutable _RESPOND_WINDOW;
    uint64 internal immutable _RETRY_WINDOW;
    uint64 internal immutable _LEAST_AUDIT_WINDOW;
    uint64 internal immutable _LEAST_RUN_WINDOW;
    bool internal immutable _DEVNET;

    constructor(bytes32 domain, address beacon_, IMarket.Times memory times_, bool devnet) {
        if (beacon_ == address(0)) revert IMarket.ZeroAddress();
        _DOMAIN = domain;
        _CHAIN_ID = block.chainid;
        _BEACON = beacon_;
        _DEVNET = devnet;
        _STAKE_AGE = JobRules.checkWindow(times_.stakeAge, devnet ? 0 : 1 days);
        _LEASE_STEP = JobRules.checkWindow(times_.leaseStep, devnet ? 1 : 60);
        _JURY_STEP = JobRules.checkWindow(times_.juryStep, devnet ? 1 : 5 minutes);
        _JURY_TIME = JobRules.checkWindow(times_.juryTime, devnet ? 1 : 30 minutes);
        _REVEAL_WINDOW = JobRules.checkWindow(times_.revealWindow, devnet ? 1 : 1 hours);
        _RESPOND_WINDOW = JobRules.checkWindow(times_.respondWindow, devnet ? 1 : 6 hours);
        _RETRY_WINDOW = JobRules.checkWindow(times_.retryWindow, devnet ? 1 : 6 hours);
        _LEAST_AUDIT_WINDOW = JobRules.checkWindow(times_.leastAuditWindow, devnet ? 1 : 1 hours);
        _LEAST_RUN_WINDOW = JobRules.checkWindow(times_.leastRunWindow, devnet ? 1 : 60);
    }

    // ------------------------------------------------------------------ jobs

    /// @dev The job's id: its EIP-712 hash in this market's domain.
    function _idOf(IMarket.Job calldata job) internal view returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(_DOMAIN, JobHash.hash(job));
    }

    /// @dev The id of a job with one replica.
    function _ordinary(IMarket.Job calldata job) internal view returns (bytes32 jobId) {
        jobId = _idOf(job);
        if (job.assurance.replicas != 1) revert IMarket.WrongMode(jobId, job.assurance.replicas);
    }

    /// @dev The record of a job that was posted.
    function _known(bytes32 jobId) internal view returns (JobSlot record) {
        record = _jobs[jobId];
        if (record.status() == IMarket.JobStatus.None) revert IMarket.JobUnknown(jobId);
    }

    /// @dev The record of a job that takes new rounds now.
    function _open(IMarket.Job calldata job, bytes32 jobId) internal view returns (JobSlot record) {
        record = _known(jobId);
        if (record.status() == IMarket.JobStatus.Cancelled) revert IMarket.JobIsCancelled(jobId);
        _requireFrom(job.timing.opensAt);
        _requireInTime(job.timing.closesAt);
    }

    /// @dev Gives up the tasks that no lease holds, or whose leases have not opened.
    /// @return refunded what the client is still to be credited with
    function _refundUnclaimed(IMarket.Job calldata job, bytes32 jobId) internal returns (uint96 refunded) {
        JobSlot record = _jobs[jobId];
        uint32 first = record.next();
        uint32 count = job.terms.tasks - first;
        _jobs[jobId] = record.withNext(job.terms.tasks);
        refunded = JobRules.escrowOf(job, count);
        emit IMarket.Refunded(jobId, first, count, refunded);
    }

    /// @dev Reverts unless the job takes this provider.
    function _requireAdmitted(IMarket.Job calldata job, uint32 number, address provider) internal view {
        bytes32 list = job.terms.providers;
        if (list != 0 && !_admitted[list][number]) revert IMarket.NotAdmitted(list, provider);
    }

    // ------------------------------------------------------------------ leases

    /// @dev Reverts unless the lease is in `phase`.
    function _requirePhase(IMarket.Phase phase, bytes32 jobId, uint32 first, LeaseSlot lease) internal view {
        if (lease.phase() != phase) {
            _known(jobId); // the clearer error, if it is that
            revert IMarket.WrongPhase(jobId, first, lease.phase());
        }
    }

    /// @dev Reverts unless the act is for the lease's present round.
    function _requireRound(bytes32 jobId, uint32 first, LeaseSlot lease, uint16 round) internal pure {
        if (lease.round() != round) revert IMarket.WrongRound(jobId, first, lease.round(), 0);
    }

    /// @dev A lease of a redundant job; its phase is None if it has not opened. The first one is open from `post` on, and is
    /// written with its first seat.
    function _openedLease(IMarket.Job calldata job, bytes32 jobId, uint32 first)
        internal
        view
        returns (LeaseSlot lease)
    {
        lease = _leases[jobId][first];
        if (first != 0 || lease.phase() != IMarket.Phase.None) return lease;
        JobSlot record = _known(jobId);
        return LeaseSlots.opened(job.terms.maxLease, record.feeBps(), record.postedAt(), record.point());
    }

    /// @dev A running ordinary lease, which `provider` holds in `round`; the caller may act for it.
    function _held(IMarket.Job calldata job, uint32 first, uint16 round, address provider)
        internal
        view
        returns (bytes32 jobId, LeaseSlot lease)
    {
        uint32 number = _authorize(provider);
        jobId = _ordinary(job);
        lease = _leases[jobId][first];
        _requirePhase(IMarket.Phase.Running, jobId, first, lease);
        _requireRound(jobId, first, lease, round);
        if (lease.provider() != number || number == 0) revert IMarket.NotHolder(jobId, first, provider);
    }

    /// @dev Begins a round of a lease: locks its bond.
    function _begin(IMarket.Job calldata job, bytes32 jobId, uint32 first, LeaseSlot lease, address provider)
        internal
    {
        _leases[jobId][first] = lease;
        _requireAdmitted(job, lease.provider(), provider);
        uint96 bond = JobRules.bondOf(job.price, lease.count());
        _lockForLease(lease.provider(), provider, bond, _stakes[lease.provider()].total);
        uint96 price = JobRules.priceAt(job.price, job.timing, lease.origin());
        emit IMarket.Claimed(jobId, first, provider, lease.count(), lease.round(), price);
    }

    /// @dev Settles an ordinary lease: pays its provider, returns its bond, and the rest of the escrow to the client.
    /// @param juryPay what jurors were paid out of the lease's escrow
    /// @param burned what of that escrow goes to nobody
    function _settle(
        IMarket.Job calldata job,
        bytes32 jobId,
        uint32 first,
        LeaseSlot lease,
        IMarket.Grade grade,
        uint96 juryPay,
        uint96 burned
    ) internal {
        uint32 count = lease.count();
        uint96 gross = JobRules.grossOf(job, lease.origin(), count);
        uint96 fee = JobRules.feeOf(gross, lease.feeBps());
        _reward(lease.provider(), gross - fee, JobRules.bondOf(job.price, count), true);
        _endSettled(job, jobId, first, lease.settled(grade), gross - fee, fee, burned, juryPay);
    }

    /// @dev Settles a lease on which no jury agreed. What was reserved for jurors burns a tenth of a bond for each vote that
    /// a jury without verdict opened; of two juries the one with more votes counts. Each vote lost as much at least: otherwise a client could burn jurors' bonds for nothing, with
    /// a spec on which honest machines differ.
    function _settleContested(
        IMarket.Job calldata job,
        bytes32 jobId,
        uint32 first,
        LeaseSlot lease,
        AuditSlot audit
    ) internal {
        uint96 burned = JobRules.amountOf(
            audit.undecided() * uint256(JobRules.tenthOf(JobRules.jurorBondOf(job.price)))
        );
        _settle(job, jobId, first, lease, IMarket.Grade.Contested, 0, burned);
    }

    /// @dev Keeps a settled lease whose providers were paid: what neither they nor jurors were paid, nor is burned, returns to
    /// the client.
    function _endSettled(
        IMarket.Job calldata job,
        bytes32 jobId,
        uint32 first,
        LeaseSlot lease,
        uint96 paid,
        uint96 fee,
        uint96 burned,
        uint96 juryPay
    ) internal {
        _leases[jobId][first] = lease;
        uint96 refunded = JobRules.escrowOf(job, lease.count()) - paid - fee - burned - juryPay;
        _creditFee(fee);
        _burn(burned);
        _credit(job.terms.client, refunded);
        emit IMarket.Settled(jobId, first, lease.grade(), paid, fee, burned, refunded);
    }

    /// @dev Ends a lease without a result: `burned` of its escrow goes to nobody, and what jurors were not paid returns to
    /// the client.
    function _endVoid(
        IMarket.Job calldata job,
        bytes32 jobId,
        uint32 first,
        LeaseSlot lease,
        uint96 burned,
        uint96 juryPay,
        uint96 slashed
    ) internal {
        _leases[jobId][first] = lease.to(IMarket.Phase.Void);
        uint96 refunded = JobRules.escrowOf(job, lease.count()) - burned - juryPay;
        _burn(burned);
        _credit(job.terms.client, refunded);
        emit IMarket.Voided(jobId, first, burned, refunded, slashed);
    }

    // ------------------------------------------------------------------ the beacon

    /// @dev A new point. Reverts if the beacon does, or has none: whoever could starve it of gas would store no point.
    function _newPoint() internal view returns (uint64 point) {
        point = IBeacon(_BEACON).point();
        if (point == 0) revert IMarket.SeedUnknown(0);
    }

    /// @dev The seed of a point, which must be known.
    function _seedOf(uint64 point) internal view returns (bytes32 seed) {
        if (point != 0) seed = IBeacon(_BEACON).seed(point);
        if (seed == 0) revert IMarket.SeedUnknown(point);
    }

    /// @dev The seed of a point; 0 if it is unknown, or the beacon fails.
    function _seedIfKnown(uint64 point) internal view returns (bytes32) {
        return point == 0 ? bytes32(0) : bytes32(_askBeacon(abi.encodeCall(IBeacon.seed, (point))));
    }

    /// @dev A new point; 0 if the beacon fails.
    function _newPointIfAny() internal view returns (uint64) {
        uint256 answer = _askBeacon(abi.encodeCall(IBeacon.point, ()));
        // forge-lint: disable-next-line(unsafe-typecast)
        return answer > type(uint64).max ? 0 : uint64(answer);
    }

    /// @dev The nominal time of a point; 0 if the beacon fails or names no time.
    function _timeIfKnown(uint64 point) internal view returns (uint40) {
        uint256 answer = _askBeacon(abi.encodeCall(IBeacon.timeOf, (point)));
        // forge-lint: disable-next-line(unsafe-typecast)
        return answer > type(uint40).max ? 0 : uint40(answer);
    }

    /// @dev One word of the beacon's answer; 0 if it fails. It gets all its gas or is not asked: a caller cannot make it
    /// run dry.
    function _askBeacon(bytes memory question) private view returns (uint256 answer) {
        _requireGas(BEACON_GAS);
        address beacon_ = _BEACON;
        uint256 allowance = BEACON_GAS;
        assembly ("memory-safe") {
            let success := staticcall(allowance, beacon_, add(question, 0x20), mload(question), 0, 0x20)
            if and(success, gt(returndatasize(), 0x1f)) { answer := mload(0) }
        }
    }

    /// @dev Reverts unless an inner call can get `allowance` gas: 1/64 stays here (EIP-150), the call itself costs 2,600.
    function _requireGas(uint256 allowance) internal view {
        uint256 needed = allowance * 64 / 63 + 5000;
        if (gasleft() < needed) revert IMarket.NotEnoughGas(needed);
    }

    // ------------------------------------------------------------------ time

    /// @dev Reverts before `notBefore`.
    function _requireFrom(uint64 notBefore) internal view {
        if (block.timestamp < notBefore) revert IMarket.TooEarly(notBefore, _now());
    }

    /// @dev Reverts unless `deadline` has passed.
    function _requireOver(uint64 deadline) internal view {
        if (block.timestamp <= deadline) revert IMarket.TooEarly(deadline + 1, _now());
    }

    /// @dev Reverts when `deadline` has passed.
    function _requireInTime(uint64 deadline) internal view {
        if (block.timestamp > deadline) revert IMarket.TooLate(deadline, _now());
    }
}
