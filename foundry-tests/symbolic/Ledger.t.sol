// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Symbolic} from "./Symbolic.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {Ledger} from "piecework/Ledger.sol";

/// The market's ledger, opened for a look.
contract LedgerHarness is Ledger {
    /// All that an account and a provider have, and what is nobody's or everybody's.
    struct Totals {
        uint256 balance; // of the account
        uint256 earned; // of the provider
        uint256 free;
        uint256 stake;
        uint256 fees;
        uint256 burned;
        uint256 totalStake;
        uint256 holdings;
        uint256 completed;
    }

    function totals(address account, uint32 number) external view returns (Totals memory) {
        return Totals({
            balance: _balances[account],
            earned: _providers[number].earned(),
            free: _providers[number].free(),
            stake: _stakes[number].total,
            fees: _feeEarned,
            burned: _burned,
            totalStake: _stakes[ALL].total,
            holdings: _holdings,
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

    function lock(uint32 number, address provider, uint96 bond, bool juror) external {
        if (juror) _lockForJury(number, provider, bond);
        else _lockForLease(number, provider, bond, _stakes[number].total);
    }

    function unlock(uint32 number, uint96 bond) external {
        _unlock(number, bond);
    }

    function reward(uint32 number, uint96 amount, uint96 bond, bool completed) external {
        _reward(number, amount, bond, completed);
    }

    function slash(uint32 number, uint96 bond, uint96 slash_, bool whole) external {
        _slash(number, bond, slash_, whole);
    }

    /// Empties the histories of a provider and of all.
    function forget(uint32 number) external {
        _empty(_stakeHistory[number]);
        _empty(_stakeHistory[ALL]);
    }

    function _empty(Checkpoints.Trace208 storage history) private {
        Checkpoints.Checkpoint208[] storage list = history._checkpoints;
        assembly ("memory-safe") {
            sstore(list.slot, 0)
        }
    }
}

/// Every move of money inside the market, from any state of its storage at all. A move changes what it
/// says of the accounts it names, and nothing of any other account or provider.
contract LedgerProof is Symbolic {
    LedgerHarness private _ledger;

    function setUp() public {
        _ledger = new LedgerHarness();
        svm.enableSymbolicStorage(address(_ledger));
    }

    function _totals(address account, uint32 number) private view returns (LedgerHarness.Totals memory) {
        return _ledger.totals(account, number);
    }

    /// All is as expected.
    function _same(LedgerHarness.Totals memory a, LedgerHarness.Totals memory b) private pure {
        assert(a.balance == b.balance && a.fees == b.fees && a.burned == b.burned && a.holdings == b.holdings);
        assert(a.earned == b.earned && a.completed == b.completed);
        assert(a.free == b.free && a.stake == b.stake && a.totalStake == b.totalStake);
    }

    /// Property: P-12 a credit adds its amount to one balance, and changes nothing else.
    function check_P12_credit(address account, uint256 amount, address other, uint32 number) external {
        LedgerHarness.Totals memory before = _totals(account, number);
        LedgerHarness.Totals memory ofOther = _totals(other, number);
        try _ledger.credit(account, amount) {}
        catch {
            return; // more than 2^256
        }
        before.balance += amount;
        _same(before, _totals(account, number));
        if (other != account) _same(ofOther, _totals(other, number));
    }

    /// Property: P-12 a debit takes its amount from what one account has (balance, earnings, and fees if it receives
    /// them), and changes nothing of any other account.
    function check_P12_debit(address account, uint256 amount, address other, uint32 number) external {
        uint32 own = _ledger.numberOf(account);
        bool receives = _ledger.feeRecipient() == account;
        vm.assume(other != account && number != own);
        LedgerHarness.Totals memory before = _totals(account, own);
        LedgerHarness.Totals memory ofOther = _totals(other, number);
        vm.assume(before.balance <= MAX);
        uint256 all = before.balance + (own == 0 ? 0 : before.earned) + (receives ? before.fees : 0);

        try _ledger.debit(account, amount) {
            LedgerHarness.Totals memory left = _totals(account, own);
            uint256 rest = left.balance + (own == 0 ? 0 : left.earned) + (receives ? left.fees : 0);
            assert(rest + amount == all);
            before.balance = left.balance;
            if (own != 0) before.earned = left.earned;
            if (receives) before.fees = left.fees;
            _same(before, left);
            ofOther.fees = left.fees;
            _same(ofOther, _totals(other, number));
        } catch {
            assert(amount > all);
        }
    }

    /// Property: P-12 a fee and a burn add their amount where they say.
    function check_P12_feeAndBurn(uint96 fee, uint96 burned, address account, uint32 number) external {
        LedgerHarness.Totals memory before = _totals(account, number);
        vm.assume(before.fees + fee <= MAX && before.burned + burned <= MAX);
        _ledger.creditFee(fee);
        _ledger.burn(burned);
        before.fees += fee;
        before.burned += burned;
        _same(before, _totals(account, number));
    }

    /// Property: P-02 locking a bond takes it from the provider's free stake, and changes nothing else, of no other provider
    /// either; unlocking undoes it. It fails iff less would stay free than a quarter of all stake (for a juror, and for no bond at all: than nothing).
    function check_P02_lockUnlock(uint32 number, address provider, uint96 bond, bool juror, uint32 other)
        external
    {
        LedgerHarness.Totals memory before = _totals(provider, number);
        LedgerHarness.Totals memory ofOther = _totals(provider, other);
        bool fits = bond <= before.free;
        unchecked {
            if (fits && !juror && bond != 0) fits = 4 * (before.free - bond) >= before.stake;
        }
        try _ledger.lock(number, provider, bond, juror) {
            assert(number != 0 && fits);
            before.free -= bond;
            _same(before, _totals(provider, number));
            if (other != number) _same(ofOther, _totals(provider, other));
            _ledger.unlock(number, bond);
            before.free += bond;
            _same(before, _totals(provider, number));
            if (other != number) _same(ofOther, _totals(provider, other));
        } catch {
            assert(number == 0 || !fits);
        }
    }

    /// Property: P-12 pay adds to what the provider earned, and unlocks the bond; a juror's does not count as a
    /// completed lease.
    function check_P12_reward(uint32 number, uint96 amount, uint96 bond, bool completed, uint32 other)
        external
    {
        LedgerHarness.Totals memory before = _totals(address(0), number);
        LedgerHarness.Totals memory ofOther = _totals(address(0), other);
        vm.assume(before.earned + amount <= MAX && before.free + bond <= MAX);
        _ledger.reward(number, amount, bond, completed);
        before.earned += amount;
        before.free += bond;
        if (completed && before.completed != type(uint32).max) ++before.completed;
        _same(before, _totals(address(0), number));
        if (other != number) _same(ofOther, _totals(address(0), other));
    }

    /// Property: P-06 a slash takes its amount from the bond alone, and burns it: locked stake falls by the bond, stake and the
    /// total of all stakes by the slash, what is burned rises by it, and the rest of the bond is free again. No other provider
    /// loses, and nobody gains. (Histories are empty here: that they cannot go back in time is not the ledger's rule.)
    function check_P06_slash(uint32 number, uint96 bond, uint96 slash, bool whole, uint32 other) external {
        vm.assume(number != type(uint32).max && other != type(uint32).max);
        _ledger.forget(number);
        LedgerHarness.Totals memory before = _totals(address(0), number);
        LedgerHarness.Totals memory ofOther = _totals(address(0), other);
        unchecked {
            // The bond is locked, it holds the slash, and the total is one.
            vm.assume(slash <= bond && before.free + bond <= before.stake);
            vm.assume(before.stake <= before.totalStake && before.burned + slash <= MAX);
            _ledger.slash(number, bond, slash, whole);
            // So locked stake, which is stake - free, fell by the bond.
            before.free += bond - slash;
            before.stake -= slash;
            before.totalStake -= slash;
            before.burned += slash;
            ofOther.totalStake -= slash;
            ofOther.burned += slash;
        }
        _same(before, _totals(address(0), number));
        if (other != number) _same(ofOther, _totals(address(0), other));
    }

    /// Property: P-11 whoever acts for a provider is that provider or was allowed to.
    function check_P11_authorized(address provider, address caller) external {
        uint32 allowed = _ledger.operatorNumber(provider, caller);
        uint32 own = _ledger.numberOf(provider);
        vm.prank(caller);
        try _ledger.authorized(provider) returns (uint32 number) {
            assert(caller == provider ? number == own : number == allowed && allowed != 0);
        } catch {
            assert(caller != provider && allowed == 0);
        }
    }
}
