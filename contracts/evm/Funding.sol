// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IMarket} from "./IMarket.sol";
import {IPermit2} from "./IPermit2.sol";
import {IERC3009} from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title Deposits by signature: ERC-3009 and Permit2
/// @notice Beside the market, without rights in it and without state: brings in tokens that their owner signed away, and
/// deposits them for the account that the owner signed for. Anyone may send the call and can change nothing about it.
/// Tokens sent here by mistake stay here.
/// @dev Between calls it holds nothing and has approved nothing.
contract Funding {
    using SafeERC20 for IERC20;

    /// @notice Uniswap's Permit2 has this address on every chain that has it.
    IPermit2 public constant PERMIT2 = IPermit2(0x000000000022D473030F116dDEE9F6B43aC78BA3);

    /// @dev EIP-712, what the owner signs within Permit2's message: the type, and as the end of that message's type.
    bytes32 private constant DEPOSIT_TYPEHASH = keccak256("Deposit(address market,address account)");
    string private constant WITNESS_TYPE =
        "Deposit witness)Deposit(address market,address account)TokenPermissions(address token,uint256 amount)";

    /// @notice The market that is funded.
    IMarket public immutable MARKET;
    IERC20 private immutable _TOKEN;

    /// @notice An ERC-3009 `ReceiveWithAuthorization` to this contract, with `nonceOf(account, salt)` as its nonce.
    /// @param from who signed and pays
    /// @param amount tokens
    /// @param validAfter it is valid after this time
    /// @param validBefore and before this
    /// @param salt any number not used with the account yet
    /// @param v signature
    /// @param r signature
    /// @param s signature
    struct Authorization {
        address from;
        uint128 amount;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 salt;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    /// @notice The token did not deliver what was signed.
    error FundingShort(uint256 expected, uint256 arrived);

    /// @param market the market that is funded
    constructor(IMarket market) {
        MARKET = market;
        _TOKEN = IERC20(market.token());
    }

    /// @notice Deposits by an ERC-3009 authorization, which can credit no other account: that is in its nonce.
    /// @param account whose ledger grows
    /// @param signed what the owner signed
    function depositWithAuthorization(address account, Authorization calldata signed) external {
        uint256 before = _TOKEN.balanceOf(address(this));
        IERC3009(address(_TOKEN))
            .receiveWithAuthorization(
                signed.from,
                address(this),
                signed.amount,
                signed.validAfter,
                signed.validBefore,
                nonceOf(account, signed.salt),
                signed.v,
                signed.r,
                signed.s
            );
        _deposit(account, signed.amount, before);
    }

    /// @notice Deposits by a Permit2 signature for this contract as spender, with the witness
    /// `Deposit(address market,address account)`. The owner has approved Permit2 once.
    /// @param owner who signed and pays
    /// @param account whose ledger grows
    /// @param amount tokens, exactly what the permit allows
    /// @param nonce Permit2's
    /// @param deadline Permit2's
    /// @param signature the owner's, by key or by ERC-1271
    function depositWithPermit2(
        address owner,
        address account,
        uint128 amount,
        uint256 nonce,
        uint256 deadline,
        bytes calldata signature
    ) external {
        uint256 before = _TOKEN.balanceOf(address(this));
        PERMIT2.permitWitnessTransferFrom(
            IPermit2.PermitTransferFrom(IPermit2.TokenPermissions(address(_TOKEN), amount), nonce, deadline),
            IPermit2.SignatureTransferDetails(address(this), amount),
            owner,
            keccak256(abi.encode(DEPOSIT_TYPEHASH, MARKET, account)),
            WITNESS_TYPE,
            signature
        );
        _deposit(account, amount, before);
    }

    /// @notice The nonce of an ERC-3009 authorization that credits `account` and nobody else.
    /// @param account whose ledger grows
    /// @param salt any number
    function nonceOf(address account, bytes32 salt) public view returns (bytes32) {
        return keccak256(abi.encode(MARKET, account, salt));
    }

    /// @dev Passes on what came in, all of it and not more.
    function _deposit(address account, uint128 amount, uint256 before) private {
        uint256 afterwards = _TOKEN.balanceOf(address(this));
        if (afterwards != before + amount) {
            revert FundingShort(amount, afterwards > before ? afterwards - before : 0);
        }
        _TOKEN.forceApprove(address(MARKET), amount);
        MARKET.deposit(account, amount);
    }
}
