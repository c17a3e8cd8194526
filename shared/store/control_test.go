package store

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/bridge-me-not/resolver-cron/shared/control"
)

// withJobs opens a store with a jobs table of its own, for what is one item.
func withJobs(t *testing.T) *Store {
	t.Helper()
	s := newStore(t)
	for _, table := range declared(t) {
		if table.Name == testTables.Jobs {
			table.Name += "-" + rand.Text()
			s.tables.Jobs = table.Name
			create(t, s.db, table)
		}
	}
	return s
}

// Pauses that this program cannot read are an error, and not none.
func TestUnreadablePausesAreNotNone(t *testing.T) {
	s := withJobs(t)
	if _, err := control.Set(t.Context(), s.Control(), control.Pause{By: "a", Why: "b"}, time.Hour); err != nil {
		t.Fatal(err)
	}
	good, err := s.get(t.Context(), s.tables.Jobs, controlKey)
	if err != nil {
		t.Fatal(err)
	}
	r := control.NewReader(s.Control())
	if state, err := r.Read(t.Context()); err != nil || len(state.Pauses) != 1 {
		t.Fatalf("%+v, %v", state, err)
	}
	for want, spoil := range map[string]func(item){
		"schema version 99": func(it item) { it[attrSchema] = number(99) },
		"unpack":            func(it item) { it[attrBody] = blob([]byte{1, 2, 3}) },
		"no content":        func(it item) { delete(it, attrBody) },
	} {
		bad := item{}
		for k, v := range good {
			bad[k] = v
		}
		spoil(bad)
		if _, err := s.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &s.tables.Jobs, Item: bad}); err != nil {
			t.Fatal(err)
		}
		if state, err := s.Control().Load(t.Context()); err == nil || !strings.Contains(err.Error(), want) || len(state.Pauses) != 0 {
			t.Errorf("%+v, %v; want %q", state, err, want)
		}
		if state, err := r.Read(t.Context()); err == nil || len(state.Pauses) != 1 {
			t.Errorf("last known: %+v, %v", state, err)
		}
	}
}
