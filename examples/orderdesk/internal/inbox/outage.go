package inbox

import (
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// An OutageError says that the workers stopped because the model was unreachable.
type OutageError struct {
	Failed int   // the number of failed requests in a row
	Err    error // the error of the last request
}

func (e *OutageError) Error() string {
	return fmt.Sprintf("%d requests in a row could not ask the model; those that are left wait: %v", e.Failed, e.Err)
}

func (e *OutageError) Unwrap() error { return e.Err }

// leastOutage is the number of failures in a row that count as an outage, even with
// few workers.
const leastOutage = 3

// judge counts failures that every request would meet, and stops the workers after
// too many in a row.
func (s *shift) judge(state State, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case state == Failed && outage(why):
		s.row++
	case state != Waiting: // unless the request was only interrupted
		s.row = 0
	}
	if s.row >= max(s.Count, leastOutage) {
		s.stop(&OutageError{s.row, why})
	}
}

// outage reports whether every other request would meet the same error.
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
