package iam

import "strings"

// token is a part of a pattern: one * or ?, or text.
type token struct {
	any, one bool
	text     string
}

// pattern cuts a pattern of the policy language: * is any text, ? one character,
// ${key} the value of a condition key, taken as it is, and ${*}, ${?} and ${$} are
// those characters. ok is false where a key is not known: nothing matches then.
func pattern(p string, lookup func(key string) (string, bool)) (tokens []token, ok bool) {
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			tokens = append(tokens, token{text: text.String()})
			text.Reset()
		}
	}
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c == '*':
			flush()
			tokens = append(tokens, token{any: true})
		case c == '?':
			flush()
			tokens = append(tokens, token{one: true})
		case c == '$' && strings.HasPrefix(p[i:], "${") && strings.Contains(p[i:], "}"):
			end := i + strings.IndexByte(p[i:], '}')
			key := p[i+2 : end]
			if key == "*" || key == "?" || key == "$" {
				text.WriteString(key)
			} else {
				value, known := lookup(key)
				if !known {
					return nil, false
				}
				text.WriteString(value)
			}
			i = end
		default:
			text.WriteByte(c)
		}
	}
	flush()
	return tokens, true
}

// match tells whether the tokens cover all of s.
func match(tokens []token, s string) bool {
	// The last * that was passed, and where in s it stands: what fails behind it is
	// tried again one character later. An earlier * never has to be looked at again.
	star, from := -1, 0
	t, i := 0, 0
	for {
		if t < len(tokens) {
			switch tok := tokens[t]; {
			case tok.any:
				star, from = t, i
				t++
				continue
			case tok.one && i < len(s):
				t, i = t+1, i+width(s[i:])
				continue
			case !tok.one && strings.HasPrefix(s[i:], tok.text):
				t, i = t+1, i+len(tok.text)
				continue
			}
		} else if i == len(s) {
			return true
		}
		if star < 0 || from >= len(s) {
			return false
		}
		from += width(s[from:])
		t, i = star+1, from
	}
}

// width is the length of the first character of s in bytes.
func width(s string) int {
	for i := range s {
		if i > 0 {
			return i
		}
	}
	return len(s)
}

// Matches tells whether a pattern without keys covers all of s.
func Matches(p, s string) bool {
	return matches(p, s, func(string) (string, bool) { return "", false })
}

func matches(p, s string, lookup func(string) (string, bool)) bool {
	if !strings.ContainsAny(p, "*?$") {
		return p == s
	}
	tokens, ok := pattern(p, lookup)
	return ok && match(tokens, s)
}
