package runner_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
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
)

// slowWords writes a word each second, after a thought, and answers with all of them.
func slowWords(words int) llm.Model {
	return llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		text := ""
		if req.Stream {
			sink(llm.ReasoningDelta{Text: "Hm."})
		}
		for i := range words {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
			word := fmt.Sprintf("w%d ", i+1)
			if text += word; req.Stream {
				sink(llm.TextDelta{Text: word})
			}
		}
		return &llm.Response{Message: llm.Assistant(text), Finish: llm.FinishOf("stop", "")}, nil
	})
}

var errStopped = errors.New("stopped")

// streamed returns the AnswerStreamed among events.
func streamed(events []event.Event) (all []event.AnswerStreamed) {
	for _, e := range events {
		if b, ok := e.Body.(event.AnswerStreamed); ok {
			all = append(all, b)
		}
	}
	return all
}

func wordsUpTo(n int) (text string) {
	for i := range n {
		text += fmt.Sprintf("w%d ", i+1)
	}
	return text
}

// TestKeepPartial cancels a streamed answer after each second: the text so far is kept, marked
// as what it is, and no model reads it.
func TestKeepPartial(t *testing.T) {
	t.Parallel()
	for _, every := range []time.Duration{0, -1, time.Nanosecond, 2500 * time.Millisecond, time.Hour} {
		for seconds := range 6 {
			synctest.Test(t, func(t *testing.T) {
				r := runner.Runner{Journal: new(journal.Memory), KeepPartial: every, Model: slowWords(5)}
				s := r.Session("s")
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Duration(seconds)*time.Second+time.Millisecond, errStopped)
				defer cancel()
				live, err := collect(s.Stream(ctx, new(agent.Agent), runner.Say(llm.User("Hi."))))
				state, serr := s.State(t.Context())
				require.NoError(t, serr)
				recorded := eventsOf(t, r.Journal)
				require.Equal(t, recorded, slices.DeleteFunc(live, func(e event.Event) bool { return e.Seq == 0 }))
				switch {
				case seconds == 5:
					require.NoError(t, err)
					require.Nil(t, state.Partial)
					require.Equal(t, wordsUpTo(5), state.Text)
					if every == 2500*time.Millisecond { // the next is due half a second after the answer
						require.Equal(t, []event.AnswerStreamed{{Turn: 1, Text: wordsUpTo(2), Reasoning: "Hm."}}, streamed(recorded))
					}
					return
				case every == 0:
					require.ErrorIs(t, err, errStopped)
					require.Nil(t, state.Partial)
					return
				}
				require.ErrorIs(t, err, errStopped)
				require.Equal(t, &runner.PartialAnswer{Turn: 1, Text: wordsUpTo(seconds), Reasoning: "Hm."}, state.Partial)
				require.Equal(t, journal.Failed, state.Status)
				require.Empty(t, state.Text)
				require.Equal(t, []llm.Message{llm.User("Hi.")}, state.Messages)
				result, err := s.Run(t.Context(), new(agent.Agent), runner.Say(llm.User("Well?")))
				require.NoError(t, err)
				require.Equal(t, []llm.Message{llm.User("Hi."), llm.User("Well?"), llm.Assistant(wordsUpTo(5))}, result.Messages)
			})
		}
	}
}

// TestKeepPartialInCrash looks at the journal at each quarter of a second: a process that dies
// there loses the text of two and a half seconds at most. The next process asks again, and says that the
// earlier text does not count.
func TestKeepPartialInCrash(t *testing.T) {
	t.Parallel()
	for quarters := range 20 {
		synctest.Test(t, func(t *testing.T) {
			r := runner.Runner{Journal: new(journal.Memory), KeepPartial: 2500 * time.Millisecond, Model: slowWords(5)}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = collect(r.Session("s").Stream(ctx, new(agent.Agent), runner.Say(llm.User("Hi."))))
			}()
			time.Sleep(time.Duration(quarters)*250*time.Millisecond + time.Millisecond) // synctest: exact in a bubble
			dead := prefixOf(t, r.Journal.(*journal.Memory), int(summaryOf(t, r.Journal).Seq))
			cancel()
			<-done
			r.Journal = dead
			s := r.Session("s")
			state, err := s.State(t.Context())
			require.NoError(t, err)
			require.Equal(t, journal.Running, state.Status)
			had := ""
			if state.Partial != nil {
				had = state.Partial.Text
			}
			require.True(t, strings.HasPrefix(had, wordsUpTo((quarters-10)/4)), "%d quarters: %q", quarters, had)
			require.True(t, strings.HasPrefix(wordsUpTo(quarters/4), had), "%d quarters: %q", quarters, had)

			live, err := collect(s.Stream(t.Context(), new(agent.Agent)))
			require.NoError(t, err)
			_, restarted := live[0].Body.(event.Restarted)
			require.Equal(t, state.Partial != nil, restarted, "before the first delta")
			again := streamed(live)
			require.Equal(t, state.Partial != nil, again[0].Again)
			require.Equal(t, wordsUpTo(2), again[0].Text)
			state, err = s.State(t.Context())
			require.NoError(t, err)
			require.Nil(t, state.Partial)
			require.Equal(t, wordsUpTo(5), state.Text)
		})
	}
}

func summaryOf(t *testing.T, j journal.Journal) (sum journal.Summary) {
	t.Helper()
	for s, err := range j.(journal.Reader).List(t.Context(), journal.Filter{}) {
		require.NoError(t, err)
		sum = s
	}
	return sum
}

// TestKeepPartialEnds: every other end of a request keeps the text, too.
func TestKeepPartialEnds(t *testing.T) {
	t.Parallel()
	failing := func(after llm.Model) llm.Model {
		return llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
			sink(llm.TextDelta{Text: "lost "})
			sink(llm.Restarted{Err: errStopped})
			if resp, err := after.Generate(ctx, req, sink); err != nil {
				return resp, err
			}
			return nil, &llm.APIError{Kind: llm.KindTruncated}
		})
	}
	for name, tt := range map[string]struct {
		model llm.Model // of the agent, or of its helper
		help  bool
		drain bool // in the middle
		take  int  // deltas before the consumer leaves, or panics if negative; 0: all
		want  string
	}{
		"error":           {model: failing(slowWords(2)), want: wordsUpTo(2)},
		"consumer leaves": {model: slowWords(5), take: 3, want: wordsUpTo(2)}, // after the reasoning
		"consumer panics": {model: slowWords(5), take: -3, want: wordsUpTo(2)},
		"drained":         {model: slowWords(5), drain: true, want: wordsUpTo(2)},
		"a helper's":      {model: failing(slowWords(2)), help: true, want: wordsUpTo(2)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := runner.Runner{Journal: new(journal.Memory), KeepPartial: -1}
				a := &agent.Agent{Model: tt.model}
				if tt.help {
					a = &agent.Agent{Helpers: []agent.Helper{{Agent: a, Name: "ask", Description: "Asks."}}, Model: llmtest.NewScript(
						llmtest.Calls("ask", map[string]string{"task": "Go."}), llmtest.Text("Done."))}
				}
				ctx := t.Context()
				if tt.drain {
					stop, cancel := context.WithTimeout(ctx, 2001*time.Millisecond)
					defer cancel()
					ctx = runner.Drain(ctx, stop)
				}
				require.Equal(t, tt.take < 0, takeDeltas(r.Session("s").Stream(ctx, a, runner.Say(llm.User("Hi."))), tt.take))
				got := streamed(eventsOf(t, r.Journal))
				require.Len(t, got, 1)
				require.Equal(t, tt.want, got[0].Text)
				state, err := r.Session("s").State(t.Context())
				require.NoError(t, err)
				require.Equal(t, tt.drain, state.Status == journal.Running)
				require.Equal(t, tt.help, state.Partial == nil, "the text of a helper is not that of the session")
			})
		})
	}
}

// takeDeltas takes so many deltas, and then leaves. It panics if the number is negative, and
// takes all if it is 0.
func takeDeltas(events iter.Seq2[event.Event, error], most int) (panicked bool) {
	defer func() { panicked = recover() != nil }()
	n := 0
	for e := range events {
		switch e.Body.(type) {
		case event.TextDelta, event.ReasoningDelta:
			n++
		}
		switch {
		case n > 0 && n == most:
			return false
		case n > 0 && n == -most:
			panic("planted")
		}
	}
	return false
}

// TestKeepPartialBeside: a check beside the request holds the text back until it has passed.
func TestKeepPartialBeside(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		says   verdict
		cancel time.Duration
		want   []event.AnswerStreamed
	}{
		{verdict{Stop: "no"}, time.Hour, nil},
		{verdict{Replace: "Hello."}, 3500 * time.Millisecond, []event.AnswerStreamed{{Turn: 1, Reasoning: "Hm."}, {Turn: 1, Text: "w1 "}}}, // of the second request
		{verdict{}, 1800 * time.Millisecond, nil},
		{verdict{}, 3800 * time.Millisecond, []event.AnswerStreamed{{Turn: 1, Text: wordsUpTo(2), Reasoning: "Hm."}, {Turn: 1, Text: "w3 "}}},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := guarded(agent.Check{Beside: true, Input: func(ctx context.Context, _ agent.Subject) (verdict, error) {
				select {
				case <-time.After(2200 * time.Millisecond):
					return tt.says, nil
				case <-ctx.Done():
					return tt.says, ctx.Err()
				}
			}}, nil)
			r := runner.Runner{Journal: new(journal.Memory), KeepPartial: 700 * time.Millisecond, Model: slowWords(9)}
			ctx, cancel := context.WithTimeout(t.Context(), tt.cancel)
			defer cancel()
			_, err := collect(r.Session("s").Stream(ctx, a, runner.Say(llm.User("Hi."))))
			require.Error(t, err)
			require.Equal(t, tt.want, streamed(eventsOf(t, r.Journal)))
		})
	}
}

// TestKeepPartialRefused: a journal that refuses the text ends the run.
func TestKeepPartialRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refuse := &refusing{kind: "answer_streamed"}
		r := runner.Runner{Journal: refuse, KeepPartial: 1500 * time.Millisecond, Model: slowWords(5)}
		began := time.Now()
		_, err := collect(r.Session("s").Stream(t.Context(), new(agent.Agent), runner.Say(llm.User("Hi."))))
		require.ErrorIs(t, err, errRefused)
		require.Equal(t, 1500*time.Millisecond, time.Since(began))
	})
}

// A refusing journal refuses events of a type.
type refusing struct {
	journal.Memory
	kind string
}

type refusingLog struct {
	journal.Log
	kind string
}

func (r *refusing) Open(ctx context.Context, session string) (journal.Log, error) {
	log, err := r.Memory.Open(ctx, session)
	return refusingLog{log, r.kind}, err
}

var errRefused = errors.New("refused")

func (l refusingLog) Append(ctx context.Context, sync bool, events ...event.Event) error {
	if slices.ContainsFunc(events, func(e event.Event) bool { return e.Type() == l.kind }) {
		return errRefused
	}
	return l.Log.Append(ctx, sync, events...)
}
