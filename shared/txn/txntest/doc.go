// Package txntest holds what proves an implementation of package txn's journal:
// a conformance suite for any of them, and an in-memory one that panics when a
// caller breaks a rule and can fail before or after a call was applied. The
// suite of txn.Works is watchtest.TestActions.
package txntest
