// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.23;

/// @notice The chain refused to create the clone; usually one with these immutables exists already.
error FailedDeployment();

/// @title Minimal proxies (EIP-1167) at addresses that anyone can compute beforehand (CREATE2)
/// @dev The safety deposit of a src leg is sent to the computed address before the clone exists, which is
/// why the address may depend on nothing but factory, implementation and immutables.
library Clones {
    /// @notice Ten bytes that deploy the runtime, then the runtime: forward all calldata to `implementation`.
    function initCode(address implementation) internal pure returns (bytes memory) {
        return abi.encodePacked(
            hex"3d602d80600a3d3981f3363d3d373d3d3d363d73", implementation, hex"5af43d82803e903d91602b57fd5bf3"
        );
    }

    function predict(address factory, bytes32 salt, bytes32 initCodeHash) internal pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encodePacked(hex"ff", factory, salt, initCodeHash)))));
    }

    /// @notice Creates the clone and hands it `value` wei in the same breath; it accepts none later.
    function deploy(address implementation, bytes32 salt, uint256 value) internal returns (address clone) {
        bytes memory code = initCode(implementation);
        assembly ("memory-safe") {
            clone := create2(value, add(code, 32), mload(code), salt)
        }
        if (clone == address(0)) revert FailedDeployment();
    }
}
