package pages

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// texts bounds the texts of a report.
type texts struct {
	each, left, late int
}

// of returns a text from an event, bounded and printable.
func (t *texts) of(s string) string {
	limit := t.each
	if t.left <= 0 {
		limit = t.late
	}
	s = clip.Counted(s, limit, 0)
	t.left -= len(s)
	return printable(s)
}

// withWords adds what a person said about a decision.
func (t *texts) withWords(text, said string) string {
	if said == "" {
		return text
	}
	return text + ". " + t.of(said)
}

// maxDepth bounds the depth of indented JSON: at depth n, an indent has 2n characters.
const maxDepth = 20

// maxLine bounds JSON that stays in one line, in bytes.
const maxLine = 80

// json returns JSON with one line for each value, or in one line if the JSON is short.
// json does not change other text.
func (t *texts) json(s string) string { return t.of(t.indent(s)) }

// indent returns JSON with one line for each value.
func (t *texts) indent(s string) string {
	var b bytes.Buffer
	short := len(s) <= maxLine && !strings.Contains(s, "\n")
	if !short && len(s) <= t.each && !deep(s) && json.Indent(&b, []byte(s), "", "  ") == nil {
		return b.String()
	}
	return s
}

func deep(s string) bool {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '{', '[':
			if depth++; depth > maxDepth {
				return true
			}
		case '}', ']':
			depth--
		}
	}
	return false
}

// maxName bounds names from outside, in characters.
const maxName = 200

// name returns a name from outside in one line.
func name(s string) string {
	return printable(clip.Runes(strings.Join(strings.Fields(clip.Cut(s, 8*maxName)), " "), maxName))
}

// printable replaces characters that people cannot see, or that change the order of the
// characters around them.
func printable(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if strings.IndexFunc(s, hidden) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range strings.ReplaceAll(s, "\r\n", "\n") {
		if hidden(r) {
			fmt.Fprintf(&b, "⟨U+%04X⟩", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hidden reports whether a character is shown as its number. Scripts and emoji need the
// joiners, the marks of direction and the variation selectors; an element of the page
// isolates them.
func hidden(r rune) bool {
	switch r {
	case '\n', '\t', '\u200c', '\u200d', '\u200e', '\u200f', '\u061c', '\u00ad':
		return false
	case '\u2028', '\u2029':
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co)
}

// size returns a number of bytes for people.
func size(n int) string {
	switch {
	case n < 1<<10:
		return clip.Count(n, "byte")
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// took returns a duration for people.
func took(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d d %d h", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

// usage returns the tokens of an answer or a run, and the cost in the unit of the program.
func usage(u llm.Usage, cost float64) []string {
	in := fmt.Sprintf("%d tokens in", u.InputTokens)
	var parts []string
	for _, c := range []struct {
		n    int64
		what string
	}{
		{u.CachedTokens, "cached"}, {u.CacheWriteTokens, "written to the cache"}, {u.InputAudioTokens, "audio"},
	} {
		if c.n != 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	if len(parts) > 0 {
		in += " (" + strings.Join(parts, ", ") + ")"
	}
	out := fmt.Sprintf("%d out", u.OutputTokens)
	if u.ReasoningTokens != 0 {
		out += fmt.Sprintf(" (%d reasoning)", u.ReasoningTokens)
	}
	all := []string{in, out}
	if cost != 0 {
		all = append(all, fmt.Sprintf("cost %.6g", cost))
	}
	return all
}
