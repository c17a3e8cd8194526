package notify_test

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/bridge-me-not/resolver-cron/infra/local/services/servicetest"
	"github.com/bridge-me-not/resolver-cron/infra/local/template"
	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/notify"
)

// subscriptions are those that the template makes when every address is given.
func subscriptions(t *testing.T) []template.Subscription {
	t.Helper()
	src, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := template.Evaluate(src, template.Options{
		Parameters: map[string]string{"AlertEmail": "ops@example.org",
			"ChatEndpoint": "https://chat.example.org/", "PagerEndpoint": "https://pager.example.org/"},
		Pseudo:  template.Pseudo("rc", "us-east-1", "000000000000"),
		Resolve: template.Names("us-east-1", "000000000000", func(name string) string { return "http://queue.test/" + name }),
	})
	if err != nil {
		t.Fatal(err)
	}
	stack, err := doc.Stack()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(stack.Topics, func(t template.Topic) bool { return t.LogicalID == "Alerts" })
	if i < 0 {
		t.Fatal("no topic Alerts")
	}
	return stack.Topics[i].Subscriptions
}

// The template's filters, on the real server with a queue in the place of each
// address: the mail gets everything, the chat from warning up, the pager what is
// critical and its end. A message without attributes, as an alarm of CloudWatch,
// reaches the mail alone: those have a topic of their own.
func TestTemplateRoutesBySeverity(t *testing.T) {
	endpoint := servicetest.SQSSNS(t)
	cfg := aws.Config{Region: "us-east-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("any", "any", "")}
	topics, queues := sns.NewFromConfig(cfg), sqs.NewFromConfig(cfg)
	created, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("routing-" + rand.Text())})
	if err != nil {
		t.Fatal(err)
	}
	topic, err := notify.New(topics, *created.TopicArn)
	if err != nil {
		t.Fatal(err)
	}
	if confirmed, pending, err := topic.Subscriptions(t.Context()); err != nil || confirmed != 0 || pending != 0 {
		t.Errorf("a topic that nobody listens to: %d confirmed, %d pending, %v", confirmed, pending, err)
	}
	urls := map[string]string{}
	for _, s := range subscriptions(t) {
		q, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("routing-" + rand.Text())})
		if err != nil {
			t.Fatal(err)
		}
		a, err := queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: q.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn}})
		if err != nil {
			t.Fatal(err)
		}
		in := &sns.SubscribeInput{TopicArn: created.TopicArn, Protocol: aws.String("sqs"), Endpoint: aws.String(a.Attributes["QueueArn"])}
		if s.FilterPolicy != "" {
			in.Attributes = map[string]string{"FilterPolicy": s.FilterPolicy}
		}
		if _, err := topics.Subscribe(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		urls[s.Endpoint] = *q.QueueUrl
	}
	if confirmed, pending, err := topic.Subscriptions(t.Context()); err != nil || confirmed != 3 || pending != 0 {
		t.Errorf("%d confirmed, %d pending, %v", confirmed, pending, err)
	}
	for _, s := range []alert.Severity{alert.Info, alert.Warning, alert.Critical} {
		if err := topic.Publish(t.Context(), alert.Message{Kind: alert.CallReverts, Severity: s, Subject: s.String(), Body: "b"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := topics.Publish(t.Context(), &sns.PublishInput{TopicArn: created.TopicArn, Subject: aws.String("alarm"), Message: aws.String("b")}); err != nil {
		t.Fatal(err)
	}
	for endpoint, want := range map[string][]string{
		"ops@example.org":            {"alarm", "critical", "info", "warning"},
		"https://chat.example.org/":  {"critical", "warning"},
		"https://pager.example.org/": {"critical"},
	} {
		url, got := urls[endpoint], map[string]bool{}
		for {
			out, err := queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, VisibilityTimeout: 600})
			if err != nil {
				t.Fatal(err)
			}
			if len(out.Messages) == 0 {
				break
			}
			for _, m := range out.Messages {
				var envelope struct{ Subject string }
				if err := json.Unmarshal([]byte(*m.Body), &envelope); err != nil {
					t.Fatal(err)
				}
				got[envelope.Subject] = true
			}
		}
		if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, want) {
			t.Errorf("%s got %q, want %q", endpoint, names, want)
		}
	}
}
