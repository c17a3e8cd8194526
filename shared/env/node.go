package env

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/goccy/go-yaml/ast"
	"github.com/holiman/uint256"
)

// Problem is one thing wrong with the configuration.
type Problem struct {
	Path string // such as chains[1].factories[0].family
	Text string
}

func (p Problem) String() string { return p.Path + ": " + p.Text }

// Problems is the error of a configuration: all that is wrong with it.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// node is a place in the file. A node that is absent reads as zero values; the
// getters note what is wrong with one that is there.
type node struct {
	path string
	ast  ast.Node
	all  *Problems
	seen map[string]bool // of an object: the fields that were asked for
}

func (n node) problem(format string, args ...any) {
	*n.all = append(*n.all, Problem{n.path, fmt.Sprintf(format, args...)})
}

func (n node) present() bool {
	if n.ast == nil {
		return false
	}
	_, null := n.ast.(*ast.NullNode)
	return !null
}

// object returns the node as one with fields; check calls fields and then
// reports the fields that nobody asked for.
func (n node) object(check func(o node)) {
	if !n.present() {
		n.problem("missing")
		return
	}
	m, ok := n.ast.(ast.MapNode)
	if !ok {
		n.problem("want fields, have %s", n.ast.Type())
		return
	}
	n.seen = map[string]bool{}
	check(n)
	for it := m.MapRange(); it.Next(); {
		if key := it.Key().String(); !n.seen[key] {
			n.at(key).problem("unknown field; known: %s", strings.Join(sorted(n.seen), ", "))
		}
	}
}

func (n node) at(key string) node {
	if n.path != "" {
		key = n.path + "." + key
	}
	return node{path: key, all: n.all}
}

// field returns the named field of an object.
func (n node) field(key string) node {
	n.seen[key] = true
	f := n.at(key)
	for it := n.ast.(ast.MapNode).MapRange(); it.Next(); {
		if it.Key().String() == key {
			f.ast = it.Value()
		}
	}
	return f
}

// list calls each with every entry.
func (n node) list(each func(e node)) {
	if !n.present() {
		return
	}
	seq, ok := n.ast.(*ast.SequenceNode)
	if !ok {
		n.problem("want a list, have %s", n.ast.Type())
		return
	}
	for i, v := range seq.Values {
		each(node{path: fmt.Sprintf("%s[%d]", n.path, i), ast: v, all: n.all})
	}
}

// entries calls each with every key of an object whose keys are not fields, and
// its value.
func (n node) entries(each func(key string, value node)) {
	m, ok := n.ast.(ast.MapNode)
	if !ok {
		n.problem("want entries, have %s", n.ast.Type())
		return
	}
	for it := m.MapRange(); it.Next(); {
		key := it.Key().String()
		if s, ok := it.Key().(*ast.StringNode); ok {
			key = s.Value
		}
		v := n.at(key)
		v.ast = it.Value()
		each(key, v)
	}
}

// text is the scalar as written.
func (n node) text() string {
	if !n.present() {
		return ""
	}
	if s, ok := n.ast.(*ast.StringNode); ok {
		return s.Value
	}
	if s, ok := n.ast.(ast.ScalarNode); ok {
		return s.GetToken().Value
	}
	n.problem("want a value, have %s", n.ast.Type())
	return ""
}

func (n node) required() string {
	s := n.text()
	if s == "" {
		n.problem("missing")
	}
	return s
}

func (n node) flag() bool {
	switch s := n.text(); s {
	case "true":
		return true
	case "", "false":
	default:
		n.problem("want true or false, have %q", s)
	}
	return false
}

// number reads a whole number within [low, high]; absent gives fallback.
func (n node) number(low, high, fallback uint64) uint64 {
	s := n.text()
	if s == "" {
		return fallback
	}
	v, err := strconv.ParseUint(strings.ReplaceAll(s, "_", ""), 10, 64)
	if err != nil || v < low || v > high {
		n.problem("want a whole number from %d to %d, have %q", low, high, s)
		return fallback
	}
	return v
}

// amount reads a decimal integer of any size up to 2^256-1, such as wei.
func (n node) amount() uint256.Int {
	s := n.text()
	if s == "" {
		return uint256.Int{}
	}
	b, ok := new(big.Int).SetString(strings.ReplaceAll(s, "_", ""), 10)
	if ok {
		if v, overflow := uint256.FromBig(b); !overflow && b.Sign() >= 0 {
			return *v
		}
	}
	n.problem("want a whole number, have %q", s)
	return uint256.Int{}
}

func (n node) address() common.Address {
	s := n.text()
	if s == "" {
		return common.Address{}
	}
	return n.addressOf(s)
}

// addressOf reads an address; what is wrong with it is noted at n.
func (n node) addressOf(s string) common.Address {
	if !common.IsHexAddress(s) || !strings.HasPrefix(s, "0x") {
		n.problem("want an address (0x and 40 hex digits), have %q", s)
		return common.Address{}
	}
	a := common.HexToAddress(s)
	if mixed := strings.ToLower(s) != s && strings.ToUpper(s[2:]) != s[2:]; mixed && a.Hex() != s {
		n.problem("wrong checksum, have %s, want %s", s, a.Hex())
	}
	return a
}

func (n node) requiredAddress() common.Address {
	a := n.address()
	if n.text() == "" {
		n.problem("missing")
	} else if a == (common.Address{}) {
		n.problem("must not be the zero address")
	}
	return a
}

// choice reads one of the known words; absent gives the first.
func choice[T ~string](n node, known ...T) T {
	s := n.text()
	if s == "" {
		return known[0]
	}
	if !slices.Contains(known, T(s)) {
		words := make([]string, len(known))
		for i, k := range known {
			words[i] = string(k)
		}
		n.problem("unknown %q; known: %s", s, strings.Join(words, ", "))
		return known[0]
	}
	return T(s)
}

func sorted(m map[string]bool) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
