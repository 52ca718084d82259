package temporal_test

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/interceptor"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/compact"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A world has the effects of a session. The world outlives its workers.
type world struct {
	mu      sync.Mutex
	keys    map[string]bool // guarded by mu
	effects []string        // the calls that had an effect, once for each effect; guarded by mu
	doubts  int             // how often a person was asked about a call in doubt
}

// act has the effect of a call.
func (w *world) act(c tool.Call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.keys == nil {
		w.keys = map[string]bool{}
	}
	w.keys[c.Key] = true
	// The random id of the run is in the key. A second key for a call would be a second effect.
	w.effects = append(w.effects, c.Tool+" "+regexp.MustCompile(`r\d.*$`).FindString(c.Key))
}

func (w *world) has(key string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.keys[key]
}

const done = "Done."

// answer is the answer of a person who looks at the effects.
func (w *world) answer(p runner.Pending) runner.Input {
	switch {
	case p.Late:
		return p.Result(llm.Text{Text: "The money came."})
	case !p.InDoubt:
		return p.Approve()
	}
	w.doubts++
	if w.has(p.Key) {
		return p.Happened(llm.Text{Text: done})
	}
	return p.RunAgain()
}

// tools returns tools of each kind: pay may run again, and post may not; ship finds out
// whether it happened; confirm needs an approval; wire has its result later; quit ends the
// run; read has a long result.
func (w *world) tools() []tool.Tool {
	once := func(end func() (string, error)) func(context.Context, order) (string, error) {
		return func(ctx context.Context, _ order) (string, error) {
			c := tool.CallFrom(ctx)
			_, err := effect(ctx, func() bool {
				if c.Tool == "post" || c.Tool == "confirm" || !w.has(c.Key) {
					w.act(c)
				}
				return true
			})
			if err != nil {
				return "", err
			}
			return end()
		}
	}
	ok := once(func() (string, error) { return done, nil })
	found := tool.Reconcile(func(_ context.Context, c tool.Call, _ json.RawMessage) (string, bool, error) {
		if c.Tool == "wire" && w.has(c.Key) {
			return "", false, tool.Later("bank")
		}
		return done, w.has(c.Key), nil
	})
	return []tool.Tool{
		tool.Must(tool.New("pay", "Pays an order.", ok, tool.Idempotent())),
		tool.Must(tool.New("post", "Posts an order.", ok)),
		tool.Must(tool.New("ship", "Ships an order.", ok, found)),
		tool.Must(tool.New("confirm", "Confirms an order.", ok, tool.NeedsApproval())),
		tool.Must(tool.New("wire", "Wires money.", once(func() (string, error) { return "", tool.Later("bank") }), found)),
		tool.Must(tool.New("quit", "Closes the desk.", once(func() (string, error) { return "", tool.Abort(errors.New("the desk is closed")) }), tool.Idempotent())),
		tool.Must(tool.New("read", "Reads an order.", once(func() (string, error) { return strings.Repeat("word ", 200), nil }), tool.Idempotent())),
	}
}

// says returns a model that gives the nth answer after n answers in the history.
func says(answers ...llmtest.Step) llm.Model {
	return saying(func(messages []llm.Message) llmtest.Step {
		turn := 0
		for _, m := range messages {
			if m.Role == llm.RoleAssistant {
				turn++
			}
		}
		return answers[turn]
	})
}

func saying(answer func([]llm.Message) llmtest.Step) llm.Model {
	return llm.ModelFunc(func(ctx context.Context, r *llm.Request, on func(llm.Delta)) (*llm.Response, error) {
		type answered struct {
			response *llm.Response
			err      error
		}
		a, err := effect(ctx, func() answered {
			response, err := llmtest.NewScript(answer(r.Messages)).Generate(ctx, r, on)
			return answered{response, err}
		})
		if err != nil {
			return nil, err
		}
		return a.response, a.err
	})
}

// use returns an answer with a call of each tool.
func use(names ...string) llmtest.Step {
	s := llmtest.Calls(names[0], order{"W0"})
	for _, name := range names[1:] {
		s = s.And(llmtest.Calls(name, order{"W0"}))
	}
	return s
}

var allDone = llmtest.Text("All done.")

// A drama is a conversation with a desk.
type drama struct {
	name    string
	shows   string // a part of the transcript
	desk    func(*world) *agent.Agent
	runner  runner.Runner
	later   []runner.Input // messages after the first run
	inside  func(*trial) interceptor.WorkerInterceptor
	effects []string
	pair    [2]string // if not empty, the ways in which pairs of activities are lost, too
}

// expected returns the transcript of a trial. The model must know about a call if the call
// was lost, and then canceled before the next attempt: the call may have had its effect.
func (d drama) expected(whole string, tr *trial) string {
	if d.inside != nil && slices.Contains(tr.died, unpaid) {
		const begin = "  result " + unpaid + ": "
		lost := strings.Replace(whole, begin+"not_run\n    The call did not run: the run ended before it began. It had no effect: call again if it is still needed.",
			begin+"outcome_unknown\n    It is not known whether the call took effect: it was started, and its end was never recorded. Check before you call it again.", 1)
		if lost == whole {
			panic("the call is not in the transcript")
		}
		return lost
	}
	return whole
}

// unpaid is a call. Its cancel comes before its function begins.
const unpaid = "r1.t2.c0"

// desk returns an agent with the tools of a world, and with the answers of a model.
func desk(answers ...llmtest.Step) func(*world) *agent.Agent {
	return func(w *world) *agent.Agent {
		return &agent.Agent{Name: "desk", Tools: w.tools(), Model: says(answers...)}
	}
}

// dramas are conversations with each thing that a session can do.
func dramas() []drama {
	return append(endings(), []drama{
		{
			name: "calls in parallel", pair: [2]string{errorAfter, timeoutAfter},
			desk:    desk(use("pay", "post", "ship"), use("post"), allDone),
			effects: []string{"pay r1.t1.c0", "post r1.t1.c1", "ship r1.t1.c2", "post r1.t2.c0"},
		},
		{
			name: "approval", shows: "r1.t1.c0 approved", pair: [2]string{timeoutBefore, stopBefore},
			desk:    desk(use("confirm", "pay"), use("confirm"), allDone),
			effects: []string{"confirm r1.t1.c0", "pay r1.t1.c1", "confirm r1.t2.c0"},
		},
		{
			name: "helpers", shows: "| run 1: clerk",
			desk: func(w *world) *agent.Agent {
				clerk := &agent.Agent{Name: "clerk", Tools: w.tools(), Model: says(use("post", "pay"), use("confirm"), allDone)}
				d := &agent.Agent{Name: "desk", Tools: w.tools(), Helpers: []agent.Helper{{Name: "ask_clerk", Description: "Helps.", Agent: clerk}}}
				d.Model = says(llmtest.Calls("ask_clerk", map[string]string{"task": "Go."}).And(use("ship")), use("pay"), allDone)
				return d
			},
			effects: []string{"post r1.t1.c0/r1.t1.c0", "pay r1.t1.c0/r1.t1.c1", "ship r1.t1.c1", "confirm r1.t1.c0/r1.t2.c0", "pay r1.t2.c0"},
		},
		{
			name: "hand-off", shows: "desk hands over to \"back office\"",
			desk: func(w *world) *agent.Agent {
				answers := says(use("post"), llmtest.Calls("give_away", map[string]string{"reason": "It takes time."}), use("pay"), allDone)
				back := &agent.Agent{Name: "back office", Tools: w.tools(), Model: answers}
				return &agent.Agent{Name: "desk", Tools: w.tools(), Model: answers, Handoffs: []agent.Handoff{{Agent: back, Name: "give_away"}}}
			},
			effects: []string{"post r1.t1.c0", "pay r1.t3.c0"},
		},
		{
			name: "late result", shows: "has its result later: bank",
			desk:    desk(use("wire", "post"), use("pay"), allDone),
			effects: []string{"wire r1.t1.c0", "post r1.t1.c1", "pay r1.t2.c0"},
		},
		{
			name: "compaction", shows: "history compacted",
			desk: func(w *world) *agent.Agent {
				return &agent.Agent{Name: "desk", Tools: w.tools(), Model: saying(func(messages []llm.Message) llmtest.Step {
					page := 0 // the last call is never removed
					for _, m := range messages {
						for _, c := range m.Calls() {
							page = int(c.Arguments[len(c.Arguments)-3] - '0')
						}
					}
					if page == 2 {
						return allDone
					}
					return llmtest.Calls("read", order{"W" + string(rune('1'+page))}).Usage(llm.Usage{})
				})}
			},
			runner:  runner.Runner{Compact: &compact.Policy{Tokens: 400}},
			effects: []string{"read r1.t1.c0", "read r1.t2.c0"},
		},
	}...)
}

// endings are conversations with a run that fails.
func endings() []drama {
	return []drama{
		{
			name: "abort", shows: "the desk is closed", later: []runner.Input{question},
			desk:    desk(use("post"), use("quit"), use("pay"), allDone),
			effects: []string{"post r1.t1.c0", "quit r1.t2.c0", "pay r2.t1.c0"},
		},
		{
			name: "cancel", shows: "context canceled", later: []runner.Input{question}, inside: func(tr *trial) interceptor.WorkerInterceptor { return &canceling{trial: tr} },
			desk:    desk(use("post"), use("pay"), use("ship"), allDone),
			effects: []string{"post r1.t1.c0", "ship r2.t1.c0"},
		},
	}
}

// A canceling interceptor is a worker that cannot begin to pay. Somebody cancels the run while
// the call waits for a better worker.
type canceling struct {
	interceptor.WorkerInterceptorBase // embedded: as Temporal's SDK wants it
	trial                             *trial
}

func (c *canceling) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &canceled{interceptor.ActivityInboundInterceptorBase{Next: next}, c.trial}
}

type canceled struct {
	interceptor.ActivityInboundInterceptorBase // embedded: as Temporal's SDK wants it
	trial                                      *trial
}

func (c *canceled) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	if call, ok := in.Args[0].(flow.Call); ok && call.Call == unpaid {
		env := c.trial.session.env
		env.RegisterDelayedCallback(func() { env.SignalWorkflow(flow.SignalCancel, nil) }, time.Second/2)
		return flow.Called{Elsewhere: "nobody answers"}, nil
	}
	return c.Next.ExecuteActivity(ctx, in)
}

// An archive is a journal in which a worker can stop before and after an append.
type archive struct{ *journal.Memory }

func (a *archive) Open(ctx context.Context, session string) (journal.Log, error) {
	log, err := a.Memory.Open(ctx, session)
	return archived{log}, err
}

type archived struct{ journal.Log }

func (a archived) Append(ctx context.Context, sync bool, events ...event.Event) error {
	failed, err := effect(ctx, func() error { return a.Log.Append(ctx, sync, events...) })
	return errors.Join(failed, err)
}

// events returns the events of the only session.
func (a *archive) events(t *testing.T) []event.Event {
	t.Helper()
	var all []event.Event
	for e, err := range a.Read(t.Context(), "desk", 0) {
		require.NoError(t, err)
		all = append(all, e)
	}
	n := 0
	for _, err := range a.List(t.Context(), journal.Filter{}) {
		require.NoError(t, err)
		n++
	}
	require.Equal(t, 1, n)
	return slices.Clip(all)
}
