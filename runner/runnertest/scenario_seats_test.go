package runnertest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// retries are the same in each seat. They wait only for as long as the provider
// asks, so that times are exact.
var retries = wrap.Retry{MinDelay: -1, Restart: true}

// A seat is a way in which a program meets a script.
type seat struct {
	name  string
	exact bool // time is
	model func(*testing.T, *llmtest.Model) llm.Model
}

var (
	inProcess = seat{"in process", true, func(_ *testing.T, m *llmtest.Model) llm.Model { return retries.Model(m) }}
	transport = seat{"transport", true, func(_ *testing.T, m *llmtest.Model) llm.Model { return client(m.Client()) }}
	server    = seat{"server", true, func(t *testing.T, m *llmtest.Model) llm.Model { return client(m.Pipe(t)) }}
	loopback  = seat{"loopback", false, func(_ *testing.T, m *llmtest.Model) llm.Model {
		return openai.Config{BaseURL: m.Serve().BaseURL, Key: "k", Retry: retries}.Model("m")
	}}

	seats = []seat{inProcess, transport, server}
)

func client(h *http.Client) llm.Model {
	return openai.Config{HTTPClient: h, Key: "k", Retry: retries}.Model("m")
}

// ran is a run that has ended.
type ran struct {
	outcome
	result *runner.Result
	heard  []string
}

// run runs the desk. Of a stream the Result holds what its events say.
func run(ctx context.Context, r runner.Runner, stream bool) (ran, error) {
	question := llm.User("Where is my order?")
	if !stream {
		result, err := r.Run(ctx, desk(), question)
		return ran{result: result}, err
	}
	out := ran{result: new(runner.Result)}
	for e, err := range r.Stream(ctx, desk(), question) {
		if err != nil {
			return out, err
		}
		out.see(e)
	}
	return out, nil
}

func (r *ran) see(e event.Event) {
	if e.Seq > 0 {
		r.result.Events = append(r.result.Events, e)
	}
	switch b := e.Body.(type) {
	case event.TurnPrepared:
		r.shown = ""
	case event.TextDelta:
		r.shown += b.Text
	case event.Restarted:
		r.shown = ""
		r.restarts++
	case event.ModelAnswered:
		r.result.Text = b.Message.Text()
	case event.RunFinished:
		r.result.Usage = b.Usage
	case event.RunFailed:
		r.result.Usage = b.Usage
	}
}

// called lists the calls, with the failures of those that failed.
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
				calls = append(calls, c.Name+failures[event.NewCallRef(1, b.Turn, i)])
			}
		}
	}
	return strings.Join(calls, ", ")
}

// kindOf says what kind of error ended a run.
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
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.Canceled) && errors.Is(err, errHungUp):
		return "hung up"
	}
	return err.Error()
}

// heard is what a script was asked, without the instructions: they stand beside
// the messages here and among them on the wire.
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
