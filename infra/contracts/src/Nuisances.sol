// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.23;

/// @title A receiver that cannot be paid in native coin
contract Refuser {
    error Refused();

    receive() external payable {
        revert Refused();
    }
}

/// @title Native dust
/// @notice Pushes its value onto an account that has no receive function, as anyone can do to any escrow.
contract Dust {
    constructor(address payable to) payable {
        selfdestruct(to);
    }
}
