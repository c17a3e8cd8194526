// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.23;

import {Escrow, InvalidCaller} from "./Escrow.sol";

interface IResolverList {
    function isWhitelistedResolver(address resolver) external view returns (bool);
}

/// @title Public calls by permit: a listed resolver signs that a certain caller may do a certain thing
/// @notice Stands where 1inch has the access token. The permit is bound to escrow, chain, order, caller and
/// action (EIP-712), so it cannot be carried elsewhere.
abstract contract PublicActions is Escrow {
    bytes32 private constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant NAME = keccak256("BMN-Escrow");
    bytes32 private constant VERSION = keccak256("2.3");
    bytes32 private constant PUBLIC_ACTION = keccak256("PublicAction(bytes32 orderHash,address caller,string action)");

    /// @notice The hash a resolver signs to let `caller` do `action`.
    function hashPublicAction(bytes32 orderHash, address caller, string memory action) public view returns (bytes32) {
        bytes32 domain = keccak256(abi.encode(DOMAIN, NAME, VERSION, block.chainid, address(this)));
        bytes32 permit = keccak256(abi.encode(PUBLIC_ACTION, orderHash, caller, keccak256(bytes(action))));
        return keccak256(abi.encodePacked(hex"1901", domain, permit));
    }

    function _onlyPermitted(bytes32 orderHash, string memory action, bytes calldata signature) internal view {
        address signer = _recover(hashPublicAction(orderHash, msg.sender, action), signature);
        if (!IResolverList(FACTORY).isWhitelistedResolver(signer)) revert InvalidCaller();
    }

    /// @dev r, s, v with v 27 or 28. Anything else recovers to zero, whom nobody lists.
    function _recover(bytes32 hash, bytes calldata signature) private pure returns (address) {
        if (signature.length != 65) return address(0);
        return ecrecover(hash, uint8(signature[64]), bytes32(signature[:32]), bytes32(signature[32:64]));
    }
}
