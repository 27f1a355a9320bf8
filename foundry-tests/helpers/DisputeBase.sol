// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base} from "./Base.sol";
import {Merkle} from "./Merkle.sol";
import {IMarket} from "piecework/IMarket.sol";

/// An optimistic lease `[0, 4)` of alice, submitted, whose task 2 may be wrong; a challenger; five
/// providers that can be jurors (numbers 3 to 7), each with a fifth of all stake or a little less.
abstract contract DisputeBase is Base {
    /// K of a first challenge: 3 * juryFee. B: 4 * bond. A juror's bond: B / 3, rounded down.
    uint128 internal constant K = 3 * UNIT / 10;
    uint128 internal constant JURY_FEE = UNIT / 10;
    uint128 internal constant B = 4 * UNIT;
    uint128 internal constant JUROR_BOND = 4 * UNIT / 3;
    uint32 internal constant TASK = 2;

    bytes32 internal constant RIGHT = keccak256("right");
    bytes32 internal constant OTHER = keccak256("other");
    bytes32 internal constant KEYED = keccak256("keyed");
    bytes32 internal constant SALT = keccak256("salt");

    address internal challenger = makeAddr("challenger");
    address[5] internal jurors;
    IMarket.Job internal job;
    bytes32 internal jobId;
    bytes32[] internal digests;
    /// Number of the next challenge, and round of the lease.
    uint8 internal number = 1;
    uint16 internal round = 1;

    function setUp() public virtual override {
        super.setUp();
        fund(challenger, 100 * UNIT);
        for (uint256 i; i < 5; ++i) {
            jurors[i] = makeAddr(string.concat("juror", vm.toString(i)));
            stakeOf(jurors[i], 100 * UNIT);
        }
        vm.warp(time() + 1 days); // the stakes are old enough
        digests = Merkle.someDigests(1, 4);
        start(aJob());
    }

    /// Posts a job; alice claims its first lease and submits the digests.
    function start(IMarket.Job memory job_) internal {
        job = job_;
        jobId = post(job_);
        claim(job_, alice, 4);
        submitDigests(alice);
    }

    function submitDigests(address provider) internal {
        bytes32 root = Merkle.root(0, digests);
        vm.prank(provider);
        market.submit(job, 0, provider, root, MANIFEST);
    }

    // ------------------------------------------------------------------ acts

    function answerOf(address who, bytes32 digest) internal view returns (bytes32) {
        return market.commitmentOf(jobId, 0, round, number, who, digest, SALT);
    }

    function commitmentOf(address who, bytes32 digest, bytes32 keyed) internal view returns (bytes32) {
        bytes32 vote = keccak256(abi.encode(digest, keyed));
        return market.commitmentOf(jobId, 0, round, number, who, vote, SALT);
    }

    function proofOf(uint32 task) internal view returns (bytes32[] memory) {
        return Merkle.proof(0, digests, task);
    }

    function challenge(bytes32 answer) internal {
        bytes32 commitment = answerOf(challenger, answer);
        bytes32[] memory proof = proofOf(TASK);
        bytes32 digest = digests[TASK];
        vm.prank(challenger);
        market.challenge(job, 0, round, number, TASK, digest, proof, commitment);
    }

    /// Three blocks later the jury is sealed, and 30 s after that all five are drawn.
    function sealAndDraw() internal {
        uint256 opened = market.disputeOf(jobId, 0).openedBlock;
        vm.roll(opened + 3);
        vm.setBlockhash(opened + 1, keccak256(abi.encode("block", opened + 1)));
        market.sealJury(job, 0);
        vm.warp(time() + 30);
    }

    function open(bytes32 answer) internal {
        challenge(answer);
        sealAndDraw();
    }

    function joinJury(address who) internal {
        vm.prank(who);
        market.joinJury(job, 0, round, number, who);
    }

    function commitVote(address who, bytes32 digest, bytes32 keyed) internal {
        bytes32 commitment = commitmentOf(who, digest, keyed);
        vm.prank(who);
        market.commitVote(job, 0, round, number, who, commitment);
    }

    function revealVote(address who, bytes32 digest, bytes32 keyed) internal {
        vm.prank(who);
        market.revealVote(job, 0, who, digest, keyed, SALT);
    }

    function revealAnswer(bytes32 digest) internal {
        vm.prank(challenger);
        market.revealAnswer(job, 0, digest, SALT);
    }

    /// The first three jurors vote so, and reveal.
    function voteAll(bytes32[3] memory votes) internal {
        for (uint256 i; i < 3; ++i) {
            commitVote(jurors[i], votes[i], keyedOf(votes[i]));
        }
        for (uint256 i; i < 3; ++i) {
            revealVote(jurors[i], votes[i], keyedOf(votes[i]));
        }
    }

    function keyedOf(bytes32 digest) internal pure returns (bytes32) {
        return digest == 0 ? bytes32(0) : keccak256(abi.encode(KEYED, digest));
    }

    function judge(bytes32 digest, uint32 seats) internal {
        market.judge(job, 0, digest, keyedOf(digest), panel(seats));
    }

    /// The first jurors' numbers.
    function panel(uint32 seats) internal pure returns (uint32[] memory list) {
        list = new uint32[](seats);
        for (uint32 i; i < seats; ++i) {
            list[i] = 3 + i;
        }
    }

    // ------------------------------------------------------------------ times

    function commitBy() internal view returns (uint64) {
        return market.disputeOf(jobId, 0).openedAt + 60 + job.timing.runWindow;
    }

    // ------------------------------------------------------------------ checks

    /// What a juror has: its earnings, stake, free stake and lost seats.
    function assertJuror(uint256 i, uint256 earned, uint256 stake, uint256 free, uint32 slashed)
        internal
        view
    {
        assertStaker(jurors[i], earned, stake, free, slashed);
    }

    function assertStaker(address who, uint256 earned, uint256 stake, uint256 free, uint32 slashed)
        internal
        view
    {
        IMarket.ProviderState memory p = market.providerOf(who);
        assertEq(market.balanceOf(who), earned, "earned");
        assertEq(p.stake, stake, "stake");
        assertEq(p.free, free, "free");
        assertEq(p.slashed, slashed, "slashed");
        assertEq(p.late, 0, "late");
        assertEq(p.completed, 0, "completed");
    }

    /// Every unit that came in is somebody's, or burned: `escrow` and `deposits` are what is held beside.
    function assertConserved(uint256 escrow, uint256 deposits) internal view {
        uint256 sum = escrow + deposits + market.burned();
        address[5] memory accounts = [client, challenger, anyone, treasury, address(this)];
        for (uint256 i; i < 5; ++i) {
            sum += market.balanceOf(accounts[i]);
            sum += market.balanceOf(jurors[i]) + market.providerOf(jurors[i]).stake;
        }
        sum += market.balanceOf(alice) + market.providerOf(alice).stake;
        sum += market.balanceOf(bob) + market.providerOf(bob).stake;
        assertEq(sum, token.balanceOf(address(market)), "conservation");
    }

    function expectClosed(uint32 juror, IMarket.SeatEnd end, uint128 paid, uint128 burned) internal {
        vm.expectEmit(address(market));
        emit IMarket.SeatClosed(jobId, 0, 3 + juror, number, end, paid, burned);
    }

    function expectJudged(
        IMarket.Verdict verdict,
        bytes32 digest,
        uint128 reward,
        uint128 returned,
        uint128 burned
    ) internal {
        vm.expectEmit(address(market));
        emit IMarket.Judged(jobId, 0, number, verdict, digest, reward, returned, burned);
    }

    function expectWrongPhase(IMarket.Phase phase) internal {
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, uint32(0), phase));
    }

    /// A contested lease waits: no act of an optimistic lease moves it, early or late, cancelled or not.
    function expectNothingElseGoes(IMarket.Phase phase) internal {
        uint256 before = vm.snapshotState();
        uint64[2] memory moments = [time(), uint64(job.timing.closesAt)];
        for (uint256 i; i < 2; ++i) {
            vm.warp(moments[i]);
            expectWrongPhase(phase);
            vm.prank(client);
            market.accept(job, 0, ROOT);
            expectWrongPhase(phase);
            market.finalize(job, 0);
            expectWrongPhase(phase);
            market.expire(job, 0);
            expectWrongPhase(phase);
            vm.prank(alice);
            market.release(job, 0, alice);
            expectWrongPhase(phase);
            vm.prank(alice);
            market.submit(job, 0, alice, ROOT, MANIFEST);
            expectWrongPhase(phase);
            vm.prank(bob);
            market.takeover(job, bob, 0);
        }
        vm.prank(client);
        market.cancel(job);
        expectWrongPhase(phase);
        market.close(job, new uint32[](1));
        (bytes32 root,,) = market.resultRoot(jobId, 0);
        assertEq(root, 0);
        vm.revertToState(before);
    }

    function expectTooEarly(uint64 from) internal {
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooEarly.selector, from, time()));
    }

    function expectTooLate(uint64 deadline) internal {
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooLate.selector, deadline, time()));
    }
}
