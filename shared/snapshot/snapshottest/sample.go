package snapshottest

import (
	"encoding/json"

	"github.com/bridge-me-not/resolver-cron/shared/snapshot"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/txn/txntest"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// Sample is a state between two chains that no other test uses.
type Sample struct {
	Src, Dst uint64
	Scope    snapshot.Scope
	Account  txn.Account // of the journal
	Orders   []swap.Order
	Works    []swap.Work // planned, but for the first, which nonce 7 was taken for
	Entries  []txn.Entry // nonce 6 is settled, 7 open
	Records  []snapshot.Record
}

// NewSample returns a state with so many open orders, each with one live work.
func NewSample(orders int) Sample { return NewSampleOn(watchtest.Chain(), watchtest.Chain(), orders) }

// NewSampleOn is NewSample between two given chains.
func NewSampleOn(src, dst uint64, orders int) Sample {
	s := Sample{Src: src, Dst: dst}
	signer := watchtest.Address()
	s.Account = txn.Account{ChainID: s.Src, Signer: signer}
	s.Scope = snapshot.Scope{Chains: []uint64{s.Src, s.Dst}, Signers: []txn.Account{s.Account, {ChainID: s.Dst, Signer: signer}}}
	for _, id := range s.Scope.Chains {
		block := func(n uint64) swap.Block {
			return swap.Block{Number: n, Time: swap.ChainTime(1_750_000_000 + 2*n), Hash: watchtest.Word()}
		}
		s.add(snapshot.Record{Chain: &swap.Provisional{ChainID: id, From: block(100), To: block(110), Sync: swap.Sync{Revision: 4, Done: true}}})
	}
	for i := range orders {
		o, secret := watchtest.Order(s.Src, s.Dst)
		o.Version, o.Wakes = uint64(i+1), swap.Wakes{}
		if i%3 == 1 {
			o.Secret = &secret
			o.Events = []swap.EscrowEvent{watchtest.Withdrawn(o.Dsts[0].Leg, secret)}
		}
		w := watchtest.Work(s.Src, o.Src.Immutables.TakerAddress())
		w.Order, w.Escrow, w.Signer, w.Version = o.ID, o.ID.Escrow, signer, uint64(1_750_000_000_000_000+i)
		if i == 0 {
			w.State = swap.WorkSubmitted
		}
		s.Orders, s.Works = append(s.Orders, o), append(s.Works, w)
	}
	for i := range s.Orders {
		s.add(snapshot.Record{Order: &s.Orders[i]})
		s.add(snapshot.Record{Work: &s.Works[i]})
	}
	s.add(snapshot.Record{Account: &snapshot.Account{Account: s.Account, Next: 8}})
	for n := range uint64(2) {
		e, _ := txntest.Entry(s.Account, 6+n, s.Works[0])
		e.Version = 2
		if n == 0 {
			e.State, e.SettledAt = txn.Mined, swap.Block{Number: 99, Time: 1_750_000_198, Hash: watchtest.Word()}
		}
		s.Entries = append(s.Entries, e)
	}
	for i := range s.Entries {
		s.add(snapshot.Record{Entry: &s.Entries[i]})
	}
	d := watchtest.Dst(s.Orders[0])
	s.add(snapshot.Record{Parked: &swap.DstCreated{ChainID: s.Dst, Factory: d.Factory, Escrow: d.Escrow, Hashlock: watchtest.Word(), Taker: watchtest.Address(), At: d.Created}})
	return s
}

// Flag is a control flag as it may be stored.
func Flag() snapshot.Record {
	return snapshot.Record{Control: &snapshot.Item{Key: "pause#job", Item: json.RawMessage(`{"b":{"B":"AAEC"},"pk":{"S":"control"},"sk":{"S":"pause#job"},"until":{"N":"1750000000"},"who":{"M":{"on":{"BOOL":true},"why":{"L":[{"S":"drill"},{"NULL":true}]}}}}`)}}
}

func (s *Sample) add(r snapshot.Record) { s.Records = append(s.Records, r) }
