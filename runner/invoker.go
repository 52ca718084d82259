package runner

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/invoke"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// onCaller runs a function on the goroutine of the run's caller; see [invoke.Apart].
type onCaller = func(func())

// callApart calls f, a function of the program, on its own goroutine. If f ignores the
// end of ctx, callApart leaves f behind and returns the cause of ctx. A panic or
// runtime.Goexit of f continues on the caller's goroutine. The log names f by name.
func callApart[T any](ctx context.Context, logger *slog.Logger, name string, f func(context.Context) (T, error)) (T, error) {
	return ended(ctx, logger, name, invoke.Alone(ctx, f))
}

// ended returns what a function of the program returned, unless the function was left
// behind, panicked or called runtime.Goexit; see [callApart].
func ended[T any](ctx context.Context, logger *slog.Logger, name string, r invoke.Return[T]) (T, error) {
	if r.Left {
		logger.Warn(name + " left behind: it ignores its context")
		return r.Value, causeOf(ctx)
	}
	if r.Stack != nil {
		logger.Error(name+" panicked", "stack", string(r.Stack))
	}
	r.Resume()
	return r.Value, r.Err
}

// safely is callApart for a function that must not end the program: a panic is an error.
func safely[T any](ctx context.Context, logger *slog.Logger, name string, f func(context.Context) (T, error)) (T, error) {
	r := invoke.Apart(ctx, func(ctx context.Context, _ onCaller) (T, error) { return f(ctx) })
	switch {
	case r.Left:
		logger.Warn(name + " left behind: it ignores its context")
		return r.Value, causeOf(ctx)
	case r.Stack != nil:
		logger.Error(name+" panicked", "stack", string(r.Stack))
		return r.Value, fmt.Errorf("runner: %s panicked: %v", name, r.Panic)
	case r.Exited:
		return r.Value, fmt.Errorf("runner: %s ended its goroutine", name)
	}
	return r.Value, r.Err
}

// An invoker calls the functions of a tool: the function itself, the decoders of its
// arguments, its approval policy and Reconcile. Each has the time of a call. If a function
// ignores the end of its context, the invoker leaves the function behind. An invoker is
// safe for concurrent use.
type invoker struct {
	timeout       time.Duration // Runner.ToolTimeout
	keepPasswords bool
	keepWhole     bool      // results are put aside
	recorder      *recorder // knows whether this process owns the session
	redactor      *redactor
	logger        *slog.Logger
}

// timeoutOf returns the time of a call; 0 means no limit.
func (v *invoker) timeoutOf(t tool.Tool) time.Duration {
	return orDefault(cmp.Or(t.Timeout(), v.timeout), defaultToolTimeout)
}

// parse checks the arguments of a call. The types of arguments can have decoders of the
// program, which can hang. Arguments that are right as they are need no such decoder, and
// so neither a goroutine nor a limit of time.
func (v *invoker) parse(ctx context.Context, t tool.Tool, written string) (json.RawMessage, []string, error) {
	if args, ok := t.Accept(written); ok {
		return args, nil, nil
	}
	type parsed struct {
		args    json.RawMessage
		repairs []string
		err     error
	}
	ctx, cancel := invoke.Within(ctx, v.timeoutOf(t))
	defer cancel()
	p, err := invoke.Ask(ctx, func() (p parsed, _ error) {
		p.args, p.repairs, p.err = t.Parse(written)
		return p, nil
	})
	if err != nil {
		v.logger.Warn("tool left behind: the type of its arguments does not decode them", "tool", t.Name(), "error", err)
		return nil, nil, tool.Fail(tool.Failed, "The arguments could not be read.", err)
	}
	return p.args, p.repairs, p.err
}

// needsApproval asks the tool's policy whether a person must decide before the call
// runs. A policy that fails or does not return in time counts as yes, because an effect
// without approval is worse than a question.
func (v *invoker) needsApproval(ctx context.Context, t tool.Tool, c loop.Call, args json.RawMessage) bool {
	ctx, cancel := invoke.Within(ctx, v.timeoutOf(t))
	defer cancel()
	need, err := invoke.Ask(ctx, func() (bool, error) { return t.NeedsApproval(ctx, args) })
	if err != nil {
		v.logger.Warn("approval could not be judged", "call", c.Ref, "tool", c.Call.Name, "error", v.redactor.error(err))
	}
	return need || err != nil
}

// An effect is the knowledge of a tool about a call in doubt.
type effect struct {
	happened bool
	result   llm.Parts // of a call that happened
}

// reconcile asks the tool's Reconcile about a call in doubt.
func (v *invoker) reconcile(ctx context.Context, t tool.Tool, c loop.Call) (effect, error) {
	ctx, cancel := invoke.Within(ctx, v.timeoutOf(t))
	defer cancel()
	info := v.info(c)
	info.Deadline, _ = ctx.Deadline()
	e, err := invoke.Ask(ctx, func() (e effect, err error) {
		if err := v.recorder.owner(); err != nil { // the new owner asks, and may already run the call again
			return e, err
		}
		e.result, e.happened, err = t.Reconcile(ctx, info, json.RawMessage(c.Arguments))
		return e, err
	})
	_, later := tool.IsLater(err)
	switch {
	case later:
	case err != nil && ctx.Err() != nil:
		v.logger.Warn("Reconcile did not return in time", "call", c.Ref, "tool", c.Call.Name)
	case err != nil:
		v.logger.Info("the tool does not tell of a call in doubt", "call", c.Ref, "tool", c.Call.Name, "error", v.redactor.error(err))
	}
	return e, err
}

// logPanic logs the stack of a tool that panicked. No event and no error has the stack.
func (v *invoker) logPanic(c loop.Call, err *tool.Error) {
	if err != nil && err.Stack != nil {
		v.logger.Error("tool panicked", "call", c.Ref, "tool", c.Call.Name,
			"error", v.redactor.error(err), "stack", string(err.Stack))
	}
}

// info returns the part of a call that the tool's function may know.
func (v *invoker) info(c loop.Call) tool.Call {
	return tool.Call{
		ID: c.Call.ID, Key: callKey(v.recorder.session, c), Fence: c.Seq, Tool: c.Call.Name, Session: v.recorder.session, Turn: c.Turn,
		KeepPasswords: v.keepPasswords,
		KeepWhole:     v.keepWhole,
	}
}

// callKey returns the idempotency key of a call. The key is the same after a restart,
// because the journal has the run's id. The id is random, so no other call has the key,
// even if the journal was lost and a session of the same name begins.
func callKey(session string, c loop.Call) string { return keyOf(session, c.ID()) }
