package temporal

import (
	"context"
	"slices"

	"go.temporal.io/sdk/worker"

	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/step"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
)

// RegisterWith is Register for a worker that reads events in another way.
func (w Worker) RegisterWith(r worker.Registry, page func(context.Context, flow.Range) (flow.Page, error)) error {
	a, err := newActivities(&w)
	if err != nil {
		return err
	}
	a.page = page
	a.register(r)
	return nil
}

// ResultOf returns what Run makes of the events of a session.
func ResultOf(ctx context.Context, session string, events []event.Event, from int64) (*runner.Result, error) {
	return (&Session{name: session}).result(ctx, events, from)
}

// Said returns what Say sends to the workflow of a session with the given events.
func Said(before []event.Event, record func(*runner.Session) error) (flow.Said, error) {
	log := step.NewEvents(before)
	if err := record(runner.Runner{Journal: log}.Session("desk")); err != nil {
		return flow.Said{}, err
	}
	return encodeSaid(log.Added())
}

// NewMemory returns a memory for a number of bytes.
var NewMemory = newMemory

// Keeps reads events of an execution, and reports whether the memory keeps them.
func (m *memory) Keeps(run string, size int) bool {
	m.grown(m.of(run), size)
	return slices.Contains(m.Runs(), run)
}

// Runs returns the executions of the memory, the one that was used last at the end.
func (m *memory) Runs() (all []string) {
	for _, k := range m.kept {
		all = append(all, k.run)
	}
	return all
}

var (
	ErrorOf = errorOf
	Decode  = decode
)

// Sent returns an error as a worker sends it, and the error of the client.
func Sent(err error) (*flow.Failure, error) {
	f := new(activities).failure(err)
	return f, errorOf(f)
}
