package job

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bridge-me-not/resolver-cron/shared/metrics"
)

// Main is the main function of a Lambda: it builds the handler once and serves invocations until
// the process is ended. If build fails, every problem is logged and reported to the runtime as the
// init error, and the process exits with 1.
func Main(build func(context.Context) (Handler, error)) {
	limitMemory(os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), os.Getenv("GOMEMLIMIT"))
	h, err := build(context.Background())
	if err != nil {
		initFailed(err)
		os.Exit(1)
	}
	lambda.Start(h)
}

// limitMemory makes the collector work harder before the function is killed for its memory: nine
// tenths of the size in MB leave room for stacks and what is not Go's. An explicit limit stands.
func limitMemory(size, explicit string) {
	mb, err := strconv.ParseInt(size, 10, 64)
	if err != nil || mb <= 0 || explicit != "" {
		return // not on Lambda, or decided otherwise
	}
	debug.SetMemoryLimit(mb << 20 / 10 * 9)
}

func initFailed(err error) {
	problems := flatten(err)
	if log, lerr := metrics.NewLogger(os.Stderr, ""); lerr == nil {
		log.LogAttrs(context.Background(), slog.LevelError, "init failed", slog.Any("problems", problems))
	}
	if api := os.Getenv("AWS_LAMBDA_RUNTIME_API"); api != "" {
		if err := reportInitError(api, problems); err != nil {
			fmt.Fprintln(os.Stderr, "report the init error:", err)
		}
	}
}

// flatten lists what errors.Join joined, at any depth, in order. What wraps more text around its
// parts stays one problem.
func flatten(err error) []string {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []string{err.Error()}
	}
	var all, texts []string
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
		texts = append(texts, e.Error())
	}
	if strings.Join(texts, "\n") != err.Error() {
		return []string{err.Error()}
	}
	return all
}

// reportInitError tells the runtime why there will be no invocation, see
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-initerror
func reportInitError(api string, problems []string) error {
	body, err := json.Marshal(map[string]any{"errorType": "Runtime.InitError", "errorMessage": strings.Join(problems, "\n"), "stackTrace": []string{}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+api+"/2018-06-01/runtime/init/error", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Lambda-Runtime-Function-Error-Type", "Runtime.InitError")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("runtime answered %s", resp.Status)
	}
	return nil
}
