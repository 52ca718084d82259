package main

import (
	"os"
	"strings"
)

// unbounded is the width of an output that is not a terminal.
const unbounded = 1 << 20

// width returns the number of characters in a line of stdout.
func width() int {
	size := terminal(os.Stdout)
	if size == nil {
		return unbounded
	}
	w, _ := size()
	return max(w, 20)
}

// brief cuts a text to n characters.
func brief(text string, n int) string {
	if runes := []rune(text); len(runes) > n {
		return string(runes[:max(n-1, 0)]) + "…"
	}
	return text
}

// wrap breaks a line between words, and breaks long words after commas, as in JSON.
// It indents the continuation.
func wrap(line string, width int, indent string) string {
	var b strings.Builder
	at := 0
	for i, word := range strings.Split(line, " ") {
		pieces := []string{word}
		if len([]rune(word)) > width-len(indent) {
			pieces = strings.SplitAfter(word, ",")
		}
		for j, piece := range pieces {
			n, gap := len([]rune(piece)), ""
			if i > 0 && j == 0 {
				gap = " "
			}
			if i+j > 0 && at+len(gap)+n > width {
				gap = "\n" + indent
				at = 0
			}
			b.WriteString(gap + piece)
			at += len(strings.TrimPrefix(gap, "\n")) + n
		}
	}
	return b.String()
}
