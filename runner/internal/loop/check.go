package loop

import (
	"errors"
	"fmt"
	"slices"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// Checks are the names of the checks of an agent, in their order.
type Checks struct {
	Input                []string // before the request
	Beside               []string // on the input, beside the request
	Call, Result, Output []string
}

// The stages of checks and their verdicts, in events and errors.
const (
	InputStage  = "input"
	CallStage   = "call"
	ResultStage = "result"
	OutputStage = "output"

	Pass    = "pass"
	Stop    = "stop"
	Replace = "replace"
	Again   = "again"
	Failed  = "failed" // no verdict: only the usage counts
)

// CheckItems makes checks. Outcome: Checked for each check of each item. A check without a
// pass comes last for the item, and a check that stops the run comes last of all. A call
// with wrong arguments gets a result instead.
type CheckItems struct {
	Turn  int
	Stage string
	Items []Item
}

func (CheckItems) action() {}

// An Item is a thing to check.
type Item struct {
	At     int      // position of the message in the history; not for a call
	Call   Call     // of a call and of a result
	Checks []string // names of the remaining checks, in order
}

// A Trip is the check behind a stopped run.
type Trip struct{ Check, Stage, Reason string }

// verdicts are the verdicts of checks about a call and its result, and the agent that gets the
// conversation. They never change, because snapshots of the state share them. A Call has a
// pointer, because its size counts in each turn.
type verdicts struct {
	handsTo  string
	refused  string
	replaced bool
	passed   []string // checks on the call: passed, or replaced the arguments
	settled  []string // finished checks on the result
	withheld bool     // the model does not read the result, so more checks are needless
	wait     wait     // what the open call waits for
}

// Refused is the text for the model about a call that a check refused. The call must not
// run. Empty means that no check refused the call.
func (c *Call) Refused() string { return c.checked().refused }

// Replaced means that a check wrote Arguments.
func (c *Call) Replaced() bool { return c.checked().replaced }

func (c *Call) checked() verdicts {
	if c.verdicts == nil {
		return verdicts{}
	}
	return *c.verdicts
}

// A guard has the verdicts of checks, as far as later actions depend on them. A guard never
// changes, because snapshots of the state share it.
type guard struct {
	inputs []inputMark
	answer []string // passed checks of the final answer
	again  []againMark
	trip   *Trip
}

// An inputMark says that a message has passed a check.
type inputMark struct {
	at    int
	check string
}

// An againMark says: in a turn, a check sent something back.
type againMark struct {
	check string
	turn  int
}

// with returns a changed copy.
func (g *guard) with(change func(*guard)) *guard {
	var c guard
	if g != nil {
		c = *g
		c.inputs, c.answer, c.again = slices.Clip(c.inputs), slices.Clip(c.answer), slices.Clip(c.again)
	}
	change(&c)
	return &c
}

func (g *guard) ofNewRun() *guard {
	if g == nil || g.again == nil && g.trip == nil {
		return g
	}
	return g.with(func(g *guard) { g.again, g.trip = nil, nil })
}

func (g *guard) ofNewAnswer() *guard {
	if g == nil || g.answer == nil {
		return g
	}
	return g.with(func(g *guard) { g.answer = nil })
}

// ofNewMessage forgets the inputs that a model has answered.
func (g *guard) ofNewMessage(messages []llm.Message) *guard {
	if g == nil || g.inputs == nil || len(messages) == 0 || messages[len(messages)-1].Role != llm.RoleAssistant {
		return g
	}
	return g.with(func(g *guard) { g.inputs = nil })
}

// moved has the new positions of the inputs.
func (g *guard) moved(positions func([]int) []int) *guard {
	if g == nil || g.inputs == nil {
		return g
	}
	return g.with(func(g *guard) {
		var inputs []inputMark
		for _, m := range g.inputs {
			for _, at := range positions([]int{m.at}) {
				inputs = append(inputs, inputMark{at, m.check})
			}
		}
		g.inputs = inputs
	})
}

func (g *guard) passedInput(at int) (checks []string) {
	if g == nil {
		return nil
	}
	for _, m := range g.inputs {
		if m.at == at {
			checks = append(checks, m.check)
		}
	}
	return checks
}

func (g *guard) passedAnswer() []string {
	if g == nil {
		return nil
	}
	return g.answer
}

func (s *State) trip() *Trip {
	if s.guard == nil {
		return nil
	}
	return s.guard.trip
}

// Again returns the number of turns before this turn in which a check sent something back.
func (s *State) Again(check string, turn int) (n int) {
	if s.guard == nil {
		return 0
	}
	for _, m := range s.guard.again {
		if m.check == check && m.turn != turn {
			n++
		}
	}
	return n
}

// missing returns the names of checks outside of passed.
func missing(checks, passed []string) (names []string) {
	for _, c := range checks {
		if !slices.Contains(passed, c) {
			names = append(names, c)
		}
	}
	return names
}

// nextChecks returns the checks before everything else after the results of a
// turn, or at the beginning of a run. must is false if there are none.
func (s *State) nextChecks(c *Checks) (a Action, must bool) {
	if t := s.trip(); t != nil {
		return Fail{Trip: t}, true
	}
	if c == nil {
		return nil, false
	}
	results := CheckItems{Turn: s.Turn + 1, Stage: ResultStage}
	for i, call := range s.done {
		if names := missing(c.Result, call.checked().settled); len(names) > 0 && !call.checked().withheld {
			results.Items = append(results.Items, Item{At: s.doneAt + i, Call: call, Checks: names})
		}
	}
	if len(results.Items) > 0 {
		return results, true
	}
	if s.checks() {
		return s.outputChecks(c)
	}
	return s.inputChecks(c)
}

// inputChecks returns the checks of the input before the request (barriers).
func (s *State) inputChecks(c *Checks) (a Action, must bool) {
	if c == nil || len(c.Input) == 0 {
		return nil, false
	}
	items := s.inputItems(c.Input)
	return CheckItems{Turn: s.turnOfInput(), Stage: InputStage, Items: items}, len(items) > 0
}

// Beside returns the checks of the input that run beside the request of the prepared turn.
func (s *State) Beside(c *Checks) CheckItems {
	return CheckItems{Turn: s.Turn, Stage: InputStage, Items: s.inputItems(c.Beside)}
}

func (s *State) turnOfInput() int {
	if s.phase == prepared {
		return s.Turn
	}
	return s.Turn + 1
}

func (s *State) inputItems(checks []string) (items []Item) {
	if len(checks) == 0 {
		return nil
	}
	for _, at := range s.inputs() {
		if names := missing(checks, s.guard.passedInput(at)); len(names) > 0 {
			items = append(items, Item{At: at, Checks: names})
		}
	}
	return items
}

// inputs returns the positions of the messages of the user since the last answer or result.
func (s *State) inputs() (at []int) {
	for i := len(s.Messages) - 1; i >= 0; i-- {
		switch m := s.Messages[i]; {
		case m.Role == llm.RoleAssistant, m.Role == llm.RoleTool:
			i = 0
		case m.Role == llm.RoleUser && !slices.Contains(s.written, i):
			at = append(at, i)
		}
	}
	slices.Reverse(at)
	return at
}

func callChecks(calls []Call, c *Checks) CheckItems {
	a := CheckItems{Turn: calls[0].Turn, Stage: CallStage, Items: make([]Item, len(calls))}
	for i, call := range calls {
		a.Items[i] = Item{Call: call, Checks: missing(c.Call, call.checked().passed)}
	}
	return a
}

func (s *State) outputChecks(c *Checks) (a Action, must bool) {
	if c == nil {
		return nil, false
	}
	names := missing(c.Output, s.guard.passedAnswer())
	item := Item{At: len(s.Messages) - 1, Checks: names}
	return CheckItems{Turn: s.Turn, Stage: OutputStage, Items: []Item{item}}, len(names) > 0
}

// checked applies the verdict of a check.
func (s *State) checked(b event.Checked) (err error) {
	switch b.Verdict {
	case Pass, Stop, Replace, Again:
	case Failed:
		if s.phase == idle {
			return errOrder
		}
		s.Usage, s.Cost, s.Work = s.Usage.Add(b.Usage), s.Cost+b.Cost, s.Work+b.Work
		return nil
	default:
		return fmt.Errorf("has the verdict %q", b.Verdict)
	}
	if (b.Verdict == Replace || b.Verdict == Again) && b.Text == "" {
		return errors.New("has no text")
	}
	switch b.Stage {
	case InputStage:
		err = s.inputChecked(b)
	case CallStage:
		err = s.callChecked(b)
	case ResultStage:
		err = s.resultChecked(b)
	case OutputStage:
		err = s.outputChecked(b)
	default:
		err = fmt.Errorf("has the stage %q", b.Stage)
	}
	if err != nil {
		return err
	}
	s.Usage, s.Cost, s.Work = s.Usage.Add(b.Usage), s.Cost+b.Cost, s.Work+b.Work
	s.guard = s.guard.with(func(g *guard) {
		switch b.Verdict {
		case Stop:
			g.trip = &Trip{b.Check, b.Stage, b.Reason}
		case Again:
			if mark := (againMark{b.Check, b.Turn}); !slices.Contains(g.again, mark) {
				g.again = append(g.again, mark)
			}
		}
	})
	return nil
}

func (s *State) inputChecked(b event.Checked) error {
	now := s.phase == opening || s.phase == ready || s.phase == prepared
	if !now || s.open > 0 || b.Verdict == Again || !slices.Contains(s.inputs(), b.At) || slices.Contains(s.guard.passedInput(b.At), b.Check) {
		return errOrder
	}
	switch b.Verdict {
	case Stop:
		s.cut(b.At)
		s.phase = failing
		return nil
	case Replace:
		s.rewrite(b.At, b.Text, false)
	}
	s.guard = s.guard.with(func(g *guard) { g.inputs = append(g.inputs, inputMark{b.At, b.Check}) })
	return nil
}

func (s *State) callChecked(b event.Checked) error {
	c := s.call(b.Call)
	if c == nil || !s.callsCanChange() || !c.canStart() || c.Refused() != "" || slices.Contains(c.checked().passed, b.Check) {
		return errOrder
	}
	v := c.checked()
	switch b.Verdict {
	case Stop:
		return nil
	case Again:
		v.refused = b.Text
	case Replace:
		// Nobody has approved the new arguments.
		c.Status, c.Decided, c.Edited, v.replaced = Proposed, false, false, true
		c.setArguments(b.Text, []string{fmt.Sprintf("the check %q replaced the arguments", b.Check)})
	}
	v.passed = append(slices.Clip(v.passed), b.Check)
	c.verdicts = &v
	return nil
}

func (s *State) resultChecked(b event.Checked) error {
	i := slices.IndexFunc(s.done, func(c Call) bool { return c.Ref == b.Call })
	if i < 0 || s.phase != opening && s.phase != ready || s.open > 0 || slices.Contains(s.done[i].checked().settled, b.Check) {
		return errOrder
	}
	if b.Verdict == Stop && b.Text == "" {
		return errors.New("has no text in place of the result")
	}
	if b.Verdict != Pass {
		s.rewrite(s.doneAt+i, b.Text, b.Verdict != Replace)
	}
	s.done = slices.Clone(s.done) // snapshots share the list
	v := s.done[i].checked()
	v.settled = append(slices.Clip(v.settled), b.Check)
	v.withheld = b.Verdict == Stop || b.Verdict == Again
	s.done[i].verdicts = &v
	if v.withheld {
		s.dropAside(b.Call)
	}
	if b.Verdict == Stop {
		s.phase = failing
	}
	return nil
}

// outputChecked may come when the run goes on for a message that came during the check.
func (s *State) outputChecked(b event.Checked) error {
	answered := s.phase == final || s.checks() || s.phase == ready && s.ending
	if !answered || b.Turn != s.Turn || slices.Contains(s.guard.passedAnswer(), b.Check) {
		return errOrder
	}
	at := len(s.Messages) - 1
	switch b.Verdict {
	case Stop:
		s.cut(at)
		s.Text, s.unchecked, s.phase = "", false, failing
		return nil
	case Again:
		s.unchecked, s.Misfit, s.ending, s.phase = false, false, false, ready
		s.tell(llm.User(b.Text))
		return nil
	case Replace:
		s.rewrite(at, b.Text, false)
		s.Text = b.Text
	}
	s.guard = s.guard.with(func(g *guard) { g.answer = append(g.answer, b.Check) })
	return nil
}

// cut removes the end of the history. The list is a new list, because snapshots and
// requests share the old list.
func (s *State) cut(at int) {
	before := func(i int) bool { return i >= at }
	s.Messages = slices.Clone(s.Messages[:at])
	s.written = slices.DeleteFunc(slices.Clone(s.written), before)
	s.answered = min(s.answered, at)
	if s.guard != nil && s.guard.inputs != nil { // the next message is in the same place
		s.guard = s.guard.with(func(g *guard) {
			g.inputs = slices.DeleteFunc(slices.Clone(g.inputs), func(m inputMark) bool { return m.at >= at })
		})
	}
}

// rewrite replaces the text of a message of the history, in a new list.
func (s *State) rewrite(at int, text string, isError bool) {
	s.Messages = slices.Clone(s.Messages)
	s.Messages[at] = WithText(s.Messages[at], text, isError)
}

// WithText returns a message with another text: the first text becomes the text, and the
// others are removed. Other parts stay. isError marks the result of a tool.
func WithText(m llm.Message, text string, isError bool) llm.Message {
	if m.Role == llm.RoleTool && len(m.Parts) == 1 {
		if r, ok := m.Parts[0].(llm.ToolResult); ok {
			r.IsError = r.IsError || isError
			r.Parts = withText(r.Parts, text, isError)
			m.Parts = llm.Parts{r}
			return m
		}
	}
	m.Parts = withText(m.Parts, text, false)
	return m
}

// withText keeps parts without a text, unless only the text may stay.
func withText(parts llm.Parts, text string, only bool) (out llm.Parts) {
	placed := false
	for _, p := range parts {
		switch p.(type) {
		case llm.Text:
			if !placed {
				out, placed = append(out, llm.Text{Text: text}), true
			}
		default:
			if !only {
				out = append(out, p)
			}
		}
	}
	if !placed {
		out = append(llm.Parts{llm.Text{Text: text}}, out...)
	}
	return out
}
