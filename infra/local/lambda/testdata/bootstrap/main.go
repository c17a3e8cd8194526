// A function that does what its event says, for the tests of the host.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do   string
	Addr string // where "wait" connects to until the other side hangs up
	MB   int    // what "alloc" takes
	Text string // what "print" writes to both streams

	Records []struct{ MessageID, Body string }
}

type reply struct {
	PID       int
	Count     int
	RequestID string
	ARN       string
	// Left is the time to the deadline.
	Left    time.Duration
	TraceID string
	Env     []string
	Dir     string
}

var (
	count int
	keep  [][]byte
)

func main() {
	switch os.Getenv("INIT") {
	case "exit":
		fmt.Fprintln(os.Stderr, "no configuration")
		os.Exit(2)
	case "error":
		url := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/init/error"
		_, err := http.Post(url, "application/json", strings.NewReader(`{"errorType":"Config.Bad","errorMessage":"chains[0].id: missing"}`))
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	case "hang":
		select {}
	case "alloc":
		alloc(1 << 10)
		select {}
	}
	lambda.Start(handle)
}

func handle(ctx context.Context, e event) (any, error) {
	count++
	if e.Records != nil {
		return batch(e)
	}
	switch e.Do {
	case "fail":
		return nil, errors.New("told to fail")
	case "panic":
		panic("told to panic")
	case "exit":
		os.Exit(3)
	case "hang":
		select {}
	case "alloc":
		alloc(e.MB)
	case "big":
		return strings.Repeat("x", 7<<20), nil
	case "print":
		fmt.Println(e.Text)
		fmt.Fprintln(os.Stderr, e.Text)
	case "wait":
		if err := wait(e.Addr); err != nil {
			return nil, err
		}
	}
	lc, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	dir, err := os.Getwd()
	return reply{
		PID: os.Getpid(), Count: count, RequestID: lc.AwsRequestID, ARN: lc.InvokedFunctionArn,
		Left: time.Until(deadline), TraceID: os.Getenv("_X_AMZN_TRACE_ID"), Env: os.Environ(), Dir: dir,
	}, err
}

func alloc(mb int) {
	for range mb {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		keep = append(keep, b)
	}
}

func wait(addr string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(c, os.Getpid()); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, c)
	return err
}

// batch fails the messages that say so.
func batch(e event) (any, error) {
	type item struct {
		ID string `json:"itemIdentifier"`
	}
	failures := []item{}
	for _, r := range e.Records {
		var m event
		if err := json.Unmarshal([]byte(r.Body), &m); err != nil {
			return nil, err
		}
		switch m.Do {
		case "fail":
			failures = append(failures, item{r.MessageID})
		case "wait":
			if err := wait(m.Addr); err != nil {
				return nil, err
			}
		}
	}
	return map[string]any{"batchItemFailures": failures}, nil
}
