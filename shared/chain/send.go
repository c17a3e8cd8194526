package chain

import (
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
)

// sendGrace is how long the other endpoints may take after the first one has
// accepted a transaction.
const sendGrace = time.Second

// asideGrace is what is left of it for endpoints that are put aside, and do not
// answer most likely: transactions are sent one after the other, and a whole pool
// window of them must not take longer than a block because one endpoint hangs.
const asideGrace = 100 * time.Millisecond

// Send broadcasts a signed transaction to every endpoint of the chain that is
// not known to be another chain's, all at once. It succeeds if one of them took
// it, had it already, or says that the nonce is used: what became of the nonce
// is for the journal to find out. Otherwise the error holds every refusal.
func (c *Client) Send(ctx context.Context, id uint64, raw []byte) error {
	ch, err := c.chain(id)
	if err != nil {
		return err
	}
	if err := ch.retry(ctx, func() error { return ch.broadcast(ctx, raw) }); err != nil {
		return fmt.Errorf("broadcast %s on chain %d: %w", txHash(raw), id, err)
	}
	return nil
}

func (ch *chain) broadcast(ctx context.Context, raw []byte) error {
	sending, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan int, len(ch.endpoints))
	errs := make([]error, len(ch.endpoints))
	for i, e := range ch.endpoints {
		go func() {
			errs[i] = e.send(sending, raw)
			answers <- i
		}()
	}
	var grace, short <-chan time.Time
	accepted := false
	out := make(map[int]bool, len(errs)) // endpoints that have not answered
	for i := range errs {
		out[i] = true
	}
	for len(out) > 0 {
		select {
		case i := <-answers:
			delete(out, i)
			if errs[i] == nil && !accepted {
				accepted = true
				timer := time.NewTimer(sendGrace)
				defer timer.Stop()
				grace = timer.C
			}
			if accepted && short == nil && ch.allAside(out) {
				timer := time.NewTimer(asideGrace)
				defer timer.Stop()
				short = timer.C
			}
		case <-short:
			cancel()
			short = make(chan time.Time)
		case <-grace:
			cancel()
			grace = nil
		}
	}
	var failed []error
	for i, err := range errs {
		if err == nil {
			continue
		}
		if ctx.Err() == nil {
			ch.endpoints[i].note(err)
		}
		failed = append(failed, err)
	}
	if accepted {
		return nil
	}
	return join(failed)
}

// allAside reports whether none of the endpoints is in good standing.
func (ch *chain) allAside(of map[int]bool) bool {
	for i := range of {
		if ch.endpoints[i].asideUntil().IsZero() {
			return false
		}
	}
	return true
}

func (e *endpoint) send(ctx context.Context, raw []byte) error {
	if !e.isVerified() {
		// Nothing is shown to an endpoint of another chain: the calldata may
		// hold a secret that is to become public here only.
		id := newCall("eth_chainId")
		if err := e.requests(ctx, []*call{id}); err != nil {
			return err
		}
		if err := e.verify(id); err != nil {
			return err
		}
	}
	c := newCall("eth_sendRawTransaction", hexutil.Bytes(raw))
	err := e.requests(ctx, []*call{c})
	if err == nil {
		var hash common.Hash
		if hash, err = decode[common.Hash](e, c); err == nil && hash != txHash(raw) {
			err = e.fault(classMalformed, c.method, "another hash than the transaction's")
		}
	}
	switch classOf(err) {
	case classKnown, classNonceLow:
		return nil
	}
	return err
}

// txHash is the hash of a signed transaction.
func txHash(raw []byte) common.Hash { return crypto.Keccak256Hash(raw) }
