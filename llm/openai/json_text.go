package openai

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
)

// This file reads values and pieces of JSON text; internal/rawjson walks whole
// documents.

// nesting follows the brackets and strings of JSON text that comes in pieces.
type nesting struct {
	depth             int
	inString, escaped bool
	closed            bool // a string, an object or an array at the top has ended
}

func (n *nesting) add(text []byte) { follow(n, text) }

func (n *nesting) addString(text string) { follow(n, text) }

func follow[T string | []byte](n *nesting, text T) {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case n.escaped:
			n.escaped = false
		case n.inString:
			n.escaped = c == '\\'
			n.inString = c != '"'
			if n.escaped || !n.inString {
				n.closed = n.depth == 0 && !n.inString
			}
		case c == '"':
			n.inString = true
		case c == '{' || c == '[':
			n.depth++
		case c == '}' || c == ']':
			n.depth--
			n.closed = n.depth <= 0
		}
	}
}

// complete reports whether what was fed is a whole string, object or array.
func (n *nesting) complete() bool { return n.closed && !n.inString && n.depth <= 0 }

// A surrogate is the escape of the first half of a surrogate pair at the end of a
// piece; the second half is in the next piece.
type surrogate []byte

// text returns the text of the next piece, with the stored half in front.
func (h *surrogate) text(raw []byte) string {
	if !h.joins(raw) {
		return rawjson.Text(raw)
	}
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	if *h != nil && len(raw) > 2 {
		raw = slices.Concat([]byte{'"'}, *h, raw[1:])
		*h = nil
	}
	if at := len(raw) - len(`\ud83d"`); at > 0 && isSurrogate(raw, at) {
		*h = bytes.Clone(raw[at : len(raw)-1])
		raw = append(bytes.Clone(raw[:at]), '"')
	}
	return rawjson.Text(raw)
}

// joins reports whether the text of the piece is not the piece's own: half a surrogate
// pair is stored, or stands at the end of the piece.
func (h *surrogate) joins(raw []byte) bool {
	at := len(raw) - len(`\ud83d"`)
	return *h != nil || at > 0 && raw[0] == '"' && isSurrogate(raw, at)
}

// isSurrogate reports whether the escape of a first half stands at raw[at].
func isSurrogate(raw []byte, at int) bool {
	if raw[at] != '\\' || raw[at+1] != 'u' || raw[at+2]|0x20 != 'd' || !strings.ContainsRune("89abAB", rune(raw[at+3])) {
		return false
	}
	backslashes := 0
	for raw[at-1-backslashes] == '\\' {
		backslashes++
	}
	return backslashes%2 == 0
}

// end returns the replacement for a half without its second half.
func (h *surrogate) end() string {
	if *h == nil {
		return ""
	}
	*h = nil
	return "\uFFFD"
}

// count reads a number of tokens: an integer, a float, or either as a string. All
// further values count as 0, and so do negative numbers.
func count(raw []byte) int64 {
	if k := rawjson.Kind(raw); k == '-' || '0' <= k && k <= '9' { // nearly always, and without an allocation
		if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
			return max(0, n)
		}
	}
	text := rawjson.Scalar(raw)
	if text == "" {
		return 0
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return max(0, n)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f > 0 && f < 1<<62) {
		return 0
	}
	return int64(f)
}

// usualText is [rawjson.Text]. The texts of nearly every answer cost no allocation.
func usualText(raw []byte) string {
	switch string(raw) {
	case `"function"`:
		return "function"
	case `"stop"`:
		return "stop"
	case `"tool_calls"`:
		return "tool_calls"
	case `"length"`:
		return "length"
	}
	return rawjson.Text(raw)
}

// isObject reports whether text is one JSON object.
func isObject(text string) bool {
	trimmed := strings.TrimLeft(text, " \t\r\n")
	return strings.HasPrefix(trimmed, "{") && rawjson.Valid(text)
}
