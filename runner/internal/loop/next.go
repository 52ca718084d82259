package loop

import (
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// Limits bound a run.
type Limits struct {
	Turns         int // answers of the model; 0 or less: no limit
	InvalidRounds int // consecutive turns in which every call was rejected; 0 or less: no limit
	Unusable      int // consecutive unusable answers after which the model is asked again
	// Serial: the calls of an answer run one after the other, in order. A call that
	// waits for a decision blocks the calls after it.
	Serial bool
}

// An Action is the next thing to do. The caller applies the results as events.
type Action interface{ action() }

type (
	// Idle: there is no run.
	Idle struct{}
	// Prepare the turn; then TurnPrepared.
	Prepare struct{ Turn int }
	// Ask the model; then ModelAnswered.
	Ask struct{ Turn int }
	// Start the calls, in order; then for each ToolCallStarted and
	// ToolCallFinished, or ToolCallFinished alone if it is rejected, or
	// ApprovalAsked if a person must decide.
	Start struct{ Calls []Call }
	// Wait for the calls that are running.
	Wait struct{}
	// Close the calls, which are CutOff or Barred, without running them; then
	// ToolCallFinished for each.
	Close struct{ Calls []Call }
	// Settle what holds the calls up: those that are Asked wait for approval,
	// those that are Started are in doubt. Then decisions, or RunPaused.
	Settle struct{ Calls []Call }
	// Reject the answer; then OutputRejected with the message.
	Reject struct {
		Turn    int
		Reason  Verdict
		Message llm.Message
	}
	// Limit is reached; then LimitReached.
	Limit struct {
		Name string
		Max  int
	}
	// Finish the run; then RunFinished.
	Finish struct{}
	// Fail the run; then RunFailed. Limit names the one that was reached, and Max
	// is what it was; else the verdict on the last answer is the reason.
	Fail struct {
		Limit  string
		Max    int
		Reason Verdict
	}
)

func (Idle) action()    {}
func (Prepare) action() {}
func (Ask) action()     {}
func (Start) action()   {}
func (Wait) action()    {}
func (Close) action()   {}
func (Settle) action()  {}
func (Reject) action()  {}
func (Limit) action()   {}
func (Finish) action()  {}
func (Fail) action()    {}

// The limits' names in events and errors.
const (
	TurnLimit    = "turns"
	InvalidLimit = "invalid_rounds"
)

// Next returns the next action of a state. live reports whether this process is
// running a started call; nil means that no call is running. Next does not
// change the state, and the action shares no memory with the parts of the state
// that Apply changes.
func Next(s *State, lim Limits, live func(event.CallRef) bool) Action {
	switch s.phase {
	case opening, ready:
		if s.open > 0 { // of a run that ended before this one began
			return nextCalls(s, lim, live)
		}
		return nextTurn(s, lim)
	case prepared:
		return Ask{Turn: s.Turn}
	case acting:
		return nextCalls(s, lim, live)
	case rejected:
		if s.unusable > lim.Unusable {
			return Fail{Reason: s.Verdict}
		}
		return Reject{Turn: s.Turn, Reason: s.Verdict, Message: again(s.Verdict, s.Choice)}
	case final:
		return Finish{}
	case failing:
		return Fail{Limit: s.limit, Max: s.max, Reason: s.Verdict}
	}
	return Idle{}
}

func nextTurn(s *State, lim Limits) Action {
	switch {
	case s.Verdict == CutOff && s.phase == ready && s.unusable > lim.Unusable:
		return Fail{Reason: CutOff}
	case lim.InvalidRounds > 0 && s.invalid >= lim.InvalidRounds:
		return Limit{Name: InvalidLimit, Max: lim.InvalidRounds}
	case lim.Turns > 0 && s.Turn >= lim.Turns:
		return Limit{Name: TurnLimit, Max: lim.Turns}
	}
	return Prepare{Turn: s.Turn + 1}
}

// nextCalls starts every call that may start, before anybody is asked about the
// rest.
func nextCalls(s *State, lim Limits, live func(event.CallRef) bool) Action {
	var barred, able, held []Call
	running := false
	for i := range s.Calls {
		switch c := s.Calls[i]; {
		case c.Status == Finished:
		case c.CutOff || c.Barred:
			barred = append(barred, c)
		case lim.Serial && (len(able)+len(held) > 0 || running): // an earlier call is open
		case c.able():
			able = append(able, c)
		case c.Status == Started && live != nil && live(c.Ref):
			running = true
		default:
			held = append(held, c)
		}
	}
	switch {
	case len(barred) > 0:
		return Close{Calls: barred}
	case len(able) > 0:
		return Start{Calls: able}
	case running:
		return Wait{}
	}
	return Settle{Calls: held}
}

// again is the message to the model after an unusable answer.
func again(v Verdict, choice llm.ToolChoice) llm.Message {
	name, named := choice.Named()
	switch {
	case v == NoCall && named:
		return llm.User("Your last reply called no tool, but you must call the tool \"" + name + "\". Call it now.")
	case v == NoCall:
		return llm.User("Your last reply called no tool, but you must call one. Call a tool now.")
	case v == Lost:
		return llm.User("Your last reply announced tool calls but held none. Make the calls now, or answer.")
	}
	return llm.User("Your last reply was empty. Answer now, or call a tool.")
}
