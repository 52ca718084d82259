package loop

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A phase names the event that a run waits for.
type phase int8

const (
	idle     phase = iota // no run: RunStarted
	opening               // the caller's messages, then the first turn
	ready                 // TurnPrepared
	prepared              // ModelAnswered
	acting                // the results of the open calls
	rejected              // OutputRejected
	checking              // RunFinished or OutputRejected, after the check of the answer
	final                 // RunFinished
	failing               // RunFailed
	paused                // a decision, or a result from outside
)

// State is the sum of the events of a session so far. The zero State is a new
// session. The fields are for reading; only Apply changes them.
type State struct {
	Seq int64  // Seq of the last event
	Run int    // number of the current or last run, from 1
	ID  string // random id of the run
	// Trace is the text of RunStarted.
	Trace string
	Turn  int // number of the run's last prepared turn, from 1

	// Path is the call whose helper's run this is; empty for the outermost run.
	Path event.CallRef

	Agent        string
	Instructions string
	Tools        []event.OfferedTool // tools of the last turn
	ToolsAgent   string              // name of the agent that offered Tools
	Gone         []string            // names of tools of earlier turns, without the tools of the last turn
	Choice       llm.ToolChoice      // tool choice that the runner enforces for the last turn
	Output       string              // form of the final answer in the last turn; empty: any text
	// Misfit means that the last final answer did not fit the form. The next answer must
	// be the corrected answer, without calls.
	Misfit bool
	// ChoiceMet means that the model made an allowed call since the caller's last message.
	// A tool choice that forces a call is then no longer in force.
	ChoiceMet bool
	// LastTurn means that a limit was reached, and that the next turn is the last, without
	// calls.
	LastTurn bool
	// Handed means: a hand-off gave the conversation to Agent.
	Handed bool
	// The small fields stand together, because the size of a State counts in each run:
	handoffs        int32 // of the run
	unusable        int32 // consecutive unusable answers
	misfits         int32 // final answers of the run in a wrong form; calls between do not reset it
	invalid         int32 // consecutive turns in which every call was rejected
	open            int32 // number of calls without a result
	toolCalls       int32 // calls of the run that were made
	Class           Class // of the last answer
	phase           phase
	pausedFrom      phase  // phase before the pause
	unchecked       bool   // the last message is a final answer, not yet checked
	validCall       bool   // at least one call of the turn was not rejected
	nudged          bool   // the model was told about repeated calls
	calledLast      bool   // the model made calls in the last turn
	results         bool   // the calls of the last turn have results, and nothing was said since
	stopped         bool   // the run ended after results
	ending          bool   // the run would have finished, and goes on for messages
	compactedBefore bool   // the history was compacted before the next answer
	compactedAfter  bool   // after a request of the turn
	Problem         string // the last message to the model about a final answer in a wrong form
	// Messages is the history in the form that every provider accepts. The history only
	// grows, except that a compaction replaces the whole list. Results enter together, when
	// every call of the turn has its result.
	// Arguments that are not a JSON object appear as {}, and as the repaired arguments
	// once the call started.
	Messages []llm.Message
	// Aside are the whole texts of shortened results in Messages, the newest last.
	Aside []Aside
	// Calls are the calls of the last answer, until each has a result.
	Calls []Call
	Usage llm.Usage // sum over the turns of the run and of helpers
	Cost  float64   // sum over the turns of the run and of helpers
	// Helped is the part of helpers in Usage, by the names of their agents. Nil
	// without a helper.
	Helped map[string]llm.Usage
	Work   time.Duration // of the model and of the calls, over the turns of the run

	// The last answer, of any class:
	Text    string
	Refusal string
	Finish  llm.Finish
	Value   json.RawMessage // Output of the last RunFinished of the run
	Failure string          // Error of RunFailed
	Partial *Partial        // what was recorded of the answer of the turn, which has no end; nil: nothing

	outer       *State        // the run whose call this helper's run is; nil for the outermost run and in a copy
	change      *Change       // of the last turn; nil: none
	longest     time.Duration // of the calls of the turn
	reported    int64         // tokens of the last request and its answer, by the provider
	answered    int           // number of the messages that reported counts
	limit       *StopAtLimit  // the limit that was reached; nil: none
	written     []int         // positions of the user messages that the runner wrote
	said, later []llm.Message // see userSaid
	keys        []saidKey     // of the caller, in the order of their first messages
	approved    []int         // positions of the answers with calls that a person decided about
	guard       *guard        // verdicts of checks; nil: none yet
	office      *office       // what people said and decided; nil: nothing yet
	done        []Call        // the calls of the last turn, until the next turn is prepared
	doneAt      int           // position of the first of their results
}

// Apply applies an event. An event that cannot follow the state is an error and
// changes nothing, so a damaged journal is never half applied. Ephemeral events must not
// be applied. The state keeps the messages of the event, so nobody may change the
// messages.
func (s *State) Apply(e event.Event) error {
	if e.Seq != s.Seq+1 {
		return fmt.Errorf("loop: event %d follows event %d", e.Seq, s.Seq)
	}
	if err := s.route(e); err != nil {
		return fmt.Errorf("loop: event %d (%s): %w", e.Seq, e.Type(), err)
	}
	s.Seq = e.Seq
	return nil
}

func (s *State) apply(body event.Body, at time.Time) error {
	switch b := body.(type) {
	case event.RunStarted:
		return s.runStarted(b)
	case event.UserMessaged:
		return s.userMessaged(b)
	case event.TurnPrepared:
		return s.turnPrepared(b)
	case event.ModelAnswered:
		return s.modelAnswered(b)
	case event.AnswerStreamed:
		return s.answerStreamed(b)
	case event.ToolCallStarted:
		return s.callStarted(b)
	case event.ToolCallDeferred:
		return s.callDeferred(b, at)
	case event.ToolCallFinished:
		return s.callFinished(b, at)
	case event.ApprovalAsked:
		return s.approvalAsked(b)
	case event.ApprovalDecided:
		return s.approvalDecided(b, at)
	case event.StandingRevoked:
		return s.standingRevoked(b)
	case event.InDoubtDecided:
		return s.inDoubtDecided(b, at)
	case event.RunPaused:
		return s.runPaused(b)
	case event.OutputRejected:
		return s.outputRejected(b)
	case event.StallDetected:
		return s.stallDetected(b)
	case event.LimitReached:
		return s.limitReached(b)
	case event.Compacted:
		return s.compacted(b)
	case event.Checked:
		return s.checked(b)
	case event.HandedOff:
		return s.handedOff(b)
	case event.RunFinished:
		return s.runFinished(b)
	case event.RunFailed:
		return s.runFailed(b)
	}
	return errors.New("is not a durable event")
}

var errOrder = errors.New("cannot happen here")

// runStarted may come at any time: the run before may have been killed, or may
// wait for a decision. Open calls of the earlier run stay open until they have a
// result.
func (s *State) runStarted(b event.RunStarted) error {
	if b.Version > event.Version {
		return fmt.Errorf("is of version %d, and this library knows up to %d", b.Version, event.Version)
	}
	if b.Run != s.Run+1 || s.Path != "" && s.Run > 0 {
		return fmt.Errorf("run %d follows run %d", b.Run, s.Run)
	}
	s.Run, s.ID, s.Trace, s.Agent, s.Turn, s.phase = b.Run, b.ID, b.Trace, b.Agent, 0, opening
	s.Usage, s.Text, s.Refusal, s.Finish = llm.Usage{}, "", "", llm.Finish{}
	s.Class, s.unusable, s.invalid, s.limit = RunCalls, 0, 0, nil
	s.Work, s.longest, s.Helped, s.Failure, s.Partial = 0, 0, nil, "", nil
	s.Cost, s.toolCalls, s.nudged, s.LastTurn, s.calledLast = 0, 0, false, false, false
	s.Misfit, s.misfits, s.Problem, s.Value = false, 0, "", nil
	s.said, s.later = append(slices.Clip(s.said), s.later...), nil
	s.unchecked = s.unchecked && !s.waiting()
	if s.unchecked {
		s.Text = s.Messages[len(s.Messages)-1].Text()
	}
	s.compactedBefore, s.compactedAfter = false, false
	s.results, s.stopped, s.ending = false, false, false
	s.guard, s.handoffs = s.guard.ofNewRun(), 0
	return nil
}

func (s *State) userMessaged(b event.UserMessaged) error {
	if b.Said && s.Path == "" {
		s.userSaid(b)
		s.takeKey(b)
		s.takePerson(b)
		return nil
	}
	if s.phase != opening || s.open > 0 {
		return errOrder
	}
	s.Land()
	s.takeKey(b)
	s.takePerson(b)
	s.guard = s.guard.ofNewMessage(s.Messages)
	s.add([]llm.Message{b.Message})
	s.ChoiceMet, s.results, s.unchecked = false, false, false
	return nil
}

// turnPrepared may come again for a turn without an answer: the process died, and the
// next process has other instructions or tools.
func (s *State) turnPrepared(b event.TurnPrepared) error {
	next := (s.phase == opening || s.phase == ready) && s.open == 0 && b.Turn == s.Turn+1
	again := s.phase == prepared && b.Turn == s.Turn
	if !next && !again || again && len(b.Messages) > 0 {
		return errOrder
	}
	if next {
		s.Land()
		s.ending, s.Partial = false, nil
	}
	s.SetChange(b)
	s.Turn, s.Agent, s.Choice, s.Output, s.phase = b.Turn, b.Agent, b.ToolChoice, b.Output, prepared
	if b.Instructions != nil {
		s.Instructions = *b.Instructions
	}
	if b.Tools != nil {
		s.Gone = gone(s.Gone, s.Tools, b.Tools)
		s.Tools = b.Tools
	}
	s.ToolsAgent = b.Agent
	s.results, s.done = false, nil
	if next {
		s.addWritten(b.Messages)
	}
	return nil
}

// gone returns the names of tools of earlier turns, without the tools on offer now.
func gone(names []string, before, now []event.OfferedTool) (all []string) {
	offered := make(map[string]bool, len(now))
	for _, t := range now {
		offered[t.Name] = true
	}
	take := func(name string) {
		if !offered[name] {
			offered[name] = true // once
			all = append(all, name)
		}
	}
	for _, t := range before {
		take(t.Name)
	}
	for _, name := range names {
		take(name)
	}
	return all
}

func (s *State) modelAnswered(b event.ModelAnswered) error {
	if s.phase != prepared || b.Turn != s.Turn {
		return errOrder
	}
	s.Class, s.Partial = Classify(b.Message, b.Finish, s.Choice), nil
	s.Text, s.Refusal, s.Finish = b.Message.Text(), b.Message.Refusal(), b.Finish
	s.Usage, s.Cost = s.Usage.Add(b.Usage), s.Cost+b.Cost
	s.Work += b.Work
	s.compactedBefore, s.compactedAfter = false, false
	s.guard = s.guard.ofNewAnswer()
	if s.Class == RunCalls {
		s.unusable = 0
	}
	switch s.Class {
	case RunCalls, CutOff:
		s.Messages = append(s.Messages, withArguments(b.Message, isObject))
		s.openCalls(b.Message)
		s.phase = acting
	case Lost, NoCall, Empty:
		s.keepText(b.Message)
		s.unusable++
		s.phase = rejected
	case Final:
		s.Messages = append(s.Messages, b.Message)
		s.phase = final
		if s.Output != "" {
			s.phase, s.unchecked = checking, true
		}
		s.goOn()
	case Short:
		s.keepText(b.Message)
		s.phase = failing
	default: // Filtered, Refused, Broken: providers may refuse such an answer in the next request
		s.phase = failing
	}
	if n := b.Usage.InputTokens; n > 0 {
		// Reasoning is sent back only in part, if at all.
		s.reported, s.answered = n+max(0, b.Usage.OutputTokens-b.Usage.ReasoningTokens), len(s.Messages)
	}
	return nil
}

func (s *State) outputRejected(b event.OutputRejected) error {
	about := b.Reason == event.MisfitOutput || b.Reason == event.RefusedOutput
	if s.phase != rejected && !about || !s.checks() && about || b.Turn != s.Turn {
		return errOrder
	}
	if about {
		s.misfits++
		s.unchecked, s.ending = false, false
		s.Misfit, s.Problem = b.Reason == event.MisfitOutput, b.Message.Text()
	}
	s.tell(b.Message)
	s.phase = ready
	return nil
}

func (s *State) limitReached(b event.LimitReached) error {
	if s.phase != opening && s.phase != ready {
		return errOrder
	}
	if b.Message != nil && s.LastTurn {
		return errOrder
	}
	s.limit = &StopAtLimit{Limit: b.Limit, Max: b.Max, Cost: b.Cost}
	if b.Message == nil {
		s.phase = failing
		return nil
	}
	s.LastTurn, s.results = true, false
	s.tell(*b.Message)
	return nil
}

func (s *State) runFinished(b event.RunFinished) error {
	ended := s.phase == final || s.ending && !s.unchecked || s.checks()
	if b.Stopped {
		ended = s.Stoppable()
	}
	if err := s.runEnded(b.Run, ended); err != nil {
		return err
	}
	s.Value, s.stopped, s.unchecked = b.Output, b.Stopped, false
	s.finishKeys()
	s.finishEnds()
	switch {
	case b.Text != "":
		s.Text = b.Text
	case b.Stopped && len(b.Output) > 0:
		s.Text = string(b.Output)
	}
	return nil
}

// runFailed may come before the end of an answer was recorded, for example during the checks
// of the agent. The next run begins with them.
func (s *State) runFailed(b event.RunFailed) error {
	answered := s.phase == final
	if err := s.runEnded(b.Run, s.phase != idle); err != nil {
		return err
	}
	s.unchecked, s.Failure = s.unchecked || answered, b.Error
	return nil
}

// Stoppable reports whether the run can end with the results of the last turn: every call
// has its result, and no message came after the results. Messages may wait.
func (s *State) Stoppable() bool {
	return s.results && s.open == 0 && (s.phase == opening || s.phase == ready)
}

// checks reports whether the final answer waits for its check. A run can end during a
// check; the next run then begins with the check. If a limit forbids the further turn of a
// run with waiting messages, the answer is checked, too.
func (s *State) checks() bool {
	return s.phase == checking || s.unchecked && (s.phase == opening || s.ending)
}

func (s *State) runEnded(run int, allowed bool) error {
	if !allowed || run != s.Run {
		return errOrder
	}
	s.phase, s.ending = idle, false
	return nil
}

// Waiting reports whether the conversation needs an answer of the model after its open
// calls are closed, or the check of an answer.
func (s *State) Waiting() bool {
	if len(s.Calls) > 0 || s.waiting() || s.unchecked {
		return true
	}
	n := len(s.Messages)
	return n > 0 && !s.stopped && s.Messages[n-1].Role != llm.RoleAssistant
}

// Paused reports whether the run waits for a decision or a result from outside.
func (s *State) Paused() bool { return s.phase == paused }

// Prepared reports whether a turn waits for its answer.
func (s *State) Prepared() bool { return s.phase == prepared }

// Running reports whether a run has begun and not ended.
func (s *State) Running() bool { return s.phase != idle }
