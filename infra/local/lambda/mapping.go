package lambda

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

// SQS is the part of the SQS client that event source mappings and failure destinations use.
type SQS interface {
	ReceiveMessage(context.Context, *sqs.ReceiveMessageInput, ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	DeleteMessageBatch(context.Context, *sqs.DeleteMessageBatchInput, ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error)
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

const (
	// defaultPollers is with how many pollers the service begins on a standard queue.
	defaultPollers = 5
	longPoll       = 20 // seconds, the most SQS allows
	receivePause   = time.Second
	deleteLimit    = 5 * time.Second
)

// mapping reads one queue for one function.
type mapping struct {
	template.QueueMapping
	region  string
	sqs     SQS
	url     string
	invoke  func(payload []byte) Result
	problem func(error)
}

// run polls until ctx is done and the batches in hand are finished. Every poller runs one invocation at
// a time, so their number is the mapping's concurrency.
func (m *mapping) run(ctx context.Context) {
	n := m.MaxConcurrency
	if n == 0 {
		n = defaultPollers
	}
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for ctx.Err() == nil {
				m.poll(ctx)
			}
		})
	}
	wg.Wait()
}

func (m *mapping) poll(ctx context.Context) {
	out, err := m.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl:                    aws.String(m.url),
		MaxNumberOfMessages:         int32(m.BatchSize),
		WaitTimeSeconds:             longPoll,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		MessageAttributeNames:       []string{"All"},
	})
	if err != nil {
		if ctx.Err() == nil {
			m.problem(fmt.Errorf("receive: %w", err))
			pause(ctx, receivePause)
		}
		return
	}
	if len(out.Messages) == 0 {
		return
	}
	result := m.invoke(m.event(out.Messages))
	// What stays comes back when its visibility timeout is over.
	// The end of ctx stops the polling, not the bookkeeping of a batch that was handled.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteLimit)
	defer cancel()
	if err := m.remove(ctx, m.succeeded(out.Messages, result)); err != nil {
		m.problem(fmt.Errorf("delete: %w", err))
	}
}

// pause waits for d; it returns false if ctx ended instead.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// record is one message in the event (AWS: "Using Lambda with Amazon SQS").
type record struct {
	MessageID         string               `json:"messageId"`
	ReceiptHandle     string               `json:"receiptHandle"`
	Body              string               `json:"body"`
	Attributes        map[string]string    `json:"attributes"`
	MessageAttributes map[string]attribute `json:"messageAttributes"`
	MD5OfBody         string               `json:"md5OfBody"`
	EventSource       string               `json:"eventSource"`
	EventSourceARN    string               `json:"eventSourceARN"`
	AWSRegion         string               `json:"awsRegion"`
}

type attribute struct {
	StringValue *string `json:"stringValue,omitempty"`
	BinaryValue *string `json:"binaryValue,omitempty"`
	DataType    string  `json:"dataType"`
}

func (m *mapping) event(messages []types.Message) []byte {
	records := make([]record, len(messages))
	for i, msg := range messages {
		attributes := make(map[string]attribute, len(msg.MessageAttributes))
		for name, v := range msg.MessageAttributes {
			a := attribute{StringValue: v.StringValue, DataType: aws.ToString(v.DataType)}
			if v.BinaryValue != nil {
				a.BinaryValue = aws.String(base64.StdEncoding.EncodeToString(v.BinaryValue))
			}
			attributes[name] = a
		}
		records[i] = record{
			MessageID:         aws.ToString(msg.MessageId),
			ReceiptHandle:     aws.ToString(msg.ReceiptHandle),
			Body:              aws.ToString(msg.Body),
			Attributes:        msg.Attributes,
			MessageAttributes: attributes,
			MD5OfBody:         aws.ToString(msg.MD5OfBody),
			EventSource:       "aws:sqs",
			EventSourceARN:    m.QueueARN,
			AWSRegion:         m.region,
		}
	}
	payload, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		panic(err) // strings always encode
	}
	return payload
}

// succeeded returns the messages that may go. A reply that cannot be understood keeps all of them,
// as the service does: deleting on a guess loses messages.
func (m *mapping) succeeded(messages []types.Message, result Result) []types.Message {
	if result.Failed() {
		return nil
	}
	reply := bytes.TrimSpace(result.Payload)
	if !m.ReportFailures || len(reply) == 0 || bytes.Equal(reply, []byte("null")) {
		return messages
	}
	var failures struct {
		Items []struct {
			ID string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if err := json.Unmarshal(reply, &failures); err != nil {
		m.problem(fmt.Errorf("reply is no list of batch item failures: %w", err))
		return nil
	}
	byID := make(map[string]bool, len(messages))
	for _, msg := range messages {
		byID[aws.ToString(msg.MessageId)] = true
	}
	for _, item := range failures.Items {
		if _, known := byID[item.ID]; !known {
			m.problem(fmt.Errorf("reply names message %q, which is not in the batch", item.ID))
			return nil
		}
		byID[item.ID] = false
	}
	var out []types.Message
	for _, msg := range messages {
		if byID[aws.ToString(msg.MessageId)] {
			out = append(out, msg)
		}
	}
	return out
}

func (m *mapping) remove(ctx context.Context, messages []types.Message) error {
	if len(messages) == 0 {
		return nil
	}
	in := &sqs.DeleteMessageBatchInput{QueueUrl: aws.String(m.url)}
	for i, msg := range messages {
		in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{
			Id: aws.String(fmt.Sprint(i)), ReceiptHandle: msg.ReceiptHandle,
		})
	}
	out, err := m.sqs.DeleteMessageBatch(ctx, in)
	if err != nil {
		return err
	}
	for _, f := range out.Failed {
		return fmt.Errorf("%d of %d messages stay: %s: %s", len(out.Failed), len(messages), aws.ToString(f.Code), aws.ToString(f.Message))
	}
	return nil
}

// sendFailure puts the record of a failed asynchronous event on its destination queue.
func (h *Host) sendFailure(queueARN string, body []byte) error {
	_, err := h.cfg.SQS.SendMessage(h.closing, &sqs.SendMessageInput{
		QueueUrl:    aws.String(h.cfg.QueueURL(queueARN)),
		MessageBody: aws.String(string(body)),
	})
	return err
}
