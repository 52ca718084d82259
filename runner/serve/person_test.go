package serve_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/serve"
)

// The posts of both protocols.
const (
	uiPay     = `{"id":"c","message":{"id":"a","role":"user","parts":[{"type":"text","text":"Pay W1."}]}}`
	uiApprove = `{"id":"c","message":{"role":"assistant","parts":[{"state":"approval-responded","approval":{"id":"r1.t1.c0@5","approved":true}}]}}`
	agPay     = `{"threadId":"c","runId":"x","messages":[{"id":"a","role":"user","content":"Pay W1."}]}`
	agApprove = `{"threadId":"c","runId":"z","resume":[{"interruptId":"r1.t1.c0@5","status":"resolved","payload":{"approved":true}}]}`
)

// as posts JSON for a visitor.
func (s site) as(t *testing.T, person, path, body string) stream {
	t.Helper()
	return s.do(t, http.MethodPost, path+"?as="+person, body)
}

// visitor is Person of the tests.
func visitor(r *http.Request) string { return r.URL.Query().Get("as") }

// saidBy returns who said the messages of the session.
func saidBy(t *testing.T, j journal.Reader) (all []string) {
	t.Helper()
	for e, err := range j.Read(t.Context(), "c", 0) {
		require.NoError(t, err)
		if b, ok := e.Body.(event.UserMessaged); ok {
			all = append(all, b.Person)
		}
	}
	return all
}

// TestPerson: the session records who said a message and who decided, on both protocols.
func TestPerson(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ path, message, other, decision string }{
		"UI stream": {
			"/chat",
			uiPay,
			`{"id":"c","message":{"role":"user","parts":[{"type":"text","text":"And?"}]}}`,
			uiApprove,
		},
		"AG-UI": {
			"/ag",
			agPay,
			`{"threadId":"c","runId":"y","messages":[{"role":"user","content":"And?"}]}`,
			agApprove,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := new(journal.Memory)
				s := open(t, serve.Config{
					Runner: runner.Runner{Journal: store}, Person: visitor, Queue: 1,
					Agent: desk(slow(t, llmtest.Calls("pay", lookArgs{"W1"}), llmtest.Text("Done."), llmtest.Text("Paid."))),
				})
				page := strings.Join(s.as(t, "ada@x", tt.path, tt.message).all(t), "\n")
				running := s.as(t, "bob@x", tt.path, tt.decision)
				waiting := s.as(t, "eve@x", tt.path, tt.other) // in the queue
				page += strings.Join(append(running.all(t), waiting.all(t)...), "\n") + s.text(t, "/chat/c/messages")
				require.Contains(t, page, "Paid.")
				require.Equal(t, []string{"ada@x", "eve@x"}, saidBy(t, store))
				state, err := runner.Runner{Journal: store}.Session("c").State(t.Context())
				require.NoError(t, err)
				require.Len(t, state.Decisions, 1)
				require.Equal(t, "bob@x", state.Decisions[0].Person)
				for _, person := range []string{"ada@x", "bob@x", "eve@x"} {
					require.NotContains(t, page, person)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		store := new(journal.Memory)
		s := open(t, serve.Config{Runner: runner.Runner{Journal: store}, Agent: desk(llmtest.Script(t, llmtest.Text("Yes.")))})
		s.say(t, "a", "Is it?").all(t)
		require.Equal(t, []string{""}, saidBy(t, store))
	})
}

// TestMayAnswer: the visitor who asked is refused, reads no reason, and another one approves.
func TestMayAnswer(t *testing.T) {
	t.Parallel()
	another := func(_ context.Context, p runner.Pending, d runner.Decision) error {
		if d.Person == "" || slices.Contains(p.Persons, d.Person) {
			return errors.Join(errors.New("a secret rule"), &journal.BusyError{})
		}
		return nil
	}
	for _, tt := range []struct{ path, message, decision string }{
		{"/chat", uiPay, uiApprove},
		{"/ag", agPay, agApprove},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := open(t, serve.Config{
				Runner: runner.Runner{MayAnswer: another}, Person: visitor, Logger: slog.New(slog.DiscardHandler),
				Agent: desk(llmtest.Script(t, llmtest.Calls("pay", lookArgs{"W1"}), llmtest.Text("Done."))),
			})
			s.as(t, "ada@x", tt.path, tt.message).all(t)
			for _, person := range []string{"ada@x", ""} {
				refused := s.as(t, person, tt.path, tt.decision)
				require.Equal(t, http.StatusForbidden, refused.StatusCode)
				text, err := io.ReadAll(refused.lines)
				require.NoError(t, err)
				require.Equal(t, "You may not answer this question.\n", string(text))
			}
			require.Contains(t, s.text(t, "/chat/c/messages"), `"state":"approval-requested"`)
			require.Contains(t, strings.Join(s.as(t, "bob@x", tt.path, tt.decision).all(t), "\n"), "Done.")
			require.Equal(t, http.StatusConflict, s.as(t, "bob@x", tt.path, tt.decision).StatusCode)
		})
	}
}

// A sleepy journal takes a second to open a session.
type sleepy struct{ *journal.Memory }

func (s sleepy) Open(ctx context.Context, session string) (journal.Log, error) {
	time.Sleep(time.Second) // synctest: exact in a bubble
	return s.Memory.Open(ctx, session)
}

// TestQueuedRefusal: an answer that waited in the queue and is refused then says so, as an
// answer that did not wait.
func TestQueuedRefusal(t *testing.T) {
	t.Parallel()
	notBob := func(_ context.Context, _ runner.Pending, d runner.Decision) error {
		if d.Person == "bob@x" {
			return errors.New("a secret rule")
		}
		return nil
	}
	own := func(err error) string {
		if e, ok := errors.AsType[*runner.DecisionError](err); ok && e.Err != nil {
			return "Bob is new here."
		}
		return ""
	}
	second := strings.NewReplacer("c0@5", "c1@6")
	for _, tt := range []struct {
		path, message, decision string
		text                    func(error) string
		want                    string
	}{
		{"/chat", uiPay, uiApprove, nil, `{"type":"error","errorText":"You may not answer this question."}`},
		{"/ag", agPay, agApprove, own, `{"type":"RUN_ERROR","message":"Bob is new here.","code":"refused"}`},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := open(t, serve.Config{
				Runner: runner.Runner{Journal: sleepy{new(journal.Memory)}, MayAnswer: notBob}, Person: visitor, Queue: 1,
				Agent:  desk(llmtest.Script(t, llmtest.Calls("pay", lookArgs{"W1"}).And(llmtest.Calls("pay", lookArgs{"W2"})))),
				Logger: slog.New(slog.DiscardHandler), ErrorText: tt.text,
			})
			s.as(t, "ada@x", tt.path, tt.message).all(t)
			done := make(chan struct{})
			go func() {
				defer close(done)
				s.as(t, "ada@x", tt.path, tt.decision).all(t)
			}()
			time.Sleep(time.Second / 2) // synctest: exact in a bubble
			waited := s.as(t, "bob@x", tt.path, second.Replace(tt.decision))
			require.Equal(t, http.StatusOK, waited.StatusCode)
			require.Contains(t, waited.all(t), tt.want)
			<-done
			refused := s.as(t, "bob@x", tt.path, second.Replace(tt.decision))
			require.Equal(t, http.StatusForbidden, refused.StatusCode)
			text, err := io.ReadAll(refused.lines)
			require.NoError(t, err)
			require.Contains(t, tt.want, strings.TrimSpace(string(text)))
		})
	}
}
