package runner_test

import (
	"context"
	"errors"
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

// twoTools returns an agent with the tools look and step.
func twoTools() *agent.Agent {
	newTool := func(name string) tool.Tool {
		return tool.Must(tool.New(name, "Works.", func(context.Context, stepArgs) (string, error) { return "done", nil }, tool.Idempotent()))
	}
	return &agent.Agent{Tools: []tool.Tool{newTool("look"), newTool("step")}, Settings: llm.Settings{Temperature: new(0.5)}}
}

func defNames(r llm.Request) []string {
	names := []string{}
	for _, d := range r.Tools {
		names = append(names, d.Name)
	}
	return names
}

// TestBeforeTurn: each change is in the request of its turn, and only there; messages stay.
func TestBeforeTurn(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} {
		large := llmtest.Script(t, llmtest.Calls("step", stepArgs{1}).And(llmtest.Calls("look", stepArgs{1})))
		small := llmtest.Script(t, llmtest.Calls("look", stepArgs{2}), llmtest.Text("Done."))
		var seen []agent.Info
		r := runner.Runner{Model: small, BeforeTurn: func(_ context.Context, info agent.Info) (runner.Change, error) {
			seen = append(seen, info)
			switch info.Turn {
			case 1:
				return runner.Change{}, nil
			case 2:
				return runner.Change{
					Model: large, Settings: &llm.Settings{MaxOutputTokens: 9}, Offer: []string{"step"}, ToolChoice: llm.ToolRequired,
					Messages: []llm.Message{llm.User("Hurry.")},
				}, nil
			}
			return runner.Change{Offer: []string{}}, nil
		}}
		s := r.Session("s")
		var events []event.Event
		if stream {
			var err error
			events, err = collect(s.Stream(t.Context(), twoTools(), runner.Say(llm.User("Go."))))
			require.NoError(t, err)
		} else {
			result, err := s.Run(t.Context(), twoTools(), runner.Say(llm.User("Go.")))
			require.NoError(t, err)
			events = result.Events
			require.Equal(t, "Done.", result.Text)
		}
		first, second, third := small.Requests()[0], large.Requests()[0], small.Requests()[1]
		require.Equal(t, []string{"look", "step"}, defNames(first))
		require.Equal(t, []string{"step"}, defNames(second))
		require.Empty(t, defNames(third))
		require.Equal(t, llm.ToolRequired, second.ToolChoice)
		require.Equal(t, []llm.ToolChoice{"", ""}, []llm.ToolChoice{first.ToolChoice, third.ToolChoice})
		require.Equal(t, int64(9), second.Settings.MaxOutputTokens)
		require.Nil(t, second.Settings.Temperature)
		require.Equal(t, new(0.5), third.Settings.Temperature)
		require.Equal(t, llm.User("Hurry."), second.Messages[3])
		require.Equal(t, "done", third.Messages[5].Results()[0].Text())
		require.True(t, third.Messages[6].Results()[0].IsError, "look was not on offer")
		require.Contains(t, third.Messages[6].Results()[0].Text(), "step")

		require.Len(t, seen, 3)
		require.Equal(t, []string{"look", "step"}, seen[1].Tools)
		require.Equal(t, int64(10), seen[1].Usage.InputTokens)
		require.Len(t, seen[1].Messages, 3)
		var prepared []event.TurnPrepared
		for _, e := range events {
			if b, ok := e.Body.(event.TurnPrepared); ok {
				prepared = append(prepared, b)
			}
		}
		require.Equal(t, event.TurnPrepared{Turn: 2, Agent: "agent", ToolChoice: "required", Offer: []string{"step"}, Chosen: "required",
			Messages: []llm.Message{llm.User("Hurry.")}, Changed: true}, prepared[1])
		require.Equal(t, event.TurnPrepared{Turn: 3, Agent: "agent", Offer: []string{}}, prepared[2])
	}
}

// TestBeforeTurnAfterACrash: after a crash at any event, the recorded answer counts for a
// turn without an answer of the model. Only a Model and Settings are asked for again, with
// the same question.
func TestBeforeTurnAfterACrash(t *testing.T) {
	t.Parallel()
	for _, own := range []bool{false, true} {
		questions := map[int]agent.Info{} // by turn
		asked := 0
		model := func() *llmtest.Model {
			return llmtest.NewScript(llmtest.Calls("step", stepArgs{1}).When(llmtest.Turn(1)).Forever(), llmtest.Text("Done.").Forever())
		}
		r := runner.Runner{Model: model(), BeforeTurn: func(_ context.Context, info agent.Info) (runner.Change, error) {
			asked++
			if before, again := questions[info.Turn]; again {
				require.Equal(t, texts(before.Messages), texts(info.Messages))
				require.Equal(t, before.Usage, info.Usage)
			}
			questions[info.Turn] = info
			c := runner.Change{Offer: []string{"step"}, Messages: []llm.Message{llm.User("Hurry.")}}
			if own {
				c.Model = model()
			}
			return c, nil
		}}
		all := new(journal.Memory)
		r.Journal = all
		whole, err := r.Session("s").Run(t.Context(), twoTools(), runner.Say(llm.User("Go.")))
		require.NoError(t, err)
		for cut := 2; cut < len(whole.Events); cut++ {
			r.Journal, asked = prefixOf(t, all, cut), 0
			result, err := r.Session("s").Run(t.Context(), twoTools())
			require.NoError(t, err, "cut after %d", cut)
			require.Equal(t, texts(whole.Messages), texts(result.Messages), "cut after %d", cut)
			want := 0
			for i, e := range whole.Events {
				_, prepared := e.Body.(event.TurnPrepared)
				if prepared && (i >= cut || own && i == cut-1) {
					want++
				}
			}
			require.Equal(t, want, asked, "cut after %d", cut)
		}
	}
}

// TestBadChange: a wrong answer, an error and a panic of BeforeTurn end the run, and the
// history stays as it was.
func TestBadChange(t *testing.T) {
	t.Parallel()
	for want, before := range map[string]func(context.Context, agent.Info) (runner.Change, error){
		"turn 1: BeforeTurn: planted": func(context.Context, agent.Info) (runner.Change, error) {
			return runner.Change{}, errors.New("planted")
		},
		"turn 1: BeforeTurn: runner: BeforeTurn panicked: planted": func(context.Context, agent.Info) (runner.Change, error) { panic("planted") },
		`turn 1: BeforeTurn: the agent has no tool "lok" to offer`: func(context.Context, agent.Info) (runner.Change, error) {
			return runner.Change{Offer: []string{"lok"}}, nil
		},
		"turn 1: BeforeTurn: runner: message 0: the user message is empty": func(context.Context, agent.Info) (runner.Change, error) {
			return runner.Change{Messages: []llm.Message{llm.User("")}}, nil
		},
	} {
		result, err := runner.Runner{Model: llmtest.Script(t), BeforeTurn: before}.Run(t.Context(), twoTools(), llm.User("Go."))
		require.EqualError(t, err, want)
		require.Equal(t, []llm.Message{llm.User("Go.")}, result.Messages)
	}
}
