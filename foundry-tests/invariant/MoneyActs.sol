// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Book, Books, VM} from "./Book.sol";
import {Law} from "./Law.sol";
import {World, Worlds} from "./World.sol";
import {IMarket} from "piecework/IMarket.sol";

// forge-lint: disable-start(unsafe-typecast)

/// Deposits, withdrawals, stakes, operators, lists, gifts and the fee.
library MoneyActs {
    using Books for Book;
    using Worlds for World;

    /// Gives `who` tokens, and the market its allowance.
    function mint(World storage w, address who, uint256 amount) internal {
        w.token.mint(who, amount);
        VM.prank(who);
        w.token.approve(address(w.market), type(uint256).max);
    }

    function deposit(World storage w) internal {
        w.by = w.anyone();
        address account = w.once(3) ? w.anyone() : w.someClient();
        uint256 amount = w.once(3) ? w.below(100) : w.below(1e20);
        w.may = amount != 0;
        mint(w, w.by, amount);
        if (!w.send("deposit", abi.encodeCall(IMarket.deposit, (account, uint128(amount))))) return;
        w.book.credit(account, amount);
        w.book.people[account].brought += amount;
        w.book.broughtIn += amount;
    }

    function withdraw(World storage w) internal {
        address who = w.once(4) ? w.anyone() : w.once(2) ? w.someProvider() : w.someClient();
        uint256 all = w.book.people[who].balance;
        uint256 amount = w.wild && w.once(2) ? all + 1 : w.once(8) ? all : w.below(all / 8 + 2);
        (w.by, w.may) = (who, amount != 0 && amount <= all);
        bytes memory data = abi.encodeCall(IMarket.withdraw, (w.anyone(), uint128(amount)));
        if (w.send("withdraw", data)) {
            w.book.people[who].balance -= amount;
            _out(w, who, amount);
        }
    }

    function _out(World storage w, address who, uint256 amount) private {
        w.book.people[who].takenOut += amount;
        w.book.takenOut += amount;
    }

    function stake(World storage w) internal {
        address who = w.someProvider();
        uint256 amount = w.once(8) ? 1 : w.below(1e20) + 1;
        mint(w, who, amount);
        // P-11: an operator has no stake and no way to another's.
        (w.by, w.may) = (who, true);
        w.send("stake", abi.encodeCall(IMarket.stake, (uint128(amount))));
        staked(w, who, amount);
    }

    /// Writes a stake down.
    function staked(World storage w, address who, uint256 amount) internal {
        w.book.register(who);
        w.book.setStake(who, w.book.people[who].stake + amount);
        w.book.people[who].stakedAt = Books.time();
        w.book.people[who].brought += amount;
        w.book.broughtIn += amount;
    }

    function unstake(World storage w) internal {
        address who = w.someProvider();
        uint256 until = w.book.people[who].stakedAt + Law.STAKE_AGE;
        if (!w.wild && Books.time() < until) Worlds.passTo(w.once(10) ? until - 1 : until);
        uint256 free = w.book.people[who].stake - w.book.people[who].locked;
        uint256 amount = w.once(8) ? free : w.once(12) ? free + 1 : w.below(free / 8 + 1) + 1;
        w.by = w.wild && w.once(4) ? w.operator : who;
        w.may = amount != 0 && amount <= free && Books.time() >= until && w.by == who;
        bytes memory data = abi.encodeCall(IMarket.unstake, (who, uint128(amount)));
        if (!w.send("unstake", data)) return;
        w.book.setStake(who, w.book.people[who].stake - amount);
        _out(w, who, amount);
    }

    function setOperator(World storage w) internal {
        address who = w.someProvider();
        bool allowed = !w.once(4);
        bytes memory data = abi.encodeCall(IMarket.setOperator, (w.operator, allowed));
        (w.by, w.may) = (who, true);
        w.send("setOperator", data);
        if (allowed) w.book.register(who);
        w.book.operators[who][w.operator] = allowed;
    }

    /// The two lists have four providers each: 0 to 3, and 3 to 6.
    function listRoot(World storage w, uint256 which) internal view returns (bytes32) {
        return _pair(_half(w, which, 0), _half(w, which, 2));
    }

    function _half(World storage w, uint256 which, uint256 at) private view returns (bytes32) {
        return _pair(_leaf(w, which, at), _leaf(w, which, at + 1));
    }

    function _leaf(World storage w, uint256 which, uint256 at) private view returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(w.providers[3 * which + at]))));
    }

    function _pair(bytes32 a, bytes32 b) private pure returns (bytes32) {
        return a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
    }

    function admit(World storage w, uint256 which) internal {
        uint256 at = w.below(4);
        bytes32[] memory proof = new bytes32[](2);
        (proof[0], proof[1]) = (_leaf(w, which, at ^ 1), _half(w, which, (at & 2) ^ 2));
        address who = w.providers[3 * which + at];
        (w.by, w.may) = (w.anyone(), !w.wild || !w.once(2));
        // Nobody else, by the same proof.
        address named = w.may ? who : w.providers[7];
        bytes memory data = abi.encodeCall(IMarket.admit, (w.lists[which], named, proof));
        if (w.send("admit", data)) w.book.admitted[w.lists[which]][who] = true;
    }

    /// A gift to the market is nobody's.
    function donate(World storage w) internal {
        uint256 amount = w.below(1000);
        mint(w, w.stranger, amount);
        VM.prank(w.stranger);
        w.token.transfer(address(w.market), amount);
        w.book.donated += amount;
    }

    function setFee(World storage w) internal {
        uint256 fee = w.once(10) ? 501 : w.below(501);
        address recipient = w.recipients[w.below(2)];
        w.by = w.wild && w.once(2) ? w.anyone() : w.governor;
        bytes memory data = abi.encodeCall(IMarket.setFee, (uint16(fee), recipient));
        w.may = fee <= 500 && w.by == w.governor;
        if (!w.send("setFee", data)) return;
        (w.book.feeBps, w.book.recipient) = (uint16(fee), recipient);
    }
}
