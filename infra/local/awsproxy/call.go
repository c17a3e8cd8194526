package awsproxy

import (
	"context"
	"fmt"
	"hash/crc32"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Call is one request of a function to a service. A Fault may change Header and Body
// before it forwards; the other fields describe the request as it came.
type Call struct {
	// Context ends when the caller goes away or the proxy closes.
	Context context.Context
	// Process is the base path's first part, Function the same without "@INSTANCE".
	Process, Function string
	// Service as in the endpoint, e.g. "dynamodb"; Action as the API calls it, e.g.
	// "PutItem"; for an unknown REST call the method and path.
	Service, Action string
	// Resources are the tables ("orders", "orders/index/by-wake"), queues, topics, keys,
	// functions or objects ("BUCKET/KEY") named, by their plain names, sorted. Empty when
	// there is none.
	Resources []string
	// Seq numbers the requests of the function over all services, from 1.
	Seq int

	Method string
	Header http.Header
	Body   []byte

	path, query string
}

// String says who calls what, for test output.
func (c *Call) String() string {
	return fmt.Sprintf("%s #%d %s:%s %s", c.Process, c.Seq, c.Service, c.Action, strings.Join(c.Resources, ","))
}

// Target is the path and the query of the request, as its service gets them.
func (c *Call) Target() string {
	if c.query == "" {
		return "/" + c.path
	}
	return "/" + c.path + "?" + c.query
}

// Reply is an answer on its way back. A Fault may change it.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// write sends the reply. The length and DynamoDB's checksum follow the body, which a
// fault may have changed.
func (r *Reply) write(w http.ResponseWriter) {
	h := w.Header()
	for name, values := range r.Header {
		h[name] = values
	}
	h.Set("Content-Length", strconv.Itoa(len(r.Body)))
	if h.Get("X-Amz-Crc32") != "" {
		h.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(r.Body)), 10))
	}
	w.WriteHeader(r.Status)
	_, _ = w.Write(r.Body) // a caller that has gone needs no answer
}

func newCall(process, service string, r *http.Request, path string, body []byte) *Call {
	function, _, _ := strings.Cut(process, "@")
	c := &Call{
		Context:  r.Context(),
		Process:  process,
		Function: function,
		Service:  service,
		Method:   r.Method,
		Header:   r.Header.Clone(),
		Body:     body,
		path:     path,
		query:    r.URL.RawQuery,
	}
	c.Action = action(c)
	c.Resources = resources(c.Permissions())
	return c
}

// action reads the API action in the way of each protocol.
func action(c *Call) string {
	if target := c.Header.Get("X-Amz-Target"); target != "" { // JSON
		return target[strings.LastIndexByte(target, '.')+1:]
	}
	if form := c.form(); form != nil { // query
		return form.Get("Action")
	}
	if _, ok := invokedFunction(c); ok { // REST
		return "Invoke"
	}
	if c.Service == "lambda" && c.Method == http.MethodGet && strings.TrimSuffix(c.path, "/") == "2016-08-19/account-settings" {
		return "GetAccountSettings"
	}
	if c.Service == "s3" {
		return objectAction(c)
	}
	return c.Method + " /" + c.path
}

// form is the body of a query-protocol request, else nil.
func (c *Call) form() url.Values {
	if t, _, err := mime.ParseMediaType(c.Header.Get("Content-Type")); err != nil || t != "application/x-www-form-urlencoded" {
		return nil
	}
	form, err := url.ParseQuery(string(c.Body))
	if err != nil {
		return nil
	}
	return form
}

// invokedFunction reads Lambda's POST /2015-03-31/functions/NAME/invocations.
func invokedFunction(c *Call) (string, bool) {
	if c.Service != "lambda" || c.Method != http.MethodPost {
		return "", false
	}
	parts := strings.Split(c.path, "/")
	if len(parts) != 4 || parts[1] != "functions" || parts[3] != "invocations" {
		return "", false
	}
	name, err := url.PathUnescape(parts[2])
	return name, err == nil
}
