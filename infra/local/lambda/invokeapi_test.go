package lambda

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// client is the SDK's, as the functions use it.
func client(t *testing.T, h *Host) *awslambda.Client {
	server := httptest.NewServer(h.Handler())
	t.Cleanup(server.Close)
	return awslambda.New(awslambda.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
}

func TestInvokeAPI(t *testing.T) {
	w := start(t, Config{}, function(nil))
	c := client(t, w.Host)

	for _, name := range []string{"rc-probe", "arn:aws:lambda:eu-west-1:000000000000:function:rc-probe", "arn:aws:lambda:eu-west-1:000000000000:function:rc-probe:$LATEST"} {
		out, err := c.Invoke(t.Context(), &awslambda.InvokeInput{FunctionName: &name, Payload: []byte(`{}`)})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if out.StatusCode != http.StatusOK || out.FunctionError != nil || !strings.Contains(string(out.Payload), `"RequestID"`) {
			t.Errorf("%s: %d %v %s", name, out.StatusCode, aws.ToString(out.FunctionError), out.Payload)
		}
	}

	out, err := c.Invoke(t.Context(), &awslambda.InvokeInput{FunctionName: aws.String("rc-probe"), Payload: []byte(`{"Do":"fail"}`)})
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(out.FunctionError) != "Unhandled" || !strings.Contains(string(out.Payload), "told to fail") {
		t.Errorf("%v %s", aws.ToString(out.FunctionError), out.Payload)
	}

	g := newGate(t)
	out, err = c.Invoke(t.Context(), &awslambda.InvokeInput{
		FunctionName: aws.String("rc-probe"), InvocationType: types.InvocationTypeEvent, Payload: []byte(g.event()),
	})
	if err != nil {
		t.Fatal(err)
	}
	if out.StatusCode != http.StatusAccepted {
		t.Errorf("status %d", out.StatusCode)
	}
	// The caller has its answer while the function still runs.
	_, open := g.arrival()
	open()
	if r := w.record(4); r.Outcome != OK || r.Source != SourceAsync {
		t.Errorf("record %+v", r)
	}

	out, err = c.Invoke(t.Context(), &awslambda.InvokeInput{FunctionName: aws.String("rc-probe"), InvocationType: types.InvocationTypeDryRun})
	if err != nil || out.StatusCode != http.StatusNoContent {
		t.Errorf("dry run: %v %v", out, err)
	}
}

// The account's limits are those of the host; what a function has reserved is not in the rest.
func TestAccountSettings(t *testing.T) {
	for reserved, want := range map[int]int32{0: 12, 5: 7} {
		w := start(t, Config{Concurrency: 12}, function(func(f *Function) { f.Reserved = reserved }))
		out, err := client(t, w.Host).GetAccountSettings(t.Context(), &awslambda.GetAccountSettingsInput{})
		if err != nil {
			t.Fatal(err)
		}
		if l := out.AccountLimit; l == nil || l.ConcurrentExecutions != 12 || aws.ToInt32(l.UnreservedConcurrentExecutions) != want {
			t.Errorf("%d reserved: %+v", reserved, l)
		}
	}
}

func TestInvokeAPIRefusals(t *testing.T) {
	w := start(t, Config{}, function(func(f *Function) { f.Reserved = 1 }))
	c := client(t, w.Host)
	event := types.InvocationTypeEvent

	var notFound *types.ResourceNotFoundException
	// The job's name is no function name: a mistake here would fail on the service.
	if _, err := c.Invoke(t.Context(), &awslambda.InvokeInput{FunctionName: aws.String("probe")}); !errors.As(err, &notFound) {
		t.Errorf("unknown function: %v", err)
	}
	var content *types.InvalidRequestContentException
	if _, err := c.Invoke(t.Context(), &awslambda.InvokeInput{FunctionName: aws.String("rc-probe"), Payload: []byte(`{`)}); !errors.As(err, &content) {
		t.Errorf("no JSON: %v", err)
	}
	var tooLarge *types.RequestTooLargeException
	for _, in := range []*awslambda.InvokeInput{
		{FunctionName: aws.String("rc-probe"), Payload: []byte(`"` + strings.Repeat("x", maxSync) + `"`)},
		{FunctionName: aws.String("rc-probe"), Payload: []byte(`"` + strings.Repeat("x", maxAsync) + `"`), InvocationType: event},
	} {
		if _, err := c.Invoke(t.Context(), in); !errors.As(err, &tooLarge) {
			t.Errorf("too large: %v", err)
		}
	}
	var parameter *types.InvalidParameterValueException
	if _, err := c.Invoke(t.Context(), &awslambda.InvokeInput{FunctionName: aws.String("rc-probe"), InvocationType: "Later"}); !errors.As(err, &parameter) {
		t.Errorf("unknown type: %v", err)
	}

	g := newGate(t)
	if _, err := c.Invoke(t.Context(), &awslambda.InvokeInput{FunctionName: aws.String("rc-probe"), InvocationType: event, Payload: []byte(g.event())}); err != nil {
		t.Fatal(err)
	}
	_, open := g.arrival()
	defer open()
	var throttled *types.TooManyRequestsException
	if _, err := c.Invoke(t.Context(), &awslambda.InvokeInput{FunctionName: aws.String("rc-probe")}); !errors.As(err, &throttled) {
		t.Errorf("busy: %v", err)
	}
}
