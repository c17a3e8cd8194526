// Package leaks finds secrets in what a system says: in log lines, requests,
// messages and files, also where they are encoded or compressed. The secrets are
// known to whoever looks, who has planted them.
package leaks

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// least is how long a secret has to be, in bytes.
const least = 12

// Finder looks for what was planted. The zero value looks for nothing. It is safe
// for concurrent use.
type Finder struct {
	mu     sync.Mutex
	forms  []form // replaced, never changed in place
	places map[string]map[string]bool
}

// form is how a secret may be written.
type form struct {
	name  string
	bytes []byte
}

// Plant has the finder look for value from now on, under a name that may be
// shown. Text is looked for as it is; bytes also as hexadecimal and base64 digits,
// the first kind in any case. Too short to be told from chance is an error.
func (f *Finder) Plant(name string, value []byte) error {
	if len(value) < least {
		return fmt.Errorf("plant %s: %d bytes are found everywhere, at least %d are needed", name, len(value), least)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	digits := hex.EncodeToString(value)
	f.forms = slices.Clip(f.forms)
	for _, written := range []string{string(value), digits, strings.ToUpper(digits), base64.RawStdEncoding.EncodeToString(value), base64.RawURLEncoding.EncodeToString(value)} {
		f.forms = append(f.forms, form{name, []byte(written)})
	}
	return nil
}

// Forget ends the search for what is no secret any more, and what was found of it.
func (f *Finder) Forget(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forms = slices.DeleteFunc(slices.Clone(f.forms), func(o form) bool { return o.name == name })
	delete(f.places, name)
}

// Look searches content, which was found at a place such as "log of state-sync",
// and remembers what it finds.
func (f *Finder) Look(place string, content []byte) {
	f.mu.Lock()
	forms := f.forms
	f.mu.Unlock()
	if len(forms) == 0 {
		return
	}
	found := map[string]bool{}
	look(found, forms, content, depth)
	if len(found) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.places == nil {
		f.places = map[string]map[string]bool{}
	}
	for name := range found {
		if f.places[name] == nil {
			f.places[name] = map[string]bool{}
		}
		f.places[name][place] = true
	}
}

// Found lists what was found of a secret, by its name: the places, sorted.
func (f *Finder) Found(name string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.places[name]))
}

// Names lists the secrets that were found, sorted.
func (f *Finder) Names() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.places))
}

const (
	// depth is how many wrappings are taken off: base64 in JSON, compressed, and
	// once more of each.
	depth = 4
	// most bounds what compressed content may unpack to.
	most = 64 << 20
)

// wrapped is a run of base64 digits long enough to hold something.
var wrapped = regexp.MustCompile(`[A-Za-z0-9+/_-]{24,}`)

func look(found map[string]bool, forms []form, content []byte, left int) {
	for _, f := range forms {
		if !found[f.name] && bytes.Contains(content, f.bytes) {
			found[f.name] = true
		}
	}
	if left == 0 {
		return
	}
	for _, inner := range unpacked(content) {
		look(found, forms, inner, left-1)
	}
	for _, run := range wrapped.FindAllString(string(content), -1) {
		if len(run)%4 == 1 { // the last digit is none
			run = run[:len(run)-1]
		}
		if inner, err := base64.RawStdEncoding.DecodeString(digits.Replace(run)); err == nil {
			look(found, forms, inner, left-1)
		}
	}
}

// digits writes the base64 of URLs as the other one.
var digits = strings.NewReplacer("-", "+", "_", "/")

// unpacked is what content is if it is compressed, as far as it can be read.
func unpacked(content []byte) (out [][]byte) {
	take := func(r io.Reader) {
		// An error is no end: what came before it may hold a secret.
		if inner, _ := io.ReadAll(io.LimitReader(r, most)); len(inner) > 0 {
			out = append(out, inner)
		}
	}
	switch {
	case bytes.HasPrefix(content, []byte("\x1f\x8b")):
		if r, err := gzip.NewReader(bytes.NewReader(content)); err == nil {
			take(r)
		}
	case len(content) >= leastPacked && !printable(content):
		r := inflaters.Get().(io.ReadCloser)
		defer inflaters.Put(r)
		if err := r.(flate.Resetter).Reset(bytes.NewReader(content), nil); err == nil {
			take(r)
		}
	}
	return out
}

// leastPacked: no secret fits into less.
const leastPacked = least

var inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}

// printable: raw compressed data has no mark of its own, and text is none.
func printable(content []byte) bool {
	for _, c := range content[:min(len(content), 64)] {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' || c > '~' {
			return false
		}
	}
	return true
}
