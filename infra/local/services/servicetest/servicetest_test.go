package servicetest_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/bridge-me-not/resolver-cron/infra/local/services/servicetest"
)

func TestDynamoDBAnswersTheSDK(t *testing.T) {
	endpoint := servicetest.DynamoDB(t)
	if again := servicetest.DynamoDB(t); again != endpoint {
		t.Fatalf("second call: %s, want the same server %s", again, endpoint)
	}
	db := dynamodb.NewFromConfig(servicetest.Config(endpoint))
	table := aws.String(servicetest.Name(t))
	if _, err := db.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName:            table,
		BillingMode:          types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}},
	}); err != nil {
		t.Fatal(err)
	}
	put := func() error {
		_, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{
			TableName:           table,
			Item:                map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "one"}},
			ConditionExpression: aws.String("attribute_not_exists(pk)"),
		})
		return err
	}
	if err := put(); err != nil {
		t.Fatal(err)
	}
	if err := put(); err == nil {
		t.Fatal("the second conditional put succeeded")
	}
}

func TestSQSSNSAnswersTheSDK(t *testing.T) {
	endpoint := servicetest.SQSSNS(t)
	queues, topics := sqs.NewFromConfig(servicetest.Config(endpoint)), sns.NewFromConfig(servicetest.Config(endpoint))
	q, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(servicetest.Name(t))})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := queues.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: q.QueueUrl, MessageBody: aws.String("ring")}); err != nil {
		t.Fatal(err)
	}
	got, err := queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: q.QueueUrl, WaitTimeSeconds: 5})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Messages) != 1 || aws.ToString(got.Messages[0].Body) != "ring" {
		t.Fatalf("received %v, want the message sent", got.Messages)
	}
	topic, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String(servicetest.Name(t))})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := topics.Publish(t.Context(), &sns.PublishInput{TopicArn: topic.TopicArn, Message: aws.String("warning")}); err != nil {
		t.Fatal(err)
	}
}

func TestName(t *testing.T) {
	t.Run("odd/name of ünusual "+strings.Repeat("length ", 30), func(t *testing.T) {
		one, other := servicetest.Name(t), servicetest.Name(t)
		if one == other {
			t.Errorf("%q twice", one)
		}
		for _, name := range []string{one, other} {
			if !regexp.MustCompile(`^TestName-odd-name-of--nusual-length-[A-Za-z0-9-]*-[0-9]+$`).MatchString(name) || len(name) > 80 {
				t.Errorf("name %q of %d characters", name, len(name))
			}
		}
	})
}
