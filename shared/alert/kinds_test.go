package alert

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Whatever its kind, a message says what, where, how much is at stake, until when
// and what to do, also when it is one of many and when it is held back.
func TestEveryKindTellsAPersonWhatToKnow(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for kind, info := range Kinds {
		a, err := Alert{Kind: kind, Chain: 10, Order: "8453:0xa", Escrow: "0xe5c", Account: "0x51", AtStake: "12 USDC", UntilWhen: "12:05:00 UTC"}.complete()
		if err != nil {
			t.Fatal(err)
		}
		e, _ := raise(Entry{}, a, now)
		m := compose(groupOf(e), []Entry{e})
		for _, part := range []string{info.Meaning + "\n", "What to do: " + info.WhatToDo, "Where: order 8453:0xa, escrow 0xe5c, account 0x51\n", "At stake: 12 USDC\n",
			"Until: 12:05:00 UTC\n", "Key: " + a.Key() + "\n"} {
			if !strings.Contains(m.Body, part) {
				t.Errorf("%s lacks %q:\n%s", kind, part, m.Body)
			}
		}
		if !strings.HasPrefix(m.Subject, strings.ToUpper(info.Severity.String())+": "+string(kind)+" on chain 10") || m.Severity != info.Severity || len(m.Subject) > 100 {
			t.Errorf("%s: %q", kind, m.Subject)
		}
		other := e
		other.Chain = 11
		m, told := summary([]Entry{e, other})
		for _, part := range []string{string(kind) + " on chain 10 (1)\n", "What to do: " + info.WhatToDo, "- order 8453:0xa, escrow 0xe5c, account 0x51; at stake 12 USDC; until 12:05:00 UTC; "} {
			if told != 2 || !strings.Contains(m.Body, part) {
				t.Errorf("%s: the summary lacks %q:\n%s", kind, part, m.Body)
			}
		}
		if over, _ := resolve(func() Entry { e.Version = 1; e.State = Open; return e }(), "tx 0x1", now); !strings.Contains(compose(groupOf(over), []Entry{over}).Body, "Proof: tx 0x1\n") {
			t.Errorf("%s: its end has no proof", kind)
		}
	}
}

// Every finding has a kind of the same name: what a plan finds must not be refused as an alert.
func TestEveryFindingHasItsKind(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../swap/finding.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); !ok || id.Name != "FindingCode" {
			return true
		}
		for _, v := range spec.Values {
			code, err := strconv.Unquote(v.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			codes++
			if _, ok := Kinds[Kind(code)]; !ok {
				t.Errorf("finding %q has no kind of alert", code)
			}
		}
		return true
	})
	if codes == 0 {
		t.Error("no finding codes found: have they moved?")
	}
}
