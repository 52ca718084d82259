package openai

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// memoKey names what the bytes of a message depend on. Models with the same key
// share them.
type memoKey struct{ echo string }

// history returns the messages of the request as JSON, joined with commas.
// What the memo holds already is not encoded again.
func (c *client) history(req *llm.Request) ([]byte, error) {
	slot := req.Memo.Slot(memoKey{strings.Join(c.Echo, "\x00")}, func() any { return &history{echo: c.Echo} })
	return slot.(*history).bytes(req.Messages)
}

// A history is the encoded form of a conversation that only grows. The bytes
// that it gave out are never changed: it appends behind them, or starts over in
// new memory.
type history struct {
	echo []string

	mu      sync.Mutex
	encoder encoder
	count   int         // messages in buf
	last    llm.Message // the last of them, to notice another conversation
	buf     []byte
	written int // bytes ever encoded
}

func (h *history) bytes(messages []llm.Message) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.count == 0 || h.count > len(messages) || !reflect.DeepEqual(h.last, messages[h.count-1]) {
		h.encoder, h.count, h.buf = encoder{echo: h.echo}, 0, nil
	}
	for _, m := range messages[h.count:] {
		if err := h.add(m); err != nil {
			return nil, fmt.Errorf("openai: message %d: %w", h.count, err)
		}
	}
	return h.buf[:len(h.buf):len(h.buf)], nil
}

func (h *history) add(m llm.Message) error {
	next := h.encoder // a copy, so that an error leaves the history as it was
	buf, err := next.append(h.buf, m, h.count)
	if err != nil {
		return err
	}
	h.written += len(buf) - len(h.buf)
	h.encoder, h.buf, h.last, h.count = next, buf, m, h.count+1
	return nil
}
