package snapshot_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot/snapshottest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn/txntest"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// A restore that is killed at any effect has no marks unless all else is there,
// says that it is not finished, lets no snapshot be taken, and is finished by
// running it again.
func TestRestoreKilledAtAnyEffect(t *testing.T) {
	r := newRig(t, 3)
	r.take(t, epoch)
	want := r.restored(t)
	for _, how := range []faulttest.Fault{faulttest.Refused, faulttest.Lost} {
		for n := 1; ; n++ {
			r := &rig{Faults: new(faulttest.Faults), sample: r.sample, bucket: r.bucket}
			into := snapshottest.NewState(r.Faults)
			ran := r.failAt(n, how)
			_, err := r.restorer(into).Restore(t.Context(), snapshot.Options{}, epoch)
			if !ran() {
				if err != nil {
					t.Fatal(err)
				}
				if n < 15 {
					t.Fatalf("only %d effects", n)
				}
				break
			}
			if !errors.Is(err, faulttest.ErrInjected) {
				t.Fatalf("effect %d: %v, want the failure", n, err)
			}
			half := into.Content()
			if len(half.Chains) > 0 && (len(half.Orders) != len(want.Orders) || len(half.Works) != len(want.Works) || len(half.Entries) != len(want.Entries)) {
				t.Fatalf("effect %d: marks with %d orders, %d works, %d entries", n, len(half.Orders), len(half.Works), len(half.Entries))
			}
			if len(half.Works) > 0 && len(half.Entries) != len(want.Entries) {
				t.Fatalf("effect %d: work with %d entries", n, len(half.Entries))
			}
			if what, _ := into.Occupied(t.Context()); what != "" && !watchtest.Same(half, want) {
				keeper := snapshot.Keeper{Chains: into, Ledger: into, Progress: into, Bucket: snapshottest.NewBucket(nil), Scope: r.sample.Scope, Mode: "live", Log: slog.New(slog.DiscardHandler)}
				if _, err := keeper.Take(t.Context(), epoch); err == nil {
					t.Fatalf("effect %d: a snapshot was taken of a part", n)
				}
			}
			if _, err := r.restorer(into).Restore(t.Context(), snapshot.Options{}, epoch.Add(time.Hour)); err != nil {
				t.Fatalf("effect %d: again: %v", n, err)
			}
			same(t, "in the end", want, into.Content())
			if done, err := into.Restored(t.Context()); err != nil || done.Finished.IsZero() {
				t.Fatalf("effect %d: %+v, %v; want it finished", n, done, err)
			}
		}
	}
}

func TestRestoreWantsEmptyTables(t *testing.T) {
	r := newRig(t, 3)
	r.take(t, epoch)
	want := r.restored(t)
	into := snapshottest.NewState(nil)
	late := r.sample.Orders[0]
	late.Version += 5
	into.Replace(snapshot.Record{Order: &late})
	into.Replace(snapshot.Record{Account: &snapshot.Account{Account: r.sample.Account, Next: 20}})
	p := *r.sample.Records[0].Chain
	p.From.Number, p.To.Number = p.From.Number+50, p.To.Number+50
	into.Replace(snapshot.Record{Chain: &p})
	before := into.Content()
	_, err := r.restorer(into).Restore(t.Context(), snapshot.Options{}, epoch)
	if !errors.Is(err, snapshot.ErrOccupied) {
		t.Errorf("restored over something: %v", err)
	}
	same(t, "refused", before, into.Content())
	if note, err := into.Restored(t.Context()); err != nil || note != (snapshot.Restore{}) {
		t.Errorf("a refused restore left a note: %+v, %v", note, err)
	}
	if _, err := r.restorer(into).Restore(t.Context(), snapshot.Options{Force: true}, epoch); err != nil {
		t.Fatal(err)
	}
	got := into.Content()
	if v := got.Orders[indexOf(got.Orders, late.ID)].Version; v != late.Version || len(got.Orders) != 3 {
		t.Errorf("%d orders, the later one has version %d; want 3 and %d", len(got.Orders), v, late.Version)
	}
	i := slices.IndexFunc(got.Next, func(a snapshot.Account) bool { return a.Account == r.sample.Account })
	if got.Next[i].Next != 20 {
		t.Errorf("next nonce %d went back from 20", got.Next[i].Next)
	}
	watchtest.Equal(t, "marks", want.Chains, got.Chains)
}

// A restore of another snapshot does not go on where one was cut short.
func TestAnotherRestoreWasCutShort(t *testing.T) {
	r := newRig(t, 2)
	r.take(t, epoch)
	into := snapshottest.NewState(nil)
	into.Replace(r.sample.Records[0])
	if err := into.SetRestored(t.Context(), snapshot.Restore{Key: "another", SHA256: "x", Begun: epoch}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.restorer(into).Restore(t.Context(), snapshot.Options{}, epoch); !errors.Is(err, snapshot.ErrOccupied) || !strings.Contains(err.Error(), "another") {
		t.Errorf("got %v, want that another one was not finished", err)
	}
}

// What is wrong with a snapshot is said, and nothing is written.
func TestBadSnapshotsAreRefused(t *testing.T) {
	lines := func(t *testing.T, data []byte) []string {
		t.Helper()
		zip, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		all, err := io.ReadAll(zip)
		if err != nil {
			t.Fatal(err)
		}
		return strings.SplitAfter(strings.TrimSuffix(string(all), "\n"), "\n")
	}
	pack := func(lines ...string) []byte {
		var b bytes.Buffer
		zip := gzip.NewWriter(&b)
		if _, err := io.WriteString(zip, strings.Join(lines, "")); err != nil {
			t.Fatal(err)
		}
		if err := zip.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for name, tt := range map[string]struct {
		data     func(t *testing.T, data []byte) []byte // nil: no object
		manifest func(m map[string]any)
		sign     bool // the manifest has the checksum of what is there
		want     string
	}{
		"missing data":                    {want: "not exist"},
		"a bit":                           {data: func(_ *testing.T, d []byte) []byte { d[len(d)/2] ^= 4; return d }, want: "checksum"},
		"truncated":                       {data: func(_ *testing.T, d []byte) []byte { return d[:len(d)-9] }, want: "bytes, its manifest says"},
		"truncated, and the manifest too": {data: func(_ *testing.T, d []byte) []byte { return d[:len(d)-9] }, sign: true, want: "truncated after line"},
		"cut between lines": {data: func(t *testing.T, d []byte) []byte {
			l := lines(t, d)
			return pack(l[:len(l)-1]...)
		}, sign: true, want: "truncated after line"},
		"no gzip":      {data: func(*testing.T, []byte) []byte { return []byte("hello") }, sign: true, want: "damaged"},
		"empty":        {data: func(*testing.T, []byte) []byte { return pack() }, sign: true, want: "truncated after line 0"},
		"no beginning": {data: func(t *testing.T, d []byte) []byte { return pack(lines(t, d)[1:]...) }, sign: true, want: "line 1: it does not begin"},
		"two beginnings": {data: func(t *testing.T, d []byte) []byte {
			l := lines(t, d)
			return pack(append(l[:1:1], l...)...)
		}, sign: true, want: "line 2"},
		"a line lost": {data: func(t *testing.T, d []byte) []byte {
			l := lines(t, d)
			return pack(append(l[:4:4], l[5:]...)...)
		}, sign: true, want: "and says"},
		"a line after the end": {data: func(t *testing.T, d []byte) []byte {
			l := lines(t, d)
			return pack(append(l, "\n", l[2])...)
		}, sign: true, want: "something follows its end"},
		"another sort of line": {data: func(t *testing.T, d []byte) []byte {
			l := lines(t, d)
			l[3] = `{"surprise":1}` + "\n"
			return pack(l...)
		}, sign: true, want: "line 4: json: unknown field"},
		"nothing in a line": {data: func(t *testing.T, d []byte) []byte {
			l := lines(t, d)
			l[3] = "{}\n"
			return pack(l...)
		}, sign: true, want: "line 4: 0 records in one"},
		"two things in a line": {data: func(t *testing.T, d []byte) []byte {
			l := lines(t, d)
			l[3] = strings.TrimSpace(l[3]) + l[3]
			return pack(l...)
		}, sign: true, want: "line 4"},
		"a field of a later release": {data: func(t *testing.T, d []byte) []byte {
			l := lines(t, d)
			i := slices.IndexFunc(l, func(s string) bool { return strings.HasPrefix(s, `{"order"`) })
			l[i] = strings.Replace(l[i], `"version":`, `"frozen":true,"version":`, 1)
			return pack(l...)
		}, sign: true, want: "use the release that wrote it"},
		"a closed order": {data: func(t *testing.T, d []byte) []byte {
			l := lines(t, d)
			i := slices.IndexFunc(l, func(s string) bool { return strings.HasPrefix(s, `{"order"`) })
			l[i] = strings.Replace(l[i], `"version":`, `"closed":true,"version":`, 1)
			return pack(l...)
		}, sign: true, want: "closed true"},
		"no JSON": {data: func(t *testing.T, d []byte) []byte {
			l := lines(t, d)
			l[2] = "{\n"
			return pack(l...)
		}, sign: true, want: "line 3"},
		"newer data": {data: func(t *testing.T, d []byte) []byte {
			l := lines(t, d)
			l[0] = strings.Replace(l[0], `"schema":1`, `"schema":2`, 1)
			return pack(l...)
		}, sign: true, want: "use the release that wrote it"},
		"newer manifest":    {data: asItIs, manifest: func(m map[string]any) { m["schema"] = 2 }, want: "use the release that wrote it"},
		"no schema":         {data: asItIs, manifest: func(m map[string]any) { delete(m, "schema") }, want: "schema version 0"},
		"no key":            {data: asItIs, manifest: func(m map[string]any) { delete(m, "key") }, want: "no key"},
		"a size of nothing": {data: asItIs, manifest: func(m map[string]any) { m["size"] = 0 }, want: "size 0"},
		"a size of all":     {data: asItIs, manifest: func(m map[string]any) { m["size"] = 1 << 50 }, want: "size"},
		"short checksum":    {data: asItIs, manifest: func(m map[string]any) { m["sha256"] = "ab" }, want: "sha256"},
		"other counts":      {data: asItIs, manifest: func(m map[string]any) { m["counts"].(map[string]any)["orders"] = 9 }, want: "its manifest says"},
		"another mode":      {data: asItIs, manifest: func(m map[string]any) { m["mode"] = "shadow" }, want: "of mode"},
		"another time":      {data: asItIs, manifest: func(m map[string]any) { m["taken"] = "2026-03-01T12:00:01Z" }, want: "its manifest says"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 2)
			key := r.take(t, epoch).Key
			var m map[string]any
			if err := json.Unmarshal(r.bucket.Object(snapshot.Latest), &m); err != nil {
				t.Fatal(err)
			}
			m["key"] = "other"
			if tt.data != nil {
				data := tt.data(t, r.bucket.Object(key))
				r.bucket.Plant("other", data)
				if tt.sign {
					sum := sha256.Sum256(data)
					m["size"], m["sha256"] = len(data), hex.EncodeToString(sum[:])
				}
			}
			if tt.manifest != nil {
				tt.manifest(m)
			}
			body, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			r.bucket.Plant(snapshot.Latest, body)
			into := snapshottest.NewState(nil)
			_, err = r.restorer(into).Restore(t.Context(), snapshot.Options{}, epoch)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if n := into.Calls("state.put") + into.Calls("state.mark"); n != 0 {
				t.Errorf("%d writes", n)
			}
		})
	}
}

func asItIs(_ *testing.T, d []byte) []byte { return d }

func TestRestoreOfAnother(t *testing.T) {
	r := newRig(t, 2)
	into := snapshottest.NewState(nil)
	if _, err := r.restorer(into).Restore(t.Context(), snapshot.Options{}, epoch); err == nil || !strings.Contains(err.Error(), "there is no snapshot") {
		t.Errorf("from an empty bucket: %v", err)
	}
	first := r.take(t, epoch)
	want := r.restored(t)
	o := r.sample.Orders[0]
	o.Version++
	r.state.Replace(snapshot.Record{Order: &o})
	r.take(t, epoch.Add(time.Minute))
	if _, err := r.restorer(into).Restore(t.Context(), snapshot.Options{Key: first.Key + ".json"}, epoch); err != nil {
		t.Fatal(err)
	}
	same(t, "the first one", want, into.Content())
	other := r.restorer(snapshottest.NewState(nil))
	other.Mode = "shadow"
	if _, err := other.Restore(t.Context(), snapshot.Options{Key: first.Key + ".json"}, epoch); err == nil || !strings.Contains(err.Error(), "of mode live") {
		t.Errorf("into tables of another mode: %v", err)
	}
}

// Work was read before the journal. What the journal has was sent, and what it
// has no more is decided anew.
func TestWorkIsBroughtInLineWithTheJournal(t *testing.T) {
	r := newRig(t, 4)
	sent, settled, idle := r.sample.Works[1], r.sample.Works[2], r.sample.Works[3]
	e, _ := txntest.Entry(r.sample.Account, 8, sent)
	e.Version = 1
	r.state.Replace(snapshot.Record{Entry: &e})
	r.state.Replace(snapshot.Record{Account: &snapshot.Account{Account: r.sample.Account, Next: 9}})
	settled.State = swap.WorkSubmitted // its entry has been settled since
	r.state.Replace(snapshot.Record{Work: &settled})
	r.take(t, epoch)
	for _, w := range r.restored(t).Works {
		want, attempt := swap.WorkPlanned, 1
		switch w.Key() {
		case r.sample.Works[0].Key(), sent.Key():
			want = swap.WorkSubmitted
		case settled.Key():
			attempt = 2
		case idle.Key():
		}
		if w.State != want || w.Attempt != attempt {
			t.Errorf("work %s: %s, attempt %d; want %s, %d", w.Key(), w.State, w.Attempt, want, attempt)
		}
	}
}

// FuzzRestore: whatever the lines of a snapshot say, it is refused with nothing
// written, or restored, and then it holds what it counts.
func FuzzRestore(f *testing.F) {
	r := newRig(f, 1)
	key := r.take(f, epoch).Key
	zip, err := gzip.NewReader(bytes.NewReader(r.bucket.Object(key)))
	if err != nil {
		f.Fatal(err)
	}
	text, err := io.ReadAll(zip)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(text[:len(text)/2])
	f.Add([]byte{})
	manifest := r.bucket.Object(snapshot.Latest)
	f.Fuzz(func(t *testing.T, text []byte) {
		var data bytes.Buffer
		w := gzip.NewWriter(&data)
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		var m snapshot.Manifest
		if err := json.Unmarshal(manifest, &m); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data.Bytes())
		m.Size, m.SHA256 = int64(data.Len()), hex.EncodeToString(sum[:])
		body, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		b := snapshottest.NewBucket(nil)
		b.Plant(snapshot.Latest, body)
		b.Plant(m.Key, data.Bytes())
		into := snapshottest.NewState(nil)
		got, err := (&snapshot.Restorer{Bucket: b, Tables: into, Progress: into, Ledger: into, Mode: "live", Log: slog.New(slog.DiscardHandler)}).
			Restore(context.Background(), snapshot.Options{}, epoch)
		puts := into.Calls("state.put")
		c := got.Counts
		if want := c.Chains + c.Parked + c.Orders + c.Works + c.Accounts + c.Entries + c.Controls; err == nil && puts != want {
			t.Errorf("%d records put, want %d", puts, want)
		}
		if err != nil && puts != 0 {
			t.Errorf("%d records were put before %v", puts, err)
		}
	})
}
