package runner_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
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
	"github.com/seed-916e8f6a/toolloop/tool"
)

// hangs ignores its context for longer than any bound. wait, at the end of a bubble,
// lets it return.
func hangs() { time.Sleep(1000 * time.Hour) } // synctest: exact in a bubble

func wait() {
	time.Sleep(10_000 * time.Hour) // synctest: exact in a bubble
	synctest.Wait()
}

// hungText is a type of arguments whose decoder hangs.
type hungText struct{}

func (*hungText) UnmarshalText([]byte) error  { hangs(); return nil }
func (hungText) MarshalText() ([]byte, error) { return []byte("x"), nil }

// stuckFunctions plant each function of a program that a runner calls, as a function
// that hangs. warned is the line of the log.
var stuckFunctions = []struct {
	name   string
	plant  func(*runner.Runner, *agent.Agent)
	warned string
}{
	{"instructions", func(_ *runner.Runner, a *agent.Agent) {
		a.Instruct = func(context.Context, agent.Info) (string, error) { hangs(); return "", nil }
	}, "Instruct left behind: it ignores its context"},
	{"model", func(r *runner.Runner, _ *agent.Agent) {
		r.Model = llm.ModelFunc(func(_ context.Context, _ *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
			sink(llm.TextDelta{Text: "So."})
			hangs()
			sink(llm.TextDelta{Text: "Late."})
			return nil, errPlanted
		})
	}, "model left behind: it ignores its context"},
	{"model that shows pieces for ever", func(r *runner.Runner, _ *agent.Agent) {
		r.Model = llm.ModelFunc(func(_ context.Context, _ *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
			for range 1000 {
				sink(llm.TextDelta{Text: "So."})
				time.Sleep(time.Hour / 1000) // synctest: exact in a bubble
			}
			hangs()
			return nil, errPlanted
		})
	}, "model left behind: it ignores its context"},
	{"list", func(_ *runner.Runner, a *agent.Agent) {
		a.Toolsets = []tool.Set{{Name: "x", List: func(context.Context) ([]tool.Tool, error) { hangs(); return nil, nil }}}
	}, "toolset left behind: its List ignores its context"},
	{"allow", func(_ *runner.Runner, a *agent.Agent) {
		a.Toolsets = []tool.Set{{
			Name: "x", Allow: func(string) bool { hangs(); return true },
			List: func(context.Context) ([]tool.Tool, error) { return []tool.Tool{weather()}, nil },
		}}
	}, "toolset left behind: its List ignores its context"},
	{"decide", func(r *runner.Runner, a *agent.Agent) {
		a.Tools = []tool.Tool{newTimeline().tool("wait", tool.NeedsApproval())}
		r.Decide = func(context.Context, runner.Pending) (runner.Input, error) { hangs(); return nil, nil }
	}, "Decide left behind: it ignores its context"},
	{"policy", func(_ *runner.Runner, a *agent.Agent) {
		a.Tools = []tool.Tool{newTimeline().tool("wait", tool.NeedsApprovalIf(func(context.Context, waitArgs) (bool, error) { hangs(); return false, nil }))}
	}, "approval could not be judged"},
	{"arguments", func(_ *runner.Runner, a *agent.Agent) {
		a.Tools = []tool.Tool{tool.Must(tool.New("wait", "", func(context.Context, struct {
			Name    hungText `json:"name"`
			Seconds int      `json:"seconds"`
		},
		) (string, error) {
			return "", nil
		}))}
	}, "tool left behind: the type of its arguments does not decode them"},
	{"tool", func(_ *runner.Runner, a *agent.Agent) {
		a.Tools = []tool.Tool{tool.Must(tool.New("wait", "", func(context.Context, waitArgs) (string, error) { hangs(); return "", nil }))}
	}, "tool left behind: it ignores its context"},
}

// TestHung: a function of the program that hangs does not block the run. The run ends 5
// seconds after its time, or after the cancel, and the log names the function.
func TestHung(t *testing.T) {
	t.Parallel()
	for _, tt := range stuckFunctions {
		for _, cancels := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var out bytes.Buffer
					r := runner.Runner{
						Logger: textLogger(&out), Model: llmtest.NewScript(llmtest.Calls("wait", waitArgs{"a", 1})),
						RunTimeout: 25 * time.Second, Journal: new(journal.Memory),
					}
					a := newAgent(newTimeline().tool("wait"))
					tt.plant(&r, a)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					took := 25 * time.Second
					if cancels {
						took = 10 * time.Second
						time.AfterFunc(took, cancel)
					}
					start := time.Now()
					result, err := r.Session("s").Run(ctx, a, runner.Say(llm.User("Hi.")))
					require.GreaterOrEqual(t, time.Since(start), took)
					require.LessOrEqual(t, time.Since(start), took+5*time.Second)
					if cancels {
						require.ErrorIs(t, err, context.Canceled)
					} else {
						require.ErrorAs(t, err, new(*runner.LimitError))
						require.ErrorIs(t, err, context.DeadlineExceeded)
					}
					requireValid(t, result.Messages)
					require.Contains(t, out.String(), tt.warned)
					requireContinues(t, r, tt.name)
					wait()
				})
			})
		}
	}
}

// TestHungConsumerLeaves: a consumer can leave while the model hangs.
func TestHungConsumerLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := llm.ModelFunc(func(_ context.Context, _ *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
			sink(llm.TextDelta{Text: "So."})
			hangs()
			return nil, nil
		})
		start := time.Now()
		for e, err := range with(m).Stream(t.Context(), newAgent(), llm.User("Hi.")) {
			require.NoError(t, err)
			if e.Type() == "text_delta" {
				break
			}
		}
		require.Equal(t, 5*time.Second, time.Since(start))
		wait()
	})
}

// TestHungToolset: a run continues without an optional set whose List hangs. It does
// not wait twice for the same call of List.
func TestHungToolset(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		list    func(context.Context) ([]tool.Tool, error)
		timeout time.Duration
		took    time.Duration // of the first turn and of the second
		notices []string
	}{
		{"keeps to its context", func(ctx context.Context) ([]tool.Tool, error) { <-ctx.Done(); return nil, ctx.Err() }, 0, 60 * time.Second,
			[]string{`toolset "x": context deadline exceeded (List may take 30s)`}},
		{"keeps to its context, and has some", func(ctx context.Context) ([]tool.Tool, error) {
			<-ctx.Done()
			return []tool.Tool{weather()}, ctx.Err()
		}, time.Second, 2 * time.Second, []string{`toolset "x": context deadline exceeded (List may take 1s)`}},
		{"ignores it", func(context.Context) ([]tool.Tool, error) { hangs(); return nil, nil }, 0, 35 * time.Second,
			[]string{`toolset "x": its List did not return: context deadline exceeded`, `toolset "x": its List of an earlier turn has not returned`}},
		{"is late", func(context.Context) ([]tool.Tool, error) { time.Sleep(33 * time.Second); return nil, nil }, // synctest: exact in a bubble
			0, 66 * time.Second, nil},
		{"no limit", func(context.Context) ([]tool.Tool, error) { time.Sleep(10 * time.Minute); return nil, nil }, // synctest: exact in a bubble
			-1, 20 * time.Minute, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAgent(newTimeline().tool("wait"))
				a.Toolsets = []tool.Set{{Name: "x", Optional: true, Timeout: tt.timeout, List: tt.list}}
				start := time.Now()
				events, err := collect(with(llmtest.Script(t, turnOf("wait", "a", 0), llmtest.Text("Fine."))).Stream(t.Context(), a, llm.User("Hi.")))
				require.NoError(t, err)
				require.Equal(t, tt.took, time.Since(start))
				var notices []string
				for _, e := range events {
					if n, ok := e.Body.(event.Notice); ok {
						notices = append(notices, n.Text)
					}
				}
				require.Equal(t, tt.notices, notices)
				wait()
			})
		})
	}
}

// TestHungRequiredToolset: a required set whose List hangs ends the run after the
// time of List, with the name of the set.
func TestHungRequiredToolset(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		a.Toolsets = []tool.Set{{Name: "x", List: func(ctx context.Context) ([]tool.Tool, error) { <-ctx.Done(); return nil, ctx.Err() }}}
		start := time.Now()
		_, err := with(llmtest.Script(t)).Run(t.Context(), a, llm.User("Hi."))
		require.EqualError(t, err, `turn 1: toolset "x": context deadline exceeded (List may take 30s)`)
		require.Equal(t, 30*time.Second, time.Since(start))
	})
}

// TestHungRedact: the runner withholds a text if Redact hangs, and the other texts
// while that call of Redact is running. The run continues.
func TestHungRedact(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		r := runner.Runner{Logger: textLogger(&out), Redact: func(s string) string {
			if s == "a" {
				time.Sleep(12 * time.Second) // synctest: exact in a bubble
			}
			return s
		}, Model: llmtest.Script(t, turnOf("wait", "a", 0), turnOf("wait", "b", 1), turnOf("wait", "c", 2), llmtest.Text("Fine."))}
		start := time.Now()
		result, err := r.Run(t.Context(), newAgent(newTimeline().tool("wait")), llm.User("Hi."))
		require.NoError(t, err)
		const withheld = "[withheld: it could not be redacted]"
		require.Equal(t, []string{withheld, withheld, "c"}, results(result.Messages))
		require.Equal(t, 13*time.Second, time.Since(start))
		require.Contains(t, out.String(), `level=ERROR msg="Redact panicked, or did not return"`)
	})
}

// hungJournal hangs in one of its methods.
type hungJournal struct {
	journal.Journal
	in   string
	from int // appends that work
	log  *hungLog
}

type hungLog struct {
	journal.Log
	in      string
	from, n int
	closed  int
}

func (j *hungJournal) Open(ctx context.Context, session string) (journal.Log, error) {
	if j.in == "Open" {
		hangs()
	}
	log, err := j.Journal.Open(context.WithoutCancel(ctx), session)
	j.log = &hungLog{Log: log, in: j.in, from: j.from}
	return j.log, err
}

func (l *hungLog) Append(ctx context.Context, sync bool, events ...event.Event) error {
	if l.n++; l.in == "Append" && l.n > l.from {
		hangs()
	}
	return l.Log.Append(context.WithoutCancel(ctx), sync, events...)
}

func (l *hungLog) Events(ctx context.Context) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		for e, err := range l.Log.Events(ctx) {
			if !yield(e, err) {
				return
			}
			if l.in == "Events" {
				hangs()
			}
		}
	}
}

func (l *hungLog) Close() error {
	l.closed++
	if l.in == "Close" {
		hangs()
	}
	return l.Log.Close()
}

// TestHungJournal: a journal that ignores its context blocks a run for one operation's
// time and 5 seconds. The session is free again when the method returns.
func TestHungJournal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   string
		from int
		want string
	}{
		{"Open", 0, "runner: the journal did not return from Open: the store did nothing for 30s: context deadline exceeded"},
		{"Events", 0, `runner: session "s": the journal did not return from Events: the store did nothing for 30s: context deadline exceeded`},
		{"Append", 0, `runner: session "s": event 2: the journal did not return from Append: context deadline exceeded`},
		{"Append", 2, `runner: session "s": event 5: the journal did not return from Append: context deadline exceeded`},
		{"Close", 0, `runner: session "s": the journal did not return from Close: context deadline exceeded`},
	} {
		t.Run(tt.in, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				store := new(journal.Memory)
				record(t, store, event.RunStarted{Version: event.Version, Run: 1, Agent: "a", ID: "x"})
				hung := &hungJournal{Journal: store, in: tt.in, from: tt.from}
				r := runner.Runner{Logger: textLogger(&out), Journal: hung, Model: llmtest.NewScript(turnOf("wait", "a", 1), llmtest.Text("Fine."))}
				start := time.Now()
				result, err := r.Session("s").Run(t.Context(), newAgent(newTimeline().tool("wait")), runner.Say(llm.User("Hi.")))
				require.EqualError(t, err, tt.want)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.LessOrEqual(t, time.Since(start), 36*time.Second)
				requireValid(t, result.Messages)
				require.Contains(t, out.String(), `level=WARN msg="journal left behind: it ignores its context"`)
				require.Contains(t, out.String(), "in="+tt.in)
				_, err = runner.Runner{Journal: store}.Session("s").Messages(t.Context())
				if tt.in != "Open" {
					require.ErrorAs(t, err, new(*journal.BusyError), "the method may still write")
				}
				wait()
				require.Equal(t, 1, hung.log.closed)
				requireContinues(t, runner.Runner{Journal: store}, tt.in)
			})
		})
	}
}

// TestManyEvents: all events arrive, for each size of the last batch, and a reader can
// stop within a batch.
func TestManyEvents(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 3, 4, 255, 256, 257, 510, 511, 512, 1000} {
		store := new(journal.Memory)
		var bodies []event.Body
		for i := range n / 2 {
			bodies = append(bodies, event.RunStarted{Version: event.Version, Run: i + 1, Agent: "a", ID: "x"}, event.RunFailed{Run: i + 1})
		}
		if n%2 == 1 {
			bodies = append(bodies, event.RunStarted{Version: event.Version, Run: n/2 + 1, Agent: "a", ID: "x"})
		}
		record(t, store, bodies...)
		requireContinues(t, runner.Runner{Journal: store}, "")
		require.Greater(t, len(eventsOf(t, store)), n)
		if n > 300 { // what cannot be is found in the middle of a batch
			record(t, store, event.UserMessaged{Message: llm.User("Hi.")}, event.RunStarted{Version: event.Version, Run: 7})
			_, err := runner.Runner{Journal: store}.Session("s").Messages(t.Context())
			require.ErrorContains(t, err, "cannot happen here")
		}
	}
}

// TestFunctionsEndTheGoroutine: a panic or runtime.Goexit (t.FailNow) of a function
// continues on the goroutine of the run's caller, after the end of the run.
func TestFunctionsEndTheGoroutine(t *testing.T) {
	t.Parallel()
	for _, panics := range []bool{false, true} {
		end := func() {
			if panics {
				panic(errBody)
			}
			leaves[2].body()
		}
		for name, plant := range map[string]func(*runner.Runner, *agent.Agent){
			"instructions": func(_ *runner.Runner, a *agent.Agent) {
				a.Instruct = func(context.Context, agent.Info) (string, error) { end(); return "", nil }
			},
			"model": func(r *runner.Runner, _ *agent.Agent) {
				r.Model = llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) { end(); return nil, nil })
			},
			"decide": func(r *runner.Runner, a *agent.Agent) {
				a.Tools = []tool.Tool{newTimeline().tool("wait", tool.NeedsApproval())}
				r.Decide = func(context.Context, runner.Pending) (runner.Input, error) { end(); return nil, nil }
			},
		} {
			r := runner.Runner{Journal: new(journal.Memory), Model: llmtest.NewScript(llmtest.Calls("wait", waitArgs{"a", 1}))}
			a := newAgent()
			plant(&r, a)
			ended := make(chan any)
			go func() {
				defer func() { ended <- recover() }()
				_, err := r.Session("s").Run(t.Context(), a, runner.Say(llm.User("Hi.")))
				t.Errorf("%s: it went on: %v", name, err)
			}()
			if v := <-ended; panics {
				require.True(t, errors.Is(v.(error), errBody))
			}
			requireEnded(t, r)
			requireContinues(t, r, name)
		}
	}
}
