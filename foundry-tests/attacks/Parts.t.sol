// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {IMarket} from "piecework/IMarket.sol";

/// The contract that holds the rest of the market's code, called directly. (Parity's library was
/// initialized, and destroyed, by whoever called it directly.)
contract PartsAttack is AttackBase {
    IMarket.Job private drawn;
    address private part;

    function setUp() public override {
        super.setUp();
        part = vm.computeCreateAddress(address(market), 1);
        startDrawn(oneRedundant(3, 2));
        drawn = job;
        start(oneAudited());
        submitted(alice, RIGHT);
        toss(true);
    }

    function _unknown(IMarket.Job memory of_, bytes memory call_) private {
        bytes32 id = market.hashJob(of_);
        vm.prank(mallory);
        (bool ok, bytes memory why) = part.call(call_);
        assertFalse(ok);
        assertEq(why, abi.encodeWithSelector(IMarket.JobUnknown.selector, id));
    }

    /// Tries: every function of the part, by a stranger.
    /// Fails: it knows no job and holds no money.
    /// Costs: gas.
    function test_knowsNoJob() public {
        assertGt(part.code.length, 0);
        _unknown(drawn, abi.encodeCall(IMarket.join, (drawn, 0, 1, mallory)));
        _unknown(drawn, abi.encodeCall(IMarket.commit, (drawn, 0, 1, mallory, SALT)));
        _unknown(drawn, abi.encodeCall(IMarket.leave, (drawn, 0, 1, mallory)));
        _unknown(drawn, abi.encodeCall(IMarket.settle, (drawn, 0, 1, seats())));
        _unknown(drawn, abi.encodeCall(IMarket.renew, (drawn, 0)));
        _unknown(job, abi.encodeCall(IMarket.joinJury, (job, 0, 1, 1, mallory)));
        _unknown(job, abi.encodeCall(IMarket.commitVote, (job, 0, 1, 1, mallory, SALT)));
        _unknown(job, abi.encodeCall(IMarket.judge, (job, 0, 1, 1, seats(), 0, new bytes32[](0))));
        assertEq(token.balanceOf(part), 0);
    }

    /// Tries: to post, pay or be paid there.
    /// Fails: those functions are not there.
    /// Costs: gas.
    function test_nothingElse() public {
        bytes[6] memory calls = [
            abi.encodeCall(IMarket.post, (job, spec)),
            abi.encodeCall(IMarket.deposit, (mallory, 1)),
            abi.encodeCall(IMarket.stake, (1)),
            abi.encodeCall(IMarket.withdraw, (mallory, 1)),
            abi.encodeCall(IMarket.setOperator, (mallory, true)),
            abi.encodeCall(IMarket.finalize, (job, list(0)))
        ];
        for (uint256 i; i < 6; ++i) {
            vm.prank(mallory);
            (bool ok,) = part.call(calls[i]);
            assertFalse(ok);
        }
    }

    /// Tries: an opcode that sends value, destroys the part, or runs code that is not its own.
    /// Fails: CALL, CALLCODE, DELEGATECALL, SELFDESTRUCT, CREATE and CREATE2 are not in its code.
    function test_noDangerousOpcode() public view {
        bytes memory code = part.code;
        for (uint256 i; i < code.length; ++i) {
            uint8 op = uint8(code[i]);
            if (op >= 0x60 && op <= 0x7f) {
                i += op - 0x5f; // a constant
                continue;
            }
            if (op == 0xfe) break; // data may follow what is never executed
            bool bad = op == 0xf0 || op == 0xf1 || op == 0xf2 || op == 0xf4 || op == 0xf5 || op == 0xff;
            assertFalse(bad, "an opcode that has no business here");
        }
    }
}
