package openai

import (
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// memoKey holds everything that the bytes of a message depend on, including
// changes of the profile. Models with the same key share the encoded messages.
type memoKey struct{ rules messageRules }

// encodedMessages is a conversation in the form of the request.
type encodedMessages struct {
	lead     []llm.Message // the system messages at the front
	messages []byte        // JSON, joined with commas
	end      []byte        // messages at the end of this request only, with a comma
	called   bool          // the conversation has a call
	notes    []string      // repairs that no earlier request has reported
}

// encode returns the messages of the request. Messages in the memo are not
// encoded again.
func (r messageRules) encode(req *llm.Request) (encodedMessages, error) {
	slot := req.Memo.Slot(memoKey{r}, func() any { return &messageCache{rules: r} })
	return slot.(*messageCache).encode(req.Messages)
}

// A messageCache is the encoded form of a growing conversation. The returned bytes
// are never changed: the history appends behind them, or starts again in new
// memory.
type messageCache struct {
	rules messageRules

	mu       sync.Mutex
	encoder  encoder
	messages []llm.Message // the messages in buf, to notice another conversation
	buf      []byte
	encoded  int // bytes ever encoded
}

func (h *messageCache) encode(messages []llm.Message) (encodedMessages, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.messages) == 0 || len(h.messages) > len(messages) || !slices.EqualFunc(h.messages, messages[:len(h.messages)], same) {
		h.encoder, h.messages, h.buf = encoder{rules: h.rules}, nil, nil
	}
	h.encoder.notes = nil
	for _, m := range messages[len(h.messages):] {
		if err := h.add(m); err != nil {
			return encodedMessages{}, fmt.Errorf("openai: message %d: %w", len(h.messages), err)
		}
	}
	end, notes, err := h.encoder.end()
	if err != nil {
		return encodedMessages{}, fmt.Errorf("openai: message %d: %w", len(h.messages)-1, err)
	}
	return encodedMessages{
		lead: h.encoder.lead, messages: h.buf[:len(h.buf):len(h.buf)], end: end,
		called: h.encoder.called, notes: slices.Concat(h.encoder.notes, notes),
	}, nil
}

func (h *messageCache) add(m llm.Message) error {
	next := h.encoder // a copy, so that an error leaves the history unchanged
	buf, err := next.append(h.buf, m, len(h.messages))
	if err != nil {
		return err
	}
	h.encoded += len(buf) - len(h.buf)
	h.encoder, h.buf, h.messages = next, buf, append(h.messages, detached(m))
	return nil
}

// detached returns m with copies of the lists. If the caller replaces a part, the
// comparison notices the change.
func detached(m llm.Message) llm.Message {
	m.Parts, m.Extra = slices.Clone(m.Parts), slices.Clone(m.Extra)
	for i, p := range m.Parts {
		if r, ok := p.(llm.ToolResult); ok {
			r.Parts = slices.Clone(r.Parts)
			m.Parts[i] = r
		}
	}
	return m
}

// same reports whether two messages are equal. Each request compares the whole
// history, which is cheap, because equal strings share their bytes.
func same(a, b llm.Message) bool {
	return a.Role == b.Role && slices.Equal(a.Extra, b.Extra) && slices.EqualFunc(a.Parts, b.Parts, samePart)
}

// samePart compares the most common parts without reflection.
func samePart(a, b llm.Part) bool {
	switch a := a.(type) {
	case llm.Text:
		b, ok := b.(llm.Text)
		return ok && a.Text == b.Text && slices.Equal(a.Extra, b.Extra)
	case llm.ToolCall:
		b, ok := b.(llm.ToolCall)
		return ok && a.ID == b.ID && a.Name == b.Name && a.Arguments == b.Arguments && slices.Equal(a.Extra, b.Extra)
	case llm.ToolResult:
		b, ok := b.(llm.ToolResult)
		return ok && a.CallID == b.CallID && a.Name == b.Name && a.IsError == b.IsError &&
			slices.Equal(a.Extra, b.Extra) && slices.EqualFunc(a.Parts, b.Parts, samePart)
	}
	return reflect.DeepEqual(a, b)
}
