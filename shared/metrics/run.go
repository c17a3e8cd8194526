package metrics

import "context"

// A run is found again by its token wherever it left something: in every log line, in the trace, in
// what it wrote and in the messages that it sent.

// The keys under which log lines and traces name a run.
const (
	jobKey   = "job"
	tokenKey = "run"
)

type run struct{ job, token string }

type runKey struct{}

// WithRun returns a context for the work of that run.
func WithRun(ctx context.Context, job, token string) context.Context {
	return context.WithValue(ctx, runKey{}, run{job, token})
}

// RunOf returns the token of the run that works under ctx, "" outside of any.
func RunOf(ctx context.Context) string {
	r, _ := ctx.Value(runKey{}).(run)
	return r.token
}
