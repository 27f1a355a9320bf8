// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Base, IDevToken} from "../helpers/Base.sol";
import {Handler} from "./Handler.sol";
import {console} from "forge-std/console.sol";
import {IMarket} from "piecework/IMarket.sol";

/// What must always hold, numbered as in PROTOCOL.md, after any calls of several clients and
/// providers, their operators, donors and the governor, while time passes.
contract MarketInvariantTest is Base {
    Handler private handler;
    address[9] private everyone;

    function setUp() public override {
        vm.warp(1_800_000_000);
        token = IDevToken(deployCode("DevToken.sol:DevToken"));
        market = newMarket(address(token), governor, treasury, FEE);
        handler = new Handler(market, token, governor, [treasury, bob]);
        targetContract(address(handler));
        bytes4[] memory only = new bytes4[](1);
        only[0] = Handler.step.selector;
        targetSelector(FuzzSelector(address(handler), only));
        for (uint256 i; i < 4; ++i) {
            everyone[i] = handler.clients(i);
            if (i < 3) everyone[4 + i] = handler.providers(i); // the fourth is a client too
        }
        (everyone[7], everyone[8]) = (treasury, bob);
    }

    /// All in one, so that they share their runs.
    function invariant_P01_P02_P03_P04_P05_P09_P10_P11() public view {
        assertEq(handler.broken(), "", "an act failed as it must not");
        _P01_solvency();
        _P02_lockedStake();
        _P03_escrow();
        _P04_noTaskPaidTwice();
        _P05_P09_P11_everyonesMoney();
        _P10_conservation();
    }

    function _escrow() private view returns (uint256 sum) {
        for (uint256 j; j < handler.jobCount(); ++j) {
            IMarket.Job memory job = handler.jobAt(j);
            bytes32 id = handler.ids(j);
            sum += uint256(job.price.maxPrice) * (job.terms.tasks - market.jobOf(id).next);
            Handler.GhostLease[] memory leases = handler.leasesOf(j);
            for (uint256 l; l < leases.length; ++l) {
                IMarket.Phase phase = market.leaseOf(id, leases[l].first).phase;
                if (phase == IMarket.Phase.Settled || phase == IMarket.Phase.Refunded) continue;
                sum += uint256(job.price.maxPrice) * leases[l].count;
            }
        }
    }

    function _ledgers() private view returns (uint256 sum) {
        for (uint256 i; i < everyone.length; ++i) {
            sum += market.balanceOf(everyone[i]);
        }
    }

    function _stakes() private view returns (uint256 sum) {
        for (uint256 i; i < 4; ++i) {
            sum += market.providerOf(handler.providers(i)).stake;
        }
    }

    /// P-01: solvency, to the unit: what is not a donation is exactly accounted for.
    function _P01_solvency() private view {
        uint256 owed = _ledgers() + _stakes() + _escrow() + market.burned();
        assertEq(token.balanceOf(address(market)), owed + handler.donated());
    }

    /// P-02: locked stake equals the bonds of unfinished leases.
    function _P02_lockedStake() private view {
        uint256[4] memory bonds;
        for (uint256 j; j < handler.jobCount(); ++j) {
            Handler.GhostLease[] memory leases = handler.leasesOf(j);
            for (uint256 l; l < leases.length; ++l) {
                if (leases[l].phase != IMarket.Phase.Running && leases[l].phase != IMarket.Phase.Submitted) {
                    continue;
                }
                for (uint256 i; i < 4; ++i) {
                    if (handler.providers(i) == leases[l].holder) bonds[i] += leases[l].bond;
                }
            }
        }
        for (uint256 i; i < 4; ++i) {
            IMarket.ProviderState memory p = market.providerOf(handler.providers(i));
            assertEq(p.stake - p.free, bonds[i]);
        }
    }

    /// P-03: the state that the escrow follows from is that of the book: phases, counts, unclaimed.
    function _P03_escrow() private view {
        for (uint256 j; j < handler.jobCount(); ++j) {
            bytes32 id = handler.ids(j);
            assertEq(market.jobOf(id).next, handler.unclaimed(j));
            Handler.GhostLease[] memory leases = handler.leasesOf(j);
            for (uint256 l; l < leases.length; ++l) {
                IMarket.LeaseState memory lease = market.leaseOf(id, leases[l].first);
                assertEq(uint8(lease.phase), uint8(leases[l].phase));
                assertEq(lease.count, leases[l].count);
                assertEq(lease.provider, leases[l].holder);
            }
        }
    }

    /// P-04: no task is paid twice.
    function _P04_noTaskPaidTwice() private view {
        for (uint256 j; j < handler.jobCount(); ++j) {
            uint32 tasks = handler.jobAt(j).terms.tasks;
            for (uint32 i; i < tasks; ++i) {
                assertLe(handler.timesPaid(j, i), 1);
            }
        }
    }

    /// P-05, P-09, P-11: everyone's money is what the book says: nobody lost more than a missed
    /// deadline costs, nobody gained from another's slash.
    function _P05_P09_P11_everyonesMoney() private view {
        for (uint256 i; i < everyone.length; ++i) {
            assertEq(market.balanceOf(everyone[i]), handler.ledgerOf(everyone[i]));
        }
        for (uint256 i; i < 4; ++i) {
            assertEq(market.providerOf(handler.providers(i)).stake, handler.stakeOf(handler.providers(i)));
        }
        assertEq(market.burned(), handler.burned());
    }

    /// P-10: conservation, to the unit.
    function _P10_conservation() private view {
        uint256 held = _ledgers() + _stakes() + _escrow() + handler.burned();
        assertEq(handler.broughtIn(), held + handler.takenOut());
    }

    /// Calls must succeed more often than not, or the above says little.
    function afterInvariant() public view {
        if (handler.calls() < 50) return;
        assertGt(2 * handler.successes(), handler.calls(), "most calls must succeed");
        for (uint256 i; i < handler.actCount(); ++i) {
            string memory name = handler.ACTS(i);
            console.log(name, handler.done(name), "of", handler.tried(name));
        }
    }
}
