package leaks

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"testing"
)

var secret = []byte("\x01\x9ea planted secret of 32 bytes!!")

func compress(t testing.TB, w interface {
	io.Writer
	Close() error
}, b *bytes.Buffer, content []byte) []byte {
	t.Helper()
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t testing.TB, content []byte) []byte {
	var b bytes.Buffer
	return compress(t, gzip.NewWriter(&b), &b, content)
}

func flated(t testing.TB, content []byte) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	return compress(t, w, &b, content)
}

func zlibbed(t testing.TB, content []byte) []byte {
	var b bytes.Buffer
	return compress(t, zlib.NewWriter(&b), &b, content)
}

// item is a request as the tables get it: a compressed body in base64 in JSON.
func item(t testing.TB, content []byte) []byte {
	return fmt.Appendf(nil, `{"TableName":"orders","Item":{"b":{"B":"%s"}}}`, base64.StdEncoding.EncodeToString(flated(t, content)))
}

func TestLook(t *testing.T) {
	in := func(format string, args ...any) []byte { return fmt.Appendf(nil, format, args...) }
	digits := hex.EncodeToString(secret)
	numbers := make([]int, len(secret))
	for i, b := range secret {
		numbers[i] = int(b)
	}
	list, err := json.Marshal(map[string]any{"key": numbers})
	if err != nil {
		t.Fatal(err)
	}
	cut := gzipped(t, in("%s", digits))
	cut = cut[:len(cut)-8]
	for name, c := range map[string]struct {
		content []byte
		found   bool
	}{
		"nothing":                   {nil, false},
		"as it is":                  {in("x%sy", secret), true},
		"hexadecimal":               {in(`{"secret":"0x%s"}`, digits), true},
		"in capitals":               {in("%s", strings.ToUpper(digits)), true},
		"in both":                   {in("%s", digits[:20]+strings.ToUpper(digits[20:])), true},
		"after another digit":       {in("a%s", digits), true},
		"as Go prints it":           {in("%v", secret), true},
		"as JSON has it":            {list, true},
		"indented":                  {bytes.ReplaceAll(list, []byte(","), []byte(", ")), true},
		"one number":                {in("%d", new(big.Int).SetBytes(secret)), true},
		"a URL's":                   {in("GET /?k=%s", url.QueryEscape(base64.StdEncoding.EncodeToString(secret))), true},
		"escaped byte by byte":      {in("/%s/x%%", url.PathEscape(string(secret))), true},
		"base64 after a path":       {in("keys/a/%s", base64.StdEncoding.EncodeToString(secret)), true},
		"base64 behind a letter":    {in("xy%s", base64.RawURLEncoding.EncodeToString(secret)), true},
		"digits in base64":          {in(`"%s"`, base64.StdEncoding.EncodeToString([]byte("0x"+digits))), true},
		"zlib":                      {zlibbed(t, in("line\n%s\nline", digits)), true},
		"a list of too much":        {in("[1,158,300,%s]", "1,2,3,4,5,6,7,8,9,10,11,12"), false},
		"base64":                    {in(`"%s"`, base64.StdEncoding.EncodeToString(secret)), true},
		"base64 of URLs":            {in("?k=%s", base64.URLEncoding.EncodeToString(secret)), true},
		"base64 within other bytes": {in(`"%s"`, base64.StdEncoding.EncodeToString(append([]byte("xyzw"), secret...))), true},
		"a part":                    {in("%s", digits[:62]), false},
		"another":                   {in("%064x", 7), false},
		"gzip":                      {gzipped(t, in("line\n%s\nline", digits)), true},
		"gzip without the secret":   {gzipped(t, in("line\nline")), false},
		"gzip that is cut":          {cut, true},
		"an item":                   {item(t, in(`{"preimage":"%s"}`, digits)), true},
		"an item without it":        {item(t, in(`{"preimage":""}`)), false},
		"an item in a file":         {gzipped(t, item(t, secret)), true},
	} {
		var f Finder
		if err := f.Plant("the secret", secret); err != nil {
			t.Fatal(err)
		}
		f.Look("here", c.content)
		want := []string(nil)
		if c.found {
			want = []string{"here"}
		}
		if got := f.Found("the secret"); !slices.Equal(got, want) {
			t.Errorf("%s: found at %q, want %q", name, got, want)
		}
		if found := len(f.Names()) > 0; found != c.found {
			t.Errorf("%s: names %q", name, f.Names())
		}
		f.Forget("the secret")
		if f.Look("here", c.content); f.Names() != nil {
			t.Errorf("%s: found %q, which was forgotten", name, f.Names())
		}
	}
}

func TestPlant(t *testing.T) {
	var f Finder
	f.Look("here", secret) // looks for nothing
	if err := f.Plant("short", []byte("password")); err == nil {
		t.Error("what is found everywhere was planted")
	}
	if f.Names() != nil {
		t.Errorf("found %q", f.Names())
	}
}

// FuzzLook: no content makes it panic, and none hides the secret behind itself.
func FuzzLook(f *testing.F) {
	for _, seed := range [][]byte{nil, secret, gzipped(f, secret), item(f, secret), []byte(strings.Repeat("A", 100))} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var finder Finder
		if err := finder.Plant("the secret", secret); err != nil {
			t.Fatal(err)
		}
		finder.Look("before", append(slices.Clone(content), secret...))
		if finder.Found("the secret") == nil {
			t.Errorf("hidden behind %q", content)
		}
	})
}

func BenchmarkLook(b *testing.B) {
	var f Finder
	for i := range 200 {
		if err := f.Plant(fmt.Sprint(i), bytes.Repeat([]byte{byte(i), 1}, 16)); err != nil {
			b.Fatal(err)
		}
	}
	content := item(b, []byte(strings.Repeat(`{"order":"8453:0x0123456789abcdef0123456789abcdef01234567"}`, 50)))
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		f.Look("here", content)
	}
}
