package awsproxy

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"sync"
)

// Key names one line of the bill. A call that touches several resources counts on each.
type Key struct{ Function, Service, Action, Resource string }

// Usage is what was asked and what it cost. The zero value is nothing.
type Usage struct {
	// Requests that arrived, whatever a fault did to them, and those Forwarded to the
	// service (a doubled one twice).
	Requests, Forwarded int
	// Refused counts answers of the service with status 400 or more; Unreachable
	// requests that the service did not answer at all.
	Refused, Unreachable int
	// ReadUnits and WriteUnits are DynamoDB's consumed capacity as the service told it.
	// An error answer does not tell: a failed condition is counted as 1 write unit and each
	// write of a cancelled transaction as 2, what AWS charges for items up to 1 KB.
	ReadUnits, WriteUnits float64
}

func (u *Usage) add(o Usage) {
	u.Requests += o.Requests
	u.Forwarded += o.Forwarded
	u.Refused += o.Refused
	u.Unreachable += o.Unreachable
	u.ReadUnits += o.ReadUnits
	u.WriteUnits += o.WriteUnits
}

// recorder keeps the bill. The zero value is empty.
type recorder struct {
	mu    sync.Mutex
	usage map[Key]Usage
}

// Usage returns a copy of the bill.
func (p *Proxy) Usage() map[Key]Usage {
	p.usage.mu.Lock()
	defer p.usage.mu.Unlock()
	return maps.Clone(p.usage.usage)
}

// ResetUsage starts the bill anew. Request numbers stay.
func (p *Proxy) ResetUsage() {
	p.usage.mu.Lock()
	defer p.usage.mu.Unlock()
	p.usage.usage = nil
}

// Sum adds up the lines of a bill that pick chooses; nil chooses all.
func Sum(bill map[Key]Usage, pick func(Key) bool) Usage {
	var sum Usage
	for k, u := range bill {
		if pick == nil || pick(k) {
			sum.add(u)
		}
	}
	return sum
}

// Requests is how many requests the function made so far: the Seq of its last one.
func (p *Proxy) Requests(function string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests[function]
}

func (r *recorder) received(c *Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count(c, Usage{Requests: 1})
}

func (r *recorder) unreachable(c *Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count(c, Usage{Forwarded: 1, Unreachable: 1})
}

func (r *recorder) forwarded(c *Call, reply *Reply) {
	one := Usage{Forwarded: 1}
	if reply.Status >= http.StatusBadRequest {
		one.Refused = 1
	}
	units := capacity(c, reply)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count(c, one)
	for resource, u := range units {
		r.countOn(c, resource, u)
	}
}

// count adds u on every resource of the call. The caller holds the lock.
func (r *recorder) count(c *Call, u Usage) {
	if len(c.Resources) == 0 {
		r.countOn(c, "", u)
	}
	for _, resource := range c.Resources {
		r.countOn(c, resource, u)
	}
}

func (r *recorder) countOn(c *Call, resource string, u Usage) {
	if r.usage == nil {
		r.usage = map[Key]Usage{}
	}
	k := Key{c.Function, c.Service, c.Action, resource}
	sum := r.usage[k]
	sum.add(u)
	r.usage[k] = sum
}

// capacityOf says for the DynamoDB actions that consume capacity whether they write.
var capacityOf = map[string]struct{ writes bool }{
	"GetItem": {}, "Query": {}, "Scan": {}, "BatchGetItem": {}, "TransactGetItems": {},
	"PutItem": {true}, "UpdateItem": {true}, "DeleteItem": {true}, "BatchWriteItem": {true}, "TransactWriteItems": {true},
}

// measured is the body to forward: the caller's, made to ask for its consumed capacity.
func measured(c *Call) []byte {
	const ask = `"ReturnConsumedCapacity":"TOTAL"`
	if _, ok := capacityOf[c.Action]; c.Service != "dynamodb" || !ok {
		return c.Body
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(c.Body, &fields) != nil || fields == nil {
		return c.Body
	}
	switch string(fields["ReturnConsumedCapacity"]) {
	case "":
		// Put in front of the caller's own bytes.
		_, rest, _ := bytes.Cut(c.Body, []byte("{"))
		if len(fields) == 0 {
			return []byte("{" + ask + "}")
		}
		return append([]byte("{"+ask+","), rest...)
	case `"NONE"`, "null":
		fields["ReturnConsumedCapacity"] = json.RawMessage(`"TOTAL"`)
		if body, err := json.Marshal(fields); err == nil {
			return body
		}
	}
	return c.Body
}

// capacity reads the consumed capacity by resource.
func capacity(c *Call, reply *Reply) map[string]Usage {
	kind, ok := capacityOf[c.Action]
	if c.Service != "dynamodb" || !ok {
		return nil
	}
	units := map[string]Usage{}
	add := func(resource string, n float64) {
		u := Usage{ReadUnits: n}
		if kind.writes {
			u = Usage{WriteUnits: n}
		}
		u.add(units[resource])
		units[resource] = u
	}
	var out struct {
		Type             string `json:"__type"`
		ConsumedCapacity json.RawMessage
	}
	if json.Unmarshal(reply.Body, &out) != nil {
		return nil
	}
	if reply.Status >= http.StatusBadRequest {
		failedWrites(c, out.Type, add)
		return units
	}
	type consumed struct {
		TableName     string
		CapacityUnits float64
	}
	var one consumed
	var many []consumed
	switch {
	case json.Unmarshal(out.ConsumedCapacity, &one) == nil && len(c.Resources) == 1:
		add(c.Resources[0], one.CapacityUnits) // the index, where one was queried
	case json.Unmarshal(out.ConsumedCapacity, &many) == nil:
		for _, m := range many {
			add(tableName(m.TableName), m.CapacityUnits)
		}
	}
	return units
}

// failedWrites counts the least that writes cost whose condition failed.
func failedWrites(c *Call, errorType string, add func(string, float64)) {
	switch {
	case strings.HasSuffix(errorType, "#ConditionalCheckFailedException") && len(c.Resources) == 1:
		add(c.Resources[0], 1)
	case strings.HasSuffix(errorType, "#TransactionCanceledException"):
		type item struct{ TableName string }
		var in struct {
			TransactItems []struct{ Put, Update, Delete, ConditionCheck *item }
		}
		if json.Unmarshal(c.Body, &in) != nil {
			return
		}
		for _, t := range in.TransactItems {
			for _, it := range []*item{t.Put, t.Update, t.Delete, t.ConditionCheck} {
				if it != nil {
					add(tableName(it.TableName), 2)
				}
			}
		}
	}
}
