package mcp_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

const (
	taskHello = `{"protocolVersion":"2025-11-25","capabilities":{"tools":{},"tasks":{"requests":{"tools":{"call":{}}}}},"serverInfo":{"name":"foe","version":"1"}}`
	taskTools = `{"tools":[{"name":"work","inputSchema":{"type":"object"},"execution":{"taskSupport":"required"}}]}`
)

// inState returns a task in a state, with further members.
func inState(status string, more ...string) string {
	return `{` + strings.Join(append([]string{`"taskId":"t1","status":"` + status + `"`}, more...), ",") + `}`
}

// A taskFoe is a server with one tool that is called as a task.
type taskFoe struct {
	do     misdeed  // false: it is polite
	states []string // tasks, as it says them one after the other; the last again and again

	mu    sync.Mutex
	heard []heard // of calls and tasks
}

func (f *taskFoe) serve(by *foe, h heard) bool {
	f.mu.Lock()
	if h.Method == "tools/call" || strings.HasPrefix(h.Method, "tasks/") {
		f.heard = append(f.heard, h)
	}
	f.mu.Unlock()
	if f.do != nil && f.do(by, h) {
		return true
	}
	switch h.Method {
	case "initialize":
		by.answer(h, taskHello)
	case "tools/list":
		by.answer(h, taskTools)
	case "tools/call":
		by.answer(h, `{"task":`+f.next()+`}`)
	case "tasks/get":
		by.answer(h, f.next())
	case "tasks/result":
		by.answer(h, worked)
	case "tasks/cancel":
		by.answer(h, inState("cancelled"))
	default:
		return false
	}
	return true
}

// next returns the next state of the task.
func (f *taskFoe) next() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.states[0]
	if len(f.states) > 1 {
		f.states = f.states[1:]
	}
	return now
}

// methods returns the received methods, without the prefix "tasks/".
func (f *taskFoe) methods() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, h := range f.heard {
		all = append(all, strings.TrimPrefix(h.Method, "tasks/"))
	}
	return strings.Join(all, " ")
}

// params returns the parameters of the first request of a method, unchanged.
func (f *taskFoe) params(method string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, h := range f.heard {
		if h.Method == method {
			return string(h.Params)
		}
	}
	return ""
}

// taskTransports connect to a foe over lines and over HTTP.
var taskTransports = map[string]func(*testing.T, *taskFoe) mcp.Server{
	"lines": func(t *testing.T, f *taskFoe) mcp.Server {
		return mcp.Server{Name: "evil", Dial: inMemoryFoe(t, f.serve)}
	},
	"HTTP": func(t *testing.T, f *taskFoe) mcp.Server {
		return mcp.Server{Name: "evil", URL: "http://evil.example/mcp", HTTPClient: (&webFoe{do: onWeb(f.serve)}).client(t)}
	},
}

// onWeb serves a foe that speaks in lines over HTTP, with events. A request without an
// answer waits.
func onWeb(do misdeed) webMisdeed {
	return func(w http.ResponseWriter, r *http.Request, h heard) bool {
		switch {
		case r.Method != http.MethodPost || len(h.ID) == 0:
			return false
		case h.Method == http.MethodPost: // the answer to a question of the server
			do(&foe{out: io.Discard}, heard{ID: h.ID})
			w.WriteHeader(http.StatusAccepted)
			return true
		}
		out := &eventWriter{to: w, open: true, answer: []byte(`"id":` + string(h.ID) + `,"`), answered: make(chan struct{})}
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Mcp-Session-Id", "s1")
		_ = http.NewResponseController(w).Flush() // the stream is open before there is an event
		if f := (&foe{out: out, end: func() { breaks(w, r, h) }}); !do(f, h) {
			f.polite(h)
		}
		select {
		case <-out.answered:
		case <-r.Context().Done():
		}
		out.mu.Lock() // who answers from elsewhere is done with w, or comes too late
		defer out.mu.Unlock()
		out.open = false
		return true
	}
}

// An eventWriter turns each write into an event.
type eventWriter struct {
	to       http.ResponseWriter
	answer   []byte // is in what answers the request
	answered chan struct{}

	mu   sync.Mutex
	open bool
}

func (w *eventWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.open {
		return 0, io.ErrClosedPipe
	}
	_, err := w.to.Write(append(append([]byte("data: "), line...), '\n'))
	_ = http.NewResponseController(w.to).Flush()
	if bytes.Contains(line, w.answer) {
		close(w.answered)
	}
	return len(line), err
}

// metaOf returns a member of the _meta of a request.
func metaOf(params, name string) string {
	var p struct {
		Meta map[string]string `json:"_meta"`
	}
	_ = json.Unmarshal([]byte(params), &p) // then there is none
	return p.Meta[name]
}
