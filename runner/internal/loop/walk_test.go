package loop_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

var limits = loop.Limits{Turns: 5, InvalidRounds: 2, Unusable: 1, Misfits: 1}

// answers is the alphabet of the tests: one answer for each row of the table.
var answers = map[string]event.ModelAnswered{
	"final":    answer("stop", llm.Text{Text: "Done."}),
	"call":     answer("tool_calls", toolCall("a", `{"x":1}`)),
	"calls":    answer("stop", llm.Text{Text: "Both."}, toolCall("a", `{"x":1}`), toolCall("a", `not JSON`)),
	"others":   answer("tool_calls", llm.ToolCall{ID: "b", Name: "g", Arguments: "{}"}, toolCall("a", "{}")),
	"cutoff":   answer("length", toolCall("a", `{"x":`)),
	"empty":    answer("stop"),
	"lost":     answer("tool_calls", llm.Text{Text: "I will look."}),
	"short":    answer("length", llm.Text{Text: "It is"}),
	"filtered": answer("content_filter", toolCall("a", `{}`)),
	"refused":  answer("stop", llm.Refusal{Text: "No."}),
	"broken":   answer("error", llm.Text{Text: "It"}),
}

func answer(finish string, parts ...llm.Part) event.ModelAnswered {
	return event.ModelAnswered{
		Message: llm.Assistant("", parts...),
		Finish:  llm.FinishOf(finish, ""),
		Usage:   llm.Usage{InputTokens: 3, OutputTokens: 2},
	}
}

func toolCall(id, args string) llm.ToolCall {
	return llm.ToolCall{ID: id, Name: "f", Arguments: args}
}

// session is a driver of the machine without an engine: it does what Next says,
// with the answers that it is given.
type session struct {
	t      *testing.T
	state  *loop.State
	events []event.Event
	live   map[event.CallRef]bool
	// order is that in which the calls of a turn finish; nil: their own.
	order []int
	// reject says whether calls are rejected instead of started.
	reject bool
	// ask says whether calls must be approved; deny and doubt, what is decided.
	ask   bool
	deny  bool
	doubt event.Doubt
	later bool                  // the results of calls come from outside
	ran   map[event.CallRef]int // how often each was started
	// serial and choice are the caller's settings.
	serial bool
	choice llm.ToolChoice
	// checks are the outcomes of the checks of final answers: o fits, m does not fit, r is
	// refused. After the last letter every answer fits. Empty: any text is an answer.
	checks string
	// more are further limits; lastTurn says whether a run at a limit gets a last turn.
	more     loop.Limits
	lastTurn bool
	// change says whether something is changed before each turn.
	change bool
	// stream says whether the beginning of each answer is recorded.
	stream bool
	// stopAfter is the turn after whose results the run stops; 0: none.
	stopAfter int
	// sayAfter is the number of events after which somebody says something; atEnd, for
	// when.
	sayAfter int
	atEnd    bool
	// turns is the limit on turns; 0: that of limits.
	turns int
	// guards are the checks of the agent; verdicts are the letters of what they say in each
	// stage, in order: p, s, r or a; after the last letter they pass.
	guards   *loop.Checks
	verdicts map[string]string
	// handoffs are the tools that hand over; filtered says whether the next agent sees less.
	handoffs *handoffs
	filtered bool
	// filterFails says whether each hand-off fails.
	filterFails bool
}

// inForce is the choice of the next turn: a forced call ends the force.
func (s *session) inForce() llm.ToolChoice {
	if s.state.LastTurn {
		return llm.ToolNone
	}
	if loop.Forced(s.choice) && s.state.ChoiceMet {
		return ""
	}
	return s.choice
}

func (s *session) limits() loop.Limits {
	lim := s.more
	lim.Turns, lim.InvalidRounds, lim.Unusable, lim.Misfits, lim.Serial = limits.Turns, limits.InvalidRounds, limits.Unusable, limits.Misfits, s.serial
	if s.turns > 0 {
		lim.Turns = s.turns
	}
	lim.Checks = s.guards
	if s.handoffs != nil {
		lim.Handoffs = s.handoffs.most
	}
	return lim
}

func (s *session) next() loop.Action { return loop.Next(s.state, s.limits()) }

func newSession(t *testing.T) *session {
	return &session{t: t, state: new(loop.State), live: map[event.CallRef]bool{}, ran: map[event.CallRef]int{}, doubt: event.RunAgain}
}

func (s *session) apply(bodies ...event.Body) {
	s.t.Helper()
	for _, b := range bodies {
		e := event.Event{Seq: s.state.Seq + 1, Time: time.Unix(s.state.Seq, 0).UTC(), Body: b}
		require.NoError(s.t, s.state.Apply(e))
		s.events = append(s.events, e)
		if len(s.events) == s.sayAfter {
			s.apply(event.UserMessaged{Message: llm.User("By the way."), Said: true, AtEnd: s.atEnd, Key: "said"})
			requireValid(s.t, s.state.History(placeholder))
		}
	}
}

func (s *session) begin() {
	s.t.Helper()
	s.apply(event.RunStarted{Run: s.state.Run + 1, Agent: cmp.Or(s.state.Agent, "a")})
	for _, c := range s.state.Open() {
		s.apply(finished(c, "closed"))
	}
	s.apply(event.UserMessaged{Message: llm.User("Go.")})
}

func finished(c loop.Call, text string) event.ToolCallFinished {
	return event.ToolCallFinished{Call: c.Ref, Result: llm.ToolResult{
		CallID: c.Call.ID, Name: c.Call.Name, Parts: llm.Parts{llm.Text{Text: text}},
	}}
}

// step does one action; false says that the run is over.
func (s *session) step(next func() event.ModelAnswered) bool {
	s.t.Helper()
	if s.hasLive() { // as an engine, which waits for its calls before the next action
		s.finishLive()
		return true
	}
	if s.stopAfter > 0 && s.state.Turn >= s.stopAfter && s.state.Stoppable() {
		s.apply(event.RunFinished{Run: s.state.Run, Stopped: true, Text: "Stopped."})
		require.Equal(s.t, "Stopped.", s.state.Text)
		require.Equal(s.t, s.state.GoesOn(), s.state.Waiting())
		requireValid(s.t, s.state.Messages)
	}
	switch a := s.next().(type) {
	case loop.Idle:
		return false
	case loop.Prepare:
		b := event.TurnPrepared{Turn: a.Turn, Agent: cmp.Or(s.state.Agent, "a"), Tools: toolsOf(a.Turn), ToolChoice: s.inForce(), Output: s.form()}
		if s.change {
			b.Offer, b.Chosen, b.Changed = []string{"g"}[:a.Turn%2], llm.ToolAuto, true
			b.Messages = [][]llm.Message{nil, {llm.User("Hurry.")}, {llm.User("Hurry."), llm.User("Please.")}}[a.Turn%3]
		}
		s.apply(b)
		require.Equal(s.t, len(b.Messages), s.state.Change().Added)
	case loop.CheckItems:
		s.inspect(a)
	case loop.HandOff:
		s.handOff(a)
	case loop.Generate:
		if s.guards != nil {
			if a := s.state.Beside(s.guards); len(a.Items) > 0 {
				s.inspect(a)
				return true
			}
		}
		b := next()
		b.Turn = a.Turn
		if s.stream {
			s.apply(event.AnswerStreamed{Turn: a.Turn, Text: "It", Again: s.state.Partial != nil}, event.AnswerStreamed{Turn: a.Turn, Text: " is", Reasoning: "Hm"})
			p := s.state.Partial
			require.Equal(s.t, []any{a.Turn, "It is", "Hm"}, []any{p.Turn, p.Text(), p.Reasoning()})
		}
		before := s.state.Snapshot()
		ahead := loop.StartsAfter(*s.state, b, s.limits())
		require.Equal(s.t, &before, s.state, "looking ahead changes nothing")
		s.apply(b)
		start, _ := s.next().(loop.Start)
		require.Equal(s.t, start.Calls, ahead)
	case loop.Start:
		s.start(a.Calls)
	case loop.Close:
		for _, c := range a.Calls {
			require.True(s.t, c.CutOff || c.Forbidden || c.Refused() != "" || a.OverLimit || s.said(loop.Stop))
			b := finished(c, "closed")
			b.Rejected = c.Forbidden || c.Refused() != ""
			s.apply(b)
		}
	case loop.Decide:
		s.pauseAndDecide(a.Calls)
	case loop.Check:
		s.check(a)
	case loop.Reject:
		s.apply(event.OutputRejected{Turn: a.Turn, Reason: a.Reason.String(), Message: a.Message})
	case loop.StopAtLimit:
		b := event.LimitReached{Limit: a.Limit, Max: a.Max, Cost: a.Cost}
		if s.lastTurn {
			b.Message = new(llm.User("Answer now."))
		}
		s.apply(b)
	case loop.Nudge:
		s.apply(event.StallDetected{Turn: a.Turn, Message: llm.User("You repeat yourself.")})
	case loop.Compact:
		s.compact(a.Turn)
	case loop.Finish:
		s.apply(event.RunFinished{Run: s.state.Run})
	case loop.Fail:
		s.apply(event.RunFailed{Run: s.state.Run, Error: a.Reason.String() + a.Limit})
	}
	return true
}

// form is the fingerprint of the form of final answers.
func (s *session) form() string {
	if s.checks == "" {
		return ""
	}
	return "form"
}

// check decides about a final answer by the rejections so far, so that it decides the
// same after a crash.
func (s *session) check(a loop.Check) {
	require.Equal(s.t, s.state.Text, a.Text)
	n := 0
	for _, e := range s.events {
		if b, ok := e.Body.(event.OutputRejected); ok && (b.Reason == event.MisfitOutput || b.Reason == event.RefusedOutput) {
			n++
		}
	}
	switch {
	case n < len(s.checks) && s.checks[n] == 'm':
		s.apply(event.OutputRejected{Turn: a.Turn, Reason: event.MisfitOutput, Message: llm.User("misfit")})
	case n < len(s.checks) && s.checks[n] == 'r':
		s.apply(event.OutputRejected{Turn: a.Turn, Reason: event.RefusedOutput, Message: llm.User("refused")})
	default:
		s.apply(event.RunFinished{Run: s.state.Run, Output: json.RawMessage(`{}`)})
	}
}

// toolsOf is what is told of the tools in a turn: some, as before, none.
func toolsOf(turn int) []event.OfferedTool {
	switch turn % 3 {
	case 1:
		return []event.OfferedTool{{Name: "f", Fingerprint: fmt.Sprint(turn)}, {Name: "g", Fingerprint: "0"}}
	case 2:
		return nil
	}
	return []event.OfferedTool{}
}

func (s *session) start(calls []loop.Call) {
	s.t.Helper()
	if s.serial {
		require.Len(s.t, calls, 1)
		require.Equal(s.t, s.state.Open()[0], calls[0], "none before it is open")
	}
	for _, c := range calls {
		require.False(s.t, c.CutOff || c.Forbidden || c.Refused() != "", "%s must not run", c.Ref)
		s.requireChecked(c)
		if s.reject {
			b := finished(c, "rejected")
			b.Rejected = true
			s.apply(b)
			continue
		}
		if s.ask && c.Status == loop.Proposed {
			s.apply(event.ApprovalAsked{Call: c.Ref, Name: c.Call.Name, Arguments: "{}", Hash: event.HashArguments("{}")})
			continue
		}
		s.apply(event.ToolCallStarted{Call: c.Ref, Name: c.Call.Name, Arguments: "{}"})
		s.live[c.Ref] = true
		s.ran[c.Ref]++
	}
}

// pauseAndDecide pauses the run, and decides about one call after the other.
func (s *session) pauseAndDecide(calls []loop.Call) {
	s.t.Helper()
	refs := make([]event.CallRef, len(calls))
	for i, c := range calls {
		refs[i] = c.Ref
	}
	s.apply(event.RunPaused{Run: s.state.Run, Calls: refs})
	require.True(s.t, s.state.Paused())
	require.Equal(s.t, loop.Idle{}, s.next())
	requireValid(s.t, s.state.History(placeholder))
	for _, c := range calls {
		s.decide(c)
	}
}

func (s *session) decide(c loop.Call) {
	s.t.Helper()
	if c.Status == loop.Late {
		b := finished(c, "from outside")
		b.Given = &event.Given{Checksum: 7}
		s.apply(b)
		return
	}
	if c.Status == loop.Started {
		s.apply(event.InDoubtDecided{Call: c.Ref, Decision: s.doubt, By: "caller"})
		if s.doubt != event.RunAgain {
			s.apply(finished(c, "decided"))
		}
		return
	}
	s.apply(event.ApprovalDecided{Call: c.Ref, Hash: event.HashArguments(c.Arguments), Approved: !s.deny})
	if s.deny {
		s.apply(finished(c, "denied"))
	}
}

func (s *session) hasLive() bool {
	return slices.ContainsFunc(s.state.Open(), func(c loop.Call) bool { return c.Status == loop.Started && s.live[c.Ref] })
}

func (s *session) finishLive() {
	open := s.state.Open()
	for i := range open {
		if s.order != nil {
			i = s.order[i]
		} else if !s.live[open[i].Ref] {
			continue
		}
		if s.later {
			s.apply(event.ToolCallDeferred{Call: open[i].Ref, Name: open[i].Call.Name, Handle: fmt.Sprint("handle ", i), Until: time.Unix(1e6, 0).UTC(), Began: time.Unix(s.state.Seq-1, 0).UTC()})
			s.live[open[i].Ref] = false
			continue
		}
		s.apply(s.handsOver(finished(open[i], fmt.Sprintf("result %d", i))))
	}
}

func (s *session) run(next func() event.ModelAnswered) {
	s.begin()
	for s.step(next) {
	}
}

// script gives the named answers, and then final ones.
func script(names ...string) func() event.ModelAnswered {
	return func() event.ModelAnswered {
		if len(names) == 0 {
			return answers["final"]
		}
		a := answers[names[0]]
		names = names[1:]
		return a
	}
}

// replay rebuilds a state from events that went through JSON.
func replay(t *testing.T, events []event.Event) *loop.State {
	t.Helper()
	data, err := json.Marshal(events)
	require.NoError(t, err)
	var back []event.Event
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, events, back)
	s := new(loop.State)
	for _, e := range back {
		require.NoError(t, s.Apply(e))
	}
	return s
}

// requireValid holds the contract of a history (design D5).
func requireValid(t *testing.T, messages []llm.Message) {
	t.Helper()
	for i := 0; i < len(messages); i++ {
		m := messages[i]
		require.NotEqual(t, llm.RoleTool, m.Role, "message %d: a result without a call", i)
		require.NotEmpty(t, m.Parts, "message %d is empty", i)
		calls := m.Calls()
		require.GreaterOrEqual(t, len(messages), i+1+len(calls), "message %d: calls without results", i)
		for k, c := range calls {
			require.True(t, json.Valid([]byte(c.Arguments)) && c.Arguments[0] == '{', "message %d: arguments %q", i, c.Arguments)
			r := messages[i+1+k]
			require.Equal(t, llm.RoleTool, r.Role, "message %d: call %d has no result", i, k)
			require.Len(t, r.Parts, 1)
			require.Equal(t, c.ID, r.Parts[0].(llm.ToolResult).CallID)
		}
		i += len(calls)
	}
}

func placeholder(c loop.Call) llm.ToolResult {
	return llm.ToolResult{CallID: c.Call.ID, Parts: llm.Parts{llm.Text{Text: "none"}}}
}
