package pages

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// The bounds of Markdown, in bytes.
const (
	ticketText = 2 << 10  // of one text
	ticket     = 60 << 10 // of all; GitHub takes 65,536 characters
)

// Markdown is Markdown of runner/report.
func Markdown(w io.Writer, events []event.Event) error {
	p := read(events, &texts{each: ticketText, left: maxTexts, late: maxLate})
	head := "# " + inline(p.Title) + ": " + p.Status + "\n\n" + facts(p.Facts) + "\n"
	var pieces []string
	for _, e := range p.Entries {
		pieces = append(pieces, markdown(e, 2)...)
	}
	_, err := io.WriteString(w, head+strings.Join(shorten(pieces, ticket), ""))
	return err
}

// shorten leaves out pieces of the middle. The end of a session says most.
func shorten(pieces []string, limit int) []string {
	total := 0
	for _, s := range pieces {
		total += len(s)
	}
	if total <= limit {
		return pieces
	}
	first, size := 0, 0
	for first < len(pieces) && size+len(pieces[first]) <= limit/4 {
		size += len(pieces[first])
		first++
	}
	last := len(pieces)
	for last > first && size+len(pieces[last-1]) <= limit {
		last--
		size += len(pieces[last])
	}
	note := fmt.Sprintf("*… %s left out*\n\n", clip.Count(last-first, "piece"))
	return slices.Concat(pieces[:first], []string{note}, pieces[last:])
}

// markdown returns an entry as pieces that stand alone.
func markdown(e *entry, level int) []string {
	head := strings.Repeat("#", min(level, 6))
	for _, s := range []string{e.Title, e.Name} {
		if s != "" {
			head += " " + inline(s)
		}
	}
	ids := make([]string, 0, len(e.Marks))
	for _, m := range e.Marks {
		if m.ID > 0 {
			ids = append(ids, fmt.Sprintf("e%d", m.ID)) // #12 would be a ticket
		}
	}
	pieces := []string{head + "\n\n" + facts(slices.Concat(e.Facts, ids))}
	for _, block := range e.Blocks {
		switch {
		case block.Short():
			pieces = append(pieces, inline(block.Label)+": "+code(block.Text)+"\n\n")
		case block.Label != "":
			pieces = append(pieces, inline(block.Label)+":\n\n"+fenced(block.Text))
		default:
			pieces = append(pieces, fenced(block.Text))
		}
	}
	for _, inner := range e.Inner {
		pieces = append(pieces, markdown(inner, level+1)...)
	}
	return pieces
}

func facts(all []string) string {
	if len(all) == 0 {
		return ""
	}
	quoted := make([]string, len(all))
	for i, f := range all {
		quoted[i] = inline(f)
	}
	return strings.Join(quoted, " · ") + "\n\n"
}

// plain matches text without a meaning in Markdown. All other text stands in code.
var plain = regexp.MustCompile(`^[A-Za-z0-9 ,:;().-]*$`)

// inline returns a text in one line of Markdown.
func inline(s string) string {
	if plain.MatchString(s) && !strings.Contains(strings.ToLower(s), "www.") {
		return s
	}
	return code(s)
}

// code returns a text in one line as code. Markdown removes a space on both sides.
func code(s string) string {
	ticks, space := ticksFor(s, 1), ""
	if strings.Trim(s, " `") != s {
		space = " "
	}
	return ticks + space + s + space + ticks
}

// fence is the shortest fence of a block.
const fence = "```"

// fenced returns a text as a block of code.
func fenced(s string) string {
	ticks := ticksFor(s, len(fence))
	return ticks + "text\n" + strings.TrimSuffix(s, "\n") + "\n" + ticks + "\n\n"
}

// ticksFor returns more backticks than stand together in s.
func ticksFor(s string, least int) string {
	longest, n := 0, 0
	for i := range len(s) {
		if s[i] != '`' {
			n = 0
			continue
		}
		n++
		longest = max(longest, n)
	}
	return strings.Repeat("`", max(longest+1, least))
}
