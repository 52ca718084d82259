// Package scenario holds runs of an order desk, each written once: what the model
// says, and what comes of it wherever the model and the tools are, and whether the
// model streams or not. Only tests import it.
package scenario

import (
	"context"
	"errors"
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
	HangUp time.Duration // when the customer hangs up; zero: never
	Steps  []llmtest.Step
	Want   Outcome
}

// Outcome is what the caller of a run sees.
type Outcome struct {
	Text     string        // of the last answer
	Err      string        // what kind of error it is; empty: none
	Calls    string        // in the order of the model, with their failures
	Most     int           // calls that ran at the same time
	Took     time.Duration // exactly
	Usage    llm.Usage
	Requests int
	Shown    string // of a stream: the text of the last turn. Empty: Text
	Restarts int    // of a stream
}

// Ran is a run that has ended. Of a stream the Result holds what its events say.
type Ran struct {
	Outcome
	Result *runner.Result
	Heard  []string // by the model
}

// Expected is what a run of the scenario comes to, streaming or not.
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

// Golden is the file with the transcript, in a directory.
func (s Scenario) Golden(dir string) string {
	return path.Join(dir, strings.ReplaceAll(s.Name, " ", "_")+".txt")
}

// errHungUp is why a run is cancelled.
var errHungUp = errors.New("the customer hung up")

// Run runs the scenario in a seat. desk is [Desk], or one with the same tools.
func (s Scenario) Run(t *testing.T, where Seat, stream bool, desk *agent.Agent) Ran {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	if s.HangUp > 0 {
		time.AfterFunc(s.HangUp, func() { cancel(errHungUp) })
	}
	script := llmtest.Script(t, s.Steps...)
	r := s.Runner
	r.Model = where.Model(t, script)

	start := time.Now()
	got, err := run(ctx, r, stream, desk)
	got.Took = time.Since(start)

	got.Text, got.Err, got.Usage = got.Result.Text, kindOf(err), got.Result.Usage
	got.Calls, got.Most = called(got.Result), runnertest.MaxConcurrent(got.Result)
	got.Requests, got.Heard = len(script.Requests()), heard(script)
	return got
}

func run(ctx context.Context, r runner.Runner, stream bool, desk *agent.Agent) (Ran, error) {
	question := llm.User("Where is my order?")
	if !stream {
		result, err := r.Run(ctx, desk, question)
		return Ran{Result: result}, err
	}
	out := Ran{Result: new(runner.Result)}
	for e, err := range r.Stream(ctx, desk, question) {
		if err != nil {
			return out, err
		}
		out.see(e)
	}
	return out, nil
}

func (r *Ran) see(e event.Event) {
	if e.Seq > 0 {
		r.Result.Events = append(r.Result.Events, e)
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
	case event.RunFinished:
		r.Result.Usage = b.Usage
	case event.RunFailed:
		r.Result.Usage = b.Usage
	}
}
