package pages

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A reader makes a page from events.
type reader struct {
	texts  *texts
	page   *page
	scope  *scope // of the current event
	scopes map[event.CallRef]*scope
	byRef  map[event.CallRef]*call
	order  []*call

	agents           []string // of the outermost runs
	runs, turns      int
	failed           int // calls
	usage            llm.Usage
	cost             float64
	first, last      time.Time
	waited           time.Duration // for people
	paused           time.Time     // zero if the session does not wait
	status, statusOf string
}

// A scope is where the next events of a path belong.
type scope struct {
	path      event.CallRef // empty for the session itself
	home      *entry        // the call of the path, or nil
	agent     string
	runNumber int
	run, turn *entry
	waiting   bool      // the turn has no answer yet
	prepared  time.Time // of the turn
	answering string    // the deltas of an answer without an end
	kept      string    // what is recorded of it
}

// read makes the page of the events.
func read(events []event.Event, t *texts) *page {
	r := &reader{texts: t, page: new(page), scopes: map[event.CallRef]*scope{}, byRef: map[event.CallRef]*call{}}
	for _, ev := range events {
		if ev.Body == nil {
			continue
		}
		if !ev.Time.IsZero() {
			if r.first.IsZero() {
				r.first = ev.Time
			}
			r.last = ev.Time
		}
		r.scope = r.scopeOf(ev.Path)
		r.event(ev)
	}
	r.end()
	return r.page
}

// maxPath bounds a path, in bytes. The runner writes shorter paths.
const maxPath = 1 << 10

// scopeOf returns the scope of a path. The events of a helper's run stand in its call.
func (r *reader) scopeOf(path event.CallRef) *scope {
	if len(path) > maxPath {
		path = ""
	}
	s := r.scopes[path]
	if s == nil {
		s = &scope{path: path}
		r.scopes[path] = s
		if path != "" {
			r.scope = r.scopeOf(path.Path())
			s.home = r.callOf(path, "").entry
		}
	}
	return s
}

// setStatus notes the state of the last outermost run.
func (r *reader) setStatus(status, state string) {
	if r.scope.path == "" {
		r.status, r.statusOf = status, state
	}
}

// place adds an entry of an event: into the turn whose answer is awaited, else into the
// run.
func (r *reader) place(e *entry, ev event.Event) *entry {
	e.mark(ev)
	s := r.scope
	switch {
	case s.turn != nil && s.waiting && e.Kind == "note":
		s.turn.Inner = append(s.turn.Inner, e)
	case s.run != nil:
		s.run.Inner = append(s.run.Inner, e)
	case s.home != nil:
		s.home.Inner = append(s.home.Inner, e)
	default:
		r.page.Entries = append(r.page.Entries, e)
	}
	return e
}

func (r *reader) note(ev event.Event, state, title string, facts ...string) *entry {
	return r.place(&entry{Kind: "note", State: state, Title: title, Facts: facts}, ev)
}

func (r *reader) event(ev event.Event) {
	switch b := ev.Body.(type) {
	case event.RunStarted:
		r.runStarted(ev, b)
	case event.UserMessaged:
		e := r.message(ev, b.Message)
		if b.Person != "" {
			e.Facts = append(e.Facts, "said by "+name(b.Person))
		}
		switch {
		case b.AtEnd:
			e.Facts = append(e.Facts, "said for the end of the run")
		case b.Said:
			e.Facts = append(e.Facts, "said meanwhile")
		}
	case event.TurnPrepared:
		r.turnPrepared(ev, b)
	case event.ModelAnswered:
		r.answered(ev, b)
	case event.AnswerStreamed:
		r.streamed(ev, b)
	case event.ToolCallStarted, event.ToolCallDeferred, event.ToolCallFinished, event.ApprovalAsked, event.ApprovalDecided, event.InDoubtDecided, event.ToolProgress:
		r.callEvent(ev)
	case event.TextDelta:
		if len(r.scope.answering) < maxText { // each delta copies what was there before
			r.scope.answering += b.Text
		}
	case event.PartialOutput, event.ReasoningDelta, event.CallDelta: // the answer has them
	default:
		r.between(ev)
	}
}

// between shows the events about a run, except messages and calls.
func (r *reader) between(ev event.Event) {
	switch b := ev.Body.(type) {
	case event.RunPaused:
		refs := make([]string, len(b.Calls))
		for i, ref := range b.Calls {
			refs[i] = string(ref)
		}
		r.note(ev, "wait", "paused", "waits for "+name(strings.Join(refs, ", ")))
		status := "paused: waits for a decision"
		if len(b.Late) > 0 && len(b.Late) == len(b.Calls) {
			status = "paused: waits for a result"
		}
		r.setStatus(status, "wait")
		r.paused = ev.Time
	case event.StandingRevoked:
		e := r.note(ev, "", fmt.Sprintf("standing answer #%d revoked", b.Standing))
		if b.Person != "" {
			e.Facts = append(e.Facts, "by "+name(b.Person))
		}
		e.add(block{Text: r.texts.of(b.Words)})
	case event.OutputRejected:
		r.note(ev, "bad", "answer rejected", "reason: "+name(b.Reason)).parts(r.texts, "", b.Message.Parts, false)
	case event.LimitReached:
		limit := strconv.FormatInt(b.Max, 10)
		if b.Cost != 0 {
			limit = fmt.Sprintf("%.6g", b.Cost)
		}
		e := r.note(ev, "bad", "limit reached", name(b.Limit)+": "+limit)
		if b.Message != nil {
			e.parts(r.texts, "", b.Message.Parts, false)
		}
	case event.StallDetected:
		r.note(ev, "bad", "the calls repeat").parts(r.texts, "", b.Message.Parts, false)
	case event.Compacted:
		r.compacted(ev, b)
	case event.Checked:
		r.checked(ev, b)
	case event.HandedOff:
		if b.Failure != "" {
			r.note(ev, "bad", name(b.From)+" failed to hand over to "+name(b.To)).add(block{Text: r.texts.of(b.Failure)})
			return
		}
		r.note(ev, "", name(b.From)+" hands over to "+name(b.To))
	case event.RunFinished:
		r.unanswered()
		e := r.note(ev, "good", "run finished", append([]string{turns(b.Turns)}, usage(b.Usage, 0)...)...)
		r.setStatus("finished", "good")
		if b.Stopped {
			e.Title = "run stopped after results"
			r.setStatus("stopped after results", "good")
		}
		e.add(block{Label: "output", Text: r.texts.json(string(b.Output)), Code: true})
		e.add(block{Label: "output", Text: r.texts.of(b.Text)})
		for _, repair := range b.Repairs {
			e.add(block{Label: "repaired", Text: r.texts.of(repair)})
		}
		r.runEnds("good")
	case event.RunFailed:
		r.unanswered()
		e := r.note(ev, "bad", "run failed", append([]string{turns(b.Turns)}, usage(b.Usage, 0)...)...)
		e.add(block{Text: r.texts.of(b.Error)})
		r.setStatus("failed", "bad")
		r.runEnds("bad")
	case event.Restarted:
		r.note(ev, "bad", "asked again").add(block{Text: r.texts.of(b.Error)})
		r.scope.answering = ""
	case event.Notice:
		r.note(ev, "", "notice").add(block{Text: r.texts.of(b.Text)})
	default:
		r.unknown(ev)
	}
}

// unknown shows an event of an unknown type.
func (r *reader) unknown(ev event.Event) {
	data, err := json.Marshal(ev)
	if err != nil {
		data = []byte(err.Error())
	}
	r.note(ev, "", strings.ReplaceAll(ev.Type(), "_", " ")).add(block{Text: r.texts.json(string(data)), Code: true})
}

func (r *reader) runStarted(ev event.Event, b event.RunStarted) {
	if r.scope.path == "" {
		r.runs++
		r.agents = append(r.agents, b.Agent)
	}
	r.setStatus("no end is recorded", "wait")
	e := &entry{Kind: "run", Title: "Run " + strconv.Itoa(b.Run), Name: name(b.Agent), Facts: []string{stamp(ev.Time.Truncate(time.Second))}}
	r.unanswered()
	s := r.scope
	s.run, s.turn, s.runNumber, s.agent = nil, nil, b.Run, b.Agent
	r.place(e, ev)
	s.run = e
}

func (r *reader) runEnds(state string) {
	if r.scope.run != nil {
		r.scope.run.State = state
	}
}

// unanswered closes a turn without an answer.
func (r *reader) unanswered() {
	s := r.scope
	if s.turn == nil || !s.waiting {
		return
	}
	s.turn.State = "wait"
	s.turn.Facts = append(s.turn.Facts, "no answer is recorded")
	s.turn.add(block{Label: "answer so far", Text: r.texts.of(cmp.Or(s.answering, s.kept))})
	s.waiting, s.answering, s.kept = false, "", ""
}

func (r *reader) message(ev event.Event, m llm.Message) *entry {
	e := r.place(&entry{Kind: "message", Name: name(string(m.Role))}, ev)
	e.parts(r.texts, "", m.Parts, false)
	e.members(r.texts, m.Extra)
	return e
}

func (r *reader) turnPrepared(ev event.Event, b event.TurnPrepared) {
	r.goesOn(ev.Time)
	s := r.scope
	title := "Turn " + strconv.Itoa(b.Turn)
	if s.turn != nil && s.turn.Title == title && s.waiting { // after a crash
		s.turn.mark(ev)
		s.turn.Facts = append(s.turn.Facts, "prepared again")
	} else {
		r.turns++
		s.waiting = false
		s.turn = r.place(&entry{Kind: "turn", Title: title}, ev)
		if b.Agent != s.agent {
			s.turn.Name = name(b.Agent)
		}
	}
	s.prepared, s.waiting = ev.Time, true
	r.preparation(s.turn, b)
}

// preparation shows the news in the request of a turn.
func (r *reader) preparation(e *entry, b event.TurnPrepared) {
	if b.Instructions != nil {
		e.add(block{Label: "instructions", Text: r.texts.of(*b.Instructions), Fold: true})
	}
	if b.Tools != nil {
		e.add(block{Label: "tools", Text: r.texts.of(tools(b.Tools)), Fold: true})
	}
	if b.Offer != nil {
		e.add(block{Label: "tools on offer", Text: r.texts.of(fmt.Sprintf("%d: %s", len(b.Offer), strings.Join(b.Offer, ", ")))})
	}
	if choice := cmp.Or(b.Chosen, b.ToolChoice); choice != "" {
		e.Facts = append(e.Facts, "tool choice: "+name(string(choice)))
	}
	if b.Changed {
		e.Facts = append(e.Facts, "another model or other settings")
	}
	for _, m := range b.Messages {
		e.parts(r.texts, "added by the program, as "+name(string(m.Role)), m.Parts, false)
	}
}

func (r *reader) answered(ev event.Event, b event.ModelAnswered) {
	r.goesOn(ev.Time)
	s := r.scope
	if s.turn == nil || !s.waiting { // the events begin in the middle
		s.turn = r.place(&entry{Kind: "turn", Title: "Turn " + strconv.Itoa(b.Turn)}, ev)
		r.turns++
	} else {
		s.turn.mark(ev)
	}
	e := s.turn
	elapsed := ""
	if s.waiting {
		e.spans = append(e.spans, span{from: s.prepared, to: ev.Time, kind: "model", id: ev.Seq, label: e.Title})
		elapsed = took(ev.Time.Sub(s.prepared))
		e.Facts = append([]string{elapsed}, e.Facts...)
	}
	s.waiting, s.answering, s.kept = false, "", ""
	r.spend(b.Usage, b.Cost)
	if b.Model != "" {
		e.Facts = append(e.Facts, name(b.Model))
	}
	e.Facts = append(e.Facts, usage(b.Usage, b.Cost)...)
	asks := slices.ContainsFunc(b.Message.Parts, func(p llm.Part) bool { _, ok := p.(llm.ToolCall); return ok })
	if usual := map[bool]llm.FinishReason{true: llm.FinishToolCalls, false: llm.FinishStop}[asks]; b.Finish.Reason != usual {
		e.Facts = append(e.Facts, finish(b.Finish))
	}
	r.page.Turns = append(r.page.Turns, row{
		ID: ev.Seq, Turn: name(string(s.path)) + fmt.Sprintf(" %d.%d", s.runNumber, b.Turn), Model: name(b.Model), In: count(b.Usage.InputTokens), Cached: count(b.Usage.CachedTokens),
		Out: count(b.Usage.OutputTokens), Reasoning: count(b.Usage.ReasoningTokens), Cost: costs(b.Cost), Took: elapsed,
	})
	e.parts(r.texts, "", b.Message.Parts, true)
	e.members(r.texts, b.Message.Extra)
	e.members(r.texts, b.Extra)
	for _, p := range b.Message.Parts {
		if c, ok := p.(llm.ToolCall); ok {
			r.proposed(b.Turn, c)
		}
	}
	if len(b.Message.Parts) == 0 {
		e.Facts = append(e.Facts, "the answer is empty")
	}
}

// finish returns the finish reason, and the words of the provider if these differ.
func finish(f llm.Finish) string {
	reason := cmp.Or(name(string(f.Reason)), "no finish reason")
	for _, raw := range []string{f.Raw, f.Native} {
		if raw != "" && raw != string(f.Reason) {
			reason += ", by the provider: " + name(raw)
		}
	}
	return reason
}

func (r *reader) compacted(ev event.Event, b event.Compacted) {
	r.spend(b.Usage, b.Cost)
	e := r.note(ev, "", "history compacted", fmt.Sprintf("%d messages became %d", b.Before, b.After()))
	if b.Usage != (llm.Usage{}) || b.Cost != 0 {
		e.Facts = append(e.Facts, usage(b.Usage, b.Cost)...)
	}
	for _, s := range b.History {
		if s.Message != nil {
			e.parts(r.texts, "new message, as "+name(string(s.Message.Role)), s.Message.Parts, false)
		}
	}
}

// checked shows the verdict of a check, also of a check that passed.
func (r *reader) checked(ev event.Event, b event.Checked) {
	r.spend(b.Usage, b.Cost)
	mark := "bad"
	if b.Verdict == "pass" {
		mark = ""
	}
	what := name(b.Stage)
	if b.Call != "" {
		what += " " + name(string(b.Call))
	}
	e := r.note(ev, mark, "check "+name(b.Check)+": "+name(b.Verdict), what)
	if b.Usage != (llm.Usage{}) || b.Cost != 0 {
		e.Facts = append(e.Facts, usage(b.Usage, b.Cost)...)
	}
	e.add(block{Label: "reason", Text: r.texts.of(b.Reason)})
	e.add(block{Label: "text", Text: r.texts.of(b.Text)})
}

func (r *reader) spend(u llm.Usage, cost float64) {
	r.usage, r.cost = r.usage.Add(u), r.cost+cost
}

// goesOn ends a pause.
func (r *reader) goesOn(at time.Time) {
	if !r.paused.IsZero() {
		r.waited += max(at.Sub(r.paused), 0)
		r.paused = time.Time{}
		r.setStatus("no end is recorded", "wait")
	}
}

// end completes the page after the last event.
func (r *reader) end() {
	for _, s := range r.scopes {
		r.scope = s
		r.unanswered()
	}
	for _, c := range r.order {
		c.end(r.texts)
		if c.State == "bad" {
			r.failed++
		}
	}
	r.head()
	r.page.Strip = times(r.page.Entries)
}

// head describes the whole session.
func (r *reader) head() {
	p := r.page
	var named []string
	seen := map[string]bool{}
	for _, a := range r.agents {
		if a = name(a); !seen[a] && len(named) < 5 {
			seen[a] = true
			named = append(named, a)
		}
	}
	p.Title = cmp.Or(strings.Join(named, ", "), "A session")
	p.Status, p.State = cmp.Or(r.status, "no run"), r.statusOf
	if !r.first.IsZero() {
		p.Facts = append(p.Facts, stamp(r.first.Truncate(time.Second)), took(r.last.Sub(r.first)))
	}
	if r.runs > 1 {
		p.Facts = append(p.Facts, fmt.Sprintf("%d runs", r.runs))
	}
	calls := plural(len(r.order), "call")
	if r.failed > 0 {
		calls += fmt.Sprintf(", %d without success", r.failed)
	}
	p.Facts = append(append(p.Facts, turns(r.turns), calls), usage(r.usage, r.cost)...)
	if r.waited >= time.Second {
		what := " for decisions"
		if slices.ContainsFunc(r.order, func(c *call) bool { return c.late }) {
			what = " for decisions and results"
		}
		p.Facts = append(p.Facts, "waited "+took(r.waited)+what)
	}
}

func turns(n int) string { return plural(n, "turn") }

func count(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func costs(c float64) string {
	if c == 0 {
		return ""
	}
	return fmt.Sprintf("%.6g", c)
}
