package runner_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// doing returns a model that does something in place of an answer.
func doing(f func()) llm.Model {
	return llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) {
		f()
		return nil, errPlanted
	})
}

// misbehaviours are helpers that do what no helper should do: what the outer model reads, and
// how long it takes at most.
func misbehaviours() map[string]struct {
	change func(*agent.Helper)
	want   string
	took   time.Duration
} {
	type row = struct {
		change func(*agent.Helper)
		want   string
		took   time.Duration
	}
	n := 0
	work := tool.Must(tool.New("work", "Works.", func(context.Context, stepArgs) (string, error) { return "worked", nil }))
	counting := llmtest.Reply(func(context.Context, *llm.Request) (*llm.Response, error) {
		n++
		return llmtest.Calls("work", stepArgs{n}).Response()
	}).Forever()
	return map[string]row{
		"endless turns": {func(h *agent.Helper) {
			h.Agent.Model, h.Agent.Tools = llmtest.NewScript(counting), []tool.Tool{work}
		}, "The helper did not finish: limit of 30 turns reached (MaxTurns)", 0},
		"the same call for ever": {func(h *agent.Helper) {
			h.Agent.Model, h.Agent.Tools = llmtest.NewScript(llmtest.Calls("work", stepArgs{1}).Forever()), []tool.Tool{work}
		}, "The helper did not finish: the calls repeat without a new result", 0},
		"wrong calls for ever": {func(h *agent.Helper) {
			h.Agent.Model = llmtest.NewScript(llmtest.Calls("wrok", nil).Forever())
		}, "The helper did not finish: limit reached: in 3 turns in a row every tool call was wrong", 0},
		"the model panics":             {func(h *agent.Helper) { h.Agent.Model = doing(func() { panic("planted") }) }, "The helper did not finish: runner: a function of the caller's panicked or ended its goroutine", 0},
		"the model ends its goroutine": {func(h *agent.Helper) { h.Agent.Model = doing(runtime.Goexit) }, "The helper did not finish: runner: a function of the caller's panicked or ended its goroutine", 0},
		"the model hangs": {func(h *agent.Helper) {
			h.Name, h.Description = "", ""
			h.Task = tool.Must(tool.New("ask_billing", "Asks.", func(_ context.Context, in struct {
				Task string `json:"task"`
			}) (string, error) {
				return in.Task, nil
			}, tool.Timeout(time.Minute)))
			h.Agent.Model = doing(hangs)
		}, "The helper did not finish: limit of 1m0s for a run reached", 65 * time.Second},
		"a huge answer": {func(h *agent.Helper) {
			h.Agent.Model = llmtest.NewScript(llmtest.Text(strings.Repeat("x", 8<<20)))
		}, "xxxxxxxxxx", 0},
		"the instructions panic": {func(h *agent.Helper) {
			h.Agent.Instruct = func(context.Context, agent.Info) (string, error) { panic("planted") }
		}, "The helper did not finish: runner: a function of the caller's panicked or ended its goroutine", 0},
		"Sees panics": {func(h *agent.Helper) {
			h.Sees = func([]llm.Message) []llm.Message { panic("planted") }
		}, "The helper did not begin: the program could not make its task.", 0},
		"Sees hangs": {func(h *agent.Helper) {
			h.Sees = func([]llm.Message) []llm.Message { hangs(); return nil }
		}, "The helper did not begin: the program could not make its task in time.", 125 * time.Second},
		"the task panics": {func(h *agent.Helper) {
			h.Name, h.Description = "", ""
			h.Task = tool.Must(tool.New("ask_billing", "Asks.", func(context.Context, struct {
				Task string `json:"task"`
			}) (string, error) {
				panic("planted")
			}))
		}, "The tool broke down because of an internal fault", 0},
		"the task hangs": {func(h *agent.Helper) {
			h.Name, h.Description = "", ""
			h.Task = tool.Must(tool.New("ask_billing", "Asks.", func(context.Context, struct {
				Task string `json:"task"`
			}) (string, error) {
				hangs()
				return "", nil
			}))
		}, "The helper did not begin: the program could not make its task in time.", 125 * time.Second},
		"hand-offs in a circle": {func(h *agent.Helper) {
			other := &agent.Agent{Name: "other", Model: llmtest.NewScript(llmtest.Calls("transfer_to_billing", nil).Forever())}
			h.Agent.Model = llmtest.NewScript(llmtest.Calls("transfer_to_other", nil).Forever())
			h.Agent.Handoffs, other.Handoffs = []agent.Handoff{{Agent: other}}, []agent.Handoff{{Agent: h.Agent}}
		}, "The helper did not finish: limit of 10 hand-offs reached", 0},
		"hand-offs to itself": {func(h *agent.Helper) {
			h.Agent.Model = llmtest.NewScript(llmtest.Calls("transfer_to_billing", nil).Forever())
		}, "The helper did not finish: limit reached: in 3 turns in a row every tool call was wrong", 0},
		"a Filter that panics": {func(h *agent.Helper) {
			h.Agent.Model = llmtest.NewScript(llmtest.Calls("transfer_to_other", nil).Forever())
			h.Agent.Handoffs = []agent.Handoff{{Agent: &agent.Agent{Name: "other"}, Filter: func([]llm.Message) []llm.Message { panic("planted") }}}
		}, `The helper did not finish: turn 2: hand-off to "other": Filter: `, 0},
		"a check that hangs": {func(h *agent.Helper) {
			h.Agent.Checks = []agent.Check{{Name: "guard", Input: func(context.Context, agent.Subject) (verdict, error) { hangs(); return verdict{}, nil }}}
		}, `The helper did not finish: turn 1: check "guard" (input): it did not end within 2m0s`, 125 * time.Second},
	}
}

// TestMisbehavingHelpers: a helper that misbehaves, in a session and outside, costs the outer run
// a result that its model can read, a bounded time, and no more.
func TestMisbehavingHelpers(t *testing.T) {
	t.Parallel()
	for name := range misbehaviours() {
		for _, session := range []bool{false, true} {
			t.Run(fmt.Sprint(name, session), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					m := misbehaviours()[name]
					a := withHelper(t, []llmtest.Step{delegate("Work."), llmtest.Text("Done.")}, nil)
					a.Helpers[0].Agent.Model = llmtest.NewScript(llmtest.Text("Worked.").Forever())
					m.change(&a.Helpers[0])
					r := runner.Runner{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
					began := time.Now()
					var result *runner.Result
					var err error
					if session {
						result, err = r.Session("s").Run(t.Context(), a, runner.Say(llm.User("Go.")))
					} else {
						result, err = r.Run(t.Context(), a, llm.User("Go."))
					}
					require.NoError(t, err)
					require.Equal(t, "Done.", result.Text)
					require.Empty(t, result.Pending)
					text := result.Messages[2].Results()[0].Text()
					require.True(t, strings.HasPrefix(text, m.want), text[:min(len(text), 300)])
					require.Less(t, len(text), 300_000)
					require.LessOrEqual(t, time.Since(began), m.took)
					wait()
				})
			})
		}
	}
}
