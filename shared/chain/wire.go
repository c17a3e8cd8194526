package chain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// maxAnswer bounds one answer, in bytes. Ten thousand logs of our events
	// stay below it; what does not fit is asked for in smaller pieces.
	maxAnswer = 16 << 20
	// maxRefusal bounds what is read of an answer with an HTTP error status.
	maxRefusal = 64 << 10
	// maxBatch is the number of calls in one request: the lowest default limit
	// of the common nodes (Erigon's).
	maxBatch = 100
	// maxPause bounds the pause that an endpoint may ask for.
	maxPause = time.Minute
	// fairWait is the least time after which no answer speaks against the
	// endpoint, and not only against our haste.
	fairWait = 500 * time.Millisecond
)

// call is one JSON-RPC call; after a batch, result or failed is set.
type call struct {
	method string
	params []any
	result json.RawMessage
	failed *fault
}

func newCall(method string, params ...any) *call { return &call{method: method, params: params} }

type wireRequest struct {
	Version string `json:"jsonrpc"`
	ID      int    `json:"id"`
	Method  string `json:"method"`
	Params  []any  `json:"params"`
}

type wireAnswer struct {
	ID     json.RawMessage `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

// batch makes the calls at this endpoint and leaves each one's result or
// failure in it. An error is returned if a request failed as a whole; then no
// result may be used. The chain id is asked first where it is not known.
func (e *endpoint) batch(ctx context.Context, calls ...*call) error {
	if len(calls) == 0 {
		return nil
	}
	if e.isVerified() {
		return e.requests(ctx, calls)
	}
	id := newCall("eth_chainId")
	if err := e.requests(ctx, append([]*call{id}, calls...)); err != nil {
		return err
	}
	return e.verify(id)
}

// do is batch for operations in which every call must succeed.
func (e *endpoint) do(ctx context.Context, calls ...*call) error {
	if err := e.batch(ctx, calls...); err != nil {
		return err
	}
	for _, c := range calls {
		if c.failed != nil {
			return c.failed
		}
	}
	return nil
}

// requests sends the calls in requests no larger than the endpoint takes. An
// endpoint that finds one too large is asked again with half of it, and the
// size is remembered.
func (e *endpoint) requests(ctx context.Context, calls []*call) error {
	for len(calls) > 0 {
		n := min(len(calls), e.batchSize())
		start := time.Now()
		err := e.request(ctx, calls[:n])
		e.chain.usage.add(time.Since(start), err)
		if err != nil && classOf(err) == classBatch && n > 1 {
			e.setBatchSize((n + 1) / 2)
			continue
		}
		if err != nil {
			return err
		}
		calls = calls[n:]
	}
	return nil
}

func (e *endpoint) request(ctx context.Context, calls []*call) error {
	reqs := make([]wireRequest, len(calls))
	for i, c := range calls {
		c.result, c.failed = nil, nil
		reqs[i] = wireRequest{Version: "2.0", ID: i + 1, Method: c.method, Params: c.params}
		if c.params == nil {
			reqs[i].Params = []any{}
		}
	}
	method := calls[0].method
	var body []byte
	var err error
	if len(reqs) == 1 {
		body, err = json.Marshal(reqs[0])
	} else {
		// The method only names the failure of a whole request; logs are the
		// only calls whose size such a failure can be about.
		for _, c := range calls {
			if c.method == "eth_getLogs" {
				method = c.method
			}
		}
		body, err = json.Marshal(reqs)
	}
	if err != nil {
		return fmt.Errorf("encode %s: %w", method, err)
	}
	raw, refusal, err := e.post(ctx, method, body)
	if err != nil {
		return err
	}
	answers, ok := parseAnswers(raw)
	if !ok || refusal != nil && !answersAny(answers) {
		if refusal != nil {
			return e.refused(refusal, method, answers)
		}
		return e.fault(classMalformed, method, "not a JSON-RPC answer")
	}
	return e.match(calls, answers, method)
}

// match hands the answers to their calls.
func (e *endpoint) match(calls []*call, answers []wireAnswer, method string) error {
	for _, a := range answers {
		n, err := strconv.Atoi(strings.Trim(string(a.ID), `"`))
		if err != nil || n < 1 || n > len(calls) {
			// An error without an id is about the request as such.
			if len(a.Error) > 0 && !isNull(a.Error) {
				return e.decodeError(http.StatusOK, a.Error, method)
			}
			continue
		}
		c := calls[n-1]
		if c.result != nil || c.failed != nil {
			return e.fault(classMalformed, c.method, "answered twice")
		}
		switch {
		case len(a.Error) > 0 && !isNull(a.Error):
			c.failed = e.decodeError(http.StatusOK, a.Error, c.method)
			if c.failed.class == classBatch {
				return c.failed
			}
		case len(a.Result) > 0:
			c.result = a.Result
		default:
			c.result = json.RawMessage("null")
		}
	}
	for _, c := range calls {
		if c.result == nil && c.failed == nil {
			return e.fault(classMalformed, c.method, "not answered")
		}
	}
	return nil
}

// refusal is an answer with an HTTP error status.
type refusal struct {
	status int
	after  time.Duration
}

// refused makes a fault of an HTTP error status, by the JSON-RPC error in its
// body if there is one.
func (e *endpoint) refused(r *refusal, method string, answers []wireAnswer) *fault {
	f := e.fault(classify(r.status, 0, "", method), method, fmt.Sprintf("HTTP status %d", r.status))
	for _, a := range answers {
		if len(a.Error) > 0 && !isNull(a.Error) {
			f = e.decodeError(r.status, a.Error, method)
			break
		}
	}
	f.after = r.after
	return f
}

// post sends one request. A body that came with an error status is returned
// together with its refusal.
func (e *endpoint) post(ctx context.Context, method string, body []byte) ([]byte, *refusal, error) {
	limit := e.chain.Timeout
	if deadline, ok := ctx.Deadline(); ok {
		// Half of what is left: the other half is the next endpoint's.
		limit = min(limit, time.Until(deadline)/2)
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, e.fault(classRequest, method, "request cannot be built")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	// Every request of ours may be repeated, so the transport may do so when a
	// kept connection turns out dead. An empty list is not sent.
	req.Header["Idempotency-Key"] = []string{}
	resp, err := e.http.Do(req)
	if err != nil {
		return nil, nil, e.transportFault(ctx, limited, limit, method, err)
	}
	defer func() { _ = resp.Body.Close() }() // nothing more is read of it
	var refused *refusal
	bound := int64(maxAnswer)
	if resp.StatusCode != http.StatusOK {
		refused = &refusal{status: resp.StatusCode, after: retryAfter(resp.Header.Get("Retry-After"))}
		bound = maxRefusal
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, bound+1))
	switch {
	case err != nil && refused == nil:
		return nil, nil, e.transportFault(ctx, limited, limit, method, err)
	case refused != nil:
		return raw, refused, nil
	case int64(len(raw)) > bound:
		return nil, nil, e.fault(classMany, method, fmt.Sprintf("answer of more than %d bytes", bound))
	}
	return raw, nil, nil
}

// transportFault says what broke without the error's own text, which names the
// address. It returns the context's error where the caller gave up.
func (e *endpoint) transportFault(ctx, limited context.Context, limit time.Duration, method string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("endpoint %s: %s: %w", e.name, method, context.Cause(ctx))
	}
	if limited.Err() != nil || errors.Is(err, context.DeadlineExceeded) {
		f := e.fault(classTimeout, method, "")
		// A wait of next to nothing says nothing about the endpoint.
		f.mild = limit < min(fairWait, e.chain.Timeout)
		return f
	}
	text := "connection failed"
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		text = "name not found"
	} else if _, ok := errors.AsType[*net.OpError](err); ok {
		text = "no connection"
	} else if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		text = "connection cut"
	}
	return e.fault(classTransport, method, text)
}

func retryAfter(header string) time.Duration {
	seconds, err := strconv.Atoi(header)
	if err != nil || seconds <= 0 {
		return 0
	}
	return min(time.Duration(min(seconds, 3600))*time.Second, maxPause)
}

// parseAnswers reads one answer or a list of them.
func parseAnswers(raw []byte) ([]wireAnswer, bool) {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	if len(raw) == 0 {
		return nil, false
	}
	if raw[0] == '[' {
		var list []wireAnswer
		if json.Unmarshal(raw, &list) != nil {
			return nil, false
		}
		return list, true
	}
	var one wireAnswer
	if raw[0] != '{' || json.Unmarshal(raw, &one) != nil {
		return nil, false
	}
	return []wireAnswer{one}, true
}

// answersAny reports whether an answer with an error status still answers
// calls one by one.
func answersAny(answers []wireAnswer) bool {
	for _, a := range answers {
		if len(a.Result) > 0 && !isNull(a.Result) {
			return true
		}
	}
	return false
}

// decodeError reads an error object, leniently: what it says decides only how
// we go on. Some providers send a bare string, or a code in quotes.
func (e *endpoint) decodeError(status int, raw json.RawMessage, method string) *fault {
	var obj struct {
		Code    json.RawMessage `json:"code"`
		Message json.RawMessage `json:"message"`
		Data    json.RawMessage `json:"data"`
	}
	var text string
	if json.Unmarshal(raw, &obj) == nil {
		text = plain(obj.Message)
	} else {
		text = plain(raw)
	}
	code, err := strconv.Atoi(plain(obj.Code))
	if err != nil {
		code = 0
	}
	// Some put the reason into data, beside an empty "invalid params".
	hint := text
	if _, isReturn := revertData(obj.Data, 0); !isReturn {
		hint += " " + plain(obj.Data)[:min(len(plain(obj.Data)), maxText)]
	}
	f := e.fault(classify(status, code, hint, method), method, text)
	f.data = obj.Data
	return f
}

// plain is a JSON value as text: a string's content, or the value as written.
func plain(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	if isNull(raw) {
		return ""
	}
	return string(raw)
}

func isNull(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) == 0 || bytes.Equal(raw, []byte("null"))
}
