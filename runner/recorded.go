package runner

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/opening"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// A program that keeps answers until the run has ended gives an answer again after a crash. It
// must be able to tell its own answer from that of somebody who was first.

// checksum returns a number that tells inputs apart, and is never 0. The number is that of an
// input as it was given: the events can have less of the input, because of Redact.
func checksum(given any) int64 {
	data, err := json.Marshal(given)
	if err != nil { // a part of a foreign type, which is refused later
		return 1
	}
	sum := sha256.Sum256(data)
	return int64(binary.BigEndian.Uint64(sum[:8])>>12) | 1 // exact in every JSON reader
}

// checksum returns the checksum of the decision.
func (d *decision) checksum() int64 {
	var arguments any // in one form
	_ = decodeExact(d.args, &arguments)
	return checksum([]any{d.what(), d.person, d.words, d.reason, d.always, arguments, d.parts})
}

// checksum returns the checksum of the revocation.
func (r *revocation) checksum() int64 { return checksum([]string{r.person, r.words}) }

// isRevoked reports whether this very revocation is recorded.
func (e *engine) isRevoked(ctx context.Context, r *revocation) (same bool) {
	if !strings.HasPrefix(r.key, keyOf(e.session, "")) {
		return false
	}
	e.eachEvent(ctx, func(ev event.Event) bool {
		b, ok := ev.Body.(event.StandingRevoked)
		same = same || ok && b.Standing == r.seq && b.Checksum == r.checksum()
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

// decodeExact keeps all digits of numbers.
func decodeExact(data []byte, v *any) bool {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return d.Decode(v) == nil
}

// happenedAnyhow is the result of a call whose effect happened, and whose result nobody knows.
var happenedAnyhow = llm.Parts{llm.Text{Text: "The call took effect. Its result was not recorded."}}
