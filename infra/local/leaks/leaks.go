// Package leaks finds secrets in what a system says: in log lines, requests,
// messages and files, also where they are encoded or compressed. The secrets are
// known to whoever looks, who has planted them.
//
// What is planted is a string of bytes, and it is only looked for as such. What might
// be another way to write bytes is unwrapped first, and what comes out is looked at in
// the same way: hexadecimal digits in any case, base64 of both alphabets, lists of
// numbers as Go prints them and JSON has them, one long decimal number, percent
// encoding, gzip, zlib and raw deflate. So a look costs little however much is planted.
package leaks

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// least is how long a secret has to be, in bytes.
const least = 12

// Finder looks for what was planted. The zero value looks for nothing. It is safe
// for concurrent use.
type Finder struct {
	mu      sync.Mutex
	planted []planting // replaced, never changed in place
	places  map[string]map[string]bool
}

type planting struct {
	name  string
	bytes []byte
}

// Plant has the finder look for value from now on, under a name that may be
// shown. Too short to be told from chance is an error.
func (f *Finder) Plant(name string, value []byte) error {
	if len(value) < least {
		return fmt.Errorf("plant %s: %d bytes are found everywhere, at least %d are needed", name, len(value), least)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.planted = append(slices.Clip(f.planted), planting{name, slices.Clone(value)})
	return nil
}

// Forget ends the search for what is no secret any more, and what was found of it.
func (f *Finder) Forget(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.planted = slices.DeleteFunc(slices.Clone(f.planted), func(o planting) bool { return o.name == name })
	delete(f.places, name)
}

// Look searches content, which was found at a place such as "log of state-sync",
// and remembers what it finds.
func (f *Finder) Look(place string, content []byte) {
	f.mu.Lock()
	planted := f.planted
	f.mu.Unlock()
	if len(planted) == 0 {
		return
	}
	found := map[string]bool{}
	shortest := len(slices.MinFunc(planted, func(a, b planting) int { return len(a.bytes) - len(b.bytes) }).bytes)
	look(found, planted, content, shortest, depth)
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

// depth is how many wrappings are taken off: digits in base64 in JSON, compressed, and
// once more.
const depth = 4

// look searches what is long enough for the shortest of what was planted. None of it gets shorter by being written in
// another way; compressed it may, but not with anything around it.
func look(found map[string]bool, planted []planting, content []byte, shortest, left int) {
	if len(content) < shortest {
		return
	}
	for _, p := range planted {
		if !found[p.name] && bytes.Contains(content, p.bytes) {
			found[p.name] = true
		}
	}
	if left == 0 {
		return
	}
	unwrap(content, func(inner []byte) { look(found, planted, inner, shortest, left-1) })
}
