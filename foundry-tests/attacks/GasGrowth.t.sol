// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {Merkle} from "../helpers/Merkle.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Making a call too dear to be made. (Arrays that anyone may lengthen and everyone must walk are the oldest denial of
/// service.) Each call is a transaction of its own here, calldata and the first 21,000 included.
/// forge-config: default.isolate = true
/// forge-config: deep.isolate = true
/// forge-config: plain.isolate = true
contract GasGrowthAttack is AttackBase {
    /// What a transaction may take at most (EIP-7825).
    uint256 private constant TRANSACTION = 16_777_216;
    /// Bytes of calldata that are zero in the one call and not in the other.
    uint256 private constant CALLDATA = 600;
    /// A step more of a search in a history: one cold slot.
    uint256 private constant STEP = 2600;

    function _gas() private view returns (uint256) {
        return vm.lastCallGas().gasTotalUsed;
    }

    function _same(uint256 small, uint256 big, string memory what) private pure {
        assertApproxEqAbs(big, small, CALLDATA, what);
    }

    function _job(uint32 tasks, uint32 size, uint64 nonce) private view returns (IMarket.Job memory made) {
        made = oneAudited();
        made.terms.nonce = nonce;
        made.terms.tasks = tasks;
        (made.terms.minLease, made.terms.maxLease) = (1, size);
        made.price = IMarket.Price({minPrice: 1000, maxPrice: 1000, bond: 10, juryFee: 100});
    }

    /// Gas of each act of an ordinary lease of this size.
    function _lease(uint32 tasks, uint32 size, uint64 nonce) private returns (uint256[8] memory used) {
        start(_job(tasks, size, nonce));
        used[0] = _gas();
        claim(job, alice, size);
        used[1] = _gas();
        vm.warp(time() + job.timing.runWindow + 1);
        market.expire(job, 0);
        used[2] = _gas();
        vm.prank(bob);
        market.takeover(job, bob, 0);
        used[3] = _gas();
        submit(job, bob, 0);
        used[4] = _gas();
        vm.warp(time() + job.timing.auditWindow + 1);
        finalize(job, 0);
        used[5] = _gas();
        vm.prank(client);
        market.cancel(job);
        used[6] = _gas();
        close(job, size);
        used[7] = _gas();
    }

    /// A lease of 2,048 tasks of a job of 4 billion is as cheap as one of 1 of 3.
    function test_sizeOfJobAndLease() public {
        _lease(3, 1, 1); // warms up what only the first one pays
        uint256[8] memory small = _lease(3, 1, 2);
        uint256[8] memory big = _lease(4_000_000_000, 2048, 3);
        string[8] memory names =
            ["post", "claim", "expire", "takeover", "submit", "finalize", "cancel", "close"];
        // The slash of the job before made the history of all stake one longer, in which `post` searches.
        assertApproxEqAbs(big[0], small[0], CALLDATA + STEP, names[0]);
        for (uint256 i = 1; i < 8; ++i) {
            _same(small[i], big[i], names[i]);
        }
    }

    /// Gas of the acts of a redundant lease and of a jury.
    function _drawn(uint64 nonce, uint32 size) private returns (uint256[7] memory used) {
        IMarket.Job memory made = oneRedundant(3, 2);
        made.terms.nonce = nonce;
        made.terms.tasks = made.terms.minLease = made.terms.maxLease = size;
        made.price = IMarket.Price({minPrice: 1000, maxPrice: 1000, bond: 1, juryFee: 0});
        startDrawn(made);
        join(alice);
        used[0] = _gas();
        commit(alice, ROOT);
        used[1] = _gas();
        commit(bob, ROOT);
        commit(crew[0], ROOT);
        settle(seats(rooted(alice, ROOT)));
        used[2] = _gas();
        settle(seats(rooted(alice, ROOT), rooted(bob, ROOT), rooted(crew[0], ROOT)));
        used[3] = _gas();

        start(_job(8, 4, nonce + 100));
        submitted(alice, RIGHT);
        toss(true);
        joinJury(1, crew[0]);
        used[4] = _gas();
        crewVotes(1, RIGHT, RIGHT, RIGHT);
        used[5] = _gas();
        judge(1, crewOpens(RIGHT, RIGHT, RIGHT));
        used[6] = _gas();
    }

    /// Draws cost the same among 8 providers and among 60, and for a lease of 4 and of 4 billion: a step or two in the history of all
    /// stake.
    function test_numberOfProviders() public {
        _drawn(1, 4);
        uint256[7] memory few = _drawn(2, 4);
        for (uint256 i; i < 52; ++i) {
            stakeOf(makeAddr(string.concat("one more", vm.toString(i))), 1000);
        }
        uint256[7] memory many = _drawn(3, 4_000_000_000);
        string[7] memory names =
            ["join", "commit", "settle a part", "settle", "joinJury", "commitVote", "judge"];
        for (uint256 i; i < 7; ++i) {
            assertApproxEqAbs(few[i], many[i], CALLDATA + 2 * STEP, names[i]);
        }
    }

    /// Whoever changes its stake often makes nobody's draw dear: a history is searched, not walked.
    function test_numberOfStakeChanges() public {
        uint256[7] memory few = _drawn(1, 4);
        few = _drawn(2, 4);
        for (uint256 i; i < 300; ++i) {
            vm.warp(time() + 1);
            stakeOf(mallory, 1);
        }
        vm.warp(time() + 1 days + 1);
        uint256[7] memory many = _drawn(3, 4);
        // Of 300 entries it takes nine steps.
        assertLt(many[0], few[0] + 9 * STEP, "join");
        assertLt(many[4], few[4] + 9 * STEP, "joinJury");
    }

    /// The fiftieth round costs what the third did.
    function test_numberOfRounds() public {
        IMarket.Job memory made = _job(4, 4, 1);
        made.timing.closesAt = time() + 1_000_000;
        start(made);
        claim(job, alice, 4);
        uint256 third;
        for (uint256 i = 1; i < 50; ++i) {
            vm.warp(time() + job.timing.runWindow + 1);
            address who = i % 2 == 0 ? alice : bob;
            vm.prank(who);
            market.takeover(job, who, 0);
            if (i == 3) third = _gas();
        }
        _same(third, _gas(), "takeover");
    }

    /// The most seats that there are: one call settles a lease of 15, for a tenth of a transaction.
    function test_fifteenSeats() public {
        address[] memory who = new address[](15);
        for (uint256 i; i < 15; ++i) {
            who[i] = makeAddr(string.concat("seat", vm.toString(i)));
            stakeOf(who[i], STAKE);
            people.push(who[i]);
        }
        vm.warp(time() + 1 days + 1);
        startDrawn(oneRedundant(15, 8));
        IMarket.Opening[] memory all = new IMarket.Opening[](15);
        for (uint256 i; i < 15; ++i) {
            bytes32 root = i < 7 ? LIE : ROOT;
            commit(who[i], root);
            all[i] = rooted(who[i], root);
        }
        settle(all);
        assertLt(_gas(), TRANSACTION / 10);
        assertGrade(jobId, 0, IMarket.Grade.Quorum);
        for (uint256 i; i < 15; ++i) {
            assertGain(who[i], i < 7 ? minus(BOND) : plus(PRICE - CUT));
        }
        assertGain(client, minus(15 * PRICE));
    }

    /// The longest path that anyone must bring: one leaf of the largest lease costs eleven hashes.
    function test_judgeTheLargestLease() public {
        start(_job(2048, 2048, 1));
        claim(job, alice, 2048);
        digests = Merkle.someDigests(1, 2048);
        submit(job, alice, 0, Merkle.root(0, digests));
        toss(true);
        uint64 point = market.leaseOf(jobId, 0).point;
        bytes32 found = digests[auditedTask(beacon.seed(point), jobId, 0, 1, 2048)];
        crewJudges(1, found, found, found);
        assertLt(_gas(), 300_000);
        assertGrade(jobId, 0, IMarket.Grade.Audited);
    }

    /// A list costs its caller for each entry, and nobody must bring a long one.
    function test_listsOfLeases() public {
        start(_job(101, 1, 1));
        for (uint32 first; first < 101; ++first) {
            claim(job, alice, 1);
            vm.prank(alice);
            market.leave(job, first, 1, alice);
        }
        vm.prank(client);
        market.cancel(job);
        close(job, 0);
        uint256 one = _gas();
        uint32[] memory firsts = new uint32[](100);
        for (uint32 i; i < 100; ++i) {
            firsts[i] = 1 + i;
        }
        market.close(job, firsts);
        assertLt(_gas(), one + 99 * 30_000);
        assertGain(client, 0);
    }
}
