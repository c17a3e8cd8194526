// Package notify delivers alerts to an SNS topic.
package notify

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/metrics"
)

// API is what a Topic needs of the SNS client.
type API interface {
	Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
	GetTopicAttributes(context.Context, *sns.GetTopicAttributesInput, ...func(*sns.Options)) (*sns.GetTopicAttributesOutput, error)
}

// Topic is an alert.Publisher. Its subscribers may filter by the message attributes severity, kind
// and chain; run names the run that told of it. It is safe for concurrent use.
type Topic struct {
	api API
	arn string
}

var _ alert.Publisher = (*Topic)(nil)

// New returns the topic of that ARN.
func New(api API, arn string) (*Topic, error) {
	if api == nil {
		return nil, errors.New("topic without a client")
	}
	if parts := strings.Split(arn, ":"); len(parts) != 6 || parts[0] != "arn" || parts[2] != "sns" || parts[5] == "" {
		return nil, fmt.Errorf("alert topic %q: want arn:aws:sns:region:account:name", arn)
	}
	return &Topic{api: api, arn: arn}, nil
}

// Limits of https://docs.aws.amazon.com/sns/latest/api/API_Publish.html, in bytes. The body's leaves
// room for the attributes, which count too.
const (
	maxSubject = 100
	maxBody    = 256<<10 - 1024
)

// Publish implements alert.Publisher. What SNS would refuse is made fit: the subject is cut and
// written in ASCII, the body cut, and the cut said; an empty body is the subject.
func (t *Topic) Publish(ctx context.Context, m alert.Message) error {
	subject := subjectLine(m.Subject)
	body := strings.ToValidUTF8(m.Body, "?")
	if strings.TrimSpace(body) == "" {
		body = subject
	}
	attributes := map[string]types.MessageAttributeValue{
		"severity": {DataType: aws.String("String"), StringValue: aws.String(m.Severity.String())},
		"kind":     {DataType: aws.String("String"), StringValue: aws.String(string(m.Kind))},
		"chain":    {DataType: aws.String("Number"), StringValue: aws.String(strconv.FormatUint(m.Chain, 10))},
	}
	if m.Kind == "" { // SNS refuses empty values
		delete(attributes, "kind")
	}
	if run := metrics.RunOf(ctx); run != "" {
		attributes["run"] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &run}
		body = strings.TrimRight(cut(body, len(run)+len(told)), "\n") + told + run + "\n"
	}
	_, err := t.api.Publish(ctx, &sns.PublishInput{TopicArn: &t.arn, Subject: &subject, Message: aws.String(cut(body, 0)), MessageAttributes: attributes})
	if err != nil {
		return fmt.Errorf("publish to the alert topic: %w", err)
	}
	return nil
}

// Subscriptions tells how many subscribers of the topic have confirmed that they want its messages, and
// how many have been asked and have not: those get nothing. It needs sns:GetTopicAttributes.
func (t *Topic) Subscriptions(ctx context.Context) (confirmed, pending int, err error) {
	out, err := t.api.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &t.arn})
	if err != nil {
		return 0, 0, fmt.Errorf("read the attributes of the alert topic: %w", err)
	}
	count := func(name string) int {
		n, wrong := strconv.Atoi(out.Attributes[name])
		if wrong != nil || n < 0 {
			err = errors.Join(err, fmt.Errorf("alert topic: %s is %q, not a number", name, out.Attributes[name]))
			return 0
		}
		return n
	}
	confirmed, pending = count("SubscriptionsConfirmed"), count("SubscriptionsPending")
	return confirmed, pending, err
}

// subjectLine makes a subject that SNS takes: printable ASCII, beginning with a letter, digit or
// punctuation mark, at most 100 bytes, not empty.
func subjectLine(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, s)
	s = strings.TrimSpace(s)
	if len(s) > maxSubject {
		s = s[:maxSubject-3] + "..."
	}
	if s == "" {
		return "alert"
	}
	return s
}

// told comes before the run that told of it, whose log lines say more.
const told = "\n\nTold by run "

// cut bounds a body, with room for what follows, and says how much is missing.
func cut(body string, follows int) string {
	if len(body)+follows <= maxBody {
		return body
	}
	const note = "\n… cut: %d bytes are missing, see the log.\n"
	end := maxBody - len(note) - 20 - follows
	for !utf8.RuneStart(body[end]) {
		end--
	}
	return body[:end] + fmt.Sprintf(note, len(body)-end)
}
