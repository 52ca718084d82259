package loop

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A phase names the event that a run waits for.
type phase int

const (
	idle     phase = iota // no run: RunStarted
	opening               // the caller's messages, then the first turn
	ready                 // TurnPrepared
	prepared              // ModelAnswered
	acting                // the results of the open calls
	rejected              // OutputRejected
	final                 // RunFinished
	failing               // RunFailed
	paused                // a decision
)

// State is the sum of the events of a session so far. The zero State is a new
// session. The fields are for reading; only Apply changes them.
type State struct {
	Seq  int64  // Seq of the last event
	Run  int    // number of the current or last run, from 1
	ID   string // random id of that run
	Turn int    // number of the run's last prepared turn, from 1

	Agent        string
	Instructions string
	Tools        []event.OfferedTool // tools of the last turn
	ToolsAgent   string              // name of the agent that offered Tools
	Choice       llm.ToolChoice      // tool choice that the runner enforces for the last turn
	// ChoiceMet means that the model made an allowed call since the caller's last message.
	// A tool choice that forces a call is then no longer in force.
	ChoiceMet bool
	// Messages is the history in the form that every provider accepts. The history only
	// grows, and results enter together, when every call of the turn has its result.
	// Arguments that are not a JSON object appear as {}, and as the repaired arguments
	// once the call started.
	Messages []llm.Message
	// Calls are the calls of the last answer, until each has a result.
	Calls []Call
	Usage llm.Usage // sum over the turns of the run

	// The last answer, of any class:
	Text    string
	Refusal string
	Finish  llm.Finish
	Class   Class

	phase      phase
	pausedFrom phase  // phase in which the run paused
	open       int    // number of calls without a result
	validCall  bool   // at least one call of the turn was not rejected
	unusable   int    // consecutive unusable answers
	invalid    int    // consecutive turns in which every call was rejected
	limit      string // name of the limit that ended the run
	max        int    // bound of that limit
}

// Call is a tool call of the last answer.
type Call struct {
	Ref    event.CallRef
	Call   llm.ToolCall // the call as the model wrote it
	Status Status
	RunID  string // id of the run whose model made the call
	Turn   int    // turn of that run
	// Arguments are the checked arguments. They are empty until the call was started or a
	// person was asked about the call.
	Arguments string
	Repairs   []string // changes that made Arguments of the model's text
	// Fingerprint identifies the definition of the tool that was offered, or that a person
	// was asked about. Empty means that the fingerprint is unknown.
	Fingerprint string
	Edited      bool // a person wrote Arguments
	Decided     bool // a person allowed the call to run
	CutOff      bool // the answer was cut off, so the call must not run
	Forbidden   bool // the tool choice of the turn forbids the call, so the call must not run
	// Seq is the Seq of the last event that asked about the call or started the call.
	Seq int64
	// MayHaveRun means that the call was in doubt before the decision to run the call
	// again, and that nobody ruled out an effect of the earlier attempt.
	MayHaveRun bool
	result     llm.ToolResult
}

// canStart reports whether the call is waiting for its start.
func (c *Call) canStart() bool { return c.Status == Proposed || c.Status == Cleared }

// Waits reports whether the call waits for a decision, provided that no process is
// running the call.
func (c *Call) Waits() bool { return c.Status == Asked || c.Status == Started }

// Status is the progress of a call.
type Status int

// The statuses, in the usual order.
const (
	Proposed Status = iota // the model made the call
	Asked                  // the call waits for approval
	Cleared                // a decision allows the call to start, or to run again
	Started                // the function may have begun; in doubt if no process is running the call
	Finished               // the call has a result
)

// Apply applies an event. An event that cannot follow the state is an error and
// changes nothing, so a damaged journal is never half applied. Ephemeral events must not
// be applied. The state keeps the messages of the event, so nobody may change the
// messages.
func (s *State) Apply(e event.Event) error {
	if e.Seq != s.Seq+1 {
		return fmt.Errorf("loop: event %d follows event %d", e.Seq, s.Seq)
	}
	if err := s.apply(e.Body); err != nil {
		return fmt.Errorf("loop: event %d (%s): %w", e.Seq, e.Type(), err)
	}
	s.Seq = e.Seq
	return nil
}

func (s *State) apply(body event.Body) error {
	switch b := body.(type) {
	case event.RunStarted:
		return s.runStarted(b)
	case event.UserMessaged:
		return s.userMessaged(b)
	case event.TurnPrepared:
		return s.turnPrepared(b)
	case event.ModelAnswered:
		return s.modelAnswered(b)
	case event.ToolCallStarted:
		return s.callStarted(b)
	case event.ToolCallFinished:
		return s.callFinished(b)
	case event.ApprovalAsked:
		return s.approvalAsked(b)
	case event.ApprovalDecided:
		return s.approvalDecided(b)
	case event.InDoubtDecided:
		return s.inDoubtDecided(b)
	case event.RunPaused:
		return s.runPaused(b)
	case event.OutputRejected:
		return s.outputRejected(b)
	case event.LimitReached:
		return s.limitReached(b)
	case event.RunFinished:
		return s.runEnded(b.Run, s.phase == final)
	case event.RunFailed:
		return s.runEnded(b.Run, s.phase != idle)
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
	if b.Run != s.Run+1 {
		return fmt.Errorf("run %d follows run %d", b.Run, s.Run)
	}
	s.Run, s.ID, s.Agent, s.Turn, s.phase = b.Run, b.ID, b.Agent, 0, opening
	s.Usage, s.Text, s.Refusal, s.Finish = llm.Usage{}, "", "", llm.Finish{}
	s.Class, s.unusable, s.invalid, s.limit, s.max = RunCalls, 0, 0, "", 0
	return nil
}

func (s *State) userMessaged(b event.UserMessaged) error {
	if s.phase != opening || s.open > 0 {
		return errOrder
	}
	// In the caller's own messages, arguments may be any JSON: the Responses API accepts
	// such arguments, and the client of Chat Completions sends {} instead.
	s.Messages = append(s.Messages, withArguments(b.Message, func(text string) bool { return json.Valid([]byte(text)) }))
	s.ChoiceMet = false
	return nil
}

// turnPrepared may come again for a turn without an answer: the process died, and the
// next process has other instructions or tools.
func (s *State) turnPrepared(b event.TurnPrepared) error {
	next := (s.phase == opening || s.phase == ready) && s.open == 0 && s.limit == "" && b.Turn == s.Turn+1
	again := s.phase == prepared && b.Turn == s.Turn
	if !next && !again {
		return errOrder
	}
	s.Turn, s.Agent, s.Choice, s.phase = b.Turn, b.Agent, b.ToolChoice, prepared
	if b.Instructions != nil {
		s.Instructions = *b.Instructions
	}
	if b.Tools != nil {
		s.Tools = b.Tools
	}
	s.ToolsAgent = b.Agent
	return nil
}

func (s *State) modelAnswered(b event.ModelAnswered) error {
	if s.phase != prepared || b.Turn != s.Turn {
		return errOrder
	}
	s.Class = Classify(b.Message, b.Finish, s.Choice)
	s.Text, s.Refusal, s.Finish = b.Message.Text(), b.Message.Refusal(), b.Finish
	s.Usage = s.Usage.Add(b.Usage)
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
	case Short:
		s.keepText(b.Message)
		s.phase = failing
	default: // Filtered, Refused, Broken: providers may refuse such an answer in the next request
		s.phase = failing
	}
	return nil
}

// keepText adds a message to the history if the message has content that can be
// sent again.
func (s *State) keepText(m llm.Message) {
	if _, content := contents(m); content {
		s.Messages = append(s.Messages, m)
	}
}

func (s *State) openCalls(m llm.Message) {
	calls := m.Calls()
	s.Calls = make([]Call, len(calls))
	for i, c := range calls {
		s.Calls[i] = Call{
			Ref: event.NewCallRef(s.Run, s.Turn, i), Call: c, RunID: s.ID, Turn: s.Turn, Fingerprint: s.fingerprint(c.Name),
			CutOff: s.Class == CutOff, Forbidden: !permits(s.Choice, c.Name),
		}
		s.ChoiceMet = s.ChoiceMet || !s.Calls[i].CutOff && !s.Calls[i].Forbidden
	}
	s.open, s.validCall = len(calls), false
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
	c.Status, c.Arguments, c.Repairs, c.Seq = Started, b.Arguments, b.Repairs, s.Seq+1
	if !isObject(c.Call.Arguments) && !c.Edited {
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
	c.Status, c.Arguments, c.Repairs, c.Fingerprint = Asked, b.Arguments, b.Repairs, b.Fingerprint
	c.Seq = s.Seq + 1
	return nil
}

// approvalDecided clears an approved call. A denied call stays unchanged until
// its result comes.
func (s *State) approvalDecided(b event.ApprovalDecided) error {
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
	if !b.Approved {
		return nil
	}
	c.Status, c.Decided = Cleared, true
	if b.Arguments != "" {
		c.Arguments, c.Repairs, c.Edited = b.Arguments, b.Repairs, true
	}
	return nil
}

func (s *State) inDoubtDecided(b event.InDoubtDecided) error {
	c := s.call(b.Call)
	if c == nil || c.Status != Started || !s.resume() {
		return errOrder
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
	if !s.callsCanChange() || first < 0 || b.Run != s.Run || s.Calls[first].canStart() {
		return errOrder
	}
	s.pausedFrom, s.phase = s.phase, paused
	return nil
}

func (s *State) callFinished(b event.ToolCallFinished) error {
	c := s.call(b.Call)
	if c == nil || c.Status == Finished || !s.callsCanChange() {
		return errOrder
	}
	c.Status, c.result = Finished, b.Result
	s.validCall = s.validCall || !b.Rejected
	if s.open--; s.open == 0 {
		s.turnDone()
	}
	return nil
}

// turnDone enters the results, in the order of the calls.
func (s *State) turnDone() {
	for i := range s.Calls {
		s.Messages = append(s.Messages, resultMessage(&s.Calls[i]))
	}
	s.Calls = nil
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

func resultMessage(c *Call) llm.Message {
	r := c.result
	r.CallID = c.Call.ID // an event with another id would break the pairs of the history
	if r.Name == "" {
		r.Name = c.Call.Name
	}
	return llm.Message{Role: llm.RoleTool, Parts: llm.Parts{r}}
}

func (s *State) outputRejected(b event.OutputRejected) error {
	if s.phase != rejected || b.Turn != s.Turn {
		return errOrder
	}
	s.Messages = append(s.Messages, b.Message)
	s.phase = ready
	return nil
}

func (s *State) limitReached(b event.LimitReached) error {
	if s.phase != opening && s.phase != ready {
		return errOrder
	}
	s.limit, s.max, s.phase = b.Limit, b.Max, failing
	return nil
}

func (s *State) runEnded(run int, allowed bool) error {
	if !allowed || run != s.Run {
		return errOrder
	}
	s.phase = idle
	return nil
}

// call finds a call by the position at the end of its reference.
func (s *State) call(ref event.CallRef) *Call {
	_, pos, _ := strings.Cut(string(ref), ".c")
	i, err := strconv.Atoi(pos)
	if err != nil || i < 0 || i >= len(s.Calls) || s.Calls[i].Ref != ref {
		return nil
	}
	return &s.Calls[i]
}

// Waiting reports whether the conversation needs an answer of the model after its open
// calls are closed.
func (s *State) Waiting() bool {
	if len(s.Calls) > 0 {
		return true
	}
	n := len(s.Messages)
	return n > 0 && s.Messages[n-1].Role != llm.RoleAssistant
}

// Paused reports whether the run waits for a decision.
func (s *State) Paused() bool { return s.phase == paused }

// Prepared reports whether a turn waits for its answer.
func (s *State) Prepared() bool { return s.phase == prepared }

// Running reports whether a run has begun and not ended.
func (s *State) Running() bool { return s.phase != idle }

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

// Snapshot returns a copy of the state for reading. Later events do not change the copy,
// with one exception: a start can repair arguments in its Messages.
func (s *State) Snapshot() State {
	c := *s
	c.Calls = slices.Clone(s.Calls)
	c.Messages = s.Messages[:len(s.Messages):len(s.Messages)] // an append to the copy must not reach s
	return c
}

// History returns the history in the form that providers accept, at any time between two
// events. placeholder makes the results of open calls. The caller owns the slice.
func (s *State) History(placeholder func(Call) llm.ToolResult) []llm.Message {
	h := slices.Clone(s.Messages)
	for i := range s.Calls {
		c := s.Calls[i]
		if c.Status != Finished {
			c.result = placeholder(c)
		}
		h = append(h, resultMessage(&c))
	}
	return h
}

// withArguments returns m with {} in place of bad arguments. Providers would refuse every
// later request with bad arguments.
func withArguments(m llm.Message, good func(string) bool) llm.Message {
	valid := func(p llm.Part) bool {
		c, ok := p.(llm.ToolCall)
		return !ok || good(c.Arguments)
	}
	if !slices.ContainsFunc(m.Parts, func(p llm.Part) bool { return !valid(p) }) {
		return m
	}
	m.Parts = slices.Clone(m.Parts)
	for i, p := range m.Parts {
		if c, ok := p.(llm.ToolCall); ok && !valid(p) {
			c.Arguments = "{}"
			m.Parts[i] = c
		}
	}
	return m
}

func isObject(text string) bool {
	return strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") && json.Valid([]byte(text))
}
