package llmtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/faketb"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

func TestAnswersInOrder(t *testing.T) {
	t.Parallel()
	m := llmtest.Script(t,
		llmtest.Text("Let me see.").And(llmtest.Calls("a", map[string]any{"x": "<b>"}), llmtest.Calls("b", nil)),
		llmtest.Calls("a", "no json"),
		llmtest.Text("Done."))

	first, err := m.Generate(t.Context(), ask("hi"), nil)
	require.NoError(t, err)
	require.Equal(t, &llm.Response{
		ID: "chatcmpl-1", RequestID: "req_1", Model: "m",
		Message: llm.Assistant("Let me see.",
			llm.ToolCall{ID: "call_1", Name: "a", Arguments: `{"x":"<b>"}`},
			llm.ToolCall{ID: "call_2", Name: "b", Arguments: "{}"}),
		Finish: llm.Finish{Reason: llm.FinishToolCalls, Raw: "tool_calls"},
		Usage:  llm.Usage{InputTokens: 10, OutputTokens: 5, TotalTokens: 15},
	}, first)

	second, err := m.Generate(t.Context(), ask("on"), nil)
	require.NoError(t, err)
	require.Equal(t, []llm.ToolCall{{ID: "call_3", Name: "a", Arguments: "no json"}}, second.Message.Calls())
	require.ErrorContains(t, m.Done(), "1 of 3 steps not used:\n  step 3: \"Done.\"")

	third, err := m.Generate(t.Context(), &llm.Request{Messages: []llm.Message{llm.User("on")}}, nil)
	require.NoError(t, err)
	require.Equal(t, llm.Finish{Reason: llm.FinishStop, Raw: "stop"}, third.Finish)
	require.Equal(t, "scripted", third.Model)
	require.NoError(t, m.Done())
}

func TestSteps(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	stop := llm.Finish{Reason: llm.FinishStop, Raw: "stop"}
	usual := llm.Usage{InputTokens: 10, OutputTokens: 5, TotalTokens: 15}
	for name, c := range map[string]struct {
		step   llmtest.Step
		parts  llm.Parts
		finish llm.Finish
		usage  llm.Usage
		err    error
	}{
		"zero":       {step: llmtest.Step{}, finish: stop, usage: usual},
		"empty text": {step: llmtest.Text(""), finish: stop, usage: usual},
		"order of the wire": {
			step: llmtest.Calls("f", json.RawMessage(`{ }`)).And(
				llmtest.Refusal("No"), llmtest.Text("a"), llmtest.Reasoning("h"),
				llmtest.Refusal("."), llmtest.Text("b"), llmtest.Reasoning("m")),
			parts: llm.Parts{
				llm.Reasoning{Text: "hm", Field: "reasoning_content"}, llm.Text{Text: "ab"},
				llm.Refusal{Text: "No."}, llm.ToolCall{ID: "call_1", Name: "f", Arguments: "{ }"},
			},
			finish: llm.Finish{Reason: llm.FinishToolCalls, Raw: "tool_calls"}, usage: usual,
		},
		"call with an id of its own": {
			step:   llmtest.Parts(llm.ToolCall{ID: "x:0", Name: "f"}).And(llmtest.Calls("g", []byte("1"))),
			parts:  llm.Parts{llm.ToolCall{ID: "x:0", Name: "f", Arguments: "{}"}, llm.ToolCall{ID: "call_1", Name: "g", Arguments: "1"}},
			finish: llm.Finish{Reason: llm.FinishToolCalls, Raw: "tool_calls"}, usage: usual,
		},
		"finish": {
			step: llmtest.Text("cut").Finish("max_tokens"), parts: llm.Parts{llm.Text{Text: "cut"}},
			finish: llm.Finish{Reason: llm.FinishLength, Raw: "max_tokens"}, usage: usual,
		},
		"no finish": {step: llmtest.Text("a").Finish(""), parts: llm.Parts{llm.Text{Text: "a"}}, finish: llm.Finish{Reason: llm.FinishStop}, usage: usual},
		"native finish": {
			step:   llmtest.Calls("f", "{").NativeFinish("length"),
			parts:  llm.Parts{llm.ToolCall{ID: "call_1", Name: "f", Arguments: "{"}},
			finish: llm.Finish{Reason: llm.FinishLength, Raw: "tool_calls", Native: "length"}, usage: usual,
		},
		"usage": {
			step:  llmtest.Text("a").And(llmtest.Text("b").Usage(llm.Usage{InputTokens: 1})),
			parts: llm.Parts{llm.Text{Text: "ab"}}, finish: stop, usage: llm.Usage{InputTokens: 1},
		},
		"no usage": {step: llmtest.Text("a").Usage(llm.Usage{}), parts: llm.Parts{llm.Text{Text: "a"}}, finish: stop},
		"error":    {step: llmtest.Fail(boom), err: boom},
		"reply": {
			step: llmtest.Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
				return llmtest.Text("You said " + req.Messages[0].Text()).Finish("length").Response()
			}).Usage(llm.Usage{OutputTokens: 7}),
			parts:  llm.Parts{llm.Text{Text: "You said hi"}},
			finish: llm.Finish{Reason: llm.FinishLength, Raw: "length"}, usage: llm.Usage{OutputTokens: 7},
		},
		"reply with a message only": {
			step: llmtest.Reply(func(context.Context, *llm.Request) (*llm.Response, error) {
				return &llm.Response{Message: llm.Message{Parts: llm.Parts{llm.Text{Text: "a"}}}, Finish: llm.Finish{Reason: llm.FinishError}}, nil
			}),
			parts: llm.Parts{llm.Text{Text: "a"}}, finish: llm.Finish{Reason: llm.FinishError, Raw: "error"}, usage: usual,
		},
		"reply that fails": {
			step: llmtest.Reply(func(context.Context, *llm.Request) (*llm.Response, error) { return llmtest.Fail(boom).Response() }),
			err:  boom,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp, err := llmtest.Script(t, c.step).Generate(t.Context(), ask("hi"), nil)
			if c.err != nil {
				require.Nil(t, resp)
				require.Same(t, c.err, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, llm.Message{Role: llm.RoleAssistant, Parts: c.parts}, resp.Message)
			require.Equal(t, c.finish, resp.Finish)
			require.Equal(t, c.usage, resp.Usage)
		})
	}
}

func TestStepsAreValues(t *testing.T) {
	t.Parallel()
	base := llmtest.Text("a")
	_ = base.And(llmtest.Calls("f", nil)).Finish("length").Forever()
	m := llmtest.Script(t, base.And(llmtest.Text("1")), base.And(llmtest.Text("2")))
	for _, want := range []string{"a1", "a2"} {
		resp, err := m.Generate(t.Context(), ask("hi"), nil)
		require.NoError(t, err)
		require.Equal(t, want, resp.Message.Text())
		require.Equal(t, "stop", resp.Finish.Raw)
	}
}

func TestForever(t *testing.T) {
	t.Parallel()
	m := llmtest.Script(t, llmtest.Text("first"), llmtest.Calls("again", nil).Forever())
	var got []string
	for range 4 {
		resp, err := m.Generate(t.Context(), ask("hi"), nil)
		require.NoError(t, err)
		got = append(got, resp.Message.Text())
		for _, c := range resp.Message.Calls() {
			got = append(got, c.Name+" "+c.ID)
		}
	}
	require.Equal(t, []string{"first", "", "again call_1", "", "again call_2", "", "again call_3"}, got)
	require.NoError(t, llmtest.Script(t, llmtest.Text("never asked").Forever()).Done())
}

func TestDeltas(t *testing.T) {
	t.Parallel()
	step := llmtest.Reasoning("Hm, well.").And(
		llmtest.Text("It is 22 °C in  Beijing."), llmtest.Refusal("No."),
		llmtest.Calls("f", `{"city":"Beijing"}`), llmtest.Calls("g", ""))
	m := llmtest.Script(t, step, step)

	_, deltas, err := collect(t.Context(), m, streamed(ask("hi")))
	require.NoError(t, err)
	require.Equal(t, []llm.Delta{
		llm.ReasoningDelta{Text: "Hm, "}, llm.ReasoningDelta{Text: "well."},
		llm.TextDelta{Text: "It "}, llm.TextDelta{Text: "is "}, llm.TextDelta{Text: "22 "},
		llm.TextDelta{Text: "°C "}, llm.TextDelta{Text: "in  "}, llm.TextDelta{Text: "Beijing."},
		llm.CallDelta{Index: 0, ID: "call_1", Name: "f"},
		llm.CallDelta{Index: 0, Arguments: `{"city":`},
		llm.CallDelta{Index: 0, Arguments: `"Beijing`},
		llm.CallDelta{Index: 0, Arguments: `"}`},
		llm.CallDelta{Index: 1, ID: "call_2", Name: "g"},
		llm.CallDelta{Index: 1, Arguments: "{"}, llm.CallDelta{Index: 1, Arguments: "}"},
	}, deltas)

	_, deltas, err = collect(t.Context(), m, ask("hi"))
	require.NoError(t, err)
	require.Empty(t, deltas)
}

// Whatever the text, it is cut in characters, into two pieces at least, and
// nothing is lost.
func FuzzDeltas(f *testing.F) {
	for _, s := range []string{"", "a", "ab", "Hello", "a€", "€a", "1234567€", "今天北京的天气是二十二度晴", " \n ", strings.Repeat("x", 1000), "\xff\xfe"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m := llmtest.Script(t, llmtest.Text(s).And(llmtest.Calls("f", s)))
		_, deltas, err := collect(t.Context(), m, streamed(ask("hi")))
		require.NoError(t, err)
		var text, args []string
		for _, d := range deltas {
			switch d := d.(type) {
			case llm.TextDelta:
				text = append(text, d.Text)
			case llm.CallDelta:
				if d.ID == "" {
					args = append(args, d.Arguments)
				}
			}
		}
		said, asked := string([]rune(s)), string([]rune(s)) // what is no UTF-8 is U+FFFD
		if blank := strings.TrimSpace(s); blank == "" || blank == "null" {
			asked = "{}"
		}
		for want, pieces := range map[*string][]string{&said: text, &asked: args} {
			require.Equal(t, *want, strings.Join(pieces, ""))
			require.NotContains(t, pieces, "")
			if len([]rune(*want)) > 1 {
				require.Greater(t, len(pieces), 1)
			}
		}
	})
}

func TestDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := llmtest.Script(t,
			llmtest.Text("one two three"), llmtest.Text("one two three"),
			llmtest.Text("one two").Delay(time.Minute), llmtest.Fail(errors.New("boom")))
		m.Delay = time.Second
		for _, want := range []struct {
			stream bool
			took   time.Duration
		}{{true, 3 * time.Second}, {false, time.Second}, {true, 2 * time.Minute}, {true, time.Second}} {
			start := time.Now()
			_, _, _ = collect(t.Context(), m, &llm.Request{Messages: []llm.Message{llm.User("hi")}, Stream: want.stream})
			require.Equal(t, want.took, time.Since(start))
		}
	})
}

func TestCancelWhileWaiting(t *testing.T) {
	t.Parallel()
	for _, step := range []llmtest.Step{llmtest.Text("one two three"), llmtest.Fail(errors.New("boom"))} {
		synctest.Test(t, func(t *testing.T) {
			cause := errors.New("enough")
			ctx, cancel := context.WithTimeoutCause(t.Context(), 90*time.Second, cause)
			defer cancel()
			start := time.Now()
			m := llmtest.Script(t, step.Delay(time.Hour))
			resp, deltas, err := collect(ctx, m, streamed(ask("hi")))
			require.Nil(t, resp)
			require.Same(t, cause, err)
			require.Empty(t, deltas)
			require.Equal(t, 90*time.Second, time.Since(start))
		})
	}
}

// A sink that cancels sees no delta after.
func TestCancelInSink(t *testing.T) {
	t.Parallel()
	cause := errors.New("enough")
	const deltas = 6
	for n := 1; n <= deltas; n++ {
		ctx, cancel := context.WithCancelCause(t.Context())
		seen := 0
		m := llmtest.Script(t, llmtest.Text("one two three").And(llmtest.Calls("f", "{}")))
		resp, err := m.Generate(ctx, streamed(ask("hi")), func(llm.Delta) {
			if seen++; seen == n {
				cancel(cause)
			}
		})
		require.Nil(t, resp)
		require.Same(t, cause, err)
		require.Equal(t, n, seen)
	}
}

func TestWhatUsesNoStep(t *testing.T) {
	t.Parallel()
	m := llmtest.Script(t, llmtest.Text("hi"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := m.Generate(ctx, ask("hi"), nil)
	require.ErrorIs(t, err, context.Canceled)
	_, err = m.Generate(t.Context(), &llm.Request{}, nil)
	require.EqualError(t, err, "llm: the request has no messages")
	require.Empty(t, m.Requests())
	_, err = m.Generate(t.Context(), ask("hi"), nil)
	require.NoError(t, err)
}

func TestRequestsAreSnapshots(t *testing.T) {
	t.Parallel()
	m := llmtest.Script(t, llmtest.Text("a"), llmtest.Text("b"))
	req := ask("before")
	req.Memo = new(llm.Memo)
	req.Stop = []string{"x"}
	for range 2 {
		_, err := m.Generate(t.Context(), req, nil)
		require.NoError(t, err)
		req.Messages[0].Parts[0] = llm.Text{Text: "after"}
		req.Stop[0] = "y"
	}
	m.Requests()[0].Messages[0] = llm.User("meddled")
	got := m.Requests()
	require.Len(t, got, 2)
	require.Equal(t, llm.Request{Model: "m", Messages: []llm.Message{llm.User("before")}, Settings: llm.Settings{Stop: []string{"x"}}}, got[0])
	require.Equal(t, "after", got[1].Messages[0].Text())
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	const n = 50
	var steps []llmtest.Step
	for range n {
		steps = append(steps, llmtest.Calls("f", nil))
	}
	m := llmtest.Script(t, steps...)
	var mu sync.Mutex
	ids := map[string]bool{}
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			resp, err := m.Generate(t.Context(), streamed(ask("hi")), nil)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				ids[resp.Message.Calls()[0].ID] = true
				_ = m.Requests()
			}
		})
	}
	group.Wait()
	require.Len(t, ids, n)
	require.Len(t, m.Requests(), n)
}

func TestUnusedStepsFail(t *testing.T) {
	t.Parallel()
	tb := new(faketb.TB)
	got := tb.Run(func(tb testing.TB) {
		m := llmtest.Script(tb,
			llmtest.Text("used"), llmtest.Text("a").And(llmtest.Calls("f", map[string]int{"x": 1})),
			llmtest.Fail(errors.New("boom")), llmtest.Text(""), llmtest.Refusal("No."), llmtest.Reasoning("Hm."),
			llmtest.Reply(func(context.Context, *llm.Request) (*llm.Response, error) { return nil, nil }),
			llmtest.Wire(200, nil, "x"),
			llmtest.Text("a").With(llmtest.Status(429, http.Header{"Retry-After": {"7"}}, "")),
			llmtest.Text("a").With(llmtest.Stall(1, 0)).With(llmtest.ContentType("x")).With(llmtest.Late(time.Second)).With(llmtest.Late(2*time.Second)).When(llmtest.Turn(7)))
		_, err := m.Generate(t.Context(), ask("hi"), nil)
		require.NoError(t, err)
	})
	require.Equal(t, []string{`llmtest: 9 of 10 steps not used:
  step 2: "a", calls f({"x":1})
  step 3: fails: boom
  step 4: empty answer
  step 5: refusal "No."
  step 6: reasoning "Hm."
  step 7: reply of a function
  step 8: raw bytes: status 200: "x"
  step 9: "a", status 429 with Retry-After 7
  step 10: "a", late by 3s, content type "x", stall after 1 piece, on a condition`}, got)
}

func TestRequestBeyondTheScriptFails(t *testing.T) {
	t.Parallel()
	want := `request 2 is beyond the script of 1 step:
  model m, stream, tools get_weather get_time
  instructions: "Be brief."
  … 1 message before
  system: "Be kind."
  user: "Look", an image, audio, a file a.pdf, {"type":"x"}
  assistant: reasoning "Hm.", "Let me see.", calls get_weather({"city":"Rome"}) call_1
  tool: get_weather call_1: "22 °C"
  assistant: refusal "No."
` + strings.Repeat("  user: \""+strings.Repeat("z", 193)+"…\n", 6) + `  user: (empty)`
	req := &llm.Request{
		Model: "m", Stream: true, Instructions: "Be brief.",
		Tools: []llm.ToolDef{{Name: "get_weather"}, {Name: "get_time"}},
		Messages: []llm.Message{
			llm.User("cut"), llm.System("Be kind."),
			llm.User("Look", llm.Image{URL: "https://example.com/x.png"}, llm.Audio{Data: []byte("a")}, llm.File{Name: "a.pdf", ID: "f"}, llm.RawPart{JSON: `{"type":"x"}`}),
			llm.Assistant("", llm.Reasoning{Text: "Hm."}, llm.Text{Text: "Let me see."}, llm.ToolCall{ID: "call_1", Name: "get_weather", Arguments: `{"city":"Rome"}`}),
			{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: "call_1", Name: "get_weather", Parts: llm.Parts{llm.Text{Text: "22 °C"}}}}},
			llm.Assistant("", llm.Refusal{Text: "No."}),
		},
	}
	for range 6 {
		req.Messages = append(req.Messages, llm.User(strings.Repeat("z", 500)))
	}
	req.Messages = append(req.Messages, llm.User(""))

	tb := new(faketb.TB)
	var failure error
	got := tb.Run(func(tb testing.TB) {
		m := llmtest.Script(tb, llmtest.Text("used"))
		_, err := m.Generate(t.Context(), ask("hi"), nil)
		require.NoError(t, err)
		_, failure = m.Generate(t.Context(), req, nil)
		require.EqualError(t, m.Done(), "llmtest: 1 request came beyond the script of 1 step")
		require.Len(t, m.Requests(), 2)
	})
	require.Equal(t, []string{"llmtest: " + want}, got)
	e, ok := errors.AsType[*llm.APIError](failure)
	require.True(t, ok)
	require.False(t, e.Retryable())
	require.Equal(t, want, e.Message)
}

// A goroutine that outlives its test must not make the whole test binary panic.
func TestRequestAfterTheTest(t *testing.T) {
	t.Parallel()
	tb := new(faketb.TB)
	var m *llmtest.Model
	tb.Run(func(tb testing.TB) { m = llmtest.Script(tb) })
	_, err := m.Generate(t.Context(), ask("hi"), nil)
	require.ErrorContains(t, err, "beyond the script of 0 steps")
	require.Empty(t, tb.Errors())
}

func TestMisuse(t *testing.T) {
	t.Parallel()
	reply := llmtest.Reply(func(context.Context, *llm.Request) (*llm.Response, error) { return nil, nil })
	for name, c := range map[string]struct {
		steps []llmtest.Step
		want  string
	}{
		"arguments":          {[]llmtest.Step{llmtest.Text("a"), llmtest.Calls("f", make(chan int))}, "step 2: arguments of f: json: unsupported type: chan int"},
		"status of success":  {[]llmtest.Step{llmtest.Fail(fmt.Errorf("x: %w", &llm.APIError{StatusCode: 200}))}, "step 1: Fail needs a StatusCode from 400 to 599, or 0, not 200"},
		"status of no class": {[]llmtest.Step{llmtest.Fail(&llm.APIError{StatusCode: 42})}, "step 1: Fail needs a StatusCode from 400 to 599, or 0, not 42"},
		"nil error":          {[]llmtest.Step{llmtest.Fail(nil)}, "step 1: Fail needs an error"},
		"nil function":       {[]llmtest.Step{llmtest.Reply(nil)}, "step 1: Reply needs a function"},
		"joined error":       {[]llmtest.Step{llmtest.Text("a").And(llmtest.Fail(errors.New("x")))}, "step 1: Fail, Wire and Reply cannot be joined with And"},
		"joined reply":       {[]llmtest.Step{reply.And(llmtest.Text("a"))}, "step 1: Fail, Wire and Reply cannot be joined with And"},
		"joined misuse":      {[]llmtest.Step{llmtest.Text("a").And(llmtest.Reply(nil))}, "step 1: Reply needs a function"},
		"nil condition":      {[]llmtest.Step{llmtest.Text("a").When(nil)}, "step 1: When needs a function"},
		"joined raw bytes":   {[]llmtest.Step{llmtest.Wire(200, nil, "").And(llmtest.Text("a"))}, "step 1: Fail, Wire and Reply cannot be joined with And"},
		"joined condition":   {[]llmtest.Step{llmtest.Text("a").And(llmtest.Text("b").When(llmtest.Turn(1)))}, "step 1: When and With belong behind the whole answer, not into And"},
		"joined fault":       {[]llmtest.Step{llmtest.Text("a").And(llmtest.Text("b").With(llmtest.Late(1)))}, "step 1: When and With belong behind the whole answer, not into And"},
		"raw status":         {[]llmtest.Step{llmtest.Wire(101, nil, "")}, "step 1: Wire needs a status from 200 to 599, with a body only where the status permits one, not 101"},
		"raw body":           {[]llmtest.Step{llmtest.Wire(204, nil, "a")}, "step 1: Wire needs a status from 200 to 599, with a body only where the status permits one, not 204"},
		"two faults":         {[]llmtest.Step{llmtest.Text("a").With(llmtest.Cut(1)).With(llmtest.Reset(2))}, "step 1: an answer has one fault, not cut after 1 piece and reset after 2 pieces"},
		"fault of an error":  {[]llmtest.Step{llmtest.Fail(errors.New("x")).With(llmtest.Cut(1))}, "step 1: cut after 1 piece: Fail and Wire cannot have a fault"},
		"fault of raw bytes": {[]llmtest.Step{llmtest.Wire(200, nil, "").With(llmtest.Status(500, nil, ""))}, "step 1: status 500: Fail and Wire cannot have a fault"},
		"status fault":       {[]llmtest.Step{llmtest.Text("a").With(llmtest.Status(200, nil, ""))}, "step 1: Status needs a code from 400 to 599, not 200"},
		"late":               {[]llmtest.Step{llmtest.Text("a").With(llmtest.Late(0))}, "step 1: Late needs a time, not 0s"},
		"stall":              {[]llmtest.Step{llmtest.Text("a").With(llmtest.Stall(0, -1))}, "step 1: Stall needs a time, or zero, not -1ns"},
		"pieces":             {[]llmtest.Step{llmtest.Text("a").With(llmtest.Cut(-1))}, "step 1: cut after -1 pieces: the count must not be negative"},
		"bytes":              {[]llmtest.Step{llmtest.Text("a").With(llmtest.CutBytes(-2))}, "step 1: cut after -2 bytes: the count must not be negative"},
		"reset":              {[]llmtest.Step{llmtest.Text("a").With(llmtest.Reset(-2))}, "step 1: reset after -2 pieces: the count must not be negative"},
		"no error":           {[]llmtest.Step{llmtest.Text("a").With(llmtest.ErrorEvent(0, nil))}, "step 1: ErrorEvent needs an error"},
		"garbage: JSON":      {[]llmtest.Step{llmtest.Text("a").With(llmtest.GarbageEvent(0, "{}"))}, `step 1: GarbageEvent needs a line that is neither JSON nor a line of a stream, not "{}"`},
		"garbage: the end":   {[]llmtest.Step{llmtest.Text("a").With(llmtest.GarbageEvent(0, "[DONE]"))}, `step 1: GarbageEvent needs a line that is neither JSON nor a line of a stream, not "[DONE]"`},
		"garbage: nothing":   {[]llmtest.Step{llmtest.Text("a").With(llmtest.GarbageEvent(0, " "))}, `step 1: GarbageEvent needs a line that is neither JSON nor a line of a stream, not " "`},
		"garbage: lines":     {[]llmtest.Step{llmtest.Text("a").With(llmtest.GarbageEvent(0, "a\nb"))}, `step 1: GarbageEvent needs a line that is neither JSON nor a line of a stream, not "a\nb"`},
		"garbage: a comment": {[]llmtest.Step{llmtest.Text("a").With(llmtest.GarbageEvent(0, ": a"))}, `step 1: GarbageEvent needs a line that is neither JSON nor a line of a stream, not ": a"`},
		"garbage: a field":   {[]llmtest.Step{llmtest.Text("a").With(llmtest.GarbageEvent(0, "data: a"))}, `step 1: GarbageEvent needs a line that is neither JSON nor a line of a stream, not "data: a"`},
		"step after forever": {[]llmtest.Step{llmtest.Text("a").Forever(), llmtest.Text("b")}, "step 1 answers for ever: no step without a condition can follow it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tb := new(faketb.TB)
			got := tb.Run(func(tb testing.TB) {
				llmtest.Script(tb, c.steps...)
				tb.Error("Script has returned")
			})
			require.Equal(t, []string{"llmtest: " + c.want}, got)

			m := llmtest.NewScript(c.steps...)
			_, err := m.Generate(t.Context(), ask("hi"), nil)
			require.EqualError(t, err, "llmtest: "+c.want)
			require.ErrorContains(t, m.Done(), c.want)
		})
	}
}

func TestReplyThatSaysNothing(t *testing.T) {
	t.Parallel()
	reply := llmtest.Reply(func(context.Context, *llm.Request) (*llm.Response, error) { return nil, nil })
	_, err := llmtest.Script(t, reply).Generate(t.Context(), ask("hi"), nil)
	require.EqualError(t, err, "llmtest: the function given to Reply returned neither a response nor an error")
	_, err = reply.Response()
	require.EqualError(t, err, "llmtest: a Reply has no response before a request")
	_, err = llmtest.Fail(nil).Response()
	require.EqualError(t, err, "llmtest: Fail needs an error")
}

// TestKeepsRequests: a model that serves a program for long does not grow.
func TestKeepsRequests(t *testing.T) {
	t.Parallel()
	m := llmtest.NewScript(llmtest.Text("Hello.").Forever())
	for i := range 250 {
		_, err := m.Generate(t.Context(), &llm.Request{Messages: []llm.Message{llm.User(strconv.Itoa(i))}}, nil)
		require.NoError(t, err)
	}
	requests := m.Requests()
	require.Len(t, requests, 100)
	require.Equal(t, "249", requests[99].Messages[0].Text())
}
