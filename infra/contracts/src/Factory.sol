// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.23;

import {Clones} from "./Clones.sol";
import {Fill, IOrderFactory} from "./OrderEntry.sol";
import {Immutables, addressIn, wordOf} from "./Immutables.sol";
import {IERC20, Payments} from "./Payments.sol";
import {Stage, Timelocks} from "./Timelocks.sol";

/// @notice Too little (1inch: anything but the exact sum) reached the new escrow.
error InsufficientEscrowBalance();
/// @notice The dst leg could still be withdrawn when, by the creator's own word, src can be cancelled.
error InvalidCreationTime();
/// @notice Source legs of an order are made by filling that order.
error OnlyOrderEntry();

/// @title What the factories of all families share: two implementations and the address formula
abstract contract Factory is IOrderFactory {
    address public immutable ESCROW_SRC_IMPLEMENTATION;
    address public immutable ESCROW_DST_IMPLEMENTATION;
    /// @notice The one contract that may report filled orders.
    address public immutable ORDER_ENTRY;

    constructor(address src, address dst, address orderEntry) {
        ESCROW_SRC_IMPLEMENTATION = src;
        ESCROW_DST_IMPLEMENTATION = dst;
        ORDER_ENTRY = orderEntry;
    }

    modifier onlyOrderEntry() {
        if (msg.sender != ORDER_ENTRY) revert OnlyOrderEntry();
        _;
    }

    /// @dev The immutables hash as the family defines it.
    function _salt(Immutables memory leg) internal pure virtual returns (bytes32);

    /// @dev The word that goes into a filled order's src leg, deployedAt included.
    function _srcTimelocks(uint256 agreed) internal view virtual returns (uint256) {
        return Timelocks.withDeployedAt(agreed, block.timestamp);
    }

    function _srcLeg(Fill calldata fill, address taker) internal view returns (Immutables memory) {
        return Immutables({
            orderHash: fill.orderHash,
            hashlock: fill.hashlock,
            maker: fill.maker,
            taker: wordOf(taker),
            token: fill.token,
            amount: fill.amount,
            safetyDeposit: fill.safetyDeposit,
            timelocks: _srcTimelocks(fill.timelocks),
            parameters: ""
        });
    }

    /// @inheritdoc IOrderFactory
    function srcEscrowOf(Fill calldata fill, address taker) external view returns (address) {
        return _addressOf(ESCROW_SRC_IMPLEMENTATION, _srcLeg(fill, taker));
    }

    function _addressOf(address implementation, Immutables memory leg) internal view returns (address) {
        return Clones.predict(address(this), _salt(leg), keccak256(Clones.initCode(implementation)));
    }
}

/// @title The 1inch way to create escrows: strict about money, and the factory's clock is the only one
abstract contract OneInchFactory is Factory {
    using Timelocks for uint256;

    /// @dev taker is the raw word, dirt included; nothing is indexed.
    event DstEscrowCreated(address escrow, bytes32 hashlock, uint256 taker);

    /// @dev Tokens and deposit were moved to the computed address beforehand; here they are only counted.
    function _createSrc(Immutables memory leg) internal returns (address escrow) {
        escrow = Clones.deploy(ESCROW_SRC_IMPLEMENTATION, _salt(leg), 0);
        if (
            escrow.balance < leg.safetyDeposit || IERC20(addressIn(leg.token)).balanceOf(escrow) < leg.amount
        ) revert InsufficientEscrowBalance();
    }

    /// @notice Open to anyone, for any taker: an escrow made here proves nothing about a swap.
    /// @dev srcCancellation is the creator's claim; nobody compares it with the src leg.
    function _createDst(Immutables memory leg, uint256 srcCancellation) internal {
        address token = addressIn(leg.token);
        uint256 native = leg.safetyDeposit + (token == address(0) ? leg.amount : 0);
        if (msg.value != native) revert InsufficientEscrowBalance();
        leg.timelocks = leg.timelocks.withDeployedAt(block.timestamp);
        if (leg.timelocks.start(Stage.DstCancellation) > srcCancellation) revert InvalidCreationTime();

        address escrow = Clones.deploy(ESCROW_DST_IMPLEMENTATION, _salt(leg), msg.value);
        if (token != address(0)) Payments.pull(token, msg.sender, escrow, leg.amount);
        emit DstEscrowCreated(escrow, leg.hashlock, leg.taker);
    }
}
