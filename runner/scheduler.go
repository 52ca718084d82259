package runner

import (
	"cmp"
	"context"
	"encoding/json"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/seed-916e8f6a/toolloop/internal/invoke"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A job is a call before its run, with the checked arguments.
type job struct {
	call *loop.Call
	tool tool.Tool
	args json.RawMessage
}

// A scheduler runs the jobs of a turn concurrently, within the limits on concurrent
// calls. A scheduler is safe for concurrent use.
type scheduler struct {
	limit   *CallLimit
	helpers CallLimit      // of helpers that work at the same time; their calls have the slots of limit
	invoker *invoker       // knows the time of each call
	calls   *callMemory    // nil before the first call or request; see memory
	batch   sync.WaitGroup // jobs that run together, of those that waited for slots
	done    chan struct{}  // receives a token when the launched jobs have ended

	// attended means that the caller of launch waits for the end of ctx and then calls
	// calls.group.End, because it has nothing else to do.
	attended bool

	mu   sync.Mutex
	jobs []execution        // guarded by mu: of the turn
	busy int                // guarded by mu: running jobs, and goroutines that begin jobs
	stop context.CancelFunc // guarded by mu: ends the waits for slots; nil without waits
	err  error              // guarded by mu: first reason to stop
}

// admit notes jobs whose start is about to be recorded. It comes before the record:
// whatever happens between the record and the launch, the start can be taken back.
func (s *scheduler) admit(jobs []execution) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs = jobs
}

// neverBegan reports whether this scheduler admitted the call and did not call its
// function. All jobs of earlier turns began.
func (s *scheduler) neverBegan(ref event.CallRef) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.jobs {
		if s.jobs[i].call.Ref == ref {
			return !s.jobs[i].begun
		}
	}
	return false
}

// launch runs the admitted jobs. s.done receives a token when all begun jobs have ended.
// After the end of ctx, or after an error of a job, no more jobs begin.
func (s *scheduler) launch(ctx context.Context) {
	s.prepare(ctx)
	s.enter()
	waiting := s.beginFree(ctx, s.jobs)
	if len(waiting) == 0 {
		s.leave()
		return
	}
	slots, stop := context.WithCancel(ctx)
	s.setStop(stop)
	go func() { // the caller waits for done
		defer s.leave()
		defer stop()
		for _, together := range batches(waiting) {
			s.runBatch(ctx, slots, together)
		}
	}()
}

// callMemory is what the calls of a run share, and the requests to a model that is not prompt.
// It is apart, because many runs have neither.
type callMemory struct {
	group   invoke.Group
	slotted slotContext // of the group
	models  invoke.Caller[*llm.Response]
}

// memory returns the callMemory, and makes it.
func (s *scheduler) memory() *callMemory {
	if s.calls == nil {
		s.calls = new(callMemory)
	}
	return s.calls
}

// prepare begins the group of the calls.
func (s *scheduler) prepare(ctx context.Context) {
	m := s.memory()
	if m.slotted.Context != nil {
		return
	}
	m.slotted = slotContext{ctx, s.limit}
	m.group.Begin(&m.slotted)
	if !s.attended {
		m.group.Watch()
	}
}

// close releases what the group of the calls holds. No call is running.
func (s *scheduler) close() {
	if s.calls != nil {
		s.calls.group.Close()
	}
}

func (s *scheduler) enter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy++
}

func (s *scheduler) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy--; s.busy == 0 {
		s.done <- struct{}{}
	}
}

func (s *scheduler) setStop(stop context.CancelFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop = stop
	if s.err != nil { // of a job that began without a wait
		stop()
	}
}

// batches divides the jobs, in their order, into groups of jobs that may run
// together.
func batches(jobs []execution) (out [][]execution) {
	begin := 0
	for i := range jobs {
		if jobs[i].tool.Alone() {
			out = append(out, jobs[begin:i], jobs[i:i+1])
			begin = i + 1
		}
	}
	return append(out, jobs[begin:])
}

// runBatch runs jobs together, and returns when all have ended. The jobs of a tool with
// a limit of its own wait in a line of their own, so they delay no other job. slots is
// the context of the waits for slots.
func (s *scheduler) runBatch(ctx, slots context.Context, jobs []execution) {
	var lines errgroup.Group
	var unbounded []*execution
	bounded := map[string][]*execution{}
	for i := range jobs {
		x := &jobs[i]
		x.batched = true
		if x.tool.Bounded() {
			bounded[x.tool.Name()] = append(bounded[x.tool.Name()], x)
		} else {
			unbounded = append(unbounded, x)
		}
	}
	for _, line := range bounded {
		lines.Go(func() error { s.runLine(ctx, slots, line); return nil })
	}
	s.runLine(ctx, slots, unbounded)
	_ = lines.Wait() // no line returns an error: the first of a job is in s.err
	s.batch.Wait()
}

// runLine begins jobs one after the other as slots become free, until slots ends.
func (s *scheduler) runLine(ctx, slots context.Context, line []*execution) {
	for _, x := range line {
		free, err := s.acquire(slots, x)
		if err != nil {
			return
		}
		if !s.begin(ctx, x, free) {
			return
		}
	}
}

// acquire waits for a slot of the run's limit and a slot of the tool's limit. A waiting
// call holds neither slot. Two runs therefore never wait for each other, and a busy
// tool does not delay the rest. free gives the slot of the tool back.
func (s *scheduler) acquire(ctx context.Context, x *execution) (free func(), err error) {
	t, limit := x.tool, s.limitOf(x)
	for {
		free, err := t.Acquire(ctx)
		if err != nil {
			return nil, err
		}
		if limit.tryAcquire() {
			return free, nil
		}
		free()
		if err := limit.acquire(ctx); err != nil {
			return nil, err
		}
		if free, ok := t.TryAcquire(ctx); ok {
			return free, nil
		}
		limit.release()
	}
}

// limitOf returns the limit whose slot a job needs. A helper that held a slot of its calls
// could wait for itself.
func (s *scheduler) limitOf(x *execution) *CallLimit {
	if x.helper() != nil {
		return &s.helpers
	}
	return s.limit
}

// begin begins a job that has its slots, if the job may begin.
func (s *scheduler) begin(ctx context.Context, x *execution, free func()) bool {
	if !s.mayBegin(ctx, x) {
		free()
		s.limitOf(x).release()
		return false
	}
	if x.batched {
		s.batch.Add(1)
	}
	x.free, x.began = free, time.Now().UnixNano()
	x.debug("tool call started")
	x.around = x.callWork()
	if x.helper() != nil {
		go x.help(ctx) // end tells the scheduler; the run of the helper bounds each of its own waits
		return true
	}
	s.calls.group.Go(&x.task, x, s.invoker.timeoutOf(x.tool))
	return true
}

// mayBegin reports whether a job may begin, and marks its call as begun. From then on the
// call may have had its effect, so nobody may take its start back.
func (s *scheduler) mayBegin(ctx context.Context, x *execution) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil || s.err != nil {
		return false
	}
	x.begun = true
	s.busy++
	return true
}

// end receives the end of a job, and the error of a job that ends the run.
func (s *scheduler) end(x *execution, err error) {
	if err != nil {
		s.fail(err)
	}
	x.free()
	s.limitOf(x).release()
	if x.batched {
		s.batch.Done()
	}
	s.leave()
}

// fail stops the scheduler: running jobs end, waiting jobs do not begin. The first reason
// counts.
func (s *scheduler) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = cmp.Or(s.err, err)
	if s.stop != nil {
		s.stop()
	}
}

// failure returns the first error of a job.
func (s *scheduler) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
