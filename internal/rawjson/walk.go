package rawjson

import (
	"bytes"
	"encoding/json"
	"iter"
	"unicode/utf8"
)

// Members yields the members of an object in their order, duplicates included. A value
// shares the memory of data. Any value other than an object yields nothing.
func Members(data []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for name, value := range RawMembers(data) {
			if !yield(string(name), value) {
				return
			}
		}
	}
}

// RawMembers is Members without a copy of each name: a name shares the memory of data,
// unless the name has escapes.
func RawMembers(data []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		i, ok := enter(data, '{')
		for ok && i < len(data) && !isClosing(data[i]) {
			end := valueEnd(data, i)
			name := RawText(data[i:end])
			i = min(SpaceEnd(data, SpaceEnd(data, end)+1), len(data)) // behind the colon
			end = valueEnd(data, i)
			if !yield(name, data[i:end]) {
				return
			}
			i = next(data, end)
		}
	}
}

// Elements yields the elements of an array. Any other value yields nothing.
func Elements(data []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		i, ok := enter(data, '[')
		for ok && i < len(data) && !isClosing(data[i]) {
			end := valueEnd(data, i)
			if !yield(data[i:end]) {
				return
			}
			i = next(data, end)
		}
	}
}

// Member returns the value of the last member with that name, or nil.
func Member(data []byte, name string) (value []byte) {
	for n, v := range RawMembers(data) {
		if string(n) == name {
			value = v
		}
	}
	return value
}

// enter returns the place behind an opening bracket, and whether data begins with the
// bracket.
func enter(data []byte, bracket byte) (int, bool) {
	i := SpaceEnd(data, 0)
	if i >= len(data) || data[i] != bracket {
		return 0, false
	}
	return SpaceEnd(data, i+1), true
}

// next returns the place of the value behind a comma, or of the closing bracket.
func next(data []byte, i int) int {
	if i = SpaceEnd(data, i); i < len(data) && data[i] == ',' {
		return SpaceEnd(data, i+1)
	}
	if i < len(data) && !isClosing(data[i]) {
		return len(data) // the text is not JSON, and nothing says where the next value starts
	}
	return i
}

// isClosing accepts both brackets, so that a walk ends even if the text is not JSON.
func isClosing(c byte) bool { return c == '}' || c == ']' }

// SpaceEnd returns the end of the white space at i.
func SpaceEnd(data []byte, i int) int {
	for i < len(data) && IsSpace(data[i]) {
		i++
	}
	return i
}

// IsSpace reports whether c is white space in JSON.
func IsSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// valueEnd returns the end of the value that starts at i.
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
	for i < len(data) && !IsSpace(data[i]) && data[i] != ',' && data[i] != ']' && data[i] != '}' {
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

// Text returns the text of a JSON string, and "" for any other value.
func Text(raw []byte) string {
	if inner, ok := plain(raw); ok {
		return string(inner)
	}
	return decoded(raw)
}

// RawText is Text without a copy: the result shares the memory of raw, unless the string
// has escapes or characters beyond ASCII.
func RawText(raw []byte) []byte {
	if inner, ok := plain(raw); ok {
		return inner
	}
	return []byte(decoded(raw))
}

func decoded(raw []byte) string {
	if text, ok := unescape(raw); ok {
		return text
	}
	if Kind(raw) != '"' {
		return ""
	}
	var text string
	_ = json.Unmarshal(raw, &text) // makes invalid UTF-8 valid; "" if raw is not a string
	return text
}

// PlainText returns the text of a JSON string that has no escapes and only ASCII
// characters. ok is false for any other value.
func PlainText(raw []byte) (text string, ok bool) {
	inner, ok := plain(raw)
	return string(inner), ok
}

func plain(raw []byte) (inner []byte, ok bool) {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return nil, false
	}
	inner = raw[1 : len(raw)-1]
	for _, c := range inner {
		if c == '\\' || c >= utf8.RuneSelf || c < ' ' || c == '"' {
			return nil, false
		}
	}
	return inner, true
}

// Scalar returns the text of a string, a number or a boolean, and "" for null, objects
// and arrays.
func Scalar(raw []byte) string {
	switch Kind(raw) {
	case '"':
		return Text(raw)
	case '{', '[', 'n', 0:
		return ""
	}
	return string(raw)
}

// Kind returns the first byte of a value, which determines the type. Kind returns 0 for
// no value.
func Kind(raw []byte) byte {
	if len(raw) == 0 {
		return 0
	}
	return raw[0]
}

// IsNull reports whether the value is null or missing.
func IsNull(raw []byte) bool { return Kind(raw) == 0 || raw[0] == 'n' }

// IsEmpty reports whether the value is missing, null, "", [] or {}.
func IsEmpty(raw []byte) bool {
	switch Kind(raw) {
	case '"':
		return len(raw) == 2
	case '[', '{':
		return SpaceEnd(raw, 1) == len(raw)-1
	}
	return IsNull(raw)
}
