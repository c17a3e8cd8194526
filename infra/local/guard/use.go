package guard

import (
	"bufio"
	"cmp"
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

// Use is something that a function asked for.
type Use struct {
	// Function by its folder, Action as IAM calls it.
	Function, Action string
	// Resource by its name in the template, with /index/NAME or /FOLDER/* behind it.
	Resource string
	// Key is the kind of partition key, "order#*", of DynamoDB; else "".
	Key string
}

func (u Use) String() string {
	return strings.TrimSpace(u.Function + " " + u.Action + " " + u.Resource + " " + u.Key)
}

func compare(a, b Use) int {
	return cmp.Or(cmp.Compare(a.Function, b.Function), cmp.Compare(a.Action, b.Action), cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Key, b.Key))
}

//go:embed used.txt
var recorded string

// Recorded is what the demonstration and the tests were seen to use, all together.
func Recorded() ([]Use, error) { return Parse(recorded) }

// Format writes uses, one a line, sorted and distinct.
func Format(uses []Use) string {
	sorted := slices.SortedFunc(slices.Values(uses), compare)
	var b strings.Builder
	for _, u := range slices.Compact(sorted) {
		fmt.Fprintln(&b, u)
	}
	return b.String()
}

// Parse reads what Format wrote. The error names the line.
func Parse(text string) (uses []Use, err error) {
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		words := strings.Split(lines.Text(), " ")
		if len(words) < 3 || len(words) > 4 || slices.Contains(words, "") || !strings.Contains(words[1], ":") {
			return nil, fmt.Errorf("line %d: %q: want FUNCTION ACTION RESOURCE [KEY]", n, lines.Text())
		}
		u := Use{Function: words[0], Action: words[1], Resource: words[2]}
		if len(words) == 4 {
			u.Key = words[3]
		}
		uses = append(uses, u)
	}
	return uses, lines.Err()
}

// ownMode stands in kinds of keys for the mode of the stack, whose work is kept apart.
const ownMode = "<mode>"

// InMode is a kind of key as a stack of that mode has it.
func InMode(key, mode string) string {
	if rest, ok := strings.CutPrefix(key, ownMode+"#"); ok {
		return mode + "#" + rest
	}
	return key
}
