// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.23;

import {IERC20} from "./Payments.sol";

/// @title An ERC-20 that anyone may mint
contract Token is IERC20 {
    string public symbol;
    uint8 public immutable decimals;
    uint256 public totalSupply;
    mapping(address account => uint256) public balanceOf;
    mapping(address owner => mapping(address spender => uint256)) public allowance;

    constructor(string memory symbol_, uint8 decimals_) {
        symbol = symbol_;
        decimals = decimals_;
    }

    function name() external view returns (string memory) {
        return symbol;
    }

    function mint(address to, uint256 amount) external {
        totalSupply += amount;
        balanceOf[to] += amount;
        emit Transfer(address(0), to, amount);
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        _move(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        uint256 allowed = allowance[from][msg.sender];
        if (allowed != type(uint256).max) allowance[from][msg.sender] = allowed - amount;
        _move(from, to, amount);
        return true;
    }

    function _move(address from, address to, uint256 amount) internal virtual {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        emit Transfer(from, to, amount);
    }
}

/// @title An ERC-20 whose issuer can bar receivers, as some stablecoins do
contract BlockingToken is Token {
    error Blocked(address receiver);

    mapping(address receiver => bool) public blocked;

    constructor(string memory symbol_, uint8 decimals_) Token(symbol_, decimals_) {}

    function setBlocked(address receiver, bool blocked_) external {
        blocked[receiver] = blocked_;
    }

    function _move(address from, address to, uint256 amount) internal override {
        if (blocked[to]) revert Blocked(to);
        super._move(from, to, amount);
    }
}

/// @title The token whose holders may make public calls
/// @dev Escrows ask for balanceOf alone, so that is all there is, and it never moves.
contract AccessToken {
    event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);

    uint256 public minted;
    mapping(address account => uint256) public balanceOf;

    function mint(address to) external {
        balanceOf[to] += 1;
        emit Transfer(address(0), to, ++minted);
    }
}
