package inspect

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner/internal/pages"
)

// The times of a stream of changes.
const (
	heartbeat  = 15 * time.Second // proxies end a silent stream
	shortest   = 300 * time.Millisecond
	maxStream  = 5 * time.Minute // then the browser asks again, and so does Visitor
	restFactor = 4               // a page that takes long to make is made less often
)

func liveQuery(session string, seq int64) string {
	return "?" + url.Values{"session": {session}, "live": {strconv.FormatInt(seq, 10)}}.Encode()
}

// A change has the new parts of a page.
type change struct {
	Seq   int64        `json:"seq"`
	Title string       `json:"title"`
	Parts []pages.Part `json:"parts"`
	Waits []string     `json:"waits"` // the keys of all questions
}

// live sends the parts of the page that change after an event.
func (h *Handler) live(w http.ResponseWriter, r *http.Request, v Visitor, session string) {
	select {
	case h.streams <- struct{}{}:
		defer func() { <-h.streams }()
	default:
		h.refuse(w, http.StatusServiceUnavailable, "Too many pages follow a session.", link(session))
		return
	}
	seq, err := strconv.ParseInt(r.URL.Query().Get("live"), 10, 64)
	if last, isLater := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64); isLater == nil {
		seq, err = last, nil
	}
	if err != nil || seq < 1 {
		h.refuse(w, http.StatusBadRequest, "The address has no event to begin with.", link(session))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), maxStream)
	defer cancel()
	before, err := h.see(ctx, v, session, seq)
	switch {
	case err != nil:
		h.failed(w, r, v, err)
		return
	case before == nil:
		h.unknown(w)
		return
	}
	s := &stream{h: h, w: w, control: http.NewResponseController(w), visitor: v, session: session, shown: map[string]uint64{}}
	s.news(before)
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store, no-transform")
	w.Header().Set("X-Accel-Buffering", "no")
	s.run(ctx, before.seq)
}

// A stream follows a session for a browser. Between two changes, a stream holds only the
// digests of the parts in the browser.
type stream struct {
	h       *Handler
	w       http.ResponseWriter
	control *http.ResponseController
	visitor Visitor
	session string
	shown   map[string]uint64
}

var seed = maphash.MakeSeed()

// news returns the parts that are new to the browser.
func (s *stream) news(now *sight) (parts []pages.Part) {
	for _, p := range now.All() {
		sum := maphash.String(seed, string(p.HTML))
		if old, known := s.shown[p.Key]; known && old == sum {
			continue
		}
		s.shown[p.Key] = sum
		parts = append(parts, p)
	}
	return parts
}

// run sends changes until the context ends, or the visitor has left.
func (s *stream) run(ctx context.Context, after int64) {
	ctx, cancel := context.WithCancel(ctx)
	events, ended := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(ended)
		for _, err := range s.h.Reader.Watch(ctx, s.session, after) {
			if err != nil {
				return
			}
			select {
			case events <- struct{}{}:
			default:
			}
		}
	}()
	defer func() { cancel(); <-ended }()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	rest := time.NewTimer(0)
	defer rest.Stop()
	if !s.send(": hello\nretry: 2000\n\n") {
		return
	}
	changed := s.h.given.change()
	due := true // questions may have been answered since the page was made
	for resting := true; ; {
		if due && !resting {
			began := time.Now()
			if !s.update(ctx) {
				return
			}
			due, resting = false, true
			rest.Reset(max(shortest, restFactor*time.Since(began)))
		}
		select {
		case <-events:
			due = true
		case <-changed:
			changed, due = s.h.given.change(), true
		case <-rest.C:
			resting = false
		case <-beat.C:
			if !s.send(": beat\n\n") {
				return
			}
		case <-ended:
			return
		}
	}
}

// update sends the changed parts.
func (s *stream) update(ctx context.Context) bool {
	now, err := s.h.see(ctx, s.visitor, s.session, 0)
	if err != nil || now == nil {
		return false // the browser asks again, and reads the error
	}
	c := change{Seq: now.seq, Title: now.Name + ": " + now.Status, Parts: append([]pages.Part{}, s.news(now)...), Waits: []string{}} // a browser gets no null
	for _, q := range now.Waits {
		c.Waits = append(c.Waits, q.Key)
	}
	for key := range s.shown {
		if strings.HasPrefix(key, "w") && !slices.Contains(c.Waits, key) {
			delete(s.shown, key)
		}
	}
	var data bytes.Buffer
	if err := json.NewEncoder(&data).Encode(c); err != nil {
		return false
	}
	return s.send(fmt.Sprintf("id: %d\ndata: %s\n", c.Seq, data.Bytes()))
}

// send writes a message. It is false if the visitor has left.
func (s *stream) send(text string) bool {
	_ = s.control.SetWriteDeadline(time.Now().Add(maxWrite)) // where there is one
	if _, err := s.w.Write([]byte(text)); err != nil {
		return false
	}
	return s.control.Flush() == nil
}
