package event_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

var at = time.Date(2026, 11, 21, 9, 30, 0, 5000, time.UTC)

// every has one event of each type, with its JSON.
var every = []struct {
	body event.Body
	json string
}{
	{event.RunStarted{Run: 1, Agent: "desk", ID: "x"}, `"type":"run_started","run":1,"agent":"desk","id":"x"`},
	{event.RunStarted{Run: 1, Agent: "desk", ID: "x", Trace: "00-1-2-01"}, `"type":"run_started","run":1,"agent":"desk","id":"x","trace":"00-1-2-01"`},
	{event.UserMessaged{Message: llm.User("a < b")}, `"type":"user_messaged","message":{"role":"user","parts":[{"type":"text","text":"a < b"}]}`},
	{event.UserMessaged{Message: llm.User("b"), Said: true, AtEnd: true}, `"type":"user_messaged","message":{"role":"user","parts":[{"type":"text","text":"b"}]},"said":true,"at_end":true`},
	{event.UserMessaged{Message: llm.User("c"), Person: "ada"}, `"type":"user_messaged","message":{"role":"user","parts":[{"type":"text","text":"c"}]},"person":"ada"`},
	{event.UserMessaged{Message: llm.User("c"), Key: "k<1"}, `"type":"user_messaged","message":{"role":"user","parts":[{"type":"text","text":"c"}]},"key":"k<1"`},
	{event.TurnPrepared{Turn: 1, Agent: "desk"}, `"type":"turn_prepared","turn":1,"agent":"desk"`},
	{event.TurnPrepared{Turn: 2, Agent: "desk", Instructions: new("")}, `"type":"turn_prepared","turn":2,"agent":"desk","instructions":""`},
	{
		event.ModelAnswered{
			Turn: 1, Message: llm.Assistant("", llm.ToolCall{ID: "c", Name: "f", Arguments: `{"a":1`}),
			Finish: llm.FinishOf("tool_calls", "length"), Usage: llm.Usage{InputTokens: 9, OutputTokens: 3}, Model: "m", ID: "a", RequestID: "req_1",
			RawUsage: json.RawMessage(`{"cost":0.1}`), LogProbs: json.RawMessage(`{"content":[]}`), Extra: []llm.Member{{Name: "n", Value: "[ 1 ]"}},
		},
		`"type":"model_answered","turn":1,"message":{"role":"assistant","parts":[{"type":"tool_call","id":"c","name":"f","arguments":"{\"a\":1"}]},` +
			`"finish":{"reason":"length","raw":"tool_calls","native":"length"},"usage":{"input_tokens":9,"output_tokens":3},"raw_usage":{"cost":0.1},"log_probs":{"content":[]},` +
			`"model":"m","id":"a","request_id":"req_1","extra":[{"name":"n","value":"[ 1 ]"}]`,
	},
	{
		event.ModelAnswered{Turn: 1, Message: llm.Assistant("x"), Finish: llm.FinishOf("stop", ""), Cost: 0.25, Work: 3},
		`"type":"model_answered","turn":1,"message":{"role":"assistant","parts":[{"type":"text","text":"x"}]},"finish":{"reason":"stop","raw":"stop"},"usage":{"input_tokens":0,"output_tokens":0},"cost":0.25,"work":3`,
	},
	{event.AnswerStreamed{Turn: 1, Text: "It", Reasoning: "Hm", Again: true}, `"type":"answer_streamed","turn":1,"text":"It","reasoning":"Hm","again":true`},
	{event.AnswerStreamed{Turn: 1, Text: "It"}, `"type":"answer_streamed","turn":1,"text":"It"`},
	{event.ToolCallStarted{Call: "r1.t1.c0", ID: "c", Name: "f", Arguments: `{"a":1}`}, `"type":"tool_call_started","call":"r1.t1.c0","id":"c","name":"f","arguments":"{\"a\":1}"`},
	{event.ToolCallStarted{Call: "r1.t1.c0", Name: "f", Arguments: `{}`, Repairs: []string{"null became {}"}}, `"type":"tool_call_started","call":"r1.t1.c0","name":"f","arguments":"{}","repairs":["null became {}"]`},
	{event.ToolCallStarted{Call: "r1.t1.c0", Name: "f", Arguments: `{}`, Helper: true}, `"type":"tool_call_started","call":"r1.t1.c0","name":"f","arguments":"{}","helper":true`},
	{event.TurnPrepared{Turn: 2, Agent: "a", Tools: []event.OfferedTool{}}, `"type":"turn_prepared","turn":2,"agent":"a","tools":[]`},
	{event.TurnPrepared{Turn: 2, Agent: "a", Tools: []event.OfferedTool{{Name: "f", Fingerprint: "0f"}}}, `"type":"turn_prepared","turn":2,"agent":"a","tools":[{"name":"f","fingerprint":"0f"}]`},
	{event.TurnPrepared{Turn: 2, Agent: "a", Output: "0f"}, `"type":"turn_prepared","turn":2,"agent":"a","output":"0f"`},
	{
		event.TurnPrepared{Turn: 2, Agent: "a", Offer: []string{}, Chosen: llm.ToolRequired, Messages: []llm.Message{llm.User("Hurry.")}, Changed: true},
		`"type":"turn_prepared","turn":2,"agent":"a","offer":[],"chosen":"required","messages":[{"role":"user","parts":[{"type":"text","text":"Hurry."}]}],"changed":true`,
	},
	{event.TurnPrepared{Turn: 2, Agent: "a", Offer: []string{"f"}}, `"type":"turn_prepared","turn":2,"agent":"a","offer":["f"]`},
	{event.ToolProgress{Call: "r1.t1.c0", Name: "f", Done: 1, Total: 2.5, Message: "half"}, `"type":"tool_progress","call":"r1.t1.c0","name":"f","done":1,"total":2.5,"message":"half"`},
	{
		event.ToolCallFinished{
			Call: "r1.t1.c0", Result: llm.ToolResult{CallID: "c", Name: "f", Parts: llm.Parts{llm.Text{Text: "no"}}, IsError: true},
			Failure: "failed", Error: "why", Rejected: true, Began: at, Handoff: "billing",
		},
		`"type":"tool_call_finished","call":"r1.t1.c0","result":{"call_id":"c","name":"f","parts":[{"type":"text","text":"no"}],"is_error":true},` +
			`"failure":"failed","error":"why","rejected":true,"began":"2026-11-21T09:30:00.000005Z","handoff":"billing"`,
	},
	{
		event.ToolCallFinished{Call: "r1.t1.c0", Result: llm.ToolResult{CallID: "c", Name: "f", Parts: llm.Parts{llm.Text{Text: "no"}}}, Given: &event.Given{Checksum: 1 << 52}},
		`"type":"tool_call_finished","call":"r1.t1.c0","result":{"call_id":"c","name":"f","parts":[{"type":"text","text":"no"}]},"given":{"checksum":4503599627370496}`,
	},
	{event.ToolCallDeferred{Call: "r1.t1.c0", Name: "f"}, `"type":"tool_call_deferred","call":"r1.t1.c0","name":"f"`},
	{
		event.ToolCallDeferred{Call: "r1.t1.c0", Name: "f", Handle: "payment-17", Until: at, Began: at},
		`"type":"tool_call_deferred","call":"r1.t1.c0","name":"f","handle":"payment-17","until":"2026-11-21T09:30:00.000005Z","began":"2026-11-21T09:30:00.000005Z"`,
	},
	{event.OutputRejected{Turn: 1, Reason: "empty", Message: llm.User("Again.")}, `"type":"output_rejected","turn":1,"reason":"empty","message":{"role":"user","parts":[{"type":"text","text":"Again."}]}`},
	{event.LimitReached{Limit: "turns", Max: 30}, `"type":"limit_reached","limit":"turns","max":30`},
	{event.LimitReached{Limit: "cost", Cost: 0.5, Message: new(llm.User("Answer now."))}, `"type":"limit_reached","limit":"cost","max":0,"cost":0.5,"message":{"role":"user","parts":[{"type":"text","text":"Answer now."}]}`},
	{event.StallDetected{Turn: 3, Message: llm.User("Stop.")}, `"type":"stall_detected","turn":3,"message":{"role":"user","parts":[{"type":"text","text":"Stop."}]}`},
	{
		event.Compacted{Turn: 3, Before: 9, History: []event.Stretch{{Count: 1}, {Message: new(llm.User("So far."))}, {From: 7, Count: 2}}, Usage: llm.Usage{InputTokens: 5}, Cost: 0.5},
		`"type":"compacted","turn":3,"before":9,"history":[{"count":1},{"message":{"role":"user","parts":[{"type":"text","text":"So far."}]}},{"from":7,"count":2}],"usage":{"input_tokens":5,"output_tokens":0},"cost":0.5`,
	},
	{event.Checked{Turn: 1, Check: "length", Stage: "input", At: 2, Verdict: "pass"}, `"type":"checked","turn":1,"check":"length","stage":"input","at":2,"verdict":"pass"`},
	{
		event.Checked{Turn: 1, Check: "amount", Stage: "call", Call: "r1.t1.c0", Verdict: "again", Reason: "too much", Text: "No: too much.", Usage: llm.Usage{InputTokens: 5}, Cost: 0.5, Work: 7},
		`"type":"checked","turn":1,"check":"amount","stage":"call","call":"r1.t1.c0","verdict":"again","reason":"too much","text":"No: too much.","usage":{"input_tokens":5,"output_tokens":0},"cost":0.5,"work":7`,
	},
	{event.HandedOff{Turn: 2, From: "triage", To: "billing", Call: "r1.t1.c0"}, `"type":"handed_off","turn":2,"from":"triage","to":"billing","call":"r1.t1.c0"`},
	{event.HandedOff{Turn: 2, From: "triage", To: "billing", Before: 3, History: []event.Stretch{{Count: 1}}}, `"type":"handed_off","turn":2,"from":"triage","to":"billing","before":3,"history":[{"count":1}]`},
	{event.HandedOff{Turn: 2, From: "triage", To: "billing", Call: "r1.t1.c0", Failure: "no"}, `"type":"handed_off","turn":2,"from":"triage","to":"billing","call":"r1.t1.c0","failure":"no"`},
	{event.RunFinished{Run: 1, Turns: 2, Usage: llm.Usage{InputTokens: 1}}, `"type":"run_finished","run":1,"turns":2,"usage":{"input_tokens":1,"output_tokens":0}`},
	{event.RunFinished{Run: 1, Turns: 2, Output: json.RawMessage(`{"a":1}`), Repairs: []string{"a Markdown fence was removed"}}, `"type":"run_finished","run":1,"turns":2,"usage":{"input_tokens":0,"output_tokens":0},"output":{"a":1},"repairs":["a Markdown fence was removed"]`},
	{event.RunFinished{Run: 1, Turns: 2, Stopped: true, Text: "Paid."}, `"type":"run_finished","run":1,"turns":2,"usage":{"input_tokens":0,"output_tokens":0},"stopped":true,"text":"Paid."`},
	{event.RunFailed{Run: 1, Turns: 2, Error: "why"}, `"type":"run_failed","run":1,"turns":2,"usage":{"input_tokens":0,"output_tokens":0},"error":"why"`},
	{
		event.ApprovalAsked{Call: "r1.t1.c0", ID: "c", Name: "f", Arguments: `{"a":1}`, Hash: "0f", Repairs: []string{"null became {}"}, Fingerprint: "f0"},
		`"type":"approval_asked","call":"r1.t1.c0","id":"c","name":"f","arguments":"{\"a\":1}","hash":"0f","repairs":["null became {}"],"fingerprint":"f0"`,
	},
	{event.ApprovalAsked{Call: "r1.t1.c0", Name: "f", Arguments: `{}`, Hash: "0f", Until: at}, `"type":"approval_asked","call":"r1.t1.c0","name":"f","arguments":"{}","hash":"0f","until":"2026-11-21T09:30:00.000005Z"`},
	{event.ApprovalDecided{Call: "r1.t1.c0", Hash: "0f", Approved: true, Arguments: `{}`}, `"type":"approval_decided","call":"r1.t1.c0","hash":"0f","approved":true,"arguments":"{}"`},
	{event.ApprovalDecided{Call: "r1.t1.c0", Hash: "0f", Reason: "no"}, `"type":"approval_decided","call":"r1.t1.c0","hash":"0f","reason":"no"`},
	{event.InDoubtDecided{Call: "r1.t1.c0", Decision: event.RunAgain, By: "tool"}, `"type":"in_doubt_decided","call":"r1.t1.c0","decision":"run_again","by":"tool"`},
	{event.ApprovalDecided{Call: "r1.t1.c0", Hash: "0f", Approved: true, Person: "ada", Words: "called", Checksum: 7}, `"type":"approval_decided","call":"r1.t1.c0","hash":"0f","approved":true,"person":"ada","words":"called","checksum":7`},
	{event.ApprovalDecided{Call: "r1.t1.c0", Hash: "0f", Approved: true, Person: "ada", Always: event.SameArguments}, `"type":"approval_decided","call":"r1.t1.c0","hash":"0f","approved":true,"person":"ada","always":"arguments"`},
	{event.ApprovalDecided{Call: "r1.t1.c0", Hash: "0f", Person: "ada", Standing: 7}, `"type":"approval_decided","call":"r1.t1.c0","hash":"0f","person":"ada","standing":7`},
	{event.StandingRevoked{Standing: 7}, `"type":"standing_revoked","standing":7`},
	{event.StandingRevoked{Standing: 7, Person: "ada", Words: "called", Checksum: 9}, `"type":"standing_revoked","standing":7,"person":"ada","words":"called","checksum":9`},
	{event.InDoubtDecided{Call: "r1.t1.c0", Decision: event.RunAgain, By: "caller", Person: "ada", Words: "called", Checksum: 7}, `"type":"in_doubt_decided","call":"r1.t1.c0","decision":"run_again","by":"caller","person":"ada","words":"called","checksum":7`},
	{
		event.ToolCallFinished{Call: "r1.t1.c0", Result: llm.ToolResult{Name: "f", Parts: llm.Parts{llm.Text{Text: "booked"}}}, Given: &event.Given{Checksum: 7, Person: "webhook-7", Words: "at last"}},
		`"type":"tool_call_finished","call":"r1.t1.c0","result":{"name":"f","parts":[{"type":"text","text":"booked"}]},"given":{"checksum":7,"person":"webhook-7","words":"at last"}`,
	},
	{event.RunPaused{Run: 1, Calls: []event.CallRef{"r1.t1.c0"}}, `"type":"run_paused","run":1,"calls":["r1.t1.c0"]`},
	{
		event.RunPaused{Run: 1, Calls: []event.CallRef{"r1.t1.c0", "r1.t1.c1"}, Late: []event.CallRef{"r1.t1.c1"}, Until: at},
		`"type":"run_paused","run":1,"calls":["r1.t1.c0","r1.t1.c1"],"late":["r1.t1.c1"],"until":"2026-11-21T09:30:00.000005Z"`,
	},
	{event.TextDelta{Text: "It"}, `"type":"text_delta","text":"It"`},
	{event.PartialOutput{Value: json.RawMessage(`[1]`)}, `"type":"partial_output","value":[1]`},
	{event.ReasoningDelta{Text: "Hm"}, `"type":"reasoning_delta","text":"Hm"`},
	{event.CallDelta{Call: "r1.t1.c0", Name: "f", Arguments: `{"a`}, `"type":"call_delta","call":"r1.t1.c0","name":"f","arguments":"{\"a"`},
	{event.Restarted{Turn: 1, Error: "why"}, `"type":"restarted","turn":1,"error":"why"`},
	{event.Notice{Text: "so"}, `"type":"notice","text":"so"`},
}

// TestEvery: the table above, and with it the test below, has every type of Body.
func TestEvery(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "event.go", nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	var bodies, tested []string
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.Name == "event" {
			bodies = append(bodies, f.Recv.List[0].Type.(*ast.Ident).Name)
		}
	}
	for _, tt := range every {
		tested = append(tested, reflect.TypeOf(tt.body).Name())
	}
	slices.Sort(bodies)
	slices.Sort(tested)
	require.Equal(t, bodies, slices.Compact(tested))
}

// TestJSON holds the form of each event, and that reading gives it back.
func TestJSON(t *testing.T) {
	t.Parallel()
	for _, tt := range every {
		e := event.Event{Seq: 7, Time: at, Body: tt.body}
		t.Run(e.Type(), func(t *testing.T) {
			t.Parallel()
			data, err := e.MarshalJSON()
			require.NoError(t, err)
			require.Equal(t, `{"seq":7,"time":"2026-11-21T09:30:00.000005Z",`+tt.json+`}`, string(data))
			escaped, err := json.Marshal(e) // with the escapes for HTML
			require.NoError(t, err)
			for _, form := range [][]byte{data, escaped} {
				var back event.Event
				require.NoError(t, json.Unmarshal(form, &back))
				require.Equal(t, e, back)
			}
		})
	}
}

// TestPath: an event in the run of a helper keeps its path.
func TestPath(t *testing.T) {
	t.Parallel()
	for _, tt := range every {
		e := event.Event{Seq: 7, Time: at, Path: "r1.t2.c0/r1.t1.c1", Body: tt.body}
		data, err := e.MarshalJSON()
		require.NoError(t, err)
		require.Equal(t, `{"seq":7,"time":"2026-11-21T09:30:00.000005Z","path":"r1.t2.c0/r1.t1.c1",`+tt.json+`}`, string(data))
		var back event.Event
		require.NoError(t, json.Unmarshal(data, &back))
		require.Equal(t, e, back)
		require.Equal(t, durable(tt.body), event.Read(new(event.Event), data), "%s", data)
	}
	ref := event.NewCallRef(1, 1, 2).Under("r1.t2.c0/r1.t1.c1")
	require.Equal(t, event.CallRef("r1.t2.c0/r1.t1.c1/r1.t1.c2"), ref)
	require.Equal(t, event.CallRef("r1.t2.c0/r1.t1.c1"), ref.Path())
	require.Equal(t, event.CallRef("r1.t2.c0"), ref.Path().Path())
	require.Empty(t, event.NewCallRef(1, 1, 0).Under("").Path())
}

func TestJSONRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, json, want string }{
		{"unknown type", `{"seq":1,"time":"2026-11-21T09:30:00Z","type":"dreamed"}`, `event: dreamed: unknown type "dreamed", perhaps of a newer version`},
		{"no type", `{"seq":1,"time":"2026-11-21T09:30:00Z"}`, `event: : unknown type "", perhaps of a newer version`},
		{"bad member", `{"type":"run_started","time":"2026-11-21T09:30:00Z","run":"x"}`, "event: run_started: json: cannot unmarshal string into Go struct field RunStarted.run of type int"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var e event.Event
			require.EqualError(t, json.Unmarshal([]byte(tt.json), &e), tt.want)
		})
	}
	_, err := event.Event{Seq: 1}.MarshalJSON()
	require.EqualError(t, err, "event: <nil> is not an event")
}

func TestNewCallRef(t *testing.T) {
	t.Parallel()
	require.Equal(t, event.CallRef("r1.t3.c0"), event.NewCallRef(1, 3, 0))
}
