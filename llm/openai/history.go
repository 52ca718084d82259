package openai

import (
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// memoKey names what the bytes of a message depend on, what was learned
// included. Models with the same key share them.
type memoKey struct{ messageRules }

// written is a conversation as it is sent.
type written struct {
	lead     []llm.Message // the system messages at its front
	messages []byte        // JSON, joined with commas
	end      []byte        // what is behind them for now, with its comma
	called   bool          // there is a call in it
	notes    []string      // what was mended, unless an earlier request has told
}

// write returns the messages of the request. What the memo holds already is
// not encoded again.
func (r messageRules) write(req *llm.Request) (written, error) {
	slot := req.Memo.Slot(memoKey{r}, func() any { return &history{rules: r} })
	return slot.(*history).write(req.Messages)
}

// A history is the encoded form of a conversation that only grows. The bytes
// that it gave out are never changed: it appends behind them, or starts over in
// new memory.
type history struct {
	rules messageRules

	mu      sync.Mutex
	encoder encoder
	count   int         // messages in buf
	last    llm.Message // the last of them, to notice another conversation
	buf     []byte
	encoded int // bytes ever encoded
}

func (h *history) write(messages []llm.Message) (written, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.count == 0 || h.count > len(messages) || !reflect.DeepEqual(h.last, messages[h.count-1]) {
		h.encoder, h.count, h.buf = encoder{messageRules: h.rules}, 0, nil
	}
	h.encoder.notes = nil
	for _, m := range messages[h.count:] {
		if err := h.add(m); err != nil {
			return written{}, fmt.Errorf("openai: message %d: %w", h.count, err)
		}
	}
	end, notes, err := h.encoder.end()
	if err != nil {
		return written{}, fmt.Errorf("openai: message %d: %w", h.count-1, err)
	}
	return written{
		lead: h.encoder.lead, messages: h.buf[:len(h.buf):len(h.buf)], end: end,
		called: h.encoder.called, notes: slices.Concat(h.encoder.notes, notes),
	}, nil
}

func (h *history) add(m llm.Message) error {
	next := h.encoder // a copy, so that an error leaves the history as it was
	buf, err := next.append(h.buf, m, h.count)
	if err != nil {
		return err
	}
	h.encoded += len(buf) - len(h.buf)
	h.encoder, h.buf, h.last, h.count = next, buf, m, h.count+1
	return nil
}
