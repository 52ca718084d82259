package main

import (
	"errors"
	"strings"
)

// split returns the words of a command by the rules of a POSIX shell: white space
// separates words, '…' is verbatim, \ quotes one character, and inside of "…" \
// quotes only ", \, $, ` and the end of a line. split expands nothing.
func split(command string) ([]string, error) {
	var words []string
	var word strings.Builder
	inside := false // a word has begun, which may be empty
	var quote rune
	runes := []rune(command)
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		escapes := r == '\\' && quote != '\'' && (quote == 0 || i+1 < len(runes) && strings.ContainsRune("\"\\$`\n", runes[i+1]))
		switch {
		case escapes:
			if i++; i == len(runes) {
				return nil, errors.New(`no character follows the last \`)
			}
			if runes[i] != '\n' {
				word.WriteRune(runes[i])
				inside = true
			}
		case r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, inside = r, true
		case quote == 0 && strings.ContainsRune(" \t\r\n", r):
			if inside {
				words = append(words, word.String())
			}
			word.Reset()
			inside = false
		default:
			word.WriteRune(r)
			inside = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote is not closed: " + string(quote))
	}
	if inside {
		words = append(words, word.String())
	}
	return words, nil
}
