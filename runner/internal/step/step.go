// Package step lets an engine in other processes run the calls of a session. A run with a
// Step goes on until calls are to run, and hands these calls out in place of running them.
// Each of the calls is then a run with a Step of its own, perhaps in a different process.
//
// All that a run says and decides stays with package runner: a run with a Step is the same
// run, and stops earlier. The package is the contract between package runner and module
// runner/temporal, which are released together.
package step

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A Step is a task of a run, and the outcome. The caller sets the fields
// of the upper part before the run. The methods are safe for
// concurrent use.
type Step struct {
	// Call, if not empty, is a started call. The run executes this call, records its end,
	// and does nothing else.
	Call event.CallRef
	// Fatal, if not nil, is the error with which the run ends.
	Fatal error
	// Unbegun are started calls whose functions have not begun, and will not begin. Their
	// starts are taken back before the run ends with Fatal.
	Unbegun []event.CallRef
	// TooOften are calls with too many attempts: only a decision repeats such a call again.
	TooOften []event.CallRef
	// Deadline is the end of the run's time. Zero means that the time of the Runner begins
	// now.
	Deadline time.Time
	// Waits keeps the run open after a passing failure of a model: the run stops, as if the
	// run were drained, and Down returns the failure.
	Waits bool
	// Look makes a run without actions: the Result is the Result of the newest run, with the
	// events after From as Events.
	Look bool
	From int64

	// Asked are calls that Runner.Decide left undecided earlier in the run. The run asks no
	// second time, and adds the calls that Decide leaves undecided now.
	Asked []event.CallRef

	// Begin is the Seq of the last event before the step. The run sets it.
	Begin int64
	// RunTimeout is the time of the run; 0 means no limit. The run sets it.
	RunTimeout time.Duration
	// Began means that the function of Call may have been called. The run sets it.
	Began bool
	// Past is the Seq of the last event of an earlier run that answered the input, or 0. The
	// run sets it.
	Past int64

	mu      sync.Mutex
	jobs    []Job // guarded by mu
	stopped bool  // guarded by mu
	down    error // guarded by mu
}

// A Job is a started call to run.
type Job struct {
	Call    event.CallRef
	Tool    string
	Alone   bool          // no other call of the turn runs at the same time
	Timeout time.Duration // of the call; 0 means no limit
}

// Add hands jobs out.
func (s *Step) Add(jobs ...Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs = append(s.jobs, jobs...)
}

// Jobs returns the jobs that were handed out, in the order of their calls. Calls of helpers
// come in the order of the helpers' calls.
func (s *Step) Jobs() []Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.jobs)
}

// HandedOut reports whether jobs were handed out. A nil Step has none.
func (s *Step) HandedOut() bool { return s != nil && len(s.Jobs()) > 0 }

// Stop notes that the run stops before a question to the program, or before a turn. All
// readers except the run get the events of a step only after the end of the step.
func (s *Step) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
}

// Stopped reports whether Stop was called. For a nil Step, Stopped returns false.
func (s *Step) Stopped() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}

// NoteDown notes the failure of a model at which the run stops.
func (s *Step) NoteDown(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = err
}

// Down returns the failure of a model at which the run stopped, or nil. For a nil Step, Down
// returns nil.
func (s *Step) Down() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.down
}

// LeftUndecided notes that Runner.Decide left a call undecided. For a nil Step, LeftUndecided does nothing.
func (s *Step) LeftUndecided(call event.CallRef) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Asked = append(s.Asked, call)
}

// WasAsked reports whether Runner.Decide left a call undecided. For a nil Step, WasAsked
// returns false.
func (s *Step) WasAsked(call event.CallRef) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.Asked, call)
}

// IsTooOften reports whether the call was repeated too often. A run then repeats the call only
// after a decision.
func (s *Step) IsTooOften(call event.CallRef) bool {
	return s != nil && slices.Contains(s.TooOften, call)
}

type key struct{}

// With returns a context for a run that does the step. Runs inside the run have no part in
// the step.
func With(ctx context.Context, s *Step) context.Context { return context.WithValue(ctx, key{}, s) }

// From returns the step of a context, or nil.
func From(ctx context.Context) *Step {
	s, _ := ctx.Value(key{}).(*Step)
	return s
}
