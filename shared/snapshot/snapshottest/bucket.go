// Package snapshottest has what package snapshot needs of the outside, in memory,
// and the suites that every implementation passes.
package snapshottest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot"
)

// Bucket is snapshot.Bucket and cleanup.Bucket in memory. It is safe for
// concurrent use.
//
// Calls: "bucket.create", "bucket.replace", "bucket.get".
type Bucket struct {
	*faulttest.Faults
	mu      sync.Mutex
	objects map[string]object
	writes  int
}

type object struct {
	body []byte
	tag  string
}

// NewBucket returns an empty bucket with the given faults; nil: its own.
func NewBucket(f *faulttest.Faults) *Bucket {
	if f == nil {
		f = new(faulttest.Faults)
	}
	return &Bucket{Faults: f, objects: map[string]object{}}
}

// Keys lists the objects whose keys begin so, sorted.
func (b *Bucket) Keys(prefix string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	keys := slices.Sorted(maps.Keys(b.objects))
	return slices.DeleteFunc(keys, func(k string) bool { return !strings.HasPrefix(k, prefix) })
}

// Object returns what is there; nil if nothing is.
func (b *Bucket) Object(key string) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.objects[key].body)
}

// Plant puts an object there, past all conditions.
func (b *Bucket) Plant(key string, body []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.set(key, body)
}

func (b *Bucket) set(key string, body []byte) {
	b.writes++
	b.objects[key] = object{slices.Clone(body), fmt.Sprintf("%q", fmt.Sprint(b.writes))}
}

// Create implements snapshot.Bucket.
func (b *Bucket) Create(ctx context.Context, key string, body []byte) error {
	return b.DoAbout(ctx, "bucket.create", key, func() error { return b.swap(key, "", body) })
}

// Replace implements snapshot.Bucket.
func (b *Bucket) Replace(ctx context.Context, key, tag string, body []byte) error {
	return b.DoAbout(ctx, "bucket.replace", key, func() error { return b.swap(key, tag, body) })
}

func (b *Bucket) swap(key, tag string, body []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	there, ok := b.objects[key]
	switch {
	case ok && bytes.Equal(there.body, body):
		return nil
	case there.tag != tag:
		return fmt.Errorf("object %s: %w", key, fs.ErrExist)
	}
	b.set(key, body)
	return nil
}

// Get implements snapshot.Bucket.
func (b *Bucket) Get(ctx context.Context, key string, most int64) (body []byte, tag string, err error) {
	err = b.DoAbout(ctx, "bucket.get", key, func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		there, ok := b.objects[key]
		switch {
		case !ok:
			return fmt.Errorf("object %s: %w", key, fs.ErrNotExist)
		case int64(len(there.body)) > most:
			return fmt.Errorf("object %s: %d bytes", key, len(there.body))
		}
		body, tag = slices.Clone(there.body), there.tag
		return nil
	})
	return body, tag, err
}

// TestBucket is what every snapshot.Bucket passes. open returns an empty one.
func TestBucket(t *testing.T, open func(t *testing.T) snapshot.Bucket) {
	get := func(t *testing.T, b snapshot.Bucket, key, want string) (tag string) {
		t.Helper()
		body, tag, err := b.Get(t.Context(), key, 1000)
		if err != nil || string(body) != want {
			t.Fatalf("got %q, %v; want %q", body, err, want)
		}
		return tag
	}
	t.Run("missing", func(t *testing.T) {
		if _, _, err := open(t).Get(t.Context(), "a/b", 1000); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "a/b") {
			t.Errorf("got %v, want that a/b is not there", err)
		}
	})
	t.Run("create", func(t *testing.T) {
		b := open(t)
		for range 2 { // the second time its answer was lost
			if err := b.Create(t.Context(), "a/b", []byte("one")); err != nil {
				t.Fatal(err)
			}
		}
		for _, other := range []string{"two", "of another length"} {
			if err := b.Create(t.Context(), "a/b", []byte(other)); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "a/b") {
				t.Errorf("created over another: %v", err)
			}
		}
		get(t, b, "a/b", "one")
	})
	t.Run("replace", func(t *testing.T) {
		b := open(t)
		if err := b.Replace(t.Context(), "p", `"0"`, []byte("one")); !errors.Is(err, fs.ErrExist) {
			t.Errorf("replaced nothing: %v", err)
		}
		if err := b.Replace(t.Context(), "p", "", []byte("one")); err != nil {
			t.Fatal(err)
		}
		first := get(t, b, "p", "one")
		if err := b.Replace(t.Context(), "p", "", []byte("two")); !errors.Is(err, fs.ErrExist) {
			t.Errorf("replaced what was not expected: %v", err)
		}
		for range 2 {
			if err := b.Replace(t.Context(), "p", first, []byte("two")); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Replace(t.Context(), "p", first, []byte("three")); !errors.Is(err, fs.ErrExist) {
			t.Errorf("replaced by an old tag: %v", err)
		}
		get(t, b, "p", "two")
	})
	t.Run("bound", func(t *testing.T) {
		b := open(t)
		if err := b.Create(t.Context(), "k", bytes.Repeat([]byte("x"), 100)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := b.Get(t.Context(), "k", 99); err == nil || !strings.Contains(err.Error(), "k") {
			t.Errorf("read more than allowed: %v", err)
		}
		if body, _, err := b.Get(t.Context(), "k", 100); err != nil || len(body) != 100 {
			t.Errorf("%d bytes, %v", len(body), err)
		}
	})
	t.Run("one of many", func(t *testing.T) {
		b := open(t)
		errs := make([]error, 8)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { errs[i] = b.Create(t.Context(), "race", []byte{byte('a' + i)}) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			}
		}
		if won != 1 {
			t.Errorf("%d created it: %v", won, errs)
		}
	})
}
