package demo

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// A talk is what was said since the user spoke last.
type talk struct {
	question string
	count    int // of the user's messages so far
	calls    []llm.ToolCall
	results  []llm.ToolResult
}

func listen(messages []llm.Message) talk {
	var t talk
	for _, m := range messages {
		switch m.Role {
		case llm.RoleUser:
			t = talk{question: m.Text(), count: t.count + 1}
		case llm.RoleAssistant:
			t.calls = append(t.calls, m.Calls()...)
		case llm.RoleTool:
			for _, p := range m.Parts {
				if r, ok := p.(llm.ToolResult); ok {
					t.results = append(t.results, r)
				}
			}
		}
	}
	return t
}

// next returns the calls to make now; none, if it is time to answer. A tool is
// called in one turn per question, when all that it needs is there, so that one
// tool can wait for what another says.
func (t talk) next(req *llm.Request) []llm.Part {
	tools, forced := offered(req)
	var ready, guess []llm.Part
	for _, def := range tools {
		if t.called(def.Name) {
			continue
		}
		d := t.draft(def, enumWords(req.Tools))
		apt := forced || t.shares(def)
		switch {
		case d.missing == 0 && (apt || len(tools) == 1 && d.found > 0):
			ready = append(ready, d.calls...)
		case apt && guess == nil:
			guess = d.calls
		}
	}
	if ready == nil && t.calls == nil {
		return guess
	}
	return ready
}

// offered returns the tools that may be called, and whether one of them must be.
func offered(req *llm.Request) (tools []llm.ToolDef, must bool) {
	if name, ok := req.ToolChoice.Named(); ok {
		others := func(d llm.ToolDef) bool { return d.Name != name }
		return slices.DeleteFunc(slices.Clone(req.Tools), others), true
	}
	if req.ToolChoice == llm.ToolNone {
		return nil, false
	}
	return req.Tools, req.ToolChoice == llm.ToolRequired
}

func (t talk) called(name string) bool {
	return slices.ContainsFunc(t.calls, func(c llm.ToolCall) bool { return c.Name == name })
}

// shares reports whether the question has a word of what is known of the tool.
func (t talk) shares(def llm.ToolDef) bool {
	about := words(def.Name + " " + def.Description)
	return slices.ContainsFunc(words(t.question), func(q string) bool {
		return slices.ContainsFunc(about, func(w string) bool { return alike(q, w) })
	})
}

// alike takes "temperature" and "temperatures" for the same.
func alike(a, b string) bool {
	if min(len(a), len(b)) < 4 {
		return a == b
	}
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

var common = strings.Fields("the and for are was you your get give say tell what how who which when where with from into this that all has have one its")

// words returns the words of a text that may say what it is about.
func words(s string) []string {
	all := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) })
	return slices.DeleteFunc(all, func(w string) bool { return len(w) < 3 || slices.Contains(common, w) })
}

var (
	quoted = regexp.MustCompile(`"([^"]+)"|“([^”]+)”`)
	digits = regexp.MustCompile(`(?:^|[^\w.-])(-?\d+(?:\.\d+)?)\b`)
	behind = regexp.MustCompile(`.*\b(?:in|of|for|to|about|with|at|on) (.+)`)
)

// names returns what the question calls by name: what is quoted, or words with a
// capital letter inside a sentence or with a digit, or else numbers.
func (t talk) names(except []string) []any {
	var names []any
	for _, m := range quoted.FindAllStringSubmatch(t.question, -1) {
		names = append(names, m[1]+m[2])
	}
	if names != nil {
		return names
	}
	for _, name := range capitalised(t.question) {
		if !slices.Contains(except, strings.ToLower(name)) {
			names = append(names, name)
		}
	}
	if names == nil {
		for _, n := range numerals(t.question) {
			names = append(names, n)
		}
	}
	return names
}

func capitalised(s string) []string {
	var names []string
	begins, follows := true, false // the sentence; a name, directly
	for _, field := range strings.Fields(s) {
		word := strings.TrimFunc(field, unicode.IsPunct)
		is := isName(word, begins)
		switch {
		case is && follows: // New York
			names[len(names)-1] += " " + word
		case is:
			names = append(names, word)
		}
		ends := strings.HasSuffix(field, word)
		begins, follows = strings.ContainsAny(field[len(field)-1:], ".!?:"), is && ends
	}
	return names
}

func isName(word string, begins bool) bool {
	hasLetter := strings.ContainsFunc(word, unicode.IsLetter)
	if hasLetter && strings.ContainsFunc(word, unicode.IsDigit) {
		return true
	}
	return hasLetter && !begins && len(word) > 1 && unicode.IsUpper([]rune(word)[0])
}

func (t talk) numbers() []any {
	var numbers []any
	for _, n := range numerals(t.question) {
		numbers = append(numbers, json.Number(n))
	}
	return numbers
}

func numerals(s string) []string {
	var all []string
	for _, m := range digits.FindAllStringSubmatch(s, -1) {
		all = append(all, m[1])
	}
	return all
}

// phrase is what the question seems to be about: what stands behind its last
// preposition, or all of it.
func (t talk) phrase() string {
	text := strings.TrimRightFunc(t.question, unicode.IsPunct)
	if m := behind.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return text
}

// said returns the values that results so far have under a name.
func (t talk) said(name string) []any {
	var values []any
	for _, r := range t.results {
		members, _ := llm.ParseMembers([]byte(r.Text())) // most results are no objects
		for _, m := range members {
			if strings.EqualFold(m.Name, name) {
				values = append(values, json.RawMessage(m.Value))
			}
		}
	}
	return values
}

// answer returns the text that ends a run.
func (t talk) answer(req *llm.Request) string {
	switch {
	case req.Output != nil && req.Output.Schema != nil:
		return t.form(req.Output.Schema)
	case len(t.results) > 0:
		return t.report()
	case len(req.Tools) == 0:
		return fmt.Sprintf("I understand nothing, and I have no tools. (I count %d of your messages.)", t.count)
	}
	var names []string
	for _, d := range req.Tools {
		names = append(names, d.Name)
	}
	return fmt.Sprintf("I understand nothing. I call a tool when a question has a word of its name or description, "+
		"and I was offered %s. (I count %d of your messages.)", strings.Join(names, ", "), t.count)
}

// report repeats what the tools said.
func (t talk) report() string {
	args := map[string]string{}
	for _, c := range t.calls {
		args[c.ID] = c.Arguments
	}
	text := "This is what the tools say:"
	for _, r := range t.results {
		text += fmt.Sprintf("\n- %s(%s): %s", r.Name, plain(args[r.CallID], false), plain(r.Text(), true))
	}
	return text
}

// plain returns a JSON object as a list of its values, or of their names and
// values, and any other text as it is.
func plain(text string, named bool) string {
	members, err := llm.ParseMembers([]byte(text))
	if err != nil {
		return text
	}
	var list []string
	for _, m := range members {
		value := m.Value
		var s string
		if json.Unmarshal([]byte(value), &s) == nil {
			value = s
		}
		if named {
			value = strings.ReplaceAll(m.Name, "_", " ") + " " + value
		}
		list = append(list, value)
	}
	return strings.Join(list, ", ")
}
