package board

import (
	"strings"
	"unicode"
)

// maxLine limits a line, in characters.
const maxLine = 500

// oneLine returns a text as a single line. Control characters are dropped, because
// a model or a tool could move the cursor, and so are characters that change the
// direction of text.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, s)
	line := []rune(strings.Join(strings.Fields(s), " "))
	if len(line) > maxLine {
		return string(line[:maxLine]) + "…"
	}
	return string(line)
}
