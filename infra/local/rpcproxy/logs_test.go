package rpcproxy

import (
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/bridge-me-not/resolver-cron/infra/local/devchain"
	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

func reorgOf(depth int) devchain.Reorg { return devchain.Reorg{Depth: depth} }

func TestLogFaults(t *testing.T) {
	c, _ := newChain(t) // head 6, a log in each of 1 to 6
	head := c.Head().Hash()
	span := func(from, to int64) ethereum.FilterQuery {
		return ethereum.FilterQuery{FromBlock: big.NewInt(from), ToBlock: big.NewInt(to)}
	}
	addresses := func(n int) ethereum.FilterQuery {
		q := span(0, 0)
		q.Addresses = make([]common.Address, n)
		return q
	}
	third := func(l types.Log) bool { return l.BlockNumber == 3 }
	for name, tt := range map[string]struct {
		fault Fault
		query ethereum.FilterQuery
		want  []uint64
		code  int
		text  string
	}{
		"span at the limit":      {LimitLogs(LogLimits{Span: 3}), span(2, 4), []uint64{2, 3, 4}, 0, ""},
		"span above":             {LimitLogs(LogLimits{Span: 3}), span(2, 5), nil, CodeLimit, "query exceeds max block range 3"},
		"span to latest":         {LimitLogs(LogLimits{Span: 3}), ethereum.FilterQuery{FromBlock: big.NewInt(3)}, nil, CodeLimit, "block range"},
		"span to latest, short":  {LimitLogs(LogLimits{Span: 3}), ethereum.FilterQuery{FromBlock: big.NewInt(4)}, []uint64{4, 5, 6}, 0, ""},
		"span by hash":           {LimitLogs(LogLimits{Span: 1}), ethereum.FilterQuery{BlockHash: &head}, []uint64{6}, 0, ""},
		"span to finalized":      {LimitLogs(LogLimits{Span: 4}), span(1, int64(rpc.FinalizedBlockNumber)), []uint64{1, 2, 3, 4}, 0, ""},
		"other code and text":    {LimitLogs(LogLimits{Span: 1, Code: CodeInvalidParams, Message: "block range too wide"}), span(1, 2), nil, CodeInvalidParams, "block range too wide"},
		"addresses at the limit": {LimitLogs(LogLimits{Addresses: 2}), addresses(2), nil, 0, ""},
		"addresses above":        {LimitLogs(LogLimits{Addresses: 2}), addresses(3), nil, CodeLimit, "query exceeds max addresses 2"},
		"results at the limit":   {LimitLogs(LogLimits{Results: 2}), span(1, 2), []uint64{1, 2}, 0, ""},
		"results above":          {LimitLogs(LogLimits{Results: 2}), span(1, 3), nil, CodeLimit, "query returned more than 2 results"},
		"no limits":              {LimitLogs(LogLimits{}), span(1, 6), []uint64{1, 2, 3, 4, 5, 6}, 0, ""},
		"dropped":                {DropLogs(third), span(1, 6), []uint64{1, 2, 4, 5, 6}, 0, ""},
		"all dropped":            {DropLogs(third), span(3, 3), nil, 0, ""},
		"lagging":                {LagLogs(2), span(1, 6), []uint64{1, 2, 3, 4}, 0, ""},
		"lagging not":            {LagLogs(0), span(5, 6), []uint64{5, 6}, 0, ""},
		"error behind":           {DropLogs(third), span(6, 1), nil, -32602, "invalid block range"},
	} {
		t.Run(name, func(t *testing.T) {
			client := through(t, c, tt.fault)
			logs, err := client.FilterLogs(t.Context(), tt.query)
			if !slices.Equal(numbers(logs), tt.want) {
				t.Errorf("logs of blocks %v, want %v", numbers(logs), tt.want)
			}
			var refused rpc.Error
			if tt.code == 0 {
				if err != nil {
					t.Error(err)
				}
			} else if !errors.As(err, &refused) || refused.ErrorCode() != tt.code || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("%v, want %s (%d)", err, tt.text, tt.code)
			}
			// Everything else is served as it is.
			if n := must[uint64](t)(client.BlockNumber(t.Context())); n != 6 {
				t.Errorf("head %d", n)
			}
		})
	}
}

// The limits judge what outer layers made of the query.
func TestLogLimitsInsideStaleHead(t *testing.T) {
	c, _ := newChain(t)
	client := through(t, c, StaleHead(3), LimitLogs(LogLimits{Span: 3}))
	logs, err := client.FilterLogs(t.Context(), ethereum.FilterQuery{FromBlock: big.NewInt(1), ToBlock: big.NewInt(6)})
	if err != nil || len(logs) != 3 {
		t.Errorf("%d logs, %v", len(logs), err)
	}
}
