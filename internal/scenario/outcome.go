package scenario

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// called lists the calls of a run, with the kinds of their failures.
func called(result *runner.Result) string {
	var calls []string
	failures := map[event.CallRef]string{}
	for _, e := range result.Events {
		if b, ok := e.Body.(event.ToolCallFinished); ok && b.Failure != "" {
			failures[b.Call] = ": " + b.Failure
		}
	}
	for _, e := range result.Events {
		if b, ok := e.Body.(event.ModelAnswered); ok {
			for i, c := range b.Message.Calls() {
				calls = append(calls, c.Name+failures[event.NewCallRef(1, b.Turn, i).Under(e.Path)])
			}
		}
	}
	return strings.Join(calls, ", ")
}

// kindOf returns the kind of error that ended a run, or "".
func kindOf(err error) string {
	if e, ok := errors.AsType[*llm.APIError](err); ok {
		return string(e.Kind)
	}
	if e, ok := errors.AsType[*runner.FinishError](err); ok {
		return "finish " + e.Reason
	}
	if e, ok := errors.AsType[*runner.LimitError](err); ok {
		return "limit of " + e.Limit
	}
	if e, ok := errors.AsType[*runner.OutputError](err); ok {
		return "output refused " + strconv.FormatBool(e.Refused)
	}
	if e, ok := errors.AsType[*runner.CheckError](err); ok {
		return "check of " + e.Stage
	}
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.Canceled) && errors.Is(err, errHungUp):
		return "hung up"
	}
	return err.Error()
}

// heard returns the messages that a script received, without the instructions: these
// are separate from the messages here, and among them on the wire.
func heard(script *llmtest.Model) []string {
	var out []string
	for i, req := range script.Requests() {
		for _, m := range req.Messages {
			if m.Role == llm.RoleSystem {
				continue
			}
			line := fmt.Sprintf("%d %s: %s", i+1, m.Role, m.Text())
			for _, c := range m.Calls() {
				line += fmt.Sprintf(" %s=%s(%s)", c.ID, c.Name, c.Arguments)
			}
			for _, r := range m.Results() {
				line += fmt.Sprintf(" %s: %s", r.CallID, r.Text())
			}
			out = append(out, line)
		}
	}
	return out
}
