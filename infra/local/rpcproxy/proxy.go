package rpcproxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// maxBody bounds what is read of one request and of one answer, in bytes.
const maxBody = 64 << 20

// Key names a counter.
type Key struct{ Function, Endpoint, Method string }

// Caller names a counter of HTTP requests.
type Caller struct{ Function, Endpoint string }

// Proxy serves until Close. All methods may be called concurrently.
type Proxy struct {
	url    string
	server *http.Server
	client *http.Client
	served chan error
	active sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	routes   map[string]string
	tokens   map[string]string
	layers   []layer
	nextID   int
	calls    map[Key]int
	requests map[Caller]int
	numbers  map[string]int // HTTP requests per function
}

type layer struct {
	id    int
	fault Fault
}

// New starts a proxy on a free port of 127.0.0.1 without routes and faults.
// The caller must Close it.
func New() (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start JSON-RPC proxy: %w", err)
	}
	p := &Proxy{
		url:    "http://" + listener.Addr().String(),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 90 * time.Second}},
		served: make(chan error, 1),
		routes: make(map[string]string),
		tokens: make(map[string]string),
	}
	p.Reset()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{function}/{endpoint}", p.serve)
	p.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { p.served <- p.server.Serve(listener) }()
	return p, nil
}

// Route sends what comes for endpoint to target, a JSON-RPC URL, from now on.
func (p *Proxy) Route(endpoint, target string) error {
	parsed, err := url.Parse(target)
	if err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
		// The URL itself may carry a token: do not repeat it.
		return fmt.Errorf("route %s: target is no http(s) URL", endpoint)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.routes[endpoint] = target
	return nil
}

// Demand has endpoint refuse requests whose parameter token is another, as providers do
// that take the key from the URL.
func (p *Proxy) Demand(endpoint, token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tokens[endpoint] = token
}

// URL is what function is to call to reach endpoint.
func (p *Proxy) URL(function, endpoint string) string {
	return p.url + "/" + url.PathEscape(function) + "/" + url.PathEscape(endpoint)
}

// Inject adds a fault as the innermost layer. The returned function takes it
// out again; calls that already passed it keep its Action.
func (p *Proxy) Inject(f Fault) (remove func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nextID++
	id := p.nextID
	p.layers = append(slices.Clip(p.layers), layer{id, f})
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.layers = slices.DeleteFunc(slices.Clone(p.layers), func(l layer) bool { return l.id == id })
	}
}

// Counts is the number of calls that came in since the start or the last Reset,
// each call of a batch by itself, whatever faults did to them. Requests that are
// not JSON-RPC count under the empty method.
func (p *Proxy) Counts() map[Key]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.calls)
}

// Requests is the number of HTTP requests that came in, a batch being one.
func (p *Proxy) Requests() map[Caller]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.requests)
}

// Reset sets all counters and the request numbers to zero. Faults stay.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = make(map[Key]int)
	p.requests = make(map[Caller]int)
	p.numbers = make(map[string]int)
}

// Close cuts all connections, which ends the contexts of the calls, and waits
// for them.
func (p *Proxy) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	p.mu.Unlock()
	err := p.server.Close()
	if served := <-p.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	p.active.Wait()
	p.client.CloseIdleConnections()
	if err != nil {
		return fmt.Errorf("stop JSON-RPC proxy: %w", err)
	}
	return nil
}

// arrive counts a request and returns what it needs under one lock.
func (p *Proxy) arrive(caller Caller, requests []request) (target string, faults []layer, number int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	target, known := p.routes[caller.Endpoint]
	if p.closed || !known {
		return "", nil, 0, false
	}
	p.active.Add(1)
	p.requests[caller]++
	p.numbers[caller.Function]++
	if len(requests) == 0 {
		p.calls[Key{caller.Function, caller.Endpoint, ""}]++
	}
	for _, r := range requests {
		p.calls[Key{caller.Function, caller.Endpoint, r.Method}]++
	}
	return target, p.layers, p.numbers[caller.Function], true
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "read request: "+err.Error(), http.StatusBadRequest)
		return
	}
	caller := Caller{r.PathValue("function"), r.PathValue("endpoint")}
	requests, batch, err := parse(body)
	if err != nil {
		requests = nil // none of our business: the endpoint says what it thinks of it
	}
	target, faults, number, ok := p.arrive(caller, requests)
	if !ok {
		http.Error(w, fmt.Sprintf("no endpoint %q", caller.Endpoint), http.StatusNotFound)
		return
	}
	defer p.active.Done()
	if !p.known(caller.Endpoint, r.URL.Query().Get("token")) {
		http.Error(w, "no such key", http.StatusUnauthorized)
		return
	}
	forward := p.forwardTo(target)
	x := &transit{ctx: r.Context(), body: body, batch: batch, forward: forward}
	for i, req := range requests {
		call := &Call{
			Function: caller.Function, Endpoint: caller.Endpoint, Method: req.Method,
			Request: number, Index: i, RemoteAddr: r.RemoteAddr,
			id: req.ID, ctx: r.Context(), forward: forward,
		}
		call.setParams(req.Params)
		x.plans = append(x.plans, &plan{call: call})
	}
	x.run(faults).write(w)
}

func (p *Proxy) known(endpoint, token string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	want, demanded := p.tokens[endpoint]
	return !demanded || token == want
}

func (p *Proxy) forwardTo(target string) forwarder {
	return func(ctx context.Context, body []byte) (*http.Response, error) {
		out, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		out.Header.Set("Content-Type", "application/json")
		return p.client.Do(out)
	}
}

// Misroute has the call answered by another endpoint, as a gateway does that
// mixes its chains up.
func (p *Proxy) Misroute(endpoint string) Fault {
	return func(c *Call) Action {
		p.mu.Lock()
		target, ok := p.routes[endpoint]
		p.mu.Unlock()
		if !ok {
			return broken(fmt.Errorf("no endpoint %q", endpoint))
		}
		status, answer, err := exchange(c.ctx, p.forwardTo(target), encode(c.wire(0)))
		if err != nil {
			return broken(err)
		}
		var got response
		if status != http.StatusOK || json.Unmarshal(answer, &got) != nil {
			return Action{Reply: &Reply{Status: status, Body: answer}}
		}
		return Action{Reply: &Reply{Result: got.Result, Error: got.Error}}
	}
}
