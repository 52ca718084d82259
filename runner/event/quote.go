package event

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string, byte for byte as an encoder of encoding/json
// without the escapes for HTML.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if i++; c < ' ' || c == '"' || c == '\\' {
				b = appendEscape(append(b, s[from:i-1]...), c)
				from = i
			}
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(append(b, s[from:i]...), `\ufffd`...)
			from = i + n
		case r == '\u2028', r == '\u2029': // these two end a line in old JavaScript
			b = append(append(b, s[from:i]...), `\u202`...)
			b = append(b, hexDigits[r&0xf])
			from = i + n
		}
		i += n
	}
	return append(append(b, s[from:]...), '"')
}

func appendEscape(b []byte, c byte) []byte {
	const short, letters = "\"\\\b\f\n\r\t", `"\bfnrt`
	if i := strings.IndexByte(short, c); i >= 0 {
		return append(b, '\\', letters[i])
	}
	return append(b, `\u00`+string([]byte{hexDigits[c>>4], hexDigits[c&0xf]})...)
}

// unescape returns the text of a JSON string with escapes, without its quotes. ok is false
// for surrogates, which no journal has, and for a wrong escape.
func unescape(inner []byte) (s string, ok bool) {
	var b strings.Builder
	b.Grow(len(inner))
	from := 0
	for i := 0; i < len(inner); i++ {
		if inner[i] != '\\' {
			continue
		}
		b.Write(inner[from:i])
		if i++; i == len(inner) {
			return "", false
		}
		if inner[i] == 'u' {
			if len(inner)-i < len("u0000") {
				return "", false
			}
			n, err := strconv.ParseUint(string(inner[i+1:i+5]), 16, 16)
			if err != nil || !utf8.ValidRune(rune(n)) {
				return "", false
			}
			b.WriteRune(rune(n))
			i += len("0000")
		} else {
			at := strings.IndexByte(`"\/bfnrt`, inner[i])
			if at < 0 {
				return "", false
			}
			b.WriteByte("\"\\/\b\f\n\r\t"[at])
		}
		from = i + 1
	}
	b.Write(inner[from:])
	return b.String(), true
}
