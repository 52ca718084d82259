package loop

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A helper is an agent as a tool. The run of a helper is a State in the call of the outer
// run. The events are in the same log, under one count, with the call as their Path. So the
// outer state, its nested states and their order are one sum of events, and a crash between
// any two of the events is a crash of both runs.

// goesOn reports whether the call's work is a helper's run without a pause. No
// process is running the call.
func (c *Call) goesOn() bool {
	return c.Status == Started && c.Nested != nil && !c.Nested.Paused()
}

// route applies an event to this run, or to the run of a helper below.
func (s *State) route(e event.Event) error {
	if e.Path == s.Path {
		return s.apply(e.Body, e.Time)
	}
	c := s.helperOn(e.Path)
	if c == nil || !s.callsCanChange() && !(s.phase == paused && decides(e.Body)) {
		return errOrder
	}
	n := c.Nested
	seq, calls := n.Seq, n.toolCalls
	n.Seq = s.Seq
	if err := n.route(e); err != nil {
		n.Seq = seq
		return err
	}
	n.Seq = e.Seq
	s.resume()
	s.toolCalls += n.toolCalls - calls
	s.pay(e)
	return nil
}

// helperOn returns the call whose helper's run has the path, or contains the run that has
// the path. Nil means that no such run is going on.
func (s *State) helperOn(path event.CallRef) *Call {
	for i := range s.Calls {
		c := &s.Calls[i]
		if c.Nested == nil {
			continue
		}
		if rest, ok := strings.CutPrefix(string(path), string(c.Ref)); ok && (rest == "" || rest[0] == '/') {
			return c
		}
	}
	return nil
}

// Below returns the run with the path: s itself, or the run of a helper. Nil means that no
// such run is going on.
func (s *State) Below(path event.CallRef) *State {
	for s != nil && s.Path != path {
		c := s.helperOn(path)
		if c == nil {
			return nil
		}
		s = c.Nested
	}
	return s
}

// decides reports whether an event can end a pause: a decision, or the end of a call that
// waits.
func decides(b event.Body) bool {
	switch b.(type) {
	case event.ApprovalDecided, event.InDoubtDecided, event.ToolCallFinished:
		return true
	}
	return false
}

// pay adds the usage of a helper's run.
func (s *State) pay(e event.Event) {
	var u llm.Usage
	var cost float64
	switch b := e.Body.(type) {
	case event.ModelAnswered:
		u, cost = b.Usage, b.Cost
	case event.Compacted:
		u, cost = b.Usage, b.Cost
	case event.Checked:
		u, cost = b.Usage, b.Cost
	default:
		return
	}
	s.Helped = maps.Clone(s.Helped) // copies of the state share the map
	if s.Helped == nil {
		s.Helped = map[string]llm.Usage{}
	}
	agent := s.Below(e.Path).Agent
	s.Usage, s.Cost, s.Helped[agent] = s.Usage.Add(u), s.Cost+cost, s.Helped[agent].Add(u)
}

// spentAnywhere returns a reached limit on a sum, of this run or of an outer run.
func (s *State) spentAnywhere(lim Limits) (StopAtLimit, bool) {
	if stop, over := spent(s, lim, 0); over {
		return stop, true
	}
	var nested time.Duration
	for s.outer != nil && lim.Outer != nil {
		nested += s.Work + s.longest
		s, lim = s.outer, *lim.Outer
		lim.Request = 0
		if stop, over := spent(s, lim, nested); over {
			stop.Outer = true
			return stop, true
		}
	}
	return StopAtLimit{}, false
}

// tooManyCalls reports whether the last answer exceeds the number of calls that this run, or
// an outer run, may make.
func (s *State) tooManyCalls(lim Limits) bool {
	for {
		if lim.ToolCalls > 0 && int(s.toolCalls) > lim.ToolCalls {
			return true
		}
		if s.outer == nil || lim.Outer == nil {
			return false
		}
		s, lim = s.outer, *lim.Outer
	}
}

// Undecided returns the calls before a decision or a result from outside, also in helpers, in the order
// of the models. No process is running a call.
func (s *State) Undecided() []Call {
	var all []Call
	for i := range s.Calls {
		switch c := &s.Calls[i]; {
		case c.Nested != nil && c.Nested.Ended(): // nobody waits for the calls
		case c.Nested != nil:
			all = append(all, c.Nested.Undecided()...)
		case c.Waits():
			all = append(all, *c)
		}
	}
	return all
}

// OpenBelow returns the calls without a result, also in the runs of helpers.
func (s *State) OpenBelow() []Call {
	var all []Call
	for _, c := range s.Open() {
		all = append(all, c)
		if c.Nested != nil && !c.Nested.Ended() {
			all = append(all, c.Nested.OpenBelow()...)
		}
	}
	return slices.Clip(all)
}

// Ended reports whether a run began and has ended.
func (s *State) Ended() bool { return s.Run > 0 && s.phase == idle }
