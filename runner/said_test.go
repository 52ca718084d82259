package runner_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/compact"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestSayAtALimit says something at each event of a run that may take no further turn, typed
// or not: the run finishes with its answer, and the next run reads the message.
func TestSayAtALimit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		limit func(*runner.Runner)
	}{
		{"turns", func(r *runner.Runner) { r.MaxTurns = 1 }},
		{"tokens", func(r *runner.Runner) { r.Limits.Tokens = 5 }},
		{"budget", func(r *runner.Runner) { r.Budget = &runner.Budget{Tokens: 5} }},
		{"last answer", func(r *runner.Runner) { r.MaxTurns, r.AtLimit = 1, runner.LastAnswer }},
	} {
		for _, a := range []*agent.Agent{twoTools(), {Output: agent.OutputOf[stepArgs]()}} {
			for _, atEnd := range []bool{false, true} {
				for at := 0; ; at++ {
					r := runner.Runner{Journal: new(journal.Memory), Model: llmtest.NewScript(llmtest.Text(`{"n":1}`), llmtest.Text(`{"n":2}`).Forever())}
					tt.limit(&r)
					s := r.Session("s")
					seen := 0
					for _, err := range s.Stream(t.Context(), a, runner.Say(llm.User("Go."))) {
						require.NoError(t, err, "%s, said at %d", tt.name, at)
						if seen == at {
							say := s.Say
							if atEnd {
								say = s.SayAtEnd
							}
							require.NoError(t, say(t.Context(), llm.User("By the way.")))
						}
						seen++
					}
					if seen <= at {
						break
					}
					r.MaxTurns, r.Limits, r.Budget = 0, runner.Limits{}, nil
					result, err := r.Session("s").Run(t.Context(), a)
					if !errors.Is(err, runner.ErrNoInput) {
						require.NoError(t, err)
						require.Equal(t, `{"n":2}`, result.Text)
					}
					require.Equal(t, 1, strings.Count(fmt.Sprint(result.Messages), "By the way."))
				}
			}
		}
	}
}

// TestSayBesideAFinalTool: the result stays the answer, and the message waits.
func TestSayBesideAFinalTool(t *testing.T) {
	t.Parallel()
	submit := tool.Must(tool.New("submit", "Submits.", func(_ context.Context, in stepArgs) (int, error) { return in.N, nil }, tool.Final()))
	s := with(llmtest.Script(t, llmtest.Calls("submit", stepArgs{7}), llmtest.Text("You are welcome."))).Session("s")
	a := &agent.Agent{Tools: []tool.Tool{submit}}
	var end event.RunFinished
	for e, err := range s.Stream(t.Context(), a, runner.Say(llm.User("Go."))) {
		require.NoError(t, err)
		switch b := e.Body.(type) {
		case event.ToolCallStarted:
			require.NoError(t, s.Say(t.Context(), llm.User("Thanks.")))
		case event.RunFinished:
			end = b
		}
	}
	require.True(t, end.Stopped)
	require.Equal(t, "7", string(end.Output))
	result, err := s.Run(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, "You are welcome.", result.Text)
}

// TestSaidTokens: a message counts before it stands in the history.
func TestSaidTokens(t *testing.T) {
	t.Parallel()
	long := llm.User(strings.Repeat("word ", 1000))
	for _, r := range []runner.Runner{{Limits: runner.Limits{RequestTokens: 1000}}, {Budget: &runner.Budget{Tokens: 1300}}} {
		r.Model = llmtest.NewScript(llmtest.Text("Done.").Usage(llm.Usage{}).Forever())
		s := r.Session("s")
		if r.Budget != nil { // pays the estimate
			require.NoError(t, s.Say(t.Context(), long))
			_, err := s.Run(t.Context(), &agent.Agent{})
			require.NoError(t, err)
		}
		require.NoError(t, s.Say(t.Context(), long))
		_, err := s.Run(t.Context(), &agent.Agent{})
		if r.Budget != nil {
			require.NoError(t, err)
			_, err = s.Run(t.Context(), &agent.Agent{}, runner.Say(llm.User("More.")))
		}
		var limit *runner.LimitError
		require.ErrorAs(t, err, &limit)
	}
	early := runner.Runner{Model: llmtest.Script(t, llmtest.Text("Done.")), Compact: &compact.Policy{Tokens: 100, Strategy: func(_ context.Context, h *compact.History) ([]llm.Message, error) {
		return nil, fmt.Errorf("a history of %d messages is no reason", len(h.Messages))
	}}}.Session("s")
	require.NoError(t, early.Say(t.Context(), long))
	_, err := early.Run(t.Context(), &agent.Agent{})
	require.NoError(t, err)

	r := runner.Runner{Compact: &compact.Policy{Tokens: 1000}, Model: llmtest.NewScript(
		llmtest.Calls("step", stepArgs{1}), llmtest.Text("Done.").Usage(llm.Usage{}).Forever())}
	s := r.Session("s")
	compacted := false
	for e, err := range s.Stream(t.Context(), twoTools(), runner.Say(llm.User("Go."))) {
		require.NoError(t, err)
		switch e.Body.(type) {
		case event.ToolCallFinished:
			require.NoError(t, s.Say(t.Context(), long))
		case event.Compacted:
			compacted = true
		}
	}
	require.True(t, compacted)
}

// A slowJournal appends messages of Say in a second.
type slowJournal struct{ journal.Memory }

type slowLog struct{ journal.Log }

// Open implements [journal.Journal].
func (j *slowJournal) Open(ctx context.Context, name string) (journal.Log, error) {
	l, err := j.Memory.Open(ctx, name)
	return slowLog{l}, err
}

// Append implements [journal.Log].
func (l slowLog) Append(ctx context.Context, sync bool, events ...event.Event) error {
	if b, ok := events[0].Body.(event.UserMessaged); ok && b.Said {
		time.Sleep(time.Second) // synctest: exact in a bubble
	}
	return l.Log.Append(ctx, sync, events...)
}

// TestBusyWithAMoment: one Session value waits for its own short uses of the log. Only its
// run is a reason for a BusyError.
func TestBusyWithAMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := runner.Runner{Journal: new(slowJournal), Model: llmtest.NewScript(llmtest.Text("Done.").Forever())}.Session("s")
		var all sync.WaitGroup
		all.Go(func() { require.NoError(t, s.Say(t.Context(), llm.User("hint"))) })
		time.Sleep(time.Second / 2) // synctest: exact in a bubble
		ended, cancel := context.WithTimeout(t.Context(), time.Second/4)
		defer cancel()
		_, err := s.Run(ended, &agent.Agent{}, runner.Say(llm.User("Go.")))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		messages, err := s.Messages(t.Context())
		require.NoError(t, err)
		require.Len(t, messages, 1)
		all.Go(func() { require.NoError(t, s.Say(t.Context(), llm.User("more"))) })
		time.Sleep(time.Second / 2) // synctest: exact in a bubble
		result, err := s.Run(t.Context(), &agent.Agent{}, runner.Say(llm.User("Go.")))
		require.NoError(t, err)
		require.Equal(t, "more", result.Messages[1].Text())
		all.Wait()
	})
}

// TestSayAndRunAtOnce says something from four goroutines while runs begin and end: no error,
// and each message is in the conversation once.
func TestSayAndRunAtOnce(t *testing.T) {
	t.Parallel()
	s := runner.Runner{MaxTurns: -1, Model: llmtest.NewScript(llmtest.Text("Done.").Forever())}.Session("s")
	const speakers, each = 4, 30
	var all sync.WaitGroup
	for g := range speakers {
		all.Go(func() {
			for i := range each {
				say := s.Say
				if i%3 == 0 {
					say = s.SayAtEnd
				}
				if err := say(t.Context(), llm.User(fmt.Sprintf("m%d-%d.", g, i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	for over := false; !over; {
		_, err := s.Run(t.Context(), &agent.Agent{}, runner.Say(llm.User("Go.")))
		require.NoError(t, err)
		select {
		case <-done:
			over = true
		default:
		}
	}
	if _, err := s.Run(t.Context(), &agent.Agent{}); !errors.Is(err, runner.ErrNoInput) {
		require.NoError(t, err)
	}
	messages, err := s.Messages(t.Context())
	require.NoError(t, err)
	text := fmt.Sprint(messages)
	for g := range speakers {
		for i := range each {
			require.Equal(t, 1, strings.Count(text, fmt.Sprintf("m%d-%d.", g, i)))
		}
	}
}

// TestStallAndSay: a message is no stall, although the turns before it repeat.
func TestStallAndSay(t *testing.T) {
	t.Parallel()
	script := llmtest.NewScript(llmtest.Calls("step", stepArgs{1}).When(llmtest.Turn(1)), llmtest.Calls("step", stepArgs{1}).When(llmtest.Turn(2)),
		llmtest.Calls("step", stepArgs{1}).When(llmtest.Turn(3)), llmtest.Calls("step", stepArgs{1}).When(llmtest.Turn(4)), llmtest.Text("Done."))
	s := runner.Runner{Model: script, Limits: runner.Limits{Repeats: 2}}.Session("s")
	results, nudges := 0, 0
	for e, err := range s.Stream(t.Context(), twoTools(), runner.Say(llm.User("Go."))) {
		require.NoError(t, err)
		switch e.Body.(type) {
		case event.ToolCallFinished:
			if results++; results == 4 {
				require.NoError(t, s.Say(t.Context(), llm.User("Use another page.")))
			}
		case event.StallDetected:
			nudges++
		}
	}
	require.Equal(t, 1, nudges)
}

// TestSpentInVain: what a strategy spent before its error is the run's.
func TestSpentInVain(t *testing.T) {
	t.Parallel()
	budget := &runner.Budget{Tokens: 1 << 20}
	r := runner.Runner{Budget: budget, Compact: &compact.Policy{Tokens: 100, Strategy: func(ctx context.Context, h *compact.History) ([]llm.Message, error) {
		_, err := h.Ask(ctx, nil, &llm.Request{Messages: []llm.Message{llm.User("Summarize.")}})
		return nil, errors.Join(err, errors.New("planted"))
	}}, Model: llmtest.Script(t, llmtest.Text("Short.").Usage(llm.Usage{InputTokens: 7, OutputTokens: 3}))}
	s := r.Session("s")
	result, err := s.Run(t.Context(), &agent.Agent{}, runner.Say(llm.User(strings.Repeat("word ", 1000))))
	require.ErrorContains(t, err, "turn 1: compaction: planted")
	require.EqualValues(t, 7, result.Usage.InputTokens)
	failed := result.Events[len(result.Events)-1].Body.(event.RunFailed)
	require.Equal(t, result.Usage, failed.Usage)
	require.Len(t, result.Messages, 1)
	tokens, _ := budget.Used()
	require.EqualValues(t, 10, tokens)
}
