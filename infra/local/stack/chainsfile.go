package stack

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// upstream is one endpoint of the chains file.
type upstream struct {
	route    string // its name at the RPC proxy
	variable string // by which the rewritten file names it
	target   string
}

var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// reroute rewrites a chains file so that each endpoint's URL is an environment
// variable, and returns what each stands for. Nothing else of the file changes:
// the functions read, and judge, all the rest of it themselves. An optional
// endpoint whose variable is empty stays empty.
func reroute(file []byte, lookup func(string) (string, bool)) ([]byte, []upstream, error) {
	parsed, err := parser.ParseBytes(file, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("chains file: %w", err)
	}
	var ups []upstream
	for c := 0; ; c++ {
		if _, err := find(parsed, "$.chains[%d]", c); err != nil {
			break
		}
		for e := 0; ; e++ {
			node, err := find(parsed, "$.chains[%d].endpoints[%d].url", c, e)
			if err != nil {
				if _, err := find(parsed, "$.chains[%d].endpoints[%d]", c, e); err != nil {
					break
				}
				continue // an endpoint without URL: the functions will say so
			}
			target := variable.ReplaceAllStringFunc(text(node), func(v string) string {
				value, _ := lookup(v[2 : len(v)-1])
				return value
			})
			up := upstream{route: fmt.Sprintf("c%de%d", c, e), variable: fmt.Sprintf("STACK_RPC_%d_%d", c, e), target: target}
			path, err := yaml.PathString(fmt.Sprintf("$.chains[%d].endpoints[%d].url", c, e))
			if err != nil {
				return nil, nil, err
			}
			if err := path.ReplaceWithReader(parsed, strings.NewReader(`"${`+up.variable+`}"`)); err != nil {
				return nil, nil, fmt.Errorf("chains file: chains[%d].endpoints[%d].url: %w", c, e, err)
			}
			ups = append(ups, up)
		}
	}
	return []byte(parsed.String()), ups, nil //nolint:nilerr // a path that finds nothing ends the list
}

func find(f *ast.File, format string, args ...any) (ast.Node, error) {
	path, err := yaml.PathString(fmt.Sprintf(format, args...))
	if err != nil {
		return nil, err
	}
	return path.FilterFile(f)
}

func text(n ast.Node) string {
	if s, ok := n.(*ast.StringNode); ok {
		return s.Value
	}
	return n.String()
}
