// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.23;

import {Escrow} from "./Escrow.sol";
import {Immutables, ImmutablesV1, addressIn, widen} from "./Immutables.sol";
import {Payments} from "./Payments.sol";
import {Stage, Timelocks} from "./Timelocks.sol";

/// @title The rules of a destination leg: it holds the taker's tokens, for the maker once the secret is shown
/// @dev There is no public cancellation here: the tokens are the taker's own, so only he is in a hurry.
abstract contract EscrowDst is Escrow {
    using Timelocks for uint256;

    /// @dev Check order: caller, time, immutables, secret.
    function _withdraw(bytes32 secret, Immutables memory leg) internal {
        _onlyTaker(leg);
        _onlyFrom(leg.timelocks.start(Stage.DstWithdrawal));
        _onlyBefore(leg.timelocks.start(Stage.DstCancellation));
        _release(secret, leg);
    }

    function _publicWithdraw(bytes32 secret, Immutables memory leg) internal {
        _onlyAccessTokenHolder();
        _publicWithdrawalTime(leg);
        _release(secret, leg);
    }

    /// @dev Check order differs from every other call: caller, immutables, time.
    function _cancel(Immutables memory leg) internal {
        _onlyTaker(leg);
        _onlyValid(leg);
        _cancellationTime(leg);
        _giveBack(leg);
    }

    function _publicWithdrawalTime(Immutables memory leg) internal view {
        _onlyFrom(leg.timelocks.start(Stage.DstPublicWithdrawal));
        _onlyBefore(leg.timelocks.start(Stage.DstCancellation));
    }

    function _cancellationTime(Immutables memory leg) internal view {
        _onlyFrom(leg.timelocks.start(Stage.DstCancellation));
    }

    function _release(bytes32 secret, Immutables memory leg) internal {
        _onlyValid(leg);
        _onlySecret(leg, secret);
        _payMaker(leg);
        _payDeposit(leg);
        emit EscrowWithdrawal(secret);
    }

    /// @dev Whoever calls this has to have proven the immutables, or accepts to pay anybody.
    function _giveBack(Immutables memory leg) internal {
        Payments.pay(addressIn(leg.token), addressIn(leg.taker), leg.amount);
        _payDeposit(leg);
        emit EscrowCancelled();
    }

    /// @dev Families with fees pay others first.
    function _payMaker(Immutables memory leg) internal virtual {
        Payments.pay(addressIn(leg.token), addressIn(leg.maker), leg.amount);
    }
}

/// @notice The calls of a destination leg whose immutables are eight words.
abstract contract EscrowDstNarrow is EscrowDst {
    function withdraw(bytes32 secret, ImmutablesV1 calldata immutables) external {
        _withdraw(secret, widen(immutables));
    }

    function publicWithdraw(bytes32 secret, ImmutablesV1 calldata immutables) external {
        _publicWithdraw(secret, widen(immutables));
    }

    function cancel(ImmutablesV1 calldata immutables) external {
        _cancel(widen(immutables));
    }

    function rescueFunds(address token, uint256 amount, ImmutablesV1 calldata immutables) external {
        _rescue(token, amount, widen(immutables));
    }
}

/// @notice The calls of a destination leg whose immutables carry parameters.
abstract contract EscrowDstWide is EscrowDst {
    function withdraw(bytes32 secret, Immutables calldata immutables) external {
        _withdraw(secret, immutables);
    }

    function publicWithdraw(bytes32 secret, Immutables calldata immutables) external {
        _publicWithdraw(secret, immutables);
    }

    function cancel(Immutables calldata immutables) external {
        _cancel(immutables);
    }

    function rescueFunds(address token, uint256 amount, Immutables calldata immutables) external {
        _rescue(token, amount, immutables);
    }
}
