// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.23;

/// @title A taker that is a contract
/// @notice Escrows know this address as the taker; its owner's own account would meet InvalidCaller. Deposits
/// land here, hence the receive function.
contract Resolver {
    error NotOwner();
    error LengthMismatch();

    address public immutable owner;

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner();
        _;
    }

    constructor(address owner_) payable {
        owner = owner_;
    }

    receive() external payable {}

    /// @notice Makes every call in turn, without value; the first that fails fails all, with its own reason.
    function arbitraryCalls(address[] calldata targets, bytes[] calldata arguments) external payable onlyOwner {
        if (targets.length != arguments.length) revert LengthMismatch();
        for (uint256 i = 0; i < targets.length; ++i) {
            _call(targets[i], 0, arguments[i]);
        }
    }

    /// @notice One call with value, as creating a funded escrow needs it.
    function exec(address target, uint256 value, bytes calldata arguments) external payable onlyOwner {
        _call(target, value, arguments);
    }

    function _call(address target, uint256 value, bytes calldata arguments) private {
        (bool ok, bytes memory answer) = target.call{value: value}(arguments);
        if (ok) return;
        assembly ("memory-safe") {
            revert(add(answer, 32), mload(answer))
        }
    }
}
