package runner_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

const (
	noneAllowed = "The call did not run: no tool may be called in this turn. Answer without one."
	onlyAsk     = `The call did not run: only the tool "ask" may be called in this turn. Call that tool.`
	onlyAmong   = `The call did not run: only the tools ["ask" "pay"] may be called in this turn.`
	amongAuto   = `auto among ["ask","pay"]`
)

// TestToolChoiceIsHeld: the runner enforces a tool choice that the server ignores. A
// forbidden call does not run and the model reads the reason. The runner asks once
// more for a forced call.
func TestToolChoiceIsHeld(t *testing.T) {
	t.Parallel()
	call := func(names ...string) (s llmtest.Step) {
		for _, n := range names {
			s = s.And(llmtest.Calls(n, waitArgs{n, 0}))
		}
		return s
	}
	fine := llmtest.Text("Fine.")
	const calledNone = "Your last reply called no tool, but "
	for _, tt := range []struct {
		name    string
		choice  llm.ToolChoice
		hosted  bool
		steps   []llmtest.Step
		ran     []string
		told    []string // results, and messages that the runner added
		choices []llm.ToolChoice
		err     string
	}{
		{"none", llm.ToolNone, false, []llmtest.Step{call("ask"), fine}, nil, []string{noneAllowed}, []llm.ToolChoice{"none", "none"}, ""},
		{"none, an unknown tool", llm.ToolNone, false, []llmtest.Step{call("nobody"), fine}, nil, []string{noneAllowed}, []llm.ToolChoice{"none", "none"}, ""},
		{"none, later", llm.ToolNone, false, []llmtest.Step{call("ask", "tell"), call("tell"), fine}, nil,
			[]string{noneAllowed, noneAllowed, noneAllowed}, []llm.ToolChoice{"none", "none", "none"}, ""},
		{"none, without end", llm.ToolNone, false, []llmtest.Step{call("ask"), call("ask"), call("ask")}, nil,
			[]string{noneAllowed, noneAllowed, noneAllowed}, []llm.ToolChoice{"none", "none", "none"},
			"limit reached: in 3 turns in a row every tool call was wrong (MaxInvalidRounds)"},
		{"named", llm.ToolNamed("ask"), false, []llmtest.Step{call("ask", "ask"), fine}, []string{"ask", "ask"}, []string{"ask", "ask"}, []llm.ToolChoice{"tool:ask", ""}, ""},
		{"named, another", llm.ToolNamed("ask"), false, []llmtest.Step{call("tell"), call("ask"), fine}, []string{"ask"},
			[]string{onlyAsk, "ask"}, []llm.ToolChoice{"tool:ask", "tool:ask", ""}, ""},
		{"named, another beside it", llm.ToolNamed("ask"), false, []llmtest.Step{call("tell", "ask"), call("tell"), fine}, []string{"ask", "tell"},
			[]string{onlyAsk, "ask", "tell"}, []llm.ToolChoice{"tool:ask", "", ""}, ""},
		{"named, another one needs approval", llm.ToolNamed("ask"), false, []llmtest.Step{call("pay"), call("ask"), fine}, []string{"ask"},
			[]string{onlyAsk, "ask"}, []llm.ToolChoice{"tool:ask", "tool:ask", ""}, ""},
		{"named, text", llm.ToolNamed("ask"), false, []llmtest.Step{llmtest.Text("So."), call("ask"), fine}, []string{"ask"},
			[]string{calledNone + `you must call the tool "ask". Call it now.`, "ask"}, []llm.ToolChoice{"tool:ask", "tool:ask", ""}, ""},
		{"among", llm.ToolAmong(llm.ToolAuto, "ask", "pay"), false, []llmtest.Step{call("tell", "ask"), call("tell"), fine}, []string{"ask"},
			[]string{onlyAmong, "ask", onlyAmong}, []llm.ToolChoice{amongAuto, amongAuto, amongAuto}, ""},
		{"among, an unknown tool", llm.ToolAmong(llm.ToolAuto, "ask", "pay"), false, []llmtest.Step{call("nobody"), fine}, nil,
			[]string{onlyAmong}, []llm.ToolChoice{amongAuto, amongAuto}, ""},
		{"among, required", llm.ToolAmong(llm.ToolRequired, "ask", "pay"), false, []llmtest.Step{llmtest.Text("So."), call("ask"), call("tell"), fine}, []string{"ask"},
			[]string{calledNone + `you must call one of the tools "ask", "pay". Call one now.`, "ask", onlyAmong},
			[]llm.ToolChoice{`required among ["ask","pay"]`, `required among ["ask","pay"]`, amongAuto, amongAuto}, ""},
		{"among, required, text twice", llm.ToolAmong(llm.ToolRequired, "ask"), false, []llmtest.Step{llmtest.Text("So."), llmtest.Text("So.")}, nil,
			[]string{calledNone + `you must call one of the tools "ask". Call one now.`}, []llm.ToolChoice{`required among ["ask"]`, `required among ["ask"]`},
			`turn 2: the model called no tool, but the tool choice requires a call (finish reason "stop")`},
		{"required", llm.ToolRequired, false, []llmtest.Step{call("tell"), fine}, []string{"tell"}, []string{"tell"}, []llm.ToolChoice{"required", ""}, ""},
		{"required, text twice", llm.ToolRequired, false, []llmtest.Step{llmtest.Text("So."), llmtest.Text("So.")}, nil,
			[]string{calledNone + "you must call one. Call a tool now."}, []llm.ToolChoice{"required", "required"},
			`turn 2: the model called no tool, but the tool choice requires a call (finish reason "stop")`},
		{"required, text, hosted tools", llm.ToolRequired, true, []llmtest.Step{fine}, nil, nil, []llm.ToolChoice{"required"}, ""},
		{"auto", llm.ToolAuto, false, []llmtest.Step{call("tell"), fine}, []string{"tell"}, []string{"tell"}, []llm.ToolChoice{"auto", "auto"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newTimeline()
				script := llmtest.Script(t, tt.steps...)
				a := newAgent(l.tool("ask"), l.tool("tell"), l.tool("pay", tool.NeedsApproval()))
				a.Settings.ToolChoice = tt.choice
				if tt.hosted {
					a.Settings.HostedTools = []json.RawMessage{json.RawMessage(`{"type":"web_search"}`)}
				}
				result, err := with(script).Run(t.Context(), a, llm.User("Hi."))
				if tt.err == "" {
					require.NoError(t, err)
				} else {
					require.EqualError(t, err, tt.err)
				}
				var ran []string
				for _, s := range l.spans {
					var name string
					_, _ = fmt.Sscan(s, &name)
					ran = append(ran, name)
				}
				slices.Sort(ran)
				require.Equal(t, tt.ran, ran)
				require.Equal(t, tt.told, toldIn(result.Messages[1:]))
				var choices []llm.ToolChoice
				for _, r := range script.Requests() {
					choices = append(choices, r.ToolChoice)
				}
				require.Equal(t, tt.choices, choices)
				requireValid(t, result.Messages)
			})
		})
	}
}

// toldIn returns the texts of results and of messages with the user's role.
func toldIn(messages []llm.Message) (texts []string) {
	for _, m := range messages {
		texts = append(texts, results([]llm.Message{m})...)
		if m.Role == llm.RoleUser {
			texts = append(texts, m.Text())
		}
	}
	return texts
}

// TestNoCall is a FinishError that keeps the text.
func TestNoCall(t *testing.T) {
	t.Parallel()
	a := newAgent(weather())
	a.Settings.ToolChoice = llm.ToolRequired
	result, err := with(llmtest.NewScript(llmtest.Text("Warm.").Forever())).Run(t.Context(), a, llm.User("Hi."))
	got, _ := errors.AsType[*runner.FinishError](err)
	require.Equal(t, &runner.FinishError{Reason: "no_call", Finish: llm.FinishOf("stop", "")}, got)
	require.Equal(t, "Warm.", result.Text)
}

// TestToolChoiceOutlivesACrash: a session that continues from its journal enforces the
// choice of the turn, even if the agent has another choice by now. A forced choice that
// the model followed is not in force again before the caller's next message.
func TestToolChoiceOutlivesACrash(t *testing.T) {
	t.Parallel()
	ask, tell := llm.ToolCall{ID: "1", Name: "ask", Arguments: `{"name":"ask","seconds":0}`}, llm.ToolCall{ID: "2", Name: "tell", Arguments: `{"name":"tell","seconds":0}`}
	for _, tt := range []struct {
		name    string
		choice  llm.ToolChoice // of the turn
		now     llm.ToolChoice // of the agent that goes on
		calls   []llm.Part
		fails   bool // the run failed, its process did not die
		told    []string
		choices []llm.ToolChoice
	}{
		{"none", llm.ToolNone, "", []llm.Part{ask}, false, []string{noneAllowed}, []llm.ToolChoice{""}},
		{"none, failed", llm.ToolNone, "", []llm.Part{ask}, true, []string{noneAllowed}, []llm.ToolChoice{""}},
		{"named", llm.ToolNamed("ask"), llm.ToolNamed("ask"), []llm.Part{tell, ask}, false, []string{onlyAsk, "ask"}, []llm.ToolChoice{""}},
		{"named, failed", llm.ToolNamed("ask"), llm.ToolNamed("ask"), []llm.Part{ask}, true, []string{"ask"}, []llm.ToolChoice{""}},
		{"named, ignored", llm.ToolNamed("ask"), llm.ToolNamed("ask"), []llm.Part{tell}, true, []string{onlyAsk, "ask"}, []llm.ToolChoice{"tool:ask", ""}},
		{"no answer yet", llm.ToolNone, llm.ToolNone, nil, false, nil, []llm.ToolChoice{"none"}},
		{"no answer yet, another agent", llm.ToolNone, "", nil, false, nil, []llm.ToolChoice{""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			store := new(journal.Memory)
			record(t, store,
				event.RunStarted{Version: event.Version, Run: 1, Agent: "assistant", ID: "x"}, event.UserMessaged{Message: llm.User("Hi.")},
				event.TurnPrepared{Turn: 1, Agent: "assistant", Tools: []event.OfferedTool{{Name: "ask"}}, ToolChoice: tt.choice})
			if tt.calls != nil {
				record(t, store, event.ModelAnswered{Turn: 1, Message: llm.Assistant("", tt.calls...)})
			}
			if tt.fails {
				record(t, store, event.RunFailed{Run: 1})
			}
			steps := []llmtest.Step{llmtest.Text("Fine.")}
			if len(tt.choices) > 1 {
				steps = []llmtest.Step{llmtest.Calls("ask", waitArgs{"ask", 0}), steps[0]}
			}
			script := llmtest.Script(t, steps...)
			l := newTimeline()
			a := newAgent(l.tool("ask"), l.tool("tell"))
			a.Settings.ToolChoice = tt.now
			r := runner.Runner{Model: script, Journal: store}
			result, err := r.Session("s").Run(t.Context(), a)
			require.NoError(t, err)
			require.Equal(t, tt.told, results(result.Messages))
			for i, req := range script.Requests() {
				require.Equal(t, tt.choices[i], req.ToolChoice)
			}
		})
	}
}

// TestOneAfterTheOther: without parallel tool calls, each call begins after the end of
// the call before it.
func TestOneAfterTheOther(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		parallel *bool
		want     []string
	}{
		{"false", new(false), []string{"a 0s-3s", "b 3s-4s", "c 4s-6s"}},
		{"true", new(true), []string{"a 0s-3s", "b 0s-1s", "c 0s-2s"}},
		{"not said", nil, []string{"a 0s-3s", "b 0s-1s", "c 0s-2s"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newTimeline()
				a := newAgent(l.tool("x"), l.tool("y"))
				a.Settings.ParallelToolCalls = tt.parallel
				script := llmtest.Script(t, turnOf("x", "a", 3, "y", "b", 1, "x", "c", 2), llmtest.Text("Fine."))
				result, err := with(script).Run(t.Context(), a, llm.User("Hi."))
				require.NoError(t, err)
				require.Equal(t, tt.want, l.sorted())
				require.Equal(t, []string{"a", "b", "c"}, results(result.Messages))
			})
		})
	}
}

// TestOneAfterTheOtherFails: a call after a call that ends the run does not run.
func TestOneAfterTheOtherFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newTimeline()
		a := newAgent(l.tool("x"))
		a.Settings.ParallelToolCalls = new(false)
		_, err := with(llmtest.Script(t, turnOf("x", "abort", 1, "x", "b", 1))).Run(t.Context(), a, llm.User("Hi."))
		require.ErrorIs(t, err, errPlanted)
		require.Equal(t, []string{"abort 0s-1s"}, l.sorted())
	})
}

// TestOneAfterTheOtherResumes: after a crash in the first call, the second call is not
// in doubt. It waits for the decision about the first call.
func TestOneAfterTheOtherResumes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newTimeline()
		a := newAgent(l.tool("x"), l.tool("pay", tool.NeedsApproval()))
		a.Settings.ParallelToolCalls = new(false)
		whole := new(journal.Memory)
		s := runner.Runner{Journal: whole, Model: llmtest.Script(t, turnOf("x", "a", 1, "pay", "b", 2, "x", "c", 1))}.Session("s")
		result, err := s.Run(t.Context(), a, runner.Say(llm.User("Hi.")))
		require.ErrorIs(t, err, runner.ErrPaused)
		require.Equal(t, []string{"a 0s-1s"}, l.sorted(), "the third waits for the decision about the second")
		require.Len(t, result.Pending, 1)

		store := new(journal.Memory) // the first one is in doubt
		for _, e := range eventsOf(t, whole) {
			record(t, store, e.Body)
			if e.Type() == "tool_call_started" {
				break
			}
		}
		r := runner.Runner{Journal: store, Model: llmtest.Script(t, llmtest.Text("Fine."))}
		result, err = r.Session("s").Run(t.Context(), a)
		require.ErrorIs(t, err, runner.ErrPaused)
		require.Len(t, result.Pending, 1)
		result, err = r.Session("s").Run(t.Context(), a, result.Pending[0].RunAgain())
		require.ErrorIs(t, err, runner.ErrPaused)
		require.Equal(t, "pay", result.Pending[0].ToolCall.Name)
		_, err = r.Session("s").Run(t.Context(), a) // nothing is decided
		require.ErrorIs(t, err, runner.ErrPaused)
		_, err = r.Session("s").Run(t.Context(), a, result.Pending[0].Approve())
		require.NoError(t, err)
		require.Equal(t, []string{"a 0s-1s", "a 1s-2s", "b 2s-4s", "c 4s-5s"}, l.sorted())
		require.Equal(t, 5*time.Second, time.Since(l.start))
	})
}
