package services

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asParent makes the test binary play a program that started both servers.
const asParent = "SERVICES_TEST_PARENT"

// patience bounds every wait of these tests.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	if how := os.Getenv(asParent); how != "" {
		parent(how)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := Install(ctx, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// parent starts both servers, prints their process ids, and ends the way it is told.
func parent(how string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, begin := range []func(context.Context, Options) (*Server, error){StartDynamoDB, StartSQSSNS} {
		s, err := begin(ctx, Options{})
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println("started", s.PID(), strings.TrimPrefix(s.URL, "http://"))
	}
	fmt.Println("ready")
	switch how {
	case "panic":
		_, _ = io.Copy(io.Discard, os.Stdin)
		panic("as told")
	case "exit":
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	select {}
}

func TestNothingOutlivesItsParent(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(p *os.Process, stdin io.Closer) error
	}{
		{"kill -9", func(p *os.Process, _ io.Closer) error { return p.Kill() }},
		{"ctrl-c", func(p *os.Process, _ io.Closer) error { return syscall.Kill(-p.Pid, syscall.SIGINT) }},
		{"panic", func(_ *os.Process, stdin io.Closer) error { return stdin.Close() }},
		{"exit", func(_ *os.Process, stdin io.Closer) error { return stdin.Close() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), asParent+"="+tt.name)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			pids := map[int]string{}
			lines := bufio.NewScanner(stdout)
			for lines.Scan() && lines.Text() != "ready" {
				var pid int
				var address string
				if _, err := fmt.Sscanf(lines.Text(), "started %d %s", &pid, &address); err != nil {
					t.Fatalf("the parent said %q", lines.Text())
				}
				pids[pid] = address
			}
			for pid, address := range pids {
				if !alive(t, pid) || !answers(address) {
					t.Fatalf("server %d is not up before its parent ends", pid)
				}
			}
			if len(pids) != 2 {
				t.Fatalf("%d servers, want 2", len(pids))
			}
			if err := tt.end(cmd.Process, stdin); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // ends badly, as told
			for pid, address := range pids {
				waitFor(t, fmt.Sprintf("server %d to end with its parent", pid), func() bool {
					return !alive(t, pid) && !answers(address)
				})
			}
		})
	}
}

// The kernel ties a child to the thread that forked it; a caller's thread may go.
func TestServerOutlivesTheThreadOfItsCaller(t *testing.T) {
	for name, begin := range starters() {
		t.Run(name, func(t *testing.T) {
			got := make(chan *Server)
			go func() {
				defer close(got)
				runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
				s, err := begin(t.Context(), Options{})
				if err != nil {
					t.Error(err)
					return
				}
				got <- s
			}()
			s, ok := <-got
			if !ok {
				return
			}
			<-got
			t.Cleanup(s.Stop)
			for range 50 { // the dying thread had every chance
				runtime.Gosched()
				if !answers(strings.TrimPrefix(s.URL, "http://")) {
					t.Fatalf("gone: %v", s.Err())
				}
			}
		})
	}
}

func TestDeathIsVisible(t *testing.T) {
	for name, begin := range starters() {
		t.Run(name, func(t *testing.T) {
			s, err := begin(t.Context(), Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Stop)
			if err := s.Err(); err != nil {
				t.Fatalf("living server has error %v", err)
			}
			if got := children(t); len(got) != 1 {
				t.Fatalf("children %q, want one", got)
			}
			if err := syscall.Kill(s.PID(), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			waitClosed(t, s)
			var exit *exec.ExitError
			if err := s.Err(); !errors.As(err, &exit) || !strings.Contains(err.Error(), "istening on "+s.URL) {
				t.Errorf("Err() = %v, want the exit status and the last output", err)
			}
		})
	}
}

func TestStop(t *testing.T) {
	for name, begin := range starters() {
		t.Run(name, func(t *testing.T) {
			s, err := begin(t.Context(), Options{})
			if err != nil {
				t.Fatal(err)
			}
			s.Stop()
			s.Stop()
			waitClosed(t, s)
			if err := s.Err(); err != nil {
				t.Errorf("Err() after Stop = %v, want nil", err)
			}
			if answers(strings.TrimPrefix(s.URL, "http://")) {
				t.Error("still answers")
			}
		})
	}
}

func TestCancelledStartLeavesNothing(t *testing.T) {
	for name, begin := range starters() {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			s, err := begin(ctx, Options{})
			if err == nil { // it was quicker than the cancelled context
				s.Stop()
			} else if !errors.Is(err, context.Canceled) {
				t.Errorf("start: %v, want %v", err, context.Canceled)
			}
			if left := children(t); len(left) != 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

func TestDynamoDBRemembersByPath(t *testing.T) {
	opts := Options{Path: filepath.Join(t.TempDir(), "tables.db")}
	const table = `{"TableName":"kept","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}]}`
	for i, step := range []struct{ action, body string }{{"CreateTable", table}, {"ListTables", "{}"}} {
		s, err := StartDynamoDB(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Stop)
		if answer := call(t, s.URL, step.action, step.body); !strings.Contains(answer, `"kept"`) {
			t.Errorf("run %d: %s answers %s", i, step.action, answer)
		}
		s.Stop()
	}
}

func TestFailedStartSaysWhy(t *testing.T) {
	opts := Options{Path: filepath.Join(t.TempDir(), "missing", "folder", "tables.db")}
	s, err := StartDynamoDB(t.Context(), opts)
	if err == nil {
		s.Stop()
		t.Fatal("started on an impossible path")
	}
	if !strings.Contains(err.Error(), "last output") {
		t.Errorf("%v: want the server's own words", err)
	}
	if _, err := StartSQSSNS(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "no database file") {
		t.Errorf("SQS and SNS with a path: %v", err)
	}
}

func TestOutsideEndpointIsLeftAlone(t *testing.T) {
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	for name, begin := range starters() {
		t.Run(name, func(t *testing.T) {
			s, err := begin(t.Context(), Options{Endpoint: other.URL + "/"})
			if err != nil {
				t.Fatal(err)
			}
			if s.URL != other.URL || s.PID() != 0 || s.Err() != nil {
				t.Errorf("URL %q, pid %d, error %v", s.URL, s.PID(), s.Err())
			}
			s.Stop()
			s.Stop()
			waitClosed(t, s)
			if !answers(strings.TrimPrefix(other.URL, "http://")) {
				t.Error("Stop ended a server that is not ours")
			}
		})
	}
}

func starters() map[string]func(context.Context, Options) (*Server, error) {
	return map[string]func(context.Context, Options) (*Server, error){"DynamoDB": StartDynamoDB, "SQS and SNS": StartSQSSNS}
}

func call(t *testing.T, url, action, body string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+action)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=any")
	r.Header.Set("X-Amz-Date", "20260101T000000Z")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func waitClosed(t *testing.T, s *Server) {
	t.Helper()
	select {
	case <-s.Done():
	case <-time.After(patience):
		t.Fatal("the server's end is not reported")
	}
}

// waitFor asks until the condition holds.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func answers(address string) bool {
	c, err := net.DialTimeout("tcp", address, time.Second)
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

// children lists the servers that this process has.
func children(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("ps", "-o", "ppid=,args=", "-A").Output()
	if err != nil {
		t.Fatal(err)
	}
	var mine []string
	for line := range strings.Lines(string(out)) {
		parent, command, _ := strings.Cut(strings.TrimSpace(line), " ")
		if parent == strconv.Itoa(os.Getpid()) && (strings.Contains(command, "dynoxide") || strings.Contains(command, "sqssns.mjs")) {
			mine = append(mine, command)
		}
	}
	return mine
}

// alive tells whether the process runs; one that nobody has reaped yet does not.
func alive(t *testing.T, pid int) bool {
	t.Helper()
	out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	state := strings.TrimSpace(string(out))
	return state != "" && !strings.HasPrefix(state, "Z")
}
