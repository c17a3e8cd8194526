package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/local/demo"
	"github.com/bridge-me-not/resolver-cron/infra/local/lambda"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/settings"
	"github.com/bridge-me-not/resolver-cron/shared/store"
)

// guard is an endpoint that wants a token.
type guard struct {
	*httptest.Server
	token    atomic.Value // string
	let, not atomic.Int32 // requests with the token, and without
}

func newGuard(t *testing.T, endpoint string) *guard {
	t.Helper()
	to, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	g := &guard{}
	g.token.Store("planted-1")
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL, r.Out.Host = to, to.Host }}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/"+g.token.Load().(string) {
			g.not.Add(1)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		g.let.Add(1)
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(g.Close)
	return g
}

// crew are functions as they are deployed, and what they said.
type crew struct {
	*testing.T
	*stack.Stack
	store *store.Store
	event string
	tick  time.Time

	mu    sync.Mutex
	said  map[string]*strings.Builder
	ended chan string // the job of each closing line
}

// hear takes a line that a function says.
func (c *crew) hear(l lambda.Line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.said[l.Function]
	if b == nil {
		return
	}
	b.WriteString(l.Text + "\n")
	if strings.Contains(l.Text, `"message":"run ended"`) {
		c.ended <- l.Function
	}
}

// run makes a run of a job, and returns what it said.
func (c *crew) run(name string) string {
	c.Helper()
	c.mu.Lock()
	c.said[name] = &strings.Builder{}
	c.mu.Unlock()
	if c.tick = c.tick.Add(time.Second); c.tick.Before(time.Now()) { // no two alike
		c.tick = time.Now()
	}
	res, err := c.Host.Invoke(context.Background(), name, []byte(strings.Replace(c.event, "2026-01-01T00:00:00Z", c.tick.UTC().Format(time.RFC3339), 1)))
	if err != nil {
		c.Fatal(err)
	}
	if res.Outcome != lambda.OK && res.Outcome != lambda.FunctionError {
		c.Fatalf("%s: %s %s", name, res.Outcome, res.Payload)
	}
	select { // lines come by a pipe of their own
	case <-c.ended:
	case <-time.After(10 * time.Second):
		c.Fatalf("%s: %s without a closing line: %s", name, res.Outcome, res.Payload)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	said := c.said[name].String()
	if strings.Contains(said, "planted") {
		c.Errorf("%s shows a token:\n%s", name, said)
	}
	return said
}

// works expects a run of timelock-monitor by the edition of that number, and none
// else if it is 0.
func (c *crew) works(number int) {
	c.Helper()
	said := c.run(job.TimelockMonitor)
	if want := fmt.Sprintf(`"chains_file":%d,`, number); strings.Contains(said, want) != (number > 0) || strings.Contains(said, `"chains_file":`) != (number > 0) {
		c.Errorf("want a run by edition %d:\n%s", number, said)
	}
}

// checks expects a run of health-check that says so.
func (c *crew) checks(want string) {
	c.Helper()
	if said := c.run(job.HealthCheck); !strings.Contains(said, want) {
		c.Errorf("%s is not in:\n%s", want, said)
	}
}

func (c *crew) put(content string) {
	c.Helper()
	if _, err := settings.Put(c.Context(), c.store.Settings(), []byte(content), settings.Move{By: "anna", Why: "a test", At: time.Now()}); err != nil {
		c.Fatal(err)
	}
}

// refused lists what the open alerts say of files that were refused.
func (c *crew) refused() (what []string) {
	c.Helper()
	list, err := c.store.Alerts().Open(c.Context(), time.Now())
	if err != nil {
		c.Fatal(err)
	}
	for _, e := range list {
		if strings.Contains(e.What, "planted") {
			c.Errorf("an alert shows a token: %s", e.What)
		}
		if e.Kind == "config-refused" {
			what = append(what, e.What)
		}
	}
	return what
}

// The binaries as they are deployed take up a new chains file, with parameters of the
// stack, once health-check has tried it; refuse bad ones and keep the former, also when
// they start afresh; go back; and take up a token that was changed.
func TestBinaries(t *testing.T) {
	root, err := stack.Root()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	w, err := scene.Build(t.Context(), uint64(now.Unix())-60, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	c := &crew{T: t, said: map[string]*strings.Builder{}, ended: make(chan string, 16)}
	packaged := demo.ChainsFile(w)
	c.Stack, err = stack.Start(t.Context(), stack.Options{Root: root, Profile: "test", Mode: "live", ChainsFile: packaged, Slack: 6,
		Functions: []string{job.HealthCheck, job.TimelockMonitor}, Log: c.hear})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	event, err := os.ReadFile(filepath.Join(root, "events", job.HealthCheck+".json"))
	if err != nil {
		t.Fatal(err)
	}
	c.event = string(event)
	if c.store, err = store.New(c.DynamoDB, store.Tables{Orders: c.TableName("Orders"), Actions: c.TableName("Actions"), Journal: c.TableName("Journal"), Jobs: c.TableName("Jobs")}, store.Live); err != nil {
		t.Fatal(err)
	}
	file, guards := string(packaged), []*guard{}
	for i, ch := range w.Chains {
		for n := range 2 {
			g := newGuard(t, ch.Dev.URL())
			guards = append(guards, g)
			name := fmt.Sprintf("RPC_%d_%d", i, n)
			c.Parameters.Set("/local/"+name, g.URL+"/planted-1")
			file = strings.Replace(file, `"`+ch.Dev.URL()+`"`, `"${`+name+`}"`, 1)
		}
	}

	c.works(0)
	reads := c.Parameters.Reads()
	c.put(file)
	c.works(0) // nobody tried it
	if c.Parameters.Reads() != reads {
		t.Error("parameters were read that no file in force names")
	}
	c.checks(`"chains_file_proven":1`)
	c.works(1)
	for i, g := range guards {
		if g.let.Load() == 0 || g.not.Load() != 0 {
			t.Errorf("endpoint %d: %d requests with its token, %d without", i, g.let.Load(), g.not.Load())
		}
	}

	bad := map[string]string{
		"takers: missing":       strings.ReplaceAll(file, "    takers:", "    takers: []\n    nobody:"),
		"answers for chain":     strings.NewReplacer("RPC_0_0", "RPC_1_0", "RPC_1_0", "RPC_0_0").Replace(file),
		"${RPC_9} has no value": strings.Replace(file, "${RPC_0_1}", "${RPC_9}", 1),
	}
	number := 1
	for want, content := range bad {
		c.put(content)
		number++
		c.checks(fmt.Sprintf(`"chains_file_refused":%d`, number))
		if got := c.refused(); len(got) != 1 || !strings.Contains(got[0], want) || !strings.Contains(got[0], "edition 1 (") || !strings.Contains(got[0], "stays in force") {
			t.Errorf("told %q, want %q", got, want)
		}
		c.works(1)
		for _, f := range []string{job.TimelockMonitor, job.HealthCheck} {
			c.Host.Kill(f)
		}
		c.works(1) // a cold start
	}
	if _, err := settings.Back(t.Context(), c.store.Settings(), 0, settings.Move{By: "anna", Why: "a test"}); err != nil {
		t.Fatal(err)
	}
	number++
	c.checks(fmt.Sprintf(`"chains_file_proven":%d`, number))
	if got := c.refused(); len(got) != 0 {
		t.Errorf("still told: %q", got)
	}
	c.works(number)
	c.put(file)
	number++
	c.checks(fmt.Sprintf(`"chains_file_proven":%d`, number))
	c.works(number)

	// The provider changes the tokens; the operator sets the parameters.
	for i, g := range guards {
		g.token.Store("planted-2")
		c.Parameters.Set(fmt.Sprintf("/local/RPC_%d_%d", i/2, i%2), g.URL+"/planted-2")
		g.let.Store(0)
	}
	every := time.NewTicker(500 * time.Millisecond)
	defer every.Stop()
	for deadline := time.Now().Add(time.Minute); guards[0].let.Load() == 0; <-every.C {
		if time.Now().After(deadline) {
			t.Fatal("the new token is not used")
		}
		c.run(job.TimelockMonitor)
	}
}
