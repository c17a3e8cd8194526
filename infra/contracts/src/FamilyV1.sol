// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.23;

import {Escrow} from "./Escrow.sol";
import {EscrowDstNarrow} from "./EscrowDst.sol";
import {EscrowSrcNarrow} from "./EscrowSrc.sol";
import {Factory, OneInchFactory} from "./Factory.sol";
import {
    DstImmutablesComplementV1, Immutables, ImmutablesV1, narrow, saltV1, widen
} from "./Immutables.sol";
import {Fill} from "./OrderEntry.sol";
import {IERC20} from "./Payments.sol";

// Family 1inch-v1: eight words, no parameters.

contract EscrowSrcV1 is EscrowSrcNarrow {
    constructor(address factory, IERC20 accessToken, uint32 rescueDelay) Escrow(factory, accessToken, rescueDelay) {}

    function _salt(Immutables memory leg) internal pure override returns (bytes32) {
        return saltV1(leg);
    }
}

contract EscrowDstV1 is EscrowDstNarrow {
    constructor(address factory, IERC20 accessToken, uint32 rescueDelay) Escrow(factory, accessToken, rescueDelay) {}

    function _salt(Immutables memory leg) internal pure override returns (bytes32) {
        return saltV1(leg);
    }
}

contract FactoryV1 is OneInchFactory {
    event SrcEscrowCreated(ImmutablesV1 srcImmutables, DstImmutablesComplementV1 dstImmutablesComplement);

    /// @param src implementation that exists already, or zero to make one; `dst` alike
    constructor(address src, address dst, address orderEntry, IERC20 accessToken, uint32 rescueDelay)
        Factory(
            src == address(0) ? address(new EscrowSrcV1(address(this), accessToken, rescueDelay)) : src,
            dst == address(0) ? address(new EscrowDstV1(address(this), accessToken, rescueDelay)) : dst,
            orderEntry
        )
    {}

    function orderFilled(Fill calldata fill, address taker) external onlyOrderEntry returns (address escrow) {
        Immutables memory leg = _srcLeg(fill, taker);
        emit SrcEscrowCreated(narrow(leg), narrow(fill.dst));
        escrow = _createSrc(leg);
    }

    function createDstEscrow(ImmutablesV1 calldata dstImmutables, uint256 srcCancellationTimestamp) external payable {
        _createDst(widen(dstImmutables), srcCancellationTimestamp);
    }

    function addressOfEscrowSrc(ImmutablesV1 calldata immutables) external view returns (address) {
        return _addressOf(ESCROW_SRC_IMPLEMENTATION, widen(immutables));
    }

    function addressOfEscrowDst(ImmutablesV1 calldata immutables) external view returns (address) {
        return _addressOf(ESCROW_DST_IMPLEMENTATION, widen(immutables));
    }

    function _salt(Immutables memory leg) internal pure override returns (bytes32) {
        return saltV1(leg);
    }
}
