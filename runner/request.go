package runner

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/appended"
	"github.com/seed-916e8f6a/toolloop/internal/batched"
	"github.com/seed-916e8f6a/toolloop/internal/invoke"
	"github.com/seed-916e8f6a/toolloop/internal/prompt"
	"github.com/seed-916e8f6a/toolloop/internal/waited"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// generate sends the turn's request and records the answer. While a run waits for its model,
// no copy of the state stands on its stack, which would be twice as large.
func (e *engine) generate(ctx context.Context, turn int) error {
	if e.limits.Checks != nil {
		if a := e.beside(); len(a.Items) > 0 {
			return e.generateBeside(ctx, a)
		}
	}
	e.keeper.hold(false)
	resp, err := e.timedRespond(ctx)
	if err != nil {
		return err
	}
	return e.answered(ctx, turn, resp)
}

// beside returns the checks that run beside the request.
func (e *engine) beside() loop.CheckItems {
	s := e.recorder.snapshot()
	return s.Beside(e.limits.Checks)
}

// timedRespond is respond, until the run is drained. For a limit on the work of the
// model, timedRespond measures the work.
func (e *engine) timedRespond(ctx context.Context) (*llm.Response, error) {
	done := func() {}
	if e.measuresWork() {
		ctx, done = e.timed(ctx)
	}
	ask, stop := e.untilDrained(ctx)
	resp, err := e.respond(ask, e.questionOf(ctx))
	stop()
	done()
	return resp, err
}

// A question is a request with facts for the answer's events.
type question struct {
	model     llm.Model
	request   *llm.Request
	run, turn int
	output    bool // the answer has a form
	again     bool // an earlier process recorded the beginning of an answer
	here      bool // the model is prompt, and nobody gets the deltas
}

// questionOf makes the request of the turn.
func (e *engine) questionOf(ctx context.Context) question {
	s := e.recorder.snapshot()
	if e.logger.Enabled(ctx, slog.LevelDebug) {
		e.logger.Debug("model asked", "turn", s.Turn, "messages", len(s.Messages))
	}
	q := question{model: e.modelOfTurn(), run: s.Run, turn: s.Turn, output: s.Output != "", again: s.Partial != nil}
	q.here = e.collector != nil && prompt.Is(ctx, q.model)
	if q.here {
		q.request = e.nextHere()
	}
	if q.request == nil || e.whole != nil { // Around can keep the request
		q.request = new(llm.Request)
	}
	e.fill(q.request, &s)
	return q
}

// A promptCall has what the calls of prompt models share, because these keep nothing of a
// call.
type promptCall struct {
	request llm.Request
	sink    func(llm.Delta)
	turn    int
}

// nextHere returns the memory for the next request of a prompt model.
func (e *engine) nextHere() *llm.Request {
	if e.here == nil {
		c := new(promptCall)
		c.sink = func(d llm.Delta) { e.hear(c.turn, d) }
		e.here = c
	}
	return &e.here.request
}

// measuresWork reports whether this run or an outer run has a limit on work.
func (e *engine) measuresWork() bool {
	for ; e != nil; e = e.outer {
		if e.runner.Limits.WorkTime > 0 {
			return true
		}
	}
	return false
}

// timed measures the work of a model. done ends the measurement.
func (e *engine) timed(ctx context.Context) (_ context.Context, done func()) {
	began := time.Now()
	ctx, waits := waited.With(ctx)
	return ctx, func() { e.work = time.Since(began) - time.Duration(waits.Load()) }
}

// answered records an answer.
func (e *engine) answered(ctx context.Context, turn int, resp *llm.Response) error {
	cost, unpaid := e.pay(ctx, resp)
	s := e.recorder.snapshot()
	resp.Message.Role = llm.RoleAssistant
	answered := event.ModelAnswered{
		Turn: turn, Message: resp.Message, Finish: resp.Finish, Usage: resp.Usage, RawUsage: resp.RawUsage,
		LogProbs: resp.LogProbs, Model: resp.Model, ID: resp.ID, RequestID: resp.RequestID, Extra: resp.Extra, Cost: cost, Work: e.work,
	}
	if e.logger.Enabled(ctx, slog.LevelDebug) {
		e.logger.Debug("model answered", "turn", turn, "model", resp.Model, "request_id", resp.RequestID,
			"finish", resp.Finish.Raw, "calls", len(resp.Message.Calls()),
			"input_tokens", resp.Usage.InputTokens, "output_tokens", resp.Usage.OutputTokens)
	}
	if unpaid != nil { // the answer was made, and must not be lost
		return cmp.Or(e.recorder.record(false, answered), unpaid)
	}
	if e.session != "" && e.outer == nil { // the copy of a helper's state knows no outer limits
		// Without a session, the large frame of startsAfter stays out of the stack.
		if calls := e.startsAfter(&s, &answered); calls != nil {
			return e.start(ctx, calls, answered)
		}
	}
	if s.Output != "" || e.checksOutput() || loop.Classify(answered.Message, answered.Finish, s.Choice) != loop.Final {
		return e.recorder.record(false, answered)
	}
	// A final answer and the end of the run are one append, so no crash comes between
	// them. Otherwise a crash would leave a run that has an answer and no end.
	usage := s.Usage.Add(answered.Usage)
	finished, err := e.recorder.finishWith(answered, event.RunFinished{Run: s.Run, Turns: turn, Usage: usage})
	if finished && err == nil && e.logger.Enabled(ctx, slog.LevelInfo) {
		e.logger.Info("run finished", "turns", turn, "input_tokens", usage.InputTokens, "output_tokens", usage.OutputTokens)
	}
	return err
}

// startsAfter returns the calls of an answer if the answer and their starts can be one
// append of the session's log, because each append to a database is a round trip. Policies
// take any time, and the answer, which was paid for, must not wait for them unrecorded.
func (e *engine) startsAfter(s *loop.State, answered *event.ModelAnswered) []loop.Call {
	calls := loop.StartsAfter(*s, *answered, e.limits)
	if slices.ContainsFunc(calls, func(c loop.Call) bool { return e.offer.tools[c.Call.Name].AsksApproval() }) {
		return nil
	}
	return calls
}

// respond calls the model and yields the deltas.
func (e *engine) respond(ctx context.Context, about question) (*llm.Response, error) {
	var w *work
	within := ctx
	if e.whole != nil {
		w, within = e.modelWork(ctx, &about)
		defer w.fail(errUnwound) // counts if the model panics
	}
	var resp *llm.Response
	var err error
	switch {
	case e.collector == nil:
		resp, err = e.respondInPieces(within, about)
	case about.here:
		resp, err = e.respondHere(within, about)
	default: // a call between both functions would double the stack of a waiting run
		shared := e.scheduler.memory()
		shared.group.Keep()
		resp, err = ended(within, e.logger, "model", shared.models.Alone(within, &shared.group, func(ctx context.Context) (*llm.Response, error) {
			return about.model.Generate(ctx, about.request, func(d llm.Delta) { e.hear(about.turn, d) })
		}))
	}
	if w != nil {
		w.answered(resp, err)
	}
	switch {
	case ctx.Err() != nil: // nobody waits any more for an answer that came all the same
		return nil, causeOf(ctx)
	case err != nil:
		return nil, e.outlasts(fmt.Errorf("turn %d: %w", about.turn, err))
	case resp == nil:
		return nil, fmt.Errorf("turn %d: the model returned neither an answer nor an error", about.turn)
	}
	return resp, nil
}

// respondHere is respond for a prompt model, which needs no goroutine of its own.
func (e *engine) respondHere(ctx context.Context, about question) (*llm.Response, error) {
	e.here.turn = about.turn
	return about.model.Generate(ctx, about.request, e.here.sink)
}

// respondInPieces is respond for a run with a consumer.
func (e *engine) respondInPieces(ctx context.Context, about question) (*llm.Response, error) {
	if err := e.tellAgain(&about); err != nil {
		return nil, err
	}
	q := newDeltaQueue(e, about)
	if e.keeper != nil {
		e.keeper.begin(&about, q.wake)
		defer e.keeper.end()
	}
	r := invoke.Attend(ctx, q.wake, q.deliver, func(ctx context.Context) (*llm.Response, error) {
		return batched.Generate(ctx, about.model, about.request, func(d llm.Delta) { q.add(ctx, d) })
	})
	q.deliver()
	return ended(ctx, e.logger, "model", r)
}

// hear takes the deltas of a run without a consumer. Only the log sees the deltas.
func (e *engine) hear(turn int, d llm.Delta) {
	switch d.(type) {
	case llm.TextDelta, llm.ReasoningDelta, llm.CallDelta:
	default:
		e.deltaBody(0, turn, d)
	}
}

// fill writes the request of a state.
func (e *engine) fill(req *llm.Request, s *loop.State) {
	*req = llm.Request{
		Instructions: s.Instructions,
		Messages:     s.Messages,
		Tools:        e.defs(s),
		Output:       e.outputFormat(),
		Stream:       e.stream,
		Settings:     *e.settings(),
		Memo:         appended.Vouch(e.memo, s.Messages), // a list that only grows, or a new list: see loop.State
	}
	req.ToolChoice = e.toolChoice(s)
}

// toolChoice returns the tool choice of the next request. A choice that forces a call
// ends with the first allowed call. Otherwise the model could never answer.
func (e *engine) toolChoice(s *loop.State) llm.ToolChoice {
	c := e.settings().ToolChoice
	if s.Misfit || s.LastTurn {
		// After a misfit, the model has finished its work and only the form was wrong. Many
		// providers hold a model to a form only if the model cannot call a tool.
		if len(e.defs(s))+len(e.settings().HostedTools) > 0 {
			return llm.ToolNone
		}
		return ""
	}
	if chosen := s.Change().Chosen; chosen != "" {
		return chosen
	}
	if s.Change().Offer != nil {
		c = among(c, e.defs(s))
	}
	if !loop.Forced(c) || !s.ChoiceMet {
		return c
	}
	if _, names, among := c.Among(); among { // the limit stays
		return llm.ToolAmong(llm.ToolAuto, names...)
	}
	return ""
}

// among leaves the tools out of a choice that the turn does not offer.
func among(c llm.ToolChoice, offered []llm.ToolDef) llm.ToolChoice {
	missing := func(name string) bool {
		return !slices.ContainsFunc(offered, func(d llm.ToolDef) bool { return d.Name == name })
	}
	if name, named := c.Named(); named && missing(name) {
		return ""
	}
	mode, names, some := c.Among()
	if !some {
		return c
	}
	if names = slices.DeleteFunc(names, missing); len(names) == 0 {
		return ""
	}
	return llm.ToolAmong(mode, names...)
}

// enforcedChoice returns the tool choice that the runner enforces for the next answer.
// The runner does not enforce "required" if the request offers no tool of ours, or
// hosted tools: an answer does not show every call that a provider ran.
func (e *engine) enforcedChoice(s *loop.State) llm.ToolChoice {
	c := e.toolChoice(s)
	if c == llm.ToolAuto || c == llm.ToolRequired && (len(e.defs(s)) == 0 || len(e.settings().HostedTools) > 0) {
		return ""
	}
	return c
}

// deltaBody returns the event of a delta.
func (e *engine) deltaBody(run, turn int, d llm.Delta) event.Body {
	switch d := d.(type) {
	case llm.TextDelta:
		return event.TextDelta(d)
	case llm.ReasoningDelta:
		return event.ReasoningDelta(d)
	case llm.CallDelta:
		return event.CallDelta{Call: event.NewCallRef(run, turn, d.Index).Under(e.recorder.path), Name: d.Name, Arguments: d.Arguments}
	case llm.Restarted:
		b := event.Restarted{Turn: turn}
		if d.Err != nil {
			b.Error = e.redactor.error(d.Err)
		}
		e.logger.Warn("request repeated", "turn", turn, "error", b.Error)
		return b
	case llm.Notice:
		b := event.Notice{Text: e.redactor.text(d.Text)}
		e.logger.Warn("notice", "turn", turn, "text", b.Text)
		return b
	}
	return event.Notice{Text: fmt.Sprintf("unknown delta %T", d)}
}

func cloneSettings(s llm.Settings) llm.Settings {
	s.Stop, s.Modalities, s.Extra = slices.Clone(s.Stop), slices.Clone(s.Modalities), slices.Clone(s.Extra)
	s.HostedTools = slices.Clone(s.HostedTools)
	s.Metadata = maps.Clone(s.Metadata)
	return s
}
