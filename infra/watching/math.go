package watching

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Math is an expression of metric math: FILL(metric, number), metrics, numbers, + - * / and parentheses.
type Math struct {
	op   string // number, name, FILL, or an operator
	num  float64
	name string
	args []*Math
}

// ParseMath reads an expression.
func ParseMath(text string) (*Math, error) {
	p := rule{tokens: tokens(text)}
	m, err := p.sum()
	if err == nil && len(p.tokens) > 0 {
		err = fmt.Errorf("%q is too much", p.tokens[0])
	}
	if err != nil {
		return nil, fmt.Errorf("expression %q: %w", text, err)
	}
	return m, nil
}

// tokens cuts a text into words, quoted words and signs.
func tokens(text string) (out []string) {
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		n := strings.IndexFunc(text, func(r rune) bool { return strings.ContainsRune("()+-*/,=\"'[] \n\t|!<>", r) })
		switch {
		case n == 0 && (text[0] == '"' || text[0] == '\''):
			if n = strings.IndexByte(text[1:], text[0]) + 2; n < 2 {
				n = len(text)
			}
		case n == 0 && (strings.HasPrefix(text, "!=") || strings.HasPrefix(text, ">=") || strings.HasPrefix(text, "<=")):
			n = 2
		case n == 0:
			n = 1
		case n < 0:
			n = len(text)
		}
		out, text = append(out, text[:n]), text[n:]
	}
	return out
}

func (r *rule) sum() (*Math, error) { return r.chain("+-", r.product) }

func (r *rule) product() (*Math, error) { return r.chain("*/", r.factor) }

func (r *rule) chain(ops string, part func() (*Math, error)) (*Math, error) {
	m, err := part()
	for err == nil && len(r.tokens) > 0 && strings.Contains(ops, r.tokens[0]) {
		op := r.tokens[0]
		r.take(op)
		var right *Math
		right, err = part()
		m = &Math{op: op, args: []*Math{m, right}}
	}
	return m, err
}

func (r *rule) factor() (*Math, error) {
	if r.take("(") {
		m, err := r.sum()
		if err == nil && !r.take(")") {
			err = errors.New("a parenthesis is not closed")
		}
		return m, err
	}
	if len(r.tokens) == 0 {
		return nil, errors.New("it ends too early")
	}
	word := r.tokens[0]
	r.tokens = r.tokens[1:]
	if n, err := strconv.ParseFloat(word, 64); err == nil {
		return &Math{op: "number", num: n}, nil
	}
	if word[0] >= 'a' && word[0] <= 'z' {
		return &Math{op: "name", name: word}, nil
	}
	if word != "FILL" || !r.take("(") {
		return nil, fmt.Errorf("%q is not understood", word)
	}
	of, err := r.factor()
	if err != nil || of.op != "name" || !r.take(",") {
		return nil, errors.New("want FILL(metric, number)")
	}
	with, err := r.factor()
	if err != nil || with.op != "number" || !r.take(")") {
		return nil, errors.New("want FILL(metric, number)")
	}
	return &Math{op: "FILL", args: []*Math{of, with}}, nil
}

func (m *Math) names() []string {
	if m.op == "name" {
		return []string{m.name}
	}
	var out []string
	for _, a := range m.args {
		out = append(out, a.names()...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// values evaluates for n windows. A window of which something is missing is missing, and a metric without any point
// has none to fill.
func (m *Math) values(of map[string][]*float64, n int) []*float64 {
	switch m.op {
	case "number":
		return slices.Repeat([]*float64{&m.num}, n)
	case "name":
		return of[m.name]
	case "FILL":
		out := slices.Clone(of[m.args[0].name])
		if !slices.ContainsFunc(out, func(v *float64) bool { return v != nil }) {
			return out
		}
		for i := range out {
			if out[i] == nil {
				out[i] = &m.args[1].num
			}
		}
		return out
	}
	left, right := m.args[0].values(of, n), m.args[1].values(of, n)
	out := make([]*float64, n)
	for i := range out {
		if left[i] == nil || right[i] == nil {
			continue
		}
		var v float64
		switch m.op {
		case "+":
			v = *left[i] + *right[i]
		case "-":
			v = *left[i] - *right[i]
		case "*":
			v = *left[i] * *right[i]
		case "/":
			if *right[i] == 0 {
				continue
			}
			v = *left[i] / *right[i]
		}
		out[i] = &v
	}
	return out
}
