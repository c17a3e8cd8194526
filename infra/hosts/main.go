// Command hosts runs a deployed function where ours does not run it otherwise.
//
//	go run ./infra/hosts -rie FILE BOOTSTRAP     under AWS's own Runtime API, the emulator that the SAM CLI brings along
//	go run ./infra/hosts -qemu FILE BOOTSTRAP    the arm64 artefact, on an emulated processor
//	go run ./infra/hosts -zip BYTES BOOTSTRAP …  how large each is, zipped; more than BYTES is an error
//
// The function gets an event that is too old. It has to say so and answer, for which it asks nothing of anybody.
package main

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/local/lambda"
	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

// limit is for a start and an answer, of a machine that has much else to do.
const limit = time.Minute

// event is one of the first of January 2026.
const event = `{"version":"0","id":"old","detail-type":"Scheduled Event","source":"aws.events","account":"000000000000","time":"2026-01-01T00:00:00Z","region":"us-east-1","resources":[],"detail":{}}`

// said is what the function's log says of it.
const said = `"reason":"stale"`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	f := flag.NewFlagSet("hosts", flag.ContinueOnError)
	rie := f.String("rie", "", "`file` of the Lambda runtime interface emulator")
	qemu := f.String("qemu", "", "`file` of an emulator that runs arm64 programs (qemu-aarch64-static)")
	most := f.Int64("zip", 0, "the most `bytes` that a zipped function may have")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() == 0 {
		return errors.New("no bootstrap is named")
	}
	if *most > 0 {
		return sizes(f.Args(), *most, out)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	began := time.Now()
	binary, err := filepath.Abs(f.Arg(0))
	if err != nil {
		return err
	}
	if *rie != "" { // it runs elsewhere
		if *rie, err = filepath.Abs(*rie); err != nil {
			return err
		}
	}
	switch {
	case *rie != "":
		err = underRIE(ctx, *rie, binary)
	case *qemu != "":
		err = underQEMU(ctx, *qemu, binary)
	default:
		err = errors.New("one of -rie, -qemu and -zip is needed")
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s answered in %.1f s\n", f.Arg(0), time.Since(began).Seconds())
	return nil
}

// empty answers as a table without items, which is asked for the chains file in force.
func empty() (url string, end func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{ReadHeaderTimeout: limit, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = w.Write([]byte("{}")) // a function that has gone needs no answer
	})}
	go func() { _ = server.Serve(l) }() // until end closes it
	return "http://" + l.Addr().String(), func() { _ = server.Close() }, nil
}

// environment is what a function needs to start; at its addresses answers nothing but empty tables.
func environment(dir, tables string) (map[string]string, error) {
	chains := filepath.Join(dir, "chains.yaml")
	err := os.WriteFile(chains, []byte(`signers: [{ name: s, address: "0x1111111111111111111111111111111111111111", key: alias/s, custody: contract }]
chains:
  - id: 1
    name: one
    endpoints: [{ name: a, url: "http://127.0.0.1:9" }]
    singleProvider: true
    factories: [{ address: "0x2222222222222222222222222222222222222222", family: bmn-v4 }]
    maxFee: { withdraw: 1, cancel: 1, rescueFunds: 1 }
    takers: [{ address: "0x3333333333333333333333333333333333333333", signer: s, path: resolver-contract }]
`), 0o600)
	const nowhere = "http://127.0.0.1:9"
	return map[string]string{"MODE": "live", "PROFILE": "mainnet", "CHAINS_FILE": chains, "ORDERS_TABLE": "o", "ACTIONS_TABLE": "a", "JOURNAL_TABLE": "j", "JOBS_TABLE": "jobs",
		"DOORBELL_QUEUE_URL": nowhere + "/q", "DOORBELL_DEAD_QUEUE_URL": nowhere + "/d", "FAILED_EVENTS_QUEUE_URL": nowhere + "/f",
		"ALERTS_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:t", "ARCHIVE_BUCKET": "b", "HEARTBEAT_URL": "none",
		"PARAMETERS_PATH": "/none", "AWS_ENDPOINT_URL_DYNAMODB": tables, "AWS_ENDPOINT_URL": nowhere, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}, err
}

// scratch is a folder for one start, and the environment for it; end takes both away.
func scratch() (dir string, env map[string]string, end func(), err error) {
	if dir, err = os.MkdirTemp("", "resolver-cron-host-"); err != nil {
		return "", nil, nil, err
	}
	tables, stop, err := empty()
	if err != nil {
		return "", nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	end = func() { stop(); os.RemoveAll(dir) }
	if env, err = environment(dir, tables); err != nil {
		end()
		return "", nil, nil, err
	}
	return dir, env, end, nil
}

// underRIE runs the binary for this machine under the emulator.
func underRIE(ctx context.Context, rie, binary string) error {
	dir, env, end, err := scratch()
	if err != nil {
		return err
	}
	defer end()
	front, err := free()
	if err != nil {
		return err
	}
	back, err := free()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, rie, "--runtime-interface-emulator-address", front, "--runtime-api-address", back, binary)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "AWS_LAMBDA_FUNCTION_NAME=smoke", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256", "AWS_LAMBDA_FUNCTION_TIMEOUT=50"}
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	log := &lines{}
	cmd.Stdout, cmd.Stderr = log, log
	// The function is its child, and ends when its pipe to the emulator does.
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	answer, err := post(ctx, "http://"+front+"/2015-03-31/functions/function/invocations", ended)
	cancel()
	over := <-ended // killed, and only of interest if something else went wrong
	if err != nil {
		err = errors.Join(err, over)
	}
	if err == nil && strings.Contains(answer, "errorMessage") {
		err = fmt.Errorf("it answered %s", answer)
	}
	return log.judge(err)
}

// post hands the event over as soon as somebody listens.
func post(ctx context.Context, url string, ended chan error) (string, error) {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(event))
		if err != nil {
			return "", err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			defer resp.Body.Close()
			body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
			if err == nil && resp.StatusCode != http.StatusOK {
				err = fmt.Errorf("status %s: %s", resp.Status, body)
			}
			return string(body), err
		}
		select {
		case over := <-ended:
			ended <- over
			return "", fmt.Errorf("the emulator ended: %w", errors.Join(over, err))
		case <-ctx.Done():
			return "", err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// underQEMU runs the deployed binary on an emulated processor, under our own host.
func underQEMU(ctx context.Context, qemu, binary string) error {
	dir, env, end, err := scratch()
	if err != nil {
		return err
	}
	defer end()
	if qemu, err = exec.LookPath(qemu); err != nil {
		return err
	}
	if qemu, err = filepath.Abs(qemu); err != nil {
		return err
	}
	start := filepath.Join(dir, "bootstrap")
	if err := os.WriteFile(start, fmt.Appendf(nil, "#!/bin/sh\nexec %q %q\n", qemu, binary), 0o700); err != nil {
		return err
	}
	log := &lines{}
	const name = "smoke"
	host, err := lambda.New(lambda.Config{Region: "us-east-1", Account: "000000000000", Slack: 4,
		Env: func(lambda.Process) map[string]string { return env },
		Log: func(l lambda.Line) { _, _ = fmt.Fprintln(log, l.Text) },
	}, []lambda.Function{{Function: template.Function{Folder: name, Name: name, Handler: "bootstrap", MemoryMB: 2048, Timeout: 50 * time.Second}, Binary: start}})
	if err != nil {
		return err
	}
	result, err := host.Invoke(ctx, name, []byte(event))
	host.Close()
	if err == nil && result.Failed() {
		err = fmt.Errorf("%s: %s", result.Outcome, result.Payload)
	}
	return log.judge(err)
}

// lines is what was logged. It may be written to by many.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// judge adds what was logged to an error, which there also is if the function did not say what it should.
func (l *lines) judge(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && !strings.Contains(l.text.String(), said) {
		err = fmt.Errorf("it did not say %s", said)
	}
	if err != nil {
		return fmt.Errorf("%w; it logged:\n%s", err, l.text.String())
	}
	return nil
}

// free is a loopback address that nobody listened at just now.
func free() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// sizes tells how large functions are when they are zipped.
func sizes(binaries []string, most int64, out io.Writer) error {
	var errs []error
	for _, b := range binaries {
		n, err := zipped(b)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%10d  %s\n", n, b)
		if n > most {
			errs = append(errs, fmt.Errorf("%s has %d bytes when zipped, more than %d", b, n, most))
		}
	}
	return errors.Join(errs...)
}

func zipped(path string) (int64, error) {
	src, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	var n counter
	z := zip.NewWriter(&n)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	w, err := z.Create("bootstrap")
	if err != nil {
		return 0, err
	}
	if _, err := io.Copy(w, src); err != nil {
		return 0, err
	}
	err = z.Close()
	return int64(n), err
}

// counter is a file of which only the size matters.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
