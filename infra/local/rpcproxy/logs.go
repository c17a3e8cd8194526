package rpcproxy

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/ethereum/go-ethereum/core/types"
)

// LogLimits are the limits of a provider on eth_getLogs; zero means none.
type LogLimits struct {
	Span      uint64 // blocks, to - from + 1
	Addresses int
	Results   int
	// Code of the error; zero means CodeLimit. Others use CodeInvalidParams.
	Code int
	// Message replaces the usual one.
	Message string
}

// LimitLogs refuses eth_getLogs beyond the limits.
func LimitLogs(limits LogLimits) Fault {
	refuse := func(format string, limit any) *Reply {
		return &Reply{Error: &Error{
			Code:    cmp.Or(limits.Code, CodeLimit),
			Message: cmp.Or(limits.Message, fmt.Sprintf(format, limit)),
		}}
	}
	return func(c *Call) Action {
		filter, ok := readLogFilter(c)
		if !ok {
			return Action{}
		}
		if limits.Addresses > 0 {
			var list []json.RawMessage
			if json.Unmarshal(filter["address"], &list) == nil && len(list) > limits.Addresses {
				return Action{Reply: refuse("query exceeds max addresses %d", limits.Addresses)}
			}
		}
		if _, single := filter.blockHash(); limits.Span > 0 && !single {
			from, to, err := filter.bounds(c)
			if err != nil {
				return broken(err)
			}
			if to.number >= from.number && to.number-from.number >= limits.Span {
				return Action{Reply: refuse("query exceeds max block range %d", limits.Span)}
			}
		}
		if limits.Results == 0 {
			return Action{}
		}
		return Action{After: func(r *Reply) {
			var logs []json.RawMessage
			if json.Unmarshal(r.Result, &logs) == nil && len(logs) > limits.Results {
				*r = *refuse("query returned more than %d results", limits.Results)
			}
		}}
	}
}

// DropLogs leaves the chosen logs out of the answers to eth_getLogs, and says
// nothing about it.
func DropLogs(drop func(types.Log) bool) Fault {
	return func(c *Call) Action {
		if c.Method != "eth_getLogs" {
			return Action{}
		}
		return Action{After: func(r *Reply) { dropLogs(r, drop) }}
	}
}

// LagLogs answers eth_getLogs as if the newest blocks held no logs yet, while
// the head is served as it is: an index that runs behind its node.
func LagLogs(blocks uint64) Fault {
	return func(c *Call) Action {
		if c.Method != "eth_getLogs" {
			return Action{}
		}
		head, err := headNumber(c)
		if err != nil {
			return broken(err)
		}
		return Action{After: func(r *Reply) {
			dropLogs(r, func(l types.Log) bool { return l.BlockNumber+blocks > head })
		}}
	}
}

func dropLogs(r *Reply, drop func(types.Log) bool) {
	var logs []json.RawMessage
	if r.Error != nil || json.Unmarshal(r.Result, &logs) != nil {
		return
	}
	kept := []json.RawMessage{}
	for _, raw := range logs {
		var l types.Log
		if json.Unmarshal(raw, &l) != nil || !drop(l) {
			kept = append(kept, raw)
		}
	}
	r.Result = encode(kept)
}
