package awsproxy

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
)

// Item is an item in DynamoDB's JSON: {"pk": {"S": "…"}, "wake": {"N": "17"}}.
type Item map[string]map[string]any

// HideFromIndex takes the items that hide chooses out of the answers of queries and scans
// of an index: the index has not caught up with the table yet. The page's end
// (LastEvaluatedKey) stays as it was, so a page may come back empty with more to follow,
// as DynamoDB allows. Other calls pass.
func HideFromIndex(hide func(index string, item Item) bool) Fault {
	return func(c *Call, next Forward) (*Reply, error) {
		var in struct{ IndexName string }
		if c.Service != "dynamodb" || (c.Action != "Query" && c.Action != "Scan") ||
			json.Unmarshal(c.Body, &in) != nil || in.IndexName == "" {
			return next(c)
		}
		reply, err := next(c)
		if err != nil || reply.Status != http.StatusOK {
			return reply, err
		}
		var fields map[string]json.RawMessage
		var items []json.RawMessage
		if err := json.Unmarshal(reply.Body, &fields); err != nil {
			return nil, fmt.Errorf("hide from index: answer of DynamoDB: %w", err)
		}
		raw, ok := fields["Items"]
		if !ok {
			return reply, nil // a count alone
		}
		if err := json.Unmarshal(raw, &items); err != nil {
			return nil, fmt.Errorf("hide from index: answer of DynamoDB: Items: %w", err)
		}
		seen := []json.RawMessage{}
		for _, raw := range items {
			var item Item
			if err := json.Unmarshal(raw, &item); err != nil {
				return nil, fmt.Errorf("hide from index: answer of DynamoDB: %w", err)
			}
			if !hide(in.IndexName, item) {
				seen = append(seen, raw)
			}
		}
		if len(seen) == len(items) {
			return reply, nil
		}
		var scanned int
		if err := json.Unmarshal(fields["ScannedCount"], &scanned); err != nil {
			return nil, fmt.Errorf("hide from index: answer of DynamoDB: %w", err)
		}
		if err := setAll(fields, map[string]any{
			"Items":        seen,
			"Count":        len(seen),
			"ScannedCount": scanned - (len(items) - len(seen)),
		}); err != nil {
			return nil, fmt.Errorf("hide from index: %w", err)
		}
		reply.Body, err = json.Marshal(fields)
		return reply, err
	}
}

// CutBatches forwards only the first request of a BatchGetItem or BatchWriteItem and
// answers that the others are unprocessed, which DynamoDB may do at any time. Each table
// of a batch keeps its first. Other calls pass.
func CutBatches() Fault {
	return func(c *Call, next Forward) (*Reply, error) {
		if c.Service != "dynamodb" {
			return next(c)
		}
		switch c.Action {
		case "BatchGetItem":
			return cutBatch(c, next, "UnprocessedKeys", cutKeys)
		case "BatchWriteItem":
			return cutBatch(c, next, "UnprocessedItems", cutWrites)
		}
		return next(c)
	}
}

// cutBatch splits each table's part of the request by cut, forwards the first halves and
// adds the others to the reply's field of unprocessed ones.
func cutBatch(c *Call, next Forward, unprocessed string, cut func(json.RawMessage) (now, later json.RawMessage, err error)) (*Reply, error) {
	var fields, tables map[string]json.RawMessage
	if json.Unmarshal(c.Body, &fields) != nil || json.Unmarshal(fields["RequestItems"], &tables) != nil {
		return next(c)
	}
	whole, left := maps.Clone(tables), map[string]json.RawMessage{}
	for name, part := range whole {
		now, later, err := cut(part)
		if err != nil {
			return next(c) // not a request that DynamoDB would take
		}
		tables[name] = now
		if later != nil {
			left[name] = later
		}
	}
	if len(left) == 0 {
		return next(c)
	}
	if err := setAll(fields, map[string]any{"RequestItems": tables}); err != nil {
		return nil, fmt.Errorf("cut batch: %w", err)
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("cut batch: %w", err)
	}
	c.Body = body
	reply, err := next(c)
	if err != nil || reply.Status != http.StatusOK {
		return reply, err
	}
	var out map[string]json.RawMessage
	if err := json.Unmarshal(reply.Body, &out); err != nil {
		return nil, fmt.Errorf("cut batch: answer of DynamoDB: %w", err)
	}
	var refused map[string]json.RawMessage
	if raw, ok := out[unprocessed]; ok {
		if err := json.Unmarshal(raw, &refused); err != nil {
			return nil, fmt.Errorf("cut batch: answer of DynamoDB: %w", err)
		}
	}
	for name := range refused {
		left[name] = whole[name] // not even the first was taken
	}
	if err := setAll(out, map[string]any{unprocessed: left}); err != nil {
		return nil, fmt.Errorf("cut batch: %w", err)
	}
	reply.Body, err = json.Marshal(out)
	return reply, err
}

func cutKeys(part json.RawMessage) (now, later json.RawMessage, err error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(part, &fields); err != nil {
		return nil, nil, err
	}
	first, rest, err := cutWrites(fields["Keys"])
	if err != nil || rest == nil {
		return part, nil, err
	}
	fields["Keys"] = first
	if now, err = json.Marshal(fields); err != nil {
		return nil, nil, err
	}
	fields["Keys"] = rest
	later, err = json.Marshal(fields)
	return now, later, err
}

func cutWrites(part json.RawMessage) (now, later json.RawMessage, err error) {
	var list []json.RawMessage
	if err := json.Unmarshal(part, &list); err != nil {
		return nil, nil, err
	}
	if len(list) < 2 {
		return part, nil, nil
	}
	if now, err = json.Marshal(list[:1]); err != nil {
		return nil, nil, err
	}
	later, err = json.Marshal(list[1:])
	return now, later, err
}

func setAll(fields map[string]json.RawMessage, values map[string]any) error {
	for name, value := range values {
		raw, err := json.Marshal(value)
		if err != nil {
			return err
		}
		fields[name] = raw
	}
	return nil
}
