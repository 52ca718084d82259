package queue

import (
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// An OutageError says that the workers stopped since the model could not be asked.
type OutageError struct {
	Failed int   // requests, one after the other
	Err    error // why the last one did
}

func (e *OutageError) Error() string {
	return fmt.Sprintf("%d requests in a row could not ask the model; those that are left wait: %v", e.Failed, e.Err)
}

func (e *OutageError) Unwrap() error { return e.Err }

// leastOutage is how many failures in a row are no accident, however few workers
// there are.
const leastOutage = 3

// judge looks whether requests fail that would not if the model could be asked, and
// then ends the work.
func (s *shift) judge(state State, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case state == Failed && outage(why):
		s.row++
	case state != Waiting: // or it was only interrupted
		s.row = 0
	}
	if s.row >= max(s.Count, leastOutage) {
		s.stop(&OutageError{s.row, why})
	}
}

// outage reports whether an error is one that any other request would meet, too.
func outage(err error) bool {
	e, ok := errors.AsType[*llm.APIError](err)
	if !ok {
		return false
	}
	switch e.Kind {
	case llm.KindAuth, llm.KindPermission, llm.KindNotFound, llm.KindQuota, llm.KindRateLimit, llm.KindOverloaded,
		llm.KindServer, llm.KindTimeout, llm.KindNetwork:
		return true
	}
	return false
}
