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

// A Call is a tool call of a run: the arguments of the tool's function, and the
// result.
type Call[Args any] struct {
	// Args are the arguments that the function received. Zero if the function was
	// not called because the tool does not exist or the arguments did not fit.
	Args Args
	// Raw is the text of the arguments as the model wrote it. Where the Result has
	// no event with the model's answer, Raw holds the arguments that the function
	// received.
	Raw string
	// Text is the text of the result as the model read it, also for a failure. Parts
	// are all parts of the result. Both are empty if no result was recorded: the run
	// ended while the function ran, or before the runner looked at the call.
	Text  string
	Parts llm.Parts
	// Failure is the kind of failure. Empty means that the call succeeded or has no
	// result; a zero Finished means that there is no result.
	Failure tool.Failure
	// Err is the cause of a failure, written for people, where the cause says more
	// than Text.
	Err string
	// Rejected reports whether the call was wrong, so that the model had to correct
	// the call.
	Rejected bool
	Turn     int // from 1
	Ref      event.CallRef
	// Started is when the function was called. Zero means that the function was not
	// called. Finished is when the result was recorded. Zero means that there is no
	// result.
	Started, Finished time.Time
}

// Calls returns the calls of a tool in a run, in the order of the model,
// rejected calls included. Arguments are decoded as for the tool's function:
// numbers in fields of type any become a [json.Number]. Arguments that do not
// decode, or have a member without a field in Args, end t. For tools without a
// Go type, use map[string]any or [json.RawMessage].
//
// If the run went on after a pause or a crash, Calls includes the calls before
// the pause or crash ([runner.Result.Earlier]), and the calls of an earlier run
// that this run continued or closed.
//
// Calls includes the calls that helpers made, each behind the call of its helper. Their Ref
// has the Ref of the helper's call in front, and their Turn is that of the helper's run.
//
// Calls returns no calls for a name that was never called, so a test can assert
// that a tool was not called.
//
//	refunds := runnertest.Calls[RefundArgs](t, result, "refund")
//	require.Len(t, refunds, 1)
//	require.Equal(t, 1250, refunds[0].Args.Cents)
func Calls[Args any](t testing.TB, result *runner.Result, tool string) []Call[Args] {
	t.Helper()
	var calls []Call[Args]
	for _, c := range traceOf(result).calls {
		if c.request.Name != tool {
			continue
		}
		call := Call[Args]{Raw: c.request.Arguments, Turn: c.turn, Ref: c.ref}
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

func (c *Call[Args]) finish(tr *tracedCall) {
	b := tr.finished
	if b == nil {
		return
	}
	c.Text, c.Parts = b.Result.Text(), b.Result.Parts
	c.Failure, c.Err, c.Rejected = tool.Failure(b.Failure), b.Error, b.Rejected
	c.Started, c.Finished = b.Began, tr.ended
}

// decode is as strict as tools that take Go types.
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

// Order returns the names of the tools that the model called, rejected calls
// included. The order is the model's: turn by turn, and within a turn as in the
// answer, whichever call finished first. Order reads the same calls as [Calls].
func Order(result *runner.Result) []string {
	var names []string
	for _, c := range traceOf(result).calls {
		names = append(names, c.request.Name)
	}
	return names
}

// Overlapped reports whether a call of tool a and a different call of tool b ran
// at the same time. a and b may be the same name. A call runs from the start of
// its function until its result was recorded. Time spent waiting under
// [runner.Runner.Calls] does not count, and neither does a call whose result was
// never recorded.
//
// Whether functions that take no time overlap depends on the scheduler. In a
// bubble of testing/synctest, such functions never overlap, and functions that
// wait overlap exactly.
func Overlapped(result *runner.Result, a, b string) bool {
	calls := traceOf(result).calls
	for _, x := range calls {
		for _, y := range calls {
			if x != y && x.request.Name == a && y.request.Name == b && overlap(x, y) {
				return true
			}
		}
	}
	return false
}

func overlap(x, y *tracedCall) bool {
	xBegan, xEnded, xKnown := x.span()
	yBegan, yEnded, yKnown := y.span()
	return xKnown && yKnown && xBegan.Before(yEnded) && yBegan.Before(xEnded)
}

// MaxConcurrent returns the largest number of calls that ran at the same time, under
// the rules of [Overlapped]. Zero means no call ran.
func MaxConcurrent(result *runner.Result) int {
	most := 0
	calls := traceOf(result).calls
	for _, x := range calls { // the maximum occurs at the start of some call
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
