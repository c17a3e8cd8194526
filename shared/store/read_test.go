package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// unprocessed answers a BatchGetItem request for part of its keys, made up
// items for those before the cut and the rest as unprocessed.
func unprocessed(r *http.Request, cut func(n int) int) (*http.Response, error) {
	var in struct {
		RequestItems map[string]struct {
			Keys           []map[string]map[string]string
			ConsistentRead bool
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	out := map[string]map[string]any{"Responses": {}, "UnprocessedKeys": {}}
	for table, ask := range in.RequestItems {
		if !ask.ConsistentRead {
			return failing("ValidationException", "")
		}
		n := cut(len(ask.Keys))
		out["Responses"][table] = ask.Keys[:n]
		if n < len(ask.Keys) {
			out["UnprocessedKeys"][table] = map[string]any{"Keys": ask.Keys[n:], "ConsistentRead": true}
		}
	}
	body, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	return answer(http.StatusOK, string(body))
}

// client is a transport by a function of the request.
type client func(*http.Request) (*http.Response, error)

func (f client) Do(r *http.Request) (*http.Response, error) { return f(r) }

func offlineBy(f client) *Store {
	s := offline(&transport{})
	s.db = dynamodb.New(s.db.Options(), func(o *dynamodb.Options) { o.HTTPClient = f })
	return s
}

func TestGetAllAsksForWhatWasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests, stuck := 0, 0
		s := offlineBy(func(r *http.Request) (*http.Response, error) {
			requests++
			return unprocessed(r, func(n int) int {
				if requests%3 == 0 { // now and then nothing at all
					stuck++
					return 0
				}
				return min(n, 7)
			})
		})
		var keys []item
		for i := range 40 {
			keys = append(keys, key("p", fmt.Sprint(i)))
		}
		began := time.Now()
		got, err := s.getAll(t.Context(), "table", keys)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, it := range got {
			seen[it.text(attrSK)] = true
		}
		if len(got) != 40 || len(seen) != 40 {
			t.Errorf("%d items, %d different, want 40", len(got), len(seen))
		}
		if took := time.Since(began); stuck == 0 || took < time.Duration(stuck)*firstPause/2 {
			t.Errorf("%s of pauses for %d empty answers", took, stuck)
		}
	})
}

func TestGetAllEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := offlineBy(func(r *http.Request) (*http.Response, error) { return unprocessed(r, func(int) int { return 0 }) })
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		_, err := s.Orders().Load(ctx, []swap.OrderID{{ChainID: 1}})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the end of the context", err)
		}
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

func TestGetAllSplitsBatches(t *testing.T) {
	var mu sync.Mutex
	var sizes []int
	s := offlineBy(func(r *http.Request) (*http.Response, error) {
		return unprocessed(r, func(n int) int {
			mu.Lock()
			defer mu.Unlock()
			sizes = append(sizes, n)
			return n
		})
	})
	for _, n := range []int{0, 1, 100, 101, 200, 201} {
		sizes = nil
		var keys []item
		for i := range n {
			keys = append(keys, key("p", fmt.Sprint(i)))
		}
		got, err := s.getAll(t.Context(), "table", keys)
		if err != nil || len(got) != n {
			t.Errorf("%d keys: %d items, %v", n, len(got), err)
		}
		slices.Sort(sizes)
		want := map[int][]int{0: nil, 1: {1}, 100: {100}, 101: {1, 100}, 200: {100, 100}, 201: {1, 100, 100}}[n]
		if !slices.Equal(sizes, want) {
			t.Errorf("%d keys: batches of %v, want %v", n, sizes, want)
		}
	}
}

func TestNames(t *testing.T) {
	got := names("#pk = :pk AND begins_with(#sk, :sk)", "", "SET #expires_at = :x")
	want := map[string]string{"#pk": "pk", "#sk": "sk", "#expires_at": "expires_at"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := names("", "attribute_exists"); got != nil {
		t.Errorf("got %v, want none", got)
	}
}

// The watch book is read whole when it is longer than a page.
func TestWatchedReadsAllPages(t *testing.T) {
	s, chain := newStore(t), watchtest.Chain()
	var rows []item
	for range 9_000 {
		o := swap.Order{ID: swap.OrderID{ChainID: chain, Escrow: watchtest.Address()}}
		o.Src.ChainID, o.Src.Escrow = o.ID.ChainID, o.ID.Escrow
		rows = append(rows, rowsOf(o)...)
	}
	load(t, s, testTables.Orders, rows)
	tr := &transport{}
	got, err := newStore(t, tr.through(1)).Orders().Watched(t.Context(), chain)
	if err != nil {
		t.Fatal(err)
	}
	if len(tr.ops) < 2 {
		t.Errorf("read in %d requests: the book is no longer than a page", len(tr.ops))
	}
	seen := map[swap.OrderID]bool{}
	for _, w := range got {
		seen[w.Order] = true
	}
	if len(got) != len(rows) || len(seen) != len(rows) {
		t.Errorf("%d rows, %d different, want %d", len(got), len(seen), len(rows))
	}
}

// load puts items in batches, whatever is there.
func load(t testing.TB, s *Store, table string, items []item) {
	t.Helper()
	var g errgroup.Group
	g.SetLimit(4)
	for chunk := range slices.Chunk(items, 25) {
		var put []types.WriteRequest
		for _, it := range chunk {
			put = append(put, types.WriteRequest{PutRequest: &types.PutRequest{Item: it}})
		}
		g.Go(func() error {
			for ask := map[string][]types.WriteRequest{table: put}; len(ask) > 0; {
				out, err := s.db.BatchWriteItem(context.Background(), &dynamodb.BatchWriteItemInput{RequestItems: ask})
				if err != nil {
					return err
				}
				ask = out.UnprocessedItems
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}
