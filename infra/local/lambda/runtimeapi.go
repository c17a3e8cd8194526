package lambda

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// maxReply is the largest reply of a function (AWS: Lambda quotas, invocation payload).
const maxReply = 6 << 20

// routes serve the Runtime API (AWS: "Using the Lambda runtime API", version 2018-06-01) of one process.
func (p *process) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", p.handleNext)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) {
		p.handleReply(w, r, false)
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) {
		p.handleReply(w, r, true)
	})
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", p.handleInitError)
	return mux
}

// handleNext ends the invocation under way, freezes the process, and answers with the next invocation.
func (p *process) handleNext(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	current, first := p.current, !p.asked
	p.asked = true
	p.mu.Unlock()
	switch {
	case first:
		// A process is only started for an invocation: it comes at once, there is nothing to freeze for.
		close(p.ready)
	case current != nil:
		// Frozen before the pool may reuse it, so that the thaw cannot come before the freeze.
		p.freeze()
		close(current.done)
	default:
		apiError(w, http.StatusForbidden, "InvalidStateTransition", "next was already asked for")
		return
	}
	select {
	case a := <-p.work:
		h := w.Header()
		h.Set("Lambda-Runtime-Aws-Request-Id", a.requestID)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(a.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", p.fn.ARN)
		h.Set("Lambda-Runtime-Trace-Id", newTraceID(time.Now(), p.fn.Tracing, p.host.cfg.Traces != ""))
		h.Set("Content-Type", "application/json")
		// If it cannot be written, the process is dying: its end is the outcome.
		_, _ = w.Write(a.payload)
	case <-r.Context().Done():
	case <-p.exited:
	}
}

func (p *process) handleReply(w http.ResponseWriter, r *http.Request, failed bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReply))
	tooLarge := err != nil && len(body) >= maxReply
	if err != nil && !tooLarge {
		return // the process died while it replied: as if it had not
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.current
	switch {
	case a == nil || a.requestID != r.PathValue("id"):
		apiError(w, http.StatusBadRequest, "InvalidRequestID", "no such invocation is under way")
	case a.replied:
		apiError(w, http.StatusForbidden, "InvalidStateTransition", "a reply was already posted")
	case tooLarge:
		r := failure(a.requestID, FunctionError, "Function.ResponseSizeTooLarge", "the reply is larger than 6 MB")
		a.replied, a.failed, a.reply = true, true, r.Payload
		apiError(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "the reply is larger than 6 MB")
	default:
		a.replied, a.failed, a.reply = true, failed, body
		accepted(w)
	}
}

func (p *process) handleInitError(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReply))
	if err != nil {
		return
	}
	select {
	case p.initError <- body:
		accepted(w)
	default:
		apiError(w, http.StatusForbidden, "InvalidStateTransition", "an init error was already posted")
	}
}

func accepted(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintln(w, `{"status":"OK"}`)
}

func apiError(w http.ResponseWriter, status int, typ, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, "{\"errorType\":%q,\"errorMessage\":%q}\n", typ, message)
}
