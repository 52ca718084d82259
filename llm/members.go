package llm

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// splitObject is ParseMembers for a usual JSON object. ok is false for any other text, and
// ParseMembers then uses the general way.
//
// The general way reads tokens of a json.Decoder, which reads each value three times. A
// client and the test kit split each request, answer and schema into its members, so this
// was a quarter of the processor time of a load test. FuzzParseMembers proves both equal.
func splitObject(data []byte) (members []Member, ok bool) {
	i := spaceEnd(data, 0)
	if i == len(data) || data[i] != '{' || !json.Valid(data) {
		return nil, false
	}
	for i = spaceEnd(data, i+1); data[i] != '}'; {
		end := stringEnd(data, i)
		name := data[i+1 : end-1]
		if bytes.IndexByte(name, '\\') >= 0 || !utf8.Valid(name) {
			return nil, false
		}
		i = spaceEnd(data, spaceEnd(data, end)+len(":"))
		end = valueEnd(data, i)
		members = append(members, Member{Name: string(name), Value: string(data[i:end])})
		if i = spaceEnd(data, end); data[i] == ',' {
			i = spaceEnd(data, i+1)
		}
	}
	return members, true
}

func spaceEnd(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\r' || data[i] == '\t') {
		i++
	}
	return i
}

// valueEnd returns the end of the value at i. The value is valid JSON inside an object.
func valueEnd(data []byte, i int) int {
	switch data[i] {
	case '"':
		return stringEnd(data, i)
	case '{', '[':
		for depth := 0; ; i++ {
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
	}
	for data[i] != ',' && data[i] != '}' && spaceEnd(data, i) == i {
		i++
	}
	return i
}

// stringEnd returns the end of the string at i.
func stringEnd(data []byte, i int) int {
	for i++; data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++
		}
	}
	return i + 1
}
