package rawjson

// This file decides whether a text is JSON, as json.Valid does. json.Valid calls a function
// for each byte, and needed a twentieth of the time of a short run: the run asks for each
// answer, and for the arguments of each call. FuzzValid proves that both decide the same.

// maxNesting is the depth up to which encoding/json reads.
const maxNesting = 10_000

// Valid reports whether data is one JSON value, as [encoding/json.Valid] does.
func Valid[T ~string | ~[]byte](data T) bool {
	var few [32]byte
	open := few[:0] // the brackets around the place
	i := 0
	for {
		i = blankEnd(data, i)
		if i >= len(data) {
			return false
		}
		switch c := data[i]; c {
		case '{', '[':
			if open = append(open, c); len(open) > maxNesting {
				return false
			}
			i = blankEnd(data, i+1)
			if i < len(data) && data[i] == c+2 { // the closing brackets stand two behind in ASCII
				break // closed below
			}
			if c == '{' {
				if i = nameEnd(data, i); i < 0 {
					return false
				}
			}
			continue
		default:
			if i = scalarEnd(data, i); i < 0 {
				return false
			}
		}
		if i, open = nextValue(data, i, open); i < 0 || len(open) == 0 {
			return i >= 0
		}
	}
}

// nextValue returns the place of the value behind a value that ends at i, and the brackets
// around it: none at the end of data. The place is -1 if data is not JSON.
func nextValue[T ~string | ~[]byte](data T, i int, open []byte) (int, []byte) {
	for {
		i = blankEnd(data, i)
		switch {
		case len(open) == 0:
			if i != len(data) {
				return -1, nil
			}
			return i, nil
		case i >= len(data):
			return -1, nil
		}
		switch top := open[len(open)-1]; {
		case data[i] == top+2:
			open = open[:len(open)-1]
			i++
		case data[i] != ',':
			return -1, nil
		case top == '[':
			return i + 1, open
		default:
			return nameEnd(data, blankEnd(data, i+1)), open
		}
	}
}

// nameEnd returns the place behind the colon of the name at i, or -1.
func nameEnd[T ~string | ~[]byte](data T, i int) int {
	if i >= len(data) || data[i] != '"' {
		return -1
	}
	if i = textEnd(data, i); i < 0 {
		return -1
	}
	if i = blankEnd(data, i); i >= len(data) || data[i] != ':' {
		return -1
	}
	return i + 1
}

func blankEnd[T ~string | ~[]byte](data T, i int) int {
	for i < len(data) && IsSpace(data[i]) {
		i++
	}
	return i
}

// scalarEnd returns the end of the text, number or literal at i, or -1.
func scalarEnd[T ~string | ~[]byte](data T, i int) int {
	switch c := data[i]; {
	case c == '"':
		return textEnd(data, i)
	case c == '-' || '0' <= c && c <= '9':
		return numberEnd(data, i)
	case c == 't':
		return literalEnd(data, i, "true")
	case c == 'f':
		return literalEnd(data, i, "false")
	case c == 'n':
		return literalEnd(data, i, "null")
	}
	return -1
}

func literalEnd[T ~string | ~[]byte](data T, i int, literal string) int {
	end := i + len(literal)
	if end > len(data) || string(data[i:end]) != literal {
		return -1
	}
	return end
}

func textEnd[T ~string | ~[]byte](data T, i int) int {
	for i++; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			return i + 1
		case c < ' ':
			return -1
		case c == '\\':
			if i++; i >= len(data) {
				return -1
			}
			switch data[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				for range len("0000") {
					if i++; i >= len(data) || !isHex(data[i]) {
						return -1
					}
				}
			default:
				return -1
			}
		}
	}
	return -1
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func numberEnd[T ~string | ~[]byte](data T, i int) int {
	if data[i] == '-' {
		i++
	}
	if i < len(data) && data[i] == '0' {
		i++
	} else if i = digitsEnd(data, i); i < 0 {
		return -1
	}
	if i < len(data) && data[i] == '.' {
		if i = digitsEnd(data, i+1); i < 0 {
			return -1
		}
	}
	if i < len(data) && (data[i] == 'e' || data[i] == 'E') {
		if i++; i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		return digitsEnd(data, i)
	}
	return i
}

// digitsEnd returns the end of the digits at i, or -1 without a digit.
func digitsEnd[T ~string | ~[]byte](data T, i int) int {
	from := i
	for i < len(data) && '0' <= data[i] && data[i] <= '9' {
		i++
	}
	if i == from {
		return -1
	}
	return i
}
