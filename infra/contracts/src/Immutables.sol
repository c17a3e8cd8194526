// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.23;

/// @notice Everything that was agreed for one leg of a swap. An escrow stores nothing: whoever calls it
/// brings these words along, and the escrow believes them only if they hash to its own address.
/// @dev maker, taker and token are whole words holding an address in their low 160 bits. What stands in the
/// upper 96 bits is hashed but never used, because a maker may leave anything there.
struct Immutables {
    bytes32 orderHash;
    bytes32 hashlock; // keccak256(secret), equal on both legs
    uint256 maker;
    uint256 taker;
    uint256 token; // zero: the chain's own coin (dst legs only)
    uint256 amount;
    uint256 safetyDeposit; // wei of native coin, for whoever finishes the leg
    uint256 timelocks; // see Timelocks.sol
    bytes parameters; // v1.1: fees of a dst leg; src legs carry none
}

/// @notice The same without parameters: the shape of family 1inch-v1.
struct ImmutablesV1 {
    bytes32 orderHash;
    bytes32 hashlock;
    uint256 maker;
    uint256 taker;
    uint256 token;
    uint256 amount;
    uint256 safetyDeposit;
    uint256 timelocks;
}

/// @notice What the maker expects on the other chain; told only in SrcEscrowCreated.
struct DstImmutablesComplement {
    uint256 maker;
    uint256 amount;
    uint256 token;
    uint256 safetyDeposit;
    uint256 chainId;
    bytes parameters;
}

struct DstImmutablesComplementV1 {
    uint256 maker;
    uint256 amount;
    uint256 token;
    uint256 safetyDeposit;
    uint256 chainId;
}

/// @notice Lets one implementation serve both shapes: inside the contracts a v1 leg has empty parameters.
function widen(ImmutablesV1 calldata v1) pure returns (Immutables memory) {
    return Immutables({
        orderHash: v1.orderHash,
        hashlock: v1.hashlock,
        maker: v1.maker,
        taker: v1.taker,
        token: v1.token,
        amount: v1.amount,
        safetyDeposit: v1.safetyDeposit,
        timelocks: v1.timelocks,
        parameters: ""
    });
}

/// @notice The inverse, for the events of family 1inch-v1. Parameters are dropped.
function narrow(Immutables memory leg) pure returns (ImmutablesV1 memory) {
    return ImmutablesV1({
        orderHash: leg.orderHash,
        hashlock: leg.hashlock,
        maker: leg.maker,
        taker: leg.taker,
        token: leg.token,
        amount: leg.amount,
        safetyDeposit: leg.safetyDeposit,
        timelocks: leg.timelocks
    });
}

function narrow(DstImmutablesComplement memory dst) pure returns (DstImmutablesComplementV1 memory) {
    return DstImmutablesComplementV1({
        maker: dst.maker,
        amount: dst.amount,
        token: dst.token,
        safetyDeposit: dst.safetyDeposit,
        chainId: dst.chainId
    });
}

/// @notice The address that a word holds, whatever dirt stands above it.
function addressIn(uint256 word) pure returns (address) {
    return address(uint160(word));
}

function wordOf(address account) pure returns (uint256) {
    return uint256(uint160(account));
}

// The immutables hash of each family. It is the CREATE2 salt of the escrow, hence its identity.

/// @notice 1inch-v1: the eight words.
function saltV1(Immutables memory leg) pure returns (bytes32) {
    return keccak256(
        abi.encode(
            leg.orderHash, leg.hashlock, leg.maker, leg.taker, leg.token, leg.amount, leg.safetyDeposit, leg.timelocks
        )
    );
}

/// @notice 1inch-v1.1: the eight words and the hash of the parameters.
function saltV11(Immutables memory leg) pure returns (bytes32) {
    return keccak256(
        abi.encode(
            leg.orderHash,
            leg.hashlock,
            leg.maker,
            leg.taker,
            leg.token,
            leg.amount,
            leg.safetyDeposit,
            leg.timelocks,
            keccak256(leg.parameters)
        )
    );
}

/// @notice bmn-v4: the standard encoding of the struct, leading 0x20 head included.
function saltBmn(Immutables memory leg) pure returns (bytes32) {
    return keccak256(abi.encode(leg));
}
