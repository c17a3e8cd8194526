// Package judge says, from the chains alone, what became of swaps: where the
// value of each leg ended, which transactions of ours brought it there, how
// late they were, whether anything of ours was refused for being early, to whom
// the safety deposits went, and whether a transaction cost more than it may.
//
// It is the other opinion on the product, and therefore shares nothing with it:
// it reads blocks, receipts, code and call traces with go-ethereum, and knows
// the contracts only by package contracts. A test keeps it so.
//
// Ends are judged by where the tokens went, not by what an event claims: an
// event without its payment, or a payment to somebody else, is an End of its
// own.
package judge
