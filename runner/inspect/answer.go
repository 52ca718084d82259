package inspect

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/pages"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// ErrAnswered is an error of Handler.Answer: an answer to the same question waits already.
// The visitor then reads that somebody was first.
var ErrAnswered = errors.New("inspect: another answer to the question waits already")

// maxForm bounds the form of an answer, in bytes.
const maxForm = 16 << 20

// maxGiven bounds the wait for the session to record an answer. Later, visitors may answer
// again: the process with the answer may have died.
const maxGiven = time.Minute

// A place is a question of a session.
type place struct {
	session string
	call    event.CallRef
	seq     int64
}

// A gift is an answer on the way to the session.
type gift struct {
	by, what string
	at       time.Time
}

func (g gift) String() string {
	return fmt.Sprintf("%s by %s %s", g.what, g.by, ago(time.Since(g.at)))
}

// given has the answers on the way to their sessions.
type given struct {
	mu      sync.Mutex
	gifts   map[place]gift
	changed chan struct{} // closed with the next change
}

// look returns who has answered, or "".
func (g *given) look(session string, p runner.Pending, now time.Time) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if one, ok := g.gifts[place{session, p.Call, p.Seq}]; ok && now.Sub(one.at) < maxGiven {
		return one.what + " by " + one.by
	}
	return ""
}

// take notes an answer, unless an earlier answer is on its way. Then take returns the
// earlier answer.
func (g *given) take(at place, one gift) (first gift, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for p, old := range g.gifts {
		if one.at.Sub(old.at) >= maxGiven {
			delete(g.gifts, p)
		}
	}
	if first, taken := g.gifts[at]; taken {
		return first, false
	}
	if g.gifts == nil {
		g.gifts = map[place]gift{}
	}
	g.gifts[at] = one
	g.tell()
	return gift{}, true
}

func (g *given) giveBack(at place) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.gifts, at)
	g.tell()
}

func (g *given) tell() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// change returns a channel that is closed with the next change.
func (g *given) change() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed
}

// answer takes the answer of a visitor.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, v Visitor, session string) {
	back := link(session)
	if err := cmp.Or(h.CrossOrigin, sameOrigin).Check(r); err != nil {
		h.refuse(w, http.StatusForbidden, "The answer comes from the page of another site: "+err.Error(), back)
		return
	}
	if !v.Answers {
		h.refuse(w, http.StatusForbidden, "You may look at this session, and you may not answer.", back)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		h.refuse(w, http.StatusBadRequest, "The form cannot be read: "+err.Error(), back)
		return
	}
	form := r.PostForm
	seq, err := strconv.ParseInt(form.Get("seq"), 10, 64)
	if err != nil {
		h.refuse(w, http.StatusBadRequest, "The form has no question.", back)
		return
	}
	events, err := h.read(r.Context(), session, 0)
	if err != nil {
		h.failed(w, r, v, err)
		return
	}
	if len(events) == 0 {
		h.unknown(w)
		return
	}
	state, err := stateOf(session, events)
	if err != nil {
		h.failed(w, r, v, err)
		return
	}
	if form.Get("do") == "revoke" {
		h.revoke(w, r, v, session, state, seq)
		return
	}
	p, ok := find(state.Pending, seq, form.Get("hash"))
	if !ok {
		h.refuse(w, http.StatusConflict, late(events, seq), back)
		return
	}
	in, what, problem := inputOf(p, form.Get("do"), form.Get("text"), event.Reach(form.Get("reach")))
	if problem != "" {
		h.refuse(w, http.StatusBadRequest, problem, back)
		return
	}
	h.give(w, r, session, p, runner.By(v.Name, in), giftOf(v, what))
}

func giftOf(v Visitor, what string) gift {
	return gift{by: cmp.Or(pages.Name(v.Name), "a visitor without a name"), what: what, at: time.Now()}
}

// revoke takes the revocation of a standing answer.
func (h *Handler) revoke(w http.ResponseWriter, r *http.Request, v Visitor, session string, state *runner.State, seq int64) {
	for _, a := range state.Standing {
		if a.Seq == seq {
			h.give(w, r, session, runner.Pending{Call: a.Call, Seq: a.Seq}, runner.By(v.Name, a.Revoke()), giftOf(v, "revoked"))
			return
		}
	}
	h.refuse(w, http.StatusConflict, "The answer does not stand any more: somebody has revoked it, or another answer took its place.", link(session))
}

// sameOrigin lets only pages of the same origin send answers.
var sameOrigin = http.NewCrossOriginProtection()

// give gives an answer to the program.
func (h *Handler) give(w http.ResponseWriter, r *http.Request, session string, p runner.Pending, in runner.Input, one gift) {
	back, at := link(session), place{session, p.Call, p.Seq}
	first, ok := h.given.take(at, one)
	if !ok {
		h.refuse(w, http.StatusConflict, "Somebody was first: "+first.String()+". Your answer was not given.", back)
		return
	}
	switch err := h.Answer(r.Context(), session, in); {
	case errors.Is(err, ErrAnswered):
		h.given.giveBack(at)
		h.refuse(w, http.StatusConflict, "Somebody was first: another answer to this question waits already. Your answer was not given.", back)
	case err != nil:
		h.given.giveBack(at)
		status, text := refused(err)
		h.refuse(w, status, text, back)
	default:
		// http.Redirect would need the path before StripPrefix and the proxies.
		w.Header().Set("Location", back+"#waits")
		w.WriteHeader(http.StatusSeeOther)
	}
}

// refused says why the session did not take an answer.
func refused(err error) (status int, text string) {
	unfit, ok := errors.AsType[*runner.DecisionError](err)
	_, busy := errors.AsType[*journal.BusyError](err)
	switch {
	case ok && unfit.Err != nil: // the first case: MayAnswer may return any error. Reason hides the secrets of Err
		return http.StatusForbidden, "You may not answer this question. The call " + unfit.Reason
	case ok: // the session does not take the answer
	case busy:
		return http.StatusConflict, "The session is being run at the moment, so your answer was not given. Answer again in a moment."
	default:
		return http.StatusInternalServerError, "The answer was not given: " + err.Error()
	}
	shown := *unfit
	shown.Reason, _, _ = strings.Cut(unfit.Reason, "\nSend the call again") // that sentence is for the model
	return http.StatusConflict, "The answer was not given: " + strings.TrimPrefix(shown.Error(), "runner: ")
}

// find returns the question that a form answers.
func find(all []runner.Pending, seq int64, hash string) (runner.Pending, bool) {
	for _, p := range all {
		if p.Seq == seq && p.Hash == hash {
			return p, true
		}
	}
	return runner.Pending{}, false
}

// inputOf makes the input of a form, and describes the answer. The problem of a form that
// has none is a sentence for the page.
func inputOf(p runner.Pending, do, text string, reach event.Reach) (in runner.Input, what, problem string) {
	switch asks := !p.InDoubt && !p.Late; {
	case do == "approve" && asks:
		return p.Approve(), "approved", ""
	case do == "deny" && asks:
		return p.Deny(text), "denied", ""
	case (do == "always" || do == "never") && asks && reach != event.EveryCall && reach != event.SameArguments:
		return nil, "", "The form does not say for which calls the answer stands."
	case do == "always" && asks:
		return p.ApproveAlways(reach), "approved always", ""
	case do == "never" && asks:
		return p.DenyAlways(reach, text), "denied always", ""
	case do == "edit" && asks:
		if !json.Valid([]byte(text)) {
			return nil, "", "The arguments are not JSON. Go back, and mend them."
		}
		return p.Edit(json.RawMessage(text)), "approved with other arguments", ""
	case do == "result" && p.Late:
		return p.Result(llm.Text{Text: text}), "a result was handed in", ""
	case do == "fail" && p.Late:
		return p.Fail(text), "“it failed” was said", ""
	case do == "happened" && p.InDoubt:
		return p.Happened(llm.Text{Text: text}), "“it happened” was said", ""
	case do == "not_happened" && p.InDoubt:
		return p.NotHappened(), "“it did not happen” was said", ""
	case do == "run_again" && p.InDoubt:
		return p.RunAgain(), "“run it again” was said", ""
	case do == "unknown" && p.InDoubt:
		return p.Unknown(), "“nobody knows” was said", ""
	}
	return nil, "", "The form has no answer that fits the question."
}

// late says what became of a question that no longer waits.
func late(events []event.Event, seq int64) string {
	var call event.CallRef
	for _, ev := range events {
		switch b := ev.Body.(type) {
		case event.ApprovalAsked:
			if ev.Seq == seq {
				call = b.Call
			}
		case event.ToolCallStarted:
			if ev.Seq == seq {
				call = b.Call
			}
		case event.ToolCallDeferred:
			if ev.Seq == seq {
				call = b.Call
			}
		case event.ApprovalDecided:
			if call != "" && b.Call == call && ev.Seq > seq {
				what := "denied"
				if b.Approved {
					what = "approved"
				}
				return wasFirst(what, b.Person, ev.Time)
			}
		case event.InDoubtDecided:
			if call != "" && b.Call == call && ev.Seq > seq {
				return wasFirst("decided as “"+string(b.Decision)+"”", cmp.Or(b.Person, b.By), ev.Time)
			}
		case event.ToolCallFinished:
			if call != "" && b.Call == call && ev.Seq > seq {
				return "The call has its result since " + pages.Stamp(ev.Time.Truncate(time.Second)) + ". Your answer was not given."
			}
		}
	}
	return "The question does not wait at the moment: the session goes on, or asks with other arguments. Your answer was not given."
}

func wasFirst(what, by string, at time.Time) string {
	if by != "" {
		what += " by " + by
	}
	return "Somebody was first: " + what + " at " + pages.Stamp(at.Truncate(time.Second)) + ". Your answer was not given."
}

// questionKey names the card of a question.
func questionKey(p runner.Pending) string { return "w" + strconv.FormatInt(p.Seq, 10) }
