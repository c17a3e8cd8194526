package rpcproxy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
)

// plan is what the faults made of one call.
type plan struct {
	call    *Call
	reply   *Reply
	after   []func(*Reply)
	changed bool
}

// enter takes the call through the layers until one of them answers.
func (p *plan) enter(faults []layer) {
	for _, l := range faults {
		action := l.fault(p.call)
		if p.call.ctx.Err() != nil {
			p.reply = &Reply{Cut: true}
			return
		}
		if action.Params != nil {
			p.call.Params, p.call.named, p.changed = action.Params, nil, true
		}
		if action.After != nil {
			p.after = append(p.after, action.After)
		}
		if action.Reply != nil {
			reply := *action.Reply // After hooks change it, and a fault may reuse its own
			p.reply = &reply
			return
		}
	}
}

func (p *plan) leave() {
	for _, after := range slices.Backward(p.after) {
		after(p.reply)
	}
}

// transit is one HTTP request on its way through.
type transit struct {
	ctx     context.Context
	body    []byte
	batch   bool
	plans   []*plan
	forward forwarder
}

// outcome is the HTTP answer.
type outcome struct {
	status int
	body   []byte
	cut    bool
}

func (x *transit) run(faults []layer) outcome {
	touched := false
	for _, p := range x.plans {
		p.enter(faults)
		if p.reply != nil {
			p.leave()
			if p.reply.wholeRequest() {
				return whole(p.reply) // nothing of it is forwarded
			}
		}
		touched = touched || p.reply != nil || p.changed || len(p.after) > 0
	}
	if !touched {
		return whole(x.pass(x.body))
	}
	asked := x.fetch()
	var out []response
	for _, p := range x.plans {
		if p.reply == nil {
			continue // the endpoint left it out of its answer
		}
		if slices.Contains(asked, p) {
			p.leave()
		}
		if p.reply.wholeRequest() {
			return whole(p.reply)
		}
		if p.call.id != nil {
			out = append(out, p.wire())
		}
	}
	switch {
	case x.batch:
		return outcome{status: http.StatusOK, body: encode(out)}
	case len(out) == 0: // a notification
		return outcome{status: http.StatusOK}
	default:
		return outcome{status: http.StatusOK, body: encode(out[0])}
	}
}

func (p *plan) wire() response {
	out := response{Version: "2.0", ID: p.call.id, Error: p.reply.Error}
	if out.Error == nil {
		out.Result = p.reply.Result
		if isNull(out.Result) {
			out.Result = json.RawMessage("null")
		}
	}
	return out
}

// fetch forwards the calls that no fault answered and gives them their replies.
// A failure of the request as a whole becomes the reply of each. It returns the
// calls that it forwarded.
func (x *transit) fetch() (asked []*plan) {
	var out []request
	for i, p := range x.plans {
		if p.reply == nil {
			asked = append(asked, p)
			out = append(out, p.call.wire(i))
		}
	}
	if len(asked) == 0 {
		return nil
	}
	body := encode(out)
	if !x.batch {
		body = encode(out[0])
	}
	got := x.pass(body)
	answers, ok := got.answers(x.batch)
	if !ok {
		for _, p := range asked {
			failed := *got
			p.reply = &failed
		}
		return asked
	}
	for _, a := range answers {
		i, err := strconv.Atoi(string(a.ID))
		if !x.batch {
			i, err = 0, nil // an error about the request as such carries no id
		}
		if err == nil && i >= 0 && i < len(x.plans) && slices.Contains(asked, x.plans[i]) {
			x.plans[i].reply = &Reply{Result: a.Result, Error: a.Error}
		}
	}
	return asked
}

// answers reads the endpoint's answer; false if it is not what was asked for,
// so that the caller may judge it as it came.
func (r *Reply) answers(batch bool) ([]response, bool) {
	if r.Cut || r.Status != http.StatusOK {
		return nil, false
	}
	if batch {
		var list []response
		err := json.Unmarshal(r.Body, &list)
		return list, err == nil
	}
	var one response
	err := json.Unmarshal(r.Body, &one)
	return []response{one}, err == nil
}

// pass forwards a body and returns the HTTP answer as it came.
func (x *transit) pass(body []byte) *Reply {
	status, answer, err := exchange(x.ctx, x.forward, body)
	switch {
	case x.ctx.Err() != nil:
		return &Reply{Cut: true}
	case err != nil:
		return &Reply{Status: http.StatusBadGateway, Body: []byte("endpoint does not answer\n")}
	}
	return &Reply{Status: status, Body: answer}
}

// forwarder posts a body to an endpoint.
type forwarder func(ctx context.Context, body []byte) (*http.Response, error)

func exchange(ctx context.Context, forward forwarder, body []byte) (int, []byte, error) {
	resp, err := forward(ctx, body)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err == nil && len(answer) > maxBody {
		err = fmt.Errorf("answer of more than %d bytes", maxBody)
	}
	return resp.StatusCode, answer, err
}

func whole(r *Reply) outcome { return outcome{status: r.Status, body: r.Body, cut: r.Cut} }

func (o outcome) write(w http.ResponseWriter) {
	if o.cut {
		panic(http.ErrAbortHandler) // closes the connection without a log line
	}
	if o.status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(o.status)
	if _, err := w.Write(o.body); err != nil {
		panic(http.ErrAbortHandler) // the caller has gone
	}
}
