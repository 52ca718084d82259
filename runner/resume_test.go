package runner_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A ledger is the outside world: the effects of calls by their keys.
type ledger struct {
	mu      sync.Mutex
	effects map[string]string
	times   map[string]int
}

func newLedger() *ledger { return &ledger{effects: map[string]string{}, times: map[string]int{}} }

func (l *ledger) do(key, what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.effects[key] = what
	l.times[key]++
}

type deedArgs struct {
	N int `json:"n"`
}

// desk is an agent with a tool that may be repeated, one that may not, and one
// that a person must approve.
func desk(l *ledger) *agent.Agent {
	deed := func(name string, opts ...tool.Option) tool.Tool {
		return tool.Must(tool.New(name, "Does it.", func(ctx context.Context, in deedArgs) (string, error) {
			l.do(tool.CallFrom(ctx).Key, fmt.Sprint(name, in.N))
			return fmt.Sprintf("%s %d is done", name, in.N), nil
		}, opts...))
	}
	return &agent.Agent{Name: "desk", Tools: []tool.Tool{deed("repeat", tool.Idempotent()), deed("once"), deed("ask", tool.NeedsApproval())}}
}

// worker answers from the history that it is sent: four turns of three calls.
func worker() llm.Model {
	return llmtest.NewScript(llmtest.Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
		turn := 0
		for _, m := range req.Messages {
			if m.Role == llm.RoleAssistant {
				turn++
			}
		}
		if turn == 4 {
			return llmtest.Text("All is done.").Response()
		}
		args := deedArgs{turn}
		step := llmtest.Calls("repeat", args).And(llmtest.Calls("once", args), llmtest.Calls("ask", args))
		return step.Response()
	}).Forever())
}

// finish runs a session to its end. Calls that wait are approved; of those in
// doubt the ledger knows.
func finish(t *testing.T, j journal.Journal, l *ledger, first ...runner.Input) *runner.Result {
	t.Helper()
	s := runner.Runner{Model: worker(), Journal: j}.Session("s")
	in := first
	for range 20 {
		result, err := s.Run(t.Context(), desk(l), in...)
		if err == nil {
			return result
		}
		require.ErrorIs(t, err, runner.ErrPaused)
		in = nil
		for _, p := range result.Pending {
			done, happened := l.effects[p.Key]
			switch {
			case !p.InDoubt:
				in = append(in, p.Approve())
			case happened: // "once2" was written down
				name := p.ToolCall.Name
				in = append(in, p.Happened(llm.Text{Text: name + " " + strings.TrimPrefix(done, name) + " is done"}))
			default:
				in = append(in, p.RunAgain())
			}
		}
	}
	t.Fatal("the session does not end")
	return nil
}

// TestResumeAnywhere cuts a session off after every event, with the calls in
// flight done or not, and goes on in a new process: each effect is had once, and
// the conversation is that of a session which nobody disturbed.
func TestResumeAnywhere(t *testing.T) {
	t.Parallel()
	quiet, world := new(journal.Memory), newLedger()
	want := finish(t, quiet, world, runner.Say(llm.User("Do it all.")))
	require.Equal(t, "All is done.", want.Text)
	require.Len(t, world.effects, 12)
	events := eventsOf(t, quiet)
	for cut := 2; cut < len(events); cut++ {
		for _, flying := range []bool{false, true} {
			j, l := cutOff(t, events[:cut], flying, world)
			got := finish(t, j, l)
			require.Equal(t, texts(want.Messages), texts(got.Messages), "cut after %d, flying %v", cut, flying)
			require.Equal(t, world.effects, l.effects)
			for key, n := range l.times {
				require.True(t, n == 1 || strings.HasPrefix(l.effects[key], "repeat"), "%s ran %d times", l.effects[key], n)
			}
		}
	}
}

// cutOff returns a journal with these events, and the ledger as it was then: with
// the effects of calls that were started and have no result, or without.
func cutOff(t *testing.T, events []event.Event, flying bool, world *ledger) (*journal.Memory, *ledger) {
	t.Helper()
	j, l := new(journal.Memory), newLedger()
	log, err := j.Open(t.Context(), "s")
	require.NoError(t, err)
	require.NoError(t, log.Append(t.Context(), true, events...))
	require.NoError(t, log.Close())
	had := map[event.CallRef]bool{}
	for _, e := range events {
		switch b := e.Body.(type) {
		case event.ToolCallStarted:
			had[b.Call] = flying
		case event.ToolCallFinished:
			had[b.Call] = true
		}
	}
	for key, what := range maps.All(world.effects) {
		if had[event.CallRef(key[strings.LastIndex(key, "/")+1:])] {
			l.effects[key], l.times[key] = what, 1
		}
	}
	return j, l
}

// texts is what was said, without the ids that a provider makes.
func texts(messages []llm.Message) (all []string) {
	for _, m := range messages {
		line := string(m.Role) + " " + m.Text()
		for _, c := range m.Calls() {
			line += " " + c.Name + c.Arguments
		}
		for _, r := range m.Results() {
			line += " " + r.Name + ": " + r.Text()
		}
		all = append(all, line)
	}
	return all
}

// TestPausedSessionsAreIndependent of each other.
func TestPausedSessionsAreIndependent(t *testing.T) {
	t.Parallel()
	j := new(journal.Memory)
	l := newLedger()
	r := runner.Runner{Model: worker(), Journal: j}
	for i := range 100 {
		_, err := r.Session(fmt.Sprint("s", i)).Run(t.Context(), desk(l), runner.Say(llm.User("Do it all.")))
		require.True(t, errors.Is(err, runner.ErrPaused))
	}
	for i := range 100 {
		pending, err := r.Session(fmt.Sprint("s", i)).Pending(t.Context())
		require.NoError(t, err)
		require.Len(t, pending, 1)
		require.Equal(t, "ask", pending[0].ToolCall.Name)
	}
}

// TestLimitOutlivesACrash: the limit that ended a run is told as it was then, by
// a process which knows none.
func TestLimitOutlivesACrash(t *testing.T) {
	t.Parallel()
	for _, limit := range []string{"turns", "invalid_rounds"} {
		store := new(journal.Memory)
		record(t, store,
			event.RunStarted{Version: event.Version, Run: 1, Agent: "desk", ID: "x"},
			event.UserMessaged{Message: llm.User("Hi.")},
			event.LimitReached{Limit: limit, Max: 7},
		)
		r := runner.Runner{Model: worker(), Journal: store, MaxTurns: -1, MaxInvalidRounds: -1}
		_, err := r.Session("s").Run(t.Context(), desk(newLedger()))
		got, _ := errors.AsType[*runner.LimitError](err)
		require.Equal(t, &runner.LimitError{Limit: limit, Max: 7}, got)
	}
}

// TestCarriedCallKnowsItsTurn: a call that a failed run left, and the next one
// runs, is told the turn that made it.
func TestCarriedCallKnowsItsTurn(t *testing.T) {
	t.Parallel()
	store := new(journal.Memory)
	record(t, store,
		event.RunStarted{Version: event.Version, Run: 1, Agent: "a", ID: "x"},
		event.UserMessaged{Message: llm.User("Hi.")},
		event.TurnPrepared{Turn: 1, Agent: "a"},
		event.ModelAnswered{Turn: 1, Message: llm.Message{Role: llm.RoleAssistant, Parts: llm.Parts{
			llm.ToolCall{ID: "c", Name: "tell", Arguments: `{"n":1}`},
		}}},
		event.RunFailed{Run: 1, Turns: 1, Error: "the disk was full"},
	)
	var turn int
	tell := tool.Must(tool.New("tell", "Tells.", func(ctx context.Context, _ deedArgs) (string, error) {
		turn = tool.CallFrom(ctx).Turn
		return "told", nil
	}))
	r := runner.Runner{Model: llmtest.NewScript(llmtest.Text("Fine.")), Journal: store}
	_, err := r.Session("s").Run(t.Context(), &agent.Agent{Name: "a", Tools: []tool.Tool{tell}})
	require.NoError(t, err)
	require.Equal(t, 1, turn)
}

// TestPreparedAgain: a turn that has no answer yet is prepared again for the agent
// that goes on with it, and only if that changes it.
func TestPreparedAgain(t *testing.T) {
	t.Parallel()
	old := desk(newLedger())
	old.Instructions = "Be kind."
	crashed := func(t *testing.T) *journal.Memory {
		all := new(journal.Memory)
		_, err := runner.Runner{Model: llmtest.NewScript(llmtest.Text("Hello.")), Journal: all}.Session("s").
			Run(t.Context(), old, runner.Say(llm.User("Hi.")))
		require.NoError(t, err)
		j := new(journal.Memory)
		for _, e := range eventsOf(t, all) {
			record(t, j, e.Body)
			if _, ok := e.Body.(event.TurnPrepared); ok {
				return j
			}
		}
		panic("no turn was prepared")
	}
	for _, tt := range []struct {
		name         string
		instructions string
		tools        int
		again        int
	}{
		{"the same agent", "Be kind.", 3, 1},
		{"other instructions", "Be brief.", 3, 2},
		{"other tools", "Be kind.", 1, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			j := crashed(t)
			script := llmtest.Script(t, llmtest.Text("Hello."))
			now := desk(newLedger())
			now.Instructions, now.Tools = tt.instructions, now.Tools[:tt.tools]
			_, err := runner.Runner{Model: script, Journal: j}.Session("s").Run(t.Context(), now)
			require.NoError(t, err)
			sent := script.Requests()[0]
			require.Equal(t, tt.instructions, sent.Instructions)
			require.Len(t, sent.Tools, tt.tools)
			prepared := 0
			for _, e := range eventsOf(t, j) {
				if b, ok := e.Body.(event.TurnPrepared); ok {
					prepared++
					require.Equal(t, 1, b.Turn)
				}
			}
			require.Equal(t, tt.again, prepared)
		})
	}
}
