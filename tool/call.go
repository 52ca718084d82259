package tool

import (
	"context"
	"math"
	"time"
)

// A Call names the call that a tool's function is running for. The zero value
// is none.
type Call struct {
	// ID is the provider's name for the call, verbatim. Providers repeat ids.
	ID string
	// Key is the same whenever this call is made, after a restart too, and
	// differs between calls: send it along as the idempotency key of a side effect.
	Key string
	// Fence grows with each attempt at this call: it is the position in the session
	// of the record that this attempt starts. A process that was stopped can wake up
	// after another one has taken over its session and has decided about the call. A
	// tool that writes Key and Fence in the statement of its effect, and refuses a
	// Fence that is not above the one kept, keeps such a late attempt out; see
	// [Reconcile] for the other side. 0: whoever runs the call does not count
	// attempts, as the server of package mcp does not.
	Fence int64
	// Tool is the name of the tool.
	Tool string
	// Session names the conversation; empty if it has no name.
	Session string
	// Turn is that of the answer which made the call, counted from 1 in its run.
	Turn int
	// KeepPasswords is whether passwords of URLs stay in the text of the result, as
	// whoever runs the call wants it. It is no part of the JSON of a Call.
	KeepPasswords bool `json:"-"`
	// Deadline is when the call's context ends; zero: never.
	Deadline time.Time

	progress func(done, total float64, message string)
}

// Progress tells whoever watches the run how far the call has come. total is 0
// if it is not known; message may be empty, and should not hold secrets. It never
// waits: of several reports that nobody has seen yet the last counts. It does
// nothing outside of a call, and after its end. What is no number (the quotient
// of two zeros, say) counts as 0. Any goroutine may call it.
func (c Call) Progress(done, total float64, message string) {
	if c.progress != nil {
		c.progress(finite(done), finite(total), message)
	}
}

// finite is x, or 0 in place of what JSON has no form for.
func finite(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	return x
}

type callKey struct{}

// CallFrom returns the call that ctx belongs to, and the zero Call outside of
// one.
func CallFrom(ctx context.Context) Call {
	c, _ := ctx.Value(callKey{}).(Call)
	return c
}

// WithCall returns a context that belongs to c. It is for engines that run
// tools, and for tests of a tool's function. progress gets what the function
// passes to [Call.Progress], perhaps from several goroutines at once; nil drops it.
func WithCall(ctx context.Context, c Call, progress func(done, total float64, message string)) context.Context {
	c.progress = progress
	return context.WithValue(ctx, callKey{}, c)
}
