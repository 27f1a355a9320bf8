// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "../helpers/Base.sol";
import {IMarket} from "piecework/IMarket.sol";
import {JobRules} from "piecework/JobRules.sol";

/// How many tasks a claim takes. `m` is `minLease`, `M` is `maxLease`, `R` tasks are left, `k` are wanted at most.
///
/// For all that `post` lets through (`1 <= m <= tasks`, `M >= min(tasks, 2m - 1)`): a lease has `m` to `min(M, R)` tasks, and leaves 0 or at
/// least `m`. So there is no dead end: whoever takes part, the last task can be claimed.
contract ClaimFuzzTest is Base {
    uint32 private constant MOST_TASKS = 20;

    /// The rule of docs/PROTOCOL.md ("Claiming"), written apart from `JobRules.clamp`.
    function _rule(uint256 left, uint256 m, uint256 most, uint256 wanted) private pure returns (uint256) {
        uint256 c = wanted;
        if (c > most) c = most;
        if (c > left) c = left;
        if (c < m) c = m;
        bool stranded = c < left && left - c < m;
        if (!stranded) return c;
        return left >= 2 * m ? left - m : left;
    }

    /// Every job of up to 20 tasks, every number that can be left of it, every claim.
    function test_clamp_bruteForce_hasNoDeadEnd() public pure {
        uint256 transitions;
        for (uint32 tasks = 1; tasks <= MOST_TASKS; ++tasks) {
            for (uint32 m = 1; m <= tasks; ++m) {
                uint32 lowest = 2 * m - 1 < tasks ? 2 * m - 1 : tasks;
                for (uint32 most = lowest; most <= tasks + 2; ++most) {
                    transitions += _walk(tasks, m, most);
                }
            }
        }
        assertGt(transitions, 100_000);
    }

    /// From all that can be left of a job on: bit `R` of `reached` says that `R` tasks can be left.
    function _walk(uint32 tasks, uint32 m, uint32 most) private pure returns (uint256 transitions) {
        uint256 reached = 2 ** tasks;
        for (uint32 left = tasks; left > 0; --left) {
            if (reached >> left & 1 == 0) continue;
            for (uint32 wanted = 0; wanted <= most + 1; ++wanted) {
                uint32 count = JobRules.clamp(left, m, most, wanted);
                bool fits = count >= m && count <= most && count <= left;
                uint32 rest = left - count;
                if (!fits || (rest != 0 && rest < m) || count != _rule(left, m, most, wanted)) {
                    revert("a lease or a rest that does not fit");
                }
                reached |= 2 ** rest;
                ++transitions;
            }
        }
        if (reached & 1 == 0) revert("a dead end");
    }

    /// The same for numbers of 32 bits, where `left` is any that can be left.
    function testFuzz_clamp_anyNumbers_fit(uint32 left, uint32 m, uint32 most, uint32 wanted) public pure {
        m = uint32(bound(m, 1, 1024));
        most = uint32(bound(most, 2 * m - 1, 2048));
        left = uint32(bound(left, m, type(uint32).max));
        uint32 count = JobRules.clamp(left, m, most, wanted);
        assertEq(count, _rule(left, m, most, wanted));
        assertGe(count, m);
        assertLe(count, most);
        assertLe(count, left);
        uint32 rest = left - count;
        assertTrue(rest == 0 || rest >= m);
    }

    /// A whole job through the market: any claims, until nothing is left; each takes the next tasks, within `[least, most]` or not at all.
    function testFuzz_claim_wholeJob_comesToItsEnd(uint32 tasks, uint32 m, uint32 max, uint256 random)
        public
    {
        tasks = uint32(bound(tasks, 1, 60));
        m = uint32(bound(m, 1, tasks));
        uint32 lowest = 2 * m - 1 < tasks ? 2 * m - 1 : tasks;
        IMarket.Job memory job = aJob();
        (job.terms.tasks, job.terms.minLease) = (tasks, m);
        job.terms.maxLease = uint32(bound(max, lowest, tasks + 2));
        bytes32 jobId = post(job);
        uint32 next;
        uint256 leases;
        while (next != tasks) {
            random = uint256(keccak256(abi.encode(random)));
            // forge-lint: disable-next-line(unsafe-typecast)
            (uint32 least, uint32 most) = (uint32(random % 64), uint32((random >> 64) % 64));
            uint256 count = _rule(tasks - next, m, job.terms.maxLease, most);
            address provider = random % 2 == 0 ? alice : bob;
            if (count < least || count > most) {
                vm.expectRevert(abi.encodeWithSelector(IMarket.LeaseDoesNotFit.selector, count, least, most));
                vm.prank(provider);
                market.claim(job, provider, least, most);
                (least, most) = (0, type(uint32).max); // someone who takes whatever fits
                count = _rule(tasks - next, m, job.terms.maxLease, most);
            }
            vm.prank(provider);
            (uint32 first, uint32 taken) = market.claim(job, provider, least, most);
            assertEq(first, next);
            assertEq(taken, count);
            assertGe(taken, m);
            assertLe(taken, job.terms.maxLease);
            assertEq(market.leaseOf(jobId, first).count, taken);
            next += taken;
            ++leases;
            assertEq(market.jobOf(jobId).next, next);
        }
        assertLe(leases, tasks / m);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NothingLeft.selector, jobId));
        claim(job, alice, m);
    }
}
