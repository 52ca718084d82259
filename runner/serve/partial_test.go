package serve_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/serve"
)

// wordy writes a word each second.
func wordy(words ...string) *agent.Agent {
	return desk(llm.ModelFunc(func(ctx context.Context, _ *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		for _, w := range words {
			sink(llm.TextDelta{Text: w})
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
		return &llm.Response{Message: llm.Assistant(strings.Join(words, "")), Finish: llm.FinishOf("stop", "")}, nil
	}))
}

const partialMark = `{"type":"data-toolloop-partial","data":{"step":1}}`

// TestPartialAnswer: after a stop, a page that comes back shows what the page before showed,
// with the mark of a partial answer.
func TestPartialAnswer(t *testing.T) {
	t.Parallel()
	for _, every := range []time.Duration{-1, 700 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			r := runner.Runner{Journal: new(journal.Memory), KeepPartial: every}
			one := open(t, serve.Config{Runner: r, Agent: wordy("It ", "was ", "sent ", "on ", "Monday.")})
			answer := one.say(t, "a", "Where is W1?")
			time.Sleep(2500 * time.Millisecond) // synctest: exact in a bubble
			late := one.do(t, http.MethodGet, "/chat/c/stream", "")
			time.Sleep(100 * time.Millisecond) // synctest: exact in a bubble
			require.Equal(t, http.StatusNoContent, one.do(t, http.MethodPost, "/chat/c/stop", "").StatusCode)
			told := answer.all(t)
			require.Equal(t, "It was sent ", textOf(t, told))
			require.Contains(t, told, partialMark)
			require.Equal(t, told, late.all(t), "a page that came in the middle")

			two := open(t, serve.Config{Runner: r, Agent: wordy()})
			text := two.text(t, "/chat/c/messages")
			require.Contains(t, text, `{"type":"text","text":"It was sent ","state":"done"},`+partialMark)
			ag := strings.Join(two.do(t, http.MethodPost, "/ag", `{"threadId":"c","runId":"2","messages":[]}`).all(t), "\n")
			require.Contains(t, ag, `"content":"It was sent "`)
			require.Contains(t, ag, `{"type":"CUSTOM","name":"toolloop.partial","value":{"stepName":"turn 1","messageId":"m1.1"}}`)
		})
	}
}

// TestPartialAnswerInCrash: a page of the next process shows the text of the dead process until
// the new answer begins.
func TestPartialAnswerInCrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := runner.Runner{Journal: new(journal.Memory), KeepPartial: 700 * time.Millisecond}
		one := open(t, serve.Config{Runner: r, Agent: wordy("It ", "was ", "sent ", "on ", "Monday.")})
		answer := one.say(t, "a", "Where is W1?")
		time.Sleep(2800 * time.Millisecond) // synctest: exact in a bubble
		dead := new(journal.Memory)
		log, err := dead.Open(t.Context(), "c")
		require.NoError(t, err)
		for e, err := range r.Journal.(*journal.Memory).Read(t.Context(), "c", 0) {
			require.NoError(t, err)
			require.NoError(t, log.Append(t.Context(), true, []event.Event{e}...))
		}
		require.NoError(t, log.Close())
		require.Equal(t, "It was sent on Monday.", textOf(t, answer.all(t)))

		r.Journal = dead
		two := open(t, serve.Config{Runner: r, Agent: wordy("It ", "came ", "back.")})
		events := two.do(t, http.MethodGet, "/chat/c/stream", "").all(t)
		whole := strings.Join(events, "\n")
		require.Contains(t, whole, `"delta":"It was sent "}`)
		require.Equal(t, 1, strings.Count(whole, "data-toolloop-restart"))
		require.NotContains(t, whole, "data-toolloop-partial")
		require.Contains(t, whole[strings.Index(whole, "data-toolloop-restart"):], `"delta":"It came back."}`)
	})
}
