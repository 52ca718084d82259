package pages

import (
	"bytes"
	"fmt"
	"html/template"
	"strings"
	"time"
)

// Name returns a name from outside in one line, bounded and printable.
func Name(s string) string { return name(s) }

// Text returns a text from outside, bounded and printable.
func Text(s string) string { return one().of(s) }

// JSON returns JSON from outside as people read it, bounded and printable.
func JSON(s string) string { return one().json(s) }

// Stamp returns a time for people, or "" for the zero time.
func Stamp(t time.Time) string { return stamp(t) }

func one() *texts { return &texts{each: maxText, left: maxTexts, late: maxLate} }

// Editable returns JSON for people to change: one line for each value, and escapes in
// place of the characters that people cannot see. In JSON, such characters are in strings
// only, so the value stays the same.
func Editable(s string) string {
	whole := &texts{each: len(s), left: maxTexts}
	if s = whole.indent(s); strings.IndexFunc(s, hidden) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !hidden(r) || r == '\r': // \r stands between values only
			b.WriteRune(r)
		case r > 0xFFFF:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// Execute returns the text of a template.
func Execute(t *template.Template, name string, data any) (template.HTML, error) {
	var b bytes.Buffer
	err := t.ExecuteTemplate(&b, name, data)
	return template.HTML(b.String()), err //nolint:gosec // made by html/template
}
