// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.23;

import {Escrow} from "./Escrow.sol";
import {EscrowDstWide} from "./EscrowDst.sol";
import {EscrowSrcWide} from "./EscrowSrc.sol";
import {Factory, OneInchFactory} from "./Factory.sol";
import {DstImmutablesComplement, Immutables, addressIn, saltV11} from "./Immutables.sol";
import {Fill} from "./OrderEntry.sol";
import {IERC20, Payments} from "./Payments.sol";

/// @notice The parameters end before the word that is needed.
error IndexOutOfRange();

// Family 1inch-v1.1: parameters, and with them fees on the destination leg.

contract EscrowSrcV11 is EscrowSrcWide {
    constructor(address factory, IERC20 accessToken, uint32 rescueDelay) Escrow(factory, accessToken, rescueDelay) {}

    function _salt(Immutables memory leg) internal pure override returns (bytes32) {
        return saltV11(leg);
    }
}

contract EscrowDstV11 is EscrowDstWide {
    // Words of the parameters.
    uint256 private constant PROTOCOL_FEE = 0;
    uint256 private constant INTEGRATOR_FEE = 1;
    uint256 private constant PROTOCOL_FEE_RECIPIENT = 2;
    uint256 private constant INTEGRATOR_FEE_RECIPIENT = 3;

    constructor(address factory, IERC20 accessToken, uint32 rescueDelay) Escrow(factory, accessToken, rescueDelay) {}

    /// @dev Both fee words must be there even when no fee is due: with shorter parameters the leg can only be
    /// cancelled. A recipient's word is read only for a fee above zero.
    function _payMaker(Immutables memory leg) internal override {
        address token = addressIn(leg.token);
        uint256 protocolFee = _parameter(leg, PROTOCOL_FEE);
        uint256 integratorFee = _parameter(leg, INTEGRATOR_FEE);
        if (integratorFee > 0) Payments.pay(token, addressIn(_parameter(leg, INTEGRATOR_FEE_RECIPIENT)), integratorFee);
        if (protocolFee > 0) Payments.pay(token, addressIn(_parameter(leg, PROTOCOL_FEE_RECIPIENT)), protocolFee);
        Payments.pay(token, addressIn(leg.maker), leg.amount - integratorFee - protocolFee);
    }

    function _parameter(Immutables memory leg, uint256 index) private pure returns (uint256 word) {
        bytes memory parameters = leg.parameters;
        if (parameters.length < (index + 1) * 32) revert IndexOutOfRange();
        assembly ("memory-safe") {
            word := mload(add(add(parameters, 32), mul(index, 32)))
        }
    }

    function _salt(Immutables memory leg) internal pure override returns (bytes32) {
        return saltV11(leg);
    }
}

contract FactoryV11 is OneInchFactory {
    event SrcEscrowCreated(Immutables srcImmutables, DstImmutablesComplement dstImmutablesComplement);

    /// @param src implementation that exists already, or zero to make one; `dst` alike
    constructor(address src, address dst, address orderEntry, IERC20 accessToken, uint32 rescueDelay)
        Factory(
            src == address(0) ? address(new EscrowSrcV11(address(this), accessToken, rescueDelay)) : src,
            dst == address(0) ? address(new EscrowDstV11(address(this), accessToken, rescueDelay)) : dst,
            orderEntry
        )
    {}

    function orderFilled(Fill calldata fill, address taker) external onlyOrderEntry returns (address escrow) {
        Immutables memory leg = _srcLeg(fill, taker);
        emit SrcEscrowCreated(leg, fill.dst);
        escrow = _createSrc(leg);
    }

    function createDstEscrow(Immutables calldata dstImmutables, uint256 srcCancellationTimestamp) external payable {
        _createDst(dstImmutables, srcCancellationTimestamp);
    }

    function addressOfEscrowSrc(Immutables calldata immutables) external view returns (address) {
        return _addressOf(ESCROW_SRC_IMPLEMENTATION, immutables);
    }

    function addressOfEscrowDst(Immutables calldata immutables) external view returns (address) {
        return _addressOf(ESCROW_DST_IMPLEMENTATION, immutables);
    }

    function _salt(Immutables memory leg) internal pure override returns (bytes32) {
        return saltV11(leg);
    }
}
