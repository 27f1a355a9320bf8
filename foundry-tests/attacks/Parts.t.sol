// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttackBase} from "../helpers/AttackBase.sol";
import {Merkle} from "../helpers/Merkle.sol";
import {IMarket} from "piecework/IMarket.sol";

/// The contract that holds the rest of the market's code, called directly. (Parity's library was
/// initialized, and destroyed, by who called it directly.)
contract PartsAttack is AttackBase {
    IMarket.Job private drawn;
    IMarket.Job private plain;
    address private part;

    function setUp() public override {
        super.setUp();
        part = vm.computeCreateAddress(address(market), 1);
        drawn = aRedundantJob();
        postSealed(drawn);
        plain = aJob();
        plain.terms.nonce = 8;
        submitted(plain, Merkle.someDigests(1, 4));
    }

    function _unknown(IMarket.Job memory job, bytes memory call_) private {
        bytes32 id = market.hashJob(job);
        vm.prank(mallory);
        (bool ok, bytes memory why) = part.call(call_);
        assertFalse(ok);
        assertEq(why, abi.encodeWithSelector(IMarket.JobUnknown.selector, id));
    }

    /// P-35: it knows no job and holds no money, whatever it is asked.
    function test_P35_knowNoJob() public {
        assertGt(part.code.length, 0);
        _unknown(drawn, abi.encodeCall(IMarket.seal, (drawn)));
        _unknown(drawn, abi.encodeCall(IMarket.join, (drawn, 0, 1, mallory)));
        _unknown(drawn, abi.encodeCall(IMarket.commit, (drawn, 0, 1, mallory, SALT)));
        _unknown(drawn, abi.encodeCall(IMarket.reveal, (drawn, 0, mallory, ROOT, MANIFEST, SALT, none)));
        _unknown(drawn, abi.encodeCall(IMarket.settle, (drawn, 0, 0, none)));
        bytes32[] memory two = new bytes32[](2);
        _unknown(plain, abi.encodeCall(IMarket.challenge, (plain, 0, 1, 1, 0, LIE, two, SALT)));
        _unknown(plain, abi.encodeCall(IMarket.sealJury, (plain, 0)));
        _unknown(plain, abi.encodeCall(IMarket.joinJury, (plain, 0, 1, 1, mallory)));
        _unknown(plain, abi.encodeCall(IMarket.commitVote, (plain, 0, 1, 1, mallory, SALT)));
        _unknown(plain, abi.encodeCall(IMarket.revealVote, (plain, 0, mallory, LIE, LIE, SALT)));
        _unknown(plain, abi.encodeCall(IMarket.revealAnswer, (plain, 0, LIE, SALT)));
        _unknown(plain, abi.encodeCall(IMarket.judge, (plain, 0, 0, 0, none)));
        _unknown(plain, abi.encodeCall(IMarket.demand, (plain, 0)));
        _unknown(plain, abi.encodeCall(IMarket.respond, (plain, 0, mallory, two)));
        _unknown(plain, abi.encodeCall(IMarket.forfeit, (plain, 0)));
        assertEq(token.balanceOf(part), 0);
    }

    /// P-35: nor does it post, pay or give anything to stand on: those functions are not there.
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
            vm.prank(mallory);
            (bool ok,) = part.call(calls[i]);
            assertFalse(ok);
        }
    }

    /// P-35: no byte of it can send value or destroy it, or run code that is not its own: CALL, CALLCODE,
    /// DELEGATECALL, SELFDESTRUCT and CREATE are not in its code.
    function test_P35_noDangerousOpcode() public view {
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
