package openai

import (
	"fmt"
	"slices"
	"sync"

	"github.com/seed-916e8f6a/toolloop/internal/appended"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// memoKey holds everything that the bytes of a message depend on, including
// changes of the profile. Models with the same key share the encoded messages.
type memoKey struct{ rules messageRules }

// encodedMessages is a conversation in the form of the request.
type encodedMessages struct {
	lead     []llm.Message // the system messages at the front
	messages body          // JSON, joined with commas
	last     []byte        // the last segment of the messages
	end      []byte        // messages at the end of this request only, with a comma
	called   bool          // the conversation has a call
	notes    []string      // repairs that no earlier request has reported
}

// A messageSlot finds the encoded messages in a memo. A slot is made once for many
// requests, because a key in an interface and a function cost an allocation each.
type messageSlot struct {
	key  any // a memoKey
	make func() any
}

func newMessageSlot(r messageRules) messageSlot {
	return messageSlot{memoKey{r}, func() any { return &messageCache{rules: &r} }}
}

// encode returns the messages of the request. Messages in the memo are not
// encoded again.
func (s messageSlot) encode(req *llm.Request) (encodedMessages, error) {
	cache := req.Memo.Slot(s.key, s.make).(*messageCache)
	return cache.encode(req.Messages, appended.Vouched(req.Memo, req.Messages))
}

// A messageCache is the encoded form of a growing conversation. The returned bytes
// are never changed: the history appends behind them, or starts again in new
// memory.
type messageCache struct {
	rules *messageRules

	mu      sync.Mutex
	encoder encoder
	seen    seenMessages // the messages in full and buf, to notice another conversation
	full    body         // segments without room
	buf     []byte       // the last segment
	encoded int          // bytes ever encoded
}

// encode encodes the messages that no earlier request had. vouched says that nobody changes
// a message of this list.
func (h *messageCache) encode(messages []llm.Message, vouched bool) (encodedMessages, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seen.len() == 0 || !h.seen.begin(messages, vouched) {
		h.encoder, h.seen, h.full, h.buf = encoder{rules: h.rules}, seenMessages{}, nil, nil
	}
	h.encoder.notes = nil
	for _, m := range messages[h.seen.len():] {
		if err := h.add(m); err != nil {
			return encodedMessages{}, fmt.Errorf("openai: message %d: %w", h.seen.len(), err)
		}
	}
	end, notes, err := h.encoder.end()
	if err != nil {
		return encodedMessages{}, fmt.Errorf("openai: message %d: %w", h.seen.len()-1, err)
	}
	return encodedMessages{
		lead: h.encoder.lead, messages: h.full[:len(h.full):len(h.full)], last: h.buf[:len(h.buf):len(h.buf)], end: end,
		called: h.encoder.called, notes: slices.Concat(h.encoder.notes, notes),
	}, nil
}

// A segment has room for a message, and for half of the conversation so far: few segments,
// and little memory that stays empty. One growing buffer would copy each message several
// times. Short conversations, which are many, double.
const (
	minSegment   = 512
	shortHistory = 4 << 10
	maxSegment   = 128 << 10
)

// makeRoom begins a new segment if the last one is full. size is the expected size of the
// next message.
func (h *messageCache) makeRoom(size int) {
	if cap(h.buf)-len(h.buf) >= size {
		return
	}
	if len(h.buf) > 0 {
		h.full = append(h.full, h.buf[:len(h.buf):len(h.buf)])
	}
	so := int(h.full.size())
	if so > shortHistory {
		so = max(so/2, shortHistory)
	}
	h.buf = make([]byte, 0, max(min(so, maxSegment), size, minSegment))
}

// expectedSize returns about the size of a message in a request.
func expectedSize(m llm.Message) (n int) {
	const frame = 48 // names of members and brackets
	for _, p := range m.Parts {
		n += frame
		switch p := p.(type) {
		case llm.Text:
			n += len(p.Text)
		case llm.ToolCall:
			n += frame + len(p.ID) + len(p.Name) + len(p.Arguments) + len(p.Arguments)/4 // quotes have escapes
		case llm.ToolResult:
			n += frame + len(p.CallID)
			for _, p := range p.Parts {
				if t, ok := p.(llm.Text); ok {
					n += len(t.Text) + len(t.Text)/8
				}
			}
		}
	}
	return n
}

func (h *messageCache) add(m llm.Message) error {
	h.makeRoom(expectedSize(m))
	next := h.encoder // a copy, so that an error leaves the history unchanged
	buf, ok := next.plain(h.buf, m, h.seen.len())
	if !ok {
		var err error
		if buf, err = next.append(h.buf, m, h.seen.len()); err != nil {
			return err
		}
	}
	h.encoded += len(buf) - len(h.buf)
	h.encoder, h.buf = next, buf
	h.seen.add(m)
	return nil
}
