package spike

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"math/bits"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
)

// Row is what became of one claim.
type Row struct {
	Claim
	Worth    *big.Int // of what it claims, in the token's smallest unit
	Deadline uint64   // block time
	At       uint64   // of its block; 0: never
	Why      string   // it is not safe; empty: it is
	Gas      uint64   // its share of its transaction's
	Price    *big.Int // paid, wei per gas
	Replaced int      // how often its transaction was replaced
	Fixed    uint64   // when a sender with fixed fees would have been included; 0: never
}

// safe reports whether the claim was ours before its deadline.
func (r Row) safe() bool { return r.Why == "" && r.order().inTime(r.At) }

// fixedSafe is the same for a sender with fixed fees.
func (r Row) fixedSafe() bool { return r.order().inTime(r.Fixed) }

func (r Row) order() Order { return Order{Deadline: r.Deadline} }

// cost is what it paid for its gas, in wei.
func (r Row) cost() *big.Int { return new(big.Int).Mul(r.Price, wei(r.Gas)) }

// Report is what a spike has shown.
type Report struct {
	Rows    []Row
	Blocks  []Market // from shortly before the claims become due
	Due     uint64   // when the claims became due
	Failed  []string // invocations that failed
	Elapsed time.Duration
}

// OK reports whether every claim was made in time.
func (r Report) OK() bool {
	return len(r.Rows) > 0 && !slices.ContainsFunc(r.Rows, func(row Row) bool { return !row.safe() })
}

// report reads from the chains what became of the claims.
func (r *run) report(ctx context.Context) (Report, error) {
	out := Report{Due: r.due, Failed: r.driver.failures(), Blocks: slices.DeleteFunc(slices.Clone(r.blocks), func(b Market) bool { return r.number(b.Time) < -before })}
	together := map[*judge.Tx]uint64{}
	moves := make([]*judge.Tx, len(r.claims))
	for i, c := range r.claims {
		v, err := r.ledger.Judge(ctx, c.Case(), rules, nil)
		if err != nil {
			return Report{}, err
		}
		row := Row{Claim: c, Worth: new(big.Int).SetBytes(c.Src.Immutables.Amount[:]), Price: new(big.Int),
			Deadline: uint64(binary.BigEndian.Uint32(c.Src.Immutables.Timelocks[:4])) + uint64(c.Windows.SrcCancellation)}
		if !v.Safe {
			row.Why = v.Why
		}
		for _, m := range v.Moves {
			if m.Call == "withdraw" {
				row.At, row.Price, moves[i] = m.Time, m.Tx.Price, m.Tx
				together[m.Tx]++
			}
		}
		out.Rows = append(out.Rows, row)
	}
	for i, tx := range moves {
		if tx == nil {
			continue
		}
		nonce, err := r.nonce(ctx, tx)
		if err != nil {
			return Report{}, err
		}
		out.Rows[i].Gas = tx.Gas / together[tx]
		out.Rows[i].Replaced = max(0, len(r.bids[place{tx.From, nonce}])-1)
	}
	out.fix()
	return out, nil
}

func (r *run) nonce(ctx context.Context, tx *judge.Tx) (uint64, error) {
	t, _, err := r.world.Chains[0].Client.TransactionByHash(ctx, tx.Hash)
	if err != nil {
		return 0, fmt.Errorf("read transaction %s: %w", tx.Hash, err)
	}
	return t.Nonce(), nil
}

// fix reckons what would have become of the claims with fixed fees: each taker
// has a key of its own, and sends by deadline.
func (r *Report) fix() {
	for _, taker := range cast {
		var of []*Row
		for i := range r.Rows {
			if r.Rows[i].Taker == taker.kind {
				of = append(of, &r.Rows[i])
			}
		}
		slices.SortStableFunc(of, func(a, b *Row) int { return cmp.Compare(a.Deadline, b.Deadline) })
		orders := make([]Order, len(of))
		for i, row := range of {
			orders[i] = Order{Due: r.Due, Deadline: row.Deadline}
		}
		for i, at := range fixedFee(r.Blocks, orders, poolCap) {
			of[i].Fixed = at
		}
	}
}

// group are the claims of one taker with one deadline.
type group struct {
	taker  scene.TakerKind
	margin uint32
	rows   []Row
}

func (r Report) groups() (out []group) {
	for _, row := range r.Rows {
		i := slices.IndexFunc(out, func(g group) bool { return g.taker == row.Taker && g.margin == row.Margin })
		if i < 0 {
			i = len(out)
			out = append(out, group{row.Taker, row.Margin, nil})
		}
		out[i].rows = append(out[i].rows, row)
	}
	return out
}

// Write prints the course of the base fee, the table and the last line.
func (r Report) Write(w io.Writer) error {
	fmt.Fprintf(w, "\nbase fee, a column each %d s, and the claims that were included:\n%s\n\n", blockTime, chart(r.Blocks, r.Rows))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "taker\tdeadline after\tclaims\tin time\tleft, least\tmedian\tgwei a gas\tgas a claim\tpaid a claim\tof its cap\treplaced\tfixed fee\t")
	for _, g := range r.groups() {
		fmt.Fprintln(t, g.line())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, row := range r.Rows {
		if !row.safe() {
			fmt.Fprintf(w, "lost: %s: %s\n", row.Name, cmp.Or(row.Why, "included after its deadline"))
		}
	}
	for _, f := range r.Failed {
		fmt.Fprintf(w, "failed: %s\n", f)
	}
	safe, kept, paid, lost := 0, 0, new(big.Int), new(big.Int)
	for _, row := range r.Rows {
		if row.safe() {
			safe++
		}
		if row.fixedSafe() {
			kept++
		} else {
			lost.Add(lost, row.Worth)
		}
		paid.Add(paid, row.cost())
	}
	fmt.Fprintf(w, "base fee: %s to %s gwei, times %d within %d blocks\npaid: %s ether in all, caps allow %s\ntime: %.0f s\n",
		gwei(wei(r.least())), gwei(wei(r.most())), steepest(r.Blocks, rise)/100, rise, ether(paid), ether(new(big.Int).Mul(big.NewInt(maxFee), big.NewInt(int64(len(r.Rows))))), r.Elapsed.Seconds())
	_, err := fmt.Fprintf(w, "spike: %d claims, %d in time, %d lost; with fixed fees %d would be lost, and %s USD with them\n",
		len(r.Rows), safe, len(r.Rows)-safe, len(r.Rows)-kept, dollars(lost))
	return err
}

func (g group) line() string {
	var left []int
	var prices []*big.Int
	cost, gas := new(big.Int), uint64(0)
	safe, replaced, kept := 0, 0, 0
	for _, r := range g.rows {
		if r.safe() {
			safe++
		}
		if r.fixedSafe() {
			kept++
		}
		if r.At != 0 {
			left, prices = append(left, int(r.Deadline)-int(r.At)), append(prices, r.Price)
		}
		cost.Add(cost, r.cost())
		gas += r.Gas
		replaced += r.Replaced
	}
	n := int64(len(g.rows))
	least, median, price := "-", "-", "-"
	if len(left) > 0 {
		slices.Sort(left)
		least, median = fmt.Sprintf("%d s", left[0]), fmt.Sprintf("%d s", left[len(left)/2])
		low, high := gwei(slices.MinFunc(prices, (*big.Int).Cmp)), gwei(slices.MaxFunc(prices, (*big.Int).Cmp))
		if price = low; high != low {
			price += "-" + high
		}
	}
	fate := "all in time"
	if lost := len(g.rows) - kept; lost > 0 {
		fate = fmt.Sprintf("%d lost", lost)
	}
	each := new(big.Int).Div(cost, big.NewInt(n))
	share := new(big.Int).Div(new(big.Int).Mul(each, big.NewInt(100)), big.NewInt(maxFee))
	return fmt.Sprintf("%s\t%d s\t%d\t%d\t%s\t%s\t%s\t%d\t%s ether\t%d %%\t%d\t%s\t", g.taker, g.margin, n, safe, least, median, price, gas/uint64(n), ether(each), share, replaced, fate)
}

func (r Report) least() uint64 {
	return slices.MinFunc(r.Blocks, func(a, b Market) int { return cmp.Compare(a.Base, b.Base) }).Base
}

func (r Report) most() uint64 {
	return slices.MaxFunc(r.Blocks, func(a, b Market) int { return cmp.Compare(a.Base, b.Base) }).Base
}

const (
	// before is how many blocks are shown from before the claims become due.
	before = 5
	// columns is how wide a chart is at most: what is cut off is calm again.
	columns = 120
)

// chart draws the base fee, twice as much two steps higher, and below it how
// many claims were included in which block.
func chart(blocks []Market, rows []Row) string {
	const steps = "▁▂▃▄▅▆▇█"
	blocks = blocks[:min(len(blocks), columns)]
	included := map[uint64]int{}
	for _, r := range rows {
		included[r.At]++
	}
	var fees, claims strings.Builder
	for _, b := range blocks {
		level := bits.Len64(b.Base/calm) - 1 // 1 is calm, 20 is four steps up
		fees.WriteRune([]rune(steps)[min(max(2*level, 0), len([]rune(steps))-1)])
		switch n := included[b.Time]; {
		case n == 0:
			claims.WriteByte(' ')
		case n > 9:
			claims.WriteByte('+')
		default:
			fmt.Fprintf(&claims, "%d", n)
		}
	}
	return fees.String() + "\n" + strings.TrimRight(claims.String(), " ")
}

// gwei, ether and dollars write amounts with as many digits as matter.
func gwei(v *big.Int) string { return decimal(v, 9, 1) }

func ether(v *big.Int) string { return decimal(v, 18, 5) }

func dollars(v *big.Int) string { return decimal(v, 6, 2) }

// decimal writes an amount of so many decimals with fewer, cut off.
func decimal(v *big.Int, decimals, digits int) string {
	cut := new(big.Int).Div(v, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals-digits)), nil))
	s := fmt.Sprintf("%0*d", digits+1, cut)
	return s[:len(s)-digits] + "." + s[len(s)-digits:]
}

// progress says how it goes.
func (r *run) progress(ctx context.Context, now uint64) error {
	done := 0
	for _, c := range r.claims {
		v, err := r.ledger.Judge(ctx, c.Case(), rules, nil)
		if err != nil {
			return err
		}
		if v.Ends.Src == judge.Withdrawn {
			done++
		}
	}
	last := r.blocks[len(r.blocks)-1]
	fmt.Fprintf(r.Out, "%5d s after the claims became due: base fee %s gwei, %d of %d claimed\n", now-r.due, gwei(wei(last.Base)), done, len(r.claims))
	return nil
}
