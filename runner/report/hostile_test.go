package report_test

import (
	"html"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/hostile"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// attacks returns events of all types, in which each text is hostile.
func attacks(t *testing.T) []event.Event {
	t.Helper()
	return hostile.Events(t, "../event")
}

// allowed are the tags of a page: of its template, with constants, numbers and escaped
// titles as attributes.
var allowed = regexp.MustCompile(`^(<!DOCTYPE html>|<meta [^<>]*>|</?[a-z0-9]+` +
	`( (class|lang|id|role|type|placeholder|aria-[a-z]+|autocomplete|spellcheck|for|viewBox|preserveAspectRatio|x|y|width|height|tabindex|dir|title|href)="[^"<>]*"| hidden| data-problem)*>)$`)

var links = regexp.MustCompile(`href="([^"]*)"`)

// TestHostile: nothing in an event is more than text.
func TestHostile(t *testing.T) {
	t.Parallel()
	events := attacks(t)
	got := page(t, events)
	require.Equal(t, 1, strings.Count(got, "<script"))
	require.Equal(t, 1, strings.Count(got, "<style"))
	for _, tag := range tag.FindAllString(acting.ReplaceAllString(got, ""), -1) {
		require.Regexp(t, allowed, tag)
	}
	for _, m := range links.FindAllStringSubmatch(got, -1) {
		require.Regexp(t, `^#(e[0-9]+|session)$`, m[1])
	}
	for _, want := range []string{"⟨U+202E⟩", "⟨U+001B⟩]0;pwned⟨U+0007⟩", "⟨U+E0070⟩", hostile.Texts[0]} {
		require.True(t, strings.Contains(html.UnescapeString(got), want), want)
	}
	require.False(t, strings.ContainsAny(got+ticket(t, events), "\x00\x1b\x07\r\u202e\u2066\u2028\ufeff\U000E0070"))
}

// TestHostileAlone: each hostile event alone makes a page and a ticket in which the text
// stands, if it stands there, as text.
func TestHostileAlone(t *testing.T) {
	t.Parallel()
	shown := 0
	for _, e := range attacks(t) {
		events := []event.Event{e}
		for _, tag := range tag.FindAllString(acting.ReplaceAllString(page(t, events), ""), -1) {
			require.Regexp(t, allowed, tag, e.Type())
		}
		prose := proseOf(t, ticket(t, events))
		require.NotRegexp(t, `[<>@*_\[\]|~]|pwned|https?:|www\.|#1`, strings.ReplaceAll(prose, "# ", ""), e.Type())
		if strings.Contains(textOf(page(t, events)), "pwned") {
			shown++
		}
	}
	require.Greater(t, shown, 100)
}

// proseOf returns what Markdown does not take for code. It reads as CommonMark does: a
// fence ends with a line of at least as many backticks, a span with as many backticks.
func proseOf(t *testing.T, md string) string {
	t.Helper()
	var prose strings.Builder
	open := ""
	for line := range strings.Lines(md) {
		ticks := line[:len(line)-len(strings.TrimLeft(line, "`"))]
		switch {
		case open == "" && len(ticks) >= 3 && strings.TrimSpace(line) == ticks+"text":
			open = ticks
		case open != "" && len(ticks) >= len(open) && strings.TrimSpace(line) == ticks:
			open = ""
		case open == "":
			prose.WriteString(spans(line))
		}
	}
	require.Empty(t, open, "a fence without an end")
	return prose.String()
}

var ticks = regexp.MustCompile("`+")

// spans removes the spans of code of a line.
func spans(line string) string {
	for {
		first := ticks.FindStringIndex(line)
		if first == nil {
			return line
		}
		n, end := first[1]-first[0], -1
		for _, m := range ticks.FindAllStringIndex(line[first[1]:], -1) {
			if m[1]-m[0] == n {
				end = first[1] + m[1]
				break
			}
		}
		if end < 0 {
			return line
		}
		line = line[:first[0]] + line[end:]
	}
}
