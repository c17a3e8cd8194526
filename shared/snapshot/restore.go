package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// writers bounds the records under way at once.
const writers = 16

// Tables are what a snapshot is restored into.
type Tables interface {
	// Occupied says what the tables hold of what a snapshot holds; empty: nothing.
	Occupied(ctx context.Context) (what string, err error)
	// Put writes a record with its version, if the tables do not hold it in the
	// same version or a later one, and says whether it did. What goes with it is
	// written in the same transaction: an order's rows in the watch book, its place
	// in the indexes, and what has happened to it, for statistics. An account's next nonce never falls, and an entry that
	// was settled is not opened. Marks are written if those that are there are
	// zero or have got further. ErrNoRoom if no more can be parked. Put may be
	// repeated.
	Put(ctx context.Context, r Record) (bool, error)
}

// Restorer writes a snapshot into tables.
type Restorer struct {
	Bucket interface {
		Get(ctx context.Context, key string, most int64) (body []byte, tag string, err error)
	}
	Tables   Tables
	Progress Progress
	Ledger   Ledger
	Mode     string // of the tables: live or shadow
	Log      *slog.Logger
}

// Options say what to restore.
type Options struct {
	// Key is of a manifest; empty: the newest.
	Key string
	// Force restores into tables that hold something; see the package's comment.
	Force bool
}

// Restored is what a restore came to.
type Restored struct {
	Manifest
	Written, Kept int // records written, and those that the tables held already
	// Before is when the same snapshot had been restored into these tables: then
	// nothing was written. Zero: it had not.
	Before time.Time `json:",omitzero"`
}

// ErrNoRoom: there is no room for a parked escrow.
var ErrNoRoom = errors.New("no room is left for it")

// ErrOccupied: the tables hold something.
var ErrOccupied = errors.New("the tables are not empty")

// Restore restores a snapshot. Nothing is written before all of it is verified.
// A restore that was cut short is finished by repeating it.
func (r *Restorer) Restore(ctx context.Context, o Options, now time.Time) (Restored, error) {
	m, data, err := r.fetch(ctx, o.Key)
	if err != nil {
		return Restored{}, err
	}
	res := Restored{Manifest: m}
	if m.Mode != r.Mode {
		return res, fmt.Errorf("snapshot %s is of mode %s, and the tables are of mode %s", m.Key, m.Mode, r.Mode)
	}
	mark, err := r.begin(ctx, m, o.Force, now)
	if err != nil || !mark.Finished.IsZero() {
		res.Before = mark.Finished
		return res, err
	}
	if err := r.write(ctx, data, &res); err != nil {
		return res, fmt.Errorf("restore %s: %w; it is not finished, run it again", m.Key, err)
	}
	mark.Finished = now
	if err := r.Progress.SetRestored(ctx, mark); err != nil {
		return res, fmt.Errorf("restore %s: mark it as finished: %w; run it again", m.Key, err)
	}
	return res, nil
}

// fetch reads a snapshot and verifies all of it.
func (r *Restorer) fetch(ctx context.Context, key string) (Manifest, []byte, error) {
	if key == "" {
		key = latest(r.Mode)
	}
	body, _, err := r.Bucket.Get(ctx, key, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return Manifest{}, nil, fmt.Errorf("there is no snapshot of mode %s: %w", r.Mode, err)
	}
	if err != nil {
		return Manifest{}, nil, fmt.Errorf("read the manifest: %w", err)
	}
	m, err := readManifest(body)
	if err != nil {
		return m, nil, fmt.Errorf("read the manifest: %s: %w", key, err)
	}
	data, _, err := r.Bucket.Get(ctx, m.Key, m.Size)
	if err != nil {
		return m, nil, fmt.Errorf("read the snapshot that %s names: %w", key, err)
	}
	return m, data, m.verify(data)
}

// begin notes what is under way, if the tables are empty or hold a part of it. A
// finished restore is one of the same snapshot, of which nothing is left to do.
func (r *Restorer) begin(ctx context.Context, m Manifest, force bool, now time.Time) (Restore, error) {
	before, err := r.Progress.Restored(ctx)
	if err != nil {
		return Restore{}, fmt.Errorf("look for an earlier restore: %w", err)
	}
	if before.unfinished() && before.SHA256 == m.SHA256 {
		return before, nil
	}
	what, err := r.Tables.Occupied(ctx)
	switch {
	case err != nil:
		return Restore{}, fmt.Errorf("look whether the tables are empty: %w", err)
	case what != "" && !force && before.SHA256 == m.SHA256:
		return before, nil
	case what != "" && !force && before.unfinished():
		return Restore{}, fmt.Errorf("%w: %s, of the restore of %s that was not finished: finish that one, or use -force", ErrOccupied, what, before.Key)
	case what != "" && !force:
		return Restore{}, fmt.Errorf("%w: %s", ErrOccupied, what)
	}
	mark := Restore{Key: m.Key, SHA256: m.SHA256, Begun: now}
	if err := r.Progress.SetRestored(ctx, mark); err != nil {
		return Restore{}, fmt.Errorf("note the restore: %w", err)
	}
	return mark, nil
}

// stages are the parts in the order in which they are written: what stops and
// what was sent before what may be done, and the marks last of all.
var stages = []struct {
	name string
	of   func(Record) bool
}{
	{"control flags", func(r Record) bool { return r.Control != nil }},
	{"next nonces", func(r Record) bool { return r.Account != nil }},
	{"journal", func(r Record) bool { return r.Entry != nil }},
	{"work", func(r Record) bool { return r.Work != nil }},
	{"orders", func(r Record) bool { return r.Order != nil }},
	{"parked escrows", func(r Record) bool { return r.Parked != nil }},
	{"marks", func(r Record) bool { return r.Chain != nil }},
}

func (r *Restorer) write(ctx context.Context, data []byte, res *Restored) error {
	var written, kept atomic.Int64
	defer func() { res.Written, res.Kept = int(written.Load()), int(kept.Load()) }()
	sent := &sent{ledger: r.Ledger, of: map[txn.Account]map[swap.ActionKey]bool{}}
	for _, stage := range stages {
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(writers)
		for rec, err := range decode(data) {
			if err != nil {
				return errors.Join(err, g.Wait())
			}
			if !stage.of(rec) {
				continue
			}
			if gctx.Err() != nil {
				break
			}
			g.Go(func() error {
				if rec.Work != nil {
					if err := sent.align(gctx, rec.Work); err != nil {
						return err
					}
				}
				wrote, err := r.Tables.Put(gctx, rec)
				switch {
				case errors.Is(err, ErrNoRoom): // state-sync would not have kept it either
					kept.Add(1)
					r.Log.WarnContext(ctx, "not restored", "part", stage.name, "error", err)
				case err != nil:
					return fmt.Errorf("%s: %w", stage.name, err)
				case wrote:
					written.Add(1)
				default:
					kept.Add(1)
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		r.Log.InfoContext(ctx, "restored a part", "part", stage.name, "written", written.Load(), "kept", kept.Load())
	}
	return nil
}

// sent knows which actions an open entry of the tables' journal has. It is safe
// for concurrent use.
type sent struct {
	ledger Ledger
	mu     sync.Mutex
	of     map[txn.Account]map[swap.ActionKey]bool
}

// align brings work in line with the journal, which was read after it: what an
// open entry has was sent, and what none has is to be decided anew, as after a
// nonce that came to nothing. The executor plans again before it sends.
func (s *sent) align(ctx context.Context, w *swap.Work) error {
	a := txn.Account{ChainID: w.ChainID, Signer: w.Signer}
	s.mu.Lock()
	defer s.mu.Unlock()
	acts, known := s.of[a]
	if !known {
		_, entries, err := s.ledger.Journal(ctx, a, 0)
		if err != nil {
			return fmt.Errorf("read the journal of %s on chain %d: %w", a.Signer, a.ChainID, err)
		}
		acts = map[swap.ActionKey]bool{}
		for _, e := range entries {
			for _, act := range e.Acts {
				if e.State == txn.Open {
					acts[act.Action] = true
				}
			}
		}
		s.of[a] = acts
	}
	switch in := acts[w.Key()]; {
	case in:
		w.State = swap.WorkSubmitted
	case w.State == swap.WorkSubmitted:
		w.State = swap.WorkPlanned
		w.Attempt++
	}
	return nil
}
