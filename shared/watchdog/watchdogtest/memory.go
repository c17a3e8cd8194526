package watchdogtest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/job/jobtest"
	"github.com/bridge-me-not/resolver-cron/shared/watchdog"
)

// Memory is a watchdog.Runs and a watchdog.Books in memory, over the runs and
// leases of a jobtest.Memory. It is safe for concurrent use.
type Memory struct {
	*jobtest.Memory

	mu    sync.Mutex
	book  []byte // as JSON: what is stored is what is read back
	at    uint64
	wrote string // the newest write, whole
	watch faulttest.Faults
}

// NewMemory returns an empty one.
func NewMemory() *Memory {
	return &Memory{Memory: jobtest.NewMemory()}
}

// FailWatch installs the fault plan of the watchdog's own calls: f is asked once
// per call with "since" and the job, "holding" and the lease, "book" or "save". nil
// ends all faults. f must not call the store.
func (m *Memory) FailWatch(f func(op, about string) faulttest.Fault) { m.watch.FailAbout(f) }

func (m *Memory) do(ctx context.Context, op, about string, apply func() error) error {
	return m.watch.DoAbout(ctx, op, about, faulttest.Under(&m.mu, apply))
}

// Since implements watchdog.Runs.
func (m *Memory) Since(ctx context.Context, name string, after time.Time) (out []job.Record, err error) {
	err = m.do(ctx, "since", name, func() error {
		for _, r := range m.Runs(name) {
			if r.Scheduled.After(after) {
				out = append(out, r)
			}
		}
		return nil
	})
	return out, err
}

// Holding implements watchdog.Runs.
func (m *Memory) Holding(ctx context.Context, key string) (h watchdog.Holding, err error) {
	err = m.do(ctx, "holding", key, func() error {
		h.Held, h.Token, h.Tick, h.Ends = m.Lease(key)
		return nil
	})
	return h, err
}

// Book implements watchdog.Books.
func (m *Memory) Book(ctx context.Context) (b watchdog.Book, err error) {
	err = m.do(ctx, "book", "", func() error {
		if m.at == 0 {
			return nil
		}
		if err := json.Unmarshal(m.book, &b); err != nil {
			return err
		}
		b.Version = m.at
		return nil
	})
	return b, err
}

// SaveBook implements watchdog.Books.
func (m *Memory) SaveBook(ctx context.Context, b watchdog.Book) error {
	return m.do(ctx, "save", "", func() error {
		content, err := json.Marshal(b)
		if err != nil {
			return err
		}
		write := fmt.Sprintf("%d %s", b.Version, content)
		if m.at == b.Version+1 && m.wrote == write {
			return nil
		}
		if m.at != b.Version {
			return watchdog.ErrConflict
		}
		m.book, m.at, m.wrote = content, m.at+1, write
		return nil
	})
}
