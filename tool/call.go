package tool

import "context"

// A Call names the call that a tool's function is running for. The zero value
// is none.
type Call struct {
	// ID is the provider's name for the call, verbatim. Providers repeat ids.
	ID string
	// Key is the same whenever this call is made, after a restart too, and
	// differs between calls: send it along as the idempotency key of a side effect.
	Key string
	// Tool is the name of the tool.
	Tool string
	// Session names the conversation; empty if it has no name.
	Session string
	// Turn counts the answers of the model in this run, from 1.
	Turn int
}

type callKey struct{}

// CallFrom returns the call that ctx belongs to, and the zero Call outside of
// one. The deadline of the call is that of ctx.
func CallFrom(ctx context.Context) Call {
	c, _ := ctx.Value(callKey{}).(Call)
	return c
}

// WithCall returns a context that belongs to c. It is for engines that run
// tools, and for tests of a tool's function.
func WithCall(ctx context.Context, c Call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}
