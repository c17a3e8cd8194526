package chain

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// spanReader collects and checks the logs of a span.
type spanReader struct {
	e     *endpoint
	chain uint64
	from  uint64
	end   swap.Block
	logs  []swap.Log
}

// wireLog is a log as nodes write it.
type wireLog struct {
	Address   *common.Address `json:"address"`
	Topics    []common.Hash   `json:"topics"`
	Data      hexutil.Bytes   `json:"data"`
	Block     quantity        `json:"blockNumber"`
	BlockHash *common.Hash    `json:"blockHash"`
	BlockTime quantity        `json:"blockTimestamp"` // by some nodes only
	Tx        *common.Hash    `json:"transactionHash"`
	Index     quantity        `json:"logIndex"`
	Removed   bool            `json:"removed"`
}

// log converts; false if something is missing or out of bounds.
func (w wireLog) log(chain uint64) (swap.Log, bool) {
	const maxTopics = 4
	number, okN := w.Block.u64()
	index, okI := w.Index.u64()
	if w.Address == nil || w.BlockHash == nil || w.Tx == nil || !okN || !okI || index > 1<<31 || len(w.Topics) > maxTopics {
		return swap.Log{}, false
	}
	at := swap.Position{Block: number, BlockHash: *w.BlockHash, Tx: *w.Tx, Index: uint(index)}
	if w.BlockTime.set {
		t, ok := chainTime(w.BlockTime)
		if !ok {
			return swap.Log{}, false
		}
		at.Time = t
	}
	return swap.Log{ChainID: chain, Address: *w.Address, Topics: w.Topics, Data: w.Data, At: at}, true
}

// add takes one answer. What was not asked for is dropped and told; what does
// not decode spoils the whole answer, since nothing may be lost by it.
func (s *spanReader) add(f filter, c *call) error {
	list, err := decode[[]wireLog](s.e, c)
	if err != nil {
		return err
	}
	asked := make(map[common.Address]bool, len(f.addresses))
	if len(list) > 0 {
		for _, a := range f.addresses {
			asked[a] = true
		}
	}
	for _, w := range list {
		if w.Removed {
			continue
		}
		l, ok := w.log(s.chain)
		if !ok {
			return s.e.fault(classMalformed, c.method, "log with a field missing or out of bounds")
		}
		if !asked[l.Address] || len(l.Topics) == 0 || !slices.Contains(f.topics, l.Topics[0]) ||
			l.At.Block < s.from || l.At.Block > s.end.Number {
			s.e.tell(Hostile, "logs of another address, topic or block than asked for")
			continue
		}
		s.logs = append(s.logs, l)
	}
	return nil
}

// finish orders the logs, checks their blocks against each other and the last
// header, and fills in missing block times.
func (s *spanReader) finish(ctx context.Context) (follow.Span, error) {
	const method = "eth_getLogs"
	slices.SortStableFunc(s.logs, func(a, b swap.Log) int {
		return cmp.Or(cmp.Compare(a.At.Block, b.At.Block), cmp.Compare(a.At.Index, b.At.Index))
	})
	logs := s.logs[:0]
	for _, l := range s.logs {
		if n := len(logs); n > 0 && logs[n-1].At.Block == l.At.Block {
			prev := logs[n-1]
			if prev.At.BlockHash != l.At.BlockHash {
				return follow.Span{}, s.e.fault(classReorg, method, "")
			}
			if prev.At.Index == l.At.Index {
				if !sameLog(prev, l) {
					return follow.Span{}, s.e.fault(classMalformed, method, "two logs at one place")
				}
				continue
			}
		}
		logs = append(logs, l)
	}
	known := map[uint64]swap.Block{s.end.Number: s.end}
	var calls []*call
	var numbers []uint64
	for _, l := range logs {
		if _, ok := known[l.At.Block]; !ok && l.At.Time == 0 {
			known[l.At.Block] = swap.Block{}
			numbers = append(numbers, l.At.Block)
			calls = append(calls, blockCall(l.At.Block))
		}
	}
	if err := s.e.do(ctx, calls...); err != nil {
		return follow.Span{}, err
	}
	for i, c := range calls {
		b, err := decodeBlock(s.e, c, numbers[i])
		if err != nil {
			return follow.Span{}, err
		}
		known[b.Number] = b
	}
	for i := range logs {
		at := &logs[i].At
		b, ok := known[at.Block]
		if !ok {
			if at.Time > s.end.Time {
				return follow.Span{}, s.e.fault(classMalformed, method, "log younger than its span")
			}
			continue
		}
		if b.Hash != at.BlockHash {
			return follow.Span{}, s.e.fault(classReorg, method, "")
		}
		at.Time = b.Time
	}
	return follow.Span{Logs: slices.Clip(logs), End: s.end}, nil
}

func sameLog(a, b swap.Log) bool {
	return a.Address == b.Address && a.At.Tx == b.At.Tx && slices.Equal(a.Topics, b.Topics) && bytes.Equal(a.Data, b.Data)
}
