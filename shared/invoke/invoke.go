// Package invoke starts Lambda functions asynchronously, for the pacer.
package invoke

import (
	"context"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// Lambda is the part of the Lambda client that is used.
type Lambda interface {
	Invoke(ctx context.Context, in *lambda.InvokeInput, opts ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
}

// Client is a client that does not record its calls in traces, and passes on only
// what Lambda has decided on them: nothing, where the pacer is not traced itself, so
// that who is started decides. A recorded call would pass on "not sampled" then.
func Client(cfg aws.Config) *lambda.Client {
	return lambda.NewFromConfig(cfg, func(o *lambda.Options) { o.APIOptions = nil })
}

// Functions invokes functions by the name of their job. It implements
// job.Invoker and is safe for concurrent use.
type Functions struct {
	Client Lambda
	Names  map[string]string // function name or ARN by job
}

// Invoke hands the payload to Lambda's queue for the job's function and returns
// when it has been taken. A job without a function is an error.
func (f Functions) Invoke(ctx context.Context, job string, payload []byte) error {
	name, ok := f.Names[job]
	if !ok {
		return fmt.Errorf("invoke %s: no function is configured for it", job)
	}
	out, err := f.Client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, InvocationType: types.InvocationTypeEvent, Payload: payload})
	if err != nil {
		return fmt.Errorf("invoke %s: %w", job, err)
	}
	if out.StatusCode != http.StatusAccepted {
		return fmt.Errorf("invoke %s: status %d, want %d", job, out.StatusCode, http.StatusAccepted)
	}
	return nil
}
