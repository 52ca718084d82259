package runnertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A Call is a tool call of a run: what the tool's function got, and what became
// of it.
type Call[Args any] struct {
	// Args are the arguments that the function got. Zero if it was not called
	// because there is no such tool or the arguments did not fit.
	Args Args
	// Raw is what the model wrote for arguments, verbatim. Where the Result has no
	// event with the model's answer, it is the arguments that the function got.
	Raw string
	// Text is the text of the result as the model read it, of a failure too;
	// Parts are all of it. Empty if no result was recorded: the run ended while
	// the function ran, or without looking at the call.
	Text  string
	Parts llm.Parts
	// Failure is the kind of failure. Empty: the call succeeded, or there is no
	// result, which Finished tells.
	Failure tool.Failure
	// Err is the cause of a failure for people, where it says more than Text.
	Err string
	// Rejected: the call was wrong, so that the model had to correct it.
	Rejected bool
	Turn     int // from 1
	Ref      event.CallRef
	// Started is when the function was called, and zero if it was not; Finished
	// is when the result was recorded, and zero if there is none.
	Started, Finished time.Time
}

// Calls returns the calls of a tool in a run, in the order of the model, with their
// arguments decoded as the tool's function got them: numbers in fields of type
// any are a [json.Number]. Calls that were rejected are among them. Arguments
// that do not decode, or have a member that Args has no field for, end t; for
// tools without a type of their own there are map[string]any and
// [json.RawMessage].
//
// Of a run that went on after a pause or a crash, the calls before that are among
// them ([runner.Result.Earlier]); and so are those calls of an earlier run that
// this run went on with or closed.
//
// A name that no call has gives none, so that a test can ask for that.
//
//	refunds := runnertest.Calls[RefundArgs](t, result, "refund")
//	require.Len(t, refunds, 1)
//	require.Equal(t, 1250, refunds[0].Args.Cents)
func Calls[Args any](t testing.TB, result *runner.Result, tool string) []Call[Args] {
	t.Helper()
	var calls []Call[Args]
	for _, c := range traceOf(result).calls {
		if c.asked.Name != tool {
			continue
		}
		call := Call[Args]{Raw: c.asked.Arguments, Turn: c.turn, Ref: c.ref}
		if c.started != nil {
			if err := decode(c.started.Arguments, &call.Args); err != nil {
				t.Fatalf("runnertest: call %s of %s: the arguments %s: %v", c.ref, tool, c.started.Arguments, err)
			}
		}
		call.finish(c)
		calls = append(calls, call)
	}
	return calls
}

func (c *Call[Args]) finish(tr *traced) {
	b := tr.finished
	if b == nil {
		return
	}
	c.Text, c.Parts = b.Result.Text(), b.Result.Parts
	c.Failure, c.Err, c.Rejected = tool.Failure(b.Failure), b.Error, b.Rejected
	c.Started, c.Finished = b.Began, tr.ended
}

// decode is as strict as the tools of Go types are.
func decode(arguments string, into any) error {
	d := json.NewDecoder(bytes.NewReader([]byte(arguments)))
	d.UseNumber()
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

// Order returns the names of the tools that the model called, in its order,
// rejected calls included: turn by turn, and within a turn as they stand in the
// answer, whatever finished first. They are the calls that [Calls] finds.
func Order(result *runner.Result) []string {
	var names []string
	for _, c := range traceOf(result).calls {
		names = append(names, c.asked.Name)
	}
	return names
}

// Overlapped reports whether some call of tool a and another one of tool b ran
// at the same time; the names may be the same. A call runs from when its
// function was called until its result was recorded. One that waited for its
// turn under [runner.Runner.Calls] did not run yet; one whose result was never
// recorded does not count.
//
// Functions that take no time overlap or do not as the scheduler likes. In a
// bubble of testing/synctest they never do, and those that wait do exactly.
func Overlapped(result *runner.Result, a, b string) bool {
	calls := traceOf(result).calls
	for _, x := range calls {
		for _, y := range calls {
			if x != y && x.asked.Name == a && y.asked.Name == b && overlap(x, y) {
				return true
			}
		}
	}
	return false
}

func overlap(x, y *traced) bool {
	xBegan, xEnded, xKnown := x.span()
	yBegan, yEnded, yKnown := y.span()
	return xKnown && yKnown && xBegan.Before(yEnded) && yBegan.Before(xEnded)
}

// MaxConcurrent returns how many calls ran at the same time at most, under the
// rules of [Overlapped]. It is 0 if none ran.
func MaxConcurrent(result *runner.Result) int {
	most := 0
	calls := traceOf(result).calls
	for _, x := range calls { // the most run when one of them has just begun
		began, _, known := x.span()
		if !known {
			continue
		}
		n := 1
		for _, y := range calls {
			yBegan, yEnded, yKnown := y.span()
			if y != x && yKnown && !yBegan.After(began) && yEnded.After(began) && overlap(x, y) {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}
