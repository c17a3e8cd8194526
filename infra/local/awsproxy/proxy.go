package awsproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// maxBody bounds a request and an answer, in bytes. A full BatchGetItem answer
	// (16 MB of items) is the largest that AWS gives.
	maxBody = 32 << 20
	// forwardLimit bounds one forwarded request. The longest that a service takes on
	// purpose is SQS's long poll of 20 s.
	forwardLimit = 60 * time.Second
	// idleLimit ends unused connections before a server does (fauxqs: 72 s), which could
	// meet a request on its way.
	idleLimit = 30 * time.Second
)

// ErrCut is returned by a Fault that wants the caller's connection cut with no answer.
var ErrCut = errors.New("connection cut by a fault")

// Proxy forwards requests to backing servers, counts them and applies faults.
// Start makes one. Safe for concurrent use.
type Proxy struct {
	backends map[string]*url.URL
	client   *http.Client
	server   *http.Server
	address  string
	ctx      context.Context // ends with the proxy
	cancel   context.CancelFunc
	done     chan struct{}
	serveErr error // set before done closes
	usage    recorder

	mu       sync.Mutex
	faults   []*installed // replaced, never changed in place
	requests map[string]int
}

// installed gives a fault an identity, for its removal.
type installed struct{ fault Fault }

// Start listens on a free loopback port and forwards to backends, which maps service
// names as the SDK's environment variables spell them, in lower case with dashes
// ("dynamodb", "sqs", "secrets-manager"), to base URLs.
func Start(backends map[string]string) (*Proxy, error) {
	p := &Proxy{
		backends: map[string]*url.URL{},
		client: &http.Client{
			Transport: &http.Transport{
				DisableCompression:  true, // the caller's headers rule
				MaxIdleConnsPerHost: 64,
				IdleConnTimeout:     idleLimit,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		done:     make(chan struct{}),
		requests: map[string]int{},
	}
	for service, base := range backends {
		u, err := url.Parse(base)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return nil, fmt.Errorf("start AWS proxy: backend of %s: %q is no http URL", service, base)
		}
		if service == "" || strings.ContainsAny(service, "/@") {
			return nil, fmt.Errorf("start AWS proxy: service name %q", service)
		}
		u.Path = strings.TrimRight(u.Path, "/")
		p.backends[service] = u
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start AWS proxy: %w", err)
	}
	p.address = l.Addr().String()
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: forwardLimit}
	go func() {
		defer close(p.done)
		defer p.cancel()
		if err := p.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			p.serveErr = fmt.Errorf("AWS proxy: %w", err)
		}
	}()
	return p, nil
}

// Close cuts every connection and stops listening. Later calls do nothing.
func (p *Proxy) Close() error {
	p.cancel()
	err := p.server.Close()
	<-p.done
	p.client.CloseIdleConnections()
	return err
}

// Done is closed when the proxy no longer serves.
func (p *Proxy) Done() <-chan struct{} { return p.done }

// Err is the reason why the proxy stopped serving by itself, nil before and after Close.
func (p *Proxy) Err() error {
	select {
	case <-p.done:
		return p.serveErr
	default:
		return nil
	}
}

// URL is the base URL of a service for a process: FUNCTION or FUNCTION@INSTANCE.
func (p *Proxy) URL(process, service string) string {
	return "http://" + p.address + "/" + process + "/" + service
}

// Env is the environment, sorted, by which the SDK of a process finds every service here.
func (p *Proxy) Env(process string) []string {
	var env []string
	for service := range p.backends {
		name := strings.ToUpper(strings.ReplaceAll(service, "-", "_"))
		env = append(env, "AWS_ENDPOINT_URL_"+name+"="+p.URL(process, service))
	}
	slices.Sort(env)
	return env
}

// Use applies f to later calls until remove is called. The fault used first is the
// outermost: it sees a call before the others and its reply after them.
func (p *Proxy) Use(f Fault) (remove func()) {
	in := &installed{f}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(slices.Clip(slices.Clone(p.faults)), in)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.faults = slices.DeleteFunc(slices.Clone(p.faults), func(other *installed) bool { return other == in })
	}
}

// ServeHTTP takes one request of a function.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	process, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	service, path, _ := strings.Cut(rest, "/")
	if process == "" || p.backends[service] == nil {
		http.Error(w, fmt.Sprintf("the AWS proxy knows no service %q: want /PROCESS/SERVICE", service), http.StatusNotFound)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		// Too long, or the caller died while sending: no service would act on it.
		panic(http.ErrAbortHandler)
	}
	c := newCall(process, service, r, path, body)
	p.mu.Lock()
	p.requests[c.Function]++
	c.Seq = p.requests[c.Function]
	faults := p.faults
	p.mu.Unlock()
	p.usage.received(c)

	reply, err := chain(faults, p.forward)(c)
	if err != nil || reply == nil {
		panic(http.ErrAbortHandler) // cuts the connection
	}
	reply.write(w)
}

// chain puts the faults, the first outermost, before the last step.
func chain(faults []*installed, last Forward) Forward {
	next := last
	for _, in := range slices.Backward(faults) {
		inner := next
		next = func(c *Call) (*Reply, error) {
			own := *c // what a fault changes is for those behind it, not for a second forward
			own.Header = c.Header.Clone()
			return in.fault(&own, inner)
		}
	}
	return next
}

// forward sends the call to its service and counts it.
func (p *Proxy) forward(c *Call) (*Reply, error) {
	// Only a long poll ends with its caller: whatever else was sent whole is carried out.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context), forwardLimit)
	defer cancel()
	if c.Service == "sqs" && c.Action == "ReceiveMessage" {
		defer context.AfterFunc(c.Context, cancel)()
	}
	defer context.AfterFunc(p.ctx, cancel)()

	r, err := http.NewRequestWithContext(ctx, c.Method, p.backends[c.Service].String()+c.Target(), bytes.NewReader(measured(c)))
	if err != nil {
		return nil, fmt.Errorf("forward to %s: %w", c.Service, err)
	}
	r.Header = c.Header.Clone()
	dropHopByHop(r.Header)
	r.Header.Set("Accept-Encoding", "identity")
	answer, err := p.client.Do(r)
	if err != nil {
		return p.unreachable(c, err), nil
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody+1))
	if err != nil {
		return p.unreachable(c, err), nil
	}
	if len(body) > maxBody {
		return p.unreachable(c, errors.New("answer too long")), nil
	}
	reply := &Reply{Status: answer.StatusCode, Header: answer.Header, Body: body}
	dropHopByHop(reply.Header)
	p.usage.forwarded(c, reply)
	return reply, nil
}

// unreachable answers like a service in trouble, with the reason in plain words.
func (p *Proxy) unreachable(c *Call, err error) *Reply {
	p.usage.unreachable(c)
	return errorReply(c, http.StatusServiceUnavailable, "ServiceUnavailable", "the local "+c.Service+" does not answer: "+err.Error())
}

// hopByHop are the headers that belong to one connection (RFC 9110, section 7.6.1).
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

func dropHopByHop(h http.Header) {
	for _, name := range hopByHop {
		h.Del(name)
	}
}
