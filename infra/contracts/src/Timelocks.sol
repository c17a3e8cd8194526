// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.23;

/// @notice The seven moments of a swap, in the order of their uint32 slots from bit 0 upwards.
enum Stage {
    SrcWithdrawal,
    SrcPublicWithdrawal,
    SrcCancellation,
    SrcPublicCancellation,
    DstWithdrawal,
    DstPublicWithdrawal,
    DstCancellation
}

/// @title One word of clockwork
/// @notice Each slot holds seconds after deployedAt; deployedAt itself (epoch seconds) fills bits 224-255.
/// The two legs of a swap are deployed at different times, so equal slots mean different moments.
/// @dev Sums are taken in 256 bits: a far-off stage lies in the future instead of wrapping into the past.
library Timelocks {
    uint256 private constant DEPLOYED_AT = 224;

    function deployedAt(uint256 timelocks) internal pure returns (uint256) {
        return timelocks >> DEPLOYED_AT;
    }

    function withDeployedAt(uint256 timelocks, uint256 time) internal pure returns (uint256) {
        return (timelocks << 32 >> 32) | (time << DEPLOYED_AT);
    }

    /// @return The first second of the stage.
    function start(uint256 timelocks, Stage stage) internal pure returns (uint256) {
        return deployedAt(timelocks) + uint32(timelocks >> (uint256(stage) * 32));
    }

    /// @notice Writes one slot, which must be empty.
    function with(uint256 timelocks, Stage stage, uint256 secondsAfterDeployedAt) internal pure returns (uint256) {
        return timelocks | (uint256(uint32(secondsAfterDeployedAt)) << (uint256(stage) * 32));
    }
}
