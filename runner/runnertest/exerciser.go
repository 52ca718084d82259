package runnertest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest/internal/sample"
)

// Exerciser returns a model that calls each offered tool once and then answers.
// It is for smoke tests without a script; see [Exercise].
//
// All calls are in one answer, so that they run at the same time. If
// Request.ParallelToolCalls is false, each answer has one call. A tool that was
// called since the last message of the user is not called again. The model obeys
// ToolChoice: with "none" it calls no tool; with a named tool it calls only that
// tool; where a call is required and all tools were called, it calls the first
// tool again. The answer is a text, or JSON that fits Request.Output.
//
// The arguments fit the tool's schema as shown to the model. They depend only on
// the seed and the name of the tool: the same seed gives the same calls,
// whatever else is offered. Half of the optional properties are left out,
// numbers are often at their bounds, and texts contain characters that often
// break programs. Where a schema gives examples, the model uses an example: a
// tool can suggest sensible arguments with "example=" in a jsonschema tag. If no
// arguments are found for a schema, the tool is not called; after all other
// calls, Generate returns an error that names the tool and the place in the
// schema.
//
// The model streams on request, and is safe for concurrent use.
func Exerciser(seed uint64) llm.Model { return (&exerciser{seed: seed}).model() }

type exerciser struct {
	seed uint64
	// check reports whether a tool accepts arguments. Nil means no check.
	check func(tool, arguments string) error
	// unfit, if not nil, is called with each tool for which no arguments are found.
	// The exerciser then goes on without the tool.
	unfit func(tool string, err error)
}

func (e *exerciser) model() llm.Model {
	return llmtest.NewScript(llmtest.Reply(e.reply).Forever())
}

func (e *exerciser) reply(_ context.Context, req *llm.Request) (*llm.Response, error) {
	var step llmtest.Step
	var unfit error
	tools, most := nextTools(req)
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

// nextTools returns the tools to call now, and the largest number of calls.
func nextTools(req *llm.Request) (tools []llm.ToolDef, most int) {
	if name, named := req.ToolChoice.Named(); named {
		return slices.DeleteFunc(slices.Clone(req.Tools), func(t llm.ToolDef) bool { return t.Name != name }), 1
	}
	if req.ToolChoice == llm.ToolNone {
		return nil, 0
	}
	if mode, names, among := req.ToolChoice.Among(); among {
		r := *req
		r.Tools = slices.DeleteFunc(slices.Clone(req.Tools), func(t llm.ToolDef) bool { return !slices.Contains(names, t.Name) })
		r.ToolChoice = mode
		return nextTools(&r)
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

// calledSince names the tools that were called since the last message of the
// user.
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
	fits := sample.Check(t.Schema)
	return sample.Document(e.seed, t.Name, t.Schema, func(text string) error {
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
		doc, err := sample.Document(e.seed, "output", out.Schema, sample.Check(out.Schema))
		if err != nil {
			return nil, fmt.Errorf("runnertest: output: %w", err)
		}
		text = string(doc)
	case out.Type == "json_object":
		doc, err := json.Marshal(map[string]string{"answer": text})
		if err != nil {
			return nil, fmt.Errorf("runnertest: output: %w", err)
		}
		text = string(doc)
	}
	return llmtest.Text(text).Response()
}
