package metrics

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-xray-sdk-go/v2/instrumentation/awsv2"
	"github.com/aws/aws-xray-sdk-go/v2/xray"
	"github.com/aws/aws-xray-sdk-go/v2/xraylog"
)

// This file is the only one that knows the X-Ray SDK, which is in maintenance until 2027-02-25 and
// brings gRPC and fasthttp along: about 2.5 MB of each zip. To replace it by OpenTelemetry, write the
// three functions below anew.

// The SDK logs an error for each segment that its daemon did not take and for each call outside a
// segment, as at start-up. Neither tells anything about swaps. It must be set before first use.
func init() { xray.SetLogger(xraylog.NullLogger) }

// tracing tells whether there is a daemon: Lambda sets its address when tracing is active.
func tracing() bool { return os.Getenv("AWS_XRAY_DAEMON_ADDRESS") != "" }

// Trace runs fn within a subsegment of that name. Without a daemon or a sampled invocation around
// it, it only runs fn.
func Trace(ctx context.Context, name string, fn func(context.Context) error) error {
	if !tracing() {
		return fn(ctx)
	}
	ctx, segment := xray.BeginSubsegment(ctx, name)
	if segment == nil {
		return fn(ctx)
	}
	closed := false
	defer func() {
		if !closed { // fn panicked: keep what is known, the panic goes on
			segment.Close(nil)
		}
	}()
	err := fn(ctx)
	segment.Close(err)
	closed = true
	return err
}

// Annotate adds an indexed key to the present subsegment, if any. No secrets; keys are letters,
// digits and underscores.
func Annotate(ctx context.Context, key, value string) error {
	segment := xray.GetSegment(ctx)
	if !tracing() || segment == nil {
		return nil
	}
	if err := segment.AddAnnotation(key, value); err != nil {
		return fmt.Errorf("annotate the trace with %s: %w", key, err)
	}
	return nil
}

// Instrument makes every client built from cfg record its calls as subsegments. Without a daemon it
// changes nothing.
func Instrument(cfg *aws.Config) {
	if tracing() {
		awsv2.AWSV2Instrumentor(&cfg.APIOptions)
	}
}
