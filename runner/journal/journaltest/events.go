package journaltest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

var moment = time.Date(2026, 11, 21, 9, 30, 0, 123456789, time.UTC)

const awkward = "a < b & \"c\" \\ \x00 \u2028 \x7f é 😀 \ufffd"

// bodies returns at least one body of each durable kind, with values that stores often lose.
func bodies() []event.Body {
	return []event.Body{
		event.RunStarted{Version: event.Version, Run: 1, Agent: awkward, ID: "KX4M", Trace: awkward},
		event.UserMessaged{Message: llm.User(awkward)},
		event.UserMessaged{Message: llm.Message{Role: llm.RoleUser, Parts: llm.Parts{
			llm.Image{URL: "https://example.com/a.png"}, llm.Text{Text: " "},
		}}},
		event.UserMessaged{Message: llm.User(awkward), Said: true, AtEnd: true},
		event.UserMessaged{Message: llm.User("x"), Said: true, Key: awkward, Person: awkward},
		event.TurnPrepared{Turn: 1, Agent: "desk", Instructions: new(awkward), Tools: []event.OfferedTool{{Name: "f", Fingerprint: "0f"}}},
		event.TurnPrepared{Turn: 2, Agent: "desk", Instructions: new(""), Tools: []event.OfferedTool{}},
		event.TurnPrepared{Turn: 3, Agent: "desk"},
		event.TurnPrepared{Turn: 4, Agent: "desk", Offer: []string{"f"}, Messages: []llm.Message{llm.User(awkward)}, Changed: true},
		event.ModelAnswered{
			Turn: 1, Message: llm.Assistant(awkward, llm.ToolCall{ID: "c", Name: "f", Arguments: "{\"a\":1, \"a\":\n2"}),
			Finish: llm.FinishOf("tool_calls", "length"), Usage: llm.Usage{InputTokens: 1 << 53, OutputTokens: 3},
			RawUsage: json.RawMessage(`{"z":1.50,"a":12345678901234567890,"z":null}`), LogProbs: json.RawMessage(`{"content":[]}`),
			Model: "m", ID: "a", RequestID: "req_1", Extra: []llm.Member{{Name: "n", Value: "[ 1 ]"}},
		},
		event.AnswerStreamed{Turn: 1, Text: awkward, Reasoning: awkward, Again: true},
		event.ToolCallStarted{Call: "r1.t1.c0", ID: "c", Name: "f", Arguments: `{"a":1.0}`, Repairs: []string{awkward}, Helper: true},
		event.ToolCallFinished{
			Call: "r1.t1.c0", Result: llm.ToolResult{CallID: "c", Name: "f", Parts: llm.Parts{llm.Text{Text: awkward}}, IsError: true},
			Whole: awkward, Failure: "failed", Error: awkward, Rejected: true, Handoff: awkward,
		},
		event.ToolCallDeferred{Call: "r1.t1.c3", Name: "f", Handle: awkward, Until: moment, Began: moment},
		event.ToolCallFinished{Call: "r1.t1.c3", Result: llm.ToolResult{CallID: "c", Name: "f", Parts: llm.Parts{llm.Text{Text: awkward}}}, Given: &event.Given{Checksum: 1 << 52, Person: awkward, Words: awkward}},
		event.ApprovalAsked{Call: "r1.t1.c1", ID: "c", Name: "f", Arguments: `{"a":1.0}`, Hash: "0f", Repairs: []string{awkward}, Until: moment},
		event.RunPaused{Run: 1, Calls: []event.CallRef{"r1.t1.c1"}},
		event.RunPaused{Run: 1, Calls: []event.CallRef{"r1.t1.c1", "r1.t1.c3"}, Late: []event.CallRef{"r1.t1.c3"}, Until: moment},
		event.ApprovalDecided{Call: "r1.t1.c1", Hash: "0f", Approved: true, Reason: awkward, Arguments: `{"a":2}`, Person: awkward, Words: awkward, Checksum: 1 << 52},
		event.ApprovalDecided{Call: "r1.t1.c1", Hash: "0f", Always: awkward, Standing: 1 << 52},
		event.StandingRevoked{Standing: 1 << 52, Person: awkward, Words: awkward, Checksum: 1 << 52},
		event.InDoubtDecided{Call: "r1.t1.c2", Decision: event.RunAgain, By: "caller", Person: awkward, Words: awkward, Checksum: 1 << 52},
		event.OutputRejected{Turn: 1, Reason: "empty", Message: llm.User("Again.")},
		event.LimitReached{Limit: "turns", Max: 30},
		event.LimitReached{Limit: "cost", Cost: 0.25, Message: new(llm.User("Answer."))},
		event.StallDetected{Turn: 1, Message: llm.User("Stop.")},
		event.Checked{Turn: 2, Check: awkward, Stage: "call", Call: "r1.t1.c0", Verdict: "again", Reason: awkward, Text: awkward, Usage: llm.Usage{InputTokens: 1}, Cost: 0.25, Work: 1},
		event.HandedOff{Turn: 2, From: awkward, To: "billing", Call: "r1.t1.c0", Before: 5, History: []event.Stretch{{Count: 1}, {Message: new(llm.User(awkward))}}, Failure: awkward},
		event.Compacted{Turn: 2, Before: 5, History: []event.Stretch{{Count: 1}, {Message: new(llm.User(awkward))}, {From: 3, Count: 2}}, Usage: llm.Usage{InputTokens: 1}, Cost: 0.25},
		event.RunFinished{Run: 1, Turns: 2, Usage: llm.Usage{InputTokens: 1}, Output: json.RawMessage(`{"a":1}`), Repairs: []string{"a comma was removed"}},
		event.RunFinished{Run: 1, Turns: 2, Stopped: true, Text: awkward},
		event.RunFailed{Run: 1, Turns: 2, Error: awkward},
	}
}

// everyKind: a log returns the appended events, equal in every byte, in order.
func everyKind(ctx context.Context, s Store) error {
	events := make([]event.Event, len(bodies()))
	for i, b := range bodies() {
		events[i] = event.Event{Seq: int64(i) + 1, Time: moment.Add(time.Duration(i)), Body: b}
		if i%2 == 1 { // in the run of a helper
			events[i].Path = "r1.t2.c0/r1.t1.c1"
		}
	}
	return leaves(ctx, s, func(log journal.Log) error { return add(ctx, log, true, 3, events) }, events)
}

// leaves opens the session, calls do, and checks the events in the same process and in a
// new process.
func leaves(ctx context.Context, s Store, do func(journal.Log) error, want []event.Event) error {
	err := with(ctx, s.Open(), session, func(log journal.Log) error {
		if err := do(log); err != nil {
			return err
		}
		return holds(ctx, log, want)
	})
	if err != nil {
		return err
	}
	if err := kept(ctx, s, session, want); err != nil {
		return fmt.Errorf("in another process: %w", err)
	}
	return nil
}

// manyEvents: 10,000 events in appends of 1 to 40, some of them synced.
func manyEvents(ctx context.Context, s Store) error {
	const total = 10_000
	events := notes(1, total)
	return leaves(ctx, s, func(log journal.Log) error {
		rest := events
		for i := 0; len(rest) > 0; i++ {
			n := min(1+i*7%40, len(rest))
			if err := log.Append(ctx, i%50 == 0, rest[:n]...); err != nil {
				return fmt.Errorf("append of %d events from %d: %w", n, rest[0].Seq, err)
			}
			rest = rest[n:]
		}
		return nil
	}, events)
}

// largeEvents: an event has 8 MB, alone in an append and beside small events.
func largeEvents(ctx context.Context, s Store) error {
	const size = 8 << 20
	events := []event.Event{
		note(1, "small"), note(2, large(size, 1)), note(3, "small"),
		note(4, large(size/8, 2)), note(5, large(size/8, 3)), note(6, strings.Repeat("\x00", 1000)),
	}
	return leaves(ctx, s, func(log journal.Log) error { return add(ctx, log, true, 2, events) }, events)
}

// readingWhileOpen: a loop yields the events that existed at its start. The loop body may
// append, break, and start a second loop.
func readingWhileOpen(ctx context.Context, s Store) error {
	return leaves(ctx, s, func(log journal.Log) error {
		if err := add(ctx, log, false, 4, notes(1, 300)); err != nil {
			return err
		}
		n := int64(0)
		for e, err := range log.Events(ctx) {
			if err != nil {
				return fmt.Errorf("reading while the body appends: event %d: %w", n+1, err)
			}
			if n++; n > 300 {
				return errors.New("a loop that began at 300 events saw more")
			}
			if e.Seq != n {
				return fmt.Errorf("event %d was read at position %d", e.Seq, n)
			}
			if err := add(ctx, log, false, 1, notes(300+n, 1)); err != nil {
				return fmt.Errorf("in the body of a loop: %w", err)
			}
			if n == 200 {
				for range log.Events(ctx) {
					break
				}
			}
		}
		if n != 300 {
			return fmt.Errorf("a loop that began at 300 events saw %d", n)
		}
		return nil
	}, notes(1, 600))
}

// readingAfter: EventsAfter yields the same events as Events does behind a position, in the
// same opening and in the next.
func readingAfter(ctx context.Context, s Store) error {
	all := notes(1, 450)
	return leaves(ctx, s, func(log journal.Log) error {
		if err := add(ctx, log, false, 3, all[:443]); err != nil {
			return err
		}
		err := tails(ctx, log, all[:443])
		if err == nil {
			err = add(ctx, log, true, 7, all[443:])
		}
		if err == nil {
			err = tails(ctx, log, all)
		}
		return err
	}, all)
}

// tails compares EventsAfter at several positions with the expected events.
func tails(ctx context.Context, log journal.Log, want []event.Event) error {
	tail, ok := log.(interface {
		EventsAfter(ctx context.Context, after int64) iter.Seq2[event.Event, error]
	})
	if !ok {
		return nil // the method is optional
	}
	for _, after := range []int64{-1, 0, 1, 2, 199, 200, 201, int64(len(want)) - 1, int64(len(want)), int64(len(want)) + 1, 1 << 40} {
		at := min(max(after, 0), int64(len(want)))
		if err := same(tail.EventsAfter(ctx, after), want[at:]); err != nil {
			return fmt.Errorf("reading what comes after event %d: %w", after, err)
		}
	}
	return nil
}
