// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Test} from "forge-std/Test.sol";
import {IMarket} from "piecework/IMarket.sol";

interface IDevToken {
    function mint(address to, uint256 amount) external;
    function approve(address spender, uint256 amount) external returns (bool);
    function transfer(address to, uint256 amount) external returns (bool);
    function balanceOf(address account) external view returns (uint256);
    function nonces(address owner) external view returns (uint256);
    function DOMAIN_SEPARATOR() external view returns (bytes32);
}

interface IEip5267 {
    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        );
}

/// A market as it is deployed (its artifact, compiled through the IR), a client with a funded
/// ledger, two providers with stake, an operator of the first.
abstract contract Base is Test {
    uint256 internal constant MAX = type(uint96).max;
    uint128 internal constant UNIT = 1e18;
    uint16 internal constant FEE = 250;

    IDevToken internal token;
    IMarket internal market;

    address internal governor = makeAddr("governor");
    address internal treasury = makeAddr("treasury");
    address internal client = makeAddr("client");
    address internal alice = makeAddr("alice");
    address internal bob = makeAddr("bob");
    address internal operator = makeAddr("operator");
    address internal anyone = makeAddr("anyone");

    bytes internal spec = bytes('{"version":1,"image":"x"}');
    bytes32 internal constant ROOT = keccak256("root");
    bytes32 internal constant MANIFEST = keccak256("manifest");

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        token = IDevToken(deployCode("DevToken.sol:DevToken"));
        market = newMarket(address(token), governor, treasury, FEE);
        fund(client, 1000 * UNIT);
        stakeOf(alice, 100 * UNIT);
        stakeOf(bob, 100 * UNIT);
        vm.prank(alice);
        market.setOperator(operator, true);
    }

    function newMarket(address token_, address governor_, address recipient, uint16 fee)
        internal
        returns (IMarket)
    {
        return IMarket(
            deployCode("Market.sol:Market", abi.encode(token_, governor_, recipient, fee, times()))
        );
    }

    /// The times of PROTOCOL.md.
    function times() internal pure returns (IMarket.Times memory) {
        return IMarket.Times({
            drawTime: 60, drawStep: 15, revealWindow: 1 hours, respondWindow: 6 hours, stakeAge: 1 days
        });
    }

    function mint(address who, uint256 amount) internal {
        token.mint(who, amount);
        vm.prank(who);
        token.approve(address(market), type(uint256).max);
    }

    function fund(address who, uint128 amount) internal {
        mint(who, amount);
        vm.prank(who);
        market.deposit(who, amount);
    }

    function stakeOf(address who, uint128 amount) internal {
        mint(who, amount);
        vm.prank(who);
        market.stake(amount);
    }

    /// A job of 10 tasks in leases of at most 4; 1 to 2 tokens, ramp of 1,000 s; bond 1 token.
    function aJob() internal view returns (IMarket.Job memory job) {
        job.terms = IMarket.Terms({
            client: client,
            nonce: 7,
            spec: keccak256(spec),
            tasks: 10,
            maxLease: 4,
            replicas: 1,
            quorum: 1,
            providers: 0,
            verifier: address(0)
        });
        job.price = IMarket.Price({minPrice: UNIT, maxPrice: 2 * UNIT, bond: UNIT, juryFee: UNIT / 10});
        job.timing = IMarket.Timing({
            opensAt: uint64(block.timestamp),
            ramp: 1000,
            closesAt: uint64(block.timestamp + 10_000),
            runWindow: 800,
            challengeWindow: 600
        });
    }

    /// Takes stake out, as if it had stood for its age.
    function unstake(address who, uint128 amount) internal {
        uint64 present = time();
        vm.warp(present + market.times().stakeAge);
        vm.prank(who);
        market.unstake(who, amount);
        vm.warp(present);
    }

    function post(IMarket.Job memory job) internal returns (bytes32) {
        vm.prank(job.terms.client);
        return market.post(job, spec);
    }

    function claim(IMarket.Job memory job, address provider, uint32 count) internal returns (uint32 first) {
        vm.prank(provider);
        (first,) = market.claim(job, provider, count);
    }

    function submit(IMarket.Job memory job, address provider, uint32 first) internal {
        vm.prank(provider);
        market.submit(job, first, provider, ROOT, MANIFEST);
    }

    function phaseOf(bytes32 jobId, uint32 first) internal view returns (IMarket.Phase) {
        return market.leaseOf(jobId, first).phase;
    }

    function assertPhase(bytes32 jobId, uint32 first, IMarket.Phase phase) internal view {
        assertEq(uint8(phaseOf(jobId, first)), uint8(phase), "phase");
    }

    /// Asked of forge: the IR (`forge coverage --ir-minimum`) reads `block.timestamp` once in a test.
    function time() internal view returns (uint64) {
        return uint64(vm.getBlockTimestamp());
    }

    function assertProvider(address who, uint256 stake, uint256 free, uint32 completed, uint32 late)
        internal
        view
    {
        IMarket.ProviderState memory p = market.providerOf(who);
        assertEq(p.stake, stake, "stake");
        assertEq(p.free, free, "free");
        assertEq(p.completed, completed, "completed");
        assertEq(p.late, late, "late");
        assertEq(p.slashed, 0, "slashed");
    }
}
