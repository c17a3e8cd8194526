package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// Journal is txn.Journal.
//
// Open entries and the next nonce have neighbouring sort keys, so that one
// consistent query reads them; settling moves an entry out of that range. A
// settled entry is kept: it is the only record of what was signed, and is moved
// back if what settled it leaves the chain.
//
// What a transaction cost is written to the feed when its entry is settled, and
// taken back when that is opened again.
//
// The most items in one transaction are those of a settlement: two of the entry,
// two of the feed, and two for each of txn.MaxActs works that end; a record takes
// one for each work and four more. DynamoDB allows 100.
type Journal struct{ s *Store }

const (
	nextSK     = "open"
	openPrefix = "open#"
	donePrefix = "done#"
	attrNext   = "next"
)

func nonceSK(prefix string, nonce uint64) string { return fmt.Sprintf("%s%020d", prefix, nonce) }

// Entries implements txn.Journal.
func (v Journal) Entries(ctx context.Context, a txn.Account) (open []txn.Entry, next uint64, err error) {
	fail := func(err error) ([]txn.Entry, uint64, error) { //nolint:unparam // the shape of the return
		return nil, 0, fmt.Errorf("read journal of %s on chain %d: %w", a.Signer, a.ChainID, err)
	}
	for it, err := range v.s.query(ctx, partition(v.s.tables.Journal, v.s.accountKey(a.ChainID, a.Signer), nextSK)) {
		if err != nil {
			return fail(err)
		}
		if !strings.HasPrefix(it.text(attrSK), openPrefix) {
			if err := it.check(); err != nil {
				return fail(err)
			}
			next = it.uint(attrNext)
			continue
		}
		e, err := readEntry(it)
		if err != nil {
			return fail(err)
		}
		open = append(open, e)
	}
	return open, next, nil
}

func readEntry(it item) (e txn.Entry, err error) {
	var body entryBody
	if err = it.bodyUpTo(entrySchema, &body); err != nil {
		return e, err
	}
	e = body.Entry
	if body.Order != nil && body.Action != nil {
		e.Acts = []txn.Act{{Order: *body.Order, Action: *body.Action}}
	}
	e.Version = txn.Version(it.uint(attrVersion))
	return e, err
}

// entrySchema is the newest version of stored entries. Version 1 is of exactly
// one action, and stands beside the entry's other fields; version 2 has a list.
// An entry of one action is still written as version 1, so that a program of
// the previous release, which runs for a while beside this one, reads it.
const entrySchema = 2

// entryBody is an entry as stored.
type entryBody struct {
	txn.Entry
	Order  *swap.OrderID   `json:",omitempty"`
	Action *swap.ActionKey `json:",omitempty"`
}

// shape is the entry in its oldest shape that holds it, and that shape's version.
func shape(e txn.Entry) (entryBody, int) {
	e.Version = 0
	if len(e.Acts) != 1 {
		return entryBody{Entry: e}, entrySchema
	}
	only := e.Acts[0]
	e.Acts = nil
	return entryBody{e, &only.Order, &only.Action}, schema
}

// entryItem builds the item of the entry's next version. The token covers what
// is written with it too.
func (v Journal) entryItem(ctx context.Context, prefix string, e txn.Entry, works []swap.Work) (it item, token []byte, err error) {
	body, version := shape(e)
	content, packed, err := packItem(&body)
	if err != nil {
		return nil, nil, err
	}
	var with []byte
	for i := range works {
		work, _, err := pack(&works[i])
		if err != nil {
			return nil, nil, err
		}
		with = append(with, work...)
	}
	pk, sk := v.s.accountKey(e.ChainID, e.Signer), nonceSK(prefix, e.Nonce)
	token = v.s.token([]byte(pk+sk), fmt.Appendf(nil, "%d", e.Version), content, with)
	it = newItem(pk, sk)
	it[attrSchema] = number(version)
	it[attrVersion], it[attrWrite], it[attrBody], it[attrState] = number(e.Version+1), blob(token), blob(packed), text(string(e.State))
	it.by(ctx)
	return it, token, nil
}

// held is the condition that the fence's lease is still its owner's. It does
// not look at the clock: an expired lease that nobody has taken is no danger,
// and one that somebody has taken has another generation.
func held(f txn.Fence) condition {
	return condition{"#holder = :holder AND #fence = :fence AND #held = :held", item{
		":holder": text(f.Owner), ":fence": number(f.Generation), ":held": flag(true)}}
}

// Record implements txn.Journal.
func (v Journal) Record(ctx context.Context, f txn.Fence, e txn.Entry, works []swap.Work) error {
	words := fmt.Sprintf("record nonce %d of %s on chain %d", e.Nonce, e.Signer, e.ChainID)
	switch {
	case f.Lease == "" || f.Owner == "":
		return fmt.Errorf("%s: without a lease: %w", words, swap.ErrConflict)
	case e.State != txn.Open || len(e.Txs) == 0:
		return fmt.Errorf("%s: %s with %d transactions is nothing to send", words, e.State, len(e.Txs))
	case e.Version != 0 && len(works) > 0:
		return fmt.Errorf("%s: a bump moves no work", words)
	case e.Version == 0 && len(works) != len(e.Acts) || len(works) > txn.MaxActs:
		return fmt.Errorf("%s: %d works for %d actions, at most %d", words, len(works), len(e.Acts), txn.MaxActs)
	}
	it, token, err := v.entryItem(ctx, openPrefix, e, works)
	if err != nil {
		return fmt.Errorf("%s: %w", words, err)
	}
	table, pk := v.s.tables.Journal, it.text(attrPK)
	ops := []types.TransactWriteItem{
		put(table, it, since(uint64(e.Version))),
		check(v.s.tables.Jobs, key(f.Lease, leaseSK), held(f)),
	}
	if e.Version != 0 {
		return ours(v.s.write(ctx, ops...), 0, token, swap.ErrConflict, "%s", words)
	}
	ops = append(ops, check(table, key(pk, nonceSK(donePrefix, e.Nonce)), absent))
	for _, w := range works {
		c, err := v.s.workChange(ctx, w)
		if err != nil {
			return fmt.Errorf("%s: %w", words, err)
		}
		ops = append(ops, c.ops...)
	}
	mark := newItem(pk, nextSK)
	mark[attrNext] = number(e.Nonce + 1)
	below := condition{"attribute_not_exists(#pk) OR #next <= :nonce", item{":nonce": number(e.Nonce)}}
	err = v.s.write(ctx, append(slices.Clone(ops), put(table, mark, below))...)
	if refusedAt(err, len(ops)) && !refusedAt(err, 0) {
		// A nonce below the mark, which therefore stays. The mark never falls,
		// so its condition need not be repeated.
		err = v.s.write(ctx, ops...)
	}
	return ours(err, 0, token, swap.ErrConflict, "%s", words)
}

// Settle implements txn.Journal.
func (v Journal) Settle(ctx context.Context, e txn.Entry, works []swap.Work) error {
	words := fmt.Sprintf("settle nonce %d of %s on chain %d", e.Nonce, e.Signer, e.ChainID)
	if e.State != txn.Mined && e.State != txn.Foreign {
		return fmt.Errorf("%s: %q is not an end", words, e.State)
	}
	if len(works) > txn.MaxActs {
		return fmt.Errorf("%s: %d works, at most %d", words, len(works), txn.MaxActs)
	}
	it, token, err := v.entryItem(ctx, donePrefix, e, works)
	if err != nil {
		return fmt.Errorf("%s: %w", words, err)
	}
	table := v.s.tables.Journal
	ops := []types.TransactWriteItem{
		remove(table, key(it.text(attrPK), nonceSK(openPrefix, e.Nonce)), at(uint64(e.Version))),
		put(table, it, absent),
	}
	for _, w := range works {
		c, err := v.s.workChange(ctx, w)
		if err != nil {
			return fmt.Errorf("%s: %w", words, err)
		}
		ops = append(ops, c.ops...)
	}
	ops = append(ops, v.fedEntry(e, nil, sent(e))...)
	return ours(v.s.write(ctx, ops...), 1, token, swap.ErrConflict, "%s", words)
}

// Done implements txn.Journal.
func (v Journal) Done(ctx context.Context, a txn.Account, from uint64, limit int) (out []txn.Entry, err error) {
	if limit < 1 {
		return nil, nil
	}
	in := between(v.s.tables.Journal, v.s.accountKey(a.ChainID, a.Signer), nonceSK(donePrefix, from), nonceSK(donePrefix, math.MaxUint64))
	in.Limit = aws.Int32(int32(min(limit, batch)))
	for it, err := range v.s.query(ctx, in) {
		var e txn.Entry
		if err == nil {
			e, err = readEntry(it)
		}
		if err != nil {
			return nil, fmt.Errorf("read settled entries of %s on chain %d: %w", a.Signer, a.ChainID, err)
		}
		if out = append(out, e); len(out) == limit {
			break
		}
	}
	return out, nil
}

// Reopen implements txn.Journal.
func (v Journal) Reopen(ctx context.Context, f txn.Fence, e txn.Entry) error {
	words := fmt.Sprintf("open nonce %d of %s on chain %d again", e.Nonce, e.Signer, e.ChainID)
	switch {
	case f.Lease == "" || f.Owner == "":
		return fmt.Errorf("%s: without a lease: %w", words, swap.ErrConflict)
	case e.State != txn.Open:
		return fmt.Errorf("%s: as %s", words, e.State)
	}
	it, token, err := v.entryItem(ctx, openPrefix, e, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", words, err)
	}
	table := v.s.tables.Journal
	ops := []types.TransactWriteItem{
		put(table, it, absent),
		remove(table, key(it.text(attrPK), nonceSK(donePrefix, e.Nonce)), at(uint64(e.Version))),
		check(v.s.tables.Jobs, key(f.Lease, leaseSK), held(f)),
	}
	settled := e
	settled.State = txn.Mined // if it was not, it has no result
	err = v.s.write(ctx, append(ops, v.fedEntry(e, sent(settled), nil)...)...)
	return ours(err, 0, token, swap.ErrConflict, "%s", words)
}

// refusedAt reports whether operation i found its condition false.
func refusedAt(err error, i int) bool {
	var r *refusal
	return errors.As(err, &r) && i < len(r.failed) && r.failed[i]
}
