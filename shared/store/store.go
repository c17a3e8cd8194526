package store

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// Tables are the names of the tables.
type Tables struct{ Orders, Actions, Journal, Jobs string }

// Mode keeps the work of stacks that send apart from that of stacks that only
// decide. Orders, facts, leases and alerts are the same in both.
type Mode string

// The modes.
const (
	Live   Mode = "live"
	Shadow Mode = "shadow"
)

// Store is the database. It is safe for concurrent use and holds nothing that
// another process would have to know.
type Store struct {
	db     *dynamodb.Client
	tables Tables
	mode   Mode
	writer [16]byte // of this Store alone, in every write token
	now    func() time.Time
	part   int // bytes beyond which facts are cut into parts
	parked parking
}

// New returns a store over the tables. Retries of throttled and failed requests
// are the client's.
func New(client *dynamodb.Client, t Tables, m Mode) (*Store, error) {
	var errs []error
	for name, table := range map[string]string{"orders": t.Orders, "actions": t.Actions, "journal": t.Journal, "jobs": t.Jobs} {
		if table == "" {
			errs = append(errs, fmt.Errorf("no name for the %s table", name))
		}
	}
	if m != Live && m != Shadow {
		errs = append(errs, fmt.Errorf("mode %q: want %s or %s", m, Live, Shadow))
	}
	if client == nil {
		errs = append(errs, errors.New("no client"))
	}
	s := &Store{db: client, tables: t, mode: m, now: time.Now, part: maxBody, parked: parking{room: parkedRoom, keep: parkedKeep}}
	_, _ = rand.Read(s.writer[:]) // never fails
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	return s, nil
}

// Orders is watch.Orders and follow.Orders.
func (s *Store) Orders() Orders { return Orders{s} }

// Facts is watch.Facts and follow.Facts.
func (s *Store) Facts() Facts { return Facts{s} }

// Parked is follow.Parked.
func (s *Store) Parked() Parked { return Parked{s} }

// Actions is watch.Actions and txn.Works.
func (s *Store) Actions() Actions { return Actions{s} }

// Journal is txn.Journal.
func (s *Store) Journal() Journal { return Journal{s} }

// Leases is job.Locker.
func (s *Store) Leases() Leases { return Leases{s} }

// Runs is job.Recorder.
func (s *Store) Runs() Runs { return Runs{s} }

// Reports is report.Notes, of which each is kept for so long. It does not import that
// room, which would link its pages into every function.
func (s *Store) Reports(kept time.Duration) Reports { return Reports{s, kept} }

// Alerts is alert.Store.
func (s *Store) Alerts() Alerts { return Alerts{s} }

// Balances is balance.Book and balance.History.
func (s *Store) Balances() Balances { return Balances{s} }

// Health is health.Store.
func (s *Store) Health() Health { return Health{s} }

// Control is control.Store.
func (s *Store) Control() Control { return Control{s} }

// Snapshots is snapshot.Chains, snapshot.Ledger, snapshot.Progress and
// snapshot.Tables.
func (s *Store) Snapshots() Snapshots { return Snapshots{s} }

// Closed is cleanup.Orders, cleanup.Batches and cleanup.Damages.
func (s *Store) Closed() Closed { return Closed{s} }

// Feed is tally.Feed.
func (s *Store) Feed() Feed { return Feed{s} }

// Tallies is tally.Hours and tally.Latest.
func (s *Store) Tallies() Tallies { return Tallies{s} }

// token names a write by everything it says and by who says it.
func (s *Store) token(parts ...[]byte) []byte {
	h := sha256.New()
	h.Write(s.writer[:])
	for _, p := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		h.Write(p)
	}
	return h.Sum(nil)[:16]
}
