package runner

import (
	"cmp"
	"context"
	"encoding/json"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A job is a call that is to run, with its checked arguments.
type job struct {
	call loop.Call
	tool tool.Tool
	args json.RawMessage
}

// A scheduler runs the jobs of a turn concurrently, within the limits on concurrent
// calls. A scheduler is safe for concurrent use.
type scheduler struct {
	limit *CallLimit
	run   func(context.Context, job) error // runs one job; an error stops the scheduler

	mu      sync.Mutex
	unbegun map[event.CallRef]bool // guarded by mu: calls with a start and without a call of their function
	stop    context.CancelFunc     // guarded by mu: ends the waits for slots
	err     error                  // guarded by mu: first reason to stop
}

// admit notes jobs whose start is about to be recorded. It comes before the record:
// whatever happens between the record and the launch, the start can be taken back.
func (s *scheduler) admit(jobs []job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range jobs {
		s.unbegun[j.call.Ref] = true
	}
}

// neverBegan reports whether this scheduler admitted the call and did not call its
// function.
func (s *scheduler) neverBegan(ref event.CallRef) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unbegun[ref]
}

// launch runs the jobs. The channel is closed when all begun jobs have ended. After the
// end of ctx, or after an error of a job, no more jobs begin.
func (s *scheduler) launch(ctx context.Context, jobs []job) <-chan struct{} {
	done := make(chan struct{})
	slots, stop := context.WithCancel(ctx)
	s.setStop(stop)
	go func() { // the caller waits for done
		defer close(done)
		defer stop()
		for _, together := range batches(jobs) {
			s.runBatch(ctx, slots, together)
		}
	}()
	return done
}

func (s *scheduler) setStop(stop context.CancelFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop = stop
}

// batches divides the jobs, in their order, into groups of jobs that may run
// together.
func batches(jobs []job) (out [][]job) {
	begin := 0
	for i, j := range jobs {
		if j.tool.Alone() {
			out = append(out, jobs[begin:i], jobs[i:i+1])
			begin = i + 1
		}
	}
	return append(out, jobs[begin:])
}

// runBatch runs jobs together, and returns when all have ended. The jobs of a tool with
// a limit of its own wait in a line of their own, so they delay no other job. slots is
// the context of the waits for slots.
func (s *scheduler) runBatch(ctx, slots context.Context, jobs []job) {
	var group errgroup.Group
	var unbounded []job
	bounded := map[string][]job{}
	for _, j := range jobs {
		if j.tool.Bounded() {
			bounded[j.tool.Name()] = append(bounded[j.tool.Name()], j)
		} else {
			unbounded = append(unbounded, j)
		}
	}
	for _, line := range bounded {
		group.Go(func() error { s.runLine(ctx, slots, &group, line); return nil })
	}
	s.runLine(ctx, slots, &group, unbounded)
	_ = group.Wait() // no job returns an error: the first is in s.err
}

// runLine begins jobs one after the other as slots become free, until slots ends.
func (s *scheduler) runLine(ctx, slots context.Context, group *errgroup.Group, jobs []job) {
	for _, j := range jobs {
		release, err := s.acquire(slots, j.tool)
		if err != nil {
			return
		}
		if !s.mayBegin(ctx, j.call.Ref) {
			release()
			return
		}
		group.Go(func() error {
			defer release()
			if err := s.run(j.tool.WithSlot(s.limit.withSlot(ctx)), j); err != nil {
				s.fail(err)
			}
			return nil
		})
	}
}

// acquire waits for a slot of the run's limit and a slot of the tool's limit. A waiting
// call holds neither slot. Two runs therefore never wait for each other, and a busy
// tool does not delay the rest.
func (s *scheduler) acquire(ctx context.Context, t tool.Tool) (release func(), err error) {
	for {
		free, err := t.Acquire(ctx)
		if err != nil {
			return nil, err
		}
		if s.limit.tryAcquire() {
			return func() { free(); s.limit.release() }, nil
		}
		free()
		if err := s.limit.acquire(ctx); err != nil {
			return nil, err
		}
		if free, ok := t.TryAcquire(ctx); ok {
			return func() { free(); s.limit.release() }, nil
		}
		s.limit.release()
	}
}

// mayBegin reports whether a job may begin, and marks its call as begun. From then on the
// call may have had its effect, so nobody may take its start back.
func (s *scheduler) mayBegin(ctx context.Context, ref event.CallRef) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil || s.err != nil {
		return false
	}
	delete(s.unbegun, ref)
	return true
}

// fail stops the scheduler: running jobs end, waiting jobs do not begin. The first reason
// counts.
func (s *scheduler) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = cmp.Or(s.err, err)
	s.stop()
}

// failure returns the first error of a job.
func (s *scheduler) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
