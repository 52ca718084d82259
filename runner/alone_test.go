package runner_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// timeline notes when the functions of its tools run.
type timeline struct {
	start time.Time
	mu    sync.Mutex
	spans []string
}

func newTimeline() *timeline { return &timeline{start: time.Now()} }

// tool takes its time. A call named "abort" ends the run.
func (l *timeline) tool(name string, opts ...tool.Option) tool.Tool {
	return tool.Must(tool.New(name, "Waits.", func(ctx context.Context, in waitArgs) (string, error) {
		from := time.Since(l.start)
		select {
		case <-time.After(time.Duration(in.Seconds) * time.Second):
		case <-ctx.Done():
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.spans = append(l.spans, fmt.Sprintf("%s %v-%v", in.Name, from, time.Since(l.start)))
		if in.Name == "abort" {
			return "", tool.Abort(errPlanted)
		}
		return in.Name, context.Cause(ctx)
	}, opts...))
}

// sorted returns what ran, by the names of the calls.
func (l *timeline) sorted() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Sort(l.spans)
	return l.spans
}

// turnOf is an answer with calls: the name of the tool, that of the call, its seconds.
func turnOf(calls ...any) llmtest.Step {
	var step llmtest.Step
	for i := 0; i < len(calls); i += 3 {
		step = step.And(llmtest.Calls(calls[i].(string), waitArgs{calls[i+1].(string), calls[i+2].(int)}))
	}
	return step
}

// TestAlone: what stands before such a call has ended, what stands after it has
// not begun, and results keep the order of the calls.
func TestAlone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		calls []any
		want  []string
	}{
		{
			"neighbours on both sides", []any{"free", "a", 3, "free", "b", 1, "alone", "c", 2, "free", "d", 1, "free", "e", 4},
			[]string{"a 0s-3s", "b 0s-1s", "c 3s-5s", "d 5s-6s", "e 5s-9s"},
		},
		{"first", []any{"alone", "a", 2, "free", "b", 1, "free", "c", 1}, []string{"a 0s-2s", "b 2s-3s", "c 2s-3s"}},
		{"last", []any{"free", "a", 2, "free", "b", 1, "alone", "c", 1}, []string{"a 0s-2s", "b 0s-1s", "c 2s-3s"}},
		{
			"two in a row", []any{"free", "a", 1, "alone", "b", 2, "alone", "c", 3, "free", "d", 1},
			[]string{"a 0s-1s", "b 1s-3s", "c 3s-6s", "d 6s-7s"},
		},
		{"all", []any{"alone", "a", 1, "alone", "b", 1, "alone", "c", 1}, []string{"a 0s-1s", "b 1s-2s", "c 2s-3s"}},
		{"one", []any{"alone", "a", 1}, []string{"a 0s-1s"}},
		{
			"with a bound of its own", []any{"single", "a", 1, "single", "b", 1, "alone", "c", 1, "single", "d", 1, "free", "e", 1},
			[]string{"a 0s-1s", "b 1s-2s", "c 2s-3s", "d 3s-4s", "e 3s-4s"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newTimeline()
				a := newAgent(l.tool("free"), l.tool("alone", tool.Alone()), l.tool("single", tool.Concurrency(1)))
				script := llmtest.Script(t, turnOf(tt.calls...), llmtest.Text("Fine."))
				result, err := with(script).Run(t.Context(), a, llm.User("Hi."))
				require.NoError(t, err)
				require.Equal(t, tt.want, l.sorted())
				var names []string
				for i := 1; i < len(tt.calls); i += 3 {
					names = append(names, tt.calls[i].(string))
				}
				require.Equal(t, names, results(result.Messages))
			})
		})
	}
}

// TestAloneRejected: a call that is refused holds up nothing.
func TestAloneRejected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newTimeline()
		a := newAgent(l.tool("free"), l.tool("alone", tool.Alone()))
		script := llmtest.Script(t, turnOf("free", "a", 1).And(llmtest.Calls("alone", `{}`), turnOf("free", "b", 1)), llmtest.Text("Fine."))
		_, err := with(script).Run(t.Context(), a, llm.User("Hi."))
		require.NoError(t, err)
		require.Equal(t, []string{"a 0s-1s", "b 0s-1s"}, l.sorted())
	})
}

const (
	notRun  = "The call did not run: the run ended before it began. It had no effect: call again if it is still needed."
	unknown = "It is not known whether the call took effect: it was started, and its end was never recorded. Check before you call it again."
)

// endings are ways in which a run ends while a call waits for its turn or a slot.
var endings = []struct {
	name string
	end  func(context.CancelCauseFunc) (leave bool)
}{
	{"cancel", func(cancel context.CancelCauseFunc) bool { cancel(errPlanted); return false }},
	{"leave", func(context.CancelCauseFunc) bool { return true }},
}

// TestEndWhileCallsWait: calls that wait were never launched, and a message closes
// them as such; those that run are in doubt.
func TestEndWhileCallsWait(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		limit int
		calls []any
	}{
		{"for calls before", 0, []any{"quick", "q", 1, "free", "a", 9, "alone", "b", 1, "free", "c", 1}},
		{"for a call that runs alone", 0, []any{"quick", "q", 1, "alone", "a", 9, "free", "b", 1, "free", "c", 1}},
		{"for a slot of the tool", 0, []any{"quick", "q", 1, "single", "a", 9, "single", "b", 1, "single", "c", 1}},
		{"for a slot of the runner", 2, []any{"quick", "q", 100, "free", "a", 9, "free", "b", 1, "free", "c", 1}},
	} {
		for _, way := range endings {
			t.Run(tt.name+", "+way.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					l := newTimeline()
					a := newAgent(l.tool("free"), l.tool("alone", tool.Alone()), l.tool("single", tool.Concurrency(1)), progressing())
					script := llmtest.Script(t, turnOf(tt.calls...), llmtest.Text("Fine."))
					r := runner.Runner{Model: script, Calls: runner.NewCallLimit(tt.limit), Journal: new(journal.Memory)}
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					for e, err := range r.Session("s").Stream(ctx, a, runner.Say(llm.User("Hi."))) {
						if err != nil {
							require.ErrorIs(t, err, errPlanted)
							break
						}
						if p, ok := e.Body.(event.ToolProgress); ok && p.Done == 1 {
							time.Sleep(time.Second) // synctest: exact in a bubble
							synctest.Wait()
							if way.end(cancel) {
								break
							}
						}
					}
					for _, span := range l.sorted() {
						require.Equal(t, byte('a'), span[0], "b and c never ran")
					}
					result, err := r.Session("s").Run(t.Context(), a, runner.Say(llm.User("Go on.")))
					require.NoError(t, err)
					require.Equal(t, []string{unknown, notRun, notRun}, results(result.Messages)[1:])
				})
			})
		}
	}
}

// progressing is a tool that reports once when it begins.
func progressing() tool.Tool {
	return tool.Must(tool.New("quick", "Reports.", func(ctx context.Context, in waitArgs) (string, error) {
		tool.CallFrom(ctx).Progress(1, 2, "")
		select {
		case <-time.After(time.Duration(in.Seconds) * time.Second):
			return in.Name, nil
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}))
}

// TestAbortBeforeAlone: when a call before it ends the run, the call that was to
// run alone is never launched, and its history says so.
func TestAbortBeforeAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newTimeline()
		a := newAgent(l.tool("free"), l.tool("alone", tool.Alone()))
		script := llmtest.Script(t, turnOf("free", "a", 3, "free", "abort", 1, "alone", "c", 1, "free", "d", 1))
		result, err := with(script).Run(t.Context(), a, llm.User("Hi."))
		require.ErrorIs(t, err, errPlanted)
		require.Equal(t, []string{"a 0s-3s", "abort 0s-1s"}, l.sorted(), "what runs is waited for")
		require.Equal(t, 3*time.Second, time.Since(l.start))
		require.Equal(t, []string{"a", "The tool ended the run.", notRun, notRun}, results(result.Messages))
	})
}

// TestConcurrencyOverRuns: runs that share a tool share its bound, and other
// tools are not held up.
func TestConcurrencyOverRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newTimeline()
		a := newAgent(l.tool("single", tool.Concurrency(1)), l.tool("free"))
		done := make(chan error)
		for _, run := range []string{"x", "y"} {
			script := llmtest.Script(t, turnOf("single", run+"1", 2, "single", run+"2", 2, "free", run+"3", 1, "free", run+"4", 1), llmtest.Text("Fine."))
			go func() {
				_, err := with(script).Run(t.Context(), a, llm.User("Hi."))
				done <- err
			}()
		}
		require.NoError(t, <-done)
		require.NoError(t, <-done)
		require.Equal(t, 8*time.Second, time.Since(l.start), "four calls, one after the other")
		free := slices.DeleteFunc(l.sorted(), func(s string) bool { return s[1] < '3' })
		require.Equal(t, []string{"x3 0s-1s", "x4 0s-1s", "y3 0s-1s", "y4 0s-1s"}, free)
	})
}

// TestWaitingIsNotTheTimeout: a call has all of its time, however long it waited.
func TestWaitingIsNotTheTimeout(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		limit int
		opts  []tool.Option
	}{
		{"for a slot of the tool", 0, []tool.Option{tool.Concurrency(1)}},
		{"for a slot of the runner", 1, nil},
		{"for the call before", 0, []tool.Option{tool.Alone()}},
		{"for all of them", 1, []tool.Option{tool.Alone(), tool.Concurrency(1)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newTimeline()
				script := llmtest.Script(t, turnOf("x", "a", 3, "x", "b", 3, "x", "c", 9), llmtest.Text("Fine."))
				r := runner.Runner{Model: script, Calls: runner.NewCallLimit(tt.limit), ToolTimeout: 4 * time.Second}
				result, err := r.Run(t.Context(), newAgent(l.tool("x", tt.opts...)), llm.User("Hi."))
				require.NoError(t, err)
				require.Equal(t, []string{"a 0s-3s", "b 3s-6s", "c 6s-10s"}, l.sorted())
				require.Equal(t, []string{
					"a", "b", "The tool did not finish within 4s and was given up. It may have had an effect all the same: check before you call it again.",
				}, results(result.Messages))
			})
		})
	}
}

// TestLeftBehindHoldsNoSlot: the next call of the tool runs once a function that
// ignores its context was given up.
func TestLeftBehindHoldsNoSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		defer close(stuck)
		var ran atomic.Int32 // the first function goes on beside the second
		x := tool.Must(tool.New("x", "", func(context.Context, struct{}) (string, error) {
			if ran.Add(1) == 1 {
				<-stuck
			}
			return "done", nil
		}, tool.Concurrency(1), tool.Timeout(time.Second)))
		script := llmtest.Script(t, llmtest.Calls("x", nil).And(llmtest.Calls("x", nil)), llmtest.Text("Fine."))
		start := time.Now()
		result, err := with(script).Run(t.Context(), newAgent(x), llm.User("Hi."))
		require.NoError(t, err)
		require.Equal(t, "done", results(result.Messages)[1])
		require.Equal(t, 6*time.Second, time.Since(start), "one, and five of grace")
	})
}

// TestNoDeadlock runs trees of runs inside tools that share a Limit and tools
// with bounds of their own. Tools call those after them only: who holds slots of
// two tools takes them in one order, as with locks.
func TestNoDeadlock(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			g := newGrove(seed)
			done := make(chan error)
			const runs = 4
			for range runs {
				go func() {
					_, err := g.run(t.Context(), 0)
					done <- err
				}()
			}
			for range runs {
				require.NoError(t, <-done, "seed %d", seed)
			}
			require.Less(t, time.Since(g.start), 2*time.Minute, "seed %d: something waited for a timeout", seed)
		})
	}
}

// grove has tools of which each may run an agent with those after it, and
// itself.
type grove struct {
	start time.Time
	limit *runner.CallLimit
	tools []tool.Tool
	mu    sync.Mutex
	rand  *rand.Rand
	left  int // runs that may still begin
}

func newGrove(seed uint64) *grove {
	g := &grove{start: time.Now(), rand: rand.New(rand.NewPCG(seed, 0)), left: 40}
	g.limit = runner.NewCallLimit(1 + g.rand.IntN(3))
	for i := range 4 {
		var opts []tool.Option
		if g.rand.IntN(3) > 0 {
			opts = append(opts, tool.Concurrency(1+g.rand.IntN(2)))
		}
		if g.rand.IntN(4) == 0 {
			opts = append(opts, tool.Alone())
		}
		g.tools = append(g.tools, tool.Must(tool.New(fmt.Sprintf("t%d", i), "", func(ctx context.Context, in waitArgs) (string, error) {
			select {
			case <-time.After(time.Duration(in.Seconds) * time.Millisecond):
			case <-ctx.Done():
				return "", tool.Abort(errors.New("a call waited too long"))
			}
			return g.run(ctx, i)
		}, opts...)))
	}
	return g
}

// run runs an agent with the tools from first on.
func (g *grove) run(ctx context.Context, first int) (string, error) {
	g.mu.Lock()
	var step llmtest.Step
	if g.left--; g.left > 0 {
		for range g.rand.IntN(4) {
			step = step.And(turnOf(fmt.Sprintf("t%d", first+g.rand.IntN(len(g.tools)-first)), "x", g.rand.IntN(3)))
		}
	}
	g.mu.Unlock()
	steps := []llmtest.Step{llmtest.Text("Fine.")}
	if resp, err := step.Response(); err != nil || len(resp.Message.Parts) > 0 {
		steps = []llmtest.Step{step, steps[0]}
	}
	r := runner.Runner{Model: llmtest.NewScript(steps...), Calls: g.limit}
	result, err := r.Run(ctx, newAgent(g.tools...), llm.User("Hi."))
	return result.Text, err
}

// TestCircularTools: two tools with bounds that run each other wait for each
// other, as two locks do; the timeout of the first call ends that.
func TestCircularTools(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var tools []tool.Tool
		for i, other := range []string{"b", "a"} {
			tools = append(tools, tool.Must(tool.New(string(rune('a'+i)), "", func(ctx context.Context, in waitArgs) (string, error) {
				if in.Seconds == 0 {
					return "done", nil
				}
				time.Sleep(time.Second) // synctest: exact in a bubble
				_, err := with(llmtest.NewScript(turnOf(other, "inner", 0), llmtest.Text("Fine."))).Run(ctx, newAgent(tools...), llm.User("Hi."))
				return "done", err
			}, tool.Concurrency(1))))
		}
		type told struct {
			name    string
			results []string
		}
		done := make(chan told)
		for i, name := range []string{"a", "b"} {
			go func() {
				time.Sleep(time.Duration(i) * 500 * time.Millisecond) // synctest: exact in a bubble; else both time out at once, or one of them
				result, err := with(llmtest.NewScript(turnOf(name, "outer", 1), llmtest.Text("Fine."))).Run(t.Context(), newAgent(tools...), llm.User("Hi."))
				if err != nil {
					t.Error(err)
				}
				done <- told{name, results(result.Messages)}
			}()
		}
		const timedOut = "The tool did not finish within 2m0s and was given up. It may have had an effect all the same: check before you call it again."
		require.ElementsMatch(t, []told{{"a", []string{timedOut}}, {"b", []string{"done"}}}, []told{<-done, <-done})
		require.Equal(t, 2*time.Minute, time.Since(start))
	})
}
