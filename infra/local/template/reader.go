package template

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// reader reads the plain properties of one mapping and notes what is wrong with them. A key that is read is known;
// close reports every other one, so that nothing the template says is silently ignored.
type reader struct {
	path     string
	m        map[string]any
	read     map[string]bool
	problems *problems
}

func newReader(path string, m map[string]any, p *problems) *reader {
	return &reader{path: path, m: m, read: map[string]bool{}, problems: p}
}

// bad notes a problem with the named property.
func (r *reader) bad(key, format string, args ...any) {
	r.problems.add(join(r.path, key), format, args...)
}

func (r *reader) get(key string) any {
	r.read[key] = true
	return r.m[key]
}

// has tells whether the property is stated.
func (r *reader) has(key string) bool { return r.m[key] != nil }

// ignore marks properties that have no effect on the local stack.
func (r *reader) ignore(keys ...string) {
	for _, k := range keys {
		r.read[k] = true
	}
}

// close reports the properties that nobody read.
func (r *reader) close() {
	for _, k := range slices.Sorted(maps.Keys(r.m)) {
		if !r.read[k] {
			r.bad(k, "property is not understood")
		}
	}
}

// text returns the property as text, "" when not stated.
func (r *reader) text(key string) string {
	switch v := r.get(key).(type) {
	case nil:
		return ""
	case string, int64, float64, bool:
		return text(v)
	}
	r.bad(key, "want a string")
	return ""
}

// whole returns the property, or def when not stated.
func (r *reader) whole(key string, def int) int {
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
	r.bad(key, "want a whole number")
	return def
}

// seconds returns the property, which is a number of seconds, or def when not stated.
func (r *reader) seconds(key string, def time.Duration) time.Duration {
	return time.Duration(r.whole(key, int(def/time.Second))) * time.Second
}

// flag returns the property, or def when not stated.
func (r *reader) flag(key string, def bool) bool {
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
	r.bad(key, "want true or false")
	return def
}

// strings returns a list of strings; a lone string is a list of one.
func (r *reader) strings(key string) []string {
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
				r.bad(fmt.Sprintf("%s[%d]", key, i), "want a string")
			}
			out[i] = s
		}
		return out
	}
	r.bad(key, "want a list of strings")
	return nil
}

// object returns a nested mapping, empty when not stated. The caller closes it.
func (r *reader) object(key string) *reader {
	switch v := r.get(key).(type) {
	case nil:
		return newReader(join(r.path, key), nil, r.problems)
	case map[string]any:
		return newReader(join(r.path, key), v, r.problems)
	}
	r.bad(key, "want a mapping")
	return newReader(join(r.path, key), nil, r.problems)
}

// objects returns a list of mappings. The caller closes each.
func (r *reader) objects(key string) []*reader {
	v := r.get(key)
	if v == nil {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		r.bad(key, "want a list of mappings")
		return nil
	}
	var out []*reader
	for i, item := range list {
		m, ok := item.(map[string]any)
		at := fmt.Sprintf("%s[%d]", key, i)
		if !ok {
			r.bad(at, "want a mapping")
			continue
		}
		out = append(out, newReader(join(r.path, at), m, r.problems))
	}
	return out
}

// keys returns the stated keys, sorted.
func (r *reader) keys() []string { return slices.Sorted(maps.Keys(r.m)) }
