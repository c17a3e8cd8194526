package snapshot_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/snapshot"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot/snapshottest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// full is the snapshot that somebody takes who knows of no other.
func (r *rig) full(t testing.TB, at time.Time) []byte {
	t.Helper()
	k, bucket := r.keeper, snapshottest.NewBucket(nil)
	k.Bucket = bucket
	got, err := k.Take(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	if got.Read != got.Counts.Orders {
		t.Fatalf("%d of %d orders read", got.Read, got.Counts.Orders)
	}
	return bucket.Object(got.Key)
}

// Whatever happens to the orders, what is taken with the help of the newest snapshot
// is, byte for byte, what is taken without. Only what has changed is read.
func TestTakenOverOrRead(t *testing.T) {
	for seed := range uint64(10) {
		random := rand.New(rand.NewPCG(seed, 1))
		r := newRig(t, 12)
		var wrong []swap.OrderID
		r.keeper.Compared = func(_ context.Context, ids []swap.OrderID) error { wrong = append(wrong, ids...); return nil }
		orders, tagless := slices.Clone(r.sample.Orders), map[swap.OrderID]bool{}
		at, changed := epoch, map[swap.OrderID]bool{}
		for step := range 30 {
			o := &orders[random.IntN(len(orders))]
			write := func() {
				delete(tagless, o.ID)
				changed[o.ID] = true
				r.state.Replace(snapshot.Record{Order: o})
			}
			switch random.IntN(8) {
			case 0: // closed, or open again
				o.Version, o.Closed = o.Version+1, !o.Closed
				write()
			case 1: // gone, and here again from its beginning
				*o = watchtest.Copy(r.sample.Orders[slices.IndexFunc(r.sample.Orders, func(s swap.Order) bool { return s.ID == o.ID })])
				write()
			case 2: // restored from long ago
				if o.Version > 2 {
					o.Version -= 2
				}
				o.Src.Final = random.IntN(2) == 0
				write()
			case 3: // written by a former release
				o.Version++
				write()
				r.state.Untag(o.ID)
				tagless[o.ID] = true
			case 4, 5:
				o.Version, o.Src.Ours = o.Version+1, !o.Src.Ours
				write()
			default: // a sweep
				o.Wakes.Src++
				r.state.Replace(snapshot.Record{Order: o})
			}
			if random.IntN(3) == 0 {
				continue // nobody looks
			}
			at = at.Add(time.Duration(random.IntN(20)) * time.Minute)
			want := r.full(t, at)
			before := r.bucket.Object(snapshot.Latest)
			got := r.take(t, at)
			if sum := sha256.Sum256(want); got.SHA256 != hex.EncodeToString(sum[:]) {
				t.Fatalf("seed %d, step %d: taken %s\nfull %s", seed, step, lines(t, r.bucket.Object(got.Key)), lines(t, want))
			}
			sameHour := len(before) > 0 && manifest(t, before).Taken.Truncate(time.Hour).Equal(at.Truncate(time.Hour))
			if most := len(changed) + len(tagless); sameHour && got.Read > most || !sameHour && got.Read != got.Counts.Orders {
				t.Fatalf("seed %d, step %d: %d orders read of %d; %d have changed since the newest, %d have no tag", seed, step, got.Read, got.Counts.Orders, len(changed), len(tagless))
			}
			if got.Written {
				clear(changed)
			}
		}
		if len(wrong) != 0 {
			t.Fatalf("seed %d: told that %v were wrong", seed, wrong)
		}
	}
}

func manifest(t testing.TB, body []byte) (m snapshot.Manifest) {
	t.Helper()
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func lines(t testing.TB, data []byte) string {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return err.Error()
	}
	all, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

// What all orders are read for, and what nothing is read for.
func TestWhenAllOrdersAreRead(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, r *rig)
		after time.Duration
		want  int // of 5
	}{
		"nothing changed":        {nil, time.Minute, 0},
		"the end of the hour":    {nil, time.Hour - time.Millisecond, 0},
		"the next hour":          {nil, time.Hour, 5},
		"a clock that was ahead": {nil, -time.Minute, 5},
		"no pointer":             {func(_ *testing.T, r *rig) { r.bucket.Plant(snapshot.Latest, []byte("{")) }, time.Minute, 5},
		"data gone":              {func(t *testing.T, r *rig) { r.respell(t, func(m *snapshot.Manifest) { m.Key += "x" }) }, time.Minute, 5},
		"data of another length": {func(t *testing.T, r *rig) { r.respell(t, func(m *snapshot.Manifest) { m.Size++ }) }, time.Minute, 5},
		"data of another checksum": {func(t *testing.T, r *rig) {
			r.respell(t, func(m *snapshot.Manifest) { m.SHA256 = strings.Repeat("00", 32) })
		}, time.Minute, 5},
		"another mode":          {func(t *testing.T, r *rig) { r.respell(t, func(m *snapshot.Manifest) { m.Mode = "shadow" }) }, time.Minute, 5},
		"more than is known":    {func(t *testing.T, r *rig) { r.rewrite(t, `"order":{`, `"order":{"later":1,`) }, time.Minute, 5},
		"an order that is none": {func(t *testing.T, r *rig) { r.rewrite(t, `"version":5`, `"version":0`) }, time.Minute, 1},
		"another order":         {func(t *testing.T, r *rig) { r.rewrite(t, `"version":5`, `"version":6`) }, time.Minute, 1},
		"wake times":            {func(t *testing.T, r *rig) { r.rewrite(t, `"wakes":{"src":0`, `"wakes":{"src":7`) }, time.Minute, 0},
		"a tag unknown":         {func(_ *testing.T, r *rig) { r.state.Untag(r.sample.Orders[2].ID) }, time.Minute, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 5)
			slices.SortFunc(r.sample.Orders, func(a, b swap.Order) int { return a.ID.Escrow.Cmp(b.ID.Escrow) })
			for i := range r.sample.Orders { // the last one is number five
				r.sample.Orders[i].Version = uint64(i + 1)
				r.state.Replace(snapshot.Record{Order: &r.sample.Orders[i]})
			}
			r.take(t, epoch)
			if c.spoil != nil {
				c.spoil(t, r)
			}
			at := epoch.Add(c.after)
			want := sha256.Sum256(r.full(t, at))
			if got := r.take(t, at); got.Read != c.want || got.SHA256 != hex.EncodeToString(want[:]) {
				t.Errorf("%d orders read, want %d; taken %s, in full %x", got.Read, c.want, got.SHA256, want)
			}
		})
	}
}

// respell changes the newest manifest, past all conditions.
func (r *rig) respell(t *testing.T, edit func(*snapshot.Manifest)) {
	t.Helper()
	m := manifest(t, r.bucket.Object(snapshot.Latest))
	edit(&m)
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	r.bucket.Plant(snapshot.Latest, body)
}

// rewrite replaces a text throughout the newest snapshot, as another release would
// have written it.
func (r *rig) rewrite(t *testing.T, was, is string) {
	t.Helper()
	r.respell(t, func(m *snapshot.Manifest) {
		old := lines(t, r.bucket.Object(m.Key))
		if !strings.Contains(old, was) {
			t.Fatalf("the snapshot has no %s", was)
		}
		var b bytes.Buffer
		zip := gzip.NewWriter(&b)
		if _, err := io.WriteString(zip, strings.ReplaceAll(old, was, is)); err != nil {
			t.Fatal(err)
		}
		if err := zip.Close(); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b.Bytes())
		m.Size, m.SHA256 = int64(b.Len()), hex.EncodeToString(sum[:])
		r.bucket.Plant(m.Key, b.Bytes())
	})
}

// A writer that does not tell is found by the first run of the next hour, which says
// so before it writes: if it cannot, the one after it does.
func TestAnOrderWrittenUntoldIsFound(t *testing.T) {
	r := newRig(t, 4)
	r.take(t, epoch)
	o := watchtest.Copy(r.sample.Orders[1])
	o.Version, o.Src.Ours = o.Version+1, !o.Src.Ours
	r.state.Forge(o)
	if got := r.take(t, epoch.Add(time.Minute)); got.Written || got.Read != 0 {
		t.Fatalf("written %t, %d read: the order was not written untold", got.Written, got.Read)
	}
	told, failing := [][]swap.OrderID(nil), errors.New("nobody listens")
	r.keeper.Compared = func(_ context.Context, wrong []swap.OrderID) error {
		told = append(told, wrong)
		if len(told) == 1 {
			return failing
		}
		return nil
	}
	writes := r.writes()
	if _, err := r.keeper.Take(t.Context(), epoch.Add(time.Hour)); !errors.Is(err, failing) || r.writes() != writes {
		t.Fatalf("%v, %d writes; want the failure, and none", err, r.writes()-writes)
	}
	var log bytes.Buffer
	r.keeper.Log = slog.New(slog.NewTextHandler(&log, nil))
	r.take(t, epoch.Add(time.Hour+5*time.Minute))
	if want := []swap.OrderID{o.ID}; !slices.Equal(told[0], want) || !slices.Equal(told[1], want) || !strings.Contains(log.String(), o.ID.String()) {
		t.Errorf("told %v; log %s", told, log.String())
	}
	if got := r.restored(t); got.Orders[indexOf(got.Orders, o.ID)].Version != o.Version {
		t.Error("the snapshot has not what was read")
	}
	r.take(t, epoch.Add(2*time.Hour))
	if len(told) != 3 || len(told[2]) != 0 {
		t.Errorf("told %v; want that nothing is wrong any more", told)
	}
	r.take(t, epoch.Add(2*time.Hour+time.Minute))
	if len(told) != 3 {
		t.Error("told by a run that compared nothing")
	}
	// That there is nothing to tell keeps no snapshot from being written.
	r.keeper.Compared = func(context.Context, []swap.OrderID) error { return failing }
	if got, err := r.keeper.Take(t.Context(), epoch.Add(3*time.Hour)); !errors.Is(err, failing) || !got.Written {
		t.Errorf("written %t, %v", got.Written, err)
	}
}

// What is written or closed while all orders are read is not wrong.
func TestWrittenWhileAllAreRead(t *testing.T) {
	for name, edit := range map[string]func(*swap.Order){
		"written": func(o *swap.Order) { o.Src.Ours = !o.Src.Ours },
		"closed":  func(o *swap.Order) { o.Closed = true },
	} {
		r := newRig(t, 3)
		r.take(t, epoch)
		o := r.sample.Orders[1]
		o.Version++
		edit(&o)
		r.keeper.Chains = &rushed{r.state, func() { r.state.Replace(snapshot.Record{Order: &o}) }}
		r.keeper.Compared = func(_ context.Context, wrong []swap.OrderID) error {
			if len(wrong) != 0 {
				return fmt.Errorf("wrong: %v", wrong)
			}
			return nil
		}
		if got := r.take(t, epoch.Add(time.Hour)); got.Read != 3 {
			t.Errorf("%s: %d orders read", name, got.Read)
		}
	}
}

// rushed has something done between the list of the orders and their reading.
type rushed struct {
	*snapshottest.State
	meanwhile func()
}

func (c *rushed) Load(ctx context.Context, ids []swap.OrderID) ([]swap.Order, error) {
	c.meanwhile()
	return c.State.Load(ctx, ids)
}
