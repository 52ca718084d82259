package runner_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// counting is a tool that reports each second.
func counting() tool.Tool {
	return tool.Must(tool.New("count", "Counts.", func(ctx context.Context, in waitArgs) (string, error) {
		for i := range in.Seconds {
			tool.CallFrom(ctx).Progress(float64(i+1), float64(in.Seconds), in.Name)
			time.Sleep(time.Second) // synctest: exact in a bubble
		}
		return in.Name, nil
	}))
}

// progressOf returns the reports of a stream.
func progressOf(events []event.Event) (reports []event.ToolProgress) {
	for _, e := range events {
		if p, ok := e.Body.(event.ToolProgress); ok {
			reports = append(reports, p)
		}
	}
	return reports
}

// TestProgress: each report is an event when somebody takes them, before the
// end of its call, and none is kept.
func TestProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		script := llmtest.Script(t, turnOf("count", "a", 2, "count", "b", 1), llmtest.Text("Fine."))
		s := with(script).Session("s")
		events, err := collect(s.Stream(t.Context(), newAgent(counting()), runner.Say(llm.User("Hi."))))
		require.NoError(t, err)
		var of = map[event.CallRef][]event.Body{}
		for _, e := range events {
			switch b := e.Body.(type) {
			case event.ToolProgress:
				require.Zero(t, e.Seq)
				of[b.Call] = append(of[b.Call], b)
			case event.ToolCallFinished:
				of[b.Call] = append(of[b.Call], b)
			}
		}
		finished := func(call event.CallRef, id, text string) event.Body {
			return event.ToolCallFinished{Call: call, Result: llm.ToolResult{CallID: id, Name: "count", Parts: llm.Parts{llm.Text{Text: text}}}}
		}
		require.Equal(t, map[event.CallRef][]event.Body{
			"r1.t1.c0": {
				event.ToolProgress{Call: "r1.t1.c0", Name: "count", Done: 1, Total: 2, Message: "a"},
				event.ToolProgress{Call: "r1.t1.c0", Name: "count", Done: 2, Total: 2, Message: "a"},
				finished("r1.t1.c0", "call_1", "a"),
			},
			"r1.t1.c1": {
				event.ToolProgress{Call: "r1.t1.c1", Name: "count", Done: 1, Total: 1, Message: "b"},
				finished("r1.t1.c1", "call_2", "b"),
			},
		}, of)
		requireInOrder(t, events)
	})
}

// requireInOrder: durable events by their Seq, and all by their time.
func requireInOrder(t *testing.T, events []event.Event) {
	t.Helper()
	seq, last := int64(0), time.Time{}
	for _, e := range events {
		if e.Seq != 0 {
			seq++
			require.Equal(t, seq, e.Seq)
		}
		require.False(t, e.Time.Before(last), "%s at %v comes after what happened at %v", e.Type(), e.Time, last)
		last = e.Time
	}
}

// TestProgressIsCoalesced: while the consumer holds an event, the last report of
// each call counts; the tool is not held up.
func TestProgressIsCoalesced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		script := llmtest.Script(t, turnOf("count", "a", 9, "count", "b", 3), llmtest.Text("Fine."))
		start := time.Now()
		var events []event.Event
		for e, err := range with(script).Stream(t.Context(), newAgent(counting()), llm.User("Hi.")) {
			require.NoError(t, err)
			events = append(events, e)
			if p, ok := e.Body.(event.ToolProgress); ok && p.Call == "r1.t1.c0" && p.Done == 1 {
				time.Sleep(5*time.Second + time.Second/2) // synctest: exact in a bubble
			}
		}
		require.Equal(t, 9*time.Second, time.Since(start))
		requireInOrder(t, events)
		var a, b []float64
		for _, p := range progressOf(events) {
			if p.Call == "r1.t1.c0" {
				a = append(a, p.Done)
			} else {
				b = append(b, p.Done)
			}
		}
		require.Equal(t, []float64{1, 6, 7, 8, 9}, a)
		require.Equal(t, 3.0, b[len(b)-1], "the last report of a call that has ended meanwhile is shown")
		require.LessOrEqual(t, len(b), 2)
	})
}

// TestProgressAfterTheEnd: what a function reports that was left behind, or by a
// goroutine of its own, goes nowhere.
func TestProgressAfterTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		var late tool.Call
		behind := tool.Must(tool.New("behind", "", func(ctx context.Context, _ struct{}) (string, error) {
			late = tool.CallFrom(ctx)
			late.Progress(1, 0, "alive")
			<-stuck
			late.Progress(3, 0, "never")
			return "never", nil
		}, tool.Timeout(time.Second)))
		script := llmtest.Script(t, llmtest.Calls("behind", nil), turnOf("count", "a", 3), llmtest.Text("Fine."))
		var events []event.Event
		for e, err := range with(script).Stream(t.Context(), newAgent(behind, counting()), llm.User("Hi.")) {
			require.NoError(t, err)
			events = append(events, e)
			if p, ok := e.Body.(event.ToolProgress); ok && p.Call == "r1.t2.c0" {
				late.Progress(2, 0, "never")
				if p.Done == 2 {
					close(stuck)
					synctest.Wait()
				}
			}
		}
		late.Progress(4, 0, "never")
		require.Equal(t, []event.ToolProgress{
			{Call: "r1.t1.c0", Name: "behind", Done: 1, Message: "alive"},
			{Call: "r1.t2.c0", Name: "count", Done: 1, Total: 3, Message: "a"},
			{Call: "r1.t2.c0", Name: "count", Done: 2, Total: 3, Message: "a"},
			{Call: "r1.t2.c0", Name: "count", Done: 3, Total: 3, Message: "a"},
		}, progressOf(events))
	})
}

// TestProgressIsSafe: its message is redacted and bounded, and every report can
// be written as JSON.
func TestProgressIsSafe(t *testing.T) {
	t.Parallel()
	nan := 0.0
	nan /= nan
	reports := tool.Must(tool.New("report", "", func(ctx context.Context, in waitArgs) (string, error) {
		switch in.Name {
		case "redacted":
			tool.CallFrom(ctx).Progress(1, 2, "hunter2 at https://ann:s3cret@example.com")
		case "long":
			tool.CallFrom(ctx).Progress(1, 2, strings.Repeat("\xff", 1<<20))
		case "no number":
			tool.CallFrom(ctx).Progress(nan, nan, "")
		}
		return "done", nil
	}))
	for name, want := range map[string]event.ToolProgress{
		"redacted":  {Done: 1, Total: 2, Message: "*** at https://[redacted]@example.com"},
		"long":      {Done: 1, Total: 2},
		"no number": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runner.Runner{Model: llmtest.Script(t, turnOf("report", name, 0), llmtest.Text("Fine.")), Redact: hideHunter}
			events, err := collect(r.Stream(t.Context(), newAgent(reports), llm.User("Hi.")))
			require.NoError(t, err)
			got := progressOf(events)
			require.Len(t, got, 1)
			_, err = json.Marshal(got[0])
			require.NoError(t, err)
			if name == "long" {
				require.Less(t, len(got[0].Message), 1100)
				want.Message = got[0].Message
			}
			want.Call, want.Name = "r1.t1.c0", "report"
			require.Equal(t, want, got[0])
		})
	}
}

func hideHunter(s string) string { return strings.ReplaceAll(s, "hunter2", "***") }

// TestProgressOfRun: with nobody who looks, reports cost nothing and hang nothing.
func TestProgressOfRun(t *testing.T) {
	t.Parallel()
	many := tool.Must(tool.New("many", "", func(ctx context.Context, _ struct{}) (string, error) {
		for i := range 10_000 {
			tool.CallFrom(ctx).Progress(float64(i), 10_000, "going on")
		}
		return "done", nil
	}))
	result, err := with(llmtest.Script(t, llmtest.Calls("many", nil).And(llmtest.Calls("many", nil)), llmtest.Text("Fine."))).
		Run(t.Context(), newAgent(many), llm.User("Hi."))
	require.NoError(t, err)
	require.Equal(t, []string{"done", "done"}, results(result.Messages))
}

// TestProgressOfManyGoroutines: a call may report from anywhere, at once.
func TestProgressOfManyGoroutines(t *testing.T) {
	t.Parallel()
	const goroutines, each = 50, 200
	many := tool.Must(tool.New("many", "", func(ctx context.Context, _ struct{}) (string, error) {
		c := tool.CallFrom(ctx)
		var group sync.WaitGroup
		for range goroutines {
			group.Go(func() {
				for i := range each {
					c.Progress(float64(i), each, "going on")
				}
			})
		}
		group.Wait()
		c.Progress(each, each, "all")
		go c.Progress(0, 0, "late, perhaps too late")
		return "done", nil
	}))
	step := llmtest.Calls("many", nil)
	r := runner.Runner{Model: llmtest.Script(t, step.And(step, step), llmtest.Text("Fine.")), Redact: hideHunter}
	events, err := collect(r.Stream(t.Context(), newAgent(many), llm.User("Hi.")))
	require.NoError(t, err)
	last := map[event.CallRef]string{}
	ended := 0
	for _, e := range events {
		switch b := e.Body.(type) {
		case event.ToolProgress:
			require.NotEqual(t, "over", last[b.Call])
			last[b.Call] = b.Message
		case event.ToolCallFinished:
			require.Contains(t, []string{"all", "late, perhaps too late"}, last[b.Call])
			last[b.Call] = "over"
			ended++
		}
	}
	require.Equal(t, 3, ended)
}
