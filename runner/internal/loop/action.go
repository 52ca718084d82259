package loop

import (
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// Limits bound a run.
type Limits struct {
	Turns         int // answers of the model; 0 or less: no limit
	InvalidRounds int // consecutive turns in which every call was rejected; 0 or less: no limit
	Unusable      int // consecutive unusable answers after which the model may still try again
	// Bounds on the sums of the run; 0 or less: no limit.
	ToolCalls             int // a turn whose calls exceed the bound runs none of them
	Input, Output, Tokens int64
	Request               int64 // estimated tokens of one request
	Compact               int64 // estimated tokens of a request before which the history is compacted; 0 or less: never
	Cost                  float64
	Overhead              int64 // estimated tokens of the instructions and the tools
	Work                  time.Duration
	Repeats               int                    // rounds of the same calls with the same results, before the model is told; 0 or less: no limit
	Polling               func(name string) bool // reports whether calls of a tool may repeat; nil: of no tool
	Misfits               int                    // final answers in a wrong form after which the model may still try again
	// Outer are the limits of the outer run. They bind a helper's run, too. Nil for the
	// outermost run.
	Outer   *Limits
	Outside *StopAtLimit // a limit outside of the run that is reached; nil: none
	// Serial makes the calls of an answer run one after the other, in order. A call that
	// waits for a decision then blocks the calls after it.
	Serial   bool
	Checks   *Checks // of the agent; nil: none
	Handoffs int     // hand-offs of the run; 0 or less: no limit
}

// An Action is the next thing to do. The caller executes the action and applies the
// outcome as events.
type Action interface{ action() }

type (
	// Idle means that no run is going on, or that the run is paused.
	Idle struct{}
	// Prepare fixes the instructions and tools of a turn. Outcome: TurnPrepared.
	Prepare struct{ Turn int }
	// Generate sends the request of a turn to the model. Outcome: ModelAnswered.
	Generate struct{ Turn int }
	// Start runs the calls, in order. Outcome for each call: ToolCallStarted and
	// ToolCallFinished or ToolCallDeferred, or ToolCallFinished alone for a rejected call, or ApprovalAsked
	// if a person must decide. All started calls end before the caller asks for the next
	// action. The call of a helper that is Started goes on where its run is: the outcome is
	// events of the helper's run, up to a pause or to the end with ToolCallFinished.
	Start struct{ Calls []Call }
	// Close ends calls that are CutOff, Forbidden, Refused, stopped by a check or over the limit,
	// without running them. Outcome: ToolCallFinished for each call.
	Close struct {
		Calls     []Call
		OverLimit bool // the calls would exceed the limit on calls
	}
	// Decide gets decisions about calls: calls that are Asked wait for approval, calls that
	// are Started are in doubt, and calls that are Late wait for their results. Outcome: the
	// decisions, the ends of calls whose time is over, or RunPaused. Without
	// calls, only helpers wait for decisions: RunPaused.
	Decide struct{ Calls []Call }
	// Check validates the final answer against the form of the agent. Outcome: RunFinished
	// with Output, or OutputRejected.
	Check struct {
		Turn int
		Text string
	}
	// Reject asks the model for another answer. Outcome: OutputRejected with Message.
	Reject struct {
		Turn    int
		Reason  Class
		Message llm.Message
	}
	// Nudge tells the model about its repeated calls. Outcome: StallDetected.
	Nudge struct{ Turn int }
	// StopAtLimit records that a limit was reached. Outcome: LimitReached.
	StopAtLimit struct {
		Limit string
		Max   int64
		Cost  float64
		Outer bool // the limit of an outer run
	}
	// Finish ends the run with success. Outcome: RunFinished.
	Finish struct{}
	// Fail ends the run with an error. Outcome: RunFailed. Limit and Max name the limit
	// that was reached. Trip, if not nil, is the check that stopped the run. Otherwise Reason
	// is the class of the last answer.
	Fail struct {
		Limit  string
		Max    int64
		Cost   float64
		Reason Class
		Trip   *Trip
	}
)

func (Idle) action()        {}
func (Prepare) action()     {}
func (Generate) action()    {}
func (Start) action()       {}
func (Close) action()       {}
func (Decide) action()      {}
func (Check) action()       {}
func (Reject) action()      {}
func (Nudge) action()       {}
func (StopAtLimit) action() {}
func (Finish) action()      {}
func (Fail) action()        {}

// The names of limits in events and errors.
const (
	TurnLimit    = "turns"
	InvalidLimit = "invalid_rounds"
	CallLimit    = "tool_calls"
	InputLimit   = "input_tokens"
	OutputLimit  = "output_tokens"
	TokenLimit   = "tokens"
	RequestLimit = "request_tokens"
	CostLimit    = "cost"
	WorkLimit    = "work_time"
	StallLimit   = "stall"
	HandoffLimit = "handoffs"
)

// Next returns the next action of a state. The caller must not run a call of the state
// at the same time: Next takes a started call without a result for a call in doubt.
// Next does not change the state, and the action shares no memory with the parts of the
// state that Apply changes.
func Next(s *State, lim Limits) Action {
	switch s.phase {
	case opening, ready:
		if s.open > 0 { // calls of an earlier run that ended before their results
			return nextCalls(s, lim)
		}
		if a, must := s.nextChecks(lim.Checks); must {
			return a
		}
		if a, must := s.nextHandOff(lim); must {
			return a
		}
		if s.checks() && !s.ending {
			return s.finishing(lim)
		}
		return nextTurn(s, lim)
	case prepared:
		if a, must := s.inputChecks(lim.Checks); must {
			return a
		}
		return Generate{Turn: s.Turn}
	case acting:
		return nextCalls(s, lim)
	case checking:
		return s.finishing(lim)
	case rejected:
		if int(s.unusable) > lim.Unusable {
			return Fail{Reason: s.Class}
		}
		return Reject{Turn: s.Turn, Reason: s.Class, Message: retryMessage(s.Class, s.Choice)}
	case final:
		return s.finishing(lim)
	case failing:
		f := s.atLimit()
		f.Reason, f.Trip = s.Class, s.trip()
		return f
	}
	return Idle{}
}

// StartsAfter returns the calls that start right after an answer, or nil if another action
// comes first. A store can then keep the answer and the starts in one append.
func StartsAfter(s State, answer event.ModelAnswered, lim Limits) []Call {
	s.Messages = nil // a copy: the answer must not reach the history
	if s.modelAnswered(answer) != nil || s.phase != acting {
		return nil
	}
	a, _ := Next(&s, lim).(Start)
	return a.Calls
}

func nextTurn(s *State, lim Limits) Action {
	action := nextTurnOrStop(s, lim)
	if _, stop := action.(StopAtLimit); stop && s.ending {
		return s.finishing(lim) // the messages wait for the next run
	}
	return action
}

func nextTurnOrStop(s *State, lim Limits) Action {
	switch {
	case int(s.misfits) > lim.Misfits:
		return Fail{Reason: Misfit}
	case s.Class == CutOff && s.phase == ready && int(s.unusable) > lim.Unusable:
		return Fail{Reason: CutOff}
	case s.LastTurn:
		if s.calledLast {
			return s.atLimit()
		}
		if s.mustCompact(lim) {
			return Compact{Turn: s.Turn + 1}
		}
		return Prepare{Turn: s.Turn + 1}
	case lim.InvalidRounds > 0 && int(s.invalid) >= lim.InvalidRounds:
		return StopAtLimit{Limit: InvalidLimit, Max: int64(lim.InvalidRounds)}
	case lim.Turns > 0 && s.Turn >= lim.Turns:
		return StopAtLimit{Limit: TurnLimit, Max: int64(lim.Turns)}
	case s.stalled(lim) && s.nudged:
		return StopAtLimit{Limit: StallLimit, Max: int64(lim.Repeats)}
	}
	if stop, reached := s.nextStop(lim); reached {
		return stop
	}
	switch {
	case s.stalled(lim):
		return Nudge{Turn: s.Turn}
	case s.mustCompact(lim):
		return Compact{Turn: s.Turn + 1}
	}
	return Prepare{Turn: s.Turn + 1}
}

// spent returns a reached limit on a sum of the run. nested is the work of a
// helper's run, not yet a part of s.
func spent(s *State, lim Limits, nested time.Duration) (StopAtLimit, bool) {
	if lim.ToolCalls > 0 && int(s.toolCalls) > lim.ToolCalls { // that many may run
		return StopAtLimit{Limit: CallLimit, Max: int64(lim.ToolCalls)}, true
	}
	for _, l := range [...]struct {
		name      string
		used, max int64
	}{
		{InputLimit, s.Usage.InputTokens, lim.Input},
		{OutputLimit, s.Usage.OutputTokens, lim.Output},
		{WorkLimit, int64(s.Work + nested), int64(lim.Work)},
		{TokenLimit, s.Usage.InputTokens + s.Usage.OutputTokens, lim.Tokens},
	} {
		if l.max > 0 && l.used >= l.max {
			return StopAtLimit{Limit: l.name, Max: l.max}, true
		}
	}
	switch {
	case lim.Cost > 0 && s.Cost >= lim.Cost:
		return StopAtLimit{Limit: CostLimit, Cost: lim.Cost}, true
	case lim.Request > 0 && s.Estimate(lim.Overhead) > lim.Request:
		return StopAtLimit{Limit: RequestLimit, Max: lim.Request}, true
	}
	return StopAtLimit{}, false
}

// nextCalls closes calls that must not run, then starts every call that can start. Only
// the rest needs decisions, so a run does all its work before a person is asked.
func nextCalls(s *State, lim Limits) Action {
	var closing, unchecked, starting, undecided []Call
	trip := s.trip()
	over := s.phase == acting && s.tooManyCalls(lim)
	blocked := false // a call before is open
	for i := range s.Calls {
		switch c := &s.Calls[i]; {
		case c.Status == Finished:
		case c.CutOff || c.Forbidden || c.Refused() != "", over && c.Status == Proposed, trip != nil && c.Status != Started && c.Status != Late:
			closing = s.appendOpen(closing, c)
		case lim.Checks != nil && c.canStart() && len(missing(lim.Checks.Call, c.checked().passed)) > 0:
			unchecked = s.appendOpen(unchecked, c)
		case lim.Serial && blocked:
		case c.canStart(), c.goesOn():
			starting, blocked = s.appendOpen(starting, c), true
		case c.Nested != nil: // the run is paused
			blocked = true
		default: // Asked, Late, or Started in a process that died or in a run that failed
			undecided, blocked = s.appendOpen(undecided, c), true
		}
	}
	switch {
	case len(closing) > 0:
		return Close{Calls: closing, OverLimit: over}
	case trip != nil: // the remaining calls are in doubt, or wait for their results
		return Fail{Trip: trip}
	case len(unchecked) > 0:
		return callChecks(unchecked, lim.Checks)
	case len(starting) > 0:
		return Start{Calls: starting}
	}
	return Decide{Calls: undecided}
}

// appendOpen appends a call to a list of open calls.
func (s *State) appendOpen(list []Call, c *Call) []Call {
	if list == nil {
		list = make([]Call, 0, s.open) // a Call is large, and usually all open calls get into one list
	}
	return append(list, *c)
}

// retryMessage is the message to the model after an unusable answer.
func retryMessage(c Class, choice llm.ToolChoice) llm.Message {
	name, named := choice.Named()
	_, names, among := choice.Among()
	switch {
	case c == NoCall && named:
		return llm.User("Your last reply called no tool, but you must call the tool \"" + name + "\". Call it now.")
	case c == NoCall && among:
		return llm.User("Your last reply called no tool, but you must call one of the tools \"" + strings.Join(names, "\", \"") + "\". Call one now.")
	case c == NoCall:
		return llm.User("Your last reply called no tool, but you must call one. Call a tool now.")
	case c == Lost:
		return llm.User("Your last reply announced tool calls but held none. Make the calls now, or answer.")
	}
	return llm.User("Your last reply was empty. Answer now, or call a tool.")
}

// atLimit returns the failure by the limit that was reached, if one was.
func (s *State) atLimit() Fail {
	if s.limit == nil {
		return Fail{}
	}
	return Fail{Limit: s.limit.Limit, Max: s.limit.Max, Cost: s.limit.Cost}
}
