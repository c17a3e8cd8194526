package template

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Props reads the plain properties of one mapping and notes what is wrong with them. A key that is read is known;
// Close reports every other one, so that nothing the template says is silently ignored.
type Props struct {
	Path     string
	m        map[string]any
	read     map[string]bool
	problems *problems
}

func newProps(path string, m map[string]any, p *problems) *Props {
	return &Props{Path: path, m: m, read: map[string]bool{}, problems: p}
}

// Bad notes a problem with the named property.
func (r *Props) Bad(key, format string, args ...any) {
	r.problems.add(join(r.Path, key), format, args...)
}

func (r *Props) get(key string) any {
	r.read[key] = true
	return r.m[key]
}

// Has tells whether the property is stated.
func (r *Props) Has(key string) bool { return r.m[key] != nil }

// Ignore marks properties that have no effect on the local stack.
func (r *Props) Ignore(keys ...string) {
	for _, k := range keys {
		r.read[k] = true
	}
}

// Close reports the properties that nobody read.
func (r *Props) Close() {
	for _, k := range slices.Sorted(maps.Keys(r.m)) {
		if !r.read[k] {
			r.Bad(k, "property is not understood")
		}
	}
}

// String returns the property as text, "" when not stated.
func (r *Props) String(key string) string {
	switch v := r.get(key).(type) {
	case nil:
		return ""
	case string, int64, float64, bool:
		return text(v)
	}
	r.Bad(key, "want a string")
	return ""
}

// Int returns the property, or def when not stated.
func (r *Props) Int(key string, def int) int {
	switch v := r.get(key).(type) {
	case nil:
		return def
	case int64:
		return int(v)
	case string:
		if n, err := strconv.Atoi(v); err == nil {
			return n
		}
	}
	r.Bad(key, "want a whole number")
	return def
}

// Seconds returns the property, which is a number of seconds, or def when not stated.
func (r *Props) Seconds(key string, def time.Duration) time.Duration {
	return time.Duration(r.Int(key, int(def/time.Second))) * time.Second
}

// Bool returns the property, or def when not stated.
func (r *Props) Bool(key string, def bool) bool {
	switch v := r.get(key).(type) {
	case nil:
		return def
	case bool:
		return v
	case string:
		if b, err := strconv.ParseBool(v); err == nil {
			return b
		}
	}
	r.Bad(key, "want true or false")
	return def
}

// Strings returns a list of strings; a lone string is a list of one.
func (r *Props) Strings(key string) []string {
	switch v := r.get(key).(type) {
	case nil:
		return nil
	case string:
		return []string{v}
	case []any:
		out := make([]string, len(v))
		for i, item := range v {
			s, ok := item.(string)
			if !ok {
				r.Bad(fmt.Sprintf("%s[%d]", key, i), "want a string")
			}
			out[i] = s
		}
		return out
	}
	r.Bad(key, "want a list of strings")
	return nil
}

// Object returns a nested mapping, empty when not stated. The caller closes it.
func (r *Props) Object(key string) *Props {
	switch v := r.get(key).(type) {
	case nil:
		return newProps(join(r.Path, key), nil, r.problems)
	case map[string]any:
		return newProps(join(r.Path, key), v, r.problems)
	}
	r.Bad(key, "want a mapping")
	return newProps(join(r.Path, key), nil, r.problems)
}

// Objects returns a list of mappings. The caller closes each.
func (r *Props) Objects(key string) []*Props {
	v := r.get(key)
	if v == nil {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		r.Bad(key, "want a list of mappings")
		return nil
	}
	var out []*Props
	for i, item := range list {
		m, ok := item.(map[string]any)
		at := fmt.Sprintf("%s[%d]", key, i)
		if !ok {
			r.Bad(at, "want a mapping")
			continue
		}
		out = append(out, newProps(join(r.Path, at), m, r.problems))
	}
	return out
}

// Keys returns the stated keys, sorted.
func (r *Props) Keys() []string { return slices.Sorted(maps.Keys(r.m)) }
