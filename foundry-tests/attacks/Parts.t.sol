// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {Merkle} from "../helpers/Merkle.sol";
import {IMarket} from "piecework/IMarket.sol";

/// The two contracts that hold the rest of the market's code, called directly. (Parity's library was
/// initialized, and destroyed, by who called it directly.)
contract PartsAttack is AttackBase {
    IMarket.Job private drawn;
    IMarket.Job private plain;
    address private redundant;
    address private disputes;

    function setUp() public override {
        super.setUp();
        redundant = vm.computeCreateAddress(address(market), 1);
        disputes = vm.computeCreateAddress(address(market), 2);
        drawn = aRedundantJob();
        postSealed(drawn);
        plain = aJob();
        plain.terms.nonce = 8;
        submitted(plain, Merkle.someDigests(1, 4));
    }

    function _unknown(address part, IMarket.Job memory job, bytes memory call_) private {
        bytes32 id = market.hashJob(job);
        vm.prank(mallory);
        (bool ok, bytes memory why) = part.call(call_);
        assertFalse(ok);
        assertEq(why, abi.encodeWithSelector(IMarket.JobUnknown.selector, id));
    }

    /// P-35: they know no job and hold no money, whatever they are asked.
    function test_P35_knowNoJob() public {
        assertGt(redundant.code.length, 0);
        assertGt(disputes.code.length, 0);
        _unknown(redundant, drawn, abi.encodeCall(IMarket.seal, (drawn)));
        _unknown(redundant, drawn, abi.encodeCall(IMarket.join, (drawn, 0, mallory)));
        _unknown(redundant, drawn, abi.encodeCall(IMarket.commit, (drawn, 0, mallory, SALT)));
        _unknown(
            redundant, drawn, abi.encodeCall(IMarket.reveal, (drawn, 0, mallory, ROOT, MANIFEST, SALT, none))
        );
        _unknown(redundant, drawn, abi.encodeCall(IMarket.settle, (drawn, 0, 0, none)));
        bytes32[] memory two = new bytes32[](2);
        _unknown(disputes, plain, abi.encodeCall(IMarket.challenge, (plain, 0, 0, LIE, two, SALT)));
        _unknown(disputes, plain, abi.encodeCall(IMarket.sealJury, (plain, 0)));
        _unknown(disputes, plain, abi.encodeCall(IMarket.joinJury, (plain, 0, mallory)));
        _unknown(disputes, plain, abi.encodeCall(IMarket.commitVote, (plain, 0, mallory, SALT)));
        _unknown(disputes, plain, abi.encodeCall(IMarket.revealVote, (plain, 0, mallory, LIE, LIE, SALT)));
        _unknown(disputes, plain, abi.encodeCall(IMarket.revealAnswer, (plain, 0, LIE, SALT)));
        _unknown(disputes, plain, abi.encodeCall(IMarket.judge, (plain, 0, 0, 0, none)));
        _unknown(disputes, plain, abi.encodeCall(IMarket.demand, (plain, 0)));
        _unknown(disputes, plain, abi.encodeCall(IMarket.respond, (plain, 0, mallory, two)));
        _unknown(disputes, plain, abi.encodeCall(IMarket.forfeit, (plain, 0)));
        assertEq(token.balanceOf(redundant), 0);
        assertEq(token.balanceOf(disputes), 0);
    }

    /// P-35: nor do they post, pay or give anything to stand on: those functions are not there.
    function test_P35_nothingElse() public {
        bytes[6] memory calls = [
            abi.encodeCall(IMarket.post, (plain, spec)),
            abi.encodeCall(IMarket.deposit, (mallory, 1)),
            abi.encodeCall(IMarket.stake, (1)),
            abi.encodeCall(IMarket.withdraw, (mallory, 1)),
            abi.encodeCall(IMarket.setOperator, (mallory, true)),
            abi.encodeCall(IMarket.finalize, (plain, 0))
        ];
        for (uint256 i; i < 6; ++i) {
            vm.startPrank(mallory);
            (bool ok,) = redundant.call(calls[i]);
            assertFalse(ok);
            (ok,) = disputes.call(calls[i]);
            assertFalse(ok);
            vm.stopPrank();
        }
    }

    /// P-35: no byte of them can send value or destroy them, or run code that is not theirs: CALL, CALLCODE,
    /// DELEGATECALL, SELFDESTRUCT and CREATE are not in their code.
    function test_P35_noDangerousOpcode() public view {
        address[2] memory parts = [redundant, disputes];
        for (uint256 p; p < 2; ++p) {
            bytes memory code = parts[p].code;
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
}
