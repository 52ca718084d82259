package llm

import "context"

// A Model answers one request.
//
// Generate returns a whole [Response] or an error. If the provider or the connection
// failed, the error is an [*APIError]. A cut-off stream is an error, never a short
// answer.
//
// The rules for sink, which may be nil:
//
//   - Generate calls sink in order, on the goroutine that called Generate, never
//     concurrently, and never after Generate has returned.
//   - sink only observes. To stop, cancel ctx: Generate checks ctx after every
//     delta and returns [context.Cause] when ctx has ended.
//
// Implementations are safe for concurrent use. They neither change nor keep the
// request.
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
// [ReasoningDelta], [CallDelta], [Restarted] or [Notice]. Deltas are for display.
// Only the Response is binding.
type Delta interface{ delta() }

// TextDelta is more text of the answer.
type TextDelta struct{ Text string }

// ReasoningDelta is more of the model's visible thinking.
type ReasoningDelta struct{ Text string }

// CallDelta is more of a tool call. Only one delta of a call needs an ID and a
// Name. The Response has the final ID and Name.
type CallDelta struct {
	Index     int // position of the call in the answer, from 0
	ID        string
	Name      string
	Arguments string // a fragment
}

// Restarted says that the client sends the request again. Discard all earlier deltas.
type Restarted struct {
	Err error // why
}

// Notice reports an action of the client that nobody requested, for example a repair.
type Notice struct{ Text string }

func (TextDelta) delta()      {}
func (ReasoningDelta) delta() {}
func (CallDelta) delta()      {}
func (Restarted) delta()      {}
func (Notice) delta()         {}
