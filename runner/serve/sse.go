package serve

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"
)

// An eventStream writes server-sent events.
type eventStream struct {
	control *http.ResponseController
	w       http.ResponseWriter
	buf     bytes.Buffer
}

// flushAt bounds the bytes waiting in memory for a flush.
const flushAt = 64 << 10

func newEventStream(w http.ResponseWriter) *eventStream {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx would collect the events
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	s := &eventStream{control: http.NewResponseController(w), w: w}
	_ = s.control.Flush() // the browser learns that the message is taken; a failure shows at the first event
	return s
}

// data writes an event with JSON.
func (s *eventStream) data(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.line("data: ", text)
}

func (s *eventStream) line(name string, text []byte) error {
	s.buf.WriteString(name)
	s.buf.Write(text)
	s.buf.WriteString("\n\n")
	if s.buf.Len() >= flushAt {
		return s.flush()
	}
	return nil
}

// flush sends what waits. A reader without a read for writeTimeout loses the stream.
func (s *eventStream) flush() error {
	if s.buf.Len() == 0 {
		return nil
	}
	// Without support for deadlines, the reader can only block its own goroutine.
	_ = s.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := s.w.Write(s.buf.Bytes()); err != nil {
		return err
	}
	if s.buf.Reset(); s.buf.Cap() > 4*flushAt {
		s.buf = bytes.Buffer{}
	}
	return s.control.Flush()
}

// beat sends a comment.
func (s *eventStream) beat() error {
	s.buf.WriteString(": keep-alive\n\n")
	return s.flush()
}
