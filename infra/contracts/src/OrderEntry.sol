// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.23;

import {DstImmutablesComplement, addressIn} from "./Immutables.sol";
import {Payments} from "./Payments.sol";

/// @notice What remains of a limit order once all about prices and signatures is left out.
struct Fill {
    bytes32 orderHash;
    bytes32 hashlock;
    uint256 maker;
    uint256 token;
    uint256 amount;
    uint256 safetyDeposit;
    uint256 timelocks; // as the family's factory expects it; deployedAt is the block's in any case
    DstImmutablesComplement dst;
}

interface IOrderFactory {
    /// @notice The escrow that `orderFilled` would create in this very block.
    function srcEscrowOf(Fill calldata fill, address taker) external view returns (address);

    /// @notice Creates the src leg of a filled order and announces it.
    function orderFilled(Fill calldata fill, address taker) external returns (address escrow);
}

/// @title Stand-in for a limit order protocol
/// @notice Filling an order makes the caller its taker. The maker's consent is his token allowance to this
/// contract; there are no signatures because only local chains know it.
contract OrderEntry {
    /// @dev Money moves before the escrow exists, as with the genuine protocol. `msg.value` becomes the safety
    /// deposit; it may be zero if the deposit waits at the computed address already, or never comes.
    function fill(IOrderFactory factory, Fill calldata order) external payable returns (address escrow) {
        escrow = factory.srcEscrowOf(order, msg.sender);
        Payments.pull(addressIn(order.token), addressIn(order.maker), escrow, order.amount);
        if (msg.value > 0) Payments.payNative(escrow, msg.value);
        factory.orderFilled(order, msg.sender);
    }
}
