// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.23;

error SafeTransferFailed();
error SafeTransferFromFailed();
error NativeTokenSendingFailure();

interface IERC20 {
    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    function balanceOf(address account) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
    function approve(address spender, uint256 amount) external returns (bool);
}

/// @title Moving money, whatever the receiver or the token does
/// @dev A failed payment always ends in one of the three errors above. The token's or the receiver's own
/// reason is swallowed, so that callers meet a closed set of answers.
library Payments {
    /// @param token zero for the chain's own coin
    function pay(address token, address to, uint256 amount) internal {
        if (token == address(0)) payNative(to, amount);
        else payToken(token, to, amount);
    }

    function payToken(address token, address to, uint256 amount) internal {
        if (!_succeeds(token, abi.encodeCall(IERC20.transfer, (to, amount)))) revert SafeTransferFailed();
    }

    function payNative(address to, uint256 amount) internal {
        (bool ok,) = to.call{value: amount}("");
        if (!ok) revert NativeTokenSendingFailure();
    }

    function pull(address token, address from, address to, uint256 amount) internal {
        if (!_succeeds(token, abi.encodeCall(IERC20.transferFrom, (from, to, amount)))) revert SafeTransferFromFailed();
    }

    /// @dev Old tokens answer nothing; then their having code must do. Anything but `true` is a refusal.
    function _succeeds(address token, bytes memory call) private returns (bool) {
        (bool ok, bytes memory answer) = token.call(call);
        if (!ok) return false;
        if (answer.length == 0) return token.code.length > 0;
        return answer.length >= 32 && uint256(bytes32(answer)) == 1;
    }
}
