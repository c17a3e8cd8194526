package leaks

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/hex"
	"io"
	"math/big"
	"strconv"
	"sync"
)

// most bounds what compressed content may unpack to, in bytes.
const most = 64 << 20

// unwrap gives everything that content, or a part of it, may be written for.
func unwrap(content []byte, give func([]byte)) {
	unpack(content, give)
	unescape(content, give)
	runs(content, isHex, 2*least, func(run []byte, _ byte) {
		for from := range 2 { // what stands before it may look like a digit
			if inner, err := hex.DecodeString(string(run[from : len(run)-(len(run)-from)%2])); err == nil {
				give(inner)
			}
		}
	})
	runs(content, isBase64, least*4/3, func(run []byte, before byte) {
		if !bytes.ContainsFunc(bytes.TrimPrefix(run, []byte("0x")), func(r rune) bool { return !isHex(byte(r)) }) {
			return // of so many digits one would be another
		}
		ends := 4 // likewise
		if before == '"' {
			ends = 1
		}
		for from := range min(ends, len(run)) {
			part := run[from:]
			if len(part)%4 == 1 { // the last digit is none
				part = part[:len(part)-1]
			}
			if inner, err := base64.RawStdEncoding.DecodeString(string(standard(part))); err == nil {
				give(inner)
			}
		}
	})
	runs(content, isList, 2*least, func(run []byte, _ byte) { give(listed(run)) })
	runs(content, isDigit, 2*least, func(run []byte, _ byte) {
		if n, ok := new(big.Int).SetString(string(run), 10); ok && n.BitLen() <= 256 {
			give(n.FillBytes(make([]byte, 32)))
		}
	})
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

func isBase64(c byte) bool {
	return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '+' || c == '/' || c == '-' || c == '_'
}

func isList(c byte) bool { return isDigit(c) || c == ' ' || c == ',' }

// runs gives the longest runs of such characters that have at least so many, with the byte before each.
func runs(content []byte, is func(byte) bool, atLeast int, give func(run []byte, before byte)) {
	from := 0
	for to := 0; to <= len(content); to++ {
		if to < len(content) && is(content[to]) {
			continue
		}
		if to-from >= atLeast {
			before := byte(0)
			if from > 0 {
				before = content[from-1]
			}
			give(content[from:to], before)
		}
		from = to + 1
	}
}

// standard writes the base64 of URLs as the other one.
func standard(run []byte) []byte {
	return bytes.Map(func(r rune) rune {
		switch r {
		case '-':
			return '+'
		case '_':
			return '/'
		}
		return r
	}, run)
}

// listed are the bytes of a list of numbers; a number that is none ends what came before it.
func listed(run []byte) []byte {
	var out []byte
	for _, word := range bytes.FieldsFunc(run, func(r rune) bool { return r == ' ' || r == ',' }) {
		n, err := strconv.ParseUint(string(word), 10, 8)
		if err != nil {
			out = append(out, word...) // and keeps it from what follows
			continue
		}
		out = append(out, byte(n))
	}
	return out
}

// unescape takes percent signs with two digits for what they stand for.
func unescape(content []byte, give func([]byte)) {
	if bytes.IndexByte(content, '%') < 0 {
		return
	}
	out := make([]byte, 0, len(content))
	for i := 0; i < len(content); i++ {
		if c := content[i]; c == '%' && i+2 < len(content) {
			if b, err := hex.DecodeString(string(content[i+1 : i+3])); err == nil {
				out = append(out, b...)
				i += 2
				continue
			}
		}
		out = append(out, content[i])
	}
	if len(out) < len(content) {
		give(out)
	}
}

// unpack gives what content is if it is compressed, as far as it can be read.
func unpack(content []byte, give func([]byte)) {
	take := func(r io.Reader) {
		// An error is no end: what came before it may hold a secret.
		if inner, _ := io.ReadAll(io.LimitReader(r, most)); len(inner) > 0 {
			give(inner)
		}
	}
	switch {
	case bytes.HasPrefix(content, []byte("\x1f\x8b")):
		if r, err := gzip.NewReader(bytes.NewReader(content)); err == nil {
			take(r)
		}
	case len(content) >= least && !printable(content):
		if r, err := zlib.NewReader(bytes.NewReader(content)); err == nil {
			take(r)
			return
		}
		r := inflaters.Get().(io.ReadCloser)
		defer inflaters.Put(r)
		if err := r.(flate.Resetter).Reset(bytes.NewReader(content), nil); err == nil {
			take(r)
		}
	}
}

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
