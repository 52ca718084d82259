package runner_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/scenario"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

type aroundKey struct{}

// place returns the work of a context, outermost first.
func place(ctx context.Context) string { s, _ := ctx.Value(aroundKey{}).(string); return s }

// A watch is an Around that notes what it sees.
type watch struct {
	mu    sync.Mutex
	lines []string
	works []runner.Work // that have ended, in the order of their ends
	open  int
}

func (w *watch) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, fmt.Sprintf(format, args...))
}

func (w *watch) around(ctx context.Context, work *runner.Work) (context.Context, func()) {
	name := strings.TrimRight(fmt.Sprintf("%s%d %s", work.Kind, work.Turn, work.Call), " ")
	if work.Kind == "run" {
		name = fmt.Sprintf("run%d", work.Run)
	}
	path := strings.TrimPrefix(place(ctx)+" > "+name, " > ")
	w.note("begin %s", path)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open++
	return context.WithValue(ctx, aroundKey{}, path), func() {
		w.note("end %s", path)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.open--
		w.works = append(w.works, *work)
	}
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestAround: the context of each piece of work reaches the function of the tool, a run
// inside, and the request over HTTP.
func TestAround(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &watch{}
		script := llmtest.Script(t, llmtest.Calls("ask", nil), llmtest.Text("").With(llmtest.Status(503, nil, "")), llmtest.Text("Done."))
		client := script.Client()
		inner := client.Transport
		client.Transport = tripper(func(r *http.Request) (*http.Response, error) {
			w.note("http in %s", place(r.Context()))
			return inner.RoundTrip(r)
		})
		r := runner.Runner{Around: w.around, Logger: slog.New(slog.DiscardHandler)}
		ask := tool.Must(tool.New("ask", "Asks.", func(ctx context.Context, _ struct{}) (string, error) {
			w.note("tool in %s", place(ctx))
			result, err := r.Run(ctx, &agent.Agent{Model: llmtest.NewScript(llmtest.Text("Yes."))}, llm.User("?"))
			return result.Text, err
		}))
		_, err := r.Run(t.Context(), &agent.Agent{Model: openai.Config{HTTPClient: client, Key: "k"}.Model("m"), Tools: []tool.Tool{ask}}, llm.User("Go."))
		require.NoError(t, err)
		require.Equal(t, []string{
			"begin run1",
			"begin run1 > model1", "http in run1 > model1", "end run1 > model1",
			"begin run1 > tool1 r1.t1.c0", "tool in run1 > tool1 r1.t1.c0",
			"begin run1 > tool1 r1.t1.c0 > run1", "begin run1 > tool1 r1.t1.c0 > run1 > model1",
			"end run1 > tool1 r1.t1.c0 > run1 > model1", "end run1 > tool1 r1.t1.c0 > run1",
			"end run1 > tool1 r1.t1.c0",
			"begin run1 > model2", "http in run1 > model2", "http in run1 > model2", "end run1 > model2", // with a retry
			"end run1",
		}, w.lines)
	})
}

// TestAroundScenarios: in each scenario, each begin has one end, the end of the run comes
// last, and the outcomes are those of the events.
func TestAroundScenarios(t *testing.T) {
	t.Parallel()
	for _, s := range scenario.All() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			for _, stream := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					w := &watch{}
					s.Runner.Around = w.around
					ran := s.Run(t, scenario.Seats()[0], stream, scenario.Desk())
					require.Equal(t, s.Expected(stream), ran.Outcome)
					require.Zero(t, w.open)
					if len(w.works) == 0 {
						require.Empty(t, ran.Result.Events)
						return
					}
					holdWorks(t, w.works, ran.Result.Events)
				})
			}
		})
	}
}

// holdWorks compares the works of a run with its events.
func holdWorks(t *testing.T, works []runner.Work, events []event.Event) {
	t.Helper()
	last := works[len(works)-1]
	require.Equal(t, "run", last.Kind)
	var answers, results, answered, called int
	for _, work := range works {
		require.Contains(t, []string{last.Agent, "back office", "cashier"}, work.Agent, "the agent of the run, the one that has the conversation, or its helper")
		switch {
		case work.Kind == "model" && work.Response != nil:
			answers++
			require.NotNil(t, work.Request)
			require.True(t, work.FirstDelta.IsZero() || work.Request.Stream)
			if work.Response.Message.Text() != "" {
				require.Equal(t, work.Request.Stream, !work.FirstDelta.IsZero())
			}
		case work.Kind == "tool" && work.Result != nil:
			results++
			require.True(t, slices.ContainsFunc(events, func(e event.Event) bool {
				b, ok := e.Body.(event.ToolCallFinished)
				return ok && b.Call == work.Call && (b.Failure == "") == (work.Err == nil)
			}))
		case work.Kind != "run":
			require.Error(t, work.Err)
		}
	}
	for _, e := range events {
		switch b := e.Body.(type) {
		case event.ModelAnswered:
			answered++
		case event.ToolCallFinished:
			if !b.Began.IsZero() {
				called++
			}
		case event.RunFailed:
			if e.Path == "" { // a helper that fails is a failed call
				require.Error(t, last.Err)
			}
		case event.RunFinished:
			if e.Path == "" {
				require.NoError(t, last.Err)
			}
		}
	}
	require.Equal(t, []int{answered, called}, []int{answers, results})
}

// TestAroundPanics: a panic of Around or of an end function is logged and changes nothing.
func TestAroundPanics(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"run", "model", "tool"} {
		for _, atEnd := range []bool{false, true} {
			var log bytes.Buffer
			r := runner.Runner{Logger: slog.New(slog.NewTextHandler(&log, nil)), Around: func(ctx context.Context, w *runner.Work) (context.Context, func()) {
				if w.Kind == kind && !atEnd {
					panic("oh")
				}
				return nil, func() {
					if w.Kind == kind {
						panic("oh")
					}
				}
			}}
			a := &agent.Agent{Model: llmtest.Script(t, llmtest.Calls("get_weather", map[string]string{"city": "Oslo"}), llmtest.Text("Done.")), Tools: []tool.Tool{weather()}}
			result, err := r.Run(t.Context(), a, llm.User("Go."))
			require.NoError(t, err)
			require.Equal(t, "Done.", result.Text)
			require.Contains(t, log.String(), `msg="Around panicked" agent=agent run=1`)
			require.Contains(t, log.String(), "kind="+kind+" panic=oh")
		}
	}
}

// TestAroundEnds: work that never returns has an end, too, and so has a request whose
// model panics.
func TestAroundEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, free := &watch{}, make(chan struct{})
		hang := tool.Must(tool.New("hang", "Hangs.", func(context.Context, struct{}) (string, error) { <-free; return "", nil }))
		r := runner.Runner{Around: w.around, ToolTimeout: time.Second, Logger: slog.New(slog.DiscardHandler)}
		_, err := r.Run(t.Context(), &agent.Agent{Model: llmtest.Script(t, llmtest.Calls("hang", nil), llmtest.Text("Done.")), Tools: []tool.Tool{hang}}, llm.User("Go."))
		require.NoError(t, err)
		require.Zero(t, w.open)
		require.Equal(t, "tool", w.works[1].Kind)
		require.ErrorContains(t, w.works[1].Err, "timed_out")
		require.NotNil(t, w.works[1].Result)
		close(free)
	})
	w := &watch{}
	require.PanicsWithValue(t, "oh", func() {
		panics := llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) { panic("oh") })
		_, _ = runner.Runner{Around: w.around, Logger: slog.New(slog.DiscardHandler)}.Run(t.Context(), &agent.Agent{Model: panics}, llm.User("Go."))
	})
	require.Zero(t, w.open)
	require.Len(t, w.works, 2)
	require.Error(t, w.works[0].Err)
	require.Error(t, w.works[1].Err)
}

// TestAroundHangs: when Around hangs, the call is left behind, and its end comes when
// Around returns.
func TestAroundHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		free, ended := make(chan struct{}), make(chan struct{})
		r := runner.Runner{ToolTimeout: time.Second, Logger: slog.New(slog.DiscardHandler), Around: func(ctx context.Context, w *runner.Work) (context.Context, func()) {
			if w.Kind != "tool" {
				return ctx, nil
			}
			<-free
			return ctx, func() { close(ended) }
		}}
		_, err := r.Run(t.Context(), &agent.Agent{Model: llmtest.Script(t, llmtest.Calls("get_weather", map[string]string{"city": "Oslo"}), llmtest.Text("Done.")), Tools: []tool.Tool{weather()}}, llm.User("Go."))
		require.NoError(t, err)
		close(free)
		<-ended
	})
}

// TestAroundResumed: what Around notes about a run is known when another process continues
// the run, and a run that follows knows nothing of it.
func TestAroundResumed(t *testing.T) {
	t.Parallel()
	store := new(journal.Memory)
	pay := tool.Must(tool.New("pay", "Pays.", func(context.Context, struct{}) (string, error) { return "paid", nil }, tool.NeedsApproval()))
	var runs []string
	a := &agent.Agent{Model: llmtest.Script(t, llmtest.Calls("pay", nil), llmtest.Text("Paid."), llmtest.Text("Yes.")), Tools: []tool.Tool{pay}}
	session := func() *runner.Session { // as in a process of its own
		return runner.Runner{Journal: store, Around: func(ctx context.Context, w *runner.Work) (context.Context, func()) {
			if w.Kind != "run" {
				return ctx, nil
			}
			before := w.Trace
			if w.Trace == "" {
				w.Trace = fmt.Sprintf("<trace %d>", w.Run)
			}
			return ctx, func() {
				runs = append(runs, fmt.Sprintf("%s run %d resumed=%t %q: %v", w.Session, w.Run, w.Resumed, before, w.Err))
			}
		}}.Session("s")
	}
	result, err := session().Run(t.Context(), a, runner.Say(llm.User("Pay.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	_, err = session().Run(t.Context(), a, result.Pending[0].Approve())
	require.NoError(t, err)
	_, err = session().Run(t.Context(), a, runner.Say(llm.User("Sure?")))
	require.NoError(t, err)
	require.Equal(t, []string{
		`s run 1 resumed=false "": ` + runner.ErrPaused.Error(),
		`s run 1 resumed=true "<trace 1>": <nil>`,
		`s run 2 resumed=false "": <nil>`,
	}, runs)
}

// TestAroundPromptModel: a client of this library is called on the goroutine of Run, with the
// context of Around, and the Request that Around keeps is not used again.
func TestAroundPromptModel(t *testing.T) {
	t.Parallel()
	var kept []*llm.Request
	var traced atomic.Int32
	for _, trace := range []bool{false, true} {
		r := runner.Runner{Around: func(ctx context.Context, w *runner.Work) (context.Context, func()) {
			if w.Kind != "model" {
				return ctx, nil
			}
			kept = append(kept, w.Request)
			if trace { // a function of the program: the model is prompt no longer
				ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { traced.Add(1) }})
			}
			return ctx, nil
		}}
		kept = nil
		server := llmtest.NewScript(llmtest.Calls("get_weather", map[string]string{"city": "Oslo"}), llmtest.Text("Done.")).Serve()
		_, err := r.Run(t.Context(), &agent.Agent{Model: openai.Config{BaseURL: server.BaseURL, Key: "k"}.Model("m"), Tools: []tool.Tool{weather()}}, llm.User("Go."))
		server.Close()
		require.NoError(t, err)
		require.Len(t, kept, 2)
		require.NotSame(t, kept[0], kept[1])
		require.Len(t, kept[0].Messages, 1)
		require.Len(t, kept[1].Messages, 3)
	}
	require.EqualValues(t, 2, traced.Load())
}
