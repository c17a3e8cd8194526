// Package metrics is how a run makes itself seen: structured log lines (log.go), CloudWatch metrics
// inside them (emf.go) and X-Ray segments (trace.go, the only file that knows that SDK).
package metrics
