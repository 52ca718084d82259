package temporal_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
)

// A tally is what the histories of a storm say.
type tally struct {
	executions, calls, died, outages, taskFails int
	again                                       map[string]int // attempts after the first, by activity
}

func (t tally) String() string {
	return fmt.Sprintf("%d executions, %d effects, %d calls died, %d waits for a model, activities again %v, %d workflow tasks failed",
		t.executions, t.calls, t.died, t.outages, t.again, t.taskFails)
}

// check checks the invariants of a storm that is over.
func (s *storm) check(t *testing.T, c client.Client) tally {
	t.Helper()
	sum := tally{again: map[string]int{}}
	archive := journal.Dir{Path: filepath.Join(filepath.Dir(s.book.file), "archive")}
	for _, p := range s.plays {
		var events, archived []event.Event
		for e, err := range s.direct.Read(t.Context(), p.name, 0) {
			require.NoError(t, err)
			events = append(events, e)
		}
		for e, err := range archive.Read(t.Context(), p.name, 0) {
			require.NoError(t, err)
			archived = append(archived, e)
		}
		require.Equal(t, texted(t, events), texted(t, archived), p.name)
		if p.watches {
			require.Equal(t, texted(t, events), texted(t, p.watched), p.name)
		}
		p.checkLog(t, events)
		sum.calls += p.checkCalls(t, events)
		p.checkHistories(t, c, &sum)
	}
	eventually(t, func() bool { // the visibility store is late
		for range s.direct.List(t.Context(), journal.Filter{}) {
			return false
		}
		return true
	})
	stacks := make([]byte, 64<<20)
	require.NotContains(t, string(stacks[:runtime.Stack(stacks, true)]), "runner/temporal.(*Session)", "a goroutine is left")
	return sum
}

// texted returns events as JSON.
func texted(t *testing.T, events []event.Event) (all []string) {
	t.Helper()
	for _, e := range events {
		raw, err := e.MarshalJSON()
		require.NoError(t, err)
		all = append(all, string(raw))
	}
	return all
}

func each(events []event.Event) func(func(event.Event, error) bool) {
	return func(yield func(event.Event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// checkLog: the events are a log, each run has one end, and each message is there once and in the
// order of its client.
func (p *play) checkLog(t *testing.T, events []event.Event) {
	t.Helper()
	state, err := runner.StateOf(p.name, each(events))
	require.NoError(t, err, p.name)
	require.Equal(t, journal.Finished, state.Status, p.name)
	require.Empty(t, state.Open, p.name)
	running := false
	var recorded []llm.Message
	for i, e := range events {
		require.EqualValues(t, i+1, e.Seq)
		switch b := e.Body.(type) {
		case event.RunStarted:
			require.False(t, running, p.name)
			running = true
		case event.RunFinished, event.RunFailed:
			require.True(t, running, p.name)
			running = false
		case event.UserMessaged:
			recorded = append(recorded, b.Message)
		}
	}
	require.False(t, running, p.name)
	p.said["mail"] = []string{"Only once."}
	if !slices.ContainsFunc(recorded, func(m llm.Message) bool { return strings.HasPrefix(m.Text(), planned+"two") }) {
		delete(p.said, "two") // not asked
	}
	said := 0
	for who, texts := range p.said {
		last := -1
		for _, text := range texts {
			said++
			require.Equal(t, 1, saidTimes(recorded, text), "%s: %s", p.name, text)
			require.Equal(t, 1, saidTimes(state.Messages, text), "%s: %s", p.name, text)
			at := slices.IndexFunc(recorded, func(m llm.Message) bool { return m.Text() == text })
			require.Greater(t, at, last, "%s: %s", p.name, who)
			last = at
		}
		last = -1
		for _, text := range texts {
			at := indexOf(state.Messages, text)
			require.Greater(t, at, last, "%s: %s", p.name, who)
			last = at
		}
	}
	require.Len(t, recorded, said, p.name)
}

// checkCalls: the calls that succeeded are those in the book.
func (p *play) checkCalls(t *testing.T, events []event.Event) int {
	t.Helper()
	calls, err := runner.CallsOf(each(events))
	require.NoError(t, err)
	want, got := []string{}, []string{}
	for _, c := range calls {
		require.False(t, c.Ended.IsZero(), "%s: %v", p.name, c)
		if c.Failure != "" {
			continue
		}
		item := c.ToolCall.Name + " " + c.ToolCall.Arguments
		want = append(want, item)
		if c.ToolCall.Name == "ship" {
			require.Contains(t, c.Result.Text(), "Delivered: ", p.name)
		}
	}
	entries, err := p.storm.book.list(t.Context(), "session = ?", p.name)
	require.NoError(t, err)
	for _, e := range entries {
		require.Equal(t, 1, e.times, e.key)
		got = append(got, fmt.Sprintf(`%s {"order":%q}`, e.tool, e.item))
	}
	slices.Sort(want)
	slices.Sort(got)
	require.Equal(t, want, got, p.name)
	return len(got)
}

// checkHistories: the executions are over, in order, and can be replayed.
func (p *play) checkHistories(t *testing.T, c client.Client, sum *tally) {
	t.Helper()
	id := p.storm.direct.Prefix + p.name
	about, err := c.DescribeWorkflow(t.Context(), id, "")
	require.NoError(t, err)
	end := enums.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED
	for run := about.WorkflowExecution.RunID; run != ""; {
		sum.executions++
		all := historyOf(t, c, id, run)
		events, types := all.GetEvents(), map[int64]string{}
		for _, e := range events {
			switch {
			case e.GetActivityTaskScheduledEventAttributes() != nil:
				types[e.GetEventId()] = e.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName()
			case e.GetActivityTaskStartedEventAttributes().GetAttempt() > 1:
				sum.again[types[e.GetActivityTaskStartedEventAttributes().GetScheduledEventId()]]++
			case e.GetActivityTaskTimedOutEventAttributes() != nil, e.GetActivityTaskFailedEventAttributes() != nil:
				sum.died++
			case e.GetTimerStartedEventAttributes() != nil && strings.Contains(string(e.GetUserMetadata().GetSummary().GetData()), "the model is down"):
				sum.outages++
			case e.GetWorkflowTaskFailedEventAttributes() != nil:
				sum.taskFails++
				failed := e.GetWorkflowTaskFailedEventAttributes()
				if failed.GetCause() != enums.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND { // or a worker died, and the next read too little
					require.Contains(t, failed.GetFailure().GetMessage(), "premature end of stream", "%s: %v", p.name, failed)
				}
			}
		}
		require.Equal(t, end, events[len(events)-1].GetEventType(), p.name)
		run, end = events[0].GetWorkflowExecutionStartedEventAttributes().GetContinuedExecutionRunId(), enums.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW
		r := worker.NewWorkflowReplayer()
		r.RegisterWorkflowWithOptions(flow.Session, workflow.RegisterOptions{Name: flow.SessionName})
		require.NoError(t, r.ReplayWorkflowHistory(quiet{}, all), p.name)
	}
}

// stuck returns what the sessions without an end wait for.
func (s *storm) stuck(t *testing.T) (text string) {
	for _, p := range s.plays {
		about, err := s.direct.Temporal.DescribeWorkflow(t.Context(), s.direct.Prefix+p.name, "")
		if err != nil || about.WorkflowCloseTime == nil {
			state, err2 := s.direct.Session(p.name).State(t.Context())
			text += fmt.Sprintf("%s: %v %v %+v\n", p.name, err, err2, state)
		}
	}
	return text
}
