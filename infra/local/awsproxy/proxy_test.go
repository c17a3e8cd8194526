package awsproxy_test

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/bridge-me-not/resolver-cron/infra/local/awsproxy"
)

// The functions know their endpoints from the environment alone, and the proxy knows the
// function from the endpoint's path: every client must keep it.
func TestClientsFromTheEnvironmentKeepThePath(t *testing.T) {
	w := newWorld(t)
	_, queueURL := queue(t)
	tbl := table(t)
	for _, setting := range w.proxy.Env(process) {
		name, value, _ := strings.Cut(setting, "=")
		t.Setenv(name, value)
	}
	cfg, err := awsconfig.LoadDefaultConfig(t.Context(), awsconfig.WithRegion("us-east-1"),
		awsconfig.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("any", "any", "")))
	if err != nil {
		t.Fatal(err)
	}
	var needed []awsproxy.Permission
	w.proxy.Use(awsproxy.Before(func(c *awsproxy.Call) error {
		needed = append(needed, c.Permissions()...)
		return nil
	}))
	if err := put(t.Context(), dynamodb.NewFromConfig(cfg), tbl, "one"); err != nil {
		t.Error(err)
	}
	if _, err := sqs.NewFromConfig(cfg).SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queueURL, MessageBody: aws.String("ring")}); err != nil {
		t.Error(err)
	}
	topics := sns.NewFromConfig(cfg)
	topic, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("alerts")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := topics.Publish(t.Context(), &sns.PublishInput{TopicArn: topic.TopicArn, Message: aws.String("late")}); err != nil {
		t.Error(err)
	}
	if _, err := kms.NewFromConfig(cfg).GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: aws.String(keyAlias)}); err != nil {
		t.Error(err)
	}
	const target = "arn:aws:lambda:us-east-1:000000000000:function:state-sync"
	if _, err := lambda.NewFromConfig(cfg).Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String(target), InvocationType: lambdatypes.InvocationTypeEvent, Payload: []byte(`{"time":"now"}`)}); err != nil {
		t.Error(err)
	}

	want := []awsproxy.Permission{
		{Action: "dynamodb:PutItem", Resource: tbl},
		{Action: "sqs:SendMessage", Resource: queueURL[strings.LastIndexByte(queueURL, '/')+1:]},
		{Action: "sns:CreateTopic", Resource: "alerts"},
		{Action: "sns:Publish", Resource: "alerts"},
		{Action: "kms:GetPublicKey", Resource: keyAlias},
		{Action: "lambda:InvokeFunction", Resource: "state-sync"},
	}
	if diff := cmp.Diff(want, needed); diff != "" {
		t.Errorf("permissions (-want +got):\n%s", diff)
	}
	if got := w.proxy.Requests(function); got != 6 {
		t.Errorf("%d requests, want 6", got)
	}
	if got := w.invoke.all(); len(got) != 1 || got[0].uri != "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Astate-sync/invocations" || got[0].body != `{"time":"now"}` {
		t.Errorf("Lambda saw %+v", got)
	}
}

func TestRequestsAndRepliesPassUnchanged(t *testing.T) {
	backend := &stub{}
	p := start(t, map[string]string{"dynamodb": serve(t, backend) + "/base/", "other": serve(t, backend)})
	for _, tt := range []struct {
		name, service, path, target, body string
		want                              string // of the body; empty: the same
		wantURI                           string
	}{
		{name: "get asks for its cost", service: "dynamodb", target: "DynamoDB_20120810.GetItem", body: `{"TableName": "t" , "Key":{}}`, want: `{"ReturnConsumedCapacity":"TOTAL","TableName": "t" , "Key":{}}`, wantURI: "/base/"},
		{name: "empty", service: "dynamodb", target: "DynamoDB_20120810.GetItem", body: `{}`, want: `{"ReturnConsumedCapacity":"TOTAL"}`, wantURI: "/base/"},
		{name: "refused to be told", service: "dynamodb", target: "DynamoDB_20120810.PutItem", body: `{"ReturnConsumedCapacity":"NONE","TableName":"t"}`, want: `{"ReturnConsumedCapacity":"TOTAL","TableName":"t"}`, wantURI: "/base/"},
		{name: "asks for more itself", service: "dynamodb", target: "DynamoDB_20120810.Query", body: `{"ReturnConsumedCapacity":"INDEXES","TableName":"t"}`, wantURI: "/base/"},
		{name: "costs nothing", service: "dynamodb", target: "DynamoDB_20120810.DescribeTable", body: `{"TableName":"t"}`, wantURI: "/base/"},
		{name: "no JSON", service: "dynamodb", target: "DynamoDB_20120810.GetItem", body: `{`, wantURI: "/base/"},
		{name: "unknown service of REST", service: "other", path: "/a%2Fb/c?x=1&y=%20", body: "\x00\xff", wantURI: "/a%2Fb/c?x=1&y=%20"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL("f", tt.service)+tt.path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Signature=abc")
			r.Header.Set("X-Amz-Target", tt.target)
			r.Header.Set("X-Amz-Date", "20260101T000000Z")
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if text, err := io.ReadAll(answer.Body); err != nil || string(text) != "{}" || answer.StatusCode != http.StatusAccepted || answer.Header.Get("X-Backend") != "stub" {
				t.Errorf("answer %d %v %q, %v", answer.StatusCode, answer.Header, text, err)
			}
			all := backend.all()
			got := all[len(all)-1]
			want := tt.want
			if want == "" {
				want = tt.body
			}
			if got.body != want || got.uri != tt.wantURI || got.method != http.MethodPost {
				t.Errorf("the backend saw %s %s %q, want POST %s %q", got.method, got.uri, got.body, tt.wantURI, want)
			}
			for _, name := range []string{"Authorization", "X-Amz-Target", "X-Amz-Date"} {
				if got.header.Get(name) != r.Header.Get(name) {
					t.Errorf("%s: the backend saw %q, want %q", name, got.header.Get(name), r.Header.Get(name))
				}
			}
		})
	}
}

func TestStartRefusesNonsense(t *testing.T) {
	for name, backends := range map[string]map[string]string{
		"no scheme":    {"sqs": "127.0.0.1:1"},
		"other scheme": {"sqs": "ftp://127.0.0.1"},
		"no host":      {"sqs": "http://"},
		"empty":        {"sqs": ""},
		"odd name":     {"sqs/x": "http://127.0.0.1:1"},
		"no name":      {"": "http://127.0.0.1:1"},
	} {
		if p, err := awsproxy.Start(backends); err == nil {
			t.Errorf("%s: started", name)
			_ = p.Close()
		}
	}
}

func TestUnknownAddressesAreNotFound(t *testing.T) {
	p := start(t, map[string]string{"sqs": serve(t, &stub{})})
	for _, url := range []string{p.URL("f", "s3"), p.URL("", "sqs"), p.URL("f", "")} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d", url, answer.StatusCode)
		}
	}
	if got := p.Usage(); len(got) != 0 {
		t.Errorf("counted %v", got)
	}
}

func TestDeadBackendIsAnErrorAndCounted(t *testing.T) {
	p := start(t, map[string]string{"dynamodb": "http://127.0.0.1:1"}) // nobody listens there
	db := dynamodb.NewFromConfig(config(p.URL("f", "dynamodb"), 1))
	err := put(t.Context(), db, "orders", "one")
	if err == nil || !strings.Contains(err.Error(), "the local dynamodb does not answer") {
		t.Errorf("put: %v", err)
	}
	want := map[awsproxy.Key]awsproxy.Usage{
		{Function: "f", Service: "dynamodb", Action: "PutItem", Resource: "orders"}: {Requests: 1, Forwarded: 1, Unreachable: 1},
	}
	if diff := cmp.Diff(want, p.Usage()); diff != "" {
		t.Errorf("usage (-want +got):\n%s", diff)
	}
}

func TestClose(t *testing.T) {
	p, err := awsproxy.Start(map[string]string{"sqs": serve(t, &stub{})})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Done():
		t.Error("done before Close")
	default:
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	<-p.Done()
	if err := p.Err(); err != nil {
		t.Errorf("Err() after Close = %v", err)
	}
	if answer, err := http.Get(p.URL("f", "sqs")); err == nil {
		_ = answer.Body.Close()
		t.Error("still answers")
	}
}

// What was sent whole is carried out even if the caller dies; a long poll is given up, or
// it would take messages for nobody.
func TestDeathOfTheCaller(t *testing.T) {
	for _, tt := range []struct {
		action  string
		service string
		want    error // what the backend sees of its caller
	}{
		{"PutItem", "dynamodb", nil},
		{"SendMessage", "sqs", nil},
		{"ReceiveMessage", "sqs", context.Canceled},
	} {
		t.Run(tt.action, func(t *testing.T) {
			arrived, release, result := make(chan struct{}), make(chan struct{}), make(chan error, 1)
			p := start(t, map[string]string{tt.service: serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if _, err := io.ReadAll(r.Body); err != nil {
					result <- err
					return
				}
				close(arrived)
				select {
				case <-release:
					result <- r.Context().Err()
				case <-r.Context().Done():
					result <- r.Context().Err()
				}
			}))})
			var call *awsproxy.Call
			var status int
			replied := make(chan struct{})
			p.Use(func(c *awsproxy.Call, next awsproxy.Forward) (*awsproxy.Reply, error) {
				defer close(replied)
				call = c
				reply, err := next(c)
				if err == nil {
					status = reply.Status
				}
				return reply, err
			})
			ctx, die := context.WithCancel(t.Context())
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL("f", tt.service), strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Amz-Target", "X."+tt.action)
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				if answer, err := http.DefaultClient.Do(r); err == nil {
					_ = answer.Body.Close()
				}
			}()
			await(t, arrived)
			die()
			await(t, gone)
			await(t, call.Context.Done()) // the proxy knows that its caller is gone
			if tt.want == nil {
				close(release)
			}
			select {
			case err := <-result:
				if !errors.Is(err, tt.want) {
					t.Errorf("the backend's caller: %v, want %v", err, tt.want)
				}
			case <-time.After(patience):
				t.Fatal("the backend is still being waited for")
			}
			await(t, replied)
			if carriedOut := status == http.StatusOK; carriedOut != (tt.want == nil) {
				t.Errorf("status %d", status)
			}
		})
	}
}

func await(t *testing.T, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("waited in vain")
	}
}

// What the SDK makes of an error hides how it was written; other clients read the words.
func TestErrorFormats(t *testing.T) {
	for _, tt := range []struct {
		service, target, contentType string
		status                       int
		want, header                 string
	}{
		{"dynamodb", "DynamoDB_20120810.GetItem", "application/x-amz-json-1.0", 400, `{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",`, ""},
		{"sqs", "AmazonSQS.SendMessage", "application/x-amz-json-1.0", 400, `{"__type":"com.amazonaws.sqs#RequestThrottled",`, "X-Amzn-Query-Error: RequestThrottled;Sender"},
		{"kms", "TrentService.Sign", "application/x-amz-json-1.1", 400, `{"__type":"ThrottlingException",`, ""},
		{"sns", "", "application/x-www-form-urlencoded", 400, `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error><RequestId>`, ""},
		{"lambda", "", "", 429, `{"Type":"User","message":"Rate Exceeded."}`, "X-Amzn-Errortype: TooManyRequestsException"},
	} {
		t.Run(tt.service, func(t *testing.T) {
			p := start(t, map[string]string{tt.service: serve(t, &stub{})})
			p.Use(awsproxy.Throttle())
			answer, text := post(t, p.URL("f", tt.service), tt.target, tt.contentType, "Action=Publish")
			if answer.StatusCode != tt.status || !strings.HasPrefix(text, tt.want) {
				t.Errorf("%d %s, want %d %s…", answer.StatusCode, text, tt.status, tt.want)
			}
			if name, value, ok := strings.Cut(tt.header, ": "); ok && answer.Header.Get(name) != value {
				t.Errorf("header %s: %q, want %q", name, answer.Header.Get(name), value)
			}
			if answer.Header.Get("X-Amzn-Requestid") == "" {
				t.Error("no request id")
			}
		})
	}
}

// DynamoDB's checksum must follow a body that a fault changed.
func TestChecksumFollowsTheBody(t *testing.T) {
	p := start(t, map[string]string{"dynamodb": serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amz-Crc32", "2745614147") // of {}
		fmt.Fprint(w, "{}")
	}))})
	for _, body := range []string{"{}", `{"Item":{}}`} {
		remove := p.Use(awsproxy.After(func(_ *awsproxy.Call, r *awsproxy.Reply) error { r.Body = []byte(body); return nil }))
		answer, text := post(t, p.URL("f", "dynamodb"), "DynamoDB_20120810.GetItem", "application/x-amz-json-1.0", "{}")
		if want := fmt.Sprint(crc32.ChecksumIEEE([]byte(body))); text != body || answer.Header.Get("X-Amz-Crc32") != want {
			t.Errorf("body %q, checksum %s, want %q and %s", text, answer.Header.Get("X-Amz-Crc32"), body, want)
		}
		remove()
	}
}

// post sends one request and returns the answer with its body.
func post(t *testing.T, url, target, contentType, body string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"X-Amz-Target": target, "Content-Type": contentType} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}
