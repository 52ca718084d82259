package temporal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	toolloop "github.com/seed-916e8f6a/toolloop/runner/temporal"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
	"github.com/seed-916e8f6a/toolloop/tool"
)

const histories = "testdata/histories"

// TestReplay: the workflow goes on with sessions that earlier versions began. A failure means
// that a deployment would break sessions that are under way: put the change of the workflow
// behind workflow.GetVersion. Never write the files of a released version again.
func TestReplay(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(histories + "/*.json")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 9)
	for _, file := range files {
		r := worker.NewWorkflowReplayer()
		r.RegisterWorkflowWithOptions(flow.Session, workflow.RegisterOptions{Name: flow.SessionName})
		require.NoError(t, r.ReplayWorkflowHistoryFromJSONFile(quiet{}, file), file)
	}
}

// TestReplayFinds: the histories find a workflow that does something else.
func TestReplayFinds(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(histories + "/*.json")
	require.NoError(t, err)
	for _, file := range files {
		r := worker.NewWorkflowReplayer()
		changed := func(ctx workflow.Context, start flow.Start, packed []byte) error {
			if err := workflow.Sleep(ctx, time.Second); err != nil {
				return err
			}
			return flow.Session(ctx, start, packed)
		}
		r.RegisterWorkflowWithOptions(changed, workflow.RegisterOptions{Name: flow.SessionName})
		err := r.ReplayWorkflowHistoryFromJSONFile(quiet{}, file)
		require.ErrorContains(t, err, "TMPRL1100", file)
	}
}

// TestServerHistories: what a session does on a real server can be replayed, and is kept for
// the versions to come: TOOLLOOP_UPDATE=1 writes the files that do not exist.
func TestServerHistories(t *testing.T) {
	t.Parallel()
	c := server(t)
	t.Run("approval", func(t *testing.T) {
		t.Parallel()
		var s shop
		desk := s.desk(tool.NeedsApproval())
		work(t, toolloop.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: charging()}}.Run)
		session := sessions(t, c).Session("one")
		result, err := session.Run(t.Context(), desk, question)
		for errors.Is(err, runner.ErrPaused) {
			var in []runner.Input
			for _, p := range result.Pending {
				in = append(in, p.Approve())
			}
			result, err = session.Run(t.Context(), desk, in...)
		}
		require.NoError(t, err)
		require.NoError(t, session.End(t.Context()))
		eventually(t, func() bool { return closed(t, c, name(t)+"/one") })
		keep(t, c, "approval", name(t)+"/one", "")
	})
	t.Run("renewal", func(t *testing.T) {
		t.Parallel()
		var s shop
		desk := s.desk()
		var steps []llmtest.Step
		for i := range 8 {
			steps = append(steps, llmtest.Calls("charge", order{fmt.Sprint(i)}))
		}
		work(t, toolloop.Worker{
			Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk},
			Runner: runner.Runner{Model: llmtest.Script(t, append(steps, llmtest.Text("All done."))...)},
		}.Run)
		client := sessions(t, c)
		client.MaxHistory = 40
		_, err := client.Session("one").Run(t.Context(), desk, question)
		require.NoError(t, err)
		runs := runsOf(t, c, name(t)+"/one")
		require.Greater(t, len(runs), 2)
		for i, run := range runs[:3] {
			keep(t, c, fmt.Sprintf("renewal_%d", i), name(t)+"/one", run)
		}
	})
}

// TestServerHistoryOutage: a run waits for a model that is down.
func TestServerHistoryOutage(t *testing.T) {
	t.Parallel()
	c := server(t)
	var s shop
	desk := s.desk()
	model := &failing{model: charging(), down: between(1, 3, overloaded)}
	work(t, toolloop.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: model}, Outage: time.Hour}.Run)
	result, err := sessions(t, c).Session("one").Run(t.Context(), desk, question)
	require.NoError(t, err)
	require.Equal(t, "All done.", result.Text)
	timers := 0
	for _, e := range historyOf(t, c, name(t)+"/one", "").GetEvents() {
		if e.GetTimerStartedEventAttributes() != nil { // Temporal shows the wait
			timers++
			require.Contains(t, string(e.GetUserMetadata().GetSummary().GetData()), "the model is down: turn 2: openai: 503")
		}
	}
	require.Equal(t, 2, timers)
	keep(t, c, "outage", name(t)+"/one", "")
}

// TestServerHistoryDue: a pause ends by itself.
func TestServerHistoryDue(t *testing.T) {
	t.Parallel()
	c := server(t)
	var s shop
	desk := s.desk(tool.NeedsApproval(), tool.ApprovalWithin(time.Second, "Nobody looked."))
	work(t, toolloop.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: charging()}}.Run)
	session := sessions(t, c).Session("one")
	_, err := session.Run(t.Context(), desk, question)
	require.ErrorIs(t, err, runner.ErrPaused)
	eventually(t, func() bool {
		state, err := session.State(t.Context())
		return err == nil && state.Text == "All done."
	})
	_, runs := s.counts()
	require.Zero(t, runs)
	keep(t, c, "due", name(t)+"/one", "")
}

// TestServerHistorySay: a message comes at the end of a run, and a result during a run.
func TestServerHistorySay(t *testing.T) {
	t.Parallel()
	c := server(t)
	asked, answer := make(chan struct{}), make(chan struct{})
	script := llmtest.Script(t, llmtest.Text("Done."), llmtest.Calls("ship", order{"W1"}).And(llmtest.Calls("wait", order{"W1"})), llmtest.Text("All done."))
	var once sync.Once
	model := llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		once.Do(func() { close(asked); <-answer })
		return script.Generate(ctx, req, sink)
	})
	begun, gate := make(chan string, 1), make(chan struct{})
	desk := &agent.Agent{Name: "desk", Tools: []tool.Tool{
		tool.Must(tool.New("ship", "Ships.", func(ctx context.Context, _ order) (string, error) {
			begun <- tool.CallFrom(ctx).Key
			return "", tool.Later("ship-7")
		})),
		tool.Must(tool.New("wait", "Waits.", func(context.Context, order) (string, error) { <-gate; return "Waited.", nil })),
	}}
	work(t, toolloop.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: model}}.Run)
	session := sessions(t, c).Session("one")
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { _, err := session.Run(t.Context(), desk, question); first <- err }()
	<-asked
	require.NoError(t, session.Say(t.Context(), llm.User("And ship.")))
	close(answer)
	key := <-begun
	go func() {
		_, err := session.Run(t.Context(), desk, runner.Pending{Key: key}.Result(llm.Text{Text: "Shipped."}))
		second <- err
	}()
	eventually(t, func() bool { return updates(t, c, name(t)+"/one") == 3 })
	close(gate)
	require.ErrorIs(t, <-first, runner.ErrPaused)
	require.NoError(t, <-second)
	keep(t, c, "say", name(t)+"/one", "")
}

// TestServerHistoryDeath: the worker of a call dies.
func TestServerHistoryDeath(t *testing.T) {
	t.Parallel()
	c := server(t)
	b := newBook(t)
	session := mortals(t, c).Session("one")
	p := spawn(t, b, 10*time.Minute)
	done := make(chan error, 1)
	go func() {
		_, err := session.Run(t.Context(), storing(nil), runner.Say(llm.User("pay it")))
		done <- err
	}()
	eventually(t, func() bool { return b.attempts(t) == 1 })
	p.kill()
	begun := time.Now()
	spawn(t, b, 0)
	require.NoError(t, <-done)
	t.Logf("the run ended %v after the death of its worker", time.Since(begun))
	keep(t, c, "death", name(t)+"/one", "")
}

// TestServerHistoryCancel: a call is canceled.
func TestServerHistoryCancel(t *testing.T) {
	t.Parallel()
	c := server(t)
	b := newBook(t)
	session := mortals(t, c).Session("one")
	spawn(t, b, 10*time.Minute)
	done := make(chan error, 1)
	go func() {
		_, err := session.Run(t.Context(), storing(nil), runner.Say(llm.User("post it")))
		done <- err
	}()
	eventually(t, func() bool { return b.attempts(t) == 1 })
	require.NoError(t, session.Cancel(t.Context()))
	require.Error(t, <-done)
	keep(t, c, "cancel", name(t)+"/one", "")
}

// keep replays the history of a session on a real server, and writes a file that does not exist.
func keep(t *testing.T, c client.Client, file, id, run string) {
	t.Helper()
	all := historyOf(t, c, id, run)
	r := worker.NewWorkflowReplayer()
	r.RegisterWorkflowWithOptions(flow.Session, workflow.RegisterOptions{Name: flow.SessionName})
	require.NoError(t, r.ReplayWorkflowHistory(quiet{}, all))
	path := filepath.Join(histories, file+".json")
	if _, err := os.Stat(path); os.Getenv("TOOLLOOP_UPDATE") != "1" || !errors.Is(err, fs.ErrNotExist) {
		return
	}
	text, err := protojson.MarshalOptions{}.Marshal(all)
	require.NoError(t, err)
	host, err := os.Hostname() // in the names of sticky queues
	require.NoError(t, err)
	text = bytes.ReplaceAll(text, []byte(`"`+host+":"), []byte(`"test:`))
	require.NoError(t, os.MkdirAll(histories, 0o755))
	require.NoError(t, os.WriteFile(path, append(text, '\n'), 0o600))
}

func historyOf(t *testing.T, c client.Client, id, run string) *history.History {
	t.Helper()
	all := new(history.History)
	for h := c.GetWorkflowHistory(t.Context(), id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); h.HasNext(); {
		e, err := h.Next()
		require.NoError(t, err)
		all.Events = append(all.Events, e)
	}
	return all
}

func closed(t *testing.T, c client.Client, id string) bool {
	t.Helper()
	d, err := c.DescribeWorkflow(t.Context(), id, "")
	require.NoError(t, err)
	return d.RawResponse.GetWorkflowExecutionInfo().GetCloseTime() != nil
}

// runsOf returns the executions of a workflow, the first one first.
func runsOf(t *testing.T, c client.Client, id string) (runs []string) {
	t.Helper()
	d, err := c.DescribeWorkflow(t.Context(), id, "")
	require.NoError(t, err)
	for run := d.RawResponse.GetWorkflowExecutionInfo().GetExecution().GetRunId(); run != ""; {
		runs = append(runs, run)
		run = historyOf(t, c, id, run).GetEvents()[0].GetWorkflowExecutionStartedEventAttributes().GetContinuedExecutionRunId()
	}
	slices.Reverse(runs)
	return runs
}

// TestHistoriesTellNothing: the files name no machine.
func TestHistoriesTellNothing(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(histories + "/*.json")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, identity := range regexp.MustCompile(`"identity": ?"([^"]*)"`).FindAllStringSubmatch(string(text), -1) {
			require.Contains(t, []string{"test", "history-service", ""}, identity[1], file)
		}
	}
}

// updates returns the number of updates that the newest execution of a workflow accepted.
func updates(t *testing.T, c client.Client, id string) (n int) {
	t.Helper()
	for _, e := range historyOf(t, c, id, "").GetEvents() {
		if e.GetWorkflowExecutionUpdateAcceptedEventAttributes() != nil {
			n++
		}
	}
	return n
}
