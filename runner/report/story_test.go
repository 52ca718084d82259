package report_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

var start = time.Date(2026, 11, 29, 9, 30, 0, 0, time.UTC)

// A teller writes the events of a session.
type teller struct {
	events []event.Event
	now    time.Time
	seq    int64
}

// tell adds events that happen after a while.
func (t *teller) tell(after time.Duration, bodies ...event.Body) {
	t.now = t.now.Add(after)
	for _, b := range bodies {
		e := event.Event{Time: t.now, Body: b}
		switch b.(type) {
		case event.TextDelta, event.ReasoningDelta, event.CallDelta, event.PartialOutput, event.ToolProgress, event.Restarted, event.Notice:
		default:
			t.seq++
			e.Seq = t.seq
		}
		t.events = append(t.events, e)
	}
}

func results(ref, name, text string, began time.Time) event.ToolCallFinished {
	return event.ToolCallFinished{Call: event.CallRef(ref), Result: llm.ToolResult{CallID: "c", Name: name, Parts: llm.Parts{llm.Text{Text: text}}}, Began: began}
}

// story is a session with something of everything.
func story() []event.Event {
	t := &teller{now: start}
	t.tell(0, event.RunStarted{Version: 1, Run: 1, Agent: "order desk", ID: "R4ND0M"},
		event.UserMessaged{Message: llm.User("The lamp of order W2 came broken, and W3 has not come at all.\nPlease refund the lamp, and tell me where W3 is.")},
		event.TurnPrepared{Turn: 1, Agent: "order desk", Instructions: new("You are the order desk of a shop for lamps.\nLook up each order before you decide. Refunds above 100.00 need a person."),
			Tools: []event.OfferedTool{{Name: "find_order", Fingerprint: "f1"}, {Name: "track", Fingerprint: "f2"}, {Name: "refund", Fingerprint: "f3"}}})
	t.tell(900*time.Millisecond, event.Restarted{Turn: 1, Error: "openai: 429 rate_limit: slow down, and try again in a second"})
	t.tell(1700*time.Millisecond, event.ModelAnswered{
		Turn: 1, Model: "gpt-5.6-mini", Finish: llm.FinishOf("tool_calls", ""), Cost: 0.00214,
		Usage: llm.Usage{InputTokens: 1210, CachedTokens: 1024, OutputTokens: 96, ReasoningTokens: 48},
		Message: llm.Message{Role: llm.RoleAssistant, Parts: llm.Parts{
			llm.Reasoning{Text: "Two orders. I look both up, and where W3 is.\nThe refund comes after that."},
			llm.Text{Text: "I will look at both orders."},
			llm.ToolCall{ID: "c1", Name: "find_order", Arguments: `{"number":"W2"}`},
			llm.ToolCall{ID: "c2", Name: "find_order", Arguments: "{'number': 'W3',}"},
			llm.ToolCall{ID: "c3", Name: "track", Arguments: `{"order":"W3"}`},
		}},
	})
	t.tell(0, event.ToolCallStarted{Call: "r1.t1.c0", ID: "c1", Name: "find_order", Arguments: `{"number":"W2"}`},
		event.ToolCallStarted{Call: "r1.t1.c1", ID: "c2", Name: "find_order", Arguments: `{"number":"W3"}`, Repairs: []string{"single quotes became double quotes", "a comma at the end was removed"}},
		event.ToolCallStarted{Call: "r1.t1.c2", ID: "c3", Name: "track", Arguments: `{"order":"W3"}`},
		event.ToolProgress{Call: "r1.t1.c2", Name: "track", Done: 1, Total: 3, Message: "asking the carrier"})
	began := t.now
	t.tell(300*time.Millisecond, results("r1.t1.c0", "find_order", `{"number":"W2","cents":48000,"items":[{"name":"lamp","count":1}],"state":"delivered"}`, began))
	t.tell(200*time.Millisecond, results("r1.t1.c1", "find_order", `{"number":"W3","cents":1200,"state":"sent"}`, began.Add(150*time.Millisecond)))
	t.tell(1500*time.Millisecond, event.ToolCallFinished{
		Call: "r1.t1.c2", Result: llm.ToolResult{CallID: "c3", Name: "track", IsError: true, Parts: llm.Parts{llm.Text{Text: "The carrier does not answer."}}},
		Failure: "timeout", Error: "get https://carrier.example/track/W3: context deadline exceeded", Began: began,
	}, event.TurnPrepared{Turn: 2, Agent: "order desk"}, event.Notice{Text: "the provider refused \"parallel_tool_calls\"; it is not sent any more"})
	t.tell(1100*time.Millisecond, event.ModelAnswered{
		Turn: 2, Model: "gpt-5.6-mini", Finish: llm.FinishOf("stop", ""), Cost: 0.0031, Usage: llm.Usage{InputTokens: 1480, CachedTokens: 1210, OutputTokens: 40},
		Message: llm.Assistant("", llm.ToolCall{ID: "c1", Name: "refund", Arguments: `{"order":"W2","cents":48000}`}),
	}, event.ApprovalAsked{Call: "r1.t2.c0", ID: "c1", Name: "refund", Arguments: `{"order":"W2","cents":48000}`, Hash: event.HashArguments(`{"order":"W2","cents":48000}`)},
		event.RunPaused{Run: 1, Calls: []event.CallRef{"r1.t2.c0"}})
	t.tell(3*time.Hour, event.ApprovalDecided{Call: "r1.t2.c0", Hash: event.HashArguments(`{"order":"W2","cents":48000}`), Approved: true, Arguments: `{"order":"W2","cents":24000}`},
		event.ToolCallStarted{Call: "r1.t2.c0", ID: "c1", Name: "refund", Arguments: `{"order":"W2","cents":24000}`})
	t.tell(400*time.Millisecond, results("r1.t2.c0", "refund", `{"number":"W2","refunded_cents":24000}`, t.now), event.TurnPrepared{Turn: 3, Agent: "order desk"})
	t.tell(800*time.Millisecond, event.ModelAnswered{Turn: 3, Model: "gpt-5.6-mini", Finish: llm.FinishOf("stop", ""), Usage: llm.Usage{InputTokens: 1600, OutputTokens: 31}, Cost: 0.0032,
		Message: llm.Assistant("I refunded 240.00 for the lamp. The carrier did not answer; I will look for W3 again tomorrow.")},
		event.RunFinished{Run: 1, Turns: 3, Usage: llm.Usage{InputTokens: 4290, CachedTokens: 2234, OutputTokens: 167}})
	second(t)
	return t.events
}

// second is a run in which more goes wrong.
func second(t *teller) {
	t.tell(26*time.Hour, event.RunStarted{Version: 1, Run: 2, Agent: "order desk", ID: "R4ND0M2"}, event.UserMessaged{Message: llm.User("And W3?", llm.Image{MediaType: "image/png", Data: make([]byte, 2000)})},
		event.UserMessaged{Message: llm.User("I am at home until six."), Said: true},
		event.TurnPrepared{Turn: 1, Agent: "order desk"},
		event.Compacted{Turn: 1, Before: 9, History: []event.Stretch{{Message: new(llm.User("So far: the customer was refunded for W2."))}, {From: 8, Count: 1}}, Usage: llm.Usage{InputTokens: 900, OutputTokens: 40}, Cost: 0.001})
	for turn := range 3 {
		ref := event.NewCallRef(2, turn+1, 0)
		t.tell(600*time.Millisecond, event.ModelAnswered{Turn: turn + 1, Model: "gpt-5.6-mini", Finish: llm.FinishOf("tool_calls", ""), Usage: llm.Usage{InputTokens: 700, OutputTokens: 20},
			Message: llm.Assistant("", llm.ToolCall{ID: "c", Name: "track", Arguments: `{"order":"W3"}`})},
			event.ToolCallStarted{Call: ref, ID: "c", Name: "track", Arguments: `{"order":"W3"}`})
		t.tell(time.Second, results(string(ref), "track", "in transit", t.now))
		if turn == 2 {
			t.tell(0, event.StallDetected{Turn: 3, Message: llm.User("You repeat the same call, and it has the same result.")},
				event.LimitReached{Limit: "turns", Max: 3, Message: new(llm.User("Answer now, without tools."))})
		}
		t.tell(0, event.TurnPrepared{Turn: turn + 2, Agent: "order desk"})
	}
	t.tell(700*time.Millisecond, event.ModelAnswered{Turn: 4, Model: "gpt-5.6-mini", Finish: llm.FinishOf("stop", ""), Usage: llm.Usage{InputTokens: 900}, Message: llm.Message{Role: llm.RoleAssistant}},
		event.OutputRejected{Turn: 4, Reason: "empty", Message: llm.User("Your answer was empty.")}, event.TurnPrepared{Turn: 5, Agent: "order desk"})
	t.tell(2*time.Second, event.RunFailed{Run: 2, Turns: 4, Usage: llm.Usage{InputTokens: 3000, OutputTokens: 60}, Error: "turn 5: openai: 503 overloaded: come back later"})
}

// long is a session of many turns, each with two calls.
func long(turns int) []event.Event {
	t := &teller{now: start}
	t.tell(0, event.RunStarted{Run: 1, Agent: "worker", ID: "x"}, event.UserMessaged{Message: llm.User("Do all of it.")})
	for turn := 1; turn <= turns; turn++ {
		t.tell(0, event.TurnPrepared{Turn: turn, Agent: "worker"})
		calls := make([]llm.Part, 2)
		for i := range calls {
			calls[i] = llm.ToolCall{ID: "c", Name: "step", Arguments: fmt.Sprintf(`{"n":%d}`, 2*turn+i)}
		}
		t.tell(time.Second, event.ModelAnswered{Turn: turn, Model: "m", Finish: llm.FinishOf("tool_calls", ""), Usage: llm.Usage{InputTokens: 100, OutputTokens: 10}, Message: llm.Assistant("Next.", calls...)})
		for i := range calls {
			t.tell(0, event.ToolCallStarted{Call: event.NewCallRef(1, turn, i), ID: "c", Name: "step", Arguments: fmt.Sprintf(`{"n":%d}`, 2*turn+i)})
		}
		began := t.now
		for i := range calls {
			text, _ := json.Marshal(map[string]any{"done": 2*turn + i, "note": "A line of an ordinary result, as a tool gives it."})
			t.tell(300*time.Millisecond, results(string(event.NewCallRef(1, turn, i)), "step", string(text), began))
		}
	}
	return t.events
}
