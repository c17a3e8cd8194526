package queue

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/bridge-me-not/resolver-cron/shared/health"
)

// Asker is the part of the SQS client that tells of queues.
type Asker interface {
	GetQueueAttributes(ctx context.Context, in *sqs.GetQueueAttributesInput, opts ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error)
}

// Depth asks how many messages a queue holds, about: the service counts with a
// delay.
func Depth(ctx context.Context, c Asker, url string) (d health.Depth, err error) {
	parts := map[types.QueueAttributeName]*int64{
		types.QueueAttributeNameApproximateNumberOfMessages:           &d.Waiting,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible: &d.InFlight,
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed:    &d.Delayed,
	}
	in := &sqs.GetQueueAttributesInput{QueueUrl: &url}
	for name := range parts {
		in.AttributeNames = append(in.AttributeNames, name)
	}
	out, err := c.GetQueueAttributes(ctx, in)
	if err != nil {
		return health.Depth{}, fmt.Errorf("ask how deep the queue is: %w", err)
	}
	for name, into := range parts {
		if *into, err = strconv.ParseInt(out.Attributes[string(name)], 10, 64); err != nil || *into < 0 {
			return health.Depth{}, fmt.Errorf("ask how deep the queue is: %s is %q, not a number", name, out.Attributes[string(name)])
		}
	}
	return d, nil
}
