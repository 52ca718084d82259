package rawjson

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// unescape returns the text of a JSON string, unless the string has a surrogate or a
// byte that JSON forbids: package encoding/json decides about these. A decoder of
// encoding/json costs four allocations for each string, and the arguments of nearly
// every tool call have escapes.
func unescape(raw []byte) (text string, ok bool) {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' || !utf8.Valid(raw) {
		return "", false
	}
	raw = raw[1 : len(raw)-1]
	var b strings.Builder
	b.Grow(len(raw))
	from := 0
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"' || c < ' ':
			return "", false
		case c != '\\':
			continue
		}
		b.Write(raw[from:i])
		r, n := escape(raw[i+1:])
		if n == 0 {
			return "", false
		}
		b.WriteRune(r)
		i += n
		from = i + 1
	}
	b.Write(raw[from:])
	return b.String(), true
}

// escape returns the character of an escape without its backslash, and the length of the
// escape. The length is 0 for half a surrogate pair and for text that is no escape.
func escape(b []byte) (r rune, n int) {
	const unicodeEscape = "u0000"
	switch {
	case len(b) == 0:
		return 0, 0
	case b[0] != 'u':
		c := Unescaped(b[0])
		return rune(c), min(int(c), 1)
	case len(b) < len(unicodeEscape):
		return 0, 0
	}
	v, err := strconv.ParseUint(string(b[1:len(unicodeEscape)]), 16, 16)
	if err != nil || utf16.IsSurrogate(rune(v)) {
		return 0, 0
	}
	return rune(v), len(unicodeEscape)
}

// Unescaped returns the character that a backslash and c stand for in a JSON string, or 0
// if c is no such escape.
func Unescaped(c byte) byte {
	switch c {
	case '"', '\\', '/':
		return c
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	}
	return 0
}
