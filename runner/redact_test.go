package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
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

// leaky is a tool that tells a secret in the way that its argument names.
func leaky() tool.Tool {
	const secret = "the key is hunter2"
	return tool.Must(tool.New("leak", "Leaks.", func(ctx context.Context, in waitArgs) (any, error) {
		switch in.Name {
		case "text":
			return secret, nil
		case "parts":
			return llm.Parts{llm.Text{Text: secret}, llm.Image{URL: "https://example.com/a.png"}, llm.Text{Text: "twice: " + secret}}, nil
		case "JSON":
			return map[string]string{"key": "hunter2"}, nil
		case "reader":
			return strings.NewReader(secret), nil
		case "error":
			return nil, errors.New(secret)
		case "own failure":
			return nil, tool.Fail(tool.Denied, secret, errors.New(secret))
		case "retry":
			return nil, tool.Retry(secret)
		case "hide":
			return nil, tool.Hide(errors.New(secret))
		case "panic":
			panic(secret)
		case "slow":
			<-ctx.Done()
			return nil, errors.New(secret)
		case "abort":
			return nil, tool.Abort(errors.New(secret))
		}
		return "nothing", nil
	}))
}

// TestRedact: what a tool says passes the hook before the model, an event, a
// journal or a log has it.
func TestRedact(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		how, want, error string
	}{
		{"text", "the key is ***", ""},
		{"parts", "the key is ***\ntwice: the key is ***", ""},
		{"JSON", `{"key":"***"}`, ""},
		{"reader", "the key is ***", ""},
		{"error", "the key is ***", "the key is ***"},
		{"own failure", "The call was denied: the key is ***. It did not run. Do not repeat it: go on without it, or ask the user.", "the key is ***"},
		{"retry", "the key is ***\nSend the call again with corrected arguments.", "retry: the key is ***"},
		{"hide", "The tool failed. The reason is not for you to see; the same call may fail again.", "the key is ***"},
		{"panic", "The tool broke down because of an internal fault, which is not yours. The same call is likely to break down again.", "panic: the key is ***"},
		{"slow", "The tool did not finish within 2m0s and was given up. It may have had an effect all the same: check before you call it again.", "the key is ***"},
	} {
		t.Run(tt.how, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var logged strings.Builder
				store := new(journal.Memory)
				script := llmtest.Script(t, turnOf("leak", tt.how, 0), llmtest.Text("Fine."))
				r := runner.Runner{Model: script, Redact: hideHunter, Logger: textLogger(&logged), Journal: store}
				events, err := collect(r.Session("s").Stream(t.Context(), newAgent(leaky()), runner.Say(llm.User("Hi."))))
				require.NoError(t, err)
				require.Equal(t, []string{tt.want}, results(script.Requests()[1].Messages))
				require.Equal(t, tt.error, bodyOf(events, "tool_call_finished", 0).(event.ToolCallFinished).Error)
				requireNoSecret(t, events, store, logged.String())
			})
		})
	}
}

func requireNoSecret(t *testing.T, events []event.Event, store *journal.Memory, logged string) {
	t.Helper()
	shown, err := json.Marshal(events)
	require.NoError(t, err)
	kept, err := json.Marshal(store)
	require.NoError(t, err)
	for _, text := range []string{string(shown), string(kept), logged} {
		require.NotContains(t, text, "hunter2")
		require.NotContains(t, text, "s3cret")
	}
	require.NotEmpty(t, shown)
	require.NotEmpty(t, kept)
	require.NotEmpty(t, logged)
}

// TestRedactErrors: so do the errors of all others that a run has to do with.
func TestRedactErrors(t *testing.T) {
	t.Parallel()
	const secret = "hunter2 at https://ann:s3cret@example.com"
	restarting := llm.ModelFunc(func(_ context.Context, _ *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		sink(llm.Restarted{Err: errors.New(secret)})
		sink(llm.Notice{Text: secret})
		return nil, errors.New(secret)
	})
	unchecked := tool.Must(tool.NewRaw("raw", "", json.RawMessage(`{"properties":{"a":{"$ref":"#/$defs/hunter2"}}}`),
		func(context.Context, json.RawMessage) (string, error) { return "", nil }, tool.AllowUnchecked()))
	a := newAgent(unchecked)
	a.Instruct = nil
	var logged strings.Builder
	store := new(journal.Memory)
	r := runner.Runner{Model: restarting, Redact: hideHunter, Logger: textLogger(&logged), Journal: store}
	events, err := collect(r.Session("s").Stream(t.Context(), a, runner.Say(llm.User("Hi."))))
	require.EqualError(t, err, "turn 1: "+secret, "the program's own error is whole")
	requireNoSecret(t, events, store, logged.String())
	const redacted = "*** at https://[redacted]@example.com"
	require.Equal(t, event.Restarted{Turn: 1, Error: redacted}, bodyOf(events, "restarted", 0))
	require.Equal(t, "turn 1: "+redacted, bodyOf(events, "run_failed", 0).(event.RunFailed).Error)
	require.Contains(t, bodyOf(events, "notice", 0).(event.Notice).Text, "the arguments of tool raw are not checked: ")
	require.Equal(t, event.Notice{Text: redacted}, bodyOf(events, "notice", 1))

	r.Model = llmtest.Script(t, turnOf("leak", "abort", 0))
	events, err = collect(r.Session("abort").Stream(t.Context(), newAgent(leaky()), runner.Say(llm.User("Hi."))))
	require.EqualError(t, err, "turn 1: tool leak: the key is hunter2")
	requireNoSecret(t, events, store, logged.String())

	refusing := &recorded{before: func(n int) (error, bool) {
		if n == 1 {
			return errors.New(secret), false
		}
		return nil, false
	}}
	r.Model, r.Journal = llmtest.NewScript(), refusing
	events, err = collect(r.Session("refused").Stream(t.Context(), newAgent(), runner.Say(llm.User("Hi."))))
	require.ErrorContains(t, err, secret)
	requireNoSecret(t, events, &refusing.Memory, logged.String())
	require.Contains(t, logged.String(), "journal refused an event")
}

// TestRedactCannotBreakARun: whatever the hook does, the model gets a text that
// providers take, and a journal one that it can keep.
func TestRedactCannotBreakARun(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		hook func(string) string
		want string
	}{
		{"panics", func(string) string { panic("hunter2") }, "[withheld: it could not be redacted]"},
		{"panics with nil", func(string) string { panic(nil) }, "[withheld: it could not be redacted]"},
		{"leaves nothing", func(string) string { return "" }, "[redacted]"},
		{"leaves blanks", func(string) string { return " \n" }, "[redacted]"},
		{"breaks UTF-8", func(s string) string { return s[:0] + "x\xff" }, "x\uFFFD"},
		{"changes nothing", nil, "the key is hunter2"},
	} {
		for _, how := range []string{"text", "error"} {
			t.Run(tt.name+", "+how, func(t *testing.T) {
				t.Parallel()
				var logged strings.Builder
				script := llmtest.Script(t, turnOf("leak", how, 0), llmtest.Text("Fine."))
				r := runner.Runner{Model: script, Redact: tt.hook, Logger: textLogger(&logged)}
				events, err := collect(r.Stream(t.Context(), newAgent(leaky()), llm.User("Hi.")))
				require.NoError(t, err)
				require.Equal(t, []string{tt.want}, results(script.Requests()[1].Messages))
				require.NotContains(t, logged.String(), "hunter2")
				finished := bodyOf(events, "tool_call_finished", 0).(event.ToolCallFinished)
				if how == "error" {
					require.Equal(t, tt.want, finished.Error)
				}
			})
		}
	}
}

// TestRedactLeavesTheToolsParts: what the tool keeps of its result stays whole.
func TestRedactLeavesTheToolsParts(t *testing.T) {
	t.Parallel()
	mine := llm.Parts{llm.Text{Text: "hunter2"}}
	keeps := tool.Must(tool.New("keeps", "", func(context.Context, struct{}) (llm.Parts, error) { return mine, nil }))
	r := runner.Runner{Model: llmtest.Script(t, llmtest.Calls("keeps", nil), llmtest.Text("Fine.")), Redact: hideHunter}
	result, err := r.Run(t.Context(), newAgent(keeps), llm.User("Hi."))
	require.NoError(t, err)
	require.Equal(t, []string{"***"}, results(result.Messages))
	require.Equal(t, llm.Parts{llm.Text{Text: "hunter2"}}, mine)
}

// TestRedactIsCalledAtOnce: calls that end together do not wait for each other's
// redaction.
func TestRedactIsCalledAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int32
		slow := func(s string) string {
			if n := running.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(time.Second) // synctest: exact in a bubble
			running.Add(-1)
			return hideHunter(s)
		}
		step := turnOf("leak", "text", 0)
		r := runner.Runner{Model: llmtest.Script(t, step.And(step, step, step), llmtest.Text("Fine.")), Redact: slow}
		start := time.Now()
		result, err := r.Run(t.Context(), newAgent(leaky()), llm.User("Hi."))
		require.NoError(t, err)
		require.Equal(t, slices.Repeat([]string{"the key is ***"}, 4), results(result.Messages))
		require.Equal(t, time.Second, time.Since(start))
		require.Equal(t, int32(4), most.Load())
	})
}

// TestRedactSeesWholeSecrets: a text is redacted before it is cut to its bound,
// so no half of a secret is left at the cut.
func TestRedactSeesWholeSecrets(t *testing.T) {
	t.Parallel()
	for before := range 1100 {
		failing := tool.Must(tool.New("failing", "", func(context.Context, struct{}) (string, error) {
			return "", errors.New(fmt.Sprint(strings.Repeat("x", before), "hunter2", strings.Repeat("y", 500)))
		}))
		r := runner.Runner{Model: llmtest.NewScript(llmtest.Calls("failing", nil), llmtest.Text("Fine.")), Redact: hideHunter}
		events, err := collect(r.Stream(t.Context(), newAgent(failing), llm.User("Hi.")))
		require.NoError(t, err)
		finished := bodyOf(events, "tool_call_finished", 0).(event.ToolCallFinished)
		require.NotContains(t, finished.Error+finished.Result.Text(), "xh", "%d", before)
	}
}

// rude is an error that has no text.
type rude struct{ text *string }

func (r *rude) Error() string { return *r.text }

// TestErrorsWithoutText: a cause whose Error method panics fails its call, and
// not the program.
func TestErrorsWithoutText(t *testing.T) {
	t.Parallel()
	for _, hook := range []func(string) string{nil, hideHunter} {
		for name, err := range map[string]error{
			"hidden nil":   tool.Hide((*rude)(nil)),
			"hidden":       tool.Hide(&rude{}),
			"own":          tool.Fail(tool.Failed, "no", &rude{}),
			"only a cause": &tool.Error{Failure: tool.Failed, Err: &rude{}},
			"plain":        &rude{},
		} {
			failing := tool.Must(tool.New("failing", "", func(context.Context, struct{}) (string, error) { return "", err }))
			r := runner.Runner{Model: llmtest.Script(t, llmtest.Calls("failing", nil), llmtest.Text("Fine.")), Redact: hook}
			result, err := r.Run(t.Context(), newAgent(failing), llm.User("Hi."))
			require.NoError(t, err, name)
			require.NotEmpty(t, results(result.Messages)[0], name)
		}
		aborting := tool.Must(tool.New("aborting", "", func(context.Context, struct{}) (string, error) { return "", tool.Abort(&rude{}) }))
		r := runner.Runner{Model: llmtest.Script(t, llmtest.Calls("aborting", nil)), Redact: hook}
		_, err := r.Run(t.Context(), newAgent(aborting), llm.User("Hi."))
		require.ErrorContains(t, err, "turn 1: tool aborting: ")
	}
}

// TestVeryLongErrors: of an error's text only the beginning is looked at, with Redact
// and without. It runs alone, since it counts bytes.
func TestVeryLongErrors(t *testing.T) {
	long := strings.Repeat("hunter2 and ", 8<<20)
	for name, err := range map[string]error{
		"plain": errors.New(long), "own": &tool.Error{Failure: tool.Failed, Message: long, Err: errors.New(long)}, "retry": tool.Retry(long),
	} {
		for how, redact := range map[string]func(string) string{"plain": nil, "redacted": hideHunter} {
			t.Run(name+" "+how, func(t *testing.T) {
				fails := tool.Must(tool.New("fails", "", func(context.Context, waitArgs) (string, error) { return "", err }))
				r := runner.Runner{Model: llmtest.Script(t, turnOf("fails", "x", 0), llmtest.Text("Fine.")), Redact: redact}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				got, err := r.Run(t.Context(), newAgent(fails), llm.User("Hi."))
				runtime.ReadMemStats(&after)
				require.NoError(t, err)
				require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20))
				require.Less(t, len(results(got.Messages)[0]), 17<<10)
				require.Equal(t, redact == nil, strings.Contains(results(got.Messages)[0], "hunter2"))
			})
		}
	}
}

// TestKeepPasswords: what only looks like a password stays in a result, a password
// goes unless the runner keeps it, and in an error it goes in either case.
func TestKeepPasswords(t *testing.T) {
	t.Parallel()
	const names = "enode://6f8a80d1@10.0.0.1:30303 git://git@h/a https://user@dev.azure.com/a"
	const url, cut = "postgres://ann:s3cret@db", "postgres://[redacted]@db"
	tells := tool.Must(tool.New("tells", "", func(_ context.Context, in waitArgs) (string, error) {
		if in.Name == "error" {
			return "", errors.New(url)
		}
		return names + " " + url, nil
	}))
	for keep, want := range map[bool]string{false: cut, true: url} {
		r := runner.Runner{
			Model: llmtest.Script(t, turnOf("tells", "text", 0), turnOf("tells", "error", 0), llmtest.Text("Fine.")), KeepPasswords: keep,
		}
		result, err := r.Run(t.Context(), newAgent(tells), llm.User("Hi."))
		require.NoError(t, err)
		require.Equal(t, []string{names + " " + want, cut}, results(result.Messages))

		r.Redact = func(s string) string { return strings.ReplaceAll(s, "s3cret", "***") }
		r.Model = llmtest.Script(t, turnOf("tells", "text", 0), llmtest.Text("Fine."))
		result, err = r.Run(t.Context(), newAgent(tells), llm.User("Hi."))
		require.NoError(t, err)
		require.Equal(t, []string{names + " " + strings.ReplaceAll(want, "s3cret", "***")}, results(result.Messages))
	}
}
