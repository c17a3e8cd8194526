package template

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// tree turns YAML (or JSON) into maps, slices and scalars. The short form of an intrinsic function
// becomes its long form: `!Sub x` is {"Fn::Sub": "x"}.
func tree(src []byte, p *problems) map[string]any {
	file, err := parser.ParseBytes(src, 0)
	if err != nil {
		p.add("template", "%w", err)
		return nil
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		p.add("template", "want one YAML document, got %d", len(file.Docs))
		return nil
	}
	m, ok := plain("", file.Docs[0].Body, p).(map[string]any)
	if !ok {
		p.add("template", "want a mapping at the top, got a %s", file.Docs[0].Body.Type())
	}
	return m
}

func plain(path string, n ast.Node, p *problems) any {
	switch n := n.(type) {
	case *ast.MappingNode:
		m := make(map[string]any, len(n.Values))
		for _, v := range n.Values {
			entry(path, m, v, p)
		}
		return m
	case *ast.MappingValueNode:
		m := make(map[string]any, 1)
		entry(path, m, n, p)
		return m
	case *ast.SequenceNode:
		s := make([]any, 0, len(n.Values))
		for i, v := range n.Values {
			s = append(s, plain(fmt.Sprintf("%s[%d]", path, i), v, p))
		}
		return s
	case *ast.TagNode:
		return tagged(path, n, p)
	case *ast.LiteralNode:
		return n.Value.Value
	case *ast.StringNode:
		return n.Value
	case *ast.IntegerNode:
		switch v := n.Value.(type) {
		case int64:
			return v
		case uint64:
			if v <= 1<<63-1 {
				return int64(v)
			}
		}
		p.add(path, "integer %v is out of range", n.Value)
		return nil
	case *ast.FloatNode:
		return n.Value
	case *ast.BoolNode:
		return n.Value
	case *ast.NullNode:
		return nil
	}
	p.add(path, "YAML %s is not understood", n.Type())
	return nil
}

func entry(path string, m map[string]any, v *ast.MappingValueNode, p *problems) {
	tok := v.Key.GetToken()
	key := tok.Value
	at := join(path, key)
	if v.Key.IsMergeKey() {
		p.add(at, "merge keys are not understood")
		return
	}
	if v.Key.Type() == ast.TagType {
		// "{ a: !Ref AWS::NoValue }": within braces, the parser takes the value for another mapping.
		p.add(at, "a tag in the place of a key; quote the value behind it")
		return
	}
	if _, twice := m[key]; twice {
		p.add(at, "stated twice (again in line %d)", tok.Position.Line)
		return
	}
	m[key] = plain(at, v.Value, p)
}

func tagged(path string, n *ast.TagNode, p *problems) any {
	name := strings.TrimPrefix(n.Start.Value, "!")
	value := plain(path, n.Value, p)
	switch name {
	case "Ref", "Condition":
		return map[string]any{name: value}
	case "GetAtt":
		if s, ok := value.(string); ok {
			id, attr, _ := strings.Cut(s, ".")
			value = []any{id, attr}
		}
	}
	return map[string]any{"Fn::" + name: value}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
