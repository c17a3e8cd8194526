package metrics

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-xray-sdk-go/v2/xray"
)

// The SDK reads the daemon's address when the process starts, so each case is a process: this test
// binary again, told by an environment variable to run tracedWork instead of the tests.
const asTracedProcess = "METRICS_TEST_TRACED_PROCESS"

// What Lambda says of an invocation: it is recorded, it is not, or nobody has decided (of a function in mode PassThrough).
const (
	root     = "Root=1-5759e988-bd862e3fe1be46a994272793;"
	recorded = root + "Parent=53995c3f42cd8ad8;Sampled=1"
	not      = root + "Parent=53995c3f42cd8ad8;Sampled=0"
	nobodys  = root + "Lineage=1:5759e988:0"
)

func TestMain(m *testing.M) {
	if header := os.Getenv(asTracedProcess); header != "" {
		tracedWork(header)
		return
	}
	os.Exit(m.Run())
}

var errWork = errors.New("work failed")

// tracedWork exits with 3 unless every call behaves as without tracing, and with 4 if a request does not
// take the trace along.
func tracedWork(header string) {
	var asked http.Header
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Header
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = w.Write([]byte(`{"QueueUrls":[]}`))
	}))
	defer srv.Close()
	cfg := aws.Config{Region: "eu-central-1", BaseEndpoint: &srv.URL, Credentials: aws.AnonymousCredentials{}}
	Instrument(&cfg)
	client := sqs.NewFromConfig(cfg)
	list := func(ctx context.Context) error {
		_, err := client.ListQueues(ctx, &sqs.ListQueuesInput{})
		return err
	}

	// At start-up there is no invocation and so no segment.
	if Trace(context.Background(), "init", nil, list) != nil {
		os.Exit(3)
	}
	//nolint:staticcheck // the key is the string that the Lambda runtime sets
	ctx := context.WithValue(context.Background(), xray.LambdaTraceHeaderKey, header)
	ctx = WithRun(ctx, "state-sync", "TOKEN")
	about := map[string]string{"chain": "10"}
	err := Trace(ctx, "reading", about, func(ctx context.Context) error {
		if list(ctx) != nil {
			os.Exit(3)
		}
		return errWork
	})
	if len(about) != 1 {
		os.Exit(3)
	}
	if err != errWork {
		os.Exit(3)
	}
	// SQS keeps this header with the messages of a request, so that the trace goes on where they are read, and none begins
	// there for what is not recorded here.
	passed, decision := asked.Get("X-Amzn-Trace-Id"), "Sampled=0"
	if header == recorded {
		decision = "Sampled=1"
	}
	if tracing() != strings.HasPrefix(passed, root) || tracing() != strings.Contains(passed, decision) {
		os.Exit(4)
	}
	defer func() {
		if recover() != "boom" {
			os.Exit(3)
		}
	}()
	_ = Trace(ctx, "panicking", nil, func(context.Context) error { panic("boom") })
}

func TestTrace(t *testing.T) {
	daemon, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Close()
	closed, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	noDaemon := closed.LocalAddr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}

	run := func(t *testing.T, address, header string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = []string{asTracedProcess + "=" + header, "AWS_XRAY_DAEMON_ADDRESS=" + address}
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("traced process: %v, output %q; want success and silence", err, out)
		}
	}
	t.Run("no address: nothing is traced, nothing is said", func(t *testing.T) { run(t, "", recorded) })
	t.Run("no daemon at the address: nothing is said", func(t *testing.T) { run(t, noDaemon, recorded) })
	t.Run("not recorded: nothing is sent", func(t *testing.T) { run(t, daemon.LocalAddr().String(), not) })
	t.Run("nobody has decided: nothing is sent", func(t *testing.T) { run(t, daemon.LocalAddr().String(), nobodys) })
	t.Run("with a daemon", func(t *testing.T) {
		run(t, daemon.LocalAddr().String(), recorded)
		got := received(t, daemon, `"name":"panicking"`)
		if n := strings.Count(got, `"name":"reading"`); n != 1 {
			t.Errorf("%d times of reading arrived, want that of the recorded invocation", n)
		}
		for _, want := range []string{`"name":"reading"`, `"chain":"10"`, `"run":"TOKEN"`, `"job":"state-sync"`, `"name":"SQS"`, `"operation":"ListQueues"`,
			"work failed", `"trace_id":"1-5759e988-bd862e3fe1be46a994272793"`} {
			if !strings.Contains(got, want) {
				t.Errorf("daemon received no %s in:\n%s", want, got)
			}
		}
		if strings.Contains(got, `"name":"init"`) {
			t.Error("a segment outside an invocation was sent")
		}
	})
}

// received is everything the daemon got up to and including the packet that holds last. The sender
// has ended, so all packets wait in the socket.
func received(t *testing.T, daemon *net.UDPConn, last string) string {
	t.Helper()
	if err := daemon.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	buf := make([]byte, 1<<16)
	for {
		n, err := daemon.Read(buf)
		if err != nil {
			t.Fatalf("%v; got so far:\n%s", err, all.String())
		}
		all.Write(buf[:n])
		if strings.Contains(string(buf[:n]), last) {
			return all.String()
		}
	}
}
