package job_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/job/jobtest"
	"github.com/bridge-me-not/resolver-cron/shared/metrics"
)

// A function is a process, so these tests run their own binary again as one. The variable says what
// its main function builds.
const asFunction = "JOB_TEST_FUNCTION"

func TestMain(m *testing.M) {
	switch os.Getenv(asFunction) {
	case "":
		os.Exit(m.Run())
	case "misconfigured":
		job.Main(func(context.Context) (job.Handler, error) {
			return nil, errors.Join(errors.New("chains[0].id: missing"),
				errors.Join(errors.New("chains[1].factories[0].family: unknown"), fmt.Errorf("mode: %w", errors.New("unknown"))))
		})
	case "working":
		job.Main(func(context.Context) (job.Handler, error) {
			log, err := metrics.NewLogger(os.Stdout, "")
			if err != nil {
				return nil, err
			}
			store := jobtest.NewMemory()
			return job.Scheduled(job.Deps{Locker: store, Recorder: store, Log: log}, job.Task{Name: "sweep", Exclusive: true,
				Period: time.Minute, Timeout: 30 * time.Second, Margin: time.Second,
				Run: func(ctx context.Context, r *job.Run) error {
					if _, ok := ctx.Deadline(); !ok {
						return errors.New("no deadline")
					}
					return nil
				}})
		})
	}
}

// runtimeAPI plays Lambda's runtime interface: it hands out one event and keeps what it is told.
type runtimeAPI struct {
	payload []byte
	given   bool
	told    chan [2]string // path, body
}

func (a *runtimeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		a.told <- [2]string{r.URL.Path, string(body)}
		return
	}
	if a.given { // no more events: wait until the process is ended
		<-r.Context().Done()
		return
	}
	a.given = true
	w.Header().Set("Lambda-Runtime-Aws-Request-Id", "request-1")
	w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(30*time.Second).UnixMilli()))
	_, _ = w.Write(a.payload)
}

func function(t *testing.T, name string, api *runtimeAPI) (cmd *exec.Cmd, output *strings.Builder) {
	t.Helper()
	srv := httptest.NewServer(api)
	t.Cleanup(srv.Close)
	t.Cleanup(srv.CloseClientConnections) // first: a waiting process holds one
	cmd = exec.CommandContext(t.Context(), os.Args[0])
	output = &strings.Builder{}
	cmd.Stdout, cmd.Stderr = output, output
	cmd.Env = []string{asFunction + "=" + name, "AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(srv.URL, "http://"), "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128"}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, output
}

func TestMainServesInvocations(t *testing.T) {
	api := &runtimeAPI{payload: event(time.Now()), told: make(chan [2]string, 1)}
	cmd, output := function(t, "working", api)
	told := <-api.told
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // it was killed
	if told[0] != "/2018-06-01/runtime/invocation/request-1/response" || told[1] != "null" {
		t.Errorf("runtime was told %q; output:\n%s", told, output)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(output.String()), &line); err != nil || line["outcome"] != "done" || line["requestId"] != "request-1" {
		t.Errorf("output %q, %v", output, err)
	}
}

func TestMainReportsEveryInitProblem(t *testing.T) {
	api := &runtimeAPI{told: make(chan [2]string, 1)}
	cmd, output := function(t, "misconfigured", api)
	err := cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
		t.Errorf("ended with %v, want exit status 1", err)
	}
	var line struct{ Problems []string }
	if err := json.Unmarshal([]byte(output.String()), &line); err != nil {
		t.Fatalf("output %q: %v", output, err)
	}
	want := []string{"chains[0].id: missing", "chains[1].factories[0].family: unknown", "mode: unknown"}
	if fmt.Sprint(line.Problems) != fmt.Sprint(want) {
		t.Errorf("problems %q, want %q", line.Problems, want)
	}
	told := <-api.told
	var report struct{ ErrorMessage, ErrorType string }
	if err := json.Unmarshal([]byte(told[1]), &report); err != nil {
		t.Fatal(err)
	}
	if told[0] != "/2018-06-01/runtime/init/error" || report.ErrorMessage != strings.Join(want, "\n") || report.ErrorType == "" {
		t.Errorf("runtime was told %q", told)
	}
}
