package rpcproxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// Call is one JSON-RPC call on its way to an endpoint. A Fault may keep it
// until its Action's After has run, but must not change it.
type Call struct {
	Function string // who calls, from the path
	Endpoint string // whom, from the path
	Method   string
	// Params are the positional parameters as sent, or as changed by an outer
	// fault; nil if there are none or they are named.
	Params []json.RawMessage
	// Request is the number of the HTTP request among those of Function since
	// the start or the last Reset, from 1.
	Request int
	// Index is the position in the batch, 0 in a request of one call.
	Index int
	// RemoteAddr is the caller's address, "127.0.0.1:port".
	RemoteAddr string

	id      json.RawMessage
	named   json.RawMessage // parameters that are not a list
	ctx     context.Context
	forward forwarder
}

// Context ends when the caller has gone or the proxy closes.
func (c *Call) Context() context.Context { return c.ctx }

// Error is a JSON-RPC error object.
type Error struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// Error returns code and message.
func (e *Error) Error() string { return fmt.Sprintf("%s (code %d)", e.Message, e.Code) }

// Reply is what the caller is told. Error goes before Result; an empty Result
// is null. Status and Cut concern the whole HTTP request.
type Reply struct {
	Result json.RawMessage
	Error  *Error

	Status int    // if not 0: this HTTP status with Body instead of JSON-RPC
	Body   []byte // used with Status only
	Cut    bool   // close the connection without a word
}

func (r *Reply) wholeRequest() bool { return r.Cut || r.Status != 0 }

// Action is what a Fault does to a call. The zero Action does nothing.
type Action struct {
	// Reply answers the call; it is not forwarded.
	Reply *Reply
	// Params replace the call's; nil leaves them.
	Params []json.RawMessage
	// After runs when the reply is known and may change it.
	After func(*Reply)
}

// Fault decides about one call. It may block, at most until the call's context
// ends. It is called concurrently.
type Fault func(*Call) Action

// Upstream asks the endpoint behind the proxy, past all faults and counters.
func (c *Call) Upstream(result any, method string, params ...any) error {
	if params == nil {
		params = []any{}
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 0, "method": method, "params": params})
	if err != nil {
		return fmt.Errorf("ask %s: %w", method, err)
	}
	status, answer, err := exchange(c.ctx, c.forward, body)
	if err != nil {
		return fmt.Errorf("ask %s: %w", method, err)
	}
	var got response
	if err := json.Unmarshal(answer, &got); status != http.StatusOK || err != nil {
		return fmt.Errorf("ask %s: status %d: %w", method, status, errors.Join(err, errors.New("no JSON-RPC answer")))
	}
	if got.Error != nil {
		return fmt.Errorf("ask %s: %w", method, got.Error)
	}
	return json.Unmarshal(got.Result, result)
}

// arg decodes the parameter at index i into v; false if it is not there, null
// or of another type.
func (c *Call) arg(i int, v any) bool {
	if i >= len(c.Params) || isNull(c.Params[i]) {
		return false
	}
	return json.Unmarshal(c.Params[i], v) == nil
}

type request struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params,omitempty"`
}

type response struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *Error          `json:"error,omitempty"`
}

// parse reads the body of an HTTP request: one call or a batch of at least one.
func parse(body []byte) (requests []request, batch bool, err error) {
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) {
		err = json.Unmarshal(body, &requests)
		if err == nil && len(requests) == 0 {
			err = errors.New("empty batch")
		}
		return requests, true, err
	}
	requests = make([]request, 1)
	err = json.Unmarshal(body, &requests[0])
	return requests, false, err
}

// setParams splits positional parameters and keeps others as they are.
func (c *Call) setParams(raw json.RawMessage) {
	if json.Unmarshal(raw, &c.Params) != nil {
		c.Params, c.named = nil, raw
	}
}

func (c *Call) wire(id int) request {
	out := request{Version: "2.0", ID: fmt.Append(nil, id), Method: c.Method, Params: c.named}
	if c.Params != nil {
		out.Params = encode(c.Params)
	}
	return out
}

func isNull(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) == 0 || string(raw) == "null"
}

// encode makes JSON of a value that cannot fail to be JSON.
func encode(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err))
	}
	return raw
}
