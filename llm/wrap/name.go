package wrap

import (
	"fmt"
	"io"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// A wrapper is a model around models.
type wrapper interface{ inside() []llm.Model }

// printed returns the text of a model that prints itself, and "" for all others. The
// fields of another model could be secret.
func printed(m llm.Model) string {
	if w, ok := m.(wrapper); ok {
		for _, inner := range w.inside() {
			if printed(inner) == "" {
				return ""
			}
		}
	}
	switch m.(type) {
	case fmt.Formatter, fmt.Stringer:
		return fmt.Sprint(m)
	}
	return ""
}

// format prints a wrapper: a word, and the models inside, with the same flag +. A model that
// does not print itself appears as its type.
func format(s fmt.State, word string, inside ...llm.Model) {
	texts, verb := []string{word}, "%v"
	if s.Flag('+') {
		verb = "%+v"
	}
	for _, m := range inside {
		switch m.(type) {
		case fmt.Formatter, fmt.Stringer:
			texts = append(texts, fmt.Sprintf(verb, m))
		default:
			texts = append(texts, fmt.Sprintf("%T", m))
		}
	}
	_, _ = io.WriteString(s, strings.Join(texts, " "))
}
