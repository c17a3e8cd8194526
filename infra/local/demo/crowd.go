package demo

import (
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
)

// crowds are the swaps that are shown together: many that are alike. The zero
// value is empty.
type crowds struct {
	names []string // in the order of their first swap
	rows  map[string][]Row
}

func (c *crowds) add(r Row) {
	if r.Swap.Crowd == "" {
		return
	}
	if c.rows == nil {
		c.rows = map[string][]Row{}
	}
	if !slices.Contains(c.names, r.Swap.Crowd) {
		c.names = append(c.names, r.Swap.Crowd)
	}
	c.rows[r.Swap.Crowd] = append(c.rows[r.Swap.Crowd], r)
}

// split tells those that stand alone from the crowds.
func split(rows []Row) (alone []Row, many crowds) {
	for _, r := range rows {
		if many.add(r); r.Swap.Crowd == "" {
			alone = append(alone, r)
		}
	}
	return alone, many
}

// String says how far each taker of each crowd has come, in a line; empty as
// long as nobody has done anything.
func (c crowds) String() string {
	var out []string
	for _, name := range c.names {
		type tally struct{ done, all int }
		takers, sums := []scene.TakerKind{}, map[scene.TakerKind]tally{}
		moved := false
		for _, r := range c.rows[name] {
			if !slices.Contains(takers, r.Swap.Taker) {
				takers = append(takers, r.Swap.Taker)
			}
			s := sums[r.Swap.Taker]
			sums[r.Swap.Taker] = tally{s.done + len(r.Moves), s.all + duties(r.Swap)}
			moved = moved || len(r.Moves) > 0
		}
		if !moved {
			continue
		}
		var parts []string
		for _, k := range takers {
			parts = append(parts, fmt.Sprintf("%s %d/%d", k, sums[k].done, sums[k].all))
		}
		out = append(out, name+", legs ended by us: "+strings.Join(parts, ", "))
	}
	return strings.Join(out, "; ")
}

// duties counts the legs of a swap of a crowd that we have to end: where dst is
// withdrawn, the scene has shown the secret.
func duties(sw *scene.Swap) int {
	if sw.Allowed[0].Dst == judge.Withdrawn {
		return 1
	}
	return 2
}

// party are the actions of a crowd that are alike.
type party struct {
	taker     scene.TakerKind
	situation string
	side      contracts.Side
	call      string
}

// sums are what they did.
type sums struct {
	party
	families    map[contracts.Family]bool
	safe, calls int
	late        int
	txs         map[common.Hash]bool
	gas         uint64   // of all calls
	low, high   *big.Int // price, wei per gas
	legal, pass behind
}

// parties sums the rows of a crowd up. A call's gas is its share of that of its
// transaction.
func (c crowds) parties(name string) (out []*sums) {
	shares := map[common.Hash]uint64{}
	for _, rows := range c.rows {
		for _, r := range rows {
			for _, m := range r.Moves {
				shares[m.Tx.Hash]++
			}
		}
	}
	of := func(p party) *sums {
		i := slices.IndexFunc(out, func(s *sums) bool { return s.party == p })
		if i < 0 {
			i = len(out)
			out = append(out, &sums{party: p, families: map[contracts.Family]bool{}, txs: map[common.Hash]bool{}})
		}
		return out[i]
	}
	for _, r := range c.rows[name] {
		for _, m := range r.Moves {
			s := of(party{r.Swap.Taker, r.Swap.Situation, m.Side, m.Call})
			s.families[r.Swap.Family], s.txs[m.Tx.Hash] = true, true
			s.calls++
			s.gas += m.Tx.Gas / shares[m.Tx.Hash]
			s.legal.add(m.BehindLegal)
			s.pass.add(m.BehindPass)
			if r.Safe {
				s.safe++
			}
			if m.Late {
				s.late++
			}
			if s.low == nil || m.Tx.Price.Cmp(s.low) < 0 {
				s.low = m.Tx.Price
			}
			if s.high == nil || m.Tx.Price.Cmp(s.high) > 0 {
				s.high = m.Tx.Price
			}
		}
	}
	return out
}

// write prints a table for each crowd: a line for each kind of call.
func (c crowds) write(w io.Writer) error {
	for _, name := range c.names {
		safe, lost, late := Report{Rows: c.rows[name]}.counts()
		fmt.Fprintf(w, "\n%s: %d swaps, %d safe, %d lost, %d late\n", name, len(c.rows[name]), safe, lost, late)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "taker\tsituation\tfamilies\tour calls\tsafe\tlate\ttransactions\tgas a call\tgwei a gas\tbehind legal\tbehind pass\t")
		for _, s := range c.parties(name) {
			fmt.Fprintf(t, "%s\t%s\t%d\t%d %s %s\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t\n", s.taker, s.situation, len(s.families), s.calls, s.side, s.call,
				s.safe, s.late, len(s.txs), s.gas/uint64(s.calls), span(gwei(s.low), gwei(s.high)), upTo(s.legal), upTo(s.pass))
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func gwei(wei *big.Int) string {
	n := new(big.Int).Div(wei, big.NewInt(params.GWei))
	if n.Sign() == 0 {
		return "<1"
	}
	return n.String()
}

// span is one of two that are the same, or both.
func span(a, b string) string {
	if a == b {
		return a
	}
	return a + "-" + b
}

// upTo shows the median and the worst.
func upTo(b behind) string {
	if len(b) == 0 {
		return "-"
	}
	median, worst := b.spread()
	return fmt.Sprintf("%d, worst %d", median, worst)
}
