package runner

import (
	"encoding/json"
	"slices"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A Result is the outcome of a run. The Result is the caller's.
type Result struct {
	// Text is the text of the last answer: the final answer, or beside an error the text
	// so far. After a successful call of a tool with [tool.Final], Text is the result.
	Text string `json:"text"`
	// Output is the final answer as validated JSON, if the agent has an Output; see [Output].
	// After a successful call of a tool with [tool.Final], Output is the result, if the result
	// is JSON. Otherwise Output is nil beside an error, and without an Output of the agent.
	Output json.RawMessage `json:"output,omitempty"`
	// Messages is the whole conversation, including the caller's messages, or after a
	// compaction ([Runner.Compact]) what the conversation has become. Every provider
	// accepts Messages; see the package comment. The slice is the caller's; the contents of
	// the messages are only for reading.
	Messages []llm.Message `json:"messages"`
	Finish   llm.Finish    `json:"finish"`            // of the last answer
	Usage    llm.Usage     `json:"usage"`             // the sum over the turns of the run and of its helpers
	Turns    int           `json:"turns"`             // the number of turns of the run
	Run      int           `json:"run"`               // the run's number in the session, from 1; 0 if the run did not begin
	Session  string        `json:"session,omitempty"` // empty outside a session
	// Agent is the name of the agent that gave the last answer. After a hand-off that is not
	// the agent of the caller. Empty if the run did not begin.
	Agent string `json:"agent,omitempty"`
	// Events are the durable events of this run in order, from RunStarted to RunFinished,
	// RunFailed or RunPaused. After a pause or a crash, Events are the events since the
	// run continued, and Earlier has the events before. Events are empty if the run did not
	// begin, and lack the end if a journal refused the end. The slice is the caller's; the
	// contents are shared and only for reading. The JSON of a Result omits Events, because
	// events hold the instructions; a journal stores them.
	Events []event.Event `json:"-"`
	// Earlier are the durable events before Events:
	//   - of this run, before a pause or a crash;
	//   - of the earlier run whose calls this run continues or closes.
	//
	// If the run continued, RunStarted is in Earlier. A new run has no Earlier if every
	// earlier call has a result. Earlier and Events together are a piece of the session
	// without a gap. As with Events, the slice is the caller's, the contents are shared and
	// only for reading, and the JSON of a Result omits Earlier.
	Earlier []event.Event `json:"-"`
	// Helpers has the part of Usage that helpers needed, by the names of their agents. Nil if
	// no helper worked in the run.
	Helpers map[string]llm.Usage `json:"helpers,omitempty"`
	// Pending are the calls of a paused or failed run that wait for a decision or for a result
	// from outside, also those of helpers. Give the answers to the next [Session.Run].
	Pending []Pending `json:"pending,omitempty"`
	// Decisions are the decisions about calls in the run, in order: who approved, when, and
	// with which words.
	Decisions []Decision `json:"decisions,omitempty"`
}

// A collector gets the durable events of a run without a consumer, for the Result.
type collector struct {
	events  []event.Event
	more    [][]event.Event // pieces of moreEvents after events
	earlier []event.Event
}

// The numbers fit into the sizes of Go's allocator. A run with one call has nine events; a
// list of up to manyEvents grows to three times its size, because all its copies together are
// then half as large as the list.
const (
	fewEvents  = 9
	someEvents = 35
	manyEvents = 105
	moreEvents = 127
)

// add keeps events.
func (c *collector) add(events []event.Event) {
	for _, ev := range events {
		if len(c.events) == cap(c.events) {
			c.grow()
		}
		if len(c.events) < cap(c.events) {
			c.events = append(c.events, ev)
			continue
		}
		last := len(c.more) - 1
		if last < 0 || len(c.more[last]) == moreEvents {
			c.more = append(c.more, make([]event.Event, 0, moreEvents))
			last++
		}
		c.more[last] = append(c.more[last], ev)
	}
}

// grow makes room in a short list. A long one continues in pieces, because copies of it would
// be large.
func (c *collector) grow() {
	for _, n := range [...]int{fewEvents, someEvents, manyEvents} {
		if n > cap(c.events) {
			c.events = append(make([]event.Event, 0, n), c.events...)
			return
		}
	}
}

// all returns the events of the run that has ended, in one list.
func (c *collector) all() []event.Event {
	if len(c.more) > 0 {
		c.events, c.more = slices.Concat(append([][]event.Event{c.events}, c.more...)...), nil
	}
	return c.events
}

// collect makes a run without a consumer.
func (e *engine) collect() {
	e.collector = new(collector)
	e.recorder.collector = e.collector
	e.scheduler.attended = true
}

func (e *engine) result() *Result {
	s := e.recorder.snapshot()
	if e.past != nil {
		s = *e.past
	}
	r := &Result{Messages: s.History(e.placeholder), Session: e.session, Pending: pendingCalls(e.session, s)}
	if !e.began { // the other fields of the state belong to an earlier run
		return r
	}
	r.Text, r.Finish, r.Usage, r.Turns, r.Run = s.Text, s.Finish, s.Usage, s.Turn, s.Run
	r.Agent = s.Agent
	r.Decisions = decisionsOf(&s, s.Run)
	r.Output, r.Helpers = s.Value, s.Helped
	r.Events, r.Earlier = e.collector.all(), e.collector.earlier
	return r
}
