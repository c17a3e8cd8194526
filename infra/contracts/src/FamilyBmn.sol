// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.23;

import {Clones} from "./Clones.sol";
import {Escrow} from "./Escrow.sol";
import {EscrowDstWide} from "./EscrowDst.sol";
import {EscrowSrcWide} from "./EscrowSrc.sol";
import {Factory} from "./Factory.sol";
import {DstImmutablesComplement, Immutables, addressIn, saltBmn} from "./Immutables.sol";
import {Fill} from "./OrderEntry.sol";
import {IERC20, Payments} from "./Payments.sol";
import {PublicActions} from "./PublicActions.sol";
import {Stage, Timelocks} from "./Timelocks.sol";

// Family bmn-v4: no access token but signatures, and a trusting factory.

contract EscrowSrcBmn is EscrowSrcWide, PublicActions {
    constructor(address factory, uint32 rescueDelay) Escrow(factory, IERC20(address(0)), rescueDelay) {}

    /// @dev Check order of both: time, signature, immutables, secret.
    function publicWithdrawSigned(bytes32 secret, Immutables calldata immutables, bytes calldata signature) external {
        _publicWithdrawalTime(immutables);
        _onlyPermitted(immutables.orderHash, "SRC_PUBLIC_WITHDRAW", signature);
        _release(secret, addressIn(immutables.taker), immutables);
    }

    function publicCancelSigned(Immutables calldata immutables, bytes calldata signature) external {
        _publicCancellationTime(immutables);
        _onlyPermitted(immutables.orderHash, "SRC_PUBLIC_CANCEL", signature);
        _giveBack(immutables);
    }

    function _salt(Immutables memory leg) internal pure override returns (bytes32) {
        return saltBmn(leg);
    }
}

contract EscrowDstBmn is EscrowDstWide, PublicActions {
    constructor(address factory, uint32 rescueDelay) Escrow(factory, IERC20(address(0)), rescueDelay) {}

    /// @dev Check order: time, signature, immutables, secret.
    function publicWithdrawSigned(bytes32 secret, Immutables calldata immutables, bytes calldata signature) external {
        _publicWithdrawalTime(immutables);
        _onlyPermitted(immutables.orderHash, "DST_PUBLIC_WITHDRAW", signature);
        _release(secret, immutables);
    }

    /// @dev The genuine contract forgets to check the immutables here, so any whitelisted resolver can name
    /// himself as taker and empty the escrow. The hole is kept: we have to watch for it.
    function publicCancelSigned(Immutables calldata immutables, bytes calldata signature) external {
        _cancellationTime(immutables);
        _onlyPermitted(immutables.orderHash, "DST_PUBLIC_CANCEL", signature);
        _giveBack(immutables);
    }

    function _salt(Immutables memory leg) internal pure override returns (bytes32) {
        return saltBmn(leg);
    }
}

contract FactoryBmn is Factory {
    using Timelocks for uint256;

    event SrcEscrowCreated(Immutables srcImmutables, DstImmutablesComplement dstImmutablesComplement);
    event DstEscrowCreated(address indexed escrow, bytes32 indexed hashlock, address indexed taker);
    event PostInteractionEscrowCreated(
        address indexed escrow, bytes32 indexed hashlock, address indexed protocol, address taker, uint256 amount
    );
    event EmergencyPause(bool paused);
    event ResolverRemoved(address indexed resolver);

    /// @dev Seconds between a private stage and its public one in legs made from orders.
    uint256 private constant PUBLIC_DELAY = 60;

    address public immutable owner;
    bool public emergencyPaused;
    /// @notice While true anyone may create dst legs. Signatures need a listed resolver all the same.
    bool public whitelistBypassed = true;
    mapping(address resolver => bool) public isWhitelistedResolver;

    modifier onlyOwner() {
        require(msg.sender == owner, "not the owner");
        _;
    }

    modifier whenRunning() {
        require(!emergencyPaused, "paused");
        _;
    }

    /// @param src implementation that exists already, or zero to make one; `dst` alike
    constructor(address src, address dst, address orderEntry, address owner_, uint32 rescueDelay)
        Factory(
            src == address(0) ? address(new EscrowSrcBmn(address(this), rescueDelay)) : src,
            dst == address(0) ? address(new EscrowDstBmn(address(this), rescueDelay)) : dst,
            orderEntry
        )
    {
        owner = owner_;
    }

    /// @notice Open to anyone with the tokens, for any taker and any maker, with any deployedAt.
    /// @dev Nobody looks for the safety deposit. If it was not sent to the computed address before, the leg
    /// can neither be withdrawn nor cancelled.
    function createSrcEscrow(Immutables calldata immutables, DstImmutablesComplement calldata dstComplement)
        external
        whenRunning
        returns (address escrow)
    {
        escrow = Clones.deploy(ESCROW_SRC_IMPLEMENTATION, saltBmn(immutables), 0);
        Payments.pull(addressIn(immutables.token), msg.sender, escrow, immutables.amount);
        emit SrcEscrowCreated(immutables, dstComplement);
    }

    /// @notice deployedAt is what the caller wrote, not the block's time.
    /// @dev Passes on whatever coin was sent, be it less than the deposit or, for a native leg, the amount.
    function createDstEscrow(Immutables calldata immutables) external payable whenRunning returns (address escrow) {
        require(whitelistBypassed || isWhitelistedResolver[msg.sender], "not a whitelisted resolver");
        escrow = Clones.deploy(ESCROW_DST_IMPLEMENTATION, saltBmn(immutables), msg.value);
        address token = addressIn(immutables.token);
        if (token != address(0)) Payments.pull(token, msg.sender, escrow, immutables.amount);
        emit DstEscrowCreated(escrow, immutables.hashlock, addressIn(immutables.taker));
    }

    function orderFilled(Fill calldata fill, address taker)
        external
        onlyOrderEntry
        whenRunning
        returns (address escrow)
    {
        Immutables memory leg = _srcLeg(fill, taker);
        escrow = Clones.deploy(ESCROW_SRC_IMPLEMENTATION, saltBmn(leg), 0);
        emit SrcEscrowCreated(leg, fill.dst);
        emit PostInteractionEscrowCreated(escrow, leg.hashlock, msg.sender, taker, leg.amount);
    }

    /// @dev An order agrees on two absolute moments only, `srcCancellation << 128 | dstWithdrawal` in epoch
    /// seconds. All else follows, and DstCancellation gets the very offset of SrcCancellation: as dst is
    /// deployed later, it can still be withdrawn when src can be cancelled already.
    function _srcTimelocks(uint256 agreed) internal view override returns (uint256) {
        uint256 srcCancellation = (agreed >> 128) - block.timestamp;
        uint256 dstWithdrawal = uint128(agreed) - block.timestamp;
        return uint256(0).withDeployedAt(block.timestamp).with(Stage.SrcPublicWithdrawal, PUBLIC_DELAY).with(
            Stage.SrcCancellation, srcCancellation
        ).with(Stage.SrcPublicCancellation, srcCancellation + PUBLIC_DELAY).with(Stage.DstWithdrawal, dstWithdrawal)
            .with(Stage.DstPublicWithdrawal, dstWithdrawal + PUBLIC_DELAY).with(Stage.DstCancellation, srcCancellation);
    }

    function addressOfEscrowSrc(Immutables calldata immutables) external view returns (address) {
        return _addressOf(ESCROW_SRC_IMPLEMENTATION, immutables);
    }

    function addressOfEscrowDst(Immutables calldata immutables) external view returns (address) {
        return _addressOf(ESCROW_DST_IMPLEMENTATION, immutables);
    }

    function addResolver(address resolver) external onlyOwner {
        isWhitelistedResolver[resolver] = true;
    }

    function removeResolver(address resolver) external onlyOwner {
        isWhitelistedResolver[resolver] = false;
        emit ResolverRemoved(resolver);
    }

    function setWhitelistBypassed(bool bypassed) external onlyOwner {
        whitelistBypassed = bypassed;
    }

    function setEmergencyPaused(bool paused) external onlyOwner {
        emergencyPaused = paused;
        emit EmergencyPause(paused);
    }

    function _salt(Immutables memory leg) internal pure override returns (bytes32) {
        return saltBmn(leg);
    }
}
