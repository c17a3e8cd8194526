package boot

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

func TestAWSConfig(t *testing.T) {
	for name, value := range map[string]string{"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key", "AWS_SESSION_TOKEN": "token",
		"AWS_ENDPOINT_URL": "http://all.example.org", "AWS_ENDPOINT_URL_DYNAMODB": "http://tables.example.org"} {
		t.Setenv(name, value)
	}
	cfg, err := awsConfig(silence)
	if err != nil {
		t.Fatal(err)
	}
	got, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil || got.AccessKeyID != "id" || got.SecretAccessKey != "key" || got.SessionToken != "token" {
		t.Errorf("credentials of %q, %v", got.AccessKeyID, err)
	}
	if o := dynamodb.NewFromConfig(cfg).Options(); o.Region != "eu-west-1" || o.BaseEndpoint == nil || *o.BaseEndpoint != "http://tables.example.org" {
		t.Errorf("DynamoDB in %s, %v", o.Region, o.BaseEndpoint)
	}
	if o := sqs.NewFromConfig(cfg).Options(); o.BaseEndpoint == nil || *o.BaseEndpoint != "http://all.example.org" {
		t.Errorf("SQS at %v", o.BaseEndpoint)
	}
	for _, name := range []string{"AWS_REGION", "AWS_ACCESS_KEY_ID"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "")
			if _, err := awsConfig(silence); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("without %s: %v", name, err)
			}
		})
	}
}
