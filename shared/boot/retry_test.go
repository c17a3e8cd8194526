package boot

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// A connection that died while the process was frozen answers nothing: it must
// not hold a run until its end. An answer that has begun may take its time.
func TestARequestThatHearsNothingIsRepeated(t *testing.T) {
	var requests atomic.Int64
	stop := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 1 {
			select {
			case <-r.Context().Done():
			case <-stop:
			}
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = w.Write([]byte(`{"QueueUrls":["a"]}`))
	}))
	defer srv.Close()
	defer close(stop)
	for name, value := range map[string]string{"AWS_ENDPOINT_URL": srv.URL, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"} {
		t.Setenv(name, value)
	}
	cfg, err := awsConfig(200 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if all := cfg.HTTPClient.(*awshttp.BuildableClient).GetTimeout(); all != 0 {
		t.Errorf("an answer has to be whole within %s, however large it is", all)
	}
	out, err := sqs.NewFromConfig(cfg).ListQueues(t.Context(), &sqs.ListQueuesInput{})
	if err != nil || len(out.QueueUrls) != 1 {
		t.Errorf("%v, %v", out, err)
	}
	if n := requests.Load(); n < 2 {
		t.Errorf("%d requests, want the one that hears nothing and another", n)
	}
}

// The first repetition comes within a twentieth of a second, all of them
// within about two.
func TestBackoff(t *testing.T) {
	for attempt, most := range []time.Duration{50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond,
		800 * time.Millisecond, time.Second, time.Second} {
		for range 100 {
			if d, err := backoff(attempt, nil); err != nil || d < 0 || d >= most {
				t.Fatalf("wait %s after attempt %d, want less than %s (%v)", d, attempt, most, err)
			}
		}
	}
	if d, err := backoff(1000, nil); err != nil || d >= time.Second {
		t.Errorf("wait %s after very many attempts (%v)", d, err)
	}
	if n := retryer().MaxAttempts(); n != 6 {
		t.Errorf("%d attempts", n)
	}
}
