package guard_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bridge-me-not/resolver-cron/infra/local/awsproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/guard"
	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

const small = `
Parameters:
  Mode: { Type: String, Default: live }
Resources:
  StateSync:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: rc-state-sync
      Handler: bootstrap
      Runtime: provided.al2023
      Role: !GetAtt StateSyncRole.Arn
      Timeout: 10
      MemorySize: 128
      Code: x
      TracingConfig: { Mode: Active }
  StateSyncLogs:
    Type: AWS::Logs::LogGroup
    Properties: { LogGroupName: /aws/lambda/rc-state-sync }
  StateSyncRole:
    Type: AWS::IAM::Role
    Properties:
      Tags: [{ Key: job, Value: state-sync }]
      AssumeRolePolicyDocument: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { Service: lambda.amazonaws.com }, Action: sts:AssumeRole }] }
      Policies:
        - PolicyName: own
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - Effect: Allow
                Action: [dynamodb:GetItem, dynamodb:PutItem, dynamodb:DeleteItem, dynamodb:ConditionCheckItem, dynamodb:BatchGetItem, dynamodb:BatchWriteItem, dynamodb:Query]
                Resource: !GetAtt Orders.Arn
                Condition:
                  ForAllValues:StringLike: { "dynamodb:LeadingKeys": ["order#*", "run#${aws:PrincipalTag/job}", "live#*", "watch"] }
                  "Null": { "dynamodb:LeadingKeys": "false" }
              - Effect: Allow
                Action: dynamodb:Query
                Resource: !Sub "${Orders.Arn}/index/src"
              - Effect: Allow
                Action: s3:PutObject
                Resource: !Sub "${Archive.Arn}/*"
              - Effect: Allow
                Action: s3:GetObject
                Resource: !Sub "${Archive.Arn}/seen/*"
              - Effect: Allow
                Action: kms:Sign
                Resource: !GetAtt Signer.Arn
              - Effect: Allow
                Action: [sqs:SendMessage, sns:Publish, lambda:InvokeFunction]
                Resource: [!GetAtt Bells.Arn, !Ref Alerts, !GetAtt StateSync.Arn]
  Orders:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: rc-Orders
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }, { AttributeName: shard, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
      GlobalSecondaryIndexes: [{ IndexName: src, KeySchema: [{ AttributeName: shard, KeyType: HASH }], Projection: { ProjectionType: KEYS_ONLY } }]
  Bells: { Type: AWS::SQS::Queue }
  Alerts: { Type: AWS::SNS::Topic }
  Archive: { Type: AWS::S3::Bucket }
  Signer:
    Type: AWS::KMS::Key
    Properties:
      KeySpec: ECC_SECG_P256K1
      KeyUsage: SIGN_VERIFY
      KeyPolicy:
        Version: "2012-10-17"
        Statement:
          - { Effect: Allow, Principal: { AWS: !GetAtt StateSyncRole.Arn }, Action: "kms:Sign", Resource: "*", Condition: { StringEquals: { "kms:MessageType": DIGEST } } }
`

func read(t *testing.T, text string) (*template.Document, *template.Stack) {
	t.Helper()
	doc, err := template.Evaluate([]byte(text), template.Options{Pseudo: template.Pseudo("rc", "us-east-1", "000000000000"),
		Resolve: template.Names("us-east-1", "000000000000", func(name string) string { return "http://sqs.test/0/" + name })})
	if err != nil {
		t.Fatal(err)
	}
	s, err := doc.Stack()
	if err != nil {
		t.Fatal(err)
	}
	return doc, s
}

func TestGuard(t *testing.T) {
	doc, s := read(t, small)
	for name, tt := range map[string]struct {
		service, action, body string
		status                int // of the service
		want                  []string
		refused               string
	}{
		"item":            {service: "dynamodb", action: "GetItem", body: `{"TableName":"rc-Orders","Key":{"pk":{"S":"order#1:0xab"}}}`, want: []string{"dynamodb:GetItem Orders order#*"}},
		"new item":        {service: "dynamodb", action: "PutItem", body: `{"TableName":"rc-Orders","Item":{"pk":{"S":"watch"},"b":{"B":"eA=="}}}`, want: []string{"dynamodb:PutItem Orders watch"}},
		"own record":      {service: "dynamodb", action: "GetItem", body: `{"TableName":"rc-Orders","Key":{"pk":{"S":"run#state-sync"}}}`, want: []string{"dynamodb:GetItem Orders run#state-sync"}},
		"work":            {service: "dynamodb", action: "GetItem", body: `{"TableName":"rc-Orders","Key":{"pk":{"S":"live#1#0xab"}}}`, want: []string{"dynamodb:GetItem Orders <mode>#*"}},
		"query":           {service: "dynamodb", action: "Query", body: `{"TableName":"rc-Orders","KeyConditionExpression":"#pk = :pk AND #sk <= :sk","ExpressionAttributeNames":{"#pk":"pk","#sk":"sk"},"ExpressionAttributeValues":{":pk":{"S":"order#1"},":sk":{"S":"z"}}}`, want: []string{"dynamodb:Query Orders order#*"}},
		"query by name":   {service: "dynamodb", action: "Query", body: `{"TableName":"rc-Orders","KeyConditionExpression":"pk=:pk","ExpressionAttributeValues":{":pk":{"S":"watch"}}}`, want: []string{"dynamodb:Query Orders watch"}},
		"index":           {service: "dynamodb", action: "Query", body: `{"TableName":"rc-Orders","IndexName":"src","KeyConditionExpression":"shard = :s","ExpressionAttributeValues":{":s":{"S":"1#2"}}}`, want: []string{"dynamodb:Query Orders/index/src"}},
		"batch":           {service: "dynamodb", action: "BatchGetItem", body: `{"RequestItems":{"rc-Orders":{"Keys":[{"pk":{"S":"order#1"}},{"pk":{"S":"order#2"}},{"pk":{"S":"watch"}}]}}}`, want: []string{"dynamodb:BatchGetItem Orders order#*", "dynamodb:BatchGetItem Orders watch"}},
		"batch of writes": {service: "dynamodb", action: "BatchWriteItem", body: `{"RequestItems":{"rc-Orders":[{"DeleteRequest":{"Key":{"pk":{"S":"order#1"}}}},{"PutRequest":{"Item":{"pk":{"S":"watch"}}}}]}}`, want: []string{"dynamodb:BatchWriteItem Orders order#*", "dynamodb:BatchWriteItem Orders watch"}},
		"transaction":     {service: "dynamodb", action: "TransactWriteItems", body: `{"TransactItems":[{"Put":{"TableName":"rc-Orders","Item":{"pk":{"S":"order#1"}}}},{"ConditionCheck":{"TableName":"rc-Orders","Key":{"pk":{"S":"watch"}}}}]}`, want: []string{"dynamodb:ConditionCheckItem Orders watch", "dynamodb:PutItem Orders order#*"}},
		"queue":           {service: "sqs", action: "SendMessageBatch", body: `{"QueueUrl":"http://sqs.test/0/rc-Bells"}`, want: []string{"sqs:SendMessage Bells"}},
		"function":        {service: "lambda", action: "rc-state-sync", want: []string{"lambda:InvokeFunction StateSync"}},
		"digest":          {service: "kms", action: "Sign", body: `{"KeyId":"alias/any","MessageType":"DIGEST","SigningAlgorithm":"ECDSA_SHA_256"}`, want: []string{"kms:Sign Signer"}},
		"object":          {service: "s3", action: "PUT /rc-archive/a/b/c", want: []string{"s3:PutObject Archive/a/*"}},

		"another partition":           {service: "dynamodb", action: "GetItem", body: `{"TableName":"rc-Orders","Key":{"pk":{"S":"alert#1"}}}`, want: []string{"dynamodb:GetItem Orders alert#*"}, refused: "not granted to StateSyncRole"},
		"another's record":            {service: "dynamodb", action: "GetItem", body: `{"TableName":"rc-Orders","Key":{"pk":{"S":"run#pacer"}}}`, want: []string{"dynamodb:GetItem Orders run#*"}, refused: "not granted"},
		"one of a batch":              {service: "dynamodb", action: "BatchGetItem", body: `{"RequestItems":{"rc-Orders":{"Keys":[{"pk":{"S":"order#1"}},{"pk":{"S":"x"}}]}}}`, want: []string{"dynamodb:BatchGetItem Orders order#*", "dynamodb:BatchGetItem Orders x"}, refused: "not granted"},
		"another mode's work":         {service: "dynamodb", action: "GetItem", body: `{"TableName":"rc-Orders","Key":{"pk":{"S":"shadow#1"}}}`, want: []string{"dynamodb:GetItem Orders shadow#*"}, refused: "not granted"},
		"scan":                        {service: "dynamodb", action: "Scan", body: `{"TableName":"rc-Orders"}`, want: []string{"dynamodb:Scan Orders"}, refused: "not granted"},
		"no key":                      {service: "dynamodb", action: "Query", body: `{"TableName":"rc-Orders"}`, want: []string{"dynamodb:Query Orders"}, refused: "not granted"},
		"update":                      {service: "dynamodb", action: "UpdateItem", body: `{"TableName":"rc-Orders","Key":{"pk":{"S":"order#1"}}}`, want: []string{"dynamodb:UpdateItem Orders order#*"}, refused: "not granted"},
		"another table":               {service: "dynamodb", action: "GetItem", body: `{"TableName":"other","Key":{"pk":{"S":"order#1"}}}`, want: []string{"dynamodb:GetItem other"}, refused: "not granted"},
		"no JSON":                     {service: "dynamodb", action: "GetItem", body: `{`, want: []string{"dynamodb:GetItem *"}, refused: "not granted"},
		"a message to sign":           {service: "kms", action: "Sign", body: `{"KeyId":"alias/any","SigningAlgorithm":"ECDSA_SHA_256"}`, want: []string{"kms:Sign Signer"}, refused: "policy of the key"},
		"read of an object":           {service: "s3", action: "GET /rc-archive/a/b", want: []string{"s3:GetObject Archive/a/*"}, refused: "not granted"},
		"an object that is not there": {service: "s3", action: "GET /rc-archive/seen/b", status: 404, want: []string{"s3:GetObject Archive/seen/*", "s3:ListBucket Archive"}, refused: "s3:ListBucket on Archive"},
	} {
		t.Run(name, func(t *testing.T) {
			var told error
			g, err := guard.New(doc, s, "000000000000", func(err error) { told = err })
			if err != nil {
				t.Fatal(err)
			}
			reached := false
			backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				reached = true
				if tt.status != 0 {
					w.WriteHeader(tt.status)
				}
			}))
			defer backend.Close()
			p, err := awsproxy.Start(map[string]string{tt.service: backend.URL})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			p.Use(g.Fault())
			method, url := http.MethodPost, p.URL("state-sync@1", tt.service)
			switch tt.service {
			case "lambda":
				url += "/2015-03-31/functions/" + tt.action + "/invocations"
			case "s3":
				verb, path, _ := strings.Cut(tt.action, " ")
				method, url = verb, url+path
			}
			r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if tt.service != "s3" && tt.service != "lambda" {
				r.Header.Set("X-Amz-Target", "Service_1."+tt.action)
			}
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, u := range g.Used() {
				got = append(got, strings.TrimPrefix(u.String(), "state-sync "))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("used (-want +got):\n%s", diff)
			}
			if tt.refused == "" {
				if g.Refused() != nil || told != nil || answer.StatusCode != http.StatusOK || !reached {
					t.Errorf("refused: %v; status %d", g.Refused(), answer.StatusCode)
				}
				return
			}
			if g.Refused() == nil || !strings.Contains(g.Refused().Error(), tt.refused) || !errors.As(told, &guard.Refusal{}) {
				t.Errorf("refused: %v, want %q; told of %v", g.Refused(), tt.refused, told)
			}
			if answer.StatusCode < 400 || !strings.Contains(string(body), "AccessDenied") || reached != (tt.status != 0) {
				t.Errorf("answered %d %s; the service was reached: %t", answer.StatusCode, body, reached)
			}
		})
	}
}

// An operator's command that goes the same way is not held to the role of any function, nor noted.
func TestOperator(t *testing.T) {
	doc, s := read(t, small)
	g, err := guard.New(doc, s, "000000000000", func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	passed := &awsproxy.Reply{Status: http.StatusOK}
	got, err := g.Fault()(&awsproxy.Call{Function: "ops", Service: "s3", Action: "GetObject"}, func(*awsproxy.Call) (*awsproxy.Reply, error) { return passed, nil })
	if got != passed || err != nil || len(g.Used()) > 0 || g.Refused() != nil {
		t.Errorf("%v, %v; used %v, refused %v", got, err, g.Used(), g.Refused())
	}
}

func TestDuties(t *testing.T) {
	doc, s := read(t, small)
	s.Functions[0].Queues = []template.QueueMapping{{QueueARN: s.Queues[0].ARN}}
	s.Functions[0].Async.OnFailure = s.Queues[0].ARN
	want := `state-sync logs:CreateLogStream StateSyncLogs
state-sync logs:PutLogEvents StateSyncLogs
state-sync sqs:DeleteMessage Bells
state-sync sqs:GetQueueAttributes Bells
state-sync sqs:ReceiveMessage Bells
state-sync sqs:SendMessage Bells
state-sync xray:PutTelemetryRecords *
state-sync xray:PutTraceSegments *
`
	duties := guard.Duties(s)
	if diff := cmp.Diff(want, guard.Format(duties)); diff != "" {
		t.Errorf("duties (-want +got):\n%s", diff)
	}
	for _, u := range duties {
		if _, ok := guard.ARN(doc, u.Resource); !ok {
			t.Errorf("%s: no such resource", u)
		}
	}
	if arn, ok := guard.ARN(doc, "Orders/index/src"); !ok || arn != "arn:aws:dynamodb:us-east-1:000000000000:table/rc-Orders/index/src" {
		t.Errorf("index: %q %t", arn, ok)
	}
	if _, ok := guard.ARN(doc, "Other"); ok {
		t.Error("a resource that is not there")
	}
}

func TestRecord(t *testing.T) {
	uses := []guard.Use{{"b", "s3:PutObject", "Archive/a/*", ""}, {"a", "dynamodb:GetItem", "Orders", "order#*"}, {"b", "s3:PutObject", "Archive/a/*", ""}}
	text := guard.Format(uses)
	if want := "a dynamodb:GetItem Orders order#*\nb s3:PutObject Archive/a/*\n"; text != want {
		t.Errorf("%q, want %q", text, want)
	}
	again, err := guard.Parse(text)
	if err != nil || guard.Format(again) != text {
		t.Errorf("read as %v, %v", again, err)
	}
	for _, bad := range []string{"a", "a b c", "a s3:PutObject", "a  s3:PutObject c", "a s3:PutObject c d e"} {
		if _, err := guard.Parse("a s3:PutObject b\n" + bad + "\n"); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// The record itself is as Format writes it, so that a diff shows what changed.
func TestOwnRecord(t *testing.T) {
	uses, err := guard.Recorded()
	if err != nil {
		t.Fatal(err)
	}
	if len(uses) < 100 {
		t.Errorf("only %d uses are recorded", len(uses))
	}
}

func TestInMode(t *testing.T) {
	for key, want := range map[string]string{"<mode>#*": "shadow#*", "order#*": "order#*", "": ""} {
		if got := guard.InMode(key, "shadow"); got != want {
			t.Errorf("%q: %q, want %q", key, got, want)
		}
	}
}

func TestNewRefusesWhatCannotBeJudged(t *testing.T) {
	doc, s := read(t, strings.Replace(small, "Action: s3:PutObject", "NotAction: s3:PutObject", 1))
	if _, err := guard.New(doc, s, "000000000000", func(error) {}); err == nil || !strings.Contains(err.Error(), "StateSyncRole: statement 2 uses NotAction") {
		t.Errorf("%v", err)
	}
}
