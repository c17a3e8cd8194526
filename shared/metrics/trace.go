package metrics

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-xray-sdk-go/v2/instrumentation/awsv2"
	"github.com/aws/aws-xray-sdk-go/v2/xray"
	"github.com/aws/aws-xray-sdk-go/v2/xraylog"
)

// This file is the only one that knows the X-Ray SDK, which is in maintenance until 2027-02-25 and
// brings gRPC and fasthttp along: about 2.5 MB of each zip. To replace it by OpenTelemetry, write the
// two functions below anew.

// The SDK logs an error for each segment that its daemon did not take and for each call outside a
// segment, as at start-up. Neither tells anything about swaps. It must be set before first use.
func init() { xray.SetLogger(xraylog.NullLogger) }

// tracing tells whether there is a daemon: Lambda sets its address where a function may be traced. Whether an invocation is
// recorded, its header says: Lambda has decided, or whoever started it. One that has no decision is not.
func tracing() bool { return os.Getenv("AWS_XRAY_DAEMON_ADDRESS") != "" }

// Trace runs fn within a subsegment of that name, which is found by what it is about: indexed keys of
// letters, digits and underscores, with no secrets among their values, and the run and its job.
// Without a daemon or a recorded invocation around it, it only runs fn.
func Trace(ctx context.Context, name string, about map[string]string, fn func(context.Context) error) error {
	if !tracing() {
		return fn(ctx)
	}
	ctx, segment := xray.BeginSubsegment(ctx, name)
	if segment == nil {
		return fn(ctx)
	}
	unsaid := annotate(ctx, segment, about)
	closed := false
	defer func() {
		if !closed { // fn panicked: keep what is known, the panic goes on
			segment.Close(unsaid)
		}
	}()
	err := fn(ctx)
	segment.Close(errors.Join(err, unsaid))
	closed = true
	return err
}

// annotate makes a subsegment searchable. Its error is told by the trace itself: that it is harder to
// find is no reason to fail.
func annotate(ctx context.Context, segment *xray.Segment, about map[string]string) error {
	if r, ok := ctx.Value(runKey{}).(run); ok {
		about = maps.Clone(about)
		if about == nil {
			about = map[string]string{}
		}
		about[jobKey], about[tokenKey] = r.job, r.token
	}
	var errs []error
	for key, value := range about {
		if err := segment.AddAnnotation(key, value); err != nil {
			errs = append(errs, fmt.Errorf("annotate the trace with %s: %w", key, err))
		}
	}
	return errors.Join(errs...)
}

// Instrument makes every client built from cfg record its calls as subsegments, and tell whom it calls whether they are
// recorded. So a doorbell of an invocation that is not recorded begins no trace. Without a daemon it changes nothing.
func Instrument(cfg *aws.Config) {
	if tracing() {
		awsv2.AWSV2Instrumentor(&cfg.APIOptions)
	}
}
