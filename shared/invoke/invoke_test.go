package invoke_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/bridge-me-not/resolver-cron/shared/invoke"
	"github.com/bridge-me-not/resolver-cron/shared/metrics"
)

// Who is started gets what Lambda said of the pacer's invocation, as it was: no decision where there was none.
func TestWhoIsStartedDecidesAboutItsTrace(t *testing.T) {
	for _, header := range []string{
		"Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=1:5759e988:0",
		"Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
	} {
		t.Setenv("AWS_XRAY_DAEMON_ADDRESS", "127.0.0.1:2000")
		t.Setenv("AWS_LAMBDA_FUNCTION_NAME", "rc-pacer")
		t.Setenv("_X_AMZN_TRACE_ID", header)
		var passed string
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			passed = r.Header.Get("X-Amzn-Trace-Id")
			w.WriteHeader(http.StatusAccepted)
		}))
		defer srv.Close()
		cfg := aws.Config{Region: "eu-central-1", BaseEndpoint: &srv.URL, Credentials: aws.AnonymousCredentials{}}
		metrics.Instrument(&cfg)
		functions := invoke.Functions{Client: invoke.Client(cfg), Names: map[string]string{"state-sync": "rc-state-sync"}}
		//nolint:staticcheck // the key is the string that the Lambda runtime sets
		ctx := context.WithValue(t.Context(), "x-amzn-trace-id", header)
		if err := functions.Invoke(ctx, "state-sync", []byte("{}")); err != nil {
			t.Fatal(err)
		}
		if passed != header {
			t.Errorf("passed on %q, want %q", passed, header)
		}
	}
}
