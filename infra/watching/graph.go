package watching

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"
)

// A graph is drawn in its own units and stretched to its card.
const (
	unit       = 56 // of the grid, in pixels
	left       = 46
	right      = 46
	top        = 10
	bottom     = 20
	resolution = 240
)

var palette = []string{"#1f77b4", "#2ca02c", "#9467bd", "#8c564b", "#17becf", "#bcbd22", "#e377c2", "#7f7f7f", "#ff7f0e", "#d62728", "#aec7e8", "#98df8a"}

// scale is one axis of values.
type scale struct{ low, high, step float64 }

// scaled fits the values, in steps that people count in.
func scaled(values []float64, a *Axis) scale {
	s := scale{low: math.Inf(1), high: math.Inf(-1)}
	limit := math.Inf(1)
	if a != nil && a.Min != nil {
		s.low = *a.Min
	}
	if a != nil && a.Max != nil {
		limit = *a.Max
	}
	for _, v := range values {
		s.low, s.high = min(s.low, v), max(s.high, min(v, limit))
	}
	if s.high < s.low {
		s.low, s.high = 0, 1
	}
	if s.high == s.low {
		s.high++
	}
	raw := (s.high - s.low) / 4
	s.step = math.Pow(10, math.Floor(math.Log10(raw)))
	for _, by := range []float64{1, 2, 5, 10} {
		if s.step*by >= raw {
			s.step *= by
			break
		}
	}
	s.low, s.high = math.Floor(s.low/s.step)*s.step, math.Ceil(s.high/s.step)*s.step
	return s
}

func (c *card) graph(m *Metric, data Data, first, last time.Time) {
	c.Title = m.Title
	width, height := float64(c.Width*unit), float64(c.Height*unit-64)
	bases, sides := map[string][]float64{}, map[string]string{}
	drawn := make([][]*float64, len(m.Lines))
	empty := true
	for i, p := range m.Lines {
		side := strings.Replace(p.YAxis, "left", "", 1)
		drawn[i] = p.samples(data, first, last, resolution)
		for _, v := range drawn[i] {
			if v != nil {
				empty = false
				bases[side] = append(bases[side], *v)
			}
		}
		sides[side] = "drawn"
		color := p.Color
		if color == "" {
			color = palette[i%len(palette)]
		}
		m.Lines[i].Color = color
		now := "–"
		if v := p.at(data[p.Series], last); v != nil {
			now = number(*v)
		}
		c.Legend = append(c.Legend, legend{p.Label, color, now})
	}
	for _, line := range m.Annotations.Horizontal {
		side := strings.Replace(line.YAxis, "left", "", 1)
		bases[side] = append(bases[side], line.Value)
	}
	if empty {
		c.Note = "A demonstration has no such metric of AWS."
	}
	scales := map[string]scale{"": scaled(bases[""], m.YAxis.Left), "right": scaled(bases["right"], m.YAxis.Right)}
	x := func(i int) float64 { return left + (width-left-right)*float64(i)/(resolution-1) }
	y := func(side string, v float64) float64 {
		s := scales[side]
		return top + (height-top-bottom)*(s.high-min(v, s.high))/(s.high-s.low)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %.0f %.0f" preserveAspectRatio="none" role="img"><title>%s</title>`, width, height, template.HTMLEscapeString(m.Title))
	for side := range sides {
		s := scales[side]
		for v := s.low; v <= s.high+s.step/2; v += s.step {
			at := y(side, v)
			if side == "" {
				fmt.Fprintf(&b, `<line x1="%d" x2="%.1f" y1="%.1f" y2="%.1f" class="rule"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`, left, width-right, at, at, left-6, at+4, tick(v))
			} else {
				fmt.Fprintf(&b, `<text x="%.1f" y="%.1f">%s</text>`, width-right+6, at+4, tick(v))
			}
		}
	}
	for i := range 5 {
		at := first.Add(time.Duration(int64(last.Sub(first)) * int64(i) / 4))
		anchor := [...]string{"start", "middle", "middle", "middle", "end"}[i]
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>`, x((resolution-1)*i/4), height-4, anchor, at.UTC().Format(time.TimeOnly))
	}
	for _, line := range m.Annotations.Horizontal {
		side := strings.Replace(line.YAxis, "left", "", 1)
		color := line.Color
		if color == "" {
			color = "#d62728"
		}
		at := y(side, line.Value)
		switch line.Fill {
		case "above":
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%.1f" fill="%s" opacity="0.07"/>`, left, top, width-left-right, at-top, color)
		case "below":
			fmt.Fprintf(&b, `<rect x="%d" y="%.1f" width="%.1f" height="%.1f" fill="%s" opacity="0.07"/>`, left, at, width-left-right, height-bottom-at, color)
		}
		text := at - 4
		if text < top+10 {
			text = at + 13
		}
		fmt.Fprintf(&b, `<line x1="%d" x2="%.1f" y1="%.1f" y2="%.1f" stroke="%s" stroke-dasharray="5 4"/><text x="%d" y="%.1f" style="fill:%s">%s</text>`,
			left, width-right, at, at, color, left+4, text, color, template.HTMLEscapeString(line.Label))
	}
	for i, p := range m.Lines {
		side := strings.Replace(p.YAxis, "left", "", 1)
		b.WriteString(path(drawn[i], x, func(v float64) float64 { return y(side, v) }, p.Color))
	}
	b.WriteString("</svg>")
	c.Body = template.HTML(b.String()) //nolint:gosec // numbers, and escaped above
}

// path draws what is there and leaves gaps open.
func path(values []*float64, x func(int) float64, y func(float64) float64, color string) string {
	var d strings.Builder
	pen := "M"
	for i, v := range values {
		if v == nil {
			pen = "M"
			continue
		}
		fmt.Fprintf(&d, "%s%.1f %.1f", pen, x(i), y(*v))
		pen = "L"
	}
	if d.Len() == 0 {
		return ""
	}
	return fmt.Sprintf(`<path d="%s" fill="none" stroke="%s" stroke-width="2" vector-effect="non-scaling-stroke"/>`, d.String(), color)
}

func spark(values []*float64) template.HTML {
	var all []float64
	for _, v := range values {
		if v != nil {
			all = append(all, *v)
		}
	}
	if len(all) == 0 {
		return ""
	}
	s := scaled(all, nil)
	line := path(values, func(i int) float64 { return float64(i) * 2 }, func(v float64) float64 { return 22 - 20*(v-s.low)/(s.high-s.low) }, "#1f77b4")
	return template.HTML(`<svg viewBox="0 0 120 24" preserveAspectRatio="none">` + line + `</svg>`) //nolint:gosec // numbers
}

func tick(v float64) string {
	switch abs := math.Abs(v); {
	case abs >= 1e9:
		return strconv.FormatFloat(v/1e9, 'g', 3, 64) + "G"
	case abs >= 1e6:
		return strconv.FormatFloat(v/1e6, 'g', 3, 64) + "M"
	case abs >= 1e4:
		return strconv.FormatFloat(v/1e3, 'g', 3, 64) + "k"
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}
