package report

import (
	"fmt"
	"html/template"
	"strings"

	"github.com/holiman/uint256"
)

// A chart is drawn in whole units on a field of its own, stretched to the width
// that there is, so its words stand beside it as HTML and keep their size. What
// it shows is also told by its title and description.

// tall is the height of every field, in units.
const tall = 1000

// drawing is an SVG under construction.
type drawing struct {
	strings.Builder
	wide int
}

func newDrawing(id string, wide int, title, desc string) *drawing {
	d := &drawing{wide: wide}
	fmt.Fprintf(d, `<svg viewBox="0 0 %d %d" preserveAspectRatio="none" role="img" aria-labelledby="%s-t %s-d"><title id="%s-t">%s</title><desc id="%s-d">%s</desc>`,
		wide, tall, id, id, id, template.HTMLEscapeString(title), id, template.HTMLEscapeString(desc))
	return d
}

// done ends the drawing. Its texts were escaped when they were written.
func (d *drawing) done() template.HTML {
	d.WriteString("</svg>")
	return template.HTML(d.String()) //nolint:gosec // made here, of numbers and escaped text
}

// box draws a rectangle; its title is what a pointer over it shows.
func (d *drawing) box(class string, x, y, w, h int, title string) {
	fmt.Fprintf(d, `<rect class="%s" x="%d" y="%d" width="%d" height="%d"`, class, x, y, w, h)
	if title == "" {
		d.WriteString("/>")
		return
	}
	fmt.Fprintf(d, "><title>%s</title></rect>", template.HTMLEscapeString(title))
}

// line draws an upright or level line.
func (d *drawing) line(class string, x1, y1, x2, y2 int) {
	fmt.Fprintf(d, `<path class="%s" d="M%d %dL%d %d"/>`, class, x1, y1, x2, y2)
}

// path draws points in order; closed: filled down to the ground.
func (d *drawing) path(class string, points [][2]int, closed bool) {
	if len(points) == 0 {
		return
	}
	fmt.Fprintf(d, `<path class="%s" d="`, class)
	for i, p := range points {
		fmt.Fprintf(d, "%c%d %d", map[bool]rune{true: 'M', false: 'L'}[i == 0], p[0], p[1])
	}
	if closed {
		fmt.Fprintf(d, "L%d %dL%d %dZ", points[len(points)-1][0], tall, points[0][0], tall)
	}
	d.WriteString(`"/>`)
}

// scale is v of most, in units of the field's height.
func scale(v, most *uint256.Int) int {
	if most.IsZero() {
		return 0
	}
	// Without the low bits of both: the product must not overflow.
	var a, b uint256.Int
	shift := uint(max(most.BitLen()-200, 0))
	a.Rsh(v, shift)
	b.Rsh(most, shift)
	a.Mul(&a, uint256.NewInt(tall))
	a.Div(&a, &b)
	return int(min(a.Uint64(), tall))
}

// ceiling is the least of 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten that is not below
// v: where the axis ends.
func ceiling(v uint256.Int) uint256.Int {
	if v.IsZero() {
		return *uint256.NewInt(1)
	}
	digits := len(v.Dec())
	if digits > 77 {
		return v
	}
	var tenth uint256.Int
	tenth.Exp(uint256.NewInt(10), uint256.NewInt(uint64(max(digits-2, 0))))
	steps := []uint64{10, 15, 20, 30, 40, 50, 60, 80, 100}
	if digits == 1 {
		steps = []uint64{1, 2, 3, 4, 5, 6, 8, 10}
	}
	for _, s := range steps {
		var top uint256.Int
		if _, over := top.MulOverflow(&tenth, uint256.NewInt(s)); !over && !top.Lt(&v) {
			return top
		}
	}
	return v
}

// ceil is ceiling for counts.
func ceil(n int) int {
	top := ceiling(*uint256.NewInt(uint64(max(n, 0))))
	return int(min(top.Uint64(), 1<<40))
}
