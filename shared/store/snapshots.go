package store

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/tally"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// Snapshots is snapshot.Chains, snapshot.Ledger, snapshot.Progress and
// snapshot.Tables.
type Snapshots struct{ s *Store }

const (
	controlPK  = "control"
	snapshotPK = "snapshot"
	restoreSK  = "restore"
)

// Chain implements snapshot.Chains.
func (v Snapshots) Chain(ctx context.Context, chain uint64) (swap.Provisional, []swap.DstCreated, error) {
	facts, err := v.s.Facts().Provisional(ctx, chain)
	if err != nil {
		return swap.Provisional{}, nil, err
	}
	parked, err := v.s.Parked().all(ctx, chain, "")
	return facts, parked, err
}

// Open implements snapshot.Chains.
func (v Snapshots) Open(ctx context.Context, chain uint64) (list []snapshot.Listed, err error) {
	err = v.s.book(ctx, chain, func(it item, row follow.Watched) {
		l := snapshot.Listed{ID: row.Order}
		if row.Side == swap.Src {
			copy(l.Tag[:], it.blob(attrTag)) // of another length it is nobody's
		}
		list = append(list, l)
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// Load implements snapshot.Chains.
func (v Snapshots) Load(ctx context.Context, ids []swap.OrderID) ([]swap.Order, error) {
	return v.s.Orders().load(ctx, ids, readSaved)
}

// Live implements snapshot.Ledger.
func (v Snapshots) Live(ctx context.Context, chain uint64, taker common.Address) ([]swap.Work, error) {
	return v.s.Actions().Live(ctx, chain, taker)
}

// Journal implements snapshot.Ledger. An entry may change its place between two
// requests, so the open ones are read before and after the settled ones; of one
// that was met twice the later version counts.
func (v Snapshots) Journal(ctx context.Context, a txn.Account, settled uint64) (next uint64, entries []txn.Entry, err error) {
	found := map[uint64]txn.Entry{}
	add := func(some []txn.Entry) {
		for _, e := range some {
			if was, ok := found[e.Nonce]; !ok || e.Version > was.Version {
				found[e.Nonce] = e
			}
		}
	}
	open, next, err := v.s.Journal().Entries(ctx, a)
	if err != nil {
		return 0, nil, err
	}
	add(open)
	if settled > 0 && next > 0 {
		done, err := v.s.Journal().Done(ctx, a, next-min(next, settled), math.MaxInt)
		if err != nil {
			return 0, nil, err
		}
		add(done)
		again, later, err := v.s.Journal().Entries(ctx, a)
		if err != nil {
			return 0, nil, err
		}
		add(again)
		next = max(next, later)
	}
	return next, slices.Collect(maps.Values(found)), nil
}

// Control implements snapshot.Ledger.
func (v Snapshots) Control(ctx context.Context) (flags []snapshot.Item, err error) {
	for it, err := range v.s.query(ctx, partition(v.s.tables.Jobs, controlPK, "")) {
		if err != nil {
			return nil, fmt.Errorf("read control flags: %w", err)
		}
		raw, err := json.Marshal(rawMap(it))
		if err != nil {
			return nil, fmt.Errorf("read control flag %s: %w", it.text(attrSK), err)
		}
		flags = append(flags, snapshot.Item{Key: it.text(attrSK), Item: raw})
	}
	return flags, nil
}

// Restored implements snapshot.Progress.
func (v Snapshots) Restored(ctx context.Context) (r snapshot.Restore, err error) {
	it, err := v.s.get(ctx, v.s.tables.Jobs, key(snapshotPK, restoreSK))
	if err != nil || it == nil {
		return r, err
	}
	return r, it.body(&r)
}

// SetRestored implements snapshot.Progress. Whoever restores is alone.
func (v Snapshots) SetRestored(ctx context.Context, r snapshot.Restore) error {
	_, packed, err := packItem(&r)
	if err != nil {
		return err
	}
	it := newItem(snapshotPK, restoreSK)
	it[attrBody] = blob(packed)
	return v.s.putItem(ctx, &dynamodb.PutItemInput{TableName: &v.s.tables.Jobs, Item: it})
}

// Occupied implements snapshot.Tables.
func (v Snapshots) Occupied(ctx context.Context) (string, error) {
	for _, t := range []struct{ name, table string }{{"orders", v.s.tables.Orders}, {"actions", v.s.tables.Actions}, {"journal", v.s.tables.Journal}} {
		out, err := v.s.db.Scan(ctx, &dynamodb.ScanInput{TableName: &t.table, ConsistentRead: aws.Bool(true), Limit: aws.Int32(1)})
		if err != nil {
			return "", fmt.Errorf("look into the %s table: %w", t.name, err)
		}
		for _, it := range out.Items {
			found := item(it)
			return fmt.Sprintf("the %s table holds %s %s", t.name, found.text(attrPK), found.text(attrSK)), nil
		}
	}
	flags, err := v.Control(ctx)
	if err != nil || len(flags) == 0 {
		return "", err
	}
	return "the jobs table holds the control flag " + flags[0].Key, nil
}

// Put implements snapshot.Tables.
func (v Snapshots) Put(ctx context.Context, r snapshot.Record) (wrote bool, err error) {
	switch {
	case r.Order != nil:
		return v.putOrder(ctx, *r.Order)
	case r.Work != nil:
		return v.putWork(ctx, *r.Work)
	case r.Entry != nil:
		return v.putEntry(ctx, *r.Entry)
	case r.Account != nil:
		mark := newItem(v.s.accountKey(r.Account.ChainID, r.Account.Signer), nextSK)
		mark[attrNext] = number(r.Account.Next)
		below := condition{"attribute_not_exists(#pk) OR #next < :next", item{":next": number(r.Account.Next)}}
		return v.unless(v.s.write(ctx, put(v.s.tables.Journal, mark, below)), "put the next nonce of %s on chain %d", r.Account.Signer, r.Account.ChainID)
	case r.Chain != nil:
		return v.putChain(ctx, *r.Chain)
	case r.Parked != nil:
		room, err := v.s.Parked().Park(ctx, *r.Parked)
		if err == nil && !room {
			err = fmt.Errorf("put parked escrow %s of chain %d: %w", r.Parked.Escrow, r.Parked.ChainID, snapshot.ErrNoRoom)
		}
		return err == nil, err
	case r.Control != nil:
		it, err := readRaw(r.Control.Item)
		if err != nil || it.text(attrPK) != controlPK || it.text(attrSK) != r.Control.Key {
			return false, fmt.Errorf("put control flag %q: it is none: %w", r.Control.Key, cmp.Or(err, errors.New("its keys differ")))
		}
		return v.unless(v.s.write(ctx, put(v.s.tables.Jobs, it, absent)), "put control flag %q", r.Control.Key)
	}
	return false, errors.New("put: a record without content")
}

// before: there is no such item, or it has an earlier version.
func before(version uint64) condition {
	return condition{"attribute_not_exists(#pk) OR #n < :before", item{":before": number(version)}}
}

// unless turns the refusal of a write into "not written".
func (v Snapshots) unless(err error, format string, args ...any) (wrote bool, _ error) {
	var r *refusal
	switch {
	case err == nil:
		return true, nil
	case errors.As(err, &r):
		return false, nil
	}
	return false, fmt.Errorf(format+": %w", append(args, err)...)
}

// putOrder makes the order due at once: when it has to be looked at is no part of it.
func (v Snapshots) putOrder(ctx context.Context, o swap.Order) (bool, error) {
	tag, err := snapshot.TagOf(o)
	if err != nil {
		return false, fmt.Errorf("put order %s: %w", o.ID, err)
	}
	if o.Wakes = (swap.Wakes{}); !o.Held {
		o.Touch()
	}
	var token []byte
	write := func(stored item, old []item, happened []tally.Event) error {
		next := o // what it is built on
		next.Version = max(o.Version-1, stored.uint(attrVersion))
		var it item
		if it, token, err = v.s.Orders().orderItem(next); err != nil {
			return err
		}
		it[attrSaved] = number(o.Version)
		ops := []types.TransactWriteItem{put(v.s.tables.Orders, it, since(stored.uint(attrVersion)))}
		ops = append(ops, v.s.replaceRows(old, tagged(indexRows(o, 0), tag, next.Version+1))...)
		// Whoever writes it next takes for told what it says now.
		ops = append(ops, v.s.fed(shardOf(o.ID), fmt.Sprintf("%s#%d", o.ID, next.Version), happened, tally.OfOrder(o))...)
		return v.s.write(ctx, ops...)
	}
	err = write(nil, nil, nil)
	if refusedAt(err, 0) { // there is one, or the answer to its own success was lost
		stored, errRead := v.s.get(ctx, v.s.tables.Orders, orderKey(o.ID))
		if errRead != nil {
			return false, fmt.Errorf("put order %s: read it: %w", o.ID, errRead)
		}
		was, errRead := readSaved(stored)
		if errRead != nil {
			return false, fmt.Errorf("put order %s: read it: %w", o.ID, errRead)
		}
		if was.Version >= o.Version {
			return false, nil
		}
		var happened []tally.Event
		if stored.int(attrFed) == feedRules {
			happened = tally.OfOrder(was)
		}
		err = write(stored, indexRows(was, stored.int(attrClosed)), happened)
	}
	if err := ours(err, 0, token, swap.ErrConflict, "put order %s", o.ID); err != nil {
		return false, err
	}
	return true, nil
}

func (v Snapshots) putWork(ctx context.Context, w swap.Work) (bool, error) {
	body := w
	body.Version = 0
	content, packed, err := packItem(&body)
	if err != nil {
		return false, fmt.Errorf("put work %s of order %s: %w", w.Key(), w.Order, err)
	}
	it := newItem(v.s.accountKey(w.ChainID, w.Taker), w.Key().String())
	it[attrVersion], it[attrWrite], it[attrBody], it[attrState] = number(w.Version), blob(v.s.token(content)), blob(packed), text(string(w.State))
	return v.unless(v.s.write(ctx, put(v.s.tables.Actions, it, before(w.Version))), "put work %s of order %s", w.Key(), w.Order)
}

func (v Snapshots) putEntry(ctx context.Context, e txn.Entry) (bool, error) {
	here, there := openPrefix, donePrefix
	if e.State != txn.Open {
		here, there = donePrefix, openPrefix
	}
	version := uint64(e.Version)
	e.Version-- // what it is built on
	it, _, err := v.s.Journal().entryItem(ctx, here, e, nil)
	if err != nil {
		return false, fmt.Errorf("put nonce %d of %s on chain %d: %w", e.Nonce, e.Signer, e.ChainID, err)
	}
	table := v.s.tables.Journal
	err = v.s.write(ctx, put(table, it, before(version)), check(table, key(it.text(attrPK), nonceSK(there, e.Nonce)), absent))
	return v.unless(err, "put nonce %d of %s on chain %d", e.Nonce, e.Signer, e.ChainID)
}

func (v Snapshots) putChain(ctx context.Context, next swap.Provisional) (bool, error) {
	stored, err := v.s.Facts().Provisional(ctx, next.ChainID)
	if err != nil {
		return false, err
	}
	if stored.From != (swap.Block{}) {
		if stored.From.Number <= next.From.Number {
			return false, nil
		}
		next.Sync.Revision = stored.Sync.Revision + 1
	}
	if err := v.s.Facts().Replace(ctx, stored, next); err != nil {
		return false, err
	}
	return true, nil
}

// rawValue is an attribute in the form in which the service's own JSON has it.
type rawValue struct {
	S    *string              `json:",omitempty"`
	N    *string              `json:",omitempty"`
	B    *string              `json:",omitempty"` // base64
	BOOL *bool                `json:",omitempty"`
	NULL *bool                `json:",omitempty"`
	SS   []string             `json:",omitempty"`
	NS   []string             `json:",omitempty"`
	L    *[]rawValue          `json:",omitempty"`
	M    *map[string]rawValue `json:",omitempty"`
}

func rawMap(m map[string]types.AttributeValue) map[string]rawValue {
	out := make(map[string]rawValue, len(m))
	for name, value := range m {
		out[name] = rawOf(value)
	}
	return out
}

// rawOf is empty for what it does not know, which readRaw refuses.
func rawOf(value types.AttributeValue) (r rawValue) {
	switch t := value.(type) {
	case *types.AttributeValueMemberS:
		r.S = &t.Value
	case *types.AttributeValueMemberN:
		r.N = &t.Value
	case *types.AttributeValueMemberB:
		r.B = aws.String(base64.StdEncoding.EncodeToString(t.Value))
	case *types.AttributeValueMemberBOOL:
		r.BOOL = &t.Value
	case *types.AttributeValueMemberNULL:
		r.NULL = &t.Value
	case *types.AttributeValueMemberSS:
		r.SS = t.Value
	case *types.AttributeValueMemberNS:
		r.NS = t.Value
	case *types.AttributeValueMemberL:
		list := make([]rawValue, len(t.Value))
		for i, e := range t.Value {
			list[i] = rawOf(e)
		}
		r.L = &list
	case *types.AttributeValueMemberM:
		m := rawMap(t.Value)
		r.M = &m
	}
	return r
}

// readRaw reads an item that Control wrote.
func readRaw(raw []byte) (item, error) {
	var m map[string]rawValue
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, err
	}
	return attributes(m)
}

func attributes(m map[string]rawValue) (item, error) {
	out := make(item, len(m))
	for name, r := range m {
		value, err := r.attribute()
		if err != nil {
			return nil, fmt.Errorf("attribute %s: %w", strconv.Quote(name), err)
		}
		out[name] = value
	}
	return out, nil
}

func (r rawValue) attribute() (types.AttributeValue, error) {
	switch {
	case r.S != nil:
		return text(*r.S), nil
	case r.N != nil:
		return &types.AttributeValueMemberN{Value: *r.N}, nil
	case r.B != nil:
		b, err := base64.StdEncoding.DecodeString(*r.B)
		return blob(b), err
	case r.BOOL != nil:
		return flag(*r.BOOL), nil
	case r.NULL != nil:
		return &types.AttributeValueMemberNULL{Value: *r.NULL}, nil
	case r.SS != nil:
		return &types.AttributeValueMemberSS{Value: r.SS}, nil
	case r.NS != nil:
		return &types.AttributeValueMemberNS{Value: r.NS}, nil
	case r.L != nil:
		list := make([]types.AttributeValue, len(*r.L))
		for i, e := range *r.L {
			value, err := e.attribute()
			if err != nil {
				return nil, err
			}
			list[i] = value
		}
		return &types.AttributeValueMemberL{Value: list}, nil
	case r.M != nil:
		m, err := attributes(*r.M)
		return &types.AttributeValueMemberM{Value: m}, err
	}
	return nil, errors.New("of a type that is not known")
}
