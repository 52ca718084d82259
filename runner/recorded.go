package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/opening"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// A program that keeps answers until the run has ended gives an answer again after a crash. It
// must be able to tell its own answer from that of somebody who was first.

// isRecorded reports whether the first decision about a question is this very one.
func (e *engine) isRecorded(ctx context.Context, d *decision, first *Decision) bool {
	if first == nil || first.Source != "caller" || first.Standing != 0 || first.Person != d.person || first.What != d.what() {
		return false
	}
	words := e.redactor.reason(d.words)
	same := false
	e.eachEvent(ctx, func(ev event.Event) (more bool) {
		switch b := ev.Body.(type) {
		case event.ApprovalDecided:
			same = ev.Seq == first.Seq && b.Words == words && b.Reason == e.redactor.reason(d.reason) && b.Always == d.always &&
				(d.approval != edit || sameJSON(d.args, []byte(b.Arguments)))
		case event.InDoubtDecided:
			same = ev.Seq == first.Seq && b.Words == words
			return ev.Seq != first.Seq || same && d.doubt == event.Happened // its result comes next
		case event.ToolCallFinished:
			if ev.Seq == first.Seq+1 && d.doubt == event.Happened {
				same = same && sameParts(d.parts, b.Result.Parts)
			}
		}
		return ev.Seq < first.Seq
	})
	return same
}

// isRevoked reports whether this very revocation is recorded.
func (e *engine) isRevoked(ctx context.Context, r *revocation) (same bool) {
	if !strings.HasPrefix(r.key, keyOf(e.session, "")) {
		return false
	}
	e.eachEvent(ctx, func(ev event.Event) bool {
		b, ok := ev.Body.(event.StandingRevoked)
		same = same || ok && b == event.StandingRevoked{Standing: r.seq, Person: r.person, Words: e.redactor.reason(r.words)}
		return !same
	})
	return same
}

// eachEvent calls f with the recorded events, until f returns false. An error of the journal is
// the end: without the events, nothing is known.
func (e *engine) eachEvent(ctx context.Context, f func(event.Event) bool) {
	ctx, stop := opening.Bound(ctx, storeBound)
	defer stop()
	for ev, err := range e.recorder.log.Events(ctx) {
		opening.Progress(ctx)
		if err != nil || !f(ev) {
			return
		}
	}
}

// what is Decision.What of the decision.
func (d *decision) what() string {
	switch {
	case d.inDoubt:
		return string(d.doubt)
	case d.approval == deny:
		return loop.Denied
	case d.approval == edit:
		return loop.Edited
	}
	return loop.Approved
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return decodeExact(a, &x) && decodeExact(b, &y) && reflect.DeepEqual(x, y)
}

// decodeExact keeps all digits of numbers.
func decodeExact(data []byte, v *any) bool {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return d.Decode(v) == nil
}

func sameParts(given, recorded llm.Parts) bool {
	if len(given) == 0 {
		given = happenedAnyhow
	}
	a, errA := json.Marshal(given)
	b, errB := json.Marshal(recorded)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// happenedAnyhow is the result of a call whose effect happened, and whose result nobody knows.
var happenedAnyhow = llm.Parts{llm.Text{Text: "The call took effect. Its result was not recorded."}}
