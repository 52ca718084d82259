package inspect

import (
	"context"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/pages"
)

// A sight is the page of a session for a visitor.
type sight struct {
	*pages.Sheet // embedded: a sight is a sheet with questions
	Name         string
	Query        string // of this page
	Live         string // the query of the stream of changes after the last event
	Waits        []pages.Part
	Wrong        string // why the questions are not known
	Visitor      string
	Answers      bool

	seq int64 // of the last event
}

// All returns all parts of the page.
func (s *sight) All() []pages.Part {
	return slices.Concat([]pages.Part{s.Top, s.Strip, s.Usage}, s.Waits, s.Runs)
}

// read reads the events of a session up to an event; 0 means all events.
func (h *Handler) read(ctx context.Context, session string, upTo int64) (events []event.Event, err error) {
	for ev, err := range h.Reader.Read(ctx, session, 0) {
		if err != nil {
			return nil, err
		}
		if upTo > 0 && ev.Seq > upTo {
			break
		}
		events = append(events, ev)
	}
	return events, nil
}

// stateOf returns the state of a session after the events.
func stateOf(session string, events []event.Event) (*runner.State, error) {
	return runner.StateOf(session, func(yield func(event.Event, error) bool) {
		for _, ev := range events {
			if !yield(ev, nil) {
				return
			}
		}
	})
}

// see makes the page of a session. It is nil if the session has no events.
func (h *Handler) see(ctx context.Context, v Visitor, session string, upTo int64) (*sight, error) {
	select {
	case h.renders <- struct{}{}:
		defer func() { <-h.renders }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	events, err := h.read(ctx, session, upTo)
	if err != nil || len(events) == 0 {
		return nil, err
	}
	sheet, err := pages.Parts(events)
	if err != nil {
		return nil, err
	}
	s := &sight{
		Sheet: sheet, Name: pages.Name(session), Query: link(session), Visitor: pages.Name(v.Name), Answers: v.Answers,
		seq: events[len(events)-1].Seq,
	}
	s.Live = liveQuery(session, s.seq)
	if upTo > 0 {
		return s, nil // the questions of then are of no use
	}
	state, err := stateOf(session, events)
	if err != nil {
		s.Wrong = pages.Text(err.Error())
		return s, nil
	}
	for _, p := range state.Pending {
		s.Waits = append(s.Waits, h.question(v, session, p, asked(state, p.Call)))
	}
	for _, a := range state.Standing {
		s.Waits = append(s.Waits, h.standing(v, session, a))
	}
	return s, nil
}

// asked returns the open call of a question.
func asked(s *runner.State, call event.CallRef) runner.OpenCall {
	if i := slices.IndexFunc(s.Open, func(o runner.OpenCall) bool { return o.Call == call }); i >= 0 {
		return s.Open[i]
	}
	return runner.OpenCall{}
}

// session shows a session.
func (h *Handler) session(w http.ResponseWriter, r *http.Request, v Visitor, session string) {
	s, err := h.see(r.Context(), v, session, 0)
	switch {
	case err != nil:
		h.failed(w, r, v, err)
	case s == nil:
		h.unknown(w)
	default:
		h.write(w, http.StatusOK, s.Name+": "+s.Status, "session", s)
	}
}

// A question is the card of a call that waits for an answer.
type question struct {
	Key, Session       string
	Call, Tool, Hash   string
	Agent              string
	Seq                int64
	Kind               string // "approval", "doubt" or "late"
	Arguments, Editing string
	Since, Until       string
	Handle             string // of a late call
	Answers            bool
	Given              string // the answer on its way, with the name of the visitor
	Action             string
}

func (h *Handler) question(v Visitor, session string, p runner.Pending, open runner.OpenCall) pages.Part {
	q := question{
		Key: questionKey(p), Call: pages.Name(string(p.Call)), Tool: pages.Name(p.ToolCall.Name), Agent: pages.Name(p.Agent), Hash: p.Hash, Seq: p.Seq, Kind: "approval",
		Arguments: pages.JSON(p.ToolCall.Arguments), Editing: pages.Editable(p.ToolCall.Arguments), Answers: v.Answers, Action: link(session),
		Since: pages.Stamp(open.Asked.Truncate(time.Second)),
	}
	if p.InDoubt {
		q.Kind, q.Since = "doubt", pages.Stamp(open.Began.Truncate(time.Second))
	}
	if p.Late {
		q.Kind, q.Since, q.Handle = "late", pages.Stamp(open.Deferred.Truncate(time.Second)), pages.Name(p.Handle)
	}
	q.Until = pages.Stamp(p.Until)
	q.Given = h.given.look(session, p, time.Now())
	return pages.Part{Key: q.Key, HTML: rendered("question", q)}
}

// A standing is the card of an answer that stands for later calls.
type standing struct {
	Key, What, Tool, Agent, Person, Words, Since string
	Arguments                                    string // empty: every call of the tool
	Seq                                          int64
	Answers                                      bool
	Given                                        string // the revocation on its way
	Action                                       string
}

func (h *Handler) standing(v Visitor, session string, a runner.Standing) pages.Part {
	s := standing{
		Key: "ws" + strconv.FormatInt(a.Seq, 10), What: a.What, Tool: pages.Name(a.Tool), Agent: pages.Name(a.Agent), Person: pages.Name(a.Person),
		Words: pages.Text(a.Words), Since: pages.Stamp(a.Time.Truncate(time.Second)), Seq: a.Seq, Answers: v.Answers, Action: link(session),
		Given: h.given.look(session, runner.Pending{Call: a.Call, Seq: a.Seq}, time.Now()),
	}
	if a.Reach == event.SameArguments {
		s.Arguments = pages.JSON(a.Arguments)
	}
	return pages.Part{Key: s.Key, HTML: rendered("standing", s)}
}

func rendered(name string, data any) template.HTML {
	html, err := pages.Execute(parsed(), name, data)
	if err != nil {
		panic(err) // a wrong template
	}
	return html
}
