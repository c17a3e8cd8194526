// Package account asks Lambda how many executions the account may have at once.
package account

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/bridge-me-not/resolver-cron/shared/health"
)

// Lambda is the part of the Lambda client that is used.
type Lambda interface {
	GetAccountSettings(ctx context.Context, in *lambda.GetAccountSettingsInput, opts ...func(*lambda.Options)) (*lambda.GetAccountSettingsOutput, error)
}

// Concurrency reads the account's limits in the client's region. What the service does not tell, or what
// cannot be, is an error.
func Concurrency(ctx context.Context, c Lambda) (health.Concurrency, error) {
	out, err := c.GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{})
	if err != nil {
		return health.Concurrency{}, fmt.Errorf("ask for the account's limits: %w", err)
	}
	if out.AccountLimit == nil || out.AccountLimit.UnreservedConcurrentExecutions == nil {
		return health.Concurrency{}, errors.New("ask for the account's limits: the answer does not name them")
	}
	limit, unreserved := int(out.AccountLimit.ConcurrentExecutions), int(*out.AccountLimit.UnreservedConcurrentExecutions)
	if unreserved < 0 || unreserved > limit {
		return health.Concurrency{}, fmt.Errorf("ask for the account's limits: %d of %d executions are unreserved", unreserved, limit)
	}
	return health.Concurrency{Limit: limit, Unreserved: unreserved}, nil
}
