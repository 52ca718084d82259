package serve

import (
	"context"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A hearing is what a run has heard of the deltas of a request in another process.
type hearing struct {
	source string // of the newest request
	n      int64
	begun  bool         // a delta of the answer came
	lost   bool         // a Live is missing, and the rest counts no more
	ahead  []event.Live // whose events before are not read yet
	size   int          // of ahead, at most maxKept
}

// Live takes an event that the engine of Config.Open does not store: a delta of an answer, or
// the progress of a call. Live has the form of temporal.Worker.Watch, and can be that function
// where pages and workers are one process. Elsewhere, the workers publish each [event.Live] to
// all processes with pages, and these call Live in the order in which they get them.
//
// A Live that comes late or twice is dropped. After a loss, the pages get the rest of the answer
// when the answer is stored. So does a process that began to listen in the middle of an answer.
// Live does not block, and ctx has no meaning. Take Lives from your own workers only: the pages
// show what they say.
func (c *Chat) Live(_ context.Context, l event.Live) {
	c.mu.Lock()
	conv := c.conversations[l.Session]
	c.mu.Unlock()
	if conv == nil {
		return
	}
	r := conv.current()
	if r == nil || l.Event.Seq > 0 || l.Event.Body == nil {
		return
	}
	l.Event = c.public(l.Event)
	if c.hides(l.Event) {
		l.Event.Body = event.Notice{} // that nobody is told
	}
	r.hear(l)
}

// hides reports whether a delta must not leave: a check may withdraw the answer.
func (c *Chat) hides(e event.Event) bool {
	if c.hidden {
		switch e.Body.(type) {
		case event.TextDelta, event.ReasoningDelta:
			return true
		}
	}
	return false
}

// hear takes a Live, or keeps it until the events before have come.
func (r *run) hear(l event.Live) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, call := l.Event.Body.(event.ToolProgress); call { // the teller knows the calls that go on
		if !r.over {
			r.addLive(l.Event)
			r.tell()
		}
		return
	}
	switch {
	case r.over || l.After < r.last:
	case l.After > r.last:
		r.keepAhead(l)
	case l.After == r.last:
		r.hearNow(l)
		r.tell()
	}
}

// keepAhead keeps a Live that waits for the events before, as long as there is room. The caller
// holds mu.
func (r *run) keepAhead(l event.Live) {
	if l.Event.Path != "" { // only its number counts
		l.Event = event.Event{Path: l.Event.Path}
	}
	h := &r.heard
	if size := sizeOf(l.Event.Body); h.size+size <= maxKept {
		h.size += size
		h.ahead = append(h.ahead, l)
	}
}

// hearAhead takes the Lives that waited for the newest event. The caller holds mu.
func (r *run) hearAhead() {
	if len(r.heard.ahead) == 0 {
		return
	}
	waiting := r.heard.ahead
	r.heard.ahead, r.heard.size = nil, 0
	for _, l := range waiting {
		switch {
		case l.After == r.last:
			r.hearNow(l)
		case l.After > r.last:
			r.keepAhead(l)
		}
	}
}

// hearNow takes a Live whose request goes on. The caller holds mu.
func (r *run) hearNow(l event.Live) {
	h := &r.heard
	if l.N == 1 && l.Source != h.source {
		h.source, h.n, h.begun, h.lost = l.Source, 0, false, false
	}
	if l.Source != h.source || l.N <= h.n || h.lost {
		return
	}
	if h.lost = l.N > h.n+1; h.lost {
		return
	}
	h.n = l.N
	if l.Event.Path != "" { // of a helper, while its call goes on
		return
	}
	switch l.Event.Body.(type) {
	case event.Restarted:
		h.begun = false
	case event.TextDelta, event.ReasoningDelta, event.CallDelta:
		if !h.begun {
			h.begun = true
			r.beginAnew()
		}
		r.addLive(l.Event)
	}
}

// beginAnew begins the answer of a request, and withdraws an earlier beginning. The caller holds
// mu.
func (r *run) beginAnew() {
	r.addLive(event.Event{Body: event.Restarted{}})
	r.live = append(r.live, &segment{body: event.TurnPrepared{}})
}

// isBegin reports whether a segment only begins the answer.
func (s *segment) isBegin() bool {
	_, is := s.body.(event.TurnPrepared)
	return is
}
