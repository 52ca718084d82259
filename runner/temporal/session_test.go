package temporal_test

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	toolloop "github.com/seed-916e8f6a/toolloop/runner/temporal"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A shop is a desk whose effects are counted by the keys of the calls.
type shop struct {
	mu      sync.Mutex
	effects map[string]int
}

type order struct {
	Order string `json:"order"`
}

// desk returns an agent whose tools have effects: charge and ship, with options.
func (s *shop) desk(options ...tool.Option) *agent.Agent {
	do := func(ctx context.Context, in order) (string, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.effects == nil {
			s.effects = map[string]int{}
		}
		s.effects[tool.CallFrom(ctx).Key]++
		return "Done: " + in.Order, nil
	}
	return &agent.Agent{Name: "desk", Tools: []tool.Tool{
		tool.Must(tool.New("charge", "Charges an order.", do, options...)),
		tool.Must(tool.New("ship", "Ships an order.", do, options...)),
	}}
}

func (s *shop) counts() (keys, runs int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.effects {
		keys, runs = keys+1, runs+n
	}
	return keys, runs
}

var steps = []llmtest.Step{
	llmtest.Calls("charge", order{"W1"}).And(llmtest.Calls("ship", order{"W1"})),
	llmtest.Calls("charge", order{"W2"}), llmtest.Text("All done."),
}

var question = runner.Say(llm.User("Charge and ship."))

// TestApprovalAfterDays: a session waits for three days, and its time does not count.
func TestApprovalAfterDays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s shop
		session := simulate(t, toolloop.Worker{Agents: []*agent.Agent{s.desk(tool.NeedsApproval())}, Runner: runner.Runner{Model: llmtest.Script(t, steps...)}}, flow.Start{})
		result, err := session.run(t.Context(), question)
		require.ErrorIs(t, err, runner.ErrPaused)
		for i := range 2 {
			var in []runner.Input
			for _, p := range result.Pending {
				in = append(in, p.Approve())
			}
			stale := result.Pending[0].Approve()
			session.pass(72 * time.Hour)
			result, err = session.run(t.Context(), in...)
			if i == 0 {
				require.ErrorIs(t, err, runner.ErrPaused)
				require.Equal(t, 1, len(result.Pending))
			}
			if i == 0 {
				_, again := session.run(t.Context(), stale)
				unfit, ok := errors.AsType[*temporal.ApplicationError](again)
				require.True(t, ok, "%v", again)
				require.Equal(t, flow.UnfitType, unfit.Type())
			}
		}
		require.NoError(t, err)
		require.Equal(t, "All done.", result.Text)
		keys, runs := s.counts()
		require.Equal(t, []int{3, 3}, []int{keys, runs})
		session.end(t)
	})
}

// TestBusy: a second input during a run is refused, and nothing is recorded of it.
func TestBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s shop
		model := llmtest.Script(t, llmtest.Text("Yes.").With(llmtest.Late(time.Hour/2)))
		session := simulate(t, toolloop.Worker{Agents: []*agent.Agent{s.desk()}, Runner: runner.Runner{Model: model}}, flow.Start{})
		second := make(chan error, 1)
		time.AfterFunc(time.Minute, func() {
			session.env.RegisterDelayedCallback(func() {
				session.env.UpdateWorkflow(flow.UpdateRun, "second", rejected(second), flow.Input{Agent: "desk"})
			}, 0)
		})
		result, err := session.run(t.Context(), question)
		require.NoError(t, err)
		require.Len(t, result.Events, 5)
		busy, ok := errors.AsType[*temporal.ApplicationError](<-second)
		require.True(t, ok)
		require.Equal(t, flow.BusyType, busy.Type())

		_, err = session.run(t.Context())
		require.ErrorIs(t, err, runner.ErrNoInput)
		session.end(t)
	})
}

type rejected chan error

func (r rejected) Accept()             {}
func (r rejected) Reject(err error)    { r <- err }
func (r rejected) Complete(any, error) { r <- nil }

// TestErrors: errors that a session of package runner returns have the same types.
func TestErrors(t *testing.T) {
	t.Parallel()
	overloaded := &llm.APIError{Kind: llm.KindOverloaded, Provider: "openai", StatusCode: 503, Message: "Busy.", RetryAfter: time.Second}
	for name, c := range map[string]struct {
		step llmtest.Step
		is   func(error) bool
	}{
		"api": {llmtest.Fail(overloaded), func(err error) bool {
			e, ok := errors.AsType[*llm.APIError](err)
			return ok && e.Error() == overloaded.Error() && e.Retryable()
		}},
		"long": {llmtest.Fail(&llm.APIError{Kind: llm.KindAuth, Message: strings.Repeat("x", 3<<20)}), func(err error) bool {
			e, ok := errors.AsType[*llm.APIError](err)
			return ok && e.Kind == llm.KindAuth && len(err.Error()) < 5<<10 && len(e.Message) < 5<<10
		}},
		"finish": {llmtest.Text("It").Finish("length"), func(err error) bool {
			e, ok := errors.AsType[*runner.FinishError](err)
			return ok && e.Reason == "length" && e.Finish.Raw == "length"
		}},
		"limit": {llmtest.Calls("charge", order{"W1"}), func(err error) bool {
			e, ok := errors.AsType[*runner.LimitError](err)
			return ok && *e == runner.LimitError{Limit: "turns", Max: 1}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var s shop
				session := simulate(t, toolloop.Worker{Agents: []*agent.Agent{s.desk()}, Runner: runner.Runner{MaxTurns: 1, Model: llmtest.Script(t, c.step)}}, flow.Start{})
				_, err := session.run(t.Context(), question)
				require.True(t, c.is(err), "%#v", err)
				session.end(t)
			})
		})
	}
}

// TestLongErrors: an error of any length reaches the client, shorter and with its type.
func TestLongErrors(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3<<20)
	for _, err := range []error{
		&llm.APIError{Kind: llm.KindAuth, Message: long},
		&runner.FinishError{Reason: "refusal", Refusal: long},
		&runner.OutputError{Problem: long},
		&runner.CheckError{Check: "pii", Stage: "output", Reason: long},
		&runner.OnceError{Key: "k", Failed: long},
		&runner.DecisionError{Reason: long, Err: errors.New(long)},
		errors.New(long),
	} {
		sent, got := toolloop.Sent(err)
		require.Less(t, len(sent.Text)+len(sent.Data), 20<<10, "%T", err)
		require.Less(t, len(got.Error()), 5<<10)
		if sent.Kind != "" {
			require.Len(t, got.(interface{ Unwrap() []error }).Unwrap(), 1)
			require.IsType(t, err, got.(interface{ Unwrap() []error }).Unwrap()[0])
		}
	}
}

// charging is a model that charges and ships, whatever was lost.
func charging() llm.Model {
	return llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		turn := 0
		for _, m := range req.Messages {
			if m.Role == llm.RoleAssistant {
				turn++
			}
		}
		return llmtest.NewScript(steps[turn]).Generate(ctx, req, sink)
	})
}

// TestArchive: a journal gets the events of sessions that end, also of two of one name.
func TestArchive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		archive := new(journal.Memory)
		for range 2 {
			var s shop
			w := toolloop.Worker{Agents: []*agent.Agent{s.desk()}, Runner: runner.Runner{Model: charging()}, Archive: archive}
			session := simulate(t, w, flow.Start{})
			_, err := session.run(t.Context(), question)
			require.NoError(t, err)
			session.end(t)
		}
		n := 0
		for sum, err := range archive.List(t.Context(), journal.Filter{}) {
			require.NoError(t, err)
			require.True(t, sum.Session == "desk" || strings.HasPrefix(sum.Session, "desk@"), sum.Session)
			state, err := runner.Runner{Journal: archive}.Session(sum.Session).State(t.Context())
			require.NoError(t, err)
			require.Equal(t, "All done.", state.Text)
			n++
		}
		require.Equal(t, 2, n)
	})
}

// TestElsewhere: a worker that cannot begin says so, and another one, or the same, begins
// later. Nothing is in doubt, also for calls that must not run twice.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s shop
		session := simulate(t, toolloop.Worker{Agents: []*agent.Agent{s.desk()}, Runner: runner.Runner{Model: charging()}}, flow.Start{})
		session.unreadable = 7
		result, err := session.run(t.Context(), question)
		require.NoError(t, err)
		require.Equal(t, "All done.", result.Text)
		require.Negative(t, session.unreadable)
		keys, runs := s.counts()
		require.Equal(t, []int{3, 3}, []int{keys, runs})
		session.end(t)
	})
}

// TestFlowKnowsNothing: the workflow imports nothing of this library, so no version of it
// can change what Temporal replays.
func TestFlowKnowsNothing(t *testing.T) {
	t.Parallel()
	const own = "github.com/seed-916e8f6a/toolloop/"
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "./internal/flow").Output()
	require.NoError(t, err)
	for _, dep := range strings.Fields(string(out)) {
		if strings.HasPrefix(dep, own) {
			require.Equal(t, own+"runner/temporal/internal/flow", dep)
		}
	}
}

// TestTooOften: a call that kills its worker each time is repeated five times, with growing
// pauses, and then a person is asked.
func TestTooOften(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s shop
		w := toolloop.Worker{Agents: []*agent.Agent{s.desk(tool.Idempotent())}, Runner: runner.Runner{Model: charging()}}
		session := simulateWith(t, w, flow.Start{}, worker.Options{Interceptors: []interceptor.WorkerInterceptor{new(deadly)}})
		result, err := session.run(t.Context(), question)
		require.ErrorIs(t, err, runner.ErrPaused)
		require.Len(t, result.Pending, 1)
		starts := 0
		for _, e := range result.Events {
			if b, ok := e.Body.(event.ToolCallStarted); ok && b.Name == "charge" {
				starts++
			}
		}
		require.Equal(t, 5, starts)
		session.end(t)
	})
}

// deadly loses each attempt of a charge.
type deadly struct {
	interceptor.WorkerInterceptorBase // embedded: as Temporal's SDK wants it
}

func (*deadly) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &dying{interceptor.ActivityInboundInterceptorBase{Next: next}}
}

type dying struct {
	interceptor.ActivityInboundInterceptorBase // embedded: as Temporal's SDK wants it
}

func (d *dying) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	if call, ok := in.Args[0].(flow.Call); ok && strings.HasSuffix(call.Call, "c0") {
		return nil, errors.New("the worker is gone")
	}
	return d.Next.ExecuteActivity(ctx, in)
}
