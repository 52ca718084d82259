package runnertest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

// Exerciser returns a model that calls each tool that it is offered once, and
// then answers. It is for smoke tests without a script; see [Exercise].
//
// The calls are all in one answer, so that they run at the same time, or one in
// each answer if Request.ParallelToolCalls is false. What was called since the
// last message of the user is not called again. A ToolChoice holds: of "none"
// nothing is called, of one tool that one, and where there must be a call and
// all were made, the first tool is called again. The answer is a text, or JSON
// that fits Request.Output.
//
// The arguments fit the tool's schema as the model is shown it, and depend on
// the seed and the name of the tool only: the same seed gives the same calls,
// whatever other tools there are. Half of what is optional is left out; numbers
// are often at their bounds; texts hold what programs stumble over. Where a
// schema gives examples, one of them is taken, which is how a tool can say what
// it makes sense to be called with ("example=" in a jsonschema tag). A tool with
// a schema for which nothing that fits is found is not called; when all others
// were, it is an error of Generate that names the tool and the place.
//
// The model streams if it is asked to, and is safe for concurrent use.
func Exerciser(seed uint64) llm.Model { return (&exerciser{seed: seed}).model() }

type exerciser struct {
	seed uint64
	// check, if not nil, says whether a tool takes arguments.
	check func(tool, arguments string) error
	// unfit, if not nil, is told of each tool for which no arguments are found, and
	// the exerciser goes on without it.
	unfit func(tool string, err error)
}

func (e *exerciser) model() llm.Model {
	return llmtest.NewScript(llmtest.Reply(e.reply).Forever())
}

func (e *exerciser) reply(_ context.Context, req *llm.Request) (*llm.Response, error) {
	var step llmtest.Step
	var unfit error
	tools, most := due(req)
	made := 0
	for _, t := range tools {
		if made == most {
			break
		}
		args, err := e.arguments(t)
		switch {
		case err == nil:
			step = step.And(llmtest.Calls(t.Name, args))
			made++
		case e.unfit != nil:
			e.unfit(t.Name, err)
		case unfit == nil:
			unfit = fmt.Errorf("runnertest: tool %q: %w", t.Name, err)
		}
	}
	switch {
	case made > 0:
		return step.Response()
	case unfit != nil:
		return nil, unfit
	}
	return e.answer(req)
}

// due returns the tools to call now, and how many of them at most.
func due(req *llm.Request) (tools []llm.ToolDef, most int) {
	if name, named := req.ToolChoice.Named(); named {
		return slices.DeleteFunc(slices.Clone(req.Tools), func(t llm.ToolDef) bool { return t.Name != name }), 1
	}
	if req.ToolChoice == llm.ToolNone {
		return nil, 0
	}
	called := calledSince(req.Messages)
	due := slices.DeleteFunc(slices.Clone(req.Tools), func(t llm.ToolDef) bool { return slices.Contains(called, t.Name) })
	if len(due) == 0 && req.ToolChoice == llm.ToolRequired {
		return req.Tools, 1
	}
	if p := req.ParallelToolCalls; p != nil && !*p {
		return due, 1
	}
	return due, len(due)
}

// calledSince names the tools that were called since the user last spoke.
func calledSince(messages []llm.Message) []string {
	var names []string
	for _, m := range messages {
		if m.Role == llm.RoleUser {
			names = nil
		}
		for _, c := range m.Calls() {
			names = append(names, c.Name)
		}
	}
	return names
}

func (e *exerciser) arguments(t llm.ToolDef) (json.RawMessage, error) {
	fits := held(t.Schema)
	return document(e.seed, t.Name, t.Schema, func(text string) error {
		if err := fits(text); err != nil || e.check == nil {
			return err
		}
		return e.check(t.Name, text)
	})
}

func (e *exerciser) answer(req *llm.Request) (*llm.Response, error) {
	called := calledSince(req.Messages)
	text := "No tool was called."
	if len(called) > 0 {
		text = "Called: " + strings.Join(called, ", ") + "."
	}
	switch out := req.Output; {
	case out == nil:
	case len(out.Schema) > 0:
		doc, err := document(e.seed, "output", out.Schema, held(out.Schema))
		if err != nil {
			return nil, fmt.Errorf("runnertest: output: %w", err)
		}
		text = string(doc)
	case out.Type == "json_object":
		doc, err := writeJSON(map[string]string{"answer": text})
		if err != nil {
			return nil, fmt.Errorf("runnertest: output: %w", err)
		}
		text = string(doc)
	}
	return llmtest.Text(text).Response()
}
