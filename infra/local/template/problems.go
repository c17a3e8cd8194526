package template

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// problems collects everything wrong with a template.
type problems struct{ errs []error }

func (p *problems) add(path, format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("%s: %w", path, fmt.Errorf(format, args...)))
}

// err joins the problems, sorted by path and each once, or is nil when there are none.
func (p *problems) err() error {
	slices.SortStableFunc(p.errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	p.errs = slices.CompactFunc(p.errs, func(a, b error) bool { return a.Error() == b.Error() })
	return errors.Join(p.errs...)
}
