package awsproxy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/bridge-me-not/resolver-cron/infra/local/awsproxy"
)

func sendOne(t *testing.T, w *world, url, body string, delay int32) {
	t.Helper()
	out, err := w.queues.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body, DelaySeconds: delay})
	if err != nil {
		t.Fatal(err) // a wrong checksum too
	}
	if aws.ToString(out.MessageId) == "" || aws.ToString(out.MD5OfMessageBody) == "" {
		t.Errorf("answer %+v lacks the message id or the checksum", out)
	}
}

// sendBatch sends the bodies in one batch and expects every one to be accepted.
func sendBatch(t *testing.T, w *world, url string, bodies ...string) {
	t.Helper()
	in := &sqs.SendMessageBatchInput{QueueUrl: &url}
	for _, body := range bodies {
		in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String("id-" + body), MessageBody: aws.String(body)})
	}
	out, err := w.queues.SendMessageBatch(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, e := range out.Successful {
		if aws.ToString(e.MessageId) == "" || aws.ToString(e.MD5OfMessageBody) == "" {
			t.Errorf("answer %+v lacks the message id or the checksum", e)
		}
		ids = append(ids, strings.TrimPrefix(*e.Id, "id-"))
	}
	slices.Sort(ids)
	if !slices.Equal(ids, bodies) || len(out.Failed) != 0 {
		t.Errorf("accepted %q, failed %v; want %q", ids, out.Failed, bodies)
	}
}

// drain receives what is in the queue now, sorted.
func drain(t *testing.T, client *sqs.Client, url string) []string {
	t.Helper()
	var bodies []string
	for {
		out, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			slices.Sort(bodies)
			return bodies
		}
		for _, m := range out.Messages {
			bodies = append(bodies, *m.Body)
			if _, err := client.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestLoseMessages(t *testing.T) {
	w := newWorld(t)
	client, url := queue(t)
	for _, tt := range []struct {
		name string
		lose func(string) bool
		want []string
	}{
		{"all", nil, nil},
		{"none", func(string) bool { return false }, []string{"a", "b", "c", "one"}},
		{"some", func(body string) bool { return body == "b" || body == "one" }, []string{"a", "c"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer w.proxy.Use(awsproxy.LoseMessages(tt.lose))()
			sendOne(t, w, url, "one", 0)
			sendBatch(t, w, url, "a", "b", "c")
			if got := drain(t, client, url); !slices.Equal(got, tt.want) {
				t.Errorf("received %q, want %q", got, tt.want)
			}
			if _, err := w.queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url}); err != nil {
				t.Errorf("another call: %v", err)
			}
		})
	}
}

func TestDoubleMessages(t *testing.T) {
	w := newWorld(t)
	client, url := queue(t)
	w.proxy.Use(awsproxy.DoubleMessages())
	sendOne(t, w, url, "one", 0)
	sendBatch(t, w, url, "a", "b")
	if got, want := drain(t, client, url), []string{"a", "a", "b", "b", "one", "one"}; !slices.Equal(got, want) {
		t.Errorf("received %q, want %q", got, want)
	}
	w.proxy.ResetUsage()
	if _, err := w.queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url}); err != nil {
		t.Fatal(err)
	}
	if got := awsproxy.Sum(w.proxy.Usage(), nil); got.Forwarded != 1 {
		t.Errorf("another call was forwarded %d times", got.Forwarded)
	}
}

func TestDelayMessages(t *testing.T) {
	w := newWorld(t)
	client, url := queue(t)
	bodies := make(chan string, 8)
	w.proxy.Use(awsproxy.DelayMessages(30 * time.Second))
	w.proxy.Use(awsproxy.Before(func(c *awsproxy.Call) error { bodies <- string(c.Body); return nil }))
	for _, tt := range []struct {
		delay int32
		want  string
	}{{0, `"DelaySeconds":30`}, {5, `"DelaySeconds":35`}, {890, `"DelaySeconds":900`}} {
		sendOne(t, w, url, "one", tt.delay)
		if body := <-bodies; !strings.Contains(body, tt.want) {
			t.Errorf("delay %d s: forwarded %s, want %s", tt.delay, body, tt.want)
		}
	}
	sendBatch(t, w, url, "a", "b")
	if body := <-bodies; strings.Count(body, `"DelaySeconds":30`) != 2 {
		t.Errorf("batch forwarded as %s", body)
	}
	if got := drain(t, client, url); got != nil {
		t.Errorf("received %q at once", got)
	}
	const delayed = types.QueueAttributeNameApproximateNumberOfMessagesDelayed
	out, err := client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{delayed}})
	if err != nil {
		t.Fatal(err)
	}
	if got := out.Attributes[string(delayed)]; got != "5" {
		t.Errorf("%s messages wait, want 5", got)
	}
}

// What an inner fault changes must not add up when an outer one forwards twice.
func TestDoubledMessagesAreDelayedAlike(t *testing.T) {
	w := newWorld(t)
	_, url := queue(t)
	var bodies []string
	w.proxy.Use(awsproxy.DoubleMessages())
	w.proxy.Use(awsproxy.DelayMessages(30 * time.Second))
	w.proxy.Use(awsproxy.Before(func(c *awsproxy.Call) error { bodies = append(bodies, string(c.Body)); return nil }))
	sendOne(t, w, url, "one", 5)
	if len(bodies) != 2 || bodies[0] != bodies[1] || !strings.Contains(bodies[0], `"DelaySeconds":35`) {
		t.Errorf("forwarded %q, want twice 35 s", bodies)
	}
}
