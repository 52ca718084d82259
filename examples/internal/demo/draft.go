package demo

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// A draft is the calls of one tool for a question.
type draft struct {
	calls   []llm.Part
	found   int // the number of arguments with a found value
	missing int // the number of required arguments with an invented value
}

// maxCalls limits the calls of one tool, because a question may be a long text.
const maxCalls = 8

// draft makes a call for each thing in the question: for "Beijing and Lisbon"
// either two calls with a city each, or a single call from Beijing to Lisbon. All
// calls differ.
func (t talk) draft(def llm.ToolDef, except []string) draft {
	examples, about := examplesIn(def.Description)
	n := t.plan(def.Schema, examples)
	skip := t.skips(n, about, except)
	t.find(n, except, skip)
	var d draft
	for _, p := range n.places(true, false) {
		if p.must && p.mustBeFound() {
			d.missing++
		}
	}
	d.found = n.found()
	t.guess(n, skip)
	accepts := accepting(def.Schema)
	var all []json.RawMessage
	for i := range min(max(1, n.width()), maxCalls) {
		all = append(all, n.write(i, false))
	}
	if !slices.ContainsFunc(all, accepts) { // the found values do not fit together
		n.forget()
		all = []json.RawMessage{n.write(0, false)}
	}
	for _, arguments := range all {
		call := llm.ToolCall{Name: def.Name, Arguments: string(arguments)}
		same := func(p llm.Part) bool { return p.(llm.ToolCall).Arguments == call.Arguments }
		if !slices.ContainsFunc(d.calls, same) && (len(all) == 1 || accepts(arguments)) {
			d.calls = append(d.calls, call)
		}
	}
	return d
}

// mustBeFound reports whether an invented value is not good enough.
func (s schema) mustBeFound() bool {
	return s.enum == nil && s.given == nil && s.encoding == "" && (s.is("string") || s.numeric())
}

func (s schema) numeric() bool { return s.is("number") || s.is("integer") }

// found counts the found values, without values of enums, which alone are no reason
// for a call.
func (n *node) found() int {
	if n.values != nil && n.enum == nil && !n.is("boolean") {
		return 1
	}
	count := 0
	for _, inner := range n.inner() {
		count += inner.found()
	}
	return count
}

// find assigns values from earlier results and from the question to the arguments
// that they fit.
func (t talk) find(n *node, except []string, skip func(low string) bool) {
	t.recall(n)
	t.choose(n.places(true, false))
	t.findFormatted(n)
	t.hint(n.places(true, false), skip)
	t.deal(n.places(true, false))

	open := slices.DeleteFunc(n.places(true, false), func(p place) bool { return !p.must })
	pool := t.names(append(except, n.written()...), n.has)
	left := func() []any {
		written := n.written()
		return slices.DeleteFunc(slices.Clone(pool), func(v any) bool { return slices.Contains(written, strings.ToLower(v.(string))) })
	}
	share(open, pool, func(p place, v any) bool { return p.isSpecial() && p.suits(v) })
	share(open, left(), place.suits)
	open = slices.DeleteFunc(open, func(p place) bool { return p.values != nil || p.examples != nil })
	share(open, left(), place.named)

	// An id of digits may stand beside names.
	open = slices.DeleteFunc(open, func(p place) bool { return p.pattern == "" || p.values != nil })
	share(open, t.ids(), place.named)
}

// written returns the found texts and numbers, in small letters.
func (n *node) written() []string {
	var all []string
	n.each(func(n *node) {
		for _, v := range n.values {
			switch v := v.(type) {
			case string:
				all = append(all, strings.ToLower(v))
			case json.Number:
				all = append(all, v.String())
			}
		}
	})
	return all
}

// skips returns a function that reports words about the tool. Such words are not
// arguments.
func (t talk) skips(n *node, about string, except []string) func(string) bool {
	all := append(words(about, 3), t.tools...)
	n.each(func(n *node) { all = append(all, parts(n.name)...) })
	return func(low string) bool {
		return slices.Contains(except, low) || slices.ContainsFunc(all, func(w string) bool { return alike(w, low) || plural(low, w) || plural(w, low) })
	}
}

// findFormatted assigns times, addresses and the like to strings of that format.
func (t talk) findFormatted(n *node) {
	open := n.places(true, false)
	var done []string
	for _, p := range open {
		format := p.wants()
		if format == "" || slices.Contains(done, format) {
			continue
		}
		done = append(done, format)
		same := func(p place, _ any) bool { return p.is("string") && p.wants() == format }
		direct, derived := t.formatted(format)
		if direct == nil { // a derived value is no reason for another call
			count := len(slices.DeleteFunc(slices.Clone(open), func(p place) bool { return !same(p, nil) }))
			direct = derived[:min(count, len(derived))]
		}
		share(open, direct, same)
	}
}

// has reports whether n has a string of a format.
func (n *node) has(format string) bool {
	return n.is("string") && n.wants() == format ||
		slices.ContainsFunc(n.inner(), func(inner *node) bool { return inner.has(format) })
}

// named reports whether the place accepts names, and this name.
func (p place) named(name any) bool {
	if p.pattern != "" {
		text, _ := name.(string)
		long := len(text) > 18 && strings.Trim(text, "-0123456789") == "" // the pattern may be the pattern of an int64
		if _, err := regexp.Compile(p.pattern); err != nil || long {
			return false // nobody can know the valid values
		}
	}
	return p.is("string") && p.encoding == "" && p.wants() == "" && p.enum == nil
}

// recall assigns values that earlier results have under the same name.
func (t talk) recall(n *node) {
	for _, m := range n.members {
		for _, v := range t.said(m.name) {
			var text json.Number
			switch {
			case m.fits(v):
				m.values = append(m.values, v)
			case m.is("string") && json.Unmarshal(v.(json.RawMessage), &text) == nil && m.fits(text.String()):
				m.values = append(m.values, text.String())
			}
		}
		if m.values == nil && m.must {
			t.recall(m)
		}
	}
}

// share assigns the values of a pool to the places that accept them: one value to
// each place in order, and the rest to a list or in a second round.
func share(places []place, pool []any, takes func(place, any) bool) {
	for _, v := range pool {
		best := -1
		for i, p := range places {
			if takes(p, v) && p.fits(v) && (best < 0 || p.load() < places[best].load()) {
				best = i
			}
		}
		if best >= 0 {
			places[best].values = append(places[best].values, v)
		}
	}
}

// load ranks the places for another value: an empty place comes first, then a list.
// first, then a list.
func (p place) load() int {
	n := len(p.values)
	if n > 0 && !p.many {
		n += 1000
	}
	return n
}

// choose assigns values of the question to enums: a single value to each enum
// outside of a list. Enums with the same values get the values in turn.
func (t talk) choose(places []place) {
	dealt := map[string]int{}
	for _, p := range places {
		if p.enum == nil {
			continue
		}
		all := t.chosen(p)
		key := string(encode(p.enum))
		if hint := t.hinted(p); hint != "" {
			i := slices.IndexFunc(all, func(v any) bool {
				s := v.(string)
				return strings.EqualFold(s, hint) || plural(strings.ToLower(hint), strings.ToLower(s))
			})
			if i >= 0 {
				p.values = all[i : i+1]
				continue
			}
		}
		switch from := dealt[key]; {
		case p.many:
			p.values = all
		case from < len(all):
			p.values = all[from : from+1]
			dealt[key]++
		}
	}
}

// chosen returns the values of an enum that the question names, in the order of the
// question.
func (t talk) chosen(p place) []any {
	var all []any
	at := map[any]int{}
	for _, v := range p.enum {
		s, ok := v.(string)
		if !ok {
			continue
		}
		if i := t.place(s); i >= 0 {
			all, at[v] = append(all, v), i
		}
	}
	slices.SortStableFunc(all, func(a, b any) int { return at[a] - at[b] })
	return all
}

// form returns a final answer for a schema.
func (t talk) form(raw json.RawMessage) string {
	n := t.plan(raw, nil)
	t.find(n, nil, t.skips(n, "", nil))
	text := n.write(0, false)
	if !accepting(raw)(text) {
		n.forget()
		text = n.write(0, false)
	}
	return string(text)
}

// enumWords returns the words of all enum values: "Fahrenheit" is not the name of a
// city.
func (t talk) enumWords(tools []llm.ToolDef) []string {
	var all []string
	for _, def := range tools {
		for _, p := range t.plan(def.Schema, nil).places(true, false) {
			for _, v := range p.enum {
				if s, ok := v.(string); ok {
					all = append(all, strings.ToLower(s))
				}
			}
		}
	}
	return all
}
