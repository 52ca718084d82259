package demo

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// A draft is the calls of one tool that a question suggests.
type draft struct {
	calls   []llm.Part
	found   int // arguments that were found somewhere
	missing int // required arguments that are made up
}

// maxCalls bounds the calls of one tool: a question may be a long text.
const maxCalls = 8

// draft makes as many calls as there are things to call the tool for: of
// "Beijing and Lisbon" two with one city each, or one from a city to another.
// No two of them are the same.
func (t talk) draft(def llm.ToolDef, except []string) draft {
	n := t.plan(def.Schema)
	t.find(n, except)
	var d draft
	for _, p := range n.places(true, false) {
		if p.must && p.mustBeFound() {
			d.missing++
		}
	}
	d.found = n.found()
	accepts := accepting(def.Schema)
	var all []json.RawMessage
	for i := range min(max(1, n.width()), maxCalls) {
		all = append(all, n.write(i, false))
	}
	if !slices.ContainsFunc(all, accepts) { // what was found does not go together
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

// mustBeFound reports whether a made-up value would not do as well.
func (s schema) mustBeFound() bool {
	return s.enum == nil && s.given == nil && s.encoding == "" && (s.is("string") || s.numeric())
}

func (s schema) numeric() bool { return s.is("number") || s.is("integer") }

// found counts the values that were found, but for choices: those alone are no
// reason to call a tool.
func (n *node) found() int {
	if n.values != nil && n.enum == nil {
		return 1
	}
	count := 0
	for _, inner := range n.inner() {
		count += inner.found()
	}
	return count
}

// find gives what the tools said before and what the question has to where it fits.
func (t talk) find(n *node, except []string) {
	t.recall(n)
	for _, p := range n.places(true, false) {
		if p.enum != nil {
			p.values = t.chosen(p)
		}
	}
	t.findFormatted(n)
	open := slices.DeleteFunc(n.places(true, false), func(p place) bool { return !p.must })
	share(open, t.amounts(), func(p place, _ any) bool { return p.numeric() })
	share(open, t.names(except, n.has), place.named)

	// An id of digits, beside names.
	open = slices.DeleteFunc(open, func(p place) bool { return p.pattern == "" || p.values != nil })
	share(open, t.ids(), place.named)
}

// findFormatted gives times, addresses and the like to strings of that format.
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
		if direct == nil { // no call more for the sake of a part of something
			count := len(slices.DeleteFunc(slices.Clone(open), func(p place) bool { return !same(p, nil) }))
			direct = derived[:min(count, len(derived))]
		}
		share(open, direct, same)
	}
}

// has reports whether there is a place for a format in n.
func (n *node) has(format string) bool {
	return n.is("string") && n.wants() == format ||
		slices.ContainsFunc(n.inner(), func(inner *node) bool { return inner.has(format) })
}

// named reports whether the place takes names, and this one.
func (p place) named(name any) bool {
	if p.pattern != "" {
		text, _ := name.(string)
		long := len(text) > 18 && strings.Trim(text, "-0123456789") == "" // the pattern may be that of an int64
		if _, err := regexp.Compile(p.pattern); err != nil || long {
			return false // nobody can tell what fits
		}
	}
	return p.is("string") && p.encoding == "" && p.wants() == "" && p.enum == nil
}

// recall takes what a tool said before under the same name.
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

// share deals the values of a pool to the places that take and fit them: to each
// place one, in their order, and what is left to a list or around again.
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

// load says how unfit a place is for one more value: one that is empty comes
// first, then a list.
func (p place) load() int {
	n := len(p.values)
	if n > 0 && !p.many {
		n += 1000
	}
	return n
}

// chosen returns the values of an enum that the question names; one, unless
// there is a list to fill.
func (t talk) chosen(p place) []any {
	var all []any
	for _, v := range p.enum {
		if s, ok := v.(string); ok && t.mentions(s) && (all == nil || p.many) {
			all = append(all, v)
		}
	}
	return all
}

// form fills in the form that a final answer must have.
func (t talk) form(raw json.RawMessage) string {
	n := t.plan(raw)
	t.find(n, nil)
	text := n.write(0, false)
	if !accepting(raw)(text) {
		n.forget()
		text = n.write(0, false)
	}
	return string(text)
}

// enumWords returns the values of all enums: "Fahrenheit" is no name of a city.
func (t talk) enumWords(tools []llm.ToolDef) []string {
	var all []string
	for _, def := range tools {
		for _, p := range t.plan(def.Schema).places(true, false) {
			for _, v := range p.enum {
				if s, ok := v.(string); ok {
					all = append(all, strings.ToLower(s))
				}
			}
		}
	}
	return all
}
