package main

import (
	"os"
	"strings"
)

// unbounded is the width of what is no terminal.
const unbounded = 1 << 20

// width is how many characters a line on stdout may have.
func width() int {
	size := terminal(os.Stdout)
	if size == nil {
		return unbounded
	}
	w, _ := size()
	return max(w, 20)
}

// brief cuts a text that is longer than n characters.
func brief(text string, n int) string {
	if runes := []rune(text); len(runes) > n {
		return string(runes[:max(n-1, 0)]) + "…"
	}
	return text
}

// wrap breaks a line between words where it would be too long. What follows is
// indented.
func wrap(line string, width int, indent string) string {
	var b strings.Builder
	at := 0
	for i, word := range strings.Split(line, " ") {
		n := len([]rune(word))
		switch {
		case i == 0:
		case at+1+n > width:
			b.WriteString("\n" + indent)
			at = len(indent)
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	return b.String()
}
