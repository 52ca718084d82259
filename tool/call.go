package tool

import (
	"context"
	"math"
	"time"
)

// A Call identifies the running call of a tool's function. The zero Call means that no
// call is running.
type Call struct {
	// ID is the provider's name for the call, verbatim. Providers repeat ids.
	ID string
	// Key identifies the call. Key stays the same when the call is repeated, also after
	// a restart, and differs between calls. Send Key as the idempotency key of a side
	// effect. Key begins with the name of the session. If this name is secret, longer than the
	// other system allows, or unfit for a header, send a hash of Key.
	Key string
	// Fence grows with each attempt at this call. Fence is the position of the record
	// that starts the attempt in the session. A stopped process can wake up after
	// another process has taken over the session and has decided about the call. To keep
	// such a late attempt out, write Key and Fence in the same SQL statement (or
	// transaction) that makes the effect, and refuse a Fence that is not above the
	// recorded Fence; see [Reconcile] for the other side. Zero means that attempts are
	// not counted, as in the server of package mcp.
	Fence int64
	// Tool is the name of the tool.
	Tool string
	// Session names the conversation. Session is empty for a conversation without a
	// name.
	Session string
	// Turn is the number of the turn whose response made the call, counted from 1 in the
	// run.
	Turn int
	// KeepPasswords keeps passwords of URLs in the text of the result. The engine sets
	// this field, and the JSON of a Call does not contain the field.
	KeepPasswords bool `json:"-"`
	// KeepWhole means that the engine keeps a long result apart and gives the model pieces:
	// without [MaxResult], the bound on the text is 16 MiB. The engine sets this field, and
	// the JSON of a Call does not contain the field.
	KeepWhole bool `json:"-"`
	// Deadline is the time at which the call's context ends. Zero means no deadline.
	Deadline time.Time

	progress func(done, total float64, message string)
}

// Progress reports how far the call has come. total is 0 if the total is not known.
// message may be empty, and must not contain secrets. Progress never blocks: of several
// reports that were not delivered yet, only the last is delivered. Outside of a call,
// and after the call's end, Progress does nothing. NaN and infinities count as 0.
// Progress is safe for concurrent use.
func (c Call) Progress(done, total float64, message string) {
	if c.progress != nil {
		c.progress(finite(done), finite(total), message)
	}
}

// finite returns x, or 0 if x is NaN or infinite, for which JSON has no form.
func finite(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	return x
}

type callKey struct{}

// A callContext is the context of a call. It is one allocation, and CallFrom gets the call
// without another.
type callContext struct {
	context.Context // embedded to be a context
	call            Call
}

// Value implements [context.Context].
func (c *callContext) Value(key any) any {
	if key == (callKey{}) {
		return &c.call
	}
	return c.Context.Value(key)
}

// CallFrom returns the call of ctx, or the zero Call outside of a call.
func CallFrom(ctx context.Context) Call {
	if c, ok := ctx.Value(callKey{}).(*Call); ok {
		return *c
	}
	return Call{}
}

// WithCall returns a context for the call c. Engines that run tools use WithCall, and so
// do tests of a tool's function. progress receives the arguments of [Call.Progress] and
// must be safe for concurrent use. A nil progress drops the reports.
func WithCall(ctx context.Context, c Call, progress func(done, total float64, message string)) context.Context {
	c.progress = progress
	return &callContext{ctx, c}
}
