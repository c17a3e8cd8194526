package awsproxy_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bridge-me-not/resolver-cron/infra/local/awsproxy"
)

func TestPermissionsAndResources(t *testing.T) {
	backend := serve(t, &stub{})
	type perm = awsproxy.Permission
	for _, tt := range []struct {
		name, service, action, body string
		resources                   []string
		want                        []perm
	}{
		{"table", "dynamodb", "UpdateItem", `{"TableName":"orders"}`, []string{"orders"}, []perm{{"dynamodb:UpdateItem", "orders"}}},
		{"table by ARN", "dynamodb", "GetItem", `{"TableName":"arn:aws:dynamodb:us-east-1:000000000000:table/orders"}`, []string{"orders"}, []perm{{"dynamodb:GetItem", "orders"}}},
		{"index", "dynamodb", "Query", `{"TableName":"orders","IndexName":"by-wake"}`, []string{"orders/index/by-wake"}, []perm{{"dynamodb:Query", "orders/index/by-wake"}}},
		{"batch", "dynamodb", "BatchGetItem", `{"RequestItems":{"b":{},"a":{}}}`, []string{"a", "b"}, []perm{{"dynamodb:BatchGetItem", "a"}, {"dynamodb:BatchGetItem", "b"}}},
		{
			"transaction", "dynamodb", "TransactWriteItems",
			`{"TransactItems":[{"Put":{"TableName":"journal"}},{"Update":{"TableName":"actions"}},{"ConditionCheck":{"TableName":"jobs"}},{"Delete":{"TableName":"actions"}},{"Update":{"TableName":"actions"}}]}`,
			[]string{"actions", "jobs", "journal"},
			[]perm{{"dynamodb:ConditionCheckItem", "jobs"}, {"dynamodb:DeleteItem", "actions"}, {"dynamodb:PutItem", "journal"}, {"dynamodb:UpdateItem", "actions"}},
		},
		{"transactional read", "dynamodb", "TransactGetItems", `{"TransactItems":[{"Get":{"TableName":"orders"}}]}`, []string{"orders"}, []perm{{"dynamodb:GetItem", "orders"}}},
		{"no resource", "dynamodb", "ListTables", `{}`, nil, []perm{{"dynamodb:ListTables", "*"}}},
		{"no JSON", "dynamodb", "GetItem", `{`, nil, []perm{{"dynamodb:GetItem", "*"}}},
		{"queue by URL", "sqs", "SendMessage", `{"QueueUrl":"http://sqs.us-east-1.localhost:1/000000000000/doorbell"}`, []string{"doorbell"}, []perm{{"sqs:SendMessage", "doorbell"}}},
		{"queue by name", "sqs", "GetQueueUrl", `{"QueueName":"doorbell"}`, []string{"doorbell"}, []perm{{"sqs:GetQueueUrl", "doorbell"}}},
		{"queue batch", "sqs", "SendMessageBatch", `{"QueueUrl":"http://h/0/doorbell"}`, []string{"doorbell"}, []perm{{"sqs:SendMessage", "doorbell"}}},
		{"queue deletion batch", "sqs", "DeleteMessageBatch", `{"QueueUrl":"http://h/0/doorbell"}`, []string{"doorbell"}, []perm{{"sqs:DeleteMessage", "doorbell"}}},
		{"topic", "sns", "Publish", "Action=Publish&TopicArn=arn%3Aaws%3Asns%3Aus-east-1%3A0%3Aalerts&Message=x", []string{"alerts"}, []perm{{"sns:Publish", "alerts"}}},
		{"topic batch", "sns", "PublishBatch", "Action=PublishBatch&TopicArn=arn%3Aaws%3Asns%3Aus-east-1%3A0%3Aalerts", []string{"alerts"}, []perm{{"sns:Publish", "alerts"}}},
		{"key by alias", "kms", "Sign", `{"KeyId":"alias/taker"}`, []string{"alias/taker"}, []perm{{"kms:Sign", "alias/taker"}}},
		{"key by alias ARN", "kms", "Sign", `{"KeyId":"arn:aws:kms:us-east-1:0:alias/taker"}`, []string{"alias/taker"}, []perm{{"kms:Sign", "alias/taker"}}},
		{"key by ARN", "kms", "Sign", `{"KeyId":"arn:aws:kms:us-east-1:0:key/1234"}`, []string{"1234"}, []perm{{"kms:Sign", "1234"}}},
		{"function", "lambda", "POST /2015-03-31/functions/state-sync/invocations", `{}`, []string{"state-sync"}, []perm{{"lambda:InvokeFunction", "state-sync"}}},
		{"function by ARN", "lambda", "POST /2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A0%3Afunction%3Astate-sync%3Alive/invocations", `{}`, []string{"state-sync"}, []perm{{"lambda:InvokeFunction", "state-sync"}}},
		{"object", "s3", "GET /archive/snapshots/latest.json?x-id=GetObject", "", []string{"archive/snapshots/latest.json"}, []perm{{"s3:GetObject", "archive/snapshots/latest.json"}}},
		{"object stored", "s3", "PUT /archive/a%20b?x-id=PutObject", "x", []string{"archive/a b"}, []perm{{"s3:PutObject", "archive/a b"}}},
		{"object replaced", "s3", "PUT /archive/a If-Match", "x", []string{"archive/a"}, []perm{{"s3:GetObject", "archive/a"}, {"s3:PutObject", "archive/a"}}},
		{"object looked at", "s3", "HEAD /archive/a", "", []string{"archive/a"}, []perm{{"s3:GetObject", "archive/a"}}},
		{"object deleted", "s3", "DELETE /archive/a", "", []string{"archive/a"}, []perm{{"s3:DeleteObject", "archive/a"}}},
		{"account", "lambda", "GET /2016-08-19/account-settings", "", nil, []perm{{"lambda:GetAccountSettings", "*"}}},
		{"listing", "s3", "GET /archive?list-type=2&prefix=a", "", []string{"archive"}, []perm{{"s3:ListBucket", "archive"}}},
		{"object's tags", "s3", "GET /archive/a?tagging=", "", []string{"archive/a"}, []perm{{"s3:GET /archive/a", "archive/a"}}},
		{"buckets", "s3", "GET /", "", nil, []perm{{"s3:GET /", "*"}}},
		{"other service", "ssm", "GetParameter", `{"Name":"/x"}`, nil, []perm{{"ssm:GetParameter", "*"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := start(t, map[string]string{tt.service: backend})
			var got []string
			var needed []perm
			p.Use(awsproxy.Before(func(c *awsproxy.Call) error { got, needed = c.Resources, c.Permissions(); return nil }))
			method, url, header := http.MethodPost, p.URL("f", tt.service), ""
			if words := strings.Fields(tt.action); len(words) > 1 {
				method, url = words[0], url+words[1]
				if len(words) > 2 {
					header = words[2]
				}
			}
			r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if header != "" {
				r.Header.Set(header, "x")
			}
			switch tt.service {
			case "sns":
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
			case "lambda", "s3":
			default:
				r.Header.Set("X-Amz-Target", "Service_1."+tt.action)
			}
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
			if diff := cmp.Diff(tt.want, needed); diff != "" {
				t.Errorf("permissions (-want +got):\n%s", diff)
			}
			if !slices.Equal(got, tt.resources) {
				t.Errorf("resources %q, want %q", got, tt.resources)
			}
		})
	}
}
