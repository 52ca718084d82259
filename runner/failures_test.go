package runner_test

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// updateFailures writes the golden files anew: TOOLLOOP_UPDATE=1.
var updateFailures = os.Getenv("TOOLLOOP_UPDATE") == "1"

// failureRow is one row of the table of failures, with a model that goes wrong
// and then does what the text asks for.
type failureRow struct {
	failure tool.Failure
	variant string // of the golden file's name
	wrong   llmtest.Step
	crashed bool // in place of wrong: the process died while the call ran
	error   string
	started bool
	// react is what the model answers to the text, and results are what it reads
	// of that before its final answer.
	react   llmtest.Step
	results []string
}

var (
	again = llmtest.Calls("act", `{"what":"it"}`)
	look  = llmtest.Calls("look", nil)
	plain = llmtest.Text("I could not do it.")
)

var failureRows = []failureRow{
	{failure: tool.UnknownTool, wrong: llmtest.Calls("acts", nil), react: again, results: []string{"done"}},
	{failure: tool.InvalidJSON, wrong: llmtest.Calls("act", `{"what":`), react: again, results: []string{"done"}},
	{failure: tool.InvalidArguments, wrong: llmtest.Calls("act", `{"that":1}`), react: again, results: []string{"done"}},
	{
		failure: tool.InvalidArguments, variant: "retry", wrong: llmtest.Calls("act", `{"what":"retry"}`),
		error: `retry: Nothing is known of "retry"; say "it".`, started: true, react: again, results: []string{"done"},
	},
	{
		failure: tool.TimedOut, wrong: llmtest.Calls("act", `{"what":"slow"}`),
		error: "context deadline exceeded", started: true, react: look, results: []string{"it is done"},
	},
	{
		failure: tool.TimedOut, variant: "left_behind", wrong: llmtest.Calls("act", `{"what":"stuck"}`),
		error: "the tool's function did not return after its context ended", started: true, react: look, results: []string{"it is done"},
	},
	{failure: tool.Panicked, wrong: llmtest.Calls("act", `{"what":"panic"}`), error: "panic: secret", started: true, react: plain},
	{
		failure: tool.Failed, wrong: llmtest.Calls("act", `{"what":"fail"}`),
		error: "order #W1 is not paid; see https://[redacted]@shop.example/orders", started: true,
		react: look.And(again), results: []string{"it is done", "done"},
	},
	{failure: tool.Failed, variant: "hidden", wrong: llmtest.Calls("act", `{"what":"hide"}`), error: "secret", started: true, react: plain},
	{
		failure: tool.Failed, variant: "goexit", wrong: llmtest.Calls("act", `{"what":"goexit"}`),
		error: "the tool's function called runtime.Goexit", started: true, react: again, results: []string{"done"},
	},
	{failure: tool.Denied, wrong: llmtest.Calls("act", `{"what":"deny"}`), started: true, react: plain},
	{failure: tool.NotRun, wrong: llmtest.Calls("act", `{"what":"i`).Finish("length"), react: again, results: []string{"done"}},
	{failure: tool.OutcomeUnknown, crashed: true, react: look, results: []string{"it is done"}},
}

func (r failureRow) name() string {
	if r.variant == "" {
		return string(r.failure)
	}
	return string(r.failure) + "_" + r.variant
}

// TestFailures: for each failure the exact text that the model reads, what the
// event says, and a run in which the model reacts to that text and comes to an end.
func TestFailures(t *testing.T) {
	t.Parallel()
	for _, row := range failureRows {
		t.Run(row.name(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, row.test)
		})
	}
}

func (r failureRow) test(t *testing.T) {
	stuck := make(chan struct{})
	defer close(stuck)
	looking := tool.Must(tool.New("look", "Looks whether it is done.", func(context.Context, struct{}) (string, error) { return "it is done", nil }))
	a := newAgent(act(stuck), looking)
	store := new(journal.Memory)
	steps := []llmtest.Step{r.wrong, r.reacts(t), llmtest.Text("Fine.")}
	if r.crashed {
		store, steps = crashed(t, a), steps[1:]
	}
	if len(r.results) == 0 { // the reaction is the final answer
		steps = steps[:len(steps)-1]
	}
	script := llmtest.Script(t, steps...)

	events, err := collect(runner.Runner{Model: script, Journal: store}.Session("s").Stream(t.Context(), a, runner.Say(llm.User("Go on."))))
	require.NoError(t, err)
	require.Equal(t, "run_finished", events[len(events)-1].Type())
	requests := script.Requests()
	read := results(requests[len(requests)-1].Messages)
	require.Equal(t, append([]string{goldenFailure(t, r.name(), read[0])}, r.results...), read)
	r.requireEvents(t, events, read[0])
}

// reacts is a model that answers only if it reads the golden text.
func (r failureRow) reacts(t *testing.T) llmtest.Step {
	return llmtest.Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
		read := results(req.Messages)
		if want := goldenFailure(t, r.name(), read[0]); len(read) != 1 || read[0] != want {
			return nil, fmt.Errorf("the model reads %q, not %q", read, want)
		}
		return r.react.Response()
	})
}

// requireEvents: what the events say of the call that failed.
func (r failureRow) requireEvents(t *testing.T, events []event.Event, text string) {
	var started bool
	var finished []event.ToolCallFinished
	for _, e := range events {
		switch b := e.Body.(type) {
		case event.ToolCallStarted:
			started = started || b.Call == "r1.t1.c0"
		case event.ToolCallFinished:
			if b.Call == "r1.t1.c0" {
				require.Equal(t, r.started, !b.Began.IsZero())
				b.Began = time.Time{}
				finished = append(finished, b)
			}
		}
	}
	name := "act"
	if r.failure == tool.UnknownTool {
		name = "acts"
	}
	require.Equal(t, r.started, started)
	require.Equal(t, []event.ToolCallFinished{{
		Call:     "r1.t1.c0",
		Result:   llm.ToolResult{CallID: "call_1", Name: name, Parts: llm.Parts{llm.Text{Text: text}}, IsError: true},
		Failure:  string(r.failure),
		Error:    r.error,
		Rejected: slices.Contains([]tool.Failure{tool.UnknownTool, tool.InvalidJSON, tool.InvalidArguments}, r.failure),
	}}, finished)
}

// crashed returns the journal of a process that died while a call was running.
func crashed(t *testing.T, a *agent.Agent) *journal.Memory {
	store := new(journal.Memory)
	r := runner.Runner{Model: llmtest.Script(t, llmtest.Calls("act", `{"what":"slow"}`)), Journal: store}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var data []byte
	go func() {
		synctest.Wait() // the call waits for its context
		var err error
		data, err = json.Marshal(store)
		if err != nil {
			t.Error(err)
		}
		cancel()
	}()
	_, err := r.Session("s").Run(ctx, a, runner.Say(llm.User("Hi.")))
	require.ErrorIs(t, err, context.Canceled)
	restored := new(journal.Memory)
	require.NoError(t, json.Unmarshal(data, restored))
	return restored
}

func failureFile(name string) string { return filepath.Join("testdata", "failures", name+".txt") }

// goldenFailure returns the golden text of a failure, after it was brought up to
// got if that was asked for.
func goldenFailure(t *testing.T, name, got string) string {
	if updateFailures {
		if err := os.WriteFile(failureFile(name), []byte(got), 0o644); err != nil {
			t.Error(err)
		}
	}
	text, err := os.ReadFile(failureFile(name))
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

// TestFailuresAreComplete: the table has each failure that package tool names,
// and there is no golden file that nothing holds.
func TestFailuresAreComplete(t *testing.T) {
	t.Parallel()
	inTable, files := map[string]bool{}, []string{}
	for _, row := range failureRows {
		inTable[string(row.failure)] = true
		files = append(files, failureFile(row.name()))
	}
	late := []string{"deferred", "expired"} // see late_test.go
	require.ElementsMatch(t, failuresOfTool(t), slices.AppendSeq(late, maps.Keys(inTable)))
	found, err := filepath.Glob(failureFile("*"))
	require.NoError(t, err)
	require.ElementsMatch(t, found, files)
}

// failuresOfTool reads the constants of type Failure.
func failuresOfTool(t *testing.T) (values []string) {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "tool", "failure.go"), nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typed, ok := spec.Type.(*ast.Ident); ok && typed.Name == "Failure" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			values = append(values, text)
		}
		return true
	})
	require.Greater(t, len(values), 8)
	return values
}

// TestAbortIsRead: Abort ends the run. The model reads of it when the session
// goes on.
func TestAbortIsRead(t *testing.T) {
	t.Parallel()
	abort := tool.Must(tool.New("abort", "Aborts.", func(context.Context, struct{}) (string, error) { return "", tool.Abort(errPlanted) }))
	script := llmtest.Script(t, llmtest.Calls("abort", nil), llmtest.Text("Fine."))
	s := with(script).Session("s")
	events, err := collect(s.Stream(t.Context(), newAgent(abort), runner.Say(llm.User("Hi."))))
	require.ErrorIs(t, err, errPlanted)
	finished := bodyOf(events, "tool_call_finished", 0).(event.ToolCallFinished)
	finished.Began = time.Time{}
	require.Equal(t, event.ToolCallFinished{
		Call: "r1.t1.c0",
		Result: llm.ToolResult{
			CallID: "call_1", Name: "abort", Parts: llm.Parts{llm.Text{Text: "The tool ended the run."}}, IsError: true,
		},
		Failure: "failed", Error: "planted",
	}, finished)
	require.Equal(t, "turn 1: tool abort: planted", bodyOf(events, "run_failed", 0).(event.RunFailed).Error)
	result, err := s.Run(t.Context(), newAgent(abort), runner.Say(llm.User("Go on.")))
	require.NoError(t, err)
	require.Equal(t, "Fine.", result.Text)
	require.Equal(t, []string{"The tool ended the run."}, results(script.Requests()[1].Messages))
}
