// Package kmsd is a double of AWS KMS for secp256k1 signing keys: an http.Handler that
// speaks enough of the JSON protocol for the real SDK client to use GetPublicKey, Sign
// and DescribeKey.
//
// It exists because KMS emulators sign the SHA-256 of an Ethereum digest. It is as
// awkward as KMS is: signatures are DER, S lies in the upper half of the group order
// every other time (Ethereum refuses those), there is no recovery id, and signing takes
// as long as the test wants. It refuses what a caller can only have meant wrongly:
// a message that is not called a digest, an algorithm of another key type.
//
// It checks no request signature: who may sign is proven over the recorded requests.
package kmsd
