package temporal_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
	toolloop "github.com/seed-916e8f6a/toolloop/runner/temporal"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestSay: a message of Say has the same effect as in package runner, at any time during a run:
// before an answer, during calls, at the end, and where a limit forbids another turn.
func TestSay(t *testing.T) {
	t.Parallel()
	message := func(ctx context.Context, s *runner.Session) error {
		return s.SayInput(ctx, runner.By("ada", runner.Say(llm.User("And hurry."))))
	}
	atEnd := func(ctx context.Context, s *runner.Session) error { return s.SayAtEnd(ctx, llm.User("Thanks.")) }
	slow := func(s llmtest.Step) llmtest.Step { return s.With(llmtest.Late(10 * time.Minute)) }
	charge := llmtest.Calls("charge", order{"W1"})
	final := llmtest.Calls("quote", order{"W1"})
	for name, c := range map[string]struct {
		steps []llmtest.Step
		turns int
		at    []time.Duration
		say   func(context.Context, *runner.Session) error
	}{
		"during a turn with calls":      {[]llmtest.Step{slow(charge), llmtest.Text("Done.")}, 0, []time.Duration{time.Minute}, message},
		"during a call":                 {[]llmtest.Step{charge, llmtest.Text("Done.")}, 0, []time.Duration{time.Minute}, message},
		"during the last turn":          {[]llmtest.Step{slow(llmtest.Text("Done.")), llmtest.Text("Hurried.")}, 0, []time.Duration{time.Minute}, message},
		"during the last turn, twice":   {[]llmtest.Step{slow(llmtest.Text("Done.")), slow(llmtest.Text("Hurried.")), llmtest.Text("Again.")}, 0, []time.Duration{time.Minute, 12 * time.Minute}, message},
		"at the end":                    {[]llmtest.Step{slow(charge), llmtest.Text("Done."), llmtest.Text("Welcome.")}, 0, []time.Duration{time.Minute}, atEnd},
		"where a limit forbids a turn":  {[]llmtest.Step{slow(llmtest.Text("Done.")), llmtest.Text("Hurried.")}, 1, []time.Duration{time.Minute}, message},
		"with the result of a tool":     {[]llmtest.Step{slow(final), llmtest.Text("Hurried.")}, 0, []time.Duration{time.Minute}, message},
		"during a turn that pauses":     {[]llmtest.Step{slow(llmtest.Calls("refund", order{"W1"})), llmtest.Text("Hurried.")}, 0, []time.Duration{time.Minute}, message},
		"before the failure of a model": {[]llmtest.Step{slow(llmtest.Fail(overloaded)), llmtest.Text("Hurried.")}, 0, []time.Duration{time.Minute}, message},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			setUp := func() (*agent.Agent, runner.Runner) {
				wait := func(ctx context.Context, in order) (string, error) {
					time.Sleep(5 * time.Minute) // synctest: exact in a bubble
					return "Done: " + in.Order, nil
				}
				return &agent.Agent{Name: "desk", Tools: []tool.Tool{
						tool.Must(tool.New("charge", "Charges.", wait, tool.Timeout(time.Hour))), tool.Must(tool.New("quote", "Quotes.", wait, tool.Timeout(time.Hour), tool.Final())),
						tool.Must(tool.New("refund", "Refunds.", wait, tool.NeedsApproval())),
					}}, runner.Runner{Model: llmtest.NewScript(c.steps...), MaxTurns: c.turns,
						Logger: slog.New(slog.DiscardHandler)}
			}
			var want, got string
			var last event.Body
			var messages []llm.Message
			synctest.Test(t, func(t *testing.T) {
				desk, r := setUp()
				session := r.Session("desk")
				for _, at := range c.at {
					time.AfterFunc(at, func() { require.NoError(t, c.say(t.Context(), session)) })
				}
				result, err := session.Run(t.Context(), desk, question)
				want = runnertest.Transcript(result) + "\n" + errorText(err) + "\n\n"
				last = result.Events[len(result.Events)-1].Body
				result, err = session.Run(t.Context(), desk)
				want += runnertest.Transcript(result) + "\n" + errorText(err)
				messages = result.Messages
			})
			synctest.Test(t, func(t *testing.T) {
				desk, r := setUp()
				session := simulate(t, toolloop.Worker{Agents: []*agent.Agent{desk}, Runner: r}, flow.Start{Heartbeat: time.Minute})
				answers := session.sendAll(func(at func(time.Duration, func())) {
					for _, d := range c.at {
						at(d, func() { session.say(t, c.say) })
					}
				}, question)
				result, err := session.resultOf(t, <-answers)
				got = runnertest.Transcript(result) + "\n" + errorText(err) + "\n\n"
				require.IsType(t, last, result.Events[len(result.Events)-1].Body) // nothing is behind the end
				result, err = session.resultOf(t, <-session.send())
				got += runnertest.Transcript(result) + "\n" + errorText(err)
				state, _ := session.state(t)
				require.Equal(t, messages, state.Messages)
				session.end(t)
			})
			// The message of Say stands behind the events of its turn, and elsewhere in package runner.
			require.Equal(t, paragraphs(want), paragraphs(got))
		})
	}
}

// paragraphs returns the paragraphs of a text in the order of the alphabet.
func paragraphs(text string) []string {
	all := strings.Split(text, "\n\n")
	slices.Sort(all)
	return all
}

// say says something in the loop of the suite.
func (s *sim) say(t *testing.T, record func(context.Context, *runner.Session) error) {
	said, err := toolloop.Said(nil, func(copied *runner.Session) error { return record(context.Background(), copied) })
	require.NoError(t, err)
	s.env.UpdateWorkflow(flow.UpdateSay, rand.Text(), accepted{t}, said)
}

// accepted fails the test if an update is refused.
type accepted struct{ t *testing.T }

func (accepted) Accept() {}

func (a accepted) Reject(err error) { a.t.Error(err) }

func (a accepted) Complete(_ any, err error) {
	if err != nil {
		a.t.Error(err)
	}
}

// resultOf is what Run of a session makes of an answer.
func (s *sim) resultOf(t *testing.T, a answer) (*runner.Result, error) {
	t.Helper()
	require.NoError(t, a.err)
	events, err := s.events(a.taken.End.Len)
	require.NoError(t, err)
	result, err := toolloop.ResultOf(t.Context(), "desk", events, int64(a.taken.End.From))
	require.NoError(t, err)
	return result, toolloop.ErrorOf(a.taken.End.Failure)
}

// TestLateDuringRun: a result from outside that comes during a run waits for the end of the run,
// and then the run goes on with the result. Another input during a run is refused.
func TestLateDuringRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := func(context.Context, order) (string, error) { time.Sleep(30 * time.Minute); return "Done.", nil } // synctest: exact in a bubble
		var key string
		desk := &agent.Agent{Name: "desk", Tools: []tool.Tool{
			tool.Must(tool.New("charge", "Charges.", slow, tool.Timeout(time.Hour))),
			tool.Must(tool.New("ship", "Ships.", func(ctx context.Context, _ order) (string, error) {
				key = tool.CallFrom(ctx).Key
				return "", tool.Later("ship-7")
			})),
		}}
		model := llmtest.Script(t, llmtest.Calls("charge", order{"W1"}).And(llmtest.Calls("ship", order{"W1"})), llmtest.Text("All done."))
		session := simulate(t, toolloop.Worker{Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: model}}, flow.Start{Heartbeat: time.Minute})
		second := callbacks{session, make(chan answer, 1)}
		busy := make(chan error, 1)
		first := session.sendAll(func(at func(time.Duration, func())) {
			at(time.Minute, func() {
				session.env.UpdateWorkflow(flow.UpdateRun, "late", second, session.input(runner.Pending{Key: key}.Result(llm.Text{Text: "Shipped."})))
				session.env.UpdateWorkflow(flow.UpdateRun, "busy", rejected(busy), session.input(runner.Pending{Key: key}.Result(llm.Text{Text: "Shipped."}), question))
			})
		}, question)
		refused, ok := errors.AsType[*temporal.ApplicationError](<-busy)
		require.True(t, ok)
		require.Equal(t, flow.BusyType, refused.Type())
		a := <-first
		require.Equal(t, flow.KindPaused, a.taken.End.Failure.Kind)
		session.next <- func() bool { return true } // the first update is told before the second begins
		a = <-second.back
		result, err := session.resultOf(t, a)
		require.NoError(t, err)
		require.Equal(t, "All done.", result.Text)
		require.Equal(t, "Shipped.", result.Messages[3].Results()[0].Text())
		session.end(t)
	})
}

// TestKeyTwice: messages with a key come through SayOnce while the first activity of a run has an
// input with the same key. The session counts them once.
func TestKeyTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s shop
		session := simulate(t, toolloop.Worker{Agents: []*agent.Agent{s.desk()}, Runner: runner.Runner{Model: llmtest.Script(t, append(steps, llmtest.Text("Hello."))...)}}, flow.Start{Heartbeat: time.Minute})
		_, err := session.run(t.Context(), question)
		require.NoError(t, err)
		_, events := session.state(t)
		said, err := toolloop.Said(events, func(copied *runner.Session) error {
			return copied.SayOnce(t.Context(), "mail-1", llm.User("Only once."))
		})
		require.NoError(t, err)
		said.Seen = new(len(events))
		session.unreadable = 2 // the activity has the input for three seconds
		moved := make(chan error, 1)
		answered := session.sendAll(func(at func(time.Duration, func())) {
			at(time.Second/2, func() { session.env.UpdateWorkflow(flow.UpdateSay, "say", rejected(moved), said) })
		}, runner.Once("mail-1", llm.User("Only once.")))
		result, err := session.resultOf(t, <-answered)
		require.NoError(t, err)
		require.Equal(t, 1, saidTimes(result.Messages, "Only once."))
		refused, ok := errors.AsType[*temporal.ApplicationError](<-moved)
		require.True(t, ok)
		require.Equal(t, flow.MovedType, refused.Type())
		session.end(t)
	})
}

// TestServerSay: many clients say something while a run goes on in several executions. Everything
// is there once, in the order of each client, and a key counts once.
func TestServerSay(t *testing.T) {
	t.Parallel()
	c := server(t)
	var s shop
	desk := s.desk()
	var mu sync.Mutex
	var last []llm.Message
	model := llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		mu.Lock()
		last = req.Messages
		mu.Unlock()
		if saidTimes(req.Messages, "stop") == 0 {
			return llmtest.NewScript(llmtest.Calls("charge", order{fmt.Sprint(len(req.Messages))})).Generate(ctx, req, sink)
		}
		return llmtest.NewScript(llmtest.Text("All done.")).Generate(ctx, req, sink)
	})
	work(t, toolloop.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: model, MaxTurns: -1}}.Run)
	client := sessions(t, c)
	client.MaxHistory = 100
	session := client.Session("one")
	require.NoError(t, session.Say(t.Context(), llm.User("first of all"))) // begins the session
	require.ErrorIs(t, session.Say(t.Context()), runner.ErrNoInput)
	require.Error(t, session.SayInput(t.Context(), runner.Pending{Key: "one/r1.t1.c0"}.Result()))
	done := make(chan error, 1)
	go func() {
		_, err := session.Run(t.Context(), desk, question)
		done <- err
	}()
	const clients, each = 3, 4
	var talking sync.WaitGroup
	for i := range clients {
		talking.Go(func() {
			mine := client.Session("one")
			for j := range each {
				if err := mine.SayInput(t.Context(), runner.By(fmt.Sprint("c", i), runner.Say(llm.User(fmt.Sprintf("client %d, %d", i, j))))); err != nil {
					t.Error(err)
				}
			}
			if err := mine.SayOnce(t.Context(), "mail-1", llm.User("only once")); err != nil {
				t.Error(err)
			}
		})
	}
	talking.Wait()
	_, other := errors.AsType[*runner.OnceError](session.SayOnce(t.Context(), "mail-1", llm.User("something else")))
	require.True(t, other)
	require.NoError(t, session.Say(t.Context(), llm.User("stop")))
	require.NoError(t, <-done)
	require.Equal(t, 1, saidTimes(last, "first of all"))
	require.Equal(t, 1, saidTimes(last, "only once"))
	for i := range clients {
		at := 0
		for j := range each {
			text := fmt.Sprintf("client %d, %d", i, j)
			require.Equal(t, 1, saidTimes(last, text), text)
			now := indexOf(last, text)
			require.Greater(t, now, at)
			at = now
		}
	}
	keys, runs := s.counts()
	require.Equal(t, keys, runs)
	require.NoError(t, session.End(t.Context()))
	err := session.Say(t.Context(), llm.User("too late"))
	if _, busy := errors.AsType[*journal.BusyError](err); err != nil { // or the session was closed, and a new one began
		require.True(t, busy, "%v", err)
	}
}

func saidTimes(messages []llm.Message, text string) (n int) {
	for _, m := range messages {
		if m.Role == llm.RoleUser && m.Text() == text {
			n++
		}
	}
	return n
}

func indexOf(messages []llm.Message, text string) int {
	for i, m := range messages {
		if m.Text() == text {
			return i
		}
	}
	return -1
}

// TestServerLateDuringRun: a large result that waits for the end of a run goes with the run into
// new executions. A second one, too large for both, is refused until the end of the run.
func TestServerLateDuringRun(t *testing.T) {
	t.Parallel()
	c := server(t)
	var s shop
	began := make(chan string, 2)
	ship := tool.Must(tool.New("ship", "Ships.", func(ctx context.Context, o order) (string, error) {
		began <- tool.CallFrom(ctx).Key
		return "", tool.Later("ship-" + o.Order)
	}))
	helper := &agent.Agent{Name: "helper", Instructions: "helper", Tools: s.desk().Tools}
	desk := &agent.Agent{Name: "desk", Tools: []tool.Tool{ship}, Helpers: []agent.Helper{{Name: "help", Description: "Helps.", Agent: helper}}}
	var steps []llmtest.Step
	for i := range 8 {
		steps = append(steps, llmtest.Calls("charge", order{fmt.Sprint(i)}))
	}
	helping, main := llmtest.Script(t, append(steps, llmtest.Text("Helped."))...),
		llmtest.Script(t, llmtest.Calls("ship", order{"W1"}).And(llmtest.Calls("ship", order{"W2"})).And(llmtest.Calls("help", map[string]string{"task": "Help."})), llmtest.Text("All done."))
	gate := make(chan struct{})
	model := llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		if req.Instructions == "helper" {
			if len(req.Messages) > 1 { // the call of ship has begun
				<-gate
			}
			return helping.Generate(ctx, req, sink)
		}
		return main.Generate(ctx, req, sink)
	})
	work(t, toolloop.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: model}}.Run)
	client := sessions(t, c)
	client.MaxHistory = 40
	session := client.Session("one")
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { _, err := session.Run(t.Context(), desk, question); first <- err }()
	keys := []string{<-began, <-began}
	eventually(t, func() bool {
		pending, err := session.Pending(t.Context())
		return err == nil && len(pending) == 2
	})
	shipped := func(key string) (*runner.Result, error) {
		return session.Run(t.Context(), desk, runner.Pending{Key: key}.Result(llm.Text{Text: strings.Repeat("Shipped. ", 60<<10)}))
	}
	go func() { _, err := shipped(keys[0]); second <- err }()
	eventually(t, func() bool { return updates(t, c, name(t)+"/one") == 2 })
	_, err := shipped(keys[1])
	var busy *journal.BusyError
	require.ErrorAs(t, err, &busy)
	close(gate)
	require.ErrorIs(t, <-first, runner.ErrPaused)
	require.ErrorIs(t, <-second, runner.ErrPaused)
	result, err := shipped(keys[1])
	require.NoError(t, err)
	require.Equal(t, "All done.", result.Text)
	require.Greater(t, len(runsOf(t, c, name(t)+"/one")), 1)
}
