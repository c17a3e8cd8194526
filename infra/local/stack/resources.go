package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

// CreateTables creates the template's tables with their keys, indexes and TTL.
func CreateTables(ctx context.Context, client *dynamodb.Client, tables []template.Table) error {
	for _, t := range tables {
		in := &dynamodb.CreateTableInput{TableName: &t.Name, BillingMode: types.BillingModePayPerRequest, KeySchema: keys(t.KeySchema)}
		for name, kind := range t.Attributes {
			in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: &name, AttributeType: types.ScalarAttributeType(kind)})
		}
		for _, i := range t.Indexes {
			in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{IndexName: &i.Name, KeySchema: keys(i.KeySchema),
				Projection: &types.Projection{ProjectionType: types.ProjectionType(i.Projection)}})
		}
		if _, err := client.CreateTable(ctx, in); err != nil {
			return fmt.Errorf("create table %s: %w", t.Name, err)
		}
		if t.TTL == "" {
			continue
		}
		if _, err := client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{TableName: &t.Name,
			TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: &t.TTL, Enabled: aws.Bool(true)}}); err != nil {
			return fmt.Errorf("set the TTL of table %s: %w", t.Name, err)
		}
	}
	return nil
}

func keys(k template.KeySchema) []types.KeySchemaElement {
	out := []types.KeySchemaElement{{AttributeName: &k.Hash, KeyType: types.KeyTypeHash}}
	if k.Range != "" {
		out = append(out, types.KeySchemaElement{AttributeName: &k.Range, KeyType: types.KeyTypeRange})
	}
	return out
}

// createBuckets creates the template's buckets with their versions. Lifecycle rules
// have no local effect: nothing lives that long.
func createBuckets(ctx context.Context, client *s3.Client, buckets []template.Bucket) error {
	for _, b := range buckets {
		if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &b.Name}); err != nil {
			return fmt.Errorf("create bucket %s: %w", b.Name, err)
		}
		if !b.Versioned {
			continue
		}
		if _, err := client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &b.Name,
			VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled}}); err != nil {
			return fmt.Errorf("keep the versions of bucket %s: %w", b.Name, err)
		}
	}
	return nil
}

// createQueues creates the queues, those without a dead-letter queue first.
func createQueues(ctx context.Context, client *sqs.Client, queues []template.Queue) error {
	for _, dead := range []bool{true, false} {
		for _, q := range queues {
			if (q.DeadLetterARN == "") != dead {
				continue
			}
			attributes := map[string]string{"VisibilityTimeout": seconds(q.Visibility), "DelaySeconds": seconds(q.Delay)}
			if q.Retention > 0 {
				attributes["MessageRetentionPeriod"] = seconds(q.Retention)
			}
			if q.DeadLetterARN != "" {
				policy, err := json.Marshal(map[string]any{"deadLetterTargetArn": q.DeadLetterARN, "maxReceiveCount": q.MaxReceives})
				if err != nil {
					return err
				}
				attributes["RedrivePolicy"] = string(policy)
			}
			if _, err := client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &q.Name, Attributes: attributes}); err != nil {
				return fmt.Errorf("create queue %s: %w", q.Name, err)
			}
		}
	}
	return nil
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// alertsQueue receives what the topic would mail to a person.
const alertsQueue = "stack-alerts"

func (s *Stack) createAlertsQueue(ctx context.Context) error {
	queue, err := s.SQS.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(alertsQueue)})
	if err != nil {
		return fmt.Errorf("create queue %s: %w", alertsQueue, err)
	}
	s.alertsURL = *queue.QueueUrl
	return nil
}

// createTopics creates the topics and subscribes the stack's own queue to each.
func (s *Stack) createTopics(ctx context.Context, topics []template.Topic) error {
	for _, t := range topics {
		out, err := s.sns.CreateTopic(ctx, &sns.CreateTopicInput{Name: &t.Name})
		if err != nil {
			return fmt.Errorf("create topic %s: %w", t.Name, err)
		}
		if *out.TopicArn != t.ARN {
			return fmt.Errorf("topic %s has ARN %s, the template says %s", t.Name, *out.TopicArn, t.ARN)
		}
		if _, err := s.sns.Subscribe(ctx, &sns.SubscribeInput{TopicArn: out.TopicArn, Protocol: aws.String("sqs"),
			Endpoint: aws.String("arn:aws:sqs:" + region + ":" + account + ":" + alertsQueue)}); err != nil {
			return fmt.Errorf("subscribe to topic %s: %w", t.Name, err)
		}
	}
	return nil
}

// Alert is a message that the topic delivered.
type Alert struct {
	Subject string `json:"Subject"`
	Message string `json:"Message"`
}

// Alerts hands every delivered alert over until ctx ends.
func (s *Stack) Alerts(ctx context.Context, each func(Alert)) error {
	for ctx.Err() == nil {
		out, err := s.SQS.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &s.alertsURL, MaxNumberOfMessages: 10, WaitTimeSeconds: 5})
		if err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // the end of ctx is the wanted end
			}
			return fmt.Errorf("receive alerts: %w", err)
		}
		for _, m := range out.Messages {
			var a Alert
			if err := json.Unmarshal([]byte(*m.Body), &a); err != nil {
				return fmt.Errorf("alert message: %w", err)
			}
			each(a)
			if _, err := s.SQS.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &s.alertsURL, ReceiptHandle: m.ReceiptHandle}); err != nil && ctx.Err() == nil {
				return fmt.Errorf("delete alert message: %w", err)
			}
		}
	}
	return nil
}
