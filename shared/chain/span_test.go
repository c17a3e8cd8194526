package chain

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

func TestReorgWhileReading(t *testing.T) {
	t.Parallel()
	e := escrows(1)
	for name, disturb := range map[string]func(n *node){
		"last header changes": func(n *node) {
			n.logs = nil // so that only the headers show it
			headers := 0
			n.hook(func(m string, p []json.RawMessage) (any, *rpcError, bool) {
				if m == "eth_getBlockByNumber" {
					if headers++; headers == 2 {
						n.extend("side", 15, 20, time.Now())
					}
				}
				return nil, nil, false
			})
		},
		"log of another block than the header's": func(n *node) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.logs[0]["blockHash"] = blockHash("side", 20)
		},
		"two hashes in one block": func(n *node) {
			n.emit(18, 1, e[0], withdrawal, nil)
			n.emit(18, 2, e[0], withdrawal, nil)
			n.mu.Lock()
			defer n.mu.Unlock()
			n.logs[2]["blockHash"] = blockHash("side", 18)
		},
		"log of another block than its header's": func(n *node) {
			n.noTime = true
			n.emit(18, 1, e[0], withdrawal, nil)
			n.mu.Lock()
			defer n.mu.Unlock()
			n.logs[1]["blockHash"] = blockHash("side", 18)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			moving, calm := newNode(t, "moving", 20, 0), newNode(t, "calm", 20, 0)
			for _, n := range []*node{moving, calm} {
				n.emit(20, 0, e[0], withdrawal, nil)
			}
			disturb(moving)
			client := newClient(t, nil, moving, calm)
			span, err := client.Logs(t.Context(), query(10, 20, e))
			if err != nil || span.End.Hash != blockHash("main", 20) || places(span.Logs) != "20/0 " {
				t.Errorf("%v, %v", span, err)
			}
			if len(client.Trouble()) != 0 {
				t.Errorf("a reorganisation is no trouble: %v", client.Trouble())
			}
		})
	}
}

func TestHostileLogs(t *testing.T) {
	t.Parallel()
	e := escrows(2)
	for name, c := range map[string]struct {
		change map[string]any
		want   class // classOther: dropped, the rest stays
	}{
		"another address":   {map[string]any{"address": common.HexToAddress("0x99")}, classOther},
		"another topic":     {map[string]any{"topics": []common.Hash{{1}}}, classOther},
		"no topic":          {map[string]any{"topics": []common.Hash{}}, classOther},
		"block before":      {map[string]any{"blockNumber": "0x9"}, classOther},
		"block after":       {map[string]any{"blockNumber": "0x15"}, classOther},
		"no block":          {map[string]any{"blockNumber": nil}, classMalformed},
		"no block hash":     {map[string]any{"blockHash": nil}, classMalformed},
		"no transaction":    {map[string]any{"transactionHash": nil}, classMalformed},
		"no index":          {map[string]any{"logIndex": nil}, classMalformed},
		"endless index":     {map[string]any{"logIndex": "0xffffffffff"}, classMalformed},
		"no address":        {map[string]any{"address": nil}, classMalformed},
		"five topics":       {map[string]any{"topics": make([]common.Hash, 5)}, classMalformed},
		"short topic":       {map[string]any{"topics": []string{"0x12"}}, classMalformed},
		"data is no hex":    {map[string]any{"data": "hello"}, classMalformed},
		"time after time":   {map[string]any{"blockTimestamp": "0xffffffffffffffff"}, classMalformed},
		"younger than span": {map[string]any{"blockTimestamp": "0xffffffffff"}, classMalformed},
		"a twin that lies":  {map[string]any{"logIndex": "0x0", "blockNumber": "0xc", "blockHash": blockHash("main", 12), "data": "0x12"}, classMalformed},
		"an honest twin":    {map[string]any{"logIndex": "0x0", "blockNumber": "0xc", "blockHash": blockHash("main", 12), "transactionHash": nil, "twin": true}, classOther},
		"removed":           {map[string]any{"removed": true}, classOther},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad, good := newNode(t, "bad", 20, 0), newNode(t, "good", 20, 0)
			for _, n := range []*node{bad, good} {
				n.emit(12, 0, e[0], withdrawal, nil)
				n.emit(13, 1, e[1], withdrawal, nil)
			}
			list := slices.Clone(bad.logs)
			changed := map[string]any{}
			for k, v := range bad.logs[1] {
				changed[k] = v
			}
			for k, v := range c.change {
				changed[k] = v
			}
			if c.change["twin"] != nil {
				changed = list[0]
			}
			list[1] = changed
			bad.hook(func(m string, p []json.RawMessage) (any, *rpcError, bool) {
				if m != "eth_getLogs" {
					return nil, nil, false
				}
				if readFilter(p[0]).Address[0] == factory {
					return []any{}, nil, true
				}
				return list, nil, true
			})
			client := newClient(t, nil, bad, good)
			span, err := client.Logs(t.Context(), query(10, 20, e))
			if err != nil {
				t.Fatal(err)
			}
			want, trouble := "12/0 ", []string{"bad hostile-logs"}
			switch {
			case c.want == classMalformed: // the whole answer is refused, the peer's is taken
				want, trouble = "12/0 13/1 ", []string{"bad malformed"}
			case name == "removed", name == "an honest twin":
				trouble = nil
			}
			if places(span.Logs) != want {
				t.Errorf("logs %s, want %s", places(span.Logs), want)
			}
			if got := kinds(client); !slices.Equal(got, trouble) {
				t.Errorf("troubles %v, want %v", got, trouble)
			}
		})
	}
}

// FuzzLogs: whatever a node answers, what comes out was asked for.
func FuzzLogs(f *testing.F) {
	seed := func(v any) {
		raw, err := json.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	seed([]wireLog{})
	seed([]map[string]any{{
		"address": factory, "topics": []common.Hash{factoryTopic}, "data": "0x1234", "blockNumber": "0xb",
		"blockHash": blockHash("main", 11), "blockTimestamp": "0x5", "transactionHash": common.Hash{1}, "logIndex": "0x0", "removed": false,
	}})
	seed([]map[string]any{{"address": factory, "removed": true}})
	f.Add([]byte(`[null]`))
	f.Add([]byte(`{"a":1}`))
	f.Add([]byte(`[{"blockNumber":"0xffffffffffffffffffffff"}]`))
	client, err := New([]Config{{ID: testChain, Endpoints: []Endpoint{{Name: "a", URL: "http://node.example.org"}}}})
	if err != nil {
		f.Fatal(err)
	}
	e := client.chains[testChain].endpoints[0]
	asked := filter{addresses: []common.Address{factory}, topics: []common.Hash{factoryTopic}}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s := &spanReader{e: e, chain: testChain, from: 10, end: swap.Block{Number: 20, Time: 100, Hash: blockHash("main", 20)}}
		if s.add(asked, &call{method: "eth_getLogs", result: raw}) != nil {
			return
		}
		for _, l := range s.logs {
			if l.ChainID != testChain || l.Address != factory || l.Topics[0] != factoryTopic || l.At.Block < 10 || l.At.Block > 20 || l.At.Time < 0 {
				t.Errorf("log that was not asked for: %+v", l)
			}
		}
	})
}

// BenchmarkDecodeLogs: the dearest answer that a provider gives.
func BenchmarkDecodeLogs(b *testing.B) {
	var list []map[string]any
	for i := range 10_000 {
		list = append(list, map[string]any{
			"address": factory, "topics": []common.Hash{factoryTopic}, "data": hexutil.Bytes(make([]byte, 416)), "blockNumber": hexutil.Uint64(10 + i/1000),
			"blockHash": blockHash("main", uint64(10+i/1000)), "blockTimestamp": "0x5", "transactionHash": common.Hash{1}, "logIndex": hexutil.Uint(i), "removed": false,
		})
	}
	raw, err := json.Marshal(list)
	if err != nil {
		b.Fatal(err)
	}
	client, err := New([]Config{{ID: testChain, Endpoints: []Endpoint{{Name: "a", URL: "http://node.example.org"}}}})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		s := &spanReader{e: client.chains[testChain].endpoints[0], chain: testChain, from: 10, end: swap.Block{Number: 20}}
		if err := s.add(filter{addresses: []common.Address{factory}, topics: []common.Hash{factoryTopic}}, &call{method: "eth_getLogs", result: raw}); err != nil {
			b.Fatal(err)
		}
	}
}
