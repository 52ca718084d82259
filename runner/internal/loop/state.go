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

// phase names the event that a run waits for.
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
	Seq  int64  // of the last event
	Run  int    // the current or last run, from 1
	ID   string // of the run, random
	Turn int    // its turn that was prepared last, from 1

	Agent        string
	Instructions string
	Tools        []event.OfferedTool // of the last turn
	ToolsAgent   string              // whose they were
	Choice       llm.ToolChoice      // enforced for the answer of the last turn
	// Chosen: the model made an allowed call since the caller's last message. A tool
	// choice that forces a call is then not in force any more.
	Chosen bool
	// Messages is the history as every provider takes it: it only grows, open
	// calls have no result in it yet, and arguments that are no JSON object
	// stand as {}, or as what they were repaired to once the call starts.
	Messages []llm.Message
	// Calls are those of the last answer while one of them has no result.
	Calls []Call
	Usage llm.Usage // of the run

	// Of the last answer, whatever became of it:
	Text    string
	Refusal string
	Finish  llm.Finish
	Verdict Verdict

	phase    phase
	before   phase  // that the run was paused in
	open     int    // calls without a result
	called   bool   // whether one of the turn's calls was right
	unusable int    // consecutive answers that the model was asked to give again
	invalid  int    // consecutive turns in which every call was rejected
	limit    string // that was reached
	max      int    // what it was then
}

// Call is one tool call of the last answer.
type Call struct {
	Ref    event.CallRef
	Call   llm.ToolCall // as the model wrote it
	Status Status
	RunID  string // of the run that made it
	Turn   int    // of that run
	// Arguments are the checked ones, once it was started or asked about.
	Arguments string
	Repairs   []string // that led to Arguments
	// Fingerprint is that of the tool that was offered, or that was asked about;
	// empty: it is not known.
	Fingerprint string
	Edited      bool // Arguments are a person's
	Decided     bool // a person has let it run
	CutOff      bool // its answer was cut off: it must not run
	Barred      bool // the tool choice of its turn forbids it: it must not run
	// Held is the Seq of the event that asked about it or started it last.
	Held int64
	// Tried: it was in doubt and is to run again. It may have had its effect.
	Tried  bool
	result llm.ToolResult
}

// able reports whether the call may start.
func (c *Call) able() bool { return c.Status == Proposed || c.Status == Cleared }

// Waits reports whether the call waits for a decision, if nobody runs it.
func (c *Call) Waits() bool { return c.Status == Asked || c.Status == Started }

// Status is how far a call has come.
type Status int

// The stations of a call.
const (
	Proposed Status = iota
	Asked           // it waits for approval
	Cleared         // approved, or to be run again: it may start
	Started
	Finished
)

// Apply applies an event. An event that cannot follow the state is an error and
// changes nothing. Ephemeral events must not be applied. The state keeps the
// messages of the event, so nobody may change the messages.
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
	s.Verdict, s.unusable, s.invalid, s.limit, s.max = RunCalls, 0, 0, "", 0
	return nil
}

func (s *State) userMessaged(b event.UserMessaged) error {
	if s.phase != opening || s.open > 0 {
		return errOrder
	}
	// What a caller brings along may hold arguments that are JSON and no object: the
	// Responses API takes them, and the client of Chat Completions sends {} instead.
	s.Messages = append(s.Messages, withArguments(b.Message, func(text string) bool { return json.Valid([]byte(text)) }))
	s.Chosen = false
	return nil
}

// turnPrepared may come again for a turn without an answer: the process died,
// and the next process has different instructions or tools.
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
	s.Verdict = Decide(b.Message, b.Finish, s.Choice)
	s.Text, s.Refusal, s.Finish = b.Message.Text(), b.Message.Refusal(), b.Finish
	s.Usage = s.Usage.Add(b.Usage)
	if s.Verdict == RunCalls {
		s.unusable = 0
	}
	switch s.Verdict {
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
	default: // Filtered, Refused, Broken: the next run does not see it
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
			CutOff: s.Verdict == CutOff, Barred: !permits(s.Choice, c.Name),
		}
		s.Chosen = s.Chosen || !s.Calls[i].CutOff && !s.Calls[i].Barred
	}
	s.open, s.called = len(calls), false
}

// fingerprint is that of a tool which the turn offered.
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
	if c == nil || !s.actable() || !c.able() {
		return errOrder
	}
	c.Status, c.Arguments, c.Repairs, c.Held = Started, b.Arguments, b.Repairs, s.Seq+1
	if !isObject(c.Call.Arguments) && !c.Edited {
		s.showRepaired(c)
	}
	return nil
}

// showRepaired replaces {} in the history by the repaired arguments of a call.
// Otherwise the model would read a result that its call does not explain.
func (s *State) showRepaired(c *Call) {
	at := len(s.Messages) - 1
	for at >= 0 && s.Messages[at].Role != llm.RoleAssistant {
		at--
	}
	if at < 0 {
		return
	}
	m := &s.Messages[at]
	m.Parts = slices.Clone(m.Parts) // others may hold the message as it was
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

// actable tells the phases in which calls move.
func (s *State) actable() bool { return s.phase == acting || s.phase == opening }

func (s *State) approvalAsked(b event.ApprovalAsked) error {
	c := s.call(b.Call)
	if c == nil || !s.actable() || !c.able() {
		return errOrder
	}
	c.Edited = c.Edited && c.Arguments == b.Arguments
	c.Status, c.Arguments, c.Repairs, c.Fingerprint = Asked, b.Arguments, b.Repairs, b.Fingerprint
	c.Held = s.Seq + 1
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
		c.Status, c.Tried = Cleared, b.By != "tool" // which knows that it did not happen
		c.Decided = c.Decided || b.By == "caller"
	}
	return nil
}

// takeBack undoes the start of a call. Its function was not called.
func (c *Call) takeBack() {
	c.Status = Proposed
	if c.Decided || c.Tried { // a call without a decision is checked again
		c.Status = Cleared
	}
}

// resume goes on after a pause, and reports whether calls can move now.
func (s *State) resume() bool {
	if s.phase == paused {
		s.phase = s.before
	}
	return s.actable()
}

// runPaused needs a call that waits for a decision. A call before it that can begin
// would wait for ever.
func (s *State) runPaused(b event.RunPaused) error {
	first := slices.IndexFunc(s.Calls, func(c Call) bool { return c.Status != Finished })
	if !s.actable() || first < 0 || b.Run != s.Run || s.Calls[first].able() {
		return errOrder
	}
	s.before, s.phase = s.phase, paused
	return nil
}

func (s *State) callFinished(b event.ToolCallFinished) error {
	c := s.call(b.Call)
	if c == nil || c.Status == Finished || !s.actable() {
		return errOrder
	}
	c.Status, c.result = Finished, b.Result
	s.called = s.called || !b.Rejected
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
	if s.phase != acting {
		return
	}
	s.phase = ready
	switch {
	case s.Verdict == CutOff:
		s.unusable++
	case s.called:
		s.invalid = 0
	default:
		s.invalid++
	}
}

func resultMessage(c *Call) llm.Message {
	r := c.result
	r.CallID = c.Call.ID // what pairs call and result is not left to who wrote the result
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

// call finds a call by its position, which is the end of its reference.
func (s *State) call(ref event.CallRef) *Call {
	_, pos, _ := strings.Cut(string(ref), ".c")
	i, err := strconv.Atoi(pos)
	if err != nil || i < 0 || i >= len(s.Calls) || s.Calls[i].Ref != ref {
		return nil
	}
	return &s.Calls[i]
}

// Waiting reports whether the conversation needs an answer of the model, once
// its open calls are closed.
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

// History returns the history in the form that providers accept, at any moment:
// placeholder makes the results of open calls. The caller owns the slice.
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

// withArguments returns m with {} in place of bad arguments, because providers
// would refuse every later request with bad arguments.
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
