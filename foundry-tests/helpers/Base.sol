// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Test} from "forge-std/Test.sol";
import {IBeacon} from "piecework/IBeacon.sol";
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

interface IBlockBeacon is IBeacon {
    function keep(uint64 id) external;
}

/// A market as it is deployed (its artifact, compiled through the IR) over a real `BlockBeacon`, a client with a funded
/// balance, two providers with stake that is old enough to be drawn, an operator of the first.
abstract contract Base is Test {
    uint256 internal constant MAX = type(uint96).max;
    uint128 internal constant UNIT = 1e18;
    uint16 internal constant FEE = 250;
    uint8 internal constant JURY = 3;

    IDevToken internal token;
    IBlockBeacon internal beacon;
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
    bytes32 internal constant DIGESTS = keccak256("digest list");

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        vm.roll(1000);
        token = IDevToken(deployCode("DevToken.sol:DevToken"));
        beacon = IBlockBeacon(deployCode("BlockBeacon.sol:BlockBeacon", abi.encode(uint16(2), uint64(60))));
        market = newMarket(address(token), governor, treasury, FEE);
        fund(client, 1000 * UNIT);
        stakeOf(alice, 100 * UNIT);
        stakeOf(bob, 100 * UNIT);
        vm.prank(alice);
        market.setOperator(operator, true);
        vm.warp(time() + times().stakeAge);
    }

    function newMarket(address token_, address governor_, address recipient, uint16 fee)
        internal
        returns (IMarket)
    {
        return newMarket(token_, address(beacon), governor_, recipient, fee, times(), false);
    }

    function newMarket(
        address token_,
        address beacon_,
        address governor_,
        address recipient,
        uint16 fee,
        IMarket.Times memory times_,
        bool devnet
    ) internal returns (IMarket) {
        return IMarket(
            deployCode(
                "Market.sol:Market", abi.encode(token_, beacon_, governor_, recipient, fee, times_, devnet)
            )
        );
    }

    /// The times of docs/PROTOCOL.md.
    function times() internal pure returns (IMarket.Times memory) {
        return IMarket.Times({
            stakeAge: 1 days,
            leaseStep: 60,
            juryStep: 10 minutes,
            juryTime: 1 hours,
            revealWindow: 6 hours,
            respondWindow: 24 hours,
            retryWindow: 1 days,
            leastAuditWindow: 2 hours,
            leastRunWindow: 60
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

    // ------------------------------------------------------------------ jobs

    /// A job of 10 tasks in leases of 2 to 4; 1 to 2 tokens, ramp of 1,000 s; bond 1 token; never audited.
    function aJob() internal view returns (IMarket.Job memory job) {
        job.terms = IMarket.Terms({
            client: client, nonce: 7, spec: keccak256(spec), tasks: 10, minLease: 2, maxLease: 4, providers: 0
        });
        job.assurance =
            IMarket.Assurance({replicas: 1, quorum: 1, auditBps: 0, refund: false, verifier: address(0)});
        job.price = IMarket.Price({minPrice: UNIT, maxPrice: 2 * UNIT, bond: UNIT, juryFee: 0});
        job.timing = IMarket.Timing({
            opensAt: time(), ramp: 1000, closesAt: time() + 10_000, runWindow: 800, auditWindow: 0
        });
    }

    /// `aJob` whose results are audited with the chance `bps`, by jurors that are paid a tenth of a token.
    function auditedJob(uint16 bps) internal view returns (IMarket.Job memory job) {
        job = aJob();
        job.assurance.auditBps = bps;
        job.price.juryFee = UNIT / 10;
        job.timing.auditWindow = 2 hours;
    }

    /// `aJob` in which `replicas` providers run each lease of 4, 4 and 2 tasks, for 2 tokens a task and seat.
    function redundantJob(uint8 replicas, uint8 quorum) internal view returns (IMarket.Job memory job) {
        job = aJob();
        (job.assurance.replicas, job.assurance.quorum) = (replicas, quorum);
        job.terms.minLease = job.terms.maxLease;
        job.price.minPrice = job.price.maxPrice;
        job.timing.ramp = 0;
    }

    function post(IMarket.Job memory job) internal returns (bytes32) {
        vm.prank(job.terms.client);
        return market.post(job, spec);
    }

    function claim(IMarket.Job memory job, address provider, uint32 count) internal returns (uint32 first) {
        vm.prank(provider);
        (first,) = market.claim(job, provider, count, count);
    }

    /// Submits for the lease's present round.
    function submit(IMarket.Job memory job, address provider, uint32 first) internal {
        submit(job, provider, first, ROOT);
    }

    function submit(IMarket.Job memory job, address provider, uint32 first, bytes32 root) internal {
        uint16 round = market.leaseOf(market.hashJob(job), first).round;
        vm.prank(provider);
        market.submit(job, first, round, provider, root, DIGESTS);
    }

    function finalize(IMarket.Job memory job, uint32 first) internal {
        market.finalize(job, list(first));
    }

    function close(IMarket.Job memory job, uint32 first) internal {
        market.close(job, list(first));
    }

    function list(uint32 one) internal pure returns (uint32[] memory firsts) {
        firsts = new uint32[](1);
        firsts[0] = one;
    }

    function list(uint32 one, uint32 two) internal pure returns (uint32[] memory firsts) {
        firsts = new uint32[](2);
        (firsts[0], firsts[1]) = (one, two);
    }

    /// Takes stake out, as if it had stood for its age.
    function unstake(address who, uint128 amount) internal {
        uint64 present = time();
        vm.warp(present + market.times().stakeAge);
        vm.prank(who);
        market.unstake(who, amount);
        vm.warp(present);
    }

    // ------------------------------------------------------------------ seeds

    /// Lets the chain come to the point's block, gives that the hash `seed`, and has it kept. Time moves to the point's
    /// nominal time if that has not come.
    function publish(uint64 point, bytes32 seed) internal {
        uint256 height = point & 0xffffff;
        if (block.number <= height) vm.roll(height + 1);
        uint64 nominal = beacon.timeOf(point);
        if (time() < nominal) vm.warp(nominal);
        vm.setBlockhash(height, seed);
        beacon.keep(point);
    }

    /// A seed with which chance decides that the lease is audited, or is not.
    function seedFor(IMarket.Job memory job, uint32 first, uint16 round, bool audited)
        internal
        view
        returns (bytes32 seed)
    {
        bytes32 jobId = market.hashJob(job);
        for (uint256 i = 1;; ++i) {
            seed = keccak256(abi.encode("seed", i));
            if ((coinOf(seed, jobId, first, round) < job.assurance.auditBps) == audited) return seed;
        }
    }

    /// The coin of docs/PROTOCOL.md, computed apart from the market.
    function coinOf(bytes32 seed, bytes32 jobId, uint32 first, uint16 round) internal view returns (uint256) {
        return drawHash(seed, 3, jobId, first, round, 0, address(0)) % 10_000;
    }

    /// The audited task, computed apart from the market.
    function auditedTask(bytes32 seed, bytes32 jobId, uint32 first, uint16 round, uint32 count)
        internal
        view
        returns (uint32)
    {
        return first + uint32(drawHash(seed, 4, jobId, first, round, 0, address(0)) % count);
    }

    function drawHash(
        bytes32 seed,
        uint8 kind,
        bytes32 jobId,
        uint32 first,
        uint16 round,
        uint32 task,
        address provider
    ) internal view returns (uint256) {
        return uint256(
            keccak256(
                abi.encode(block.chainid, address(market), seed, kind, jobId, first, round, task, provider)
            )
        );
    }

    // ------------------------------------------------------------------ seats

    bytes32 internal constant SALT = keccak256("salt");

    function numberOf(address who) internal view returns (uint32) {
        return market.providerOf(who).number;
    }

    /// What `who` commits to, computed apart from the market.
    function commitment(
        bytes32 jobId,
        uint32 first,
        uint16 round,
        uint8 kind,
        address who,
        bytes32 value,
        bytes32 proof
    ) internal view returns (bytes32) {
        return keccak256(abi.encode(jobId, first, round, kind, numberOf(who), value, proof, SALT));
    }

    /// The entry that opens `who`'s commitment.
    function opening(address who, bytes32 value, bytes32 proof)
        internal
        view
        returns (IMarket.Opening memory)
    {
        return IMarket.Opening({number: numberOf(who), value: value, proof: proof, salt: SALT});
    }

    /// The entry that names `who`'s seat and opens nothing.
    function naming(address who) internal view returns (IMarket.Opening memory) {
        return IMarket.Opening({number: numberOf(who), value: 0, proof: 0, salt: 0});
    }

    // ------------------------------------------------------------------ what stands

    function phaseOf(bytes32 jobId, uint32 first) internal view returns (IMarket.Phase) {
        return market.leaseOf(jobId, first).phase;
    }

    function assertPhase(bytes32 jobId, uint32 first, IMarket.Phase phase) internal view {
        assertEq(uint8(phaseOf(jobId, first)), uint8(phase), "phase");
    }

    function assertGrade(bytes32 jobId, uint32 first, IMarket.Grade grade) internal view {
        assertPhase(jobId, first, IMarket.Phase.Settled);
        assertEq(uint8(market.leaseOf(jobId, first).grade), uint8(grade), "grade");
    }

    /// The slot of the market that this view reads at `index`, wherever the layout has it: tests set what takes too long to reach.
    /// They must check that the view shows it.
    function slotReadBy(bytes memory view_, uint256 index) internal returns (bytes32) {
        vm.record();
        (bool ok,) = address(market).staticcall(view_);
        assertTrue(ok);
        (bytes32[] memory reads,) = vm.accesses(address(market));
        return reads[index];
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
