// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// A client that would have the work and keep the money, and a governor that would have more of it. (Markets that looked at the
/// client's balance, its allowance or the fee when they paid, and not before, were left unpaid.)
contract ClientsAttack is AttackBase {
    function setUp() public override {
        super.setUp();
        start(auditedJob(5000));
    }

    /// What `count` tasks hold in escrow: two tokens each, and of three fees each second task a half.
    function _escrow(uint256 count) private pure returns (uint256) {
        return count * (2 * uint256(UNIT) + 3 * uint256(JURY_FEE) / 2);
    }

    /// Tries: the client withdraws what a running lease will cost, or cancels, closes or posts it away.
    /// Fails: it is in escrow from `post` on, and leases that run go to their end.
    /// Costs: gas.
    /// P-03, P-10
    function test_withdrawsUnderARunningLease() public {
        claim(job, alice, 4);
        vm.startPrank(client);
        market.withdraw(client, uint128(1000 * uint256(UNIT) - _escrow(10)));
        vm.expectRevert(abi.encodeWithSelector(IMarket.InsufficientBalance.selector, client, 0, 1));
        market.withdraw(client, 1);
        market.cancel(job);
        assertEq(market.balanceOf(client), _escrow(6), "six tasks that nobody held");
        market.close(job, list(0, 4));
        assertPhase(jobId, 0, IMarket.Phase.Running);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobIsCancelled.selector, jobId));
        market.cancel(job);
        vm.stopPrank();
        submit(job, alice, 0);
        close(job, 0);
        publish(market.leaseOf(jobId, 0).point, seedFor(job, 0, 1, false));
        finalize(job, 0);
        assertGain(alice, plus(4 * UNIT - 4 * UNIT * FEE / 10_000));
        assertGain(client, minus(4 * UNIT));
        assertBooks(0);
    }

    /// Tries: a settled lease is refunded, a refunded one settled, a task refunded twice, also in one call.
    /// Fails: ends are final, and lists skip what is not due.
    /// Costs: gas.
    /// P-04, P-19
    function test_refundedTwice() public {
        claim(job, alice, 4);
        vm.prank(alice);
        market.leave(job, 0, 1, alice);
        vm.warp(job.timing.closesAt + 1);
        vm.startPrank(client);
        market.close(job, list(0, 0));
        market.close(job, list(0, 4));
        market.close(job, list(4, 4));
        vm.stopPrank();
        finalize(job, 0);
        assertPhase(jobId, 0, IMarket.Phase.Refunded);
        assertGain(client, 0);
        assertBooks(0);
    }

    /// Tries: a call brings the job with one field changed. (Boundless did not compare a request's id with its digest, and
    /// charged whom the id named: boundless-xyz/boundless#436.)
    /// Fails: one changed field makes it another job, unknown.
    /// Costs: gas.
    /// P-16
    function test_oneFieldChanged() public {
        claim(job, alice, 4);
        submit(job, alice, 0);
        for (uint256 i; i < 21; ++i) {
            IMarket.Job memory other = job;
            if (i == 0) other.terms.client = mallory; // to be paid the refund
            if (i == 1) other.terms.nonce += 1;
            if (i == 2) other.terms.spec = LIE;
            if (i == 3) other.terms.tasks += 1;
            if (i == 4) other.terms.minLease -= 1;
            if (i == 5) other.terms.maxLease += 1;
            if (i == 6) other.terms.providers = LIE;
            if (i == 7) other.assurance.replicas += 2;
            if (i == 8) other.assurance.quorum += 1;
            if (i == 9) other.assurance.auditBps = 0; // not to be audited
            if (i == 10) other.assurance.refund = true;
            if (i == 11) other.assurance.verifier = mallory;
            if (i == 12) other.price.minPrice -= 1;
            if (i == 13) other.price.maxPrice += 1;
            if (i == 14) other.price.bond -= 1;
            if (i == 15) other.price.juryFee += 1;
            if (i == 16) other.timing.opensAt -= 1;
            if (i == 17) other.timing.ramp -= 1;
            if (i == 18) other.timing.closesAt += 1;
            if (i == 19) other.timing.runWindow += 1;
            if (i == 20) other.timing.auditWindow = 0; // to finalize at once
            bytes32 id = market.hashJob(other);
            bytes memory unknown = abi.encodeWithSelector(IMarket.JobUnknown.selector, id);
            vm.expectRevert(unknown);
            market.finalize(other, list(0));
            vm.expectRevert(unknown);
            market.close(other, list(0));
            vm.prank(other.terms.client);
            vm.expectRevert(unknown);
            market.cancel(other);
            other = job;
        }
        assertPhase(jobId, 0, IMarket.Phase.Submitted);
    }

    /// Tries: the fee is raised between work and payment.
    /// Fails: a job's fee is that of its `post`.
    /// Costs: gas.
    /// P-46
    function test_feeRaisedBeforePayment() public {
        claim(job, alice, 4);
        submit(job, alice, 0);
        vm.prank(governor);
        market.setFee(500, treasury);
        publish(market.leaseOf(jobId, 0).point, seedFor(job, 0, 1, false));
        finalize(job, 0);
        assertGain(treasury, plus(4 * UNIT * FEE / 10_000));
        assertGain(alice, plus(4 * UNIT - 4 * UNIT * FEE / 10_000));
        assertBooks(_escrow(6));
    }

    /// Tries: a new recipient takes what the old one earned.
    /// Fails: what was earned stays with whom it was earned for.
    /// Costs: gas.
    /// P-46
    function test_recipientChanged() public {
        claim(job, alice, 4);
        submit(job, alice, 0);
        publish(market.leaseOf(jobId, 0).point, seedFor(job, 0, 1, false));
        finalize(job, 0);
        uint256 earned = 4 * UNIT * FEE / 10_000;
        vm.prank(governor);
        market.setFee(FEE, mallory);
        assertGain(treasury, plus(earned));
        assertGain(mallory, 0);
        assertBooks(_escrow(6));
    }

    /// Tries: the same job is posted again, after it ended.
    /// Fails: its slot never returns to zero.
    /// Costs: gas.
    /// P-17
    function test_postedAgain() public {
        vm.startPrank(client);
        market.cancel(job);
        vm.expectRevert(abi.encodeWithSelector(IMarket.JobExists.selector, jobId));
        market.post(job, spec);
        vm.stopPrank();
    }

    /// Tries: somebody posts or cancels in the client's place, from its balance.
    /// Fails: only the client, or its signature.
    /// Costs: gas.
    /// P-18
    function test_inTheClientsPlace() public {
        IMarket.Job memory another = aJob();
        another.terms.nonce = 8;
        bytes memory refused = abi.encodeWithSelector(IMarket.NotClient.selector, client, mallory);
        vm.startPrank(mallory);
        vm.expectRevert(refused);
        market.cancel(job);
        vm.expectRevert(refused);
        market.post(another, spec);
        vm.stopPrank();
    }

    /// Tries: the client accepts a bribe from a liar to settle its lease before the jury comes.
    /// Fails: no call of the client settles a lease; what it can call changes nothing of a submitted one.
    /// Costs: gas.
    /// P-18, P-20
    function test_clientCannotSettle() public {
        claim(job, mallory, 4);
        submit(job, mallory, 0);
        publish(market.leaseOf(jobId, 0).point, seedFor(job, 0, 1, true));
        vm.startPrank(client);
        market.finalize(job, list(0));
        market.cancel(job);
        market.close(job, list(0));
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, mallory, client));
        market.leave(job, 0, 1, mallory);
        vm.stopPrank();
        assertPhase(jobId, 0, IMarket.Phase.Submitted);
    }
}
