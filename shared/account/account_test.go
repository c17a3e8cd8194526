package account_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/bridge-me-not/resolver-cron/shared/account"
	"github.com/bridge-me-not/resolver-cron/shared/health"
)

type client struct {
	out *lambda.GetAccountSettingsOutput
	err error
}

func (c client) GetAccountSettings(context.Context, *lambda.GetAccountSettingsInput, ...func(*lambda.Options)) (*lambda.GetAccountSettingsOutput, error) {
	return c.out, c.err
}

func TestConcurrency(t *testing.T) {
	limits := func(limit int32, unreserved *int32) client {
		return client{out: &lambda.GetAccountSettingsOutput{AccountLimit: &types.AccountLimit{ConcurrentExecutions: limit, UnreservedConcurrentExecutions: unreserved}}}
	}
	for name, c := range map[string]struct {
		client
		want health.Concurrency
		err  string
	}{
		"told":          {limits(1000, aws.Int32(900)), health.Concurrency{Limit: 1000, Unreserved: 900}, ""},
		"all reserved":  {limits(10, aws.Int32(0)), health.Concurrency{Limit: 10}, ""},
		"refused":       {client{err: errors.New("not authorized")}, health.Concurrency{}, "not authorized"},
		"no limits":     {client{out: &lambda.GetAccountSettingsOutput{}}, health.Concurrency{}, "does not name them"},
		"half of them":  {limits(10, nil), health.Concurrency{}, "does not name them"},
		"more than all": {limits(10, aws.Int32(11)), health.Concurrency{}, "11 of 10"},
		"negative":      {limits(10, aws.Int32(-1)), health.Concurrency{}, "-1 of 10"},
	} {
		got, err := account.Concurrency(t.Context(), c.client)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
