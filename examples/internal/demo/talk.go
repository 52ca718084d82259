package demo

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// A talk is the conversation since the last message of the user.
type talk struct {
	question string
	count    int // the number of the user's messages so far
	calls    []llm.ToolCall
	results  []llm.ToolResult
	tools    []string // the words of the tools' names
}

func listen(messages []llm.Message) talk {
	var t talk
	for _, m := range messages {
		switch m.Role {
		case llm.RoleUser:
			if t.count > 0 && strings.HasPrefix(m.Text(), "Your answer ") {
				continue // a runner asks for the answer in another form; that is not a new question
			}
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

// next returns the calls to make now, or no call if the time for an answer has
// come. It calls a tool at most once for each question, in the first turn in which
// all required arguments are known, so a tool can wait for the result of another
// tool. If no tool is ready, next chooses the tool with the fewest missing
// arguments, and invents these arguments. After earlier calls, this happens only if
// an argument was found.
func (t talk) next(req *llm.Request) []llm.Part {
	for _, def := range req.Tools {
		t.tools = append(t.tools, parts(def.Name)...)
	}
	tools, forced := offered(req)
	except := t.enumWords(req.Tools)
	var ready []llm.Part
	var guess draft
	for _, def := range tools {
		if t.called(def.Name) {
			continue
		}
		d := t.draft(def, except)
		apt := forced || t.shares(def)
		switch {
		case d.missing == 0 && (apt || len(tools) == 1 && d.found > 0):
			ready = append(ready, d.calls...)
		case apt && (t.calls == nil || d.found > 0) && (guess.calls == nil || d.missing < guess.missing):
			guess = d
		}
	}
	if ready == nil {
		return guess.calls
	}
	return ready
}

// offered returns the tools that may be called, and whether a call is required.
func offered(req *llm.Request) (tools []llm.ToolDef, must bool) {
	if name, ok := req.ToolChoice.Named(); ok {
		others := func(d llm.ToolDef) bool { return d.Name != name }
		return slices.DeleteFunc(slices.Clone(req.Tools), others), true
	}
	if mode, names, ok := req.ToolChoice.Among(); ok {
		others := func(d llm.ToolDef) bool { return !slices.Contains(names, d.Name) }
		return slices.DeleteFunc(slices.Clone(req.Tools), others), mode == llm.ToolRequired
	}
	if req.ToolChoice == llm.ToolNone {
		return nil, false
	}
	return req.Tools, req.ToolChoice == llm.ToolRequired
}

func (t talk) called(name string) bool {
	return slices.ContainsFunc(t.calls, func(c llm.ToolCall) bool { return c.Name == name })
}

// shares reports whether the question has a word of the tool's name or description.
func (t talk) shares(def llm.ToolDef) bool {
	about := words(def.Name+" "+def.Description, 3)
	return slices.ContainsFunc(words(t.question, 3), func(q string) bool {
		return slices.ContainsFunc(about, func(w string) bool { return alike(q, w) })
	})
}

// said returns the values that earlier results have under a name.
func (t talk) said(name string) []any {
	var values []any
	for _, r := range t.results {
		members, _ := llm.ParseMembers([]byte(r.Text())) // most results are not objects
		for _, m := range members {
			if strings.EqualFold(m.Name, name) {
				values = append(values, json.RawMessage(m.Value))
			}
		}
	}
	return values
}

// answer returns the last text of a run.
func (t talk) answer(req *llm.Request) string {
	switch {
	case req.Output != nil && req.Output.Schema != nil:
		return t.form(req.Output.Schema)
	case req.Output != nil && req.Output.Type == "json_object":
		return string(encode(map[string]string{"answer": t.text(req)}))
	}
	return t.text(req)
}

// text returns the answer as text.
func (t talk) text(req *llm.Request) string {
	switch {
	case len(t.results) > 0:
		return t.report()
	case len(req.Tools) == 0:
		return fmt.Sprintf("I understand nothing, and I have no tools. (I count %d of your messages.)", t.count)
	}
	var names []string
	for _, d := range req.Tools {
		names = append(names, d.Name)
	}
	return fmt.Sprintf("I understand nothing. I call a tool if your question has a word of its name or description. "+
		"My tools: %s. (I count %d of your messages.)", strings.Join(names, ", "), t.count)
}

// report repeats the results of the tools.
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

// plain returns a JSON object as a list of values, or of names and values. Other
// texts stay unchanged.
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
