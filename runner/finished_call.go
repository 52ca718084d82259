package runner

import (
	"sync"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A finishedCall is a result on its way to the log.
type finishedCall struct {
	event event.Event // with the ToolCallFinished
	done  bool        // an append had the result; guarded by the recorder's lock, like err
	err   error
}

// finishedCalls are the results that wait for an append. Only add and take lock the
// mutex, and neither calls other code: no goroutine can take a second lock or wait for
// the disk while it holds the mutex. The methods may therefore be called with or without
// the recorder's lock.
type finishedCalls struct {
	mu    sync.Mutex
	calls []*finishedCall
}

func (f *finishedCalls) add(call *finishedCall) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call)
}

// take returns the waiting results, in the order of add, and forgets them.
func (f *finishedCalls) take() []*finishedCall {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}
