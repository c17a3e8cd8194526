package queue_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/bridge-me-not/resolver-cron/infra/local/services/servicetest"
	"github.com/bridge-me-not/resolver-cron/shared/health"
	"github.com/bridge-me-not/resolver-cron/shared/queue"
)

type attributes struct {
	of  map[string]string
	err error
}

func (a attributes) GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error) {
	return &sqs.GetQueueAttributesOutput{Attributes: a.of}, a.err
}

func TestDepth(t *testing.T) {
	const w, f, d = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"
	for _, c := range []struct {
		given attributes
		want  health.Depth
		says  string
	}{
		{attributes{of: map[string]string{w: "1", f: "2", d: "3"}}, health.Depth{Waiting: 1, InFlight: 2, Delayed: 3}, ""},
		{attributes{of: map[string]string{w: "1", f: "2"}}, health.Depth{}, d + ` is ""`},
		{attributes{of: map[string]string{w: "-1", f: "2", d: "3"}}, health.Depth{}, w + ` is "-1"`},
		{attributes{of: map[string]string{w: "1", f: "many", d: "3"}}, health.Depth{}, f + ` is "many"`},
		{attributes{err: errors.New("no such queue")}, health.Depth{}, "no such queue"},
	} {
		got, err := queue.Depth(t.Context(), c.given, "http://q")
		if got != c.want || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %+v, %v, want %+v, %q", c.given, got, err, c.want, c.says)
		}
	}
}

func TestDepthOnTheServer(t *testing.T) {
	endpoint := servicetest.SQSSNS(t)
	client := sqs.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("any", "any", "")})
	q, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(servicetest.Name(t))})
	if err != nil {
		t.Fatal(err)
	}
	for delay := range int32(3) { // none, five and ten minutes
		if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: q.QueueUrl, MessageBody: aws.String("m"), DelaySeconds: 300 * delay}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := queue.Depth(t.Context(), client, *q.QueueUrl)
	if want := (health.Depth{Waiting: 1, Delayed: 2}); got != want || err != nil {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	if _, err := queue.Depth(t.Context(), client, *q.QueueUrl+"-not"); err == nil {
		t.Error("a queue that is not there has a depth")
	}
}
