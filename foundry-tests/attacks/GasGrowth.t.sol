// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {Merkle} from "../helpers/Merkle.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Making a call too dear to be made. (Arrays that anyone may lengthen and everyone must walk are the oldest denial of
/// service.) Each call is a transaction of its own here, calldata and the first 21,000 included.
/// forge-config: default.isolate = true
/// forge-config: deep.isolate = true
contract GasGrowthAttack is AttackBase {
    /// What a transaction may take at most (EIP-7825).
    uint256 private constant TRANSACTION = 16_777_216;
    /// Bytes of calldata that are zero in the one call and not in the other.
    uint256 private constant CALLDATA = 600;

    function _gas() private view returns (uint256) {
        return vm.lastCallGas().gasTotalUsed;
    }

    function _same(uint256 small, uint256 big, string memory what) private pure {
        assertApproxEqAbs(big, small, CALLDATA, what);
    }

    function _job(uint32 tasks, uint32 size, uint64 nonce) private view returns (IMarket.Job memory job) {
        job = aJob();
        job.terms.nonce = nonce;
        job.terms.tasks = tasks;
        job.terms.maxLease = size;
        job.price = IMarket.Price({minPrice: 1, maxPrice: 2, bond: 1, juryFee: 100});
    }

    /// Gas of each act of an optimistic lease of this size.
    function _lease(uint32 tasks, uint32 size, uint64 nonce) private returns (uint256[9] memory used) {
        IMarket.Job memory job = _job(tasks, size, nonce);
        post(job);
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
        vm.prank(eve);
        market.demand(job, 0);
        used[5] = _gas();
        vm.warp(time() + 6 hours + 1);
        market.forfeit(job, 0);
        used[6] = _gas();
        uint32[] memory firsts = new uint32[](1);
        vm.warp(job.timing.closesAt + 1);
        market.close(job, firsts);
        used[7] = _gas();
        firsts[0] = size;
        market.close(job, firsts);
        used[8] = _gas();
    }

    /// P-37: a lease of 2,048 tasks of a job of 4 billion is as cheap as one of 1 of 2.
    function test_P37_sizeOfJobAndLease() public {
        _lease(3, 1, 1); // warms up what only the first one pays
        uint256[9] memory small = _lease(3, 1, 2);
        uint256[9] memory big = _lease(4_000_000_000, 2048, 3);
        string[9] memory names =
            ["post", "claim", "expire", "takeover", "submit", "demand", "forfeit", "close", "close the rest"];
        for (uint256 i; i < 9; ++i) {
            _same(small[i], big[i], names[i]);
        }
    }

    /// Gas of the acts of a redundant lease and of a jury.
    function _drawn(uint64 nonce, uint32 size) private returns (uint256[8] memory used) {
        IMarket.Job memory job = aRedundantJob();
        job.terms.nonce = nonce;
        job.terms.tasks = size;
        job.terms.maxLease = size;
        job.price = IMarket.Price({minPrice: 1000, maxPrice: 2000, bond: 1, juryFee: 100});
        job.timing.opensAt = time();
        job.timing.closesAt = time() + 10_000;
        postSealed(job);
        vm.warp(time() + 600); // everyone is drawn
        join(job, 0, alice);
        used[0] = _gas();
        commit(job, 0, alice, ROOT);
        used[1] = _gas();
        commit(job, 0, bob, ROOT);
        commit(job, 0, crew[0], ROOT);
        reveal(job, 0, alice, ROOT);
        used[2] = _gas();
        reveal(job, 0, bob, ROOT);
        reveal(job, 0, crew[0], ROOT);
        market.settle(job, 0, ROOT, panelOf(alice, bob, crew[0]));
        used[3] = _gas();

        IMarket.Job memory plain = _job(8, 4, nonce);
        plain.timing.opensAt = time();
        plain.timing.closesAt = time() + 10_000;
        bytes32[] memory digests = Merkle.someDigests(1, 4);
        submitted(plain, digests);
        vm.roll(block.number + 3);
        challenge(plain, eve, digests, 2, RIGHT);
        used[4] = _gas();
        sealJury(plain);
        used[5] = _gas();
        crewVotes(plain, RIGHT);
        used[6] = _gas();
        revealAnswer(plain, eve, RIGHT);
        judge(plain, RIGHT);
        used[7] = _gas();
    }

    /// P-37: draws cost the same among 8 providers and among 60, and for a lease of 4 and of 4 billion.
    function test_P37_numberOfProviders() public {
        _drawn(1, 4);
        uint256[8] memory few = _drawn(2, 4);
        for (uint256 i; i < 52; ++i) {
            stakeOf(makeAddr(string.concat("one more", vm.toString(i))), 1000);
        }
        uint256[8] memory many = _drawn(3, 4_000_000_000);
        string[8] memory names = ["join", "commit", "reveal", "settle", "challenge", "seal", "vote", "judge"];
        for (uint256 i; i < 8; ++i) {
            _same(few[i], many[i], names[i]);
        }
    }

    /// P-37: the fiftieth round costs what the third did: no history is walked.
    function test_P37_numberOfRounds() public {
        IMarket.Job memory job = _job(4, 4, 1);
        job.timing.closesAt = time() + 1_000_000;
        post(job);
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

    /// P-37 P-07: the most seats that there are: the last reveal settles the lease of 15 for what fits a block 20 times.
    function test_P37_fifteenSeats() public {
        IMarket.Job memory job = aRedundantJob();
        job.terms.replicas = 15;
        job.terms.quorum = 8;
        address[] memory who = new address[](15);
        for (uint256 i; i < 15; ++i) {
            who[i] = makeAddr(string.concat("seat", vm.toString(i)));
            stakeOf(who[i], STAKE);
        }
        vm.warp(time() + 1 days + 1);
        job.timing.opensAt = time();
        job.timing.closesAt = time() + 10_000;
        bytes32 id = postSealed(job);
        for (uint256 i; i < 15; ++i) {
            commit(job, 0, who[i], i < 7 ? LIE : ROOT);
        }
        for (uint256 i; i < 14; ++i) {
            reveal(job, 0, who[i], i < 7 ? LIE : ROOT);
        }
        uint32[] memory panel = panelOf(who);
        vm.prank(who[14]);
        market.reveal(job, 0, who[14], ROOT, MANIFEST, SALT, panel);
        assertLt(_gas(), TRANSACTION / 20);
        assertPhase(id, 0, IMarket.Phase.Settled);
        for (uint256 i; i < 15; ++i) {
            assertEq(market.providerOf(who[i]).stake, i < 7 ? STAKE - 4 * UNIT : STAKE);
        }
    }

    /// P-37 P-31: the longest list that anyone must bring: all digests of the largest lease, in one transaction.
    function test_P37_respondTheLargestLease() public {
        IMarket.Job memory job = _job(2048, 2048, 1);
        bytes32[] memory digests = Merkle.someDigests(1, 2048);
        bytes32 id = post(job);
        claim(job, alice, 2048);
        bytes32 root = Merkle.root(0, digests);
        vm.prank(alice);
        market.submit(job, 0, alice, root, MANIFEST);
        vm.prank(eve);
        market.demand(job, 0);
        vm.prank(alice);
        market.respond(job, 0, alice, digests);
        assertLt(_gas(), TRANSACTION / 2);
        assertPhase(id, 0, IMarket.Phase.Submitted);
        // And one leaf of it is challenged for the price of eleven hashes.
        challenge(job, eve, digests, 2047, RIGHT);
        assertLt(_gas(), 300_000);
    }

    /// P-37: a client that refunds many leases chooses how many it names: each costs the same, none must be named with it.
    function test_P37_closeOneByOne() public {
        IMarket.Job memory job = aRedundantJob();
        job.terms.tasks = 4_000_000_000;
        job.price = IMarket.Price({minPrice: 0, maxPrice: 1, bond: 0, juryFee: 0});
        post(job);
        vm.prank(client);
        market.cancel(job);
        uint32[] memory firsts = new uint32[](1);
        market.close(job, firsts);
        firsts[0] = 4;
        market.close(job, firsts);
        uint256 one = _gas();
        firsts = new uint32[](101);
        for (uint32 i; i < 101; ++i) {
            firsts[i] = 8 + 4 * i;
        }
        market.close(job, firsts);
        assertLt(_gas(), one + 100 * 30_000);
    }
}
