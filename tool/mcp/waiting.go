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

// waiting knows the requests of a connection that wait for their answers, and finds the
// request of an answer that names none. Otherwise that request would wait for the whole
// of its time, and what the server said would be lost.
type waiting struct {
	mu      sync.Mutex
	of      map[jsonrpc.ID]*sending
	ended   map[jsonrpc.ID]bool // requests that were given up, and may be answered yet
	last    int64               // the id of the last request
	notices int                 // notifications that the server may take for requests
	noticed int64               // the id of the last request before them
	strays  []*stray
}

// A stray is an answer that may be that of several requests, or that may be followed by
// a right one.
type stray struct {
	text  string     // what came; it begins with "the server"
	may   []*sending // the requests that waited then
	early bool       // a right answer may still come
}

const (
	// patience is how long a right answer may take to come after a wrong one.
	patience  = time.Second
	maxStrays = 1000
	// listens is a request whose answer comes when the connection ends.
	listens = "subscriptions/listen"
)

// asked notes that a request or a notification goes out.
func (w *waiting) asked(req *jsonrpc.Request, s *sending) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !req.IsCall() {
		w.notices++
		w.noticed = w.last
		return
	}
	if req.Method == listens {
		s = new(sending) // takes no answer but its own
	}
	if w.of == nil {
		w.of, w.ended = map[jsonrpc.ID]*sending{}, map[jsonrpc.ID]bool{}
	}
	s.calls.Store(req.Method == "tools/call" || req.Method == "tasks/result")
	w.of[req.ID] = s
	s.id.Store(&req.ID)
	number, _ := req.ID.Raw().(int64)
	w.last = max(w.last, number)
}

// giveUp notes that nobody waits for an answer to a sending any more.
func (w *waiting) giveUp(s *sending) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, other := range w.of {
		if other != s {
			continue
		}
		delete(w.of, id)
		if len(w.ended) < maxStrays {
			w.ended[id] = true
		}
	}
	w.settle()
}

// answer returns the sending that an answer names. An id that is the text of a number is
// corrected. nil: it names none that waits.
func (w *waiting) answer(m *jsonrpc.Response) *sending {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.of[m.ID]
	if number, err := strconv.ParseInt(text(m.ID), 10, 32); s == nil && err == nil {
		id, _ := jsonrpc.MakeID(float64(number)) // a number can be one
		if s = w.of[id]; s != nil {
			m.ID = id
		}
	}
	if s == nil {
		return nil
	}
	delete(w.of, m.ID)
	if number, _ := m.ID.Raw().(int64); number > w.noticed {
		w.notices = 0 // the server read them before this request, and did not answer
	}
	w.settle()
	return s
}

// text is an id that is a text; else "".
func text(id jsonrpc.ID) string {
	s, _ := id.Raw().(string)
	return s
}

// place finds the request of an answer that names none, on a stream of all answers. An
// error is that of the only request that waits. Of several it is that of the one which
// is not answered otherwise. A result is nobody's: the only request that waits fails,
// unless its own answer comes within patience.
func (w *waiting) place(m *jsonrpc.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended[m.ID] {
		delete(w.ended, m.ID) // it came late
		return
	}
	number, _ := m.ID.Raw().(int64)
	repeated := m.Error == nil && number > 0 && number <= w.last
	if repeated || w.isOfNotice(m) || len(w.strays) == maxStrays {
		return
	}
	may, only := w.open()
	lost := &stray{text: strayText(m), may: may, early: m.Error == nil || isNoAnswer(m.Error)}
	if len(may) == 1 && !lost.early {
		may[0].guessed.Store(true)
		m.ID = only
		delete(w.of, only)
		w.settle()
		return
	}
	w.strays = append(w.strays, lost)
	w.settle()
	if lost.early {
		time.AfterFunc(patience, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			lost.early = false
			w.settle()
		})
	}
}

// open returns the requests that wait for an answer, in their order, and the id of one.
func (w *waiting) open() (all []*sending, id jsonrpc.ID) {
	order := map[*sending]int64{}
	for i, s := range w.of {
		if s.fail != nil {
			all, id = append(all, s), i
			order[s], _ = i.Raw().(int64)
		}
	}
	slices.SortFunc(all, func(a, b *sending) int { return cmp.Compare(order[a], order[b]) })
	return all, id
}

// isOfNotice reports whether an answer is that to a notification. Some servers answer
// one, mostly that they know no such request.
func (w *waiting) isOfNotice(m *jsonrpc.Response) bool {
	if text(m.ID) != unnamed || w.notices == 0 || isNoAnswer(m.Error) {
		return false
	}
	if e, ok := m.Error.(*jsonrpc.Error); ok && !strings.Contains(e.Message, "notifications/") {
		codes := []int64{jsonrpc.CodeInvalidRequest, jsonrpc.CodeMethodNotFound, jsonrpc.CodeInvalidParams}
		if !slices.Contains(codes, e.Code) || strings.Contains(e.Message, "tools/") {
			return false
		}
	}
	w.notices--
	return true
}

// settle fails the requests for which there is no other answer than a stray.
func (w *waiting) settle() {
	live := map[*sending]bool{}
	for _, s := range w.of {
		live[s] = true
	}
	w.strays = slices.DeleteFunc(w.strays, func(lost *stray) bool {
		lost.may = slices.DeleteFunc(lost.may, func(s *sending) bool { return !live[s] })
		return len(lost.may) == 0
	})
	var left []*sending
	var late []*stray
	for _, lost := range w.strays {
		if lost.early {
			continue
		}
		late = append(late, lost)
		for _, s := range lost.may {
			if !slices.Contains(left, s) {
				left = append(left, s)
			}
		}
	}
	if len(left) > len(late) {
		return // one of them may be answered yet
	}
	for i, s := range left {
		s.fail(noAnswer(late[i].text))
	}
	w.strays = slices.DeleteFunc(w.strays, func(lost *stray) bool { return !lost.early })
}

// strayText says what an answer is that names no request.
func strayText(m *jsonrpc.Response) string {
	what := "the server answered without the id of a request"
	if text(m.ID) != unnamed {
		what = fmt.Sprintf("the server answered with the id %s, which no request has", line(fmt.Sprint(m.ID.Raw()), 64))
	}
	switch {
	case m.Error == nil:
		return what
	case isNoAnswer(m.Error):
		return m.Error.Error()
	}
	return what + ": " + line(m.Error.Error(), maxErrorText)
}
