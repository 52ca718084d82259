package runner_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/compact"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A feature is a run with something beside turns and calls in it.
type feature struct {
	name  string
	steps int                    // calls of the model before its answer
	set   func(r *runner.Runner) // settings of each process
	agent func() *agent.Agent    // nil: with the tool step
	said  bool                   // a message comes before the run, and one beside each call
	want  string                 // an event of the run
}

var features = []feature{
	{name: "stop", steps: 3, want: "run_finished", set: func(r *runner.Runner) {
		r.StopWhen = func(i agent.Info) bool { return i.Turn >= 2 }
	}},
	{name: "final tool", steps: 3, want: "run_finished", agent: func() *agent.Agent { return stepper(tool.Final()) }},
	{name: "say", steps: 3, said: true, want: "user_messaged"},
	{name: "say at a limit", steps: 2, said: true, want: "user_messaged", set: func(r *runner.Runner) { r.MaxTurns = 3 }},
	{name: "limit", steps: 3, want: "limit_reached", set: func(r *runner.Runner) { r.MaxTurns = 2 }},
	{name: "last turn", steps: 3, want: "limit_reached", set: func(r *runner.Runner) { r.MaxTurns, r.AtLimit = 2, runner.LastAnswer }},
	{name: "compaction", steps: 4, want: "compacted", set: func(r *runner.Runner) { r.Compact = &compact.Policy{Tokens: 700} }},
	{name: "output", steps: 1, want: "output_rejected", agent: func() *agent.Agent {
		a := stepper()
		a.Output = agent.OutputOf[stepArgs]()
		return a
	}},
	{name: "everything", steps: 4, said: true, want: "compacted", set: func(r *runner.Runner) {
		r.Compact, r.PutAside = &compact.Policy{Tokens: 700}, 1000
		r.MaxTurns, r.AtLimit = 3, runner.LastAnswer
	}},
}

// stepper returns an agent with the tool step, whose results are long.
func stepper(opts ...tool.Option) *agent.Agent {
	step := tool.Must(tool.New("step", "Steps.", func(_ context.Context, in stepArgs) (string, error) {
		return fmt.Sprint(in.N, strings.Repeat(" word", 300)), nil
	}, append(opts, tool.Idempotent())...))
	return &agent.Agent{Tools: []tool.Tool{step}}
}

// model takes its steps, and then answers, in a wrong form first if the answer has a form.
// It knows only the request, so every process goes on where another one stopped.
func (f *feature) model(api openai.API) llm.Model {
	script := llmtest.NewScript(llmtest.Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
		if err := req.Validate(); err != nil {
			return nil, err
		}
		n, misfit := 0, false
		for _, m := range req.Messages {
			n += len(m.Calls())
			misfit = misfit || strings.Contains(m.Text(), "nonsense")
		}
		switch {
		case n < f.steps && req.ToolChoice != llm.ToolNone && len(req.Tools) > 0:
			return llmtest.Calls("step", stepArgs{n + 1}).Usage(llm.Usage{InputTokens: tokensOf(req), OutputTokens: 10}).Response()
		case f.name == "output" && !misfit:
			return llmtest.Text("nonsense").Response()
		}
		return llmtest.Text(`{"n":7}`).Response()
	}).Forever())
	return openai.Config{HTTPClient: script.Client(), Key: "k", API: api}.Model("m")
}

// run runs the session to its end, and returns how the run ended.
func (f *feature) run(t *testing.T, r runner.Runner, fresh bool) (string, error) {
	if f.set != nil {
		f.set(&r)
	}
	a := stepper()
	if f.agent != nil {
		a = f.agent()
	}
	s := r.Session("s")
	var in []runner.Input
	if fresh {
		in = append(in, runner.Say(llm.User("Go.")))
		if f.said {
			require.NoError(t, s.Say(t.Context(), llm.User("Early.")))
		}
	}
	end := ""
	for e, err := range s.Stream(t.Context(), a, in...) {
		if err != nil {
			return end, err
		}
		switch b := e.Body.(type) {
		case event.ToolCallStarted:
			if f.said {
				if err := s.Say(t.Context(), llm.User("By the way.")); err != nil {
					return end, err
				}
			}
		case event.RunFinished:
			end = fmt.Sprintf("finished, stopped %v, output %.20s, turns %d", b.Stopped, b.Output, b.Turns)
		}
	}
	return end, nil
}

// TestFeaturesAfterACrash cuts the journal of each run after every event, on both wires,
// streamed and not. Another process goes on, and the run ends in the same way.
func TestFeaturesAfterACrash(t *testing.T) {
	t.Parallel()
	f := func(t *testing.T, f *feature, r runner.Runner) {
		store := new(journal.Memory)
		r.Journal = store
		want, werr := f.run(t, r, true)
		whole := eventsOf(t, store)
		require.Contains(t, types(whole), f.want)
		for cut := 3; cut < len(whole)-1; cut++ {
			switch whole[cut-1].Body.(type) {
			case event.UserMessaged, event.RunStarted: // the rest of the input was not given
				if cut < 5 {
					continue
				}
			}
			memory := journalOf(t, whole[:cut])
			r.Journal = memory
			got, err := f.run(t, r, false)
			if errors.Is(err, runner.ErrNoInput) { // the run had ended
				continue
			}
			require.Equal(t, fmt.Sprint(werr), fmt.Sprint(err), "cut after %d", cut)
			require.Equal(t, want, got, "cut after %d", cut)
			requireOneEnd(t, eventsOf(t, memory))
		}
	}
	forEachFeature(t, f)
}

// TestFeaturesAfterAnError refuses each append once. The run fails, and the session goes on.
func TestFeaturesAfterAnError(t *testing.T) {
	t.Parallel()
	forEachFeature(t, func(t *testing.T, f *feature, r runner.Runner) {
		store := new(recorded)
		r.Journal = store
		want, werr := f.run(t, r, true)
		for at := 2; at < len(store.appends); at++ {
			broken := &recorded{before: func(n int) (error, bool) {
				if n == at {
					return errPlanted, false
				}
				return nil, false
			}}
			r.Journal = broken
			_, err := f.run(t, r, true)
			require.ErrorIs(t, err, errPlanted)
			got, err := f.run(t, r, false)
			if errors.Is(err, runner.ErrNoInput) {
				continue
			}
			// The run after a failed run counts its turns from the beginning.
			var limit *runner.LimitError
			if err != nil && errors.As(werr, &limit) {
				require.ErrorAs(t, err, &limit)
			} else {
				require.NoError(t, err, "append %d", at)
				require.Equal(t, strings.Contains(want, "output {"), strings.Contains(got, "output {"))
			}
			requireOneEnd(t, eventsOf(t, broken))
		}
	})
}

func forEachFeature(t *testing.T, f func(t *testing.T, f *feature, r runner.Runner)) {
	for i := range features {
		for _, api := range []openai.API{openai.APIChat, openai.APIResponses} {
			for _, whole := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%v/whole=%v", features[i].name, api, whole), func(t *testing.T) {
					t.Parallel()
					f(t, &features[i], runner.Runner{Model: features[i].model(api), NoStream: whole})
				})
			}
		}
	}
}

// requireOneEnd: each call that began has one result, and the last run one end.
func requireOneEnd(t *testing.T, events []event.Event) {
	t.Helper()
	ends, results := 0, map[event.CallRef]int{}
	for _, e := range events {
		switch b := e.Body.(type) {
		case event.RunStarted:
			ends = 0
		case event.RunFinished, event.RunFailed:
			ends++
		case event.ToolCallFinished:
			results[b.Call]++
		}
	}
	require.Equal(t, 1, ends)
	for ref, n := range results {
		require.Equal(t, 1, n, ref)
	}
}
