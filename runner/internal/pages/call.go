package pages

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A call is the entry of a tool call, with the events about it.
type call struct {
	*entry          // embedded: a call is its entry, and the events that fill the entry
	wrote    string // the arguments as the model wrote them
	asked    *event.ApprovalAsked
	askedAt  time.Time
	answers  []block                // decisions, in order
	waits    bool                   // for approval
	edited   *event.ApprovalDecided // with other arguments
	started  *event.ToolCallStarted
	startAt  time.Time
	late     bool // the result comes from outside
	lateAt   time.Time
	finished *event.ToolCallFinished
	endAt    time.Time
	progress string
}

func plural(n int, noun string) string { return clip.Count(n, noun) }

// proposed adds the entry of a call in an answer.
func (r *reader) proposed(turn int, c llm.ToolCall) {
	s := r.scope
	added := r.addCall(event.NewCallRef(s.runNumber, turn, s.turn.calls).Under(s.path), c.Name)
	s.turn.calls++
	added.wrote = c.Arguments
	s.turn.Inner = append(s.turn.Inner, added.entry)
}

func (r *reader) addCall(ref event.CallRef, tool string) *call {
	c := &call{entry: &entry{Kind: "call", Title: name(string(ref)), Name: name(tool)}}
	r.byRef[ref] = c
	r.order = append(r.order, c)
	return c
}

// callOf returns the call of an event. The answer with the call can be missing, if the
// events begin after it.
func (r *reader) callOf(ref event.CallRef, tool string) *call {
	c := r.byRef[ref]
	if c == nil {
		c = r.addCall(ref, tool)
		switch s := r.scope; {
		case s.run != nil:
			s.run.Inner = append(s.run.Inner, c.entry)
		case s.home != nil:
			s.home.Inner = append(s.home.Inner, c.entry)
		default:
			r.page.Entries = append(r.page.Entries, c.entry)
		}
	}
	c.Name = cmp.Or(c.Name, name(tool))
	return c
}

func (r *reader) callEvent(ev event.Event) {
	var c *call
	switch b := ev.Body.(type) {
	case event.ApprovalAsked:
		c = r.callOf(b.Call, b.Name)
		c.asked, c.askedAt, c.waits = &b, ev.Time, true
	case event.ApprovalDecided:
		r.goesOn(ev.Time)
		c = r.callOf(b.Call, "")
		r.decided(c, ev, b)
	case event.InDoubtDecided:
		r.goesOn(ev.Time)
		c = r.callOf(b.Call, "")
		text := fmt.Sprintf("%s, decided by %s", name(string(b.Decision)), name(cmp.Or(b.Person, b.By)))
		c.answers = append(c.answers, block{Label: "in doubt", Text: r.texts.withWords(text, b.Words)})
	case event.ToolCallStarted:
		c = r.callOf(b.Call, b.Name)
		c.started, c.startAt = &b, ev.Time
	case event.ToolCallDeferred:
		c = r.callOf(b.Call, b.Name)
		if !b.Began.IsZero() {
			c.spans = append(c.spans, span{from: b.Began, to: ev.Time, kind: "call", label: c.Name + " " + c.Title})
		}
		c.late, c.lateAt = true, ev.Time
		c.answers = append(c.answers, block{Label: "result later", Text: cmp.Or(r.texts.of(b.Handle), "from outside")})
	case event.ToolCallFinished:
		r.goesOn(ev.Time)
		c = r.callOf(b.Call, b.Result.Name)
		c.finished, c.endAt = &b, ev.Time
	case event.ToolProgress:
		c = r.callOf(b.Call, b.Name)
		c.progress = r.texts.of(strings.TrimPrefix(event.Event{Body: b}.Line(), "["+string(b.Call)+"] "))
		return // without a position in the session
	}
	c.mark(ev)
}

func (r *reader) decided(c *call, ev event.Event, b event.ApprovalDecided) {
	c.waits = false
	answer := "denied"
	if b.Approved {
		answer = "approved"
	}
	switch b.Always {
	case "":
	case event.EveryCall:
		answer += " always, every call of the tool,"
	case event.SameArguments:
		answer += " always, with these arguments,"
	default:
		answer += " always (" + name(string(b.Always)) + ")"
	}
	if b.Standing != 0 {
		answer += fmt.Sprintf(" by the standing answer #%d", b.Standing)
	}
	if b.Person != "" {
		answer += map[bool]string{false: " by ", true: " of "}[b.Standing != 0] + name(b.Person)
	}
	if !c.askedAt.IsZero() && b.Standing == 0 {
		c.spans = append(c.spans, span{from: c.askedAt, to: ev.Time, kind: "wait", id: ev.Seq, label: c.Name + " waits for approval"})
		answer += " after " + took(ev.Time.Sub(c.askedAt))
	}
	if b.Arguments != "" {
		answer += ", with other arguments"
	}
	if b.Reason != "" {
		answer += ": " + r.texts.of(b.Reason)
	}
	c.answers = append(c.answers, block{Label: "approval", Text: r.texts.withWords(answer, b.Words)})
	if b.Arguments != "" {
		c.edited = &b
	}
}

// end makes the blocks of the call, after its last event.
func (c *call) end(t *texts) {
	arguments, repairs := c.wrote, []string(nil)
	if c.asked != nil {
		arguments, repairs = c.asked.Arguments, c.asked.Repairs
	}
	if c.edited != nil {
		arguments, repairs = c.edited.Arguments, c.edited.Repairs
	}
	if c.started != nil {
		arguments, repairs = c.started.Arguments, c.started.Repairs
	}
	c.add(block{Label: "arguments", Text: t.json(arguments), Code: true})
	for _, repair := range repairs {
		c.add(block{Label: "repaired", Text: t.of(repair)})
	}
	if c.wrote != "" && !sameJSON(c.wrote, arguments) {
		c.add(block{Label: "as the model wrote them", Text: t.of(c.wrote), Code: true, Fold: true})
	}
	c.Blocks = append(c.Blocks, c.answers...)
	switch {
	case c.finished != nil:
		c.result(t, *c.finished)
	case c.late:
		c.State, c.Facts = "wait", append(c.Facts, "waits for its result")
	case c.waits:
		c.State, c.Facts = "wait", append(c.Facts, "waits for approval")
	case c.started != nil:
		c.State, c.Facts = "bad", append(c.Facts, "began, and no end is recorded")
		c.add(block{Label: "last report", Text: c.progress})
	default:
		c.State, c.Facts = "wait", append(c.Facts, "not started")
	}
}

func (c *call) result(t *texts, b event.ToolCallFinished) {
	c.State = "good"
	began := b.Began
	if c.started != nil && c.started.Helper && !began.IsZero() {
		began = c.startAt // Began is the time of the last continuation
	}
	switch {
	case !began.IsZero():
		if c.started != nil && began.Sub(c.startAt) > 0 {
			c.spans = append(c.spans, span{from: c.startAt, to: began, kind: "queue", label: c.Name + " waits for its turn"})
		}
		c.Facts = append(c.Facts, took(c.endAt.Sub(began)))
		state := "call"
		if b.Failure != "" || b.Result.IsError {
			state = "call bad"
		}
		c.spans = append(c.spans, span{from: began, to: c.endAt, kind: state, label: c.Name + " " + c.Title})
	case c.late:
		c.Facts = append(c.Facts, "the result came after "+took(c.endAt.Sub(c.lateAt)))
		c.spans = append(c.spans, span{from: c.lateAt, to: c.endAt, kind: "wait", label: c.Name + " waits for its result"})
	case b.Handoff != "":
		c.Facts = append(c.Facts, "hands over to "+name(b.Handoff))
	case c.started == nil:
		c.Facts = append(c.Facts, "the function did not run")
	}
	if b.Given != nil && b.Given.Person != "" {
		c.Facts = append(c.Facts, "handed in by "+name(b.Given.Person))
	}
	if b.Failure != "" {
		c.Facts = append(c.Facts, name(b.Failure))
	}
	if b.Rejected {
		c.Facts = append(c.Facts, "the call was wrong")
	}
	if b.Failure != "" || b.Result.IsError {
		c.State = "bad"
	}
	c.parts(t, "result", b.Result.Parts, false)
	c.members(t, b.Result.Extra)
	if b.Given != nil {
		c.add(block{Label: "words", Text: t.of(b.Given.Words)})
	}
	if b.Error != "" && b.Error != b.Result.Text() {
		c.add(block{Label: "cause", Text: t.of(b.Error)})
	}
}

// sameJSON reports whether two texts differ only in white space outside of strings.
func sameJSON(a, b string) bool {
	if a == b {
		return true
	}
	var x, y bytes.Buffer
	return json.Compact(&x, []byte(a)) == nil && json.Compact(&y, []byte(b)) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}
