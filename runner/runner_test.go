package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/tool"
)

type cityArgs struct {
	City string `json:"city"`
}

// weather is a tool that answers at once.
func weather() tool.Tool {
	return tool.Must(tool.New("get_weather", "Current weather of a city.",
		func(_ context.Context, in cityArgs) (string, error) { return in.City + ": 22 °C", nil }))
}

type waitArgs struct {
	Name    string `json:"name"`
	Seconds int    `json:"seconds"`
}

// waiter is a tool that takes its time, and keeps to its context.
func waiter(opts ...tool.Option) tool.Tool {
	return tool.Must(tool.New("wait", "Waits.", func(ctx context.Context, in waitArgs) (string, error) {
		select {
		case <-time.After(time.Duration(in.Seconds) * time.Second):
			return in.Name, nil
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}, opts...))
}

func newAgent(tools ...tool.Tool) *agent.Agent {
	return &agent.Agent{Name: "assistant", Instructions: "Be brief.", Tools: tools}
}

func with(m llm.Model) runner.Runner { return runner.Runner{Model: m} }

// results returns the texts of the tool results in a history.
func results(messages []llm.Message) []string {
	var texts []string
	for _, m := range messages {
		for _, r := range m.Results() {
			texts = append(texts, r.Text())
		}
	}
	return texts
}

// collect ranges over a stream to its end.
func collect(seq func(func(event.Event, error) bool)) (events []event.Event, err error) {
	for e, eerr := range seq {
		if eerr != nil {
			err = eerr
			break
		}
		events = append(events, e)
	}
	return events, err
}

func types(events []event.Event) []string {
	var names []string
	for _, e := range events {
		names = append(names, e.Type())
	}
	return names
}

// bodyOf returns the body of the nth event of a type.
func bodyOf(events []event.Event, kind string, n int) event.Body {
	for _, e := range events {
		if e.Type() == kind {
			if n == 0 {
				return e.Body
			}
			n--
		}
	}
	return nil
}

func TestRun(t *testing.T) {
	t.Parallel()
	script := llmtest.Script(t,
		llmtest.Text("Let me look.").And(
			llmtest.Calls("get_weather", cityArgs{"Beijing"}), llmtest.Calls("get_weather", cityArgs{"Oslo"})),
		llmtest.Text("Both are warm."))
	result, err := with(script).Run(t.Context(), newAgent(weather()), llm.User("Where is it warm?"))
	require.NoError(t, err)
	call := func(id, city string) llm.ToolCall {
		return llm.ToolCall{ID: id, Name: "get_weather", Arguments: `{"city":"` + city + `"}`}
	}
	answer := func(id, text string) llm.Message {
		return llm.Message{Role: llm.RoleTool, Parts: llm.Parts{
			llm.ToolResult{CallID: id, Name: "get_weather", Parts: llm.Parts{llm.Text{Text: text}}},
		}}
	}
	require.Equal(t, []llm.Message{
		llm.User("Where is it warm?"),
		llm.Assistant("Let me look.", call("call_1", "Beijing"), call("call_2", "Oslo")),
		answer("call_1", "Beijing: 22 °C"),
		answer("call_2", "Oslo: 22 °C"),
		llm.Assistant("Both are warm."),
	}, result.Messages)
	require.Equal(t, "Both are warm.", result.Text)
	require.Equal(t, 2, result.Turns)
	require.Equal(t, llm.FinishStop, result.Finish.Reason)

}

func TestRunRequests(t *testing.T) {
	t.Parallel()
	script := llmtest.Script(t, llmtest.Calls("get_weather", cityArgs{"Oslo"}), llmtest.Text(`{"sky":"warm"}`))
	a := newAgent(weather())
	a.Settings.Temperature = new(0.2)
	a.Output = &agent.Output{Format: llm.OutputFormat{Type: "json_object"}}
	result, err := with(script).Run(t.Context(), a, llm.User("Hi."))
	require.NoError(t, err)
	requests := script.Requests()
	require.Len(t, requests, 2)
	require.Equal(t, result.Messages[:1], requests[0].Messages)
	require.Equal(t, result.Messages[:3], requests[1].Messages)
	for _, r := range requests {
		require.Equal(t, "Be brief.", r.Instructions)
		require.Equal(t, []llm.ToolDef{weather().Def()}, r.Tools)
		require.Equal(t, 0.2, *r.Temperature)
		require.Equal(t, "json_object", r.Output.Type)
		require.False(t, r.Stream)
	}
}

func TestUsageIsSummed(t *testing.T) {
	t.Parallel()
	script := llmtest.Script(t,
		llmtest.Calls("get_weather", cityArgs{"Oslo"}).Usage(llm.Usage{InputTokens: 10, OutputTokens: 3, ReasoningTokens: 1}),
		llmtest.Text("Warm.").Usage(llm.Usage{InputTokens: 20, OutputTokens: 4, CachedTokens: 8}))
	result, err := with(script).Run(t.Context(), newAgent(weather()), llm.User("Hi."))
	require.NoError(t, err)
	require.Equal(t, llm.Usage{InputTokens: 30, OutputTokens: 7, ReasoningTokens: 1, CachedTokens: 8}, result.Usage)
}

func TestStream(t *testing.T) {
	t.Parallel()
	script := llmtest.Script(t, llmtest.Calls("get_weather", cityArgs{"Oslo"}), llmtest.Text("It is warm."))
	events, err := collect(with(script).Stream(t.Context(), newAgent(weather()), llm.User("Hi.")))
	require.NoError(t, err)
	var durable []string
	var text string
	seq := int64(0)
	for _, e := range events {
		require.NotZero(t, e.Time)
		if e.Seq == 0 {
			if d, ok := e.Body.(event.TextDelta); ok {
				text += d.Text
			}
			continue
		}
		seq++
		require.Equal(t, seq, e.Seq)
		durable = append(durable, e.Type())
	}
	require.Equal(t, "It is warm.", text)
	require.Equal(t, []string{
		"run_started", "user_messaged", "turn_prepared", "model_answered", "tool_call_started", "tool_call_finished",
		"turn_prepared", "model_answered", "run_finished",
	}, durable)
	require.Contains(t, types(events), "call_delta")
	require.Equal(t, event.TurnPrepared{Turn: 1, Agent: "assistant", Instructions: new("Be brief."), Tools: []event.OfferedTool{{Name: "get_weather", Fingerprint: weather().Fingerprint()}}}, bodyOf(events, "turn_prepared", 0))
	require.Equal(t, event.TurnPrepared{Turn: 2, Agent: "assistant"}, bodyOf(events, "turn_prepared", 1))

	script = llmtest.Script(t, llmtest.Text("It is warm."))
	events, err = collect(runner.Runner{Model: script, NoStream: true}.Stream(t.Context(), newAgent(), llm.User("Hi.")))
	require.NoError(t, err)
	require.Equal(t, []string{"run_started", "user_messaged", "turn_prepared", "model_answered", "run_finished"}, types(events))
	require.False(t, script.Requests()[0].Stream)
}

func TestStreamIsLazyAndSingleUse(t *testing.T) {
	t.Parallel()
	script := llmtest.Script(t, llmtest.Text("Hello."))
	seq := with(script).Stream(t.Context(), newAgent(), llm.User("Hi."))
	require.Empty(t, script.Requests())
	_, err := collect(seq)
	require.NoError(t, err)
	_, err = collect(seq)
	require.EqualError(t, err, "runner: this stream was consumed already")
}

// TestMisuse: what cannot run is told before the first request.
func TestMisuse(t *testing.T) {
	t.Parallel()
	result := llm.Message{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: "c"}}}
	call := llm.Assistant("", llm.ToolCall{ID: "c", Name: "f", Arguments: "{}"})
	for _, tt := range []struct {
		name     string
		agent    *agent.Agent
		noModel  bool
		messages []llm.Message
		want     string
	}{
		{"no agent", nil, false, []llm.Message{llm.User("Hi.")}, "runner: agent: the Agent is nil"},
		{"no model", newAgent(), true, []llm.Message{llm.User("Hi.")}, `runner: agent "assistant" has no Model, and neither has the Runner`},
		{"zero tool", newAgent(tool.Tool{}), false, []llm.Message{llm.User("Hi.")}, `runner: agent "assistant": tool 0 is the zero Tool; make tools with tool.New`},
		{"two of a name", newAgent(weather(), weather()), false, []llm.Message{llm.User("Hi.")}, `runner: agent "assistant": two tools are named "get_weather"`},
		{"no messages", newAgent(), false, nil, "runner: no messages were given, and no conversation waits for an answer"},
		{"empty answer alone", newAgent(), false, []llm.Message{llm.Assistant("")}, "runner: every message is empty"},
		{"blank text", newAgent(), false, []llm.Message{llm.Assistant(""), llm.User("", llm.Text{})}, "runner: message 1: the user message is empty"},
		{"pointer part", newAgent(), false, []llm.Message{llm.User("", &llm.Image{URL: "u"})}, "runner: message 0: a part is a *llm.Image; parts are values, not pointers"},
		{"empty message", newAgent(), false, []llm.Message{llm.User("")}, "runner: message 0: the user message is empty"},
		{"unknown role", newAgent(), false, []llm.Message{{Role: "boss", Parts: llm.Parts{llm.Text{Text: "x"}}}}, `runner: message 0: unknown role "boss"`},
		{"nil part", newAgent(), false, []llm.Message{llm.User("x", nil)}, "runner: message 0: a part is nil"},
		{"call of a user", newAgent(), false, []llm.Message{llm.User("", llm.ToolCall{})}, "runner: message 0: a llm.ToolCall in a message with role user"},
		{"empty audio", newAgent(), false, []llm.Message{llm.User("x"), llm.User("y", llm.Audio{Format: "wav"})}, "runner: message 1: part 1: the audio has no Data"},
		{"empty file", newAgent(), false, []llm.Message{llm.User("x", llm.File{Name: "f.pdf"})}, "runner: message 0: part 1: the file has neither ID nor Data"},
		{"image of no format", newAgent(), false, []llm.Message{llm.User("x", llm.Image{Data: []byte("?")})}, "runner: message 0: part 1: the bytes of the image are in no format that is known; set its MediaType"},
		{"open call", newAgent(), false, []llm.Message{llm.User("x"), call}, `runner: message 1: tool call "c" (f) has no result directly after it`},
		{"open call, then text", newAgent(), false, []llm.Message{call, llm.User("x")}, `runner: message 0: tool call "c" (f) has no result directly after it`},
		{"result alone", newAgent(), false, []llm.Message{result}, "runner: message 0: a tool result without a call before it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := runner.Runner{Model: llmtest.Script(t)}
			if tt.noModel {
				r.Model = nil
			}
			got, err := r.Run(t.Context(), tt.agent, tt.messages...)
			require.EqualError(t, err, tt.want)
			require.NotNil(t, got)
			_, err = collect(r.Stream(t.Context(), tt.agent, tt.messages...))
			require.EqualError(t, err, tt.want)
		})
	}
}

// TestGivenHistory: what a caller brings along is put in order.
func TestGivenHistory(t *testing.T) {
	t.Parallel()
	res := func(id string) llm.Message {
		return llm.Message{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: id, Parts: llm.Parts{llm.Text{Text: id}}}}}
	}
	calls := llm.Assistant("", llm.ToolCall{ID: "a", Name: "f", Arguments: "{}"}, llm.ToolCall{ID: "b", Name: "f", Arguments: "{}"})
	given := []llm.Message{llm.User("Hi."), {Role: llm.RoleAssistant}, calls, res("b"), res("a"), llm.Assistant("Done."), llm.User("And?")}
	script := llmtest.Script(t, llmtest.Text("Fine."))
	_, err := with(script).Run(t.Context(), newAgent(), given...)
	require.NoError(t, err)
	require.Equal(t, []llm.Message{llm.User("Hi."), calls, res("a"), res("b"), llm.Assistant("Done."), llm.User("And?")}, script.Requests()[0].Messages)
	require.Equal(t, res("b"), given[3], "the caller's slice is as it was")
}

// TestGivenArguments: a history with arguments that no provider takes is mended.
func TestGivenArguments(t *testing.T) {
	t.Parallel()
	script := llmtest.Script(t, llmtest.Text("Fine."))
	result, err := with(script).Run(t.Context(), newAgent(),
		llm.User("Hi."), llm.Assistant("", llm.ToolCall{ID: "c", Name: "f", Arguments: `{"a":`}),
		llm.Message{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: "c", Parts: llm.Parts{llm.Text{Text: "x"}}}}})
	require.NoError(t, err)
	require.Equal(t, "{}", script.Requests()[0].Messages[1].Calls()[0].Arguments)
	require.Equal(t, "{}", result.Messages[1].Calls()[0].Arguments)
}

// TestToolChoice: a choice that makes the model call a tool holds for one turn.
func TestToolChoice(t *testing.T) {
	t.Parallel()
	for choice, second := range map[llm.ToolChoice]llm.ToolChoice{
		llm.ToolRequired: "", llm.ToolNamed("get_weather"): "", llm.ToolAuto: llm.ToolAuto, llm.ToolNone: llm.ToolNone,
	} {
		script := llmtest.Script(t, llmtest.Calls("get_weather", cityArgs{"Oslo"}), llmtest.Text("Warm."))
		a := newAgent(weather())
		a.Settings.ToolChoice = choice
		_, err := with(script).Run(t.Context(), a, llm.User("Hi."))
		require.NoError(t, err)
		require.Equal(t, choice, script.Requests()[0].ToolChoice)
		require.Equal(t, second, script.Requests()[1].ToolChoice)
	}
}

// TestSettingsAreCopied: what the caller does with his slices during a run does
// not reach it.
func TestSettingsAreCopied(t *testing.T) {
	t.Parallel()
	a := newAgent(weather())
	a.Settings = llm.Settings{Stop: []string{"x"}, Modalities: []string{"text"}, Metadata: map[string]string{"a": "b"}, Extra: []llm.Member{{Name: "a", Value: "1"}}}
	script := llmtest.Script(t, llmtest.Reply(func(context.Context, *llm.Request) (*llm.Response, error) {
		a.Settings.Stop[0], a.Settings.Modalities[0], a.Settings.Metadata["a"], a.Settings.Extra[0].Value = "y", "y", "y", "2"
		return llmtest.Calls("get_weather", cityArgs{"Oslo"}).Response()
	}), llmtest.Text("Warm."))
	_, err := with(script).Run(t.Context(), a, llm.User("Hi."))
	require.NoError(t, err)
	require.Equal(t, script.Requests()[0].Settings, script.Requests()[1].Settings)
}

// TestMemo: the requests of a run share one, so that each message is encoded once.
func TestMemo(t *testing.T) {
	t.Parallel()
	var memos []*llm.Memo
	m := llm.ModelFunc(func(_ context.Context, req *llm.Request, _ func(llm.Delta)) (*llm.Response, error) {
		memos = append(memos, req.Memo)
		if len(memos)%2 == 1 {
			return llmtest.Parts(llm.ToolCall{ID: "c", Name: "get_weather", Arguments: `{"city":"Oslo"}`}).Response()
		}
		return llmtest.Text("Fine.").Response()
	})
	for range 2 {
		_, err := with(m).Run(t.Context(), newAgent(weather()), llm.User("Hi."))
		require.NoError(t, err)
	}
	require.NotNil(t, memos[0])
	require.Same(t, memos[0], memos[1])
	require.NotSame(t, memos[0], memos[2])
}

// TestAnswerIsRecordedWhole: the event has all that the model's Response has.
func TestAnswerIsRecordedWhole(t *testing.T) {
	t.Parallel()
	resp := &llm.Response{
		ID: "a", RequestID: "r", Model: "m", Message: llm.Assistant("Fine."), Finish: llm.FinishOf("stop", ""), Usage: llm.Usage{InputTokens: 1},
		RawUsage: json.RawMessage(`{"cost":1}`), LogProbs: json.RawMessage(`{}`), Extra: []llm.Member{{Name: "citations", Value: "[]"}},
	}
	m := llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) { return resp, nil })
	events, err := collect(with(m).Stream(t.Context(), newAgent(), llm.User("Hi.")))
	require.NoError(t, err)
	require.Equal(t, event.ModelAnswered{
		Turn: 1, Message: resp.Message, Finish: resp.Finish, Usage: resp.Usage, RawUsage: resp.RawUsage, LogProbs: resp.LogProbs,
		Model: "m", ID: "a", RequestID: "r", Extra: resp.Extra,
	}, bodyOf(events, "model_answered", 0))
	require.Equal(t, event.RunFinished{Run: 1, Turns: 1, Usage: resp.Usage}, bodyOf(events, "run_finished", 0))
}

func TestInstruct(t *testing.T) {
	t.Parallel()
	a := newAgent(weather())
	a.Instruct = func(_ context.Context, info agent.Info) (string, error) {
		return fmt.Sprintf("%sRun %d, turn %d, %d messages.", info.Session, info.Run, info.Turn, len(info.Messages)), nil
	}
	script := llmtest.Script(t, llmtest.Calls("get_weather", cityArgs{"Oslo"}), llmtest.Text("Warm."))
	_, err := with(script).Run(t.Context(), a, llm.User("Hi."))
	require.NoError(t, err)
	require.Equal(t, "Run 1, turn 1, 1 messages.", script.Requests()[0].Instructions)
	require.Equal(t, "Run 1, turn 2, 3 messages.", script.Requests()[1].Instructions)

	script = llmtest.Script(t, llmtest.Text("Warm."))
	_, err = with(script).Session("s: ").Run(t.Context(), a, runner.Say(llm.User("Hi.")))
	require.NoError(t, err)
	require.Equal(t, "s: Run 1, turn 1, 1 messages.", script.Requests()[0].Instructions)

	planted := errors.New("planted")
	a.Instruct = func(context.Context, agent.Info) (string, error) { return "", planted }
	_, err = with(llmtest.Script(t)).Run(t.Context(), a, llm.User("Hi."))
	require.ErrorIs(t, err, planted)
	require.EqualError(t, err, "turn 1: instructions: planted")
}

// TestModelError: it is passed on, and the work so far comes with it.
func TestModelError(t *testing.T) {
	t.Parallel()
	planted := &llm.APIError{Kind: llm.KindServer, Provider: "openai", StatusCode: 500, Message: "boom"}
	script := llmtest.Script(t, llmtest.Calls("get_weather", cityArgs{"Oslo"}), llmtest.Fail(planted))
	result, err := with(script).Run(t.Context(), newAgent(weather()), llm.User("Hi."))
	require.EqualError(t, err, "turn 2: openai: 500 server: boom")
	got, ok := errors.AsType[*llm.APIError](err)
	require.True(t, ok)
	require.Same(t, planted, got)
	require.Len(t, result.Messages, 3)
	require.Equal(t, 2, result.Turns)
}

func TestNilResponse(t *testing.T) {
	t.Parallel()
	m := llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) { return nil, nil })
	_, err := with(m).Run(t.Context(), newAgent(), llm.User("Hi."))
	require.EqualError(t, err, "turn 1: the model returned neither an answer nor an error")
}

// TestFinishErrors: answers that are none, by the decision table.
func TestFinishErrors(t *testing.T) {
	t.Parallel()
	cut := llmtest.Calls("get_weather", `{"city":"Os`).Finish("length")
	for _, tt := range []struct {
		name  string
		steps []llmtest.Step
		want  *runner.FinishError
		text  string
		error string
		left  int // messages in the history
	}{
		{
			"length", []llmtest.Step{llmtest.Text("It is").Finish("length")},
			&runner.FinishError{Reason: "length", Finish: llm.FinishOf("length", "")},
			"It is", `turn 1: the answer was cut off by the limit on tokens (finish reason "length")`, 2,
		},
		{
			"cut off twice", []llmtest.Step{cut, cut},
			&runner.FinishError{Reason: "cut_off", Finish: llm.FinishOf("length", "")},
			"", `turn 2: the tool calls were cut off by the limit on tokens (finish reason "length")`, 5,
		},
		{
			"content filter", []llmtest.Step{llmtest.Text("How").Finish("content_filter")},
			&runner.FinishError{Reason: "content_filter", Finish: llm.FinishOf("content_filter", "")},
			"How", `turn 1: a content filter withheld the answer (finish reason "content_filter")`, 1,
		},
		{
			"refusal", []llmtest.Step{llmtest.Refusal("I must not.")},
			&runner.FinishError{Reason: "refusal", Finish: llm.FinishOf("stop", ""), Refusal: "I must not."},
			"", `turn 1: the model declined to answer: I must not. (finish reason "stop")`, 1,
		},
		{
			"empty twice", []llmtest.Step{llmtest.Text(""), llmtest.Text(" ")},
			&runner.FinishError{Reason: "empty", Finish: llm.FinishOf("stop", "")},
			" ", `turn 2: the answer was empty (finish reason "stop")`, 2,
		},
		{
			"lost calls twice", []llmtest.Step{llmtest.Text("I call.").Finish("tool_calls"), llmtest.Text("I call.").Finish("tool_calls")},
			&runner.FinishError{Reason: "lost_calls", Finish: llm.FinishOf("tool_calls", "")},
			"I call.", `turn 2: the answer announced tool calls and held none (finish reason "tool_calls")`, 4,
		},
		{
			"error", []llmtest.Step{llmtest.Text("It").Finish("error").NativeFinish("MALFORMED_FUNCTION_CALL")},
			&runner.FinishError{Reason: "error", Finish: llm.FinishOf("error", "MALFORMED_FUNCTION_CALL")},
			"It", `turn 1: the provider failed while the model answered (finish reason "error", "MALFORMED_FUNCTION_CALL")`, 1,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			result, err := with(llmtest.Script(t, tt.steps...)).Run(t.Context(), newAgent(weather()), llm.User("Hi."))
			require.EqualError(t, err, tt.error)
			got, ok := errors.AsType[*runner.FinishError](err)
			require.True(t, ok)
			require.Equal(t, tt.want, got)
			require.Equal(t, tt.text, result.Text)
			require.Len(t, result.Messages, tt.left)
			requireValid(t, result.Messages)
		})
	}
}

// TestAsksAgain: the bounded second chance after an unusable answer.
func TestAsksAgain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		first llmtest.Step
		told  string
	}{
		{"empty", llmtest.Text(""), "Your last reply was empty. Answer now, or call a tool."},
		{"lost calls", llmtest.Text("I call.").Finish("tool_calls"), "Your last reply announced tool calls but held none. Make the calls now, or answer."},
		{"cut off", llmtest.Calls("get_weather", `{"city":"Os`).Finish("length"), "The call did not run: your reply was cut off by the limit on its length; " +
			"make the call again, with shorter arguments or fewer calls at once. It had no effect: call again if it is still needed."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			script := llmtest.Script(t, tt.first, llmtest.Text("Fine."))
			result, err := with(script).Run(t.Context(), newAgent(weather()), llm.User("Hi."))
			require.NoError(t, err)
			require.Equal(t, "Fine.", result.Text)
			asked := script.Requests()[1].Messages
			last := asked[len(asked)-1]
			require.Equal(t, tt.told, last.Text()+llm.Message{Parts: flat(last.Parts)}.Text())
			requireValid(t, result.Messages)
		})
	}
}

// flat returns the parts inside the tool results.
func flat(parts llm.Parts) (inner llm.Parts) {
	for _, p := range parts {
		if r, ok := p.(llm.ToolResult); ok {
			inner = append(inner, r.Parts...)
		}
	}
	return inner
}

// TestConcurrentRuns: one Agent, Model and Tool serve a thousand goroutines.
func TestConcurrentRuns(t *testing.T) {
	t.Parallel()
	m := llmtest.Script(t, llmtest.Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
		if len(req.Messages) == 1 {
			city := req.Messages[0].Text()
			return llmtest.Calls("get_weather", cityArgs{city}).And(llmtest.Calls("get_weather", cityArgs{city + "!"})).Response()
		}
		return llmtest.Text(req.Messages[2].Parts[0].(llm.ToolResult).Text()).Response()
	}).Forever())
	a := newAgent(weather())
	a.Model = m
	limit := runner.NewCallLimit(10)
	var group sync.WaitGroup
	for i := range 1000 {
		group.Go(func() {
			city := fmt.Sprint("City ", i)
			result, err := runner.Runner{Calls: limit}.Run(t.Context(), a, llm.User(city))
			if err != nil || result.Text != city+": 22 °C" {
				t.Errorf("%s: %q, %v", city, result.Text, err)
			}
		})
	}
	group.Wait()
}

// requireValid holds the contract of a history (design D5).
func requireValid(t *testing.T, messages []llm.Message) {
	t.Helper()
	require.NoError(t, checkHistory(messages))
}

func checkHistory(messages []llm.Message) error {
	for i := 0; i < len(messages); i++ {
		m := messages[i]
		if m.Role == llm.RoleTool || len(m.Parts) == 0 {
			return fmt.Errorf("message %d (%s) stands alone or is empty", i, m.Role)
		}
		for _, c := range m.Calls() {
			i++
			if i == len(messages) || messages[i].Role != llm.RoleTool {
				return fmt.Errorf("message %d: call %s has no result", i, c.ID)
			}
			r, ok := messages[i].Parts[0].(llm.ToolResult)
			if !ok || r.CallID != c.ID || r.Text() == "" || len(messages[i].Parts) != 1 {
				return fmt.Errorf("message %d is not the result of %s", i, c.ID)
			}
		}
	}
	return nil
}
