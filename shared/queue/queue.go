package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/metrics"
	"github.com/bridge-me-not/resolver-cron/shared/watch"
)

const (
	// maxBatch is the most messages of one SendMessageBatch, and maxDelay the
	// longest delay of a message, as SQS has them.
	maxBatch = 10
	maxDelay = 15 * time.Minute
	// tries is how often messages that SQS refused for a reason of its own are
	// sent before the error is returned.
	tries = 3
)

// Sender is the part of the SQS client that is used.
type Sender interface {
	SendMessageBatch(ctx context.Context, in *sqs.SendMessageBatchInput, opts ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error)
}

// Doorbells rings the executor. It implements watch.Ringer and is safe for
// concurrent use.
type Doorbells struct {
	Client Sender
	URL    string
}

// Ring sends the doorbells, each with its delay in whole seconds rounded down
// (waking early costs a look) and cut at fifteen minutes. All are tried; the
// error names how many were not taken.
func (d Doorbells) Ring(ctx context.Context, rings []watch.Ring) error {
	messages := make([]message, len(rings))
	for i, r := range rings {
		body, err := job.Doorbell{Chain: r.ChainID, Signer: r.Signer.Hex()}.Body()
		if err != nil {
			return err
		}
		messages[i] = message{body, min(max(r.After, 0), maxDelay).Truncate(time.Second)}
	}
	if err := send(ctx, d.Client, d.URL, messages); err != nil {
		return fmt.Errorf("ring the executor: %w", err)
	}
	return nil
}

// Ticks puts ticks on the pacer's queue. It implements job.TickSender and is
// safe for concurrent use.
type Ticks struct {
	Client Sender
	URL    string
}

// SendTicks implements job.TickSender.
func (t Ticks) SendTicks(ctx context.Context, ticks []job.DueTick) error {
	messages := make([]message, len(ticks))
	for i, tick := range ticks {
		body, err := tick.Body()
		if err != nil {
			return err
		}
		messages[i] = message{body, tick.Delay}
	}
	if err := send(ctx, t.Client, t.URL, messages); err != nil {
		return fmt.Errorf("send ticks: %w", err)
	}
	return nil
}

type message struct {
	body  string
	delay time.Duration
}

// send sends the messages in batches. A batch may be taken in part: what was
// refused by the service's fault is sent again, what is our fault is not.
func send(ctx context.Context, c Sender, url string, messages []message) error {
	var errs []error
	for len(messages) > 0 {
		n := min(len(messages), maxBatch)
		errs = append(errs, sendBatch(ctx, c, url, messages[:n]))
		messages = messages[n:]
	}
	return errors.Join(errs...)
}

func sendBatch(ctx context.Context, c Sender, url string, batch []message) error {
	var sender map[string]types.MessageAttributeValue
	if run := metrics.RunOf(ctx); run != "" {
		sender = map[string]types.MessageAttributeValue{job.RunAttribute: {DataType: aws.String("String"), StringValue: &run}}
	}
	left := make(map[string]types.SendMessageBatchRequestEntry, len(batch))
	for i, m := range batch {
		id := strconv.Itoa(i)
		left[id] = types.SendMessageBatchRequestEntry{Id: &id, MessageBody: aws.String(m.body), DelaySeconds: int32(m.delay / time.Second),
			MessageAttributes: sender}
	}
	var refused, ours []types.BatchResultErrorEntry
	for range tries {
		in := &sqs.SendMessageBatchInput{QueueUrl: &url}
		for _, e := range left {
			in.Entries = append(in.Entries, e)
		}
		out, err := c.SendMessageBatch(ctx, in)
		if err != nil {
			return fmt.Errorf("%d messages not sent: %w", len(left)+len(ours), err)
		}
		for _, ok := range out.Successful {
			delete(left, aws.ToString(ok.Id))
		}
		refused = nil
		for _, f := range out.Failed {
			if f.SenderFault {
				ours = append(ours, f)
				delete(left, aws.ToString(f.Id))
			} else {
				refused = append(refused, f)
			}
		}
		if len(left) == 0 {
			break
		}
	}
	var errs []error
	if len(ours) > 0 {
		errs = append(errs, fmt.Errorf("%d messages refused: %s", len(ours), reason(ours)))
	}
	if len(left) > 0 {
		errs = append(errs, fmt.Errorf("%d messages refused %d times: %s", len(left), tries, reason(refused)))
	}
	return errors.Join(errs...)
}

// reason is what the service said of the first one.
func reason(refused []types.BatchResultErrorEntry) string {
	if len(refused) == 0 {
		return "not confirmed"
	}
	return aws.ToString(refused[0].Code) + ": " + aws.ToString(refused[0].Message)
}
