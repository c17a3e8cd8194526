package store

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bridge-me-not/resolver-cron/shared/health"
)

// Health is health.Store: one item.
type Health struct{ s *Store }

const (
	healthPK = "health"
	healthSK = "state"
)

// Load implements health.Reader.
func (v Health) Load(ctx context.Context, now time.Time) (s health.State, err error) {
	it, err := v.s.get(ctx, v.s.tables.Jobs, key(healthPK, healthSK))
	if err != nil {
		return s, fmt.Errorf("read health: %w", err)
	}
	if it == nil {
		return s, nil
	}
	if err := it.body(&s); err != nil {
		return health.State{}, fmt.Errorf("read health: %w", err)
	}
	version := it.int(attrVersion)
	if now.Sub(s.Latest.At) > health.Keep {
		s = health.State{}
	}
	s.Version = version
	return s, nil
}

// Save implements health.Store.
func (v Health) Save(ctx context.Context, s health.State) error {
	body := s
	body.Version = 0
	content, packed, err := packItem(&body)
	if err != nil {
		return fmt.Errorf("save health: %w", err)
	}
	it := newItem(healthPK, healthSK)
	token := v.s.token(fmt.Appendf(nil, "%d", s.Version), content)
	it[attrVersion], it[attrWrite], it[attrBody] = number(s.Version+1), blob(token), blob(packed)
	it[attrExpires] = number(s.Latest.At.Add(health.Keep).Unix())
	return ours(v.s.write(ctx, put(v.s.tables.Jobs, it, since(uint64(s.Version)))), 0, token, health.ErrConflict, "save health")
}

// Ping reads from each of the tables: an item that need not be there.
func (s *Store) Ping(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for name, table := range map[string]string{"orders": s.tables.Orders, "actions": s.tables.Actions, "journal": s.tables.Journal, "jobs": s.tables.Jobs} {
		g.Go(func() error {
			if _, err := s.get(ctx, table, key(healthPK, healthSK)); err != nil {
				return fmt.Errorf("read the %s table: %w", name, err)
			}
			return nil
		})
	}
	return g.Wait()
}
