// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {Merkle} from "../helpers/Merkle.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Challenges and demands that are not meant: copied, spammed, made in the last second, or made by the
/// provider itself to keep others out.
contract ChallengesAttack is AttackBase {
    IMarket.Job private job;
    bytes32 private jobId;
    bytes32[] private digests;
    uint128 private constant B = 4 * UNIT;
    uint128 private constant K = 3 * JURY_FEE;
    uint128 private constant ESCROW = 20 * UNIT;

    function setUp() public override {
        super.setUp();
        job = aJob();
        digests = Merkle.someDigests(1, 4);
        jobId = submitted(job, digests);
        vm.roll(block.number + 5);
    }

    function _deadline() private view returns (uint64) {
        return market.leaseOf(jobId, 0).submittedAt + job.timing.challengeWindow;
    }

    /// P-29: a bot that copies a challenge out of the mempool, answer and all, cannot open the answer: it pays K for the
    /// honest challenger's cause, which still ends as it should.
    function test_P29_copiedChallenge() public {
        uint256 mallorys = worth(mallory);
        uint256 eves = worth(eve);
        bytes32 copied = answerOf(jobId, eve, RIGHT);
        bytes32[] memory proof = Merkle.proof(0, digests, 2);
        bytes32 digest = digests[2];
        vm.prank(mallory);
        market.challenge(job, 0, 1, 1, 2, digest, proof, copied);
        vm.prank(eve);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Challenged)
        );
        market.challenge(job, 0, 1, 1, 2, digest, proof, copied);

        sealJury(job);
        crewVotes(job, RIGHT);
        // The verdict is public now; it cannot be made one's own any more.
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongReveal.selector, jobId, 0, mallory));
        market.revealAnswer(job, 0, RIGHT, SALT);
        vm.prank(eve);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotChallenger.selector, mallory, eve));
        market.revealAnswer(job, 0, RIGHT, SALT);
        vm.warp(time() + 1 hours + 1);
        judge(job, RIGHT);
        assertEq(worth(mallory), mallorys - K, "the copier paid");
        assertEq(worth(eve), eves, "who was copied did not");
        assertEq(market.providerOf(alice).stake, STAKE - B, "and the cheat is caught");
        assertBooks(ESCROW);
    }

    /// P-29: naming a wrong leaf without knowing the right one (a guess that the provider cheats) earns nothing.
    function test_P29_guessedChallenge() public {
        uint256 before = worth(mallory);
        challenge(job, mallory, digests, 2, LIE);
        sealJury(job);
        crewVotes(job, RIGHT);
        revealAnswer(job, mallory, LIE);
        judge(job, RIGHT);
        assertEq(worth(mallory), before - K);
        assertBooks(ESCROW);
    }

    /// P-06: a juror's vote copied by another juror cannot be opened either.
    function test_P06_copiedVote() public {
        challenge(job, eve, digests, 2, RIGHT);
        sealJury(job);
        bytes32 vote = keccak256(abi.encode(RIGHT, keyedOf(RIGHT)));
        bytes32 copied = market.commitmentOf(jobId, 0, 1, 1, crew[0], vote, SALT);
        commitVote(job, crew[0], RIGHT);
        vm.prank(mallory);
        market.commitVote(job, 0, 1, 1, mallory, copied);
        commitVote(job, crew[1], RIGHT);
        revealVote(job, crew[0], RIGHT);
        bytes32 keyed = keyedOf(RIGHT);
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongReveal.selector, jobId, 0, mallory));
        market.revealVote(job, 0, mallory, RIGHT, keyed, SALT);
        revealVote(job, crew[1], RIGHT);
        revealAnswer(job, eve, RIGHT);
        vm.warp(time() + 1 hours + 1);
        judge0(RIGHT, panelOf(crew[0], crew[1], mallory));
        assertEq(market.providerOf(mallory).stake, STAKE - B / 3, "the idle juror lost its bond");
    }

    function judge0(bytes32 digest, uint32[] memory panel) private {
        market.judge(job, 0, digest, keyedOf(digest), panel);
    }

    /// P-06: who copies the provider's public digest lacks the output, and so the keyed digest that goes with it.
    function test_P06_votesThePublicDigest() public {
        challenge(job, eve, digests, 2, RIGHT);
        sealJury(job);
        bytes32 digest = digests[2];
        bytes32 made = market.commitmentOf(jobId, 0, 1, 1, mallory, keccak256(abi.encode(digest, LIE)), SALT);
        vm.prank(mallory);
        market.commitVote(job, 0, 1, 1, mallory, made);
        commitVote(job, crew[0], digest);
        commitVote(job, crew[1], digest);
        vm.prank(mallory);
        market.revealVote(job, 0, mallory, digest, LIE, SALT);
        revealVote(job, crew[0], digest);
        revealVote(job, crew[1], digest);
        revealAnswer(job, eve, RIGHT);
        judge0(digest, panelOf(crew[0], crew[1], mallory));
        assertEq(market.providerOf(mallory).stake, STAKE - B / 3, "outvoted, though its digest was right");
        assertEq(market.balanceOf(crew[0]), JURY_FEE);
    }

    /// P-27: delay has a price, and it doubles: K, 2K, 4K, each paid to jurors and burned; the provider loses nothing.
    function test_P27_challengeSpam() public {
        uint256 before = worth(mallory);
        uint256 alices = worth(alice);
        for (uint256 i; i < 5; ++i) {
            vm.warp(_deadline()); // to the last second each time
            challenge(job, mallory, digests, 0, LIE);
            sealJury(job);
            crewVotes(job, digests[0]);
            revealAnswer(job, mallory, LIE);
            judge(job, digests[0]);
            vm.roll(block.number + 10);
        }
        assertEq(before - worth(mallory), K * 31, "1 + 2 + 4 + 8 + 16");
        vm.warp(_deadline() + 1);
        market.finalize(job, 0);
        assertGt(worth(alice), alices);
        assertEq(market.providerOf(alice).free, STAKE);
        assertBooks(12 * UNIT); // six tasks unclaimed
    }

    /// P-27: in a market without jurors delay costs no jury fees; K returns, but the next one is twice as dear, so who has
    /// c can delay for log2(c / K) challenges.
    function test_P27_spamWithoutJurors() public {
        uint256 before = worth(mallory);
        uint256 rounds;
        for (;; ++rounds) {
            bytes32[] memory proof = Merkle.proof(0, digests, 0);
            // forge-lint: disable-next-line(unsafe-typecast)
            uint8 number = uint8(rounds + 1);
            vm.prank(mallory);
            (bool ok,) = address(market)
                .call(
                    abi.encodeCall(IMarket.challenge, (job, 0, 1, number, 0, digests[0], proof, bytes32(0)))
                );
            if (!ok) break;
            vm.warp(time() + 60 + job.timing.runWindow + 1);
            judge0(0, none);
        }
        assertEq(worth(mallory), before);
        assertEq(rounds, 9, "100 tokens: K = 0.3 doubled eight times is 76.8");
        vm.warp(_deadline() + 1);
        market.finalize(job, 0);
    }

    /// P-43: a challenge and a vote that somebody holds back until the next one is open cost nobody twice the deposit, nor a
    /// bond: they name the challenge they are for.
    function test_P43_heldBackForTheNextJury() public {
        bytes32 answer = answerOf(jobId, eve, RIGHT);
        bytes32[] memory proof = Merkle.proof(0, digests, 2);
        bytes32 digest = digests[2];
        challenge(job, mallory, digests, 0, LIE); // comes first
        sealJury(job);
        bytes32 vote = keccak256(abi.encode(digests[0], keyedOf(digests[0])));
        bytes32 held = market.commitmentOf(jobId, 0, 1, 1, crew[3], vote, SALT);
        crewVotes(job, digests[0]);
        revealAnswer(job, mallory, LIE);
        judge(job, digests[0]);

        uint256 before = worth(eve);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongRound.selector, jobId, 0, 1, 2));
        vm.prank(eve);
        market.challenge(job, 0, 1, 1, 2, digest, proof, answer);
        vm.expectRevert(abi.encodeWithSelector(IMarket.WrongRound.selector, jobId, 0, 1, 2));
        vm.prank(eve);
        market.challenge(job, 0, 2, 2, 2, digest, proof, answer);
        assertEq(worth(eve), before);

        vm.roll(block.number + 10);
        challenge(job, eve, digests, 2, RIGHT);
        sealJury(job);
        vm.startPrank(crew[3]);
        bytes memory refused = abi.encodeWithSelector(IMarket.WrongRound.selector, jobId, 0, 1, 2);
        vm.expectRevert(refused);
        market.commitVote(job, 0, 1, 1, crew[3], held);
        vm.expectRevert(refused);
        market.joinJury(job, 0, 1, 1, crew[3]);
        vm.expectRevert(refused);
        market.joinJury(job, 0, 2, 2, crew[3]);
        vm.stopPrank();
        assertUnharmed(crew[3]);
    }

    /// P-34 P-26: a challenge in the last second counts; one second later none does; and between them nobody finalizes.
    function test_P34_lastSecond() public {
        vm.warp(_deadline());
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooEarly.selector, _deadline() + 1, time()));
        market.finalize(job, 0);
        challenge(job, eve, digests, 2, RIGHT);
        vm.warp(time() + 1);
        bytes memory waits =
            abi.encodeWithSelector(IMarket.WrongPhase.selector, jobId, 0, IMarket.Phase.Challenged);
        vm.expectRevert(waits);
        market.finalize(job, 0);
        vm.prank(client);
        vm.expectRevert(waits);
        market.accept(job, 0, ROOT);
        vm.prank(mallory);
        vm.expectRevert(waits);
        market.demand(job, 0);
    }

    /// P-26 P-34: too late is too late, for a challenge and for a demand.
    function test_P34_tooLate() public {
        vm.warp(_deadline() + 1);
        bytes32[] memory proof = Merkle.proof(0, digests, 2);
        bytes memory late = abi.encodeWithSelector(IMarket.TooLate.selector, _deadline(), time());
        vm.startPrank(mallory);
        vm.expectRevert(late);
        market.challenge(job, 0, 1, 1, 2, digests[2], proof, SALT);
        vm.expectRevert(late);
        market.demand(job, 0);
        vm.stopPrank();
    }

    /// P-26 P-27: the shield: a cheat has a friend contest a task that is right. It wins, but the window begins anew for
    /// everyone, and the second challenge takes the whole bond; its maker is out of pocket for nothing.
    function test_P26_selfChallengeAsAShield() public {
        uint256 eves = worth(eve);
        vm.warp(_deadline());
        challenge(job, mallory, digests, 0, LIE); // alice's friend, about a right task
        sealJury(job);
        crewVotes(job, digests[0]);
        revealAnswer(job, mallory, LIE);
        judge(job, digests[0]);
        assertEq(_deadline(), time() + job.timing.challengeWindow, "a whole window anew");

        vm.roll(block.number + 10);
        challenge(job, eve, digests, 2, RIGHT);
        sealJury(job);
        crewVotes(job, RIGHT);
        revealAnswer(job, eve, RIGHT);
        judge(job, RIGHT);
        assertEq(worth(eve), eves + K, "the flat reward");
        assertEq(market.providerOf(alice).stake, STAKE - B);
        assertEq(worth(mallory), STAKE + 100 * UNIT - K);
        assertBooks(ESCROW);
    }

    /// P-11: a cheat that challenges itself before others do saves the flat reward of its bond and no more.
    function test_P11_challengesItself() public {
        fund(alice, 10 * UNIT);
        uint256 before = worth(alice);
        challenge(job, alice, digests, 2, RIGHT);
        sealJury(job);
        crewVotes(job, RIGHT);
        revealAnswer(job, alice, RIGHT);
        judge(job, RIGHT);
        assertEq(worth(alice), before - B + 3 * JURY_FEE);
        assertBooks(ESCROW);
    }

    /// P-31: demands are answered for a fee, once; more of them are refused, and none moves money of the provider.
    function test_P31_demandSpam() public {
        uint256 before = worth(mallory);
        uint256 alices = worth(alice);
        vm.warp(_deadline());
        vm.prank(mallory);
        market.demand(job, 0);
        vm.warp(time() + 6 hours); // the last second
        vm.prank(alice);
        market.respond(job, 0, alice, digests);
        assertEq(worth(alice), alices + JURY_FEE);
        assertEq(worth(mallory), before - JURY_FEE);
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IMarket.DemandedAlready.selector, jobId, 0));
        market.demand(job, 0);
        // And the window began anew: nobody is locked out by another's demand.
        assertEq(_deadline(), time() + job.timing.challengeWindow);
        challenge(job, eve, digests, 2, RIGHT);
        assertBooks(ESCROW + K);
    }

    /// P-31 P-18: only the holder answers a demand; a stranger who knows the digests takes neither fee nor delay.
    function test_P31_answerByAStranger() public {
        vm.prank(eve);
        market.demand(job, 0);
        vm.startPrank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotHolder.selector, jobId, 0, mallory));
        market.respond(job, 0, mallory, digests);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, alice, mallory));
        market.respond(job, 0, alice, digests);
        vm.stopPrank();
        vm.warp(time() + 6 hours);
        vm.expectPartialRevert(IMarket.TooEarly.selector);
        market.forfeit(job, 0);
    }
}
