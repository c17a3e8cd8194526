// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.23;

/// @title A taker that is a contract
/// @notice Escrows know this address as the taker; its owner's own account would meet InvalidCaller. Deposits
/// land here, hence the receive function.
/// @dev Operators are keys that may call but hold nothing: a machine's key can be one while the owner's stays
/// with the owner.
contract Resolver {
    error NotOwner();
    error LengthMismatch();

    address public immutable owner;
    mapping(address account => bool) public isOperator;

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner();
        _;
    }

    modifier onlyCaller() {
        if (msg.sender != owner && !isOperator[msg.sender]) revert NotOwner();
        _;
    }

    constructor(address owner_) payable {
        owner = owner_;
    }

    function setOperator(address account, bool operator) external onlyOwner {
        isOperator[account] = operator;
    }

    receive() external payable {}

    /// @notice Makes every call in turn, without value; the first that fails fails all, with its own reason.
    function arbitraryCalls(address[] calldata targets, bytes[] calldata arguments) external payable onlyCaller {
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
