package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/holiman/uint256"
)

// Number writes whole units with as many decimals as are worth reading, cut and
// never rounded up: nobody is told of more than there is.
func (a Amount) Number() string {
	digits, decimals := a.Raw.Dec(), int(a.Decimals)
	if digits == "0" {
		return "0"
	}
	var whole, fraction string
	if n := len(digits) - decimals; n > 0 {
		whole, fraction = digits[:n], digits[n:]
	} else {
		whole, fraction = "0", strings.Repeat("0", -n)+digits
	}
	if len(whole) > 15 {
		return fmt.Sprintf("%s.%s×10^%d", whole[:1], whole[1:4], len(whole)-1)
	}
	var keep int
	switch zeros := len(fraction) - len(strings.TrimLeft(fraction, "0")); {
	case len(whole) > 3:
		keep = 2
	case whole != "0":
		keep = 4
	case zeros >= 10:
		return "<0.0000000001"
	default:
		keep = zeros + 3
	}
	fraction = strings.TrimRight(fraction[:min(keep, len(fraction))], "0")
	if fraction == "" {
		return grouped(whole)
	}
	return grouped(whole) + "." + fraction
}

// String is the number with its unit.
func (a Amount) String() string { return a.Number() + " " + tame(a.Symbol, maxSymbol) }

// count writes a number with its thousands set apart.
func count(n int) string {
	if n < 0 {
		return "−" + grouped(strconv.Itoa(n)[1:])
	}
	return grouped(strconv.Itoa(n))
}

func grouped(digits string) string {
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// plural writes a number and what is counted.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

// share writes a of b in percent, cut to tenths: 100 % means all.
func share(a, b int) string {
	if b == 0 {
		return "–"
	}
	tenths := int64(a) * 1000 / int64(b)
	if tenths%10 == 0 {
		return strconv.FormatInt(tenths/10, 10) + " %"
	}
	return fmt.Sprintf("%d.%d %%", tenths/10, tenths%10)
}

// spell writes a duration as people say it, in its two largest units.
func spell(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "−", -max(d, -1<<62)
	}
	switch {
	case d == 0:
		return "0 s"
	case d < time.Second:
		return sign + strconv.FormatInt(max(d.Milliseconds(), 1), 10) + " ms"
	case d < 10*time.Second && d%time.Second != 0:
		return fmt.Sprintf("%s%d.%d s", sign, d/time.Second, d%time.Second/(time.Second/10))
	}
	text := ""
	for _, u := range []struct {
		d    time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}} {
		n := d / u.d
		switch {
		case n > 0 && text == "":
			text = fmt.Sprintf("%s%d %s", sign, n, u.name)
			d %= u.d
		case text != "":
			if n > 0 {
				text += fmt.Sprintf(" %d %s", n, u.name)
			}
			return text
		}
	}
	return text
}

// change writes the difference of two amounts of the same token.
func change(from, to uint256.Int, of Amount) string {
	var diff uint256.Int
	sign := "+"
	switch to.Cmp(&from) {
	case 0:
		return "unchanged"
	case -1:
		sign = "−"
		diff.Sub(&from, &to)
	default:
		diff.Sub(&to, &from)
	}
	return sign + Amount{Raw: diff, Decimals: of.Decimals}.Number()
}

// Bounds of texts, in characters.
const (
	maxSymbol = 14
	maxName   = 60
	maxText   = 400
)

// tame makes one bounded line of printable text: no control characters, nothing
// that turns the direction of writing, no stacks of accents.
func tame(s string, limit int) string {
	var b strings.Builder
	n, space := 0, false
	for _, r := range s {
		if n >= limit {
			b.WriteRune('…')
			break
		}
		switch {
		case r == unicode.ReplacementChar, unicode.Is(unicode.Co, r):
			r = '?'
		case unicode.IsSpace(r), unicode.IsControl(r):
			space = n > 0
			continue
		case !unicode.IsPrint(r), unicode.In(r, unicode.Mn, unicode.Me):
			continue
		}
		if space && n+1 < limit {
			b.WriteByte(' ')
			n++
		}
		space = false
		b.WriteRune(r)
		n++
	}
	if n == 0 {
		return "–"
	}
	return b.String()
}

// optional is tame for what may be left out.
func optional(s string, limit int) string {
	if strings.TrimSpace(s) == "" {
		return ""
	}
	return tame(s, limit)
}
