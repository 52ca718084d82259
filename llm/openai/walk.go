package openai

import (
	"bytes"
	"encoding/json"
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// This file walks JSON that json.Valid has accepted. It finds members in one
// pass without building a tree, and leaves the values unchanged, so that
// unmodelled members are kept byte for byte.

// members yields the members of an object in their order, duplicates included.
// Any other value yields nothing.
func members(data []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		i, ok := opened(data, '{')
		for ok && i < len(data) && data[i] != '}' {
			end := valueEnd(data, i)
			name := str(data[i:end])
			i = space(data, space(data, end)+1) // over the colon
			end = valueEnd(data, i)
			if !yield(name, data[i:end]) {
				return
			}
			i = next(data, end)
		}
	}
}

// elements yields the elements of an array. Any other value yields nothing.
func elements(data []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		i, ok := opened(data, '[')
		for ok && i < len(data) && data[i] != ']' {
			end := valueEnd(data, i)
			if !yield(data[i:end]) {
				return
			}
			i = next(data, end)
		}
	}
}

// member returns the last member with that name, or nil.
func member(data []byte, name string) (value []byte) {
	for n, v := range members(data) {
		if n == name {
			value = v
		}
	}
	return value
}

func opened(data []byte, bracket byte) (int, bool) {
	i := space(data, 0)
	if i >= len(data) || data[i] != bracket {
		return 0, false
	}
	return space(data, i+1), true
}

// next returns the position of the value after a comma, or of the closing
// bracket.
func next(data []byte, i int) int {
	if i = space(data, i); i < len(data) && data[i] == ',' {
		i = space(data, i+1)
	}
	return i
}

func space(data []byte, i int) int {
	for i < len(data) && isSpace(data[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// valueEnd returns where the value that starts at i ends.
func valueEnd(data []byte, i int) int {
	if i >= len(data) {
		return i
	}
	switch data[i] {
	case '"':
		return stringEnd(data, i)
	case '{', '[':
		return bracketEnd(data, i)
	}
	for i < len(data) && !isSpace(data[i]) && data[i] != ',' && data[i] != ']' && data[i] != '}' {
		i++
	}
	return i
}

func stringEnd(data []byte, i int) int {
	for start := i; ; {
		n := bytes.IndexByte(data[i+1:], '"')
		if n < 0 {
			return len(data)
		}
		i += 1 + n
		backslashes := 0
		for data[i-1-backslashes] == '\\' && i-1-backslashes > start {
			backslashes++
		}
		if backslashes%2 == 0 {
			return i + 1
		}
	}
}

func bracketEnd(data []byte, i int) int {
	for depth := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i = stringEnd(data, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return i
}

// nesting follows the brackets and strings of JSON text that comes in pieces.
type nesting struct {
	depth             int
	inString, escaped bool
	closed            bool // a string, an object or an array at the top has ended
}

func (n *nesting) feed(text []byte) {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case n.escaped:
			n.escaped = false
		case n.inString:
			skip := bytes.IndexAny(text[i:], `"\`)
			if skip < 0 {
				return
			}
			i += skip
			n.escaped = text[i] == '\\'
			n.inString = n.escaped
			n.closed = n.depth == 0 && !n.inString
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

// str returns the text of a JSON string, and "" for any other value.
func str(raw []byte) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	inner := raw[1 : len(raw)-1]
	for _, c := range inner {
		if c == '\\' || c >= utf8.RuneSelf {
			var s string
			_ = json.Unmarshal(raw, &s) // makes invalid UTF-8 valid; "" if it is no string
			return s
		}
	}
	return string(inner)
}

// A half is the escape of the first half of a surrogate pair at the end of a
// piece; the second half is in the next piece.
type half []byte

// text returns the text of the next piece, with the stored half in front.
func (h *half) text(raw []byte) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	if *h != nil && len(raw) > 2 {
		raw = slices.Concat([]byte{'"'}, *h, raw[1:])
		*h = nil
	}
	if at := len(raw) - len(`\ud83d"`); at > 0 && isHalf(raw, at) {
		*h = bytes.Clone(raw[at : len(raw)-1])
		raw = append(bytes.Clone(raw[:at]), '"')
	}
	return str(raw)
}

// isHalf reports whether the escape of a first half stands at raw[at].
func isHalf(raw []byte, at int) bool {
	if raw[at] != '\\' || raw[at+1] != 'u' || raw[at+2]|0x20 != 'd' || !strings.ContainsRune("89abAB", rune(raw[at+3])) {
		return false
	}
	backslashes := 0
	for raw[at-1-backslashes] == '\\' {
		backslashes++
	}
	return backslashes%2 == 0
}

// rest returns the replacement for a half without its second half.
func (h *half) rest() string {
	if *h == nil {
		return ""
	}
	*h = nil
	return "\uFFFD"
}

// scalar returns the text of a string, a number or a boolean, and "" for null,
// objects and arrays. Providers write codes and indices as either.
func scalar(raw []byte) string {
	switch kind(raw) {
	case '"':
		return str(raw)
	case '{', '[', 'n', 0:
		return ""
	}
	return string(raw)
}

// kind returns the first byte of a value, which determines the type; 0 for no
// value.
func kind(raw []byte) byte {
	if len(raw) == 0 {
		return 0
	}
	return raw[0]
}

func isNull(raw []byte) bool { return kind(raw) == 0 || raw[0] == 'n' }

// isEmpty reports whether the value is null, "", [] or {}.
func isEmpty(raw []byte) bool {
	switch kind(raw) {
	case '"':
		return len(raw) == 2
	case '[', '{':
		return space(raw, 1) == len(raw)-1
	}
	return isNull(raw)
}

// count reads a number of tokens: an integer, a float, or either as a string.
// Any other or negative value counts as 0.
func count(raw []byte) int64 {
	text := scalar(raw)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return max(0, n)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f > 0 && f < 1<<62) {
		return 0
	}
	return int64(f)
}

// isObject reports whether text is one JSON object.
func isObject(text string) bool {
	trimmed := strings.TrimLeft(text, " \t\r\n")
	return strings.HasPrefix(trimmed, "{") && json.Valid([]byte(text))
}
