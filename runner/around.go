package runner

import (
	"context"
	"encoding/json"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/prompt"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// Work is a piece of work in a run; see [Runner.Around]. The contents are only for reading,
// except Trace and Heard.
type Work struct {
	// Kind is "run"; "model", a request to a model with all its retries; or "tool", a call
	// of a tool's function.
	Kind    string
	Session string // empty outside a session
	Agent   string // the name of the agent
	Run     int    // counts the runs of a session from 1
	Turn    int    // counts the turns of a run from 1; 0 for a run
	// Path is the call whose helper's run the work is, or belongs to. Empty for the
	// outermost run.
	Path event.CallRef

	// Resumed means that the run began before: it continues after a pause or a crash.
	Resumed bool
	// Trace is a text of Around for a later process. Around may set Trace when a run
	// begins; the event RunStarted records Trace. When the run continues, Trace has the
	// recorded text, and changes are lost.
	Trace string

	// Model and Request are those of a request.
	Model   llm.Model
	Request *llm.Request
	// Around may set Heard: a function that is called with each delta of a streamed answer, one
	// after the other, before anybody else gets the delta. A model that the runner has left
	// behind can call Heard after the end of the work. Nil means no function.
	Heard func(llm.Delta)

	// Call is the reference of a call, ID the provider's id, Arguments the checked arguments.
	Call      event.CallRef
	ID        string
	Tool      tool.Tool
	Arguments json.RawMessage

	// The outcome, set before the end function is called:

	// Err is the error of the work, or nil. The error of a paused run is [ErrPaused]. The
	// text of Err is not redacted, unlike Result.
	Err error
	// Response is the answer to a request. Nil means that there is no answer.
	Response *llm.Response
	// FirstDelta is when the first piece of a streamed answer came; pieces before a
	// llm.Restarted do not count. Zero means no such piece, for example in a request without a
	// stream.
	FirstDelta time.Time
	// Result is the result of a call. Nil means that the outcome is unknown, or that the
	// result comes later; [tool.IsLater] of Err then is true.
	Result *event.ToolCallFinished
}

// A work is Work that the engine has begun, or nil without [Runner.Around].
type work struct {
	Work   // embedded: a work is the Work of the program, and its end
	engine *engine
	within context.Context // of the work, once Around has returned

	heard atomic.Pointer[time.Time] // the first delta; a model that is left behind can send one later

	mu   sync.Mutex
	end  func() // guarded by mu: nil before Around has returned, and after the end
	over bool   // guarded by mu
}

// newWork returns work of the engine's run.
func (e *engine) newWork(kind string, run, turn int) *work {
	return &work{engine: e, Work: Work{Kind: kind, Session: e.session, Agent: e.agent.DisplayName(), Run: run, Turn: turn, Path: e.recorder.path}}
}

// begin returns the context for the work.
func (w *work) begin(ctx context.Context) context.Context {
	if w == nil {
		return ctx
	}
	within, end := ctx, func() {}
	w.safely(func() {
		c, f := w.engine.runner.Around(ctx, &w.Work)
		if c != nil {
			within = c
		}
		if f != nil {
			end = f
		}
	})
	w.mu.Lock()
	over := w.over
	if !over {
		w.end = end
	}
	w.mu.Unlock()
	if over { // Around hung, and nobody waited for the work
		w.safely(end)
	}
	return within
}

// finish tells the program that the work has ended, once. set sets the outcome.
func (w *work) finish(set func(*Work)) {
	if w == nil {
		return
	}
	w.mu.Lock()
	end := w.end
	w.end, w.over = nil, true
	w.mu.Unlock()
	if end != nil {
		set(&w.Work)
		w.safely(end)
	}
}

// fail is finish for work with an error or no outcome.
func (w *work) fail(err error) {
	if w != nil {
		w.finish(func(o *Work) { o.Err = err })
	}
}

// answered is finish for a request.
func (w *work) answered(resp *llm.Response, err error) {
	w.finish(func(o *Work) {
		o.Response, o.Err = resp, err
		if at := w.heard.Load(); at != nil {
			o.FirstDelta = *at
		}
	})
}

// called is finish for a call.
func (w *work) called(body event.ToolCallFinished, err *tool.Error) {
	w.finish(func(o *Work) {
		o.Result = &body
		if err != nil {
			o.Err = err
		}
	})
}

// safely calls a function of the program. A function that only looks on must not end the
// run.
func (w *work) safely(f func()) {
	defer func() {
		if p := recover(); p != nil {
			w.engine.logger.Error("Around panicked", "kind", w.Kind, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	f()
}

// enter begins the work of a run.
func (e *engine) enter(ctx context.Context, s *loop.State, run int, resumed bool) context.Context {
	w := e.newWork("run", run, 0)
	if resumed {
		w.Resumed, w.Trace = true, s.Trace
	}
	e.whole, w.within = w, w.begin(ctx)
	return w.within
}

// trace returns the text of Around for RunStarted.
func (e *engine) trace() string {
	if e.whole == nil {
		return ""
	}
	return e.whole.Trace
}

// modelWork returns the work of a request, and makes the model of the question begin it. The
// work of a prompt model begins at once: the context of Around says whether the model is
// prompt with it, too.
func (e *engine) modelWork(ctx context.Context, about *question) (*work, context.Context) {
	w, m := e.newWork("model", about.run, about.turn), about.model
	w.Model, w.Request = m, about.request
	begin := w.begin
	if about.here {
		ctx = w.begin(ctx)
		about.here = prompt.Is(ctx, m)
		if about.here && !about.request.Stream { // nothing more to do at the begin, and no delta to note
			return w, ctx
		}
		begin = func(ctx context.Context) context.Context { return ctx }
	}
	about.model = llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		return m.Generate(begin(ctx), req, w.hears(req, sink))
	})
	return w, ctx
}

// hears returns the sink of a request, which notes the time of the first piece.
func (w *work) hears(req *llm.Request, sink func(llm.Delta)) func(llm.Delta) {
	if !req.Stream || sink == nil {
		return sink
	}
	return func(d llm.Delta) {
		switch d.(type) {
		case llm.Notice:
		case llm.Restarted:
			w.heard.Store(nil)
		default:
			if w.heard.Load() == nil {
				w.heard.CompareAndSwap(nil, new(time.Now()))
			}
		}
		if w.Heard != nil {
			w.safely(func() { w.Heard(d) })
		}
		sink(d)
	}
}

// callWork returns the work of a call, or nil without Around.
func (x *execution) callWork() *work {
	e, c := x.engine, x.call
	if e.whole == nil {
		return nil
	}
	w := e.newWork("tool", e.whole.Run, c.Turn)
	w.Call, w.ID, w.Tool, w.Arguments = c.Ref, c.Call.ID, x.tool, x.args
	return w
}
