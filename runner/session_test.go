package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestSession: a conversation over several runs, in one process and, by way of
// the journal's JSON, in another.
func TestSession(t *testing.T) {
	t.Parallel()
	store := new(journal.Memory)
	script := llmtest.Script(t,
		llmtest.Calls("get_weather", cityArgs{"Oslo"}), llmtest.Text("Warm."),
		llmtest.Text("I said: warm."), llmtest.Text("Still warm."))
	s := runner.Runner{Model: script, Journal: store}.Session("s")
	first, err := s.Run(t.Context(), newAgent(weather()), runner.Say(llm.User("Oslo?")))
	require.NoError(t, err)
	require.Equal(t, 1, first.Run)
	second, err := s.Run(t.Context(), newAgent(weather()), runner.Say(llm.User("What?")), runner.Say(llm.User("Loud!")))
	require.NoError(t, err)
	require.Equal(t, 2, second.Run)
	require.Equal(t, 1, second.Turns)
	require.Equal(t, "s", second.Session)
	require.Equal(t, append(first.Messages, llm.User("What?"), llm.User("Loud!"), llm.Assistant("I said: warm.")), second.Messages)

	data, err := json.Marshal(store)
	require.NoError(t, err)
	elsewhere := new(journal.Memory)
	require.NoError(t, json.Unmarshal(data, elsewhere))
	third, err := runner.Runner{Model: script, Journal: elsewhere}.Session("s").Run(t.Context(), newAgent(), runner.Say(llm.User("And now?")))
	require.NoError(t, err)
	require.Equal(t, 3, third.Run)
	require.Equal(t, append(second.Messages, llm.User("And now?")), script.Requests()[3].Messages)
}

// TestSessionWithoutJournal keeps itself as long as the value lives.
func TestSessionWithoutJournal(t *testing.T) {
	t.Parallel()
	s := with(llmtest.Script(t, llmtest.Text("One."), llmtest.Text("Two."))).Session("s")
	for _, want := range []int{2, 4} {
		result, err := s.Run(t.Context(), newAgent(), runner.Say(llm.User("Hi.")))
		require.NoError(t, err)
		require.Len(t, result.Messages, want)
	}
}

func TestSessionMisuse(t *testing.T) {
	t.Parallel()
	r := with(llmtest.Script(t))
	_, err := r.Session("").Run(t.Context(), newAgent(), runner.Say(llm.User("Hi.")))
	require.EqualError(t, err, "runner: the session has no name")
	result, err := r.Session("s").Run(t.Context(), newAgent())
	require.ErrorIs(t, err, runner.ErrNoInput)
	require.Equal(t, &runner.Result{Session: "s"}, result)
	_, err = collect(r.Session("s").Stream(t.Context(), newAgent(), runner.Say()))
	require.ErrorIs(t, err, runner.ErrNoInput)
}

// TestGoesOn: without input, a session goes on where a failed run ended.
func TestGoesOn(t *testing.T) {
	t.Parallel()
	failed := llmtest.Fail(&llm.APIError{Kind: llm.KindServer, Message: "boom"})
	script := llmtest.Script(t, failed, llmtest.Calls("get_weather", cityArgs{"Oslo"}), failed, llmtest.Text("Warm."))
	s := with(script).Session("s")
	_, err := s.Run(t.Context(), newAgent(weather()), runner.Say(llm.User("Oslo?")))
	require.Error(t, err)
	_, err = s.Run(t.Context(), newAgent(weather()))
	require.Error(t, err)
	result, err := s.Run(t.Context(), newAgent(weather()))
	require.NoError(t, err)
	require.Len(t, result.Messages, 4)
	require.Equal(t, 3, result.Run)
	require.Equal(t, 1, result.Turns, "of this run")
	require.Equal(t, llm.Usage{InputTokens: 10, OutputTokens: 5, TotalTokens: 15}, result.Usage, "of this run")

	messages, err := s.Messages(t.Context())
	require.NoError(t, err)
	require.Equal(t, result.Messages, messages)
	result, err = s.Run(t.Context(), newAgent(weather()))
	require.ErrorIs(t, err, runner.ErrNoInput)
	require.Equal(t, &runner.Result{Session: "s", Messages: messages}, result, "nothing of the run before")
}

// TestUnreadableSession: an error, and nothing hangs.
func TestUnreadableSession(t *testing.T) {
	t.Parallel()
	s := with(llmtest.Script(t, llmtest.Text("Fine."))).Session("s")
	_, err := s.Run(t.Context(), newAgent(), runner.Say(llm.User("Hi.")))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	result, err := s.Run(ctx, newAgent(), runner.Say(llm.User("Hi.")))
	require.ErrorIs(t, err, context.Canceled)
	require.NotNil(t, result)
	_, err = s.Messages(ctx)
	require.ErrorIs(t, err, context.Canceled)

	bad := new(journal.Memory)
	log, err := bad.Open(t.Context(), "s")
	require.NoError(t, err)
	require.NoError(t, log.Append(t.Context(), true, event.Event{Seq: 1, Body: event.RunFinished{Run: 1}}))
	require.NoError(t, log.Close())
	_, err = runner.Runner{Model: llmtest.Script(t), Journal: bad}.Session("s").Run(t.Context(), newAgent(), runner.Say(llm.User("Hi.")))
	require.EqualError(t, err, `runner: session "s": loop: event 1 (run_finished): cannot happen here`)
}

// TestSessionIsLocked: one run of a session at a time.
func TestSessionIsLocked(t *testing.T) {
	t.Parallel()
	var s *runner.Session
	nested := tool.Must(tool.New("nested", "Runs the session that it runs in.", func(ctx context.Context, _ struct{}) (string, error) {
		_, err := s.Run(ctx, newAgent(), runner.Say(llm.User("Hi.")))
		return "", err
	}))
	s = with(llmtest.Script(t, llmtest.Calls("nested", nil), llmtest.Text("Fine."))).Session("s")
	result, err := s.Run(t.Context(), newAgent(nested), runner.Say(llm.User("Hi.")))
	require.NoError(t, err)
	require.Equal(t, []string{`runner: journal: session "s" is open: another run of it is going on`}, results(result.Messages))
}

// lost is a journal whose lock is lost at the first append.
type lost struct {
	journal.Journal
	cancel context.CancelCauseFunc
}

type lostLog struct {
	journal.Log
	ctx context.Context
}

func (l *lost) Open(ctx context.Context, session string) (journal.Log, error) {
	log, err := l.Journal.Open(ctx, session)
	ctx, l.cancel = context.WithCancelCause(ctx)
	return &lostLog{log, ctx}, err
}

func (l *lostLog) Context() context.Context { return l.ctx }

// TestLostLock: losing the lock ends the run.
func TestLostLock(t *testing.T) {
	t.Parallel()
	store := &lost{Journal: new(journal.Memory)}
	model := llm.ModelFunc(func(ctx context.Context, _ *llm.Request, _ func(llm.Delta)) (*llm.Response, error) {
		store.cancel(errPlanted)
		<-ctx.Done()
		return nil, context.Cause(ctx)
	})
	_, err := runner.Runner{Model: model, Journal: store}.Session("s").Run(t.Context(), newAgent(), runner.Say(llm.User("Hi.")))
	require.ErrorIs(t, err, errPlanted)
}

// textLogger writes every line without what differs between runs.
func textLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "elapsed" || a.Key == "stack" || a.Key == "run_id" {
			return slog.Attr{}
		}
		return a
	}}))
}

// TestLoggedEnds: how a run ends, and what is left behind, is logged.
func TestLoggedEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		stuck := make(chan struct{})
		defer close(stuck)
		r := runner.Runner{Logger: textLogger(&out), Model: llmtest.Script(t, llmtest.Calls("act", `{"what":"stuck"}`), llmtest.Text("Fine."))}
		_, err := r.Run(t.Context(), newAgent(act(stuck)), llm.User("Hi."))
		require.NoError(t, err)
		require.Contains(t, out.String(), `level=WARN msg="tool left behind: it ignores its context" agent=assistant run=1 call=r1.t1.c0 tool=act`)
		require.Contains(t, out.String(), `level=INFO msg="run finished" agent=assistant run=1 turns=2 input_tokens=20 output_tokens=10`)
		r.Model = llmtest.NewScript()
		for range r.Stream(t.Context(), newAgent(), llm.User("Hi.")) {
			break
		}
		require.Contains(t, out.String(), `level=INFO msg="run left by its consumer" agent=assistant run=1 turns=0`)
		late := tool.Must(tool.New("late", "Breaks down when its time is over.", func(ctx context.Context, _ struct{}) (string, error) {
			<-ctx.Done()
			panic("broken")
		}))
		r.Model = llmtest.Script(t, llmtest.Calls("late", nil), llmtest.Text("Fine."))
		_, err = r.Run(t.Context(), newAgent(late), llm.User("Hi."))
		require.NoError(t, err)
		require.Contains(t, out.String(), `level=ERROR msg="tool panicked" agent=assistant run=1 call=r1.t1.c0 tool=late error="timed_out: panic: broken"`)
	})
}

// TestLogger: what is logged at which level, and that nothing of what was said is.
func TestLogger(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	var out strings.Builder
	log := textLogger(&out)
	breaking := tool.Must(tool.New("break", "Breaks.", func(context.Context, cityArgs) (string, error) { panic(errors.New("broken")) }))
	script := llmtest.Script(t, llmtest.Text(secret).And(llmtest.Calls("break", cityArgs{secret})), llmtest.Fail(&llm.APIError{
		Kind: llm.KindServer, Message: "see https://bob:" + secret + "@example.com",
	}))
	_, err := runner.Runner{Model: script, Logger: log}.Session("s").Run(t.Context(), newAgent(breaking), runner.Say(llm.User(secret)))
	require.Error(t, err)
	require.NotContains(t, out.String(), secret)
	require.Equal(t, `level=INFO msg="run started" agent=assistant run=1 session=s messages=1
level=DEBUG msg="model asked" agent=assistant run=1 session=s turn=1 messages=1
level=DEBUG msg="model answered" agent=assistant run=1 session=s turn=1 model=scripted request_id=req_1 finish=tool_calls calls=1 input_tokens=10 output_tokens=5
level=DEBUG msg="tool call started" agent=assistant run=1 session=s call=r1.t1.c0 tool=break
level=ERROR msg="tool panicked" agent=assistant run=1 session=s call=r1.t1.c0 tool=break error="panicked: panic: broken"
level=DEBUG msg="tool call finished" agent=assistant run=1 session=s call=r1.t1.c0 tool=break failure=panicked
level=DEBUG msg="model asked" agent=assistant run=1 session=s turn=2 messages=3
level=WARN msg="run failed" agent=assistant run=1 session=s turns=2 error="turn 2: server: see https://[redacted]@example.com"
`, out.String())
}
