package alert

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"
)

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
