package rpcproxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
)

// backend is an endpoint that answers each call with its method's name and
// remembers the bodies that it got.
type backend struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	answer func(body []byte) (status int, answer string) // nil: as said
}

func newBackend(t *testing.T) *backend {
	b := &backend{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		b.mu.Lock()
		b.bodies = append(b.bodies, string(body))
		b.mu.Unlock()
		b.mu.Lock()
		custom := b.answer
		b.mu.Unlock()
		status, answer := http.StatusOK, echoMethods(body)
		if custom != nil {
			status, answer = custom(body)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(b.Close)
	return b
}

func echoMethods(body []byte) string {
	requests, batch, err := parse(body)
	if err != nil {
		return `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}`
	}
	var out []string
	for _, r := range slices.Backward(requests) { // servers may answer in any order
		out = append(out, fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%q}`, r.ID, r.Method))
	}
	if batch {
		return "[" + strings.Join(out, ",") + "]"
	}
	return out[0]
}

// answerWith makes the endpoint answer everything so.
func (b *backend) answerWith(status int, answer string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = func([]byte) (int, string) { return status, answer }
}

func (b *backend) got() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.bodies)
}

// notes is what hooks saw, in order.
type notes struct {
	mu    sync.Mutex
	lines []string
}

func (n *notes) add(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, line)
}

func (n *notes) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := n.lines
	n.lines = nil
	return out
}

func newProxy(t *testing.T, routes map[string]string) *Proxy {
	t.Helper()
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	for name, target := range routes {
		if err := p.Route(name, target); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// post sends a body; an error is a cut connection.
func post(t *testing.T, url, body string) (status int, answer string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	// The client must not repeat a request by itself.
	req.GetBody = nil
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, strings.TrimSpace(string(raw)), err
}

func rpcBody(id any, method string, params ...any) string {
	if params == nil {
		params = []any{}
	}
	return string(encode(map[string]any{"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
}

func TestCounts(t *testing.T) {
	b := newBackend(t)
	p := newProxy(t, map[string]string{"base": b.URL, "optimism": b.URL})
	for _, r := range []struct{ function, endpoint, body string }{
		{"sync", "base", rpcBody(1, "eth_a")},
		{"sync", "base", "[" + rpcBody(1, "eth_a") + "," + rpcBody(2, "eth_b") + "]"},
		{"sync", "optimism", rpcBody(1, "eth_a")},
		{"monitor", "base", rpcBody(1, "eth_a")},
		{"monitor", "base", "{nonsense"},
	} {
		if status, _, err := post(t, p.URL(r.function, r.endpoint), r.body); status != http.StatusOK || err != nil {
			t.Fatalf("%v: status %d, %v", r, status, err)
		}
	}
	calls := map[Key]int{
		{"sync", "base", "eth_a"}:     2,
		{"sync", "base", "eth_b"}:     1,
		{"sync", "optimism", "eth_a"}: 1,
		{"monitor", "base", "eth_a"}:  1,
		{"monitor", "base", ""}:       1,
	}
	requests := map[Caller]int{{"sync", "base"}: 2, {"sync", "optimism"}: 1, {"monitor", "base"}: 2}
	if diff := cmp.Diff(calls, p.Counts()); diff != "" {
		t.Error("calls:", diff)
	}
	if diff := cmp.Diff(requests, p.Requests()); diff != "" {
		t.Error("requests:", diff)
	}
	maps.Copy(p.Counts(), map[Key]int{{}: 9}) // the caller's own
	p.Reset()
	if got := len(p.Counts()) + len(p.Requests()); got != 0 {
		t.Errorf("%d counters after Reset", got)
	}
}

func TestUntouchedRequestsPassAsTheyCame(t *testing.T) {
	b := newBackend(t)
	p := newProxy(t, map[string]string{"base": b.URL})
	p.Inject(When(Lose(), Function("another")))
	for _, body := range []string{
		`{"id":"x", "jsonrpc":"2.0","method":"eth_a" ,"params":{"named":1}}`,
		`[ {"jsonrpc":"2.0","id":7,"method":"eth_a"} ]`,
		`{nonsense`,
		`[]`,
	} {
		before := len(b.got())
		status, answer, err := post(t, p.URL("sync", "base"), body)
		if got := b.got()[before:]; len(got) != 1 || got[0] != body {
			t.Errorf("%s was forwarded as %q", body, got)
		}
		if want := echoMethods([]byte(body)); status != http.StatusOK || answer != want || err != nil {
			t.Errorf("%s: %d %s %v, want %s", body, status, answer, err, want)
		}
	}
}

func TestHTTPErrors(t *testing.T) {
	b := newBackend(t)
	b.answerWith(http.StatusTeapot, "short and stout")
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	p := newProxy(t, map[string]string{"base": b.URL, "down": down.URL})
	for name, tt := range map[string]struct {
		url    string
		status int
		answer string
	}{
		"status of the endpoint": {p.URL("sync", "base"), http.StatusTeapot, "short and stout"},
		"endpoint down":          {p.URL("sync", "down"), http.StatusBadGateway, "endpoint does not answer"},
		"unknown endpoint":       {p.URL("sync", "else"), http.StatusNotFound, `no endpoint "else"`},
		"no endpoint":            {strings.TrimSuffix(p.URL("sync", ""), "/"), http.StatusNotFound, "404 page not found"},
	} {
		for _, touched := range []bool{false, true} {
			if touched {
				t.Cleanup(p.Inject(After(func(*Call, *Reply) {})))
			}
			status, answer, err := post(t, tt.url, rpcBody(1, "eth_a"))
			if status != tt.status || answer != tt.answer || err != nil {
				t.Errorf("%s: %d %q %v", name, status, answer, err)
			}
		}
	}
}

func TestRouteRefusesAndKeepsTokensSecret(t *testing.T) {
	p := newProxy(t, nil)
	for _, target := range []string{"", "localhost:1", "ftp://host/hidden-part", "http://%zz/hidden-part", "http:///hidden-part"} {
		err := p.Route("base", target)
		if err == nil || strings.Contains(err.Error(), "hidden-part") {
			t.Errorf("%q: %v", target, err)
		}
	}
}

// The faults of a batch's calls act on each alone, the rest goes as one batch,
// and the caller's ids come back in its order.
func TestBatchIsHandledPerCall(t *testing.T) {
	b := newBackend(t)
	p := newProxy(t, map[string]string{"base": b.URL})
	p.Inject(When(Fail(-32005, "too much"), Method("eth_b")))
	p.Inject(When(After(func(_ *Call, r *Reply) { r.Result = encode("changed") }), Method("eth_c")))
	p.Inject(When(func(*Call) Action {
		return Action{Params: []json.RawMessage{encode("new")}}
	}, Method("eth_d")))
	body := "[" + strings.Join([]string{
		rpcBody("one", "eth_a", 1), rpcBody(2, "eth_b"), rpcBody(99, "eth_c"), rpcBody(0, "eth_d", "old"),
		`{"jsonrpc":"2.0","method":"eth_notice"}`, rpcBody(5, "eth_a"),
	}, ",") + "]"
	status, answer, err := post(t, p.URL("sync", "base"), body)
	if status != http.StatusOK || err != nil {
		t.Fatal(status, err)
	}
	want := `[{"jsonrpc":"2.0","id":"one","result":"eth_a"},` +
		`{"jsonrpc":"2.0","id":2,"error":{"code":-32005,"message":"too much"}},` +
		`{"jsonrpc":"2.0","id":99,"result":"changed"},` +
		`{"jsonrpc":"2.0","id":0,"result":"eth_d"},` +
		`{"jsonrpc":"2.0","id":5,"result":"eth_a"}]`
	if diff := cmp.Diff(want, answer); diff != "" {
		t.Error(diff)
	}
	forwarded := b.got()
	if len(forwarded) != 1 || strings.Contains(forwarded[0], "eth_b") || !strings.Contains(forwarded[0], `["new"]`) {
		t.Errorf("forwarded %q", forwarded)
	}
}

func TestBatchDiesWhole(t *testing.T) {
	for name, tt := range map[string]struct {
		fault     Fault
		status    int // 0: cut
		forwarded int
	}{
		"status":     {Status(http.StatusTooManyRequests), http.StatusTooManyRequests, 0},
		"lost":       {Lose(), 0, 0},
		"reply lost": {LoseReply(), 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBackend(t)
			p := newProxy(t, map[string]string{"base": b.URL})
			p.Inject(When(tt.fault, Method("eth_b")))
			status, _, err := post(t, p.URL("sync", "base"), "["+rpcBody(1, "eth_a")+","+rpcBody(2, "eth_b")+"]")
			if status != tt.status || (err != nil) != (tt.status == 0) {
				t.Errorf("status %d, %v", status, err)
			}
			if got := len(b.got()); got != tt.forwarded {
				t.Errorf("forwarded %d times, want %d", got, tt.forwarded)
			}
		})
	}
}

// What an endpoint answers wrongly reaches the caller, also through faults.
func TestOddAnswers(t *testing.T) {
	batch := "[" + rpcBody(1, "eth_a") + "," + rpcBody(2, "eth_b") + "]"
	for name, tt := range map[string]struct{ ask, answer, want string }{
		"object for a batch": {batch, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no batches"}}`,
			`{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no batches"}}`},
		"one answer missing": {batch, `[{"jsonrpc":"2.0","id":1,"result":7}]`, `[{"jsonrpc":"2.0","id":2,"result":7}]`},
		"foreign ids":        {batch, `[{"jsonrpc":"2.0","id":9,"result":7},{"id":-1,"result":8},{"id":"x"}]`, `null`},
		"no JSON":            {rpcBody(1, "eth_a"), `<html>`, `<html>`},
		"error without id":   {rpcBody(3, "eth_a"), `{"id":null,"error":{"code":-1,"message":"m","data":"0x01"}}`, `{"jsonrpc":"2.0","id":3,"error":{"code":-1,"message":"m","data":"0x01"}}`},
		"no result":          {rpcBody(3, "eth_a"), `{"id":0}`, `{"jsonrpc":"2.0","id":3,"result":null}`},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBackend(t)
			b.answerWith(http.StatusOK, tt.answer)
			p := newProxy(t, map[string]string{"base": b.URL})
			p.Inject(After(func(*Call, *Reply) {}))
			if _, answer, err := post(t, p.URL("sync", "base"), tt.ask); answer != tt.want || err != nil {
				t.Errorf("%s, %v; want %s", answer, err, tt.want)
			}
		})
	}
}

// Calls go through the layers in the order of injection, replies back; a layer
// that answers hides the call from those within, not from those around it.
func TestLayers(t *testing.T) {
	b := newBackend(t)
	p := newProxy(t, map[string]string{"base": b.URL})
	var seen notes
	trace := func(name string) Fault {
		return func(*Call) Action {
			seen.add(name + " in")
			return Action{After: func(*Reply) { seen.add(name + " out") }}
		}
	}
	p.Inject(trace("outer"))
	p.Inject(trace("inner"))
	ask := func() (string, []string) {
		seen.take()
		_, answer, err := post(t, p.URL("sync", "base"), rpcBody(1, "eth_a"))
		if err != nil {
			t.Fatal(err)
		}
		return answer, seen.take()
	}
	_, log := ask()
	if diff := cmp.Diff([]string{"outer in", "inner in", "inner out", "outer out"}, log); diff != "" {
		t.Error(diff)
	}
	remove := p.Inject(Answer("here"))
	taken := p.Inject(trace("core"))
	if answer, log := ask(); !strings.Contains(answer, "here") || slices.Contains(log, "core in") || len(log) != 4 {
		t.Error(answer, log)
	}
	remove()
	remove() // twice is once
	if _, log := ask(); !slices.Contains(log, "core in") {
		t.Error("the removed layer still answers")
	}
	taken()
	if _, log := ask(); slices.Contains(log, "core in") {
		t.Error("a removed layer is still asked")
	}
}

// An outer layer may mend what an inner one broke.
func TestOuterLayerOverridesFailure(t *testing.T) {
	b := newBackend(t)
	p := newProxy(t, map[string]string{"base": b.URL})
	p.Inject(After(func(_ *Call, r *Reply) { *r = Reply{Result: encode("mended")} }))
	p.Inject(When(Lose(), Method("eth_lose")))
	for _, tt := range []struct {
		method string
		status int
	}{{"eth_lose", http.StatusOK}, {"eth_a", http.StatusInternalServerError}} {
		b.answerWith(tt.status, "broken")
		status, answer, err := post(t, p.URL("sync", "base"), rpcBody(1, tt.method))
		if want := `{"jsonrpc":"2.0","id":1,"result":"mended"}`; status != http.StatusOK || answer != want || err != nil {
			t.Errorf("%s: %d %s %v", tt.method, status, answer, err)
		}
	}
}

func TestCallSeenByFaults(t *testing.T) {
	b := newBackend(t)
	p := newProxy(t, map[string]string{"base": b.URL})
	var seen notes
	p.Inject(Before(func(c *Call) {
		if c.RemoteAddr == "" || c.Context() == nil {
			t.Error("a call without its caller")
		}
		seen.add(fmt.Sprintf("%s %s %s #%d.%d %s", c.Function, c.Endpoint, c.Method, c.Request, c.Index, bytes.Join(rawBytes(c.Params), nil)))
	}))
	for _, body := range []string{rpcBody(1, "eth_a", 1, "x"), "[" + rpcBody(1, "eth_b") + "," + rpcBody(2, "eth_c") + "]"} {
		if _, _, err := post(t, p.URL("a/b c", "base"), body); err != nil {
			t.Fatal(err)
		}
	}
	p.Reset()
	if _, _, err := post(t, p.URL("a/b c", "base"), rpcBody(1, "eth_d")); err != nil {
		t.Fatal(err)
	}
	want := []string{`a/b c base eth_a #1.0 1"x"`, "a/b c base eth_b #2.0 ", "a/b c base eth_c #2.1 ", "a/b c base eth_d #1.0 "}
	if diff := cmp.Diff(want, seen.take()); diff != "" {
		t.Error(diff)
	}
}

func rawBytes(in []json.RawMessage) (out [][]byte) {
	for _, r := range in {
		out = append(out, r)
	}
	return out
}

func TestCloseEndsStalledCalls(t *testing.T) {
	b := newBackend(t)
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Route("base", b.URL); err != nil {
		t.Fatal(err)
	}
	held := make(chan struct{})
	p.Inject(Before(func(*Call) { close(held) }))
	p.Inject(Stall(nil))
	done := make(chan error, 1)
	go func() {
		_, _, err := post(t, p.URL("sync", "base"), rpcBody(1, "eth_a"))
		done <- err
	}()
	<-held
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := <-done; err == nil {
		t.Error("a stalled call got an answer from a closed proxy")
	}
	if len(b.got()) != 0 {
		t.Error("a stalled call was forwarded on Close")
	}
}

func TestConcurrentUse(t *testing.T) {
	b := newBackend(t)
	p := newProxy(t, map[string]string{"base": b.URL})
	var group errgroup.Group
	const workers, rounds = 8, 25
	for i := range workers {
		group.Go(func() error {
			for range rounds {
				remove := p.Inject(When(After(func(_ *Call, r *Reply) { r.Result = encode("x") }), Function(fmt.Sprint(i)), Every(2)))
				status, answer, err := post(t, p.URL(fmt.Sprint(i), "base"), "["+rpcBody(1, "eth_a")+","+rpcBody(2, "eth_a")+"]")
				if err != nil || status != http.StatusOK || !strings.Contains(answer, `"id":2,"result":"x"`) {
					return fmt.Errorf("%d %s %w", status, answer, err)
				}
				remove()
				p.Counts()
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	total := 0
	for _, n := range p.Counts() {
		total += n
	}
	if total != 2*workers*rounds {
		t.Errorf("counted %d calls, want %d", total, 2*workers*rounds)
	}
}

func TestTooLargeRequest(t *testing.T) {
	b := newBackend(t)
	p := newProxy(t, map[string]string{"base": b.URL})
	body := `{"method":"` + strings.Repeat("x", maxBody) + `"}`
	status, _, err := post(t, p.URL("sync", "base"), body)
	if err == nil && status != http.StatusBadRequest {
		t.Errorf("status %d", status)
	}
	if len(b.got()) != 0 {
		t.Error("it was forwarded")
	}
}

// An endpoint whose key is in its URL answers nobody who has another, or none.
func TestDemand(t *testing.T) {
	b := newBackend(t)
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, endpoint := range []string{"closed", "open"} {
		if err := p.Route(endpoint, b.URL); err != nil {
			t.Fatal(err)
		}
	}
	p.Demand("closed", "its own")
	for url, want := range map[string]int{
		p.URL("f", "closed") + "?token=its+own":   http.StatusOK,
		p.URL("f", "closed") + "?token=another's": http.StatusUnauthorized,
		p.URL("f", "closed"):                      http.StatusUnauthorized,
		p.URL("f", "open") + "?token=any":         http.StatusOK,
		p.URL("f", "open"):                        http.StatusOK,
	} {
		answer, err := http.Post(url, "application/json", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}`))
		if err != nil {
			t.Fatal(err)
		}
		if err := answer.Body.Close(); err != nil || answer.StatusCode != want {
			t.Errorf("%s: %d, %v, want %d", url, answer.StatusCode, err, want)
		}
	}
}
