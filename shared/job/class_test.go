package job_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/aws/smithy-go"

	"github.com/bridge-me-not/resolver-cron/shared/job"
)

// endpoint is an error of a chain's endpoint, as far as it is looked at.
type endpoint string

func (e endpoint) Error() string           { return "endpoint one: " + string(e) }
func (e endpoint) EndpointFailure() string { return string(e) }

func TestClassOf(t *testing.T) {
	aws := func(service, code string) error {
		return fmt.Errorf("save: %w", &smithy.OperationError{ServiceID: service, OperationName: "PutItem",
			Err: &smithy.GenericAPIError{Code: code, Message: "no"}})
	}
	late := fmt.Errorf("read: %w", context.DeadlineExceeded)
	for _, c := range []struct {
		err  error
		want job.Class
	}{
		{nil, ""},
		{errors.New("deadline exceeded"), job.ClassOther}, // words prove nothing
		{late, job.ClassTimeout},
		{fmt.Errorf("%w: %w", job.ErrLost, late), job.ClassLease},
		{fmt.Errorf("x: %w", job.ErrWanted), job.ClassLease},
		{aws("DynamoDB", "InternalServerError"), job.ClassStore},
		{aws("DynamoDB", "TransactionCanceledException"), job.ClassStore},
		{aws("DynamoDB", "ProvisionedThroughputExceededException"), job.ClassThrottled},
		{aws("SQS", "RequestThrottled"), job.ClassThrottled},
		{aws("DynamoDB", "AccessDeniedException"), job.ClassConfig},
		{aws("DynamoDB", "ResourceNotFoundException"), job.ClassConfig},
		{aws("SNS", "InternalError"), job.ClassOther},
		{&smithy.OperationError{ServiceID: "DynamoDB", OperationName: "Query", Err: late}, job.ClassTimeout},
		{&smithy.OperationError{ServiceID: "DynamoDB", OperationName: "Query", Err: errors.New("cut off")}, job.ClassStore},
		{fmt.Errorf("sync: %w", endpoint("rpc")), job.ClassRPC},
		{endpoint("timeout"), job.ClassTimeout},
		{endpoint("throttled"), job.ClassThrottled},
		{endpoint("config"), job.ClassConfig},
		{endpoint("of no class"), job.ClassRPC},
		{errors.Join(errors.New("x"), endpoint("rpc"), errors.New("y")), job.ClassRPC},
		{errors.Join(endpoint("rpc"), errors.Join(aws("DynamoDB", "InternalServerError"), errors.New("y"))), job.ClassStore},
	} {
		if got := job.ClassOf(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
		if got := job.ClassOf(c.err); got != "" && !got.Known() {
			t.Errorf("%q is none of the classes", got)
		}
	}
	if job.Class("").Known() || job.Class("weather").Known() {
		t.Error("a class that is none is known")
	}
}
