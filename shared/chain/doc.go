// Package chain reads and writes chains through their JSON-RPC endpoints: the
// adapter behind watch.Heads, follow.Chain, follow.Probe and txn.Backend.
//
// # Endpoints
//
// A chain has one or more endpoints in the operator's order of preference.
// Every operation goes to one of them and moves on to the next when it fails;
// what kind of failure it was is decided in one place (classify), and so is
// what follows from it: whether the endpoint is put aside for a while, and
// whether another round is worth a wait. An endpoint that is aside is used
// again only when no other is left, so that a chain with one provider, or with
// bad ones only, is still read as well as it can be.
//
// Each request has its own time limit, at most half of what the context has
// left: an endpoint that stalls leaves time for the next one.
//
// Before an endpoint is believed it has told its chain id, once per process
// and again after each failure. Heads are compared: one that stands still
// while a peer goes on, or that has another block at a height both know, is
// put aside. What was found is told by Trouble.
//
// # What is not trusted
//
// Answers are bounded in size, decoded strictly, and compared with what was
// asked: logs outside of the range, the addresses or the topics are dropped
// and reported; a malformed answer is that endpoint's failure and never a
// partial result. Errors name the endpoint; they carry no address of it, and
// no hex string long enough to be a key, a token or a secret.
//
// # Transport
//
// JSON-RPC over HTTP is written here, on net/http. It needs what go-ethereum's
// client does not do: a bound on the size of an answer, providers that answer a
// batch with a single error, errors in the body of a 4xx. Hashes of blocks are
// taken from the node instead of recomputed, since layer-2 headers have other
// fields.
package chain
