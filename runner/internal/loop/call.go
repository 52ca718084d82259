package loop

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// Call is a tool call of the last answer.
type Call struct {
	Ref     event.CallRef
	Call    llm.ToolCall // the call as the model wrote it
	*Origin              // embedded: a call has no other origin
	// Arguments are the checked arguments. They are empty until the call was started or a
	// person was asked about the call.
	Arguments string
	// Fingerprint identifies the definition of the tool that was offered, or that a person
	// was asked about. Empty means that the fingerprint is unknown.
	Fingerprint string
	Edited      bool // a person wrote Arguments
	Decided     bool // a person allowed the call to run
	CutOff      bool // the answer was cut off, so the call must not run
	Withheld    bool // the tool was not on offer in the turn
	Forbidden   bool // the tool choice of the turn forbids the call, so the call must not run
	// MayHaveRun means that the call was in doubt before the decision to run the call
	// again, and that nobody ruled out an effect of the earlier attempt.
	MayHaveRun bool   // beside the other bools, because calls are copied often
	Status     Status // here for the same reason
	// Seq is the Seq of the last event with a question about the call or with a start.
	Seq int64
	// Nested is the run of a helper, if the call is a helper's: from the start of the call to
	// the result. Nil for the call of a function. In the calls of an Action, Nested
	// only marks the call of a helper: Apply changes the state.
	Nested   *State
	verdicts *verdicts // of checks, and other rare facts; nil: none
	repairs  *[]string // see Repairs; nil: none
	result   llm.Part  // the llm.ToolResult as it enters the history; nil for an open call
}

// An Origin is where calls come from. The calls of an answer share it, because the size of a
// Call counts in each turn.
type Origin struct {
	RunID string // id of the run
	Turn  int    // turn of the run
}

// Repairs returns the changes that made Arguments of the model's text.
func (c *Call) Repairs() []string {
	if c.repairs == nil {
		return nil
	}
	return *c.repairs
}

func (c *Call) setArguments(arguments string, repairs []string) {
	c.Arguments, c.repairs = arguments, nil
	if len(repairs) > 0 {
		kept := repairs // a parameter would be allocated without need
		c.repairs = &kept
	}
}

// canStart reports whether the call is waiting for its start.
func (c *Call) canStart() bool { return c.Status == Proposed || c.Status == Cleared }

// Waits reports whether the call waits for a decision or a result from outside, provided
// that no process is running the call. The call of a helper does not wait itself: calls of the helper do.
func (c *Call) Waits() bool {
	return c.Status == Asked || c.Status == Late || c.Status == Started && c.Nested == nil
}

// Status is the progress of a call.
type Status int8

// The statuses, in the usual order.
const (
	Proposed Status = iota // the model made the call
	Asked                  // the call waits for approval
	Cleared                // a decision allows the call to start, or to run again
	Started                // the function may have begun; in doubt if no process is running the call
	Late                   // the result comes from outside; the function has returned
	Finished               // the call has a result
)

func (s *State) openCalls(m llm.Message) {
	var from *Origin
	s.Calls = nil
	for _, p := range m.Parts {
		c, ok := p.(llm.ToolCall)
		if !ok {
			continue
		}
		if s.Calls == nil {
			s.Calls = make([]Call, 0, len(m.Parts))
			from = &Origin{RunID: s.ID, Turn: s.Turn}
		}
		s.Calls = append(s.Calls, Call{
			Ref: event.NewCallRef(s.Run, s.Turn, len(s.Calls)).Under(s.Path), Call: c, Origin: from, Fingerprint: s.fingerprint(c.Name),
			CutOff: s.Class == CutOff, Forbidden: !permits(s.Choice, c.Name),
			Withheld: s.change != nil && s.change.Offer != nil && !slices.Contains(s.change.Offer, c.Name),
		})
		last := &s.Calls[len(s.Calls)-1]
		s.ChoiceMet = s.ChoiceMet || !last.CutOff && !last.Forbidden && !last.Withheld
	}
	s.open, s.validCall = int32(len(s.Calls)), false
	s.toolCalls += int32(len(s.Calls))
	s.calledLast = s.LastTurn
}

// fingerprint returns the fingerprint of a tool that the turn offered.
func (s *State) fingerprint(name string) string {
	for _, t := range s.Tools {
		if t.Name == name {
			return t.Fingerprint
		}
	}
	return ""
}

func (s *State) callStarted(b event.ToolCallStarted) error {
	c := s.call(b.Call)
	if c == nil || !s.callsCanChange() || !c.canStart() {
		return errOrder
	}
	c.setArguments(b.Arguments, b.Repairs)
	c.Status, c.Seq = Started, s.Seq+1
	if b.Helper {
		c.Nested = &State{Path: c.Ref, outer: s}
	}
	if b.Arguments != c.Call.Arguments && !isObject(c.Call.Arguments) && !c.Edited && !c.Replaced() {
		s.showRepaired(c)
	}
	return nil
}

// showRepaired replaces {} in the history by the repaired arguments of a call.
// Otherwise the model would read a result that does not fit the call.
func (s *State) showRepaired(c *Call) {
	at := len(s.Messages) - 1
	for at >= 0 && s.Messages[at].Role != llm.RoleAssistant {
		at--
	}
	if at < 0 {
		return
	}
	m := &s.Messages[at]
	m.Parts = slices.Clone(m.Parts) // the event and earlier requests share the old parts
	n := slices.IndexFunc(s.Calls, func(other Call) bool { return other.Ref == c.Ref })
	for i, p := range m.Parts {
		call, ok := p.(llm.ToolCall)
		if !ok {
			continue
		}
		if n == 0 {
			call.Arguments = c.Arguments
			m.Parts[i] = call
		}
		n--
	}
}

// callsCanChange reports whether events about calls may come now. In the phase opening,
// the calls belong to an earlier run.
func (s *State) callsCanChange() bool { return s.phase == acting || s.phase == opening }

func (s *State) approvalAsked(b event.ApprovalAsked) error {
	c := s.call(b.Call)
	if c == nil || !s.callsCanChange() || !c.canStart() {
		return errOrder
	}
	c.Edited = c.Edited && c.Arguments == b.Arguments
	if c.Arguments != "" && c.Arguments != b.Arguments { // the tool has changed since the checks
		c.verdicts = nil
	}
	c.setArguments(b.Arguments, b.Repairs)
	c.Status, c.Fingerprint, c.Seq = Asked, b.Fingerprint, s.Seq+1
	c.waitFor("", b.Until)
	return nil
}

// approvalDecided clears an approved call. A denied call stays unchanged until
// its result comes.
func (s *State) approvalDecided(b event.ApprovalDecided, at time.Time) error {
	c := s.call(b.Call)
	if c == nil || c.Status != Asked {
		return errOrder
	}
	if b.Hash != event.HashArguments(c.Arguments) {
		return errors.New("is about other arguments")
	}
	if !s.resume() {
		return errOrder
	}
	s.keepApproved()
	s.keepDecision(c, SaysAbout(b), at)
	if b.Always != "" {
		s.keepStanding(c, b, at)
	}
	if !b.Approved {
		return nil
	}
	c.Status, c.Decided = Cleared, true
	if b.Arguments != "" {
		c.setArguments(b.Arguments, b.Repairs)
		c.Edited = true
		c.verdicts = nil
	}
	return nil
}

func (s *State) inDoubtDecided(b event.InDoubtDecided, at time.Time) error {
	c := s.call(b.Call)
	if c == nil || c.Status != Started && (c.Status != Late || b.By != "tool" || b.Decision != event.Happened) || c.Nested != nil && (b.By != "runner" || c.Nested.Run > 0) || !s.resume() {
		return errOrder
	}
	if b.By != "runner" {
		s.keepDecision(c, Decision{What: string(b.Decision), Source: b.By, Person: b.Person, Words: b.Words, Checksum: b.Checksum}, at)
	}
	switch {
	case b.Decision != event.RunAgain:
	case b.By == "runner":
		c.takeBack()
	default:
		// Only the tool can know that the effect did not happen. A person who says "run
		// again" accepts a second effect under the same key.
		c.Status, c.MayHaveRun = Cleared, b.By != "tool"
		c.Decided = c.Decided || b.By == "caller"
	}
	return nil
}

// takeBack undoes the start of a call whose function did not begin. The call returns to
// the status before its start, which decides about the next check: a Cleared call runs
// unchanged, a Proposed call is checked again.
func (c *Call) takeBack() {
	c.Nested = nil
	c.Status = Proposed
	if c.Decided || c.MayHaveRun {
		c.Status = Cleared
	}
}

// resume ends a pause, and reports whether events about calls may come now.
func (s *State) resume() bool {
	if s.phase == paused {
		s.phase = s.pausedFrom
	}
	return s.callsCanChange()
}

// runPaused needs a call that waits for a decision. The first open call must not be able
// to start, because no decision would ever start that call.
func (s *State) runPaused(b event.RunPaused) error {
	first := slices.IndexFunc(s.Calls, func(c Call) bool { return c.Status != Finished })
	if !s.callsCanChange() || first < 0 || b.Run != s.Run || s.Calls[first].canStart() || s.Calls[first].goesOn() {
		return errOrder
	}
	s.pausedFrom, s.phase = s.phase, paused
	return nil
}

// callFinished ends a pause if the call waits: its result came, or its time is over.
func (s *State) callFinished(b event.ToolCallFinished, at time.Time) error {
	c := s.call(b.Call)
	if c == nil || c.Status == Finished || b.Given != nil && !c.TakesResult() || s.phase == paused && !c.Waits() || !s.resume() {
		return errOrder
	}
	s.keepEnd(c, b.Given)
	if b.Given != nil {
		s.keepDecision(c, SaysGiven(b), at)
	}
	c.Status, c.result = Finished, resultPart(c, b.Result)
	if b.Handoff != "" {
		v := c.checked()
		v.handsTo = b.Handoff
		c.verdicts = &v
	}
	if b.Whole != "" {
		s.keepAside(Aside{Call: c.Ref, Tool: c.Call.Name, Text: b.Whole})
	}
	s.validCall = s.validCall || !b.Rejected
	if c.Nested != nil { // without the waits for people
		s.longest = max(s.longest, c.Nested.Work)
		c.Nested = nil
	} else if !b.Began.IsZero() { // calls of a turn run at the same time: the longest one counts
		s.longest = max(s.longest, at.Sub(b.Began))
	}
	if s.open--; s.open == 0 {
		s.turnDone()
	}
	return nil
}

// turnDone enters the results, in the order of the calls.
func (s *State) turnDone() {
	s.Work, s.longest = s.Work+s.longest, 0
	s.done, s.doneAt = s.Calls, len(s.Messages)
	parts := make(llm.Parts, len(s.Calls)) // one piece of memory for all messages
	for i := range s.Calls {
		parts[i] = s.Calls[i].result
		s.Messages = append(s.Messages, llm.Message{Role: llm.RoleTool, Parts: parts[i : i+1 : i+1]})
	}
	s.Calls, s.results = nil, true
	if s.phase != acting { // calls of an earlier run: their turn counted there
		return
	}
	s.phase = ready
	switch {
	case s.Class == CutOff:
		s.unusable++
	case s.validCall:
		s.invalid = 0
	default:
		s.invalid++
	}
}

// resultPart returns the result of a call for the history.
func resultPart(c *Call, r llm.ToolResult) llm.Part {
	r.CallID = c.Call.ID // an event with another id would break the pairs of the history
	if r.Name == "" {
		r.Name = c.Call.Name
	}
	return r
}

// call finds a call by the position at the end of its reference.
func (s *State) call(ref event.CallRef) *Call {
	i, err := strconv.Atoi(string(ref[strings.LastIndexByte(string(ref), 'c')+1:]))
	if err != nil || i < 0 || i >= len(s.Calls) || s.Calls[i].Ref != ref {
		return nil
	}
	return &s.Calls[i]
}

// Open returns the calls without a result, in order.
func (s *State) Open() []Call {
	var open []Call
	for _, c := range s.Calls {
		if c.Status != Finished {
			open = append(open, c)
		}
	}
	return open
}
