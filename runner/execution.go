package runner

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/invoke"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// An execution is a job that runs. It is the Work of its task: the function's goroutine
// records the result, so no other goroutine waits for the function.
type execution struct {
	job      // embedded: an execution has no other job
	engine   *engine
	task     invoke.Task
	free     func() // gives the slot of the tool back
	began    int64  // Unix time in nanoseconds; short, because all executions of a turn are one piece of memory
	around   *work  // nil without Runner.Around
	batched  bool   // counted by the batch of the scheduler
	begun    bool   // guarded by the scheduler's lock: the function may have been called
	reported bool   // guarded by the recorder's lock: later reports of progress are dropped
}

// helper returns the helper whose run is the work, or nil for a function.
func (x *execution) helper() *agent.Helper { return x.engine.helpers[x.call.Call.Name] }

// beginning returns the time when the call began.
func (x *execution) beginning() time.Time { return time.Unix(0, x.began).UTC() }

// Call calls the tool's function.
func (x *execution) Call(ctx context.Context) (llm.Parts, error) {
	e := x.engine
	if err := e.recorder.owner(); err != nil {
		return nil, tool.Fail(tool.NotRun, "", err)
	}
	ctx = x.around.begin(ctx)
	info := e.invoker.info(*x.call)
	info.Deadline, _ = ctx.Deadline()
	var report func(done, total float64, message string)
	if e.collector == nil { // a Result has no reports
		report = x.report
	}
	return x.tool.Call(tool.WithCall(x.tool.WithSlot(ctx), info, report), x.args)
}

func (x *execution) report(done, total float64, message string) {
	x.engine.recorder.report(x, done, total, message)
}

// End records the result of the call.
func (x *execution) End(o invoke.Outcome) {
	e, c := x.engine, x.call
	if o.Left {
		e.logger.Warn("tool left behind: it ignores its context", "call", c.Ref, "tool", c.Call.Name)
	}
	e.invoker.logPanic(*c, o.Err)
	e.scheduler.end(x, x.record(o))
}

// record records the result of the call. An error ends the run.
func (x *execution) record(o invoke.Outcome) error {
	e, c, ctx := x.engine, x.call, x.engine.ctx
	e.recorder.endReports(x)
	if o.Err != nil && x.helper() == nil {
		if handle, later := tool.IsLater(o.Err); later {
			return x.putOff(o.Err, handle)
		}
	}
	if o.Err != nil && (ctx.Err() != nil || e.recorder.owner() != nil) {
		// The error may come from the end of the run. The effect may have happened before,
		// so the call stays started and is in doubt, as after a crash. A result is a known
		// effect and is recorded.
		x.around.fail(o.Err)
		x.debug("tool call cancelled")
		return nil
	}
	body := e.redactor.outcome(*c, o)
	e.putAside(&body, x.tool)
	body.Began = x.beginning()
	if x.around != nil {
		x.around.called(body, o.Err)
	}
	if e.logger.Enabled(ctx, slog.LevelDebug) {
		x.debug("tool call finished", slog.String("failure", body.Failure), slog.Duration("elapsed", time.Since(x.beginning())))
	}
	if err := e.recorder.recordResult(body); err != nil {
		return err
	}
	if o.Err != nil && (tool.IsAbort(o.Err) || isTooDeep(o.Err)) {
		return fmt.Errorf("turn %d: tool %s: %w", c.Turn, c.Call.Name, o.Err.Err)
	}
	return nil
}

// debug logs a step of the call.
func (x *execution) debug(message string, more ...slog.Attr) {
	l, ctx := x.engine.logger, x.engine.ctx
	if l.Enabled(ctx, slog.LevelDebug) {
		l.LogAttrs(ctx, slog.LevelDebug, message, append([]slog.Attr{slog.String("call", string(x.call.Ref)), slog.String("tool", x.call.Call.Name)}, more...)...)
	}
}
