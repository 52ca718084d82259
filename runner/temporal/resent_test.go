package temporal_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	toolloop "github.com/seed-916e8f6a/toolloop/runner/temporal"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
)

// A forgetful client loses the server's answer to each update, and sends the update again, as
// Temporal's SDK does after an error of the connection.
type forgetful struct {
	client.Client
	lost func() // happens between the two
	sent func() // happens after the second
	open func() client.WithStartWorkflowOperation
}

func (f *forgetful) NewWithStartWorkflowOperation(o client.StartWorkflowOptions, workflow any, args ...any) client.WithStartWorkflowOperation {
	f.open = func() client.WithStartWorkflowOperation {
		return f.Client.NewWithStartWorkflowOperation(o, workflow, args...)
	}
	return f.open()
}

func (f *forgetful) UpdateWithStartWorkflow(ctx context.Context, o client.UpdateWithStartWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	if _, err := f.Client.UpdateWithStartWorkflow(ctx, o); err != nil {
		return nil, err
	}
	f.lost()
	o.StartWorkflowOperation = f.open()
	handle, err := f.Client.UpdateWithStartWorkflow(ctx, o)
	f.sent()
	return handle, err
}

// TestServerLostAnswer: the answer to an update is lost, and the session has continued as a new
// execution before the update comes again. Messages and inputs count once.
func TestServerLostAnswer(t *testing.T) {
	t.Parallel()
	c := server(t)
	for _, kase := range []string{"messages", "a run that goes on", "a run that has ended"} {
		t.Run(kase, func(t *testing.T) {
			t.Parallel()
			var s shop
			desk := s.desk()
			gate := make(chan struct{})
			var steps []llmtest.Step
			for i := range 8 {
				steps = append(steps, llmtest.Calls("charge", order{fmt.Sprint(i)}))
			}
			script := llmtest.Script(t, append(steps, llmtest.Text("All done."))...)
			model := llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
				if len(req.Messages) > 16 && kase == "a run that goes on" {
					<-gate
				}
				return script.Generate(ctx, req, sink)
			})
			work(t, toolloop.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: model}}.Run)
			sure := sessions(t, c)
			sure.MaxHistory = 40
			unsure, f := sure, &forgetful{Client: c, sent: func() {}}
			unsure.Temporal = f
			renewed := func() bool { return len(runsOf(t, c, name(t)+"/one")) > 1 }
			switch kase {
			case "messages":
				f.lost = func() {
					_, err := sure.Session("one").Run(t.Context(), desk, question)
					require.NoError(t, err)
					require.True(t, renewed())
				}
				require.NoError(t, unsure.Session("one").Say(t.Context(), llm.User("Hello.")))
				runs := runsOf(t, c, name(t)+"/one")
				keep(t, c, "resent", name(t)+"/one", runs[len(runs)-1])
			default:
				f.lost = func() {
					eventually(t, func() bool {
						state, err := sure.Session("one").State(t.Context())
						return renewed() && err == nil && (kase == "a run that goes on" || state.Status != journal.Running)
					})
				}
				f.sent = func() { close(gate) }
				result, err := unsure.Session("one").Run(t.Context(), desk, runner.Say(llm.User("Hello.")))
				require.NoError(t, err)
				require.Equal(t, "All done.", result.Text)
			}
			runs, said := 0, 0
			for e, err := range sure.Read(t.Context(), "one", 0) {
				require.NoError(t, err)
				if _, ok := e.Body.(event.RunStarted); ok {
					runs++
				}
			}
			messages, err := sure.Session("one").Messages(t.Context())
			require.NoError(t, err)
			said = saidTimes(messages, "Hello.")
			require.Equal(t, []int{1, 1}, []int{runs, said})
		})
	}
}

// An intruder is the data converter of a worker. It does something before a session continues as a new
// execution, in the task that does so.
type intruder struct {
	converter.DataConverter
	do func()
}

func (i intruder) ToPayloads(values ...any) (*common.Payloads, error) {
	if _, renews := values[0].(flow.Start); renews {
		i.do()
	}
	return i.DataConverter.ToPayloads(values...)
}

// TestServerRefusedRenewal: a signal comes during the task that takes messages and continues the
// session as a new execution. The server refuses the task, with the messages. They come again.
func TestServerRefusedRenewal(t *testing.T) {
	t.Parallel()
	c := server(t)
	var s shop
	desk := s.desk()
	client := sessions(t, c)
	client.MaxHistory = 5
	session := client.Session("one")
	var once sync.Once
	own, err := dial(started.address, intruder{converter.GetDefaultDataConverter(), func() {
		once.Do(func() { require.NoError(t, session.Cancel(t.Context())) })
	}})
	require.NoError(t, err)
	t.Cleanup(own.Close)
	work(t, toolloop.Worker{Temporal: own, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: charging()}}.Run)
	for i := range 4 {
		require.NoError(t, session.Say(t.Context(), llm.User(fmt.Sprint(i))))
	}
	messages, err := session.Messages(t.Context())
	require.NoError(t, err)
	require.Len(t, messages, 4)
}

// A silent client loses the first answers about its updates: the server is too slow.
type silent struct {
	client.Client
	once, got sync.Once
}

var errSilent = client.NewWorkflowUpdateServiceTimeoutOrCanceledError(context.DeadlineExceeded)

func (s *silent) UpdateWithStartWorkflow(ctx context.Context, o client.UpdateWithStartWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	handle, err := s.Client.UpdateWithStartWorkflow(ctx, o)
	s.once.Do(func() { handle, err = nil, errSilent })
	if err == nil && o.UpdateOptions.UpdateName == flow.UpdateRun {
		handle = silentHandle{handle, s}
	}
	return handle, err
}

type silentHandle struct {
	client.WorkflowUpdateHandle
	of *silent
}

func (h silentHandle) Get(ctx context.Context, to any) error {
	err := h.WorkflowUpdateHandle.Get(ctx, to)
	h.of.got.Do(func() { err = errSilent })
	return err
}

// TestServerSilent: an update without an answer comes again, and counts once.
func TestServerSilent(t *testing.T) {
	t.Parallel()
	c := server(t)
	var s shop
	desk := s.desk()
	work(t, toolloop.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: charging()}}.Run)
	slow := sessions(t, c)
	slow.Temporal = &silent{Client: c}
	require.NoError(t, slow.Session("one").Say(t.Context(), llm.User("Hello.")))
	slow.Temporal = &silent{Client: c}
	result, err := slow.Session("one").Run(t.Context(), desk, question)
	require.NoError(t, err)
	require.Equal(t, 1, saidTimes(result.Messages, "Hello."))
	require.Equal(t, 1, saidTimes(result.Messages, "Charge and ship."))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, slow.Session("one").Say(ctx, llm.User("Hello.")), context.Canceled)
}

// TestServerNewerCommands: a worker leaves a session alone whose commands are of a newer version.
func TestServerNewerCommands(t *testing.T) {
	t.Parallel()
	c := server(t)
	var s shop
	work(t, toolloop.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{s.desk()}, Runner: runner.Runner{Model: llmtest.Script(t)}}.Run)
	_, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: name(t), TaskQueue: name(t)},
		flow.SessionName, flow.Start{Commands: flow.Commands + 1, Session: "one", Heartbeat: time.Minute}, []byte(nil))
	require.NoError(t, err)
	eventually(t, func() bool {
		for _, e := range historyOf(t, c, name(t), "").GetEvents() {
			if failed := e.GetWorkflowTaskFailedEventAttributes(); failed != nil {
				require.Contains(t, failed.GetFailure().GetMessage(), "the session needs a newer worker: its commands have version 2")
				return true
			}
		}
		return false
	})
	require.False(t, closed(t, c, name(t)))
	require.NoError(t, c.TerminateWorkflow(t.Context(), name(t), "", "the test is over"))
}

var errLost = errors.New("the connection broke")

// An unsure client loses answers to updates, and sends these updates again, as Temporal's SDK does, or
// returns an error.
type unsure struct {
	client.Client
	storm  *storm
	breaks int // of a hundred updates
	begins sync.Map

	mu     sync.Mutex
	random *rand.Rand
}

func (s *storm) losing(t *testing.T, stream uint64, breaks int) *unsure {
	t.Helper()
	own, err := dial(started.address)
	require.NoError(t, err)
	t.Cleanup(own.Close)
	return &unsure{Client: own, storm: s, breaks: breaks, random: rand.New(rand.NewPCG(s.seed, stream))}
}

func (l *unsure) NewWithStartWorkflowOperation(o client.StartWorkflowOptions, workflow any, args ...any) client.WithStartWorkflowOperation {
	begin := func() client.WithStartWorkflowOperation {
		return l.Client.NewWithStartWorkflowOperation(o, workflow, args...)
	}
	first := begin()
	l.begins.Store(first, begin)
	return first
}

func (l *unsure) UpdateWithStartWorkflow(ctx context.Context, o client.UpdateWithStartWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	begin, _ := l.begins.LoadAndDelete(o.StartWorkflowOperation)
	l.mu.Lock()
	dice, wait := l.random.IntN(100), time.Duration(l.random.IntN(1500))*time.Millisecond
	l.mu.Unlock()
	handle, err := l.Client.UpdateWithStartWorkflow(ctx, o)
	switch {
	case err != nil || dice >= l.breaks+20:
		return handle, err
	case dice < l.breaks:
		l.storm.lost.Add(1)
		return nil, errLost
	}
	l.storm.lost.Add(1)
	<-time.After(wait)
	o.StartWorkflowOperation = begin.(func() client.WithStartWorkflowOperation)()
	return l.Client.UpdateWithStartWorkflow(ctx, o)
}
