package serve_test

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/serve"
)

// An engine runs one session, as the test says: the test stores the events.
type engine struct {
	journal.Memory
	log      journal.Log
	seq      int64
	canceled int
	lost     error      // of the stream, after the first event
	behind   event.Body // of the stream, after the failure of the run
}

func (e *engine) store(t *testing.T, bodies ...event.Body) {
	t.Helper()
	if e.log == nil {
		var err error
		e.log, err = e.Open(t.Context(), "c")
		require.NoError(t, err)
		t.Cleanup(func() { _ = e.log.Close() })
	}
	var events []event.Event
	for _, b := range bodies {
		e.seq++
		events = append(events, event.Event{Seq: e.seq, Body: b})
	}
	require.NoError(t, e.log.Append(t.Context(), true, events...))
	synctest.Wait()
}

// begin stores the begin of a run.
func (e *engine) begin(t *testing.T) {
	t.Helper()
	e.store(t, event.RunStarted{Run: 1, Agent: "desk", ID: "x"}, event.UserMessaged{Message: llm.User("Tell."), Key: "chat:a"})
}

// answer stores a turn and the end of the run.
func (e *engine) answer(t *testing.T, text string) {
	t.Helper()
	message := llm.Message{Role: llm.RoleAssistant, Parts: llm.Parts{llm.Text{Text: text}}}
	e.store(t, event.TurnPrepared{Turn: 1, Agent: "desk"}, event.ModelAnswered{Turn: 1, Message: message}, event.RunFinished{Run: 1, Turns: 1})
}

func (e *engine) Stream(ctx context.Context, _ *agent.Agent, _ ...runner.Input) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		for ev, err := range e.Watch(ctx, "c", 0) {
			if !yield(ev, err) || err != nil {
				return
			}
			switch ev.Body.(type) {
			case event.RunFinished:
				return
			case event.RunFailed:
				if e.behind != nil && !yield(event.Event{Seq: ev.Seq + 1, Body: e.behind}, nil) {
					return
				}
				yield(event.Event{}, context.Canceled)
				return
			}
			if e.lost != nil {
				yield(event.Event{}, e.lost)
				return
			}
		}
	}
}

func (e *engine) Cancel(context.Context) error { e.canceled++; return nil }

// serveEngine opens a chat on an engine.
func serveEngine(t *testing.T, e *engine, a *agent.Agent) site {
	t.Helper()
	return open(t, serve.Config{Open: func(string) serve.Session { return e }, Reader: e, Agent: a})
}

// lives are a case of TestLives.
type lives struct {
	early, then []event.Live // before and after the begin of the run is stored
	late        []event.Live // after the answer
	agent       *agent.Agent
	want        []string // texts of the page before the answer; "-" withdraws
}

func (c lives) test(t *testing.T) {
	e, a := new(engine), c.agent
	if a == nil {
		a = desk(nil)
	}
	s := serveEngine(t, e, a)
	var texts []string
	answered := make(chan stream)
	go func() { answered <- s.say(t, "a", "Tell.") }()
	synctest.Wait()
	for _, l := range c.early {
		s.chat.Live(t.Context(), l)
	}
	e.begin(t)
	page := <-answered
	done := make(chan struct{})
	var all []string
	go func() {
		defer close(done)
		for chunk := page.next(t); chunk != ""; chunk = page.next(t) {
			all = append(all, chunk)
			if strings.Contains(chunk, "data-toolloop-restart") {
				texts = append(texts, "-")
			} else if text := textOf(t, []string{chunk}); text != "" {
				texts = append(texts, text)
			}
		}
	}()
	for _, l := range c.then {
		synctest.Wait()
		s.chat.Live(t.Context(), l)
	}
	synctest.Wait()
	require.Equal(t, c.want, texts, "%v", all)
	e.answer(t, "It was sent.")
	for _, l := range c.late {
		s.chat.Live(t.Context(), l)
	}
	<-done
	shown := strings.Join(texts, "")
	require.Equal(t, "It was sent.", shown[strings.LastIndex(shown, "-")+1:], "%v", all)
	require.Equal(t, strings.Count(strings.Join(c.want, ""), "-"), strings.Count(shown, "-"), "%v", all)
	require.Equal(t, 1, strings.Count(strings.Join(all, "\n"), "start-step"), "%v", all)
	require.Equal(t, "[DONE]", all[len(all)-1])
	require.Contains(t, s.text(t, "/chat/c/messages"), "It was sent.")
}

// TestLives: what workers say comes before the stored answer, in order, and never after it.
func TestLives(t *testing.T) {
	t.Parallel()
	say := func(after int64, source string, n int64, text string) event.Live {
		return event.Live{Session: "c", After: after, Source: source, N: n, Event: event.Event{Body: event.TextDelta{Text: text}}}
	}
	again := func(after int64, source string, n int64) event.Live {
		return event.Live{Session: "c", After: after, Source: source, N: n, Event: event.Event{Body: event.Restarted{Turn: 1}}}
	}
	nested := say(2, "a", 2, "helper")
	nested.Event.Path, nested.Event.Body = "r1.t1.c0", event.TextDelta{Text: strings.Repeat("helper ", 400<<10)}
	checked := desk(nil)
	checked.Checks = []agent.Check{{Name: "polite", Output: func(context.Context, agent.Subject) (agent.Verdict, error) { return agent.Verdict{}, nil }}}
	for name, c := range map[string]lives{
		"in order":        {then: []event.Live{say(2, "a", 1, "It "), say(2, "a", 2, "was ")}, want: []string{"It ", "was "}},
		"before the page": {early: []event.Live{say(2, "a", 1, "It "), say(2, "a", 2, "was ")}, want: []string{"It was "}},
		"too much ahead":  {early: []event.Live{say(2, "a", 1, strings.Repeat("It ", 400<<10)), say(2, "a", 2, "was ")}},
		"helper ahead":    {early: []event.Live{say(2, "a", 1, "It "), nested, say(2, "a", 3, "was ")}, want: []string{"It was "}},
		"doubled":         {then: []event.Live{say(2, "a", 1, "It "), say(2, "a", 1, "It "), say(2, "a", 2, "was ")}, want: []string{"It ", "was "}},
		"lost":            {then: []event.Live{say(2, "a", 1, "It "), say(2, "a", 3, "sent."), say(2, "a", 1, "It "), say(2, "a", 2, "was ")}, want: []string{"It "}},
		"from the middle": {then: []event.Live{say(2, "a", 2, "was ")}},
		"a new attempt":   {then: []event.Live{say(2, "a", 1, "No"), say(2, "b", 1, "It "), say(2, "a", 2, "pe."), say(2, "b", 2, "was ")}, want: []string{"No", "-", "It ", "was "}},
		"a new request":   {then: []event.Live{say(2, "a", 1, "No"), again(2, "a", 2), say(2, "a", 3, "It ")}, want: []string{"No", "-", "It "}},
		"of the past":     {then: []event.Live{say(1, "z", 1, "Old."), say(2, "a", 1, "It ")}, want: []string{"It "}},
		"late":            {then: []event.Live{say(2, "a", 1, "It ")}, late: []event.Live{say(2, "a", 2, "was ")}, want: []string{"It "}},
		"of a helper":     {then: []event.Live{say(2, "a", 1, "It "), nested, say(2, "a", 3, "was ")}, want: []string{"It ", "was "}},
		"a checked one":   {then: []event.Live{say(2, "a", 1, "It ")}, agent: checked},
		"stored ones":     {then: []event.Live{{Session: "c", After: 2, Source: "a", N: 1, Event: event.Event{Seq: 3, Body: event.RunFinished{}}}, {Session: "c"}, {Session: "none"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, c.test)
		})
	}
}

// TestLiveReasoning: a page of AG-UI that comes back has one message for the reasoning so far.
func TestLiveReasoning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(engine)
		s := serveEngine(t, e, desk(nil))
		post := `{"threadId": "c", "runId": "r", "messages": [{"id": "a", "role": "user", "content": "Tell."}]}`
		answered := make(chan stream)
		go func() { answered <- s.do(t, http.MethodPost, "/ag", post) }()
		synctest.Wait()
		e.begin(t)
		<-answered
		s.chat.Live(t.Context(), event.Live{Session: "c", After: 2, Source: "a", N: 1, Event: event.Event{Body: event.ReasoningDelta{Text: "Hm."}}})
		again := s.do(t, http.MethodPost, "/ag", post)
		synctest.Wait()
		e.answer(t, "It was sent.")
		text := strings.Join(again.all(t), "\n")
		require.Contains(t, text, `{"id":"m1.1","role":"reasoning","content":""}`)
		require.Contains(t, text, `"messageId":"m1.1","delta":"Hm."`)
	})
}

// TestLostEngine: a lost connection to the engine does not end the answer.
func TestLostEngine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &engine{lost: errors.New("connection refused")}
		s := serveEngine(t, e, desk(nil))
		answered := make(chan stream)
		go func() { answered <- s.say(t, "a", "Tell.") }()
		synctest.Wait()
		e.begin(t)
		page := <-answered
		e.answer(t, "It was sent.")
		require.Equal(t, "It was sent.", textOf(t, page.all(t)))
	})
}

// TestBehindTheEnd: an event behind the failure of a run does not open the answer again.
func TestBehindTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &engine{behind: event.UserMessaged{Message: llm.User("And hurry.")}}
		s := serveEngine(t, e, desk(nil))
		answered := make(chan stream)
		go func() { answered <- s.say(t, "a", "Tell.") }()
		synctest.Wait()
		e.begin(t)
		page := <-answered
		e.store(t, event.RunFailed{Run: 1, Error: "context canceled"})
		events := page.all(t)
		require.Equal(t, "[DONE]", events[len(events)-1])
	})
}

// TestStopElsewhere: a stop cancels the run of the engine, and the page reads an abort.
func TestStopElsewhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(engine)
		s := serveEngine(t, e, desk(nil))
		answered := make(chan stream)
		go func() { answered <- s.say(t, "a", "Tell.") }()
		synctest.Wait()
		e.begin(t)
		page, tab := <-answered, s.do(t, http.MethodGet, "/chat/c/stream", "")
		require.Equal(t, http.StatusNoContent, s.do(t, http.MethodPost, "/chat/c/stop", "").StatusCode)
		require.Equal(t, 1, e.canceled)
		e.store(t, event.RunFailed{Run: 1, Error: "context canceled"})
		for _, p := range []stream{page, tab} {
			events := p.all(t)
			require.Contains(t, events[len(events)-2]+events[len(events)-1], `"abort"`)
		}
	})
}

// TestStopElsewhereEarly: a stop that comes before the engine began the run stops the run.
func TestStopElsewhereEarly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(engine)
		s := serveEngine(t, e, desk(nil))
		answered := make(chan stream)
		go func() { answered <- s.say(t, "a", "Tell.") }()
		synctest.Wait()
		require.Equal(t, http.StatusNoContent, s.do(t, http.MethodPost, "/chat/c/stop", "").StatusCode)
		require.Equal(t, 1, e.canceled) // without a run
		e.begin(t)
		require.Equal(t, 2, e.canceled)
		page := <-answered
		e.store(t, event.RunFailed{Run: 1, Error: "context canceled"})
		events := page.all(t)
		require.Contains(t, events[len(events)-2]+events[len(events)-1], `"abort"`)
		require.Equal(t, 2, e.canceled)
	})
}

// TestOpenNeedsReader: the fields of an engine belong together.
func TestOpenNeedsReader(t *testing.T) {
	t.Parallel()
	session := func(_ *http.Request, id string) (string, error) { return id, nil }
	e := new(engine)
	for _, c := range []serve.Config{
		{Reader: e},
		{Open: func(string) serve.Session { return e }},
		{Open: func(string) serve.Session { return e }, Reader: e, Runner: runner.Runner{Journal: e}},
	} {
		c.Agent, c.Session = desk(nil), session
		_, err := c.Chat()
		require.ErrorContains(t, err, "Open")
	}
}
