package runner_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// TestSayAtEveryEvent says something while the loop body holds each event, on both wires:
// the model reads it once, and every request is valid. After the end of the run, the
// message waits for the next run, also in another process.
func TestSayAtEveryEvent(t *testing.T) {
	t.Parallel()
	for _, api := range []openai.API{openai.APIChat, openai.APIResponses} {
		for _, atEnd := range []bool{false, true} {
			for at := 0; ; at++ {
				script := llmtest.NewScript(llmtest.Calls("step", stepArgs{1}).When(llmtest.Turn(1)).Forever(), llmtest.Text("Done.").Forever())
				store := new(journal.Memory)
				r := runner.Runner{Journal: store, Model: openai.Config{HTTPClient: script.Client(), Key: "k", API: api}.Model("m")}
				s := r.Session("s")
				seen, ended := 0, false
				for e, err := range s.Stream(t.Context(), twoTools(), runner.Say(llm.User("Go."))) {
					require.NoError(t, err)
					if seen == at {
						say := s.Say
						if atEnd {
							say = s.SayAtEnd
						}
						require.NoError(t, say(t.Context(), llm.User("By the way.")))
						_, ended = e.Body.(event.RunFinished)
						if b, ok := e.Body.(event.ModelAnswered); ok { // recorded with the end of the run
							ended = len(b.Message.Calls()) == 0
						}
					}
					seen++
				}
				if seen <= at {
					break
				}
				result, err := runner.Runner{Journal: store, Model: r.Model}.Session("s").Run(t.Context(), twoTools())
				if ended {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, runner.ErrNoInput)
				}
				said := 0
				for _, m := range result.Messages {
					if m.Text() == "By the way." {
						said++
					}
				}
				require.Equal(t, 1, said, "at %d", at)
				require.Equal(t, llm.RoleAssistant, result.Messages[len(result.Messages)-1].Role)
				require.NoError(t, (&llm.Request{Messages: result.Messages}).Validate())
			}
		}
	}
}

// TestSayBetweenRuns: the message waits, and comes before the messages of the next run.
func TestSayBetweenRuns(t *testing.T) {
	t.Parallel()
	script := llmtest.Script(t, llmtest.Text("One."), llmtest.Text("Two."))
	s := with(script).Session("s")
	require.NoError(t, s.Say(t.Context(), llm.User("First.")))
	result, err := s.Run(t.Context(), twoTools())
	require.NoError(t, err)
	require.Equal(t, "One.", result.Text)
	require.NoError(t, s.SayAtEnd(t.Context(), llm.User("Second.")))
	messages, err := s.Messages(t.Context())
	require.NoError(t, err)
	require.Equal(t, "Second.", messages[2].Text())
	result, err = s.Run(t.Context(), twoTools(), runner.Say(llm.User("Third.")))
	require.NoError(t, err)
	require.Equal(t, "Second.", result.Messages[2].Text())
	require.Equal(t, "Third.", result.Messages[3].Text())
}

// TestSayRefused: an error, and nothing is added.
func TestSayRefused(t *testing.T) {
	t.Parallel()
	store := new(journal.Memory)
	s := runner.Runner{Journal: store}.Session("s")
	require.ErrorIs(t, s.Say(t.Context()), runner.ErrNoInput)
	require.EqualError(t, s.Say(t.Context(), llm.User("")), "runner: message 0: the user message is empty")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Say(ended, llm.User("Hi.")), context.Canceled)
	log, err := store.Open(t.Context(), "s")
	require.NoError(t, err)
	var busy *journal.BusyError
	require.ErrorAs(t, s.Say(t.Context(), llm.User("Hi.")), &busy)
	require.NoError(t, log.Close())
	require.Empty(t, eventsOf(t, store))
}
