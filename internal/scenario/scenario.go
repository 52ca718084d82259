// Package scenario has runs of an order desk for tests. Each scenario is written once,
// with the model's script and the expected outcome. The outcome is the same in every
// seat, with local and remote tools, and with and without a stream.
package scenario

import (
	"context"
	"errors"
	"iter"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
)

// A Scenario is a run of the desk.
type Scenario struct {
	Name   string
	Runner runner.Runner
	Agent  func(*agent.Agent) // changes the desk; nil: no change
	HangUp time.Duration      // when the customer hangs up; zero means never
	// HandIn makes the run one of a session, and answers each call that the session waits for.
	HandIn func(runner.Pending) runner.Input
	Steps  []llmtest.Step
	Want   Outcome
}

// An Outcome is what the caller of a run sees.
type Outcome struct {
	Text     string        // of the last response
	Err      string        // the kind of error; empty means success
	Calls    string        // in the model's order, with their failures
	Most     int           // the most calls that ran concurrently
	Took     time.Duration // the exact duration
	Usage    llm.Usage
	Requests int
	Shown    string // the streamed text of the last turn; empty in Want means Text
	Restarts int    // restarts of the stream
}

// Ran is a run that has ended. For a stream, the Result is collected from the events.
type Ran struct {
	Outcome // embedded: tests compare a Ran with the expected Outcome, field by field
	Result  *runner.Result
	Heard   []string // the messages that the model received
}

// Expected returns the expected outcome of the scenario, streaming or not.
func (s Scenario) Expected(stream bool) Outcome {
	want := s.Want
	switch {
	case !stream:
		want.Shown, want.Restarts = "", 0
	case want.Shown == "":
		want.Shown = want.Text
	}
	return want
}

// Golden returns the transcript's file in a directory.
func (s Scenario) Golden(dir string) string {
	return path.Join(dir, strings.ReplaceAll(s.Name, " ", "_")+".txt")
}

// errHungUp is the cause of a canceled run.
var errHungUp = errors.New("the customer hung up")

// Run runs the scenario in a seat. desk is [Desk], or an agent with the same tools.
func (s Scenario) Run(t *testing.T, where Seat, stream bool, desk *agent.Agent) Ran {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	if s.HangUp > 0 {
		time.AfterFunc(s.HangUp, func() { cancel(errHungUp) })
	}
	script := llmtest.Script(t, s.Steps...)
	if s.Agent != nil {
		changed := *desk
		desk = &changed
		s.Agent(desk)
	}
	r := s.Runner
	r.Model = where.Model(t, script)

	start := time.Now()
	got, err := s.start(ctx, r, stream, desk)
	got.Took = time.Since(start)

	got.Text, got.Err, got.Usage = got.Result.Text, kindOf(err), got.Result.Usage
	got.Calls, got.Most = called(got.Result), runnertest.MaxConcurrent(got.Result)
	got.Requests, got.Heard = len(script.Requests()), heard(script)
	return got
}

// start runs the question of the customer.
func (s Scenario) start(ctx context.Context, r runner.Runner, stream bool, desk *agent.Agent) (Ran, error) {
	question := llm.User("Where is my order?")
	out := Ran{Result: new(runner.Result)}
	switch {
	case s.HandIn != nil:
		err := s.converse(ctx, r.Session("desk"), stream, desk, &out, runner.Say(question))
		return out, err
	case stream:
		err := out.seeAll(r.Stream(ctx, desk, question))
		return out, err
	}
	result, err := r.Run(ctx, desk, question)
	return Ran{Result: result}, err
}

// converse runs a session and answers its questions.
func (s Scenario) converse(ctx context.Context, session *runner.Session, stream bool, desk *agent.Agent, out *Ran, in ...runner.Input) error {
	for {
		var err error
		if stream {
			err = out.seeAll(session.Stream(ctx, desk, in...))
		} else {
			var result *runner.Result
			result, err = session.Run(ctx, desk, in...)
			result.Events, result.Earlier = append(out.Result.Events, result.Events...), nil
			out.Result = result
		}
		if !errors.Is(err, runner.ErrPaused) {
			return err
		}
		pending, err := session.Pending(ctx)
		if err != nil {
			return err
		}
		in = nil
		for _, p := range pending {
			in = append(in, s.HandIn(p))
		}
	}
}

// seeAll adds the events of a stream up to its end.
func (r *Ran) seeAll(events iter.Seq2[event.Event, error]) error {
	for e, err := range events {
		if err != nil {
			return err
		}
		r.see(e)
	}
	return nil
}

func (r *Ran) see(e event.Event) {
	if e.Seq > 0 {
		r.Result.Events = append(r.Result.Events, e)
	}
	if e.Path != "" { // of a helper
		return
	}
	switch b := e.Body.(type) {
	case event.TurnPrepared:
		r.Shown = ""
	case event.TextDelta:
		r.Shown += b.Text
	case event.Restarted:
		r.Shown = ""
		r.Restarts++
	case event.ModelAnswered:
		r.Result.Text = b.Message.Text()
	case event.Checked:
		if b.Stage == "output" && (b.Verdict == "stop" || b.Verdict == "replace") {
			r.Result.Text = b.Text
		}
	case event.RunFinished:
		r.Result.Usage = b.Usage
	case event.RunFailed:
		r.Result.Usage = b.Usage
	}
}
