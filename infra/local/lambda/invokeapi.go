package lambda

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxSync is the largest event of a synchronous invocation (AWS: Lambda quotas).
const maxSync = 6 << 20

// Handler serves the actions Invoke and GetAccountSettings of the Lambda API, for functions that use it through the
// AWS SDK. Functions go by their deployed name or ARN. Signatures are not checked.
func (h *Host) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2015-03-31/functions/{name}/invocations", h.handleInvoke)
	mux.HandleFunc("GET /2016-08-19/account-settings", h.handleSettings)
	mux.HandleFunc("GET /2016-08-19/account-settings/", h.handleSettings)
	return mux
}

// handleSettings tells of the account's pool, and of what its functions have left of it.
func (h *Host) handleSettings(w http.ResponseWriter, r *http.Request) {
	type limit struct{ ConcurrentExecutions, UnreservedConcurrentExecutions int }
	unreserved := h.cfg.Concurrency
	for _, p := range h.pools {
		unreserved -= p.fn.Reserved
	}
	w.Header().Set("Content-Type", "application/json")
	err := json.NewEncoder(w).Encode(map[string]limit{"AccountLimit": {h.cfg.Concurrency, unreserved}})
	if err != nil && r.Context().Err() == nil {
		h.problem(fmt.Errorf("tell of the account: %w", err))
	}
}

func (h *Host) handleInvoke(w http.ResponseWriter, r *http.Request) {
	p := h.named(r.PathValue("name"))
	if p == nil {
		serviceError(w, http.StatusNotFound, "ResourceNotFoundException", fmt.Sprintf("Function not found: %s", r.PathValue("name")))
		return
	}
	payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSync))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		serviceError(w, http.StatusRequestEntityTooLarge, "RequestTooLargeException", "the event is larger than 6 MB")
		return
	case err != nil:
		return // the caller is gone
	case len(payload) == 0:
		payload = []byte("{}")
	case !json.Valid(payload):
		serviceError(w, http.StatusBadRequest, "InvalidRequestContentException", "Could not parse request body into json")
		return
	}
	switch kind := r.Header.Get("X-Amz-Invocation-Type"); kind {
	case "", "RequestResponse":
		result, err := h.Invoke(r.Context(), p.fn.Folder, payload)
		if err != nil {
			return // the caller is gone
		}
		if result.Outcome == Throttled {
			serviceError(w, http.StatusTooManyRequests, "TooManyRequestsException", "Rate Exceeded.")
			return
		}
		w.Header().Set("X-Amzn-Requestid", result.RequestID)
		w.Header().Set("X-Amz-Executed-Version", "$LATEST")
		if result.Failed() {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
		}
		w.Header().Set("Content-Type", "application/json")
		if _, err := w.Write(result.Payload); err != nil && r.Context().Err() == nil {
			h.problem(fmt.Errorf("reply of %s: %w", p.fn.Folder, err))
		}
	case "Event":
		if len(payload) > maxAsync {
			serviceError(w, http.StatusRequestEntityTooLarge, "RequestTooLargeException", "the event is larger than 1 MB")
			return
		}
		id, err := h.InvokeAsync(p.fn.Folder, payload)
		if err != nil {
			serviceError(w, http.StatusTooManyRequests, "TooManyRequestsException", err.Error())
			return
		}
		w.Header().Set("X-Amzn-Requestid", id)
		w.WriteHeader(http.StatusAccepted)
	case "DryRun":
		w.WriteHeader(http.StatusNoContent)
	default:
		serviceError(w, http.StatusBadRequest, "InvalidParameterValueException", fmt.Sprintf("unknown invocation type %q", kind))
	}
}

// named finds a function by name or ARN, with or without the qualifier $LATEST.
func (h *Host) named(name string) *pool {
	name = strings.TrimSuffix(name, ":$LATEST")
	if p := h.byName[name]; p != nil {
		return p
	}
	for _, p := range h.pools {
		if p.fn.ARN != "" && p.fn.ARN == name {
			return p
		}
	}
	return nil
}

func serviceError(w http.ResponseWriter, status int, typ, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Errortype", typ)
	w.WriteHeader(status)
	body, err := json.Marshal(map[string]string{"Type": "User", "Message": message})
	if err != nil {
		panic(err) // strings always encode
	}
	// The caller being gone is its own affair.
	_, _ = w.Write(body)
}
