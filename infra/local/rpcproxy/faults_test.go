package rpcproxy

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestFaults(t *testing.T) {
	var killed notes
	kill := func(c *Call) { killed.add(c.Function) }
	for name, tt := range map[string]struct {
		fault     Fault
		status    int // 0: the connection is cut
		answer    string
		forwarded int
		killed    int
	}{
		"none":        {func(*Call) Action { return Action{} }, 200, `{"jsonrpc":"2.0","id":1,"result":"eth_a"}`, 1, 0},
		"before":      {Before(kill), 200, `{"jsonrpc":"2.0","id":1,"result":"eth_a"}`, 1, 1},
		"after":       {After(func(c *Call, _ *Reply) { kill(c) }), 200, `{"jsonrpc":"2.0","id":1,"result":"eth_a"}`, 1, 1},
		"kill before": {KillBefore(kill), 0, "", 0, 1},
		"kill after":  {KillAfter(kill), 0, "", 1, 1},
		"lose":        {Lose(), 0, "", 0, 0},
		"lose reply":  {LoseReply(), 0, "", 1, 0},
		"latency":     {Latency(time.Millisecond), 200, `{"jsonrpc":"2.0","id":1,"result":"eth_a"}`, 1, 0},
		"429":         {Status(429), 429, "Too Many Requests", 0, 0},
		"503":         {Status(503), 503, "Service Unavailable", 0, 0},
		"fail":        {Fail(CodeLimit, "no"), 200, `{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"no"}}`, 0, 0},
		"answer":      {Answer([]int{1}), 200, `{"jsonrpc":"2.0","id":1,"result":[1]}`, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			killed.take()
			b := newBackend(t)
			p := newProxy(t, map[string]string{"base": b.URL})
			p.Inject(tt.fault)
			status, answer, err := post(t, p.URL("sync", "base"), rpcBody(1, "eth_a"))
			if status != tt.status || answer != tt.answer || (err != nil) != (tt.status == 0) {
				t.Errorf("%d %s %v", status, answer, err)
			}
			if got := len(b.got()); got != tt.forwarded {
				t.Errorf("forwarded %d times, want %d", got, tt.forwarded)
			}
			if got := len(killed.take()); got != tt.killed {
				t.Errorf("hook ran %d times, want %d", got, tt.killed)
			}
		})
	}
}

func TestRateLimitSaysWhenToRetry(t *testing.T) {
	p := newProxy(t, map[string]string{"base": newBackend(t).URL})
	p.Inject(Status(http.StatusTooManyRequests))
	resp, err := http.Post(p.URL("sync", "base"), "application/json", strings.NewReader(rpcBody(1, "eth_a")))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// The reply is held while the endpoint has already acted.
func TestKillAfterRunsBetweenEffectAndReply(t *testing.T) {
	b := newBackend(t)
	p := newProxy(t, map[string]string{"base": b.URL})
	p.Inject(KillAfter(func(*Call) {
		if len(b.got()) != 1 {
			t.Error("the hook ran before the endpoint")
		}
	}))
	if _, _, err := post(t, p.URL("sync", "base"), rpcBody(1, "eth_a")); err == nil {
		t.Error("the reply came through")
	}
}

func TestStall(t *testing.T) {
	b := newBackend(t)
	p := newProxy(t, map[string]string{"base": b.URL})
	release := make(chan struct{})
	entered := make(chan *Call, 2)
	p.Inject(Before(func(c *Call) { entered <- c }))
	p.Inject(Stall(release))

	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL("sync", "base"), strings.NewReader(rpcBody(1, "eth_gone")))
		if err != nil {
			t.Error(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		gone <- err
	}()
	first := <-entered
	cancel()
	if err := <-gone; err == nil {
		t.Error("a stalled call was answered")
	}
	<-first.Context().Done() // the proxy sees it too

	answered := make(chan string, 1)
	go func() {
		_, answer, err := post(t, p.URL("sync", "base"), rpcBody(1, "eth_a"))
		if err != nil {
			t.Error(err)
		}
		answered <- answer
	}()
	<-entered
	if len(b.got()) != 0 || len(answered) != 0 {
		t.Error("a stalled call went on")
	}
	close(release)
	if answer := <-answered; !strings.Contains(answer, "eth_a") {
		t.Error(answer)
	}
	if got := b.got(); len(got) != 1 {
		t.Errorf("forwarded %q: the caller of eth_gone had gone", got)
	}
}

func TestMatches(t *testing.T) {
	call := func(function, endpoint, method string) *Call {
		return &Call{Function: function, Endpoint: endpoint, Method: method, Request: 1}
	}
	sync, monitor := call("sync", "base", "eth_a"), call("monitor", "optimism", "eth_b")
	for name, tt := range map[string]struct {
		matches []Match
		want    string // for sync and monitor in turn, three times
	}{
		"all":             {nil, "xxxxxx"},
		"function":        {[]Match{Function("sync")}, "x.x.x."},
		"two functions":   {[]Match{Function("sync", "monitor")}, "xxxxxx"},
		"endpoint":        {[]Match{Endpoint("optimism")}, ".x.x.x"},
		"method":          {[]Match{Method("eth_b")}, ".x.x.x"},
		"both":            {[]Match{Function("sync"), Method("eth_b")}, "......"},
		"nth":             {[]Match{Nth(2)}, ".x...."},
		"nth of function": {[]Match{Function("sync"), Nth(2)}, "..x..."},
		"first":           {[]Match{First(3)}, "xxx..."},
		"from":            {[]Match{From(5)}, "....xx"},
		"every":           {[]Match{Every(2)}, ".x.x.x"},
		"every monitor":   {[]Match{Function("monitor"), Every(2)}, "...x.."},
		"request":         {[]Match{Request(1)}, "xxxxxx"},
		"other request":   {[]Match{Request(2)}, "......"},
	} {
		var got strings.Builder
		f := When(func(*Call) Action { return Action{Reply: &Reply{}} }, tt.matches...)
		for range 3 {
			for _, c := range []*Call{sync, monitor} {
				got.WriteByte(map[bool]byte{true: 'x', false: '.'}[f(c).Reply != nil])
			}
		}
		if got.String() != tt.want {
			t.Errorf("%s: %s, want %s", name, got.String(), tt.want)
		}
	}
}

// Request picks each HTTP request of a function once, be it a batch or not:
// this is how every request of a function is killed in turn.
func TestRequestPicksEveryRequestInTurn(t *testing.T) {
	bodies := []string{rpcBody(1, "eth_a"), "[" + rpcBody(1, "eth_a") + "," + rpcBody(2, "eth_b") + "]", rpcBody(1, "eth_c")}
	for n := 1; n <= len(bodies); n++ {
		b := newBackend(t)
		p := newProxy(t, map[string]string{"base": b.URL, "optimism": b.URL})
		var kills notes
		p.Inject(When(KillBefore(func(c *Call) { kills.add(c.Method) }), Function("sync"), Request(n)))
		for i, body := range bodies {
			if _, _, err := post(t, p.URL("other", "base"), body); err != nil {
				t.Error("another function's request was cut:", err)
			}
			endpoint := []string{"base", "optimism"}[i%2] // numbered across endpoints
			_, _, err := post(t, p.URL("sync", endpoint), body)
			if (err != nil) != (i+1 == n) {
				t.Errorf("kill at %d: request %d: %v", n, i+1, err)
			}
		}
		if got := kills.take(); len(got) != 1 {
			t.Errorf("kill at %d: kills at %v", n, got)
		}
	}
}
