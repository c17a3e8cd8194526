package chain

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

var (
	factory      = common.HexToAddress("0xfac7")
	factoryTopic = swap.FactoryTopics(swap.OneInchV1)[0]
	withdrawal   = swap.EscrowTopics()[0]
)

// escrows are n distinct addresses.
func escrows(n int) []common.Address {
	out := make([]common.Address, n)
	for i := range out {
		out[i] = common.BigToAddress(big.NewInt(int64(0xe5c00000 + i)))
	}
	return out
}

func query(from, to uint64, escrows []common.Address) follow.Query {
	return follow.Query{ChainID: testChain, From: from, To: to, Factories: []common.Address{factory}, Topics: swap.FactoryTopics(swap.OneInchV1), Escrows: escrows}
}

// places lists logs as block/index.
func places(logs []swap.Log) string {
	out := ""
	for _, l := range logs {
		out += fmt.Sprintf("%d/%d ", l.At.Block, l.At.Index)
	}
	return out
}

func TestLogs(t *testing.T) {
	t.Parallel()
	for name, noTime := range map[string]bool{"time in the log": false, "time from the header": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, "one", 40, 0)
			e := escrows(3)
			n.noTime = noTime
			n.emit(22, 1, e[2], withdrawal, []byte("late"))
			n.emit(20, 4, factory, factoryTopic, []byte("second"))
			n.emit(20, 3, e[0], withdrawal, []byte("first"))
			n.emit(25, 0, e[1], withdrawal, []byte("last block"))
			n.emit(26, 0, e[1], withdrawal, []byte("outside"))
			n.emit(19, 0, e[1], withdrawal, []byte("outside"))
			n.emit(21, 0, common.HexToAddress("0x99"), withdrawal, []byte("look-alike"))
			client := newClient(t, func(c *Config) { c.AddressChunk = 2 }, n)
			span, err := client.Logs(t.Context(), query(20, 25, e))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := places(span.Logs), "20/3 20/4 22/1 25/0 "; got != want {
				t.Errorf("logs %s, want %s", got, want)
			}
			if span.End != n.blocks[25] {
				t.Errorf("end %v", span.End)
			}
			for _, l := range span.Logs {
				b := n.blocks[l.At.Block]
				if l.ChainID != testChain || l.At.Time != b.Time || l.At.BlockHash != b.Hash || l.At.Tx == (common.Hash{}) {
					t.Errorf("log %+v of block %+v", l, b)
				}
			}
			if string(span.Logs[0].Data) != "first" || span.Logs[0].Address != e[0] || !slices.Equal(span.Logs[0].Topics, []common.Hash{withdrawal}) {
				t.Errorf("first log %+v", span.Logs[0])
			}
			calls, requests := n.counts()
			wantHeaders, wantRequests := 2, 1
			if noTime {
				wantHeaders, wantRequests = 4, 2 // blocks 20 and 22; 25 is the last
			}
			if calls["eth_getLogs"] != 3 || calls["eth_getBlockByNumber"] != wantHeaders || requests != wantRequests {
				t.Errorf("%v in %d requests", calls, requests)
			}
		})
	}
}

// The figure that the cost of an idle pass rests on: two readings of a span are
// c + 2⌈escrows/chunk⌉ calls, whatever the number of escrows.
func TestCallsOfAnIdlePass(t *testing.T) {
	t.Parallel()
	const chunk, confirmations = 1000, 5
	pass := func(t *testing.T, client *Client, escrows []common.Address) {
		t.Helper()
		head, _, err := client.Head(t.Context(), testChain)
		if err != nil {
			t.Fatal(err)
		}
		final := head.Number - confirmations
		if _, err := client.Block(t.Context(), testChain, final-1); err != nil { // the mark
			t.Fatal(err)
		}
		again := query(final, final, escrows)
		again.Again = true
		for _, q := range []follow.Query{again, query(final+1, head.Number, escrows)} {
			if span, err := client.Logs(t.Context(), q); err != nil || span.End.Number != q.To {
				t.Fatal(span, err)
			}
		}
	}
	for _, count := range []int{0, 10, 1000, 1001, 10_000} {
		a, b := newNode(t, "a", 100, time.Second), newNode(t, "b", 100, time.Second)
		client := newClient(t, func(c *Config) { c.AddressChunk = chunk }, a, b)
		pass(t, client, escrows(count)) // tells the chain ids
		a.reset()
		b.reset()
		pass(t, client, escrows(count))
		const c = 9 // 2 heads, 1 mark, 2 × (2 headers + 1 factory filter)
		calls, want := a.total()+b.total(), c+2*((count+chunk-1)/chunk)
		_, requestsA := a.counts()
		_, requestsB := b.counts()
		t.Logf("%6d escrows: %d calls = c + 2⌈%d/%d⌉ with c = %d, in %d HTTP requests", count, calls, count, chunk, calls-(want-c), requestsA+requestsB)
		if calls > want {
			t.Errorf("%d escrows: %d calls, want at most %d", count, calls, want)
		}
	}
}

func TestSpanIsBoundedByLogSpan(t *testing.T) {
	t.Parallel()
	n := newNode(t, "one", 40, 0)
	client := newClient(t, func(c *Config) { c.LogSpan = 7 }, n)
	for _, c := range []struct{ from, to, end uint64 }{{1, 40, 7}, {1, 7, 7}, {1, 6, 6}, {40, 40, 40}, {0, 40, 6}} {
		span, err := client.Logs(t.Context(), query(c.from, c.to, nil))
		if err != nil || span.End.Number != c.end {
			t.Errorf("%d to %d: end %d, %v, want %d", c.from, c.to, span.End.Number, err, c.end)
		}
	}
	if _, err := client.Logs(t.Context(), query(8, 7, nil)); err == nil {
		t.Error("reversed range accepted")
	}
	if span, err := client.Logs(t.Context(), query(1<<64-2, 1<<64-1, nil)); err != nil || span.End.Number >= 1<<64-2 {
		t.Errorf("range at the end of numbers: %v, %v", span, err)
	}
}

func TestRangeErrorsHalveTheSpan(t *testing.T) {
	t.Parallel()
	wide := rpcError{Code: -32614, Message: "eth_getLogs is limited to a 5 range"}
	many := rpcError{Code: -32005, Message: "query returned more than 10000 results"}
	for name, c := range map[string]struct {
		refuse func(testFilter) *rpcError
		next   uint64 // end of the next span from 20 on
	}{
		"too wide": {func(f testFilter) *rpcError {
			if f.To-f.From >= 5 {
				return &wide
			}
			return nil
		}, 22},
		"too rich": {func(f testFilter) *rpcError {
			if f.From <= 12 && f.To > 12 {
				return &many
			}
			return nil
		}, 40},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, peer := newNode(t, "one", 40, 0), newNode(t, "peer", 40, 0)
			n.emit(11, 0, factory, factoryTopic, nil)
			n.hook(func(m string, p []json.RawMessage) (any, *rpcError, bool) {
				if m != "eth_getLogs" {
					return nil, nil, false
				}
				err := c.refuse(readFilter(p[0]))
				return nil, err, err != nil
			})
			client := newClient(t, nil, n, peer)
			span, err := client.Logs(t.Context(), query(10, 40, escrows(1)))
			if err != nil || span.End.Number != 12 || places(span.Logs) != "11/0 " {
				t.Fatalf("span to %d with %s, %v", span.End.Number, places(span.Logs), err)
			}
			if peer.total() != 0 || len(client.Trouble()) != 0 {
				t.Errorf("a range error is no failure of the endpoint: %v", client.Trouble())
			}
			// A width is remembered, so that the next span costs one request.
			n.reset()
			span, err = client.Logs(t.Context(), query(20, 40, escrows(1)))
			if calls, _ := n.counts(); err != nil || span.End.Number != c.next || calls["eth_getLogs"] != 2 {
				t.Errorf("next span to %d with %d filters, %v", span.End.Number, calls["eth_getLogs"], err)
			}
		})
	}
}

// Everything but a range error goes to the next endpoint with the full span.
func TestOtherErrorsDoNotShrinkTheSpan(t *testing.T) {
	t.Parallel()
	for _, refusal := range []rpcError{
		{Code: -32005, Message: "daily request count exceeded, request rate limited"},
		{Code: -32603, Message: "Internal error"},
		{Code: -32000, Message: "something new"},
	} {
		bad, good := newNode(t, "bad", 40, 0), newNode(t, "good", 40, 0)
		bad.refuse("eth_getLogs", refusal)
		client := newClient(t, nil, bad, good)
		span, err := client.Logs(t.Context(), query(10, 40, escrows(1)))
		if err != nil || span.End.Number != 40 {
			t.Errorf("%s: %d, %v", refusal.Message, span.End.Number, err)
		}
		if calls, _ := bad.counts(); calls["eth_getLogs"] != 2 {
			t.Errorf("%s: asked %d times", refusal.Message, calls["eth_getLogs"])
		}
	}
}

func TestAddressListIsHalvedAtOneBlock(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]rpcError{
		"results":   {Code: -32005, Message: "query returned more than 10000 results"},
		"addresses": {Code: -32602, Message: "exceed max addresses or topics per search position"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, "one", 40, 0)
			e := escrows(20)
			for i, a := range e {
				n.emit(10, uint(i), a, withdrawal, nil)
			}
			n.hook(func(m string, p []json.RawMessage) (any, *rpcError, bool) {
				refuse := m == "eth_getLogs" && len(readFilter(p[0]).Address) > 6
				return nil, &refusal, refuse
			})
			client := newClient(t, nil, n)
			span, err := client.Logs(t.Context(), query(10, 17, e))
			if err != nil || len(span.Logs) != len(e) {
				t.Fatalf("%d logs, %v", len(span.Logs), err)
			}
			// Too many addresses says nothing about the range.
			if want := map[string]uint64{"results": 10, "addresses": 17}[name]; span.End.Number != want {
				t.Errorf("end %d, want %d", span.End.Number, want)
			}
		})
	}
	t.Run("request too long", func(t *testing.T) {
		t.Parallel()
		n := newNode(t, "one", 40, 0)
		n.emit(10, 0, escrows(20)[19], withdrawal, nil)
		n.intercept(func(w http.ResponseWriter, r *http.Request, body []byte) bool {
			return len(body) > 1000 && text(http.StatusRequestEntityTooLarge, "Request Entity Too Large")(w, r, body)
		})
		span, err := newClient(t, nil, n).Logs(t.Context(), query(10, 17, escrows(20)))
		if err != nil || places(span.Logs) != "10/0 " || span.End.Number != 17 {
			t.Errorf("%+v, %v", span, err)
		}
	})
	t.Run("hopeless", func(t *testing.T) {
		t.Parallel()
		n := newNode(t, "one", 40, 0)
		n.refuse("eth_getLogs", rpcError{Code: -32005, Message: "query returned more than 10000 results"})
		_, err := newClient(t, nil, n).Logs(t.Context(), query(10, 40, escrows(1000)))
		if classOf(err) != classMany {
			t.Errorf("error %v", err)
		}
		if _, requests := n.counts(); requests > 40 {
			t.Errorf("%d requests", requests)
		}
	})
}

func TestSecondReadingGoesToAnotherEndpoint(t *testing.T) {
	t.Parallel()
	a, b := newNode(t, "a", 40, 0), newNode(t, "b", 40, 0)
	client := newClient(t, nil, a, b)
	reads := func(q follow.Query) string {
		t.Helper()
		a.reset()
		b.reset()
		if _, err := client.Logs(t.Context(), q); err != nil {
			t.Fatal(err)
		}
		out := ""
		for _, n := range []*node{a, b} {
			if calls, _ := n.counts(); calls["eth_getLogs"] > 0 {
				out += n.name
			}
		}
		return out
	}
	first, again := query(10, 20, escrows(1)), query(10, 20, escrows(1))
	again.Again = true
	if got := reads(again); got != "b" {
		t.Errorf("second reading in a new process: by %s", got)
	}
	if got := reads(first); got != "a" {
		t.Errorf("first reading: by %s", got)
	}
	if got := reads(again); got != "b" {
		t.Errorf("second reading: by %s", got)
	}
	// The first reading had to go to b, so a proves it.
	a.intercept(text(500, ""))
	later, laterAgain := query(21, 30, escrows(1)), query(21, 30, escrows(1))
	laterAgain.Again = true
	if _, err := client.Logs(t.Context(), later); err != nil {
		t.Fatal(err)
	}
	a.intercept(nil)
	client.chains[testChain].endpoints[0].works()
	if got := reads(laterAgain); got != "a" {
		t.Errorf("second reading of what b read: by %s", got)
	}
	if got := kinds(client); !slices.Equal(got, []string{"a unreachable"}) {
		t.Errorf("troubles %v", got)
	}
	// Nobody else left: read by the same one, and told.
	b.intercept(text(500, ""))
	if got := reads(first); got != "a" {
		t.Errorf("by %s", got)
	}
	if got := reads(again); got != "ab" { // b tried in vain
		t.Errorf("by %s", got)
	}
	if got := kinds(client); !slices.Equal(got, []string{"a same-reader", "b unreachable"}) {
		t.Errorf("troubles %v", got)
	}
}

// The endpoint that told the head is gone; the other lags. What it has is read.
func TestSpanEndsWhereTheEndpointDoes(t *testing.T) {
	t.Parallel()
	ahead, behind := newNode(t, "ahead", 40, 0), newNode(t, "behind", 35, 0)
	behind.emit(34, 0, factory, factoryTopic, nil)
	client := newClient(t, nil, ahead, behind)
	head, _, err := client.Head(t.Context(), testChain)
	if err != nil {
		t.Fatal(err)
	}
	ahead.intercept(func(http.ResponseWriter, *http.Request, []byte) bool { panic(http.ErrAbortHandler) })
	span, err := client.Logs(t.Context(), query(30, head.Number, escrows(1)))
	if err != nil || span.End != behind.blocks[35] || places(span.Logs) != "34/0 " {
		t.Errorf("%v, %v", span, err)
	}
	span, err = client.Logs(t.Context(), query(36, head.Number, escrows(1)))
	if err != nil || span.End.Number >= 36 {
		t.Errorf("%v, %v", span, err)
	}
}

func TestReadingsAreBounded(t *testing.T) {
	t.Parallel()
	ch := &chain{}
	for i := range uint64(1000) {
		ch.remember(reading{10 * i, 10*i + 9, nil}, false)
	}
	if len(ch.readings) != maxReadings || ch.readings[maxReadings-1].from != 9990 {
		t.Errorf("%d readings", len(ch.readings))
	}
	for range 10 {
		ch.remember(reading{0, 1 << 40, nil}, false)
	}
	if len(ch.readings) != 1 {
		t.Errorf("%d readings of the same span", len(ch.readings))
	}
}

func BenchmarkIdleLogs(b *testing.B) {
	for _, count := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprintf("escrows=%d", count), func(b *testing.B) {
			n := newNode(b, "one", 100, 0)
			client := newClient(b, nil, n)
			q := query(50, 99, escrows(count))
			for b.Loop() {
				if _, err := client.Logs(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
			calls, _ := n.counts()
			b.ReportMetric(float64(calls["eth_getLogs"]+calls["eth_getBlockByNumber"])/float64(b.N), "calls/op")
		})
	}
}
