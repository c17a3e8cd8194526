package servicetest

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
)

// Config is what clients of a server are made of.
func Config(endpoint string) aws.Config {
	return aws.Config{Region: "us-east-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("any", "any", "")}
}

// Table makes a table with the string keys pk and sk, which no other test has,
// and returns its name.
func Table(t testing.TB) (client *dynamodb.Client, name string) {
	t.Helper()
	client, name = dynamodb.NewFromConfig(Config(DynamoDB(t))), Name(t)
	in := &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest}
	for _, key := range []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange}} {
		in.KeySchema = append(in.KeySchema, key)
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: key.AttributeName, AttributeType: types.ScalarAttributeTypeS})
	}
	if _, err := client.CreateTable(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	return client, name
}

// Topic makes a topic that no other test has, and returns what its clients are
// made of, and its ARN.
func Topic(t testing.TB) (of aws.Config, arn string) {
	t.Helper()
	of = Config(SQSSNS(t))
	name := Name(t)
	topic, err := sns.NewFromConfig(of).CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name})
	if err != nil {
		t.Fatal(err)
	}
	return of, *topic.TopicArn
}
