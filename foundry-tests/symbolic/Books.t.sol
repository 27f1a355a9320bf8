// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Symbolic} from "./Symbolic.sol";
import {Books} from "piecework/Books.sol";

/// The market's books, opened for a look.
contract BooksHarness is Books {
    /// All that an account and a provider have, and what is nobody's or everybody's.
    struct Totals {
        uint256 ledger; // of the account
        uint256 earned; // of the provider
        uint256 free;
        uint256 stake;
        uint256 fees;
        uint256 burned;
        uint256 totalStake;
        uint256 held;
        uint256 completed;
    }

    function totals(address account, uint32 number) external view returns (Totals memory) {
        return Totals({
            ledger: _ledger[account],
            earned: _providers[number].earned(),
            free: _providers[number].free(),
            stake: _stakes[number].total,
            fees: _feeEarned,
            burned: _burned,
            totalStake: _totalStake,
            held: _held,
            completed: _providers[number].completed()
        });
    }

    function numberOf(address account) external view returns (uint32) {
        return _numbers[account];
    }

    function feeRecipient() external view returns (address) {
        return _feeRecipient;
    }

    function authorized(address provider) external view returns (uint32) {
        return _authorize(provider);
    }

    function operatorNumber(address provider, address operator) external view returns (uint32) {
        return _operators[provider][operator];
    }

    function credit(address account, uint256 amount) external {
        _credit(account, amount);
    }

    function debit(address account, uint256 amount) external {
        _debit(account, amount);
    }

    function creditFee(uint96 amount) external {
        _creditFee(amount);
    }

    function burn(uint96 amount) external {
        _burn(amount);
    }

    function lock(uint32 number, address provider, uint96 bond) external {
        _lock(number, provider, bond);
    }

    function unlock(uint32 number, uint96 bond) external {
        _unlock(number, bond);
    }

    function reward(uint32 number, uint96 amount, uint96 bond) external {
        _reward(number, amount, bond);
    }

    function earn(uint32 number, uint96 amount, uint96 bond) external {
        _earn(number, amount, bond);
    }

    function slash(uint32 number, uint96 bond, uint96 slash_, bool lost) external {
        _slash(number, bond, slash_, lost);
    }
}

/// Every move of money inside the market, from any state of its storage at all. A move changes what it
/// says of the accounts it names, and nothing of any other account or provider.
contract BooksProof is Symbolic {
    BooksHarness private _books;

    function setUp() public {
        _books = new BooksHarness();
        svm.enableSymbolicStorage(address(_books));
    }

    function _totals(address account, uint32 number) private view returns (BooksHarness.Totals memory) {
        return _books.totals(account, number);
    }

    /// All is as expected.
    function _same(BooksHarness.Totals memory a, BooksHarness.Totals memory b) private pure {
        assert(a.ledger == b.ledger && a.fees == b.fees && a.burned == b.burned && a.held == b.held);
        assert(a.earned == b.earned && a.completed == b.completed);
        assert(a.free == b.free && a.stake == b.stake && a.totalStake == b.totalStake);
    }

    /// Property: P-10 a credit adds its amount to one ledger, and changes nothing else.
    function check_P10_credit(address account, uint256 amount, address other, uint32 number) external {
        BooksHarness.Totals memory before = _totals(account, number);
        BooksHarness.Totals memory ofOther = _totals(other, number);
        try _books.credit(account, amount) {}
        catch {
            return; // more than 2^256
        }
        before.ledger += amount;
        _same(before, _totals(account, number));
        if (other != account) _same(ofOther, _totals(other, number));
    }

    /// Property: P-10 a debit takes its amount from what one account has (ledger, earnings, and fees if it receives
    /// them), and changes nothing of any other account.
    function check_P10_debit(address account, uint256 amount, address other, uint32 number) external {
        uint32 own = _books.numberOf(account);
        bool receives = _books.feeRecipient() == account;
        vm.assume(other != account && number != own);
        BooksHarness.Totals memory before = _totals(account, own);
        BooksHarness.Totals memory ofOther = _totals(other, number);
        vm.assume(before.ledger <= MAX);
        uint256 all = before.ledger + (own == 0 ? 0 : before.earned) + (receives ? before.fees : 0);

        try _books.debit(account, amount) {
            BooksHarness.Totals memory left = _totals(account, own);
            uint256 rest = left.ledger + (own == 0 ? 0 : left.earned) + (receives ? left.fees : 0);
            assert(rest + amount == all);
            before.ledger = left.ledger;
            if (own != 0) before.earned = left.earned;
            if (receives) before.fees = left.fees;
            _same(before, left);
            ofOther.fees = left.fees;
            _same(ofOther, _totals(other, number));
        } catch {
            assert(amount > all);
        }
    }

    /// Property: P-10 a fee and a burn add their amount where they say.
    function check_P10_feeAndBurn(uint96 fee, uint96 burned, address account, uint32 number) external {
        BooksHarness.Totals memory before = _totals(account, number);
        vm.assume(before.fees + fee <= MAX && before.burned + burned <= MAX);
        _books.creditFee(fee);
        _books.burn(burned);
        before.fees += fee;
        before.burned += burned;
        _same(before, _totals(account, number));
    }

    /// Property: P-02 locking a bond takes it from the provider's free stake, fails iff there is less, and changes
    /// nothing else, of no other provider either; unlocking undoes it.
    function check_P02_lockUnlock(uint32 number, address provider, uint96 bond, uint32 other) external {
        BooksHarness.Totals memory before = _totals(provider, number);
        BooksHarness.Totals memory ofOther = _totals(provider, other);
        try _books.lock(number, provider, bond) {
            assert(number != 0 && bond <= before.free);
            before.free -= bond;
            _same(before, _totals(provider, number));
            if (other != number) _same(ofOther, _totals(provider, other));
            _books.unlock(number, bond);
            before.free += bond;
            _same(before, _totals(provider, number));
            if (other != number) _same(ofOther, _totals(provider, other));
        } catch {
            assert(number == 0 || bond > before.free);
        }
    }

    /// Property: P-10 pay adds to what the provider earned, and unlocks the bond; a juror's does not count as a
    /// completed lease.
    function check_P10_rewardAndEarn(uint32 number, uint96 amount, uint96 bond, bool juror, uint32 other)
        external
    {
        BooksHarness.Totals memory before = _totals(address(0), number);
        BooksHarness.Totals memory ofOther = _totals(address(0), other);
        vm.assume(before.earned + amount <= MAX && before.free + bond <= MAX);
        if (juror) _books.earn(number, amount, bond);
        else _books.reward(number, amount, bond);
        before.earned += amount;
        before.free += bond;
        if (!juror && before.completed != type(uint32).max) ++before.completed;
        _same(before, _totals(address(0), number));
        if (other != number) _same(ofOther, _totals(address(0), other));
    }

    /// Property: P-11 a slash takes its amount from the bond alone: locked stake falls by the bond, stake and the
    /// total of all stakes by the slash, and the rest of the bond is free again; no other provider loses.
    function check_P11_slash(uint32 number, uint96 bond, uint96 slash, bool lost, uint32 other) external {
        BooksHarness.Totals memory before = _totals(address(0), number);
        BooksHarness.Totals memory ofOther = _totals(address(0), other);
        unchecked {
            // The bond is locked, it holds the slash, and the total is one.
            vm.assume(slash <= bond && before.free + bond <= before.stake);
            vm.assume(before.stake <= before.totalStake);
            _books.slash(number, bond, slash, lost);
            // So locked stake, which is stake - free, fell by the bond.
            before.free += bond - slash;
            before.stake -= slash;
            before.totalStake -= slash;
            ofOther.totalStake -= slash;
        }
        _same(before, _totals(address(0), number));
        if (other != number) _same(ofOther, _totals(address(0), other));
    }

    /// Property: P-09 who acts for a provider is that provider or was allowed to.
    function check_P09_authorized(address provider, address caller) external {
        uint32 allowed = _books.operatorNumber(provider, caller);
        uint32 own = _books.numberOf(provider);
        vm.prank(caller);
        try _books.authorized(provider) returns (uint32 number) {
            assert(caller == provider ? number == own : number == allowed && allowed != 0);
        } catch {
            assert(caller != provider && allowed == 0);
        }
    }
}
