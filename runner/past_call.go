package runner

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A PastCall is the record of a tool call in the events of a session.
type PastCall struct {
	Call  event.CallRef `json:"call"`
	Agent string        `json:"agent"` // the name of the agent whose model made the call
	// ToolCall has the checked arguments for the function. Before the check, ToolCall has the
	// arguments as the model wrote them.
	ToolCall llm.ToolCall `json:"tool_call"`
	// Began is the time at which the start was recorded, and Ended the time of the result.
	// Zero means: not yet.
	Began time.Time `json:"began,omitzero"`
	Ended time.Time `json:"ended,omitzero"`
	// Decisions are the decisions about the call, in order.
	Decisions []Decision `json:"decisions,omitempty"`
	// Failure says why an ended call failed, and is empty for a success. Result is the
	// text for the model.
	Failure tool.Failure   `json:"failure,omitempty"`
	Result  llm.ToolResult `json:"result,omitzero"`
}

// Counts reports whether the call counts in a sum: the effect happened, can have happened, or
// will happen after an approval or in another attempt. Calls without an approval, calls without a run, and calls
// with an error of the function do not count.
func (c PastCall) Counts() bool {
	if c.Ended.IsZero() {
		return !c.Began.IsZero() || c.willRun()
	}
	switch c.Failure {
	case "", tool.OutcomeUnknown, tool.TimedOut, tool.Panicked, tool.Deferred:
		return true
	case tool.Expired: // the result did not come in time, or the approval
		return !c.Began.IsZero()
	}
	return false
}

// willRun reports whether the last decision lets the call run.
func (c PastCall) willRun() bool {
	if len(c.Decisions) == 0 {
		return false
	}
	switch c.Decisions[len(c.Decisions)-1].What {
	case loop.Approved, loop.Edited, string(event.RunAgain):
		return true
	}
	return false
}

// CallsOf returns the calls of a session from the events, in order, also calls of helpers and
// calls of a compacted history. An error of events is returned.
//
// With CallsOf, a policy sees what came before its question:
//
//	Decide: func(ctx context.Context, p runner.Pending) (runner.Input, error) {
//		if p.InDoubt || p.ToolCall.Name != "refund" {
//			return nil, nil // a person decides
//		}
//		calls, err := runner.CallsOf(store.Read(ctx, p.Session, 0)) // store is the Journal
//		if err != nil {
//			return nil, err
//		}
//		total := cents(p.ToolCall)
//		for _, c := range calls {
//			if c.ToolCall.Name == p.ToolCall.Name && c.Counts() {
//				total += cents(c.ToolCall)
//			}
//		}
//		if total > 500_00 {
//			return nil, nil // a person decides
//		}
//		return runner.By("policy: 500 in a session", p.Approve()), nil
//	}
//
// A bound over several sessions needs a shared place, for example the database of the
// payments.
func CallsOf(events iter.Seq2[event.Event, error]) ([]PastCall, error) {
	h := history{runs: map[event.CallRef]int{}, agents: map[event.CallRef]string{}, at: map[event.CallRef]int{}, asked: map[event.CallRef]int64{}}
	for e, err := range events {
		if err != nil {
			return nil, fmt.Errorf("runner: %w", err)
		}
		h.add(e)
	}
	return h.calls, nil
}

// A history collects the calls of a session.
type history struct {
	calls  []PastCall
	at     map[event.CallRef]int    // positions in calls
	asked  map[event.CallRef]int64  // Seq of the last question or start
	runs   map[event.CallRef]int    // number of the run, by path
	agents map[event.CallRef]string // by path
}

func (h *history) add(e event.Event) {
	switch b := e.Body.(type) {
	case event.RunStarted:
		h.runs[e.Path], h.agents[e.Path] = b.Run, b.Agent
	case event.TurnPrepared:
		h.agents[e.Path] = b.Agent
	case event.ModelAnswered:
		for i, c := range b.Message.Calls() {
			ref := event.NewCallRef(h.runs[e.Path], b.Turn, i).Under(e.Path)
			h.at[ref] = len(h.calls)
			h.calls = append(h.calls, PastCall{Call: ref, Agent: h.agents[e.Path], ToolCall: c})
		}
	case event.ApprovalAsked:
		h.change(b.Call, func(c *PastCall) { c.ToolCall.Arguments, h.asked[b.Call] = b.Arguments, e.Seq })
	case event.ApprovalDecided:
		h.change(b.Call, func(c *PastCall) {
			if b.Arguments != "" {
				c.ToolCall.Arguments = b.Arguments
			}
			h.decided(c, loop.SaysAbout(b), e)
		})
	case event.InDoubtDecided:
		h.change(b.Call, func(c *PastCall) {
			if b.By != "runner" {
				h.decided(c, loop.Decision{What: string(b.Decision), Source: b.By, Person: b.Person, Words: b.Words}, e)
			}
			if b.Decision == event.RunAgain && b.By == "runner" { // the function did not begin
				c.Began = time.Time{}
			}
		})
	case event.ToolCallStarted:
		h.change(b.Call, func(c *PastCall) { c.ToolCall.Arguments, c.Began, h.asked[b.Call] = b.Arguments, e.Time, e.Seq })
	case event.ToolCallFinished:
		h.change(b.Call, func(c *PastCall) {
			c.Ended, c.Failure, c.Result = e.Time, tool.Failure(b.Failure), b.Result
			if b.Given != nil {
				h.decided(c, loop.SaysGiven(b), e)
			}
		})
	}
}

// change changes a call. The events of a session can begin in the middle, without the answer
// of the model.
func (h *history) change(ref event.CallRef, change func(*PastCall)) {
	if i, ok := h.at[ref]; ok {
		change(&h.calls[i])
	}
}

func (h *history) decided(c *PastCall, d loop.Decision, e event.Event) {
	d.Call, d.Tool, d.Question, d.Seq, d.Time = c.Call, c.ToolCall.Name, h.asked[c.Call], e.Seq, e.Time
	c.Decisions = append(slices.Clip(c.Decisions), decisionOf(d))
}
