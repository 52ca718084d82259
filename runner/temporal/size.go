package temporal

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"go.temporal.io/sdk/temporal"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/step"
)

// The server refuses results of activities above 2 MB. After a refused
// result, a call would be in doubt though its end was known.
const (
	maxEvent    = 1 << 20
	maxAdvanced = 1536 << 10
)

var errTooLarge = errors.New("temporal: an event, or a group of events that are stored together, exceeds 1 MB, and cannot be stored: give a reference, such as a URL, in place of the data")

// bounded returns as many of a step's events, encoded, as one result may have, and no part of
// an append. whole means all events. A dropped event has had no effect outside: after the kept
// events, and the jobs that they begin, the run goes on as after a crash.
func bounded(log *step.Events, jobs []step.Job) (kept []json.RawMessage, whole bool, err error) {
	events := log.Added()
	size, n := 0, len(events)
	for i, e := range events {
		raw, err := e.MarshalJSON()
		if err != nil {
			return nil, false, final(err)
		}
		if size += len(raw); len(raw) > maxEvent || size > maxAdvanced {
			n = log.Whole(unstarted(events, log.Whole(i), jobs))
			break
		}
		kept = append(kept, raw)
	}
	return kept[:n], n == len(events), nil
}

// final returns an error that another attempt would only repeat.
func final(err error) error {
	return temporal.NewNonRetryableApplicationError(err.Error(), "toolloop.final", nil)
}

// unstarted returns the length of the longest part of the first n events without a call that
// looks begun, never began, and is no job. The run of a helper goes on where it was.
func unstarted(events []event.Event, n int, jobs []step.Job) int {
	for i, e := range events[:n] {
		b, ok := e.Body.(event.ToolCallStarted)
		if !ok || b.Helper || isOver(events[i:n], b.Call) {
			continue
		}
		if !slices.ContainsFunc(jobs, func(j step.Job) bool { return j.Call == b.Call }) {
			return i
		}
	}
	return n
}

// isOver reports whether a call has ended, or waits for its result from outside.
func isOver(events []event.Event, call event.CallRef) bool {
	for _, e := range events {
		switch b := e.Body.(type) {
		case event.ToolCallFinished:
			if b.Call == call {
				return true
			}
		case event.ToolCallDeferred:
			if b.Call == call {
				return true
			}
		}
	}
	return false
}

// begun returns the jobs that the events begin.
func begun(events []event.Event, jobs []step.Job) (all []step.Job) {
	for _, j := range jobs {
		if slices.ContainsFunc(events, func(e event.Event) bool {
			b, ok := e.Body.(event.ToolCallStarted)
			return ok && b.Call == j.Call
		}) {
			all = append(all, j)
		}
	}
	return all
}

// small encodes an event of a call. A text takes the place of a result above the bound: the
// call had an effect, and the model must know so.
func small(e event.Event) (json.RawMessage, error) {
	raw, err := e.MarshalJSON()
	b, ok := e.Body.(event.ToolCallFinished)
	if err != nil || !ok || len(raw) <= maxEvent {
		return raw, err
	}
	size := len(raw)
	b.Whole = ""
	e.Body = b
	if raw, err = e.MarshalJSON(); err != nil || len(raw) <= maxEvent {
		return raw, err
	}
	b.Result.Parts = llm.Parts{llm.Text{Text: fmt.Sprintf(
		"The call ended, but its result is too large to be stored (%d bytes), and is lost. Do not repeat the call for it, unless the call has no effect.", size)}}
	e.Body = b
	return e.MarshalJSON()
}
