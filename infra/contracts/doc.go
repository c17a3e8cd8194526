// Package contracts holds stand-ins for the contracts of the three swap
// families, written in Solidity under src/ from their published interface, and
// builds the transactions that put them to use on a local chain.
//
// They answer as the genuine contracts do: same selectors, topics and errors,
// same order of checks, same windows, same address formula. Tests prove it call
// by call against recordings of the genuine ones (see replay_test.go), so that
// what works here works there. Only what lies around a swap is simpler: an
// order is filled without prices and signatures (OrderEntry), and every token
// can be minted by anyone.
//
// Nothing here talks to a chain. A Tx says what to send; who sends it, with
// which gas and nonce, is the caller's business. Addresses are computed, never
// asked for, and all of this shares no code with the product, so that it can
// serve as a judge of it.
//
// artefacts.json is what `node build.mjs` makes of src/; a test compiles again
// and compares. All values are safe for concurrent use once built.
package contracts
