package bench

import (
	"archive/zip"
	"compress/flate"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/local/lambda"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

// starts is how often a function is started for its median.
const starts = 15

// BenchmarkFunction reports, for every function and for one that does nothing:
// bytes of the deployed binary (arm64, stripped) and of its zip, and the time
// from spawn to the first request for work on this machine. Functions start
// with their configuration complete and all endpoints refusing: before the first
// event only the store may be asked, which chains file is in force.
func BenchmarkFunction(b *testing.B) {
	root, err := stack.Root()
	if err != nil {
		b.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(root, "functions"))
	if err != nil {
		b.Fatal(err)
	}
	packages := map[string]string{"bare": "./infra/local/bench/testdata/bare"}
	names := []string{"bare"}
	for _, e := range entries {
		packages[e.Name()] = "./functions/" + e.Name()
		names = append(names, e.Name())
	}
	for _, name := range names {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			arm := build(b, root, packages[name], filepath.Join(dir, "arm64", "bootstrap"), "arm64")
			host := build(b, root, packages[name], filepath.Join(dir, "host", "bootstrap"), "")
			var took time.Duration
			for b.Loop() {
				took = start(b, name, host)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(size(b, arm)), "arm64-bytes")
			b.ReportMetric(float64(zipped(b, arm)), "zip-bytes")
			b.ReportMetric(float64(took.Microseconds())/1000, "start-ms")
		})
	}
}

func build(b *testing.B, root, pkg, out, arch string) string {
	b.Helper()
	cmd := exec.Command("go", "build", "-tags", "lambda.norpc,grpcnotrace", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if arch != "" {
		cmd.Env = append(cmd.Env, "GOOS=linux", "GOARCH="+arch)
	}
	if text, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("build %s: %v\n%s", pkg, err, text)
	}
	return out
}

func size(b *testing.B, path string) int64 {
	b.Helper()
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	return info.Size()
}

func zipped(b *testing.B, path string) int64 {
	b.Helper()
	out := filepath.Join(b.TempDir(), "function.zip")
	f, err := os.Create(out)
	if err != nil {
		b.Fatal(err)
	}
	z := zip.NewWriter(f)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	w, err := z.Create("bootstrap")
	if err != nil {
		b.Fatal(err)
	}
	src, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer src.Close()
	if _, err := io.Copy(w, src); err != nil {
		b.Fatal(err)
	}
	if err := z.Close(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return size(b, out)
}

// chainsFile is a valid configuration whose endpoints refuse.
const chainsFile = `
signers: [{ name: s, address: "0x1111111111111111111111111111111111111111", key: alias/s, custody: contract }]
chains:
  - id: 1
    name: one
    endpoints: [{ name: a, url: "http://127.0.0.1:9" }]
    singleProvider: true
    factories: [{ address: "0x2222222222222222222222222222222222222222", family: bmn-v4 }]
    maxFee: { withdraw: 1, cancel: 1, rescueFunds: 1 }
    takers: [{ address: "0x3333333333333333333333333333333333333333", signer: s, path: resolver-contract }]
`

// start returns the median time from spawn to the first request for work.
func start(b *testing.B, name, binary string) time.Duration {
	b.Helper()
	chains := filepath.Join(b.TempDir(), "chains.yaml")
	if err := os.WriteFile(chains, []byte(chainsFile), 0o600); err != nil {
		b.Fatal(err)
	}
	// Which chains file is in force is asked for at the start: none but the packaged one.
	nothing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	defer nothing.Close()
	var took []time.Duration
	host, err := lambda.New(lambda.Config{
		Region: "us-east-1", Account: "000000000000",
		Env: func(lambda.Process) map[string]string {
			return map[string]string{"MODE": "live", "PROFILE": "test", "CHAINS_FILE": chains,
				"ORDERS_TABLE": "o", "ACTIONS_TABLE": "a", "JOURNAL_TABLE": "j", "JOBS_TABLE": "jobs",
				"DOORBELL_QUEUE_URL": "http://127.0.0.1:9/q", "PACER_QUEUE_URL": "http://127.0.0.1:9/p", "PACER_JOBS": "[]",
				"HEARTBEAT_URL":           "none",
				"DOORBELL_DEAD_QUEUE_URL": "http://127.0.0.1:9/d", "FAILED_EVENTS_QUEUE_URL": "http://127.0.0.1:9/f",
				"ALERTS_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:t", "ARCHIVE_BUCKET": "b", "PARAMETERS_PATH": "/p",
				"AWS_ENDPOINT_URL": nothing.URL}
		},
		Observe: func(i lambda.Invocation) {
			if i.Cold {
				took = append(took, i.Init)
			}
		},
		Problem: func(err error) { b.Error(err) },
	}, []lambda.Function{{Function: template.Function{Folder: name, Name: name, ARN: "arn:aws:lambda:us-east-1:000000000000:function:" + name,
		Handler: "bootstrap", MemoryMB: 512, Timeout: 10 * time.Second}, Binary: binary}})
	if err != nil {
		b.Fatal(err)
	}
	defer host.Close()
	for range starts {
		// An event without a time is refused before anything is looked at.
		if _, err := host.Invoke(context.Background(), name, []byte("{}")); err != nil {
			b.Fatal(err)
		}
		host.Kill(name)
	}
	slices.Sort(took)
	if len(took) == 0 {
		b.Fatalf("%s never started", name)
	}
	return took[len(took)/2]
}
