package notify_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/bridge-me-not/resolver-cron/infra/local/services/servicetest"
	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/metrics"
	"github.com/bridge-me-not/resolver-cron/shared/notify"
)

const arn = "arn:aws:sns:us-east-1:000000000000:alerts"

// capture keeps what would be sent.
type capture struct {
	in         *sns.PublishInput
	attributes map[string]string
	err        error
}

func (c *capture) GetTopicAttributes(context.Context, *sns.GetTopicAttributesInput, ...func(*sns.Options)) (*sns.GetTopicAttributesOutput, error) {
	return &sns.GetTopicAttributesOutput{Attributes: c.attributes}, c.err
}

func (c *capture) Publish(_ context.Context, in *sns.PublishInput, _ ...func(*sns.Options)) (*sns.PublishOutput, error) {
	c.in = in
	return &sns.PublishOutput{}, c.err
}

func publish(t *testing.T, m alert.Message) *sns.PublishInput {
	t.Helper()
	c := &capture{}
	topic, err := notify.New(c, arn)
	if err != nil {
		t.Fatal(err)
	}
	if err := topic.Publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	return c.in
}

func TestSubject(t *testing.T) {
	tests := []struct{ in, want string }{
		{"CRITICAL: overdue on chain 10", "CRITICAL: overdue on chain 10"},
		{"two\nlines\tand\r", "two lines and"},
		{"☂ rain \x00", "? rain ?"},
		{"  ", "alert"},
		{"", "alert"},
		{strings.Repeat("x", 100), strings.Repeat("x", 100)},
		{strings.Repeat("x", 101), strings.Repeat("x", 97) + "..."},
		{strings.Repeat("☂", 101), strings.Repeat("?", 97) + "..."},
	}
	for _, tt := range tests {
		if got := *publish(t, alert.Message{Subject: tt.in, Body: "b"}).Subject; got != tt.want {
			t.Errorf("%q: %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestSubscriptions(t *testing.T) {
	for _, c := range []struct {
		confirmed, pending string
		want               [2]int
		err                string
	}{
		{"2", "1", [2]int{2, 1}, ""}, {"0", "0", [2]int{}, ""},
		{"", "1", [2]int{0, 1}, `SubscriptionsConfirmed is ""`}, {"2", "-1", [2]int{2, 0}, `SubscriptionsPending is "-1"`}, {"many", "1", [2]int{0, 1}, `"many"`},
	} {
		topic, err := notify.New(&capture{attributes: map[string]string{"SubscriptionsConfirmed": c.confirmed, "SubscriptionsPending": c.pending}}, arn)
		if err != nil {
			t.Fatal(err)
		}
		confirmed, pending, err := topic.Subscriptions(t.Context())
		if [2]int{confirmed, pending} != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q %q: %d, %d, %v", c.confirmed, c.pending, confirmed, pending, err)
		}
	}
	away := &capture{err: errors.New("away")}
	topic, err := notify.New(away, arn)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := topic.Subscriptions(t.Context()); !errors.Is(err, away.err) {
		t.Errorf("error %v", err)
	}
}

func FuzzMessageFitsSNS(f *testing.F) {
	f.Add("CRITICAL: x", "body", 1)
	f.Add("\n☂\xff", "\xff☂", 90_000)
	f.Add("", " ", 1)
	f.Fuzz(func(t *testing.T, subject, body string, times int) {
		if times < 0 || times > 100_000 || len(body)*times > 1<<20 {
			return
		}
		in := publish(t, alert.Message{Severity: alert.Critical, Kind: alert.ActionOverdue, Subject: subject, Body: strings.Repeat(body, times)})
		if s := *in.Subject; len(s) < 1 || len(s) > 100 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) || s[0] == ' ' {
			t.Errorf("subject %q", s)
		}
		size := len(*in.Message)
		for name, v := range in.MessageAttributes {
			size += len(name) + len(*v.DataType) + len(*v.StringValue)
		}
		if size > 256<<10 || *in.Message == "" || !utf8.ValidString(*in.Message) {
			t.Errorf("%d bytes, valid %v", size, utf8.ValidString(*in.Message))
		}
	})
}

func TestALongBodySaysWhatIsMissing(t *testing.T) {
	long := strings.Repeat("☂", 200_000)
	got := *publish(t, alert.Message{Subject: "s", Body: long}).Message
	kept := strings.Count(got, "☂")
	if _, after, ok := strings.Cut(got, "☂\n"); !ok || after != "… cut: "+strconv.Itoa(len(long)-3*kept)+" bytes are missing, see the log.\n" {
		t.Errorf("%d kept, ends with %q", kept, got[len(got)-80:])
	}
}

func TestFailureIsReturned(t *testing.T) {
	c := &capture{err: errors.New("throttled")}
	topic, err := notify.New(c, arn)
	if err != nil {
		t.Fatal(err)
	}
	if err := topic.Publish(t.Context(), alert.Message{Subject: "s", Body: "b"}); !errors.Is(err, c.err) {
		t.Errorf("error %v", err)
	}
	for _, bad := range []string{"", "alerts", "arn:aws:sqs:us-east-1:000000000000:alerts", "arn:aws:sns:us-east-1:000000000000:"} {
		if _, err := notify.New(c, bad); err == nil || !strings.Contains(err.Error(), "topic") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := notify.New(nil, arn); err == nil {
		t.Error("a topic without a client")
	}
}

// The real server takes the largest and strangest messages, and a subscriber gets them whole.
func TestTopicOnTheServer(t *testing.T) {
	endpoint := servicetest.SQSSNS(t)
	cfg := aws.Config{Region: "us-east-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("any", "any", "")}
	topics, queues := sns.NewFromConfig(cfg), sqs.NewFromConfig(cfg)
	created, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("notify-" + rand.Text())})
	if err != nil {
		t.Fatal(err)
	}
	q, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("notify-" + rand.Text())})
	if err != nil {
		t.Fatal(err)
	}
	a, err := queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: q.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := topics.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: created.TopicArn, Protocol: aws.String("sqs"), Endpoint: aws.String(a.Attributes["QueueArn"]),
		Attributes: map[string]string{"FilterPolicy": `{"severity":["critical"]}`}}); err != nil {
		t.Fatal(err)
	}
	topic, err := notify.New(topics, *created.TopicArn)
	if err != nil {
		t.Fatal(err)
	}

	messages := []alert.Message{
		{Kind: alert.Worthless, Severity: alert.Info, Subject: "filtered out", Body: "b"},
		{Kind: alert.DstPaidSrcExpired, Severity: alert.Critical, Chain: 8453, Subject: "CRITICAL:\ndst-paid-src-expired ☂", Body: "Where: order 1 ☂\n\"quoted\"\n"},
		{Kind: alert.ActionOverdue, Severity: alert.Critical, Chain: 10, Subject: strings.Repeat("long ", 50), Body: ""},
		{Kind: alert.FundsGone, Severity: alert.Critical, Subject: "the largest", Body: strings.Repeat("x", 300_000)},
	}
	for _, m := range messages {
		if err := topic.Publish(t.Context(), m); err != nil {
			t.Errorf("publish %q: %v", m.Subject, err)
		}
	}
	got := map[string]map[string]any{}
	for len(got) < 3 {
		out, err := queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: q.QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			t.Fatalf("only %d messages arrived", len(got))
		}
		for _, m := range out.Messages {
			var envelope map[string]any
			if err := json.Unmarshal([]byte(*m.Body), &envelope); err != nil {
				t.Fatal(err)
			}
			got[envelope["Subject"].(string)] = envelope
		}
	}
	if e := got["CRITICAL: dst-paid-src-expired ?"]; e == nil || e["Message"] != "Where: order 1 ☂\n\"quoted\"\n" {
		t.Errorf("got %v", e)
	}
	if e := got["the largest"]; e == nil || !strings.HasSuffix(e["Message"].(string), "bytes are missing, see the log.\n") {
		t.Error("the largest message did not arrive with its note")
	}
	if got["filtered out"] != nil {
		t.Error("the filter on severity did not work")
	}
}

// TestAMessageNamesTheRunThatTells, however long it is.
func TestAMessageNamesTheRunThatTells(t *testing.T) {
	for _, body := range []string{"b", "b\n", strings.Repeat("b", 1<<20)} {
		c := &capture{}
		topic, err := notify.New(c, arn)
		if err != nil {
			t.Fatal(err)
		}
		ctx := metrics.WithRun(t.Context(), "state-sync", "TOKEN")
		if err := topic.Publish(ctx, alert.Message{Subject: "s", Body: body}); err != nil {
			t.Fatal(err)
		}
		got := *c.in.Message
		if !strings.HasSuffix(got, "\n\nTold by run TOKEN\n") || len(got) > 256<<10-1024 || aws.ToString(c.in.MessageAttributes["run"].StringValue) != "TOKEN" {
			t.Errorf("%d bytes, ends with %q", len(got), got[max(0, len(got)-80):])
		}
	}
}
