package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/tally"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// Feed is tally.Feed.
//
// Rows and marks are written in the transactions of what they tell about, so
// they are spread over as many partitions as the wake indexes are: a burst of
// orders must not be throttled by its own statistics. No two transactions write
// the same row or mark, unless they write the same order or entry, so they do not
// collide.
type Feed struct{ s *Store }

const (
	attrHours = "h" // of a mark: the hours, with spaces between
	attrFed   = "f" // of an order: the rules by which its rows were made
	// feedRules is the version of tally.OfOrder and of the keys of its rows. Rows made
	// by other rules, or by a release that knew none, are written anew when their order
	// is: those of version 1 lie in partitions of hours, which nobody reads any more.
	feedRules = 2
	runMarks  = "run-fresh"
)

// feedKey is the partition of an hour's events: that of its day, so that a month is
// read in a hundred queries. In it they are in the order of their times.
func feedKey(h tally.Hour, shard int) string {
	return "feed#" + h.Start().Format(time.DateOnly) + "#" + strconv.Itoa(shard)
}

func markKey(shard int) string { return "feed-fresh#" + strconv.Itoa(shard) }

// fed turns one state of the feed's part that belongs to an order or entry into
// the next: rows that are new or other than before, rows that are gone, and the
// mark, whose name is never used again. Events too old to be counted are left out,
// and so would be one that cannot be encoded, which none is: statistics keep nothing
// from being saved.
func (s *Store) fed(shard int, mark string, before, after []tally.Event) (ops []types.TransactWriteItem) {
	oldest := swap.ChainTime(s.now().Add(-tally.KeepEvents).Unix())
	old, next := map[string]*tally.Event{}, map[string]*tally.Event{}
	for _, part := range []struct {
		from []tally.Event
		to   map[string]*tally.Event
	}{{before, old}, {after, next}} {
		for i := range part.from {
			if e := &part.from[i]; e.At > oldest {
				part.to[e.Key()] = e
			}
		}
	}
	hours := map[tally.Hour]bool{}
	for _, sk := range slices.Sorted(maps.Keys(next)) {
		e := next[sk]
		content, packed, err := packItem(e)
		if err != nil {
			continue
		}
		if was := old[sk]; was != nil {
			if same, _, err := pack(was); err == nil && string(same) == string(content) {
				continue
			}
		}
		it := newItem(feedKey(e.Hour(), shard), sk)
		it[attrBody], it[attrExpires] = blob(packed), number(int64(e.At)+int64(tally.KeepEvents/time.Second))
		ops, hours[e.Hour()] = append(ops, overwrite(s.tables.Orders, it)), true
	}
	for _, sk := range slices.Sorted(maps.Keys(old)) {
		if e := old[sk]; next[sk] == nil {
			ops, hours[e.Hour()] = append(ops, erase(s.tables.Orders, key(feedKey(e.Hour(), shard), sk))), true
		}
	}
	if len(ops) == 0 {
		return nil
	}
	return append(ops, overwrite(s.tables.Orders, s.mark(markKey(shard), mark, slices.Sorted(maps.Keys(hours)))))
}

// mark is the item that says that hours have changed. It outlives their rows, so
// that it is there whenever they are.
func (s *Store) mark(pk, sk string, hours []tally.Hour) item {
	words := make([]string, len(hours))
	for i, h := range hours {
		words[i] = h.String()
	}
	it := newItem(pk, sk)
	last := max(hours[len(hours)-1].Start().Unix(), s.now().Unix())
	it[attrHours], it[attrExpires] = text(strings.Join(words, " ")), number(last+int64((tally.KeepEvents+time.Hour)/time.Second))
	return it
}

// sent is the event of a settled entry; none of one whose transaction was not
// ours, or whose result is not known.
func sent(e txn.Entry) []tally.Event {
	if e.State != txn.Mined || e.Result.Block.Time == 0 {
		return nil
	}
	r := e.Result
	ev := tally.Event{Kind: tally.Sent, At: r.Block.Time, ChainID: e.ChainID, Account: e.Signer, Nonce: e.Nonce,
		Cost: r.Cost, Reverted: r.Reverted, Seconds: max(0, r.Block.Time.Sub(e.Txs[0].Head.Time))}
	if len(e.Acts) > 0 {
		ev.Order = e.Acts[0].Order
	}
	if r.Hard != 0 {
		ev.Margin, ev.Timed = r.Hard.Sub(r.Block.Time), true
	}
	return []tally.Event{ev}
}

// fedEntry is fed for an entry's next version.
func (v Journal) fedEntry(e txn.Entry, before, after []tally.Event) []types.TransactWriteItem {
	name := fmt.Sprintf("%s#%d#%d", v.s.accountKey(e.ChainID, e.Signer), e.Nonce, e.Version)
	return v.s.fed(int(e.Nonce%shards), name, before, after)
}

// Marks implements tally.Feed.
func (v Feed) Marks(ctx context.Context, limit int) ([]tally.Mark, error) {
	tables := []struct {
		table, pk string
	}{{v.s.tables.Jobs, runMarks}}
	for shard := range shards {
		tables = append(tables, struct{ table, pk string }{v.s.tables.Orders, markKey(shard)})
	}
	found, errs := make([][]tally.Mark, len(tables)), make([]error, len(tables))
	var wg sync.WaitGroup
	for i, t := range tables {
		wg.Go(func() { found[i], errs[i] = v.marks(ctx, t.table, t.pk, limit) })
	}
	wg.Wait()
	all := slices.Concat(found...)
	if err := errors.Join(errs...); err != nil {
		return all[:min(limit, len(all))], fmt.Errorf("read marks of the feed: %w", err)
	}
	return all[:min(limit, len(all))], nil
}

// marks reads the marks of one partition, as many as can be.
func (v Feed) marks(ctx context.Context, table, pk string, limit int) (out []tally.Mark, _ error) {
	in := partition(table, pk, "")
	in.Limit = aws.Int32(int32(min(limit, 1_000)))
	var errs []error
	for it, err := range v.s.query(ctx, in) {
		if err != nil {
			return out, errors.Join(append(errs, err)...)
		}
		m, err := readMark(it)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if out = append(out, m); len(out) == limit {
			break
		}
	}
	return out, errors.Join(errs...)
}

func readMark(it item) (tally.Mark, error) {
	if err := it.check(); err != nil {
		return tally.Mark{}, err
	}
	pk, sk := it.text(attrPK), it.text(attrSK)
	m := tally.Mark{ID: pk + " " + sk, Runs: pk == runMarks}
	for _, word := range strings.Fields(it.text(attrHours)) {
		h, err := tally.ParseHour(word)
		if err != nil {
			return m, fmt.Errorf("mark %s: %w", m.ID, err)
		}
		m.Hours = append(m.Hours, h)
	}
	return m, nil
}

// Events implements tally.Feed.
func (v Feed) Events(ctx context.Context, h tally.Hour) ([]tally.Event, error) {
	return v.Between(ctx, h, h)
}

// Between reads all events from the first hour to the last, both included,
// consistently and in no order: at least four queries for each day of UTC that they
// touch.
func (v Feed) Between(ctx context.Context, first, last tally.Hour) ([]tally.Event, error) {
	var found []tally.Event
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for h := first; h <= last; h = nextDay(h) {
		to := min(last, nextDay(h)-1)
		for shard := range shards {
			g.Go(func() error {
				some, err := v.part(gctx, h, to, shard)
				mu.Lock()
				defer mu.Unlock()
				found = append(found, some...)
				return err
			})
		}
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("read events of hours %s to %s: %w", first, last, err)
	}
	return found, nil
}

// nextDay is the first hour of the next day.
func nextDay(h tally.Hour) tally.Hour {
	return tally.HourAt(h.Start().Truncate(24 * time.Hour).Add(24 * time.Hour))
}

// part reads one shard of hours of the same day.
func (v Feed) part(ctx context.Context, first, last tally.Hour, shard int) (found []tally.Event, err error) {
	edge := func(h tally.Hour) string { return fmt.Sprintf("%011d", h.Start().Unix()) } // before all events of that second
	for it, err := range v.s.query(ctx, between(v.s.tables.Orders, feedKey(first, shard), edge(first), edge(last+1))) {
		if err != nil {
			return nil, err
		}
		var e tally.Event
		if err := it.body(&e); err != nil {
			return nil, err
		}
		if e.Key() != it.text(attrSK) {
			return nil, fmt.Errorf("row %s %s holds the event %s", it.text(attrPK), it.text(attrSK), e.Key())
		}
		if it.int(attrExpires) > v.s.now().Unix() {
			found = append(found, e)
		}
	}
	return found, nil
}

// Clear implements tally.Feed.
func (v Feed) Clear(ctx context.Context, marks []tally.Mark) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * readers)
	for _, m := range marks {
		g.Go(func() error {
			pk, sk, _ := strings.Cut(m.ID, " ")
			table := v.s.tables.Orders
			if m.Runs {
				table = v.s.tables.Jobs
			}
			_, err := v.s.db.DeleteItem(gctx, &dynamodb.DeleteItemInput{TableName: &table, Key: key(pk, sk)})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("clear %d marks of the feed: %w", len(marks), err)
	}
	return nil
}

// Tallies is tally.Hours and tally.Latest.
type Tallies struct{ s *Store }

const (
	tallyPK    = "tally"
	sumsSK     = "sums"
	hourPrefix = "hour#"
)

func hourSK(h tally.Hour) string { return hourPrefix + h.String() }

// Hour implements tally.Hours.
func (v Tallies) Hour(ctx context.Context, h tally.Hour) (tally.Stored, error) {
	it, err := v.s.get(ctx, v.s.tables.Jobs, key(tallyPK, hourSK(h)))
	if err != nil {
		return tally.Stored{}, fmt.Errorf("read tally of hour %s: %w", h, err)
	}
	if it == nil {
		return tally.Stored{Hour: h}, nil
	}
	return readHour(it)
}

// Range implements tally.Hours.
func (v Tallies) Range(ctx context.Context, first, last tally.Hour) (out []tally.Stored, err error) {
	for it, err := range v.s.query(ctx, between(v.s.tables.Jobs, tallyPK, hourSK(first), hourSK(last))) {
		var s tally.Stored
		if err == nil {
			s, err = readHour(it)
		}
		if err != nil {
			return nil, fmt.Errorf("read tallies of %s to %s: %w", first, last, err)
		}
		if it.int(attrExpires) > v.s.now().Unix() {
			out = append(out, s)
		}
	}
	return out, nil
}

func readHour(it item) (s tally.Stored, err error) {
	if err := it.body(&s.Tally); err != nil {
		return s, err
	}
	s.Hour, err = tally.ParseHour(strings.TrimPrefix(it.text(attrSK), hourPrefix))
	s.Version = it.uint(attrVersion)
	return s, err
}

// Put implements tally.Hours.
func (v Tallies) Put(ctx context.Context, s tally.Stored) error {
	expires := s.Hour.Start().Add(tally.Keep)
	return v.put(ctx, hourSK(s.Hour), s.Version, &s.Tally, expires, "store tally of hour "+s.Hour.String())
}

// Sums implements tally.Latest.
func (v Tallies) Sums(ctx context.Context) (s tally.Sums, err error) {
	it, err := v.s.get(ctx, v.s.tables.Jobs, key(tallyPK, sumsSK))
	if err == nil && it != nil {
		err = it.body(&s)
		s.Version = it.uint(attrVersion)
	}
	if err != nil {
		return tally.Sums{}, fmt.Errorf("read sums of the tallies: %w", err)
	}
	return s, nil
}

// SetSums implements tally.Latest. The item does not expire: how far has been
// counted must not be forgotten.
func (v Tallies) SetSums(ctx context.Context, s tally.Sums) error {
	return v.put(ctx, sumsSK, s.Version, &s, time.Time{}, "store sums of the tallies")
}

func (v Tallies) put(ctx context.Context, sk string, version uint64, body any, expires time.Time, words string) error {
	content, packed, err := packItem(body)
	if err != nil {
		return fmt.Errorf("%s: %w", words, err)
	}
	it := newItem(tallyPK, sk)
	token := v.s.token([]byte(sk), fmt.Appendf(nil, "%d", version), content)
	it[attrVersion], it[attrWrite], it[attrBody] = number(version+1), blob(token), blob(packed)
	if !expires.IsZero() {
		it[attrExpires] = number(expires.Unix())
	}
	return ours(v.s.write(ctx, put(v.s.tables.Jobs, it, since(version))), 0, token, tally.ErrConflict, "%s", words)
}
