// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Vm} from "forge-std/Vm.sol";
import {IMarket} from "piecework/IMarket.sol";
import {Bls12381} from "piecework/beacons/Bls12381.sol";
import {Quicknet} from "piecework/beacons/Quicknet.sol";

/// @title Deploys a beacon and a market, at the same addresses as `piecework market deploy`
/// @notice The code is that of contracts/abi, which `scripts/abi --check` holds equal to what the sources compile to. The terms are
/// variables of the environment, with the defaults of the command:
///
/// | variable | |
/// | --- | --- |
/// | `TOKEN` | the ERC-20 token (required) |
/// | `BEACON` | `drand` (default), `block`, or the address of a beacon |
/// | `GOVERNOR`, `FEE_RECIPIENT`, `FEE_BPS` | the fee; none otherwise |
/// | `STAKE_AGE`, `LEASE_STEP`, `JURY_STEP`, `JURY_TIME`, `REVEAL_WINDOW`, `RESPOND_WINDOW`, `RETRY_WINDOW`, `LEAST_AUDIT_WINDOW`, `LEAST_RUN_WINDOW` | times in seconds |
/// | `DEVNET`, `TRUST_BLOCK_BUILDERS` | `true` or `false` |
/// | `SALT` | 32 bytes; zero otherwise |
///
///     TOKEN=0x... forge script foundry-tests/scripts/Deploy.s.sol --rpc-url https://... --account deployer --broadcast
///
/// Without `--broadcast` nothing is sent. What is there already is used. Then `piecework market deploy` with the same terms sends
/// nothing, checks all that it checks, and writes the deployment file.
contract Deploy {
    /// @notice The chain lacks the deterministic deployment proxy.
    error NoFactory();
    /// @notice There is no ERC-20 token at this address.
    error NotAToken(address token);
    /// @notice The chain lacks the precompiles of EIP-2537: see docs/CHAINS.md.
    error NoEip2537();
    /// @notice Block hashes are no seeds on Arbitrum: see docs/CHAINS.md.
    error Arbitrum();
    /// @notice Block builders choose block hashes: set `TRUST_BLOCK_BUILDERS` if the market's users trust them.
    error UntrustedBuilders();
    /// @notice The constructor refused its arguments, or had too little gas.
    error NotDeployed(string name);

    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    address private constant FACTORY = 0x4e59b44847b379578588920cA78FbF26c0B4956C;
    bytes32 private constant FACTORY_CODE =
        0x2fa86add0aed31f33a762c9d88e807c475bd51d0f52bd0955754b2608f7e4989;

    /// @notice Deploys what is missing.
    function run()
        external
        returns (address beacon, address market, bytes32 beaconInitCodeHash, bytes32 marketInitCodeHash)
    {
        if (FACTORY.codehash != FACTORY_CODE) revert NoFactory();
        address token = VM.envAddress("TOKEN");
        (bool answers, bytes memory decimals) = token.staticcall(abi.encodeWithSignature("decimals()"));
        if (token.code.length == 0 || !answers || decimals.length != 32) revert NotAToken(token);
        bytes32 salt = VM.envOr("SALT", bytes32(0));
        bool devnet = VM.envOr("DEVNET", false);

        (beacon, beaconInitCodeHash) = _beacon(salt, devnet);
        (market, marketInitCodeHash) = _make("Market", salt, _marketArguments(token, beacon, devnet));
    }

    function _marketArguments(address token, address beacon, bool devnet)
        private
        view
        returns (bytes memory)
    {
        address governor = VM.envOr("GOVERNOR", address(0));
        address recipient = VM.envOr("FEE_RECIPIENT", address(0));
        return
            abi.encode(token, beacon, governor, recipient, VM.envOr("FEE_BPS", uint256(0)), _times(), devnet);
    }

    /// @dev Makes the beacon, or takes the one that is named.
    function _beacon(bytes32 salt, bool devnet) private returns (address, bytes32) {
        string memory kind = VM.envOr("BEACON", string("drand"));
        bytes32 hash = keccak256(bytes(kind));
        if (hash == keccak256("drand")) {
            // The product of pairings with infinity is 1. The node is asked, because forge's own EVM has the precompiles.
            bytes memory pair = bytes.concat(new bytes(Bls12381.G1_LENGTH), Bls12381.NEGATED_G2);
            bytes memory one = _ask(address(0x0f), pair);
            if (one.length != 32 || abi.decode(one, (uint256)) != 1) revert NoEip2537();
            return _make(
                "DrandBeacon",
                salt,
                abi.encode(Quicknet.PUBLIC_KEY, Quicknet.GENESIS, Quicknet.PERIOD, uint64(60), uint64(60))
            );
        }
        if (hash != keccak256("block")) return (VM.parseAddress(kind), 0);
        if (_ask(address(0x64), abi.encodeWithSignature("arbBlockNumber()")).length == 32) revert Arbitrum();
        if (!devnet && !VM.envOr("TRUST_BLOCK_BUILDERS", false)) revert UntrustedBuilders();
        return _make("BlockBeacon", salt, abi.encode(uint16(2), uint64(devnet ? 1 : 12)));
    }

    /// @dev The times of `TIMES` in sdk/core/src/rules/times.rs.
    function _times() private view returns (IMarket.Times memory) {
        return IMarket.Times({
            stakeAge: _seconds("STAKE_AGE", 1 days),
            leaseStep: _seconds("LEASE_STEP", 60),
            juryStep: _seconds("JURY_STEP", 10 minutes),
            juryTime: _seconds("JURY_TIME", 1 hours),
            revealWindow: _seconds("REVEAL_WINDOW", 6 hours),
            respondWindow: _seconds("RESPOND_WINDOW", 1 days),
            retryWindow: _seconds("RETRY_WINDOW", 1 days),
            leastAuditWindow: _seconds("LEAST_AUDIT_WINDOW", 2 hours),
            leastRunWindow: _seconds("LEAST_RUN_WINDOW", 60)
        });
    }

    function _seconds(string memory name, uint256 otherwise) private view returns (uint64) {
        // forge-lint: disable-next-line(unsafe-typecast): the market refuses all that are not far shorter.
        return uint64(VM.envOr(name, otherwise));
    }

    /// @dev Makes a contract of contracts/abi through the factory, unless it is there.
    function _make(string memory name, bytes32 salt, bytes memory arguments)
        private
        returns (address made, bytes32 initCodeHash)
    {
        string memory artifact = VM.readFile(string.concat("contracts/abi/", name, ".json"));
        bytes memory initCode = bytes.concat(VM.parseJsonBytes(artifact, ".bytecode"), arguments);
        initCodeHash = keccak256(initCode);
        made = VM.computeCreate2Address(salt, initCodeHash, FACTORY);
        if (made.code.length != 0) return (made, initCodeHash);
        VM.broadcast();
        (bool ok,) = FACTORY.call(bytes.concat(salt, initCode));
        if (!ok || made.code.length == 0) revert NotDeployed(name);
    }

    /// @dev What the node says that a contract answers; nothing if it refuses.
    function _ask(address to, bytes memory input) private returns (bytes memory) {
        string memory call =
            string.concat('[{"to":"', VM.toString(to), '","data":"', VM.toString(input), '"},"latest"]');
        try VM.rpc("eth_call", call) returns (bytes memory answer) {
            return answer;
        } catch {
            return "";
        }
    }
}
