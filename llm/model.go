package llm

import "context"

// A Model answers one request.
//
// Generate returns a whole [Response], or an error, an [*APIError] where the
// provider or the way to it is at fault. A cut-off stream is an error, never a
// short answer.
//
// sink may be nil. It is called in order, never concurrently, never after
// Generate has returned, and on the goroutine that called Generate. It only
// observes and returns nothing: who wants to stop cancels ctx. Generate looks at
// ctx after every delta, and when ctx has ended it returns [context.Cause] of it.
//
// Implementations are safe for concurrent use. They neither change the request
// nor keep it.
type Model interface {
	Generate(ctx context.Context, req *Request, sink func(Delta)) (*Response, error)
}

// ModelFunc adapts a function to a [Model].
type ModelFunc func(ctx context.Context, req *Request, sink func(Delta)) (*Response, error)

// Generate calls f.
func (f ModelFunc) Generate(ctx context.Context, req *Request, sink func(Delta)) (*Response, error) {
	return f(ctx, req, sink)
}

// A Delta is something seen while an answer is on its way: [TextDelta],
// [ReasoningDelta], [CallDelta], [Restarted] or [Notice]. Deltas are for eyes;
// what counts is in the Response.
type Delta interface{ delta() }

// TextDelta is more text of the answer.
type TextDelta struct{ Text string }

// ReasoningDelta is more of the model's visible thinking.
type ReasoningDelta struct{ Text string }

// CallDelta is more of a tool call. ID and Name may be empty in all but one of
// the deltas of a call, and what the Response says of them is what holds.
type CallDelta struct {
	Index     int // position of the call in the answer, from 0
	ID        string
	Name      string
	Arguments string // a fragment
}

// Restarted says that the request is sent again: what was shown is void.
type Restarted struct {
	Err error // why
}

// Notice tells of something that the client did on its own, such as a repair.
type Notice struct{ Text string }

func (TextDelta) delta()      {}
func (ReasoningDelta) delta() {}
func (CallDelta) delta()      {}
func (Restarted) delta()      {}
func (Notice) delta()         {}
