// Package devchain runs a whole EVM chain inside the process: the execution
// layer of go-ethereum without peers and without a disk, answering plain
// JSON-RPC over HTTP on the loopback interface.
//
// The caller owns time and contents. Mine adds a block with exactly the given
// timestamp and what the pool holds, MineTxs one with exactly the given
// transactions, MineToward one after which the base fee is as wanted, Reorg
// replaces the last blocks, Run follows a clock.
//
// Nothing lags behind a block: when Mine or Reorg returns, logs, receipts,
// balances, the pool and its nonces all speak of the new head. The log index
// is switched off (logs are found by block blooms), the transaction index is
// complete before New returns, and the pool's own reset, which runs in the
// background after each head, is waited for. A transaction accepted by
// eth_sendRawTransaction before Mine is called is a candidate for that block.
//
// Equal configurations and calls give equal block hashes: nothing of the wall
// clock or of chance enters a block. The one exception is the "pending" block
// tag, which go-ethereum stamps with the wall clock: do not use it where time
// matters.
//
// State of every block is kept, so that old blocks can be asked for balances
// and calls, and reorganisations of any depth work.
package devchain
