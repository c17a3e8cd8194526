// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.23;

import {Clones} from "./Clones.sol";
import {Immutables, addressIn} from "./Immutables.sol";
import {IERC20, Payments} from "./Payments.sol";
import {Timelocks} from "./Timelocks.sol";

error InvalidCaller();
error InvalidTime();
error InvalidImmutables();
error InvalidSecret();

/// @title What both legs of all families share: four checks, two payments, three events
/// @notice This code runs inside clones (delegatecall), so `address(this)` is the escrow. It keeps no state:
/// "done already" shows only as missing funds.
/// @dev Deliberately no receive function: an escrow has its deposit when it is created or never.
abstract contract Escrow {
    event EscrowWithdrawal(bytes32 secret);
    event EscrowCancelled();
    event FundsRescued(address token, uint256 amount);

    /// @notice The factory whose clones these are. Deployed with a wrong one, no immutables are ever valid.
    address public immutable FACTORY;
    /// @notice Seconds after deployedAt from which the taker may take whatever is left.
    uint256 public immutable RESCUE_DELAY;
    /// @notice Hash of the clones' init code, the last ingredient of their address.
    bytes32 public immutable PROXY_BYTECODE_HASH;
    IERC20 internal immutable _ACCESS_TOKEN;

    /// @param accessToken zero where the family has no such token; public calls then revert without a reason,
    /// because there is no contract to ask
    constructor(address factory, IERC20 accessToken, uint32 rescueDelay) {
        FACTORY = factory;
        RESCUE_DELAY = rescueDelay;
        PROXY_BYTECODE_HASH = keccak256(Clones.initCode(address(this)));
        _ACCESS_TOKEN = accessToken;
    }

    /// @dev The immutables hash as the family defines it.
    function _salt(Immutables memory leg) internal pure virtual returns (bytes32);

    function _onlyTaker(Immutables memory leg) internal view {
        if (msg.sender != addressIn(leg.taker)) revert InvalidCaller();
    }

    function _onlyAccessTokenHolder() internal view {
        if (_ACCESS_TOKEN.balanceOf(msg.sender) == 0) revert InvalidCaller();
    }

    /// @dev Windows are half-open: `start` belongs to them, `stop` no longer does.
    function _onlyFrom(uint256 start) internal view {
        if (block.timestamp < start) revert InvalidTime();
    }

    function _onlyBefore(uint256 stop) internal view {
        if (block.timestamp >= stop) revert InvalidTime();
    }

    function _onlyValid(Immutables memory leg) internal view {
        if (Clones.predict(FACTORY, _salt(leg), PROXY_BYTECODE_HASH) != address(this)) revert InvalidImmutables();
    }

    function _onlySecret(Immutables memory leg, bytes32 secret) internal pure {
        if (keccak256(abi.encode(secret)) != leg.hashlock) revert InvalidSecret();
    }

    /// @dev Tokens first, so that a leg without tokens answers with the token's failure.
    function _payDeposit(Immutables memory leg) internal {
        Payments.payNative(msg.sender, leg.safetyDeposit);
    }

    /// @dev Check order: caller, immutables, time.
    function _rescue(address token, uint256 amount, Immutables memory leg) internal {
        _onlyTaker(leg);
        _onlyValid(leg);
        _onlyFrom(Timelocks.deployedAt(leg.timelocks) + RESCUE_DELAY);
        Payments.pay(token, msg.sender, amount);
        emit FundsRescued(token, amount);
    }
}
