// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {Merkle} from "../helpers/Merkle.sol";
import {IMarket} from "piecework/IMarket.sol";

/// Sitting on the jury that should not be one's own, and profiting from what a jury takes.
contract JuriesAttack is AttackBase {
    IMarket.Job private job;
    bytes32 private jobId;
    bytes32[] private digests;
    uint128 private constant B = 4 * UNIT;
    uint128 private constant K = 3 * JURY_FEE;

    function setUp() public override {
        super.setUp();
        job = aJob();
        digests = Merkle.someDigests(1, 4);
        jobId = submitted(job, digests);
    }

    function _barred(address who) private {
        vm.prank(who);
        vm.expectRevert(abi.encodeWithSelector(IMarket.BarredFromJury.selector, jobId, 0, who));
        market.joinJury(job, 0, 1, 1, who);
        vm.prank(who);
        vm.expectRevert(abi.encodeWithSelector(IMarket.BarredFromJury.selector, jobId, 0, who));
        market.commitVote(job, 0, 1, 1, who, SALT);
    }

    /// P-28: neither party judges itself, not by an operator either.
    function test_P28_partiesOnTheJury() public {
        challenge(job, mallory, digests, 2, RIGHT);
        sealJury(job);
        _barred(alice);
        _barred(mallory);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IMarket.BarredFromJury.selector, jobId, 0, alice));
        market.joinJury(job, 0, 1, 1, alice);
    }

    function _notDrawn(address who) private {
        vm.prank(who);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotDrawn.selector, jobId, 0, who, type(uint64).max));
        market.joinJury(job, 0, 1, 1, who);
    }

    /// P-21: stake that came after `post` sits nowhere, however much: not a rented one, nor one a day old.
    function test_P21_rentedStake() public {
        address whale = makeAddr("whale");
        people.push(whale);
        stakeOf(whale, 10_000 * UNIT);
        challenge(job, eve, digests, 2, RIGHT);
        sealJury(job);
        _notDrawn(whale);
        // Nor does growing an old one keep its age.
        stakeOf(mallory, UNIT);
        _notDrawn(mallory);
        assertBooks(20 * UNIT + K);
    }

    /// P-22: the quiet hour: all seats for who comes first, but one for each address and three in all.
    function test_P22_moreThanOneSeat() public {
        challenge(job, eve, digests, 2, RIGHT);
        sealJury(job);
        vm.startPrank(mallory);
        market.joinJury(job, 0, 1, 1, mallory);
        bytes memory taken =
            abi.encodeWithSelector(IMarket.WrongSeat.selector, jobId, 0, mallory, IMarket.Seat.Joined);
        vm.expectRevert(taken);
        market.joinJury(job, 0, 1, 1, mallory);
        vm.stopPrank();
        commitVote(job, crew[0], digests[2]);
        commitVote(job, crew[1], digests[2]);
        vm.prank(crew[2]);
        vm.expectRevert(abi.encodeWithSelector(IMarket.SeatsTaken.selector, jobId, 0));
        market.joinJury(job, 0, 1, 1, crew[2]);
    }

    /// P-21: a tenth of all stake on 40 addresses gets, when the draw has grown to its most, 12 tenths of a seat a
    /// jury: splitting stake buys nothing, and waiting for a quiet hour four times the share at most.
    function test_P21_splitStake() public {
        address[] memory pack = new address[](40);
        for (uint256 i; i < 40; ++i) {
            pack[i] = makeAddr(string.concat("pack", vm.toString(i)));
            stakeOf(pack[i], 20 * UNIT / 9); // 40 of them: a tenth of all
        }
        vm.warp(time() + 2 days);
        job.terms.nonce = 99;
        job.timing.opensAt = time();
        job.timing.closesAt = time() + 10_000;
        jobId = submitted(job, digests);
        challenge(job, eve, digests, 2, RIGHT);
        uint256 opened = market.disputeOf(jobId, 0).openedBlock;
        vm.roll(opened + 3);
        uint256 drawn;
        uint256 state = vm.snapshotState();
        for (uint256 k; k < 25; ++k) {
            vm.setBlockhash(opened + 1, keccak256(abi.encode("try", k)));
            market.sealJury(job, 0);
            vm.warp(time() + 600); // the quiet hour: growth has stopped long ago
            for (uint256 i; i < 40; ++i) {
                vm.prank(pack[i]);
                (bool ok, bytes memory why) =
                    address(market).call(abi.encodeCall(IMarket.joinJury, (job, 0, 1, 1, pack[i])));
                // Not drawn, or no seat left: who was drawn counts, seated or not.
                if (ok || errorOf(why) == IMarket.SeatsTaken.selector) ++drawn;
            }
            vm.revertToState(state);
        }
        // 25 juries of 12 * 0.1 expected each: 30, standard deviation 5.4.
        assertGt(drawn, 0);
        assertLt(drawn, 30 + 5 * 6);
    }

    /// P-11 P-30: the worst that a packed jury can do to an honest provider. The bond is lost, but the pack shares in
    /// jury fees and the flat reward alone: the rest, and so any reason to want more of it, is burned.
    function test_P11_packedJury() public {
        address[4] memory pack = [eve, crew[0], crew[1], crew[2]];
        uint256 before;
        for (uint256 i; i < 4; ++i) {
            before += worth(pack[i]);
        }
        challenge(job, eve, digests, 2, LIE);
        sealJury(job);
        crewVotes(job, LIE);
        revealAnswer(job, eve, LIE);
        judge(job, LIE);
        uint256 gain;
        for (uint256 i; i < 4; ++i) {
            gain += worth(pack[i]);
        }
        gain -= before;
        assertEq(gain, 6 * JURY_FEE);
        assertEq(market.burned(), B - 6 * JURY_FEE);
        assertEq(market.providerOf(alice).stake, STAKE - B);
        assertBooks(20 * UNIT);
    }

    /// P-21: `sealJury` is no moment at which borrowed tokens count. Stake that is put in, and taken out again in the
    /// same transaction, would make everybody's share of all stake vanish, and the growth of a jury's draw ends at
    /// four times: nobody honest would be drawn, and a wrong result stand for the fee of a flash loan.
    function test_P21_flashStakeDilutesTheJury() public {
        challenge(job, eve, digests, 2, RIGHT);
        uint256 opened = market.disputeOf(jobId, 0).openedBlock;
        vm.roll(opened + 3);
        uint128 loan = 10_000_000 * UNIT;
        mint(mallory, loan);
        uint256 before = worth(mallory);
        vm.startPrank(mallory);
        market.stake(loan);
        market.sealJury(job, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooEarly.selector, time() + 1 days, time()));
        market.unstake(mallory, loan); // so it is no loan of a moment
        vm.stopPrank();
        assertEq(worth(mallory), before);
        vm.warp(time() + 30);
        crewVotes(job, RIGHT);
        revealAnswer(job, eve, RIGHT);
        judge(job, RIGHT);
        assertEq(market.providerOf(alice).stake, STAKE - B);
    }

    /// P-21: `post` is no such moment either: whoever posts for a client, or builds its block, cannot borrow stake around it, so
    /// that the job's draws would be from stake that is not there.
    function test_P21_loanAroundPost() public {
        IMarket.Job memory signed = aJob();
        signed.terms.nonce = 99;
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(clientKey, market.hashJob(signed));
        uint128 loan = 10_000_000 * UNIT;
        mint(mallory, loan);
        vm.startPrank(mallory);
        market.stake(loan);
        market.postFor(signed, spec, abi.encodePacked(r, s, v));
        vm.expectRevert(abi.encodeWithSelector(IMarket.TooEarly.selector, time() + 1 days, time()));
        market.unstake(mallory, loan);
        vm.stopPrank();
    }

    /// P-21: nor does it help to take stake out before the seal: the share is of what was there at `post`, or less.
    function test_P21_sharesAddUpToOne() public {
        address whale = makeAddr("whale");
        stakeOf(whale, 10_000 * UNIT); // too young to be drawn
        challenge(job, eve, digests, 2, RIGHT);
        sealJury(job);
        bytes32 key = keccak256(abi.encode(jobId, uint32(0), uint16(1), uint8(1)));
        (, uint128 stakes,) = market.sealOf(key);
        assertEq(stakes, 8 * STAKE, "eight providers were there at post");
    }
}
