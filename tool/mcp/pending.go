package mcp

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// pendingRequests holds the requests of a connection that wait for their responses. For
// a response without a usable id it finds the request that the response belongs to.
// Otherwise this request would wait until its timeout, and the server's message would
// be lost.
type pendingRequests struct {
	mu                      sync.Mutex
	byID                    map[jsonrpc.ID]*delivery
	abandoned               map[jsonrpc.ID]bool // cancelled requests that may still get a response
	last                    int64               // the id of the last request
	notifications           int                 // notifications that the server may take for requests
	lastBeforeNotifications int64               // the id of the last request before them
	strays                  []*stray
}

// A stray is a response that may belong to several requests, or that a correct response
// may still follow.
type stray struct {
	text       string      // describes the response; it begins with "the server"
	candidates []*delivery // the requests that were waiting at that time
	early      bool        // a correct response may still come
}

const (
	// strayGrace is the time in which a correct response may follow an invalid
	// response.
	strayGrace = time.Second
	maxStrays  = 1000
	// listens is a method whose response comes at the end of the connection.
	listens = "subscriptions/listen"
)

// add records an outgoing request or notification.
func (w *pendingRequests) add(req *jsonrpc.Request, s *delivery) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !req.IsCall() {
		w.notifications++
		w.lastBeforeNotifications = w.last
		return
	}
	if req.Method == listens {
		s = new(delivery) // matched only by its own id
	}
	if w.byID == nil {
		w.byID, w.abandoned = map[jsonrpc.ID]*delivery{}, map[jsonrpc.ID]bool{}
	}
	s.isCall.Store(req.Method == "tools/call" || req.Method == "tasks/result")
	w.byID[req.ID] = s
	s.id.Store(&req.ID)
	number, _ := req.ID.Raw().(int64)
	w.last = max(w.last, number)
}

// drop records that nobody waits for the response to a delivery any more.
func (w *pendingRequests) drop(s *delivery) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, other := range w.byID {
		if other != s {
			continue
		}
		delete(w.byID, id)
		if len(w.abandoned) < maxStrays {
			w.abandoned[id] = true
		}
	}
	w.failUnanswered()
}

// match returns the delivery with the id of a response, or nil if no such request
// waits. An id that is the text of a number is corrected.
func (w *pendingRequests) match(m *jsonrpc.Response) *delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.byID[m.ID]
	if number, err := strconv.ParseInt(stringID(m.ID), 10, 32); s == nil && err == nil {
		id, _ := jsonrpc.MakeID(float64(number)) // cannot fail: the id is a number
		if s = w.byID[id]; s != nil {
			m.ID = id
		}
	}
	if s == nil {
		return nil
	}
	delete(w.byID, m.ID)
	if number, _ := m.ID.Raw().(int64); number > w.lastBeforeNotifications {
		w.notifications = 0 // the server has read them without a response, since it reads in order
	}
	w.failUnanswered()
	return s
}

// stringID returns an id that is a string, else "".
func stringID(id jsonrpc.ID) string {
	s, _ := id.Raw().(string)
	return s
}

// matchUnnamed finds the request of a response without a usable id, on a connection
// where all responses share one stream. An error belongs to the only waiting request.
// With several waiting requests, the error belongs to the request that remains without
// a response. A result cannot be assigned: the only waiting request fails, unless the
// correct response comes within strayGrace.
func (w *pendingRequests) matchUnnamed(m *jsonrpc.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.abandoned[m.ID] {
		delete(w.abandoned, m.ID) // a late response to a cancelled request
		return
	}
	number, _ := m.ID.Raw().(int64)
	repeated := m.Error == nil && number > 0 && number <= w.last
	if repeated || w.answersNotification(m) || len(w.strays) == maxStrays {
		return
	}
	may, only := w.candidates()
	lost := &stray{text: strayText(m), candidates: may, early: m.Error == nil || isInvalidResponse(m.Error)}
	if len(may) == 1 && !lost.early {
		may[0].guessed.Store(true)
		m.ID = only
		delete(w.byID, only)
		w.failUnanswered()
		return
	}
	w.strays = append(w.strays, lost)
	w.failUnanswered()
	if lost.early {
		time.AfterFunc(strayGrace, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			lost.early = false
			w.failUnanswered()
		})
	}
}

// candidates returns the waiting requests in order, and the id of any of them.
func (w *pendingRequests) candidates() (all []*delivery, id jsonrpc.ID) {
	order := map[*delivery]int64{}
	for i, s := range w.byID {
		if s.fail != nil {
			all, id = append(all, s), i
			order[s], _ = i.Raw().(int64)
		}
	}
	slices.SortFunc(all, func(a, b *delivery) int { return cmp.Compare(order[a], order[b]) })
	return all, id
}

// answersNotification reports whether a response answers a notification. Some servers
// send these responses, mostly for unknown methods.
func (w *pendingRequests) answersNotification(m *jsonrpc.Response) bool {
	if stringID(m.ID) != missingID || w.notifications == 0 || isInvalidResponse(m.Error) {
		return false
	}
	if e, ok := m.Error.(*jsonrpc.Error); ok && !strings.Contains(e.Message, "notifications/") { //nolint:errorlint // the decoder made this very error
		codes := []int64{jsonrpc.CodeInvalidRequest, jsonrpc.CodeMethodNotFound, jsonrpc.CodeInvalidParams}
		if !slices.Contains(codes, e.Code) || strings.Contains(e.Message, "tools/") {
			return false
		}
	}
	w.notifications--
	return true
}

// failUnanswered fails the requests whose only possible response is a stray. It does
// nothing while there are fewer strays than candidates: a correct response may still
// come.
func (w *pendingRequests) failUnanswered() {
	live := map[*delivery]bool{}
	for _, s := range w.byID {
		live[s] = true
	}
	w.strays = slices.DeleteFunc(w.strays, func(lost *stray) bool {
		lost.candidates = slices.DeleteFunc(lost.candidates, func(s *delivery) bool { return !live[s] })
		return len(lost.candidates) == 0
	})
	var left []*delivery
	var late []*stray
	for _, lost := range w.strays {
		if lost.early {
			continue
		}
		late = append(late, lost)
		for _, s := range lost.candidates {
			if !slices.Contains(left, s) {
				left = append(left, s)
			}
		}
	}
	if len(left) > len(late) {
		return // a correct response may still come for one of them
	}
	for i, s := range left {
		s.fail(invalidResponse(late[i].text))
	}
	w.strays = slices.DeleteFunc(w.strays, func(lost *stray) bool { return !lost.early })
}

// strayText describes a response without a usable id.
func strayText(m *jsonrpc.Response) string {
	what := "the server answered without the id of a request"
	if stringID(m.ID) != missingID {
		what = fmt.Sprintf("the server answered with the id %s, which no request has", line(fmt.Sprint(m.ID.Raw()), 64))
	}
	switch {
	case m.Error == nil:
		return what
	case isInvalidResponse(m.Error):
		return m.Error.Error()
	}
	return what + ": " + line(m.Error.Error(), maxErrorText)
}
