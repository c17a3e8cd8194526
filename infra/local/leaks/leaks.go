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

// Finder looks for what was planted. The zero value looks for nothing. It is safe
// for concurrent use.
type Finder struct {
	mu     sync.Mutex
	forms  map[string]string // how a secret may be written, to its name
	places map[string]map[string]int
}

// Plant has the finder look for value from now on, under a name that may be
// shown. Text is looked for as it is; bytes also as hexadecimal and base64 digits,
// the first kind in any case. Too short to be told from chance is an error.
func (f *Finder) Plant(name string, value []byte) error {
	const least = 12
	if len(value) < least {
		return fmt.Errorf("plant %s: %d bytes are found everywhere, at least %d are needed", name, len(value), least)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.forms == nil {
		f.forms, f.places = map[string]string{}, map[string]map[string]int{}
	}
	f.forms[string(value)] = name
	f.forms[hex.EncodeToString(value)] = name
	f.forms[strings.ToUpper(hex.EncodeToString(value))] = name
	f.forms[base64.RawStdEncoding.EncodeToString(value)] = name
	f.forms[base64.RawURLEncoding.EncodeToString(value)] = name
	return nil
}

// Look searches content, which was found at a place such as "log of state-sync",
// and remembers what it finds.
func (f *Finder) Look(place string, content []byte) {
	f.mu.Lock()
	forms := maps.Clone(f.forms)
	f.mu.Unlock()
	if len(forms) == 0 {
		return
	}
	for name := range look(forms, content, depth) {
		f.mu.Lock()
		if f.places[name] == nil {
			f.places[name] = map[string]int{}
		}
		f.places[name][place]++
		f.mu.Unlock()
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

func look(forms map[string]string, content []byte, left int) map[string]bool {
	found := map[string]bool{}
	for form, name := range forms {
		if bytes.Contains(content, []byte(form)) {
			found[name] = true
		}
	}
	if left == 0 {
		return found
	}
	deeper := func(inner []byte) { maps.Copy(found, look(forms, inner, left-1)) }
	for _, inner := range unpacked(content) {
		deeper(inner)
	}
	for _, run := range wrapped.FindAllString(string(content), -1) {
		if len(run)%4 == 1 { // the last digit is none
			run = run[:len(run)-1]
		}
		if inner, err := base64.RawStdEncoding.DecodeString(digits.Replace(run)); err == nil {
			deeper(inner)
		}
	}
	return found
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
	if r, err := gzip.NewReader(bytes.NewReader(content)); err == nil {
		take(r)
	} else if !printable(content) {
		take(flate.NewReader(bytes.NewReader(content)))
	}
	return out
}

// printable: raw compressed data has no mark of its own, and text is none.
func printable(content []byte) bool {
	for _, c := range content[:min(len(content), 64)] {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' || c > '~' {
			return false
		}
	}
	return true
}
