package rpcproxy

import (
	"net/http"
	"time"
)

// Error codes that public endpoints answer with.
const (
	CodeServer        = -32000 // go-ethereum: most refusals
	CodeLimit         = -32005 // limit exceeded
	CodeInvalidParams = -32602
)

// Before calls hook before the call is forwarded, and lets it pass.
func Before(hook func(*Call)) Fault {
	return func(c *Call) Action {
		hook(c)
		return Action{}
	}
}

// After calls hook when the reply is known and before the caller gets it. The
// hook may change the reply.
func After(hook func(*Call, *Reply)) Fault {
	return func(c *Call) Action {
		return Action{After: func(r *Reply) { hook(c, r) }}
	}
}

// KillBefore calls kill, which should end the calling process, and cuts the
// connection: the endpoint never learns of the request.
func KillBefore(kill func(*Call)) Fault {
	return func(c *Call) Action {
		kill(c)
		return Action{Reply: &Reply{Cut: true}}
	}
}

// KillAfter forwards the request, then calls kill and cuts the connection: the
// endpoint has acted, the caller never learns of it.
func KillAfter(kill func(*Call)) Fault {
	return After(func(c *Call, r *Reply) {
		kill(c)
		*r = Reply{Cut: true}
	})
}

// Lose cuts the connection before forwarding.
func Lose() Fault { return KillBefore(func(*Call) {}) }

// LoseReply forwards, and cuts the connection before the reply.
func LoseReply() Fault { return KillAfter(func(*Call) {}) }

// Stall holds the call until release is closed (nil: for ever), and forwards it
// then; the caller's going ends it as well.
func Stall(release <-chan struct{}) Fault {
	return Before(func(c *Call) {
		select {
		case <-release:
		case <-c.Context().Done():
		}
	})
}

// Latency holds the call for d before it is forwarded.
func Latency(d time.Duration) Fault {
	return Before(func(c *Call) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.Context().Done():
		}
	})
}

// Status answers the whole HTTP request with this status: 429 (with Retry-After
// of 1 s), 500, 502, 503 and the like.
func Status(code int) Fault {
	return func(*Call) Action {
		return Action{Reply: &Reply{Status: code, Body: []byte(http.StatusText(code) + "\n")}}
	}
}

// Fail answers with a JSON-RPC error.
func Fail(code int, message string) Fault {
	return func(*Call) Action {
		return Action{Reply: &Reply{Error: &Error{Code: code, Message: message}}}
	}
}

// Answer answers with this result, which must be JSON.
func Answer(result any) Fault {
	raw := encode(result)
	return func(*Call) Action { return Action{Reply: &Reply{Result: raw}} }
}
