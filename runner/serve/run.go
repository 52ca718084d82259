package serve

import (
	"context"
	"errors"
	"sync"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// maxKept bounds the events of a run in memory, in bytes of the texts. Readers further behind
// read the journal.
const maxKept = 1 << 20

// A run is a run of this process, also an ended run. Any number of readers follow the run,
// each at a different speed, and the run waits for no reader.
type run struct {
	key    string // of the message that began the run
	in     []runner.Input
	ctx    context.Context         // of the run
	stop   context.CancelCauseFunc // ends ctx
	queued bool                    // the run had to wait for others
	fresh  bool                    // the run has an input, so its first event is new

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each change
	first   int64         // the Seq of the first event; 0 if none has come
	last    int64         // the Seq of the last event
	kept    []event.Event // the newest events, up to last
	size    int           // of kept
	live    []*segment    // of the answer that the model writes
	restart int           // counts the times that live began anew
	since   int64         // the last event before the last restart
	reports map[event.CallRef]event.ToolProgress
	heard   hearing // of the deltas that come from elsewhere
	foreign bool    // another process does the run
	stopped bool    // a visitor stopped a run of Config.Open
	over    bool
	err     error // of the run that is over
}

// A segment is a piece of an unfinished answer of the model. Bytes are only added.
type segment struct {
	body event.Body // without its text
	text []byte
}

// newRun returns a run before the first event. The run does not end with ctx.
func newRun(ctx context.Context, key string, in []runner.Input) *run {
	r := &run{key: key, in: in, fresh: len(in) > 0, changed: make(chan struct{})}
	r.ctx, r.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	return r
}

// tell wakes the readers. The caller holds mu.
func (r *run) tell() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// add takes a public event of the run.
func (r *run) add(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.tell()
	if e.Seq == 0 {
		r.addLive(e)
		return
	}
	if e.Seq <= r.last { // the journal was read first
		return
	}
	if n := len(r.kept); n > 0 && e.Seq != r.kept[n-1].Seq+1 { // the readers read the journal
		r.kept, r.size = nil, 0
	}
	if r.first == 0 {
		r.first = e.Seq
	}
	r.last = e.Seq
	r.kept = append(r.kept, e)
	r.size += sizeOf(e.Body)
	for r.size > maxKept && len(r.kept) > 1 {
		r.size -= sizeOf(r.kept[0].Body)
		r.kept[0] = event.Event{}
		r.kept = r.kept[1:]
	}
	if isTurn(e) {
		r.live = nil
	}
	if b, ok := e.Body.(event.ToolCallFinished); ok {
		delete(r.reports, b.Call)
	}
	r.hearAhead()
}

// addLive takes a delta. The caller holds mu.
func (r *run) addLive(e event.Event) {
	if progress, ok := e.Body.(event.ToolProgress); ok {
		if r.reports == nil {
			r.reports = map[event.CallRef]event.ToolProgress{}
		}
		r.reports[progress.Call] = progress
		return
	}
	if e.Path != "" { // the texts of helpers are not told
		return
	}
	var body event.Body
	var text string
	switch b := e.Body.(type) {
	case event.TextDelta:
		body, text = event.TextDelta{}, b.Text
	case event.ReasoningDelta:
		body, text = event.ReasoningDelta{}, b.Text
	case event.CallDelta:
		body, text = event.CallDelta{Call: b.Call}, b.Arguments
		if b.Name != "" { // a new segment, whose readers read the name once
			body = event.CallDelta{Call: b.Call, Name: b.Name}
		}
	case event.Restarted:
		r.live, r.since = nil, r.last
		r.restart++
		return
	default:
		return
	}
	call, _ := body.(event.CallDelta)
	if n := len(r.live); n > 0 && call.Name == "" && sameText(r.live[n-1].body, body) {
		r.live[n-1].text = append(r.live[n-1].text, text...)
		return
	}
	r.live = append(r.live, &segment{body: body, text: []byte(text)})
}

// sameText reports whether the text of delta b continues the text of delta a.
func sameText(a, b event.Body) bool {
	one, ok := a.(event.CallDelta)
	if !ok {
		return a == b
	}
	other, ok := b.(event.CallDelta)
	return ok && one.Call == other.Call
}

// end ends the run.
func (r *run) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over, r.err = true, err
	r.live, r.reports = nil, nil
	r.tell()
}

// A place is how far a reader has read.
type place struct {
	seq           int64
	restart       int
	segment, text int
	begun         bool // the segment is told in part
	reports       map[event.CallRef]event.ToolProgress
}

// A batch has the news for a reader.
type batch struct {
	behind  bool // the reader must read the journal up to before
	before  int64
	first   int64
	events  []event.Event // and deltas; Seq is 0 in these
	changed <-chan struct{}
	over    bool
	last    int64
	err     error
}

// next returns the news behind a place, and moves the place.
func (r *run) next(p *place) batch {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := batch{changed: r.changed, over: r.over, last: r.last, err: r.err}
	b.first = r.first
	if r.first == 0 {
		b.behind = p.seq < r.last || p.seq == 0 && (!r.fresh || r.over)
		return b
	}
	if oldest := r.kept[0].Seq; p.seq < oldest-1 {
		b.behind, b.before = true, oldest
		return b
	}
	if p.seq > r.last { // the journal told what this process is about to add
		return b
	}
	for _, e := range r.kept[int(p.seq-r.kept[0].Seq+1):] {
		if e.Seq > r.since {
			r.nextRestart(p, &b)
		}
		b.events = append(b.events, e)
		p.pass(e)
	}
	r.nextRestart(p, &b)
	r.nextLive(p, &b)
	return b
}

// nextRestart says that earlier deltas do not count. The caller holds mu.
func (r *run) nextRestart(p *place, b *batch) {
	if p.restart != r.restart {
		p.restart, p.segment, p.text, p.begun = r.restart, 0, 0, false
		b.events = append(b.events, event.Event{Body: event.Restarted{}})
	}
}

// pass moves the place behind a recorded event.
func (p *place) pass(e event.Event) {
	p.seq = e.Seq
	if isTurn(e) {
		p.segment, p.text, p.begun = 0, 0, false
	}
}

// isTurn reports whether the deltas before an event no longer count.
func isTurn(e event.Event) bool {
	switch e.Body.(type) {
	case event.TurnPrepared, event.ModelAnswered, event.RunFinished, event.RunFailed, event.RunPaused:
		return e.Path == ""
	}
	return false
}

// nextLive adds deltas and reports. The caller holds mu.
func (r *run) nextLive(p *place, b *batch) {
	for p.segment < len(r.live) {
		s := r.live[p.segment]
		if text := string(s.text[p.text:]); text != "" || !p.begun {
			b.events = append(b.events, event.Event{Body: deltaOf(s.body, text, !p.begun)})
		}
		p.text, p.begun = len(s.text), true
		if p.segment == len(r.live)-1 {
			break
		}
		p.segment, p.text, p.begun = p.segment+1, 0, false
	}
	for call, report := range r.reports {
		if p.reports[call] != report {
			if p.reports == nil {
				p.reports = map[event.CallRef]event.ToolProgress{}
			}
			p.reports[call] = report
			b.events = append(b.events, event.Event{Body: report})
		}
	}
}

func deltaOf(body event.Body, text string, first bool) event.Body {
	switch b := body.(type) {
	case event.TextDelta:
		return event.TextDelta{Text: text}
	case event.ReasoningDelta:
		return event.ReasoningDelta{Text: text}
	case event.CallDelta:
		out := event.CallDelta{Call: b.Call, Arguments: text}
		if first {
			out.Name = b.Name
		}
		return out
	}
	return body
}

// sizeOf returns about how many bytes an event needs.
func sizeOf(b event.Body) int {
	n := 200
	switch b := b.(type) {
	case event.UserMessaged:
		n += sizeOfParts(b.Message.Parts)
	case event.ModelAnswered:
		n += sizeOfParts(b.Message.Parts)
	case event.TextDelta:
		n += len(b.Text)
	case event.ReasoningDelta:
		n += len(b.Text)
	case event.CallDelta:
		n += len(b.Arguments)
	case event.AnswerStreamed:
		n += len(b.Text) + len(b.Reasoning)
	case event.ToolCallStarted:
		n += len(b.Arguments)
	case event.ApprovalAsked:
		n += len(b.Arguments)
	case event.ToolCallFinished:
		n += sizeOfParts(b.Result.Parts)
	case event.RunFinished:
		n += len(b.Output) + len(b.Text)
	}
	return n
}

func sizeOfParts(parts llm.Parts) (n int) {
	for _, p := range parts {
		n += 100
		switch p := p.(type) {
		case llm.Text:
			n += len(p.Text)
		case llm.Reasoning:
			n += len(p.Text)
		case llm.ToolCall:
			n += len(p.Arguments)
		case llm.Image:
			n += len(p.Data) + len(p.URL)
		case llm.Audio:
			n += len(p.Data)
		case llm.File:
			n += len(p.Data)
		case llm.ToolResult:
			n += sizeOfParts(p.Parts)
		}
	}
	return n
}

// begin notes the last event before the first event of the run.
func (r *run) begin(last int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first == 0 && r.last < last {
		r.last = last
		r.hearAhead()
	}
}

// begun waits for the first event of the run, or for its end.
func (r *run) begun(ctx context.Context) (first int64, over bool, err error) {
	for {
		r.mu.Lock()
		first, over, err = r.first, r.over, r.err
		changed := r.changed
		r.mu.Unlock()
		if first > 0 || over {
			return first, over, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, false, context.Cause(ctx)
		}
	}
}

// setForeign notes whether a foreign process does the run.
func (r *run) setForeign(foreign bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.foreign = foreign
}

// isBehind reports whether an event came after the end of the run.
func (r *run) isBehind(seq int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.over && r.last > 0 && seq > r.last
}

// answeredBefore reports whether an earlier run has answered the message of the run.
func (r *run) answeredBefore() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.over && r.first == 0 && (r.err == nil || errors.Is(r.err, runner.ErrPaused))
}

// seen returns the Seq of the last event.
func (r *run) seen() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}
