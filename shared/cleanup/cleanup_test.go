package cleanup_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/cleanup"
	"github.com/bridge-me-not/resolver-cron/shared/cleanup/cleanuptest"
	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot/snapshottest"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type rig struct {
	*faulttest.Faults
	tables  *cleanuptest.Tables
	bucket  *snapshottest.Bucket
	cleaner cleanup.Cleaner
	stored  []cleanup.Finished
	told    map[string]error // of objects, by key
}

// newRig has as many finished orders, closed a second after each other from noon.
func newRig(orders int) *rig {
	f := new(faulttest.Faults)
	r := &rig{Faults: f, tables: cleanuptest.NewTables(f), bucket: snapshottest.NewBucket(f), told: map[string]error{}}
	r.cleaner = cleanup.Cleaner{Orders: r.tables, Batches: r.tables, Damages: r.tables, Bucket: r.bucket, Keep: time.Hour,
		Tell: func(ctx context.Context, key string, why error) error {
			return r.DoAbout(ctx, "tell", key, func() error { r.told[key] = why; return nil })
		}}
	for i := range orders {
		r.add(noon.Add(time.Duration(i)*time.Second), i%4)
	}
	return r
}

func (r *rig) add(at time.Time, history int) cleanup.Finished {
	f := cleanuptest.Finished(at, history)
	r.tables.Save(f)
	r.stored = append(r.stored, f)
	return f
}

// archived reads every object as anybody would: lines of JSON in gzip.
func (r *rig) archived(t *testing.T) (all []cleanup.Finished) {
	t.Helper()
	for _, key := range r.bucket.Keys("orders/") {
		for _, f := range objectAt(t, r.bucket, key) {
			if day := f.ClosedAt.Format("orders/2006/01/02/"); !strings.HasPrefix(key, day) {
				t.Errorf("order closed at %s is in %s", f.ClosedAt, key)
			}
			all = append(all, f)
		}
	}
	return all
}

func objectAt(t *testing.T, b *snapshottest.Bucket, key string) (all []cleanup.Finished) {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(b.Object(key)))
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	in := bufio.NewScanner(zip)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var f cleanup.Finished
		if err := json.Unmarshal(in.Bytes(), &f); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		f.Schema = 0
		all = append(all, f)
	}
	if err := in.Err(); err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return all
}

// check says what is lost or twice: each order is in the table, whole, or in the
// archive, whole.
func (r *rig) check(t *testing.T, when string) {
	t.Helper()
	there, _ := r.tables.All()
	archived := r.archived(t)
	for _, want := range r.stored {
		in := slices.ContainsFunc(there, func(f cleanup.Finished) bool {
			return f.Order.ID == want.Order.ID && watchtest.Same(f.History, want.History)
		})
		n := 0
		for _, f := range archived {
			if f.Order.ID == want.Order.ID {
				n++
				if !watchtest.Same(want, f) { // the long way is slow
					watchtest.Equal(t, when, want, f)
				}
			}
		}
		if n > 1 || !in && n == 0 {
			t.Fatalf("%s: order %s is in the table %t, whole, and %d times in the archive", when, want.Order.ID, in, n)
		}
	}
}

// done says that all is archived, and nothing left.
func (r *rig) done(t *testing.T, when string) {
	t.Helper()
	r.check(t, when)
	if there, orphans := r.tables.All(); len(there) != 0 || orphans != 0 {
		t.Fatalf("%s: %d orders and %d items of histories are left", when, len(there), orphans)
	}
	if _, under, err := r.tables.Batch(t.Context()); err != nil || under {
		t.Fatalf("%s: a batch is under way: %t, %v", when, under, err)
	}
}

func TestFinishedOrdersAreArchived(t *testing.T) {
	r := newRig(7)
	got, err := r.cleaner.Run(t.Context(), noon.Add(2*time.Hour))
	if err != nil || got.Archived != 7 || got.Removed != 7 || got.Batches != 1 || got.Left != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	r.done(t, "after a run")
	if keys := r.bucket.Keys(""); len(keys) != 1 || !strings.HasPrefix(keys[0], "orders/2026/03/01/") || !strings.HasSuffix(keys[0], ".jsonl.gz") {
		t.Errorf("objects %q", keys)
	}
	before := len(r.Log())
	again, err := r.cleaner.Run(t.Context(), noon.Add(2*time.Hour))
	if err != nil || again != (cleanup.Cleaned{}) {
		t.Errorf("twice for one tick: %+v, %v; want nothing", again, err)
	}
	if calls := r.Log()[before:]; !slices.Equal(calls, []string{"damaged.read", "batch.read", "orders.due"}) {
		t.Errorf("an idle run calls %q, want one look at the damaged, one at the batch and one at what is due", calls)
	}
}

func TestKeptForAWhile(t *testing.T) {
	r := newRig(1)
	for at, want := range map[time.Duration]int{0: 0, time.Hour - time.Second: 0, time.Hour: 1} {
		r := newRig(1)
		if got, err := r.cleaner.Run(t.Context(), noon.Add(at)); err != nil || got.Removed != want {
			t.Errorf("%s after the closing: %+v, %v; want %d", at, got, err, want)
		}
	}
	// A clock that goes backwards archives nothing before its time.
	if got, err := r.cleaner.Run(t.Context(), noon.Add(-24*time.Hour)); err != nil || got.Removed != 0 {
		t.Errorf("a day before: %+v, %v", got, err)
	}
}

func TestBatchesByDayAndSize(t *testing.T) {
	r := newRig(0)
	for i := range 130 {
		r.add(noon.Add(time.Duration(i)*time.Second), 0)
	}
	for i := range 3 {
		r.add(noon.Add(12*time.Hour+time.Duration(i)*time.Second), 1) // the next day
	}
	got, err := r.cleaner.Run(t.Context(), noon.Add(48*time.Hour))
	if err != nil || got.Removed != 133 || got.Batches != 3 {
		t.Errorf("%+v, %v; want 133 in three batches", got, err)
	}
	r.done(t, "after a run")
	if n := len(r.bucket.Keys("orders/2026/03/02/")); n != 1 {
		t.Errorf("%d objects of the second day", n)
	}
}

// Killed at any effect and run again: nothing is lost at any moment, nothing is
// archived twice, and in the end everything is.
func TestKilledAtAnyEffect(t *testing.T) {
	for _, how := range []faulttest.Fault{faulttest.Refused, faulttest.Lost} {
		for n := 1; ; n++ {
			r := newRig(5)
			seen := 0
			r.Fail(func(string) faulttest.Fault {
				if seen++; seen == n {
					return how
				}
				return faulttest.OK
			})
			_, err := r.cleaner.Run(t.Context(), noon.Add(2*time.Hour))
			r.Fail(nil)
			if seen < n {
				if err != nil {
					t.Fatal(err)
				}
				if n < 20 {
					t.Fatalf("only %d effects", n)
				}
				break
			}
			// An answer that said "not there" is no loss.
			if err != nil && !errors.Is(err, faulttest.ErrInjected) || err == nil && how == faulttest.Refused {
				t.Fatalf("effect %d: %v, want the failure", n, err)
			}
			r.check(t, fmt.Sprintf("effect %d", n))
			if _, err := r.cleaner.Run(t.Context(), noon.Add(3*time.Hour)); err != nil {
				t.Fatalf("effect %d: again: %v", n, err)
			}
			r.done(t, fmt.Sprintf("effect %d, again", n))
		}
	}
}

// Killed at each effect of each run, again and again: it gets there.
func TestKilledAgainAndAgain(t *testing.T) {
	r := newRig(5)
	for n := 1; n < 40; n++ {
		seen := 0
		r.Fail(func(string) faulttest.Fault {
			if seen++; seen == n {
				return faulttest.Lost
			}
			return faulttest.OK
		})
		_, err := r.cleaner.Run(t.Context(), noon.Add(2*time.Hour))
		r.Fail(nil)
		r.check(t, fmt.Sprint("run ", n))
		if err == nil && seen < n {
			r.done(t, fmt.Sprint("run ", n))
			return
		}
	}
	t.Error("never got there")
}

// Two runs at once, one of them late.
func TestTwoRunsAtOnce(t *testing.T) {
	r := newRig(9)
	errs := make(chan error, 2)
	for i := range 2 {
		go func() {
			_, err := r.cleaner.Run(context.Background(), noon.Add(2*time.Hour+time.Duration(i)*time.Millisecond))
			errs <- err
		}()
	}
	for range 2 {
		if err := <-errs; err != nil && !strings.Contains(err.Error(), "another run") {
			t.Error(err)
		}
	}
	if _, err := r.cleaner.Run(t.Context(), noon.Add(3*time.Hour)); err != nil {
		t.Fatal(err)
	}
	r.done(t, "after both")
}

// An order that is written between its archiving and its deletion stays, and
// comes to the archive again as it is then.
func TestWrittenMeanwhile(t *testing.T) {
	for _, closed := range []bool{true, false} {
		r := newRig(3)
		f := r.stored[1]
		r.cleaner.Bucket = &meddler{r.bucket, func() {
			f.Order.Version++
			f.Order.Closed = closed
			r.tables.Save(f)
		}}
		got, err := r.cleaner.Run(t.Context(), noon.Add(2*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		r.cleaner.Bucket = r.bucket
		there, _ := r.tables.All()
		if !closed {
			if got.Removed != 2 || got.Left != 1 || len(there) != 1 || there[0].Order.Version != 2 || !watchtest.Same(there[0].History, f.History) {
				t.Errorf("%+v, %d there; want the open one, whole", got, len(there))
			}
			continue
		}
		if got.Left != 1 || got.Removed != 3 || len(there) != 0 || got.Batches != 2 {
			t.Errorf("%+v, %d there; want it archived again", got, len(there))
		}
		var versions []uint64
		for _, a := range r.archived(t) {
			if a.Order.ID == f.Order.ID {
				versions = append(versions, a.Order.Version)
			}
		}
		if slices.Sort(versions); !slices.Equal(versions, []uint64{1, 2}) {
			t.Errorf("versions %v in the archive, want 1 and 2", versions)
		}
	}
}

// meddler lets somebody write once, after an object was stored.
type meddler struct {
	*snapshottest.Bucket
	meanwhile func()
}

func (m *meddler) Create(ctx context.Context, key string, body []byte) error {
	err := m.Bucket.Create(ctx, key, body)
	if m.meanwhile != nil {
		m.meanwhile()
		m.meanwhile = nil
	}
	return err
}

// A run that died left an object that is not what it was: nothing is deleted for it.
// It is told, what is still there of its batch goes into another object, and so do
// the orders after it. Once a person has brought it back, what was begun for it ends.
func TestDamagedArchive(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func([]byte) []byte
		want  string
	}{
		"truncated": {func(b []byte) []byte { return b[:len(b)-20] }, "truncated"},
		"a bit":     {func(b []byte) []byte { b[len(b)/2] ^= 8; return b }, "damaged"},
		"empty":     {func([]byte) []byte { return nil }, "damaged"},
		"another":   {func([]byte) []byte { return zip("{}\n") }, "schema version 0"},
		"newer":     {func([]byte) []byte { return zip(`{"schema":2}` + "\n") }, "schema version 2"},
		"no lines":  {func([]byte) []byte { return zip("") }, "empty"},
		"open":      {func([]byte) []byte { return zip(`{"schema":1,"closedAt":"2026-03-01T12:00:00Z"}` + "\n") }, "line 1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(3)
			first := r.stored[1].Order.ID.String()
			r.FailAbout(func(op, about string) faulttest.Fault { // the second dies before its history is deleted
				if op == "orders.remove" && about != first {
					return faulttest.Refused
				}
				return faulttest.OK
			})
			if _, err := r.cleaner.Run(t.Context(), noon.Add(2*time.Hour)); err == nil {
				t.Fatal("no failure")
			}
			r.FailAbout(nil)
			key := r.bucket.Keys("orders/")[0]
			good := r.bucket.Object(key)
			r.bucket.Plant(key, tt.spoil(slices.Clone(good)))
			r.add(noon.Add(time.Minute), 1)
			got, err := r.cleaner.Run(t.Context(), noon.Add(2*time.Hour))
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), key) {
				t.Errorf("%v, want %q and the key", err, tt.want)
			}
			if why := r.told[key]; why == nil || !strings.Contains(why.Error(), tt.want) || got.Damaged != 1 || got.Removed != 3 {
				t.Errorf("told %v, %+v", why, got)
			}
			there, orphans := r.tables.All()
			if len(there) != 0 || orphans != 1 {
				t.Errorf("%d orders and %d items of histories are left, want none and one", len(there), orphans)
			}
			if !bytes.Equal(r.bucket.Object(key), tt.spoil(slices.Clone(good))) {
				t.Error("the damaged object is touched")
			}
			archived := map[string]int{}
			for _, k := range r.bucket.Keys("orders/") {
				if k != key {
					for _, f := range objectAt(t, r.bucket, k) {
						archived[f.Order.ID.String()]++
					}
				}
			}
			for _, f := range r.stored {
				if id := f.Order.ID.String(); archived[id] != map[bool]int{true: 0, false: 1}[id == first] {
					t.Errorf("order %s is archived %d times beside the damaged object", id, archived[id])
				}
			}

			delete(r.told, key)
			if got, err := r.cleaner.Run(t.Context(), noon.Add(3*time.Hour)); err != nil || got.Damaged != 1 || r.told[key] == nil {
				t.Errorf("the next run: %+v, %v, told %v", got, err, r.told[key])
			}
			r.bucket.Plant(key, good)
			got, err = r.cleaner.Run(t.Context(), noon.Add(4*time.Hour))
			if why, told := r.told[key]; err != nil || got.Damaged != 0 || !told || why != nil {
				t.Errorf("brought back: %+v, %v, told %t %v", got, err, told, why)
			}
			if there, orphans := r.tables.All(); len(there) != 0 || orphans != 0 {
				t.Errorf("brought back: %d orders and %d items of histories are left", len(there), orphans)
			}
		})
	}
}

// A person has taken the damaged object away: it is over.
func TestADamagedObjectThatIsTakenAway(t *testing.T) {
	r := newRig(2)
	key := "orders/2026/02/01/1-a.jsonl.gz"
	if err := r.tables.SetDamaged(t.Context(), cleanup.Damaged{Keys: []string{key}}); err != nil {
		t.Fatal(err)
	}
	got, err := r.cleaner.Run(t.Context(), noon.Add(2*time.Hour))
	if why, told := r.told[key]; err != nil || got.Damaged != 0 || !told || why != nil || got.Removed != 2 {
		t.Errorf("%+v, %v, told %t %v", got, err, told, why)
	}
}

// archiveOnly has a run put all orders into objects and fail to take any out of the tables.
func (r *rig) archiveOnly(t *testing.T) {
	t.Helper()
	r.Fail(func(op string) faulttest.Fault {
		if op == "orders.remove" {
			return faulttest.Refused
		}
		return faulttest.OK
	})
	if _, err := r.cleaner.Run(t.Context(), noon.Add(2*time.Hour)); err == nil {
		t.Fatal("no failure")
	}
	r.Fail(nil)
}

// Whatever fails while an object is set aside or brought back, run again it comes to
// the same end, and nothing is deleted that is not in an object that can be read.
func TestSettingAsideFailsAtAnyStep(t *testing.T) {
	for _, kind := range []faulttest.Fault{faulttest.Refused, faulttest.Lost} {
		for at := 0; ; at++ {
			r := newRig(3)
			r.archiveOnly(t)
			key := r.bucket.Keys("orders/")[0]
			good := r.bucket.Object(key)
			r.bucket.Plant(key, []byte("rubbish"))
			n, hit := 0, false
			fault := func(op string) faulttest.Fault {
				if n++; n == at+1 {
					hit = true
					return kind
				}
				return faulttest.OK
			}
			r.Fail(fault)
			_, _ = r.cleaner.Run(t.Context(), noon.Add(2*time.Hour)) // it may fail
			r.Fail(nil)
			for range 2 {
				_, _ = r.cleaner.Run(t.Context(), noon.Add(2*time.Hour)) // it tells of the damage
			}
			if there, _ := r.tables.All(); len(there) != 0 || r.told[key] == nil {
				t.Fatalf("fault %v at %d: %d orders left, told %v", kind, at, len(there), r.told[key])
			}
			in := 0
			for _, k := range r.bucket.Keys("orders/") {
				if k != key {
					in += len(objectAt(t, r.bucket, k))
				}
			}
			if in != 3 {
				t.Fatalf("fault %v at %d: %d orders in other objects", kind, at, in)
			}
			r.bucket.Plant(key, good)
			r.Fail(fault) // whose count goes on: it may hit here
			_, _ = r.cleaner.Run(t.Context(), noon.Add(3*time.Hour))
			r.Fail(nil)
			if _, err := r.cleaner.Run(t.Context(), noon.Add(3*time.Hour)); err != nil || r.told[key] != nil {
				t.Fatalf("fault %v at %d: %v, told %v", kind, at, err, r.told[key])
			}
			if d, err := r.tables.Damaged(t.Context()); err != nil || len(d.Keys) != 0 {
				t.Fatalf("fault %v at %d: %v, %v", kind, at, d, err)
			}
			if !hit {
				break
			}
		}
	}
}

// A bucket in which object after object is damaged stops the archive in the end.
func TestTooManyDamagedObjects(t *testing.T) {
	r := newRig(1)
	r.archiveOnly(t)
	keys := make([]string, 50)
	for i := range keys {
		keys[i] = fmt.Sprintf("orders/2026/02/01/%d-a.jsonl.gz", i)
		r.bucket.Plant(keys[i], []byte("rubbish"))
	}
	if err := r.tables.SetDamaged(t.Context(), cleanup.Damaged{Keys: keys}); err != nil {
		t.Fatal(err)
	}
	r.bucket.Plant(r.bucket.Keys("orders/2026/03")[0], []byte("rubbish"))
	if _, err := r.cleaner.Run(t.Context(), noon.Add(2*time.Hour)); err == nil || !strings.Contains(err.Error(), "50 archived objects are damaged") {
		t.Errorf("%v", err)
	}
	if there, _ := r.tables.All(); len(there) != 1 {
		t.Errorf("%d orders are left of 1", len(there))
	}
}

func zip(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// What the bucket holds is not what was sent.
func TestReadBackAndCompared(t *testing.T) {
	r := newRig(3)
	r.cleaner.Bucket = &spoiler{r.bucket}
	if _, err := r.cleaner.Run(t.Context(), noon.Add(2*time.Hour)); err == nil || !strings.Contains(err.Error(), "read the object back") {
		t.Errorf("got %v", err)
	}
	if there, _ := r.tables.All(); len(there) != 3 {
		t.Errorf("%d orders are left of 3", len(there))
	}
}

type spoiler struct{ *snapshottest.Bucket }

func (b *spoiler) Create(_ context.Context, key string, _ []byte) error {
	b.Plant(key, zip("something else"))
	return nil
}

// An S3 that refuses: everything stays, and is archived when it does no more.
func TestAnS3ThatRefuses(t *testing.T) {
	r := newRig(3)
	r.Fail(func(op string) faulttest.Fault {
		if strings.HasPrefix(op, "bucket.") {
			return faulttest.Refused
		}
		return faulttest.OK
	})
	for range 3 {
		if _, err := r.cleaner.Run(t.Context(), noon.Add(2*time.Hour)); !errors.Is(err, faulttest.ErrInjected) {
			t.Errorf("got %v, want the refusal", err)
		}
	}
	if there, _ := r.tables.All(); len(there) != 3 {
		t.Errorf("%d orders are left of 3", len(there))
	}
	r.Fail(nil)
	if _, err := r.cleaner.Run(t.Context(), noon.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	r.done(t, "once it answers")
}

// An order that cannot be read is reported, stays, and does not keep the others:
// neither those of its batch nor those of the batches after it.
func TestAnUnreadableOrder(t *testing.T) {
	r := newRig(230)
	bad := r.stored[1].Order.ID
	r.tables.Damage(bad)
	for i := range 2 {
		got, err := r.cleaner.Run(t.Context(), noon.Add(2*time.Hour+time.Duration(i)*time.Minute))
		if !errors.Is(err, watchtest.ErrDamaged) || !strings.Contains(err.Error(), bad.String()) {
			t.Errorf("got %v, want that %s is damaged", err, bad)
		}
		if want := 229 * (1 - i); got.Removed != want {
			t.Errorf("run %d: %d removed, want %d", i, got.Removed, want)
		}
	}
	if there, _ := r.tables.All(); len(there) != 1 || there[0].Order.ID != bad {
		t.Errorf("%d orders are left, want the damaged one", len(there))
	}
}

// Orders that cannot be read keep nobody, however many they are, and although they
// are the oldest and all that is due of their day.
func TestUnreadableOrdersKeepNobody(t *testing.T) {
	r := newRig(0)
	for i := range 130 {
		r.tables.Damage(r.add(noon.Add(time.Duration(i)*time.Second), 0).Order.ID)
	}
	for i := range 130 {
		r.add(noon.Add(time.Hour+time.Duration(i)*time.Second), 0)
	}
	r.tables.Damage(r.add(noon.Add(24*time.Hour), 0).Order.ID)
	last := r.add(noon.Add(48*time.Hour), 1).Order.ID
	for i := range 2 {
		got, err := r.cleaner.Run(t.Context(), noon.Add(72*time.Hour+time.Duration(i)*time.Minute))
		if want := 131 * (1 - i); !errors.Is(err, watchtest.ErrDamaged) || got.Removed != want {
			t.Errorf("run %d: %+v, %v; want %d removed, and the damaged ones told", i, got, err, want)
		}
		if err != nil && (len(err.Error()) > 10_000 || !strings.Contains(err.Error(), "131 orders")) {
			t.Errorf("run %d: %d bytes of error: %.200s", i, len(err.Error()), err)
		}
	}
	there, _ := r.tables.All()
	if len(there) != 131 || slices.ContainsFunc(there, func(f cleanup.Finished) bool { return f.Order.ID == last }) {
		t.Errorf("%d orders are left, want the damaged ones", len(there))
	}
	if keys := r.bucket.Keys("orders/"); len(keys) != 3 {
		t.Errorf("objects %q", keys)
	}
}

// Much to do is no failure: a run begins no batch that it could not finish.
func TestARunEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(350)
		r.cleaner.Bucket = &slow{r.bucket}
		removed := 0
		for i := 0; removed < 350; i++ {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			got, err := r.cleaner.Run(ctx, noon.Add(2*time.Hour+time.Duration(i)*time.Minute))
			cancel()
			if err != nil || got.Removed == 0 || i > 3 {
				t.Fatalf("run %d: %+v, %v", i, got, err)
			}
			removed += got.Removed
		}
		r.done(t, "in the end")
	})
}

// slow takes six seconds for each object.
type slow struct{ *snapshottest.Bucket }

func (b *slow) Create(ctx context.Context, key string, body []byte) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(6 * time.Second):
		return b.Bucket.Create(ctx, key, body)
	}
}

// An order whose history is too long for a line stays and is told.
func TestTooLarge(t *testing.T) {
	r := newRig(2)
	huge := cleanuptest.Finished(noon, 0)
	huge.History = []cleanup.Item{{Key: "hist#work#1", Version: 1, Body: json.RawMessage(strconv.Quote(strings.Repeat("a", 5<<19)))}}
	r.tables.Save(huge)
	id := huge.Order.ID
	got, err := r.cleaner.Run(t.Context(), noon.Add(2*time.Hour))
	if err == nil || !strings.Contains(err.Error(), id.String()) || got.Removed != 2 || len(err.Error()) > 1000 {
		t.Errorf("%+v, %v; want 2 removed, and %s told", got, err, id)
	}
	if there, _ := r.tables.All(); len(there) != 1 || there[0].Order.ID != id {
		t.Errorf("%d orders are left", len(there))
	}
}

// FuzzArchive: whatever the lines of an object say that a dead run left, nothing is
// deleted that is not in it.
func FuzzArchive(f *testing.F) {
	r := newRig(2)
	if _, err := r.cleaner.Run(context.Background(), noon.Add(2*time.Hour)); err != nil {
		f.Fatal(err)
	}
	plain, err := gzip.NewReader(bytes.NewReader(r.bucket.Object(r.bucket.Keys("")[0])))
	if err != nil {
		f.Fatal(err)
	}
	text, err := io.ReadAll(plain)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add("")
	f.Add(`{"schema":1}`)
	f.Fuzz(func(t *testing.T, text string) {
		r := newRig(1)
		due := cleanup.Due{Order: r.stored[0].Order.ID, ClosedAt: r.stored[0].ClosedAt}
		if _, err := r.tables.Begin(t.Context(), cleanup.Batch{Key: "orders/k", Orders: []cleanup.Due{due}}); err != nil {
			t.Fatal(err)
		}
		r.bucket.Plant("orders/k", zip(text))
		_, err := r.cleaner.Run(t.Context(), noon) // too early for anything but the batch
		if there, _ := r.tables.All(); len(there) != 1 {
			t.Errorf("an order that is not in the object was deleted (%v)", err)
		}
	})
}

// An order whose work has not settled waits, keeps nobody, and is no error until it has
// waited for longer than a planned rescue may lie there: eight days.
func TestAnOrderThatHasNotSettled(t *testing.T) {
	r := newRig(230)
	id := r.stored[1].Order.ID
	r.tables.Live(id, true)
	got, err := r.cleaner.Run(t.Context(), noon.Add(2*time.Hour))
	if err != nil || got.Waiting != 1 || got.Removed != 229 {
		t.Errorf("%+v, %v", got, err)
	}
	if there, _ := r.tables.All(); len(there) != 1 || there[0].Order.ID != id {
		t.Errorf("%d orders are left, want the one", len(there))
	}
	const rescue = 691_200 * time.Second
	if got, err := r.cleaner.Run(t.Context(), noon.Add(rescue+2*time.Hour)); err != nil || got.Waiting != 1 {
		t.Errorf("when a rescue becomes legal: %+v, %v", got, err)
	}
	got, err = r.cleaner.Run(t.Context(), noon.Add(rescue+24*time.Hour+time.Minute))
	if err == nil || !strings.Contains(err.Error(), id.String()) || got.Waiting != 0 {
		t.Errorf("after nine days: %+v, %v; want an error that names it", got, err)
	}
	r.tables.Live(id, false)
	if _, err := r.cleaner.Run(t.Context(), noon.Add(10*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	r.done(t, "once it has settled")
}
