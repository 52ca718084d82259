// Package appended lets the code that runs a conversation vouch for its list of messages: the
// list is only appended to, and no message in the list is changed. A client need not compare
// the encoded messages with the messages of the next request then, so a run of T turns
// compares O(T) messages instead of O(T²).
//
// Only the given list is vouched for. If a Model between both sends another list, such as a
// shortened copy, the client compares the messages.
package appended

import (
	"sync"

	"github.com/seed-916e8f6a/toolloop/llm"
)

type key struct{}

// vouched is the list of the last Vouch.
type vouched struct {
	mu    sync.Mutex
	first *llm.Message
	len   int
}

func slot(m *llm.Memo) *vouched {
	return m.Slot(key{}, func() any { return new(vouched) }).(*vouched)
}

// Vouch vouches for the messages of the next request with the memo, and returns the memo.
func Vouch(m *llm.Memo, messages []llm.Message) *llm.Memo {
	if m != nil && len(messages) > 0 {
		v := slot(m)
		v.mu.Lock()
		defer v.mu.Unlock()
		v.first, v.len = &messages[0], len(messages)
	}
	return m
}

// Vouched reports whether the messages are the list of the last Vouch.
func Vouched(m *llm.Memo, messages []llm.Message) bool {
	if m == nil || len(messages) == 0 {
		return false
	}
	v := slot(m)
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.first == &messages[0] && v.len == len(messages)
}
