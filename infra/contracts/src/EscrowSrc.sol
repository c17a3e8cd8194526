// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.23;

import {Escrow} from "./Escrow.sol";
import {Immutables, ImmutablesV1, addressIn, widen} from "./Immutables.sol";
import {Payments} from "./Payments.sol";
import {Stage, Timelocks} from "./Timelocks.sol";

/// @title The rules of a source leg: it holds the maker's tokens until the secret is shown or time runs out
/// @dev Check order everywhere: caller, time, immutables, secret. So a wrong time hides wrong immutables.
abstract contract EscrowSrc is Escrow {
    using Timelocks for uint256;

    function _withdraw(bytes32 secret, address target, Immutables memory leg) internal {
        _onlyTaker(leg);
        _onlyFrom(leg.timelocks.start(Stage.SrcWithdrawal));
        _onlyBefore(leg.timelocks.start(Stage.SrcCancellation));
        _release(secret, target, leg);
    }

    /// @dev Anyone entrusted may finish the leg for the taker and earn the deposit.
    function _publicWithdraw(bytes32 secret, Immutables memory leg) internal {
        _onlyAccessTokenHolder();
        _publicWithdrawalTime(leg);
        _release(secret, addressIn(leg.taker), leg);
    }

    function _cancel(Immutables memory leg) internal {
        _onlyTaker(leg);
        _onlyFrom(leg.timelocks.start(Stage.SrcCancellation));
        _giveBack(leg);
    }

    function _publicCancel(Immutables memory leg) internal {
        _onlyAccessTokenHolder();
        _publicCancellationTime(leg);
        _giveBack(leg);
    }

    function _publicWithdrawalTime(Immutables memory leg) internal view {
        _onlyFrom(leg.timelocks.start(Stage.SrcPublicWithdrawal));
        _onlyBefore(leg.timelocks.start(Stage.SrcCancellation));
    }

    function _publicCancellationTime(Immutables memory leg) internal view {
        _onlyFrom(leg.timelocks.start(Stage.SrcPublicCancellation));
    }

    function _release(bytes32 secret, address target, Immutables memory leg) internal {
        _onlyValid(leg);
        _onlySecret(leg, secret);
        Payments.payToken(addressIn(leg.token), target, leg.amount);
        _payDeposit(leg);
        emit EscrowWithdrawal(secret);
    }

    function _giveBack(Immutables memory leg) internal {
        _onlyValid(leg);
        Payments.payToken(addressIn(leg.token), addressIn(leg.maker), leg.amount);
        _payDeposit(leg);
        emit EscrowCancelled();
    }
}

/// @notice The calls of a source leg whose immutables are eight words.
abstract contract EscrowSrcNarrow is EscrowSrc {
    function withdraw(bytes32 secret, ImmutablesV1 calldata immutables) external {
        _withdraw(secret, msg.sender, widen(immutables));
    }

    function withdrawTo(bytes32 secret, address target, ImmutablesV1 calldata immutables) external {
        _withdraw(secret, target, widen(immutables));
    }

    function publicWithdraw(bytes32 secret, ImmutablesV1 calldata immutables) external {
        _publicWithdraw(secret, widen(immutables));
    }

    function cancel(ImmutablesV1 calldata immutables) external {
        _cancel(widen(immutables));
    }

    function publicCancel(ImmutablesV1 calldata immutables) external {
        _publicCancel(widen(immutables));
    }

    function rescueFunds(address token, uint256 amount, ImmutablesV1 calldata immutables) external {
        _rescue(token, amount, widen(immutables));
    }
}

/// @notice The calls of a source leg whose immutables carry parameters.
abstract contract EscrowSrcWide is EscrowSrc {
    function withdraw(bytes32 secret, Immutables calldata immutables) external {
        _withdraw(secret, msg.sender, immutables);
    }

    function withdrawTo(bytes32 secret, address target, Immutables calldata immutables) external {
        _withdraw(secret, target, immutables);
    }

    function publicWithdraw(bytes32 secret, Immutables calldata immutables) external {
        _publicWithdraw(secret, immutables);
    }

    function cancel(Immutables calldata immutables) external {
        _cancel(immutables);
    }

    function publicCancel(Immutables calldata immutables) external {
        _publicCancel(immutables);
    }

    function rescueFunds(address token, uint256 amount, Immutables calldata immutables) external {
        _rescue(token, amount, immutables);
    }
}
