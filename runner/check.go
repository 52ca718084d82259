package runner

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/invoke"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A CheckError says that a check of the agent stopped the run; see [agent.Check].
type CheckError struct {
	Check  string // the name of the check
	Stage  string // "input", "call", "result" or "output"
	Reason string // redacted, like all texts
}

// Error returns the name, the stage and the reason.
func (e *CheckError) Error() string {
	return fmt.Sprintf("check %q stopped the run (%s): %s", e.Check, e.Stage, e.Reason)
}

const (
	defaultCheckRetries = 2
	checksAtOnce        = 16
)

// checksOf returns the names of the checks of an agent, or nil.
func checksOf(a *agent.Agent) *loop.Checks {
	if len(a.Checks) == 0 {
		return nil
	}
	all := new(loop.Checks)
	for _, c := range a.Checks {
		input := &all.Input
		if c.Beside {
			input = &all.Beside
		}
		for _, s := range [...]struct {
			names *[]string
			has   bool
		}{{input, c.Input != nil}, {&all.Call, c.Call != nil}, {&all.Result, c.Result != nil}, {&all.Output, c.Output != nil}} {
			if s.has {
				*s.names = append(*s.names, c.Name)
			}
		}
	}
	return all
}

// checksOutput reports whether a final answer is checked before the run ends.
func (e *engine) checksOutput() bool {
	return e.limits.Checks != nil && len(e.limits.Checks.Output) > 0
}

// checkFunc returns a check of the agent, and its function for a stage.
func (e *engine) checkFunc(name, stage string) (agent.Check, func(context.Context, agent.Subject) (agent.Verdict, error)) {
	c := e.agent.Checks[slices.IndexFunc(e.agent.Checks, func(c agent.Check) bool { return c.Name == name })]
	switch stage {
	case loop.InputStage:
		return c, c.Input
	case loop.CallStage:
		return c, c.Call
	case loop.ResultStage:
		return c, c.Result
	}
	return c, c.Output
}

// An inspection is the checks of one thing.
type inspection struct {
	loop.Item // embedded: an inspection has no other item
	subject   agent.Subject
	tool      tool.Tool // of a call
	bodies    []event.Checked
}

// errTripped ends the checks of other things after a check has stopped the run.
var errTripped = errors.New("runner: a check stopped the run")

// check makes checks that are barriers.
func (e *engine) check(ctx context.Context, a loop.CheckItems) error {
	s := e.recorder.snapshot()
	list, bodies := e.inspections(ctx, &s, a)
	err := e.inspect(ctx, &s, a, list)
	bodies = append(bodies, verdicts(list)...)
	if len(bodies) > 0 { // also beside an error: what the checks have cost was spent
		if rerr := e.recorder.record(false, bodies...); rerr != nil {
			return cmp.Or(causeOf(ctx), rerr)
		}
	}
	if err == nil || errors.Is(err, errTripped) {
		return causeOf(ctx)
	}
	return cmp.Or(causeOf(ctx), err)
}

// inspections prepares checks. The bodies are the ends of calls that cannot run.
func (e *engine) inspections(ctx context.Context, s *loop.State, a loop.CheckItems) (list []inspection, bodies []event.Body) {
	info := e.info(s, a.Turn)
	list = make([]inspection, 0, len(a.Items))
	for _, item := range a.Items {
		n := inspection{Item: item, subject: agent.Subject{Info: info}}
		switch a.Stage {
		case loop.CallStage:
			t, args, _, err := e.checkCall(ctx, &item.Call)
			if end := e.refusal(&item.Call, err); end != nil {
				bodies = append(bodies, end)
				continue
			}
			n.tool, n.subject.Call = t, item.Call.Call
			n.subject.Call.Arguments, n.subject.Text = string(args), string(args)
		case loop.ResultStage:
			n.subject.Call = item.Call.Call
			n.subject.Call.Arguments = cmp.Or(item.Call.Arguments, item.Call.Call.Arguments)
			n.subject.Message = s.Messages[item.At]
			n.subject.Text = n.subject.Message.Results()[0].Text()
		default:
			n.subject.Message = s.Messages[item.At]
			n.subject.Text = n.subject.Message.Text()
		}
		list = append(list, n)
	}
	return list, bodies
}

// refusal returns the end of a call that cannot run, or nil.
func (e *engine) refusal(c *loop.Call, err error) event.Body {
	switch {
	case e.isBuiltin(c):
		return builtinResult(*c)
	case err == nil:
		return nil
	}
	e.invoker.logPanic(*c, invoke.Error(err))
	return e.redactor.failure(*c, invoke.Error(err))
}

// inspect makes the checks of several things at the same time. The error is errTripped if a
// check stopped the run.
func (e *engine) inspect(ctx context.Context, s *loop.State, a loop.CheckItems, list []inspection) error {
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(checksAtOnce)
	for i := range list {
		group.Go(func() error { return e.inspectOne(within, s, a, &list[i]) })
	}
	return group.Wait()
}

// inspectOne makes the checks of one thing in their order.
func (e *engine) inspectOne(ctx context.Context, s *loop.State, a loop.CheckItems, n *inspection) error {
	for _, name := range n.Checks {
		if ctx.Err() != nil {
			return causeOf(ctx)
		}
		b := event.Checked{Turn: a.Turn, Check: name, Stage: a.Stage, At: n.At, Call: n.Call.Ref}
		if a.Stage != loop.InputStage {
			b.At = 0
		}
		v, c, err := e.ask(ctx, n, &b)
		if err == nil {
			err = e.judge(ctx, s, n, v, c.Retries, &b)
		}
		if err != nil {
			if over := ctx.Err() != nil; !over || b.Usage != (llm.Usage{}) || b.Cost != 0 {
				b.Verdict, b.Reason, b.Text = loop.Failed, e.redactor.error(err), ""
				n.bodies = append(n.bodies, b)
			}
			return fmt.Errorf("turn %d: check %q (%s): %w", a.Turn, name, a.Stage, err)
		}
		n.bodies = append(n.bodies, b)
		switch b.Verdict {
		case loop.Stop:
			return errTripped
		case loop.Again:
			return nil
		case loop.Replace:
			n.replaced(b.Text)
		}
	}
	return nil
}

// replaced shows the later checks what an earlier check has written.
func (n *inspection) replaced(text string) {
	n.subject.Text = text
	if n.tool.IsZero() {
		n.subject.Message = loop.WithText(n.subject.Message, text, false)
		return
	}
	n.subject.Call.Arguments = text
}

// ask calls the function of a check, within the time of a tool.
func (e *engine) ask(ctx context.Context, n *inspection, b *event.Checked) (agent.Verdict, agent.Check, error) {
	c, f := e.checkFunc(b.Check, b.Stage)
	limit := orDefault(e.runner.ToolTimeout, defaultToolTimeout)
	within, cancel := invoke.Within(ctx, limit)
	defer cancel()
	var spent aside
	subject := n.subject
	subject.Ask = func(ctx context.Context, m llm.Model, req *llm.Request) (*llm.Response, error) {
		return e.askAside(ctx, m, req, &spent)
	}
	v, err := safely(within, e.logger, fmt.Sprintf("the check %q", c.Name), func(ctx context.Context) (agent.Verdict, error) { return f(ctx, subject) })
	b.Usage, b.Cost = spent.sum()
	if err != nil && ctx.Err() == nil && within.Err() != nil {
		err = fmt.Errorf("it did not end within %v (ToolTimeout)", limit)
	}
	return v, c, err
}

// judge writes a verdict into its event.
func (e *engine) judge(ctx context.Context, s *loop.State, n *inspection, v agent.Verdict, retries int, b *event.Checked) error {
	kind, text, err := kindOf(v)
	switch {
	case err != nil:
		return err
	case kind == loop.Again && b.Stage == loop.InputStage:
		return errors.New("an input cannot be done again")
	case kind == loop.Again && s.Again(b.Check, b.Turn) >= orDefault(retries, defaultCheckRetries):
		kind = loop.Stop
	}
	b.Verdict = kind
	switch kind {
	case loop.Replace:
		if b.Text, err = e.replacement(ctx, n, text); err != nil {
			return err
		}
	case loop.Stop:
		b.Reason = e.redactor.text(text)
		if b.Stage == loop.ResultStage {
			b.Text = "The result was withheld by a check of the program."
		}
	case loop.Again:
		b.Reason = e.redactor.text(text)
		b.Text = againText(b.Stage, e.redactor.whole(text))
	}
	if kind != loop.Pass {
		e.logger.Info("check", "check", b.Check, "stage", b.Stage, "verdict", kind, "turn", b.Turn)
	}
	return nil
}

// replacement returns the text that a check wrote: for a call, the checked arguments.
func (e *engine) replacement(ctx context.Context, n *inspection, text string) (string, error) {
	if n.tool.IsZero() {
		return e.redactor.whole(text), nil
	}
	if !json.Valid([]byte(text)) {
		return "", errors.New("the new arguments are not JSON")
	}
	args, _, err := e.invoker.parse(ctx, n.tool, text)
	if err != nil {
		problem, _, _ := strings.Cut(invoke.Error(err).Message, "\nSend the call again") // that sentence is for the model
		return "", fmt.Errorf("the new arguments do not fit: %s", problem)
	}
	return string(args), nil
}

// kindOf returns the kind of a verdict, and its text.
func kindOf(v agent.Verdict) (kind, text string, err error) {
	kind = loop.Pass
	for _, f := range [...]struct{ kind, text string }{{loop.Stop, v.Stop}, {loop.Replace, v.Replace}, {loop.Again, v.Again}} {
		switch {
		case f.text == "":
			continue
		case kind != loop.Pass:
			return "", "", errors.New("the verdict has more than one of Stop, Replace and Again")
		case strings.TrimSpace(f.text) == "" || !utf8.ValidString(f.text):
			return "", "", fmt.Errorf("the text of the verdict %q is only white space, or no UTF-8", f.kind)
		}
		kind, text = f.kind, f.text
	}
	return kind, text, nil
}

// againText is the text for the model.
func againText(stage, reason string) string {
	switch stage {
	case loop.CallStage:
		return notRunText + ", because it was refused: " + reason + "\nMake another call, or go on without it."
	case loop.OutputStage:
		return "Your last reply was not accepted: " + reason + "\nReply again."
	}
	return reason
}

// verdicts returns the events of the checks. A check that stopped the run comes last, and
// pays for others that stopped the run at the same time.
func verdicts(list []inspection) (bodies []event.Body) {
	var stop *event.Checked
	for i := range list {
		for k := range list[i].bodies {
			switch b := &list[i].bodies[k]; {
			case b.Verdict != loop.Stop:
				bodies = append(bodies, *b)
			case stop == nil:
				stop = b
			default:
				stop.Usage, stop.Cost = stop.Usage.Add(b.Usage), stop.Cost+b.Cost
			}
		}
	}
	if stop != nil {
		bodies = append(bodies, *stop)
	}
	return bodies
}

// said reports whether a check has given a verdict.
func said(list []inspection, verdict string) bool {
	return slices.ContainsFunc(list, func(n inspection) bool {
		return slices.ContainsFunc(n.bodies, func(b event.Checked) bool { return b.Verdict == verdict })
	})
}

// generateBeside sends the request of a turn while checks look at its input. The answer
// counts only if all checks pass.
func (e *engine) generateBeside(ctx context.Context, a loop.CheckItems) error {
	state := e.recorder.snapshot() // not the caller's, which would then be on the heap in every run
	s := &state
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	list, _ := e.inspections(ctx, s, a)
	var group errgroup.Group
	var checking error
	e.keeper.hold(true)
	group.Go(func() error {
		if checking = e.inspect(within, s, a, list); checking != nil || said(list, loop.Replace) {
			cancel(errTripped)
		} else {
			e.keeper.hold(false)
		}
		return nil
	})
	defer func() { // also when the model or the consumer's loop body panics
		cancel(nil)
		_ = group.Wait() // the error is in checking
	}()
	e.work = 0
	resp, err := e.timedRespond(within)
	if err != nil {
		if within.Err() == nil { // no check cut the request short, and a request that fails is no work
			e.work = 0
		}
		cancel(errTripped) // nobody needs the verdicts any more
	}
	_ = group.Wait()
	bodies, replaced := verdicts(list), said(list, loop.Replace)
	if checking != nil || replaced {
		e.discard(ctx, resp, bodies)
	}
	if len(bodies) > 0 {
		if rerr := e.recorder.record(false, bodies...); rerr != nil {
			return cmp.Or(causeOf(ctx), rerr)
		}
	}
	switch {
	case ctx.Err() != nil:
		return causeOf(ctx)
	case said(list, loop.Stop):
		return nil // the state machine ends the run
	case checking != nil && !errors.Is(checking, errTripped):
		return checking
	case replaced:
		e.recorder.restarted(event.Restarted{Turn: a.Turn, Error: "a check replaced the input"})
		return nil
	case err != nil:
		return err
	}
	return e.answered(ctx, a.Turn, resp)
}

// discard pays an answer that does not count; nil means that the request was cut short. Usage,
// cost and time of the request are part of the last verdict.
func (e *engine) discard(ctx context.Context, resp *llm.Response, bodies []event.Body) {
	var usage llm.Usage
	var cost float64
	if resp != nil {
		var err error
		usage = resp.Usage
		if cost, err = e.pay(ctx, resp); err != nil {
			e.logger.Warn("the cost of a discarded answer is not known", "error", e.redactor.error(err))
		}
	}
	last := len(bodies) - 1
	if last < 0 { // the run was cancelled
		return
	}
	b, _ := bodies[last].(event.Checked)
	b.Usage, b.Cost, b.Work = b.Usage.Add(usage), b.Cost+cost, b.Work+e.work
	bodies[last] = b
}

// An aside sums up what answers outside of the turns cost.
type aside struct {
	mu    sync.Mutex
	usage llm.Usage // guarded by mu
	cost  float64   // guarded by mu
}

func (a *aside) add(u llm.Usage, cost float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.usage, a.cost = a.usage.Add(u), a.cost+cost
}

func (a *aside) sum() (llm.Usage, float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.usage, a.cost
}
