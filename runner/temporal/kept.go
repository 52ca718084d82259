package temporal

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.temporal.io/sdk/activity"

	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
)

// The bounds of a memory. eventSize is about what an event needs beside its data,
// and an execution beside its events.
const (
	maxKept   = 64 << 20
	eventSize = 1 << 10
)

// A memory keeps the events of recent executions, so that an activity reads only what is new.
// The events of an execution only grow. A reset, a new execution and a new conversation have
// executions of their own, and so a memory never has wrong events.
type memory struct {
	mu   sync.Mutex
	kept []*kept // guarded by mu; the one that was used last comes last
	max  int     // bytes of all kept events
}

// A kept has the beginning of the events of an execution.
type kept struct {
	run    string        // the id of the execution
	lock   chan struct{} // held by the activity that reads more
	events []event.Event // guarded by lock
	size   int           // of the entry; guarded by the lock of the memory
}

func newMemory(max int) *memory { return &memory{max: max} }

// of returns what is kept of an execution.
func (m *memory) of(run string) *kept {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, k := range m.kept {
		if k.run == run {
			m.kept = append(append(m.kept[:i], m.kept[i+1:]...), k)
			return k
		}
	}
	k := &kept{run: run, lock: make(chan struct{}, 1), size: eventSize}
	m.kept = append(m.kept, k)
	m.forget()
	return k
}

// grown notes the size of new events.
func (m *memory) grown(k *kept, size int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k.size += size
	m.forget()
}

// forget forgets the executions that were not used for the longest time. An execution that
// alone is too large is forgotten, too. The caller holds mu.
func (m *memory) forget() {
	sum := 0
	for i := len(m.kept) - 1; i >= 0; i-- {
		if sum += m.kept[i].size; sum > m.max {
			m.kept = append([]*kept(nil), m.kept[i+1:]...)
			return
		}
	}
}

// events returns the first n events of the activity's session, only for reading.
func (a *activities) events(ctx context.Context, n int) ([]event.Event, error) {
	k := a.memory.of(activity.GetInfo(ctx).WorkflowExecution.RunID)
	select {
	case k.lock <- struct{}{}:
		defer func() { <-k.lock }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	for len(k.events) < n {
		p, err := a.page(ctx, flow.Range{From: len(k.events), To: n})
		if err == nil && len(p.Events) == 0 {
			err = errors.New("the session has too few events")
		}
		var more []event.Event
		if err == nil {
			more, err = decode(k.events, p.Events)
		}
		if err != nil {
			return nil, fmt.Errorf("events of the session: %w", err)
		}
		k.events = more
		size := 0
		for _, raw := range p.Events {
			size += len(raw) + eventSize
		}
		a.memory.grown(k, size)
	}
	return k.events[:n:n], nil
}
