// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "./Base.sol";
import {Merkle} from "./Merkle.sol";
import {IMarket} from "piecework/IMarket.sol";

/// A market with victims (the client, alice, bob, five providers more), and attackers: mallory, a provider
/// with stake like the others', and eve, who has money but never staked. All stakes are old enough to be drawn.
abstract contract AttackBase is Base {
    uint128 internal constant STAKE = 100 * UNIT;
    uint128 internal constant JURY_FEE = UNIT / 10;
    bytes32 internal constant SALT = keccak256("salt");
    bytes32 internal constant LIE = keccak256("lie");
    bytes32 internal constant RIGHT = keccak256("right");
    uint32[] internal none;

    address internal mallory = makeAddr("mallory");
    address internal eve = makeAddr("eve");
    address[5] internal crew;
    /// Everyone that has anything in the market; a test adds its own.
    address[] internal people;
    uint256 internal clientKey;

    function setUp() public virtual override {
        super.setUp();
        (, clientKey) = makeAddrAndKey("client");
        stakeOf(mallory, STAKE);
        for (uint256 i; i < 5; ++i) {
            crew[i] = makeAddr(string.concat("crew", vm.toString(i)));
            stakeOf(crew[i], STAKE);
            people.push(crew[i]);
        }
        fund(eve, 100 * UNIT);
        fund(mallory, 100 * UNIT);
        address[7] memory others = [client, alice, bob, mallory, eve, treasury, anyone];
        for (uint256 i; i < 7; ++i) {
            people.push(others[i]);
        }
        vm.warp(time() + 1 days + 1);
        vm.roll(1000);
    }

    // ------------------------------------------------------------------ what somebody has

    /// All that is `who`'s: tokens, ledger and earnings, stake.
    function worth(address who) internal view returns (uint256) {
        return token.balanceOf(who) + market.balanceOf(who) + market.providerOf(who).stake;
    }

    /// Every token in the market is somebody's, burned, or `held` (escrow and deposits).
    function assertBooks(uint256 held) internal view {
        uint256 sum = held + market.burned();
        uint256 stakes;
        for (uint256 i; i < people.length; ++i) {
            sum += market.balanceOf(people[i]);
            stakes += market.providerOf(people[i]).stake;
        }
        assertEq(stakes, market.totalStake(), "stakes");
        assertEq(sum + stakes, token.balanceOf(address(market)), "books");
    }

    /// Nothing of the provider's stake is locked, and it lost none.
    function assertUnharmed(address provider) internal view {
        IMarket.ProviderState memory p = market.providerOf(provider);
        assertEq(p.stake, STAKE, "stake");
        assertEq(p.free, STAKE, "free");
        assertEq(p.slashed, 0, "slashed");
        assertEq(p.late, 0, "late");
    }

    /// The error that a call failed with.
    function errorOf(bytes memory why) internal pure returns (bytes4 selector) {
        assembly ("memory-safe") {
            selector := mload(add(why, 32))
        }
    }

    // ------------------------------------------------------------------ redundant jobs

    /// A job of one lease of 4 tasks, 3 seats, 2 equal roots.
    function aRedundantJob() internal view returns (IMarket.Job memory job) {
        job = aJob();
        job.terms.tasks = 4;
        job.terms.replicas = 3;
        job.terms.quorum = 2;
    }

    /// Posts and seals it; then waits until everyone with stake is drawn for its first lease.
    function postSealed(IMarket.Job memory job) internal returns (bytes32 jobId) {
        jobId = post(job);
        sealJob(job);
        vm.warp(time() + 60);
    }

    function sealJob(IMarket.Job memory job) internal {
        uint256 posted = market.jobOf(market.hashJob(job)).postedBlock;
        vm.roll(posted + 3);
        vm.setBlockhash(posted + 1, keccak256(abi.encode("block", posted + 1)));
        market.seal(job);
    }

    function join(IMarket.Job memory job, uint32 first, address who) internal {
        uint16 round = roundNow(job, first);
        vm.prank(who);
        market.join(job, first, round, who);
    }

    /// The round that takes seats: the one that runs, or the next one.
    function roundNow(IMarket.Job memory job, uint32 first) internal view returns (uint16) {
        IMarket.LeaseState memory lease = market.leaseOf(market.hashJob(job), first);
        return lease.phase == IMarket.Phase.Running ? lease.round : lease.round + 1;
    }

    function commitmentFor(IMarket.Job memory job, uint32 first, address who, bytes32 root)
        internal
        view
        returns (bytes32)
    {
        return market.commitmentOf(market.hashJob(job), first, roundNow(job, first), 0, who, root, SALT);
    }

    function commit(IMarket.Job memory job, uint32 first, address who, bytes32 root) internal {
        bytes32 commitment = commitmentFor(job, first, who, root);
        uint16 round = roundNow(job, first);
        vm.prank(who);
        market.commit(job, first, round, who, commitment);
    }

    function reveal(IMarket.Job memory job, uint32 first, address who, bytes32 root) internal {
        vm.prank(who);
        market.reveal(job, first, who, root, MANIFEST, SALT, none);
    }

    /// The numbers of three providers, ascending.
    function panelOf(address a, address b, address c) internal view returns (uint32[] memory list) {
        address[] memory who = new address[](3);
        (who[0], who[1], who[2]) = (a, b, c);
        return panelOf(who);
    }

    function panelOf(address a, address b) internal view returns (uint32[] memory list) {
        address[] memory who = new address[](2);
        (who[0], who[1]) = (a, b);
        return panelOf(who);
    }

    function panelOf(address[] memory who) internal view returns (uint32[] memory list) {
        list = new uint32[](who.length);
        for (uint256 i; i < who.length; ++i) {
            uint32 number = market.providerOf(who[i]).number;
            uint256 at = i;
            while (at != 0 && list[at - 1] > number) {
                list[at] = list[at - 1];
                --at;
            }
            list[at] = number;
        }
    }

    // ------------------------------------------------------------------ disputes

    /// alice's lease `[0, 4)` with these digests, submitted.
    function submitted(IMarket.Job memory job, bytes32[] memory digests) internal returns (bytes32 jobId) {
        jobId = post(job);
        claim(job, alice, 4);
        bytes32 root = Merkle.root(0, digests);
        vm.prank(alice);
        market.submit(job, 0, alice, root, MANIFEST);
    }

    function answerOf(bytes32 jobId, address who, bytes32 digest) internal view returns (bytes32) {
        IMarket.LeaseState memory lease = market.leaseOf(jobId, 0);
        return market.commitmentOf(jobId, 0, lease.round, lease.challenges + 1, who, digest, SALT);
    }

    function challenge(
        IMarket.Job memory job,
        address who,
        bytes32[] memory digests,
        uint32 task,
        bytes32 answer
    ) internal {
        bytes32 commitment = answerOf(market.hashJob(job), who, answer);
        bytes32[] memory proof = Merkle.proof(0, digests, task);
        IMarket.LeaseState memory lease = market.leaseOf(market.hashJob(job), 0);
        uint8 number = lease.challenges + 1;
        vm.prank(who);
        market.challenge(job, 0, lease.round, number, task, digests[task], proof, commitment);
    }

    /// Seals the jury three blocks after the challenge, and waits until its draw has grown to four times.
    function sealJury(IMarket.Job memory job) internal {
        uint256 opened = market.disputeOf(market.hashJob(job), 0).openedBlock;
        vm.roll(opened + 3);
        vm.setBlockhash(opened + 1, keccak256(abi.encode("block", opened + 1)));
        market.sealJury(job, 0);
        vm.warp(time() + 30);
    }

    function keyedOf(bytes32 digest) internal pure returns (bytes32) {
        return digest == 0 ? bytes32(0) : keccak256(abi.encode("keyed", digest));
    }

    function commitVote(IMarket.Job memory job, address who, bytes32 digest) internal {
        bytes32 jobId = market.hashJob(job);
        IMarket.LeaseState memory lease = market.leaseOf(jobId, 0);
        bytes32 vote = keccak256(abi.encode(digest, keyedOf(digest)));
        bytes32 commitment = market.commitmentOf(jobId, 0, lease.round, lease.challenges, who, vote, SALT);
        vm.prank(who);
        market.commitVote(job, 0, lease.round, lease.challenges, who, commitment);
    }

    function revealVote(IMarket.Job memory job, address who, bytes32 digest) internal {
        vm.prank(who);
        market.revealVote(job, 0, who, digest, keyedOf(digest), SALT);
    }

    function revealAnswer(IMarket.Job memory job, address who, bytes32 digest) internal {
        vm.prank(who);
        market.revealAnswer(job, 0, digest, SALT);
    }

    /// The first three of the crew sit, and vote so.
    function crewVotes(IMarket.Job memory job, bytes32 digest) internal {
        for (uint256 i; i < 3; ++i) {
            commitVote(job, crew[i], digest);
        }
        for (uint256 i; i < 3; ++i) {
            revealVote(job, crew[i], digest);
        }
    }

    function judge(IMarket.Job memory job, bytes32 digest) internal {
        market.judge(job, 0, digest, keyedOf(digest), panelOf(crew[0], crew[1], crew[2]));
    }
}
