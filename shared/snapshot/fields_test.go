package snapshot_test

import (
	"encoding"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/snapshot"
)

// Parts are written from their types, so a field that is added to one of them gets
// into snapshots by itself. Whoever adds one decides here whether it may: a
// secret that is not public must not be in it.
func TestEveryFieldOfASnapshotIsAllowed(t *testing.T) {
	file, err := os.ReadFile("testdata/fields.txt")
	if err != nil {
		t.Fatal(err)
	}
	allowed := strings.Fields(string(file))
	found := fields(reflect.TypeFor[snapshot.Record](), map[reflect.Type]bool{})
	slices.Sort(found)
	found = slices.Compact(found)
	for _, f := range found {
		if !slices.Contains(allowed, f) {
			t.Errorf("%s gets into snapshots: if it can hold no secret that is not public yet, add it to testdata/fields.txt", f)
		}
	}
	for _, f := range allowed {
		if !slices.Contains(found, f) {
			t.Errorf("testdata/fields.txt allows %s, which is not there", f)
		}
	}
}

// fields names the fields of a type that is written as JSON, and of all in it.
func fields(t reflect.Type, seen map[reflect.Type]bool) (out []string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Array {
		t = t.Elem()
	}
	asText := reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextMarshaler]()) || reflect.PointerTo(t).Implements(reflect.TypeFor[json.Marshaler]())
	if t.Kind() != reflect.Struct || asText || seen[t] {
		return nil
	}
	seen[t] = true
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() || f.Tag.Get("json") == "-" {
			continue
		}
		if !f.Anonymous {
			out = append(out, fmt.Sprintf("%s.%s", t, f.Name))
		}
		out = append(out, fields(f.Type, seen)...)
	}
	return out
}
