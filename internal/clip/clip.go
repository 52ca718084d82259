package clip

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Ellipsis ends a text that was shortened.
const Ellipsis = "…"

// Cut returns the beginning of s: at most limit bytes.
func Cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return s[:before(s, limit)]
}

// before returns the last place up to i that is not inside a character.
func before(s string, i int) int {
	for i > 0 && !utf8.RuneStart(s[i]) {
		i--
	}
	return i
}

// Boundary returns the first place from i on that is not inside a character. i is not
// negative; from the end of s on, Boundary returns i.
func Boundary(s string, i int) int {
	for i < len(s) && !utf8.RuneStart(s[i]) {
		i++
	}
	return i
}

// Bytes returns s, or at most limit bytes of s and an [Ellipsis].
func Bytes(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return Cut(s, limit) + Ellipsis
}

// Runes returns s, or limit characters of s and an [Ellipsis].
func Runes(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	n := 0
	for i := range s {
		if n == limit {
			return s[:i] + Ellipsis
		}
		n++
	}
	return s
}

// Counted returns s, or at most limit bytes of s and the number of missing bytes. more
// is the number of bytes that s has already lost.
func Counted(s string, limit, more int) string {
	if len(s) <= limit && more == 0 {
		return s
	}
	kept := Cut(s, limit)
	return kept + Ellipsis + " (" + strconv.Itoa(len(s)-len(kept)+more) + " more bytes)"
}

// Count returns a number with its noun, such as "1 message" or "2 messages".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
