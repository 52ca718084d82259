package runner

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// The defaults of a Runner's fields.
const (
	defaultMaxTurns         = 30
	defaultMaxInvalidRounds = 3
	defaultToolTimeout      = 2 * time.Minute
	defaultRunTimeout       = time.Hour
)

// A Runner is a configuration, like http.Client: the zero value works, it is
// copied freely, and one may serve any number of runs at once. In each bound,
// zero is the stated default and -1 is no limit.
type Runner struct {
	// MaxTurns bounds the model's answers in one run. Default 30.
	MaxTurns int
	// MaxInvalidRounds bounds the consecutive turns in which every tool call
	// was wrong: an unknown tool, invalid arguments, [tool.Retry]. An error that
	// a tool reports about its domain does not count. Default 3.
	MaxInvalidRounds int
	// ToolTimeout is when the context of a tool call ends, unless the tool has a
	// timeout of its own. Default 2 minutes. The function has 5 seconds more: what
	// it returns by then counts, since an outcome that is known is better than
	// one that is not; after that it is left behind.
	ToolTimeout time.Duration
	// RunTimeout bounds a run. Default 1 hour.
	RunTimeout time.Duration
	// MaxDepth bounds the depth of nested runs, this run included. A run is nested in
	// another if a tool's function starts it with the context of its call. Default: the
	// bound of the outer run, and 32 for an outermost run. -1: no bound of its own. A
	// nested run cannot raise the bound of an outer run. A run beyond the bound fails
	// with a [*LimitError] before its first request. A tool that returns this error
	// ends its run, as [tool.Abort] does; so an agent that calls itself without end
	// fails at every depth at once. To tell the model instead, the tool returns a text.
	MaxDepth int
	// Calls bounds the tool calls that run at the same time, over all runs that
	// share it. Nil: 16 in each run.
	Calls *Limit
	// Model stands in for the Model of every agent.
	Model llm.Model
	// Journal keeps sessions. Nil: each [Session] keeps itself in memory.
	Journal journal.Journal
	// NoStream makes Stream ask the models for whole answers: its events are
	// the same but for the deltas, of which there are none. Run never streams.
	NoStream bool
	// Redact changes the text of each result and failure of a tool before the
	// model, an event, a journal or a log has it, and that of each error: to take
	// out what must not leave the program. It gets the text of an error before that
	// is cut to 1 KB, and that of a result after its bound ([tool.MaxResult]).
	// Passwords in URLs are cut before that; see KeepPasswords. It is called from
	// several goroutines at once. If it panics, or does not return within 10 seconds,
	// the runner withholds the text. Until that call returns, the runner withholds all
	// other texts of the run, too. Nil changes nothing.
	Redact func(string) string
	// KeepPasswords leaves passwords of URLs in the text of tools' results. Without
	// it, postgres://ann:s3cret@db stands there as postgres://[redacted]@db, and the
	// provider of the model does not read the password. Set it for an agent that
	// edits files, since it would write the change back. Passwords in the text of
	// errors are cut in either case. What counts as a password stands in the comment
	// of package tool.
	KeepPasswords bool
	// Decide, if not nil, is asked about each call that waits for approval or is
	// in doubt, one after the other, before the run pauses: a terminal, or a
	// policy. It returns one of p's answers, such as p.Approve(), or nil to leave
	// the call open; its error ends the run, unless that was paused already, and the
	// call stays open.
	Decide func(ctx context.Context, p Pending) (Input, error)
	// Logger gets, with the agent, the session and the run as attributes:
	// Info: a run began, finished or was left by its consumer. Debug: a request
	// was sent, a model answered, a tool call began or ended. Warn: a run failed,
	// a request is repeated, a client did something on its own, a tool or another
	// function of the program was left behind. Error: one panicked (with its stack), a
	// journal refused an event. A handler that blocks also blocks the run. Messages,
	// arguments and results are never logged.
	//
	// Nil: the warnings and errors of a Run go to [slog.Default], so that a wait
	// before a request is repeated is no silence; but not that the run failed, which
	// its caller is told. Of a Stream nothing is logged: its events have the notices.
	// slog.New(slog.DiscardHandler) is silence.
	Logger *slog.Logger
}

// Run is the Run method of the zero [Runner].
func Run(ctx context.Context, a *agent.Agent, messages ...llm.Message) (*Result, error) {
	return Runner{}.Run(ctx, a, messages...)
}

// Stream is the Stream method of the zero [Runner].
func Stream(ctx context.Context, a *agent.Agent, messages ...llm.Message) iter.Seq2[event.Event, error] {
	return Runner{}.Stream(ctx, a, messages...)
}

// Run runs an agent on messages until its final answer. The messages are the
// conversation so far, of which the last is usually the user's; to go on later,
// pass the messages of the Result and one more, or use a [Session].
//
// The Result is never nil: with an error comes the work done so far. The error
// is a [*LimitError], a [*FinishError], an [*llm.APIError], what a tool passed
// to [tool.Abort], the cause of ctx, or that of a misuse, which is found before
// the first request; errors.As and errors.Is see them through every wrap.
//
// A call that needs approval is put to Decide. If that leaves it open, the error is
// [ErrPaused], and the call will not run: only a [Session] can go on with it.
func (r Runner) Run(ctx context.Context, a *agent.Agent, messages ...llm.Message) (*Result, error) {
	e := newEngine(r, "", false)
	e.retains = true
	err := e.execute(ctx, a, input{messages: messages}, e.retain)
	return e.result(), err
}

// Stream is Run with every event as it happens. The sequence is lazy and serves
// once: nothing is sent before range. An error is the last pair, with the zero
// Event; there is no other way in which a run reports one. When the loop is
// left early, the run is cancelled and its goroutines are waited for before the
// loop ends. The events are yielded on the goroutine of the loop.
//
// What was recorded is yielded, in order, before the next thing is begun:
// leaving at a ToolCallStarted keeps the function from running. While the loop
// body holds an event, running tools go on, and their results are recorded.
func (r Runner) Stream(ctx context.Context, a *agent.Agent, messages ...llm.Message) iter.Seq2[event.Event, error] {
	return once(func(yield func(event.Event, error) bool) {
		e := newEngine(r, "", !r.NoStream)
		err := e.execute(ctx, a, input{messages: messages}, func(ev event.Event) bool { return yield(ev, nil) })
		if err != nil && !e.left {
			yield(event.Event{}, err)
		}
	})
}

// retain is the consumer of Run: it keeps what is durable.
func (e *engine) retain(ev event.Event) bool {
	if ev.Seq > 0 {
		e.kept = append(e.kept, ev)
	}
	return true
}

var errUsed = errors.New("runner: this stream was consumed already")

// once makes of a sequence one that can be ranged over a single time.
func once(seq iter.Seq2[event.Event, error]) iter.Seq2[event.Event, error] {
	used := make(chan struct{}, 1)
	return func(yield func(event.Event, error) bool) {
		select {
		case used <- struct{}{}:
			seq(yield)
		default:
			yield(event.Event{}, errUsed)
		}
	}
}

// orDefault resolves a bound: zero is the default, below zero is no limit, 0.
func orDefault[T int | time.Duration](v, def T) T {
	switch {
	case v == 0:
		return def
	case v < 0:
		return 0
	}
	return v
}
