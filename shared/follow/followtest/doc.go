// Package followtest holds what proves an implementation of package follow's
// storage interfaces: conformance suites for any of them, and in-memory ones
// that panic when a caller breaks a rule and can fail before or after a call
// was applied.
package followtest
